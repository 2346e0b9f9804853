"""CTC: equal to listing all paths, gradients, masks and padding, decoding, mistakes in words, and it trains."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.ctc import CTCLoss, collapse, ctc_forward_backward, greedy_decode, prefix_beam_search
from course_lib.gradients import check_gradients
from course_lib.layers import Dense, softmax
from course_lib.losses import LOSSES
from course_lib.model import Model
from course_lib.optimizers import Adam
from course_lib.recurrent import GRU
from course_lib.sequences import pad

sizes = dict(seed=st.integers(0, 9999), classes=st.integers(2, 4), time=st.integers(1, 5), last=st.booleans())


def labellings(log_probs, blank):
    """Each labelling's probability, by listing all paths of one row."""
    time, classes = log_probs.shape
    found = {}
    for path in itertools.product(range(classes), repeat=time):
        labels = tuple(collapse(path, blank))
        found[labels] = found.get(labels, 0.0) + np.exp(log_probs[range(time), path].sum())
    return found


def needs(labels):
    """How many steps a label needs."""
    return max(len(labels) + sum(a == b for a, b in itertools.pairwise(labels)), 1)


def a_batch(rng, rows, time, classes, blank=0, dtype=np.float64):
    """Random logits, labels of random lengths, and masks with holes that leave each row long enough."""
    symbols = np.array([symbol for symbol in range(classes) if symbol != blank % classes])
    logits = 2 * rng.normal(size=(rows, time, classes))
    labels, mask = np.full((rows, time), blank % classes), np.zeros((rows, time), bool)
    for row in range(rows):
        real = int(rng.integers(1, time + 1))
        mask[row, rng.permutation(time)[:real]] = True
        label = rng.choice(symbols, rng.integers(0, real + 1))
        while needs(label) > real:
            label = label[:-1]
        labels[row, : len(label)] = label
    return logits.astype(dtype), labels, (labels != blank % classes).sum(axis=1), mask


def log_softmax(logits):
    return np.log(softmax(logits))


def loss_with_blank(blank):
    return type("OtherBlank", (CTCLoss,), {"blank": blank})()


# --- the probability of a labelling --------------------------------------------------------------------------------


@given(**sizes)
@settings(max_examples=100)
def test_equal_to_listing_all_paths(seed, classes, time, last):
    rng, blank = np.random.default_rng(seed), -1 if last else 0
    logits, labels, lengths, mask = a_batch(rng, 3, time, classes, blank)
    log_probs = log_softmax(logits)
    log_likelihood, log_alpha, log_beta = ctc_forward_backward(log_probs, labels, lengths, mask, blank)
    for row in range(3):
        listed = labellings(log_probs[row][mask[row]], blank % classes)[tuple(labels[row, : lengths[row]].tolist())]
        assert np.exp(log_likelihood[row]) == pytest.approx(listed, abs=1e-13)
    at_each_step = np.exp(log_alpha + log_beta).sum(axis=2)
    np.testing.assert_allclose(at_each_step[mask], np.repeat(np.exp(log_likelihood), mask.sum(axis=1)), atol=1e-13)


@given(**sizes)
def test_all_labellings_together_are_certain(seed, classes, time, last):
    rng, blank = np.random.default_rng(seed), classes - 1 if last else 0
    log_probs = log_softmax(rng.normal(size=(1, time, classes)))
    every = list(labellings(log_probs[0], blank))
    labels = np.full((len(every), time), -7)  # what stands behind a label does not matter
    for row, label in enumerate(every):
        labels[row, : len(label)] = label
    lengths = np.array([len(label) for label in every])
    log_likelihood, _, _ = ctc_forward_backward(np.repeat(log_probs, len(every), 0), labels, lengths, blank=blank)
    assert np.exp(log_likelihood).sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("label", "paths"), [([], 1), ([1], 6), ([1, 2], 5), ([1, 1], 1), ([1, 2, 1], 1)])
def test_paths_of_three_steps_counted_by_hand(label, paths):
    log_likelihood, _, _ = ctc_forward_backward(np.zeros((1, 3, 3)), np.array([[*label, 0]]), [len(label)])
    assert np.exp(log_likelihood[0]) == pytest.approx(paths)


def test_a_long_row_neither_underflows_nor_loses_digits():
    log_probs = np.full((1, 3000, 2), np.log(0.5))  # 2^-3000 is no float64
    log_likelihood, _, _ = ctc_forward_backward(log_probs, [[1]], [1])
    assert log_likelihood[0] == pytest.approx(np.log(3000 * 3001 / 2) - 3000 * np.log(2), rel=1e-13)


# --- the loss ------------------------------------------------------------------------------------------------------


@given(**sizes)
@settings(max_examples=30)
def test_gradients(seed, classes, time, last):
    blank = -1 if last else 0
    logits, labels, _, mask = a_batch(np.random.default_rng(seed), 3, time, classes, blank)
    loss = loss_with_blank(blank)
    loss.forward(logits, labels, mask)
    gradient = loss.backward()
    check_gradients(lambda: loss.forward(logits, labels, mask), {"logits": logits}, {"logits": gradient})
    assert not gradient[~mask].any()
    np.testing.assert_allclose(gradient.sum(axis=2), 0, atol=1e-12)  # as of every softmax


@given(seed=st.integers(0, 999), dtype=st.sampled_from([np.float32, np.float64]))
def test_a_batch_is_its_rows_one_by_one_without_their_padding(seed, dtype):
    rng = np.random.default_rng(seed)
    logits, labels, lengths, mask = a_batch(rng, 4, 7, 4, dtype=dtype)
    loss = CTCLoss()
    value = loss.forward(logits, labels, mask)
    gradient = loss.backward()
    assert (gradient.shape, gradient.dtype) == (logits.shape, dtype)
    alone = []
    for row in range(4):
        one = CTCLoss()
        alone.append(one.forward(logits[[row]][:, mask[row]], labels[[row], : lengths[row]]))
        np.testing.assert_allclose(gradient[row, mask[row]], one.backward()[0] / 4, atol=1e-7)
    assert value == pytest.approx(np.mean(alone), rel=1e-12)
    logits[~mask] = rng.choice([7.0, np.nan, np.inf], logits[~mask].shape)  # what a model says there does not matter
    labels[labels == 0] = -rng.integers(0, 3, (labels == 0).sum())
    assert loss.forward(logits, labels, mask) == value
    np.testing.assert_array_equal(loss.backward(), gradient)


def test_extreme_logits_stay_finite():
    logits = np.zeros((1, 4, 3))
    logits[0, :, 1] = 1e4
    loss = CTCLoss()
    with np.errstate(all="raise", under="ignore"):
        assert loss.forward(logits, [[1]]) == 0
        assert loss.forward(logits, [[2, 2]]) == pytest.approx(4e4 - np.log(5))  # 5 paths, none through class 1
        assert np.isfinite(loss.backward()).all()


def test_nothing_given_is_changed():
    logits, labels, _, mask = a_batch(np.random.default_rng(0), 3, 6, 4)
    kept = logits.copy(), labels.copy(), mask.copy()
    loss = CTCLoss()
    loss.forward(logits, labels, mask)
    np.testing.assert_array_equal(loss.backward(), loss.backward())
    for given_array, copy in zip((logits, labels, mask), kept, strict=True):
        np.testing.assert_array_equal(given_array, copy)


def test_backward_before_forward():
    with pytest.raises(RuntimeError, match="backward was called before forward"):
        CTCLoss().backward()


# --- decoding ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "blank", "labels"),
    [
        ([], 0, []),
        ([0, 0], 0, []),
        ([1, 1, 2, 2, 1], 0, [1, 2, 1]),
        ([0, 1, 0, 1, 1], 0, [1, 1]),
        ([2, 0, 2, 0, 0, 1], 2, [0, 0, 1]),
        (np.array([3, 3, 0]), 0, [3]),
    ],
)
def test_collapse(path, blank, labels):
    assert collapse(path, blank) == labels


@given(**sizes)
def test_greedy_is_the_best_path_collapsed(seed, classes, time, last):
    rng, blank = np.random.default_rng(seed), -1 if last else 0
    logits, _, _, mask = a_batch(rng, 3, time, classes, blank)
    for labels, row, real in zip(greedy_decode(logits, mask, blank), logits, mask, strict=True):
        paths = itertools.product(range(classes), repeat=int(real.sum()))
        best = max(paths, key=lambda path: row[real][range(len(path)), path].sum())
        assert labels == collapse(best, blank % classes)
    assert greedy_decode(logits, None, blank) == greedy_decode(softmax(logits), np.ones_like(mask), blank)


@given(**sizes)
@settings(max_examples=60)
def test_a_wide_beam_finds_the_most_probable_labelling(seed, classes, time, last):
    rng, blank = np.random.default_rng(seed), -1 if last else 0
    log_probs = log_softmax(2 * rng.normal(size=(time, classes)))
    listed = labellings(log_probs, blank % classes)
    found = prefix_beam_search(log_probs, 10**6, blank)
    assert [p for _, p in found] == sorted((p for _, p in found), reverse=True)
    assert {tuple(labels): np.exp(p) for labels, p in found if p > -np.inf} == pytest.approx(listed, abs=1e-13)
    best = max(listed, key=listed.get)
    assert tuple(found[0][0]) == best
    [greedy] = greedy_decode(log_probs[None], blank=blank)
    assert listed[tuple(greedy)] <= listed[best]
    for width in (1, 2, 5):
        narrow = prefix_beam_search(log_probs, width, blank)
        assert len(narrow) <= width
        assert all(np.exp(p) <= listed.get(tuple(labels), 0) + 1e-13 for labels, p in narrow)  # a lower bound


# --- mistakes ------------------------------------------------------------------------------------------------------

ROWS = np.zeros((2, 4, 3))


@pytest.mark.parametrize(
    ("error", "says", "arguments"),
    [
        (ValueError, "Row 1 is too short for its label: it has 4 real steps and needs at least 5, one for each of 3 "
                     "symbols and one for the blank between each of 2 pairs", (ROWS, [[1, 2, 1], [1, 1, 1]])),
        (ValueError, "Row 0 is too short for its label: it has 2 real steps and needs at least 3",
         (ROWS, [[1, 1], [1, 0]], np.arange(4) < [[2], [4]])),
        (ValueError, "Row 1 is too short for its label: it has 0 real steps and needs at least 1",
         (ROWS, [[1], [0]], np.arange(4) < [[4], [0]])),
        (ValueError, "row 1, .2, 0, 1., has the blank .class 0. or padding in front", (ROWS, [[1, 2, 0], [2, 0, 1]])),
        (ValueError, "row 0 holds 3 at place 1, but a symbol is one of the classes 0 to 2", (ROWS, [[1, 3], [1, 0]])),
        (ValueError, "Each of the 2 rows has a label", (ROWS, [[1, 2]])),
        (ValueError, "padded to one array, .batch, label time., but got shape .2,.", (ROWS, [1, 2])),
        (TypeError, "whole numbers, but got an array of float64", (ROWS, [[1.0], [2.0]])),
        (ValueError, r"CTCLoss takes one vector.*got \(2, 3\)", (ROWS[:, 0], [[1], [2]])),
        (ValueError, r"none of them 0, but got \(0, 4, 3\)", (ROWS[:0], np.zeros((0, 1), int))),
        (TypeError, "CTCLoss takes real numbers", (ROWS.astype(int), [[1], [2]])),
        (ValueError, r"\(2, 4\) booleans, but got bool of shape \(2, 3\)", (ROWS, [[1], [2]], np.ones((2, 3), bool))),
        (ValueError, "booleans, but got int64", (ROWS, [[1], [2]], np.ones((2, 4), np.int64))),
    ],
)  # fmt: skip
def test_mistakes_are_answered_in_words(error, says, arguments):
    with pytest.raises(error, match=says):
        CTCLoss().forward(*arguments)


@pytest.mark.parametrize(
    ("error", "says", "call"),
    [
        (ValueError, "whole numbers from 0 to 2", lambda: ctc_forward_backward(ROWS, [[1, 2]] * 2, [1, 3])),
        (ValueError, "label_lengths are whole", lambda: ctc_forward_backward(ROWS, [[1, 2]] * 2, [1.0, 2.0])),
        (ValueError, "lengths of shape", lambda: ctc_forward_backward(ROWS, [[1, 2]] * 2, [1])),
        (ValueError, "one of the 3 classes, 0 to 2, but got 3", lambda: greedy_decode(ROWS, blank=3)),
        (ValueError, "greedy_decode takes one vector", lambda: greedy_decode(ROWS[0])),
        (ValueError, "one row .time, classes., at least one step", lambda: prefix_beam_search(ROWS, 3)),
        (ValueError, "one row .time, classes., at least one step", lambda: prefix_beam_search(ROWS[0, :0], 3)),
        (ValueError, "not above 0 .* from 0.5 to 0.5. Of", lambda: prefix_beam_search(ROWS[0] + 0.5, 3)),
        (ValueError, "not above 0 .* from nan to nan", lambda: prefix_beam_search(ROWS[0] * np.nan, 3)),
        (ValueError, "not all -inf", lambda: prefix_beam_search(ROWS[0] - np.inf, 3)),
        (ValueError, "not above 0", lambda: ctc_forward_backward(ROWS + 1, [[1, 2]] * 2, [1, 2])),
        (ValueError, "at least 1, but got 0", lambda: prefix_beam_search(ROWS[0], 0)),
    ],
)  # fmt: skip
def test_mistakes_in_the_functions(error, says, call):
    with pytest.raises(error, match=says):
        call()


# --- in a model ----------------------------------------------------------------------------------------------------


def toy(rng, rows, dtype=np.float32):
    """Two or three pulses of random width and place on one of two channels; the label says which channels, in order."""
    x, y = [], []
    for _ in range(rows):
        label, columns = rng.integers(1, 3, rng.integers(2, 4)), [np.zeros((2, 2))]
        for symbol in label:
            columns += [np.repeat(np.eye(2)[[symbol - 1]], rng.integers(1, 3), 0), np.zeros((rng.integers(1, 3), 2))]
        x.append(np.concatenate(columns).astype(dtype))
        y.append(label)
    (x, mask), (y, _) = pad(x), pad(y)
    return x, y, mask


def test_a_model_learns_to_read_without_being_told_where():
    wrong = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x, y, mask = toy(rng, 256)
        model = Model([GRU(2, 16, rng=rng), Dense(16, 3, rng=rng)], CTCLoss())
        model.fit(x, y, mask, optimizer=Adam(0.01), epochs=25, clip_norm=1.0, rng=rng, progress=False)
        x, y, mask = toy(rng, 200)
        read = greedy_decode(model.predict(x, mask), mask)
        wrong.append(np.mean([r != [s for s in label if s] for r, label in zip(read, y.tolist(), strict=True)]))
    assert np.median(wrong) < 0.05, wrong


def test_a_model_with_it_is_saved_and_evaluates_row_by_row(tmp_path):
    rng = np.random.default_rng(0)
    x, y, mask = toy(rng, 8)
    model = Model([GRU(2, 4, rng=rng), Dense(4, 3, rng=rng)], CTCLoss())
    model.save(tmp_path / "model.npz")
    again = Model.load(tmp_path / "model.npz")
    assert type(again.loss) is CTCLoss is LOSSES["CTCLoss"]
    value = CTCLoss().forward(model.predict(x, mask), y, mask)
    assert again.evaluate(x, y, mask, batch_size=len(x)) == pytest.approx(value, rel=1e-6)


def test_another_blank_is_a_subclass_that_is_saved_by_its_name(tmp_path):
    class LastIsBlank(CTCLoss):
        blank = -1

    rng = np.random.default_rng(0)
    model = Model([Dense(2, 3, rng=rng)], LastIsBlank())
    model.save(tmp_path / "model.npz")
    again = Model.load(tmp_path / "model.npz")
    x = rng.normal(size=(2, 5, 2)).astype(np.float32)
    assert again.evaluate(x, [[0, 1], [0, 2]]) == model.evaluate(x, [[0, 1], [0, -1]])
