"""Recorded experiments: what each paper reported, and what this course measured.

A reproduction names a paper's figure, a measurement that takes one seed, and the criterion by which the two agree. A
lesson draws the record beside its own live run, labelled *recorded*; ``make run`` prints all of them as a scoreboard.

The rule for records
--------------------
``make reproduce`` alone writes them, into the folder ``records/`` of the lesson they belong to. The rows carry a hash
of their own, so that a number edited by hand is seen: :func:`recorded` refuses such a file. A script that changes a
record's form, such as the name of a column, goes through :func:`rewrite`, which writes the wording and the hash of
the rows anew and keeps what is known about the run.

================  ======================================================================================================
``paper``         with ``claim``, ``reported``, ``criterion``: the reproduction's own words when it was recorded
``measured``      our figure, in a line
``holds``         whether the criterion holds over all seeds
``seconds``       of all seeds together, one thread each
``numpy``         version, in the full run
``full_run``      date on which all seeds were last run
``confirmed_on``  None, or on which seeds and on which date code that has changed since the full run was confirmed
``code_hash``     of the code that the full run, or the confirmation after it, used; see :mod:`.code_hash`
``rows_hash``     of the rows
``rows``          one a seed
================  ======================================================================================================
"""

from __future__ import annotations

import hashlib
import json
import os
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from course_lib import lessons
from course_lib.teaching.code_hash import SourceCode

Row = dict[str, Any]
"""What one seed measured: column name -> number, string, None, or a list of these."""


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
        One seed -> dict of numbers. What it depends on is found by following its code.
    holds : callable
        List of such dicts -> bool: the criterion, in code.
    measured : callable
        List of such dicts -> str: our figure, in a line.
    """

    key: str
    lesson: str
    paper: str
    claim: str
    reported: str
    criterion: str
    seeds: range
    measure: Callable[[int], Row]
    holds: Callable[[list[Row]], bool]
    measured: Callable[[list[Row]], str]

    @property
    def file(self) -> Path:
        return lessons.find(self.lesson).folder / "records" / f"{self.key}.json"

    def code_hash(self, code: SourceCode | None = None) -> str:
        """Hash all that ``measure`` depends on, as it stands on disk.

        Parameters
        ----------
        code : SourceCode, optional
            Where the course's code was read already; by default it is read now.

        Returns
        -------
        str
            The same on every supported Python. Comments, docstrings and line breaks do not change it.
        """
        return (code or SourceCode()).hash_of(self.measure.__module__, self.measure.__qualname__)

    def wording(self, rows: list[Row]) -> Row:
        """Say what a record says in words.

        Parameters
        ----------
        rows : list of dict
            One a seed.

        Returns
        -------
        dict
            The record's fields that follow from this reproduction and the rows.
        """
        return {
            "paper": self.paper,
            "claim": self.claim,
            "reported": self.reported,
            "criterion": self.criterion,
            "measured": self.measured(rows),
            "holds": bool(self.holds(rows)),
        }


def reproductions() -> list[Reproduction]:
    """List all reproductions, in the order of the lessons.

    Returns
    -------
    list of Reproduction
        As the lessons' modules ``experiments`` give them.
    """
    modules = [lesson.module("experiments") for lesson in lessons.written()]
    return [r for module in modules if module is not None for r in module.REPRODUCTIONS]


def find(key: str) -> Reproduction:
    """Find a reproduction by its key.

    Parameters
    ----------
    key : str
        The reproduction's name.

    Returns
    -------
    Reproduction
        The one with this key.

    Raises
    ------
    ValueError
        If there is none of that name; the message lists them.
    """
    by_key = {r.key: r for r in reproductions()}
    if key not in by_key:
        raise ValueError(f"There is no reproduction {key!r}. These exist: {', '.join(by_key)}.")
    return by_key[key]


# --- what was recorded ---------------------------------------------------------------------------------------------


class Recorded:
    """What ``make reproduce`` measured.

    Parameters
    ----------
    reproduction : Reproduction
        Whose record it is.
    contents : dict
        Of its JSON file.

    Attributes
    ----------
    rows : list of dict
        One a seed; :meth:`column` gives one number over all seeds.
    holds : bool
        Whether the criterion holds over all seeds, as computed from the rows.
    seconds : float
        What all seeds took.
    code_hash : str
        Of the code that measured.
    """

    def __init__(self, reproduction: Reproduction, contents: Row):
        self.rows: list[Row] = contents["rows"]
        self.holds = bool(reproduction.holds(self.rows))
        self.seconds: float = contents["seconds"]
        self.code_hash: str = contents["code_hash"]

    def column(self, name: str) -> np.ndarray:
        """Collect one measured number over the seeds.

        Parameters
        ----------
        name : str
            Of the column.

        Returns
        -------
        (seeds,) array
            Missing values (None) as NaN.
        """
        return np.array([np.nan if row[name] is None else row[name] for row in self.rows])


def rows_hash(rows: list[Row]) -> str:
    """Hash the rows of a record: another number, another hash.

    Parameters
    ----------
    rows : list of dict
        One a seed.

    Returns
    -------
    str
        Of the rows as JSON, with sorted keys and without white space.
    """
    canonical = json.dumps(rows, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def recorded(key: str) -> Recorded:
    """Return the recorded figures of a reproduction.

    Parameters
    ----------
    key : str
        The reproduction's name.

    Returns
    -------
    Recorded
        Its rows, and whether the criterion holds over them.

    Raises
    ------
    FileNotFoundError
        If they were never measured; the message gives the command.
    ValueError
        If the rows do not fit their hash: a number was edited by hand.
    """
    reproduction = find(key)
    return Recorded(reproduction, _contents(reproduction))


def _contents(reproduction: Reproduction) -> Row:
    """Read a record and refuse it if its rows were edited."""
    file, key = reproduction.file, reproduction.key
    if not file.exists():
        raise FileNotFoundError(f"{file.name} is missing: nothing was recorded for {key!r}. `make reproduce` does it.")
    contents = json.loads(file.read_text(encoding="utf-8"))
    expected, found = contents.get("rows_hash"), rows_hash(contents["rows"])
    if found != expected:
        raise ValueError(
            f"The rows of {file.name} were edited since they were recorded: expected rows with the hash {expected}, "
            f"got {found}. `git checkout -- {file.name}` brings the record back, `make reproduce ARGS={key}` measures "
            "anew."
        )
    return contents


def problems(reproduction: Reproduction, code: SourceCode | None = None) -> list[str]:
    """Compare a record with its reproduction and with today's code.

    Parameters
    ----------
    reproduction : Reproduction
        Whose record it is.
    code : SourceCode, optional
        Where the course's code was read already; by default it is read now.

    Returns
    -------
    list of str
        A sentence for each thing that is not as ``make reproduce`` would write it today; empty if all is well.
    """
    key = reproduction.key
    try:
        contents = _contents(reproduction)
    except (FileNotFoundError, ValueError) as error:
        return [str(error)]
    found = []
    seeds = [row["seed"] for row in contents["rows"]]
    if seeds != list(reproduction.seeds):
        found.append(f"its seeds are {seeds}, not {list(reproduction.seeds)}: run `make reproduce ARGS={key}`")
    else:
        today = reproduction.wording(contents["rows"])
        found += [
            f"it says {name!r} in other words than the reproduction: run `make reproduce ARGS='{key} --wording'`"
            for name in today
            if contents.get(name) != today[name]
        ]
    if contents["code_hash"] != reproduction.code_hash(code):
        found.append(f"its code has changed since: run `make reproduce ARGS='{key} --confirm'`")
    return found


def agree(key: str, live_rows: list[Row]) -> str:
    """Assert that live measurements meet the same criterion as the recorded ones, and say so with a check mark.

    Parameters
    ----------
    key : str
        The reproduction's name.
    live_rows : list of dict
        One a seed, at least one.

    Returns
    -------
    str
        The mark "✓ as in the 5 recorded runs". In a lesson of form 1 paper and criterion stand before it, in lines of
        at most 96 characters.

    Raises
    ------
    AssertionError
        If either does not; the message shows both figures.
    ValueError
        If there is no live row, or the record was edited by hand.
    """
    if any("seed" in row for row in live_rows):
        raise ValueError(f"Expected rows that were measured just now, but got recorded ones of {key!r}, with a seed.")
    if not live_rows:
        raise ValueError(f"Expected at least one live row to compare with the record of {key!r}, but got none.")
    reproduction, record = find(key), recorded(key)
    live = reproduction.holds(live_rows)
    assert record.holds and live, (
        f"{reproduction.paper}: the criterion is “{reproduction.criterion}”. Recorded: "
        f"{reproduction.measured(record.rows)} "
        f"({'held' if record.holds else 'not held'}). Live: {reproduction.measured(live_rows)} "
        f"({'held' if live else 'not held'})."
    )
    runs = len(record.rows)
    mark = f"✓ as in the {runs} recorded run" + ("s" if runs > 1 else "")
    if lessons.find(reproduction.lesson).form > 1:
        return mark
    return textwrap.fill(f"{reproduction.paper}: {reproduction.criterion}   {mark}", 96)


def scoreboard() -> list[Row]:
    """For ``make run``: a row for each reproduction.

    Returns
    -------
    list of dict
        lesson, paper, claim, reported, criterion, measured, holds (True, False, or None when nothing valid was
        recorded) and problems (what is not as ``make reproduce`` would write it today, in sentences).
    """
    rows, code = [], SourceCode()
    for r in reproductions():
        try:
            record = recorded(r.key)
        except (FileNotFoundError, ValueError):
            record = None  # the problems say why
        rows.append(
            {
                "lesson": r.lesson,
                "paper": r.paper,
                "claim": r.claim,
                "reported": r.reported,
                "criterion": r.criterion,
                "measured": r.measured(record.rows) if record else "nothing valid is recorded: make reproduce",
                "holds": record.holds if record else None,
                "problems": problems(r, code),
            }
        )
    return rows


# --- measuring and recording ---------------------------------------------------------------------------------------


def timed(key: str, seed: int) -> tuple[Row, float]:
    """Measure one seed of one reproduction; by name, so that another process can be asked for it.

    Parameters
    ----------
    key : str
        The reproduction's name.
    seed : int
        Of the measurement's random numbers.

    Returns
    -------
    row : dict
        What was measured, and the seed.
    seconds : float
        How long it took.
    """
    start = time.perf_counter()
    row = {"seed": seed, **find(key).measure(seed)}
    return row, time.perf_counter() - start


def write(
    reproduction: Reproduction,
    rows: list[Row],
    *,
    seconds: float,
    code_hash: str,
    full_run: str,
    numpy: str,
    confirmed_on: Row | None = None,
) -> None:
    """Write the record of one reproduction, whole or not at all.

    Parameters
    ----------
    reproduction : Reproduction
        Whose record it is.
    rows : list of dict
        One a seed.
    seconds : float
        What all of them took.
    code_hash : str
        Of the code that measured.
    full_run : str
        Date on which all seeds were run, such as "2026-11-30".
    numpy : str
        Its version then.
    confirmed_on : dict, optional
        ``seeds`` and ``date`` of the confirmation, if the code has changed since the full run.
    """
    contents = {
        **reproduction.wording(rows),
        "seconds": round(seconds, 1),
        "numpy": numpy,
        "full_run": full_run,
        "confirmed_on": confirmed_on,
        "code_hash": code_hash,
        "rows_hash": rows_hash(rows),
        "rows": rows,
    }
    reproduction.file.parent.mkdir(exist_ok=True)
    write_whole(reproduction.file, json.dumps(contents, indent=1, ensure_ascii=False) + "\n")


def rewrite(reproduction: Reproduction, rows: list[Row] | None = None, **changes: Any) -> None:
    """Write a record anew without measuring: its wording, and what is given here.

    Parameters
    ----------
    reproduction : Reproduction
        Whose record it is.
    rows : list of dict, optional
        What replaces the rows, such as the same numbers in columns of other names.
    **changes
        ``code_hash``, ``confirmed_on``: what replaces these.

    Raises
    ------
    FileNotFoundError
        If there is no record.
    ValueError
        If its rows were edited by hand.
    """
    contents = _contents(reproduction)
    kept = {name: contents[name] for name in ("seconds", "code_hash", "full_run", "numpy", "confirmed_on")}
    write(reproduction, contents["rows"] if rows is None else rows, **(kept | changes))


def write_whole(file: Path, text: str) -> None:
    """Write a text file in one step, so that an interrupted run leaves the old file or the new one.

    Parameters
    ----------
    file : Path
        It need not exist.
    text : str
        All of its new content.
    """
    beside = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        beside.write_text(text, encoding="utf-8", newline="\n")
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
