"""Models in files: one ``.npz`` with the arrays and a line of JSON, no pickle."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from course_lib.layers import LAYERS
from course_lib.losses import LOSSES
from course_lib.optimizers import OPTIMIZERS, Optimizer

if TYPE_CHECKING:
    from course_lib.model import Model

MODELS: dict[str, type[Model]] = {}  # every model class by its name; filled as classes are defined


def write_model(model: Model, path: str | os.PathLike, optimizer: Optimizer | None = None) -> None:
    """Do what :meth:`course_lib.model.Model.save` says.

    Parameters
    ----------
    model : Model
        What to save.
    path : str or path
        An existing file is replaced.
    optimizer : Optimizer, optional
        Saved beside the model.
    """
    arrays, description = _named_weights(model), {"class": type(model).__name__, "config": model.config()}
    if optimizer is not None:
        config = optimizer.config()
        description["optimizer"] = [type(optimizer).__name__, config, optimizer.iterations]
        if optimizer.state_names:
            optimizer._bind(model.weights)
        for name in optimizer.state_names:
            arrays |= {f"optimizer.{name}.{i}": array for i, array in enumerate(getattr(optimizer, name))}
    text = json.dumps(description, default=_plain_number)
    with open(path, "wb") as file:  # an open file, because numpy would add .npz to a name without it
        np.savez_compressed(file, config=np.array(text), **arrays)


def read_model(kind: type[Model], path: str | os.PathLike) -> Model:
    """Do what :meth:`course_lib.model.Model.load` says.

    Parameters
    ----------
    kind : type of Model
        Class of the model that the file is expected to hold.
    path : str or path
        A file that :func:`write_model` wrote.

    Returns
    -------
    Model
        With the weights in the file.
    """
    description, arrays = _read(path)
    name, config = description["class"], description["config"]
    if name != kind.__name__:
        here = "" if name in MODELS or name == "Model" else f", after running the code that defines class {name}"
        raise ValueError(f"{path} holds a model of class {name}, not {kind.__name__}. Use {name}.load(path){here}.")
    for missing in _undefined(config):
        raise ValueError(
            f"{path} needs a class {missing}, which is not defined here. Run the cell that defines it, or import "
            f"the module that does, then load the file again."
        )
    try:
        dtype = next((array.dtype for array in arrays.values()), np.float32)
        model = kind.from_config(config, rng=np.random.default_rng(0), dtype=dtype)
        for i, layer in enumerate(model.layers):
            layer.set_weights([arrays[f"{i}.{name}"] for name in layer.weight_names])
        return model
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(
            f"{path} does not fit the classes that it needs ({type(error).__name__}: {error}). It is damaged, or "
            f"a class has changed since it was written: train and save the model anew."
        ) from error


def load_optimizer(path: str | os.PathLike) -> Optimizer:
    """Read the optimizer that ``model.save(path, optimizer=optimizer)`` wrote.

    Trained on with it, on the same batches, the loaded model becomes what it would have become without a stop.

    Parameters
    ----------
    path : str or path
        The model's file.

    Returns
    -------
    Optimizer
        As it was when it was saved.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, holds no optimizer, or needs a class that is not defined.
    """
    description, arrays = _read(path, "optimizer.")
    if "optimizer" not in description:
        raise ValueError(
            f"{path} holds a model without its optimizer. Write it with model.save(path, optimizer=optimizer), or "
            f"begin with a new one, such as Adam()."
        )
    name, config, iterations = description["optimizer"]
    if name not in OPTIMIZERS:
        raise ValueError(f"{path} needs a class {name}, which is not defined here. Run the code that defines it.")
    optimizer = OPTIMIZERS[name].from_config(config)
    optimizer.iterations = iterations
    for state in optimizer.state_names:
        count = sum(key.startswith(f"optimizer.{state}.") for key in arrays)
        setattr(optimizer, state, [arrays[f"optimizer.{state}.{i}"] for i in range(count)])
    return optimizer


def _named_weights(model):
    """The weights of all layers, by the number of the layer and their name in it."""
    return {
        f"{i}.{name}": array
        for i, layer in enumerate(model.layers)
        for name, array in zip(layer.weight_names, layer.weights, strict=True)
    }


def _plain_number(value):
    """NumPy's numbers as JSON can hold them."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"A saved model holds numbers, strings, lists and dicts as arguments, but got {value!r}.")


def _read(path, prefix=None):
    """The description in a model's file, and its arrays whose names begin so; without a prefix, the model's."""
    if not Path(path).exists():
        raise FileNotFoundError(
            f"There is no file {path}. model.save(path) writes one; relative paths start at {Path.cwd()}."
        )
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            description = json.loads(str(file["config"]))
            if "class" not in description:  # as written before there were several classes of models
                description = {"class": "Model", "config": description}
            wanted = [
                name
                for name in file.files
                if (name.startswith(prefix) if prefix else name != "config" and not name.startswith("optimizer."))
            ]
            if "config" not in description:
                raise KeyError("config")
            return description, {name: file[name] for name in wanted}
    except (KeyError, ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"{path} cannot be read as a saved model ({type(error).__name__}: {error}). It is damaged, cut short, "
            f"or was not written by model.save of this course: copy it again, or train and save the model anew."
        ) from error


def _undefined(config):
    """Names of the layer and loss classes in a configuration that are not defined, nested ones included."""
    if isinstance(config, dict):
        for value in config.values():
            yield from _undefined(value)
    elif isinstance(config, list):
        described = len(config) in (2, 3) and isinstance(config[0], str) and isinstance(config[1], dict)
        if described and config[0] not in LAYERS and config[0] not in LOSSES:
            yield config[0]
        for value in config:
            yield from _undefined(value)
