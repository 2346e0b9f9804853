"""Pairs of sequences: a substitution cipher with a known alignment."""

from __future__ import annotations

from string import ascii_lowercase

import numpy as np

from course_lib.tasks.checks import _at_least


# ---------------------------------------------------------------------------------------------------------------------
# From sequence to sequence: a substitution cipher
# ---------------------------------------------------------------------------------------------------------------------
def cipher_key(rng, letters=ascii_lowercase):
    """A secret alphabet: each letter with the letter that stands for it, as a dict."""
    return dict(zip(letters, (letters[i] for i in rng.permutation(len(letters))), strict=True))


def cipher_pairs(count, key, rng, shortest=4, longest=20):
    """Random strings and the same strings in cipher.

    Parameters
    ----------
    count : int
    key : dict of str to str
        As :func:`cipher_key` returns it.
    rng : numpy.random.Generator
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


def cipher_alignment(length, source_reversed=False):
    """Which source position each target position needs: the truth that an attention map should find.

    Parameters
    ----------
    length : int
    source_reversed : bool
        True if the source is fed to the network last letter first.

    Returns
    -------
    (length, length) float32
        Row: target position; column: source position as fed; 1 where they belong together.
    """
    _at_least(1, length=length)
    alignment = np.eye(length, dtype=np.float32)
    return alignment[:, ::-1].copy() if source_reversed else alignment


def cipher_baseline(letters=26):
    """Nats per letter of a predictor that does not see the source: ln(letters)."""
    return float(np.log(letters))
