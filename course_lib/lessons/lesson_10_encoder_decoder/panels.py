"""Lesson 10: beam search as a tree that grows step by step, over a chain of a few words."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from course_lib.generation import beam_search
from course_lib.lessons.lesson_10_encoder_decoder.figures import draw_tree
from course_lib.teaching.panel import Slider, panel

STOP = "■"
WORDS = ("a", "the", "cat", "dog", "sat", "ran", "there", "away", STOP)
NEXT = {  # what may follow each word, and at the beginning
    "": {"a": 0.47, "the": 0.41, STOP: 0.12},
    "a": {"cat": 0.52, "dog": 0.48},
    "the": {"cat": 0.85, "dog": 0.15},
    "cat": {"sat": 0.55, "ran": 0.35, STOP: 0.10},
    "dog": {"ran": 0.60, "sat": 0.25, STOP: 0.15},
    "sat": {"there": 0.45, STOP: 0.55},
    "ran": {"away": 0.40, STOP: 0.60},
    "there": {STOP: 1.0},
    "away": {STOP: 1.0},
}
LONGEST = 5  # of a sentence of the chain, the stop included


def word_step(words, state):
    """The chain as a step for :mod:`course_lib.generation`; the id after the last word's is the beginning."""
    table = np.zeros((len(WORDS) + 1, len(WORDS)))
    for before, following in NEXT.items():
        row = WORDS.index(before) if before else len(WORDS)
        for word, p in following.items():
            table[row, WORDS.index(word)] = p
    table[WORDS.index(STOP), -1] = 1  # never asked
    with np.errstate(divide="ignore"):
        return np.log(table[words]), state


def sentence_beams(width, length_exponent=0.0, steps=LONGEST):
    """Beam search over the chain.

    Parameters
    ----------
    width : int
    length_exponent : float
    steps : int
        Write at most so many words, the stop included.

    Returns
    -------
    BeamSearchOutput
    """
    return beam_search(
        word_step, [len(WORDS)], max_length=steps, stop=WORDS.index(STOP), width=width, length_exponent=length_exponent
    )


def _said(beams):
    best = beams.hypotheses[0][0]
    sentence = " ".join(WORDS[i] for i in best.symbols) or "nothing at all"
    return f"“{sentence}”, of probability {np.exp(best.log_probability):.2g}"


def _draw_live(width, steps, length_exponent):
    beams = sentence_beams(width, length_exponent, steps)
    fig, ax = plt.subplots(figsize=(7, 3.6))
    draw_tree(ax, beams, WORDS, steps=LONGEST)
    ax.set_xlabel("word")
    best = "best" if beams.hypotheses[0][0].ended else "best so far"
    ax.set_title(f"{best}: {_said(beams)}", loc="left", fontsize=11)
    kept = "; ".join(
        f"{' '.join(WORDS[i] for i in h.symbols) or 'nothing'} {STOP if h.ended else '…'} "
        f"{np.exp(h.log_probability):.2g}"
        for h in beams.hypotheses[0]
    )
    return fig, (
        f"The tree of a beam search of width {width} after {steps} words, length exponent "
        f"{length_exponent:g}. Kept, best first: {kept}."
    )


def _draw_static():
    fig, axes = plt.subplots(3, 1, figsize=(7, 5.6), sharex=True, height_ratios=(1, 1.9, 2.6))
    said = []
    for ax, width in zip(axes, (1, 2, 3), strict=True):
        beams = sentence_beams(width)
        draw_tree(ax, beams, WORDS, steps=LONGEST)
        ax.set_title(f"width {width}: {_said(beams)}", loc="left", fontsize=11)
        said.append(f"Width {width}: {_said(beams)}.")
    axes[-1].set_xlabel("word")
    return fig, (
        "Three trees of a beam search over the same chain of words; each box is a beginning that was kept, "
        "with its probability, and the best path is bold. " + " ".join(said)
    )


def beam_panel():
    """Grow the tree of a beam search step by step: how wide it is, how far it has come, how lengths are weighed.

    The tree is that of :func:`sentence_beams`. Without a live kernel: the trees of widths 1, 2 and 3 in one picture.
    """
    panel(
        _draw_live,
        {
            "width": Slider("width of the beam", 1, 5, 1, 1),
            "steps": Slider("words written", 1, LONGEST, 1, LONGEST),
            "length_exponent": Slider("length exponent", 0, 2, 0.25, 0),
        },
        _draw_static,
    )
