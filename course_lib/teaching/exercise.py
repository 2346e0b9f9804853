"""Exercises with an answer like a friendly code review: short, specific, and never a bare traceback.

In a lesson::

    from course_lib.lessons.lesson_04_backpropagation_through_time import exercises as ex
    ex.check("4.1", carry_back)   # not attempted yet, passed, or what is wrong and where to look
    ex.hint("4.1")                # the next hint
    ex.solution("4.1")            # the code that the course's own tests run

There is one module per lesson. It holds a list ``EXERCISES`` of :class:`Exercise`, and ends in
``check, hint, solution = bank(EXERCISES)``.
"""

from __future__ import annotations

import html
import inspect
import re
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from course_lib import lessons
from course_lib.teaching import progress
from course_lib.teaching.running import Attempt, Code, NotAttempted, Review, run


@dataclass(frozen=True)
class Exercise:
    """One exercise. The lesson's two cells are :attr:`markdown` and :attr:`cell`, word for word.

    Attributes
    ----------
    number, title : str
        As in "4.2" and "Sum over time".
    prompt : str
        What to do, in Markdown.
    stub : str
        The source that the learner gets and edits: one function, which returns ``...``.
    hints : tuple of str
        From a nudge to nearly the answer.
    solution : function
        Its source is what ``solution`` shows; its name is the stub's.
    why : str
        One sentence to take home, shown with *passed* and with the solution.
    check : function
        Takes an :class:`~course_lib.teaching.running.Attempt`, returns None if it is right, else what is wrong and
        where to look (or raises Review or NotAttempted).
    misconceptions : tuple of (function, str)
        Wrong attempts that learners really make, and a phrase that the answer to each must contain.
    """

    number: str
    title: str
    prompt: str
    stub: str
    hints: tuple[str, ...]
    solution: Callable
    why: str
    check: Callable
    misconceptions: tuple[tuple[Callable, str], ...]

    @property
    def markdown(self):
        """The lesson's Markdown cell."""
        return f"### Exercise {self.number}: {self.title}\n\n{self.prompt.strip()}"

    @property
    def cell(self):
        """The lesson's code cell."""
        return f'{self.stub.strip()}\n\n\nex.check("{self.number}", {self.solution.__name__})'

    @property
    def code(self):
        """The source of the solution."""
        return inspect.getsource(self.solution).strip()


# The colours are the palette's bluish green, blue, vermilion and a grey, each at least 3:1 on white and on black. The
# kind of line and the word say the same without colour.
LOOKS = {
    "PASSED": "solid #009E73",
    "NOT YET": "dashed #D55E00",
    "NOT ATTEMPTED YET": "dotted #808080",
    "HINT": "solid #0072B2",
    "SOLUTION": "double #0072B2",
}


def bank(exercises):
    """Make ``check``, ``hint`` and ``solution`` for a list of exercises.

    Parameters
    ----------
    exercises : list of Exercise

    Returns
    -------
    check, hint, solution : functions
    """
    by_number = {exercise.number: exercise for exercise in exercises}
    hints_read = Counter()

    def find(number):
        if str(number) in by_number:
            return by_number[str(number)]
        _show(
            "NOT YET",
            "Exercises",
            [
                f"There is no exercise `{number if isinstance(number, str | int | float) else type(number).__name__}` "
                "in "
                f"this lesson. It has {', '.join(by_number)}: write the number in quotes, as in "
                f'`ex.hint("{exercises[0].number}")` or `ex.check("{exercises[0].number}", '
                f"{exercises[0].solution.__name__})`."
            ],
        )

    def check(number=None, attempt=...):
        """Review an attempt: ``ex.check("4.2", my_function)``."""
        if exercise := find(number):
            word, parts = _review(exercise, attempt)
            if word != "NOT ATTEMPTED YET":
                parts.append(_new(progress.record(exercise.number, attempted=True, passed=word == "PASSED")))
            _show(word, f"Exercise {exercise.number}", parts)

    def hint(number=None):
        """Show the next hint: ``ex.hint("4.2")``."""
        if exercise := find(number):
            total, read = len(exercise.hints), hints_read[exercise.number] + 1
            if read > total:
                _show(
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
            parts.append(_new(progress.record(exercise.number, hints=read)))
            _show("HINT", f"Exercise {exercise.number}", parts)

    def solution(number=None):
        """Show code that passes: ``ex.solution("4.2")``."""
        if exercise := find(number):
            trouble = _new(progress.record(exercise.number, solution_seen=True))
            _show("SOLUTION", f"Exercise {exercise.number}", [Code(exercise.code), exercise.why, trouble])

    return check, hint, solution


def _review(exercise, attempt):
    """The word and the paragraphs of the answer to an attempt."""
    name = exercise.solution.__name__
    how = f'Write your function in the cell and end it with `ex.check("{exercise.number}", {name})`.'
    if attempt is None or attempt is Ellipsis:
        return "NOT ATTEMPTED YET", [how]
    if not callable(attempt):
        return "NOT YET", [
            f"The check wants the function itself, and what came is of type `{type(attempt).__name__}`. "
            f'Without parentheses after its name: `ex.check("{exercise.number}", {name})`.'
        ]
    outcome, printed = run(lambda: exercise.check(Attempt(attempt, exercise.solution)))
    if isinstance(outcome, NotAttempted):
        word = "NOT ATTEMPTED YET"
        parts = [*outcome.args, f'Stuck? `ex.hint("{exercise.number}")` gives a first hint.']
    elif isinstance(outcome, Review):
        word, parts = "NOT YET", list(outcome.args)
    elif isinstance(outcome, BaseException):  # raised by the check: something came back that it did not reckon with
        word, parts = (
            "NOT YET",
            [
                f"The check could not read what your function returned (`{type(outcome).__name__}`: {outcome}). "
                f"Compare it "
                f"with what the exercise asks for. If you think that it is right, the check is wrong: please report it."
            ],
        )
    elif outcome is None:
        word, parts = "PASSED", [exercise.why]
    else:
        word, parts = "NOT YET", [outcome]
    if printed.strip():
        parts += ["Your function printed:", Code(printed.rstrip())]
    return word, parts


_told = set()


def _new(trouble):
    """The sentence about a trouble with the progress file, the first time in this session; empty after that."""
    if trouble in _told:
        return ""
    _told.add(trouble)
    return trouble


def _show(word, heading, parts):
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
            "text/html": f"<div role='status' style='border-left: 6px {LOOKS[word]}; padding: 0.2em 1em'>"
            f"<strong>{html.escape(heading)}: {word}</strong>{body}</div>",
            "text/plain": plain,
        },
        raw=True,
    )


def _inline(text):
    """A paragraph as HTML, with `code` between back-ticks."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def modules():
    """The lessons' modules of exercises, in the order of the lessons.

    Returns
    -------
    list of module
        Each has a list ``EXERCISES``.
    """
    found = [lesson.module("exercises") for lesson in lessons.written()]
    return [module for module in found if module is not None]


def progress_report():
    """The reader's progress as a table in plain text, for ``python -m course_lib progress``.

    Returns
    -------
    str
    """
    records, trouble = progress.read()
    lines = [trouble] if trouble else []
    for module in modules():
        done = [records.get(exercise.number, progress.EMPTY) for exercise in module.EXERCISES]
        lesson = int(module.EXERCISES[0].number.split(".")[0])
        slug = module.__name__.split(".")[-2].removeprefix(f"lesson_{lesson:02d}_")
        lines.append(f"{lesson:02d} {slug}: {sum(record['passed'] for record in done)} of {len(done)} passed")
        for exercise, record in zip(module.EXERCISES, done, strict=True):
            mark = "[x]" if record["passed"] else "[~]" if record["attempted"] else "[ ]"
            notes = [f"{record['hints']} of {len(exercise.hints)} hints"] if record["hints"] else []
            notes += ["solution seen"] if record["solution_seen"] else []
            notes += [record["date"]] if record["date"] else []
            lines.append(f"  {mark} {exercise.number} {exercise.title}" + (f" ({', '.join(notes)})" if notes else ""))
    lines.append("[x] passed   [~] tried, not passed yet   [ ] not tried")
    lines.append("Kept in a file on this computer only; nothing is sent anywhere.")
    return "\n".join(lines)
