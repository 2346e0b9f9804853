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
    comparisons = _comparisons(test)
    if comparisons is None:
        return [f"{said} is not a strict comparison. {ADVICE}"]
    found = []
    for sides in comparisons:
        if all(map(_constant, sides)):
            found.append(f"{said} compares constants. {ADVICE}")
        if any(_contains(left, right) or _contains(right, left) for left, right in itertools.pairwise(sides)):
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


def _comparisons(test: ast.expr) -> list[list[ast.expr]] | None:
    """Return the sides of each comparison, a chain as one, or None if the condition is of another kind."""
    match test:
        case ast.Compare() if all(isinstance(op, ast.Lt | ast.Gt) for op in test.ops):
            return [[test.left, *test.comparators]]
        case ast.BoolOp(op=ast.And(), values=parts):
            found = [_comparisons(part) for part in parts]
            return None if None in found else [sides for each in found for sides in each]
        case ast.Call(func=ast.Name(id="all"), args=[ast.GeneratorExp() | ast.ListComp() as each]):
            return _comparisons(each.elt)
        case ast.Call(func=ast.Attribute(attr="all", value=ast.Name(id="np")), args=[ast.Compare() as inner]):
            return _comparisons(inner)
        case ast.Call(func=ast.Attribute(attr="all", value=ast.Compare() as inner), args=[]):
            return _comparisons(inner)
    return None


def _constant(side: ast.expr) -> bool:
    return not any(isinstance(node, ast.Name | ast.Attribute | ast.Call) for node in ast.walk(side))


def _contains(side: ast.expr, other: ast.expr) -> bool:
    return not _constant(other) and ast.dump(other) in map(ast.dump, ast.walk(side))
