"""Lesson 06: one step of an LSTM, and what its gates, cell and output do with a running total."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from course_lib import plotting

GATES = {
    "i": ("input gate", "input_gate"),
    "c": ("|candidate|", "candidate"),
    "f": ("forget gate", "forget_gate"),
    "o": ("output gate", "output_gate"),
}


def running_totals(inputs):
    """The right total after each step, (T,): the sum of what was bought since the last flag."""
    crisp = np.concatenate([[0.0], inputs[:, 1] * inputs[:, 0]]).cumsum()
    start = np.maximum.accumulate(np.where(inputs[:, 2] > 0, np.arange(len(inputs)), 0))
    return crisp[1:] - crisp[start]


def _mark_new_customers(ax, inputs):
    for t in np.flatnonzero(inputs[:, 2]):
        ax.axvline(t + 0.5, color=plotting.FOREGROUND, linestyle="--", linewidth=1.2, zorder=1)


def _steps(ax, inputs, last):
    ax.set(xlim=(0.4, len(inputs) + 0.6))
    ax.grid(axis="x", visible=False)
    ax.tick_params(axis="x", labelbottom=last, length=3 if last else 0)
    if last:
        ax.set_xlabel("step $t$")


def draw_inputs(ax, inputs):
    """Draw a bar for each price, full where it is bought, and a dashed line where a customer begins."""
    t, bought = np.arange(1, len(inputs) + 1), inputs[:, 1] > 0
    color = plotting.COLORS["input"]
    ax.bar(t[bought], inputs[bought, 0], 0.72, color=color, edgecolor=color)
    ax.bar(t[~bought], inputs[~bought, 0], 0.72, color="none", edgecolor=color, linewidth=1)
    _mark_new_customers(ax, inputs)
    for step in t[inputs[:, 3] > 0]:
        ax.text(step, 1.06, "?", ha="center", va="bottom", fontsize=12, fontweight="bold")
    ax.set(ylim=(0, 1.42), yticks=(0, 1), ylabel="price")
    _steps(ax, inputs, last=False)


def draw_gates(ax, inputs, gates):
    """Draw a row for each gate, a bar for each step: full height is open, nothing is shut.

    A fourth entry of ``gates``, "c", is drawn as the size of the candidate.
    """
    t, pitch, rows = np.arange(1, len(inputs) + 1), 1.3, [name for name in GATES if name in gates]
    middles = [pitch * (len(rows) - 1 - row) + 0.5 for row in range(len(rows))]
    for name, middle in zip(rows, middles, strict=True):
        ax.bar(
            t, np.ones(len(t)), 0.9, bottom=middle - 0.5, color=plotting.BACKGROUND, edgecolor="#d8d4c8", linewidth=0.8
        )
        ax.bar(t, np.abs(gates[name]), 0.9, bottom=middle - 0.5, color=plotting.COLORS[GATES[name][1]])
    _mark_new_customers(ax, inputs)
    ax.set(ylim=(-0.15, len(rows) * pitch), yticks=middles)
    ax.set_yticklabels([GATES[name][0] for name in rows])
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False)
    ax.spines[["left", "bottom"]].set_visible(False)
    _steps(ax, inputs, last=False)


def draw_cell(ax, inputs, cell, wanted=None, *, last=False):
    """Draw the number in the cell, and dotted what it should be, if given."""
    t = np.arange(1, len(inputs) + 1)
    _mark_new_customers(ax, inputs)
    if wanted is not None:
        ax.step(t, wanted, where="mid", color=plotting.FOREGROUND, linestyle=":", linewidth=1.6, label="right total")
    ax.step(t, cell, where="mid", color=plotting.COLORS["cell"], linestyle="-", label="cell $c_t$")
    ax.set_ylabel("cell")
    _steps(ax, inputs, last)


def draw_output(ax, inputs, shown, wanted, *, last=True):
    """Draw the output as bars, and what it should be as diamonds where somebody asked."""
    t, asked = np.arange(1, len(inputs) + 1), inputs[:, 3] > 0
    _mark_new_customers(ax, inputs)
    ax.bar(t, shown, 0.5, color=plotting.COLORS["output"], label="output")
    ax.plot(
        t[asked],
        wanted[asked],
        "D",
        markerfacecolor="none",
        markeredgecolor=plotting.FOREGROUND,
        markeredgewidth=1.6,
        markersize=8,
        label="total asked for",
    )
    ax.axhline(0, color=plotting.MUTED, linewidth=1)
    ax.set_ylabel("output")
    ax.margins(y=0.2)
    _steps(ax, inputs, last)


def draw_legend(fig, axes):
    """Draw one legend for the figure, under its axes, where it covers nothing."""
    handles, labels = [], []
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles, labels = [*handles, handle], [*labels, label]
    fig.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=9.5)


def draw_running_total(inputs, gates, cell, shown):
    """Draw a running total with its unit, four axes under each other: inputs, gates, cell, output.

    Parameters
    ----------
    inputs : (T, 4) array
        Price, bought, new customer, total please.
    gates : dict of str to (T,) array
        "i", "f" and "o", and "c" for the candidate if wanted.
    cell, shown : (T,) array

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = plt.subplots(4, 1, figsize=(7, 6.2), height_ratios=(0.8, 0.45 * len(gates), 0.9, 1))
    draw_inputs(axes[0], inputs)
    draw_gates(axes[1], inputs, gates)
    draw_cell(axes[2], inputs, cell)
    draw_output(axes[3], inputs, shown, running_totals(inputs))
    draw_legend(fig, axes[2:])
    fig.align_ylabels([axes[0], *axes[2:]])
    return fig


def draw_trained_unit(model, inputs):
    """Draw what a trained unit does with one stream.

    Parameters
    ----------
    model : Model
        An LSTM of one unit, and an output layer of one.
    inputs : (1, T, 4) array

    Returns
    -------
    matplotlib.figure.Figure
    """
    output, lstm = model.forward(inputs)[0, :, 0], model.layers[0]
    gates = {name: gate[0, :, 0] for name, gate in lstm.gates.items()}
    return draw_running_total(inputs[0].astype(float), gates, lstm.cell_states[0, :, 0], output)


def draw_reach(live, paths, recorded, carousels, back):
    """Draw how far back the gradient reaches, before and after training, and below it the forget gates of 16 units.

    Parameters
    ----------
    live : dict of str to dict of str to (T,) array
        "before" and "after": the reach of "LSTM" and "tanh".
    paths : dict of str to (T,) array
        More curves of the trained LSTM, by their label.
    recorded, carousels : Recorded
        "lstm-reach" and "lstm-carousel".
    back : sequence of int
        The steps back of the recorded curves.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, panes = plt.subplot_mosaic([["before", "after"], ["gates", "gates"]], figsize=(7, 5.6), height_ratios=(3, 2))
    for when, curves in live.items():
        for name, key, kind in (("LSTM", "lstm_1", "lstm"), ("tanh", "tanh", "rnn")):
            style = plotting.line_style(kind) | {"marker": None}
            thin = style | {"linewidth": 1, "alpha": 0.4}
            for curve in recorded.column(f"{key}_{when}"):
                panes[when].semilogy(back, np.maximum(curve, 1e-12), **thin)
            panes[when].semilogy(np.maximum(curves[name], 1e-12), label=name, **style | {"linewidth": 2.5})
        panes[when].set(title=f"{when} training", xlabel="steps back", ylim=(1e-10, 5))
    for dashes, (label, curve) in zip((":", "--"), paths.items(), strict=True):
        color = plotting.COLORS["forget_gate"]
        panes["after"].semilogy(np.maximum(curve, 1e-12), dashes, color=color, linewidth=2, label=label)
    panes["before"].set_ylabel("gradient at the input,\nshare of that at the last input")
    looks = {"before": (-0.12, "o", plotting.MUTED), "after": (0.12, "D", plotting.COLORS["forget_gate"])}
    for when, (shift, marker, color) in looks.items():
        for seed, gates in enumerate(carousels.column(f"forget_{when}")):
            label = None if seed else f"{when} training"
            at = np.full(len(gates), seed + shift)
            panes["gates"].plot(gates, at, marker, markersize=5, alpha=0.6, color=color, label=label)
    seeds = len(carousels.rows)
    panes["gates"].set(
        xlabel="forget gate, mean of each of the 16 units",
        ylabel="recorded seed",
        xlim=(0.15, 1.02),
        yticks=range(seeds),
        ylim=(seeds - 0.5, -0.5),
    )
    panes["gates"].legend(loc="lower left")
    fig.legend(*panes["after"].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig


def draw_lstm_step():
    """Draw one step of an LSTM: the cell state on top, three gates and a candidate below it.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = plt.figure(figsize=(7, 3.15), layout="none")
    ax = fig.add_axes((0, 0, 1, 1), xlim=(0, 7), ylim=(0.3, 3.45))
    ax.axis("off")
    top, low, bus = 2.8, 1.35, 0.62
    cell, hidden = plotting.COLORS["cell"], plotting.COLORS["hidden"]
    times, plus, squash, show = (1.6, top), (3.0, top), (4.9, 2.1), (4.9, low)
    plotting.draw_arrow(ax, (0.62, top), (times[0] - 0.17, top), color=cell, width=4)
    plotting.draw_arrow(ax, (times[0] + 0.17, top), (plus[0] - 0.17, top), color=cell, width=4)
    plotting.draw_arrow(ax, (plus[0] + 0.17, top), (6.35, top), color=cell, width=4)
    plotting.draw_arrow(ax, (1.12, bus), (4.0, bus), (4.0, low - 0.24))
    for x, symbol, color in (
        (1.6, "$f_t$", "forget_gate"),
        (2.5, "$i_t$", "input_gate"),
        (3.3, r"$\tilde{c}_t$", "candidate"),
        (4.0, "$o_t$", "output_gate"),
    ):
        plotting.draw_gate(ax, x, low, symbol, color)
        plotting.draw_arrow(ax, (x, bus), (x, low - 0.24))
    plotting.draw_operation(ax, *times, "×")
    plotting.draw_operation(ax, *plus, "+")
    plotting.draw_operation(ax, 3.0, 2.1, "×")
    plotting.draw_arrow(ax, (1.6, low + 0.24), (1.6, top - 0.17))
    plotting.draw_arrow(ax, (2.5, low + 0.24), (2.5, 2.1), (2.83, 2.1))
    plotting.draw_arrow(ax, (3.3, low + 0.24), (3.3, 2.1), (3.17, 2.1))
    plotting.draw_arrow(ax, (3.0, 2.27), (3.0, top - 0.17))
    plotting.draw_arrow(ax, (4.9, top), (4.9, 2.27 + 0.02))
    ax.text(
        *squash,
        "tanh",
        ha="center",
        va="center",
        fontsize=12,
        zorder=5,
        bbox=dict(
            boxstyle="round,pad=0.25", facecolor=plotting.BACKGROUND, edgecolor=plotting.FOREGROUND, linewidth=1.2
        ),
    )
    plotting.draw_arrow(ax, (4.9, 1.92), (4.9, low + 0.17))
    plotting.draw_operation(ax, *show, "×")
    plotting.draw_arrow(ax, (4.24, low), (4.73, low))
    plotting.draw_arrow(ax, (5.07, low), (6.35, low), color=hidden, width=3)
    for x, y, name, where in (
        (0.55, top, "$c_{t-1}$", "right"),
        (6.42, top, "$c_t$", "left"),
        (0.08, bus, "$x_t$, $h_{t-1}$", "left"),
        (6.42, low, "$h_t$", "left"),
    ):
        ax.text(x, y, name, ha=where, va="center", fontsize=15)
    for x, y, word in ((1.6, 3.2, "keep?"), (3.0, 3.2, "add"), (5.35, 1.72, "show?"), (3.82, 2.12, "let in?")):
        ax.text(x, y, word, ha="center", va="center", fontsize=11.5, color=plotting.MUTED)
    return fig


def draw_growing_cell():
    """Draw the cell of section 1 three times, each with one part more: input gate, forget gate, output gate.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = plt.subplots(1, 3, figsize=(7, 2.5), layout="none")
    fig.subplots_adjust(0.005, 0.01, 0.995, 0.99, wspace=0.12)
    top, middle, low = 2.25, 1.3, 0.45
    cell = plotting.COLORS["cell"]
    for parts, ax, title, formula in zip(
        ("i", "if", "ifo"),
        axes,
        ("input gate", "and forget gate", "and output gate"),
        (r"$c_t = c_{t-1} + i_t\,x_t$", r"$c_t = f_t\,c_{t-1} + i_t\,x_t$", r"$h_t = o_t\,c_t$"),
        strict=True,
    ):
        ax.set(xlim=(0, 3.6), ylim=(0, 3.55))
        ax.axis("off")
        ax.text(1.8, 3.4, title, ha="center", va="center", fontsize=11.5, color=plotting.MUTED)
        ax.text(1.8, 2.98, formula, ha="center", va="center", fontsize=12)
        ax.text(0.05, top, "$c_{t-1}$", ha="left", va="center", fontsize=13)
        ax.text(3.55, top, "$c_t$", ha="right", va="center", fontsize=13)
        plotting.draw_arrow(ax, (0.6, top), (1.67, top), color=cell, width=3.5)
        plotting.draw_arrow(ax, (2.03, top), (3.15, top), color=cell, width=3.5)
        plotting.draw_operation(ax, 1.85, top, "+")
        plotting.draw_operation(ax, 1.85, middle, "×")
        plotting.draw_arrow(ax, (1.85, middle + 0.18), (1.85, top - 0.18))
        plotting.draw_gate(ax, 1.15, low, "$i_t$", "input_gate")
        plotting.draw_arrow(ax, (1.39, low), (1.77, low), (1.77, middle - 0.18))
        ax.text(2.1, low, "$x_t$", ha="left", va="center", fontsize=13)
        plotting.draw_arrow(ax, (2.05, low), (1.93, low), (1.93, middle - 0.18))
        if "f" in parts:
            plotting.draw_operation(ax, 1.05, top, "×")
            plotting.draw_gate(ax, 1.05, middle, "$f_t$", "forget_gate")
            plotting.draw_arrow(ax, (1.05, middle + 0.25), (1.05, top - 0.18))
        if "o" in parts:
            plotting.draw_arrow(ax, (2.7, top), (2.7, middle + 0.18))
            plotting.draw_operation(ax, 2.7, middle, "×")
            plotting.draw_gate(ax, 2.7, low, "$o_t$", "output_gate")
            plotting.draw_arrow(ax, (2.7, low + 0.25), (2.7, middle - 0.18))
            plotting.draw_arrow(ax, (2.88, middle), (3.17, middle), color=plotting.COLORS["hidden"], width=2.5)
            ax.text(3.55, middle, "$h_t$", ha="right", va="center", fontsize=13)
    return fig
