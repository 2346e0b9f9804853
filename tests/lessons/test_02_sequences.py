"""Lesson 02: its bounds can fail, it shows what was recorded, its exercises answer, its panel follows its knobs."""

from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import pytest
from figure_checks import check_legible
from matplotlib.colors import to_rgb
from results_checks import criterion_can_fail, lesson_shows, measured_at_toy_size

from course_lib import datasets, plotting
from course_lib.gradients import relative_error
from course_lib.lessons.lesson_02_sequences import exercises as ex
from course_lib.lessons.lesson_02_sequences import experiments, figures, panels
from course_lib.ngrams import NGram, floor_bits, languages, ngram_floor_bits
from course_lib.sequences import Vocabulary


# ---------------------------------------------------------------------------------------------------------------------
# Results
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("key", "spoil"),
    [
        ("shannon-english", {"f1_26": 4.30}),
        ("shannon-english", {"f2_27": 3.15}),
        ("shannon-english", {"f3_26": 3.20}),
        ("shannon-english", {"unseen3_27": 3.00}),
        ("tables-and-floor", {"read7": 1.6}),
        ("tables-and-floor", {"unseen4": 1.5}),
        ("tables-and-floor", {"unseen5": 1.7}),
        ("tables-and-floor", {"unseen7": 2.0}),
        ("shuffled-windows", {"shuffled": -0.4}),
        ("shuffled-windows", {"honest": 0.2}),
    ],
)
def test_each_bound_can_fail(key, spoil):
    criterion_can_fail(key, spoil)


def test_the_lesson_shows_the_recorded_code():
    lesson_shows(
        "02_sequences",
        [
            experiments.run_entropy,
            experiments.shannon_entropies,
            experiments.random_language,
            experiments.bits_of_tables,
            experiments.shuffle_and_split,
            experiments.split_both_ways,
        ],
    )


@pytest.mark.parametrize("seed", range(4))
def test_most_of_the_rise_beyond_n_4_comes_from_the_even_pseudo_count(seed):
    rng = np.random.default_rng(seed)
    source = experiments.random_language(rng)
    read, unseen = (Vocabulary("abcdef").encode(source.sample(rng, 10_000)) for _ in range(2))
    rise = {}
    for interpolated in (False, True):
        for m in (1, 4, 20):
            bits = [NGram(n, 6, m, interpolated).read(read).surprisal(unseen).mean() for n in range(4, 8)]
            rise[interpolated, m] = bits[-1] - min(bits)
    assert min(rise[False, m] for m in (1, 4, 20)) > 0.45
    assert rise[True, 20] < 0.1
    assert rise[True, 1] > rise[False, 1]  # one is too few: how they are spread is not all


def test_entropies_of_runs_by_hand():
    ids = np.array([0, 1] * 50 + [0])
    f1, f2, f3 = experiments.shannon_entropies(ids)
    assert f1 == pytest.approx(1, abs=1e-3)
    assert f2 == pytest.approx(0, abs=0.01)
    assert f3 == pytest.approx(0, abs=0.01)
    coins = np.random.default_rng(0).integers(0, 2, 20_000)
    assert experiments.shannon_entropies(coins) == pytest.approx([1, 1, 1], abs=0.01)


def test_halves_of_the_manual_share_no_paragraph():
    read, unseen = experiments.half_the_manual(np.random.default_rng(0))
    again, _ = experiments.half_the_manual(np.random.default_rng(0))
    assert (read == again).all()
    assert abs(len(read) - len(unseen)) < 0.1 * len(read)
    assert set(read) == set(unseen) == set(range(27))
    assert experiments.half_the_manual(np.random.default_rng(0), space=False)[0].max() == 25


def test_hardly_a_paragraph_of_the_manual_comes_twice():
    """So a half that has not been read is unseen."""
    paragraphs = datasets.load_python_manual().text.lower().split("\n")
    twice = [text for text, count in Counter(paragraphs).items() if count > 1]
    assert sum(map(len, twice)) < 0.01 * sum(map(len, paragraphs))


def test_the_split_keeps_every_piece_once():
    learn, test = experiments.shuffle_and_split(np.arange(50)[:, None], np.random.default_rng(0))
    assert (len(learn), len(test)) == (45, 5)
    assert sorted(np.concatenate([learn, test])[:, 0]) == list(range(50))


# ---------------------------------------------------------------------------------------------------------------------
# Exercises: attempts that are in no list
# ---------------------------------------------------------------------------------------------------------------------
def test_2_1_says_what_is_wanted_and_what_came(answer):
    shown = answer(ex.check, "2.1", lambda perplexity, characters: 3.5)
    assert "a character has 1.273 bits; your answer is 3.5. How many bits has the whole word" in shown
    assert "your answer is 3.403e+38." in answer(ex.check, "2.1", lambda perplexity, characters: 2**perplexity)
    assert "and 2 characters in a word" in answer(
        ex.check, "2.1", lambda perplexity, characters: np.log2(128) / characters
    )


def test_2_2_gradient_agrees_with_finite_differences():
    rng = np.random.default_rng(0)
    ids, weights, W = np.array([2, 0, 2]), rng.normal(size=(3, 4)), rng.normal(size=(5, 4))
    numeric = np.zeros_like(W)
    for index in np.ndindex(W.shape):
        for sign in (1, -1):
            nudged = W.copy()
            nudged[index] += sign * 1e-5
            numeric[index] += sign * (nudged[ids] * weights).sum() / 2e-5
    assert relative_error(ex.table_gradient(ids, weights, 5), numeric) < 1e-6


def test_2_2_accepts_the_one_hot_product_and_names_wrong_rows(answer):
    assert "PASSED" in answer(ex.check, "2.2", lambda ids, d, size: np.eye(size)[ids].T @ d)

    def off_by_one(ids, d_scores, size):
        return np.roll(ex.table_gradient(ids, d_scores, size), 1, axis=0)

    assert "wrong in rows 0, 1, 2 and 3. Row i answers" in answer(ex.check, "2.2", off_by_one)

    def one_row(ids, d_scores, size):
        dW = ex.table_gradient(ids, d_scores, size)
        dW[0] = 0
        return dW

    assert "wrong in row 0. Row i" in answer(ex.check, "2.2", one_row)
    assert "got shape (6, 2)" in answer(ex.check, "2.2", lambda ids, d, size: np.zeros((size, 2)))

    def rows_for_look_ups(ids, d_scores, size):
        dW = np.zeros((len(ids), d_scores.shape[1]))
        np.add.at(dW, ids, d_scores)
        return dW

    assert "got shape (5, 3)" in answer(ex.check, "2.2", rows_for_look_ups)


def test_2_3_other_mistakes(answer):
    assert "which steps are in the sum" in answer(ex.check, "2.3", lambda p, mask: 2.0)
    assert "got shape (3,)" in answer(ex.check, "2.3", lambda p, mask: -np.log2(p[:, 0]))
    assert "Is a number of rows or steps written in?" in answer(
        ex.check, "2.3", lambda p, mask: -np.log2(p[mask]).sum() / (10 if len(p) == 3 else 3)
    )


def test_2_4_other_mistakes(answer):
    def with_rows(learn, test):
        return lambda ids, length, first_of_test: (learn(ids, length, first_of_test), test(ids, length, first_of_test))

    good = ex.split_then_cut
    assert "two arrays" in answer(ex.check, "2.4", lambda ids, length, first: np.zeros(3))
    assert "tuple` with 3 parts" in answer(ex.check, "2.4", lambda ids, length, first: (*good(ids, length, first), 1))
    assert "for the test side" in answer(
        ex.check, "2.4", with_rows(lambda *a: good(*a)[0], lambda *a: good(*a)[1][:, 1:])
    )
    assert (
        "in yours some do not"
        in answer(ex.check, "2.4", with_rows(lambda *a: good(*a)[0][:, ::-1], lambda *a: good(*a)[1])).lower()
    )
    later = with_rows(lambda *a: good(a[0], a[1], a[2] + 3)[0], lambda *a: good(a[0], a[1], a[2] + 3)[1])
    assert "the border is not where it was asked for" in answer(ex.check, "2.4", later)
    # the order of the windows on each side is nobody's business
    shuffled = with_rows(lambda *a: good(*a)[0][::-1], lambda *a: list(good(*a)[1]))
    assert "PASSED" in answer(ex.check, "2.4", shuffled)


@pytest.mark.parametrize("asked", [range(1, 7), range(1, 8), range(2, 9), range(2, 8), (2, 3, 4, 6)])
def test_2_5_a_choice_that_leaves_an_n_out_is_told(answer, asked):
    def some(score):
        n = min(asked, key=lambda n: score(n, "validation"))
        return n, score(n, "test")

    assert "look at all eight" in answer(ex.check, "2.5", some)


def test_2_5_does_not_praise_a_choice_that_it_cannot_judge(answer):
    def chosen_by_test(score):
        bits = {n: (score(n, "test"), score(n, "validation")) for n in range(1, 9)}
        n = min(bits, key=bits.get)
        return n, bits[n][1]

    shown = answer(ex.check, "2.5", chosen_by_test)
    assert "it may have had a say in the choice" in " ".join(shown.split())
    assert "right" not in shown


def test_2_5_worlds_have_their_best_at_both_ends_and_either_text_the_luckier():
    best = [np.argmin(validation) + 1 for validation, *_ in ex.WORLDS]
    assert {1, 8} <= set(best)
    for validation, _, _ in ex.WORLDS:
        assert np.sum(np.array(validation) == min(validation)) == 1
    assert any(test[np.argmin(validation)] < min(validation) for validation, test, _ in ex.WORLDS)
    assert any(test[np.argmin(validation)] > min(validation) for validation, test, _ in ex.WORLDS)


def test_2_5_other_mistakes(answer):
    assert "expected: a pair" in answer(ex.check, "2.5", lambda score: 4).lower()
    assert "a whole number; what came is of type `float`" in answer(ex.check, "2.5", lambda score: (4.0, 1.8))
    assert "it was asked for n = 0" in answer(ex.check, "2.5", lambda score: (score(0, "test"), 1))
    assert "was asked for 'train'" in answer(ex.check, "2.5", lambda score: (score(1, "train"), 1))
    assert "no end" in answer(ex.check, "2.5", lambda score: [score(1, "learn") for _ in range(100)])

    def invented(score):
        n, bits = ex.choose_n(score)
        return n, bits - 0.01

    assert "Report what came out" in answer(ex.check, "2.5", invented)

    def unasked(score):
        return min(range(1, 9), key=lambda n: score(n, "validation")), 1.84

    assert "without having asked for it" in answer(ex.check, "2.5", unasked)

    def thrice(score):  # asking again for the same n is no new look
        n, _ = ex.choose_n(score)
        score(n, "test")
        return n, score(n, "test")

    assert "PASSED" in answer(ex.check, "2.5", thrice)


# ---------------------------------------------------------------------------------------------------------------------
# The panel
# ---------------------------------------------------------------------------------------------------------------------
def test_the_static_panel_makes_its_point(shown):
    panels.ngram_panel()
    (picture,) = shown
    for words in ("Markov: floor 1.82", "embedded Reber: floor 0.58", "temporal XOR: floor 0.67", "brackets: floor"):
        assert words in picture.alt
    for language in languages():
        *_, on_read, on_unseen = panels._measured(language, 10_000)
        assert on_unseen.min() > panels.floor_bits(languages()[language])
        assert on_read[-1] < on_unseen[-1]


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize(("n", "read"), [(1, "100 symbols"), (7, "100 symbols")])
def test_the_panel_draws_what_it_measures(language, n, read):
    fig, alt = panels._draw_ngram(language, n, read)
    assert f"n = {n}" in alt
    heights = [bar.get_height() for bar in fig.axes[0].patches]
    unseen, ids, truth, tables, on_read, on_unseen = panels._measured(language, 100)
    assert len(heights) == 30
    labels = [label.get_text() for label in fig.axes[0].get_xticklabels()]
    assert "".join(labels) in unseen
    at = unseen.index("".join(labels), 600)
    np.testing.assert_allclose(heights, tables[n - 1].surprisal(ids[at - n + 1 : at + 30]))
    np.testing.assert_allclose(fig.axes[0].lines[0].get_ydata(), truth[at : at + 30])
    endless, its, unseens, floor, ring = (line.get_ydata() for line in fig.axes[1].lines)
    np.testing.assert_allclose(its, on_read)
    np.testing.assert_allclose(unseens, on_unseen)
    np.testing.assert_allclose(floor, floor_bits(languages()[language]))
    assert endless[2] == ngram_floor_bits(languages()[language], 3)
    assert ring == [on_unseen[n - 1]]
    plt.close(fig)


def test_the_two_curves_can_be_told_from_the_background_and_from_each_other():
    def luminance(color):
        channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
        return np.dot([0.2126, 0.7152, 0.0722], channels)

    ground = luminance(plotting.BACKGROUND)
    for color in (figures.TRAINING_COLOR, figures.UNSEEN_COLOR):
        assert (ground + 0.05) / (luminance(color) + 0.05) > 3
    ax = plt.figure().add_subplot()
    figures.draw_bits(ax, np.ones(3), 2 * np.ones(3), 0.5, np.ones(3))
    endless, read, unseen, floor = ax.lines
    assert endless.get_linewidth() > 2 * unseen.get_linewidth()  # seen on both sides of whatever covers it
    assert read.get_linestyle() != unseen.get_linestyle() != floor.get_linestyle()
    assert read.get_marker() != unseen.get_marker()
    check_legible(ax.figure)
    plt.close("all")


# ---------------------------------------------------------------------------------------------------------------------
# Each measurement once, at toy size
# ---------------------------------------------------------------------------------------------------------------------
def _short(halves):
    return lambda *arguments, **options: [ids[:2000] for ids in halves(*arguments, **options)]


@pytest.mark.parametrize(
    ("key", "toys"),
    [("shannon-english", {"half_the_manual": _short}), ("tables-and-floor", {}), ("shuffled-windows", {})],
)
def test_each_measurement_runs(key, toys, monkeypatch):
    measured_at_toy_size(key, monkeypatch, **toys)
