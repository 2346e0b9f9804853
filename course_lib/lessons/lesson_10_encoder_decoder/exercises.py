"""Exercises of lesson 10, encoder and decoder: blame for the code, masks, a beam's step, lengths, the exact best."""

from __future__ import annotations

import itertools

import numpy as np

from course_lib.teaching.exercise import Exercise, bank
from course_lib.teaching.running import Review, array_of_shape, first_match


# ---------------------------------------------------------------------------------------------------------------------
# 10.1  blame for the code
# ---------------------------------------------------------------------------------------------------------------------
def gradient_of_the_code(d_start, dx, units):
    """All blame that the code gets in Cho's decoder: (batch, units)."""
    return d_start + dx[:, :, -units:].sum(axis=1)


def _start_only(d_start, dx, units):
    return d_start


def _inputs_only(d_start, dx, units):
    return dx[:, :, -units:].sum(axis=1)


def _first_step_only(d_start, dx, units):
    return d_start + dx[:, 0, -units:]


def _last_step_only(d_start, dx, units):
    return d_start + dx[:, -1, -units:]


def _averaged(d_start, dx, units):
    return d_start + dx[:, :, -units:].mean(axis=1)


def _from_the_symbols(d_start, dx, units):
    return d_start + dx[:, :, :units].sum(axis=1)


def _from_column_units_on(d_start, dx, units):
    return d_start + dx[:, :, units:].sum(axis=1)


WRONG_GRADIENTS = (
    (_start_only, "This is Sutskever's model: the code is used once. In Cho's it is also an input, at every step."),
    (_inputs_only, "Every step is there; the start is missing. The code is the decoder's initial state as well."),
    (_first_step_only, "You counted one step of `dx`. The same code went into each of them."),
    (_last_step_only, "You counted one step of `dx`. The same code went into each of them."),
    (_averaged, "This is the average over the steps. What is used T times gets the blame of all T uses, added."),
    (
        _from_the_symbols,
        "You took the first columns of `dx`, which belong to the embedded symbol. The code was appended after it.",
    ),
)


def _check_gradient_of_the_code(attempt):
    rng = np.random.default_rng(101)
    d_start, dx = rng.normal(size=(2, 3)), rng.normal(size=(2, 4, 8))
    try:
        got = attempt(d_start, dx, 3)
    except Review as review:
        if "(2,5)" not in review.args[0]:  # not the five columns after the first `units`
            raise
        return (
            "From column `units` on, `dx` has five columns here, of which only the last three were the code: count "
            "the `units` columns from the end."
        )
    got = array_of_shape(got, (2, 3), "the blame for the code, (batch, units)")
    if says := first_match(got, (d_start, dx, 3), WRONG_GRADIENTS):
        return says
    if not np.allclose(got, gradient_of_the_code(d_start, dx, 3)):
        return "Count the uses of the code: once as initial state, and once as an input at each step. Add their blame."


BLAME = Exercise(
    number="10.1",
    title="Blame for the code",
    prompt=r"""
In Cho's decoder the code $c$ is the initial state, and it is also appended to the input of every step:
$x_t = [\,e_t,\ c\,]$ with the embedded symbol $e_t$ first. Backpropagation through the decoder has left you
`d_start`, the blame for its initial state, of shape `(batch, units)`, and `dx`, the blame for its inputs, of shape
`(batch, time, embedding + units)`.

How much blame does the code get in all?
""",
    hints=(
        "Lesson 04: something that is used several times gets the sum of the blame of its uses.",
        "Its uses: the initial state, and the last `units` columns of the input at each step.",
        "dx[:, :, -units:] is the part of the inputs that was the code. Sum it over time and add d_start.",
    ),
    solution=gradient_of_the_code,
    why="One vector, used T + 1 times: its blame need not travel through the whole decoder to come back. That is what "
    "Cho's arrangement buys.",
    check=_check_gradient_of_the_code,
    misconceptions=(*WRONG_GRADIENTS, (_from_column_units_on, "from the end")),
)


# ---------------------------------------------------------------------------------------------------------------------
# 10.2  the state after the last letter
# ---------------------------------------------------------------------------------------------------------------------
def last_real_state(h, mask):
    """The state after each row's last real step: (batch, time, units) -> (batch, units)."""
    return h[np.arange(len(h)), mask.sum(axis=1) - 1]


def _last_column(h, mask):
    return h[:, -1]


def _one_too_far(h, mask):
    return h[np.arange(len(h)), np.minimum(mask.sum(axis=1), h.shape[1] - 1)]


def _mean_of_real(h, mask):
    return (h * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1)[:, None]


def _zeroed_then_last(h, mask):
    return (h * mask[:, :, None])[:, -1]


def _without_rows(h, mask):
    return h[:, mask.sum(axis=1) - 1]


WRONG_STATES = (
    (
        _last_column,
        "This is the last column. In a row that is filled up, the network has read filling since its last letter.",
    ),
    (_one_too_far, "One step too far: a row of n real steps has its last one at index n - 1."),
    (
        _mean_of_real,
        "This is the average over the real steps. A recurrent network's last real state has read all of them already.",
    ),
    (
        _zeroed_then_last,
        "You have set the filling to zero and taken the last column: for a short row that is a "
        "state of zeros, a code that says nothing.",
    ),
)


def _check_last(attempt):
    rng = np.random.default_rng(102)
    h, lengths = rng.normal(size=(4, 6, 3)), np.array([2, 6, 1, 4])
    mask = np.arange(6) < lengths[:, None]
    got = attempt(h, mask)
    if getattr(got, "shape", None) == (4, 4, 3):
        return (
            "What came has shape (4, 4, 3): `h[:, steps]` takes all four steps of every row. Give the rows as an "
            "index too, `np.arange(len(h))`, and each row gets its own step."
        )
    got = array_of_shape(got, (4, 3), "the states, (batch, units)")
    if says := first_match(got, (h, mask), WRONG_STATES):
        return says
    if not np.allclose(got, last_real_state(h, mask)):
        return "Take a row with two real steps: its answer is h[row, 1]. How do you get the 1 from the mask?"


LAST = Exercise(
    number="10.2",
    title="The state after the last letter",
    prompt=r"""
A framework has handed you the encoder's states at every step, `h` of shape `(batch, time, units)`, computed without
any mask, and the `mask`, `(batch, time)`, True for real steps; filling stands at the end. Each row has at least one
real step. Return the state that each row had after its last real step: the code that a masked encoder would have made.
No loop is needed.
""",
    hints=(
        "How many real steps has a row? And at which index is the last of n?",
        "mask.sum(axis=1) - 1 is that index, one for each row.",
        "Index with two arrays at once: h[rows, steps] with rows = np.arange(len(h)).",
    ),
    solution=last_real_state,
    why="With filling at the end, reading it cannot change what came before it, so the right states are there: you "
    "only have to stop at them. With filling in front, as pad_sequences has it by default, this would not help.",
    check=_check_last,
    misconceptions=(*WRONG_STATES, (_without_rows, "np.arange")),
)


# ---------------------------------------------------------------------------------------------------------------------
# 10.3  one step of a beam
# ---------------------------------------------------------------------------------------------------------------------
def beam_step(totals, log_p, width):
    """(beams,), (beams, V) -> parents, symbols, totals of the best new beginnings, each (width,), best first."""
    candidates = totals[:, None] + log_p
    best = np.argsort(-candidates, axis=None)[:width]
    parents, symbols = np.divmod(best, log_p.shape[1])
    return parents, symbols, candidates.ravel()[best]


def _one_child_each(totals, log_p, width):
    symbols = log_p.argmax(axis=1)
    new = totals + log_p.max(axis=1)
    order = np.argsort(-new)[:width]
    return order, symbols[order], new[order]


def _past_forgotten(totals, log_p, width):
    best = np.argsort(-log_p, axis=None)[:width]
    parents, symbols = np.divmod(best, log_p.shape[1])
    return parents, symbols, log_p.ravel()[best]


def _multiplied(totals, log_p, width):
    candidates = totals[:, None] * log_p
    best = np.argsort(-candidates, axis=None)[:width]
    parents, symbols = np.divmod(best, log_p.shape[1])
    return parents, symbols, candidates.ravel()[best]


def _wrong_way_round(totals, log_p, width):
    parents, symbols, new = beam_step(totals, log_p, width)
    return symbols, parents, new


def _worst_first(totals, log_p, width):
    return tuple(array[::-1] for array in beam_step(totals, log_p, width))


def _divided_by_beams(totals, log_p, width):
    candidates = totals[:, None] + log_p
    best = np.argsort(-candidates, axis=None)[:width]
    return best // len(totals), best % len(totals), candidates.ravel()[best]


def _as_many_as_there_are_beams(totals, log_p, width):
    parents, symbols, new = beam_step(totals, log_p, log_p.size)
    kept = parents < width  # the first `width` beginnings only
    return parents[kept][:width], symbols[kept][:width], new[kept][:width]


def _kept_the_worst(totals, log_p, width):
    candidates = totals[:, None] + log_p
    worst = np.argsort(candidates, axis=None)[:width]
    return *np.divmod(worst, log_p.shape[1]), candidates.ravel()[worst]


WRONG_STEPS = (
    (
        _one_child_each,
        "Every beginning gets one child here. The best beginnings may have several children among "
        "the best, and a bad one none: let all beams × V candidates compete.",
    ),
    (_past_forgotten, "Only the new symbol is counted. A beginning's total goes on: add it to each of its children."),
    (_multiplied, "You multiplied logarithms. Probabilities multiply, so their logarithms add."),
    (
        _wrong_way_round,
        "`parents` and `symbols` are the wrong way round: parents number the rows of log_p, symbols its columns.",
    ),
    (_worst_first, "The right ones, worst first. The best comes first."),
    (
        _divided_by_beams,
        "The totals are right, their addresses are not: a place in the flat array is parent * V + "
        "symbol. Divide by V, the number of columns, not by the number of beginnings.",
    ),
    (_kept_the_worst, "You kept the worst three: `argsort` sorts upwards."),
)


def _check_beam(attempt):
    totals = np.log([0.5, 0.3, 0.1])
    log_p = np.log([[0.45, 0.4, 0.1, 0.05], [0.3, 0.3, 0.2, 0.2], [0.97, 0.01, 0.01, 0.01]])
    log_p[1, 0] += 1e-3  # no ties
    got = attempt(totals, log_p, 3)
    if not isinstance(got, tuple | list) or len(got) != 3:
        raise Review("Expected: three arrays, `parents`, `symbols` and the new `totals`, in this order.")
    names = ("parents", "symbols", "totals")
    got = [array_of_shape(g, (3,), f"the {name}, (width,)") for g, name in zip(got, names, strict=True)]
    if says := first_match(got, (totals, log_p, 3), WRONG_STEPS):
        return says
    for name, g, right in zip(names, got, beam_step(totals, log_p, 3), strict=True):
        if not np.allclose(g, right):
            return (
                f"The {name} are not yet right. With three beginnings and four symbols there are twelve "
                f"candidates, each with ln P(beginning) + ln P(symbol | beginning); keep the best three."
            )
    wide = np.random.default_rng(103)
    totals, log_p = wide.normal(size=5), np.log(wide.dirichlet(np.ones(7), 5))
    for width in (1, 6):
        got = [array_of_shape(g, (width,), name) for g, name in zip(attempt(totals, log_p, width), names, strict=True)]
        if not all(np.allclose(g, w) for g, w in zip(got, beam_step(totals, log_p, width), strict=True)):
            return (
                f"Right with 3 beginnings, 4 symbols and a `width` of 3, wrong with 5 beginnings, 7 symbols and a "
                f"`width` of {width}. Is a size of the first case written in as a number, or taken from the wrong "
                f"array?"
            )


BEAM = Exercise(
    number="10.3",
    title="One step of a beam",
    prompt=r"""
A beam holds some beginnings, with $\ln P$ of each in `totals`, of shape `(beams,)`. The model has said what may come
next: `log_p[b, v]` is $\ln P(v \mid \text{beginning } b)$, of shape `(beams, V)`. Keep the `width` likeliest new
beginnings; `width` need not be the number of beginnings. Return three arrays of shape `(width,)`, best first: which
beginning each one continues, by which symbol, and its own $\ln P$. No two are equally likely.
""",
    hints=(
        "First compute ln P of every possible new beginning: an array (beams, V).",
        "totals[:, None] + log_p. Then np.argsort of the negative, over the whole array (axis=None).",
        "A place in the flat array is parent * V + symbol; np.divmod takes it apart.",
    ),
    solution=beam_step,
    why="All children compete with each other, whoever their parents are. That is the whole of beam search.",
    check=_check_beam,
    misconceptions=(*WRONG_STEPS, (_as_many_as_there_are_beams, "7 symbols and a `width` of 1")),
)


# ---------------------------------------------------------------------------------------------------------------------
# 10.4  how much correction does it take
# ---------------------------------------------------------------------------------------------------------------------
def overtaking_exponent(short, n_short, long, n_long):
    """The exponent at which a long hypothesis draws level with a short one; short and long are their ln P."""
    return np.log(long / short) / np.log((5 + n_long) / (5 + n_short))


def _divided_by_length(short, n_short, long, n_long):
    return np.log(long / short) / np.log(n_long / n_short)


def _turned_round(short, n_short, long, n_long):
    return np.log(short / long) / np.log((5 + n_long) / (5 + n_short))


def _per_symbol(short, n_short, long, n_long):
    return (long / n_long) / (short / n_short)


def _difference(short, n_short, long, n_long):
    return (short - long) / (n_long - n_short)


def _no_logarithm(short, n_short, long, n_long):
    return (long / short) / ((5 + n_long) / (5 + n_short))


WRONG_EXPONENTS = (  # after "For ln P = ... and ln P = ..."
    (_divided_by_length, "you have divided by the lengths themselves. This formula divides by powers of (5 + n)/6."),
    (_turned_round, "A negative exponent favours the short one still more: is the quotient upside down?"),
    (_per_symbol, "you compare ln P per symbol. The question is at which exponent the two scores are equal."),
    (
        _difference,
        "your number would be right for a bonus that is added for each symbol. Here ln P is divided by a power.",
    ),
)


def _check_exponent(attempt):
    cases = ((-8.0, 1, -20.0, 21), (-1.0, 3, -1.5, 5), (-9.5, 1, -30.0, 21))
    for case in cases:
        got = float(array_of_shape(attempt(*case), (), "the exponent, one number"))
        short, n_short, long, n_long = case
        asked = f"For ln P = {short:g} with n = {n_short} and ln P = {long:g} with n = {n_long}"
        if not np.isfinite(got):
            return f"{asked} your exponent is not finite."
        scores = [p / ((5 + n) / 6) ** got for p, n in ((short, n_short), (long, n_long))]
        if np.isclose(*scores, rtol=1e-6):
            continue
        if got < 0:
            asked += f" you return {got:.2f}."
        if says := first_match(got, case, WRONG_EXPONENTS):
            return f"{asked} {says}"
        return (
            f"{asked} and your exponent of {got:.3f} the score of the short hypothesis is {scores[0]:.3f} and that of "
            f"the long one {scores[1]:.3f}. They should be equal: write the equation down and take logarithms of both "
            f"sides."
        )


EXPONENT = Exercise(
    number="10.4",
    title="How much correction does it take",
    prompt=r"""
`beam_search` ranks hypotheses by $\ln P \,/\, \big(\tfrac{5 + n}{6}\big)^{\alpha}$, where $n$ counts the symbols that
were written, the stop symbol included, and $\alpha$ is `length_exponent`. A short hypothesis has $\ln P$ = `short` with
`n_short` symbols, a longer and less likely one $\ln P$ = `long` with `n_long` symbols. From which $\alpha$ on does the
long one win?
""",
    hints=(
        "Set the two scores equal. Both are negative; bring the lengths to one side.",
        "long / short = ((5 + n_long) / (5 + n_short)) ** alpha. The sixths cancel.",
        "Take the logarithm of both sides and divide.",
    ),
    solution=overtaking_exponent,
    why="For nothing at ln P = -8 against twenty letters at -20 it takes about .6. The exponent is not a law of "
    "nature; it is set by trying, and it repairs the ranking, not the model.",
    check=_check_exponent,
    misconceptions=(
        *WRONG_EXPONENTS,
        (_no_logarithm, "the score of the short hypothesis is -8.000 and that of the long one -8.583"),
    ),
)


# ---------------------------------------------------------------------------------------------------------------------
# 10.5  the likeliest row without trying all
# ---------------------------------------------------------------------------------------------------------------------
def likeliest_row(log_start, log_P, steps):
    """The likeliest row of a Markov chain: `steps` symbols."""
    best, came_from = log_start, []
    for _ in range(steps - 1):
        candidates = best[:, None] + log_P  # (symbol before, symbol)
        came_from.append(candidates.argmax(axis=0))
        best = candidates.max(axis=0)
    row = [int(best.argmax())]
    for before in reversed(came_from):
        row.append(int(before[row[-1]]))
    return row[::-1]


def _greedy_row(log_start, log_P, steps):
    row = [int(log_start.argmax())]
    while len(row) < steps:
        row.append(int(log_P[row[-1]].argmax()))
    return row


def _best_place_by_place(log_start, log_P, steps):
    best, row = log_start, [int(log_start.argmax())]
    for _ in range(steps - 1):
        best = (best[:, None] + log_P).max(axis=0)
        row.append(int(best.argmax()))
    return row


def _likeliest_symbols(log_start, log_P, steps):
    p = np.exp(log_start)
    row = [int(p.argmax())]
    for _ in range(steps - 1):
        p = p @ np.exp(log_P)
        row.append(int(p.argmax()))
    return row


def _all_rows(log_start, log_P, steps):
    rows = itertools.product(range(len(log_P)), repeat=steps)
    return list(max(rows, key=lambda row: _total(row, log_start, log_P)))


def _backwards_row(log_start, log_P, steps):
    return likeliest_row(log_start, log_P, steps)[::-1]


def _total(row, log_start, log_P):
    return float(log_start[row[0]] + sum(log_P[a, b] for a, b in itertools.pairwise(row)))


def _beam_of_two(log_start, log_P, steps):
    rows = sorted(((v,) for v in range(len(log_start))), key=lambda row: -_total(row, log_start, log_P))[:2]
    for _ in range(steps - 1):
        longer = [(*row, v) for row in rows for v in range(len(log_P))]
        rows = sorted(longer, key=lambda row: -_total(row, log_start, log_P))[:2]
    return list(rows[0])


WRONG_ROWS = (
    (
        _greedy_row,
        "This is greedy decoding: the likeliest first symbol may lead nowhere good. Keep the best way to "
        "each symbol, not only the best.",
    ),
    (
        _best_place_by_place,
        "You wrote down the best end of each step. The best row of three need not begin with "
        "the best row of two: remember for each symbol where its best way came from, and walk "
        "back at the end.",
    ),
    (
        _likeliest_symbols,
        "This is the likeliest symbol at each place, summed over all rows; put side by side they "
        "may form a row that is quite unlikely.",
    ),
    (_backwards_row, "The right row, last symbol first. Walking back gives it the wrong way round."),
)


def _check_row(attempt):
    rng = np.random.default_rng(105)
    cases = [(np.log(rng.dirichlet(np.ones(4))), np.log(rng.dirichlet(np.ones(4), 4)), 5) for _ in range(12)]
    answers = [attempt(*case) for case in cases]
    for answer in answers:
        row = array_of_shape(answer, (5,), "the row, a list of `steps` symbols")
        if not np.isin(row, range(4)).all():
            raise Review("A row is made of symbols, whole numbers from 0 to V - 1.")
    rows = [[int(symbol) for symbol in answer] for answer in answers]
    right = [likeliest_row(*case) for case in cases]
    if rows != right:
        for wrong, answer in WRONG_ROWS:
            if rows == [wrong(*case) for case in cases]:
                return answer
        i = next(i for i, (row, best) in enumerate(zip(rows, right, strict=True)) if row != best)
        return (
            f"For one chain you give the row {rows[i]}, whose ln P is {_total(rows[i], *cases[i][:2]):.3f}; the "
            f"likeliest row is {right[i]}, whose ln P is {_total(right[i], *cases[i][:2]):.3f}."
        )
    log_start, log_P = np.log(rng.dirichlet(np.ones(30))), np.log(rng.dirichlet(np.ones(30), 30))
    if np.shape(attempt(log_start, log_P, 1)) != (1,):
        return "For `steps` = 1 the row has one symbol."
    try:
        long = attempt(log_start, log_P, 60)
    except Review as review:
        if "seconds" not in review.args[0]:
            raise
        return (
            "Right for rows of 5. Rows of 60 out of 30 symbols cannot all be tried: there are more of them than "
            "atoms in the universe. Keep, for each symbol, only the best way that ends in it."
        )
    if [int(symbol) for symbol in long] != likeliest_row(log_start, log_P, 60):
        return "Right for rows of 5 and wrong for one of 60 out of 30 symbols."


ROW = Exercise(
    number="10.5",
    title="The likeliest row without trying all",
    prompt=r"""
The lesson found the likeliest row by trying all of them. With 30 symbols and 60 steps there are too many. Yet in a
Markov chain there is a way that takes 60 × 30 × 30 additions. `log_start[v]` is $\ln P$ of beginning with $v$, and
`log_P[u, v]` that of $v$ after $u$. Return the likeliest row, a list of `steps` symbols. The check tries rows of 1 and
of 5 symbols, and one of 60 out of 30 symbols, for which it allows some seconds.

The thought to start from: of all rows of five symbols that end in $v$, you need only the best one. Whatever comes
after $v$ does not care how you got there.
""",
    hints=(
        "Carry an array `best`: for each symbol, ln P of the best row so far that ends in it.",
        "(best[:, None] + log_P) holds every way to go on: its maximum over axis 0 is the new `best`.",
        "Keep the argmax over axis 0 of each step as well. At the end take the best last symbol and follow them back.",
    ),
    solution=likeliest_row,
    why="This is Viterbi's algorithm: a beam as wide as the alphabet that keeps one beginning for each last symbol. "
    "It is exact because a chain forgets. An encoder-decoder does not, so for it there is only the beam.",
    check=_check_row,
    misconceptions=(*WRONG_ROWS, (_beam_of_two, "the likeliest row is")),
)

EXERCISES = [BLAME, LAST, BEAM, EXPONENT, ROW]
check, hint, solution = bank(EXERCISES)
