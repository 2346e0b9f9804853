"""Project p2: what becomes of a text, the table and the network that read it, and the code that a reader copies."""

import itertools
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import nbformat
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from results_checks import criterion_can_fail, lesson_shows, measured_at_toy_size

from course_lib import generation
from course_lib.lessons.lesson_p2_your_text import experiments as ex
from course_lib.ngrams import NGram

LESSON = "p2_your_text"
SAVING = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras with NumPy 2
ROOT = Path(__file__).parents[2]
texts = st.text("abc \n\tä̈", max_size=300)
seeds = st.integers(0, 2**32 - 1)


def cells():
    """The page's cells by id."""
    return {cell.id: cell.source for cell in nbformat.read(ROOT / "notebooks" / f"{LESSON}.ipynb", 4).cells}


# ---------------------------------------------------------------------------------------------------------------------
# From a text to three parts
# ---------------------------------------------------------------------------------------------------------------------
@given(texts)
def test_a_clean_text_is_left_as_it_is(text):
    once = ex.clean(text)
    assert ex.clean(once) == once
    assert once == unicodedata.normalize("NFC", once)
    assert "\n\n\n" not in once
    assert not re.search(r"[ \t]$", once, re.MULTILINE)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("one\ntwo\n\n" * 60, ["one\ntwo\n\n"] * 60),
        ("one\n" * 60, ["one\n"] * 60),
        ("x" * 1200, ["x" * 500, "x" * 500, "x" * 200]),
        ("\n\n\n", ["\n\n\n"]),
    ],
)
def test_a_text_is_cut_where_it_can_be(text, pieces):
    assert ex.cut(text) == pieces


@given(st.lists(st.text("abc", min_size=1, max_size=4), min_size=50, max_size=120, unique=True), seeds)
def test_no_piece_stands_in_two_parts_and_none_is_lost(words, seed):
    pieces = [word + "\n" for word in words]
    parts = ex.split(pieces + pieces[::3], np.random.default_rng(seed))
    lines = [part.splitlines(keepends=True) for part in parts]
    assert sorted(itertools.chain(*lines)) == sorted(pieces)
    assert min(map(len, lines)) >= len(pieces) // 10


def test_one_letter_over_and_over_is_refused():
    with pytest.raises(ValueError, match="but got 1 among 60: too few to train and to test on"):
        ex.split(ex.cut("a" * 30_000), np.random.default_rng(0))


@given(st.text("abcdé\N{REPLACEMENT CHARACTER}", max_size=80), st.integers(1, 6), st.integers(1, 6))
def test_rare_characters_share_the_number_0(text, least, most):
    alphabet = ex.alphabet_of(text, least, most)
    assert alphabet[0] == ex.UNKNOWN
    assert len(set(alphabet)) == len(alphabet) <= most + 1
    ids = ex.encode(text, alphabet)
    assert ids.dtype == np.uint16
    for c, i in zip(text, ids, strict=True):
        assert (i == 0) == (c not in alphabet[1:])
        assert i == 0 or alphabet[i] == c
    assert all(text.count(c) >= least for c in alphabet[1:])


# ---------------------------------------------------------------------------------------------------------------------
# Table and network
# ---------------------------------------------------------------------------------------------------------------------
@given(st.integers(1, 5), st.integers(1, 4), seeds)
def test_windows_are_runs_of_the_text_and_targets_one_later(length, batch, seed):
    ids = np.arange(60, dtype=np.uint16)
    batches = ex.windows(ids, length, batch, np.random.default_rng(seed))
    for _ in range(30):
        x, y = next(batches)
        assert x.shape == y.shape == (batch, length)
        np.testing.assert_array_equal(x, x[:, :1] + np.arange(length))
        np.testing.assert_array_equal(y, x + 1)


def test_a_round_of_windows_meets_each_place_once_at_most():
    ids = np.arange(100, dtype=np.uint16)
    batches = ex.windows(ids, 7, 3, np.random.default_rng(0))
    first = np.concatenate([next(batches)[0].ravel() for _ in range(4)])
    assert len(set(first)) == len(first)


def test_table_and_network_are_judged_on_the_same_characters():
    """Both know nothing: every symbol alike."""
    from course_lib.keras_models import keras

    ids = np.random.default_rng(0).integers(7, size=5200).astype(np.uint16)
    table = NGram(3, 7, pseudocount=1e12, interpolated=False).read(ids)
    assert ex.table_bits(table, ids) == pytest.approx(np.log2(7), abs=1e-6)
    model = ex.build(7, 4, 0.01, 10)
    model.set_weights([0 * weight for weight in model.get_weights()])
    assert ex.network_bits(model, ids) == pytest.approx(np.log2(7), abs=1e-6)
    assert keras.ops.shape(model(ids[None, :9].astype(int))) == (1, 9, 7)


def test_bits_are_those_of_the_characters_after_the_first_ones():
    ids = np.random.default_rng(1).integers(5, size=1000).astype(np.uint16)
    model = ex.build(5, 3, 0.01, 10)
    scores = np.asarray(model(ids.reshape(2, 500).astype(int)), float)
    log_p = generation.log_softmax(scores)
    wanted = [-log_p[row, t - 1, ids.reshape(2, 500)[row, t]] for row in range(2) for t in range(50, 500)]
    assert ex.network_bits(model, ids) == pytest.approx(np.mean(wanted) / np.log(2), rel=1e-5)


def test_the_best_table_fits_its_codes_into_63_bits():
    rng = np.random.default_rng(0)
    table = ex.best_table(rng.integers(2000, size=3000), rng.integers(2000, size=600), 2000)
    assert table.n <= 5


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_a_step_is_the_networks_prediction_without_the_unknown_symbol(kind):
    from course_lib.keras_models import keras

    layer = getattr(keras.layers, kind)
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(6, 3),
            layer(4, return_sequences=True),
            keras.layers.Dropout(0.5),
            layer(5, return_sequences=True),
            keras.layers.Dense(6),
        ]
    )
    rows, states, step = np.random.default_rng(0).integers(6, size=(3, 8)), None, ex.make_step(model)
    scores = np.asarray(model(rows), float)
    scores[..., 0] = -np.inf
    wanted = generation.log_softmax(scores)
    for t in range(8):
        log_p, states = step(rows[:, t], states)
        np.testing.assert_allclose(log_p, wanted[:, t], atol=1e-5)


# ---------------------------------------------------------------------------------------------------------------------
# What was written
# ---------------------------------------------------------------------------------------------------------------------
@given(st.text("ab", max_size=12), st.text("ab", max_size=30))
def test_the_longest_copy_is_the_longest_common_run(passage, text):
    found = ex.longest_copy(passage, text)
    runs = {passage[i:j] for i in range(len(passage)) for j in range(i, len(passage) + 1)}
    assert len(found) == max(len(run) for run in runs | {""} if run in text)
    assert found in passage
    assert found in text


def test_known_words_and_different_pairs_leave_out_what_may_be_cut():
    passages = ["...ut the cat sat on the mat an", "xx the cat sat yy"]
    share, different = ex.known_and_different(passages, {"the", "cat", "on"})
    assert share == 6 / 9  # the cat sat on the mat, the cat sat
    assert different == 5 / 7
    assert ex.judge(passages, {"the", "cat", "on"}) == (share, different)
    assert ex.judge(["   ", "one two"], {"one"}) == (0, 0)


# ---------------------------------------------------------------------------------------------------------------------
# Records and page
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("key", "spoil"), [("text-short", {"bits": 1.0}), ("text-long", {"bits": 3.0})])
def test_each_criterion_can_fail(key, spoil):
    criterion_can_fail(key, spoil)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["text-short", "text-long"])
def test_each_measurement_runs(key, monkeypatch):
    small = {"units": 8, "rate": 0.01, "length": 32, "epochs": 1, "dropout": 0.1}
    monkeypatch.setattr(ex, "SHORT", small)
    monkeypatch.setattr(ex, "LONG", small)
    measured_at_toy_size(key, monkeypatch, options={"most": 10_000})


def test_the_page_shows_the_recorded_code():
    lesson_shows(
        LESSON,
        [
            ex.clean,
            ex.cut,
            ex.split,
            ex.alphabet_of,
            ex.encode,
            ex.rows_of,
            ex.table_bits,
            ex.best_table,
            ex.windows,
            ex.build,
            ex.train_network,
            ex.network_bits,
            ex.make_step,
            ex.longest_copy,
        ],
    )


def test_nothing_of_section_4_is_typed_in_again():
    source = cells()
    assert "temperature, p = settings[chosen]" in source["settings"]
    assert "save_writer(folder, model, alphabet, temperature=temperature, p=p)" in source["use"]
    assert "temperature=temperature, p=p" in source["use-check"]


@given(st.text("ab" + ex.UNKNOWN, min_size=1, max_size=80).filter(lambda text: set(text) != {ex.UNKNOWN}))
def test_the_prompt_has_known_characters_alone(text):
    line = re.search(r"^prompt = .*$", cells()["use"], re.MULTILINE)[0]
    names = {"decode": lambda rows: rows, "test": text, "UNKNOWN": ex.UNKNOWN}
    exec(line, names)
    assert names["prompt"]
    assert names["prompt"] in text
    assert ex.UNKNOWN not in names["prompt"]


TEXT = "".join(f"Zeile {n}: {'Übermut tut selten gut. ' * (n % 5 + 1)}\n" for n in range(150))


@SAVING
@pytest.mark.slow
def test_the_recipe_runs_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my_text.txt").write_text(TEXT, encoding="utf-8-sig")
    code = re.search(r"```python\n(.*?)```", cells()["recipe"], re.DOTALL)[1]
    assert "epochs=30" in code
    names = {}
    exec(code.replace("epochs=30", "epochs=1, verbose=0"), names)
    written = names["write"]("Zeile 3: Ü", length=5)
    assert written.startswith("Zeile 3: Ü")
    assert len(written) == 15
    assert "\ufeff" not in "".join(names["pieces"])
    assert names["write"]("U\N{COMBINING DIAERESIS}", length=1).startswith("Ü")
    with pytest.raises(ValueError, match="unknown characters: \\['Ω'\\]"):
        names["write"]("Ω")
    with pytest.raises(ValueError, match="is empty"):
        names["write"]("")
    assert Path("writer.keras").exists()
    assert Path("writer.json").exists()

    # and the next day, in a program that has the imports, `write` and the lines that load
    told = cells()["recipe"].partition("In a new program")[2].partition("\n")[0]
    loading = "\n".join(re.findall(r"`([a-z]+ = .*?)`", told))
    assert loading.count("\n") == 2
    again = [code.splitlines()[0], loading, "def write" + code.partition("def write")[2]]
    again += ["np.random.seed(5)", 'print(ascii(write("Zeile", length=20)))']
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(again)], capture_output=True, text=True, encoding="utf-8", check=True
    )
    np.random.seed(5)  # noqa: NPY002  the recipe draws from it
    assert done.stdout.strip() == ascii(names["write"]("Zeile", length=20))


def test_a_part_that_does_not_fill_a_row_is_no_number_and_no_crash():
    names = {"alphabet_of": ex.alphabet_of, "encode": ex.encode, "np": np}
    exec(cells()["splits"].partition("with_copies")[0], names)
    assert np.isnan(names["claimed"](["a" * 20_000, "b" * 438, "c" * 2_453]))


@SAVING
@pytest.mark.slow
def test_a_saved_writer_writes_the_same_in_a_fresh_process(tmp_path):
    alphabet = ex.alphabet_of(TEXT)
    names = {"UNKNOWN": ex.UNKNOWN, "encode": ex.encode, "make_step": ex.make_step}
    source = cells()
    setup = re.sub(r"^(rng = .*|import matplotlib.*)$", "", source["setup"], flags=re.MULTILINE)
    exec(setup + "\n" + source["writer"], names)
    tmp_path /= "a folder/that is new"
    names["save_writer"](tmp_path, ex.build(len(alphabet), 8, 0.01, 10), alphabet, temperature=0.8, p=0.9)
    write = names["load_writer"](tmp_path)
    with pytest.raises(ValueError, match="'Ω'"):
        write("Ω")
    with pytest.raises(ValueError, match="there is no letter"):
        write("")
    decomposed = write("U\N{COMBINING DIAERESIS}bermut", seed=3)
    assert decomposed.startswith("Übermut")
    assert ex.UNKNOWN not in decomposed
    encode = source["alphabet"].partition("\nalphabet =")[0]
    call = f"print(ascii(load_writer({str(tmp_path)!r})('\\u00dcbermut', seed=3)))"
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([setup, encode, source["step"], source["writer"], call])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout.strip() == ascii(decomposed)
