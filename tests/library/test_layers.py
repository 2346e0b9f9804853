"""Dense, Embedding, Dropout, LastStep and the losses: gradients, agreement with known values, errors in words."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from course_lib.gradients import check_gradients
from course_lib.layers import ACTIVATIONS, Dense, Dropout, Embedding, LastStep, glorot_uniform, orthogonal, softmax
from course_lib.losses import MeanSquaredError, SigmoidCrossEntropy, SoftmaxCrossEntropy


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


def test_dropout_keeps_the_mean_and_blames_only_what_passed():
    layer = Dropout(0.25, rng=np.random.default_rng(0))
    x = np.ones((200, 500), np.float32)
    y = layer.forward(x, training=True)
    assert set(np.unique(y)) == {0, np.float32(4 / 3)}
    assert abs(y.mean() - 1) < 4 * np.sqrt(0.25 / 0.75 / x.size)  # four standard errors
    np.testing.assert_array_equal(layer.backward(x), y)
    np.testing.assert_array_equal(layer.forward(x), x)


def test_last_step_returns_blame_to_the_last_step():
    layer, x = LastStep(), np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(layer.forward(x), x[:, 2])
    dx = layer.backward(np.ones((2, 4)))
    assert dx.shape == x.shape
    assert dx[:, :2].sum() == 0
    assert dx[:, 2].sum() == 8


@pytest.mark.parametrize("masked", [False, True])
@given(seed=st.integers(0, 999))
def test_loss_gradients(seed, masked):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(3, 4, 2)) * 3
    mask = rng.random((3, 4)) < 0.6 if masked else None
    if masked:
        mask[0, 0] = True
    targets = {
        SoftmaxCrossEntropy: rng.integers(0, 2, (3, 4)),
        MeanSquaredError: rng.normal(size=(3, 4, 2)),
        SigmoidCrossEntropy: rng.random((3, 4, 2)),
    }
    for kind, target in targets.items():
        loss = kind()
        loss.forward(scores, target, mask)
        analytic = loss.backward()
        check_gradients(
            lambda loss=loss, t=target: loss.forward(scores, t, mask), {"scores": scores}, {"scores": analytic}
        )
        if masked:
            assert not analytic[~mask].any()


def test_losses_have_their_known_values():
    scores = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]))
    assert SoftmaxCrossEntropy().forward(scores, np.array([0, 2])) == pytest.approx(-(np.log(0.5) + np.log(0.8)) / 2)
    assert SoftmaxCrossEntropy().forward(scores, np.array([0, 2]), np.array([True, False])) == pytest.approx(np.log(2))
    assert MeanSquaredError().forward(np.array([[1.0, 2.0]]), np.array([[0.0, 4.0]])) == pytest.approx(2.5)
    assert SigmoidCrossEntropy().forward(np.zeros((1, 1)), np.ones((1, 1))) == pytest.approx(np.log(2))


def test_extreme_scores_stay_finite():
    with np.errstate(all="raise", under="ignore"):
        assert SoftmaxCrossEntropy().forward(np.array([[1e4, -1e4]]), np.array([1])) == pytest.approx(2e4)
        assert SigmoidCrossEntropy().forward(np.array([[1e4]]), np.array([[0.0]])) == pytest.approx(1e4)
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
        (ValueError, "Use argmax", lambda: SoftmaxCrossEntropy().forward(np.zeros((2, 3)), np.zeros((2, 3), int))),
        (
            ValueError,
            "3 classes, but got targets from 3 to 3",
            lambda: SoftmaxCrossEntropy().forward(np.zeros((1, 3)), np.array([3])),
        ),
        (TypeError, "class ids", lambda: SoftmaxCrossEntropy().forward(np.zeros((1, 3)), np.array([0.0]))),
        (ValueError, "broadcast", lambda: MeanSquaredError().forward(np.zeros((2, 1)), np.zeros(2))),
        (
            ValueError,
            "no prediction to average",
            lambda: MeanSquaredError().forward(np.zeros((2, 1)), np.zeros((2, 1)), np.zeros(2, bool)),
        ),
        (
            ValueError,
            r"shape is \(2,\), but got \(3,\)",
            lambda: MeanSquaredError().forward(np.zeros((2, 1)), np.zeros((2, 1)), np.ones(3, bool)),
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


@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy, MeanSquaredError, SigmoidCrossEntropy])
def test_a_loss_needs_its_forward_pass_too(loss):
    with pytest.raises(RuntimeError, match=f"{loss.__name__}.backward was called before forward"):
        loss().backward()


def test_negative_ids_are_not_taken_for_the_last_ones():
    with pytest.raises(ValueError, match="ids from -1 to 2"):
        Embedding(5, 3, rng=RNG).forward(np.array([2, -1]))
    with pytest.raises(ValueError, match="targets from -1 to -1"):
        SoftmaxCrossEntropy().forward(np.zeros((1, 3)), np.array([-1]))


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
