"""Lesson 06: the running total and its gates, the recorded experiments, the panel, and what the exercises answer."""

import ast
import inspect

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from figure_checks import check_legible
from hypothesis import given
from hypothesis import strategies as st
from results_checks import NOTEBOOKS, criterion_can_fail, lesson_shows, measured_at_toy_size

from course_lib import plotting, tasks
from course_lib.gradients import relative_error
from course_lib.layers import Dense
from course_lib.lessons.lesson_06_lstm import exercises as ex
from course_lib.lessons.lesson_06_lstm import experiments, figures, panels
from course_lib.losses import MeanSquaredError, SoftmaxCrossEntropy
from course_lib.manual import load_manual_letters
from course_lib.model import Model
from course_lib.optimizers import Adam
from course_lib.recurrent import LSTM, SimpleRNN
from course_lib.tasks import running_total
from course_lib.teaching import experiment as results
from course_lib.teaching import running
from course_lib.training import error_left, hold_open

LESSON = "06_lstm"
seeds = st.integers(0, 2**32 - 1)


# ---------------------------------------------------------------------------------------------------------------------
# The experiments
# ---------------------------------------------------------------------------------------------------------------------
@given(seeds, st.integers(1, 4), st.integers(1, 30))
def test_the_target_is_the_total_where_somebody_asks(seed, count, time):
    x, y = running_total(count, time, np.random.default_rng(seed))
    assert x.shape == (count, time, 4)
    assert y.shape == (count, time, 1)
    assert x.dtype == y.dtype == np.float32
    for stream, shown in zip(x, y[..., 0], strict=True):
        total = 0.0
        for (price, bought, new, ask), number in zip(stream, shown, strict=True):
            total = (0.0 if new else total) + bought * price
            assert number == pytest.approx(ask * total, abs=1e-5)


@pytest.mark.parametrize("gate", "ifo")
def test_a_gate_held_open_is_one_and_training_does_not_move_it(gate):
    rng = np.random.default_rng(0)
    lstm = LSTM(4, 3, rng=rng)
    hold_open(lstm, gate)
    model, before = Model([lstm, Dense(3, 1, rng=rng)], MeanSquaredError()), lstm.get_weights()
    for _ in range(5):
        model.train_on_batch(*running_total(8, 12, rng), optimizer=Adam(0.03))
    assert (lstm.gates[gate] == 1).all()
    place = "ifco".index(gate)
    for old, new in zip(before, lstm.get_weights(), strict=True):
        parts = zip(np.split(old, 4, axis=-1), np.split(new, 4, axis=-1), strict=True)
        assert [np.array_equal(a, b) for a, b in parts] == [block == place for block in range(4)]


def test_no_weighted_sum_of_sums_takes_more_than_two_over_t_off_the_adding_task():
    for time in (10, 40):
        x, y = tasks.adding(60_000, time, np.random.default_rng(0))
        total = x[..., 0].astype(float).sum(axis=1)
        assert np.corrcoef(total, y[:, 0])[0, 1] ** 2 == pytest.approx(2 / time, rel=0.1)


def test_error_left_and_the_largest_cell_of_a_unit_that_is_known():
    rng = np.random.default_rng(0)
    lstm, dense = LSTM(4, 1, rng=rng), Dense(1, 1, rng=rng)
    lstm.set_weights([np.zeros((4, 4)), np.zeros((1, 4)), np.array([40.0, 40.0, 40.0, 40.0])])  # all 1: c_t = t
    dense.set_weights([np.zeros((1, 1)), np.array([0.3])])
    model = Model([lstm, dense], MeanSquaredError())
    assert experiments.largest_cell(model, 25, rng) == 25
    _, y = running_total(200, 40, np.random.default_rng(1))
    expected = ((y - 0.3) ** 2).mean() / y.var()
    assert error_left(model, 40, np.random.default_rng(1)) == pytest.approx(expected, rel=1e-5)


def test_correlations_of_gates_set_by_hand():
    rng = np.random.default_rng(0)
    lstm = LSTM(4, 1, rng=rng)
    kernel = np.zeros((4, 4))
    kernel[1, 0], kernel[2, 1], kernel[0, 2], kernel[3, 3] = 20, -20, -0.01, 20  # a candidate of the other sign
    lstm.set_weights([kernel, np.zeros((1, 4)), np.array([-10.0, 10.0, 0.0, -10.0])])
    found = experiments.correlations(Model([lstm], MeanSquaredError()), rng)
    signs = {"input_gate": 1, "forget_gate": 1, "output_gate": 1, "cell": -1}
    assert {name: found[name] for name in signs} == pytest.approx(signs, abs=1e-3)
    assert abs(found["input_gate_price"]) < 0.1
    assert abs(found["candidate_bought"]) < 0.1


def test_correlations_of_a_unit_whose_gate_and_candidate_have_swapped_parts():
    rng = np.random.default_rng(0)
    lstm = LSTM(4, 1, rng=rng)
    kernel = np.zeros((4, 4))
    kernel[0, 0], kernel[1, 2] = 0.1, 20  # the input gate goes with the price, the candidate with what is bought
    kernel[2, 1], kernel[3, 3] = -20, 20
    lstm.set_weights([kernel, np.zeros((1, 4)), np.array([-3.0, 10.0, 0.0, -10.0])])
    found = experiments.correlations(Model([lstm], MeanSquaredError()), rng)
    assert found["input_gate_price"] == pytest.approx(1, abs=1e-3)
    assert found["candidate_bought"] == pytest.approx(1, abs=1e-3)
    assert abs(found["input_gate"]) < 0.1


@pytest.mark.parametrize(("features", "units", "outputs"), [(2, 16, 1), (8, 24, 4)])
def test_rivals_have_as_many_weights(features, units, outputs):
    rng = np.random.default_rng(0)
    layers = [experiments.lstm_or_tanh(name, features, units, rng) for name in ("lstm", "tanh")]
    sizes = [sum(w.size for w in [*layer.weights, *Dense(layer.units, outputs, rng=rng).weights]) for layer in layers]
    assert layers[0].units == units
    assert (layers[0].bias[units : 2 * units] == 3).all()
    assert sizes[1] == pytest.approx(sizes[0], rel=0.01)


@given(seeds, st.integers(2, 6))
def test_after_the_first_symbol_there_is_silence(seed, time):
    x, symbol = experiments.one_symbol_then_silence(5, time, np.random.default_rng(seed))
    np.testing.assert_array_equal(x[:, 0], np.eye(8)[symbol])
    assert not x[:, 1:].any()


def test_training_on_the_running_total_ends_with_small_steps(monkeypatch):
    rates = []

    def note(self, *batch, optimizer, clip_norm):
        rates.append(optimizer.learning_rate)
        optimizer.iterations += 1

    monkeypatch.setattr(Model, "train_on_batch", note)
    model = experiments.train_running_total("f", 0, units=2, updates=100)
    np.testing.assert_allclose(rates, 0.03 * np.linspace(1, 0.01, 100))
    assert (model.layers[0].bias[2:4] == 40).all()
    assert model.layers[0].units == model.layers[1].kernel.shape[0] == 2


def test_a_recall_race_ends_at_the_first_look_that_names_all_and_without_a_winner_at_the_last_update():
    rng = np.random.default_rng(0)
    assert experiments.updates_until_recalled(LSTM(8, 16, rng=rng, forget_bias=3), 3, rng) in range(25, 301, 25)
    assert experiments.updates_until_recalled(LSTM(8, 16, rng=rng, forget_bias=3), 3, rng, most=24) is None
    assert experiments.updates_until_recalled(LSTM(8, 16, rng=rng), 3, rng, most=100, rate=0.0) is None


def test_the_reach_of_a_gradient_through_a_layer_that_is_known():
    """A tanh layer near 0, where its slope is 1, with ½ on the diagonal halves the gradient at each step back."""
    rng = np.random.default_rng(0)
    layer = SimpleRNN(3, 3, rng=rng, dtype=np.float64)
    layer.set_weights([np.eye(3), np.eye(3) / 2, np.zeros(3)])
    reach = experiments.gradient_reach(layer, 1e-6 * rng.normal(size=(4, 9, 3)), rng)
    np.testing.assert_allclose(reach, 0.5 ** np.arange(9), rtol=1e-6)


def _small_lstm():
    layer = LSTM(2, 3, rng=np.random.default_rng(0), dtype=np.float64)
    return layer, np.random.default_rng(1).normal(size=(4, 6, 2))


def test_the_reach_along_all_paths_is_the_whole_reach():
    layer, x = _small_lstm()
    whole = experiments.gradient_reach(layer, x, np.random.default_rng(2))
    for options in ({}, {"cells": range(3)}, {"detours": 6}, {"cells": [2, 1, 0], "detours": 5}):
        found = experiments.reach_along(layer, x, np.random.default_rng(2), **options)
        np.testing.assert_allclose(found, whole, rtol=1e-12)


def test_a_cell_that_is_cut_passes_nothing_on_along_the_cells():
    layer, x = _small_lstm()
    none = experiments.reach_along(layer, x, np.random.default_rng(2), cells=[], detours=0)
    np.testing.assert_array_equal(none[1:], 0)
    layer.set_weights([w * (np.arange(w.shape[-1]) % 3 == 1) for w in layer.get_weights()])  # unit 1 alone has weights
    whole = experiments.reach_along(layer, x, np.random.default_rng(2), detours=0)
    only = experiments.reach_along(layer, x, np.random.default_rng(2), cells=[1], detours=0)
    np.testing.assert_allclose(only, whole, rtol=1e-12)
    assert whole[1] > 0


def test_the_mean_forget_gates_of_a_layer_that_is_known():
    layer, x = _small_lstm()
    layer.set_weights([np.zeros((2, 12)), np.zeros((3, 12)), np.repeat([0.0, np.log(4), 0.0, 0.0], 3)])
    np.testing.assert_allclose(experiments.mean_forget_gates(layer, x), 0.8)


def test_along_the_cells_alone_the_hidden_state_sends_nothing_back():
    layer, x = (
        LSTM(2, 3, rng=np.random.default_rng(0), dtype=np.float64),
        np.random.default_rng(1).normal(size=(4, 6, 2)),
    )
    weights = [w.copy() for w in layer.get_weights()]
    direct = experiments.reach_along(layer, x, np.random.default_rng(2), detours=0)
    assert all(np.array_equal(old, new) for old, new in zip(weights, layer.get_weights(), strict=True))
    assert np.abs(direct - experiments.gradient_reach(layer, x, np.random.default_rng(2))).max() > 1e-3
    layer.recurrent_kernel[...] = 0  # now there is no other path
    direct = experiments.reach_along(layer, x, np.random.default_rng(2), detours=0)
    assert direct == pytest.approx(experiments.gradient_reach(layer, x, np.random.default_rng(2)), abs=1e-12)


def test_rivals_on_letters_have_about_as_many_weights():
    rng, (_, _, vocabulary) = np.random.default_rng(0), load_manual_letters()
    size = len(vocabulary)
    for weight in ("small", "large"):
        counts = [
            Model([kind(size, units, rng=rng), Dense(units, size, rng=rng)], SoftmaxCrossEntropy()).count_params()
            for name, (kind, units, _, _) in experiments.LETTERS.items()
            if name.endswith(weight)
        ]
        assert max(counts) < 1.05 * min(counts)
        assert counts[0] == pytest.approx({"small": 30_000, "large": 90_000}[weight], rel=0.03)


def test_learning_letters_takes_as_many_updates_as_it_is_told_and_carries_the_state(monkeypatch):
    seen = []

    def note(self, x, y, *, optimizer, clip_norm, initial_states):
        seen.append((x.shape, clip_norm, initial_states is None))
        optimizer.iterations += 1
        self.states = [len(seen)]

    monkeypatch.setattr(Model, "train_on_batch", note)
    ids, rng = np.arange(4000) % 5, np.random.default_rng(0)
    experiments.learn_letters(LSTM(5, 2, rng=rng), ids, 0.1, 9, rng)
    assert seen[0] == ((16, 50, 5), 1.0, True)
    assert len(seen) == 9
    fresh = [anew for _, _, anew in seen]
    assert 1 < sum(fresh) < 9, "the state starts anew where the text does, and only there"


def test_even_guessing_costs_log2_of_the_alphabet():
    rng = np.random.default_rng(0)
    layer, dense = LSTM(8, 2, rng=rng), Dense(2, 8, rng=rng)
    dense.set_weights([np.zeros((2, 8)), np.zeros(8)])
    model = Model([layer, dense], SoftmaxCrossEntropy())
    assert experiments.bits_a_letter(model, np.arange(2000) % 8) == pytest.approx(3)


def test_training_on_adding_stops_where_it_should(monkeypatch):
    rng = np.random.default_rng(0)
    errors = iter([0.2, 0.0101, 0.0099, 0.001])
    monkeypatch.setattr(Model, "evaluate", lambda *args: next(errors))
    monkeypatch.setattr(Model, "train_on_batch", lambda *args, **kwargs: (0.0, 0.0))
    assert experiments.learn_adding(LSTM(2, 2, rng=rng), 10, rng, most=8000) == [0.2, 0.0101, 0.0099]


@pytest.mark.parametrize(
    ("key", "spoil"),
    [
        ("running-total-gates", {"i": 0.04}),
        ("running-total-gates", {"f": 0.14}),
        ("running-total-gates", {"o": 0.39}),
        ("running-total-wide", {"all": 0.04}),
        ("running-total-wide", {"i": 0.04}),
        ("running-total-wide", {"o": 0.04}),
        ("running-total-wide", {"f_cell": 5.0, "all_cell": 3.0}),
        ("forget-bias", {"bias_0_20": 300}),
        ("forget-bias", {"bias_0_40": 300}),
        ("forget-bias", {"bias_3_20": None}),
        ("forget-bias", {"bias_3_40": None}),
        ("forget-bias", {"tanh_20": None}),
        ("forget-bias", {"tanh_40": 325}),
        ("forget-bias", {"bias_3_40": 325}),
        ("forget-bias-far", {"bias_1_100": 300}),
        ("forget-bias-far", {"bias_3_100": None}),
        ("forget-bias-far", {"bias_5_100": 325}),
        ("lstm-keras-letters", {"epoch_12": 2.02}),
        ("lstm-keras-letters", {"epoch_2": 2.0}),
        ("lstm-reach", {"lstm_0": 0.011}),
        ("lstm-reach", {"lstm_1": 0.011}),
        ("lstm-reach", {"lstm_3": 0.011}),
        ("lstm-reach", {"lstm_0_far": 0.09}),
        ("lstm-reach", {"lstm_1_far": 0.09}),
        ("lstm-reach", {"lstm_3_far": 0.09}),
        ("lstm-reach", {"tanh": 0.07}),
        ("lstm-reach", {"tanh_slow": 0.07}),
        ("lstm-reach", {"tanh_far": 0.011}),
        ("lstm-reach", {"tanh_slow_far": 0.011}),
        ("lstm-reach", {"tanh_before": [0.0] * len(experiments.STEPS_BACK)}),
        ("lstm-carousel", {"two_cut": 0.2}),
        ("lstm-carousel", {"another_cut": 0.1}),
        ("lstm-carousel", {"forget_after": [0.6] * 15 + [0.89]}),
        ("lstm-carousel", {"forget_after": [0.9] * 15 + [0.95]}),
        ("lstm-carousel", {"forget_before": [0.7] * 15 + [0.81]}),
        ("lstm-recipe", {"class_test": 0.89}),
        ("lstm-recipe", {"class_table": 0.71}),
        ("lstm-recipe", {"number_test": 0.3}),
        ("lstm-letters", {"lstm_large": 2.5}),
        ("lstm-letters", {"lstm_small": 2.5}),
        ("lstm-letters", {"lstm_small": 1.9}),
        ("lstm-adding", {"lstm": 0.011}),
        ("lstm-adding", {"tanh_lowest": 0.07}),
        ("lstm-temporal-order", {"lstm": None}),
        ("lstm-temporal-order", {"lstm": 20_800}),
        ("lstm-embedded-reber", {"strings": None}),
        ("lstm-embedded-reber", {"strings": 30_400}),
    ],
)
def test_each_bound_can_fail(key, spoil):
    criterion_can_fail(key, spoil)


def test_bounds_over_several_seeds_can_fail():
    good = {"all": 0.01, "i": 0.08, "f": 0.27, "o": 0.55}
    stuck = good | {"all": 0.5}
    assert experiments._running_total_holds([good] * 4 + [stuck])
    assert not experiments._running_total_holds([good] * 3 + [stuck])


def test_the_lesson_shows_the_recorded_code():
    lesson_shows(
        LESSON,
        [
            experiments.gradient_reach,
            experiments.train_running_total,
            experiments.largest_cell,
            experiments.one_symbol_then_silence,
            experiments.updates_until_recalled,
            experiments.learn_adding,
        ],
    )


def test_the_lesson_shows_the_recorded_keras_model():
    from course_lib import keras_models

    lesson_shows(LESSON, [keras_models.letter_model])


def test_the_lesson_shows_the_recorded_recipe():
    """Its page imports Keras in an earlier cell, and otherwise shows what was recorded."""
    lesson_shows(LESSON, [experiments.padded])
    notebook = nbformat.read(NOTEBOOKS / f"{LESSON}.ipynb", as_version=4)
    (source,) = [cell.source for cell in notebook.cells if "def run_model" in cell.source]
    shown, ran = ast.parse(source).body[0], ast.parse(inspect.getsource(experiments.run_model)).body[0]
    assert isinstance(ran.body[1], ast.ImportFrom)
    del ran.body[1]
    assert ast.unparse(shown) == ast.unparse(ran)
    measured = inspect.getsource(experiments.measure_recipe)
    for setting in ("patience=5", "epochs=30", "batch_size=64"):
        assert setting in source
        assert setting in measured.replace("epochs=epochs", "")


@given(seeds, st.integers(1, 20))
def test_made_up_runs_are_what_they_say(seed, count):
    runs, first, ago = experiments.sensor_runs(count, np.random.default_rng(seed))
    assert len(runs) == len(first) == len(ago) == count
    assert {run.shape[1] for run in runs} == {3}
    assert all(10 <= len(run) <= 25 for run in runs)
    for run, sensor, steps in zip(runs, first, ago, strict=True):
        assert 2 < steps < len(run)  # two other peaks come later, and a peak takes two steps
        others = [s for s in range(3) if s != sensor]
        begin = len(run) - 1 - steps
        level = np.median(run, axis=0)
        assert run[begin, sensor] - level[sensor] > run[: begin + 1, others].max() - 2.5  # no other peak before it
    rows = experiments.summaries(runs)
    assert rows.shape == (count, 20)
    x = experiments.padded(runs, np.zeros(3), np.ones(3))
    assert x.shape == (count, max(map(len, runs)), 3)
    for row, run in zip(x, runs, strict=True):
        np.testing.assert_allclose(row[: len(run)], run, rtol=1e-6)
        assert (row[len(run) :] == -10).all()
        assert (row[: len(run)] != -10).all()


def test_the_recipes_model_masks_the_padding_and_starts_with_its_forget_bias():
    model = experiments.run_model(3, 2, "mse", "mse", units=4)
    rng = np.random.default_rng(0)
    run = rng.normal(size=(7, 3))
    alone = model.predict(experiments.padded([run], np.zeros(3), np.ones(3)), verbose=0)
    longer = experiments.padded([run, rng.normal(size=(12, 3))], np.zeros(3), np.ones(3))
    np.testing.assert_allclose(model.predict(longer, verbose=0)[:1], alone, atol=1e-6)
    assert (model.layers[1].get_weights()[2][4:8] == 3).all()


def test_the_keras_model_has_as_many_weights_as_its_record_says():
    from course_lib import keras_models

    model = keras_models.letter_model(77, updates=10)
    assert model.count_params() == 77 * 32 + 4 * (110 * (32 + 110) + 110) + 77 * 111
    size = len(load_manual_letters()[2])
    weights = keras_models.letter_model(size, updates=10).count_params()
    assert f"about {round(weights, -3):,} weights" in results.find("lstm-keras-letters").criterion
    assert model.predict(np.zeros((2, 3), int), verbose=0).shape == (2, 3, 77)


# ---------------------------------------------------------------------------------------------------------------------
# The panel
# ---------------------------------------------------------------------------------------------------------------------
@given(seeds, st.integers(1, 25))
def test_gates_of_large_weight_keep_an_exact_total(seed, time):
    inputs, wanted = running_total(1, time, np.random.default_rng(seed))
    inputs = inputs[0].astype(float)
    np.testing.assert_allclose(figures.running_totals(inputs) * inputs[:, 3], wanted[0, :, 0], atol=1e-5)
    gates, cell, display = panels.running_total_cell(inputs, 200, 200, 200)
    np.testing.assert_allclose(cell, figures.running_totals(inputs), atol=1e-9)
    np.testing.assert_allclose(display, wanted[0, :, 0], atol=1e-5)
    np.testing.assert_allclose([gates["i"], 1 - gates["f"], gates["o"]], inputs[:, 1:].T, atol=1e-9)


def test_gates_without_weight_are_half_open():
    inputs = np.column_stack([np.ones(5), *np.zeros((3, 5))])
    gates, cell, display = panels.running_total_cell(inputs, 0, 0, 0)
    np.testing.assert_allclose([gates["i"], gates["f"], gates["o"]], 0.5)
    np.testing.assert_allclose(cell, 1 - 0.5 ** np.arange(1, 6))  # a half of the price, and half of what was there
    np.testing.assert_allclose(display, cell / 2)


@pytest.mark.parametrize("inputs", [np.ones(4), np.ones((3, 3))])
def test_the_cell_refuses_what_is_no_stream(inputs):
    with pytest.raises(ValueError, match="four columns"):
        panels.running_total_cell(inputs, 1, 1, 1)


def test_the_panel_shows_what_it_is_there_to_show():
    off = [
        panels._off_by(panels.running_total_cell(panels.INPUTS, *setting)[2]) for setting in panels.SETTINGS.values()
    ]
    assert off[1] > off[0]  # a single gate with a weight makes it worse
    assert off[-1] < 0.02 < 0.4 < min(off[:-1])


def test_the_static_panel_goes_from_no_weight_to_three(shown):
    panels.running_total_panel()
    assert "With weights 0, 0 and 0" in shown[0].alt
    assert "With weights 12, 12 and 12" in shown[0].alt


def test_the_panel_says_what_it_draws():
    fig, alt = panels._draw_live(12, 11, -3)
    assert "With weights 12, 11 and -3" in alt
    plt.close(fig)


def test_the_gates_are_drawn_as_high_as_they_are_open():
    plotting.use_style()
    fig, ax = plt.subplots()
    gates = {"i": np.full(16, 0.25), "c": np.full(16, -0.75), "f": np.ones(16), "o": np.zeros(16)}
    figures.draw_gates(ax, panels.INPUTS, gates)
    heights = [round(bar.get_height(), 9) for bar in ax.patches]
    assert [heights.count(value) for value in (0.25, 0.75, 1, 0)] == [16, 16, 4 * 16 + 16, 16]
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "input gate",
        "|candidate|",
        "forget gate",
        "output gate",
    ]
    plt.close(fig)


def test_a_running_total_is_drawn_with_what_it_should_be():
    plotting.use_style()
    inputs = panels.INPUTS
    gates, cell, output = panels.running_total_cell(inputs, 12, 12, 12)
    fig = figures.draw_running_total(inputs, gates | {"c": -gates["i"]}, cell, output)
    check_legible(fig, smallest=9.5)
    owed = figures.running_totals(inputs)[inputs[:, 3] > 0]
    assert any(len(line.get_ydata()) == len(owed) and (line.get_ydata() == owed).all() for line in fig.axes[3].lines)
    np.testing.assert_array_equal([bar.get_height() for bar in fig.axes[3].patches], output)
    plt.close(fig)


def test_the_reach_is_drawn_with_every_recorded_seed():
    plotting.use_style()
    recorded, carousels = results.recorded("lstm-reach"), results.recorded("lstm-carousel")
    curve = 0.9 ** np.arange(100)
    live = {when: {"LSTM": curve, "tanh": curve / 2} for when in ("before", "after")}
    fig = figures.draw_reach(live, {"a": curve, "b": curve}, recorded, carousels, experiments.STEPS_BACK)
    before, after, gates = fig.axes
    seeds = len(recorded.rows)
    assert (len(before.lines), len(after.lines), len(gates.lines)) == (2 * seeds + 2, 2 * seeds + 4, 2 * seeds)
    drawn = sorted(x for line in gates.lines for x in line.get_xdata())
    assert drawn == sorted(f for row in carousels.rows for f in row["forget_before"] + row["forget_after"])
    check_legible(fig)
    plt.close(fig)


def test_the_step_can_be_drawn():
    plotting.use_style()
    fig = figures.draw_lstm_step()
    words = {text.get_text() for text in fig.axes[0].texts}
    assert {"$f_t$", "$i_t$", r"$\tilde{c}_t$", "$o_t$", "tanh", "$c_t$", "$h_t$"} <= words
    check_legible(fig)
    plt.close(fig)


# ---------------------------------------------------------------------------------------------------------------------
# The exercises: answers to attempts that are in no list
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("numbers", [(16, -9, -16, 9), (40, -20, -40, 20), np.array([20.0, -11.0, -25.0, 10.0])])
def test_6_1_takes_any_latch_that_holds(numbers, answer):
    assert "PASSED" in answer(ex.check, "6.1", lambda: numbers)


@pytest.mark.parametrize(
    ("numbers", "phrase"),
    [
        ((np.inf, -10, -20, 10), "is not finite"),
        ((20, -10, -20), "of shape (4,)"),
        ((-20, -10, -20, 10), "The marked number does not get in"),
        ((20, -10, -20, 4), "steps after the last mark"),
        ((14, -4, -20, 10), "A gate that is nearly shut leaks"),
    ],
)
def test_6_1_says_what_the_latch_does(numbers, phrase, answer):
    assert phrase in answer(ex.check, "6.1", lambda: numbers)


@given(seeds, st.integers(1, 3), st.integers(1, 4))
def test_6_2s_forward_pass_is_the_packages(seed, batch, time):
    rng = np.random.default_rng(seed)
    layer = LSTM(2, 3, rng=rng, dtype=np.float64)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.weights])
    x = rng.normal(size=(batch, time, 2))
    h, c, gates = ex._forward(x, *layer.weights)
    outputs, (_, final) = layer.forward(x)
    np.testing.assert_allclose(h[1:].swapaxes(0, 1), outputs, atol=1e-12)
    np.testing.assert_allclose(c[-1], final, atol=1e-12)
    for place, name in enumerate("ifco"):
        np.testing.assert_allclose(gates[:, place].swapaxes(0, 1), layer.gates[name], atol=1e-12)


def test_6_2_as_handed_out_is_exact_for_one_step_and_wrong_for_more():
    buggy = running.function_from(ex.FIND_THE_LINE.stub)
    for time, right in ((1, True), (2, False), (6, False)):
        args, wanted = ex._case(np.random.default_rng(0), 2, time)
        errors = [relative_error(found, true) for found, true in zip(buggy(*args), wanted, strict=True)]
        assert (max(errors) < 1e-6) == right
    # over several steps the input gate, the forget gate and the candidate are far off
    blocks = [np.split(gradient[1], 4, axis=-1) for gradient in (buggy(*args), wanted)]
    off = [np.linalg.norm(found - true) / np.linalg.norm(true) for found, true in zip(*blocks, strict=True)]
    assert min(off[:3]) > 0.1


def test_6_2s_finite_differences_agree_with_the_packages_gradients():
    args, wanted = ex._case(np.random.default_rng(3), 2, 4)
    for found, true in zip(ex.backward_with_a_bug(*args), wanted, strict=True):
        assert relative_error(found, true) < 1e-6


def test_6_2_says_what_is_wrong_in_a_single_step(answer):
    wrong = running.function_from(ex.MENDED.replace("d_g * (1 - g**2)", "d_g * g * (1 - g)"))
    shown = answer(ex.check, "6.2", wrong)
    assert "over one step, what belongs to candidate is wrong" in shown
    assert "look at the lines above `da`" in shown
    shown = answer(ex.check, "6.2", running.function_from(ex.MENDED.replace("h[t].T @ da", "h[t + 1].T @ da")))
    assert "only that of `recurrent_kernel` is" in shown
    twice = running.function_from(ex.MENDED.replace("        dh = da @", "        dh = 2 * da @"))
    assert "the fault lies between one step" in answer(ex.check, "6.2", twice)
    assert "three gradients" in answer(ex.check, "6.2", lambda *args: 3)
    assert "2 of them" in answer(ex.check, "6.2", lambda *args: (1, 2))


def test_6_2_as_handed_out_says_how_far_off_it_is(answer):
    shown = answer(ex.check, "6.2", running.function_from(ex.FIND_THE_LINE.stub))
    assert "NOT ATTEMPTED" in shown
    buggy, (args, wanted) = running.function_from(ex.FIND_THE_LINE.stub), _five_steps()
    got = np.concatenate([gradient.reshape(-1, 12) for gradient in buggy(*args)])
    true = np.concatenate([gradient.reshape(-1, 12) for gradient in wanted])
    off = np.linalg.norm((got - true)[:, 3:6]) / np.linalg.norm(true[:, 3:6])
    assert off > 0.1
    assert f"forget gate {off:.0%}" in shown


def _five_steps():
    """The second case of exercise 6.2's check: (arguments, gradients)."""
    rng = np.random.default_rng(62)
    ex._case(rng, 3, 1)
    return ex._case(rng, 3, 5)


def test_6_2_takes_two_names_for_two_gradients(answer):
    carried = ex.STATE_BACK.replace("dh =", "dh_before =") + ex.CELL_BACK + "        dh = dh_before\n"
    renamed = ex.MENDED.replace(ex.CELL_BACK + ex.STATE_BACK, carried)
    assert "PASSED" in answer(ex.check, "6.2", running.function_from(renamed))


@pytest.mark.parametrize("back", ["        dc = dc * f\n", ex.CELL_BACK])
def test_6_2_says_that_a_term_is_counted_twice(back, answer):
    into_dc = "        dc = dc + dh * slope\n"
    attempt = ex.MENDED.replace(ex.CELL_BACK, back).replace("        d_i =", into_dc + "        d_i =")
    assert "counted twice" in answer(ex.check, "6.2", running.function_from(attempt))
    own_form = ex.MENDED.replace(ex.CELL_BACK, "        dc = dc * f\n").replace("(dc + dh * slope)", "dc")
    own_form = own_form.replace("        d_i =", into_dc + "        d_i =")
    assert "PASSED" in answer(ex.check, "6.2", running.function_from(own_form))  # the lesson's own arrangement


@given(seeds, st.integers(1, 8))
def test_6_3s_weights_rebuild_the_cell(seed, time):
    rng = np.random.default_rng(seed)
    lstm = LSTM(2, 3, rng=rng, dtype=np.float64)
    _, (_, cell) = lstm.forward(rng.normal(size=(1, time, 2)))
    gates = {name: gate[0] for name, gate in lstm.gates.items()}
    weights = ex.in_the_cell(gates["i"], gates["f"])
    np.testing.assert_allclose((weights * gates["c"]).sum(axis=0), cell[0], atol=1e-12)


@pytest.mark.parametrize(
    ("attempt", "phrase"),
    [
        (lambda i, f: 2 * ex.in_the_cell(i, f), "yours is right at none of them"),
        (lambda i, f: ex.in_the_cell(i, f) * np.append(np.ones(len(i) - 1), 2)[:, None], "every step but the last"),
        (lambda i, f: ex.in_the_cell(i, f) if len(i) > 1 else 0 * i, "nothing has been forgotten yet"),
        (lambda i, f: i[0], "of shape (6, 2)"),
    ],
)
def test_6_3_says_where_it_is_wrong(attempt, phrase, answer):
    assert phrase in answer(ex.check, "6.3", attempt)


@pytest.mark.parametrize("seeds", [3, 4, 7])
def test_6_5_takes_a_design_that_stops_where_the_control_fails(seeds, answer):
    def gates_needed(measure):
        results = {"": [measure("", seed) for seed in range(seeds)]}
        if sum(error < 0.05 for error in results[""]) <= seeds / 2:
            return results, None
        results |= {held: [measure(held, seed) for seed in range(seeds)] for held in "ifo"}
        return results, {gate for gate in "ifo" if not any(error < 0.05 for error in results[gate])}

    assert "PASSED" in answer(ex.check, "6.5", gates_needed)


def test_6_5_refuses_a_design_that_stops_where_the_control_works(answer):
    def gates_needed(measure):
        return {"": [measure("", seed) for seed in range(3)]}, None

    assert "Nothing was measured with" in answer(ex.check, "6.5", gates_needed)


@pytest.mark.parametrize("seeds", [4, 6, 10])
def test_6_5_refuses_a_control_of_which_half_is_enough(seeds, answer):
    half = _with_control(lambda learned: sum(learned) >= len(learned) / 2, seeds)
    assert "on no more than half" in answer(ex.check, "6.5", half)


def test_6_4_takes_one_number_in_an_array(answer):
    assert "PASSED" in answer(ex.check, "6.4", lambda steps, left: np.array([ex.bias_for(steps, left)]))
    assert "PASSED" in answer(ex.check, "6.4", lambda steps, left: [float(ex.bias_for(steps, left))])
    assert "one number" in answer(ex.check, "6.4", lambda steps, left: np.array([1.0, 2.0]))


def test_6_5s_remark_on_eight_units_is_what_was_recorded():
    wide = {name: results.recorded("running-total-wide").column(name) for name in ("all", "i", "f", "o")}
    assert max(column.max() for column in wide.values()) < ex.LEARNED
    assert (wide["f"] > 3 * wide["all"]).all()


def test_6_5_takes_another_number_of_seeds_and_a_list(answer):
    def gates_needed(measure):
        results = {held: [measure(held, seed) for seed in (3, 1, 4, 5)] for held in ("o", "f", "i", "")}
        learned = {held: [error < 0.05 for error in errors] for held, errors in results.items()}
        return results, [g for g in "ofi" if not any(learned[g])] if np.median(results[""]) < 0.05 else None

    assert "PASSED" in answer(ex.check, "6.5", gates_needed)


@pytest.mark.parametrize("seeds", [3, 4, 5, 10, 15])
@pytest.mark.parametrize("enough", [0.5, 0.6])  # of the control, if more than that part learns
def test_6_5_takes_a_control_most_of_whose_seeds_learn(seeds, enough, answer):
    def gates_needed(measure):
        results = {held: [measure(held, seed) for seed in range(seeds)] for held in ("", "i", "f", "o")}
        learned = {held: np.mean([error < 0.05 for error in errors]) for held, errors in results.items()}
        return results, {g for g in "ifo" if not learned[g]} if learned[""] > enough else None

    assert "PASSED" in answer(ex.check, "6.5", gates_needed)


def _with_control(read, seeds):
    """A design that is right but for how it reads its control, over several seeds."""

    def gates_needed(measure):
        results = {held: [measure(held, seed) for seed in range(seeds)] for held in ("", "i", "f", "o")}
        needed = {g for g in "ifo" if not any(error < 0.05 for error in results[g])}
        return results, needed if read([error < 0.05 for error in results[""]]) else None

    return gates_needed


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize(
    ("read", "phrase"),
    [
        (all, "no reason to give up"),
        (any, "on no more than half"),
        (lambda learned: True, "on no more than half"),
        (lambda learned: False, "no reason to give up"),
        (lambda learned: learned[0], "on no more than half"),
    ],
)
def test_6_5_refuses_a_control_that_asks_too_much_or_too_little(read, seeds, phrase, answer):
    assert phrase in answer(ex.check, "6.5", _with_control(read, seeds))


def test_6_5s_rule_agrees_with_what_section_4_recorded():
    """One of ten recorded seeds got stuck with all gates: the check's own rule still draws a conclusion there."""
    rows = results.recorded("running-total-gates").rows
    for start in range(len(rows)):  # whichever three seeds in a row the reader might take

        def measure(held, seed, start=start):
            return rows[(start + seed) % len(rows)][held or "all"]

        assert ex.gates_needed(measure)[1] == {"i", "f", "o"}


@pytest.mark.parametrize(
    ("attempt", "phrase"),
    [
        (lambda measure: (ex.gates_needed(measure)[0], "ifo"), "should be a set of gates"),
        (lambda measure: (ex.gates_needed(measure)[0], {"x"}), "nothing but"),
        (lambda measure: (ex.gates_needed(measure)[0], None), "you say None"),
        (lambda measure: (ex.gates_needed(measure)[0], set()), "you do not call"),
        (lambda measure: measure("if", 0), "One gate at a time"),
        (lambda measure: measure("i", -1), "A seed is a whole number"),
        (lambda measure: [measure("i", seed) for seed in range(99)], "more than 60 runs"),
        (lambda measure: ({"i": [0.3, 0.3, 0.3]}, None), "nothing was measured there"),
        (
            lambda measure: ({held: [measure(held, seed) for seed in range(2)] for held in ("", *"ifo")}, set()),
            "you measured 2 seeds",
        ),
        (
            lambda measure: ({held: [measure(held, seed) / 2 for seed in range(3)] for held in ("", *"ifo")}, set()),
            "that was not measured",
        ),
    ],
)
def test_6_5_says_what_is_wrong(attempt, phrase, answer):
    assert phrase in answer(ex.check, "6.5", attempt)


@given(st.integers(1, 2000), st.floats(0.01, 0.99))
def test_6_4s_bias_leaves_what_was_asked_for(steps, left):
    gate = 1 / (1 + np.exp(-ex.bias_for(steps, left)))
    assert gate**steps == pytest.approx(left, rel=1e-6)


def test_6_4_says_what_a_bias_leaves(answer):
    shown = answer(ex.check, "6.4", lambda steps, left: ex.bias_for(steps, left) + 1)
    assert "For 20 steps and 0.5 left your bias is 4.345" in shown
    assert "after 20 steps." in shown
    assert "has to lie between 0 and 1" in answer(ex.check, "6.4", lambda steps, left: np.nan)


# ---------------------------------------------------------------------------------------------------------------------
# Each measurement once, at toy size
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("key", "toys"),
    [
        ("running-total-gates", {"train_running_total": {"updates": 2}}),
        ("running-total-wide", {"train_running_total": {"updates": 2}}),
        *(
            (
                key,
                {
                    "updates_until_recalled": lambda train: (
                        lambda *arguments, **options: train(*arguments, **options | {"most": 2})
                    )
                },
            )
            for key in ("forget-bias", "forget-bias-far")
        ),
        ("lstm-adding", {"learn_adding": {"most": 2000}}),
        ("lstm-carousel", {"learn_adding": {"most": 2000}}),
        ("lstm-temporal-order", {"sequences_until_ordered": {"most": 64}}),
        ("lstm-embedded-reber", {"strings_until_solved": {"most": 64}}),
    ],
)
def test_each_measurement_runs(key, toys, monkeypatch):
    measured_at_toy_size(key, monkeypatch, **toys)


def test_the_measurement_in_keras_runs(monkeypatch):
    measured_at_toy_size("lstm-keras-letters", monkeypatch, options={"letters": 800})


def test_the_measurement_of_the_recipe_runs(monkeypatch):
    measured_at_toy_size("lstm-recipe", monkeypatch, options={"count": 40, "epochs": 1})
