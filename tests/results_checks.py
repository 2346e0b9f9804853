"""What the tests of every lesson's results ask: can each bound fail, and does the lesson show what was recorded?"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest

from course_lib import datasets, tasks, training
from course_lib.teaching import experiment as results

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
LOADED_ONCE = {name: functools.cache(getattr(datasets, name)) for name in ("load_words", "load_spellings")}


def criterion_can_fail(key, spoil):
    """Assert that a reproduction, held as recorded, is not held once one seed's row has the ``spoil``ed numbers."""
    r = results.find(key)
    rows = results.recorded(key).rows
    assert r.holds(rows)
    rows[-1] = rows[-1] | spoil
    assert not r.holds(rows)
    with pytest.raises(AssertionError, match=r"Live: .*not held"):
        results.agree(key, [{name: value for name, value in row.items() if name != "seed"} for row in rows])


def lesson_shows(lesson, functions, renamed=None):
    """Assert that the lesson's cells define the very functions that ``make reproduce`` ran.

    A function of the library also has annotations, a longer docstring and checks of its arguments (``_at_least``),
    which a page leaves out.

    Parameters
    ----------
    lesson : str
        Name of the notebook without its ending.
    functions : list of function
    renamed : dict of str to str, optional
        Names that the lesson uses for something -> the package's name for it.
    """
    notebook = nbformat.read(NOTEBOOKS / f"{lesson}.ipynb", as_version=4)
    shown = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            for node in ast.parse(cell.source).body:
                if isinstance(node, ast.FunctionDef):
                    shown[node.name] = node
    for function in functions:
        node, ran = shown[function.__name__], ast.parse(inspect.getsource(function)).body[0]
        for name in ast.walk(node):
            if isinstance(name, ast.Name) and name.id in (renamed or {}):
                name.id = renamed[name.id]
        if not function.__module__.startswith("course_lib.lessons."):
            node, ran = _bare(node), _bare(ran)
        assert ast.unparse(node) == ast.unparse(ran)


def _bare(function):
    """A function without its annotations, its docstring and the checks of its arguments."""
    function.returns = None
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            node.annotation = None
    function.body = [node for node in function.body if not _is_remark(node)]
    return function


def _is_remark(node):
    if not isinstance(node, ast.Expr):
        return False
    called = getattr(getattr(node.value, "func", None), "id", None)
    return isinstance(node.value, ast.Constant) or called == "_at_least"


def measured_at_toy_size(key, monkeypatch, options=None, **toys):
    """Run a measurement once, with functions of its module made small, and check what it returns.

    It returns the columns that are recorded, each with a finite number, a list of such, or None. No sequence on which
    it judges is one that it trained on: of each generated task the largest draw shares no row with the smaller ones.

    Parameters
    ----------
    key : str
        Of the reproduction.
    monkeypatch : pytest.MonkeyPatch
    options : dict, optional
        Arguments of the measurement beside its seed.
    **toys
        Name of a function of that module -> keyword arguments to fix, or a function from the original to its toy.

    Returns
    -------
    dict
        The row.
    """
    r = results.find(key)
    module = sys.modules[r.measure.__module__]
    for name, toy in toys.items():
        original = getattr(module, name)
        smaller = functools.partial(original, **toy) if isinstance(toy, dict) else toy(original)
        monkeypatch.setattr(module, name, smaller)
    draws = {name: [] for name in ("adding", "temporal_order", "running_total")}
    for name, drawn in draws.items():
        watched = _watched(getattr(tasks, name), drawn)
        for where in (tasks, training, module):
            if hasattr(where, name):
                monkeypatch.setattr(where, name, watched)
    for name, load in LOADED_ONCE.items():
        monkeypatch.setattr(datasets, name, load)
    row = r.measure(0, **options or {})
    assert set(row) == set(results.recorded(key).rows[0]) - {"seed"}
    for value in row.values():
        for number in value if isinstance(value, list) else [value]:
            assert number is None or np.isfinite(number)
    for drawn in draws.values():
        most = max(map(len, drawn), default=0)
        judged = {row.tobytes() for inputs in drawn if len(inputs) == most for row in inputs}
        assert not any(row.tobytes() in judged for inputs in drawn if len(inputs) < most for row in inputs)
    return row


def _watched(draw, drawn):
    def watched(*arguments):
        inputs, targets = draw(*arguments)
        drawn.append(inputs)
        return inputs, targets

    return watched
