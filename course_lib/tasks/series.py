"""Series of real numbers: the Mackey-Glass equation."""

from __future__ import annotations

import numpy as np

from course_lib.tasks.checks import _at_least

# ---------------------------------------------------------------------------------------------------------------------
# Real numbers: the Mackey-Glass series
# ---------------------------------------------------------------------------------------------------------------------
MACKEY_GLASS_STEP = 0.1  # of the integration, in units of time


def mackey_glass(length, rng, tau=17.0, spacing=1.0):
    """A chaotic series: dx/dt = 0.2 x(t - τ) / (1 + x(t - τ)¹⁰) - 0.1 x(t).

    Integrated by the classical Runge-Kutta method in steps of 0.1, with the delayed value in the middle of a step taken
    as the mean of its ends. The past before the start is a constant drawn from [1.1, 1.3], and the first 1000 units of
    time are thrown away.

    The equation has no noise, so the floor is 0 for a predictor that knows the equation and the curve over the last τ;
    :func:`persistence_mse` of the series is the baseline.

    Parameters
    ----------
    length : int
        Number of samples.
    rng : numpy.random.Generator
        Draws the past; from there on nothing is random.
    tau : float
        The delay τ, a multiple of 0.1. 17 is the usual, chaotic, choice.
    spacing : float
        Time between samples, a multiple of 0.1.

    Returns
    -------
    (length,) float32

    References
    ----------
    Mackey and Glass 1977, Oscillation and chaos in physiological control systems, Science 197:287-289.
    """
    _at_least(1, length=length)
    h = MACKEY_GLASS_STEP
    lag, every = round(tau / h), round(spacing / h)
    if lag < 1 or every < 1 or abs(lag * h - tau) > 1e-9 or abs(every * h - spacing) > 1e-9:
        raise ValueError(
            f"tau and spacing are multiples of the integration step {h}, at least one step, but "
            f"{tau} and {spacing} came."
        )

    def slope_at(x_now, x_delayed):
        return 0.2 * x_delayed / (1 + x_delayed**10) - 0.1 * x_now

    x = [rng.uniform(1.1, 1.3)] * (lag + 1)
    warm_up = round(1000 / h)
    for n in range(warm_up + (length - 1) * every):
        now, before, after = x[-1], x[n], x[n + 1]  # the delayed values at the step's two ends
        middle = (before + after) / 2
        k1 = slope_at(now, before)
        k2 = slope_at(now + h * k1 / 2, middle)
        k3 = slope_at(now + h * k2 / 2, middle)
        k4 = slope_at(now + h * k3, after)
        x.append(now + h * (k1 + 2 * k2 + 2 * k3 + k4) / 6)
    return np.array(x[lag + warm_up :: every], np.float32)


def persistence_mse(series, ahead=1):
    """Mean squared error of the forecast "it stays as it is".

    Parameters
    ----------
    series : (time,) array
    ahead : int
        Steps to forecast.
    """
    _at_least(1, ahead=ahead)
    series = np.asarray(series, np.float64)
    if len(series) <= ahead:
        raise ValueError(f"A forecast {ahead} steps ahead needs more than {ahead} values, but {len(series)} came.")
    return float(np.mean((series[ahead:] - series[:-ahead]) ** 2))
