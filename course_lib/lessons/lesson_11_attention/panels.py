"""Lesson 11: type a word and see what the network of lesson 00 attends to while it says it."""

from __future__ import annotations

from functools import cache, partial

import matplotlib.pyplot as plt

from course_lib.lessons.lesson_11_attention import experiments
from course_lib.lessons.lesson_11_attention.figures import draw_attention_map
from course_lib.speaker import LONGEST, load_speaker, words_of
from course_lib.teaching.panel import TextBox, message, panel, what_it_reads

_MANY = 24  # rows of a map beyond which they are drawn narrower, with smaller names


@cache
def load_reader():
    """The network that says names in lesson 00: an EncoderDecoder from 26 letters to 39 sounds, with dot attention.

    Its symbols for begin and end are ``BEGIN`` and ``END`` of the lesson's experiments.
    """
    return load_speaker().model


def attention_map(model, word):
    """What a model says for a word, and what it attends to at each sound.

    Parameters
    ----------
    model : EncoderDecoder
        From letters to sounds, with attention.
    word : str
        Letters a to z.

    Returns
    -------
    sounds : tuple of str
    weights : (sounds + 1, letters) array
        Rows sum to 1; the last is that of the stop symbol.
    """
    (sounds,) = experiments.say_words(model, [word])
    pairs = experiments.teacher_forcing(
        [experiments.ALPHABET.encode(word)], [experiments.SOUNDS.encode(sounds)], experiments.BEGIN, experiments.END
    )
    model.forward(pairs)
    return sounds, model.attention_weights[0]


def _said(word, sounds, weights):
    places = weights.argmax(axis=1)
    largest = ", ".join(f"{sound} at {word[place]}" for sound, place in zip(sounds, places, strict=False))
    return f"For {word} it says {' '.join(sounds) or 'nothing'}, and its largest weights are: {largest or 'none'}."


def _draw_word(word, model=None):
    sounds, weights = attention_map(model or load_reader(), word)
    narrow = len(weights) > _MANY
    fig, ax = plt.subplots(figsize=(min(7, 1.5 + 0.45 * len(word)), 1.2 + (0.12 if narrow else 0.32) * len(weights)))
    draw_attention_map(ax, word, sounds, weights)
    ax.set_title(word)
    if narrow:
        ax.tick_params(axis="y", labelsize=6.5)
    return fig, (
        "A map of attention weights, a row for each sound, a column for each letter, light where the weight "
        f"is large. {_said(word, sounds, weights)}"
    )


def _draw_live(word, model=None):
    try:
        first = words_of(word)[0]
        fig, alt = _draw_word(first, model)
        if cut := what_it_reads(word, first, "one word at a time, letters a to z"):
            fig.axes[0].set_title(f"{first}\n{cut}", fontsize=10)
        return fig, f"{alt} {cut}".strip()
    except ValueError as error:
        fig = message(f"No word to say. The network reads the letters a to z, up to {LONGEST} in a word.")
        return fig, f"No word to say. {error}"


STILL = ("phone", "knight", "wicked", "extra")


def _draw_still(model=None):
    maps = [(word, *attention_map(model or load_reader(), word)) for word in STILL]
    fig, axes = plt.subplots(2, 2, figsize=(7, 5.2))
    for ax, (word, sounds, weights) in zip(axes.flat, maps, strict=True):
        draw_attention_map(ax, word, sounds, weights)
        ax.set_title(word)
    return fig, (
        "Four maps of attention weights, each with a row for each sound and a column for each letter, light "
        "where the weight is large: in each, the light squares run down from the upper left to the lower "
        "right. " + " ".join(_said(*one) for one in maps)
    )


def attention_panel(model=None):
    """Type a word and see what a trained network attends to at each sound. Without a live kernel: four words.

    Parameters
    ----------
    model : SequenceToSequence, optional
        From letters to sounds, with ``attention_weights``; by default the network of lesson 00.
    """
    panel(partial(_draw_live, model=model), {"word": TextBox("a word", "alphabet")}, partial(_draw_still, model))
