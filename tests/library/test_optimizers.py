"""Optimizers: their formulas, clipping, learning rates that change, and whose weights they belong to."""

import inspect
from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.optimizers import OPTIMIZERS, SGD, Adam, LinearDecay, Momentum, clip_by_global_norm, global_norm


def test_first_steps():
    g = [np.array([0.5, -4.0])]
    for optimizer, expected in ((SGD(0.1), [-0.05, 0.4]), (Momentum(0.1), [-0.05, 0.4]), (Adam(0.1), [-0.1, 0.1])):
        w = [np.zeros(2)]
        optimizer.update(w, g)
        np.testing.assert_allclose(w[0], expected, rtol=1e-5)
        assert optimizer.iterations == 1


def test_momentum_keeps_part_of_its_last_step():
    w, optimizer = [np.zeros(1)], Momentum(0.1, momentum=0.5)
    optimizer.update(w, [np.ones(1)])
    optimizer.update(w, [np.zeros(1)])
    np.testing.assert_allclose(w[0], -0.1 - 0.05)


@pytest.mark.parametrize("optimizer", [SGD(0.1), Momentum(0.02), Adam(0.1)])
def test_each_finds_the_bottom_of_a_valley(optimizer):
    w = [np.array([3.0, -2.0], np.float32)]
    for _ in range(500):
        optimizer.update(w, [2 * w[0] * np.array([1, 5], np.float32)])
    assert np.abs(w[0]).max() < 1e-2
    assert w[0].dtype == np.float32


def test_clipping_keeps_direction_and_says_the_old_length():
    g = [np.array([3.0]), np.array([[4.0]])]
    assert global_norm(g) == 5
    assert clip_by_global_norm(g, 10) == 5
    np.testing.assert_array_equal(g[1], [[4.0]])
    assert clip_by_global_norm(g, 1) == 5
    np.testing.assert_allclose([g[0][0], g[1][0, 0]], [0.6, 0.8])
    for limit in (0, np.nan):
        with pytest.raises(ValueError, match=f"above zero, but got {limit}"):
            clip_by_global_norm(g, limit)


def test_two_steps_of_adam_by_hand():
    w, optimizer = [np.zeros(1)], Adam(0.1, beta_1=0.8, beta_2=0.9, epsilon=0.01)
    optimizer.update(w, [np.array([1.0])])  # m = .2, v = .1
    first = -0.1 * np.sqrt(0.1) / 0.2 * 0.2 / (np.sqrt(0.1) + 0.01)
    np.testing.assert_allclose(w[0], first)
    optimizer.update(w, [np.array([3.0])])  # m = .16 + .6, v = .09 + .9
    np.testing.assert_allclose(w[0], first - 0.1 * np.sqrt(0.19) / 0.36 * 0.76 / (np.sqrt(0.99) + 0.01))


# --- learning rates that change ---
@given(st.floats(0, 10), st.integers(1, 3000))
def test_linear_decay_is_the_loop_it_replaces_to_the_last_bit(initial, steps):
    decay = LinearDecay(initial, steps)
    assert [decay(update) for update in range(steps)] == [initial * (1 - update / steps) for update in range(steps)]
    assert decay(steps) == decay(steps + 7) == 0


@pytest.mark.parametrize("make", [SGD, Momentum, Adam])
def test_a_schedule_trains_as_setting_the_rate_by_hand_does(make):
    grads = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    scheduled, by_hand = make(LinearDecay(0.1, 20)), make(0.1)
    ours, theirs = [np.ones(3, np.float32)], [np.ones(3, np.float32)]
    for update, g in enumerate(grads):
        by_hand.learning_rate = 0.1 * (1 - update / 20)
        assert scheduled.learning_rate == by_hand.learning_rate
        scheduled.update(ours, [g])
        by_hand.update(theirs, [g])
        np.testing.assert_array_equal(ours[0], theirs[0])


def test_any_function_of_the_updates_made_is_a_learning_rate():
    w, optimizer = [np.zeros(1)], SGD(lambda update: 1.0 if update < 2 else 0.5)
    for _ in range(4):
        optimizer.update(w, [np.ones(1)])
    assert w[0][0] == -3.0
    optimizer.learning_rate = 0.25
    assert optimizer.learning_rate == 0.25


@pytest.mark.parametrize("rate", [-0.1, np.nan, "fast", None, [0.1]])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(ValueError, match=r"a number, at least 0, or a function .* but got"):
        Adam(rate)
    optimizer = SGD(0.1)
    with pytest.raises(ValueError, match="a number, at least 0"):
        optimizer.learning_rate = rate


@pytest.mark.parametrize("arguments", [(0.1, 0), (-0.1, 5), (np.nan, 5)])
def test_a_decay_over_nothing_is_refused(arguments):
    with pytest.raises(ValueError, match="number of updates of the whole training"):
        LinearDecay(*arguments)


# --- whose weights ---
@pytest.mark.parametrize("make", [Momentum, Adam])
def test_running_means_belong_to_one_model(make):
    optimizer, mine = make(0.1), [np.ones(3), np.ones((2, 2))]
    optimizer.update(mine, mine)
    for others in ([np.ones(3), np.ones((2, 2))], [np.ones(3)], [np.ones(3), np.ones(4)]):
        before = deepcopy(others)
        with pytest.raises(ValueError, match=r"1 updates .* of shapes \[\(3,\), \(2, 2\)\], but got .* new optimizer"):
            optimizer.update(others, others)
        for a, b in zip(others, before, strict=True):
            np.testing.assert_array_equal(a, b)
    optimizer.update([w[:] for w in mine], mine)  # views of the same weights are the same weights
    model_and_optimizer = deepcopy((mine, optimizer))
    model_and_optimizer[1].update(model_and_optimizer[0], mine)


def test_sgd_keeps_nothing_and_trains_any_model():
    optimizer = SGD(0.5)
    for weights in ([np.ones(3)], [np.ones(2)]):
        optimizer.update(weights, [w.copy() for w in weights])
        np.testing.assert_array_equal(weights[0], 0.5)


# --- description ---
@pytest.mark.parametrize(
    "optimizer",
    [SGD(0.1), SGD(LinearDecay(0.3, 7)), Momentum(0.1, momentum=0.5), Adam(0.2, beta_1=0.5, beta_2=0.6, epsilon=0.7)],
)
def test_a_description_builds_the_same_optimizer(optimizer):
    again = OPTIMIZERS[type(optimizer).__name__].from_config(optimizer.config())
    assert again.config() == optimizer.config()
    assert repr(again) == repr(optimizer)
    assert again.learning_rate == optimizer.learning_rate
    assert {name for name in vars(again) if not name.startswith("_")} == {
        name for name in vars(optimizer) if not name.startswith("_")
    }


def test_every_argument_is_in_the_description():
    for kind in (SGD, Momentum, Adam):
        assert list(kind(0.1).config()) == list(inspect.signature(kind).parameters)
    assert repr(Adam(LinearDecay(0.01, 500))) == (
        "Adam(learning_rate=LinearDecay(0.01, 500), beta_1=0.9, beta_2=0.999, epsilon=1e-07)"
    )


def test_a_function_is_not_described():
    with pytest.raises(ValueError, match="a number or a LinearDecay as learning rate"):
        SGD(lambda update: 0.1).config()
