"""Lesson 01: its recorded results, its gradients, its panel, and its exercises' answers to attempts in no bank."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from results_checks import criterion_can_fail, lesson_shows, measured_at_toy_size

from course_lib.gradients import check_gradients
from course_lib.lessons.lesson_01_neurons import exercises as ex
from course_lib.lessons.lesson_01_neurons import experiments, panels
from course_lib.teaching import experiment as results


# ---------------------------------------------------------------------------------------------------------------------
# Results
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("key", "spoil"),
    [
        ("squid-axon", {"height_6": 40}),
        ("squid-axon", {"height_7": 90}),
        ("squid-axon", {"height_7": 120}),
        ("squid-axon", {"height_15": 90}),
        ("squid-axon", {"height_15": 120}),
        ("firing-rate", {"error": 0.011}),
        ("perceptron-mistakes", {"margin_0.2": 26}),
        ("perceptron-mistakes", {"margin_0.1": 101}),
        ("perceptron-mistakes", {"margin_0.05": 401}),
        ("perceptron-mistakes", {"many_points": 90}),
        ("xor-starts", {"four": None}),
        ("mirror-symmetry", {"sweeps_100k": None}),
        ("mirror-symmetry", {"half_rate": None}),
        ("mirror-symmetry", {"asymmetry": 0.06}),
    ],
)
def test_each_bound_can_fail(key, spoil):
    criterion_can_fail(key, spoil)


def test_the_bounds_on_how_many_starts_can_fail():
    xor, mirror = results.find("xor-starts"), results.find("mirror-symmetry")
    rows = results.recorded("xor-starts").rows
    assert not xor.holds([row | {"two": None} for row in rows[:45]] + rows[45:])
    assert not xor.holds([row | {"two": 100} for row in rows])
    rows = results.recorded("mirror-symmetry").rows
    assert not mirror.holds([row | {"sweeps": None} for row in rows[:60]] + rows[60:])
    assert not mirror.holds([row | {"half_rate": 9000} for row in rows])


def test_lesson_01_shows_the_recorded_code():
    lesson_shows(
        "01_neurons",
        [
            experiments.spike_height,
            experiments.mistakes_until_learned,
            experiments.starting_weights,
            experiments.forward,
            experiments.backward,
            experiments.sweeps_to_learn,
            experiments.learn_xor,
            experiments.learn_mirror,
        ],
    )


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 6), st.integers(0, 10**6))
def test_backward_agrees_with_finite_differences(inputs, hidden, examples, seed):
    rng = np.random.default_rng(seed)
    weights = experiments.starting_weights(inputs, hidden, 1.5, rng)
    x, targets = rng.normal(size=(examples, inputs)), rng.integers(0, 2, (examples, 1)).astype(float)

    def loss():
        return 0.5 * ((experiments.forward(weights, x)[1] - targets) ** 2).sum()

    gradients = experiments.backward(weights, x, *experiments.forward(weights, x), targets)
    names = "W1", "b1", "W2", "b2"
    check_gradients(loss, dict(zip(names, weights, strict=True)), dict(zip(names, gradients, strict=True)))


def test_mirrored_rows_are_the_eight_palindromes():
    assert experiments.SIX_BITS.shape == (64, 6)
    assert len(np.unique(experiments.SIX_BITS, axis=0)) == 64
    palindromes = [
        row for row, mirrored in zip(experiments.SIX_BITS, experiments.IS_MIRRORED[:, 0], strict=True) if mirrored
    ]
    assert len(palindromes) == 8
    assert all((row == row[::-1]).all() for row in palindromes)


@pytest.mark.parametrize("sizes", [(1, 2, 4), (2, 3, 4)])
def test_these_sizes_balance_in_one_way_only(sizes):
    """Why such weights are enough: the sum of the three mirrored pairs is 0 for palindromes alone, else 1 or more."""
    sums = experiments.SIX_BITS @ np.array([*sizes, *(-size for size in sizes[::-1])])
    np.testing.assert_array_equal(sums == 0, experiments.IS_MIRRORED[:, 0] == 1)
    assert np.abs(sums[sums != 0]).min() == 1


def test_asymmetry_is_zero_for_mirrored_weights_and_sees_others():
    mirrored = np.array([[1.0], [2], [4], [-4], [-2], [-1]])
    assert experiments.asymmetry([mirrored]) == 0
    mirrored[0] = 2
    assert experiments.asymmetry([mirrored]) == 0.25


def test_sweeps_are_counted_from_zero_and_training_ends():
    weights = [np.array([[9.0, 9], [9, 9]]), np.array([-4.0, -13]), np.array([[9.0], [-9]]), np.array([-4.0])]
    sweeps = experiments.sweeps_to_learn(weights, experiments.XOR_INPUTS, experiments.XOR_TARGETS, 0.5, 10)
    assert sweeps == 0
    weights = experiments.starting_weights(2, 2, 1.0, np.random.default_rng(0))
    assert experiments.sweeps_to_learn(weights, experiments.XOR_INPUTS, experiments.XOR_TARGETS, 0.5, 3) is None


# ---------------------------------------------------------------------------------------------------------------------
# The panel
# ---------------------------------------------------------------------------------------------------------------------
def test_the_static_panel_makes_its_point(shown):
    panels.neuron_panel()
    for words in ("drive 14 mV, noise 0 mV, 0 spikes", "drive 20 mV, noise 0 mV, 63 spikes", "corner is rounded"):
        assert words in shown[0].alt
    assert panels._life(14.0, 3.0)[2] > 10


@pytest.mark.parametrize("setting", [(0.0, 0.0), (0.0, 6.0), (40.0, 0.0), (40.0, 6.0)])
def test_the_whole_trace_is_in_view(setting):
    fig, alt = panels._draw_neuron(*setting)
    assert f"drive of {setting[0]:g} mV and noise of {setting[1]:g} mV" in alt
    lowest = min(np.min(line.get_ydata()) for line in fig.axes[0].lines)
    assert fig.axes[0].get_ylim()[0] <= lowest
    plt.close(fig)


# ---------------------------------------------------------------------------------------------------------------------
# Exercises: answers to attempts that are in no list
# ---------------------------------------------------------------------------------------------------------------------
def test_1_1_names_the_numbers_it_tried(answer):
    shown = answer(ex.check, "1.1", lambda drive, tau, threshold, refractory: 7.0)
    assert "With a drive of 20 mV, τ = 10 ms, a threshold of 15 mV and a pause of 2 ms yours fires 7 times" in shown

    def at_the_edge(drive, tau, threshold, refractory):
        return (
            0.0
            if drive < threshold
            else 99.0
            if drive == threshold
            else ex.rate_under_drive(drive, tau, threshold, refractory)
        )

    shown = answer(ex.check, "1.1", at_the_edge)
    assert "With a drive of 15 mV and a threshold of 15 mV the potential creeps towards 15 mV" in shown
    assert "yours is 99" in shown

    def returns_text_below(drive, tau, threshold, refractory):
        return ex.rate_under_drive(drive, tau, threshold, refractory) or "never"

    assert "no array of real numbers" in answer(ex.check, "1.1", returns_text_below)

    def broken(drive, tau, threshold, refractory):
        return drive + no_such_name  # noqa: F821

    assert "stopped with `NameError`" in answer(ex.check, "1.1", broken)


def test_1_1_is_the_packages_rate():
    for args in [(20.0, 10.0, 15.0, 2.0), (14.0, 10.0, 15.0, 2.0), (15.0, 10.0, 15.0, 2.0)]:
        drive, tau, threshold, refractory = args
        exact = experiments.lif_rate(drive, tau=tau, threshold=threshold, refractory=refractory)
        assert ex.rate_under_drive(*args) == pytest.approx(float(exact))


def _runs(measure, settings):
    return {setting: [measure(*setting, seed) for seed in range(3)] for setting in settings}


@pytest.mark.parametrize(
    ("attempt", "phrase"),
    [
        (lambda measure: [1, 2], "whose first part is a dict"),
        (lambda measure: ({}, set()), "nothing was measured"),
        (lambda measure: ({(1, 2, 3): [1, 2, 3]}, set()), "nothing was measured there"),
        (lambda measure: ({(500, 20, 0.1): measure(500, 20, 0.1, 0) and "many"}, set()), "should be a list of numbers"),
        (
            lambda measure: ({(500, 20, 0.1): [measure(500, 20, 0.1, s) for s in range(3)][:2]}, set()),
            "there are 2 runs",
        ),
        (lambda measure: (_runs(measure, [(500, 20, 0.1)]), set()), "Nothing can be said about `points`"),
        (lambda measure: (_runs(measure, [(500, 20, 0.1), *ex.ONE_AT_A_TIME.values()]), "margin"), "of type `str`"),
        (lambda measure: (_runs(measure, [(500, 20, 0.1), *ex.ONE_AT_A_TIME.values()]), {"gap"}), "holds 'gap'"),
        (lambda measure: measure(500, 20, 0.9, 0), "a margin above 0 and up to .5"),
        (lambda measure: measure(500.5, 20, 0.1, 0), "takes whole numbers"),
        (lambda measure: [measure(500, 20, 0.1, seed) for seed in range(999)], "more than 200 runs"),
    ],
)
def test_1_2_answers_what_it_is_given(answer, attempt, phrase):
    assert phrase in answer(ex.check, "1.2", attempt)


def test_1_2_takes_other_designs(answer):
    def smaller_first(measure):
        changed = {"points": (125, 20, 0.1), "dimensions": (500, 5, 0.1), "margin": (500, 20, 0.4)}
        measured = _runs(measure, [(500, 20, 0.1), *changed.values()])
        usual = np.median(measured[500, 20, 0.1])
        return [
            measured,
            [name for name, setting in changed.items() if not 0.6 < np.median(measured[setting]) / usual < 1.8],
        ]

    assert "PASSED" in answer(ex.check, "1.2", smaller_first)


def test_1_2_finds_the_margin_on_the_real_device():
    measured, matters = ex.which_matter(experiments.mistakes_until_learned)
    assert matters == {"margin"}
    assert len(measured) == 4
    wide = [experiments.mistakes_until_learned(500, 2000, 0.1, seed) for seed in range(3)]
    assert np.mean(wide) < np.mean(measured[500, 20, 0.1]) / 2  # as the exercise says when it is passed


def test_1_3_takes_other_ways_to_do_it(answer):
    def one_sided():  # (first and not second) or (second and not first)
        return [[1, -1], [-1, 1]], [-0.5, -0.5], [1, 1], -0.5

    def nor():  # neither NOR nor AND
        return np.array([[-1, 1], [-1, 1]]), np.array([0.5, -1.5]), np.array([-1, -1]), 0.5

    shown = answer(ex.check, "1.3", one_sided)
    assert "PASSED" in shown
    assert "Two of the four inputs have become one" in shown  # not said which: it depends on the way
    assert "PASSED" in answer(ex.check, "1.3", nor)


def test_1_3_says_what_came(answer):
    assert "What came is 3 of them" in answer(ex.check, "1.3", lambda: (1, 2, 3))
    assert "of type `dict`" in answer(ex.check, "1.3", dict)
    assert "Expected: b1, of shape (2,)" in answer(ex.check, "1.3", lambda: (np.ones((2, 2)), 1.0, np.ones(2), 0.0))
    assert "a NaN or an infinity" in answer(
        ex.check, "1.3", lambda: (np.full((2, 2), np.nan), np.ones(2), np.ones(2), 0.0)
    )


def test_1_4_agrees_with_finite_differences():
    rng = np.random.default_rng(0)
    x, kernel, bias, weigh = (rng.normal(size=shape) for shape in ((4, 3), (3, 2), (2,), (4, 2)))

    def output():
        return 1 / (1 + np.exp(-(x @ kernel + bias)))

    gradients = ex.gradient_through(weigh, output(), x, kernel)
    check_gradients(
        lambda: float((weigh * output()).sum()),
        {"x": x, "kernel": kernel, "bias": bias},
        dict(zip(("x", "kernel", "bias"), gradients, strict=True)),
    )


def test_1_4_says_which_of_the_three_are_right(answer):
    def half_gradient(dy, y, x, kernel):
        dx, d_kernel, d_bias = ex.gradient_through(dy, y, x, kernel)
        return dx / 2, d_kernel, d_bias

    shown = answer(ex.check, "1.4", half_gradient)
    assert "Right: d_kernel and d_bias; wrong: dx." in shown
    assert "Yours is right, as d_bias shows" in shown
    assert "look at that first" not in shown

    def nothing_right(dy, y, x, kernel):
        return [7 * part for part in ex.gradient_through(dy, y, x, kernel)]

    shown = answer(ex.check, "1.4", nothing_right)
    assert "Right: none of the three" in shown
    assert "look at that first" in shown

    def right_for_square_kernels_only(dy, y, x, kernel):
        parts = ex.gradient_through(dy, y, x, kernel)
        return parts if len(set(kernel.shape)) == 1 else [2 * part for part in parts]

    assert "Right: none of the three" in answer(ex.check, "1.4", right_for_square_kernels_only)
    assert "What came is 2 of them" in answer(ex.check, "1.4", lambda dy, y, x, kernel: (dy, y))
    assert "of type `dict`" in answer(ex.check, "1.4", lambda dy, y, x, kernel: {})


def test_1_5_says_what_is_left(answer):
    assert "after 10 steps 0.107 of the state is left" in answer(ex.check, "1.5", lambda half_life: 0.8)
    assert "has a λ between 0 and 1" in answer(ex.check, "1.5", lambda half_life: 1.2)
    assert "PASSED" in answer(ex.check, "1.5", lambda half_life: np.exp(-np.log(2) / half_life))


# ---------------------------------------------------------------------------------------------------------------------
# Each measurement once, at toy size
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("key", "toys"),
    [
        ("squid-axon", {}),
        ("firing-rate", {}),
        ("perceptron-mistakes", {"two_clouds": lambda draw: lambda points, *others: draw(min(points, 60), *others)}),
        ("xor-starts", {}),
        ("mirror-symmetry", {"sweeps_to_learn": lambda learn: lambda *start, most=0: learn(*start[:4], most=30)}),
    ],
)
def test_each_measurement_runs(key, toys, monkeypatch):
    measured_at_toy_size(key, monkeypatch, **toys)
