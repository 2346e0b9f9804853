"""Layers in a row, a loss at the end, and the loop that trains them."""

from __future__ import annotations

import json
import os
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from course_lib import layers, losses, recurrent
from course_lib.layers import Dropout
from course_lib.optimizers import clip_by_global_norm, global_norm
from course_lib.sequences import batches

KINDS = {
    kind.__name__: kind
    for kind in (
        layers.Dense,
        layers.Embedding,
        layers.Dropout,
        layers.LastStep,
        recurrent.SimpleRNN,
        recurrent.LSTM,
        recurrent.GRU,
        recurrent.Bidirectional,
        losses.SoftmaxCrossEntropy,
        losses.MeanSquaredError,
        losses.SigmoidCrossEntropy,
    )
}


@dataclass
class History:
    """What a training run looked like, one entry an epoch.

    Attributes
    ----------
    loss : list of float
        Mean loss over the epoch's updates, as they were before each update.
    validation_loss : list of float
        Loss on the validation data after the epoch; empty without such data.
    gradient_norm : list of float
        Mean global norm of the gradient, before clipping.
    seconds : list of float
        Time the epoch took.
    stopped : str
        "" while all epochs ran; otherwise why it ended early.
    """

    loss: list = field(default_factory=list)
    validation_loss: list = field(default_factory=list)
    gradient_norm: list = field(default_factory=list)
    seconds: list = field(default_factory=list)
    stopped: str = ""


def show_progress():
    """Whether a progress bar is wanted: not in stored outputs (COURSE_STATIC=1) and not on a build server (CI)."""
    return os.environ.get("COURSE_STATIC") != "1" and not os.environ.get("CI")


class Model:
    """Layers in a row and a loss.

    Parameters
    ----------
    layers : list of Layer
        Each takes what the one before it returns. Recurrent layers pass on their outputs at all steps; put a
        ``LastStep`` behind the last of them for one answer a sequence.
    loss : SoftmaxCrossEntropy, MeanSquaredError or SigmoidCrossEntropy

    Attributes
    ----------
    history : History
        Of the last ``fit``; also there after an interrupt or a NaN.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> model = Model([recurrent.SimpleRNN(2, 8, rng=rng), layers.LastStep(), layers.Dense(8, 1, rng=rng)],
    ...               losses.MeanSquaredError())
    >>> model.predict(np.zeros((3, 10, 2), np.float32)).shape
    (3, 1)
    """

    def __init__(self, layers, loss):
        self.layers, self.loss = list(layers), loss
        self.history = History()
        self.states = None

    @property
    def weights(self):
        """All parameters, layer by layer; live arrays."""
        return [w for layer in self.layers for w in layer.weights]

    @property
    def grads(self):
        """All gradients in the order of ``weights``."""
        return [g for layer in self.layers for g in layer.grads]

    def forward(self, x, mask=None, initial_states=None, training=False):
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
        """
        states = iter(initial_states or [])
        self.states = []
        for layer in self.layers:
            if layer.recurrent:
                x, state = layer.forward(x, next(states, None), mask)
                self.states.append(state)
            elif isinstance(layer, Dropout):
                x = layer.forward(x, training)
            else:
                x = layer.forward(x)
        return x

    def backward(self, d_outputs):
        """∂L/∂(what forward returned) -> ∂L/∂x; leaves every layer's ``grads``."""
        d = d_outputs
        for layer in reversed(self.layers):
            d = layer.backward(d)
            if layer.recurrent:
                d, _ = d  # blame for the initial state ends here
        return d

    def predict(self, x, mask=None, batch_size=256):
        """Outputs for many rows, computed in batches: (rows, ...) -> (rows, ..., units)."""
        rows = range(0, len(x), batch_size)
        return np.concatenate(
            [self.forward(x[i : i + batch_size], None if mask is None else mask[i : i + batch_size]) for i in rows]
        )

    def evaluate(self, x, y, mask=None, batch_size=256):
        """The loss over many rows: the mean over all predictions that count, whatever the batches' sizes."""
        total = count = 0
        for i in range(0, len(x), batch_size):
            part = slice(i, i + batch_size)
            outputs = self.forward(x[part], None if mask is None else mask[part])
            counts = self._counting(outputs, mask, part)
            n = outputs[..., 0].size if counts is None else int(counts.sum())
            if n:
                total, count = total + n * self.loss.forward(outputs, y[part], counts), count + n
        return total / count

    @staticmethod
    def _counting(outputs, mask, part=slice(None)):
        """The mask as the loss needs it: none for one answer a sequence."""
        return None if mask is None or outputs.ndim < 3 else mask[part]

    def train_on_batch(self, x, y, mask=None, *, optimizer, clip_norm=None, initial_states=None):
        """One update. Returns the loss before it and the gradient's norm before clipping.

        Raises
        ------
        FloatingPointError
            If either is not finite; the weights are then still those from before the update.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is reported below, in words
            outputs = self.forward(x, mask, initial_states, training=True)
            loss = self.loss.forward(outputs, y, self._counting(outputs, mask))
            self.backward(self.loss.backward())
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
        data,
        *,
        optimizer,
        epochs=1,
        batch_size=32,
        rng=None,
        steps=None,
        validation=None,
        clip_norm=None,
        carry_state=False,
        callbacks=(),
        progress=None,
    ):
        """Train, and keep a history.

        Parameters
        ----------
        data : tuple (x, y) or (x, y, mask) of arrays, or callable
            Arrays are shuffled and cut into batches each epoch. A callable takes nothing and returns a new iterable of
            such tuples, the batches of one epoch.
        optimizer : SGD, Momentum or Adam
        epochs : int
        batch_size : int
            For arrays.
        rng : numpy.random.Generator
            Shuffles arrays; needed for them.
        steps : int, optional
            Number of batches an epoch, to end an endless iterable and to size the progress bar.
        validation : tuple, optional
            (x, y) or (x, y, mask), evaluated after each epoch.
        clip_norm : float, optional
            Largest global norm of the gradient.
        carry_state : bool
            Start each batch from the final states of the one before, within an epoch: for long texts cut into pieces.
            Blame still stops at the cut.
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
        ValueError
            If the data have another form, or a state cannot be carried.
        """
        if carry_state and any(isinstance(layer, recurrent.Bidirectional) for layer in self.layers):
            raise ValueError(
                "carry_state starts a piece where the one before it ended, but a Bidirectional also reads "
                "from the end, and what comes after a piece is not known yet. Train it on whole "
                "sequences, or take a layer that reads forwards only."
            )
        if not callable(data):
            if rng is None:
                raise ValueError("fit shuffles arrays, so it needs a source of randomness: pass rng=rng.")
            if len(data) not in (2, 3):
                raise ValueError(
                    f"data is (x, y) or (x, y, mask), or a callable that returns such batches, but "
                    f"{len(data)} parts came."
                )
            arrays = data
            steps = -(-len(arrays[0]) // batch_size)

            def data():
                return batches(*arrays, batch_size=batch_size, rng=rng)

        self.history = history = History()
        with _Bar(epochs, steps, show_progress() if progress is None else progress) as bar:
            try:
                for _ in range(epochs):
                    self._one_epoch(
                        data(), steps, history, bar, carry_state, dict(optimizer=optimizer, clip_norm=clip_norm)
                    )
                    if validation is not None:
                        history.validation_loss.append(self.evaluate(*validation))
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
                f"Interrupted after {len(history.loss)} of {epochs} epochs. The model keeps what it has learned and "
                f"model.history the run; call fit again to go on."
            )
        return history

    def _one_epoch(self, epoch_batches, steps, history, bar, carry_state, how):
        start = time.perf_counter()
        losses, norms, states = [], [], None
        try:
            for number, batch in enumerate(epoch_batches, 1):
                loss, norm = self.train_on_batch(*batch, initial_states=states, **how)
                states = self.states if carry_state else None
                losses.append(loss)
                norms.append(norm)
                bar.step(loss)
                if number == steps:
                    break
            if not losses:
                raise ValueError(
                    "There was no batch to train on. A generator that was used up? Pass a callable that "
                    "makes a new one each epoch."
                )
        finally:  # an interrupted epoch counts with the updates it made
            if losses:
                history.loss.append(float(np.mean(losses)))
                history.gradient_norm.append(float(np.mean(norms)))
                history.seconds.append(time.perf_counter() - start)

    def save(self, path):
        """Write the model to an ``.npz`` file: arrays and a line of JSON, no pickle."""

        def described(part):
            return [type(part).__name__, part.config() if hasattr(part, "config") else {}]

        arrays = {
            f"{i}.{name}": array
            for i, layer in enumerate(self.layers)
            for name, array in zip(layer.weight_names, layer.weights, strict=True)
        }
        config = json.dumps({"layers": [described(layer) for layer in self.layers], "loss": described(self.loss)})
        with open(path, "wb") as file:  # an open file, because numpy would add .npz to a name without it
            np.savez_compressed(file, config=np.array(config), **arrays)

    @classmethod
    def load(cls, path):
        """Read a model that :meth:`save` wrote.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is damaged or is not such a model; the message says what to try.
        """
        if not Path(path).exists():
            raise FileNotFoundError(
                f"There is no file {path}. model.save(path) writes one; relative paths start at {Path.cwd()}."
            )
        try:
            with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
                config = json.loads(str(file["config"]))
                rng = np.random.default_rng(0)
                built = []
                for i, description in enumerate(config["layers"]):
                    arrays = {name: file[name] for name in file.files if name.startswith(f"{i}.")}
                    dtype = next((array.dtype for array in arrays.values()), None)
                    layer = _built(*description, dtype, rng)
                    layer.set_weights([arrays[f"{i}.{name}"] for name in layer.weight_names])
                    built.append(layer)
                return cls(built, KINDS[config["loss"][0]]())
        except (KeyError, ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile, zipfile.zlib.error) as error:
            raise ValueError(
                f"{path} cannot be read as a saved model ({type(error).__name__}: {error}). It is damaged, cut short, "
                f"or was not written by model.save of this course: copy it again, or train and save the model anew."
            ) from error


def _built(kind, arguments, dtype, rng):
    """A layer from what :meth:`Model.save` wrote about it, with weights still to be set."""
    maker = KINDS[kind]
    if maker is recurrent.Bidirectional:  # described by its two layers
        return maker(**{side: _built(*description, dtype, rng) for side, description in arguments.items()})
    if maker.weight_names:
        return maker(**arguments, dtype=dtype, rng=rng)
    return maker(**arguments, rng=rng) if maker is Dropout else maker(**arguments)


class _Bar:
    """A tqdm bar over all updates, or nothing."""

    def __init__(self, epochs, steps, wanted):
        self.bar = None
        if wanted:
            from tqdm.auto import tqdm  # here, because it looks for a notebook, which takes time

            self.bar = tqdm(total=None if steps is None else epochs * steps, unit="update", leave=False)

    def __enter__(self):
        return self

    def step(self, loss):
        if self.bar is not None:
            self.bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
            self.bar.update()

    def __exit__(self, *_):
        if self.bar is not None:
            self.bar.close()
