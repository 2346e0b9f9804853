"""Convolution and pooling: sums by hand, gradients, padding, saving, mistakes in words, and it trains."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.convolution import Conv1D, Conv2D, Flatten, GlobalMaxPooling1D, MaxPooling1D, MaxPooling2D
from course_lib.gradients import check_gradients
from course_lib.layers import LAYERS, Dense
from course_lib.losses import SoftmaxCrossEntropy
from course_lib.model import Model
from course_lib.optimizers import Adam

RNG = np.random.default_rng(0)
paddings = st.sampled_from(["valid", "same", "causal"])


def distinct(shape, rng):
    """Numbers far enough apart that finite differences change no maximum."""
    return rng.permutation(np.prod(shape)).reshape(shape) / 10 - 2.0


def check_layer(layer, x, rng):
    """Gradients of the input and of every parameter against finite differences."""
    for weight in layer.weights:
        weight[...] = rng.normal(size=weight.shape)
    gradient = rng.normal(size=layer.forward(x).shape)
    dx = layer.backward(gradient)
    names = layer.weight_names
    check_gradients(
        lambda: float(np.sum(gradient * layer.forward(x))),
        {"x": x, **dict(zip(names, layer.weights, strict=True))},
        {"x": dx, **dict(zip(names, layer.grads, strict=True))},
    )


# --- values --------------------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 999), size=st.integers(1, 4), stride=st.integers(1, 3), padding=paddings)
def test_each_output_is_a_dense_layer_on_its_window(seed, size, stride, padding):
    rng = np.random.default_rng(seed)
    layer = Conv1D(3, 2, size, rng=rng, strides=stride, padding=padding, dtype=np.float64)
    layer.bias[:] = rng.normal(size=2)
    x = rng.normal(size=(2, 7, 3))
    y = layer.forward(x)
    before = {"valid": 0, "causal": size - 1}.get(padding, max((y.shape[1] - 1) * stride + size - 7, 0) // 2)
    padded = np.zeros((2, 30, 3))
    padded[:, before : before + 7] = x
    for t in range(y.shape[1]):
        window = padded[:, t * stride : t * stride + size]
        np.testing.assert_allclose(y[:, t], np.einsum("bif,ifu->bu", window, layer.kernel) + layer.bias, atol=1e-12)


def test_numbers_of_windows():
    x = np.zeros((2, 10, 1))
    for padding, stride, out in [("valid", 1, 8), ("same", 1, 10), ("causal", 1, 10), ("valid", 2, 4), ("same", 3, 4)]:
        assert Conv1D(1, 1, 3, rng=RNG, strides=stride, padding=padding).forward(x).shape == (2, out, 1)
    assert Conv2D(1, 5, (3, 2), rng=RNG).forward(np.zeros((2, 8, 6, 1))).shape == (2, 6, 5, 5)
    assert MaxPooling1D(3).forward(x).shape == (2, 3, 1)
    assert MaxPooling1D(3, padding="same").forward(x).shape == (2, 4, 1)
    assert MaxPooling1D(3, strides=1).forward(x).shape == (2, 8, 1)


def test_maxima_by_hand():
    x = np.array([[1, 5, -2], [4, 0, -1], [3, 7, -9]], np.float64)[None]
    np.testing.assert_array_equal(MaxPooling1D(2).forward(x), [[[4, 5, -1]]])
    np.testing.assert_array_equal(MaxPooling1D(2, padding="same").forward(x), [[[4, 5, -1], [3, 7, -9]]])
    np.testing.assert_array_equal(GlobalMaxPooling1D().forward(x), [[4, 7, -1]])
    np.testing.assert_array_equal(MaxPooling2D((3, 2)).forward(x[..., None]), [[[[7]]]])


def test_a_window_over_all_is_a_dense_layer():
    x = RNG.normal(size=(4, 3, 5, 2))
    conv, dense = Conv2D(2, 6, (3, 5), rng=RNG, dtype=np.float64), Dense(30, 6, rng=RNG, dtype=np.float64)
    dense.set_weights([conv.kernel.reshape(30, 6), conv.bias])
    np.testing.assert_allclose(conv.forward(x)[:, 0, 0], dense.forward(Flatten().forward(x)), atol=1e-12)


@pytest.mark.parametrize("kind", [Conv1D, Conv2D, MaxPooling1D, MaxPooling2D])
def test_what_was_given_is_not_changed_and_the_result_is_writable(kind):
    layer = kind(3, 2, 2, rng=RNG) if kind in (Conv1D, Conv2D) else kind()
    x = RNG.normal(size=(2, 4, 3) if kind in (Conv1D, MaxPooling1D) else (2, 4, 4, 3)).astype(np.float32)
    kept = x.copy()
    y = layer.forward(x)
    dy = np.ones_like(y)
    dx = layer.backward(dy)
    y[...] = dx[...] = 7
    np.testing.assert_array_equal(x, kept)
    np.testing.assert_array_equal(dy, 1)
    assert y.dtype == dx.dtype == np.float32


# --- gradients -----------------------------------------------------------------------------------------------------


@given(
    seed=st.integers(0, 999),
    size=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=paddings,
    activation=st.sampled_from(["linear", "tanh"]),
)
@settings(max_examples=40)
def test_gradients_over_time(seed, size, stride, padding, activation):
    rng, how = np.random.default_rng(seed), dict(strides=stride, padding=padding, activation=activation)
    check_layer(Conv1D(2, 3, size, rng=rng, dtype=np.float64, **how), rng.normal(size=(2, 5, 2)), rng)


@given(
    seed=st.integers(0, 999),
    size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    padding=st.sampled_from(["valid", "same"]),
)
@settings(max_examples=15)
def test_gradients_over_images(seed, size, strides, padding):
    rng = np.random.default_rng(seed)
    layer = Conv2D(2, 2, size, rng=rng, strides=strides, padding=padding, dtype=np.float64)
    check_layer(layer, rng.normal(size=(2, 3, 4, 2)), rng)


@given(seed=st.integers(0, 999), size=st.integers(1, 3), strides=st.integers(1, 3) | st.none(), same=st.booleans())
@settings(max_examples=20)
def test_gradients_of_pooling(seed, size, strides, same):
    rng, how = np.random.default_rng(seed), dict(strides=strides, padding="same" if same else "valid")
    check_layer(MaxPooling1D(size, **how), distinct((2, 5, 3), rng), rng)
    check_layer(MaxPooling2D((size, 2), **how), distinct((2, 4, 3, 2), rng), rng)
    check_layer(GlobalMaxPooling1D(), distinct((2, 5, 3), rng), rng)
    check_layer(Flatten(), distinct((2, 2, 3, 2), rng), rng)


def test_of_equal_numbers_the_first_gets_the_gradient():
    for layer, dy in [(MaxPooling1D(3), np.ones((1, 1, 1))), (GlobalMaxPooling1D(), np.ones((1, 1)))]:
        layer.forward(np.array([[[0.0], [2.0], [2.0]]]))
        np.testing.assert_array_equal(layer.backward(dy), [[[0], [1], [0]]])


def test_the_gradient_of_the_input_may_be_left_out():
    layer = Conv1D(2, 3, 2, rng=RNG, dtype=np.float64)
    assert layer.optional_input_gradient
    gradient = RNG.normal(size=layer.forward(RNG.normal(size=(2, 5, 2))).shape)
    layer.backward(gradient)
    kept = layer.grads
    assert layer.backward(gradient, input_gradient=False) is None
    for one, other in zip(kept, layer.grads, strict=True):
        np.testing.assert_array_equal(one, other)


# --- padding, as the module says it --------------------------------------------------------------------------------


def test_padding_reaches_real_steps_only_from_the_second_layer_on_and_never_in_a_causal_one():
    x = RNG.normal(size=(1, 9, 2))
    padded = np.concatenate([x, np.zeros((1, 6, 2))], axis=1)
    for padding, touched in [("same", [0, 1, 2]), ("causal", [0, 0, 0])]:
        layers = [Conv1D(2, 2, 3, rng=RNG, padding=padding, activation="tanh", dtype=np.float64) for _ in range(3)]
        a, b, changed = x, padded, []
        for layer in layers:
            layer.bias[:] = 0.5
            a, b = layer.forward(a), layer.forward(b)
            changed.append(int((abs(a - b[:, :9]).max(axis=2) > 1e-12).sum()))
        assert changed == touched, padding


def test_causal_outputs_do_not_depend_on_later_steps():
    layer, x = Conv1D(2, 3, 4, rng=RNG, padding="causal", dtype=np.float64), RNG.normal(size=(1, 8, 2))
    y = layer.forward(x)
    x[:, 5:] += 1
    np.testing.assert_array_equal(layer.forward(x)[:, :5], y[:, :5])


# --- saving --------------------------------------------------------------------------------------------------------


def every_kind():
    return [
        Conv1D(3, 2, np.int64(2), rng=RNG, strides=2, padding="causal", activation="relu"),
        Conv2D(3, 2, (2, 1), rng=RNG, strides=[1, 2], padding="same"),
        MaxPooling1D(3, strides=1),
        MaxPooling2D([2, 1], padding="same"),
        GlobalMaxPooling1D(),
        Flatten(),
    ]


@pytest.mark.parametrize("layer", every_kind(), ids=repr)
def test_registered_by_being_defined(layer):
    again = LAYERS[type(layer).__name__].from_config(layer.config(), rng=RNG)
    assert repr(again) == repr(layer)


def test_a_model_is_saved_and_loaded(tmp_path):
    rng = np.random.default_rng(0)
    layers = [
        Conv2D(1, 4, (3, 2), rng=rng, padding="same"),
        MaxPooling2D((2, 1)),
        Flatten(),
        Dense(4 * 4 * 5, 3, rng=rng),
    ]
    model = Model(layers, SoftmaxCrossEntropy())
    model.save(tmp_path / "model.npz")
    again, x = Model.load(tmp_path / "model.npz"), rng.normal(size=(2, 8, 5, 1)).astype(np.float32)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert repr(again) == repr(model)


# --- mistakes ------------------------------------------------------------------------------------------------------

SERIES, PICTURE = np.zeros((2, 5, 3)), np.zeros((2, 8, 8, 3))


def conv1d(kernel_size=3, **how):
    return Conv1D(3, 2, kernel_size, rng=RNG, **how)


def conv2d(kernel_size=3, **how):
    return Conv2D(3, 2, kernel_size, rng=RNG, **how)


@pytest.mark.parametrize(
    ("error", "says", "call"),
    [
        (ValueError, "Conv1D knows the activations linear, sigmoid", lambda: conv1d(activation="swish")),
        (ValueError, "Conv1D knows the paddings valid, same, causal, but", lambda: conv1d(padding="full")),
        (ValueError, "Conv2D knows the paddings valid, same, but", lambda: conv2d(padding="causal")),
        (ValueError, "kernel_size is a whole number of at least 1, but got 0", lambda: Conv1D(3, 2, 0, rng=RNG)),
        (ValueError, "kernel_size is a whole .*, or 2 of them, but got .3,.", lambda: Conv2D(3, 2, (3,), rng=RNG)),
        (ValueError, "strides is a whole number of at least 1, but got 1.5", lambda: conv1d(strides=1.5)),
        (ValueError, "pool_size is a whole number", lambda: MaxPooling1D(0)),
        (ValueError, "MaxPooling2D's strides is a whole number", lambda: MaxPooling2D(2, strides=(1, 0))),
        (ValueError, "MaxPooling1D knows the paddings valid, same, but", lambda: MaxPooling1D(2, padding="causal")),
        (ValueError, "made for 4 features", lambda: Conv1D(4, 2, 3, rng=RNG).forward(SERIES)),
        (TypeError, "Conv1D takes real numbers", lambda: conv1d().forward(SERIES.astype(int))),
        (ValueError, r"\(batch, time, features\), but got \(2, 8, 8, 3\)", lambda: conv1d().forward(PICTURE)),
        (ValueError, r"but got \(2, 5, 3\). A picture without channels", lambda: conv2d().forward(SERIES)),
        (ValueError, "window of 6 with padding='valid', .* does not fit", lambda: conv1d(6).forward(SERIES)),
        (ValueError, "window of 3 x 9", lambda: Conv2D(3, 2, (3, 9), rng=RNG).forward(PICTURE)),
        (ValueError, "window of 3 with", lambda: conv1d(padding="same").forward(SERIES[:, :0])),
        (ValueError, "window of 6", lambda: MaxPooling1D(6).forward(SERIES)),
        (ValueError, "MaxPooling2D takes inputs of shape", lambda: MaxPooling2D().forward(SERIES)),
        (ValueError, "There is no largest of no steps", lambda: GlobalMaxPooling1D().forward(SERIES[:, :0])),
        (ValueError, "GlobalMaxPooling1D takes inputs of shape", lambda: GlobalMaxPooling1D().forward(PICTURE)),
        (ValueError, "Flatten takes rows", lambda: Flatten().forward(3.0)),
        (RuntimeError, "backward was called before forward", lambda: conv1d().backward(SERIES)),
        (RuntimeError, "backward was called before forward", lambda: MaxPooling1D().backward(SERIES)),
    ],
)  # fmt: skip
def test_mistakes_are_answered_in_words(error, says, call):
    with pytest.raises(error, match=says):
        call()


# --- in a model ----------------------------------------------------------------------------------------------------


def test_a_model_finds_which_pattern_is_in_a_noisy_row_wherever_it_is():
    wrong = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        patterns = np.array([[1, -1, 1], [1, 1, -1]])[:, :, None] * 2.0

        def rows(count, rng=rng, patterns=patterns):
            x, y = rng.normal(scale=0.3, size=(count, 20, 1)), rng.integers(0, 2, count)
            for row, place in enumerate(rng.integers(0, 18, count)):
                x[row, place : place + 3] += patterns[y[row]]
            return x.astype(np.float32), y

        layers = [Conv1D(1, 8, 3, rng=rng, activation="relu"), GlobalMaxPooling1D(), Dense(8, 2, rng=rng)]
        model = Model(layers, SoftmaxCrossEntropy())
        model.fit(*rows(512), optimizer=Adam(0.01), epochs=15, rng=rng, progress=False)
        x, y = rows(300)
        wrong.append(np.mean(model.predict(x).argmax(axis=1) != y))
    assert np.median(wrong) < 0.05, wrong
