"""A place to catch up at: a copy of a lesson in which the exercises up to a section are solved.

``python -m course_lib checkpoint 06 3`` (in a notebook ``%run -m course_lib checkpoint 06 3``) writes
``06_lstm_from_section_4.ipynb`` beside the reader's copy of lesson 06. The reader opens it, has everything above the
marked place run, and goes on with the room.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat

from course_lib import lessons

ROOT = Path(__file__).resolve().parents[2]
SECTION = re.compile(r"^## (\d+)\. ", re.MULTILINE)


def solved_to(notebook: nbformat.NotebookNode, exercises: list, section: int) -> list[str]:
    """Put the solutions into the exercises' cells of sections 1 to `section`, and mark where to go on, in place.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        A lesson.
    exercises : list of Exercise
        The lesson's.
    section : int
        The last section that is done.

    Returns
    -------
    list of str
        The numbers of the exercises that are solved now.

    Raises
    ------
    ValueError
        If the lesson has no section after this one to go on with.
    """
    starts = {
        int(found): place
        for place, cell in enumerate(notebook.cells)
        if cell.cell_type == "markdown"
        for found in SECTION.findall(cell.source)
    }
    if section not in starts or section + 1 not in starts:
        possible = ", ".join(str(number) for number in starts if number + 1 in starts)
        raise ValueError(f"Expected a section that has another one after it, one of {possible}; got {section}.")
    end, solved = starts[section + 1], []
    for cell in notebook.cells[:end]:
        for exercise in exercises:
            call = f'ex.check("{exercise.number}"'
            if cell.cell_type == "code" and call in cell.source:
                cell.source = f"{exercise.code}\n\n\n{call}, {exercise.solution.__name__})"
                solved.append(exercise.number)
    which = f"Exercises {', '.join(solved)} are solved above." if solved else "There is no exercise above."
    note = (
        f"**Checkpoint.** Select this cell and choose *Run, Run All Above Selected Cell*; then go on with section "
        f"{section + 1}. {which}"
    )
    notebook.cells.insert(end, nbformat.v4.new_markdown_cell(note, id="checkpoint"))
    return solved


def write(number: str, section: int, folder: Path | None = None) -> Path:
    """Write a lesson's checkpoint into the folder of the reader's copies.

    Parameters
    ----------
    number : str
        The lesson's, such as "06".
    section : int
        The last section that is done.
    folder : Path, optional
        Where to; else the working folder if the reader's copy of the lesson is there, else ``my_notebooks``.

    Returns
    -------
    Path
        The new notebook's.

    Raises
    ------
    ValueError
        If there is no such lesson or section, or the lesson has no exercises.
    FileNotFoundError
        If the reader has no copies yet.
    FileExistsError
        If this checkpoint is there already; what the reader wrote in it stays.
    """
    lesson = lessons.find(number)
    module = lesson.module("exercises")
    if not module or not module.EXERCISES:
        raise ValueError(f"Lesson {number} has no exercises: run it from the top, that is its checkpoint.")
    original = ROOT / "notebooks" / f"{lesson.stem}.ipynb"
    notebook = nbformat.read(original, as_version=4)
    solved_to(notebook, module.EXERCISES, section)
    if folder is None:
        here = Path.cwd()
        beside = (here / original.name).exists() and here != original.parent
        folder = here if beside else ROOT / "my_notebooks"
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder.name} yet: `make lab` or `make copies` makes your copies.")
    path = folder / f"{lesson.stem}_from_section_{section + 1}.ipynb"
    with path.open("x", encoding="utf-8") as file:
        nbformat.write(notebook, file)
    return path
