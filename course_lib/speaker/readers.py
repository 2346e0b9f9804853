"""Four small readers of the same size, from letters to sounds, and how they are trained side by side.

::

    found = train_readers(("attention", "transformer"), seed=0, seconds=60)
    model, seen = found["transformer"]

Three are made of GRUs, with dot attention, with additive attention and with none; the fourth is a Transformer.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np

from course_lib import datasets
from course_lib.optimizers import Adam
from course_lib.seq2seq import EncoderDecoder, Pairs, SequenceToSequence
from course_lib.speaker.training import spelling_pairs
from course_lib.transformer import Transformer

READERS = ("attention", "additive", "no_attention", "transformer")
RATES = {"attention": 6e-3, "additive": 12e-3, "no_attention": 12e-3, "transformer": 3e-3}  # see train_readers


@cache
def spellings(part: str) -> tuple[list[str], list[list[tuple[str, ...]]]]:
    """The words of one part of the dictionary with the ways to say them.

    Parameters
    ----------
    part : {"train", "validation", "test"}
        Of the dictionary.

    Returns
    -------
    words : list of str
    accepted : list of list of tuple of str
        For each word all its pronunciations.
    """
    return datasets.load_spellings(part)


@cache
def sound_pairs(part: str) -> Pairs:
    """The words of one part of the dictionary with the first way to say each, as pairs for teacher forcing.

    Parameters
    ----------
    part : {"train", "validation", "test"}
        Of the dictionary.

    Returns
    -------
    Pairs
        As arrays, padded at the end; kept, so do not change them.
    """
    return spelling_pairs(part)


def make_reader(name: str, rng: np.random.Generator) -> SequenceToSequence:
    """A model from 26 letters to 39 sounds by its name; all have about 140,000 parameters.

    Parameters
    ----------
    name : str
        One of ``READERS``.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    EncoderDecoder or Transformer
        Untrained.
    """
    if name == "transformer":
        return Transformer(26, 41, 64, hidden=64, rng=rng)
    units, attention = {"attention": (128, "dot"), "additive": (114, "additive"), "no_attention": (148, None)}[name]
    return EncoderDecoder(26, 41, units, bidirectional=True, attention=attention, rng=rng)


def train_readers(names: Sequence[str], seed: int, seconds: float) -> dict[str, tuple[SequenceToSequence, int]]:
    """Train each for so many seconds of processor time, by turns, so that a busy machine slows all of them alike.

    RATES has for each the best of at least three learning rates, each twice the one before, tried on another seed and
    on other words, with a third of the time; none of them is the smallest or the largest that was tried.

    Parameters
    ----------
    names : sequence of str
        Of ``READERS``.
    seed : int
        Of each reader's weights and order of words.
    seconds : float
        Of processor time, for each.

    Returns
    -------
    dict of str to (model, int)
        Each with the number of words that it has seen, the repeated ones counted again.
    """

    def words(rng: np.random.Generator) -> Iterator[Pairs]:
        while True:
            yield from sound_pairs("train").batches(64, rng)

    rngs = {name: np.random.default_rng(seed) for name in names}
    models = {name: make_reader(name, rngs[name]) for name in names}
    adams, batches = {name: Adam() for name in names}, {name: words(rngs[name]) for name in names}
    spent, seen = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0)
    while min(spent.values()) < seconds:
        name = min(spent, key=spent.get)
        part, batch = spent[name] / seconds, next(batches[name])
        adams[name].learning_rate = RATES[name] * min(1, 20 * part + 0.05, 2 - 2 * part)  # warm up, go on, slow down
        start = time.process_time()
        models[name].train_on_batch(batch, batch.target_out, batch.target_mask, optimizer=adams[name], clip_norm=1.0)
        spent[name] += time.process_time() - start
        seen[name] += len(batch)
    return {name: (models[name], seen[name]) for name in names}
