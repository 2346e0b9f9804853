"""The public API: annotated, documented as numpydoc asks, its examples right, in the words of the field.

Public is a name without an underscore in ``course_lib`` outside ``lessons``. One module's part, after a change to it:

    pytest tests/project/test_api.py -k course_lib.layers
"""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpydoc.validate import validate

ROOT = Path(__file__).resolve().parents[2]

FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "course_lib").rglob("*.py"))
    if "lessons" not in path.parts and path.name != "__main__.py"
}

CHECKS = {
    "GL06": "unknown section",
    "GL07": "sections in another order",
    "GL08": "no docstring",
    "GL10": "malformed directive",
    "SS01": "no summary",
    "SS03": "the summary does not end in a period",
    "PR01": "parameter without a line",
    "PR02": "a line for what is no parameter",
    "PR03": "parameters in another order",
    "PR07": "parameter without a description",
    "PR10": "no space before the colon",
    "RT01": "no section Returns",
    "RT03": "return value without a description",
}

# What the library once said, and what it says now. The lessons' prose may still use the picture.
WORDS = {
    r"blam\w*": "gradient",
    r"road|roads": "path, Jacobian norm",
    r"till": "running total; until",
    r"imagined": "pseudocount",
    r"leaning|leaned": "interpolated",
    r"surprise[sd]?": "surprisal",
    r"heaped": "cumulative",
    r"filling|filled up": "padding",
    r"both_ways|both ways": "bidirectional",
    r"temper": "temperature",
    r"(?<!teacher[ _-])forcing": "teacher forcing",
    r"read_out|reads? out": "output layer",
    r"ladder": "ablation",
    r"twins?": "what it is",
    r"ModelInHalves": "what it is",
    r"MultiHead": "MultiHeadAttention",
    r"LayerNorm": "LayerNormalization",
    r"came": "got: 'expected ..., but got ...'",
}


def public_functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield name and definition of each public function and method, constructors included."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and (inner.name[0] != "_" or inner.name == "__init__"):
                    yield f"{node.name}.{inner.name}", inner


def missing_annotations(source: str) -> list[str]:
    """Return a phrase for each parameter and return value of a module's public functions that has no annotation."""
    found = []
    for name, function in public_functions(ast.parse(source)):
        arguments = function.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        bare = [argument.arg for argument in every if argument and not argument.annotation]
        found += [f"{name}: parameter {argument}" for argument in bare if argument not in ("self", "cls")]
        if function.returns is None and not name.endswith(".__init__"):
            found.append(f"{name}: return value")
    return found


def public_objects(module) -> Iterator[tuple[str, object]]:
    """Yield name and object of each public class, function and method that a module defines itself."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(value):
            yield name, value
        if inspect.isclass(value):
            yield name, value
            for inner, method in vars(value).items():
                inherited = any(inner in vars(base) for base in value.__mro__[1:])
                if isinstance(method, staticmethod | classmethod):
                    method = method.__func__
                if inspect.isfunction(method) and not inner.startswith("_") and not inherited:
                    yield f"{name}.{inner}", method


def fields(value) -> set[str]:
    """Return the fields of a named tuple or a data class, which are its parameters and its attributes in one."""
    return {*getattr(value, "_fields", ()), *getattr(value, "__dataclass_fields__", ())}


def docstring_problems(module, name: str, value) -> list[str]:
    """Return numpydoc's complaints about one object."""
    text = inspect.getdoc(value) or ""
    ignored = set()
    try:
        parameters = set(inspect.signature(value).parameters) - {"self", "cls"}
    except ValueError:  # an exception that takes what Exception takes
        parameters = set()
    if not parameters and "\n" not in text:
        ignored = {"RT01"}  # one line is the whole contract
    named = set(re.findall(r"\w+", " ".join(re.findall(r"^([\w, ]+) : ", text, flags=re.MULTILINE))))
    if fields(value) and fields(value) <= named and "Attributes\n---" in text:
        ignored |= {"PR01"}
    found = validate(f"{module.__name__}.{name}")["errors"]
    return [f"{name}: {code} {message}" for code, message in found if code in CHECKS and code not in ignored]


def forbidden_words(source: str) -> list[str]:
    """Return a line for each word that the field does not use, in names, docstrings, comments and messages."""
    found = []
    for number, line in enumerate(source.splitlines(), 1):
        for word, instead in WORDS.items():
            for match in re.finditer(rf"(?<![A-Za-z])(?:{word})(?![A-Za-z])", line):
                found.append(f"line {number}: {match[0]!r} ({instead}): {line.strip()[:80]}")
    return found


@pytest.mark.parametrize("module", FILES)
def test_every_parameter_and_return_value_is_annotated(module):
    assert missing_annotations(FILES[module].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("module", FILES)
def test_docstrings_are_valid(module):
    if ".keras_" in module:
        pytest.importorskip("tensorflow")
    imported = importlib.import_module(module)
    found = [
        problem for name, value in public_objects(imported) for problem in docstring_problems(imported, name, value)
    ]
    assert inspect.getdoc(imported)
    assert found == []


@pytest.mark.parametrize("module", FILES)
def test_words_are_those_of_the_field(module):
    assert forbidden_words(FILES[module].read_text(encoding="utf-8")) == []


def resolves(name: str) -> bool:
    """Say whether there is a module, or something in one, of this dotted name."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        try:
            for part in parts[length:]:
                found = getattr(found, part)
        except AttributeError:
            return False
        return True
    return False


def test_what_docstrings_refer_to_exists():
    reference = re.compile(r":(?:mod|class|func|meth|attr|data|exc):`~?(course_lib[\w.]*)`")
    for module, path in FILES.items():
        named = reference.findall(path.read_text(encoding="utf-8"))
        assert [name for name in named if not resolves(name)] == [], module
    assert not resolves("course_lib.layers.Dense.no_such_method")


@pytest.mark.parametrize("module", [name for name, path in FILES.items() if ">>>" in path.read_text(encoding="utf-8")])
def test_examples_run(module, capsys):
    with np.printoptions(precision=8, linewidth=75, legacy=False):
        result = doctest.testmod(importlib.import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0, capsys.readouterr().out


# --- the checks themselves can fail --------------------------------------------------------------------------------


def test_a_missing_annotation_is_found():
    source = "def f(x, *rest: int, key=0): ...\nclass A:\n    def __init__(self, n): ...\n    def _g(self, y): ..."
    assert missing_annotations(source) == [
        "f: parameter x", "f: parameter key", "f: return value", "A.__init__: parameter n",
    ]  # fmt: skip


class Undocumented:
    """A class whose methods say too little."""

    def scaled(self, factor: float) -> float:
        """Return something."""
        return factor

    def size(self) -> int:
        """How large it is."""
        return 3


def test_a_docstring_that_says_too_little_is_found():
    this = importlib.import_module(__name__)
    found = dict.fromkeys(dict(public_objects(this)))
    assert {"Undocumented", "Undocumented.scaled", "Undocumented.size"} <= set(found)
    [parameters, returns] = docstring_problems(this, "Undocumented.scaled", Undocumented.scaled)
    assert "PR01" in parameters
    assert "RT01" in returns
    assert docstring_problems(this, "Undocumented.size", Undocumented.size) == []


@pytest.mark.parametrize("line", ["d_blame = 1", '"a shape, but 3 came"', "# the till", "both_ways=True", "MultiHead("])
def test_a_forbidden_word_is_found(line):
    assert len(forbidden_words(line)) == 1


def test_words_of_the_field_are_left_alone():
    assert forbidden_words("teacher_forcing, broadcast, temperature, LayerNormalization, still, became") == []
