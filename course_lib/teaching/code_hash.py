"""What a recorded experiment depends on, found by following its code, and a hash of it.

The code is parsed, never imported, and what is found errs on the side of too much: a record that is called stale in
vain costs one seed of ``make reproduce ARGS=--confirm``, a change that goes unnoticed costs a reader's trust.

From one function on, everything that it may use is *reached*:

- a name reaches what the module binds to it: a function, a whole class with its bases, a global, or an import, followed
  through packages that export it again. Decorators, defaults and class bodies are part of the text that is followed;
- an attribute (``model.fit``) reaches every function, method, class and global of that name in all modules of the
  package that are imported on the way, since nobody knows what ``model`` will be;
- ``getattr`` with a computed name, ``globals()`` and the like reach their whole module, and everything whose name
  stands as a string in what is reached; so does a registry (a dict of functions or classes, or a container that is
  filled elsewhere). A class that is told of its subclasses (``__init_subclass__``, a metaclass) reaches them;
- what a module does when it is imported, beyond binding names, counts wherever the module is imported;
- code that finds files (``__file__``, ``importlib.resources``) reaches the data files that are named by what is reached
  (all of the module's data files where none is named), and their bytes count.

Tokens are hashed, not syntax trees, so that all supported Pythons agree. Comments, docstrings, white space, line breaks
and the trailing commas of a formatter do not count.
"""

from __future__ import annotations

import ast
import bisect
import hashlib
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# They describe, list and run the experiments: they count where an experiment names something in them, not because a
# module on the way imports them.
FRAMEWORKS = re.compile(r"course_lib(\.lessons(\.lesson_\w+)?|\.teaching(\..+)?)?")

DATA = {"course_lib.datasets": "datasets"}  # module -> where its data is, if not beside it

_COMPUTED = {"getattr", "globals", "vars", "eval", "exec", "__import__", "import_module", "attrgetter", "methodcaller"}
_CONTAINERS = {"dict", "list", "set", "defaultdict", "OrderedDict", "WeakValueDictionary"}
_OPENING, _CLOSING = set("([{"), set(")]}")


@dataclass(frozen=True)
class _Target:
    """What an import binds: a module, or a name in it."""

    module: str
    name: str | None = None


@dataclass(eq=False)
class _Unit:
    """A statement of a module, or of a class in it, and what it mentions."""

    module: _Module
    name: str
    row: int
    text: str
    names: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    strings: set[str] = field(default_factory=set)
    imports: list[_Target] = field(default_factory=list)
    bases: list[str] = field(default_factory=list)
    whole_module: bool = False
    hooks_subclasses: bool = False

    @property
    def finds_files(self) -> bool:
        return bool({"__file__", "__path__", "files"} & (self.names | self.attributes))


class _Module:
    """One file, parsed.

    Parameters
    ----------
    name : str
        Such as "course_lib.tasks.memory".
    file : Path
        Where it stands.

    Attributes
    ----------
    bound : dict of str to list of _Unit
        Name at the top level -> the statements that bind it.
    members : dict of str to list of _Unit
        Name in the body of a class, or of a class in it -> the statements that bind it.
    imports : dict of str to list of _Target
        Name at the top level -> what it was imported from.
    executed : list of _Unit
        What happens on import beyond binding a name.
    """

    def __init__(self, name: str, file: Path):
        self.name, self.file = name, file
        self.package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        self.bound: dict[str, list[_Unit]] = {}
        self.members: dict[str, list[_Unit]] = {}
        self.imports: dict[str, list[_Target]] = {}
        self.executed: list[_Unit] = []
        source = file.read_text(encoding="utf-8")
        self._rows, self._tokens = _tokens(source)
        for statement in ast.parse(source).body:
            self._add(statement)

    @property
    def units(self) -> Iterator[_Unit]:
        """Every statement at the top level that may count."""
        yield from self.executed
        for units in self.bound.values():
            yield from units

    def targets(self, node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, _Target]]:
        """The names that an import statement binds, each with what it stands for."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0], _Target(alias.name)
            return
        origin = node.module or ""
        if node.level:
            package = self.package.split(".")
            origin = ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])
        for alias in node.names:
            yield alias.asname or alias.name, _Target(origin, alias.name)

    def _add(self, statement):
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for name, target in self.targets(statement):
                self.imports.setdefault(name, []).append(target)
            return
        if _is_main_block(statement) or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            return
        names = _bound_names(statement)
        unit = self._unit(statement, ", ".join(names))
        for name in names:
            self.bound.setdefault(name, []).append(unit)
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if statement.name == "__getattr__" or any(map(self._is_ours, statement.decorator_list)):
                self.executed.append(unit)
        elif not _only_binds(statement):
            self.executed.append(unit)
            for node in ast.walk(statement):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    for name, target in self.targets(node):
                        self.imports.setdefault(name, []).append(target)
        if isinstance(statement, ast.ClassDef):
            self._add_members(statement, statement.name)

    def _is_ours(self, decorator) -> bool:
        """May a decorator be the package's own, which might enter what it decorates in a list?"""
        package = self.name.partition(".")[0]
        names = [node.id for node in ast.walk(decorator) if isinstance(node, ast.Name)]
        targets = [target for name in names for target in self.imports.get(name, [])]
        return any(name in self.bound for name in names) or any(
            target.module.partition(".")[0] == package for target in targets
        )

    def _add_members(self, statement, path):
        for member in statement.body:
            for name in _bound_names(member):
                self.members.setdefault(name, []).append(self._unit(member, f"{path}.{name}"))
            if isinstance(member, ast.ClassDef):
                self._add_members(member, f"{path}.{member.name}")

    def _unit(self, statement, name) -> _Unit:
        first = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", []))])
        start = bisect.bisect_left(self._rows, first)
        end = bisect.bisect_right(self._rows, statement.end_lineno)
        while self._tokens[start].startswith("DEDENT"):  # of the statement before
            start += 1
        unit = _Unit(self, name, first, "\0".join(self._tokens[start:end]))
        for node in ast.walk(statement):
            match node:
                case ast.Name():
                    unit.names.add(node.id)
                case ast.Attribute():
                    unit.attributes.add(node.attr)
                    unit.whole_module |= node.attr in ("__dict__", "__subclasses__", *_COMPUTED)
                case ast.Constant(value=str()):
                    unit.strings.add(node.value)
                case ast.Import() | ast.ImportFrom():
                    unit.imports += [target for _, target in self.targets(node)]
                case ast.Call(func=ast.Name(id="getattr" | "hasattr"), args=[_, ast.Constant(value=str(name)), *_]):
                    unit.attributes.add(name)
                case ast.Call(func=ast.Name(id=name)) if name in _COMPUTED:
                    unit.whole_module = True
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            unit.whole_module |= _is_registry(statement.value)
        if isinstance(statement, ast.ClassDef):
            bases = [*statement.bases, *(keyword.value for keyword in statement.keywords)]
            unit.bases = [node.id for base in bases for node in ast.walk(base) if isinstance(node, ast.Name)]
            unit.hooks_subclasses = "__init_subclass__" in [getattr(member, "name", "") for member in statement.body]
            unit.hooks_subclasses |= "metaclass" in [keyword.arg for keyword in statement.keywords]
        return unit


def _bound_names(statement) -> list[str]:
    """The names that a statement binds in its own scope."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    nodes, names = [statement], []
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(node.name)
            continue
        if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp | ast.Lambda):
            continue  # a scope of its own
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.append(node.id)
        nodes += ast.iter_child_nodes(node)
    return sorted(set(names))


def _only_binds(statement) -> bool:
    """Is it `name = value`, and nothing else?"""
    if isinstance(statement, ast.AnnAssign):
        return isinstance(statement.target, ast.Name)
    if not isinstance(statement, ast.Assign):
        return isinstance(statement, ast.Pass)
    targets = [node for target in statement.targets for node in ast.walk(target)]
    return not any(isinstance(node, ast.Attribute | ast.Subscript) for node in targets)


def _is_main_block(statement) -> bool:
    """Is it `if __name__ == "__main__":`, which no import executes?"""
    match statement:
        case ast.If(test=ast.Compare(left=ast.Name(id="__name__"), comparators=[ast.Constant(value="__main__")])):
            return True
    return False


def _is_registry(value) -> bool:
    """Is it an empty container, to be filled elsewhere, or a dict of functions or classes?"""
    match value:
        case ast.Dict(values=values):
            return not values or any(isinstance(v, ast.Name | ast.Attribute | ast.Lambda) for v in values)
        case ast.List(elts=[]):
            return True
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in _CONTAINERS
    return False


def hash_of_source(source: str) -> str:
    """Hash a piece of code.

    Parameters
    ----------
    source : str
        Whole statements.

    Returns
    -------
    str
        The same on every supported Python. Comments, docstrings and white space do not change it.
    """
    return hashlib.sha256("\n".join(_tokens(source)[1]).encode()).hexdigest()[:16]


def _tokens(source: str) -> tuple[list[int], list[str]]:
    """The tokens that count, as text, and the row in which each begins.

    Python 3.12 began to take f-strings apart; here each is one token again, its text in the source.
    """
    lines = io.StringIO(source).readlines()
    kept: list[tuple[int, str, str]] = []  # row, kind, text
    brackets: list[int] = []  # how many commas there are in each bracket that is open
    f_strings: list[tuple[int, int]] = []  # where those that are open begin
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind, text, start = tokenize.tok_name[token.type], token.string, token.start
        if kind == "FSTRING_START":
            f_strings.append(start)
            continue
        if kind == "FSTRING_END":
            start = f_strings.pop()
            kind, text = "STRING", _between(lines, start, token.end)
        if f_strings or kind in ("COMMENT", "NL", "ENCODING", "ENDMARKER"):
            continue
        if kind in ("NEWLINE", "INDENT", "DEDENT"):
            text = ""
        if kind == "NEWLINE" and _ends_docstring(kept):
            continue
        if kind == "OP":
            if text in _OPENING:
                brackets.append(0)
            elif text == "," and brackets:
                brackets[-1] += 1
            elif text in _CLOSING and brackets.pop() > 1 and kept[-1][2] == ",":  # (1,) keeps its comma
                kept.pop()
        kept.append((start[0], kind, text))
    return [row for row, _, _ in kept], [f"{kind} {text}" for _, kind, text in kept]


def _between(lines, start, end) -> str:
    """The source between two positions."""
    (first, column), (last, end_column) = start, end
    if first == last:
        return lines[first - 1][column:end_column]
    return "".join([lines[first - 1][column:], *lines[first : last - 1], lines[last - 1][:end_column]])


def _ends_docstring(kept) -> bool:
    """Is the statement that ends here nothing but text? Then take it away."""
    begin = len(kept)
    while begin and kept[begin - 1][1] == "STRING":
        begin -= 1
    if begin == len(kept) or (begin and kept[begin - 1][1] not in ("NEWLINE", "INDENT", "DEDENT")):
        return False
    del kept[begin:]
    return True


class SourceCode:
    """The code of a package as it stands on disk, each module parsed once.

    Parameters
    ----------
    root : Path
        The folder in which the package stands.
    package : str
        Name of the package.
    """

    def __init__(self, root: Path = ROOT, package: str = "course_lib"):
        self.root, self.package = root, package
        self._modules: dict[str, _Module | None] = {}
        self._file_hashes: dict[Path, str] = {}

    def reached(self, module: str, name: str) -> dict[str, str]:
        """Find all that a function depends on.

        Parameters
        ----------
        module, name : str
            The function, which stands at the top level of the module.

        Returns
        -------
        dict of str to str
            "module:name" of each statement, import and data file -> its tokens, its target, or its sha256.

        Raises
        ------
        ValueError
            If the module has no such function.
        """
        return _Search(self, module, name).result()

    def hash_of(self, module: str, name: str) -> str:
        """Hash all that a function depends on.

        Parameters
        ----------
        module, name : str
            The function, which stands at the top level of the module.

        Returns
        -------
        str
            Sixteen hexadecimal digits.

        Raises
        ------
        ValueError
            If the module has no such function.
        """
        digest = hashlib.sha256()
        for key, text in sorted(self.reached(module, name).items()):
            digest.update(f"{key}\n{text}\n".encode())
        return digest.hexdigest()[:16]

    def _parsed(self, name: str) -> _Module | None:
        """A module of the package; None if there is no such module in it, as for all of other packages."""
        if name not in self._modules:
            self._modules[name] = None
            if name.partition(".")[0] == self.package:
                path = self.root.joinpath(*name.split("."))
                files = [file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()]
                if files:
                    self._modules[name] = _Module(name, files[0])
        return self._modules[name]

    def _data_files(self, module: _Module) -> dict[str, Path]:
        """The data files that a module may find, by their names."""
        folder = self.root / DATA[module.name] if module.name in DATA else module.file.parent
        code = (".py", ".md", ".pyc")
        return {f.name: f for f in folder.iterdir() if f.is_file() and f.name[0] != "." and f.suffix not in code}

    def _file_hash(self, file: Path) -> str:
        if file not in self._file_hashes:
            self._file_hashes[file] = hashlib.sha256(file.read_bytes()).hexdigest()
        return self._file_hashes[file]


class _Search:
    """One walk from a function to all that it may use."""

    def __init__(self, code: SourceCode, module: str, name: str):
        self.code = code
        self.units: dict[_Unit, None] = {}
        self.bindings: dict[str, str] = {}
        self.scope: dict[str, _Module] = {}
        self.attributes: set[str] = set()
        self.strings: set[str] = set()
        self.computed = False
        self.followed: set[tuple[str, str]] = set()
        self.whole: set[str] = set()
        self.waiting: list[_Unit] = []
        start = code._parsed(module)
        if start is None or name not in start.bound:
            raise ValueError(
                f"Expected a function at the top level of a module, whose code can be followed, but got {name!r} of "
                f"{module}. Give the measurement a name of its own, with `def`."
            )
        self.enter(start)
        self.follow(start, name)
        self.run()

    def run(self):
        while True:
            while self.waiting:
                self.follow_unit(self.waiting.pop())
            registered = [unit for unit in self.registered_classes() if unit not in self.units]
            if not registered:
                return
            for unit in registered:
                self.reach(unit)

    def reach(self, unit):
        if unit not in self.units:
            self.units[unit] = None
            self.waiting.append(unit)

    def follow_unit(self, unit):
        self.enter(unit.module)
        for name in unit.names:
            self.follow(unit.module, name)
        for target in unit.imports:
            self.follow_target(target)
        self.computed |= unit.whole_module
        self.strings |= {string for string in unit.strings if string.isidentifier()}
        names = unit.attributes | (self.strings if self.computed else set())
        for name in names - self.attributes:
            self.attributes.add(name)
            for module in list(self.scope.values()):
                self.follow_attribute(module, name)
        if unit.whole_module:
            self.reach_whole(unit.module)
            for name in unit.names:  # getattr(tasks, name)
                for target in unit.module.imports.get(name, []):
                    self.reach_whole(self.target_module(target))

    def follow(self, module, name):
        """A name, as code in this module means it."""
        if (module.name, name) in self.followed:
            return
        self.followed.add((module.name, name))
        for unit in module.bound.get(name, []):
            self.reach(unit)
        for target in module.imports.get(name, []):
            self.follow_target(target)
        if targets := module.imports.get(name):
            self.bindings[f"{module.name}:{name} imported"] = " ".join(f"{t.module}:{t.name}" for t in targets)
        if name not in module.bound and name not in module.imports:
            for target in module.imports.get("*", []):
                if origin := self.code._parsed(target.module):
                    self.follow(origin, name)

    def follow_target(self, target):
        """What an import statement names."""
        if origin := self.code._parsed(target.module):
            if target.name is None or target.name == "*":
                self.enter(origin)
            elif target.name in origin.bound or target.name in origin.imports or "*" in origin.imports:
                self.enter(origin)
                self.follow(origin, target.name)
        if submodule := self.target_module(target):
            self.enter(submodule)

    def target_module(self, target):
        """The module that an import binds, or None if it binds something else."""
        return self.code._parsed(f"{target.module}.{target.name}" if target.name else target.module)

    def follow_attribute(self, module, name):
        """Whatever has this name in the module."""
        self.follow(module, name)
        for unit in module.members.get(name, []):
            self.reach(unit)

    def reach_whole(self, module):
        if module is None or module.name in self.whole:
            return
        self.whole.add(module.name)
        self.enter(module)
        for unit in module.units:
            if "REPRODUCTIONS" not in unit.name:  # claims and criteria are checked by computing them again
                self.reach(unit)
        for name, targets in module.imports.items():
            if not any(self.names_framework(target) for target in targets):
                self.follow(module, name)

    def names_framework(self, target):
        names = {target.module, f"{target.module}.{target.name}"} - {self.code.package}
        return any(FRAMEWORKS.fullmatch(name) for name in names)

    def enter(self, module):
        """A module that is imported: it runs, and so do those that it imports."""
        if module.name in self.scope:
            return
        self.scope[module.name] = module
        for unit in module.executed:
            self.reach(unit)
        for name in self.attributes.copy():
            self.follow_attribute(module, name)
        parents = module.name.split(".")[:-1]
        names = {".".join(parents[: n + 1]) for n in range(len(parents))}
        for target in (target for targets in module.imports.values() for target in targets):
            names |= {target.module, f"{target.module}.{target.name}"}
        for name in sorted(names):
            imported = self.code._parsed(name)
            if imported and not FRAMEWORKS.fullmatch(name):
                self.enter(imported)

    def registered_classes(self):
        """Classes whose base, reached already, is told of its subclasses."""
        for module in list(self.scope.values()):
            for units in list(module.bound.values()):
                for unit in units:
                    if unit.bases and any(base in self.units for base in self.hooked_bases(unit, set())):
                        yield unit

    def hooked_bases(self, unit, seen):
        """Those among the bases of a class, and of these, that have ``__init_subclass__``."""
        if unit in seen:
            return
        seen.add(unit)
        for name in unit.bases:
            for base in self.lookup(unit.module, name, set()):
                if base.hooks_subclasses:
                    yield base
                yield from self.hooked_bases(base, seen)

    def lookup(self, module, name, seen):
        """The statements that bind a name, through imports."""
        if (module.name, name) in seen:
            return
        seen.add((module.name, name))
        yield from module.bound.get(name, [])
        for target in [*module.imports.get(name, []), *module.imports.get("*", [])]:
            if (origin := self.code._parsed(target.module)) and target.name is not None:
                yield from self.lookup(origin, name if target.name == "*" else target.name, seen)

    def result(self) -> dict[str, str]:
        texts: dict[str, str] = dict(self.bindings)
        for unit in sorted(self.units, key=lambda unit: (unit.module.name, unit.name, unit.row)):
            key = f"{unit.module.name}:{unit.name}"
            texts[key] = texts[key] + "\0" + unit.text if key in texts else unit.text
        strings = {string for unit in self.units for string in unit.strings}
        for module in {unit.module.name: unit.module for unit in self.units if unit.finds_files}.values():
            files = self.code._data_files(module)
            for name in files.keys() & (strings - {"SHA256SUMS"}) or files:
                texts[f"{module.name}:{name} sha256"] = self.code._file_hash(files[name])
        return texts
