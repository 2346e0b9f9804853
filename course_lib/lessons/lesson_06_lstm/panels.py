"""Lesson 06: one cell that keeps a running total, and the weight of each of its gates."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from course_lib import plotting
from course_lib.lessons.lesson_06_lstm.figures import (
    draw_cell,
    draw_gates,
    draw_inputs,
    draw_legend,
    draw_output,
    running_totals,
)
from course_lib.teaching.panel import Slider, panel

# What the panel shows: price, bought, new customer, total please. The second customer comes at step 8.
_PRICE = [0.6, 0.9, 0.4, 0.8, 0.3, 0.7, 0.5, 0.9, 0.2, 0.8, 0.6, 0.4, 0.9, 0.3, 0.7, 0.5]
_BOUGHT = [1, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0]
_NEW = [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
_ASK = [0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1]
INPUTS = np.column_stack([_PRICE, _BOUGHT, _NEW, _ASK])


def running_total_cell(inputs, input_weight, forget_weight, output_weight):
    """One cell without tanh: c_t = f_t c_{t-1} + i_t price_t, of which o_t c_t is shown.

    Each gate is σ(w (flag - ½)), where w is its weight; that of the forget gate counts negative, so that it closes
    where its flag is up. With w = 0 a gate is always half open.

    Parameters
    ----------
    inputs : (T, 4) array
        Price, bought, new customer, total please.
    input_weight, forget_weight, output_weight : float
        w of the input, the forget and the output gate.

    Returns
    -------
    gates : dict of str to (T,) array
        "i", "f" and "o".
    cell : (T,) array
        c_1 ... c_T.
    shown : (T,) array
        o_t c_t.

    Raises
    ------
    ValueError
        If the inputs have not four columns.
    """
    inputs = np.asarray(inputs, float)
    if inputs.ndim != 2 or inputs.shape[1] != 4:
        raise ValueError(
            f"The inputs have a row for each step and four columns (price, bought, new customer, total please), "
            f"but got shape {inputs.shape}."
        )
    price, *flags = inputs.T
    gates = {
        name: 1 / (1 + np.exp(-w * (flag - 0.5)))
        for name, w, flag in zip("ifo", (input_weight, -forget_weight, output_weight), flags, strict=True)
    }
    cell, c = np.empty(len(inputs)), 0.0
    for t in range(len(inputs)):
        c = gates["f"][t] * c + gates["i"][t] * price[t]
        cell[t] = c
    return gates, cell, gates["o"] * cell


def _off_by(shown):
    """Root mean squared error of the output."""
    return float(np.sqrt(((shown - INPUTS[:, 3] * running_totals(INPUTS)) ** 2).mean()))


def _said(input_weight, forget_weight, output_weight, cell, shown):
    return (
        f"With weights {input_weight:g}, {forget_weight:g} and {output_weight:g} (input, forget, output gate) the "
        f"cell ends at {cell[-1]:.2f}, where {running_totals(INPUTS)[-1]:.2f} is right, and the output is off by "
        f"{_off_by(shown):.2f}."
    )


def _draw_live(input_weight, forget_weight, output_weight):
    gates, cell, shown = running_total_cell(INPUTS, input_weight, forget_weight, output_weight)
    fig, axes = plt.subplots(4, 1, figsize=(7, 6.2), height_ratios=(0.8, 1.35, 1, 1))
    draw_inputs(axes[0], INPUTS)
    draw_gates(axes[1], INPUTS, gates)
    draw_cell(axes[2], INPUTS, cell, running_totals(INPUTS))
    draw_output(axes[3], INPUTS, shown, running_totals(INPUTS))
    draw_legend(fig, axes[2:])
    fig.align_ylabels([axes[0], *axes[2:]])
    axes[0].set_title(f"the output is off by {_off_by(shown):.2f}", color=plotting.COLORS["output"])
    said = _said(input_weight, forget_weight, output_weight, cell, shown)
    return fig, f"One cell on a running total over 16 steps: prices, three gates, cell state and output. {said}"


SETTINGS = {  # of the static picture
    "all weights 0: each gate is half open": (0, 0, 0),
    "input gate set": (12, 0, 0),
    "input and forget gate set": (12, 12, 0),
    "all three gates set": (12, 12, 12),
}


def _draw_static():
    rows = len(SETTINGS)
    fig, axes = plt.subplots(1 + 2 * rows, 1, figsize=(7, 11), height_ratios=(1, *(1.1, 1.15) * rows))
    draw_inputs(axes[0], INPUTS)
    said = []
    for number, (title, setting) in enumerate(SETTINGS.items()):
        gates, cell, shown = running_total_cell(INPUTS, *setting)
        top, bottom = axes[1 + 2 * number : 3 + 2 * number]
        draw_gates(top, INPUTS, gates)
        top.set_title(title)
        top.set_title(f"off by {_off_by(shown):.2f}", loc="right", color=plotting.COLORS["output"], fontsize=11.5)
        draw_output(bottom, INPUTS, shown, running_totals(INPUTS), last=number == rows - 1)
        draw_cell(bottom, INPUTS, cell, last=number == rows - 1)
        bottom.set(ylim=(0, 2.6), ylabel="")
        said.append(_said(*setting, cell, shown))
    draw_legend(fig, axes[-1:])
    return fig, (
        "Four copies of one cell on a running total over 16 steps, each with its three gates, its cell state "
        "and its output against the totals asked for. " + " ".join(said)
    )


def running_total_panel():
    """Turn the weight of each gate, and watch the cell state and the output.

    The numbers are those of :func:`running_total_cell`. Without a live kernel: four settings in one picture, from gates
    that are always half open to three that are set.
    """
    panel(
        _draw_live,
        {
            "input_weight": Slider("input gate’s weight on “bought”", -12, 12, 1, 0),
            "forget_weight": Slider("forget gate’s weight on “not new”", -12, 12, 1, 0),
            "output_weight": Slider("output gate’s weight on “ask”", -12, 12, 1, 0),
        },
        _draw_static,
    )
