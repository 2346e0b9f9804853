"""Random recurrent networks in which nothing is trained, or nothing but a linear readout."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from course_lib.layers import glorot_uniform
from course_lib.recurrent import RNN


def random_rnn(start: str, rng: np.random.Generator, units: int = 50) -> RNN:
    """Make a network of one input with one of three kinds of weights and no bias.

    Parameters
    ----------
    start : str
        "N(0, 1)" for both matrices, or the recurrent matrix alone "Glorot" or "orthogonal"; W_x is then Glorot.
    rng : numpy.random.Generator
        Source of the draws.
    units : int
        Length of the hidden state.

    Returns
    -------
    RNN
        With the random weights, which nothing trains.
    """
    rnn = RNN(1, units, 1, rng=rng)  # W_x Glorot, W_h orthogonal
    if start == "N(0, 1)":
        rnn.kernel = rng.standard_normal((1, units))
        rnn.recurrent_kernel = rng.standard_normal((units, units))
    elif start == "Glorot":
        rnn.recurrent_kernel = glorot_uniform((units, units), rng, np.float64)
    return rnn


def hidden_states(
    rnn: RNN, numbers: np.ndarray, activation: Callable[[np.ndarray], np.ndarray] = np.tanh
) -> np.ndarray:
    """Run a network of one input over a sequence of numbers, from a state of zeros.

    Parameters
    ----------
    rnn : RNN
        Its weights are read and stay as they are.
    numbers : (steps,) array
        One a step.
    activation : callable
        Of the units.

    Returns
    -------
    (steps, units) array
        One state after each input.
    """
    h, states = np.zeros(rnn.hidden_dim), []
    for number in numbers:
        h = activation(number * rnn.kernel[0] + h @ rnn.recurrent_kernel + rnn.bias)
        states.append(h)
    return np.array(states)
