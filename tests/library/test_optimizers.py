"""Optimisers: their formulas, clipping, and agreement with Keras in tests/test_keras_parity.py."""

import numpy as np
import pytest

from course_lib.optimizers import SGD, Adam, Momentum, clip_by_global_norm, global_norm


def test_first_steps():
    g = [np.array([0.5, -4.0])]
    for optimizer, expected in ((SGD(0.1), [-0.05, 0.4]), (Momentum(0.1), [-0.05, 0.4]), (Adam(0.1), [-0.1, 0.1])):
        w = [np.zeros(2)]
        optimizer.update(w, g)
        np.testing.assert_allclose(w[0], expected, rtol=1e-5)


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
    with pytest.raises(ValueError, match="above zero, but 0 came"):
        clip_by_global_norm(g, 0)


def test_two_steps_of_adam_by_hand():
    w, optimizer = [np.zeros(1)], Adam(0.1, beta_1=0.8, beta_2=0.9, epsilon=0.01)
    optimizer.update(w, [np.array([1.0])])  # m = .2, v = .1
    first = -0.1 * np.sqrt(0.1) / 0.2 * 0.2 / (np.sqrt(0.1) + 0.01)
    np.testing.assert_allclose(w[0], first)
    optimizer.update(w, [np.array([3.0])])  # m = .16 + .6, v = .09 + .9
    np.testing.assert_allclose(w[0], first - 0.1 * np.sqrt(0.19) / 0.36 * 0.76 / (np.sqrt(0.99) + 0.01))
