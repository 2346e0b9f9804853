"""Layers in a row, a loss at the end, and the loop that trains them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from course_lib import recurrent
from course_lib.history import History, ProgressBar, show_progress
from course_lib.layers import LAYERS, Layer
from course_lib.losses import LOSSES, Loss
from course_lib.optimizers import Optimizer, clip_by_global_norm, global_norm
from course_lib.saving import MODELS, load_optimizer, read_model, write_model
from course_lib.sequences import _checked_rows, _described, _row_slices, batches

__all__ = ["MODELS", "History", "Metric", "Model", "load_optimizer", "show_progress"]

Metric = Callable[[np.ndarray, np.ndarray, "np.ndarray | None"], float]


# ---------------------------------------------------------------------------------------------------------------------
# Model
# ---------------------------------------------------------------------------------------------------------------------
class Model:
    """Layers in a row and a loss.

    Parameters
    ----------
    layers : list of Layer
        Each takes what the one before it returns. Recurrent layers pass on their outputs at all steps; put a
        ``LastStep`` behind the last of them for one prediction a sequence.
    loss : Loss
        Such as ``SoftmaxCrossEntropy()``.
    metrics : iterable of callable
        Functions ``(outputs, targets, mask) -> float`` such as :func:`course_lib.metrics.accuracy`, each a mean over
        the predictions that count. They are known by their names.

    Attributes
    ----------
    history : History
        Of the last ``fit``; also there after an interrupt or a NaN.
    states : list
        The recurrent layers' final states after the last forward pass.

    Raises
    ------
    TypeError, ValueError
        If a layer is no Layer, or one layer object is listed twice.

    Examples
    --------
    >>> from course_lib.layers import Dense, LastStep
    >>> from course_lib.losses import MeanSquaredError
    >>> from course_lib.recurrent import SimpleRNN
    >>> rng = np.random.default_rng(0)
    >>> model = Model([SimpleRNN(2, 8, rng=rng), LastStep(), Dense(8, 1, rng=rng)], MeanSquaredError())
    >>> model.predict(np.zeros((3, 10, 2), np.float32)).shape
    (3, 1)
    >>> model.summary()
    Model, MeanSquaredError
    layer      configuration                             parameters
    SimpleRNN  features=2, units=8                               88
    LastStep                                                      0
    Dense      features=8, units=1, activation='linear'           9
    total                                                        97
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        MODELS[cls.__name__] = cls

    def __init__(self, layers: Iterable[Layer], loss: Loss, metrics: Iterable[Metric] = ()):
        self.layers, self.loss, self.metrics = list(layers), loss, list(metrics)
        _check_layers(self.layers)
        self.history, self.states, self._batch_metrics = History(), None, {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}([{', '.join(map(repr, self.layers))}], {self.loss!r})"

    @property
    def weights(self) -> list[np.ndarray]:
        """All parameters, layer by layer; live arrays."""
        return [w for layer in self.layers for w in layer.weights]

    @property
    def grads(self) -> list[np.ndarray]:
        """All gradients in the order of ``weights``."""
        return [g for layer in self.layers for g in layer.grads]

    def count_params(self) -> int:
        """How many numbers the model learns."""
        return sum(w.size for w in self.weights)

    def summary(self) -> None:
        """Print a table of the layers, how they are configured and how many parameters they have."""
        rows = [("layer", "configuration", "parameters")]
        for layer in self.layers:
            name, _, arguments = repr(layer).partition("(")
            rows.append((name, arguments.removesuffix(")"), f"{layer.count_params():,}"))
        rows.append(("total", "", f"{self.count_params():,}"))
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        print(f"{type(self).__name__}, {type(self.loss).__name__}")
        for name, arguments, parameters in rows:
            print(f"{name:{widths[0]}}  {arguments:{widths[1]}}  {parameters:>{widths[2]}}")

    # --- forwards and backwards ---
    def forward(
        self,
        x: ArrayLike,
        mask: ArrayLike | None = None,
        initial_states: Sequence[Any] | None = None,
        training: bool = False,
    ) -> np.ndarray:
        """Run all layers.

        Parameters
        ----------
        x : (batch, ...)
            What the first layer takes.
        mask : (batch, time) of bool, optional
            Given to every recurrent layer.
        initial_states : list, optional
            A state for each recurrent layer, such as ``model.states`` after the previous piece of a long text.
        training : bool
            Turns dropout on.

        Returns
        -------
        (batch, ..., units)
            What the last layer returns. ``model.states`` holds the recurrent layers' final states.

        Raises
        ------
        ValueError
            If there is not one initial state for each recurrent layer.
        """
        recurrent_layers = sum(layer.recurrent for layer in self.layers)
        if initial_states is not None and len(initial_states) != recurrent_layers:
            raise ValueError(
                f"initial_states holds one state for each of the {recurrent_layers} recurrent layers, but got "
                f"{len(initial_states)}. Pass model.states of the pass before, or None to start from zeros."
            )
        states = iter(initial_states or [None] * recurrent_layers)
        self.states = []
        for layer in self.layers:
            how = {"training": training} if layer.takes_training else {}
            if layer.recurrent:
                x, state = layer.forward(x, next(states), mask, **how)
                self.states.append(state)
            else:
                x = layer.forward(x, **how)
        return x

    def backward(self, d_outputs: np.ndarray, input_gradient: bool = True) -> np.ndarray | None:
        """Backpropagate; leaves every layer's ``grads``.

        Parameters
        ----------
        d_outputs : (batch, ..., units)
            ∂L/∂(what forward returned).
        input_gradient : bool
            Whether the gradient for x is wanted; training does without it, which saves the first layer a product.

        Returns
        -------
        (batch, ...) or None
            ∂L/∂x; None if it is not wanted, or x are ids.
        """
        d = d_outputs
        for number, layer in reversed(list(enumerate(self.layers))):
            unwanted = number == 0 and not input_gradient and layer.optional_input_gradient
            d = layer.backward(d, **({"input_gradient": False} if unwanted else {}))
            if layer.recurrent:
                d, _ = d  # the gradient for the initial state ends here
        return d if input_gradient else None

    # --- many rows ---
    def predict(self, x: ArrayLike, mask: ArrayLike | None = None, batch_size: int = 256) -> np.ndarray:
        """Outputs for many rows, computed in batches.

        Parameters
        ----------
        x : (rows, ...)
            What the first layer takes.
        mask : (rows, time) of bool, optional
            True at real steps.
        batch_size : int
            Rows computed at once.

        Returns
        -------
        (rows, ..., units)
            What the last layer returns.

        Raises
        ------
        ValueError
            If there are no rows, or x and mask do not belong together.
        """
        x, _, mask = _checked_rows("predict", x, None, mask)
        return np.concatenate(
            [self.forward(x[part], None if mask is None else mask[part]) for part in _row_slices(len(x), batch_size)]
        )

    def evaluate(
        self,
        x: ArrayLike,
        y: ArrayLike,
        mask: ArrayLike | None = None,
        batch_size: int = 256,
        return_dict: bool = False,
    ) -> float | list[float] | dict[str, float]:
        """The loss and the metrics over many rows: means over all predictions that count, whatever the batch size.

        Parameters
        ----------
        x : (rows, ...)
            What the first layer takes.
        y : (rows, ...)
            The targets that the loss takes.
        mask : (rows, time) of bool, optional
            True at real steps.
        batch_size : int
            Rows computed at once.
        return_dict : bool
            Whether to return the values by name.

        Returns
        -------
        float, list of float or dict of str to float
            The loss; for a model with metrics the loss and the metrics.

        Raises
        ------
        ValueError
            If there are no rows, the arrays do not belong together, or the mask leaves nothing.
        """
        x, y, mask = _checked_rows("evaluate", x, y, mask)
        totals, count = dict.fromkeys(["loss", *self._metric_names()], 0.0), 0
        for part in _row_slices(len(x), batch_size):
            outputs = self.forward(x[part], None if mask is None else mask[part])
            counts = self._counting(outputs, None if mask is None else mask[part])
            n = outputs[..., 0].size if counts is None else int(counts.sum())
            if n:
                values = {"loss": self.loss.forward(outputs, y[part], counts)}
                values |= self._measure(outputs, y[part], counts)
                totals = {name: total + n * values[name] for name, total in totals.items()}
                count += n
        means = {name: total / count for name, total in totals.items()}
        if return_dict:
            return means
        return list(means.values()) if self.metrics else means["loss"]

    @staticmethod
    def _counting(outputs, mask):
        """The mask as the loss needs it: none for one prediction a sequence."""
        if mask is None:
            return None
        mask = np.asarray(mask)
        if outputs.ndim >= 3:
            return mask
        if not mask.any(axis=1).all():
            raise ValueError(
                f"Each sequence gets one prediction, so each needs at least one real step, but the mask of row "
                f"{int(mask.any(axis=1).argmin())} is False everywhere. Leave such rows out; True means a real step."
            )
        return None

    def _metric_names(self):
        return [metric.__name__ for metric in self.metrics]

    def _measure(self, outputs, y, mask):
        return {metric.__name__: float(metric(outputs, np.asarray(y), mask)) for metric in self.metrics}

    # --- training ---
    def train_on_batch(
        self,
        x: ArrayLike,
        y: ArrayLike,
        mask: ArrayLike | None = None,
        *,
        optimizer: Optimizer,
        clip_norm: float | None = None,
        initial_states: Sequence[Any] | None = None,
    ) -> tuple[float, float]:
        """Make one update.

        Parameters
        ----------
        x, y, mask
            As in :meth:`fit`, one batch of them.
        optimizer : Optimizer
            Such as ``Adam()``.
        clip_norm : float, optional
            Largest global norm of the gradient.
        initial_states : list, optional
            As in :meth:`forward`.

        Returns
        -------
        loss : float
            Before the update.
        norm : float
            Global norm of the gradient before clipping.

        Raises
        ------
        FloatingPointError
            If either is not finite; the weights are then still those from before the update.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is reported below, in words
            outputs = self.forward(x, mask, initial_states, training=True)
            counts = self._counting(outputs, mask)
            loss = self.loss.forward(outputs, y, counts)
            self._batch_metrics = self._measure(outputs, y, counts)
            self.backward(self.loss.backward(), input_gradient=False)
            norm = global_norm(self.grads) if clip_norm is None else clip_by_global_norm(self.grads, clip_norm)
        if not (np.isfinite(loss) and np.isfinite(norm)):
            raise FloatingPointError(
                f"Training stopped: the loss is {loss} and the gradient's norm {norm}. The weights are those from "
                f"before this update, and model.history holds the run so far. Try a smaller learning rate, "
                f"clip_norm=1, or look for infinities in the data with np.isfinite(x).all()."
            )
        optimizer.update(self.weights, self.grads)
        return loss, norm

    def fit(
        self,
        x: ArrayLike | Callable[[], Iterable[tuple]],
        y: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        *,
        optimizer: Optimizer,
        epochs: int = 1,
        batch_size: int = 32,
        rng: np.random.Generator | None = None,
        steps: int | None = None,
        validation_data: tuple | None = None,
        clip_norm: float | None = None,
        carry_state: bool = False,
        callbacks: Iterable[Callable[[Model, History], Any]] = (),
        progress: bool | None = None,
    ) -> History:
        """Train, and keep a history.

        Parameters
        ----------
        x : (rows, ...) array, or callable
            What the first layer takes; shuffled and cut into batches each epoch. A callable takes nothing and returns
            a new iterable of batches (x, y) or (x, y, mask), those of one epoch.
        y : (rows, ...) array
            The targets that the loss takes.
        mask : (rows, time) of bool, optional
            True at real steps; the loss is the mean over those.
        optimizer : Optimizer
            Such as ``Adam()``.
        epochs : int
            Passes over the data.
        batch_size : int
            For arrays.
        rng : numpy.random.Generator
            Shuffles arrays; needed for them.
        steps : int, optional
            For a callable: number of batches an epoch, to end an endless iterable and to size the progress bar.
        validation_data : tuple, optional
            (x, y) or (x, y, mask), evaluated after each epoch.
        clip_norm : float, optional
            Largest global norm of the gradient.
        carry_state : bool
            Start each batch from the final states of the one before, within an epoch: for long texts cut into pieces,
            which a callable brings in order (see :func:`course_lib.sequences.stream`). The gradient still stops at
            the cut.
        callbacks : iterable of callable
            Called as ``callback(model, history)`` after each epoch; one that returns True ends the training.
        progress : bool, optional
            A progress bar; by default as :func:`show_progress` says.

        Returns
        -------
        History
            Also after an interrupt (Ctrl-C, or the stop button), which ends training and keeps model and history.

        Raises
        ------
        FloatingPointError
            If the loss or the gradient stops being finite; see :meth:`train_on_batch`.
        TypeError, ValueError
            If the data have another form, options contradict each other, or a state cannot be carried.
        """
        _check_layers(self.layers)
        if not hasattr(optimizer, "update") or isinstance(optimizer, type):
            raise TypeError(f"optimizer is an object such as Adam(0.001), but got {optimizer!r}.")
        if epochs < 1 or (steps is not None and steps < 1):
            raise ValueError(f"epochs and steps are at least 1, but got epochs={epochs} and steps={steps}.")
        if carry_state and any(isinstance(layer, recurrent.Bidirectional) for layer in self.layers):
            raise ValueError(
                "carry_state starts a piece where the one before it ended, but got a Bidirectional layer, which also "
                "runs from the end. Train it on whole sequences, or take a layer that runs forwards only."
            )
        epoch_batches = x
        if callable(x):
            if y is not None or mask is not None or rng is not None:
                raise ValueError(
                    "A callable brings whole batches, (x, y) or (x, y, mask), in its own order, but got y, mask or rng "
                    "beside it. Put them into the callable, or pass arrays: fit(x, y, mask, rng=rng, ...)."
                )
        else:
            if carry_state:
                raise ValueError(
                    "carry_state starts each batch where the one before it ended, but got arrays, which fit shuffles. "
                    "Pass a callable that brings pieces in order, such as lambda: sequences.stream(ids, 32, 50)."
                )
            if steps is not None:
                raise ValueError(
                    f"Arrays have rows / batch_size batches an epoch, but got steps={steps}. Leave it out."
                )
            if rng is None:
                raise ValueError("fit shuffles arrays, so it needs a source of randomness: pass rng=rng.")
            arrays = [array for array in _checked_rows("fit", x, y, mask, needs_y=True) if array is not None]
            steps = len(_row_slices(len(arrays[0]), batch_size))

            def epoch_batches():
                return batches(*arrays, batch_size=batch_size, rng=rng)

        if validation_data is not None:
            self._check_validation_data(validation_data)
        self.history = history = History()
        names = ["loss", *self._metric_names()]
        validated = [] if validation_data is None else [f"val_{name}" for name in names]
        history.history = {name: [] for name in (*names, *validated, "gradient_norm", "seconds")}
        with ProgressBar(epochs, steps, show_progress() if progress is None else progress) as bar:
            try:
                for _ in range(epochs):
                    how = dict(optimizer=optimizer, clip_norm=clip_norm)
                    self._one_epoch(epoch_batches(), steps, history, bar, carry_state, how)
                    if validation_data is not None:
                        for name, value in self.evaluate(*validation_data, return_dict=True).items():
                            history.history[f"val_{name}"].append(value)
                    asked_to_stop = [callback(self, history) for callback in callbacks]
                    if any(asked_to_stop):
                        history.stopped = "by a callback"
                        break
            except KeyboardInterrupt:
                history.stopped = "interrupted"
            except FloatingPointError as error:
                history.stopped = str(error)
                raise
        if history.stopped == "interrupted":
            print(
                f"Interrupted after {len(history.history['loss'])} of {epochs} epochs. The model keeps what it has "
                f"learned and model.history the run; call fit again to go on."
            )
        return history

    @staticmethod
    def _check_validation_data(validation_data):
        """Before the training, because an error after the first epoch would be late."""
        if not isinstance(validation_data, tuple | list) or len(validation_data) not in (2, 3):
            raise ValueError(
                f"validation_data is a tuple (x, y) or (x, y, mask) of arrays, but got {_described(validation_data)}."
            )
        _checked_rows("validation_data", *validation_data, needs_y=True)

    def _one_epoch(self, epoch_batches, steps, history, bar, carry_state, how):
        start = time.perf_counter()
        values, states = {name: [] for name in ("loss", *self._metric_names(), "gradient_norm")}, None
        try:
            for number, batch in enumerate(epoch_batches, 1):
                if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
                    raise ValueError(f"A batch is (x, y) or (x, y, mask), but got {_described(batch)}.")
                loss, norm = self.train_on_batch(*batch, initial_states=states, **how)
                states = self.states if carry_state else None
                for name, value in {"loss": loss, "gradient_norm": norm, **self._batch_metrics}.items():
                    values[name].append(value)
                bar.step(loss)
                if number == steps:
                    break
            if not values["loss"]:
                raise ValueError("Got no batch to train on. Pass a callable that makes a new generator each epoch.")
        finally:  # an interrupted epoch counts with the updates it made
            if values["loss"]:
                for name, found in values.items():
                    history.history[name].append(float(np.mean(found)))
                history.history["seconds"].append(time.perf_counter() - start)

    # --- files ---
    def config(self) -> dict[str, Any]:
        """What to build the model from, without its weights: values that JSON can hold.

        Returns
        -------
        dict of str to value
            Class and arguments of each layer, the dtype of its weights, and the loss. Metrics are not part of it.
        """
        return {
            "layers": [
                [type(layer).__name__, layer.config(), *(w.dtype.name for w in layer.weights[:1])]
                for layer in self.layers
            ],
            "loss": [type(self.loss).__name__, {}],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], *, rng: np.random.Generator, dtype: DTypeLike) -> Model:
        """Build a model of this class.

        Parameters
        ----------
        config : dict of str to value
            What :meth:`config` returned.
        rng : numpy.random.Generator
            Draws the first weights.
        dtype : numpy dtype
            Of the weights, where the configuration does not name it.

        Returns
        -------
        Model
            Its weights are initial ones.
        """
        layers = [
            LAYERS[name].from_config(arguments, rng=rng, dtype=own[0] if own else dtype)
            for name, arguments, *own in config["layers"]
        ]
        return cls(layers, LOSSES[config["loss"][0]]())

    def save(self, path: str | os.PathLike, optimizer: Optimizer | None = None) -> None:
        """Write the model to an ``.npz`` file: arrays and a line of JSON, no pickle.

        Metrics and the state of random generators are not saved.

        Parameters
        ----------
        path : str or path
            An existing file is replaced.
        optimizer : Optimizer, optional
            Saved beside the model with its running means, for training to go on later; see :func:`load_optimizer`.

        Raises
        ------
        ValueError
            If a layer or the optimizer cannot be described in a file.
        """
        write_model(self, path, optimizer)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Model:
        """Read a model that :meth:`save` wrote.

        Parameters
        ----------
        path : str or path
            Written by a model of this class.

        Returns
        -------
        Model
            With the weights in the file.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is damaged, holds another class of model, or needs a class that is not defined.
        """
        return read_model(cls, path)


# ---------------------------------------------------------------------------------------------------------------------
# Checks
# ---------------------------------------------------------------------------------------------------------------------
def _check_layers(layers):
    """Each layer remembers one forward pass for its backward pass, so it can stand in one place only."""
    places = {}
    for i, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise TypeError(f"A model is made of layers, but number {i} is {layer!r}. Derive your own from Layer.")
        for part in _with_parts(layer):
            if id(part) in places:
                raise ValueError(
                    f"Layer {i}, {part!r}, is the same object as one in layer {places[id(part)]}. It remembers one "
                    f"forward pass, so in two places its gradient would be wrong. Make two layers."
                )
            places[id(part)] = i


def _with_parts(layer):
    """The layer, and the layers that it is made of."""
    yield layer
    for value in vars(layer).values():
        for part in value if isinstance(value, tuple | list) else [value]:
            if isinstance(part, Layer):
                yield from _with_parts(part)
