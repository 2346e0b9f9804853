"""Lesson 13: generator and discriminator in a world of 64 sequences, the recorded experiments, and the figures."""

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from figure_checks import check_legible
from hypothesis import given, settings
from hypothesis import strategies as st
from results_checks import NOTEBOOKS, criterion_can_fail, lesson_shows

from course_lib import plotting
from course_lib.adversarial import leave_one_out, log_likelihood, make_oracle, sample_sequences
from course_lib.layers import softmax
from course_lib.lessons.lesson_13_generator_discriminator import exercises as ex
from course_lib.lessons.lesson_13_generator_discriminator import experiments, figures
from course_lib.optimizers import Adam
from course_lib.sequences import one_hot
from course_lib.teaching import experiment as results

LESSON = "13_generator_discriminator"
seeds = st.integers(0, 2**32 - 1)


# ---------------------------------------------------------------------------------------------------------------------
# The experiments
# ---------------------------------------------------------------------------------------------------------------------
def test_the_small_world_is_all_of_its_sequences():
    assert len(np.unique(experiments.EVERY, axis=0)) == 4**3
    oracle, generator, discriminator, _ = experiments.small_world(0)
    assert np.exp(log_likelihood(oracle, experiments.EVERY)).sum() == pytest.approx(1, abs=1e-5)
    assert generator.layers[0].features == discriminator.layers[0].kernel.shape[0] == 4


def test_divergences_of_a_generator_from_itself_are_0_and_from_another_above():
    oracle, generator, *_ = experiments.small_world(1)
    np.testing.assert_allclose(experiments.divergences(oracle, oracle), 0, atol=1e-9)
    assert min(experiments.divergences(oracle, generator)) > 0.05


def test_variety_of_an_even_generator_is_the_number_of_sequences():
    generator = experiments.make_generator(4, 3, np.random.default_rng(0))
    generator.layers[-1].set_weights([np.zeros((3, 4)), np.zeros(4)])
    assert experiments.variety(generator) == pytest.approx(64)
    generator.layers[-1].set_weights([np.zeros((3, 4)), np.array([50.0, 0, 0, 0])])
    assert experiments.variety(generator) == pytest.approx(1)


def test_a_judge_step_sees_as_many_generated_as_real_sequences(monkeypatch):
    oracle, generator, discriminator, rng = experiments.small_world(0)
    seen = []
    monkeypatch.setattr(discriminator, "train_on_batch", lambda x, y, **how: seen.append((x, y)))
    real = sample_sequences(oracle, 6, 3, rng=rng)
    experiments.judge_step(discriminator, generator, real, rng, Adam(0.01))
    ((x, y),) = seen
    assert x.shape == (12, 3, 4)
    np.testing.assert_array_equal(x[:6].argmax(axis=2), real)
    np.testing.assert_array_equal(y[:, 0], [1] * 6 + [0] * 6)


@pytest.mark.parametrize("name", experiments.STEPS)
def test_a_step_makes_what_the_critic_likes_likelier(name):
    """The critic: its logit is 4 for a last symbol 0, -4 for any other."""
    _, generator, _, rng = experiments.small_world(0)

    class Critic:
        layers, loss = [], None

        def forward(self, x):
            self.x = x
            return 8 * x[:, -1, :1] - 4

        def backward(self, d):
            dx = np.zeros_like(self.x)
            dx[:, -1, :1] = 8 * d
            return dx

    def share():
        return np.exp(log_likelihood(generator, experiments.EVERY))[experiments.EVERY[:, -1] == 0].sum()

    before, adam = share(), Adam(0.01)
    for _ in range(40):
        experiments.STEPS[name](generator, Critic(), 32, 3, rng, adam)
    assert share() > before + 0.2


def test_adversarial_training_takes_turns_and_looks_every_20_updates(monkeypatch):
    oracle, generator, discriminator, rng = experiments.small_world(0)
    turns = []
    monkeypatch.setattr(experiments, "judge_step", lambda *args: turns.append("judge"))
    seen = experiments.adversarial(
        lambda *args: turns.append("write"),
        generator,
        discriminator,
        lambda: sample_sequences(oracle, 2, 3, rng=rng),
        rng,
        45,
        0.01,
        warm_up=5,
        look=lambda: len(turns),
    )
    assert turns[:10] == ["judge"] * 10
    assert turns[10:] == ["judge", "judge", "write"] * 45
    assert seen == [10 + 60, 10 + 120]


def test_likelihood_comes_near_the_oracle_and_a_critic_nearer_than_the_start():
    oracle, generator, _, rng = experiments.small_world(0)
    start = experiments.divergences(oracle, generator)[0]
    seen = experiments.likelihood_alone(oracle, generator, rng, 100, 0.01)
    assert len(seen) == 5
    assert seen[-1][0] < 0.3 * start


def test_the_likelihood_generator_keeps_its_best_weights():
    rng = np.random.default_rng(0)
    oracle = make_oracle(20, 4, rng=rng)
    train, stop = (sample_sequences(oracle, count, 4, rng=rng) for count in (100, 50))
    generator = experiments.learn_likelihood(train, stop, rng, epochs=2)
    assert experiments.nll(generator, stop) < np.log(20) + 0.1


@settings(max_examples=20)
@given(seeds, st.floats(0.0, 1.0))
def test_a_point_on_the_curve_is_0_behind_it(seed, share):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.random(5)) + np.arange(5)
    curve = np.column_stack([x, rng.random(5)])
    point = curve[1] + share * (curve[2] - curve[1])
    assert experiments.behind(*point, curve) == pytest.approx(0, abs=1e-9)
    assert experiments.behind(point[0], point[1] + 0.5, curve) == pytest.approx(0.5)


def test_the_oracle_itself_stands_at_the_floor_on_both_axes():
    rng = np.random.default_rng(0)
    oracle = make_oracle(20, 8, rng=rng)
    test = sample_sequences(oracle, 3000, 4, rng=rng)
    oracle_nll, test_nll, distinct = experiments.place(oracle, oracle, test)
    assert oracle_nll == pytest.approx(test_nll, abs=0.05)
    assert 0 < distinct <= 3000


SPOILT = [
    ("critic-alone", {"reinforce": 10.0}),
    ("critic-alone", {"gumbel": 10.0}),
    ("critic-alone", {"likelihood": 10.0}),
    ("critic-alone", {"gumbel_large_variety": 30.0}),
    *(("critic-plane", {f"{name}_behind": -0.5}) for name in experiments.CRITICS),
]


@pytest.mark.parametrize(("key", "spoil"), SPOILT)
def test_each_bound_can_fail(key, spoil):
    criterion_can_fail(key, spoil)


def test_the_lesson_shows_the_recorded_code():
    shown = (experiments.judge_step, experiments.reinforce_step, experiments.gumbel_step, experiments.adversarial)
    lesson_shows(LESSON, shown)


# ---------------------------------------------------------------------------------------------------------------------
# Figures and exercises
# ---------------------------------------------------------------------------------------------------------------------
def test_a_bar_for_each_sequence_the_likeliest_of_the_world_first():
    plotting.use_style()
    oracle, generator, *_ = experiments.small_world(0)
    fig, axes = plt.subplots(2, figsize=(7, 4))
    figures.draw_worlds(axes, {"world": oracle, "generator": generator})
    heights = [[bar.get_height() for bar in ax.patches] for ax in axes]
    assert heights[0] == sorted(heights[0], reverse=True)
    assert len(heights[1]) == 64
    assert sum(heights[1]) == pytest.approx(1, abs=1e-5)
    plt.close(fig)


def test_the_plane_shows_every_recorded_run():
    plotting.use_style()
    record = results.recorded("critic-plane")
    fig = figures.draw_plane(record, [-0.1, 0.05])
    check_legible(fig, smallest=8.5)
    points = [
        line
        for line in fig.axes[0].lines
        if line.get_linestyle() == "None" and line.get_marker() != "*" and line.get_label() != "live"
    ]
    assert [len(line.get_xdata()) for line in points] == [len(record.rows)] * len(experiments.CRITICS)
    plt.close(fig)


@settings(max_examples=30)
@given(seeds, st.integers(2, 8))
def test_the_best_baseline_is_the_lowest_point(seed, size):
    rng = np.random.default_rng(seed)
    p, r = rng.dirichlet(np.ones(size) * 3), rng.random(size)
    best = ex.best_baseline(p, r)
    assert ex._variance(p, r, best) <= min(ex._variance(p, r, best + shift) for shift in (-0.1, -0.001, 0.001, 0.1))


@settings(max_examples=30)
@given(seeds, st.sampled_from([0.1, 1.0, 5.0]))
def test_a_soft_draw_keeps_the_drawn_symbol_at_any_temperature(seed, tau):
    rng = np.random.default_rng(seed)
    theta, u = rng.normal(size=4), rng.uniform(0.01, 0.99, size=4)
    assert ex.soft_draw(theta, u, tau).argmax() == (theta - np.log(-np.log(u))).argmax()
    assert ex.soft_draw(theta, u, tau).sum() == pytest.approx(1)


# ---------------------------------------------------------------------------------------------------------------------
# The recipe
# ---------------------------------------------------------------------------------------------------------------------
def recipe():
    """The code to copy, in its two parts."""
    cells = nbformat.read(NOTEBOOKS / f"{LESSON}.ipynb", as_version=4).cells
    source = next(cell.source for cell in cells if "class StraightThrough" in cell.source)
    code = source.partition("```python\n")[2].partition("```")[0]
    return code.split("# REINFORCE")


def test_the_keras_layer_of_the_recipe_draws_and_has_the_gradient_of_the_soft_draw():
    import tensorflow as tf

    from course_lib.keras_models import keras  # first: it keeps TensorFlow quiet

    names = {"keras": keras}
    exec(recipe()[0], names)
    layer, logits = names["StraightThrough"](0.7), tf.Variable(np.tile([[0.0, 1.0, 2.0]], (4000, 1)).astype("float32"))
    with tf.GradientTape() as tape:
        drawn = layer(logits)
        score = tf.reduce_sum(drawn * [1.0, 2.0, 4.0])
    p = np.exp([0, 1, 2]) / np.exp([0, 1, 2]).sum()
    np.testing.assert_allclose(np.sort(drawn, axis=1)[:, :2], 0, atol=1e-6)
    assert np.abs((drawn.numpy().mean(axis=0) - p) / np.sqrt(p * (1 - p) / 4000)).max() < 5
    gradient = tape.gradient(score, logits).numpy()
    np.testing.assert_allclose(gradient.sum(axis=1), 0, atol=1e-5)
    assert np.abs(gradient.mean(axis=0)).min() > 0.01


def test_cross_entropy_with_sample_weights_is_reinforce_up_to_the_number_of_steps():
    from course_lib.keras_models import keras

    rng = np.random.default_rng(0)
    previous, drawn, reward = rng.normal(size=(6, 5, 3)), rng.integers(4, size=(6, 5)), rng.random(6)
    writer = keras.Sequential([keras.Input((None, 3)), keras.layers.Dense(4, use_bias=False)])
    writer.compile(keras.optimizers.SGD(1.0), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    kernel = writer.get_weights()[0].astype(float)
    names = {"np": np, "writer": writer, "previous": previous, "drawn": drawn, "reward": reward}
    exec("# REINFORCE" + recipe()[1], names)
    p = softmax(previous @ kernel)
    advantages = reward - leave_one_out(reward)
    d_logits = advantages[:, None, None] * (p - one_hot(drawn, 4, float)) / (6 * 5)
    np.testing.assert_allclose(
        kernel - writer.get_weights()[0], np.einsum("bti,btj->ij", previous, d_logits), atol=1e-6
    )
