"""Exercises of lesson 02, sequences: units of surprise, a table's gradient, masks, honest splits, an honest choice."""

from __future__ import annotations

import math
from numbers import Integral

import numpy as np

from course_lib.sequences import windows
from course_lib.teaching.exercise import Exercise, bank
from course_lib.teaching.running import Review, array_of_shape, first_match, listed


# ---------------------------------------------------------------------------------------------------------------------
# 2.1  one line
# ---------------------------------------------------------------------------------------------------------------------
def from_word_perplexity(perplexity, characters):
    """Perplexity of a word, mean number of characters in a word -> bits per character."""
    return np.log2(perplexity) / characters


def _divided_first(perplexity, characters):
    return np.log2(perplexity / characters)


def _in_nats(perplexity, characters):
    return np.log(perplexity) / characters


def _per_word(perplexity, characters):
    return np.log2(perplexity)


def _perplexity_of_a_letter(perplexity, characters):
    return perplexity ** (1 / characters)


def _shared_out(perplexity, characters):
    return perplexity / characters


def _multiplied(perplexity, characters):
    return np.log2(perplexity) * characters


def _minus_written(perplexity, characters):
    return -np.log2(perplexity) / characters


def _space_left_out(perplexity, characters):
    return np.log2(perplexity) / (characters - 1)


def _base_ten(perplexity, characters):
    return np.log10(perplexity) / characters


def _numbers_of_the_text(perplexity, characters):
    return 7 / 5.5


WRONG_UNITS = (
    (
        _divided_first,
        "You share out the perplexity and take the logarithm after that. Choices multiply from letter to "
        "letter, they do not add up; what adds up, and can be shared out, is bits.",
    ),
    (
        _in_nats,
        "The road is right and the unit is not: `np.log` gives nats. A bit is a choice between two, so the "
        "logarithm has base 2.",
    ),
    (_per_word, "These are the bits of a whole word. Its letters share them."),
    (
        _perplexity_of_a_letter,
        "This is a letter's perplexity: among how many equally likely letters one has to choose. "
        "How many bits is that?",
    ),
    (
        _shared_out,
        "A perplexity is a number of choices. Turn it into bits first; a number of choices cannot be shared "
        "out by dividing.",
    ),
    (_multiplied, "A word has more bits than any one of its letters, and here a letter gets more than its word."),
    (
        _minus_written,
        "The size is right and the sign is not. Surprise is minus the logarithm of a probability; a "
        "perplexity is a number of choices, at least 1, and its logarithm is positive already.",
    ),
    (
        _space_left_out,
        "You share the bits among one character too few. The space is one of them: it has to be "
        "predicted like any other, and the 5.5 include it.",
    ),
    (
        _base_ten,
        "The road is right and the unit is not: `np.log10` counts decimal digits. A bit is a choice between "
        "two, so the logarithm has base 2.",
    ),
)


def _check_from_word_perplexity(attempt):
    for case, (perplexity, characters) in enumerate([(128.0, 5.5), (8.0, 2.0), (60.0, 6.0)]):
        got = array_of_shape(attempt(perplexity, characters), (), "one number, the bits per character")
        wanted = from_word_perplexity(perplexity, characters)
        if np.isclose(got, wanted):
            continue
        if says := first_match(got, (perplexity, characters), WRONG_UNITS):
            return says
        says = (
            f"With a perplexity of {perplexity:g} a word and {characters:g} characters in a word, a character has "
            f"{wanted:.3f} bits; your answer is {float(got):.4g}. "
        )
        return says + (
            "For 128 and 5.5 it was right: is one of these two written in as a number?"
            if case
            else "How many bits has the whole word, and among how many characters are they shared out?"
        )


UNITS = Exercise(
    number="2.1",
    title="Per word, per letter",
    prompt=r"""
A paper reports that its model has a perplexity of 128 a *word*. Yours reports bits a *character*. Which one is better?
Nobody can tell before both speak of the same thing. You know that a word of that text has 5.5 characters on average,
the space after it included.

Write the line that turns one into the other. `perplexity` is that of a word, `characters` is the mean number of
characters in a word, both plain numbers; so is the answer.
""",
    hints=(
        "Perplexity is 2 to the power of the bits. Go back from one to the other first.",
        "Those are the bits of a whole word. The surprise at a word is the sum of the surprises at its characters.",
        "`np.log2(...)` of the perplexity, shared out among the characters.",
    ),
    solution=from_word_perplexity,
    why="Bits add up, perplexities multiply. Before you compare two figures ask: per what? A perplexity of 128 a word "
    "is 1.27 bits a character, and 2.4 choices a character.",
    check=_check_from_word_perplexity,
    misconceptions=(*WRONG_UNITS, (_numbers_of_the_text, "written in as a number")),
)


# ---------------------------------------------------------------------------------------------------------------------
# 2.2  the gradient of a table
# ---------------------------------------------------------------------------------------------------------------------
def table_gradient(ids, d_scores, size):
    """∂L/∂W, (size, outputs), for scores = W[ids], from ids (count,) and d_scores (count, outputs)."""
    dW = np.zeros((size, d_scores.shape[1]))
    np.add.at(dW, ids, d_scores)
    return dW


def _repeats_lost(ids, d_scores, size):
    dW = np.zeros((size, d_scores.shape[1]))
    dW[ids] += d_scores
    return dW


def _mean_of_repeats(ids, d_scores, size):
    return table_gradient(ids, d_scores, size) / np.maximum(np.bincount(ids, minlength=size), 1)[:, None]


def _gradient_turned(ids, d_scores, size):
    return table_gradient(ids, d_scores, size).T


def _whole_in_each_row(ids, d_scores, size):
    dW = np.zeros((size, d_scores.shape[1]))
    dW[ids] = d_scores.sum(axis=0)
    return dW


def _divided_by_count(ids, d_scores, size):
    return table_gradient(ids, d_scores, size) / len(ids)


def _step_downhill(ids, d_scores, size):
    return -table_gradient(ids, d_scores, size)


WRONG_TABLES = (
    (
        _repeats_lost,
        "A row that was looked up once is right; of one that was looked up several times only the last "
        "look-up has survived. `dW[ids] += d` reads all rows, adds, and writes them back, so repeats "
        "overwrite each other: NumPy, not you. What adds one after the other?",
    ),
    (
        _mean_of_repeats,
        "Rows that were looked up several times have the mean of what came for them. A row used three "
        "times is nudged three times: add up.",
    ),
    (_gradient_turned, "This is the transpose. Row i of W is what letter i looks up; so is row i of its gradient."),
    (
        _whole_in_each_row,
        "Each row that was used gets what came for all of them. It should get what came for its own look-ups.",
    ),
    (
        _divided_by_count,
        "This is divided by the number of look-ups. If the loss is a mean, `d_scores` has been divided already.",
    ),
    (
        _step_downhill,
        "This is the gradient with its sign turned. The gradient points uphill; the minus comes later, in "
        "the step: `W -= rate * dW`.",
    ),
)


def _check_table_gradient(attempt):
    rng = np.random.default_rng(22)
    # look-ups and rows differ in number; in the second case a transpose has the right shape
    for ids, size, outputs in [([2, 0, 2, 1, 2], 6, 3), ([1, 3, 3, 0, 1], 4, 4)]:
        ids, d_scores = np.array(ids), rng.normal(size=(len(ids), outputs))
        args = ids, d_scores, size
        answer = attempt(*args)
        if getattr(answer, "shape", None) == (outputs, size) != (size, outputs):
            return dict(WRONG_TABLES)[_gradient_turned]
        got = array_of_shape(answer, (size, outputs), "the gradient of the table, (size, outputs)")
        wanted = table_gradient(*args)
        if np.allclose(got, wanted):
            continue
        if says := first_match(got, args, WRONG_TABLES):
            return says
        wrong = [i for i in range(size) if not np.allclose(got[i], wanted[i])]
        rows = f"row{'s' * (len(wrong) > 1)} {listed(wrong)}"
        return (
            f"With ids {ids.tolist()} and a table of {size} rows, your gradient is wrong in {rows}. Row i answers "
            f"for every look-up of letter i, and for no other; a letter that was not looked up has a row of zeros."
        )


TABLE = Exercise(
    number="2.2",
    title="A row for each look-up",
    prompt=r"""
For 27 letters the product of one-hot vectors with a matrix is cheap. For 50,000 words it is a waste: nearly everything
is multiplied by 0. Real programs look the rows up, `scores = W[ids]`, and never make a one-hot vector.

Then the gradient cannot be the transposed input times `d_scores` either. Write it without one-hot vectors. `ids` has
shape `(count,)`; `d_scores`, of shape `(count, outputs)`, is $\hat y - y$, divided by the count already; the answer has
the shape of $W$, `(size, outputs)`. The same letter may be looked up more than once.
""",
    hints=(
        "Say what the product with the transposed one-hot vectors does, in words: which rows of `d_scores` end up in "
        "row 7 of the answer?",
        "Start from zeros of shape (size, outputs). Each row of `d_scores` is added to the row of its letter.",
        "A loop over `zip(ids, d_scores)` will do. Without a loop: `np.add.at(dW, ids, d_scores)`, because "
        "`dW[ids] += d_scores` loses repeats.",
    ),
    solution=table_gradient,
    why="This is an embedding layer's whole backward pass: the same row, used several times, gets the sum. In lesson "
    "04 a matrix that is used at several moments gets the sum as well. (One-hot vectors give the same numbers; for "
    "50,000 words and a thousand look-ups they fill 400 MB first.)",
    check=_check_table_gradient,
    misconceptions=WRONG_TABLES,
)


# ---------------------------------------------------------------------------------------------------------------------
# 2.3  a mean over what is real
# ---------------------------------------------------------------------------------------------------------------------
def masked_bits(p, mask):
    """Mean surprise in bits over the real steps: p and mask (batch, time) -> a number."""
    return -np.log2(p[mask]).mean()


def _everything_counted(p, mask):
    return -np.log2(p).mean()


def _zeroed_but_counted(p, mask):
    return -np.log2(np.where(mask, p, 1)).mean()


def _mean_of_row_means(p, mask):
    return np.mean([-np.log2(row[real]).mean() for row, real in zip(p, mask, strict=True)])


def _per_row(p, mask):
    return -np.log2(p[mask]).sum() / len(p)


def _log_of_the_mean(p, mask):
    return -np.log2(p[mask].mean())


def _masked_in_nats(p, mask):
    return -np.log(p[mask]).mean()


def _padding_only(p, mask):
    return -np.log2(p[~mask]).mean()


def _sign_forgotten(p, mask):
    return np.log2(p[mask]).mean()


def _weighed_by_p(p, mask):
    return -(p * np.log2(p))[mask].mean()


def _weighed_by_p_and_added(p, mask):
    return -(p * np.log2(p))[mask].sum()


def _masked_perplexity(p, mask):
    return 2 ** -np.log2(p[mask]).mean()


def _added_only(p, mask):
    return -np.log2(p[mask]).sum()


def _first_step_dropped(p, mask):
    return -np.log2(p[:, 1:][mask[:, 1:]]).mean()


def _times_mask(p, mask):
    return (-np.log2(p) * mask).sum() / mask.sum()


_WEIGHED = (
    "Each surprise is multiplied by its p. That is how one averages over what may come, before it has come. "
    "Here the steps have come, and each counts once."
)
WRONG_MEANS = (
    (
        _everything_counted,
        "This is the mean over all steps, the filling included. What the model says about filling is "
        "of no interest, good or bad.",
    ),
    (
        _zeroed_but_counted,
        "The surprise at the filling is taken out of the sum, but its steps still count in the "
        "division. Divide by the number of real steps.",
    ),
    (
        _mean_of_row_means,
        "You average within each row and then over the rows. So a letter of a short word counts more "
        "than one of a long word. Add up all surprises first, and divide once.",
    ),
    (_per_row, "This is divided by the number of rows: bits a word. Asked for are bits a step."),
    (
        _log_of_the_mean,
        "You average the probabilities and take the logarithm after that. The surprise of the average "
        "is less than the average of the surprises, and flatters.",
    ),
    (_masked_in_nats, "The right mean in the wrong unit: `np.log` gives nats."),
    (_padding_only, "The mask is the wrong way round: True means a real step."),
    (_sign_forgotten, "The size is right, and a surprise is never negative: it is *minus* the logarithm."),
    (_weighed_by_p, _WEIGHED),
    (_weighed_by_p_and_added, _WEIGHED),
    (_masked_perplexity, "This is the perplexity, 2 to the power of what is asked for."),
    (_added_only, "This is the sum over the real steps. How many are they?"),
    (
        _first_step_dropped,
        "The first step of each row is left out. In the lesson `mask[:, 1:]` went with the targets, "
        "which begin one step after the inputs; here `p` and `mask` speak of the same steps.",
    ),
)


def _check_masked_bits(attempt):
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0]], bool)
    p = np.random.default_rng(23).uniform(0.05, 0.9, mask.shape)
    got = array_of_shape(attempt(p, mask), (), "one number, the mean surprise in bits")
    if not np.isclose(got, masked_bits(p, mask)):
        return first_match(got, (p, mask), WRONG_MEANS) or (
            f"For the check's rows the answer is {masked_bits(p, mask):.4f} bits; yours is {float(got):.4f}. Two "
            f"things to look at: which steps are in the sum, and by how many it is divided."
        )
    # a model may give the filling any probability, even 0
    p[~mask] = 0
    got = array_of_shape(attempt(p, mask), (), "one number, the mean surprise in bits")
    if not np.isclose(got, masked_bits(p, mask)):
        return (
            f"Right, until the model gives the filling a probability of 0: then your answer is {float(got)}. The "
            f"logarithm of 0 is -inf, and 0 times inf is not a number. Pick the real steps before you take the "
            f"logarithm."
        )
    # one row alone, all real
    got = array_of_shape(attempt(p[:1], mask[:1]), (), "one number, the mean surprise in bits")
    if not np.isclose(got, masked_bits(p[:1], mask[:1])):
        return "Right for three rows, and wrong for one row without filling. Is a number of rows or steps written in?"


MASKED = Exercise(
    number="2.3",
    title="Only what is real",
    prompt=r"""
A batch of words, filled up to the length of the longest. `p[i, t]` is the probability that your model gave to what
really came at step `t` of row `i`; `mask[i, t]` is True where that step is real. Both have shape `(batch, time)`.

What is the mean surprise at a *real* step, in bits? What stands in `p` at the filling means nothing: it may be any
number from 0 to 1.
""",
    hints=(
        "Which numbers belong in the sum, and by how many do you divide?",
        "`p[mask]` picks the real entries of all rows into one flat array.",
        "The surprise at each of these is `-np.log2(p[mask])`. Take the mean of that.",
    ),
    solution=masked_bits,
    why="Sum of all surprises over number of real symbols: whatever the lengths, and however the words were put "
    "together into batches, that number is the same.",
    check=_check_masked_bits,
    misconceptions=(*WRONG_MEANS, (_times_mask, "until the model gives the filling a probability of 0")),
)


# ---------------------------------------------------------------------------------------------------------------------
# 2.4  no window on both sides
# ---------------------------------------------------------------------------------------------------------------------
def split_then_cut(ids, length, first_of_test):
    """All windows of `length` that lie before position `first_of_test`, and all from there on: (learn, test)."""
    from course_lib.sequences import windows

    return windows(ids[:first_of_test], length), windows(ids[first_of_test:], length)


def _cut_then_split(ids, length, first_of_test):
    pieces = windows(ids, length)
    return pieces[:first_of_test], pieces[first_of_test:]


def _cut_then_shuffle(ids, length, first_of_test):
    pieces = windows(ids, length)
    order = np.random.default_rng(0).permutation(len(pieces))
    return pieces[order[:first_of_test]], pieces[order[first_of_test:]]


def _sides_exchanged(ids, length, first_of_test):
    learn, test = split_then_cut(ids, length, first_of_test)
    return test, learn


def _end_to_end(ids, length, first_of_test):
    return windows(ids[:first_of_test], length, length), windows(ids[first_of_test:], length, length)


def _one_too_few(ids, length, first_of_test):
    return windows(ids[: first_of_test - 1], length), windows(ids[first_of_test:], length)


def _border_in_the_test(ids, length, first_of_test):
    return windows(ids[:first_of_test], length), windows(ids[first_of_test - length + 1 :], length)


def _each_once(ids, length, first_of_test):
    return tuple(np.unique(side, axis=0) for side in split_then_cut(ids, length, first_of_test))


def _border_written_in(ids, length, first_of_test):
    return windows(ids[:30], length), windows(ids[30:], length)


def _rows_of_windows(side, name, length):
    rows = np.asarray(side) if isinstance(side, np.ndarray | list | tuple) and len(side) else np.zeros(0)
    if rows.ndim != 2 or rows.dtype.kind not in "iuf" or rows.shape[1] != length or not np.isfinite(rows).all():
        raise Review(
            f"Expected for the {name} side: an array of shape (count, {length}), a row for each window. What "
            f"came is of type `{type(side).__name__}`"
            + (f" and shape {rows.shape}." if isinstance(side, np.ndarray) else ".")
        )
    return rows.astype(int)


def _check_split_then_cut(attempt):
    for time, length, first in [(40, 5, 30), (60, 3, 41)]:
        got = attempt(np.arange(time), length, first)  # each symbol tells its position
        if not isinstance(got, tuple | list) or len(got) != 2:
            return f"Expected: two arrays, `(learn, test)`. What came is of type `{type(got).__name__}`" + (
                f" with {len(got)} parts." if isinstance(got, tuple | list) else "."
            )
        learn, test = _rows_of_windows(got[0], "learning", length), _rows_of_windows(got[1], "test", length)
        if (np.diff(learn) != 1).any() or (np.diff(test) != 1).any():
            return "A window is a stretch of the text: its symbols follow each other. In yours some do not."
        if learn.min() >= first and test.max() < first:
            return "The sides are exchanged: the beginning of the text is for learning, its end for the test."
        both = np.intersect1d(learn, test)
        if len(both):
            shuffled = (np.diff(learn[:, 0]) < 0).any()
            where = f"position{'s' * (len(both) > 1)} {listed(both[:4])}{' and others' if len(both) > 4 else ''}"
            return (
                f"Some of the text is on both sides: {where}, for a text of {time} symbols, windows of {length} "
                f"and a test that begins at {first}. "
                + (
                    "The windows were shuffled before the split; neighbours overlap, so nearly every test window "
                    "has been read in pieces. Split the text first."
                    if shuffled
                    else "Windows that lie across the border belong to neither side. Split the text first, and cut "
                    "each "
                    "side into windows after that."
                )
            )
        if learn.max() >= first or test.min() < first:
            return (
                f"Nothing is on both sides, but the border is not where it was asked for: the test begins at "
                f"position {first}, and your windows reach up to {learn.max()} on one side and start at "
                f"{test.min()} on the other."
            )
        counts = len(learn), len(test)
        wanted = tuple(map(len, split_then_cut(np.arange(time), length, first)))
        if counts != wanted or len(np.unique(learn[:, 0])) != wanted[0] or len(np.unique(test[:, 0])) != wanted[1]:
            return (
                f"No position is on both sides. But asked for are all windows on each side, {wanted[0]} and "
                f"{wanted[1]} of them in a text of {time} symbols with windows of {length} and a test from {first} "
                f"on; yours are {counts[0]} and {counts[1]}. Is a symbol at the border left out, or a stride not "
                f"1?"
            )
    coins = np.random.default_rng(24).integers(0, 2, 30)  # windows that look alike
    got = attempt(coins, 3, 18)
    for side, name, wanted in zip(got, ("learning", "test"), split_then_cut(coins, 3, 18), strict=True):
        rows = _rows_of_windows(side, name, 3)
        if sorted(rows.tolist()) != sorted(wanted.tolist()):
            return (
                f"Right for a text in which no symbol comes twice. In a text of zeros and ones many windows look "
                f"alike, and each of them counts: on the {name} side there are {len(wanted)}, and yours are "
                f"{len(rows)}. Is something sorted out, or recognised by its symbols?"
            )


SPLIT = Exercise(
    number="2.4",
    title="No window on both sides",
    prompt=r"""
The same data, without the leak. `ids` is one long text, `(time,)`. Everything before position `first_of_test` is for
learning, everything from there on is for the test. Return two arrays of windows, `(learn, test)`, each of shape
`(count, length)`: *all* windows of that length on each side, and no symbol of the text on both.

`windows(ids, length)` is at your service.
""",
    hints=(
        "Draw a text of ten symbols, a border after the sixth, and all windows of three. Which of them lie across the "
        "border?",
        "Two operations, splitting and cutting. In which order does no window lie across the border?",
        "`ids[:first_of_test]` and `ids[first_of_test:]` first; then `windows` of each.",
    ),
    solution=split_then_cut,
    why="Split first, cut afterwards, shuffle last and only within a side. A few windows at the border are lost, and "
    "that is the price of a number that means something.",
    check=_check_split_then_cut,
    misconceptions=(
        (_cut_then_split, "Windows that lie across the border belong to neither side"),
        (_cut_then_shuffle, "The windows were shuffled before the split"),
        (_sides_exchanged, "The sides are exchanged"),
        (_end_to_end, "a stride not 1"),
        (_one_too_few, "Is a symbol at the border left out"),
        (_border_in_the_test, "Some of the text is on both sides"),
        (_each_once, "many windows look alike"),
        (_border_written_in, "the border is not where it was asked for"),
    ),
)


# ---------------------------------------------------------------------------------------------------------------------
# 2.5  an honest choice
# ---------------------------------------------------------------------------------------------------------------------
WORLDS = (  # bits for n = 1, 2, ... on the validation text and on the test text, and how the world is
    ((2.6, 2.4, 2.1, 1.8, 1.9, 2.2, 2.5, 2.7), (2.6, 2.4, 2.1, 1.84, 1.95, 2.2, 2.5, 2.7), "n = 4 is best"),
    ((2.0, 1.2, 1.3, 1.5, 1.8, 2.0, 2.1, 2.2), (2.0, 1.25, 1.33, 1.5, 1.8, 2.0, 2.1, 2.2), "n = 2 is best"),
    (
        (2.5, 2.2, 2.25, 2.0, 1.7, 1.6, 1.9, 2.1),
        (2.5, 2.2, 2.28, 2.0, 1.72, 1.66, 1.9, 2.1),
        "n = 6 is best, behind a small hill at n = 3",
    ),
    (
        (2.4, 1.9, 1.52, 1.55, 1.8, 2.0, 2.2, 2.3),
        (2.4, 1.9, 1.60, 1.58, 1.8, 2.0, 2.2, 2.3),
        "the validation text prefers n = 3, and the test text, by luck, n = 4",
    ),
    ((1.4, 1.5, 1.7, 1.9, 2.0, 2.2, 2.3, 2.4), (1.45, 1.52, 1.7, 1.9, 2.0, 2.2, 2.3, 2.4), "n = 1 is best"),
    ((2.7, 2.5, 2.4, 2.2, 2.1, 1.9, 1.8, 1.7), (2.7, 2.5, 2.4, 2.2, 2.1, 1.9, 1.82, 1.75), "n = 8 is best"),
    (
        (2.5, 2.3, 2.0, 1.9, 1.78, 1.9, 2.1, 2.3),
        (2.5, 2.3, 2.0, 1.85, 1.71, 1.83, 2.1, 2.3),
        "n = 5 is best, and the test text is the luckier one",
    ),
)
MOST_ASKED = 60


def choose_n(score):
    """Return (n, bits): the n you chose, and the figure you would print for text that nobody has seen."""
    validation = {n: score(n, "validation") for n in range(1, 9)}
    n = min(validation, key=validation.get)
    return n, score(n, "test")


def _best_on_what_was_read(score):
    n = min(range(1, 9), key=lambda n: score(n, "learn"))
    return n, score(n, "test")


def _best_on_the_test(score):
    test = {n: score(n, "test") for n in range(1, 9)}
    n = min(test, key=test.get)
    return n, test[n]


def _validation_figure_printed(score):
    validation = {n: score(n, "validation") for n in range(1, 9)}
    n = min(validation, key=validation.get)
    return n, validation[n]


def _learning_figure_printed(score):
    n = min(range(1, 9), key=lambda n: score(n, "validation"))
    return n, score(n, "learn")


def _peeked(score):
    both = {n: (score(n, "validation"), score(n, "test")) for n in range(1, 9)}
    n = min(both, key=lambda n: both[n][0])
    return n, both[n][1]


def _first_dip(score):
    n = 1
    while score(n + 1, "validation") < score(n, "validation"):
        n += 1
    return n, score(n, "test")


def _only_short_ones(score):
    n = min(range(1, 4), key=lambda n: score(n, "validation"))
    return n, score(n, "test")


def _worse_of_two(score):
    n = min(range(1, 9), key=lambda n: score(n, "validation"))
    return n, max(score(n, "validation"), score(n, "test"))


def _ends_left_out(score):
    n = min(range(2, 9), key=lambda n: score(n, "validation"))
    return n, score(n, "test")


def _last_left_out(score):
    n = min(range(1, 8), key=lambda n: score(n, "validation"))
    return n, score(n, "test")


def _best_of_the_sum(score):
    n = min(range(1, 9), key=lambda n: score(n, "validation") + score(n, "test"))
    return n, score(n, "test")


def _always_four(score):
    return 4, score(4, "test")


def _longest(score):
    n = max(range(1, 9), key=lambda n: score(n, "validation"))
    return n, score(n, "test")


def _world(validation, test):
    """A ``score`` with known answers, and the list of what it was asked."""
    asked = []

    def score(n, part):
        if not isinstance(n, Integral) or isinstance(n, bool) or not 1 <= n <= len(test):
            raise Review(f"`score(n, part)` takes a whole number n from 1 to {len(test)}; it was asked for n = {n!r}.")
        if part not in ("learn", "validation", "test"):
            raise Review(
                f'`score(n, part)` knows the parts "learn", "validation" and "test", and was asked for {part!r}.'
            )
        asked.append((int(n), part))
        if len(asked) > MOST_ASKED:
            raise Review(f"More than {MOST_ASKED} scores asked for, and no end. Eight lengths are enough.")
        return {"learn": 2.6 - 0.25 * int(n), "validation": validation[n - 1], "test": test[n - 1]}[part]

    return score, asked


def _check_choose_n(attempt):
    for validation, test, world in WORLDS:
        score, asked = _world(validation, test)
        got = attempt(score)
        if not isinstance(got, tuple | list) or len(got) != 2:
            return f"Expected: a pair `(n, bits)`. What came is of type `{type(got).__name__}`."
        n, bits = got
        if not isinstance(n, Integral) or isinstance(n, bool):
            return f"The first part is the n you chose, a whole number; what came is of type `{type(n).__name__}`."
        if says := _about_the_choice(int(n), asked, validation, world):
            return says
        bits = float(array_of_shape(bits, (), "the second part, bits as one number"))
        if says := _about_the_figure(int(n), bits, asked, validation, test, world):
            return says


def _about_the_choice(n, asked, validation, world):
    """What is wrong with how n was chosen, or None."""
    tested = [m for m, part in asked if part == "test"]
    validated = {m for m, part in asked if part == "validation"}
    if not validated and len(set(tested)) > 1:
        return (
            f"You have chosen n with the test text: it was asked for n = {listed(sorted(set(tested)))}. Then its "
            f"figure is the luckiest of several, and no longer one for text that nobody has seen. There is a "
            f"validation text for choosing."
        )
    if not validated and any(part == "learn" for _, part in asked):
        return (
            "You have chosen by the text that the tables have read. There the longest table always looks best: it "
            "remembers."
        )
    if not validated:
        return f"Your answer is n = {n}, and you have compared it with no other. In a world where {world}, is it right?"
    best = min(range(1, len(validation) + 1), key=lambda m: validation[m - 1])
    if best not in validated:
        return (
            f"In a world where {world}, you asked the validation text about n = {listed(sorted(validated))} only. "
            f"A curve may rise and fall again: look at all eight."
        )
    if n != best:
        return (
            f"In a world where {world}, your answer is n = {n}, but of the figures that you got from the "
            f"validation text the lowest is at n = {best}. Fewer bits are better."
        )
    if len(set(tested)) > 1:
        return (
            f"The test text was opened for n = {listed(sorted(set(tested)))}, so it may have had a say in the "
            f"choice. Ask it once, at the very end, for the n that the validation text has chosen: whoever sees "
            f"eight figures cannot forget seven."
        )
    return None


def _about_the_figure(n, bits, asked, validation, test, world):
    """What is wrong with the figure reported, or None."""
    if math.isclose(bits, test[n - 1]) and (n, "test") in asked:
        return None
    if math.isclose(bits, test[n - 1]):
        return (
            f"You report {bits:g} bits for n = {n} on the test text without having asked for it. Is that figure "
            f"written into your procedure?"
        )
    if math.isclose(bits, validation[n - 1]) and bits > test[n - 1]:
        return (
            f"In a world where {world}, you report {bits:g} bits: the validation text's figure, here the worse of "
            f"two. To be careful is not to be right. The text that has not been used for anything says "
            f"{test[n - 1]:g}; report what it says, better or worse."
        )
    if math.isclose(bits, validation[n - 1]):
        return (
            f"In a world where {world}, you report {bits:g} bits: the validation text's figure. It was the best of "
            f"eight on that very text, so part of it is luck. The test text has not been used for anything yet."
        )
    if math.isclose(bits, 2.6 - 0.25 * n):
        return (
            f"You report {bits:g} bits, the figure on the text that the table has read. It remembers that text; "
            f"what will it score on another?"
        )
    return (
        f"In a world where {world}, you chose n = {n} and report {bits:g} bits, but the test text says "
        f"{test[n - 1]:g} for it. Report what came out, as it came out."
    )


CHOICE = Exercise(
    number="2.5",
    title="Which n, and how good is it?",
    prompt=r"""
In every picture above we could see where the curve on unseen text is lowest, because we drew all of it. In real life
you have to *choose* n, and then say how good the chosen table will be on text that nobody has seen.

You have a measuring device: `score(n, part)` reads a text into an n-gram and returns its bits a symbol on one of three
parts: `"learn"`, the text that it has read; `"validation"` and `"test"`, two others. n goes from 1 to 8. Design the
procedure: `choose_n(score)` returns a pair `(n, bits)`, the n of your choice and the figure that you would print.

The check hands your procedure devices from several worlds, watches what it asks for, and sees whether your figure is
one that you could stand by.
""",
    hints=(
        "What does the figure on the learning text say about a table of length 8? What does the smallest of eight "
        "figures on one text say about another text?",
        "One part is for learning, one for choosing, one for reporting. What has been used for one is spent for the "
        "next.",
        'Collect `{n: score(n, "validation") for n in range(1, 9)}`, take the n with the fewest bits, and ask '
        '`score(n, "test")` once.',
    ),
    solution=choose_n,
    why="Choosing is learning too: the best of eight is partly lucky. In one of the check's worlds the test text would "
    "have preferred another n by a hair. An honest report says what came out, even if it is worse, and is believed "
    "the next time.",
    check=_check_choose_n,
    misconceptions=(
        (_best_on_what_was_read, "the longest table always looks best"),
        (_best_on_the_test, "You have chosen n with the test text"),
        (_validation_figure_printed, "It was the best of eight on that very text"),
        (_learning_figure_printed, "It remembers that text"),
        (_peeked, "whoever sees eight figures cannot forget seven"),
        (_first_dip, "A curve may rise and fall again"),
        (_only_short_ones, "look at all eight"),
        (_ends_left_out, "look at all eight"),
        (_last_left_out, "look at all eight"),
        (_worse_of_two, "report what it says, better or worse"),
        (_best_of_the_sum, "whoever sees eight figures cannot forget seven"),
        (_always_four, "compared it with no other"),
        (_longest, "Fewer bits are better"),
    ),
)


EXERCISES = [UNITS, TABLE, MASKED, SPLIT, CHOICE]
check, hint, solution = bank(EXERCISES)
