"""README, docs and licences: what they promise exists, what they cite is known, the site builds without a warning."""

import ast
import hashlib
import json
import re
import tomllib
import unicodedata
from pathlib import Path
from urllib.parse import unquote

import lessons
import maps
import nbformat
import pytest
import run_sheets
import yaml
from lesson_guard import CITATION, anchors
from prose import LINK, without_code

import course_lib
from course_lib.lessons import PARTS, find, written
from course_lib.teaching import checkpoint

ROOT = Path(__file__).resolve().parents[2]
PAPERS = sorted(p for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("datasets/*.md")])
LESSONS = sorted((ROOT / "notebooks").glob("[0-9p][0-9]_*.ipynb"))
HAN = re.compile(r"[\u4e00-\u9fff]")


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def table(markdown, heading):
    """Return the rows of the first table below a heading as lists of cells, the header first."""
    below = markdown.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in below.splitlines() if line.startswith("|")]
    assert len({len(row) for row in rows}) == 1, f"a row below {heading} has a cell too many or too few"
    return [[cell.strip() for cell in row] for row in rows if not set("".join(row)) <= set("-: ")]


# --- links ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("paper", PAPERS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_within_the_project_lead_somewhere(paper):
    dead = []
    for _, label, target in LINK.findall(without_code(paper.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:|//", target):
            continue
        file, _, anchor = unquote(target).partition("#")
        path = (paper.parent / file).resolve() if file else paper
        if not path.exists():
            dead.append(f"[{label}]({target}): there is no {file}")
        elif anchor and anchor not in anchors(path.read_text(encoding="utf-8")):
            dead.append(f"[{label}]({target}): {path.name} has no anchor {anchor}")
    assert not dead, "\n".join(dead)


@pytest.mark.parametrize("paper", PAPERS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_pictures_have_alt_text(paper):
    for image, label, target in LINK.findall(paper.read_text(encoding="utf-8")):
        assert not image or len(label) > 20, f"{target} needs an alt text that says what it shows"


# --- the bibliography ----------------------------------------------------------------------------------------------

ENTRY = re.compile(r'^<a id="([^"]+)"></a>\n\*\*(.+?)\.\*\* (.+?)(?=\n\n|\n*\Z)', re.MULTILINE | re.DOTALL)


def entries():
    """Return (key, label, text) of each entry, in the order of the page."""
    return ENTRY.findall(read("docs/bibliography.md"))


def test_every_anchor_of_the_bibliography_is_an_entry_and_its_key_is_unique():
    keys = [key for key, _, _ in entries()]
    assert keys == re.findall(r'<a id="([^"]+)"', without_code(read("docs/bibliography.md")))
    assert len(set(keys)) == len(keys)


def test_papers_are_keyed_by_surname_and_year_in_alphabetical_order():
    papers = [(key, label, text) for key, label, text in entries() if re.search(r"\d{4}$", label)]
    assert len(papers) > 40
    for key, label, text in papers:
        surname, year = label.split()
        plain = unicodedata.normalize("NFKD", surname.lower()).encode("ascii", "ignore").decode()  # as lesson_guard
        assert key == f"{plain}-{year}"
        assert re.match(rf"(\S+ )+{surname}\b", text.split(",")[0]), f"{label}: is {surname} the first author?"
        assert year in text, f"{label}: the entry does not say {year}"
    keys = [key for key, _, _ in papers]
    assert keys == sorted(keys)


def test_every_entry_has_an_identifier_that_says_what_it_links():
    for _, label, text in entries():
        links = re.findall(r"\[([^\]]+)\]\((https?://[^)\s]+)\)", text)
        assert links, f"{label} has neither DOI nor arXiv number nor address"
        for shown, url in links:
            if shown.startswith("doi:"):
                assert unquote(url) == "https://doi.org/" + shown.removeprefix("doi:"), label
            elif shown.startswith("arXiv:"):
                assert re.fullmatch(r"https://arxiv\.org/abs/\d{4}\.\d{4,5}", url), label
                assert url.endswith(shown.removeprefix("arXiv:")), label
            else:
                assert shown in url or shown in url.replace("www.", ""), label


def test_every_entry_says_which_lesson_uses_it():
    for _, label, text in entries():
        uses = re.findall(r"\*(All lessons|(?:Lessons?|Projects?) [\dp]\d(?:(?:, |-)[\dp]\d)*):\*", text)
        assert uses, f"{label} does not say which lesson uses it, and for what"
        assert all(int(number) <= 16 for use in uses for number in re.findall(r"\d+", use)), label


def sources_of_the_package():
    """Yield (where, text) for each "References" section of course_lib and each paper of its recorded results."""
    for path in sorted((ROOT / "course_lib").rglob("*.py")):
        place = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                docstring = ast.get_docstring(node) or ""
                for section in re.findall(r"^References\n-+\n(.+?)(?:\n\n|\Z)", docstring, re.MULTILINE | re.DOTALL):
                    yield f"{place}, {getattr(node, 'name', 'module')}", section
            if isinstance(node, ast.keyword) and node.arg == "paper" and isinstance(node.value, ast.Constant):
                yield f"{place}, paper", node.value.value


def test_the_package_cites_only_what_the_bibliography_knows():
    known, found = [(label, text) for _, label, text in entries()], 0
    for place, section in sources_of_the_package():
        for name, _, year in CITATION.findall(section):
            found += 1
            assert any((name in label or name in text) and year in text for label, text in known), (
                f"{place} cites {name} {year}; docs/bibliography.md does not know it"
            )
    assert found >= 15


# --- notation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("heading", "least"), [("Symbols", 35), ("Terms", 90)])
def test_every_row_of_the_notation_has_a_chinese_term_and_a_lesson(heading, least):
    header, *rows = table(read("docs/notation.md"), heading)
    chinese, lesson = header.index("中文"), header.index("Lesson")
    assert len(rows) >= least
    for row in rows:
        assert all(row), f"an empty cell: {row}"
        assert HAN.search(row[chinese]), f"no Chinese term: {row}"
        assert re.fullmatch(r"0\d|1[0-6]|p[12]", row[lesson]), f"no lesson: {row}"
    lessons = [row[lesson] for row in rows]
    assert lessons == sorted(lessons), "the rows are not in the order in which a reader meets them"


def test_no_term_is_explained_twice():
    _, *rows = table(read("docs/notation.md"), "Terms")
    assert len({row[0] for row in rows}) == len(rows)


def test_the_code_uses_the_names_that_the_notation_says():
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "course_lib").rglob("*.py"))
    _, *rows = table(read("docs/notation.md"), "Symbols")
    names = {name for row in rows if row[-1] in ("03", "04") for name in re.findall(r"`([A-Za-z_]\w*)[^`]*`", row[1])}
    assert {"kernel", "recurrent_kernel", "hidden_state", "d_outputs", "truncation"} <= names
    assert not {name for name in names if not re.search(rf"\b{name}\b", code)}


# --- the map and the README ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", maps.BLOCKS)
def test_a_map_says_what_the_lessons_say(name):
    assert maps.updated(name, read(name)) == read(name), "`make refresh` writes it"


def test_a_map_is_written_between_its_markers_and_nowhere_else(tmp_path, monkeypatch):
    monkeypatch.setattr(maps, "ROOT", tmp_path)
    monkeypatch.setattr(maps, "BLOCKS", {"README.md": maps.table})
    page = tmp_path / "README.md"
    spoiled = read("README.md").replace("How little is enough?", "How much?")
    page.write_text(spoiled, encoding="utf-8")
    assert maps.write() == ["README.md"]
    assert page.read_text(encoding="utf-8") == read("README.md")
    assert maps.write() == []
    with pytest.raises(ValueError, match=r"one map between two markers in README\.md, got 0"):
        maps.updated("README.md", "no map")


def test_the_map_has_seventeen_lessons_and_two_projects_with_question_and_minutes():
    assert [lesson.number for lesson in written()] == [*(f"{number:02}" for number in range(17)), "p1", "p2"]
    for lesson in written():
        assert lesson.question.endswith("?"), f"lesson {lesson.number} has no question"
        assert 15 <= lesson.minutes <= 60, f"lesson {lesson.number} reads in up to 60 minutes, not {lesson.minutes}"
        assert lesson.part in PARTS


def test_the_instructors_table_has_every_lesson_once():
    guide = read("docs/instructor.md")
    rows = [row[0] for row in table(guide.replace("\n### ", "\n## "), "The other lessons")[1:]]
    long = re.search(r"The long timetable below is that of\s+lesson (\d\d)", guide)[1]
    assert sorted([*rows, long]) == [lesson.number for lesson in written()]
    assert rows == sorted(rows)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda p: p.stem)
def test_the_folder_and_the_lesson_agree_on_minutes(lesson):
    opening = "".join(json.loads(lesson.read_text(encoding="utf-8"))["cells"][0]["source"])
    stated = re.search(r"(\d+)\s+minutes", opening)
    assert stated, f"{lesson.stem}: the first cell does not say how many minutes it takes"
    assert int(stated[1]) == find(lesson.name[:2]).minutes


def test_the_readmes_pictures_are_those_of_the_lessons():
    for name, (number, words) in lessons.PICTURES.items():
        assert f"docs/images/{name}" in read("README.md")
        (lesson,) = lessons.find([number])
        assert (ROOT / "docs" / "images" / name).read_bytes() == lessons.picture(lesson, words), (
            f"{name} is not the figure that {lesson.stem} has stored: `make refresh ARGS={number}` copies it"
        )
    assert {path.name for path in (ROOT / "docs" / "images").iterdir()} == set(lessons.PICTURES)


def test_the_readme_names_the_tensorflow_of_the_lock():
    version = re.search(r"^tensorflow==(\d+\.\d+)", read("requirements.lock"), re.MULTILINE)[1]
    assert f"TensorFlow {version}" in read("README.md")
    assert f"With {version} there is no wheel" in read("docs/maintainer.md")


@pytest.mark.parametrize("paper", PAPERS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_command_that_is_named_exists(paper):
    named = set(re.findall(r"(?:^ {4,}|`)make ([a-z]+)", paper.read_text(encoding="utf-8"), re.MULTILINE))
    named |= set(re.findall(r"make\.py ([a-z]+)", paper.read_text(encoding="utf-8")))
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    assert {"lab", "test"} <= targets
    assert named <= targets, f"there is no make {', '.join(sorted(named - targets))}"


def test_the_readme_names_the_commands_of_the_package():
    named = set(re.findall(r"python3? -m course_lib ([a-z]+)", "".join(p.read_text(encoding="utf-8") for p in PAPERS)))
    assert named == {"doctor", "progress", "checkpoint"}


# --- licences and citation -----------------------------------------------------------------------------------------


def test_the_citation_file_says_what_the_project_says():
    citation = yaml.safe_load(read("CITATION.cff"))
    project = tomllib.loads(read("pyproject.toml"))["project"]
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "version", "abstract"} <= set(citation)
    assert str(citation["version"]) == project["version"] == course_lib.__version__
    assert citation["authors"] == project["authors"]
    readme = " ".join(read("README.md").replace("\n>", "\n").split())
    assert f"*{citation['title']}*. Version {citation['version']}." in readme


def test_the_licences_are_whole_and_name_their_holder():
    mit, text = read("LICENSE"), read("LICENSE-text")
    for licence in (mit, text):
        assert "Copyright (c) 2026 The recurrent-course authors" in licence
    assert mit.startswith("MIT License\n")
    legal_code = "Attribution 4.0 International\n\n=" + text.split("\nAttribution 4.0 International\n\n=", 1)[1]
    # The legal code as Creative Commons publishes it: not a letter of it may change.
    assert hashlib.sha256(legal_code.encode("utf-8")).hexdigest() == CC_BY_4


CC_BY_4 = "fd3a263fe19ed8faa9068b43abaebafc02c77897b0c6fc09abc04bb592e5f16e"


@pytest.mark.parametrize("part", ["Letters that serve more than once", "Terms"])
def test_no_letter_and_no_term_stands_twice(part):
    rows = re.findall(
        r"^\| (.+?) \|", read("docs/notation.md").split(f"## {part}\n")[1].split("\n## ")[0], re.MULTILINE
    )
    assert len(rows) > 10
    assert [row for row in rows if rows.count(row) > 1] == []


@pytest.mark.parametrize("lesson", written(), ids=lambda lesson: lesson.number)
def test_a_run_sheet_shares_out_the_lessons_minutes_and_names_every_exercise_once(lesson):
    sheet = run_sheets.run_sheet(lesson)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in sheet.splitlines() if line[:1] == "|"][2:]
    minutes = [int(row[1]) for row in rows if row[1]]
    assert abs(sum(minutes) - lesson.minutes) <= len(minutes) / 2  # each is rounded
    listed = [number for row in rows for number in row[2].split(", ") if number]
    module = lesson.module("exercises")
    assert listed == [exercise.number for exercise in (module.EXERCISES if module else [])]
    if listed:
        place = int(re.search(r"section (\d+) begins", sheet)[1])
        notebook = nbformat.read(lessons.NOTEBOOKS / f"{lesson.stem}.ipynb", as_version=4)
        checkpoint.solved_to(notebook, module.EXERCISES, place - 1)  # the checkpoint that it names can be made
