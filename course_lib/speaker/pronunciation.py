"""The letters and sounds of the speaker: its phonemes, syllables, respelling, and words out of any text."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from course_lib.sequences import Vocabulary

LETTERS = Vocabulary("abcdefghijklmnopqrstuvwxyz")
LONGEST = 40  # letters of a word; the longest of the dictionary has 34

# phoneme: (how to write it for an English reader, a word that has it, with the sound in capitals)
SOUNDS: dict[str, tuple[str, str]] = {
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
VOWELS: set[str] = {"AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"}
# Pairs of consonants that can begin an English syllable; of three, s and one of these.
ONSETS: set[str] = {
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


def letter_by_letter(words: Sequence[str], table: dict[str, str]) -> list[tuple[str, ...]]:
    """Pronounce each letter by itself, without any context: the baseline of lesson 00.

    Parameters
    ----------
    words : list of str
        In letters from a to z.
    table : dict of str to str
        The sounds of each letter, such as ``model_card()["alone"]``.

    Returns
    -------
    list of tuple of str
        The phonemes of each word.

    Examples
    --------
    >>> letter_by_letter(["tax"], {"t": "T", "a": "AE", "x": "K S"})
    [('T', 'AE', 'K', 'S')]
    """
    return [tuple(" ".join(table[letter] for letter in word).split()) for word in words]


def words_of(text: str) -> list[str]:
    """The words in a text as the network takes them: small letters from a to z, without accents.

    Parameters
    ----------
    text : str
        Such as "José O'Brien".

    Returns
    -------
    list of str
        Such as ["jose", "obrien"]. Spaces and dashes separate words; other signs and digits are left out.

    Raises
    ------
    ValueError
        If a letter of another alphabet is among them, if no letter is left, or if a word has more than 40.

    Examples
    --------
    >>> words_of("José O'Brien")
    ['jose', 'obrien']
    """
    # Lm: modifier letters such as the ʻ of Hawaiian and the ʿ of transcribed Arabic, which are written like accents
    plain = "".join(
        c
        for c in unicodedata.normalize("NFKD", text.lower())
        if not unicodedata.combining(c) and unicodedata.category(c) != "Lm"
    )
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
                "ħ": "h",
                "ŋ": "ng",
                "ə": "a",
                "ŧ": "t",
                "ɓ": "b",
                "ɗ": "d",
                "ƙ": "k",
                "ɛ": "e",
                "ɔ": "o",
                **dict.fromkeys("-‐‑‒–—", " "),
            }
        )
    )
    foreign = next((c for c in plain if c.isalpha() and c not in LETTERS), None)
    words = ["".join(letter for letter in word if letter in LETTERS) for word in plain.split()]
    words = [word for word in words if word]
    if foreign or not words:
        raise ValueError(
            f"The network takes the letters a to z, but got {foreign or text!r}. Write the name in Latin "
            f"letters, such as Li Lei for 李雷."
        )
    if max(map(len, words)) > LONGEST:
        raise ValueError(
            f"The network takes words of up to {LONGEST} letters, but got one of {max(map(len, words))}. "
            f"A space or a hyphen separates words."
        )
    return words


def syllables(phonemes: Sequence[str]) -> list[list[str]]:
    """Split the sounds of a word into syllables: each has one vowel, and as much before it as can begin a syllable.

    Parameters
    ----------
    phonemes : sequence of str
        Without stress marks.

    Returns
    -------
    list of list of str
        The sounds of each syllable.

    Examples
    --------
    >>> syllables(["B", "AH", "N", "AE", "N", "AH"])
    [['B', 'AH'], ['N', 'AE'], ['N', 'AH']]
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


def respell(phonemes: Sequence[str]) -> str:
    """The sounds spelled for an English reader, syllable by syllable.

    Parameters
    ----------
    phonemes : sequence of str
        Without stress.

    Returns
    -------
    str
        Syllables joined by hyphens.

    Raises
    ------
    ValueError
        If one is not a phoneme of the dictionary.

    Examples
    --------
    >>> respell(["F", "OW", "N", "IY"])
    'foh-nee'
    """
    for phoneme in phonemes:
        if phoneme not in SOUNDS:
            raise ValueError(
                f"respell takes the dictionary's 39 phonemes, {' '.join(SOUNDS)}, but got {phoneme!r}. Remove the "
                f"stress first, with datasets.without_stress."
            )
    return "-".join("".join(SOUNDS[phoneme][0] for phoneme in syllable) for syllable in syllables(phonemes))
