"""The models of project p1: the linear one is ridge regression, the GRU learns, attempts are printed and remembered."""

from __future__ import annotations

import numpy as np
import pytest

from course_lib import keras_forecasting as models
from course_lib.forecasting import in_units, prepare


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
    models.evaluate("off by 2", actual + 2, data, tried)
    models.evaluate("off by 1", actual - 1, data, tried, sign="≈")
    lines = capsys.readouterr().out.splitlines()
    assert [number.strip("≈") for number in lines[0].split()[3:]] == ["2.00", "2.00", "2.00", "0.00"]
    assert lines[1].replace("≈", " ").split()[3:] == ["1.00", "1.00", "1.00", "0.50"]
    assert lines[1].count("≈") == 4
    assert [row["tried"] for row in tried] == ["off by 2", "off by 1"]


@pytest.mark.slow
def test_a_gru_learns_a_wave_and_a_seed_repeats_it(data, capsys):
    x, y, _ = data["validation"]
    actual = in_units(y, data)
    tried = [{"tried": "mean", "mean": float(np.abs(actual - actual.mean()).mean())}]
    first, again = (
        models.fit_and_evaluate("GRU", models.gru(x, y, units=8, seed=3), data, tried, rate=0.02, epochs=12)
        for _ in range(2)
    )
    assert tried[1]["mean"] < 0.6 * tried[0]["mean"]
    for one, other in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert capsys.readouterr().out.count("GRU") == 2
