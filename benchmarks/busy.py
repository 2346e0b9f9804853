"""Lessons while another program keeps a core busy: on one thread, as ``course_lib.setup`` has it, and on all.

``make bench`` runs it. Each lesson is executed as JupyterLab does, four times in turn: on one thread and on as many as
the libraries like, on a quiet machine and beside a program that counts for ever on one core.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time

import numpy as np
from _children import ROOT, THREADS, described, machine, options, table, write

LESSONS = ("00_start_here", "06_lstm", "09_generation")
CHOICES = {"one thread": {}, "all threads": dict.fromkeys(THREADS, str(os.cpu_count() or 1))}


@contextlib.contextmanager
def neighbour():
    """Another program at work on one core."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def seconds(lesson, variables):
    """How long a lesson takes, with its kernel's start.

    Parameters
    ----------
    lesson : str
        Its file's name without the ending.
    variables : dict of str to str
        What is set about threads; nothing else of their kind is.

    Raises
    ------
    RuntimeError
        If the lesson fails; the message has its last words.
    """
    env = {name: value for name, value in os.environ.items() if name not in THREADS and not name.startswith("TF_NUM")}
    env |= {"COURSE_STATIC": "1", "PYTHONUTF8": "1", **variables}
    command = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "notebook", "--execute", "--stdout"]
    begin = time.perf_counter()
    done = subprocess.run(
        [*command, "--log-level=ERROR", str(ROOT / "notebooks" / f"{lesson}.ipynb")],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{lesson} failed: {done.stderr[-500:]}")
    return time.perf_counter() - begin


def measure(lessons, repeats, run=seconds):
    """Run lessons in all four circumstances, in turn.

    Parameters
    ----------
    lessons : sequence of str
    repeats : int
    run : callable, optional
        What takes the time of one.

    Returns
    -------
    list of dict
        "lesson", "threads", "quiet" and "busy" (seconds, medians) and "ratio" (busy ÷ quiet, the median of pairs).
    """
    rows = []
    for lesson in lessons:
        spent = {choice: [] for choice in CHOICES}
        for _ in range(repeats):
            for choice, variables in CHOICES.items():
                quiet = run(lesson, variables)
                with neighbour():
                    spent[choice].append((quiet, run(lesson, variables)))
        for choice, pairs in spent.items():
            quiet, busy = np.median(pairs, axis=0)
            ratio = float(np.median([b / q for q, b in pairs]))
            rows.append(dict(lesson=lesson, threads=choice, quiet=float(quiet), busy=float(busy), ratio=ratio))
    return rows


def page(about, rows):
    """The table as a page of Markdown."""
    heads = ("lesson", "threads", "quiet, s", "a core busy, s", "ratio")
    lines = [
        (row["lesson"], row["threads"], f"{row['quiet']:.1f}", f"{row['busy']:.1f}", f"{row['ratio']:.2f}")
        for row in rows
    ]
    return f"# Lessons beside a busy program\n\n{described(about)}\n\n{table(heads, lines)}"


def main(arguments=None):
    """Measure, print and write."""
    chosen = options(__doc__.splitlines()[0], arguments)
    if chosen.against:
        return  # another checkout is measured beside this one by speed.py alone
    about = machine([])
    about["libraries"] = [f"NumPy {np.__version__}"]
    rows = measure(LESSONS[:1], 1) if chosen.quick else measure(LESSONS, 2)
    write(chosen.out, "busy", page(about, rows), dict(machine=about, quick=chosen.quick, rows=rows))


if __name__ == "__main__":
    main()
