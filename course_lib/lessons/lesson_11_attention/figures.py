"""Lesson 11: the architecture of an encoder-decoder with attention, and a map of attention weights."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle

from course_lib import plotting

_STEPS = 4  # source steps that are drawn
_FIRST, _PITCH = 1.3, 0.78  # where the first one stands, and how far apart they are, in inches
_NOW, _BEFORE = 6.05, 4.95  # where the decoder's states s_t and s_{t-1} stand
_WEIGHTS = (0.08, 0.62, 0.22, 0.08)  # such as a softmax gives


def _box(ax, x, y, width, height, color, text, fontsize=12):
    color = plotting.COLORS[color]
    box = FancyBboxPatch((x - width / 2, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=0.08")
    box.set(facecolor=plotting.tint(color, 0.16), edgecolor=color, linewidth=1.6, zorder=3)
    ax.add_patch(box)
    ax.text(x, y, text, ha="center", va="center", fontsize=fontsize, zorder=5)


def _note(ax, x, y, text, ha="center", color=plotting.MUTED):
    ax.text(x, y, text, ha=ha, va="center", fontsize=11, color=color)


def draw_architecture():
    """Draw one target step of an encoder-decoder with dot attention, in Luong's arrangement without input feeding.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = plt.figure(figsize=(7, 6), layout="none")
    ax = fig.add_axes((0, 0, 1, 1), xlim=(0, 7), ylim=(0, 6))
    ax.axis("off")
    attention = plotting.COLORS["attention"]
    places = [_FIRST + _PITCH * step for step in range(_STEPS)]
    y_in, y_state, y_score, y_soft, y_weight, y_sum = 0.65, 1.35, 2.3, 2.95, 3.6, 4.55

    for step, (x, weight) in enumerate(zip(places, _WEIGHTS, strict=True), 1):
        _box(ax, x, y_in, 0.5, 0.4, "input", f"$x_{step}$")
        plotting.draw_arrow(ax, (x, y_in + 0.2), (x, y_state - 0.22))
        _box(ax, x, y_state, 0.54, 0.44, "hidden", f"$h_{step}$")
        plotting.draw_arrow(ax, (x, y_state + 0.22), (x, y_score - 0.2), color=attention)
        _box(ax, x, y_score, 0.54, 0.4, "attention", f"$e_{{t{step}}}$")
        plotting.draw_arrow(ax, (x, y_score + 0.2), (x, y_soft - 0.16), color=attention)
        plotting.draw_arrow(ax, (x, y_soft + 0.16), (x, y_weight - 0.22), color=attention)
        ax.add_patch(Rectangle((x - 0.2, y_weight - 0.2), 0.4, 0.62 * weight, color=attention, zorder=3))
        ax.plot((x - 0.25, x + 0.25), (y_weight - 0.2,) * 2, linestyle="-", color=plotting.FOREGROUND, linewidth=1)
        _note(ax, x, y_weight + 0.34, f"$\\alpha_{{t{step}}}$", color=plotting.FOREGROUND)
        if step < _STEPS:
            plotting.draw_arrow(ax, (x + 0.27, y_state), (x + _PITCH - 0.27, y_state))
    middle = (places[0] + places[-1]) / 2
    _box(ax, middle, y_soft, places[-1] - places[0] + 0.55, 0.32, "attention", "softmax")
    ax.add_patch(Circle((middle, y_sum), 0.19, facecolor=plotting.BACKGROUND, edgecolor=attention, lw=1.6, zorder=4))
    ax.text(middle, y_sum - 0.01, "Σ", ha="center", va="center", fontsize=13, zorder=5)
    plotting.draw_arrow(ax, (middle, y_weight + 0.5), (middle, y_sum - 0.19), color=attention)
    left = 0.25  # the values go around the scores
    way = (places[0] - 0.27, y_state), (left, y_state), (left, y_sum), (middle - 0.19, y_sum)
    plotting.draw_arrow(ax, *way, color=attention)

    _box(ax, _BEFORE, y_state, 0.66, 0.44, "gru", "$s_{t-1}$")
    plotting.draw_arrow(ax, (places[-1] + 0.27, y_state), (places[-1] + 0.55, y_state))
    _note(ax, (places[-1] + _BEFORE) / 2 + 0.1, y_state, "$s_0 \\dots$", color=plotting.FOREGROUND)
    plotting.draw_arrow(ax, (_BEFORE + 0.33, y_state), (_NOW - 0.3, y_state))
    _box(ax, _NOW, y_state, 0.6, 0.44, "gru", "$s_t$")
    _box(ax, _NOW, y_in, 0.66, 0.4, "input", "$y_{t-1}$")
    plotting.draw_arrow(ax, (_NOW, y_in + 0.2), (_NOW, y_state - 0.22))
    plotting.draw_arrow(ax, (_NOW, y_score), (places[-1] + 0.27, y_score), color=attention)
    plotting.draw_arrow(ax, (_NOW, y_state + 0.22), (_NOW, y_sum - 0.2))
    _box(ax, _BEFORE, y_sum, 0.6, 0.44, "attention", "$\\bar c_t$")
    plotting.draw_arrow(ax, (middle + 0.19, y_sum), (_BEFORE - 0.3, y_sum), color=attention)
    plotting.draw_arrow(ax, (_BEFORE + 0.3, y_sum), (_NOW - 0.42, y_sum))
    _box(ax, _NOW, y_sum, 0.84, 0.4, "output", "tanh layer", 11)
    plotting.draw_arrow(ax, (_NOW, y_sum + 0.2), (_NOW, y_sum + 0.42))
    _box(ax, _NOW, y_sum + 0.62, 1.1, 0.4, "output", "output layer", 11)
    plotting.draw_arrow(ax, (_NOW, y_sum + 0.82), (_NOW, y_sum + 1.02))
    _note(ax, _NOW, y_sum + 1.18, "softmax: $\\hat y_t$", color=plotting.FOREGROUND)

    _note(ax, middle, 0.22, "encoder reads the source")
    _note(ax, (_BEFORE + _NOW) / 2, 0.22, "decoder writes the target")
    _note(ax, places[0] - 0.33, y_weight, "weights", "right")
    _note(ax, places[0] - 0.33, (y_state + y_score) / 2, "keys", "right")
    _note(ax, left + 0.08, y_sum + 0.17, "values", "left")
    _note(ax, (places[-1] + _NOW) / 2 + 0.1, y_score + 0.17, "query")
    _note(ax, places[0] - 0.33, y_score, "scores", "right")
    _note(ax, _BEFORE, y_sum - 0.4, "context vector")
    return fig


def draw_attention_map(ax, word, sounds, weights):
    """Draw the attention weights of one word as colours, with a dot on the largest of each row.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    word : str
        Its letters stand below the columns.
    sounds : sequence of str
        They stand beside the rows; the last row is that of the stop symbol.
    weights : (sounds + 1, letters) array
    """
    ax.imshow(weights, vmin=0, vmax=1, cmap="cividis", aspect="auto", interpolation="nearest")
    for row, column in enumerate(weights.argmax(axis=1)):
        ax.plot(
            column, row, "o", markersize=6, markerfacecolor=plotting.BACKGROUND, markeredgecolor=plotting.FOREGROUND
        )
    ax.set_xticks(range(len(word)), word)
    ax.set_yticks(range(len(weights)), [*sounds, "stop"])
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)
