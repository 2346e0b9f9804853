"""Exercises of lesson 04, backpropagation through time.

Shapes are those of :func:`course_lib.recurrent.unroll` and :func:`course_lib.recurrent.bptt`: ``states[0]`` is the
initial state and ``states[t]`` is h_t, so that step t = 1, 2, … has its pre-activation blame in ``das[t - 1]``.
"""

from __future__ import annotations

import inspect
import math
from numbers import Integral

import numpy as np

from course_lib.gradients import numerical_gradient, relative_error
from course_lib.recurrent import RNN, unroll
from course_lib.teaching.exercise import Exercise, bank
from course_lib.teaching.running import NotAttempted, Review, array_of_shape, first_match, function_from, listed


def _steps(numbers):
    """[1, 2, 3] -> "steps 1, 2 and 3"; [4] -> "step 4"."""
    return f"step{'s' if len(numbers) > 1 else ''} {listed(numbers)}"


# ---------------------------------------------------------------------------------------------------------------------
# 4.1  one line
# ---------------------------------------------------------------------------------------------------------------------
def carry_back(dh, h, recurrent_kernel):
    """Blame at h_t -> blame at h_{t-1}, both (batch, units)."""
    return (dh * (1 - h**2)) @ recurrent_kernel.T


def _without_slope(dh, h, recurrent_kernel):
    return dh @ recurrent_kernel.T


def _tanh_of_tanh(dh, h, recurrent_kernel):
    return (dh * (1 - np.tanh(h) ** 2)) @ recurrent_kernel.T


def _without_transpose(dh, h, recurrent_kernel):
    return (dh * (1 - h**2)) @ recurrent_kernel


def _slope_after_product(dh, h, recurrent_kernel):
    return (dh @ recurrent_kernel.T) * (1 - h**2)


WRONG_CARRIES = (
    (
        _without_slope,
        "The matrix is right; the slope of tanh is missing. A unit near ±1 hardly moves when its "
        "pre-activation does, so little of its blame may get past it.",
    ),
    (
        _tanh_of_tanh,
        "You took tanh of `h`, but `h` has been through tanh already. What is the slope of tanh, written "
        "with its value instead of its argument?",
    ),
    (
        _without_transpose,
        "The slope is right; the matrix has to be turned round. Forwards, unit i of the step before "
        "reaches unit j with weight `recurrent_kernel[i, j]`. Which index does the blame sum over?",
    ),
    (
        _slope_after_product,
        "Slope and matrix are both there, in the wrong order. Backwards, blame meets tanh first and "
        "the matrix after it: the slope belongs to the units of h_t, not to those of h_{t-1}.",
    ),
)


def _check_carry_back(attempt):
    rng = np.random.default_rng(41)
    for batch, units in [(3, 4), (1, 2)]:
        dh, kernel = rng.normal(size=(batch, units)), rng.normal(size=(units, units))
        h = np.tanh(rng.normal(size=(batch, units)))
        args = dh, h, kernel
        what = "the blame at h_{t-1}, (batch, units)"
        got = array_of_shape(attempt(*args), dh.shape, what)
        if np.allclose(got, carry_back(*args)):
            continue
        if says := first_match(got, args, WRONG_CARRIES):
            return says
        # With a slope of 1, or with the identity as the matrix, only the other half of the line is at work.
        matrix_right, slope_right = (
            np.allclose(array_of_shape(attempt(*only), dh.shape, what), carry_back(*only))
            for only in [(dh, 0 * h, kernel), (dh, h, np.eye(units))]
        )
        return (
            f"Not the blame at h_{{t-1}}. Where all states are 0, so that tanh has slope 1, your line is "
            f"{'right' if matrix_right else 'wrong: only the product with the matrix should be left'}. Where "
            f"`recurrent_kernel` is the identity, it is "
            f"{'right' if slope_right else 'wrong: only the slope of tanh should be left'}."
        )


STEP_BACK = Exercise(
    number="4.1",
    title="One step back",
    prompt=r"""
Between $h_{t-1}$ and $h_t = \tanh(a_t)$, with $a_t = x_t W_x + h_{t-1} W_h + b$, stand a matrix and a tanh. Blame
travels the same road in the other direction. Write the one line that takes it from $\delta h_t$ (`dh`) to
$\delta h_{t-1}$, where $\delta$ stands for $\partial L/\partial\,\cdot$ and the loss at step $t-1$ itself is left out.

You have `h`, which is $h_t$ and has been through tanh already, and `recurrent_kernel`, which is $W_h$. `dh`, `h` and
the answer have shape `(batch, units)`; the matrix has `(units, units)`.
""",
    hints=(
        "Go back in two moves, from h_t to a_t and from a_t to h_{t-1}. Each is one operation.",
        "Through tanh: multiply by its slope, entry by entry. In terms of its value h the slope is 1 - h².",
        "Through the matrix: forwards it was `h_before @ recurrent_kernel`, so backwards it is "
        "`da @ recurrent_kernel.T`, where `da` is the blame after the first move.",
    ),
    solution=carry_back,
    why="Every further step back is this same line again: a slope of at most 1, then the same matrix. Lesson 05 is "
    "about what that does after fifty steps.",
    check=_check_carry_back,
    misconceptions=WRONG_CARRIES,
)


# ---------------------------------------------------------------------------------------------------------------------
# 4.2  a sum over time
# ---------------------------------------------------------------------------------------------------------------------
def recurrent_kernel_gradient(states, das):
    """∂L/∂W_h, (units, units), from states (T + 1, batch, units) and das (T, batch, units)."""
    return sum(h_before.T @ da for h_before, da in zip(states[:-1], das, strict=True))


def _last_step_only(states, das):
    return states[-2].T @ das[-1]


def _mean_over_time(states, das):
    return recurrent_kernel_gradient(states, das) / len(das)


def _mean_over_batch(states, das):
    return recurrent_kernel_gradient(states, das) / das.shape[1]


def _state_after(states, das):
    return sum(states[t + 1].T @ das[t] for t in range(len(das)))


def _gradient_first(states, das):
    return sum(das[t].T @ states[t] for t in range(len(das)))


WRONG_SUMS = (
    (
        _last_step_only,
        "This is what the last step contributes, and it is right. But the same matrix was used at every "
        "step before it too.",
    ),
    (
        _mean_over_time,
        "This is the mean over the steps. Nudging W_h nudges all steps at once, and their effects on the loss add up.",
    ),
    (
        _state_after,
        "You pair δa_t with h_t, the state that comes out of step t. W_h multiplies the state that goes in, "
        "h_{t-1}. Mind the index: `states` has one entry more than `das`.",
    ),
    (
        _mean_over_batch,
        "This is divided by the number of rows in the batch. The loss has done that already, if it is a "
        "mean; the blame `das` comes with it.",
    ),
    (
        _gradient_first,
        "This is the transpose of the gradient. Entry [i, j] of W_h leads from unit i of the state before "
        "to unit j; so should entry [i, j] of its gradient.",
    ),
)


def _check_recurrent_kernel_gradient(attempt):
    rng = np.random.default_rng(42)
    for steps, batch, units in [(4, 2, 3), (1, 3, 2)]:
        states, das = rng.normal(size=(steps + 1, batch, units)), rng.normal(size=(steps, batch, units))
        what = "the gradient of W_h, (units, units)"
        got = array_of_shape(attempt(states, das), (units, units), what)
        if np.allclose(got, recurrent_kernel_gradient(states, das)):
            continue
        if says := first_match(got, (states, das), WRONG_SUMS):
            return says
        right, wrong = [], []
        for t in range(steps):
            only = np.zeros_like(das)
            only[t] = das[t]
            found = array_of_shape(attempt(states, only), (units, units), what)
            agrees = np.allclose(found, recurrent_kernel_gradient(states, only))
            (right if agrees else wrong).append(t + 1)
        if not wrong:
            return (
                "Step by step your gradient is right, but with blame at several steps at once it is not the sum of "
                "what they give alone. How do you put the steps together?"
            )
        return (
            f"With blame at one step only, your gradient is right for "
            f"{_steps(right) if right else 'no step'} and wrong for {_steps(wrong)} of {steps}. "
            f"Step t was fed h_{{t-1}}, which is `states[t - 1]`, and its blame δa_t is `das[t - 1]`."
        )


SUM_OVER_TIME = Exercise(
    number="4.2",
    title="One matrix, used T times",
    prompt=r"""
Your network has taken $T$ steps with one and the same $W_h$, and the blame has been all the way back:
`states[t]` is $h_t$, with `states[0]` the initial state, of shape `(T + 1, batch, units)`; `das` holds $\delta a_1$ to
$\delta a_T$, of shape `(T, batch, units)`, so $\delta a_t$ is `das[t - 1]`.

What is the gradient of $W_h$? It has the shape of $W_h$, `(units, units)`. One short loop will do.
""",
    hints=(
        "First forget time. A layer a = h W with blame δa at its output: what is the gradient of W, and where does the "
        "batch go?",
        "For one step it is `h_before.T @ da`: the product with the transpose also sums over the batch. Which state "
        "went into step t?",
        "W_h is one matrix used T times. Had it been T matrices with equal values, each would have its own gradient; "
        "tying them together adds these up.",
    ),
    solution=recurrent_kernel_gradient,
    why="Backpropagation through time is not a loss at each step: it is one gradient, to which every use of the shared "
    "matrix adds its share.",
    check=_check_recurrent_kernel_gradient,
    misconceptions=WRONG_SUMS,
)


# ---------------------------------------------------------------------------------------------------------------------
# 4.3  find the line
# ---------------------------------------------------------------------------------------------------------------------
def bptt_with_a_bug(rnn, inputs, states, d_outputs):
    """The five gradients, in the order of rnn.weights."""
    d_kernel, d_recurrent_kernel, d_bias, d_output_kernel, d_output_bias = (
        np.zeros_like(weight) for weight in rnn.weights
    )
    gradient = np.zeros_like(states[0])
    for t in reversed(range(inputs.shape[1])):
        h, h_before = states[t + 1], states[t]
        d_output_kernel += h.T @ d_outputs[:, t]
        d_output_bias += d_outputs[:, t].sum(axis=0)
        gradient = gradient + d_outputs[:, t] @ rnn.output_kernel.T
        gradient = gradient * (1 - h**2)
        d_bias += gradient.sum(axis=0)
        d_recurrent_kernel += h_before.T @ gradient
        d_kernel += inputs[:, t].T @ gradient
        gradient = gradient @ rnn.recurrent_kernel.T
    return [d_kernel, d_recurrent_kernel, d_bias, d_output_kernel, d_output_bias]


MENDED = inspect.getsource(bptt_with_a_bug)
SERVE_KERNEL = "        d_kernel += inputs[:, t].T @ gradient\n"
SERVE_RECURRENT = "        d_recurrent_kernel += h_before.T @ gradient\n"
CARRY = "        gradient = gradient @ rnn.recurrent_kernel.T\n"
BUGGY = MENDED.replace(SERVE_KERNEL + CARRY, CARRY + SERVE_KERNEL)  # the stub, so that nothing is written twice

_untouched = function_from(BUGGY)
_never_carried = function_from(BUGGY.replace(CARRY, ""))
_set_to_zero_each_step = function_from(
    MENDED.replace("    gradient = np.zeros_like(states[0])\n", "").replace(
        "        h, h_before =", "        gradient = np.zeros_like(states[0])\n        h, h_before ="
    )
)
_slope_twice = function_from(MENDED.replace(CARRY, CARRY.replace("gradient @", "(gradient * (1 - h**2)) @")))
_carried_untransposed = function_from(MENDED.replace(CARRY, CARRY.replace(".T", "")))
_carried_even_earlier = function_from(MENDED.replace(CARRY, "").replace(SERVE_RECURRENT, CARRY + SERVE_RECURRENT))

WRONG_PATHS = (  # what may happen to blame between two steps, and what to say to it
    (_set_to_zero_each_step, "No blame at all arrives at earlier steps. Is it set back to zero inside the loop?"),
    (
        _never_carried,
        "Between two steps the blame stays as it is. It has to be carried back through W_h: the line that "
        "does so is needed, only elsewhere.",
    ),
    (_slope_twice, "Between two steps the blame is multiplied by the slope of tanh twice; once is enough."),
    (
        _carried_untransposed,
        "Between two steps the blame is multiplied by W_h as it stands; backwards it is the transpose.",
    ),
)


def _check_bptt_with_a_bug(attempt):
    steps, units = 4, 3
    rng = np.random.default_rng(43)
    rnn = RNN(steps, units, 2, rng=rng)
    for weight in rnn.weights:  # a zero would hide a bug, and so would an orthogonal matrix
        weight += rng.normal(scale=0.5, size=weight.shape)
    # One sequence whose input at step t is the t-th unit vector: row t of the kernel's gradient is then the blame δa_t.
    markers, start = np.eye(steps)[None], rng.normal(scale=0.5, size=(1, units))
    args = _pass(rnn, markers, start, rng.normal(size=(1, steps, 2)))
    got = _five_gradients(attempt(*args), rnn)
    wanted = _by_finite_differences(rnn, markers, start, args[3])
    if _agree(got, _untouched(*args)):
        raise NotAttempted(
            "These are still the numbers of the code as you got it. One of its lines stands in the wrong place."
        )
    wrong = [name for name in rnn.weight_names if relative_error(got[name], wanted[name]) > 1e-6]
    if not wrong:  # once more on a batch of ordinary inputs
        inputs, start = rng.normal(size=(3, steps + 1, steps)), rng.normal(size=(3, units))
        args = _pass(rnn, inputs, start, rng.normal(size=(3, steps + 1, 2)))
        got = _five_gradients(attempt(*args), rnn)
        wanted = _by_finite_differences(rnn, inputs, start, args[3])
        wrong = [name for name in rnn.weight_names if relative_error(got[name], wanted[name]) > 1e-6]
        if not wrong:
            return None
        return (
            f"For one sequence your gradients are right; for a batch of 3 those of {_code(wrong)} are wrong. "
            f"What happens to the batch axis?"
        )
    right = [name for name in rnn.weight_names if name not in wrong]
    says = f"Against finite differences your gradient is right for {_code(right)} and wrong for {_code(wrong)}."
    if "kernel" not in wrong:
        return (
            f"{says} The blame gets to every step as it should. Where does it stand when {_code(wrong)} is served: "
            f"still at a_t, or already at h_{{t-1}}?"
        )
    rows = [t + 1 for t in range(steps) if relative_error(got["kernel"][t], wanted["kernel"][t]) > 1e-6]
    if rows == list(range(1, steps)):
        says += f" The blame that `kernel` is served with is right at the last step and wrong at {_steps(rows)}."
        return (
            says
            + " "
            + next(
                (path for function, path in WRONG_PATHS if _agree(got, function(*args))),
                "Something is wrong on the road from one step to the one before it: once through the transpose of W_h, "
                "once through the slope of tanh, and the new step's own blame on top.",
            )
        )
    return (
        f"{says} The blame that `kernel` is served with is wrong at {_steps(rows)} of {steps}. Follow `gradient` line "
        f"by line: it starts at h_t, moves to a_t, then to h_{{t-1}}. Which gradients need it at which place?"
    )


def _pass(rnn, inputs, start, weights_of_outputs):
    """Arguments for ``bptt`` after a forward pass with the loss L = Σ weights_of_outputs · outputs."""
    states, _ = unroll(rnn, inputs, start)
    return rnn, inputs, states, weights_of_outputs


def _by_finite_differences(rnn, inputs, start, weights_of_outputs):
    def loss():
        return float((weights_of_outputs * unroll(rnn, inputs, start)[1]).sum())

    return {name: numerical_gradient(loss, getattr(rnn, name)) for name in rnn.weight_names}


def _five_gradients(got, rnn):
    """The attempt's list as a dict by name, or a Review."""
    if not isinstance(got, list | tuple) or len(got) != 5:
        came = f"{len(got)} of them" if isinstance(got, list | tuple) else f"of type `{type(got).__name__}`"
        raise Review(
            f"Expected: a list of five gradients, in the order {_code(rnn.weight_names)}. What came is {came}."
        )
    return {
        name: array_of_shape(grad, weight.shape, f"the gradient of `{name}`")
        for name, grad, weight in zip(rnn.weight_names, got, rnn.weights, strict=True)
    }


def _agree(got, known):
    return all(np.allclose(a, b) for a, b in zip(got.values(), known, strict=True))


def _code(names):
    return listed(f"`{name}`" for name in names) if names else "none of the five"


FIND_THE_LINE = Exercise(
    number="4.3",
    title="One line in the wrong place",
    prompt=r"""
This backward pass runs. Its gradients have the right shapes and plausible sizes, and a network trained with it may
even learn. Yet against finite differences not all five are right: one line stands in the wrong place. Mend it by moving
that line, without looking at the code further up.

`inputs` and `d_outputs` ($\delta o_t$) have shape `(batch, time, …)`, `states` has `(time + 1, batch, units)` with
`states[0]` the initial state. `gradient` is one array that walks backwards through the network. At each line, ask where
it stands: at $h_t$, at $a_t$, or already at $h_{t-1}$?

A published LSTM tutorial once carried a cousin of this bug. It ran, and nothing had ever compared its gradients with
finite differences.
""",
    code_to_mend=BUGGY,
    hints=(
        "Three of the lines change `gradient`. Write down after each of them whose blame it now is: δh_t, δa_t or "
        "δh_{t-1}.",
        "The gradients of W_x, W_h and b all need δa_t: inputs, state and bias meet there. Which of the three is "
        "served too late?",
        "`gradient = gradient @ rnn.recurrent_kernel.T` takes the blame away to h_{t-1}. Everything that still needs "
        "δa_t has to stand before it.",
    ),
    solution=bptt_with_a_bug,
    why="A wrong gradient need not look wrong, and training is no test of it, because parameters that are served "
    "well can make up for one that is not. Finite differences are a test.",
    check=_check_bptt_with_a_bug,
    misconceptions=(
        *WRONG_PATHS,
        (
            _carried_even_earlier,
            "right for `bias`, `output_kernel` and `output_bias` and wrong for `kernel` and `recurrent_kernel`",
        ),
    ),
)


# ---------------------------------------------------------------------------------------------------------------------
# 4.4  whom does a chunk blame?
# ---------------------------------------------------------------------------------------------------------------------
def reach(T, chunk):
    """Boolean (T, T): does the loss at step t (row) blame the state at step s (column)?"""
    step = np.arange(T)
    t, s = step[:, None], step[None, :]
    return (t // chunk == s // chunk) & (s <= t)


def _window(T, chunk):
    ago = np.subtract.outer(np.arange(T), np.arange(T))
    return (ago >= 0) & (ago < chunk)


def _into_the_future(T, chunk):
    return reach(T, chunk).T


def _no_border(T, chunk):
    return np.tri(T, dtype=bool)


def _whole_blocks(T, chunk):
    return reach(T, chunk) | reach(T, chunk).T


def _border_one_early(T, chunk):
    return reach(T + 1, chunk)[1:, 1:]


def _not_itself(T, chunk):
    return reach(T, chunk) & ~np.eye(T, dtype=bool)


WRONG_REACHES = (
    (
        _window,
        "That is the sliding window: every step reaches equally far back. In chunks the reach depends on where "
        "the step stands: the first of a chunk reaches only itself, the last reaches the whole chunk.",
    ),
    (
        _into_the_future,
        "The matrix is turned round: here the loss at step t blames later states. Rows are the steps of "
        "the loss, columns the states blamed, and causes come before effects.",
    ),
    (_no_border, "That is the full gradient: no border stops the blame. Only the state crosses a border, forwards."),
    (_whole_blocks, "The chunks are right, but inside a chunk the loss also blames states that come after it."),
    (
        _border_one_early,
        "The chunks are right in kind, but each border comes a step early. Steps are counted from 0: "
        "the first chunk is steps 0 to chunk - 1.",
    ),
    (_not_itself, "The diagonal is missing: the loss at step t blames the state at step t first of all."),
)


def _check_reach(attempt):
    for T, chunk in [(7, 3), (6, 2), (5, 1), (3, 8)]:
        got = array_of_shape(attempt(T, chunk), (T, T), "one row for each loss, one column for each state, (T, T)")
        wanted = reach(T, chunk)
        if np.array_equal(got, wanted):
            continue
        if not np.isin(got, (0, 1)).all():
            return "The entries should be True or False (or 1 and 0); there are others."
        if says := first_match(got, (T, chunk), WRONG_REACHES):
            return says
        t, s = np.argwhere(got != wanted)[0].tolist()
        if s > t:
            reason = f"state {s} comes after the loss at step {t}"
        elif wanted[t, s]:
            reason = f"steps {s} and {t} are in the same chunk" if s != t else "a loss blames its own step in any case"
        else:
            reason = f"step {s} is in chunk {s // chunk} and step {t} in chunk {t // chunk}, counted from 0"
        return f"For T = {T} and chunk = {chunk}, entry [{t}, {s}] should be {bool(wanted[t, s])}: {reason}."


CHUNKS = Exercise(
    number="4.4",
    title="Whom does a chunk blame?",
    prompt=r"""
The last of the four pictures above is what programs often mean by truncated BPTT. They cut the sequence into chunks of
`chunk` steps (the last may be shorter), carry the state across each border forwards, and stop the gradient there.

Write the rule behind it. `reach(T, chunk)` is a matrix of booleans of shape `(T, T)`: entry `[t, s]` says whether the
loss at step `t` blames the hidden state at step `s`. Steps are counted from 0.
""",
    hints=(
        "Draw T = 4, chunk = 2 on paper first. Steps 0 and 1 are one chunk, steps 2 and 3 the other.",
        "Two conditions must hold at once: the state is not later than the loss, and both are in the same chunk.",
        "Step t is in chunk number `t // chunk`. With `step = np.arange(T)`, `step[:, None]` and `step[None, :]` "
        "compare every t with every s at once.",
    ),
    solution=reach,
    why="In chunks of k steps a loss reaches between 1 and k states, (k + 1)/2 on average: cheap, and hard on the "
    "first steps after each border.",
    check=_check_reach,
    misconceptions=WRONG_REACHES,
)


# ---------------------------------------------------------------------------------------------------------------------
# 4.5  an experiment
# ---------------------------------------------------------------------------------------------------------------------
GOOD, BAD = 0.02, 0.45  # RMSE on the third bit, learned and not: guessing scores .5
LEARNED = 0.2
MOST_RUNS = 200

WORLDS = (  # (truncation from which it is learned, the exception at k = 2 for one seed, the true answer, how it is)
    (2, None, 2, "a world in which every seed learns from k = 2 on"),
    (3, None, 3, "a world in which every seed learns from k = 3 on"),
    (2, BAD, 3, "a world in which at k = 2 all seeds but one learn, and from k = 3 on every seed does"),
    (2, math.nan, 3, "a world in which at k = 2 one seed ends in NaN, and from k = 3 on every seed learns"),
    (99, None, None, "a world in which no k up to 98 is enough"),
)


def design(measure):
    """Return (results, answer): {k: [measure(k, seed), …]} and the smallest k that is enough, or None."""
    results = {k: [measure(k, seed) for seed in range(3)] for k in range(1, 6)}
    enough = [k for k, errors in results.items() if all(error < 0.2 for error in errors)]
    return results, min(enough, default=None)


def _one_seed(measure):
    results = {k: [measure(k, 0)] for k in range(1, 6)}
    return results, min((k for k in results if results[k][0] < LEARNED), default=None)


def _same_seed_again(measure):
    results = {k: [measure(k, 0) for _ in range(3)] for k in range(1, 6)}
    return results, min((k for k in results if max(results[k]) < LEARNED), default=None)


def _no_baseline(measure):
    results = {k: [measure(k, seed) for seed in range(3)] for k in range(2, 6)}
    return results, min((k for k in results if max(results[k]) < LEARNED), default=None)


def _by_the_mean(measure):
    results = design(measure)[0]
    return results, min((k for k in results if np.mean(results[k]) < LEARNED), default=None)


def _by_the_best_seed(measure):
    results = design(measure)[0]
    return results, min((k for k in results if min(results[k]) < LEARNED), default=None)


def _blind_to_nan(measure):
    results = design(measure)[0]
    return results, min((k for k in results if np.nanmax(results[k]) < LEARNED), default=None)


def _known_beforehand(measure):
    return design(measure)[0], 2


def _too_few_lengths(measure):
    results = {k: [measure(k, seed) for seed in range(3)] for k in (1, 2)}
    return results, min((k for k in results if max(results[k]) < LEARNED), default=None)


def _every_other_length(measure):
    results = {k: [measure(k, seed) for seed in range(3)] for k in (1, 3, 5)}
    return results, min((k for k in results if max(results[k]) < LEARNED), default=None)


def _never_gives_up(measure):
    results, k = {}, 1
    while True:
        results[k] = [measure(k, seed) for seed in range(3)]
        if all(error < LEARNED for error in results[k]):
            return results, k
        k += 1


def _error_squared(measure):
    results = {k: [error**2 for error in errors] for k, errors in design(measure)[0].items()}
    return results, min((k for k in results if max(results[k]) < LEARNED), default=None)


def _world(learned_from, exception):
    """A ``measure`` with a known answer, and the log of what it was asked: {k: {seed: RMSE}}.

    Which seed fails at k = 2 is decided while measuring (the second that is asked for), because the seeds are the
    learner's to choose. Asked again, it says the same again.
    """
    log, asked = {}, []

    def measure(truncation, seed):
        for name, value, least in [("truncation", truncation, 1), ("seed", seed, 0)]:
            if not isinstance(value, Integral) or value < least:
                raise Review(
                    f"`measure(truncation, seed)` takes whole numbers, and a {name} of at least {least}; it "
                    f"was asked for `measure({truncation!r}, {seed!r})`."
                )
        asked.append(seed)
        if len(asked) > MOST_RUNS:
            raise Review(
                f"Your experiment has asked for more than {MOST_RUNS} runs and is not done. In the lesson "
                f"each costs seconds. Try a few lengths and seeds, and when none is enough, say None."
            )
        runs = log.setdefault(int(truncation), {})
        if seed not in runs:
            fails = exception is not None and truncation == 2 and len(runs) == 1
            spread = 0.001 * ((7 * int(truncation) + 3 * int(seed)) % 11)
            runs[seed] = exception if fails else (GOOD if truncation >= learned_from else BAD) + spread
        return runs[seed]

    return measure, log


def _check_design(attempt):
    for learned_from, exception, truth, world in WORLDS:
        measure, log = _world(learned_from, exception)
        got = attempt(measure)
        if not isinstance(got, tuple | list) or len(got) != 2 or not isinstance(got[0], dict):
            return (
                "Expected: a pair `(results, answer)` whose first part is a dict from truncation length to a list "
                f"of errors. What came is of type `{type(got).__name__}`."
            )
        results, answer = got
        if says := _about_the_runs(results, log):
            return says
        errors = {k: np.asarray(results[k], dtype=float).ravel().tolist() for k in sorted(results)}
        if says := _about_the_answer(errors, answer, truth, world):
            return says


def _about_the_runs(results, log):
    """What is wrong with the results as such, or None."""
    if not results:
        return "There are no results: nothing was measured."
    for k, errors in results.items():
        if k not in log:
            return f"`results` has an entry for k = {k!r}, but nothing was measured there."
        try:
            errors = np.asarray(errors, dtype=float).ravel()
        except (TypeError, ValueError):
            return f"`results[{k}]` should be a list of numbers, one for each seed."
        invented = [
            error
            for error in errors
            if not any(np.isclose(error, run, rtol=0, atol=1e-9, equal_nan=True) for run in log[k].values())
        ]
        if invented:
            return (
                f"`results[{k}]` holds {invented[0]:.3g}, which was not measured at k = {k} "
                f"({listed(f'{run:.3g}' for run in log[k].values())} was). Report what came out, as it came out."
            )
        if len(errors) < 3:
            return (
                f"At k = {k} you report {len(errors)} run{'s' if len(errors) != 1 else ''}. One lucky start proves "
                f"little: take at least three seeds for each k."
            )
        if len(log[k]) < 3:
            return (
                f"At k = {k} you measured {len(errors)} times, but with only {len(log[k])} different "
                f"seed{'s' if len(log[k]) > 1 else ''}. The same seed gives the same run again."
            )
        if len(errors) < len(log[k]):
            return (
                f"At k = {k} you measured {len(log[k])} seeds and report {len(errors)}. Leaving out runs after "
                f"having seen them is how wrong results get published."
            )
    if 1 not in results:
        return (
            "The control is missing: k = 1, where blame does not travel at all. Without it you cannot tell whether "
            "travelling matters."
        )
    return None


def _about_the_answer(results, answer, truth, world):
    """What is wrong with the conclusion, or None."""
    if answer is not None and (not isinstance(answer, Integral) or isinstance(answer, bool)):
        return f"The answer should be a truncation length or None; what came is of type `{type(answer).__name__}`."
    if answer is not None and answer not in results:
        return f"In {world}, your answer is k = {answer}, a length that you did not measure."
    if answer is not None:
        failed = [error for error in results[answer] if not error < LEARNED]
        if failed:
            shown = listed(f"{error:.3g}" for error in results[answer])
            return (
                f"The conclusion does not follow. In {world}, your answer is k = {answer}, where the seeds "
                f"gave {shown}: not every one is below {LEARNED}."
                + (" NaN is a run that failed, and no comparison with it is true." if math.isnan(failed[0]) else "")
            )
        missing = [k for k in range(1, answer) if k not in results]
        if missing:
            return (
                f"In {world}, you answer k = {answer} without having measured k = {listed(missing)}. Who says "
                f"that {answer} is the smallest?"
            )
    if answer != truth:
        smaller = [k for k in results if all(error < LEARNED for error in results[k])]
        if smaller:
            return (
                f"The conclusion does not follow. In {world}, your answer is {answer}, but at k = {smaller[0]} "
                f"every seed is below {LEARNED} already."
            )
        return (
            f"In {world}, you measured k = {listed(results)} and found none that is enough. Look further: "
            f"up to 5 at least."
        )
    if answer is None and max(results) < 3:
        return f"You say None after k = {listed(results)}. Look further before you give up: up to 5 at least."
    return None


DESIGN = Exercise(
    number="4.5",
    title="How far back must blame travel?",
    prompt=r"""
Temporal XOR: how many uses `k` of $W_h$, its own step's included, must a loss be allowed to blame until the third bit
is learned? You have the measuring device:
`third_bit_error(truncation, seed)` trains a network and returns its RMSE on the third bits (guessing gives .5). Now
design the experiment around it.

`design(measure)` gets the device as its argument and returns a pair `(results, answer)`. `results` is a dict from
truncation length `k` to the list of errors, one for each seed; `answer` is the smallest `k` at which *every* seed is
below .2, or `None` if you found none. Which lengths, up to 5 or so, which seeds and which control are yours to choose.

The check hands your experiment devices of its own, from worlds in which the answer is known, and sees whether you find
it. Once it passes, run `design(third_bit_error)` in a new cell; fifteen runs take about as many seconds.
""",
    hints=(
        "What would the result look like if travelling back made no difference? You need a length at which blame does "
        "not travel, measured in the same way.",
        "At least three different seeds for each k, the same ones for all k, and k from 1 to 5 without a gap: "
        "otherwise you cannot call any k the smallest.",
        "Collect first: `results = {k: [measure(k, seed) for seed in range(3)] for k in range(1, 6)}`. Then keep the k "
        "where `all(error < 0.2 for error in errors)`, and take the `min` of these, if there are any.",
    ),
    solution=design,
    why="A conclusion is as good as the ways in which it could have failed: a control, several seeds, no gap, and "
    "the courage to say None. On the real device the answer is 2: blame has to get one step back, to where the "
    "bit before the last was read. With more seeds you will find some at k = 1 that get below .2 by luck.",
    check=_check_design,
    misconceptions=(
        (_one_seed, "at least three seeds"),
        (_same_seed_again, "with only 1 different seed"),
        (_no_baseline, "The control is missing: k = 1"),
        (_by_the_mean, "not every one is below 0.2"),
        (_by_the_best_seed, "not every one is below 0.2"),
        (_blind_to_nan, "NaN is a run that failed"),
        (_known_beforehand, "The conclusion does not follow"),
        (_too_few_lengths, "Look further: up to 5 at least"),
        (_every_other_length, "Who says that 3 is the smallest"),
        (_never_gives_up, "when none is enough, say None"),
        (_error_squared, "Report what came out, as it came out"),
    ),
)


EXERCISES = [STEP_BACK, SUM_OVER_TIME, FIND_THE_LINE, CHUNKS, DESIGN]
check, hint, solution = bank(EXERCISES)
