"""The models of project p1: the linear one is ridge regression, the GRU learns, attempts are printed and remembered."""

from __future__ import annotations

import numpy as np
import pytest

from course_lib import keras_forecasting as models
from course_lib.forecasting import add_season, half_widths, in_units, last_season, last_value, prepare
from course_lib.tables import Table


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    series = np.sin(np.arange(240) / 5) + 0.1 * rng.normal(size=240)
    return prepare(np.column_stack([5 + 3 * series, rng.normal(size=240)]), 0, 6, 3)


@pytest.mark.parametrize("penalty", [1e-3, 1, 100])
def test_linear_is_the_minimum_of_the_penalised_squares(data, penalty):
    x, y, _ = data["train"]
    model = models.linear(x, y, penalty)
    kernel, bias = (w.astype(float) for w in model.get_weights())
    flat = x.reshape(len(x), -1).astype(float)
    residual = y - (flat @ kernel + bias)
    np.testing.assert_allclose(residual.mean(axis=0), 0, atol=1e-4)  # the gradient at the bias
    np.testing.assert_allclose(flat.T @ residual, penalty * kernel, atol=2e-3 * max(1, penalty))  # and at the weights
    np.testing.assert_allclose(
        models.predict(model, x, data), in_units(flat @ kernel + bias, data), rtol=1e-4, atol=1e-4
    )


def test_attempts_are_printed_under_each_other_and_remembered(data, capsys):
    tried = []
    actual = in_units(data["validation"][1], data)
    models.evaluate("last value", actual + 2, data, tried)
    models.evaluate("off by 1", actual - 1, data, tried, sign="≈")
    lines = capsys.readouterr().out.splitlines()
    assert [number.strip("≈") for number in lines[0].split()[2:]] == ["2.00", "2.00", "2.00", "0.00"]
    assert lines[1].replace("≈", " ").split()[3:] == ["1.00", "1.00", "1.00", "0.50"]
    assert lines[1].count("≈") == 4
    assert [row["tried"] for row in tried] == ["last value", "off by 1"]


def test_the_skill_is_against_the_better_naive_forecast(data, capsys):
    tried = []
    actual = in_units(data["validation"][1], data)
    for name, off in (("last value", 4), ("last season", 2), ("linear", 3)):
        models.evaluate(name, actual + off, data, tried)
    skills = [float(line.split()[-1]) for line in capsys.readouterr().out.splitlines()]
    assert skills == [0.0, 0.0, -0.5], "a model behind the seasonal naive forecast has no skill"


def a_table(rows=120):
    rng = np.random.default_rng(1)
    dates = np.arange("2015-01", "2040-01", dtype="datetime64[M]")[:rows].astype("datetime64[D]")
    wave = np.sin(2 * np.pi * np.arange(rows) / 12)
    return Table(dates, ("price", "sales"), np.column_stack([rng.normal(size=rows), 400 + 90 * wave]))


@pytest.mark.parametrize("kind", ["last value", "last season", "linear"])
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras, while it saves
def test_what_was_saved_forecasts_the_same_again(kind, tmp_path):
    table, season, days = a_table(), 12, 365.25
    values = add_season(table.dates, table.values, days)
    data = prepare(values, 1, 14, 15)
    model = models.linear(*data["train"][:2], 1.0) if kind == "linear" else kind
    past, future, first = data["test"]
    forecasts = models.forecast_with(model, past, first, data, values[:, 1], season)
    if kind != "linear":
        naive = {"last value": last_value(values[:, 1], first, 15)}
        naive["last season"] = last_season(values[:, 1], first, 15, season)
        np.testing.assert_array_equal(forecasts, naive[kind])
    widths = half_widths(forecasts, in_units(future, data))
    folder = tmp_path / "deep" / "forecaster"
    tried = [{"tried": kind, "first": 1.0, "last": 2.0, "mean": 1.5}]
    models.save_forecaster(folder, model, table, data, widths, season, days, tried)
    earlier = table._replace(dates=table.dates[:-15], values=table.values[:-15])
    middle, low, high = models.forecast(earlier, folder)
    np.testing.assert_allclose(middle, forecasts[-1], rtol=1e-4)
    np.testing.assert_allclose(high - middle, widths, rtol=1e-4)
    np.testing.assert_allclose(middle - low, widths, rtol=1e-4)
    assert (folder / "tried.csv").read_text() == f"tried,first,last,mean\n{kind},1.0,2.0,1.5"
    assert (folder / "model.keras").exists() == (kind == "linear")


def test_other_columns_or_too_few_rows_are_refused(tmp_path):
    table = a_table()
    data = prepare(add_season(table.dates, table.values, 365.25), 1, 14, 15)
    models.save_forecaster(tmp_path, "last season", table, data, np.ones(15), 24, 365.25, [])
    with pytest.raises(ValueError, match=r"with the columns \['price', 'sales'\]"):
        models.forecast(table._replace(names=("sales", "price")), tmp_path)
    with pytest.raises(ValueError, match="Expected 14 rows or more"):
        models.forecast(table._replace(dates=table.dates[:9], values=table.values[:9]), tmp_path)
    with pytest.raises(ValueError, match="take a shorter season"):
        models.forecast(table._replace(dates=table.dates[:15], values=table.values[:15]), tmp_path)


@pytest.mark.slow
def test_a_gru_learns_a_wave_and_a_seed_repeats_it(data, capsys):
    x, y, _ = data["validation"]
    actual = in_units(y, data)
    tried = [{"tried": "last value", "mean": float(np.abs(actual - actual.mean()).mean())}]
    first, again = (
        models.fit_and_evaluate("GRU", models.gru(x, y, units=8, seed=3), data, tried, rate=0.02, epochs=12)
        for _ in range(2)
    )
    assert tried[1]["mean"] < 0.6 * tried[0]["mean"]
    for one, other in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert capsys.readouterr().out.count("GRU") == 2
