"""From sequences to arrays: symbols to numbers, sequences of unequal length to one array, long ones to short pieces.

Every function here is a few lines of NumPy, so that a lesson can say "it does just this".
"""

from __future__ import annotations

import numpy as np


# ---------------------------------------------------------------------------------------------------------------------
# Symbols and numbers
# ---------------------------------------------------------------------------------------------------------------------
class Vocabulary:
    """The symbols of a language, each with its number: the position at which it was given.

    Parameters
    ----------
    symbols : iterable of str
        Each once, in the order of their ids; a string gives its characters.

    Raises
    ------
    ValueError
        If there is no symbol, or one occurs twice.

    Examples
    --------
    >>> vocabulary = Vocabulary("abc")
    >>> vocabulary.encode("cab")
    array([2, 0, 1])
    >>> vocabulary.decode([2, 0, 1])
    'cab'
    """

    def __init__(self, symbols):
        self.symbols = tuple(symbols)
        self._ids = {symbol: i for i, symbol in enumerate(self.symbols)}
        if not self.symbols:
            raise ValueError("A vocabulary needs at least one symbol, but none came. Was the text empty?")
        if len(self._ids) < len(self.symbols):
            twice = next(s for i, s in enumerate(self.symbols) if self._ids[s] != i)
            raise ValueError(
                f"Each symbol has one id, so it may come once, but {twice!r} came more than once. For the "
                f"characters of a text write Vocabulary(sorted(set(text)))."
            )

    def __len__(self):
        return len(self.symbols)

    def __contains__(self, symbol):
        return symbol in self._ids

    def encode(self, text):
        """Symbols to ids.

        Parameters
        ----------
        text : str or sequence of str

        Returns
        -------
        (len(text),) array of int64

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

    def decode(self, ids):
        """Ids to symbols: the inverse of :meth:`encode`.

        Parameters
        ----------
        ids : (length,) whole numbers

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
                f"Vocabulary.decode takes one sequence of ids, but an array of shape {ids.shape} came. "
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
            f"{caller} takes ids, which are whole numbers, but an array of {ids.dtype} came. Scores or "
            f"probabilities? Choose a symbol first, for instance with argmax(-1)."
        )
    if ids.min() < 0 or ids.max() >= size:
        raise ValueError(
            f"{caller} knows the ids 0 to {size - 1}, but ids from {ids.min()} to {ids.max()} came. Were "
            f"they made with another vocabulary?"
        )
    return ids


def one_hot(ids, size, dtype=np.float32):
    """A vector for each id: 1 at the id, 0 elsewhere.

    Parameters
    ----------
    ids : (...) whole numbers
    size : int
        Number of symbols, the length of each vector.
    dtype : numpy dtype

    Returns
    -------
    (..., size) array

    Raises
    ------
    ValueError, TypeError
        If an id is outside 0 to size - 1 or is not a whole number.
    """
    ids = _whole_numbers(ids, size, "one_hot")
    vectors = np.zeros((*ids.shape, size), dtype)
    np.put_along_axis(vectors, ids[..., None], 1, axis=-1)
    return vectors


# ---------------------------------------------------------------------------------------------------------------------
# Sequences of unequal length
# ---------------------------------------------------------------------------------------------------------------------
def pad(sequences, value=0):
    """Put sequences of unequal length into one array, filled up at the end, with a mask that tells real from filling.

    Parameters
    ----------
    sequences : list of (length, ...) arrays or lists
        At least one, each at least one step long; whatever follows the length is the same for all.
    value : number
        The filling. The array keeps the kind of number of the sequences.

    Returns
    -------
    array : (count, longest, ...)
    mask : (count, longest) of bool
        True at real steps.

    Raises
    ------
    ValueError
        If there is no sequence, if one is empty, or if their steps differ in shape.
    """
    sequences = [np.asarray(sequence) for sequence in sequences]
    if not sequences:
        raise ValueError("pad needs at least one sequence, but none came.")
    for i, sequence in enumerate(sequences):
        if sequence.ndim == 0 or len(sequence) == 0:
            raise ValueError(
                f"pad takes sequences of at least one step, but number {i} has shape {sequence.shape}. "
                f"Leave empty sequences out: a network has nothing to say about them."
            )
        if sequence.shape[1:] != sequences[0].shape[1:]:
            raise ValueError(
                f"All steps need the same shape, but the steps of sequence 0 have shape "
                f"{sequences[0].shape[1:]} and those of sequence {i} {sequence.shape[1:]}."
            )
    lengths = np.array([len(sequence) for sequence in sequences])
    mask = np.arange(lengths.max()) < lengths[:, None]
    array = np.full((*mask.shape, *sequences[0].shape[1:]), value, dtype=np.result_type(*sequences))
    array[mask] = np.concatenate(sequences)
    return array, mask


# ---------------------------------------------------------------------------------------------------------------------
# Pieces of a long sequence
# ---------------------------------------------------------------------------------------------------------------------
def windows(ids, length, stride=1):
    """All pieces of a given length, each ``stride`` steps after the one before.

    For next-symbol prediction cut pieces one longer than the network shall read: ``w = windows(ids, length + 1)``;
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
        raise ValueError(f"length and stride count steps, so they are at least 1, but {length} and {stride} came.")
    if len(ids) < length:
        raise ValueError(
            f"A window of {length} steps does not fit into a sequence of {len(ids)}. Shorten the window, "
            f"or bring a longer sequence."
        )
    starts = np.arange(0, len(ids) - length + 1, stride)
    return ids[starts[:, None] + np.arange(length)]


def batches(*arrays, batch_size, rng):
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
            f"batches needs arrays with equally many rows, at least one, but arrays of shapes "
            f"{[array.shape for array in arrays]} came. Does each input have its target?"
        )
    if batch_size < 1:
        raise ValueError(f"batch_size counts rows, so it is at least 1, but {batch_size} came.")
    order = rng.permutation(len(arrays[0]))
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        yield tuple(array[chosen] for array in arrays)


def stream(ids, batch_size, length):
    """Read one long sequence in ``batch_size`` places at once, piece after piece, so that a state can be carried over.

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
            f"batch_size counts rows and length counts steps, so both are at least 1, but {batch_size} "
            f"and {length} came."
        )
    steps = (len(ids) - 1) // batch_size
    if steps < 1:
        raise ValueError(
            f"A sequence of {len(ids)} steps cannot be read in {batch_size} rows: each needs at least one "
            f"step, and one more at the end as the last target. Use fewer rows or a longer sequence."
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
    return x, y, mask


def _row_slices(rows, batch_size):
    """Slices of at most ``batch_size`` rows."""
    if batch_size < 1:
        raise ValueError(f"batch_size counts rows, so it is at least 1, but got {batch_size}.")
    return [slice(start, start + batch_size) for start in range(0, rows, batch_size)]


def _described(value):
    """In a message: what kind of thing came."""
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return f"shape {value.shape}" if isinstance(value, np.ndarray) else repr(value)
