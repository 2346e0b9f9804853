"""Rows of measurements in few words: what an experiment's criterion compares, and what its record says in a line.

A row is a dict from the name of a measurement to its number, one row a seed. None stands for what was never reached,
such as a task that was not learned. A row may lack what a live run does not measure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

Rows = Sequence[Mapping[str, Any]]


def values(rows: Rows, name: str) -> list[float]:
    """Give the numbers of one measurement.

    Parameters
    ----------
    rows : sequence of dict
        One dict a seed, from the name of a measurement to its number.
    name : str
        Of the measurement.

    Returns
    -------
    list of float
        Without the rows in which it is None or missing.
    """
    return [row[name] for row in rows if row.get(name) is not None]


def reached(rows: Rows, name: str) -> int:
    """Count the rows in which something was reached.

    Parameters
    ----------
    rows : sequence of dict
        One dict a seed, from the name of a measurement to its number.
    name : str
        Of the measurement.

    Returns
    -------
    int
        How many.
    """
    return len(values(rows, name))


def median(rows: Rows, name: str) -> float:
    """Take the median over the seeds; what was never reached counts as infinite.

    Parameters
    ----------
    rows : sequence of dict
        One dict a seed, from the name of a measurement to its number.
    name : str
        Of the measurement.

    Returns
    -------
    float
        Infinite if more than half were never reached.

    Examples
    --------
    >>> median([{"updates": 300}, {"updates": None}, {"updates": 500}], "updates")
    500.0
    """
    return float(np.median([np.inf if row[name] is None else row[name] for row in rows]))


def within(rows: Rows, bounds: Mapping[str, tuple[float, float]]) -> bool:
    """Whether each measurement lies between its two bounds in every row that has it.

    Parameters
    ----------
    rows : sequence of dict
        One dict a seed, from the name of a measurement to its number.
    bounds : dict of str to (float, float)
        Name -> what it exceeds and what it stays below. None exceeds nothing.

    Returns
    -------
    bool
        True if all do.
    """
    return all(
        row[name] is not None and low < row[name] < high
        for name, (low, high) in bounds.items()
        for row in rows
        if name in row
    )


def spread(rows: Rows, name: str, form: str = ".2f") -> str:
    """Say the least and the largest value over the seeds.

    Parameters
    ----------
    rows : sequence of dict
        One dict a seed, from the name of a measurement to its number.
    name : str
        Of the measurement.
    form : str
        How a number is written, as in a format string.

    Returns
    -------
    str
        One number if both are written alike; "none" if there is no value.

    Examples
    --------
    >>> spread([{"bits": 1.25}, {"bits": 1.5}, {"bits": None}], "bits")
    '1.25 to 1.50'
    """
    numbers = values(rows, name)
    if not numbers:
        return "none"
    least, most = (f"{extreme(numbers):{form}}" for extreme in (min, max))
    return least if least == most else f"{least} to {most}"


def spreads(rows: Rows, names: Iterable[str], form: str = ".2f") -> str:
    """Say several measurements' spreads, each with its name; see :func:`spread`.

    Parameters
    ----------
    rows : sequence of dict
        One dict a seed, from the name of a measurement to its number.
    names : iterable of str
        Underscores are written as spaces.
    form : str
        How a number is written, as in a format string.

    Returns
    -------
    str
        Joined by semicolons.
    """
    return "; ".join(f"{name.replace('_', ' ')} {spread(rows, name, form)}" for name in names)


def counts(rows: Rows, names: Iterable[str]) -> str:
    """Say for several measurements in how many rows something was reached, and after how much.

    Parameters
    ----------
    rows : sequence of dict
        One dict a seed, from the name of a measurement to its number.
    names : iterable of str
        Underscores are written as spaces.

    Returns
    -------
    str
        Joined by semicolons.

    Examples
    --------
    >>> counts([{"gru_3": 9600, "rnn": None}, {"gru_3": 12800, "rnn": None}], ["gru_3", "rnn"])
    'gru 3 2 of 2 in 9,600 to 12,800; rnn 0 of 2'
    """
    said = []
    for name in names:
        took = f" in {spread(rows, name, ',')}" if reached(rows, name) else ""
        said.append(f"{name.replace('_', ' ')} {reached(rows, name)} of {len(rows)}{took}")
    return "; ".join(said)
