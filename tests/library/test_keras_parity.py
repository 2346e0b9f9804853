"""Our layers, losses and optimisers against Keras in float64: outputs, states and every gradient to 1e-10."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.layers import ACTIVATIONS, Dense, Dropout, Embedding, LayerNormalization, orthogonal
from course_lib.losses import MeanSquaredError, SigmoidCrossEntropy, SoftmaxCrossEntropy
from course_lib.optimizers import SGD, Adam, Momentum
from course_lib.recurrent import GRU, LSTM, Bidirectional, SimpleRNN

tf = pytest.importorskip("tensorflow", reason="TensorFlow has no wheel for this platform")
keras = tf.keras
CLOSE = dict(rtol=0, atol=1e-10)


OURS = {
    "SimpleRNN": SimpleRNN,
    "LSTM": LSTM,
    "GRU": GRU,
    "GRU, reset before": lambda *sizes, **more: GRU(*sizes, reset_after=False, **more),
}
THEIRS = {
    "SimpleRNN": keras.layers.SimpleRNN,
    "LSTM": keras.layers.LSTM,
    "GRU": keras.layers.GRU,
    "GRU, reset before": lambda *sizes, **more: keras.layers.GRU(*sizes, reset_after=False, **more),
}


def as_keras(kind, arrays):
    """Our state, a pair for an LSTM, from Keras' flat list."""
    return tuple(arrays) if kind == "LSTM" else arrays[0]


def flat(nested):
    """Keras' flat list from our states."""
    return [array for part in nested for array in flat(part)] if isinstance(nested, tuple) else [nested]


def assert_equal_to_keras(ours, theirs, x, starts, mask, rng):
    """Outputs, states and the gradients of everything; ``starts`` is our state, or None to begin at zeros."""
    tx = tf.constant(x)
    tstarts = None if starts is None else [tf.constant(s) for s in flat(starts)]
    tmask = None if mask is None else tf.constant(mask)
    with tf.GradientTape() as tape:
        watched = [tx, *(tstarts or [])]
        tape.watch(watched)
        outputs, *states = theirs(tx, initial_state=tstarts, mask=tmask)
        gradient, gradient_states = rng.normal(size=outputs.shape), [rng.normal(size=s.shape) for s in states]
        loss = tf.reduce_sum(outputs * gradient)
        loss += sum(tf.reduce_sum(d * state) for d, state in zip(gradient_states, states, strict=True))
    expected = tape.gradient(loss, [*watched, *theirs.trainable_variables], unconnected_gradients="zero")

    our_outputs, our_states = ours.forward(x, starts, mask)
    dx, d_starts = ours.backward(gradient, nested_like(our_states, iter(gradient_states)))
    np.testing.assert_allclose(our_outputs, outputs, **CLOSE)
    for mine, keras_state in zip(flat(our_states), states, strict=True):
        np.testing.assert_allclose(mine, keras_state, **CLOSE)
    gradients = [dx, *(flat(d_starts) if starts is not None else []), *ours.grads]
    for mine, keras_gradient in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(mine, keras_gradient, **CLOSE)


def nested_like(states, arrays):
    """Keras' flat list in the nesting of our states."""
    return tuple(nested_like(s, arrays) for s in states) if isinstance(states, tuple) else next(arrays)


def random_start(kind, batch, units, rng):
    return as_keras(kind, list(rng.normal(size=(2 if kind == "LSTM" else 1, batch, units))))


sequences_of_any_size = dict(
    batch=st.integers(1, 3),
    time=st.integers(1, 5),
    features=st.integers(1, 3),
    units=st.integers(1, 4),
    seed=st.integers(0, 999),
    masked=st.booleans(),
    started=st.booleans(),
)


@pytest.mark.parametrize("kind", OURS)
@given(**sequences_of_any_size)
@settings(max_examples=15)
def test_recurrent_layers(kind, batch, time, features, units, seed, masked, started):
    rng = np.random.default_rng(seed)
    ours = OURS[kind](features, units, rng=rng, dtype=np.float64)
    theirs = THEIRS[kind](units, return_sequences=True, return_state=True, dtype="float64")
    theirs.build((batch, time, features))
    ours.set_weights([rng.normal(size=w.shape) for w in theirs.get_weights()])
    theirs.set_weights(ours.get_weights())  # there, and below back again
    x, starts = rng.normal(size=(batch, time, features)), random_start(kind, batch, units, rng) if started else None
    mask = rng.random((batch, time)) < 0.6 if masked else None
    assert_equal_to_keras(ours, theirs, x, starts, mask, rng)
    theirs.set_weights([rng.normal(size=w.shape) for w in theirs.get_weights()])
    ours.set_weights(theirs.get_weights())
    assert_equal_to_keras(ours, theirs, x, starts, mask, rng)


@pytest.mark.parametrize("kind", OURS)
@given(**sequences_of_any_size)
@settings(max_examples=10)
def test_bidirectional(kind, batch, time, features, units, seed, masked, started):
    rng = np.random.default_rng(seed)
    ours = Bidirectional(*(OURS[kind](features, units, rng=rng, dtype=np.float64) for _ in range(2)))
    one_way = THEIRS[kind](units, return_sequences=True, return_state=True, dtype="float64")
    theirs = keras.layers.Bidirectional(one_way, dtype="float64")
    theirs.build((batch, time, features))
    ours.set_weights([rng.normal(size=w.shape) for w in theirs.get_weights()])
    theirs.set_weights(ours.get_weights())
    x = rng.normal(size=(batch, time, features))
    starts = tuple(random_start(kind, batch, units, rng) for _ in range(2)) if started else None
    mask = rng.random((batch, time)) < 0.6 if masked else None
    assert_equal_to_keras(ours, theirs, x, starts, mask, rng)
    ours.set_weights(theirs.get_weights())


@pytest.mark.parametrize("kind", OURS)
def test_starting_values_have_keras_shapes_and_sizes(kind):
    rng, many = np.random.default_rng(0), 40
    ours = OURS[kind](3, many, rng=rng)
    theirs = THEIRS[kind](many)
    theirs.build((1, 1, 3))
    for mine, keras_weight in zip(ours.weights, theirs.get_weights(), strict=True):
        assert (mine.shape, mine.dtype) == (keras_weight.shape, keras_weight.dtype)
    (kernel, recurrent_kernel, bias), (kernel_k, recurrent_k, bias_k) = ours.weights, theirs.get_weights()
    assert np.abs(kernel).max() == pytest.approx(np.abs(kernel_k).max(), rel=0.1)  # the same limits
    assert kernel.std() == pytest.approx(kernel_k.std(), rel=0.2)
    for w in (recurrent_kernel, recurrent_k):
        np.testing.assert_allclose(w @ w.T, np.eye(many), atol=1e-5)
    np.testing.assert_array_equal(bias, bias_k)  # an LSTM's forget bias is 1 in both


@given(seed=st.integers(0, 999), activation=st.sampled_from(sorted(ACTIVATIONS)))
@settings(max_examples=10)
def test_dense(seed, activation):
    rng = np.random.default_rng(seed)
    ours = Dense(3, 2, rng=rng, activation=activation, dtype=np.float64)
    theirs = keras.layers.Dense(2, activation=activation, dtype="float64")
    theirs.build((None, 3))
    theirs.set_weights(ours.get_weights())
    x, gradient = rng.normal(size=(2, 4, 3)), rng.normal(size=(2, 4, 2))
    tx = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tx)
        y = theirs(tx)
        loss = tf.reduce_sum(y * gradient)
    expected = tape.gradient(loss, [tx, *theirs.trainable_variables])
    np.testing.assert_allclose(ours.forward(x), y, **CLOSE)
    for mine, keras_gradient in zip([ours.backward(gradient), *ours.grads], expected, strict=True):
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


# ------------------------------------------------------------------------- initial values; defaults: test_defaults.py
def built(layer, shape):
    layer.build(shape)
    return layer


def test_the_one_default_that_differs_says_so():
    assert LayerNormalization(1).epsilon == 1e-5
    assert keras.layers.LayerNormalization().epsilon == 1e-3
    assert "The default is PyTorch's; Keras' is 1e-3" in LayerNormalization.__doc__


def test_initial_values_have_keras_ranges():
    """Each draw against Keras' own: same limits, same spread."""
    rng = np.random.default_rng(0)
    pairs = [
        (Dense(60, 40, rng=rng).kernel, built(keras.layers.Dense(40), (None, 60)).get_weights()[0]),
        (Embedding(200, 50, rng=rng).kernel, built(keras.layers.Embedding(200, 50), None).get_weights()[0]),
    ]
    for ours, theirs in pairs:
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.02)
        assert ours.std() == pytest.approx(theirs.std(), rel=0.05)
    start = built(keras.layers.LayerNormalization(), (None, 3)).get_weights()
    for ours, theirs in zip(LayerNormalization(3).weights, start, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_dropout_scales_as_keras_does():
    x = np.ones((100, 100), np.float32)
    ours = Dropout(0.25, rng=np.random.default_rng(0))
    theirs = keras.layers.Dropout(0.25, seed=0)
    assert set(np.unique(ours.forward(x, training=True))) == set(np.unique(theirs(x, training=True)))
    np.testing.assert_array_equal(ours.forward(x), theirs(x))


@given(seed=st.integers(0, 999))
@settings(max_examples=10)
def test_layer_normalization(seed):
    rng = np.random.default_rng(seed)
    ours = LayerNormalization(6, epsilon=1e-3, dtype=np.float64)
    theirs = built(keras.layers.LayerNormalization(dtype="float64"), (None, 6))
    ours.set_weights([rng.normal(size=6), rng.normal(size=6)])
    theirs.set_weights(ours.get_weights())
    x, gradient = rng.normal(scale=0.1, size=(2, 3, 6)), rng.normal(size=(2, 3, 6))
    tx = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tx)
        y = theirs(tx)
        loss = tf.reduce_sum(y * gradient)
    expected = tape.gradient(loss, [tx, *theirs.trainable_variables])
    np.testing.assert_allclose(ours.forward(x), y, **CLOSE)
    for mine, keras_gradient in zip([ours.backward(gradient), *ours.grads], expected, strict=True):
        np.testing.assert_allclose(mine, keras_gradient, **CLOSE)
