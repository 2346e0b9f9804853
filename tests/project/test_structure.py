"""The house: one stem a lesson, imports that run one way, files short enough to read, lessons that can be deleted."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from course_lib import lessons

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "course_lib"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
STEMS = [lesson.stem for lesson in lessons.written()]
LESSON = re.compile(r"course_lib\.lessons\.(lesson_\w+)")

PARTS_OF_A_LESSON = {
    "__init__.py",
    "evidence.json",
    "exercises.py",
    "experiments.py",
    "figures.py",
    "models.py",
    "panels.py",
    "records",
}
MOST_LINES = 600
LONG = {"exercises": "a lesson's prompts, hints, solutions and wrong attempts with their answers are read together"}


def imports(node: ast.AST, inside_functions: bool = True) -> Iterator[str]:
    """Yield the dotted name of each module that a syntax tree imports, and of each name that it imports from one."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert not child.level, "imports are absolute here, so that a search finds them"
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif inside_functions or not isinstance(child, ast.FunctionDef):
            yield from imports(child, inside_functions)


def within(name: str, *packages: str) -> bool:
    """Say whether a dotted name is one of these packages or in one."""
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


def against_the_current(module: str, imported: list[str]) -> list[str]:
    """Return what a module of the course may not import: library <- teaching <- lessons, and no lesson another one."""
    lesson = LESSON.match(module)
    if lesson:
        allowed = lesson[0]
        return [name for name in imported if LESSON.match(name) and not within(name, allowed)]
    if within(module, "course_lib.lessons", "course_lib.teaching", "course_lib.__main__"):
        return [name for name in imported if LESSON.match(name)]  # the list of lessons is anybody's, a lesson is not
    return [name for name in imported if within(name, "course_lib.teaching", "course_lib.lessons")]


# --- one stem ------------------------------------------------------------------------------------------------------


def test_one_stem_holds_notebook_folder_and_test_together():
    notebooks = [path.stem for path in (ROOT / "notebooks").glob("*.ipynb")]
    folders = [path.name.removeprefix("lesson_") for path in (PACKAGE / "lessons").glob("lesson_*")]
    tests = [path.stem.removeprefix("test_") for path in (ROOT / "tests" / "lessons").glob("test_*.py")]
    assert sorted(notebooks) == STEMS
    assert sorted(folders) == STEMS
    assert sorted(tests) == STEMS
    assert all(re.fullmatch(r"[\dp]\d_[a-z]\w*", stem) for stem in STEMS)


@pytest.mark.parametrize("stem", STEMS)
def test_a_lessons_folder_holds_what_belongs_to_a_lesson(stem):
    folder = PACKAGE / "lessons" / f"lesson_{stem}"
    assert {path.name for path in folder.iterdir()} - {"__pycache__"} <= PARTS_OF_A_LESSON
    assert {path.suffix for path in folder.glob("records/*")} <= {".json"}


@pytest.mark.parametrize("lesson", lessons.written(), ids=lambda lesson: lesson.stem)
def test_a_lesson_says_what_the_map_needs(lesson):
    assert lesson.title
    assert lesson.question.endswith("?")
    assert lesson.part in lessons.PARTS
    assert 15 <= lesson.minutes <= 60


# --- imports -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_one_way(module):
    imported = list(imports(ast.parse(MODULES[module].read_text(encoding="utf-8"))))
    assert against_the_current(module, imported) == []


def test_an_import_against_the_current_is_found():
    lesson = "course_lib.lessons.lesson_07_gru.panels"
    other = "course_lib.lessons.lesson_06_lstm.panels"
    assert against_the_current("course_lib.layers", ["numpy", "course_lib.teaching.panel"]) == [
        "course_lib.teaching.panel"
    ]
    assert against_the_current("course_lib.teaching.panel", ["course_lib.lessons", other]) == [other]
    assert against_the_current(lesson, ["course_lib.teaching.panel", lesson, other]) == [other]
    source = "import a\ndef f():\n    if x:\n        from b import c\n"
    assert list(imports(ast.parse(source))) == ["a", "b.c"]
    assert list(imports(ast.parse(source), inside_functions=False)) == ["a"]


@pytest.mark.parametrize("stem", STEMS)
def test_a_notebook_imports_its_own_lesson_and_no_other(stem):
    cells = json.loads((ROOT / "notebooks" / f"{stem}.ipynb").read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert set(LESSON.findall(code)) <= {f"lesson_{stem}"}


def test_only_the_keras_modules_import_tensorflow():
    slow, keras = set(), {name for name in MODULES if name.startswith("course_lib.keras_")}
    for module, path in MODULES.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(within(name, "tensorflow", "keras") for name in imports(tree)):
            slow.add(module)
        if module not in keras:
            at_once = [name for name in imports(tree, inside_functions=False) if within(name, *keras)]
            assert not at_once, f"{module}: import {at_once} in the function that needs it"
    assert slow
    assert slow <= keras


def test_import_course_lib_imports_nothing_but_the_standard_library():
    code = (
        "import sys; before = set(sys.modules); import course_lib; new = set(sys.modules) - before\n"
        "print({name.partition('.')[0] for name in new} - sys.stdlib_module_names)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=True
    )
    assert done.stdout.strip() == "{'course_lib'}"


# --- short enough to read ------------------------------------------------------------------------------------------


def test_files_are_short_enough_to_read():
    lines = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in MODULES.items()}
    long = {module for module, count in lines.items() if count > MOST_LINES}
    without_reason = {module for module in long if module not in LONG and module.rpartition(".")[2] not in LONG}
    assert without_reason == set()
    assert {name for name in LONG if "." in name} <= long, "a reason for a file that is short by now"


# --- nothing is written that nobody can reach ----------------------------------------------------------------------


def unreached(tree: ast.AST) -> Iterator[str]:
    """Yield what a module says in vain: statements behind a return, and strings that are no documentation.

    A message in two pieces without brackets around them ends with its first line: the second is a statement of its
    own. A string documents a module, class or function as its first statement, or the assignment right above it.
    """
    for node in ast.walk(tree):
        for block in ("body", "orelse", "finalbody"):
            statements = getattr(node, block, None)
            if not isinstance(statements, list):
                continue
            for before, statement in zip([None, *statements], statements, strict=False):
                if isinstance(before, ast.Return | ast.Raise | ast.Continue | ast.Break):
                    yield f"line {statement.lineno}: behind `{ast.unparse(before)[:40]}`"
                value = getattr(statement, "value", None) if isinstance(statement, ast.Expr) else None
                is_text = isinstance(value, ast.JoinedStr) or (
                    isinstance(value, ast.Constant) and isinstance(value.value, str)
                )
                documents = before is None or isinstance(before, ast.Assign | ast.AnnAssign)
                if is_text and not documents:
                    yield f"line {statement.lineno}: a string that goes nowhere"


@pytest.mark.parametrize(
    "path", [*sorted(PACKAGE.rglob("*.py")), *sorted((ROOT / "tools").rglob("*.py"))], ids=lambda path: path.name
)
def test_no_statement_and_no_half_of_a_message_stands_where_nobody_reaches_it(path):
    assert list(unreached(ast.parse(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("def f():\n    'doc'\n    return 1", 0),
        ("x = 1\n'what x is'", 0),
        ("def f():\n    if x:\n        return f'at least '\n        'three'", 2),
        ("def f():\n    g()\n    f'lost {x}'\n    return 1", 1),
        ("for x in y:\n    continue\n    g()", 1),
        ("try:\n    raise E('a')\n    g()\nfinally:\n    pass", 1),
    ],
)
def test_what_nobody_reaches_is_found(code, count):
    assert len(list(unreached(ast.parse(code)))) == count


# --- a lesson can be deleted ---------------------------------------------------------------------------------------

DELETE_EACH = """
import pathlib, shutil, sys

folders = sorted(pathlib.Path("course_lib/lessons").glob("lesson_*"))
for folder in folders:
    aside = folder.rename("aside")
    for name in [name for name in sys.modules if name.startswith("course_lib")]:
        del sys.modules[name]
    from course_lib import lessons
    from course_lib.teaching import exercise, experiment

    left = lessons.written()
    assert [lesson.folder.name for lesson in left] == [path.name for path in folders if path != folder], folder
    numbers = {r.lesson for r in experiment.reproductions()}
    assert numbers <= {lesson.number for lesson in left}
    banks = [lesson.module("exercises") for lesson in left]
    assert exercise.progress_report()
    aside.rename(folder)
print(len(folders), "deleted, one at a time")
"""


@pytest.mark.slow
def test_a_lesson_is_deleted_by_deleting_its_folder_its_notebook_and_its_test(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "course_lib", ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [sys.executable, "-c", DELETE_EACH], cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{len(STEMS)} deleted, one at a time\n"


def test_no_other_test_needs_a_lesson():
    others = [path for folder in ("tests", "tools") for path in (ROOT / folder).rglob("*.py") if path != Path(__file__)]
    own = ROOT / "tests" / "lessons"
    needing = {path.name for path in others if path.parent != own and LESSON.search(path.read_text(encoding="utf-8"))}
    assert needing == set()
