"""Models that forecast a table, in Keras: a linear one, a GRU, and one function that trains and judges any of them.

Project p1 writes these line by line; `course_lib.forecasting` has what needs no Keras.
"""

from __future__ import annotations

import numpy as np

from course_lib.forecasting import Data, in_units
from course_lib.keras_models import keras


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
        The memory; its first entry is the reference for the skill.
    sign : str
        Printed before each number.
    """
    error = np.abs(forecast - in_units(data["validation"][1], data)).mean(axis=0)
    tried.append({"tried": name, "first": error[0], "last": error[-1], "mean": error.mean()})
    skill = 1 - error.mean() / tried[0]["mean"]
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
