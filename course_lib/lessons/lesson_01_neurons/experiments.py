"""Lesson 01's reproductions: a spike and its threshold, firing rates, a perceptron's mistakes, and a hidden layer.

The functions are those the lesson shows, so that its live run and the recorded ones are the same experiment.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from course_lib.layers import ACTIVATIONS
from course_lib.neurons import Perceptron, firing_rate, hodgkin_huxley, leaky_integrate_and_fire, lif_rate, two_clouds
from course_lib.optimizers import Momentum
from course_lib.teaching.experiment import Reproduction
from course_lib.teaching.summaries import median, reached, values

sigmoid, _ = ACTIVATIONS["sigmoid"]

XOR_INPUTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
XOR_TARGETS = np.array([[0], [1], [1], [0]], float)

SIX_BITS = np.array(list(product([0, 1], repeat=6)), float)
IS_MIRRORED = (SIX_BITS[:, ::-1] == SIX_BITS).all(axis=1, keepdims=True).astype(float)


# ---------------------------------------------------------------------------------------------------------------------
# Spikes and rates
# ---------------------------------------------------------------------------------------------------------------------
def spike_height(kick):
    """The highest potential from 1 ms after the kick on, in mV: not the kick, the answer."""
    axon = hodgkin_huxley(kick)
    return float(axon.potential[axon.time >= 1].max())


def measure_axon(seed):
    del seed  # nothing is random here
    return {f"height_{kick}": spike_height(kick) for kick in (6, 7, 15)}


def measure_rate(seed):
    """The largest relative error of the simulated rate, for a random neuron under eight drives."""
    rng = np.random.default_rng(seed)
    neuron = dict(tau=rng.uniform(5, 30), threshold=rng.uniform(5, 20), refractory=rng.integers(0, 51) / 10)
    drive = neuron["threshold"] * rng.uniform(1.05, 4, 8)
    _, spikes = leaky_integrate_and_fire(np.tile(drive, (20_000, 1)), dt=0.02, **neuron)
    return {"error": float(np.abs(firing_rate(spikes, 0.02) / lif_rate(drive, **neuron) - 1).max())}


# ---------------------------------------------------------------------------------------------------------------------
# Mistakes
# ---------------------------------------------------------------------------------------------------------------------
def mistakes_until_learned(points, dimensions, margin, seed):
    """How often a perceptron is wrong about two clouds until it is wrong no more."""
    x, y, _ = two_clouds(points, dimensions, margin, np.random.default_rng(seed))
    perceptron = Perceptron(dimensions)
    assert perceptron.learn(x, y)
    return perceptron.mistakes


MARGINS = (0.2, 0.1, 0.05)


def measure_mistakes(seed):
    return {
        **{f"margin_{margin}": mistakes_until_learned(500, 20, margin, seed) for margin in MARGINS},
        "many_points": mistakes_until_learned(50_000, 20, 0.1, seed),
    }


# ---------------------------------------------------------------------------------------------------------------------
# A hidden layer
# ---------------------------------------------------------------------------------------------------------------------
def starting_weights(inputs, hidden, size, rng):
    """W¹, b¹, W² and b² of a network with one output, uniform on ±size."""
    shapes = (inputs, hidden), (hidden,), (hidden, 1), (1,)
    return [rng.uniform(-size, size, shape) for shape in shapes]


def forward(weights, x):
    """x (examples, inputs) -> hidden activities (examples, hidden), predictions (examples, 1)."""
    W1, b1, W2, b2 = weights
    h = sigmoid(x @ W1 + b1)
    return h, sigmoid(h @ W2 + b2)


def backward(weights, x, h, predictions, targets):
    """The gradients of L = ½ Σ (prediction - target)², in the order of the weights."""
    W2 = weights[2]
    d_predictions = predictions - targets  # blame of the predictions
    da2 = d_predictions * predictions * (1 - predictions)  # back through the output's sigmoid
    dh = da2 @ W2.T  # back through W²
    da1 = dh * h * (1 - h)  # back through the hidden sigmoids
    return [x.T @ da1, da1.sum(axis=0), h.T @ da2, da2.sum(axis=0)]


def sweeps_to_learn(weights, x, targets, rate, most):
    """Train, in place, until every answer is on the right side of ½; return the sweeps, or None."""
    momentum = Momentum(rate, momentum=0.9)
    for sweep in range(most + 1):
        h, predictions = forward(weights, x)
        if (np.abs(predictions - targets) < 0.5).all():
            return sweep
        momentum.update(weights, backward(weights, x, h, predictions, targets))
    return None


def learn_xor(hidden, seed):
    """Sweeps until XOR is learned by that many hidden units, or None."""
    weights = starting_weights(2, hidden, 1.0, np.random.default_rng(seed))
    return sweeps_to_learn(weights, XOR_INPUTS, XOR_TARGETS, rate=0.5, most=1000)


def learn_mirror(rate, seed, most=10_000):
    """Sweeps until mirror symmetry is learned by two hidden units, or None; and the weights."""
    weights = starting_weights(6, 2, 0.3, np.random.default_rng(seed))
    return sweeps_to_learn(weights, SIX_BITS, IS_MIRRORED, rate, most), weights


def asymmetry(weights):
    """How far a hidden unit's mirrored weights are from equal and opposite, as a share of the largest weight."""
    W1 = weights[0]
    return float(np.abs(W1 + W1[::-1]).max() / np.abs(W1).max())


def measure_xor(seed):
    return {"two": learn_xor(2, seed), "four": learn_xor(4, seed)}


def measure_mirror(seed):
    sweeps, weights = learn_mirror(0.1, seed)
    return {
        "sweeps": sweeps,
        "asymmetry": None if sweeps is None else asymmetry(weights),
        "sweeps_100k": sweeps or learn_mirror(0.1, seed, most=100_000)[0],
        "half_rate": learn_mirror(0.05, seed)[0],
    }


# ---------------------------------------------------------------------------------------------------------------------
# The bounds
# ---------------------------------------------------------------------------------------------------------------------
def _mistakes_holds(rows):
    return all(
        all(row[f"margin_{margin}"] <= 1 / margin**2 for margin in MARGINS)
        and row["many_points"] < 2 * row["margin_0.1"]
        for row in rows
    )


def _xor_holds(rows):
    return 0.6 <= reached(rows, "two") / len(rows) <= 0.95 and reached(rows, "four") == len(rows)


def _mirror_holds(rows):
    return (
        reached(rows, "sweeps") >= 0.6 * len(rows)
        and reached(rows, "sweeps_100k") == len(rows)
        and reached(rows, "half_rate") == len(rows)
        and max(values(rows, "asymmetry")) < 0.05
        and median(rows, "half_rate") < median(rows, "sweeps")
    )


def _mirror_measured(rows):
    solved = values(rows, "sweeps")
    return (
        f"{len(solved)} of {len(rows)} starts, median {np.median(solved):,.0f} sweeps ({min(solved):,} to "
        f"{max(solved):,}), the last after {max(values(rows, 'sweeps_100k')):,}; at half the rate "
        f"{reached(rows, 'half_rate')}, {median(rows, 'half_rate'):,.0f}"
    )


def _mistakes_measured(rows):
    means = "/".join(f"{np.mean([row[f'margin_{margin}'] for row in rows]):.0f}" for margin in MARGINS)
    return f"{means} on average; at margin .1 with 50,000 points {np.mean([row['many_points'] for row in rows]):.0f}"


REPRODUCTIONS = (
    Reproduction(
        key="squid-axon",
        lesson="01",
        paper="Hodgkin & Huxley 1952",
        claim="a kick of the membrane fires a whole spike or none",
        reported="the equations and their constants",
        criterion="6 mV fails (below 10 mV after the first millisecond), 7 and 15 mV give spikes of 95 to 115 mV",
        seeds=range(1),
        measure=measure_axon,
        holds=lambda rows: all(
            row["height_6"] < 10 and 95 < row["height_7"] < 115 and 95 < row["height_15"] < 115 for row in rows
        ),
        measured=lambda rows: "; ".join(f"{kick} mV: {rows[0][f'height_{kick}']:.1f} mV" for kick in (6, 7, 15)),
    ),
    Reproduction(
        key="firing-rate",
        lesson="01",
        paper="Leaky integrate-and-fire, closed form",
        claim="the firing rate under constant drive is 1 / (pause + τ ln(drive / (drive - threshold)))",
        reported="exact",
        criterion="simulated rates of random neurons within 1 % of the closed form",
        seeds=range(20),
        measure=measure_rate,
        holds=lambda rows: all(row["error"] < 0.01 for row in rows),
        measured=lambda rows: f"off by at most {max(row['error'] for row in rows):.2%}",
    ),
    Reproduction(
        key="perceptron-mistakes",
        lesson="01",
        paper="Novikoff 1962",
        claim="a perceptron makes at most (R/γ)² mistakes, whatever the number of points and dimensions",
        reported="at most 25, 100 and 400 mistakes at margins .2, .1 and .05 (R = 1)",
        criterion="at most (R/γ)² mistakes at three margins, on 500 points in 20 dimensions, and less than twice as "
        "many "
        "on 50,000 points as on 500",
        seeds=range(20),
        measure=measure_mistakes,
        holds=_mistakes_holds,
        measured=_mistakes_measured,
    ),
    Reproduction(
        key="xor-starts",
        lesson="01",
        paper="Rumelhart, Hinton & Williams 1986",
        claim="poor local minima are met where a network has just enough connections; a few more avoid them",
        reported="so, from experience with many tasks (no figure)",
        criterion="XOR: two hidden units learn it from 60 to 95 % of starts, four from all",
        seeds=range(100),
        measure=measure_xor,
        holds=_xor_holds,
        measured=lambda rows: f"two: {reached(rows, 'two')} of {len(rows)} starts; four: {reached(rows, 'four')}",
    ),
    Reproduction(
        key="mirror-symmetry",
        lesson="01",
        paper="Rumelhart, Hinton & Williams 1986, Fig. 1",
        claim="two hidden units learn to detect mirror symmetry of six bits",
        reported="1,425 sweeps with ε = .1 and α = .9 (one network)",
        criterion="learned from at least 12 of 20 starts within 10,000 sweeps and from all within 100,000, mirrored "
        "weights equal and opposite within 5 %; at half the rate from all within 10,000, sooner on the median",
        seeds=range(100),
        measure=measure_mirror,
        holds=_mirror_holds,
        measured=_mirror_measured,
    ),
)
