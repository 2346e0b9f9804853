"""The contract on outputs: nbval executes a lesson, this plugin compares every output with the stored one.

Without a tolerance two texts must be equal. With ``{"course": {"rtol": 1e-3, "why": "..."}}`` in a cell's metadata
(``atol`` as well) they are compared word by word, and their decimal numbers float by float:
``|fresh - stored| <= atol + rtol * |stored|``. Whole numbers count things, so they stay exact. A figure is compared by
its alt text. What a failure says names the lesson, the cell, the output and the reason.
"""

from __future__ import annotations

import difflib
import json
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from queue import Empty

import pytest
from jupyter_client.manager import KernelManager
from lesson_guard import BASE64, declarations, output_problems
from lessons import ANSI, IGNORE, environment, kernel_settings, last_lines, merge_streams, text, where
from nbval import plugin as nbval
from nbval.kernel import RunningKernel

MOST_DIFFERENCES = 5
ADVICE = "If the new output is the right one, `make refresh` stores it; if not, the code or the claim needs mending."

# A number is not part of a name: 3 in h_3, 32 in float32 and 2 in 1.2.3 belong to words.
NUMBER = re.compile(r"(?<![\w.])[-+−]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+−]?\d+)?(?![\w.]*\.\d)")


# Comparing -------------------------------------------------------------------------------------------------


def differences(stored, fresh, rtol: float = 0.0, atol: float = 0.0) -> list[str]:
    """Compare two lists of outputs and return one sentence for each difference.

    Parameters
    ----------
    stored, fresh : list of dict
        Outputs in notebook format, in the order in which they appeared.
    rtol, atol : float
        Tolerance on decimal numbers; both 0 asks for equal texts.
    """
    stored, fresh = [[_masked_outputs(output) for output in merge_streams(outputs)] for outputs in (stored, fresh)]
    found = []
    for place, (old, new) in enumerate(zip(stored, fresh, strict=False), start=1):
        if list(old) != list(new):
            found.append(f"output {place} is of another kind\n  stored: {', '.join(old)}\n  got:    {', '.join(new)}")
            continue
        for kind in old:
            said = _text_differences(old[kind], new[kind], rtol, atol)
            found += [f"output {place} ({kind}): {difference}" for difference in said]
    for place, old in enumerate(stored[len(fresh) :], start=len(fresh) + 1):
        found.append(f"output {place} is missing\n  stored: {_brief(old)}")
    for place, new in enumerate(fresh[len(stored) :], start=len(stored) + 1):
        found.append(f"output {place} is new, nothing is stored for it\n  got:    {_brief(new)}")
    return found


def _masked_outputs(output) -> dict[str, str]:
    """Return what a reader sees of an output: texts by kind, with the pixels of a picture left out."""
    if output["output_type"] == "stream":
        return {f"printed to {output['name']}": text(output["text"])}
    if output["output_type"] == "error":
        return {"error": f"{output['ename']}: {output['evalue']}"}
    shown = {}
    for kind in sorted(output["data"]):
        value = output["data"][kind]
        if kind.startswith("image/") and "svg" not in kind:
            value = "a picture"
        elif isinstance(value, list | str):
            value = BASE64.sub(r"\1...", text(value))
        else:
            value = json.dumps(value, sort_keys=True)
        shown[f"{output['output_type']}, {kind}"] = value
    return shown


def _brief(shown: dict[str, str]) -> str:
    kind, value = next(iter(shown.items()), ("no data", ""))
    return f"{kind}: {value.strip()[:200]!r}"


def _tokens(value: str) -> list[tuple[str, float | None]]:
    """Cut a text into words, which have no value, and numbers, which have one."""
    tokens, end = [], 0
    for match in NUMBER.finditer(value):
        tokens += [(word, None) for word in value[end : match.start()].split()]
        tokens.append((match[0], float(match[0].replace("−", "-"))))
        end = match.end()
    return tokens + [(word, None) for word in value[end:].split()]


def _text_differences(stored: str, fresh: str, rtol: float, atol: float) -> list[str]:
    if stored == fresh:
        return []
    if not rtol and not atol:
        return [f"the text differs and the cell declares no tolerance\n{_diff(stored, fresh)}"]
    old_tokens, new_tokens = _tokens(stored), _tokens(fresh)
    words = [["#" if value is not None else token for token, value in side] for side in (old_tokens, new_tokens)]
    if words[0] != words[1]:
        return [f"the words differ\n{_diff(stored, fresh)}"]
    found = []
    for (old, old_value), (new, new_value) in zip(old_tokens, new_tokens, strict=True):
        if old == new or old_value is None:
            continue
        if old.lstrip("+-−").isdigit() and new.lstrip("+-−").isdigit():
            found.append(f"a whole number differs, {old} stored, {new} got; tolerances are for decimal numbers")
            continue
        difference, allowed = abs(new_value - old_value), atol + rtol * abs(old_value)
        if not difference <= allowed:
            found.append(
                f"a number is out of tolerance, {old} stored, {new} got: they differ by {difference:.3g}, "
                f"allowed is {allowed:.3g} (rtol {rtol:g}, atol {atol:g})"
            )
    if found:
        found[-1] += f"\n{_diff(stored, fresh)}"
    return found


def _diff(stored: str, fresh: str) -> str:
    """Show the first lines in which two texts differ."""
    old, new = stored.splitlines(), fresh.splitlines()
    if old == new or stored.split() == fresh.split():
        return f"  only in white space\n  stored: {stored[:200]!r}\n  got:    {fresh[:200]!r}"
    lines = []
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        if tag != "equal":
            lines += [f"  stored: {line[:300]}" for line in old[i1:i2]]
            lines += [f"  got:    {line[:300]}" for line in new[j1:j2]]
    more = len(lines) - 2 * MOST_DIFFERENCES
    return "\n".join(lines[: 2 * MOST_DIFFERENCES] + ([f"  and {more} more lines"] if more > 0 else []))


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
        complaints = declarations(self.cell)
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
            found += differences(ref, test, course.get("rtol", 0), course.get("atol", 0))
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
