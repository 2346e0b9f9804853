"""What an assertion in a lesson must be: a strict comparison that fails when nothing was learned.

``<`` and ``>`` alone, so that whoever puts the baseline in the place of what was measured gets a failure:
:func:`at_the_baseline` does that.
"""

from __future__ import annotations

import ast
import copy
import itertools

ADVICE = "Compare what was measured with a baseline or a bound by < or >, such as `assert error < 0.5 * baseline`."


def assertion_problems(test: ast.expr) -> list[str]:
    """Return what is wrong with the condition of an assertion.

    Parameters
    ----------
    test : ast.expr
        Allowed are strict comparisons, chained or joined by ``and``, ``all(... for ...)`` of such, ``np.all(a < b)``
        and ``(a < b).all()``.
    """
    said = f"`assert {ast.unparse(test)}`"
    pairs = _pairs(test)
    if pairs is None:
        return [f"{said} is not a strict comparison. {ADVICE}"]
    found = []
    for left, right in pairs:
        if _constant(left) and _constant(right):
            found.append(f"{said} compares two constants. {ADVICE}")
        elif _contains(left, right) or _contains(right, left):
            found.append(f"{said} compares something with itself, and so says nothing about it. {ADVICE}")
    return found


def at_the_baseline(assertion: str) -> list[str]:
    """Return an assertion's condition once for each of its comparisons, with the right side in place of the left one.

    Parameters
    ----------
    assertion : str
        Such as ``"assert 0.4 < error < baseline"``.

    Returns
    -------
    list of str
        Expressions that are all false if the assertion is of the allowed kind.
    """
    test = ast.parse(assertion).body[0].test
    found = []
    for place, node in enumerate(ast.walk(test)):
        if not isinstance(node, ast.Compare):
            continue
        for number in range(len(node.ops)):
            changed = copy.deepcopy(test)
            compare = next(other for at, other in enumerate(ast.walk(changed)) if at == place)
            if number:
                compare.comparators[number - 1] = compare.comparators[number]
            else:
                compare.left = compare.comparators[0]
            found.append(ast.unparse(changed))
    return found


def _pairs(test: ast.expr) -> list[tuple[ast.expr, ast.expr]] | None:
    """Return the two sides of each comparison, or None if the condition is of another kind."""
    match test:
        case ast.Compare() if all(isinstance(op, ast.Lt | ast.Gt) for op in test.ops):
            return list(itertools.pairwise([test.left, *test.comparators]))
        case ast.BoolOp(op=ast.And(), values=parts):
            found = [_pairs(part) for part in parts]
            return None if None in found else [pair for pairs in found for pair in pairs]
        case ast.Call(func=ast.Name(id="all"), args=[ast.GeneratorExp() | ast.ListComp() as each]):
            return _pairs(each.elt)
        case ast.Call(func=ast.Attribute(attr="all", value=ast.Name(id="np")), args=[ast.Compare() as inner]):
            return _pairs(inner)
        case ast.Call(func=ast.Attribute(attr="all", value=ast.Compare() as inner), args=[]):
            return _pairs(inner)
    return None


def _constant(side: ast.expr) -> bool:
    return not any(isinstance(node, ast.Name | ast.Attribute | ast.Call) for node in ast.walk(side))


def _contains(side: ast.expr, other: ast.expr) -> bool:
    return not _constant(other) and ast.dump(other) in map(ast.dump, ast.walk(side))
