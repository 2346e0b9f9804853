"""A wheel built from the project and installed elsewhere works without the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy, so that nothing is left behind in the project and nothing old gets in."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in ("course_lib", "datasets"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "LICENSE-text"):
        shutil.copy(ROOT / name, source)
    command = [*PIP, "wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", built, source]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (file,) = built.glob("*.whl")
    return file


def test_wheel_holds_the_data_under_the_courses_own_name(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"course_lib"}  # no package called datasets
    data = {path.name for path in (ROOT / "datasets").iterdir() if path.is_file() and path.name[0] != "."}
    assert data == {Path(name).name for name in names if name.startswith("course_lib/_data/")}
    for path in (ROOT / "course_lib").rglob("*"):
        if path.suffix in (".py", ".json", ".npz") and path.name != "evidence.json":  # that one is for the tests
            assert path.relative_to(ROOT).as_posix() in names


def test_installed_course_finds_its_data_and_its_model(wheel, tmp_path):
    installed, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = [*PIP, "install", "--no-deps", "--no-index", "--target", installed, wheel]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    # -S: no .pth file is obeyed, so that an editable course in this environment is not found.
    code = f"""
        import sys
        sys.path[:0] = [{str(installed)!r}]
        sys.path.append({str(Path(np.__file__).parents[1])!r})
        import course_lib
        from course_lib import datasets, lessons, speaker
        assert course_lib.__file__.startswith({str(installed)!r}), course_lib.__file__
        assert str(datasets.FOLDER).startswith({str(installed)!r}), datasets.FOLDER
        assert datasets.verify() == []
        assert len(datasets.load_words()) == 117_493
        print(*speaker.load_speaker().say("detectable").phonemes)
        assert len(lessons.written()) == {sum(1 for _ in (ROOT / "course_lib" / "lessons").glob("lesson_*"))}
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, "-S", "-c", textwrap.dedent(code)],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["D", "IH", "T", "EH", "K", "T", "AH", "B", "AH", "L"]
