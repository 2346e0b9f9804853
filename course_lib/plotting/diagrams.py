"""Diagrams drawn by code: unrolled networks, gradients through time, spoken words, the course's map."""

from __future__ import annotations

import textwrap
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import TwoSlopeNorm, to_rgb
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Polygon
from matplotlib.ticker import MaxNLocator

from course_lib.plotting.style import BACKGROUND, COLORS, FOREGROUND, MUTED


def _mix(color, share):
    """``color`` thinned with paper: share 1 is the color itself, 0 is paper."""
    return tuple(share * np.array(to_rgb(color)) + (1 - share) * np.array(to_rgb(BACKGROUND)))


def _arrow(ax, start, end, size):
    ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=size,
            shrinkA=0,
            shrinkB=0,
            color=MUTED,
            linewidth=1.4,
            zorder=2,
        )
    )


def _box(ax, x, y, half, color, letter, symbol, fontsize):
    """A rounded box of one step's input, output or loss: the symbol itself if there is one, else its letter."""
    ax.add_patch(
        FancyBboxPatch(
            (x - half, y - half),
            2 * half,
            2 * half,
            facecolor=_mix(color, 0.16),
            edgecolor=color,
            boxstyle=f"round,pad=0,rounding_size={half / 3}",
            linewidth=1.6,
            zorder=3,
        )
    )
    ax.text(
        x, y, symbol or letter, ha="center", va="center_baseline" if symbol else "center", fontsize=fontsize, zorder=5
    )


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
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
    left = np.hypot(*(path - end).T)  # distance still to go
    body = left >= head
    half = (widths[0] + u * (widths[1] - widths[0])) / 2
    neck, wing = path[body][-1], normal[body][-1] * (half[body][-1] + 0.045 / inch)
    outline = np.vstack(
        [(path + normal * half)[body], [neck + wing, end, neck - wing], (path - normal * half)[body][::-1]]
    )
    ax.add_patch(Polygon(outline, closed=True, facecolor=COLORS["gradient"], edgecolor="none", zorder=4))


def draw_unrolled(steps, *, inputs=None, outputs=None, losses=(), gradient=None, cuts=(), states=None, ax=None):
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
    given = {"inputs": inputs, "outputs": outputs, "gradient": gradient, "states": states}
    for name, values in given.items():
        if values is not None and len(values) != steps:
            raise ValueError(f"The drawing has {steps} steps, so {name} needs {steps} entries, but {len(values)} came.")
    inputs = [""] * steps if inputs is None else inputs
    outputs = [""] * steps if outputs is None else outputs
    losses, cuts = set(losses), set(cuts)

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
    roomy = inch > 0.85
    radius, half, gap = min(0.27, 0.345 * inch) / inch, min(0.22, 0.29 * inch) / inch, gap / inch
    big, small, head = (15, 13, 11) if roomy else (11.5, 11, 8)

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
                facecolor=_mix(COLORS["hidden"], shade),
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
        _arrow(ax, (t - 1 + radius * (0.85 if t == 1 else 1), 0), (t - radius, 0), head)
        labelled = roomy or t == 1
        if labelled:
            ax.text(t - 0.5, -0.09 / inch, "$W_h$", ha="center", va="top", fontsize=small, color=MUTED)
        if inputs[t - 1] is not None:
            _box(ax, t, -gap, half, COLORS["input"], f"$x_{{{t}}}$", inputs[t - 1], big)
            _arrow(ax, (t, -gap + half), (t, -radius), head)
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
            _box(ax, t, gap, half, COLORS["output"], rf"$\hat{{y}}_{{{t}}}$", outputs[t - 1], big)
            _arrow(ax, (t, radius), (t, gap - half), head)
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
            _box(ax, t, height, 0.9 * half, COLORS["gradient"], f"$L_{{{t}}}$", None, small)
            _arrow(ax, (t, bottom), (t, height - 0.9 * half), head)
    if gradient is not None:
        _draw_gradients(ax, np.abs(np.asarray(gradient, float)), outputs, losses, cuts, radius, half, gap, inch)
    return fig


def _draw_gradients(ax, sizes, outputs, losses, cuts, radius, half, gap, inch):
    """Arrows of blame: down from each loss, back over the circles, and the cuts that stop them. Sizes are in steps."""
    widths = min(0.13 / inch, 0.15) * sizes / (sizes.max() or 1)
    widths[sizes > 0] = np.maximum(widths[sizes > 0], 0.012 / inch)  # a hair is left of the very small
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
            _ribbon(ax, (t + 1 - side, lift), (t + side, lift), rise, (widths[t], widths[t - 1]), inch)
    for t in losses:
        width = widths[-1] if len(losses) == 1 and t == len(sizes) else 0.04 / inch  # blame of one loss among many
        x = t + 0.1 / inch + width / 2
        rows = [(gap - half, radius), (1.8 * gap - 0.9 * half, gap + half)]  # from output to state, from loss to output
        for above, below in rows if outputs[t - 1] is not None else [(gap - 0.9 * half, radius)]:
            _ribbon(ax, (x, above - 0.02 / inch), (x, below + 0.03 / inch), 0, (width, width), inch)


def gradient_triangle(ax, shares, kept, *, title):
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
        raise ValueError(
            f"Shares and kept have a row for each loss and a column for each step, both (T, T), but "
            f"{shares.shape} and {kept.shape} came."
        )
    past = np.tri(steps, dtype=bool)
    if not np.isfinite(shares[past]).all():
        raise ValueError(
            "Every share on and below the diagonal is a finite number, but at least one is not. Is the "
            "whole gradient zero?"
        )
    reach = np.abs(shares[past]).max() or 1.0
    edges = 0.5 + np.arange(steps + 1)
    mesh = ax.pcolormesh(
        edges,
        edges,
        np.ma.array(shares, mask=~(kept & past)),
        cmap="PuOr_r",
        norm=TwoSlopeNorm(0, -reach, reach),
        edgecolors=BACKGROUND,
        linewidth=1,
    )
    t, s = np.nonzero(past & ~kept)
    ax.plot(s + 1, t + 1, ".", color=_mix(MUTED, 0.5), markersize=4)
    ax.set(
        xlabel="step $s$ that is blamed",
        ylabel="step $t$ of the loss",
        title=title,
        aspect="equal",
        ylim=(steps + 0.5, 0.5),
    )
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
    attended = np.maximum.accumulate(spoken.attention.argmax(axis=1)) if sounds else np.empty(0, int)
    letter, sound = 0, 0
    while letter < letters or sound < sounds:
        end = min(letter + width, letters)
        last = sounds if end == letters else int(np.searchsorted(attended, end))
        if last - sound > most:  # more sounds than letters: the row ends earlier
            last = sound + most
            end = max(letter, int(attended[last]))
        order = np.arange(last - sound)  # sounds of the same letter stand side by side, and none beyond the row
        columns = np.maximum.accumulate(attended[sound:last] - letter - order) + order
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
    rows = [
        (textwrap.wrap(above, 56) if number == 0 else [], spoken, cut)
        for above, spoken in words
        for number, cut in enumerate(_rows_of(spoken, most))
    ]
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
                    ax.plot(
                        [x_letter, x],
                        [upper - half, lower + half],
                        "-",
                        color=COLORS["attention"],
                        zorder=2,
                        linewidth=5 * weight,
                        alpha=0.35 + 0.5 * weight,
                        solid_capstyle="butt",
                    )
            ax.add_patch(
                FancyBboxPatch(
                    (x - half, lower - half),
                    2 * half,
                    2 * half,
                    edgecolor=COLORS["output"],
                    linewidth=1.4,
                    zorder=3,
                    facecolor=_mix(COLORS["output"], certainty**2 * 0.85),
                    boxstyle=f"round,pad=0,rounding_size={half / 3}",
                )
            )
            ax.text(
                x,
                lower,
                spoken.phonemes[i],
                ha="center",
                va="center",
                zorder=5,
                fontsize=11.5,
                color="white" if certainty > 0.78 else FOREGROUND,
            )
            ax.text(x, lower - half - 0.04, f"{certainty:.0%}", ha="center", va="top", fontsize=10, color=MUTED)
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
        ax.text(
            0.2, middle + height / 2 + 0.07, part, ha="left", va="bottom", fontsize=10.5, color=COLORS[colors[part]]
        )
        for column, lesson in enumerate(lesson for lesson in lessons if lesson.part == part):
            left = 0.2 + column * (width + gap)
            places[lesson.number] = left, middle
            ax.add_patch(
                FancyBboxPatch(
                    (left, middle - height / 2),
                    width,
                    height,
                    facecolor=_mix(COLORS[colors[part]], 0.13),
                    edgecolor=COLORS[colors[part]],
                    boxstyle="round,pad=0,rounding_size=0.09",
                    linewidth=1.5,
                    zorder=3,
                )
            )
            ax.text(
                left + 0.09,
                middle + 0.3,
                lesson.number,
                ha="left",
                va="top",
                fontsize=10.5,
                zorder=5,
                fontweight="bold",
                color=COLORS[colors[part]],
            )
            ax.text(
                left + width - 0.09,
                middle + 0.29,
                f"{lesson.minutes} min",
                ha="right",
                va="top",
                fontsize=10,
                zorder=5,
                color=MUTED,
            )
            ax.text(
                left + width / 2,
                middle - 0.1,
                textwrap.fill(lesson.title, 17),
                ha="center",
                va="center",
                fontsize=10,
                zorder=5,
                linespacing=1.0,
            )
    for lesson, following in pairwise(lessons):
        (x, y), (x_next, y_next) = places[lesson.number], places[following.number]
        if y == y_next:
            _arrow(ax, (x + width, y), (x_next, y), 9)
        else:  # down and back to the left edge, then into the first box of the next row
            below = y - height / 2 - 0.11
            ax.plot(
                [x + width / 2, x + width / 2, 0.09, 0.09],
                [y - height / 2, below, below, y_next],
                "-",
                color=MUTED,
                linewidth=1.4,
                solid_joinstyle="round",
            )
            _arrow(ax, (0.09, y_next), (x_next, y_next), 9)
    x, y = places["00"]
    ax.text(
        x + width + 0.25,
        y,
        "A network says your name.\nBy lesson 11 you will have built it.",
        ha="left",
        va="center",
        fontsize=11,
    )
    return fig
