"""A lesson of a few seconds with everything a lesson has, made and executed in a test, to plant faults in."""

from __future__ import annotations

from pathlib import Path

from lessons import as_file, execute
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ALT = "Line falling from 1.000 to 0.125 in three steps: each step halves the number."

OPENING = """# A number that halves

How long does a number last if each step halves it? See [Elman 1990](../docs/bibliography.md#elman-1990)."""

SETUP = """import course_lib

rng = course_lib.setup(1)"""

PRINTED = """print("the number starts at 1.0")"""

MEASURED = """loss = 2.0 / 3.0
print(f"loss {loss:.6f} after 3 steps")
loss"""

FIGURE = f"""import matplotlib.pyplot as plt
from course_lib import plotting

fig, ax = plt.subplots()
ax.plot([1, 0.5, 0.25, 0.125])
print("before the figure")
plotting.show(fig, alt="{ALT}")
print("after the figure")"""

TIMED = """import time
print(f"this took {time.perf_counter():.9f} s")"""

CLOSING = """## Summary

It lasts three steps, as [the first section](#Halving) shows.

## Sources

- [Elman 1990](../docs/bibliography.md#elman-1990)"""

BIBLIOGRAPHY = """# Bibliography

<a id="elman-1990"></a>Elman, J. L. (1990). Finding structure in time. Cognitive Science 14.
"""

# The cells' places in the notebook, for those who plant faults.
PLACES = {"opening": 0, "setup": 1, "heading": 2, "printed": 3, "measured": 4, "figure": 5, "timed": 6, "closing": 7}


def make_lesson(folder: Path) -> Path:
    """Write and execute the mini lesson in ``folder/notebooks``, beside a bibliography, and return its path."""
    cells = [
        new_markdown_cell(OPENING),
        new_code_cell(SETUP),
        new_markdown_cell("## Halving"),
        new_code_cell(PRINTED),
        new_code_cell(MEASURED, metadata={"course": {"rtol": 1e-3, "why": "the last digits depend on the machine"}}),
        new_code_cell(FIGURE),
        new_code_cell(TIMED, metadata={"tags": ["nbval-ignore-output"], "course": {"ignore": "a clock's reading"}}),
        new_markdown_cell(CLOSING),
    ]
    for name, cell in zip(PLACES, cells, strict=True):
        cell["id"] = name
    for part in ("docs", "notebooks"):
        (folder / part).mkdir()
    (folder / "docs" / "bibliography.md").write_text(BIBLIOGRAPHY, encoding="utf-8")
    lesson = folder / "notebooks" / "00_halving.ipynb"
    lesson.write_text(as_file(new_notebook(cells=cells)), encoding="utf-8", newline="\n")
    lesson.write_text(as_file(execute(lesson)), encoding="utf-8", newline="\n")
    return lesson
