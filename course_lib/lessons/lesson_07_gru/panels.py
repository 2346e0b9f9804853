"""Lesson 07: one step of a GRU with a single unit, on a line from -1 to 1."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from course_lib import plotting
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
        raise ValueError(f"A gate is a number from 0 to 1, but got z = {z} and r = {r}.")
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
