"""A small network that reads English spelling and says how it sounds: what lesson 00 shows and lesson 11 explains.

One part of it reads the word letter by letter, once from the left and once from the right (a GRU, lesson 07). The other
says one sound after the other (lesson 10), and looks back at the letters for each (attention, lesson 11).

    speaker = load_speaker()
    speaker.say("phone").phonemes        # ('F', 'OW', 'N')

``python -m course_lib.speaker.train`` makes the model anew. Sounds are the 39 phonemes of the CMU Pronouncing
Dictionary, without stress.
"""

from __future__ import annotations

import json
import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from course_lib.generation import greedy
from course_lib.layers import softmax
from course_lib.seq2seq import EncoderDecoder, teacher_forcing
from course_lib.sequences import Vocabulary, pad

FOLDER = Path(__file__).parent
LETTERS = Vocabulary("abcdefghijklmnopqrstuvwxyz")
LONGEST = 40  # letters of a word; the longest of the dictionary has 34
MOST_SOUNDS = 60  # of a word, should the network find no end; the most in the dictionary are 28

# phoneme: (how to write it for an English reader, a word that has it, with the sound in capitals)
SOUNDS = {
    "AA": ("ah", "fAther"),
    "AE": ("a", "cAt"),
    "AH": ("uh", "cUt"),
    "AO": ("aw", "lAW"),
    "AW": ("ow", "cOW"),
    "AY": ("eye", "mY"),
    "B": ("b", "Bee"),
    "CH": ("ch", "CHeese"),
    "D": ("d", "Day"),
    "DH": ("th", "THis"),
    "EH": ("e", "bEd"),
    "ER": ("ur", "bIRd"),
    "EY": ("ay", "dAY"),
    "F": ("f", "Fee"),
    "G": ("g", "Go"),
    "HH": ("h", "He"),
    "IH": ("i", "sIt"),
    "IY": ("ee", "sEE"),
    "JH": ("j", "Joy"),
    "K": ("k", "Key"),
    "L": ("l", "Lee"),
    "M": ("m", "Me"),
    "N": ("n", "No"),
    "NG": ("ng", "siNG"),
    "OW": ("oh", "gO"),
    "OY": ("oy", "tOY"),
    "P": ("p", "Pea"),
    "R": ("r", "Read"),
    "S": ("s", "Sea"),
    "SH": ("sh", "SHe"),
    "T": ("t", "Tea"),
    "TH": ("th", "THin"),
    "UH": ("uu", "bOOk"),
    "UW": ("oo", "tOO"),
    "V": ("v", "Vet"),
    "W": ("w", "We"),
    "Y": ("y", "Yes"),
    "Z": ("z", "Zoo"),
    "ZH": ("zh", "viSion"),
}
VOWELS = {"AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"}
# Pairs of consonants that can begin an English syllable; of three, s and one of these.
ONSETS = {
    *(stop + " " + liquid for stop in ("P", "B", "K", "G", "F") for liquid in ("L", "R")),
    "T R",
    "D R",
    "TH R",
    "SH R",
    "S L",
    "S P",
    "S T",
    "S K",
    "S M",
    "S N",
    "S W",
    "T W",
    "D W",
    "K W",
    "G W",
    "HH W",
    *(first + " Y" for first in ("P", "B", "K", "F", "V", "M", "HH")),
}


PHONEMES = tuple(sorted(SOUNDS))
START, STOP = len(PHONEMES), len(PHONEMES) + 1  # symbols of the decoder beside the phonemes


class Spoken(NamedTuple):
    """A word with its sounds.

    Attributes
    ----------
    word : str
    phonemes : tuple of str
        The sounds of the whole word.
    attention : (sounds, len(word)) array
        How much the network looked at each letter when it said each sound; rows sum to 1.
    certainty : (sounds + 1,) array
        The probability that the network gives to each sound, and last to having come to the end.
    """

    word: str
    phonemes: tuple[str, ...]
    attention: np.ndarray
    certainty: np.ndarray


class Speaker:
    """Spelling in, sounds out.

    Parameters
    ----------
    model : EncoderDecoder
        Reads letters, writes phonemes, with attention.
    """

    def __init__(self, model):
        self.model = model

    def say_all(self, words, batch_size=256):
        """Say many words, each sound the likeliest after those before it.

        Parameters
        ----------
        words : list of str
            Each of the letters a to z only, at most 40 of them; :func:`words_of` makes such words of any text.
        batch_size : int
            Words read side by side. They are sorted by length first, so that little padding is read.

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
                raise ValueError(f"The network reads words of 1 to {LONGEST} letters, but {word!r} has {len(word)}.")
        order = sorted(range(len(words)), key=lambda n: len(words[n]))
        spoken = [None] * len(words)
        for start in range(0, len(order), batch_size):
            chosen = [words[n] for n in order[start : start + batch_size]]
            for n, answer in zip(order[start : start + batch_size], self._say_together(chosen), strict=True):
                spoken[n] = answer
        return spoken

    def _say_together(self, words):
        """Say some words of about the same length."""
        letters, mask = pad([LETTERS.encode(word) for word in words])
        said = greedy(
            self.model.step,
            np.full((len(words), 1), START),
            self.model.read(letters, mask),
            length=MOST_SOUNDS,
            stop=STOP,
        ).symbols
        pairs = teacher_forcing([LETTERS.encode(word) for word in words], said, START, STOP)
        p = softmax(self.model.forward(pairs))  # once more, all sounds at once: how sure was it, and where did it look?
        p = np.take_along_axis(p, pairs.target_out[..., None], axis=2)[..., 0]
        return [
            Spoken(
                word,
                tuple(PHONEMES[i] for i in sounds),
                looked[: len(sounds), : len(word)].copy(),
                certainty[: len(sounds) + 1].copy(),
            )
            for word, sounds, looked, certainty in zip(words, said, self.model.attention_weights, p, strict=True)
        ]

    def say(self, word):
        """Say one word: a :class:`Spoken`."""
        return self.say_all([word])[0]


def letter_by_letter(words, table):
    """Say words as somebody would who forgets each letter before reading the next.

    Parameters
    ----------
    words : list of str
    table : dict of str to str
        The sounds of each letter, such as ``model_card()["alone"]``.

    Returns
    -------
    list of tuple of str
        The phonemes of each word.
    """
    return [tuple(" ".join(table[letter] for letter in word).split()) for word in words]


def load_speaker():
    """The model that comes with the course.

    Returns
    -------
    Speaker
    """
    return Speaker(EncoderDecoder.load(FOLDER / "speaker.npz"))


def model_card():
    """What the model was trained on and how often it is wrong, as measured on words it had never seen.

    Returns
    -------
    dict
        ``word_error_rate`` and ``phoneme_error_rate`` on the ``test_words`` words of the test split,
        ``what_goes_wrong`` there, and how it was trained. For comparison, ``alone``: for each letter the sounds that
        it stands for most often in the training words; and ``windows``: the two error rates of tables that see so many
        letters at a time.
    """
    return json.loads((FOLDER / "speaker.json").read_text(encoding="utf-8"))


def words_of(text):
    """The words in a text as the network can read them: small letters from a to z, without accents.

    Parameters
    ----------
    text : str
        Such as "José O'Brien".

    Returns
    -------
    list of str
        Such as ["jose", "obrien"]. Spaces and dashes part words; other signs and digits are left out.

    Raises
    ------
    ValueError
        If a letter of another alphabet is among them, if no letter is left, or if a word has more than 40.
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    plain = plain.translate(
        str.maketrans(
            {
                "ß": "ss",
                "æ": "ae",
                "œ": "oe",
                "ø": "o",
                "đ": "d",
                "ð": "d",
                "þ": "th",
                "ł": "l",
                "ı": "i",
                **dict.fromkeys("-‐‑‒–—", " "),
            }
        )
    )
    foreign = next((c for c in plain if c.isalpha() and c not in LETTERS), None)
    words = ["".join(letter for letter in word if letter in LETTERS) for word in plain.split()]
    words = [word for word in words if word]
    if foreign or not words:
        raise ValueError(
            f"The network reads the letters a to z, but {foreign or text!r} came. Write the name in Latin "
            f"letters, such as Li Lei for 李雷."
        )
    if max(map(len, words)) > LONGEST:
        raise ValueError(
            f"The network reads words of up to {LONGEST} letters, but one of {max(map(len, words))} came. "
            f"A space or a hyphen parts words."
        )
    return words


def syllables(phonemes):
    """Cut the sounds of a word into syllables: each has one vowel, and as much before it as can begin a syllable.

    Parameters
    ----------
    phonemes : sequence of str

    Returns
    -------
    list of list of str
    """
    phonemes = tuple(phonemes)
    vowels = [i for i, phoneme in enumerate(phonemes) if phoneme in VOWELS]
    cuts = [0]
    for before, after in pairwise(vowels):
        between = phonemes[before + 1 : after]
        onset = min(len(between), 1)
        if " ".join(between[-2:]) in ONSETS:
            onset = 2
            if " ".join(between[-3:]) in {"S P L", "S P R", "S T R", "S K R", "S K W"}:
                onset = 3
        if between[-1:] == ("NG",):  # no English syllable begins with it
            onset = 0
        cuts.append(after - onset)
    return [list(phonemes[start:end]) for start, end in zip(cuts, [*cuts[1:], len(phonemes)], strict=True)]


def respell(phonemes):
    """The sounds written for an English reader: ('F', 'OW', 'N', 'IY') -> "foh-nee".

    Parameters
    ----------
    phonemes : sequence of str
        Without stress.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If one is not a phoneme of the dictionary.
    """
    for phoneme in phonemes:
        if phoneme not in SOUNDS:
            raise ValueError(
                f"{phoneme!r} is not one of the dictionary's 39 phonemes: {' '.join(SOUNDS)}. Remove the "
                f"stress first, with datasets.without_stress."
            )
    return "-".join("".join(SOUNDS[phoneme][0] for phoneme in syllable) for syllable in syllables(phonemes))
