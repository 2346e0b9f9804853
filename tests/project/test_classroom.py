"""The classroom: who may come in, what the instructor sees, whose program is ended, and what a crash takes away."""

import asyncio
import csv
import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest
from browser import NEEDED, open_page
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("jupyterhub", reason="the classroom needs Linux or macOS: jupyterhub is not published for Windows")

from classroom import room, settings, singleuser, start, stuck, watchdog
from classroom.client import Failed, Learner
from course_lib.teaching import progress

NOW = datetime.datetime(2026, 3, 2, 10, 0, 0)
KNOWN = ("3.1", "3.2", "10.1")
TRIED = {**progress.EMPTY, "attempted": True, "date": "2026-03-02T09:58:10"}
SERVED = pytest.mark.skipif(
    not shutil.which("node") or not shutil.which("npm"), reason="no Node.js and npm, which the classroom's proxy needs"
)


@pytest.fixture
def here(tmp_path):
    return settings.Settings(str(tmp_path), room_password="open sesame")


# --- settings -----------------------------------------------------------------------------------------------------


def test_settings_come_back_and_only_their_owner_reads_them(here):
    here.save()
    assert settings.load(here.path("")) == here
    assert here.path(settings.FILE).stat().st_mode & 0o777 == 0o600
    assert len(here.proxy_token) == 64


def test_passwords_are_made_by_chance_and_can_be_read_aloud():
    made = {settings.new_password() for _ in range(200)}
    assert len(made) > 195  # of 16³ · 9000
    assert all(re.fullmatch(r"([a-z]+-){3}\d{4}", word) for word in made)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"instructor": "Dr. X"}, "letters a to z"),
        ({"room_password": "short"}, "at least 7 characters, got 5"),
        ({"memory": settings.GIB // 4}, "at least 0.5 GiB"),
        ({"port": 0}, "a port from 1 to 65535, got 0"),
        ({"port": 70000}, "a port from 1 to 65535, got 70000"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_a_sentence(here, changed, words):
    assert start.refuse(here) == ""
    for name, value in changed.items():
        setattr(here, name, value)
    assert words in start.refuse(here)


def test_a_learner_is_not_an_account_that_can_do_more():
    assert room.account("root") == "learner-root"


# --- signing up -----------------------------------------------------------------------------------------------------


async def come_in(authenticator, name, password, room_password=""):
    handler = SimpleNamespace(custom_login_error=None)
    found = await authenticator.authenticate(handler, {"username": name, "password": password, "otp": room_password})
    return found, handler.custom_login_error or ""


@pytest.fixture
def door(here):
    return room.RoomAuthenticator(room_password=here.room_password, dbm_path=str(here.path("passwords.dbm")))


def test_who_signs_up_needs_the_rooms_password_once(door):
    async def story():
        found, why = await come_in(door, "ada", "ada's own word")
        assert found is None
        assert "Nobody called ada has signed up yet" in why
        assert (await come_in(door, "ada", "ada's own word", "open sesam"))[0] is None
        assert (await come_in(door, "ada", "ada's own word", " open sesame "))[0] == "ada"
        assert (await come_in(door, "Ada", "ada's own word"))[0] == "ada"  # from now on without it
        assert (await come_in(door, "ada", "something else", "open sesame"))[0] is None
        assert (await come_in(door, "ben", "short", "open sesame"))[0] is None  # 7 characters at least

    asyncio.run(story())


@pytest.mark.parametrize(
    "name", ["", "a", "1a", "ada/../root", "ada lovelace", "адa", "a" * 21, "-ada", "ada\n", "a_b"]
)
def test_names_that_are_no_part_of_an_accounts_name_are_refused(door, name):
    found, why = asyncio.run(come_in(door, name, "a long word", "open sesame"))
    assert found is None
    assert "Choose a name of 2 to 20 characters" in why or name == "ada\n"


def test_the_instructor_has_a_password_before_anybody_signs_up(here, door):
    assert not start.has_password(here, "instructor")
    password = start.give_password(here, "instructor")
    assert start.has_password(here, "instructor")
    assert asyncio.run(come_in(door, "instructor", "my own word", "open sesame"))[0] is None
    assert asyncio.run(come_in(door, "instructor", password))[0] == "instructor"


# --- who is stuck ---------------------------------------------------------------------------------------------------


def test_a_row_tells_where_somebody_is():
    record = {
        "3.1": {**TRIED, "passed": True, "wrong": 1, "date": "2026-03-02T09:30:00"},
        "10.1": {**TRIED, "wrong": 2, "hints": 1},
        "99.9": {**TRIED, "wrong": 50, "date": "2026-03-02T09:59:59"},  # no exercise of the course
    }
    row = stuck.row("ada", record, True, KNOWN, NOW)
    expected = {"name": "ada", "at": "10.1", "wrong": 2, "hints": 1, "minutes": 1, "tried": 2, "passed": 1}
    assert row == {**expected, "look": False, "server": "runs"}
    assert set(row) == set(stuck.COLUMNS)


@pytest.mark.parametrize(
    ("change", "running", "look"),
    [
        ({"wrong": 2}, True, False),
        ({"wrong": 3}, True, True),
        ({"wrong": 3, "passed": True}, True, False),
        ({"wrong": 3}, False, False),  # gone home
        ({"date": "2026-03-02T09:50:01"}, True, False),
        ({"date": "2026-03-02T09:50:00"}, True, True),
        ({"date": "2026-03-02"}, True, True),  # from before the course kept the time: since midnight
        ({"date": "yesterday"}, True, False),
        ({"date": "2026-03-02T11:00:00"}, True, False),  # a clock that is wrong
        ({"date": "2026-03-02T09:50:00+00:00"}, True, False),
    ],
)
def test_whom_to_look_at(change, running, look):
    row = stuck.row("ada", {"3.1": {**TRIED, **change}}, running, KNOWN, NOW)
    assert row["look"] is look
    assert row["minutes"] is None or row["minutes"] >= 0


def test_who_has_tried_nothing_has_a_row_too():
    row = stuck.row("ada", {}, True, KNOWN, NOW)
    assert (row["at"], row["minutes"], row["tried"], row["look"]) == ("", None, 0, False)


def record_of(home):
    path = home / room.PROGRESS / "progress.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def test_a_record_is_read_from_a_file_of_its_owner_and_from_nothing_else(tmp_path):
    me, path = os.getuid(), record_of(tmp_path)
    assert stuck.read_record(tmp_path, me) == {}
    path.write_text(json.dumps({"3.1": TRIED}), encoding="utf-8")
    assert stuck.read_record(tmp_path, me) == {"3.1": TRIED}
    assert stuck.read_record(tmp_path, me + 1) == {}
    for trash in ("", "[1]", '{"3.1": 7}', "not json", "[" * 100_000, "\0" * 50, " " * (stuck.LARGEST + 1) + "{}"):
        path.write_text(trash, encoding="utf-8")
        assert stuck.read_record(tmp_path, me) == {}
    path.write_bytes(b'{"3.1": "\xff"}')
    assert stuck.read_record(tmp_path, me) == {}


def test_a_link_or_a_pipe_in_a_records_place_is_not_followed(tmp_path):
    me, path = os.getuid(), record_of(tmp_path)
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps({"3.1": TRIED}), encoding="utf-8")
    path.symlink_to(secret)
    assert stuck.read_record(tmp_path, me) == {}
    path.unlink()
    os.mkfifo(path)
    assert stuck.read_record(tmp_path, me) == {}  # and does not wait for somebody to write
    path.unlink()
    path.mkdir()
    assert stuck.read_record(tmp_path, me) == {}


def test_what_a_learner_writes_as_a_record_cannot_break_the_page(tmp_path):
    path = record_of(tmp_path)
    odd = {"attempted": "<b>", "passed": [], "wrong": "1e9", "hints": None, "date": {"a": 1}}
    for key, value in odd.items():
        path.write_text(json.dumps({"3.1": {**TRIED, key: value}}), encoding="utf-8")
        assert stuck.read_record(tmp_path, os.getuid()) == {}
    path.write_text(json.dumps({"=3.1": TRIED, "3.2": {**TRIED, "date": "=1+1"}, "<b>": TRIED}), encoding="utf-8")
    row = stuck.row("ada", stuck.read_record(tmp_path, os.getuid()), True, KNOWN, NOW)
    assert (row["at"], row["minutes"], row["tried"]) == ("3.2", None, 1)


def test_the_csv_has_a_line_a_learner_and_no_formula():
    rows = [stuck.row(name, {"3.1": {**TRIED, "wrong": 4}}, True, KNOWN, NOW) for name in ("ada", "ben")]
    read = list(csv.DictReader(stuck.as_csv(rows).splitlines()))
    assert [line["name"] for line in read] == ["ada", "ben"]
    assert read[0]["look"] == "True"
    assert read[0]["wrong"] == "4"
    assert read[0]["at"] == "3.1"
    assert not any(value.startswith(("=", "+", "-", "@")) for line in read for value in line.values())


def test_every_exercise_of_the_course_is_known_in_its_order():
    numbers = stuck.exercise_numbers()
    assert numbers[:2] == ("0.1", "1.1")
    assert numbers[-1].startswith("16.")
    assert len(set(numbers)) == len(numbers) > 50


# --- memory -----------------------------------------------------------------------------------------------------------


programs = st.lists(
    st.builds(
        watchdog.Program,
        pid=st.integers(1, 10**6),
        learner=st.sampled_from(["ada", "ben", "chi"]),
        memory=st.integers(0, 1000),
        server=st.booleans(),
    ),
    unique_by=lambda program: program.pid,
)


@given(programs, st.integers(1, 1500))
def test_of_each_learner_above_the_limit_one_program_ends_and_of_others_none(found, limit):
    ended = watchdog.offenders(found, limit)
    for learner in ("ada", "ben", "chi"):
        mine = [program for program in found if program.learner == learner]
        chosen = [program for program in ended if program.learner == learner]
        assert len(chosen) == (sum(program.memory for program in mine) > limit)
        for program in chosen:
            others = [other for other in mine if not other.server]
            assert not program.server or not others
            assert program.memory == max(other.memory for other in others or mine)


def test_the_notice_says_what_happened_and_what_to_do():
    program = watchdog.Program(7, "ada", int(2.5 * settings.GIB), False)
    text = watchdog.notice(program, 2 * settings.GIB)
    assert "It used 2.5 GiB" in text
    assert "everybody has 2.0 GiB" in text
    assert "run the lesson again" in text


def test_setup_shows_the_notice_and_nothing_where_there_is_none(tmp_path, monkeypatch, capsys):
    import course_lib

    monkeypatch.setenv("COURSE_NOTICE", str(tmp_path / "ada"))
    course_lib.setup(seed=1)
    assert capsys.readouterr().out == ""
    (tmp_path / "ada").write_text("A program of yours was ended.\n", encoding="utf-8")
    course_lib.setup(seed=1)
    assert capsys.readouterr().out == "A program of yours was ended.\n"


# --- a learner's folder -----------------------------------------------------------------------------------------------


def test_a_learner_gets_copies_that_an_update_never_overwrites(tmp_path):
    course = tmp_path / "course"
    singleuser.prepare(course)
    mine = course / "my_notebooks" / "03_vanilla_rnn.ipynb"
    notebook = json.loads(mine.read_text(encoding="utf-8"))
    notebook["cells"][1]["source"] = ["my own words"]
    mine.write_text(json.dumps(notebook), encoding="utf-8")
    singleuser.prepare(course)
    assert "my own words" in mine.read_text(encoding="utf-8")
    assert (course / "datasets").readlink() == singleuser.ROOT / "datasets"
    assert not (course / "my_notebooks" / singleuser.NEWS).exists()


def test_a_copy_that_cannot_be_opened_is_told_with_the_way_out_on_a_server(tmp_path):
    course = tmp_path / "course"
    singleuser.prepare(course)
    (course / "my_notebooks" / "03_vanilla_rnn.ipynb").write_text("{", encoding="utf-8")
    singleuser.prepare(course)
    news = (course / "my_notebooks" / singleuser.NEWS).read_text(encoding="utf-8")
    assert "03_vanilla_rnn.ipynb" in news
    assert "Stop My Server" in news
    assert "make lab" not in news


def test_links_follow_a_course_that_was_moved(tmp_path):
    course = tmp_path / "course"
    course.mkdir()
    (course / "docs").symlink_to(tmp_path / "where it was")
    singleuser.prepare(course)
    assert (course / "docs").readlink() == singleuser.ROOT / "docs"


# --- starting ---------------------------------------------------------------------------------------------------------


def test_without_root_or_linux_the_way_is_said(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert "`sudo make classroom`" in start.refuse_machine()
    assert "ARGS=--try" in start.refuse_machine()


def test_without_node_the_way_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(start, "HERE", tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match=r"needs Node\.js 18"):
        start.proxy_program()


def test_a_taken_port_is_said_at_once(here):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        here.port = taken.getsockname()[1]
        with pytest.raises(SystemExit, match=f"cannot listen on 127.0.0.1, port {here.port}: Address.*Another: --port"):
            start.start_proxy(here, "no program is needed to see that")


def test_a_trial_and_a_classroom_do_not_share_a_folder(tmp_path):
    start.open_room(start.arguments_of(["--folder", str(tmp_path), "--try", "--port", "8123"]))
    again = start.open_room(start.arguments_of(["--folder", str(tmp_path), "--try", "--memory", "1.5"]))
    assert (again.port, again.memory) == (8123, 1.5 * settings.GIB)
    with pytest.raises(SystemExit, match="belongs to a classroom with --try"):
        start.open_room(start.arguments_of(["--folder", str(tmp_path)]))


def test_a_process_is_told_from_a_later_one_of_the_same_number(here):
    start.note(here, "hub.pid", os.getpid())
    assert start.running(here, "hub.pid").pid == os.getpid()
    here.path("hub.pid").write_text(f"{os.getpid()} 12.5", encoding="utf-8")
    assert start.running(here, "hub.pid") is None
    assert start.running(here, "proxy.pid") is None


@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0"])
def test_the_start_says_who_holds_the_limits_and_whether_passwords_are_open(here, listen, monkeypatch):
    here.listen = listen
    monkeypatch.setattr(room, "systemd_runs", lambda: False)
    text = "\n".join(start.greeting(here))
    assert "held by the watchdog" in text
    assert "by systemd" not in text
    assert ("unencrypted" in text) is (listen == "0.0.0.0")
    assert here.room_password in text
    monkeypatch.setattr(room, "systemd_runs", lambda: True)
    assert "held by systemd" in "\n".join(start.greeting(here))


# --- the whole room, on this machine ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    """A classroom of three learners: its settings, the instructor's password, and what the start said so far."""
    folder = tmp_path_factory.mktemp("room")
    command = [sys.executable, "-m", "classroom.start", "--try", "--folder", str(folder), "--memory", "0.75"]
    command += ["--port", str(settings.free_port())]
    with open(folder / "said", "w+", encoding="utf-8") as said:
        process = subprocess.Popen(command, cwd=settings.ROOT, stdout=said, stderr=said)
        try:
            until = time.monotonic() + 120
            while "To end it" not in (text := (folder / "said").read_text(encoding="utf-8")):
                assert process.poll() is None, text
                assert time.monotonic() < until, text
                time.sleep(0.2)
            password = re.search(r"Your password as instructor: (\S+)", text)[1]
            yield SimpleNamespace(here=settings.load(folder), password=password, said=folder / "said")
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(60)
    here = settings.load(folder)
    assert code == 0
    assert not watchdog.running(trial=True)
    assert not start.running(here, "hub.pid")
    assert not start.running(here, "proxy.pid")


def wait_until(true, seconds=60):
    until = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(0.3)
    return found


@pytest.fixture(scope="module")
def ada(trial):
    learner = Learner(trial.here.address, "ada", "i-am-ada")
    assert learner.sign_in() == ""
    learner.start()
    return learner


@pytest.fixture(scope="module")
def instructor(trial):
    person = Learner(trial.here.address, trial.here.instructor, trial.password)
    assert person.sign_in() == ""
    wait_until(lambda: person.ask("GET", "/services/stuck/").ok)
    return person


@SERVED
@pytest.mark.slow
class TestTheRoom:
    """In this order: the later tests need what the earlier ones left."""

    def test_a_learner_works_in_copies_with_the_rooms_settings(self, ada):
        cells = ada.lesson("03_vanilla_rnn.ipynb")
        with ada.kernel() as kernel:
            kernel.run(cells[0])
            where = kernel.run("import os; print(os.getcwd().split('/')[-2:])")
            assert where.strip() == "['course', 'my_notebooks']"
            assert "NOT YET" in kernel.run('ex.check("3.1", lambda *a: 0)')
            assert "Your instructor sees this list." in kernel.run(
                "from course_lib.teaching.exercise import progress_report; print(progress_report())"
            )

    def test_the_page_of_sign_in_tells_learners_what_the_instructor_sees(self, trial):
        page = Learner(trial.here.address, "x", "y").ask("GET", "/hub/login").text
        assert "Your instructor sees which exercises you tried" in page
        assert "The room&#39;s password" in page

    def test_the_instructor_sees_it_live_and_as_csv(self, instructor):
        row = wait_until(
            lambda: next(
                (
                    row
                    for row in instructor.ask("GET", "/services/stuck/rows.json").json()["rows"]
                    if row["name"] == "ada" and row["tried"]
                ),
                None,
            )
        )
        assert (row["at"], row["wrong"], row["passed"], row["server"]) == ("3.1", 1, 0, "runs")
        answer = instructor.ask("GET", "/services/stuck/stuck.csv")
        assert answer.headers["Content-Type"].startswith("text/csv")
        assert [line["name"] for line in csv.DictReader(answer.text.splitlines())] == ["ada"]

    def test_the_instructor_can_open_a_learners_server(self, instructor, ada):
        answer = instructor.ask("GET", "/user/ada/lab")
        assert answer.ok
        assert "/hub/api/oauth2/authorize" in answer.url
        assert "Authorize" in answer.text

    @pytest.mark.parametrize(
        "path",
        [
            "/user/ada/lab",
            "/user/ada/api/contents/my_notebooks",
            "/user/ada/api/kernels",
            "/services/stuck/",
            "/services/stuck/rows.json",
            "/services/stuck/stuck.csv",
            "/hub/admin",
            "/hub/api/users",
            "/hub/api/users/ada",
        ],
    )
    def test_another_learner_cannot_reach(self, trial, ada, path):
        ben = Learner(trial.here.address, "ben", "i-am-ben")
        assert ben.sign_in() == ""
        assert ben.ask("GET", path).status_code in (403, 404)
        stranger = Learner(trial.here.address, "zoe", "zoes-password")
        answer = stranger.ask("GET", path)
        assert answer.status_code == 403 or "/hub/login" in answer.url

    def test_who_uses_up_memory_hurts_only_themselves_and_is_told(self, trial, ada):
        ben = Learner(trial.here.address, "ben", "i-am-ben")
        assert ben.sign_in() == ""
        ben.start()
        setup = "import course_lib; _ = course_lib.setup(seed=1)"
        with ada.kernel() as other:
            other.run("kept = 41")
            with ben.kernel() as kernel, pytest.raises(Failed, match="the kernel died"):
                kernel.run("import numpy as np, time; much = np.ones(2**27); time.sleep(60)")  # 1 GiB; here .75 may be
            assert other.run("print(kept + 1)").strip() == "42"
            with ben.kernel() as kernel:
                assert "a program of yours was ended" in kernel.run(setup)
            assert ben.ask("GET", "/user/ben/api/status").ok
            assert "ended" not in other.run(setup)

    def test_a_hub_and_a_proxy_that_are_killed_come_back_and_lose_nothing(self, trial, ada):
        before = start.running(trial.here, "hub.pid")
        with ada.kernel() as kernel:
            kernel.run("kept = 41")
            before.kill()
            assert kernel.run("kept += 1; print(kept)").strip() == "42"  # without a hub
            wait_until(lambda: (now := start.running(trial.here, "hub.pid")) and now.pid != before.pid)
            wait_until(lambda: ada.ask("GET", "/hub/api").ok)
            assert ada.ask("GET", "/user/ada/api/status").ok
            assert kernel.run("kept += 1; print(kept)").strip() == "43"
        start.running(trial.here, "proxy.pid").kill()

        def answers():
            try:
                return ada.ask("GET", "/user/ada/api/status").ok
            except OSError:
                return False

        wait_until(answers)
        kernel.connect()
        with kernel:
            assert kernel.run("kept += 1; print(kept)").strip() == "44"
        assert "learners go on" in trial.said.read_text(encoding="utf-8")

    def test_sign_up_with_the_rooms_password(self, trial):
        eve = Learner(trial.here.address, "eve", "eves-own-word")
        assert "Nobody called eve has signed up yet" in eve.sign_in()
        assert "Nobody called eve has signed up yet" in eve.sign_in("guessed")
        assert eve.sign_in(trial.here.room_password) == ""
        assert Learner(trial.here.address, "eve", "eves-own-word").sign_in() == ""
        assert Learner(trial.here.address, "eve", "another-word").sign_in() == "Invalid username or password"

    def test_a_second_start_of_the_same_room_is_refused(self, trial):
        command = [sys.executable, "-m", "classroom.start", "--try", "--folder", trial.here.folder]
        again = subprocess.run(command, cwd=settings.ROOT, capture_output=True, text=True, check=False, timeout=60)
        assert again.returncode == 1
        assert "runs already" in again.stderr
        assert psutil.pid_exists(start.running(trial.here, "hub.pid").pid)


@SERVED
@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux" or os.getuid() != 0 or not shutil.which("unshare"),
    reason="needs Linux, root and unshare: a world in which accounts can be made and vanish again",
)
def test_with_accounts_learners_cannot_read_each_others_files_and_outlive_the_hub():
    able = subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True)
    if able.returncode:
        pytest.skip("this container allows no mounts of its own")
    script = settings.ROOT / "tests" / "accounts_room.py"
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, str(script)]
    done = subprocess.run(command, cwd=settings.ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "The room held." in done.stdout


@SERVED
@pytest.mark.usefixtures("ada", "instructor")
class TestThePageInABrowser:
    pytestmark = NEEDED

    def test_it_sorts_and_marks_without_colour(self, trial, tmp_path):
        now = datetime.datetime.now()
        people = {"ben": ("3.2", 4, 2, 2), "chi": ("3.1", 0, 0, 14), "eve": ("10.1", 1, 0, 1)}
        for name, (number, wrong, hints, minutes) in people.items():
            moment = (now - datetime.timedelta(minutes=minutes)).isoformat(timespec="seconds")
            record = {number: {**TRIED, "wrong": wrong, "hints": hints, "date": moment}}
            record_of(trial.here.path("homes") / name).write_text(json.dumps(record), encoding="utf-8")
            learner = Learner(trial.here.address, name, f"i-am-{name}")
            learner.sign_in(trial.here.room_password)
        with open_page() as page:
            page.goto(f"{trial.here.address}/services/stuck/")
            page.fill("#username_input", trial.here.instructor)
            page.fill("#password_input", trial.password)
            page.click("#login_submit")
            page.wait_for_selector("tbody tr")
            page.wait_for_function("document.querySelectorAll('tbody tr').length >= 4")

            def column(place):
                return page.locator(f"tbody td:nth-child({place})").all_inner_texts()

            marked = dict(zip(column(2), column(1), strict=True))
            assert marked["eve"] == ""
            page.click("th button[data-key=wrong]")
            assert column(2)[0] == "ben"
            assert column(4)[0] == "4"
            assert page.locator("th[aria-sort=descending]").inner_text() == "wrong ↓"
            page.click("th button[data-key=wrong]")
            assert column(2)[-1] == "ben"
            page.keyboard.press("Enter")  # the heading keeps the focus
            assert column(2)[0] == "ben"
            page.click("th button[data-key=at]")
            at = [(number, name) for number, name in zip(column(3), column(2), strict=True) if name in people]
            assert at == [("3.1", "chi"), ("3.2", "ben"), ("10.1", "eve")]
            size = page.evaluate("parseFloat(getComputedStyle(document.querySelector('td')).fontSize)")
            assert size >= 24
            assert not [text for text in page.complaints if "favicon" not in text]
