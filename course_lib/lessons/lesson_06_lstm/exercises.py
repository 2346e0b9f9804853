"""Exercises of lesson 06, the LSTM.

Shapes are those of the lesson's ``lstm_forward``: ``h`` and ``c`` are (time + 1, batch, units) and begin with the
initial state, ``gates`` is (time, 4, batch, units) in the order i, f, candidate, o.
"""

from __future__ import annotations

import inspect
import math
from numbers import Integral

import numpy as np

from course_lib.gradients import numerical_gradient, relative_error
from course_lib.teaching.exercise import Exercise, bank
from course_lib.teaching.running import NotAttempted, Review, array_of_shape, first_match, function_from, listed


def _sigmoid(a):
    return 0.5 + 0.5 * np.tanh(a / 2)


# ---------------------------------------------------------------------------------------------------------------------
# 6.1  a latch, set by hand
# ---------------------------------------------------------------------------------------------------------------------
def latch():
    """The four numbers (w_i, b_i, w_f, b_f) of a cell that holds the last marked number."""
    return 20, -10, -20, 10


def _adds_up():
    return 20, -10, 0, 10


def _forgets_at_the_wrong_time():
    return 20, -10, 20, -10


def _lets_everything_in():
    return 0, 10, -20, 10


def _gate_values_as_weights():
    return 1, 0, -1, 1


def _without_biases():
    return 20, 0, -20, 0


def _lukewarm():
    return 6, -3, -6, 3


def _run_latch(numbers, x, marks):
    w_i, b_i, w_f, b_f = numbers
    i, f = _sigmoid(w_i * marks + b_i), _sigmoid(w_f * marks + b_f)
    cell, c = np.empty(len(x)), 0.0
    for t in range(len(x)):
        c = f[t] * c + i[t] * x[t]
        cell[t] = c
    return cell


def _check_latch(attempt):
    numbers = array_of_shape(attempt(), (4,), "the numbers (w_i, b_i, w_f, b_f)")
    if not np.isfinite(numbers).all():
        return "One of the four numbers is not finite."
    w_i, b_i, w_f, b_f = numbers
    i, f = _sigmoid(b_i + w_i * np.arange(2)), _sigmoid(b_f + w_f * np.arange(2))  # without a mark, with one
    told = (
        f"With a mark your input gate is {i[1]:.3f} and your forget gate {f[1]:.3f}; without one they are "
        f"{i[0]:.3f} and {f[0]:.3f}."
    )
    if i[1] < 0.5:
        return f"{told} The marked number does not get in: at a mark the input gate should be open."
    if i[0] > 0.3:
        return (
            f"{told} Numbers without a mark get in as well. Where the mark is 0, only the bias is left to shut a gate."
        )
    if f[0] < 0.6:
        return f"{told} Between two marks the cell forgets: there the forget gate should be 1, which keeps everything."
    if f[1] > 0.3:
        return (
            f"{told} At a mark the old number is kept, and the new one is added to it. Open means keep: when "
            f"should the forget gate be shut?"
        )
    rng = np.random.default_rng(61)
    x, marks = rng.uniform(-1, 1, 400), (rng.random(400) < 0.03).astype(float)
    marks[5] = 1
    last = np.maximum.accumulate(np.where(marks > 0, np.arange(400), -1))
    off = np.abs(_run_latch(numbers, x, marks) - np.where(last < 0, 0, x[last]))
    if off.max() > 0.05:
        t = int(off.argmax())
        since = f"{t - last[t]} steps after the last mark" if last[t] >= 0 else "before the first mark"
        return (
            f"{told} Right in kind, but the gates are not crisp: over 400 steps your cell is off by up to "
            f"{off.max():.2f}, {since}. A gate that is nearly shut leaks at each step. How far from ½ do you have "
            f"to push it?"
        )


LATCH = Exercise(
    number="6.1",
    title="Hold the last marked number",
    prompt=r"""
One cell without tanh, $c_t = f_t\,c_{t-1} + i_t\,x_t$, from $c_0 = 0$. At each step it reads a number $x_t$ between −1
and 1 and a mark $m_t$, 0 or 1. It should always hold the *last marked number*: take it in, keep it whatever comes, and
drop it when the next marked number arrives.

Both gates see only the mark: $i_t = \sigma(w_i m_t + b_i)$ and $f_t = \sigma(w_f m_t + b_f)$. Return the four numbers.
The check runs your cell over 400 steps, and allows it to be off by .05 at any of them.
""",
    hints=(
        "Write down what each gate should be with a mark and without one: four values, each 0 or 1.",
        "σ(a) is nearly 0 for a = -10 and nearly 1 for a = 10. Without a mark a gate's sum is b, with a mark it is "
        "w + b.",
        "Input gate: b = -10 and w + b = 10. The forget gate is to do the opposite: it keeps where there is no mark.",
    ),
    solution=latch,
    why="Here the forget gate is 1 minus the input gate: what goes in replaces what was there. Lesson 07 makes a "
    "network of that.",
    check=_check_latch,
    misconceptions=(
        (_adds_up, "At a mark the old number is kept"),
        (_forgets_at_the_wrong_time, "Between two marks the cell forgets"),
        (_lets_everything_in, "Numbers without a mark get in as well"),
        (_gate_values_as_weights, "only the bias is left to shut a gate"),
        (_without_biases, "only the bias is left to shut a gate"),
        (_lukewarm, "the gates are not crisp"),
    ),
)


# ---------------------------------------------------------------------------------------------------------------------
# 6.2  two lines in the wrong order
# ---------------------------------------------------------------------------------------------------------------------
def backward_with_a_bug(x, recurrent_kernel, h, c, gates, d_h):
    """The gradients of kernel, recurrent_kernel and bias of an LSTM."""
    d_kernel = d_recurrent_kernel = d_bias = 0
    dh = dc = np.zeros_like(h[0])
    for t in reversed(range(x.shape[1])):
        i, f, g, o = gates[t]
        tanh_c = np.tanh(c[t + 1])
        slope = o * (1 - tanh_c**2)
        dh = dh + d_h[:, t]
        d_i = (dc + dh * slope) * g
        d_f = (dc + dh * slope) * c[t]
        d_g = (dc + dh * slope) * i
        d_o = dh * tanh_c
        da = np.concatenate([d_i * i * (1 - i), d_f * f * (1 - f), d_g * (1 - g**2), d_o * o * (1 - o)], axis=1)
        d_kernel = d_kernel + x[:, t].T @ da
        d_recurrent_kernel = d_recurrent_kernel + h[t].T @ da
        d_bias = d_bias + da.sum(axis=0)
        dc = (dc + dh * slope) * f
        dh = da @ recurrent_kernel.T
    return d_kernel, d_recurrent_kernel, d_bias


MENDED = inspect.getsource(backward_with_a_bug)
CELL_BACK = "        dc = (dc + dh * slope) * f\n"
STATE_BACK = "        dh = da @ recurrent_kernel.T\n"
BUGGY = MENDED.replace(CELL_BACK + STATE_BACK, STATE_BACK + CELL_BACK)  # the stub, so that nothing is written twice

_untouched = function_from(BUGGY)
_carousel_only = function_from(MENDED.replace(CELL_BACK, "        dc = dc * f\n"))
_without_forget_gate = function_from(MENDED.replace(CELL_BACK, "        dc = dc + dh * slope\n"))
_cell_never_carried = function_from(MENDED.replace(CELL_BACK, ""))
_state_never_carried = function_from(MENDED.replace(STATE_BACK, "        dh = np.zeros_like(dh)\n"))
_cell_too_early = function_from(MENDED.replace(CELL_BACK, "").replace("        d_i =", CELL_BACK + "        d_i ="))

_INTO_DC = "        dc = dc + dh * slope\n"
_counted_twice = function_from(
    MENDED.replace("        d_i =", _INTO_DC + "        d_i =").replace(CELL_BACK, "        dc = dc * f\n")
)
_counted_three_times = function_from(MENDED.replace("        d_i =", _INTO_DC + "        d_i ="))

_TWICE = (
    "The term with `slope` is counted twice: once it has been added to `dc`, the lines below must read `dc` alone, "
    "without adding `dh * slope` again."
)
_NOTHING_GETS_BACK = (
    "No gradient at all gets to c_{t-1}. c_t gets its gradient through h_t first of all, and that part, the term with "
    "`slope`, has to travel on."
)
WRONG_PATHS = (
    (_carousel_only, _NOTHING_GETS_BACK),
    (_cell_never_carried, _NOTHING_GETS_BACK),
    (_without_forget_gate, "From c_t to c_{t-1} the gradient has to pass the forget gate: c_t = f_t c_{t-1} + …"),
    (
        _state_never_carried,
        "No gradient goes from h_t to h_{t-1}: `dh` is set to zero where it should be carried through "
        "the recurrent kernel.",
    ),
    (_counted_twice, _TWICE),
    (_counted_three_times, _TWICE),
    (_cell_too_early, "`dc` is taken to c_{t-1} before the gates of step t have been served: they need it at c_t."),
)


def _forward(x, kernel, recurrent_kernel, bias):
    """h, c and gates as in the lesson."""
    batch, time, _ = x.shape
    h, c = np.zeros((2, time + 1, batch, len(recurrent_kernel)))
    gates = np.zeros((time, 4, *h[0].shape))
    for t in range(time):
        a_i, a_f, a_c, a_o = np.split(x[:, t] @ kernel + h[t] @ recurrent_kernel + bias, 4, axis=1)
        gates[t] = i, f, g, o = _sigmoid(a_i), _sigmoid(a_f), np.tanh(a_c), _sigmoid(a_o)
        c[t + 1] = f * c[t] + i * g
        h[t + 1] = o * np.tanh(c[t + 1])
    return h, c, gates


WEIGHTS = ("kernel", "recurrent_kernel", "bias")
BLOCKS = ("input gate", "forget gate", "candidate", "output gate")


def _case(rng, batch, time):
    """Random weights and inputs, what the attempt is called with, and the gradients by finite differences."""
    features, units = 2, 3
    x, d_h = rng.normal(size=(batch, time, features)), rng.normal(size=(batch, time, units))
    weights = [rng.normal(size=shape) for shape in ((features, 4 * units), (units, 4 * units), (4 * units,))]

    def loss():
        return float((_forward(x, *weights)[0][1:].transpose(1, 0, 2) * d_h).sum())

    return (x, weights[1], *_forward(x, *weights), d_h), [numerical_gradient(loss, w) for w in weights]


def _three_gradients(got, wanted):
    if not isinstance(got, list | tuple) or len(got) != 3:
        came = f"{len(got)} of them" if isinstance(got, list | tuple) else f"of type `{type(got).__name__}`"
        raise Review(f"Expected: three gradients, of {listed(f'`{name}`' for name in WEIGHTS)}. What came is {came}.")
    return [
        array_of_shape(g, w.shape, f"the gradient of `{name}`") for g, w, name in zip(got, wanted, WEIGHTS, strict=True)
    ]


def _check_backward(attempt):
    rng = np.random.default_rng(62)
    for time, where in ((1, "one step"), (5, "five steps")):
        args, wanted = _case(rng, 3, time)
        got = _three_gradients(attempt(*args), wanted)
        if all(relative_error(g, w) < 1e-6 for g, w in zip(got, wanted, strict=True)):
            continue
        columns = [
            np.split(np.concatenate([g.reshape(-1, g.shape[-1]) for g in both]), 4, axis=1) for both in (got, wanted)
        ]
        if time > 1 and all(map(np.allclose, got, _untouched(*args))):
            off = listed(
                f"{name} {np.linalg.norm(g - w) / np.linalg.norm(w):.0%}"
                for name, g, w in zip(BLOCKS, *columns, strict=True)
            )
            raise NotAttempted(
                f"These are still the numbers of the code as handed out. Over five steps they are off "
                f"by so much, against finite differences: {off}. One line stands in the wrong place."
            )
        wrong = [name for name, g, w in zip(BLOCKS, *columns, strict=True) if relative_error(g, w) > 1e-6]
        right = [name for name in BLOCKS if name not in wrong]
        if not wrong:
            wrong, right = ["none of them"], []
        says = f"Against finite differences over {where}, what belongs to {listed(wrong)} is wrong" + (
            f", {listed(right)} right." if right else "."
        )
        if known := first_match(got, args, WRONG_PATHS):
            return f"{says} {known}"
        weights = [name for name, g, w in zip(WEIGHTS, got, wanted, strict=True) if relative_error(g, w) > 1e-6]
        if len(weights) == 1:
            return f"{says} Of the three gradients only that of `{weights[0]}` is: look at the line that adds it up."
        if time == 1:
            return f"{says} With a single step nothing is carried anywhere: look at the lines above `da`, and at `da`."
        return (
            f"{says} Over a single step all is right, so the fault lies between one step and the one before. "
            f"Two things travel: `dc` from c_t to c_{{t-1}}, and `dh` from h_t to h_{{t-1}}. Which of them needs "
            f"the other, and as it was when?"
        )


FIND_THE_LINE = Exercise(
    number="6.2",
    title="The line that came too early",
    prompt=r"""
This backward pass computes what yours does, in another arrangement. It runs, its shapes are right, and for sequences of
a single step it is exact. For longer ones it is wrong, because one line stands in the wrong place. Mend it by moving
that line, without looking further up.

The arguments are those of `lstm_backward`. `slope` is $\partial h_t/\partial c_t$.

A published tutorial had this bug: nothing had compared its gradients with finite differences. Run the cell as it is,
and the check tells you how far off they are here.
""",
    code_to_mend=BUGGY,
    hints=(
        "After each line that assigns to `dh` or `dc`, write down whose gradient it is now: h_t's, c_t's, h_{t-1}'s or "
        "c_{t-1}'s.",
        "The last two lines of the loop both take something to step t - 1. One of them still reads the other's "
        "variable.",
        "`dc = (dc + dh * slope) * f` wants the gradient at h_t. Once `dh = da @ recurrent_kernel.T` has run, `dh` is "
        "the gradient at h_{t-1}.",
    ),
    solution=backward_with_a_bug,
    why="A name that means h_t in one line and h_{t-1} in the next is a trap. Either give the two gradients two names, "
    "or check the gradient, or, since you are human, both.",
    check=_check_backward,
    misconceptions=WRONG_PATHS,
)


# ---------------------------------------------------------------------------------------------------------------------
# 6.3  what is in the cell?
# ---------------------------------------------------------------------------------------------------------------------
def in_the_cell(i, f):
    """How much of each step's candidate is in the cell at the end, (T, units)."""
    kept = np.ones_like(f)
    for t in reversed(range(len(f) - 1)):
        kept[t] = kept[t + 1] * f[t + 1]
    return i * kept


def _forgets_what_comes_in(i, f):
    return i * np.cumprod(f[::-1], axis=0)[::-1]


def _product_of_the_past(i, f):
    return i * np.cumprod(f, axis=0)


def _kept_without_input(i, f):
    return in_the_cell(np.ones_like(i), f)


def _input_only(i, f):
    return i


def _one_step_of_keeping(i, f):
    return i * np.concatenate([f[1:], np.ones_like(f[:1])])


def _divided_instead_of_multiplied(i, f):
    with np.errstate(divide="ignore", invalid="ignore"):
        return i * np.prod(f, axis=0) / np.cumprod(f, axis=0)


def _input_times_forget(i, f):
    return i * f


def _all_gates(i, f):
    return i * np.prod(f, axis=0)


def _gates_exchanged(i, f):
    return in_the_cell(f, i)


def _rows_turned_round(i, f):
    return in_the_cell(i, f)[::-1]


def _sum_of_logarithms(i, f):
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(f).cumsum(axis=0)
        return i * np.exp(logs[-1] - logs)


def _its_own_gate_to_the_power(i, f):
    return i * f ** np.arange(len(f))[::-1, None]


WRONG_CONTENTS = (
    (
        _forgets_what_comes_in,
        "You let the forget gate of step t act on what comes in at step t. It multiplies the old "
        "cell, c_{t-1}; the new candidate meets it one step later for the first time.",
    ),
    (
        _product_of_the_past,
        "You multiply the forget gates up to step t. What came in at step t passes those that come after it.",
    ),
    (_kept_without_input, "That is how much is kept of what got in. How much got in at step t, says the input gate."),
    (_input_only, "That is how much got in. On the way to the end it passes every later forget gate."),
    (
        _input_times_forget,
        "You multiply the two gates of one step. The forget gate of step t acts on the old cell; the candidate of step "
        "t passes the forget gates of all *later* steps.",
    ),
    (
        _all_gates,
        "You multiply all forget gates, from the first step on. The candidate of step t comes in at step t: the gates "
        "up to there never met it.",
    ),
    (_gates_exchanged, "You have exchanged the gates: `i` says how much got in, `f` how much is kept."),
    (_rows_turned_round, "The weights are right, in the wrong order: step 1 belongs in row 0."),
    (_one_step_of_keeping, "You let it pass one forget gate, the next. It passes all of them up to the end."),
    (
        _its_own_gate_to_the_power,
        "You raise one gate to a power, as if the forget gate were the same at every step. "
        "Multiply the gates as they were at the steps in between.",
    ),
)


def _check_in_the_cell(attempt):
    rng = np.random.default_rng(63)
    for steps, units, shut in [(6, 2, False), (1, 3, False), (6, 2, True)]:
        args = tuple(rng.uniform(0.1, 0.95, (2, steps, units)))
        if shut:
            args[1][3] = 0.0
        got = array_of_shape(attempt(*args), (steps, units), "a weight for each step and unit, (T, units)")
        wanted = in_the_cell(*args)
        if np.allclose(got, wanted):
            continue
        if shut:
            return (
                "It is right as long as no forget gate is 0. Where one is, dividing by it, or taking its logarithm, "
                "fails: multiply the later gates instead."
            )
        if says := first_match(got, args, WRONG_CONTENTS):
            return says
        right = [t + 1 for t in range(steps) if np.allclose(got[t], wanted[t])]
        if steps == 1:
            return "With several steps it is right, with a single one it is not: there nothing has been forgotten yet."
        if len(right) == steps - 1 and steps not in right:
            return (
                "Right at every step but the last. What comes in at the last step has passed no forget gate, so "
                "only its input gate counts."
            )
        where = f"step{'s' if len(right) > 1 else ''} {listed(right)}" if right else "none of them"
        return (
            f"With {steps} steps yours is right at {where}. At step 5 it should be the input gate of step 5 "
            f"times the forget gate of step 6; at step 4, what?"
        )


CONTENTS = Exercise(
    number="6.3",
    title="What is in the cell?",
    prompt=r"""
Write $c_t = f_t \odot c_{t-1} + i_t \odot \tilde c_t$ out, from $c_0 = 0$ on, and at the end the cell is a weighted sum
of all candidates that ever came by:

$$c_T = \sum_{t=1}^{T} w_t \odot \tilde c_t.$$

What are the weights $w_t$? You get `i` and `f`, the gates of one sequence, both `(T, units)`, with step 1 in row 0.
Return the weights in the same shape.
""",
    hints=(
        "Do it on paper for T = 3: put c_1 into c_2, and c_2 into c_3. What stands before each candidate?",
        "The candidate of step t is let in once, by i_t, and then has to pass f_{t+1}, f_{t+2}, …, f_T. Not f_t.",
        "Go backwards: with `kept` all ones, `kept[t] = kept[t + 1] * f[t + 1]`. Or `np.cumprod` on the rows turned "
        "round, shifted by one. In the end multiply by `i`.",
    ),
    solution=in_the_cell,
    why="The cell is a weighted sum over the past, with weights that the network makes while it reads. Keep that: "
    "attention (lesson 11) makes such weights in another way, and lesson 16 computes such sums in parallel.",
    check=_check_in_the_cell,
    misconceptions=(
        *WRONG_CONTENTS,
        (_divided_instead_of_multiplied, "right as long as no forget gate is 0"),
        (_sum_of_logarithms, "or taking its logarithm"),
    ),
)


# ---------------------------------------------------------------------------------------------------------------------
# 6.4  a bias for a memory span
# ---------------------------------------------------------------------------------------------------------------------
def bias_for(steps, left):
    """The bias b with which a gate of σ(b) leaves the part `left` of a cell after `steps` steps."""
    kept_each_step = left ** (1 / steps)
    return np.log(kept_each_step / (1 - kept_each_step))


def _gate_not_bias(steps, left):
    return left ** (1 / steps)


def _log_for_logit(steps, left):
    return np.log(left) / steps


def _once_not_each_step(steps, left):
    return np.log(left / (1 - left))


def _log_of_the_span(steps, left):
    return np.log(steps)


def _loss_shared_out(steps, left):
    kept = 1 - (1 - left) / steps
    return np.log(kept / (1 - kept))


def _bias_times_steps(steps, left):
    return steps * np.log(left / (1 - left))


def _for_long_spans(steps, left):
    return np.log(steps / -np.log(left))


def _upside_down(steps, left):
    return -bias_for(steps, left)


WRONG_BIASES = (
    (_gate_not_bias, "That is what the gate should be. Which bias makes σ(b) equal to it?"),
    (_log_for_logit, "You took the logarithm of the gate. The gate is σ(b) = 1/(1 + e⁻ᵇ), not eᵇ: solve that for b."),
    (
        _once_not_each_step,
        "With this bias the part asked for is left after *one* step. It is multiplied by the gate at each of them.",
    ),
    (
        _loss_shared_out,
        "You share the loss out evenly, as if the cell lost the same amount at each step. It loses the "
        "same *fraction* of what is left.",
    ),
    (
        _bias_times_steps,
        "More steps do not multiply the bias. What multiplies from step to step is the gate, not the bias.",
    ),
    (
        _log_of_the_span,
        "ln T leaves about 1/e, 37 %, after T steps, whatever `left` is. Which gate leaves the part `left`?",
    ),
    (
        _for_long_spans,
        "That is an approximation for long spans, where 1 - f is nearly -ln(left)/steps: good after 100 steps, off "
        "after one. Solve f**steps = left for f without approximating.",
    ),
    (_upside_down, "The sign is turned: an open forget gate, which keeps, has a positive sum."),
)


def _one_number(value):
    """A float, also where it came in an array of its own."""
    if (isinstance(value, np.ndarray) and value.size == 1) or (isinstance(value, list) and len(value) == 1):
        value = value[0] if isinstance(value, list) else value.reshape(())
    return float(array_of_shape(value, (), "a bias, one number"))


def _check_bias_for(attempt):
    cases = [(20, 0.5), (1, 0.3), (100, 0.9)]
    got = [_one_number(attempt(*case)) for case in cases]
    wanted = [float(bias_for(*case)) for case in cases]
    if np.allclose(got, wanted, rtol=1e-6):
        return None
    for function, says in WRONG_BIASES:
        if np.allclose(got, [float(function(*case)) for case in cases]):
            return says
    (steps, left), bias, _ = next(
        row for row in zip(cases, got, wanted, strict=True) if not np.isclose(row[1], row[2], rtol=1e-6)
    )
    if not math.isfinite(bias):
        return f"For {steps} steps and {left:g} left your bias is {bias}. The gate has to lie between 0 and 1."
    return (
        f"For {steps} steps and {left:g} left your bias is {bias:.3f}. A gate of σ({bias:.3f}) = "
        f"{_sigmoid(bias):.3f} leaves {_sigmoid(bias) ** steps:.3g} after {steps} steps."
    )


BIAS = Exercise(
    number="6.4",
    title="A bias for a memory span",
    prompt=r"""
Suppose that a forget gate gets nothing but its bias, so that $f_t = \sigma(b)$ at every step, and nothing new comes
in. With which $b$ is the part `left` of the cell state still there after `steps` steps? Both are plain numbers, `left`
between 0 and 1.

Once it passes, ask it: with which bias is half of the cell left after 20 steps? And after 100?
""",
    hints=(
        "What is left after so many steps, if the gate is f at each of them? Solve that for f.",
        "f multiplied by itself `steps` times is `left`, so f is the root: `left ** (1 / steps)`. Now σ(b) = f.",
        "σ(b) = f means e⁻ᵇ = 1/f - 1 = (1 - f)/f. Take the logarithm, and mind the sign.",
    ),
    solution=bias_for,
    why="For long spans it grows like the logarithm of the number of steps: about 3.3 for half after 20 steps, 5 for "
    "half after 100. A bias of 1 keeps half for about two steps. It is only a start: in section 3 a bias of 3 was "
    "enough to learn over 100 steps, though it leaves less than a hundredth: training opens gates further.",
    check=_check_bias_for,
    misconceptions=WRONG_BIASES,
)


# ---------------------------------------------------------------------------------------------------------------------
# 6.5  an experiment
# ---------------------------------------------------------------------------------------------------------------------
LEARNED = 0.05
GOOD, BAD = 0.012, 0.3
MOST_RUNS = 60

UNLUCKY, HOPELESS, EVERY_SECOND = "unlucky", "hopeless", "every second"

WORLDS = (  # (gates needed, an exception (gate, error) for one seed, or how the control fails, the answer, how it is)
    ("ifo", None, {"i", "f", "o"}, "a world in which every gate is needed"),
    ("f", None, {"f"}, "a world in which only the forget gate is needed"),
    ("", None, set(), "a world in which the task is learned without any one of the gates"),
    ("fo", ("o", GOOD), {"f"}, "a world in which one seed of three learns without an output gate"),
    ("io", ("i", math.nan), {"i", "o"}, "a world in which one seed without an input gate ends in NaN"),
    ("fo", ("", BAD), {"f", "o"}, "a world in which one seed gets stuck with all its gates, as one of ten did above"),
    ("ifo", UNLUCKY, None, "a world in which all seeds but one fail with all their gates"),
    ("ifo", HOPELESS, None, "a world in which no seed learns with all its gates"),
    ("ifo", EVERY_SECOND, None, "a world in which every second seed fails with all its gates, the first one too"),
)


def gates_needed(measure):
    """Return (results, answer): {held: [errors]} and the set of gates needed, or None."""
    results = {held: [measure(held, seed) for seed in range(3)] for held in ("", "i", "f", "o")}
    learned = sum(error < 0.05 for error in results[""])
    if learned <= len(results[""]) / 2:
        return results, None
    return results, {gate for gate in "ifo" if not any(error < 0.05 for error in results[gate])}


def _one_seed(measure):
    results = {held: [measure(held, 0)] for held in ("", "i", "f", "o")}
    return results, {gate for gate in "ifo" if not results[gate][0] < LEARNED}


def _same_seed_again(measure):
    results = {held: [measure(held, 0) for _ in range(3)] for held in ("", "i", "f", "o")}
    return results, {gate for gate in "ifo" if not min(results[gate]) < LEARNED}


def _no_control(measure):
    results = {held: [measure(held, seed) for seed in range(3)] for held in "ifo"}
    return results, {gate for gate in "ifo" if not min(results[gate]) < LEARNED}


def _control_not_read(measure):
    results = gates_needed(measure)[0]
    return results, {gate for gate in "ifo" if not any(error < LEARNED for error in results[gate])}


def _by_the_mean(measure):
    results, answer = gates_needed(measure)
    return results, None if answer is None else {gate for gate in "ifo" if not np.nanmean(results[gate]) < LEARNED}


def _control_without_a_failure(measure):
    results, answer = gates_needed(measure)
    return results, answer if all(error < LEARNED for error in results[""]) else None


def _control_by_its_mean(measure):
    results, answer = gates_needed(measure)
    return results, answer if np.mean(results[""]) < LEARNED else None


def _control_by_its_best(measure):
    results = _control_not_read(measure)
    return results if min(results[0][""]) < LEARNED else (results[0], None)


def _worse_than_the_control(measure):
    results, answer = gates_needed(measure)
    if answer is None:
        return results, None
    return results, {gate for gate in "ifo" if not np.nanmean(results[gate]) < 2 * np.nanmean(results[""])}


def _known_beforehand(measure):
    return gates_needed(measure)[0], {"i", "f", "o"}


def _the_other_way_round(measure):
    results, answer = gates_needed(measure)
    return results, None if answer is None else set("ifo") - answer


def _one_gate_left_out(measure):
    results = {held: [measure(held, seed) for seed in range(3)] for held in ("", "f", "o")}
    return results, {gate for gate in "fo" if not any(error < LEARNED for error in results[gate])}


def _half_is_enough(measure):
    results = {held: [measure(held, seed) for seed in range(4)] for held in ("", "i", "f", "o")}
    if sum(error < LEARNED for error in results[""]) < 2:
        return results, None
    return results, {gate for gate in "ifo" if not any(error < LEARNED for error in results[gate])}


def _nan_left_out(measure):
    results, answer = gates_needed(measure)
    return {held: [error for error in errors if error == error] for held, errors in results.items()}, answer


def _world(needed, exception):
    """A ``measure`` with a known answer, and the log of what it was asked: {held: {seed: error}}."""
    log, asked = {}, []

    def error_of(held, place):
        if held == "" and isinstance(exception, str):
            learns = {UNLUCKY: place == 0, HOPELESS: False, EVERY_SECOND: place % 2 == 1}[exception]
            return GOOD if learns else BAD
        if isinstance(exception, tuple) and held == exception[0] and place == 1:
            return exception[1]
        return BAD if held and held in needed else GOOD

    def measure(held, seed):
        if held not in ("", "i", "f", "o"):
            raise Review(
                f'`measure(held, seed)` takes "", "i", "f" or "o", the gate that is held open, and '
                f"was asked for `measure({held!r}, {seed!r})`. One gate at a time."
            )
        if not isinstance(seed, Integral) or seed < 0:
            raise Review(f"A seed is a whole number from 0 up, and {seed!r} came.")
        asked.append(seed)
        if len(asked) > MOST_RUNS:
            raise Review(f"Your experiment has asked for more than {MOST_RUNS} runs. In the lesson each takes seconds.")
        runs = log.setdefault(held, {})
        if seed not in runs:
            runs[seed] = error_of(held, len(runs)) + 0.0005 * ((5 * len(held) + 3 * int(seed)) % 7)
        return runs[seed]

    return measure, log


def _check_gates_needed(attempt):
    for needed, exception, truth, world in WORLDS:
        measure, log = _world(needed, exception)
        got = attempt(measure)
        if not isinstance(got, tuple | list) or len(got) != 2 or not isinstance(got[0], dict):
            return (
                'Expected: a pair `(results, answer)` whose first part is a dict from the gate held open ("" for '
                f"none) to a list of errors. What came is of type `{type(got).__name__}`."
            )
        results, answer = got
        if says := _about_the_runs(results, answer, log) or _about_the_answer(results, answer, truth, world):
            return says


def _about_the_runs(results, answer, log):
    names = {
        "": "all gates at work",
        "i": "the input gate held open",
        "f": "the forget gate held open",
        "o": "the output gate held open",
    }
    for held, errors in results.items():
        if held not in log:
            return f"`results` has an entry for {held!r}, but nothing was measured there."
        try:
            errors = np.asarray(errors, dtype=float).ravel()
        except (TypeError, ValueError):
            return f"`results[{held!r}]` should be a list of numbers, one for each seed."
        if any(
            not any(np.isclose(error, run, rtol=0, atol=1e-9, equal_nan=True) for run in log[held].values())
            for error in errors
        ):
            return f"`results[{held!r}]` holds a number that was not measured. Report what came out, as it came out."
        if len(errors) < len(log[held]):
            return (
                f"With {names[held]} you measured {len(log[held])} seeds and report {len(errors)}. A run that went "
                f"wrong is a result too."
            )
        if len(log[held]) < 3:
            seeds = f"{len(log[held])} seed{'s' if len(log[held]) > 1 else ''}"
            return (
                f"With {names[held]} you measured {seeds}. Take at least three different ones: one start may be "
                f"lucky, or unlucky."
            )
    if "" not in results:
        return 'The control is missing: all gates at work, `measure("", seed)`. If that fails too, it was not the gate.'
    control = np.asarray(results[""], dtype=float).ravel()
    if answer is None and (control < LEARNED).sum() <= len(control) / 2:
        return None  # the control does not work: no need to spend the other runs
    if missing := [held for held in "ifo" if held not in results]:
        return f"Nothing was measured with {listed(names[held] for held in missing)}."
    return None


def _about_the_answer(results, answer, truth, world):
    if answer is not None:
        if isinstance(answer, str) or not isinstance(answer, set | frozenset | list | tuple):
            return (
                'The answer should be a set of gates, such as `{"f", "o"}`, or None; what came is of type '
                f"`{type(answer).__name__}`."
            )
        if not all(gate in ("i", "f", "o") for gate in answer):
            return f'The answer should hold nothing but "i", "f" and "o"; yours is {answer!r}.'
        answer = set(answer)
    if answer == truth:
        return None
    control = listed(f"{error:.3g}" for error in results[""])
    if truth is None:
        return (
            f"In {world}, your answer is {_gates(answer)}. The control gave {control}. Where the whole unit learns "
            f"on no more than half of its seeds, it is no wonder if none learns without a gate, and nothing can be "
            f"said about its parts: the answer is None."
        )
    if answer is None:
        return (
            f"In {world}, you say None. The control gave {control}, below {LEARNED} on most seeds, so the unit can "
            f"learn it, and something can be said. One run that gets stuck is no reason to give up: with many "
            f"seeds there will nearly always be one."
        )
    gate = min(answer ^ truth)
    shown = listed(f"{error:.3g}" for error in results[gate])
    if gate in answer:
        return (
            f'The conclusion does not follow. In {world}, you call "{gate}" needed, but without it the seeds '
            f"gave {shown}: at least one of them learned."
        )
    return (
        f'The conclusion does not follow. In {world}, you do not call "{gate}" needed, but without it the '
        f"seeds gave {shown}: none is below {LEARNED}." + (" NaN is a run that failed." if "nan" in shown else "")
    )


def _gates(answer):
    return "{" + ", ".join(f'"{gate}"' for gate in sorted(answer)) + "}" if answer else "the empty set"


DESIGN = Exercise(
    number="6.5",
    title="Which gates does a task need?",
    prompt=r"""
You have a measuring device: `error_without(held, seed)` trains a unit on the running total with one gate held open
(`"i"`, `"f"`, `"o"`, or `""` for none) and returns the part of the error that is left. Say that a run has *learned* the
task if less than .05 is left, and that a gate is *needed* if no seed learns without it. Measure at least three seeds of
each, the control `""` included, and report all of them. Any start may get stuck: one of the ten recorded ones did, with
all its gates. So the control counts as working if more than half of its seeds learn; if not, nothing can be concluded,
and you need not measure the rest.

Design the experiment. `gates_needed(measure)` gets the device as its argument and returns a pair `(results, answer)`.
`results` is a dict from the gate held open to the list of errors, one for each seed; `answer` is the set of needed
gates, such as `{"f", "o"}` (it may be empty), or `None` if the control does not work.

The check hands your experiment devices of its own, from worlds in which the answer is known. Once it passes, run
`gates_needed(error_without)`; twelve runs take about half a minute. Better: write another task, and ask about that.
""",
    hints=(
        "If a unit with all its gates fails as well, whose fault is the failure? You need that measurement too.",
        'At least three different seeds, the same for each of "", "i", "f" and "o". With all gates, most of '
        "them should learn; a single one that is stuck proves nothing.",
        '`results = {held: [measure(held, seed) for seed in range(3)] for held in ("", "i", "f", "o")}`. If '
        'no more than half of `results[""]` are below .05, answer None. A gate is needed if not any of its errors is '
        "below .05; written so, a NaN counts as not learned.",
    ),
    solution=gates_needed,
    why="If one start in ten gets stuck, three in a row do so by chance once in a thousand times. So a gate is needed "
    "if no seed learns without it, and of the control most seeds are enough. Taking a part out to see what it did "
    "is called ablation. It says what a part was needed for in this network, on this task, with this training; "
    "another width or another task may need other parts. And a threshold hides degrees: eight units need none of the "
    "gates by this rule, though without the forget gate they leave several times as much error. So report the errors.",
    check=_check_gates_needed,
    misconceptions=(
        (_one_seed, "you measured 1 seed"),
        (_same_seed_again, "you measured 1 seed"),
        (_no_control, "The control is missing"),
        (_control_not_read, "nothing can be said about its parts"),
        (_by_the_mean, "at least one of them learned"),
        (_control_without_a_failure, "no reason to give up"),
        (_control_by_its_mean, "no reason to give up"),
        (_control_by_its_best, "on no more than half of its seeds"),
        (_half_is_enough, "on no more than half of its seeds"),
        (_worse_than_the_control, "at least one of them learned"),
        (_known_beforehand, "The conclusion does not follow"),
        (_the_other_way_round, "The conclusion does not follow"),
        (_one_gate_left_out, "Nothing was measured with the input gate held open"),
        (_nan_left_out, "A run that went wrong is a result too"),
    ),
)


EXERCISES = [LATCH, FIND_THE_LINE, CONTENTS, BIAS, DESIGN]
check, hint, solution = bank(EXERCISES)
