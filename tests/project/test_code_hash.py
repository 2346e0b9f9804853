"""What a record depends on: everything that its measurement may use counts, and nothing that it cannot."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import course_lib
from course_lib.teaching import experiment
from course_lib.teaching.code_hash import ROOT, SourceCode

SHOP = {
    "__init__.py": "",
    "measure.py": '''
        """Experiments."""
        from . import tools
        from shop.api import polish, unused_import
        from shop.data import load
        from shop.parts import Wheel

        STEPS = 3
        UNUSED = 4

        def measure(seed):
            """One seed."""
            from shop.late import finish
            wheel = Wheel(STEPS)
            wheel.turn(seed)
            return {"speed": finish(polish(wheel)), "f": f"{helper(seed):{WIDTH}.1f} of {STEPS}"}

        def helper(seed, scale=FACTOR):
            return tools.cut(seed) * scale

        FACTOR, WIDTH = 2, 5

        def other(seed):
            return UNUSED * seed

        def measure_data(seed):
            return load("prices.csv", seed)

        def measure_computed(seed):
            return getattr(tools, "cut" + str(seed))(seed)

        def measure_named(seed):
            return [getattr(seed, name) for name in ("stand", "cut")]

        def measure_registry(seed):
            from shop.registry import build
            return build("B" + "ox")

        REPRODUCTIONS = tuple(seed for seed in (measure, other))
    ''',
    "tools.py": """
        import math as maths

        def cut(x):
            return maths.floor(x)

        def sharpen(x):
            return x

        def dull(x):
            return x + 1
    """,
    "api.py": "from .inner import buff as polish, unused as unused_import",
    "inner.py": """
        from shop.wrap import checked

        @checked
        def buff(wheel):
            return wheel.diameter

        @checked
        def listed(x):
            return 5 * x

        def unused(x):
            return x
    """,
    "wrap.py": """
        def checked(function):
            return function

        def unchecked(function):
            return function
    """,
    "base.py": """
        class Part:
            weight = 1

            def __init__(self, steps):
                self.steps = steps

        class Stranger:
            def turn(self, seed):
                return seed

            def stand(self):
                return 0
    """,
    "parts.py": """
        from shop import base

        class Wheel(base.Part):
            diameter = 2

            def turn(self, seed):
                return self.weight * seed
    """,
    "late.py": """
        LIMITS = []
        LIMITS.append(7)

        def finish(x):
            return x
    """,
    "registry.py": """
        KINDS = {}

        class Kind:
            def __init_subclass__(cls):
                KINDS[cls.__name__] = cls

        def build(name):
            from shop import boxes
            return KINDS[name]()
    """,
    "boxes.py": """
        from shop.registry import Kind

        class Box(Kind):
            sides = 6

        class Crate(Box):
            sides = 8

        class Jar:
            sides = 1
    """,
    "data.py": """
        from pathlib import Path

        FOLDER = Path(__file__).parent

        def load(name, seed):
            return (FOLDER / name).read_text()

        def price():
            return 1
    """,
    "alone.py": "def cut(x):\n    return 0",
}


@pytest.fixture
def shop(tmp_path):
    """A small package that may be edited: ``shop("tools.py", old, new)``; and ``shop.hash(function)``."""
    folder = tmp_path / "shop"
    folder.mkdir()
    for name, source in SHOP.items():
        lines = source.splitlines()
        text = "\n".join(line.removeprefix(" " * 8) for line in lines)
        (folder / name).write_text(text + "\n", encoding="utf-8")
    (folder / "prices.csv").write_text("1,2\n")
    (folder / "stock.csv").write_text("3,4\n")

    def edit(name, old, new):
        text = (folder / name).read_text(encoding="utf-8")
        assert text.count(old) == 1
        (folder / name).write_text(text.replace(old, new), encoding="utf-8")

    edit.hash = lambda function="measure": SourceCode(tmp_path, "shop").hash_of("shop.measure", function)
    edit.reached = lambda function="measure": SourceCode(tmp_path, "shop").reached("shop.measure", function)
    edit.folder = folder
    return edit


@pytest.mark.parametrize(
    ("what", "file", "old", "new"),
    [
        ("the function itself", "measure.py", "wheel.turn(seed)", "wheel.turn(seed + 1)"),
        ("a function that it calls", "measure.py", "* scale", "+ scale"),
        ("a global", "measure.py", "STEPS = 3", "STEPS = 5"),
        ("the global of a default", "measure.py", "FACTOR, WIDTH = 2", "FACTOR, WIDTH = 1"),
        ("a default", "measure.py", "scale=FACTOR", "scale=1"),
        ("a format in an f-string", "measure.py", ".1f", ".2f"),
        ("the text of an f-string", "measure.py", " of {", " in {"),
        ("a name in an f-string", "measure.py", "WIDTH = 2, 5", "WIDTH = 2, 6"),
        ("a function of an imported module", "tools.py", "maths.floor(x)", "maths.ceil(x)"),
        ("what a name from outside stands for", "tools.py", "import math as maths", "import cmath as maths"),
        ("a function that is exported again", "inner.py", "wheel.diameter", "wheel.steps"),
        ("what is exported under its name", "api.py", "buff as polish", "unused as polish"),
        ("what a decorator of ours may enter in a list", "inner.py", "return 5 * x", "return 6 * x"),
        ("a decorator's use", "inner.py", "@checked\ndef buff", "def buff"),
        (
            "a decorator's code",
            "wrap.py",
            "def checked(function):\n    return function",
            "def checked(f):\n    return 0",
        ),
        ("a class", "parts.py", "diameter = 2", "diameter = 3"),
        ("a base class", "base.py", "weight = 1", "weight = 2"),
        ("a base class's method", "base.py", "self.steps = steps", "self.steps = 2 * steps"),
        ("a method of the name in any imported class", "base.py", "return seed", "return -seed"),
        ("a function imported in a function", "late.py", "return x", "return -x"),
        ("what an imported module does", "late.py", "append(7)", "append(8)"),
    ],
)
def test_a_change_of_what_is_reached_is_seen(shop, what, file, old, new):
    before = shop.hash()
    shop(file, old, new)
    assert shop.hash() != before, what


@pytest.mark.parametrize(
    ("what", "file", "old", "new"),
    [
        ("another function", "measure.py", "UNUSED * seed", "UNUSED + seed"),
        ("another global", "measure.py", "UNUSED = 4", "UNUSED = 5"),
        ("the claims", "measure.py", "(measure, other)", "(other, measure)"),
        ("an import that it does not use", "api.py", "unused as unused_import", "unused as unused_import, buff as b"),
        ("another function of an imported module", "tools.py", "return x + 1", "return x + 2"),
        ("another decorator", "wrap.py", "def unchecked(function):\n", "def unchecked(function):\n    pass\n"),
        ("another method of a class that it does not build", "base.py", "return 0", "return 1"),
        ("a function of the name in a module that it does not import", "alone.py", "return 0", "return 1"),
        ("a comment", "tools.py", "return maths", "# down\n    return maths"),
        ("a comment on the line", "tools.py", "floor(x)", "floor(x)  # down"),
        ("a docstring", "measure.py", '"""One seed."""', '"""One seed,\n\n    and more words: {STEPS}."""'),
        ("a docstring where there was none", "tools.py", "def cut(x):\n", 'def cut(x):\n    """Cut."""\n'),
        ("a module's docstring", "measure.py", '"""Experiments."""', '"""Trials."""'),
        ("the width of an indentation", "tools.py", "    return maths", "  return maths"),
        ("white space", "tools.py", "floor(x)", "floor( x )"),
        ("line breaks", "measure.py", "finish(polish(wheel))", "finish(\n        polish(wheel)\n    )"),
        ("empty lines", "measure.py", "wheel.turn(seed)", "wheel.turn(seed)\n\n"),
        ("the order of functions", "measure.py", "UNUSED = 4\n", "UNUSED = 4\ndef first(x):\n    pass\n"),
        ("a trailing comma", "measure.py", " of {STEPS}\"}", " of {STEPS}\",\n    }"),
    ],
)  # fmt: skip
def test_a_change_of_what_is_not_reached_is_not_seen(shop, what, file, old, new):
    before = shop.hash()
    shop(file, old, new)
    assert shop.hash() == before, what


def test_the_comma_of_a_tuple_of_one_is_seen(shop):
    shop("measure.py", "STEPS = 3", "STEPS = (3,)")
    before = shop.hash()
    shop("measure.py", "STEPS = (3,)", "STEPS = (3)")
    assert shop.hash() != before


def test_indentation_is_seen(shop):
    shop("tools.py", "    return maths.floor(x)", "    if x:\n        x = 1\n        x = 2\n    return maths.floor(x)")
    before = shop.hash()
    shop("tools.py", "        x = 2\n", "    x = 2\n")
    assert shop.hash() != before


def test_a_computed_name_reaches_the_whole_module(shop):
    before = shop.hash("measure_computed")
    shop("tools.py", "return x + 1", "return x + 2")
    assert shop.hash("measure_computed") != before


def test_a_computed_name_reaches_what_is_named_in_a_string(shop):
    assert {"shop.base:Stranger.stand", "shop.tools:cut"} <= set(shop.reached("measure_named"))


@pytest.mark.parametrize(
    ("old", "new", "seen"),
    [("sides = 6", "sides = 7", True), ("sides = 8", "sides = 9", True), ("sides = 1", "sides = 2", False)],
)
def test_a_registry_reaches_what_registers_itself(shop, old, new, seen):
    before = shop.hash("measure_registry")
    shop("boxes.py", old, new)
    assert (shop.hash("measure_registry") != before) == seen


@pytest.mark.parametrize(("name", "seen"), [("prices.csv", True), ("stock.csv", False)])
def test_the_bytes_of_a_data_file_count(shop, name, seen):
    before = [shop.hash("measure"), shop.hash("measure_data")]
    (shop.folder / name).write_text("1,3\n")
    after = [shop.hash("measure"), shop.hash("measure_data")]
    assert after[0] == before[0]
    assert (after[1] != before[1]) == seen


def test_all_data_files_count_where_none_is_named(shop):
    shop("measure.py", '"prices.csv"', '"prices" + ".csv"')
    before = shop.hash("measure_data")
    (shop.folder / "stock.csv").write_text("")
    assert shop.hash("measure_data") != before


@pytest.mark.parametrize("name", ["absent", "helper.<locals>.<lambda>"])
def test_what_cannot_be_followed_is_refused(shop, name):
    with pytest.raises(ValueError, match=r"Expected a function at the top level .* but got '.*' of shop\.measure"):
        shop.hash(name)


# --- the course itself ---------------------------------------------------------------------------------------------


CODE = SourceCode()
CURRENT = {r.key: r.code_hash(CODE) for r in experiment.reproductions()}


@pytest.fixture
def copy(tmp_path):
    """The course's code and data, to be spoiled."""
    ignore = shutil.ignore_patterns("__pycache__", "records")
    shutil.copytree(ROOT / "course_lib", tmp_path / "course_lib", ignore=ignore)
    shutil.copytree(ROOT / "datasets", tmp_path / "datasets")
    return tmp_path


def stale(copy):
    """The lessons with a record whose hash is another in the copy."""
    code = SourceCode(copy)
    return {r.lesson for r in experiment.reproductions() if r.code_hash(code) != CURRENT[r.key]}


def test_a_change_of_the_lstm_makes_lesson_06_stale_and_leaves_lesson_01_current(copy):
    file = copy / "course_lib" / "recurrent" / "lstm.py"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("np.tanh(", "np.sinh("), encoding="utf-8")
    lessons = stale(copy)
    assert "06" in lessons
    assert "01" not in lessons


@pytest.mark.parametrize(("file", "lessons"), [("sunspots.csv", {"08"}), ("digits.csv", {"14"})])
def test_a_change_of_a_data_file_makes_those_stale_that_load_it(copy, file, lessons):
    with (copy / "datasets" / file).open("ab") as data:
        data.write(b" ")
    assert stale(copy) == lessons


def test_the_frameworks_do_not_count(copy):
    for name in ("teaching/experiment.py", "teaching/panel.py", "lessons/__init__.py"):
        with (copy / "course_lib" / name).open("a", encoding="utf-8") as file:
            file.write("\nSTEPS = 7\nprint(STEPS)\n")
    assert stale(copy) == set()


def test_every_record_that_loads_data_counts_the_file():
    for r in experiment.reproductions():
        reached = CODE.reached(r.measure.__module__, r.measure.__qualname__)
        if "course_lib.datasets:_read" in reached:
            assert any(key.startswith("course_lib.datasets:") and key.endswith("sha256") for key in reached), r.key


class Enough(Exception):
    """Seen for long enough."""


@pytest.mark.parametrize(
    "key",
    [
        "squid-axon",
        "shuffled-windows",
        "circular-law",
        "words-of-the-dictionary",
        "clipping",
        "lstm-embedded-reber",
        "gru-reber",
        "words-never-read",
        "beam-exact",
        "attention-pointers",
    ],
)
def test_every_function_that_runs_is_reached(key):
    """Measure for two seconds, and look for each function of the course that is called in what reading found."""
    folder, called = str(Path(course_lib.__file__).parent), set()
    end = time.perf_counter() + 2

    def watch(frame, event, _):
        if event == "call" and frame.f_code.co_filename.startswith(folder):
            called.add((frame.f_globals["__name__"], frame.f_code.co_qualname))
            if time.perf_counter() > end:
                raise Enough

    r = experiment.find(key)
    with contextlib.suppress(Enough):
        sys.setprofile(watch)
        try:
            r.measure(r.seeds[0])
        finally:
            sys.setprofile(None)
    reached = set(CODE.reached(r.measure.__module__, r.measure.__qualname__))
    for module, name in called:
        parts = name.split(".<locals>")[0].split(".")
        if not parts[0].startswith("<"):
            assert {f"{module}:{parts[0]}", f"{module}:{'.'.join(parts)}"} & reached, (module, name)
    assert (r.measure.__module__, r.measure.__name__) in called


def interpreters():
    """Other supported Pythons on this machine, without any package."""
    found = [shutil.which(f"python3.{minor}") for minor in (11, 12, 13)]
    found += [str(path) for path in Path.home().glob(".pyenv/versions/3.1[123].*/bin/python")]
    return sorted({path for path in found if path and "shims" not in path})


@pytest.mark.parametrize("python", interpreters(), ids=lambda path: Path(path).parent.parent.name)
def test_every_python_finds_the_same_hashes(python):
    program = """
import json, sys
from course_lib.teaching.code_hash import SourceCode
code = SourceCode()
print(json.dumps([sys.version_info[:2], [code.hash_of(*function) for function in json.load(sys.stdin)]]))
assert "numpy" not in sys.modules
"""
    functions = [(r.measure.__module__, r.measure.__qualname__) for r in experiment.reproductions()]
    done = subprocess.run(
        [python, "-c", program], input=json.dumps(functions), capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    version, found = json.loads(done.stdout)
    assert version[0] == 3
    assert found == list(CURRENT.values())
