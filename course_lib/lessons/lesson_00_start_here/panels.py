"""Lesson 00: type a name and see how a network would say it."""

from __future__ import annotations

from functools import cache

import matplotlib.pyplot as plt

from course_lib import lessons, plotting
from course_lib.speaker import LONGEST, load_speaker, respell, words_of
from course_lib.teaching.panel import TextBox, panel

_MOST = 4  # words that a picture has room for

_load_once = cache(load_speaker)


def _described(spoken):
    """A word and its sounds as a sentence."""
    said = ", ".join(
        f"{sound} {certainty:.0%}, most at {spoken.word[looked.argmax()]}"
        for sound, certainty, looked in zip(spoken.phonemes, spoken.certainty, spoken.attention, strict=False)
    )
    return f"{spoken.word}, said {respell(spoken.phonemes)}: {said}."


def _draw_words(words):
    spoken = _load_once().say_all(words)
    fig = plotting.draw_spoken([(f"{s.word}: “{respell(s.phonemes)}”", s) for s in spoken])
    return fig, (
        "The letters of each word, below them the sounds that the network says and how sure it is, and lines "
        "from each sound to the letters that it looked at, the thicker the more. " + " ".join(map(_described, spoken))
    )


def say(text):
    """Show how the network says the words of a text.

    Parameters
    ----------
    text : str
        Such as a name. Accents are dropped, spaces and hyphens part words; the first four words are shown.

    Raises
    ------
    ValueError
        If there is no letter from a to z in it, or a word is too long.
    """
    plotting.show(*_draw_words(words_of(text)[:_MOST]))


def _draw_speaker(text):
    try:
        return _draw_words(words_of(text)[:_MOST])
    except ValueError as error:  # what was typed may be in letters that the figure's font lacks, so only the alt has it
        fig = plt.figure(figsize=(7, 0.9), layout="none")
        fig.text(
            0.02,
            0.5,
            f"No word to say. The network reads the letters a to z, up to {LONGEST} in a word;\n"
            "write the name in Latin letters.",
            va="center",
            fontsize=11.5,
        )
        return fig, f"No word to say. {error}"


def speaker_panel():
    """Type a name, or any word, and see it pronounced. Without a live kernel: three words in one picture."""
    panel(
        _draw_speaker,
        {"text": TextBox("a name or a word", "Ada Lovelace")},
        lambda: _draw_words(["phillipp", "bragging", "concoctions"]),
    )


def course_map():
    """Show the walk through the course."""
    walk = lessons.course_map()
    parts = "; ".join(
        f"{part}: " + ", ".join(f"{n.number} {n.title}" for n in walk if n.part == part) for part in lessons.PARTS
    )
    plotting.show(
        plotting.draw_course_map(walk),
        f"The course map: sixteen lessons in order, in {len(lessons.PARTS)} rows. {parts}.",
    )
