"""Lesson 07: one step of a GRU, and many runs in one picture."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from course_lib import plotting


def draw_gru_step():
    """Draw one step of a GRU: the hidden state on top, two gates and a candidate below it.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = plt.figure(figsize=(7, 3.15), layout="none")
    ax = fig.add_axes((0, 0, 1, 1), xlim=(0, 7), ylim=(0.3, 3.45))
    ax.axis("off")
    top, mixer, low, bus = 2.8, 2.1, 1.35, 0.62
    hidden = plotting.COLORS["hidden"]
    plotting.draw_arrow(ax, (0.72, top), (1.43, top), color=hidden, width=4)
    plotting.draw_arrow(ax, (1.77, top), (4.53, top), color=hidden, width=4)
    plotting.draw_arrow(ax, (4.87, top), (6.35, top), color=hidden, width=4)
    plotting.draw_arrow(ax, (1.12, bus), (4.7, bus), (4.7, low - 0.24))
    for x, symbol, color in (
        (1.6, "$z_t$", "update_gate"),
        (3.1, "$r_t$", "reset_gate"),
        (4.7, r"$\tilde{h}_t$", "candidate"),
    ):
        plotting.draw_gate(ax, x, low, symbol, color)
        plotting.draw_arrow(ax, (x, bus), (x, low - 0.24))
    for place, sign in (((1.6, top), "×"), ((4.7, top), "+"), ((4.7, mixer), "×")):
        plotting.draw_operation(ax, *place, sign)
    plotting.draw_arrow(ax, (1.6, low + 0.24), (1.6, top - 0.17))
    plotting.draw_arrow(ax, (1.6, mixer), (4.53, mixer))
    plotting.draw_arrow(ax, (3.34, low), (4.46, low))
    plotting.draw_arrow(ax, (4.7, low + 0.24), (4.7, mixer - 0.17))
    plotting.draw_arrow(ax, (4.7, mixer + 0.17), (4.7, top - 0.17))
    for x, y, name, where in (
        (0.65, top, "$h_{t-1}$", "right"),
        (6.42, top, "$h_t$", "left"),
        (0.08, bus, "$x_t$, $h_{t-1}$", "left"),
    ):
        ax.text(x, y, name, ha=where, va="center", fontsize=15)
    ax.text(2.35, mixer + 0.07, "$1 - z_t$", ha="center", va="bottom", fontsize=13)
    for x, y, word in ((1.6, 3.2, "keep?"), (4.7, 3.2, "replace"), (3.9, 1.14, "how much of\nthe old state?")):
        ax.text(
            x,
            y,
            word,
            ha="center",
            va="center" if y > 2 else "top",
            fontsize=11.5,
            color=plotting.MUTED,
            linespacing=0.95,
        )
    return fig


def draw_runs(ax, rows, *, never=None, unit=1):
    """Draw many runs in rows: a dot for each recorded seed, on a bar from least to largest, a diamond for a live run.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Set its scale before.
    rows : list of (str, str, array) or (str, str, array, float or None)
        Label, the name of a colour, one number a seed (NaN for a run that never arrived), and, if there was one, the
        live run's number (None if that never arrived).
    never : float, optional
        Where to put a cross for a run that never arrived.
    unit : float
        Numbers are divided by it.
    """
    for place, (_, color, values, *live) in enumerate(rows):
        color, values = plotting.COLORS[color], np.asarray(values, float) / unit
        height = place + np.linspace(-0.22, 0.22, len(values))
        there = np.isfinite(values)
        if there.any():
            ax.plot(
                [values[there].min(), values[there].max()],
                [place, place],
                "-",
                color=color,
                linewidth=7,
                alpha=0.22,
                solid_capstyle="round",
                zorder=2,
            )
        ax.plot(values[there], height[there], "o", color=color, markersize=5.5, alpha=0.8, markeredgewidth=0, zorder=3)
        if never is not None and not there.all():
            ax.plot(
                np.full((~there).sum(), never),
                height[~there],
                "x",
                color=color,
                markersize=6.5,
                markeredgewidth=1.8,
                clip_on=False,
                zorder=3,
            )
        for value in live:
            ax.plot(
                never if value is None else value / unit,
                place,
                "D",
                markerfacecolor=plotting.BACKGROUND,
                markeredgecolor=color,
                markersize=8.5,
                markeredgewidth=2,
                clip_on=False,
                zorder=4,
            )
    ax.set_yticks(range(len(rows)), [label for label, *_ in rows])
    ax.set_ylim(len(rows) - 0.45, -0.55)
    ax.grid(axis="y", visible=False)


def draw_lags(ax, runs, lags, top=32):
    """Draw three networks against the lag: a mark for each seed, a line through the medians, a cross for never.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    runs : dict of str to (lags, seeds) array
        "rnn", "gru" and "lstm": sequences until learned, NaN for never.
    lags : sequence of int
        Lengths of the sequences.
    top : float
        Upper end of the axis in thousands, where the crosses stand.
    """
    for (name, values), shift in zip(runs.items(), (-1, 0, 1), strict=True):
        style, values = plotting.line_style(name), np.asarray(values, float) / 1000
        middle = np.median(np.nan_to_num(values, nan=np.inf), axis=1)
        ax.plot(
            np.add(lags, shift),
            middle,
            color=style["color"],
            linestyle=style["linestyle"],
            label={"rnn": "plain tanh", "gru": "GRU", "lstm": "LSTM"}[name],
        )
        for lag, row in zip(lags, values, strict=True):
            there = np.isfinite(row)
            ax.plot(
                np.full(there.sum(), lag + shift),
                row[there],
                style["marker"],
                color=style["color"],
                alpha=0.7,
                markersize=5.5,
            )
            if not there.all():
                never = lag + 2.5 * shift + np.linspace(-1.5, 1.5, (~there).sum())
                ax.plot(never, [top] * len(never), "x", color=style["color"], clip_on=False)
    ax.set_yscale("log")
    ax.set(
        xlabel="length of the sequence",
        ylabel="thousand sequences\nuntil learned",
        xticks=lags,
        xlim=(lags[0] - 4, lags[-1] + 5),
        ylim=(0.7, top),
    )
    ax.set_yticks([1, 2, 5, 10, 20, top], ["1", "2", "5", "10", "20", "never"])
    ax.minorticks_off()


def explain_runs(fig, never=True):
    """Draw the legend below a figure of :func:`draw_runs`."""
    signs = [
        plt.Line2D(
            [], [], linestyle="", marker="o", color=plotting.MUTED, markersize=5.5, label="recorded, one a seed"
        ),
        plt.Line2D(
            [],
            [],
            linestyle="",
            marker="D",
            markerfacecolor=plotting.BACKGROUND,
            markeredgecolor=plotting.MUTED,
            markeredgewidth=2,
            markersize=8.5,
            label="live, just now",
        ),
    ]
    if never:
        signs.append(
            plt.Line2D([], [], linestyle="", marker="x", color=plotting.MUTED, markeredgewidth=1.8, label="not learned")
        )
    fig.legend(handles=signs, loc="outside lower center", ncols=len(signs))
