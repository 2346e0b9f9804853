"""Parts of diagrams that lessons share (boxes, gates, operations, arrows), and the unrolled network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Polygon
from numpy.typing import ArrayLike

from course_lib.plotting.style import BACKGROUND, COLORS, FOREGROUND, MUTED, tint

_DARK = 0.517  # the share of a colour on which white letters are easier to read than dark ones
_MOST_STEPS = 14  # of an unrolled network that is still legible


def draw_arrow(
    ax: Axes, *points: tuple[float, float], color: str = MUTED, width: float = 1.5, head: float = 13
) -> None:
    """Draw a line along points, with an arrowhead at its end.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    *points : (float, float)
        At least two, as x and y.
    color : str
        Of line and head.
    width : float
        Of the line, in points.
    head : float
        Size of the arrowhead, in points.
    """
    if len(points) > 2:
        ax.plot(*zip(*points[:-1], strict=True), "-", color=color, linewidth=width, zorder=2, solid_capstyle="butt")
    ax.add_patch(
        FancyArrowPatch(
            points[-2],
            points[-1],
            arrowstyle="-|>",
            mutation_scale=head,
            shrinkA=0,
            shrinkB=0,
            color=color,
            linewidth=width,
            zorder=2,
        )
    )


def draw_box(
    ax: Axes,
    x: float,
    y: float,
    half: float,
    color: str,
    text: str,
    *,
    fontsize: float,
    fill: float = 0.16,
    linewidth: float = 1.6,
    va: str = "center",
) -> None:
    """Draw a rounded square with a text in it, for an input, an output or a loss.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw, with an equal aspect.
    x, y : float
        Its centre.
    half : float
        Half its side.
    color : str
        Of its edge.
    text : str
        What stands in it, a few letters.
    fontsize : float
        Of the text, in points.
    fill : float
        How much of the colour is left inside, from 0 to 1; the text is white where it would be hard to read in black.
    linewidth : float
        Of its edge, in points.
    va : str
        How the text is aligned: "center", or "center_baseline" for letters that shall stand on one line.
    """
    ax.add_patch(
        FancyBboxPatch(
            (x - half, y - half),
            2 * half,
            2 * half,
            facecolor=tint(color, fill),
            edgecolor=color,
            boxstyle=f"round,pad=0,rounding_size={half / 3}",
            linewidth=linewidth,
            zorder=3,
        )
    )
    text_color = "white" if fill > _DARK else FOREGROUND
    ax.text(x, y, text, ha="center", va=va, fontsize=fontsize, zorder=5, color=text_color)


def draw_gate(ax: Axes, x: float, y: float, symbol: str, color: str) -> None:
    """Draw a gate or a candidate: a rounded square with a thick edge, half an inch wide where units are inches.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw; its units are inches.
    x, y : float
        The centre of the square, whose side is 0.48.
    symbol : str
        Such as ``"$f_t$"``.
    color : str
        A key of :data:`~course_lib.plotting.COLORS`.
    """
    ax.add_patch(
        FancyBboxPatch(
            (x - 0.24, y - 0.24),
            0.48,
            0.48,
            boxstyle="round,pad=0,rounding_size=0.1",
            zorder=3,
            facecolor=BACKGROUND,
            edgecolor=COLORS[color],
            linewidth=2.4,
        )
    )
    ax.text(x, y, symbol, ha="center", va="center", fontsize=14, zorder=5)


def draw_operation(ax: Axes, x: float, y: float, symbol: str) -> None:
    """Draw an elementwise operation: a circle with its sign.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw; its units are inches.
    x, y : float
        The centre of the circle, whose radius is 0.17.
    symbol : str
        Such as ``"×"``.
    """
    ax.add_patch(Circle((x, y), 0.17, facecolor="white", edgecolor=FOREGROUND, linewidth=1.4, zorder=4))
    ax.text(x, y - 0.01, symbol, ha="center", va="center", fontsize=13, zorder=5)


def draw_gradient_arrow(
    ax: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    widths: tuple[float, float],
    *,
    rise: float = 0.0,
    inch: float = 1.0,
) -> None:
    """Draw an arrow in the colour of gradients, straight or along an arc, whose width says how large they are.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw, with an equal aspect.
    start, end : (float, float)
        As x and y.
    widths : (float, float)
        Where it starts and where it ends, in units of the axes.
    rise : float
        Height of the arc, in units of the axes; a positive one curves to the right of the way from start to end.
    inch : float
        Inches of one unit of the axes.
    """
    start, end, widths = np.array(start), np.array(end), np.array(widths)
    u = np.linspace(0, 1, 41)[:, None]
    length = np.hypot(*(end - start)) + 2 * abs(rise)
    head = min(0.4 * length, 0.1 / inch + 0.5 * widths[1])
    up = np.array([-(end - start)[1], (end - start)[0]]) / np.hypot(*(end - start))
    path = start + u * (end - start) - 4 * u * (1 - u) * rise * up
    along = np.gradient(path, axis=0)
    along /= np.hypot(*along.T)[:, None]
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
    left = np.hypot(*(path - end).T)  # distance still to go
    body = left >= head
    half = (widths[0] + u * (widths[1] - widths[0])) / 2
    neck, wing = path[body][-1], normal[body][-1] * (half[body][-1] + 0.045 / inch)
    outline = np.vstack(
        [(path + normal * half)[body], [neck + wing, end, neck - wing], (path - normal * half)[body][::-1]]
    )
    ax.add_patch(Polygon(outline, closed=True, facecolor=COLORS["gradient"], edgecolor="none", zorder=4))


def draw_unrolled(
    steps: int,
    *,
    inputs: Sequence[str | None] | None = None,
    outputs: Sequence[str | None] | None = None,
    losses: Iterable[int] = (),
    gradient: ArrayLike | None = None,
    cuts: Iterable[int] = (),
    states: ArrayLike | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw a recurrent network unrolled in time, with gradients that flow back through it if wanted.

    Parameters
    ----------
    steps : int
        T, from 1 to 14.
    inputs, outputs : sequence of T str or None, optional
        The symbol of each step's input and output; "" shows the letter x_t or ŷ_t, None leaves that step without a
        box. If not given, every step has one, with its letter.
    losses : iterable of int
        The steps (from 1) at which a loss is measured.
    gradient : (T,) array, optional
        ∂L/∂h_t for t = 1 ... T. The arrow from h_{t+1} back to h_t narrows from the size of the one gradient to that
        of the other; the largest has full width.
    cuts : iterable of int
        A cut after step t lets no gradient flow from h_{t+1} back to h_t; values still flow forward.
    states : (T,) array, optional
        Values of h_t in [-1, 1]: the nearer to ±1, the darker the circle.
    ax : matplotlib.axes.Axes, optional
        Where to draw, placed and with its x limits set before: the step is the x axis, the drawing stands on the lower
        edge. If not given, a figure is made.

    Returns
    -------
    matplotlib.figure.Figure
        The new one, or that of the axes.

    Raises
    ------
    ValueError
        If there are too many steps to be legible, a sequence does not have one entry a step, or a loss or cut is at
        no step of the drawing.
    """
    if not 1 <= steps <= _MOST_STEPS:
        raise ValueError(
            f"An unrolled network is legible with 1 to {_MOST_STEPS} steps, but got {steps}. Draw the first few."
        )
    given = {"inputs": inputs, "outputs": outputs, "gradient": gradient, "states": states}
    for name, values in given.items():
        if values is not None and len(values) != steps:
            raise ValueError(f"The drawing has {steps} steps, so {name} needs {steps} entries, but got {len(values)}.")
    inputs = [""] * steps if inputs is None else inputs
    outputs = [""] * steps if outputs is None else outputs
    losses, cuts = set(losses), set(cuts)
    if beyond := (losses | cuts) - set(range(1, steps + 1)):
        raise ValueError(f"Losses and cuts are at steps from 1 to {steps}, but got {sorted(beyond)}.")

    # Sizes in inches first, so that type and circles fit each other; then everything in steps.
    has_output, has_input = any(o is not None for o in outputs), any(i is not None for i in inputs)
    gap = 1.0 if gradient is not None and has_output else 0.85  # from the row of states to the next
    if ax is not None:
        gap = 0.62
    rows_below = 0.38 + has_input * gap + 0.2 * any(inputs)
    rows_above = 0.38 + gap * ((1.8 if has_output else 1) if losses else has_output)
    if ax is None:
        inch = min(1.3, 7 / (steps + 1))  # from one step to the next
        height = rows_below + max(rows_above, 0.75 if gradient is not None else 0)
        fig = plt.figure(figsize=(inch * (steps + 1), height), layout="none")
        ax = fig.add_axes((0, 0, 1, 1), xlim=(-0.45, steps + 0.55))
        ax.axis("off")
    else:
        fig = ax.figure
        inch = ax.get_position().width * fig.get_figwidth() / abs(np.subtract(*ax.get_xlim()))
        height = ax.get_position().height * fig.get_figheight()
    ax.set_ylim(-rows_below / inch, (height - rows_below) / inch)
    is_wide = inch > 0.85
    radius, half, gap = min(0.27, 0.345 * inch) / inch, min(0.22, 0.29 * inch) / inch, gap / inch
    big, small = (15, 13) if is_wide else (11.5, 11)
    arrow = {"width": 1.4, "head": 11 if is_wide else 8}

    ax.add_patch(
        Circle(
            (0, 0),
            radius * 0.85,
            facecolor=BACKGROUND,
            edgecolor=COLORS["hidden"],
            linestyle=(0, (2.5, 2)),
            linewidth=1.4,
            zorder=3,
        )
    )
    ax.text(0, 0, "$h_0$", ha="center", va="center", fontsize=small, zorder=5)
    for t in range(1, steps + 1):
        shade = 0.16 if states is None else 0.06 + 0.94 * min(1.0, abs(float(states[t - 1]))) ** 2
        ax.add_patch(
            Circle(
                (t, 0),
                radius,
                facecolor=tint(COLORS["hidden"], shade),
                edgecolor=COLORS["hidden"],
                linewidth=2,
                zorder=3,
            )
        )
        ax.text(
            t,
            0,
            f"$h_{{{t}}}$",
            ha="center",
            va="center",
            fontsize=big,
            zorder=5,
            color="white" if shade > 0.85 else FOREGROUND,
        )
        draw_arrow(ax, (t - 1 + radius * (0.85 if t == 1 else 1), 0), (t - radius, 0), **arrow)
        labelled = is_wide or t == 1
        if labelled:
            ax.text(t - 0.5, -0.09 / inch, "$W_h$", ha="center", va="top", fontsize=small, color=MUTED)
        if inputs[t - 1] is not None:
            _draw_value(ax, t, -gap, half, COLORS["input"], inputs[t - 1], f"$x_{{{t}}}$", big)
            draw_arrow(ax, (t, -gap + half), (t, -radius), **arrow)
            if inputs[t - 1]:
                ax.text(
                    t, -gap - half - 0.06 / inch, f"$x_{{{t}}}$", ha="center", va="top", fontsize=small, color=MUTED
                )
            if labelled:
                ax.text(
                    t + 0.07 / inch,
                    -(gap - half + radius) / 2,
                    "$W_x$",
                    ha="left",
                    va="center",
                    fontsize=small,
                    color=MUTED,
                )
        if outputs[t - 1] is not None:
            _draw_value(ax, t, gap, half, COLORS["output"], outputs[t - 1], rf"$\hat{{y}}_{{{t}}}$", big)
            draw_arrow(ax, (t, radius), (t, gap - half), **arrow)
            if labelled:
                ax.text(
                    t - 0.07 / inch,
                    gap - half - 0.05 / inch,
                    "$W_y$",
                    ha="right",
                    va="top",
                    fontsize=small,
                    color=MUTED,
                )
        if t in losses:
            bottom, height = (gap + half, 1.8 * gap) if outputs[t - 1] is not None else (radius, gap)
            draw_box(ax, t, height, 0.9 * half, COLORS["gradient"], f"$L_{{{t}}}$", fontsize=small)
            draw_arrow(ax, (t, bottom), (t, height - 0.9 * half), **arrow)
    if gradient is not None:
        _draw_gradients(ax, np.abs(np.asarray(gradient, float)), outputs, losses, cuts, radius, half, gap, inch)
    return fig


def _draw_value(ax, x, y, half, color, symbol, letter, fontsize):
    """Draw the box of one step's input or output: with its symbol if there is one, else with its letter."""
    va = "center_baseline" if symbol else "center"
    draw_box(ax, x, y, half, color, symbol or letter, fontsize=fontsize, va=va)


def _draw_gradients(ax, sizes, outputs, losses, cuts, radius, half, gap, inch):
    """Draw gradients as arrows: down from each loss, back over the circles, with cuts. Sizes are in steps."""
    widths = min(0.13 / inch, 0.15) * sizes / (sizes.max() or 1)
    widths[sizes > 0] = np.maximum(widths[sizes > 0], 0.012 / inch)  # the very small stays visible
    side, lift = np.cos(np.radians(55)) * radius, np.sin(np.radians(55)) * radius + 0.02 / inch
    rise = min(0.17 / inch, 0.24)
    for t in range(1, len(sizes)):
        if t in cuts:
            ax.plot(
                [t + 0.5, t + 0.5],
                [lift - 0.02 / inch, lift + rise + 0.08 / inch],
                color=FOREGROUND,
                linewidth=4,
                solid_capstyle="round",
                zorder=6,
            )
            ax.text(t + 0.5 - 0.07 / inch, lift + rise + 0.1 / inch, "cut", ha="right", va="top", fontsize=11, zorder=6)
        elif sizes[t - 1] > 0:
            start, end = (t + 1 - side, lift), (t + side, lift)
            draw_gradient_arrow(ax, start, end, (widths[t], widths[t - 1]), rise=rise, inch=inch)
    for t in losses:
        width = widths[-1] if len(losses) == 1 and t == len(sizes) else 0.04 / inch  # one loss among many
        x = t + 0.1 / inch + width / 2
        rows = [(gap - half, radius), (1.8 * gap - 0.9 * half, gap + half)]  # from output to state, from loss to output
        for above, below in rows if outputs[t - 1] is not None else [(gap - 0.9 * half, radius)]:
            draw_gradient_arrow(ax, (x, above - 0.02 / inch), (x, below + 0.03 / inch), (width, width), inch=inch)
