"""What a collapsed cell may do: draw, print and assert. Nothing that a reader has to see may happen in it."""

from __future__ import annotations

import ast
import re
import symtable

TRAINING = re.compile(r"fit|train_on_batch|train(?:_\w*)?")
OWN_TRAINING = re.compile(r"(?:train|learn)")


def collapsed_problems(source: str, earlier: list[str], later: list[str]) -> list[str]:
    """Return what a collapsed cell does beyond drawing, printing and asserting.

    Parameters
    ----------
    source : str
        Of the cell.
    earlier, later : list of str
        Sources of the code cells before and after it.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return [f"a collapsed cell must be plain Python, and this is not: {error.msg}."]
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.append(f"a collapsed cell defines {node.name}. Define it in a visible cell.")
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.append(f"a collapsed cell imports: `{ast.unparse(node)}`. Import in a visible cell.")
    own = _trainers(earlier)
    for name in dict.fromkeys(_called(tree)):
        if TRAINING.fullmatch(name) or name in own:
            found.append(f"a collapsed cell trains: it calls {name}. Train in a visible cell.")
    used = _used(later)
    for name in sorted(_assigned(tree)):
        if used(name):
            found.append(f"a collapsed cell assigns {name}, which a later cell uses. Assign it in a visible cell.")
    return found


def _called(tree: ast.AST) -> list[str]:
    """The last names of all that is called: fit for ``model.fit(...)``."""
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "") for func in calls]


def _parsed(sources: list[str]) -> list[ast.Module]:
    trees = []
    for source in sources:
        try:
            trees.append(ast.parse(source))
        except SyntaxError:
            continue  # a line magic: nothing is known of such a cell
    return trees


def _trainers(sources: list[str]) -> set[str]:
    """Names of the functions that the lesson defines and that train, by their name or by what they call."""
    functions = {
        node.name: set(_called(node))
        for tree in _parsed(sources)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }
    found = {name for name in functions if OWN_TRAINING.match(name)}
    while True:
        more = {
            name
            for name, called in functions.items()
            if name not in found and (called & found or any(map(TRAINING.fullmatch, called)))
        }
        if not more:
            return found
        found |= more


def _assigned(tree: ast.Module) -> set[str]:
    """Names that a cell binds, and names whose content it changes by assigning to a part of it."""
    found = set()
    for statement in tree.body:
        found |= _names(statement)[1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
            while isinstance(node, ast.Subscript | ast.Attribute):
                node = node.value
            if isinstance(node, ast.Name):
                found.add(node.id)
    return found


def _used(sources: list[str]):
    """Return a function: does one of these cells use a name before it is assigned anew?"""
    statements = [_names(statement) for tree in _parsed(sources) for statement in tree.body]

    def used(name: str) -> bool:
        for read, written in statements:
            if name in read:
                return True
            if name in written:
                return False
        return False

    return used


def _names(statement: ast.stmt) -> tuple[set[str], set[str]]:
    """The notebook's names that a statement reads and writes; what is local to a function or comprehension is not."""
    read, written = set(), set()
    tables = [symtable.symtable(ast.unparse(statement), "cell", "exec")]
    module = tables[0]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (table is module or symbol.is_global()):
                read.add(symbol.get_name())
            if symbol.is_assigned() and (table is module or symbol.is_declared_global()):
                written.add(symbol.get_name())
            if table is module and (symbol.is_imported() or symbol.is_namespace()):
                written.add(symbol.get_name())
    for node in ast.walk(statement):
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            read.add(node.target.id)
    return read - _only_in_their_loops(statement), written


def _only_in_their_loops(statement: ast.stmt) -> set[str]:
    """Names that a statement reads in the body of loops over them and nowhere else: the loop assigns them first."""
    loops = [node for node in ast.walk(statement) if isinstance(node, ast.For)]
    bound = {id(node): set() for node in ast.walk(statement)}
    for loop in loops:
        targets = {node.id for node in ast.walk(loop.target) if isinstance(node, ast.Name)}
        for inner in loop.body:
            for node in ast.walk(inner):
                bound[id(node)] |= targets
    loads = [node for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    free = {node.id for node in loads if node.id not in bound[id(node)]}
    return {node.id for node in loads} - free
