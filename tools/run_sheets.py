"""The instructor's run-sheets, from the lessons' minutes and headings: the block of docs/run_sheets.md."""

from __future__ import annotations

import json
import re

from lesson_form import size
from lessons import NOTEBOOKS, text
from prose import LAST_PART, is_exercise

from course_lib.lessons import Lesson, written


def run_sheets() -> str:
    """Return what an instructor has before the eyes: for each lesson its sections, their minutes and exercises."""
    return "\n\n".join(map(run_sheet, written()))


def run_sheet(lesson: Lesson) -> str:
    """Return one lesson's run-sheet. Its sections share the lesson's minutes as they would take by the formula."""
    path = NOTEBOOKS / f"{lesson.stem}.ipynb"
    parts = sections(json.loads(path.read_text(encoding="utf-8"))["cells"])
    main = {title: cells for title, cells in parts.items() if not title.startswith(LAST_PART)}
    alone = {title: size(cells, lesson._replace(live_seconds=0)).exact_minutes for title, cells in main.items()}
    lines = [f"## {lesson.number} {lesson.title}: {lesson.minutes} minutes", ""]
    lines += ["| section | minutes | exercises |", "|---|---|---|"]
    for title, cells in parts.items():
        share = round(lesson.minutes * alone[title] / sum(alone.values())) if title in alone else ""
        lines.append(f"| {title} | {share} | {', '.join(exercises(cells))} |")
    numbered = [int(title.partition(".")[0]) for title in parts if re.match(r"\d+\. ", title)]
    if any(exercises(cells) for cells in parts.values()):
        place = numbered[len(numbered) // 2]
        lines += ["", f"Whoever is behind when section {place} begins: `%run -m course_lib checkpoint {lesson.number} "]
        lines[-1] += f"{place - 1}` in any cell."
    return "\n".join(lines)


def sections(cells) -> dict[str, list]:
    """Return a lesson's cells under the title of their section; what comes first is "to begin with"."""
    found = {"to begin with": []}
    for cell in cells:
        # A cell that closes one section and opens the next counts to the next.
        for title in re.findall(r"^## (.*)", text(cell["source"]), re.MULTILINE) * (cell["cell_type"] == "markdown"):
            found[title] = []
        found[list(found)[-1]].append(cell)
    return found


def exercises(cells) -> list[str]:
    """Return the numbers of the exercises among some cells."""
    prompts = [text(cell["source"]) for cell in cells if cell["cell_type"] == "markdown" and is_exercise(cell)]
    return [re.search(r"Exercise (\S+):", prompt)[1] for prompt in prompts]
