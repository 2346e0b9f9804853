"""Run what a learner wrote, so that nothing it does can break the notebook or the check.

An attempt may raise, print for ever, loop for ever or change its arguments. Each becomes an answer.
"""

from __future__ import annotations

import contextlib
import contextvars
import copy
import ctypes
import inspect
import io
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterable

import numpy as np

TIME_LIMIT = 20.0  # seconds for one check
STOP_LIMIT = 3.0  # seconds in which an attempt that is asked to stop has to do so
SHOWN_CHARACTERS = 1_000  # of the attempt's own printing that the answer repeats,
SHOWN_LINES = 20  # on at most so many lines
PRINT_LIMIT = 1_000_000  # characters after which printing counts as endless

ADVICE = [  # (type of exception, what to check first); the first that fits
    (ModuleNotFoundError, "Nothing beyond what the lesson has imported is needed here."),
    (NameError, "That name means nothing here: a typing mistake, or a cell further up that has not been run."),
    (IndexError, "An index runs from 0 to length - 1, and T steps have T + 1 states. Print the shapes and the index."),
    (KeyError, "That key is not in the dictionary. Print its keys just before the line."),
    (AttributeError, "Print the type of what stands before the dot: is it what you think it is?"),
    (ZeroDivisionError, "Something that you divide by is 0. Print it just before the line."),
    (RecursionError, "The function calls itself without an end."),
    (TypeError, "Look at how many arguments are passed, in which order, and of which type each of them is."),
    (
        ValueError,
        "Often two shapes that do not fit: print both; in a product, the inner sizes must be equal. If it "
        "speaks of the truth value of an array: between arrays write `&` and `|`, not `and` and `or`.",
    ),
]


class Review(Exception):
    """What to tell the learner about a wrong attempt. The arguments are paragraphs, or :class:`Code`."""


class NotAttempted(Exception):
    """There is nothing to review yet. The arguments are paragraphs."""


class Code(str):
    """A part of an answer that is shown line by line, as written."""

    __slots__ = ()


class _OutOfTime(BaseException):
    """Raised inside an attempt that takes too long; no ``except Exception`` of the learner's catches it."""


class _TooMuchPrinted(BaseException):
    """Raised inside an attempt that prints without end."""


class Attempt:
    """A learner's function, made safe to call.

    It gets copies of the arguments, so that changing them in place cannot spoil the check, and whatever it raises
    becomes a :class:`Review`; None, ``...`` and NotImplementedError become :class:`NotAttempted`.

    Parameters
    ----------
    function : callable
        What the learner passed to ``check``.
    example : callable
        The solution, for the names of the parameters.
    """

    def __init__(self, function: Callable, example: Callable) -> None:
        self.function = function
        self.name = example.__name__
        self.parameters = list(inspect.signature(example).parameters)

    def __call__(self, *args: object) -> object:
        try:
            value = self.function(*copy.deepcopy(args))
        except (Review, NotAttempted):  # from a function that the check gave the attempt to call
            raise
        except BaseException as error:
            if type(error) is NotImplementedError:
                raise NotAttempted("The function raises NotImplementedError.") from None
            raise Review(*self._explain(error, args)) from None
        if value is Ellipsis:
            raise NotAttempted("The function still returns `...`: put your own code in its place.")
        if value is None:
            raise NotAttempted("The function returns `None`. If you have written something: is the `return` missing?")
        return value

    def _explain(self, error: BaseException, args: tuple) -> tuple[str, ...]:
        """Paragraphs that say what an attempt raised, where, and what to look at."""
        where = self._where(error)
        if isinstance(error, _OutOfTime):
            return (
                f"The check was stopped after {TIME_LIMIT:g} seconds. Is there a loop that never ends? It was here:",
                where,
            )
        if isinstance(error, _TooMuchPrinted):
            return "The function prints without end. Is there a loop that never ends? It was here:", where
        message = " ".join(str(error).split())
        message = message if len(message) <= 300 else message[:300] + " …"
        raised = f"The function stopped with `{type(error).__name__}`" + (f": {message}" if message else "")
        call = f"The check calls `{self.name}({', '.join(self.parameters)})`"
        shapes = [
            f"`{name}` {arg.shape}"
            for name, arg in zip(self.parameters, args, strict=False)
            if isinstance(arg, np.ndarray)
        ]
        call += f", here with {', '.join(shapes)}." if shapes else "."
        advice = next(
            (text for kind, text in ADVICE if isinstance(error, kind)),
            "Print what goes into that line: what your function prints appears in this answer.",
        )
        return raised, where, f"{advice} {call}"

    def _where(self, error: BaseException) -> Code:
        """The line of the learner's code in which it happened: the deepest one in the module of the attempt."""
        module = getattr(inspect.unwrap(self.function), "__globals__", None)
        lines = [
            traceback.FrameSummary(frame.f_code.co_filename, line, frame.f_code.co_name)
            for frame, line in traceback.walk_tb(error.__traceback__)
            if frame.f_globals is module
        ]
        if not lines:
            return Code(f"in the call of {self.name}")
        return Code(f"line {lines[-1].lineno}" + (f": {lines[-1].line}" if lines[-1].line else ""))


class _Printed(io.TextIOBase):
    """What an attempt prints: the beginning is kept, the rest counted."""

    def __init__(self) -> None:
        self.head, self.count = "", 0

    def write(self, text: str) -> int:
        self.head += text[: max(0, SHOWN_CHARACTERS - len(self.head))]
        self.head = "\n".join(self.head.split("\n")[:SHOWN_LINES])
        self.count += len(text)
        if self.count > PRINT_LIMIT:
            raise _TooMuchPrinted
        return len(text)


def run(function: Callable[[], object]) -> tuple[object, str]:
    """Call ``function()`` with a limit of time and with its printing caught.

    It runs in a thread of its own: the calling thread can ask it to stop, on every system, and goes on if the function
    cannot be stopped at all. (One call into C that never comes back, such as ``sum`` over a million million numbers,
    still blocks everything; then only restarting the kernel helps.)

    Parameters
    ----------
    function : callable
        Takes no arguments.

    Returns
    -------
    outcome : object
        What the function returned, or the exception that it raised.
    printed : str
        The beginning of what it printed.
    """
    outcome, finished, printed = [], threading.Event(), _Printed()

    def work():
        try:
            outcome.append(function())
        except BaseException as error:
            outcome.append(error)
        finally:
            finished.set()

    worker = threading.Thread(target=contextvars.copy_context().run, args=(work,), name="exercise", daemon=True)
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's warnings: the check tests the numbers themselves
        worker.start()
        try:
            _wait(finished, TIME_LIMIT)
        finally:  # out of time, or the reader pressed stop
            end = time.monotonic() + STOP_LIMIT
            while not finished.is_set() and time.monotonic() < end:
                # Again and again: a bare `except:` inside the attempt may swallow one.
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(worker.ident), ctypes.py_object(_OutOfTime))
                finished.wait(0.5)
    head = printed.head + (" … (cut here)" if printed.count > len(printed.head) else "")
    if not outcome:
        return Review(
            f"The function did not end within {TIME_LIMIT:g} seconds and cannot be stopped from outside: it "
            f"still runs. Restart the kernel, then look for a loop that never ends or that swallows every "
            f"exception (a bare `except:`)."
        ), head
    if isinstance(outcome[0], _OutOfTime):
        return Review(
            f"The check was stopped after {TIME_LIMIT:g} seconds. Each call of your function ends, but all "
            f"together they take too long: does it do more work than it needs?"
        ), head
    return outcome[0], head


def _wait(finished: threading.Event, seconds: float) -> None:
    """Wait in short pieces: on Windows a long wait does not notice the reader's interrupt."""
    end = time.monotonic() + seconds
    while not finished.wait(0.1) and time.monotonic() < end:
        pass


def function_from(source: str) -> Callable:
    """The function that a piece of source text defines.

    Parameters
    ----------
    source : str
        Python source, in which ``np`` is NumPy, as in a lesson.

    Returns
    -------
    callable
        The last function that it defines.

    Examples
    --------
    >>> function_from("def double(x):\\n    return 2 * x")(3)
    6
    """
    names = {"np": np}
    exec(source, names)
    return [value for value in names.values() if inspect.isfunction(value)][-1]


def array_of_shape(value: object, shape: tuple[int, ...], what: str) -> np.ndarray:
    """The value as a float array of a given shape.

    Parameters
    ----------
    value : object
        What an attempt returned.
    shape : tuple of int
        The shape it must have; ``()`` for one number.
    what : str
        Names the result and its axes, as in "the gradient at h_{t-1}, (batch, units)".

    Returns
    -------
    ndarray of float64
        The same numbers.

    Raises
    ------
    Review
        If it is no array of real numbers of that shape; the message names what was expected and what it got.

    Examples
    --------
    >>> array_of_shape([1, 2], (2,), "two numbers")
    array([1., 2.])
    """
    try:
        array = np.asarray(value)
        array = array.astype(np.float64) if array.dtype.kind in "biuf" else None
    except ValueError:  # rows of different lengths
        array = None
    if array is None:
        raise Review(
            f"Expected: {what}, an array of numbers of shape {shape}, but got a value of type "
            f"`{type(value).__name__}`, of which no array of real numbers can be made."
        )
    if array.shape != shape:
        raise Review(f"Expected: {what}, of shape {shape}, but got shape {array.shape}.")
    return array


def first_match(
    got: np.ndarray | list | tuple, args: tuple, misconceptions: Iterable[tuple[Callable, str]]
) -> str | None:
    """The answer to the first known wrong function that returns what the attempt returned.

    Parameters
    ----------
    got : ndarray, or list or tuple of ndarray
        What the attempt returned.
    args : tuple
        What it was called with.
    misconceptions : iterable of (callable, str)
        Wrong functions, each with the answer to it.

    Returns
    -------
    str or None
        None if no function returns the same, within the tolerance of :func:`numpy.allclose`; NaN equals NaN.

    Examples
    --------
    >>> first_match(np.array(4.0), (2,), [(lambda x: x + 1, "One added."), (lambda x: x * x, "A square.")])
    'A square.'
    """
    with np.errstate(all="ignore"):
        return next((answer for wrong, answer in misconceptions if _same(got, wrong(*args))), None)


def _same(a: object, b: object) -> bool:
    """Whether two arrays, or two lists of arrays, agree in shapes and values."""
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return np.shape(a) == np.shape(b) and np.allclose(a, b, equal_nan=True)


def listed(items: Iterable[object]) -> str:
    """Write items as in "a, b and c".

    Parameters
    ----------
    items : iterable
        At least one.

    Returns
    -------
    str
        All of them, the last after "and".

    Examples
    --------
    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    *first, last = [str(item) for item in items]
    return f"{', '.join(first)} and {last}" if first else last
