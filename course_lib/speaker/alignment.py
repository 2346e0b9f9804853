"""Which letter makes which sound: alignment by expectation maximisation, and tables that the network is compared with.

The tables look the sounds of a letter up by the letters around it. They need to know which letter makes which sound,
which the dictionary does not say: expectation maximisation finds it by counting (:func:`letter_table`, :func:`align`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from course_lib import datasets
from course_lib.metrics import ErrorRates, error_rates
from course_lib.sequences import Vocabulary
from course_lib.speaker.pronunciation import LETTERS, PHONEMES

COUNT = len(PHONEMES)  # of phonemes; a chunk's number is 0 for silence, 1 + a for one phoneme, then the pairs a, b
MOST = 2  # phonemes that one letter may stand for
RARE = 20  # a chunk seen less often than this is left out, with its words


# ---------------------------------------------------------------------------------------------------------------------
# Which letter makes which sound?
# ---------------------------------------------------------------------------------------------------------------------
def _same_sizes(pairs):
    """Group (word, phonemes) pairs by both lengths: yield (places, letter ids (n, L), phoneme ids (n, P))."""
    numbers = Vocabulary(PHONEMES)
    groups = defaultdict(list)
    for place, (word, phonemes) in enumerate(pairs):
        if len(phonemes) <= MOST * len(word):
            groups[len(word), len(phonemes)].append(place)
    return [
        (
            np.array(places),
            np.array([LETTERS.encode(pairs[n][0]) for n in places]),
            np.array([numbers.encode(pairs[n][1]) for n in places]).reshape(len(places), -1),
        )
        for places in groups.values()
    ]


def _chunk_numbers(phonemes, size):
    """(n, P) phoneme ids -> (n, P - size + 1) the number of the chunk of that size which begins at each place."""
    count, length = phonemes.shape
    if size == 0:
        return np.zeros((count, length + 1), int)
    if size == 1:
        return phonemes + 1
    return 1 + COUNT + phonemes[:, :-1] * COUNT + phonemes[:, 1:]


def _expected_counts(table, groups):
    """How often each letter stands for each chunk, over all alignments of all words, each by its probability."""
    counts = np.zeros_like(table)
    for _, letters, phonemes in groups:
        (n, L), P = letters.shape, phonemes.shape[1]
        chunks = [_chunk_numbers(phonemes, size) for size in range(min(MOST, P) + 1)]
        p = [table[letters[:, :, None], chunk[:, None]] for chunk in chunks]  # (n, L, places) for each size
        forward, backward = np.zeros((L + 1, n, P + 1)), np.zeros((L + 1, n, P + 1))
        forward[0, :, 0], backward[L, :, P] = 1, 1
        for i in range(L):  # forward[i, :, j]: the first i letters made the first j phonemes
            for size in range(len(chunks)):
                forward[i + 1, :, size:] += forward[i, :, : P + 1 - size] * p[size][:, i]
        for i in reversed(range(L)):
            for size in range(len(chunks)):
                backward[i, :, : P + 1 - size] += backward[i + 1, :, size:] * p[size][:, i]
        total = forward[L, :, P, None]
        total[total == 0] = np.inf  # no alignment has a probability any more: such a word does not count
        for i in range(L):
            for size, chunk in enumerate(chunks):
                share = forward[i, :, : P + 1 - size] * p[size][:, i] * backward[i + 1, :, size:] / total
                np.add.at(counts, (letters[:, i, None], chunk), share)
    return counts


def letter_table(pairs: Sequence[tuple[str, tuple[str, ...]]], rounds: int = 8) -> np.ndarray:
    """The probability that a letter stands for a chunk of sounds, found by expectation maximisation.

    Parameters
    ----------
    pairs : list of (str, tuple of str)
        Words and their phonemes. Words with more than two phonemes a letter are passed over.
    rounds : int
        Each counts all alignments by their probability under the table before, then makes the counts the new table.

    Returns
    -------
    (26, chunks) array
        Rows sum to 1. Chunk 0 is silence, 1 + a the phoneme a, and after those come the pairs.

    References
    ----------
    Dempster, Laird and Rubin 1977, Maximum likelihood from incomplete data via the EM algorithm.
    """
    groups = _same_sizes(pairs)
    table = np.zeros((len(LETTERS), 1 + COUNT + COUNT**2))
    table[:, 0], table[:, 1 : 1 + COUNT], table[:, 1 + COUNT :] = 0.2, 0.7 / COUNT, 0.1 / COUNT**2
    for _ in range(rounds):
        counts = _expected_counts(table, groups)
        table = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-300)
    return table


def align(pairs: Sequence[tuple[str, tuple[str, ...]]], table: np.ndarray) -> list[np.ndarray | None]:
    """The likeliest alignment of each word: how many phonemes each of its letters stands for.

    Parameters
    ----------
    pairs : list of (str, tuple of str)
        Sources and targets.
    table : (26, chunks) array
        From :func:`letter_table`.

    Returns
    -------
    list of (len(word),) array, or None where the table allows no alignment
        One for each word.
    """
    with np.errstate(divide="ignore"):
        log_table = np.log(table)
    sizes = [None] * len(pairs)
    for places, letters, phonemes in _same_sizes(pairs):
        (n, L), P = letters.shape, phonemes.shape[1]
        best = np.full((L + 1, n, P + 1), -np.inf)
        best[0, :, 0] = 0
        chosen = np.zeros((L + 1, n, P + 1), int)
        for i in range(L):
            for size in range(min(MOST, P) + 1):
                p = log_table[letters[:, i, None], _chunk_numbers(phonemes, size)]
                score = np.full((n, P + 1), -np.inf)
                score[:, size:] = best[i, :, : P + 1 - size] + p
                better = score > best[i + 1]
                best[i + 1] = np.where(better, score, best[i + 1])
                chosen[i + 1] = np.where(better, size, chosen[i + 1])
        end, path = np.full(n, P), np.zeros((n, L), int)
        for i in reversed(range(L)):
            path[:, i] = chosen[i + 1, np.arange(n), end]
            end = end - path[:, i]
        for place, found, steps in zip(places, np.isfinite(best[L, :, P]), path, strict=True):
            sizes[place] = steps if found else None
    return sizes


def chunked(phonemes: Sequence[str], sizes: Sequence[int]) -> list[str]:
    """Split phonemes into chunks of the given sizes.

    Parameters
    ----------
    phonemes : sequence of str
        Without stress marks.
    sizes : sequence of int
        They sum to the number of phonemes.

    Returns
    -------
    list of str
        The phonemes of each chunk, with spaces between them.

    Examples
    --------
    >>> chunked(("F", "AH", "K", "S"), [1, 1, 2])
    ['F', 'AH', 'K S']
    """
    ends = np.cumsum(sizes)
    return [" ".join(phonemes[end - size : end]) for end, size in zip(ends, sizes, strict=True)]


# ---------------------------------------------------------------------------------------------------------------------
# Tables to compare with
# ---------------------------------------------------------------------------------------------------------------------
def training_data(part: str = "train") -> tuple[list[tuple[np.ndarray, np.ndarray]], list[str]]:
    """Words with a chunk of sounds for each letter, from which the tables are counted.

    Parameters
    ----------
    part : str
        Of the dictionary.

    Returns
    -------
    rows : list of (letter ids, chunk ids)
        One for each word.
    chunks : list of str
        The chunks in the order of their ids.
    """
    words, accepted = datasets.load_spellings(part)
    pairs = [(word, phonemes) for word, rights in zip(words, accepted, strict=True) for phonemes in rights]
    sizes = align(pairs, letter_table(pairs))
    cut = [
        (word, chunked(phonemes, steps))
        for (word, phonemes), steps in zip(pairs, sizes, strict=True)
        if steps is not None
    ]
    counts = Counter(chunk for _, word_chunks in cut for chunk in word_chunks)
    chunks = Vocabulary(sorted(chunk for chunk, n in counts.items() if n >= RARE))
    return [
        (LETTERS.encode(word), chunks.encode(word_chunks))
        for word, word_chunks in cut
        if all(chunk in chunks for chunk in word_chunks)
    ], list(chunks.symbols)


WIDTHS = (1, 3, 5, 7, 9)  # of the windows that the network is compared with


class WindowTable:
    """The chunk that a letter stands for most often, given the letters around it: a fixed context.

    Parameters
    ----------
    rows : list of (letter ids, chunk ids)
        As :func:`training_data` returns them.
    width : int
        Letters in the window, an odd number; the one in the middle is pronounced. Where a window does not occur in the
        rows, the next narrower one is used.
    """

    def __init__(self, rows: Sequence[tuple[np.ndarray, np.ndarray]], width: int):
        self.sides = range(width // 2, -1, -1)  # letters on each side, the widest window first
        counts = {side: defaultdict(Counter) for side in self.sides}
        for letters, targets in rows:
            for side in self.sides:
                for window, chunk in zip(self._windows(letters, side), targets, strict=True):
                    counts[side][window][chunk] += 1
        self.best = {
            side: {window: found.most_common(1)[0][0] for window, found in table.items()}
            for side, table in counts.items()
        }

    @staticmethod
    def _windows(letters, side):
        padded = (-1,) * side + tuple(letters) + (-1,) * side
        return [padded[i : i + 2 * side + 1] for i in range(len(letters))]

    def say(self, letters: Sequence[int]) -> list[int]:
        """Pronounce a word.

        Parameters
        ----------
        letters : (length,) letter ids
            Ids from 0.

        Returns
        -------
        list of int
            A chunk id for each letter.
        """
        said = []
        for around in zip(*(self._windows(letters, side) for side in self.sides), strict=True):
            said.append(
                next(
                    self.best[side][window]
                    for side, window in zip(self.sides, around, strict=True)
                    if window in self.best[side]
                )
            )
        return said


def window_rates(
    rows: Sequence[tuple[np.ndarray, np.ndarray]], chunks: Sequence[str], part: str = "test"
) -> list[ErrorRates]:
    """The error rates of window tables of each width in :data:`WIDTHS`.

    Parameters
    ----------
    rows, chunks
        As :func:`training_data` returns them.
    part : str
        Of the dictionary, whose words are pronounced.

    Returns
    -------
    list of ErrorRates
        In the order of :data:`WIDTHS`.
    """
    words, accepted = datasets.load_spellings(part)
    ids = [LETTERS.encode(word) for word in words]
    rates = []
    for width in WIDTHS:
        table = WindowTable(rows, width)
        said = [tuple(" ".join(chunks[chunk] for chunk in table.say(letters)).split()) for letters in ids]
        rates.append(error_rates(said, accepted))
    return rates
