"""The results room: recorded by today's code, held as claimed, and the same experiments as in the lessons."""

import numpy as np
import pytest
from results_checks import criterion_can_fail, lesson_shows

from course_lib import lessons, tasks
from course_lib.layers import Dense
from course_lib.lessons.lesson_04_backpropagation_through_time import experiments
from course_lib.losses import SoftmaxCrossEntropy
from course_lib.model import Model
from course_lib.recurrent import SimpleRNN
from course_lib.sequences import one_hot
from course_lib.teaching import experiment as results
from course_lib.teaching.code_hash import SourceCode

ALL = results.reproductions()
CODE = SourceCode()


@pytest.mark.parametrize("r", ALL, ids=lambda r: r.key)
def test_each_record_is_whole_and_says_what_its_reproduction_says(r):
    assert [problem for problem in results.problems(r, CODE) if "its code has changed" not in problem] == []


@pytest.mark.parametrize("r", ALL, ids=lambda r: r.key)
def test_each_record_was_made_or_confirmed_by_the_code_of_today(r):
    assert [problem for problem in results.problems(r, CODE) if "its code has changed" in problem] == []


def test_every_file_belongs_to_a_reproduction():
    files = {file for lesson in lessons.written() for file in (lesson.folder / "records").glob("*.json")}
    assert files == {r.file for r in ALL}
    assert len({r.key for r in ALL}) == len(ALL)


@pytest.mark.parametrize(
    ("key", "spoil"),
    [
        ("elman-xor", {"full": 0.06}),
        ("elman-xor", {"one_step": 0.09}),
        ("elman-words", {"full": 0.89}),
        ("elman-words", {"mse_frozen": 0.2}),
        ("elman-words", {"mse_full": 0.15}),
        ("embedded-reber", {"full": None}),
        ("embedded-reber", {"full": 40_800}),
        ("words-of-the-dictionary", {"auc": 0.9}),
        ("words-of-the-dictionary", {"network": 3.9}),
        ("embedded-reber", {"one_step": 24_000}),
        ("embedded-reber", {"after_switch": None}),
        ("embedded-reber", {"memory_one_step": 0.5}),
    ],
)
def test_each_bound_can_fail(key, spoil):
    criterion_can_fail(key, spoil)


def test_agreement_is_said_in_a_line():
    said = results.agree("elman-xor", [{"full": 0.01, "one_step": 0.3}])
    assert " ".join(said.split()).endswith("Held live on 1 seed, and recorded on 20 seeds.")
    assert max(map(len, said.splitlines())) <= 96


def test_table_surprise_by_hand():
    ids = np.array([0, 1, 0, 1, 0, 0])
    singles = experiments.table_surprisal(ids, ids, 1, symbols=2, prior=2.0)
    p = (np.array([4, 2]) + 2 * 0.5) / (6 + 2)  # counts and two imagined symbols, spread evenly
    np.testing.assert_allclose(singles, -np.log2(p[ids[1:]]))
    pairs = experiments.table_surprisal(ids, ids, 2, symbols=2, prior=2.0)
    after = (np.array([[1, 2], [2, 0]]) + 2 * p) / np.array([[3 + 2], [2 + 2]])  # row: the symbol before
    np.testing.assert_allclose(pairs, -np.log2(after[ids[:-1], ids[1:]]))


def test_onset_auc_by_hand():
    onsets = np.array([True, False, True, False])  # the first letter is never predicted
    assert experiments.onset_auc(np.array([1.0, 2.0, 1.0]), onsets) == 1
    assert experiments.onset_auc(np.array([3.0, 2.0, 1.0]), onsets) == 0.5
    assert experiments.onset_auc(np.array([2.0, 2.0, 2.0]), onsets) == 0.5


def test_no_predictor_of_one_letter_has_less_error_than_the_memoryless_optimum():
    rng = np.random.default_rng(0)
    text = tasks.elman_letters(50, rng)
    least = (experiments.letter_pair_errors(text) ** 2).mean()
    codes = np.array([text.codes[letter] for letter in text.letters])
    now = np.array(list(text.letters[:-1]))
    means = {letter: codes[1:][now == letter].mean(axis=0) for letter in text.codes}
    for _ in range(20):  # nudge the answer to one letter at a time
        letter = rng.choice(list(means))
        other = means | {letter: means[letter] + rng.normal(scale=0.1, size=5)}
        assert ((np.array([other[x] for x in now]) - codes[1:]) ** 2).mean() > least


def test_network_surprise_is_the_loss_in_bits():
    rng = np.random.default_rng(0)
    model = Model([SimpleRNN(26, 4, rng=rng), Dense(4, 26, rng=rng)], SoftmaxCrossEntropy())
    ids = rng.integers(0, 26, 30)
    loss = model.evaluate(one_hot(ids[None, :-1], 26), ids[None, 1:])
    assert experiments.network_surprisal(model, ids).mean() == pytest.approx(loss / np.log(2), rel=1e-5)


def test_unknown_reproductions_are_named():
    with pytest.raises(ValueError, match=r"'elman'.*elman-xor"):
        results.find("elman")


def test_lesson_04_shows_the_recorded_code():
    lesson_shows(
        "04_backpropagation_through_time",
        [
            experiments.xor_errors,
            experiments.letter_errors,
            experiments.onset_auc,
            experiments.solved,
            experiments.train_reber,
            experiments.memory_of_second_letter,
            experiments.run_together,
            experiments.train_on_words,
            experiments.network_surprisal,
        ],
        {"course_bptt": "bptt"},
    )
