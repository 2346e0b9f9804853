"""Lesson 16: the doubling scan, round by round, and the guide by which to choose."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import FancyBboxPatch

from course_lib import plotting

GUIDE = (  # question, what to take, the row of the lesson's table that says so, the lesson
    ("Does a table, a line or\n“as yesterday” do?", "keep it", "letters: best of all here", "02, 08, p1"),
    (
        "Is the target the input itself\n(compress, find the odd one)?",
        "autoencoder,\nmade of a row below",
        "not a rival: a target",
        "10",
    ),
    ("Is the answer another sequence,\nof another length?", "encoder-decoder\nwith attention", "no row", "10, 11"),
    ("Must it look up or copy\nwhat it has read?", "attention,\nTransformer", "copying", "11, 12"),
    ("Fixed windows, and what counts\nis local or has its place?", "Conv1D", "adding, order", "14"),
    ("Must it count, or track a\nstate, at any length?", "GRU, LSTM", "parity", "03, 07, 16"),
    ("Thousands of steps, and\na graphics card?", "linear recurrence\nwith a scan", "scans, order, letters", "16"),
    ("One pass, a stream, a phone,\nor little data?", "GRU, then LSTM", "no row", "06, 07"),
)


def draw_doubling(steps=8):
    """Draw which inputs each step has taken in after each round of a scan by doubling.

    Parameters
    ----------
    steps : int
        A power of 2.

    Returns
    -------
    matplotlib.figure.Figure
    """
    rounds = int(np.log2(steps))
    fig, ax = plt.subplots(figsize=(7, 3.1))
    color = plotting.COLORS["hidden"]
    for level in range(rounds + 1):
        y = -1.25 * level
        for t in range(steps):
            first = max(0, t - 2**level + 1)
            done = first == 0
            ax.add_patch(
                FancyBboxPatch(
                    (t - 0.3, y - 0.24),
                    0.6,
                    0.48,
                    boxstyle="round,pad=0.02",
                    facecolor=plotting.tint(color, 0.9 if done else 0.16),
                    edgecolor=color,
                    zorder=3,
                )
            )
            text = f"{first + 1}–{t + 1}" if first < t else f"{t + 1}"
            ax.text(t, y, text, ha="center", va="center", fontsize=10.5, zorder=4, color="white" if done else None)
            if level < rounds:
                plotting.draw_arrow(ax, (t, y - 0.26), (t, y - 0.98), width=1, head=8)
                if t + 2**level < steps:
                    plotting.draw_arrow(ax, (t + 0.05, y - 0.26), (t + 2**level - 0.12, y - 0.98), color=color, head=8)
        ax.text(-0.75, y, "the steps" if level == 0 else f"round {level}", ha="right", va="center")
    ax.set(xlim=(-2.1, steps - 0.5), ylim=(-1.25 * rounds - 0.4, 0.5))
    ax.axis("off")
    return fig


def draw_guide():
    """Draw the guide: questions from top to bottom, and to the right of each what to take if the answer is yes.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = plt.figure(figsize=(7, 7.6), layout="none")
    ax = fig.add_axes((0, 0, 1, 1), xlim=(0, 7), ylim=(-0.35, 9.1))
    ax.axis("off")
    question, leaf = plotting.COLORS["input"], plotting.COLORS["hidden"]
    places = 8 - np.arange(len(GUIDE))
    for x, head in ((1.45, "ask, from the top"), (4.05, "take"), (5.95, "see: row · lesson")):
        ax.text(x, 8.75, head, ha="center", va="center", fontsize=11.5, fontweight="bold")
    for y, (ask, take, row, lesson) in zip(places, GUIDE, strict=True):
        for x, width, color, text in ((1.45, 2.65, question, ask), (4.05, 1.65, leaf, take)):
            ax.add_patch(
                FancyBboxPatch(
                    (x - width / 2, y - 0.32),
                    width,
                    0.64,
                    boxstyle="round,pad=0.03",
                    facecolor=plotting.tint(color, 0.14),
                    edgecolor=color,
                )
            )
            ax.text(x, y, text, ha="center", va="center", fontsize=10.5)
        ax.text(5.0, y, f"{row}\nlesson {lesson}", ha="left", va="center", fontsize=10.5)
        plotting.draw_arrow(ax, (2.81, y), (3.18, y), head=9)
        ax.text(2.98, y + 0.1, "yes", ha="center", va="bottom", fontsize=10, color=plotting.MUTED)
        if y > places[-1]:
            plotting.draw_arrow(ax, (1.45, y - 0.36), (1.45, y - 0.64), head=9)
            ax.text(1.55, y - 0.5, "no", ha="left", va="center", fontsize=10, color=plotting.MUTED)
    plotting.draw_arrow(ax, (1.45, places[-1] - 0.36), (1.45, places[-1] - 0.72), head=9)
    ax.text(1.45, places[-1] - 0.92, "no: run the loop of “Use it”", ha="center", va="center", fontsize=10.5)
    return fig
