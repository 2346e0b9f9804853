"""Lesson 11: what is measured, the panel, and the answers of the exercises."""

import contextlib
import io
import re

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from figure_checks import check_legible
from hypothesis import given
from hypothesis import strategies as st
from results_checks import NOTEBOOKS, criterion_can_fail, lesson_shows, measured_at_toy_size

from course_lib import plotting, speaker, tasks
from course_lib.generation import log_softmax
from course_lib.gradients import check_gradients
from course_lib.lessons.lesson_11_attention import exercises as ex
from course_lib.lessons.lesson_11_attention import experiments, figures, panels
from course_lib.losses import SoftmaxCrossEntropy
from course_lib.optimizers import Adam
from course_lib.seq2seq import EncoderDecoder, teacher_forcing
from course_lib.seq2seq.input_feeding import InputFeedingEncoderDecoder
from course_lib.speaker.readers import make_reader

LESSON = "11_attention"


# ---------------------------------------------------------------------------------------------------------------------
# The classes of the page
# ---------------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def page():
    """What the lesson's cells define, up to the whole model, and its input feeding."""
    notebook = nbformat.read(NOTEBOOKS / f"{LESSON}.ipynb", as_version=4)
    cells = {cell.id: cell.source for cell in notebook.cells}
    names = {"np": np, "rng": np.random.default_rng(0)}
    for cell in ("attend", "attend-backward", "decoder", "model", "whole", "feeding", "feeding-backward"):
        exec(compile(cells[cell], cell, "exec"), names)
    return names


def twins(page, units=8, bidirectional=False, dtype=np.float64, attention="dot"):
    """A model of the page's class and one of the library's, made by the same draws."""
    how = dict(bidirectional=bidirectional, dtype=dtype)
    return (
        page["AttentionModel"](26, 28, units, rng=np.random.default_rng(3), **how),
        EncoderDecoder(26, 28, units, attention=attention, rng=np.random.default_rng(3), **how),
    )


@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_pages_model_is_the_librarys_forward_backward_and_step_by_step(page, bidirectional):
    mine, theirs = twins(page, bidirectional=bidirectional)
    rng = np.random.default_rng(1)
    pairs = experiments.cipher_batch(tasks.cipher_key(rng), 5, 3, 7, rng)
    d_logits = rng.normal(size=(*pairs.target_in.shape, 28)) * pairs.target_mask[..., None]
    outputs = []
    for model in (mine, theirs):
        logits = model.forward(pairs)
        weights = model.attention_weights.copy()
        model.backward(d_logits)
        state = model.encode(pairs.source, pairs.source_mask)
        steps = []
        for t in range(3):
            log_p, state = model.step(pairs.target_in[:, t], state)
            steps.append(log_p)
        outputs.append([logits, weights, *steps, *model.weights, *model.grads])
    for ours, other in zip(*outputs, strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-10, atol=1e-12)


def test_the_pages_model_learns_what_the_recorded_one_learns(page):
    losses = []
    for model in twins(page, dtype=np.float32):
        rng, adam = np.random.default_rng(2), Adam(0.005)
        key = tasks.cipher_key(rng)
        batches = [experiments.cipher_batch(key, 8, 3, 7, rng) for _ in range(20)]
        losses.append(
            [model.train_on_batch(b, b.target_out, b.target_mask, optimizer=adam, clip_norm=1.0)[0] for b in batches]
        )
    np.testing.assert_allclose(*losses, rtol=1e-4)
    assert losses[0][-1] < losses[0][0]


def test_the_shipped_weights_run_in_the_pages_class(page):
    shipped = panels.load_reader()
    mine = page["AttentionModel"](26, 41, 192, bidirectional=True, rng=np.random.default_rng(0))
    for array, trained in zip(mine.weights, shipped.weights, strict=True):
        array[...] = trained
    words, accepted = experiments.spellings("test")
    words, accepted = words[:400], accepted[:400]
    assert speaker.say_words(mine, words) == speaker.say_words(shipped, words)
    assert speaker.say_words(mine, ["grace", "hopper"]) == [("G", "R", "EY", "S"), ("HH", "AA", "P", "ER")]
    letters = [experiments.ALPHABET.encode(word) for word in words]
    sounds = [experiments.SOUNDS.encode(rights[0]) for rights in accepted]
    pairs = teacher_forcing(letters, sounds, experiments.BEGIN, experiments.END)
    real = pairs.target_mask
    np.testing.assert_allclose(mine.forward(pairs)[real], shipped.forward(pairs)[real], atol=1e-5)
    np.testing.assert_allclose(mine.attention_weights, shipped.attention_weights, atol=1e-5)
    assert panels.attention_map(mine, "phone")[0] == ("F", "OW", "N")


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 5))
def test_the_pages_attention_is_an_average_that_ignores_padding(page, seed, target, source):
    rng = np.random.default_rng(seed)
    query, memory = rng.normal(size=(2, target, 3)), rng.normal(size=(2, source + 2, 3))
    real = np.arange(source + 2) < np.array([[source], [source + 1]])
    context, weights = page["attend"](query, memory, memory, real)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=-1), 1)
    memory[~real] = 1e3
    np.testing.assert_allclose(page["attend"](query, memory, memory, real)[0], context)


@pytest.fixture(scope="module")
def recipe():
    """What a reader copies from "Use it": the functions of section 5 and the block below them, run on toy pairs."""
    notebook = nbformat.read(NOTEBOOKS / f"{LESSON}.ipynb", as_version=4)
    cells = {cell.id: cell.source for cell in notebook.cells}
    names = {"sources": ["abc", "ca", "b", "abba"] * 10}  # what a reader has; all else is copied or imported
    names["targets"] = [source[::-1] + "d" for source in names["sources"]]
    lines = cells["keras-model"].splitlines()
    assert lines[0].endswith("import keras")
    assert lines[1].startswith("L = ")
    model = "\n".join(
        [*lines[:2], *lines[lines.index("def keras_attention(source_symbols, target_symbols, units):") :]]
    )
    training = cells["keras-train"].partition("keras.utils")[0]
    (block,) = re.findall(r"```python\n(.*?)```", cells["use-it"], flags=re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for number, source in enumerate((model, training, block.replace("epochs=20", "epochs=2, verbose=0"))):
            exec(compile(source, f"recipe {number}", "exec"), names)
    return names | {"printed": printed.getvalue()}


def test_the_recipe_prints_its_first_answers_as_characters(recipe):
    source = recipe["arrays"](recipe["pairs"])[0][:5]
    characters, stop = sorted("abcd"), recipe["stop"]
    answers = []
    for row in recipe["decode"](recipe["model"], source, recipe["start"], 30).tolist():
        kept = row[: row.index(stop)] if stop in row else row
        answers.append("".join(characters[i] for i in kept if i != recipe["start"]))
    assert recipe["printed"].splitlines() == answers
    assert len(answers) == 5


def test_the_recipe_trains_and_decodes(recipe):
    source, target_in = recipe["arrays"](recipe["pairs"])
    written = recipe["decode"](recipe["model"], source[:3], recipe["start"], 5)
    assert written.shape == (3, 5)
    assert written.min() >= 0
    assert written.max() < len(recipe["number"]) + 2
    logits = recipe["model"].predict_on_batch([source[:3], target_in[:3]])
    assert (written[:, 0] == logits[:, 0].argmax(axis=-1)).all()  # the first symbol follows the start symbol


def test_the_recipes_masks_reach_attention_and_loss(recipe):
    model, pairs = recipe["model"], recipe["pairs"][:20]
    source, target_in = recipe["arrays"](pairs)
    logits = model.predict_on_batch([source, target_in])
    wider = model.predict_on_batch([np.pad(source, ((0, 0), (0, 3))), target_in])
    np.testing.assert_allclose(wider, logits, atol=1e-5)
    loss = SoftmaxCrossEntropy().forward(logits.astype(float), pairs.target_out, pairs.target_mask)
    assert model.evaluate([source, target_in], pairs.target_out, verbose=0) == pytest.approx(loss, rel=1e-4)


def test_the_pages_input_feeding_is_the_recorded_one(page):
    rng = np.random.default_rng(0)
    recorded = InputFeedingEncoderDecoder(6, 7, 4, attention="dot", rng=rng, dtype=np.float64)
    mine = page["InputFeedingDecoder"](7, 4, rng=rng, dtype=np.float64)
    parts = recorded.target_embedding, recorded.decoder, recorded.combine, recorded.output_layer
    for layer, part in zip(mine.layers, parts, strict=True):
        layer.set_weights(part.get_weights())
    pairs = teacher_forcing([[0, 1, 2], [3, 4]], [[0, 1], [2, 3, 1]], start=5, stop=6)
    logits = recorded.forward(pairs)
    s, _, memory, real = recorded.encode(pairs.source, pairs.source_mask)
    np.testing.assert_allclose(mine.forward(pairs.target_in, s, memory, real)[0], logits)
    d_logits = rng.normal(size=logits.shape)
    recorded.backward(d_logits)
    page["feeding_backward"](mine, d_logits)
    for layer, part in zip(mine.layers, parts, strict=True):
        for ours, other in zip(layer.grads, part.grads, strict=True):
            np.testing.assert_allclose(ours, other)


def test_the_recorded_input_feeding_has_the_right_gradients_and_steps_as_it_runs():
    rng = np.random.default_rng(0)
    model = InputFeedingEncoderDecoder(6, 7, 4, attention="dot", rng=rng, dtype=np.float64)
    pairs, loss = teacher_forcing([[0, 1, 2], [3, 4]], [[0, 1], [2, 3, 1]], start=5, stop=6), SoftmaxCrossEntropy()

    def loss_now():
        return loss.forward(model.forward(pairs), pairs.target_out, pairs.target_mask)

    loss_now()
    model.backward(loss.backward())
    names = [f"array {n}" for n in range(len(model.weights))]
    errors = check_gradients(
        loss_now, dict(zip(names, model.weights, strict=True)), dict(zip(names, model.grads, strict=True))
    )
    assert max(errors.values()) < 1e-6
    together, state = model.forward(pairs), model.encode(pairs.source, pairs.source_mask)
    for t in range(pairs.target_in.shape[1]):
        log_p, state = model.step(pairs.target_in[:, t], state)
        np.testing.assert_allclose(log_p, log_softmax(together[:, t]))


def test_the_arrangements_are_trained_alike(monkeypatch):
    trained = []

    def train(model, key, updates, rng):
        trained.append((type(model).__name__, type(model.attention).__name__, model.units, updates))
        return len(trained)

    monkeypatch.setattr(experiments, "train_cipher", train)
    monkeypatch.setattr(experiments, "letters_right", lambda model, key, length, rng: (model, length))
    monkeypatch.setattr(experiments, "attention_right", lambda model, key, length, rng: ("attends", model, length))
    row = experiments.measure_arrangements(0)
    assert trained == [
        ("InputFeedingEncoderDecoder", "DotAttention", 64, 1000),
        ("BahdanauEncoderDecoder", "DotAttention", 64, 1000),
    ]
    for number, name in enumerate(("feeding", "bahdanau_dot"), 1):
        for length in experiments.LENGTHS:
            assert row[f"{name}_{length}"] == (number, length)
            assert row[f"{name}_attends_{length}"] == ("attends", number, length)


def test_input_feeding_of_the_first_step_is_the_plain_decoder_with_a_zero_beside_it(page):
    rng = np.random.default_rng(0)
    plain = page["AttentionDecoder"](6, 4, rng=rng, dtype=np.float64)
    fed = page["InputFeedingDecoder"](6, 4, rng=rng, dtype=np.float64)
    for mine, other in zip(fed.layers, plain.layers, strict=True):
        if mine is not fed.gru:
            mine.set_weights(other.get_weights())
    kernel, *rest = plain.gru.get_weights()
    fed.gru.set_weights([np.concatenate([kernel, rng.normal(size=(4, 12))]), *rest])
    symbols, s, memory = rng.integers(0, 6, (2, 3)), rng.normal(size=(2, 4)), rng.normal(size=(2, 5, 4))
    ours, others = fed.forward(symbols, s, memory, None)[0], plain.forward(symbols, s, memory, None)[0]
    np.testing.assert_allclose(ours[:, 0], others[:, 0])
    assert np.abs(ours[:, 1:] - others[:, 1:]).min() > 1e-6


# ---------------------------------------------------------------------------------------------------------------------
# What is measured
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("backwards", [False, True])
def test_letters_right_counts_letters_in_their_place(backwards):
    class Oracle:  # writes the cipher, but leaves the last letter out
        def encode(self, source, mask):
            return source[:, ::-1] if backwards else source, np.zeros(len(source), int)

        def step(self, symbols, state):
            source, t = state
            answer = np.full((len(source), 28), -np.inf)
            last = t[0] == source.shape[1] - 1
            answer[np.arange(len(source)), experiments.STOP if last else table[source[:, t[0]]]] = 0
            return answer, (source, t + 1)

    key = tasks.cipher_key(np.random.default_rng(0))
    table = np.array([experiments.ALPHABET.symbols.index(key[letter]) for letter in experiments.ALPHABET.symbols])
    how = key, 5, np.random.default_rng(1), 20
    assert experiments.letters_right(Oracle(), *how, backwards=backwards) == pytest.approx(4 / 5)
    assert experiments.letters_right(Oracle(), *how, backwards=not backwards) < 0.5


@pytest.mark.parametrize("backwards", [False, True])
def test_training_draws_new_strings_of_4_to_20_letters_and_lowers_the_rate(backwards):
    rates, lengths, firsts = [], set(), []

    class Recorder:
        def train_on_batch(self, pairs, y, mask, *, optimizer, clip_norm):
            rates.append(optimizer.learning_rate)
            lengths.update(pairs.source_mask.sum(axis=1).tolist())
            firsts.append(pairs.source[0, 0])
            np.testing.assert_array_equal(y, pairs.target_out)
            letters, stop = pairs.source[0, : pairs.source_mask[0].sum()], pairs.target_mask[0].sum() - 1
            says = [experiments.ALPHABET.encode(key[c])[0] for c in experiments.ALPHABET.decode(letters)]
            assert list(y[0, : stop + 1]) == (says[::-1] if backwards else says) + [experiments.STOP]

    key = tasks.cipher_key(np.random.default_rng(0))
    experiments.train_cipher(Recorder(), key, 40, np.random.default_rng(1), backwards)
    assert lengths == set(range(4, 21))
    assert len(set(firsts)) > 5
    np.testing.assert_allclose(rates[:21], 0.005)
    np.testing.assert_allclose(rates[20:], 0.005 * np.arange(20, 0, -1) / 20)


def test_an_untrained_network_points_nowhere_in_particular():
    rng = np.random.default_rng(0)
    model, key = EncoderDecoder(26, 28, 8, attention="dot", rng=rng), tasks.cipher_key(rng)
    assert experiments.attention_right(model, key, 10, rng, 50) < 0.5
    assert experiments.letters_right(model, key, 10, rng, 20) < 0.2


def test_attends_are_compared_with_the_letter_of_their_row():
    class Looker:
        def forward(self, pairs):
            rows = np.vstack([np.eye(6), np.eye(6)[:1]])  # the look before the stop symbol goes back to the start
            rows[4] = np.eye(6)[2]  # one letter is missed
            self.attention_weights = np.broadcast_to(rows, (len(pairs), 7, 6))

    key = tasks.cipher_key(np.random.default_rng(0))
    assert experiments.attention_right(Looker(), key, 6, np.random.default_rng(1), 10) == pytest.approx(5 / 6)


def test_the_control_has_all_parameters_of_attention_and_looks_at_the_last_real_step():
    rng = np.random.default_rng(0)
    model, key = EncoderDecoder(26, 28, 8, attention="dot", rng=rng, dtype=np.float64), tasks.cipher_key(rng)
    size = sum(w.size for w in model.weights)
    model = experiments.always_the_last_step(model)
    assert sum(w.size for w in model.weights) == size
    pairs = experiments.cipher_batch(key, 5, 4, 9, rng)
    loss = SoftmaxCrossEntropy()

    def loss_now():
        return loss.forward(model.forward(pairs), pairs.target_out, pairs.target_mask)

    loss_now()
    model.backward(loss.backward())
    for row, length in enumerate(pairs.source_mask.sum(axis=1)):
        for look in model.attention_weights[row]:
            np.testing.assert_allclose(look, np.eye(len(look))[length - 1], atol=1e-12)
    parts = {"encoder": model.encoder, "combine": model.combine}
    names = [(name, w) for name, part in parts.items() for w in part.weight_names]
    weights = {f"{name}.{w}": getattr(parts[name], w) for name, w in names}
    grads = {
        f"{name}.{w}": g.copy()
        for name, part in parts.items()
        for w, g in zip(part.weight_names, part.grads, strict=True)
    }
    assert max(check_gradients(loss_now, weights, grads).values()) < 1e-6


def test_the_control_is_trained_as_the_network_without_attention(monkeypatch):
    seen = []

    def train_cipher(model, key, updates, rng):
        seen.append((type(model.attention).__name__, model.units, updates))

    monkeypatch.setattr(experiments, "train_cipher", train_cipher)
    monkeypatch.setattr(experiments, "letters_right", lambda model, key, length, rng: length)
    assert experiments.measure_same_parameters(0) == {f"last_step_{n}": n for n in experiments.LENGTHS}
    assert seen == [("LastStep", 64, 3000)]


def test_what_is_missed_most_is_found_where_it_is_known():
    class Copier:  # sound t hangs on letter t alone
        def forward(self, pairs):
            scores = np.zeros((*pairs.target_in.shape, 41))
            for row, t in np.ndindex(*pairs.target_in.shape):
                if t < pairs.source.shape[1] and pairs.source_mask[row, t]:
                    scores[row, t, pairs.target_out[row, t]] = 5
            return scores

    missed = experiments.most_missed(Copier(), (3, 1, 4), (7, 7, 8))
    assert list(missed) == [0, 1, 2]


def test_the_reader_is_the_network_of_lesson_00_and_its_symbols_are_the_lessons():
    reader = panels.load_reader()
    assert reader is panels.load_reader()
    assert experiments.SOUNDS.symbols == speaker.PHONEMES
    assert (experiments.BEGIN, experiments.END) == (speaker.START, speaker.STOP)
    assert experiments.say_words(reader, ["knight", "phone"]) == [("N", "AY", "T"), ("F", "OW", "N")]
    found = experiments.pointers(reader, 30, 0)
    assert set(found) == {"missed", "attended", "counted", "diagonal"}
    assert len({len(places) for places in found.values()}) == 1
    shares = {name: (places == found["missed"]).mean() for name, places in found.items()}
    assert 0.6 < shares["attended"] < 1
    assert 0.7 < shares["counted"] < 1
    assert shares["diagonal"] < min(shares["attended"], shares["counted"])
    assert min(places.min() for places in found.values()) == 0
    others = experiments.pointers(reader, 30, 1)
    assert list(others["missed"]) != list(found["missed"])  # other words are drawn


def test_the_largest_weight_is_looked_up_in_the_rows_of_the_sounds():
    class Looker:
        def forward(self, pairs):
            assert pairs.source.tolist() == [[3, 1, 4]]
            assert pairs.target_out.tolist() == [[7, 8, experiments.END]]
            self.attention_weights = np.array([[[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0, 0, 1]]])

    assert experiments.attended(Looker(), (3, 1, 4), (7, 8)).tolist() == [1, 0]


def test_the_cipher_is_measured_in_four_families(monkeypatch):
    trained = []

    def train(model, key, updates, rng, backwards=False):
        trained.append((type(model).__name__, model.attention and type(model.attention).__name__, updates, backwards))
        return len(trained)

    monkeypatch.setattr(experiments, "train_cipher", train)
    monkeypatch.setattr(
        experiments, "letters_right", lambda model, key, length, rng, backwards: (model, length, backwards)
    )
    monkeypatch.setattr(experiments, "attention_right", lambda model, key, length, rng: ("attends", model, length))
    row = experiments.measure_cipher(0)
    assert trained == [
        ("EncoderDecoder", "DotAttention", 1000, False),
        ("BahdanauEncoderDecoder", "AdditiveAttention", 1000, False),
        ("EncoderDecoder", None, 3000, False),
        ("EncoderDecoder", None, 3000, True),
    ]
    for number, name in enumerate(("with", "bahdanau", "without", "backwards"), 1):
        for length in experiments.LENGTHS:
            assert row[f"{name}_{length}"] == (number, length, name == "backwards")
            assert row.get(f"{name}_attends_{length}") == (("attends", number, length) if number < 3 else None)


def test_pointers_are_right_there_or_near(monkeypatch):
    found = {
        "missed": np.array([0, 3, 5, 7]),
        "attended": np.array([0, 2, 6, 7]),
        "counted": np.array([0, 3, 5, 9]),
        "diagonal": np.array([2, 1, 3, 8]),
    }
    monkeypatch.setattr(experiments, "train_readers", lambda names, seed, seconds: {names[0]: (names, seconds)})
    monkeypatch.setattr(
        experiments, "pointers", lambda model, count, seed: {(("attention",), 300, 7): found}[model, count, seed]
    )
    assert experiments.measure_pointers(7) == {
        "attended_there": 0.5,
        "attended_near": 1.0,
        "counted_there": 0.75,
        "counted_near": 0.75,
        "diagonal_there": 0.0,
        "diagonal_near": 0.25,
    }


@pytest.mark.parametrize(
    ("key", "spoil"),
    [
        ("attention-length", {"with_20": 0.9}),
        ("attention-length", {"with_5": 0.9}),
        ("attention-length", {"bahdanau_10": 0.9}),
        ("attention-length", {"with_attends_20": 0.9}),
        ("attention-length", {"without_20": 0.85, "without_5": 1.2}),
        ("attention-length", {"without_5": 0.3, "without_20": 0.2}),
        ("attention-same-parameters", {"last_step_20": 0.85, "last_step_5": 1.2}),
        ("attention-same-parameters", {"last_step_5": 0.4, "last_step_20": 0.3}),
        ("attention-arrangements", {"feeding_20": 0.95}),
        ("attention-arrangements", {"bahdanau_dot_attends_5": 1.0}),
        ("attention-arrangements", {"bahdanau_dot_attends_20": 1.0}),
        ("attention-pointers", {"counted_there": 0.1}),
        ("attention-pointers", {"diagonal_there": 0.99}),
    ],
)
def test_each_bound_can_fail(key, spoil):
    criterion_can_fail(key, spoil)


def test_the_lesson_shows_the_recorded_code():
    lesson_shows(
        LESSON,
        [
            experiments.cipher_batch,
            experiments.train_cipher,
            experiments.letters_right,
            experiments.attention_right,
            experiments.log_p_of_sounds,
            experiments.most_missed,
        ],
    )


# ---------------------------------------------------------------------------------------------------------------------
# The panel
# ---------------------------------------------------------------------------------------------------------------------
def test_the_map_is_the_models():
    sounds, weights = panels.attention_map(panels.load_reader(), "phone")
    assert sounds == ("F", "OW", "N")
    assert weights.shape == (4, 5)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)


def test_the_architecture_has_the_standard_names():
    plotting.use_style()
    fig = figures.draw_architecture()
    said = " ".join(text.get_text() for text in fig.axes[0].texts)
    for name in ("encoder", "decoder", "query", "keys", "values", "scores", "weights", "softmax", "context vector"):
        assert name in said
    check_legible(fig)
    plt.close(fig)


def test_the_largest_weight_of_each_row_has_a_dot():
    plotting.use_style()
    weights = np.random.default_rng(0).dirichlet(np.ones(5), 4)
    fig, ax = plt.subplots(figsize=(3.5, 2.6))
    figures.draw_attention_map(ax, "phone", ("F", "OW", "N"), weights)
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines] == list(
        zip(weights.argmax(axis=1), range(4), strict=True)
    )
    assert [label.get_text() for label in ax.get_yticklabels()] == ["F", "OW", "N", "stop"]
    np.testing.assert_array_equal(ax.images[0].get_array(), weights)
    check_legible(fig)
    plt.close(fig)


def test_the_static_panel_makes_its_point(shown):
    panels.attention_panel()
    for words in ("For phone it says F OW N", "For knight it says N AY T", "N at k", "S at x"):
        assert words in shown[0].alt


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("a", "For a it says"),
        ("Phil", "For phil it says F"),
        ("李", "No word to say"),
        ("z" * 16, f"For {'z' * 16} it says"),
        ("x" * 40, f"For {'x' * 40} it says"),
        ("x" * 41, "up to 40 letters, but got one of 41"),
        ("", "No word to say"),
        ("7", "No word to say"),
        ("Anna Karenina", "For anna it says"),
        ("don't", "For dont it says"),
    ],
)
def test_the_panel_says_what_it_draws(word, says):
    fig, alt = panels._draw_live(word)
    assert says in alt
    plt.close(fig)


# ---------------------------------------------------------------------------------------------------------------------
# The exercises
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("attention", "leaks", "what"), ex.ATTENTIONS)
def test_11_3s_attentions_leak_or_not_as_they_say(attention, leaks, what):
    rng = np.random.default_rng(5)
    query, memory = rng.normal(size=(3, 4, 5)), rng.normal(size=(3, 6, 5))
    mask = np.arange(6) < np.array([[6], [4], [2]])
    contexts = [attention(query, np.where(mask[..., None], memory, other), mask) for other in (0, 1.7, -3)]
    assert contexts[0].shape == query.shape
    assert all(np.allclose(contexts[0], other) for other in contexts[1:]) != leaks
    assert ex.padding_leaks(attention, query, memory * mask[..., None], mask) == leaks


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 5))
def test_11_1s_weights_are_those_of_a_shorter_source(seed, target, source):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(1, target, source + 2))
    weights = ex.masked_weights(scores, np.arange(source + 2)[None] < source)
    assert (weights[..., source:] == 0).all()
    shorter = ex.masked_weights(scores[..., :source], np.ones((1, source), bool))
    np.testing.assert_allclose(weights[..., :source], shorter)


@pytest.mark.parametrize(
    ("number", "attempt", "phrase"),
    [
        ("11.1", lambda s, m: np.full(s.shape, np.nan), "NaN"),
        ("11.1", lambda s, m: np.ones(s.shape), "Each row of weights"),
        ("11.1", lambda s, m: np.full(s.shape, 1 / s.shape[-1]), "Compare one row"),
        ("11.1", lambda s, m: s[0], "shape"),
        ("11.3", lambda a, q, m, mask: 1, "True or False"),
        ("11.3", lambda a, q, m, mask: True, "equals the given one"),
        (
            "11.3",
            lambda a, q, m, mask: bool(a(q, np.where(mask[..., None], m, 1.7), mask).sum() > 1e9),
            "Your test misses",
        ),
        ("11.3", lambda a, q, m, mask: a(q, np.where(mask[..., None], m, 1.7), mask) is not None, "A false alarm"),
        ("11.2", lambda w, t, m: 7.0, "A share lies between"),
        ("11.2", lambda w, t, m: 0.123, "For each target step"),
        ("11.2", lambda w, t, m: w.argmax(axis=-1) == t, "one number"),
    ],
)
def test_the_checks_say_what_is_wrong(number, attempt, phrase, answer):
    assert phrase in answer(ex.check, number, attempt)


# ---------------------------------------------------------------------------------------------------------------------
# Each measurement once, at toy size
# ---------------------------------------------------------------------------------------------------------------------
def _few(spellings):
    def toy(part):
        words, accepted = spellings(part)
        return words[:300], accepted[:300]

    return toy


def _known(say_words):
    def toy(model, words):
        known = dict(zip(*experiments.spellings("test"), strict=True))
        return [known[word][0] for word in words]

    return toy


def _untrained(train):
    return lambda names, seed, seconds: {name: (make_reader(name, np.random.default_rng(seed)), 0) for name in names}


@pytest.mark.parametrize(
    ("key", "toys"),
    [
        (
            "attention-length",
            {"train_cipher": lambda train: lambda model, key, updates, *others: train(model, key, 1, *others)},
        ),
        (
            "attention-arrangements",
            {"train_cipher": lambda train: lambda model, key, updates, *others: train(model, key, 1, *others)},
        ),
        pytest.param(
            "attention-pointers",
            {
                "spellings": _few,
                "say_words": _known,
                "train_readers": _untrained,
                "pointers": lambda point: lambda model, count, seed: point(model, 20, seed),
            },
            marks=pytest.mark.slow,
        ),
    ],
)
def test_each_measurement_runs(key, toys, monkeypatch):
    measured_at_toy_size(key, monkeypatch, **toys)
