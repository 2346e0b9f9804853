"""The library's public defaults in one table, held against Keras' own where they are meant to be the same."""

import inspect

import numpy as np
import pytest

from course_lib import layers, metrics, model, optimizers, recurrent, sequences

OURS = {  # every default of every argument that has one
    optimizers.SGD: {},
    optimizers.Momentum: {"momentum": 0.9},
    optimizers.Adam: {"learning_rate": 1e-3, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7},
    layers.Dense: {"activation": "linear"},
    layers.Embedding: {},
    layers.Dropout: {},
    layers.LayerNormalization: {"epsilon": 1e-5},
    recurrent.SimpleRNN: {},
    recurrent.LSTM: {"forget_bias": 1.0},
    recurrent.GRU: {"reset_after": True},
    model.Model: {"metrics": ()},
    model.Model.forward: {"mask": None, "initial_states": None, "training": False},
    model.Model.backward: {"input_gradient": True},
    model.Model.train_on_batch: {"mask": None, "clip_norm": None, "initial_states": None},
    model.Model.fit: {
        "y": None,
        "mask": None,
        "epochs": 1,
        "batch_size": 32,
        "rng": None,
        "steps": None,
        "validation_data": None,
        "clip_norm": None,
        "carry_state": False,
        "callbacks": (),
        "progress": None,
    },
    model.Model.evaluate: {"mask": None, "batch_size": 256, "return_dict": False},
    model.Model.predict: {"mask": None, "batch_size": 256},
    model.Model.save: {"optimizer": None},
    metrics.accuracy: {"mask": None},
    metrics.evaluate_text: {"batch_size": 1, "length": 64},
    sequences.pad: {"value": 0},
    sequences.windows: {"stride": 1},
}


@pytest.mark.parametrize("function", OURS, ids=lambda function: function.__qualname__)
def test_defaults(function):
    found = {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is not parameter.empty
    }
    if "dtype" in found:
        assert found.pop("dtype") is np.float32
    assert found == OURS[function]


def test_what_is_as_in_keras():
    """Ours, Keras' own name for it, and Keras' own value, read from its signatures."""
    keras = pytest.importorskip("keras")

    def theirs(function, name):
        return inspect.signature(function).parameters[name].default

    def ours(function, name):
        return OURS[function][name]

    adam = keras.optimizers.Adam
    for name in ("learning_rate", "beta_1", "beta_2", "epsilon"):
        assert ours(optimizers.Adam, name) == theirs(adam, name), name
    assert ours(model.Model.fit, "epochs") == theirs(keras.Model.fit, "epochs")
    assert theirs(keras.Model.fit, "batch_size") is None  # so it is counted: 64 rows make two updates, 65 three
    network = keras.Sequential([keras.layers.Dense(1)])
    network.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=True)
    rows, counts = ours(model.Model.fit, "batch_size"), []
    for x in (np.zeros((2 * rows, 1)), np.zeros((2 * rows + 1, 1))):
        before = int(network.optimizer.iterations)
        network.fit(x, x, verbose=0)
        counts.append(int(network.optimizer.iterations) - before)
    assert counts == [2, 3]
    assert ours(recurrent.GRU, "reset_after") == theirs(keras.layers.GRU, "reset_after")
    assert ours(recurrent.LSTM, "forget_bias") == float(theirs(keras.layers.LSTM, "unit_forget_bias"))
    assert theirs(keras.layers.Dense, "activation") is None
    assert keras.activations.get(None) is keras.activations.get(ours(layers.Dense, "activation"))
    for kind in (keras.layers.Dense, keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN):
        assert theirs(kind, "kernel_initializer") == "glorot_uniform"
        assert theirs(kind, "bias_initializer") == "zeros"
    for kind in (keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN):
        assert theirs(kind, "recurrent_initializer") == "orthogonal"
    uniform = keras.initializers.get(theirs(keras.layers.Embedding, "embeddings_initializer"))
    assert (uniform.minval, uniform.maxval) == (-0.05, 0.05)
    assert theirs(keras.Model.evaluate, "return_dict") == ours(model.Model.evaluate, "return_dict")
