"""Records: whole, made or confirmed by today's code, as their reproductions say, and no number edited by hand."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from course_lib import lessons
from course_lib.teaching import experiment, reproduce
from course_lib.teaching.code_hash import ROOT, SourceCode
from course_lib.teaching.experiment import Reproduction, agree, recorded, rewrite, rows_hash

ALL = experiment.reproductions()
CODE = SourceCode()


# --- the records of the course -------------------------------------------------------------------------------------


@pytest.mark.parametrize("r", ALL, ids=lambda r: r.key)
def test_each_record_is_whole_and_says_what_its_reproduction_says(r):
    assert [problem for problem in experiment.problems(r, CODE) if "its code has changed" not in problem] == []


@pytest.mark.parametrize("r", ALL, ids=lambda r: r.key)
def test_each_record_was_made_or_confirmed_by_the_code_of_today(r):
    assert [problem for problem in experiment.problems(r, CODE) if "its code has changed" in problem] == []


@pytest.mark.parametrize("r", ALL, ids=lambda r: r.key)
def test_each_record_holds_and_says_when_it_was_run(r):
    contents = json.loads(r.file.read_text(encoding="utf-8"))
    assert recorded(r.key).holds
    assert time.strptime(contents["full_run"], "%Y-%m-%d")
    confirmed = contents["confirmed_on"]
    assert confirmed is None or (set(confirmed["seeds"]) <= set(r.seeds) and confirmed["date"] >= contents["full_run"])


def test_every_file_belongs_to_a_reproduction():
    files = {file for lesson in lessons.written() for file in (lesson.folder / "records").glob("*.json")}
    assert files == {r.file for r in ALL}
    assert len({r.key for r in ALL}) == len(ALL)


def test_unknown_reproductions_are_named():
    with pytest.raises(ValueError, match=r"'elman'.*elman-xor"):
        experiment.find("elman")


def spoiled(value):
    """The value with another last digit, or another value of its kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, float):
        return float(np.nextafter(value, np.inf))
    if isinstance(value, list):
        return [*value[:-1], spoiled(value[-1])]
    return {type(None): lambda v: 0, int: lambda v: v + 1, str: lambda v: v[:-1]}[type(value)](value)


@pytest.mark.parametrize("r", ALL, ids=lambda r: r.key)
def test_the_hash_of_the_rows_sees_the_last_digit_of_every_number(r):
    rows = recorded(r.key).rows[:3]
    whole = rows_hash(rows)
    for row in rows:
        for name in row:
            kept = row[name]
            row[name] = spoiled(kept)
            assert rows_hash(rows) != whole, name
            row[name] = kept
    assert rows_hash(rows) == whole
    assert rows_hash(rows[::-1]) != whole or len(rows) == 1


def in_form(form, monkeypatch):
    """Let every lesson say that it is of this form."""
    find = lessons.find
    monkeypatch.setattr(lessons, "find", lambda number: find(number)._replace(form=form))


def test_agreement_is_said_in_a_line(monkeypatch):
    live = [{"full": 0.01, "one_step": 0.3}]
    in_form(1, monkeypatch)
    said = agree("elman-xor", live)
    assert said.startswith("Elman 1990")
    assert " ".join(said.split()).endswith(f"{experiment.find('elman-xor').criterion} ✓ as in the 20 recorded runs")
    assert max(map(len, said.splitlines())) <= 96
    in_form(2, monkeypatch)
    assert agree("elman-xor", live) == "✓ as in the 20 recorded runs"


# --- a record that is spoiled --------------------------------------------------------------------------------------

ROWS = [
    {"seed": seed, "error": error, "updates": updates, "ends": ends, "curve": [0.5, error]}
    for seed, error, updates, ends in [(0, 0.01, 100, True), (1, 0.03, 300, True), (2, 0.02, None, True)]
]
LIVE = [{name: value for name, value in row.items() if name != "seed"} for row in ROWS]


def toy(key="toy", measure=lambda seed: {k: v for k, v in ROWS[seed].items() if k != "seed"}):
    """A reproduction whose measurement takes no time."""
    return Reproduction(
        key=key,
        lesson="06",
        paper="Nobody 1999",
        claim="errors are small",
        reported=".02",
        criterion="each error below .05",
        seeds=range(3),
        measure=measure,
        holds=lambda rows: all(row["error"] < 0.05 for row in rows),
        measured=lambda rows: f"{max(row['error'] for row in rows)}",
    )


class Here:
    """Instead of processes: what is asked for is done at once."""

    def __init__(self, *_, **__):
        pass

    def submit(self, function, *arguments):
        future = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, **_):
        pass


@pytest.fixture
def room(tmp_path, monkeypatch):
    """Reproductions of one's own, in a folder of their own: ``room.of(toy(), ...)``."""
    monkeypatch.setattr(Reproduction, "file", property(lambda r: tmp_path / "records" / f"{r.key}.json"))
    monkeypatch.setattr(Reproduction, "code_hash", lambda r, code=None: room.code)
    monkeypatch.setattr(reproduce, "FINISHED", tmp_path / "finished")
    monkeypatch.setattr(reproduce, "ProcessPoolExecutor", Here)
    for name in (*reproduce.THREADS, "COURSE_STATIC"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # put back afterwards

    class room:
        code, finished = "c0de", tmp_path / "finished"

        @staticmethod
        def of(*reproductions):
            for module in (experiment, reproduce):
                monkeypatch.setattr(module, "reproductions", lambda: list(reproductions))
            return reproductions

        @staticmethod
        def edit(key, change):
            file = tmp_path / "records" / f"{key}.json"
            contents = json.loads(file.read_text(encoding="utf-8"))
            change(contents)
            file.write_text(json.dumps(contents), encoding="utf-8")

        @staticmethod
        def contents(key="toy"):
            return json.loads((tmp_path / "records" / f"{key}.json").read_text(encoding="utf-8"))

    room.of(toy())
    return room


@pytest.fixture
def written(room):
    """The toy's record, run in full."""
    assert reproduce.main([]) == 0
    return room


def test_a_full_run_writes_the_record(written):
    contents = written.contents()
    assert contents["rows"] == ROWS
    assert contents["rows_hash"] == rows_hash(ROWS)
    assert (contents["code_hash"], contents["confirmed_on"], contents["numpy"]) == ("c0de", None, np.__version__)
    assert (contents["holds"], contents["measured"]) == (True, "0.03")
    assert contents["full_run"] == time.strftime("%Y-%m-%d")
    assert experiment.problems(toy()) == []
    assert not list(written.finished.iterdir())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ROWS[0])
def test_a_number_edited_by_hand_is_refused_wherever_the_record_is_used(written, seed, name):
    written.edit("toy", lambda contents: contents["rows"][seed].update({name: spoiled(contents["rows"][seed][name])}))
    for use in (lambda: recorded("toy"), lambda: agree("toy", LIVE), lambda: rewrite(toy())):
        with pytest.raises(ValueError, match=r"The rows of toy\.json were edited .*`make reproduce ARGS=toy`"):
            use()
    (row,) = experiment.scoreboard()
    assert row["holds"] is None
    assert "were edited" in row["problems"][0]


@pytest.mark.parametrize("name", ["paper", "claim", "reported", "criterion", "measured", "holds"])
def test_the_scoreboard_reports_each_word_that_differs(written, name):
    written.edit("toy", lambda contents: contents.update({name: spoiled(contents[name])}))
    (row,) = experiment.scoreboard()
    assert len(row["problems"]) == 1
    assert f"{name!r} in other words" in row["problems"][0]
    assert row["holds"]  # computed from the rows, whatever the file says
    assert reproduce.main(["--wording"]) == 0
    assert experiment.scoreboard()[0]["problems"] == []


def test_the_scoreboard_reports_another_code_hash_other_seeds_and_a_missing_record(written):
    written.edit("toy", lambda contents: contents.update(code_hash="c0df"))
    assert ["its code has changed" in problem for problem in experiment.scoreboard()[0]["problems"]] == [True]
    written.edit("toy", lambda contents: contents.update(rows_hash=spoiled(contents["rows_hash"])))
    assert "were edited" in experiment.scoreboard()[0]["problems"][0]
    written.edit("toy", lambda c: c.update(rows=ROWS[:2], rows_hash=rows_hash(ROWS[:2]), code_hash="c0de"))
    assert "its seeds are [0, 1], not [0, 1, 2]" in experiment.scoreboard()[0]["problems"][0]
    written.of(toy("absent"))
    (row,) = experiment.scoreboard()
    assert row["holds"] is None
    assert "absent.json is missing" in row["problems"][0]
    with pytest.raises(FileNotFoundError, match="make reproduce"):
        recorded("absent")


@pytest.mark.parametrize("form", [1, 2])
def test_agreement_fails_by_the_last_digit_live_and_recorded(form, written, monkeypatch):
    in_form(form, monkeypatch)
    below = float(np.nextafter(0.05, 0))
    said = {1: "Nobody 1999: each error below .05   ✓ as in the 3 recorded runs", 2: "✓ as in the 3 recorded runs"}
    assert agree("toy", [{"error": below}]) == said[form]
    with pytest.raises(AssertionError, match=r"Recorded: 0\.03 \(held\)\. Live: 0\.05 \(not held\)"):
        agree("toy", [{"error": below}, {"error": 0.05}])
    rewrite(toy(), [*ROWS[:2], ROWS[2] | {"error": 0.05}])
    with pytest.raises(AssertionError, match=r"Recorded: 0\.05 \(not held\)\. Live: 0\.01 \(held\)"):
        agree("toy", [{"error": 0.01}])
    with pytest.raises(ValueError, match="at least one live row"):
        agree("toy", [])
    with pytest.raises(ValueError, match="measured just now, but got recorded ones of 'toy'"):
        agree("toy", recorded("toy").rows)


def test_agreement_with_a_single_recorded_run_is_said_in_the_singular(written):
    rewrite(toy(), ROWS[:1])
    assert agree("toy", [{"error": 0.01}]).endswith("✓ as in the 1 recorded run")


def test_agreement_does_not_depend_on_the_code_hash(written):
    said = agree("toy", LIVE)
    written.code = "another"
    assert agree("toy", LIVE) == said


def test_new_names_of_columns_keep_what_is_known_about_the_run(written):
    before = written.contents()
    renamed = [{("steps" if name == "updates" else name): value for name, value in row.items()} for row in ROWS]
    rewrite(toy(), renamed)
    after = written.contents()
    assert recorded("toy").rows == renamed
    assert {name for name in before if before[name] != after[name]} == {"rows", "rows_hash"}


def test_an_interrupted_write_leaves_the_old_record(written, monkeypatch):
    before = written.contents()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        rewrite(toy(), ROWS[::-1])
    monkeypatch.undo()
    assert [path.name for path in (written.finished.parent / "records").iterdir()] == ["toy.json"]
    assert json.loads((written.finished.parent / "records" / "toy.json").read_text(encoding="utf-8")) == before


# --- make reproduce ------------------------------------------------------------------------------------------------


def counted(stop_at=None, error=KeyboardInterrupt):
    """A measurement that counts its calls, and stops at a seed."""
    calls = []

    def measure(seed):
        if seed == stop_at:
            raise error("at this seed")
        calls.append(seed)
        return {name: value for name, value in ROWS[seed].items() if name != "seed"}

    measure.calls = calls
    return measure


def test_an_interrupted_run_goes_on_where_it_stopped(room, capsys, monkeypatch):
    first, second, third = counted(), counted(), counted()
    keep = reproduce.Task.keep

    def interrupted_after_two(task, row, seconds):
        keep(task, row, seconds)
        if len(list(room.finished.rglob("*.json"))) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(reproduce.Task, "keep", interrupted_after_two)
    room.of(toy(measure=first))
    assert reproduce.main([]) == 130
    assert "Finished seeds are kept" in capsys.readouterr().out
    assert not (room.finished.parent / "records").exists()
    kept = {int(file.stem) for file in room.finished.rglob("*.json")}
    assert len(kept) == 2

    monkeypatch.setattr(reproduce.Task, "keep", keep)
    room.of(toy(measure=second))
    assert reproduce.main([]) == 0
    assert set(second.calls) == {0, 1, 2} - kept
    assert room.contents()["rows"] == ROWS

    room.of(toy(measure=third))
    room.code = "of another day"
    assert reproduce.main([]) == 0
    assert sorted(third.calls) == [0, 1, 2]


@pytest.mark.parametrize(("code", "numpy", "again"), [("c0de", None, 0), ("c0df", None, 1), ("c0de", "1.0", 1)])
def test_a_finished_seed_counts_for_the_same_code_and_numpy_only(room, monkeypatch, code, numpy, again):
    row = {"seed": 0, "error": 0.01}
    with monkeypatch.context() as m:
        m.setattr(np, "__version__", numpy or np.__version__)
        reproduce.Task("toy", 0, code).keep(row, 1.0)
    measure = counted()
    room.of(toy(measure=measure))
    ((_, found, _),) = reproduce.measure_all([reproduce.Task("toy", 0, "c0de")])
    assert len(measure.calls) == again
    assert found == (ROWS[0] if again else row)


def test_a_seed_that_fails_is_named_and_the_others_go_on(room, capsys):
    room.of(toy(measure=counted(1, ValueError)), toy("unwritable", lambda seed: {"error": np.zeros(2)}), toy("whole"))
    assert reproduce.main([]) == 1
    said = capsys.readouterr().out
    assert "toy: seed 1 FAILED with ValueError('at this seed')" in said
    assert "unwritable: seed 0 FAILED with TypeError" in said
    assert "whole: held, 0.03" in said
    assert [file.name for file in (room.finished.parent / "records").iterdir()] == ["whole.json"]


def test_a_criterion_that_is_not_held_is_recorded_and_said(room, capsys):
    room.of(toy(measure=lambda seed: {"error": 0.05}))
    assert reproduce.main([]) == 1
    assert "toy: NOT HELD, 0.05" in capsys.readouterr().out
    assert room.contents()["holds"] is False


def test_confirming_renews_the_hash_and_keeps_the_rows(written, capsys):
    measure = counted()
    written.of(toy(measure=measure))
    before, written.code = written.contents(), "of today"
    assert reproduce.main(["--confirm"]) == 0
    after = written.contents()
    assert measure.calls == [0]
    assert after["code_hash"] == "of today"
    assert after["confirmed_on"] == {"seeds": [0], "date": time.strftime("%Y-%m-%d")}
    assert {name for name in before if before[name] != after[name]} == {"code_hash", "confirmed_on"}
    assert "1 of 1 records confirmed" in capsys.readouterr().out
    assert not list(written.finished.iterdir())


def test_what_does_not_agree_is_listed_and_keeps_its_old_hash(written, capsys):
    before, written.code = written.contents(), "of today"
    written.of(toy(measure=lambda seed: {"error": 0.0401, "updates": 401, "ends": False, "curve": [0.5]}))
    assert reproduce.main(["--confirm"]) == 1
    assert written.contents() == before
    said = capsys.readouterr().out
    assert "0 of 1 records confirmed" in said
    assert "    error: recorded 0.01 to 0.03, now 0.0401\n" in said
    assert "    updates: recorded 100 to 300 or None, now 401\n" in said
    assert "    ends: recorded True, now False\n" in said
    assert "    curve[1]: recorded 0.01 to 0.03, now missing\n" in said
    assert "curve[0]" not in said


def test_confirming_says_what_has_no_record_or_fails(written, capsys):
    written.of(toy(), toy("absent"))
    assert reproduce.main(["--confirm"]) == 1
    assert "absent.json is missing" in capsys.readouterr().out
    written.of(toy(measure=counted(0, ValueError)))
    assert reproduce.main(["--confirm"]) == 1
    assert "failed with ValueError" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("recorded_values", "value", "agrees"),
    [
        ([1.0, 3.0], 0.0, True),
        ([1.0, 3.0], 4.0, True),
        ([1.0, 3.0], float(np.nextafter(4, 5)), False),
        ([1.0, 3.0], float(np.nextafter(0, -1)), False),
        ([2.0, 2.0], 2.0, True),
        ([2.0, 2.0], 2.0 + 1e-9, True),
        ([2.0, 2.0], 2.0 + 1e-8, False),
        ([0.0, 0.0], 1e-300, False),
        ([1, 3], 4, True),
        ([1, 3], 5, False),
        ([1, None], None, True),
        ([1, 3], None, False),
        ([None, None], 1, False),
        ([1.0, float("nan")], float("nan"), True),
        ([1.0, 2.0], float("nan"), False),
        ([1.0, float("nan")], 1.0, True),
        ([1.0, float("inf")], float("inf"), True),
        ([1.0, 2.0], float("inf"), False),
        ([True, True], True, True),
        ([True, True], False, False),
        ([True, True], 1, False),
        ([0, 1], True, False),
        (["a", "b"], "b", True),
        (["a", "b"], "c", False),
        ([[1.0, 5.0], [2.0]], [1.5], True),
        ([[1.0], [2.0]], [1.5, 1.5], False),
        ([[1.0, 5.0], [2.0, 6.0]], [1.5, 9.0], False),
    ],
)
def test_agreement_of_a_new_row(recorded_values, value, agrees):
    rows = [{"seed": n, "x": v} for n, v in enumerate(recorded_values)]
    assert (reproduce.disagreements({"seed": 9, "x": value}, rows) == []) == agrees


def test_a_column_too_many_or_too_few_does_not_agree():
    rows = [{"seed": 0, "x": 1.0}, {"seed": 1, "x": 2.0}]
    assert reproduce.disagreements({"seed": 0}, rows) == ["x: recorded 1 to 2, now missing"]
    assert reproduce.disagreements({"seed": 0, "x": 1.0, "y": 1}, rows) == ["y: recorded missing, now 1"]


def test_seconds_are_the_machines_and_have_to_be_there():
    rows = [{"seed": 0, "x": 1.0, "seconds": 9.0, "GRU seconds": 2.0}]
    assert reproduce.disagreements({"seed": 0, "x": 1.0, "seconds": 300.0, "GRU seconds": 0.1}, rows) == []
    assert len(reproduce.disagreements({"seed": 0, "x": 1.0, "seconds": 0.0}, rows)) == 2
    assert len(reproduce.disagreements({"seed": 0, "x": 1.1, "seconds": 9.0, "GRU seconds": 2.0}, rows)) == 1


@pytest.mark.parametrize(
    ("arguments", "measured"),
    [([], "abc"), (["b", "a", "b"], "ba"), (["--stale"], "c"), (["--confirm"], "abc"), (["--confirm", "--stale"], "c")],
)
def test_which_records_are_run(room, arguments, measured):
    calls = []

    def measure_as(key):
        return lambda seed: (calls.append(key), {"error": 0.01})[1]

    room.of(*(toy(key, measure_as(key)) for key in "abc"))
    assert reproduce.main([]) == 0
    room.edit("c", lambda contents: contents.update(code_hash="of yesterday"))
    calls.clear()
    assert reproduce.main(arguments) == 0
    assert "".join(dict.fromkeys(calls)) == measured


def test_what_is_left_is_estimated_from_the_records(written):
    written.edit("toy", lambda contents: contents.update(seconds=300.0))
    written.of(toy(), toy("absent"))
    tasks = [reproduce.Task("toy", 0, ""), reproduce.Task("absent", 0, "")]
    clock = reproduce.Clock(tasks)
    clock.start -= 200  # seconds ago
    assert clock.after(tasks[0]) == "about 2 min left"  # 100 s as recorded, 60 s unknown: 200 s passed, 120 s to go
    assert clock.after(tasks[1]) == "about 0 s left"


@pytest.mark.slow
def test_two_processes_measure_and_can_be_interrupted(tmp_path):
    """The command itself, on a copy of the records' place for finished seeds: squid-axon takes less than a second."""
    program = f"""
import sys
from pathlib import Path
from course_lib.teaching import reproduce
from course_lib.teaching.experiment import Reproduction
if __name__ == "__main__":
    reproduce.FINISHED = Path({str(tmp_path / "finished")!r})
    Reproduction.file = property(lambda r: Path({str(tmp_path)!r}) / "records" / (r.key + ".json"))
    sys.exit(reproduce.main(sys.argv[1:]))
"""
    script = tmp_path / "run.py"
    script.write_text(program, encoding="utf-8")
    env = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    done = subprocess.run([sys.executable, script, "squid-axon"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "squid-axon: held" in done.stdout
    rows = json.loads((tmp_path / "records" / "squid-axon.json").read_text(encoding="utf-8"))["rows"]
    assert reproduce.disagreements(rows[0], recorded("squid-axon").rows) == []

    if os.name == "nt":
        return  # where a process cannot be sent Ctrl-C alone
    command = [sys.executable, script, "tables-and-floor", "irnn"]
    running = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout.readline().startswith("tables-and-floor: seed")
    running.send_signal(signal.SIGINT)
    said, complaints = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Finished seeds are kept" in said
    assert "Traceback" not in complaints
    assert list((tmp_path / "finished" / "tables-and-floor").rglob("*.json"))
    assert not (tmp_path / "records" / "irnn.json").exists()
