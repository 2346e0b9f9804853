"""Lesson 12: what is measured, the pictures, and the answers of the exercises."""

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from figure_checks import check_legible
from hypothesis import given
from hypothesis import strategies as st
from results_checks import criterion_can_fail, measured_at_toy_size

from course_lib import plotting
from course_lib.keras_models import keras
from course_lib.lessons.lesson_12_transformer import exercises as ex
from course_lib.lessons.lesson_12_transformer import experiments, figures
from course_lib.speaker.training import spelling_pairs
from course_lib.teaching.code_hash import ROOT
from course_lib.transformer import TransformerBlock


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


@pytest.mark.parametrize("spoil", [{"attention": 0.47}])
def test_the_bound_at_equal_words_can_fail(spoil):
    criterion_can_fail("sounds-same-words", spoil)


def test_the_run_at_equal_words_runs(monkeypatch):
    def few(spellings):
        def toy(part):
            words, accepted = spellings(part)
            return words[:300], accepted[:300]

        return toy

    monkeypatch.setattr(experiments, "UPDATES", 2)
    measured_at_toy_size("sounds-same-words", monkeypatch, spellings=few)


def test_training_goes_on_after_the_last_word(monkeypatch):
    sizes = []

    class Recorder:
        def train_on_batch(self, pairs, y, mask, *, optimizer, clip_norm):
            sizes.append(len(pairs))

    some = spelling_pairs("validation")[np.arange(40)]
    monkeypatch.setattr(experiments, "sound_pairs", lambda part: {"train": some}[part])
    experiments.train_reader(Recorder(), 0.5, 7, np.random.default_rng(0), words=20)
    assert sizes == 7 * [20]


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
# What the lesson's Keras blocks do with padding
# ---------------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def shown():
    """The lesson's own ``positional_encoding``, ``AddPositions`` and ``transformer_block``, with Keras."""
    notebook = nbformat.read(ROOT / "notebooks" / "12_transformer.ipynb", as_version=4)
    cells = {cell.id: cell.source for cell in notebook.cells}
    names = {"np": np, "keras": keras}
    exec(cells["positions-run"].split("\n\np = ")[0], names)
    exec(cells["keras-model"], names)
    return names


@pytest.mark.parametrize(("time", "features"), [(None, 8), (6, 7)])
def test_positions_refuse_a_free_length_and_odd_features(shown, time, features):
    with pytest.raises(ValueError, match=f"fixed length and even features: {time}, {features}"):
        shown["positional_encoding"](time, features)
    with pytest.raises(ValueError, match=f"fixed length and even features: {time}, {features}"):
        shown["AddPositions"]()(keras.Input((time, features)))


@pytest.mark.parametrize("way", ["nothing", "mask_zero", "attention_mask"])
@pytest.mark.filterwarnings("ignore:Layer 'add_positions")
def test_only_an_explicit_mask_hides_padding(shown, way):
    words = np.random.default_rng(0).integers(1, 28, (3, 5))

    def outputs(ids):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((ids.shape[1],), dtype="int32")
        x = shown["AddPositions"]()(keras.layers.Embedding(28, 16, mask_zero=way == "mask_zero")(inputs))
        known = (inputs != 0)[:, None] if way == "attention_mask" else None
        for _ in range(2):
            x = shown["transformer_block"](x, heads=2, hidden=8, causal=False, known=known)
        return keras.Model(inputs, x)(ids).numpy()

    moved = np.abs(outputs(np.pad(words, ((0, 0), (0, 4))))[:, :5] - outputs(words)).max()
    assert (moved < 1e-4) == (way == "attention_mask")


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
    rng = np.random.default_rng(5)
    x = rng.normal(size=(1, 7, 3))
    for layer, truth, _ in ex.LAYERS:
        moved = False
        for t in range(6):
            changed = x.copy()
            changed[:, t + 1] += rng.normal(size=3)
            moved |= not np.allclose(layer(changed)[:, : t + 1], layer(x)[:, : t + 1])
        assert moved == truth


@pytest.mark.parametrize("change", [0.01, 1, -3])
def test_12_2s_normalisation_leaves_no_rounding_errors(change):
    (layer,) = (layer for layer, _, what in ex.LAYERS if what == ex.NORMALISED)
    x = np.random.default_rng(122).normal(size=(2, 7, 3))
    changed = x.copy()
    changed[:, 4:] += change
    np.testing.assert_array_equal(layer(changed)[:, :4], layer(x)[:, :4])


def test_12_2_refuses_the_lessons_nudge(answer):
    assert "is what a normalisation takes away" in answer(ex.check, "12.2", ex._nudges_and_takes_any_difference)


@pytest.mark.parametrize("allowed", [True, np.tri(7, dtype=bool)])
def test_12_2s_solution_sees_through_the_lessons_own_block(allowed):
    rng = np.random.default_rng(3)
    block = TransformerBlock(8, heads=2, hidden=12, rng=rng, dtype=np.float64)
    assert ex.looks_ahead(lambda x: block.forward(x, allowed), rng.normal(size=(2, 7, 8))) == (allowed is True)


@pytest.mark.parametrize("cut", range(1, 7))
def test_12_2_sees_that_one_cut_is_not_enough(cut, answer):
    def one_cut(layer, x):
        changed = x.copy()
        changed[:, cut:] = np.random.default_rng(0).normal(size=changed[:, cut:].shape)
        return not np.allclose(layer(changed)[:, :cut], layer(x)[:, :cut])

    assert "Which pairs do your trials leave out?" in answer(ex.check, "12.2", one_cut)


@given(st.integers(1, 300))
def test_12_4s_length_makes_both_prices_equal(features):
    time = ex.length_of_equal_cost(features)
    assert 4 * time * features**2 == 2 * time**2 * features


@pytest.mark.parametrize(
    ("number", "attempt", "phrase"),
    [
        ("12.1", lambda x, heads: x, "shape"),
        ("12.1", lambda x, heads: np.zeros((len(x), heads, x.shape[1], x.shape[2] // heads)), "Compare one of them"),
        ("12.2", lambda layer, x: "no", "True or False"),
        ("12.2", lambda layer, x: bool(layer(x[:, :4]).any()), "Change what comes later instead of cutting it off"),
        ("12.2", lambda layer, x: False, "misses attention without a mask (and 8 more)"),
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
