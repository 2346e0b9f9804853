"""Exercises of lesson 05, long memory: a matrix that grows before it fades, clipping, and two changes at once."""

from __future__ import annotations

import inspect

import numpy as np

from course_lib.teaching.exercise import Exercise, bank
from course_lib.teaching.running import NotAttempted, Review, array_of_shape, first_match, function_from, listed

# ---------------------------------------------------------------------------------------------------------------------
# 5.1  a matrix to order
# ---------------------------------------------------------------------------------------------------------------------
MOST_RADIUS, MOST_NORM, LEAST_PEAK = 0.99, 2.0, 20.0


def late_bloomer():
    """A (2, 2) matrix that fades in the end, and grows a long way before it does."""
    return np.array([[0.99, 1.0], [0.0, 0.99]])


def _symmetric():
    return np.array([[0.99, 0.5], [0.5, 0.99]])


def _rotation():
    return 0.99 * np.array([[0.6, 0.8], [-0.8, 0.6]])


def _two_decays():
    return np.diag([0.99, 0.5])


def _symmetric_and_small():
    return np.array([[0.9, 0.05], [0.05, 0.9]])


def _fades_too_fast():
    return np.array([[0.9, 1.0], [0.0, 0.9]])


def _all_at_once():
    return np.array([[0.9, 30.0], [0.0, 0.9]])


def _never_fades():
    return np.array([[1.0, 1.0], [0.0, 1.0]])


def _check_late_bloomer(attempt):
    W = array_of_shape(attempt(), (2, 2), "a matrix, (2, 2)")
    if not np.isfinite(W).all():
        return "Not all entries of your matrix are finite numbers."
    radius, norm = np.abs(np.linalg.eigvals(W)).max(), np.linalg.norm(W, 2)
    if radius > MOST_RADIUS + 1e-6:  # the eigenvalues of such matrices are known to half of the digits
        if radius < 1.0001:
            never = ": at 1 nothing fades" if radius > 0.9999 else ""
            return (
                f"Its largest absolute eigenvalue is {radius:.4f}, and {MOST_RADIUS} is the most that is allowed"
                f"{never}. Turn the eigenvalues down a little."
            )
        return (
            f"Its largest absolute eigenvalue is {radius:.3f}, so it grows for ever; at most {MOST_RADIUS} is "
            f"allowed. Of a triangular matrix you can read the eigenvalues off: they stand on the diagonal, "
            f"whatever stands beside it."
        )
    if norm > MOST_NORM:
        return (
            f"It stretches some vector {norm:.3g} times in a single step; {MOST_NORM:g} times is the most that is "
            f"allowed. The growth should come from many steps, not from one."
        )
    power, peak, at = np.eye(2), 1.0, 0
    for k in range(1, 2001):
        power = power @ W
        if (now := np.linalg.norm(power, 2)) > peak:
            peak, at = now, k
    if peak > LEAST_PEAK:
        return None
    if np.allclose(W @ W.T, W.T @ W):
        return (
            f"After k steps it stretches by {norm:.2f} to the power of k, and by no more: its largest singular "
            f"value and its largest eigenvalue are the same. That is so for symmetric, diagonal and rotation "
            f"matrices, and whenever W Wᵀ = Wᵀ W. You need one that is none of these."
        )
    if peak <= 1:
        return (
            "It shrinks from the first step on. For growth some vector must be stretched by a single step: what "
            "could one direction hand over to the other?"
        )
    return (
        f"The right kind: it grows to {peak:.1f} at step {at}, and then fades. More than {LEAST_PEAK:g} is asked "
        f"for. What is handed over has to be gathered for longer before it is lost: look at the diagonal."
    )


BLOOMER = Exercise(
    number="5.1",
    title="A matrix to order",
    prompt=r"""
Build a matrix that would deceive both of the quick looks in section 2. Of your `(2, 2)` matrix

- no eigenvalue is larger than .99 in size, so that in the end everything fades;
- no vector is stretched more than twofold by a single step: `np.linalg.norm(W, 2)` is at most 2;
- and yet after some number of steps some vector is more than 20 times as long as it was.
""",
    hints=(
        "The matrix of section 2 had equal eigenvalues, and a large number beside the diagonal that handed something "
        "from one direction to the other. Which of its numbers may stay, and which must change?",
        "For W = [[r, c], [0, r]] the k-th power is [[rᵏ, k c rᵏ⁻¹], [0, rᵏ]]. For which k is k rᵏ⁻¹ largest, and how "
        "does that depend on r?",
        "With r = .99 the factor k rᵏ⁻¹ climbs to about 37, at some 100 steps. So c need not be large.",
    ),
    solution=late_bloomer,
    why="Neither the eigenvalues nor the norm of a matrix says how it behaves for the first hundred steps. If that is "
    "what you want to know, multiply and look.",
    check=_check_late_bloomer,
    misconceptions=(
        (_symmetric, "so it grows for ever"),
        (_never_fades, "at 1 nothing fades"),
        (_rotation, "You need one that is none of these"),
        (_two_decays, "You need one that is none of these"),
        (_symmetric_and_small, "You need one that is none of these"),
        (_fades_too_fast, "The right kind"),
        (_all_at_once, "in a single step"),
    ),
)


# ---------------------------------------------------------------------------------------------------------------------
# 5.2  find the line
# ---------------------------------------------------------------------------------------------------------------------
def reach_with_a_bug(recurrent_kernel, states):
    """‖∂h_T/∂h_t‖ for t = T, T-1, ..., 0, an array (T + 1,)."""
    norms, jacobian = [1.0], np.eye(len(recurrent_kernel))
    for h in states[:0:-1]:  # h_T, h_{T-1}, ..., h_1
        one_step = (1 - h**2)[:, None] * recurrent_kernel.T
        jacobian = jacobian @ one_step
        norms.append(np.linalg.norm(jacobian, 2))
    return np.array(norms)


MENDED_REACH = inspect.getsource(reach_with_a_bug)
START = "norms, jacobian = [1.0], np.eye(len(recurrent_kernel))\n"
STEP = "        one_step = (1 - h**2)[:, None] * recurrent_kernel.T\n"
PRODUCT = "        jacobian = jacobian @ one_step\n"
KEPT = "        norms.append(np.linalg.norm(jacobian, 2))\n"
BUGGY_REACH = (
    MENDED_REACH.replace(START, "norms = [1.0]\n")
    .replace(PRODUCT, "")
    .replace(KEPT, "        norms.append(norms[-1] * np.linalg.norm(one_step, 2))\n")
)

_norms_multiplied = function_from(BUGGY_REACH)
_radii_multiplied = function_from(
    BUGGY_REACH.replace("np.linalg.norm(one_step, 2)", "np.abs(np.linalg.eigvals(one_step)).max()")
)
_other_order = function_from(MENDED_REACH.replace(PRODUCT, "        jacobian = one_step @ jacobian\n"))
_entry_by_entry = function_from(MENDED_REACH.replace(PRODUCT, "        jacobian = jacobian * one_step\n"))
_not_turned = function_from(MENDED_REACH.replace("recurrent_kernel.T", "recurrent_kernel"))
_slopes_on_the_columns = function_from(MENDED_REACH.replace("(1 - h**2)[:, None]", "(1 - h**2)"))
_slopes_lost = function_from(MENDED_REACH.replace("(1 - h**2)[:, None] * ", ""))
_radius_of_the_product = function_from(
    MENDED_REACH.replace("np.linalg.norm(jacobian, 2)", "np.abs(np.linalg.eigvals(jacobian)).max()")
)
_all_entries = function_from(MENDED_REACH.replace("np.linalg.norm(jacobian, 2)", "np.linalg.norm(jacobian)"))

WRONG_REACHES = (
    (
        _radii_multiplied,
        "You multiply the spectral radii of the single steps. The steps are different matrices, which "
        "turn differently, so their radii say nothing about the product. Multiply the matrices.",
    ),
    (
        _other_order,
        "You multiply the steps in the wrong order. In rows, blame meets the last step first: "
        "δh_T D_T W_hᵀ D_(T-1) W_hᵀ ..., so each new step goes to the right of what is there.",
    ),
    (_entry_by_entry, "`*` multiplies entry by entry. One step after the other is the matrix product, `@`."),
    (_not_turned, "Going forward the state meets W_h, going back the blame meets its transpose. Yours is not turned."),
    (_slopes_lost, "The slopes are gone: that would be a network without tanh."),
    (
        _slopes_on_the_columns,
        "The slopes stand on the wrong side. In D W_hᵀ each slope multiplies a row of W_hᵀ, and "
        "yours multiplies a column: is the `[:, None]` gone?",
    ),
    (
        _radius_of_the_product,
        "The product is right, but you ask for its largest eigenvalue. How much can it stretch "
        "now, in one use? That is the largest singular value, `np.linalg.norm(..., 2)`.",
    ),
    (
        _all_entries,
        "The product is right, but `np.linalg.norm` without the 2 takes the root of the sum of all squared "
        "entries. At the start it should be 1, the identity stretches nothing.",
    ),
)


def _check_reach(attempt):
    rng = np.random.default_rng(52)
    units, time = 4, 6
    W, states = rng.normal(scale=0.6, size=(units, units)), np.tanh(rng.normal(size=(time + 1, units)))
    late = np.array([[0.9, 5.0], [0.0, 0.9]])
    for args in ((W, states), (late, np.zeros((101, 2)))):
        wanted = reach_with_a_bug(*args)
        got = array_of_shape(attempt(*args), wanted.shape, "the norms for t = T, T-1, ..., 0, an array (T + 1,)")
        if np.allclose(got, wanted, rtol=1e-6):
            continue
        if np.allclose(got, _norms_multiplied(*args)):
            if len(states) == len(args[1]):
                raise NotAttempted(
                    "It still multiplies the norms of the single steps. Try it on the matrix of section 2, "
                    "[[.9, 5], [0, .9]], with 100 states of zeros: it says that blame explodes."
                )
            return "It still multiplies the norms of the single steps."
        if says := first_match(got, args, WRONG_REACHES):
            return says
        if np.allclose(got[::-1], wanted):
            return "The right numbers, the other way round: T first, 0 last."
        off = ~np.isclose(got, wanted, rtol=1e-6)
        steps = "1 step" if off.argmax() == 1 else f"{off.argmax()} steps"
        return (
            f"The first number that is wrong is that for {steps} back: it should be {wanted[off.argmax()]:.4g}, "
            f"and yours is {got[off.argmax()]:.4g}."
        )


REACH = Exercise(
    number="5.2",
    title="A pessimist's ruler",
    prompt=r"""
Somebody has written a ruler for blame: how strongly does $h_T$ still depend on each earlier state? It runs, the first
two numbers are right, and it never says too little. But for the matrix of section 2 it reports an explosion after a
hundred steps, where there is none. Find out what it does at each step, and mend it.

`states` has shape `(T + 1, units)`, with `states[0]` the initial state: one sequence. The answer has shape `(T + 1,)`
and begins with $t = T$, where the norm is 1.
""",
    code_to_mend=BUGGY_REACH,
    hints=(
        "Two steps, each of which can stretch some vector fivefold. Must the two together stretch one by 25? What if "
        "the first one's favourite direction is not the second one's?",
        "The norm of a product is at most the product of the norms. So keep the product itself, a matrix, and take its "
        "norm afresh at each step.",
        "Start with `jacobian = np.eye(len(recurrent_kernel))`; at each step `jacobian = jacobian @ one_step`, and "
        "append `np.linalg.norm(jacobian, 2)`.",
    ),
    solution=reach_with_a_bug,
    why="The product of the norms is a bound, good for proving that blame vanishes, since what is below 1 every time "
    "stays below. It proves no explosion.",
    check=_check_reach,
    misconceptions=WRONG_REACHES,
)


# ---------------------------------------------------------------------------------------------------------------------
# 5.3  how deaf is a switch?
# ---------------------------------------------------------------------------------------------------------------------
def slope_at_rest(w):
    """∂h_t/∂h_{t-1} of h_t = tanh(w h_{t-1}), where it rests after a start at h = 1."""
    h = 1.0
    for _ in range(10_000):
        h = np.tanh(w * h)
    return w * (1 - h**2)


def _the_weight(w):
    return w


def _slope_of_tanh_only(w):
    h = 1.0
    for _ in range(10_000):
        h = np.tanh(w * h)
    return 1 - h**2


def _at_one(w):
    return w * (1 - np.tanh(w) ** 2)


def _neither(w):
    return 1 - np.tanh(w) ** 2


def _not_at_rest(w):
    h = 1.0
    for _ in range(20):
        h = np.tanh(w * h)
    return w * (1 - h**2)


def _slope_before(w):
    h = 1.0
    for _ in range(10_000):
        h = np.tanh(w * h)
    return w * (1 - np.tanh(h) ** 2)


def _without_square(w):
    h = 1.0
    for _ in range(10_000):
        h = np.tanh(w * h)
    return w * (1 - h)


def _perfectly_saturated(w):
    return w * (1 - 1.0**2)


def _the_state(w):
    h = 1.0
    for _ in range(10_000):
        h = np.tanh(w * h)
    return h


WRONG_SLOPES = (
    (
        _the_weight,
        "w is the slope at h = 0. Above 1 the unit does not rest there, but far out, where tanh is flatter. "
        "(Up to 1 it does rest at 0.)",
    ),
    (_slope_of_tanh_only, "That is the slope of tanh alone. From h_{t-1} to h_t stands the weight as well."),
    (
        _at_one,
        "That is the slope after a single step from h = 1. It rests lower: apply h ← tanh(w h) until nothing moves.",
    ),
    (
        _neither,
        "That is the slope of tanh alone, after a single step from h = 1. The weight is missing, and the unit "
        "rests lower: apply h ← tanh(w h) until nothing moves.",
    ),
    (_not_at_rest, "It has not come to rest yet. Near w = 1 that takes long; a few hundred steps more cost nothing."),
    (_slope_before, "You apply tanh once more. At rest h has been through it: its slope is 1 - h²."),
    (_without_square, "The slope of tanh is 1 - h², with the square."),
    (_perfectly_saturated, "At h = 1 exactly, nothing would pass. The unit rests a little below: where h = tanh(w h)."),
    (
        _the_state,
        "That is the state h at which the unit rests. Asked for is the slope there, ∂h_t/∂h_{t-1}: by how much h_t "
        "changes if h_{t-1} changes a little.",
    ),
)


def _check_slope_at_rest(attempt):
    for w in (2.0, 1.2, 3.0, 0.5):
        wanted = slope_at_rest(w)
        got = array_of_shape(attempt(w), (), "the slope, one number")
        if np.isclose(got, wanted, rtol=1e-4, atol=1e-7):
            continue
        if w <= 1:
            return (
                f"For w = {w:g}, as for every w up to 1, the unit fades to the state h = 0. The slope ∂h_t/∂h_{{t-1}} "
                f"there is w, so {w:g}; the slope that you return is {got:.4g}."
            )
        if says := first_match(got, (w,), WRONG_SLOPES):
            return says
        h = 1.0
        for _ in range(10_000):
            h = np.tanh(w * h)
        return (
            f"For w = {w:g} the unit rests at the state h = {h:.4f}; check that tanh({w:g} · {h:.4f}) is {h:.4f} "
            f"again. The slope that you return, {got:.4g}, is not ∂h_t/∂h_{{t-1}} at this state. Two things stand "
            f"between h_{{t-1}} and h_t: the weight and the tanh."
        )


SWITCH = Exercise(
    number="5.3",
    title="How deaf is a switch?",
    prompt=r"""
The switch of lesson 01, $h_t = \tanh(w\,h_{t-1})$, is started at $h = 1$ and left alone. Where it comes to rest, by
what factor does a small change of $h_{t-1}$ show in $h_t$? That is the factor by which blame shrinks at every step
while the bit is held. Write it for any positive $w$; there is no formula for the resting place, but you know a way to
get there. """,
    hints=(
        "Two things stand between h_{t-1} and h_t: a weight, and a tanh. What is the slope of each?",
        "The slope of tanh at a point where its value is h is 1 - h². So you need the h at which the unit rests. Let "
        "it run: a few hundred times h ← tanh(w h), more if w is near 1.",
        "`h = 1.0`, then ten thousand times `h = np.tanh(w * h)`, then `w * (1 - h**2)`.",
    ),
    solution=slope_at_rest,
    why="It is below 1 for every w but 1 itself, and the surer the switch, the smaller. At w = 1 blame would pass "
    "whole, and there the unit holds nothing.",
    check=_check_slope_at_rest,
    misconceptions=WRONG_SLOPES,
)


# ---------------------------------------------------------------------------------------------------------------------
# 5.4  clipping
# ---------------------------------------------------------------------------------------------------------------------
def shorten(grads, limit):
    """The gradients, a list of arrays, made at most `limit` long together, in the same direction."""
    length = np.sqrt(sum((g**2).sum() for g in grads))
    return [g * min(1, limit / length) for g in grads]


def _each_number(grads, limit):
    return [np.clip(g, -limit, limit) for g in grads]


def _each_array(grads, limit):
    return [g * min(1, limit / np.linalg.norm(g)) for g in grads]


def _always(grads, limit):
    length = np.sqrt(sum((g**2).sum() for g in grads))
    return [g * limit / length for g in grads]


def _squared_length(grads, limit):
    length = sum((g**2).sum() for g in grads)
    return [g * min(1, limit / length) for g in grads]


def _sum_of_lengths(grads, limit):
    length = sum(np.linalg.norm(g) for g in grads)
    return [g * min(1, limit / length) for g in grads]


def _always_one(grads, limit):
    length = np.sqrt(sum((g**2).sum() for g in grads))
    return [g / length for g in grads]


def _divided_by_the_limit(grads, limit):
    length = np.sqrt(sum((g**2).sum() for g in grads))
    return [g / limit if length > limit else g for g in grads]


WRONG_CLIPS = (
    (
        _always,
        "You bring every gradient to length `limit`, the short ones too. Near a minimum the gradient is short "
        "because there is little left to do; made longer, it would walk past.",
    ),
    (
        _each_number,
        "You limit each number. That bends the gradient: large entries are cut and small ones are not, so "
        "it points elsewhere. Multiply all of them by one and the same number.",
    ),
    (
        _each_array,
        "You limit each array by its own length. Three arrays of length `limit` are together longer than "
        "`limit`, and the direction has changed if only one of them was cut. Take one length for all.",
    ),
    (_squared_length, "You compare with the sum of the squares. The length is the root of it."),
    (
        _sum_of_lengths,
        "You add the lengths of the arrays. As one long vector they have the length of the root of the "
        "sum of all squares, as with Pythagoras, which is less.",
    ),
    (_always_one, "Yours are always of length 1. They should be of length `limit`, and only if they were longer."),
    (_divided_by_the_limit, "You divide by `limit`. To get from length n to length `limit`, multiply by limit / n."),
)


def _length(arrays):
    return np.sqrt(sum((array**2).sum() for array in arrays))


def _same_arrays(got, grads):
    """The attempt's answer as a list of arrays like the gradients, or a Review."""
    if not isinstance(got, list | tuple) or len(got) != len(grads):
        came = f"a list of {len(got)}" if isinstance(got, list | tuple) else f"of type `{type(got).__name__}`"
        raise Review(f"Expected: a list of {len(grads)} arrays, one for each that came. What came is {came}.")
    return [
        array_of_shape(array, g.shape, f"array {i} of the gradients")
        for i, (array, g) in enumerate(zip(got, grads, strict=True))
    ]


def _check_shorten(attempt):
    rng = np.random.default_rng(54)
    long, even = [rng.normal(size=(4, 3)), 0.01 * rng.normal(size=3), rng.normal(size=(3, 3))], [np.ones(4), np.ones(4)]
    for grads, limit in ((long, 2.0), (even, 2.0), (even, 5.0), ([0.1 * g for g in long], 2.0)):
        wanted = shorten(grads, limit)
        given = [g.copy() for g in grads]  # some shorten in place
        got = _same_arrays(attempt(given, limit), grads)
        if all(map(np.allclose, got, wanted)):
            continue
        if says := first_match(got, (grads, limit), WRONG_CLIPS):
            return says
        return (
            f"The gradients had length {_length(grads):.3f}, the limit was {limit:g}, and yours have length "
            f"{_length(got):.3f}; {_length(wanted):.3f} was wanted, in the same direction."
        )


CLIP = Exercise(
    number="5.4",
    title="Shorter, but not bent",
    prompt=r"""
Write the clipping that the network of section 4 was trained with. `grads` is a list of arrays of various shapes, one
for each weight matrix and bias. Think of all their numbers as one long vector. If it is longer than `limit`, make it
exactly that long, without changing its direction; otherwise leave it alone. Return a list of arrays of the same shapes.
""",
    hints=(
        "A vector keeps its direction if all its numbers are multiplied by the same number. By which, here?",
        "The length of all arrays taken as one vector is the root of the sum of all their squares: "
        "`np.sqrt(sum((g**2).sum() for g in grads))`.",
        "Multiply every array by `limit / length` if that is below 1, and by 1 otherwise.",
    ),
    solution=shorten,
    why="Keras, PyTorch and the course call it clipping by the global norm. One length for all arrays is what keeps "
    "the direction; limiting each number is a different method, and bends it.",
    check=_check_shorten,
    misconceptions=WRONG_CLIPS,
)


# ---------------------------------------------------------------------------------------------------------------------
# 5.5  two changes at once
# ---------------------------------------------------------------------------------------------------------------------
UNITS, STARTS = ("tanh", "relu"), ("orthogonal", "identity")
GOAL, SEEDS_NEEDED, MOST_RUNS = 0.01, 3, 400
ANSWERS = {(True, False): "unit", (False, True): "start", (False, False): "both", (True, True): "either"}


def which_change(measure):
    """(all errors by (unit, start), and "unit", "start", "both" or "either")."""
    results = {
        (unit, start): [measure(unit, start, seed) for seed in range(5)]
        for unit in ("tanh", "relu")
        for start in ("orthogonal", "identity")
    }
    learned = {cell: sum(error < 0.01 for error in errors) > 2 for cell, errors in results.items()}
    alone = learned["relu", "orthogonal"], learned["tanh", "identity"]
    names = {(True, False): "unit", (False, True): "start", (True, True): "either", (False, False): "both"}
    return results, names[alone]


def _measured(measure, cells, seeds):
    return {cell: [measure(*cell, seed) for seed in seeds] for cell in cells}


def _all_cells():
    return [(unit, start) for unit in UNITS for start in STARTS]


def _learned(errors):
    return sum(error < GOAL for error in errors) > len(errors) / 2


def _old_against_new(measure):
    return _measured(measure, [("tanh", "orthogonal"), ("relu", "identity")], range(5)), "both"


def _one_change_only(measure):
    results = _measured(measure, [("tanh", "orthogonal"), ("relu", "orthogonal"), ("relu", "identity")], range(5))
    return results, "unit" if _learned(results["relu", "orthogonal"]) else "start"


def _one_seed(measure):
    results = _measured(measure, _all_cells(), [0])
    return results, ANSWERS[results["relu", "orthogonal"][0] < GOAL, results["tanh", "identity"][0] < GOAL]


def _same_seed_again(measure):
    results = _measured(measure, _all_cells(), [0, 0, 0])
    return results, ANSWERS[_learned(results["relu", "orthogonal"]), _learned(results["tanh", "identity"])]


def _by_the_mean(measure):
    results = _measured(measure, _all_cells(), range(5))
    alone = np.mean(results["relu", "orthogonal"]) < GOAL, np.mean(results["tanh", "identity"]) < GOAL
    return results, ANSWERS[bool(alone[0]), bool(alone[1])]


def _by_the_best(measure):
    results = _measured(measure, _all_cells(), range(5))
    return results, ANSWERS[min(results["relu", "orthogonal"]) < GOAL, min(results["tanh", "identity"]) < GOAL]


def _first_that_works(measure):
    results = _measured(measure, _all_cells(), range(5))
    if _learned(results["relu", "orthogonal"]):
        return results, "unit"
    return results, "start" if _learned(results["tanh", "identity"]) else "both"


def _believes_the_name(measure):
    return _measured(measure, _all_cells(), range(5)), "start"


def _world(learns, lucky, unlucky):
    """A laboratory: which cells learn; in seed 0 one that does not learns all the same, one that does diverges."""
    log = {}

    def measure(unit, start, seed):
        if unit not in UNITS or start not in STARTS:
            raise Review(
                '`measure` takes a unit, "tanh" or "relu", a start, "orthogonal" or "identity", and a seed, '
                "in this order."
            )
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
            raise Review("The seed is a whole number of at least 0.")
        if len(log) >= MOST_RUNS:
            raise Review(
                f"More than {MOST_RUNS} runs. A real one takes a minute; a handful of seeds for each "
                f"combination is what one can afford."
            )
        rng = np.random.default_rng([55, UNITS.index(unit), STARTS.index(start), int(seed)])
        error = rng.uniform(0.002, 0.008) if (unit, start) in learns else rng.uniform(0.13, 0.17)
        if seed == 0 and (unit, start) == lucky:
            error = 0.006
        if seed == 0 and (unit, start) == unlucky:
            error = float("nan")
        return log.setdefault((unit, start, int(seed)), float(error))

    measure.log = log
    return measure


TO, TI, RO, RI = _all_cells()
WORLDS = (  # (cells that learn, lucky at seed 0, diverges at seed 0, the answer)
    ({RO, RI}, TI, RO, "unit"),
    ({TI, RI}, RO, TI, "start"),
    ({RI}, RO, RI, "both"),
    ({RO, TI, RI}, TO, RO, "either"),
)
MEANS = {
    "unit": "relu units learn with either start, and tanh units with neither",
    "start": "the identity start learns with either unit, and the orthogonal start with neither",
    "both": "only relu units from the identity learn: neither change does it alone",
    "either": "each of the two changes does it alone",
}


def _check_which_change(attempt):
    for learns, lucky, unlucky, truth in WORLDS:
        measure = _world(learns, lucky, unlucky)
        returned = attempt(measure)
        if not isinstance(returned, tuple) or len(returned) != 2 or not isinstance(returned[0], dict):
            return (
                "Expected: a pair, the dictionary of all errors by (unit, start) and the answer. What came is of "
                f"type `{type(returned).__name__}`."
            )
        results, answer = returned
        if says := _about_the_runs(results, measure.log):
            return says
        if not isinstance(answer, str) or answer not in MEANS:
            return (
                f"The answer should be one of {listed(MEANS)}; what came is "
                f"{answer if isinstance(answer, str) else f'of type `{type(answer).__name__}`'}."
            )
        if answer != truth:
            return (
                f'In one of the check\'s laboratories {MEANS[truth]}, so the answer is "{truth}"; yours is '
                f'"{answer}". {_advice(results, learns)}'
            )


def _advice(results, learns):
    odd = [cell for cell, errors in results.items() if _learned(errors) != (cell in learns)]
    if odd:
        return "Your seeds did not show it."
    return (
        "Your runs show it: count for each combination how many seeds got below .01. One run in five may be lucky, "
        "one may diverge, and then it is NaN and spoils every mean. And look at both combinations in which only "
        "one thing was changed."
    )


def _about_the_runs(results, log):
    """What a referee would say about the experiment, whatever its answer."""
    for cell in _all_cells():
        errors = results.get(cell)
        if errors is None or not isinstance(errors, list | tuple | np.ndarray) or not len(errors):
            return (
                f"Nothing is reported for {cell}. Between the old network and the new one two things were changed "
                f"at once; whichever did it, the two combinations in which only one was changed will tell, and the "
                f"other two show that there is something to explain. The dictionary needs all four pairs, "
                f"(unit, start)."
            )
        runs = {seed: value for (unit, start, seed), value in log.items() if (unit, start) == cell}
        try:
            reported = sorted(float(error) for error in errors if not np.isnan(error))
        except (TypeError, ValueError):
            return f"What is reported for {cell} is not a list of errors, as `measure` returned them."
        if not set(reported) <= set(runs.values()):
            return f"An error reported for {cell} was not measured."
        if len(runs) < SEEDS_NEEDED or len(set(reported)) < min(SEEDS_NEEDED, len(runs)) - 1:
            return (
                f"For {cell} {len(runs)} seed{' was' if len(runs) == 1 else 's were'} run. One start may be lucky "
                f"and another unlucky: take at least {SEEDS_NEEDED} different seeds for each combination."
            )
        if len(errors) < len(runs):
            return f"For {cell} {len(runs)} runs were made, {len(errors)} are reported. Leaving out runs is not done."


CHANGES = Exercise(
    number="5.5",
    title="Two changes at once",
    prompt=r"""
A new network learns what the old one did not. It differs in two ways: the unit is `"relu"` and not `"tanh"`, and it
starts at the `"identity"` and not `"orthogonal"`. Its inventors named it after one of the two. Which one did it?

You get a laboratory: `measure(unit, start, seed)` trains one network and returns its error, NaN if it diverged. A
network has learned if its error is below .01; a combination learns if most of its seeds do. Design the experiment.
Return all errors that you measured, `{(unit, start): [error, ...]}`, and your answer: `"unit"` if that change alone
does it and the other alone does not, `"start"` for the reverse, `"both"` if it takes the two together, `"either"` if
each alone is enough. The check has four laboratories, in which different things are true.
""",
    hints=(
        "Old against new tells that something did it. Which two networks that nobody has trained yet would tell what?",
        "Train all four combinations, each with several seeds. A combination has learned if most of its seeds have: "
        "count them, because a mean is spoiled by one NaN.",
        'Let a be whether `("relu", "orthogonal")` learns, and b whether `("tanh", "identity")` does. Then a '
        'alone is "unit", b alone is "start", a and b "either", none of the two "both".',
    ),
    solution=which_change,
    why="A network that is better in two ways at once proves nothing about either. The two missing combinations cost "
    "an hour and decide the matter; you have seen in section 5 which way they decided there.",
    check=_check_which_change,
    misconceptions=(
        (_old_against_new, "two things were changed at once"),
        (_one_change_only, "two things were changed at once"),
        (_one_seed, "at least 3 different seeds"),
        (_same_seed_again, "at least 3 different seeds"),
        (_by_the_mean, "spoils every mean"),
        (_by_the_best, "One run in five may be lucky"),
        (_first_that_works, "look at both combinations"),
        (_believes_the_name, "count for each combination"),
    ),
)


EXERCISES = [BLOOMER, REACH, SWITCH, CLIP, CHANGES]
check, hint, solution = bank(EXERCISES)
