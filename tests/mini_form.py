"""A lesson of form 2 that follows every rule, made in memory without being executed, to plant faults in."""

from __future__ import annotations

import copy

from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from terms import Term

from course_lib.lessons import Lesson

# 00 is the lesson's own number here; "gadget" and "widget" are terms of later lessons, "code" is an ordinary word.
TERMS = [
    Term(("halving", "bisection"), "00"),
    Term(("step",), "00"),
    Term(("gadget network", "GN"), "07"),
    Term(("widget",), "08"),
    Term(("code",), "09"),
]
ABOUT = Lesson("00", "Halving", "How long does it last?", 10, "start", "00_halving", form=2, live_seconds=120)
ALT = "A line that falls to ≈ 0.13 in 3 steps: it halves each time."

OPENING = """# A number that halves

How long does a number last if each **step** halves it? The method is **halving** (bisection)."""

FORMULA = r"""## 1. Halving

Each step multiplies by one half:

$$x_{t+1} = x_t / 2 \tag{0.1}$$"""

STEPS = """xs = [1.0]
for t in range(3):
    xs.append(xs[-1] / 2)  # (0.1)
print(f"the last is {xs[-1]}")
assert xs[-1] < 0.5 * xs[0]"""

EXPLAINED = """The number falls with each step, as [Elman 1990](../docs/bibliography.md#elman-1990) said.

A gate would be another thing, see [lesson 06](06_lstm.ipynb).

## 2. Learning it

How far does a trained model get?"""

TRAINED = """def learn(steps):
    return 0.13 * steps / steps

loss, baseline = learn(3), 0.5
print(f"loss ≈ {loss:.2f} after {len(xs) - 1} steps")"""

DRAWN = """fig, ax = plt.subplots()
ax.plot(xs)
plotting.show(fig, f"A line that falls to ≈ {loss:.2f} in {len(xs) - 1} steps: it halves each time.")
assert 0 < loss < baseline"""

LEARNED = """The trained model gets below the baseline.

It takes three steps.

## 3. Half of the half

Once more:"""

AGAIN = """print("a quarter is", xs[-1] * 2)"""

CLOSING = """A quarter is left.

## Use it

```python
xs = [x / 2 for x in xs]
```

| Symptom | Likely cause | Remedy |
|---|---|---|
| it grows | a factor above 1 | divide |

## Words you can now use

- **halving**: dividing by two"""

SUMMARY = """## Summary

Halving takes three steps. Next comes the [gadget network](07_gru.ipynb).

### Sources

- [Elman 1990](../docs/bibliography.md#elman-1990): the number, halved."""

FURTHER = """## Going further (about 10 minutes)

It goes on. Here is the next one."""

NEXT = """print("an eighth is", xs[-1])"""

LAST = """An eighth is left, and it will halve again."""

EXERCISE = """### Exercise 0.1: Halve it twice

Return a quarter."""

STUB = """def quarter(x):
    return ...


ex.check("0.1", quarter)"""


def printed(said: str) -> list:
    return [new_output("stream", name="stdout", text=said + "\n")]


def make_cells() -> list[dict]:
    """Return the lesson's cells; a cell's id is the name of its text above, in small letters."""
    picture = f'<img alt="{ALT}" src="data:image/png;base64,AAAA">'
    drawn = [new_output("display_data", {"text/html": picture, "text/plain": ALT})]
    collapsed = {"jupyter": {"source_hidden": True}, "tags": ["hide-input"]}
    trained = {"course": {"rtol": 0.2, "why": "trained"}}
    cells = {
        "opening": new_markdown_cell(OPENING),
        "setup": new_code_cell("import course_lib\n\nrng = course_lib.setup(1)"),
        "formula": new_markdown_cell(FORMULA),
        "steps": new_code_cell(STEPS, outputs=printed("the last is 0.125")),
        "explained": new_markdown_cell(EXPLAINED),
        "guess": new_code_cell("my_guess = ..."),
        "trained": new_code_cell(TRAINED, outputs=printed("loss ≈ 0.13 after 3 steps"), metadata=trained),
        "drawn": new_code_cell(DRAWN, outputs=drawn, metadata=trained | collapsed),
        "exercise": new_markdown_cell(EXERCISE),
        "stub": new_code_cell(STUB, outputs=printed("NOT ATTEMPTED YET: True")),
        "learned": new_markdown_cell(LEARNED),
        "again": new_code_cell(AGAIN, outputs=printed("a quarter is 0.25")),
        "closing": new_markdown_cell(CLOSING),
        "summary": new_markdown_cell(SUMMARY),
        "further": new_markdown_cell(FURTHER),
        "next": new_code_cell(NEXT, outputs=printed("an eighth is 0.125")),
        "last": new_markdown_cell(LAST),
    }
    for count, (name, cell) in enumerate(cells.items(), start=1):
        cell["id"] = name
        if cell["cell_type"] == "code":
            cell["execution_count"] = count
    return copy.deepcopy(list(cells.values()))


def cell_of(cells, name: str) -> dict:
    return next(cell for cell in cells if cell["id"] == name)


def replace(name: str, old: str, new: str, output: bool = False):
    """Return a function that plants a fault: another text in a cell's source, or in all that it shows."""

    def plant(cells):
        cell = cell_of(cells, name)
        if not output:
            assert old in cell["source"], name
            cell["source"] = cell["source"].replace(old, new)
            return
        assert old in str(cell["outputs"]), name
        for shown in cell["outputs"]:
            if "text" in shown:
                shown["text"] = shown["text"].replace(old, new)
            for kind in shown.get("data", {}):
                shown["data"][kind] = shown["data"][kind].replace(old, new)

    return plant


def append(name: str, addition: str):
    """Return a function that plants a fault: more lines at the end of a cell's source."""

    def plant(cells):
        cell_of(cells, name)["source"] += addition

    return plant
