"""Lesson 12: what is measured, the pictures, and the answers of the exercises."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from figure_checks import check_legible
from hypothesis import given
from hypothesis import strategies as st
from results_checks import criterion_can_fail, measured_at_toy_size

from course_lib import plotting
from course_lib.lessons.lesson_12_transformer import exercises as ex
from course_lib.lessons.lesson_12_transformer import experiments, figures
from course_lib.speaker.training import spelling_pairs


# ---------------------------------------------------------------------------------------------------------------------
# What is measured
# ---------------------------------------------------------------------------------------------------------------------
def test_short_middle_and_long_words_are_counted_apart(monkeypatch):
    words = ["a" * n for n in (1, 6, 7, 9, 10, 20)]
    accepted = [[("B", "K")]] * 3 + [[("B", "K"), ("AA",)]] * 3

    class Silent:
        weights = (np.zeros((2, 3)), np.zeros(4))

    def say(model, asked):
        assert asked == words
        return [("B", "K"), ("B",), ("B", "K"), ("AA",), ("B", "B"), ("AA",)]  # the second and the fifth are wrong

    monkeypatch.setattr(experiments, "spellings", lambda part: {"test": (words, accepted)}[part])
    monkeypatch.setattr(experiments, "train_readers", lambda names, seed, seconds: {"attention": (Silent(), seconds)})
    monkeypatch.setattr(experiments, "say_words", say)
    row = experiments.measure_sounds(0)
    assert row == pytest.approx(
        {
            "attention": 2 / 6,
            "attention_phonemes": 2 / 10,
            "attention_seen": 60,
            "attention_parameters": 10,
            "attention_short": 1 / 2,
            "attention_short_phonemes": 1 / 4,
            "attention_middle": 0,
            "attention_middle_phonemes": 0,
            "attention_long": 1 / 2,
            "attention_long_phonemes": 1 / 3,
        }
    )


@pytest.mark.parametrize(
    "spoil",
    [
        {"attention": 0.53, "transformer": 0.6},
        {"attention": 0.5, "transformer": 0.45},
        {"transformer_long": 0.7, "no_attention_long": 0.69},
    ],
)
def test_each_bound_can_fail(spoil):
    criterion_can_fail("letters-to-sounds", spoil)


def test_training_by_updates_warms_up_and_slows_down(monkeypatch):
    rates, sizes = [], []

    class Recorder:
        def train_on_batch(self, pairs, y, mask, *, optimizer, clip_norm):
            rates.append(optimizer.learning_rate)
            sizes.append(len(pairs))

    some = spelling_pairs("validation")[np.arange(400)]
    monkeypatch.setattr(experiments, "sound_pairs", lambda part: {"train": some}[part])
    experiments.train_reader(Recorder(), 0.5, 40, np.random.default_rng(0), words=8)
    assert sizes == 40 * [8]
    part = np.arange(40) / 40
    np.testing.assert_allclose(rates, 0.5 * np.minimum(1, np.minimum(20 * part + 0.05, 2 - 2 * part)))


def test_quality_is_the_loss_and_the_share_of_sounds_wrong(monkeypatch):
    words, accepted = ["ab", "ba"], [[("B", "K")], [("K",)]]

    class Model:
        def evaluate(self, pairs):
            assert sorted(pairs) == ["one", "two"]
            return np.float32(1.5)

    monkeypatch.setattr(experiments, "spellings", lambda part: {"validation": (words, accepted)}[part])
    monkeypatch.setattr(experiments, "sound_pairs", lambda part: {"validation": np.array(["one", "two"])}[part])
    monkeypatch.setattr(experiments, "say_words", lambda model, asked: [accepted[words.index(w)][0][:1] for w in asked])
    assert experiments.quality(Model()) == (1.5, pytest.approx(1 / 3))


@pytest.mark.parametrize("name", ["self-attention", "GRU"])
def test_a_price_is_a_time_and_a_memory_that_grow(name):
    short, long = (experiments.price(experiments.one_update(name, n, np.random.default_rng(0)), 2) for n in (32, 256))
    assert min(*short, *long) > 0
    assert short[1] < long[1]


def test_words_are_rows_that_begin_and_end_alike():
    ids = experiments.some_words("validation", 50)
    assert ids.shape == (50, 14)
    for row in ids:
        (ends,) = np.flatnonzero(row == 27)[None]
        assert ends[0] == 0
        assert len(ends) == 2
        assert (row[1 : ends[1]] > 0).all()
        assert (row[ends[1] + 1 :] == 0).all()
    assert not set(map(tuple, ids)) & set(map(tuple, experiments.some_words("train", 500)))


def test_bits_when_writing_hide_what_comes_later():
    class Model:  # knows the next letter if it may see it, else nothing
        def predict(self, seen, batch_size, verbose):
            assert (seen[:, 5:] == 0).all()
            return np.zeros((*seen.shape, 28), np.float32)

    bits = experiments.bits_when_writing(Model(), experiments.some_words("validation", 50))
    assert bits == pytest.approx(np.log2(28), abs=1e-6)


def test_the_race_runs(monkeypatch):
    def few(spellings):
        def toy(part):
            words, accepted = spellings(part)
            return words[:300], accepted[:300]

        return toy

    def train(train_readers):
        return lambda names, seed, seconds: {name: (experiments_reader(name, seed), 64) for name in names}

    def experiments_reader(name, seed):
        from course_lib.speaker.readers import make_reader

        return make_reader(name, np.random.default_rng(seed))

    measured_at_toy_size("letters-to-sounds", monkeypatch, spellings=few, train_readers=train)


# ---------------------------------------------------------------------------------------------------------------------
# The picture
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("named", [False, True])
def test_the_picture_has_every_part(named):
    plotting.use_style()
    fig = figures.draw_transformer(named)
    texts = [text.get_text().replace("\n", " ") for text in fig.axes[0].texts]
    for number, name in figures.NAMES.items():
        assert (name if named else str(number)) in texts
        assert (str(number) if named else name) not in texts
    assert texts.count(figures.NAMES[5] if named else "5") == 5
    check_legible(fig)
    plt.close(fig)


# ---------------------------------------------------------------------------------------------------------------------
# The exercises
# ---------------------------------------------------------------------------------------------------------------------
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
def test_12_1s_heads_are_column_blocks(batch, time, heads, size):
    x = np.random.default_rng(0).normal(size=(batch, time, heads * size))
    split = ex.split_heads(x, heads)
    assert split.shape == (batch, heads, time, size)
    for head in range(heads):
        np.testing.assert_array_equal(split[:, head], x[:, :, head * size : (head + 1) * size])


def test_12_2s_layers_are_what_they_are_said_to_be():
    x = np.random.default_rng(5).normal(size=(1, 7, 2))
    for layer, truth, _ in ex.LAYERS:
        moved = False
        for t in range(6):
            changed = x.copy()
            changed[:, t + 1] += 0.3
            moved |= not np.allclose(layer(changed)[:, : t + 1], layer(x)[:, : t + 1])
            changed[:, t + 1 :] -= 0.3
            moved |= not np.allclose(layer(changed)[:, : t + 1], layer(x)[:, : t + 1])
        assert moved == truth


@given(st.integers(1, 300))
def test_12_4s_length_makes_both_prices_equal(features):
    time = ex.length_where_attention_costs_more(features)
    assert 4 * time * features**2 == 2 * time**2 * features


@pytest.mark.parametrize(
    ("number", "attempt", "phrase"),
    [
        ("12.1", lambda x, heads: x, "shape"),
        ("12.1", lambda x, heads: np.zeros((len(x), heads, x.shape[1], x.shape[2] // heads)), "Compare one of them"),
        ("12.2", lambda layer, x: "no", "True or False"),
        ("12.2", lambda layer, x: bool(layer(x[:, :4]).any()), "Change what comes later instead of cutting it off"),
        ("12.2", lambda layer, x: False, "misses attention without a mask (and 4 more)"),
        ("12.2", lambda layer, x: True, "cries out at every layer"),
        ("12.3", lambda: ["embedding"], "a dict with the keys 1 to 9"),
        ("12.3", lambda: {1: "embedding"}, "has the keys ['1']"),
        ("12.3", lambda: figures.NAMES | {4: ...}, "No name yet for 4"),
        ("12.3", lambda: figures.NAMES | {4: "skip"}, "not among the nine names"),
        ("12.3", lambda: figures.NAMES | {4: "softmax"}, "more than one number"),
        ("12.3", lambda: figures.NAMES | {1: figures.NAMES[9], 9: figures.NAMES[1]}, "7 of 9 are right"),
        ("12.4", lambda d: 7, "Write down both sides"),
        ("12.4", lambda d: "2d", "a number, the length T"),
    ],
)
def test_the_checks_say_what_is_wrong(number, attempt, phrase, answer):
    assert phrase in answer(ex.check, number, attempt)
