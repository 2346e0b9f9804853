"""Lesson 04: the triangle of what each loss gives to each earlier step."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import TwoSlopeNorm
from matplotlib.ticker import MaxNLocator

from course_lib import plotting


def gradient_triangle(ax, shares, kept, *, title):
    """Draw what each loss gives to the gradient of each earlier use of the weights, as far as a rule keeps it.

    Above the diagonal is the future, which no loss depends on: it stays blank.

    Parameters
    ----------
    ax : matplotlib axes
    shares : (T, T) array
        Row t - 1, column s - 1: the share of the whole gradient that the loss at step t gives to the use of the weights
        at step s. Entries above the diagonal are not read.
    kept : (T, T) array of bool
        The pairs that a training rule adds up; each of the others becomes a small grey dot.
    title : str

    Returns
    -------
    matplotlib mesh
        For a colour bar, if wanted.

    Raises
    ------
    ValueError
        If the two are not square arrays of the same size, or a share is not a finite number.
    """
    shares, kept = np.asarray(shares, float), np.asarray(kept, bool)
    steps = len(shares)
    if shares.shape != (steps, steps) or kept.shape != shares.shape:
        raise ValueError(
            f"Shares and kept have a row for each loss and a column for each step, both (T, T), but got "
            f"{shares.shape} and {kept.shape}."
        )
    past = np.tri(steps, dtype=bool)
    if not np.isfinite(shares[past]).all():
        raise ValueError(
            "Every share on and below the diagonal is a finite number, but got one that is not. Is the whole "
            "gradient zero?"
        )
    reach = np.abs(shares[past]).max() or 1.0
    edges = 0.5 + np.arange(steps + 1)
    mesh = ax.pcolormesh(
        edges,
        edges,
        np.ma.array(shares, mask=~(kept & past)),
        cmap="PuOr_r",
        norm=TwoSlopeNorm(0, -reach, reach),
        edgecolors=plotting.BACKGROUND,
        linewidth=1,
    )
    t, s = np.nonzero(past & ~kept)
    ax.plot(s + 1, t + 1, ".", color=plotting.tint(plotting.MUTED, 0.5), markersize=4)
    ax.set(
        xlabel="step $s$ that is blamed",
        ylabel="step $t$ of the loss",
        title=title,
        aspect="equal",
        ylim=(steps + 0.5, 0.5),
    )
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.grid(False)
    return mesh
