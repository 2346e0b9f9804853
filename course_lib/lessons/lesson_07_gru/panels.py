"""Lesson 07: one step of a GRU with a single unit, on a line from -1 to 1; and its pictures of many runs."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from course_lib import plotting
from course_lib.lessons.lesson_06_lstm.panels import _gate_box, _node, _path
from course_lib.teaching.panel import Slider, panel

WEIGHT = 2.0  # of the old state in the candidate


def gru_update(z, r, h_before, input_sum):
    """One step of one unit: the candidate and the new state.

    Parameters
    ----------
    z, r : float
        Update and reset gate, from 0 to 1.
    h_before : float
        h_{t-1}.
    input_sum : float
        What the input adds to the candidate's sum.

    Returns
    -------
    candidate, h : float
        tanh(input_sum + r · 2 h_{t-1}), and z h_{t-1} + (1 - z) candidate.

    Raises
    ------
    ValueError
        If a gate is not between 0 and 1.
    """
    if not (0 <= z <= 1 and 0 <= r <= 1):
        raise ValueError(f"A gate is a number from 0 to 1, but z = {z} and r = {r} came.")
    candidate = float(np.tanh(input_sum + r * WEIGHT * h_before))
    return candidate, z * h_before + (1 - z) * candidate


def _draw_row(ax, z, r, h_before, input_sum):
    candidate, h = gru_update(z, r, h_before, input_sum)
    ax.axhline(0, color=plotting.MUTED, linewidth=1, zorder=1)
    ax.plot([h_before, candidate], [0, 0], color=plotting.COLORS["update_gate"], linewidth=5, alpha=0.35, zorder=2)
    ax.plot(h_before, 0, "o", color=plotting.COLORS["hidden"], markersize=13, zorder=3, label="old state $h_{t-1}$")
    ax.plot(
        candidate, 0, "s", color=plotting.COLORS["candidate"], markersize=12, zorder=3, label=r"candidate $\tilde{h}_t$"
    )
    ax.plot(
        h,
        0,
        "D",
        markerfacecolor=plotting.BACKGROUND,
        markeredgecolor=plotting.FOREGROUND,
        markeredgewidth=2.2,
        markersize=10,
        zorder=4,
        label="new state $h_t$",
    )
    ax.set(xlim=(-1.08, 1.08), ylim=(-0.5, 0.5), yticks=())
    ax.grid(visible=False)
    ax.spines[["left", "bottom"]].set_visible(False)
    return f"With z = {z:g} and r = {r:g} the old state {h_before:g} and the candidate {candidate:.2f} give {h:.2f}."


def _legend(fig, ax):
    fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)


def _draw_live(z, r, h_before, input_sum):
    fig, ax = plt.subplots(figsize=(7, 2.1))
    said = _draw_row(ax, z, r, h_before, input_sum)
    ax.set_title(f"$z$ = {z:g}, $r$ = {r:g}", loc="left")
    _legend(fig, ax)
    return fig, (
        f"One step of a GRU's unit on a line from -1 to 1: old state, candidate, and the new state between them. {said}"
    )


SETTINGS = {  # of the static picture: z, r, h_before, input_sum
    "$z$ = 1: keep, whatever the candidate says": (1, 1, 0.8, -1),
    "$z$ = 0, $r$ = 1: the candidate, which has seen the old state": (0, 1, 0.8, -1),
    "$z$ = 0, $r$ = 0: the candidate, which has not": (0, 0, 0.8, -1),
    "$z$ = .5: halfway": (0.5, 0, 0.8, -1),
}


def _draw_static():
    fig, axes = plt.subplots(len(SETTINGS), 1, figsize=(7, 4.6), sharex=True)
    said = []
    for ax, (title, setting) in zip(axes, SETTINGS.items(), strict=True):
        said.append(_draw_row(ax, *setting))
        ax.set_title(title, loc="left", fontsize=11)
        ax.tick_params(axis="x", length=0 if ax is not axes[-1] else 3)
    _legend(fig, axes[0])
    return fig, (
        "Four steps of a GRU's unit, each on a line from -1 to 1: old state, candidate, and the new state "
        "between them. " + " ".join(said)
    )


def gru_panel():
    """Turn both gates of one unit, its old state and its input, and watch where the new state lands.

    The numbers are those of :func:`gru_update`. Without a live kernel: four settings in one picture.
    """
    panel(
        _draw_live,
        {
            "z": Slider("update gate z", 0, 1, 0.05, 0.5),
            "r": Slider("reset gate r", 0, 1, 0.05, 1),
            "h_before": Slider("old state", -1, 1, 0.1, 0.8),
            "input_sum": Slider("input's sum", -3, 3, 0.1, -1),
        },
        _draw_static,
    )


def draw_gru_step():
    """One step of a GRU: the state's straight road on top, two gates and a candidate below it.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = plt.figure(figsize=(7, 3.15), layout="none")
    ax = fig.add_axes((0, 0, 1, 1), xlim=(0, 7), ylim=(0.3, 3.45))
    ax.axis("off")
    top, mixer, low, bus = 2.8, 2.1, 1.35, 0.62
    hidden = plotting.COLORS["hidden"]
    _path(ax, (0.72, top), (1.43, top), color=hidden, width=4)
    _path(ax, (1.77, top), (4.53, top), color=hidden, width=4)
    _path(ax, (4.87, top), (6.35, top), color=hidden, width=4)
    _path(ax, (1.12, bus), (4.7, bus), (4.7, low - 0.24))
    for x, symbol, color in (
        (1.6, "$z_t$", "update_gate"),
        (3.1, "$r_t$", "reset_gate"),
        (4.7, r"$\tilde{h}_t$", "candidate"),
    ):
        _gate_box(ax, x, low, symbol, color)
        _path(ax, (x, bus), (x, low - 0.24))
    for place, sign in (((1.6, top), "×"), ((4.7, top), "+"), ((4.7, mixer), "×")):
        _node(ax, *place, sign)
    _path(ax, (1.6, low + 0.24), (1.6, top - 0.17))
    _path(ax, (1.6, mixer), (4.53, mixer))
    _path(ax, (3.34, low), (4.46, low))
    _path(ax, (4.7, low + 0.24), (4.7, mixer - 0.17))
    _path(ax, (4.7, mixer + 0.17), (4.7, top - 0.17))
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
    """Many runs in rows: a dot for each recorded seed, on a bar from least to largest, and a diamond for a live run.

    Parameters
    ----------
    ax : matplotlib axes
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
    """Three networks over the lag: a mark for each seed, a line through the medians, a cross for a run without an end.

    Parameters
    ----------
    ax : matplotlib axes
    runs : dict of str to (lags, seeds) array
        "rnn", "gru" and "lstm": sequences until learned, NaN for never.
    lags : sequence of int
        Lengths of the sequences.
    top : float
        Upper end of the axis in thousands, where the crosses stand.
    """
    for (name, values), shift in zip(runs.items(), (-1, 0, 1), strict=True):
        look, values = plotting.line_style(name), np.asarray(values, float) / 1000
        middle = np.median(np.nan_to_num(values, nan=np.inf), axis=1)
        ax.plot(
            np.add(lags, shift),
            middle,
            color=look["color"],
            linestyle=look["linestyle"],
            label={"rnn": "plain tanh", "gru": "GRU", "lstm": "LSTM"}[name],
        )
        for lag, row in zip(lags, values, strict=True):
            there = np.isfinite(row)
            ax.plot(
                np.full(there.sum(), lag + shift),
                row[there],
                look["marker"],
                color=look["color"],
                alpha=0.7,
                markersize=5.5,
            )
            if not there.all():
                never = lag + 2.5 * shift + np.linspace(-1.5, 1.5, (~there).sum())
                ax.plot(never, [top] * len(never), "x", color=look["color"], clip_on=False)
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
    """The legend below a figure of :func:`draw_runs`."""
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
