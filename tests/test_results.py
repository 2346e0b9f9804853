"""The results room: recorded by today's code, held as claimed, and the same experiments as in the lessons."""

import ast
import inspect
import json
from pathlib import Path

import nbformat
import pytest

from course_lib import results
from course_lib.results import bptt as experiments

ALL = results.reproductions()
NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


@pytest.mark.parametrize("r", ALL, ids=lambda r: r.key)
def test_recorded_figures_are_whole_and_current(r):
    contents = json.loads(r.file.read_text(encoding="utf-8"))
    assert [row["seed"] for row in contents["rows"]] == list(r.seeds)
    assert contents["held"] == r.held(contents["rows"])
    assert contents["ours"] == r.ours(contents["rows"])
    assert (contents["said"], contents["bound"]) == (r.said, r.bound)
    assert contents["code"] == r.code_hash(), f"the code behind {r.key} has changed: run `make reproduce`"


def test_every_file_belongs_to_a_reproduction():
    assert {file.stem for file in results.FOLDER.glob("*.json")} == {r.key for r in ALL}
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
    r = results.find(key)
    rows = results.recorded(key).rows
    assert r.held(rows)
    rows[3] = rows[3] | spoil
    assert not r.held(rows)
    with pytest.raises(AssertionError, match=f"{r.bound}.*Live: .*not held"):
        results.agree(key, rows)


def test_agreement_is_said_in_a_line():
    said = results.agree("elman-xor", [{"full": 0.01, "one_step": 0.3}])
    assert " ".join(said.split()).endswith("Held live on 1 seed, and recorded on 20 seeds.")
    assert max(map(len, said.splitlines())) <= 96


def test_scoreboard_has_a_row_for_each_and_tells_stale_from_missing(monkeypatch, tmp_path):
    rows = results.scoreboard()
    assert [row["held"] for row in rows] == [True] * len(ALL)
    assert not any(row["stale"] for row in rows)
    monkeypatch.setattr(results.Reproduction, "file", property(lambda r: tmp_path / f"{r.key}.json"))
    assert {row["held"] for row in results.scoreboard()} == {None}
    with pytest.raises(FileNotFoundError, match="make reproduce"):
        results.recorded("elman-xor")
    measured = [{"seed": 0, "full": 0.01, "one_step": 0.3}]
    results.write(results.find("elman-xor"), measured, 1.0, code="of today")
    assert results.recorded("elman-xor").rows == measured
    row = next(row for row in results.scoreboard() if row["paper"] == "Elman 1990, Fig. 3")
    assert (row["held"], row["stale"]) == (True, True)


def test_unknown_reproductions_are_named():
    with pytest.raises(ValueError, match=r"'elman'.*elman-xor"):
        results.find("elman")


def test_the_hash_sees_code_and_not_comments(monkeypatch):
    r = results.find("elman-xor")
    source = inspect.getsource(experiments)

    def hashed(text):
        real = inspect.getsource
        with monkeypatch.context() as m:
            m.setattr(inspect, "getsource", lambda module: text if module is experiments else real(module))
            return r.code_hash()

    assert hashed(source) == r.code_hash()
    assert (
        hashed("# a remark\n" + source.replace('"""Train on temporal XOR;', '"""Learn temporal XOR;')) == r.code_hash()
    )
    assert hashed(source.replace("0.03 *", "0.02 *")) != r.code_hash()


# The lesson shows the very experiments that were recorded.
SHOWN = {
    "04_backpropagation_through_time": (
        [
            experiments.xor_errors,
            experiments.letter_errors,
            experiments.onset_auc,
            experiments.solved,
            experiments.train_reber,
            experiments.memory_of_second_letter,
            experiments.run_together,
            experiments.train_on_words,
            experiments.network_surprise,
        ],
        {"course_bptt": "bptt"},
    )
}


@pytest.mark.parametrize("lesson", SHOWN)
def test_the_lesson_shows_the_recorded_code(lesson):
    functions, renamed = SHOWN[lesson]
    notebook = nbformat.read(NOTEBOOKS / f"{lesson}.ipynb", as_version=4)
    shown = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            for node in ast.parse(cell.source).body:
                if isinstance(node, ast.FunctionDef):
                    shown[node.name] = node
    for function in functions:
        node = shown[function.__name__]
        for name in ast.walk(node):
            if isinstance(name, ast.Name) and name.id in renamed:
                name.id = renamed[name.id]
        assert ast.unparse(node) == ast.unparse(ast.parse(inspect.getsource(function)).body[0])
