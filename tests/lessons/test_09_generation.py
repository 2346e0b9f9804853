"""Lesson 09: the judges, what they judge, the panel, and the answers of the exercises."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from results_checks import criterion_can_fail, lesson_shows, measured_at_toy_size

from course_lib import generation, tasks
from course_lib.lessons.lesson_09_generation import exercises as ex
from course_lib.lessons.lesson_09_generation import experiments, panels
from course_lib.ngrams import NGram
from course_lib.sequences import Vocabulary
from course_lib.teaching import experiment as results

LESSON = "09_generation"
TEXT = Vocabulary(experiments.ENDLESS.symbols)


# ---------------------------------------------------------------------------------------------------------------------
# Grammars and variety
# ---------------------------------------------------------------------------------------------------------------------
def test_half_loaded_is_fair_and_loaded_is_shorter():
    np.testing.assert_allclose(experiments.loaded_reber(0.5).probability, tasks.reber.probability)
    lengths = [experiments.loaded_reber(share).mean_length() for share in (0.4, 0.5, 0.7)]
    assert lengths == sorted(lengths, reverse=True)


@given(st.floats(0.05, 0.95))
def test_a_loaded_grammar_has_the_same_strings(share):
    loaded = experiments.loaded_reber(share)
    np.testing.assert_array_equal(loaded.probability > 0, tasks.reber.probability > 0)
    np.testing.assert_array_equal(loaded.next_state, tasks.reber.next_state)


def test_true_variety_against_all_strings():
    grammar = experiments.loaded_reber(0.7)
    beginnings, squares = {"": 1.0}, 0.0
    while beginnings:
        longer = {}
        for beginning, p in beginnings.items():
            for symbol, chance in grammar.predict(beginning).items():
                if grammar.accepts(beginning + symbol):
                    squares += (p * chance) ** 2
                elif p * chance > 1e-6:
                    longer[beginning + symbol] = p * chance
        beginnings = longer
    assert experiments.true_variety(grammar) == pytest.approx(1 / squares, rel=1e-4)


@given(st.integers(2, 30), st.integers(2, 40))
def test_variety_of_equally_frequent_strings(different, times):
    strings = [str(i) for i in range(different)] * times
    pairs = different * times * (different * times - 1)
    assert experiments.variety(strings) == pytest.approx(pairs / (different * times * (times - 1)))
    assert experiments.variety(["same"] * times) == 1


def test_variety_is_right_on_average():
    rng, p = np.random.default_rng(0), np.array([0.5, 0.3, 0.2])
    chances = [1 / experiments.variety(rng.choice(list("abc"), 30, p=p)) for _ in range(2000)]
    assert np.mean(chances) == pytest.approx((p**2).sum(), abs=0.01)


def test_the_judge_on_true_and_on_spoiled_strings():
    rng = np.random.default_rng(1)
    strings = [tasks.reber.sample(rng) for _ in range(400)]
    valid, variety = experiments.judge(tasks.reber, strings)
    assert valid == 1
    assert 0.7 < variety / experiments.true_variety(tasks.reber) < 1.4
    assert experiments.judge(tasks.reber, [string + "E" for string in strings])[0] == 0


def test_a_string_ends_in_e_if_the_writer_ended_it():
    def choose(step, seed, rng):
        return generation.GenerationOutput([np.array([1, 3])] * 2, np.zeros(2), np.array([True, False]))

    model = experiments.learn_grammar(tasks.reber, np.random.default_rng(1), updates=1)
    ended, cut_off = experiments.write_strings(model, choose, 2, None)
    assert ended == "B" + tasks.REBER_SYMBOLS[1] + tasks.REBER_SYMBOLS[3] + "E"
    assert cut_off == ended[:-1]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("T1", [0.6, 0.3, 0.1]),
        ("T0.5", [0.36 / 0.46, 0.09 / 0.46, 0.01 / 0.46]),
        ("T2", np.sqrt([0.6, 0.3, 0.1]) / np.sqrt([0.6, 0.3, 0.1]).sum()),
        ("k2", [2 / 3, 1 / 3, 0]),
        ("p0.8", [2 / 3, 1 / 3, 0]),
        ("p0.6", [1, 0, 0]),
        ("greedy", [1, 0, 0]),
        # at temperature 2 the first two hold .81, so that all three are needed for .9
        ("p0.9 at T2", np.sqrt([0.6, 0.3, 0.1]) / np.sqrt([0.6, 0.3, 0.1]).sum()),
    ],
)
def test_a_setting_is_what_its_name_says(name, expected):
    def step(symbols, state):
        return np.tile(np.log([0.6, 0.3, 0.1]), (len(symbols), 1)), state

    written = experiments.SETTINGS[name](step, np.zeros((300, 1), int), np.random.default_rng(3))
    assert {len(row) for row in written.symbols} == {100}
    counts = np.bincount(np.concatenate(written.symbols), minlength=3)
    np.testing.assert_allclose(counts / counts.sum(), expected, atol=0.015)


def test_every_setting_writes_and_greedy_writes_one_string():
    rng = np.random.default_rng(2)
    model = experiments.learn_grammar(tasks.reber, rng, updates=20)
    for name, choose in experiments.SETTINGS.items():
        strings = experiments.write_strings(model, choose, 5, rng)
        assert len(strings) == 5, name
        assert all(string[0] == "B" and set(string) <= set("BTPSXVE") for string in strings)
    assert len(set(experiments.write_strings(model, experiments.greedily, 50, rng))) == 1


# ---------------------------------------------------------------------------------------------------------------------
# Words and prose
# ---------------------------------------------------------------------------------------------------------------------
def test_what_is_held_back_is_a_tenth_and_apart():
    read, held_back = experiments.read_and_held_back()
    assert not read & held_back
    assert len(held_back) / (len(read) + len(held_back)) == pytest.approx(0.1, abs=0.005)


def test_real_and_new():
    words = ["cat", "cat", "dog", "xx", "owl"]
    real, new = experiments.real_and_new(words, {"cat", "dog"}, {"owl"})
    assert real == pytest.approx(0.8)
    assert new == pytest.approx(0.25)


def test_bits_of_a_table_are_its_own_surprise():
    words = ["bad", "dab", "cab"]
    table = experiments.word_table({"abba", "bad", "cab"}, 1, n=3)
    surprisals = [table.surprisal(experiments.LETTERS.encode(".." + word + ".")) for word in words]
    bits = experiments.bits_a_letter(generation.ngram_step(table), "..", words)
    assert bits == pytest.approx(np.concatenate(surprisals).mean())


def test_a_table_copies_what_it_has_read():
    rng = np.random.default_rng(3)
    copies = []
    for pseudocount in (1, 30):
        step = generation.ngram_step(experiments.word_table({"abacus"}, pseudocount))
        words = experiments.write_words(step, "......", 200, rng)
        copies.append(words.count("abacus"))
        assert all(set(word) <= set("abcdefghijklmnopqrstuvwxyz") and len(word) <= 30 for word in words)
    assert copies[0] > 20
    assert copies[1] < copies[0] / 2  # it leans on shorter runs instead


def test_a_table_knows_where_a_word_begins():
    table = experiments.word_table({"abba"}, 1)
    assert table.predict(experiments.LETTERS.encode("......")).argmax() == experiments.LETTERS.encode("a")[0]
    assert table.predict(experiments.LETTERS.encode("..abba")).argmax() == 0


@pytest.mark.parametrize("period", [1, 7, 124, 250])
def test_a_loop_is_found(period):
    rng = np.random.default_rng(4)
    round_and_round = np.concatenate([rng.integers(50, size=300), np.tile(rng.integers(50, size=period), 600)])
    assert experiments.loops(round_and_round[: 300 + 600])
    assert not experiments.loops(rng.integers(50, size=900))
    almost = round_and_round[:900].copy()
    almost[-1] = 99
    assert not experiments.loops(almost)


def test_a_loop_longer_than_the_longest_is_none():
    assert not experiments.loops(np.tile(np.arange(251), 6))
    assert experiments.loops(np.tile(np.arange(250), 6))


def test_text_is_learned_a_little_and_measured_on_all_of_it():
    rng = np.random.default_rng(5)
    ids = np.tile(np.arange(5), 2000)
    untrained, trained = (
        experiments.bits_a_character(experiments.learn_text(ids, 5, rng, updates, units=8), ids) for updates in (1, 60)
    )
    assert trained < untrained - 0.5


def test_text_is_read_on_from_where_the_piece_before_ended(monkeypatch):
    met = []

    def train(self, x, y, *, initial_states, **settings):
        met.append((x.argmax(axis=2), initial_states))
        self.forward(x, initial_states=initial_states)

    monkeypatch.setattr(experiments.Model, "train_on_batch", train)
    experiments.learn_text(np.arange(32 * 150 + 50) % 7, 7, np.random.default_rng(5), updates=4, units=3)
    assert len(met) == 4
    fresh = [states is None for _, states in met]
    assert fresh[0]
    assert not all(fresh[1:])
    for (before, _), (x, states) in pairwise(met):
        if states is not None:
            np.testing.assert_array_equal(x[:, 0], (before[:, -1] + 1) % 7)


def test_a_table_gets_the_number_of_imagined_symbols_that_suits_it():
    rng = np.random.default_rng(6)
    noise = rng.integers(4, size=400)  # nothing to trust: the more imagined, the better
    bits = experiments.table_bits(noise, noise[::-1], 4)
    assert set(bits) == {"table_6", "table_8"}
    for n in (6, 8):
        table = NGram(n, 4, pseudocount=40, interpolated=True).read(noise)
        assert bits[f"table_{n}"] == pytest.approx(table.surprisal(noise[::-1]).mean())
    ids = np.tile(np.arange(5), 2000)  # everything to trust
    assert max(experiments.table_bits(ids, ids, 5).values()) < 0.01


def test_the_parts_of_the_manual_are_apart_and_whole():
    vocabulary, read, unseen = experiments.manual_parts()
    assert len(read) / (len(read) + len(unseen)) == pytest.approx(0.9, abs=0.001)
    assert max(read.max(), unseen.max()) < len(vocabulary)
    paragraphs = set(vocabulary.decode(read).split("\n"))
    alone = [part for part in vocabulary.decode(unseen).split("\n")[1:] if len(part) > 80]
    assert not paragraphs & set(alone)


def test_bits_of_a_network_that_knows_nothing():
    model = experiments.learn_text(np.arange(5000) % 8, 8, np.random.default_rng(7), updates=1, units=4)
    for layer in model.layers:
        for weight in layer.weights:
            weight[...] = 0
    assert experiments.bits_a_character(model, np.arange(5000) % 8) == pytest.approx(3)


# ---------------------------------------------------------------------------------------------------------------------
# Errors in endless text
# ---------------------------------------------------------------------------------------------------------------------
@given(st.integers(0, 2**32 - 1))
def test_true_text_has_no_errors(seed):
    assert not experiments.errors_in(experiments.true_text(5, 60, np.random.default_rng(seed))).any()


def judged_by(judge, text):
    return "".join("x" if error else "." for error in experiments.errors_in(TEXT.encode(text)[None], judge)[0])


@pytest.mark.parametrize(
    ("text", "strict", "forgiving"),
    [
        # after BT comes S or X; B is wrong. B leads to one place from anywhere, so T is right again and E is not.
        ("BTBTXSE", "..x....", "..x...."),
        ("BTBE", "..xx", "..xx"),
        # X leads to two places; what fits one of them is no error. And BT or BP may have been meant.
        ("BXX", ".x.", ".x."),
        ("BXV", ".x.", ".x."),
        ("BXB", ".xx", ".xx"),
        ("BXT", ".x.", ".x."),
        # V leads to where P, V or E follow; an S or X in its place to where S or X follow. T would be
        # a second slip, from which an E may follow to this judge.
        ("BTVXSE", "..xx..", "..x..."),
        ("BTVVE", "..x..", "..x.."),
        ("BTVTE", "..xxx", "..xx."),
        # the slip is forgiven once: after the X one is where an X leads, and a P is wrong
        ("BTVXP", "..xxx", "..x.x"),
        ("BTVXXVV", "..xx...", "..x...."),
    ],
)
def test_two_judges_by_hand(text, strict, forgiving):
    assert judged_by(experiments.at_its_word, text) == strict
    assert judged_by(experiments.perhaps_a_slip, text) == forgiving


def test_the_strict_judge_is_the_one_by_default():
    text = TEXT.encode("BTVXSE")[None]
    np.testing.assert_array_equal(experiments.errors_in(text), experiments.errors_in(text, experiments.at_its_word))


@given(st.integers(0, 2**32 - 1))
def test_both_judges_agree_up_to_the_first_error_and_the_forgiving_one_finds_no_more_right_after(seed):
    rows = np.random.default_rng(seed).integers(7, size=(20, 30))
    strict, forgiving = (experiments.errors_in(rows, judge) for judge in experiments.JUDGES.values())
    first = strict.argmax(axis=1)
    np.testing.assert_array_equal(first, forgiving.argmax(axis=1))
    after = np.minimum(first + 1, 29)
    assert (forgiving[np.arange(20), after] <= strict[np.arange(20), after]).all()


def test_two_symbols_that_fit_tell_where_the_text_is():
    pairs = np.einsum("aij,bjk->abk", experiments.LEADS.astype(int), experiments.LEADS.astype(int)) > 0
    assert sorted(set(pairs.sum(axis=2).ravel())) == [0, 1]


def test_a_planted_error_is_the_last_symbol_and_the_only_one():
    planted = experiments.errors_in(experiments.plant_errors(np.random.default_rng(6), count=50, length=20))
    assert planted[:, -1].all()
    assert not planted[:, :-1].any()


def test_a_planted_error_can_be_any_wrong_symbol():
    rows = experiments.plant_errors(np.random.default_rng(7), count=400, length=2)  # in the place of a T or a P
    assert set(rows[:, -1].tolist()) == set(TEXT.encode("BSXVE").tolist())


def test_rates_after_the_first_error_by_hand():
    errors = np.array([[0, 1, 1, 0, 0, 0], [1, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1]], bool)
    # the third row has no error; the fourth has its first one too late to be followed for three steps
    np.testing.assert_allclose(experiments.after_the_first(errors, steps=3), [1 / 2, 0, 1 / 2])
    np.testing.assert_allclose(experiments.after_the_first(errors, steps=2), [2 / 3, 1 / 3])


def test_what_is_recorded_by_hand():
    free = np.array([TEXT.encode("BTVXSE" + 59 * "BTXSE"), TEXT.encode(61 * "BTXSE")[:301]])
    planted = np.array([TEXT.encode("BTVXSEBTXSEBTXSE"), TEXT.encode("BTBTXSEBTXSEBTXS")])
    random = np.array([TEXT.encode("BTVX"), TEXT.encode("BTVV"), TEXT.encode("BTVB"), TEXT.encode("BTVT")])
    row = experiments.judged(free, planted, random, forced=0.01)
    expected = {
        "forced": 0.01,
        "free_strict": 2 / 600,
        "free_forgiving": 1 / 600,
        "until_first": 1 / 302,
        "random_strict": 3 / 4,
        "random_forgiving": 2 / 4,
        "own_strict_1": 1,
        "own_forgiving_1": 0,
        "own_strict_2": 0,
        "planted_strict_1": 1 / 2,
        "planted_forgiving_1": 0,
        "planted_forgiving_12": 0,
        "flawless": 1 / 2,
        "flawless_predicted": 0.99**300,
        "first_half": 2 / 300,
        "second_half": 0,
    }
    assert {name: row[name] for name in expected} == pytest.approx(expected)


def test_a_writer_goes_on_from_its_seeds():
    class Always:
        layers, states = (type("Layer", (), {"vocabulary": 7})(),), None

        def forward(self, x, initial_states=None):
            return np.log(np.eye(7)[(x + 1) % 7] + 1e-9)

    rows = experiments.go_on(Always(), np.array([[0, 3], [0, 5]]), 3, np.random.default_rng(8))
    np.testing.assert_array_equal(rows, [[0, 3, 4, 5, 6], [0, 5, 6, 0, 1]])


def test_the_forced_rate_of_a_writer_that_knows_the_grammar():
    class Oracle:
        def forward(self, x):
            may_be, scores = np.zeros(len(x), int), []
            for ids in x.argmax(axis=2).T:
                may_be = experiments.ENDLESS.next_state[may_be, ids]
                scores.append(np.log(experiments.ENDLESS.probability[may_be] + 1e-12))
            return np.stack(scores, axis=1)

    assert experiments.forced_rate(Oracle(), np.random.default_rng(7)) < 1e-9


def test_the_forced_rate_of_a_writer_that_guesses():
    class Even:
        def forward(self, x):
            return np.zeros((*x.shape[:2], 7))

    rate = experiments.forced_rate(Even(), np.random.default_rng(7))
    legal = (experiments.ENDLESS.probability > 0).sum(axis=1)
    assert rate == pytest.approx(1 - experiments.ENDLESS.stationary() @ legal / 7, abs=0.01)


# ---------------------------------------------------------------------------------------------------------------------
# What was recorded, and what the lesson shows
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("key", "spoil"),
    [
        ("reber-decoding", {"valid T1": 0.94}),
        ("reber-decoding", {"valid T2": 0.86}),
        ("reber-decoding", {"valid p0.9 at T2": 0.97}),
        ("reber-decoding", {"variety greedy": 2.0}),
        ("loaded-coins", {"valid T0.5": 0.97}),
        ("loaded-coins", {"variety T0.5": 4.0}),
        ("loaded-coins", {"variety T1": 4.0}),
        ("loaded-coins", {"variety T1": 9.0}),
        ("words-never-read", {"real_table": 0.2}),
        ("words-never-read", {"bits_table": 3.2}),
        ("words-never-read", {"new_table": 0.04}),
        ("words-never-read", {"new_gru": 0.04}),
        ("words-never-read", {"real_smoothed": 0.5}),
        ("words-never-read", {"bits_smoothed": 3.2}),
        ("manual-prose", {"short": 2.2}),
        ("manual-prose", {"long": 2.1}),
        ("manual-prose", {"long": 1.75}),
        ("manual-prose", {"table_8": 2.0}),
        ("manual-prose", {"greedy_short": 14}),
        ("manual-prose", {"greedy_long": 14}),
        ("manual-prose", {"sampled_short": 1}),
        ("manual-prose", {"sampled_long": 1}),
        ("exposure-bias", {"until_first": 0.004}),
        ("exposure-bias", {"until_first": 0.0005}),
        ("exposure-bias", {"second_half": 0.006}),
        ("exposure-bias", {"free_strict": 0.0015}),
        ("exposure-bias", {"free_strict": 0.006}),
        ("exposure-bias", {"free_forgiving": 0.0009}),
        ("exposure-bias", {"free_forgiving": 0.003}),
        ("exposure-bias", {"own_strict_1": 0.1}),
        ("exposure-bias", {"planted_strict_1": 0.1}),
        ("exposure-bias", {"own_forgiving_1": 0.05}),
        ("exposure-bias", {"planted_forgiving_1": 0.05}),
        ("exposure-bias", {"random_forgiving": 0.1}),
        *(
            ("exposure-bias", {f"{kind}_{judge}_{k}": 0.03 for k in range(7, 13)})
            for kind in ("own", "planted")
            for judge in ("strict", "forgiving")
        ),
    ],
)
def test_each_bound_can_fail(key, spoil):
    criterion_can_fail(key, spoil)


def test_the_live_run_needs_no_long_training():
    rows = [{"short": 2.7, "table_6": 1.9, "table_8": 1.8, "greedy_short": 20, "sampled_short": 0}]
    assert experiments._prose_holds(rows)
    assert "300 updates 2.70, 2,000 none" in results.find("manual-prose").measured(rows)


def test_what_the_alt_texts_say_of_the_recorded_seeds():
    bias = results.recorded("exposure-bias")
    for kind in ("own", "planted"):
        assert 0.2 < bias.column(f"{kind}_strict_1").min() < bias.column(f"{kind}_strict_1").max() < 0.6
        forgiving = np.array([bias.column(f"{kind}_forgiving_{k}") for k in range(1, 13)])
        assert forgiving[0].max() < 0.03
        assert set(forgiving.argmax(axis=0)) <= {1, 2}
        assert forgiving.max() < 0.15
    assert bias.column("random_strict").min() > 0.5
    assert bias.column("random_forgiving").min() > 0.25
    words, prose = results.recorded("words-never-read"), results.recorded("manual-prose")
    assert 0.55 < words.column("real_table").min() < words.column("real_table").max() < 0.75
    assert (words.column("real_table") / words.column("real_smoothed")).min() > 2.5
    assert words.column("new_smoothed").max() < 0.07
    assert prose.column("short").min() > prose.column("long").max() + 0.4
    loaded, fair = results.recorded("loaded-coins"), results.recorded("reber-decoding")
    truth = experiments.true_variety(experiments.loaded_reber(0.7))
    assert loaded.column("variety p0.9 at T2").min() > 1.4 * truth
    assert fair.column("variety p0.9 at T2").max() < 1.25 * experiments.true_variety(tasks.reber)
    for name in ("k2", "k3", "k4", "p0.8", "p0.9", "p0.95", "p0.99"):
        assert loaded.column(f"valid {name}").min() > 0.98
        assert abs(np.log(loaded.column(f"variety {name}") / truth)).max() < 0.25


def test_the_lesson_shows_the_recorded_code():
    lesson_shows(
        LESSON,
        [
            experiments.learn_grammar,
            experiments.loaded_reber,
            experiments.write_strings,
            experiments.variety,
            experiments.judge,
            experiments.judge_settings,
            experiments.learn_words,
            experiments.write_words,
            experiments.real_and_new,
            experiments.learn_text,
            experiments.at_its_word,
            experiments.perhaps_a_slip,
            experiments.errors_in,
            experiments.forced_rate,
            experiments.go_on,
        ],
    )


# ---------------------------------------------------------------------------------------------------------------------
# The panel
# ---------------------------------------------------------------------------------------------------------------------
@given(st.text(max_size=12), st.floats(0.1, 3), st.floats(0.05, 1))
def test_the_panels_numbers_are_distributions(text, temperature, p):
    before, after = panels.next_letter(text, temperature, p)
    assert before.sum() == pytest.approx(1)
    assert after.sum() == pytest.approx(1)
    assert after[before.argmax()] > 0


def test_the_panel_without_change_is_the_table():
    before, after = panels.next_letter("str", 1.0, 1.0)
    np.testing.assert_allclose(before, after, atol=1e-8)
    assert panels.next_letter("q", 1.0, 1.0)[0].argmax() == panels.LETTERS.encode("u")[0]
    assert all(word.startswith("str") for word in panels.words_after("STR!", 1.0, 1.0))


def test_the_panels_words_follow_both_knobs():
    assert len(set(panels.words_after("str", 3.0, 0.05))) == 1  # a nucleus of one letter, however hot
    assert len(set(panels.words_after("str", 0.1, 1.0))) < len(set(panels.words_after("str", 3.0, 1.0)))


def test_the_static_panel_has_every_setting(shown):
    panels.generation_panel()
    for temperature, p in panels.SETTINGS:
        assert f"At temperature {temperature:g} and top-p {p:g}" in shown[0].alt


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (("str", 0.1, 1.0), "At temperature 0.1 and top-p 1,"),
        (("str", 1.0, 0.05), "1 of 27 symbols"),
        (("str", 1.0, 1.0), "after “str”"),
        (("", 0.1, 0.05), "at the beginning of a word"),
        (("1;:é", 0.1, 1.0), "at the beginning of a word"),
    ],
)
def test_the_panel_says_what_it_draws(setting, words):
    fig, alt = panels._draw_live(*setting)
    assert words in alt
    plt.close(fig)


# ---------------------------------------------------------------------------------------------------------------------
# The exercises
# ---------------------------------------------------------------------------------------------------------------------
@given(st.floats(0.51, 0.99), st.floats(0.51, 0.99))
def test_9_1s_temperature_does_it(p, wanted):
    changed = np.exp(generation.apply_temperature(np.log([p, 1 - p]), ex.temperature_for(p, wanted)))
    assert changed[0] == pytest.approx(wanted)


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 1))
def test_9_2s_nucleus_is_the_packages(seed, share):
    p = np.random.default_rng(seed).dirichlet(np.ones(8))
    np.testing.assert_allclose(ex.nucleus_of(p, share), np.exp(generation.keep_top_p(np.log(p), share)), atol=1e-12)


def test_9_3s_writer_writes_as_the_package_does():
    grammar = experiments.loaded_reber(0.7)

    def one(symbol, state):
        state = grammar.next_state[0 if state is None else state, symbol]
        return grammar.probability[state], state

    texts = ex.write_several(one, [experiments.B], 20, 200, experiments.E, np.random.default_rng(8))
    strings = ["B" + "".join(grammar.symbols[i] for i in written) + "E" for written in texts]
    assert len(strings) == 20
    assert all(grammar.accepts(string) for string in strings)


def mended_otherwise(step, seed, count, length, stop, rng):
    texts = []
    for _ in range(count):
        state, written, symbol = None, [], seed[-1]
        for earlier in seed[:-1]:
            _, state = step(earlier, state)
        while len(written) < length:
            p, state = step(symbol, state)
            symbol = int(rng.choice(len(p), p=p))
            if symbol == stop:
                break
            written.append(symbol)
        texts.append(written)
    return texts


def test_9_3_may_be_mended_otherwise(answer):
    assert "passed" in answer(ex.check, "9.3", mended_otherwise).lower()


def test_9_5s_worlds_are_as_they_say():
    tiring_only, biased, both = (float(ex.exposure(*ex._world(*world)[0])) for world in ex.WORLDS)
    assert 0.85 < tiring_only < 1.15
    assert biased > 1.5
    assert both > 1.2


@pytest.mark.parametrize(
    ("number", "attempt", "phrase"),
    [
        ("9.1", lambda p, w: 1.0, "takes a temperature of 0.3856"),
        ("9.2", lambda p, share: p, "nothing has been cut"),
        ("9.2", lambda p, share: p[::-1], "keeps 2 symbols; yours keeps 5"),
        ("9.2", lambda p, share: p[:2], "(V,), of shape (5,)"),
        ("9.3", lambda step, seed, count, length, stop, rng: [[1, 2]] * count, "It should have written"),
        ("9.3", lambda step, seed, count, length, stop, rng: [["a"]], "something else in it"),
        ("9.3", lambda step, seed, count, length, stop, rng: [1, 2], "something else in it"),
        ("9.2", lambda p, share: np.where(p >= share, p, 0), "holds *together*"),
        ("9.4", lambda words, read, held_back: 7.0, "How often was a word of each list written"),
        ("9.5", lambda true_text, go_on, wrong: 2.0, "not been asked to write"),
        ("9.5", lambda true_text, go_on, wrong: go_on(true_text(2000, 3), 9).shape[1] + 0.5, "Where do you count"),
    ],
)
def test_the_checks_say_what_is_wrong(number, attempt, phrase, answer):
    assert phrase in answer(ex.check, number, attempt)


# ---------------------------------------------------------------------------------------------------------------------
# Each measurement once, at toy size
# ---------------------------------------------------------------------------------------------------------------------
def _few_strings(write):
    return lambda model, choose, count, rng: write(model, choose, 8, rng)


def _few_words(parts):
    def toy():
        read, held_back = map(sorted, parts())
        return set(read[::400]), set(held_back[::100])

    return toy


def _short_manual(parts):
    def toy():
        vocabulary, read, unseen = parts()
        return vocabulary, read[:3000], unseen[:1100]

    return toy


@pytest.mark.parametrize(
    ("key", "toys"),
    [
        ("reber-decoding", {"learn_grammar": {"updates": 2}, "write_strings": _few_strings}),
        ("loaded-coins", {"learn_grammar": {"updates": 2}, "write_strings": _few_strings}),
        pytest.param(
            "words-never-read",
            {
                "read_and_held_back": _few_words,
                "learn_words": {"updates": 2},
                "write_words": lambda write: lambda step, seed, count, rng: write(step, seed, 40, rng),
                "real_and_new": lambda judge: lambda words, *known: judge([*words, *map(min, known)], *known),
            },
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "manual-prose",
            {
                "manual_parts": _short_manual,
                "learn_text": lambda learn: lambda ids, size, rng, updates: learn(ids, size, rng, 2, units=8),
                "texts_that_loop": {"count": 2},
            },
            marks=pytest.mark.slow,
        ),
        ("exposure-bias", {"learn_endless": {"updates": 2}}),
    ],
)
def test_each_measurement_runs(key, toys, monkeypatch):
    measured_at_toy_size(key, monkeypatch, **toys)
