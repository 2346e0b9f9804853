"""Decoding: what each way of choosing must be equal to, how often it draws what, how it stops, and its mistakes."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib import tasks
from course_lib.generation import (
    apply_temperature,
    beam_search,
    greedy,
    keep_top_k,
    keep_top_p,
    keras_step,
    log_softmax,
    model_step,
    ngram_step,
    nucleus,
    sample,
    top_k,
)
from course_lib.layers import Dense, Embedding, LastStep
from course_lib.losses import SoftmaxCrossEntropy
from course_lib.model import Model
from course_lib.ngrams import NGram
from course_lib.recurrent import GRU, LSTM, Bidirectional, SimpleRNN

seeds, sizes = st.integers(0, 999), st.integers(2, 6)
EVERY = {
    "greedy": greedy,
    "sample": lambda *a, **k: sample(*a, **k, rng=np.random.default_rng(0)),
    "top_k": lambda *a, **k: top_k(*a, **k, k=2, rng=np.random.default_rng(0)),
    "nucleus": lambda *a, **k: nucleus(*a, **k, p=0.8, rng=np.random.default_rng(0)),
    "beam_search": lambda *a, **k: beam_search(*a, **k, width=2),
}
every_decoder = pytest.mark.parametrize("decode", EVERY.values(), ids=EVERY)


def log(p):
    with np.errstate(divide="ignore"):
        return np.log(p)


def markov_step(transitions):
    return lambda symbols, state: (log(transitions[symbols]), state)


def remembering_step(size, seed):
    """A model whose distribution depends on all symbols so far, some of them impossible; the state is their number."""

    def step(symbols, state):
        state = symbols + 1 if state is None else (state * (size + 1) + symbols + 1) % 9973
        p = np.array([np.random.default_rng([seed, code]).dirichlet(np.full(size, 0.5)) for code in state])
        p[p < 0.05] = 0
        return log(p / p.sum(axis=1, keepdims=True)), state

    return step


def log_probability(step, first, symbols):
    """ln P of symbols after the first, one step at a time."""
    total, state, before = 0.0, None, first
    for symbol in symbols:
        log_p, state = step(np.array([before]), state)
        total, before = total + log_p[0, symbol], symbol
    return total


def random_log_p(size, seed, rows=1):
    return log_softmax(np.random.default_rng(seed).normal(size=(rows, size)) * 2)


# ------------------------------------------------------------------------------------------- changing a distribution
@given(size=sizes, seed=seeds, temperature=st.floats(0.05, 20))
def test_temperature_raises_to_a_power(size, seed, temperature):
    log_p = random_log_p(size, seed, rows=3)
    p = np.exp(log_p) ** (1 / temperature)
    np.testing.assert_allclose(
        np.exp(apply_temperature(log_p, temperature)), p / p.sum(axis=1, keepdims=True), atol=1e-12
    )
    np.testing.assert_allclose(apply_temperature(log_p, 1), log_p, atol=1e-12)


@given(size=sizes, seed=seeds, k=st.integers(1, 8))
def test_top_k_keeps_the_k_likeliest_in_proportion(size, seed, k):
    log_p = random_log_p(size, seed)
    kept = np.exp(keep_top_k(log_p, k))[0]
    p = np.exp(log_p)[0]
    likeliest = np.sort(p)[::-1][:k]
    assert set(np.flatnonzero(kept)) == {int(np.flatnonzero(p == x)[0]) for x in likeliest}
    np.testing.assert_allclose(kept[kept > 0], (p / likeliest.sum())[kept > 0], atol=1e-12)


@given(size=sizes, seed=seeds, p=st.floats(0.01, 1))
def test_the_nucleus_is_the_smallest_set_that_holds_p(size, seed, p):
    log_p = random_log_p(size, seed)
    kept = np.exp(keep_top_p(log_p, p))[0]
    probability = np.exp(log_p)[0]
    held, inside = probability[kept > 0], np.count_nonzero(kept)
    assert held.sum() >= p - 1e-8
    if inside > 1:  # no set that is smaller by one reaches p
        best = max(sum(s) for s in itertools.combinations(probability, inside - 1))
        assert best < p
    np.testing.assert_allclose(kept[kept > 0], held / held.sum(), atol=1e-12)


def test_cuts_at_a_boundary_and_among_equals():
    log_p = np.log([[0.1, 0.5, 0.4]])
    np.testing.assert_allclose(np.exp(keep_top_p(log_p, 0.9)), [[0, 5 / 9, 4 / 9]], atol=1e-12)
    np.testing.assert_allclose(np.exp(keep_top_p(log_p, 0.5)), [[0, 1, 0]], atol=1e-12)
    np.testing.assert_allclose(np.exp(keep_top_p(log_p, 1.0)), [[0.1, 0.5, 0.4]], atol=1e-12)
    np.testing.assert_allclose(np.exp(keep_top_k(np.log([[0.25] * 4]), 2)), [[0.5, 0.5, 0, 0]], atol=1e-12)


def test_nothing_impossible_becomes_possible():
    log_p = log(np.array([[0.5, 0.0, 0.5]]))
    for changed in (
        apply_temperature(log_p, 1e-300),
        apply_temperature(log_p, 1e300),
        keep_top_k(log_p, 3),
        keep_top_p(log_p, 1.0),
    ):
        assert changed[0, 1] == -np.inf
        assert not np.isnan(changed).any()


# ------------------------------------------------------------------------------------ what must be equal to something
@given(size=sizes, seed=seeds)
def test_cold_sampling_top_1_a_tiny_nucleus_and_beam_1_are_greedy(size, seed):
    step, first = remembering_step(size, seed), np.arange(size)[:, None]
    rng = np.random.default_rng(seed)
    how = dict(max_length=6, stop=0)
    wanted = greedy(step, first, **how)
    for got in (
        sample(step, first, **how, temperature=1e-3, rng=rng),
        top_k(step, first, **how, k=1, rng=rng),
        nucleus(step, first, **how, p=1e-6, rng=rng),
        beam_search(step, first, **how, width=1),
    ):
        for a, b in zip(got.symbols, wanted.symbols, strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(got.log_probability, wanted.log_probability, atol=1e-9)
        np.testing.assert_array_equal(got.ended, wanted.ended)


@given(size=sizes, seed=seeds, temperature=st.sampled_from([0.5, 1.0, 2.0]))
def test_without_a_cut_top_k_and_nucleus_are_sampling(size, seed, temperature):
    step, first = remembering_step(size, seed), np.zeros((4, 1), int)
    how = dict(max_length=8, stop=0, temperature=temperature)
    wanted = sample(step, first, **how, rng=np.random.default_rng(seed))
    for got in (
        top_k(step, first, **how, k=size, rng=np.random.default_rng(seed)),
        nucleus(step, first, **how, p=1.0, rng=np.random.default_rng(seed)),
    ):
        for a, b in zip(got.symbols, wanted.symbols, strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_temperature_comes_before_the_cut():
    def step(symbols, state):
        return np.tile(np.log([0.6, 0.3, 0.1]), (len(symbols), 1)), state

    how = dict(max_length=50, p=0.85, rng=np.random.default_rng(3))
    for temperature, kept in ((0.3, {0}), (1.0, {0, 1}), (2.0, {0, 1, 2})):  # .91; .6 + .3; .47 + .33 is too little
        written = nucleus(step, np.zeros((20, 1), int), temperature=temperature, **how)
        assert set(np.concatenate(written.symbols).tolist()) == kept


@every_decoder
@given(size=sizes, seed=seeds, stopping=st.booleans())
def test_the_log_probability_is_that_of_the_symbols_and_nothing_impossible_is_written(decode, size, seed, stopping):
    step, stop = remembering_step(size, seed), 0 if stopping else None
    got = decode(step, np.arange(size)[:, None], max_length=5, stop=stop)
    for first, symbols, log_p, ended in zip(range(size), got.symbols, got.log_probability, got.ended, strict=True):
        assert stop is None or stop not in symbols
        assert ended == (len(symbols) < 5) if stopping else (not ended and len(symbols) == 5)
        written = [*symbols, 0] if ended else symbols
        assert np.isfinite(log_p)
        assert log_p == pytest.approx(log_probability(step, first, written), abs=1e-9)


def all_rows(size, length, stop):
    """Every row that can be written: ended by the stop symbol, or cut off."""
    others = [s for s in range(size) if s != stop]
    for n in range(length if stop is not None else 0):
        for symbols in itertools.product(others, repeat=n):
            yield symbols, True
    for symbols in itertools.product(others, repeat=length):
        yield symbols, False


@given(
    size=st.integers(2, 3),
    length=st.integers(1, 4),
    seed=seeds,
    stopping=st.booleans(),
    alpha=st.sampled_from([0.0, 0.6, 1.0]),
)
def test_a_beam_with_room_for_everything_is_exact(size, length, seed, stopping, alpha):
    step, stop = remembering_step(size, seed), 0 if stopping else None
    scores = {}
    for symbols, ended in all_rows(size, length, stop):
        log_p = log_probability(step, 1, [*symbols, 0] if ended else symbols)
        if log_p > -np.inf:
            scores[symbols, ended] = log_p / ((5 + len(symbols) + ended) / 6) ** alpha
    found = beam_search(step, np.array([1]), max_length=length, stop=stop, width=size**length, length_exponent=alpha)
    got = {(tuple(h.symbols.tolist()), bool(h.ended)): h.score for h in found.hypotheses[0]}
    assert got.keys() == scores.keys()
    for key, score in scores.items():
        assert got[key] == pytest.approx(score, abs=1e-9)
    best = found.hypotheses[0][0]
    assert best.score == pytest.approx(max(scores.values()), abs=1e-9)
    np.testing.assert_array_equal(found.symbols[0], best.symbols)
    assert (found.log_probability[0], found.ended[0]) == (best.log_probability, best.ended)


def viterbi(log_transitions, first, length):
    """ln P of the likeliest path, by dynamic programming."""
    best = log_transitions[first]
    for _ in range(length - 1):
        best = (best[:, None] + log_transitions).max(axis=0)
    return best.max()


def test_a_wider_beam_on_markov_chains_comes_closer_to_viterbi_and_reaches_it():
    share = []
    chains = [tasks.random_transitions(5, 1, np.random.default_rng(seed)) for seed in range(60)]
    exact = [viterbi(np.log(chain), 0, 6) for chain in chains]
    for width in (1, 2, 5, 5**5):
        found = [
            beam_search(markov_step(chain), np.array([0]), max_length=6, width=width).log_probability[0]
            for chain in (chains if width < 100 else chains[:5])
        ]
        assert all(f <= e + 1e-9 for f, e in zip(found, exact, strict=False))
        share.append(np.mean([f > e - 1e-9 for f, e in zip(found, exact, strict=False)]))
    assert share[0] < share[1] < share[2] <= share[3] == 1


def test_the_garden_path():
    """The best beginning leads nowhere: greedy takes it, a beam of two does not."""
    p = np.array([[0, 0.6, 0.4, 0, 0], [0, 0, 0, 0.5, 0.5], [0, 0, 0, 1.0, 0], [0, 0, 0, 1.0, 0], [0, 0, 0, 0, 1.0]])
    assert greedy(markov_step(p), np.array([0]), max_length=2).log_probability == pytest.approx(np.log(0.3))
    found = beam_search(markov_step(p), np.array([0]), max_length=2, width=2)
    np.testing.assert_array_equal(found.symbols[0], [2, 3])
    assert found.log_probability == pytest.approx(np.log(0.4))


def test_length_normalisation_can_prefer_the_longer_row():
    p = np.array([[1.0, 0, 0], [0.4, 0.6, 0], [0, 0, 1.0]])  # from 1: stop with .4, or go on with .6, twice
    how = dict(max_length=2, stop=0, width=3)
    plain = beam_search(markov_step(p), np.array([1]), **how).hypotheses[0]
    normalised = beam_search(markov_step(p), np.array([1]), **how, length_exponent=4.0).hypotheses[0]
    assert [h.symbols.tolist() for h in plain] == [[], [1, 1], [1]]
    assert [h.ended for h in plain] == [True, False, True]
    np.testing.assert_allclose([h.score for h in plain], np.log([0.4, 0.36, 0.24]))
    assert [h.symbols.tolist() for h in normalised] == [[1, 1], [1], []]
    share = np.array([6 / 7, 6 / 7, 1]) ** 4
    np.testing.assert_allclose([h.score for h in normalised], np.log([0.36, 0.24, 0.4]) * share)


@given(size=sizes, seed=seeds, width=st.integers(1, 5))
def test_the_tree_holds_every_hypothesis_and_no_step_is_wider_than_the_beam(size, seed, width):
    found = beam_search(remembering_step(size, seed), np.arange(size)[:, None], max_length=5, stop=0, width=width)
    for hypotheses, tree in zip(found.hypotheses, found.tree, strict=True):
        assert 1 <= len(hypotheses) <= width
        assert [h.score for h in hypotheses] == sorted((h.score for h in hypotheses), reverse=True)
        paths = []
        for branch in tree:
            before = [] if branch.parent < 0 else paths[branch.parent]
            paths.append([*before, branch.symbol])
            assert branch.step == len(paths[-1])
            if branch.parent >= 0:
                assert branch.log_probability <= tree[branch.parent].log_probability + 1e-12
        for h in hypotheses:
            assert [*h.symbols, *([0] if h.ended else [])] in paths
        steps = np.bincount([branch.step for branch in tree])
        assert steps.max() <= width


def test_a_search_of_many_rows_is_each_row_alone():
    step = remembering_step(4, 3)
    together = beam_search(step, np.arange(4)[:, None], max_length=6, stop=0, width=3, length_exponent=0.5)
    for first in range(4):
        alone = beam_search(step, np.array([first]), max_length=6, stop=0, width=3, length_exponent=0.5)
        assert together.tree[first] == alone.tree[0]
        np.testing.assert_array_equal(together.symbols[first], alone.symbols[0])


# ----------------------------------------------------------------------------------------------------------- drawing
@pytest.mark.parametrize(
    ("draw", "changed"),
    [
        (lambda *a, **k: sample(*a, **k), lambda log_p: log_p),
        (lambda *a, **k: sample(*a, **k, temperature=0.5), lambda log_p: apply_temperature(log_p, 0.5)),
        (
            lambda *a, **k: top_k(*a, **k, k=3, temperature=2.0),
            lambda log_p: keep_top_k(apply_temperature(log_p, 2.0), 3),
        ),
        (lambda *a, **k: nucleus(*a, **k, p=0.8), lambda log_p: keep_top_p(log_p, 0.8)),
    ],
)
def test_frequencies_are_probabilities(draw, changed):
    """A chi-squared test: 20,000 draws; beyond the 99.9 % point of 4 degrees of freedom would be surprising."""
    p = np.array([0.05, 0.4, 0.0, 0.3, 0.15, 0.1])
    step = markov_step(np.tile(p, (6, 1)))
    drawn = np.concatenate(draw(step, np.zeros((2000, 1), int), max_length=10, rng=np.random.default_rng(1)).symbols)
    expected = np.exp(changed(log(p))) * len(drawn)
    counts = np.bincount(drawn, minlength=6)
    assert not counts[expected == 0].any()
    possible = expected > 0
    assert ((counts - expected)[possible] ** 2 / expected[possible]).sum() < 18.47


@pytest.mark.parametrize("u", [0.0, 1 - 2**-53])
def test_the_first_and_the_last_random_number_draw_something_possible(u):
    class Extreme:
        def random(self, size):
            return np.full(size, u)

    p = np.array([0.0, 0.3, 0.0, 0.7, 0.0])
    drawn = sample(markov_step(np.tile(p, (5, 1))), np.array([1]), max_length=3, rng=Extreme()).symbols[0]
    assert drawn.tolist() == [1 if u == 0 else 3] * 3


def test_the_stop_symbol_ends_its_row_alone():
    step, first = remembering_step(5, 7), np.zeros((30, 1), int)
    endless = sample(step, first, max_length=12, rng=np.random.default_rng(2))
    ending = sample(step, first, max_length=12, stop=3, rng=np.random.default_rng(2))
    assert len({len(row) for row in ending.symbols}) > 3
    for whole, cut, ended in zip(endless.symbols, ending.symbols, ending.ended, strict=True):
        np.testing.assert_array_equal(cut, whole[: len(cut)])
        assert ended == (3 in whole)
        assert not ended or whole[len(cut)] == 3


def test_rows_that_have_ended_are_not_asked_again():
    asked = []

    def step(symbols, state):
        asked.append(symbols.tolist())
        assert 0 not in symbols
        return log(np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])[symbols]), state

    got = greedy(step, np.array([[1], [2], [1]]), max_length=3, stop=0)
    assert asked == [[1, 2, 1], [2], [2]]
    assert [row.tolist() for row in got.symbols] == [[], [2, 2, 2], []]
    assert got.ended.tolist() == [True, False, True]


def test_the_seed_is_read_and_a_given_state_is_gone_on_from():
    model = letters_model(GRU)
    step = model_step(model)
    text = np.array([1, 2, 3, 0, 2])
    whole = greedy(step, text, max_length=6)
    _, state = step(text[:1], None)
    _, state = step(text[1:2], state)
    rest = greedy(step, text[2:], state, max_length=6)
    np.testing.assert_array_equal(whole.symbols[0], rest.symbols[0])
    assert whole.log_probability == pytest.approx(rest.log_probability)
    model.layers[-1].kernel *= 20  # certain enough for the state to matter
    assert (
        greedy(step, text, max_length=6).symbols[0].tolist()
        != greedy(step, text[-1:], max_length=6).symbols[0].tolist()
    )


# ------------------------------------------------------------------------------------------------------------ models
def letters_model(kind, last=(), size=5, first="ids"):
    rng = np.random.default_rng(0)
    start = [Embedding(size, 4, rng=rng, dtype=np.float64)] if first == "ids" else []
    model = Model(
        [
            *start,
            kind(4 if start else size, 6, rng=rng, dtype=np.float64),
            *last,
            Dense(6, size, rng=rng, dtype=np.float64),
        ],
        SoftmaxCrossEntropy(),
    )
    for w in model.weights:
        w[...] = rng.normal(size=w.shape)
    return model


@pytest.mark.parametrize("kind", [SimpleRNN, LSTM, GRU])
@pytest.mark.parametrize("first", ["ids", "one-hot"])
def test_a_models_step_says_what_the_whole_sequence_says(kind, first):
    model, rng = letters_model(kind, first=first), np.random.default_rng(1)
    ids = rng.integers(0, 5, (3, 7))
    whole = log_softmax(model.forward(ids if first == "ids" else np.eye(5)[ids]))
    step, state = model_step(model), None
    for t in range(7):
        log_p, state = step(ids[:, t], state)
        np.testing.assert_allclose(log_p, whole[:, t], atol=1e-12)


def test_a_model_with_one_answer_after_the_last_step_writes_too():
    model = letters_model(GRU, last=[LastStep()])
    ids, step, state = np.array([[0, 3, 1]]), model_step(model), None
    for symbols in ids.T:
        log_p, state = step(symbols, state)
    np.testing.assert_allclose(log_p, log_softmax(model.forward(ids)), atol=1e-12)


@pytest.mark.parametrize("kind", [GRU, LSTM])
def test_a_beam_carries_the_states_of_its_beginnings(kind):
    """The log-probability found step by step, with states reordered, is that of the whole row read at once."""
    model = letters_model(kind)
    found = beam_search(model_step(model), np.array([[2], [4]]), max_length=6, stop=0, width=4)
    for first, hypotheses in zip([2, 4], found.hypotheses, strict=True):
        for h in hypotheses:
            row = np.array([first, *h.symbols, *([0] if h.ended else [])])
            log_p = log_softmax(model.forward(row[None, :-1]))[0]
            assert h.log_probability == pytest.approx(log_p[np.arange(len(log_p)), row[1:]].sum(), abs=1e-9)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("interpolated", [True, False])
def test_an_ngrams_step_says_what_the_table_says(n, interpolated):
    text = np.random.default_rng(0).integers(0, 4, 300)
    table = NGram(n, 4, interpolated=interpolated).read(text)
    step, state = ngram_step(table), None
    for t, symbol in enumerate(text[:6]):
        log_p, state = step(np.array([symbol, text[t + 50]]), state)
        if t + 1 >= n - 1:
            np.testing.assert_allclose(np.exp(log_p[0]), table.predict(text[: t + 1]), atol=1e-12)
            np.testing.assert_allclose(np.exp(log_p[1]), table.predict(text[50 : t + 51]), atol=1e-12)


def test_an_ngram_writes_its_likeliest_runs():
    table = NGram(3, 3, pseudocount=1e-6).read(np.tile([0, 1, 2], 30))
    np.testing.assert_array_equal(greedy(ngram_step(table), np.array([0, 1]), max_length=4).symbols[0], [2, 0, 1, 2])


@pytest.mark.parametrize("softmax", [True, False])
@pytest.mark.parametrize("first", ["ids", "one-hot"])
def test_keras_models_write_what_ours_write(softmax, first):
    pytest.importorskip("tensorflow", reason="TensorFlow has no wheel for this platform")
    from course_lib import keras_models

    ours = letters_model(GRU, first=first)
    shape = (None,) if first == "ids" else (None, 5)
    theirs = keras_models.keras.Sequential(
        [
            keras_models.keras.layers.Input(shape),
            *(keras_models.to_keras(layer, return_state=False) for layer in ours.layers),
            *([keras_models.keras.layers.Softmax(dtype="float64")] if softmax else []),
        ]
    )
    seed = np.array([[0, 1], [3, 2]])
    step = keras_step(theirs, from_logits=not softmax)
    for decode in (
        greedy,
        lambda *a, **k: sample(*a, **k, rng=np.random.default_rng(3)),
        lambda *a, **k: beam_search(*a, **k, width=3),
    ):
        a, b = decode(model_step(ours), seed, max_length=5, stop=4), decode(step, seed, max_length=5, stop=4)
        assert [row.tolist() for row in a.symbols] == [row.tolist() for row in b.symbols]
        np.testing.assert_allclose(a.log_probability, b.log_probability, atol=1e-6)
    if not softmax:
        with pytest.raises(ValueError, match=r"expects probabilities.*from_logits=True"):
            greedy(keras_step(theirs), seed, max_length=2)


def stateful_layers(keras):
    """A stateful layer by itself, inside a wrapper, and inside a model of its own."""
    how = dict(stateful=True, return_sequences=True)
    inner = keras.Sequential([keras.layers.Input((None, 4), batch_size=1), keras.layers.LSTM(3, **how)])
    return keras.layers.GRU(3, **how), keras.layers.Bidirectional(keras.layers.GRU(3, **how)), inner


@pytest.mark.parametrize("number", range(3))
def test_a_stateful_keras_model_is_refused(number):
    pytest.importorskip("tensorflow", reason="TensorFlow has no wheel for this platform")
    from course_lib.keras_models import keras

    layer = stateful_layers(keras)[number]
    model = keras.Sequential([keras.layers.Input((None, 4), batch_size=1), layer, keras.layers.Dense(4)])
    with pytest.raises(ValueError, match=r"start from zeros.*got the stateful layer.*stateful=False"):
        keras_step(model, from_logits=True)


class Window:
    """What keras_step uses of a Keras model: one for windows of three symbols, one-hot."""

    input_shape, output_shape = (None, 3, 4), (None, 4)

    def __call__(self, x, training):
        assert (*x.shape[1:], training) == (3, 4, False)
        p = x[:, 0] * 0.7 + 0.075
        return (p / p.sum(axis=1, keepdims=True)).astype(np.float32)


def test_a_model_for_windows_gets_the_last_symbols():
    assert greedy(keras_step(Window()), np.array([0, 2, 1]), max_length=5).symbols[0].tolist() == [0, 2, 1, 0, 2]
    with pytest.raises(ValueError, match=r"NaN.*prompt is too short"):
        greedy(keras_step(Window()), np.array([0, 2]), max_length=5)


# ------------------------------------------------------------------------------------------------------------ errors
FLAT = markov_step(np.full((3, 3), 1 / 3))
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("error", "says", "mistake"),
    [
        (
            ValueError,
            "temperature is above 0, but got 0.*call greedy",
            lambda: sample(FLAT, [0], max_length=1, temperature=0, rng=RNG),
        ),
        (ValueError, "at least one symbol, but got k = 0", lambda: top_k(FLAT, [0], max_length=1, k=0, rng=RNG)),
        (ValueError, "above 0 and up to 1, but got 5.*top_k", lambda: nucleus(FLAT, [0], max_length=1, p=5, rng=RNG)),
        (ValueError, "above 0 and up to 1, but got 0", lambda: nucleus(FLAT, [0], max_length=1, p=0, rng=RNG)),
        (ValueError, "got a width of 0", lambda: beam_search(FLAT, [0], max_length=1, width=0)),
        (ValueError, "at least 1, but got 0", lambda: greedy(FLAT, [0], max_length=0)),
        (ValueError, r"got shape \(0,\).*start symbol", lambda: greedy(FLAT, [], max_length=1)),
        (ValueError, r"got shape \(\)", lambda: greedy(FLAT, 3, max_length=1)),
        (TypeError, "whole numbers, but got an array of <U1", lambda: greedy(FLAT, ["a"], max_length=1)),
        (
            ValueError,
            r"sum to 1.*row whose sum is 3.*log_softmax",
            lambda: greedy(lambda s, h: (np.zeros((1, 3)), h), [0], max_length=1),
        ),
        (ValueError, "sum is 0", lambda: greedy(lambda s, h: (np.full((1, 3), -np.inf), h), [0], max_length=1)),
        (ValueError, "sum to 1", lambda: greedy(lambda s, h: (np.full((1, 3), 900.0), h), [0], max_length=1)),
        (
            ValueError,
            r"shape \(1, V\) for 1 rows, but got \(3,\)",
            lambda: greedy(lambda s, h: (np.zeros(3), h), [0], max_length=1),
        ),
        (
            ValueError,
            "NaN.*prompt is too short",
            lambda: greedy(ngram_step(NGram(3, 2).read([0, 1, 0, 1])), [0], max_length=1),
        ),
        (
            ValueError,
            "Bidirectional.*end is not there yet",
            lambda: model_step(Model([Bidirectional(*(GRU(2, 3, rng=RNG) for _ in range(2)))], SoftmaxCrossEntropy())),
        ),
    ],
)
def test_mistakes_are_answered_in_words(error, says, mistake):
    with pytest.raises(error, match=f"(?s){says}"):
        mistake()
