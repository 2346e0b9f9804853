"""Exercises of lesson 16: one step out of many, counting to three, what a state can hold, and what a failure says."""

from __future__ import annotations

import math
from numbers import Integral

import numpy as np

from course_lib.teaching.exercise import Exercise, bank
from course_lib.teaching.running import Review, array_of_shape, first_match, listed


# ---------------------------------------------------------------------------------------------------------------------
# 16.1  many steps as one
# ---------------------------------------------------------------------------------------------------------------------
def as_one_step(a, b):
    """The pair (A, B) with h_T = A h_0 + B, of a recurrence with factors a (T,) and inputs b (T,)."""
    A, B = 1.0, 0.0
    for a_t, b_t in zip(a, b, strict=True):
        A, B = a_t * A, a_t * B + b_t
    return A, B


def _sum_of_inputs(a, b):
    return np.prod(a), np.sum(b)


def _multiplied_by_its_own_factor(a, b):
    A, B = 1.0, 0.0
    for a_t, b_t in zip(a, b, strict=True):
        A, B = a_t * A, a_t * (B + b_t)
    return A, B


def _backwards_in_time(a, b):
    return as_one_step(a[::-1], b[::-1])


def _total_factor_first(a, b):
    A, B = 1.0, 0.0
    for a_t, b_t in zip(a, b, strict=True):
        A = a_t * A
        B = A * B + b_t
    return A, B


def _sum_of_factors(a, b):
    return np.sum(a), as_one_step(a, b)[1]


def _last_step(a, b):
    return a[-1], b[-1]


WRONG_STEPS = (
    (
        _sum_of_inputs,
        "A is right. B is not the sum of the inputs: b_1 has been multiplied by a_2, a_3 and all later factors.",
    ),
    (
        _multiplied_by_its_own_factor,
        "A is right. In B you multiply b_t by its own factor a_t. That factor meets the old state only: h_t = a_t "
        "h_{t-1} + b_t.",
    ),
    (
        _backwards_in_time,
        "You put the steps together in the wrong order. A does not notice, B does: the last step comes last, so "
        "b_T is not multiplied by anything.",
    ),
    (
        _total_factor_first,
        "A is right. In B you multiply by the product of *all* factors so far. One step multiplies what is there by "
        "its own factor only.",
    ),
    (_sum_of_factors, "B is right. A is a product of factors, not a sum: each step multiplies what the last one left."),
    (_last_step, "That is the last step alone. What of the steps before it?"),
)


def _check_as_one_step(attempt):
    rng = np.random.default_rng(161)
    for steps in (5, 2, 1):
        a, b = rng.uniform(-0.9, 0.9, steps), rng.normal(size=steps)
        got = array_of_shape(attempt(a, b), (2,), "the pair (A, B), two numbers")
        wanted = np.array(as_one_step(a, b))
        if np.allclose(got, wanted):
            continue
        args = (a, b)
        if steps > 1 and (says := first_match(got, args, [(_paired(f), text) for f, text in WRONG_STEPS])):
            return says
        wrong = listed(name for name, g, w in zip("AB", got, wanted, strict=True) if not np.isclose(g, w))
        h = 2.0
        for a_t, b_t in zip(a, b, strict=True):
            h = a_t * h + b_t
        return (
            f"With {steps} step{'s' if steps > 1 else ''}, {wrong} is wrong. From h_0 = 2 the recurrence ends at "
            f"{h:.3f}, and your A h_0 + B is {got[0] * 2 + got[1]:.3f}."
        )


def _paired(function):
    return lambda a, b: np.array(function(a, b), dtype=float)


ONE_STEP = Exercise(
    number="16.1",
    title="A hundred steps as one",
    prompt=r"""
Equation (16.2) makes one step of two. Make one step of all: for factors `a` and inputs `b`, both of shape `(T,)`,
return the pair $(A, B)$ with $h_T = A\,h_0 + B$, whatever $h_0$ is. `a[0]` and `b[0]` belong to the first step. The
check compares both numbers with the recurrence, for five, two and one steps.
""",
    hints=(
        "Before the first step nothing has happened: which pair (A, B) leaves h_0 as it is?",
        "Start with A = 1 and B = 0. For each step, put (A, B) first and (a_t, b_t) second into (16.2).",
        "`A, B = a_t * A, a_t * B + b_t` in one line, so that both right sides still see the old values.",
    ),
    solution=as_one_step,
    why="The pair is all that the rest of the sequence needs to know about these steps. So each of a hundred "
    "processors can "
    "take its own piece of the sequence, and only pairs have to be exchanged.",
    check=_check_as_one_step,
    misconceptions=WRONG_STEPS,
)


# ---------------------------------------------------------------------------------------------------------------------
# 16.2  counting to three
# ---------------------------------------------------------------------------------------------------------------------
def turn(x):
    """Complex factors a, as many as bits in x: with h_0 = 1 and b = 0 the angle of h tells the ones modulo 3."""
    return np.exp(2j * np.pi * np.asarray(x) / 3)


def _half_turn(x):
    return np.exp(1j * np.pi * np.asarray(x))


def _always_turns(x):
    return np.full(len(x), np.exp(2j * np.pi / 3))


def _forgets_at_zero(x):
    return np.asarray(x) * np.exp(2j * np.pi / 3)


def _real_part(x):
    return np.cos(2 * np.pi * np.asarray(x) / 3)


def _decays(x):
    return 0.9 ** np.asarray(x) * np.exp(2j * np.pi * np.asarray(x) / 3)


def _rounded_factor(x):
    return np.where(np.asarray(x) == 1, -0.5 + 0.866j, 1)


def _other_way(x):
    return np.exp(-2j * np.pi * np.asarray(x) / 3)


def _degrees(x):
    return np.exp(120j * np.asarray(x))


def _check_turn(attempt):
    rng = np.random.default_rng(162)
    for length in (1, 6, 2000):
        x = rng.integers(0, 2, length) if length > 1 else np.ones(1, int)
        value = attempt(x)
        try:
            got = np.asarray(value)
        except ValueError:  # rows of different lengths
            raise Review(f"Expected: a factor for each bit, an array of shape {x.shape}.") from None
        if got.dtype.kind not in "biufc" or got.shape != x.shape:
            raise Review(
                f"Expected: a factor for each bit, an array of shape {x.shape}; what came has shape "
                f"{got.shape} and type "
                f"`{got.dtype}`."
            )
        if got.dtype.kind != "c":
            return (
                "These factors are real numbers. On a line a state can only change its sign, which counts "
                "to two. For three "
                "you need a third of a full turn: a complex number."
            )
        zero, one = got[x == 0], got[x == 1]
        if len(zero) and not np.allclose(zero, 1):
            if np.allclose(zero, 0):
                return "At a 0 your factor is 0, and the count is forgotten. A 0 should leave the state as it is."
            return f"At a 0 the count should stay as it is, so the factor should be 1; yours is {zero[0]:.3g}."
        if not np.allclose(np.abs(one), 1):
            size = abs(one[0])
            ones = 10_000 if abs(size - 1) < 1e-3 else 100
            rounded = " A number typed with three digits is not exact enough: compute it." if ones > 100 else ""
            return (
                f"At a 1 your factor has the absolute value {size:.6g}, not 1. After {ones:,} ones the state has "
                f"{size**ones:.2g} of its length. Below 1 it fades, above 1 it explodes.{rounded}"
            )
        if np.allclose(one, np.exp(-2j * np.pi / 3)):
            return "You turn the other way: after a single 1 the angle should be +120 degrees, and yours is −120."
        if np.allclose(one, -1):
            return "At a 1 you make half a turn: that counts to two. After three ones the state should be back at 1."
        if not np.allclose(one, np.exp(2j * np.pi / 3)):
            degrees = np.angle(one[0], deg=True)
            return (
                f"At a 1 your state turns by {degrees:.0f} degrees. Three ones should make one full turn. "
                f"(NumPy's angles are in radians.)"
            )
    return None


MOD_THREE = Exercise(
    number="16.2",
    title="Counting to three",
    prompt=r"""
A factor of −1 counts to two. For three, let the state be a complex number, a point in a plane. Multiplying by
$e^{i\varphi}$ turns it by the angle $\varphi$ and keeps its length.

Return the factors $a_t$, one complex number for each bit in `x`. With $h_0 = 1$ and $b_t = 0$ the angle of $h_t$ must
be 0, 120 or 240 degrees when the number of ones so far, divided by 3, leaves 0, 1 or 2. A bit of 0 must leave the
state as it is, and the length of the state must stay 1. The check tries up to 2,000 bits.
""",
    hints=(
        "What should the factor be where the bit is 0? And by which part of a full turn should a 1 move the state?",
        "A full turn is 2π, in radians. A third of it is 2π/3. NumPy writes i as `1j`.",
        "`np.exp(2j * np.pi * x / 3)` is 1 where x is 0.",
    ),
    solution=turn,
    why="Complex factors count modulo any number. This is why the eigenvalues of a linear recurrence decide what it "
    "can count: "
    "positive ones to one, negative ones to two, complex ones further. The LRU has complex ones; but they "
    "do not depend on "
    "the input, and here they must.",
    check=_check_turn,
    misconceptions=(
        (_half_turn, "that counts to two"),
        (_always_turns, "At a 0 the count should stay"),
        (_forgets_at_zero, "the count is forgotten"),
        (_real_part, "These factors are real numbers"),
        (_decays, "Below 1 it fades"),
        (_rounded_factor, "the absolute value 0.999978, not 1"),
        (_other_way, "You turn the other way"),
        (_degrees, "Three ones should make one full turn"),
    ),
)


# ---------------------------------------------------------------------------------------------------------------------
# 16.3  how much a state can hold
# ---------------------------------------------------------------------------------------------------------------------
def longest_copy(units, bits, symbols):
    """The longest string of a given alphabet that a state of so many numbers of so many bits can always hold."""
    length = 0
    while symbols ** (length + 1) <= 2 ** (units * bits):
        length += 1
    return length


def _one_symbol_a_unit(units, bits, symbols):
    return units


def _states_in_place_of_bits(units, bits, symbols):
    return units * bits // symbols


def _forgot_the_bits(units, bits, symbols):
    return math.floor(units / math.log2(symbols) + 1e-12)


def _one_bit_a_symbol(units, bits, symbols):
    return units * bits


def _natural_logarithm(units, bits, symbols):
    return math.floor(units * bits / math.log(symbols))


def _floating_states(units, bits, symbols):
    return math.floor(math.log(2.0 ** (units * bits), symbols) + 1e-9)


def _rounded_up(units, bits, symbols):
    return math.ceil(units * bits / math.log2(symbols) - 1e-12)


WRONG_LENGTHS = (
    (_one_symbol_a_unit, "You give each unit one symbol. A unit of many bits can tell many symbols apart."),
    (
        _states_in_place_of_bits,
        "You divide the bits by the number of symbols. Telling 8 symbols apart takes 3 bits, not 8: the "
        "logarithm to base 2.",
    ),
    (_forgot_the_bits, "You count the units only. Each of them has `bits` bits."),
    (_one_bit_a_symbol, "You give each symbol one bit. One bit tells two symbols apart; here there may be more."),
    (_natural_logarithm, "You took the natural logarithm. Bits are counted with the logarithm to base 2."),
    (
        _rounded_up,
        "You round up. At that length there are more strings than states, so two strings share a state, "
        "and one of them is "
        "lost: round down.",
    ),
)


TOO_LARGE = (
    "The number of states is too large for a floating-point number, which ends near 2^1024: 35 units of 32 bits have "
    "2^1120. Use whole numbers, `2 ** (units * bits)`, which Python keeps exactly, or compare the logarithms."
)


def _check_longest_copy(attempt):
    cases = [(35, 32, 8), (10, 8, 27), (1, 1, 2), (3, 4, 4), (2, 16, 1000)]
    try:
        got = [float(array_of_shape(attempt(*case), (), "a length, one number")) for case in cases]
    except Review as review:
        if "OverflowError" in str(review):
            raise Review(*review.args, TOO_LARGE) from None
        raise
    wanted = [longest_copy(*case) for case in cases]
    if got == wanted:
        return None
    for function, says in WRONG_LENGTHS:
        if got == [float(function(*case)) for case in cases]:
            return says
    case, mine, right = next((c, g, w) for c, g, w in zip(cases, got, wanted, strict=True) if g != w)
    units, bits, symbols = case
    return (
        f"For {units} units of {bits} bits and {symbols} symbols you say {mine:g}. There are "
        f"2^{units * bits} states and "
        f"{symbols}^n strings of length n. " + ("That is too long." if mine > right else "A longer string still fits.")
    )


HOLD = Exercise(
    number="16.3",
    title="How long a string fits into a state?",
    prompt=r"""
A recurrent network reads a string and must write it down afterwards. Between the two, all it has is its state:
`units` numbers of `bits` bits each. If there are more strings than states, two strings end in the same state, and one
of them comes out wrong.

Return the length of the longest strings over an alphabet of `symbols` symbols (at least 2) that a state can always
hold: the largest whole $n$ for which there are at least as many states as strings.

Once it passes, ask it about this lesson's GRU: 35 units, 32 bits, 8 symbols. Was it the size of the state that kept
it from copying 30 symbols?
""",
    hints=(
        "How many different states are there? How many different strings of length n?",
        "There are 2 to the power (units × bits) states and symbols to the power n strings. Compare the "
        "exponents to base 2.",
        "n · log₂(symbols) ≤ units · bits. Divide and round down. Python's whole numbers are exact: a "
        "loop over n works too.",
    ),
    solution=longest_copy,
    why="This bound is the theorem: beyond it no training helps. Below it the theorem says nothing, and a failure "
    "there is one of training. The GRU of the lesson has room for 373 symbols, and a third of 20 came out right.",
    check=_check_longest_copy,
    misconceptions=(*WRONG_LENGTHS, (_floating_states, TOO_LARGE)),
)


# ---------------------------------------------------------------------------------------------------------------------
# 16.4  an experiment: what does a failure say?
# ---------------------------------------------------------------------------------------------------------------------
RATES, BUDGETS, LENGTHS = (0.001, 0.003, 0.01, 0.03), (4, 20), (40, 200)
GOOD = 0.95
ANSWERS = ("learned", "does not generalise", "not trained")
MOST_RUNS = 400


def verdict(measure):
    """Return (results, answer): {(length, seconds, rate): [accuracies]}, and one of the three answers."""
    seeds = range(3)
    results = {
        (length, seconds, rate): [measure(length, seconds, rate, seed) for seed in seeds]
        for length in (40, 200)
        for seconds in (4, 20)
        for rate in (0.001, 0.003, 0.01, 0.03)
    }

    def works(length, seconds, rate):
        accuracies = results[length, seconds, rate]
        return sum(accuracy > 0.95 for accuracy in accuracies) > len(accuracies) / 2

    trained = [(seconds, rate) for length, seconds, rate in results if length == 40 and works(40, seconds, rate)]
    if not trained:
        return results, "not trained"
    return results, "learned" if any(works(200, *setting) for setting in trained) else "does not generalise"


def _judge(results, trains, generalises):
    """The answer from results, with rules of one's own."""
    settings = {(seconds, rate) for _, seconds, rate in results}
    trained = [s for s in settings if trains(results[(40, *s)])]
    if not trained:
        return "not trained"
    return "learned" if any(generalises(results[(200, *s)]) for s in trained) else "does not generalise"


def _measured(measure, rates=RATES, budgets=BUDGETS, seeds=(0, 1, 2)):
    return {(n, s, r): [measure(n, s, r, seed) for seed in seeds] for n in LENGTHS for s in budgets for r in rates}


def _most(accuracies):
    return sum(a > GOOD for a in accuracies) > len(accuracies) / 2


def _one_rate(measure):
    results = _measured(measure, rates=(0.01,))
    return results, _judge(results, _most, _most)


def _one_budget(measure):
    results = _measured(measure, budgets=(4,))
    return results, _judge(results, _most, _most)


def _one_seed(measure):
    results = _measured(measure, seeds=(0,))
    return results, _judge(results, _most, _most)


def _best_seed(measure):
    results = _measured(measure)
    return results, _judge(results, lambda row: max(row) > GOOD, lambda row: max(row) > GOOD)


def _by_the_mean(measure):
    results = _measured(measure)
    return results, _judge(results, lambda row: np.mean(row) > GOOD, lambda row: np.mean(row) > GOOD)


def _only_long(measure):
    results = {(200, s, r): [measure(200, s, r, seed) for seed in range(3)] for s in BUDGETS for r in RATES}
    return results, "learned" if any(_most(row) for row in results.values()) else "not trained"


def _cannot(measure):
    results, answer = verdict(measure)
    return results, "cannot" if answer == "not trained" else answer


def _long_decides(measure):
    results, answer = verdict(measure)
    return results, "not trained" if answer == "does not generalise" else answer


def _first_that_trains(measure):
    results = _measured(measure)
    for s in BUDGETS:
        for r in RATES:
            if _most(results[40, s, r]):
                return results, "learned" if _most(results[200, s, r]) else "does not generalise"
    return results, "not trained"


def _each_length_apart(measure):
    results = _measured(measure)
    works = {n: any(_most(row) for key, row in results.items() if key[0] == n) for n in LENGTHS}
    return results, "not trained" if not works[40] else "learned" if works[200] else "does not generalise"


def _above_chance(measure):
    results = _measured(measure)
    return results, _judge(results, lambda row: np.median(row) > 0.55, _most)


_ALL = [(s, r) for s in BUDGETS for r in RATES]
WORLDS = (  # (settings that train, settings that generalise, exceptions {(length, s, r): accuracies}, answer, its name)
    (_ALL, _ALL, {}, "learned", "a world in which every setting works"),
    (
        [(4, 0.03), (20, 0.03)],
        [(20, 0.03)],
        {},
        "learned",
        "a world in which only the rate .03 trains, and generalises with 20 seconds",
    ),
    ([(20, 0.003)], [], {}, "does not generalise", "a world in which it trains in 20 seconds, and fails at length 200"),
    ([], [], {}, "not trained", "a world in which no setting trains"),
    (
        [],
        [],
        {(40, 20, 0.01): (0.99, 0.55, 0.52), (200, 20, 0.01): (0.98, 0.5, 0.51)},
        "not trained",
        "a world in which one lucky seed trains",
    ),
    (
        [(4, 0.01), (20, 0.01), (20, 0.003)],
        [(20, 0.003)],
        {},
        "learned",
        "a world in which one rate trains without generalising and another one does both",
    ),
    (
        [(20, 0.01)],
        [(20, 0.01)],
        {(40, 20, 0.01): (0.99, 0.99, 0.5), (200, 20, 0.01): (0.97, 0.98, 0.5)},
        "learned",
        "a world in which two seeds of three learn",
    ),
    (
        [(4, 0.03)],
        [(20, 0.003)],
        {},
        "does not generalise",
        "a world in which one setting works at 40 only and another one at 200 only",
    ),
    (
        [],
        [],
        {(40, s, r): (0.7, 0.72, 0.69) for s, r in _ALL},
        "not trained",
        "a world in which it is better than chance and no more",
    ),
)


def _world(trains, generalises, exceptions):
    """A ``measure`` with a known answer, and the log of what it was asked."""
    log, asked = {}, []

    def measure(length, seconds, rate, seed):
        if length not in LENGTHS or seconds not in BUDGETS or rate not in RATES:
            raise Review(
                f"`measure(length, seconds, rate, seed)` takes a length of 40 or 200, 4 or 20 seconds and "
                f"a rate of .001, "
                f".003, .01 or .03; it was asked for `measure({length!r}, {seconds!r}, {rate!r}, {seed!r})`."
            )
        if not isinstance(seed, Integral) or seed < 0:
            raise Review(f"A seed is a whole number from 0 up, and {seed!r} came.")
        asked.append(seed)
        if len(asked) > MOST_RUNS:
            raise Review(f"Your experiment has asked for more than {MOST_RUNS} runs.")
        runs = log.setdefault((length, seconds, rate), {})
        if seed not in runs:
            row = exceptions.get((length, seconds, rate))
            good = (seconds, rate) in (trains if length == 40 else generalises)
            base = row[len(runs) % 3] if row else 0.985 if good else 0.51
            runs[seed] = base + 0.001 * ((3 * int(seed) + int(seconds)) % 7)
        return runs[seed]

    return measure, log


def _check_verdict(attempt):
    for trains, generalises, exceptions, truth, world in WORLDS:
        measure, log = _world(trains, generalises, exceptions)
        got = attempt(measure)
        if not isinstance(got, tuple | list) or len(got) != 2 or not isinstance(got[0], dict):
            return (
                "Expected: a pair `(results, answer)` whose first part is a dict from (length, seconds, "
                "rate) to a list of "
                f"accuracies. What came is of type `{type(got).__name__}`."
            )
        results, answer = got
        if says := _about_the_runs(results, log) or _about_the_answer(results, answer, truth, world):
            return says


def _about_the_runs(results, log):
    for key, accuracies in results.items():
        if key not in log:
            return f"`results` has an entry for {key!r}, but nothing was measured there."
        accuracies = np.asarray(accuracies, dtype=float).ravel()
        if any(not any(abs(a - run) < 1e-9 for run in log[key].values()) for a in accuracies):
            return f"`results[{key!r}]` holds a number that was not measured. Report what came out, as it came out."
        if len(accuracies) < len(log[key]):
            return f"At {key!r} you measured {len(log[key])} seeds and report {len(accuracies)}. Report all of them."
        if len(log[key]) < 3:
            n = len(log[key])
            return f"At {key!r} you measured {n} seed{'s' if n > 1 else ''}. Take at least three different ones."
    if not any(key[0] == 40 for key in results):
        return (
            "Nothing was measured at length 40. Whoever fails at 200 may never have learned the task at "
            "the lengths it was "
            "trained on: two different faults."
        )
    for place, name, wanted in ((0, "length", LENGTHS), (1, "budget", BUDGETS), (2, "rate", RATES)):
        if missing := [value for value in wanted if value not in {key[place] for key in results}]:
            return (
                f"You have not tried the {name} {missing[0]:g}. Before you say that a network did not "
                f"learn, give it the same "
                f"care as its rivals: every rate, and both budgets."
            )
    if missing := [key for key in ((n, *s) for n in LENGTHS for s in _ALL) if key not in results]:
        return f"Nothing was measured at {missing[0]!r}: length, seconds, rate."
    return None


def _about_the_answer(results, answer, truth, world):
    if answer == truth:
        return None
    if answer == "cannot":
        return (
            f"In {world}, your answer is “cannot”. No number of runs shows that: another rate, another "
            f"start or more time may "
            "do it. That it cannot takes a proof. What you have measured is that it was not trained."
        )
    if answer not in ANSWERS:
        return f"The answer should be one of {listed(map(repr, ANSWERS))}; yours is {answer!r}."
    best = {n: max(results[key] for key in results if key[0] == n) for n in LENGTHS}
    shown = " and ".join(f"{listed(f'{a:.2f}' for a in best[n])} at length {n}" for n in LENGTHS)
    return (
        f"The conclusion does not follow. In {world}, your answer is {answer!r}, and by the definitions of "
        f"this exercise it is "
        f"{truth!r}. The settings with the best seed gave {shown}. A setting counts if *more than half* of "
        f"its seeds are "
        f"above {GOOD}, and one such setting is enough; length 200 counts at a setting that works at length 40."
    )


DESIGN = Exercise(
    number="16.4",
    title="What does a failure say?",
    prompt=r"""
A network was trained on sequences of up to 40 steps and fails. Was it not trained, or does it not generalise? You
have a measuring device: `measure(length, seconds, rate, seed)` trains it and returns its share of right answers at a
length of 40 or 200. There are two budgets, 4 and 20 seconds, and four rates: .001, .003, .01, .03.

Some definitions. A *setting* is a pair of seconds and rate. It *works at a length* if more than half of its seeds are
above .95 there. The network is

- `"not trained"` if no setting works at length 40;
- `"learned"` if some setting works at both lengths;
- `"does not generalise"` if some setting works at 40 and none works at both.

Design the experiment. `verdict(measure)` returns a pair `(results, answer)`. `results` is a dict from `(length,
seconds, rate)` to the list of accuracies, one for each seed. Measure every setting at both lengths with at least
three seeds, and report all of them. `answer` is one of the three strings. The check hands your experiment devices
from worlds in which the answer is known.

Once it passes, *Going further* has a real device to put in.
""",
    hints=(
        "Which two faults can stand behind a failure at length 200? Which measurement tells them apart?",
        "2 lengths × 2 budgets × 4 rates × 3 seeds: 48 runs. Then ask each setting twice, once for each length.",
        "`trained = [s for s in settings if works(40, *s)]`. Empty: “not trained”. Otherwise “learned” if "
        "`any(works(200, *s) for s in trained)`.",
    ),
    solution=verdict,
    why="“Did not learn it here” and “cannot” are different sentences. The first is measured, with the same care for "
    "all; the second "
    "is proved. Many papers and most blog posts write the second and have done the first.",
    check=_check_verdict,
    misconceptions=(
        (_one_rate, "You have not tried the rate"),
        (_one_budget, "You have not tried the budget"),
        (_one_seed, "you measured 1 seed"),
        (_best_seed, "more than half"),
        (_by_the_mean, "more than half"),
        (_only_long, "Nothing was measured at length 40"),
        (_cannot, "That it cannot takes a proof"),
        (_long_decides, "The conclusion does not follow"),
        (_first_that_trains, "one such setting is enough"),
        (_above_chance, "The conclusion does not follow"),
        (_each_length_apart, "one setting works at 40 only and another one at 200 only"),
    ),
)


EXERCISES = [ONE_STEP, MOD_THREE, HOLD, DESIGN]
check, hint, solution = bank(EXERCISES)
