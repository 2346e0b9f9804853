"""Lesson 07: the four networks, what they are measured on, the panel, and the answers of the exercises."""
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from results_checks import bound_can_fail, lesson_shows

from course_lib import plotting, widgets
from course_lib.exercises import gru as ex
from course_lib.gradients import check_gradients, numerical_gradient
from course_lib.layers import SoftmaxCrossEntropy
from course_lib.recurrent import GRU
from course_lib.results import gru as experiments
from course_lib.widgets import gru as panel

LESSON = "07_gru"


# ---------------------------------------------------------------------------------------------------------------------
# The networks
# ---------------------------------------------------------------------------------------------------------------------
def test_a_held_reset_gate_stays_open_under_training():
    rng = np.random.default_rng(0)
    model = experiments.network("one_gate", "order", 8, 4, rng)
    layer, before = model.layers[0], [w.copy() for w in model.weights]
    x, y = experiments.tasks.temporal_order(8, 20, rng)
    model.train_on_batch(x, y, optimizer=experiments.Adam(0.1))
    assert (layer.gates["r"] == 1).all()
    r = slice(layer.units, 2 * layer.units)
    for was, now in zip(before[:3], layer.weights, strict=True):
        np.testing.assert_array_equal(was[..., r], now[..., r])
        assert not np.array_equal(was, now)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_one_gate_is_its_formula(seed, time):
    rng = np.random.default_rng(seed)
    layer = experiments.hold_reset_open(GRU(2, 3, rng=rng, dtype=np.float64))
    layer.bias[:, :3] = rng.normal(size=(2, 3))
    x, h = rng.normal(size=(4, time, 2)), np.zeros((4, 3))
    outputs, _ = layer.forward(x)
    for t in range(time):
        z = 1 / (1 + np.exp(-(x[:, t] @ layer.kernel[:, :3] + h @ layer.recurrent_kernel[:, :3]
                              + layer.bias[:, :3].sum(0))))
        h = z * h + (1 - z) * np.tanh(x[:, t] @ layer.kernel[:, 6:] + h @ layer.recurrent_kernel[:, 6:])
        np.testing.assert_allclose(outputs[:, t], h, atol=1e-12)


def test_one_gates_gradients_against_finite_differences():
    rng = np.random.default_rng(1)
    layer = experiments.hold_reset_open(GRU(2, 3, rng=rng, dtype=np.float64))
    x, d = rng.normal(size=(2, 5, 2)), rng.normal(size=(2, 5, 3))

    def loss():
        return float((layer.forward(x)[0] * d).sum())

    loss()
    layer.backward(d)
    names = layer.weight_names
    errors = check_gradients(loss, dict(zip(names, layer.weights, strict=True)),
                             dict(zip(names, layer.grads, strict=True)))
    assert max(errors.values()) < 1e-6


@pytest.mark.parametrize(("task", "features", "outputs"), [("adding", 2, 1), ("order", 8, 4), ("reber", 7, 7),
                                                           ("text", 77, 77)])
def test_equal_parameters(task, features, outputs):
    sizes = [experiments.live_parameters(experiments.network(name, task, features, outputs, np.random.default_rng(0)))
             for name in experiments.MODELS]
    assert max(sizes) < 1.1 * min(sizes)


def test_first_biases():
    def layer(name):
        return experiments.recurrent_layer(name, 2, 4, np.random.default_rng(0))

    assert (layer("gru_3").bias[0, :4] == 3).all()
    assert layer("gru_3").bias.sum() == 12
    assert not layer("gru").bias.any()
    assert (layer("lstm").bias[4:8] == 3).all()
    assert (layer("lstm_1").bias[4:8] == 1).all()


def test_the_manual_is_split_without_overlap():
    train, test, size = experiments.manual()
    assert (len(train), len(test)) == (250_000, 10_000)
    assert size > max(train.max(), test.max())


def test_short_budgets_give_none_and_text_improves():
    assert experiments.sequences_until_added("rnn", 0, most=1000) is None
    assert experiments.sequences_until_ordered("gru", 0, most=800) is None
    assert experiments.strings_until_solved("gru", 0, most=800) is None
    untrained, trained = (experiments.bits_per_character("rnn", 0, updates=n) for n in (0, 30))
    assert trained < untrained - 0.5
    assert isinstance(experiments.network("gru", "text", 77, 77, np.random.default_rng(0)).loss, SoftmaxCrossEntropy)


@pytest.mark.parametrize(
    ("key", "spoil"),
    [
        ("gru-adding", {"one_gate": None}),
        ("gru-adding", {"gru": None}),
        ("gru-adding", {"rnn": 30_000}),
        ("gru-order", {"one_gate": None}),
        ("gru-order", {"gru_3": None}),
        ("gru-reber", {"rnn": None}),
        ("gru-reber", {"gru": None}),
        ("gru-text", {"rnn": 3.4}),
    ],
)
def test_each_bound_can_fail(key, spoil):
    bound_can_fail(key, spoil)


def test_the_order_bound_fails_if_the_zero_bias_gru_always_learns():
    rows = [dict(one_gate=1, gru_3=1, gru=1, rnn=None, lstm=1)] * 3
    assert not experiments._order_held(rows)
    assert experiments._order_held([*rows[:2], rows[2] | {"gru": None}])


def test_the_lesson_shows_the_recorded_code():
    lesson_shows(LESSON, [experiments.hold_reset_open, experiments.recurrent_layer, experiments.network,
                          experiments.sequences_until_ordered])


# ---------------------------------------------------------------------------------------------------------------------
# The panel
# ---------------------------------------------------------------------------------------------------------------------
class Shell:
    kernel = "a kernel"


@pytest.fixture
def shown(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    return shown


@given(st.floats(0, 1), st.floats(0, 1), st.floats(-1, 1), st.floats(-3, 3))
def test_the_panels_unit_is_the_packages(z, r, h_before, input_sum):
    candidate, h = panel.gru_update(z, r, h_before, input_sum)
    assert min(candidate, h_before) - 1e-12 <= h <= max(candidate, h_before) + 1e-12
    if 0.01 < z < 0.99 and 0.01 < r < 0.99:
        layer = GRU(1, 1, rng=np.random.default_rng(0), dtype=np.float64)
        layer.set_weights([np.array([[0.0, 0.0, 1.0]]), np.array([[0.0, 0.0, panel.WEIGHT]]),
                           np.array([[np.log(z / (1 - z)), np.log(r / (1 - r)), 0], [0, 0, 0]])])
        np.testing.assert_allclose(layer.forward([[[input_sum]]], [[h_before]])[1], [[h]], atol=1e-9)


def test_the_panel_refuses_what_is_no_gate():
    with pytest.raises(ValueError, match=r"number from 0 to 1, but z = 1\.5"):
        panel.gru_update(1.5, 0, 0, 0)


def test_the_still_panel_is_one_picture(monkeypatch, shown):
    monkeypatch.setenv("COURSE_STATIC", "1")
    plotting.use_style()
    widgets.gru_panel()
    (picture,) = shown
    assert isinstance(picture, plotting.Picture)
    assert "With z = 1 and r = 1 the old state 0.8 and the candidate 0.54 give 0.80" in picture.alt
    assert "With z = 0 and r = 0 the old state 0.8 and the candidate -0.76 give -0.76" in picture.alt
    assert plt.get_fignums() == []


def test_the_live_panel_follows_its_knobs(monkeypatch, shown):
    monkeypatch.delenv("COURSE_STATIC", raising=False)
    monkeypatch.setattr("IPython.get_ipython", Shell)
    plotting.use_style()
    widgets.gru_panel()
    z, r, h_before, input_sum, picture = shown[0].children
    assert "z = 0.5 and r = 1" in picture.value
    z.value = 1
    assert "give 0.80" in picture.value
    h_before.value = -0.5
    assert "give -0.50" in picture.value
    z.value = r.value = input_sum.value = 0
    assert "candidate 0.00 give 0.00" in picture.value
    assert plt.get_fignums() == []


@pytest.mark.parametrize("setting", [(0, 0, -1, -3), (1, 1, 1, 3), (0, 1, 1, 3), (1, 0, -1, -3)])
def test_the_corners_of_the_panel_can_be_drawn(setting):
    plotting.use_style()
    fig, alt = panel._draw_live(*setting)
    plotting.Picture(fig, alt)
    assert f"z = {setting[0]} and r = {setting[1]}" in alt


# ---------------------------------------------------------------------------------------------------------------------
# The exercises
# ---------------------------------------------------------------------------------------------------------------------
@pytest.fixture
def answer(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))

    def call(function, *args):
        function(*args)
        return capsys.readouterr().out
    return call


def test_7_1s_solution_against_finite_differences():
    rng = np.random.default_rng(0)
    dh, h, c = rng.normal(size=(3, 2, 3))
    z = rng.uniform(size=(2, 3))
    claimed = ex.blame_at_the_mixer(dh, z, h, c)
    for array, mine in zip((z, c, h), claimed, strict=True):
        np.testing.assert_allclose(mine, numerical_gradient(lambda: float((dh * (z * h + (1 - z) * c)).sum()), array),
                                   atol=1e-6)


@given(st.integers(1, 200), st.floats(0.05, 0.95))
def test_7_3s_bias_leaves_the_share(steps, share):
    assert (1 / (1 + np.exp(-ex.first_bias(steps, share)))) ** steps == pytest.approx(share)


@given(st.integers(1, 50), st.integers(50, 5000))
def test_7_4_counts_what_the_layer_has(features, budget):
    units = ex.fair_units(features, budget)

    def size(n):
        return sum(w.size for w in GRU(features, n, rng=np.random.default_rng(0)).weights)

    assert units == 0 or size(units) <= budget
    assert size(units + 1) > budget


@pytest.mark.parametrize(
    ("number", "attempt", "phrase"),
    [
        ("7.1", lambda dh, z, h, c: dh, "three arrays"),
        ("7.1", lambda dh, z, h, c: (dh * (h - c), dh, dh * z), "blame for `candidate` is not yet right"),
        ("7.2", lambda z: z * 2, "Follow one unit"),
        ("7.2", lambda z: z[0], "(5, 3)"),
        ("7.3", lambda t, s: np.inf, "not finite"),
        ("7.3", lambda t, s: 1.0, "Find the gate first"),
        ("7.4", lambda f, b: 3.5, "whole"),
        ("7.4", lambda f, b: ex.fair_units(f, b) + 1, "over the budget"),
        ("7.4", lambda f, b: ex.fair_units(f, b) - 1, "one unit more"),
    ],
)
def test_the_checks_say_what_is_wrong(number, attempt, phrase, answer):
    assert phrase in answer(ex.check, number, attempt)
