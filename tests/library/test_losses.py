"""The losses: known values, gradients, masks, dtypes, and mistakes answered in words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.gradients import check_gradients
from course_lib.losses import LOSSES, Loss, MeanSquaredError, SigmoidCrossEntropy, SoftmaxCrossEntropy

KINDS = (SoftmaxCrossEntropy, MeanSquaredError, SigmoidCrossEntropy)
every_kind = pytest.mark.parametrize("kind", KINDS)
shapes = st.sampled_from([(1,), (4,), (3, 4), (1, 1), (2, 1, 3)])


def outputs_and_targets(kind, shape, rng, dtype=np.float64, size=3):
    outputs = (3 * rng.normal(size=(*shape, size))).astype(dtype)
    targets = {
        SoftmaxCrossEntropy: rng.integers(0, size, shape),
        MeanSquaredError: rng.normal(size=outputs.shape),
        SigmoidCrossEntropy: rng.random(outputs.shape),
    }
    return outputs, targets[kind]


def random_mask(shape, rng):
    """Random, with at least one prediction that counts."""
    mask = rng.random(shape) < 0.5
    mask.flat[rng.integers(mask.size)] = True
    return mask


@every_kind
@given(shape=shapes, seed=st.integers(0, 999), masked=st.booleans())
def test_gradients(kind, shape, seed, masked):
    rng = np.random.default_rng(seed)
    outputs, targets = outputs_and_targets(kind, shape, rng)
    mask = random_mask(shape, rng) if masked else None
    loss = kind()
    loss.forward(outputs, targets, mask)
    analytic = loss.backward()
    check_gradients(lambda: loss.forward(outputs, targets, mask), {"outputs": outputs}, {"outputs": analytic})


@every_kind
@given(shape=shapes, seed=st.integers(0, 999), dtype=st.sampled_from([np.float32, np.float64]))
def test_a_masked_loss_is_the_loss_of_what_counts(kind, shape, seed, dtype):
    rng = np.random.default_rng(seed)
    outputs, targets = outputs_and_targets(kind, shape, rng, dtype)
    mask, masked, counted = random_mask(shape, rng), kind(), kind()
    value = masked.forward(outputs, targets, mask)
    assert value == pytest.approx(counted.forward(outputs[mask], targets[mask]), rel=1e-6)
    gradient = masked.backward()
    np.testing.assert_allclose(gradient[mask], counted.backward(), rtol=1e-5, atol=1e-9)
    assert not gradient[~mask].any()
    outputs[~mask] += 7  # what a model says in the padding does not matter
    assert masked.forward(outputs, targets, mask) == value


@every_kind
@given(shape=shapes, seed=st.integers(0, 999), masked=st.booleans())
def test_float32_outputs_get_a_float32_gradient_and_close_values(kind, shape, seed, masked):
    rng = np.random.default_rng(seed)
    outputs, targets = outputs_and_targets(kind, shape, rng)
    mask, coarse, fine = random_mask(shape, rng) if masked else None, kind(), kind()
    value = coarse.forward(outputs.astype(np.float32), targets, mask)
    assert value == pytest.approx(fine.forward(outputs, targets, mask), rel=1e-5, abs=1e-6)
    assert coarse.backward().dtype == np.float32
    np.testing.assert_allclose(coarse.backward(), fine.backward(), rtol=1e-4, atol=1e-6)


@every_kind
def test_the_mean_of_many_float32_losses_is_summed_in_float64(kind):
    outputs, targets = outputs_and_targets(kind, (1,), np.random.default_rng(0), np.float32)
    many = 1_000_003
    once = kind().forward(outputs, targets)
    repeated = kind().forward(np.repeat(outputs, many, axis=0), np.repeat(targets, many, axis=0))
    assert repeated == pytest.approx(once, rel=1e-9)


def test_known_values():
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]))
    assert SoftmaxCrossEntropy().forward(logits, np.array([0, 2])) == pytest.approx(-(np.log(0.5) + np.log(0.8)) / 2)
    assert SoftmaxCrossEntropy().forward(logits, np.array([0, 2]), np.array([True, False])) == pytest.approx(np.log(2))
    assert MeanSquaredError().forward(np.array([[1.0, 2.0]]), np.array([[0.0, 4.0]])) == pytest.approx(2.5)
    assert SigmoidCrossEntropy().forward(np.zeros((1, 1)), np.ones((1, 1))) == pytest.approx(np.log(2))


def test_extreme_logits_stay_finite():
    with np.errstate(all="raise", under="ignore"):
        assert SoftmaxCrossEntropy().forward(np.array([[1e4, -1e4]]), np.array([1])) == pytest.approx(2e4)
        assert SigmoidCrossEntropy().forward(np.array([[1e4]]), np.array([[0.0]])) == pytest.approx(1e4)


@every_kind
def test_a_loss_needs_its_forward_pass_too(kind):
    with pytest.raises(RuntimeError, match=f"{kind.__name__}.backward was called before forward"):
        kind().backward()


def test_a_loss_registers_by_being_defined():
    assert {kind.__name__: kind for kind in KINDS}.items() <= LOSSES.items()

    class AbsoluteError(Loss):
        def forward(self, outputs, targets, mask=None):
            return float(np.abs(outputs - targets).mean())

    assert LOSSES.pop("AbsoluteError") is AbsoluteError
    assert repr(AbsoluteError()) == "AbsoluteError()"
    with pytest.raises(NotImplementedError, match="AbsoluteError has no backward"):
        AbsoluteError().backward()


@pytest.mark.parametrize(
    ("error", "says", "kind", "arguments"),
    [
        (ValueError, "Use argmax", SoftmaxCrossEntropy, (np.zeros((2, 3)), np.zeros((2, 3), int))),
        (ValueError, "3 classes, but got targets from 3 to 3", SoftmaxCrossEntropy, (np.zeros((1, 3)), [3])),
        (ValueError, "but got targets from -1 to -1", SoftmaxCrossEntropy, (np.zeros((1, 3)), [-1])),
        (TypeError, "class ids", SoftmaxCrossEntropy, (np.zeros((1, 3)), [0.0])),
        (TypeError, "SoftmaxCrossEntropy takes real numbers", SoftmaxCrossEntropy, (np.zeros((1, 3), int), [0])),
        (ValueError, "broadcast", MeanSquaredError, (np.zeros((2, 1)), np.zeros(2))),
        (ValueError, "broadcast", SigmoidCrossEntropy, (np.zeros((2, 1)), np.zeros(2))),
        (ValueError, "no prediction to average", MeanSquaredError, (np.zeros((2, 1)), [[0], [0]], [False, False])),
        (ValueError, "no prediction to average", SoftmaxCrossEntropy, (np.zeros((0, 3)), np.zeros(0, int))),
        (ValueError, r"shape is \(2,\), but got \(3,\)", MeanSquaredError, (np.zeros((2, 1)), [[0], [0]], [True] * 3)),
        (ValueError, "but got numbers from 0.0 to 2.0", SigmoidCrossEntropy, (np.zeros((1, 2)), [[0, 2]])),
        (ValueError, "but got numbers from nan", SigmoidCrossEntropy, (np.zeros((1, 1)), [[np.nan]])),
    ],
)  # fmt: skip
def test_mistakes_are_answered_in_words(error, says, kind, arguments):
    with pytest.raises(error, match=says):
        kind().forward(*arguments)


def test_targets_in_the_padding_may_be_anything():
    targets = np.array([[0.5], [-1.0]])  # -1 as padding
    assert SigmoidCrossEntropy().forward(np.zeros((2, 1)), targets, [True, False]) == pytest.approx(np.log(2))
