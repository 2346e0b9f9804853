"""``python -m classroom.load_test``: what this machine carries, measured with learners that are programs.

It opens a trial classroom and lets learners come in: each signs up, starts a server, opens a lesson, runs its cells
over a websocket as JupyterLab does, and has the lesson's first exercise checked. ``--think`` is the pause of each
learner before a cell; without it everybody runs everything at once, which no class does.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import requests
import websocket

from classroom import settings, watchdog
from classroom.client import Failed, Learner
from course_lib import lessons

STEPS = ("signed up", "server ready", "first cell", "all cells", "exercise checked")
PANELS = "import os; os.environ['COURSE_STATIC'] = '1'"  # a program moves no sliders


def walk(learner: Learner, room_password: str, number: str, think: float, until: float) -> dict[str, float]:
    """Let one learner work through one lesson.

    Parameters
    ----------
    learner : Learner
        Who.
    room_password : str
        For signing up.
    number : str
        The lesson's, such as "03".
    think : float
        Seconds before each cell.
    until : float
        When to give up, as ``time.monotonic`` has it.

    Returns
    -------
    dict of str to float
        Seconds for each of ``STEPS``; "all cells" without the thinking. A step that failed is missing.
    """
    lesson = lessons.find(number)
    exercise = lesson.module("exercises").EXERCISES[0]
    took, begin = {}, time.monotonic()

    def lap(step: str) -> None:
        nonlocal begin
        took[step] = time.monotonic() - begin
        begin = time.monotonic()

    if complaint := learner.sign_in(room_password):
        raise Failed(complaint)
    lap("signed up")
    learner.start(until - time.monotonic())
    lap("server ready")
    cells = [cell for cell in learner.lesson(f"{lesson.stem}.ipynb") if "ex.check(" not in cell]
    with learner.kernel() as kernel:
        kernel.run(PANELS, until - time.monotonic())
        kernel.run(cells[0], until - time.monotonic())
        lap("first cell")
        busy = 0.0
        for cell in cells[1:]:
            time.sleep(think)
            begin = time.monotonic()
            kernel.run(cell, until - time.monotonic())
            busy += time.monotonic() - begin
        took["all cells"] = busy
        time.sleep(think)
        begin = time.monotonic()
        answer = kernel.run(
            f'{exercise.code}\n\n\nex.check("{exercise.number}", {exercise.solution.__name__})', until - begin
        )
        if "PASSED" not in answer:
            raise Failed(f"{learner.name}'s solution of {exercise.number} did not pass: {answer[:200]}")
        lap("exercise checked")
    return took


class Memory(threading.Thread):
    """Looks every few seconds at what the learners' programs use; shared pages are divided among those that share."""

    def __init__(self):
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self.most_total, self.most_of_one, self.least_free = 0, 0, psutil.virtual_memory().available

    def run(self) -> None:
        """Look until ``ended`` is set."""
        while not self.ended.wait(5):
            of: dict[str, int] = {}
            for program in watchdog.running(trial=True):
                try:
                    pss = psutil.Process(program.pid).memory_full_info().pss
                except psutil.Error:
                    continue
                of[program.learner] = of.get(program.learner, 0) + pss
            self.most_total = max(self.most_total, sum(of.values()))
            self.most_of_one = max([self.most_of_one, *of.values()])
            self.least_free = min(self.least_free, psutil.virtual_memory().available)


def open_trial(folder: Path) -> tuple[subprocess.Popen, settings.Settings]:
    """Open a classroom in a folder and return its process and its settings once it is open."""
    command = [sys.executable, "-m", "classroom.start", "--try", "--folder", str(folder)]
    command += ["--port", str(settings.free_port())]
    said = folder / "said"
    with open(said, "w", encoding="utf-8") as log:
        process = subprocess.Popen(command, cwd=settings.ROOT, stdout=log, stderr=log)
    while "To end it" not in said.read_text(encoding="utf-8"):
        if process.poll() is not None:
            raise SystemExit(said.read_text(encoding="utf-8"))
        time.sleep(0.2)
    return process, settings.load(folder)


def summary(took: Sequence[dict[str, float]], failures: Sequence[str], memory: Memory, seconds: float) -> str:
    """The table of one run: median, the tenth slowest of a hundred, the slowest, in seconds."""
    lines = [f"{'seconds':18}{'median':>8}{'90 %':>8}{'slowest':>9}{'done by':>9}"]
    for step in STEPS:
        values = sorted(found[step] for found in took if step in found)
        if values:
            ninety = values[min(int(0.9 * len(values)), len(values) - 1)]
            row = f"{step:18}{statistics.median(values):8.1f}{ninety:8.1f}{values[-1]:9.1f}"
            lines.append(f"{row}{len(values):6} of {len(took) + len(failures)}")
    gib = settings.GIB
    lines.append(f"the whole run      {seconds:.0f} s; failures: {len(failures)}")
    lines.append(
        f"memory             at most {memory.most_total / gib:.1f} GiB for all, {memory.most_of_one / gib:.2f} GiB for "
        f"one learner; {memory.least_free / gib:.1f} GiB were left"
    )
    kinds = sorted({re.sub(r"learner-\d+|\d+", "N", why)[:160] for why in failures})
    return "\n".join([*lines, *(f"failure: {why}" for why in kinds)])


def main(arguments: Sequence[str]) -> int:
    """Run it and print the table; the exit code is 0 if nobody failed."""
    parser = argparse.ArgumentParser(prog="python -m classroom.load_test", description=__doc__.partition("\n")[0])
    parser.add_argument("--learners", type=int, default=30)
    parser.add_argument("--lesson", default="03", help="such as 03, or 08 for TensorFlow")
    parser.add_argument("--within", type=float, default=60, help="seconds in which they come in one after another")
    parser.add_argument("--think", type=float, default=5, help="seconds of each before a cell")
    parser.add_argument("--seconds", type=float, default=900, help="when the run is ended, whatever is still to do")
    chosen = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="classroom-load-"))
    process, here = open_trial(folder)
    memory = Memory()
    memory.start()
    begin = time.monotonic()
    took, failures = [], []

    def one(place: int) -> None:
        time.sleep(place * chosen.within / chosen.learners)
        learner = Learner(here.address, f"learner-{place:02}", "a word of one's own")
        try:
            took.append(walk(learner, here.room_password, chosen.lesson, chosen.think, begin + chosen.seconds))
        except (Failed, OSError, requests.RequestException, websocket.WebSocketException, ValueError) as error:
            failures.append(f"{type(error).__name__}: {error}")

    try:
        with ThreadPoolExecutor(chosen.learners) as pool:
            list(pool.map(one, range(chosen.learners)))
        print(
            f"{chosen.learners} learners come in within {chosen.within:g} s, lesson {chosen.lesson}, {chosen.think:g} "
            f"s before each cell; {os.cpu_count()} processors, {psutil.virtual_memory().total / settings.GIB:.0f} GiB\n"
        )
        print(summary(took, failures, memory, time.monotonic() - begin))
    finally:
        memory.ended.set()
        process.send_signal(signal.SIGTERM)
        process.wait(120)
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
