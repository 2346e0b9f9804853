"""The commands of make.py, the reader's working copies, and the files that say which packages the course needs."""

from __future__ import annotations

import ast
import importlib.util
import io
import json
import os
import re
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
import zipfile
from pathlib import Path

import lessons
import nbformat
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from tornado.web import HTTPError

from course_lib.teaching import doctor
from course_lib.teaching.originals import refuse

ROOT = Path(__file__).resolve().parents[2]

specification = importlib.util.spec_from_file_location("course_make", ROOT / "make.py")
make = importlib.util.module_from_spec(specification)
specification.loader.exec_module(make)


# --- the commands and their names ----------------------------------------------------------------------------------


def test_makefile_forwards_every_command_in_one_line():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    rules = dict(re.findall(r"^(\w+): ; @\$\(PYTHON\) make\.py (.+)$", text, flags=re.MULTILINE))
    assert sorted(rules) == sorted([*make.COMMANDS, "help"])
    for name, line in rules.items():
        assert line.split()[0] == name
        assert name == "help" or line.endswith("$(ARGS)")
    phony = re.search(r"^\.PHONY: (.+)$", text, flags=re.MULTILINE)[1]
    assert sorted(phony.split()) == sorted(rules)


def test_help_lists_every_command(capsys):
    assert make.main([]) == 0
    shown = capsys.readouterr().out
    for name, command in make.COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(command.__doc__)}$", shown, flags=re.MULTILINE)


def test_unknown_command_is_named_with_what_there_is(capsys):
    assert make.main(["tests"]) == 2
    assert "There is no 'tests'. The commands are: lab, copies, test," in capsys.readouterr().err


def test_continuous_integration_runs_make_test():
    script = ROOT / ".ci" / "run"
    lines = script.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert "set -euo pipefail" in lines
    assert lines[-1] == "make test"
    if os.name == "posix":
        assert os.access(script, os.X_OK)


WORKFLOWS = {
    path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in (ROOT / ".github" / "workflows").glob("*")
}


@pytest.mark.parametrize("name", sorted(WORKFLOWS))
def test_workflows_call_the_same_commands(name):
    text = (ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8")
    workflow = WORKFLOWS[name]
    assert workflow["permissions"] == {"contents": "read"}
    called = set(re.findall(r"python make\.py (\w+)", text))
    for job in workflow["jobs"].values():
        matrix = job.get("strategy", {}).get("matrix", {})
        called |= {command.split()[0] for command in matrix.get("command", [])}
        assert set(matrix.get("python", [])) <= set(make.PYTHONS)
    assert called
    assert called <= set(make.COMMANDS)


@pytest.mark.parametrize(("name", "job"), [("test.yml", "library"), ("nightly.yml", "everything")])
def test_every_system_and_python_is_tested(name, job):
    matrix = WORKFLOWS[name]["jobs"][job]["strategy"]["matrix"]
    assert sorted(matrix["python"]) == sorted(make.PYTHONS)
    assert {system.split("-")[0] for system in matrix["os"]} == {"ubuntu", "macos", "windows"}


def test_the_tiers_of_a_change_are_the_whole_of_the_tests():
    jobs = WORKFLOWS["test.yml"]["jobs"]
    lines = [step["run"] for job in jobs.values() for step in job["steps"] if "make.py test" in step.get("run", "")]
    tested = {folder for line in lines for folder in line.partition("make.py test")[2].split()}
    folders = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    assert tested == folders | {"notebooks"}
    assert len({job["name"].partition(",")[0] for job in jobs.values()}) == len(jobs)


def test_pre_commit_checks_with_the_projects_own_ruff():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert [hook["repo"] for hook in hooks] == ["local"]
    entries = [hook["entry"] for hook in hooks[0]["hooks"]]
    assert [entry.split()[:4] for entry in entries] == [
        ["python", "-m", "ruff", "check"], ["python", "-m", "ruff", "format"],
    ]  # fmt: skip


FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_the_forms_for_issues_are_valid(form):
    content = yaml.safe_load(form.read_text(encoding="utf-8"))
    if form.stem == "config":
        assert content == {"blank_issues_enabled": True}
        return
    assert {"name", "description", "body"} <= set(content)
    ids = [field["id"] for field in content["body"] if field["type"] != "markdown"]
    assert len(ids) == len(set(ids)) > 1
    for field in content["body"]:
        assert field["attributes"].get("label") or field["attributes"]["value"]


def test_make_py_needs_only_the_standard_library_and_an_old_python():
    source = (ROOT / "make.py").read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 8))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.split(".")[0])
    assert imported <= sys.stdlib_module_names
    assert "tomllib" not in imported  # in the standard library since 3.11 only


def test_every_child_gets_the_same_thread_variables():
    assert make.THREADS == lessons.THREADS


def test_variables_of_children(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.delenv("COURSE_STATIC", raising=False)
    bare, checked = make.variables(), make.variables(headless=True, one_thread=True)
    assert "PYTHONPATH" not in bare  # packages from elsewhere would shadow the lock's
    assert bare["PATH"].split(os.pathsep)[0] == str(make.folder_of_programs(make.VENV))
    assert "COURSE_STATIC" not in bare
    assert "OPENBLAS_NUM_THREADS" not in bare
    assert checked["COURSE_STATIC"] == "1"
    assert checked["OPENBLAS_NUM_THREADS"] == "1"
    assert checked["OMP_NUM_THREADS"] == "7"  # the caller's choice


# --- choosing a Python ---------------------------------------------------------------------------------------------


def chosen(**answers):
    commands = [[name] for name in answers]
    return make.choose_python(commands, probe=lambda command: answers[command[0]])


def test_first_suitable_python_is_chosen():
    old, new = "cpython 3.9 True True", "cpython 3.13 True True"
    assert chosen(python3=old, shim="", small="cpython 3.12 False True", pypy="pypy 3.11 True True", good=new) == (
        ["good"], "3.13",
    )  # fmt: skip
    assert chosen(python3="cpython 3.11 True True", other=new) == (["python3"], "3.11")


def test_no_suitable_python_says_what_was_tried_and_what_to_install():
    with pytest.raises(SystemExit) as error:
        chosen(python3="cpython 3.14 True True", shim="")
    assert "The course needs Python 3.11 or 3.12 or 3.13, the usual kind" in str(error.value)
    assert "python3 (3.14), shim (does not run)" in str(error.value)
    assert "winget install" in str(error.value)


def test_python_without_ensurepip_says_which_package_brings_it():
    with pytest.raises(SystemExit, match=r"sudo apt install python3\.12-venv"):
        chosen(python3="cpython 3.12 True False", python4="")
    assert chosen(python3="cpython 3.12 True False", other="cpython 3.11 True True") == (["other"], "3.11")


def test_probe_of_this_python_and_of_none(tmp_path):
    version = "{}.{}".format(*sys.version_info)
    assert re.fullmatch(rf"cpython {re.escape(version)} True (True|False)", make.probe([sys.executable]))
    assert make.probe([str(tmp_path / "no-python")]) == ""
    assert make.probe([sys.executable, "-c", "raise SystemExit(3)"]) == ""


def test_candidates_begin_with_the_running_python():
    first = next(make.candidates())
    assert make.probe(first)
    inside = Path(sys.prefix).resolve() == make.VENV.resolve()
    assert (Path(first[0]).resolve().parent != make.folder_of_programs(make.VENV)) or not inside


# --- when .venv is built, updated or left alone --------------------------------------------------------------------


def decide(tmp_path, exists=True, starts=True, found=None, **changed):
    wanted = {"python": "3.12", "folder": str(tmp_path), "hash": "new"}
    found = dict(wanted, **changed) if found is None else found
    return make.what_to_do(wanted, found, exists, lambda: starts)


def test_environment_is_left_alone_when_nothing_changed(tmp_path):
    assert decide(tmp_path)[0] == "nothing"


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({"exists": False, "found": {}}, "no .venv"),
        ({"found": {}}, "did not finish"),
        ({"found": {"python": "3.12"}}, "did not finish"),
        ({"folder": "/somewhere/else"}, "moved"),
        ({"python": "3.11"}, "holds Python 3.11 and this is 3.12"),
        ({"starts": False}, "no longer starts"),
    ],
)
def test_environment_is_built(tmp_path, case, reason):
    todo, why = decide(tmp_path, **case)
    assert todo == "build"
    assert reason in why


def test_environment_is_updated_when_the_lock_or_the_project_changed(tmp_path):
    assert decide(tmp_path, hash="old")[0] == "update"


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A copy of the house's files in an empty folder, with a uv that notes its orders instead of obeying them."""
    (tmp_path / "requirements.lock").write_text("numpy==2.4.6\nuv==0.8.1\n", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    monkeypatch.setattr(make, "ROOT", tmp_path)
    monkeypatch.setattr(make, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(make, "STAMP", tmp_path / ".venv" / "course.json")
    monkeypatch.setattr(make, "LOCK", tmp_path / "requirements.lock")
    monkeypatch.setattr(make, "choose_python", lambda commands: (["some-python"], "3.12"))
    monkeypatch.setattr(make, "probe", lambda command: "cpython 3.12 True True")

    class House:
        folder, orders, uv_answers, has_uv = tmp_path, [], 0, True

    def call(command, **options):
        House.orders.append(command)
        (tmp_path / ".venv").mkdir(exist_ok=True)
        (tmp_path / ".venv" / "pyvenv.cfg").touch()
        return 0

    def uv(arguments):
        assert not make.STAMP.exists(), "an installation must not begin under a valid stamp"
        House.orders.append(["uv", *arguments])
        if isinstance(House.uv_answers, BaseException):
            raise House.uv_answers
        return House.uv_answers

    monkeypatch.setattr(make, "call", call)
    monkeypatch.setattr(make, "uv", uv)
    monkeypatch.setattr(make, "find_uv", lambda: "uv" if House.has_uv else None)
    return House


def test_build_then_nothing_then_update(house, capsys):
    make.ensure_environment()
    python = make.python_of(make.VENV)
    assert house.orders == [
        ["some-python", "-m", "venv", "--clear", str(make.VENV)],
        ["uv", "pip", "sync", "--python", python, str(make.LOCK)],
        ["uv", "pip", "install", "--python", python]
        + ["--no-deps", "--no-build-isolation", "--editable", str(house.folder)],
    ]
    settings = make.VENV / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    assert json.loads(settings.read_text(encoding="utf-8")) == make.LAB_SETTINGS
    assert "2 packages" in capsys.readouterr().out

    house.orders.clear()
    make.ensure_environment()
    assert house.orders == []
    assert capsys.readouterr().out == ""

    make.LOCK.write_text("numpy==2.5.0\n", encoding="utf-8")
    make.ensure_environment()
    assert [order[:3] for order in house.orders] == [["uv", "pip", "sync"], ["uv", "pip", "install"]]
    assert "up to date" in capsys.readouterr().out


def test_where_there_is_no_uv_the_locks_own_is_installed_first(house):
    house.has_uv = False
    make.ensure_environment()
    assert house.orders[1][:3] == [make.python_of(make.VENV), "-m", "pip"]
    assert house.orders[1][-1] == "uv==0.8.1"
    assert house.orders[2][0] == "uv"


def test_interrupted_build_is_built_anew(house):
    house.uv_answers = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        make.ensure_environment()
    house.uv_answers = 0
    house.orders.clear()
    make.ensure_environment()
    assert house.orders[0][1:4] == ["-m", "venv", "--clear"]


def test_failed_build_says_what_to_look_at(house):
    house.uv_answers = 1
    with pytest.raises(SystemExit, match=r"could not be installed .* online"):
        make.ensure_environment()
    assert not make.STAMP.exists()


def test_update_without_a_network_keeps_the_old_environment(house, capsys):
    make.ensure_environment()
    before = make.STAMP.read_text(encoding="utf-8")
    make.LOCK.write_text("numpy==2.5.0\n", encoding="utf-8")
    house.uv_answers = 1
    make.ensure_environment(may_be_old=True)
    assert "going on with the environment as it was" in capsys.readouterr().out
    assert make.STAMP.read_text(encoding="utf-8") == before
    with pytest.raises(SystemExit, match="could not be installed"):
        make.ensure_environment()
    assert make.STAMP.read_text(encoding="utf-8") == before


def test_a_folder_that_is_no_environment_is_not_cleared(house):
    make.VENV.mkdir()
    (make.VENV / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(SystemExit, match="not a virtual environment"):
        make.ensure_environment()
    assert (make.VENV / "thesis.txt").read_text(encoding="utf-8") == "mine"


# --- the reader's working copies -----------------------------------------------------------------------------------


def notebook(*sources, outputs=()):
    cells = [
        {"cell_type": "code", "source": [source], "metadata": {}, "execution_count": None, "outputs": list(outputs)}
        for source in sources
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def desk(tmp_path):
    """A course with two lessons, of which the reader already has copies."""

    class Desk:
        lessons, copies = tmp_path / "notebooks", tmp_path / "my_notebooks"
        name = "04_bptt.ipynb"

        def publish(self, text, name="04_bptt.ipynb"):
            (self.lessons / name).write_text(text, encoding="utf-8")

        def edit(self, text):
            (self.copies / self.name).write_text(text, encoding="utf-8")

        @property
        def mine(self):
            return (self.copies / self.name).read_text(encoding="utf-8")

        def update(self, *fresh):
            return make.update_copies(self.lessons, self.copies, fresh)

        def aside(self):
            return sorted(path for path in self.copies.glob("04_bptt.*.ipynb"))

    desk = Desk()
    desk.lessons.mkdir()
    desk.publish(notebook("first"))
    desk.publish(notebook("other"), name="05_long.ipynb")
    (desk.lessons / "draft.ipynb").write_text(notebook("not a lesson"), encoding="utf-8")
    assert desk.update() == []
    return desk


def test_each_lesson_is_copied_once(desk):
    assert sorted(path.name for path in desk.copies.glob("*.ipynb")) == ["04_bptt.ipynb", "05_long.ipynb"]
    assert desk.mine == notebook("first")
    assert desk.update() == []


def test_update_of_the_course_keeps_edits_and_brings_the_new_lesson(desk):
    desk.edit(notebook("first", "my answer"))
    desk.publish(notebook("first, corrected"))
    desk.publish(notebook("new"), name="06_lstm.ipynb")
    for _ in range(3):  # and not only the first time
        messages = desk.update()
        assert desk.mine == notebook("first", "my answer")
        assert len(messages) == 1
        assert "04_bptt.ipynb: the course has a newer version; yours has your changes and stays" in messages[0]
        assert "make lab FRESH=04" in messages[0]
    assert (desk.copies / "06_lstm.ipynb").read_text(encoding="utf-8") == notebook("new")


def test_an_edited_copy_of_an_unchanged_lesson_is_not_spoken_of(desk):
    desk.edit(notebook("my answer"))
    assert desk.update() == []
    assert desk.mine == notebook("my answer")


@pytest.mark.parametrize("outputs", [(), ({"output_type": "stream", "name": "stdout", "text": ["3\n"]},)])
def test_a_copy_that_was_only_run_follows_the_course(desk, outputs):
    desk.edit(notebook("first", outputs=outputs))
    desk.publish(notebook("first, corrected"))
    assert "brought up to date" in desk.update()[0]
    assert desk.mine == notebook("first, corrected")
    assert desk.update() == []


def test_a_run_copy_of_an_unchanged_lesson_keeps_its_outputs(desk):
    mine = notebook("first", outputs=[{"output_type": "stream", "name": "stdout", "text": ["3\n"]}])
    desk.edit(mine)
    assert desk.update() == []
    assert desk.mine == mine


def test_fresh_puts_the_old_copy_aside(desk):
    desk.edit(notebook("my answer"))
    desk.publish(notebook("first, corrected"))
    [message] = desk.update("04")
    [aside] = desk.aside()
    assert aside.name in message
    assert aside.read_text(encoding="utf-8") == notebook("my answer")
    assert desk.mine == notebook("first, corrected")
    assert desk.update() == []


def test_fresh_of_an_untouched_copy_leaves_nothing_behind(desk):
    assert desk.update("04") == []
    assert desk.aside() == []


def test_fresh_with_an_unknown_lesson_changes_nothing(desk):
    desk.edit(notebook("my answer"))
    with pytest.raises(SystemExit, match=r"No lesson begins with '17'. The lessons are: 04_bptt.ipynb, 05_long.ipynb"):
        desk.update("04", "17")
    assert desk.mine == notebook("my answer")
    assert desk.aside() == []


def test_a_deleted_copy_comes_back(desk):
    (desk.copies / desk.name).unlink()
    assert desk.update() == []
    assert desk.mine == notebook("first")


def test_a_lesson_that_left_the_course_leaves_the_copy(desk):
    desk.edit(notebook("my answer"))
    (desk.lessons / desk.name).unlink()
    assert desk.update() == ["04_bptt.ipynb: no longer in the course; your copy stays."]
    assert desk.mine == notebook("my answer")
    assert desk.update() == []
    desk.publish(notebook("back again"))
    desk.update()
    assert desk.mine == notebook("my answer")


@pytest.mark.parametrize("content", [None, "{", "[]", '{"04_bptt.ipynb": {}}', '{"04_bptt.ipynb": 3}'])
def test_a_lost_or_damaged_list_of_copies_costs_no_edit(desk, content):
    desk.edit(notebook("my answer"))
    (desk.copies / ".course.json").unlink()
    if content is not None:
        (desk.copies / ".course.json").write_text(content, encoding="utf-8")
    desk.update()
    assert desk.mine == notebook("my answer")


@pytest.mark.parametrize("damaged", ["", "not JSON", "{}", '{"cells": [3]}', "[1]"])
def test_a_damaged_copy_is_noticed_and_kept_until_it_is_made_anew(desk, damaged):
    desk.edit(damaged)
    for publish in (None, notebook("first, corrected")):
        if publish:
            desk.publish(publish)
        [message] = desk.update()
        assert f"your copy cannot be opened, it {'was cut short' if damaged else 'is empty'}" in message
        assert "--fresh 04" in message
        assert desk.mine == damaged
    desk.update("04")
    assert desk.mine == notebook("first, corrected")
    assert [path.read_text(encoding="utf-8") for path in desk.aside()] == [damaged]


def test_a_copy_with_the_marks_of_a_conflict_is_noticed(desk):
    desk.edit(notebook("first") + "\n<<<<<<< mine\n=======\n>>>>>>> theirs\n")
    assert "a merge left its conflict marks in it" in desk.update()[0]


def test_a_copy_edited_back_to_the_course_follows_it_again(desk):
    desk.edit(notebook("my answer"))
    desk.publish(notebook("second"))
    desk.update()
    desk.edit(notebook("second"))
    assert desk.update() == []
    desk.publish(notebook("third"))
    desk.update()
    assert desk.mine == notebook("third")


steps = st.lists(
    st.tuples(st.sampled_from(["publish", "edit", "run", "update", "fresh", "forget"]), st.integers(0, 3)), max_size=12
)


@given(steps)
def test_no_order_of_events_loses_what_the_reader_wrote(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("desk")
    course, copies = folder / "notebooks", folder / "my_notebooks"
    course.mkdir()
    lesson, copy = course / "04_bptt.ipynb", copies / "04_bptt.ipynb"
    lesson.write_text(notebook("lesson 0"), encoding="utf-8")
    make.update_copies(course, copies)
    written = []
    for number, (event, value) in enumerate(steps):
        if event == "publish":
            lesson.write_text(notebook(f"lesson {value}"), encoding="utf-8")
        elif event == "edit":
            written.append(f"reader's answer {number}")
            cells = [cell["source"][0] for cell in json.loads(copy.read_text(encoding="utf-8"))["cells"]]
            copy.write_text(notebook(*cells, written[-1]), encoding="utf-8")
        elif event == "run":
            cells = [cell["source"][0] for cell in json.loads(copy.read_text(encoding="utf-8"))["cells"]]
            output = {"output_type": "stream", "name": "stdout", "text": [str(value)]}
            copy.write_text(notebook(*cells, outputs=[output]), encoding="utf-8")
        elif event == "forget":
            (copies / ".course.json").unlink()
            make.update_copies(course, copies)
        else:
            make.update_copies(course, copies, ["04"] if event == "fresh" else [])
    everything = "".join(path.read_text(encoding="utf-8") for path in copies.glob("*.ipynb"))
    for answer in written:
        assert answer in everything


# --- JupyterLab ----------------------------------------------------------------------------------------------------


def test_lab_stays_on_this_machine_and_passes_allow_root_only_to_root():
    command = make.lab_command("python", "my_notebooks/04_bptt.ipynb", 8890, root_user=True, browser=False)
    assert "--ip=localhost" in command
    assert "--port=8890" in command
    assert f"--ServerApp.root_dir={make.ROOT}" in command
    assert "--LabApp.default_url=/lab/tree/my_notebooks/04_bptt.ipynb" in command
    assert {"--allow-root", "--no-browser"} <= set(command)
    assert not any("token" in word for word in command)  # other users of the machine can read a command line
    command = make.lab_command("python", "my_notebooks", 8888, root_user=False, browser=True)
    assert not {"--allow-root", "--no-browser"} & set(command)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there a server cannot be asked to end")
def test_lab_says_its_address_and_nothing_else(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    root = not os.getuid()
    command = make.lab_command(sys.executable, "README.md", port, root_user=root, browser=False)
    said = tmp_path / "said"
    with open(said, "w", encoding="utf-8") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, **make.variables()})
    try:
        until = time.monotonic() + 60
        while f"127.0.0.1:{port}" not in said.read_text(encoding="utf-8"):
            assert process.poll() is None, said.read_text(encoding="utf-8")
            assert time.monotonic() < until
            time.sleep(0.2)
        time.sleep(1)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=10) as answer:
            assert answer.status == 200
    finally:
        process.terminate()
        process.wait(30)
    shown = said.read_text(encoding="utf-8")
    assert not re.findall(r"^\[[IWE] .*", shown.partition("To access the server")[0], flags=re.MULTILINE)


def test_lab_prints_the_address_and_gives_the_same_token_to_the_server(desk, monkeypatch, capsys):
    started = []
    monkeypatch.setattr(make, "NOTEBOOKS", desk.lessons)
    monkeypatch.setattr(make, "COPIES", desk.copies)
    monkeypatch.setattr(make, "ensure_environment", lambda may_be_old: None)
    monkeypatch.setattr(make, "has_browser", lambda: False)
    monkeypatch.setattr(make, "become", lambda command, env: started.append((command, env)) or 0)
    monkeypatch.setattr(make, "running_here", lambda: ["http://localhost:8888/lab"])
    monkeypatch.setattr(make, "edited_originals", lambda: ["05_long.ipynb"])
    desk.edit(notebook("my answer"))
    assert make.main(["lab", "--fresh", "04", "--port", "9123", "--debug"]) == 0
    [(command, env)] = started
    shown = capsys.readouterr().out
    address = re.search(r"http://localhost:9123/lab/tree/my_notebooks/04_bptt\.ipynb\?token=(\w{32})", shown)
    assert env["JUPYTER_TOKEN"] == address[1]
    assert env["JUPYTER_PREFER_ENV_PATH"] == "1"
    assert command[-1] == "--debug"
    assert "--no-browser" in command
    assert "your old copy is now" in shown
    assert "already running for this course, at http://localhost:8888/lab" in shown
    assert "`git checkout -- notebooks/05_long.ipynb`" in shown
    assert desk.mine == notebook("first")


def test_lab_opens_what_was_made_anew_in_the_environment_that_was_asked_for(desk, monkeypatch, capsys):
    started = []
    monkeypatch.setattr(make, "NOTEBOOKS", desk.lessons)
    monkeypatch.setattr(make, "COPIES", desk.copies)
    monkeypatch.setattr(make, "ensure_environment", lambda may_be_old: pytest.fail("builds .venv"))
    monkeypatch.setattr(make, "become", lambda command, env: started.append((command, env)) or 0)
    monkeypatch.setattr(make, "running_here", list)
    assert make.main(["lab", "--here", "--fresh", "05", "--no-browser"]) == 0
    [(command, env)] = started
    assert command[0] == sys.executable
    assert "my_notebooks/05_long.ipynb?token=" in capsys.readouterr().out
    assert any(word.endswith("originals.refuse") for word in command)
    assert env.get("VIRTUAL_ENV") == os.environ.get("VIRTUAL_ENV")
    make.main(["lab", "--here", "--originals", "--no-browser"])
    assert not any("originals" in word for word in started[-1][0])


def test_copies_are_made_for_any_other_program_and_an_image_begins_with_them(desk, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(make, "NOTEBOOKS", desk.lessons)
    monkeypatch.setattr(make, "COPIES", desk.copies)
    monkeypatch.setattr(make.sys, "prefix", str(tmp_path / "environment"))
    desk.edit(notebook("my answer"))
    assert not make.main(["copies", "--fresh", "04"])
    assert desk.mine == notebook("first")
    assert "your old copy is now" in capsys.readouterr().out
    settings = tmp_path / "environment" / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    assert json.loads(settings.read_text(encoding="utf-8")) == make.LAB_SETTINGS
    settings.write_text("{}", encoding="utf-8")  # of somebody else
    make.main(["copies"])
    assert settings.read_text(encoding="utf-8") == "{}"
    assert "python make.py copies" in (ROOT / "postBuild").read_text(encoding="utf-8")
    assert os.name == "nt" or os.access(ROOT / "postBuild", os.X_OK)


def test_lab_says_at_once_that_a_port_is_taken(monkeypatch):
    monkeypatch.setattr(make, "ensure_environment", lambda may_be_old: pytest.fail("builds .venv"))
    with make.socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SystemExit, match=f"Port {port} is taken by another program"):
            make.main(["lab", "--port", str(port)])


def test_a_server_of_this_course_that_runs_already_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(make, "runtime_folder", lambda: tmp_path)
    with make.socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        here = {"url": "http://localhost:1/", "port": other.getsockname()[1], "root_dir": str(make.ROOT)}
        notes = {"1": here, "2": {**here, "root_dir": str(tmp_path)}, "3": {**here, "port": make.free_port()}, "4": {}}
        for name, note in notes.items():
            (tmp_path / f"jpserver-{name}.json").write_text(json.dumps(note), encoding="utf-8")
        (tmp_path / "jpserver-5.json").write_text("{", encoding="utf-8")
        assert make.running_here() == ["http://localhost:1/lab"]


def test_jupyters_runtime_folder_is_known():
    from jupyter_core.paths import jupyter_runtime_dir

    assert make.runtime_folder() == Path(jupyter_runtime_dir())


def test_lab_says_in_a_sentence_that_jupyter_cannot_write(tmp_path, monkeypatch):
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nobody" / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "nobody" / "home"))
    monkeypatch.setattr(make.os, "access", lambda folder, how: str(folder) != str(tmp_path))
    with pytest.raises(SystemExit) as stopped:
        make.main(["lab", "--here"])
    assert str(stopped.value).startswith(
        f"Jupyter may not write in {tmp_path}, where it keeps its files. Set the variable"
    )


def test_an_edited_original_is_noticed(tmp_path, monkeypatch):
    lessons = tmp_path / "notebooks"
    lessons.mkdir()
    for name in ("03_rnn.ipynb", "04_bptt.ipynb"):
        (lessons / name).write_text(notebook("first"), encoding="utf-8")
    monkeypatch.setattr(make, "ROOT", tmp_path)
    monkeypatch.setattr(make, "NOTEBOOKS", lessons)
    assert make.edited_originals() == []  # no git here
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "first"]):
        subprocess.run([*git, *words], check=True)
    assert make.edited_originals() == []
    (lessons / "04_bptt.ipynb").write_text(notebook("my answer"), encoding="utf-8")
    (lessons / "notes.ipynb").write_text(notebook("mine"), encoding="utf-8")
    assert make.edited_originals() == ["04_bptt.ipynb"]


def test_one_installs_and_the_other_waits(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(make.tempfile, "tempdir", str(tmp_path))
    held = make.alone()
    held.__enter__()
    monkeypatch.setattr(make.time, "sleep", lambda seconds: held.__exit__(None, None, None))
    assert capsys.readouterr().out == ""
    with make.alone():
        assert "Another command is installing" in capsys.readouterr().out


@pytest.mark.parametrize("path", ["notebooks/03_rnn.ipynb", "/notebooks/03_rnn.ipynb"])
def test_an_original_is_not_saved(path):
    with pytest.raises(HTTPError, match=r"Your copy: my_notebooks/03_rnn\.ipynb") as refused:
        refuse(path=path, model={}, contents_manager=None)
    assert refused.value.status_code == 403


@pytest.mark.parametrize("path", ["my_notebooks/03_rnn.ipynb", "notebooks/notes.txt", "other/notebooks/03_rnn.ipynb"])
def test_everything_else_is_saved(path):
    assert refuse(path=path, model={}, contents_manager=None) is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there a screen is announced by a variable")
def test_browser_needs_a_screen():
    assert not make.has_browser({})
    assert not make.has_browser({"SSH_CONNECTION": "somewhere", "DISPLAY": ":0"})
    assert make.has_browser({"BROWSER": "firefox"})


def test_port_in_use_is_passed_over():
    first = make.free_port()
    with make.socket.socket() as other:
        other.bind(("127.0.0.1", first))
        other.listen()
        assert make.free_port(first) != first


# --- make test -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "layout", "tests", "expected"), [(0, 0, 0, 0), (1, 0, 0, 1), (0, 1, 0, 1), (0, 0, 1, 1), (1, 1, 2, 2)]
)
def test_style_and_tests_both_decide_and_tests_run_in_any_case(monkeypatch, capsys, check, layout, tests, expected):
    ran, style = [], {"check": check, "format": layout}
    monkeypatch.setattr(make, "ensure_environment", lambda: None)

    def module(name, *arguments, env):
        ran.append((name, *arguments))
        assert env["COURSE_STATIC"] == "1"
        return tests if name == "pytest" else style[arguments[0]]

    monkeypatch.setattr(make, "module", module)
    assert make.main(["test", "-k", "reber"]) == expected
    assert [command[:2] for command in ran[:2]] == [("ruff", "check"), ("ruff", "format")]
    assert "--check" in ran[1]
    assert ran[2][0] == "pytest"
    assert ran[2][-4:] == ("--dist", "loadfile", "-k", "reber")
    assert ("FAILED: style" in capsys.readouterr().err) == bool(check or layout)


def test_settings_of_pip_reach_uv():
    settings = (
        ":env:.disable-pip-version-check='1'\n"
        ":env:.find-links='\\n/wheels\\n/more'\n"
        ":env:.no-index='1'\n"
        "global.index-url='https://mirror.example/simple'\n"
        "global.extra-index-url='https://one.example https://two.example'\n"
        "global.find-links='/elsewhere'\n"
        "global.timeout='30'\n"
    )
    assert make.uv_variables(settings) == {
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_SYSTEM_CERTS": "1",
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_INDEX": "https://one.example https://two.example",
        "UV_NO_INDEX": "1",
        "UV_HTTP_TIMEOUT": "30",
        "UV_FIND_LINKS": "/wheels,/more",
    }
    assert make.uv_variables("")["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert make.uv_variables(r":env:.find-links='D:\\new wheels'")["UV_FIND_LINKS"] == r"D:\new,wheels"


@pytest.mark.parametrize(("system", "depth", "said"), [("nt", 59, False), ("nt", 60, True), ("posix", 200, False)])
def test_windows_limit_on_paths_is_said_before_it_strikes(system, depth, said):
    note = make.too_deep("x" * depth, system)
    assert (f"{depth} characters deep" in note) is said
    assert bool(note) is said


def test_the_longest_path_in_the_environment_is_as_long_as_we_say():
    root = Path(sys.prefix)
    files = (Path(folder, name) for folder, _, names in os.walk(root) for name in names)
    assert max(len(str(path.relative_to(root.parent))) for path in files) < make.LONGEST


def test_a_wheelhouse_on_a_stick_whose_name_has_a_space(tmp_path, monkeypatch):
    stick = tmp_path / "my USB stick"
    stick.mkdir()
    (stick / "tiny-1.0-py3-none-any.whl").write_bytes(a_wheel())
    monkeypatch.setenv("PIP_FIND_LINKS", str(stick))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    make.keep_wheelhouse_whole()
    assert " " not in os.environ["PIP_FIND_LINKS"]
    for folder, command in (
        ("pip", [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]),
        ("uv", [make.find_uv(), "pip", "install", "--quiet", "--no-deps", "--python", sys.executable]),
    ):
        settings = subprocess.run(
            [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
        ).stdout
        env = {**os.environ, **make.uv_variables(settings)}
        subprocess.run([*command, "--target", str(tmp_path / folder), "tiny"], env=env, check=True, timeout=120)
        assert (tmp_path / folder / "tiny.py").read_text(encoding="utf-8") == "small = True\n"


def a_wheel():
    """The smallest package there is."""
    content = io.BytesIO()
    about = "tiny-1.0.dist-info"
    with zipfile.ZipFile(content, "w") as wheel:
        wheel.writestr("tiny.py", "small = True\n")
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    return content.getvalue()


@pytest.mark.parametrize("value", ["", "/wheels /more", "https://one.example"])
def test_other_places_of_packages_stay_as_they_were_said(value, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", value)
    make.keep_wheelhouse_whole()
    assert os.environ["PIP_FIND_LINKS"] == value


@pytest.mark.parametrize(
    ("line", "passes"),
    [
        ("Resolved 175 packages in 1.37s", False),
        ("Downloading jedi (4.7MiB)", False),
        (" Downloaded jedi", False),
        (" + absl-py==2.5.1", False),
        ("warning: Failed to hardlink files", True),
        ("  × No solution found when resolving dependencies:", True),
        ("error: Failed to download", True),
    ],
)
def test_of_uvs_words_only_complaints_are_shown(line, passes):
    assert (make.UV_PROGRESS.match(line) is None) == passes


# --- the lock, pyproject.toml and environment.yml ------------------------------------------------------------------

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK_TEXT = (ROOT / "requirements.lock").read_text(encoding="utf-8")
REQUIREMENTS = [Requirement(line) for line in PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]]
PLATFORMS = {
    "Linux on x86_64": {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"},
    "Linux on aarch64": {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "aarch64"},
    "macOS on Apple silicon": {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"},
    "Windows": {"sys_platform": "win32", "platform_system": "Windows", "platform_machine": "AMD64"},
}


@pytest.mark.parametrize("python", sorted(make.PYTHONS))
@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_lock_satisfies_every_requirement_everywhere(platform, python):
    machine = PLATFORMS[platform] | {
        "os_name": "nt" if platform == "Windows" else "posix",
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }
    locked = doctor.locked_packages(LOCK_TEXT, machine)
    missing = [
        str(requirement)
        for requirement in REQUIREMENTS
        if (requirement.marker is None or requirement.marker.evaluate(machine))
        and locked.get(canonicalize_name(requirement.name)) not in requirement.specifier
    ]
    assert missing == []
    assert ("tensorflow-cpu" in locked) == (platform == "Linux on x86_64")
    assert ("tensorflow" in locked) == (platform != "Linux on x86_64")


def test_the_lock_names_a_package_once_for_each_machine():
    lines = [line.partition("#")[0].strip() for line in LOCK_TEXT.splitlines()]
    names = [Requirement(line).name for line in lines if line]
    assert len(names) > 100
    assert sorted(set(names)) == make.names_in(LOCK_TEXT)
    assert len(names) == len(set(names))


def test_the_installed_packages_are_those_of_the_lock():
    assert [finding for finding in doctor.check_packages() if finding.mend] == []


def test_one_range_of_python_everywhere():
    promised = SpecifierSet(PROJECT["project"]["requires-python"])
    minors = [f"3.{minor}" for minor in range(6, 20)]
    accepted = [minor for minor in minors if minor + ".5" in promised]
    assert sorted(make.PYTHONS) == accepted
    assert [f"{a}.{b}" for a, b in doctor.PYTHONS] == [accepted[0], accepted[-1]]
    assert PROJECT["tool"]["ruff"]["target-version"] == "py" + accepted[0].replace(".", "")


def test_environment_yml_names_the_same_python_and_the_same_packages():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python, pip, from_pip = environment["dependencies"]
    assert pip == "pip"
    assert python == f"python={make.PYTHONS[0]}"  # one version: Binder reads no range
    assert f"{make.PYTHONS[0]}.0" in SpecifierSet(PROJECT["project"]["requires-python"])
    # The lock holds what pyproject.toml asks for (tested above); "-e ." then adds the package and nothing else.
    assert from_pip == {"pip": ["-r requirements.lock", "-e ."]}
    assert environment["name"] == PROJECT["project"]["name"]


def test_what_failed_is_named_in_words():
    specification = importlib.util.spec_from_file_location("course_conftest", ROOT / "conftest.py")
    conftest = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(conftest)
    lesson = "notebooks/07_gru.ipynb"
    failed = [f"{lesson}::Cell 3", "tests/library/test_model.py::test_a[1::2]", f"{lesson}::Cell 4"]
    assert conftest.failed_tiers(failed) == ["FAILED: the library (1)", "FAILED: a lesson's stored outputs (2)"]
    assert conftest.failed_tiers([]) == []
    folders = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    assert set(conftest.TIERS) == folders | {"notebooks"}


@pytest.mark.skipif(not (ROOT / ".venv" / "bin" / "jupytext").exists(), reason="another environment than .venv")
def test_a_lessons_changes_are_shown_as_documented_with_nothing_activated(tmp_path):
    attributes = (ROOT / ".gitattributes").read_text(encoding="utf-8")
    name, value = re.search(r'git config (\S+) "(.+?)"', attributes).groups()
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    (tmp_path / ".gitattributes").write_text(attributes, encoding="utf-8")
    lesson = tmp_path / "lesson.ipynb"

    def git(*arguments):
        env = {**os.environ, "PATH": os.defpath, "GIT_CONFIG_GLOBAL": os.devnull}
        done = subprocess.run(
            ["git", *arguments], cwd=tmp_path, env=env, capture_output=True, encoding="utf-8", check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("a = 1", id="one")])
    nbformat.write(book, lesson)
    git("init", "--quiet")
    git("config", name, value)
    git("add", "lesson.ipynb", ".gitattributes")
    book.cells[0].source = "a = 2"
    nbformat.write(book, lesson)
    shown = git("diff", "lesson.ipynb")
    assert "-a = 1\n+a = 2\n" in shown
    assert "cell_type" not in shown
