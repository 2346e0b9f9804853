"""A reader's own table: what is read, what is refused and with which words, and what fills a hole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib import datasets
from course_lib.tables import Table, fill_forward, load_seattle_weather, load_table, next_dates

DAYS = [f"2024-01-{day:02d}" for day in range(1, 32)]


@pytest.fixture
def write(tmp_path):
    """Write lines to a file and return its path."""

    def writer(lines, name="t.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding=encoding)
        return path

    return writer


def days(separator=",", value="{}", header=("date", "sales")):
    return [separator.join(header), *(separator.join((day, value.format(i))) for i, day in enumerate(DAYS))]


def test_seattle_is_as_its_readme_says():
    table = load_seattle_weather()
    assert table.names == ("precipitation", "temp_max", "temp_min", "wind")
    assert table.left_out == ("weather",)
    assert table.values.shape == (1461, 4)
    assert not np.isnan(table.values).any()
    assert (np.diff(table.dates) == np.timedelta64(1, "D")).all()
    np.testing.assert_array_equal(table.values[0], [0.0, 12.8, 5.0, 4.7])
    assert table.column("temp_max") == 1
    with pytest.raises(ValueError, match=r"Expected a column of numbers 'weather'.*'weather' hold words"):
        table.column("weather")


def test_seattle_is_compared_with_its_checksum(monkeypatch):
    asked = []
    monkeypatch.setattr(datasets, "_read", asked.append)
    load_seattle_weather()
    assert asked == ["seattle_weather.csv"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_found(write, separator):
    table = load_table(write(days(separator)), at_least=31)
    np.testing.assert_array_equal(table.values[:, 0], np.arange(31))
    assert table.dates.dtype == "datetime64[D]"
    assert "31 rows, 2024-01-01 to 2024-01-31, columns sales; 0 cells missing" in repr(table)


def test_a_table_as_german_spreadsheets_write_it(write):
    lines = ["Datum;Umsatz;Notiz;", *(f"{day[8:]}.01.2024;{i},5;nichts;" for i, day in enumerate(DAYS))]
    table = load_table(write(lines), "Datum", decimal=",", date_format="%d.%m.%Y", at_least=31)
    np.testing.assert_array_equal(table.values[:, 0], np.arange(31) + 0.5)
    assert table.left_out == ("Notiz",)


@pytest.mark.parametrize(
    ("cells", "dates"),
    [
        (["2024/1/1", "2024/1/2", "2024/1/3"], ["2024-01-01", "2024-01-02", "2024-01-03"]),
        (["2023-11", "2023-12", "2024-01"], ["2023-11-01", "2023-12-01", "2024-01-01"]),
        (
            ["2024-01-01T23:00", "2024-01-02 00:00", "2024-01-02 01:00:00"],
            ["2024-01-01T23", "2024-01-02T00", "2024-01-02T01"],
        ),
        (["2024-01-01T01:00+01:00", "2024-01-01T02:00+01:00"], ["2024-01-01T00", "2024-01-01T01"]),
    ],
)
def test_dates_that_are_read_without_being_told(write, cells, dates):
    table = load_table(write(["date,x", *(f"{cell},1" for cell in cells)]), at_least=1)
    np.testing.assert_array_equal(table.dates, np.array(dates, table.dates.dtype))


def test_missing_cells_are_nan_and_columns_can_be_chosen(write):
    lines = ["date,a,b", "2024-01-01,,1", "2024-01-02,NA,-2e3", "2024-01-03,-,.5", "2024-01-04,7,nan"]
    table = load_table(write(lines), at_least=1)
    np.testing.assert_array_equal(table.values, [[np.nan, 1], [np.nan, -2000], [np.nan, 0.5], [7, np.nan]])
    assert load_table(write(lines), columns=["b"], at_least=1).names == ("b",)
    coded = load_table(write(["date,a", "2024-01-01,-999", "2024-01-02,3"]), missing=("-999",), at_least=1)
    np.testing.assert_array_equal(coded.values, [[np.nan], [3]])


REFUSED = {
    "words among numbers": (days()[:5] + ["2024-01-05,many"] + days()[6:], {}, r"line 6, column 'sales'.*'many'"),
    "decimal commas": (days(";", "{},5"), {}, r"'0,5'.*decimal=\",\""),
    "thousands": (days(";", "1.00{}"), {"decimal": ","}, r"'1.000'.*decimal point.*thousands, thousands=\"\.\""),
    "German thousands": (days(";", "54.53{},37"), {}, r"'54.530,37'.*decimal=\",\", thousands=\".\""),
    "English thousands": (days(";", "1,000.{}"), {}, r"decimal=\"\.\", thousands=\",\""),
    "decimal point": (days(";", "1.5{}"), {"decimal": ","}, r"'1.50'. If that is a decimal point"),
    "groups of two": (days(";", "1.00{}.10,5"), {"decimal": ",", "thousands": "."}, r"got '1.000.10,5'"),
    "wrong thousands": (days(), {"thousands": "."}, r"not the decimal '\.', but got '\.'"),
    "no such series": (days(), {"where": {"sales": "x"}}, r"'sales' is 'x', but there it says '0', '1'"),
    "no such column of series": (days(), {"where": {"product": "x"}}, r"a column 'product', but"),
    "an hour twice": (
        ["date,x", "2022-10-30 01:00,1", "2022-10-30 02:00,1", "2022-10-30 02:00,1", "2022-10-30 02:00,1"],
        {},
        r"lines 3 and 4.*first of 2 places.*Clocks go back.*\+02:00",
    ),
    "series below each other": (
        [*days(value="{},Tea", header=("date", "sales", "product")), *days(value="{},Coffee")[1:]],
        {},
        r"lines 2 and 33 have both 2024-01-01\. The column 'product'.*'Tea', 'Coffee'.*where=\{'product': 'Tea'\}",
    ),
    "chosen words": (["date,a,b", "2024-01-01,x,1"], {"columns": ["a"]}, r"column 'a', but got 'x'"),
    "no numbers": (["date,a", "2024-01-01,x", "2024-01-02,y"], {}, r"no cell of 'a' is a number"),
    "infinite": (["date,a", "2024-01-01,1", "2024-01-02,inf"], {}, r"got 'inf'"),
    "other dates": (["date,a", "31.12.2023,1"], {}, r"line 2, but got '31.12.2023'.*date_format"),
    "other format": (["date,a", "2023-12-31,1"], {"date_format": "%d.%m.%Y"}, r"of the form '%d.%m.%Y' in line 2"),
    "out of order": ([*days()[:3], "2023-01-01,4"], {}, r"line 4 \(2023.*before line 3.*sort=True"),
    "newest first": ([days()[0], *days()[:0:-1]], {}, r"newest rows come first"),
    "twice": ([*days()[:3], days()[2]], {}, r"lines 3 and 4 have both 2024-01-02"),
    "gap": (days()[:4] + days()[6:], {}, r"missing in 1 place, first between 2024-01-03 and 2024-01-06"),
    "uneven": ([*days(), "2024-02-01 09:00,1"], {"gaps": "fill"}, r"1.4 times the usual step"),
    "too short": (days(), {"at_least": 100}, r"at least 100 rows, but there are 31"),
    "no such column": (days(), {"date": "day"}, r"a column 'day', but the columns are 'date', 'sales'"),
    "no such choice": (days(), {"columns": ["profit"]}, r"a column 'profit'"),
    "no header": (days()[1:], {}, r"holds the number 0"),
    "one column": (["date", *DAYS], {}, r"separated by comma, semicolon or tab"),
    "unnamed": (["date,,a", "2024-01-01,1,2"], {}, r"column 2 has none"),
    "named twice": (["date,a,a", "2024-01-01,1,2"], {}, r"two columns are called 'a'"),
    "ragged": (["date,a", "2024-01-01,1", "2024-01-02,1,2"], {}, r"2 cells in line 3, as in the first line, but.* 3"),
    "empty": (["", ""], {}, r"the file is empty"),
    "wrong gaps": (days(), {"gaps": "drop"}, r"gaps to be"),
    "wrong decimal": (days(), {"decimal": ";"}, r"decimal to be"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_and_why(write, what):
    lines, options, message = REFUSED[what]
    with pytest.raises(ValueError, match=message) as error:
        load_table(write(lines), **{"at_least": 1} | options)
    assert len(str(error.value)) < 420


def test_what_is_no_table_at_all(tmp_path, write):
    with pytest.raises(FileNotFoundError, match="there is none"):
        load_table(tmp_path / "nowhere.csv")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        load_table(tmp_path)
    with pytest.raises(ValueError, match="is an address on the web"):
        load_table("https://example.org/t.csv")
    (tmp_path / "book.xlsx").write_bytes(b"PK\x03\x04rest")
    with pytest.raises(ValueError, match="spreadsheet"):
        load_table(tmp_path / "book.xlsx")
    with pytest.raises(ValueError, match="Expected UTF-8"):
        load_table(write(["Tag;Wärme", "2024-01-01;1"], encoding="cp1252"), "Tag")


def test_rows_are_sorted_on_request_each_with_its_values(write):
    lines = days()
    table = load_table(write([lines[0], *lines[:0:-1]]), sort=True, at_least=31)
    np.testing.assert_array_equal(table.values[:, 0], np.arange(31))


def test_gaps_are_filled_with_nan_or_ignored(write):
    path = write(days()[:4] + days()[6:])
    filled = load_table(path, gaps="fill", at_least=1)
    assert len(filled.dates) == 31
    assert (np.diff(filled.dates) == np.timedelta64(1, "D")).all()
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(filled.values[:, 0])), [3, 4])
    assert filled.values[5, 0] == 5
    assert len(load_table(path, gaps="ignore", at_least=1).dates) == 29


def test_months_and_years_are_regular(write):
    months = [f"{year}-{month:02d}" for year in range(2000, 2009) for month in range(1, 13)]
    assert len(load_table(write(["date,x", *(f"{month},1" for month in months)])).dates) == 108
    years = load_table(write(["date,x", *(f"{year},1" for year in range(1700, 1850))]), date_format="%Y")
    assert len(years.dates) == 150
    without = [month for month in months if month != "2003-02"]
    table = load_table(write(["date,x", *(f"{month},1" for month in without)]), gaps="fill")
    assert len(table.dates) == 108
    assert np.isnan(table.values[37, 0])


def test_a_missing_month_gets_its_own_first_day_and_last_days_stay_last(write):
    months = np.arange("2015-01", "2017-01", dtype="datetime64[M]")
    for days_off, skipped in ((0, 10), (13, 10), (-1, 2)):
        dates = (months + (days_off < 0)).astype("datetime64[D]") + days_off
        kept = np.delete(dates, [skipped, skipped + 1])
        table = load_table(write(["date,x", *(f"{date},1" for date in kept)]), gaps="fill", at_least=1)
        np.testing.assert_array_equal(table.dates, dates)
        np.testing.assert_array_equal(np.flatnonzero(np.isnan(table.values[:, 0])), [skipped, skipped + 1])


@pytest.mark.parametrize(
    ("dates", "following"),
    [
        (["2023-10-01", "2023-11-01", "2023-12-01"], ["2024-01-01", "2024-02-01", "2024-03-01"]),
        (["2023-11-30", "2023-12-31"], ["2024-01-31", "2024-02-29", "2024-03-31"]),
        (["2023-03-15", "2023-06-15", "2023-09-15"], ["2023-12-15", "2024-03-15"]),
        (["2019-01-01", "2020-01-01", "2021-01-01"], ["2022-01-01", "2023-01-01"]),
        (["2024-02-27", "2024-02-28"], ["2024-02-29", "2024-03-01"]),
        (["2024-01-01", "2024-01-08", "2024-01-15"], ["2024-01-22"]),
        (["2023-12-31T22", "2023-12-31T23"], ["2024-01-01T00", "2024-01-01T01"]),
        (["2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09"], ["2024-01-10"]),
    ],
)
def test_dates_go_on_by_the_calendar_or_by_the_usual_step(dates, following):
    unit = "datetime64[s]" if "T" in dates[0] else "datetime64[D]"
    went_on = next_dates(np.array(dates, unit), len(following))
    assert went_on.dtype == np.dtype(unit)
    np.testing.assert_array_equal(went_on, np.array(following, unit))


def test_one_date_has_no_step():
    with pytest.raises(ValueError, match="two dates or more"):
        next_dates(np.array(["2024-01-01"], "datetime64[D]"), 1)


@pytest.mark.parametrize(
    ("cell", "options", "number"),
    [
        ("54.532,37", {"decimal": ",", "thousands": "."}, 54532.37),
        ("-1.234.567", {"decimal": ",", "thousands": "."}, -1234567),
        ("532,5", {"decimal": ",", "thousands": "."}, 532.5),
        ("1,234.5", {"thousands": ","}, 1234.5),
        ("1\u202f234,5", {"decimal": ",", "thousands": " "}, 1234.5),
        ("1'234.5", {"thousands": "'"}, 1234.5),
    ],
)
def test_separators_of_thousands_are_read_on_request(write, cell, options, number):
    lines = ["day;x", *(f"{day[8:]}.01.2024;{cell}" for day in DAYS)]
    table = load_table(write(lines), "day", date_format="%d.%m.%Y", at_least=31, **options)
    np.testing.assert_array_equal(table.values, np.full((31, 1), number))


def test_one_series_of_several_is_taken_on_request(write):
    lines = [*days(value="{},Tea", header=("date", "sales", "product")), *days(value="1{},Coffee")[1:]]
    table = load_table(write(lines), where={"product": "Coffee"}, at_least=31)
    np.testing.assert_array_equal(table.values[:3, 0], [10, 11, 12])
    with pytest.raises(ValueError, match="tells 2 series apart"):
        load_table(write([lines[0], *sorted(lines[1:])]), at_least=31)


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=30))
def test_a_hole_gets_the_last_value_before_it_and_nothing_later(cells):
    values = np.array([[np.nan if cell is None else cell] for cell in cells])
    table = Table(np.arange(len(cells)).astype("datetime64[D]"), ("x",), values)
    if np.isnan(values).all():
        with pytest.raises(ValueError, match="all its cells are missing"):
            fill_forward(table)
        return
    filled = fill_forward(table)
    assert len(filled.dates) == len(filled.values)
    for date, (value,) in zip(filled.dates, filled.values, strict=True):
        before = [cell for cell in cells[: int(date.astype(int)) + 1] if cell is not None]
        assert value == before[-1]


def test_an_hour_that_comes_twice_is_the_clocks_doing_and_not_another_series(write):
    hours, degrees = (0, 1, 2, 2, 3, 4, 5, 6), ("-0,7", "0,6", "-0,7", "0,6", "1,2", "0,6", "1,2", "-0,7")
    rows = [f"29.10.2023 {hour:02}:00;{x}" for hour, x in zip(hours, degrees, strict=True)]
    how = dict(date="Zeit", delimiter=";", decimal=",", date_format="%d.%m.%Y %H:%M", at_least=3)
    with pytest.raises(ValueError, match="2023-10-29T02:00") as error:
        load_table(write(["Zeit;Temperatur", *rows]), **how)
    assert "series apart" not in str(error.value)
    assert "Clocks go back" in str(error.value)
    words = [row.replace("-0,7", "Nord").replace("0,6", "Süd").replace("1,2", "West") for row in rows]
    with pytest.raises(ValueError, match="'Temperatur' tells 3 series apart"):
        load_table(write(["Zeit;Temperatur", *words]), **how)


@pytest.mark.parametrize(
    ("cell", "words"), [("Summe", "delete it from the file"), ("1.2.12 13:00", '"%d.%m.%Y %H:%M" for 31.01.2012 13:00')]
)
def test_a_line_of_units_or_a_sum_is_told_from_a_date_of_another_form(write, cell, words):
    with pytest.raises(ValueError, match="Expected a date such as") as error:
        load_table(write(["date,x", "2012-01-01,1", f"{cell},2"]), at_least=1)
    assert words in str(error.value)
