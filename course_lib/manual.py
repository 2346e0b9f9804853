"""The Python manual letter by letter, as lessons train language models on it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from course_lib import datasets
from course_lib.sequences import Vocabulary


class ManualLetters(NamedTuple):
    """The Python manual as numbers, a part to train on and a part to test on.

    Attributes
    ----------
    train, test : (time,) array of int
        Ids of the letters; the two have no paragraph in common.
    vocabulary : Vocabulary
        Of the whole text.
    """

    train: np.ndarray
    test: np.ndarray
    vocabulary: Vocabulary


def load_manual_letters() -> ManualLetters:
    """Load the Python manual letter by letter, in lower case, its paragraphs shuffled, always in the same way.

    So the part to test on is about the same things as the part to train on.

    Returns
    -------
    ManualLetters
        250,000 letters to train on, the next 10,000 to test on.

    Raises
    ------
    ModuleNotFoundError, RuntimeError, FileNotFoundError, ValueError
        As :func:`course_lib.datasets.load_python_manual`.
    """
    paragraphs = datasets.load_python_manual().text.lower().split("\n")
    text = "\n".join(np.random.default_rng(7).permutation(paragraphs))
    vocabulary = Vocabulary(sorted(set(text)))
    ids = np.array(vocabulary.encode(text))
    return ManualLetters(ids[:250_000], ids[250_000:260_000], vocabulary)
