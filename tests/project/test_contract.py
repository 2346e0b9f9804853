"""Plant faults in copies of a real lesson: each must be found, with a message that says which cell and why.

The comparison's faults are all judged by one real pytest run over one copy a fault, the guard's by calling it.
"""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import nbformat
import pytest
from compare import differences, tokens
from hypothesis import given
from hypothesis import strategies as st
from lesson_guard import declarations, problems
from lessons import NOTEBOOKS, ROOT, as_file, normalise
from mini_lesson import ALT, PLACES, make_lesson
from nbformat.v4 import new_code_cell, new_output


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    return make_lesson(tmp_path_factory.mktemp("course"))


def pytest_run(*arguments, folder, cell_seconds=60, workers="0"):
    """Run pytest with the course's settings and its hook, as `make test` does, and return the finished process."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tools")))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "-p", "nbval_hook", "-n", workers,
         "-p", "no:cacheprovider", "--color=no", f"--nbval-cell-timeout={cell_seconds}", *map(str, arguments)],
        cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=300, check=False,
    )  # fmt: skip


# Faults for the comparison -----------------------------------------------------------------------------------
# Each function spoils the notebook it is given; FAULTS below says which cell must fail and with what message.


def stored_stream(notebook, name, old, new):
    output = notebook.cells[PLACES[name]].outputs[0]
    assert old in output.text
    output.text = output.text.replace(old, new)


def nothing(notebook):
    pass


def changed_word(notebook):
    stored_stream(notebook, "printed", "starts", "begins")


def changed_word_beside_a_tolerance(notebook):
    stored_stream(notebook, "measured", "loss", "error")


def changed_digit_without_tolerance(notebook):
    stored_stream(notebook, "printed", "1.0", "1.00")


def number_within_tolerance(notebook):
    stored_stream(notebook, "measured", "0.666667", "0.666999")


def number_out_of_tolerance(notebook):
    stored_stream(notebook, "measured", "0.666667", "0.667999")


def whole_number(notebook):
    stored_stream(notebook, "measured", "after 3", "after 4")


def number_in_a_result(notebook):
    notebook.cells[PLACES["measured"]].outputs[1].data["text/plain"] = "0.7"


def changed_alt_text(notebook):
    data = notebook.cells[PLACES["figure"]].outputs[1].data
    for kind in ("text/html", "text/plain"):
        data[kind] = data[kind].replace("falling", "rising")


def changed_pixels(notebook):
    data = notebook.cells[PLACES["figure"]].outputs[1].data
    data["text/html"] = data["text/html"].replace("base64,iVBO", "base64,AAAA")


def missing_alt_text(notebook):
    source = notebook.cells[PLACES["figure"]].source
    assert "plotting.show(" in source
    notebook.cells[PLACES["figure"]].source = source.replace(f'plotting.show(fig, alt="{ALT}")', "fig")
    notebook.cells[PLACES["figure"]].source += "\nfig"


def changed_order(notebook):
    outputs = notebook.cells[PLACES["figure"]].outputs
    outputs[0].text += outputs.pop(2).text


def cut_stream(notebook):
    outputs = notebook.cells[PLACES["printed"]].outputs
    whole = outputs[0].text
    outputs[:] = [new_output("stream", name="stdout", text=part) for part in (whole[:7], whole[7:])]


def removed_output(notebook):
    notebook.cells[PLACES["printed"]].outputs = []


def removed_second_output(notebook):
    notebook.cells[PLACES["measured"]].outputs.pop()


def surplus_output(notebook):
    notebook.cells[PLACES["printed"]].outputs.append(
        new_output("display_data", {"text/plain": "a figure that is no longer drawn"})
    )


def unexecuted_cell(notebook):
    notebook.cells[PLACES["printed"]].execution_count = None
    notebook.cells[PLACES["printed"]].outputs = []


def raised_exception(notebook):
    notebook.cells[PLACES["printed"]].source += '\nassert 1 + 1 == 3, "one and one are not three"'


def stderr_noise(notebook):
    notebook.cells[PLACES["printed"]].source += '\nimport sys; print("beware", file=sys.stderr)'


def stderr_noise_where_output_is_ignored(notebook):
    notebook.cells[PLACES["timed"]].source += '\nimport warnings; warnings.warn("outdated")'


def ignored_without_reason(notebook):
    del notebook.cells[PLACES["timed"]].metadata["course"]


def tolerance_without_reason(notebook):
    del notebook.cells[PLACES["measured"]].metadata["course"]["why"]


def negative_tolerance(notebook):
    notebook.cells[PLACES["measured"]].metadata["course"]["rtol"] = -1


def skipped_cell(notebook):
    notebook.cells[PLACES["printed"]].metadata["tags"] = ["nbval-skip"]


def skipped_by_comment(notebook):
    notebook.cells[PLACES["printed"]].source += "\n# NBVAL_SKIP"


def ended_kernel(notebook):
    notebook.cells[PLACES["printed"]].source += "\nimport os; os._exit(3)"


def killed_kernel(notebook):
    notebook.cells[PLACES["printed"]].source += "\nimport os, signal; os.kill(os.getpid(), signal.SIGKILL)"


FIRST = 'section "Halving", first line: print("the number starts at 1.0")'

# The fault, the prompt of the cell it is in, and what its failure must say; nothing for what must pass.
FAULTS = [
    (nothing, 2, []),
    (changed_word, 2, ["cell 4, In [2]", FIRST, "stored: the number begins at 1.0", "got:    the number starts"]),
    (changed_word_beside_a_tolerance, 3, ["the words differ", "stored: error 0.666667", "got:    loss 0.666667"]),
    (changed_digit_without_tolerance, 2, ["declares no tolerance", "starts at 1.00", "make refresh"]),
    (number_within_tolerance, 3, []),
    (number_out_of_tolerance, 3, ["cell 5, In [3]", "0.667999 stored, 0.666667 got", "0.00133", "0.000668"]),
    (whole_number, 3, ["a whole number differs, 4 stored, 3 got"]),
    (number_in_a_result, 3, ["output 2 (execute_result, text/plain)", "0.7 stored, 0.666", "out of tolerance"]),
    (changed_alt_text, 4, ["cell 6, In [4]", "output 2 (display_data, text/html)", "Line rising", "Line falling"]),
    (changed_pixels, 4, []),
    (missing_alt_text, 4, ["image/png, which has no alt text", "plotting.show"]),
    (changed_order, 4, ["cell 6, In [4]", "output 3 is new", "after the figure"]),
    (cut_stream, 2, []),
    (removed_output, 2, [FIRST, "output 1 is new, nothing is stored for it", "the number starts at 1.0"]),
    (removed_second_output, 3, ["output 2 is new", "0.666"]),
    (surplus_output, 2, ["output 2 is missing", "a figure that is no longer drawn"]),
    (unexecuted_cell, 2, [FIRST, "without having been executed"]),
    (raised_exception, 2, [FIRST, "caused an exception", "AssertionError: one and one are not three"]),
    (stderr_noise, 2, [FIRST, "it writes to stderr: 'beware'"]),
    (stderr_noise_where_output_is_ignored, 5, ["cell 7, In [5]", "it writes to stderr", "outdated"]),
    (ignored_without_reason, 5, ["cell 7, In [5]", "nbval-ignore-output has no reason"]),
    (tolerance_without_reason, 3, ["cell 5, In [3]", "its tolerance has no reason"]),
    (negative_tolerance, 3, ["its rtol is -1"]),
    (skipped_cell, 2, [FIRST, "nbval-skip is not allowed"]),
    (skipped_by_comment, 2, [FIRST, "nbval-skip is not allowed"]),
]
DEATHS = [(ended_kernel, 2, [FIRST, "the kernel ended with exit code 3"])]
if sys.platform != "win32":
    DEATHS.append((killed_kernel, 2, [FIRST, "the kernel was killed by signal 9 (SIGKILL)"]))


@pytest.fixture(scope="module")
def verdicts(lesson, tmp_path_factory):
    """Plant all faults, run pytest over the copies, and return {fault: (the copy's name, {prompt: testcase})}.

    Each cell is judged by itself, so a copy carries one fault in each cell, which spares a kernel for every fault.
    """
    folder = tmp_path_factory.mktemp("faults")
    copies = [{prompt: fault} for fault, prompt, _ in DEATHS]
    alive = []
    for fault, prompt, _ in FAULTS:
        free = next((faults for faults in alive if prompt not in faults), None)
        if free is None:
            alive.append(free := {})
        free[prompt] = fault
    sound = nbformat.read(lesson, as_version=4)
    for number, faults in enumerate(copies + alive):
        spoilt = copy.deepcopy(sound)
        for fault in faults.values():
            fault(spoilt)
        nbformat.write(spoilt, folder / f"copy_{number}.ipynb")
    report = folder / "report.xml"
    # Two workers, because a lesson's cells must stay together on one of them.
    done = pytest_run(folder, f"--junitxml={report}", folder=folder, workers="2")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    cases = {}
    for case in ET.parse(report).iter("testcase"):
        cases.setdefault(case.get("classname").split(".")[-2], {})[case.get("name")] = case
    return {
        fault: (f"copy_{number}", cases[f"copy_{number}"])
        for number, faults in enumerate(copies + alive)
        for fault in faults.values()
    }


def failure(case) -> str:
    assert case.find("error") is None, case.find("error").text
    return "" if case.find("failure") is None else case.find("failure").text


@pytest.mark.parametrize(
    ("fault", "prompt", "said"), FAULTS + DEATHS, ids=[fault.__name__ for fault, _, _ in FAULTS + DEATHS]
)
def test_comparison_finds(fault, prompt, said, verdicts):
    name, cases = verdicts[fault]
    assert list(cases) == [f"In [{prompt}]" for prompt in (1, 2, 3, 4, 5)]
    assert not failure(cases["In [1]"])
    message = failure(cases[f"In [{prompt}]"])
    assert bool(message) == bool(said), message
    assert message.startswith(f"{name}, cell " if said else "")
    for part in said:
        assert part in message


@pytest.mark.parametrize("fault", [fault for fault, _, _ in DEATHS])
def test_dead_kernel_is_noticed_within_a_minute_and_the_rest_is_not_run(fault, verdicts):
    _, cases = verdicts[fault]
    assert sum(float(case.get("time")) for case in cases.values()) < 60
    for prompt in (3, 4, 5):
        assert "the kernel died in In [2]" in cases[f"In [{prompt}]"].find("skipped").get("message")


STUBBORN = """import time
while True:
    try:
        time.sleep(100)
    except BaseException:
        pass"""


@pytest.mark.parametrize("source", ["import time\ntime.sleep(100)", STUBBORN], ids=["interruptible", "stubborn"])
def test_cell_that_takes_too_long_fails_with_its_name(source, tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[new_code_cell(source, execution_count=1)])
    notebook.cells.append(new_code_cell("1", execution_count=2))
    nbformat.write(normalise(notebook), tmp_path / "slow.ipynb")
    done = pytest_run(tmp_path / "slow.ipynb", folder=tmp_path, cell_seconds=1)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "slow, cell 1, In [1], first line: import time" in done.stdout
    assert "Timeout of 1 seconds exceeded" in done.stdout
    assert "1 failed, 1 skipped" in done.stdout


def test_kernel_is_this_python_whatever_else_is_registered(tmp_path, monkeypatch):
    kernel = tmp_path / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(
        '{"argv": ["no-such-program", "{connection_file}"], "display_name": "Python 3", "language": "python"}',
        encoding="utf-8",
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    source = (
        "import os, sys\nfrom pathlib import Path\n"
        "_ = Path('seen.txt').write_text('\\n'.join([sys.executable, os.environ['COURSE_HOME'], "
        "os.environ['COURSE_STATIC'], os.environ['OMP_NUM_THREADS'], os.environ['TF_NUM_INTRAOP_THREADS']]))"
    )
    notebook = nbformat.v4.new_notebook(cells=[new_code_cell(source, execution_count=1)])
    nbformat.write(normalise(notebook), tmp_path / "which.ipynb")
    done = pytest_run(tmp_path / "which.ipynb", folder=tmp_path)
    assert done.returncode == 0, done.stdout
    python, home, static, omp, tensorflow = (tmp_path / "seen.txt").read_text(encoding="utf-8").splitlines()
    assert Path(python) == Path(sys.executable)
    assert home != os.environ["COURSE_HOME"]
    assert not Path(home).exists()
    assert (static, omp, tensorflow) == ("1", "2", "1")


# The rules of the comparison ---------------------------------------------------------------------------------


def printed(text):
    return [new_output("stream", name="stdout", text=text)]


@given(st.text(), st.floats(0, 0.1), st.floats(0, 0.1))
def test_a_text_agrees_with_itself(text, rtol, atol):
    assert differences(printed(text), printed(text), rtol, atol) == []


@given(
    st.floats(-1e6, 1e6).filter(lambda x: abs(x) > 1e-3),
    st.floats(-0.02, 0.02),
    st.sampled_from(["loss {} now", "[{}, 2]", "a={}%", "<b>{}</b>"]),
)
def test_a_number_passes_exactly_when_it_is_within_tolerance(value, change, frame):
    old, new = f"{value:.12e}", f"{value * (1 + change):.12e}"
    found = differences(printed(frame.format(old)), printed(frame.format(new)), rtol=0.01)
    within = abs(float(new) - float(old)) <= 0.01 * abs(float(old))
    assert (found == []) == within
    assert (differences(printed(frame.format(old)), printed(frame.format(new))) == []) == (old == new)


@pytest.mark.parametrize(
    ("stored", "fresh", "same"),
    [
        ("h_3 0.5", "h_4 0.5", False),
        ("float32 0.5", "float64 0.5", False),
        ("version 1.2.3", "version 1.2.4", False),
        ("loss nan", "loss 0.5", False),
        ("loss nan", "loss nan", True),
        ("[0.5  0.25]", "[0.501 0.25 ]", True),
        ("0.5 0.25", "0.5", False),
        ("slope −0.500", "slope -0.5001", True),
        ("slope -0.5", "slope 0.5", False),
        ("range 0.1-0.2", "range 0.1-0.2001", True),
        ("1e-3", "1.001e-3", True),
        ("5", "5.001", True),
        ("5.00e+02", "5.001e+02", True),
        ("38,000", "38,001", False),
        ("38,000.5", "38,001.5", True),
        ("sizes 1,2,3", "sizes 1,2,4", False),
    ],
)
def test_what_counts_as_a_number(stored, fresh, same):
    assert (differences(printed(stored), printed(fresh), rtol=0.01) == []) == same


@pytest.mark.parametrize(
    ("value", "numbers"),
    [
        ("38,000 of 1,234,567", ["38,000", "1,234,567"]),
        ("−1,234.5", ["−1,234.5"]),
        ("1,2,3", ["1", "2", "3"]),
        ("100,200,30", ["100", "200", "30"]),
        ("1234,567", ["1234", "567"]),
        ("12,3456", ["12", "3456"]),
        ("[1, 234]", ["1", "234"]),
        ("5,12,345", ["5", "12", "345"]),
    ],
)
def test_a_grouped_number_is_one_number(value, numbers):
    found = [token for token in tokens(value) if token.value is not None]
    assert [token.text for token in found] == numbers
    assert [token.value for token in found] == [float(n.replace(",", "").replace("−", "-")) for n in numbers]


@pytest.mark.parametrize(
    ("stored", "fresh", "same"),
    [
        ("≈ 0.162", "≈ 0.165", True),
        ("≈ 0.162", "≈ 0.190", False),
        ("≈0.9 left", "≈0.95 left", True),
        ("≈ -3.1", "≈ -3.3", True),
        ("≈ −3.1", "≈ 3.1", False),
        ("≈ 12 %", "≈ 13 %", True),
        ("≈ 12 %", "≈ 13 ‰", False),
        ("≈ 38,000", "≈ 36,500", True),
        ("≈ 38,000", "≈ 8,000", False),
        ("≈ 9,900", "≈ 10,100", True),
        ("≈ 38,000 of 40,000", "≈ 38,000 of 40,001", False),
        ("≈ 7 of 10", "≈ 7 of 11", False),
        ("0.162 now", "0.163 now", False),
        ("≈ 0.5 0.25", "≈ 0.5 0.26", False),
        ("≈ [0.5]", "≈ [0.51]", False),
        ("≈ nan", "≈ 0.5", False),
        ("≈ nan", "≈ nan", True),
        ("≈ inf", "≈ nan", False),
        ("≈ 0.5", "0.5", False),
        ("≈\n0.5 0.1", "≈\n0.51 0.1", False),
    ],
)
def test_in_form_2_only_a_number_printed_with_about_may_move(stored, fresh, same):
    assert (differences(printed(stored), printed(fresh), rtol=0.1, form=2) == []) == same


def test_in_form_2_an_alt_text_follows_the_same_rule():
    def alt(value):
        words = f"A line that falls to {value} within 300 updates."
        return [shown(f'<img alt="{words}" src="data:image/png;base64,AA">', plain=words)]

    assert differences(alt("≈ 0.16"), alt("≈ 0.17"), rtol=0.1, form=2) == []
    assert "only numbers printed with ≈" in differences(alt("0.16"), alt("0.17"), rtol=0.1, form=2)[0]


@pytest.mark.parametrize(
    ("stored", "fresh", "same"),
    [
        ("0.12345678 x", "0.12345679 x", True),
        ("0.123456 x", "0.123466 x", False),
        ("300 x", "301 x", False),
        ("≈ 0.5 and 0.12345678", "≈ 0.51 and 0.12345679", True),
        ("≈ 0.5 and 0.123456", "≈ 0.5 and 0.123556", False),
    ],
)
def test_in_form_2_what_is_computed_directly_may_have_a_tight_tolerance(stored, fresh, same):
    found = differences(printed(stored), printed(fresh), rtol=0.1, form=2, direct_rtol=1e-6)
    assert (found == []) == same


WHY = {"why": "trained"}


@pytest.mark.parametrize(
    ("course", "output", "said"),
    [
        ({"rtol": 0.1} | WHY, "loss ≈ 0.5", None),
        ({"atol": 2} | WHY, "after ≈ 38,000", None),
        ({}, "loss 0.5", None),
        ({"direct_rtol": 1e-6} | WHY, "loss 0.5", None),
        ({"rtol": 0.1, "direct_rtol": 1e-6} | WHY, "loss ≈ 0.5 of 0.25", None),
        ({"rtol": 0.1} | WHY, "loss 0.5", "prints no number with ≈"),
        ({"rtol": 0.1} | WHY, "≈ about right", "prints no number with ≈"),
        ({}, "loss ≈ 0.5", "has no tolerance"),
        ({"direct_rtol": 1e-6} | WHY, "loss ≈ 0.5", "has no tolerance"),
        ({"direct_rtol": 1e-3} | WHY, "loss 0.5", "more than 1e-06"),
        ({"direct_rtol": 1e-6}, "loss 0.5", "has no reason"),
        ({"direct_rtol": -1} | WHY, "loss 0.5", "direct_rtol is -1"),
        ({"about": 1}, "loss 0.5", "the course knows no metadata about"),
    ],
)
def test_in_form_2_a_tolerance_and_about_come_together(course, output, said):
    cell = new_code_cell("f()", outputs=printed(output), metadata={"course": course})
    found = declarations(cell, form=2)
    assert [said in sentence for sentence in found] == [True] * (said is not None), found
    assert declarations(new_code_cell("f()", outputs=printed(output), metadata={"course": {"rtol": 1} | WHY})) == []


def test_in_form_2_a_clock_may_say_about_without_a_tolerance():
    metadata = {"tags": ["nbval-ignore-output"], "course": {"ignore": "a clock's reading"}}
    assert declarations(new_code_cell("f()", outputs=printed("≈ 3 s"), metadata=metadata), form=2) == []


def test_the_hook_compares_a_lesson_of_form_2_by_its_rules(tmp_path):
    (tmp_path / "conftest.py").write_text(
        "import nbval_hook\nfrom course_lib.lessons import Lesson\n"
        "nbval_hook.about = lambda path: Lesson('00', '', '?', 5, '', form=2)\n",
        encoding="utf-8",
    )
    trained = {"course": {"rtol": 0.1, "why": "trained"}}
    cells = [
        new_code_cell('print("loss ≈ 0.50 after ≈ 38,000")', outputs=printed("loss ≈ 0.51 after ≈ 37,000\n")),
        new_code_cell('print("loss ≈ 0.50 of 3.0")', outputs=printed("loss ≈ 0.51 of 3.1\n")),
        new_code_cell('print("loss 0.50")', outputs=printed("loss 0.50\n")),
    ]
    for count, cell in enumerate(cells, start=1):
        cell.update(execution_count=count, metadata=trained)
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbformat.write(normalise(notebook), tmp_path / "00_form.ipynb")
    done = pytest_run(tmp_path / "00_form.ipynb", folder=tmp_path)
    assert "2 failed, 1 passed" in done.stdout, done.stdout
    assert "a number differs, 3.1 stored, 3.0 got; only numbers printed with ≈" in done.stdout
    assert "it has a tolerance but prints no number with ≈" in done.stdout


def test_only_white_space_differs_and_the_message_shows_it():
    (said,) = differences(printed("a b\n"), printed("a  b\n"))
    assert "only in white space" in said
    assert r"'a  b\n'" in said


# Faults for the guard ----------------------------------------------------------------------------------------


def with_text(name, addition):
    def plant(raw):
        cell = raw.cells[PLACES[name]]
        cell.source += "\n" + addition

    return plant


def with_output(name, *outputs):
    def plant(raw):
        raw.cells[PLACES[name]].outputs = list(outputs)

    return plant


def shown(html, plain="A line falls to an eighth in three steps."):
    return new_output("display_data", {"text/html": html, "text/plain": plain})


def unexecuted(raw):
    raw.cells[PLACES["figure"]].execution_count = None


def out_of_order(raw):
    raw.cells[PLACES["measured"]].execution_count = 9
    raw.cells[PLACES["measured"]].outputs[1].execution_count = 9


def no_id(raw):
    del raw.cells[PLACES["printed"]]["id"]


def same_id(raw):
    raw.cells[PLACES["printed"]]["id"] = "setup"


def widget_state(raw):
    raw.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {}}


def python_version(raw):
    raw.metadata["language_info"]["version"] = "3.11.7"


def other_kernel(raw):
    raw.metadata["kernelspec"]["name"] = "my-env"


def scrolled(raw):
    raw.cells[PLACES["printed"]].metadata["scrolled"] = True


def empty_cell(raw):
    raw.cells[PLACES["printed"]].source = "\n"


def long_cell(raw):
    raw.cells[PLACES["printed"]].source = "\n".join(f"x = {i}" for i in range(26))


def no_question(raw):
    raw.cells[0].source = raw.cells[0].source.replace("?", ".")


def no_setup(raw):
    raw.cells[PLACES["setup"]].source = "import course_lib"


def no_summary(raw):
    raw.cells[PLACES["closing"]].source = raw.cells[PLACES["closing"]].source.replace("## Summary", "")


def no_sources(raw):
    raw.cells[PLACES["closing"]].source = raw.cells[PLACES["closing"]].source.replace("## Sources", "")


def widget_view(raw):
    raw.cells[PLACES["figure"]].outputs[1].data["application/vnd.jupyter.widget-view+json"] = {"model_id": "1"}


GUARDED = {
    "unexecuted": (unexecuted, "cell 6, In [4]", "it is not executed"),
    "out of order": (out_of_order, "cell 5, In [3]", "executed as number 9 and not 3"),
    "error output": (
        with_output("printed", new_output("error", ename="ValueError", evalue="wrong", traceback=[])),
        "cell 4, In [2]",
        "its output is an error, ValueError: wrong",
    ),
    "stderr": (with_output("printed", new_output("stream", name="stderr", text="beware\n")), "cell 4", "stderr"),
    "bare picture": (
        with_output("figure", new_output("display_data", {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"})),
        "cell 6, In [4]",
        "image/png, which has no alt text",
    ),
    "no alt": (with_output("figure", shown('<img src="data:image/png;base64,AA">')), "cell 6", "without alt text"),
    "empty alt": (with_output("figure", shown('<img alt=" " src="x">')), "cell 6", "without alt text"),
    "short alt": (with_output("figure", shown('<img alt="figure" src="x">')), "cell 6", "is only 'figure'"),
    "alt not in plain text": (
        with_output("figure", shown(f'<img alt="{ALT}" src="x">', plain="<HTML object>")),
        "cell 6",
        "text/plain is not its alt text",
    ),
    "alt in prose": (with_text("heading", "![](../docs/bibliography.md)"), "cell 3", "has no alt text"),
    "alt of an img in prose": (with_text("heading", '<img src="../docs/bibliography.md">'), "cell 3", "no alt text"),
    "widget state": (widget_state, "the file", "metadata: widgets"),
    "widget view": (widget_view, "cell 6", "a live widget"),
    "dead file": (with_text("heading", "[next](05_long.ipynb)"), "cell 3, section", "05_long.ipynb is dead"),
    "dead reference": (with_text("heading", "[next]: 05_long.ipynb"), "cell 3", "05_long.ipynb is dead"),
    "dead href": (with_text("heading", '<a href="05_long.ipynb">next</a>'), "cell 3", "05_long.ipynb is dead"),
    "dead anchor": (with_text("heading", "[above](#Doubling)"), "cell 3", "has no anchor Doubling"),
    "anchor that JupyterLab drops": (
        with_text("heading", '<a id="here"></a> and [there](#here)'),
        "cell 3",
        "has no anchor here",
    ),
    "dead anchor elsewhere": (
        with_text("heading", "[here](00_halving.ipynb#Doubling)"),
        "cell 3",
        "00_halving.ipynb has no anchor Doubling",
    ),
    "dead attachment": (with_text("heading", "![a picture](attachment:a.png)"), "cell 3", "no attachment a.png"),
    "unknown work": (
        with_text("heading", "[Gers 2000](../docs/bibliography.md#gers-2000)"),
        "cell 3",
        "knows no work gers-2000",
    ),
    "bare citation": (with_text("heading", "As Gers et al. (2000) found."), "cell 3", "Gers et al. 2000 without"),
    "bare pair": (
        with_text("heading", "Hochreiter & Schmidhuber 1997 found it."),
        "cell 3",
        "Hochreiter & Schmidhuber 1997",
    ),
    "path in output": (
        with_output("printed", new_output("stream", name="stdout", text="saved /home/ada/model.npz\n")),
        "cell 4, In [2]",
        "path of the machine it ran on, /home/ada/model.npz",
    ),
    "path in source": (with_text("printed", 'path = "C:\\\\Users\\\\ada"'), "cell 4", "path of the machine"),
    "path in prose": (with_text("heading", "Look into /tmp/x."), "cell 3", "path of the machine"),
    "no id": (no_id, "cell 4", "it has no id"),
    "same id": (same_id, "cell 4", "its id setup is an earlier cell's"),
    "python version": (python_version, "the file", "language_info"),
    "other kernel": (other_kernel, "the file", "kernelspec"),
    "scrolled": (scrolled, "the file", "metadata: scrolled"),
    "skip": (skipped_cell, "cell 4", "nbval-skip is not allowed"),
    "ignored without reason": (ignored_without_reason, "cell 7, In [5]", "has no reason"),
    "tolerance without reason": (tolerance_without_reason, "cell 5, In [3]", "its tolerance has no reason"),
    "empty cell": (empty_cell, "cell 4", "the code cell is empty"),
    "long cell": (long_cell, "cell 4", "26 lines of code"),
    "guess that nothing answers": (with_text("printed", "my_guess = ..."), "cell 4, In [2]", "shows this guess"),
    "no question": (no_question, "cell 1", "question"),
    "no setup": (no_setup, "cell 2, In [1]", "course_lib.setup(seed)"),
    "no summary": (no_summary, "no heading says Summary", "summary"),
    "no sources": (no_sources, "no heading says Sources", "sources"),
}


def test_guard_passes_the_sound_lesson(lesson):
    assert problems(lesson) == []


@pytest.mark.parametrize("name", GUARDED)
def test_guard_finds(name, lesson):
    plant, place, said = GUARDED[name]
    raw = nbformat.read(lesson, as_version=4)
    plant(raw)
    copied = lesson.with_name("01_copy.ipynb")
    copied.write_text(nbformat.v4.writes(raw, indent=1) + "\n", encoding="utf-8", newline="\n")
    found = problems(copied)
    assert len(found) == 1, found
    assert found[0].startswith(f"01_copy, {place}")
    assert said in found[0]


@pytest.mark.parametrize(
    ("then", "missing"),
    [("print(my_guess)", False), ("kept = my_guess", True), ("my_guess = ...", True), ("print(1)  # no guess", True)],
)
def test_guard_wants_each_guess_shown_before_the_next_is_asked(then, missing, lesson):
    raw = nbformat.read(lesson, as_version=4)
    with_text("printed", "my_guess = ...")(raw)
    with_text("measured", then)(raw)
    if then == "my_guess = ...":
        with_text("figure", "plotting.mark_guess(ax, my_guess)")(raw)
    copied = lesson.with_name("01_copy.ipynb")
    copied.write_text(as_file(raw), encoding="utf-8", newline="\n")
    assert [problem.split(", section")[0] for problem in problems(copied)] == ["01_copy, cell 4, In [2]"] * missing


@pytest.mark.parametrize(
    "prose",
    [
        "In May 1990 nobody knew. Since 1997 some do, and Python 3 came in 2008.",
        "Read [the formula](https://example.org/home/ada) or `[x](y)` or $f[x](y)$.",
        "[Elman’s paper of 1990](../docs/bibliography.md#elman-1990), Elman (1990) and [back](#A-number-that-halves).",
        "### The `RNN` class\n\n[above](#The-RNN-class)",
        "```python\nopen('x')[0](1)\n```",
        "See [the works](../docs/bibliography.md#bibliography) and <https://example.org>.",
    ],
)
def test_guard_leaves_in_peace(prose, lesson):
    raw = nbformat.read(lesson, as_version=4)
    with_text("heading", prose)(raw)
    copied = lesson.with_name("02_copy.ipynb")
    copied.write_text(as_file(raw), encoding="utf-8", newline="\n")
    assert problems(copied) == []


@pytest.mark.skipif(not list(NOTEBOOKS.glob("*.ipynb")), reason="there is no lesson yet")
def test_guard_finds_a_changed_order_in_a_real_lesson(tmp_path):
    original = min(NOTEBOOKS.glob("*.ipynb"))
    raw = nbformat.read(original, as_version=4)
    code = [cell for cell in raw.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code, start=1):
        cell.execution_count = 7 if count == 2 else count
    copied = tmp_path / original.name
    copied.write_text(nbformat.v4.writes(raw, indent=1) + "\n", encoding="utf-8", newline="\n")
    assert any("In [2]" in problem and "executed as number 7" in problem for problem in problems(copied))
