"""Lesson 14: the table of CTC's forward variables, what a reader says along a strip, and where a captioner looks."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib import plotting


def draw_trellis(alpha, names):
    """Draw the table of forward variables with the ways a path may go, the two ends with a thick line.

    The darker a circle, the larger its forward variable; symbols and blanks have their own colour.

    Parameters
    ----------
    alpha : (steps, states) array
        The forward variables.
    names : list of str
        Of the states; a blank is "–".

    Returns
    -------
    matplotlib.figure.Figure
    """
    steps, states = alpha.shape
    fig, ax = plt.subplots(figsize=(7, 3.6))
    for t in range(steps):
        for s in range(states):
            for back in (0, 1, 2):
                skips = back == 2 and s >= 2 and names[s] != "–" and names[s] != names[s - 2]
                if t and s >= back and (back < 2 or skips) and alpha[t - 1, s - back] > 0:
                    how = dict(arrowstyle="->", color=plotting.MUTED, shrinkA=21, shrinkB=21, linewidth=1.2)
                    ax.annotate("", (t, s), (t - 1, s - back), arrowprops=how)
            reached = alpha[t, s] > 0
            color = plotting.COLORS["hidden"] if names[s] != "–" else plotting.COLORS["baseline"]
            shade = plotting.tint(color, min(1.0, 2 * alpha[t, s])) if reached else plotting.BACKGROUND
            width = 3.5 if t == steps - 1 and s >= states - 2 else 1.5
            edge = color if reached else "#d8d4c8"
            ax.scatter(t, s, s=1500, color=[shade], edgecolor=edge, linewidth=width, zorder=2)
            dark = reached and alpha[t, s] > 0.28
            ink = plotting.BACKGROUND if dark else plotting.FOREGROUND
            ax.text(t, s, f"{alpha[t, s]:.3f}" if reached else "", ha="center", va="center", color=ink, fontsize=10)
    ax.text(steps - 0.72, states - 1.5, f"sum of the ends\n{alpha[-1, -2:].sum():.3f}", va="center", fontsize=10)
    ax.set(xlim=(-0.5, steps - 0.05), ylim=(states - 0.4, -0.6), xticks=range(steps), yticks=range(states))
    ax.set(xticklabels=range(1, steps + 1), yticklabels=names, xlabel="step $t$", ylabel="state")
    ax.grid(visible=False)
    return fig


def draw_reading(strip, probs, digits):
    """Draw a strip of digits and, below it, the probability of each symbol at each column.

    Parameters
    ----------
    strip : (columns, 8) array
        Pixels from 0 to 1.
    probs : (columns, 11) array
        Of the blank and the ten digits.
    digits : list of int
        The label.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, (top, bottom) = plt.subplots(2, 1, figsize=(7, 3.4), sharex=True, height_ratios=(1, 1.5))
    columns = len(strip)
    top.imshow(strip.T, cmap="Greys", aspect="auto", extent=(-0.5, columns - 0.5, 7.5, -0.5))
    top.set(yticks=[])
    top.grid(visible=False)
    bottom.fill_between(range(columns), probs[:, 0], color="#e4e0d4", step="mid", label="blank")
    for digit in dict.fromkeys(digits):
        bottom.step(range(columns), probs[:, digit + 1], where="mid", linewidth=2, label=str(digit))
    bottom.set(xlabel="column", ylabel="probability", ylim=(0, 1.05))
    fig.legend(*bottom.get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return fig


def draw_looks(picture, letters, looks) -> Figure:
    """Draw a picture once for each letter of its caption, coloured where the captioner looks, and a scale.

    Parameters
    ----------
    picture : (16, 16) array
        Pixels from 0 to 1.
    letters : str
        The caption; a space is written as "space".
    looks : (letters, 16) array
        The attention's weights over 4 x 4 cells.

    Returns
    -------
    matplotlib.figure.Figure
    """
    columns = 7
    rows = -(-len(letters) // columns)
    fig, axes = plt.subplots(rows, columns, figsize=(7, 1.25 * rows + 0.5))
    for ax in axes.flat:
        ax.axis("off")
        ax.set(xticks=[], yticks=[])  # off, and yet measured by what checks a figure
    for ax, letter, weights in zip(axes.flat, letters, looks, strict=False):
        look = np.kron(weights.reshape(4, 4), np.ones((4, 4)))
        ax.imshow(picture, cmap="Greys", vmax=1.2)
        scale = ax.imshow(look, cmap="Oranges", alpha=0.5, vmin=0, vmax=1)
        ax.set_title(letter.replace(" ", "space"), fontsize=11)
    label = "share of the attention on a cell"
    fig.colorbar(scale, ax=axes, orientation="horizontal", fraction=0.05, aspect=40, label=label)
    return fig
