"""Where a reader's files are kept: one folder, the same for every program."""

import os
from pathlib import Path

import platformdirs
import pytest

from course_lib.datasets import load_text
from course_lib.tables import load_table
from course_lib.user_files import read_user_file, user_folder


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


NO_PATHS = {
    "nothing": (None, TypeError, "in quotation marks, but got a value of type NoneType"),
    "a number": (3, TypeError, "of type int"),
    "bytes": (b"a.txt", TypeError, "of type bytes"),
    "empty": ("", ValueError, "got an empty one"),
    "an address": ("https://example.org/a.txt", ValueError, "is an address on the web"),
    "an address without its scheme": ("www.example.org/a.txt", ValueError, "is an address on the web"),
    "the text itself": ("It was the best of times, it was the worst. " * 9, ValueError, "got a text of 396 characters"),
    "the text itself, without spaces": ("学而时习之" * 60, ValueError, "got a text of 300 characters"),
    "quotation marks": ('"mine.txt"', ValueError, "has quotation marks or spaces of its own"),
    "a space at the end": ("mine.txt ", ValueError, "has quotation marks or spaces of its own"),
    "backslashes lost": ("C:\temp\new.txt", ValueError, r"write r\"C:\\new"),
    "a home that is not there": ("~nobody-of-that-name/a.txt", ValueError, "the home of an account that is not here"),
    "a misprint": ("mien.txt", FileNotFoundError, r"mien\.txt, but there is none"),
}


@pytest.mark.parametrize("load", [read_user_file, load_text, load_table])
@pytest.mark.parametrize("kind", NO_PATHS)
def test_what_is_no_path_gets_a_sentence(kind, load):
    given, error, message = NO_PATHS[kind]
    with pytest.raises(error, match=message) as raised:
        load(given)
    assert str(raised.value).startswith("Expected ")
    assert len(str(raised.value)) < 420
    assert raised.value.__cause__ is None or kind == "a home that is not there"


@pytest.mark.skipif(os.name == "nt", reason="there such a path is right")
def test_a_path_of_windows_elsewhere():
    with pytest.raises(ValueError, match=r"is one of Windows.* the drive C: is /mnt/c"):
        read_user_file(r"C:\Users\ada\mine.txt")


@pytest.mark.parametrize("name", ["mine.txt", "my own text.txt", " odd .txt ", "论语.txt", "a'b'.txt"])
@pytest.mark.parametrize("form", [str, Path])
def test_every_file_that_is_there_is_read(name, form, tmp_path, monkeypatch):
    (tmp_path / name).write_bytes(b"\x00\xff")
    assert read_user_file(form(tmp_path / name)) == b"\x00\xff"
    assert read_user_file(form(f"~/{name}")) == b"\x00\xff"
    monkeypatch.chdir(tmp_path)
    assert read_user_file(form(name)) == b"\x00\xff"
