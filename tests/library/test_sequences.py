"""Symbols to numbers, padding, windows and batches: what goes in comes out again, and bad input is told apart."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.sequences import Vocabulary, batches, one_hot, pad, stream, windows

texts = st.text(min_size=1, max_size=40)
sequences = st.lists(st.lists(st.integers(-5, 5), min_size=1, max_size=8), min_size=1, max_size=8)


# --- Vocabulary ---
@given(texts)
def test_decode_undoes_encode(text):
    vocabulary = Vocabulary(sorted(set(text)))
    ids = vocabulary.encode(text)
    assert ids.dtype == np.int64
    assert ids.shape == (len(text),)
    assert vocabulary.decode(ids) == text


def test_ids_are_positions_in_the_order_given():
    vocabulary = Vocabulary("BTPSXVE")
    assert vocabulary.encode("EB").tolist() == [6, 0]
    assert len(vocabulary) == 7
    assert "X" in vocabulary
    assert "Q" not in vocabulary


def test_symbols_of_several_characters_decode_to_a_list():
    vocabulary = Vocabulary(["K", "AE1", "T"])
    assert vocabulary.decode(vocabulary.encode(["K", "AE1", "T"])) == ["K", "AE1", "T"]


def test_no_symbols_encode_and_decode_to_nothing():
    vocabulary = Vocabulary("ab")
    assert vocabulary.encode("").shape == (0,)
    assert vocabulary.decode([]) == ""


def test_unknown_symbol_is_named_with_its_position_and_the_alphabet():
    with pytest.raises(ValueError, match=r"'!' at position 2 is not among the 3 symbols of this vocabulary: a b \\n\."):
        Vocabulary("ab\n").encode("ab!")


def test_a_long_alphabet_is_cut_in_the_message():
    with pytest.raises(ValueError, match=r"among the 200 symbols .* \.\.\."):
        Vocabulary([chr(300 + i) for i in range(200)]).encode("a")


@pytest.mark.parametrize(("symbols", "message"), [("", "at least one symbol"), ("abca", "got 'a' more than once")])
def test_a_vocabulary_has_each_symbol_once(symbols, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary(symbols)


@pytest.mark.parametrize("unordered", [set("abc"), frozenset("abc"), iter(set("abc"))])
def test_a_vocabulary_needs_an_order(unordered):
    """Strings hash to other numbers in each process, so a set's order, and with it each id, would change."""
    with pytest.raises(TypeError, match=r"another one in the next Python process.*Vocabulary\(sorted\(set\(text\)\)\)"):
        Vocabulary(unordered)
    assert (
        Vocabulary(dict.fromkeys("cab")).symbols == Vocabulary({"c": 1, "a": 2, "b": 3}.keys()).symbols == tuple("cab")
    )


def test_decode_refuses_what_is_no_id():
    vocabulary = Vocabulary("abc")
    with pytest.raises(ValueError, match="ids 0 to 2, but got ids from 1 to 3"):
        vocabulary.decode([1, 3])
    with pytest.raises(ValueError, match="ids from -1 to 0"):
        vocabulary.decode([0, -1])
    with pytest.raises(TypeError, match="argmax"):
        vocabulary.decode([0.2, 0.8])
    with pytest.raises(ValueError, match="rows of a batch one by one"):
        vocabulary.decode([[0, 1], [1, 2]])


# --- one_hot ---
@given(st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=1, max_size=4))
def test_one_hot_has_its_one_at_the_id(ids):
    vectors = one_hot(ids, 5)
    assert vectors.shape == (len(ids), 3, 5)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors.sum(axis=-1), 1)
    np.testing.assert_array_equal(vectors.argmax(axis=-1), ids)


def test_one_hot_takes_one_id_and_another_kind_of_number():
    np.testing.assert_array_equal(one_hot(2, 3, dtype=np.float64), [0.0, 0.0, 1.0])
    assert one_hot(2, 3, dtype=np.float64).dtype == np.float64


def test_one_hot_refuses_what_is_no_id():
    with pytest.raises(ValueError, match="one_hot knows the ids 0 to 2, but got ids from 0 to 3"):
        one_hot([0, 3], 3)
    with pytest.raises(TypeError, match="got an array of float64"):
        one_hot([0.0, 1.0], 3)


# --- pad ---
@given(sequences, st.integers(-9, 9))
def test_padding_and_mask_give_the_sequences_back(rows, value):
    array, mask = pad(rows, value)
    assert array.shape == mask.shape == (len(rows), max(map(len, rows)))
    assert mask.dtype == bool
    assert [array[i, mask[i]].tolist() for i in range(len(rows))] == rows
    assert (array[~mask] == value).all()
    assert (np.diff(mask.astype(int), axis=1) <= 0).all(), "the padding is at the end"


def test_padding_keeps_fractions_and_the_shape_of_a_step():
    array, mask = pad([[[0.5, 1.5]], [[2.5, 3.5], [4.5, 5.5]]])
    assert array.tolist() == [[[0.5, 1.5], [0.0, 0.0]], [[2.5, 3.5], [4.5, 5.5]]]
    assert mask.tolist() == [[True, False], [True, True]]
    assert pad([np.ones(2, np.float32), np.ones(1, np.float32)])[0].dtype == np.float32


whole, real = st.integers(-(2**63), 2**63 - 1), st.floats(width=32)
DTYPES = (bool, np.int8, np.uint8, np.int64, np.uint64, np.float16, np.float32, np.float64)


@given(
    st.lists(st.sampled_from([whole, real]).flatmap(lambda kind: st.lists(kind, min_size=1, max_size=4)), min_size=1),
    st.one_of(whole, real),
)
def test_padding_keeps_every_number_or_refuses(rows, value):
    """Readers bring whole numbers and real ones, often some of each."""
    with contextlib.suppress(ValueError):
        array, mask = pad(rows, value)
        for row, padded, counts in zip(rows, array, mask, strict=True):
            for kept, given in [*zip(padded[counts], row, strict=True), *((p, value) for p in padded[~counts])]:
                assert kept.item() == given or (np.isnan(kept) and given != given)  # as Python numbers: exact


@given(st.sampled_from(DTYPES), st.one_of(whole, real, st.sampled_from([0, 1, True, 0.5, np.nan, np.inf, 256, -129])))
def test_padding_of_each_dtype_is_kept_or_refused(dtype, value):
    with contextlib.suppress(ValueError):
        array, _ = pad([np.ones(2, dtype), np.ones(1, dtype)], value)
        assert array.dtype == dtype
        rounded = np.dtype(dtype).kind == "f" and isinstance(value, float)  # .1 has no last digit in any float
        np.testing.assert_array_equal(array[1, 1], dtype(value) if rounded else value)
    assert pad([np.ones(2, dtype), np.ones(1, dtype)])[0].tolist() == [[1, 1], [1, 0]]


@pytest.mark.parametrize(
    ("rows", "value"),
    [
        ([[1, 2], [3]], 0.5),
        ([[1, 2], [3]], np.nan),
        ([[1, 2], [3]], 2**63),
        ([np.array([1], np.int8)], 200),
        ([[True], [False]], 2),
        ([np.ones(2, np.float32)], 1e300),
        ([[1.0]], None),
        ([[1.0]], "0"),
        ([[1.0]], 1j),
    ],
)
def test_padding_that_would_become_another_number_is_refused(rows, value):
    with pytest.raises(ValueError, match=r"has to hold the padding, but got .* which would become another number"):
        pad(rows, value)


def test_padding_with_nan_and_one_row_and_mixed_kinds():
    array, mask = pad([[1.0, 2.0], [3.0]], np.nan)
    assert np.isnan(array[1, 1])
    array, mask = pad([[7, 8]])
    assert array.tolist() == [[7, 8]]
    assert mask.all()
    array, mask = pad([[1, 2], [0.5]])
    assert array.tolist() == [[1.0, 2.0], [0.5, 0.0]]
    with pytest.raises(ValueError, match=r"cannot hold each whole number up to 9007199254740993, .* in sequence 0"):
        pad([[2**53 + 1], [0.5]])
    with pytest.raises(TypeError, match=r"takes numbers, but got sequence 0 of <U1.*Vocabulary.encode"):
        pad([["a", "b"], ["c"]])


def test_pad_says_what_is_wrong():
    with pytest.raises(ValueError, match="at least one sequence"):
        pad([])
    with pytest.raises(ValueError, match=r"number 1 of shape \(0,\)"):
        pad([[1], []])
    with pytest.raises(ValueError, match=r"number 0 of shape \(\)"):
        pad([3])
    with pytest.raises(ValueError, match=r"steps of shape \(2,\) in sequence 0 and \(3,\) in sequence 1"):
        pad([np.zeros((4, 2)), np.zeros((4, 3))])


# --- windows ---
@given(st.integers(1, 30), st.integers(1, 10), st.integers(1, 10))
def test_windows_cover_the_sequence(time, length, stride):
    ids = np.arange(time)
    if time < length:
        with pytest.raises(ValueError, match=f"{length} steps, but got a sequence of {time}"):
            windows(ids, length, stride)
        return
    pieces = windows(ids, length, stride)
    assert pieces.shape == (1 + (time - length) // stride, length)
    assert [piece.tolist() for piece in pieces] == [
        list(range(i * stride, i * stride + length)) for i in range(len(pieces))
    ]
    assert time - 1 - pieces[-1, -1] < stride, "fewer than stride steps may be left out"
    if stride <= length:
        assert set(pieces.ravel()) == set(range(pieces[-1, -1] + 1))


def test_windows_keep_the_shape_of_a_step_and_are_copies():
    series = np.arange(10.0).reshape(5, 2)
    pieces = windows(series, 3, 2)
    assert pieces.shape == (2, 3, 2)
    pieces[:] = -1
    assert series[0, 0] == 0


@pytest.mark.parametrize(("length", "stride"), [(0, 1), (2, 0)])
def test_windows_of_no_steps_are_refused(length, stride):
    with pytest.raises(ValueError, match="at least 1"):
        windows(np.arange(5), length, stride)


# --- batches ---
@given(st.integers(1, 30), st.integers(1, 40), st.integers(0, 5))
def test_batches_are_a_permutation(rows, batch_size, seed):
    x, y = np.arange(rows), np.arange(rows)[:, None] * 10.0
    got = list(batches(x, y, batch_size=batch_size, rng=np.random.default_rng(seed)))
    assert all(len(bx) == batch_size for bx, _ in got[:-1])
    assert len(got) == -(-rows // batch_size)
    for bx, by in got:
        np.testing.assert_array_equal(by[:, 0], bx * 10)
    assert sorted(np.concatenate([bx for bx, _ in got])) == list(range(rows))


def test_batches_differ_from_pass_to_pass_and_repeat_with_the_seed():
    def order(rng):
        return np.concatenate([b for (b,) in batches(np.arange(50), batch_size=7, rng=rng)]).tolist()

    rng = np.random.default_rng(0)
    first, second = order(rng), order(rng)
    assert first != second
    assert first == order(np.random.default_rng(0))


def test_batches_say_what_is_wrong():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"equally many rows.*\(3,\), \(4, 2\)"):
        next(batches(np.zeros(3), np.zeros((4, 2)), batch_size=2, rng=rng))
    with pytest.raises(ValueError, match="at least one"):
        next(batches(np.zeros((0, 2)), batch_size=2, rng=rng))
    with pytest.raises(ValueError, match="but got 0"):
        next(batches(np.zeros(3), batch_size=0, rng=rng))


# --- stream ---
@given(st.integers(2, 60), st.integers(1, 6), st.integers(1, 8))
def test_each_row_of_a_stream_continues_where_its_last_window_ended(time, batch_size, length):
    ids = np.arange(time)
    if (time - 1) // batch_size < 1:
        with pytest.raises(ValueError, match=f"Each of {batch_size} rows .* a sequence of {time} steps"):
            next(stream(ids, batch_size, length))
        return
    pieces = list(stream(ids, batch_size, length))
    inputs = np.concatenate([x for x, _ in pieces], axis=1)
    targets = np.concatenate([y for _, y in pieces], axis=1)
    np.testing.assert_array_equal(targets, inputs + 1)
    np.testing.assert_array_equal(np.diff(inputs, axis=1), 1)
    np.testing.assert_array_equal(inputs.ravel(), np.arange(inputs.size))
    assert 1 <= time - inputs.size <= batch_size, "the last target, and what does not fill the rows"
    assert all(x.shape == (batch_size, length) for x, _ in pieces[:-1])


def test_a_stream_keeps_the_shape_of_a_step():
    x, y = next(stream(np.arange(21.0).reshape(7, 3), 2, 2))
    assert x.shape == y.shape == (2, 2, 3)
    np.testing.assert_array_equal(y, x + 3)


@pytest.mark.parametrize(("batch_size", "length"), [(0, 3), (2, 0)])
def test_a_stream_of_no_rows_or_steps_is_refused(batch_size, length):
    with pytest.raises(ValueError, match=f"but got {batch_size} and {length}"):
        next(stream(np.arange(9), batch_size, length))
