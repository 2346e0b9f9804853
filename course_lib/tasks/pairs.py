"""Pairs of sequences: a substitution cipher with a known alignment."""

from __future__ import annotations

from string import ascii_lowercase

import numpy as np

from course_lib.tasks.checks import _at_least


def cipher_key(rng: np.random.Generator, letters: str = ascii_lowercase) -> dict[str, str]:
    """Draw a secret alphabet.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the draws.
    letters : str
        The alphabet.

    Returns
    -------
    dict of str to str
        Each letter with the letter that stands for it.
    """
    return dict(zip(letters, (letters[i] for i in rng.permutation(len(letters))), strict=True))


def cipher_pairs(
    count: int, key: dict[str, str], rng: np.random.Generator, shortest: int = 4, longest: int = 20
) -> tuple[list[str], list[str]]:
    """Random strings and the same strings in cipher.

    Parameters
    ----------
    count : int
        How many pairs.
    key : dict of str to str
        As :func:`cipher_key` returns it.
    rng : numpy.random.Generator
        Source of the draws.
    shortest, longest : int
        Lengths are drawn from these and all between, each alike; letters too.

    Returns
    -------
    sources, targets : list of str
        ``targets[i][j]`` is the cipher of ``sources[i][j]``. It is known exactly: floor 0.
    """
    _at_least(1, count=count, shortest=shortest)
    _at_least(shortest, longest=longest)
    letters = np.array(list(key))
    lengths = rng.integers(shortest, longest + 1, count)
    sources = ["".join(letters[rng.integers(0, len(letters), length)]) for length in lengths]
    table = str.maketrans(key)
    return sources, [source.translate(table) for source in sources]


def cipher_alignment(length: int) -> np.ndarray:
    """Which source position each target position needs: the truth that an attention map should find.

    Parameters
    ----------
    length : int
        Of the source.

    Returns
    -------
    (length, length) float32
        Row: target position; column: source position; 1 where they belong together.
    """
    _at_least(1, length=length)
    return np.eye(length, dtype=np.float32)
