"""Lesson 01: drive a leaky integrate-and-fire neuron, and find the point on its rate curve."""

from __future__ import annotations

from functools import lru_cache

import matplotlib.pyplot as plt
import numpy as np

from course_lib import plotting
from course_lib.neurons import leaky_integrate_and_fire, lif_rate
from course_lib.teaching.panel import Slider, panel

_THRESHOLD = 15.0
_DT, _SHOWN, _LASTS = 0.1, 200.0, 2000.0  # step, what the trace shows, what is counted; in ms
_MOST_DRIVE = 40.0
_DRIVES = np.arange(0, _MOST_DRIVE + 1, 1.0)


@lru_cache(maxsize=64)
def _rate_curve(noise):
    """Measured rates (Hz) at the drives of the curve, all under the same noise."""
    drive = np.tile(_DRIVES, (round(_LASTS / _DT), 1))
    _, spikes = leaky_integrate_and_fire(drive, threshold=_THRESHOLD, noise=noise, rng=np.random.default_rng(1))
    return spikes.sum(axis=0) * 1000 / _LASTS


@lru_cache(maxsize=32)
def _life(drive, noise):
    """Potential and spikes of one neuron, and its rate in Hz."""
    constant = np.full((round(_LASTS / _DT), 1), drive)
    potential, spikes = leaky_integrate_and_fire(
        constant, threshold=_THRESHOLD, noise=noise, rng=np.random.default_rng(2)
    )
    return potential[:, 0], spikes[:, 0], float(spikes.sum() * 1000 / _LASTS)


def _draw_trace(ax, drive, noise, last=True):
    """The potential over the first milliseconds, its spikes as strokes, and threshold and drive as lines."""
    potential, spikes, rate = _life(drive, noise)
    shown = round(_SHOWN / _DT)
    time = _DT * np.arange(1, shown + 1)
    ax.plot(time, potential[:shown], color=plotting.COLORS["hidden"], linewidth=1.5)
    ax.vlines(time[spikes[:shown]], _THRESHOLD, 33, color=plotting.COLORS["output"], linewidth=2)
    ax.axhline(_THRESHOLD, color=plotting.FOREGROUND, linestyle="--", linewidth=1.2)
    ax.set(xlim=(0, _SHOWN), ylim=(min(-2.0, 1.05 * potential[:shown].min()), 36), yticks=(0, 15), ylabel="$u$, mV")
    ax.set_title(f"drive {drive:g} mV, noise {noise:g} mV")
    ax.set_title(f"{rate:.0f} spikes a second, over 2 s", loc="right", color=plotting.COLORS["output"])
    ax.grid(axis="y", visible=False)
    if last:
        ax.set_xlabel("time, ms")
    else:
        ax.tick_params(labelbottom=False)
    return rate


def _draw_curves(ax, noise):
    """The exact curve without noise, and the measured one under this noise."""
    fine = np.linspace(0, _MOST_DRIVE, 801)
    ax.plot(
        fine,
        lif_rate(fine, threshold=_THRESHOLD),
        color=plotting.FOREGROUND,
        linestyle=":",
        linewidth=1.8,
        label="no noise, exact",
    )
    ax.plot(
        _DRIVES,
        _rate_curve(noise),
        color=plotting.COLORS["output"],
        linewidth=1.8,
        label=f"noise {noise:g} mV, measured",
    )
    ax.set(xlabel="drive $x$, mV", ylabel="spikes a second", xlim=(0, _MOST_DRIVE), ylim=(0, 165))
    ax.legend(loc="upper left")


def _draw_neuron(drive, noise):
    fig, (trace, curve) = plt.subplots(2, 1, figsize=(7, 4.8), height_ratios=(1, 1.5))
    rate = _draw_trace(trace, drive, noise)
    _draw_curves(curve, noise)
    curve.plot(
        drive,
        rate,
        "D",
        markersize=11,
        markerfacecolor=plotting.BACKGROUND,
        markeredgewidth=2.4,
        clip_on=False,
        color=plotting.COLORS["output"],
        zorder=5,
    )
    return fig, (
        f"A leaky integrate-and-fire neuron, threshold {_THRESHOLD:g} mV, under a drive of {drive:g} mV and "
        f"noise of {noise:g} mV fires {rate:.0f} times a second. Below, its rate against the drive, with a "
        f"diamond at this drive; a dotted line is the exact curve without noise, which is 0 up to "
        f"{_THRESHOLD:g} mV."
    )


def _draw_neuron_static():
    settings = [(14.0, 0.0), (20.0, 0.0), (14.0, 3.0)]
    fig, axes = plt.subplots(4, 1, figsize=(7, 7.4), height_ratios=(1, 1, 1, 2.3))
    rates = [_draw_trace(ax, *setting, last=ax is axes[2]) for ax, setting in zip(axes, settings, strict=False)]
    _draw_curves(axes[3], 3.0)
    for (drive, _), rate in zip(settings, rates, strict=True):
        axes[3].plot(
            drive,
            rate,
            "D",
            markersize=9,
            markerfacecolor=plotting.BACKGROUND,
            markeredgewidth=2.2,
            color=plotting.COLORS["output"],
            zorder=5,
            clip_on=False,
        )
    said = "; ".join(
        f"drive {drive:g} mV, noise {noise:g} mV, {rate:.0f} spikes a second"
        for (drive, noise), rate in zip(settings, rates, strict=True)
    )
    return fig, (
        f"Three traces of a leaky integrate-and-fire neuron, threshold {_THRESHOLD:g} mV: {said}. Below, the "
        f"rate against the drive. Without noise it is 0 up to {_THRESHOLD:g} mV and then rises steeply; with "
        f"noise the corner is rounded, and the neuron fires below the threshold too."
    )


def neuron_panel():
    """Turn the drive and the noise, and watch the spikes and the point on the rate curve.

    The neuron is that of :func:`course_lib.neurons.leaky_integrate_and_fire` with its usual time constant and pause.
    Without a live kernel: three settings in one picture (below the threshold, above it, and below it with noise).
    """
    panel(
        _draw_neuron,
        {"drive": Slider("drive, mV", 0.0, _MOST_DRIVE, 0.5, 14.0), "noise": Slider("noise, mV", 0.0, 6.0, 0.5, 0.0)},
        _draw_neuron_static,
    )
