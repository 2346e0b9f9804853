"""The steps of models: of this course's, of n-gram tables, of Keras models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from course_lib.generation.decoding import Step
from course_lib.generation.distributions import log_softmax
from course_lib.recurrent import Bidirectional
from course_lib.sequences import one_hot

if TYPE_CHECKING:
    from course_lib.model import Model
    from course_lib.ngrams import NGram


def model_step(model: Model) -> Step:
    """The step of a course :class:`~course_lib.model.Model` that predicts the next symbol.

    Parameters
    ----------
    model : Model
        Its first layer is an Embedding, or takes one-hot vectors; its last gives a score for each symbol.

    Returns
    -------
    callable
        ``step(symbols, state)``; the state is ``model.states``, one for each recurrent layer.

    Raises
    ------
    ValueError
        If a layer is Bidirectional: its backward direction begins at an end that is not generated yet.
    """
    if any(isinstance(layer, Bidirectional) for layer in model.layers):
        raise ValueError(
            "A step predicts from the past alone, but got a model with a Bidirectional layer, which also runs from the "
            "end backwards, and the end is not there yet. Train a model with one direction."
        )
    first = model.layers[0]

    def step(symbols, state):
        x = symbols[:, None]
        if not hasattr(first, "vocabulary"):  # no Embedding
            x = one_hot(x, first.features, first.weights[0].dtype)
        scores = model.forward(x, initial_states=state)
        return log_softmax(scores.reshape(len(symbols), -1)), model.states

    return step


def ngram_step(table: NGram) -> Step:
    """The step of an :class:`~course_lib.ngrams.NGram`; the prompt has at least n - 1 symbols, and at least one.

    Parameters
    ----------
    table : NGram
        With counts of a text.

    Returns
    -------
    callable
        ``step(symbols, state)``; the state is the last n - 1 symbols.
    """

    def step(symbols, state):
        before = symbols[:, None] if state is None else np.hstack([state, symbols[:, None]])
        before = before[:, max(0, before.shape[1] - table.n + 1) :]
        if before.shape[1] < table.n - 1:
            return np.full((len(symbols), table.size), np.nan), before
        endings = np.hstack(
            [np.repeat(before, table.size, axis=0), np.tile(np.arange(table.size), len(symbols))[:, None]]
        )
        return -np.log(2) * table.surprisal(endings).reshape(-1, table.size), before

    return step


def keras_step(model: Any, from_logits: bool = False) -> Step:
    """The step of a Keras model that predicts the next symbol; it is called on the whole row at each step.

    Parameters
    ----------
    model : keras.Model
        Takes ids (batch, time) or one-hot vectors (batch, time, V); its output is a distribution at every step, of
        which the last counts, or one after the last. Not stateful. A model for windows of fixed length gets the last
        so many symbols.
    from_logits : bool
        Whether it returns logits; otherwise probabilities.

    Returns
    -------
    callable
        ``step(symbols, state)``; the state is all symbols so far, so a row of n symbols costs n²/2 of the model's
        steps.

    Raises
    ------
    ValueError
        If a layer is stateful: it would go on from a state that contains the whole row already. While generating: if
        the model should return probabilities and does not.
    """
    _, window, *features = model.input_shape
    stateful = [layer.name for layer in _keras_layers(model) if getattr(layer, "stateful", False)]
    if stateful:
        raise ValueError(
            f"keras_step calls the model on the whole row at each step, so its layers must start from zeros each time, "
            f"but got the stateful layer {stateful[0]!r}, which would go on from where the last call ended. Build the "
            f"model with stateful=False and copy the weights: new.set_weights(old.get_weights())."
        )

    def step(symbols, state):
        so_far = symbols[:, None] if state is None else np.hstack([state, symbols[:, None]])
        x = so_far if window is None else so_far[:, -window:]
        x = one_hot(x, features[0]) if features else x
        if x.shape[1] < (window or 1):
            return np.full((len(symbols), model.output_shape[-1]), np.nan), so_far
        outputs = np.asarray(model(x, training=False), np.float64)
        outputs = outputs.reshape(len(symbols), -1, outputs.shape[-1])[:, -1]
        if from_logits:
            return log_softmax(outputs), so_far
        if outputs.min() < 0 or np.abs(outputs.sum(axis=1) - 1).max() > 1e-3:
            raise ValueError(
                "keras_step expects probabilities, but got rows that do not sum to 1 or have negative numbers: "
                "logits? Without a softmax at the model's end write keras_step(model, from_logits=True)."
            )
        with np.errstate(divide="ignore"):  # ln 0 = -inf: impossible
            return np.log(outputs), so_far

    return step


def _keras_layers(model):
    """A Keras model's layers, and those of models among them."""
    for layer in getattr(model, "layers", ()):
        yield layer
        yield from _keras_layers(layer)
