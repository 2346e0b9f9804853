"""Lesson 03's reproductions: what random weights, with nothing trained but a linear readout, make of the past.

The functions are those the lesson shows, so that its live run and the recorded ones are the same experiment.
"""

from __future__ import annotations

import numpy as np

from course_lib.reservoir import hidden_states, random_rnn
from course_lib.teaching.experiment import Reproduction
from course_lib.teaching.summaries import spread

SIZES = (50, 100, 200, 400)
TANH_NETWORKS = (
    "N(0, 1)",
    "Glorot",
    "orthogonal",
    "orthogonal, noisy",
    "large W_x",
    "small inputs",
    "small inputs, noisy",
)


# ---------------------------------------------------------------------------------------------------------------------
# How large is a matrix of N(0, 1) numbers?
# ---------------------------------------------------------------------------------------------------------------------
def spectral_radius(matrix):
    """The largest absolute eigenvalue."""
    return float(np.abs(np.linalg.eigvals(matrix)).max())


def measure_radius(seed):
    rng = np.random.default_rng(seed)
    return {f"n{units}": spectral_radius(rng.standard_normal((units, units))) for units in SIZES}


# ---------------------------------------------------------------------------------------------------------------------
# What can be read off the state about what was read k steps ago?
# ---------------------------------------------------------------------------------------------------------------------
def fit_readout(states, targets):
    """W_y and b_y by least squares, from states (steps, units) to targets (steps, outputs)."""
    with_one = np.column_stack([states, np.ones(len(states))])
    solution = np.linalg.lstsq(with_one, targets, rcond=None)[0]
    return solution[:-1], solution[-1]


def recall(states, bits, most=100):
    """How much of the bit (±1) of k steps ago a readout recovers, k = 0, 1, ...: 1 is all of it."""
    wanted = np.column_stack([np.roll(bits, k) for k in range(most)])
    fit, test = slice(most, len(bits) // 2), slice(len(bits) // 2, None)
    W_y, b_y = fit_readout(states[fit], wanted[fit])
    error = ((states[test] @ W_y + b_y - wanted[test]) ** 2).mean(axis=0)
    return np.clip(1 - error, 0, 1)


def disturbed(activation, rng, noise=0.1):
    """The activation in a noisy world: each new state is off by a random number of that size."""
    return lambda a: activation(a) + noise * rng.standard_normal(a.shape)


def random_networks(bits, rng):
    """Networks of 50 units by name: each with what it reads and its activation."""
    found = {start: (random_rnn(start, rng), bits, np.tanh) for start in ("N(0, 1)", "Glorot", "orthogonal")}
    large, small, linear = (random_rnn("orthogonal", rng) for _ in range(3))
    large.kernel = rng.standard_normal((1, 50))
    linear.recurrent_kernel *= 0.9
    found["large W_x"] = large, bits, np.tanh
    found["small inputs"] = small, 0.2 * bits, np.tanh
    found["linear"] = linear, bits, lambda a: a
    for name in ("orthogonal", "small inputs", "linear"):
        rnn, reads, activation = found[name]
        found[f"{name}, noisy"] = rnn, reads, disturbed(activation, rng)
    return found


def measure_capacity(seed):
    """The recall summed over the last 100 steps, for each of the networks."""
    rng = np.random.default_rng(seed)
    bits = rng.choice([-1.0, 1.0], 10_000)
    return {
        name: float(recall(hidden_states(*network), bits).sum()) for name, network in random_networks(bits, rng).items()
    }


# ---------------------------------------------------------------------------------------------------------------------
# What was said, and when ours counts as held
# ---------------------------------------------------------------------------------------------------------------------
def _radius_holds(rows):
    return all(0.9 < row["n50"] / 50**0.5 < 1.3 and 0.97 < row["n400"] / 20 < 1.12 for row in rows)


def _capacity_holds(rows):
    return all(
        row["N(0, 1)"] < 4 < 6 < row["large W_x"] < row["orthogonal"]
        and 8 < row["Glorot"] < row["orthogonal"]
        and row["orthogonal"] < row["small inputs"] < row["linear"]
        and 47 < row["linear"] < 51
        and row["small inputs, noisy"] < row["orthogonal, noisy"] < row["orthogonal"]
        and row["linear, noisy"] < 25
        for row in rows
    )


REPRODUCTIONS = (
    Reproduction(
        key="circular-law",
        lesson="03",
        paper="Edelman 1997; Geman 1986",
        claim="the eigenvalues of an n × n matrix of N(0, 1) numbers fill a disc of radius √n, none far outside",
        reported="radius √n in the limit of large n (7.07, 10, 14.1 and 20 for n = 50, 100, 200 and 400: our "
        "arithmetic)",
        criterion="ours: largest absolute eigenvalue within .9 and 1.3 of √n at n = 50, within .97 and 1.12 at n = 400",
        seeds=range(20),
        measure=measure_radius,
        holds=_radius_holds,
        measured=lambda rows: ", ".join(f"n = {units}: {spread(rows, f'n{units}', '.2f')}" for units in SIZES),
    ),
    Reproduction(
        key="memory-capacity",
        lesson="03",
        paper="Jaeger 2001",
        claim="what linear readouts recover of the past, summed over all delays, is at most the number of units",
        reported="memory capacity at most N, reached by linear networks",
        criterion="ours, N = 50, last 100 steps: linear orthogonal network above 47 (below 51: sampling error); tanh: "
        "N(0, 1) below 4, Glorot above 8, orthogonal above Glorot, with W_x from N(0, 1) still above 6, "
        "with quiet inputs more; with noise .1, quiet inputs less, and linear below 25",
        seeds=range(20),
        measure=measure_capacity,
        holds=_capacity_holds,
        measured=lambda rows: (
            "linear "
            + spread(rows, "linear", ".1f")
            + ", with noise "
            + spread(rows, "linear, noisy", ".1f")
            + "; tanh: "
            + ", ".join(f"{name} {spread(rows, name, '.1f')}" for name in TANH_NETWORKS)
        ),
    ),
)
