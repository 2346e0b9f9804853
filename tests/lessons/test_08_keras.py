"""Lesson 08: its bounds can fail, it shows what was recorded, its exercises answer, Keras does what it says of it."""

import re
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from results_checks import NOTEBOOKS, criterion_can_fail, lesson_shows, measured_at_toy_size

from course_lib import datasets
from course_lib.lessons.lesson_08_keras import exercises as ex
from course_lib.lessons.lesson_08_keras import experiments
from course_lib.ngrams import NGram
from course_lib.recurrent import GRU, LSTM, SimpleRNN
from course_lib.sequences import windows
from course_lib.teaching import experiment as results


# ---------------------------------------------------------------------------------------------------------------------
# Results
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("key", "spoil"),
    [
        ("classic-stack", {"classic": 3.80}),
        ("classic-stack", {"mended": 3.75}),
        ("dropout-between-layers", {"best_without": 3.47, "last_without": 3.50}),
        ("dropout-between-layers", {"best_with": 3.20}),
        ("dropout-between-layers", {"best_with": 3.45, "last_with": 3.46}),
        ("mask-taken-away", {"masked_12": 0.69, "masked_20": 0.69}),
        ("mask-taken-away", {"masked_20": 0.80}),
        ("mask-taken-away", {"bare_12": 0.35}),
        ("mask-taken-away", {"bare_20": 0.35}),
        ("sunspots", {"network": 21.6}),
        ("sunspots", {"linear": 24.0}),
    ],
)
def test_each_bound_can_fail(key, spoil):
    criterion_can_fail(key, spoil)


def test_the_lesson_shows_the_recorded_code():
    lesson_shows(
        "08_keras",
        [
            experiments.words_by_part,
            experiments.run_together,
            experiments.cut,
            experiments.bits_of_the_next,
            experiments.table_bits,
            experiments.syllables,
            experiments.padded_words,
            experiments.accuracy,
            experiments.last_years,
            experiments.linear_errors,
            experiments.learn,
        ],
    )


def test_pieces_end_to_end_answer_for_each_letter_once():
    ids = np.arange(25) % 27
    inputs, targets = experiments.cut(ids, 6)
    assert inputs.shape == targets.shape == (4, 6, 27)
    np.testing.assert_array_equal(inputs.argmax(axis=2).ravel(), ids[:24])
    np.testing.assert_array_equal(targets.argmax(axis=2).ravel(), ids[1:])


def test_overlapping_pieces_begin_every_stride_letters():
    ids = np.arange(25) % 27
    inputs, targets = experiments.cut(ids, 6, 2)
    np.testing.assert_array_equal(inputs[:, 0].argmax(axis=1), range(0, 20, 2))
    np.testing.assert_array_equal(targets[:, -1].argmax(axis=1), range(6, 26, 2))


def test_the_parts_hold_each_word_once_and_as_split_of_says():
    parts = experiments.words_by_part()
    assert set(parts) == {"train", "validation", "test"}
    assert sorted(word for words in parts.values() for word in words) == datasets.load_words()
    for part, words in parts.items():
        assert {datasets.split_of(word) for word in words[:50]} == {part}


def test_words_are_run_together_with_dots_in_random_order():
    ids = experiments.run_together(["ab", "c", "dd"], np.random.default_rng(0))
    text = experiments.SYMBOLS.decode(ids)
    assert text[0] == text[-1] == "."
    assert sorted(text.strip(".").split(".")) == ["ab", "c", "dd"]


def test_bits_of_the_next_reads_both_kinds_of_answers():
    p = np.zeros((2, 27))
    p[0, 3], p[1, 5] = 0.5, 0.25
    targets = np.eye(27)[[3, 5]]

    class Fixed:
        def __init__(self, answer):
            self.answer = answer

        def predict(self, inputs, batch_size, verbose):
            return self.answer

    assert experiments.bits_of_the_next(Fixed(p), None, targets) == 1.5
    every_step = np.stack([np.full((2, 27), 1 / 27), p], axis=1)
    assert experiments.bits_of_the_next(Fixed(every_step), None, targets) == 1.5


def test_the_best_table_is_one_of_the_tables():
    parts = experiments.words_by_part()
    read, tested = (
        experiments.run_together(parts[part], np.random.default_rng(0))[:4000] for part in ("train", "test")
    )
    scores = [
        NGram(n, 27, pseudocount, interpolated=True).read(read).surprisal(tested).mean()
        for n in range(1, 7)
        for pseudocount in (5, 20, 40, 80)
    ]
    bits = experiments.table_bits(read, tested)
    assert bits["table"] == min(scores) < bits["pairs"] < bits["letters"] < np.log2(27)
    assert bits["pairs"] == NGram(2, 27).read(read).surprisal(tested).mean()


def test_syllables_by_hand():
    parts, said = experiments.words_by_part(), datasets.load_pronunciations()
    by_hand = {"queue": 1, "seventeen": 3, "area": 3, "through": 1, "banana": 3, "university": 5}
    words, counts = experiments.syllables([*by_hand, "individualistic", "originality"], said)
    assert dict(zip(words, counts + 1, strict=True)) == by_hand  # too long; six
    words, counts = experiments.syllables(parts["test"], said)
    assert counts.min() == 0
    assert counts.max() == 4
    assert max(map(len, words)) == 12


def test_filling_stands_at_the_end():
    np.testing.assert_array_equal(experiments.padded_words(["ab", "z"], 4), [[1, 2, 0, 0], [26, 0, 0, 0]])


def test_the_linear_rival_equals_a_plain_least_squares_fit():
    series = np.sin(np.arange(309) / 3) * 50 + np.random.default_rng(0).normal(size=309)
    pieces = windows(series, 4)  # row k predicts value k + 3
    rows = np.hstack([pieces[:, :3], np.ones((len(pieces), 1))])
    weights = np.linalg.lstsq(rows[:147], pieces[:147, 3], rcond=None)[0]
    wrong = (rows @ weights - pieces[:, 3]) ** 2
    assert experiments.linear_errors(series, 3) == pytest.approx(
        [np.sqrt(wrong[147:197].mean()), np.sqrt(wrong[197:].mean())]
    )


def test_the_parts_of_the_series_meet_and_do_not_overlap():
    series = np.arange(309.0)
    values = []
    for start, end in ((7, 150), (150, 200), (200, 309)):
        rows, wanted = experiments.last_years(series, 7, start, end)
        assert rows.shape == (end - start, 7, 1)
        np.testing.assert_array_equal(rows[:, -1], wanted - 1)
        values += wanted[:, 0].tolist()
    assert values == list(range(7, 309))


def test_the_test_is_reported_after_choosing_and_does_not_choose():
    assert experiments.tested_after_choosing([(2.0, 1.0), (1.0, 3.0), (1.5, 0.5)]) == 3.0


def test_the_recorded_choice_is_the_one_on_1850_to_1899():
    for row in results.recorded("sunspots").rows:
        chosen = min(experiments.YEARS, key=lambda years: row[f"chosen_on{years}"])
        assert row["network"] == row[f"tested{chosen}"]


# ---------------------------------------------------------------------------------------------------------------------
# Exercises against what they are about, and attempts that are in no list
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", [SimpleRNN, LSTM, GRU])
def test_8_1_counts_what_our_layers_hold(kind):
    for features, units in [(27, 50), (1, 1), (5, 3)]:
        layer = kind(features, units, rng=np.random.default_rng(0))
        assert ex.weight_count(kind.__name__, features, units) == sum(w.size for w in layer.weights)


def test_8_1_says_what_is_wanted(answer):
    assert "A SimpleRNN with 27 features and 50 units learns 3900 numbers; your answer is 7" in answer(
        ex.check, "8.1", lambda kind, features, units: 7
    )


def test_8_2_no_inner_softmax_does_better():
    rng = np.random.default_rng(0)
    for classes in (2, 5, 27):
        scores = rng.normal(size=(2000, classes)) * rng.uniform(0, 30, (2000, 1))
        inner = np.exp(scores - scores.max(axis=1, keepdims=True))
        inner /= inner.sum(axis=1, keepdims=True)
        losses = np.log(np.exp(inner).sum(axis=1)) - inner[:, 0]
        assert losses.min() >= ex.lowest_loss(classes) - 1e-12
    sure = np.eye(27)[0]
    assert ex.lowest_loss(27) == pytest.approx(np.log(np.exp(sure).sum()) - 1)


def test_8_2_says_what_is_wanted(answer):
    assert "With 2 classes the lowest loss is 0.3133; your answer is 9.0000" in answer(
        ex.check, "8.2", lambda classes: 9.0
    )


def test_8_3_names_the_case(answer):
    assert "training ends after epoch 5 and keeps the weights of epoch 3; you say 1 and 1" in answer(
        ex.check, "8.3", lambda losses, patience: (1, 1)
    )
    assert "two whole numbers" in answer(ex.check, "8.3", lambda losses, patience: 3)


def test_8_4_other_answers(answer):
    assert "one of the five names" in answer(ex.check, "8.4", lambda ask, classes, frequencies: "flu")
    assert "There is no examination 'blood'" in answer(ex.check, "8.4", lambda ask, classes, frequencies: ask("blood"))

    def spoils_the_lists(ask, classes, frequencies):
        ask("validation").clear()
        return ex.diagnose(ask, classes, frequencies)

    assert "PASSED" in answer(ex.check, "8.4", spoils_the_lists)


def _rule(order="LTMH", **tests):
    """A design for 8.4 in the order given, with some of its tests exchanged."""
    tests = {
        "loud": lambda run: run.first > 1.3 * np.log(run.classes),
        "twice": lambda run: run.batch[-1] > 0.3,
        "mixed": lambda run: run.validation.min() > 0.95 * run.frequencies,
        "heart": lambda run: run.validation[-1] > run.validation.min() + 0.2,
    } | tests
    names = {
        "L": ("loud", "loud start"),
        "T": ("twice", "softmax twice"),
        "M": ("mixed", "mixed-up targets"),
        "H": ("heart", "learned by heart"),
    }

    def diagnose(ask, classes, frequencies):
        run = SimpleNamespace(
            first=ask("first loss"),
            batch=np.array(ask("one batch")),
            training=np.array(ask("training")),
            validation=np.array(ask("validation")),
            classes=classes,
            frequencies=frequencies,
        )
        return next((name for test, name in (names[letter] for letter in order) if tests[test](run)), "healthy")

    return diagnose


@pytest.mark.parametrize(
    "design",
    [
        _rule(),
        _rule("TLHM"),
        _rule("HLTM", heart=lambda run: run.validation[-1] > run.validation.min() + 0.15),
        _rule("LTHM", mixed=lambda run: run.validation[-1] > 0.95 * run.frequencies),
        _rule(mixed=lambda run: run.validation.min() >= run.frequencies),
        _rule(mixed=lambda run: run.validation.min() > 0.9 * run.frequencies),
        _rule(loud=lambda run: run.first > 1.1 * np.log(run.classes)),
        _rule(loud=lambda run: run.first > np.log(run.classes) + 0.5),
        _rule(twice=lambda run: run.batch[-1] > 0.5),
        _rule(twice=lambda run: run.batch.min() >= ex.lowest_loss(run.classes)),
        _rule(twice=lambda run: run.batch[-1] > run.batch[0] / 4),
        _rule(heart=lambda run: run.validation[-1] > 1.1 * run.validation.min()),
        _rule(heart=lambda run: run.validation[-3:].mean() > run.validation.min() + 0.1),
    ],
)
def test_8_4_takes_rules_that_can_be_defended(design, answer):
    assert "PASSED" in answer(ex.check, "8.4", design)


@pytest.mark.parametrize(
    ("test", "rough"),
    [
        ("heart", lambda run: run.validation[-1] > run.training[-1] + 0.6),
        ("heart", lambda run: run.validation[-1] > run.training[-1] + 0.4 * run.frequencies),
        ("heart", lambda run: run.validation[-1] > 2 * run.training[-1]),
        ("heart", lambda run: run.validation[-1] > 0.8 * run.frequencies),
        ("heart", lambda run: run.validation.argmin() < 10),
        ("heart", lambda run: run.validation.argmin() < 15),
        ("heart", lambda run: run.validation[-1] > run.validation.min() + 0.02),
        ("heart", lambda run: run.validation[-1] > run.validation[-2]),
        ("mixed", lambda run: run.training[-1] > 0.8 * run.frequencies),
        ("mixed", lambda run: run.validation[-1] > 0.95 * run.frequencies),
        ("mixed", lambda run: run.validation.min() > 0.75 * np.log(run.classes)),
        ("loud", lambda run: run.first > np.log(run.classes)),
        ("loud", lambda run: run.first > 1.7 * run.frequencies),
        ("loud", lambda run: run.first > 4),
        ("twice", lambda run: run.batch[-1] > 1),
        ("twice", lambda run: run.batch[-1] > 0.05),
        ("twice", lambda run: 0.9 < run.validation.min() / run.frequencies < 0.985),
    ],
)
def test_8_4_refuses_rough_rules(test, rough, answer):
    """In each of them one test of a design that passes is exchanged; the answer is about the patient it fails on."""
    illness = {"loud": "loud start", "twice": "softmax twice", "mixed": "mixed-up targets", "heart": "learned by heart"}
    shown = answer(ex.check, "8.4", _rule(**{test: rough}))
    called, patient = re.search("A patient was called “(.+?)” and is “(.+?)”", shown).groups()
    assert illness[test] in (called, patient)
    assert ex.WHERE_TO_LOOK[patient] in shown
    assert "Its numbers: " in shown


def test_8_4s_patients_are_as_they_are_described():
    rng = np.random.default_rng(0)
    for classes, frequencies in ((27, 2.96), (5, 1.3), (1000, 5.2), (10, 1.1)):
        for _ in range(50):
            runs = {name: ex._patient(name, classes, frequencies, rng) for name in ex.NAMES}
            lowest = {name: min(run["validation"]) / frequencies for name, run in runs.items()}
            assert max(lowest["healthy"], lowest["loud start"], lowest["learned by heart"]) < 0.85
            assert lowest["mixed-up targets"] >= 1
            rise = {name: run["validation"][-1] - min(run["validation"]) for name, run in runs.items()}
            assert rise.pop("learned by heart") > 0.3
            assert max(rise.values()) < 0.05
            for name, run in runs.items():
                assert (run["first loss"] > 1.8 * np.log(classes)) == (name == "loud start")
                assert (
                    run["one batch"][-1] > ex.lowest_loss(classes)
                    if name == "softmax twice"
                    else (0.01 < run["one batch"][-1] < 0.15)
                )


# ---------------------------------------------------------------------------------------------------------------------
# What the lesson says of Keras
# ---------------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("tensorflow", reason="TensorFlow has no wheel for this platform")
    from course_lib import keras_models

    return keras_models.keras


def test_8_1_counts_what_keras_layers_hold(keras):
    for kind in ("SimpleRNN", "LSTM", "GRU"):
        layer = getattr(keras.layers, kind)(6)
        layer.build((None, None, 5))
        assert layer.count_params() == ex.weight_count(kind, 5, 6)


def test_8_3_stops_where_keras_stops(keras):
    rng = np.random.default_rng(83)
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    for _ in range(40):
        losses, patience = rng.integers(0, 6, rng.integers(1, 12)) / 2.0, int(rng.integers(1, 4))
        stop = keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)
        stop.set_model(model)
        model.stop_training = False
        stop.on_train_begin()
        for epoch, loss in enumerate(losses):
            model.set_weights([np.array([[epoch + 1.0]], np.float32), np.zeros(1, np.float32)])
            stop.on_epoch_end(epoch, {"val_loss": loss})
            if model.stop_training:
                break
        stop.on_train_end()
        kept = int(model.get_weights()[0].item()) if model.stop_training else stop.best_epoch + 1
        assert ex.stop_early(list(losses), patience) == (epoch + 1, kept)


def test_the_stack_answers_once_or_at_every_step(keras):
    from course_lib.keras_models import lstm_stack

    x = np.zeros((2, 4, 27), np.float32)
    assert lstm_stack(3, 5, 0.2, return_sequences=False)(x).shape == (2, 27)
    every = lstm_stack(2, 5, 0.2, return_sequences=True, learning_rate=0.02)
    assert every(x).shape == (2, 4, 27)
    np.testing.assert_allclose(np.asarray(every(x)).sum(axis=-1), 1, rtol=1e-5)
    assert float(every.optimizer.learning_rate) == pytest.approx(0.02)
    kinds = [type(layer).__name__ for layer in every.layers]
    assert kinds == ["LSTM", "Dropout", "LSTM", "Dropout", "Dense"]


def test_a_mask_is_an_invariance_and_weights_fit_without_it(keras):
    from course_lib.keras_models import syllable_counter

    masked, bare = syllable_counter(mask=True), syllable_counter(mask=False)
    bare.set_weights(masked.get_weights())
    short, long = (experiments.padded_words(["keras", "mask"], length) for length in (6, 15))
    np.testing.assert_allclose(masked(short), masked(long), atol=1e-6)
    assert np.abs(np.asarray(bare(short)) - np.asarray(bare(long))).max() > 1e-3


def test_the_forecaster_says_one_number(keras):
    from course_lib.keras_models import forecaster

    assert forecaster(20)(np.zeros((3, 20, 1), np.float32)).shape == (3, 1)


def test_learning_sees_no_year_from_1850_on_but_through_its_callbacks(keras):
    from course_lib.keras_models import forecaster

    class Recorder:
        def fit(self, inputs, targets, **others):
            return inputs, targets, others

    inputs, targets, others = experiments.learn(Recorder(), np.arange(309.0), 5, [])
    assert targets.max() == 149
    assert inputs.max() == 148
    assert (others["validation_data"][1].min(), others["validation_data"][1].max()) == (150, 199)

    scaled = np.random.default_rng(0).normal(size=309)
    model = forecaster(5)
    errors = experiments.network_errors(model, scaled, 5)
    rows, values = experiments.last_years(scaled, 5, 200, 309)
    assert errors[1] == pytest.approx(np.sqrt(((model.predict(rows, verbose=0) - values) ** 2).mean()), rel=1e-4)
    rows, values = experiments.last_years(scaled, 5, 150, 200)
    assert errors[0] == pytest.approx(np.sqrt(((model.predict(rows, verbose=0) - values) ** 2).mean()), rel=1e-4)


def test_the_recorded_classic_is_the_lessons(keras):
    from course_lib.keras_models import lstm_stack

    shown = {}
    for cell in nbformat.read(NOTEBOOKS / "08_keras.ipynb", as_version=4).cells:
        if cell.cell_type == "code" and "def classic_stack" in cell.source:
            exec(cell.source, {"keras": keras}, shown)

    def lines(model):
        kept = ("units", "rate", "return_sequences", "activation")
        return [
            (type(layer).__name__, {k: v for k, v in layer.get_config().items() if k in kept}) for layer in model.layers
        ]

    assert experiments.STACKS["classic"] == ((3, 50, 0.2, False), 10, 10, 1e-3)
    assert lines(shown["classic_stack"]()) == lines(lstm_stack(*experiments.STACKS["classic"][0]))


# ---------------------------------------------------------------------------------------------------------------------
# Each measurement once, at toy size
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "options", "toys"),
    [
        ("classic-stack", {"symbols": 300}, {"run_together": lambda run: lambda words, rng: run(words[:300], rng)}),
        (
            "mask-taken-away",
            {"many": 60, "epochs": 1},
            {"syllables": lambda take: lambda words, said: take(words[:500], said)},
        ),
        ("sunspots", {}, {"learn": lambda learn: lambda *arguments: None}),
    ],
)
def test_each_measurement_runs(key, options, toys, monkeypatch):
    once = {name: (stack, stride, 1, rate) for name, (stack, stride, _, rate) in experiments.STACKS.items()}
    monkeypatch.setattr(experiments, "STACKS", once)
    measured_at_toy_size(key, monkeypatch, options, **toys)
