"""Lesson 11: a map of attention weights."""

from __future__ import annotations

from course_lib import plotting


def draw_attention_map(ax, word, sounds, weights):
    """Draw the attention weights of one word as colours, with a dot on the largest of each row.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    word : str
        Its letters stand below the columns.
    sounds : sequence of str
        They stand beside the rows; the last row is that of the stop symbol.
    weights : (sounds + 1, letters) array
    """
    ax.imshow(weights, vmin=0, vmax=1, cmap="cividis", aspect="auto", interpolation="nearest")
    for row, column in enumerate(weights.argmax(axis=1)):
        ax.plot(
            column, row, "o", markersize=6, markerfacecolor=plotting.BACKGROUND, markeredgecolor=plotting.FOREGROUND
        )
    ax.set_xticks(range(len(word)), word)
    ax.set_yticks(range(len(weights)), [*sounds, "stop"])
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)
