"""Lesson 10: the tree of a beam search."""

from __future__ import annotations

import numpy as np

from course_lib import plotting


def draw_tree(ax, beams, names, *, steps=1):
    """Draw the tree of a beam search; the path of the best hypothesis is bold.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    beams : BeamSearchOutput
        As :func:`course_lib.generation.beam_search` returns it, of one source.
    names : sequence of str
        How each symbol is written.
    steps : int
        The axis has room for at least so many symbols.
    """
    tree, best = beams.tree[0], beams.hypotheses[0][0]
    children = {}
    for number, branch in enumerate(tree):
        children.setdefault(branch.parent, []).append(number)
    height, leaves = {}, iter(range(len(tree) + 1))

    def place(node):
        own = children.get(node, [])
        for child in own:
            place(child)
        height[node] = -np.mean([-height[child] for child in own]) if own else -float(next(leaves))

    place(-1)
    path, node = (
        set(),
        next(
            number
            for number, branch in enumerate(tree)  # the best leaf, and back to the root
            if branch.step == len(best.symbols) + best.ended and branch.log_probability == best.log_probability
        ),
    )
    while node >= 0:
        path.add(node)
        node = tree[node].parent
    for number, branch in enumerate(tree):
        on_path = number in path
        x, y = branch.step, height[number]
        ax.plot(
            [x - 1, x],
            [height[branch.parent], y],
            color=plotting.COLORS["output"] if on_path else plotting.MUTED,
            linestyle="-",
            linewidth=3 if on_path else 1.2,
            zorder=1,
        )
        ax.text(
            x,
            y,
            f"{names[branch.symbol]}  {np.exp(branch.log_probability):.2g}",
            ha="center",
            va="center",
            fontsize=10,
            fontweight="bold" if on_path else "normal",
            color=plotting.FOREGROUND,
            zorder=2,
            bbox={
                "boxstyle": "round,pad=0.25",
                "facecolor": plotting.BACKGROUND,
                "edgecolor": plotting.COLORS["output"] if on_path else plotting.MUTED,
                "linewidth": 2 if on_path else 1,
            },
        )
    ax.plot(0, height[-1], "o", color=plotting.FOREGROUND, markersize=8, zorder=2)
    longest = max(steps, *(branch.step for branch in tree))
    ax.set(
        xlim=(-0.25, longest + 0.5),
        ylim=(min(height.values()) - 0.6, max(height.values()) + 0.6),
        yticks=(),
        xticks=range(1, longest + 1),
    )
    ax.grid(visible=False)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.tick_params(length=0)
