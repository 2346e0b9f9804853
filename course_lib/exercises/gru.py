"""Exercises of lesson 07, the GRU: h_t = z_t h_{t-1} + (1 - z_t) candidate_t, with reset after the product."""
from __future__ import annotations

import numpy as np

from course_lib.exercises import Exercise, bank
from course_lib.exercises.running import Review, array_of_shape


# ---------------------------------------------------------------------------------------------------------------------
# 7.1  blame at the mixer
# ---------------------------------------------------------------------------------------------------------------------
def blame_at_the_mixer(dh, z, h_before, candidate):
    """Blame at h_t -> blame for z_t, for the candidate, and for h_{t-1} along the straight road."""
    return dh * (h_before - candidate), dh * (1 - z), dh * z


def _sign_turned(dh, z, h_before, candidate):
    return dh * (candidate - h_before), dh * (1 - z), dh * z


def _one_term_only(dh, z, h_before, candidate):
    return dh * h_before, dh * (1 - z), dh * z


def _roads_swapped(dh, z, h_before, candidate):
    return dh * (h_before - candidate), dh * z, dh * (1 - z)


def _undamped(dh, z, h_before, candidate):
    return dh * (h_before - candidate), dh * (1 - z), dh


def _check_mixer(attempt):
    rng = np.random.default_rng(71)
    dh, h_before, candidate = rng.normal(size=(3, 2, 4))
    z = rng.uniform(0.1, 0.9, (2, 4))
    got = attempt(dh, z, h_before, candidate)
    if not isinstance(got, tuple | list) or len(got) != 3:
        raise Review("Expected: three arrays, the blame for `z`, for `candidate` and for `h_before`, in this order.")
    names = ("z", "candidate", "h_before")
    d_z, d_candidate, d_before = (array_of_shape(g, (2, 4), f"the blame for `{name}`")
                                  for g, name in zip(got, names, strict=True))
    if np.allclose(d_z, dh * (candidate - h_before)):
        return ("The blame for `z` has the wrong sign. That would be right if z = 1 took the candidate, as in Chung et "
                "al.; here z = 1 keeps the old state.")
    if np.allclose(d_z, dh * h_before):
        return "`z` stands in the sum twice, once as z and once as 1 - z. The blame for it has a part from each."
    if np.allclose(d_candidate, dh * z) and np.allclose(d_before, dh * (1 - z)):
        return ("The last two are swapped: h_{t-1} is multiplied by z on its way to h_t, so its blame is multiplied "
                "by z on its way back.")
    if np.allclose(d_before, dh):
        return ("The blame for `h_before` arrives undamped. On its way forwards the old state was multiplied by a "
                "gate; so is the blame on its way back.")
    right = blame_at_the_mixer(dh, z, h_before, candidate)
    for name, mine, wanted in zip(names, (d_z, d_candidate, d_before), right, strict=True):
        if not np.allclose(mine, wanted):
            return (f"The blame for `{name}` is not yet right. Take h_t = z h_{{t-1}} + (1 - z) candidate and ask how "
                    f"fast h_t changes with `{name}` alone, all else held still.")


MIXER = Exercise(
    number="7.1",
    title="Blame at the mixer",
    prompt=r"""
The GRU's last line mixes: $h_t = z_t \odot h_{t-1} + (1 - z_t) \odot \tilde h_t$. Blame $\delta h_t$ arrives at its
left side. How much of it goes to $z_t$, how much to $\tilde h_t$, and how much straight to $h_{t-1}$? (What reaches
$h_{t-1}$ through the gates and the candidate is left out.)

All arrays have shape `(batch, units)`. Return the three in this order.
""",
    stub='''
def blame_at_the_mixer(dh, z, h_before, candidate):
    """Blame at h_t -> blame for z_t, for the candidate, and for h_{t-1} along the straight road."""
    return ...
''',
    hints=(
        "Each is δh times a slope: how fast does h_t change with that one thing?",
        "With the candidate h_t changes by 1 - z, with the old state by z. And z stands there twice.",
        "Sort the sum by z: h_t = candidate + z (h_before - candidate).",
    ),
    solution=blame_at_the_mixer,
    why="On the straight road blame is multiplied by z and nothing else: no matrix, no slope of a tanh. It is the "
        "LSTM's carousel without a cell of its own.",
    check=_check_mixer,
    misconceptions=(
        (_sign_turned, "wrong sign"),
        (_one_term_only, "twice"),
        (_roads_swapped, "swapped"),
        (_undamped, "undamped"),
    ),
)


# ---------------------------------------------------------------------------------------------------------------------
# 7.2  what is left of the first state
# ---------------------------------------------------------------------------------------------------------------------
def share_left(z):
    """How much of h_0 is left in h_1 ... h_T along the straight road: (T, units) -> (T, units)."""
    return np.cumprod(z, axis=0)


def _product_of_replaced(z):
    return np.cumprod(1 - z, axis=0)


def _only_the_last(z):
    return z


def _average(z):
    return np.cumsum(z, axis=0) / np.arange(1, len(z) + 1)[:, None]


def _across_units(z):
    return np.cumprod(z, axis=1)


def _check_share(attempt):
    z = np.random.default_rng(72).uniform(0.5, 1, (5, 3))
    got = array_of_shape(attempt(z), (5, 3), "the share left, (T, units)")
    if np.allclose(got, np.cumprod(1 - z, axis=0)):
        return "You multiplied 1 - z, which is what the candidate gets. Which factor does the old state get at a step?"
    if np.allclose(got, z):
        return "This is the share that each single step keeps. What step 3 keeps, steps 1 and 2 had already shrunk."
    if np.allclose(got, _average(z)):
        return ("This is the average gate. Shares multiply: after two steps that keep half, a quarter is left, and not "
                "a half.")
    if np.allclose(got, np.cumprod(z, axis=1)):
        return "You multiplied along the units. Each unit has a memory of its own; time is the first axis, 0."
    if not np.allclose(got, share_left(z)):
        return "Follow one unit: h_1 has z_1 h_0 in it, h_2 has z_2 z_1 h_0. What stands in row t?"


SHARE = Exercise(
    number="7.2",
    title="What is left of the first state",
    prompt=r"""
`z` holds the update gates of a run, one row a step, shape `(T, units)`; row 0 is $z_1$. Along the straight road, what
share of $h_0$ is left in $h_1$, in $h_2$, and so on to $h_T$? Return an array of the same shape.
""",
    stub='''
def share_left(z):
    """How much of h_0 is left in h_1 ... h_T along the straight road: (T, units) -> (T, units)."""
    return ...
''',
    hints=(
        "At step t the old state is multiplied by z_t. And what is the old state made of?",
        "Row t is the product of rows 0 to t.",
        "NumPy has a cumulative product; mind the axis.",
    ),
    solution=share_left,
    why="A gate of .9 sounds like a good memory. After 100 steps it has kept .00003 of what was there.",
    check=_check_share,
    misconceptions=(
        (_product_of_replaced, "1 - z"),
        (_only_the_last, "single step"),
        (_average, "average gate"),
        (_across_units, "along the units"),
    ),
)


# ---------------------------------------------------------------------------------------------------------------------
# 7.3  a first bias for a long memory
# ---------------------------------------------------------------------------------------------------------------------
def first_bias(steps, share):
    """The update gate's bias with which `share` of a state is left after `steps` steps."""
    z = share ** (1 / steps)
    return np.log(z / (1 - z))


def _gate_not_bias(steps, share):
    return share ** (1 / steps)


def _chungs_direction(steps, share):
    z = share ** (1 / steps)
    return np.log((1 - z) / z)


def _one_step(steps, share):
    return np.log(share / (1 - share))


def _divided(steps, share):
    z = 1 - (1 - share) / steps
    return np.log(z / (1 - z))


def _check_bias(attempt):
    for steps, share in ((20, 0.5), (100, 0.3), (3, 0.9)):
        got = float(array_of_shape(attempt(steps, share), (), "the bias, one number"))
        z, asked = share ** (1 / steps), f"For {steps} steps and a share of {share:g}"
        if not np.isfinite(got):
            return f"{asked} your bias is not finite."
        left = float((0.5 + 0.5 * np.tanh(got / 2)) ** steps)
        if abs(left - share) < 1e-3 * share:
            continue
        if np.isclose(got, z):
            return f"{asked} you return {got:.3f}, which is the gate itself. The gate is σ(bias): turn σ round."
        if np.isclose(got, -first_bias(steps, share)):
            return (f"{asked} you return {got:.2f}: the right size with the sign of Chung et al., whose z replaces. "
                    f"Ours keeps where it is near 1.")
        if np.isclose(got, _one_step(steps, share)):
            return f"{asked} this bias leaves the share after one step. The gate acts at each of the {steps}."
        return (f"{asked} your bias leaves {left:.4f}. Find the gate first: z multiplied by itself {steps} times has "
                f"to be {share:g}.")


BIAS = Exercise(
    number="7.3",
    title="A first bias for a long memory",
    prompt=r"""
Before training, take the state for small and the inputs for silent: then the update gate is $\sigma(b)$ at every step.
Which $b$ leaves the share `share` (between 0 and 1) of a state after `steps` steps? (The GRU's two biases add up for
$z$; $b$ is their sum.)
""",
    stub='''
def first_bias(steps, share):
    """The update gate's bias with which `share` of a state is left after `steps` steps."""
    return ...
''',
    hints=(
        "With a gate z, zᵗ is left after t steps. Solve that for z first.",
        "z is the steps-th root of the share.",
        "If z = σ(b) = 1/(1 + e⁻ᵇ), then b = ln(z/(1 - z)).",
    ),
    solution=first_bias,
    why="A zero bias is a gate of ½: half of everything is gone at each step. To keep half over twenty steps you need "
        "about 3.3; it is the LSTM's forget bias over again.",
    check=_check_bias,
    misconceptions=(
        (_gate_not_bias, "the gate itself"),
        (_chungs_direction, "sign of Chung"),
        (_one_step, "after one step"),
        (_divided, "Find the gate first"),
    ),
)


# ---------------------------------------------------------------------------------------------------------------------
# 7.4  a fair fight
# ---------------------------------------------------------------------------------------------------------------------
def fair_units(features, budget):
    """The most units a GRU (two rows of biases) may have within a budget of parameters."""
    units = 0
    while 3 * (units + 1) * (features + units + 1 + 2) <= budget:
        units += 1
    return units


def _count_with(blocks, biases, features, budget):
    units = 0
    while blocks * (units + 1) * (features + units + 1 + biases) <= budget:
        units += 1
    return units


def _one_bias(features, budget):
    return _count_with(3, 1, features, budget)


def _like_an_lstm(features, budget):
    return _count_with(4, 1, features, budget)


def _gates_only(features, budget):
    return _count_with(2, 2, features, budget)


def _without_square(features, budget):
    return budget // (3 * (features + 2))


def _check_units(attempt):
    cases = ((1, 80), (2, 1000), (8, 3000), (80, 30_000), (3, 198), (3, 200))
    got = [float(array_of_shape(attempt(*case), (), "a number of units")) for case in cases]
    if any(g != int(g) for g in got):
        return "Units are whole. Round down: the budget is a limit."
    known = (
        (_one_bias, "You counted one bias a unit and block. With the reset after the product each block has two: one "
                    "on the input's side, one on the state's."),
        (_like_an_lstm, "You counted four blocks, as in an LSTM. A GRU has fewer."),
        (_gates_only, "You counted the two gates. The candidate has weights, too."),
        (_without_square, "The recurrent weights are missing: units × units in each block."),
    )
    if got == [fair_units(*case) for case in cases]:
        return None
    for wrong, answer in known:
        if got == [wrong(*case) for case in cases]:
            return answer
    for case, g in zip(cases, got, strict=True):
        right = fair_units(*case)
        if g != right:
            return (f"For {case[0]} features and a budget of {case[1]:,} you give {g:g} units. That GRU has "
                    f"{3 * int(g) * (case[0] + int(g) + 2):,} parameters; " +
                    ("it is over the budget." if g > right else "there is room for one unit more."))


UNITS = Exercise(
    number="7.4",
    title="A fair fight",
    prompt=r"""
You want to compare a GRU with another network and have a budget of parameters for its recurrent layer. How many units
may it have, at most? The layer is Keras' default and ours: `kernel` is `(features, 3·units)`, `recurrent_kernel` is
`(units, 3·units)` and `bias` is `(2, 3·units)`.
""",
    stub='''
def fair_units(features, budget):
    """The most units a GRU (two rows of biases) may have within a budget of parameters."""
    return ...
''',
    hints=(
        "Count first: how many numbers are in the three arrays, for n units?",
        "3n (features + n + 2). It grows with n²; a loop that stops in time is as good as a formula.",
        "Start from 0 units and add one as long as the count for one more is within the budget.",
    ),
    solution=fair_units,
    why="With equal units a GRU has three times the parameters of a plain network: who compares those, compares sizes.",
    check=_check_units,
    misconceptions=(
        (_one_bias, "two"),
        (_like_an_lstm, "four blocks"),
        (_gates_only, "candidate"),
        (_without_square, "recurrent weights"),
    ),
)

EXERCISES = [MIXER, SHARE, BIAS, UNITS]
check, hint, solution = bank(EXERCISES)
