"""Sides in processes of their own, asked in turn: each has its own thread setting, and nobody works while another does.

``Child(side, threads)`` starts one; ``child.ask("run", ...)`` calls a method of the side there and returns its answer.
Also what both benchmarks share: their options, a description of the machine, and the writing of tables.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
from _sides import SIDES

ROOT = Path(__file__).resolve().parent.parent
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
QUIET = 15  # per cent of the cores that may be busy before the figures come with a warning


class Child:
    """A side in a process of its own.

    Parameters
    ----------
    side : str
        A name in ``_sides.SIDES``.
    threads : int
        For its numerical libraries; read by them once, at their start, hence the process.
    python : str
        The Python to run it with.
    checkout : Path
        Where the course is imported from.
    """

    def __init__(self, side, threads, python=sys.executable, checkout=ROOT):
        self.side, self.threads = side, threads
        self.modes = SIDES[side].modes
        environment = {**os.environ, **dict.fromkeys(THREADS, str(threads)), "PYTHONUTF8": "1"}
        for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            [python, str(Path(__file__).resolve()), side, str(threads), str(checkout)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        self.versions = self.answer()

    def send(self, method, *arguments):
        """Ask without waiting: call ``answer`` later."""
        pickle.dump((method, arguments), self.process.stdin)
        self.process.stdin.flush()

    def answer(self):
        """What the child says to the oldest question.

        Raises
        ------
        RuntimeError
            If the side raised an error; the message names the side and the error.
        """
        try:
            fine, what = pickle.load(self.process.stdout)
        except EOFError:
            raise RuntimeError(
                f"{self.side} with {self.threads} threads ended without an answer; its own words, if any, stand above."
            ) from None
        if not fine:
            raise RuntimeError(f"{self.side} with {self.threads} threads: {what}")
        return what

    def ask(self, method, *arguments):
        self.send(method, *arguments)
        return self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def serve(side, threads):
    """The child's side: answer questions from stdin until it is closed."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get among the answers

    def say(fine, what):
        pickle.dump((fine, what), answers)
        answers.flush()

    try:
        served = SIDES[side](threads)
    except Exception as error:
        say(False, f"{type(error).__name__}: {error}")
        return
    say(True, served.versions)
    while True:
        try:
            method, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            say(True, getattr(served, method)(*arguments))
        except Exception as error:
            say(False, f"{type(error).__name__}: {error}")


def has_torch(python):
    """Whether that Python can import PyTorch."""
    asked = subprocess.run([python, "-c", "import torch"], capture_output=True, check=False)
    return asked.returncode == 0


def options(description, arguments):
    """The options, the same for both benchmarks because ``make bench`` passes them to both."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="small and short, to see that it works: no figures to use")
    parser.add_argument(
        "--torch-python",
        default=sys.executable,
        metavar="PYTHON",
        help="a Python that can import torch, if that of the course cannot",
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="CHECKOUT",
        help="measure this course beside another checkout of it, and nothing else",
    )
    parser.add_argument("--out", type=Path, default=ROOT / "_build" / "bench", help="the folder to write to")
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    return chosen


def thread_settings():
    """One thread, and two where there are two cores."""
    return (1, 2) if (os.cpu_count() or 1) > 1 else (1,)


def machine(children):
    """What the figures were measured on: a dict to be written beside them."""
    import psutil  # here, because a child in PyTorch's environment has none

    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        processor = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), processor)
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "libraries": sorted({child.versions for child in children}),
        "blas": f"{blas.get('name')} {blas.get('version')}",
        "busy": psutil.cpu_percent(interval=2),  # per cent, while the children wait to be asked
    }


def described(machine):
    """The machine in a line of Markdown, with a warning if others were at work on it."""
    text = (
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}; Python {machine['python']}, "
        f"{', '.join(machine['libraries'])}, {machine['blas']}. Before the start the cores were "
        f"{machine['busy']:.0f} % busy."
    )
    if machine["busy"] > QUIET:
        text += (
            " **Other programs were at work:** ratios, measured in turn, still mean something; times and the "
            "choice of threads do not."
        )
    return text


def table(heads, rows):
    """A table in Markdown: words to the left, figures to the right, readable as it is."""
    cells = [list(heads), *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[n]) for row in cells) for n in range(len(heads))]
    lines = [
        "| "
        + " | ".join(
            cell.ljust(w) if n == 0 else cell.rjust(w) for n, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        + " |"
        for row in cells
    ]
    rule = "|" + "|".join("-" * (w + 2) if n == 0 else "-" * (w + 1) + ":" for n, w in enumerate(widths)) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def write(folder, name, text, record):
    """Print the tables, and write them and what they were made from."""
    print(text)
    (folder / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    (folder / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"\nWritten: {', '.join(str(path) for path in sorted(folder.glob(f'{name}.*')))}")


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[3])
    serve(sys.argv[1], int(sys.argv[2]))
