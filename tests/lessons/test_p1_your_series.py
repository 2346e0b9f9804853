"""Project p1: the recorded comparisons, the split that leaks, the packing line, and the code on the page."""

import tracemalloc

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from figure_checks import check_legible
from hypothesis import given
from hypothesis import strategies as st
from results_checks import NOTEBOOKS, criterion_can_fail, lesson_shows, measured_at_toy_size

from course_lib import forecasting, plotting
from course_lib.lessons.lesson_p1_your_series import experiments, figures
from course_lib.tables import load_seattle_weather
from course_lib.teaching import experiment as results

LESSON = "p1_your_series"


# ---------------------------------------------------------------------------------------------------------------------
# The experiments
# ---------------------------------------------------------------------------------------------------------------------
def test_the_weathers_season_is_a_year_and_the_target_the_highest_temperature():
    values, target = experiments.weather()
    assert values.shape == (1461, 6)
    np.testing.assert_array_equal(values[:, target], load_seattle_weather().values[:, 1])
    np.testing.assert_allclose(values[365:, 4:], values[:-365, 4:], atol=1e-9)


@given(st.integers(0, 2**32 - 1))
def test_shuffling_keeps_every_example_and_the_size_of_the_training_part(seed):
    rng = np.random.default_rng(seed)
    data = forecasting.prepare(rng.normal(size=(80, 2)), 0, 3, 2)
    split = experiments.shuffled_and_by_time(data, rng)
    (learn, judge), (before, after) = split["shuffled"], split["time"]
    assert len(learn[2]) == len(before[2])
    assert not set(learn[2]) & set(judge[2])
    assert sorted([*learn[2], *judge[2]]) == sorted([*before[2], *after[2]])


def test_the_row_number_looks_up_the_neighbours():
    answers = np.arange(10.0)[:, None]
    rows = np.array([0, 1, 2, 3, 5, 6, 7, 8, 9, 10])[:, None]
    assert experiments.nearest(rows, answers, np.array([[4]]), 2)[0, 0] == 3.5
    assert experiments.nearest(rows, answers, np.array([[100]]), 2)[0, 0] == 8.5


def test_nearest_neighbours_are_the_same_block_by_block_and_hourly_data_fit_into_memory():
    rng = np.random.default_rng(0)
    known, answers, asked = rng.normal(size=(300, 12)), rng.normal(size=(300, 2)), rng.normal(size=(600, 12))
    distance = ((asked[:, None] - known[None]) ** 2).sum(axis=2)
    all_at_once = answers[np.argsort(distance, axis=1)[:, :3]].mean(axis=1)
    tracemalloc.start()
    by_blocks = experiments.nearest(known, answers, asked, 3)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(by_blocks, all_at_once)
    assert most < asked.shape[0] * known.size * 8 / 4, "all distances by numbers would be 17 MB"


@given(st.integers(0, 2**32 - 1))
def test_the_packing_line_ships_what_was_ordered_while_it_ran(seed):
    rows = 200
    table, due = experiments.packing_line(rows, np.random.default_rng(seed))
    running = True
    shipped = np.zeros(rows + 7)
    for t, (_, orders, switch) in enumerate(table):
        if switch:
            assert running == (switch < 0), "only a line that stands is started"
            running = switch > 0
        shipped[t + 7] = orders * running
    np.testing.assert_allclose(due, shipped[:rows])
    assert np.abs(table[:, 0] - due).max() < 1.2


@pytest.mark.parametrize(
    ("key", "spoil"),
    [
        ("seattle-forecast", {"gru": 2.0}),
        ("seattle-forecast", {"gru": 3.4}),
        ("shuffled-split", {"row_number_shuffled": 3.0}),
        ("shuffled-split", {"row_number_time": 5.0}),
        ("shuffled-split", {"neighbours_shuffled": 3.3}),
        ("packing-line", {"gru": 0.4}),
        ("packing-line", {"dense": 0.1}),
        ("packing-line", {"floor": 0.4}),
    ],
)
def test_each_criterion_can_fail(key, spoil):
    criterion_can_fail(key, spoil)


@pytest.mark.slow
def test_measurements_at_toy_size_return_what_is_recorded(monkeypatch):
    measured_at_toy_size("packing-line", monkeypatch, {"rows": 300, "epochs": 1})
    measured_at_toy_size("shuffled-split", monkeypatch)
    from course_lib import keras_forecasting

    short = keras_forecasting.fit_and_evaluate
    monkeypatch.setattr(keras_forecasting, "fit_and_evaluate", lambda *args, rate: short(*args, rate=rate, epochs=1))
    measured_at_toy_size("seattle-forecast", monkeypatch)


def test_baselines_of_the_records_are_those_of_the_table():
    values, target = experiments.weather()
    data = forecasting.prepare(values, target, experiments.WINDOW, experiments.HORIZON)
    _, future, first = data["validation"]
    forecast = forecasting.last_value(values[:, target], first, experiments.HORIZON)
    error = experiments.mean_error(forecast, forecasting.in_units(future, data))
    for key, column in (("seattle-forecast", "last"), ("shuffled-split", "last_time")):
        np.testing.assert_allclose(results.recorded(key).column(column), error, rtol=1e-4)


# ---------------------------------------------------------------------------------------------------------------------
# The page
# ---------------------------------------------------------------------------------------------------------------------
def test_the_page_defines_what_the_library_holds_and_what_was_recorded():
    from course_lib import keras_forecasting

    names = ["add_season", "cut", "prepare", "in_units", "last_value", "last_season", "half_widths"]
    lesson_shows(
        LESSON,
        [getattr(forecasting, name) for name in names]
        + [
            getattr(keras_forecasting, name)
            for name in ("linear", "gru", "predict", "forecast_with", "evaluate", "fit_and_evaluate", "forecast")
        ]
        + [experiments.packing_line],
    )


def test_figures_are_legible():
    table = load_seattle_weather()
    values, target = experiments.weather()
    data = forecasting.prepare(values, target, 14, 7)
    _, future, first = data["validation"]
    actual = forecasting.in_units(future, data)
    plotting.use_style()
    fig, axes = plt.subplots(3, figsize=(7, 11.4))
    figures.draw_parts(axes[0], table, target, (0.5, 0.25))
    figures.draw_claims(axes[1], results.recorded("shuffled-split"))
    naive = forecasting.last_value(values[:, target], first, 7)
    figures.draw_horizon(axes[2], actual, {"last value": ("baseline", naive), "GRU, seed 0": ("gru", naive)})
    check_legible(fig)
    weeks, ax = plt.subplots(figsize=(7, 3.8))
    figures.draw_weeks(ax, table.dates, values[:, target], first, naive, np.ones(7), weeks=8)
    check_legible(weeks, overlaps=False)  # the boxes around slanted dates overlap, the dates do not
    plt.close(weeks)
    plt.close(fig)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras, while it saves
def test_the_recipe_runs_as_it_stands_on_a_file_with_semicolons_and_decimal_commas(tmp_path, monkeypatch, capsys):
    from course_lib import keras_forecasting

    rng = np.random.default_rng(0)
    days = np.arange("2023-01-01", "2024-01-01", dtype="datetime64[D]").astype(object)
    rows = [
        f"{day:%d.%m.%Y};{100 + 30 * (day.weekday() == 5) + rng.normal():.2f};{rng.integers(9)}".replace(".", ",")
        for day in days
    ]
    rows = [row[:10].replace(",", ".") + row[10:] for row in rows]
    rows[50] = rows[50].rpartition(";")[0] + ";"
    (tmp_path / "shop.csv").write_text("\n".join(["day;sales;staff", *rows]), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    short = keras_forecasting.fit_and_evaluate
    monkeypatch.setattr(keras_forecasting, "fit_and_evaluate", lambda *args: short(*args, epochs=1))
    cells = nbformat.read(NOTEBOOKS / f"{LESSON}.ipynb", as_version=4).cells
    recipe = next(cell.source for cell in cells if cell.id == "recipe")
    exec(recipe.partition("```python\n")[2].partition("```")[0], {})
    said = capsys.readouterr().out
    attempts = [line for line in said.splitlines() if "MAE" not in line]
    assert sum(line.startswith("linear") for line in attempts) == 4
    assert sum(line.startswith("GRU") for line in attempts) == 3
    assert "coverage" in said
    assert (tmp_path / "my_forecaster" / "rest.npz").exists()
    ahead = [line for line in said.splitlines() if line.startswith("2024-01-0")]
    assert [line[:10] for line in ahead] == [f"2024-01-0{day}" for day in range(1, 8)]
