"""Lesson 05: the relu layer's gradients, the measurements in cases with a known answer, the panel, the exercises."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from results_checks import criterion_can_fail, lesson_shows, measured_at_toy_size

from course_lib import tasks
from course_lib.gradients import check_gradients, jacobian_norms, spectral_radius
from course_lib.lessons.lesson_05_long_memory import exercises as ex
from course_lib.lessons.lesson_05_long_memory import experiments, panels
from course_lib.losses import MeanSquaredError
from course_lib.optimizers import Adam
from course_lib.teaching import experiment as results
from course_lib.teaching import running
from course_lib.training import train_adding

LESSON = "05_long_memory"


# ---------------------------------------------------------------------------------------------------------------------
# The relu layer
# ---------------------------------------------------------------------------------------------------------------------
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 6), st.sampled_from(["both", "outputs", "final"]))
def test_relu_gradients_against_finite_differences(seed, batch, time, kind):
    rng = np.random.default_rng(seed)
    layer = experiments.ReluRNN(2, 4, rng=rng, dtype=np.float64)
    layer.bias += rng.normal(scale=0.3, size=4)
    x, h0 = rng.normal(size=(batch, time, 2)), rng.normal(size=(batch, 4))
    outputs, final = layer.forward(x, h0)
    d_outputs = None if kind == "final" else rng.normal(size=outputs.shape)
    d_final = None if kind == "outputs" else rng.normal(size=final.shape)

    def loss():
        outputs, final = layer.forward(x, h0)
        return sum(float((d * y).sum()) for d, y in ((d_outputs, outputs), (d_final, final)) if d is not None)

    sums = x @ layer.kernel + layer.bias + np.concatenate([h0[:, None], outputs[:, :-1]], 1) @ layer.recurrent_kernel
    if np.abs(sums).min() < 1e-3:  # a nudge might cross the corner of max(a, 0)
        return
    loss()
    dx, dh0 = layer.backward(d_outputs, d_final)
    arrays = dict(zip(layer.weight_names, layer.weights, strict=True)) | {"x": x, "h0": h0}
    grads = dict(zip(layer.weight_names, layer.grads, strict=True)) | {"x": dx, "h0": dh0}
    assert max(check_gradients(loss, arrays, grads).values()) < 1e-6


def test_relu_forward_by_hand():
    layer = experiments.ReluRNN(1, 2, rng=np.random.default_rng(0))
    layer.set_weights([np.array([[1.0, -1.0]]), np.array([[1.0, 0.0], [0.0, 0.5]]), np.array([0.0, 0.25])])
    outputs, final = layer.forward(np.array([[[1.0], [-3.0], [2.0]]]))
    np.testing.assert_allclose(outputs[0], [[1, 0], [0, 3.25], [2, 0]])
    np.testing.assert_allclose(final, outputs[:, -1])
    assert outputs.dtype == np.float32


def test_an_identity_start_keeps_what_it_has():
    model = experiments.adding_network("relu", "identity", np.random.default_rng(0), units=5)
    layer = model.layers[0]
    state = np.arange(5, dtype=np.float32)[None]
    _, final = layer.forward(np.zeros((1, 100, 2)), state)
    np.testing.assert_array_equal(final, state)
    layer.backward(None, np.ones((1, 5)))
    np.testing.assert_allclose(layer.backward(None, np.ones((1, 5)))[1], (state > 0).astype(float))
    assert model.predict(np.zeros((3, 7, 2))).shape == (3, 1)


def test_relu_refuses_masks_and_backward_before_forward():
    layer = experiments.ReluRNN(2, 3, rng=np.random.default_rng(0))
    with pytest.raises(RuntimeError, match="backward was called before forward"):
        layer.backward(None)
    with pytest.raises(ValueError, match="does not know masks"):
        layer.forward(np.zeros((1, 4, 2)), mask=np.ones((1, 4), bool))


# ---------------------------------------------------------------------------------------------------------------------
# The measurements, where the answer is known
# ---------------------------------------------------------------------------------------------------------------------
@given(st.floats(0.3, 1.7), st.integers(0, 2**32 - 1))
def test_log_slope_of_a_straight_line(factor, seed):
    noise = 1 + 0.01 * np.random.default_rng(seed).normal(size=200)
    assert experiments.log_slope(factor ** np.arange(200) * noise, skip=50) == pytest.approx(np.log(factor), abs=1e-3)


@given(st.floats(0.5, 1.5), st.integers(0, 2**32 - 1))
def test_linear_norms_end_with_the_radius_asked_for(radius, seed):
    norms = experiments.linear_norms(radius, np.random.default_rng(seed), units=10, lags=500)
    assert norms[0] == 1
    assert experiments.log_slope(norms, skip=250) == pytest.approx(np.log(radius), abs=0.02)


def test_the_matrix_of_section_2_in_closed_form():
    hump = jacobian_norms(np.array([[0.9, 5.0], [0.0, 0.9]]), np.ones((120, 2)))[::-1]
    k = np.arange(121)
    power = np.array([[[0.9**n, 5 * n * 0.9 ** (n - 1.0)], [0, 0.9**n]] for n in k])
    np.testing.assert_allclose(hump, np.linalg.norm(power, 2, axis=(1, 2)), rtol=1e-10)
    assert hump.argmax() == 9


def test_the_radius_decides_the_linear_case_only():
    """The matrix of section 3: D W_hᵀ has the eigenvalues 0 and 2 (d₁ - d₂), which is 0 for equal slopes alone."""
    W_h = np.array([[2.0, 1.0], [-4.0, -2.0]])
    np.testing.assert_array_equal(W_h @ W_h, 0)
    assert spectral_radius(W_h) < 1e-6
    for slopes in ((1.0, 0.2), (0.3, 0.9), (0.7, 0.7)):
        D = np.diag(slopes)
        assert spectral_radius(D @ W_h.T) == pytest.approx(2 * abs(slopes[0] - slopes[1]), abs=1e-6)
        norm = jacobian_norms(W_h, np.tile(slopes, (100, 1)))[0]
        assert norm < 1e-9 if slopes[0] == slopes[1] else norm > 1e5


@given(st.integers(0, 2**32 - 1), st.floats(0.5, 0.99))
def test_a_largest_singular_value_below_1_suffices_to_vanish(seed, singular):
    rng = np.random.default_rng(seed)
    W_h = rng.standard_normal((5, 5))
    W_h *= singular / np.linalg.norm(W_h, 2)
    norms = jacobian_norms(W_h, 1 - np.tanh(rng.normal(size=(30, 5))) ** 2)[::-1]
    assert (norms <= singular ** np.arange(31) * (1 + 1e-9)).all()


def test_one_huge_gradient_makes_thousands_of_adams_steps_tiny():
    """Section 5: it fades from Adam's mean square by .999 an update; clipped at first, it does no harm."""
    rng = np.random.default_rng(0)
    moved = {}
    for clipped in (False, True):
        weight, adam, steps = np.zeros(1), Adam(0.001), []
        for update in range(6000):
            g = rng.choice([-1.0, 1.0], 1) * (1e4 if update == 100 else 1)
            before = weight.copy()
            adam.update([weight], [np.clip(g, -1, 1) if clipped else g])
            steps.append(abs(weight - before).item())
        moved[clipped] = [np.mean(steps[:100]), np.mean(steps[1000:2000]), np.mean(steps[5000:])]
    before, soon, late = moved[False]
    assert soon < before / 100
    assert late < before / 10
    before, soon, late = moved[True]
    assert min(soon, late) > before / 2


def test_jacobian_norm_of_one_sequence_is_its_jacobian():
    model = experiments.adding_network("tanh", "orthogonal", np.random.default_rng(0), units=6)
    inputs, _ = tasks.adding(2, 12, np.random.default_rng(1))
    layer = model.layers[0]
    norms = [experiments.jacobian_norm_by_lag(layer, inputs[i : i + 1]) for i in range(2)]
    h = layer.forward(inputs[:1])[0][0].astype(float)
    np.testing.assert_allclose(norms[0], jacobian_norms(layer.recurrent_kernel.astype(float), 1 - h**2)[::-1])
    np.testing.assert_allclose(experiments.jacobian_norm_by_lag(layer, inputs), np.sqrt(norms[0] * norms[1]), rtol=1e-6)


def test_small_start_says_one_and_keeps_the_jacobian_large():
    model = experiments.adding_network("tanh", "orthogonal", np.random.default_rng(0), units=32)
    inputs, targets = tasks.adding(500, 100, np.random.default_rng(1))
    before = experiments.jacobian_norm_by_lag(model.layers[0], inputs[:4])[-1]
    experiments.small_start(model)
    assert experiments.jacobian_norm_by_lag(model.layers[0], inputs[:4])[-1] > 10 * before
    assert MeanSquaredError().forward(model.predict(inputs), targets) < 1.2 * tasks.adding_baseline()


def test_exchanged_parts_of_one_layer_are_its_jacobian_and_each_part_comes_from_where_it_should():
    one, other = (
        experiments.adding_network("tanh", "orthogonal", np.random.default_rng(s), units=6).layers[0] for s in range(2)
    )
    inputs, _ = tasks.adding(3, 12, np.random.default_rng(1))
    assert experiments.exchanged(one, one, inputs) == pytest.approx(experiments.jacobian_norm_by_lag(one, inputs)[-1])
    flat = experiments.adding_network("tanh", "orthogonal", np.random.default_rng(2), units=6).layers[0]
    flat.kernel[...] = 0  # states of 0, slopes of 1
    assert experiments.exchanged(one, flat, inputs) == pytest.approx(1, rel=1e-5)  # an orthogonal matrix alone
    loud = 2 * other.recurrent_kernel
    other.recurrent_kernel[...] = loud
    assert experiments.exchanged(other, flat, inputs) == pytest.approx(2.0**12, rel=1e-5)


@pytest.mark.parametrize(("unit", "most"), [("relu", 1e-12), ("tanh", 0.005)])
@given(seed=st.integers(0, 2**32 - 1), time=st.integers(2, 300))
def test_two_units_set_by_hand_add(unit, most, seed, time):
    inputs, targets = tasks.adding(50, time, np.random.default_rng(seed))
    assert experiments.two_units(unit).evaluate(inputs, targets) < most


def test_starts_of_the_adding_network():
    first = {
        start: experiments.adding_network("relu", start, np.random.default_rng(0)).layers[0].recurrent_kernel
        for start in experiments.STARTS
    }
    np.testing.assert_array_equal(first["identity"], np.eye(64))
    np.testing.assert_allclose(first["orthogonal"] @ first["orthogonal"].T, np.eye(64), atol=1e-5)
    assert 5e-4 < first["small"].std() < 2e-3


def test_what_is_recorded_of_the_adding_runs(monkeypatch):
    """The bookkeeping: which moment each number belongs to, and rows of one length even if a run stops early."""

    def pretend(model, time, rng, updates, clip_norm=1.0, watch=lambda update: None):
        errors = []
        for update in range(100, 7001, 100):  # stops before the 8,000
            if update > updates:
                break
            errors.append(1 - update / 10_000)
            watch(update)
        return errors, []

    count = iter(range(10_000))
    monkeypatch.setattr(experiments, "train_adding", pretend)
    monkeypatch.setattr(experiments, "jacobian_norm_by_lag", lambda layer, inputs: np.array([np.nan, next(count)]))
    row = experiments.measure_adding(0)
    assert (row["error_50"], row["small_start_error_50"]) == pytest.approx((0.7, 0.7))
    assert (row["jacobian_norm_50_start"], row["jacobian_norm_50_100"], row["jacobian_norm_50_end"]) == (0, 1, 30)
    assert (row["small_start_jacobian_norm_50_start"], row["small_start_jacobian_norm_50_least"]) == (31, 31)
    assert row["error_100_70k"] == pytest.approx(1 - 0.14)
    assert row["error_100"] == pytest.approx(0.3)
    assert (len(row["errors_100"]), len(row["jacobian_norms_100"])) == (16, 18)
    assert row["errors_100"][:2] == pytest.approx([0.95, 0.9])
    assert row["errors_100"][-2:] == pytest.approx([0.3, 0.3])
    assert row["jacobian_norms_100"] == [*range(62, 78), 77, 77]  # start, 100, 500 ... 7000, twice the last again
    assert row["small_start_share_50"] == pytest.approx(1, abs=0.1)  # it has not learned anything


def test_the_two_halves_of_the_small_start_make_the_whole():
    whole, halves = (
        experiments.adding_network("tanh", "orthogonal", np.random.default_rng(0), units=4) for _ in range(2)
    )
    experiments.small_start(whole)
    experiments.half_small_start(halves, "inputs")
    assert halves.layers[-1].bias == 0
    experiments.half_small_start(halves, "output")
    for one, other in zip(whole.weights, halves.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_is_recorded_of_the_halves(monkeypatch):
    parts = []

    def pretend(model, time, rng, updates, watch):
        assert (time, updates) == (50, 3000)
        parts.append(float(model.layers[-1].bias[0]))
        for update in (100, 200):
            watch(update)
        return [0.5, 0.1 + parts[-1], 0.4], []

    monkeypatch.setattr(experiments, "train_adding", pretend)
    row = experiments.measure_halves(0)
    assert parts == [1, 0]  # the output first
    assert (row["output_error"], row["inputs_error"]) == (0.4, 0.1)
    assert row["inputs_jacobian_norm_100"] > 5 * row["output_jacobian_norm_100"]  # of untrained networks


def test_a_short_temporal_order_budget_gives_none():
    assert experiments.updates_to_learn(0.1, 1.0, 0, most=50) is None


def test_hold_without_noise_rests_where_the_slope_says():
    held, log = experiments.hold(2.0, 0.0, np.random.default_rng(0), runs=3, steps=2000)
    assert held == 1
    assert np.exp(log) == pytest.approx(ex.slope_at_rest(2.0), rel=5e-3)
    held, log = experiments.hold(0.5, 0.1, np.random.default_rng(0), runs=50, steps=300)
    assert held < 0.1
    held, log = experiments.hold(1, 0.2, np.random.default_rng(0), activation=lambda a: a)
    assert log == 0
    assert held < 0.3


@pytest.mark.parametrize(
    ("key", "spoil"),
    [
        ("gradient-slope", {"0.8": -0.229}),
        ("gradient-slope", {"1": 0.006}),
        ("gradient-slope", {"1.2": 0.19}),
        ("clipping", {"clipped_0.02": None}),
        ("clipping", {"clipped_0.2": None}),
        ("clipping", {"free_0.2": 900}),
        ("clipping", {"free_0.5": 900}),
        ("adding-tanh", {"error_50": 0.06}),
        ("adding-tanh", {"small_start_error_50": 0.11}),
        ("adding-tanh", {"small_start_jacobian_norm_50_least": 0.005}),
        ("adding-tanh", {"error_100_70k": 0.11}),
        ("jacobian-control", {"output_error": 0.06}),
        ("jacobian-control", {"output_jacobian_norm_100": 0.0005}),
        ("jacobian-control", {"inputs_error": 0.11}),
        ("jacobian-through-training", {"after": 0.01}),
        ("jacobian-through-training", {"new_slopes": 0.01}),
        ("jacobian-through-training", {"new_matrix": 1e-6}),
        ("jacobian-through-training", {"radius": 0.99}),
        ("irnn", {"relu_identity": 0.011}),
        ("irnn", {"relu_orthogonal": 0.031}),
        ("irnn", {"relu_small": 0.031}),
        ("irnn", {"tanh_identity": 0.11}),
        ("irnn", {"tanh_orthogonal": 0.11}),
        ("irnn", {"tanh_small": 0.11}),
        ("irnn", {"relu_unclipped": 0.02}),
        ("adding-tanh-rates", {"rate_0.0003": 0.11}),
        ("adding-tanh-rates", {"rate_0.003": 0.11}),
        ("adding-tanh-rates", {"rate_0.01": 0.11}),
        ("relu-starts", {"minus_identity": 0.13}),
        ("relu-starts", {"minus_identity": 0.009}),
        ("relu-starts", {"normal": 0.05}),
        ("noisy-switch", {"held_2": 0.8}),
        ("noisy-switch", {"reach_1.5": 12.0}),
        ("noisy-switch", {"held_1.25": 0.2}),
        ("noisy-switch", {"held_integrator": 0.4}),
    ],
)
def test_each_bound_can_fail(key, spoil):
    criterion_can_fail(key, spoil)


def test_two_seeds_of_five_may_not_need_longer():
    rows = results.recorded("adding-tanh").rows
    assert results.find("adding-tanh").holds(rows)
    assert rows[0]["error_100"] < experiments.LEARNED < rows[4]["error_100"]
    rows[0]["error_100"] = 0.06
    assert not results.find("adding-tanh").holds(rows)


def test_the_lesson_shows_the_recorded_code():
    lesson_shows(
        LESSON,
        [
            experiments.linear_norms,
            experiments.log_slope,
            experiments.order_network,
            experiments.updates_to_learn,
            train_adding,
            experiments.jacobian_norm_by_lag,
            experiments.exchanged,
            experiments.small_start,
            experiments.two_units,
            experiments.hold,
        ],
    )


# ---------------------------------------------------------------------------------------------------------------------
# The panel
# ---------------------------------------------------------------------------------------------------------------------
def test_the_panels_linear_network_goes_with_the_radius():
    for radius in (0.8, 1.0, 1.2):
        norms = panels.gradient_by_lag("linear", radius, 1.0, 200)
        assert experiments.log_slope(norms, skip=100) == pytest.approx(np.log(radius), abs=0.01)
        np.testing.assert_array_equal(norms, panels.gradient_by_lag("linear", radius, 0.0, 200))


def test_the_panel_shows_what_it_is_there_to_show():
    small, large = (panels.gradient_by_lag("tanh", 1.2, size, 100)[-1] for size in (0.2, 2.0))
    assert large < 1e-3 < 1 < small < 1.2**100
    assert panels.gradient_by_lag("tanh", 1.0, 0.0, 100)[-1] == panels.gradient_by_lag("linear", 1.0, 0.0, 100)[-1]
    with pytest.raises(ValueError, match='"tanh" or "linear", but got \'relu\''):
        panels.gradient_by_lag("relu", 1.0, 1.0, 10)


def test_the_static_panel_makes_its_point(shown):
    panels.long_memory_panel()
    assert all(
        words in shown[0].alt for words in ("linear, radius 1.2", "tanh, radius 1.2", "tanh all three end below")
    )
    assert all(panels.gradient_by_lag("tanh", radius, 1.0, 100)[-1] < 1 for radius in (0.8, 1.0, 1.2))


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ((1.0, "tanh", 1.0, 100), "a tanh network of 50 units with spectral radius 1, inputs ±1"),
        ((0.5, "linear", 2.0, 100), "a linear network of 50 units with spectral radius 0.5 passes"),
        ((0.5, "linear", 2.0, 100), "less than a thousandth after"),
        ((2.0, "tanh", 0.0, 10), "over up to 10 steps"),
    ],
)
def test_the_panel_says_what_it_draws(setting, words):
    fig, alt = panels._draw_panel(*setting)
    assert words in alt
    plt.close(fig)


# ---------------------------------------------------------------------------------------------------------------------
# The exercises: answers to attempts that are in no list
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("matrix", "phrase"),
    [
        ([[0.99, 1.5], [0, 0.98]], "PASSED"),
        ([[0.99, 0], [1, 0.99]], "PASSED"),
        ([[1.2, 0], [0, 0.5]], "grows for ever"),
        ([[0.9901, 1], [0, 0.9901]], "the most that is allowed. Turn the eigenvalues down"),
        ([[0.5, 1.95], [0, 0.5]], "2.07 times in a single step"),
        ([[0.5, 0.3], [0.0, 0.5]], "shrinks from the first step"),
        ([[np.nan, 0], [0, 1]], "finite"),
        ([[0.9]], "(2, 2)"),
    ],
)
def test_5_1_looks_at_the_matrix(matrix, phrase, answer):
    assert phrase in answer(ex.check, "5.1", lambda: np.array(matrix))


def test_5_1s_matrix_does_what_it_should():
    W = ex.late_bloomer()
    norms = jacobian_norms(W, np.ones((3000, 2)))[::-1]
    assert spectral_radius(W) <= 0.99 + 1e-6
    assert norms[1] <= 2
    assert norms.max() > 20
    assert norms[-1] < 1e-3


def test_5_2_as_handed_out_never_says_too_little():
    rng = np.random.default_rng(0)
    for _ in range(20):
        W, states = rng.normal(size=(4, 4)), np.tanh(rng.normal(size=(7, 4)))
        buggy, right = running.function_from(ex.BUGGY_REACH)(W, states), ex.reach_with_a_bug(W, states)
        assert (buggy >= right - 1e-9).all()
        np.testing.assert_allclose(buggy[:2], right[:2])
        np.testing.assert_allclose(right, jacobian_norms(W, 1 - states[1:] ** 2)[::-1])


@pytest.mark.parametrize(
    ("attempt", "phrase"),
    [
        (lambda w, s: jacobian_norms(w, 1 - s[1:] ** 2)[::-1], "PASSED"),
        (lambda w, s: jacobian_norms(w, 1 - s[1:] ** 2), "the other way round"),
        (lambda w, s: jacobian_norms(w, 1 - s[:-1] ** 2)[::-1], "wrong is that for 1 step back"),
        (lambda w, s: np.ones(3), "(T + 1,)"),
    ],
)
def test_5_2_says_what_is_wrong(attempt, phrase, answer):
    assert phrase in answer(ex.check, "5.2", attempt)


@given(st.floats(0.1, 5))
def test_5_3s_slope_is_below_one_wherever_the_switch_rests(w):
    assert 0 <= ex.slope_at_rest(w) < 1 or 0.9 < w < 1.1


@pytest.mark.parametrize(
    ("attempt", "phrase"),
    [
        (
            lambda w: ex.slope_at_rest(w) if w > 1 else 0.0,
            "fades to the state h = 0. The slope ∂h_t/∂h_{t-1} there is w, so 0.5; the slope that you return is 0.",
        ),
        (lambda w: 0.123, "rests at the state h = 0.9575; check that tanh(2 · 0.9575) is 0.9575 again."),
        (lambda w: 0.123, "The slope that you return, 0.123, is not ∂h_t/∂h_{t-1} at this state."),
        (ex._the_state, "That is the state h at which the unit rests. Asked for is the slope there"),
        (lambda w: [1, 2], "one number"),
    ],
)
def test_5_3_says_what_is_wrong(attempt, phrase, answer):
    assert phrase in answer(ex.check, "5.3", attempt)


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10))
def test_5_4s_solution_is_the_packages_clipping(seed, limit):
    from course_lib.optimizers import clip_by_global_norm, global_norm

    rng = np.random.default_rng(seed)
    grads = [rng.normal(size=(3, 2)), rng.normal(size=4)]
    short = ex.shorten(grads, limit)
    clip_by_global_norm(grads, limit)
    for mine, theirs in zip(short, grads, strict=True):
        np.testing.assert_allclose(mine, theirs)
    assert global_norm(short) <= limit * (1 + 1e-12)


def in_place(grads, limit):
    length = np.sqrt(sum((g**2).sum() for g in grads))
    for g in grads:
        g *= min(1, limit / length)
    return grads


@pytest.mark.parametrize(
    ("attempt", "phrase"),
    [
        (lambda g, limit: tuple(ex.shorten(g, limit)), "PASSED"),
        (lambda g, limit: g, "and yours have length"),
        (lambda g, limit: g[:1], "a list of 3 arrays"),
        (in_place, "PASSED"),
        (lambda g, limit: [a[0] for a in g], "array 0 of the gradients"),
    ],
)
def test_5_4_says_what_is_wrong(attempt, phrase, answer):
    assert phrase in answer(ex.check, "5.4", attempt)


@pytest.mark.parametrize("world", ex.WORLDS, ids=lambda world: world[-1])
def test_5_5s_laboratories_are_what_they_are_said_to_be(world):
    learns, lucky, unlucky, truth = world
    results, found = ex.which_change(ex._world(learns, lucky, unlucky))
    assert found == truth
    assert {cell for cell, errors in results.items() if ex._learned(errors)} == learns


@pytest.mark.parametrize(
    ("attempt", "phrase"),
    [
        (lambda measure: "unit", "Expected: a pair"),
        (lambda measure: ({}, "unit"), "Nothing is reported for"),
        (lambda measure: (ex.which_change(measure)[0], "luck"), "what came is luck"),
        (lambda measure: (ex.which_change(measure)[0], 3), "of type `int`"),
        (lambda measure: measure("gru", "identity", 0), 'a unit, "tanh" or "relu"'),
        (lambda measure: measure("relu", "identity", -1), "at least 0"),
        (lambda measure: [measure("relu", "identity", seed) for seed in range(500)], "More than 400 runs"),
        (lambda measure: ({cell: [0.001] * 5 for cell in ex._all_cells()}, "unit"), "was not measured"),
        (
            lambda measure: ({cell: [errors[0]] for cell, errors in ex.which_change(measure)[0].items()}, "unit"),
            "at least 3 different seeds",
        ),
        (
            lambda measure: ({cell: errors[1:] for cell, errors in ex.which_change(measure)[0].items()}, "unit"),
            "Leaving out runs is not done",
        ),
        (lambda measure: (dict.fromkeys(ex._all_cells(), "many"), "unit"), "Nothing is reported"),
    ],
)
def test_5_5_says_what_a_referee_would(attempt, phrase, answer):
    assert phrase in answer(ex.check, "5.5", attempt)


def test_5_5_takes_other_seeds_and_arrays(answer):
    def which_change(measure):
        results = {cell: np.array([measure(*cell, seed) for seed in (3, 11, 8)]) for cell in ex._all_cells()}
        a, b = ((results[cell] < 0.01).mean() > 0.5 for cell in (ex.RO, ex.TI))
        return results, {(1, 0): "unit", (0, 1): "start", (1, 1): "either", (0, 0): "both"}[int(a), int(b)]

    assert "PASSED" in answer(ex.check, "5.5", which_change)


# ---------------------------------------------------------------------------------------------------------------------
# Each measurement once, at toy size
# ---------------------------------------------------------------------------------------------------------------------
def _briefly(train):
    return lambda model, time, rng, updates, **options: train(model, 6, rng, 100, unseen=60, **options)


@pytest.mark.parametrize(
    ("key", "toys"),
    [
        ("gradient-slope", {}),
        ("clipping", {"updates_to_learn": {"most": 2}}),
        ("adding-tanh", {"train_adding": _briefly}),
        ("jacobian-through-training", {"train_adding": _briefly}),
        ("irnn", {"train_adding": _briefly}),
        ("adding-tanh-rates", {"train_adding": _briefly}),
        ("relu-starts", {"train_adding": _briefly}),
        ("noisy-switch", {"hold": {"runs": 20, "steps": 50}}),
        ("jacobian-control", {"train_adding": _briefly}),
    ],
)
def test_each_measurement_runs(key, toys, monkeypatch):
    measured_at_toy_size(key, monkeypatch, **toys)
