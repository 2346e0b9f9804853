"""Lesson 12: the architecture of Vaswani et al. 2017, Figure 1, with numbers or with names."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.patches import FancyBboxPatch

from course_lib import plotting
from course_lib.lessons.lesson_12_transformer.exercises import NAMES

_COLORS = {
    1: "input",
    2: "baseline",
    3: "attention",
    5: "cell",
    6: "hidden",
    7: "attention",
    8: "attention",
    9: "output",
}
_ENCODER, _DECODER, _HALF = 2.18, 4.82, 0.85  # where the two columns stand, and half a box's width, in inches


def _box(ax, x, y, number, named):
    color = plotting.COLORS[_COLORS[number]]
    ax.add_patch(
        FancyBboxPatch(
            (x - _HALF, y - 0.15),
            2 * _HALF,
            0.3,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=plotting.tint(color, 0.16),
            edgecolor=color,
            linewidth=1.6,
            zorder=3,
        )
    )
    ax.text(x, y, NAMES[number] if named else f"{number}", ha="center", va="center", fontsize=11, zorder=5)


def _part(ax, x, y, number, named, outside, show_number):
    """One part with its residual connection and its normalisation, from y upwards."""
    _box(ax, x, y, number, named)
    plotting.draw_operation(ax, x, y + 0.4, "+")
    _box(ax, x, y + 0.78, 5, named)
    plotting.draw_arrow(ax, (x, y + 0.15), (x, y + 0.23))
    plotting.draw_arrow(ax, (x, y + 0.57), (x, y + 0.63))
    side, color = x + outside * 1.02, plotting.COLORS["gradient"]
    way = (x, y - 0.24), (side, y - 0.24), (side, y + 0.4), (x + outside * 0.17, y + 0.4)
    plotting.draw_arrow(ax, *way, color=color, width=2)
    if show_number:
        text = NAMES[4].replace(" ", "\n") if named else "4"
        where = "right" if outside < 0 else "left"
        ax.text(side + outside * 0.2, y + 0.1, text, ha=where, va="center", fontsize=10 if named else 12)
    plotting.draw_arrow(ax, (x, y + 0.93), (x, y + 1.15))


def draw_transformer(named=False):
    """Draw encoder and decoder side by side, as in Figure 1 of Vaswani et al. 2017, normalised after each addition.

    Parameters
    ----------
    named : bool
        Names in the boxes; else numbers, as exercise 12.3 asks for.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = plt.figure(figsize=(7, 6.6), layout="none")
    ax = fig.add_axes((0, 0, 1, 1), xlim=(0, 7), ylim=(0, 6.6))
    ax.axis("off")
    first, pitch = 1.85, 1.3
    for x, outside, parts, below in (
        (_ENCODER, -1, (3, 6), "source symbols"),
        (_DECODER, 1, (7, 8, 6), "target symbols, moved by one"),
    ):
        ax.text(x, 0.14, below, ha="center", va="center", fontsize=11, color=plotting.MUTED)
        plotting.draw_arrow(ax, (x, 0.28), (x, 0.42))
        _box(ax, x, 0.57, 1, named)
        plotting.draw_arrow(ax, (x, 0.72), (x, 0.85))
        plotting.draw_operation(ax, x, 1.02, "+")
        _positions(ax, x + outside * 1.5, 1.02, named)
        plotting.draw_arrow(ax, (x + outside * (0.95 if named else 1.3), 1.02), (x + outside * 0.17, 1.02))
        plotting.draw_arrow(ax, (x, 1.19), (x, first - 0.15))
        for index, number in enumerate(parts):
            _part(ax, x, first + pitch * index, number, named, outside, show_number=index == 0)
        top = first + pitch * len(parts) - 0.25
        frame = FancyBboxPatch((x - 1.16, 1.38), 2.32, top - 1.38, boxstyle="round,pad=0,rounding_size=0.1")
        frame.set(facecolor="none", edgecolor=plotting.MUTED, linewidth=1, linestyle="--")
        ax.add_patch(frame)
        ax.text(x + outside * 1.25, top - 0.3, "N ×", ha="right" if outside < 0 else "left", va="center", fontsize=12)
    middle, cross, top = (_ENCODER + _DECODER) / 2, first + pitch, first + 2 * pitch
    way = (_ENCODER, top - 0.15), (_ENCODER, top + 0.1), (middle, top + 0.1), (middle, cross), (_DECODER - _HALF, cross)
    plotting.draw_arrow(ax, *way, color=plotting.FOREGROUND, width=2)
    top = first + 3 * pitch
    plotting.draw_arrow(ax, (_DECODER, top - 0.15), (_DECODER, top))
    ax.text(_DECODER, top + 0.1, "output layer", ha="center", va="center", fontsize=11, color=plotting.MUTED)
    plotting.draw_arrow(ax, (_DECODER, top + 0.2), (_DECODER, top + 0.32))
    _box(ax, _DECODER, top + 0.47, 9, named)
    ax.text(
        _DECODER - 1.0,
        top + 0.47,
        "probabilities of the next symbol",
        ha="right",
        va="center",
        fontsize=11,
        color=plotting.MUTED,
    )
    return fig


def _positions(ax, x, y, named):
    color = plotting.COLORS["baseline"]
    box = dict(boxstyle="round,pad=0.3", facecolor=plotting.tint(color, 0.16), edgecolor=color)
    text = NAMES[2].replace(" ", "\n") if named else "2"
    ax.text(x, y, text, ha="center", va="center", fontsize=11, bbox=box, zorder=5)
