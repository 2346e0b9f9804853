"""Lesson 04: its recorded experiments, its panel and its triangle, and what its exercises answer."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from figure_checks import check_legible
from hypothesis import given, settings
from hypothesis import strategies as st
from results_checks import criterion_can_fail, lesson_shows, measured_at_toy_size

from course_lib import plotting, tasks
from course_lib.gradients import relative_error
from course_lib.layers import Dense
from course_lib.lessons.lesson_04_backpropagation_through_time import exercises as ex
from course_lib.lessons.lesson_04_backpropagation_through_time import experiments, figures, panels
from course_lib.losses import SoftmaxCrossEntropy
from course_lib.model import Model
from course_lib.ngrams import NGram
from course_lib.recurrent import SimpleRNN
from course_lib.sequences import one_hot
from course_lib.teaching import running

numbers = st.floats(-3, 3)


# ---------------------------------------------------------------------------------------------------------------------
# The recorded experiments
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("key", "spoil"),
    [
        ("elman-xor", {"full": 0.06}),
        ("elman-xor", {"one_step": 0.09}),
        ("elman-words", {"full": 0.89}),
        ("elman-words", {"mse_frozen": 0.2}),
        ("elman-words", {"mse_full": 0.15}),
        ("embedded-reber", {"full": None}),
        ("embedded-reber", {"full": 40_800}),
        ("words-of-the-dictionary", {"auc": 0.9}),
        ("words-of-the-dictionary", {"network": 3.9}),
        ("embedded-reber", {"one_step": 24_000}),
        ("embedded-reber", {"after_switch": None}),
        ("embedded-reber", {"memory_one_step": 0.5}),
    ],
)
def test_each_criterion_can_fail(key, spoil):
    criterion_can_fail(key, spoil)


def test_table_surprise_by_hand():
    ids = np.array([0, 1, 0, 1, 0, 0])
    singles = experiments.table_surprisal(ids, ids, 1, symbols=2, prior=2.0)
    p = (np.array([4, 2]) + 2 * 0.5) / (6 + 2)  # counts and two imagined symbols, spread evenly
    np.testing.assert_allclose(singles, -np.log2(p[ids[1:]]))
    pairs = experiments.table_surprisal(ids, ids, 2, symbols=2, prior=2.0)
    after = (np.array([[1, 2], [2, 0]]) + 2 * p) / np.array([[3 + 2], [2 + 2]])  # row: the symbol before
    np.testing.assert_allclose(pairs, -np.log2(after[ids[:-1], ids[1:]]))


def test_onset_auc_by_hand():
    onsets = np.array([True, False, True, False])  # the first letter is never predicted
    assert experiments.onset_auc(np.array([1.0, 2.0, 1.0]), onsets) == 1
    assert experiments.onset_auc(np.array([3.0, 2.0, 1.0]), onsets) == 0.5
    assert experiments.onset_auc(np.array([2.0, 2.0, 2.0]), onsets) == 0.5


def test_no_predictor_of_one_letter_has_less_error_than_the_memoryless_optimum():
    rng = np.random.default_rng(0)
    text = tasks.elman_letters(50, rng)
    least = (experiments.letter_pair_errors(text) ** 2).mean()
    codes = np.array([text.codes[letter] for letter in text.letters])
    now = np.array(list(text.letters[:-1]))
    means = {letter: codes[1:][now == letter].mean(axis=0) for letter in text.codes}
    for _ in range(20):  # nudge the answer to one letter at a time
        letter = rng.choice(list(means))
        other = means | {letter: means[letter] + rng.normal(scale=0.1, size=5)}
        assert ((np.array([other[x] for x in now]) - codes[1:]) ** 2).mean() > least


def test_network_surprise_is_the_loss_in_bits():
    rng = np.random.default_rng(0)
    model = Model([SimpleRNN(26, 4, rng=rng), Dense(4, 26, rng=rng)], SoftmaxCrossEntropy())
    ids = rng.integers(0, 26, 30)
    loss = model.evaluate(one_hot(ids[None, :-1], 26), ids[None, 1:])
    assert experiments.network_surprisal(model, ids).mean() == pytest.approx(loss / np.log(2), rel=1e-5)


def test_lesson_04_shows_the_recorded_code():
    lesson_shows(
        "04_backpropagation_through_time",
        [
            experiments.xor_errors,
            experiments.letter_errors,
            experiments.onset_auc,
            experiments.solved,
            experiments.train_reber,
            experiments.memory_of_second_letter,
            experiments.run_together,
            experiments.train_on_words,
            experiments.network_surprisal,
        ],
        {"course_bptt": "bptt"},
    )


# ---------------------------------------------------------------------------------------------------------------------
# The network of the panel
# ---------------------------------------------------------------------------------------------------------------------
def last_state(weight, inputs, nudged, nudge):
    """h_T when h_nudged (counted from 1) is changed by ``nudge``."""
    h = 0.0
    for t, x in enumerate(inputs, start=1):
        h = np.tanh(weight * h + x) + nudge * (t == nudged)
    return h


@given(numbers, st.lists(numbers, min_size=1, max_size=12))
def test_scalar_gradients_agree_with_finite_differences(weight, inputs):
    states, gradient = panels.scalar_gradients(weight, inputs)
    assert states[-1] == last_state(weight, inputs, 0, 0)
    epsilon = 1e-5
    numeric = np.empty(len(inputs))
    for s in range(1, len(inputs) + 1):
        above, below = (last_state(weight, inputs, s, nudge) for nudge in (epsilon, -epsilon))
        numeric[s - 1] = (above - below) / (2 * epsilon)
    if np.abs(gradient).max() < 100:
        assert relative_error(gradient, numeric) < 1e-6
    else:  # where gradients explode, so does the curvature that a difference cannot see
        assert relative_error(gradient, numeric) < 1e-2


@given(numbers, st.lists(numbers, min_size=1, max_size=12), st.data())
def test_truncation_keeps_the_last_states_gradients_and_nothing_else(weight, inputs, data):
    truncation = data.draw(st.integers(1, len(inputs)))
    states, gradient = panels.scalar_gradients(weight, inputs)
    same, cut = panels.scalar_gradients(weight, inputs, truncation)
    first = len(inputs) - truncation
    assert (same == states).all()
    assert (cut[:first] == 0).all()
    assert (cut[first:] == gradient[first:]).all()


def test_without_input_each_step_back_multiplies_by_the_weight():
    _, gradient = panels.scalar_gradients(1.5, np.zeros(4))
    assert gradient.tolist() == [1.5**3, 1.5**2, 1.5, 1]


def test_scalar_gradients_refuse_what_is_no_sequence():
    with pytest.raises(ValueError, match=r"array \(T,\), but got shape \(0,\)"):
        panels.scalar_gradients(1, [])
    with pytest.raises(ValueError, match=r"got shape \(2, 2\)"):
        panels.scalar_gradients(1, np.ones((2, 2)))
    for truncation in (0, 4):
        with pytest.raises(ValueError, match=f"between 1 and 3 states, but got truncation {truncation}"):
            panels.scalar_gradients(1, [1, 2, 3], truncation)


# ---------------------------------------------------------------------------------------------------------------------
# The panel
# ---------------------------------------------------------------------------------------------------------------------
def test_the_static_panel_makes_its_point(shown):
    panels.bptt_panel()
    for words in ("weight 0.5", "weight 1 ", "weight 1.5 and inputs of ±0.01", "weight 1.5 and inputs of ±2"):
        assert words in shown[0].alt
    fades, keeps, grows, saturates = (
        abs(panels.scalar_gradients(w, size * panels._PATTERN)[1][0])
        for w, size in ((0.5, 0.1), (1, 0.1), (1.5, 0.01), (1.5, 2))
    )
    assert fades < 0.5**11
    assert 0.5 < keeps < 1
    assert grows > 10
    assert saturates < 1e-3


@pytest.mark.parametrize("setting", [(2.0, 0.0, 12), (-2.0, 3.0, 1), (0.0, 0.1, 12), (1.3, 0.1, 4)])
def test_what_a_cut_takes_away_is_hollow(setting):
    fig, alt = panels._draw_bptt(*setting)
    assert f"weight {setting[0]:g} " in alt
    assert ("a cut leaves none for h_1" in alt) == (setting[2] < 12)
    hollow = [line for line in fig.axes[0].lines if line.get_markerfacecolor() == plotting.BACKGROUND]
    lost = sorted(x for line in hollow for x in line.get_xdata())
    assert lost == list(range(1, 13 - setting[2]))
    plt.close(fig)


# ---------------------------------------------------------------------------------------------------------------------
# The triangle
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("steps", [9, 40])
def test_the_triangle_is_legible(steps):
    plotting.use_style()
    fig, ax = plt.subplots(figsize=(5, 4.4))
    shares = np.random.default_rng(0).normal(size=(steps, steps))
    figures.gradient_triangle(ax, shares, shares > 0, title="one: 50 %")
    check_legible(fig)
    plt.close(fig)


@given(st.integers(1, 12), st.integers(1, 12))
@settings(max_examples=10)
def test_triangle_colours_what_is_kept_and_dots_what_is_lost(steps, window):
    shares = np.random.default_rng(steps).normal(size=(steps, steps))
    t, s = np.indices(shares.shape)
    fig, ax = plt.subplots()
    mesh = figures.gradient_triangle(ax, shares, t - s < window, title="a window")
    hidden = np.ma.getmaskarray(mesh.get_array())
    assert (hidden == ((s > t) | (t - s >= window))).all()
    assert mesh.norm(0.0) == 0.5  # the sign can be read from the colour
    (dots,) = ax.lines
    lost = {(row + 1, column + 1) for row, column in np.argwhere(t - s >= window).tolist()}
    assert {(row, column) for column, row in dots.get_xydata().tolist()} == lost
    plt.close(fig)


@pytest.mark.parametrize(
    ("shares", "kept", "message"),
    [
        (np.ones((2, 3)), np.ones((2, 3)), r"got \(2, 3\) and \(2, 3\)"),
        (np.ones((2, 2)), np.ones((3, 3)), r"got \(2, 2\) and \(3, 3\)"),
        (np.full((2, 2), np.nan), np.ones((2, 2)), "Is the whole gradient zero"),
    ],
)
def test_triangle_refuses_what_is_no_share(shares, kept, message):
    with pytest.raises(ValueError, match=message):
        figures.gradient_triangle(plt.figure().add_subplot(), shares, kept, title="")


# ---------------------------------------------------------------------------------------------------------------------
# The exercises: answers to attempts that are in no list of misconceptions
# ---------------------------------------------------------------------------------------------------------------------
def test_4_1_tells_which_half_of_the_line_is_wrong(answer):
    shown = answer(ex.check, "4.1", lambda dh, h, w: (dh * (1 - h)) @ w.T)
    assert "tanh has slope 1, your line is right. Where `recurrent_kernel` is the identity, it is wrong" in shown
    shown = answer(ex.check, "4.1", lambda dh, h, w: (dh * (1 - h**2)) @ np.triu(w.T))
    assert "your line is wrong: only the product" in shown
    assert "it is right." in shown


def test_4_2_tells_which_steps_are_wrong(answer):
    shown = answer(ex.check, "4.2", lambda states, das: sum(states[t].T @ das[t] for t in range(1, len(das))))
    assert "right for steps 2, 3 and 4 and wrong for step 1 of 4" in shown
    shown = answer(ex.check, "4.2", lambda states, das: 7 * ex.recurrent_kernel_gradient(states, das))
    assert "right for no step and wrong for steps 1, 2, 3 and 4" in shown

    def keeps_largest(states, das):
        return max((h.T @ da for h, da in zip(states, das, strict=False)), key=np.linalg.norm)

    assert "it is not the sum of what they give alone" in answer(ex.check, "4.2", keeps_largest)


def test_4_3_as_handed_out_is_wrong_in_one_gradient_only():
    rng = np.random.default_rng(0)
    rnn = ex.RNN(2, 4, 3, rng=rng)
    inputs, start, loss = rng.normal(size=(5, 6, 2)), rng.normal(size=(5, 4)), rng.normal(size=(5, 6, 3))
    args = ex._pass(rnn, inputs, start, loss)
    right = ex._by_finite_differences(rnn, inputs, start, loss)
    found = ex._five_gradients(running.function_from(ex.FIND_THE_LINE.stub)(*args), rnn)
    errors = {name: ex.relative_error(found[name], right[name]) for name in right}
    assert errors.pop("kernel") > 0.1
    assert max(errors.values()) < 1e-6


def test_4_3_names_what_is_right_and_what_is_wrong(answer):
    exchanged = ex.MENDED.replace(ex.CARRY, "").replace(ex.SERVE_RECURRENT, "") + "\n"
    exchanged = exchanged.replace(ex.SERVE_KERNEL, ex.SERVE_KERNEL + ex.CARRY + ex.SERVE_RECURRENT)
    shown = answer(ex.check, "4.3", running.function_from(exchanged))
    assert "right for `kernel`, `bias`, `output_kernel` and `output_bias` and wrong for `recurrent_kernel`." in shown
    assert "The blame gets to every step as it should." in shown
    first_row_only = ex.MENDED.replace("d_bias += gradient.sum(axis=0)", "d_bias += gradient[0]")
    shown = answer(ex.check, "4.3", running.function_from(first_row_only))
    assert "for a batch of 3 those of `bias` are wrong" in shown


def test_4_3_takes_another_way_of_mending_it(answer):
    rewritten = ex.BUGGY.replace(ex.CARRY, "        da = gradient\n" + ex.CARRY).replace(
        ex.SERVE_KERNEL, ex.SERVE_KERNEL.replace("@ gradient", "@ da")
    )
    assert "PASSED" in answer(ex.check, "4.3", running.function_from(rewritten))


def test_4_3_wants_five_gradients(answer):
    def four(rnn, *args):
        return rnn.weights[:4]

    assert "What came is 4 of them" in answer(ex.check, "4.3", four)


def test_4_4_names_an_entry_and_the_reason(answer):
    def longer(T, chunk):
        wanted = ex.reach(T, chunk)
        wanted[chunk % T, 0] = True
        return wanted

    shown = answer(ex.check, "4.4", longer)
    assert "For T = 7 and chunk = 3, entry [3, 0] should be False: step 0 is in chunk 0 and step 3 in chunk 1" in shown
    assert "entry [1, 0] should be True: steps 0 and 1 are in the same chunk" in answer(
        ex.check, "4.4", lambda T, chunk: np.eye(T)
    )
    assert "should be True or False" in answer(ex.check, "4.4", lambda T, chunk: 2 * np.eye(T))
    assert "PASSED" in answer(ex.check, "4.4", lambda T, chunk: ex.reach(T, chunk).astype(int).tolist())


@pytest.mark.parametrize(
    ("attempt", "phrase"),
    [
        (lambda measure: {1: [0.5]}, "Expected: a pair"),
        (lambda measure: ({}, 2), "nothing was measured"),
        (lambda measure: ({2: [0.1, 0.1, 0.1]}, 2), "nothing was measured there"),
        (
            lambda measure: ({1: [measure(1, s) for s in (0, 1, 2)] + [-0.1]}, None),
            "holds -0.1, which was not measured",
        ),
        (lambda measure: ({1: [measure(1, s) for s in range(5)][:3]}, None), "Leaving out runs"),
        (lambda measure: ({1: [measure(1, s) for s in (0, 1, 2)]}, 4), "a length that you did not measure"),
        (lambda measure: ({1: [measure(1, s) for s in (0, 1, 2)]}, "one"), "of type `str`"),
        (lambda measure: (measure(0, 0), 1), "a truncation of at least 1"),
        (lambda measure: (measure(1, 0.5), 1), "a seed of at least 0"),
        (lambda measure: (ex.design(measure)[0], 5), "at k = 2 every seed is below 0.2 already"),
        (lambda measure: (ex.design(measure)[0], None), "at k = 2 every seed is below 0.2 already"),
    ],
)
def test_4_5_says_what_a_referee_would(attempt, phrase, answer):
    assert phrase in answer(ex.check, "4.5", attempt)


def test_4_5_takes_other_designs(answer):
    def until_enough(measure):
        results = {}
        for k in range(1, 9):
            results[k] = np.array([measure(k, seed) for seed in (11, 5, 8, 2)])
            if (results[k] < 0.2).all():
                return results, k
        return results, None

    assert "PASSED" in answer(ex.check, "4.5", until_enough)


texts = st.lists(st.integers(0, 2), min_size=5, max_size=40)


@given(texts, texts, st.integers(1, 3))
def test_the_lessons_table_is_an_interpolated_one_that_begins_earlier(read, tested, n):
    read, tested = np.array(read), np.array(tested)
    interpolated = NGram(n, 3, pseudocount=5.0, interpolated=True).read(read).surprisal(tested)
    ours = experiments.table_surprisal(read, tested, n, symbols=3)
    assert len(ours) == len(tested) - 1
    np.testing.assert_allclose(interpolated[-len(ours) :], ours[-len(interpolated) :])


# ---------------------------------------------------------------------------------------------------------------------
# Each measurement once, at toy size
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("key", "toys"),
    [
        ("elman-xor", {"xor_errors": {"updates": 3}}),
        ("elman-words", {}),
        pytest.param(
            "words-of-the-dictionary",
            {
                "run_together": lambda words: lambda part, rng: [array[:1500] for array in words(part, rng)],
                "train_on_words": lambda train: lambda ids, rng: train(ids[:700], rng),
            },
            marks=pytest.mark.slow,
        ),
        (
            "embedded-reber",
            {"train_reber": lambda train: lambda rnn, rng, most, **options: train(rnn, rng, 64, **options)},
        ),
    ],
)
def test_each_measurement_runs(key, toys, monkeypatch):
    draw = tasks.elman_letters
    monkeypatch.setattr(tasks, "elman_letters", lambda sentences, rng: draw(min(sentences, 6), rng))
    measured_at_toy_size(key, monkeypatch, **toys)
