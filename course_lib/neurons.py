"""Neurons, from a membrane with its channels to a unit that adds and compares.

Each function keeps less of the nerve cell than the one before it. Potentials are in millivolts above rest, so that rest
is 0 (Hodgkin and Huxley counted the same way, with the opposite sign); times are in milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


# ---------------------------------------------------------------------------------------------------------------------
# The membrane of the squid's giant axon
# ---------------------------------------------------------------------------------------------------------------------
class Axon(NamedTuple):
    """What :func:`hodgkin_huxley` returns.

    Attributes
    ----------
    time, potential : (steps,) array
        In ms and in mV above rest. The first entry is the kick itself.
    sodium, potassium : (steps,) array
        The conductances 120 m³h and 36 n⁴, in mS/cm².
    """

    time: np.ndarray
    potential: np.ndarray
    sodium: np.ndarray
    potassium: np.ndarray


def _over_growth(x):
    """x / (eˣ - 1), which is 1 at x = 0."""
    return x / np.expm1(x) if abs(x) > 1e-9 else 1.0


def _gate_rates(u):
    """Opening and closing rates, per ms, of the gates m, h and n at potential u."""
    opening = _over_growth((25 - u) / 10), 0.07 * np.exp(-u / 20), 0.1 * _over_growth((10 - u) / 10)
    closing = 4 * np.exp(-u / 18), 1 / (np.exp((30 - u) / 10) + 1), 0.125 * np.exp(-u / 80)
    return np.array(opening), np.array(closing)


def hodgkin_huxley(kick: float, duration: float = 20.0, dt: float = 0.01) -> Axon:
    """Kick the membrane of the squid's giant axon away from rest, and watch.

    The space-clamped axon at 6.3 °C, C du/dt = -(I_Na + I_K + I_leak), with the three currents of 1952::

        I_Na = 120 m³h (u - 115),   I_K = 36 n⁴ (u + 12),   I_leak = 0.3 (u - 10.613)   in µA/cm², C = 1 µF/cm²,

    integrated by Euler's method.

    Parameters
    ----------
    kick : float
        The potential at time 0, in mV above rest; the gates are as they are at rest.
    duration, dt : float
        In ms.

    Returns
    -------
    Axon
        Potential and conductances over time.

    Raises
    ------
    ValueError
        If the kick is not a finite number, or the step is too long for Euler's method (above 0.05 ms).

    References
    ----------
    Hodgkin and Huxley 1952, A quantitative description of membrane current and its application to conduction and
    excitation in nerve.
    """
    if not np.isfinite(kick):
        raise ValueError(f"Expected a kick in millivolts above rest, a finite number, but got {kick}.")
    if not 0 < dt <= 0.05:
        raise ValueError(f"Euler's method needs steps above 0 and up to 0.05 ms here, but got dt = {dt}. Try 0.01.")
    opening, closing = _gate_rates(0.0)
    gates, u = opening / (opening + closing), float(kick)
    steps = round(duration / dt) + 1
    trace = np.empty((steps, 3))
    for step in range(steps):
        m, h, n = gates
        sodium, potassium = 120 * m**3 * h, 36 * n**4
        trace[step] = u, sodium, potassium
        opening, closing = _gate_rates(u)
        u = u - dt * (sodium * (u - 115) + potassium * (u + 12) + 0.3 * (u - 10.613))
        gates = gates + dt * (opening * (1 - gates) - closing * gates)
    return Axon(dt * np.arange(steps), *trace.T)


# ---------------------------------------------------------------------------------------------------------------------
# What is left of it: a leak and a threshold
# ---------------------------------------------------------------------------------------------------------------------
def leaky_integrate_and_fire(
    drive: np.ndarray,
    *,
    tau: float = 10.0,
    threshold: float = 15.0,
    refractory: float = 2.0,
    dt: float = 0.1,
    noise: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """A membrane that leaks, τ du/dt = -u + drive, and is set back to rest whenever it reaches a threshold.

    Parameters
    ----------
    drive : (steps, neurons)
        Input current times membrane resistance, in mV: where the potential would end up if nothing fired.
    tau : float
        Time constant of the membrane, in ms.
    threshold : float
        In mV above rest.
    refractory : float
        How long the membrane stays at rest after a spike, in ms.
    dt : float
        Step of Euler's method, in ms.
    noise : float
        Spread (standard deviation) that the potential of an undisturbed membrane would have, in mV.
    rng : numpy.random.Generator
        Needed with noise.

    Returns
    -------
    potential : (steps, neurons)
        After each step.
    spikes : (steps, neurons) of bool
        True where the threshold was reached in that step.

    Raises
    ------
    ValueError
        If the drive has not two axes, or there is noise and no generator.

    References
    ----------
    Brunel and van Rossum 2007, Lapicque's 1907 paper: from frogs to integrate-and-fire.
    """
    drive = np.asarray(drive, float)
    if drive.ndim != 2:
        raise ValueError(
            f"Expected a drive with a row for each step and a column for each neuron, (steps, neurons), but got shape "
            f"{drive.shape}. For one neuron: drive[:, None]."
        )
    if noise and rng is None:
        raise ValueError("Noise needs a source of randomness: pass rng=np.random.default_rng(seed).")
    potential, spikes = np.empty(drive.shape), np.empty(drive.shape, bool)
    u, resting = np.zeros(drive.shape[1]), np.zeros(drive.shape[1], int)
    kick, pause = noise * np.sqrt(2 * dt / tau), round(refractory / dt)
    for step, x in enumerate(drive):
        u = u + dt / tau * (x - u)
        if noise:
            u = u + kick * rng.standard_normal(len(u))
        u[resting > 0] = 0
        fires = u >= threshold
        potential[step], spikes[step] = u, fires
        u[fires] = 0
        resting = np.where(fires, pause, np.maximum(resting - 1, 0))
    return potential, spikes


def firing_rate(spikes: np.ndarray, dt: float = 0.1) -> np.ndarray:
    """Spikes per second, measured from the first spike to the last; 0 with fewer than two.

    Parameters
    ----------
    spikes : (steps, neurons) of bool
        True where a neuron fired, as :func:`leaky_integrate_and_fire` returns them.
    dt : float
        Length of a step, in ms.

    Returns
    -------
    (neurons,) array
        In Hz.
    """
    rates = np.zeros(spikes.shape[1])
    for neuron, fired in enumerate(spikes.T):
        steps = np.flatnonzero(fired)
        if len(steps) > 1:
            rates[neuron] = 1000 * (len(steps) - 1) / (dt * (steps[-1] - steps[0]))
    return rates


def lif_rate(
    drive: float | np.ndarray, *, tau: float = 10.0, threshold: float = 15.0, refractory: float = 2.0
) -> np.ndarray:
    """The firing rate of the leaky integrate-and-fire neuron under constant drive, exactly.

    From rest the potential is drive · (1 - exp(-t/τ)); it is at the threshold after τ ln(drive / (drive - threshold)),
    and after each spike the pause is added.

    Parameters
    ----------
    drive : float or array
        In mV, as in :func:`leaky_integrate_and_fire`.
    tau, threshold, refractory : float
        In ms, mV and ms.

    Returns
    -------
    array of the same shape
        In Hz; 0 where the drive does not exceed the threshold.
    """
    drive = np.asarray(drive, float)
    rates = np.zeros(drive.shape)
    fires = drive > threshold
    rates[fires] = 1000 / (refractory + tau * np.log(drive[fires] / (drive[fires] - threshold)))
    return rates


# ---------------------------------------------------------------------------------------------------------------------
# What is left of that: a sum and a threshold
# ---------------------------------------------------------------------------------------------------------------------
def threshold_unit(x: np.ndarray, w: np.ndarray, b: float | np.ndarray) -> np.ndarray:
    """1 where x w + b is above zero, else 0.

    Parameters
    ----------
    x : (examples, inputs) array
        The inputs.
    w : (inputs,) or (inputs, units) array
        The weights of one unit, or of several.
    b : float or (units,) array
        The bias, minus the threshold.

    Returns
    -------
    (examples,) or (examples, units) array of int64
        The answers, 0 or 1.

    References
    ----------
    McCulloch and Pitts 1943, A logical calculus of the ideas immanent in nervous activity.
    """
    return (np.asarray(x) @ np.asarray(w) + b > 0).astype(int)


class Perceptron:
    """A threshold unit that learns from its mistakes: after each, w ← w + y x.

    There is no bias: its boundary goes through the origin. For a bias, give every point a last coordinate that is 1.

    Parameters
    ----------
    features : int
        Numbers in a point.

    Attributes
    ----------
    w : (features,)
        Zero at the start.
    mistakes : int
        How often it was wrong, and hence corrected, so far.

    References
    ----------
    Rosenblatt 1958, The perceptron: a probabilistic model for information storage and organization in the brain. In
    this form: Novikoff 1962, On convergence proofs on perceptrons.
    """

    def __init__(self, features: int):
        self.w = np.zeros(features)
        self.mistakes = 0

    def answer(self, points: np.ndarray) -> np.ndarray:
        """Say on which side of the boundary each point is.

        Parameters
        ----------
        points : (examples, features) array
            The points.

        Returns
        -------
        (examples,) array
            +1 or -1 for each; on the boundary, -1.
        """
        return np.where(points @ self.w > 0, 1, -1)

    def learn(self, points: np.ndarray, labels: np.ndarray, most_passes: int = 1000) -> bool:
        """Go through the points, again and again, until a pass brings no mistake.

        Parameters
        ----------
        points : (examples, features) array
            The points.
        labels : (examples,) array
            +1 or -1.
        most_passes : int
            When to give up.

        Returns
        -------
        bool
            Whether a pass without a mistake was reached.

        Raises
        ------
        ValueError
            If a label is neither +1 nor -1.
        """
        labels = np.asarray(labels)
        if not np.isin(labels, (-1, 1)).all():
            raise ValueError(
                f"A perceptron's labels are +1 and -1, but got {np.unique(labels).tolist()}. From 0 and 1: "
                "2 * labels - 1."
            )
        for _ in range(most_passes):
            before = self.mistakes
            for x, y in zip(points, labels, strict=True):
                if y * (x @ self.w) <= 0:
                    self.w += y * x
                    self.mistakes += 1
            if self.mistakes == before:
                return True
        return False


def two_clouds(
    points: int, dimensions: int, margin: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points on the unit sphere that a plane through the origin separates, and no point nearer to it than ``margin``.

    Parameters
    ----------
    points, dimensions : int
        At least 1 and 2.
    margin : float
        γ, above 0 and at most 1/2: distances from the plane are drawn from [γ, 2γ].
    rng : numpy.random.Generator
        Source of the plane and the points.

    Returns
    -------
    x : (points, dimensions) array
        The points.
    y : (points,) array of int64
        +1 or -1: the side.
    normal : (dimensions,)
        Unit normal of the plane, which is tilted at random.

    Raises
    ------
    ValueError
        If there is no room for such points.
    """
    if dimensions < 2 or not 0 < margin <= 0.5:
        raise ValueError(
            f"The points need at least 2 dimensions and a margin above 0 and up to 0.5, but got {dimensions} "
            f"and {margin}."
        )
    normal = rng.standard_normal(dimensions)
    normal /= np.linalg.norm(normal)
    y = rng.choice([-1, 1], points)
    distance = y * rng.uniform(margin, 2 * margin, points)
    along = rng.standard_normal((points, dimensions))
    along -= np.outer(along @ normal, normal)
    along *= (np.sqrt(1 - distance**2) / np.linalg.norm(along, axis=1))[:, None]
    return along + np.outer(distance, normal), y, normal


# ---------------------------------------------------------------------------------------------------------------------
# What was left out: units that remember
# ---------------------------------------------------------------------------------------------------------------------
def run_unit(step: Callable, inputs: np.ndarray, start: float | np.ndarray = 0.0) -> np.ndarray:
    """Let one unit live through time: h_t = step(h_{t-1}, x_t).

    Parameters
    ----------
    step : callable
        Takes the state before and the input, returns the state after.
    inputs : (time, ...) array
        x_1, x_2, …
    start : float or array
        h_0.

    Returns
    -------
    (time, ...) array
        h_1, h_2, …
    """
    states, h = [], start
    for x in inputs:
        h = step(h, x)
        states.append(h)
    return np.array(states)
