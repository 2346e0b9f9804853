"""Project p1: the parts of a table, claims of two splits, errors by steps ahead, forecasts with their intervals."""

from __future__ import annotations

import numpy as np

from course_lib import plotting


def draw_parts(ax, table, column, shares):
    """Draw one column up to the test part, which stays empty."""
    a, b = int(shares[0] * len(table.dates)), int(sum(shares) * len(table.dates))
    dates, values = table.dates, table.values[:, column]
    ax.plot(dates[:a], values[:a], "-", color=plotting.COLORS["full"], linewidth=0.9, label="training")
    ax.plot(dates[a:b], values[a:b], "-", color=plotting.COLORS["truncated"], linewidth=0.9, label="validation")
    ax.axvspan(dates[b], dates[-1], color=plotting.tint(plotting.COLORS["baseline"], 0.25), label="test, covered")
    ax.set(ylabel=table.names[column], xlim=(dates[0], dates[-1]))


CLAIMS = {
    "last": "last value",
    "linear": "linear",
    "neighbours": "3 nearest\nneighbours",
    "row_number": "row number\nalone",
}


LABELS = {"shuffled": "shuffled", "time": "split by time"}


def draw_claims(ax, record):
    """Draw a row for each forecast: what a shuffled split claims, what a split by time finds; recorded seeds."""
    for row, name in enumerate(CLAIMS):
        for split, shift, marker, color in (("shuffled", -0.14, "o", "truncated"), ("time", 0.14, "s", "full")):
            errors = record.column(f"{name}_{split}")
            ax.plot(
                errors,
                np.full(len(errors), row + shift),
                marker,
                linestyle="none",
                color=plotting.COLORS[color],
                alpha=0.7,
                label=f"{LABELS[split]}, recorded" if row == 0 else None,
            )
    ax.set_yticks(range(len(CLAIMS)), CLAIMS.values())
    ax.set(xlabel="mean absolute error, °C, on the weather of Seattle", xlim=(0, 10.5), ylim=(len(CLAIMS) - 0.5, -0.5))
    ax.legend(loc="upper right")


def draw_horizon(ax, actual, forecasts):
    """Draw the mean absolute error against the steps ahead; forecasts: label -> (name of a style, forecast)."""
    steps, seen = np.arange(1, actual.shape[1] + 1), set()
    for label, (name, forecast) in forecasts.items():
        style = plotting.line_style(name) | {"markevery": 1}
        if label == "last season":  # the other naive forecast has this colour, too
            style |= {"linestyle": "--", "marker": "v"}
        ax.plot(
            steps,
            np.abs(forecast - actual).mean(axis=0),
            **style,
            label=None if label.partition(",")[0] in seen else label.partition(",")[0],
        )
        seen.add(label.partition(",")[0])
    ax.set(xlabel="steps ahead", ylabel="mean absolute error", ylim=(0, None))
    ax.legend(loc="lower right", ncols=2)


def draw_weeks(ax, dates, series, first, forecast, widths, weeks):
    """Draw what came, and forecasts with their intervals, one after the other; widths: to either side, by step."""
    horizon = forecast.shape[1]
    examples = range(0, min(weeks * horizon, len(first)), horizon)
    rows = slice(first[0] - horizon, first[examples[-1]] + horizon)
    ax.plot(dates[rows], series[rows], "-", color=plotting.COLORS["target"], linewidth=1.4, label="what came")
    color = plotting.COLORS["prediction"]
    for i in examples:
        ahead = dates[first[i] : first[i] + horizon]
        low, high = forecast[i] - widths, forecast[i] + widths
        label = "made for 90 %" if i == 0 else None
        ax.fill_between(ahead, low, high, color=plotting.tint(color, 0.25), linewidth=0, label=label)
        ax.plot(ahead, forecast[i], "--", color=color, label="forecast" if i == 0 else None)
    ax.set(ylabel="target")
    ax.tick_params(axis="x", rotation=20)
