"""Lesson 05: the spectral radius of a recurrent matrix, and how far gradients reach with and without tanh."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from course_lib import plotting
from course_lib.gradients import jacobian_norms, spectral_radius
from course_lib.teaching.panel import Choice, Slider, panel

_UNITS = 50
_LOWEST, _HIGHEST = 1e-9, 1e6
STYLES = {  # a network without an activation function is what can be computed exactly
    "linear": {"color": plotting.FOREGROUND, "linestyle": "--"},
    "tanh": {"color": plotting.COLORS["rnn"], "linestyle": "-"},
}


def gradient_by_lag(unit, radius, input_size, steps, units=_UNITS):
    """‖∂h_T/∂h_(T-k)‖ for k = 0 ... steps, in a random network that reads random signs.

    Matrix and inputs are the same ones at each call, so that only the arguments make the difference.

    Parameters
    ----------
    unit : "tanh" or "linear"
    radius : float
        Spectral radius of W_h.
    input_size : float
        The inputs are plus or minus this. A linear network's gradient does not depend on it.
    steps, units : int

    Returns
    -------
    (steps + 1,) array

    Raises
    ------
    ValueError
        If the unit is neither of the two.
    """
    if unit not in STYLES:
        raise ValueError(f'The unit is "tanh" or "linear", but got {unit!r}.')
    rng = np.random.default_rng(5)
    W_h = rng.standard_normal((units, units))
    W_h *= radius / spectral_radius(W_h)
    W_x = rng.uniform(-1, 1, units) * np.sqrt(6 / (units + 1))
    slopes = np.ones((steps, units))
    if unit == "tanh":
        h = np.zeros(units)
        for t, sign in enumerate(rng.choice([-1, 1], 1000)[:steps]):
            h = np.tanh(input_size * sign * W_x + h @ W_h)
            slopes[t] = 1 - h**2
    return jacobian_norms(W_h, slopes)[::-1]


def _in_words(norms):
    """What became of a gradient of 1, in a few words."""
    if norms[-1] >= 1:
        return f"{norms[-1]:.2g} times as strong after {len(norms) - 1} steps".replace("e+0", "e").replace("e+", "e")
    below = np.flatnonzero(norms < 1e-3)
    if len(below) and (norms[below[0] :] < 1e-3).all():
        return f"less than a thousandth after {below[0]} steps"
    return f"{norms[-1]:.2g} is left after {len(norms) - 1} steps"


def _draw_lags(ax, unit, radius, input_size, steps, label):
    norms = gradient_by_lag(unit, radius, input_size, steps)
    ax.semilogy(norms, label=label, **STYLES[unit])
    return norms


def _frame(ax, steps):
    ax.axhline(1e-3, color=plotting.MUTED, linewidth=1, zorder=1)
    ax.set(xlabel="steps back $k$", xlim=(0, steps), ylim=(_LOWEST / 3, 3 * _HIGHEST))
    ax.set_yticks([1e-9, 1e-6, 1e-3, 1, 1e3, 1e6])
    ax.minorticks_off()


def _draw_panel(radius, unit, input_size, steps):
    fig, ax = plt.subplots(figsize=(7, 3.8))
    lags = np.arange(steps + 1)
    norms = _draw_lags(ax, unit, radius, input_size, steps, f"measured, {unit}")
    ax.semilogy(lags, radius**lags, ":", color=plotting.MUTED, label=r"$\rho^{\,k}$")
    _frame(ax, steps)
    ax.set_ylabel(r"$\Vert\partial h_T/\partial h_{T-k}\Vert$")
    ax.legend(loc="lower left")
    inputs = "" if unit == "linear" else f", inputs ±{input_size:g}"
    ax.set_title(f"{unit}, ρ = {radius:g}{inputs}: {_in_words(norms)}")
    return fig, (
        f"How much blame a {unit} network of {_UNITS} units with spectral radius {radius:g}{inputs} passes "
        f"over up to {steps} steps, on a logarithmic axis, beside the power of the radius, which ends at "
        f"{radius**steps:.1e}: {_in_words(norms)}."
    )


def _draw_static():
    fig, axes = plt.subplots(1, 2, figsize=(7, 3.4), sharey=True)
    said = []
    for ax, unit in zip(axes, STYLES, strict=True):
        for radius in (0.8, 1.0, 1.2):
            norms = _draw_lags(ax, unit, radius, 1.0, 100, None)
            at = min(72, int(np.flatnonzero((norms > 30 * _LOWEST) & (norms < _HIGHEST / 30))[-1]))
            rising = norms[at] > 30
            ax.annotate(
                f"ρ = {radius:g}",
                (at, norms[at]),
                (-8 if rising else 6, 7),
                textcoords="offset points",
                ha="right" if rising else "left",
                fontsize=10.5,
            )
            said.append(f"{unit}, radius {radius:g}: {_in_words(norms)}")
        _frame(ax, 100)
        ax.set_title("no activation function" if unit == "linear" else "tanh, inputs ±1")
    axes[0].set_ylabel(r"$\Vert\partial h_T/\partial h_{T-k}\Vert$")
    return fig, (
        "Two panels, blame against steps back on a logarithmic axis, for spectral radii .8, 1 and 1.2. "
        "Without an activation function the curves become straight lines that fall, stay and rise; with tanh "
        "all three end below where they began. " + "; ".join(said) + "."
    )


def long_memory_panel():
    """Turn the spectral radius, the unit, the inputs and the number of steps; see what is left of the gradient.

    Without a live kernel: linear and tanh side by side, each with a radius below, at and above 1.
    """
    panel(
        _draw_panel,
        {
            "radius": Slider("spectral radius ρ", 0.5, 2.0, 0.05, 1.0),
            "unit": Choice("unit", ("tanh", "linear"), "tanh"),
            "input_size": Slider("size of the inputs", 0.0, 2.0, 0.05, 1.0),
            "steps": Slider("steps back", 10, 200, 10, 100),
        },
        _draw_static,
    )
