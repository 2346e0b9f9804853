"""Exercises of lesson 11, attention: a mask, and a pointer that is counted."""

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


EXERCISES = [PADDING, SHARE]
check, hint, solution = bank(EXERCISES)
