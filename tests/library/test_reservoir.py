"""Random networks: their weights are of the kind that was asked for, and their states are those of the recursion."""

import numpy as np
import pytest

from course_lib.recurrent import unroll
from course_lib.reservoir import hidden_states, random_rnn


@pytest.mark.parametrize("start", ["N(0, 1)", "Glorot", "orthogonal"])
def test_states_are_those_of_the_network(start):
    rng = np.random.default_rng(0)
    rnn, bits = random_rnn(start, rng, 7), rng.choice([-1.0, 1.0], 9)
    states, _ = unroll(rnn, bits[None, :, None])
    np.testing.assert_allclose(hidden_states(rnn, bits), states[1:, 0], atol=1e-9)
    assert not rnn.bias.any()


def test_each_start_has_its_size():
    rng = np.random.default_rng(0)
    normal, glorot, orthogonal = (random_rnn(start, rng, 200) for start in ("N(0, 1)", "Glorot", "orthogonal"))
    assert normal.recurrent_kernel.std() == pytest.approx(1, abs=0.02)
    assert normal.kernel.std() == pytest.approx(1, abs=0.2)
    assert np.abs(glorot.recurrent_kernel).max() == pytest.approx(np.sqrt(6 / 400), rel=0.01)
    np.testing.assert_allclose(orthogonal.recurrent_kernel @ orthogonal.recurrent_kernel.T, np.eye(200), atol=1e-9)


def test_another_activation_gives_a_linear_network():
    rng = np.random.default_rng(0)
    rnn, numbers = random_rnn("orthogonal", rng, 5), rng.normal(size=6)
    linear = hidden_states(rnn, numbers, activation=lambda a: a)
    np.testing.assert_allclose(hidden_states(rnn, 2 * numbers, activation=lambda a: a), 2 * linear)
    assert not np.allclose(hidden_states(rnn, numbers), linear)
