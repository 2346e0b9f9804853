"""The same models in Keras. The only module of the course that imports TensorFlow, and it does so quietly.

``twin(layer)`` is a Keras layer with the weights of one of ours; ``compare(layer, x)`` says how far apart the two are,
in outputs, states and every gradient. The other functions build what several lessons train.
"""

from __future__ import annotations

import os

# Read once, by TensorFlow, while it is being imported: no messages below errors, no search for a graphics card, and no
# reordered sums (the last digits then depend less on the machine). A variable that is set already is left alone.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np

from course_lib import layers, recurrent

try:
    import tensorflow as tf
except ImportError as error:
    raise ImportError(
        "This lesson needs TensorFlow, which cannot be imported here. It is in requirements.lock, except on macOS with "
        "an Intel processor and on Windows on ARM, for which it is not published: the README names other ways there. "
        "Elsewhere, build the environment anew: delete the folder .venv and run `make lab`."
    ) from error

keras = tf.keras
tf.get_logger().setLevel("ERROR")  # or a lesson that builds many small models is told, each time, that it does


# ---------------------------------------------------------------------------------------------------------------------
# The same weights, there and here
# ---------------------------------------------------------------------------------------------------------------------
def twin(layer, *, return_sequences=True, return_state=True):
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
        Built, and independent of ours from here on. The way back is ``layer.set_weights(theirs.get_weights())``.

    Raises
    ------
    TypeError
        If there is no such Keras layer.
    """
    theirs, features = _unbuilt(layer, return_sequences, return_state)
    if isinstance(layer, layers.Embedding):
        theirs.build()
    elif isinstance(layer, layers.Dense):
        theirs.build((None, features))
    else:
        theirs.build((None, None, features))
    theirs.set_weights(layer.get_weights())
    return theirs


def _unbuilt(layer, return_sequences, return_state):
    """The Keras layer of the same kind and sizes, and the number of features that it takes."""
    dtype = layer.weights[0].dtype.name if getattr(layer, "weights", None) else None
    returns = dict(return_sequences=return_sequences, return_state=return_state, dtype=dtype)
    if isinstance(layer, recurrent.Bidirectional):
        forwards, features = _unbuilt(layer.forward_layer, return_sequences, return_state)
        backwards, _ = _unbuilt(layer.backward_layer, return_sequences, return_state)
        backwards.go_backwards = True
        return keras.layers.Bidirectional(forwards, backward_layer=backwards, dtype=dtype), features
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
        f"twin takes a SimpleRNN, LSTM, GRU, Bidirectional, Dense or Embedding of course_lib, but "
        f"{type(layer).__name__} came."
    )


def compare(layer, x, *, initial_state=None, mask=None, rng):
    """How far a recurrent layer of ours and its Keras twin are apart, in everything that they compute.

    Both read ``x``; then both carry the same random blame back from every output and every final state.

    Parameters
    ----------
    layer : SimpleRNN, LSTM, GRU or Bidirectional
        In float64, or the digits of float32 are what is measured.
    x : (batch, time, features)
    initial_state : optional
        As ``layer.forward`` takes it; zeros without it.
    mask : (batch, time) of bool, optional
    rng : numpy.random.Generator
        Draws the blame.

    Returns
    -------
    dict of str to float
        The largest difference of any number in: "outputs", "states", "gradient of x", "gradient of the initial state"
        (where one is given), and "gradient of " each weight, such as "gradient of kernel".
    """
    theirs = twin(layer)
    watched = [tf.constant(x)] + ([] if initial_state is None else [tf.constant(s) for s in _flat(initial_state)])
    with tf.GradientTape() as tape:
        tape.watch(watched)
        outputs, *states = theirs(
            watched[0], initial_state=watched[1:] or None, mask=None if mask is None else tf.constant(mask)
        )
        gradient, *state_gradients = (rng.normal(size=part.shape).astype(layer.dtype) for part in (outputs, *states))
        loss = tf.reduce_sum(outputs * gradient)
        loss += sum(tf.reduce_sum(state * b) for state, b in zip(states, state_gradients, strict=True))
    gradients = tape.gradient(loss, [*watched, *theirs.trainable_variables], unconnected_gradients="zero")

    our_outputs, our_states = layer.forward(x, initial_state, mask)
    dx, d_initial = layer.backward(gradient, _like(our_states, iter(state_gradients)))
    d_initials = [] if initial_state is None else _flat(d_initial)
    names = ["x", *["the initial state"] * len(d_initials), *layer.weight_names]
    found = {
        "outputs": _apart(our_outputs, outputs),
        "states": max(_apart(ours, keras_s) for ours, keras_s in zip(_flat(our_states), states, strict=True)),
    }
    for name, ours, keras_g in zip(names, [dx, *d_initials, *layer.grads], gradients, strict=True):
        name = f"gradient of {name}"
        found[name] = max(found.get(name, 0.0), _apart(ours, keras_g))
    return found


def _apart(ours, theirs):
    return float(np.abs(ours - np.asarray(theirs)).max())


def _flat(nested):
    """Keras' flat list of states from ours, which may be a pair, or a pair of pairs."""
    return [array for part in nested for array in _flat(part)] if isinstance(nested, tuple | list) else [nested]


def _like(nested, arrays):
    """A flat list of states in the nesting of ours."""
    return tuple(_like(part, arrays) for part in nested) if isinstance(nested, tuple) else next(arrays)


# ---------------------------------------------------------------------------------------------------------------------
# Models of lesson 08
# ---------------------------------------------------------------------------------------------------------------------
def lstm_stack(layers, units, dropout, every_step, learning_rate=1e-3, symbols=27):
    """LSTM and dropout, one above the other, and a softmax: after the last step, or at every step.

    Parameters
    ----------
    layers, units : int
    dropout : float
        What share of each layer's outputs is silenced while training; the recurrent connections are left alone.
    every_step : bool
        Whether to answer at every step: (batch, time, symbols), instead of once: (batch, symbols).
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
        stack.add(keras.layers.LSTM(units, return_sequences=every_step or not last))
        stack.add(keras.layers.Dropout(dropout))
    stack.add(keras.layers.Dense(symbols, activation="softmax"))
    stack.compile(optimizer=keras.optimizers.Adam(learning_rate), loss="categorical_crossentropy")
    return stack


def syllable_counter(mask):
    """Ids of letters (batch, time), 0 for filling, to scores for one to five syllables (batch, 5)."""
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


def forecaster(years):
    """The last ``years`` values of a series (batch, years, 1) to the next (batch, 1)."""
    model = keras.Sequential([keras.layers.Input((years, 1)), keras.layers.GRU(16), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.Adam(1e-2), loss="mse")
    return model
