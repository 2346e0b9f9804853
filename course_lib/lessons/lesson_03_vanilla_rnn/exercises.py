"""Exercises of lesson 03, the vanilla RNN: weights by hand, a state that nobody reads, and how to look for a memory."""

from __future__ import annotations

import inspect
from numbers import Integral

import numpy as np

from course_lib.recurrent import RNN
from course_lib.teaching.exercise import Exercise, bank
from course_lib.teaching.running import NotAttempted, Review, array_of_shape, first_match, function_from

# ---------------------------------------------------------------------------------------------------------------------
# 3.1  one unit by hand
# ---------------------------------------------------------------------------------------------------------------------
RINGS = 0.5
SHAKE = 0.1
WAIT, STEPS = 60, 500


def alarm():
    """The three numbers (w_x, w_h, b) of a unit that rings from the first 1 on, for ever."""
    return 12, 6, -3


def _no_hold():
    return 12, 0.5, -3


def _just_one():
    return 4, 1, 0


def _no_bias():
    return 6, 6, 0


def _weak_input():
    return 4, 6, -3


def _bias_up():
    return 12, 6, 3


def _bias_too_low():
    return 20, 6, -8


def _inverted(w_x=5, w_h=-3, b=0):
    return w_x, w_h, b


def _too_weak_a_push():
    return 10, 6, -3


def _too_near_the_edge():
    return 8, 4, -2


def _shaken(w_x, w_h, b, bits, shake):
    """The states of the unit while it reads bits, its state disturbed before each use, always in the same way."""
    h, states = 0.0, []
    for bit in bits:
        h = float(np.tanh(w_x * bit + w_h * (h + shake) + b))
        states.append(h)
    return np.array(states)


def _resting_places(w_h, b):
    """Where tanh(w_h h + b) = h, in order: one place, or a lower one, the tipping point, and an upper one."""
    h = np.linspace(-1, 1, 20_002)
    pull = np.tanh(w_h * h + b) - h
    return h[:-1][pull[:-1] * pull[1:] <= 0].tolist()


def _why_it_fell(w_h, b, rung):
    """Why a state that rang, at h = rung, does not hold itself."""
    if w_h <= 1:
        return (
            "With w_h of at most 1 a state cannot hold itself, because tanh(w_h h) is smaller than h: remember the "
            "switch of lesson 01."
        )
    places = _resting_places(w_h, b)
    if len(places) < 3:
        return (
            f"While x = 0 it gets w_h · h + b, which from h = 1 is {w_h + b:g}. That has to be well above 0, also "
            f"after a disturbance of {SHAKE}."
        )
    low, tipping, high = places
    says = (
        f"While x = 0 yours has two resting places, {low:.2f} and {high:.2f}, and a tipping point between them, "
        f"{tipping:.2f}: from above it the state goes up, from below it goes down. "
    )
    if rung < high - SHAKE:
        return says + (
            f"The 1 lifted it to {rung:.2f}, and disturbances of {SHAKE} did the rest. Push harder: w_x has "
            f"to land it at the upper place at once."
        )
    return says + (
        f"Disturbances of {SHAKE}, a few in a row, take it from {high:.2f} across {tipping:.2f}. Move the "
        f"two further apart, with a larger w_h."
    )


def _check_alarm(attempt):
    w_x, w_h, b = array_of_shape(attempt(), (3,), "the three numbers (w_x, w_h, b)").tolist()
    if not np.isfinite([w_x, w_h, b]).all():
        return "One of the three numbers is not finite."
    if w_h < 0:
        return (
            "Your w_h is negative, so a state works against itself: the higher h is, the lower it is pushed in the "
            "next step. A state that is to hold itself has to push itself the way it already leans."
        )
    # w_h is not negative, so a higher state makes all later ones higher: the worst that disturbances can do is to push
    # up all the time while the unit should be silent, and down, from the first step, if it is to ring later.
    quiet = _shaken(w_x, w_h, b, np.zeros(STEPS), SHAKE)
    if (quiet >= RINGS).any():
        step = int((quiet >= RINGS).argmax()) + 1
        if b > 0:
            return (
                f"It rings at step {step} although no 1 has come. From h = 0 and with x = 0, all that the unit "
                f"gets is b, and yours pushes up. It should rest below 0 until it is called."
            )
        return (
            f"It rings at step {step} although no 1 has come: the disturbances alone set it off. At a "
            f"self-connection of 1 nothing pulls the unit back to 0, and above 1 even a small difference from "
            f"0 grows. What could hold it down, below 0, until a 1 comes?"
        )
    bits = np.zeros(WAIT + STEPS)
    bits[WAIT] = 1
    states = _shaken(w_x, w_h, b, bits, -SHAKE)
    if not states[WAIT] > RINGS:
        before = f"{states[WAIT - 1]:.2f}"
        return (
            f"After {WAIT} zeros a 1 comes, and the unit does not ring: h is {states[WAIT]:.2f}. Before it, h was "
            f"{before}, so w_x has to overcome w_h · ({before}) + b, and the disturbance."
        )
    rings = states[WAIT:] > RINGS
    if not rings.all():
        held = int((~rings).argmax())
        return f"It rings at the 1 and falls silent {held} step{'s' if held > 1 else ''} later. " + _why_it_fell(
            w_h, b, states[WAIT]
        )


ALARM = Exercise(
    number="3.1",
    title="An alarm that stays on",
    prompt=r"""
One unit, set by hand: $h_t = \tanh(w_x x_t + w_h h_{t-1} + b)$, starting from $h_0 = 0$. It reads zeros and ones. As
long as no 1 has come it must stay silent, $h_t < .5$. From the first 1 on it must ring, $h_t > .5$, for ever, whatever
comes after.

It is a real unit in a noisy world: before each step its state may be disturbed by up to ±.1. The check does so as
unkindly as it can, for 500 steps: upwards to make it ring too soon, downwards to make it fall silent. Return your three
numbers.
""",
    hints=(
        "The unit needs two places of rest, one near -1 and one near +1, and a 1 has to push it from the lower to the "
        "upper. Which of the three numbers makes a state hold itself?",
        "With x = 0: near +1 it gets about w_h + b, which has to be clearly positive. Near -1 it gets -w_h + b. And at "
        "the start, from 0, it gets b alone, which has to push down.",
        "Try w_h = 6 and b = -3: at rest the unit gets about -9, while ringing about +3. How large must w_x be to lift "
        "it from -9 to well above 0?",
    ),
    solution=alarm,
    why="One bit, held against noise, for ever: w_h makes the two resting places, b says which of them is the start, "
    "and w_x is strong enough to throw the switch. Each is there for a reason, the bias too.",
    check=_check_alarm,
    misconceptions=(
        (_no_hold, "a state cannot hold itself"),
        (_just_one, "nothing pulls the unit back"),
        (_no_bias, "What could hold it down"),
        (_weak_input, "w_x has to overcome"),
        (_bias_up, "yours pushes up"),
        (_bias_too_low, "from h = 1 is -2"),
        (_inverted, "works against itself"),
        (_too_weak_a_push, "w_x has to overcome"),
        (_too_near_the_edge, "a few in a row"),
    ),
)


# ---------------------------------------------------------------------------------------------------------------------
# 3.2  find the line
# ---------------------------------------------------------------------------------------------------------------------
def forward_with_a_bug(rnn, inputs, hidden_state=None):
    """One step: the new state and the output. Without hidden_state, on from the last step."""
    if hidden_state is None:
        hidden_state = rnn.hidden_state
    a = inputs @ rnn.kernel + hidden_state @ rnn.recurrent_kernel + rnn.bias
    rnn.hidden_state = np.tanh(a)
    return rnn.hidden_state, rnn.hidden_state @ rnn.output_kernel + rnn.output_bias


MENDED = inspect.getsource(forward_with_a_bug)
READ = "        hidden_state = rnn.hidden_state\n"
KEEP = "    rnn.hidden_state = np.tanh(a)\n"
RETURN = "    return rnn.hidden_state, rnn.hidden_state @ rnn.output_kernel + rnn.output_bias\n"
BUGGY = MENDED.replace(READ, "        hidden_state = np.zeros((len(inputs), rnn.hidden_dim))\n")

_untouched = function_from(BUGGY)
_never_kept = function_from(
    MENDED.replace(KEEP, "    h = np.tanh(a)\n").replace(
        RETURN, "    return h, h @ rnn.output_kernel + rnn.output_bias\n"
    )
)
_deaf_to_the_argument = function_from(MENDED.replace("    if hidden_state is None:\n    ", ""))
_output_first = function_from(
    MENDED.replace(RETURN, "    return rnn.hidden_state @ rnn.output_kernel + rnn.output_bias, rnn.hidden_state\n")
)
_keeps_the_old_state = function_from(
    MENDED.replace(KEEP, "    h = np.tanh(a)\n    rnn.hidden_state = hidden_state\n").replace(
        RETURN, "    return h, h @ rnn.output_kernel + rnn.output_bias\n"
    )
)
_keeps_the_sum = function_from(
    MENDED.replace(KEEP, "    h, rnn.hidden_state = np.tanh(a), a\n").replace(
        RETURN, "    return h, h @ rnn.output_kernel + rnn.output_bias\n"
    )
)


def _in_place(rnn, inputs, hidden_state=None):
    before = rnn.hidden_state if hidden_state is None else hidden_state
    rnn.hidden_state[:] = np.tanh(inputs @ rnn.kernel + before @ rnn.recurrent_kernel + rnn.bias)
    return rnn.hidden_state, rnn.hidden_state @ rnn.output_kernel + rnn.output_bias


_transposed = function_from(MENDED.replace("rnn.recurrent_kernel", "rnn.recurrent_kernel.T"))
_asks_or = function_from(
    MENDED.replace(
        "    if hidden_state is None:\n        hidden_state = rnn.hidden_state\n",
        "    hidden_state = hidden_state or rnn.hidden_state\n",
    )
)


class _Watched(RNN):
    """A network that the attempt gets itself and not as a copy, so that the check sees what became of its state."""

    def __deepcopy__(self, memo):
        return self


def _fresh():
    rng = np.random.default_rng(32)
    rnn = _Watched(3, 4, 2, rng=rng)
    for weight in rnn.weights:
        weight += rng.normal(scale=0.5, size=weight.shape)
    rnn.reset_state(2)
    return rnn, rng.normal(size=(3, 2, 3)), rng.normal(scale=0.5, size=(2, 4))


def _state_and_output(returned):
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        raise Review(
            f"Expected: a pair, the new hidden state and the output. What came is of type "
            f"`{type(returned).__name__}`"
            + (f" and has {len(returned)} parts." if isinstance(returned, tuple | list) else ".")
        )
    if [getattr(part, "shape", None) for part in returned] == [(2, 2), (2, 4)]:
        raise Review(
            "The two come in the wrong order: first the hidden state, (batch, hidden_dim), then the output, "
            "(batch, output_dim)."
        )
    return (
        array_of_shape(returned[0], (2, 4), "the new hidden state, (batch, hidden_dim)"),
        array_of_shape(returned[1], (2, 2), "the output, (batch, output_dim)"),
    )


def _check_forward(attempt):
    rnn, (x1, x2, x3), given = _fresh()
    right = _fresh()[0]
    kept = []  # the arrays themselves, as whoever collects the states keeps them, each with a copy
    for name, step in (("a first step, after reset_state", [x1]), ("a step with a state that is given", [x2, given])):
        before = right.hidden_state
        wanted = forward_with_a_bug(right, *step)
        try:
            returned = attempt(rnn, *step)
        except Review as review:
            if "truth value" not in review.args[0]:
                raise
            raise Review(
                *review.args[:2],
                "Whether an array is true is no question for a whole array. Whether there "
                "is one at all is: `hidden_state is None`.",
            ) from None
        got = _state_and_output(returned)
        kept.append((returned[0], got[0]))
        if not np.allclose(got[0], wanted[0]):
            if len(step) == 2 and np.allclose(
                got[0], np.tanh(x2 @ rnn.kernel + before @ rnn.recurrent_kernel + rnn.bias)
            ):
                return "When a hidden state is passed in, that one should be used. Yours goes on from its own."
            if len(step) == 2 and np.allclose(
                got[0], np.tanh(x2 @ rnn.kernel + given @ rnn.recurrent_kernel.T + rnn.bias)
            ):
                return "Yours multiplies the state by W_h transposed. Rows are examples: `hidden_state @ W_h`."
            return f"The state after {name} is wrong: it should be tanh of x W_x + h W_h + b, with that h."
        if not np.allclose(got[1], wanted[1]):
            return f"The state after {name} is right, the output is not: it should be h W_y + b_y, with the new h."
    wanted = forward_with_a_bug(right, x3)
    got = _state_and_output(attempt(rnn, x3))
    if np.allclose(got[0], wanted[0]) and np.allclose(got[1], wanted[1]):
        if not all(np.array_equal(array, copy) for array, copy in kept):
            return (
                "Each step is right, but it writes over the array of the step before. Whoever collects the states, "
                "as `unroll` does, ends up with the last one many times over. Make a new array at each step."
            )
        rnn.reset_state(2)
        again = _state_and_output(attempt(rnn, x1))
        right.reset_state(2)
        if np.allclose(again[0], forward_with_a_bug(right, x1)[0]):
            return None
        return "After `reset_state` the network should start from h = 0, and yours does not."
    if np.allclose(got[0], _untouched(right, x3)[0]) and np.allclose(rnn.hidden_state, got[0]):
        raise NotAttempted("It still does what it did.")
    stays = np.asarray(rnn.hidden_state)
    if stays.shape != (2, 4) or not np.allclose(stays, got[0]):
        return (
            "The new state is computed and returned, but it is not what stays in `rnn.hidden_state` after the "
            "step, and the next step starts from there."
        )
    return "After two steps the third goes wrong. From which state does it start, and which one did the second leave?"


BUG = Exercise(
    number="3.2",
    title="The memory of a sieve",
    prompt=r"""
Somebody has written a `forward` of their own, and a friend complains: "It forgets everything, and `reset_state` makes
no difference." It runs, its shapes are right, and its first output is right too.

Find out why, and mend it. `rnn` is a network with the attributes you know (`kernel`, `recurrent_kernel`, `bias`,
`output_kernel`, `output_bias`, `hidden_state`); `inputs` has shape `(batch, input_dim)`. A `hidden_state` that is
passed in is used; without one the network goes on from its last step.
""",
    code_to_mend=BUGGY,
    hints=(
        "Call it twice with the same input and no state. What would you expect of the two outputs, and what would the "
        "friend see?",
        "`reset_state` writes zeros into `rnn.hidden_state`. Which line reads that attribute?",
        "When no state is passed in, the step should start from `rnn.hidden_state`, not from zeros.",
    ),
    solution=forward_with_a_bug,
    why="State that is written and never read is not a memory. The cheapest test of any recurrent code: the same input "
    "twice in a row must not give the same output, and after a reset it must.",
    check=_check_forward,
    misconceptions=(
        (_never_kept, "not what stays in `rnn.hidden_state`"),
        (_keeps_the_old_state, "not what stays in `rnn.hidden_state`"),
        (_keeps_the_sum, "not what stays in `rnn.hidden_state`"),
        (_deaf_to_the_argument, "that one should be used"),
        (_output_first, "in the wrong order"),
        (_in_place, "writes over the array"),
        (_transposed, "W_h transposed"),
        (_asks_or, "`hidden_state is None`"),
    ),
)


# ---------------------------------------------------------------------------------------------------------------------
# 3.3  the cure
# ---------------------------------------------------------------------------------------------------------------------
def with_radius(recurrent_kernel, radius):
    """The same matrix times one number, so that its spectral radius is `radius`."""
    return radius * recurrent_kernel / np.abs(np.linalg.eigvals(recurrent_kernel)).max()


def _by_the_norm(recurrent_kernel, radius):
    return radius * recurrent_kernel / np.linalg.norm(recurrent_kernel, 2)


def _by_the_frobenius_norm(recurrent_kernel, radius):
    return radius * recurrent_kernel / np.linalg.norm(recurrent_kernel)


def _by_the_largest_entry(recurrent_kernel, radius):
    return radius * recurrent_kernel / np.abs(recurrent_kernel).max()


def _by_the_real_part(recurrent_kernel, radius):
    return radius * recurrent_kernel / np.linalg.eigvals(recurrent_kernel).real.max()


def _by_the_square_root(recurrent_kernel, radius):
    return radius * recurrent_kernel / np.sqrt(len(recurrent_kernel))


def _times_the_radius(recurrent_kernel, radius):
    return radius * recurrent_kernel


def _by_the_complex_maximum(recurrent_kernel, radius):
    return radius * recurrent_kernel / np.linalg.eigvals(recurrent_kernel).max()


def _abs_after_max(recurrent_kernel, radius):
    return radius * recurrent_kernel / np.abs(np.linalg.eigvals(recurrent_kernel).max())


def _by_the_absolute_real_part(recurrent_kernel, radius):
    return radius * recurrent_kernel / np.abs(np.linalg.eigvals(recurrent_kernel).real).max()


def _as_if_symmetric(recurrent_kernel, radius):
    return radius * recurrent_kernel / np.abs(np.linalg.eigvalsh(recurrent_kernel)).max()


def _with_a_minus(recurrent_kernel, radius):
    return -with_radius(recurrent_kernel, radius)


def _transposed_too(recurrent_kernel, radius):
    return with_radius(recurrent_kernel, radius).T


WRONG_SCALES = (
    (
        _by_the_norm,
        "You divide by the largest singular value, `np.linalg.norm(W, 2)`: by how much the matrix can "
        "stretch a vector once. The spectral radius is about many times, and is asked of the eigenvalues.",
    ),
    (
        _by_the_frobenius_norm,
        "You divide by the root of the sum of all squared entries. The spectral radius is the "
        "largest absolute eigenvalue, which is much smaller.",
    ),
    (_by_the_largest_entry, "You divide by the largest entry. Many small entries act together: ask the eigenvalues."),
    (
        _by_the_real_part,
        "You take the real part of the eigenvalues. Most are complex, a turn and a stretch in one, and "
        "the stretch is their absolute value, `np.abs`.",
    ),
    (
        _abs_after_max,
        "You take the maximum first and `np.abs` of it. The maximum of complex numbers goes by their real "
        "parts; take `np.abs` of all of them, and then the maximum.",
    ),
    (
        _by_the_absolute_real_part,
        "You take the absolute value of the real part only. An eigenvalue a + bi stretches by "
        "√(a² + b²), which is `np.abs` of the complex number itself.",
    ),
    (
        _as_if_symmetric,
        "`eigvalsh` is for symmetric matrices: it looks at one half of yours and makes up the other. A "
        "recurrent matrix is not symmetric; take `np.linalg.eigvals`.",
    ),
    (_with_a_minus, "The radius is right, but all signs are turned. Multiply by one positive number."),
    (_transposed_too, "The radius is right, but rows and columns have changed places: yours is the transpose."),
    (
        _by_the_square_root,
        "You divide by √units, which is right for N(0, 1) entries, on average, and for no other "
        "matrix. Measure this one's radius.",
    ),
    (_times_the_radius, "That multiplies the radius it had by `radius`. Divide by the radius it had as well."),
)


def _check_with_radius(attempt):
    rng = np.random.default_rng(33)
    for units, radius in [(20, 0.9), (7, 1.5)]:
        kernel = rng.standard_normal((units, units))
        kernel[:2, :2] += [[0, -8], [8, 0]]  # the largest eigenvalues are a complex pair
        args = kernel, radius
        returned = attempt(*args)
        if isinstance(returned, np.ndarray) and returned.dtype.kind == "c":
            return (
                "Your matrix is complex, because most eigenvalues are, and the largest of complex numbers is no "
                "size. Take `np.abs` of the eigenvalues first, and then the maximum."
            )
        got = array_of_shape(returned, kernel.shape, "a matrix of the shape of the first, (units, units)")
        if np.allclose(got, with_radius(*args)):
            continue
        if says := first_match(got, args, WRONG_SCALES):
            return says
        if not np.isfinite(got).all():
            return "Not all entries of your matrix are finite numbers."
        ratio = got / kernel
        if not np.allclose(ratio, ratio[0, 0]):
            return "The matrix should be multiplied by one number. Yours is changed entry by entry."
        found = np.abs(np.linalg.eigvals(got)).max()
        return (
            f"Your matrix has spectral radius {found:.3f}; {radius:g} was asked for. The radius that a matrix has "
            f"is the largest `np.abs` of its `np.linalg.eigvals`; by what do you have to multiply?"
        )


RADIUS = Exercise(
    number="3.3",
    title="Turn it down",
    prompt=r"""
Somebody hands you a recurrent matrix that is too loud. Keep its pattern and change only its volume: multiply it by the
one number that gives it the spectral radius `radius`, that is, the largest absolute eigenvalue.

`recurrent_kernel` has shape `(units, units)`, and so has your answer.
""",
    hints=(
        "If you multiply a matrix by c, what happens to its eigenvalues?",
        "They are multiplied by c too. So measure the radius it has, and choose c.",
        "`np.linalg.eigvals` gives the eigenvalues, most of them complex. Their size is `np.abs`, and the radius is "
        "the largest size.",
    ),
    solution=with_radius,
    why="One line, and the difference between a network that remembers and one that scrambles. Echo state networks, "
    "whose recurrent weights are never trained, are set up with it.",
    check=_check_with_radius,
    misconceptions=(*WRONG_SCALES, (_by_the_complex_maximum, "`np.abs` of the eigenvalues first")),
)


# ---------------------------------------------------------------------------------------------------------------------
# 3.4  many to one, with padding
# ---------------------------------------------------------------------------------------------------------------------
def last_real(outputs, mask):
    """The output at each row's last real step, (batch, features)."""
    return outputs[np.arange(len(outputs)), mask.sum(axis=1) - 1]


def _last_of_all(outputs, mask):
    return outputs[:, -1]


def _shortest(outputs, mask):
    return outputs[:, mask.sum(axis=1).min() - 1]


def _second_to_last(outputs, mask):
    return outputs[np.arange(len(outputs)), mask.sum(axis=1) - 2]


def _mean_over_real(outputs, mask):
    return (outputs * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)


def _masked_then_last(outputs, mask):
    return (outputs * mask[..., None])[:, -1]


def _first_step(outputs, mask):
    return outputs[np.arange(len(outputs)), mask.argmax(axis=1)]


def _colon_for_rows(outputs, mask):
    return outputs[:, mask.sum(axis=1) - 1]


def _one_too_far(outputs, mask):
    return outputs[np.arange(len(outputs)), mask.sum(axis=1)]


def _by_a_fraction(outputs, mask):
    return outputs[np.arange(len(outputs)), mask.mean(axis=1) * mask.shape[1] - 1]


WRONG_LASTS = (
    (
        _last_of_all,
        "That is the last step of the array. A short row had ended before, and its network went on over the "
        "filling: what it says there is about zeros that nobody wrote.",
    ),
    (
        _masked_then_last,
        "Multiplying by the mask sets the filling to 0, and then you read the filling: short rows get "
        "zeros. Look up each row's own last real step.",
    ),
    (_shortest, "You read every row where the shortest ends. Each row has an end of its own."),
    (_second_to_last, "One step early. A row with n real steps has its last one at index n - 1."),
    (
        _mean_over_real,
        "That is the mean over all real steps. Asked for is the output at the last of them, when the "
        "network has read everything.",
    ),
    (
        _first_step,
        "`mask.argmax` finds the first True, so this is the first step. The number of True in a row tells "
        "where the last is.",
    ),
)


def _check_last_real(attempt):
    rng = np.random.default_rng(34)
    for lengths, time in [((7, 2, 4, 5, 3), 7), ((1, 6), 6)]:
        mask = np.arange(time) < np.array(lengths)[:, None]
        args = rng.normal(size=(*mask.shape, 3)), mask
        wanted = last_real(*args)
        try:
            returned = attempt(*args)
        except Review as review:
            if "out of bounds" in review.args[0]:
                says = (
                    "A row with n real steps has its last one at index n - 1. In a row without filling, n is the "
                    "length of the axis, and there is no index n."
                )
            elif "IndexError" in review.args[0] and "integer" in review.args[0]:
                says = (
                    "Indices have to be whole numbers of an integer type. `mask.sum(axis=1)` gives such; a mean, "
                    "or a division with `/`, does not."
                )
            else:
                raise
            raise Review(*review.args[:2], says) from None
        if getattr(returned, "shape", None) == (len(lengths), len(lengths), 3):
            return (
                f"For {len(lengths)} rows you got {len(lengths)} outputs each: with `:` in the first place, NumPy "
                f"takes all those steps from every row. To pair each row with its own step, put "
                f"`np.arange(batch)` there."
            )
        got = array_of_shape(returned, wanted.shape, "one output for each row, (batch, features)")
        if np.allclose(got, wanted):
            continue
        if says := first_match(got, args, WRONG_LASTS):
            return says
        wrong = ~np.isclose(got, wanted).all(axis=1)
        row = int(wrong.argmax())
        return (
            f"Row {row} has {lengths[row]} real steps of {time}, so its answer stands at index {lengths[row] - 1} "
            f"of the time axis. Yours is different, in {wrong.sum()} of {len(lengths)} rows."
        )


LAST = Exercise(
    number="3.4",
    title="Many to one, unequal lengths",
    prompt=r"""
Five words of unequal length, padded at the end to one array, go through a network together. It has an output at every
step, and you want one for each word: the output at its *last real step*.

`outputs` has shape `(batch, time, features)`. `mask` has shape `(batch, time)`, `True` where a step is real, as
`pad` of lesson 02 returns it; every row has at least one real step. The answer has shape `(batch, features)`.
""",
    hints=(
        "`outputs[:, -1]` is right for the longest word only. What has the network of a shorter word been reading at "
        "that step?",
        "How many real steps has each row? `mask.sum(axis=1)`. At which index is the last of them?",
        "Pair row i with its own step: `outputs[np.arange(len(outputs)), steps]`, where `steps` has one index a row.",
    ),
    solution=last_real,
    why="The most common silent bug of many-to-one networks: nothing fails, and only the longest sequences of a batch "
    "are judged by what they said.",
    check=_check_last_real,
    misconceptions=(
        *WRONG_LASTS,
        (_colon_for_rows, "put `np.arange(batch)` there"),
        (_one_too_far, "there is no index n"),
        (_by_a_fraction, "of an integer type"),
    ),
)


# ---------------------------------------------------------------------------------------------------------------------
# 3.5  an experiment
# ---------------------------------------------------------------------------------------------------------------------
MOST_BACK = 20
MOST_BITS = 3_000_000


def how_far_back(network):
    """The largest k, up to 20, for which an output can depend on the input k steps before."""
    rng = np.random.default_rng(0)
    density = np.linspace(0, 1, 200)[:, None]  # from quiet contexts to busy ones
    contexts = (rng.random((200, 40)) < density).astype(float)
    before = network(contexts)[:, -1]
    farthest = 0
    for k in range(1, 21):
        flipped = contexts.copy()
        flipped[:, -1 - k] = 1 - flipped[:, -1 - k]  # one bit, k steps before the last, and nothing else
        if (network(flipped)[:, -1] != before).any():
            farthest = k
    return farthest


def _effects(network, contexts):
    """For each k: does flipping the bit of k steps before the end change the last output in any context?"""
    before = network(contexts)[:, -1]
    found = {}
    for k in range(1, MOST_BACK + 1):
        flipped = contexts.copy()
        flipped[:, -1 - k] = 1 - flipped[:, -1 - k]
        found[k] = bool((network(flipped)[:, -1] != before).any())
    return found


def _farthest(found):
    return max((k for k, changed in found.items() if changed), default=0)


def _in_silence_only(network):
    return _farthest(_effects(network, np.zeros((1, 40))))


def _in_one_random_context(network):
    return _farthest(_effects(network, np.random.default_rng(0).integers(0, 2, (1, 40)).astype(float)))


def _in_even_coins_only(network):
    return _farthest(_effects(network, np.random.default_rng(0).integers(0, 2, (200, 40)).astype(float)))


def _stops_at_the_first_gap(network):
    rng = np.random.default_rng(0)
    found = _effects(network, (rng.random((200, 40)) < np.linspace(0, 1, 200)[:, None]).astype(float))
    return next((k - 1 for k in range(1, MOST_BACK + 1) if not found[k]), MOST_BACK)


def _by_correlation(network):
    inputs = np.random.default_rng(0).integers(0, 2, (2000, 40)).astype(float)
    last = network(inputs)[:, -1]
    if last.std() == 0:
        return 0
    return max(
        (k for k in range(1, MOST_BACK + 1) if abs(np.corrcoef(inputs[:, -1 - k], last)[0, 1]) > 0.15), default=0
    )


def _in_two_contexts(network):
    return _farthest(_effects(network, np.stack([np.zeros(40), np.ones(40)])))


def _flips_the_whole_past(network):
    rng = np.random.default_rng(0)
    contexts = (rng.random((200, 40)) < np.linspace(0, 1, 200)[:, None]).astype(float)
    farthest = 0
    for k in range(1, MOST_BACK + 1):
        flipped = contexts.copy()
        flipped[:, :-k] = 1 - flipped[:, :-k]
        if (network(flipped)[:, -1] != network(contexts)[:, -1]).any():
            farthest = k
    return farthest


def _counts_the_step_itself(network):
    return min(MOST_BACK, how_far_back(network) + 1)


def _fresh_contexts_for_each(network):
    rng = np.random.default_rng(0)
    contexts = (rng.random((200, 40)) < np.linspace(0, 1, 200)[:, None]).astype(float)
    other = (rng.random((200, 40)) < np.linspace(0, 1, 200)[:, None]).astype(float)
    differs = (network(contexts)[:, -1] != network(other)[:, -1]).any()
    return MOST_BACK if differs else 0


def _shifted(x, k):
    """The input of k steps before; 0 where there was none."""
    moved = np.zeros_like(x)
    moved[:, k:] = x[:, : x.shape[1] - k]
    return moved


WORLDS = (  # (the network, the true answer, how it is, what to think of when the answer is wrong)
    (
        lambda x: 1 - x,
        0,
        "answers with the opposite of its current input",
        "Its output does depend on its input, but on none before. Does your comparison change only one bit, k steps "
        "back, "
        "and leave all others, the current one too, as they were?",
    ),
    (lambda x: 0 * x + 1, 0, "always says 1", "Nothing that it reads makes a difference."),
    (
        lambda x: _shifted(x, 3),
        3,
        "repeats what it read three steps before",
        "At k = 1 and k = 2 nothing happens here: a k without effect is no reason to stop. (k = 0 would be the current "
        "input.)",
    ),
    (
        lambda x: (x + _shifted(x, 5)) % 2,
        5,
        "says whether its current input differs from that of five steps before",
        "Whether the old bit makes the output larger or smaller depends on the current one, so on average, and for a "
        "correlation, it seems to do nothing. Flip one bit and leave all the others as they are.",
    ),
    (
        lambda x: np.minimum(_shifted(x, 1), _shifted(x, 10)) + 0 * x,
        10,
        "says 1 only if both the input of one step and that of ten steps before were 1",
        "Between 1 and 10 there are steps that do not matter, and in a context of zeros neither does any single "
        "one. Look "
        "at every k, in contexts of more than one kind.",
    ),
    (
        lambda x: x * _shifted(x, 1) * _shifted(x, 2) * _shifted(x, 3) * _shifted(x, 7),
        7,
        "says 1 only if its last four inputs and that of seven steps before were all 1",
        "The bit of seven steps before shows only when four others are 1. Try many contexts, busy ones too.",
    ),
    (
        lambda x: x * (1 - _shifted(x, 1)) * _shifted(x, 6),
        6,
        "says 1 only at a 1 that comes after a 0 and six steps after another 1",
        "The bit of six steps before shows only when the current one is 1 and the last one 0: neither a row of "
        "zeros nor "
        "a row of ones is such a context. Try hundreds, mixed ones too.",
    ),
    (
        lambda x: np.maximum.accumulate(x, axis=1),
        20,
        "rings from the first 1 on, for ever (the alarm of exercise 3.1)",
        "A bit long ago matters here only where all the others are 0, and a random row of coins is never that "
        "quiet. Try "
        "contexts with few ones, and one with none.",
    ),
    (
        lambda x: x.cumsum(axis=1) % 2,
        20,
        "says whether the number of ones so far is odd",
        "Every single bit matters here, but two changes at once undo each other. Change one bit only.",
    ),
)


def _world(behave):
    """A network with a known memory, which refuses what it cannot read and stops a search without end."""
    read = 0

    def network(inputs):
        nonlocal read
        inputs = np.array(inputs, dtype=float) if np.asarray(inputs).dtype.kind in "biuf" else np.zeros(0)
        if inputs.ndim != 2 or not inputs.size or not np.isin(inputs, (0, 1)).all():
            raise Review(
                "The network reads sequences of zeros and ones, an array of shape `(batch, time)`. It was "
                "given something else" + (f", of shape {inputs.shape}." if inputs.size else ".")
            )
        read += inputs.size
        if read > MOST_BITS:
            raise Review(
                f"Your experiment has fed the network more than {MOST_BITS:,} bits and is not done. A few "
                f"hundred sequences of some forty steps, for each k, are enough."
            )
        return behave(inputs)

    return network


def _check_how_far_back(attempt):
    for behave, truth, how, advice in WORLDS:
        got = attempt(_world(behave))
        if isinstance(got, np.ndarray) and got.ndim == 0:
            got = got.item()
        if isinstance(got, float) and got.is_integer():
            got = int(got)
        if isinstance(got, bool | np.bool_) or not isinstance(got, Integral) or not 0 <= got <= MOST_BACK:
            shown = got if isinstance(got, int | float) else f"of type `{type(got).__name__}`"
            return f"The answer should be a whole number from 0 to {MOST_BACK}; what came is {shown}."
        if got != truth:
            reach = f"{truth} or more" if truth == MOST_BACK else truth
            return f"One of the check's networks {how}. Its reach is {reach}, and your experiment says {got}. {advice}"


DESIGN = Exercise(
    number="3.5",
    title="How far back does it reach?",
    prompt=r"""
You get a sealed box. `network(inputs)` reads zeros and ones, an array of shape `(batch, time)`, and returns an output
at each step, of the same shape. It starts afresh at each call, and there is no noise in it. You cannot look inside.

Design an experiment that finds out how far back its memory reaches: the largest $k$, up to 20, for which the output at
a step *can* depend on the input of $k$ steps before. If it depends on no input but the current one (or on nothing at
all), the answer is 0; if it reaches beyond 20, say 20.

The check has boxes of its own, of which the answers are known. Once it passes, try it on the network of section 2:
`how_far_back(lambda bits: unroll(parity, bits[..., None])[1][..., 0] > 0.5)`.
""",
    hints=(
        "To find out whether a switch does anything, you flip it and leave everything else as it was. Which two "
        "sequences would you compare, and at which step?",
        "Take a sequence of some 40 steps, change the bit k steps before its end, and compare the last outputs. But a "
        "bit may matter in some contexts only: in silence, or among many ones. Try hundreds, from all zeros to all "
        "ones.",
        "`contexts = (rng.random((200, 40)) < np.linspace(0, 1, 200)[:, None]).astype(float)` has quiet and busy rows. "
        "For each k from 1 to 20 flip column `-1 - k` in a copy, and keep the largest k at which any last output "
        "changes. Do not stop at a k without effect.",
    ),
    solution=how_far_back,
    why="To ask what a network remembers, change one thing in its past and nothing else, in many contexts. An effect "
    "proves a memory; no effect proves only that you have not found the context yet.",
    check=_check_how_far_back,
    misconceptions=(
        (_in_silence_only, "in a context of zeros neither does any single one"),
        (_in_one_random_context, "in contexts of more than one kind"),
        (_in_even_coins_only, "never that quiet"),
        (_stops_at_the_first_gap, "no reason to stop"),
        (_by_correlation, "on average, and for a correlation"),
        (_in_two_contexts, "neither a row of zeros nor a row of ones"),
        (_flips_the_whole_past, "Change one bit only"),
        (_counts_the_step_itself, "on none before"),
        (_fresh_contexts_for_each, "change only one bit"),
    ),
)


EXERCISES = [ALARM, BUG, RADIUS, LAST, DESIGN]
check, hint, solution = bank(EXERCISES)
