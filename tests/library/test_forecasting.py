"""Parts cut by time: nothing of the future in a window or in the scaling; naive forecasts; intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.forecasting import add_season, cut, half_widths, in_units, last_season, last_value, prepare


@given(st.integers(1, 6), st.integers(1, 6), st.integers(40, 80), st.integers(0, 39))
def test_an_example_holds_the_past_and_then_the_future(window, horizon, rows, start):
    values = np.arange(2.0 * rows).reshape(rows, 2)
    past, future, first = cut(values, 1, window, horizon, min(start, rows - 20), rows)
    assert past.shape == (len(first), window, 2)
    assert future.shape == (len(first), horizon)
    for x, y, row in zip(past, future, first, strict=True):
        np.testing.assert_array_equal(x, values[row - window : row])
        np.testing.assert_array_equal(y, values[row : row + horizon, 1])
    assert first[0] == max(min(start, rows - 20), window)
    assert first[-1] + horizon == rows


def test_a_part_that_is_too_short_is_refused():
    with pytest.raises(ValueError, match="Rows 10 to 16 are too few for 3 past rows and 7 to forecast"):
        cut(np.zeros((20, 1)), 0, 3, 7, 10, 16)


def test_parts_do_not_share_a_value_to_forecast_and_scaling_does_not_know_later_rows():
    rng = np.random.default_rng(0)
    values = rng.normal(3, 2, size=(200, 2))
    data = prepare(values, 0, 5, 4)
    forecast = {part: {row + h for row in data[part][2] for h in range(4)} for part in ("train", "validation", "test")}
    assert max(forecast["train"]) < min(forecast["validation"])
    assert max(forecast["validation"]) < min(forecast["test"])
    assert (min(forecast["validation"]), min(forecast["test"])) == (100, 150)
    assert data["horizon"] == 4
    later = values.copy()
    later[100:] += 1000
    other = prepare(later, 0, 5, 4)
    np.testing.assert_array_equal(data["train"][0], other["train"][0])
    np.testing.assert_allclose(in_units(data["test"][1], data)[:, 0], values[data["test"][2], 0], rtol=1e-5)


def test_a_column_that_never_changes_becomes_zeros_and_no_nan():
    values = np.column_stack([np.arange(100.0), np.full(100, 7.0)])
    data = prepare(values, 0, 5, 4)
    assert not data["train"][0][..., 1].any()
    assert np.isfinite(data["test"][0]).all()


def test_the_season_goes_round_once_and_follows_from_the_date_alone():
    dates = np.arange("2020-01-01", "2022-01-01", dtype="datetime64[D]")
    whole = add_season(dates, np.zeros((len(dates), 1)), 7)
    np.testing.assert_allclose(whole[7:, 1:], whole[:-7, 1:], atol=1e-9)
    np.testing.assert_allclose((whole[:, 1:] ** 2).sum(axis=1), 1)
    np.testing.assert_array_equal(add_season(dates[100:], np.zeros((len(dates) - 100, 1)), 7), whole[100:])


@given(st.integers(1, 12), st.integers(1, 20))
def test_naive_forecasts_use_only_what_came_before(season, horizon):
    series, first = np.arange(100.0), np.arange(50, 60)
    np.testing.assert_array_equal(last_value(series, first, horizon), np.repeat(first[:, None] - 1.0, horizon, axis=1))
    seasonal = last_season(series, first, horizon, season)
    assert (seasonal < first[:, None]).all()
    assert ((first[:, None] + np.arange(horizon) - seasonal) % season == 0).all()
    np.testing.assert_array_equal(seasonal[:, 0], first - season)


def test_a_season_longer_than_what_came_before_is_refused():
    with pytest.raises(ValueError, match="fewer than 60 rows"):
        last_season(np.arange(100.0), np.arange(50, 60), 3, 60)


@given(st.integers(10, 200), st.floats(0.5, 0.95), st.integers(0, 99))
def test_intervals_cover_the_share_they_were_made_for(count, coverage, seed):
    errors = np.random.default_rng(seed).normal(size=(count, 3))
    widths = half_widths(errors, np.zeros_like(errors), coverage)
    inside = (np.abs(errors) <= widths).mean(axis=0)
    assert (inside >= min(coverage, 1)).all()
    assert (inside <= coverage + 2 / count + 1e-9).all()


def test_split_conformal_keeps_its_promise_on_exchangeable_errors():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(400):
        errors = rng.standard_t(3, size=(60, 1))
        covered.append(abs(errors[-1, 0]) <= half_widths(errors[:-1], np.zeros((59, 1)), 0.8)[0])
    assert np.mean(covered) == pytest.approx(0.8, abs=0.06)
