"""A hash of the code that a recorded experiment depends on."""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


class SourceCode:
    """The course's code as it stands on disk."""

    def hash_of(self, module: str, name: str) -> str:
        """Hash the module in which a measurement stands, without comments, docstrings and white space."""
        source = (PACKAGE.parent / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
        return hashlib.sha256(_code_only(source).encode()).hexdigest()[:16]


def _code_only(source: str) -> str:
    """A module's text without comments, docstrings and white space (a syntax tree varies with Python's version)."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            docstring = node.body[0]
            lines[docstring.lineno - 1 : docstring.end_lineno] = [""] * (docstring.end_lineno - docstring.lineno + 1)
    return "".join("".join(lines).split())
