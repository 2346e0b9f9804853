"""One style for every figure: colours with fixed meanings, and alt text with every picture."""

from __future__ import annotations

import base64
import html
import io
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

BACKGROUND = "#fdfcf8"  # of every figure: opaque, so that text stays readable on a dark page
FOREGROUND = "#1b1b24"
MUTED = "#5d5d68"  # axes, grids, and whatever should be seen second

# Same colour, same thing, in all lessons. Those that meet in one figure stay apart under protanopia, deuteranopia and
# tritanopia as well, and each has at least 3 : 1 contrast with the background (both tested).
COLORS = {
    # parts of a network
    "input": "#b98409",
    "hidden": "#3f63e0",
    "cell": "#2b6460",
    "output": "#6e2a8c",
    "prediction": "#6e2a8c",  # an output is a prediction
    "target": FOREGROUND,
    "gradient": "#c6290b",
    # gates of an LSTM
    "input_gate": "#1ca472",
    "forget_gate": "#68163c",
    "output_gate": "#ce7406",
    "candidate": "#9489be",
    # gates of a GRU
    "update_gate": "#7d1c4e",
    "reset_gate": "#c06f26",
    # models: the simple RNN has the colour of its hidden state, the LSTM that of its cell
    "baseline": "#988d91",
    "rnn": "#3f63e0",
    "gru": "#d07804",
    "lstm": "#2b6460",
    "attention": "#bb3499",
    "transformer": "#4b2784",
    "cnn": "#81480c",
    # what results are compared with
    "optimum": FOREGROUND,
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

# Initial recurrent matrices, as keywords for ``ax.plot``. Orthogonal ones have the colour of the hidden state that they
# make; N(0, 1) is the baseline.
INITIALIZER_STYLES = {
    "N(0, 1)": {"color": COLORS["baseline"], "linestyle": ":", "marker": "x"},
    "Glorot": {"color": "#6a80cc", "linestyle": "--", "marker": "s"},
    "orthogonal": {"color": COLORS["rnn"], "linestyle": "-", "marker": "o"},
}

_DPI = 160
_SCREEN_WIDTH = 800 / 7  # CSS pixels an inch: a figure 7 inches wide is shown 800 pixels wide where there is room
_SHORTEST_ALT = 30


def use_style() -> None:
    """Give every figure from here on the course's style. A lesson's ``course_lib.setup(seed)`` calls this."""
    plt.rcdefaults()  # an account's matplotlibrc may ask for LaTeX, or cut figures
    plt.rcParams.update(
        {
            "figure.figsize": (7, 3.6),
            "figure.constrained_layout.use": True,
            "figure.constrained_layout.w_pad": 0.1,
            "figure.constrained_layout.h_pad": 0.1,
            "figure.facecolor": BACKGROUND,
            "savefig.facecolor": BACKGROUND,
            "axes.facecolor": BACKGROUND,
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
            "text.color": FOREGROUND,
            "axes.labelcolor": FOREGROUND,
            "axes.edgecolor": MUTED,
            "xtick.color": MUTED,
            "ytick.color": MUTED,
            "xtick.labelcolor": FOREGROUND,
            "ytick.labelcolor": FOREGROUND,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#e4e1d8",
            "grid.linewidth": 0.8,
            "lines.linewidth": 2,
            "lines.markersize": 6,
            "legend.facecolor": BACKGROUND,
            "legend.edgecolor": "none",
            "legend.framealpha": 0.9,
            "legend.handlelength": 2.8,
            "axes.prop_cycle": mpl.cycler(
                color=[COLORS[name] for name in ("hidden", "gradient", "cell", "input", "output", "target")],
                linestyle=["-", "--", "-.", ":", (0, (6, 1.5, 1, 1.5, 1, 1.5)), (0, (2, 1))],
            ),
            "axes.formatter.useoffset": False,
            "image.cmap": "cividis",
        }
    )


def line_style(name: str) -> dict[str, Any]:
    """Keywords for ``ax.plot`` that draw the thing ``name`` with its own colour, dashes and marker.

    Parameters
    ----------
    name : str
        A key of :data:`COLORS`.

    Returns
    -------
    dict
        ``color``, ``linestyle``, ``marker``, and ``markevery``, which spaces the markers evenly along the curve.

    Raises
    ------
    ValueError
        If the name has no colour.

    Examples
    --------
    >>> line_style("gru")
    {'color': '#d07804', 'linestyle': '--', 'marker': 's', 'markevery': 0.12}
    """
    if name not in COLORS:
        raise ValueError(f"A colour's name is one of {', '.join(COLORS)}, but got {name!r}.")
    dashes, marker = _STROKES.get(name, ("-", None))
    # markevery as a fraction: markers evenly spaced along the curve, however many points it has
    return {"color": COLORS[name], "linestyle": dashes, "marker": marker, "markevery": 0.12}


def tint(color: str, share: float) -> tuple[float, float, float]:
    """Mix a colour with the background.

    Parameters
    ----------
    color : str
        Any colour that matplotlib knows.
    share : float
        How much of the colour is left: 1 is the colour itself, 0 is the background.

    Returns
    -------
    tuple of float
        Red, green and blue from 0 to 1.

    Examples
    --------
    >>> tint("white", 1)
    (1.0, 1.0, 1.0)
    """
    mixed = share * np.array(to_rgb(color)) + (1 - share) * np.array(to_rgb(BACKGROUND))
    return tuple(mixed.tolist())


class Picture:
    """A finished figure: the image with its alt text. A notebook shows the image, a terminal the alt text.

    The figure is closed, so that the notebook does not show it a second time, without alt text.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        A finished one.
    alt : str
        What the figure shows, for those who cannot see it, in at least 30 characters; white space is evened out.

    Attributes
    ----------
    alt : str
        The alt text.
    html : str
        An ``<img>`` element with the PNG inside.

    Raises
    ------
    TypeError
        If the first argument is no figure.
    ValueError
        If the alt text says too little.
    """

    def __init__(self, fig: Figure, alt: str):
        if not isinstance(fig, Figure):
            raise TypeError(
                f"The first argument is a matplotlib figure, but got {type(fig).__name__}. From axes, pass ax.figure."
            )
        self.alt = " ".join(alt.split()) if isinstance(alt, str) else ""
        if len(self.alt) < _SHORTEST_ALT:
            raise ValueError(
                f"A figure is shown with alt text of at least {_SHORTEST_ALT} characters that says what it shows, "
                f"but got {alt!r}. Write for someone who cannot see it: what is drawn, against what, and what there "
                f"is to notice."
            )
        fig.patch.set_alpha(1)
        png = io.BytesIO()
        fig.savefig(png, format="png", dpi=_DPI, facecolor=BACKGROUND, metadata={"Software": None})
        plt.close(fig)
        data = base64.b64encode(png.getvalue()).decode("ascii")
        self.html = (
            f'<img alt="{html.escape(self.alt)}" src="data:image/png;base64,{data}" '
            f'width="{round(fig.get_figwidth() * _SCREEN_WIDTH)}" style="max-width:100%">'
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.html, "text/plain": self.alt}

    def __repr__(self) -> str:
        return self.alt


def show(fig: Figure, alt: str) -> None:
    """Display a figure with its alt text, once, and close it.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        A finished one.
    alt : str
        What the figure shows, for those who cannot see it: at least 30 characters.

    Raises
    ------
    TypeError
        If the first argument is no figure.
    ValueError
        If the alt text says too little.
    """
    from IPython.display import display  # here, because a script that only draws needs no IPython

    display(Picture(fig, alt))
