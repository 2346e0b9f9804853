"""Series of real numbers: the forecast that every other one is compared with."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from course_lib.tasks.checks import _at_least


def persistence_mse(series: ArrayLike, ahead: int = 1) -> float:
    """Mean squared error of the forecast "it stays as it is".

    Parameters
    ----------
    series : (time,) array
        The values in order.
    ahead : int
        Steps to forecast.

    Returns
    -------
    float
        In the squared unit of the series.

    Raises
    ------
    ValueError
        If the series is too short.

    Examples
    --------
    >>> persistence_mse([1.0, 2.0, 4.0])
    2.5
    """
    _at_least(1, ahead=ahead)
    series = np.asarray(series, np.float64)
    if len(series) <= ahead:
        raise ValueError(f"A forecast {ahead} steps ahead needs more than {ahead} values, but got {len(series)}.")
    return float(np.mean((series[ahead:] - series[:-ahead]) ** 2))
