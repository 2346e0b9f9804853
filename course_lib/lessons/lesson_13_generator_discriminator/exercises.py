"""Exercises of lesson 13, generator and discriminator."""

from __future__ import annotations

import numpy as np

from course_lib.layers import softmax
from course_lib.teaching.exercise import Exercise, bank
from course_lib.teaching.running import Review, array_of_shape, first_match, listed


# ---------------------------------------------------------------------------------------------------------------------
# 13.1  the estimate from one draw
# ---------------------------------------------------------------------------------------------------------------------
def estimate(p, k, reward, b):
    """The estimate (13.4) of the gradient at the logits, from one drawn symbol."""
    direction = -p
    direction[k] = direction[k] + 1
    return (reward - b) * direction


def _only_what_was_drawn(p, k, reward, b):
    return (reward - b) * np.eye(len(p))[k]


def _weighted_again(p, k, reward, b):
    return p[k] * (reward - b) * (np.eye(len(p))[k] - p)


def _downhill(p, k, reward, b):
    return (reward - b) * (p - np.eye(len(p))[k])


def _baseline_outside(p, k, reward, b):
    return reward * (np.eye(len(p))[k] - p) - b


def _without_baseline(p, k, reward, b):
    return reward * (np.eye(len(p))[k] - p)


def _at_the_probabilities(p, k, reward, b):
    return (reward - b) * np.eye(len(p))[k] / p


WRONG_ESTIMATES = (
    (
        _only_what_was_drawn,
        "Only the drawn logit moves in your estimate. All probabilities share one sum: raise one logit, and the other "
        "symbols become less likely. Where is -p of (13.3)?",
    ),
    (
        _weighted_again,
        "Your estimate is (13.4) times p of the drawn symbol. That weight is already there: likely symbols are drawn "
        "more often. With it in the estimate as well it counts twice.",
    ),
    (
        _downhill,
        "Every entry has the wrong sign. This is the gradient of the mean reward, which is to rise. (A loss, which is "
        "to fall, has the other sign.)",
    ),
    (
        _baseline_outside,
        "The baseline is subtracted from the estimate. Subtract it from the reward: only then is the mean of what was "
        "subtracted 0.",
    ),
    (
        _at_the_probabilities,
        "1 / p is the derivative of ln p with respect to the probability p of the drawn symbol. Asked is the gradient "
        "at the logits: (13.3), in which the softmax is contained.",
    ),
    (_without_baseline, "The baseline `b` does not count in your estimate. It is subtracted from the reward."),
)


def _check_estimate(attempt):
    cases = [
        (np.array([0.5, 0.3, 0.2]), 1, 0.9, 0.4),
        (np.array([0.1, 0.2, 0.3, 0.4]), 3, 0.2, 0.6),
        (np.array([0.7, 0.3]), 0, 2.0, -1.0),
    ]
    for p, k, reward, b in cases:
        got = array_of_shape(attempt(p.copy(), k, reward, b), p.shape, "one number for each logit, (symbols,)")
        wanted = estimate(p.copy(), k, reward, b)
        if np.allclose(got, wanted, atol=1e-9):
            continue
        told = first_match(got, (p, k, reward, b), WRONG_ESTIMATES)
        return told or (
            f"With p = {p}, symbol {k}, reward {reward:g} and baseline {b:g} your estimate is {got.round(3)}; "
            f"it should be {wanted.round(3)}."
        )


ESTIMATE = Exercise(
    number="13.1",
    title="What one draw says",
    prompt=r"""
Write (13.4) for one draw: the generator has the probabilities `p`, symbol number `k` was drawn and earned `reward`, and
`b` is the baseline. Return the estimate of the gradient of the mean reward at the logits, one number for each.
""",
    hints=(
        "Which number multiplies everything, and which vector is multiplied?",
        "The vector is (13.3): 1 at the drawn symbol, 0 elsewhere, minus p.",
        "`(reward - b) * (np.eye(len(p))[k] - p)`",
    ),
    solution=estimate,
    why="Its entries sum to 0: what one logit gains the others lose. And with a reward below the baseline the drawn "
    "symbol becomes less likely.",
    check=_check_estimate,
    misconceptions=WRONG_ESTIMATES,
)


# ---------------------------------------------------------------------------------------------------------------------
# 13.2  the best baseline
# ---------------------------------------------------------------------------------------------------------------------
def best_baseline(p, r):
    """The baseline b with which the estimates (13.4) vary least."""
    length = ((np.eye(len(p)) - p) ** 2).sum(axis=1)
    return (p * length * r).sum() / (p * length).sum()


def _mean_reward(p, r):
    return p @ r


def _plain_mean(p, r):
    return np.mean(r)


def _lengths_not_squared(p, r):
    length = np.sqrt(((np.eye(len(p)) - p) ** 2).sum(axis=1))
    return (p * length * r).sum() / (p * length).sum()


def _without_probabilities(p, r):
    length = ((np.eye(len(p)) - p) ** 2).sum(axis=1)
    return (length * r).sum() / length.sum()


def _weighted_by_p_times_one_minus_p(p, r):
    return (p * (1 - p) * r).sum() / (p * (1 - p)).sum()


def _divided_by_one(p, r):
    length = ((np.eye(len(p)) - p) ** 2).sum(axis=1)
    return (p * length * r).sum()


WRONG_BASELINES = (
    (
        _mean_reward,
        "That is the mean reward J. It is near the best baseline and not the same: a symbol whose direction is long "
        "counts for more. Set the derivative of the variance with respect to b to 0.",
    ),
    (
        _plain_mean,
        "That is the mean of the rewards, as if all symbols were drawn equally often. The variance is a mean over "
        "draws, with the weights p.",
    ),
    (
        _lengths_not_squared,
        "Nearly: the weights should be p times the *squared* length of the direction. The variance is a mean of "
        "squares.",
    ),
    (
        _without_probabilities,
        "The squared lengths are there, the probabilities are not. A symbol that is seldom drawn adds little variance.",
    ),
    (
        _weighted_by_p_times_one_minus_p,
        "You have a mean with the weights p (1 - p). The form is right. But the variance is summed over all logits: p "
        "stands beside the squared length of the whole row k of `direction`, not of its entry k alone.",
    ),
    (
        _divided_by_one,
        "You have a weighted sum of the rewards. Divide it by the sum of the weights: if all rewards are equal, the "
        "best baseline is that reward.",
    ),
)


def _check_best_baseline(attempt):
    rng = np.random.default_rng(132)
    cases = [(np.array([0.6, 0.3, 0.1]), np.array([1.0, 0.0, 0.5]))]
    cases += [(softmax(rng.normal(size=n)), rng.random(n)) for n in (4, 7)]
    for p, r in cases:
        got = float(array_of_shape(attempt(p, r), (), "a baseline, one number"))
        wanted = best_baseline(p, r)
        if np.isclose(got, wanted, rtol=1e-6):
            continue
        told = first_match(np.array(got), (p, r), WRONG_BASELINES)
        if told is None and abs(got - wanted) < 0.01:
            return (
                f"Near: your baseline is {got:.7f}, and the best one {wanted:.7f}. A search over a grid comes as near "
                "as this. Asked is the formula: set the derivative of the variance with respect to b to 0."
            )
        return told or (
            f"With p = {p.round(2)} and r = {r.round(2)} your baseline is {got:.4f}. The variance there is "
            f"{_variance(p, r, got):.4f}; at its lowest point it is {_variance(p, r, wanted):.4f}."
        )


def _variance(p, r, b):
    estimates = (r - b)[:, None] * (np.eye(len(p)) - p)
    return p @ ((estimates - p @ estimates) ** 2).sum(axis=1)


BASELINE = Exercise(
    number="13.2",
    title="The lowest point of the parabola",
    prompt=r"""
In the figure of section 2 the mean reward lies near the lowest point of the parabola and not at it. Find the baseline
with the least variance by a formula, right to six digits (a search over a grid is too coarse). You get the
probabilities `p` and the rewards `r` of the symbols. The variance is that of the estimate from one draw, summed over
the logits, as `variance(b)` computes it.
""",
    hints=(
        "The mean of the estimates does not depend on b. So it is enough to make the mean of their squared lengths "
        "small.",
        "That mean is Σ p_k (r_k - b)² w_k, where w_k is the squared length of row k of `direction`. Its derivative "
        "with respect to b is -2 Σ p_k (r_k - b) w_k.",
        "Set it to 0: b = Σ p_k w_k r_k / Σ p_k w_k.",
    ),
    solution=best_baseline,
    why="It is a mean of the rewards, weighted by p and by the squared length of each direction. The gain over the "
    "mean reward is small, so nearly everybody takes the mean reward.",
    check=_check_best_baseline,
    misconceptions=WRONG_BASELINES,
)


# ---------------------------------------------------------------------------------------------------------------------
# 13.3  a soft draw from uniform numbers
# ---------------------------------------------------------------------------------------------------------------------
def soft_draw(theta, u, tau):
    """A Gumbel-softmax draw from uniform random numbers u."""
    a = (theta - np.log(-np.log(u))) / tau
    e = np.exp(a - a.max())
    return e / e.sum()


def _noise_at_full_strength(theta, u, tau):
    return softmax(theta / tau - np.log(-np.log(u)))


def _one_logarithm(theta, u, tau):
    return softmax((theta - np.log(u)) / tau)


def _noise_subtracted(theta, u, tau):
    return softmax((theta + np.log(-np.log(u))) / tau)


def _times_tau(theta, u, tau):
    return softmax((theta - np.log(-np.log(u))) * tau)


def _uniform_noise(theta, u, tau):
    return softmax((theta + u) / tau)


def _theta_at_full_strength(theta, u, tau):
    return softmax(theta - np.log(-np.log(u)) / tau)


def _hard(theta, u, tau):
    return np.eye(len(theta))[np.argmax(theta - np.log(-np.log(u)))]


WRONG_SOFT_DRAWS = (
    (
        _theta_at_full_strength,
        "The temperature divides the noise only. It divides the sum of θ and the noise: otherwise the largest entry is "
        "no longer the drawn symbol.",
    ),
    (
        _hard,
        "That is the drawn symbol itself, one-hot. Asked is the soft one, which has a slope: the softmax of the sums, "
        "divided by τ.",
    ),
    (
        _noise_at_full_strength,
        "The temperature divides θ only. It divides the sum of θ and the noise: otherwise the largest entry is no "
        "longer the drawn symbol, and at a low temperature the likeliest symbol always wins.",
    ),
    (
        _one_logarithm,
        "One logarithm is missing. -ln u is noise from another distribution (the exponential one), and the largest "
        "sum is then no draw from softmax(θ). Gumbel noise is -ln(-ln u).",
    ),
    (
        _noise_subtracted,
        "The noise has the wrong sign: -ln(-ln u) is *added* to θ. The Gumbel distribution is not symmetric, so the "
        "sign matters.",
    ),
    (_times_tau, "You multiply by τ. Dividing makes a low temperature sharp; with yours a low temperature is flat."),
    (
        _uniform_noise,
        "You add u itself. The uniform numbers first become Gumbel noise, -ln(-ln u); only with it is the largest sum "
        "a draw from softmax(θ).",
    ),
)


def _check_soft_draw(attempt):
    rng = np.random.default_rng(133)
    for size, tau in ((3, 0.5), (5, 2.0), (4, 0.1)):
        theta, u = rng.normal(size=size), rng.uniform(0.05, 0.95, size=size)
        got = array_of_shape(attempt(theta, u, tau), theta.shape, "a soft symbol, (symbols,)")
        wanted = soft_draw(theta, u, tau)
        if np.allclose(got, wanted, atol=1e-9):
            continue
        told = first_match(got, (theta, u, tau), WRONG_SOFT_DRAWS)
        return told or (
            f"With θ = {theta.round(2)}, u = {u.round(2)} and τ = {tau:g} your soft symbol is {got.round(3)}, with "
            f"sum {got.sum():.3f}; it should be {wanted.round(3)}."
        )


SOFT_DRAW = Exercise(
    number="13.3",
    title="A soft draw",
    prompt=r"""
Write (13.5) from the beginning: `theta` are the logits, `u` as many random numbers, uniform between 0 and 1, and `tau`
is the temperature. Return the soft symbol $y$.
""",
    hints=(
        "Three steps: uniform numbers to Gumbel noise, add, softmax with a temperature.",
        "The noise is `-np.log(-np.log(u))`.",
        "`a = (theta + noise) / tau`, then `np.exp(a - a.max())` divided by its sum.",
    ),
    solution=soft_draw,
    why="At any temperature the largest entry is the same: temperature changes how soft the symbol is, and not which "
    "symbol is drawn. That is different from the temperature of a language model, which divides θ before the noise.",
    check=_check_soft_draw,
    misconceptions=WRONG_SOFT_DRAWS,
)


# ---------------------------------------------------------------------------------------------------------------------
# 13.4  an experiment
# ---------------------------------------------------------------------------------------------------------------------
MOST_RUNS = 40
CURVE = {0.6: (1.30, 2.00), 0.7: (1.45, 1.90), 0.8: (1.60, 1.83), 0.9: (1.75, 1.79), 1.0: (1.90, 1.77)}
WORLDS = (  # (the critic's oracle and test NLL for the first seeds, the answer, how the world is)
    (
        [(1.675, 1.85), (1.70, 1.86), (1.66, 1.87)],
        "behind",
        "a world in which the critic improves the oracle NLL and loses more test NLL than a lower temperature would",
    ),
    (
        [(1.675, 1.76), (1.70, 1.75), (1.66, 1.77)],
        "ahead",
        "a world in which the critic is better than any temperature",
    ),
    ([(1.675, 1.76), (1.70, 1.86), (1.66, 1.85)], None, "a world in which one seed of three is ahead"),
    ([(1.675, 1.814), (1.70, 1.808), (1.66, 1.819)], None, "a world in which the critic moves along the curve"),
    ([(1.675, 1.85), (1.10, 2.60), (1.66, 1.87)], None, "a world in which one seed ends beyond the ends of the curve"),
    ([(1.675, 1.70), (1.70, 1.70), (1.66, 1.825)], None, "a world in which two seeds are far ahead and one is not"),
)


def critic_verdict(measure):
    """Return (gaps, answer): one gap a seed, and "ahead", "behind" or None."""
    gaps = []
    for seed in range(3):
        (oracle_nll, test_nll), curve = measure(seed)
        points = sorted(curve.values())
        x, y = [point[0] for point in points], [point[1] for point in points]
        inside = x[0] <= oracle_nll <= x[-1]
        gaps.append(test_nll - np.interp(oracle_nll, x, y) if inside else np.nan)
    if all(gap < -0.01 for gap in gaps):
        return gaps, "ahead"
    if all(gap > 0.01 for gap in gaps):
        return gaps, "behind"
    return gaps, None


def _gaps(measure, gap, seeds=range(3)):
    return [gap(*measure(seed)) for seed in seeds]


def _interpolated(point, curve):
    x, y = np.transpose(sorted(curve.values()))
    return point[1] - np.interp(point[0], x, y) if x[0] <= point[0] <= x[-1] else np.nan


def _answered(gaps):
    if all(gap < -0.01 for gap in gaps):
        return gaps, "ahead"
    return gaps, "behind" if all(gap > 0.01 for gap in gaps) else None


def _one_seed(measure):
    return _answered(_gaps(measure, _interpolated, range(1)))


def _by_quality_alone(measure):
    return _answered(_gaps(measure, lambda point, curve: point[0] - curve[1.0][0]))


def _against_temperature_one(measure):
    return _answered(_gaps(measure, lambda point, curve: point[1] - curve[1.0][1]))


def _nearest_temperature(measure):
    return _answered(
        _gaps(measure, lambda point, curve: point[1] - min(curve.values(), key=lambda q: abs(q[0] - point[0]))[1])
    )


def _not_sorted(measure):
    return _answered(_gaps(measure, _without_sorting))


def _without_sorting(point, curve):
    x, y = np.transpose(list(curve.values()))
    return point[1] - np.interp(point[0], x, y) if min(x) <= point[0] <= max(x) else np.nan


def _beyond_the_end(measure):
    def gap(point, curve):
        x, y = np.transpose(sorted(curve.values()))
        return point[1] - np.interp(point[0], x, y)

    return _answered(_gaps(measure, gap))


def _by_the_mean(measure):
    gaps = _gaps(measure, _interpolated)
    mean = np.mean(gaps)
    return gaps, "ahead" if mean < -0.01 else "behind" if mean > 0.01 else None


def _by_the_majority(measure):
    gaps = _gaps(measure, _interpolated)
    if sum(gap < -0.01 for gap in gaps) > 1:
        return gaps, "ahead"
    return gaps, "behind" if sum(gap > 0.01 for gap in gaps) > 1 else None


def _any_gap_counts(measure):
    gaps = _gaps(measure, _interpolated)
    return gaps, "ahead" if all(gap < 0 for gap in gaps) else "behind" if all(gap > 0 for gap in gaps) else None


def _device(points):
    """A ``measure`` with known answers, and the log of what it gave: {seed: (point, curve)}."""
    log, asked = {}, []

    def measure(seed):
        if not isinstance(seed, int | np.integer) or seed < 0:
            raise Review(f"A seed is a whole number from 0 up, and {seed!r} came.")
        asked.append(seed)
        if len(asked) > MOST_RUNS:
            raise Review(f"Your experiment has asked for more than {MOST_RUNS} runs. In the lesson each takes seconds.")
        if seed not in log:
            shift = 0.002 * (len(log) % 3)  # every seed has a curve of its own
            curve = {tau: (x + shift, y + shift) for tau, (x, y) in reversed(CURVE.items())}
            x, y = points[len(log) % len(points)]
            log[seed] = (x + shift, y + shift), curve
        return log[seed][0], dict(log[seed][1])

    return measure, log


def _check_verdict(attempt):
    for points, truth, world in WORLDS:
        measure, log = _device(points)
        got = attempt(measure)
        if not isinstance(got, tuple | list) or len(got) != 2:
            return f"Expected: a pair `(gaps, answer)`. What came is of type `{type(got).__name__}`."
        gaps, answer = got
        if len(log) < 3:
            return (
                f"You measured {len(log)} seed{'s' if len(log) != 1 else ''}. Take at least three different ones: one "
                "run may be lucky, or unlucky."
            )
        gaps = array_of_shape(gaps, (len(log),), "one gap for each seed that was measured, none left out")
        wanted = np.array([_interpolated(*row) for row in log.values()])
        if not np.allclose(np.sort(gaps), np.sort(wanted), atol=1e-6, equal_nan=True):
            return _about_gaps(gaps, wanted, log, world)
        if answer != truth:
            return (
                f"In {world}, the gaps are {listed(f'{gap:+.3f}' for gap in gaps)} and your answer is {answer!r}. It "
                f"should be {truth!r}: ahead if every gap is below -.01, behind if every gap is above .01, else None."
            )


def _about_gaps(gaps, wanted, log, world):
    rows = list(log.values())
    if np.isnan(wanted).any() and not np.isnan(gaps).any():
        return (
            f"In {world}, you report the gaps {listed(f'{gap:+.3f}' for gap in gaps)}. Where the critic's oracle NLL "
            "lies beyond an end of the curve nothing is known at equal oracle NLL: report NaN for that seed."
        )
    for name, gap in (
        ("the critic's oracle NLL with that of temperature 1", lambda point, curve: point[0] - curve[1.0][0]),
        ("the critic's test NLL with that of temperature 1", lambda point, curve: point[1] - curve[1.0][1]),
    ):
        if np.allclose(np.sort(gaps), np.sort([gap(*row) for row in rows])):
            return (
                f"Your gaps compare {name}. A temperature moves both numbers. Compare the test NLL with that of the "
                "curve at the *same* oracle NLL."
            )
    if np.allclose(np.sort(gaps), np.sort([_without_sorting(*row) for row in rows]), equal_nan=True):
        return "`np.interp` wants the oracle NLLs of the curve in rising order: sort its points first."
    nearest = [point[1] - min(curve.values(), key=lambda q: abs(q[0] - point[0]))[1] for point, curve in rows]
    if np.allclose(np.sort(gaps), np.sort(nearest)):
        return (
            "You compare with the nearest temperature of the curve. Between two temperatures the curve falls by more "
            "than the .01 that decides: interpolate, for instance with `np.interp`."
        )
    return (
        f"In {world}, your gaps are {listed(f'{gap:+.3f}' for gap in gaps)}; they should be "
        f"{listed(f'{gap:+.3f}' for gap in wanted)}. A gap is the critic's test NLL minus the curve's at the same "
        "oracle NLL."
    )


VERDICT = Exercise(
    number="13.4",
    title="Is the critic ahead?",
    prompt=r"""
You have a measuring device. `measure(seed)` trains a generator by maximum likelihood, then by a critic, and returns a
pair: the critic's point `(oracle_nll, test_nll)`, and the temperature curve before the critic, a dict from temperature
to such a point.

Design the experiment. `critic_verdict(measure)` gets the device and returns `(gaps, answer)`. Measure at least three
different seeds, and report one gap for each seed that you measured: the critic's test NLL minus that of the curve at
the same oracle NLL, with straight lines between the temperatures. Where the critic's oracle NLL lies beyond an end of
the curve, the gap is `np.nan`. The answer is `"ahead"` if every gap is below −.01, `"behind"` if every gap is above
.01, and `None` in all other cases.

The check hands your experiment devices from worlds in which the answer is known.
""",
    hints=(
        "`np.interp(x, xs, ys)` wants the `xs` in rising order. `sorted(curve.values())` sorts points by their first "
        "number.",
        "For each of three seeds: sort the curve, test whether the oracle NLL lies between its ends, then the critic's "
        "test NLL minus the interpolated one.",
        "`all(gap < -0.01 for gap in gaps)` is False if one gap is NaN, for every comparison with NaN is False.",
    ),
    solution=critic_verdict,
    why="A better oracle NLL alone is what a lower temperature gives for nothing. Only the comparison at equal oracle "
    "NLL says whether the critic added anything.",
    check=_check_verdict,
    misconceptions=(
        (_one_seed, "You measured 1 seed"),
        (_by_quality_alone, "Your gaps compare the critic's oracle NLL"),
        (_against_temperature_one, "Your gaps compare the critic's test NLL"),
        (_nearest_temperature, "interpolate"),
        (_not_sorted, "in rising order"),
        (_beyond_the_end, "report NaN for that seed"),
        (_by_the_mean, "It should be None"),
        (_by_the_majority, "It should be None"),
        (_any_gap_counts, "It should be None"),
    ),
)


EXERCISES = [ESTIMATE, BASELINE, SOFT_DRAW, VERDICT]
check, hint, solution = bank(EXERCISES)
