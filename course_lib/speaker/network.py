"""The network that pronounces words: what it returns, how it decodes, the shipped weights and their model card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from typing import Any, NamedTuple

import numpy as np

from course_lib.layers import softmax
from course_lib.seq2seq import EncoderDecoder, SequenceToSequence, teacher_forcing
from course_lib.sequences import pad
from course_lib.speaker.pronunciation import LETTERS, LONGEST, PHONEMES

START, STOP = len(PHONEMES), len(PHONEMES) + 1  # symbols of the decoder beside the phonemes
MOST_SOUNDS = 60  # of a word, should the network predict no end; the most in the dictionary are 28


class Spoken(NamedTuple):
    """A word with its sounds.

    Attributes
    ----------
    word : str
    phonemes : tuple of str
        The sounds of the whole word.
    attention_weights : (sounds, len(word)) array
        Of each sound over the letters; rows sum to 1.
    probabilities : (sounds + 1,) array
        The probability that the network gives to each sound, and last to the stop symbol.
    """

    word: str
    phonemes: tuple[str, ...]
    attention_weights: np.ndarray
    probabilities: np.ndarray


def say_words(model: SequenceToSequence, words: Sequence[str], *, batch_size: int = 256) -> list[tuple[str, ...]]:
    """The phonemes of words by greedy decoding, with any model from letters to phonemes.

    Parameters
    ----------
    model : SequenceToSequence
        Its source symbols are the 26 letters, its target symbols the 39 phonemes, ``START`` and ``STOP``.
    words : list of str
        Each of the letters a to z only.
    batch_size : int
        Words decoded side by side. They are sorted by length first, so that there is little padding.

    Returns
    -------
    list of tuple of str
        In the order of the words. A start symbol, which a badly trained model may predict, is left out.

    Raises
    ------
    ValueError
        If a word is empty or has a character that is not a letter from a to z.
    """
    return [tuple(PHONEMES[i] for i in ids if i < START) for ids in _decoded(model, words, batch_size)]


def _decoded(model, words, batch_size):
    """Target ids of each word, in the order of the words."""
    order, decoded = _by_length(words), [None] * len(words)
    for first in range(0, len(order), batch_size):
        chosen = order[first : first + batch_size]
        letters, mask = pad([LETTERS.encode(words[n]) for n in chosen])
        ids = model.predict(letters, mask, start=START, stop=STOP, max_length=MOST_SOUNDS, batch_size=batch_size)
        for n, row in zip(chosen, ids, strict=True):
            decoded[n] = row
    return decoded


def _by_length(words):
    return sorted(range(len(words)), key=lambda n: len(words[n]))


class Speaker:
    """Spelling in, sounds out, with the attention weights and the probability of each sound.

    Parameters
    ----------
    model : EncoderDecoder
        From letters to phonemes, with attention.

    Examples
    --------
    >>> load_speaker().say("phone").phonemes
    ('F', 'OW', 'N')
    """

    def __init__(self, model: EncoderDecoder):
        self.model = model

    def say_all(self, words: Sequence[str], batch_size: int = 256) -> list[Spoken]:
        """Pronounce many words by greedy decoding.

        Parameters
        ----------
        words : list of str
            Each of the letters a to z only, at most 40 of them; :func:`words_of` makes such words of any text.
        batch_size : int
            Words decoded side by side. They are sorted by length first, so that there is little padding.

        Returns
        -------
        list of Spoken
            In the order of the words.

        Raises
        ------
        ValueError
            If a word is empty or too long, or has a character that is not a letter from a to z.
        """
        for word in words:
            if not 0 < len(word) <= LONGEST:
                raise ValueError(
                    f"The network takes words of 1 to {LONGEST} letters, but got {word!r} with {len(word)}. "
                    f"speaker.words_of finds the words of a text."
                )
        order, spoken = _by_length(words), [None] * len(words)
        for first in range(0, len(order), batch_size):
            chosen = order[first : first + batch_size]
            for n, answer in zip(chosen, self._say_batch([words[n] for n in chosen]), strict=True):
                spoken[n] = answer
        return spoken

    def _say_batch(self, words):
        """Pronounce words of about the same length."""
        decoded = [ids[ids < START] for ids in _decoded(self.model, words, len(words))]
        pairs = teacher_forcing([LETTERS.encode(word) for word in words], decoded, START, STOP)
        p = softmax(self.model.forward(pairs))  # once more, all sounds at once, for probabilities and attention
        p = np.take_along_axis(p, pairs.target_out[..., None], axis=2)[..., 0]
        return [
            Spoken(
                word,
                tuple(PHONEMES[i] for i in ids),
                weights[: len(ids), : len(word)].copy(),
                probabilities[: len(ids) + 1].copy(),
            )
            for word, ids, weights, probabilities in zip(words, decoded, self.model.attention_weights, p, strict=True)
        ]

    def say(self, word: str) -> Spoken:
        """Pronounce one word.

        Parameters
        ----------
        word : str
            Of the letters a to z only, at most 40 of them.

        Returns
        -------
        Spoken
            Its sounds, and how sure the network is of each.
        """
        return self.say_all([word])[0]


def load_speaker() -> Speaker:
    """The model that comes with the course."""
    with resources.as_file(resources.files("course_lib.speaker") / "speaker.npz") as path:
        return Speaker(EncoderDecoder.load(path))


def model_card() -> dict[str, Any]:
    """What the model was trained on and its error rates on words that it had never seen.

    Returns
    -------
    dict
        ``word_error_rate`` and ``phoneme_error_rate`` on the ``test_words`` words of the test split,
        ``what_goes_wrong`` there, and how it was trained. For comparison, ``alone``: for each letter the sounds that
        it stands for most often in the training words; and ``windows``: the two error rates of tables that see so many
        letters at a time.
    """
    return json.loads((resources.files("course_lib.speaker") / "speaker.json").read_text(encoding="utf-8"))
