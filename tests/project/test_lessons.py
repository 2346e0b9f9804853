"""tools/lessons.py: what it stores, exports and prints, tried on small lessons in a folder of their own."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import lessons
import nbformat
import pytest
from lesson_guard import problems
from mini_lesson import ALT, PLACES, make_lesson
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_lib.teaching import experiment as results


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_lesson(tmp_path_factory.mktemp("course"))


@pytest.fixture
def course(made, tmp_path, monkeypatch):
    """A copy of the course with one lesson, and the tool pointed at it."""
    shutil.copytree(made.parent.parent, tmp_path / "course")
    monkeypatch.setattr(lessons, "ROOT", tmp_path / "course")
    monkeypatch.setattr(lessons, "NOTEBOOKS", tmp_path / "course" / "notebooks")
    monkeypatch.setattr(lessons, "HTML", tmp_path / "course" / "_build" / "html")
    monkeypatch.setattr(lessons, "PICTURES", {})
    monkeypatch.setattr(lessons.maps, "BLOCKS", {})
    return tmp_path / "course"


def add_lesson(course: Path, name: str, source: str) -> Path:
    notebook = new_notebook(cells=[new_markdown_cell("# Broken"), new_code_cell(source)])
    path = course / "notebooks" / name
    path.write_text(lessons.as_file(notebook), encoding="utf-8", newline="\n")
    return path


def row(held):
    row = {"lesson": "04", "paper": "Elman 1990", "claim": "third bit", "reported": "about .05", "measured": ".01"}
    return row | {
        "criterion": "below .05",
        "holds": held,
        "problems": ["its code has changed since"] if held is False else [],
    }


def test_refresh_twice_stores_the_same_file(course, capsys):
    lesson = course / "notebooks" / "00_halving.ipynb"
    before = lesson.read_text(encoding="utf-8")
    assert lessons.main(["refresh"]) == 0
    assert lesson.read_text(encoding="utf-8") == before
    assert "00_halving unchanged" in capsys.readouterr().out


def test_refresh_brings_the_readme_its_pictures(course, monkeypatch):
    monkeypatch.setattr(lessons, "PICTURES", {"halving.png": ("00", ALT), "other.png": ("04", "absent")})
    (course / "docs" / "images").mkdir(parents=True)
    assert lessons.main(["refresh", "00"]) == 0
    assert [path.name for path in (course / "docs" / "images").iterdir()] == ["halving.png"]
    assert (course / "docs" / "images" / "halving.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="no figure whose alt text says 'absent'"):
        lessons.picture(course / "notebooks" / "00_halving.ipynb", "absent")


def test_refresh_writes_the_exercises_cells_and_the_map(course, monkeypatch, capsys):
    prompt, stub = new_markdown_cell("### Exercise 0.1: Old"), new_code_cell('pass\n\n\nex.check("0.1", double)')
    lesson = course / "notebooks" / "00_halving.ipynb"
    notebook = nbformat.read(lesson, as_version=4)
    other = course / "notebooks" / "01_other.ipynb"
    other.write_text(lessons.as_file(new_notebook(cells=[*notebook.cells, prompt, stub])), encoding="utf-8")
    bank = SimpleNamespace(stem="01_other", module=lambda name: name)

    def sync(notebook, module):
        assert module == "exercises"
        notebook.cells[-1].source = "print('the source has changed')"
        return ["0.1: the code cell"]

    monkeypatch.setattr(lessons, "written", lambda: [bank])
    monkeypatch.setattr("course_lib.teaching.exercise.sync", sync, raising=False)
    (course / "page.md").write_text(
        "<!-- map: `make refresh` writes it -->\nold\n<!-- end of the map -->", encoding="utf-8"
    )
    monkeypatch.setattr(lessons.maps, "ROOT", course)
    monkeypatch.setattr(lessons.maps, "BLOCKS", {"page.md": lambda: "new"})
    assert lessons.main(["refresh", "01"]) == 0
    assert "the source has changed" in str(nbformat.read(other, as_version=4).cells[-1].outputs)
    assert "\nnew\n" in (course / "page.md").read_text(encoding="utf-8")
    printed = capsys.readouterr().out
    assert "01_other, exercises written anew: 0.1: the code cell" in printed
    assert "page.md: the map written anew" in printed


def test_refresh_mends_what_a_notebook_editor_leaves(course):
    lesson = course / "notebooks" / "00_halving.ipynb"
    before = lesson.read_text(encoding="utf-8")
    notebook = nbformat.read(lesson, as_version=4)
    notebook.metadata.language_info.version = "3.11.7"
    notebook.metadata.widgets = {}
    notebook.cells[PLACES["printed"]].metadata.update(scrolled=True, execution={"iopub.execute_input": "now"})
    notebook.cells[PLACES["printed"]].execution_count = 12
    notebook.cells[PLACES["printed"]].outputs = [new_output("stream", name="stderr", text="beware")]
    lesson.write_text(nbformat.v4.writes(notebook), encoding="utf-8")
    assert problems(lesson)
    assert lessons.main(["refresh", "00"]) == 0
    assert lesson.read_text(encoding="utf-8") == before
    assert lesson.read_bytes().count(b"\r") == 0


def test_refresh_leaves_a_failing_lesson_alone_and_goes_on(course, capsys):
    broken = add_lesson(course, "01_broken.ipynb", "print('so far')\n1 / 0")
    after = add_lesson(course, "02_after.ipynb", "print('still run')")
    stored = broken.read_text(encoding="utf-8")
    assert lessons.main(["refresh", "01", "02"]) == 1
    assert broken.read_text(encoding="utf-8") == stored
    assert "still run" in str(nbformat.read(after, as_version=4).cells[1].outputs)
    printed = capsys.readouterr().out
    assert "01_broken, cell 2, In [1], section \"Broken\", first line: print('so far')" in printed
    assert "ZeroDivisionError: division by zero" in printed


def test_a_dead_kernel_is_reported_with_its_cell(course):
    broken = add_lesson(course, "01_broken.ipynb", "import os; os._exit(1)")
    with pytest.raises(RuntimeError, match=r"(?s)cell 2, In \[1\].*Kernel died"):
        lessons.execute(broken)


def test_an_unknown_lesson_is_refused_with_the_known_ones(course):
    with pytest.raises(SystemExit, match=r"'99'.* 00_halving\."):
        lessons.main(["html", "99"])


def test_normalise_joins_what_was_printed_in_pieces():
    pieces = [new_output("stream", name="stdout", text=text) for text in ("a", "b\n")]
    figure = new_output("display_data", {"text/plain": "figure"})
    cell = new_code_cell("", outputs=[*pieces, figure, *pieces], metadata={"tags": [], "collapsed": True})
    joined = lessons.normalise(new_notebook(cells=[cell])).cells[0]
    assert [output.get("text") for output in joined.outputs] == ["ab\n", None, "ab\n"]
    assert joined.metadata == {}
    assert len(cell.outputs) == 5


def test_ignored_output_is_kept_only_while_its_words_stay():
    def timed(text, tags=("nbval-ignore-output",)):
        cell = new_code_cell("", outputs=[new_output("stream", name="stdout", text=text)], metadata={"tags": [*tags]})
        return new_notebook(cells=[cell])

    for old, new, tags, kept in [
        ("1.5 s", "2.25 s", ("nbval-ignore-output",), True),
        ("1.5 s", "2.25 ms", ("nbval-ignore-output",), False),
        ("1.5 s", "2.25 s", (), False),
    ]:
        fresh = timed(new, tags)
        lessons.keep_ignored(timed(old, tags), fresh)
        assert fresh.cells[0].outputs[0].text == (old if kept else new)


@pytest.mark.parametrize(
    ("held", "code", "word"), [(True, 0, "held"), (None, 0, "not recorded"), (False, 1, "NOT HELD")]
)
def test_run_prints_seconds_and_the_scoreboard(course, monkeypatch, capsys, made, held, code, word):
    executed = nbformat.read(made, as_version=4)
    monkeypatch.setattr(lessons, "execute", lambda lesson: executed)
    monkeypatch.setattr(results, "scoreboard", lambda: [row(held)], raising=False)
    assert lessons.main(["run"]) == code
    printed = capsys.readouterr().out
    assert "00_halving started\n00_halving finished in 0 s" in printed
    assert [line.split() for line in printed.splitlines() if line.startswith(("00_halving ", "all"))][2:] == [
        ["00_halving", "0", "60", "within"],
        ["all", "0", "600", "within"],
    ]
    assert "04  Elman 1990: third bit\n    the paper  about .05\n    ours       .01\n" in printed
    assert f"    criterion  below .05: {word}" in printed
    assert ("    but        its code has changed since\n" in printed) == (held is False)
    assert (course / "_build" / "html" / "00_halving.html").exists()


def test_run_goes_on_after_a_failing_lesson_and_says_so_at_the_end(course, monkeypatch, capsys):
    add_lesson(course, "01_broken.ipynb", "1 / 0")
    add_lesson(course, "02_after.ipynb", "print('still run')")
    monkeypatch.setattr(results, "scoreboard", lambda: [row(True)], raising=False)
    assert lessons.main(["run", "01", "02"]) == 1
    printed = capsys.readouterr().out
    assert "ZeroDivisionError" in printed
    assert "FAILED" in printed
    assert not (course / "_build" / "html" / "01_broken.html").exists()
    assert "still run" in (course / "_build" / "html" / "02_after.html").read_text(encoding="utf-8")


def test_run_reports_a_budget_that_was_not_kept_and_does_not_fail(course, monkeypatch, capsys, made):
    executed = nbformat.read(made, as_version=4)
    monkeypatch.setattr(lessons, "execute", lambda lesson: executed)
    monkeypatch.setattr(results, "scoreboard", list, raising=False)
    monkeypatch.setattr(lessons, "COURSE_SECONDS", 0)
    assert lessons.main(["run"]) == 0
    last = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("all"))
    assert last.split()[-1] == "over"


def test_steady_tries_every_kernel_and_thread_count(course, monkeypatch, capsys):
    seen = []

    def pytest_instead(command, *, env, **_):
        seen.append((env["OPENBLAS_CORETYPE"], env["OMP_NUM_THREADS"], env["TF_NUM_INTRAOP_THREADS"]))
        assert command[-1].endswith("00_halving.ipynb")
        return SimpleNamespace(returncode=int(seen[-1][:2] == ("Haswell", "2")), stdout="In [3] moved", stderr="")

    monkeypatch.setattr(lessons.subprocess, "run", pytest_instead)
    assert lessons.main(["steady", "00"]) == 1
    assert seen == [("Prescott", "1", "1"), ("Prescott", "2", "2"), ("Haswell", "1", "1"), ("Haswell", "2", "2")]
    printed = capsys.readouterr().out
    assert "In [3] moved" in printed
    assert [line.split()[-1] for line in printed.splitlines()[-4:]] == ["held", "held", "held", "FAILED"]


def test_alt_text_reaches_the_browser(course):
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    if chromium is None:
        pytest.skip("no Chromium is installed to read the exported page with")
    from playwright.sync_api import sync_playwright

    assert lessons.main(["html", "00"]) == 0
    page_file = course / "_build" / "html" / "00_halving.html"
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--no-first-run"]  # fmt: skip
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=quiet)
        page = browser.new_page()
        page.route("**/*", lambda route: route.continue_() if route.request.url.startswith("file:") else route.abort())
        page.goto(page_file.as_uri())
        figure = page.get_by_role("img", name=ALT, exact=True)
        assert figure.count() == 1
        assert figure.evaluate("image => image.complete && image.naturalWidth") > 100
        assert page.get_by_text("loss 0.666667 after 3 steps").count() == 1
        browser.close()
