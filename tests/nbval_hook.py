"""The contract on outputs: nbval executes a lesson, this plugin compares every output with the stored one.

Without a tolerance two texts must be equal. With ``{"course": {"rtol": 1e-3, "why": "..."}}`` in a cell's metadata
(``atol`` as well) they are compared word by word, and some of their numbers may move; :mod:`compare` says which, in
each form of a lesson. What a failure says names the lesson, the cell, the output and the reason.
"""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from pathlib import Path
from queue import Empty

import pytest
from compare import MOST_DIFFERENCES, differences
from jupyter_client.manager import KernelManager
from lesson_guard import declarations, output_problems
from lessons import ANSI, IGNORE, about, environment, kernel_settings, last_lines, merge_streams, where
from nbval import plugin as nbval
from nbval.kernel import RunningKernel

ADVICE = "If the new output is the right one, `make refresh` stores it; if not, the code or the claim needs mending."


# Executing -------------------------------------------------------------------------------------------------


class KernelDied(Exception):
    """The kernel ended before it had answered."""


class Kernel(RunningKernel):
    """nbval's kernel, on the Python that runs the tests, and watched while it works.

    nbval waits for an answer as long as a cell may take; a dead kernel never gives one.
    """

    def __init__(self, folder: str, home: str, startup_timeout: float):
        self.errors = Path(home) / "kernel-stderr.txt"
        self.km = KernelManager(**kernel_settings(home))
        with self.errors.open("wb") as stderr:
            self.km.start_kernel(cwd=folder, env=environment(home), stdout=subprocess.DEVNULL, stderr=stderr)
        self.kc = self.km.client()
        self.kc.start_channels()
        try:
            self.kc.wait_for_ready(timeout=startup_timeout)
            self._ensure_iopub_up()
        except RuntimeError as error:
            said = "\n".join([f"the lesson's kernel did not start: {error}", *last_lines(self.errors)])
            self.stop()
            raise RuntimeError(said) from error

    def await_reply(self, msg_id, timeout=None):
        end = time.monotonic() + (float("inf") if timeout is None else timeout)
        while True:
            try:
                return super().await_reply(msg_id, timeout=min(1.0, max(0.0, end - time.monotonic())))
            except Empty:
                if not self.is_alive():
                    raise KernelDied(self.last_words()) from None
                if time.monotonic() >= end:
                    raise

    def last_words(self) -> str:
        """Say how the kernel's process ended and what it wrote last."""
        process = getattr(self.km.provisioner, "process", None)
        code = None if process is None else process.poll()
        if code is None:
            ended = "the kernel died"
        elif code < 0:
            ended = f"the kernel was killed by signal {-code} ({signal.Signals(-code).name})"
        else:
            ended = f"the kernel ended with exit code {code}"
        return "\n".join([ended, *last_lines(self.errors)])


class Lesson(nbval.IPyNbFile):
    """A lesson's file: its kernel, with a fresh home in place of the reader's, and its code cells."""

    stopped = None  # why the cells that are left cannot be run

    @property
    def form(self) -> int:
        return about(self.path).form

    def setup(self):
        self.home = tempfile.TemporaryDirectory(prefix="course-", ignore_cleanup_errors=True)
        self.kernel = Kernel(str(self.path.parent), self.home.name, self.config.option.nbval_kernel_startup_timeout)

    def teardown(self):
        super().teardown()
        if self.kernel is not None and hasattr(self.kernel, "km"):  # nbval leaves the channels of a dead kernel open
            self.kernel.stop()
        self.home.cleanup()

    def collect(self):
        for item in super().collect():
            prompt = item.cell_num + 1
            yield Cell.from_parent(self, name=f"In [{prompt}]", cell_num=prompt, cell=item.cell, options=item.options)


class Cell(nbval.IPyNbCell):
    """A code cell: executed by nbval, compared by the rules of this course."""

    @property
    def place(self) -> str:
        cells = self.parent.nb.cells
        return where(cells, next(index for index, cell in enumerate(cells) if cell is self.cell))

    def setup(self):
        if self.parent.stopped:
            pytest.skip(f"not run: {self.parent.stopped}")

    def runtest(self):
        complaints = declarations(self.cell, self.parent.form)
        if self.cell.execution_count is None:
            complaints.append("it is stored without having been executed. `make refresh` executes the lesson.")
        # Run it in any case: what comes later in the lesson stands on it. nbval would not compare a cell that was
        # never executed, nor one that is ignored, which must still be silent on stderr.
        stored, self.cell.execution_count = self.cell.execution_count, 0
        self.options.update(check=True, skip=False, check_exception=False)
        kernel = self.parent.kernel
        try:
            if not kernel.is_alive():
                raise KernelDied(kernel.last_words())
            super().runtest()
        except KernelDied as death:
            self.parent.stopped = f"the kernel died in In [{self.cell_num}]"
            raise nbval.NbCellError(self.cell_num, f"while the cell ran, {death}", self.cell.source) from None
        except nbval.NbCellError:
            if self.parent.timed_out:
                self.parent.stopped = f"In [{self.cell_num}] took too long"
            if not complaints:
                raise
        finally:
            self.cell.execution_count = stored
        if complaints:
            raise nbval.NbCellError(self.cell_num, "\n".join(complaints), self.cell.source)

    def compare_outputs(self, test, ref, skip_compare=None):
        course = self.cell.metadata.get("course", {})
        found = [said for output in test for said in output_problems(output)]
        if IGNORE not in self.cell.metadata.get("tags", []):
            tolerances = {name: course.get(name, 0) for name in ("rtol", "atol", "direct_rtol")}
            found += differences(ref, test, form=self.parent.form, **tolerances)
        more = len(found) - MOST_DIFFERENCES
        self.comparison_traceback = found[:MOST_DIFFERENCES] + ([f"and {more} more differences"] if more > 0 else [])
        return not found

    def repr_failure(self, excinfo):
        error = excinfo.value
        if not isinstance(error, nbval.NbCellError):
            return f"{self.parent.path.stem}, {self.place}\n{super().repr_failure(excinfo)}"
        said = [f"{self.parent.path.stem}, {self.place}", str(error)]
        if error.inner_traceback:
            lines = ANSI.sub("", error.inner_traceback).strip().splitlines()
            said += lines if str(error) == "Cell outputs differ" else lines[-10:]
        if str(error) == "Cell outputs differ":
            said.append(ADVICE)
        return "\n".join(said)

    def reportinfo(self):
        return self.path, None, f"{self.parent.path.stem}: {self.name}"


# Hooks -----------------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    found = yield
    return [Lesson.from_parent(parent, path=file.path) if isinstance(file, nbval.IPyNbFile) else file for file in found]


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    # All cells of a lesson need one kernel, so one worker: xdist's default would deal them out one by one.
    if getattr(config.option, "dist", "no") not in ("no", "loadfile"):
        config.option.dist = "loadfile"
    # nbval merges what a cell prints before and after a figure, and so would not see that their order changed.
    nbval.coalesce_streams = merge_streams
