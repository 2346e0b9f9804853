"""Plant faults in a lesson of form 2: each rule finds its own, names the cell, and leaves the sound lesson in peace."""

from __future__ import annotations

import ast
import json

import lesson_form
import lessons
import nbformat
import numpy as np
import pytest
import terms
from assertions import assertion_problems, at_the_baseline
from collapsed import collapsed_problems
from lesson_guard import problems
from mini_form import ABOUT, TERMS, append, cell_of, make_cells, printed, replace
from nbformat.v4 import new_markdown_cell, new_notebook
from prose import count_words, fenced_lines, paragraphs

from course_lib.lessons import Lesson


@pytest.fixture(autouse=True)
def _own_terms_and_lessons(monkeypatch, tmp_path):
    monkeypatch.setattr(terms, "listed", lambda: TERMS)
    for name in ("00_halving", "06_lstm"):
        (tmp_path / f"{name}.ipynb").touch()
    monkeypatch.setattr(lesson_form, "NOTEBOOKS", tmp_path)


def nothing(cells):
    pass


def move(name, after):
    def plant(cells):
        cell = cell_of(cells, name)
        cells.remove(cell)
        cells.insert(cells.index(cell_of(cells, after)) + 1, cell)

    return plant


def metadata(name, **changes):
    def plant(cells):
        cell_of(cells, name)["metadata"].update(changes)

    return plant


def shows(name, said):
    def plant(cells):
        cell_of(cells, name)["outputs"] = printed(said)

    return plant


FAULTS = {
    # terms
    "term not in bold": (replace("opening", "**step**", "step"), "the term “step” of lesson 00 stands nowhere in bold"),
    "term in bold in the list of words alone": (
        replace("opening", "**halving** (bisection)", "halving"),
        "the term “halving” of lesson 00 stands nowhere in bold",
    ),
    "later term": (append("learned", " A widget."), "cell 11, section \"3. Half of the half\", first line"),
    "later term in capitals": (append("explained", " Or a GN."), "“GN” is a term of lesson 07"),
    "later term in the plural": (append("explained", " Or widgets."), "“widgets” is a term of lesson 08"),
    "later term linked elsewhere": (append("explained", " A [widget](07_gru.ipynb)."), "“widget” is a term of lesson"),
    # limits
    "words": (append("learned", " word" * 3000), "the main path has 3,"),
    "lines": (append("again", "\n" + "x = 1\n" * 250), "lines of code, more than 250"),
    "minutes": (append("learned", " word" * 1000), "says 10 minutes, the formula 15"),
    # headings and recipe
    "section": (replace("learned", "## 3. Half", "## Half"), "the numbered sections are [1, 2]. Write 3 to 5"),
    "section's number": (replace("learned", "## 3.", "## 4."), "the numbered sections are [1, 2, 4]"),
    "recipe": (replace("closing", "## Use it", "## The recipe"), "no heading begins with “Use it”"),
    "words you can now use": (replace("closing", "## Words you", "## Terms you"), "with “Words you can now use”"),
    "sources": (replace("summary", "### Sources", "### Works"), "no heading begins with “Sources”"),
    "order": (move("summary", "again"), "not in their order"),
    "section after the end": (append("last", "\n\n## Appendix"), "“Appendix” stands after “Going further”"),
    "no minutes": (replace("further", " (about 10 minutes)", ""), "“Going further” does not say how long it takes"),
    "recipe without code": (replace("closing", "```python\nxs = [x / 2 for x in xs]\n```", ""), "no code to copy"),
    "recipe without table": (replace("closing", "Remedy", "What to do"), "no table with the columns symptom | likely"),
    # links
    "another author": (replace("explained", "[Elman 1990]", "[Jordan 1990]"), "does not begin with Elman"),
    "another year": (replace("explained", "[Elman 1990]", "[Elman 1991]"), "says another year than 1990"),
    "no year": (replace("explained", "[Elman 1990]", "[Elman]"), "leads to #elman-1990, but says no year"),
    "bare lesson": (append("learned", " As lesson 06 said."), "“lesson 06” is no link. Write [lesson 06](06_"),
    "bare lessons": (append("learned", " As lessons 00 and 06 said."), "“lesson 06” is no link"),
    "other lesson": (replace("explained", "(06_lstm.ipynb)", "(05_long_memory.ipynb)"), "Make the two numbers equal"),
    # collapsed cells
    "without tag": (metadata("drawn", tags=[]), "this one lacks the tag"),
    "without metadata": (metadata("drawn", jupyter={}), "this one lacks the metadata"),
    "hidden training": (append("drawn", "\nmodel.fit(xs)"), "cell 8, In [5]"),
    "hidden own training": (append("drawn", "\nlearn(5)"), "a collapsed cell trains: it calls learn"),
    "hidden name": (append("drawn", "\nxs = xs[:-1]"), "a collapsed cell assigns xs, which a later cell uses"),
    # alt texts, formulas, assertions, outputs
    "number by hand": (replace("drawn", "{len(xs) - 1} steps", "3 steps"), "the alt text says '3' by hand"),
    "formula that nothing computes": (replace("steps", "  # (0.1)", ""), "no code cell computes the formula (0.1)"),
    "formula that nobody shows": (append("again", "  # (0.2)"), "names the formula (0.2), which no display formula"),
    "formula of another lesson": (replace("formula", "{0.1}", "{5.1}"), "the formula's tag is 5.1"),
    "formula twice": (append("learned", "\n\n$$x \\tag{0.1}$$"), "an earlier formula has the tag 0.1"),
    "assertion": (replace("drawn", "0 < loss < b", "loss <= b"), "`assert loss <= baseline` is not a strict"),
    "verdict": (shows("again", "it is so: True"), "it prints the verdict 'it is so: True'"),
}  # fmt: skip
SEVERAL = {"section", "section's number", "words", "lines", "order", "formula of another lesson"}  # faults of two rules


def test_the_sound_lesson_has_no_complaint():
    assert lesson_form.problems(make_cells(), ABOUT) == []


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_found(name):
    plant, said = FAULTS[name]
    cells = make_cells()
    plant(cells)
    found = lesson_form.problems(cells, ABOUT)
    assert any(said in problem for problem in found), found
    assert len(found) == 1 or name in SEVERAL, found


@pytest.mark.parametrize("name", FAULTS)
def test_form_1_is_asked_for_citations_alone(name):
    plant, _ = FAULTS[name]
    cells = make_cells()
    plant(cells)
    found = lesson_form.problems(cells, ABOUT._replace(form=1))
    assert bool(found) == (name in ("another author", "another year"))


@pytest.mark.parametrize(
    "prose",
    [
        "Code is an ordinary word.",
        "The [gadget network](07_gru.ipynb) comes later; the GN is quick.",
        "A **widget** turns.",
        "See [widget](../docs/notation.md#terms).",
        "`widget` and $GN$ are code and formula.",
        "This is lesson 00, and lesson 99 is not written.",
        "[Hodgkin & Huxley 1952](../docs/bibliography.md#hodgkin-1952), then lesson [06](06_lstm.ipynb).",
        "[Van der Westhuizen & Lasenby 2018](../docs/bibliography.md#westhuizen-2018)",
        "[Hébert’s paper of 1990](../docs/bibliography.md#hebert-1990)",
        "$$x = 1$$",
        "```\nlesson 06 # (5.1)\n```",
    ],
)
def test_what_is_allowed_is_left_in_peace(prose):
    cells = make_cells()
    cell_of(cells, "learned")["source"] += f"\n\n{prose}"
    assert lesson_form.problems(cells, ABOUT) == []


# --- terms ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("english", "names"),
    [
        ("gate", ["gate"]),
        ("spike, action potential", ["spike", "action potential"]),
        ("rectified linear unit (relu, ReLU)", ["rectified linear unit", "relu", "ReLU"]),
        ("simple recurrent (Elman) network", ["simple recurrent network", "Elman network"]),
        ("nucleus (top-p) sampling", ["nucleus sampling", "top-p sampling"]),
        ("bias (of a unit)", ["bias"]),
        ("mean squared error (RMSE: its root)", ["mean squared error", "RMSE"]),
    ],
)
def test_the_names_of_a_term(english, names):
    table = (
        f"# N\n\n## Terms\n\n| English | 中文 | In a line | Lesson |\n|---|---|---|---|\n| {english} | x | y | 04 |\n"
    )
    assert terms.parse(table) == [terms.Term(tuple(names), "04")]


def test_every_ordinary_word_is_listed_as_a_term():
    notation = (lessons.ROOT / "docs" / "notation.md").read_text(encoding="utf-8")
    names = {name for term in terms.parse(notation) for name in term.names}
    assert len(names) > 100
    assert set(terms.ORDINARY) <= names
    assert all(terms.ORDINARY.values())


@pytest.mark.parametrize(
    ("bold", "counts"),
    [
        ("**forget gate**", True),
        ("**Forget gates**", True),
        ("**the forget gate** $f_t$", True),
        ("**forget gate (FG)**", True),
        ("**[forget gate](../docs/notation.md)**.", True),
        ("__forget\ngate__", True),
        ("**forget** gate", False),
        ("*forget gate*", False),
        ("**forget gate bias**", False),
        ("```\n**forget gate**\n```\n", False),
    ],
)
def test_a_term_stands_in_bold(bold, counts):
    found = terms.bold_terms([new_markdown_cell(f"We call it\n{bold}.")], ABOUT, [terms.Term(("forget gate",), "00")])
    assert (found == []) == counts


# --- the main path -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("markdown", "words"),
    [
        ("One two, three.", 3),
        ("## 1. A heading", 3),
        ("a $x_t + h_{t-1}$ b", 3),
        ("a\n\n$$x = 1 \\\\\n y = 2$$\n\nb", 3),
        ("a [link text](../docs/a_long-target.md) b", 4),
        ("`model.fit(x, y)` trains", 2),
        ("```python\nx = 1\n```\nafter", 1),
        ("| a | b |\n|---|---|\n| – | d |", 3),
        ("![alt text](a.png) <br> end", 1),
    ],
)
def test_words_are_counted_as_they_are_read(markdown, words):
    assert count_words(markdown) == words


def test_fenced_code_counts_as_visible_lines():
    assert fenced_lines("before\n\n```python\nx = 1\n\ny = 2\n```\n\n```\nz\n```") == 3


def test_the_size_of_the_main_path():
    cells = make_cells()
    measured = lesson_form.size(cells, ABOUT)
    assert (measured.lines, measured.guesses, measured.figures, measured.seconds) == (14, 1, 1, 120)
    for name, change in [
        ("further", " word"),
        ("exercise", " word"),
        ("next", "\nx"),
        ("drawn", "\nx"),
        ("stub", "\nx"),
    ]:
        append(name, change)(cells)
    assert lesson_form.size(cells, ABOUT) == measured
    append("learned", " word")(cells)
    append("again", "\n\nx")(cells)
    assert lesson_form.size(cells, ABOUT) == measured._replace(words=measured.words + 1, lines=measured.lines + 1)


@pytest.mark.parametrize(
    ("words", "lines", "guesses", "figures", "seconds", "minutes"),
    [(0, 0, 5, 0, 0, 5), (0, 0, 5, 0, 1, 10), (2600, 200, 5, 5, 60, 55), (3000, 250, 0, 0, 0, 50)],
)
def test_the_minutes_are_computed(words, lines, guesses, figures, seconds, minutes):
    assert lesson_form.Size(words, lines, guesses, figures, seconds).minutes == minutes


def test_limits_without_live_seconds_and_over_an_hour():
    cells = make_cells()
    assert ["live_seconds" in said for said in lesson_form.limits(cells, ABOUT._replace(live_seconds=0))] == [
        True,
        False,
    ]
    assert any("more than 60" in said for said in lesson_form.limits(cells, ABOUT._replace(live_seconds=3600)))


def test_a_paragraph_is_what_blank_lines_enclose():
    markdown = "## 1. T\none\n two\n\n- a\n- b\n\n$$x\n= 1$$\n\n```\nx\n\n# y\n```\n\n| a |\n|---|\n### E\nend"
    assert paragraphs(markdown) == ["one two", "- a - b", "$$x = 1$$", "``` x # y ```", "| a | |---|", "end"]


# --- collapsed cells -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("fig, ax = plt.subplots()\nax.plot(xs)\nfor x in xs:\n    ax.axvline(x)\nassert xs[0] < 1", None),
        ("total = sum(x for x in xs)\nprint(total)", None),
        ("ax.plot([xs for xs in range(3)])", None),
        ("plotting.learning_curve(ax, xs)", None),
        ("for place in xs:\n    ax.axvline(place)", None),  # a later loop binds it anew
        ("import numpy as np", "imports: `import numpy as np`"),
        ("def draw(x):\n    pass", "defines draw"),
        ("class Thing:\n    pass", "defines Thing"),
        ("model.fit(x, y)", "calls fit"),
        ("model.train_on_batch(x, y)", "calls train_on_batch"),
        ("losses = train_adding(model)", "calls train_adding"),
        ("print(learn_it(3))", "calls learn_it"),
        ("print(race(3))", "calls race"),
        ("xs = [1]", "assigns xs"),
        ("for xs in range(3):\n    print(xs)", "assigns xs"),
        ("xs[0] = 3", "assigns xs"),
        ("xs += [3]", "assigns xs"),
        ("%matplotlib inline", "plain Python"),
    ],
)
def test_a_collapsed_cell_draws_prints_and_asserts(source, said):
    earlier = ["def learn_it(n):\n    return n", "def run(n):\n    model.fit(n)\n\ndef race(n):\n    return run(n)"]
    later = [
        "total = 0\nfig, ax = plt.subplots()",
        "for place, x in enumerate([3]):\n    print(place, x)",
        "print(total)",
        "def last():\n    return xs[-1]",
    ]
    found = collapsed_problems(source, earlier, later)
    assert len(found) == (said is not None), found
    assert said is None or said in found[0]


def test_refresh_keeps_a_collapsed_cell_collapsed_and_nothing_else_of_its_window():
    cell = cell_of(make_cells(), "drawn")
    cell["metadata"]["jupyter"]["outputs_hidden"] = True
    kept = lessons.normalise(new_notebook(cells=[nbformat.from_dict(cell)])).cells[0].metadata
    assert kept["jupyter"] == {"source_hidden": True}
    assert kept["tags"] == ["hide-input"]
    cell["metadata"]["jupyter"] = {"outputs_hidden": True, "source_hidden": False}
    assert "jupyter" not in lessons.normalise(new_notebook(cells=[nbformat.from_dict(cell)])).cells[0].metadata


# --- alt texts, assertions, verdicts -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "by_hand"),
    [
        ("plotting.show(fig, f\"falls to {x:.2f} of {row['bias_1']}\")", None),
        ('plotting.show(fig, "the state c_t-1, then h_2 and (x1)")', None),
        ('plotting.show(fig, alt="falls to 0.5")', "'0.5'"),
        ('plotting.show(fig, f"{n} of 10 seeds" + f"at {x}")', "'10'"),
        ('words = f"at {x} in 20 steps"\nplotting.show(fig, words)', "'20'"),
        ('plotting.show(fig, textwrap.dedent("""from 3\n to {x}"""))', "'3'"),
        ('plotting.show(fig, f"{n}0 seeds")', "'{}0'"),
        ('print("falls to 0.5")', None),
    ],
)
def test_numbers_in_an_alt_text_come_from_the_data(source, by_hand):
    cells = make_cells()
    cell_of(cells, "drawn")["source"] = source
    found = lesson_form.alt_texts(cells, ABOUT)
    assert len(found) == (by_hand is not None), found
    assert by_hand is None or f"says {by_hand} by hand" in found[0]


# The baseline is 0.5; what was measured is below it, and then equal to it.
GOOD = [
    "assert loss < baseline",
    "assert baseline > loss",
    "assert 0 < loss < baseline",
    "assert loss < 0.3 < 0.4 < baseline",
    "assert loss < baseline and 2 * loss < 1",
    "assert max(losses) < baseline",
    "assert all(each < baseline for each in losses)",
    "assert all([each < baseline for each in losses])",
    "assert np.all(np.array(losses) < baseline)",
    "assert (np.array(losses) < baseline).all()",
    "assert abs(loss - 0.25) < 1e-10",
]
BAD = {
    "assert loss <= baseline": "not a strict comparison",
    "assert loss == 0.25": "not a strict comparison",
    "assert loss": "not a strict comparison",
    "assert loss < baseline or True": "not a strict comparison",
    "assert not loss > baseline": "not a strict comparison",
    "assert any(each < baseline for each in losses)": "not a strict comparison",
    "assert 0 <= loss < baseline": "not a strict comparison",
    "assert np.allclose(loss, 0.25)": "not a strict comparison",
    "assert np.isfinite(losses).all()": "not a strict comparison",
    "assert all(each <= baseline for each in losses)": "not a strict comparison",
    "assert 0 < 1 / 3": "compares constants",
    "assert loss < baseline and 0 < 1": "compares constants",
    "assert loss < loss + 1": "compares something with itself",
    "assert 0 < loss < 2 * loss": "compares something with itself",
}


@pytest.mark.parametrize("assertion", GOOD)
def test_an_assertion_fails_with_the_baseline_in_the_place_of_what_was_measured(assertion):
    names = {"loss": 0.25, "baseline": np.float64(0.5), "losses": [0.25, 0.125], "np": np}
    test = ast.parse(assertion).body[0].test
    assert assertion_problems(test) == []
    assert eval(ast.unparse(test), names)
    equal = at_the_baseline(assertion)
    assert equal
    assert not any(eval(changed, names) for changed in equal)


@pytest.mark.parametrize("assertion", BAD)
def test_an_assertion_that_cannot_fail_so_is_refused(assertion):
    (said,) = assertion_problems(ast.parse(assertion).body[0].test)
    assert BAD[assertion] in said


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("True", True),
        ("  False", True),
        ("[ True False]", True),
        ("np.True_", False),
        ("the same: True", True),
        ("a: True; b = False.", True),
        ("{'a': True}", True),
        ("True positives: 3", False),
        ("it is True that 3 of 4 fell", False),
        ("difference 1.2e-16", False),
    ],
)
def test_a_verdict_is_no_output(line, verdict):
    cells = make_cells()
    shows("again", f"first\n{line}")(cells)
    assert len(lesson_form.verdicts(cells, ABOUT)) == verdict


# --- through the guard and the command -----------------------------------------------------------------------------


def course_with(tmp_path, monkeypatch, about):
    """Write the lesson into a course of its own and let its folder say what ``about`` says."""
    for part in ("docs", "notebooks"):
        (tmp_path / part).mkdir()
    (tmp_path / "docs" / "bibliography.md").write_text('# B\n\n<a id="elman-1990"></a>', encoding="utf-8")
    path = tmp_path / "notebooks" / "00_halving.ipynb"
    path.write_text(lessons.as_file(new_notebook(cells=make_cells())), encoding="utf-8", newline="\n")
    monkeypatch.setattr(lessons, "written", lambda: [about])
    monkeypatch.setattr(lessons, "NOTEBOOKS", path.parent)
    return path


@pytest.mark.parametrize("form", [1, 2])
def test_the_guard_asks_a_lesson_for_what_its_form_asks(form, tmp_path, monkeypatch):
    path = course_with(tmp_path, monkeypatch, ABOUT._replace(form=form, minutes=45))
    assert any("says 45 minutes" in problem for problem in problems(path)) == (form == 2)
    assert any("prints a number with ≈" in problem for problem in problems(path)) is False
    raw = json.loads(path.read_text(encoding="utf-8"))
    cell_of(raw["cells"], "trained")["metadata"] = {}
    path.write_text(lessons.as_file(nbformat.from_dict(raw)), encoding="utf-8")
    assert any("prints a number with ≈" in problem for problem in problems(path)) == (form == 2)


def test_the_command_prints_size_and_complaints_of_a_lesson_and_of_a_draft(tmp_path, monkeypatch, capsys):
    path = course_with(tmp_path, monkeypatch, ABOUT._replace(form=1))
    assert lessons.main(["form", "00"]) == 0
    assert "00_halving: " in (said := capsys.readouterr().out)
    assert "14 visible lines, 1 guesses, 1 figures, 120 s live: 10 minutes; 0 complaints" in said
    draft = tmp_path / "00_draft.ipynb"
    raw = json.loads(path.read_text(encoding="utf-8"))
    raw["cells"].pop(0)
    draft.write_text(json.dumps(raw), encoding="utf-8")
    assert lessons.main(["form", str(draft)]) == 1
    assert "00_draft: " in (said := capsys.readouterr().out)
    assert "2 complaints\n  the term “halving”" in said


def test_a_lesson_is_of_form_1_unless_it_says_otherwise():
    assert (Lesson("00", "", "", 0, "").form, Lesson("00", "", "", 0, "").live_seconds) == (1, 0)
    assert lessons.about(lessons.NOTEBOOKS / "77_nothing.ipynb").form == 1
