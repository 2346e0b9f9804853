"""From sequences to arrays: symbols to numbers, sequences of unequal length to one array, long ones to short pieces.

Every function here is a few lines of NumPy, so that a lesson can say "it does just this".
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Sequence, Set

import numpy as np
from numpy.typing import ArrayLike, DTypeLike


# ---------------------------------------------------------------------------------------------------------------------
# Symbols and numbers
# ---------------------------------------------------------------------------------------------------------------------
class Vocabulary:
    """The symbols of a language, each with its number: the position at which it was given.

    Parameters
    ----------
    symbols : iterable of str
        Each once, in the order of their ids; a string gives its characters. No set, which has no order of its own.

    Raises
    ------
    ValueError
        If there is no symbol, or one occurs twice.
    TypeError
        If the symbols come in no particular order.

    Examples
    --------
    >>> vocabulary = Vocabulary("abc")
    >>> vocabulary.encode("cab")
    array([2, 0, 1])
    >>> vocabulary.decode([2, 0, 1])
    'cab'
    """

    def __init__(self, symbols: Iterable[str]):
        unordered = isinstance(symbols, Set) and not isinstance(symbols, KeysView | ItemsView)
        if unordered or isinstance(symbols, type(iter(set()))):
            raise TypeError(
                f"A symbol's id is its place in the order given, but got a {type(symbols).__name__}, whose order is "
                f"another one in the next Python process: a saved model would then decode to nonsense. Write "
                f"Vocabulary(sorted(set(text)))."
            )
        self.symbols = tuple(symbols)
        self._ids = {symbol: i for i, symbol in enumerate(self.symbols)}
        if not self.symbols:
            raise ValueError("A vocabulary needs at least one symbol, but got none. Was the text empty?")
        if len(self._ids) < len(self.symbols):
            twice = next(s for i, s in enumerate(self.symbols) if self._ids[s] != i)
            raise ValueError(
                f"Each symbol has one id, so it comes once, but got {twice!r} more than once. For the "
                f"characters of a text write Vocabulary(sorted(set(text)))."
            )

    def __len__(self) -> int:
        return len(self.symbols)

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._ids

    def encode(self, text: str | Sequence[str]) -> np.ndarray:
        """Symbols to ids.

        Parameters
        ----------
        text : str or sequence of str
            Symbols of this vocabulary.

        Returns
        -------
        (len(text),) array of int64
            The id of each symbol.

        Raises
        ------
        ValueError
            For the first symbol that is not in the vocabulary; the message gives its position.
        """
        try:
            return np.array([self._ids[symbol] for symbol in text], dtype=np.int64)
        except KeyError:
            position, symbol = next((i, s) for i, s in enumerate(text) if s not in self._ids)
            known = " ".join(repr(s)[1:-1] for s in self.symbols[:60]) + (" ..." if len(self) > 60 else "")
            raise ValueError(
                f"{symbol!r} at position {position} is not among the {len(self)} symbols of this vocabulary: {known}. "
                f"Remove it from the text, or make a vocabulary that has it."
            ) from None

    def decode(self, ids: ArrayLike) -> str | list[str]:
        """Ids to symbols: the inverse of :meth:`encode`.

        Parameters
        ----------
        ids : (length,) whole numbers
            Each from 0 to the number of symbols - 1.

        Returns
        -------
        str, or a list of str
            A string where every symbol of the vocabulary is one character, else a list of symbols.

        Raises
        ------
        ValueError, TypeError
            If an id belongs to no symbol or is not a whole number.
        """
        ids = _whole_numbers(ids, len(self), "Vocabulary.decode")
        if ids.ndim != 1:
            raise ValueError(
                f"Vocabulary.decode takes one sequence of ids, but got an array of shape {ids.shape}. "
                f"Decode the rows of a batch one by one."
            )
        symbols = [self.symbols[i] for i in ids]
        return "".join(symbols) if all(len(s) == 1 for s in self.symbols) else symbols


def _whole_numbers(ids, size, caller):
    """ids as an integer array, all of them from 0 to size - 1."""
    ids = np.asarray(ids)
    if ids.size == 0:
        return ids.astype(np.int64)
    if not np.issubdtype(ids.dtype, np.integer):
        raise TypeError(
            f"{caller} takes ids, which are whole numbers, but got an array of {ids.dtype}. Scores or "
            f"probabilities? Choose a symbol first, for instance with argmax(-1)."
        )
    if ids.min() < 0 or ids.max() >= size:
        raise ValueError(
            f"{caller} knows the ids 0 to {size - 1}, but got ids from {ids.min()} to {ids.max()}. Were "
            f"they made with another vocabulary?"
        )
    return ids


def one_hot(ids: ArrayLike, size: int, dtype: DTypeLike = np.float32) -> np.ndarray:
    """A vector for each id: 1 at the id, 0 elsewhere.

    Parameters
    ----------
    ids : (...) whole numbers
        Each from 0 to size - 1.
    size : int
        Number of symbols, the length of each vector.
    dtype : numpy dtype
        Of the vectors.

    Returns
    -------
    (..., size) array
        One vector for each id, along a new last axis.

    Raises
    ------
    ValueError, TypeError
        If an id is outside 0 to size - 1 or is not a whole number.

    Examples
    --------
    >>> one_hot([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    ids = _whole_numbers(ids, size, "one_hot")
    vectors = np.zeros((*ids.shape, size), dtype)
    np.put_along_axis(vectors, ids[..., None], 1, axis=-1)
    return vectors


# ---------------------------------------------------------------------------------------------------------------------
# Sequences of unequal length
# ---------------------------------------------------------------------------------------------------------------------
def pad(sequences: Iterable[ArrayLike], value: float = 0) -> tuple[np.ndarray, np.ndarray]:
    """Put sequences of unequal length into one array, padded at the end, with a mask that tells real from padding.

    Parameters
    ----------
    sequences : list of (length, ...) arrays or lists
        At least one, each at least one step long; whatever follows the length is the same for all.
    value : number
        What to pad with, of the kind of number that the sequences are made of.

    Returns
    -------
    array : (count, longest, ...)
        Of real numbers if one of the sequences is.
    mask : (count, longest) of bool
        True at real steps.

    Raises
    ------
    ValueError, TypeError
        If there is no sequence, if one is empty, if their steps differ in shape, or if one array cannot hold all the
        numbers and the value.

    Examples
    --------
    >>> array, mask = pad([[5, 6, 7], [8]])
    >>> array
    array([[5, 6, 7],
           [8, 0, 0]])
    >>> mask
    array([[ True,  True,  True],
           [ True, False, False]])
    """
    sequences = [np.asarray(sequence) for sequence in sequences]
    if not sequences:
        raise ValueError("pad needs at least one sequence, but got none. Was the data empty, or filtered away?")
    for i, sequence in enumerate(sequences):
        if sequence.ndim == 0 or len(sequence) == 0:
            raise ValueError(
                f"pad takes sequences of at least one step, but got number {i} of shape {sequence.shape}. "
                f"Leave empty sequences out: a network cannot predict anything from them."
            )
        if sequence.shape[1:] != sequences[0].shape[1:]:
            raise ValueError(
                f"All steps need the same shape, but got steps of shape {sequences[0].shape[1:]} in sequence 0 and "
                f"{sequence.shape[1:]} in sequence {i}. Give all of them the same features."
            )
        if sequence.dtype.kind not in "biuf":
            raise TypeError(
                f"pad takes numbers, but got sequence {i} of {sequence.dtype}. Vocabulary.encode makes ids of symbols."
            )
    dtype = np.result_type(*sequences)
    for i, sequence in enumerate(sequences):
        if sequence.dtype.kind in "iu" and not all(_holds(dtype, int(n)) for n in (sequence.min(), sequence.max())):
            raise ValueError(
                f"Beside the other sequences all numbers become {dtype}, which cannot hold each whole number up to "
                f"{max(abs(int(sequence.min())), abs(int(sequence.max())))}, but got such ones in sequence {i}. Make "
                f"all sequences of the same kind of number."
            )
    if not _holds(dtype, value):
        raise ValueError(
            f"An array of {dtype} has to hold the padding, but got {value!r}, which would become another number. "
            f"Choose another value, or turn the sequences into real numbers: sequence.astype(np.float32)."
        )
    lengths = np.array([len(sequence) for sequence in sequences])
    mask = np.arange(lengths.max()) < lengths[:, None]
    array = np.full((*mask.shape, *sequences[0].shape[1:]), value, dtype)
    array[mask] = np.concatenate(sequences)
    return array, mask


def _holds(dtype, value):
    """Whether an array of that dtype can hold a number: whole numbers exactly, real numbers up to its digits."""
    if np.ndim(value) != 0 or isinstance(value, str | complex | np.complexfloating) or value is None:
        return False
    if not np.isfinite(float(value)):
        return dtype.kind == "f"
    if dtype.kind == "f":
        whole = isinstance(value, int | np.integer)
        largest = 2 ** (np.finfo(dtype).nmant + 1) if whole else float(np.finfo(dtype).max)
        return abs(int(value) if whole else float(value)) <= largest
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return value == int(value) and low <= int(value) <= high


# ---------------------------------------------------------------------------------------------------------------------
# Pieces of a long sequence
# ---------------------------------------------------------------------------------------------------------------------
def windows(ids: ArrayLike, length: int, stride: int = 1) -> np.ndarray:
    """All pieces of a given length, each ``stride`` steps after the one before.

    For next-symbol prediction cut pieces one step longer than the inputs: ``w = windows(ids, length + 1)``;
    then ``w[:, :-1]`` are the inputs and ``w[:, 1:]`` the targets.

    Parameters
    ----------
    ids : (time, ...) array
        Ids or anything else with a step along its first axis.
    length, stride : int
        Steps in a piece; steps from the start of one to the start of the next.

    Returns
    -------
    (count, length, ...) array
        count = 1 + (time - length) // stride. Steps after the last whole piece, fewer than ``stride``, are left out.

    Raises
    ------
    ValueError
        If the sequence is shorter than one piece, or length or stride is below 1.
    """
    ids = np.asarray(ids)
    if length < 1 or stride < 1:
        raise ValueError(f"length and stride count steps, so they are at least 1, but got {length} and {stride}.")
    if len(ids) < length:
        raise ValueError(
            f"A window has {length} steps, but got a sequence of {len(ids)}, into which it does not fit. Shorten the "
            f"window, or bring a longer sequence."
        )
    starts = np.arange(0, len(ids) - length + 1, stride)
    return ids[starts[:, None] + np.arange(length)]


def batches(*arrays: ArrayLike, batch_size: int, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, ...]]:
    """One pass over the data in random order, a batch at a time.

    Parameters
    ----------
    *arrays : arrays with equally many rows
        Inputs, targets, masks: whatever belongs together row by row.
    batch_size : int
        Rows in a batch; the last batch holds what is left and may be smaller.
    rng : numpy.random.Generator
        Draws the order, anew at each call.

    Yields
    ------
    tuple of arrays
        The same rows of each array.

    Raises
    ------
    ValueError
        If the arrays have unequally many rows or none, or the batch size is below 1.
    """
    arrays = [np.asarray(array) for array in arrays]
    rows = {len(array) for array in arrays}
    if len(rows) != 1 or rows == {0}:
        raise ValueError(
            f"batches needs arrays with equally many rows, at least one, but got arrays of shapes "
            f"{[array.shape for array in arrays]}. Does each input have its target?"
        )
    if batch_size < 1:
        raise ValueError(f"batch_size counts rows, so it is at least 1, but got {batch_size}.")
    order = rng.permutation(len(arrays[0]))
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        yield tuple(array[chosen] for array in arrays)


def stream(ids: ArrayLike, batch_size: int, length: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cut one long sequence into rows and these into pieces, in an order in which a state can be carried over.

    The sequence is cut into ``batch_size`` rows of equal length, one below the other. Each window continues every row
    where the window before it ended: feed the final state of one as the initial state of the next.

    Parameters
    ----------
    ids : (time, ...) array
        Ids or anything else with a step along its first axis.
    batch_size : int
        Rows.
    length : int
        Steps in a window; the last window may be shorter.

    Yields
    ------
    inputs, targets : (batch_size, length, ...) arrays
        targets are the steps that follow the inputs: ``targets[:, :-1]`` equals ``inputs[:, 1:]``.

    Raises
    ------
    ValueError
        If a row would hold fewer than one input and its target, or length is below 1.
    """
    ids = np.asarray(ids)
    if batch_size < 1 or length < 1:
        raise ValueError(
            f"batch_size counts rows and length counts steps, so both are at least 1, but got {batch_size} "
            f"and {length}."
        )
    steps = (len(ids) - 1) // batch_size
    if steps < 1:
        raise ValueError(
            f"Each of {batch_size} rows needs at least one step, and the last one more as its last target, but got a "
            f"sequence of {len(ids)} steps. Use fewer rows or a longer sequence."
        )
    inputs = ids[: steps * batch_size].reshape(batch_size, steps, *ids.shape[1:])
    targets = ids[1 : steps * batch_size + 1].reshape(inputs.shape)
    for start in range(0, steps, length):
        yield inputs[:, start : start + length], targets[:, start : start + length]


# ---------------------------------------------------------------------------------------------------------------------
# What belongs together row by row
# ---------------------------------------------------------------------------------------------------------------------
def _checked_rows(caller, x, y=None, mask=None, needs_y=False):
    """x, y and mask as arrays that belong together row by row, or an error that says what does not."""
    if needs_y and y is None:
        more = " Write fit(x, y, mask), not fit((x, y, mask))." if isinstance(x, tuple) else ""
        raise ValueError(f"{caller} needs the targets y beside x, but got {_described(x)} alone.{more}")
    try:
        x, y, mask = (None if array is None else np.asarray(array) for array in (x, y, mask))
    except ValueError as error:
        raise ValueError(
            f"{caller} takes arrays, but got rows of unequal length. sequences.pad makes one array of them, and a mask."
        ) from error
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(
            f"{caller} needs at least one row of x, but got {'no array' if x.ndim == 0 else f'shape {x.shape}'}. Was "
            f"the data empty, or filtered away?"
        )
    if y is not None and (y.ndim == 0 or len(y) != len(x)):
        raise ValueError(
            f"{caller} takes equally many rows of x and y, but got shapes {x.shape} and {y.shape}. Does each input "
            f"have its target?"
        )
    if mask is not None and (mask.dtype != bool or mask.shape != x.shape[:2]):
        raise ValueError(
            f"{caller} takes a mask of booleans, one for each row and step of x, {x.shape[:2]}, but got {mask.dtype} "
            f"of shape {mask.shape}. sequences.pad returns such a mask beside the padded sequences."
        )
    if mask is not None and not mask.any():
        raise ValueError(f"{caller} got a mask that is False everywhere. Is it inverted? True means a real step.")
    if caller == "fit" and mask is not None and not mask.any(axis=1).all():
        raise ValueError(
            f"fit needs a real step in each row, because a batch of padding alone has no loss, but got a mask that is "
            f"False in all of row {int(mask.any(axis=1).argmin())}. Leave such rows out: keep = mask.any(axis=1)."
        )
    return x, y, mask


def _row_slices(rows, batch_size):
    """Slices of at most ``batch_size`` rows."""
    if batch_size < 1:
        raise ValueError(f"batch_size counts rows, so it is at least 1, but got {batch_size}.")
    return [slice(start, start + batch_size) for start in range(0, rows, batch_size)]


def _described(value):
    """In a message: what kind of thing it is."""
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return f"shape {value.shape}" if isinstance(value, np.ndarray) else repr(value)
