"""Exercises of lesson 11, attention: a mask, an alignment that is counted, and a test for padding."""

from __future__ import annotations

from numbers import Real

import numpy as np

from course_lib.teaching.exercise import Exercise, bank
from course_lib.teaching.running import Review, array_of_shape, first_match


# ---------------------------------------------------------------------------------------------------------------------
# 11.1  no weight on the padding
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
        "The softmax is right, and the mask is not used: padding gets a part of the weight. Which score "
        "would give a step the weight 0?",
    ),
    (
        _score_zero,
        "You gave the padding a score of 0, but a softmax makes e⁰ = 1 of that, more than it makes of a "
        "score below 0. Which score does exp turn into 0?",
    ),
    (
        _not_shared_out_again,
        "The padding has weight 0 now, but it had its part before you took it away: what is left "
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
        "Your weights sum to 1 over the target steps. The weights of *each target step* "
        "have to sum to 1 over the source, the last axis.",
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
                "Each row of weights, those of one target step, sums to 1 over the source, the last axis. The smallest "
                f"sum of a row of yours is {got.sum(axis=-1).min():.2f}, the largest {got.sum(axis=-1).max():.2f}."
            )
        return (
            "Weight 0 where the mask is False, and elsewhere exp(score) divided by the sum over the real steps of "
            "its row. Compare one row with that by hand."
        )


PADDING = Exercise(
    number="11.1",
    title="No weight on the padding",
    prompt=r"""
Words of a batch have different lengths, and the shorter ones are padded. Padding must get no attention. You get
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
    why="Mask before the softmax, or divide by the new sum after it: padding must not keep a part of the weight.",
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
        "Target steps that are padding count in your share. Where `target_mask` is False there is no "
        "truth, whatever stands there; leave these steps out.",
    ),
    (
        _padding_counted_as_wrong,
        "The hits are right, but you divide by all steps, padding included. Divide by the real ones.",
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
One map of attention weights proves little, so count. `weights` has the shape `(batch, target time, source time)`.
`truth` is the true source step of each target step, `(batch, target time)`. `target_mask`, of that shape, says which
target steps are real. Return one number: how often, over all real target steps of the batch, the largest weight lies on
the true step.
""",
    hints=(
        "`argmax` along the source axis gives a step for each target step. Compare with `truth`.",
        "Padding has no truth. An array can be indexed by a mask of its own shape: only the True entries come back.",
        "`hits = weights.argmax(axis=-1) == truth`, and then the mean of `hits[target_mask]`.",
    ),
    solution=share_on_truth,
    why="One map shows what you hoped for or what you feared. A count over all of them shows what is.",
    check=_check_share,
    misconceptions=WRONG_SHARES,
)


# ---------------------------------------------------------------------------------------------------------------------
# 11.3  does the padding leak?
# ---------------------------------------------------------------------------------------------------------------------
def padding_leaks(attention, query, memory, mask):
    """Does what stands at padded steps change any context of ``attention(query, memory, mask)``?"""
    changed = np.where(mask[:, :, None], memory, 1.7)
    return not np.allclose(attention(query, memory, mask), attention(query, changed, mask))


def _sets_zeros(attention, query, memory, mask):
    changed = memory * mask[:, :, None]
    return not np.allclose(attention(query, memory, mask), attention(query, changed, mask))


def _first_row(attention, query, memory, mask):
    changed = memory.copy()
    changed[0, ~mask[0]] = 1.7
    return not np.allclose(attention(query, memory, mask), attention(query, changed, mask))


def _changes_real_steps(attention, query, memory, mask):
    return not np.allclose(attention(query, memory, mask), attention(query, memory + 1.7, mask))


def _changes_the_mask(attention, query, memory, mask):
    return not np.allclose(attention(query, memory, mask), attention(query, memory, np.ones_like(mask)))


def _the_other_way_round(attention, query, memory, mask):
    return not padding_leaks(attention, query, memory, mask)


def _barely(attention, query, memory, mask):
    changed = np.where(mask[:, :, None], memory, memory + 1e-9)
    return not np.allclose(attention(query, memory, mask), attention(query, changed, mask))


def _nan_in_the_padding(attention, query, memory, mask):
    changed = np.where(mask[:, :, None], memory, np.nan)
    return not np.allclose(attention(query, memory, mask), attention(query, changed, mask))


def _in_place(attention, query, memory, mask):
    before = attention(query, memory, mask)
    memory[~mask] = 1.7
    return not np.allclose(before, attention(query, memory, mask))


def _weighted(query, memory, hidden):
    """Dot-product attention with ``hidden`` added to the scores."""
    return _softmax(query @ memory.swapaxes(1, 2) + hidden) @ memory


def _shared(query, memory, mask):
    weights = _softmax(query @ memory.swapaxes(1, 2))  # the padding keeps its part of the sum
    return (weights * mask[:, None, :]) @ memory


def _mean(query, memory, mask):
    mean = (memory * mask[:, :, None]).sum(axis=1, keepdims=True) / mask.sum(axis=1)[:, None, None]
    return np.broadcast_to(mean, query.shape)


ATTENTIONS = (  # attention, whether padding leaks, what it is
    (lambda q, m, mask: _weighted(q, m, np.where(mask[:, None], 0, -np.inf)), False, "attention with a correct mask"),
    (_mean, False, "equal weights for all real steps"),
    (lambda q, m, mask: q + m[:, :1], False, "all weight on the first step, which is always real"),
    (lambda q, m, mask: _weighted(q, m, 0), True, "attention without a mask"),
    (lambda q, m, mask: _weighted(q, m, np.where(mask[:, None], 0, -5)), True, "attention that takes 5 off the score"),
    (_shared, True, "attention whose weights are set to 0 after the softmax"),
    (
        lambda q, m, mask: _weighted(q, m, np.where(mask[:1, None], 0, -np.inf)),
        True,
        "attention that uses the mask of row 0 for all rows",
    ),
    (lambda q, m, mask: _mean(q, m, mask) + m[:, -1:], True, "attention that adds the last step, real or not"),
)


def _watched_attention(attention, memory, mask, seen):
    """The attention, noting in ``seen`` what it is called with."""
    original, given = memory.copy(), []

    def watched(q, m, now):
        given.append((m, np.array(m)))
        if any(not np.array_equal(array, before, equal_nan=True) for array, before in given):
            seen.add("changed in place")
        if not np.array_equal(now, mask):
            seen.add("another mask")
        m = np.asarray(m, float)
        if m.shape == original.shape:
            if not np.isfinite(m).all():
                seen.add("not a number")
            elif (m[mask] != original[mask]).any():
                seen.add("real steps")
            elif (m != original).any():
                seen.add("hardly changed" if np.allclose(m, original) else "changed")
        return attention(q, m, now)

    return watched


def _check_padding(attempt):
    rng, truths, said, seen = np.random.default_rng(113), [], [], set()
    mask = np.arange(6) < np.array([[6], [4], [2]])
    for attention, leaks, what in ATTENTIONS:
        query, memory = rng.normal(size=(3, 4, 5)), rng.normal(size=(3, 6, 5)) * mask[:, :, None]
        with np.errstate(all="ignore"):
            answer = attempt(_watched_attention(attention, memory, mask.copy(), seen), query, memory, mask.copy())
        if not isinstance(answer, bool | np.bool_):
            raise Review(
                f"Expected: True or False. What came is of type `{type(answer).__name__}`. `bool(...)` or "
                f"`np.allclose(...)` make one of an array."
            )
        said.append((bool(answer), leaks, what))
        truths.append(leaks)
    alarms = [what for answer, leaks, what in said if answer and not leaks]
    missed = [what for answer, leaks, what in said if leaks and not answer]
    if "changed in place" in seen:
        return (
            "You changed `memory` itself. Whoever calls your test goes on with a broken array. Make a copy, or a new "
            "array with `np.where`."
        )
    if not alarms and not missed:
        return None
    if len(alarms) + len(missed) == len(said):
        return "All your answers are the other way round: True means that the padding leaks."
    if "another mask" in seen:
        return (
            "You changed the mask. Then steps are attended to that were padding before, and a correct attention "
            "answers otherwise, too. Keep the mask, and change what stands where it is False."
        )
    if "not a number" in seen and alarms:
        return (
            "You put NaN or inf into the padding, and a weight of 0 times NaN is NaN, so even a correct attention "
            "changes. Change by ordinary numbers."
        )
    if "real steps" in seen:
        return (
            "You changed real steps, too, and a context may depend on those. Change only steps at which the mask is "
            "False."
        )
    if "changed" not in seen:
        return (
            "Your changed memory equals the given one, as far as `np.allclose` can see. The given padding is 0 "
            "already, and row 0 of the batch has none. Put other numbers, of the size of the memory, at all padded "
            "steps of all rows."
        )
    if alarms:
        return f"A false alarm: {alarms[0]}. Compare all contexts before and after by `np.allclose`."
    return (
        f"Your test misses {missed[0]}{f' (and {len(missed) - 1} more)' if len(missed) > 1 else ''}. Change all padded "
        f"steps of all rows, and compare all contexts."
    )


LEAK = Exercise(
    number="11.3",
    title="Does the padding leak?",
    prompt=r"""
Design an experiment. You get a function, `attention(query, memory, mask)`, which returns the contexts. You cannot read
its code; you can only call it. `query` has the shape `(batch, target time, features)`, `memory` `(batch, source time,
features)`, and `mask` `(batch, source time)`, True for real steps. Return True if what stands at *padded* steps of the
memory changes any context, and False if not. Leave the arrays that you get as they are.

The check tries your test on eight attentions, with three rows of 6, 4 and 2 real steps. The given padding is 0.
""",
    hints=(
        "A correct attention gives the same contexts whatever stands at padded steps. Which arrays do you compare?",
        "The mask stays, the real steps stay, the padded steps get other numbers. Zeros are there already.",
        "`changed = np.where(mask[:, :, None], memory, 1.7)`, and then `np.allclose` of the two results.",
    ),
    solution=padding_leaks,
    why="A mask is an invariance: what stands at padded steps changes nothing. Two calls test that, for any model.",
    check=_check_padding,
    misconceptions=(
        (_sets_zeros, "The given padding is 0 already"),
        (_first_row, "row 0 of the batch has none"),
        (_changes_real_steps, "You changed real steps, too"),
        (_changes_the_mask, "You changed the mask"),
        (_the_other_way_round, "the other way round"),
        (_barely, "equals the given one"),
        (_nan_in_the_padding, "You put NaN or inf into the padding"),
        (_in_place, "You changed `memory` itself"),
    ),
)


EXERCISES = [PADDING, SHARE, LEAK]
check, hint, solution = bank(EXERCISES)
