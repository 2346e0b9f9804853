"""Lesson 06: one cell at a till, and how loudly each of its gates listens."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from course_lib import plotting
from course_lib.teaching.panel import Slider, panel

GATES = {
    "i": ("input gate", "input_gate"),
    "c": ("|candidate|", "candidate"),
    "f": ("forget gate", "forget_gate"),
    "o": ("output gate", "output_gate"),
}

# The panel's goods: price, bought, new customer, total please. The second customer comes at step 8.
_PRICE = [0.6, 0.9, 0.4, 0.8, 0.3, 0.7, 0.5, 0.9, 0.2, 0.8, 0.6, 0.4, 0.9, 0.3, 0.7, 0.5]
_BOUGHT = [1, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0]
_NEW = [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
_ASK = [0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1]
BELT = np.column_stack([_PRICE, _BOUGHT, _NEW, _ASK])


def running_total_cell(belt, listen_bought, listen_new, listen_ask):
    """One cell without tanh: c_t = f_t c_{t-1} + i_t price_t, of which o_t c_t is shown.

    Each gate is σ(w (flag - ½)), where w says how loudly it listens to its flag; the forget gate closes where its flag
    is up. With w = 0 a gate is always half open.

    Parameters
    ----------
    belt : (T, 4) array
        Price, bought, new customer, total please.
    listen_bought, listen_new, listen_ask : float
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
        If the belt has not four columns.
    """
    belt = np.asarray(belt, float)
    if belt.ndim != 2 or belt.shape[1] != 4:
        raise ValueError(
            f"A belt has a row for each step and four columns (price, bought, new customer, total "
            f"please), but shape {belt.shape} came."
        )
    price, *flags = belt.T
    gates = {
        name: 1 / (1 + np.exp(-w * (flag - 0.5)))
        for name, w, flag in zip("ifo", (listen_bought, -listen_new, listen_ask), flags, strict=True)
    }
    cell, c = np.empty(len(belt)), 0.0
    for t in range(len(belt)):
        c = gates["f"][t] * c + gates["i"][t] * price[t]
        cell[t] = c
    return gates, cell, gates["o"] * cell


def totals(belt):
    """What the customer at the till owes after each step, (T,): the sum of what was bought since the last flag."""
    crisp = np.concatenate([[0.0], belt[:, 1] * belt[:, 0]]).cumsum()
    start = np.maximum.accumulate(np.where(belt[:, 2] > 0, np.arange(len(belt)), 0))
    return crisp[1:] - crisp[start]


def _new_customers(ax, belt):
    for t in np.flatnonzero(belt[:, 2]):
        ax.axvline(t + 0.5, color=plotting.FOREGROUND, linestyle="--", linewidth=1.2, zorder=1)


def _steps(ax, belt, last):
    ax.set(xlim=(0.4, len(belt) + 0.6))
    ax.grid(axis="x", visible=False)
    ax.tick_params(axis="x", labelbottom=last, length=3 if last else 0)
    if last:
        ax.set_xlabel("step $t$")


def draw_belt(ax, belt):
    """What passes at the till: a bar for each price, full where it is bought; a dashed line where a customer begins."""
    t, bought = np.arange(1, len(belt) + 1), belt[:, 1] > 0
    color = plotting.COLORS["input"]
    ax.bar(t[bought], belt[bought, 0], 0.72, color=color, edgecolor=color)
    ax.bar(t[~bought], belt[~bought, 0], 0.72, color="none", edgecolor=color, linewidth=1)
    _new_customers(ax, belt)
    for step in t[belt[:, 3] > 0]:
        ax.text(step, 1.06, "?", ha="center", va="bottom", fontsize=12, fontweight="bold")
    ax.set(ylim=(0, 1.42), yticks=(0, 1), ylabel="price")
    _steps(ax, belt, last=False)


def draw_gates(ax, belt, gates):
    """A row for each gate, a bar for each step: full height is open, nothing is shut.

    A fourth entry of ``gates``, "c", is drawn as the size of the candidate.
    """
    t, pitch, rows = np.arange(1, len(belt) + 1), 1.3, [name for name in GATES if name in gates]
    middles = [pitch * (len(rows) - 1 - row) + 0.5 for row in range(len(rows))]
    for name, middle in zip(rows, middles, strict=True):
        ax.bar(
            t, np.ones(len(t)), 0.9, bottom=middle - 0.5, color=plotting.BACKGROUND, edgecolor="#d8d4c8", linewidth=0.8
        )
        ax.bar(t, np.abs(gates[name]), 0.9, bottom=middle - 0.5, color=plotting.COLORS[GATES[name][1]])
    _new_customers(ax, belt)
    ax.set(ylim=(-0.15, len(rows) * pitch), yticks=middles)
    ax.set_yticklabels([GATES[name][0] for name in rows])
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False)
    ax.spines[["left", "bottom"]].set_visible(False)
    _steps(ax, belt, last=False)


def draw_cell(ax, belt, cell, wanted=None, *, last=False):
    """The number in the cell, and dotted what it should be, if given."""
    t = np.arange(1, len(belt) + 1)
    _new_customers(ax, belt)
    if wanted is not None:
        ax.step(t, wanted, where="mid", color=plotting.FOREGROUND, linestyle=":", linewidth=1.6, label="total owed")
    ax.step(t, cell, where="mid", color=plotting.COLORS["cell"], linestyle="-", label="cell $c_t$")
    ax.set_ylabel("cell")
    _steps(ax, belt, last)


def draw_shown(ax, belt, shown, wanted, *, last=True):
    """What is shown, as bars, and what should be, as diamonds where somebody asked."""
    t, asked = np.arange(1, len(belt) + 1), belt[:, 3] > 0
    _new_customers(ax, belt)
    ax.bar(t, shown, 0.5, color=plotting.COLORS["output"], label="shown")
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
    ax.set_ylabel("shown")
    ax.margins(y=0.2)
    _steps(ax, belt, last)


def _legend(fig, axes):
    """One legend for the figure, under its pictures, where it covers nothing."""
    handles, labels = [], []
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles, labels = [*handles, handle], [*labels, label]
    fig.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=9.5)


def draw_running_total(belt, gates, cell, shown):
    """A till at work, four pictures under each other: goods, gates, cell, display.

    Parameters
    ----------
    belt : (T, 4) array
        Price, bought, new customer, total please.
    gates : dict of str to (T,) array
        "i", "f" and "o", and "c" for the candidate if wanted.
    cell, shown : (T,) array

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = plt.subplots(4, 1, figsize=(7, 6.2), height_ratios=(0.8, 0.45 * len(gates), 0.9, 1))
    draw_belt(axes[0], belt)
    draw_gates(axes[1], belt, gates)
    draw_cell(axes[2], belt, cell)
    draw_shown(axes[3], belt, shown, totals(belt))
    _legend(fig, axes[2:])
    fig.align_ylabels([axes[0], *axes[2:]])
    return fig


def _off_by(shown):
    """Root mean squared error of the display."""
    return float(np.sqrt(((shown - BELT[:, 3] * totals(BELT)) ** 2).mean()))


def _said(listen_bought, listen_new, listen_ask, cell, shown):
    return (
        f"Listening with {listen_bought:g}, {listen_new:g} and {listen_ask:g} (input, forget, output gate) the "
        f"cell ends at {cell[-1]:.2f}, where {totals(BELT)[-1]:.2f} is owed, and the display is off by "
        f"{_off_by(shown):.2f}."
    )


def _draw_live(listen_bought, listen_new, listen_ask):
    gates, cell, shown = running_total_cell(BELT, listen_bought, listen_new, listen_ask)
    fig, axes = plt.subplots(4, 1, figsize=(7, 6.2), height_ratios=(0.8, 1.35, 1, 1))
    draw_belt(axes[0], BELT)
    draw_gates(axes[1], BELT, gates)
    draw_cell(axes[2], BELT, cell, totals(BELT))
    draw_shown(axes[3], BELT, shown, totals(BELT))
    _legend(fig, axes[2:])
    fig.align_ylabels([axes[0], *axes[2:]])
    axes[0].set_title(f"the display is off by {_off_by(shown):.2f}", color=plotting.COLORS["output"])
    said = _said(listen_bought, listen_new, listen_ask, cell, shown)
    return fig, f"One cell at a till over 16 steps: goods, three gates, the cell's number and what is shown. {said}"


SETTINGS = {  # of the static picture
    "no gate listens: each is half open": (0, 0, 0),
    "the input gate listens": (12, 0, 0),
    "input and forget gate listen": (12, 12, 0),
    "all three listen": (12, 12, 12),
}


def _draw_static():
    rows = len(SETTINGS)
    fig, axes = plt.subplots(1 + 2 * rows, 1, figsize=(7, 11), height_ratios=(1, *(1.1, 1.15) * rows))
    draw_belt(axes[0], BELT)
    said = []
    for number, (title, setting) in enumerate(SETTINGS.items()):
        gates, cell, shown = running_total_cell(BELT, *setting)
        top, bottom = axes[1 + 2 * number : 3 + 2 * number]
        draw_gates(top, BELT, gates)
        top.set_title(title)
        top.set_title(f"off by {_off_by(shown):.2f}", loc="right", color=plotting.COLORS["output"], fontsize=11.5)
        draw_shown(bottom, BELT, shown, totals(BELT), last=number == rows - 1)
        draw_cell(bottom, BELT, cell, last=number == rows - 1)
        bottom.set(ylim=(0, 2.6), ylabel="")
        said.append(_said(*setting, cell, shown))
    _legend(fig, axes[-1:])
    return fig, (
        "Four copies of one cell at a till over 16 steps. Each shows its three gates, the number in its cell, "
        "and what is shown against the totals asked for. " + " ".join(said)
    )


def _gate_box(ax, x, y, symbol, color):
    ax.add_patch(
        FancyBboxPatch(
            (x - 0.24, y - 0.24),
            0.48,
            0.48,
            boxstyle="round,pad=0,rounding_size=0.1",
            zorder=3,
            facecolor=plotting.BACKGROUND,
            edgecolor=plotting.COLORS[color],
            linewidth=2.4,
        )
    )
    ax.text(x, y, symbol, ha="center", va="center", fontsize=14, zorder=5)


def _node(ax, x, y, symbol):
    ax.add_patch(Circle((x, y), 0.17, facecolor="white", edgecolor=plotting.FOREGROUND, linewidth=1.4, zorder=4))
    ax.text(x, y - 0.01, symbol, ha="center", va="center", fontsize=13, zorder=5)


def _path(ax, *points, color=plotting.MUTED, width=1.5):
    """A line along the points, with an arrowhead at its end."""
    if len(points) > 2:
        ax.plot(*zip(*points[:-1], strict=True), "-", color=color, linewidth=width, zorder=2, solid_capstyle="butt")
    ax.add_patch(
        FancyArrowPatch(
            points[-2],
            points[-1],
            arrowstyle="-|>",
            mutation_scale=13,
            shrinkA=0,
            shrinkB=0,
            color=color,
            linewidth=width,
            zorder=2,
        )
    )


def draw_lstm_step():
    """One step of an LSTM: the cell's straight road on top, three gates and a candidate below it.

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
    _path(ax, (0.62, top), (times[0] - 0.17, top), color=cell, width=4)
    _path(ax, (times[0] + 0.17, top), (plus[0] - 0.17, top), color=cell, width=4)
    _path(ax, (plus[0] + 0.17, top), (6.35, top), color=cell, width=4)
    _path(ax, (1.12, bus), (4.0, bus), (4.0, low - 0.24))
    for x, symbol, color in (
        (1.6, "$f_t$", "forget_gate"),
        (2.5, "$i_t$", "input_gate"),
        (3.3, r"$\tilde{c}_t$", "candidate"),
        (4.0, "$o_t$", "output_gate"),
    ):
        _gate_box(ax, x, low, symbol, color)
        _path(ax, (x, bus), (x, low - 0.24))
    _node(ax, *times, "×")
    _node(ax, *plus, "+")
    _node(ax, 3.0, 2.1, "×")
    _path(ax, (1.6, low + 0.24), (1.6, top - 0.17))
    _path(ax, (2.5, low + 0.24), (2.5, 2.1), (2.83, 2.1))
    _path(ax, (3.3, low + 0.24), (3.3, 2.1), (3.17, 2.1))
    _path(ax, (3.0, 2.27), (3.0, top - 0.17))
    _path(ax, (4.9, top), (4.9, 2.27 + 0.02))
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
    _path(ax, (4.9, 1.92), (4.9, low + 0.17))
    _node(ax, *show, "×")
    _path(ax, (4.24, low), (4.73, low))
    _path(ax, (5.07, low), (6.35, low), color=hidden, width=3)
    for x, y, name, where in (
        (0.55, top, "$c_{t-1}$", "right"),
        (6.42, top, "$c_t$", "left"),
        (0.08, bus, "$x_t$, $h_{t-1}$", "left"),
        (6.42, low, "$h_t$", "left"),
    ):
        ax.text(x, y, name, ha=where, va="center", fontsize=15)
    for x, y, word in ((1.6, 3.2, "keep?"), (3.0, 3.2, "add"), (5.35, 1.72, "show?"), (2.02, 1.82, "let in?")):
        ax.text(x, y, word, ha="center", va="center", fontsize=11.5, color=plotting.MUTED)
    return fig


def running_total_panel():
    """Turn how loudly each gate listens to its flag, and watch the cell and the display.

    The numbers are those of :func:`running_total_cell`. Without a live kernel: four settings in one picture, from gates
    that are always half open to three that listen.
    """
    panel(
        _draw_live,
        {
            "listen_bought": Slider("input gate listens to “bought”", -12, 12, 1, 0),
            "listen_new": Slider("forget gate listens to “new”", -12, 12, 1, 0),
            "listen_ask": Slider("output gate listens to “total?”", -12, 12, 1, 0),
        },
        _draw_static,
    )
