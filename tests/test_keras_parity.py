"""Our layers, losses and optimisers against Keras in float64: outputs, states and every gradient to 1e-10."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.layers import (
    ACTIVATIONS,
    Dense,
    Embedding,
    MeanSquaredError,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    orthogonal,
)
from course_lib.optimizers import SGD, Adam, Momentum
from course_lib.recurrent import SimpleRNN

tf = pytest.importorskip("tensorflow", reason="TensorFlow has no wheel for this platform")
keras = tf.keras
CLOSE = dict(rtol=0, atol=1e-10)


@given(
    batch=st.integers(1, 3),
    time=st.integers(1, 5),
    features=st.integers(1, 3),
    units=st.integers(1, 4),
    seed=st.integers(0, 999),
    masked=st.booleans(),
    started=st.booleans(),
)
@settings(max_examples=15)
def test_simple_rnn(batch, time, features, units, seed, masked, started):
    rng = np.random.default_rng(seed)
    ours = SimpleRNN(features, units, rng=rng, dtype=np.float64)
    ours.bias[:] = rng.normal(size=units)
    theirs = keras.layers.SimpleRNN(units, return_sequences=True, return_state=True, dtype="float64")
    theirs.build((batch, time, features))
    theirs.set_weights(ours.get_weights())
    x, h0 = (
        rng.normal(size=(batch, time, features)),
        rng.normal(size=(batch, units)) if started else np.zeros((batch, units)),
    )
    mask = rng.random((batch, time)) < 0.6 if masked else None
    blame, blame_state = rng.normal(size=(batch, time, units)), rng.normal(size=(batch, units))

    tx, th = tf.constant(x), tf.constant(h0)
    with tf.GradientTape() as tape:
        tape.watch([tx, th])
        outputs, state = theirs(tx, initial_state=th, mask=None if mask is None else tf.constant(mask))
        loss = tf.reduce_sum(outputs * blame) + tf.reduce_sum(state * blame_state)
    expected = tape.gradient(loss, [tx, th, *theirs.trainable_variables], unconnected_gradients="zero")

    our_outputs, our_state = ours.forward(x, h0, mask)
    dx, dh0 = ours.backward(blame, blame_state)
    np.testing.assert_allclose(our_outputs, outputs, **CLOSE)
    np.testing.assert_allclose(our_state, state, **CLOSE)
    for mine, keras_gradient in zip([dx, dh0, *ours.grads], expected, strict=True):
        np.testing.assert_allclose(mine, keras_gradient, **CLOSE)
    ours.set_weights(theirs.get_weights())  # and back


@given(seed=st.integers(0, 999), activation=st.sampled_from(sorted(ACTIVATIONS)))
@settings(max_examples=10)
def test_dense(seed, activation):
    rng = np.random.default_rng(seed)
    ours = Dense(3, 2, rng=rng, activation=activation, dtype=np.float64)
    theirs = keras.layers.Dense(2, activation=activation, dtype="float64")
    theirs.build((None, 3))
    theirs.set_weights(ours.get_weights())
    x, blame = rng.normal(size=(2, 4, 3)), rng.normal(size=(2, 4, 2))
    tx = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tx)
        y = theirs(tx)
        loss = tf.reduce_sum(y * blame)
    expected = tape.gradient(loss, [tx, *theirs.trainable_variables])
    np.testing.assert_allclose(ours.forward(x), y, **CLOSE)
    for mine, keras_gradient in zip([ours.backward(blame), *ours.grads], expected, strict=True):
        np.testing.assert_allclose(mine, keras_gradient, **CLOSE)


def test_embedding():
    rng = np.random.default_rng(0)
    ours = Embedding(5, 3, rng=rng, dtype=np.float64)
    theirs = keras.layers.Embedding(5, 3, dtype="float64")
    theirs.build()
    theirs.set_weights(ours.get_weights())
    ids = rng.integers(0, 5, (2, 6))
    np.testing.assert_allclose(ours.forward(ids), theirs(ids), **CLOSE)


@given(seed=st.integers(0, 999))
@settings(max_examples=10)
def test_losses(seed):
    rng = np.random.default_rng(seed)
    scores, ids = rng.normal(size=(2, 3, 4)) * 3, rng.integers(0, 4, (2, 3))
    numbers = rng.random((2, 3, 4))
    pairs = [
        (SoftmaxCrossEntropy(), ids, lambda s: keras.losses.SparseCategoricalCrossentropy(from_logits=True)(ids, s)),
        (MeanSquaredError(), numbers, lambda s: keras.losses.MeanSquaredError()(numbers, s)),
        (SigmoidCrossEntropy(), numbers, lambda s: keras.losses.BinaryCrossentropy(from_logits=True)(numbers, s)),
    ]
    before = keras.backend.floatx()
    keras.backend.set_floatx("float64")
    try:
        for ours, targets, theirs in pairs:
            ts = tf.constant(scores)
            with tf.GradientTape() as tape:
                tape.watch(ts)
                expected = theirs(ts)
            assert ours.forward(scores, targets) == pytest.approx(float(expected), abs=1e-10)
            np.testing.assert_allclose(ours.backward(), tape.gradient(expected, ts), **CLOSE)
    finally:
        keras.backend.set_floatx(before)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda: SGD(0.1), lambda: keras.optimizers.SGD(0.1)),
        (lambda: Momentum(0.1, 0.9), lambda: keras.optimizers.SGD(0.1, momentum=0.9)),
        (lambda: Adam(0.01), lambda: keras.optimizers.Adam(0.01)),
    ],
)
def test_optimizers(ours, theirs):
    rng = np.random.default_rng(0)
    mine, variable = [rng.normal(size=(3, 2))], None
    variable = keras.Variable(mine[0], dtype="float64")
    ours, theirs = ours(), theirs()
    theirs.build([variable])
    for _ in range(20):
        g = rng.normal(size=(3, 2)) * 10 ** rng.uniform(-4, 4)
        ours.update(mine, [g])
        theirs.apply([tf.constant(g)], [variable])
    # Keras keeps the learning rate and the powers of beta in float32
    np.testing.assert_allclose(mine[0], variable.numpy(), rtol=1e-5, atol=1e-6)


def test_the_orthogonal_initialiser_spans_all_gates_at_once_as_in_keras():
    for shape in [(4, 4), (4, 16), (6, 2)]:
        ours = orthogonal(shape, np.random.default_rng(0), np.float64)
        theirs = np.asarray(keras.initializers.Orthogonal(seed=0)(shape, dtype="float64"))
        for q in (ours, theirs):
            product = q @ q.T if shape[0] <= shape[1] else q.T @ q
            np.testing.assert_allclose(product, np.eye(min(shape)), atol=1e-6)
