"""Lesson 10: what was recorded and what the lesson shows of it, the panel, and the answers of the exercises."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
from figure_checks import check_legible
from hypothesis import given
from hypothesis import strategies as st
from results_checks import criterion_can_fail, lesson_shows, measured_at_toy_size

from course_lib import datasets, plotting
from course_lib.generation import beam_search, greedy
from course_lib.gradients import numerical_gradient
from course_lib.lessons.lesson_10_encoder_decoder import exercises as ex
from course_lib.lessons.lesson_10_encoder_decoder import experiments, figures, panels
from course_lib.recurrent import GRU
from course_lib.seq2seq import EncoderDecoder, teacher_forcing
from course_lib.teaching import experiment, running

LESSON = "10_encoder_decoder"


# ---------------------------------------------------------------------------------------------------------------------
# The experiments
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("key", "spoil"),
    [
        ("source-backwards", {"backwards": 5.0}),
        ("beam-exact", {"width_1": 0.8}),
        ("beam-exact", {"width_10": 0.94}),
        ("beam-exact", {"width_3": 0.1}),
        ("nothing-is-likeliest", {"nothing_4": 0.2}),
        ("nothing-is-likeliest", {"nothing_20": 0.4}),
        ("nothing-is-likeliest", {"wide_empty": 0.4}),
        ("nothing-is-likeliest", {"normalised_empty": 0.2}),
        ("code-bits", {"bits_64_12": 33.0}),
        ("code-bits", {"bits_16_12": 30.0}),
        ("code-bits", {"bits_32_12": 5.0}),
        ("code-bits", {"right_64_2": 0.8}),
        ("code-bits", {"right_64_12": 0.6}),
        ("context-every-step", {"cho_32_8": 23.0}),
        ("context-every-step", {"cho_32_2": 8.0}),
        ("context-every-step", {"plain_36_parameters": 13_578}),
        ("context-every-step", {"plain_36_parameters": 17_000}),
        ("sounds-first", {"words": 0.4}),
        ("sounds-first", {"words": 0.97}),
        ("sounds-first", {"words_11": 0.1}),
        ("sounds-first", {"phonemes_11": 0.01}),
        ("scheduled-sampling", {"forced": 0.7, "scheduled": 0.7}),
        ("scheduled-sampling", {"scheduled": 0.2}),
        ("scheduled-sampling", {"scheduled": 0.9}),
    ],
)
def test_each_bound_can_fail(key, spoil):
    criterion_can_fail(key, spoil)


def test_the_lesson_shows_the_recorded_code():
    lesson_shows(
        LESSON,
        [
            experiments.train,
            experiments.echo_data,
            experiments.wanted,
            experiments.write,
            experiments.share_right,
            experiments.map_all,
            experiments.cipher_data,
            experiments.cipher_model,
            experiments.perplexity,
            experiments.bits_kept,
            experiments.autoencoder,
            experiments.likeliest,
            experiments.chain,
            experiments.found_by_beams,
            experiments.nothing_is_likelier,
        ],
    )


def test_the_cipher_is_read_backwards_and_written_forwards():
    key = {letter: letter for letter in experiments.ALPHABET.symbols}
    ahead, back = (experiments.cipher_data(9, key, np.random.default_rng(0), 3, 8, way) for way in (False, True))
    for row, n in enumerate(ahead.source_mask.sum(axis=1)):
        np.testing.assert_array_equal(ahead.source[row, :n][::-1], back.source[row, :n])
        np.testing.assert_array_equal(back.target_out[row, :n], ahead.source[row, :n])
        assert back.target_out[row, n] == 27
    np.testing.assert_array_equal(ahead.target_in[:, 0], 26)


def test_the_echo_is_its_source():
    pairs = experiments.echo_data(20, np.random.default_rng(0), 1, 5)
    for source, mask, target in zip(pairs.source, pairs.source_mask, experiments.wanted(pairs), strict=True):
        np.testing.assert_array_equal(source[mask][::-1], target)


class Oracle:
    """A model that knows the source by heart and repeats it, sure of each letter to a certain degree."""

    def __init__(self, pairs, sureness=1 - 1e-12):
        self.pairs, self.sureness = pairs, sureness
        self.output_layer = type("Layer", (), {"bias": np.zeros(10)})

    def forward(self, pairs):
        p = np.full((*pairs.target_out.shape, 10), (1 - self.sureness) / 9)
        np.put_along_axis(p, pairs.target_out[..., None], self.sureness, axis=2)
        return np.log(p)

    def encode(self, source, mask):
        return np.zeros(len(source), int), np.arange(len(source))

    def step(self, symbols, state):
        t, rows = state
        last = self.pairs.target_out.shape[1] - 1
        return self.forward(self.pairs)[rows, np.minimum(t, last)], (t + 1, rows)


def test_bits_kept_and_share_right_of_a_model_that_knows_and_of_one_that_guesses():
    pairs = experiments.echo_data(5, np.random.default_rng(0), 6, 6)
    np.testing.assert_allclose(experiments.bits_kept(Oracle(pairs), pairs, 8), 3, atol=1e-9)
    np.testing.assert_allclose(experiments.bits_kept(Oracle(pairs, 0.1), pairs, 8), 3 - np.log2(10), atol=1e-9)
    assert experiments.share_right(Oracle(pairs), pairs) == 1
    shifted = experiments.echo_data(5, np.random.default_rng(1), 6, 6)
    assert experiments.share_right(Oracle(pairs), shifted) == 0


def test_nothing_is_likelier_only_where_the_model_is_unsure():
    pairs = experiments.echo_data(6, np.random.default_rng(0), 8, 8)
    assert experiments.nothing_is_likelier(Oracle(pairs, 0.9), pairs) == 0
    assert experiments.nothing_is_likelier(Oracle(pairs, 0.5), pairs) == 1  # .5 ** 9 < .5 / 9


def test_training_lowers_the_loss_and_lowers_its_rate_to_nothing():
    rng = np.random.default_rng(0)
    model, pairs = EncoderDecoder(8, 10, 8, rng=rng), experiments.echo_data(100, rng, 2, 3)
    before = model.evaluate(pairs)
    experiments.train(model, lambda: experiments.echo_data(16, rng, 2, 3), updates=40)
    assert model.evaluate(pairs) < before - 0.2


def test_the_rate_falls_to_nothing_and_gradients_are_clipped():
    seen = []

    class Model:
        def train_on_batch(self, pairs, y, mask, *, optimizer, clip_norm):
            seen.append((optimizer.learning_rate, clip_norm))
            optimizer.iterations += 1

    pairs = experiments.echo_data(2, np.random.default_rng(0), 2, 3)
    experiments.train(Model(), lambda: pairs, updates=4)
    assert seen == [(0.01, 1.0), (0.0075, 1.0), (0.005, 1.0), (0.0025, 1.0)]


def test_every_chain_of_the_lessons_size_has_the_likeliest_row_that_viterbi_finds():
    for seed in range(3):
        P = np.random.default_rng(seed).dirichlet(np.ones(5), 5)
        row = ex.likeliest_row(np.log(P[0]), np.log(P), 6)
        total = np.log(P[0, row[0]]) + sum(np.log(P[a, b]) for a, b in itertools.pairwise(row))
        assert total == pytest.approx(experiments.likeliest(P, 6), abs=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_the_likeliest_row_is_what_a_full_beam_and_viterbi_find(seed, steps):
    rng = np.random.default_rng(seed)
    P = rng.dirichlet(np.ones(3), 3)
    best = experiments.likeliest(P, steps)
    full = beam_search(experiments.chain(P), [0], max_length=steps, width=3**steps)
    assert full.log_probability[0] == pytest.approx(best)
    row = ex.likeliest_row(np.log(P[0]), np.log(P), steps)
    assert np.log(P[0, row[0]]) + sum(np.log(P[a, b]) for a, b in itertools.pairwise(row)) == pytest.approx(best)
    assert greedy(experiments.chain(P), [0], max_length=steps).log_probability[0] <= best + 1e-12


def test_a_short_run_of_a_recorded_measurement():
    row = experiments.measure_reversal(0, updates=1)
    assert 20 < row["forwards"] < 30
    assert row["backwards_right_20"] == 0


def test_each_way_of_reading_is_measured_on_its_own_data(monkeypatch):
    for name, stand_in in {
        "cipher_model": lambda way, seed, updates: (way, "key"),
        "cipher_data": lambda *args: args[-1],
        "perplexity": lambda model, key, way, rng: model == way,
        "share_right": lambda model, way: model == way,
        "bits_kept": lambda model, way, letters: np.array([model == way]),
    }.items():
        monkeypatch.setattr(experiments, name, stand_in)
    row = experiments.measure_reversal(0)
    assert len(row) == 2 * (1 + 2 * 5)
    assert all(value == 1 for value in row.values())


def test_what_is_measured_of_nothing(monkeypatch):
    class GenerationOutput:
        def __init__(self, length_exponent):
            self.symbols = [[], [1]] if length_exponent == 0 else [[1], [1]]

    for name, stand_in in {
        "cipher_model": lambda way, seed, updates: ((way, updates), "key"),
        "cipher_data": lambda *args: args[-1],
        "nothing_is_likelier": lambda model, way: model[1] if model[0] == way else None,
        "write": lambda model, way, choose, width, length_exponent: (
            GenerationOutput(length_exponent) if width == 30 else None
        ),
    }.items():
        monkeypatch.setattr(experiments, name, stand_in)
    lengths = (4, 8, 12, 16, 20)
    assert experiments.measure_nothing(0, updates=7) == {
        **{f"nothing_{n}": 7 for n in lengths},
        **{f"longer_{n}": 42 for n in lengths},
        "wide_empty": 0.5,
        "normalised_empty": 0.0,
    }


def test_what_is_measured_of_a_code(monkeypatch):
    for name, stand_in in {
        "autoencoder": lambda units, seed, context_at_every_step: (units, context_at_every_step),
        "bits_kept": lambda model, pairs, letters: np.array([model[0], 1000 * model[1]]),
        "share_right": lambda model, pairs: pairs.source_mask.sum(axis=1).mean(),
    }.items():
        monkeypatch.setattr(experiments, name, stand_in)
    assert experiments.measure_code(0) == {
        key: value
        for name, bits in {"16": 16, "32": 32, "64": 64, "cho_32": 1032}.items()
        for n in experiments.LENGTHS
        for key, value in {f"bits_{name}_{n}": bits, f"right_{name}_{n}": n}.items()
    }


def test_what_is_measured_of_a_context_at_every_step(monkeypatch):
    class Decoder:
        def __init__(self, units, seed, context_at_every_step):
            self.weights = [np.zeros(units + 1000 * context_at_every_step)]

    for name, stand_in in {
        "autoencoder": Decoder,
        "bits_kept": lambda model, pairs, letters: np.array([len(model.weights[0]), pairs.source.shape[1]]),
    }.items():
        monkeypatch.setattr(experiments, name, stand_in)
    assert experiments.measure_every_step(0) == {
        key: value
        for name, size in {"plain_32": 32, "plain_36": 36, "cho_32": 1032}.items()
        for key, value in {f"{name}_parameters": size, **{f"{name}_{n}": size + n for n in experiments.LENGTHS}}.items()
    }


def test_the_plain_decoder_of_36_units_has_about_as_many_parameters_as_the_other():
    rng = np.random.default_rng(0)
    models = {
        name: EncoderDecoder(8, 10, units, context_at_every_step=every_step, rng=rng)
        for name, (units, every_step) in experiments.DECODERS.items()
    }
    sizes = {name: sum(w.size for w in model.weights) for name, model in models.items()}
    assert sizes == {name: experiment.recorded("context-every-step").rows[0][f"{name}_parameters"] for name in sizes}
    assert sizes["cho_32"] > 1.2 * sizes["plain_32"]


def test_a_spelling_is_read_from_its_end_and_its_first_pronunciation_is_wanted():
    phonemes, known = experiments.all_phonemes(), dict(zip(*datasets.load_spellings("validation"), strict=True))
    pairs, words, accepted = experiments.spellings("validation", 300, np.random.default_rng(0), phonemes)
    assert len(phonemes.symbols) == 39
    assert len(set(words)) == 300
    assert max(map(len, accepted)) > 1
    for i, want in enumerate(experiments.wanted(pairs)):
        read = experiments.ALPHABET.decode(pairs.source[i][pairs.source_mask[i]])
        assert "".join(read)[::-1] == words[i]
        assert tuple(phonemes.decode(want)) == known[words[i]][0]
        assert accepted[i] == known[words[i]]
        assert (pairs.target_in[i, 0], pairs.target_out[i, len(want)]) == (39, 40)


def test_errors_are_counted_by_the_length_of_the_word(monkeypatch):
    """A speaker that knows all words of seven letters or more, and says one sound too many of the others."""

    known = dict(zip(*datasets.load_spellings("validation"), strict=True))

    def say_words(model, words):
        right = [known[word[::-1]][0] for word in words]
        return [way if len(word) > 6 else (*way, "ZH") for way, word in zip(right, words, strict=True)]

    judged, real = [], experiments.error_rates

    def error_rates(said, accepted):
        judged.append(len(said))
        return real(said, accepted)

    monkeypatch.setattr(experiments, "first_speaker", lambda pairs, seed, updates: len(pairs))
    monkeypatch.setattr(experiments, "say_words", say_words)
    monkeypatch.setattr(experiments, "error_rates", error_rates)
    row = experiments.measure_speaker(0)
    assert judged[0] == sum(judged[1:]) == 1000  # every word is in one group
    assert [row[f"words_{low}"] for low, _ in experiments.LONG] == [1, 1, 0, 0, 0]
    assert [row[f"phonemes_{low}"] > 0 for low, _ in experiments.LONG] == [True, True, False, False, False]
    assert 0 < row["words"] < 1


def test_the_two_speakers_of_scheduled_sampling_differ_in_nothing_else(monkeypatch):
    made = []

    class Speaker:
        def __init__(self, *how):
            made.append(how)

        def evaluate(self, pairs):
            return float(len(pairs))

    monkeypatch.setattr(experiments, "first_speaker", lambda pairs, *how: Speaker(len(pairs), *how))
    monkeypatch.setattr(experiments, "say_words", lambda model, words: [()] * len(words))
    row = experiments.measure_scheduled(5, updates=3)
    assert made == [(100_000, 5, 3, 1.0), (100_000, 5, 3, 0.5)]
    assert row == {
        f"{name}{what}": value
        for name in ("forced", "scheduled")
        for what, value in (("", 1.0), ("_phonemes", 1.0), ("_loss", 1000.0))
    }


def test_scheduled_sampling_begins_with_the_truth(monkeypatch):
    fed = []
    monkeypatch.setattr(
        experiments,
        "scheduled_sampling",
        lambda model, pairs, teacher_forcing_ratio, rng: fed.append(teacher_forcing_ratio) or pairs,
    )
    pairs = teacher_forcing([[0, 1]] * 80, [[3]] * 80, start=39, stop=40)
    experiments.first_speaker(pairs, 0, 4, teacher_forcing_ratio=0.5)
    assert fed == [1, 0.875, 0.75, 0.625]
    experiments.first_speaker(pairs, 0, 2)
    assert len(fed) == 4


# ---------------------------------------------------------------------------------------------------------------------
# The panel
# ---------------------------------------------------------------------------------------------------------------------
def test_the_panels_chain_adds_up_and_its_likeliest_sentence_is_nothing():
    for following in panels.NEXT.values():
        assert sum(following.values()) == pytest.approx(1)
    sentences, open_ends = {}, [((), 1.0)]
    while open_ends:
        words, p = open_ends.pop()
        for word, q in panels.NEXT[words[-1] if words else ""].items():
            if word == panels.STOP:
                sentences[" ".join(words)] = p * q
            else:
                open_ends.append(((*words, word), p * q))
    assert sum(sentences.values()) == pytest.approx(1)
    assert max(map(len, map(str.split, sentences))) == panels.LONGEST - 1
    assert max(sentences, key=sentences.get) == ""
    beams = panels.sentence_beams(len(sentences))
    assert np.exp(beams.log_probability[0]) == pytest.approx(sentences[""])
    assert [len(beams.symbols[0]) for beams in map(panels.sentence_beams, (1, 2, 3))] == [3, 3, 0]


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_the_drawn_tree_is_the_search(width):
    beams = panels.sentence_beams(width)
    plotting.use_style()
    ax = plt.figure().add_subplot()
    figures.draw_tree(ax, beams, panels.WORDS, steps=panels.LONGEST)
    check_legible(ax.figure)
    branches = beams.tree[0]
    assert [text.get_text() for text in ax.texts] == [
        f"{panels.WORDS[branch.symbol]}  {np.exp(branch.log_probability):.2g}" for branch in branches
    ]
    at = [text.get_position() for text in ax.texts]
    assert len(set(at)) == len(at)
    start = ax.lines[-1].get_xydata()[0]
    for line, branch, end in zip(ax.lines[:-1], branches, at, strict=True):
        np.testing.assert_allclose(line.get_xydata(), [start if branch.parent < 0 else at[branch.parent], end])
        assert end[0] == branch.step
    best = beams.hypotheses[0][0]
    bold = [branch.symbol for text, branch in zip(ax.texts, branches, strict=True) if text.get_fontweight() == "bold"]
    assert bold == [*best.symbols, panels.WORDS.index(panels.STOP)]
    plt.close()


def test_the_static_panel_makes_its_point(shown):
    panels.beam_panel()
    assert "Width 2: “the cat sat”" in shown[0].alt
    assert "Width 3: “nothing at all”" in shown[0].alt


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ((1, 5, 0), "width 1 after 5 words, length exponent 0. Kept, best first: a cat sat"),
        ((3, 5, 0), "best first: nothing ■ 0.12"),
        ((3, 5, 1), "best first: the cat sat"),
        ((5, 1, 2), "width 5 after 1 words"),
    ],
)
def test_the_panel_says_what_it_draws(setting, words):
    fig, alt = panels._draw_live(*setting)
    assert words in alt
    plt.close(fig)


# ---------------------------------------------------------------------------------------------------------------------
# The exercises
# ---------------------------------------------------------------------------------------------------------------------
def test_10_1_is_what_chos_model_computes_and_finite_differences_agree():
    rng = np.random.default_rng(0)
    decoder = GRU(2 + 3, 3, rng=rng, dtype=np.float64)
    code, embedded, d = rng.normal(size=(2, 3)), rng.normal(size=(2, 4, 2)), rng.normal(size=(2, 4, 3))

    def loss():
        x = np.concatenate([embedded, np.repeat(code[:, None], 4, axis=1)], axis=2)
        return float((decoder.forward(x, code)[0] * d).sum())

    loss()
    dx, d_start = decoder.backward(d)
    claimed = ex.gradient_of_the_code(d_start, dx, 3).copy()
    np.testing.assert_allclose(claimed, numerical_gradient(loss, code), atol=1e-6)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 5))
def test_10_2_is_the_masked_encoders_final_state(seed, time, batch):
    rng = np.random.default_rng(seed)
    layer, x = GRU(2, 3, rng=rng, dtype=np.float64), rng.normal(size=(batch, time, 2))
    mask = np.arange(time) < rng.integers(1, time + 1, batch)[:, None]
    unmasked = layer.forward(x)[0].copy()
    np.testing.assert_allclose(ex.last_real_state(unmasked, mask), layer.forward(x, mask=mask)[1], atol=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_10_3_grows_the_packages_tree(seed, width):
    rng = np.random.default_rng(seed)
    P = np.log(rng.dirichlet(np.ones(4), 4))
    tree_ = beam_search(lambda s, state: (P[s], state), [0], max_length=2, width=width).tree[0]
    first = [branch for branch in tree_ if branch.step == 1]
    totals = np.array([branch.log_probability for branch in first])
    parents, symbols, new = ex.beam_step(totals, P[[branch.symbol for branch in first]], width)
    second = [branch for branch in tree_ if branch.step == 2]
    np.testing.assert_allclose(new, sorted((b.log_probability for b in second), reverse=True))
    assert {(p, s) for p, s in zip(parents, symbols, strict=True)} == {(b.parent, b.symbol) for b in second}


@given(st.floats(-30, -1), st.integers(1, 10), st.floats(1.05, 5), st.integers(1, 20))
def test_10_4_draws_level(short, n_short, factor, more):
    n_long, long = n_short + more, factor * short
    alpha = ex.overtaking_exponent(short, n_short, long, n_long)
    assert short / ((5 + n_short) / 6) ** alpha == pytest.approx(long / ((5 + n_long) / 6) ** alpha)


def test_10_5_trying_all_is_told_that_it_takes_too_long(answer, monkeypatch):
    monkeypatch.setattr(running, "TIME_LIMIT", 1.0)
    assert "cannot all be tried" in answer(ex.check, "10.5", ex._all_rows)


@pytest.mark.parametrize(
    ("number", "attempt", "phrase"),
    [
        ("10.1", lambda d, dx, units: d + dx.sum(axis=1)[:, 2:5], "Count the uses"),
        ("10.1", lambda d, dx, units: dx, "of shape (2, 3)"),
        ("10.2", lambda h, mask: h[:, 0], "two real steps"),
        ("10.3", lambda t, p, w: t, "three arrays"),
        ("10.3", lambda t, p, w: (np.zeros(3), np.zeros(3), np.zeros(3)), "twelve candidates"),
        ("10.3", lambda t, p, w: ex.beam_step(t, p, 3), "(1,)"),
        ("10.4", lambda a, n, b, m: np.nan, "not finite"),
        ("10.4", lambda a, n, b, m: 1.0, "should be equal"),
        ("10.4", lambda a, n, b, m: np.log(b / a) / np.log((5 + m) / 6), "with n = 3"),
        ("10.5", lambda s, P, n: [0] * n, "For one chain you give"),
        ("10.5", lambda s, P, n: [9] * n, "from 0 to V - 1"),
        ("10.5", lambda s, P, n: [0], "of shape (5,)"),
    ],
)
def test_the_checks_say_what_is_wrong(number, attempt, phrase, answer):
    assert phrase in answer(ex.check, number, attempt)


# ---------------------------------------------------------------------------------------------------------------------
# Each measurement once, at toy size
# ---------------------------------------------------------------------------------------------------------------------
def _few(spellings):
    return lambda part, count, rng, phonemes: spellings(part, 150, rng, phonemes)


def _one_update(train):
    return lambda pairs, seed, updates, *ratio: train(pairs, seed, 1, *ratio)


@pytest.mark.parametrize(
    ("key", "toys"),
    [
        ("source-backwards", {"train": lambda train: lambda model, draw, updates: train(model, draw, 1)}),
        ("beam-exact", {"found_by_beams": lambda find: lambda models, widths, rng: find(2, widths, rng)}),
        ("nothing-is-likeliest", {"train": lambda train: lambda model, draw, updates: train(model, draw, 1)}),
        ("code-bits", {"train": lambda train: lambda model, draw, updates: train(model, draw, 1)}),
        pytest.param("sounds-first", {"spellings": _few, "first_speaker": _one_update}, marks=pytest.mark.slow),
        pytest.param("scheduled-sampling", {"spellings": _few, "first_speaker": _one_update}, marks=pytest.mark.slow),
    ],
)
def test_each_measurement_runs(key, toys, monkeypatch):
    measured_at_toy_size(key, monkeypatch, **toys)
