"""``python -m course_lib.speaker.train``: train the network that pronounces names, and write it with its model card.

A network reads the letters and writes the sounds; where to look for each sound it finds out by itself. Then it is
tested on words that it has not seen, beside tables that look the sounds of a letter up by the letters around it. Those
have to be told which letter makes which sound, which the dictionary does not say: expectation maximisation finds it out
by counting (:func:`align`).
"""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict

import numpy as np

from course_lib import datasets, speaker
from course_lib.metrics import edit_distance, error_rates
from course_lib.optimizers import Adam
from course_lib.seq2seq import EncoderDecoder, teacher_forcing
from course_lib.sequences import Vocabulary

PHONEMES = speaker.PHONEMES
COUNT = len(PHONEMES)  # of phonemes; a chunk's number is 0 for silence, 1 + a for one phoneme, then the pairs a, b
MOST = 2  # phonemes that one letter may stand for

UNITS, EMBEDDING, EPOCHS, BATCH, RATE, CLIP, SEED = 192, 32, 8, 64, 3e-3, 1.0, 0
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
            np.array([speaker.LETTERS.encode(pairs[n][0]) for n in places]),
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


def letter_table(pairs, rounds=8):
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
    table = np.zeros((len(speaker.LETTERS), 1 + COUNT + COUNT**2))
    table[:, 0], table[:, 1 : 1 + COUNT], table[:, 1 + COUNT :] = 0.2, 0.7 / COUNT, 0.1 / COUNT**2
    for _ in range(rounds):
        counts = _expected_counts(table, groups)
        table = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-300)
    return table


def align(pairs, table):
    """The likeliest alignment of each word: how many phonemes each of its letters stands for.

    Parameters
    ----------
    pairs : list of (str, tuple of str)
    table : (26, chunks) array
        From :func:`letter_table`.

    Returns
    -------
    list of (len(word),) array, or None where the table allows no alignment
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


def chunked(phonemes, sizes):
    """Cut phonemes into chunks of the given sizes: (('F', 'AH', 'K', 'S'), [1, 1, 2]) -> ["F", "AH", "K S"]."""
    ends = np.cumsum(sizes)
    return [" ".join(phonemes[end - size : end]) for end, size in zip(ends, sizes, strict=True)]


# ---------------------------------------------------------------------------------------------------------------------
# Tables to compare with
# ---------------------------------------------------------------------------------------------------------------------
def training_data(part="train"):
    """Words with a chunk of sounds for each letter, which the tables are counted from.

    Returns
    -------
    rows : list of (letter ids, chunk ids)
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
        (speaker.LETTERS.encode(word), chunks.encode(word_chunks))
        for word, word_chunks in cut
        if all(chunk in chunks for chunk in word_chunks)
    ], list(chunks.symbols)


WIDTHS = (1, 3, 5, 7, 9)  # of the windows that the network is compared with


class WindowTable:
    """What a letter stands for most often, given the letters around it: context without a memory.

    Parameters
    ----------
    rows : list of (letter ids, chunk ids)
    width : int
        Letters in the window, an odd number; the one in the middle is said. Where a window was never met, the next
        narrower one is asked.
    """

    def __init__(self, rows, width):
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

    def say(self, letters):
        """Letter ids (length,) -> chunk ids, a list."""
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


def window_rates(rows, chunks, part="test"):
    """The error rates of tables of windows of each width in :data:`WIDTHS`, in that order."""
    words, accepted = datasets.load_spellings(part)
    ids = [speaker.LETTERS.encode(word) for word in words]
    rates = []
    for width in WIDTHS:
        table = WindowTable(rows, width)
        said = [tuple(" ".join(chunks[chunk] for chunk in table.say(letters)).split()) for letters in ids]
        rates.append(error_rates(said, accepted))
    return rates


# ---------------------------------------------------------------------------------------------------------------------
# The network
# ---------------------------------------------------------------------------------------------------------------------
def spelling_pairs(part):
    """The words of a part of the dictionary with their first pronunciation, as padded pairs for teacher forcing."""
    words, accepted = datasets.load_spellings(part)
    numbers = Vocabulary(PHONEMES)
    return teacher_forcing(
        [speaker.LETTERS.encode(word) for word in words],
        [numbers.encode(rights[0]) for rights in accepted],
        speaker.START,
        speaker.STOP,
    )


def new_model(rng):
    """An encoder that reads both ways, a decoder that says one phoneme after the other, and dot attention."""
    return EncoderDecoder(
        len(speaker.LETTERS), COUNT + 2, UNITS, bidirectional=True, attention="dot", embedding=EMBEDDING, rng=rng
    )


def measure(model, part):
    """The error rates of a model on one part of the dictionary: an :class:`~course_lib.metrics.ErrorRates`."""
    words, accepted = datasets.load_spellings(part)
    return error_rates([spoken.phonemes for spoken in speaker.Speaker(model).say_all(words)], accepted)


def train(pairs):
    """Train a new model, printing how it gets on."""
    start = time.perf_counter()
    rng = np.random.default_rng(SEED)
    model, adam = new_model(rng), Adam()
    updates = -(-len(pairs) // BATCH) * EPOCHS

    def one_epoch():
        for batch in pairs.batches(BATCH, rng):
            adam.learning_rate = RATE * min(1, 2 * (1 - adam.iterations / updates))  # falls during the second half
            yield batch

    for epoch in range(EPOCHS):
        history = model.fit(one_epoch, optimizer=adam, clip_norm=CLIP, steps=-(-len(pairs) // BATCH), progress=False)
        rates = measure(model, "validation")
        print(
            f"epoch {epoch + 1}: loss {history.history['loss'][-1]:.3f}, {rates.words:.1%} of validation words wrong, "
            f"{time.perf_counter() - start:.0f} s",
            flush=True,
        )
    return model


def what_goes_wrong(spoken, accepted):
    """What kind of mistakes a speaker makes.

    Parameters
    ----------
    spoken : list of Spoken
    accepted : list of list of tuple of str
        The pronunciations of each word.

    Returns
    -------
    dict
        ``by_letters``: the share of words said wrong, by their number of letters; ``by_one_sound``: the share of wrong
        words that are one insertion, deletion or exchange from right; ``exchanges``: the ten most frequent [wanted,
        said, times], counted where only exchanges are wrong.
    """
    lengths, wrong, distances, exchanges = [], [], [], Counter()
    for word, rights in zip(spoken, accepted, strict=True):
        distance, nearest = min((edit_distance(word.phonemes, right), right) for right in rights)
        lengths.append(len(word.word))
        wrong.append(distance > 0)
        distances.append(distance)
        if len(nearest) == len(word.phonemes):
            different = [pair for pair in zip(nearest, word.phonemes, strict=True) if pair[0] != pair[1]]
            if len(different) == distance:
                exchanges.update(different)
    lengths, wrong, distances = np.array(lengths), np.array(wrong), np.array(distances)
    groups = [(1, 4), (5, 6), (7, 8), (9, 10), (11, speaker.LONGEST)]
    return {
        "by_letters": {
            f"{low}-{high}": round(float(wrong[(low <= lengths) & (lengths <= high)].mean()), 3) for low, high in groups
        },
        "by_one_sound": round(float((distances[wrong] == 1).mean()), 3),
        "exchanges": [[*pair, times] for pair, times in exchanges.most_common(10)],
    }


def write_card(model, rows, chunks):
    """Measure a model on the untouched test words and write ``models/speaker.json``; return the card.

    Parameters
    ----------
    model : EncoderDecoder
    rows, chunks
        The aligned words that the tables for comparison are counted from; see :func:`training_data`.
    """
    words, accepted = datasets.load_spellings("test")
    spoken = speaker.Speaker(model).say_all(words)
    rates = error_rates([word.phonemes for word in spoken], accepted)
    tables, alone = window_rates(rows, chunks), WindowTable(rows, 1).best[0]
    card = {
        "what": f"English spelling to phonemes: a bidirectional GRU reads, a GRU of {UNITS} units writes and looks "
        f"back by dot attention",
        "data": "CMU Pronouncing Dictionary, words of the letters a to z, stress removed, each with its first "
        "pronunciation; split_of(word) splits it",
        "training": f"{len(datasets.load_spellings('train')[0]):,} words, {EPOCHS} epochs, batches of {BATCH}, Adam at "
        f"{RATE}, from the middle on falling to 0, gradients clipped at {CLIP}, seed {SEED}",
        "test_words": len(words),
        "word_error_rate": round(rates.words, 4),
        "phoneme_error_rate": round(rates.phonemes, 4),
        "parameters": sum(w.size for w in model.weights),
        "what_goes_wrong": what_goes_wrong(spoken, accepted),
        "alone": {speaker.LETTERS.symbols[letter]: chunks[chunk] for (letter,), chunk in sorted(alone.items())},
        "windows": {
            str(width): [round(rate, 4) for rate in found] for width, found in zip(WIDTHS, tables, strict=True)
        },
    }
    text = json.dumps(card, indent=1, ensure_ascii=False) + "\n"
    (speaker.FOLDER / "speaker.json").write_text(text, encoding="utf-8", newline="\n")
    return card


def main():
    """Train, measure on the test words, write ``models/speaker.npz`` and ``models/speaker.json``."""
    pairs = spelling_pairs("train")
    print(f"{len(pairs):,} words to learn from")
    model = train(pairs)
    speaker.FOLDER.mkdir(exist_ok=True)
    model.save(speaker.FOLDER / "speaker.npz")
    card = write_card(model, *training_data())
    print(f"test words wrong: {card['word_error_rate']:.1%}, phonemes wrong: {card['phoneme_error_rate']:.1%}")


if __name__ == "__main__":
    main()
