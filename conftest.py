"""Loaded for tests and lessons alike: brings in the comparison of the lessons' outputs, and sums up what failed."""

from pathlib import PurePosixPath

pytest_plugins = ["nbval_hook"]

TIERS = {
    "tests/library": "the library",
    "tests/project": "the project: structure, frameworks, documents, tools",
    "tests/lessons": "a lesson's exercises, experiments and panels",
    "notebooks": "a lesson's stored outputs",
}


def failed_tiers(nodeids: list[str]) -> list[str]:
    """Return, for each part of the course in which something failed, a line that says so in words."""
    folders = [PurePosixPath(nodeid.partition("::")[0]).parent.as_posix() for nodeid in nodeids]
    return [f"FAILED: {name} ({folders.count(folder)})" for folder, name in TIERS.items() if folder in folders]


def pytest_terminal_summary(terminalreporter):
    failed = [r.nodeid for outcome in ("failed", "error") for r in terminalreporter.stats.get(outcome, [])]
    for line in failed_tiers(failed):
        terminalreporter.write_line(line, red=True)
