"""Lesson 03: step a network through a word, and scale its weights until the states saturate."""

from __future__ import annotations

from string import ascii_lowercase

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import Normalize

from course_lib import plotting
from course_lib.recurrent import RNN, unroll
from course_lib.sequences import Vocabulary, one_hot
from course_lib.teaching.panel import Slider, TextBox, panel, what_it_reads

_UNITS, _MOST = 50, 12
_LETTERS = Vocabulary(ascii_lowercase)
_NORM = Normalize(-1, 1)


def states_while_reading(word, scale, units=_UNITS):
    """The states of a random network that reads a word, letters one-hot, all weights N(0, scale²), no bias.

    The network is the same one at each call, so that only the word and the scale make the difference.

    Parameters
    ----------
    word : str
        Letters a to z, at least one.
    scale : float
        Standard deviation of the entries of W_x and W_h.
    units : int

    Returns
    -------
    states : (len(word), units) array
        h_1 ... h_T, from h_0 = 0.
    radius : float
        The largest absolute eigenvalue of W_h.

    Raises
    ------
    ValueError
        If there is no letter, or something that is no letter.
    """
    if not word:
        raise ValueError("The network takes a word of at least one letter, but got an empty one.")
    rng = np.random.default_rng(3)
    rnn = RNN(len(_LETTERS), units, 1, rng=rng)
    rnn.kernel = scale * rng.standard_normal(rnn.kernel.shape)
    rnn.recurrent_kernel = scale * rng.standard_normal((units, units))
    states, _ = unroll(rnn, one_hot(_LETTERS.encode(word), len(_LETTERS))[None])
    return states[1:, 0], float(np.abs(np.linalg.eigvals(rnn.recurrent_kernel)).max())


def _letters_of(text):
    """What the panel reads of whatever was typed: the first letters a to z, small."""
    return "".join(letter for letter in text.lower() if letter in _LETTERS)[:_MOST]


def _draw_states(fig, bottom, height, word, scale, step, *, last, aligned):
    """Heat map of the states up to ``step``, with their histogram beside it; places in inches. Return it in words."""
    states, radius = states_while_reading(word, scale)
    seen = states[:step]
    width, whole = fig.get_size_inches()
    limits = (-0.45, max(len(word), 5) + 0.55) if aligned else (0.5, len(word) + 0.5)
    chart = fig.add_axes((0.75 / width, bottom / whole, (width - 3.1) / width, height / whole), xlim=limits)
    chart.pcolormesh(0.5 + np.arange(step + 1), np.arange(_UNITS + 1), seen.T, cmap="PuOr_r", norm=_NORM)
    chart.set(ylim=(0, _UNITS), yticks=[0, _UNITS], ylabel="units")
    chart.set_xticks(range(1, len(word) + 1), list(word))
    chart.grid(False)
    for side in ("left", "bottom"):
        chart.spines[side].set_visible(False)
    chart.tick_params(length=0)

    bars = fig.add_axes(((width - 1.75) / width, bottom / whole, 1.6 / width, height / whole))
    share, edges = np.histogram(seen, bins=20, range=(-1, 1), weights=np.full(seen.shape, 100 / seen.size))
    middles = (edges[1:] + edges[:-1]) / 2
    bars.bar(
        middles, share, width=0.1, color=plt.get_cmap("PuOr_r")(_NORM(middles)), edgecolor=plotting.MUTED, linewidth=0.6
    )
    bars.set(xlim=(-1.05, 1.05), ylim=(0, 60), xticks=[-1, 0, 1], yticks=[0, 50])
    bars.set_yticklabels(["0", "50 %"])
    bars.grid(axis="x", visible=False)
    saturated = (np.abs(seen) > 0.99).mean()
    bars.set_title(f"{saturated:.0%} beyond ±.99", fontsize=11, loc="right")
    if last:
        bars.set_xlabel("state")
    return (
        f"With weights of scale {scale:g}, spectral radius {radius:.1f}, the states lie "
        f"{np.sqrt((seen**2).mean()):.2f} from 0 on average (root mean square), and {saturated:.0%} of them "
        f"beyond ±.99."
    ), chart


def _draw_panel(text, step, scale):
    word = _letters_of(text)
    if not word:
        fig = plt.figure(figsize=(7, 1.2), layout="none")
        fig.text(0.5, 0.5, "Type a word of letters a to z.", ha="center", va="center")
        return fig, "Nothing to read yet: the picture asks for a word of letters a to z."
    step = min(step, len(word))
    fig = plt.figure(figsize=(7, 4.5), layout="none")
    said, chart = _draw_states(fig, 0.55, 1.9, word, scale, step, last=True, aligned=True)
    states, radius = states_while_reading(word, scale)
    place = chart.get_position()
    network = fig.add_axes((place.x0, 2.6 / 4.5, place.width, 1.6 / 4.5), xlim=chart.get_xlim())
    network.axis("off")
    shown = np.sqrt((states**2).mean(axis=1)) * (np.arange(len(word)) < step)
    plotting.draw_unrolled(len(word), inputs=list(word), outputs=[None] * len(word), states=shown, ax=network)
    fig.text(place.x0, 4.28 / 4.5, f"weights {scale:g} × N(0, 1): spectral radius {radius:.1f}", fontsize=12.5)
    fig.text(
        1 - 0.98 / 7,
        3.35 / 4.5,
        f"step {step} of {len(word)}\njust read: {word[step - 1]}",
        ha="center",
        color=plotting.MUTED,
    )
    cut = what_it_reads(text, word, f"the first {_MOST} letters a to z")
    fig.text(place.x0, 0.05 / 4.5, cut, fontsize=11, color=plotting.MUTED)
    return fig, (
        f"A recurrent network of {_UNITS} units, unrolled over the letters of {word}, after step {step}; "
        f"below it the states as colours, a row for each unit and a column for each step, and their "
        f"histogram. {said} {cut}".strip()
    )


def _draw_static():
    scales, word, row = (0.05, 0.14, 1.0), "remembering", 1.6
    fig = plt.figure(figsize=(7, row * len(scales) + 0.55), layout="none")
    said = []
    for place, scale in enumerate(reversed(scales)):
        words, chart = _draw_states(
            fig, 0.6 + row * place, 1.05, word, scale, len(word), last=place == 0, aligned=False
        )
        radius = states_while_reading(word, scale)[1]
        chart.set_title(f"{scale:g} × N(0, 1): spectral radius {radius:.1f}", fontsize=11.5)
        said.insert(0, words)
    return fig, (
        f"Three copies of a random network of {_UNITS} units read the word {word}: its states as colours, a "
        f"row for each unit and a column for each letter, with a histogram of all of them. {' '.join(said)} "
        f"With the smallest weights everything stays near 0, with the largest the histogram has two towers "
        f"at ±1 and hardly anything between."
    )


def saturation_panel():
    """Type a word, step a random network through it, and scale its weights.

    The states are those of :func:`states_while_reading`, computed anew for every setting. Without a live kernel: one
    word and three scales (a whisper, spectral radius about 1, and N(0, 1) as it is often typed).
    """
    panel(
        _draw_panel,
        {
            "text": TextBox("a word to read", "remembering"),
            "step": Slider("letters read so far", 1, _MOST, 1, 4),
            "scale": Slider("scale of the weights", 0.02, 1.2, 0.02, 1.0),
        },
        _draw_static,
    )
