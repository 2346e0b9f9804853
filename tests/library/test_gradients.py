"""The gradient check itself must be able to fail; Jacobian norms have known values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.gradients import (
    check_gradients,
    gradient_norms,
    jacobian_norms,
    numerical_gradient,
    relative_error,
    spectral_radius,
)


def test_numerical_gradient_of_a_known_function():
    x = np.array([[1.0, -2.0], [0.5, 3.0]])
    kept = x.copy()
    np.testing.assert_allclose(numerical_gradient(lambda: np.sum(x**3), x), 3 * kept**2, rtol=1e-8)
    np.testing.assert_array_equal(x, kept)


def test_a_wrong_gradient_is_named():
    x, y = np.array([1.0, 2.0]), np.array([3.0])

    def loss():
        return np.sum(x**2) + np.sum(y**2)

    right = {"x": 2 * x, "y": 2 * y}
    assert max(check_gradients(loss, {"x": x, "y": y}, right).values()) < 1e-9
    with pytest.raises(AssertionError, match=r"disagree with finite differences: y \(.*Right within 1e-06: x"):
        check_gradients(loss, {"x": x, "y": y}, right | {"y": 2.00001 * y})
    with pytest.raises(AssertionError, match="x"):
        check_gradients(loss, {"x": x, "y": y}, right | {"x": np.array([np.nan, 1.0])})


def test_relative_error_knows_zero_and_shapes():
    assert relative_error(np.zeros(3), np.full(3, 1e-10)) == 0
    assert relative_error(np.ones(3), -np.ones(3)) == 1
    with pytest.raises(ValueError, match=r"\(3,\) and \(1, 3\)"):
        relative_error(np.ones(3), np.ones((1, 3)))


def test_float32_is_refused():
    x = np.ones(2, np.float32)
    with pytest.raises(TypeError, match="float64"):
        numerical_gradient(lambda: float(x.sum()), x)


def test_jacobian_norms_of_a_rotation_and_of_a_shrinking_network():
    angle = 0.3
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    np.testing.assert_allclose(jacobian_norms(rotation, np.ones((5, 2))), np.ones(6), atol=1e-12)
    np.testing.assert_allclose(jacobian_norms(0.5 * rotation, np.ones((3, 2))), [1 / 8, 1 / 4, 1 / 2, 1], atol=1e-12)
    with pytest.raises(ValueError, match="pick a row"):
        jacobian_norms(rotation, np.ones((5, 1, 2)))


def test_jacobian_norms_against_finite_differences():
    rng = np.random.default_rng(0)
    w, a, h = rng.normal(size=(3, 3)), rng.normal(size=(4, 3)), rng.normal(size=3)

    def run(h, start=0):
        states = []
        for step in a[start:]:
            h = np.tanh(step + h @ w)
            states.append(h)
        return np.array(states)

    states = run(h)
    norms = jacobian_norms(w, 1 - states**2)
    for t in range(4):
        h_t = states[t - 1] if t else h
        jacobian = np.array([(run(h_t + 1e-5 * e, t)[-1] - run(h_t - 1e-5 * e, t)[-1]) / 2e-5 for e in np.eye(3)])
        assert norms[t] == pytest.approx(np.linalg.norm(jacobian, 2), rel=1e-6)


def test_spectral_radius_of_known_matrices():
    assert spectral_radius(np.diag([1.0, -3.0, 2.0])) == 3
    assert spectral_radius([[0.0, -2.0], [2.0, 0.0]]) == pytest.approx(2)
    assert spectral_radius([[0.9, 5.0], [0.0, 0.9]]) == pytest.approx(0.9)
    for wrong in (np.ones((2, 3)), np.ones(4)):
        with pytest.raises(ValueError, match=r"Only a square matrix"):
            spectral_radius(wrong)


@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_spectral_radius_is_at_most_the_norm_and_a_limit_of_powers(seed, units):
    matrix = np.random.default_rng(seed).normal(size=(units, units))
    radius = spectral_radius(matrix)
    assert radius <= np.linalg.norm(matrix, 2) + 1e-9
    assert spectral_radius(3 * matrix) == pytest.approx(3 * radius)
    power = np.linalg.norm(np.linalg.matrix_power(matrix / radius, 400), 2) ** (1 / 400)
    assert power == pytest.approx(1, abs=0.03)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 4))
def test_gradient_norms_are_those_of_finite_differences(seed, time, batch):
    rng = np.random.default_rng(seed)
    w, a = rng.normal(scale=0.7, size=(3, 3)), rng.normal(size=(time, batch, 3))
    direct, first = rng.normal(size=(time, batch, 3)), rng.normal(size=(batch, 3))

    def losses(h, start):
        """The losses of the steps after ``start``, from the state h at that step."""
        total = 0.0
        for step, d in zip(a[start:], direct[start:], strict=True):
            h = np.tanh(step + h @ w)
            total += float((d * h).sum())
        return total

    states = [first]
    for step in a:
        states.append(np.tanh(step + states[-1] @ w))
    norms = gradient_norms(w, 1 - np.array(states[1:]) ** 2, direct)
    for t, h in enumerate(states):
        own = direct[t - 1] if t else 0  # what the loss of step t itself says
        gradient = numerical_gradient(lambda h=h, t=t: losses(h, t), h) + own
        assert norms[t] == pytest.approx(np.linalg.norm(gradient), rel=1e-6, abs=1e-9)


def test_gradient_norms_are_below_the_jacobians():
    rng = np.random.default_rng(0)
    w, slopes = rng.normal(size=(4, 4)), rng.uniform(0.1, 1, size=(9, 1, 4))
    last = np.zeros((9, 1, 4))
    last[-1] = rng.normal(size=4)
    norms = gradient_norms(w, slopes, last)
    assert norms[-1] == pytest.approx(np.linalg.norm(last))
    assert (norms <= jacobian_norms(w, slopes[:, 0]) * norms[-1] * (1 + 1e-9)).all()


def test_gradient_norms_say_which_shape_is_wrong():
    with pytest.raises(ValueError, match="Time comes first"):
        gradient_norms(np.eye(3), np.ones((5, 3)), np.ones((5, 3)))
    with pytest.raises(ValueError, match=r"one gradient for each state, but got \(1, 2, 3\)"):
        gradient_norms(np.eye(3), np.ones((5, 2, 3)), np.ones((1, 2, 3)))
