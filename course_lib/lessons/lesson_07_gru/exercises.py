"""Exercises of lesson 07, the GRU: h_t = z_t h_{t-1} + (1 - z_t) candidate_t, with reset after the product."""

from __future__ import annotations

import numpy as np

from course_lib.recurrent import GRU
from course_lib.teaching.exercise import Exercise, bank
from course_lib.teaching.running import Review, array_of_shape, listed


# ---------------------------------------------------------------------------------------------------------------------
# 7.1  blame at the mixer
# ---------------------------------------------------------------------------------------------------------------------
def gradient_at_the_mixer(dh, z, h_before, candidate):
    """Blame at h_t -> blame for z_t, for the candidate, and for h_{t-1} along the straight road."""
    return dh * (h_before - candidate), dh * (1 - z), dh * z


def _sign_turned(dh, z, h_before, candidate):
    return dh * (candidate - h_before), dh * (1 - z), dh * z


def _one_term_only(dh, z, h_before, candidate):
    return dh * h_before, dh * (1 - z), dh * z


def _paths_swapped(dh, z, h_before, candidate):
    return dh * (h_before - candidate), dh * z, dh * (1 - z)


def _undamped(dh, z, h_before, candidate):
    return dh * (h_before - candidate), dh * (1 - z), dh


WRONG_GRADIENTS = (
    (
        _sign_turned,
        "The blame for `z` has the wrong sign. That would be right if z = 1 took the candidate, as in Chung et "
        "al.; here z = 1 keeps the old state.",
    ),
    (
        _one_term_only,
        "`z` stands in the sum twice, once as z and once as 1 - z. The blame for it has a part from each.",
    ),
    (
        _paths_swapped,
        "The last two are swapped: h_{t-1} is multiplied by z on its way to h_t, so its blame is multiplied "
        "by z on its way back.",
    ),
    (
        _undamped,
        "The blame for `h_before` arrives undamped. On its way forwards the old state was multiplied by a "
        "gate; so is the blame on its way back.",
    ),
)


def _check_mixer(attempt):
    rng = np.random.default_rng(71)
    dh, h_before, candidate = rng.normal(size=(3, 2, 4))
    z = rng.uniform(0.1, 0.9, (2, 4))
    got = attempt(dh, z, h_before, candidate)
    if not isinstance(got, tuple | list | np.ndarray) or len(got) != 3:
        raise Review("Expected: three arrays, the blame for `z`, for `candidate` and for `h_before`, in this order.")
    names = ("z", "candidate", "h_before")
    got = [array_of_shape(g, (2, 4), f"the blame for `{name}`") for g, name in zip(got, names, strict=True)]
    right = gradient_at_the_mixer(dh, z, h_before, candidate)
    for wrong, says in WRONG_GRADIENTS:  # of the three, those that it gets wrong tell it
        known = wrong(dh, z, h_before, candidate)
        if all(np.allclose(g, k) for g, k, w in zip(got, known, right, strict=True) if not np.allclose(k, w)):
            return says
    for name, mine, wanted in zip(names, got, right, strict=True):
        if not np.allclose(mine, wanted):
            return (
                f"The blame for `{name}` is not yet right. Take h_t = z h_{{t-1}} + (1 - z) candidate and ask how "
                f"fast h_t changes with `{name}` alone, all else held still."
            )


MIXER = Exercise(
    number="7.1",
    title="Blame at the mixer",
    prompt=r"""
The GRU's last line mixes: $h_t = z_t \odot h_{t-1} + (1 - z_t) \odot \tilde h_t$. Blame $\delta h_t$ arrives at its
left side. How much of it goes to $z_t$, how much to $\tilde h_t$, and how much straight to $h_{t-1}$? (What reaches
$h_{t-1}$ through the gates and the candidate is left out.)

All arrays have shape `(batch, units)`. Return the three in this order.
""",
    hints=(
        "Each is δh times a slope: how fast does h_t change with that one thing?",
        "With the candidate h_t changes by 1 - z, with the old state by z. And z stands there twice.",
        "Sort the sum by z: h_t = candidate + z (h_before - candidate).",
    ),
    solution=gradient_at_the_mixer,
    why="On the straight road blame is multiplied by z and nothing else: no matrix, no slope of a tanh. It is the "
    "LSTM's carousel without a cell of its own.",
    check=_check_mixer,
    misconceptions=WRONG_GRADIENTS,
)


# ---------------------------------------------------------------------------------------------------------------------
# 7.2  weights from another house
# ---------------------------------------------------------------------------------------------------------------------
def from_pytorch(weight_ih, weight_hh, bias_ih, bias_hh):
    """PyTorch's four arrays of a GRU -> our kernel, recurrent_kernel and bias."""

    def blocks(w):
        r, z, n = np.split(w, 3)
        return np.concatenate([z, r, n])

    return blocks(weight_ih).T, blocks(weight_hh).T, np.stack([blocks(bias_ih), blocks(bias_hh)])


def _turned_only(weight_ih, weight_hh, bias_ih, bias_hh):
    return weight_ih.T, weight_hh.T, np.stack([bias_ih, bias_hh])


def _reshaped(weight_ih, weight_hh, bias_ih, bias_hh):
    kernel, recurrent_kernel, bias = from_pytorch(weight_ih, weight_hh, bias_ih, bias_hh)
    return kernel.T.reshape(kernel.shape), recurrent_kernel.T.reshape(recurrent_kernel.shape), bias


def _biases_added(weight_ih, weight_hh, bias_ih, bias_hh):
    kernel, recurrent_kernel, bias = from_pytorch(weight_ih, weight_hh, bias_ih, bias_hh)
    return kernel, recurrent_kernel, np.stack([bias.sum(axis=0), 0 * bias[0]])


def _biases_swapped(weight_ih, weight_hh, bias_ih, bias_hh):
    kernel, recurrent_kernel, bias = from_pytorch(weight_ih, weight_hh, bias_ih, bias_hh)
    return kernel, recurrent_kernel, bias[::-1]


def _z_turned(weight_ih, weight_hh, bias_ih, bias_hh):
    units = weight_hh.shape[1]
    return tuple(
        np.concatenate([-w[..., :units], w[..., units:]], axis=-1)
        for w in from_pytorch(weight_ih, weight_hh, bias_ih, bias_hh)
    )


def _pytorch_states(x, weight_ih, weight_hh, bias_ih, bias_hh):
    """The states of PyTorch's GRU over x (batch, time, features), from zeros: (batch, time, units)."""
    h, states = np.zeros((len(x), weight_hh.shape[1])), []
    for t in range(x.shape[1]):
        from_x, from_h = x[:, t] @ weight_ih.T + bias_ih, h @ weight_hh.T + bias_hh
        (x_r, x_z, x_n), (h_r, h_z, h_n) = np.split(from_x, 3, axis=1), np.split(from_h, 3, axis=1)
        r, z = (1 / (1 + np.exp(-a)) for a in (x_r + h_r, x_z + h_z))
        h = (1 - z) * np.tanh(x_n + r * h_n) + z * h
        states.append(h)
    return np.stack(states, axis=1)


def _our_states(x, weights):
    layer = GRU(weights[0].shape[0], weights[1].shape[0], rng=np.random.default_rng(0), dtype=np.float64)
    layer.set_weights(list(weights))
    return layer.forward(x)[0]


WRONG_WEIGHTS = (
    (
        _turned_only,
        "The matrices are turned, but the blocks still stand in PyTorch's order, r, z, n. Ours is z, r, "
        "h: your layer takes the update gate for the reset gate.",
    ),
    (
        _reshaped,
        "The shapes are right and the numbers stand in the wrong places: `reshape` reads the same row of "
        "numbers with other line breaks. To make rows into columns is to transpose.",
    ),
    (
        _biases_added,
        "You have added the two biases into one. For z and r that is all the same; in the candidate "
        "one of them stands inside, where r multiplies it. Keep the two rows.",
    ),
    (
        _biases_swapped,
        "The two rows of the bias are swapped: ours has the input's first, then the state's. It "
        "shows in the candidate alone, where only one of them is multiplied by r.",
    ),
    (
        _z_turned,
        "You have turned the sign of z. Look at PyTorch's last line: there, too, z multiplies the old "
        "state, as in Keras. It is Chung et al. whose z replaces.",
    ),
)


def _check_pytorch(attempt):
    rng = np.random.default_rng(72)
    features, units = 2, 3
    theirs = [rng.normal(size=shape) for shape in ((9, features), (9, units), (9,), (9,))]
    got = attempt(*theirs)
    if not isinstance(got, tuple | list) or len(got) != 3:
        raise Review("Expected: three arrays, `kernel`, `recurrent_kernel` and `bias`, in this order.")
    names = ("kernel, (features, 3 units)", "recurrent_kernel, (units, 3 units)", "bias, (2, 3 units)")
    ours = [
        array_of_shape(g, shape, f"the {name}")
        for g, shape, name in zip(got, ((features, 9), (units, 9), (2, 9)), names, strict=True)
    ]
    x = rng.normal(size=(4, 6, features))
    wanted = _pytorch_states(x, *theirs)
    if np.allclose(_our_states(x, ours), wanted):
        return None
    for wrong, answer in WRONG_WEIGHTS:
        if np.allclose(_our_states(x, ours), _our_states(x, wrong(*theirs))):
            return answer
    first = np.abs(_our_states(x, ours)[:, 0] - wanted[:, 0]).max() > 1e-8
    for name, mine, right in zip(("kernel", "recurrent_kernel", "bias"), ours, from_pytorch(*theirs), strict=True):
        if not np.allclose(mine, right):
            return (
                f"The states differ from PyTorch's {'from step 1' if first else 'from step 2'} on. Look at the "
                f"`{name}` first: which block of it belongs to which gate, and is a row a unit or an input?"
            )


PYTORCH = Exercise(
    number="7.2",
    title="Weights from another house",
    prompt=r"""
PyTorch stores a GRU in four arrays: `weight_ih` `(3·units, features)`, `weight_hh` `(3·units, units)`, and `bias_ih`
and `bias_hh`, both `(3·units,)`. In each, three blocks stand below each other, in the order $r$, $z$, $n$, and its
[documentation](../docs/bibliography.md#pytorch) says (columns are examples there, and $n$ is the candidate):

$$\begin{aligned}
r_t &= \sigma(W_{ir} x_t + b_{ir} + W_{hr} h_{t-1} + b_{hr}) &\qquad
z_t &= \sigma(W_{iz} x_t + b_{iz} + W_{hz} h_{t-1} + b_{hz})\\
n_t &= \tanh(W_{in} x_t + b_{in} + r_t \odot (W_{hn} h_{t-1} + b_{hn})) &
h_t &= (1 - z_t) \odot n_t + z_t \odot h_{t-1}
\end{aligned}$$

Return the `kernel` `(features, 3·units)`, the `recurrent_kernel` `(units, 3·units)` and the `bias` `(2, 3·units)` with
which our `GRU` (and Keras') computes the same. The check runs both.
""",
    hints=(
        "Four questions, one for each thing in which two houses may differ: rows or columns? Which order of the gates? "
        "Which z keeps? Where does the reset act?",
        "Two of the four are the same in both. The other two: our blocks stand side by side, in the order z, r, h.",
        "`r, z, n = np.split(weight_ih, 3)`; put them together again in our order, and transpose. The biases have the "
        "same blocks, and become the two rows.",
    ),
    solution=from_pytorch,
    why="Nothing would have complained: all shapes fit in the wrong order too. Run both on the same input, always.",
    check=_check_pytorch,
    misconceptions=WRONG_WEIGHTS,
)


# ---------------------------------------------------------------------------------------------------------------------
# 7.3  a fair fight
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


def _not_rounded(features, budget):
    return (-(features + 2) + np.sqrt((features + 2) ** 2 + 4 * budget / 3)) / 2


def _stops_too_early(features, budget):
    return max(fair_units(features, budget) - 1, 0)


WRONG_UNITS = (
    (
        _one_bias,
        "You counted one bias a unit and block. With the reset after the product each block has two: one "
        "on the input's side, one on the state's.",
    ),
    (_like_an_lstm, "You counted four blocks, as in an LSTM. A GRU has fewer."),
    (_gates_only, "You counted the two gates. The candidate has weights, too."),
    (_without_square, "The recurrent weights are missing: units × units in each block."),
)


def _check_units(attempt):
    cases = ((1, 80), (2, 1000), (8, 3000), (80, 30_000), (3, 198), (3, 200))
    got = [float(array_of_shape(attempt(*case), (), "a number of units")) for case in cases]
    if any(g != int(g) for g in got):
        return "Units are whole. Round down: the budget is a limit."
    if got == [fair_units(*case) for case in cases]:
        return None
    for wrong, answer in WRONG_UNITS:
        if got == [wrong(*case) for case in cases]:
            return answer
    for case, g in zip(cases, got, strict=True):
        right = fair_units(*case)
        if g != right:
            parameters = 3 * int(g) * (case[0] + int(g) + 2)
            return (
                f"For {case[0]} features and a budget of {case[1]:,} parameters you give {g:g} units. A GRU of that "
                f"size has {parameters:,} parameters: "
                + ("it is over the budget." if g > right else "there is room for one unit more, or for several.")
            )


UNITS = Exercise(
    number="7.3",
    title="A fair fight",
    prompt=r"""
You want to compare a GRU with another network and have a budget of parameters for its recurrent layer. How many units
may it have, at most? Return a whole number. The layer is Keras' default and ours: `kernel` is `(features, 3·units)`,
`recurrent_kernel` is `(units, 3·units)` and `bias` is `(2, 3·units)`.
""",
    hints=(
        "Count first: how many numbers are in the three arrays, for n units?",
        "3n (features + n + 2). It grows with n²; a loop that stops in time is as good as a formula.",
        "Start from 0 units and add one as long as the count for one more is within the budget.",
    ),
    solution=fair_units,
    why="With equal units a GRU has three times the parameters of a plain network: who compares those, compares sizes.",
    check=_check_units,
    misconceptions=(
        *WRONG_UNITS,
        (_not_rounded, "Units are whole."),
        (_stops_too_early, "A GRU of that size has 30 parameters: there is room for one unit more"),
    ),
)


# ---------------------------------------------------------------------------------------------------------------------
# 7.4  gates or settings?
# ---------------------------------------------------------------------------------------------------------------------
def who_wins(measure):
    """Design the comparison: "a", "b" or "neither"."""
    errors = {}
    for network in "ab":
        tried = [[measure(network, bias, seed) for seed in range(10)] for bias in (0, 3)]
        errors[network] = min(tried, key=np.median)  # each with the better of its own starts
    if max(errors["a"]) < min(errors["b"]):
        return "a"
    if max(errors["b"]) < min(errors["a"]):
        return "b"
    return "neither"


def _one_seed(measure):
    a, b = (min(measure(network, bias, 0) for bias in (0, 3)) for network in "ab")
    return "a" if a < b - 0.05 else "b" if b < a - 0.05 else "neither"


def _out_of_the_box(measure):
    a, b = ([measure(network, 0, seed) for seed in range(10)] for network in "ab")
    return "a" if max(a) < min(b) else "b" if max(b) < min(a) else "neither"


def _apples_and_pears(measure):
    a = [measure("a", 0, seed) for seed in range(10)]
    b = [measure("b", 3, seed) for seed in range(10)]
    return "a" if max(a) < min(b) else "b" if max(b) < min(a) else "neither"


def _all_in_one_pot(measure):
    a, b = (np.mean([measure(network, bias, seed) for bias in (0, 3) for seed in range(10)]) for network in "ab")
    return "a" if a < b - 0.1 else "b" if b < a - 0.1 else "neither"


def _smaller_mean(measure):
    a, b = (min(np.mean([measure(network, bias, seed) for seed in range(10)]) for bias in (0, 3)) for network in "ab")
    return "a" if a < b else "b"


def _best_run(measure):
    a, b = (min(measure(network, bias, seed) for bias in (0, 3) for seed in range(10)) for network in "ab")
    return "a" if a < b else "b"


def _a_gap_of_a_tenth(measure):
    a, b = (min(np.mean([measure(network, bias, seed) for seed in range(10)]) for bias in (0, 3)) for network in "ab")
    return "a" if a < b - 0.1 else "b" if b < a - 0.1 else "neither"


def _better_at_each_start(measure):
    a, b = ([np.mean([measure(network, bias, seed) for seed in range(10)]) for bias in (0, 3)] for network in "ab")
    return "a" if max(a) < min(b) else "b" if max(b) < min(a) else "neither"


def _start_chosen_on_one_seed(measure):
    better = {n: min((0, 3), key=lambda bias: measure(n, bias, 0)) for n in "ab"}
    a, b = ([measure(n, better[n], seed) for seed in range(10)] for n in "ab")
    return "a" if max(a) < min(b) else "b" if max(b) < min(a) else "neither"


def _upside_down(measure):
    return {"a": "b", "b": "a", "neither": "neither"}[who_wins(measure)]


WORLDS = (  # name, mean error of (network, bias), spread over seeds, the truth
    ("gates", {("a", 0): 0.7, ("a", 3): 0.6, ("b", 0): 0.4, ("b", 3): 0.2}, 0.04, "b"),
    ("start", {("a", 0): 0.3, ("a", 3): 0.4, ("b", 0): 0.6, ("b", 3): 0.1}, 0.02, "b"),
    ("start", {("a", 0): 0.9, ("a", 3): 0.1, ("b", 0): 0.3, ("b", 3): 0.5}, 0.02, "a"),
    ("gates", {("a", 0): 0.25, ("a", 3): 0.23, ("b", 0): 0.26, ("b", 3): 0.2}, 0.004, "b"),
    ("luck", {("a", 0): 0.6, ("a", 3): 0.5, ("b", 0): 0.6, ("b", 3): 0.5}, 0.15, "neither"),
    ("luck", {("a", 0): 0.5, ("a", 3): 0.6, ("b", 0): 0.6, ("b", 3): 0.5}, 0.15, "neither"),
)


def _device(number, log):
    """A measuring device of one world, which notes what it was asked for."""
    _, means, spread, _ = WORLDS[number]

    def measure(network, bias, seed):
        if (network, bias) not in means:
            raise Review(
                f'The device trains network "a" or "b" with a bias of 0 or 3, but network = {network!r} and '
                f"bias = {bias!r} came."
            )
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
            raise Review(f"A seed is a whole number from 0 on, but {seed!r} came.")
        log.setdefault((network, bias), set()).add(int(seed))
        noise = np.random.default_rng([74, number, "ab".index(network), int(bias), int(seed)]).normal()
        return float(means[network, bias] + spread * np.clip(noise, -2.5, 2.5))

    return measure


def _check_race(attempt):
    answers = []
    for number in range(len(WORLDS)):
        log = {}
        answer = attempt(_device(number, log))
        if not isinstance(answer, str) or answer not in ("a", "b", "neither"):
            raise Review(f'Return "a", "b" or "neither"; what came is {answer!r}.')
        missing = [f'("{n}", bias {b})' for n in "ab" for b in (0, 3) if (n, b) not in log]
        if missing:
            return (
                f"Your experiment never ran {listed(missing)}. So it cannot know whether a network lost or its "
                f"first bias did: each of the two may have the better of its own two starts, and you learn which "
                f"that is by running both."
            )
        for n in "ab":
            if (most := max(len(log[n, 0]), len(log[n, 3]))) < 5:
                return (
                    f"You judge network {n} by {most} seed{'s' * (most > 1)}. With so few you cannot see how far "
                    f"apart two runs of the same network are: take five different ones at least."
                )
        n, b = min(log, key=lambda key: len(log[key]))
        if len(log[n, b]) < 2:
            return (
                f"You ran network {n} with a bias of {b} on one seed only. That one may have been unlucky: take "
                f"two seeds at least to find a network's better start."
            )
        answers.append(answer)
    for (name, means, spread, truth), answer in zip(WORLDS, answers, strict=True):
        if answer != truth:
            return _about_the_race(name, means, spread, truth, answer)


def _about_the_race(name, means, spread, truth, answer):
    """What to say of a wrong answer: what that world is like, and what may have misled."""
    best = {n: min(means[n, 0], means[n, 3]) for n in "ab"}
    told = (
        f"In one world network a has a mean error of about {best['a']:g} at its better start, and b of about "
        f"{best['b']:g}; over the seeds, the standard deviation is about {spread:g}."
    )
    if name == "luck":
        return (
            f'{told} So the two are alike, your measurements differ only by luck, and you answered "{answer}". A '
            f"smaller mean, or a smaller best run, is always to be had. Compare the gap with how far the seeds of "
            f"one network lie apart."
        )
    gap = abs(best["a"] - best["b"])
    if answer != "neither":
        why = "Lower is better: do you compare the right way round?" if name == "gates" else ""
    else:
        why = f"The gap of {gap:.2g} is many times what luck can do there."
        why += " No fixed number says what is clear: it depends on the spread." if gap < 0.1 else ""
    if name == "start":
        why += (
            " There one network is better with a first bias of 0 and the other with 3. Whoever averages over the "
            "starts, or gives both the same one, or asks for a win at every start, compares settings: first find "
            "the better start of each network, then compare these two."
        )
    return f'{told} So {truth} wins, and you answered "{answer}". {why.strip()}'


RACE = Exercise(
    number="7.4",
    title="Gates, or settings?",
    prompt=r"""
A colleague says that network b beats network a. You have a measuring device: `measure(network, bias, seed)` trains
network `"a"` or `"b"`, the first bias of its keeping gate being 0 or 3, and returns the error on unseen data; lower is
better. Sizes and learning rates are fair already.

Design the experiment. `who_wins(measure)` gets the device and returns `"a"`, `"b"`, or `"neither"` if your measurements
show no clear difference. A network may use whichever of the two biases suits it better. Nobody tells you which that is,
nor how far runs with different seeds lie apart. A seed is any whole number from 0 on. Runs cost nothing here, and luck
must not decide: run each network with each bias on at least two seeds, and with one of its biases on at least five.

The check hands your experiment devices of its own, from worlds in which the answer is known: in some the gates decide,
in some the first bias, in some nothing but luck. In some the gap is wide, in some narrow.
""",
    hints=(
        "How many combinations of network and bias are there? And how many seeds do you want of each?",
        "Give each network its better bias, judged over all its seeds. Then you have two lists of errors: when do you "
        "believe that one is lower?",
        "A strict and simple rule: the worst run of one is better than the best run of the other. Otherwise, neither.",
    ),
    solution=who_wins,
    why="Equal care for both, several seeds, and a gap larger than the spread. To choose the better start and to judge "
    "it on the same seeds flatters both a little; with a close call, choose on other seeds.",
    check=_check_race,
    misconceptions=(
        (_one_seed, "You judge network a by 1 seed."),
        (_out_of_the_box, "never ran"),
        (_apples_and_pears, "never ran"),
        (_all_in_one_pot, "first find the better start of each network"),
        (_better_at_each_start, "first find the better start of each network"),
        (_a_gap_of_a_tenth, "No fixed number says what is clear"),
        (_start_chosen_on_one_seed, "on one seed only"),
        (_upside_down, "Lower is better"),
        (_smaller_mean, "only by luck"),
        (_best_run, "only by luck"),
    ),
)

EXERCISES = [MIXER, PYTORCH, UNITS, RACE]
check, hint, solution = bank(EXERCISES)
