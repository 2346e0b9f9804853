"""Keras beside the course: its layers with the weights of ours, a comparison, and models that lessons train.

This and :mod:`course_lib.keras_seq2seq` are the only modules of the course that import TensorFlow, and quietly.

``to_keras(layer)`` is a Keras layer with the weights of one of ours; ``compare(layer, x)`` measures how far apart the
two are, in outputs, states and every gradient. The other functions build what several lessons train.
"""

from __future__ import annotations

import os

# Read once, while TensorFlow and Keras are being imported: no messages below errors, no search for a graphics card, no
# reordered sums (the last digits then depend less on the machine), one thread (the models are small; see
# course_lib.setup). A variable that is set already is left alone.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
# But not these: the course is about Keras 3 on TensorFlow, whatever other work of this account needs.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.pop("TF_USE_LEGACY_KERAS", None)

from typing import Any

import numpy as np

from course_lib import layers, recurrent
from course_lib.layers import Layer

try:
    import tensorflow as tf
except ImportError as error:
    raise ImportError(
        "This lesson needs TensorFlow, which cannot be imported here. It is in requirements.lock, except on macOS with "
        "an Intel processor and on Windows on ARM, for which it is not published: the README names other ways there. "
        "Elsewhere, build the environment anew: delete the folder .venv and run `make lab`."
    ) from error

keras = tf.keras
if keras.__version__.startswith("2.") or keras.config.backend() != "tensorflow":
    raise ImportError(
        f"This lesson needs Keras 3 on TensorFlow, but Keras {keras.__version__} was imported before it, by other "
        "settings. Restart the kernel and run the lesson from the top: its first cells choose the right one."
    )
keras.config.set_floatx("float32")  # and not what the account's keras.json says
keras.config.set_epsilon(1e-7)
keras.config.set_image_data_format("channels_last")
tf.get_logger().setLevel("ERROR")  # or a lesson that builds many small models is told, each time, that it does


# ---------------------------------------------------------------------------------------------------------------------
# Keras layers with the same weights
# ---------------------------------------------------------------------------------------------------------------------
def to_keras(layer: Layer, *, return_sequences: bool = True, return_state: bool = True) -> keras.layers.Layer:
    """A Keras layer that computes what one of ours computes, with a copy of its weights.

    Parameters
    ----------
    layer : SimpleRNN, LSTM, GRU, Bidirectional, Dense or Embedding
        Of this course. The Keras layer has its dtype: make it with ``dtype=np.float64`` for a comparison.
    return_sequences, return_state : bool
        As in Keras, for recurrent layers. The defaults return what our ``forward`` returns: the outputs at all steps,
        then the final states, one after the other.

    Returns
    -------
    keras.layers.Layer
        Built, and independent of ours from here on. The way back is ``layer.set_weights(keras_layer.get_weights())``.

    Raises
    ------
    TypeError
        If there is no such Keras layer.
    """
    keras_layer, features = _unbuilt(layer, return_sequences, return_state)
    if isinstance(layer, layers.Embedding):
        keras_layer.build()
    elif isinstance(layer, layers.Dense):
        keras_layer.build((None, features))
    else:
        keras_layer.build((None, None, features))
    keras_layer.set_weights(layer.get_weights())
    return keras_layer


def _unbuilt(layer, return_sequences, return_state):
    """The Keras layer of the same kind and sizes, and the number of features that it takes."""
    dtype = layer.weights[0].dtype.name if getattr(layer, "weights", None) else None
    returns = dict(return_sequences=return_sequences, return_state=return_state, dtype=dtype)
    if isinstance(layer, recurrent.Bidirectional):
        forward, features = _unbuilt(layer.forward_layer, return_sequences, return_state)
        backward, _ = _unbuilt(layer.backward_layer, return_sequences, return_state)
        backward.go_backwards = True
        return keras.layers.Bidirectional(forward, backward_layer=backward, dtype=dtype), features
    if isinstance(layer, recurrent.SimpleRNN):
        return keras.layers.SimpleRNN(layer.units, **returns), layer.features
    if isinstance(layer, recurrent.LSTM):
        return keras.layers.LSTM(layer.units, **returns), layer.features
    if isinstance(layer, recurrent.GRU):
        return keras.layers.GRU(layer.units, reset_after=layer.reset_after, **returns), layer.features
    if isinstance(layer, layers.Dense):
        features, units = layer.weights[0].shape
        return keras.layers.Dense(units, activation=layer.activation, dtype=dtype), features
    if isinstance(layer, layers.Embedding):
        return keras.layers.Embedding(layer.vocabulary, layer.units, dtype=dtype), None
    raise TypeError(
        f"to_keras takes a SimpleRNN, LSTM, GRU, Bidirectional, Dense or Embedding of course_lib, but got a "
        f"{type(layer).__name__}. Build other layers in Keras and pass their weights by set_weights."
    )


def compare(
    layer: Layer, x: np.ndarray, *, initial_state: Any = None, mask: np.ndarray | None = None, rng: np.random.Generator
) -> dict[str, float]:
    """Measure how far a recurrent layer of ours and its Keras layer are apart, in everything that they compute.

    Both process ``x``; then the same random gradients of every output and every final state are backpropagated.

    Parameters
    ----------
    layer : SimpleRNN, LSTM, GRU or Bidirectional
        In float64, or the digits of float32 are what is measured.
    x : (batch, time, features)
        The inputs.
    initial_state : optional
        As ``layer.forward`` takes it; zeros without it.
    mask : (batch, time) of bool, optional
        True where a step is real; all are by default.
    rng : numpy.random.Generator
        Draws the gradients.

    Returns
    -------
    dict of str to float
        The largest difference of any number in: "outputs", "states", "gradient of x", "gradient of the initial state"
        (where one is given), and "gradient of " each weight, such as "gradient of kernel". NaN if either side has one.
    """
    keras_layer = to_keras(layer)
    watched = [tf.constant(x)] + ([] if initial_state is None else [tf.constant(s) for s in _flat(initial_state)])
    with tf.GradientTape() as tape:
        tape.watch(watched)
        outputs, *states = keras_layer(
            watched[0], initial_state=watched[1:] or None, mask=None if mask is None else tf.constant(mask)
        )
        d_outputs, *d_states = (rng.normal(size=part.shape).astype(layer.dtype) for part in (outputs, *states))
        loss = tf.reduce_sum(outputs * d_outputs)
        loss += sum(tf.reduce_sum(state * d) for state, d in zip(states, d_states, strict=True))
    gradients = tape.gradient(loss, [*watched, *keras_layer.trainable_variables], unconnected_gradients="zero")

    our_outputs, our_states = layer.forward(x, initial_state, mask)
    dx, d_initial = layer.backward(d_outputs, _nested_like(our_states, iter(d_states)))
    d_initials = [] if initial_state is None else _flat(d_initial)
    names = ["x", *["the initial state"] * len(d_initials), *layer.weight_names]
    pairs = [
        ("outputs", our_outputs, outputs),
        *(("states", ours, theirs) for ours, theirs in zip(_flat(our_states), states, strict=True)),
        *(
            (f"gradient of {name}", ours, theirs)
            for name, ours, theirs in zip(names, [dx, *d_initials, *layer.grads], gradients, strict=True)
        ),
    ]
    found = {}
    for name, ours, theirs in pairs:
        difference = np.abs(ours - np.asarray(theirs)).max()
        found[name] = float(np.maximum(found.get(name, 0.0), difference))  # passes NaN on, which max may not
    return found


def _flat(nested):
    """Keras' flat list of states from ours, which may be a pair, or a pair of pairs."""
    return [array for part in nested for array in _flat(part)] if isinstance(nested, tuple | list) else [nested]


def _nested_like(nested, arrays):
    """A flat list of states in the nesting of ours."""
    return tuple(_nested_like(part, arrays) for part in nested) if isinstance(nested, tuple) else next(arrays)


# ---------------------------------------------------------------------------------------------------------------------
# Models of lesson 08
# ---------------------------------------------------------------------------------------------------------------------
def lstm_stack(
    layers: int, units: int, dropout: float, return_sequences: bool, learning_rate: float = 1e-3, symbols: int = 27
) -> keras.Model:
    """Stacked LSTM layers with dropout, and a softmax: after the last step, or at every step.

    Parameters
    ----------
    layers, units : int
        How many layers, and units in each.
    dropout : float
        The share of each layer's outputs that is set to 0 while training; recurrent connections have no dropout.
    return_sequences : bool
        Whether to predict at every step: (batch, time, symbols), instead of once: (batch, symbols).
    learning_rate : float
        Of Adam; Keras' default.
    symbols : int
        One-hot size of inputs and outputs.

    Returns
    -------
    keras.Model
        Compiled, with the cross-entropy of one-hot targets.

    References
    ----------
    Zaremba, Sutskever and Vinyals 2014, Recurrent neural network regularization (dropout between layers only).
    """
    stack = keras.Sequential([keras.layers.Input((None, symbols))])
    for layer in range(layers):
        last = layer == layers - 1
        stack.add(keras.layers.LSTM(units, return_sequences=return_sequences or not last))
        stack.add(keras.layers.Dropout(dropout))
    stack.add(keras.layers.Dense(symbols, activation="softmax"))
    stack.compile(optimizer=keras.optimizers.Adam(learning_rate), loss="categorical_crossentropy")
    return stack


def syllable_counter(mask: bool) -> keras.Model:
    """A GRU that classifies words by their number of syllables, with or without a mask for padding.

    Parameters
    ----------
    mask : bool
        Whether id 0 is padding that the GRU passes over.

    Returns
    -------
    keras.Model
        Ids of letters (batch, time) to logits for one to five syllables (batch, 5); compiled.
    """
    model = keras.Sequential(
        [
            keras.layers.Input((None,)),
            keras.layers.Embedding(27, 16, mask_zero=mask),
            keras.layers.GRU(32),
            keras.layers.Dense(5),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(3e-3), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model


def forecaster(years: int) -> keras.Model:
    """A GRU that predicts the next value of a series.

    Parameters
    ----------
    years : int
        How many past values it gets.

    Returns
    -------
    keras.Model
        The last values (batch, years, 1) to the next (batch, 1); compiled.
    """
    model = keras.Sequential([keras.layers.Input((years, 1)), keras.layers.GRU(16), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.Adam(1e-2), loss="mse")
    return model


# ---------------------------------------------------------------------------------------------------------------------
# The model of lesson 06
# ---------------------------------------------------------------------------------------------------------------------
def letter_model(size: int, updates: int) -> keras.Model:
    """An LSTM of 110 units that predicts the next letter at every step.

    Parameters
    ----------
    size : int
        How many letters there are.
    updates : int
        How many updates the training has: over these the learning rate falls from 0.03 to nearly 0.

    Returns
    -------
    keras.Model
        Ids of letters (batch, time) to logits (batch, time, size); compiled.
    """
    model = keras.Sequential(
        [
            keras.Input((None,)),
            keras.layers.Embedding(size, 32),
            keras.layers.LSTM(110, return_sequences=True),
            keras.layers.Dense(size),
        ]
    )
    rate = keras.optimizers.schedules.PolynomialDecay(0.03, updates, 1e-4)
    model.compile(
        optimizer=keras.optimizers.Adam(rate, global_clipnorm=1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model
