"""Exercises of lesson 11, attention: a mask, a pointer that is counted, a test for looking ahead, and a price."""

from __future__ import annotations

from numbers import Real

import numpy as np

from course_lib.teaching.exercise import Exercise, bank
from course_lib.teaching.running import Review, array_of_shape, first_match


# ---------------------------------------------------------------------------------------------------------------------
# 11.1  nothing to see in the filling
# ---------------------------------------------------------------------------------------------------------------------
def masked_weights(scores, mask):
    """Attention weights (batch, target, source) from scores of that shape and a mask (batch, source)."""
    scores = np.where(mask[:, None, :], scores, -np.inf)
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _softmax(scores, axis=-1):
    e = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _mask_forgotten(scores, mask):
    return _softmax(scores)


def _score_zero(scores, mask):
    return _softmax(np.where(mask[:, None, :], scores, 0))


def _not_shared_out_again(scores, mask):
    return _softmax(scores) * mask[:, None, :]


def _targets_masked(scores, mask):
    return _softmax(np.where(mask[:, :, None], scores, -1e9))


def _over_the_targets(scores, mask):
    return _softmax(np.where(mask[:, None, :], scores, -1e9), axis=1)


def _each_by_its_largest(scores, mask):
    weights = masked_weights(scores, mask)
    return weights / weights.max(axis=-1, keepdims=True)


WRONG_WEIGHTS = (
    (
        _mask_forgotten,
        "The softmax is right, and the mask is not used: filling gets a share of each look. Which score "
        "would give a step the weight 0?",
    ),
    (
        _score_zero,
        "You gave the filling a score of 0, but a softmax makes e⁰ = 1 of that, more than it makes of a "
        "score below 0. Which score does exp turn into 0?",
    ),
    (
        _not_shared_out_again,
        "The filling has weight 0 now, but it had its share before you took it away: what is left "
        "no longer sums to 1. Take it out of the scores, before the softmax.",
    ),
    (
        _targets_masked,
        "You masked along the wrong axis. `mask` says which *source* steps are real, and the source is "
        "the last axis of `scores`: `mask[:, None, :]`. With as many source as target steps NumPy does "
        "not complain.",
    ),
    (
        _over_the_targets,
        "Your weights sum to 1 over the target steps: each source step shares itself out. Each *look*, "
        "a row of one target step, has to share itself out over the source, the last axis.",
    ),
)


def _check_masked_weights(attempt):
    rng = np.random.default_rng(111)
    for time in (4, 3):
        scores = rng.normal(scale=2, size=(3, 4, time))
        mask = np.arange(time) < np.array([[time], [2], [1]])
        got = array_of_shape(attempt(scores, mask), scores.shape, "the weights, (batch, target time, source time)")
        if np.isnan(got).any():
            return (
                "There is NaN among your weights: somewhere all scores of one sum are -inf. Is True a *real* step "
                "in your `where`? Do you sum over the last axis? Is the largest score, which you subtract, a real "
                "step's?"
            )
        if np.allclose(got, masked_weights(scores, mask)):
            continue
        if says := first_match(got, (scores, mask), WRONG_WEIGHTS if time == 4 else WRONG_WEIGHTS[:3]):
            return says
        if not np.allclose(got.sum(axis=-1), 1):
            return (
                "Each row of weights, one look, sums to 1 over the source steps, the last axis. The smallest sum of a "
                f"row of yours is {got.sum(axis=-1).min():.2f}, the largest {got.sum(axis=-1).max():.2f}."
            )
        return (
            "Weight 0 where the mask is False, and elsewhere exp(score) divided by the sum over the real steps of "
            "its row. Compare one row with that by hand."
        )


PADDING = Exercise(
    number="11.1",
    title="Nothing to see in the filling",
    prompt=r"""
Words of a batch have different lengths, and the shorter ones are filled up. A look must not rest on filling. You get
the scores $e_{tj}$, shape `(batch, target time, source time)`, and a mask, shape `(batch, source time)`, True for real
steps. Return the weights $\alpha_{tj}$: a softmax over the real source steps, and exactly 0 for the others. Each row
has at least one real step.
""",
    hints=(
        "What is hidden should not take part in the softmax at all. With which score does a step get weight 0?",
        "exp(-inf) is 0. `np.where(condition, scores, -np.inf)` puts it in place; the condition needs an axis for the "
        "target steps.",
        "`scores = np.where(mask[:, None, :], scores, -np.inf)`, then subtract the largest of each row, exp, and "
        "divide by the sum over the last axis.",
    ),
    solution=masked_weights,
    why="Mask before the softmax, or share out again after it: what is hidden must not keep a share.",
    check=_check_masked_weights,
    misconceptions=(*WRONG_WEIGHTS, (_each_by_its_largest, "of a row of yours is 1.00, the largest 1.82")),
)


def _number(value, what):
    """The value as an array without axes, or a Review."""
    if isinstance(value, Real) and not isinstance(value, bool):
        return np.asarray(float(value))
    if isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "iuf":
        return value.astype(float)
    shape = f" and of shape {value.shape}" if isinstance(value, np.ndarray) else ""
    raise Review(f"Expected: {what}. What came is of type `{type(value).__name__}`{shape}.")


# ---------------------------------------------------------------------------------------------------------------------
# 11.2  count before you believe
# ---------------------------------------------------------------------------------------------------------------------
def share_on_truth(weights, truth, target_mask):
    """How often the largest weight (batch, target, source) lies on the true source step (batch, target)."""
    hits = weights.argmax(axis=-1) == truth
    return hits[target_mask].mean()


def _padding_counted(weights, truth, target_mask):
    return (weights.argmax(axis=-1) == truth).mean()


def _padding_counted_as_wrong(weights, truth, target_mask):
    return ((weights.argmax(axis=-1) == truth) & target_mask).mean()


def _mean_weight(weights, truth, target_mask):
    return np.take_along_axis(weights, truth[..., None], axis=-1)[..., 0][target_mask].mean()


def _mean_of_means(weights, truth, target_mask):
    hits = (weights.argmax(axis=-1) == truth) & target_mask
    return (hits.sum(axis=1) / target_mask.sum(axis=1)).mean()


WRONG_SHARES = (
    (
        _padding_counted,
        "Target steps that are filling count in your share. Where `target_mask` is False there is no "
        "truth, whatever stands there; leave these steps out.",
    ),
    (
        _padding_counted_as_wrong,
        "The hits are right, but you divide by all steps, filling included. Divide by the real ones.",
    ),
    (
        _mean_weight,
        "This is the mean weight on the true step. The question is how often the *largest* weight lies "
        "there, which is a count: a map that is right, and unsure, counts as right.",
    ),
    (
        _mean_of_means,
        "You averaged within each word and then over the words, so that a letter of a short word counts "
        "more than one of a long word. Here each target step counts the same.",
    ),
)


def _check_share(attempt):
    rng = np.random.default_rng(112)
    lengths = np.array([6, 3, 2, 5])
    target_mask = np.arange(6) < lengths[:, None]
    truth = np.where(target_mask, rng.integers(0, 5, (4, 6)), 0)
    weights = rng.dirichlet(np.full(5, 0.6), size=(4, 6))
    lift = rng.random((4, 6)) < 0.6
    weights[lift] = 0.5 * weights[lift] + 0.5 * np.eye(5)[truth[lift]]
    weights[~target_mask] = np.eye(5)[0]
    args = weights, truth, target_mask
    got = _number(attempt(*args), "one number, a share between 0 and 1")
    if np.isclose(got, share_on_truth(*args)):
        return None
    if says := first_match(got, args, WRONG_SHARES):
        return says
    if not 0 <= got <= 1:
        return f"A share lies between 0 and 1, but {got:.3g} came. Divide the hits by the number of real target steps."
    return (
        "For each target step take the source step with the largest weight, along the last axis, and compare it "
        "with `truth`. Then the share of hits among the steps where `target_mask` is True."
    )


SHARE = Exercise(
    number="11.2",
    title="Count before you believe",
    prompt=r"""
A pretty map proves nothing; count. `weights` holds attention weights, `(batch, target time, source time)`, `truth` the
true source step of each target step, `(batch, target time)`, and `target_mask`, of the same shape, says which target
steps are real. Return one number: how often, over all real target steps of the batch, the largest weight lies on the
true step.
""",
    hints=(
        "`argmax` along the source axis gives a step for each look. Compare with `truth`.",
        "Filling has no truth. An array can be indexed by a mask of its own shape: only the True entries come back.",
        "`hits = weights.argmax(axis=-1) == truth`, and then the mean of `hits[target_mask]`.",
    ),
    solution=share_on_truth,
    why="One map shows what you hoped for or what you feared. A count over all of them shows what is.",
    check=_check_share,
    misconceptions=WRONG_SHARES,
)


# ---------------------------------------------------------------------------------------------------------------------
# 11.3  who looks ahead?
# ---------------------------------------------------------------------------------------------------------------------
def looks_ahead(layer, x):
    """Does any output of ``layer(x)``, (batch, time, features) to the same, depend on a later input?"""
    before = layer(x)
    for t in range(1, x.shape[1]):
        changed = x.copy()
        changed[:, t:] += 1.7
        if not np.allclose(layer(changed)[:, :t], before[:, :t]):
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


_TRI = np.tri(7, dtype=bool)
_PEEK = _TRI.copy()
_PEEK[2, 4] = True  # one look at one later step
LAYERS = (  # layer, whether it looks ahead, what it is
    (lambda x: _look(x, _TRI), False, "attention in which each step looks at itself and at what came before it"),
    (lambda x: np.cumsum(x, axis=1), False, "a running sum, which has seen only the past and the present"),
    (lambda x: np.tanh(x), False, "a layer that treats each step alone"),
    (lambda x: _look(x, np.ones((7, 7), bool)), True, "attention without a mask"),
    (lambda x: _look(x, np.tri(7, k=1, dtype=bool)), True, "attention that sees one step too far"),
    (lambda x: x + x.mean(axis=1, keepdims=True), True, "a layer that adds the mean over all steps"),
    (lambda x: _look(x, _PEEK), True, "attention in which step 3 alone peeks, at step 5 alone"),
    (lambda x: np.cumsum(x[:, ::-1], axis=1)[:, ::-1], True, "a sum that runs backwards"),
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
    x = np.random.default_rng(113).normal(size=(2, 7, 3))
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
    if missed:
        return (
            f"Your test misses {missed[0]}{f' (and {len(missed) - 1} more)' if len(missed) > 1 else ''}. Cut the "
            f"sequence at each step in turn, change everything from there on, and compare all outputs before it."
        )


AHEAD = Exercise(
    number="11.3",
    title="Who looks ahead?",
    prompt=r"""
Design an experiment. Somebody gives you a layer, a function from `(batch, time, features)` to an array of the same
shape. You cannot read its code; you can only call it, as often as you like, on the `x` that you get and on changed
copies of it, always of its full length. Find out whether *any* of its outputs depends on an input that comes *later*.
Return True if so, and False if not.

The check tries your test on eight layers. One of them peeks from a single step at a single later one.
""",
    hints=(
        "Change the future and see whether the past moves. Which outputs may move, and which may not?",
        "If you change the steps from t on, the outputs at steps before t must stay as they were. One t is not enough: "
        "a peek from step 3 to step 5 shows only for some of them.",
        "For each t from 1 on: `changed = x.copy(); changed[:, t:] += 1.7`, and compare `layer(changed)[:, :t]` with "
        "`layer(x)[:, :t]` by `np.allclose`.",
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
        (_adds_to_x_itself, "You changed `x` itself"),
        (_puts_nan, "put NaN or inf in the future"),
        (_hardly_changes, "so small that `np.allclose` overlooks it"),
    ),
)


# ---------------------------------------------------------------------------------------------------------------------
# 11.4  the price
# ---------------------------------------------------------------------------------------------------------------------
def length_where_attention_costs_more(features):
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
        if np.isclose(got, length_where_attention_costs_more(features)):
            continue
        if says := first_match(got, (features,), WRONG_PRICES):
            return says
        return (
            "Write down both sides for a sequence of T steps of d numbers: a (T, d) matrix times a (d, d) matrix "
            "takes T·d·d multiplications, and q kᵀ takes T·T·d. Then set them equal and solve for T."
        )


PRICE = Exercise(
    number="11.4",
    title="The price of looking everywhere",
    prompt=r"""
A self-attention layer reads $T$ steps of $d$ = `features` numbers. Its four matrices, for queries, keys, values and the
output at the end, are each $d \times d$, and each is applied at every step. Besides, there are the scores, the product
of each query with each key, and the answers, the sums of weighted values. Count multiplications only (heads do not
change the number; leave the softmax out). At which length $T$ do scores and answers together cost as much as the four
matrices?
""",
    hints=(
        "One matrix, one step: d·d multiplications. One query with one key: d.",
        "The four matrices: 4 T d². The scores: T² d. The answers: as many again.",
        "4 T d² = 2 T² d. Divide by T and by d.",
    ),
    solution=length_where_attention_costs_more,
    why="For words, T is far below that, and the matrices are the price. For books it is the other way round: what a "
    "recurrence pays per step does not grow with what came before.",
    check=_check_price,
    misconceptions=WRONG_PRICES,
)


EXERCISES = [PADDING, SHARE, AHEAD, PRICE]
check, hint, solution = bank(EXERCISES)
