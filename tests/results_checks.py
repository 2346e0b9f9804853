"""What the tests of every lesson's results ask: can each bound fail, and does the lesson show what was recorded?"""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import nbformat
import pytest

from course_lib.teaching import experiment as results

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def criterion_can_fail(key, spoil):
    """Assert that a reproduction, held as recorded, is not held once one seed's row has the ``spoil``ed numbers."""
    r = results.find(key)
    rows = results.recorded(key).rows
    assert r.holds(rows)
    rows[-1] = rows[-1] | spoil
    assert not r.holds(rows)
    with pytest.raises(AssertionError, match=r"Live: .*not held"):
        results.agree(key, rows)


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
