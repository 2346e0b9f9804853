"""Lesson 00: type a name and see how a network would say it."""

from __future__ import annotations

from course_lib.lessons.lesson_00_start_here.figures import draw_words
from course_lib.speaker import LONGEST, words_of
from course_lib.teaching.panel import TextBox, message, panel


def _draw_speaker(text):
    try:
        return draw_words(words_of(text))
    except ValueError as error:  # what was typed may be in letters that the figure's font lacks, so only the alt has it
        fig = message(
            f"No word to say. The network reads the letters a to z, up to {LONGEST} in a word;\n"
            "write the name in Latin letters."
        )
        return fig, f"No word to say. {error}"


def speaker_panel():
    """Type a name, or any word, and see it pronounced. Without a live kernel: three words in one picture."""
    panel(
        _draw_speaker,
        {"text": TextBox("a name or a word", "Ada Lovelace")},
        lambda: draw_words(["phillipp", "bragging", "concoctions"]),
    )
