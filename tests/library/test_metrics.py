"""Metrics: accuracy under masks, error rates of sequences, and the loss over a long text in bounded memory."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.layers import Dense, Embedding
from course_lib.losses import SoftmaxCrossEntropy
from course_lib.metrics import accuracy, edit_distance, error_rates, evaluate_text, exact_match
from course_lib.model import Model
from course_lib.recurrent import GRU, LSTM, Bidirectional, SimpleRNN
from course_lib.sequences import one_hot


# --- accuracy ---
@given(st.integers(0, 999))
def test_accuracy_counts_right_predictions_where_the_mask_says(seed):
    rng = np.random.default_rng(seed)
    scores, targets, mask = rng.normal(size=(3, 4, 5)), rng.integers(0, 5, (3, 4)), rng.random((3, 4)) < 0.5
    mask[0, 0] = True
    right = [scores[i, t].argmax() == targets[i, t] for i, t in np.ndindex(3, 4)]
    assert accuracy(scores, targets) == pytest.approx(np.mean(right))
    assert accuracy(scores, targets, mask) == pytest.approx(np.mean(np.array(right)[mask.ravel()]))
    yes = rng.integers(0, 2, scores.shape)
    right = (scores > 0) == yes
    assert accuracy(scores, yes) == accuracy(scores, yes.astype(np.float32)) == pytest.approx(right.mean())
    assert accuracy(scores, yes, mask) == pytest.approx(right[mask].mean())


def test_accuracy_says_what_it_needs():
    scores = np.zeros((2, 3))
    for targets in ([0.5, 1.0], [[0, 1, 2]] * 2, [0, 1, 2], np.zeros((2, 1))):
        with pytest.raises(ValueError, match=r"class ids, one for each of \(2,\) predictions, or 0 and 1 .* but got"):
            accuracy(scores, targets)
    for mask in ([False, False], [True] * 3):
        with pytest.raises(ValueError, match="True means a real step"):
            accuracy(scores, [0, 1], mask)


# --- sequences ---
def distance_by_definition(one, other):
    """Levenshtein's recursion as it is written in textbooks."""
    if not one or not other:
        return len(one) + len(other)
    return min(
        distance_by_definition(one[1:], other) + 1,
        distance_by_definition(one, other[1:]) + 1,
        distance_by_definition(one[1:], other[1:]) + (one[0] != other[0]),
    )


strings = st.text("abc", max_size=5)
symbols = st.lists(st.one_of(st.integers(-3, 3), st.sampled_from(["a", "AH", 0.5, None])), max_size=4)


@given(strings, strings, strings)
def test_edit_distance_is_a_metric(a, b, c):
    d = edit_distance
    assert d(a, b) == d(b, a)
    assert (d(a, b) == 0) == (a == b)
    assert d(a, c) <= d(a, b) + d(b, c)
    assert abs(len(a) - len(b)) <= d(a, b) <= max(len(a), len(b))


@given(symbols, symbols)
def test_edit_distance_of_any_symbols(a, b):
    assert edit_distance(a, b) == edit_distance(tuple(a), b) == distance_by_definition(a, b)


def test_edit_distance_by_hand():
    assert edit_distance("kitten", "sitting") == 3
    assert edit_distance(("F", "OW"), ("F", "OW", "N")) == 1
    assert edit_distance("", "abc") == 3
    assert edit_distance(np.array([1, -1]), [1, -2]) == 1  # -1 and -2 have the same hash


def test_error_rates_take_the_nearest_pronunciation():
    said = [("T", "AH"), ("K", "AE", "T"), ("D",)]
    accepted = [[("T", "EY", "M"), ("T", "AH")], [("K", "AE", "T")], [("D", "AO", "G"), ("D", "AA")]]
    rates = error_rates(said, accepted)
    assert rates.words == pytest.approx(1 / 3)
    assert rates.phonemes == pytest.approx(1 / (2 + 3 + 2))


def test_exact_match():
    assert exact_match([np.array([1, 2]), np.array([1]), np.array([], int)], [[1, 2], [1, 2], []]) == 2 / 3


@pytest.mark.parametrize("measure", [exact_match, error_rates])
def test_what_cannot_be_compared_is_refused(measure):
    for predicted, targets in (([], []), ([("A",)], [])):
        with pytest.raises(ValueError, match=f"at least one, but got {len(predicted)} and 0"):
            measure(predicted, targets)


# --- a long text ---
def text_model(size, rng, dtype=np.float64, embedded=True):
    layers = [
        GRU(size, 6, rng=rng, dtype=dtype),
        LSTM(6, 6, rng=rng, dtype=dtype),
        SimpleRNN(6, 5, rng=rng, dtype=dtype),
    ]
    if embedded:
        layers.insert(0, Embedding(size, size, rng=rng, dtype=dtype))
    return Model([*layers, Dense(5, size, rng=rng, dtype=dtype)], SoftmaxCrossEntropy())


@given(st.integers(2, 90), st.integers(1, 3), st.integers(1, 40), st.booleans())
@settings(max_examples=25)
def test_a_text_in_pieces_has_the_loss_of_the_whole(time, rows, length, embedded):
    rng = np.random.default_rng(time)
    model, ids = text_model(4, rng, embedded=embedded), rng.integers(0, 4, max(time, rows + 1))
    steps = (len(ids) - 1) // rows
    x, y = (ids[start : start + rows * steps].reshape(rows, steps) for start in (0, 1))
    whole = model.loss.forward(model.forward(x if embedded else one_hot(x, 4, np.float64)), y)
    assert evaluate_text(model, ids, rows, length) == pytest.approx(whole, rel=1e-12)


def test_memory_does_not_grow_with_the_text():
    rng, size = np.random.default_rng(0), 1000
    model = Model([SimpleRNN(size, 4, rng=rng), Dense(4, size, rng=rng)], SoftmaxCrossEntropy())
    peaks = []
    for time in (2_000, 16_000):
        ids = rng.integers(0, size, time)
        tracemalloc.start()
        evaluate_text(model, ids, length=64)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] + 1_000_000
    assert peaks[1] < 16_000 * size  # one byte for each step and symbol; one-hot float32 takes four


def test_a_text_that_cannot_be_read_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"at least one step, .* a sequence of 1 steps"):
        evaluate_text(text_model(3, rng), [1])
    both = Model(
        [Bidirectional(*(SimpleRNN(3, 2, rng=rng) for _ in range(2))), Dense(4, 3, rng=rng)], SoftmaxCrossEntropy()
    )
    with pytest.raises(ValueError, match="runs forwards only"):
        evaluate_text(both, [0, 1, 2])
