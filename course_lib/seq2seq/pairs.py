"""Pairs of sequences: padded, masked, in batches, for teacher forcing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from course_lib.sequences import batches, pad


@dataclass(frozen=True)
class Pairs:
    """Padded sources and targets side by side, as :func:`teacher_forcing` makes them.

    Attributes
    ----------
    source : (count, source time) whole numbers
    source_mask : (count, source time) of bool
    target_in : (count, target time) whole numbers
        The decoder's input: the start symbol, then the target.
    target_out : (count, target time) whole numbers
        What it has to predict: the target, then the stop symbol.
    target_mask : (count, target time) of bool
    """

    source: np.ndarray
    source_mask: np.ndarray
    target_in: np.ndarray
    target_out: np.ndarray
    target_mask: np.ndarray

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, rows: slice | Sequence[int] | np.ndarray) -> Pairs:
        """Some of the pairs, by a slice or an array of indices, without steps that are padding in all of them."""
        some = [getattr(self, field.name)[rows] for field in fields(self)]
        longest = [mask.sum(axis=1).max(initial=1) for mask in (some[1], some[4])]
        return Pairs(*(array[:, : longest[i > 1]] for i, array in enumerate(some)))

    def batches(self, batch_size: int, rng: np.random.Generator) -> Iterator[Pairs]:
        """One pass in random order, ``batch_size`` pairs at a time; pairs of similar source length come together.

        Less padding has to be computed so. The order is random, then sorted by length within each stretch of 20
        batches, and the batches of a stretch are shuffled.

        Parameters
        ----------
        batch_size : int
            How many pairs in a batch.
        rng : numpy.random.Generator
            Source of the draws.

        Yields
        ------
        Pairs
        """
        lengths = self.source_mask.sum(axis=1)
        for (stretch,) in batches(np.arange(len(self)), batch_size=20 * batch_size, rng=rng):
            stretch = stretch[np.argsort(lengths[stretch], kind="stable")]
            for start in rng.permutation(np.arange(0, len(stretch), batch_size)):
                yield self[stretch[start : start + batch_size]]


def teacher_forcing(sources: Sequence[ArrayLike], targets: Sequence[ArrayLike], start: int, stop: int) -> Pairs:
    """Pairs in which the decoder's input is always the true symbol before the one that it has to predict.

    Parameters
    ----------
    sources, targets : lists of (length,) arrays or lists of whole numbers
        As many of one as of the other; a source has at least one symbol, a target may have none.
    start, stop : int
        Symbols of the target's vocabulary that begin and end it. They may be the same one.

    Returns
    -------
    Pairs
        As arrays, padded at the end.

    Raises
    ------
    ValueError
        If there are not as many sources as targets, or a source is empty.

    References
    ----------
    Williams and Zipser 1989, A learning algorithm for continually running fully recurrent neural networks.

    Examples
    --------
    >>> pairs = teacher_forcing([[0, 1, 2], [3]], [[7, 8], [9]], start=10, stop=11)
    >>> pairs.target_in
    array([[10,  7,  8],
           [10,  9,  0]])
    >>> pairs.target_out
    array([[ 7,  8, 11],
           [ 9, 11,  0]])
    """
    if len(sources) != len(targets):
        raise ValueError(f"Every source has its target, but got {len(sources)} sources and {len(targets)} targets.")
    source, source_mask = pad(sources)
    target_in, target_mask = pad([[start, *target] for target in targets])
    target_out, _ = pad([[*target, stop] for target in targets])
    return Pairs(source, source_mask, target_in, target_out, target_mask)
