"""Lesson 00: words with the sounds that the network says for them, and the map of the course."""

from __future__ import annotations

import textwrap
from functools import cache
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import FancyBboxPatch

from course_lib import lessons, plotting
from course_lib.speaker import load_speaker, respell, words_of

MOST_WORDS = 4  # that a picture has room for
INSTEAD = "Grace Hopper"  # is said where a name cannot be

_load_once = cache(load_speaker)


def _described(spoken):
    """A word and its sounds as a sentence."""
    said = ", ".join(
        f"{sound} {certainty:.0%}, most at {spoken.word[looked.argmax()]}"
        for sound, certainty, looked in zip(
            spoken.phonemes, spoken.probabilities, spoken.attention_weights, strict=False
        )
    )
    return f"{spoken.word}, said {respell(spoken.phonemes)}: {said}."


def draw_words(words):
    """Draw how the network says the first four of these words: a figure and its alt text."""
    spoken = _load_once().say_all(words[:MOST_WORDS])
    fig = draw_spoken([(f"{s.word}: “{respell(s.phonemes)}”", s) for s in spoken])
    return fig, (
        "The letters of each word, below them the sounds that the network says and how sure it is, and lines "
        "from each sound to the letters that it looked at, the thicker the more. " + " ".join(map(_described, spoken))
    )


def say(text):
    """Show how the network says the words of a text, or a sentence and another name if it cannot read it.

    Parameters
    ----------
    text : str
        Such as a name. Accents are dropped, spaces and hyphens part words; the first four words are shown.

    Returns
    -------
    list of str
        The words that were said.
    """
    try:
        words = words_of(str(text))
    except ValueError as error:
        print(f"{error} Until then: {INSTEAD}.")
        words = words_of(INSTEAD)
    if len(words) > MOST_WORDS:
        print(f"The first {MOST_WORDS} of {len(words)} words:")
    plotting.show(*draw_words(words))
    return words[:MOST_WORDS]


def rows_of(spoken, most):
    """Cut a word into rows of at most ``most`` letters and sounds, each sound near the letter with most attention.

    Yields the slice of letters, the slice of sounds, and the column of each of these sounds, for each row.
    """
    letters, sounds = len(spoken.word), len(spoken.phonemes)
    width = -(-letters // -(-letters // most))  # rows of about equally many letters
    attended = np.maximum.accumulate(spoken.attention_weights.argmax(axis=1)) if sounds else np.empty(0, int)
    letter, sound = 0, 0
    while letter < letters or sound < sounds:
        end = min(letter + width, letters)
        last = sounds if end == letters else int(np.searchsorted(attended, end))
        if last - sound > most:  # more sounds than letters: the row ends earlier
            last = sound + most
            end = max(letter, int(attended[last]))
        order = np.arange(last - sound)  # sounds of the same letter stand side by side, and none beyond the row
        columns = np.maximum.accumulate(attended[sound:last] - letter - order) + order
        columns = np.minimum(columns, max(end - letter, len(order)) - len(order) + order)
        yield slice(letter, end), slice(sound, last), columns
        letter, sound = end, last


def draw_spoken(words):
    """Draw letters, below them the sounds that a network says, the surer the darker, and lines for its attention.

    Parameters
    ----------
    words : list of (str, Spoken)
        What to write above a word, such as its respelling, and the word with its sounds
        (:class:`course_lib.speaker.Spoken`). A word of more than twelve letters goes on in a new row; lines between two
        rows are left out.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is no word.
    """
    if not words:
        raise ValueError("There is at least one word to draw, but got none.")
    most = 12  # letters in a row
    pitch, half = 7 / (most + 0.4), 0.235  # inches from one letter to the next, and half a box
    rows = [
        (textwrap.wrap(above, 56) if number == 0 else [], spoken, cut)
        for above, spoken in words
        for number, cut in enumerate(rows_of(spoken, most))
    ]
    heights = [1.72 + 0.23 * len(above) + 0.15 * bool(above) for above, _, _ in rows]
    fig = plt.figure(figsize=(7, sum(heights) + 0.05), layout="none")
    ax = fig.add_axes((0, 0, 1, 1), xlim=(0, 7), ylim=(-sum(heights) - 0.05, 0))
    ax.axis("off")
    bottom = 0.0
    for (above, spoken, (letters, sounds, columns)), height in zip(rows, heights, strict=True):
        ax.text(0.14, bottom - 0.12, "\n".join(above), ha="left", va="top", fontsize=13, linespacing=1.1)
        bottom -= height
        upper, lower = bottom + 1.45, bottom + 0.5
        xs = (np.arange(len(spoken.word[letters])) + 0.7) * pitch
        for x, letter in zip(xs, spoken.word[letters], strict=True):
            plotting.draw_box(ax, x, upper, half, plotting.COLORS["input"], letter, fontsize=14, va="center_baseline")
        for x, i in zip((columns + 0.7) * pitch, range(sounds.start, sounds.stop), strict=True):
            certainty = float(spoken.probabilities[i])
            for x_letter, weight in zip(xs, spoken.attention_weights[i, letters], strict=True):
                if weight > 0.03:  # thinner lines would not be seen
                    ax.plot(
                        [x_letter, x],
                        [upper - half, lower + half],
                        "-",
                        color=plotting.COLORS["attention"],
                        zorder=2,
                        linewidth=5 * weight,
                        alpha=0.35 + 0.5 * weight,
                        solid_capstyle="butt",
                    )
            plotting.draw_box(
                ax,
                x,
                lower,
                half,
                plotting.COLORS["output"],
                spoken.phonemes[i],
                fontsize=11.5,
                fill=certainty**2 * 0.85,
                linewidth=1.4,
            )
            ax.text(
                x, lower - half - 0.04, f"{certainty:.0%}", ha="center", va="top", fontsize=10, color=plotting.MUTED
            )
    return fig


def draw_course_map(walk):
    """Draw the walk through the course: a box for each lesson, in order, one row for each part.

    Parameters
    ----------
    walk : sequence of Lesson
        As :func:`course_lib.lessons.written` returns them.

    Returns
    -------
    matplotlib.figure.Figure
    """
    parts = list(dict.fromkeys(lesson.part for lesson in walk))
    colors = dict(zip(parts, ("input", "hidden", "cell", "output", "target", "attention"), strict=False))
    row = 1.18
    fig = plt.figure(figsize=(7, row * len(parts)), layout="none")
    ax = fig.add_axes((0, 0, 1, 1), xlim=(0, 7), ylim=(-row * len(parts), 0))
    ax.axis("off")
    width, height, gap = 1.5, 0.66, 0.2
    places = {}  # number of a lesson: left edge and middle of its box
    for number, part in enumerate(parts):
        middle, color = -row * number - 0.68, plotting.COLORS[colors[part]]
        ax.text(0.2, middle + height / 2 + 0.07, part, ha="left", va="bottom", fontsize=10.5, color=color)
        for column, lesson in enumerate(lesson for lesson in walk if lesson.part == part):
            left = 0.2 + column * (width + gap)
            places[lesson.number] = left, middle
            ax.add_patch(
                FancyBboxPatch(
                    (left, middle - height / 2),
                    width,
                    height,
                    facecolor=plotting.tint(color, 0.13),
                    edgecolor=color,
                    boxstyle="round,pad=0,rounding_size=0.09",
                    linewidth=1.5,
                    zorder=3,
                )
            )
            ax.text(
                left + 0.09,
                middle + 0.3,
                lesson.number,
                ha="left",
                va="top",
                fontsize=10.5,
                zorder=5,
                fontweight="bold",
                color=color,
            )
            ax.text(
                left + width - 0.09,
                middle + 0.29,
                f"{lesson.minutes} min",
                ha="right",
                va="top",
                fontsize=10,
                zorder=5,
                color=plotting.MUTED,
            )
            ax.text(
                left + width / 2,
                middle - 0.1,
                textwrap.fill(lesson.title, 17),
                ha="center",
                va="center",
                fontsize=10,
                zorder=5,
                linespacing=1.0,
            )
    for lesson, following in pairwise(walk):
        (x, y), (x_next, y_next) = places[lesson.number], places[following.number]
        if y == y_next:
            plotting.draw_arrow(ax, (x + width, y), (x_next, y), width=1.4, head=9)
        else:  # down and back to the left edge, then into the first box of the next row
            below = y - height / 2 - 0.11
            ax.plot(
                [x + width / 2, x + width / 2, 0.09, 0.09],
                [y - height / 2, below, below, y_next],
                "-",
                color=plotting.MUTED,
                linewidth=1.4,
                solid_joinstyle="round",
            )
            plotting.draw_arrow(ax, (0.09, y_next), (x_next, y_next), width=1.4, head=9)
    x, y = places["00"]
    ax.text(
        x + width + 0.25,
        y,
        "A network says your name.\nBy lesson 11 you will have built it.",
        ha="left",
        va="center",
        fontsize=11,
    )
    return fig


def show_course_map():
    """Show the walk through the course."""
    walk = lessons.written()
    parts = "; ".join(
        f"{part}: " + ", ".join(f"{n.number} {n.title}" for n in walk if n.part == part) for part in lessons.PARTS
    )
    projects = sum(lesson.number.startswith("p") for lesson in walk)
    plotting.show(
        draw_course_map(walk),
        f"The course map: {len(walk) - projects} lessons in order and {projects} projects, "
        f"in {len(lessons.PARTS)} rows. {parts}.",
    )
