"""``make reproduce``: measure over all seeds and record, or confirm what is recorded with one seed each.

====================================  ================================================================================
``make reproduce``                    all seeds of all records, hours
``make reproduce ARGS="KEY ..."``     of these
``make reproduce ARGS=--stale``       of those that were made by other code than today's
``make reproduce ARGS=--confirm``     the first seed of each; where it agrees, the record is current again
``make reproduce ARGS=--wording``     nothing is measured: what records say in words is written anew
====================================  ================================================================================

The options go together. Two processes of one thread each measure. Every finished seed is kept at once under
``_build/reproduce``, by the hash of its code; the same command after an interruption goes on from there.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np

from course_lib.teaching.code_hash import ROOT, SourceCode
from course_lib.teaching.experiment import (
    Reproduction,
    Row,
    find,
    problems,
    recorded,
    reproductions,
    rewrite,
    timed,
    write,
    write_whole,
)

WORKERS = 2
FINISHED = ROOT / "_build" / "reproduce"
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


# --- does a new row agree with the recorded ones? ------------------------------------------------------------------


def disagreements(row: Row, rows: Sequence[Row]) -> list[str]:
    """Compare what one seed measured with a record.

    A number agrees if it lies between the smallest and the largest of its column, widened on each side by half their
    distance; where all are equal, to 1e-9 of its size. What is no number (None, NaN, a truth value, text), or is
    missing, agrees if it occurs among the recorded ones. Lists are compared place by place. A column whose name is
    "seconds" or ends in it is the machine's, not the result's: it has to be there, and any positive number agrees.

    Parameters
    ----------
    row : dict
        The new measurement.
    rows : list of dict
        The recorded ones.

    Returns
    -------
    list of str
        A line for each column that does not agree: its name, what was recorded, and the new value.
    """
    new, old = _columns(row), [_columns(r) for r in rows]
    names = dict.fromkeys(name for columns in [*old, new] for name in columns if name != "seed")
    found = []
    for name in names:
        value, before = new.get(name, ...), [columns.get(name, ...) for columns in old]
        numbers = [v for v in before if _is_number(v)]
        if _is_number(value) and re.search(r"(^|[_ ])seconds$", name):
            agrees = bool(numbers) and value > 0
        elif _is_number(value):
            agrees = bool(numbers) and _within(value, min(numbers), max(numbers))
        else:
            agrees = _shown(value) in map(_shown, before)
        if not agrees:
            kinds = sorted({_shown(v) for v in before if not _is_number(v)})
            spread = [f"{min(numbers):.6g} to {max(numbers):.6g}"] if numbers else []
            found.append(f"{name}: recorded {' or '.join(spread + kinds)}, now {_shown(value)}")
    return found


def _columns(row):
    """The row with each list taken apart."""
    flat = {}
    for name, value in row.items():
        if isinstance(value, list | tuple):
            flat |= _columns({f"{name}[{i}]": v for i, v in enumerate(value)})
        else:
            flat[name] = value
    return flat


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _within(value, low, high):
    if low == high:
        return math.isclose(value, low, rel_tol=1e-9)
    return low - (high - low) / 2 <= value <= high + (high - low) / 2


def _shown(value):
    if value is ...:
        return "missing"
    return f"{value:.6g}" if isinstance(value, float) else repr(value)


# --- seeds that are finished ---------------------------------------------------------------------------------------


class Task(NamedTuple):
    """One seed to be measured.

    Attributes
    ----------
    key : str
        The reproduction's name.
    seed : int
        Of the measurement's random numbers.
    code_hash : str
        Of the code that measures.
    """

    key: str
    seed: int
    code_hash: str

    @property
    def file(self) -> Path:
        """Where the finished seed is kept."""
        return FINISHED / self.key / self.code_hash / f"{self.seed}.json"

    def keep(self, row: Row, seconds: float) -> None:
        """Keep what was measured.

        Parameters
        ----------
        row : dict
            What was measured.
        seconds : float
            How long it took.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.file, json.dumps({"row": row, "seconds": seconds, "numpy": np.__version__}))

    def kept(self) -> tuple[Row, float] | None:
        """Return what an earlier run measured, with the same code and NumPy, if it did.

        Returns
        -------
        (dict, float) or None
            The row and the seconds it took.
        """
        if not self.file.exists():
            return None
        contents = json.loads(self.file.read_text(encoding="utf-8"))
        return (contents["row"], contents["seconds"]) if contents["numpy"] == np.__version__ else None


def _alone() -> None:
    """Begin a process that measures: Ctrl-C is for the one that asked."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def measure_all(tasks: Sequence[Task]) -> Iterator[tuple[Task, Row | Exception, float]]:
    """Measure seeds, two at a time, and keep each as soon as it is finished.

    Parameters
    ----------
    tasks : list of Task
        Those that an earlier run kept are not measured again.

    Yields
    ------
    task : Task
    row : dict or Exception
        What was measured, or what went wrong.
    seconds : float
    """
    to_do = []
    for task in tasks:
        if (kept := task.kept()) is not None:
            yield task, *kept
        else:
            to_do.append(task)
    if not to_do:
        return
    # One thread a process: two seeds at a time are faster than two threads on one. The processes are started afresh,
    # so that NumPy reads these when it is imported.
    os.environ.update(dict.fromkeys(THREADS, "1"), COURSE_STATIC="1")  # and no bars from several processes at once
    pool = ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("spawn"), initializer=_alone)
    asked: dict[Future, Task] = {pool.submit(timed, task.key, task.seed): task for task in to_do}
    try:
        for future in as_completed(asked):
            task = asked[future]
            try:
                row, seconds = future.result()
                task.keep(row, seconds)
            except Exception as error:  # whatever it is, the other seeds go on
                yield task, error, 0.0
            else:
                yield task, row, seconds
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    pool.shutdown()


class Clock:
    """How long it will take, from what the recorded runs took and what this one has so far.

    Parameters
    ----------
    tasks : list of Task
        All that is to be measured.
    """

    def __init__(self, tasks: Sequence[Task]):
        self.start = time.perf_counter()
        self.expected = {task: _expected_seconds(find(task.key)) for task in tasks}
        self.total, self.done = sum(self.expected.values()), 0.0

    def after(self, task: Task) -> str:
        """Count a finished seed.

        Parameters
        ----------
        task : Task
            Which one.

        Returns
        -------
        str
            Such as "about 12 min left".
        """
        self.done += self.expected[task]
        passed = time.perf_counter() - self.start
        left = passed * (self.total / self.done - 1)
        return f"about {left / 60:.0f} min left" if left > 90 else f"about {left:.0f} s left"


def _expected_seconds(reproduction):
    """Of one seed, as recorded; a minute where nothing is."""
    try:
        return max(recorded(reproduction.key).seconds / len(reproduction.seeds), 0.01)
    except (FileNotFoundError, ValueError):
        return 60.0


# --- the commands --------------------------------------------------------------------------------------------------


def in_full(chosen: Sequence[Reproduction], hashes: dict[str, str]) -> int:
    """Measure all seeds and write the records.

    Parameters
    ----------
    chosen : list of Reproduction
        Whose records are measured.
    hashes : dict of str to str
        Key -> hash of its code.

    Returns
    -------
    int
        1 if a criterion is not held or a measurement failed, else 0.
    """
    tasks = [Task(r.key, seed, hashes[r.key]) for r in chosen for seed in r.seeds]
    rows: dict[str, dict[int, tuple[Row, float]]] = {r.key: {} for r in chosen}
    clock, code = Clock(tasks), 0
    for task, row, seconds in measure_all(tasks):
        left = clock.after(task)
        if isinstance(row, Exception):
            print(f"{task.key}: seed {task.seed} FAILED with {row!r}, {left}", flush=True)
            code = 1
            continue
        print(f"{task.key}: seed {task.seed} in {seconds:.1f} s, {left}", flush=True)
        r, finished = find(task.key), rows[task.key]
        finished[task.seed] = row, seconds
        if len(finished) == len(r.seeds):
            in_order, took = zip(*(finished[seed] for seed in r.seeds), strict=True)
            write(
                r,
                list(in_order),
                seconds=sum(took),
                code_hash=task.code_hash,
                full_run=date.today().isoformat(),
                numpy=np.__version__,
            )
            shutil.rmtree(FINISHED / r.key)
            held = r.holds(list(in_order))
            print(f"{r.key}: {'held' if held else 'NOT HELD'}, {r.measured(list(in_order))}", flush=True)
            code = code if held else 1
    return code


def confirm(chosen: Sequence[Reproduction], hashes: dict[str, str]) -> int:
    """Measure the first seed of each and renew the hash of those that agree with their record.

    Parameters
    ----------
    chosen : list of Reproduction
        Whose records are measured.
    hashes : dict of str to str
        Key -> hash of its code.

    Returns
    -------
    int
        1 if one does not agree, has no record or failed, else 0.
    """
    records = {}
    disagree: dict[str, list[str]] = {}
    for r in chosen:
        try:
            records[r.key] = recorded(r.key)
        except (FileNotFoundError, ValueError) as error:
            disagree[r.key] = [str(error)]
    tasks = [Task(key, find(key).seeds[0], hashes[key]) for key in records]
    clock = Clock(tasks)
    for task, row, seconds in measure_all(tasks):
        r, left = find(task.key), clock.after(task)
        found = [f"failed with {row!r}"] if isinstance(row, Exception) else disagreements(row, records[r.key].rows)
        if found:
            disagree[r.key] = found
            print(f"{r.key}: seed {task.seed} in {seconds:.1f} s DOES NOT AGREE, {left}", flush=True)
            continue
        seen = {"seeds": [task.seed], "date": date.today().isoformat()}
        rewrite(r, code_hash=task.code_hash, confirmed_on=seen)
        shutil.rmtree(FINISHED / r.key)
        print(f"{r.key}: seed {task.seed} in {seconds:.1f} s agrees, {left}", flush=True)
    print(f"{len(chosen) - len(disagree)} of {len(chosen)} records confirmed")
    for key, found in disagree.items():
        print(f"\n{key} keeps its old hash. `make reproduce ARGS={key}` runs it in full.")
        print("\n".join(f"    {line}" for line in found))
    return 1 if disagree else 0


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : list of str
        Keys and options; see the module.

    Returns
    -------
    int
        0 if all is well, 1 if something is not held or does not agree, 130 after an interruption.
    """
    parser = argparse.ArgumentParser(prog="make reproduce", description="Measure and record the papers' results.")
    parser.add_argument("keys", nargs="*", metavar="KEY", help="which records; by default all")
    parser.add_argument("--stale", action="store_true", help="only those made by other code than today's")
    parser.add_argument("--confirm", action="store_true", help="run the first seed of each and compare it")
    parser.add_argument("--wording", action="store_true", help="measure nothing: write anew what records say in words")
    asked = parser.parse_args(arguments)
    chosen = [find(key) for key in dict.fromkeys(asked.keys)] or reproductions()
    source = SourceCode()  # before measuring, so that an edit meanwhile does not go unnoticed
    if asked.stale:
        chosen = [r for r in chosen if problems(r, source)]
    if asked.wording:
        for r in chosen:
            rewrite(r)
        return 0
    hashes = {r.key: r.code_hash(source) for r in chosen}
    try:
        return (confirm if asked.confirm else in_full)(chosen, hashes)
    except KeyboardInterrupt:
        print("\nInterrupted. Finished seeds are kept; the same command goes on from here.")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
