"""Tables of counts: they count what they read, are distributions, and never beat a floor that is exact."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib import tasks
from course_lib.ngrams import NGram, end_to_end, floor_bits, languages, ngram_floor_bits, true_surprisal, xor_source
from course_lib.sequences import Vocabulary, windows
from course_lib.tasks import Automaton

texts = st.lists(st.integers(0, 2), min_size=5, max_size=40)


# ---------------------------------------------------------------------------------------------------------------------
# The table
# ---------------------------------------------------------------------------------------------------------------------
@given(texts, texts, st.integers(1, 4), st.floats(0.1, 5))
def test_a_table_counts_runs_as_a_dictionary_would(read, tested, n, pseudocount):
    table = NGram(n, 3, pseudocount).read(np.array(read))
    runs = Counter(tuple(read[i : i + n]) for i in range(len(read) - n + 1))
    rows = Counter(run[:-1] for run in runs.elements())
    assert table.rows == len(rows)
    p = []
    for i in range(len(tested) - n + 1):
        run = tuple(tested[i : i + n])
        p.append((runs[run] + pseudocount / 3) / (rows[run[:-1]] + pseudocount))
    np.testing.assert_allclose(table.surprisal(np.array(tested)), -np.log2(p))


@given(texts, st.lists(st.integers(0, 2), min_size=3, max_size=8), st.integers(1, 4), st.booleans())
def test_predictions_are_distributions_and_agree_with_the_surprise(read, before, n, interpolated):
    table = NGram(n, 3, interpolated=interpolated).read(np.array(read))
    p = table.predict(before)
    assert p.shape == (3,)
    assert p.min() > 0
    assert p.sum() == pytest.approx(1)
    for symbol in range(3):
        assert table.surprisal(np.array([*before, symbol]))[-1] == pytest.approx(-np.log2(p[symbol]))


@given(texts, texts, st.integers(1, 3), st.floats(0.1, 9))
def test_interpolation_spreads_the_pseudocount_as_the_shorter_n_gram_predicts(read, tested, n, pseudocount):
    def p(symbol, context):
        if len(context) == 0:
            share, runs = 1 / 3, Counter(read)
            return (runs[symbol] + pseudocount * share) / (len(read) + pseudocount)
        length = len(context) + 1
        runs = Counter(tuple(read[i : i + length]) for i in range(len(read) - length + 1))
        seen = sum(count for run, count in runs.items() if run[:-1] == context)
        return (runs[(*context, symbol)] + pseudocount * p(symbol, context[1:])) / (seen + pseudocount)

    bits = NGram(n, 3, pseudocount, interpolated=True).read(np.array(read)).surprisal(np.array(tested))
    expected = [-np.log2(p(tested[i], tuple(tested[i - n + 1 : i]))) for i in range(n - 1, len(tested))]
    np.testing.assert_allclose(bits, expected)


def test_rows_of_a_batch_do_not_run_into_each_other():
    together = NGram(2, 3).read(np.array([0, 1, 2, 0]))
    apart = NGram(2, 3).read(np.array([[0, 1], [2, 0]]))
    assert together.predict([1])[2] > apart.predict([1])[2]  # 1 -> 2 lies across the border
    batch = np.array([[0, 1, 2], [2, 0, 1]])
    np.testing.assert_array_equal(apart.surprisal(batch), [apart.surprisal(row) for row in batch])
    interpolated = NGram(2, 3, interpolated=True).read(batch)
    np.testing.assert_array_equal(interpolated.surprisal(batch), [interpolated.surprisal(row) for row in batch])


def test_an_unknown_run_is_worth_a_fair_choice():
    table = NGram(3, 4).read(np.array([0, 1, 2, 3]))
    assert table.surprisal(np.array([3, 3, 3])).tolist() == [2.0]
    np.testing.assert_allclose(table.predict([3, 3]), 0.25)


def test_what_is_no_text_is_refused():
    with pytest.raises(ValueError, match="got n = 0 and size = 3"):
        NGram(0, 3)
    with pytest.raises(ValueError, match=r"27\^20 runs of 20 symbols"):
        NGram(20, 27)
    NGram(13, 27)  # the longest whose runs fit
    with pytest.raises(ValueError, match=r"27\^14 runs"):
        NGram(14, 27)
    with pytest.raises(ValueError, match="pseudocount above 0, but got 0"):
        NGram(2, 3, pseudocount=0)
    with pytest.raises(RuntimeError, match=r"has read nothing yet. Call read\(ids\) first"):
        NGram(2, 3).surprisal(np.array([0, 1]))
    with pytest.raises(RuntimeError, match="has read nothing"):
        NGram(2, 3).rows  # noqa: B018 (asking is the test)
    table = NGram(2, 3).read(np.array([0, 1, 2]))
    with pytest.raises(ValueError, match="ids 0 to 2, but got ids from 0 to 3"):
        table.surprisal(np.array([0, 3]))
    with pytest.raises(ValueError, match=r"at least 2 in a row, but got an array of int64 and shape \(1,\)"):
        table.surprisal(np.array([0], np.int64))
    with pytest.raises(ValueError, match="an array of float64"):
        table.read(np.array([0.0, 1.0]))
    with pytest.raises(ValueError, match="2-gram needs 1 symbols before the next, but got 0"):
        table.predict([])


# ---------------------------------------------------------------------------------------------------------------------
# Sources
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", languages())
def test_every_language_is_endless_and_its_exact_tables_come_down_to_the_floor_and_no_further(name):
    source = languages()[name]
    assert source.endless
    bits = [ngram_floor_bits(source, n) for n in range(1, 7)]
    assert np.diff(bits).max() < 1e-9  # looking further back never harms, if the text is endless
    assert bits[-1] > floor_bits(source) - 1e-9


@pytest.mark.parametrize(
    ("name", "reached"),
    [
        ("Markov", 3),
        ("Reber", 3),
        ("Elman's words", 6),
        ("embedded Reber", None),
        ("temporal XOR", None),
        ("brackets", None),
    ],
)
def test_which_languages_a_table_of_six_reaches(name, reached):
    source = languages()[name]
    distance = np.array([ngram_floor_bits(source, n) for n in range(1, 7)]) - floor_bits(source)
    at = np.flatnonzero(distance < 1e-9)
    assert (at[0] + 1 if len(at) else None) == reached


def test_the_plateau_of_embedded_reber_is_the_bit_of_the_second_symbol():
    source = languages()["embedded Reber"]
    assert floor_bits(source) == pytest.approx(7 / 12)
    for n in (4, 5, 6):
        assert ngram_floor_bits(source, n) == pytest.approx(8 / 12)
    assert ngram_floor_bits(source, 7) == pytest.approx((7 + 3 / 4) / 12)  # one maze in four has five letters


def test_temporal_xor_by_hand():
    source = xor_source()
    assert floor_bits(source) == pytest.approx(2 / 3)
    # one time in three the next bit is the exclusive or of the last two, else it is a coin: right with 2/3
    assert ngram_floor_bits(source, 3) == pytest.approx(-(2 / 3) * np.log2(2 / 3) - (1 / 3) * np.log2(1 / 3))
    bits = np.array([int(bit) for bit in source.sample(np.random.default_rng(0), 300)]).reshape(-1, 3)
    assert (bits[:, 2] == bits[:, 0] ^ bits[:, 1]).all()


def test_floors_of_endless_strings_are_those_of_the_grammar():
    for grammar in (tasks.reber, tasks.embedded_reber):
        source = end_to_end(grammar)
        assert source.entropy_rate() == pytest.approx(grammar.entropy() / grammar.mean_length())
        rng, other = np.random.default_rng(3), np.random.default_rng(3)
        text = source.sample(rng, 40)
        strings = ""
        while len(strings) < 40:
            strings += grammar.sample(other)
        assert text == strings[:40]
    with pytest.raises(ValueError, match="never ends a string"):
        end_to_end(tasks.brackets_source())


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(2, 3))
def test_an_exact_table_is_the_entropy_of_runs_counted_by_hand(seed, n, size):
    source = tasks.markov_language(tasks.random_transitions(size, 1, np.random.default_rng(seed), 2.0))
    p, step = source.stationary(), source.probability
    joint = p if n > 1 else p @ step  # P(run) for runs of one symbol; the state is the last symbol
    for _ in range(n - 1):
        joint = joint[..., None] * step
    before = joint.sum(axis=-1, keepdims=True)
    bits = -(joint * np.log2(joint / before)).sum()
    assert ngram_floor_bits(source, n) == pytest.approx(bits)
    assert ngram_floor_bits(source, 3) == pytest.approx(floor_bits(source))


def test_ngram_floor_wants_a_length():
    with pytest.raises(ValueError, match="at least 1, but got 0"):
        ngram_floor_bits(xor_source(), 0)


def test_a_long_text_approaches_the_exact_table():
    source = languages()["temporal XOR"]
    ids = Vocabulary("01").encode(source.sample(np.random.default_rng(0), 200_000))
    for n in (1, 3, 5):
        assert NGram(n, 2).read(ids).surprisal(ids).mean() == pytest.approx(ngram_floor_bits(source, n), abs=0.005)


@given(st.integers(0, 2**32 - 1))
def test_the_truths_surprise_is_the_automatons(seed):
    source = languages()["brackets"]
    text = source.sample(np.random.default_rng(seed), 30)
    surprisal = true_surprisal(source, text)
    assert surprisal.shape == (30,)
    assert surprisal.sum() * np.log(2) == pytest.approx(source.nll([text])[0])
    assert surprisal[-1] == pytest.approx(-np.log2(source.predict(text[:-1])[text[-1]]))


def test_the_truths_surprise_wants_a_legal_text():
    with pytest.raises(ValueError, match="not legal"):
        true_surprisal(languages()["brackets"], "ab)")


@given(st.integers(0, 2**32 - 1))
def test_no_belief_beats_the_truth_on_average_and_none_by_g_bits_more_often_than_allowed(seed):
    """Gibbs' inequality and the law of section 3, exactly, over all 2^6 texts of temporal XOR."""
    rng = np.random.default_rng(seed)
    source = xor_source()
    table = NGram(3, 2).read(rng.integers(0, 2, 60))
    all_texts = ["".join(map(str, bits)) for bits in np.ndindex(*(2,) * 6)]
    p = np.exp(-source.nll(all_texts))
    q = np.array([0.25 * 2.0 ** -table.surprisal(np.array([int(bit) for bit in text])).sum() for text in all_texts])
    assert q.sum() == pytest.approx(1)
    legal = p > 0
    assert (p[legal] * np.log2(p[legal] / q[legal])).sum() >= 0
    gain = np.log2(q[legal] / p[legal])
    for g in (0.5, 1, 2, 3):
        assert p[legal][gain >= g].sum() <= 2**-g


def test_overlapping_windows_are_what_leaks():
    """A window as long as the run has no neighbour that contains it: then shuffling does no harm."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 6, 3000)  # nothing to learn: log2(6) is the floor
    for length, leaks in ((7, False), (20, True)):
        pieces = rng.permutation(windows(ids, length))
        surprisal = NGram(7, 6).read(pieces[:2700]).surprisal(pieces[2700:]).mean()
        assert (surprisal < np.log2(6) - 1) == leaks


def test_an_arc_into_the_end_leads_back_to_the_start():
    twice = end_to_end(Automaton({0: {"a": (0.5, 1), "b": (0.5, 2)}, 1: {}, 2: {"c": (1.0, 1)}}, 0))
    assert twice.accepts("") is False
    assert set(twice.predict("a")) == {"a", "b"}
    assert set(twice.predict("bc")) == {"a", "b"}
    later = end_to_end(Automaton({0: {"c": (1.0, 1)}, 1: {}, 2: {"a": (0.5, 0), "b": (0.5, 1)}}, 2))  # starts in 2
    assert set(later.predict("b")) == set(later.predict("ac")) == {"a", "b"}
