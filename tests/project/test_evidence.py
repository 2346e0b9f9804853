"""Each paragraph of a lesson of form 2 was read beside the outputs that it speaks of, and neither has changed since."""

from __future__ import annotations

import json

import evidence
import lessons
import pytest
from evidence import accepted, due, problems, spoken_of, today, unspoken
from mini_form import ABOUT, append, cell_of, make_cells, printed, replace
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_lib.lessons import Lesson, written
from course_lib.teaching.code_hash import hash_of_source

ON = {"closing": ["steps"], "summary": ["steps", "drawn"]}  # the cells that speak of the whole lesson


def test_every_paragraph_of_the_course_was_read_beside_its_outputs():
    found = []
    for lesson in written():
        if lesson.form > 1:
            found += problems(evidence.read_cells(lesson), evidence.read(lesson), lesson)
    assert not found, "\n\n".join(found)


def accept_all(cells) -> dict:
    kept = {}
    for name in today(cells, {}):
        kept = accepted(cells, kept, name, ON.get(name))
    return kept


def test_paragraphs_count_from_the_first_output_on_with_summary_recipe_and_going_further():
    cells = make_cells()
    assert list(due(cells, {})) == ["explained", "learned", "closing", "summary", "further", "last"]
    assert accept_all(cells)["learned"]["paragraphs"] == [
        "The trained model gets below the baseline.",
        "It takes three steps.",
        "Once more:",
    ]
    assert due(cells, accept_all(cells)) == {}
    assert unspoken(cells, accept_all(cells)) == []


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("explained", ["setup", "steps"]),
        ("learned", ["guess", "trained", "drawn"]),
        ("closing", ["again"]),
        ("summary", ["again"]),
        ("further", ["again"]),
        ("last", ["next"]),
    ],
)
def test_a_cell_speaks_of_the_code_right_above_it(name, code):
    cells = make_cells()
    index = cells.index(cell_of(cells, name))
    assert [cells[place]["id"] for place in spoken_of(cells, index)] == code
    both = accept_all(cells)[name]["evidence"]
    assert set(both) >= set(code)
    assert set(both) - set(code) <= set(ON.get(name, []))


def test_code_without_an_output_joins_what_follows_it():
    shown = dict(outputs=printed("1"))
    cells = [new_code_cell("0"), new_markdown_cell("-"), new_code_cell("2", **shown), new_markdown_cell("A")]
    cells += [new_code_cell("4"), new_markdown_cell("B"), new_code_cell("6", **shown), new_code_cell("7")]
    cells.append(new_markdown_cell("C"))
    assert [spoken_of(cells, index) for index in (3, 5, 8)] == [[0, 2], [0, 2, 4], [6, 7]]


def without(name):
    return lambda cells: cells.remove(cell_of(cells, name))


def longer(cells):
    cell_of(cells, "again")["outputs"] += printed("and more")


def metadata(name, **changes):
    return lambda cells: cell_of(cells, name)["metadata"].update(changes)


def new_cell(cells):
    cells.insert(cells.index(cell_of(cells, "last")), new_code_cell("print(3)", outputs=printed("3"), id="new"))


def new_prose(cells):
    cells.append(new_markdown_cell("And so on.", id="more"))


# The fault, the cells that are due, and what is said of the first.
FAULTS = {
    "sentence reversed": (replace("learned", "below", "above"), ["learned"], "is:  The trained model gets above the"),
    "number word": (replace("learned", "three", "four"), ["learned"], "was: It takes three steps."),
    "sign in a formula": (append("explained", "\n\n$$x - 1$$"), ["explained"], "the paragraph “$$x - 1$$” is new"),
    "table": (replace("closing", "divide", "multiply"), ["closing"], "| it grows | a factor above 1 | multiply |"),
    "list": (replace("closing", "by two", "by three"), ["closing"], "is:  - **halving**: dividing by three"),
    "summary": (replace("summary", "three", "four"), ["summary"], "is:  Halving takes four steps."),
    "going further": (replace("last", "again", "never"), ["last"], "is:  An eighth is left, and it will halve never."),
    "paragraph removed": (replace("learned", "It takes three steps.", ""), ["learned"], "three steps.” is gone"),
    "paragraph added": (append("learned", "\n\nSo it is."), ["learned"], "the paragraph “So it is.” is new"),
    "cell of prose added": (new_prose, ["more"], "nobody has reviewed its paragraph yet"),
    "cell of prose removed": (without("learned"), ["closing", "summary", "further", "learned"], "now stands among"),
    "legend": (replace("drawn", "plot(xs)", "plot(xs, label='x')"), ["learned", "summary"], "its code has changed"),
    "assertion": (replace("drawn", "< baseline", "< 2 * baseline"), ["learned", "summary"], "its code has changed"),
    "output": (replace("next", "0.125", "0.250", output=True), ["last"], "got:    an eighth is 0.250"),
    "word of an output": (replace("trained", "after", "within", output=True), ["learned"], "the words differ"),
    "number out of tolerance": (replace("trained", "0.13", "0.19", output=True), ["learned"], "0.13 stored, 0.19 got"),
    "exact number beside it": (replace("trained", "3 steps", "4 steps", output=True), ["learned"], "3 stored, 4 got"),
    "alt text": (replace("drawn", "falls", "rises", output=True), ["learned", "summary"], "the words differ"),
    "output added": (longer, ["closing", "summary", "further"], "In [7]: output 1"),
    "tolerance": (metadata("trained", course={"rtol": 9, "why": "-"}), ["learned"], "tolerances were {'rtol': 0.2}"),
    "ignored": (metadata("again", tags=[lessons.IGNORE]), ["closing", "summary", "further"], "whether its outputs are"),
    "code cell added": (new_cell, ["last"], "In [9] now stands among the cells that it speaks of"),
    "code cell removed": (without("trained"), ["learned"], "trained no longer stands among the cells"),
    "named cell removed": (without("drawn"), ["learned", "summary"], "the code cell drawn no longer stands among"),
}  # fmt: skip

HARMLESS = {
    "nothing": lambda cells: None,
    "white space": replace("learned", "The trained model gets", "The trained\nmodel   gets"),
    "a heading": replace("learned", "Half of the half", "Again"),
    "before the first output": append("formula", "\n\nA word."),
    "an exercise": append("exercise", "\n\nA word."),
    "an exercise's code": append("stub", "\n1"),
    "a comment": append("drawn", "  # a comment"),
    "a line break": replace("drawn", "ax.plot(xs)", "ax.plot(\n    xs\n)\n"),
    "a number within its tolerance": replace("trained", "0.13", "0.14", output=True),
    "such a number in an alt text": replace("drawn", "0.13", "0.14", output=True),
    "pixels": replace("drawn", "AAAA", "BBBB", output=True),
    "the reason of a tolerance": metadata("trained", course={"rtol": 0.2, "why": "another"}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_change_is_seen_and_quoted_with_the_command_that_accepts_it(name):
    plant, names, said = FAULTS[name]
    cells = make_cells()
    kept = accept_all(cells)
    plant(cells)
    found = due(cells, kept)
    assert list(found) == names, found
    assert any(said in change for change in found[names[0]]), found
    messages = problems(cells, kept, ABOUT)
    assert len(messages) == len(names)
    assert all(f"`make reviewed ARGS='00 {name}'`" in text for name, text in zip(names, messages, strict=True))
    assert all(text.startswith("00_halving, cell ") for text in messages)
    for one in names:
        kept = accepted(cells, kept, one)
        assert one not in due(cells, kept)
    assert due(cells, kept) == {}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_changes_no_sentence_and_no_evidence_is_left_in_peace(name):
    cells = make_cells()
    kept = accept_all(cells)
    HARMLESS[name](cells)
    assert due(cells, kept) == {}


def test_what_was_accepted_is_a_file_of_plain_json():
    kept = accept_all(make_cells())
    assert json.loads(json.dumps(kept)) == kept
    assert "AAAA" not in json.dumps(kept)


def test_a_change_of_one_cell_is_accepted_for_that_cell_alone():
    cells = make_cells()
    kept = accept_all(cells)
    replace("drawn", "< baseline", "< 2 * baseline")(cells)
    assert list(due(cells, accepted(cells, kept, "learned"))) == ["summary"]


def test_the_summary_and_the_recipe_name_the_cells_that_they_rest_on():
    cells = make_cells()
    for name in ON:
        with pytest.raises(ValueError, match=f"{name} speaks of the whole lesson"):
            accepted(cells, {}, name)
    kept = accepted(cells, {}, "summary", ["steps", "drawn"])
    assert list(kept["summary"]["evidence"]) == ["steps", "drawn", "again"]
    assert accepted(cells, kept, "summary")["summary"]["on"] == ["steps", "drawn"]
    assert list(accepted(cells, kept, "summary", ["next"])["summary"]["evidence"]) == ["again", "next"]
    kept["summary"]["on"] = []
    assert any("name the code cells" in change for change in due(cells, kept)["summary"])


@pytest.mark.parametrize(
    ("name", "on", "said"),
    [
        ("nothing", None, "nothing: no Markdown cell"),
        ("formula", None, "formula: no Markdown cell after the first output"),
        ("exercise", None, "exercise: no Markdown cell"),
        ("drawn", None, "drawn: no Markdown cell"),
        ("learned", ["summary"], "summary: no code cell"),
        ("learned", ["stub"], "stub: no code cell outside the exercises"),
    ],
)
def test_a_wrong_id_is_refused(name, on, said):
    with pytest.raises(ValueError, match=said):
        accepted(make_cells(), {}, name, on)


def test_code_of_which_no_paragraph_speaks_is_named():
    cells = make_cells()
    cells.append(new_code_cell("print(1)", outputs=printed("1"), id="alone"))
    kept = accept_all(cells)
    (said,) = problems(cells, kept, ABOUT)
    assert said.startswith("00_halving, cell 18, In [9], ")
    assert "no paragraph speaks of it" in said
    assert "--on alone'" in said
    assert problems(cells, accepted(cells, kept, "last", ["alone"]), ABOUT) == []


def test_the_hash_of_a_cells_code():
    same = ["x = f(a, b)  # why", "x = f(\n    a,\n    b,\n)", "x  =  f(a,b)\n\n"]
    assert len({hash_of_source(source) for source in same}) == 1
    other = [
        "x = f(b, a)",
        "x = f(a, b)\ny = 1",
        "x = f(a, 'b')",
        "if x:\n    y\nz",
        "if x:\n    y\n    z",
        "x = f'{a} b'",
    ]
    assert len({hash_of_source(source) for source in [same[0], *other]}) == 1 + len(other)


# --- the command ---------------------------------------------------------------------------------------------------


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course with one lesson of form 2, and the tool pointed at it."""
    notebook = tmp_path / "00_halving.ipynb"
    notebook.write_text(lessons.as_file(new_notebook(cells=make_cells())), encoding="utf-8", newline="\n")
    monkeypatch.setattr(lessons, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(Lesson, "folder", property(lambda lesson: tmp_path))
    monkeypatch.setattr(evidence, "written", lambda: [ABOUT, ABOUT._replace(number="01", form=1)])
    return notebook


def test_the_command_lists_shows_and_accepts_one_cell_at_a_time(course, capsys):
    assert evidence.main(["00"]) == 0
    said = capsys.readouterr().out
    assert "learned  cell 11, section" in said
    assert "00_halving: 6 Markdown cells are due, 0 code cells have no paragraph" in said
    assert not (course.parent / "evidence.json").exists()

    assert evidence.main(["00", "learned"]) == 0
    said = capsys.readouterr().out
    for part in ("The trained model gets below the baseline.", "In [4], id trained: def learn", "| loss ≈ 0.13 after"):
        assert part in said
    assert "| A line that falls to ≈ 0.13" in said
    assert "base64" not in said
    assert said.endswith("Accepted. Cells that are still due: 5.\n")

    with pytest.raises(SystemExit, match="speaks of the whole lesson"):
        evidence.main(["00", "summary"])
    assert evidence.main(["00", "summary", "--on", "steps", "drawn"]) == 0
    assert list(evidence.read(ABOUT)) == ["learned", "summary"]

    course.write_text(course.read_text(encoding="utf-8").replace("takes three steps.", "takes two steps."), "utf-8")
    capsys.readouterr()
    assert evidence.main(["00", "learned"]) == 0
    assert "was: It takes three steps.\n  is:  It takes two steps." in capsys.readouterr().out
    assert evidence.main(["00", "learned"]) == 0
    assert capsys.readouterr().out.startswith("nothing has changed\n")


def test_the_command_forgets_a_cell_that_is_gone(course, capsys):
    evidence.main(["00", "last"])
    raw = json.loads(course.read_text(encoding="utf-8"))
    raw["cells"] = raw["cells"][:-1]
    course.write_text(json.dumps(raw), encoding="utf-8")
    evidence.main(["00"])
    assert "last  (no longer in the lesson)\n    the paragraph “An eighth" in capsys.readouterr().out
    assert evidence.main(["00", "last"]) == 0
    assert evidence.read(ABOUT) == {}


@pytest.mark.parametrize(
    ("arguments", "said"), [(["77"], "no lesson '77'"), (["01"], "of form 1"), (["00", "setup"], "setup: no Markdown")]
)
def test_the_command_refuses_what_is_not_there(arguments, said, course):
    with pytest.raises(SystemExit, match=said):
        evidence.main(arguments)
