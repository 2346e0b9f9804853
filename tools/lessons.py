"""Execute the lessons: store their outputs, time them, export them, or try them on other arithmetic.

    python tools/lessons.py refresh [lesson ...]   execute from a fresh kernel, normalise, store
    python tools/lessons.py run [lesson ...]       execute, export to _build/html, print the scoreboard
    python tools/lessons.py html [lesson ...]      export the stored outputs to _build/html, execute nothing
    python tools/lessons.py steady [lesson ...]    compare with the stored outputs under other BLAS kernels and threads
    python tools/lessons.py form [lesson ...]      what form 2 asks of a lesson, or of a draft's file; execute nothing

A lesson is named by the start of its file's name ("04"); without a name, all are meant, in order. The tests
use the same environment, the same kernel and the same normal form of a file as these commands.
"""

from __future__ import annotations

import argparse
import base64
import copy
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import maps
import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from course_lib.lessons import Lesson, written

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
HTML = ROOT / "_build" / "html"

LESSON_SECONDS = 60
COURSE_SECONDS = 600
CELL_SECONDS = 300

# Every library counts its threads under a name of its own.
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
BLAS_KERNELS = ("Prescott", "Haswell")

KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python"}
CELL_METADATA = ("course", "jupyter", "tags")
IGNORE = "nbval-ignore-output"

# The README's pictures: the file in docs/images, the lesson that draws it, words of the figure's alt text.
PICTURES = {
    "detectable.png": ("00", "detectable, said"),
    "gradient-triangle.png": ("04", "Four triangles of coloured squares"),
}

ANSI = re.compile(r"\x1b\[[0-9;]*m")


def environment(home) -> dict[str, str]:
    """Return the environment in which a lesson is executed when nobody looks on.

    Parameters
    ----------
    home : path
        An empty folder of its own, in place of the reader's files and of the reader's IPython profile.

    Returns
    -------
    dict of str
        A copy of this process's environment with static panels and, where the caller has not chosen
        otherwise, one thread a library.
    """
    variables = dict.fromkeys(THREADS, "1") | dict(os.environ)
    return variables | {"COURSE_STATIC": "1", "COURSE_HOME": str(home), "IPYTHONDIR": str(Path(home) / "ipython")}


def text(value) -> str:
    """Return a notebook's text, which a file stores as a string or as a list of lines."""
    return value if isinstance(value, str) else "".join(value)


def where(cells, index: int) -> str:
    """Name a cell the way a reader finds it: its place, its prompt, its section and its first line.

    Parameters
    ----------
    cells : list
        All cells of the notebook.
    index : int
        The cell's place in that list, counted from 0.
    """
    cell = cells[index]
    name = f"cell {index + 1}"
    if cell["cell_type"] == "code":
        name += f", In [{sum(c['cell_type'] == 'code' for c in cells[: index + 1])}]"
    for earlier in reversed(cells[: index + 1]):
        heading = re.search(r"^#{1,6}[ \t]+(.+?)[ \t]*$", text(earlier["source"]), re.MULTILINE)
        if earlier["cell_type"] == "markdown" and heading:
            name += f', section "{heading[1]}"'
            break
    first = next((line.strip() for line in text(cell["source"]).splitlines() if line.strip()), "(empty)")
    return f"{name}, first line: {first[:80]}"


def find(names) -> list[Path]:
    """Return the lessons meant by ``names``, in the order of the course; all of them for no name.

    Raises
    ------
    SystemExit
        For a name that no lesson starts with.
    """
    lessons = sorted(NOTEBOOKS.glob("[0-9p][0-9]_*.ipynb"))
    chosen = set()
    for name in names:
        found = [lesson for lesson in lessons if lesson.name.startswith(Path(name).name)]
        if not found:
            known = ", ".join(lesson.stem for lesson in lessons) or "none yet"
            raise SystemExit(f"No lesson's file name starts with {name!r}. The lessons are: {known}.")
        chosen.update(found)
    return [lesson for lesson in lessons if lesson in chosen or not names]


def about(notebook: Path) -> Lesson:
    """Return what a lesson's folder says of it; for a notebook without one, a lesson of form 1 that says nothing."""
    unknown = Lesson(notebook.stem[:2], "", "", 0, "")
    return next((lesson for lesson in written() if lesson.stem == notebook.stem), unknown)


def merge_streams(outputs) -> list:
    """Join neighbouring pieces of printed text: where the kernel cuts a long one is chance."""
    merged = []
    for output in outputs:
        last = merged[-1] if merged else None
        if last and output["output_type"] == last["output_type"] == "stream" and output["name"] == last["name"]:
            last["text"] = text(last["text"]) + text(output["text"])
        else:
            merged.append(copy.deepcopy(output))
    return merged


def normalise(notebook):
    """Return a copy of a notebook that keeps what the course says and drops what the machine left in it.

    Kept are the cells with their ids, their outputs, their tags, the course's own metadata and whether a cell is
    collapsed. Versions, timings, the state of widgets and the look of a window go.
    """
    notebook = copy.deepcopy(notebook)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    metadata = {"kernelspec": dict(KERNELSPEC), "language_info": dict(LANGUAGE)}
    if "course" in notebook.metadata:
        metadata["course"] = notebook.metadata["course"]
    notebook.metadata = nbformat.from_dict(metadata)
    for cell in notebook.cells:
        cell.metadata["jupyter"] = {
            k: v for k, v in cell.metadata.get("jupyter", {}).items() if k == "source_hidden" and v
        }
        cell.metadata = nbformat.from_dict({k: cell.metadata[k] for k in CELL_METADATA if cell.metadata.get(k)})
        if cell.cell_type == "code":
            cell.outputs = merge_streams(cell.outputs)
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = cell.execution_count
    return notebook


def as_file(notebook) -> str:
    """Return the one text that a lesson's file may have: normalised, one space a level, a newline at the end."""
    return nbformat.writes(normalise(notebook), indent=1).rstrip("\n") + "\n"


def last_lines(errors: Path) -> list[str]:
    """Return the end of what a kernel's process wrote to stderr, outside any cell."""
    written = errors.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line for line in written if line.strip() and "[IPKernelApp] WARNING" not in line][-5:]


def kernel_settings(home) -> dict:
    """Return a kernel manager's settings for the very Python that runs this, whatever kernels a user registered.

    Two kernels that start at once can be given one TCP port, and then one of them never answers. Sockets in the
    lesson's own folder cannot meet; Windows has none.
    """
    settings = {"kernel_name": "python3", "kernel_spec_manager": KernelSpecManager(kernel_dirs=[])}
    if os.name == "posix":
        folder = Path(home)
        settings |= {"transport": "ipc", "ip": str(folder / "k"), "connection_file": str(folder / "kernel.json")}
    return settings


class Client(NotebookClient):
    """Runs a lesson; ``home`` is the folder that stands in for the reader's."""

    home = None

    def create_kernel_manager(self):
        self.km = AsyncKernelManager(**kernel_settings(self.home))
        return self.km


def execute(lesson: Path):
    """Execute a lesson from a fresh kernel, in its own folder.

    Returns
    -------
    nbformat.NotebookNode
        The lesson with its new outputs; its file is not touched.

    Raises
    ------
    RuntimeError
        If a cell raises, takes longer than ``CELL_SECONDS`` or ends the kernel; the message names the cell.
    """
    notebook = nbformat.read(lesson, as_version=4)
    begun = []

    def on_cell_start(cell, cell_index):
        begun.append(cell_index)

    client = Client(
        notebook,
        timeout=CELL_SECONDS,
        record_timing=False,
        resources={"metadata": {"path": str(lesson.parent)}},
        on_cell_start=on_cell_start,
    )
    with tempfile.TemporaryDirectory(prefix="course-", ignore_cleanup_errors=True) as home:
        client.home = home
        errors = Path(home) / "kernel-stderr.txt"
        try:
            with errors.open("wb") as stderr:
                return client.execute(env=environment(home), stderr=stderr)
        except CellExecutionError as error:
            reason = "\n".join(["the cell raised an exception:", *ANSI.sub("", error.traceback).splitlines()[-8:]])
        except RuntimeError as error:  # nbclient's words for a dead kernel and for a cell that takes too long
            reason = "\n".join([str(error), *last_lines(errors)])
    place = where(notebook.cells, begun[-1]) if begun else "before its first cell"
    raise RuntimeError(f"{lesson.stem}, {place}\n{reason}")


def keep_ignored(stored, fresh) -> None:
    """Give an ignored cell its stored outputs back if only numbers changed, so that timings make no noise in git."""

    def words(cell):
        return re.sub(r"\d[\d.,]*", "#", json.dumps(merge_streams(cell.outputs), sort_keys=True))

    for old, new in zip(stored.cells, fresh.cells, strict=True):
        if IGNORE in new.metadata.get("tags", []) and words(old) == words(new):
            new.outputs = old.outputs


def picture(lesson: Path, words: str) -> bytes:
    """Return, as PNG, the first stored figure of a lesson whose alt text has these words."""
    for cell in nbformat.read(lesson, as_version=4).cells:
        for output in cell.get("outputs", []):
            if words in text(output.get("data", {}).get("text/plain", "")):
                return base64.b64decode(re.search(r"base64,([^\"]+)", text(output["data"]["text/html"]))[1])
    raise ValueError(f"{lesson.stem} has no figure whose alt text says {words!r}.")


def copy_pictures(lessons) -> None:
    """Take the README's pictures from the lessons that draw them."""
    for name, (number, words) in PICTURES.items():
        for lesson in lessons:
            if lesson.name.startswith(number):
                (ROOT / "docs" / "images" / name).write_bytes(picture(lesson, words))


def sync_exercises(path: Path) -> None:
    """Write the cells of a lesson's exercises from its module, where prompt and stub have their source."""
    from course_lib.teaching import exercise  # here, because the other commands need it not

    modules = [lesson.module("exercises") for lesson in written() if lesson.stem == path.stem]
    for module in filter(None, modules):
        notebook = nbformat.read(path, as_version=4)
        changed = exercise.sync(notebook, module)
        if changed:
            path.write_text(as_file(notebook), encoding="utf-8", newline="\n")
            print(f"{path.stem}, exercises written anew: {', '.join(changed)}", flush=True)


def refresh(names) -> int:
    """Write the course map and the exercises' cells, execute lessons and store their outputs.

    A lesson that fails keeps the outputs it has.
    """
    failed = 0
    for name in maps.write():
        print(f"{name}: the map written anew", flush=True)
    for lesson in find(names):
        print(f"{lesson.stem} ...", flush=True)
        begin = time.perf_counter()
        sync_exercises(lesson)
        try:
            fresh = execute(lesson)
        except RuntimeError as error:
            print(f"FAILED, outputs left as they are: {error}", flush=True)
            failed += 1
            continue
        keep_ignored(nbformat.read(lesson, as_version=4), fresh)
        new = as_file(fresh)
        changed = new != lesson.read_text(encoding="utf-8")
        if changed:
            lesson.write_text(new, encoding="utf-8", newline="\n")
        seconds = time.perf_counter() - begin
        copy_pictures([lesson])
        print(f"{lesson.stem} {'stored anew' if changed else 'unchanged'} in {seconds:.0f} s", flush=True)
    return int(failed > 0)


def export(notebook, name: str) -> Path:
    """Write a notebook as ``_build/html/<name>.html`` and return that path.

    Figures and their alt text are in the file itself. Formulas are set by MathJax, which the page fetches
    from the net; without a network they stay readable as LaTeX.
    """
    from nbconvert import HTMLExporter  # here, because only two of the commands need it and it imports slowly

    body, _ = HTMLExporter().from_notebook_node(notebook, resources={"metadata": {"name": name}})
    HTML.mkdir(parents=True, exist_ok=True)
    path = HTML / f"{name}.html"
    path.write_text(body, encoding="utf-8", newline="\n")
    return path


def html(names) -> int:
    """Export the stored outputs."""
    for lesson in find(names):
        print(export(nbformat.read(lesson, as_version=4), lesson.stem).relative_to(ROOT), flush=True)
    return 0


def table(header, rows) -> str:
    """Return rows of strings as columns of text."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)


def run(names) -> int:
    """Execute lessons, export them, and print their seconds and the course's scoreboard.

    Returns
    -------
    int
        1 if a lesson failed or a paper's result is not held, else 0. Time is reported and never a failure: this
        machine may be busy, or slow.
    """
    from course_lib.teaching import experiment as results

    lessons = find(names)
    times, failed, total = [], 0, 0.0
    for lesson in lessons:
        print(f"{lesson.stem} started", flush=True)
        begin = time.perf_counter()
        try:
            notebook = execute(lesson)
        except RuntimeError as error:
            notebook, verdict = None, "FAILED"
            print(error, flush=True)
            failed += 1
        seconds = time.perf_counter() - begin
        total += seconds
        if notebook is not None:
            verdict = "within" if seconds <= LESSON_SECONDS else "over"
            export(normalise(notebook), lesson.stem)
        times.append((lesson.stem, f"{seconds:.0f}", str(LESSON_SECONDS), verdict))
        print(f"{lesson.stem} finished in {seconds:.0f} s", flush=True)
    over = total > COURSE_SECONDS
    times.append(("all", f"{total:.0f}", str(COURSE_SECONDS), "over" if over else "within"))
    print(f"\nLessons executed; as pages in {HTML.relative_to(ROOT)}\n")
    print(table(("lesson", "seconds", "budget", "verdict"), times))

    spoken = {True: "held", False: "NOT HELD", None: "not recorded"}
    board = results.scoreboard()
    print("\nWhat the papers said and what we measured")
    for row in board:
        print(f"\n{row['lesson']}  {row['paper']}: {row['claim']}")
        print(f"    the paper  {row['reported']}")
        print(f"    ours       {row['measured']}")
        print(f"    criterion  {row['criterion']}: {spoken[row['holds']]}")
        for problem in row["problems"]:
            print(f"    but        {problem}")
    return int(failed > 0 or any(row["holds"] is False for row in board))


def steady(names) -> int:
    """Compare lessons with their stored outputs under two BLAS kernels, with one thread and with two."""
    lessons = [str(lesson) for lesson in find(names)]
    rows = []
    for blas in BLAS_KERNELS:
        for threads in ("1", "2"):
            variables = os.environ | dict.fromkeys(THREADS, threads) | {"OPENBLAS_CORETYPE": blas}
            print(f"OPENBLAS_CORETYPE={blas}, threads: {threads} ...", flush=True)
            begin = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-m", "pytest", "--nbval", "-q", "--color=no", *lessons],
                cwd=ROOT, env=variables, capture_output=True, text=True, encoding="utf-8", check=False,
            )  # fmt: skip
            if done.returncode:
                print(done.stdout + done.stderr, flush=True)
            verdict = "held" if done.returncode == 0 else "FAILED"
            rows.append((blas, threads, f"{time.perf_counter() - begin:.0f}", verdict))
    print(table(("BLAS kernel", "threads", "seconds", "stored outputs"), rows))
    return int(any(row[-1] == "FAILED" for row in rows))


def form(names) -> int:
    """Print how long a lesson's main path is and what form 2 complains of; a draft is named by its path.

    Returns
    -------
    int
        1 if there is a complaint, else 0.
    """
    import lesson_form  # here, because it imports this module

    complaints = 0
    drafts = [Path(name) for name in names if name.endswith(".ipynb") and Path(name).exists()]
    named = [name for name in names if Path(name) not in drafts]
    for path in drafts + (find(named) if named or not drafts else []):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        by_number = {lesson.number: lesson for lesson in written()}
        lesson = by_number.get(path.name[:2], about(path))._replace(form=2)
        measured = lesson_form.size(cells, lesson)
        found = lesson_form.problems(cells, lesson)
        complaints += len(found)
        print(
            f"{path.stem}: {measured.words:,} words, {measured.lines} visible lines, {measured.guesses} guesses, "
            f"{measured.figures} figures, {measured.seconds:g} s live: {measured.minutes} minutes; "
            f"{len(found)} complaints"
        )
        for problem in found:
            print(f"  {problem}")
    return int(complaints > 0)


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description="Execute the course's lessons.")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (refresh, run, html, steady, form):
        sub = commands.add_parser(command.__name__, help=command.__doc__.splitlines()[0])
        sub.add_argument("lessons", nargs="*", help="how the lessons' file names start, such as 04; default: all")
        sub.set_defaults(command=command)
    chosen = parser.parse_args(arguments)
    return chosen.command(chosen.lessons)


if __name__ == "__main__":
    raise SystemExit(main())
