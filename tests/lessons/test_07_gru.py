"""Lesson 07: the ladder from LSTM to GRU, what it is measured on, the pictures, and the answers of the exercises."""

import ast
import inspect
import math

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from figure_checks import check_legible
from hypothesis import given
from hypothesis import strategies as st
from results_checks import NOTEBOOKS, criterion_can_fail, lesson_shows, measured_at_toy_size

from course_lib import plotting, tasks
from course_lib.gradients import check_gradients, numerical_gradient
from course_lib.lessons.lesson_07_gru import exercises as ex
from course_lib.lessons.lesson_07_gru import experiments, figures, panels
from course_lib.lessons.lesson_07_gru import experiments as bounds
from course_lib.manual import load_manual_letters
from course_lib.ngrams import NGram
from course_lib.recurrent import GRU
from course_lib.teaching import experiment as results
from course_lib.training import hold_open, sequences_until_ordered

LESSON = "07_gru"


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


# ---------------------------------------------------------------------------------------------------------------------
# The ladder
# ---------------------------------------------------------------------------------------------------------------------
def exact(name, units=3):
    """A rung in float64 with biases that are not zero, except where a gate is held."""
    rng = np.random.default_rng(3)
    layer = experiments.make_layer(name, 2, units, rng, bias=1)
    again = type(layer)(2, units, rng=rng, dtype=np.float64)
    again.set_weights([w.astype(np.float64) for w in layer.weights])
    again.bias[...] += rng.normal(scale=0.4, size=again.bias.shape) * (again.bias < 40)
    return again


def blocks(w, names, units=3):
    return {name: w[..., i * units : (i + 1) * units] for i, name in enumerate(names)}


@pytest.mark.parametrize("name", experiments.ABLATIONS)
def test_gradients_of_every_rung_against_finite_differences(name):
    layer, rng = exact(name), np.random.default_rng(1)
    x, d = rng.normal(size=(2, 5, 2)), rng.normal(size=(2, 5, 3))

    def loss():
        return float((layer.forward(x)[0] * d).sum())

    loss()
    layer.backward(d)
    errors = check_gradients(
        loss,
        dict(zip(layer.weight_names, layer.weights, strict=True)),
        dict(zip(layer.weight_names, layer.grads, strict=True)),
    )
    assert max(errors.values()) < 1e-6


@pytest.mark.parametrize("name", ["lstm", "lstm_no_output_gate", "coupled", "coupled_no_output_gate"])
def test_the_lstm_rungs_are_their_formulas(name):
    layer, x = exact(name), np.random.default_rng(2).normal(size=(4, 6, 2))
    outputs, _ = layer.forward(x)
    k, r, b = (blocks(w, "ifco") for w in layer.weights)
    h = c = np.zeros((4, 3))
    for t in range(6):
        a = {g: x[:, t] @ k[g] + h @ r[g] + b[g] for g in "ifco"}
        f = sigmoid(a["f"])
        i = 1 - f if name.startswith("coupled") else sigmoid(a["i"])
        c = f * c + i * np.tanh(a["c"])
        h = np.tanh(c) * (1 if name.endswith("no_output_gate") else sigmoid(a["o"]))
        np.testing.assert_allclose(outputs[:, t], h, atol=1e-12)


def test_one_gate_is_its_formula():
    layer, x = exact("one_gate"), np.random.default_rng(2).normal(size=(4, 6, 2))
    outputs, _ = layer.forward(x)
    (k, r), b = (blocks(w, "zrh") for w in layer.weights[:2]), blocks(layer.bias, "zrh")
    h = np.zeros((4, 3))
    for t in range(6):
        z = sigmoid(x[:, t] @ k["z"] + h @ r["z"] + b["z"].sum(axis=0))
        h = z * h + (1 - z) * np.tanh(x[:, t] @ k["h"] + h @ r["h"] + b["h"].sum(axis=0))
        np.testing.assert_allclose(outputs[:, t], h, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "gate", "block"),
    [("lstm_no_output_gate", "o", 3), ("coupled_no_output_gate", "o", 3), ("one_gate", "r", 1)],
)
def test_a_held_gate_stays_open_under_training(name, gate, block):
    rng = np.random.default_rng(0)
    layer = experiments.make_layer(name, 8, 5, rng, bias=3)
    model = experiments.Model(
        [layer, experiments.LastStep(), experiments.Dense(5, 4, rng=rng)], experiments.SoftmaxCrossEntropy()
    )
    before, adam = [w.copy() for w in layer.weights], experiments.Adam(0.1)
    for _ in range(3):
        model.train_on_batch(*tasks.temporal_order(8, 20, rng), optimizer=adam)
    assert (layer.gates[gate] == 1).all()
    held = slice(block * 5, (block + 1) * 5)
    for was, now in zip(before, layer.weights, strict=True):
        np.testing.assert_array_equal(was[..., held], now[..., held])
        assert not np.array_equal(was, now)


def test_coupled_gates_stay_coupled_under_training():
    rng = np.random.default_rng(0)
    layer = experiments.make_layer("coupled", 8, 5, rng, bias=3)
    model = experiments.Model(
        [layer, experiments.LastStep(), experiments.Dense(5, 4, rng=rng)], experiments.SoftmaxCrossEntropy()
    )
    adam, forget = experiments.Adam(0.1), layer.bias[5:10].copy()
    for _ in range(3):
        model.train_on_batch(*tasks.temporal_order(8, 20, rng), optimizer=adam)
        np.testing.assert_allclose(layer.gates["i"], 1 - layer.gates["f"], atol=1e-6)
    assert not np.allclose(forget, layer.bias[5:10])


def test_first_biases():
    def layer(name, bias):
        return experiments.make_layer(name, 2, 4, np.random.default_rng(0), bias)

    for name in ("gru", "one_gate"):
        assert (layer(name, 3).bias[0, :4] == 3).all()
        assert not layer(name, 3).bias[1, :4].any()
    assert (layer("lstm", 3).bias[4:8] == 3).all()
    assert not layer("gru", 0).bias.any()
    coupled = layer("coupled", 3)
    coupled.forward(np.zeros((1, 1, 2)))
    np.testing.assert_allclose(coupled.gates["f"], sigmoid(3), atol=1e-6)
    np.testing.assert_allclose(coupled.gates["i"], sigmoid(-3), atol=1e-6)


# ---------------------------------------------------------------------------------------------------------------------
# The races
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("task", "features", "outputs"),
    [("order", 8, 4), ("adding", 2, 1), ("reber", 7, 7), ("text_small", 77, 77), ("text_large", 77, 77)],
)
def test_equal_parameters(task, features, outputs):
    sizes = []
    for name in experiments.MODELS:
        units = experiments.UNITS[task][name]
        layer = experiments.make_layer(name, features, units, np.random.default_rng(0), 0)
        sizes.append(sum(w.size for w in layer.weights) + outputs * (units + 1))
    assert max(sizes) < 1.06 * min(sizes)


def test_every_race_has_its_settings():
    assert set(experiments.SETTINGS) == set(experiments.UNITS)
    for settings in (*experiments.SETTINGS.values(), *experiments.UNITS.values()):
        assert tuple(settings) == experiments.MODELS


def test_pieces_go_on_where_they_ended_and_say_where_they_begin_anew():
    ids = np.arange(5 * 16 * 50 + 1001) % 7
    pieces = experiments.pieces(ids, 7, np.random.default_rng(0))
    (x1, y1, first), (x2, _, second) = next(pieces), next(pieces)
    assert (first, second) == (True, False)
    assert x1.shape == (16, 50, 7)
    np.testing.assert_array_equal(x1.argmax(axis=2)[:, 1:], y1[:, :-1])
    np.testing.assert_array_equal(x2.argmax(axis=2)[:, 0], y1[:, -1])
    rest = [anew for _, (_, _, anew) in zip(range(7), pieces, strict=False)]
    assert any(rest)


def test_reading_the_manual_improves_and_looks_when_told():
    bits = experiments.read_manual("rnn", "text_small", 0, (1, 40), (0.001,))
    assert bits["u40"] < bits["u1"] - 0.5
    assert bits["s0.001_updates"] == 1
    assert bits["s0.001"] == bits["u1"]
    assert math.log2(77) - 0.5 < bits["u1"] < math.log2(77) + 0.5


def test_short_budgets_give_none():
    assert experiments.added("rnn", 0, most=1000) is None
    assert experiments.solved_reber("gru", 0, most=800) is None


def test_twenty_steps_are_learned():
    assert experiments.ordered("rnn", 20, 7) <= 8000


def test_the_till_is_learned_in_part():
    untrained, trained = (experiments.error_of_running_total("gru", 0, updates=n) for n in (1, 200))
    assert trained < 0.5 < untrained


def test_the_tables_are_those_of_the_text():
    train, test, vocabulary = load_manual_letters()
    bits = NGram(2, len(vocabulary), interpolated=True).read(train).surprisal(test).mean()
    assert results.recorded("gru-text").rows[0]["table_2"] == pytest.approx(bits, abs=1e-9)


@pytest.mark.parametrize(
    ("key", "spoil"),
    [
        ("gru-ablation-order", {"gru_3": None}),
        ("gru-ablation-order", {"one_gate_3": None}),
        ("gru-ablation-order", {"rnn": 19_200}),
        ("gru-lag", {"rnn_20": None}),
        ("gru-lag", {"lstm_20": None}),
        ("gru-lag", {"gru_20": None}),
        ("gru-lag", {"gru_60": None}),
        ("gru-lag", {"gru_80": None}),
        ("gru-lag", {"rnn_80": 20_000}),
        ("gru-adding", {"gru": None}),
        ("gru-adding", {"rnn": 30_000}),
        ("gru-reber", {"rnn": None}),
        ("gru-text", {"rnn_small_u1000": 4.5}),
        ("gru-text", {"rnn_small_s4": 4.5}),
        ("gru-text", {"gru_large_s4": 4.5}),
    ],
)
def test_each_bound_can_fail(key, spoil):
    criterion_can_fail(key, spoil)


LAG_ROW = {"rnn_20": 1, "gru_20": 2, "lstm_20": 2, "gru_60": 1, "rnn_60": None, "gru_80": 1, "rnn_80": None}


@pytest.mark.parametrize(
    ("held", "rows", "spoil"),
    [
        (bounds._ablation_total_holds, [{"lstm": 0.01, "one_gate": 0.03, "rnn": 0.05}] * 3, {"lstm": 0.04}),
        (bounds._ablation_total_holds, [{"lstm": 0.01, "one_gate": 0.03, "rnn": 0.05}] * 3, {"one_gate": 0.015}),
        (bounds._ablation_total_holds, [{"lstm": 0.01, "one_gate": 0.03, "rnn": 0.05}] * 3, {"rnn": 0.035}),
        (bounds._ablation_order_holds, [{"gru_3": 1, "one_gate_3": 1, "rnn": None, "gru_0": None}] * 3, {"gru_0": 9}),
        (bounds._lag_holds, [LAG_ROW] * 3, {"rnn_20": 3}),
        (bounds._lag_holds, [LAG_ROW] * 3, {"rnn_60": 9}),
        (bounds._lag_holds, [LAG_ROW], {"rnn_20": 5}),
        (bounds._reber_holds, [{"rnn": 1, "gru": 2}] * 3, {"rnn": 5}),
    ],
)
def test_each_bound_on_a_median_can_fail(held, rows, spoil):
    assert held(rows)
    assert not held([row | spoil for row in rows])


def test_the_lesson_shows_the_recorded_code():
    lesson_shows(
        LESSON,
        [
            hold_open,
            experiments.make_layer,
            experiments.error_of_running_total,
            sequences_until_ordered,
            experiments.order_learned,
        ],
    )
    cells = nbformat.read(NOTEBOOKS / f"{LESSON}.ipynb", as_version=4).cells
    shown = [
        node
        for cell in cells
        if cell.cell_type == "code"
        for node in ast.parse(cell.source).body
        if isinstance(node, ast.ClassDef)
    ]
    assert [ast.unparse(node) for node in shown] == [
        ast.unparse(ast.parse(inspect.getsource(experiments.CoupledLSTM)).body[0])
    ]


# ---------------------------------------------------------------------------------------------------------------------
# The panel
# ---------------------------------------------------------------------------------------------------------------------
@given(st.floats(0, 1), st.floats(0, 1), st.floats(-1, 1), st.floats(-3, 3))
def test_the_panels_unit_is_the_packages(z, r, h_before, input_sum):
    candidate, h = panels.gru_update(z, r, h_before, input_sum)
    assert min(candidate, h_before) - 1e-12 <= h <= max(candidate, h_before) + 1e-12
    if 0.01 < z < 0.99 and 0.01 < r < 0.99:
        layer = GRU(1, 1, rng=np.random.default_rng(0), dtype=np.float64)
        layer.set_weights(
            [
                np.array([[0.0, 0.0, 1.0]]),
                np.array([[0.0, 0.0, panels.WEIGHT]]),
                np.array([[np.log(z / (1 - z)), np.log(r / (1 - r)), 0], [0, 0, 0]]),
            ]
        )
        np.testing.assert_allclose(layer.forward([[[input_sum]]], [[h_before]])[1], [[h]], atol=1e-9)


def test_the_panel_refuses_what_is_no_gate():
    with pytest.raises(ValueError, match=r"number from 0 to 1, but got z = 1\.5"):
        panels.gru_update(1.5, 0, 0, 0)


def test_the_static_panel_makes_its_point(shown):
    panels.gru_panel()
    assert "With z = 1 and r = 1 the old state 0.8 and the candidate 0.54 give 0.80" in shown[0].alt
    assert "With z = 0 and r = 0 the old state 0.8 and the candidate -0.76 give -0.76" in shown[0].alt


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ((1, 1, 0.8, -1), "z = 1 and r = 1 the old state 0.8 and the candidate 0.54 give 0.80"),
        ((1, 1, -0.5, -1), "give -0.50"),
        ((0, 0, -0.5, 0), "candidate 0.00 give 0.00"),
    ],
)
def test_the_panel_says_what_it_draws(setting, words):
    fig, alt = panels._draw_live(*setting)
    assert words in alt
    plt.close(fig)


def test_the_step_has_its_letters():
    plotting.use_style()
    fig = figures.draw_gru_step()
    words = [t.get_text() for t in fig.axes[0].texts]
    for letter in ("$z_t$", "$r_t$", r"$\tilde{h}_t$", "$h_{t-1}$", "$h_t$", "$1 - z_t$"):
        assert letter in words
    check_legible(fig)
    plt.close(fig)


def test_lags_are_drawn_with_their_medians_and_crosses():
    plotting.use_style()
    fig, ax = plt.subplots()
    figures.draw_lags(ax, {name: [[1000, 3000, 2000], [np.nan, np.nan, 4000]] for name in experiments.MODELS}, (20, 30))
    medians = [line.get_ydata() for line in ax.lines if line.get_label() in ("plain tanh", "GRU", "LSTM")]
    assert [list(y) for y in medians] == [[2, np.inf]] * 3
    assert [len(line.get_xdata()) for line in ax.lines if line.get_marker() == "x"] == [2, 2, 2]
    check_legible(fig)
    plt.close(fig)


def test_runs_are_drawn_where_they_ended():
    plotting.use_style()
    fig, ax = plt.subplots()
    figures.draw_runs(
        ax, [("GRU", "gru", [1000, np.nan, 3000], 2000), ("tanh", "rnn", [np.nan] * 3, None)], never=5, unit=1000
    )
    bar, dots, crosses, live, no_dots, all_crosses, live_never = (line.get_xdata() for line in ax.lines)
    assert list(bar) == [1, 3]
    assert list(dots) == [1, 3]
    assert list(crosses) == [5]
    assert np.ravel(live) == 2
    assert len(no_dots) == 0
    assert list(all_crosses) == [5] * 3
    assert np.ravel(live_never) == 5
    assert [label.get_text() for label in ax.get_yticklabels()] == ["GRU", "tanh"]
    figures.explain_runs(fig)
    assert len(fig.legends[0].get_texts()) == 3
    check_legible(fig)
    plt.close(fig)


# ---------------------------------------------------------------------------------------------------------------------
# The exercises
# ---------------------------------------------------------------------------------------------------------------------
def test_7_1s_solution_against_finite_differences():
    rng = np.random.default_rng(0)
    dh, h, c = rng.normal(size=(3, 2, 3))
    z = rng.uniform(size=(2, 3))
    claimed = ex.gradient_at_the_mixer(dh, z, h, c)
    for array, mine in zip((z, c, h), claimed, strict=True):
        np.testing.assert_allclose(
            mine, numerical_gradient(lambda: float((dh * (z * h + (1 - z) * c)).sum()), array), atol=1e-6
        )


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4))
def test_7_2s_weights_give_pytorchs_states(seed, features, units):
    rng = np.random.default_rng(seed)
    theirs = [rng.normal(size=shape) for shape in ((3 * units, features), (3 * units, units), 3 * units, 3 * units)]
    x = rng.normal(size=(2, 4, features))
    ours = ex._our_states(x, ex.from_pytorch(*theirs))
    np.testing.assert_allclose(ours, ex._pytorch_states(x, *theirs), atol=1e-12)


def test_7_2_takes_biases_that_are_added_where_that_is_all_the_same(answer):
    def other_way(weight_ih, weight_hh, bias_ih, bias_hh):
        kernel, recurrent_kernel, bias = ex.from_pytorch(weight_ih, weight_hh, bias_ih, bias_hh)
        gates = 2 * weight_hh.shape[1]
        bias[0, :gates] += bias[1, :gates]
        bias[1, :gates] = 0
        return [kernel.copy(), recurrent_kernel.copy(), bias]

    assert "PASSED" in answer(ex.check, "7.2", other_way)


@given(st.integers(1, 50), st.integers(50, 5000))
def test_7_3_counts_what_the_layer_has(features, budget):
    units = ex.fair_units(features, budget)

    def size(n):
        return sum(w.size for w in GRU(features, n, rng=np.random.default_rng(0)).weights)

    assert units == 0 or size(units) <= budget
    assert size(units + 1) > budget


def _t_test(seeds, critical):
    def experiment(measure):
        a, b = (
            np.array(min(([measure(n, bias, seed) for seed in range(seeds)] for bias in (0, 3)), key=np.mean))
            for n in "ab"
        )
        t = (a.mean() - b.mean()) / math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / seeds)
        return "a" if t < -critical else "b" if t > critical else "neither"

    return experiment


def _gap_against_spread(seeds, critical):
    def experiment(measure):
        a, b = (
            np.array(min(([measure(n, bias, seed) for seed in range(seeds)] for bias in (0, 3)), key=np.median))
            for n in "ab"
        )
        clear = abs(a.mean() - b.mean()) > critical / 2 * max(a.std(), b.std())
        return "neither" if not clear else "a" if a.mean() < b.mean() else "b"

    return experiment


def test_7_4_takes_a_choice_on_few_seeds_judged_on_others(answer):
    def experiment(measure):
        better = {
            n: min((0, 3), key=lambda bias, n=n: np.mean([measure(n, bias, seed) for seed in range(50, 53)]))
            for n in "ab"
        }
        a, b = ([measure(n, better[n], seed) for seed in range(10)] for n in "ab")
        return "a" if max(a) < min(b) else "b" if max(b) < min(a) else "neither"

    assert "PASSED" in answer(ex.check, "7.4", experiment)


def _gap_of(size, seeds):
    def experiment(measure):
        a, b = (min(np.mean([measure(n, bias, seed) for seed in range(seeds)]) for bias in (0, 3)) for n in "ab")
        return "neither" if abs(a - b) < size else "a" if a < b else "b"

    return experiment


@pytest.mark.parametrize("seeds", [5, 10, 20])
@pytest.mark.parametrize("size", [0.01, 0.02, 0.05, 0.1, 0.2])
def test_7_4_refuses_a_gap_of_fixed_size(size, seeds, answer):
    shown = answer(ex.check, "7.4", _gap_of(size, seeds))
    assert "is many times what luck can do there" in shown or "differ only by luck" in shown


@pytest.mark.parametrize("design", [_t_test, _gap_against_spread])
@pytest.mark.parametrize("seeds", [5, 7, 10, 20, 30])
def test_7_4_takes_other_honest_designs(design, seeds, answer):
    assert "PASSED" in answer(ex.check, "7.4", design(seeds, 2.2))


@pytest.mark.parametrize(
    ("number", "attempt", "phrase"),
    [
        ("7.1", lambda dh, z, h, c: dh, "three arrays"),
        ("7.1", lambda dh, z, h, c: (dh * (h - c), dh, dh * z), "blame for `candidate` is not yet right"),
        ("7.2", lambda a, b, c, d: a, "three arrays"),
        ("7.2", lambda a, b, c, d: (a, b, np.stack([c, d])), "(features, 3 units)"),
        (
            "7.2",
            lambda a, b, c, d: (-ex.from_pytorch(a, b, c, d)[0], *ex.from_pytorch(a, b, c, d)[1:]),
            "from step 1 on. Look at the `kernel`",
        ),
        (
            "7.2",
            lambda a, b, c, d: (
                ex.from_pytorch(a, b, c, d)[0],
                -ex.from_pytorch(a, b, c, d)[1],
                ex.from_pytorch(a, b, c, d)[2],
            ),
            "from step 2 on. Look at the `recurrent_kernel`",
        ),
        ("7.3", lambda f, b: 3.5, "whole"),
        ("7.3", lambda f, b: ex.fair_units(f, b) + 1, "over the budget"),
        ("7.3", lambda f, b: ex.fair_units(f, b) - 1, "one unit more"),
        ("7.4", lambda measure: "c", '"neither"'),
        ("7.4", lambda measure: measure("c", 0, 0), "device trains"),
        ("7.4", lambda measure: measure("a", 1, 0), "bias of 0 or 3"),
        ("7.4", lambda measure: measure("a", 0, 0.5), "whole number"),
        (
            "7.4",
            lambda measure: [measure(n, b, s) for n in "ab" for b in (0, 3) for s in range(3)] and "a",
            "You judge network a by 3 seeds.",
        ),
        (
            "7.4",
            lambda measure: [measure(n, b, s) for n in "ab" for b in (0, 3) for s in range(5)] and "a",
            'b of about 0.2; over the seeds, the standard deviation is about 0.04. So b wins, and you answered "a".',
        ),
        (
            "7.4",
            lambda measure: [measure(n, b, s) for n in "ab" for b in (0, 3) for s in range(5)] and "neither",
            "The gap of 0.4 is many times what luck can do there.",
        ),
        (
            "7.4",
            lambda measure: [measure(n, b, s) for n in "ab" for b in (0, 3) for s in range(5)] and "b",
            'So a wins, and you answered "b". There one network is better with a first bias of 0',
        ),
        (
            "7.4",
            lambda measure: [measure(n, b, s) for n in "ab" for b in (0, 3) for s in range(5 if b else 1)] and "b",
            "You ran network a with a bias of 0 on one seed only.",
        ),
    ],
)
def test_the_checks_say_what_is_wrong(number, attempt, phrase, answer):
    assert phrase in answer(ex.check, number, attempt)


# ---------------------------------------------------------------------------------------------------------------------
# Each measurement once, at toy size
# ---------------------------------------------------------------------------------------------------------------------
def _two_updates(train):
    def toy(name, task, seed, at_updates, at_seconds):
        bits = train(name, task, seed, (2,), (0.001,))
        assert set(bits) == {"u2", "s0.001", "s0.001_updates"}
        row = {f"u{mark}": bits["u2"] for mark in at_updates} | {f"s{mark}": bits["s0.001"] for mark in at_seconds}
        return row | {f"s{mark}_updates": bits["s0.001_updates"] for mark in at_seconds}

    return toy


@pytest.mark.parametrize(
    ("key", "toys"),
    [
        ("gru-ablation-total", {"error_of_running_total": {"updates": 2}}),
        ("gru-ablation-order", {"sequences_until_ordered": {"most": 64}}),
        ("gru-lag", {"sequences_until_ordered": {"most": 64}}),
        ("gru-adding", {"added": {"most": 100}}),
        ("gru-reber", {"solved_reber": {"most": 64}}),
        ("gru-text", {"read_manual": _two_updates}),
    ],
)
def test_each_measurement_runs(key, toys, monkeypatch):
    measured_at_toy_size(key, monkeypatch, **toys)
