"""The exercises: stubs, solutions and misconceptions of every module, and whatever a learner's code may do."""

import ast
import copy
import html
import importlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import mini_exercises as ex
import nbformat
import numpy as np
import pytest
from filelock import FileLock

from course_lib import lessons
from course_lib.teaching import exercise as exercises
from course_lib.teaching import progress, running

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
MODULES = [*exercises.modules(), ex]
ALL = [pytest.param(module, exercise, id=exercise.number) for module in MODULES for exercise in module.EXERCISES]
WRONG = [
    pytest.param(module, exercise, attempt, says, id=f"{exercise.number}-{attempt.__name__}-{place}")
    for module in MODULES
    for exercise in module.EXERCISES
    for place, (attempt, says) in enumerate(exercise.misconceptions)
]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Every test has a reader's folder of its own, and nobody has been told of any trouble yet."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(exercises, "_troubles_shown", set())
    return tmp_path / "home"


@pytest.fixture
def answer(capsys):
    """answer(function, ...) -> what calling it printed."""

    def call(function, *args):
        assert function(*args) is None  # a value would clutter the cell's output
        shown = capsys.readouterr()
        assert shown.err == ""
        return shown.out

    return call


# ---------------------------------------------------------------------------------------------------------------------
# Every exercise of every module
# ---------------------------------------------------------------------------------------------------------------------
def test_there_are_exercises_and_each_has_a_number_of_its_own():
    numbers = [param.id for param in ALL]
    assert len(numbers) >= 5
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize(("module", "exercise"), ALL)
def test_an_exercise_is_complete(module, exercise):
    assert len(exercise.hints) >= 2
    assert len(exercise.misconceptions) >= 2
    assert exercise.prompt.strip()
    assert exercise.title.isascii()  # printed by `progress` in any console
    stub, solution = running.function_from(exercise.stub), exercise.solution
    assert stub.__name__ == solution.__name__
    assert (
        stub.__code__.co_varnames[: stub.__code__.co_argcount]
        == solution.__code__.co_varnames[: solution.__code__.co_argcount]
    )
    assert stub.__doc__ == solution.__doc__
    assert exercise.cell == exercise.cell.strip()  # as sync writes it


@pytest.mark.parametrize(("module", "exercise"), ALL)
def test_a_wrong_attempt_stands_once_among_the_misconceptions(module, exercise):
    attempts = [attempt for attempt, _ in exercise.misconceptions]
    assert len(set(attempts)) == len(attempts)


def test_a_stub_is_the_solutions_head_or_the_code_to_mend():
    back, total, doubled = ex.EXERCISES
    assert back.stub == (
        "def step_back(dh, h, recurrent_kernel):\n"
        '    """Gradient at h_t -> gradient at h_{t-1}, both (batch, units)."""\n'
        "    return ..."
    )
    assert total.stub == (
        "def total(numbers):\n"
        '    """The sum of a list of numbers.\n\n    It has a docstring of more than one line.\n    """\n'
        "    return ..."
    )
    assert doubled.stub == doubled.code.replace("2 *", "3 *")
    assert doubled.cell == doubled.stub + '\n\n\nex.check("90.3", doubled)'


@pytest.mark.parametrize(("module", "exercise"), ALL)
def test_the_stub_is_not_attempted_yet_and_leaves_no_trace(module, exercise, answer, home):
    shown = answer(module.check, exercise.number, running.function_from(exercise.stub))
    assert shown.startswith(f"Exercise {exercise.number}: NOT ATTEMPTED YET\n")
    assert not home.exists()


@pytest.mark.parametrize(("module", "exercise"), ALL)
def test_the_solution_passes(module, exercise, answer):
    assert answer(module.check, exercise.number, exercise.solution).startswith(f"Exercise {exercise.number}: PASSED\n")


@pytest.mark.parametrize(("module", "exercise"), ALL)
def test_the_solution_shown_is_the_code_that_passes(module, exercise, answer):
    shown = answer(module.solution, exercise.number)
    code = shown.split("\n", 1)[1].rsplit(exercise.why, 1)[0].rstrip()
    assert code == exercise.code
    assert "PASSED" in answer(module.check, exercise.number, running.function_from(code))


@pytest.mark.parametrize(("module", "exercise", "attempt", "says"), WRONG)
def test_a_misconception_gets_its_answer_and_always_the_same(module, exercise, attempt, says, answer):
    shown = answer(module.check, exercise.number, attempt)
    assert answer(module.check, exercise.number, attempt) == shown
    assert shown.startswith(f"Exercise {exercise.number}: NOT YET\n")
    assert says in shown


@pytest.mark.parametrize(("module", "exercise"), ALL)
def test_hints_come_one_by_one_and_end_in_the_solution(module, exercise, answer):
    _, hint, _ = exercises.bank([exercise])  # a session of its own
    total = len(exercise.hints)
    for place, text in enumerate(exercise.hints, start=1):
        shown = answer(hint, exercise.number)
        assert f"Hint {place} of {total}. {text}" in shown
        assert (f'ex.solution("{exercise.number}")' in shown) == (place == total)
        assert progress.read()[0][exercise.number]["hints"] == place
    shown = answer(hint, exercise.number)
    assert f"You have read all {total}" in shown
    assert exercise.hints[-1] in shown


@pytest.mark.parametrize(("module", "exercise"), ALL)
@pytest.mark.parametrize(
    "value",
    [
        "text",
        3,
        {"a": 1},
        [1, 2, [3]],
        np.ones(3),
        np.ones((2, 2), dtype=complex),
        np.full((3, 4), np.nan),
        [np.ones(2)] * 5,
        ({}, 3),
        ({1: "x"}, 1),
        object(),
        [],
        (),
    ],
)
def test_a_wrong_value_gets_an_answer_and_never_a_traceback(module, exercise, value, answer):
    shown = answer(module.check, exercise.number, lambda *args: value)
    assert shown.startswith(f"Exercise {exercise.number}: NOT YET\n")
    assert "could not read" not in shown  # the check itself stumbled


# ---------------------------------------------------------------------------------------------------------------------
# Checks notice each quantity spoiled in turn
# ---------------------------------------------------------------------------------------------------------------------
# Exercises that take whatever works, or a figure within the spread of a measurement: a little off is not wrong.
TAKES_WHAT_WORKS = {"1.3", "3.1", "5.1", "6.1", "9.5"}


def leaves(value):
    """The arrays and numbers of what a function returned; empty if it is made of other things."""
    if isinstance(value, tuple) or (isinstance(value, list) and any(np.ndim(part) for part in value)):
        return [leaf for part in value for leaf in leaves(part)]
    return [value] if np.asarray(value).dtype.kind in "biuf" else []


def spoil(value, leaf, element):
    """The same, but for one number of one of its arrays."""
    if isinstance(value, tuple) or (isinstance(value, list) and any(np.ndim(part) for part in value)):
        counts = [len(leaves(part)) for part in value]
        part = next(i for i in range(len(counts)) if sum(counts[: i + 1]) > leaf)
        return type(value)(
            spoil(old, leaf - sum(counts[:part]), element) if i == part else old for i, old in enumerate(value)
        )
    array = np.array(value)
    old = array.flat[element]
    array.flat[element] = (
        not old if array.dtype.kind == "b" else old + 1 if array.dtype.kind in "iu" else 1.01 * old + 0.01
    )
    return array.tolist() if isinstance(value, list) or array.ndim == 0 else array


@pytest.mark.parametrize(("module", "exercise"), [param for param in ALL if param.id not in TAKES_WHAT_WORKS])
def test_no_number_may_be_off(module, exercise, answer):
    returned = []

    def right(*args):
        returned.append(exercise.solution(*args))
        return returned[-1]

    assert ": PASSED" in answer(module.check, exercise.number, right)
    for leaf in range(min(len(leaves(value)) for value in returned)):
        for element in (0, -1):
            shown = answer(
                module.check,
                exercise.number,
                lambda *args: spoil(exercise.solution(*args), leaf, element),  # noqa: B023
            )
            assert shown.startswith(f"Exercise {exercise.number}: NOT YET\n"), (leaf, element)


@pytest.mark.parametrize("leaf", range(3))
@pytest.mark.parametrize("element", [0, -1])
def test_first_match_sees_each_number_of_each_array(leaf, element):
    def three(x):
        return x, (2 * x).astype(int), x.sum()

    x = np.array([[1.5, 2.0], [3.0, 4.5]])
    known = [(lambda x: (x, x, x), "Three times the same."), (three, "The second is twice the first.")]
    assert running.first_match(three(x), (x,), known) == "The second is twice the first."
    assert running.first_match(spoil(three(x), leaf, element), (x,), known) is None
    shorter = [part[:1] if np.ndim(part) and i == leaf else part for i, part in enumerate(three(x))]
    assert (running.first_match(shorter, (x,), known) is None) == (leaf < 2)
    assert running.first_match(three(x)[:2], (x,), known) is None


def test_first_match_takes_nan_for_what_it_is():
    known = [(lambda x: x / x, "Divided by itself.")]
    with np.errstate(invalid="ignore"):
        zero = np.zeros(2) / np.zeros(2)
    assert running.first_match(zero, (np.zeros(2),), known) == "Divided by itself."
    assert running.first_match(np.array([np.nan, 0]), (np.zeros(2),), known) is None


@pytest.mark.parametrize(
    ("value", "came"),
    [
        (np.zeros((3, 3)), "got shape (3, 3)"),
        (np.zeros((2, 4)), "got shape (2, 4)"),
        (np.zeros((2, 3, 1)), "got shape (2, 3, 1)"),
        (np.zeros(6), "got shape (6,)"),
        (0.5, "got shape ()"),
        (np.zeros((2, 3), complex), "got a value of type `ndarray`"),
        (np.full((2, 3), None), "got a value of type `ndarray`"),
        ([[1, 2, 3], [4, 5]], "got a value of type `list`"),
        ("text", "got a value of type `str`"),
        (None, "got a value of type `NoneType`"),
    ],
)
def test_array_of_shape_names_what_was_expected_and_what_it_got(value, came):
    with pytest.raises(running.Review) as caught:
        running.array_of_shape(value, (2, 3), "the states, (time, units)")
    message = caught.value.args[0]
    assert message.startswith("Expected: the states, (time, units), ")
    assert "of shape (2, 3), but " in message
    assert came in message


@pytest.mark.parametrize("value", [[[1, 2, 3], [4, 5, 6]], np.ones((2, 3), np.float32), np.ones((2, 3), bool)])
def test_array_of_shape_gives_floats(value):
    array = running.array_of_shape(value, (2, 3), "the states")
    assert array.dtype == np.float64
    assert np.array_equal(array, value)


# ---------------------------------------------------------------------------------------------------------------------
# Whatever a learner's code may do
# ---------------------------------------------------------------------------------------------------------------------
def scale(matrix, by):
    return matrix * by_how_much  # noqa: F821  (the mistake under test)


def test_shapes_expected_and_got_are_named(answer):
    shown = answer(ex.check, "90.1", lambda dh, h, recurrent_kernel: dh.sum(axis=1))
    assert "the gradient at h_{t-1}, (batch, units), of shape (3, 4)" in shown
    assert "but got shape (3,)" in shown
    shown = answer(ex.check, "90.1", lambda dh, h, recurrent_kernel: "gradient")
    assert "array of numbers of shape (3, 4)" in shown
    assert "got a value of type `str`" in shown


def test_an_exception_becomes_an_answer_with_the_learners_own_line(answer):
    def attempt(dh, h, recurrent_kernel):
        return scale(dh, h)

    shown = answer(ex.check, "90.1", attempt)
    assert "`NameError`: name 'by_how_much' is not defined" in shown
    assert f"line {scale.__code__.co_firstlineno + 1}: return matrix * by_how_much" in shown
    assert "`dh` (3, 4), `h` (3, 4), `recurrent_kernel` (4, 4)" in shown
    assert "Traceback" not in shown


def test_an_exception_inside_numpy_points_to_the_line_that_called_it(answer):
    def attempt(dh, h, recurrent_kernel):
        return np.stack([dh, recurrent_kernel])

    shown = answer(ex.check, "90.1", attempt)
    assert "`ValueError`" in shown
    assert "return np.stack([dh, recurrent_kernel])" in shown
    assert "two shapes that do not fit" in shown


def raises(error):
    def attempt(*args, **options):
        raise error

    return attempt


@pytest.mark.parametrize(
    ("error", "phrase"),
    [
        (IndexError("index 4"), "T steps have T + 1 states"),
        (KeyError("h"), "not in the dictionary"),
        (AttributeError("no attribute 'T'"), "before the dot"),
        (ZeroDivisionError(), "is 0"),
        (RecursionError("deep"), "calls itself"),
        (TypeError("takes 2"), "how many arguments"),
        (ModuleNotFoundError("torch"), "Nothing beyond"),
        (AssertionError(), "Print what goes into that line"),
        (SystemExit(), "`SystemExit`"),
        (RuntimeError("long " * 200), " …"),
        (KeyboardInterrupt(), "`KeyboardInterrupt`"),
    ],
)
def test_advice_depends_on_the_exception(error, phrase, answer):
    assert phrase in answer(ex.check, "90.1", raises(error))


def test_arguments_in_the_wrong_number(answer):
    shown = answer(ex.check, "90.1", lambda dh: dh)
    assert "The check calls `step_back(dh, h, recurrent_kernel)`" in shown


@pytest.mark.parametrize(
    ("attempt", "phrase"),
    [
        (raises(NotImplementedError()), "NotImplementedError"),
        (lambda *args: ..., "still returns `...`"),
        (lambda *args: None, "is the `return` missing?"),
    ],
)
def test_not_attempted_yet(attempt, phrase, answer, home):
    shown = answer(ex.check, "90.1", attempt)
    assert "NOT ATTEMPTED YET" in shown
    assert phrase in shown
    assert not home.exists()


def test_check_without_an_attempt_or_with_something_else(answer):
    assert 'ex.check("90.2", total)' in answer(ex.check, "90.2")
    assert "NOT ATTEMPTED YET" in answer(ex.check, "90.2", None)
    assert "type `ndarray`. Without parentheses" in answer(ex.check, "90.2", np.ones(3))


@pytest.mark.parametrize("number", ["90.9", "bptt", 9.2, None, ["90.1"]])
def test_an_unknown_number_names_those_that_exist(number, answer):
    for shown in (answer(ex.check, number, len), answer(ex.hint, number), answer(ex.solution, number)):
        assert "90.1, 90.2, 90.3" in shown


def test_a_number_without_quotes_is_understood(answer):
    assert "PASSED" in answer(ex.check, 90.1, ex.step_back)


def test_an_endless_loop_is_stopped_and_its_line_named(answer, monkeypatch):
    monkeypatch.setattr(running, "TIME_LIMIT", 0.2)

    def attempt(*args):
        while True:
            count = 1
            count += 1

    shown = answer(ex.check, "90.1", attempt)
    assert "stopped after 0.2 seconds" in shown
    assert "count" in shown or "while True" in shown


def test_many_slow_calls_are_stopped_too(answer, monkeypatch):
    monkeypatch.setattr(running, "TIME_LIMIT", 0.2)

    def slow(*args):
        time.sleep(0.02)
        return np.zeros((4, 4))

    module = exercises.bank(
        [
            exercises.Exercise(
                "9.1", "Slow", "", ("a", "b"), ex.step_back, "", lambda attempt: [attempt() for _ in range(10_000)], ()
            )
        ]
    )
    assert "stopped after 0.2 seconds" in answer(module[0], "9.1", slow)


def test_an_attempt_that_cannot_be_stopped_does_not_hold_the_notebook(answer, monkeypatch):
    monkeypatch.setattr(running, "TIME_LIMIT", 0.1)
    monkeypatch.setattr(running, "STOP_LIMIT", 0.3)
    test_is_over = threading.Event()

    def swallows_everything(*args):
        while not test_is_over.is_set():
            try:
                time.sleep(0.01)
            except:  # noqa: E722  (the mistake under test)
                continue

    shown = answer(ex.check, "90.1", swallows_everything)
    test_is_over.set()
    assert "Restart the kernel" in shown


def test_stop_is_respected(monkeypatch):
    reached = threading.Event()

    def pressed(*args):
        reached.wait(5)
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "_wait", pressed)

    def attempt(*args):
        reached.set()
        while True:
            pass

    with pytest.raises(KeyboardInterrupt):
        ex.check("90.1", attempt)
    assert reached.is_set()
    for thread in threading.enumerate():
        if thread.name == "exercise":
            thread.join(timeout=5)
            assert not thread.is_alive()


def test_endless_printing_is_stopped_and_cut(answer):
    def attempt(*args):
        while True:
            print("gradient " * 100)

    shown = answer(ex.check, "90.1", attempt)
    assert "prints without end" in shown
    assert len(shown) < 2_000
    assert shown.rstrip().endswith("(cut here)")


def test_what_the_attempt_prints_is_in_the_answer_and_nowhere_else(answer):
    def attempt(dh, h, recurrent_kernel):
        print("shape", dh.shape)
        print("to stderr", file=sys.stderr)
        return ex.step_back(dh, h, recurrent_kernel)

    shown = answer(ex.check, "90.1", attempt)
    assert "PASSED" in shown.splitlines()[0]
    assert "Your function printed:\nshape (3, 4)\nto stderr\n" in shown


def test_numpy_warnings_do_not_leak(answer):
    def attempt(dh, h, recurrent_kernel):
        return dh / np.zeros_like(dh)

    shown = answer(ex.check, "90.1", attempt)
    assert "Not the gradient" in shown
    assert "Warning" not in shown


def test_an_attempt_that_changes_its_arguments_spoils_nothing(answer):
    def attempt(dh, h, recurrent_kernel):
        gradient = (dh * (1 - h**2)) @ recurrent_kernel.T
        dh *= 0
        h += 5
        recurrent_kernel[:] = np.nan
        return gradient

    assert "PASSED" in answer(ex.check, "90.1", attempt)


def test_an_attempt_may_be_any_callable(answer):
    class Carry:
        def __call__(self, dh, h, recurrent_kernel):
            return ex.step_back(dh, h, recurrent_kernel)

    assert "PASSED" in answer(ex.check, "90.1", Carry())
    assert "in the call of step_back" in answer(ex.check, "90.1", np.dot)


def test_a_check_that_stumbles_says_so(answer):
    def stumbling(attempt):
        return {}[attempt()]

    check, _, _ = exercises.bank(
        [exercises.Exercise("9.1", "Stumble", "", ("a", "b"), ex.step_back, "", stumbling, ())]
    )
    assert "could not read what your function returned (`KeyError`: 3)" in answer(check, "9.1", lambda: 3)


# ---------------------------------------------------------------------------------------------------------------------
# How an answer is displayed
# ---------------------------------------------------------------------------------------------------------------------
class Shell:
    """Stands for a running notebook, and keeps what is displayed."""

    def __init__(self, monkeypatch):
        import IPython
        import IPython.display

        self.shown = []
        monkeypatch.setattr(IPython, "get_ipython", lambda: self)
        monkeypatch.setattr(IPython.display, "display", lambda data, raw: self.shown.append(data))


def words(text):
    """The words of HTML or plain text, without marks."""
    text = re.sub(r"<[^>]*>", " ", text) if text.startswith("<") else text
    return html.unescape(text).replace("`", " ").split()


def test_in_a_notebook_html_and_plain_text_say_the_same(monkeypatch, answer):
    shell = Shell(monkeypatch)

    def printing(dh, h, recurrent_kernel):
        print("<b>1 & 2</b>")
        return dh @ h

    for call in [
        (ex.check, "90.1", printing),
        (ex.check, "90.1", ex.step_back),
        (ex.check, "90.1"),
        (ex.hint, "90.2"),
        (ex.solution, "90.3"),
        (ex.hint, "<i>"),
        *((ex.check, "90.3", attempt) for attempt, _ in ex.WRONG_DOUBLES),
    ]:
        assert answer(*call) == ""
    for data in shell.shown:
        assert sorted(data) == ["text/html", "text/plain"]
        plain = [word for line in data["text/plain"].split("\n") for word in words(" " + line)]
        assert words(data["text/html"]) == plain
    assert "&lt;b&gt;1 &amp; 2&lt;/b&gt;" in shell.shown[0]["text/html"]


def test_colour_is_never_the_only_sign(monkeypatch):
    shell = Shell(monkeypatch)
    ex.check("90.1")
    ex.check("90.1", ex.step_back)
    ex.check("90.1", ex.without_slope)
    ex.hint("90.1")
    ex.solution("90.1")
    for data, word in zip(shell.shown, ["NOT ATTEMPTED YET", "PASSED", "NOT YET", "HINT", "SOLUTION"], strict=True):
        page = data["text/html"]
        assert page.startswith("<div role='status'")
        assert f"<strong>Exercise 90.1: {word}</strong>" in page
        style = re.search("style='(.*?)'", page).group(1)
        assert "background" not in style  # the theme's own colours for text and ground, light or dark
        assert re.search(r"(^|; ?)color", style) is None
    kinds = {border.split()[0] for word, border in exercises.BORDERS.items() if word.startswith(("NOT", "PASSED"))}
    assert len(kinds) == 3  # three kinds of line for three verdicts


@pytest.mark.parametrize("colour", sorted({border.split()[1] for border in exercises.BORDERS.values()}))
def test_borders_can_be_seen_on_light_and_dark(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    light = 0.2126 * red + 0.7152 * green + 0.0722 * blue  # relative luminance, WCAG 2.2
    assert 1.05 / (light + 0.05) >= 3
    assert (light + 0.05) / 0.05 >= 3


def test_checking_needs_no_ipython(home):
    code = (
        "import sys; from course_lib.teaching import exercise; module = exercise.modules()[0]; "
        "first = module.EXERCISES[0]; module.check(first.number, first.solution); "
        "assert 'IPython' not in sys.modules and 'matplotlib' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stderr
    assert ": PASSED" in done.stdout


# ---------------------------------------------------------------------------------------------------------------------
# Progress
# ---------------------------------------------------------------------------------------------------------------------
@pytest.fixture
def only_the_mini_lesson(monkeypatch):
    """The course has one lesson, whose exercises are those of mini_exercises."""
    monkeypatch.setattr(lessons, "written", lambda: [SimpleNamespace(stem="90_mini", module=lambda name: ex)])


@pytest.mark.usefixtures("only_the_mini_lesson")
def test_progress_from_nothing_to_passed(answer, home):
    assert "90 mini: 0 of 3 passed" in exercises.progress_report()
    assert not home.exists()  # asking writes nothing
    answer(ex.check, "90.1", ex.without_slope)
    assert "[~] 90.1 One step back" in exercises.progress_report()
    answer(ex.check, "90.1", ex.step_back)
    answer(ex.check, "90.1", ex.without_slope)  # a later slip does not take the pass away
    answer(ex.solution, "90.2")
    report = exercises.progress_report()
    assert "90 mini: 1 of 3 passed" in report
    assert re.search(r"\[x\] 90\.1 One step back \(\d{4}-\d\d-\d\d\)", report)
    assert re.search(r"\[ \] 90\.2 .* \(solution seen, ", report)
    assert "[ ] 90.3 One number too large\n" in report
    assert report.isascii()
    kept = json.loads((home / "progress.json").read_text(encoding="utf-8"))
    assert set(kept["90.1"]) == set(progress.EMPTY)  # and nothing personal
    assert {path.name for path in home.iterdir()} <= {"progress.json", "progress.lock"}


def test_what_is_asked_for_after_passing_does_not_count(answer, home):
    answer(ex.check, "90.1", ex.without_slope)
    answer(ex.check, "90.1", ex.without_slope)
    _, hint, solution = exercises.bank(ex.EXERCISES)
    answer(hint, "90.1")
    answer(ex.check, "90.1", ex.step_back)
    before = dict(progress.read()[0]["90.1"], date="")
    assert before == {**progress.EMPTY, "attempted": True, "passed": True, "wrong": 2, "hints": 1}
    answer(hint, "90.1")
    answer(solution, "90.1")
    answer(ex.check, "90.1", ex.without_slope)
    assert dict(progress.read()[0]["90.1"], date="") == before


def test_in_a_classroom_the_report_says_who_sees_it(monkeypatch):
    assert "Nothing is sent anywhere." in exercises.progress_report()
    monkeypatch.setenv("COURSE_CLASSROOM", "1")
    assert "Your instructor sees this list." in exercises.progress_report()


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[1, 2]", b'{"90.1": 3}', b'{"90.1": {"hints": "two"}}', b"\xff\xfe\x00"]
)
def test_a_damaged_file_is_kept_aside_and_said_once(damage, answer, home):
    home.mkdir()
    (home / "progress.json").write_bytes(damage)
    shown = answer(ex.check, "90.1", ex.step_back)
    assert "PASSED" in shown
    assert "was damaged; it is kept as progress.damaged-1.json" in shown
    assert (home / "progress.damaged-1.json").read_bytes() == damage
    assert progress.read()[0]["90.1"]["passed"]
    assert "damaged" not in answer(ex.check, "90.1", ex.step_back)
    (home / "progress.json").write_bytes(damage)
    assert "kept as progress.damaged-2.json" in exercises.progress_report()


def test_a_file_of_a_later_version_is_read(home):
    home.mkdir()
    (home / "progress.json").write_text('{"90.1": {"passed": true, "mood": "fine"}}', encoding="utf-8")
    assert progress.read() == ({"90.1": {**progress.EMPTY, "passed": True}}, "")


def test_without_a_place_to_write_the_exercises_work_and_say_so_once(answer, home, monkeypatch):
    home.write_text("a file where the folder should be", encoding="utf-8")
    shown = answer(ex.check, "90.1", ex.step_back)
    assert "PASSED" in shown
    assert "could not be saved" in shown
    assert "COURSE_HOME" in shown
    assert "saved" not in answer(ex.check, "90.1", ex.step_back)
    assert "could not be read" in exercises.progress_report() or os.name == "nt"
    monkeypatch.setenv("COURSE_HOME", "progress-of-the-course")
    monkeypatch.setattr(Path, "home", raises(RuntimeError("no home")))
    assert "no home" in progress.record("90.1")
    assert "no home" in progress.read()[1]


def test_a_file_that_cannot_be_read_is_not_overwritten(home, monkeypatch):
    progress.record("90.1", passed=True)
    before = (home / "progress.json").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", raises(PermissionError("not yours")))
        assert "could not be read" in progress.record("90.2", passed=True)
    assert (home / "progress.json").read_bytes() == before


def test_a_crash_while_writing_leaves_the_old_file(home, monkeypatch):
    progress.record("90.1", passed=True)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", raises(OSError("disk full")))
        assert "disk full" in progress.record("90.2", passed=True)
    assert list(progress.read()[0]) == ["90.1"]
    assert progress.record("90.2", passed=True) == ""
    assert list(progress.read()[0]) == ["90.1", "90.2"]


def test_a_lock_left_behind_is_no_obstacle_and_a_held_one_is_respected(home, monkeypatch):
    home.mkdir()
    (home / "progress.lock").write_bytes(b"")  # of a kernel that died
    assert progress.record("90.1", passed=True) == ""
    monkeypatch.setattr(progress, "LOCK_TIMEOUT", 0.05)
    held = FileLock(home / "progress.lock")
    with held:
        assert "another program has kept progress.lock for too long" in progress.record("90.2")
    assert progress.record("90.2") == ""
    assert list(progress.read()[0]) == ["90.1", "90.2"]


def test_two_kernels_at_once_lose_nothing(home):
    code = (
        "import sys; from course_lib.teaching import progress\n"
        "for number in range(40): assert progress.record(f'{sys.argv[1]}.{number}', passed=True) == ''"
    )
    kernels = [subprocess.Popen([sys.executable, "-c", code, lesson]) for lesson in ("4", "5")]
    assert [kernel.wait() for kernel in kernels] == [0, 0]
    assert len(progress.read()[0]) == 80


# ---------------------------------------------------------------------------------------------------------------------
# A lesson's cells are the module's, word for word
# ---------------------------------------------------------------------------------------------------------------------
@pytest.fixture(autouse=True)
def mini_lesson(monkeypatch):
    """The mini lesson can be imported as a lesson is."""
    package = ModuleType(f"{lessons.__name__}.lesson_90_mini")
    package.exercises = ex
    monkeypatch.setitem(sys.modules, package.__name__, package)
    monkeypatch.setitem(sys.modules, f"{package.__name__}.exercises", ex)


def faults(notebook):
    """What is wrong with the exercises of a lesson: a list of sentences, empty if nothing is."""
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    imported = re.search(
        r"^from course_lib\.lessons\.lesson_(\w+) import exercises as ex\b", "\n".join(sources), re.MULTILINE
    )
    if not imported:
        called = any(re.search(r"\bex\.check\(", source) for source in sources)
        return ["ex is used, but no exercise module is imported as ex"] if called else []
    module = importlib.import_module(f"course_lib.lessons.lesson_{imported[1]}.exercises")
    try:
        changed = exercises.sync(copy.deepcopy(notebook), module)
    except ValueError as error:
        return [str(error)]
    found = [f"{cell} is not what lesson_{imported[1]}/exercises.py says: run make refresh" for cell in changed]
    calls = tuple(f'ex.check("{exercise.number}"' for exercise in module.EXERCISES)
    names = {exercise.solution.__name__ for exercise in module.EXERCISES}
    for source in sources:
        if any(call in source for call in calls):
            continue
        if re.search(r"\bex\.check\(", source):
            found.append(f"a cell with ex.check is not in the module: {source[:60]!r}")
        nodes = list(ast.walk(ast.parse(re.sub("(?m)^[%!].*", "", source))))  # magics are not Python
        used = {node.id for node in nodes if isinstance(node, ast.Name)}
        used |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
        found += [f"the lesson itself uses {name}, which belongs to an exercise" for name in sorted(used & names)]
    return found


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in NOTEBOOKS])
def test_a_lessons_exercises_are_the_modules(path):
    assert faults(nbformat.read(path, as_version=4)) == []


def lesson(*, without=None, more=""):
    """A lesson with the three exercises alone: an import, three times two cells, and a cell with more."""
    new = nbformat.v4
    cells = [new.new_code_cell(f"import numpy as np\n\nfrom {lessons.__name__}.lesson_90_mini import exercises as ex")]
    for exercise in ex.EXERCISES:
        cells += [new.new_markdown_cell(exercise.markdown), new.new_code_cell(exercise.cell)]
    if without is not None:
        del cells[without]
    return new.new_notebook(cells=[*cells, new.new_code_cell(more)])


SPOILED = "is not what lesson_90_mini/exercises.py says: run make refresh"


@pytest.mark.parametrize("place", range(1, 7))
def test_the_guard_and_sync_see_one_letter_in_each_cell(place):
    whole = lesson()
    spoiled = lesson()
    for cell, fresh in zip(spoiled.cells, whole.cells, strict=True):
        cell.id = fresh.id
    cell = spoiled.cells[place]
    cell.source = cell.source[:-2] + "?" + cell.source[-2:]
    kind = "Markdown" if place % 2 else "code"
    named = f"90.{(place + 1) // 2}: the {kind} cell"
    assert faults(spoiled) == [f"{named} {SPOILED}"]
    assert exercises.sync(spoiled, ex) == [named]
    assert spoiled == whole  # ids, too
    assert exercises.sync(spoiled, ex) == []


@pytest.mark.parametrize("place", range(1, 7))
def test_a_missing_doubled_or_parted_cell_is_named(place):
    number = f"90.{(place + 1) // 2}"
    assert f"'### Exercise {number}:'" in faults(lesson(without=place))[0]
    doubled = lesson()
    doubled.cells.append(doubled.cells[place])
    assert f"'### Exercise {number}:'" in faults(doubled)[0]
    apart = lesson()
    apart.cells.insert(place + (place % 2), nbformat.v4.new_markdown_cell("Between"))
    assert f"'### Exercise {number}:'" in faults(apart)[0]


def test_the_guard_finds_what_else_it_is_there_for():
    assert faults(lesson()) == []
    assert "a cell with ex.check is not in the module" in faults(lesson(more='ex.check("90.11", carry_back)'))[0]
    assert faults(lesson(more="dh = step_back(dh, h, W)")) == [
        "the lesson itself uses step_back, which belongs to an exercise"
    ]
    assert faults(lesson(more="def total(T):\n    return T")) == [
        "the lesson itself uses total, which belongs to an exercise"
    ]
    assert faults(lesson(without=0))[0] == "ex is used, but no exercise module is imported as ex"


def test_a_lesson_runs_untouched(answer):
    names = {}
    for cell in lesson().cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
