"""Tables of measurements: a column of dates, columns of numbers, one row for each step in time.

`load_table` reads a CSV file of your own and refuses what would be silently wrong later: dates out of order, gaps,
words among numbers, decimal commas. `fill_forward` closes holes without looking ahead, and `next_dates` goes on after
the last row. `load_seattle_weather` is the table that comes with the course.
"""

from __future__ import annotations

import csv
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from course_lib import datasets
from course_lib.user_files import read_user_file

MISSING = frozenset({"", "-", "na", "n/a", "nan", "null", "none"})
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_REGULAR = 0.15  # months have 28 to 31 days: so much may a step differ from the median one


class Table(NamedTuple):
    """Measurements in the order of time, equally far apart.

    Attributes
    ----------
    dates : (rows,) array of datetime64
        In days, or in seconds where a date has a time of day.
    names : tuple of str
        Of the columns of numbers.
    values : (rows, columns) array of float64
        NaN where a cell is missing.
    left_out : tuple of str
        Columns in which no cell is a number.
    """

    dates: np.ndarray
    names: tuple[str, ...]
    values: np.ndarray
    left_out: tuple[str, ...] = ()

    def column(self, name: str) -> int:
        """Give the place of a column.

        Parameters
        ----------
        name : str
            One of `names`.

        Returns
        -------
        int
            Counted from 0.

        Raises
        ------
        ValueError
            If there is no such column of numbers.
        """
        if name not in self.names:
            words = f"; {', '.join(map(repr, self.left_out))} hold words" if self.left_out else ""
            raise ValueError(
                f"Expected a column of numbers {name!r}, but these are {', '.join(map(repr, self.names))}{words}."
            )
        return self.names.index(name)

    def __repr__(self) -> str:
        missing = int(np.isnan(self.values).sum())
        return (
            f"<table: {len(self.dates):,} rows, {self.dates[0]} to {self.dates[-1]}, columns "
            f"{', '.join(self.names)}; {missing:,} cells missing>"
        )


def load_table(
    path: str | os.PathLike,
    date: str = "date",
    columns: list[str] | None = None,
    *,
    delimiter: str | None = None,
    decimal: str = ".",
    thousands: str | None = None,
    where: dict[str, str] | None = None,
    date_format: str | None = None,
    missing: tuple[str, ...] = (),
    sort: bool = False,
    gaps: str = "refuse",
    at_least: int = 100,
) -> Table:
    """Load a CSV file of your own: a header, a column of dates, columns of numbers.

    Parameters
    ----------
    path : str or path
        A text file in UTF-8. Its first line names the columns.
    date : str
        The column of dates, such as 2012-01-31, 2012/01/31, 2012-01 or 2012-01-31 13:00.
    columns : list of str, optional
        The columns of numbers to load; by default all that hold a number.
    delimiter : str, optional
        What separates cells; by default the comma, semicolon or tab that the first line has most of.
    decimal : {".", ","}
        What stands before the fraction of a number.
    thousands : {".", ",", " ", "'"}, optional
        What separates thousands: ``"."`` for 54.532,37 (with ``decimal=","``). A cell in which it stands elsewhere is
        refused.
    where : dict of str to str, optional
        Which rows to take, of a file with several series below each other: ``{"product": "Tea B"}``.
    date_format : str, optional
        Of other dates, as in `datetime.strptime`: ``"%d.%m.%Y"`` for 31.01.2012.
    missing : tuple of str
        Other codes of a missing cell, as they stand in the file, such as ``("-999",)``.
    sort : bool
        Whether to sort the rows by their dates, instead of refusing a file that is not in order.
    gaps : {"refuse", "fill", "ignore"}
        What to do where dates are missing: refuse the file; put in rows without numbers (NaN); or take the rows as
        equally far apart, which is right for trading days.
    at_least : int
        Fewest rows to accept.

    Returns
    -------
    Table
        Dates, names of the columns, and values; a missing cell (empty, NA, NaN, null or -) is NaN.

    Raises
    ------
    TypeError, FileNotFoundError, IsADirectoryError, PermissionError
        If `path` is no path, if there is no such file, or if it cannot be opened.
    ValueError
        If the file cannot be read as such a table; the message says where, why, and what to try.
    """
    if gaps not in ("refuse", "fill", "ignore"):
        raise ValueError(f'Expected gaps to be "refuse", "fill" or "ignore", but got {gaps!r}.')
    if decimal not in (".", ","):
        raise ValueError(f'Expected decimal to be "." or ",", but got {decimal!r}.')
    if thousands is not None and (thousands not in (".", ",", " ", "'") or thousands == decimal):
        raise ValueError(
            f"Expected thousands to be a point, a comma, a space or an apostrophe, and not the decimal {decimal!r}, "
            f"but got {thousands!r}."
        )
    header, lines, rows = _cells(path, delimiter)
    lines, rows = _where(header, lines, rows, where or {})
    names = _names(header, rows, date, columns)
    dates = _dates([row[header.index(date)] for row in rows], lines, date_format)
    _one_series(header, rows, lines, dates, date, (decimal, thousands))
    kept, left_out, numbers = [], [], []
    for name in names:
        cells = [row[header.index(name)] for row in rows]
        column = _numbers(cells, lines, name, (decimal, thousands), missing, required=columns is not None)
        if column is None:
            left_out.append(name)
        else:
            kept.append(name)
            numbers.append(column)
    if not kept:
        raise ValueError(
            f"Expected columns of numbers beside {date!r}, but no cell of {', '.join(map(repr, names))} is a number."
        )
    values = np.column_stack(numbers)
    if sort:
        order = np.argsort(dates, kind="stable")
        dates, values, lines = dates[order], values[order], [lines[i] for i in order]
    if (dates == dates.astype("datetime64[D]")).all():
        dates = dates.astype("datetime64[D]")
    dates, values = _regular(dates, values, lines, gaps)
    if len(dates) < at_least:
        raise ValueError(
            f"Expected at least {at_least:,} rows, but there are {len(dates):,}: too few to learn from, to choose by "
            "and to be tested on. Measure longer or more often, or pass a smaller at_least; then count "
            "the examples of each part that do not overlap."
        )
    return Table(dates, tuple(kept), values, tuple(left_out))


def fill_forward(table: Table) -> Table:
    """Fill each missing cell with the last value before it: what somebody knew on that day.

    A straight line between the neighbours would look better and use the value that comes after: a leak.

    Parameters
    ----------
    table : Table
        With NaN where a cell is missing.

    Returns
    -------
    Table
        Without NaN. Rows at the start go, until every column has had a value.

    Raises
    ------
    ValueError
        If a column has no value at all.

    Examples
    --------
    >>> days = np.arange("2020-01-01", "2020-01-05", dtype="datetime64[D]")
    >>> fill_forward(Table(days, ("t",), np.array([[np.nan], [3.0], [np.nan], [5.0]]))).values.ravel()
    array([3., 3., 5.])
    """
    known = ~np.isnan(table.values)
    for name, has in zip(table.names, known.any(axis=0), strict=True):
        if not has:
            raise ValueError(f"Expected a number somewhere in the column {name!r}, but all its cells are missing.")
    last = np.maximum.accumulate(np.where(known, np.arange(len(known))[:, None], 0), axis=0)
    filled = np.take_along_axis(table.values, last, axis=0)
    start = int(known.argmax(axis=0).max())
    return table._replace(dates=table.dates[start:], values=filled[start:])


def next_dates(dates: np.ndarray, count: int) -> np.ndarray:
    """Continue dates beyond the last one.

    Parameters
    ----------
    dates : (rows,) array of datetime64
        Two or more, in order, equally far apart. Those on one day of the month, or on the last, go on by the calendar.
    count : int
        How many to add.

    Returns
    -------
    (count,) array of datetime64
        As far apart as most of the dates are.

    Raises
    ------
    ValueError
        If there is only one date.

    Examples
    --------
    >>> next_dates(np.array(["2023-11-01", "2023-12-01"], "datetime64[D]"), 3).astype(str).tolist()
    ['2024-01-01', '2024-02-01', '2024-03-01']
    """
    if len(dates) < 2:
        raise ValueError(f"Expected two dates or more, to see how far apart they are, but got {len(dates)}.")
    ahead = np.arange(1, count + 1)
    if (calendar := _months(dates)) is not None:
        month, moment = calendar
        return moment(month[-1] + int(np.median(np.diff(month).astype(int))) * ahead).astype(dates.dtype)
    return dates[-1] + np.sort(np.diff(dates))[(len(dates) - 1) // 2] * ahead


def load_seattle_weather() -> Table:
    """Load the daily weather of Seattle, 2012 to 2015.

    Returns
    -------
    Table
        1,461 days; columns precipitation (mm), temp_max and temp_min (degrees Celsius), wind (m/s). The column weather
        holds words and is left out.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is missing or damaged; the message says how to mend it.

    References
    ----------
    U.S. National Oceanic and Atmospheric Administration, as vega_datasets ships it. See ``datasets/README.md``.

    Examples
    --------
    >>> load_seattle_weather()
    <table: 1,461 rows, 2012-01-01 to 2015-12-31, columns precipitation, temp_max, temp_min, wind; 0 cells missing>
    """
    datasets._read("seattle_weather.csv")  # compares it with its checksum
    return load_table(datasets.FOLDER / "seattle_weather.csv")


# --- the steps of load_table ---------------------------------------------------------------------------------------


def _cells(path, delimiter):
    """Return the header, the number of each row's line, and the rows of cells."""
    content, path = read_user_file(path, "CSV file", ".csv"), Path(path)
    if path.suffix.lower() in (".xls", ".xlsx", ".ods") or content[:4] == b"PK\x03\x04":
        raise ValueError(
            f"Expected text in {path.name}, but it is a spreadsheet or an archive. Open it and save the sheet as CSV "
            "(UTF-8)."
        )
    text = datasets._decode(content, path)
    if not text.strip():
        raise ValueError(f"Expected a table in {path.name}, but the file is empty. Was it saved?")
    first = text.lstrip().splitlines()[0]
    if delimiter is None:
        delimiter = max(",;\t", key=first.count)
    if delimiter not in first:
        raise ValueError(
            f"Expected a first line with the names of the columns, separated by comma, semicolon or tab, but got "
            f"{first[:60]!r}. Give another separator with delimiter=..."
        )
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
    lines, rows = [], []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                lines.append(reader.line_num)
                rows.append([cell.strip() for cell in row])
    except csv.Error as error:
        raise ValueError(f"Expected cells in line {reader.line_num} of {path.name}, but found: {error}.") from error
    header, rows, lines = rows[0], rows[1:], lines[1:]
    for line, row in zip(lines, rows, strict=True):
        if len(row) != len(header):
            raise ValueError(
                f"Expected {len(header)} cells in line {line}, as in the first line, but there are {len(row)}. Put "
                "a cell that holds the separator in quotes, or give another separator with delimiter=..."
            )
    return header, lines, rows


def _where(header, lines, rows, where):
    """Return the lines and rows in which each of the columns holds the value that was asked for."""
    for name, value in where.items():
        if name not in header:
            raise ValueError(f"Expected a column {name!r}, but the columns are {', '.join(map(repr, header))}.")
        place = header.index(name)
        kept = [i for i, row in enumerate(rows) if row[place] == str(value)]
        if not kept:
            there = ", ".join(map(repr, list(dict.fromkeys(row[place] for row in rows))[:5]))
            raise ValueError(f"Expected rows in which {name!r} is {str(value)!r}, but there it says {there}.")
        lines, rows = [lines[i] for i in kept], [rows[i] for i in kept]
    return lines, rows


def _one_series(header, rows, lines, dates, date, marks):
    """Refuse several series below each other, if a column of words tells them apart."""
    order = np.argsort(dates, kind="stable")
    twice = np.flatnonzero(np.diff(dates[order]).astype(np.int64) == 0)
    if not twice.size:
        return
    for place, name in enumerate(header):
        words = [row[place] for row in rows]
        if name in ("", date) or any(_is_number(word, marks) for word in words):
            continue
        kinds = list(dict.fromkeys(words))
        if len(kinds) <= len(rows) / 2 and len(set(zip(dates.tolist(), words, strict=True))) == len(rows):
            i, j = order[twice[0]], order[twice[0] + 1]
            raise ValueError(
                f"Expected one row for each date, but lines {lines[i]} and {lines[j]} have both {_short(dates[i])}. "
                f"The column {name!r} tells {len(kinds)} series apart: {', '.join(map(repr, kinds[:3]))}"
                f"{', ...' * (len(kinds) > 3)}. Choose one with where={{{name!r}: {kinds[0]!r}}}."
            )


def _is_number(cell, marks):
    """Say whether a cell is a number, or would be with other marks than these."""
    return bool(_NUMBER.fullmatch(_plain(cell, *marks)) or re.fullmatch(r"[+-]?\d[\d.,]*", cell))


def _short(moment):
    """Return a moment as text, without its time of day where that is midnight."""
    day = moment.astype("datetime64[D]")
    return str(day if day == moment else moment)


def _names(header, rows, date, columns):
    """Return the names of the columns to load."""
    if number := next((cell for cell in header if _NUMBER.fullmatch(cell)), None):
        raise ValueError(
            f"Expected the names of the columns in the first line, but it holds the number {number}. Write a line of "
            "names above it."
        )
    unnamed = [i for i, name in enumerate(header) if not name and any(row[i] for row in rows)]
    if unnamed:
        raise ValueError(f"Expected a name for each column, but column {unnamed[0] + 1} has none. Name it.")
    if twice := next((name for name in header if name and header.count(name) > 1), None):
        raise ValueError(f"Expected different names, but two columns are called {twice!r}. Rename one.")
    there = [name for name in header if name]
    for name in (date, *(columns or ())):
        if name not in there:
            raise ValueError(f"Expected a column {name!r}, but the columns are {', '.join(map(repr, there))}.")
    return [name for name in (there if columns is None else columns) if name != date]


def _dates(cells, lines, date_format):
    """Return the dates in seconds."""
    found = []
    for cell, line in zip(cells, lines, strict=True):
        try:
            if date_format is not None:
                moment = datetime.strptime(cell, date_format)
            else:
                text = cell.replace("/", "-", 2) if re.match(r"\d{4}/", cell) else cell
                text = re.sub(r"^(\d{4})-(\d)(?!\d)", r"\1-0\2", text)
                text = re.sub(r"^(\d{4}-\d\d)-(\d)(?!\d)", r"\1-0\2", text)
                moment = datetime.fromisoformat(f"{text}-01" if re.fullmatch(r"\d{4}-\d\d", text) else text)
        except ValueError:
            wanted = f"of the form {date_format!r}" if date_format else "such as 2012-01-31"
            if not re.search(r"\d", cell):
                raise ValueError(
                    f"Expected a date {wanted} in line {line}, but got {cell!r}. If that line holds units, a sum or a "
                    "remark, delete it from the file."
                ) from None
            raise ValueError(
                f"Expected a date {wanted} in line {line}, but got {cell!r}. Say how your dates are written: "
                'date_format="%d.%m.%Y" for 31.01.2012, "%d.%m.%y" for 31.01.12, "%d.%m.%Y %H:%M" for '
                '31.01.2012 13:00, "%m/%d/%Y" for 01/31/2012, "%Y" for 2012.'
            ) from None
        found.append(moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment)
    return np.array(found, dtype="datetime64[s]")


def _numbers(cells, lines, name, marks, missing, *, required):
    """Return a column of numbers, or None if none of its cells is one and the column was not asked for by name."""
    plain = [_plain(cell, *marks) for cell in cells]
    if not required and not any(map(_NUMBER.fullmatch, plain)):
        if not any(_is_number(cell, marks) for cell in cells):
            return None
        required = True  # commas or separators of thousands from top to bottom
    column = []
    for text, cell, line in zip(plain, cells, lines, strict=True):
        if cell.lower() in MISSING or cell in missing:
            column.append(np.nan)
        elif _NUMBER.fullmatch(text):
            column.append(float(text))
        else:
            advice = _advice(cell, *marks)
            raise ValueError(f"Expected a number in line {line}, column {name!r}, but got {cell!r}. {advice}")
    return np.array(column)


def _plain(cell, decimal, thousands):
    """Return a cell as Python writes numbers; a point where a comma is due, or groups not of three, make no number."""
    if thousands is not None:
        cell = cell.replace("\u00a0", " ").replace("\u202f", " ")
        mark = re.escape(thousands)
        whole, comma, fraction = cell.partition(decimal)
        if re.fullmatch(rf"[+-]?\d{{1,3}}(?:{mark}\d{{3}})+", whole):
            cell = whole.replace(thousands, "") + comma + fraction
    return cell if decimal == "." else cell.replace(".", "?").replace(",", ".")


def _advice(cell, decimal, thousands):
    """Say what to do about a cell that is no number."""
    groups = {",": r"[+-]?\d{1,3}(?:,\d{3})+", ".": r"[+-]?\d{1,3}(?:\.\d{3})+"}
    if thousands is None and re.fullmatch(rf"{groups['.']},\d+", cell):
        return 'If points separate thousands and the comma is decimal, pass decimal=",", thousands=".".'
    if thousands is None and re.fullmatch(rf"{groups[',']}\.\d+", cell):
        return 'If commas separate thousands and the point is decimal, pass decimal=".", thousands=",".'
    other = {".": ",", ",": "."}[decimal]
    name = {".": "point", ",": "comma"}[other]
    if thousands is None and re.fullmatch(groups[other], cell):
        return f'If that is a decimal {name}, pass decimal="{other}"; if it separates thousands, thousands="{other}".'
    if re.fullmatch(rf"[+-]?\d*{re.escape(other)}\d+", cell):
        return f'If that is a decimal {name}, pass decimal="{other}".'
    return "Correct it, leave the cell empty if it is missing, or choose other columns with columns=[...]."


def _regular(dates, values, lines, gaps):
    """Return dates and values that are in order and without gaps, or say where they are not."""
    steps = np.diff(dates).astype("timedelta64[s]").astype(np.int64)
    if (late := np.flatnonzero(steps < 0)).size:
        i = int(late[0])
        newest_first = " The newest rows come first." if (steps <= 0).all() else ""
        raise ValueError(
            f"Expected dates in order, but line {lines[i + 1]} ({dates[i + 1]}) is before line {lines[i]} "
            f"({dates[i]}).{newest_first} Pass sort=True to have the rows sorted."
        )
    if (same := np.flatnonzero(steps == 0)).size:
        i = int(same[0])
        raise ValueError(
            f"Expected one row for each date, but lines {lines[i]} and {lines[i + 1]} have both {dates[i]}"
            f"{f' (the first of {same.size} places)' if same.size > 1 else ''}. {_twice(dates[i])}"
        )
    if gaps == "ignore" or len(steps) < 2:
        return dates, values
    median = float(np.median(steps))
    ratio = steps / median
    wide = np.flatnonzero(ratio > 1 + _REGULAR)
    whole = np.maximum(np.rint(ratio), 1)
    uneven = np.flatnonzero(np.abs(ratio / whole - 1) > _REGULAR)
    if wide.size and gaps == "refuse":
        i = int(wide[0])
        raise ValueError(
            f"Expected rows equally far apart, but some are missing in {len(wide)} "
            f"place{'s' * (len(wide) > 1)}, first between {dates[i]} "
            f'and {dates[i + 1]} (line {lines[i + 1]}). Pass gaps="fill" to put in rows without numbers, or '
            'gaps="ignore" if such days never exist, as with trading days.'
        )
    if uneven.size:
        i = int(uneven[0])
        raise ValueError(
            f"Expected rows equally far apart, but {dates[i]} and {dates[i + 1]} (line {lines[i + 1]}) are "
            f"{ratio[i]:.2g} times the usual step apart. Average the measurements to one row a day or an hour first, "
            'or pass gaps="ignore" to take the rows as they come.'
        )
    if not wide.size:
        return dates, values
    if (calendar := _months(dates)) is not None:
        month, moment = calendar
        grid = np.arange(month[0], month[-1] + 1, int(np.median(np.diff(month).astype(int))))
        if np.isin(month, grid).all():
            filled = np.full((len(grid), values.shape[1]), np.nan)
            filled[np.searchsorted(grid, month)] = values
            return moment(grid).astype(dates.dtype), filled
    all_dates, places = [dates[:1]], [np.zeros(1, int)]
    for i, parts in enumerate(whole.astype(int)):
        inside = (steps[i] * np.arange(1, parts + 1) // parts).astype("timedelta64[s]")
        all_dates.append((dates[i].astype("datetime64[s]") + inside).astype(dates.dtype))
        places.append(np.array([-1] * (parts - 1) + [i + 1]))
    place = np.concatenate(places)
    filled = np.where(place[:, None] < 0, np.nan, values[np.maximum(place, 0)])
    return np.concatenate(all_dates), filled


def _months(dates):
    """Return each row's month and a function from months to dates, or None if dates do not follow the calendar."""
    moments = dates.astype("datetime64[s]")
    month = moments.astype("datetime64[M]")
    after, before = moments - month, (month + 1).astype("datetime64[s]") - moments
    if (after == after[0]).all() and after[0] < np.timedelta64(28, "D"):  # the same day of each month
        return month, lambda m: m.astype("datetime64[s]") + after[0]
    if (before == before[0]).all():  # the last day
        return month, lambda m: (m + 1).astype("datetime64[s]") - before[0]
    return None


def _twice(moment):
    """Say what to do about a date that comes twice."""
    day = moment.astype("datetime64[D]")
    sunday = int(day.astype(int)) % 7 == 3  # 1 January 1970 was a Thursday
    hour = int((moment - day) / np.timedelta64(3600, "s"))
    if sunday and int(moment.astype("datetime64[M]").astype(int)) % 12 in (3, 9, 10) and 1 <= hour <= 3:
        return (
            "Clocks go back on such a Sunday, and an hour comes twice. Export the dates in UTC or with their offset "
            "(2022-10-30T02:00+02:00); or delete one of the two rows."
        )
    return "Keep one of them; if the file holds several series, choose one with where={column: value}."
