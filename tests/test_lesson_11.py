"""Lesson 11: a Transformer by hand, what is measured, the panel, and the answers of the exercises."""
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from results_checks import bound_can_fail, lesson_shows

from course_lib import plotting, speaker, tasks, widgets
from course_lib.exercises import attention as ex
from course_lib.generation import greedy
from course_lib.gradients import check_gradients
from course_lib.optimizers import Adam
from course_lib.results import attention as experiments
from course_lib.seq2seq import EncoderDecoder, teacher_forcing
from course_lib.widgets import attention as panel

LESSON = "11_attention"


# ---------------------------------------------------------------------------------------------------------------------
# The Transformer
# ---------------------------------------------------------------------------------------------------------------------
def small_transformer(rng, dtype=np.float64):
    model = experiments.Transformer(5, 6, 8, heads=2, hidden=7, rng=rng, dtype=dtype)
    for w in model.weights:  # zeros and ones could hide a bug
        w += rng.normal(scale=0.1, size=w.shape)
    return model


def some_pairs(rng, rows=3):
    sources = [rng.integers(0, 5, rng.integers(1, 5)) for _ in range(rows)]
    targets = [rng.integers(0, 4, rng.integers(0, 5)) for _ in range(rows)]
    return teacher_forcing(sources, targets, 4, 5)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_transformers_gradients_against_finite_differences(seed):
    rng = np.random.default_rng(seed)
    model, pairs = small_transformer(rng), some_pairs(rng)

    def loss():
        return model.loss.forward(model.forward(pairs), pairs.target_out, pairs.target_mask)

    loss()
    model.backward(model.loss.backward())
    names = [str(i) for i in range(len(model.weights))]
    grads = [g.copy() for g in model.grads]
    assert sum(np.abs(g).max() > 1e-4 for g in grads) > 0.8 * len(grads)
    errors = check_gradients(loss, dict(zip(names, model.weights, strict=True)), dict(zip(names, grads, strict=True)))
    assert max(errors.values()) < 1e-6


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_the_past_does_not_see_the_future(seed, t):
    rng = np.random.default_rng(seed)
    model = small_transformer(rng)
    pairs = teacher_forcing([rng.integers(0, 5, 4)], [rng.integers(0, 4, 5)], 4, 5)
    before = model.forward(pairs)
    pairs.target_in[:, t:] = (pairs.target_in[:, t:] + 1) % 4
    after = model.forward(pairs)
    np.testing.assert_allclose(after[:, :t], before[:, :t], atol=1e-12)
    assert np.abs(after[:, t:] - before[:, t:]).max() > 1e-6


@given(st.integers(0, 2**32 - 1))
def test_filling_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    model = small_transformer(rng)
    sources, targets = [rng.integers(0, 5, 2), rng.integers(0, 5, 6)], [rng.integers(0, 4, 3), rng.integers(0, 4, 5)]
    together = model.forward(teacher_forcing(sources, targets, 4, 5))
    alone = model.forward(teacher_forcing(sources[:1], targets[:1], 4, 5))
    np.testing.assert_allclose(together[:1, :4], alone, atol=1e-10)


def test_steps_are_the_forward_pass_one_symbol_at_a_time():
    rng = np.random.default_rng(2)
    model, pairs = small_transformer(rng), some_pairs(rng)
    state = model.read(pairs.source, pairs.source_mask)
    whole = experiments.log_softmax(model.forward(pairs))
    for t in range(pairs.target_in.shape[1]):
        log_p, state = model.step(pairs.target_in[:, t], state)
        real = pairs.target_mask[:, t]
        np.testing.assert_allclose(log_p[real], whole[real, t], atol=1e-10)
    assert len(greedy(model.step, pairs.target_in[:, :1], model.read(pairs.source, pairs.source_mask), length=4,
                      stop=5).symbols) == 3


def test_the_transformer_learns_a_cipher():
    rng = np.random.default_rng(3)
    model, adam = experiments.Transformer(4, 6, 16, heads=2, hidden=16, blocks=1, rng=rng), Adam(0.01)
    for _ in range(150):
        sources = list(rng.integers(0, 4, (16, 3)))
        pairs = teacher_forcing(sources, [(s + 1) % 4 for s in sources], 4, 5)
        loss, _ = model.train_on_batch(pairs, pairs.target_out, pairs.target_mask, optimizer=adam, clip_norm=1.0)
    assert loss < 0.1
    assert model.attention_weights.shape == (16, 4, 3)
    np.testing.assert_allclose(model.attention_weights.sum(axis=2), 1, atol=1e-5)


def test_a_transformer_refuses_to_be_saved():
    with pytest.raises(NotImplementedError, match="not kept in a file"):
        small_transformer(np.random.default_rng(0)).save("nowhere.npz")


def test_places_differ_and_have_a_fixed_length():
    places = experiments.positions(50, 16)
    np.testing.assert_allclose((places**2).sum(axis=1), 8)
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    assert (apart[~np.eye(50, dtype=bool)] > 0.5).all()


def test_readers_have_equally_many_parameters():
    sizes = [sum(w.size for w in experiments.make_reader(name, np.random.default_rng(0)).weights)
             for name in experiments.READERS]
    assert max(sizes) < 1.05 * min(sizes)


# ---------------------------------------------------------------------------------------------------------------------
# What is measured
# ---------------------------------------------------------------------------------------------------------------------
def test_letters_right_counts_letters_in_their_place():
    class Oracle:  # writes the cipher, but leaves the last letter out
        def read(self, source, mask):
            return source, np.zeros(len(source), int)

        def step(self, symbols, state):
            source, t = state
            answer = np.full((len(source), 28), -np.inf)
            last = t[0] == source.shape[1] - 1
            answer[np.arange(len(source)), experiments.STOP if last else table[source[:, t[0]]]] = 0
            return answer, (source, t + 1)

    key = tasks.cipher_key(np.random.default_rng(0))
    table = np.array([experiments.ALPHABET.symbols.index(key[letter]) for letter in experiments.ALPHABET.symbols])
    assert experiments.letters_right(Oracle(), key, 5, np.random.default_rng(1), 20) == pytest.approx(4 / 5)


def test_an_untrained_network_points_nowhere_in_particular():
    rng = np.random.default_rng(0)
    model, key = EncoderDecoder(26, 28, 8, attention="dot", rng=rng), tasks.cipher_key(rng)
    assert experiments.looks_right(model, key, 10, rng, 50) < 0.5
    assert experiments.letters_right(model, key, 10, rng, 20) < 0.2


def brute_force_path(log_p):
    letters, sounds = log_p.shape
    paths = [p for p in np.ndindex(*[letters] * sounds) if all(a <= b for a, b in pairwise(p))]
    return max(sum(log_p[place, sound] for sound, place in enumerate(path)) for path in paths)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4))
def test_the_best_path_is_the_best(seed, letters, sounds):
    log_p = np.random.default_rng(seed).normal(size=(letters, sounds))
    path = experiments.best_path(log_p)
    assert (np.diff(path) >= 0).all()
    assert log_p[path, np.arange(sounds)].sum() == pytest.approx(brute_force_path(log_p))


def test_counting_finds_an_alignment_that_is_known():
    rng = np.random.default_rng(4)
    pairs, truth = [], []
    for _ in range(500):  # letters 0 to 9 say the sound of their number, letters 10 to 13 are silent
        letters = rng.permutation(14)[:rng.integers(3, 9)]
        spoken = letters < 10
        if spoken.any():
            pairs.append((letters, letters[spoken]))
            truth.append(np.flatnonzero(spoken))
    found = experiments.count_alignment(pairs)
    right = np.concatenate([a == b for a, b in zip(found, truth, strict=True)])
    diagonal = np.concatenate([np.linspace(0, len(w) - 1, len(t)).round() == t
                               for (w, _), t in zip(pairs, truth, strict=True)])
    assert right.mean() > 0.97 > diagonal.mean() + 0.1


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
    reader = widgets.load_reader()
    assert reader is widgets.load_reader()
    assert experiments.SOUNDS.symbols == speaker.PHONEMES
    assert (experiments.BEGIN, experiments.END) == (speaker.START, speaker.STOP)
    assert experiments.say_words(reader, ["knight", "phone"]) == [("N", "AY", "T"), ("F", "OW", "N")]
    found = experiments.pointers(reader, 6, 0)
    assert set(found) == {"missed", "looked", "counted", "diagonal"}
    assert len({len(places) for places in found.values()}) == 1
    assert 0.4 < (found["looked"] == found["missed"]).mean() <= 1


def test_training_counts_its_seconds():
    model, seen = experiments.train_reader("no_attention", 0, 0.3)
    assert seen % 64 == 0
    assert seen > 0
    assert model.attention is None


@pytest.mark.parametrize(
    ("key", "spoil"),
    [
        ("attention-length", {"with_20": 0.9}),
        ("attention-length", {"with_5": 0.9}),
        ("attention-length", {"looks_20": 0.9}),
        ("attention-length", {"without_20": 0.85, "without_5": 1.2}),
        ("attention-length", {"without_5": 0.3, "without_20": 0.2}),
        ("letters-to-sounds", {"attention": 0.53, "no_attention": 0.7}),
        ("letters-to-sounds", {"no_attention": 0.3}),
        ("letters-to-sounds", {"transformer": 0.8}),
        ("attention-pointers", {"counted_there": 0.1}),
        ("attention-pointers", {"diagonal_there": 0.99}),
    ],
)
def test_each_bound_can_fail(key, spoil):
    bound_can_fail(key, spoil)


def test_the_lesson_shows_the_recorded_code():
    lesson_shows(LESSON, [experiments.cipher_batch, experiments.train_cipher, experiments.letters_right,
                          experiments.looks_right, experiments.log_p_of_sounds, experiments.most_missed])


# ---------------------------------------------------------------------------------------------------------------------
# The panel
# ---------------------------------------------------------------------------------------------------------------------
def test_the_map_is_the_models():
    sounds, weights = panel.map_of_looks(widgets.load_reader(), "phone")
    assert sounds == ("F", "OW", "N")
    assert weights.shape == (4, 5)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)


def test_the_still_panel_is_one_picture(monkeypatch, shown):
    monkeypatch.setenv("COURSE_STATIC", "1")
    widgets.attention_panel()
    (picture,) = shown
    assert isinstance(picture, plotting.Picture)
    for words in ("For phone it says F OW N", "For knight it says N AY T", "N at k", "S at x"):
        assert words in picture.alt
    assert plt.get_fignums() == []


def test_the_live_panel_follows_the_word(kernel, shown):
    widgets.attention_panel()
    word, picture = shown[0].children
    assert "For alphabet it says" in picture.value
    word.value = "Phil"
    assert "For phil it says F" in picture.value
    word.value = "李"
    assert "No word to say" in picture.value
    assert plt.get_fignums() == []


@pytest.mark.parametrize("word", ["a", "z" * 16, "x" * 40, ""])
def test_the_corners_of_the_panel_can_be_drawn(word):
    plotting.use_style()
    plotting.Picture(*panel._draw_live(word))


# ---------------------------------------------------------------------------------------------------------------------
# The exercises
# ---------------------------------------------------------------------------------------------------------------------
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 5))
def test_11_1s_weights_are_those_of_a_shorter_source(seed, target, source):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(1, target, source + 2))
    weights = ex.masked_weights(scores, np.arange(source + 2)[None] < source)
    assert (weights[..., source:] == 0).all()
    shorter = ex.masked_weights(scores[..., :source], np.ones((1, source), bool))
    np.testing.assert_allclose(weights[..., :source], shorter)


def test_11_3s_layers_are_what_they_are_said_to_be():
    x = np.random.default_rng(5).normal(size=(1, 7, 2))
    for layer, truth, _ in ex.LAYERS:
        moved = False
        for t in range(6):
            changed = x.copy()
            changed[:, t + 1] += 0.3
            moved |= not np.allclose(layer(changed)[:, :t + 1], layer(x)[:, :t + 1])
            changed[:, t + 1:] -= 0.3
            moved |= not np.allclose(layer(changed)[:, :t + 1], layer(x)[:, :t + 1])
        assert moved == truth


@given(st.integers(1, 300))
def test_11_4s_length_makes_both_prices_equal(features):
    time = ex.length_where_looks_cost_more(features)
    assert 4 * time * features**2 == 2 * time**2 * features


@pytest.mark.parametrize(
    ("number", "attempt", "phrase"),
    [
        ("11.1", lambda s, m: np.full(s.shape, np.nan), "NaN"),
        ("11.1", lambda s, m: np.ones(s.shape), "Each row of weights"),
        ("11.1", lambda s, m: np.full(s.shape, 1 / s.shape[-1]), "Compare one row"),
        ("11.1", lambda s, m: s[0], "shape"),
        ("11.2", lambda w, t, m: 7.0, "A share lies between"),
        ("11.2", lambda w, t, m: 0.123, "For each target step"),
        ("11.2", lambda w, t, m: w.argmax(axis=-1) == t, "one number"),
        ("11.3", lambda layer, x: "no", "True or False"),
        ("11.3", lambda layer, x: False, "misses attention without a mask (and 4 more)"),
        ("11.3", lambda layer, x: True, "cries out at every layer"),
        ("11.4", lambda d: 7, "Write down both sides"),
        ("11.4", lambda d: "2d", "a number, the length T"),
    ],
)
def test_the_checks_say_what_is_wrong(number, attempt, phrase, answer):
    assert phrase in answer(ex.check, number, attempt)
