"""The first RNN, its BPTT, SimpleRNN and Bidirectional: gradients, masks, truncation and errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.gradients import check_gradients, relative_error
from course_lib.layers import Dense
from course_lib.recurrent import GRU, LSTM, RNN, Bidirectional, ReferenceGRU, ReferenceLSTM, SimpleRNN, bptt, unroll

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
    x, h0, gradient = (
        rng.normal(size=(batch, time, features)),
        rng.normal(size=(batch, units)),
        rng.normal(size=(batch, time, 2)),
    )

    def loss():
        return np.sum(gradient * unroll(rnn, x, h0)[1])

    states, _ = unroll(rnn, x, h0)
    grads = bptt(rnn, x, states, gradient)
    names = rnn.weight_names
    check_gradients(loss, dict(zip(names, rnn.weights, strict=True)), dict(zip(names, grads, strict=True)))


@given(sizes=sizes, seed=st.integers(0, 999), truncation=st.integers(1, 7))
def test_truncated_bptt_is_the_gradient_with_older_states_held_fixed(sizes, seed, truncation):
    """The definition: the loss at step t sees states before t - truncation + 1 as constants."""
    batch, time, features, units = sizes
    rng = np.random.default_rng(seed)
    rnn = small_rnn(rng, features, units)
    x, gradient = rng.normal(size=(batch, time, features)), rng.normal(size=(batch, time, 2))
    states, _ = unroll(rnn, x)
    expected = [np.zeros_like(w) for w in rnn.weights]
    for t in range(time):
        start = max(0, t - truncation + 1)
        piece = np.zeros_like(gradient[:, start : t + 1])
        piece[:, -1] = gradient[:, t]
        for total, part in zip(expected, bptt(rnn, x[:, start : t + 1], states[start : t + 2], piece), strict=True):
            total += part
    for name, a, b in zip(rnn.weight_names, bptt(rnn, x, states, gradient, truncation), expected, strict=True):
        assert relative_error(a, b) < 1e-10, name


def test_truncation_of_the_whole_length_is_the_full_gradient():
    rng = np.random.default_rng(0)
    rnn = small_rnn(rng, 2, 3)
    x, gradient = rng.normal(size=(2, 7, 2)), rng.normal(size=(2, 7, 2))
    states, _ = unroll(rnn, x)
    for a, b in zip(bptt(rnn, x, states, gradient, 7), bptt(rnn, x, states, gradient), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)
    assert relative_error(bptt(rnn, x, states, gradient, 1)[1], bptt(rnn, x, states, gradient)[1]) > 0.01


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
    gradient = None if which == "state" else rng.normal(size=(batch, time, units))
    gradient_state = None if which == "outputs" else rng.normal(size=(batch, units))

    def loss():
        outputs, state = layer.forward(x, h0, mask)
        return (0 if gradient is None else np.sum(gradient * outputs)) + (
            0 if gradient_state is None else np.sum(gradient_state * state)
        )

    loss()
    dx, dh0 = layer.backward(gradient, gradient_state)
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
    x, gradient = rng.normal(size=(batch, time, features)), rng.normal(size=(batch, time, 2))
    states, _ = unroll(rnn, x)
    outputs, final = layer.forward(x)
    np.testing.assert_allclose(outputs, states[1:].transpose(1, 0, 2), atol=1e-13)
    np.testing.assert_array_equal(final, outputs[:, -1])
    layer.backward(gradient @ rnn.output_kernel.T)
    for mine, theirs in zip(layer.grads, bptt(rnn, x, states, gradient)[:3], strict=True):
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
    x, gradient = rng.normal(size=(batch, time, features)), rng.normal(size=(batch, units))
    _, state = layer.forward(x)
    dx, _ = layer.backward(None, gradient)
    grads = layer.grads
    padded = np.concatenate([x, rng.normal(size=(batch, padding, features)) * 100], axis=1)
    _, padded_state = layer.forward(padded, None, np.arange(time + padding)[None].repeat(batch, 0) < time)
    padded_dx, _ = layer.backward(None, gradient)
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


def test_what_a_caller_does_with_inputs_and_mask_does_not_reach_the_gradients():
    rng = np.random.default_rng(0)
    for batch in (1, 3):  # a single row is in time-major order as it is, and would be kept without a copy
        layer, x = SimpleRNN(2, 3, rng=rng, dtype=np.float64), rng.normal(size=(batch, 4, 2))
        mask = rng.random((batch, 4)) < 0.6
        outputs, _ = layer.forward(x, None, mask)
        layer.backward(np.ones_like(outputs))
        clean = [g.copy() for g in layer.grads]
        layer.forward(x, None, mask)
        x[:], mask[:] = 9, ~mask
        layer.backward(np.ones_like(outputs))
        for a, b in zip(layer.grads, clean, strict=True):
            np.testing.assert_array_equal(a, b)


def test_what_a_caller_does_with_outputs_does_not_reach_the_gradients():
    rng = np.random.default_rng(0)
    layer, x = SimpleRNN(2, 3, rng=rng, dtype=np.float64), rng.normal(size=(2, 4, 2))
    outputs, final = layer.forward(x)
    layer.backward(np.ones_like(outputs), np.ones_like(final))
    clean = [g.copy() for g in layer.grads]
    outputs, final = layer.forward(x)
    outputs *= 0
    final += 9
    gradient = np.ones_like(outputs)
    layer.backward(gradient, np.ones_like(final))
    assert (gradient == 1).all()
    for a, b in zip(layer.grads, clean, strict=True):
        np.testing.assert_array_equal(a, b)


# ----------------------------------------------------------------------------------------------------- Bidirectional
def bidirectional_rnn(rng, features, units, dtype=np.float64):
    layer = Bidirectional(*(SimpleRNN(features, units, rng=rng, dtype=dtype) for _ in range(2)))
    for side in (layer.forward_layer, layer.backward_layer):
        side.bias[:] = rng.normal(size=units)
    return layer


@given(sizes=sizes, seed=st.integers(0, 999), masked=st.booleans(), which=st.sampled_from(["outputs", "state", "both"]))
def test_bidirectional_gradients(sizes, seed, masked, which):
    batch, time, features, units = sizes
    rng = np.random.default_rng(seed)
    layer = bidirectional_rnn(rng, features, units)
    x = rng.normal(size=(batch, time, features))
    starts = tuple(rng.normal(size=(2, batch, units)))
    mask = rng.random((batch, time)) < 0.6 if masked else None
    gradient = None if which == "state" else rng.normal(size=(batch, time, 2 * units))
    gradient_states = None if which == "outputs" else tuple(rng.normal(size=(2, batch, units)))

    def loss():
        outputs, states = layer.forward(x, starts, mask)
        total = 0 if gradient is None else np.sum(gradient * outputs)
        if gradient_states is not None:
            total += sum(np.sum(d * state) for d, state in zip(gradient_states, states, strict=True))
        return total

    loss()
    dx, d_starts = layer.backward(gradient, gradient_states)
    names = layer.weight_names
    arrays = {"x": x, "forward h0": starts[0], "backward h0": starts[1]} | dict(zip(names, layer.weights, strict=True))
    grads = {"x": dx, "forward h0": d_starts[0], "backward h0": d_starts[1]} | dict(
        zip(names, layer.grads, strict=True)
    )
    check_gradients(loss, arrays, grads)


def test_bidirectional_is_one_reading_forwards_and_one_backwards():
    rng = np.random.default_rng(0)
    layer, x = bidirectional_rnn(rng, 2, 3), rng.normal(size=(2, 5, 2))
    outputs, (forward_final, backward_final) = layer.forward(x)
    forwards, forward_state = layer.forward_layer.forward(x)
    backwards, backward_state = layer.backward_layer.forward(x[:, ::-1])
    np.testing.assert_array_equal(outputs[..., :3], forwards)
    np.testing.assert_array_equal(outputs[..., 3:], backwards[:, ::-1])
    np.testing.assert_array_equal(forward_final, forward_state)
    np.testing.assert_array_equal(backward_final, backward_state)
    np.testing.assert_array_equal(backward_final, outputs[:, 0, 3:])
    assert layer.weight_names[0] == "forward_layer.kernel"
    assert [w is v for w, v in zip(layer.weights[3:], layer.backward_layer.weights, strict=True)] == [True] * 3


@given(sizes=sizes, seed=st.integers(0, 999), padding=st.integers(1, 3), front=st.booleans())
def test_bidirectional_reads_a_padded_row_as_if_it_stood_alone(sizes, seed, padding, front):
    batch, time, features, units = sizes
    rng = np.random.default_rng(seed)
    layer = bidirectional_rnn(rng, features, units)
    x, gradient = rng.normal(size=(batch, time, features)), rng.normal(size=(batch, time, 2 * units))
    starts = tuple(rng.normal(size=(2, batch, units)))
    outputs, states = layer.forward(x, starts)
    dx, _ = layer.backward(gradient)
    grads = layer.grads
    before, after = (padding, 0) if front else (0, padding)
    padded, padded_gradient = (
        np.pad(a, [(0, 0), (before, after), (0, 0)], constant_values=9.0)  # neither inputs nor gradients count there
        for a in (x, gradient)
    )
    mask = np.zeros((batch, time + padding), bool)
    real = slice(before, before + time)
    mask[:, real] = True
    padded_outputs, padded_states = layer.forward(padded, starts, mask)
    padded_dx, _ = layer.backward(padded_gradient)
    np.testing.assert_allclose(padded_outputs[:, real], outputs, atol=1e-12)
    assert not padded_outputs[~mask].any()
    np.testing.assert_allclose(padded_states, states, atol=1e-12)
    np.testing.assert_allclose(padded_dx[:, real], dx, atol=1e-12)
    assert not padded_dx[~mask].any()
    for a, b in zip(layer.grads, grads, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-10)


def test_bidirectional_weights_can_be_copied_out_and_in():
    rng = np.random.default_rng(0)
    layer, other = bidirectional_rnn(rng, 2, 3), bidirectional_rnn(rng, 2, 3)
    x = rng.normal(size=(2, 5, 2))
    assert (layer.forward(x)[0] != other.forward(x)[0]).any()
    other.set_weights(layer.get_weights())
    np.testing.assert_array_equal(layer.forward(x)[0], other.forward(x)[0])
    with pytest.raises(ValueError, match=r"Bidirectional.backward_layer.bias has shape \(3,\), but got.*\(4,\)"):
        layer.set_weights([*layer.get_weights()[:-1], np.zeros(4)])


def test_bidirectional_keeps_its_own_mask_and_leaves_what_came_alone():
    rng = np.random.default_rng(0)
    layer, x, mask = bidirectional_rnn(rng, 2, 3), rng.normal(size=(2, 4, 2)), rng.random((2, 4)) < 0.5
    gradient, kept = np.ones((2, 4, 6)), mask.copy()
    outputs, _ = layer.forward(x, None, mask)
    dx, _ = layer.backward(gradient)
    assert (gradient == 1).all()
    np.testing.assert_array_equal(mask, kept)
    outputs, _ = layer.forward(x, None, mask)
    outputs += 9
    mask[:] = ~mask
    np.testing.assert_array_equal(layer.backward(gradient)[0], dx)


def test_bidirectional_state_may_be_given_to_one_side_only():
    rng = np.random.default_rng(0)
    layer, x, h0 = bidirectional_rnn(rng, 2, 3), rng.normal(size=(2, 4, 2)), rng.normal(size=(2, 3))
    for one_sided, whole in (((h0, None), (h0, 0 * h0)), ([None, h0], [0 * h0, h0])):
        np.testing.assert_array_equal(layer.forward(x, one_sided)[0], layer.forward(x, whole)[0])
        a, b = layer.backward(None, one_sided)[0], layer.backward(None, whole)[0]
        np.testing.assert_array_equal(a, b)


def bidirectional(dtype=np.float32):
    return bidirectional_rnn(np.random.default_rng(0), 2, 3, dtype)


@pytest.mark.parametrize(
    ("error", "says", "mistake"),
    [
        (TypeError, "two recurrent layers, such as SimpleRNN, but got Dense", lambda: Bidirectional(LAYER, A_DENSE)),
        (TypeError, "but got Bidirectional", lambda: Bidirectional(bidirectional(), LAYER)),
        (TypeError, "but got int", lambda: Bidirectional(8, 8)),
        (ValueError, "the same layer twice", lambda: Bidirectional(LAYER, LAYER)),
        (
            ValueError,
            r"same features, units and dtype, but got \(2, 3, 'float32'\) and \(2, 3, 'float64'\)",
            lambda: Bidirectional(LAYER, SimpleRNN(2, 3, rng=np.random.default_rng(0), dtype=np.float64)),
        ),
        (
            ValueError,
            r"as a pair.*an array of shape \(2, 2, 3\)",
            lambda: bidirectional().forward(X, np.zeros((2, 2, 3))),
        ),
        (ValueError, "as a pair.*a tuple of 1", lambda: bidirectional().forward(X, (None,))),
        (ValueError, "as a pair.*a float", lambda: bidirectional().forward(X, 0.0)),
        (ValueError, r"shape \(2, 3\), but got \(1, 3\)", lambda: bidirectional().forward(X, (None, X[:1, :3, 0]))),
        (ValueError, r"\(batch, time, 2\), but got \(4, 2\)", lambda: bidirectional().forward(X[0])),
        (ValueError, r"of shape \(2, 3\)", lambda: bidirectional().forward(X, mask=np.ones((2, 3), bool))),
        (TypeError, "symbol ids", lambda: bidirectional().forward([[[1, 2]]])),
        (RuntimeError, "Bidirectional.backward was called before forward", lambda: bidirectional().backward(X)),
        (ValueError, "neither there is no gradient", lambda: ran(bidirectional()).backward(None)),
        (ValueError, r"\(2, 4, 6\), but got \(2, 4, 3\)", lambda: ran(bidirectional()).backward(np.zeros((2, 4, 3)))),
        (
            ValueError,
            "the gradient of its final state as a pair.*an array of shape",
            lambda: ran(bidirectional()).backward(None, np.zeros((2, 3))),
        ),
    ],
)
def test_mistakes_with_bidirectional_are_answered_in_words(error, says, mistake):
    with pytest.raises(error, match=says):
        mistake()


def ran(layer):
    layer.forward(X)
    return layer


# ------------------------------------------------------------------------------------------------------------ errors
def layer_and_rnn():
    return SimpleRNN(2, 3, rng=np.random.default_rng(0)), RNN(2, 3, 1, rng=0)


LAYER, FIRST = layer_and_rnn()
A_DENSE = Dense(2, 3, rng=np.random.default_rng(0))
X = np.zeros((2, 4, 2), np.float32)


@pytest.mark.parametrize(
    ("error", "says", "mistake"),
    [
        (
            ValueError,
            r"\(batch, time, 2\), but got \(4, 2\). One sequence alone\? Write x\[None\]",
            lambda: LAYER.forward(X[0]),
        ),
        (ValueError, r"\(2, 4, 3\)", lambda: LAYER.forward(np.zeros((2, 4, 3)))),
        (ValueError, "no steps", lambda: LAYER.forward(np.zeros((2, 0, 2)))),
        (TypeError, "symbol ids", lambda: LAYER.forward(np.zeros((2, 4, 2), int))),
        (ValueError, r"shape \(2, 3\), but got \(1, 3\)", lambda: LAYER.forward(X, np.zeros((1, 3)))),
        (ValueError, "True at real steps, but got int64", lambda: LAYER.forward(X, mask=np.ones((2, 4), np.int64))),
        (ValueError, r"of shape \(2, 3\)", lambda: LAYER.forward(X, mask=np.ones((2, 3), bool))),
        (RuntimeError, "backward was called before forward", lambda: layer_and_rnn()[0].backward(X)),
        (ValueError, "neither there is no gradient", lambda: (LAYER.forward(X), LAYER.backward(None))),
        (
            ValueError,
            r"d_outputs has the shape.*\(2, 4, 3\), but got \(2, 4, 2\)",
            lambda: (LAYER.forward(X), LAYER.backward(X)),
        ),
        (ValueError, "Call forward once a step", lambda: FIRST.forward(X)),
        (ValueError, r"reset_state\(batch_size=2\)", lambda: FIRST.forward(np.zeros((2, 2)))),
        (
            ValueError,
            "at least 1, but got 0",
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
    with pytest.raises(ValueError, match=r"\(1, 3\) is needed for 1 rows of input, but got \(1, 4\)"):
        RNN(2, 3, 1, rng=0).forward(np.zeros((1, 2)), np.zeros((1, 4)))


def test_the_gradient_that_was_passed_in_is_not_changed():
    rng = np.random.default_rng(0)
    layer = SimpleRNN(2, 3, rng=rng, dtype=np.float64)
    layer.forward(rng.normal(size=(2, 4, 2)), mask=rng.random((2, 4)) < 0.5)
    gradient, gradient_state = rng.normal(size=(2, 4, 3)), rng.normal(size=(2, 3))
    kept = gradient.copy(), gradient_state.copy()
    layer.backward(gradient, gradient_state)
    np.testing.assert_array_equal(gradient, kept[0])
    np.testing.assert_array_equal(gradient_state, kept[1])


# --- memory that is kept from call to call ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    "make",
    [
        lambda rng: SimpleRNN(2, 3, rng=rng),
        lambda rng: LSTM(2, 3, rng=rng),
        lambda rng: GRU(2, 3, rng=rng),
        lambda rng: GRU(2, 3, rng=rng, reset_after=False),
    ],
)
def test_what_a_layer_returned_stays_as_it_was_when_the_layer_is_used_again(make):
    rng = np.random.default_rng(0)
    layer, flat = make(rng), lambda state: np.stack(state) if isinstance(state, tuple) else state
    sizes = [(4, 5), (2, 3), (6, 7), (4, 5)]  # smaller, larger, and the first again
    returned = []
    for batch, time in sizes:
        outputs, final = layer.forward(rng.normal(size=(batch, time, 2)).astype(np.float32))
        dx, d_initial = layer.backward(np.ones_like(outputs))
        returned.append([outputs, flat(final), dx, flat(d_initial), *layer.grads])
        if hasattr(layer, "gates"):
            returned[-1] += layer.gates.values()
    kept = [[array.copy() for array in arrays] for arrays in returned[:-1]]
    layer.backward(np.full_like(outputs, 3))
    for before, after in zip(kept, returned[:-1], strict=True):
        for one, other in zip(before, after, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", [SimpleRNN, LSTM, GRU])
def test_a_layer_used_before_answers_as_a_new_one(kind):
    def run(layer, batch, time):
        x = np.random.default_rng(batch).normal(size=(batch, time, 2)).astype(np.float32)
        outputs, _ = layer.forward(x)
        return outputs, layer.backward(np.cos(outputs))[0], *layer.grads

    used = kind(2, 3, rng=np.random.default_rng(0))
    for batch, time in [(5, 6), (2, 3), (7, 4)]:
        fresh = kind(2, 3, rng=np.random.default_rng(0))
        for one, other in zip(run(used, batch, time), run(fresh, batch, time), strict=True):
            np.testing.assert_array_equal(one, other)


# --------------------------------------------------------------------------------------------- what readers bring
RECURRENT = {
    "SimpleRNN": SimpleRNN,
    "LSTM": LSTM,
    "GRU": GRU,
    "GRU, reset before": lambda *sizes, **more: GRU(*sizes, reset_after=False, **more),
    "Bidirectional": lambda *sizes, **more: Bidirectional(LSTM(*sizes, **more), GRU(*sizes, **more)),
    "ReferenceLSTM": ReferenceLSTM,
    "ReferenceGRU": ReferenceGRU,
}
every_kind = pytest.mark.parametrize("kind", RECURRENT)
MASKS = ("none", "lengths", "random", "padded in front", "some rows all masked", "all masked")
LAYOUTS = ("plain", "Fortran", "every other row", "backwards in time", "time first", "read only")


def random_mask(which, batch, time, rng):
    lengths = rng.integers(1, time + 1, (batch, 1))
    mask = {
        "none": np.ones((batch, time), bool),
        "lengths": np.arange(time) < lengths,
        "random": rng.random((batch, time)) < 0.6,
        "padded in front": np.arange(time) >= time - lengths,
        "some rows all masked": np.arange(time) < lengths * (np.arange(batch)[:, None] % 2),
        "all masked": np.zeros((batch, time), bool),
    }[which]
    return mask


def laid_out(a, layout):
    """The same numbers as readers have them: no array of numpy promises to lie in one piece."""
    if layout == "Fortran":
        return np.asfortranarray(a)
    if layout == "every other row":
        return np.repeat(a, 2, axis=0)[::2]
    if layout == "backwards in time":
        return a[:, ::-1].copy()[:, ::-1]
    if layout == "time first":
        return a.swapaxes(0, 1).copy().swapaxes(0, 1)
    a = a.copy()
    a.flags.writeable = layout != "read only"
    return a


def flat(nested):
    return [a for part in nested for a in flat(part)] if isinstance(nested, tuple | list) else [nested]


def both_passes(layer, x, mask, seed):
    """Outputs, states and all gradients, by name; ∂L/∂outputs and ∂L/∂state are random."""
    rng = np.random.default_rng(seed)
    outputs, final = layer.forward(x, None, mask)
    dx, d_start = layer.backward(rng.normal(size=outputs.shape))
    return dict(outputs=outputs, final=final, dx=dx, d_start=d_start, grads=list(layer.grads))


@every_kind
@given(
    sizes=sizes,
    seed=st.integers(0, 999),
    own=st.sampled_from([np.float32, np.float64]),
    given=st.sampled_from([np.float32, np.float64]),
    which=st.sampled_from(MASKS),
    layout=st.sampled_from(LAYOUTS),
)
def test_whatever_float_array_and_mask_a_reader_brings(kind, sizes, seed, own, given, which, layout):
    batch, time, features, units = sizes
    rng = np.random.default_rng(seed)
    layer = RECURRENT[kind](features, units, rng=rng, dtype=own)
    x, mask = rng.normal(size=(batch, time, features)).astype(given), random_mask(which, batch, time, rng)
    got = both_passes(layer, laid_out(x, layout), laid_out(mask, layout), seed)
    assert {a.dtype for a in flat(list(got.values()))} == {np.dtype(own)}
    plain = both_passes(layer, x.astype(own), mask, seed)
    close = dict(rtol=1e-12, atol=1e-14) if own == np.float64 else dict(rtol=1e-4, atol=1e-5)
    for a, b in zip(flat(list(got.values())), flat(list(plain.values())), strict=True):
        np.testing.assert_allclose(a, b, **close)  # BLAS sums arrays of another layout in another order
    assert not got["dx"][~mask].any()  # what stands in the padding does not matter
    empty = ~mask.any(axis=1)  # a row without a real step keeps its state and says nothing
    assert not got["outputs"][empty].any()
    assert not any(state[empty].any() for state in flat(got["final"]))
    if mask.all():
        without = both_passes(layer, x, None, seed)
        for a, b in zip(flat(list(plain.values())), flat(list(without.values())), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@every_kind
@given(sizes=sizes, seed=st.integers(0, 999), which=st.sampled_from(MASKS))
def test_a_row_is_the_same_alone_and_in_any_batch(kind, sizes, seed, which):
    batch, time, features, units = sizes
    rng = np.random.default_rng(seed)
    layer = RECURRENT[kind](features, units, rng=rng, dtype=np.float64)
    x, mask = rng.normal(size=(batch, time, features)), random_mask(which, batch, time, rng)
    outputs, final = layer.forward(x, None, mask)
    for row in range(batch):
        alone, alone_final = layer.forward(x[[row]], None, mask[[row]])
        np.testing.assert_allclose(alone[0], outputs[row], atol=1e-12)
        for a, b in zip(flat(alone_final), flat(final), strict=True):
            np.testing.assert_allclose(a[0], b[row], atol=1e-12)


@every_kind
@given(seed=st.integers(0, 999), smaller_first=st.booleans())
def test_a_layer_used_again_and_again_remembers_the_last_time_only(kind, seed, smaller_first):
    """Batches of other sizes in between, as at the end of an epoch, leave nothing behind."""
    rng = np.random.default_rng(seed)
    layer = RECURRENT[kind](2, 3, rng=rng, dtype=np.float64)
    batches = [rng.normal(size=(2, 3, 2)), rng.normal(size=(4, 6, 2))][:: 1 if smaller_first else -1]
    first = both_passes(layer, batches[0], None, seed)
    first_kept = [a.copy() for a in flat(list(first.values()))]
    layer.forward(batches[1])
    again = both_passes(layer, batches[0], None, seed)
    for a, kept, b in zip(flat(list(first.values())), first_kept, flat(list(again.values())), strict=True):
        np.testing.assert_array_equal(a, kept)  # what was returned is the caller's own
        np.testing.assert_array_equal(a, b)


@every_kind
@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
def test_whole_numbers_are_refused_by_name(kind, dtype):
    layer = RECURRENT[kind](2, 3, rng=np.random.default_rng(0))
    with pytest.raises(TypeError, match=f"takes real numbers, but got an array of {np.dtype(dtype)}"):
        layer.forward(np.zeros((1, 4, 2), dtype))


@every_kind
def test_a_mask_that_is_none_is_refused(kind):
    layer = RECURRENT[kind](2, 3, rng=np.random.default_rng(0))
    for wrong in (np.ones((1, 4)), np.ones((1, 3), bool), np.ones((1, 4, 1), bool)):
        with pytest.raises(ValueError, match=r"takes a mask of \(1, 4\) booleans"):
            layer.forward(np.zeros((1, 4, 2)), None, wrong)
