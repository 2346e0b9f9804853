"""Every generator against its definition, every floor and baseline against a long sample.

Where a test compares with a sample it allows four to five standard errors, estimated from the same sample.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib import tasks
from course_lib.tasks import ELMAN_WORDS, REBER_SYMBOLS, Automaton, embedded_reber, reber

LN2 = np.log(2)
seeds = st.integers(0, 1000)


def assert_mean(values, expected, errors=5):
    """The mean of independent values is within some standard errors of what was computed, and these are small."""
    values = np.asarray(values, float)
    standard_error = values.std(ddof=1) / np.sqrt(len(values))
    assert standard_error > 0
    assert abs(values.mean() - expected) < errors * standard_error, (values.mean(), expected, standard_error)
    assert standard_error < 0.05 * abs(expected), "the sample is too short to tell"


def block_losses(source, length, rng, blocks=200):
    """Mean losses of the exact predictor over long independent texts of an endless source."""
    return source.nll([source.sample(rng, length) for _ in range(blocks)]) / length


# --- Automaton ---
# a^n b with n ~ geometric: everything about it can be worked out by hand.
GEOMETRIC = Automaton({"more": {"a": (0.75, "more"), "b": (0.25, "end")}, "end": {}}, "more")
# two states that alternate, one a fair coin and one certain
ALTERNATING = Automaton({0: {"x": (0.5, 1), "y": (0.5, 1)}, 1: {"z": (1.0, 0)}}, 0, "xyz")


def test_a_source_worked_out_by_hand():
    coin = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    np.testing.assert_allclose(GEOMETRIC.visits(), [4, 0])
    assert GEOMETRIC.mean_length() == pytest.approx(4)
    assert GEOMETRIC.entropy() == pytest.approx(4 * coin)
    np.testing.assert_allclose(GEOMETRIC.nll(["aab", "b"]), [-np.log(0.75**2 * 0.25), -np.log(0.25)])
    assert GEOMETRIC.predict("aa") == {"a": 0.75, "b": 0.25}
    assert GEOMETRIC.predict("ab") == {}
    assert GEOMETRIC.legal("x") == set()
    assert [GEOMETRIC.accepts(s) for s in ("b", "aab", "aa", "ba", "", "c")] == [True, True, False, False, False, False]
    assert GEOMETRIC.path("ab") == ["more", "more", "end"]
    assert not GEOMETRIC.endless


def test_an_endless_source_worked_out_by_hand():
    np.testing.assert_allclose(ALTERNATING.stationary(), [0.5, 0.5])
    assert ALTERNATING.entropy_rate() == pytest.approx(LN2 / 2)
    assert ALTERNATING.sample(np.random.default_rng(0), 7)[1::2] == "zzz"
    assert ALTERNATING.endless


def test_illegal_strings_have_an_infinite_loss():
    assert GEOMETRIC.nll(["ba", "q"]).tolist() == [np.inf, np.inf]


def test_sample_frequencies_follow_the_arcs():
    rng = np.random.default_rng(1)
    lengths = [len(GEOMETRIC.sample(rng)) for _ in range(5000)]
    assert_mean(lengths, 4)
    assert len(GEOMETRIC.sample(rng, length=0)) == 0


def test_automaton_says_what_is_wrong():
    with pytest.raises(ValueError, match=r"sum to 1, but got \[0.5, 0.4\] for those from 'one'"):
        Automaton({"one": {"a": (0.5, "one"), "b": (0.4, "one")}}, "one")
    with pytest.raises(ValueError, match="Leave impossible arcs out"):
        Automaton({"one": {"a": (1.0, "one"), "b": (0.0, "one")}}, "one")
    with pytest.raises(ValueError, match="'a' leads to 'two', which is not a state"):
        Automaton({"one": {"a": (1.0, "two")}}, "one")
    with pytest.raises(ValueError, match="how many symbols to draw"):
        ALTERNATING.sample(np.random.default_rng(0))
    with pytest.raises(ValueError, match="never ends a string"):
        ALTERNATING.entropy()
    with pytest.raises(ValueError, match="ends its strings"):
        GEOMETRIC.entropy_rate()
    with pytest.raises(ValueError, match=r"'x' at position 1 is not legal there\. Legal: a b"):
        GEOMETRIC.path("ax")
    with pytest.raises(ValueError, match="nothing, the string had ended"):
        GEOMETRIC.path("ba")
    with pytest.raises(TypeError, match=r"nll\(\[string\]\)"):
        GEOMETRIC.nll("ab")


# --- temporal XOR ---
@given(st.integers(1, 30), seeds)
def test_every_third_bit_is_the_xor_of_the_two_before(triples, seed):
    bits = tasks.temporal_xor(3 * triples, np.random.default_rng(seed))
    assert bits.shape == (3 * triples,)
    assert bits.dtype == np.float32
    assert set(bits) <= {0, 1}
    a, b, c = bits.reshape(-1, 3).astype(int).T
    np.testing.assert_array_equal(c, a ^ b)


def test_temporal_xor_floor_is_what_the_best_predictor_gets():
    bits = tasks.temporal_xor(30_000, np.random.default_rng(0)).reshape(-1, 3)
    assert_mean(bits[:, 0], 0.5)
    assert_mean(bits[:, 1], 0.5)
    assert abs(np.corrcoef(bits[:, 0], bits[:, 1])[0, 1]) < 5 / np.sqrt(len(bits))
    # the bit before a triple's first is the last triple's exclusive or: no help either
    assert abs(np.corrcoef(bits[1:, 0], bits[:-1, 2])[0, 1]) < 5 / np.sqrt(len(bits))
    best = np.stack([np.full(len(bits), 0.5), np.full(len(bits), 0.5), np.abs(bits[:, 0] - bits[:, 1])], axis=1)
    np.testing.assert_allclose(np.sqrt(((bits - best) ** 2).mean(axis=0)), tasks.temporal_xor_floor())


@pytest.mark.parametrize("length", [0, 3001])
def test_temporal_xor_comes_in_triples(length):
    with pytest.raises(ValueError, match=f"multiple of 3, but got {length}"):
        tasks.temporal_xor(length, np.random.default_rng(0))


# --- Elman's letters ---
@given(st.integers(1, 20), seeds)
def test_elman_letters_are_words_run_together(sentences, seed):
    text = tasks.elman_letters(sentences, np.random.default_rng(seed))
    assert "".join(text.words) == text.letters
    assert set(text.words) <= set(ELMAN_WORDS)
    assert 4 * sentences <= len(text.words) <= 9 * sentences
    assert text.onsets.shape == (len(text.letters),)
    starts = np.flatnonzero(text.onsets).tolist()
    assert [text.letters[a:b] for a, b in itertools.pairwise([*starts, None])] == text.words


def test_elman_codes_are_five_bits_and_distinct():
    codes = tasks.elman_letters(5, np.random.default_rng(0)).codes
    assert set(codes) == set("".join(ELMAN_WORDS))
    assert {code.shape for code in codes.values()} == {(5,)}
    assert {code.dtype for code in codes.values()} == {np.dtype(np.float32)}
    assert {float(x) for code in codes.values() for x in code} == {0.0, 1.0}
    assert len({tuple(code) for code in codes.values()}) == len(codes)
    assert codes["a"].tolist() == [0, 0, 0, 0, 1]  # as in the paper's Table 2
    assert codes["y"].tolist() == [1, 1, 0, 0, 1]


def test_elman_lexicon_and_sentences():
    assert len(ELMAN_WORDS) == len(set(ELMAN_WORDS)) == 15
    rng = np.random.default_rng(0)
    texts = [tasks.elman_letters(1, rng) for _ in range(3000)]
    lengths = [len(t.words) for t in texts]
    assert set(lengths) == {4, 5, 6, 7, 8, 9}
    assert_mean(lengths, 6.5)
    drawn = [word for t in texts for word in t.words]
    for word in ELMAN_WORDS:
        assert_mean([w == word for w in drawn], 1 / 15)


# Nats per letter: ln 15 for each word, spread over its letters. Exact because no string of letters has two readings.
ELMAN_FLOOR = np.log(15) / np.mean([len(word) for word in ELMAN_WORDS])


def test_elman_floor_is_the_entropy_rate_of_what_a_reader_can_know():
    assert tasks.lexicon_source(ELMAN_WORDS).entropy_rate() == pytest.approx(ELMAN_FLOOR, rel=1e-9)


def test_elman_floor_on_a_long_text():
    rng = np.random.default_rng(3)
    source = tasks.lexicon_source(ELMAN_WORDS)
    losses = []
    for _ in range(300):
        text = tasks.elman_letters(20, rng)
        row, loss = source._start, []
        for letter in text.letters:
            column = source.symbols.index(letter)
            loss.append(-np.log(source.probability[row, column]))
            row = source.next_state[row, column]
        losses.append(np.array(loss))
    # a ratio of sums: residuals from the expected rate have mean zero
    residual = np.array([loss.sum() - ELMAN_FLOOR * len(loss) for loss in losses])
    assert abs(residual.mean()) < 5 * residual.std() / np.sqrt(len(residual))
    assert residual.std() / np.sqrt(len(residual)) < 0.02 * ELMAN_FLOOR * np.mean([len(loss) for loss in losses])


def test_lexicon_without_doubt_is_a_trie():
    source = tasks.lexicon_source(["ab", "ac", "d"])
    assert len(source.states) == 2
    assert source.predict("") == pytest.approx({"a": 2 / 3, "d": 1 / 3})
    assert source.predict("da") == {"b": 0.5, "c": 0.5}
    assert source.entropy_rate() == pytest.approx(np.log(3) / (5 / 3))


def test_lexicon_with_doubt():
    source = tasks.lexicon_source(["a", "ab", "c"])
    # after "a" the word is over or half of "ab", both alike; then "c" and "a" begin a word, "b" ends one
    assert source.predict("a") == pytest.approx({"b": 1 / 2, "c": 1 / 6, "a": 1 / 3})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", "a"], "different words"),
        (["a", ""], "at least one letter"),
        (["a", "aa", "aab"], "more than 1000 states"),
    ],
)
def test_lexicon_says_what_is_wrong(words, message):
    with pytest.raises(ValueError, match=message):
        tasks.lexicon_source(words)


# --- Reber's grammar ---
@pytest.mark.parametrize("string", ["BTSSXXTVVE", "BPVVE", "BTXXVPSE", "BPVPXVPXVPXVVE", "BTSXXVPSE", "BTXSE"])
def test_reber_strings_known_to_be_legal(string):
    assert reber.accepts(string)
    assert embedded_reber.accepts("BT" + string + "TE")
    assert embedded_reber.accepts("BP" + string + "PE")
    assert not embedded_reber.accepts("BP" + string + "TE")
    assert not embedded_reber.accepts("BT" + string + "PE")
    assert not embedded_reber.accepts(string)


@pytest.mark.parametrize("string", ["BTSSPXSE", "BPTVVB", "BTXXVVSE", "BPVSPSE", "BTSSSE", "BTXS", "BTXSEE", "", "QQ"])
def test_strings_known_not_to_be_reber_strings(string):
    assert not reber.accepts(string)


def test_reber_means_and_floors_are_those_of_the_curriculum():
    assert reber.mean_length() == pytest.approx(8)
    assert reber.entropy() / LN2 == pytest.approx(6)
    assert embedded_reber.mean_length() == pytest.approx(12)
    assert embedded_reber.entropy() / LN2 == pytest.approx(7)
    assert tasks.reber_floor(embedded=False, first_given=False) / LN2 == pytest.approx(0.75)
    assert tasks.reber_floor(embedded=False) / LN2 == pytest.approx(0.8571, abs=5e-5)
    assert tasks.reber_floor() / LN2 == pytest.approx(0.6364, abs=5e-5)
    assert tasks.reber_floor() == pytest.approx(0.4411, abs=5e-5)
    assert tasks.embedded_reber_forgetful_floor() == pytest.approx(0.5041, abs=5e-5)


@pytest.mark.parametrize("embedded", [False, True])
def test_reber_floor_on_a_long_sample(embedded):
    rng = np.random.default_rng(0)
    grammar = embedded_reber if embedded else reber
    strings = [grammar.sample(rng) for _ in range(20_000)]
    assert all(map(grammar.accepts, strings[:500]))
    assert min(map(len, strings)) == (9 if embedded else 5)
    assert_mean([len(s) for s in strings], grammar.mean_length())
    assert_mean(grammar.nll(strings), grammar.entropy())
    # summed loss over summed predictions
    residual = grammar.nll(strings) - tasks.reber_floor(embedded) * (np.array([len(s) for s in strings]) - 1)
    assert abs(residual.mean()) < 5 * residual.std() / np.sqrt(len(residual))


@given(st.integers(1, 12), seeds, st.booleans())
def test_a_batch_of_strings_agrees_with_the_grammar_symbol_by_symbol(count, seed, embedded):
    grammar = embedded_reber if embedded else reber
    rng = np.random.default_rng(seed)
    strings = [grammar.sample(rng) for _ in range(count)]
    batch = tasks.grammar_batch(grammar, strings)
    if embedded:
        again = tasks.reber_batch(count, np.random.default_rng(seed))
        assert all(np.array_equal(a, b) for a, b in zip(again, batch, strict=True))
    time = max(map(len, strings)) - 1
    assert batch.inputs.shape == batch.legal.shape == (count, time, 7)
    assert batch.targets.shape == batch.mask.shape == (count, time)
    assert (batch.inputs.dtype, batch.targets.dtype, batch.mask.dtype, batch.legal.dtype) == (
        np.float32,
        np.int64,
        bool,
        bool,
    )
    for i, string in enumerate(strings):
        steps = len(string) - 1
        assert batch.mask[i].tolist() == [t < steps for t in range(time)]
        assert "".join(REBER_SYMBOLS[j] for j in batch.inputs[i, :steps].argmax(-1)) == string[:-1]
        assert "".join(REBER_SYMBOLS[j] for j in batch.targets[i, :steps]) == string[1:]
        for t in range(steps):
            assert {REBER_SYMBOLS[j] for j in np.flatnonzero(batch.legal[i, t])} == grammar.legal(string[: t + 1])
        assert not batch.inputs[i, steps:].any()
        assert not batch.legal[i, steps:].any()
        assert not batch.targets[i, steps:].any()
        if embedded:
            assert batch.targets[i, batch.mask[i].sum() - 2] == REBER_SYMBOLS.index(string[1])


def test_every_target_of_a_reber_batch_is_legal_and_the_last_but_one_is_certain():
    batch = tasks.reber_batch(2000, np.random.default_rng(0))
    assert np.take_along_axis(batch.legal, batch.targets[..., None], axis=-1)[..., 0][batch.mask].all()
    rows = np.arange(2000)
    assert (batch.legal[rows, batch.mask.sum(axis=1) - 2].sum(axis=-1) == 1).all()
    # the loss of the uniform guess among the legal symbols is the floor
    losses = np.log(batch.legal.sum(axis=-1), where=batch.mask, out=np.zeros(batch.mask.shape))
    assert_mean(losses.sum(axis=1), embedded_reber.entropy())


def test_grammar_batch_says_what_is_wrong():
    with pytest.raises(ValueError, match=r"'X' at position 1 is not legal there\. Legal: P T"):
        tasks.grammar_batch(reber, ["BTXSE", "BXSE"])
    with pytest.raises(ValueError, match="'Q' at position 2"):
        tasks.grammar_batch(reber, ["BTQ"])
    for strings in ([], ["BTXSE", "B"]):
        with pytest.raises(ValueError, match="at least two symbols"):
            tasks.grammar_batch(reber, strings)
    with pytest.raises(ValueError, match="count is a whole number of at least 1 here, but got 0"):
        tasks.reber_batch(0, np.random.default_rng(0))


# --- Markov languages ---
def test_markov_entropy_is_the_textbook_formula():
    p = tasks.random_transitions(5, 1, np.random.default_rng(0))
    language = tasks.markov_language(p)
    values, vectors = np.linalg.eig(p.T)
    pi = np.real(vectors[:, np.argmax(np.real(values))])
    pi = pi / pi.sum()
    np.testing.assert_allclose(language.stationary(), pi, atol=1e-12)
    assert language.entropy_rate() == pytest.approx(-(pi[:, None] * p * np.log(p)).sum())
    assert language.predict("cab") == pytest.approx({"abcde"[j]: p[1, j] for j in range(5)})


@pytest.mark.parametrize(("symbols", "order"), [(2, 3), (4, 2), (6, 1)])
def test_markov_entropy_on_a_long_sample(symbols, order):
    rng = np.random.default_rng(order)
    transitions = tasks.random_transitions(symbols, order, rng)
    assert transitions.shape == (symbols,) * (order + 1)
    np.testing.assert_allclose(transitions.sum(axis=-1), 1)
    language = tasks.markov_language(transitions)
    assert language.symbols == "abcdef"[:symbols]
    assert_mean(block_losses(language, 1000, rng), language.entropy_rate())


def test_markov_context_is_in_reading_order():
    transitions = np.zeros((2, 2, 2))
    transitions[..., 0] = 0.5
    transitions[..., 1] = 0.5
    transitions[0, 1] = [0.9, 0.1]  # after "xy"
    language = tasks.markov_language(transitions, "xy")
    assert language.predict("yxy") == pytest.approx({"x": 0.9, "y": 0.1})
    assert language.predict("xyx") == pytest.approx({"x": 0.5, "y": 0.5})


def test_concentration_makes_a_language_more_or_less_certain():
    rates = [
        tasks.markov_language(tasks.random_transitions(4, 1, np.random.default_rng(0), c)).entropy_rate()
        for c in (0.1, 1, 100)
    ]
    assert rates[0] < rates[1] < rates[2] < np.log(4)


def test_impossible_transitions_are_left_out():
    language = tasks.markov_language([[0.0, 1.0], [0.5, 0.5]])
    assert language.legal("ba") == {"b"}
    assert language.legal("bb") == {"a", "b"}
    assert language.entropy_rate() == pytest.approx(2 / 3 * LN2)


def test_markov_says_what_is_wrong():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"got \(2, 3\)"):
        tasks.markov_language(np.full((2, 3), 1 / 3))
    with pytest.raises(ValueError, match="need 3 symbols, but got 2: 'xy'"):
        tasks.markov_language(np.full((3, 3), 1 / 3), "xy")
    with pytest.raises(ValueError, match="order is a whole number of at least 1"):
        tasks.random_transitions(3, 0, rng)


# --- quotes and brackets ---
@given(st.integers(1, 200), st.integers(1, 5), seeds)
def test_bracket_labels_follow_from_the_text(length, max_depth, seed):
    text, depth, quoted = tasks.brackets(length, np.random.default_rng(seed), max_depth)
    assert len(text) == length
    assert depth.shape == quoted.shape == (length,)
    assert (depth.dtype, quoted.dtype) == (np.int64, bool)
    is_quote = np.array([c == '"' for c in text])
    np.testing.assert_array_equal(quoted, is_quote.cumsum() % 2 == 1)
    steps = np.array([(c == "(") - (c == ")") for c in text])
    np.testing.assert_array_equal(depth, steps.cumsum())
    assert 0 <= depth.min() <= depth.max() <= max_depth
    assert not steps[quoted].any(), "no bracket inside quotes"


def test_brackets_floor_on_a_long_sample():
    rng = np.random.default_rng(0)
    assert_mean(block_losses(tasks.brackets_source(), 2000, rng, blocks=100), tasks.brackets_source().entropy_rate())
    _, depth, quoted = tasks.brackets(50_000, rng)
    assert set(depth) == {0, 1, 2, 3, 4}
    # shares of time in quotes: entered with .1, left with .2
    assert quoted.mean() == pytest.approx(1 / 3, abs=0.02)


def test_what_is_legal_depends_on_depth_and_quotes():
    source = tasks.brackets_source(max_depth=2)
    assert source.legal("") == set('abcd("')
    assert source.legal("(a") == set('abcd()"')
    assert source.legal("((") == set('abcd)"')
    assert source.legal('("') == set('abcd"')
    assert source.legal("a)") == set()
    assert source.predict("(")[")"] == pytest.approx(0.1)
    assert source.predict("((")[")"] == pytest.approx(0.2)


def test_brackets_sizes():
    with pytest.raises(ValueError, match="max_depth is a whole number of at least 1"):
        tasks.brackets_source(0)
    with pytest.raises(ValueError, match="length is a whole number of at least 1"):
        tasks.brackets(0, np.random.default_rng(0))


# --- memory ---
@given(st.integers(1, 5), st.integers(1, 20), seeds)
def test_parity_counts_the_ones(count, time, seed):
    inputs, targets = tasks.parity(count, time, np.random.default_rng(seed))
    assert (inputs.shape, targets.shape) == ((count, time, 1), (count, time))
    assert (inputs.dtype, targets.dtype) == (np.float32, np.int64)
    for bits, answers in zip(inputs[..., 0], targets, strict=True):
        assert answers.tolist() == [int(bits[: t + 1].sum()) % 2 for t in range(time)]


def test_parity_without_one_bit_is_a_coin():
    inputs, targets = tasks.parity(4000, 6, np.random.default_rng(0))
    # all but bit 3 is given: the target of the last step splits evenly in every one of the 32 cases
    seen = np.delete(inputs[..., 0], 3, axis=1).astype(int) @ (2 ** np.arange(5))
    ones = np.bincount(seen, weights=targets[:, -1], minlength=32) / np.bincount(seen, minlength=32)
    assert (np.abs(ones - 0.5) < 5 * 0.5 / np.sqrt(np.bincount(seen, minlength=32))).all()
    assert tasks.parity_baseline() == pytest.approx(-np.log(0.5))


@given(st.integers(1, 5), st.integers(2, 20), seeds)
def test_adding_marks_one_number_in_each_half(count, time, seed):
    inputs, targets = tasks.adding(count, time, np.random.default_rng(seed))
    assert (inputs.shape, targets.shape) == ((count, time, 2), (count, 1))
    assert inputs.dtype == targets.dtype == np.float32
    marks = inputs[..., 1]
    assert set(marks.ravel()) <= {0, 1}
    np.testing.assert_array_equal(marks[:, : time // 2].sum(axis=1), 1)
    np.testing.assert_array_equal(marks[:, time // 2 :].sum(axis=1), 1)
    for row, target in zip(inputs, targets, strict=True):
        first, second = row[row[:, 1] == 1, 0]
        assert target[0] == first + second
    assert 0 <= inputs[..., 0].min() <= inputs[..., 0].max() <= 1


def test_adding_baseline_is_the_error_of_always_saying_one():
    _, targets = tasks.adding(20_000, 10, np.random.default_rng(0))
    assert_mean((targets[:, 0] - 1) ** 2, tasks.adding_baseline())


@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 5), st.integers(1, 5), seeds)
def test_copy_answers_when_told_to(count, delay, symbols, length, seed):
    inputs, targets = tasks.copy_task(count, delay, np.random.default_rng(seed), symbols, length)
    time = delay + 2 * length
    assert (inputs.shape, targets.shape) == ((count, time, symbols + 2), (count, time))
    assert (inputs.dtype, targets.dtype) == (np.float32, np.int64)
    ids = inputs.argmax(axis=-1)
    assert (ids[:, :length] < symbols).all()
    rest = [symbols] * (delay - 1) + [symbols + 1] + [symbols] * length
    assert (ids[:, length:] == rest).all()
    assert (targets[:, : length + delay] == symbols).all()
    np.testing.assert_array_equal(targets[:, length + delay :], ids[:, :length])


def test_copy_baseline_is_the_loss_of_one_who_forgot():
    symbols, length, delay = 3, 4, 5
    _, targets = tasks.copy_task(2000, delay, np.random.default_rng(0), symbols, length)
    # the best forgetful prediction is the frequency of each target at each step
    frequency = np.stack([(targets == s).mean(axis=0) for s in range(symbols + 1)], axis=-1)
    loss = -(frequency * np.log(frequency, where=frequency > 0, out=np.zeros_like(frequency))).sum(axis=-1)
    assert loss.mean() == pytest.approx(tasks.copy_baseline(delay, symbols, length), rel=0.01)


@given(st.integers(1, 5), st.integers(1, 40), seeds)
def test_running_total_is_the_sum_since_the_last_customer_came(count, time, seed):
    inputs, targets = tasks.running_total(count, time, np.random.default_rng(seed))
    assert (inputs.shape, targets.shape) == ((count, time, 4), (count, time, 1))
    assert (inputs.dtype, targets.dtype) == (np.float32, np.float32)
    for stream, wanted in zip(inputs.astype(float), targets[..., 0], strict=True):
        basket = []
        for (price, bought, new, ask), target in zip(stream, wanted, strict=True):
            assert 0 <= price <= 1
            assert {bought, new, ask} <= {0, 1}
            basket = [] if new else basket
            basket += [price] if bought else []
            assert target == pytest.approx(sum(basket) if ask else 0, abs=1e-5)


def test_running_totals_flags_come_as_often_as_said():
    inputs, _ = tasks.running_total(400, 100, np.random.default_rng(0))
    for flag, share in ((1, 0.25), (2, 0.1), (3, 0.25)):
        assert_mean(inputs[..., flag].ravel(), share)
    assert_mean(inputs[..., 0].ravel(), 0.5)


@given(st.integers(10, 120), seeds)
def test_temporal_order_has_two_marks_and_their_class(time, seed):
    inputs, targets = tasks.temporal_order(6, time, np.random.default_rng(seed))
    assert (inputs.shape, targets.shape) == ((6, time, 8), (6,))
    assert (inputs.dtype, targets.dtype) == (np.float32, np.int64)
    np.testing.assert_array_equal(inputs.sum(axis=-1), 1)
    for row, target in zip(inputs.argmax(axis=-1), targets, strict=True):
        string = "".join(tasks.TEMPORAL_ORDER_SYMBOLS[i] for i in row)
        places = [t for t, c in enumerate(string) if c in "XY"]
        assert string[0] == "E"
        assert string[-1] == "B"
        assert set(string[1:-1]) <= set("abcdXY")
        assert len(places) == 2
        assert time // 10 <= places[0] <= time / 5
        assert time // 2 <= places[1] <= time * 0.6
        assert ["XX", "XY", "YX", "YY"][target] == string[places[0]] + string[places[1]]


def test_temporal_order_has_the_ranges_of_the_paper_and_even_classes():
    inputs, targets = tasks.temporal_order(4000, 100, np.random.default_rng(0))
    marks = inputs[..., 4:6].any(axis=-1)
    assert set(np.flatnonzero(marks.any(axis=0))) == {*range(10, 21), *range(50, 61)}
    shares = np.bincount(targets) / len(targets)
    assert -(shares * np.log(shares)).sum() == pytest.approx(np.log(4), rel=0.01)
    first, second = targets // 2, targets % 2
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / np.sqrt(len(targets))


@given(st.integers(1, 5), st.integers(1, 20), st.integers(1, 8), seeds)
def test_first_symbol_asks_for_the_first(count, time, symbols, seed):
    inputs, targets = tasks.first_symbol(count, time, np.random.default_rng(seed), symbols)
    assert (inputs.shape, targets.shape) == ((count, time, symbols), (count,))
    assert (inputs.dtype, targets.dtype) == (np.float32, np.int64)
    np.testing.assert_array_equal(inputs[:, 0].argmax(axis=-1), targets)


def test_first_symbols_are_even_and_the_rest_tells_nothing():
    inputs, targets = tasks.first_symbol(20_000, 3, np.random.default_rng(0), 4)
    shares = np.bincount(targets) / len(targets)
    assert -(shares * np.log(shares)).sum() == pytest.approx(np.log(4), rel=0.001)
    later = inputs[:, 1].argmax(axis=-1)
    assert_mean(later == targets, 1 / 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda rng: tasks.parity(0, 5, rng), "count is a whole number of at least 1 here, but got 0"),
        (lambda rng: tasks.adding(3, 1, rng), "time is a whole number of at least 2 here, but got 1"),
        (lambda rng: tasks.copy_task(3, 0, rng), "delay is a whole number of at least 1 here, but got 0"),
        (lambda rng: tasks.temporal_order(3, 9, rng), "time is a whole number of at least 10 here, but got 9"),
        (lambda rng: tasks.running_total(3, 0, rng), "time is a whole number of at least 1 here, but got 0"),
        (lambda rng: tasks.first_symbol(3, 0, rng), "time is a whole number of at least 1 here, but got 0"),
        (lambda rng: tasks.elman_letters(0, rng), "sentences is a whole number of at least 1 here, but got 0"),
    ],
)
def test_sizes_that_are_too_small_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.random.default_rng(0))


# --- cipher ---
@given(st.integers(1, 20), st.integers(1, 5), st.integers(0, 5), seeds)
def test_cipher_replaces_letter_by_letter(count, shortest, more, seed):
    rng = np.random.default_rng(seed)
    key = tasks.cipher_key(rng, "abcdef")
    assert sorted(key) == sorted(key.values()) == list("abcdef")
    sources, targets = tasks.cipher_pairs(count, key, rng, shortest, shortest + more)
    assert len(sources) == len(targets) == count
    for source, target in zip(sources, targets, strict=True):
        assert shortest <= len(source) <= shortest + more
        assert target == "".join(key[letter] for letter in source)
        alignment = tasks.cipher_alignment(len(source))
        for j, letter in enumerate(target):
            assert key[source[alignment[j].argmax()]] == letter
        assert alignment.sum() == len(source)


def test_cipher_lengths_and_letters_are_even():
    rng = np.random.default_rng(0)
    sources, targets = tasks.cipher_pairs(5000, tasks.cipher_key(rng), rng)
    lengths = [len(s) for s in sources]
    assert set(lengths) == set(range(4, 21))
    assert_mean(lengths, 12)
    letters = np.frombuffer("".join(targets).encode("ascii"), np.uint8) - ord("a")
    shares = np.bincount(letters, minlength=26) / len(letters)
    assert -(shares * np.log(shares)).sum() == pytest.approx(np.log(26), rel=0.001)


def test_cipher_says_what_is_wrong():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="longest is a whole number of at least 6 here, but got 5"):
        tasks.cipher_pairs(1, tasks.cipher_key(rng), rng, 6, 5)


# --- series ---
def test_persistence_is_the_error_of_no_change():
    assert tasks.persistence_mse([1.0, 2.0, 4.0]) == pytest.approx((1 + 4) / 2)
    assert tasks.persistence_mse([1.0, 2.0, 4.0], ahead=2) == pytest.approx(9)
    series = np.sin(np.arange(3000) / 5)
    assert 0 < tasks.persistence_mse(series) < tasks.persistence_mse(series, 6) < 2 * series.var()


def test_persistence_says_what_is_wrong():
    with pytest.raises(ValueError, match="more than 3 values, but got 2"):
        tasks.persistence_mse([1.0, 2.0], ahead=3)


def test_reber_pairs_differ_in_the_second_letter_alone():
    rng = np.random.default_rng(0)
    pairs = tasks.reber_pairs(50, rng, steps=9)
    assert pairs.shape == (2, 50, 9, 7)
    letters = [["".join(tasks.REBER_SYMBOLS[i] for i in row) for row in half] for half in pairs.argmax(axis=3)]
    for with_t, with_p in zip(*letters, strict=True):
        assert with_t[1] + with_p[1] == "TP"
        assert with_t[0] + with_t[2:] == with_p[0] + with_p[2:]
        after_t, after_p = map(tasks.embedded_reber.legal, (with_t, with_p))
        assert after_t == after_p or (after_t, after_p) == ({"T"}, {"P"})  # in the maze, or at its very end
    with pytest.raises(ValueError, match="steps"):
        tasks.reber_pairs(1, rng, steps=2)
