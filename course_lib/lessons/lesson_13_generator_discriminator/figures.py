"""Lesson 13: the probabilities of all sequences, and the plane of quality and diversity."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from course_lib import plotting
from course_lib.adversarial import log_likelihood
from course_lib.lessons.lesson_13_generator_discriminator.experiments import EVERY, TEMPERATURES

CRITICS = {  # column of the record: label, colour, marker
    "reinforce": ("REINFORCE, rate .0003", "gradient", "o"),
    "reinforce_faster": ("REINFORCE, rate .001", "gradient", "^"),
    "gumbel": ("Gumbel, rate .0003", "input", "s"),
    "gumbel_faster": ("Gumbel, rate .001", "input", "D"),
    "seqgan": ("SeqGAN, rate .001", "output", "P"),
}
LARGE = {
    "reinforce_large": ("REINFORCE, rate .01", "gradient", "x"),
    "gumbel_large": ("Gumbel, rate .01", "input", "+"),
}


def draw_worlds(axes, models):
    """Draw a row of bars for each model: the probabilities of all sequences, in the order of the first one's.

    Parameters
    ----------
    axes : sequence of Axes
        One a model, under each other.
    models : dict of str to Model
        Title -> oracle or generator.
    """
    order = np.argsort(-log_likelihood(next(iter(models.values())), EVERY))
    for place, (ax, (title, model)) in enumerate(zip(axes, models.items(), strict=True)):
        p = np.exp(log_likelihood(model, EVERY))[order]
        ax.bar(np.arange(len(p)), p, 0.8, color=plotting.FOREGROUND if place == 0 else plotting.COLORS["input"])
        ax.set_title(f"{title}: largest {p.max():.2f}", fontsize=11)
        ax.set(ylim=(0, 1.1 * p.max()), xlim=(-1, len(p)))
        ax.grid(axis="x", visible=False)
        ax.tick_params(axis="x", labelbottom=place == len(models) - 1)
    axes[len(models) // 2].set_ylabel("probability")
    axes[-1].set_xlabel(f"all {len(EVERY)} sequences, likeliest first")


def temperature_curves(record):
    """The temperature curve of each seed, (seeds, temperatures, 2): oracle NLL and test NLL."""
    return np.array([np.reshape(row["curve"], (-1, 2)) for row in record.rows])


def draw_plane(record, live):
    """Draw oracle NLL against test NLL: on the left all runs, on the right what lies near the curves.

    Both are relative to maximum likelihood at temperature 1 of the same seed, so that seeds can share a plane.

    Parameters
    ----------
    record : Recorded
        Of "critic-plane".
    live : (2,) array
        Change of oracle and test NLL in the live run.

    Returns
    -------
    Figure
        Two axes.
    """
    fig, axes = plt.subplots(1, 2, figsize=(7.6, 4.6))
    curves = temperature_curves(record)
    start = curves[:, TEMPERATURES.index(1.0)]
    for ax, critics in zip(axes, (CRITICS | LARGE, CRITICS), strict=True):
        for number, curve in enumerate(curves - start[:, None]):
            label = "maximum likelihood, temperature .5 to 1.2" if number == 0 else None
            ax.plot(*curve.T, "-", color=plotting.COLORS["baseline"], linewidth=1.2, zorder=1, label=label)
        for name, (label, color, marker) in critics.items():
            x, y = (record.column(f"{name}_{axis}") for axis in ("oracle", "test"))
            ax.plot(x - start[:, 0], y - start[:, 1], marker, color=plotting.COLORS[color], label=label, zorder=3)
        ax.plot(*live, "s", color=plotting.COLORS["input"], markersize=11, fillstyle="none", label="live", zorder=4)
        ax.plot(0, 0, "*", color=plotting.FOREGROUND, markersize=13, label="temperature 1", zorder=2)
        ax.set_xlabel("oracle NLL, change\n(left: better quality)")
    axes[0].set(ylabel="test NLL, change\n(down: better diversity)", title="all runs")
    axes[1].set(title="near the curves", xlim=(-0.5, 0.35), ylim=(-0.03, 0.16))
    axes[1].text(-0.48, -0.02, "below its curve: ahead", fontsize=9)
    axes[1].text(-0.1, 0.09, "above it: behind", fontsize=9)
    for temperature in (0.8, 0.9):  # on the curve of the first world
        x, y = curves[0, TEMPERATURES.index(temperature)] - start[0]
        axes[1].plot(x, y, ".", color=plotting.FOREGROUND)
        axes[1].annotate(f"{temperature:g}", (x, y), (-6, -14), textcoords="offset points", fontsize=9)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9)
    return fig
