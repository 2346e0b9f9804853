"""Generator, discriminator and oracle: likelihoods sum to 1, and gradients are those of full enumeration."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.adversarial import (
    GumbelGenerator,
    GumbelSoftmax,
    gumbel_noise,
    leave_one_out,
    log_likelihood,
    make_oracle,
    previous_symbols,
    reinforce,
    rollout_values,
    sample_sequences,
)
from course_lib.gradients import check_gradients, numerical_gradient, relative_error
from course_lib.layers import Dense, Embedding, LastStep, softmax
from course_lib.losses import SigmoidCrossEntropy, SoftmaxCrossEntropy
from course_lib.model import Model
from course_lib.optimizers import Adam
from course_lib.recurrent import GRU, LSTM
from course_lib.sequences import one_hot

SYMBOLS, LENGTH = 3, 3


def sequences(symbols=SYMBOLS, length=LENGTH):
    """Return all sequences, (symbols ** length, length)."""
    return np.indices((symbols,) * length).reshape(length, -1).T


def small(seed=0, symbols=SYMBOLS, dtype=np.float64):
    """Return a generator with two kinds of recurrent layer and random weights."""
    rng = np.random.default_rng(seed)
    layers = [
        GRU(symbols, 3, rng=rng, dtype=dtype),
        LSTM(3, 2, rng=rng, dtype=dtype),
        Dense(2, symbols, rng=rng, dtype=dtype),
    ]
    model = Model(layers, SoftmaxCrossEntropy())
    for w in model.weights:
        w[...] = rng.normal(size=w.shape)
    return model


def rewards_of(ids):
    """Return a reward that no symbol decides alone."""
    return np.sin(ids @ np.array([1.0, 2.5, 4.0])[: ids.shape[1]])


def gradient_of(generator, ids, advantages):
    """Return what reinforce leaves, as one vector."""
    reinforce(generator, ids, advantages)
    return np.concatenate([g.ravel() for g in generator.grads])


def exact_gradient(generator):
    """Return the gradient of minus the expected reward, by finite differences of the sum over all sequences."""
    ids = sequences()

    def loss():
        return -np.sum(np.exp(log_likelihood(generator, ids)) * rewards_of(ids))

    return np.concatenate([numerical_gradient(loss, w).ravel() for w in generator.weights])


# ------------------------------------------------------------------------------------------------- oracle, likelihood
@pytest.mark.parametrize(("symbols", "length"), [(2, 6), (4, 3), (5, 1)])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_probabilities_of_all_sequences_sum_to_one(symbols, length, temperature):
    oracle = make_oracle(symbols, 8, rng=np.random.default_rng(symbols), dtype=np.float64)
    p = np.exp(log_likelihood(oracle, sequences(symbols, length), temperature))
    assert p.sum() == pytest.approx(1, abs=1e-12)
    assert length == 1 or p.max() > 3 * p.min()


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_sequences_are_drawn_as_often_as_they_are_likely(temperature):
    """Each of 27 frequencies within 4 standard errors."""
    oracle, ids = make_oracle(SYMBOLS, 8, rng=np.random.default_rng(0)), sequences()
    p = np.exp(log_likelihood(oracle, ids, temperature))
    drawn = sample_sequences(oracle, 20_000, LENGTH, rng=np.random.default_rng(1), temperature=temperature)
    found = np.bincount(drawn @ [9, 3, 1], minlength=27) / len(drawn)
    assert np.abs((found - p) / np.sqrt(p * (1 - p) / len(drawn))).max() < 4


def test_a_prefix_is_kept_and_continued_as_it_asks_for():
    oracle, prefix = make_oracle(SYMBOLS, 8, rng=np.random.default_rng(0)), np.tile([2, 0], (5_000, 1))
    drawn = sample_sequences(oracle, 5_000, 3, rng=np.random.default_rng(1), prefix=prefix)
    np.testing.assert_array_equal(drawn[:, :2], prefix)
    p = np.exp(log_likelihood(oracle, [[2, 0, 0], [2, 0, 1], [2, 0, 2]]))
    p /= p.sum()
    found = np.bincount(drawn[:, 2], minlength=3) / len(drawn)
    assert np.abs((found - p) / np.sqrt(p * (1 - p) / len(drawn))).max() < 4
    whole = sample_sequences(oracle, 2, 2, rng=np.random.default_rng(1), prefix=[[1, 2], [0, 0]])
    np.testing.assert_array_equal(whole, [[1, 2], [0, 0]])


def test_the_likelihood_is_what_maximum_likelihood_training_minimises():
    generator, ids = small(), sequences()
    loss = generator.evaluate(previous_symbols(ids, SYMBOLS, np.float64), ids)
    assert -log_likelihood(generator, ids).mean() / LENGTH == pytest.approx(loss, abs=1e-12)


def test_maximum_likelihood_comes_near_the_oracle():
    """Kullback-Leibler divergence over all 64 sequences, median of three runs; a fresh generator has about 1 nat."""
    divergences, ids = [], sequences(4, 3)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        oracle = make_oracle(4, 8, rng=rng)
        generator = Model([LSTM(4, 16, rng=rng), Dense(16, 4, rng=rng)], SoftmaxCrossEntropy())
        drawn = sample_sequences(oracle, 1_000, 3, rng=rng)
        generator.fit(previous_symbols(drawn, 4), drawn, optimizer=Adam(0.02), epochs=8, rng=rng, progress=False)
        log_p, log_q = log_likelihood(oracle, ids), log_likelihood(generator, ids)
        divergences.append(np.sum(np.exp(log_p) * (log_p - log_q)))
    assert np.median(divergences) < 0.1, divergences


def test_what_cannot_be_is_refused():
    oracle, rng = make_oracle(3, 4, rng=np.random.default_rng(0)), np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"shape \(batch, time\)"):
        log_likelihood(oracle, [0, 1])
    with pytest.raises(ValueError, match="3"):
        log_likelihood(oracle, [[0, 3]])
    with pytest.raises(TypeError):
        log_likelihood(oracle, [[0.0, 1.0]])
    for how in ({"count": 0}, {"length": 0}, {"prefix": [[0], [1]]}, {"prefix": [[0] * 5]}, {"prefix": [0]}):
        with pytest.raises(ValueError, match="at least one sequence of at least one symbol"):
            sample_sequences(oracle, **{"count": 1, "length": 4, "rng": rng, **how})
    with pytest.raises(ValueError, match="temperature is above 0"):
        sample_sequences(oracle, 1, 2, rng=rng, temperature=0)
    embedded = Model([Embedding(3, 4, rng=rng), LSTM(4, 4, rng=rng), Dense(4, 3, rng=rng)], SoftmaxCrossEntropy())
    with pytest.raises(ValueError, match="In place of an Embedding put a Dense layer"):
        log_likelihood(embedded, [[0, 1]])
    with pytest.raises(ValueError, match=r"one advantage for each of 2 sequences"):
        reinforce(oracle, [[0, 1], [1, 2]], np.ones(3))
    with pytest.raises(ValueError, match="at least two sequences"):
        leave_one_out([1.0])
    with pytest.raises(ValueError, match="at least one rollout"):
        rollout_values(oracle, [[0, 1]], rewards_of, rollouts=0, rng=rng)
    with pytest.raises(ValueError, match="temperature is above 0"):
        GumbelSoftmax(0.0, rng=rng)
    soft = GumbelGenerator(oracle, GumbelSoftmax(1.0, rng=rng))
    with pytest.raises(RuntimeError, match="before forward"):
        soft.backward(np.ones((1, 2, 3)))
    soft.forward(1, 2)
    with pytest.raises(ValueError, match="d_samples has the shape"):
        soft.backward(np.ones((1, 3, 3)))


# ---------------------------------------------------------------------------------------------------------- REINFORCE
def test_summed_over_all_sequences_with_their_probabilities_it_is_the_gradient_of_the_expected_reward():
    generator, ids = small(), sequences()
    p = np.exp(log_likelihood(generator, ids))
    found = gradient_of(generator, ids, len(ids) * p * rewards_of(ids))
    assert relative_error(found, exact_gradient(generator)) < 1e-6
    shifted = gradient_of(generator, ids, len(ids) * p * (rewards_of(ids) - 5.0))  # a constant baseline changes nothing
    np.testing.assert_allclose(shifted, found, atol=1e-12)


def test_its_mean_over_sampled_sequences_is_within_four_standard_errors_of_the_exact_gradient():
    generator, ids = small(), sequences()
    each = np.array([gradient_of(generator, row[None], rewards_of(row[None])) for row in ids])
    p, exact = np.exp(log_likelihood(generator, ids)), exact_gradient(generator)
    drawn = sample_sequences(generator, 5_000, LENGTH, rng=np.random.default_rng(3))
    found = gradient_of(generator, drawn, rewards_of(drawn))
    np.testing.assert_allclose(found, each[drawn @ [9, 3, 1]].mean(axis=0), atol=1e-12)
    errors = np.sqrt((p @ each**2 - (p @ each) ** 2) / len(drawn))
    assert np.abs((found - exact) / errors).max() < 4
    assert np.abs(exact / errors).max() > 10  # it is a gradient, and not noise around zero, that was found


def test_the_mean_of_the_others_leaves_the_gradient_as_it_is_and_the_batchs_own_mean_shrinks_it():
    """Exactly, summed over all pairs of sequences; and with the baseline the estimate varies less."""
    generator, ids = small(), sequences()
    each = np.array([gradient_of(generator, row[None], np.ones(1)) for row in ids])  # of -ln P
    p, rewards = np.exp(log_likelihood(generator, ids)), rewards_of(ids) + 3
    pairs, exact = np.outer(p, p), exact_gradient(generator)
    baselines = {
        "none": np.zeros((27, 27, 2)),
        "others": np.array([[leave_one_out([a, b]) for b in rewards] for a in rewards]),
        "own too": np.array([[[(a + b) / 2] * 2 for b in rewards] for a in rewards]),
    }
    means, variances = {}, {}
    for name, baseline in baselines.items():
        first, second = rewards[:, None] - baseline[..., 0], rewards[None] - baseline[..., 1]
        estimates = (first[..., None] * each[:, None] + second[..., None] * each[None]) / 2
        means[name] = np.einsum("ij,ijw->w", pairs, estimates)
        variances[name] = np.einsum("ij,ijw->", pairs, (estimates - means[name]) ** 2)
    assert relative_error(means["none"], exact) < 1e-6
    assert relative_error(means["others"], exact) < 1e-6
    assert relative_error(means["own too"], exact / 2) < 1e-6
    assert variances["others"] < variances["none"] / 2


def values_by_enumeration(generator, ids):
    """Return the exact expected reward of sequences that begin as each of these does up to each symbol."""
    every = sequences()
    p, rewards, values = np.exp(log_likelihood(generator, every)), rewards_of(every), np.empty(ids.shape)
    for t in range(LENGTH):
        for i, row in enumerate(ids):
            same = (every[:, : t + 1] == row[: t + 1]).all(axis=1)
            values[i, t] = p[same] @ rewards[same] / p[same].sum()
    return values


def test_a_value_for_each_symbol_gives_the_same_gradient():
    generator, ids = small(), sequences()
    p = np.exp(log_likelihood(generator, ids))
    found = gradient_of(generator, ids, len(ids) * p[:, None] * values_by_enumeration(generator, ids))
    assert relative_error(found, exact_gradient(generator)) < 1e-6


def test_rollouts_are_within_four_standard_errors_of_the_exact_values():
    generator, ids = small(), sequences()[::5]
    found = rollout_values(generator, ids, rewards_of, rollouts=10_000, rng=np.random.default_rng(4))
    exact = values_by_enumeration(generator, ids)
    np.testing.assert_array_equal(found[:, -1], rewards_of(ids))
    assert np.abs(found - exact).max() < 4 / np.sqrt(
        10_000
    )  # rewards lie in [-1, 1]: a standard deviation of at most 1
    assert np.abs(exact - exact.mean(axis=0))[:, 0].max() > 0.08


# ------------------------------------------------------------------------------------------------------ Gumbel-softmax
@given(seed=st.integers(0, 999), temperature=st.sampled_from([0.3, 1.0, 4.0]))
def test_gumbel_softmax_gradient(seed, temperature):
    rng = np.random.default_rng(seed)
    layer, x, noise = GumbelSoftmax(temperature, rng=rng), rng.normal(size=(2, 3, 4)), gumbel_noise((2, 3, 4), rng)
    d = rng.normal(size=x.shape)
    y = layer.forward(x, noise=noise)
    np.testing.assert_allclose(y.sum(axis=-1), 1)
    check_gradients(lambda: np.sum(d * layer.forward(x, noise=noise)), {"x": x}, {"x": layer.backward(d)})


def test_the_derivative_of_a_draw_is_zero_and_straight_through_puts_the_soft_one_in_its_place():
    rng = np.random.default_rng(0)
    x, noise, d = rng.normal(size=(5, 4)), gumbel_noise((5, 4), rng), rng.normal(size=(5, 4))
    hard, soft = (GumbelSoftmax(0.7, rng=rng, straight_through=how) for how in (True, False))
    draws = hard.forward(x, noise=noise)
    np.testing.assert_array_equal(draws, one_hot((x + noise).argmax(axis=1), 4))
    assert not numerical_gradient(lambda: np.sum(d * hard.forward(x, noise=noise)), x).any()
    hard.forward(x, noise=noise)
    soft.forward(x, noise=noise)
    np.testing.assert_array_equal(hard.backward(d), soft.backward(d))
    assert np.abs(hard.backward(d)).max() > 0.01


def test_a_hard_draw_is_a_draw_from_the_softmax_at_any_temperature():
    """Each frequency within 4 standard errors."""
    logits, count = np.array([0.0, 1.0, 2.0]), 20_000
    p = softmax(logits)
    for temperature in (0.1, 10.0):
        layer = GumbelSoftmax(temperature, rng=np.random.default_rng(0), straight_through=True)
        found = layer.forward(np.tile(logits, (count, 1))).mean(axis=0)
        assert np.abs((found - p) / np.sqrt(p * (1 - p) / count)).max() < 4


def test_a_low_temperature_is_hard_and_a_high_one_uniform():
    x = np.random.default_rng(0).normal(size=(1_000, 4))
    sharp, flat = (GumbelSoftmax(t, rng=np.random.default_rng(1)).forward(x) for t in (0.01, 100.0))
    assert np.median(sharp.max(axis=1)) > 0.999
    assert np.abs(flat - 0.25).max() < 0.05
    assert GumbelSoftmax(1.0, rng=np.random.default_rng(1)).forward(x.astype(np.float32)).dtype == np.float32


def test_the_gradient_through_a_soft_sequence_is_right_for_every_weight():
    generator, rng = small(), np.random.default_rng(5)
    soft = GumbelGenerator(generator, GumbelSoftmax(0.8, rng=rng))
    noise, d = gumbel_noise((2, 4, SYMBOLS), rng), rng.normal(size=(2, 4, SYMBOLS))
    soft.forward(2, 4, noise)
    soft.gumbel.temperature = 3.0  # between forward and backward nothing else counts
    soft.backward(d)
    soft.gumbel.temperature = 0.8
    names = [str(n) for n in range(len(generator.weights))]
    check_gradients(
        lambda: np.sum(d * soft.forward(2, 4, noise)),
        dict(zip(names, generator.weights, strict=True)),
        dict(zip(names, soft.grads, strict=True)),
    )


def test_a_straight_through_sequence_is_what_sampling_draws_with_the_same_noise():
    generator = small()
    soft = GumbelGenerator(generator, GumbelSoftmax(0.8, rng=np.random.default_rng(0), straight_through=True))
    ids = sample_sequences(generator, 6, 4, rng=np.random.default_rng(7))
    rng = np.random.default_rng(7)
    noise = np.stack([gumbel_noise((6, SYMBOLS), rng) for _ in range(4)], axis=1)
    np.testing.assert_array_equal(soft.forward(6, 4, noise), one_hot(ids, SYMBOLS))
    soft.backward(np.random.default_rng(0).normal(size=(6, 4, SYMBOLS)))
    assert all(np.abs(g).max() > 0 for g in soft.grads)


# -------------------------------------------------------------------------------------------------- against each other
def trained_by_a_discriminator(how, seed, updates):
    """Train a fresh generator by a learned discriminator alone; its divergence from the oracle before and after."""
    rng = np.random.default_rng(seed)
    symbols, length, count = 4, 3, 64
    oracle = make_oracle(symbols, 8, rng=rng)
    generator = Model([LSTM(symbols, 16, rng=rng), Dense(16, symbols, rng=rng)], SoftmaxCrossEntropy())
    layers = [Dense(symbols, 8, rng=rng), GRU(8, 16, rng=rng), LastStep(), Dense(16, 1, rng=rng)]
    discriminator, ids = Model(layers, SigmoidCrossEntropy()), sequences(symbols, length)
    soft = GumbelGenerator(generator, GumbelSoftmax(1.0, rng=rng, straight_through=True))
    labels, learning, judging = np.repeat([[1.0], [0.0]], count, axis=0), Adam(0.003), Adam(0.02)

    def divergence():
        log_p, log_q = log_likelihood(oracle, ids), log_likelihood(generator, ids)
        return float(np.sum(np.exp(log_p) * (log_p - log_q)))

    before = divergence()
    for _ in range(updates):
        for _ in range(2):
            both = [sample_sequences(model, count, length, rng=rng) for model in (oracle, generator)]
            discriminator.train_on_batch(one_hot(np.concatenate(both), symbols), labels, optimizer=judging)
        if how == "REINFORCE":
            drawn = sample_sequences(generator, count, length, rng=rng)
            rewards = discriminator.forward(one_hot(drawn, symbols))[:, 0]
            reinforce(generator, drawn, rewards - leave_one_out(rewards))
            learning.update(generator.weights, generator.grads)
        else:
            fake = soft.forward(count, length)
            discriminator.loss.forward(discriminator.forward(fake), np.ones((count, 1)))  # to look real
            soft.backward(discriminator.backward(discriminator.loss.backward()))
            learning.update(generator.weights, soft.grads)
    return before, divergence()


@pytest.mark.parametrize("how", ["REINFORCE", "Gumbel-softmax"])
def test_a_learned_discriminator_leads_a_generator_towards_the_oracle(how):
    """Median of three runs of what is left of the divergence."""
    ratios = []
    for seed in range(3):
        before, after = trained_by_a_discriminator(how, seed, updates=120)
        ratios.append(after / before)
    assert np.median(ratios) < 0.4, ratios
