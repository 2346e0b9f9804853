"""Exercises of lesson 15: a fair choice, coordinates in a plane, two automata compared, and an experiment."""

from __future__ import annotations

import inspect
from numbers import Integral

import numpy as np

from course_lib.teaching.exercise import Exercise, bank
from course_lib.teaching.running import Review, array_of_shape, function_from, listed


def _correlations(cells, label):
    """Signed correlations of cells (steps, units) with a label (steps,)."""
    z, y = cells - cells.mean(axis=0), label - label.mean()
    return y @ z / np.sqrt((y @ y) * (z**2).sum(axis=0))


# ---------------------------------------------------------------------------------------------------------------------
# 15.1  the fair figure of the best of many cells
# ---------------------------------------------------------------------------------------------------------------------
def fair_figure(cells, label):
    """How well the best cell follows the label: chosen on the first half of the steps, measured on the second."""
    half = len(cells) // 2
    first = np.abs([np.corrcoef(cell, label[:half])[0, 1] for cell in cells[:half].T])
    return abs(np.corrcoef(cells[half:, first.argmax()], label[half:])[0, 1])


def _on_the_half_it_was_chosen_on(cells, label):
    half = len(cells) // 2
    return np.abs(_correlations(cells[:half], label[:half])).max()


def _chosen_on_the_half_it_is_measured_on(cells, label):
    half = len(cells) // 2
    return np.abs(_correlations(cells[half:], label[half:])).max()


def _chosen_on_everything(cells, label):
    half = len(cells) // 2
    best = np.abs(_correlations(cells, label)).argmax()
    return abs(_correlations(cells[half:], label[half:])[best])


def _no_halves(cells, label):
    return np.abs(_correlations(cells, label)).max()


def _sign_forgotten(cells, label):
    half = len(cells) // 2
    best = _correlations(cells[:half], label[:half]).argmax()
    return _correlations(cells[half:], label[half:])[best]


def _sign_kept(cells, label):
    half = len(cells) // 2
    best = np.abs(_correlations(cells[:half], label[:half])).argmax()
    return _correlations(cells[half:], label[half:])[best]


_FAIR_MISTAKES = (
    (
        _on_the_half_it_was_chosen_on,
        "That is the figure on the very steps on which the cell was chosen. Measure it on the second half.",
    ),
    (
        _chosen_on_the_half_it_is_measured_on,
        "The cell is chosen on the second half, on which it is measured. The first half should choose it.",
    ),
    (
        _chosen_on_everything,
        "The cell is chosen on all steps, and so also on those on which it is measured. Choose on the first half only.",
    ),
    (
        _no_halves,
        "Nothing is held back: the best of many on all steps. Choose on the first half, measure on the second.",
    ),
    (
        _sign_forgotten,
        "A cell that falls where the label rises follows it as well: choose by the absolute correlation, and return "
        "the absolute value.",
    ),
    (
        _sign_kept,
        "The right cell, but the sign is still there. A correlation of −.9 is as good as .9: return the absolute "
        "value.",
    ),
    (
        lambda cells, label: fair_figure(cells, label) ** 2,
        "That is the square of the correlation, the share of the variance. Return the absolute correlation.",
    ),
)


def _worlds(rng):
    """Cells and labels in which each of the mistakes gives another number than the right answer."""
    label = (rng.random(60).cumsum() % 4 > 2).astype(float)
    cells = rng.normal(size=(60, 40))
    cells[:, 7] = -label + 0.45 * rng.normal(size=60)  # the true follower, of negative sign
    noise = rng.normal(size=(60, 40))
    return (cells, label), (noise, label)


def _check_fair(attempt):
    cases = [case for seed in (3, 11) for case in _worlds(np.random.default_rng(seed))]
    got = [float(array_of_shape(attempt(*case), (), "one number")) for case in cases]
    wanted = [float(fair_figure(*case)) for case in cases]
    if np.allclose(got, wanted, atol=1e-9):
        return None
    for function, says in _FAIR_MISTAKES:
        if np.allclose(got, [float(function(*case)) for case in cases], atol=1e-9):
            return says
    k = int(np.flatnonzero(~np.isclose(got, wanted, atol=1e-9))[0])
    return (
        f"For {cases[k][0].shape[1]} cells over {len(cases[k][0])} steps the answer is {wanted[k]:.3f}, and yours is "
        f"{got[k]:.3f}. Print which cell you chose, and on which steps."
    )


FAIR = Exercise(
    number="15.1",
    title="The fair figure of the best of many",
    prompt=r"""
`cells` is an array (steps, units), an even number of steps, and `label` is an array (steps,). Choose the cell whose
*absolute* correlation with the label is largest on the first half of the steps. Return the absolute correlation of
that cell on the second half.

The check also uses cells that are nothing but noise. `np.corrcoef(a, b)[0, 1]` is the correlation of two arrays.
""",
    hints=(
        "Two halves, two jobs: one chooses, the other measures. Neither does both.",
        "The absolute correlation of every cell on the first half gives a list; its `argmax()` is the cell.",
        "`half = len(cells) // 2`, then `first = np.abs([np.corrcoef(cell, label[:half])[0, 1] for cell in "
        "cells[:half].T])`; the answer uses `cells[half:, first.argmax()]` and `label[half:]`.",
    ),
    solution=fair_figure,
    why="The best of many noisy figures is too large on the data that chose it, and honest on other data. The same "
    "holds "
    "for the best of many seeds, learning rates or models.",
    check=_check_fair,
    misconceptions=_FAIR_MISTAKES,
)


# ---------------------------------------------------------------------------------------------------------------------
# 15.2  new states in the plane of old ones
# ---------------------------------------------------------------------------------------------------------------------
def place_in_plane(states, new):
    """Coordinates (m, 2) of new states (m, units) in the plane of the first two components of states (n, units)."""
    mean = states.mean(axis=0)
    _, _, directions = np.linalg.svd(states - mean, full_matrices=False)
    return (new - mean) @ directions[:2].T


def _not_centred(states, new):
    _, _, directions = np.linalg.svd(states - states.mean(axis=0), full_matrices=False)
    return new @ directions[:2].T


def _never_centred(states, new):
    _, _, directions = np.linalg.svd(states, full_matrices=False)
    return new @ directions[:2].T


def _own_mean(states, new):
    _, _, directions = np.linalg.svd(states - states.mean(axis=0), full_matrices=False)
    return (new - new.mean(axis=0)) @ directions[:2].T


def _columns(states, new):
    mean = states.mean(axis=0)
    _, _, directions = np.linalg.svd(states - mean, full_matrices=False)
    return (new - mean) @ directions[:, :2]


def _uncentred_directions(states, new):
    _, _, directions = np.linalg.svd(states, full_matrices=False)
    return (new - states.mean(axis=0)) @ directions[:2].T


def _plane_of_the_new(states, new):
    mean = new.mean(axis=0)
    _, _, directions = np.linalg.svd(new - mean, full_matrices=False)
    return (new - mean) @ directions[:2].T


_PLANE_MISTAKES = (
    (_never_centred, "Nothing is centred. Subtract the mean of `states` first: from `states`, and from the new ones."),
    (_not_centred, "The new states are not centred. Subtract the mean of `states` from them."),
    (_own_mean, "The new states are centred by their own mean. Their place is told from the mean of `states`."),
    (_columns, "These are columns. `np.linalg.svd` returns the directions as rows of its third array."),
    (
        _uncentred_directions,
        "The directions are those of states that were not centred: the first one points at the mean.",
    ),
    (_plane_of_the_new, "This is the plane of the new states. A path is drawn in the plane of the old ones."),
)


def _up_to_signs(coordinates):
    """Coordinates with the largest entry of each column positive."""
    signs = np.sign(coordinates[np.abs(coordinates).argmax(axis=0), range(coordinates.shape[1])])
    return coordinates * np.where(signs == 0, 1, signs)


def _check_plane(attempt):
    rng = np.random.default_rng(15)
    states = rng.normal(size=(200, 5)) * [3, 2, 1, 0.5, 0.2] @ np.linalg.qr(rng.normal(size=(5, 5)))[0] + [
        1,
        -2,
        3,
        0,
        1,
    ]
    new = states[:9] + rng.normal(size=(9, 5)) + 0.5
    got = array_of_shape(attempt(states, new), (9, 2), "the coordinates of 9 states")
    wanted = place_in_plane(states, new)
    if np.allclose(_up_to_signs(got), _up_to_signs(wanted), atol=1e-8):
        return None
    for function, says in _PLANE_MISTAKES:
        if np.allclose(_up_to_signs(got), _up_to_signs(function(states, new)), atol=1e-8):
            return says
    if np.allclose(_up_to_signs(got), _up_to_signs(wanted)[:, ::-1], atol=1e-8):
        return "The two components are in the wrong order: the one with the larger variance comes first."
    return (
        f"The first new state should lie at ({wanted[0, 0]:.3f}, {wanted[0, 1]:.3f}), either with the other sign, and "
        f"yours lies at ({got[0, 0]:.3f}, {got[0, 1]:.3f})."
    )


PLANE = Exercise(
    number="15.2",
    title="A new path in an old plane",
    prompt=r"""
To draw a path into the plane of section 2, one needs the coordinates of *new* states. `states` is an array (n,
units), from which the mean and the first two components are to be found, and `new` is an array (m, units). Return the
coordinates of the new states, an array (m, 2), the component of larger variance first. The sign of a component is
free: the check takes either.
""",
    hints=(
        "Which mean belongs to the plane: that of `states`, or that of `new`?",
        "`np.linalg.svd(states - mean, full_matrices=False)` returns three arrays. The third has the directions as "
        "rows.",
        "`(new - mean) @ directions[:2].T`, with the mean of `states`.",
    ),
    solution=place_in_plane,
    why="Whatever is fitted on one set, a mean, a scale or a direction, is applied to the other as it is. It is the "
    "rule that "
    "keeps test data out of training.",
    check=_check_plane,
    misconceptions=_PLANE_MISTAKES,
)


# ---------------------------------------------------------------------------------------------------------------------
# 15.3  do two automata accept the same strings, of whatever length?
# ---------------------------------------------------------------------------------------------------------------------
def shortest_difference(one, other):
    """The shortest list of symbols on which two automata answer differently, or "same" if there is none."""
    seen, queue = {(0, 0)}, [((0, 0), [])]
    for (a, b), string in queue:
        if one[1][a] != other[1][b]:
            return string
        for symbol in (0, 1):
            pair = (int(one[0][a][symbol]), int(other[0][b][symbol]))
            if pair not in seen:
                seen.add(pair)
                queue.append((pair, [*string, symbol]))
    return "same"


def _number_of_states(one, other):
    return "same" if len(one[1]) == len(other[1]) else []


def _table_by_table(one, other):
    equal = np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1])
    return "same" if equal else []


def _answers(automaton, string):
    state = 0
    for symbol in string:
        state = int(automaton[0][state][symbol])
    return automaton[1][state]


def _up_to(length):
    def search(one, other):
        for size in range(length + 1):
            for number in range(2**size):
                string = [number >> (size - 1 - k) & 1 for k in range(size)]
                if _answers(one, string) != _answers(other, string):
                    return string
        return "same"

    return search


_short_strings_only = _up_to(12)


def _states_of_one(which):
    """A search that remembers the states of one automaton instead of the pairs."""

    def search(one, other):
        seen, queue = {0}, [((0, 0), [])]
        for (a, b), string in queue:
            if one[1][a] != other[1][b]:
                return string
            for symbol in (0, 1):
                pair = (int(one[0][a][symbol]), int(other[0][b][symbol]))
                if pair[which] not in seen:
                    seen.add(pair[which])
                    queue.append((pair, [*string, symbol]))
        return "same"

    return search


def _depth_first(one, other):
    seen, stack = set(), [((0, 0), [])]
    while stack:
        (a, b), string = stack.pop()
        if one[1][a] != other[1][b]:
            return string
        if (a, b) in seen:
            continue
        seen.add((a, b))
        stack += [((int(one[0][a][s]), int(other[0][b][s])), [*string, s]) for s in (0, 1)]
    return "same"


_empty_string_left_out = function_from(
    inspect.getsource(shortest_difference).replace("if one[1][a]", "if string and one[1][a]")
)


def _counts_ones(modulus, accept):
    """An automaton that counts ones modulo a number and accepts where `accept` says so."""
    return (
        np.array([[k, (k + 1) % modulus] for k in range(modulus)]),
        np.array([int(accept(k)) for k in range(modulus)]),
    )


def _with_sink(accept, sink):
    """As :func:`_counts_ones` with 7, but a 0 leads to an eighth state for good, which accepts or not."""
    following = [[7, (k + 1) % 7] for k in range(7)] + [[7, 7]]
    return np.array(following), np.array([*(int(accept(k)) for k in range(7)), sink])


def _chain(states):
    """Accepts only after one 1 less than it has states, in a row; a 0 leads back to the start."""
    following = [[0, min(k + 1, states - 1)] for k in range(states)]
    return np.array(following), np.array([int(k == states - 1) for k in range(states)])


_even = _counts_ones(2, lambda k: k == 0)
_never = (np.array([[0, 0]]), np.array([0]))
_PAIRS = (  # of automata, with what they are
    (_even, _counts_ones(4, lambda k: k % 2 == 0), "an even number of ones, told by 2 and by 4 states"),
    (_even, (np.array([[0, 2], [1, 2], [2, 1]]), np.array([1, 1, 0])), "the same language with states of other names"),
    (_counts_ones(7, lambda k: k == 0), _counts_ones(7, lambda k: k in (0, 6)), "a difference after six ones"),
    (_even, _counts_ones(2, lambda k: k == 1), "a difference on the empty string"),
    (
        _with_sink(lambda k: k == 0, 0),
        _with_sink(lambda k: k in (0, 6), 1),
        "a difference after one zero, or after six ones",
    ),
    (_counts_ones(3, lambda k: k == 0), _counts_ones(2, lambda k: k == 0), "as many ones as 2 or 3 divides"),
    (_chain(30), _never, "one accepts after 29 ones in a row, the other accepts nothing"),
    (
        (np.array([[0, 0]]), np.array([1])),
        (np.array([[1, 1], [1, 1]]), np.array([1, 0])),
        "one accepts everything, the other only the empty string",
    ),
)


def _check_difference(attempt):
    for one, other, what in _PAIRS:
        for pair in ((one, other), (other, one)):
            if says := _about_the_difference(*pair, what, attempt(*pair)):
                return says
    return None


def _about_the_difference(one, other, what, got):
    wanted = shortest_difference(one, other)
    if isinstance(got, str):
        if got != "same":
            return f'The answer is a list of symbols or the word "same", and {got!r} came.'
        if wanted != "same":
            return (
                f"Two automata: {what}. You say that they are the same, but on {wanted} one accepts and the other does "
                "not. How long may the shortest difference be? Follow pairs of states until no new pair comes: a state "
                "of one automaton may be met again beside another state of the other."
            )
        return None
    try:
        got = [int(symbol) for symbol in got]
    except (TypeError, ValueError):
        return f'The answer is a list of symbols or the word "same", and what came is of type `{type(got).__name__}`.'
    if any(symbol not in (0, 1) for symbol in got):
        return f"The symbols are 0 and 1, and {got} came."
    if _answers(one, got) == _answers(other, got):
        return (
            f"Two automata: {what}. You name {got}, but on this string both give the same answer, "
            f"{_answers(one, got)}. States may have other names and numbers, and the language still be the same: what "
            "counts is what they accept."
        )
    if len(got) > len(wanted) == 0:
        return (
            f"Two automata: {what}. On {got} they differ, but they differ on the empty string already. Compare the "
            "pair of start states before you read a symbol."
        )
    if len(got) > len(wanted):
        return (
            f"Two automata: {what}. On {got} they do differ, but {wanted} is shorter. Go through the pairs in the "
            "order of their strings' length: first in, first out."
        )
    return None


DIFFERENCE = Exercise(
    number="15.3",
    title="The same, for strings of every length",
    prompt=r"""
Testing all strings up to 12 says nothing about the thirteenth symbol. For two automata one can do better. Read a
string with both at once: you are in a *pair* of states, and there are only finitely many pairs. If in some pair that
can be reached one accepts and the other does not, the two differ. If in none, they agree on strings of every length.

An automaton is a pair `(following, accepts)` as in section 5: `following[state][symbol]` is the next state,
`accepts[state]` is 0 or 1, state 0 is the start, symbols are 0 and 1. Return the shortest list of symbols on which
the two answer differently (any of the shortest; `[]` is the empty string), or the word `"same"`. The check has a
pair whose shortest difference is 29 symbols long; a search through all strings of that length does not end.

Once it passes, compare the automaton read out of your network, `machines[800]`, with the rule itself, written by hand
(states 0 to 3): `([[1, 2], [0, 3], [3, 0], [2, 1]], [1, 0, 0, 0])`.
""",
    hints=(
        "Begin with the pair (0, 0) and the empty string. From each pair two symbols lead on.",
        "Keep a queue of pairs with the string that led there, and a set of the pairs seen. First in, first out: then "
        "the strings come in the order of their length.",
        "`for (a, b), string in queue:` may run over a list that grows. If `one[1][a] != other[1][b]`, return the "
        "string; "
        "else append each new pair with `[*string, symbol]`.",
    ),
    solution=shortest_difference,
    why="With n and m states there are at most n·m pairs, so a difference shows in fewer than n·m symbols or never "
    '(n + m − 1 is enough, as a closer proof shows). If `shortest_difference(machines[800], rule)` is `"same"`, the '
    "automaton is right on strings of every length, and no longer only on those that were tried. For a network itself "
    "there is no such test; that is one reason to read an automaton out of it.",
    check=_check_difference,
    misconceptions=(
        (_number_of_states, "both give the same answer"),
        (_table_by_table, "both give the same answer"),
        (_short_strings_only, "Follow pairs of states until no new pair comes"),
        (_states_of_one(0), "may be met again beside another state"),
        (_states_of_one(1), "may be met again beside another state"),
        (_depth_first, "is shorter. Go through the pairs in the order"),
        (_empty_string_left_out, "before you read a symbol"),
    ),
)


# ---------------------------------------------------------------------------------------------------------------------
# 15.4  an experiment: is it there, is it learned, is it used?
# ---------------------------------------------------------------------------------------------------------------------
WHATS = ("probe", "untrained", "control", "removed", "random")
MOST_RUNS = 60
ANSWERS = ("no answer", "not learned", "learned, not used", "used")


def what_it_knows(measure):
    """Return (results, answer): {what: [numbers, one a seed]} and one of the four answers."""
    whats = ("probe", "untrained", "control", "removed", "random")
    results = {what: [measure(what, seed) for seed in range(3)] for what in whats}
    probe, untrained, control, removed, random = (np.array(results[what]) for what in whats)
    if not (probe > control + 0.1).all():
        return results, "no answer"
    if not (probe > untrained + 0.1).all():
        return results, "not learned"
    return results, "used" if (removed > random + 0.01).all() else "learned, not used"


_GOOD = {"probe": 0.97, "untrained": 0.62, "control": 0.58, "removed": 0.2, "random": 0.003}
_WORLDS = (  # what differs from _GOOD, an exception (what, value) for one seed, the answer, what it is
    ({}, None, "used", "a network that learned the property and uses it"),
    (
        {"removed": 0.002},
        None,
        "learned, not used",
        "a property that is in the state and that the output does not need",
    ),
    ({"untrained": 0.96}, None, "not learned", "a property that the untrained network shows as well"),
    ({"control": 0.95}, None, "no answer", "a probe that is right on the control task as well"),
    ({"removed": 0.2, "random": 0.21}, None, "learned, not used", "a state that no loss of directions leaves unharmed"),
    ({}, ("untrained", 0.93), "not learned", "an untrained network that shows the property on one seed of three"),
    ({}, ("removed", 0.004), "learned, not used", "a removal that costs something on all seeds but one"),
    ({"control": 0.95, "untrained": 0.96}, None, "no answer", "a large probe on a state that was never trained"),
)


def _without_control(measure):
    results = {what: [measure(what, seed) for seed in range(3)] for what in ("probe", "untrained", "removed", "random")}
    probe, untrained, removed, random = (np.array(value) for value in results.values())
    if not (probe > untrained + 0.1).all():
        return results, "not learned"
    return results, "used" if (removed > random + 0.01).all() else "learned, not used"


def _without_untrained(measure):
    results = {what: [measure(what, seed) for seed in range(3)] for what in ("probe", "control", "removed", "random")}
    used = (np.array(results["removed"]) > np.array(results["random"]) + 0.01).all()
    return results, "used" if used else "learned, not used"


def _without_random(measure):
    results = {
        what: [measure(what, seed) for seed in range(3)] for what in ("probe", "untrained", "control", "removed")
    }
    return results, "used" if min(results["removed"]) > 0.01 else "learned, not used"


def _random_not_read(measure):
    results, answer = what_it_knows(measure)
    if answer in ("used", "learned, not used"):
        answer = "used" if min(results["removed"]) > 0.01 else "learned, not used"
    return results, answer


def _other_seeds_for_each(measure):
    results = {what: [measure(what, 3 * k + seed) for seed in range(3)] for k, what in enumerate(WHATS)}
    return results, what_it_knows(lambda what, seed: results[what][seed])[1]


def _one_seed(measure):
    results = {what: [measure(what, 0)] for what in WHATS}
    return results, "used"


def _decodable_is_used(measure):
    results, answer = what_it_knows(measure)
    return results, "used" if answer == "learned, not used" else answer


def _control_not_read(measure):
    results, answer = what_it_knows(measure)
    if answer == "no answer":
        learned = min(results["probe"]) > max(results["untrained"]) + 0.1
        answer = "used" if learned else "not learned"
    return results, answer


def _untrained_not_read(measure):
    results, answer = what_it_knows(measure)
    if answer == "not learned":
        answer = "used" if min(results["removed"]) > max(results["random"]) + 0.01 else "learned, not used"
    return results, answer


def _by_the_mean(measure):
    results, _ = what_it_knows(measure)
    probe, untrained, control, removed, random = (np.mean(results[what]) for what in WHATS)
    if not probe > control + 0.1:
        return results, "no answer"
    if not probe > untrained + 0.1:
        return results, "not learned"
    return results, "used" if removed > random + 0.01 else "learned, not used"


def _world(changes, exception):
    """A ``measure`` with a known answer, and the log of what it was asked: {what: {seed: number}}."""
    log, asked = {}, []

    def measure(what, seed):
        if what not in WHATS:
            raise Review(f"`measure(what, seed)` takes {listed(f'`{w!r}`' for w in WHATS)}, and {what!r} came.")
        if not isinstance(seed, Integral) or seed < 0:
            raise Review(f"A seed is a whole number from 0 up, and {seed!r} came.")
        asked.append(seed)
        if len(asked) > MOST_RUNS:
            raise Review(f"Your experiment has asked for more than {MOST_RUNS} runs.")
        runs = log.setdefault(what, {})
        if seed not in runs:
            value = (_GOOD | changes)[what]
            if exception and what == exception[0] and len(runs) == 1:
                value = exception[1]
            runs[seed] = value + 0.0005 * ((3 * len(what) + 5 * int(seed)) % 7)
        return runs[seed]

    return measure, log


def _check_design(attempt):
    for changes, exception, truth, world in _WORLDS:
        measure, log = _world(changes, exception)
        got = attempt(measure)
        if not isinstance(got, tuple | list) or len(got) != 2 or not isinstance(got[0], dict):
            return (
                "Expected: a pair `(results, answer)` whose first part is a dict from what was measured to a list of "
                f"numbers. What came is of type `{type(got).__name__}`."
            )
        results, answer = got
        if says := _about_the_runs(results, log):
            return says
        if answer not in ANSWERS:
            return f"The answer is one of {listed(f'`{a!r}`' for a in ANSWERS)}, and {answer!r} came."
        if answer != truth:
            shown = "; ".join(f"{what} {listed(f'{v:.3g}' for v in results[what])}" for what in WHATS)
            return f"In {world}, your answer is “{answer}”. Measured: {shown}. By the rules the answer is “{truth}”."
    return None


def _about_the_runs(results, log):
    for what, numbers in results.items():
        if what not in log:
            return f"`results` has an entry for {what!r}, but nothing was measured there."
        numbers = np.asarray(numbers, dtype=float).ravel()
        if any(not any(np.isclose(n, run, rtol=0, atol=1e-9) for run in log[what].values()) for n in numbers):
            return f"`results[{what!r}]` holds a number that was not measured. Report what came out, as it came out."
        if len(numbers) < len(log[what]):
            return f"Of {what!r} you measured {len(log[what])} seeds and report {len(numbers)}. Report them all."
        if len(log[what]) < 3:
            return (
                f"Of {what!r} you measured {len(log[what])} seed{'s' * (len(log[what]) > 1)}. Take at least three "
                "different ones."
            )
    missing = [what for what in WHATS if what not in results]
    why = {
        "probe": "Without it nothing is asked.",
        "untrained": "Then nobody knows whether training put the property there.",
        "control": "Then nobody knows whether the probe learned the answers by heart.",
        "removed": "Then nobody knows whether the output needs it.",
        "random": "Then nobody knows whether any other directions would cost as much.",
    }
    if missing:
        return f"Nothing was measured of {missing[0]!r}. {why[missing[0]]}"
    for what in WHATS:
        if sorted(log[what]) != sorted(log["probe"]):
            return (
                f"'probe' was measured with the seeds {listed(sorted(log['probe']))}, {what!r} with "
                f"{listed(sorted(log[what]))}. Take the same seeds for each: only then do two numbers speak of one "
                "network."
            )
    return None


DESIGN = Exercise(
    number="15.4",
    title="Is it there, was it learned, is it used?",
    prompt=r"""
You have a measuring device. `measure(what, seed)` returns one number for one network:

- `"probe"`: how often a probe for the property is right; `"untrained"`: the same on the untrained network;
  `"control"`: the same probe on the control task;
- `"removed"`: what it costs, in nats a symbol, to take the property's directions out of the state; `"random"`: the
  same for as many random directions.

Measure at least three seeds, the same for each, and report all of them. Then judge, in this order, and ask it of
*every* seed:

1. unless the probe is ahead of its control by more than .1, the answer is `"no answer"`;
2. unless it is ahead of the untrained network by more than .1: `"not learned"`;
3. if removing costs more than removing random directions by more than .01 nats: `"used"`, else `"learned, not used"`.

Write the experiment: `what_it_knows(measure)` returns a pair `(results, answer)`. `results` is a dict from `what` to
the list of numbers, one for each seed. The check hands your experiment devices of its own, from worlds in which the
answer is known. Once it passes, you may build a device from `train_on_source`, `probe_accuracy` and
`without_directions` (a network for each seed; the probe and its control on the trained states), and ask about the
quotes and the letter.
""",
    hints=(
        "Five things to measure. Which wrong conclusion does each of them guard against?",
        '`results = {what: [measure(what, seed) for seed in range(3)] for what in ("probe", "untrained", "control", '
        '"removed", "random")}`.',
        'Compare seed by seed, with arrays: `(np.array(results["probe"]) > np.array(results["control"]) + 0.1).all()`.',
    ),
    solution=what_it_knows,
    why="Each control answers one objection: the probe did it itself, the wiring did it before training, any loss of "
    "directions hurts. What the experiment still does not show is that the network has the rule; for that one tests "
    "it on inputs that only the rule gets right.",
    check=_check_design,
    misconceptions=(
        (_one_seed, "you measured 1 seed. Take at least three different ones."),
        (_other_seeds_for_each, "Take the same seeds for each"),
        (_without_control, "whether the probe learned the answers by heart"),
        (_without_untrained, "whether training put the property there"),
        (_without_random, "whether any other directions would cost as much"),
        (_random_not_read, "a state that no loss of directions leaves unharmed"),
        (_decodable_is_used, "the output does not need"),
        (_control_not_read, "right on the control task as well"),
        (_untrained_not_read, "the untrained network shows as well"),
        (_by_the_mean, "shows the property on one seed of three"),
    ),
)


EXERCISES = [FAIR, PLANE, DIFFERENCE, DESIGN]
check, hint, solution = bank(EXERCISES)
