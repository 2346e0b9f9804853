"""Linear recurrences: scans equal to each other and stable, gradients, masks, parity by hand, and what cannot be."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib import linear_recurrence, tasks
from course_lib.gradients import check_gradients
from course_lib.layers import Dense, LastStep
from course_lib.linear_recurrence import (
    SCANS,
    GatedLinearRecurrence,
    MinGRU,
    scan_backward,
    scan_chunked,
    scan_sequential,
)
from course_lib.losses import SoftmaxCrossEntropy
from course_lib.metrics import accuracy
from course_lib.model import Model
from course_lib.optimizers import Adam
from course_lib.recurrent import Bidirectional

KINDS = {
    "positive": lambda *size, **how: GatedLinearRecurrence(*size, **how),
    "negative": lambda *size, **how: GatedLinearRecurrence(*size, negative_eigenvalues=True, **how),
    "minGRU": lambda *size, **how: MinGRU(*size, **how),
}
every_scan = pytest.mark.parametrize("scan", SCANS)
every_kind = pytest.mark.parametrize("kind", KINDS)
sizes = st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 3), st.integers(1, 4))  # batch, time, in, hidden


def make(kind, features, units, rng, scan="sequential", dtype=np.float64):
    """Return a layer all of whose weights, biases included, are random."""
    layer = KINDS[kind](features, units, rng=rng, scan=scan, dtype=dtype)
    for w in layer.weights:
        w[...] = rng.normal(size=w.shape)
    return layer


def by_definition(a, b, h):
    """Return the states, one row and one step at a time, in float64."""
    states = np.zeros(a.shape)
    for t in range(a.shape[1]):
        states[:, t] = h = a[:, t].astype(float) * h + b[:, t]
    return states


# ------------------------------------------------------------------------------------------------------------- scans
@every_scan
@given(time=st.integers(1, 40), seed=st.integers(0, 999), start=st.booleans())
def test_every_scan_is_the_definition_forwards_and_backwards(scan, time, seed, start):
    rng = np.random.default_rng(seed)
    a, b, d = rng.uniform(-1, 1, (2, time, 3)), rng.normal(size=(2, time, 3)), rng.normal(size=(2, time, 3))
    h0 = rng.normal(size=(2, 3)) if start else None
    kept = a.copy(), b.copy()
    states = SCANS[scan](a, b, h0)
    np.testing.assert_allclose(states, by_definition(a, b, np.zeros((2, 3)) if h0 is None else h0), atol=1e-12)
    expected = scan_backward(d, a, states, h0)
    for mine, theirs in zip(scan_backward(d, a, states, h0, SCANS[scan]), expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-12)
    np.testing.assert_array_equal(a, kept[0])
    np.testing.assert_array_equal(b, kept[1])


@every_scan
@given(time=st.integers(1, 12), seed=st.integers(0, 999))
def test_the_reverse_recurrence_is_the_gradient(scan, time, seed):
    rng = np.random.default_rng(seed)
    a, b, d = (rng.normal(size=(2, time, 2)) for _ in range(3))
    h0 = rng.normal(size=(2, 2))
    grads = scan_backward(d, a, SCANS[scan](a, b, h0), h0, SCANS[scan])
    names = ("factors", "inputs", "initial state")
    check_gradients(
        lambda: np.sum(d * SCANS[scan](a, b, h0)),
        dict(zip(names, (a, b, h0), strict=True)),
        dict(zip(names, grads, strict=True)),
    )


@given(time=st.integers(1, 30), length=st.integers(1, 40))
def test_the_length_of_a_chunk_does_not_matter(time, length):
    rng = np.random.default_rng(time)
    a, b, h0 = rng.uniform(-1, 1, (2, time, 3)), rng.normal(size=(2, time, 3)), rng.normal(size=(2, 3))
    np.testing.assert_allclose(scan_chunked(a, b, h0, length=length), scan_sequential(a, b, h0), atol=1e-12)


def divided(a, b):
    """Return the states by the shortcut that divides by a product of factors."""
    products = a.cumprod(axis=1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return products * (b / products).cumsum(axis=1)


@every_scan
@pytest.mark.parametrize("lowest", [0.0, 0.9, 0.999, -1.0])
def test_long_scans_in_float32_stay_near_float64_where_dividing_gives_nan(scan, lowest):
    """Error at most 1e-5 of the largest state, whether factors are near 0 or near 1, at 20,000 steps."""
    rng = np.random.default_rng(0)
    a, b = rng.uniform(lowest, 1, (1, 20_000, 4)).astype(np.float32), rng.normal(size=(1, 20_000, 4)).astype(np.float32)
    d = rng.normal(size=a.shape).astype(np.float32)
    states, exact = SCANS[scan](a, b), by_definition(a, b, np.zeros((1, 4)))
    assert states.dtype == np.float32
    assert np.abs(states - exact).max() < 1e-5 * np.abs(exact).max()
    found, wanted = scan_backward(d, a, states, scan=SCANS[scan]), scan_backward(d.astype(float), a, exact)
    for mine, theirs in zip(found, wanted, strict=True):
        assert np.abs(mine - theirs).max() < 1e-5 * np.abs(theirs).max()
    if lowest < 0.99:  # a product of 20,000 factors near .9995 is still a float
        assert np.isnan(divided(a, b)).any()


def test_factors_of_zero_forget_and_of_one_add_up():
    b = np.arange(1.0, 7).reshape(1, 6, 1)
    for scan in SCANS.values():
        np.testing.assert_array_equal(scan(np.zeros_like(b), b, np.ones((1, 1))), b)
        np.testing.assert_allclose(scan(np.ones_like(b), b, np.ones((1, 1))), 1 + b.cumsum(axis=1))
        constant = np.broadcast_to(np.float64(0.5), b.shape)  # a view that must not be written into
        np.testing.assert_allclose(scan(constant, b), by_definition(constant, b, 0.0))


def test_what_a_scan_cannot_take_is_refused():
    ones = np.ones((2, 5, 3))
    for a, b in ((ones, ones[:, :4]), (ones[0], ones[0]), (ones[:, :0], ones[:, :0])):
        with pytest.raises(ValueError, match=r"one shape \(batch, time, units\)"):
            scan_sequential(a, b)
    with pytest.raises(TypeError, match="real numbers"):
        scan_sequential(ones, ones.astype(int))
    with pytest.raises(ValueError, match="initial state of shape"):
        scan_sequential(ones, ones, np.ones((3, 3)))
    with pytest.raises(ValueError, match="at least one step, but got length=0"):
        scan_chunked(ones, ones, length=0)
    with pytest.raises(ValueError, match="have one shape"):
        scan_backward(ones, ones, ones[:, 1:])


# ------------------------------------------------------------------------------------------------------------ layers
@every_kind
@given(
    sizes=sizes,
    seed=st.integers(0, 999),
    scan=st.sampled_from(list(SCANS)),
    masked=st.booleans(),
    start=st.booleans(),
    which=st.sampled_from(["outputs", "state", "both"]),
)
def test_gradients(kind, sizes, seed, scan, masked, start, which):
    batch, time, features, units = sizes
    rng = np.random.default_rng(seed)
    layer = make(kind, features, units, rng, scan)
    x, h0 = rng.normal(size=(batch, time, features)), rng.normal(size=(batch, units)) if start else None
    mask = rng.random((batch, time)) < 0.6 if masked else None
    d_outputs = None if which == "state" else rng.normal(size=(batch, time, units))
    d_final = None if which == "outputs" else rng.normal(size=(batch, units))

    def loss():
        outputs, final = layer.forward(x, h0, mask)
        return sum(np.sum(d * y) for d, y in ((d_outputs, outputs), (d_final, final)) if d is not None)

    loss()
    dx, d_start = layer.backward(d_outputs, d_final)
    arrays = {"x": x, **dict(zip(layer.weight_names, layer.weights, strict=True))}
    grads = {"x": dx, **dict(zip(layer.weight_names, layer.grads, strict=True))}
    if start:
        arrays["h0"], grads["h0"] = h0, d_start
    check_gradients(loss, arrays, grads)
    assert layer.backward(d_outputs, d_final, input_gradient=False)[0] is None


@every_kind
def test_a_layer_is_its_formula_and_all_scans_agree(kind):
    rng = np.random.default_rng(0)
    layer = make(kind, 2, 3, rng)
    x, h0, h = rng.normal(size=(2, 7, 2)), rng.normal(size=(2, 3)), None
    (w1, w2), (b1, b2) = np.split(layer.kernel, 2, axis=1), np.split(layer.bias, 2)
    h, states = h0, []
    for t in range(7):
        gate, other = x[:, t] @ w1 + b1, x[:, t] @ w2 + b2
        if kind == "minGRU":
            z = 1 / (1 + np.exp(-gate))
            h = (1 - z) * h + z * other
        else:
            h = (np.tanh(gate) if kind == "negative" else 1 / (1 + np.exp(-gate))) * h + other
        states.append(h)
    for scan in SCANS:
        layer.scan = scan
        outputs, final = layer.forward(x, h0)
        np.testing.assert_allclose(outputs, np.stack(states, axis=1), atol=1e-12)
        np.testing.assert_array_equal(final, outputs[:, -1])


@every_kind
@every_scan
def test_a_masked_step_repeats_the_output_and_keeps_the_state(kind, scan):
    rng = np.random.default_rng(0)
    layer, x, h0 = make(kind, 2, 3, rng, scan), rng.normal(size=(1, 5, 2)), rng.normal(size=(1, 3))
    mask = np.array([[False, True, False, True, False]])
    outputs, final = layer.forward(x, h0, mask)
    real, _ = layer.forward(x[:, [1, 3]], h0)
    np.testing.assert_array_equal(outputs[0, 0], np.zeros(3))
    np.testing.assert_allclose(outputs[0, 1:], real[0, [0, 0, 1, 1]], atol=1e-14)
    np.testing.assert_array_equal(final, outputs[:, 4])
    other = np.where(mask[..., None], x, 99.0)
    np.testing.assert_array_equal(layer.forward(other, h0, mask)[0], outputs)
    dx, _ = layer.backward(np.ones((1, 5, 3)))
    assert not dx[0, ~mask[0]].any()
    outputs, final = layer.forward(x, h0, np.zeros((1, 5), bool))
    assert not outputs.any()
    np.testing.assert_array_equal(final, h0)
    assert not layer.backward(np.ones((1, 5, 3)))[1].any()  # outputs before the first real step stand for nothing
    np.testing.assert_array_equal(layer.backward(None, np.ones((1, 3)))[1], np.ones((1, 3)))


@every_kind
def test_a_sequence_in_two_pieces_is_the_sequence(kind):
    rng = np.random.default_rng(1)
    layer, x = make(kind, 2, 3, rng, "chunked"), rng.normal(size=(2, 9, 2))
    whole, _ = layer.forward(x)
    first, state = layer.forward(x[:, :4])
    second, _ = layer.forward(x[:, 4:], state)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, atol=1e-13)


def test_what_the_caller_writes_into_its_arrays_does_not_reach_backward():
    rng = np.random.default_rng(2)
    layer, x, h0 = make("minGRU", 2, 3, rng), rng.normal(size=(2, 4, 2)), rng.normal(size=(2, 3))
    outputs, final = layer.forward(x, h0)
    expected = layer.backward(np.ones((2, 4, 3)))
    grads = [g.copy() for g in layer.grads]
    outputs, final = layer.forward(x, h0)
    for array in (x, h0, outputs, final):
        array[...] = 7
    for mine, theirs in zip([*layer.backward(np.ones((2, 4, 3))), *layer.grads], [*expected, *grads], strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_what_a_layer_cannot_take_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(
        ValueError, match="scan is one of 'sequential', 'chunked', 'doubling', 'blelloch', but got 'tree'"
    ):
        MinGRU(2, 3, rng=rng, scan="tree")
    layer = MinGRU(2, 3, rng=rng)
    with pytest.raises(RuntimeError, match="before forward"):
        layer.backward(np.ones((1, 4, 3)))
    with pytest.raises(ValueError, match=r"MinGRU takes sequences of shape \(batch, time, 2\)"):
        layer.forward(np.ones((1, 4, 3)))
    with pytest.raises(ValueError, match="MinGRU needs an initial state"):
        layer.forward(np.ones((1, 4, 2)), np.ones((2, 3)))
    with pytest.raises(ValueError, match="MinGRU takes a mask"):
        layer.forward(np.ones((1, 4, 2)), mask=np.ones((1, 4)))
    layer.forward(np.ones((1, 4, 2)))
    with pytest.raises(ValueError, match="needs d_outputs, d_final_state or both"):
        layer.backward(None)
    with pytest.raises(ValueError, match="d_outputs has the shape"):
        layer.backward(np.ones((1, 4, 2)))


@every_kind
def test_saved_and_loaded_it_is_the_same(kind, tmp_path):
    rng = np.random.default_rng(3)
    layers = [make(kind, 2, 3, rng, "chunked", np.float32), LastStep(), Dense(3, 2, rng=rng)]
    model, x = Model(layers, SoftmaxCrossEntropy()), rng.normal(size=(4, 6, 2)).astype(np.float32)
    model.save(tmp_path / "model.npz")
    again = Model.load(tmp_path / "model.npz")
    assert repr(again) == repr(model)
    assert again.layers[0].scan == "chunked"
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_two_directions_side_by_side():
    rng = np.random.default_rng(4)
    layer = Bidirectional(make("negative", 2, 3, rng), make("minGRU", 2, 3, rng))
    x, mask, d = rng.normal(size=(2, 5, 2)), rng.random((2, 5)) < 0.7, rng.normal(size=(2, 5, 6))

    def loss():
        return np.sum(d * layer.forward(x, mask=mask)[0])

    loss()
    dx, _ = layer.backward(d)
    check_gradients(loss, {"x": x}, {"x": dx})


# -------------------------------------------------------------------------------------------------------- what it can
def parity_by_hand(dtype=np.float64):
    """Return a layer of one unit with h ← (1 - 2x) h + x: its state is the parity of the bits so far."""
    layer = GatedLinearRecurrence(1, 1, rng=np.random.default_rng(0), negative_eigenvalues=True, dtype=dtype)
    layer.set_weights([[[-80.0, 1.0]], [40.0, 0.0]])
    return layer


@every_scan
def test_with_factors_down_to_minus_one_parity_needs_one_unit_and_no_training(scan):
    bits, targets = tasks.parity(50, 1_000, np.random.default_rng(0))
    for dtype in (np.float32, np.float64):
        layer = parity_by_hand(dtype)
        layer.scan = scan
        np.testing.assert_array_equal(layer.forward(bits)[0][..., 0], targets)


@given(seed=st.integers(0, 9_999), kind=st.sampled_from(["positive", "minGRU"]), start=st.booleans())
def test_with_factors_above_zero_a_state_moves_in_one_direction_only_while_the_input_is_constant(seed, kind, start):
    """So no threshold on it can alternate, as parity must for a row of ones. With factors below zero one does."""
    rng = np.random.default_rng(seed)
    layer = make(kind, 2, 3, rng)
    layer.kernel *= rng.uniform(0.1, 20)
    x = np.broadcast_to(rng.normal(size=(1, 1, 2)), (1, 30, 2))
    h0 = rng.normal(size=(1, 3)) if start else np.zeros((1, 3))
    outputs, _ = layer.forward(x, h0)
    states = np.concatenate([h0[:, None], outputs], axis=1)[0]
    moves = np.diff(states, axis=0)
    moves[np.abs(moves) < 1e-12 * np.abs(states).max()] = 0  # rounding, once it stands still
    assert not (np.sign(moves).max(axis=0) - np.sign(moves).min(axis=0) > 1).any()
    above = states > rng.uniform(states.min(axis=0), states.max(axis=0))
    assert (np.diff(above, axis=0).sum(axis=0) <= 1).all()


def test_a_row_of_ones_alternates_with_factors_below_zero():
    outputs, _ = parity_by_hand().forward(np.ones((1, 30, 1)))
    assert np.diff(outputs.ravel() > 0.5).all()


@pytest.mark.parametrize("scan", ["sequential", "chunked"])
def test_a_model_of_minimal_grus_learns_which_symbol_was_first(scan):
    """Median of three runs; a guess is right half of the time."""
    scores = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(400, 12, 1)).astype(np.float32)
        y = (x[:, 0, 0] > 0).astype(int)
        x[:, 1:] *= 0.5
        marked = np.concatenate([x, np.zeros_like(x)], axis=2)
        marked[:, 0, 1] = 1  # where to look
        layers = [MinGRU(2, 12, rng=rng, scan=scan), LastStep(), Dense(12, 2, rng=rng)]
        model = Model(layers, SoftmaxCrossEntropy(), [accuracy])
        model.fit(marked[:300], y[:300], optimizer=Adam(0.02), epochs=20, rng=rng, progress=False)
        scores.append(model.evaluate(marked[300:], y[300:], return_dict=True)["accuracy"])
    assert np.median(scores) > 0.9, scores


def test_only_factors_below_zero_learn_parity():
    """Median of three runs on rows of 8 bits; ln 2 is a coin."""
    found = {}
    for negative in (True, False):
        losses = []
        for seed in range(3):
            rng = np.random.default_rng(seed)
            x, y = tasks.parity(256, 8, rng)
            layer = GatedLinearRecurrence(1, 16, rng=rng, negative_eigenvalues=negative)
            model = Model([layer, Dense(16, 2, rng=rng)], SoftmaxCrossEntropy())
            model.fit(x, y, optimizer=Adam(0.02), epochs=40, rng=rng, clip_norm=1.0, progress=False)
            losses.append(model.evaluate(*tasks.parity(256, 8, rng)))
        found[negative] = np.median(losses)
    assert found[True] < 0.05, found
    assert found[False] > 0.3, found


def test_the_table_of_scans_names_every_scan():
    assert all(f":func:`scan_{name}`" in linear_recurrence.__doc__ for name in SCANS)


# -------------------------------------------------------------------------------------------------------- the benchmark
def test_the_benchmark_times_in_turn_and_writes_its_tables(tmp_path, capsys):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
    try:
        import scan
    finally:
        sys.path.pop(0)
    asked = []
    rows = scan.in_turn({name: (lambda name=name: asked.append(name)) for name in "abc"}, repeats=3, seconds=0)
    assert "".join(asked) == "aabbcc" + "abc" + "bca" + "cab"
    assert [row["side"] for row in rows] == list("abc")
    assert rows[0]["ratio"] == 1
    scan.main(["--quick", "--out", str(tmp_path)])
    record = json.loads((tmp_path / "scan.json").read_text(encoding="utf-8"))
    assert [row["side"] for row in record["scans"][0]["both"]] == list(SCANS)
    assert "2 minGRU, chunked" in (tmp_path / "scan.md").read_text(encoding="utf-8")
    assert "A training step, batch 2, T 20, 4 units" in capsys.readouterr().out
