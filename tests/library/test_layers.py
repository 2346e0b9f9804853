"""Layers without memory: gradients, dtypes, what a class is saved by, errors in words."""

import json

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from course_lib.gradients import check_gradients
from course_lib.layers import (
    ACTIVATIONS,
    LAYERS,
    Dense,
    Dropout,
    Embedding,
    LastStep,
    Layer,
    LayerNormalization,
    glorot_uniform,
    orthogonal,
    softmax,
)
from course_lib.recurrent import GRU, LSTM, Bidirectional, SimpleRNN


@given(seed=st.integers(0, 999), activation=st.sampled_from(sorted(ACTIVATIONS)), shape=st.sampled_from([(4,), (2, 3)]))
def test_dense_gradients(seed, activation, shape):
    rng = np.random.default_rng(seed)
    layer = Dense(3, 2, rng=rng, activation=activation, dtype=np.float64)
    layer.bias[:] = rng.normal(size=2)
    x, gradient = rng.normal(size=(*shape, 3)), rng.normal(size=(*shape, 2))
    if activation == "relu":  # finite differences cannot see a kink: take examples away from it
        assume(np.abs(x @ layer.kernel + layer.bias).min() > 1e-4)

    def loss():
        return np.sum(gradient * layer.forward(x))

    loss()
    dx = layer.backward(gradient)
    check_gradients(
        loss,
        {"x": x, "kernel": layer.kernel, "bias": layer.bias},
        {"x": dx, "kernel": layer.grads[0], "bias": layer.grads[1]},
    )


@given(seed=st.integers(0, 999))
def test_embedding_is_one_hot_times_matrix(seed):
    rng = np.random.default_rng(seed)
    layer = Embedding(5, 3, rng=rng, dtype=np.float64)
    ids, gradient = rng.integers(0, 5, (2, 4)), rng.normal(size=(2, 4, 3))
    hot = np.eye(5)[ids]
    np.testing.assert_array_equal(layer.forward(ids), hot @ layer.kernel)
    layer.backward(gradient)
    np.testing.assert_allclose(layer.grads[0], np.einsum("bts,btu->su", hot, gradient), atol=1e-12)


def test_dropout_keeps_the_mean_and_its_gradient_passes_where_it_did():
    layer = Dropout(0.25, rng=np.random.default_rng(0))
    x = np.ones((200, 500), np.float32)
    y = layer.forward(x, training=True)
    assert set(np.unique(y)) == {0, np.float32(4 / 3)}
    assert abs(y.mean() - 1) < 4 * np.sqrt(0.25 / 0.75 / x.size)  # four standard errors
    np.testing.assert_array_equal(layer.backward(x), y)
    np.testing.assert_array_equal(layer.forward(x), x)


def test_last_step_returns_the_gradient_to_the_last_step():
    layer, x = LastStep(), np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(layer.forward(x), x[:, 2])
    dx = layer.backward(np.ones((2, 4)))
    assert dx.shape == x.shape
    assert dx[:, :2].sum() == 0
    assert dx[:, 2].sum() == 8


def test_extreme_sums_stay_finite():
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_array_equal(softmax(np.array([1e4, -1e4])), [1, 0])
        np.testing.assert_array_equal(ACTIVATIONS["sigmoid"][0](np.array([-1e4, 1e4])), [0, 1])


@given(rows=st.integers(1, 12), columns=st.integers(1, 40), seed=st.integers(0, 99))
def test_orthogonal_has_orthonormal_rows_or_columns(rows, columns, seed):
    q = orthogonal((rows, columns), np.random.default_rng(seed), np.float64)
    assert q.shape == (rows, columns)
    product = q @ q.T if rows <= columns else q.T @ q
    np.testing.assert_allclose(product, np.eye(min(rows, columns)), atol=1e-12)


def test_glorot_uniform_fills_its_range():
    w = glorot_uniform((100, 50), np.random.default_rng(0))
    assert w.dtype == np.float32
    assert 0.19 < np.abs(w).max() <= np.sqrt(6 / 150)


RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("error", "says", "mistake"),
    [
        (ValueError, r"made for 3 features.*\(2, 4\)", lambda: Dense(3, 2, rng=RNG).forward(np.zeros((2, 4)))),
        (TypeError, "one_hot or an Embedding", lambda: Dense(3, 2, rng=RNG).forward(np.zeros((2, 3), int))),
        (
            ValueError,
            "linear, sigmoid, tanh, relu, but got 'softmax'",
            lambda: Dense(3, 2, rng=RNG, activation="softmax"),
        ),
        (RuntimeError, "backward was called before forward", lambda: Dense(3, 2, rng=RNG).backward(np.zeros((2, 2)))),
        (ValueError, "rows 0 to 4, but got ids from 5 to 5", lambda: Embedding(5, 3, rng=RNG).forward(np.array([5]))),
        (TypeError, "whole numbers", lambda: Embedding(5, 3, rng=RNG).forward(np.array([0.5]))),
        (ValueError, "below 1, but got 1", lambda: Dropout(1, rng=RNG)),
        (ValueError, r"sequences.*but got \(3,\)", lambda: LastStep().forward(np.zeros(3))),
        (ValueError, r"one step long, but got \(3, 0, 2\)", lambda: LastStep().forward(np.zeros((3, 0, 2)))),
        (ValueError, r"made for 4 features", lambda: LayerNormalization(4).forward(np.zeros((2, 3)))),
        (
            ValueError,
            "2 weights \\(kernel, bias\\), but got 1 arrays",
            lambda: Dense(3, 2, rng=RNG).set_weights([np.zeros((3, 2))]),
        ),
        (
            ValueError,
            r"Dense.bias has shape \(2,\)",
            lambda: Dense(3, 2, rng=RNG).set_weights([np.zeros((3, 2)), np.zeros(3)]),
        ),
    ],
)
def test_mistakes_are_answered_in_words(error, says, mistake):
    with pytest.raises(error, match=says):
        mistake()


def test_a_refused_set_weights_changes_nothing():
    layer = Dense(3, 2, rng=np.random.default_rng(0))
    before = layer.get_weights()
    with pytest.raises(ValueError, match="bias"):
        layer.set_weights([np.ones((3, 2)), np.zeros(3)])
    for a, b in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_negative_ids_are_not_taken_for_the_last_ones():
    with pytest.raises(ValueError, match="ids from -1 to 2"):
        Embedding(5, 3, rng=RNG).forward(np.array([2, -1]))


def test_get_weights_returns_copies():
    layer = Dense(3, 2, rng=np.random.default_rng(0))
    layer.get_weights()[0][:] = 9
    assert (layer.kernel != 9).all()


def test_starting_values():
    rng = np.random.default_rng(0)
    assert not Dense(3, 2, rng=rng).bias.any()
    table = Embedding(200, 50, rng=rng).kernel
    assert 0.049 < np.abs(table).max() <= 0.05


def test_orthogonal_is_as_likely_to_turn_either_way():
    """Without the sign of R's diagonal, the first entry of Q is never positive."""
    rng = np.random.default_rng(0)
    positive = np.mean([orthogonal((3, 3), rng)[0, 0] > 0 for _ in range(400)])
    assert 0.4 < positive < 0.6


# ------------------------------------------------------------------------------------------ what readers bring, dtypes
@given(
    layer=st.sampled_from(["Dense", "LayerNormalization", "Dropout"]),
    own=st.sampled_from([np.float32, np.float64]),
    given=st.sampled_from([np.float16, np.float32, np.float64]),
    shape=st.sampled_from([(1, 3), (4, 3), (2, 5, 3), (1, 1, 3), (0, 3)]),
    layout=st.sampled_from(["C", "F", "every other", "backwards", "read only"]),
    seed=st.integers(0, 99),
)
def test_input_of_any_float_dtype_and_layout_is_cast_to_the_layers_own(layer, own, given, shape, layout, seed):
    rng = np.random.default_rng(seed)
    layer = {
        "Dense": lambda: Dense(3, 3, rng=rng, activation="tanh", dtype=own),
        "LayerNormalization": lambda: LayerNormalization(3, dtype=own),
        "Dropout": lambda: Dropout(0.5, rng=rng),
    }[layer]()
    dtype = getattr(layer, "dtype", given)  # without weights a layer has no dtype of its own
    plain = rng.normal(size=shape).astype(given)
    x = laid_out(plain, layout)
    y = layer.forward(x)
    dx = layer.backward(np.ones(shape))
    assert y.dtype == dtype
    expected = layer.forward(plain.astype(dtype))
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(dx, layer.backward(np.ones(shape, dtype)))
    assert dx.shape == shape
    assert {g.dtype for g in layer.grads} <= {np.dtype(dtype)}
    with pytest.raises(TypeError, match=f"{type(layer).__name__} takes real numbers.*int64"):
        layer.forward(np.zeros(shape, np.int64))


def laid_out(x, layout):
    """The same numbers as readers have them: a transposed table, every second row, a view that may not be written."""
    if layout == "F":
        return np.asfortranarray(x)
    if layout == "every other":
        return np.repeat(x, 2, axis=-1)[..., ::2]
    if layout == "backwards":
        return x[::-1].copy()[::-1]
    if layout == "read only":
        x = x.copy()
        x.flags.writeable = False
    return x


@given(seed=st.integers(0, 999), shape=st.sampled_from([(3, 5), (2, 4, 6), (1, 1, 2)]))
def test_layer_normalization_gradients(seed, shape):
    rng = np.random.default_rng(seed)
    layer = LayerNormalization(shape[-1], dtype=np.float64)
    for w in layer.weights:
        w += rng.normal(size=w.shape)
    x, dy = rng.normal(2, 3, shape), rng.normal(size=shape)

    def loss():
        return float((layer.forward(x) * dy).sum())

    loss()
    dx = layer.backward(dy)
    check_gradients(
        loss,
        {"x": x, "gamma": layer.gamma, "beta": layer.beta},
        dict(zip(("x", "gamma", "beta"), [dx, *layer.grads], strict=True)),
    )


# -------------------------------------------------------------------------------------- names, config, optional parts
def one_of_each(rng, dtype=np.float32):
    how = dict(rng=rng, dtype=dtype)
    return [
        Dense(3, 2, activation="relu", **how),
        Embedding(5, 3, **how),
        Dropout(0.25, rng=rng),
        LastStep(),
        LayerNormalization(3, epsilon=1e-2, dtype=dtype),
        SimpleRNN(3, 2, **how),
        LSTM(3, 2, forget_bias=-2.5, **how),
        GRU(3, 2, reset_after=False, **how),
        Bidirectional(LSTM(3, 2, **how), LSTM(3, 2, forget_bias=0.5, **how)),
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_layer_can_be_made_again_from_its_config(dtype):
    for layer in one_of_each(np.random.default_rng(0), dtype):
        config = json.loads(json.dumps(layer.config()))
        again = LAYERS[type(layer).__name__].from_config(config, rng=np.random.default_rng(1), dtype=dtype)
        assert type(again) is type(layer)
        assert again.config() == layer.config()
        assert [(w.shape, w.dtype) for w in again.weights] == [(w.shape, w.dtype) for w in layer.weights]
        again.set_weights(layer.get_weights())
        assert repr(again) == repr(layer)
        assert layer.count_params() == sum(w.size for w in layer.get_weights())


def test_representations_are_readable():
    rng = np.random.default_rng(0)
    assert [repr(layer) for layer in one_of_each(rng)] == [
        "Dense(features=3, units=2, activation='relu')",
        "Embedding(vocabulary=5, units=3)",
        "Dropout(rate=0.25)",
        "LastStep()",
        "LayerNormalization(features=3, epsilon=0.01)",
        "SimpleRNN(features=3, units=2)",
        "LSTM(features=3, units=2, forget_bias=-2.5)",
        "GRU(features=3, units=2, reset_after=False)",
        "Bidirectional(LSTM(features=3, units=2, forget_bias=1.0), LSTM(features=3, units=2, forget_bias=0.5))",
    ]


def test_a_learners_layer_registers_and_is_made_again():
    class Scale(Layer):
        weight_names = ("factor",)

        def __init__(self, features, start=1.0, *, dtype=np.float32):
            self.features, self.start, self.factor = features, start, np.full(features, start, dtype)

        def forward(self, x):
            return x * self.factor

    class NamedScale(Scale):
        def __init__(self, name, **how):
            super().__init__(**how)
            self.name = name

    class Forgetful(Scale):
        def __init__(self, size):
            super().__init__(size)

    try:
        assert LAYERS["Scale"] is Scale
        assert not Scale.takes_training
        assert not Scale.optional_input_gradient
        layer = NamedScale("mine", features=3, start=2.0, dtype=np.float64)
        again = LAYERS["NamedScale"].from_config(layer.config(), rng=RNG, dtype=np.float64)
        np.testing.assert_array_equal(again.factor, layer.factor)
        assert again.factor.dtype == np.float64
        assert repr(again) == "NamedScale(name='mine', features=3, start=2.0)"
        with pytest.raises(ValueError, match="Forgetful is made with size, but keeps no attribute of that name"):
            Forgetful(3).config()
        assert repr(Forgetful(3)) == "Forgetful(...)"
        with pytest.raises(NotImplementedError, match="Scale has no backward"):
            layer.backward(np.ones(3))

        class Scale(Layer):
            pass

        assert LAYERS["Scale"] is Scale  # as when a cell runs again
    finally:
        for name in ("Scale", "NamedScale", "Forgetful"):
            LAYERS.pop(name, None)


def test_a_subclass_that_knows_less_is_not_asked_for_more():
    class Loud(LSTM):
        def forward(self, x, initial_state=None, mask=None):
            return super().forward(x, initial_state, mask)

        def backward(self, d_outputs, d_final_state=None):
            return super().backward(d_outputs, d_final_state)

    assert (LSTM.takes_training, LSTM.optional_input_gradient) == (True, True)
    assert (Loud.takes_training, Loud.optional_input_gradient) == (False, False)
    rng = np.random.default_rng(0)
    both = Bidirectional(Loud(2, 3, rng=rng), Loud(2, 3, rng=rng))
    outputs, _ = both.forward(np.zeros((1, 4, 2)), training=True)
    assert both.backward(np.ones_like(outputs), input_gradient=False)[0] is None


def test_an_unknown_layer_inside_a_bidirectional_is_named():
    config = {"forward_layer": ["Loud", {}], "backward_layer": ["Loud", {}]}
    with pytest.raises(ValueError, match="Bidirectional of Loud cannot be made"):
        Bidirectional.from_config(config, rng=RNG, dtype=np.float32)


@given(seed=st.integers(0, 99))
def test_the_gradient_of_the_input_can_be_left_out(seed):
    rng = np.random.default_rng(seed)
    for layer in one_of_each(rng, np.float64):
        if not layer.optional_input_gradient:
            continue
        x = rng.normal(size=(2, 4, 3))
        y = layer.forward(x)[0] if layer.recurrent else layer.forward(x)
        dy, results = rng.normal(size=y.shape), []
        for wanted in (True, False):
            back = layer.backward(dy, input_gradient=wanted)
            dx, *d_state = back if layer.recurrent else (back,)
            assert (dx is not None) == wanted
            results.append([*flat(d_state), *layer.grads])
        for a, b in zip(*results, strict=True):
            np.testing.assert_array_equal(a, b)


def flat(nested):
    return [a for part in nested for a in flat(part)] if isinstance(nested, list | tuple) else [nested]


def test_training_changes_dropout_only():
    rng = np.random.default_rng(0)
    for layer in one_of_each(rng):
        x = rng.integers(0, 5, (2, 4)) if isinstance(layer, Embedding) else rng.normal(size=(2, 4, 3))
        quiet, training = (flat([layer.forward(x, training=training)]) for training in (False, True))
        same = all((a == b).all() for a, b in zip(quiet, training, strict=True))
        assert same != isinstance(layer, Dropout)
