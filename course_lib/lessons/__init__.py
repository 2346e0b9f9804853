"""The lessons: a folder each, with all that belongs to one lesson and to no other, and the map of the course.

``lesson_07_gru`` belongs to ``notebooks/07_gru.ipynb`` and ``tests/lessons/test_07_gru.py``. It says what the lesson is
(``title``, ``question``, ``minutes``, ``part``), and may have modules ``exercises``, ``experiments``, ``figures`` and
``panels``, a folder ``records`` and, in form 2, a file ``evidence.json``. Adding a folder adds the lesson to the map,
deleting it takes it away.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

PARTS = ("start", "from a neuron to a memory", "memory that lasts", "reading and writing", "beyond", "your own data")


class Lesson(NamedTuple):
    """One lesson of the course.

    Attributes
    ----------
    number : str
        Two digits; "p1" and "p2" are the projects.
    title, question : str
    minutes : int
        To read and run; the exercises take most of that again.
    part : str
        Which part of the walk it belongs to, one of ``PARTS``.
    stem : str
        Name of its notebook without the ending, such as ``07_gru``; empty for a draft that has no folder.
    form : int
        2 once the lesson follows the rules on anatomy, terms and numbers that docs/maintainer.md lists, else 1.
    live_seconds : float
        What its cells took in its last run; part of the formula for ``minutes`` in form 2.
    """

    number: str
    title: str
    question: str
    minutes: int
    part: str
    stem: str = ""
    form: int = 1
    live_seconds: float = 0

    @property
    def package(self) -> str:
        """Name of the package with all that belongs to it."""
        return f"{__name__}.lesson_{self.stem}"

    @property
    def folder(self) -> Path:
        """The folder of that package."""
        return Path(__file__).parent / f"lesson_{self.stem}"

    def module(self, name: str) -> ModuleType | None:
        """Its module ``exercises``, ``experiments``, ``figures`` or ``panels``, or None if it has no such module."""
        if not (self.folder / f"{name}.py").exists():
            return None
        return importlib.import_module(f"{self.package}.{name}")


def _lesson(stem: str) -> Lesson:
    about = importlib.import_module(f"{__name__}.lesson_{stem}")
    more = {name: getattr(about, name) for name in ("form", "live_seconds") if hasattr(about, name)}
    return Lesson(stem.partition("_")[0], about.title, about.question, about.minutes, about.part, stem, **more)


def written() -> list[Lesson]:
    """The lessons that have a folder, in order."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name.startswith("lesson_"))
    return [_lesson(name.removeprefix("lesson_")) for name in names]


def find(number: str) -> Lesson:
    """The lesson with this number, such as "07".

    Raises
    ------
    ValueError
        If there is none; the message lists them.
    """
    by_number = {lesson.number: lesson for lesson in written()}
    if number not in by_number:
        raise ValueError(f"There is no lesson {number!r}. These exist: {', '.join(by_number)}.")
    return by_number[number]
