"""Lesson 09: the judges, what they judge, the panel, and the answers of the exercises."""
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from results_checks import bound_can_fail, lesson_shows

from course_lib import generation, plotting, tasks, widgets
from course_lib.exercises import generation_lesson as ex
from course_lib.results import generation_lesson as experiments
from course_lib.sequences import Vocabulary
from course_lib.widgets import generation as panel

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
    table = experiments.word_table({"abba", "bad", "cab"}, 3)
    surprises = [table.surprise(experiments.LETTERS.encode(".." + word + ".")) for word in words]
    bits = experiments.bits_a_letter(generation.ngram_step(table), "..", words)
    assert bits == pytest.approx(np.concatenate(surprises).mean())


def test_a_table_copies_what_it_has_read():
    rng = np.random.default_rng(3)
    table = experiments.word_table({"abacus"}, 7)
    words = experiments.write_words(generation.ngram_step(table), "......", 200, rng)
    assert words.count("abacus") > 20


@pytest.mark.parametrize("period", [1, 7, 100])
def test_a_loop_is_found(period):
    rng = np.random.default_rng(4)
    round_and_round = np.concatenate([rng.integers(50, size=300), np.tile(rng.integers(50, size=period), 400)])
    assert experiments.loops(round_and_round[:300 + 300])
    assert not experiments.loops(rng.integers(50, size=600))
    almost = round_and_round[:600].copy()
    almost[-1] = 99
    assert not experiments.loops(almost)


def test_a_loop_longer_than_the_longest_is_none():
    assert not experiments.loops(np.tile(np.arange(101), 6))
    assert experiments.loops(np.tile(np.arange(100), 6))


def test_text_is_learned_a_little_and_measured_on_all_of_it():
    rng = np.random.default_rng(5)
    ids = np.tile(np.arange(5), 2000)
    untrained, trained = (experiments.bits_a_character(experiments.learn_text(ids, 5, rng, updates, units=8), ids, 5)
                          for updates in (1, 60))
    assert trained < untrained - 0.5
    assert experiments.best_table(ids, ids, 5) < 0.1


# ---------------------------------------------------------------------------------------------------------------------
# Errors in endless text
# ---------------------------------------------------------------------------------------------------------------------
@given(st.integers(0, 2**32 - 1))
def test_true_text_has_no_errors(seed):
    assert not experiments.errors_in(experiments.true_text(5, 60, np.random.default_rng(seed))).any()


def test_an_error_is_found_where_it_is_and_the_judge_goes_on():
    # after BT comes S or X; B is wrong. B leads to one place from anywhere, so T is right again and E is not.
    text = TEXT.encode("BTBTXSE")
    assert experiments.errors_in(text[None])[0].tolist() == [False, False, True, False, False, False, False]
    text = TEXT.encode("BTBE")
    assert experiments.errors_in(text[None])[0].tolist() == [False, False, True, True]
    # X leads to two places; what fits one of them is no error
    for follows, wrong in (("X", False), ("V", False), ("B", True)):
        assert experiments.errors_in(TEXT.encode("BX" + follows)[None])[0].tolist() == [False, True, wrong]


def test_a_planted_error_is_the_last_symbol_and_the_only_one():
    planted = experiments.errors_in(experiments.plant_errors(np.random.default_rng(6), count=50, length=20))
    assert planted[:, -1].all()
    assert not planted[:, :-1].any()


def test_rates_after_errors_by_hand():
    errors = np.array([[0, 1, 1, 0, 0, 0], [1, 0, 0, 1, 0, 0]], bool)
    # one step after an error: 1 of 4 (the error at the very end of a row has no successor); two: 0 of 3; three: 1 of 2
    np.testing.assert_allclose(experiments.rate_after_error(errors, steps=3), [1 / 4, 0, 1 / 2])


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
        ("words-never-read", {"real_table_7": 0.2}),
        ("words-never-read", {"bits_table_7": 3.0}),
        ("words-never-read", {"new_table_7": 0.04}),
        ("words-never-read", {"new_gru": 0.04}),
        ("manual-prose", {"short": 2.05}),
        ("manual-prose", {"long": 2.1}),
        ("manual-prose", {"greedy_short": 14}),
        ("manual-prose", {"greedy_long": 14}),
        ("manual-prose", {"sampled_short": 1}),
        ("manual-prose", {"sampled_long": 1}),
        ("exposure-bias", {"until_first": 0.004}),
        ("exposure-bias", {"until_first": 0.0005}),
        ("exposure-bias", {"free": 0.0016}),
        ("exposure-bias", {"free": 0.006}),
        ("exposure-bias", {"own_1": 0.01}),
        ("exposure-bias", {"planted_1": 0.01}),
        ("exposure-bias", {f"own_{k}": 0.1 for k in range(7, 13)}),
        ("exposure-bias", {f"planted_{k}": 0.1 for k in range(7, 13)}),
        ("exposure-bias", {"second_half": 0.006}),
    ],
)
def test_each_bound_can_fail(key, spoil):
    bound_can_fail(key, spoil)


def test_the_live_run_needs_no_long_training():
    rows = [{"short": 2.7, "table": 2.0, "greedy_short": 20, "sampled_short": 0}]
    assert experiments._prose_held(rows)


def test_the_lesson_shows_the_recorded_code():
    lesson_shows(LESSON, [
        experiments.learn_grammar, experiments.loaded_reber, experiments.write_strings, experiments.variety,
        experiments.judge, experiments.judge_settings, experiments.learn_words, experiments.write_words,
        experiments.real_and_new, experiments.learn_text, experiments.errors_in, experiments.forced_rate,
        experiments.free_errors])


# ---------------------------------------------------------------------------------------------------------------------
# The panel
# ---------------------------------------------------------------------------------------------------------------------
@given(st.text(max_size=12), st.floats(0.1, 3), st.floats(0.05, 1))
def test_the_panels_numbers_are_distributions(text, temperature, p):
    before, after = panel.next_letter(text, temperature, p)
    assert before.sum() == pytest.approx(1)
    assert after.sum() == pytest.approx(1)
    assert after[before.argmax()] > 0


def test_the_panel_without_change_is_the_table():
    before, after = panel.next_letter("str", 1.0, 1.0)
    np.testing.assert_allclose(before, after, atol=1e-8)
    assert panel.next_letter("q", 1.0, 1.0)[0].argmax() == panel.LETTERS.encode("u")[0]
    assert all(word.startswith("str") for word in panel.words_after("STR!", 1.0, 1.0))


def test_the_still_panel_is_one_picture(monkeypatch, shown):
    monkeypatch.setenv("COURSE_STATIC", "1")
    plotting.use_style()
    widgets.generation_panel()
    (picture,) = shown
    assert isinstance(picture, plotting.Picture)
    for setting in panel.SETTINGS:
        assert f"At temperature {setting[0]:g} and top-p {setting[1]:g}" in picture.alt
    assert plt.get_fignums() == []


def test_the_live_panel_follows_its_knobs(shown, kernel):
    plotting.use_style()
    widgets.generation_panel()
    text, temperature, p, picture = shown[0].children
    assert "after “str”" in picture.value
    temperature.value = 0.1
    assert "At temperature 0.1 and top-p 1" in picture.value
    p.value = 0.05
    assert "1 of 27 symbols" in picture.value
    text.value = ""
    assert "at the beginning of a word" in picture.value
    assert plt.get_fignums() == []


@pytest.mark.parametrize("setting", [("", 0.1, 0.05), ("zzzzzzzzzzzzzzzzzz", 3.0, 1.0), ("1;:é", 0.1, 1.0),
                                     ("a", 3.0, 0.05)])
def test_the_corners_of_the_panel_can_be_drawn(setting):
    plotting.use_style()
    plotting.Picture(*panel._draw_live(*setting))


# ---------------------------------------------------------------------------------------------------------------------
# The exercises
# ---------------------------------------------------------------------------------------------------------------------
@given(st.floats(0.51, 0.99), st.floats(0.51, 0.99))
def test_9_1s_temperature_does_it(p, wanted):
    changed = np.exp(generation.temper(np.log([p, 1 - p]), ex.temperature_for(p, wanted)))
    assert changed[0] == pytest.approx(wanted)


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 1))
def test_9_2s_nucleus_is_the_packages(seed, share):
    p = np.random.default_rng(seed).dirichlet(np.ones(8))
    np.testing.assert_allclose(ex.nucleus_of(p, share), np.exp(generation.keep_nucleus(np.log(p), share)), atol=1e-12)


def test_9_3s_writer_writes_as_the_package_does():
    grammar = experiments.loaded_reber(0.7)

    def one(symbol, state):
        state = grammar.next_state[0 if state is None else state, symbol]
        return grammar.probability[state], state

    rng = np.random.default_rng(8)
    for _ in range(20):
        written = ex.write_with_a_bug(one, [experiments.B], 200, experiments.E, rng)
        assert grammar.accepts("B" + "".join(grammar.symbols[i] for i in written) + "E")


def test_9_5s_worlds_are_as_they_say():
    tiring_only, biased, both = (float(ex.exposure(*ex._world(*world)[0])) for world in ex.WORLDS)
    assert 0.85 < tiring_only < 1.15
    assert biased > 1.5
    assert both > 1.2


@pytest.mark.parametrize(
    ("number", "attempt", "phrase"),
    [
        ("9.1", lambda p, w: 1.0, "it takes a temperature of 0.3856"),
        ("9.2", lambda p, share: p, "nothing has been cut"),
        ("9.2", lambda p, share: p[::-1], "keeps 2 symbols; yours keeps 5"),
        ("9.2", lambda p, share: p[:2], "(V,), of shape (5,)"),
        ("9.3", lambda step, seed, length, stop, rng: [1, 2], "It should have written"),
        ("9.3", lambda step, seed, length, stop, rng: ["a"], "something else in it"),
        ("9.4", lambda words, read, held_back: 7.0, "How often was a word of each list written"),
        ("9.5", lambda true_text, go_on, wrong: 2.0, "not been asked to write"),
        ("9.5", lambda true_text, go_on, wrong: go_on(true_text(2000, 3), 9).shape[1] + 0.5, "Where do you count"),
    ],
)
def test_the_checks_say_what_is_wrong(number, attempt, phrase, answer):
    assert phrase in answer(ex.check, number, attempt)
