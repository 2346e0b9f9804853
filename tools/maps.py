"""Write the course map into the documents that show it, between two markers each; nothing else of them changes.

    python tools/maps.py

A lesson says its title, question, minutes and part in its folder's ``__init__.py``, and nowhere else. ``make refresh``
calls this, and a test compares.
"""

from __future__ import annotations

import re
from pathlib import Path

from course_lib.lessons import PARTS, written

ROOT = Path(__file__).resolve().parents[1]


def table() -> str:
    """Return the README's map."""
    lines = ["| # | Lesson | The question | Minutes |", "|---|---|---|---|"]
    for lesson in written():
        title = f"[{lesson.title}](notebooks/{lesson.stem}.ipynb)"
        lines.append(f"| {lesson.number} | {title} | {lesson.question} | {lesson.minutes} |")
    return "\n".join(lines)


def contents() -> str:
    """Return the lessons in the site's table of contents, one caption a part."""
    trees = []
    for part in PARTS:
        pages = [f"../notebooks/{lesson.stem}" for lesson in written() if lesson.part == part]
        if pages:
            head = ["```{toctree}", ":hidden:", f":caption: {part.capitalize()}", ""]
            trees.append("\n".join([*head, *pages, "```"]))
    return "\n\n".join(trees)


def sheets() -> str:
    """Return the instructor's run-sheets."""
    import run_sheets  # here: it needs lessons, which needs this module

    return run_sheets.run_sheets()


BLOCKS = {"README.md": table, "docs/index.md": contents, "docs/run_sheets.md": sheets}
MARKED = re.compile(r"(<!-- map: `make refresh` writes it -->\n).*?(\n<!-- end of the map -->)", re.DOTALL)


def updated(name: str, text: str) -> str:
    """Return a document with its map as the lessons say it.

    Parameters
    ----------
    name : str
        One of ``BLOCKS``.
    text : str
        The document.

    Raises
    ------
    ValueError
        If its two markers are not there, once each.
    """
    new, count = MARKED.subn(lambda marks: marks[1] + "\n" + BLOCKS[name]() + "\n" + marks[2], text)
    if count != 1:
        raise ValueError(f"Expected one map between two markers in {name}, got {count}. `git log {name}` has them.")
    return new


def write() -> list[str]:
    """Bring the maps up to date; return the names of the documents that changed."""
    changed = []
    for name in BLOCKS:
        path = ROOT / name
        old = path.read_text(encoding="utf-8")
        new = updated(name, old)
        if new != old:
            path.write_text(new, encoding="utf-8", newline="\n")
            changed.append(name)
    return changed


if __name__ == "__main__":
    print("\n".join(write()) or "The maps are as the lessons say.")
