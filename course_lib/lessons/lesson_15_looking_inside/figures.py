"""Lesson 15: a text coloured by its cells, states in a plane, cells between two measures, and a small automaton."""

from __future__ import annotations

from itertools import permutations

import matplotlib.pyplot as plt
import numpy as np

from course_lib import plotting


def draw_text_with_cells(text, rows):
    """Draw a text once for each cell, every symbol on the colour of the cell's state after it, darker for higher.

    Parameters
    ----------
    text : str
    rows : dict of str to (len(text),) array
        A title for each cell, and its states.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = plt.subplots(len(rows), 1, figsize=(7, 0.85 * len(rows) + 0.5))
    axes = np.atleast_1d(axes)
    for ax, (title, states) in zip(axes, rows.items(), strict=True):
        height = (states - states.min()) / np.ptp(states)
        drawn = ax.imshow([height], cmap="Oranges", aspect="auto", vmin=0, vmax=1.5)  # dark letters stay legible
        for place, symbol in enumerate(text):
            ax.text(place, 0, symbol, ha="center", va="center", family="DejaVu Sans Mono", fontsize=10.5)
        ax.set_title(title, fontsize=11)
        ax.set(xticks=[], yticks=[])
        ax.grid(visible=False)
        ax.spines[["left", "bottom"]].set_visible(False)
    bar = fig.colorbar(drawn, ax=list(axes), ticks=(0, 1), fraction=0.03, boundaries=np.linspace(0, 1, 65))
    bar.ax.set_yticklabels(["lowest", "highest"], fontsize=9.5)
    return fig


def draw_plane(ax, points, depth, quoted, size=12):
    """Draw states in a plane: colour is the depth, crosses are inside quotes."""
    for inside, marker in ((False, "o"), (True, "x")):
        chosen = quoted == inside
        drawn = ax.scatter(
            *points[chosen].T, c=depth[chosen], marker=marker, s=size, cmap="viridis", vmin=0, vmax=4, linewidths=1
        )
    return drawn


def draw_path(ax, points, symbols, left=0):
    """Draw the path of a state through the plane, with the symbol that led to each place.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    points : (symbols + 1, 2) array
        The start, and the place after each symbol.
    symbols : str
    left : int
        So many symbols stand to the left of their places, as the start does; the others to the right.
    """
    color = plotting.COLORS["gradient"]
    ax.plot(*points.T, "-", color=color, linewidth=1.5, zorder=4)
    ax.plot(*points[1:].T, "o", color=color, markersize=4, zorder=5)
    ax.plot(*points[0], "o", color=color, markerfacecolor="none", markersize=8, zorder=5)
    ax.margins(x=0.32)
    for number, (place, symbol) in enumerate(zip(points, ["start", *symbols], strict=True)):
        before = number <= left
        ax.annotate(
            symbol,
            place,
            (-9, 0) if before else (7, 2),
            textcoords="offset points",
            ha="right" if before else "left",
            va="center",
            fontsize=12 if number else 10,
            fontweight="bold" if number else "normal",
            zorder=6,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": plotting.BACKGROUND, "edgecolor": "none", "alpha": 0.75},
        )


def draw_probes(record, names):
    """Draw how often probes are right, a mark for each recorded seed, the two of one network joined by a line.

    Parameters
    ----------
    record : course_lib.teaching.experiment.Recorded
        With columns ``{name}_untrained``, ``{name}_trained`` and ``{name}_majority``, of three seeds.
    names : dict of str to str
        A property's name in the columns, and the one to print.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, ax = plt.subplots(figsize=(7, 3.4))
    apart = np.array([-0.06, 0, 0.06])
    for place, key in enumerate(names):
        pairs = np.array([record.column(f"{key}_{when}") for when in ("untrained", "trained")])
        for when, values, marker, look, shift in zip(
            ("untrained", "trained"), pairs, "oD", ("baseline", "lstm"), (-0.13, 0.13), strict=True
        ):
            label = None if place else f"{when}, recorded"
            ax.plot(values, place + shift + apart, marker, color=plotting.COLORS[look], alpha=0.7, label=label)
        ax.plot(pairs, place + np.array([[-0.13], [0.13]]) + apart, "-", color=plotting.MUTED, linewidth=1)
        label = None if place else "always the commonest answer"
        majority = record.column(f"{key}_majority").mean()
        ax.plot(majority, place, "|", color=plotting.FOREGROUND, markersize=22, label=label)
    ax.set(yticks=range(len(names)), yticklabels=names.values(), ylim=(len(names) - 0.5, -0.5), xlim=(0, 1.03))
    ax.set_xlabel("probe right on unseen texts")
    fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9.5)
    return fig


def draw_automaton(ax, following, accepts, colors):
    """Draw an automaton of up to six states on a circle: a double ring accepts, a short arrow marks the start.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    following : (states, 2) array of int
        The next state on 0 and on 1.
    accepts : (states,) array of 0 and 1
    colors : list
        One for each state.
    """
    states = range(len(accepts))

    def diagonals(order):
        apart = [(order[a] - order[b]) % len(order) for a in states for b in following[a]]
        return sum(steps not in (0, 1, len(order) - 1) for steps in apart)

    order = min(((0, *others) for others in permutations(states[1:])), key=diagonals)  # few arrows cross
    angles = 0.75 * np.pi - 2 * np.pi * np.array(order) / len(order)
    places, radius = np.column_stack([np.cos(angles), np.sin(angles)]), 0.24
    for state, place in enumerate(places):
        ax.add_patch(plt.Circle(place, radius, facecolor=colors[state], edgecolor=plotting.FOREGROUND, zorder=3))
        if accepts[state]:
            ax.add_patch(plt.Circle(place, radius - 0.05, facecolor="none", edgecolor=plotting.FOREGROUND, zorder=4))
        ax.text(*place, str(state), ha="center", va="center", fontsize=12, zorder=5)
        for symbol, target in enumerate(following[state]):
            if target == state:
                out = place * 1.42
                ax.add_patch(plt.Circle(place * 1.25, 0.16, facecolor="none", edgecolor=plotting.FOREGROUND, zorder=1))
                ax.text(*(out * 1.12), str(symbol), ha="center", va="center", fontsize=12)
                continue
            way = places[target] - place
            length = np.hypot(*way)
            side = np.array([-way[1], way[0]]) / length
            ax.annotate(
                "",
                place + way * (length - radius) / length + 0.05 * side,
                place + way * radius / length + 0.05 * side,
                arrowprops={"arrowstyle": "-|>", "connectionstyle": "arc3,rad=-0.15", "color": plotting.FOREGROUND},
            )
            crosses = (order[target] - order[state]) % len(order) not in (1, len(order) - 1)
            along = 0.3 if crosses else 0.5  # where two diagonals cross, a label near the tail shows whose it is
            ax.text(*(place + along * way + 0.2 * side), str(symbol), ha="center", va="center", fontsize=12)
    start = places[0] * (1 + radius)
    ax.annotate(
        "", start, start + 0.35 * places[0], arrowprops={"arrowstyle": "-|>", "color": plotting.COLORS["gradient"]}
    )
    ax.set(xlim=(-1.75, 1.75), ylim=(-1.6, 1.6), aspect="equal")
    ax.axis("off")
