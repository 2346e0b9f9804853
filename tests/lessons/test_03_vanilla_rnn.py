"""Lesson 03: hand-set weights are exact, the measurements measure what they say, the panel and the exercises answer."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from figure_checks import check_legible
from hypothesis import given
from hypothesis import strategies as st
from results_checks import criterion_can_fail, lesson_shows, measured_at_toy_size

from course_lib import plotting
from course_lib.lessons.lesson_03_vanilla_rnn import exercises as ex
from course_lib.lessons.lesson_03_vanilla_rnn import experiments, figures, panels
from course_lib.recurrent import RNN, unroll
from course_lib.reservoir import hidden_states, random_rnn
from course_lib.teaching import experiment as results
from course_lib.teaching import running

LESSON = "03_vanilla_rnn"


# ---------------------------------------------------------------------------------------------------------------------
# The parity network of section 2
# ---------------------------------------------------------------------------------------------------------------------
def parity_network(gain):
    parity = RNN(input_dim=1, hidden_dim=2, output_dim=1)
    parity.kernel = gain * np.array([[1.0, 1.0]])
    parity.recurrent_kernel = gain * np.array([[0.5, 0.5], [-0.5, -0.5]])
    parity.bias = gain * np.array([-0.5, -1.5])
    parity.output_kernel = np.array([[0.5], [-0.5]])
    return parity


def recaller():
    """Section 5's three units: a switch, and one reader for each of its places."""
    rnn = RNN(4, 3, 2)
    rnn.kernel = np.array([[12.0, -12, -12], [-12, -12, -12], [0, -12, -12], [0, -3, -3]])
    rnn.recurrent_kernel = np.array([[6.0, 6, -6], [0, 0, 0], [0, 0, 0]])
    rnn.output_kernel = np.array([[0, 0], [0.5, 0], [0, 0.5]])
    rnn.output_bias = np.array([0.5, 0.5])
    return rnn


@given(st.integers(0, 1), st.integers(0, 300))
def test_three_units_recall_a_letter_over_any_number_of_dots(letter, dots):
    outputs = unroll(recaller(), np.eye(4)[[letter, *[2] * dots, 3]][None])[1][0]
    assert np.abs(outputs[:-1]).max() < 0.01
    np.testing.assert_allclose(outputs[-1], np.eye(2)[letter], atol=0.01)


def test_the_lesson_sets_these_very_weights():
    lesson_shows(LESSON, [parity_network])


@given(st.lists(st.integers(0, 1), min_size=1, max_size=300), st.floats(4, 30))
def test_parity_by_hand_is_right_for_every_row_of_bits(bits, gain):
    bits = np.array(bits)[None, :, None]
    outputs = unroll(parity_network(gain), bits)[1]
    assert np.abs(outputs - bits.cumsum(axis=1) % 2).max() < 0.05


def test_a_gain_too_low_to_hold_makes_mistakes():
    bits = np.random.default_rng(0).integers(0, 2, (5, 300, 1))
    outputs = unroll(parity_network(1.5), bits)[1]
    assert ((outputs > 0.5) != bits.cumsum(axis=1) % 2).mean() > 0.3


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_without_biases_a_network_is_a_mirror(seed, steps):
    rng = np.random.default_rng(seed)
    rnn, bits = random_rnn("N(0, 1)", rng, 10), rng.choice([-1.0, 1.0], steps)
    assert np.array_equal(hidden_states(rnn, -bits), -hidden_states(rnn, bits))


# ---------------------------------------------------------------------------------------------------------------------
# The measurements
# ---------------------------------------------------------------------------------------------------------------------
def test_spectral_radius_in_closed_form():
    assert experiments.spectral_radius(np.diag([1.0, -3.0, 2.0])) == 3
    assert experiments.spectral_radius(np.array([[0.0, -2.0], [2.0, 0.0]])) == pytest.approx(2)  # a turn, twice as long


@given(st.sampled_from(["N(0, 1)", "Glorot", "orthogonal"]), st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_listen_is_unroll_on_one_row(start, seed, steps):
    rng = np.random.default_rng(seed)
    rnn, bits = random_rnn(start, rng, 7), rng.choice([-1.0, 1.0], steps)
    rnn.bias[:] = rng.normal(size=7)
    states, _ = unroll(rnn, bits[None, :, None])
    np.testing.assert_allclose(hidden_states(rnn, bits), states[1:, 0], atol=1e-9)


def test_starting_weights_are_what_their_names_say():
    rng = np.random.default_rng(0)
    normal, glorot, orthogonal = (random_rnn(start, rng, 200) for start in plotting.INITIALIZER_STYLES)
    assert normal.recurrent_kernel.std() == pytest.approx(1, abs=0.02)
    assert normal.kernel.std() == pytest.approx(1, abs=0.2)
    assert np.abs(glorot.recurrent_kernel).max() <= np.sqrt(6 / 400)
    np.testing.assert_allclose(orthogonal.recurrent_kernel @ orthogonal.recurrent_kernel.T, np.eye(200), atol=1e-12)
    assert not any(rnn.bias.any() for rnn in (normal, glorot, orthogonal))


def test_the_readout_is_the_least_squares_optimum():
    rng = np.random.default_rng(0)
    states, targets = rng.normal(size=(40, 3)), rng.normal(size=(40, 2))
    W_y, b_y = experiments.fit_readout(states, targets)
    left = targets - states @ W_y - b_y
    np.testing.assert_allclose(states.T @ left, 0, atol=1e-10)
    np.testing.assert_allclose(left.sum(axis=0), 0, atol=1e-10)
    exact = experiments.fit_readout(states, states @ [[1.0], [2.0], [3.0]] + 4)
    np.testing.assert_allclose(exact[0].ravel(), [1, 2, 3])
    np.testing.assert_allclose(exact[1], 4)


def test_a_shift_register_recalls_as_many_bits_as_it_has_units_and_no_more():
    bits = np.random.default_rng(0).choice([-1.0, 1.0], 4000)
    rnn = RNN(1, 8, 1)
    rnn.kernel = np.eye(1, 8)
    rnn.recurrent_kernel = np.eye(8, k=1)  # each unit hands its number to the next
    curve = experiments.recall(hidden_states(rnn, bits, activation=lambda a: a), bits, most=20)
    np.testing.assert_allclose(curve[:8], 1)
    assert curve[8:].max() < 0.02
    assert curve.sum() == pytest.approx(8, abs=0.1)


def test_a_state_that_knows_nothing_recalls_nothing():
    rng = np.random.default_rng(0)
    assert experiments.recall(rng.normal(size=(6000, 10)), rng.choice([-1.0, 1.0], 6000), most=20).max() < 0.01


def test_recall_is_measured_on_bits_that_were_not_fitted():
    rng = np.random.default_rng(0)  # 40 units of chance fit 100 moments well, and other moments not at all
    assert experiments.recall(rng.normal(size=(200, 40)), rng.choice([-1.0, 1.0], 200), most=5).max() < 0.1


def test_the_networks_of_the_capacity_differ_in_what_their_names_say():
    bits = np.random.default_rng(1).choice([-1.0, 1.0], 40)
    found = experiments.random_networks(bits, np.random.default_rng(0))
    assert list(found) == [
        *plotting.INITIALIZER_STYLES,
        "large W_x",
        "small inputs",
        "linear",
        "orthogonal, noisy",
        "small inputs, noisy",
        "linear, noisy",
    ]
    for name, (rnn, reads, activation) in found.items():
        kind = name.removesuffix(", noisy")
        np.testing.assert_array_equal(reads, 0.2 * bits if kind == "small inputs" else bits)
        W_h = rnn.recurrent_kernel
        if kind not in ("N(0, 1)", "Glorot"):
            np.testing.assert_allclose(W_h @ W_h.T, (0.81 if kind == "linear" else 1) * np.eye(50), atol=1e-12)
        assert (np.abs(rnn.kernel).max() > 1) == (kind in ("N(0, 1)", "large W_x"))
        assert not rnn.bias.any()
        off = activation(np.full(20_000, 0.5)) - (0.5 if kind == "linear" else np.tanh(0.5))
        assert off.std() == pytest.approx(0.1 if name.endswith("noisy") else 0, abs=0.002)
        assert abs(off.mean()) < 0.005


def test_the_recorded_rows_are_those_of_this_code():
    row = experiments.measure_radius(4)
    assert row == pytest.approx(find_row("circular-law", 4), rel=1e-9)
    row = experiments.measure_capacity(4)
    assert row == pytest.approx(find_row("memory-capacity", 4), abs=0.3)  # N(0, 1) weights are chaotic


def find_row(key, seed):
    row = next(row for row in results.recorded(key).rows if row["seed"] == seed)
    return {name: value for name, value in row.items() if name != "seed"}


@pytest.mark.parametrize(
    ("key", "spoil"),
    [
        ("circular-law", {"n50": 9.5}),
        ("circular-law", {"n50": 6.0}),
        ("circular-law", {"n400": 19.0}),
        ("circular-law", {"n400": 23.0}),
        ("memory-capacity", {"N(0, 1)": 4.1}),
        ("memory-capacity", {"large W_x": 5.9}),
        ("memory-capacity", {"large W_x": 30.0}),
        ("memory-capacity", {"small inputs": 15.0}),
        ("memory-capacity", {"small inputs, noisy": 12.5}),
        ("memory-capacity", {"orthogonal, noisy": 26.0}),
        ("memory-capacity", {"linear, noisy": 25.5}),
        ("memory-capacity", {"Glorot": 7.0}),
        ("memory-capacity", {"Glorot": 30.0}),
        ("memory-capacity", {"orthogonal": 48.0}),
        ("memory-capacity", {"small inputs": 49.99}),
        ("memory-capacity", {"linear": 52.0}),
        ("memory-capacity", {"linear": 46.9}),
    ],
)
def test_each_bound_can_fail(key, spoil):
    criterion_can_fail(key, spoil)


def test_the_lesson_shows_the_recorded_code():
    lesson_shows(
        LESSON,
        [
            experiments.spectral_radius,
            random_rnn,
            hidden_states,
            experiments.fit_readout,
            experiments.recall,
            experiments.disturbed,
            experiments.random_networks,
        ],
    )


# ---------------------------------------------------------------------------------------------------------------------
# The panel
# ---------------------------------------------------------------------------------------------------------------------
def test_the_states_of_the_panel_are_those_of_an_rnn():
    states, radius = panels.states_while_reading("ab", 0.5, units=6)
    rng = np.random.default_rng(3)
    RNN(26, 6, 1, rng=rng)  # draws as many numbers as the panel's does before its own
    W_x, W_h = 0.5 * rng.standard_normal((26, 6)), 0.5 * rng.standard_normal((6, 6))
    first = np.tanh(W_x[0])
    np.testing.assert_allclose(states, [first, np.tanh(W_x[1] + first @ W_h)])
    assert radius == pytest.approx(np.abs(np.linalg.eigvals(W_h)).max())


def test_the_panel_shows_what_it_is_there_to_show():
    small, middle, large = (panels.states_while_reading("remembering", scale) for scale in (0.05, 0.14, 1.0))
    assert np.abs(small[0]).max() < 0.3
    assert 0.9 < middle[1] < 1.2
    assert (np.abs(large[0]) > 0.99).mean() > 0.5


@pytest.mark.parametrize("word", ["", "two words", "Ä"])
def test_states_while_reading_refuses_what_is_no_word(word):
    with pytest.raises(ValueError, match=r"at least one letter|is not among the 26 symbols"):
        panels.states_while_reading(word, 1.0)


def test_the_static_panel_has_three_scales(shown):
    panels.saturation_panel()
    assert all(words in shown[0].alt for words in ("scale 0.05", "scale 0.14", "scale 1,"))


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (("a", 1, 0.02), "scale 0.02"),
        (("Banana!", 4, 1.0), "letters of banana, after step 4"),
        (("ab", 12, 1.2), "after step 2;"),  # there are no more letters
        (("extraordinarily", 12, 1.2), "letters of extraordinar, after step 12"),
        (("", 3, 1.0), "asks for a word"),
        (("123", 3, 1.0), "asks for a word"),
    ],
)
def test_the_panel_says_what_it_draws(setting, words):
    fig, alt = panels._draw_panel(*setting)
    assert words in alt
    plt.close(fig)


def test_eigenvalues_lie_where_they_belong():
    plotting.use_style()
    fig, ax = plt.subplots()
    figures.draw_eigenvalues(ax, {"orthogonal": np.eye(4)[[1, 2, 3, 0]]}, 2)
    drawn, circle = ax.lines
    np.testing.assert_allclose(np.hypot(*drawn.get_data()), 1)
    np.testing.assert_allclose(np.hypot(*circle.get_data()), 2)
    assert ax.get_xlim()[1] > 2
    check_legible(fig)
    plt.close(fig)


def test_the_panel_draws_the_states_it_speaks_of(monkeypatch):
    states = np.full((3, 50), -0.995)  # saturated below, then half and half, then at rest
    states[1, :25], states[2] = 0.5, 0.1
    monkeypatch.setattr(panels, "states_while_reading", lambda word, scale: (states, 1.0))
    shades = []
    monkeypatch.setattr(plotting, "draw_unrolled", lambda *args, states, **kwargs: shades.append(states))
    plotting.use_style()
    fig, alt = panels._draw_panel("abc", 3, 1.0)
    assert "50% of them beyond" in alt
    chart, bars = fig.axes[:2]
    np.testing.assert_array_equal(chart.collections[0].get_array().reshape(50, 3), states.T)
    assert bars.get_title(loc="right").startswith("50%")
    assert sum(bar.get_height() for bar in bars.patches) == pytest.approx(100)
    np.testing.assert_allclose(shades[0], np.sqrt((states**2).mean(axis=1)))
    plt.close(fig)


# ---------------------------------------------------------------------------------------------------------------------
# The exercises: answers to attempts that are in no list
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("numbers", [(12, 6, -3), (10, 5, -2), (30, 10, -5), np.array([20.0, 8.0, -4.0])])
def test_3_1_takes_any_alarm_that_works(numbers, answer):
    assert "PASSED" in answer(ex.check, "3.1", lambda: numbers)


@pytest.mark.parametrize(
    ("numbers", "phrase"),
    [
        ((np.nan, 6, -3), "is not finite"),
        ((-12, 6, -3), "does not ring"),
        ((12, 6), "got shape (2,)"),
        ((12, 6, 0.1), "yours pushes up"),
        ((12, 3, -3), "from h = 1 is 0"),
        ((10, 4, -2), "a few in a row"),  # unkind disturbances are what the worst case is for
        ((12, 6, -0.5), "the disturbances alone set it off"),  # random ones would hardly ever find these two
        ((8, 5, -2), "w_x has to overcome"),
        ((10, 6, -3), "h is 0.38"),
        ((5, -3, 0), "works against itself"),
        ((10.25, 6, -3), "Push harder"),
    ],
)
def test_3_1_says_what_the_alarm_does(numbers, phrase, answer):
    assert phrase in answer(ex.check, "3.1", lambda: numbers)


@given(st.floats(1.2, 12), st.floats(-4, 4))
def test_3_1s_resting_places_are_where_the_unit_stays(w_h, b):
    for place in ex._resting_places(w_h, b):
        assert abs(np.tanh(w_h * place + b) - place) < 2e-3


def test_3_1_rings_above_one_half_and_not_before(answer):
    # rests at .3 while it should be silent, which is no ringing, and at .4 only when called, which is none either
    assert "h is 0.4" in answer(ex.check, "3.1", lambda: (0.55, 0, -0.1))
    assert "PASSED" in answer(ex.check, "3.1", lambda: (12, 6, -3.2))


def test_3_2_as_handed_out_forgets_and_nothing_else():
    rnn = RNN(3, 4, 2, rng=0)
    buggy, x = running.function_from(ex.BUG.stub), np.ones((2, 3))
    rnn.reset_state(2)
    first, second = (buggy(rnn, x)[1].copy() for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(buggy(rnn, x, np.ones((2, 4)))[0], rnn.forward(x, np.ones((2, 4)))[0])


def test_3_2_takes_another_way_of_mending_it(answer):
    def forward_with_a_bug(rnn, inputs, hidden_state=None):
        return rnn.forward(inputs, hidden_state)

    assert "PASSED" in answer(ex.check, "3.2", forward_with_a_bug)


@pytest.mark.parametrize(
    ("line", "instead", "phrase"),
    [
        ("np.tanh(a)", "a", "The state after a first step"),
        ("+ rnn.output_bias", "", "the output is not"),
        ("    if hidden_state is None:", "    rnn.reset_state = lambda n: None\n    if hidden_state is None:", "h = 0"),
    ],
)
def test_3_2_says_what_else_is_wrong(line, instead, phrase, answer):
    assert phrase in answer(ex.check, "3.2", running.function_from(ex.MENDED.replace(line, instead)))


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.floats(0.1, 3))
def test_3_3s_solution_has_the_radius_asked_for(seed, units, radius):
    kernel = np.random.default_rng(seed).standard_normal((units, units))
    scaled = ex.with_radius(kernel, radius)
    assert experiments.spectral_radius(scaled) == pytest.approx(radius)
    np.testing.assert_allclose(scaled * kernel[0, 0], kernel * scaled[0, 0], atol=1e-9)


@pytest.mark.parametrize(
    ("attempt", "phrase"),
    [
        (lambda w, r: 2 * ex.with_radius(w, r), "spectral radius 1.800; 0.9 was asked for"),
        (lambda w, r: np.clip(w, -r, r), "changed entry by entry"),
        (lambda w, r: ex.with_radius(w, 0.9), "spectral radius 0.900; 1.5 was asked for"),
        (lambda w, r: w * np.nan, "finite"),
        (lambda w, r: w[0], "of shape (20, 20)"),
    ],
)
def test_3_3_says_what_is_wrong(attempt, phrase, answer):
    assert phrase in answer(ex.check, "3.3", attempt)


def test_3_4_names_the_row(answer):
    def all_but_one(outputs, mask):
        found = ex.last_real(outputs, mask)
        found[1] = 7
        return found

    assert "Row 1 has 2 real steps of 7, so its answer stands at index 1" in answer(ex.check, "3.4", all_but_one)
    assert "of shape (5, 3)" in answer(ex.check, "3.4", lambda outputs, mask: outputs)


def test_3_4_takes_a_loop(answer):
    assert "PASSED" in answer(
        ex.check,
        "3.4",
        lambda outputs, mask: np.array([row[real][-1] for row, real in zip(outputs, mask, strict=True)]),
    )


@pytest.mark.parametrize(("behave", "truth"), [world[:2] for world in ex.WORLDS])
def test_3_5s_worlds_are_what_they_are_said_to_be(behave, truth):
    assert ex.how_far_back(ex._world(behave)) == truth


def test_3_5_finds_the_memory_of_the_lessons_networks():
    parity = parity_network(6)
    assert ex.how_far_back(lambda bits: unroll(parity, bits[..., None])[1][..., 0] > 0.5) == 20
    forgetful = RNN(1, 5, 1, rng=0)
    forgetful.recurrent_kernel[:] = 0
    assert ex.how_far_back(lambda bits: unroll(forgetful, bits[..., None])[1][..., 0].round(9)) == 0


@pytest.mark.parametrize(
    ("attempt", "phrase"),
    [
        (lambda network: 3.5, "what came is 3.5"),
        (lambda network: 0.0, "Its reach is 3"),
        (lambda network: True, "what came is True"),
        (lambda network: 21, "from 0 to 20"),
        (lambda network: network([0, 1]), "an array of shape `(batch, time)`"),
        (lambda network: network(np.full((2, 5), 2)), "zeros and ones"),
        (lambda network: network("0101"), "zeros and ones"),
        (lambda network: [network(np.zeros((1000, 1000))) for _ in range(9)], "more than 3,000,000 bits"),
    ],
)
def test_3_5_says_what_it_cannot_use(attempt, phrase, answer):
    assert phrase in answer(ex.check, "3.5", attempt)


def test_3_5_takes_the_other_way_round(answer):
    def how_far_back(network):  # flip the first bit of many rows, and see how late an output still changes
        rng = np.random.default_rng(1)
        contexts = (rng.random((400, 21)) < np.linspace(0, 1, 400)[:, None]).astype(float)
        changed = contexts.copy()
        changed[:, 0] = 1 - changed[:, 0]
        differs = (network(contexts) != network(changed)).any(axis=0)
        return int(np.flatnonzero(differs).max(initial=0))

    assert "PASSED" in answer(ex.check, "3.5", how_far_back)


# ---------------------------------------------------------------------------------------------------------------------
# Each measurement once, at toy size
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("key", "toys"),
    [
        ("circular-law", {}),
        (
            "memory-capacity",
            {
                "hidden_states": lambda run: lambda rnn, numbers, activation: run(rnn, numbers[:500], activation),
                "recall": lambda recall: lambda states, bits: recall(states, bits[:500]),
            },
        ),
    ],
)
def test_each_measurement_runs(key, toys, monkeypatch):
    measured_at_toy_size(key, monkeypatch, **toys)
