"""Lesson 13's reproductions: a critic against the temperature of plain maximum likelihood, judged by an oracle.

The functions are those the lesson shows, so that its live run and the recorded ones are the same experiment. A world is
an oracle, sequences drawn from it to learn from, others to stop by, and others to test with.
"""

from __future__ import annotations

import numpy as np

from course_lib.adversarial import (
    GumbelGenerator,
    GumbelSoftmax,
    leave_one_out,
    log_likelihood,
    make_oracle,
    previous_symbols,
    reinforce,
    rollout_values,
    sample_sequences,
)
from course_lib.layers import Dense, LastStep
from course_lib.losses import SigmoidCrossEntropy, SoftmaxCrossEntropy
from course_lib.model import Model
from course_lib.optimizers import Adam, LinearDecay, clip_by_global_norm
from course_lib.recurrent import GRU, LSTM
from course_lib.sequences import one_hot
from course_lib.teaching.experiment import Reproduction
from course_lib.teaching.summaries import spreads


# ---------------------------------------------------------------------------------------------------------------------
# Generator and discriminator, and one update of each
# ---------------------------------------------------------------------------------------------------------------------
def make_generator(symbols, units, rng):
    """A language model: scores for the next symbol at each step."""
    return Model([LSTM(symbols, units, rng=rng), Dense(units, symbols, rng=rng)], SoftmaxCrossEntropy())


def make_discriminator(symbols, units, rng):
    """Reads a whole sequence; one logit: above 0 for real, below 0 for generated."""
    layers = [Dense(symbols, units, rng=rng), GRU(units, units, rng=rng), LastStep(), Dense(units, 1, rng=rng)]
    return Model(layers, SigmoidCrossEntropy())


def judge_step(discriminator, generator, real, rng, adam):
    """Teach the discriminator on as many generated sequences as real ones."""
    fake = sample_sequences(generator, *real.shape, rng=rng)
    labels = np.repeat([[1.0], [0.0]], len(real), axis=0)
    both = one_hot(np.concatenate([real, fake]), generator.layers[0].features)
    discriminator.train_on_batch(both, labels, optimizer=adam, clip_norm=1.0)


def reinforce_step(generator, discriminator, count, length, rng, adam):
    """Make sequences with a higher logit than the others likelier."""
    ids = sample_sequences(generator, count, length, rng=rng)
    reward = discriminator.forward(one_hot(ids, generator.layers[0].features))[:, 0]
    reinforce(generator, ids, reward - leave_one_out(reward))
    clip_by_global_norm(generator.grads, 1.0)
    adam.update(generator.weights, generator.grads)


def gumbel_step(generator, discriminator, count, length, rng, adam, temperature=1.0):
    """Raise the mean logit by its gradient, straight through every drawn symbol."""
    soft = GumbelGenerator(generator, GumbelSoftmax(temperature, rng=rng, straight_through=True))
    discriminator.forward(soft.forward(count, length))
    soft.backward(discriminator.backward(np.full((count, 1), -1 / count, np.float32)))
    clip_by_global_norm(soft.grads, 1.0)
    adam.update(generator.weights, soft.grads)


def seqgan_step(generator, discriminator, count, length, rng, adam):
    """As in SeqGAN: each symbol's reward is the mean probability of being real over four completions."""
    ids = sample_sequences(generator, count, length, rng=rng)

    def reward(ids):
        logits = discriminator.forward(one_hot(ids, generator.layers[0].features))
        return 1 / (1 + np.exp(-logits[:, 0].astype(float)))

    worth = rollout_values(generator, ids, reward, rollouts=4, rng=rng)
    reinforce(generator, ids, worth - leave_one_out(worth))
    clip_by_global_norm(generator.grads, 1.0)
    adam.update(generator.weights, generator.grads)


STEPS = {"reinforce": reinforce_step, "gumbel": gumbel_step, "seqgan": seqgan_step}


def adversarial(step, generator, discriminator, draw_real, rng, updates, rate, judge_rate=0.005, warm_up=0, look=None):
    """Train by turns, the discriminator twice as often; ``look()`` after every 20 updates."""
    adam, judging, seen = Adam(rate), Adam(judge_rate), []
    for update in range(1 - warm_up, updates + 1):
        for _ in range(2):
            judge_step(discriminator, generator, draw_real(), rng, judging)
        if update > 0:
            step(generator, discriminator, *draw_real().shape, rng, adam)
            if look and update % 20 == 0:
                seen.append(look())
    return seen


# ---------------------------------------------------------------------------------------------------------------------
# A world of 64 sequences, in which everything is a sum
# ---------------------------------------------------------------------------------------------------------------------
SYMBOLS, LENGTH, COUNT = 4, 3, 128
EVERY = np.indices((SYMBOLS,) * LENGTH).reshape(LENGTH, -1).T  # all 64 sequences


def small_world(seed):
    """An oracle, a fresh generator and a fresh discriminator."""
    rng = np.random.default_rng(seed)
    oracle = make_oracle(SYMBOLS, 32, rng=rng)
    return oracle, make_generator(SYMBOLS, 16, rng), make_discriminator(SYMBOLS, 16, rng), rng


def divergences(oracle, generator):
    """KL(p || q) and KL(q || p) in nats, p the oracle's probabilities and q the generator's."""
    log_p, log_q = log_likelihood(oracle, EVERY), log_likelihood(generator, EVERY)
    return float(np.exp(log_p) @ (log_p - log_q)), float(np.exp(log_q) @ (log_q - log_p))


def variety(generator):
    """Like so many equally likely sequences: 1 / the chance that two are equal."""
    return float(1 / (np.exp(log_likelihood(generator, EVERY)) ** 2).sum())


def likelihood_alone(oracle, generator, rng, updates, rate):
    """Maximum likelihood on COUNT real sequences an update; the divergences after every 20 updates."""
    adam, seen = Adam(rate), []
    for update in range(1, updates + 1):
        ids = sample_sequences(oracle, COUNT, LENGTH, rng=rng)
        generator.train_on_batch(previous_symbols(ids, SYMBOLS), ids, optimizer=adam, clip_norm=1.0)
        if update % 20 == 0:
            seen.append(divergences(oracle, generator))
    return seen


def critic_alone(name, seed, updates, rate):
    """Train a fresh generator by a critic and nothing else."""
    oracle, generator, discriminator, rng = small_world(seed)
    seen = adversarial(
        STEPS[name],
        generator,
        discriminator,
        lambda: sample_sequences(oracle, COUNT, LENGTH, rng=rng),
        rng,
        updates,
        rate,
        judge_rate=0.02,
        look=lambda: divergences(oracle, generator),
    )
    return generator, seen


def measure_critic_alone(seed):
    oracle, generator, _, rng = small_world(seed)
    row = {"start": divergences(oracle, generator)[0], "source_variety": variety(oracle)}
    seen = likelihood_alone(oracle, generator, rng, 200, 0.005)
    row |= {"likelihood": seen[-1][0], "likelihood_curve": [round(forward, 4) for forward, _ in seen]}
    for name in ("reinforce", "gumbel"):
        generator, seen = critic_alone(name, seed, 200, 0.005)
        row |= {name: seen[-1][0], f"{name}_curve": [round(forward, 4) for forward, _ in seen]}
        row[f"{name}_variety"] = variety(generator)
        generator, seen = critic_alone(name, seed, 200, 0.1)
        row |= {f"{name}_large": seen[-1][0], f"{name}_large_variety": variety(generator)}
    return row


# ---------------------------------------------------------------------------------------------------------------------
# A world that cannot be summed: critics after maximum likelihood, beside its temperature
# ---------------------------------------------------------------------------------------------------------------------
TEMPERATURES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)


def large_world(seed):
    """20 symbols, 8 a sequence: an oracle, 2,000 sequences to learn from, 1,000 to stop by, 4,000 to test with."""
    rng = np.random.default_rng(seed)
    oracle = make_oracle(20, 32, rng=rng)
    return oracle, *(sample_sequences(oracle, count, 8, rng=rng) for count in (2000, 1000, 4000)), rng


def nll(model, ids, temperature=1.0):
    """Negative log-likelihood in nats a symbol."""
    return float(-log_likelihood(model, ids, temperature).mean() / ids.shape[1])


def learn_likelihood(train, stop, rng, epochs=15):
    """Maximum likelihood; the weights of the epoch that was best on ``stop``."""
    generator, adam = make_generator(20, 32, rng), Adam(LinearDecay(0.01, epochs * len(train) // 50))
    best, kept = np.inf, None
    for _ in range(epochs):
        for rows in rng.permutation(len(train)).reshape(-1, 50):
            x = previous_symbols(train[rows], 20)
            generator.train_on_batch(x, train[rows], optimizer=adam, clip_norm=1.0)
        if nll(generator, stop) < best:
            best, kept = nll(generator, stop), [w.copy() for w in generator.weights]
    set_weights(generator, kept)
    return generator


def set_weights(model, weights):
    for own, given in zip(model.weights, weights, strict=True):
        own[...] = given


def place(generator, oracle, test, temperature=1.0):
    """Oracle NLL of 3,000 drawn sequences, NLL of the test sequences, and how many of those drawn are distinct."""
    drawn = sample_sequences(generator, 3000, test.shape[1], rng=np.random.default_rng(5), temperature=temperature)
    return nll(oracle, drawn), nll(generator, test, temperature), len(np.unique(drawn, axis=0))


def behind(oracle_nll, test_nll, curve):
    """How much higher the test NLL is than on the temperature curve at the same oracle NLL, by interpolation."""
    return float(test_nll - np.interp(oracle_nll, *np.transpose(curve)))


CRITICS = {  # how, rate, updates; SeqGAN's completions cost several times as much an update
    "reinforce": ("reinforce", 0.0003, 200),
    "gumbel": ("gumbel", 0.0003, 200),
    "reinforce_faster": ("reinforce", 0.001, 200),
    "gumbel_faster": ("gumbel", 0.001, 200),
    "seqgan": ("seqgan", 0.001, 60),
    "reinforce_large": ("reinforce", 0.01, 100),
    "gumbel_large": ("gumbel", 0.01, 100),
}


def measure_plane(seed):
    oracle, train, stop, test, rng = large_world(seed)
    generator, discriminator = learn_likelihood(train, stop, rng), make_discriminator(20, 32, rng)
    curve = [place(generator, oracle, test, temperature)[:2] for temperature in TEMPERATURES]
    row = {"floor": nll(oracle, test), "curve": [round(value, 4) for point in curve for value in point]}

    def draw_real():
        return train[rng.integers(len(train), size=64)]

    adversarial(None, generator, discriminator, draw_real, rng, 0, 0.0, warm_up=300)
    start = [[w.copy() for w in model.weights] for model in (generator, discriminator)]
    for name, (how, rate, updates) in CRITICS.items():
        for model, weights in zip((generator, discriminator), start, strict=True):
            set_weights(model, weights)
        adversarial(STEPS[how], generator, discriminator, draw_real, rng, updates, rate)
        oracle_nll, test_nll, distinct = place(generator, oracle, test)
        row |= {f"{name}_oracle": oracle_nll, f"{name}_test": test_nll, f"{name}_distinct": distinct}
        row[f"{name}_behind"] = behind(oracle_nll, test_nll, curve)
    return row


def _alone_holds(rows):
    return all(
        row["likelihood"] < row[name] < 0.6 * row["start"]
        for row in rows
        for name in ("reinforce", "gumbel")
        if name in row
    ) and all(row["gumbel_large_variety"] < 8 for row in rows if "gumbel_large_variety" in row)


def _plane_holds(rows):
    return all(row[f"{name}_behind"] > -0.01 for row in rows for name in CRITICS if f"{name}_behind" in row) and all(
        row[f"{name}_large_behind"] > 0.2
        for row in rows
        for name in ("reinforce", "gumbel")
        if f"{name}_large_behind" in row
    )


REPRODUCTIONS = (
    Reproduction(
        key="critic-alone",
        lesson="13",
        paper="In the spirit of Yu et al. 2017 and Jang et al. 2017",
        claim="a critic can teach a generator of symbols from nothing, past the drawn symbol",
        reported="not in the papers, which begin with maximum likelihood or have another task",
        criterion="64 sequences, 200 updates of 128: with either way the critic removes more than 40 % of KL(p || q) "
        "in every run, and maximum likelihood on half as many real sequences removes more; with a rate of .1 the "
        "Gumbel generator ends like fewer than 8 sequences",
        seeds=range(5),
        measure=measure_critic_alone,
        holds=_alone_holds,
        measured=lambda rows: spreads(rows, ("start", "likelihood", "reinforce", "gumbel", "gumbel_large_variety")),
    ),
    Reproduction(
        key="critic-plane",
        lesson="13",
        paper="Caccia et al. 2020; Yu et al. 2017",
        claim="language GANs stay behind the temperature curve of plain maximum likelihood",
        reported="maximum likelihood with its temperature is ahead over the whole plane of quality and diversity",
        criterion="20 symbols, 8 a sequence: at equal oracle NLL no critic's test NLL is lower than the curve's by .01 "
        "or more; with a rate of .01 it is higher by more than .2",
        seeds=range(4),
        measure=measure_plane,
        holds=_plane_holds,
        measured=lambda rows: spreads(rows, [f"{name}_behind" for name in CRITICS], ".3f"),
    ),
)
