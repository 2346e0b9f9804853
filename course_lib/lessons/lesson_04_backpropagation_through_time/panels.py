"""Lesson 04: gradients flowing back through an unrolled network."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from course_lib import plotting
from course_lib.teaching.panel import Slider, panel

_STEPS = 12
_PATTERN = np.array([1, -1, 1, 1, -1, 1, -1, -1, 1, -1, 1, -1.0])  # inputs of both signs, with no rhythm to ride on


def scalar_gradients(weight, inputs, truncation=None):
    """The smallest network that can vanish and explode: h_t = tanh(w h_{t-1} + x_t), one unit, h_0 = 0, loss L = h_T.

    Parameters
    ----------
    weight : float
        w.
    inputs : (T,) array
        x_1 ... x_T.
    truncation : int, optional
        How many states the gradient is carried to, h_T included; all T if not given.

    Returns
    -------
    states : (T,) array
        h_1 ... h_T.
    gradient : (T,) array
        ∂L/∂h_1 ... ∂L/∂h_T, 0 where truncation has cut it off. The last is 1: L is h_T itself.

    Raises
    ------
    ValueError
        If the inputs are not a sequence of numbers, or the truncation is not in 1 ... T.
    """
    inputs = np.asarray(inputs, float)
    if inputs.ndim != 1 or not len(inputs):
        raise ValueError(f"The network takes one number a step, an array (T,), but got shape {inputs.shape}.")
    steps = len(inputs)
    truncation = steps if truncation is None else truncation
    if not 1 <= truncation <= steps:
        raise ValueError(f"The gradient is carried to between 1 and {steps} states, but got truncation {truncation}.")
    states, h = np.empty(steps), 0.0
    for t in range(steps):
        h = np.tanh(weight * h + inputs[t])
        states[t] = h
    gradient = np.zeros(steps)
    gradient[-1] = 1.0
    for t in range(steps - 1, steps - truncation, -1):
        gradient[t - 1] = gradient[t] * (1 - states[t] ** 2) * weight  # ∂h_t/∂h_{t-1} = tanh'(a_t) w
    return states, gradient


def _few_digits(number):
    """0.0000731 -> "7.3e-5": two digits, without the padding of Python's exponents."""
    return f"{number:.0f}" if abs(number) >= 100 else f"{number:.2g}".replace("e-0", "e-")


def _draw_setting(fig, bottom, chart_height, weight, input_size, truncation, boxes):
    """Draw the unrolled network and, step under step, the size of the gradient. Return the result in words.

    ``bottom`` and ``chart_height`` are in inches; ``boxes`` adds to the network those of the inputs and the loss.
    """
    inputs = input_size * _PATTERN
    states, gradient = scalar_gradients(weight, inputs, truncation)
    _, full = scalar_gradients(weight, inputs)
    steps, cut = np.arange(1, _STEPS + 1), truncation < _STEPS

    width, whole = fig.get_size_inches()
    network_height = 1.85 if boxes else 0.88
    limits, left, span = (-0.45, _STEPS + 0.55), 0.85 / width, (width - 0.95) / width
    chart = fig.add_axes((left, bottom / whole, span, chart_height / whole), xlim=limits)
    network = fig.add_axes((left, (bottom + chart_height) / whole, span, network_height / whole), xlim=limits)
    network.axis("off")
    nothing = [None] * _STEPS
    plotting.draw_unrolled(
        _STEPS,
        inputs=None if boxes else nothing,
        outputs=nothing,
        losses=[_STEPS] if boxes else [],
        gradient=gradient,
        cuts=[_STEPS - truncation] if cut else [],
        states=states,
        ax=network,
    )

    color, lowest = plotting.COLORS["gradient"], 1e-6
    size, carried = abs(full), gradient != 0
    below, lost = size < lowest, ~carried & (size > 0)  # too small for the chart; taken away by the cut
    chart.axhline(1, color=plotting.FOREGROUND, linewidth=1.2, zorder=1)
    chart.vlines(steps, np.minimum(1, size), np.maximum(1, size), color=color, alpha=0.4, linewidth=2)
    for shown, face in ((carried, color), (lost, plotting.BACKGROUND)):
        for which, marker in ((shown & ~below, "o"), (shown & below, "v")):
            chart.plot(
                steps[which],
                np.maximum(size, lowest)[which],
                marker,
                markersize=6.5,
                clip_on=False,
                markerfacecolor=face,
                markeredgecolor=color,
                markeredgewidth=1.6,
            )
    chart.set(yscale="log", ylim=(lowest / 3, 1e4), xticks=steps, ylabel=r"$|\partial L\,/\,\partial h_t|$")
    chart.set_yticks([1e-6, 1e-3, 1, 1e3], ["$10^{-6}$", "$10^{-3}$", "1", "$10^{3}$"])
    chart.minorticks_off()
    chart.grid(axis="x", visible=False)
    chart.tick_params(axis="x", length=0, labelbottom=bottom < 1)

    reached = _few_digits(full[0])
    result = f"$h_1$ gets nothing (uncut: {reached})" if cut else f"$h_1$ gets {reached}"
    network.set_title(f"$w$ = {weight:g}, inputs ±{input_size:g}".replace("-", "−"), pad=6)
    network.set_title(result.replace("-", "−"), loc="right", color=color, fontsize=11.5, pad=6)
    if bottom < 1:
        chart.set_xlabel("step $t$; the loss is $L = h_{12}$", labelpad=2)
        fig.text(
            0.5,
            0.07 / whole,
            "A darker circle is nearer to ±1. An arrow is as wide as its blame. Hollow: lost by the cut.",
            ha="center",
            va="bottom",
            fontsize=10.5,
            color=plotting.MUTED,
        )
    after = f"; a cut leaves none for h_1 to h_{_STEPS - truncation}" if cut else ""
    return (
        f"With weight {weight:g} and inputs of ±{input_size:g}, the largest state is {abs(states).max():.2f} in "
        f"size; of a blame of 1 at h_12, {_few_digits(full[6])} reaches h_7 and {reached} reaches h_1{after}."
    )


def _draw_bptt(weight, input_size, truncation):
    fig = plt.figure(figsize=(7, 4.4), layout="none")
    said = _draw_setting(fig, 0.8, 1.35, weight, input_size, truncation, boxes=True)
    return fig, f"A one-unit tanh network unrolled over 12 steps, arrows of blame flowing back from the loss. {said}"


def _draw_bptt_static():
    settings = [(0.5, 0.1, 12), (1.0, 0.1, 5), (1.5, 0.01, 12), (1.5, 2.0, 12)]
    row, margin = 2.12, 0.8
    fig = plt.figure(figsize=(7, margin + row * len(settings)), layout="none")
    said = [
        _draw_setting(fig, margin + row * (len(settings) - 1 - number), 0.75, *setting, boxes=False)
        for number, setting in enumerate(settings)
    ]
    return fig, (
        "Four copies of a one-unit tanh network unrolled over 12 steps, arrows of blame flowing back from the "
        "last state. " + " ".join(said)
    )


def bptt_panel():
    """Turn the weight, the size of the inputs and the truncation, and watch the gradient that each state gets.

    The gradients are those of :func:`scalar_gradients`, computed anew for every setting. Without a live kernel: four
    settings in one picture (a weight that fades, one that keeps and is cut, one that explodes, and the same weight
    where large inputs saturate the state).
    """
    panel(
        _draw_bptt,
        {
            "weight": Slider("recurrent weight w", -2.0, 2.0, 0.1, 1.0),
            "input_size": Slider("size of the inputs", 0.0, 3.0, 0.05, 0.1),
            "truncation": Slider("states that blame reaches", 1, _STEPS, 1, _STEPS),
        },
        _draw_bptt_static,
    )
