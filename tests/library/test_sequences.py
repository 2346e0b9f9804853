"""Symbols to numbers, padding, windows and batches: what goes in comes out again, and bad input is told apart."""

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


@pytest.mark.parametrize(("symbols", "message"), [("", "at least one symbol"), ("abca", "'a' came more than once")])
def test_a_vocabulary_has_each_symbol_once(symbols, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary(symbols)


def test_decode_refuses_what_is_no_id():
    vocabulary = Vocabulary("abc")
    with pytest.raises(ValueError, match="ids 0 to 2, but ids from 1 to 3 came"):
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
    with pytest.raises(ValueError, match="one_hot knows the ids 0 to 2, but ids from 0 to 3"):
        one_hot([0, 3], 3)
    with pytest.raises(TypeError, match="float64 came"):
        one_hot([0.0, 1.0], 3)


# --- pad ---
@given(sequences, st.integers(-9, 9))
def test_padding_and_mask_give_the_sequences_back(rows, value):
    array, mask = pad(rows, value)
    assert array.shape == mask.shape == (len(rows), max(map(len, rows)))
    assert mask.dtype == bool
    assert [array[i, mask[i]].tolist() for i in range(len(rows))] == rows
    assert (array[~mask] == value).all()
    assert (np.diff(mask.astype(int), axis=1) <= 0).all(), "the filling is at the end"


def test_padding_keeps_fractions_and_the_shape_of_a_step():
    array, mask = pad([[[0.5, 1.5]], [[2.5, 3.5], [4.5, 5.5]]])
    assert array.tolist() == [[[0.5, 1.5], [0.0, 0.0]], [[2.5, 3.5], [4.5, 5.5]]]
    assert mask.tolist() == [[True, False], [True, True]]
    assert pad([np.ones(2, np.float32), np.ones(1, np.float32)])[0].dtype == np.float32


def test_pad_says_what_is_wrong():
    with pytest.raises(ValueError, match="at least one sequence"):
        pad([])
    with pytest.raises(ValueError, match=r"number 1 has shape \(0,\)"):
        pad([[1], []])
    with pytest.raises(ValueError, match=r"number 0 has shape \(\)"):
        pad([3])
    with pytest.raises(ValueError, match=r"sequence 0 have shape \(2,\) and those of sequence 1 \(3,\)"):
        pad([np.zeros((4, 2)), np.zeros((4, 3))])


# --- windows ---
@given(st.integers(1, 30), st.integers(1, 10), st.integers(1, 10))
def test_windows_cover_the_sequence(time, length, stride):
    ids = np.arange(time)
    if time < length:
        with pytest.raises(ValueError, match=f"{length} steps does not fit into a sequence of {time}"):
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
    with pytest.raises(ValueError, match="but 0 came"):
        next(batches(np.zeros(3), batch_size=0, rng=rng))


# --- stream ---
@given(st.integers(2, 60), st.integers(1, 6), st.integers(1, 8))
def test_each_row_of_a_stream_continues_where_its_last_window_ended(time, batch_size, length):
    ids = np.arange(time)
    if (time - 1) // batch_size < 1:
        with pytest.raises(ValueError, match=f"{time} steps cannot be read in {batch_size} rows"):
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
    with pytest.raises(ValueError, match=f"but {batch_size} and {length} came"):
        next(stream(np.arange(9), batch_size, length))
