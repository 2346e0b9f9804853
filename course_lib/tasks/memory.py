"""Tasks that ask for memory: temporal XOR, parity, adding, copying, a running total, temporal order, first symbol."""

from __future__ import annotations

import numpy as np

from course_lib.sequences import Vocabulary, one_hot
from course_lib.tasks.checks import _at_least


# ---------------------------------------------------------------------------------------------------------------------
# Temporal XOR
# ---------------------------------------------------------------------------------------------------------------------
def temporal_xor(length: int, rng: np.random.Generator) -> np.ndarray:
    """Bits in triples, two random and then their exclusive or, written one after the other without a mark between.

    The task is to predict the next bit.

    Parameters
    ----------
    length : int
        A multiple of 3.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    (length,) float32
        0 or 1.

    References
    ----------
    Elman 1990, Finding structure in time, section "Exclusive-OR".
    """
    if length < 3 or length % 3:
        raise ValueError(f"Temporal XOR comes in triples, so its length is a multiple of 3, but got {length}.")
    triples = rng.integers(0, 2, (length // 3, 3))
    triples[:, 2] = triples[:, 0] ^ triples[:, 1]
    return triples.reshape(-1).astype(np.float32)


def temporal_xor_floor() -> np.ndarray:
    """Root mean squared error of the best predictor of the bit at t, by t mod 3.

    The first two bits of a triple are coins: the best guess is ½ and it is always ½ off. The third is known.

    Returns
    -------
    (3,) array
        For t mod 3 = 0, 1, 2.
    """
    return np.array([0.5, 0.5, 0.0])


# ---------------------------------------------------------------------------------------------------------------------
# Memory: parity, adding, copying, a running total, temporal order, first symbol
# ---------------------------------------------------------------------------------------------------------------------
def parity(count: int, time: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The parity task: has the number of ones so far been odd.

    Parameters
    ----------
    count, time : int
        How many sequences, and how many bits in each.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    inputs : (count, time, 1) float32
        Random bits.
    targets : (count, time) int64
        1 where the bits up to and including this step contain an odd number of ones. Each is known exactly: floor 0.
    """
    _at_least(1, count=count, time=time)
    bits = rng.integers(0, 2, (count, time))
    return bits[..., None].astype(np.float32), bits.cumsum(axis=1) % 2


def parity_baseline() -> float:
    """Nats per step of a predictor that misses as much as one bit of the past: ln 2, no better than a coin."""
    return float(np.log(2))


def adding(count: int, time: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Add the two marked numbers of a long sequence.

    The common variant of Hochreiter and Schmidhuber's problem, as Arjovsky, Shah and Bengio set it: numbers from
    [0, 1], one mark in each half, the target is the plain sum, all sequences have one length. The original has numbers
    from [-1, 1], a first mark among the first ten steps, markers of -1 at both ends, sequences of T to 1.1 T steps and
    the target .5 + (x₁ + x₂) / 4.

    Parameters
    ----------
    count : int
        How many sequences.
    time : int
        At least 2.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    inputs : (count, time, 2) float32
        A number and a mark (0 or 1) at each step.
    targets : (count, 1) float32
        The sum, between 0 and 2. It is known exactly at the last step: floor 0.

    References
    ----------
    Hochreiter and Schmidhuber 1997, Long short-term memory, Table 7 (the original); Arjovsky, Shah and Bengio 2016,
    Unitary evolution recurrent neural networks (this variant).
    """
    _at_least(1, count=count)
    _at_least(2, time=time)
    inputs = np.zeros((count, time, 2), np.float32)
    inputs[..., 0] = rng.random((count, time))
    rows = np.arange(count)
    inputs[rows, rng.integers(0, time // 2, count), 1] = 1
    inputs[rows, rng.integers(time // 2, time, count), 1] = 1
    return inputs, inputs.prod(axis=2).sum(axis=1, keepdims=True)


def adding_baseline() -> float:
    """Mean squared error of always saying 1: the variance of the sum of two uniform numbers, 2/12."""
    return 1 / 6


def copy_task(
    count: int, delay: int, rng: np.random.Generator, symbols: int = 8, length: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """Read some symbols, wait, and repeat them after a signal.

    Parameters
    ----------
    count : int
        How many sequences.
    delay : int
        Steps from the last symbol to the signal, at least 1.
    rng : numpy.random.Generator
        Source of the draws.
    symbols, length : int
        Size of the alphabet; how many symbols to repeat.

    Returns
    -------
    inputs : (count, delay + 2·length, symbols + 2) float32
        One-hot: the symbols, blanks (id ``symbols``) with the signal (id ``symbols + 1``) as the last of the delay, and
        blanks while the network answers.
    targets : (count, delay + 2·length) int64
        Blank until the signal has come, then the symbols. All are known exactly: floor 0.

    References
    ----------
    The layout is that of Arjovsky, Shah and Bengio 2016, Unitary evolution recurrent neural networks.
    """
    _at_least(1, count=count, delay=delay, symbols=symbols, length=length)
    to_copy = rng.integers(0, symbols, (count, length))
    blank, signal = symbols, symbols + 1
    inputs = np.full((count, delay + 2 * length), blank)
    inputs[:, :length] = to_copy
    inputs[:, length + delay - 1] = signal
    targets = np.full(inputs.shape, blank)
    targets[:, length + delay :] = to_copy
    return one_hot(inputs, symbols + 2), targets


def copy_baseline(delay: int, symbols: int = 8, length: int = 10) -> float:
    """Nats per step of copying for a predictor that knows when to answer and has forgotten what.

    Parameters
    ----------
    delay, symbols, length : int
        As in :func:`copy_task`.

    Returns
    -------
    float
        Nats.
    """
    return float(length * np.log(symbols) / (delay + 2 * length))


def running_total(count: int, time: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Add up prices, start again for each customer, and give the total when asked for it.

    At each step there is a price, uniform in [0, 1), and three flags: whether it is bought (with probability .25),
    whether a new customer begins (.1), and whether the total is asked for (.25).

    Parameters
    ----------
    count : int
        Streams.
    time : int
        Steps of each.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    inputs : (count, time, 4) float32
        Price, bought, new, asked for.
    targets : (count, time, 1) float32
        The total of this customer, this step included, where it is asked for; else 0. Known exactly: floor 0.
    """
    _at_least(1, count=count, time=time)
    price = rng.random((count, time))
    bought, new, ask = (rng.random((count, time)) < p for p in (0.25, 0.1, 0.25))
    total, targets = np.zeros(count), np.zeros((count, time))
    for t in range(time):
        total = np.where(new[:, t], 0, total) + bought[:, t] * price[:, t]
        targets[:, t] = ask[:, t] * total
    inputs = np.stack([price, bought, new, ask], axis=2)
    return inputs.astype(np.float32), targets[..., None].astype(np.float32)


TEMPORAL_ORDER_SYMBOLS = "abcdXYEB"


def temporal_order(count: int, time: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The temporal order task: in which order did the two symbols that matter come, XX, XY, YX or YY.

    A sequence begins with E, ends with B, and holds X or Y at two places; the rest are distractors a to d. With 100
    steps the places lie among steps 10 to 20 and 50 to 60, as in Hochreiter and Schmidhuber, otherwise in proportion.
    Theirs have 100 to 110 steps; here all sequences have the same length.

    Parameters
    ----------
    count : int
        How many sequences.
    time : int
        At least 10.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    inputs : (count, time, 8) float32
        One-hot in the order of TEMPORAL_ORDER_SYMBOLS.
    targets : (count,) int64
        0 for XX, 1 for XY, 2 for YX, 3 for YY. Known exactly at the last step: floor 0.

    References
    ----------
    Hochreiter and Schmidhuber 1997, Long short-term memory, task 6a, Table 9.
    """
    _at_least(1, count=count)
    _at_least(10, time=time)
    vocabulary = Vocabulary(TEMPORAL_ORDER_SYMBOLS)
    x, first, last = vocabulary.encode("XEB")
    ids = rng.integers(0, 4, (count, time))
    ids[:, 0], ids[:, -1] = first, last
    chosen = rng.integers(0, 2, (count, 2))  # 0 for X, 1 for Y
    rows = np.arange(count)
    for which, tenths in enumerate((1, 5)):
        place = rng.integers(time * tenths // 10, time * (tenths + 1) // 10 + 1, count)
        ids[rows, place] = x + chosen[:, which]
    return one_hot(ids, len(vocabulary)), 2 * chosen[:, 0] + chosen[:, 1]


def first_symbol(count: int, time: int, rng: np.random.Generator, symbols: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Read a sequence of random symbols and tell at its end what the first one was.

    Parameters
    ----------
    count : int
        How many sequences.
    time : int
        Length of the sequences; time - 1 further symbols follow the one to remember.
    rng : numpy.random.Generator
        Source of the draws.
    symbols : int
        Size of the alphabet.

    Returns
    -------
    inputs : (count, time, symbols) float32
        One-hot.
    targets : (count,) int64
        Id of the first symbol. Known exactly: floor 0.
    """
    _at_least(1, count=count, time=time, symbols=symbols)
    ids = rng.integers(0, symbols, (count, time))
    return one_hot(ids, symbols), ids[:, 0].copy()
