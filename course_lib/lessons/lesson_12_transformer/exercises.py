"""Exercises of lesson 12, Transformer: heads side by side, a test for looking ahead, a picture, and a price."""

from __future__ import annotations

from numbers import Real

import numpy as np

from course_lib.teaching.exercise import Exercise, bank
from course_lib.teaching.running import Review, array_of_shape, first_match


# ---------------------------------------------------------------------------------------------------------------------
# 12.1  all heads at once
# ---------------------------------------------------------------------------------------------------------------------
def split_heads(x, heads):
    """(batch, time, features) -> (batch, heads, time, features / heads)."""
    batch, time, features = x.shape
    return x.reshape(batch, time, heads, features // heads).swapaxes(1, 2)


def _reshaped_at_once(x, heads):
    batch, time, features = x.shape
    return x.reshape(batch, heads, time, features // heads)


def _every_so_many(x, heads):
    batch, time, features = x.shape
    return x.reshape(batch, time, features // heads, heads).transpose(0, 3, 1, 2)


def _not_swapped(x, heads):
    batch, time, features = x.shape
    return x.reshape(batch, time, heads, features // heads)


def _time_last(x, heads):
    return split_heads(x, heads).swapaxes(2, 3)


def _same_for_all(x, heads):
    return np.repeat(x[:, None, :, : x.shape[-1] // heads], heads, axis=1)


WRONG_SPLITS = (
    (
        _reshaped_at_once,
        "The shape is right, and positions are mixed up: `reshape` keeps the order in memory, so a head gets numbers "
        "of several positions in one row. First cut the *last* axis in two, then move the axis of the heads.",
    ),
    (
        _every_so_many,
        "Each head got every so many-th feature. Head 0 gets the first features, the next head the next ones: cut the "
        "last axis into (heads, size), in this order.",
    ),
    (_same_for_all, "All your heads hold the first features. Head h gets the columns from h·size to (h + 1)·size."),
)


def _check_split(attempt):
    rng = np.random.default_rng(121)
    for batch, time, heads, size in ((2, 5, 3, 4), (3, 4, 2, 4)):
        x = rng.normal(size=(batch, time, heads * size))
        want = split_heads(x, heads)
        got = attempt(x.copy(), heads)
        if isinstance(got, np.ndarray):
            for wrong, says in (
                (
                    _not_swapped,
                    "The last axis is cut as it should be. Now the axes are (batch, time, heads, size): swap time and "
                    "heads.",
                ),
                (_time_last, "The last two axes are the wrong way round: the last one holds the features of a head."),
            ):
                other = wrong(x, heads)
                if got.shape == other.shape and np.allclose(got, other):
                    return says
        got = array_of_shape(got, want.shape, "the heads side by side, (batch, heads, time, features / heads)")
        if np.allclose(got, want):
            continue
        if says := first_match(got, (x, heads), WRONG_SPLITS):
            return says
        return (
            "Head h at time t of your result has to be `x[:, t, h * size : (h + 1) * size]`, with size = features / "
            "heads. Compare one of them by hand."
        )


SPLIT = Exercise(
    number="12.1",
    title="All heads at once",
    prompt=r"""
The lesson goes through the heads in a loop. Libraries do all of them in one matrix product. For this, the queries of
all heads, which stand side by side, get an axis of their own for the heads. `x` has the shape
`(batch, time, features)`, and `features` is a multiple of `heads`. Return an array of shape
`(batch, heads, time, features / heads)`, in which head 0 has the first `features / heads` columns of each position,
head 1 the next ones, and so on.
""",
    hints=(
        "`reshape` may cut one axis into two neighbours without mixing anything. Which axis is to be cut?",
        "After `x.reshape(batch, time, heads, features // heads)` all numbers are in the right group. Only the order "
        "of the axes is wrong.",
        "`return x.reshape(batch, time, heads, features // heads).swapaxes(1, 2)`",
    ),
    solution=split_heads,
    why="With this axis `q @ k.swapaxes(-1, -2)` gives the scores of all heads at once. A reshape straight to the "
    "final shape runs without an error and trains badly: compare with the loop.",
    check=_check_split,
    misconceptions=(*WRONG_SPLITS, (_not_swapped, "swap time and heads"), (_time_last, "wrong way round")),
)


def _softmax(scores, axis=-1):
    e = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _number(value, what):
    """The value as an array without axes, or a Review."""
    if isinstance(value, Real) and not isinstance(value, bool):
        return np.asarray(float(value))
    if isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "iuf":
        return value.astype(float)
    shape = f" and of shape {value.shape}" if isinstance(value, np.ndarray) else ""
    raise Review(f"Expected: {what}. What came is of type `{type(value).__name__}`{shape}.")


# ---------------------------------------------------------------------------------------------------------------------
# 12.2  who looks ahead?
# ---------------------------------------------------------------------------------------------------------------------
def looks_ahead(layer, x):
    """Does any output of ``layer(x)``, (batch, time, features) to the same, depend on a later input?"""
    rng, before = np.random.default_rng(0), layer(x)
    for t in range(1, x.shape[1]):
        changed = x.copy()
        changed[:, t:] = rng.normal(size=changed[:, t:].shape)
        if not np.allclose(layer(changed)[:, :t], before[:, :t]):
            return True
    return False


def _adds_the_same_everywhere(layer, x):
    for t in range(1, x.shape[1]):
        changed = x.copy()
        changed[:, t:] += 1.7
        if not np.allclose(layer(changed)[:, :t], layer(x)[:, :t]):
            return True
    return False


def _nudges_and_takes_any_difference(layer, x):
    for s in range(1, x.shape[1]):
        nudged = x.copy()
        nudged[:, s] += 0.01
        if (np.abs(layer(nudged)[:, :s] - layer(x)[:, :s]) > 0).any():
            return True
    return False


def _one_cut_in_the_middle(layer, x):
    changed, middle = x.copy(), x.shape[1] // 2
    changed[:, middle:] = 0
    return not np.allclose(layer(changed)[:, :middle], layer(x)[:, :middle])


def _first_feature_only(layer, x):
    for t in range(1, x.shape[1]):
        changed = x.copy()
        changed[:, t:, 0] += 1.7
        if not np.allclose(layer(changed)[:, :t], layer(x)[:, :t]):
            return True
    return False


def _compares_everything(layer, x):
    changed = x.copy()
    changed[:, -1] += 1.7
    return not np.allclose(layer(changed), layer(x))


def _present_counts(layer, x):
    for t in range(1, x.shape[1]):
        changed = x.copy()
        changed[:, t:] += 1.7
        if not np.allclose(layer(changed)[:, : t + 1], layer(x)[:, : t + 1]):
            return True
    return False


def _first_output_only(layer, x):
    changed = x.copy()
    changed[:, -1] += 1.7
    return not np.allclose(layer(changed)[:, 0], layer(x)[:, 0])


def _last_input_only(layer, x):
    changed = x.copy()
    changed[:, -1] += 1.7
    return not np.allclose(layer(changed)[:, :-1], layer(x)[:, :-1])


def _past_instead(layer, x):
    changed = x.copy()
    changed[:, 0] += 1.7
    return not np.allclose(layer(changed)[:, 1:], layer(x)[:, 1:])


def _look(x, allowed):
    scores = np.where(allowed, x @ x.swapaxes(1, 2), -np.inf)
    return _softmax(scores) @ x


def _takes_one_feature(x):
    y = x.copy()
    y[:, 1, 0] += x[:, 5, -1]
    return y


def _normalises_and_looks(x):
    n = x - x.mean(axis=-1, keepdims=True)
    n = n / np.sqrt((n**2).mean(axis=-1, keepdims=True) + 1e-5)
    n = n.round(9)  # so that no test passes on a rounding error
    return x + _look(n, np.ones((7, 7), bool))


_TRI = np.tri(7, dtype=bool)


def _peeks(step, later):
    allowed = _TRI.copy()
    allowed[step - 1, later - 1] = True
    return lambda x: _look(x, allowed)


ONE_FEATURE = "a layer in which step 2 takes one feature of step 6"
NORMALISED = "attention without a mask behind a layer normalisation, as in the block of this lesson"
LAYERS = (  # layer, whether it looks ahead, what it is
    (lambda x: _look(x, _TRI), False, "attention in which each step looks at itself and at what came before it"),
    (lambda x: np.cumsum(x, axis=1), False, "a running sum, which has seen only the past and the present"),
    (lambda x: np.tanh(x), False, "a layer that treats each step alone"),
    (lambda x: _look(x, np.ones((7, 7), bool)), True, "attention without a mask"),
    (lambda x: _look(x, np.tri(7, k=1, dtype=bool)), True, "attention that sees one step too far"),
    (lambda x: x + x.mean(axis=1, keepdims=True), True, "a layer that adds the mean over all steps"),
    (_peeks(3, 5), True, "attention in which step 3 alone peeks, at step 5 alone"),
    (_peeks(1, 2), True, "attention in which step 1 alone peeks, at step 2 alone"),
    (_peeks(6, 7), True, "attention in which step 6 alone peeks, at step 7 alone"),
    (lambda x: np.cumsum(x[:, ::-1], axis=1)[:, ::-1], True, "a sum that runs backwards"),
    (_takes_one_feature, True, ONE_FEATURE),
    (_normalises_and_looks, True, NORMALISED),
)


def _adds_to_x_itself(layer, x):
    before = layer(x)
    for t in range(1, x.shape[1]):
        x[:, t:] += 1.7
        if not np.allclose(layer(x)[:, :t], before[:, :t]):
            return True
    return False


def _puts_nan(layer, x):
    before = layer(x)
    for t in range(1, x.shape[1]):
        changed = x.copy()
        changed[:, t:] = np.nan
        if not np.allclose(layer(changed)[:, :t], before[:, :t]):
            return True
    return False


def _hardly_changes(layer, x):
    before = layer(x)
    for t in range(1, x.shape[1]):
        changed = x.copy()
        changed[:, t:] += 1e-9
        if not np.allclose(layer(changed)[:, :t], before[:, :t]):
            return True
    return False


def _watched(layer, x, seen):
    """The layer, which notes in ``seen`` what a test should not have given it."""
    first = []

    def watched(y):
        y = np.asarray(y)
        if y.ndim != 3 or y.shape[1:] != x.shape[1:]:
            raise Review(
                f"Your test gave the layer an array of shape {y.shape}, but it takes sequences of the full "
                f"length, {x.shape}. Change what comes later instead of cutting it off."
            )
        if not first:
            first.extend((y, y.copy()))
        elif (first[0] != first[1]).any():
            seen.add("changed in place")
        if not np.isfinite(y).all():
            seen.add("not a number")
        elif (y != first[1][: len(y)]).any() and np.allclose(y, first[1][: len(y)]):
            seen.add("hardly changed")
        return layer(y)

    return watched


def _check_looks_ahead(attempt):
    x = np.random.default_rng(122).normal(size=(2, 7, 3))
    said, seen = [], set()
    for layer, truth, what in LAYERS:
        answer = attempt(_watched(layer, x, seen), x)
        if not isinstance(answer, bool | np.bool_):
            raise Review(
                f"Expected: True or False. What came is of type `{type(answer).__name__}`. `bool(...)` or "
                f"`np.allclose(...)` make one of an array."
            )
        said.append((bool(answer), truth, what))
    false_alarms = [what for answer, truth, what in said if answer and not truth]
    missed = [what for answer, truth, what in said if truth and not answer]
    if (false_alarms or missed) and "changed in place" in seen:
        return (
            "You changed `x` itself, so the earlier changes are still in it when the next trial begins, and what "
            "you compare with may have moved too. Take a fresh `x.copy()` for each trial."
        )
    if false_alarms and "not a number" in seen:
        return (
            "Your test put NaN or inf in the future, and a weight of 0 times NaN is NaN, so the past moves even "
            "where nobody looks. Change by ordinary numbers."
        )
    if missed and "hardly changed" in seen:
        return (
            "Your change is so small that `np.allclose` overlooks it, in the input as in the outputs. Change by "
            "something of the size of `x` itself."
        )
    if false_alarms and len(false_alarms) == 3:
        return (
            "Your test cries out at every layer, even one that treats each step alone. When the input at step t "
            "changes, the output at step t may change: only outputs *before* the first change are evidence."
        )
    if false_alarms:
        return (
            f"A false alarm: {false_alarms[0]}. Change something at step t or later, and compare the outputs "
            f"before t: those of the past may not notice a change of the future. The other way round they may."
        )
    if missed == [NORMALISED]:
        return (
            f"Your test misses one layer only: {NORMALISED}. The same change of all features of a step, by adding or "
            f"by multiplying, is what a normalisation takes away. Put other numbers there, of the same size."
        )
    if missed == [ONE_FEATURE]:
        return (
            f"Your test misses one layer only: {ONE_FEATURE}. Change all features of a step, since nobody tells you "
            f"which of them is looked at."
        )
    if missed:
        return (
            f"Your test misses {missed[0]}{f' (and {len(missed) - 1} more)' if len(missed) > 1 else ''}. For each pair "
            f"of an earlier and a later step, some trial has to change the later one and compare the earlier one, "
            f"itself unchanged. Which pairs do your trials leave out?"
        )


AHEAD = Exercise(
    number="12.2",
    title="Who looks ahead?",
    prompt=r"""
Design an experiment. Somebody gives you a layer, a function from `(batch, time, features)` to an array of the same
shape. You cannot read its code; you can only call it, as often as you like, on the `x` that you get and on changed
copies of it, always of its full length. Find out whether *any* of its outputs depends on an input that comes *later*.
Return True if so, and False if not.

The check tries your test on twelve layers, all without chance. Some peek from a single step at a single later one, or
at a single feature of it. One begins with a layer normalisation ($x$ minus its mean over the features, divided by its
standard deviation), as the block of section 3 does.
""",
    hints=(
        "Change the future and see whether the past moves. Which outputs may move, and which may not?",
        "If you change the steps from t on, the outputs at steps before t must stay as they were. One t is not enough: "
        "a peek from step 3 to step 5 shows only for some of them.",
        "For each t from 1 on: `changed = x.copy(); changed[:, t:] = np.random.normal(size=changed[:, t:].shape)`, and "
        "compare `layer(changed)[:, :t]` with `layer(x)[:, :t]` by `np.allclose`.",
    ),
    solution=looks_ahead,
    why="A causal mask is an invariance: change the future, and the past stays what it was. You can test that without "
    "reading a line of the model's code.",
    check=_check_looks_ahead,
    misconceptions=(
        (_compares_everything, "cries out at every layer"),
        (_present_counts, "cries out at every layer"),
        (_first_output_only, "misses attention that sees one step too far"),
        (_last_input_only, "misses attention in which step 3 alone peeks"),
        (_past_instead, "A false alarm"),
        (_one_cut_in_the_middle, "misses attention in which step 1 alone peeks"),
        (_nudges_and_takes_any_difference, "is what a normalisation takes away"),
        (_adds_the_same_everywhere, "is what a normalisation takes away"),
        (_first_feature_only, "Change all features of a step"),
        (_adds_to_x_itself, "You changed `x` itself"),
        (_puts_nan, "put NaN or inf in the future"),
        (_hardly_changes, "so small that `np.allclose` overlooks it"),
    ),
)


# ---------------------------------------------------------------------------------------------------------------------
# 12.3  label the picture
# ---------------------------------------------------------------------------------------------------------------------
def labels():
    """The name of each number of the picture."""
    return {
        1: "embedding",
        2: "positional encoding",
        3: "self-attention",
        4: "residual connection",
        5: "layer normalisation",
        6: "feed-forward network",
        7: "causal self-attention",
        8: "cross-attention",
        9: "softmax",
    }


NAMES = labels()  # which the figures show


def _masked_encoder():
    return NAMES | {3: NAMES[7], 7: NAMES[3]}


def _cross_first():
    return NAMES | {7: NAMES[8], 8: NAMES[7]}


def _cross_in_the_encoder():
    return NAMES | {3: NAMES[8], 8: NAMES[3]}


def _norm_and_residual():
    return NAMES | {4: NAMES[5], 5: NAMES[4]}


def _embedding_and_positions():
    return NAMES | {1: NAMES[2], 2: NAMES[1]}


def _feed_forward_and_norm():
    return NAMES | {5: NAMES[6], 6: NAMES[5]}


WRONG_LABELS = (
    (
        _masked_encoder,
        "3 and 7 are exchanged. The encoder, on the left, has its whole source before it, so no position need be "
        "hidden. The decoder is trained on targets that lie before it whole: there the later ones are masked.",
    ),
    (
        _cross_first,
        "7 and 8 are exchanged. Follow the black arrow: it brings the encoder's output, keys and values for cross-"
        "attention, to one of the two.",
    ),
    (
        _cross_in_the_encoder,
        "3 and 8 are exchanged. The encoder has one sequence only, so nothing to cross to. Follow the black arrow.",
    ),
    (
        _norm_and_residual,
        "4 and 5 are exchanged. 4 is a line around a part, which adds the part's input to its output; 5 is a layer.",
    ),
    (
        _embedding_and_positions,
        "1 and 2 are exchanged. The symbols themselves go into 1; 2 is added and knows nothing of the symbols.",
    ),
    (
        _feed_forward_and_norm,
        "5 and 6 are exchanged. One of the two stands after *every* addition, after attention too.",
    ),
)


def _check_labels(attempt):
    got = attempt()
    if not isinstance(got, dict) or set(got) != set(NAMES):
        raise Review(
            "Expected: a dict with the keys 1 to 9 and a name for each. What came "
            + (f"has the keys {sorted(map(str, got))}." if isinstance(got, dict) else f"is a `{type(got).__name__}`.")
        )
    missing = [number for number, name in got.items() if name in (..., None)]
    if missing:
        return f"No name yet for {', '.join(map(str, missing))}."
    unknown = [name for name in got.values() if name not in NAMES.values()]
    if unknown:
        return f"{unknown[0]!r} is not among the nine names of the prompt. Copy them as they stand there."
    twice = [name for name in NAMES.values() if list(got.values()).count(name) > 1]
    if twice:
        return f"{twice[0]!r} stands at more than one number. Each of the nine names is used once."
    if got == NAMES:
        return None
    for wrong, says in WRONG_LABELS:
        if got == wrong():
            return says
    off = [number for number in NAMES if got[number] != NAMES[number]]
    return (
        f"{9 - len(off)} of 9 are right. Begin with {off[0]}: what goes into it, what comes out, and how often does it "
        "occur?"
    )


LABELS = Exercise(
    number="12.3",
    title="Label the picture",
    prompt=r"""
The picture above is Figure 1 of [Vaswani et al. 2017](../docs/bibliography.md#vaswani-2017), with numbers in place of
names. It normalises *after* each addition; the block above does so before each part. Equal numbers mean equal kinds
of part. Return a dict from each number, 1 to 9, to its name. Each of these names is used once: `"embedding"`,
`"positional encoding"`, `"self-attention"`, `"causal self-attention"`, `"cross-attention"`, `"feed-forward network"`,
`"layer normalisation"`, `"residual connection"`, `"softmax"`.

When it passes, `figures.draw_transformer(named=True)` draws the picture with the names.
""",
    hints=(
        "Begin at the bottom: what turns a symbol into a vector, and what is added to it there?",
        "4 is no box but a line that leads around a part. 5 stands after each addition. 6 stands in both columns and "
        "looks at no other position.",
        "Three boxes are attentions. One reads the source alone; one reads the target alone and must not look ahead; "
        "one gets the black arrow from the encoder.",
    ),
    solution=labels,
    why="To get this lesson's block from the picture, move each normalisation before the part that it stands behind, "
    "off the way that is added. After the last block one more normalisation follows.",
    check=_check_labels,
    misconceptions=WRONG_LABELS,
)


# ---------------------------------------------------------------------------------------------------------------------
# 12.4  the price
# ---------------------------------------------------------------------------------------------------------------------
def length_of_equal_cost(features):
    """The length at which scores and answers take as many multiplications as the four matrices."""
    return 2 * features


def _one_matrix(features):
    return features / 2


def _scores_alone(features):
    return 4 * features


def _squares_equated(features):
    return features


def _three_matrices(features):
    return 1.5 * features


def _first_above(features):
    return 2 * features + 1


WRONG_PRICES = (
    (_one_matrix, "You counted one matrix. There are four: for queries, keys, values, and for the answers at the end."),
    (
        _scores_alone,
        "You counted the scores, T² products of d numbers each. The answers, weights times values, cost as much again.",
    ),
    (
        _squares_equated,
        "Right in kind: one side grows with T d², the other with T² d. But there are four of the first "
        "and two of the second.",
    ),
    (
        _three_matrices,
        "Did you count four matrices? The answers, the heads' side by side, go through one more at the end.",
    ),
    (_first_above, "Right but for the 1: that is the first length at which they cost *more*. At which is it as much?"),
)


def _check_price(attempt):
    for features in (64, 512):
        got = _number(attempt(features), "a number, the length T")
        if np.isclose(got, length_of_equal_cost(features)):
            continue
        if says := first_match(got, (features,), WRONG_PRICES):
            return says
        return (
            "Write down both sides for a sequence of T steps of d numbers: a (T, d) matrix times a (d, d) matrix "
            "takes T·d·d multiplications, and q kᵀ takes T·T·d. Then set them equal and solve for T."
        )


PRICE = Exercise(
    number="12.4",
    title="The price of looking everywhere",
    prompt=r"""
A self-attention layer reads $T$ steps of $d$ = `features` numbers. Its four matrices, for queries, keys, values and
the output at the end, are each $d \times d$, and each is applied at every step. Besides, there are the scores, the
product of each query with each key, and the answers, the sums of weighted values. Count multiplications only (heads
do not change the number; there is no mask; leave the softmax out). At which length $T$ do scores and answers together
cost as much as the four matrices? (This compares two parts of one layer; $T = d$ above compared two layers.)
""",
    hints=(
        "One matrix, one step: d·d multiplications. One query with one key: d.",
        "The four matrices: 4 T d². The scores: T² d. The answers: as many again.",
        "4 T d² = 2 T² d. Divide by T and by d.",
    ),
    solution=length_of_equal_cost,
    why="For words, T is far below that, and the matrices are the price. For books it is the other way round: what a "
    "recurrence pays per step does not grow with what came before.",
    check=_check_price,
    misconceptions=WRONG_PRICES,
)


EXERCISES = [SPLIT, AHEAD, LABELS, PRICE]
check, hint, solution = bank(EXERCISES)
