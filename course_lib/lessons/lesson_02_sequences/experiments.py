"""Lesson 02's reproductions: Shannon's figures for English, and what tables of counts do against a floor that is known.

The functions are those the lesson shows, so that its live run and the recorded ones are the same experiment.
"""

from __future__ import annotations

import re

import numpy as np

from course_lib import datasets, tasks
from course_lib.ngrams import NGram, floor_bits, true_surprisal
from course_lib.sequences import Vocabulary, windows
from course_lib.teaching.experiment import Reproduction
from course_lib.teaching.summaries import spread

SHANNON = {26: (4.14, 3.56, 3.3), 27: (4.03, 3.32, 3.1)}
"""F₁, F₂ and F₃ of English in bits a letter, without the space and with it: Shannon 1951, end of section 2."""


# ---------------------------------------------------------------------------------------------------------------------
# English
# ---------------------------------------------------------------------------------------------------------------------
def half_the_manual(rng, space=True):
    """A random half of the Python manual and the other half: letters, and spaces if wanted."""
    paragraphs = rng.permutation(datasets.load_python_manual().text.lower().split("\n"))
    half = len(paragraphs) // 2
    texts = [re.sub("[^a-z]+", " " if space else "", " ".join(part)) for part in (paragraphs[:half], paragraphs[half:])]
    vocabulary = Vocabulary("abcdefghijklmnopqrstuvwxyz" + " " * space)
    return [vocabulary.encode(text) for text in texts]


def run_entropy(ids, n):
    """Bits of a run of n symbols, on average, at the runs' own frequencies."""
    _, counts = np.unique(windows(ids, n), axis=0, return_counts=True)
    p = counts / counts.sum()
    return -(p * np.log2(p)).sum()


def shannon_entropies(ids):
    """F₁, F₂, F₃: what one letter more adds to the entropy of a run."""
    runs = [0, *(run_entropy(ids, n) for n in (1, 2, 3))]
    return np.diff(runs)


def measure_english(seed):
    row = {}
    for size in (26, 27):
        read, unseen = half_the_manual(np.random.default_rng(seed), space=size == 27)
        for n, f in enumerate(shannon_entropies(read), start=1):
            row[f"f{n}_{size}"] = float(f)
            row[f"unseen{n}_{size}"] = float(NGram(n, size).read(read).surprisal(unseen).mean())
    return row


def _english_holds(rows):
    off = {
        (n, size): [abs(row[f"f{n}_{size}"] - SHANNON[size][n - 1]) for row in rows]
        for size in (26, 27)
        for n in (1, 2)
    }
    third = [(row[f"f3_{size}"], row[f"unseen3_{size}"], SHANNON[size][2]) for row in rows for size in (26, 27)]
    return max(map(max, off.values())) < 0.15 and all(max(f, unseen) < his - 0.15 for f, unseen, his in third)


# ---------------------------------------------------------------------------------------------------------------------
# A language whose floor is known
# ---------------------------------------------------------------------------------------------------------------------
def random_language(rng):
    """Six letters, each drawn with chances that depend on the last three."""
    return tasks.markov_language(tasks.random_transitions(6, 3, rng), "abcdef")


def bits_of_tables(read, unseen, longest=7):
    """Bits a symbol of n-grams, n = 1, 2, ..., on the text that they have read and on another."""
    tables = [NGram(n, 6).read(read) for n in range(1, longest + 1)]
    return [np.array([table.surprisal(text).mean() for table in tables]) for text in (read, unseen)]


def measure_tables(seed):
    rng = np.random.default_rng(seed)
    source = random_language(rng)
    read, unseen = source.sample(rng, 10_000), source.sample(rng, 10_000)
    on_read, on_unseen = bits_of_tables(*(Vocabulary("abcdef").encode(text) for text in (read, unseen)))
    return {
        "floor": floor_bits(source),
        "realised": float(true_surprisal(source, unseen).mean()),
        **{f"read{n}": float(bits) for n, bits in enumerate(on_read, start=1)},
        **{f"unseen{n}": float(bits) for n, bits in enumerate(on_unseen, start=1)},
    }


def _tables_holds(rows):
    return all(
        row["read7"] < row["floor"] - 0.4
        and min(row[f"unseen{n}"] for n in range(1, 8)) > row["realised"]
        and min(range(1, 8), key=lambda n: row[f"unseen{n}"]) == 4
        and row["unseen7"] > row["unseen4"] + 0.3
        for row in rows
    )


def shuffle_and_split(pieces, rng):
    """Nine tenths of the pieces to learn from, one tenth for the test. Do not copy this."""
    order = rng.permutation(len(pieces))
    cut = len(pieces) * 9 // 10
    return pieces[order[:cut]], pieces[order[cut:]]


def split_both_ways(source, rng):
    """Bits beyond the truth: a 7-gram on shuffled windows, and on the end of the text."""
    text = source.sample(rng, 10_000)
    ids, truth = Vocabulary("abcdef").encode(text), true_surprisal(source, text)
    learn, test = shuffle_and_split(windows(np.arange(10_000), 20), rng)
    shuffled = NGram(7, 6).read(ids[learn]).surprisal(ids[test]).mean() - truth[test][:, 6:].mean()
    honest = NGram(7, 6).read(ids[:9000]).surprisal(ids[9000:]).mean() - truth[9006:].mean()
    return {"shuffled": float(shuffled), "honest": float(honest)}


def measure_leak(seed):
    rng = np.random.default_rng(seed)
    return split_both_ways(random_language(rng), rng)


REPRODUCTIONS = (
    Reproduction(
        key="shannon-english",
        lesson="02",
        paper="Shannon 1951, section 2",
        claim="bits a letter of English, from the frequencies of letters, pairs and triples",
        reported="26 letters: 4.14, 3.56, 3.3; with the space: 4.03, 3.32, 3.1",
        criterion="on the Python manual F1 and F2 lie within .15 of his; F3 lies at least .15 below his, on unseen "
        "paragraphs too",
        seeds=range(10),
        measure=measure_english,
        holds=_english_holds,
        measured=lambda rows: (
            "26 letters: "
            + ", ".join(spread(rows, f"f{n}_26") for n in (1, 2, 3))
            + "; with the space: "
            + ", ".join(spread(rows, f"f{n}_27") for n in (1, 2, 3))
        ),
    ),
    Reproduction(
        key="tables-and-floor",
        lesson="02",
        paper="Gibbs' inequality, on a language with a known floor",
        claim="no table beats the source on unseen text; on the text it has read, a long one does",
        reported="not a paper's figure",
        criterion="on the text it has read a 7-gram lies at least .4 bit below the floor; on unseen text every "
        "n-gram lies "
        "above the realised floor, n = 4 is best and n = 7 at least .3 bit worse",
        seeds=range(20),
        measure=measure_tables,
        holds=_tables_holds,
        measured=lambda rows: (
            f"floor {spread(rows, 'floor')}, 7-gram read {spread(rows, 'read7')}, unseen "
            f"{spread(rows, 'unseen7')}; 4-gram unseen {spread(rows, 'unseen4')}"
        ),
    ),
    Reproduction(
        key="shuffled-windows",
        lesson="02",
        paper="Our example of what Kapoor & Narayanan 2023 describe",
        claim="leakage between training and test data makes results too good",
        reported="no such figure: they found leaks in 17 fields of science, affecting 294 papers",
        criterion="shuffling overlapping windows before the split brings a 7-gram at least .5 bit below the best "
        "possible "
        "predictor; splitting first, it lies at least .3 bit above",
        seeds=range(20),
        measure=measure_leak,
        holds=lambda rows: all(row["shuffled"] < -0.5 and row["honest"] > 0.3 for row in rows),
        measured=lambda rows: (
            f"bits beyond the truth: shuffled {spread(rows, 'shuffled')}, split first {spread(rows, 'honest')}"
        ),
    ),
)
