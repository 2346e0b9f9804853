"""Lesson 02: bits a symbol against the length of an n-gram."""

from __future__ import annotations

from course_lib import plotting

TRAINING_COLOR, UNSEEN_COLOR = "#b5541c", "#0b6e99"  # the same table on the text that it has read, and on another


def draw_bits(ax, read, unseen, floor, endless=()):
    """Draw bits a symbol against n: a table on what it has read and on unseen text, above and below the exact floor.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    read, unseen : (longest,) arrays
        Bits for n = 1, 2, ... on the text that the tables have read, and on another from the same source.
    floor : float
        Of the source.
    endless : sequence of float, optional
        For n = 1, 2, ...: what a table would score after an endless text.
    """
    if len(endless):  # a wide band under the other two, which often cover it
        ax.plot(
            range(1, len(endless) + 1),
            endless,
            color=plotting.MUTED,
            linestyle="-",
            linewidth=7,
            alpha=0.3,
            marker="",
            solid_capstyle="round",
            label="after an endless text",
        )
    lengths = range(1, len(read) + 1)
    ax.plot(lengths, read, color=TRAINING_COLOR, marker="s", linestyle="--", label="on the text it has read")
    ax.plot(lengths, unseen, color=UNSEEN_COLOR, marker="o", linestyle="-", label="on unseen text")
    ax.axhline(floor, color=plotting.COLORS["optimum"], linestyle=(0, (1, 1)), label="floor: the best possible")
    ax.set(xlabel="n, length of a run", ylabel="bits a symbol", xticks=lengths)
