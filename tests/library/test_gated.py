"""LSTM and both forms of GRU: formulas, gradients, masks, states, starting values and errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.gradients import check_gradients
from course_lib.layers import Dense, LastStep
from course_lib.losses import SoftmaxCrossEntropy
from course_lib.model import Model
from course_lib.optimizers import Adam
from course_lib.recurrent import GRU, LSTM, Bidirectional, ReferenceGRU, ReferenceLSTM

KINDS = ("LSTM", "GRU", "GRU, reset before")
sizes = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 3), st.integers(1, 4))  # batch, time, in, hidden
every_kind = pytest.mark.parametrize("kind", KINDS)


def make(kind, features, units, rng, dtype=np.float64):
    """Return a layer all of whose weights, biases included, are random."""
    if kind == "LSTM":
        layer = LSTM(features, units, rng=rng, dtype=dtype)
    else:
        layer = GRU(features, units, rng=rng, dtype=dtype, reset_after=kind == "GRU")
    for w in layer.weights:
        w[...] = rng.normal(size=w.shape)
    return layer


def parts(state):
    """Return the arrays of a state: h, or h and c."""
    return list(state) if isinstance(state, tuple) else [state]


def as_state(kind, arrays):
    return tuple(arrays) if kind == "LSTM" else arrays[0]


def random_state(kind, batch, units, rng):
    return as_state(kind, [rng.normal(size=(batch, units)) for _ in range(2 if kind == "LSTM" else 1)])


def product(gradient, values):
    return 0 if gradient is None else sum(np.sum(d * v) for d, v in zip(parts(gradient), parts(values), strict=True))


# ------------------------------------------------------------------------------------------------------- the formulas
def reference_of(layer):
    """Return the same layer in the form that reads like the formula."""
    kind = ReferenceLSTM if isinstance(layer, LSTM) else ReferenceGRU
    reference = kind(**layer.config(), rng=np.random.default_rng(0))
    reference.set_weights(layer.weights)
    return reference


@every_kind
@given(sizes=sizes, seed=st.integers(0, 999), masked=st.booleans(), which=st.sampled_from(["outputs", "state", "both"]))
def test_the_layer_is_its_formula_in_outputs_states_and_gradients(kind, sizes, seed, masked, which):
    batch, time, features, units = sizes
    rng = np.random.default_rng(seed)
    layer, start = make(kind, features, units, rng), random_state(kind, batch, units, rng)
    reference, x = reference_of(layer), rng.normal(size=(batch, time, features))
    mask = rng.random((batch, time)) < 0.6 if masked else None
    d_outputs = None if which == "state" else rng.normal(size=(batch, time, units))
    d_final = None if which == "outputs" else random_state(kind, batch, units, rng)
    results = []
    for one in (layer, reference):
        outputs, final = one.forward(x, start, mask)
        dx, d_start = one.backward(d_outputs, d_final)
        results.append([outputs, *parts(final), dx, *parts(d_start), *one.grads])
        assert one.backward(d_outputs, d_final, input_gradient=False)[0] is None
    for fast, slow in zip(*results, strict=True):
        np.testing.assert_allclose(fast, slow, rtol=0, atol=1e-10)


@every_kind
def test_gates_and_cell_states_are_those_of_the_formula(kind):
    rng = np.random.default_rng(0)
    layer, state, x = make(kind, 3, 4, rng), random_state(kind, 2, 4, rng), rng.normal(size=(2, 5, 3))
    layer.forward(x, state)
    gates, state, reference = layer.gates, parts(state), reference_of(layer)
    for t in range(5):
        state, kept = reference.step(x[:, t], *state)
        own = kept[3:7] if kind == "LSTM" else kept[2:5]
        assert list(gates) == list("ifco" if kind == "LSTM" else "zrh")
        for name, gate in zip(gates, own, strict=True):
            np.testing.assert_allclose(gates[name][:, t], gate, atol=1e-13)
        if kind == "LSTM":
            np.testing.assert_allclose(layer.cell_states[:, t], state[1], atol=1e-13)


def test_a_reference_step_is_right_by_hand():
    """One unit, one feature, weights of 0 but for biases: each gate is the sigmoid or tanh of its bias."""
    lstm = ReferenceLSTM(1, 1, rng=np.random.default_rng(0))
    lstm.set_weights([np.zeros((1, 4)), np.zeros((1, 4)), [0.0, np.log(3), np.arctanh(0.5), -np.log(3)]])
    (h, c), _ = lstm.step(np.zeros((1, 1)), np.zeros((1, 1)), np.ones((1, 1)))
    assert c.item() == pytest.approx(0.75 * 1 + 0.5 * 0.5)
    assert h.item() == pytest.approx(0.25 * np.tanh(1.0))
    for reset_after, inner in ((True, [0.0, 0.0, 1.0]), (False, None)):
        gru = ReferenceGRU(1, 1, rng=np.random.default_rng(0), reset_after=reset_after)
        bias = [np.log(3), 0.0, np.arctanh(0.5) - 0.5 * reset_after]
        gru.set_weights([np.zeros((1, 3)), np.zeros((1, 3)), [bias, inner] if reset_after else bias])
        (h,), _ = gru.step(np.zeros((1, 1)), np.ones((1, 1)))
        assert h.item() == pytest.approx(0.75 * 1 + 0.25 * 0.5)


def test_a_cell_told_to_keep_keeps_and_one_told_to_forget_forgets():
    rng = np.random.default_rng(0)
    x, h, c = rng.normal(size=(2, 50, 3)), np.zeros((2, 4)), rng.normal(size=(2, 4))
    layer = LSTM(3, 4, rng=rng, dtype=np.float64)
    for w in (layer.kernel, layer.recurrent_kernel):
        w[:] = 0
    layer.bias[:] = np.repeat([-50.0, 50.0, 0.0, 50.0], 4)  # nothing enters, all is kept and goes out
    outputs, (_, kept) = layer.forward(x, (h, c))
    np.testing.assert_allclose(kept, c, atol=1e-12)
    np.testing.assert_allclose(outputs, np.tanh(c)[:, None].repeat(50, axis=1), atol=1e-12)
    layer.bias[4:8] = -50.0
    assert np.abs(layer.forward(x, (h, c))[0]).max() < 1e-12


@pytest.mark.parametrize("reset_after", [True, False])
def test_an_update_gate_of_one_keeps_the_old_state_and_of_zero_takes_the_candidate(reset_after):
    """The direction of z that Cho and Keras have, and Chung has not."""
    rng = np.random.default_rng(0)
    layer = GRU(3, 4, rng=rng, dtype=np.float64, reset_after=reset_after)
    x, h0 = rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 4))
    layer.bias.reshape(-1, 3, 4)[0, 0] = 50.0
    np.testing.assert_allclose(layer.forward(x, h0)[1], h0, atol=1e-12)
    layer.bias.reshape(-1, 3, 4)[0, 0] = -50.0
    outputs, _ = layer.forward(x, h0)
    np.testing.assert_allclose(outputs, layer.gates["h"], atol=1e-12)


def test_the_two_resets_agree_while_the_reset_gate_is_open_and_differ_when_it_is_not():
    rng = np.random.default_rng(0)
    after, before = (GRU(3, 4, rng=rng, dtype=np.float64, reset_after=a) for a in (True, False))
    before.set_weights([after.kernel, after.recurrent_kernel, after.bias[0]])
    x, h0 = rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 4))
    assert np.abs(after.forward(x, h0)[0] - before.forward(x, h0)[0]).max() > 1e-3
    after.bias[0, 4:8] = before.bias[4:8] = 50.0
    np.testing.assert_allclose(after.forward(x, h0)[0], before.forward(x, h0)[0], atol=1e-12)


# --------------------------------------------------------------------------------------------------------- gradients
@every_kind
@given(sizes=sizes, seed=st.integers(0, 999), masked=st.booleans(), which=st.sampled_from(["outputs", "state", "both"]))
def test_gradients(kind, sizes, seed, masked, which):
    batch, time, features, units = sizes
    rng = np.random.default_rng(seed)
    layer, start = make(kind, features, units, rng), random_state(kind, batch, units, rng)
    x = rng.normal(size=(batch, time, features))
    mask = rng.random((batch, time)) < 0.6 if masked else None
    gradient = None if which == "state" else rng.normal(size=(batch, time, units))
    gradient_state = None if which == "outputs" else random_state(kind, batch, units, rng)

    def loss():
        outputs, state = layer.forward(x, start, mask)
        return product(gradient, outputs) + product(gradient_state, state)

    loss()
    dx, d_start = layer.backward(gradient, gradient_state)
    names = layer.weight_names
    arrays = {"x": x} | {f"state {k}": s for k, s in enumerate(parts(start))}
    grads = {"x": dx} | {f"state {k}": d for k, d in enumerate(parts(d_start))}
    check_gradients(
        loss, arrays | dict(zip(names, layer.weights, strict=True)), grads | dict(zip(names, layer.grads, strict=True))
    )


@given(seed=st.integers(0, 999), masked=st.booleans())
def test_gradients_of_two_kinds_side_by_side(seed, masked):
    """Bidirectional with the states of an LSTM on one side and of a GRU on the other."""
    rng = np.random.default_rng(seed)
    layer = Bidirectional(make("LSTM", 2, 3, rng), make("GRU", 2, 3, rng))
    x, starts = rng.normal(size=(2, 4, 2)), (random_state("LSTM", 2, 3, rng), random_state("GRU", 2, 3, rng))
    mask = rng.random((2, 4)) < 0.6 if masked else None
    gradient, (gradient_of_lstm, gradient_of_gru) = (
        rng.normal(size=(2, 4, 6)),
        (rng.normal(size=(2, 2, 3)), rng.normal(size=(2, 3))),
    )

    def loss():
        outputs, ((h, c), state) = layer.forward(x, starts, mask)
        return np.sum(gradient * outputs) + np.sum(gradient_of_lstm * [h, c]) + np.sum(gradient_of_gru * state)

    loss()
    dx, ((dh, dc), d_gru) = layer.backward(gradient, (tuple(gradient_of_lstm), gradient_of_gru))
    arrays = {"x": x, "h": starts[0][0], "c": starts[0][1], "gru": starts[1]}
    names = layer.weight_names
    check_gradients(
        loss,
        arrays | dict(zip(names, layer.weights, strict=True)),
        {"x": dx, "h": dh, "c": dc, "gru": d_gru} | dict(zip(names, layer.grads, strict=True)),
    )


def test_the_gradient_through_an_open_cell_neither_shrinks_nor_grows():
    rng = np.random.default_rng(0)
    layer = LSTM(1, 3, rng=rng, dtype=np.float64)
    for w in (layer.kernel, layer.recurrent_kernel):
        w[:] = 0
    layer.bias[:] = np.repeat([-50.0, 50.0, 0.0, -50.0], 3)
    layer.forward(rng.normal(size=(2, 200, 1)))
    gradient = rng.normal(size=(2, 3))
    _, (_, dc) = layer.backward(None, (None, gradient))
    np.testing.assert_allclose(dc, gradient, atol=1e-12)


@every_kind
def test_half_a_final_state_may_be_left_out(kind):
    rng = np.random.default_rng(0)
    layer, x = make(kind, 2, 3, rng), rng.normal(size=(2, 4, 2))
    layer.forward(x)
    if kind == "LSTM":
        gradient = rng.normal(size=(2, 3))
        for given_one, whole in (
            ((gradient, None), (gradient, 0 * gradient)),
            ([None, gradient], [0 * gradient, gradient]),
        ):
            np.testing.assert_array_equal(layer.forward(x, given_one)[0], layer.forward(x, whole)[0])
            np.testing.assert_array_equal(layer.backward(None, given_one)[0], layer.backward(None, whole)[0])
    outputs_only = layer.backward(np.ones((2, 4, 3)))[0]
    zeros = as_state(kind, [np.zeros((2, 3))] * 2)
    np.testing.assert_array_equal(layer.backward(np.ones((2, 4, 3)), zeros)[0], outputs_only)
    np.testing.assert_array_equal(layer.backward(None, zeros)[0], np.zeros_like(x))


# ---------------------------------------------------------------------------------------------------- masks and states
@every_kind
def test_a_masked_step_repeats_the_output_and_keeps_the_state(kind):
    rng = np.random.default_rng(0)
    layer, x, start = make(kind, 2, 3, rng), rng.normal(size=(1, 5, 2)), random_state(kind, 1, 3, rng)
    outputs, final = layer.forward(x, start, np.array([[False, True, False, True, False]]))
    real, real_final = layer.forward(x[:, [1, 3]], start)
    np.testing.assert_array_equal(outputs[0, 0], np.zeros(3))
    np.testing.assert_allclose(outputs[0, [1, 3]], real[0], atol=1e-15)
    np.testing.assert_array_equal(outputs[0, 2], outputs[0, 1])
    np.testing.assert_array_equal(outputs[0, 4], outputs[0, 3])
    np.testing.assert_allclose(parts(final), parts(real_final), atol=1e-15)
    outputs, final = layer.forward(x, start, np.zeros((1, 5), bool))
    assert not outputs.any()
    np.testing.assert_array_equal(parts(final), parts(start))


@every_kind
@given(sizes=sizes, seed=st.integers(0, 999), padding=st.integers(1, 4), front=st.booleans())
def test_what_stands_in_the_padding_does_not_matter(kind, sizes, seed, padding, front):
    batch, time, features, units = sizes
    rng = np.random.default_rng(seed)
    layer, start = make(kind, features, units, rng), random_state(kind, batch, units, rng)
    x, gradient = rng.normal(size=(batch, time, features)), random_state(kind, batch, units, rng)
    outputs, state = layer.forward(x, start)
    dx, d_start = layer.backward(None, gradient)
    grads = layer.grads
    before, after = (padding, 0) if front else (0, padding)
    real = slice(before, before + time)
    padded = np.pad(x, [(0, 0), (before, after), (0, 0)], constant_values=1e3)
    mask = np.zeros((batch, time + padding), bool)
    mask[:, real] = True
    padded_outputs, padded_state = layer.forward(padded, start, mask)
    padded_dx, padded_d_start = layer.backward(None, gradient)
    np.testing.assert_allclose(padded_outputs[:, real], outputs, atol=1e-12)
    np.testing.assert_allclose(parts(padded_state), parts(state), atol=1e-12)
    np.testing.assert_allclose(parts(padded_d_start), parts(d_start), atol=1e-12)
    np.testing.assert_allclose(padded_dx[:, real], dx, atol=1e-12)
    assert not padded_dx[~mask].any()
    for a, b in zip(layer.grads, grads, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-10)


@every_kind
@given(seed=st.integers(0, 999), cut=st.integers(1, 6))
def test_reading_in_pieces_is_reading_at_once(kind, seed, cut):
    """Both ways: the state carries on forwards, and its gradient carries on backwards."""
    rng = np.random.default_rng(seed)
    layer, x, gradient = make(kind, 2, 3, rng), rng.normal(size=(2, 7, 2)), rng.normal(size=(2, 7, 3))
    whole, whole_final = layer.forward(x)
    whole_dx, _ = layer.backward(gradient)
    whole_grads = layer.grads
    first, middle = layer.forward(x[:, :cut])
    second, final = layer.forward(x[:, cut:], middle)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, atol=1e-12)
    np.testing.assert_allclose(parts(final), parts(whole_final), atol=1e-12)
    second_dx, d_middle = layer.backward(gradient[:, cut:])
    second_grads = layer.grads
    layer.forward(x[:, :cut])
    first_dx, _ = layer.backward(gradient[:, :cut], d_middle)
    np.testing.assert_allclose(np.concatenate([first_dx, second_dx], axis=1), whole_dx, atol=1e-12)
    for a, b, both in zip(layer.grads, second_grads, whole_grads, strict=True):
        np.testing.assert_allclose(a + b, both, atol=1e-11)


@every_kind
def test_rows_of_a_batch_do_not_touch_each_other(kind):
    rng = np.random.default_rng(0)
    layer, x, start = make(kind, 2, 3, rng), rng.normal(size=(4, 5, 2)), random_state(kind, 4, 3, rng)
    mask = np.arange(5) < np.array([[5], [3], [1], [4]])
    outputs, final = layer.forward(x, start, mask)
    for row in range(4):
        one = as_state(kind, [s[[row]] for s in parts(start)])
        alone, alone_final = layer.forward(x[[row]], one, mask[[row]])
        np.testing.assert_allclose(alone[0], outputs[row], atol=1e-13)
        np.testing.assert_allclose([s[0] for s in parts(alone_final)], [s[row] for s in parts(final)], atol=1e-13)


@every_kind
def test_backward_can_be_asked_twice_and_keeps_to_itself(kind):
    """What a caller does with inputs, outputs, states, mask and gradients afterwards does not reach the gradients."""
    rng = np.random.default_rng(0)
    for batch in (1, 3):  # a single row is in time-major order as it is, and would be kept without a copy
        layer, start = make(kind, 2, 3, rng), random_state(kind, batch, 3, rng)
        x, mask = rng.normal(size=(batch, 4, 2)), rng.random((batch, 4)) < 0.6
        gradient, gradient_state = rng.normal(size=(batch, 4, 3)), random_state(kind, batch, 3, rng)
        kept = [a.copy() for a in (gradient, *parts(gradient_state), x, mask, *parts(start))]
        outputs, final = layer.forward(x, start, mask)
        gates = layer.gates
        dx, d_start = layer.backward(gradient, gradient_state)
        grads = layer.grads
        for a, b in zip((gradient, *parts(gradient_state), x, mask, *parts(start)), kept, strict=True):
            np.testing.assert_array_equal(a, b)
        for name, gate in layer.gates.items():  # the same after backward as before
            np.testing.assert_array_equal(gate, gates[name])
            gate[:] = 9
        cells = layer.cell_states if kind == "LSTM" else None
        for a in (outputs, x, *parts(final), *parts(start)):
            a[:] = 9
        mask[:] = ~mask
        if kind == "LSTM":
            np.testing.assert_array_equal(layer.cell_states, cells)
        again, d_start_again = layer.backward(gradient, gradient_state)
        np.testing.assert_array_equal(again, dx)
        np.testing.assert_array_equal(parts(d_start_again), parts(d_start))
        for a, b in zip(layer.grads, grads, strict=True):
            np.testing.assert_array_equal(a, b)


@every_kind
def test_float32_stays_float32_and_close_to_float64(kind):
    rng = np.random.default_rng(0)
    fine, coarse = make(kind, 3, 8, rng), make(kind, 3, 8, rng, np.float32)
    for w in fine.weights:
        w *= 0.3
    coarse.set_weights(fine.get_weights())
    x, mask, gradient = rng.normal(size=(4, 20, 3)), rng.random((4, 20)) < 0.8, rng.normal(size=(4, 20, 8))
    results = []
    for layer in (fine, coarse):
        outputs, final = layer.forward(x.astype(layer.dtype), None, mask)
        dx, d_start = layer.backward(gradient.astype(layer.dtype))
        results.append([outputs, *parts(final), dx, *parts(d_start), *layer.grads])
        assert {a.dtype for a in results[-1]} == {layer.dtype}
    for a, b in zip(*results, strict=True):
        assert np.linalg.norm(a - b) < 1e-5 * np.linalg.norm(a)


@every_kind
def test_enormous_sums_neither_overflow_nor_warn(kind):
    rng = np.random.default_rng(0)
    layer = make(kind, 2, 3, rng, np.float32)
    outputs, _ = layer.forward(np.full((2, 5, 2), 1e30, np.float32))
    dx, _ = layer.backward(np.ones_like(outputs))
    assert np.isfinite(outputs).all()
    assert np.isfinite(dx).all()


# ---------------------------------------------------------------------------------------------------- starting values
@every_kind
def test_starting_values(kind):
    rng = np.random.default_rng(0)
    layer = LSTM(3, 50, rng=rng) if kind == "LSTM" else GRU(3, 50, rng=rng, reset_after=kind == "GRU")
    gates = 4 if kind == "LSTM" else 3
    assert {w.dtype for w in layer.weights} == {np.dtype(np.float32)}
    limit = np.sqrt(6 / (3 + gates * 50))
    assert layer.kernel.shape == (3, gates * 50)
    assert 0.95 * limit < np.abs(layer.kernel).max() <= limit
    np.testing.assert_allclose(layer.recurrent_kernel @ layer.recurrent_kernel.T, np.eye(50), atol=1e-5)
    expected = {"LSTM": np.repeat([0, 1, 0, 0], 50), "GRU": np.zeros((2, 150)), "GRU, reset before": np.zeros(150)}
    np.testing.assert_array_equal(layer.bias, expected[kind])
    np.testing.assert_array_equal(LSTM(3, 2, rng=rng, forget_bias=-2.5).bias, [0, 0, -2.5, -2.5, 0, 0, 0, 0])


@every_kind
def test_gates_learn_to_remember_the_first_symbol(kind):
    """Against guessing (ln 4): the first of four symbols has to be named after seven others."""
    rng = np.random.default_rng(0)

    def data(rows):
        ids = rng.integers(0, 4, (rows, 8))
        return np.eye(4, dtype=np.float32)[ids], ids[:, 0]

    reader = LSTM(4, 16, rng=rng) if kind == "LSTM" else GRU(4, 16, rng=rng, reset_after=kind == "GRU")
    model = Model([reader, LastStep(), Dense(16, 4, rng=rng)], SoftmaxCrossEntropy())
    held_out = data(128)
    assert model.evaluate(*held_out) > 1.2
    model.fit(lambda: (data(32) for _ in range(300)), optimizer=Adam(0.01), clip_norm=1.0)
    assert model.evaluate(*held_out) < 0.1


# ------------------------------------------------------------------------------------------------------------- errors
X = np.zeros((2, 4, 2), np.float32)


def lstm():
    return LSTM(2, 3, rng=np.random.default_rng(0))


def gru():
    return GRU(2, 3, rng=np.random.default_rng(0))


def ran(layer):
    layer.forward(X)
    return layer


@pytest.mark.parametrize(
    ("error", "says", "mistake"),
    [
        (ValueError, r"LSTM takes sequences.*\(batch, time, 2\), but got \(4, 2\)", lambda: lstm().forward(X[0])),
        (ValueError, r"GRU takes sequences.*\(2, 4, 3\)", lambda: gru().forward(np.zeros((2, 4, 3)))),
        (ValueError, "LSTM got sequences of no steps", lambda: lstm().forward(X[:, :0])),
        (TypeError, "GRU takes real numbers.*symbol ids", lambda: gru().forward(np.zeros((2, 4, 2), int))),
        (
            ValueError,
            r"LSTM takes an initial state as a pair, \(h, c\), but got an array of shape \(2, 3\)",
            lambda: lstm().forward(X, np.zeros((2, 3))),
        ),
        (ValueError, r"as a pair, \(h, c\), but got a tuple of 3", lambda: lstm().forward(X, (None, None, None))),
        (
            ValueError,
            r"LSTM needs an initial state of shape \(2, 3\), but got \(1, 3\).*another size",
            lambda: lstm().forward(X, (np.zeros((2, 3)), np.zeros((1, 3)))),
        ),
        (ValueError, r"GRU needs.*\(2, 3\), but got \(2, 4\)", lambda: gru().forward(X, np.zeros((2, 4)))),
        (
            ValueError,
            r"GRU needs an initial state of shape \(2, 3\), but got \(2, 2, 3\)",
            lambda: gru().forward(X, lstm().forward(X)[1]),
        ),
        (ValueError, "LSTM takes a mask.*int64", lambda: lstm().forward(X, mask=np.ones((2, 4), np.int64))),
        (ValueError, r"GRU takes a mask.*\(2, 3\)", lambda: gru().forward(X, mask=np.ones((2, 3), bool))),
        (RuntimeError, "LSTM.backward was called before forward", lambda: lstm().backward(X)),
        (RuntimeError, "GRU.backward was called before forward", lambda: gru().backward(X)),
        (ValueError, "LSTM.backward needs d_outputs", lambda: ran(lstm()).backward(None)),
        (ValueError, "GRU.backward needs d_outputs", lambda: ran(gru()).backward(None)),
        (ValueError, r"d_outputs has.*\(2, 4, 3\), but got \(2, 4, 2\)", lambda: ran(lstm()).backward(X)),
        (ValueError, r"d_outputs has.*\(2, 4, 3\), but got \(2, 4, 2\)", lambda: ran(gru()).backward(X)),
        (
            ValueError,
            r"LSTM takes the gradient of its final state as a pair, \(dh, dc\), but got an array",
            lambda: ran(lstm()).backward(None, np.zeros((2, 3))),
        ),
        (
            ValueError,
            r"part of d_final_state has.*\(2, 3\), but got \(2, 4\)",
            lambda: ran(lstm()).backward(None, (None, np.zeros((2, 4)))),
        ),
        (ValueError, r"d_final_state has.*\(2, 3\), but got \(3,\)", lambda: ran(gru()).backward(None, np.zeros(3))),
        (
            ValueError,
            r"GRU.bias has shape \(2, 9\), but got an array of shape \(9,\)",
            lambda: gru().set_weights(GRU(2, 3, rng=np.random.default_rng(0), reset_after=False).get_weights()),
        ),
        (RuntimeError, "called before forward", lambda: lstm().gates),
    ],
)
def test_mistakes_are_answered_in_words(error, says, mistake):
    with pytest.raises(error, match=says):
        mistake()
