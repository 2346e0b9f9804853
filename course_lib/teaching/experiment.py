"""The results room: what each paper said, and what this course measured.

A reproduction names a paper's figure, a measurement that takes one seed, and the criterion by which the two agree.
``make reproduce`` runs every seed at full size and alone writes the JSON files beside this module. A lesson draws them
as *recorded* beside its own live run; ``make run`` prints them as a scoreboard.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import io
import json
import textwrap
import time
import tokenize
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from course_lib import lessons


@dataclass(frozen=True)
class Reproduction:
    """One result of one paper at laptop scale.

    Attributes
    ----------
    key : str
        Name of its JSON file.
    lesson : str
        Two digits.
    paper : str
        Who, when, which table or figure.
    claim : str
        What the paper showed, in a line.
    reported : str
        The paper's own figure.
    criterion : str
        When our figure agrees with the claim, in words.
    seeds : range
    measure : callable
        One seed -> dict of numbers.
    holds : callable
        List of such dicts -> bool: the bound, in code.
    measured : callable
        List of such dicts -> str: our figure, in a line.
    code : tuple of str
        Modules whose code the figures depend on, besides the one that defines ``measure``.
    """

    key: str
    lesson: str
    paper: str
    claim: str
    reported: str
    criterion: str
    seeds: range
    measure: Callable[[int], dict]
    holds: Callable[[list[dict]], bool]
    measured: Callable[[list[dict]], str]
    code: tuple[str, ...]

    @property
    def file(self) -> Path:
        return lessons.find(self.lesson).folder / "records" / f"{self.key}.json"

    def code_hash(self) -> str:
        """A hash of the code behind the figures. Comments, docstrings and line breaks do not change it."""
        modules = sorted({self.measure.__module__, *self.code})
        sources = [inspect.getsource(importlib.import_module(name)) for name in modules]
        return hashlib.sha256("".join(map(_code_only, sources)).encode()).hexdigest()[:16]


def _code_only(source: str) -> str:
    """A module's text without comments, docstrings and white space (a syntax tree varies with Python's version)."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            docstring = node.body[0]
            lines[docstring.lineno - 1 : docstring.end_lineno] = [""] * (docstring.end_lineno - docstring.lineno + 1)
    return "".join("".join(lines).split())


def reproductions() -> list[Reproduction]:
    """All of them, in the order of the lessons."""
    modules = [lesson.module("experiments") for lesson in lessons.written()]
    return [r for module in modules if module is not None for r in module.REPRODUCTIONS]


def find(key: str) -> Reproduction:
    """The reproduction of that name."""
    by_key = {r.key: r for r in reproductions()}
    if key not in by_key:
        raise ValueError(f"There is no reproduction {key!r}. These exist: {', '.join(by_key)}.")
    return by_key[key]


class Recorded:
    """What ``make reproduce`` measured.

    Attributes
    ----------
    rows : list of dict
        One a seed; :meth:`column` gives one number over all seeds.
    holds : bool
        Whether the bound holds over all seeds.
    """

    def __init__(self, contents: dict):
        self.rows, self.holds = contents["rows"], contents["holds"]
        self.seconds, self.code_hash = contents["seconds"], contents["code"]

    def column(self, name: str) -> np.ndarray:
        """One measured number over the seeds, as an array; missing values (None) as NaN."""
        return np.array([np.nan if row[name] is None else row[name] for row in self.rows])


def recorded(key: str) -> Recorded:
    """The recorded figures of a reproduction.

    Raises
    ------
    FileNotFoundError
        If they were never measured; the message gives the command.
    """
    file = find(key).file
    if not file.exists():
        raise FileNotFoundError(f"{file.name} is missing: nothing was recorded for {key!r}. `make reproduce` does it.")
    return Recorded(json.loads(file.read_text(encoding="utf-8")))


def agree(key: str, live_rows: list[dict]) -> str:
    """Assert that live measurements meet the same bound as the recorded ones, and say so in a line.

    Raises
    ------
    AssertionError
        If either does not; the message shows both figures.
    """
    reproduction, record = find(key), recorded(key)
    live = reproduction.holds(live_rows)
    assert record.holds and live, (
        f"{reproduction.paper}: the criterion is “{reproduction.criterion}”. Recorded: "
        f"{reproduction.measured(record.rows)} "
        f"({'held' if record.holds else 'not held'}). Live: {reproduction.measured(live_rows)} "
        f"({'held' if live else 'not held'})."
    )
    return textwrap.fill(
        f"{reproduction.paper}: {reproduction.criterion}. Held live on {_seeds(live_rows)}, and recorded "
        f"on {_seeds(record.rows)}.",
        96,
    )


def _seeds(rows) -> str:
    return f"{len(rows)} seed" + ("s" if len(rows) > 1 else "")


def scoreboard() -> list[dict]:
    """For ``make run``: a row for each reproduction.

    Returns
    -------
    list of dict
        lesson, paper, claim, reported, measured, holds (True, False or None when never measured), stale (the code
        has changed since).
    """
    rows = []
    for r in reproductions():
        record = recorded(r.key) if r.file.exists() else None
        rows.append(
            {
                "lesson": r.lesson,
                "paper": r.paper,
                "claim": r.claim,
                "reported": r.reported,
                "criterion": r.criterion,
                "measured": r.measured(record.rows) if record else "not measured yet: make reproduce",
                "holds": record.holds if record else None,
                "stale": bool(record) and record.code_hash != r.code_hash(),
            }
        )
    return rows


def timed(key: str, seed: int) -> tuple[dict, float]:
    """One seed of one reproduction and the seconds it took; by name, so that another process can be asked for it."""
    start = time.perf_counter()
    row = {"seed": seed, **find(key).measure(seed)}
    return row, time.perf_counter() - start


def write(reproduction: Reproduction, rows: list[dict], seconds: float, code: str) -> None:
    """Record the measurements of one reproduction, with the hash of the code that made them."""
    contents = {
        "paper": reproduction.paper,
        "claim": reproduction.claim,
        "reported": reproduction.reported,
        "criterion": reproduction.criterion,
        "holds": bool(reproduction.holds(rows)),
        "measured": reproduction.measured(rows),
        "seconds": round(seconds, 1),
        "code": code,
        "numpy": np.__version__,
        "rows": rows,
    }
    text = json.dumps(contents, indent=1, ensure_ascii=False) + "\n"
    reproduction.file.write_text(text, encoding="utf-8", newline="\n")
