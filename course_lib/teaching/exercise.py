"""Exercises with an answer like a friendly code review: short, specific, and never a bare traceback.

In a lesson::

    from course_lib.lessons.lesson_04_backpropagation_through_time import exercises as ex
    ex.check("4.1", carry_back)   # not attempted yet, passed, or what is wrong and what to try
    ex.hint("4.1")                # the next hint
    ex.solution("4.1")            # the code that the course's own tests run

There is one module per lesson. It holds a list ``EXERCISES`` of :class:`Exercise`, and ends in
``check, hint, solution = bank(EXERCISES)``. The notebook's cells are written from it, by :func:`sync`.
"""

from __future__ import annotations

import ast
import html
import inspect
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from course_lib import lessons
from course_lib.teaching import progress
from course_lib.teaching.running import Attempt, Code, NotAttempted, Review, run


@dataclass(frozen=True)
class Exercise:
    """One exercise: the source of its two cells in the lesson, and of what is said about an attempt.

    Parameters
    ----------
    number, title : str
        As in "4.2" and "Sum over time".
    prompt : str
        What to do, in Markdown. Names every condition that the check applies.
    hints : tuple of str
        From a nudge to nearly the answer.
    solution : callable
        A function with a docstring. Its source is what ``solution`` shows, its signature and docstring are the stub.
    why : str
        One sentence to take home, shown with *passed* and with the solution.
    check : callable
        Takes an :class:`~course_lib.teaching.running.Attempt`, returns None if it is right, else what is wrong and
        what to try (or raises Review or NotAttempted).
    misconceptions : tuple of (callable, str)
        The wrong attempts that learners really make, each with the answer that it must get: the whole answer where
        the check looks it up here (:func:`~course_lib.teaching.running.first_match`), the telling part of it where
        the check composes it from what it measured.
    code_to_mend : str, optional
        Source of a function with a fault, of an exercise that asks for mending it: the stub in its place.
    """

    number: str
    title: str
    prompt: str
    hints: tuple[str, ...]
    solution: Callable
    why: str
    check: Callable
    misconceptions: tuple[tuple[Callable, str], ...]
    code_to_mend: str = ""

    @property
    def stub(self) -> str:
        """The source that the learner gets and edits: one function, which returns ``...`` or has a fault."""
        if self.code_to_mend:
            return self.code_to_mend.strip()
        docstring = ast.parse(self.code).body[0].body[0]
        return "\n".join([*self.code.splitlines()[: docstring.end_lineno], "    return ..."])

    @property
    def markdown(self) -> str:
        """The lesson's Markdown cell."""
        return f"{self._heading}: {self.title}\n\n{self.prompt.strip()}"

    @property
    def cell(self) -> str:
        """The lesson's code cell."""
        return f"{self.stub}\n\n\n{self._call}, {self.solution.__name__})"

    @property
    def code(self) -> str:
        """The source of the solution."""
        return inspect.getsource(self.solution).strip()

    @property
    def _heading(self) -> str:
        return f"### Exercise {self.number}"

    @property
    def _call(self) -> str:
        return f'ex.check("{self.number}"'


def sync(notebook: Mapping[str, Any], module: ModuleType) -> list[str]:
    """Write a lesson's exercise cells from its module, in place; ids, outputs and all other cells stay as they are.

    The cells are found by how they begin or what they call: ``### Exercise 4.2`` and ``ex.check("4.2"``.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        The lesson, as :func:`nbformat.read` returns it.
    module : module
        The lesson's exercises, with a list ``EXERCISES``.

    Returns
    -------
    list of str
        Which cells differed and have been written, as in "4.2: the code cell".

    Raises
    ------
    ValueError
        If an exercise's cells are not in the notebook exactly once, the code cell right after the Markdown cell.
    """
    cells, changed = notebook["cells"], []
    for exercise in module.EXERCISES:
        prompts = _places(cells, "markdown", lambda source, e=exercise: source.startswith(f"{e._heading}:"))
        codes = _places(cells, "code", lambda source, e=exercise: e._call in source)
        if len(prompts) != 1 or codes != [prompts[0] + 1]:
            raise ValueError(
                f"Expected one Markdown cell that begins with '{exercise._heading}:' and right after it the code cell "
                f"with '{exercise._call}, ...)', but got Markdown cells at {prompts} and code cells at {codes} of "
                f"{len(cells)}. Put the two cells where the exercise belongs; what else is in them does not matter."
            )
        for place, kind, source in ((prompts[0], "Markdown", exercise.markdown), (codes[0], "code", exercise.cell)):
            if cells[place]["source"] != source:
                cells[place]["source"] = source
                changed.append(f"{exercise.number}: the {kind} cell")
    return changed


def _places(cells: Sequence[Mapping[str, Any]], kind: str, fits: Callable[[str], bool]) -> list[int]:
    """The places of the cells of a kind whose source fits."""
    return [place for place, cell in enumerate(cells) if cell["cell_type"] == kind and fits(cell["source"])]


# The border of an answer. The colours are the palette's bluish green, blue, vermilion and a grey, each at least 3:1 on
# white and on black. The kind of line and the word say the same without colour.
BORDERS = {
    "PASSED": "solid #009E73",
    "NOT YET": "dashed #D55E00",
    "NOT ATTEMPTED YET": "dotted #808080",
    "HINT": "solid #0072B2",
    "SOLUTION": "double #0072B2",
}


def bank(exercises: Sequence[Exercise]) -> tuple[Callable[..., None], Callable[..., None], Callable[..., None]]:
    """Make ``check``, ``hint`` and ``solution`` for a list of exercises.

    Parameters
    ----------
    exercises : sequence of Exercise
        Those of one lesson.

    Returns
    -------
    check, hint, solution : callable
        ``check(number, attempt)``, ``hint(number)`` and ``solution(number)`` display an answer and return None.
    """
    by_number = {exercise.number: exercise for exercise in exercises}
    hints_read = Counter()

    def find(number: object) -> Exercise | None:
        if str(number) in by_number:
            return by_number[str(number)]
        got = number if isinstance(number, str | int | float) else type(number).__name__
        _display(
            "NOT YET",
            "Exercises",
            [
                f"There is no exercise `{got}` in this lesson. It has {', '.join(by_number)}: write the number in "
                f'quotes, as in `ex.hint("{exercises[0].number}")` or `ex.check("{exercises[0].number}", '
                f"{exercises[0].solution.__name__})`."
            ],
        )

    def check(number: str | None = None, attempt: Any = ...) -> None:
        """Review an attempt: ``ex.check("4.2", my_function)``."""
        if exercise := find(number):
            word, parts = _review(exercise, attempt)
            if word != "NOT ATTEMPTED YET":
                passed = word == "PASSED"
                trouble = progress.record(exercise.number, attempted=True, passed=passed, wrong=int(not passed))
                parts.append(_once(trouble))
            _display(word, f"Exercise {exercise.number}", parts)

    def hint(number: str | None = None) -> None:
        """Show the next hint: ``ex.hint("4.2")``."""
        if exercise := find(number):
            total, read = len(exercise.hints), hints_read[exercise.number] + 1
            if read > total:
                _display(
                    "HINT",
                    f"Exercise {exercise.number}",
                    [
                        f'You have read all {total}. `ex.solution("{exercise.number}")` shows code that passes.',
                        *exercise.hints[-1:],
                    ],
                )
                return
            hints_read[exercise.number] = read
            parts = [f"Hint {read} of {total}. {exercise.hints[read - 1]}"]
            if read == total:
                parts.append(f'That was the last hint; after it there is `ex.solution("{exercise.number}")`.')
            parts.append(_once(progress.record(exercise.number, hints=read)))
            _display("HINT", f"Exercise {exercise.number}", parts)

    def solution(number: str | None = None) -> None:
        """Show code that passes: ``ex.solution("4.2")``."""
        if exercise := find(number):
            trouble = _once(progress.record(exercise.number, solution_seen=True))
            _display("SOLUTION", f"Exercise {exercise.number}", [Code(exercise.code), exercise.why, trouble])

    return check, hint, solution


def _review(exercise: Exercise, attempt: object) -> tuple[str, list[str]]:
    """The word and the paragraphs of the answer to an attempt."""
    name = exercise.solution.__name__
    how = f'Write your function in the cell and end it with `ex.check("{exercise.number}", {name})`.'
    if attempt is None or attempt is Ellipsis:
        return "NOT ATTEMPTED YET", [how]
    if not callable(attempt):
        return "NOT YET", [
            f"The check expected the function itself, but got a value of type `{type(attempt).__name__}`. "
            f'Without parentheses after its name: `ex.check("{exercise.number}", {name})`.'
        ]
    outcome, printed = run(lambda: exercise.check(Attempt(attempt, exercise.solution)))
    if isinstance(outcome, NotAttempted):
        word = "NOT ATTEMPTED YET"
        parts = [*outcome.args, f'Stuck? `ex.hint("{exercise.number}")` gives a first hint.']
    elif isinstance(outcome, Review):
        word, parts = "NOT YET", list(outcome.args)
    elif isinstance(outcome, BaseException):  # raised by the check: it does not know what to do with this value
        word = "NOT YET"
        parts = [
            f"The check could not read what your function returned (`{type(outcome).__name__}`: {outcome}). Compare "
            f"it with what the exercise asks for. If you think that it is right, the check is wrong: please report it."
        ]
    elif outcome is None:
        word, parts = "PASSED", [exercise.why]
    else:
        word, parts = "NOT YET", [outcome]
    if printed.strip():
        parts += ["Your function printed:", Code(printed.rstrip())]
    return word, parts


_troubles_shown: set[str] = set()


def _once(trouble: str) -> str:
    """The sentence about a trouble with the progress file, the first time in this session; empty after that."""
    if trouble in _troubles_shown:
        return ""
    _troubles_shown.add(trouble)
    return trouble


def _display(word: str, heading: str, parts: list[str]) -> None:
    """Display an answer: HTML in a notebook, with the same content as plain text everywhere else."""
    parts = [part for part in parts if part]
    plain = "\n".join([f"{heading}: {word}", *parts])
    # IPython is asked for only if it already runs: importing it takes longer than the answer.
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        print(plain)
        return
    from IPython.display import display

    font = "var(--jp-code-font-family, monospace)"
    body = "".join(
        f"<pre style='margin: 0.4em 0; overflow-x: auto; font-family: {font}'>{html.escape(part)}</pre>"
        if isinstance(part, Code)
        else f"<p style='margin: 0.4em 0'>{_inline(part)}</p>"
        for part in parts
    )
    # No colour for text and background: the theme's own are readable, light or dark.
    display(
        {
            "text/html": f"<div role='status' style='border-left: 6px {BORDERS[word]}; padding: 0.2em 1em'>"
            f"<strong>{html.escape(heading)}: {word}</strong>{body}</div>",
            "text/plain": plain,
        },
        raw=True,
    )


def _inline(text: str) -> str:
    """A paragraph as HTML, with `code` between back-ticks."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def modules() -> list[ModuleType]:
    """The lessons' modules of exercises, in the order of the lessons.

    Returns
    -------
    list of module
        Each has a list ``EXERCISES``.
    """
    found = [lesson.module("exercises") for lesson in lessons.written()]
    return [module for module in found if module is not None]


def progress_report() -> str:
    """The reader's progress, for ``python -m course_lib progress``.

    Returns
    -------
    str
        A table in plain text: a line for each lesson and for each exercise.
    """
    records, trouble = progress.read()
    lines = [trouble] if trouble else []
    for lesson in lessons.written():
        if (module := lesson.module("exercises")) is None:
            continue
        done = [records.get(exercise.number, progress.EMPTY) for exercise in module.EXERCISES]
        passed = sum(record["passed"] for record in done)
        lines.append(f"{lesson.stem.replace('_', ' ', 1)}: {passed} of {len(done)} passed")
        for exercise, record in zip(module.EXERCISES, done, strict=True):
            mark = "[x]" if record["passed"] else "[~]" if record["attempted"] else "[ ]"
            notes = [f"{record['hints']} of {len(exercise.hints)} hints"] if record["hints"] else []
            notes += ["solution seen"] if record["solution_seen"] else []
            notes += [record["date"][:10]] if record["date"] else []  # the day
            lines.append(f"  {mark} {exercise.number} {exercise.title}" + (f" ({', '.join(notes)})" if notes else ""))
    lines.append("[x] passed   [~] tried, not passed yet   [ ] not tried")
    seen = "Your instructor sees this list." if os.environ.get("COURSE_CLASSROOM") else "Nothing is sent anywhere."
    lines.append(f"Kept in a file on this computer only. {seen}")
    return "\n".join(lines)
