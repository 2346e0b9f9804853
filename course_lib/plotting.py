"""One look for every figure: colours with fixed meanings, alt text with every picture, diagrams drawn by code."""
from __future__ import annotations

import base64
import html
import io
import math
import textwrap
from itertools import pairwise

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import TwoSlopeNorm, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Polygon
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

PAPER = "#fdfcf8"  # the ground of every figure: opaque, so that ink stays readable on a dark page
INK = "#1b1b24"
PENCIL = "#5d5d68"  # axes, grids, and whatever should be seen second

# Same colour, same thing, in all lessons. Those that meet in one figure stay apart under protanopia, deuteranopia and
# tritanopia as well, and each has at least 3 : 1 contrast with the paper (both tested).
COLORS = {
    # parts of a network
    "input": "#b98409",
    "hidden": "#3f63e0",
    "cell": "#2b6460",
    "output": "#6e2a8c",
    "prediction": "#6e2a8c",  # an output is a prediction
    "target": INK,
    "gradient": "#c6290b",
    "blame": "#c6290b",  # the lessons' word for it
    # gates of an LSTM
    "input_gate": "#1ca472",
    "forget_gate": "#68163c",
    "output_gate": "#ce7406",
    "candidate": "#9489be",
    # gates of a GRU
    "update_gate": "#7d1c4e",
    "reset_gate": "#c06f26",
    # models: the plain network wears the colour of its hidden state, the LSTM that of its cell
    "baseline": "#988d91",
    "rnn": "#3f63e0",
    "gru": "#d07804",
    "lstm": "#2b6460",
    "attention": "#bb3499",
    "transformer": "#4b2784",
    "cnn": "#81480c",
    # measuring sticks
    "optimum": INK,
    "guess": "#ba3171",
    "full": "#1d439f",
    "truncated": "#c77f2f",
}

# Colour is never the only sign: things that share a plot also differ in dashes and markers.
_STROKES = {
    "baseline": (":", "x"),
    "rnn": ("-", "o"),
    "gru": ("--", "s"),
    "lstm": ("-.", "D"),
    "attention": ((0, (6, 1.5, 1, 1.5, 1, 1.5)), "^"),
    "transformer": ((0, (2, 1)), "v"),
    "cnn": ((0, (8, 2)), "P"),
    "full": ("-", "o"),
    "truncated": ("--", "s"),
    "optimum": ((0, (1, 1)), None),
    "guess": ("--", None),
    "target": ("-", None),
    "prediction": ("--", None),
    "input_gate": ("-", "^"),
    "forget_gate": ("--", "s"),
    "output_gate": ("-.", "o"),
    "candidate": (":", "D"),
    "update_gate": ("--", "s"),
    "reset_gate": ("-.", "^"),
}

_DPI = 160
_SCREEN_WIDTH = 800 / 7  # CSS pixels an inch: a figure 7 inches wide is shown 800 pixels wide where there is room
_SHORTEST_ALT = 30


def use_style():
    """Give every figure from here on the course's look. A lesson's ``course_lib.setup(seed)`` calls this."""
    plt.rcParams.update({
        "figure.figsize": (7, 3.6),
        "figure.constrained_layout.use": True,
        "figure.constrained_layout.w_pad": 0.1,
        "figure.constrained_layout.h_pad": 0.1,
        "figure.facecolor": PAPER,
        "savefig.facecolor": PAPER,
        "axes.facecolor": PAPER,
        "font.family": "DejaVu Sans",  # comes with matplotlib, so it is the same on every machine
        "mathtext.fontset": "stix",
        "font.size": 11.5,
        "axes.titlesize": 12.5,
        "axes.titlelocation": "left",
        "axes.titlepad": 9,
        "axes.labelsize": 11.5,
        "xtick.labelsize": 10.5,
        "ytick.labelsize": 10.5,
        "legend.fontsize": 10.5,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": PENCIL,
        "xtick.color": PENCIL,
        "ytick.color": PENCIL,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#e4e1d8",
        "grid.linewidth": 0.8,
        "lines.linewidth": 2,
        "lines.markersize": 6,
        "legend.facecolor": PAPER,
        "legend.edgecolor": "none",
        "legend.framealpha": 0.9,
        "legend.handlelength": 2.8,
        "axes.prop_cycle": mpl.cycler(
            color=[COLORS[name] for name in ("hidden", "gradient", "cell", "input", "output", "target")],
            linestyle=["-", "--", "-.", ":", (0, (6, 1.5, 1, 1.5, 1, 1.5)), (0, (2, 1))],
        ),
        "axes.formatter.useoffset": False,
        "image.cmap": "cividis",
    })


def line(name):
    """Keywords for ``ax.plot`` that draw the thing ``name`` with its own colour, dashes and marker.

    Parameters
    ----------
    name : str
        A key of :data:`COLORS`.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If the name has no colour.
    """
    if name not in COLORS:
        raise ValueError(f"There is no colour for {name!r}. These have one: {', '.join(COLORS)}.")
    dashes, marker = _STROKES.get(name, ("-", None))
    # markevery as a fraction: markers evenly spaced along the curve, however many points it has
    return {"color": COLORS[name], "linestyle": dashes, "marker": marker, "markevery": 0.12}


class Picture:
    """A finished figure: the image with its alt text. A notebook shows the image, a terminal the alt text.

    The figure is closed, so that the notebook does not show it a second time, without alt text.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
    alt : str
        What the figure shows, for those who cannot see it; white space is evened out.

    Attributes
    ----------
    alt, html : str
        The alt text; an ``<img>`` element with the PNG inside.

    Raises
    ------
    TypeError
        If something other than a figure came.
    ValueError
        If the alt text says too little.
    """

    def __init__(self, fig, alt):
        if not isinstance(fig, Figure):
            raise TypeError(f"show takes a figure and its alt text, but a {type(fig).__name__} came first. From axes, "
                            f"pass ax.figure.")
        self.alt = " ".join(alt.split()) if isinstance(alt, str) else ""
        if len(self.alt) < _SHORTEST_ALT:
            raise ValueError(f"A figure goes out with alt text that says what it shows, in at least {_SHORTEST_ALT} "
                             f"characters, but {alt!r} came. Write for someone who cannot see it: what is drawn, "
                             f"against what, and what there is to notice.")
        fig.patch.set_alpha(1)
        png = io.BytesIO()
        fig.savefig(png, format="png", dpi=_DPI, facecolor=PAPER, metadata={"Software": None})
        plt.close(fig)
        data = base64.b64encode(png.getvalue()).decode("ascii")
        self.html = (f'<img alt="{html.escape(self.alt)}" src="data:image/png;base64,{data}" '
                     f'width="{round(fig.get_figwidth() * _SCREEN_WIDTH)}" style="max-width:100%">')

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/html": self.html, "text/plain": self.alt}

    def __repr__(self):
        return self.alt


def show(fig, alt):
    """Display a figure with its alt text, once, and close it.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
    alt : str
        What the figure shows, for those who cannot see it: at least 30 characters.

    Raises
    ------
    TypeError, ValueError
        See :class:`Picture`.
    """
    from IPython.display import display  # here, because a script that only draws needs no IPython

    display(Picture(fig, alt))


# ---------------------------------------------------------------------------------------------------------------------
# Parts of plots
# ---------------------------------------------------------------------------------------------------------------------
def heatmap(ax, matrix, *, label, xlabel, ylabel, rows=None, columns=None, vmin=None, vmax=None):
    """Draw a matrix as colours, row 0 on top, with a colour bar; numbers of both signs get 0 in the middle.

    Parameters
    ----------
    ax : matplotlib axes
    matrix : (rows, columns) array
        NaN is left blank.
    label : str
        What the colours measure, with its unit.
    xlabel, ylabel : str
        What the columns and the rows are.
    rows, columns : list of str, optional
        A name for each row and column.
    vmin, vmax : float, optional
        Ends of the scale; the matrix's own if not given.

    Returns
    -------
    matplotlib image

    Raises
    ------
    ValueError
        If the matrix has no two axes, holds no number, or the names do not match its size.
    """
    matrix = np.asarray(matrix, float)
    if matrix.ndim != 2 or not np.isfinite(matrix).any():
        raise ValueError(f"A heatmap draws a matrix (rows, columns) with numbers in it, but an array of shape "
                         f"{matrix.shape} came with {int(np.isfinite(matrix).sum())} finite numbers.")
    for names, size, what in ((rows, matrix.shape[0], "rows"), (columns, matrix.shape[1], "columns")):
        if names is not None and len(names) != size:
            raise ValueError(f"The matrix has {size} {what} but {len(names)} names came for them.")
    finite = matrix[np.isfinite(matrix)]
    low = float(finite.min()) if vmin is None else vmin
    high = float(finite.max()) if vmax is None else vmax
    if low < 0 < high:
        reach = max(-low, high)
        norm, cmap = TwoSlopeNorm(0, -reach, reach), "PuOr_r"
    else:
        norm, cmap = mpl.colors.Normalize(low, high), "cividis"
    image = ax.imshow(matrix, norm=norm, cmap=cmap, aspect="auto", interpolation="nearest")
    ax.grid(False)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    for axis, names in ((ax.yaxis, rows), (ax.xaxis, columns)):
        if names is None:
            axis.set_major_locator(MaxNLocator(integer=True))
        else:
            axis.set_ticks(range(len(names)), names)
    ax.figure.colorbar(image, ax=ax, label=label)
    return image


def mark_guess(ax, value, *, axis="x", label="your guess"):
    """Draw the reader's guess as a dashed line; nothing if there is none yet. Call it after the curves are drawn.

    A guess beyond the axes becomes a note with an arrow at the edge, so that it does not squash the curves.

    Parameters
    ----------
    ax : matplotlib axes
    value : float, None or ...
        The guess; ``None`` and ``...`` mean that the reader made none.
    axis : {"x", "y"}
        The axis that the guess is a number on.
    label : str

    Raises
    ------
    TypeError, ValueError
        If the guess is not a number, or cannot stand on a logarithmic axis.
    """
    if value is None or value is ...:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not math.isfinite(value):
        raise TypeError(f"A guess is one finite number, but {value!r} came. Write it like my_guess = 12, without "
                        f"quotes; leave it as ... to go on without a guess.")
    scale, (start, end) = (ax.get_xscale(), ax.get_xlim()) if axis == "x" else (ax.get_yscale(), ax.get_ylim())
    if scale == "log" and value <= 0:
        raise ValueError(f"This axis is logarithmic, so the guess must be above zero, but {value} came.")
    text, in_view = f"{label}: {value:g}", min(start, end) <= value <= max(start, end)
    if in_view:
        draw = ax.axvline if axis == "x" else ax.axhline
        draw(value, color=COLORS["guess"], linestyle=_STROKES["guess"][0], linewidth=2, zorder=3,
             path_effects=[withStroke(linewidth=4.5, foreground=PAPER)])
        point = (value, end) if axis == "x" else (end, value)
        place = (ax.transData - ax.transAxes).transform(point)[0 if axis == "x" else 1]
    else:
        place = 1 if (value > start) == (end > start) else 0  # at the edge it lies beyond
        text = f"{text} {('←→' if axis == 'x' else '↓↑')[place]}"
    inward = "right" if place > 0.5 else "left"
    shift = (-6 if place > 0.5 else 6, 0) if axis == "x" else (0, 3 if place < 0.9 else -3)
    ax.annotate(text, (place, 0.95) if axis == "x" else (0.98, place), shift, xycoords="axes fraction",
                textcoords="offset points", color=COLORS["guess"], zorder=6,
                ha=inward if axis == "x" else "right", va="top" if axis == "x" or place >= 0.9 else "bottom",
                path_effects=[withStroke(linewidth=3, foreground=PAPER)])


def recorded_and_live(ax, recorded, live, *, xlabel, marks=None):
    """One row for each thing measured: a dot for every recorded seed, a diamond for what was measured just now.

    Parameters
    ----------
    ax : matplotlib axes
        Set ``ax.set_xscale("log")`` before, if wanted.
    recorded : dict of str to list of float
        Row name -> one number a seed, as ``make reproduce`` recorded them. A name in :data:`COLORS` gives the colour.
    live : dict of str to float
        Row name -> the number measured in this lesson's run; rows may be missing, even all of them.
    xlabel : str
        What the numbers are, with their unit.
    marks : dict of str to float, optional
        Vertical lines to compare with, such as a bound or a baseline, by name.

    Raises
    ------
    ValueError
        If nothing was recorded, or a live row has no recorded one to stand beside.
    """
    if not recorded or not all(len(values) for values in recorded.values()):
        raise ValueError(f"There must be at least one row with at least one recorded number, but {recorded!r} came.")
    if extra := set(live) - set(recorded):
        raise ValueError(f"Live results came for {sorted(extra)}, but the recorded rows are {list(recorded)}.")
    for row, (name, values) in enumerate(recorded.items()):
        color = COLORS.get(name, COLORS["hidden"])
        spread = row + np.linspace(-0.16, 0.16, len(values)) if len(values) > 1 else [row]
        ax.plot(values, spread, "o", color=color, markersize=6.5, alpha=0.6, markeredgewidth=0)
        if name in live:
            ax.plot(live[name], row, "D", markerfacecolor=PAPER, markeredgecolor=color, markersize=10,
                    markeredgewidth=2.2, zorder=4)
    ax.plot([], [], "o", color=PENCIL, alpha=0.7, markeredgewidth=0, label="recorded, one dot a seed")
    if live:
        ax.plot([], [], "D", markerfacecolor=PAPER, markeredgecolor=PENCIL, markersize=9, markeredgewidth=2,
                label="live, just now")
    for number, (name, value) in enumerate((marks or {}).items()):
        dashes = ("--", ":", "-.")[number % 3]
        ax.axvline(value, color=INK, linestyle=dashes, linewidth=1.5, zorder=1, label=f"{name}: {value:g}")
    ax.set_yticks(range(len(recorded)), list(recorded))
    ax.set(xlabel=xlabel, ylim=(len(recorded) - 0.4, -0.6))
    ax.grid(axis="y", visible=False)
    below = ax.transAxes + ScaledTranslation(0, -42 / 72, ax.figure.dpi_scale_trans)  # clear of the axis' label
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=below, ncols=2)


# ---------------------------------------------------------------------------------------------------------------------
# Diagrams
# ---------------------------------------------------------------------------------------------------------------------
def _mix(color, share):
    """``color`` thinned with paper: share 1 is the color itself, 0 is paper."""
    return tuple(share * np.array(to_rgb(color)) + (1 - share) * np.array(to_rgb(PAPER)))


def _arrow(ax, start, end, size):
    ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=size, shrinkA=0, shrinkB=0, color=PENCIL,
                                 linewidth=1.4, zorder=2))


def _box(ax, x, y, half, color, letter, symbol, fontsize):
    """A rounded box of one step's input, output or loss: the symbol itself if there is one, else its letter."""
    ax.add_patch(FancyBboxPatch((x - half, y - half), 2 * half, 2 * half, facecolor=_mix(color, 0.16), edgecolor=color,
                                boxstyle=f"round,pad=0,rounding_size={half / 3}", linewidth=1.6, zorder=3))
    ax.text(x, y, symbol or letter, ha="center", va="center_baseline" if symbol else "center", fontsize=fontsize,
            zorder=5)


def _ribbon(ax, start, end, rise, widths, inch):
    """An arrow of blame along an arc, as wide as ``widths`` says where it starts and where it ends."""
    start, end, widths = np.array(start), np.array(end), np.array(widths)
    u = np.linspace(0, 1, 41)[:, None]
    length = np.hypot(*(end - start)) + 2 * abs(rise)
    head = min(0.4 * length, 0.1 / inch + 0.5 * widths[1])
    up = np.array([-(end - start)[1], (end - start)[0]]) / np.hypot(*(end - start))
    path = start + u * (end - start) - 4 * u * (1 - u) * rise * up
    along = np.gradient(path, axis=0)
    along /= np.hypot(*along.T)[:, None]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    left = np.hypot(*(path - end).T)  # distance still to go
    body = left >= head
    half = (widths[0] + u * (widths[1] - widths[0])) / 2
    neck, wing = path[body][-1], across[body][-1] * (half[body][-1] + 0.045 / inch)
    outline = np.vstack([(path + across * half)[body], [neck + wing, end, neck - wing],
                         (path - across * half)[body][::-1]])
    ax.add_patch(Polygon(outline, closed=True, facecolor=COLORS["gradient"], edgecolor="none", zorder=4))


def draw_unrolled(steps, *, inputs=None, outputs=None, losses=(), blame=None, cuts=(), states=None, ax=None):
    """A recurrent network unrolled in time: the same cell drawn once a step, blame flowing back if asked for.

    Parameters
    ----------
    steps : int
        T, from 1 to 14.
    inputs, outputs : list of T str or None, optional
        The symbol read or written at each step; "" shows the letter x_t or ŷ_t, None leaves that step without a box.
        If not given, every step has one, with its letter.
    losses : iterable of int
        The steps (from 1) at which a loss is measured.
    blame : (T,) array, optional
        Size of the blame ∂L/∂h_t that flows back into h_t, the last from the loss: arrows as wide as it is large,
        the largest at full width.
    cuts : iterable of int
        A cut after step t lets no blame flow from h_{t+1} back into h_t; values still flow forward.
    states : (T,) array, optional
        Values of h_t in [-1, 1]: the nearer to ±1, the darker the circle.
    ax : matplotlib axes, optional
        Where to draw, placed and with its x limits set before: the step is the x axis, the drawing stands on the lower
        edge. If not given, a figure is made.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there are too many steps to be legible, or a list does not have one entry a step.
    """
    if not 1 <= steps <= 14:
        raise ValueError(f"An unrolled network is legible with 1 to 14 steps, but {steps} came. Draw the first few.")
    given = {"inputs": inputs, "outputs": outputs, "blame": blame, "states": states}
    for name, values in given.items():
        if values is not None and len(values) != steps:
            raise ValueError(f"The drawing has {steps} steps, so {name} needs {steps} entries, but {len(values)} came.")
    inputs = [""] * steps if inputs is None else inputs
    outputs = [""] * steps if outputs is None else outputs
    losses, cuts = set(losses), set(cuts)

    # Sizes in inches first, so that type and circles fit each other; then everything in steps.
    has_output, has_input = any(o is not None for o in outputs), any(i is not None for i in inputs)
    gap = 1.0 if blame is not None and has_output else 0.85  # from the row of states to the next
    if ax is not None:
        gap = 0.62
    rows_below = 0.38 + has_input * gap + 0.2 * any(inputs)
    rows_above = 0.38 + gap * ((1.8 if has_output else 1) if losses else has_output)
    if ax is None:
        inch = min(1.3, 7 / (steps + 1))  # from one step to the next
        height = rows_below + max(rows_above, 0.75 if blame is not None else 0)
        fig = plt.figure(figsize=(inch * (steps + 1), height), layout="none")
        ax = fig.add_axes((0, 0, 1, 1), xlim=(-0.45, steps + 0.55))
        ax.axis("off")
    else:
        fig = ax.figure
        inch = ax.get_position().width * fig.get_figwidth() / abs(np.subtract(*ax.get_xlim()))
        height = ax.get_position().height * fig.get_figheight()
    ax.set_ylim(-rows_below / inch, (height - rows_below) / inch)
    roomy = inch > 0.85
    radius, half, gap = min(0.27, 0.345 * inch) / inch, min(0.22, 0.29 * inch) / inch, gap / inch
    big, small, head = (15, 13, 11) if roomy else (11.5, 11, 8)

    ax.add_patch(Circle((0, 0), radius * 0.85, facecolor=PAPER, edgecolor=COLORS["hidden"], linestyle=(0, (2.5, 2)),
                        linewidth=1.4, zorder=3))
    ax.text(0, 0, "$h_0$", ha="center", va="center", fontsize=small, zorder=5)
    for t in range(1, steps + 1):
        shade = 0.16 if states is None else 0.06 + 0.94 * min(1.0, abs(float(states[t - 1]))) ** 2
        ax.add_patch(Circle((t, 0), radius, facecolor=_mix(COLORS["hidden"], shade), edgecolor=COLORS["hidden"],
                            linewidth=2, zorder=3))
        ax.text(t, 0, f"$h_{{{t}}}$", ha="center", va="center", fontsize=big, zorder=5,
                color="white" if shade > 0.85 else INK)
        _arrow(ax, (t - 1 + radius * (0.85 if t == 1 else 1), 0), (t - radius, 0), head)
        labelled = roomy or t == 1
        if labelled:
            ax.text(t - 0.5, -0.09 / inch, "$W_h$", ha="center", va="top", fontsize=small, color=PENCIL)
        if inputs[t - 1] is not None:
            _box(ax, t, -gap, half, COLORS["input"], f"$x_{{{t}}}$", inputs[t - 1], big)
            _arrow(ax, (t, -gap + half), (t, -radius), head)
            if inputs[t - 1]:
                ax.text(t, -gap - half - 0.06 / inch, f"$x_{{{t}}}$", ha="center", va="top", fontsize=small,
                        color=PENCIL)
            if labelled:
                ax.text(t + 0.07 / inch, -(gap - half + radius) / 2, "$W_x$", ha="left", va="center", fontsize=small,
                        color=PENCIL)
        if outputs[t - 1] is not None:
            _box(ax, t, gap, half, COLORS["output"], rf"$\hat{{y}}_{{{t}}}$", outputs[t - 1], big)
            _arrow(ax, (t, radius), (t, gap - half), head)
            if labelled:
                ax.text(t - 0.07 / inch, gap - half - 0.05 / inch, "$W_y$", ha="right", va="top", fontsize=small,
                        color=PENCIL)
        if t in losses:
            bottom, height = (gap + half, 1.8 * gap) if outputs[t - 1] is not None else (radius, gap)
            _box(ax, t, height, 0.9 * half, COLORS["gradient"], f"$L_{{{t}}}$", None, small)
            _arrow(ax, (t, bottom), (t, height - 0.9 * half), head)
    if blame is not None:
        _draw_blame(ax, np.abs(np.asarray(blame, float)), outputs, losses, cuts, radius, half, gap, inch)
    return fig


def _draw_blame(ax, sizes, outputs, losses, cuts, radius, half, gap, inch):
    """Arrows of blame: down from each loss, back over the circles, and the cuts that stop them. Sizes are in steps."""
    widths = min(0.13 / inch, 0.15) * sizes / (sizes.max() or 1)
    widths[sizes > 0] = np.maximum(widths[sizes > 0], 0.012 / inch)  # a hair is left of the very small
    side, lift = np.cos(np.radians(55)) * radius, np.sin(np.radians(55)) * radius + 0.02 / inch
    rise = min(0.17 / inch, 0.24)
    for t in range(1, len(sizes)):
        if t in cuts:
            ax.plot([t + 0.5, t + 0.5], [lift - 0.02 / inch, lift + rise + 0.08 / inch], color=INK, linewidth=4,
                    solid_capstyle="round", zorder=6)
            ax.text(t + 0.5 - 0.07 / inch, lift + rise + 0.1 / inch, "cut", ha="right", va="top", fontsize=11, zorder=6)
        elif sizes[t - 1] > 0:
            _ribbon(ax, (t + 1 - side, lift), (t + side, lift), rise, (widths[t], widths[t - 1]), inch)
    for t in losses:
        width = widths[-1] if len(losses) == 1 and t == len(sizes) else 0.04 / inch  # blame of one loss among many
        x = t + 0.1 / inch + width / 2
        rows = [(gap - half, radius), (1.8 * gap - 0.9 * half, gap + half)]  # from output to state, from loss to output
        for above, below in rows if outputs[t - 1] is not None else [(gap - 0.9 * half, radius)]:
            _ribbon(ax, (x, above - 0.02 / inch), (x, below + 0.03 / inch), 0, (width, width), inch)


def blame_triangle(ax, shares, kept, *, title):
    """Who is blamed for what: what each loss says about each earlier use of the weights, as far as a rule keeps it.

    Above the diagonal is the future, which no loss can blame: it stays blank.

    Parameters
    ----------
    ax : matplotlib axes
    shares : (T, T) array
        Row t - 1, column s - 1: the share of the whole gradient that the loss at step t gives to the use of the weights
        at step s. Entries above the diagonal are not read.
    kept : (T, T) array of bool
        The pairs that a training rule adds up; each of the others becomes a small grey dot.
    title : str

    Returns
    -------
    matplotlib mesh
        For a colour bar, if wanted.

    Raises
    ------
    ValueError
        If the two are not square arrays of the same size, or a share is not a finite number.
    """
    shares, kept = np.asarray(shares, float), np.asarray(kept, bool)
    steps = len(shares)
    if shares.shape != (steps, steps) or kept.shape != shares.shape:
        raise ValueError(f"Shares and kept have a row for each loss and a column for each step, both (T, T), but "
                         f"{shares.shape} and {kept.shape} came.")
    past = np.tri(steps, dtype=bool)
    if not np.isfinite(shares[past]).all():
        raise ValueError("Every share on and below the diagonal is a finite number, but at least one is not. Is the "
                         "whole gradient zero?")
    reach = np.abs(shares[past]).max() or 1.0
    edges = 0.5 + np.arange(steps + 1)
    mesh = ax.pcolormesh(edges, edges, np.ma.array(shares, mask=~(kept & past)), cmap="PuOr_r",
                         norm=TwoSlopeNorm(0, -reach, reach), edgecolors=PAPER, linewidth=1)
    t, s = np.nonzero(past & ~kept)
    ax.plot(s + 1, t + 1, ".", color=_mix(PENCIL, 0.5), markersize=4)
    ax.set(xlabel="step $s$ that is blamed", ylabel="step $t$ of the loss", title=title, aspect="equal",
           ylim=(steps + 0.5, 0.5))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.grid(False)
    return mesh


def _rows_of(spoken, most):
    """Cut a word into rows of at most ``most`` letters and sounds, each sound near the letter that was looked at most.

    Yields the slice of letters, the slice of sounds, and the column of each of these sounds, for each row.
    """
    letters, sounds = len(spoken.word), len(spoken.phonemes)
    width = -(-letters // -(-letters // most))  # rows of about equally many letters
    looked_at = np.maximum.accumulate(spoken.attention.argmax(axis=1)) if sounds else np.empty(0, int)
    letter, sound = 0, 0
    while letter < letters or sound < sounds:
        end = min(letter + width, letters)
        last = sounds if end == letters else int(np.searchsorted(looked_at, end))
        if last - sound > most:  # more sounds than letters: the row ends earlier
            last = sound + most
            end = max(letter, int(looked_at[last]))
        order = np.arange(last - sound)  # sounds of the same letter stand side by side, and none beyond the row
        columns = np.maximum.accumulate(looked_at[sound:last] - letter - order) + order
        columns = np.minimum(columns, max(end - letter, len(order)) - len(order) + order)
        yield slice(letter, end), slice(sound, last), columns
        letter, sound = end, last


def draw_spoken(words):
    """Letters above, the sounds that a network says for them below, the surer the darker, and where it looked.

    Parameters
    ----------
    words : list of (str, Spoken)
        What to write above a word, such as its respelling, and the word with its sounds
        (:class:`course_lib.speaker.Spoken`). A word of more than twelve letters goes on in a new row; lines between two
        rows are left out.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is no word.
    """
    if not words:
        raise ValueError("There is no word to draw.")
    most = 12  # letters in a row
    pitch, half = 7 / (most + 0.4), 0.235  # inches from one letter to the next, and half a box
    rows = [(textwrap.wrap(above, 56) if number == 0 else [], spoken, cut)
            for above, spoken in words for number, cut in enumerate(_rows_of(spoken, most))]
    heights = [1.72 + 0.23 * len(above) + 0.15 * bool(above) for above, _, _ in rows]
    fig = plt.figure(figsize=(7, sum(heights) + 0.05), layout="none")
    ax = fig.add_axes((0, 0, 1, 1), xlim=(0, 7), ylim=(-sum(heights) - 0.05, 0))
    ax.axis("off")
    bottom = 0.0
    for (above, spoken, (letters, sounds, columns)), height in zip(rows, heights, strict=True):
        ax.text(0.14, bottom - 0.12, "\n".join(above), ha="left", va="top", fontsize=13, linespacing=1.1)
        bottom -= height
        upper, lower = bottom + 1.45, bottom + 0.5
        xs = (np.arange(len(spoken.word[letters])) + 0.7) * pitch
        for x, letter in zip(xs, spoken.word[letters], strict=True):
            _box(ax, x, upper, half, COLORS["input"], letter, letter, 14)
        for x, i in zip((columns + 0.7) * pitch, range(sounds.start, sounds.stop), strict=True):
            certainty = float(spoken.certainty[i])
            for x_letter, weight in zip(xs, spoken.attention[i, letters], strict=True):
                if weight > 0.03:  # thinner lines would not be seen
                    ax.plot([x_letter, x], [upper - half, lower + half], "-", color=COLORS["attention"], zorder=2,
                            linewidth=5 * weight, alpha=0.35 + 0.5 * weight, solid_capstyle="butt")
            ax.add_patch(FancyBboxPatch(
                (x - half, lower - half), 2 * half, 2 * half, edgecolor=COLORS["output"], linewidth=1.4, zorder=3,
                facecolor=_mix(COLORS["output"], certainty**2 * 0.85),
                boxstyle=f"round,pad=0,rounding_size={half / 3}"))
            ax.text(x, lower, spoken.phonemes[i], ha="center", va="center", zorder=5, fontsize=11.5,
                    color="white" if certainty > 0.78 else INK)
            ax.text(x, lower - half - 0.04, f"{certainty:.0%}", ha="center", va="top", fontsize=10, color=PENCIL)
    return fig


def draw_course_map(lessons):
    """The walk through the course: a box for each lesson, in order, one row for each part.

    Parameters
    ----------
    lessons : sequence of Lesson
        :data:`course_lib.lessons.LESSONS`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    parts = list(dict.fromkeys(lesson.part for lesson in lessons))
    colors = dict(zip(parts, ("input", "hidden", "cell", "output", "target"), strict=False))
    row = 1.18
    fig = plt.figure(figsize=(7, row * len(parts)), layout="none")
    ax = fig.add_axes((0, 0, 1, 1), xlim=(0, 7), ylim=(-row * len(parts), 0))
    ax.axis("off")
    width, height, gap = 1.5, 0.66, 0.2
    places = {}  # number of a lesson: left edge and middle of its box
    for number, part in enumerate(parts):
        middle = -row * number - 0.68
        ax.text(0.2, middle + height / 2 + 0.07, part, ha="left", va="bottom", fontsize=10.5,
                color=COLORS[colors[part]])
        for column, lesson in enumerate(lesson for lesson in lessons if lesson.part == part):
            left = 0.2 + column * (width + gap)
            places[lesson.number] = left, middle
            ax.add_patch(FancyBboxPatch(
                (left, middle - height / 2), width, height, facecolor=_mix(COLORS[colors[part]], 0.13),
                edgecolor=COLORS[colors[part]], boxstyle="round,pad=0,rounding_size=0.09", linewidth=1.5, zorder=3))
            ax.text(left + 0.09, middle + 0.3, lesson.number, ha="left", va="top", fontsize=10.5, zorder=5,
                    fontweight="bold", color=COLORS[colors[part]])
            ax.text(left + width - 0.09, middle + 0.29, f"{lesson.minutes} min", ha="right", va="top", fontsize=10,
                    zorder=5, color=PENCIL)
            ax.text(left + width / 2, middle - 0.1, textwrap.fill(lesson.title, 17), ha="center", va="center",
                    fontsize=10, zorder=5, linespacing=1.0)
    for lesson, following in pairwise(lessons):
        (x, y), (x_next, y_next) = places[lesson.number], places[following.number]
        if y == y_next:
            _arrow(ax, (x + width, y), (x_next, y), 9)
        else:  # down and back to the left edge, then into the first box of the next row
            below = y - height / 2 - 0.11
            ax.plot([x + width / 2, x + width / 2, 0.09, 0.09], [y - height / 2, below, below, y_next], "-",
                    color=PENCIL, linewidth=1.4, solid_joinstyle="round")
            _arrow(ax, (0.09, y_next), (x_next, y_next), 9)
    x, y = places["00"]
    ax.text(x + width + 0.25, y, "A network says your name.\nBy lesson 11 you will have built it.", ha="left",
            va="center", fontsize=11)
    return fig
