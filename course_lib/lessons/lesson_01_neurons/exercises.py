"""Exercises of lesson 01, neurons: a firing rate, an experiment, three threshold units, blame, and a memory's decay."""

from __future__ import annotations

import math
from itertools import product
from numbers import Integral, Real

import numpy as np

from course_lib.neurons import threshold_unit
from course_lib.teaching.exercise import Exercise, bank
from course_lib.teaching.running import Review, array_of_shape, first_match, listed


# ---------------------------------------------------------------------------------------------------------------------
# 1.1  the firing rate
# ---------------------------------------------------------------------------------------------------------------------
def rate_under_drive(drive, tau, threshold, refractory):
    """Spikes a second under constant drive; potentials in mV, times in ms."""
    if drive <= threshold:
        return 0.0
    climb = tau * np.log(drive / (drive - threshold))
    return 1000 / (climb + refractory)


def _without_pause(drive, tau, threshold, refractory):
    return 1000 / (tau * np.log(drive / (drive - threshold))) if drive > threshold else 0.0


def _per_millisecond(drive, tau, threshold, refractory):
    return rate_under_drive(drive, tau, threshold, refractory) / 1000


def _milliseconds(drive, tau, threshold, refractory):
    return refractory + tau * np.log(drive / (drive - threshold)) if drive > threshold else 0.0


def _upside_down(drive, tau, threshold, refractory):
    return 1000 / (refractory + tau * np.log((drive - threshold) / drive)) if drive > threshold else 0.0


def _no_leak(drive, tau, threshold, refractory):
    return 1000 / (refractory + tau * threshold / drive) if drive > threshold else 0.0


def _one_time_constant(drive, tau, threshold, refractory):
    return 1000 / (refractory + tau) if drive > threshold else 0.0


def _whole_spikes(drive, tau, threshold, refractory):
    return float(np.floor(rate_under_drive(drive, tau, threshold, refractory)))


def _no_corner(drive, tau, threshold, refractory):
    return 1000 / (refractory + tau * np.log(drive / (drive - threshold)))


def _no_corner_and_math(drive, tau, threshold, refractory):
    return 1000 / (refractory + tau * math.log(drive / (drive - threshold)))


def _guarded_by_nan(drive, tau, threshold, refractory):
    with np.errstate(all="ignore"):
        return np.nan_to_num(1000 / (refractory + tau * np.log(np.divide(drive, drive - threshold))), posinf=0.0)


WRONG_RATES = (
    (
        _without_pause,
        "The climb to the threshold is right, and the pause after each spike is missing: for `refractory` "
        "milliseconds the membrane stays at rest before it climbs again.",
    ),
    (
        _per_millisecond,
        "This is right in spikes per millisecond. The question is about a second, and times are in milliseconds.",
    ),
    (_milliseconds, "This is the time from one spike to the next, in ms. How many of these fit into a second?"),
    (
        _upside_down,
        "The logarithm is upside down: it comes out negative, and a membrane does not climb in negative "
        "time. Solve x (1 - e^(-t/τ)) = threshold for t once more, with care for the sign.",
    ),
    (
        _no_leak,
        "You let the potential climb in a straight line, as if nothing leaked. It climbs along "
        "x (1 - e^(-t/τ)), more and more slowly.",
    ),
    (
        _one_time_constant,
        "τ is the time to climb 63 % of the way to the drive, whatever the threshold. The time to the "
        "threshold depends on how far below the drive it lies.",
    ),
    (_whole_spikes, "You count whole spikes. A rate is how many come in a second on average, and need not be whole."),
)
NEVER = (
    "Above the threshold yours is right. With a drive of {drive} mV and a threshold of {threshold} mV the "
    "potential creeps towards {drive} mV and never gets above it, so this neuron never fires: its rate is 0, and "
    "yours {instead}."
)


def _check_rate(attempt):
    what = "the rate, one number"
    for args in [(20.0, 10.0, 15.0, 2.0), (31.0, 23.0, 12.0, 0.5), (18.0, 8.0, 17.0, 3.0)]:
        got = array_of_shape(attempt(*args), (), what)
        if np.isclose(got, rate_under_drive(*args)):
            continue
        if says := first_match(got, args, WRONG_RATES):
            return says
        return (
            f"With a drive of {args[0]:g} mV, τ = {args[1]:g} ms, a threshold of {args[2]:g} mV and a pause of "
            f"{args[3]:g} ms yours fires {got:.4g} times a second. Two times make up one round: the climb from 0 "
            "to the threshold along x (1 - e^(-t/τ)), and the pause. How long is each?"
        )
    for drive, threshold in [(10.0, 15.0), (15.0, 15.0), (0.0, 15.0), (-5.0, 15.0)]:
        try:
            got = array_of_shape(attempt(drive, 10.0, threshold, 2.0), (), what)
            instead = f"is {got:.3g}"
        except Review as review:
            if "stopped with" not in str(review.args[0]):
                raise
            got, instead = None, "has none: the function stops with an error"
        if got is None or not np.isclose(got, 0, rtol=0, atol=1e-9):
            return NEVER.format(drive=f"{drive:g}", threshold=f"{threshold:g}", instead=instead)
    return None


RATE = Exercise(
    number="1.1",
    title="The rate, without a simulation",
    prompt=r"""
After a spike the membrane stays at rest for `refractory` milliseconds. Then, under a constant drive $x$, it climbs
along $u(t) = x\,(1 - e^{-t/\tau})$, with $t$ counted from the end of the pause, and fires when it reaches the
`threshold`. And so on, for ever. Write down how many times a second.

All four are plain numbers: potentials in mV, times in ms. Think of every drive somebody might send in.
""",
    hints=(
        "One round is a pause and a climb. The rate is one second divided by the length of a round.",
        "Solve x (1 - e^(-t/τ)) = threshold for t. Bring e^(-t/τ) alone to one side before you take the logarithm.",
        "The climb takes `tau * np.log(drive / (drive - threshold))`. When is what stands in the logarithm a number "
        "that makes sense, and what does the membrane do when it is not?",
    ),
    solution=rate_under_drive,
    why="Nothing, up to a corner; then a steep rise; then an end at one spike a pause. A smooth copy of this curve "
    "sits inside every unit of the course.",
    check=_check_rate,
    misconceptions=(
        *WRONG_RATES,
        (_no_corner, "never gets above it"),
        (_no_corner_and_math, "has none: the function stops with an error"),
        (_guarded_by_nan, "With a drive of -5 mV"),
    ),
)


# ---------------------------------------------------------------------------------------------------------------------
# 1.2  an experiment
# ---------------------------------------------------------------------------------------------------------------------
FACTORS = ("points", "dimensions", "margin")
FOLD = 4
MOST_RUNS = 200

WORLDS = (  # (how the mistakes go with each factor: a power; the true answer; how it is)
    ((0, 0, -1), {"margin"}, "a world in which only the margin matters"),
    ((1, 0, 0), {"points"}, "a world in which only the number of points matters"),
    ((0, 0, 0), set(), "a world in which nothing matters and the seeds alone make the difference"),
    ((0, 1, -1), {"dimensions", "margin"}, "a world in which dimensions and margin matter"),
)


def which_matter(measure):
    """Return ({(points, dimensions, margin): [mistakes, …]}, the set of names that matter)."""
    usual = {"points": 500, "dimensions": 20, "margin": 0.1}
    fewer = {"points": 125, "dimensions": 5, "margin": 0.025}

    def runs(setting):
        return [measure(*setting, seed) for seed in range(5)]

    base = tuple(usual.values())
    results, answer = {base: runs(base)}, set()
    for name in usual:
        setting = tuple((usual | {name: fewer[name]}).values())
        results[setting] = runs(setting)
        ratio = np.mean(results[setting]) / np.mean(results[base])
        if not 0.5 < ratio < 2:
            answer.add(name)
    return results, answer


def _conclude(results, changed, differ):
    """The factors whose change moved the mean, by the rule ``differ``."""
    base = np.mean(results[500, 20, 0.1])
    return {name for name, setting in changed.items() if differ(np.mean(results[setting]) / base)}


ONE_AT_A_TIME = {"points": (2000, 20, 0.1), "dimensions": (500, 80, 0.1), "margin": (500, 20, 0.025)}


def _measured(measure, settings, seeds):
    return {setting: [measure(*setting, seed) for seed in seeds] for setting in settings}


def _doubled(ratio):
    return not 0.5 < ratio < 2


def _all_at_once(measure):
    results = _measured(measure, [(500, 20, 0.1), (2000, 80, 0.025)], range(5))
    small, large = map(np.mean, results.values())
    return results, set(FACTORS) if large > 2 * small else set()


def _two_at_a_time(measure):
    changed = {"points": (2000, 80, 0.1), "dimensions": (500, 80, 0.025), "margin": (2000, 20, 0.025)}
    results = _measured(measure, [(500, 20, 0.1), *changed.values()], range(5))
    return results, _conclude(results, changed, _doubled)


def _one_seed(measure):
    results = _measured(measure, [(500, 20, 0.1), *ONE_AT_A_TIME.values()], [0])
    return results, _conclude(results, ONE_AT_A_TIME, _doubled)


def _same_seed_again(measure):
    results = _measured(measure, [(500, 20, 0.1), *ONE_AT_A_TIME.values()], [0, 0, 0])
    return results, _conclude(results, ONE_AT_A_TIME, _doubled)


def _any_difference(measure):
    results = _measured(measure, [(500, 20, 0.1), *ONE_AT_A_TIME.values()], range(5))
    return results, _conclude(results, ONE_AT_A_TIME, lambda ratio: ratio != 1)


def _believes_the_theorem(measure):
    return _measured(measure, [(500, 20, 0.1), *ONE_AT_A_TIME.values()], range(5)), {"margin"}


def _hardly_changed(measure):
    changed = {"points": (600, 20, 0.1), "dimensions": (500, 24, 0.1), "margin": (500, 20, 0.08)}
    results = _measured(measure, [(500, 20, 0.1), *changed.values()], range(5))
    return results, _conclude(results, changed, _doubled)


def _only_more(measure):
    changed = ONE_AT_A_TIME | {"margin": (500, 20, 0.4)}
    results = _measured(measure, [(500, 20, 0.1), *changed.values()], range(5))
    return results, _conclude(results, changed, lambda ratio: ratio >= 2)


def _best_seed_only(measure):
    results = _measured(measure, [(500, 20, 0.1), *ONE_AT_A_TIME.values()], range(5))
    return {setting: [min(runs)] * 3 for setting, runs in results.items()}, _conclude(results, ONE_AT_A_TIME, _doubled)


def _world(powers):
    """A ``measure`` with a known answer, and the log of what it was asked: {setting: {seed: mistakes}}."""
    log, asked = {}, []

    def measure(points, dimensions, margin, seed):
        setting = points, dimensions, margin
        whole = all(
            isinstance(value, Integral) and value >= least for value, least in [(points, 1), (dimensions, 2), (seed, 0)]
        )
        if not whole or not isinstance(margin, Real) or not 0 < margin <= 0.5:
            raise Review(
                f"`measure(points, dimensions, margin, seed)` takes whole numbers (at least 1, 2 and 0) and a "
                f"margin above 0 and up to .5; it was asked for `measure{(*setting, seed)!r}`."
            )
        asked.append(setting)
        if len(asked) > MOST_RUNS:
            raise Review(
                f"Your experiment has asked for more than {MOST_RUNS} runs and is not done. A handful of "
                f"settings with a few seeds each is enough."
            )
        size = math.prod(
            (value / usual) ** power for value, usual, power in zip(setting, (500, 20, 0.1), powers, strict=True)
        )
        luck = 1 + 0.04 * ((7 * int(seed) + 3 * int(points) + int(dimensions) + round(1000 * margin)) % 7 - 3)
        return log.setdefault(setting, {}).setdefault(seed, max(1, round(300 * size * luck)))

    return measure, log


def _check_which_matter(attempt):
    for powers, truth, world in WORLDS:
        measure, log = _world(powers)
        got = attempt(measure)
        if not isinstance(got, tuple | list) or len(got) != 2 or not isinstance(got[0], dict):
            return (
                "Expected: a pair `(results, answer)` whose first part is a dict from `(points, dimensions, "
                f"margin)` to a list of mistakes. What came is of type `{type(got).__name__}`."
            )
        results, answer = got
        if says := _about_the_runs(results, log):
            return says
        if not isinstance(answer, set | frozenset | list | tuple):
            return (
                f"The answer is a set of names, which may be empty: `set()`. What came is of type "
                f"`{type(answer).__name__}`."
            )
        if strangers := [name for name in answer if name not in FACTORS]:
            return f"The answer holds {strangers[0]!r}. The three names are {listed(map(repr, FACTORS))}."
        if says := _about_the_answer(results, set(answer), truth, world):
            return says
    return None


def _about_the_runs(results, log):
    """What is wrong with the runs as such, or None."""
    if not results:
        return "There are no results: nothing was measured."
    for setting, runs in results.items():
        if setting not in log:
            return f"`results` has an entry for {setting!r}, but nothing was measured there."
        try:
            runs = np.asarray(runs, dtype=float).ravel().tolist()
        except (TypeError, ValueError):
            return f"`results[{setting}]` should be a list of numbers, one for each seed."
        if len(runs) < 3 or len(log[setting]) < 3:
            return (
                f"At {setting} there are {len(runs)} runs with {len(log[setting])} different seed"
                f"{'s' if len(log[setting]) != 1 else ''}. Mistakes differ from seed to seed, and the same seed "
                f"gives the same run again: take at least three different ones."
            )
        if sorted(runs) != sorted(log[setting].values()):
            return (
                f"`results[{setting}]` is not what was measured there ({listed(log[setting].values())}). Report "
                f"every run, as it came out."
            )
    for place, name in enumerate(FACTORS):
        alone = _changed_alone(results, place)
        if not alone:
            return (
                f"Nothing can be said about `{name}`: no two of your settings differ in it alone. When two things "
                f"change at once, either may be the cause."
            )
        if not any(max(a[place], b[place]) >= FOLD * min(a[place], b[place]) * (1 - 1e-9) for a, b in alone):
            return (
                f"You changed `{name}` alone, but by less than {FOLD} times. A small change has a small effect, "
                f"which drowns in the luck of the seeds."
            )
    return None


def _changed_alone(results, place):
    """Pairs of settings that differ in the factor at ``place`` and in nothing else."""
    settings = list(results)
    return [
        (a, b)
        for i, a in enumerate(settings)
        for b in settings[i + 1 :]
        if a[place] != b[place] and a[:place] + a[place + 1 :] == b[:place] + b[place + 1 :]
    ]


def _about_the_answer(results, answer, truth, world):
    """What is wrong with the conclusion, or None."""
    for place, name in enumerate(FACTORS):
        if (name in answer) == (name in truth):
            continue
        a, b = max(_changed_alone(results, place), key=lambda pair: abs(math.log(pair[0][place] / pair[1][place])))
        moved = f"from {np.mean(results[a]):.0f} at {a} to {np.mean(results[b]):.0f} at {b}"
        if name in answer:
            return (
                f"The conclusion does not follow. In {world}, you say that `{name}` matters. Changing it alone "
                f"moved the mean {moved}: that is not half or double, and two runs with different seeds differ as "
                f"much."
            )
        return (
            f"The conclusion does not follow. In {world}, you say that `{name}` does not matter. Changing it alone "
            f"moved the mean {moved}."
        )
    return None


DESIGN = Exercise(
    number="1.2",
    title="Which of the three matters?",
    prompt=r"""
The bound mentions the margin, and neither the number of points nor that of dimensions. But a bound is a ceiling; what
the mistakes do below it is another question. You have the measuring device: `mistakes_until_learned(points,
dimensions, margin, seed)`. Design the experiment.

`which_matter(measure)` gets the device as its argument and returns a pair `(results, answer)`. `results` is a dict
from `(points, dimensions, margin)` to the list of mistakes, one for each seed. `answer` is the set of those names out
of `"points"`, `"dimensions"` and `"margin"` that matter; here something matters if changing it *alone*, by a factor
of four or more, at least doubles or halves the mean number of mistakes. The set may be empty. Which settings and
which seeds are yours to choose.

The check hands your experiment devices from worlds in which the answer is known. Once it passes, run
`which_matter(mistakes_until_learned)` in a new cell.
""",
    hints=(
        "If you change two things and the result moves, which of them was it? You need four settings at least.",
        "Take one usual setting, such as (500, 20, 0.1), and three more, each with one number changed by a factor of "
        "four. Three to five seeds for each, always the same ones.",
        "For each of the three: `ratio = np.mean(results[changed]) / np.mean(results[usual])`. It matters if the "
        "ratio is at most ½ or at least 2; a larger margin makes fewer mistakes, so look at both ends.",
    ),
    solution=which_matter,
    why='One thing at a time, enough seeds to know what luck alone does, and a rule for "matters" that was fixed '
    "before looking. On the real device the answer is the margin. Go on, though, to a hundred times the "
    "dimensions: with far more dimensions than points, the mistakes become fewer.",
    check=_check_which_matter,
    misconceptions=(
        (_all_at_once, "either may be the cause"),
        (_two_at_a_time, "no two of your settings differ in it alone"),
        (_one_seed, "at least three different ones"),
        (_same_seed_again, "with 1 different seed."),
        (_any_difference, "two runs with different seeds differ as much"),
        (_believes_the_theorem, "you say that `points` does not matter"),
        (_hardly_changed, "by less than 4 times"),
        (_only_more, "you say that `margin` does not matter"),
        (_best_seed_only, "Report every run"),
    ),
)


# ---------------------------------------------------------------------------------------------------------------------
# 1.3  XOR by hand
# ---------------------------------------------------------------------------------------------------------------------
CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
EITHER = np.array([0, 1, 1, 0])


def two_units_and_one():
    """W1 (2, 2), b1 (2,) of two hidden units; w2 (2,), b2 of the output unit above them."""
    W1 = np.array([[1, 1], [1, 1]])  # column 0: at least one of the two; column 1: both
    b1 = np.array([-0.5, -1.5])
    w2 = np.array([1, -1])  # the one and not the other
    b2 = -0.5
    return W1, b1, w2, b2


def _the_same_twice():
    return np.ones((2, 2)), np.array([-0.5, -0.5]), np.array([1, -1]), -0.5


def _or_of_both():
    return np.ones((2, 2)), np.array([-0.5, -1.5]), np.array([1, 1]), -0.5


def _positive_thresholds():
    return np.ones((2, 2)), np.array([0.5, 1.5]), np.array([1, -1]), 0.5


def _on_the_edge():
    return np.ones((2, 2)), np.array([0, -2]), np.array([1, -1]), 0


def _and_and_nor_lost():
    return np.array([[1, 1], [0, 1]]), np.array([-0.5, -1.5]), np.array([1, -1]), -0.5


def _passes_inputs_on():
    return np.eye(2), np.array([-0.5, -0.5]), np.array([1, 1]), -0.5


def _in_words(corners):
    return listed(f"({a}, {b})" for a, b in corners)


def _check_two_units_and_one(attempt):
    got = attempt()
    if not isinstance(got, tuple | list) or len(got) != 4:
        came = f"{len(got)} of them" if isinstance(got, tuple | list) else f"of type `{type(got).__name__}`"
        return f"Expected: four things, `W1, b1, w2, b2`. What came is {came}."
    shapes = ("W1, a column for each hidden unit", (2, 2)), ("b1", (2,)), ("w2", (2,)), ("b2, one number", ())
    W1, b1, w2, b2 = (array_of_shape(value, shape, what) for value, (what, shape) in zip(got, shapes, strict=True))
    if not all(np.isfinite(value).all() for value in (W1, b1, w2, b2)):
        return "There is a NaN or an infinity among your numbers."
    hidden = threshold_unit(CORNERS, W1, b1)
    says = threshold_unit(hidden, w2, b2)
    if (says == EITHER).all():
        return None
    at_edge = (CORNERS @ W1 + b1 == 0).any() or (hidden @ w2 + b2 == 0).any()
    edge = (
        " Somewhere one of your sums is exactly 0. A unit answers 1 only *above* 0: put thresholds halfway between "
        "the cases that you want to tell apart."
        if at_edge
        else ""
    )
    table = "; ".join(
        f"{corner} -> hidden {h} -> {answer}"
        for corner, h, answer in zip(
            map(tuple, CORNERS.tolist()), map(tuple, hidden.tolist()), says.tolist(), strict=True
        )
    )
    for unit in (0, 1):
        if len(set(hidden[:, unit].tolist())) == 1:
            return (
                f"Hidden unit {unit} answers {hidden[0, unit]} to all four inputs, so it tells nothing apart. Is "
                f"the sign of its bias right? A bias of -½ means: the sum has to exceed ½.{edge} ({table})"
            )
    if (hidden[:, 0] == hidden[:, 1]).all():
        return f"Your two hidden units answer alike, so they are worth one. Let the second draw another line. ({table})"
    for i, j in ((0, 1), (0, 2), (3, 1), (3, 2)):
        if (hidden[i] == hidden[j]).all():
            return (
                f"{_in_words(CORNERS[[i, j]].tolist())} look the same to your hidden units, and need different "
                f"answers. No output unit can tell them apart.{edge} ({table})"
            )
    wrong = [tuple(CORNERS[k].tolist()) for k in range(4) if says[k] != EITHER[k]]
    if not _separable(hidden):
        return (
            f"Your hidden units hand the inputs on as they are, or turned: the output unit has XOR before it once "
            f"more. At least two of the four inputs have to become one. ({table})"
        )
    return (
        f"Your hidden layer is fine: an output unit can be built on it. Yours is wrong at {_in_words(wrong)}. "
        f"Which hidden unit should count for the answer, and which against it?{edge} ({table})"
    )


def _separable(hidden):
    """Whether some threshold unit gives the right answers from these hidden activities, (4, 2) of 0 and 1."""
    return any(
        (threshold_unit(hidden, np.array([a, b]), c) == EITHER).all()
        for a, b, c in product((-1, 0, 1), (-1, 0, 1), (-1.5, -0.5, 0.5, 1.5))
    )


XOR_BY_HAND = Exercise(
    number="1.3",
    title="Three units that can",
    prompt=r"""
One threshold unit cannot do XOR; three can. Two hidden units look at the input, and an output unit looks at the two of
them. Choose the weights and biases by hand, no learning involved.

Return `W1, b1, w2, b2`. `W1` has shape (2, 2), a column for each hidden unit (a weight's place reads *from, to*);
`b1` and `w2` have shape (2,), and `b2` is a number. A unit answers 1 where its sum, bias included, is *above* 0, else
0, as in `threshold_unit`.
""",
    hints=(
        'Say in words when the answer is 1, using only "at least one", "both" and "not".',
        "Let one hidden unit be OR and the other AND. Both add up their two inputs; only their biases differ.",
        "`W1 = np.ones((2, 2))` and `b1 = np.array([-0.5, -1.5])`. The output is 1 if the first says yes and the "
        "second does not: one of its weights is negative.",
    ),
    solution=two_units_and_one,
    why="The hidden layer did not answer the question; it asked it anew. Two of the four inputs have become one, and "
    "between the three places that are left there is room for a line with yes on one side and no on the other.",
    check=_check_two_units_and_one,
    misconceptions=(
        (_the_same_twice, "so they are worth one"),
        (_or_of_both, "Which hidden unit should count for the answer"),
        (_positive_thresholds, "so it tells nothing apart"),
        (_on_the_edge, "Somewhere one of your sums is exactly 0"),
        (_and_and_nor_lost, "look the same to your hidden units"),
        (_passes_inputs_on, "XOR before it once more"),
    ),
)


# ---------------------------------------------------------------------------------------------------------------------
# 1.4  blame through any layer
# ---------------------------------------------------------------------------------------------------------------------
def gradient_through(dy, y, x, kernel):
    """Blame at a sigmoid layer's output -> blame at its input, gradients of kernel, bias."""
    da = dy * y * (1 - y)
    return da @ kernel.T, x.T @ da, da.sum(axis=0)


def _layer(da, x, kernel):
    return da @ kernel.T, x.T @ da, da.sum(axis=0)


def _no_slope(dy, y, x, kernel):
    return _layer(dy, x, kernel)


def _sigmoid_once_more(dy, y, x, kernel):
    s = 1 / (1 + np.exp(-y))
    return _layer(dy * s * (1 - s), x, kernel)


def _slope_of_tanh(dy, y, x, kernel):
    return _layer(dy * (1 - y**2), x, kernel)


def _mean_over_examples(dy, y, x, kernel):
    dx, d_kernel, d_bias = gradient_through(dy, y, x, kernel)
    return dx, d_kernel / len(x), d_bias / len(x)


def _input_before_slope(dy, y, x, kernel):
    return dy @ kernel.T, *gradient_through(dy, y, x, kernel)[1:]


def _kernel_not_turned(dy, y, x, kernel):
    return dy * y * (1 - y) @ kernel, *gradient_through(dy, y, x, kernel)[1:]


def _output_times_gradient(dy, y, x, kernel):
    da = dy * y * (1 - y)
    return da @ kernel.T, y.T @ da, da.sum(axis=0)


def _gradient_first(dy, y, x, kernel):
    da = dy * y * (1 - y)
    return da @ kernel.T, da.T @ x, da.sum(axis=0)


def _one_layer_too_far(dy, y, x, kernel):
    dx, d_kernel, d_bias = gradient_through(dy, y, x, kernel)
    return dx * x * (1 - x), d_kernel, d_bias


def _bias_without_slope(dy, y, x, kernel):
    return *gradient_through(dy, y, x, kernel)[:2], dy.sum(axis=0)


def _slope_at_the_input(dy, y, x, kernel):
    return _layer(dy * x * (1 - x), x, kernel)


def _gradient_as_target(dy, y, x, kernel):
    return _layer((y - dy) * y * (1 - y), x, kernel)


def _bias_for_each_example(dy, y, x, kernel):
    da = dy * y * (1 - y)
    return da @ kernel.T, x.T @ da, da


def _bias_summed_over_units(dy, y, x, kernel):
    da = dy * y * (1 - y)
    return da @ kernel.T, x.T @ da, da.sum(axis=1)


WRONG_LAYERS = (
    (
        _no_slope,
        "The slope of the sigmoid is missing. Before blame can meet the weights it has to get from y to the "
        "sum behind it, and a unit near 0 or 1 lets little of it through.",
    ),
    (
        _sigmoid_once_more,
        "You took the sigmoid of `y`, but `y` has been through it already. What is the slope, "
        "written with the value instead of the sum?",
    ),
    (_slope_of_tanh, "1 - y² is the slope of tanh. This layer is a sigmoid."),
    (
        _mean_over_examples,
        "This is the mean over the examples. Each example's effect on the loss adds to the "
        "others'; if the loss is a mean, the blame `dy` has been divided already.",
    ),
    (
        _input_before_slope,
        "The two gradients are right; the blame at the input is not. It too comes from behind the "
        "sigmoid: take it from the same `da` as the others.",
    ),
    (
        _kernel_not_turned,
        "The two gradients are right; the blame at the input is not. Forwards, input i reaches "
        "unit j with `kernel[i, j]`; backwards, input i collects from all units j. Which index "
        "does the product sum?",
    ),
    (
        _output_times_gradient,
        "The kernel's gradient pairs the blame with the layer's output. A weight multiplies what "
        "comes *in*: input transposed times blame.",
    ),
    (
        _one_layer_too_far,
        "You went one layer too far: the slope at `x` belongs to the layer below, which will take it "
        "in its own turn. Hand on the blame of `x` as it is.",
    ),
    (
        _bias_without_slope,
        "The bias' gradient is made of `dy`. The bias sits behind the sigmoid, like the weights: it "
        "takes the same `da` as they do.",
    ),
    (_slope_at_the_input, "You took the slope from `x`. The sigmoid of this layer made `y`; its slope is y (1 - y)."),
    (_gradient_as_target, "`dy` is the blame of `y` already, not the target: nothing is left to subtract."),
    (
        _gradient_first,
        "The kernel's gradient is transposed: entry [i, j] belongs to the weight from input i to unit j.",
    ),
)
NAMES = "dx", "d_kernel", "d_bias"


def _check_gradient_through(attempt):
    rng = np.random.default_rng(14)
    for examples, features, units in [(5, 3, 3), (4, 3, 2), (1, 2, 4)]:
        x, kernel = rng.normal(size=(examples, features)), rng.normal(size=(features, units))
        y, dy = 1 / (1 + np.exp(-x @ kernel)), rng.normal(size=(examples, units))
        args = dy, y, x, kernel
        got = attempt(*args)
        if not isinstance(got, tuple | list) or len(got) != 3:
            came = f"{len(got)} of them" if isinstance(got, tuple | list) else f"of type `{type(got).__name__}`"
            return f"Expected: three things, the blame at the input, d_kernel and d_bias. What came is {came}."
        if np.shape(got[2]) in {dy.shape, (examples,)} and np.shape(got[2]) != (units,):
            return (
                f"The bias' gradient has shape {np.shape(got[2])}, and the bias has one number for each of the "
                f"{units} units. Each is used by all examples: over which axis do their blames add up?"
            )
        wanted = gradient_through(*args)
        shapes = (
            "the blame at the input, (examples, features)",
            "the gradient of the kernel, (features, units)",
            "the gradient of the bias, (units,)",
        )
        got = [array_of_shape(value, right.shape, what) for value, right, what in zip(got, wanted, shapes, strict=True)]
        right = [np.allclose(mine, theirs) for mine, theirs in zip(got, wanted, strict=True)]
        if all(right):
            continue
        # some of them fit only a square kernel
        if features == units and (says := first_match(got, args, WRONG_LAYERS)):
            return says
        good = [name for name, fine in zip(NAMES, right, strict=True) if fine]
        bad = [name for name, fine in zip(NAMES, right, strict=True) if not fine]
        where = (
            "d_bias is `da` added up over the examples; look at that first."
            if "d_bias" in bad
            else "Yours is right, as d_bias shows; what is it multiplied by, and in which order?"
        )
        return (
            f"Right: {listed(good) if good else 'none of the three'}; wrong: {listed(bad)}. All three start from "
            f"the blame of the sum, `da`, which is `dy` times the slope of the sigmoid. {where}"
        )
    return None


LAYER = Exercise(
    number="1.4",
    title="Blame through any layer",
    prompt=r"""
Our backward pass was made for one hidden layer. A network may have twenty. All of them can share one function, which
takes the blame at a layer's output and hands on the blame at its input, so that the layer below can do the same.

The layer is $y = \sigma(xW + b)$. You get `dy`, which is $\delta y$, with `y` and `x` from the forward pass and
`kernel`, which is $W$. Return three things: $\delta x$, $\delta W$ and $\delta b$. Shapes: `dy` and `y` are
`(examples, units)`, `x` is `(examples, features)`, and `kernel` is `(features, units)`; each result has the shape of
what it belongs to.
""",
    hints=(
        "Three lines of the lesson's `backward` are a layer: one that gets behind the sigmoid, one for the weights, "
        "one for the blame below. Which?",
        "First `da = dy * y * (1 - y)`. The rest is made of `da`, `x` and `kernel`, and shapes leave few choices.",
        "The kernel's gradient is `x.T @ da`, the bias' is `da` summed over the examples (axis 0), and the blame at "
        "the input goes back through the kernel turned round: `da @ kernel.T`.",
    ),
    solution=gradient_through,
    why="Forwards, backwards, and a memory of the forward pass in between: every layer of this course, and of every "
    "library, is this pair. A deep network calls it once a layer, a recurrent one once a step.",
    check=_check_gradient_through,
    misconceptions=(
        *WRONG_LAYERS,
        (_bias_for_each_example, "over which axis do their blames add up"),
        (_bias_summed_over_units, "over which axis do their blames add up"),
    ),
)


# ---------------------------------------------------------------------------------------------------------------------
# 1.5  a memory to order
# ---------------------------------------------------------------------------------------------------------------------
def decay_for(half_life):
    """The λ of a leaky unit that has forgotten half of its state after half_life steps."""
    return 0.5 ** (1 / half_life)


def _equal_parts(half_life):
    return 1 - 0.5 / half_life


def _one_over(half_life):
    return 1 - 1 / half_life


def _time_constant(half_life):
    return np.exp(-1 / half_life)


def _what_is_lost(half_life):
    return 1 - 0.5 ** (1 / half_life)


def _half_to_the_n(half_life):
    return 0.5**half_life


def _always_half(half_life):
    return 0.5


WRONG_DECAYS = (
    (
        _equal_parts,
        "You take away the half in equal parts, step by step. The unit does not lose the same amount at "
        "each step but the same *share* of what is left: λ is multiplied, not added up.",
    ),
    (
        _one_over,
        "With this λ only about a third is left after that many steps, not half. The share that is left after "
        "n steps is λⁿ.",
    ),
    (
        _time_constant,
        "This makes n steps the time constant, after which 1/e, or 37 %, is left. You want half to be left.",
    ),
    (_what_is_lost, "This is the share that a step *loses*; λ is the share that it keeps."),
    (
        _half_to_the_n,
        "This is what is left after n steps if every step keeps half. Turn it round: every step keeps "
        "λ, and after n of them half is left.",
    ),
    (
        _always_half,
        "A λ of ½ halves the state at every step: that is a half-life of 1. The λ that you want depends on "
        "`half_life`.",
    ),
)


def _check_decay_for(attempt):
    for half_life in (10, 3, 50, 1):
        got = array_of_shape(attempt(half_life), (), "λ, one number")
        if np.isclose(got, decay_for(half_life)):
            continue
        if says := first_match(got, (half_life,), WRONG_DECAYS):
            return says
        if not 0 < got < 1:
            return (
                f"For a half-life of {half_life} your λ is {got:.4g}. A unit that forgets, and does not swing, "
                "has a λ between 0 and 1."
            )
        return (
            f"For a half-life of {half_life} your λ is {got:.6g}, and after {half_life} steps "
            f"{got**half_life:.3g} of the state is left. It should be half."
        )
    return None


HALF_LIFE = Exercise(
    number="1.5",
    title="A memory to order",
    prompt=r"""
Somebody wants a leaky unit, $h \leftarrow \lambda h + (1 - \lambda) x$, that has forgotten half of its state after
`half_life` steps without input. Which $\lambda$ do you sell them?
""",
    hints=(
        "With x = 0 a step multiplies h by λ. What do n steps do?",
        "λ to the power of half_life has to be ½. Solve that for λ: the n-th root of a number is its power 1/n.",
    ),
    solution=decay_for,
    why="For a half-life of a hundred steps λ is .993. Memory lives in the third decimal, which is why learning it "
    "is hard; lesson 05 meets the same power again, in a matrix.",
    check=_check_decay_for,
    misconceptions=WRONG_DECAYS,
)


EXERCISES = [RATE, DESIGN, XOR_BY_HAND, LAYER, HALF_LIFE]
check, hint, solution = bank(EXERCISES)
