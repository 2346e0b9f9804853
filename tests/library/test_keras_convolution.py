"""Convolution and pooling against Keras in float64: outputs and every gradient to 1e-10."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.convolution import Conv1D, Conv2D, Flatten, GlobalMaxPooling1D, MaxPooling1D, MaxPooling2D

tf = pytest.importorskip("tensorflow", reason="TensorFlow has no wheel for this platform")
keras = tf.keras
CLOSE = dict(rtol=0, atol=1e-10)


def assert_equal_to_keras(ours, theirs, x, rng):
    """Outputs, and the gradients of the input and of every parameter; weights go there and back again."""
    tx = tf.constant(x)
    theirs.build(x.shape)
    theirs.set_weights([rng.normal(size=w.shape) for w in ours.get_weights()])
    ours.set_weights(theirs.get_weights())
    with tf.GradientTape() as tape:
        tape.watch(tx)
        y = theirs(tx)
        gradient = rng.normal(size=y.shape)
        loss = tf.reduce_sum(y * gradient)
    expected = tape.gradient(loss, [tx, *theirs.trainable_variables])
    np.testing.assert_allclose(ours.forward(x), y, **CLOSE)
    for mine, keras_gradient in zip([ours.backward(gradient), *ours.grads], expected, strict=True):
        np.testing.assert_allclose(mine, keras_gradient, **CLOSE)


@given(
    seed=st.integers(0, 999),
    size=st.integers(1, 4),
    strides=st.integers(1, 3),
    padding=st.sampled_from(["valid", "same", "causal"]),
    activation=st.sampled_from(["linear", "relu", "tanh"]),
)
@settings(max_examples=12)
def test_conv1d(seed, size, strides, padding, activation):
    rng, how = np.random.default_rng(seed), dict(strides=strides, padding=padding, activation=activation)
    ours = Conv1D(3, 2, size, rng=rng, dtype=np.float64, **how)
    assert_equal_to_keras(ours, keras.layers.Conv1D(2, size, dtype="float64", **how), rng.normal(size=(2, 7, 3)), rng)


@given(
    seed=st.integers(0, 999),
    size=st.integers(1, 3) | st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.integers(1, 2) | st.tuples(st.integers(1, 2), st.integers(1, 2)),
    padding=st.sampled_from(["valid", "same"]),
)
@settings(max_examples=12)
def test_conv2d(seed, size, strides, padding):
    rng, how = np.random.default_rng(seed), dict(strides=strides, padding=padding)
    ours = Conv2D(2, 3, size, rng=rng, dtype=np.float64, **how)
    theirs = keras.layers.Conv2D(3, size, dtype="float64", **how)
    assert_equal_to_keras(ours, theirs, rng.normal(size=(2, 5, 6, 2)), rng)


@given(
    seed=st.integers(0, 999),
    size=st.integers(1, 3),
    strides=st.integers(1, 3) | st.none(),
    padding=st.sampled_from(["valid", "same"]),
    ties=st.booleans(),
)
@settings(max_examples=12)
def test_pooling(seed, size, strides, padding, ties):
    rng, how = np.random.default_rng(seed), dict(strides=strides, padding=padding)
    series, picture = rng.normal(size=(2, 7, 3)), rng.normal(size=(2, 4, 5, 2))
    if ties:  # as behind a relu
        series, picture = np.maximum(series, 0), np.maximum(picture, 0)
    layers = keras.layers
    assert_equal_to_keras(MaxPooling1D(size, **how), layers.MaxPooling1D(size, dtype="float64", **how), series, rng)
    assert_equal_to_keras(MaxPooling2D(size, **how), layers.MaxPooling2D(size, dtype="float64", **how), picture, rng)


def test_global_pooling_and_flatten():
    rng = np.random.default_rng(0)
    series, picture = rng.normal(size=(2, 7, 3)), rng.normal(size=(2, 4, 5, 2))
    assert_equal_to_keras(GlobalMaxPooling1D(), keras.layers.GlobalMaxPooling1D(dtype="float64"), series, rng)
    assert_equal_to_keras(Flatten(), keras.layers.Flatten(dtype="float64"), picture, rng)


@pytest.mark.parametrize("name", ["Conv1D", "Conv2D"])
def test_initial_values_have_keras_shapes_and_limits(name):
    kind = {"Conv1D": Conv1D, "Conv2D": Conv2D}[name]
    ours, theirs = kind(20, 30, 5, rng=np.random.default_rng(0)), getattr(keras.layers, name)(30, 5)
    theirs.build((1, 9, 20) if kind is Conv1D else (1, 9, 9, 20))
    for mine, keras_weight in zip(ours.weights, theirs.get_weights(), strict=True):
        assert (mine.shape, mine.dtype) == (keras_weight.shape, keras_weight.dtype)
    assert np.abs(ours.kernel).max() == pytest.approx(np.abs(theirs.get_weights()[0]).max(), rel=0.02)
    assert ours.kernel.std() == pytest.approx(theirs.get_weights()[0].std(), rel=0.05)


def test_defaults_are_those_of_keras():
    for kind in (Conv1D, Conv2D, MaxPooling1D, MaxPooling2D):
        mine = inspect.signature(kind).parameters
        theirs = inspect.signature(getattr(keras.layers, kind.__name__)).parameters
        for name in ("strides", "padding", "pool_size"):
            if name in mine:
                value = theirs[name].default
                assert mine[name].default in (value, value[0] if value == (1, 1) else value), (kind, name)
    assert inspect.signature(Conv1D).parameters["activation"].default == "linear"  # Keras' None
