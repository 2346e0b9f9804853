"""The first RNN, its BPTT, and SimpleRNN: gradients, masks, truncation and errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.gradients import check_gradients, relative_error
from course_lib.recurrent import RNN, SimpleRNN, bptt, unroll

sizes = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 3), st.integers(1, 4))  # batch, time, in, hidden


def small_rnn(rng, features, units, outputs=2):
    rnn = RNN(features, units, outputs, rng=rng)
    for bias in (rnn.bias, rnn.output_bias):
        bias[:] = rng.normal(size=bias.shape)
    return rnn


# ------------------------------------------------------------------------------------------------- RNN, unroll, bptt
@given(sizes=sizes, seed=st.integers(0, 999))
def test_bptt_agrees_with_finite_differences(sizes, seed):
    batch, time, features, units = sizes
    rng = np.random.default_rng(seed)
    rnn = small_rnn(rng, features, units)
    x, h0, blame = (
        rng.normal(size=(batch, time, features)),
        rng.normal(size=(batch, units)),
        rng.normal(size=(batch, time, 2)),
    )

    def loss():
        return np.sum(blame * unroll(rnn, x, h0)[1])

    states, _ = unroll(rnn, x, h0)
    grads = bptt(rnn, x, states, blame)
    names = rnn.weight_names
    check_gradients(loss, dict(zip(names, rnn.weights, strict=True)), dict(zip(names, grads, strict=True)))


@given(sizes=sizes, seed=st.integers(0, 999), truncation=st.integers(1, 7))
def test_truncated_bptt_is_the_gradient_with_older_states_held_fixed(sizes, seed, truncation):
    """The definition: the loss at step t sees states before t - truncation + 1 as constants."""
    batch, time, features, units = sizes
    rng = np.random.default_rng(seed)
    rnn = small_rnn(rng, features, units)
    x, blame = rng.normal(size=(batch, time, features)), rng.normal(size=(batch, time, 2))
    states, _ = unroll(rnn, x)
    expected = [np.zeros_like(w) for w in rnn.weights]
    for t in range(time):
        start = max(0, t - truncation + 1)
        piece = np.zeros_like(blame[:, start : t + 1])
        piece[:, -1] = blame[:, t]
        for total, part in zip(expected, bptt(rnn, x[:, start : t + 1], states[start : t + 2], piece), strict=True):
            total += part
    for name, a, b in zip(rnn.weight_names, bptt(rnn, x, states, blame, truncation), expected, strict=True):
        assert relative_error(a, b) < 1e-10, name


def test_truncation_of_the_whole_length_is_the_full_gradient():
    rng = np.random.default_rng(0)
    rnn = small_rnn(rng, 2, 3)
    x, blame = rng.normal(size=(2, 7, 2)), rng.normal(size=(2, 7, 2))
    states, _ = unroll(rnn, x)
    for a, b in zip(bptt(rnn, x, states, blame, 7), bptt(rnn, x, states, blame), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)
    assert relative_error(bptt(rnn, x, states, blame, 1)[1], bptt(rnn, x, states, blame)[1]) > 0.01


def test_rnn_is_its_formula_and_remembers_until_reset():
    rnn = RNN(2, 3, 1, rng=np.random.default_rng(0))
    x = np.array([[1.0, -1.0]])
    h1, o1 = rnn.forward(x)
    np.testing.assert_allclose(h1, np.tanh(x @ rnn.kernel), atol=1e-15)
    h2, _ = rnn.forward(x)
    np.testing.assert_allclose(h2, np.tanh(x @ rnn.kernel + h1 @ rnn.recurrent_kernel), atol=1e-15)
    rnn.reset_state()
    np.testing.assert_array_equal(rnn.forward(x)[1], o1)


def test_rnn_takes_a_seed_or_a_generator_and_is_random_without():
    assert (RNN(2, 3, 1, rng=7).kernel == RNN(2, 3, 1, rng=np.random.default_rng(7)).kernel).all()
    assert (RNN(2, 3, 1).kernel != RNN(2, 3, 1).kernel).any()


# --------------------------------------------------------------------------------------------------------- SimpleRNN
@given(sizes=sizes, seed=st.integers(0, 999), masked=st.booleans(), which=st.sampled_from(["outputs", "state", "both"]))
def test_simple_rnn_gradients(sizes, seed, masked, which):
    batch, time, features, units = sizes
    rng = np.random.default_rng(seed)
    layer = SimpleRNN(features, units, rng=rng, dtype=np.float64)
    layer.bias[:] = rng.normal(size=units)
    x, h0 = rng.normal(size=(batch, time, features)), rng.normal(size=(batch, units))
    mask = rng.random((batch, time)) < 0.6 if masked else None
    blame = None if which == "state" else rng.normal(size=(batch, time, units))
    blame_state = None if which == "outputs" else rng.normal(size=(batch, units))

    def loss():
        outputs, state = layer.forward(x, h0, mask)
        return (0 if blame is None else np.sum(blame * outputs)) + (
            0 if blame_state is None else np.sum(blame_state * state)
        )

    loss()
    dx, dh0 = layer.backward(blame, blame_state)
    arrays = {"x": x, "h0": h0} | dict(zip(layer.weight_names, layer.weights, strict=True))
    grads = {"x": dx, "h0": dh0} | dict(zip(layer.weight_names, layer.grads, strict=True))
    check_gradients(loss, arrays, grads)


@given(sizes=sizes, seed=st.integers(0, 999))
def test_simple_rnn_is_the_first_rnn(sizes, seed):
    batch, time, features, units = sizes
    rng = np.random.default_rng(seed)
    rnn = small_rnn(rng, features, units)
    layer = SimpleRNN(features, units, rng=rng, dtype=np.float64)
    layer.set_weights(rnn.weights[:3])
    x, blame = rng.normal(size=(batch, time, features)), rng.normal(size=(batch, time, 2))
    states, _ = unroll(rnn, x)
    outputs, final = layer.forward(x)
    np.testing.assert_allclose(outputs, states[1:].transpose(1, 0, 2), atol=1e-13)
    np.testing.assert_array_equal(final, outputs[:, -1])
    layer.backward(blame @ rnn.output_kernel.T)
    for mine, theirs in zip(layer.grads, bptt(rnn, x, states, blame)[:3], strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-11)


def test_a_masked_step_repeats_the_output_and_keeps_the_state():
    rng = np.random.default_rng(0)
    layer = SimpleRNN(2, 3, rng=rng, dtype=np.float64)
    x, h0 = rng.normal(size=(1, 5, 2)), rng.normal(size=(1, 3))
    outputs, final = layer.forward(x, h0, np.array([[False, True, False, True, False]]))
    real, _ = layer.forward(x[:, [1, 3]], h0)
    np.testing.assert_array_equal(outputs[0, 0], np.zeros(3))
    np.testing.assert_allclose(outputs[0, [1, 3]], real[0], atol=1e-15)
    np.testing.assert_array_equal(outputs[0, 2], outputs[0, 1])
    np.testing.assert_array_equal(outputs[0, 4], outputs[0, 3])
    np.testing.assert_array_equal(final, outputs[:, 4])
    outputs, final = layer.forward(x, h0, np.zeros((1, 5), bool))
    assert not outputs.any()
    np.testing.assert_array_equal(final, h0)


@given(sizes=sizes, seed=st.integers(0, 999), padding=st.integers(1, 4))
def test_what_stands_in_the_padding_does_not_matter(sizes, seed, padding):
    batch, time, features, units = sizes
    rng = np.random.default_rng(seed)
    layer = SimpleRNN(features, units, rng=rng, dtype=np.float64)
    x, blame = rng.normal(size=(batch, time, features)), rng.normal(size=(batch, units))
    _, state = layer.forward(x)
    dx, _ = layer.backward(None, blame)
    grads = layer.grads
    padded = np.concatenate([x, rng.normal(size=(batch, padding, features)) * 100], axis=1)
    _, padded_state = layer.forward(padded, None, np.arange(time + padding)[None].repeat(batch, 0) < time)
    padded_dx, _ = layer.backward(None, blame)
    np.testing.assert_allclose(padded_state, state, atol=1e-12)
    np.testing.assert_allclose(padded_dx[:, :time], dx, atol=1e-12)
    assert not padded_dx[:, time:].any()
    for a, b in zip(layer.grads, grads, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-10)


def test_reading_in_pieces_is_reading_at_once():
    rng = np.random.default_rng(0)
    layer = SimpleRNN(2, 3, rng=rng)
    x = rng.normal(size=(4, 9, 2)).astype(np.float32)
    whole, _ = layer.forward(x)
    first, state = layer.forward(x[:, :5])
    second, _ = layer.forward(x[:, 5:], state)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, rtol=1e-5)
    assert whole.dtype == np.float32


def test_what_a_caller_does_with_outputs_does_not_reach_the_gradients():
    rng = np.random.default_rng(0)
    layer, x = SimpleRNN(2, 3, rng=rng, dtype=np.float64), rng.normal(size=(2, 4, 2))
    outputs, final = layer.forward(x)
    layer.backward(np.ones_like(outputs), np.ones_like(final))
    clean = [g.copy() for g in layer.grads]
    outputs, final = layer.forward(x)
    outputs *= 0
    final += 9
    blame = np.ones_like(outputs)
    layer.backward(blame, np.ones_like(final))
    assert (blame == 1).all()
    for a, b in zip(layer.grads, clean, strict=True):
        np.testing.assert_array_equal(a, b)


# ------------------------------------------------------------------------------------------------------------ errors
def layer_and_rnn():
    return SimpleRNN(2, 3, rng=np.random.default_rng(0)), RNN(2, 3, 1, rng=0)


LAYER, FIRST = layer_and_rnn()
X = np.zeros((2, 4, 2), np.float32)


@pytest.mark.parametrize(
    ("error", "says", "mistake"),
    [
        (
            ValueError,
            r"\(batch, time, 2\), but \(4, 2\) came. One sequence alone\? Write x\[None\]",
            lambda: LAYER.forward(X[0]),
        ),
        (ValueError, r"\(2, 4, 3\) came", lambda: LAYER.forward(np.zeros((2, 4, 3)))),
        (ValueError, "no steps", lambda: LAYER.forward(np.zeros((2, 0, 2)))),
        (TypeError, "symbol ids", lambda: LAYER.forward(np.zeros((2, 4, 2), int))),
        (ValueError, r"shape \(2, 3\), but \(1, 3\) came", lambda: LAYER.forward(X, np.zeros((1, 3)))),
        (ValueError, "True at real steps, but int64", lambda: LAYER.forward(X, mask=np.ones((2, 4), np.int64))),
        (ValueError, r"of shape \(2, 3\) came", lambda: LAYER.forward(X, mask=np.ones((2, 3), bool))),
        (RuntimeError, "backward was called before forward", lambda: layer_and_rnn()[0].backward(X)),
        (ValueError, "neither there is nothing", lambda: (LAYER.forward(X), LAYER.backward(None))),
        (
            ValueError,
            r"d_outputs has the shape.*\(2, 4, 3\), but \(2, 4, 2\)",
            lambda: (LAYER.forward(X), LAYER.backward(X)),
        ),
        (ValueError, "Call forward once a step", lambda: FIRST.forward(X)),
        (ValueError, r"reset_state\(batch_size=2\)", lambda: FIRST.forward(np.zeros((2, 2)))),
        (
            ValueError,
            "at least 1, but 0 came",
            lambda: bptt(FIRST, X, unroll(FIRST, X)[0], np.zeros((2, 4, 1)), truncation=0),
        ),
    ],
)
def test_mistakes_are_answered_in_words(error, says, mistake):
    with pytest.raises(error, match=says):
        mistake()


def test_unroll_begins_at_the_initial_state_and_can_go_on():
    rng = np.random.default_rng(0)
    rnn, x, h0 = small_rnn(rng, 2, 3), rng.normal(size=(2, 6, 2)), rng.normal(size=(2, 3))
    states, outputs = unroll(rnn, x, h0)
    np.testing.assert_array_equal(states[0], h0)
    a = x[:, 0] @ rnn.kernel + h0 @ rnn.recurrent_kernel + rnn.bias
    np.testing.assert_allclose(states[1], np.tanh(a), atol=1e-14)
    first, _ = unroll(rnn, x[:, :4], h0)
    second, rest = unroll(rnn, x[:, 4:], first[-1])
    np.testing.assert_allclose(second[-1], states[-1], atol=1e-14)
    np.testing.assert_allclose(rest, outputs[:, 4:], atol=1e-14)


def test_starting_values():
    rng = np.random.default_rng(0)
    for network in (SimpleRNN(2, 5, rng=rng, dtype=np.float64), RNN(2, 5, 1, rng=rng)):
        w = network.recurrent_kernel
        np.testing.assert_allclose(w @ w.T, np.eye(5), atol=1e-12)
        assert not network.bias.any()
    with pytest.raises(ValueError, match=r"\(1, 3\) is needed for 1 rows of input, but \(1, 4\) came"):
        RNN(2, 3, 1, rng=0).forward(np.zeros((1, 2)), np.zeros((1, 4)))


def test_the_blame_that_was_passed_in_is_not_changed():
    rng = np.random.default_rng(0)
    layer = SimpleRNN(2, 3, rng=rng, dtype=np.float64)
    layer.forward(rng.normal(size=(2, 4, 2)), mask=rng.random((2, 4)) < 0.5)
    blame, blame_state = rng.normal(size=(2, 4, 3)), rng.normal(size=(2, 3))
    kept = blame.copy(), blame_state.copy()
    layer.backward(blame, blame_state)
    np.testing.assert_array_equal(blame, kept[0])
    np.testing.assert_array_equal(blame_state, kept[1])
