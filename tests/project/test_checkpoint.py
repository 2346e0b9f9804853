"""Checkpoints: a copy of a lesson with the exercises up to a section solved, and nothing else changed."""

import shutil

import nbformat
import pytest

from course_lib import lessons
from course_lib.__main__ import main
from course_lib.teaching import checkpoint

WITH_EXERCISES = [lesson for lesson in lessons.written() if lesson.module("exercises")]


def notebook_of(lesson):
    return nbformat.read(checkpoint.ROOT / "notebooks" / f"{lesson.stem}.ipynb", as_version=4)


@pytest.mark.parametrize("lesson", WITH_EXERCISES, ids=lambda lesson: lesson.number)
def test_only_the_exercises_above_are_solved(lesson):
    exercises = lesson.module("exercises").EXERCISES
    original, notebook = notebook_of(lesson), notebook_of(lesson)
    solved = checkpoint.solved_to(notebook, exercises, 2)
    place = next(place for place, cell in enumerate(notebook.cells) if cell.id == "checkpoint")
    assert "## 3. " in notebook.cells[place + 1].source
    above = "".join(cell.source for cell in original.cells[:place])
    assert solved == [exercise.number for exercise in exercises if f'ex.check("{exercise.number}"' in above]
    del notebook.cells[place]
    changed = [(old.source, new.source) for old, new in zip(original.cells, notebook.cells, strict=True) if old != new]
    by_number = {exercise.number: exercise for exercise in exercises}
    expected = [(by_number[number].cell, by_number[number].code) for number in solved]
    assert [old for old, new in changed] == [old for old, code in expected]
    for (_, new), (_, code) in zip(changed, expected, strict=True):
        assert new.startswith(code)
        assert "ex.check(" in new
        compile(new, "cell", "exec")


def test_lesson_01_has_its_first_two_exercises_done_after_section_3():
    lesson = lessons.find("01")
    assert checkpoint.solved_to(notebook_of(lesson), lesson.module("exercises").EXERCISES, 3) == ["1.1", "1.2"]


@pytest.mark.parametrize("section", [0, 6, 99])
def test_a_section_without_a_next_one_is_refused(section):
    lesson = lessons.find("01")
    notebook = notebook_of(lesson)
    with pytest.raises(ValueError, match=f"one of 1, 2, 3, 4, 5; got {section}"):
        checkpoint.solved_to(notebook, lesson.module("exercises").EXERCISES, section)
    assert notebook == notebook_of(lesson)


def test_the_command_writes_beside_the_copy_and_never_over_what_is_there(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "06_lstm.ipynb").write_text("my copy", encoding="utf-8")
    assert main(["checkpoint", "06", "3"]) == 0
    path = tmp_path / "06_lstm_from_section_4.ipynb"
    assert path.name in capsys.readouterr().out
    nbformat.validate(nbformat.read(path, as_version=4))
    path.write_text("mine", encoding="utf-8")
    assert main(["checkpoint", "06", "3"]) == 1
    assert "is there already" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == "mine"
    assert (tmp_path / "06_lstm.ipynb").read_text(encoding="utf-8") == "my copy"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["77", "1"], "There is no lesson '77'"),
        (["p1", "1"], "Lesson p1 has no exercises"),
        (["06", "9"], "a section that has another one after it"),
    ],
)
def test_the_command_says_in_a_sentence_what_cannot_be(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["checkpoint", *arguments]) == 1
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_who_has_no_copies_is_told_how_to_make_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notebooks").mkdir()
    shutil.copy(checkpoint.ROOT / "notebooks" / "06_lstm.ipynb", tmp_path / "notebooks")
    monkeypatch.setattr(checkpoint, "ROOT", tmp_path)
    assert main(["checkpoint", "06", "3"]) == 1
    assert "`make copies` makes your copies" in capsys.readouterr().err
