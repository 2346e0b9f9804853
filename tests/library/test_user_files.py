"""Where a reader's files are kept: one folder, the same for every program."""

from pathlib import Path

import platformdirs
import pytest

from course_lib.user_files import user_folder


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path.parent)
    return tmp_path


@pytest.mark.parametrize(
    ("chosen", "inside_home"), [("~/course", "course"), ("course", "course"), ("./a/b", "a/b"), ("~", ""), (".", "")]
)
def test_home_and_relative_paths_mean_the_same_wherever_a_program_was_started(chosen, inside_home, home, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", chosen)
    assert user_folder() == home / inside_home


def test_an_absolute_path_is_taken_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "shared" / "ada"))
    assert user_folder() == tmp_path / "shared" / "ada"


@pytest.mark.parametrize("chosen", [None, ""])
def test_without_a_choice_it_is_the_platforms_folder(chosen, monkeypatch):
    monkeypatch.delenv("COURSE_HOME", raising=False)
    if chosen is not None:
        monkeypatch.setenv("COURSE_HOME", chosen)
    expected = Path(platformdirs.user_data_dir("recurrent-course", appauthor=False))
    assert user_folder() == expected
    assert expected.is_absolute()
    assert expected.name == "recurrent-course"


def test_who_has_no_home_is_told_by_the_path_that_needs_one(tmp_path, monkeypatch):
    def no_home():
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    assert user_folder() == tmp_path
    monkeypatch.setenv("COURSE_HOME", "course")
    with pytest.raises(RuntimeError, match="no home"):
        user_folder()
