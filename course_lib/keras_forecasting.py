"""Models that forecast a table, in Keras: a linear one, a GRU, one function that trains and judges any of them.

`save_forecaster` keeps a model, or a naive forecast, with all that it needs; `forecast` uses it again.
Project p1 writes these line by line; `course_lib.forecasting` has what needs no Keras.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from course_lib.forecasting import Data, add_season, in_units, last_season, last_value
from course_lib.keras_models import keras
from course_lib.tables import Table


def linear(x: np.ndarray, y: np.ndarray, penalty: float) -> keras.Model:
    """Make a linear model with the weights of ridge regression.

    Parameters
    ----------
    x : (examples, window, columns) array
        Scaled past.
    y : (examples, horizon) array
        Scaled values to forecast.
    penalty : float
        On the squared weights; the bias has none.

    Returns
    -------
    keras.Model
        One weight for each number of the window and each step ahead.
    """
    flat = x.reshape(len(x), -1).astype(float)
    centre, level = flat.mean(axis=0), y.mean(axis=0)
    A = flat - centre
    kernel = np.linalg.solve(A.T @ A + penalty * np.eye(A.shape[1]), A.T @ (y - level))
    model = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Flatten(), keras.layers.Dense(y.shape[1])])
    model.set_weights([kernel, level - centre @ kernel])
    return model


def gru(x: np.ndarray, y: np.ndarray, units: int = 32, seed: int = 0) -> keras.Model:
    """Make a GRU that reads the window and answers with all steps ahead at once.

    Parameters
    ----------
    x : (examples, window, columns) array
        Scaled past, for its shape.
    y : (examples, horizon) array
        Values to forecast, for their shape.
    units : int
        Of the GRU.
    seed : int
        Of the weights and of the order of the batches.

    Returns
    -------
    keras.Model
        Not trained.
    """
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input(x.shape[1:]), keras.layers.GRU(units), keras.layers.Dense(y.shape[1])])


def predict(model: keras.Model, x: np.ndarray, data: Data) -> np.ndarray:
    """Forecast in the unit of the table.

    Parameters
    ----------
    model : keras.Model
        From (examples, window, columns) to (examples, horizon).
    x : (examples, window, columns) array
        Scaled past.
    data : dict
        From `course_lib.forecasting.prepare`.

    Returns
    -------
    (examples, horizon) array
        The forecasts.
    """
    return in_units(model.predict(x, batch_size=512, verbose=0), data)


def forecast_with(
    model: keras.Model | str, past: np.ndarray, first: np.ndarray, data: Data, series: np.ndarray, season: int
) -> np.ndarray:
    """Forecast in the unit of the table, with a naive forecast or with a model.

    Parameters
    ----------
    model : keras.Model, "last value" or "last season"
        The naive forecasts are named.
    past : (examples, window, columns) array
        Scaled, for a model.
    first : (examples,) array of int
        The first row to forecast, for a naive forecast.
    data : dict
        From `course_lib.forecasting.prepare`.
    series : (rows,) array
        The target in its unit, for a naive forecast.
    season : int
        Rows after which things repeat.

    Returns
    -------
    (examples, horizon) array
        The forecasts.

    Raises
    ------
    ValueError
        If there is less than a season before the first forecast.
    """
    if model == "last value":
        return last_value(series, first, data["horizon"])
    if model == "last season":
        return last_season(series, first, data["horizon"], season)
    return predict(model, past, data)


def evaluate(name: str, forecast: np.ndarray, data: Data, tried: list, sign: str = " ") -> None:
    """Print a forecast's errors on the validation part under the earlier ones, and remember them.

    Parameters
    ----------
    name : str
        What was tried.
    forecast : (examples, horizon) array
        For the validation part, in the unit of the table.
    data : dict
        From `course_lib.forecasting.prepare`.
    tried : list of dict
        The memory. The skill is against the better of its entries "last value" and "last season": try these first.
    sign : str
        Printed before each number.
    """
    error = np.abs(forecast - in_units(data["validation"][1], data)).mean(axis=0)
    tried.append({"tried": name, "first": error[0], "last": error[-1], "mean": error.mean()})
    naive = min(row["mean"] for row in tried if row["tried"] in ("last value", "last season"))
    skill = 1 - error.mean() / naive
    print(f"{name:26s}", *(f"{sign}{number:6.2f}" for number in (error[0], error[-1], error.mean(), skill)))


def fit_and_evaluate(
    name: str, model: keras.Model, data: Data, tried: list, rate: float = 0.003, epochs: int = 60, patience: int = 8
) -> keras.Model:
    """Train a model, keep its best epoch on the validation part, and print its errors there.

    Parameters
    ----------
    name : str
        What is tried.
    model : keras.Model
        From (examples, window, columns) to (examples, horizon).
    data : dict
        From `course_lib.forecasting.prepare`.
    tried : list of dict
        The memory of what was tried.
    rate : float
        Adam's learning rate.
    epochs, patience : int
        Most epochs, and how many without a new best end the training.

    Returns
    -------
    keras.Model
        The same, trained.
    """
    adam = keras.optimizers.Adam(rate, global_clipnorm=1.0)
    model.compile(optimizer=adam, loss="mae", steps_per_execution=8)
    stop = keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)
    model.fit(
        *data["train"][:2],
        validation_data=data["validation"][:2],
        validation_batch_size=512,
        epochs=epochs,
        batch_size=32,
        callbacks=[stop],
        verbose=0,
    )
    evaluate(name, predict(model, data["validation"][0], data), data, tried, sign="≈")
    return model


def save_forecaster(
    folder: str | os.PathLike,
    model: keras.Model | str,
    table: Table,
    data: Data,
    widths: np.ndarray,
    season: int,
    season_days: float,
    tried: list,
) -> None:
    """Save a model, or the name of a naive forecast, and all that `forecast` needs to use it.

    Parameters
    ----------
    folder : str or path
        Made if it is not there. An earlier forecaster in it is replaced.
    model : keras.Model, "last value" or "last season"
        What was chosen.
    table : Table
        For the names and the order of its columns.
    data : dict
        From `course_lib.forecasting.prepare`.
    widths : (horizon,) array
        Half widths of the intervals.
    season, season_days : int, float
        Length of the season in rows, and in days as `course_lib.forecasting.add_season` got it.
    tried : list of dict
        What `evaluate` remembered.
    """
    folder = Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    naive = model if isinstance(model, str) else ""
    if not naive:
        model.save(folder / "model.keras")
    kept = {name: data[name] for name in ("mean", "spread", "target", "horizon")}
    kept |= {
        "window": data["train"][0].shape[1],
        "names": table.names,
        "widths": widths,
        "season": season,
        "season_days": season_days,
    }
    np.savez(folder / "rest.npz", naive=naive, **kept)
    lines = ["tried,first,last,mean", *(",".join(map(str, row.values())) for row in tried)]
    (folder / "tried.csv").write_text("\n".join(lines))


def forecast(table: Table, folder: str | os.PathLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Forecast the values after a table's last row with a saved forecaster.

    Parameters
    ----------
    table : Table
        Without NaN, with the columns of the table that the forecaster was made with, in their order.
    folder : str or path
        What `save_forecaster` wrote.

    Returns
    -------
    middle, low, high : (horizon,) array
        The forecasts, and both ends of their intervals. `course_lib.tables.next_dates` gives the dates.

    Raises
    ------
    ValueError
        If the columns differ, or if the table is too short.
    """
    folder = Path(folder).expanduser()
    rest = dict(np.load(folder / "rest.npz"))
    names, window, season = rest["names"].tolist(), int(rest["window"]), int(rest["season"])
    if list(table.names) != names or len(table.dates) < window:
        raise ValueError(f"Expected {window} rows or more with the columns {names}, but got {table}.")
    values = add_season(table.dates, table.values, float(rest["season_days"]))
    past = ((values[-window:] - rest["mean"]) / rest["spread"]).astype("float32")
    model = str(rest["naive"]) or keras.models.load_model(folder / "model.keras")
    first = np.array([len(values)])
    middle = forecast_with(model, past[None], first, rest, values[:, rest["target"]], season)[0]
    return middle, middle - rest["widths"], middle + rest["widths"]
