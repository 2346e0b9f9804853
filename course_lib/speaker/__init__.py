"""A small network that pronounces English words: what lesson 00 shows and lesson 11 explains.

Its encoder is a bidirectional GRU over the letters (lesson 07); its decoder, a GRU with dot attention, predicts one
sound after the other (lessons 10 and 11)::

    from course_lib import speaker
    speaker.load_speaker().say("phone").phonemes        # ('F', 'OW', 'N')

- :mod:`~course_lib.speaker.network`: the model, its shipped weights, its model card, decoding;
- :mod:`~course_lib.speaker.pronunciation`: phonemes, syllables, respelling, words out of any text;
- :mod:`~course_lib.speaker.alignment`: which letter makes which sound, and tables to compare with;
- :mod:`~course_lib.speaker.training`: how it was trained. ``python -m course_lib.speaker.train`` trains it anew.

Sounds are the 39 phonemes of the CMU Pronouncing Dictionary, without stress.
"""

from __future__ import annotations

from course_lib.speaker.network import MOST_SOUNDS, START, STOP, Speaker, Spoken, load_speaker, model_card, say_words
from course_lib.speaker.pronunciation import (
    LETTERS,
    LONGEST,
    ONSETS,
    PHONEMES,
    SOUNDS,
    VOWELS,
    letter_by_letter,
    respell,
    syllables,
    words_of,
)

__all__ = [
    "LETTERS",
    "LONGEST",
    "MOST_SOUNDS",
    "ONSETS",
    "PHONEMES",
    "SOUNDS",
    "START",
    "STOP",
    "VOWELS",
    "Speaker",
    "Spoken",
    "letter_by_letter",
    "load_speaker",
    "model_card",
    "respell",
    "say_words",
    "syllables",
    "words_of",
]
