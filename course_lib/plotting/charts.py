"""Parts of charts that lessons share: heatmaps, the reader's guess, recorded results beside live ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import EllipsisType
from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.image import AxesImage
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation
from numpy.typing import ArrayLike

from course_lib.plotting.style import _STROKES, BACKGROUND, COLORS, FOREGROUND, MUTED


def heatmap(
    ax: Axes,
    matrix: ArrayLike,
    *,
    label: str,
    xlabel: str,
    ylabel: str,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
) -> AxesImage:
    """Draw a matrix as colours, row 0 on top, with a colour bar; numbers of both signs get 0 in the middle.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    matrix : (rows, columns) array
        NaN is left blank.
    label : str
        What the colours measure, with its unit.
    xlabel, ylabel : str
        What the columns and the rows are.
    rows, columns : list of str, optional
        A name for each row and column.
    vmin, vmax : float, optional
        Ends of the scale; the matrix's own if not given.

    Returns
    -------
    matplotlib.image.AxesImage
        The coloured matrix.

    Raises
    ------
    ValueError
        If the array has not two axes, holds no finite number, or the names do not match its size.
    """
    matrix = np.asarray(matrix, float)
    if matrix.ndim != 2 or not np.isfinite(matrix).any():
        raise ValueError(
            f"A heatmap draws a matrix (rows, columns) with finite numbers in it, but got an array of shape "
            f"{matrix.shape} with {int(np.isfinite(matrix).sum())} of them."
        )
    for names, size, what in ((rows, matrix.shape[0], "rows"), (columns, matrix.shape[1], "columns")):
        if names is not None and len(names) != size:
            raise ValueError(f"The matrix has {size} {what}, so it takes {size} names for them, but got {len(names)}.")
    finite = matrix[np.isfinite(matrix)]
    low = float(finite.min()) if vmin is None else vmin
    high = float(finite.max()) if vmax is None else vmax
    if low < 0 < high:
        reach = max(-low, high)
        norm, cmap = TwoSlopeNorm(0, -reach, reach), "PuOr_r"
    else:
        norm, cmap = mpl.colors.Normalize(low, high), "cividis"
    image = ax.imshow(matrix, norm=norm, cmap=cmap, aspect="auto", interpolation="nearest")
    ax.grid(False)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    for axis, names in ((ax.yaxis, rows), (ax.xaxis, columns)):
        if names is None:
            axis.set_major_locator(MaxNLocator(integer=True))
        else:
            axis.set_ticks(range(len(names)), names)
    ax.figure.colorbar(image, ax=ax, label=label)
    return image


def mark_guess(
    ax: Axes, value: float | EllipsisType | None, *, axis: Literal["x", "y"] = "x", label: str = "your guess"
) -> None:
    """Draw the reader's guess as a dashed line; nothing if there is none yet. Call it after the curves are drawn.

    A guess beyond the axes becomes a note with an arrow at the edge, so that the limits stay as they are.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where the curves are.
    value : float, None or ...
        The guess; ``None`` and ``...`` mean that the reader made none.
    axis : {"x", "y"}
        The axis on which the guess is a number.
    label : str
        What is written before the number.

    Raises
    ------
    TypeError
        If the guess is not a finite number.
    ValueError
        If there is no such axis, or the axis is logarithmic and the guess not positive.
    """
    if axis not in ("x", "y"):
        raise ValueError(f'A guess is marked on the axis "x" or "y", but got {axis!r}.')
    if value is None or value is ...:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not math.isfinite(value):
        raise TypeError(
            f"A guess is one finite number, but got {value!r}. Write it like my_guess = 12, without quotes; leave it "
            f"as ... to go on without a guess."
        )
    scale, (start, end) = (ax.get_xscale(), ax.get_xlim()) if axis == "x" else (ax.get_yscale(), ax.get_ylim())
    if scale == "log" and value <= 0:
        raise ValueError(f"On a logarithmic axis a guess is above zero, but got {value}.")
    text, is_in_view = f"{label}: {value:g}", min(start, end) <= value <= max(start, end)
    if is_in_view:
        draw = ax.axvline if axis == "x" else ax.axhline
        draw(
            value,
            color=COLORS["guess"],
            linestyle=_STROKES["guess"][0],
            linewidth=2,
            zorder=3,
            path_effects=[withStroke(linewidth=4.5, foreground=BACKGROUND)],
        )
        point = (value, end) if axis == "x" else (end, value)
        position = (ax.transData - ax.transAxes).transform(point)[0 if axis == "x" else 1]
    else:
        position = 1 if (value > start) == (end > start) else 0  # the end of the axis that it lies beyond
        text = f"{text} {('←→' if axis == 'x' else '↓↑')[position]}"
    inward = "right" if position > 0.5 else "left"
    shift = (-6 if position > 0.5 else 6, 0) if axis == "x" else (0, 3 if position < 0.9 else -3)
    ax.annotate(
        text,
        (position, 0.95) if axis == "x" else (0.98, position),
        shift,
        xycoords="axes fraction",
        textcoords="offset points",
        color=COLORS["guess"],
        zorder=6,
        ha=inward if axis == "x" else "right",
        va="top" if axis == "x" or position >= 0.9 else "bottom",
        path_effects=[withStroke(linewidth=3, foreground=BACKGROUND)],
    )


def recorded_and_live(
    ax: Axes,
    recorded: Mapping[str, Sequence[float]],
    live: Mapping[str, float],
    *,
    xlabel: str,
    marks: Mapping[str, float] | None = None,
) -> None:
    """One row for each thing measured: a dot for every recorded seed, a diamond for what was measured just now.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw; set ``ax.set_xscale("log")`` before, if wanted.
    recorded : dict of str to list of float
        Row name -> one number a seed, as ``make reproduce`` recorded them. A name in :data:`COLORS` gives the colour.
    live : dict of str to float
        Row name -> the number measured in this lesson's run; rows may be missing, even all of them.
    xlabel : str
        What the numbers are, with their unit.
    marks : dict of str to float, optional
        Vertical lines to compare with, such as a bound or a baseline, by name.

    Raises
    ------
    ValueError
        If nothing was recorded, or a live row has no recorded one to stand beside.
    """
    if not recorded or not all(len(values) for values in recorded.values()):
        raise ValueError(f"There is at least one row, each with a recorded number, but got {recorded!r}.")
    if extra := set(live) - set(recorded):
        raise ValueError(f"Live results are for the recorded rows {list(recorded)}, but got {sorted(extra)}.")
    for row, (name, values) in enumerate(recorded.items()):
        color = COLORS.get(name, COLORS["hidden"])
        spread = row + np.linspace(-0.16, 0.16, len(values)) if len(values) > 1 else [row]
        ax.plot(values, spread, "o", color=color, markersize=6.5, alpha=0.6, markeredgewidth=0)
        if name in live:
            ax.plot(
                live[name],
                row,
                "D",
                markerfacecolor=BACKGROUND,
                markeredgecolor=color,
                markersize=10,
                markeredgewidth=2.2,
                zorder=4,
            )
    ax.plot([], [], "o", color=MUTED, alpha=0.7, markeredgewidth=0, label="recorded, one dot a seed")
    if live:
        ax.plot(
            [],
            [],
            "D",
            markerfacecolor=BACKGROUND,
            markeredgecolor=MUTED,
            markersize=9,
            markeredgewidth=2,
            label="live, just now",
        )
    for number, (name, value) in enumerate((marks or {}).items()):
        dashes = ("--", ":", "-.")[number % 3]
        ax.axvline(value, color=FOREGROUND, linestyle=dashes, linewidth=1.5, zorder=1, label=f"{name}: {value:g}")
    ax.set_yticks(range(len(recorded)), list(recorded))
    ax.set(xlabel=xlabel, ylim=(len(recorded) - 0.4, -0.6))
    ax.grid(axis="y", visible=False)
    below = ax.transAxes + ScaledTranslation(0, -42 / 72, ax.figure.dpi_scale_trans)  # clear of the axis' label
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=below, ncols=2)
