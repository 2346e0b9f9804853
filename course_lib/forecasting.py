"""Forecasts of a table: parts cut by time, naive forecasts, and how wide an interval must be.

The networks are in :mod:`course_lib.keras_forecasting`. Project p1 writes all of these line by line.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Data = dict[str, Any]
"""What `prepare` returns."""


def add_season(dates: np.ndarray, values: np.ndarray, days: float) -> np.ndarray:
    """Add two columns that say where in the season a row is: sine and cosine of an angle that goes round once.

    Parameters
    ----------
    dates : (rows,) array of datetime64
        The angle follows from the date alone, so it is the same in a later table.
    values : (rows, columns) array
        The measurements.
    days : float
        Length of the season in days, such as 7 or 365.25.

    Returns
    -------
    (rows, columns + 2) array
        The measurements, sine, cosine.
    """
    angle = 2 * np.pi * dates.astype("datetime64[s]").astype(float) / (86400 * days)
    return np.column_stack([values, np.sin(angle), np.cos(angle)])


def cut(values: np.ndarray, target: int, window: int, horizon: int, start: int, end: int) -> tuple:
    """Cut one part of a table into examples whose values to forecast lie in rows ``start`` to ``end - 1``.

    The past that belongs to them may begin before ``start``: on that day it is known.

    Parameters
    ----------
    values : (rows, columns) array
        The whole table.
    target : int
        The column to forecast.
    window, horizon : int
        Rows that a forecast may look at, and rows to forecast.
    start, end : int
        The part.

    Returns
    -------
    past : (examples, window, columns) array of float32
        The rows before each forecast.
    future : (examples, horizon) array of float32
        The values to forecast.
    first : (examples,) array of int
        The first row to forecast.

    Raises
    ------
    ValueError
        If the part is too short for one example.
    """
    first = np.arange(max(start, window), end - horizon + 1)
    if not len(first):
        raise ValueError(f"Rows {start} to {end} are too few for {window} past rows and {horizon} to forecast.")
    past = values[first[:, None] + np.arange(-window, 0)]
    future = values[first[:, None] + np.arange(horizon), target]
    return past.astype("float32"), future.astype("float32"), first


def prepare(
    values: np.ndarray, target: int, window: int, horizon: int, shares: tuple[float, float] = (0.5, 0.25)
) -> Data:
    """Split a table by time, scale it by its training rows, and cut each part into examples.

    Parameters
    ----------
    values : (rows, columns) array
        Without NaN, in the order of time.
    target : int
        The column to forecast.
    window, horizon : int
        Rows that a forecast may look at, and rows to forecast.
    shares : pair of float
        Of the rows for training and for validation; the rest is the test.

    Returns
    -------
    dict
        "train", "validation" and "test": what `cut` returns, scaled. "mean", "spread": of each column, in the
        training rows. "target": the column. "horizon": the steps.
    """
    a, b = int(shares[0] * len(values)), int(sum(shares) * len(values))
    mean, spread = values[:a].mean(axis=0), values[:a].std(axis=0)
    spread = np.where(spread > 0, spread, 1)
    scaled = (values - mean) / spread
    data = {"mean": mean, "spread": spread, "target": target, "horizon": horizon}
    for part, start, end in (("train", 0, a), ("validation", a, b), ("test", b, len(values))):
        data[part] = cut(scaled, target, window, horizon, start, end)
    return data


def in_units(scaled: np.ndarray, data: Data) -> np.ndarray:
    """Take the scaling of the target back.

    Parameters
    ----------
    scaled : array
        Forecasts or values of the target, scaled.
    data : dict
        From `prepare`.

    Returns
    -------
    array
        In the unit of the table.
    """
    return scaled * data["spread"][data["target"]] + data["mean"][data["target"]]


def last_value(series: np.ndarray, first: np.ndarray, horizon: int) -> np.ndarray:
    """Forecast that it stays as it is.

    Parameters
    ----------
    series : (rows,) array
        The target.
    first : (examples,) array of int
        The first row to forecast.
    horizon : int
        Rows to forecast.

    Returns
    -------
    (examples, horizon) array
        The last known value, repeated.
    """
    return np.repeat(series[first - 1][:, None], horizon, axis=1)


def last_season(series: np.ndarray, first: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """Forecast what was measured one season earlier: the seasonal naive forecast.

    Parameters
    ----------
    series : (rows,) array
        The target.
    first : (examples,) array of int
        The first row to forecast.
    horizon, season : int
        Rows to forecast, and rows after which things repeat.

    Returns
    -------
    (examples, horizon) array
        Only values from before ``first``, so two seasons back where the horizon is longer than a season.

    Raises
    ------
    ValueError
        If the table does not go back that far.
    """
    ahead = np.arange(horizon)
    rows = first[:, None] + ahead - season * (ahead // season + 1)
    if rows.min() < 0:
        raise ValueError(f"There are fewer than {season} rows before the first forecast: take a shorter season.")
    return series[rows]


def half_widths(forecast: np.ndarray, actual: np.ndarray, coverage: float = 0.9) -> np.ndarray:
    """Say how far to either side of a forecast an interval must reach: split conformal, for each step ahead.

    Parameters
    ----------
    forecast, actual : (examples, horizon) array
        Of a part on which the model was not trained.
    coverage : float
        The share of values that should lie inside.

    Returns
    -------
    (horizon,) array
        The ceil((n + 1) coverage)-th smallest of the n absolute errors, or the largest where n is too small.

    References
    ----------
    Lei, G'Sell, Rinaldo, Tibshirani and Wasserman 2018, Distribution-free predictive inference for regression, section
    2.2.
    """
    errors = np.sort(np.abs(forecast - actual), axis=0)
    place = int(np.ceil((len(errors) + 1) * coverage))
    return errors[min(place, len(errors)) - 1]
