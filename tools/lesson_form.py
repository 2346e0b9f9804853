"""What form 2 asks of a lesson's prose, code and outputs. ``python tools/lessons.py form 06`` prints it.

Each rule is a function of the cells and of the :class:`course_lib.lessons.Lesson` that says what the lesson is, and
returns a sentence for each thing that is wrong: where it is, what it is, how to mend it. :func:`problems` asks all of
them; for a lesson of form 1 only those that every lesson keeps.
"""

from __future__ import annotations

import ast
import io
import math
import re
import tokenize
from typing import NamedTuple

from assertions import assertion_problems
from collapsed import collapsed_problems
from lessons import NOTEBOOKS, text, where
from prose import (
    ASKED,
    CHECK,
    DISPLAY,
    FENCED,
    LAST_PART,
    LINK,
    count_words,
    fenced_lines,
    is_exercise,
    main_path,
    pieces,
    section,
    slug,
)
from terms import bold_terms, later_terms

from course_lib.lessons import Lesson

MOST_WORDS, MOST_LINES, MOST_MINUTES = 3000, 250, 60
WORDS_A_MINUTE, LINES_A_MINUTE = 130, 10
SECTIONS = (3, 5)
RECIPE = ("symptom", "likely cause", "remedy")
ORDER = ("Use it", "Words you can now use", "Summary", "Sources", LAST_PART)

POINTER = re.compile(
    r"\b(?:lessons?|projects?)\s+([\dp]\d)((?:(?:,|\s+and|\s+or|\s+to|–|-)\s*[\dp]\d)*)", re.IGNORECASE
)
TRUTH = re.compile(r"\W*(?:(?:True|False)\b\W*)+|.*[:=]\s*(?:True|False)\W*")


def problems(cells, lesson: Lesson) -> list[str]:
    """Return all that is wrong with a lesson, by the rules of its form.

    Parameters
    ----------
    cells : list of dict
        The notebook's, with their stored outputs.
    lesson : Lesson
        Its number, form, minutes and live seconds.
    """
    rules = RULES if lesson.form > 1 else (citations,)
    return [problem for rule in rules for problem in rule(cells, lesson)]


# --- the main path -------------------------------------------------------------------------------------------------


class Size(NamedTuple):
    """How long a lesson's main path is.

    Attributes
    ----------
    words : int
        Of its Markdown, as :func:`prose.count_words` counts them.
    lines : int
        Of code that a reader sees: neither blank nor in a collapsed cell. Fenced blocks in the Markdown count.
    guesses, figures : int
        ``my_guess = ...``, and pictures among the outputs.
    seconds : float
        Of the last run.
    """

    words: int
    lines: int
    guesses: int
    figures: int
    seconds: float

    @property
    def exact_minutes(self) -> float:
        """Time to read and run."""
        reading = self.words / WORDS_A_MINUTE + self.lines / LINES_A_MINUTE
        return reading + self.guesses + self.figures + self.seconds / 60

    @property
    def minutes(self) -> int:
        """Time to read and run, rounded up to a multiple of 5."""
        return 5 * math.ceil(self.exact_minutes / 5)


def size(cells, lesson: Lesson) -> Size:
    """Measure a lesson's main path: all before *Going further*, without the exercises."""
    words = lines = guesses = figures = 0
    for part in main_path(cells):
        if part.kind == "markdown":
            words += count_words(part.text)
            lines += fenced_lines(part.text)
            continue
        cell = cells[part.index]
        if not is_collapsed(cell):
            lines += sum(bool(line.strip()) for line in part.text.splitlines())
        guesses += bool(ASKED.search(part.text))
        for output in cell["outputs"]:
            figures += text(output.get("data", {}).get("text/html", "")).count("<img")
    return Size(words, lines, guesses, figures, lesson.live_seconds)


def limits(cells, lesson: Lesson) -> list[str]:
    """Check the main path's words, lines and minutes."""
    measured = size(cells, lesson)
    found = []
    if measured.words > MOST_WORDS:
        found.append(
            f"the main path has {measured.words:,} words, more than {MOST_WORDS:,}. Cut, or move something to "
            f"{LAST_PART}."
        )
    if measured.lines > MOST_LINES:
        found.append(
            f"the main path shows {measured.lines} lines of code, more than {MOST_LINES}. Collapse cells that only "
            f"draw, or move something to the lesson's modules or to {LAST_PART}."
        )
    if not lesson.live_seconds > 0:
        found.append("the lesson's __init__ says no live_seconds. Write the seconds that `make run` printed for it.")
    if measured.minutes != lesson.minutes:
        found.append(
            f"the lesson's __init__ says {lesson.minutes} minutes, the formula {measured.minutes}: {measured.words} "
            f"words / {WORDS_A_MINUTE} + {measured.lines} lines / {LINES_A_MINUTE} + {measured.guesses} guesses + "
            f"{measured.figures} figures + {measured.seconds:g} s / 60, rounded up to a multiple of 5. Write that."
        )
    if measured.minutes > MOST_MINUTES:
        found.append(
            f"the main path takes {measured.minutes} minutes, more than {MOST_MINUTES}. Move something to {LAST_PART}."
        )
    return found


def headings(cells, lesson: Lesson) -> list[str]:
    """Check that the parts of a lesson are there, in their order, and the recipe in its part."""
    parts = pieces(cells)
    titles = [part.title for part in parts if part.title]
    found = []
    numbers = [int(n[1]) for part in parts if part.level == 2 and (n := re.match(r"(\d+)\.\s", part.title))]
    if not SECTIONS[0] <= len(numbers) <= SECTIONS[1] or numbers != list(range(1, len(numbers) + 1)):
        found.append(
            f"the numbered sections are {numbers}. Write {SECTIONS[0]} to {SECTIONS[1]} of them, `## 1. ...`, `## 2. "
            "...` and so on."
        )
    places = {}
    for name in ORDER:
        place = next((i for i, title in enumerate(titles) if title.lower().startswith(name.lower())), None)
        if place is None:
            found.append(f"no heading begins with “{name}”. A lesson has {', '.join(ORDER)}, in this order.")
        else:
            places[name] = place
    if list(places.values()) != sorted(places.values()):
        found.append(f"the last parts are not in their order, which is {', '.join(ORDER)}. Move them.")
    numbered = [i for i, title in enumerate(titles) if re.match(r"\d+\.\s", title)]
    if numbered and places and max(numbered) > min(places.values()):
        found.append(f"the section “{titles[max(numbered)]}” stands after the first of the last parts. Move it up.")
    return found + _going_further(cells, parts) + _recipe(parts)


def _going_further(cells, parts) -> list[str]:
    last = section(parts, LAST_PART)
    if not last:
        return []
    place, found = where(cells, last[0].index), []
    if not re.search(r"about \d+ minutes", last[0].text):
        found.append(
            f"{place}: “{LAST_PART}” does not say how long it takes. Write `## {LAST_PART} (about 20 minutes)`."
        )
    after = [part for part in parts[parts.index(last[-1]) + 1 :] if part.title]
    if after:
        found.append(f"{where(cells, after[0].index)}: “{after[0].title}” stands after “{LAST_PART}”, the last part.")
    return found


def _recipe(parts) -> list[str]:
    recipe = section(parts, ORDER[0])
    if not recipe:
        return []
    found = []
    prose = "\n".join(part.text for part in recipe if part.kind == "markdown")
    if not any(part.kind == "code" for part in recipe) and not FENCED.search(prose):
        found.append(f"“{recipe[0].title}” has no code to copy. Give it a code cell or a fenced block.")
    rows = [[cell.strip(" *").lower() for cell in line.strip().strip("|").split("|")] for line in prose.splitlines()]
    if not any(all(name in row for name in RECIPE) for row in rows):
        found.append(f"“{recipe[0].title}” has no table with the columns {' | '.join(RECIPE)}. Write one.")
    return found


# --- links ---------------------------------------------------------------------------------------------------------


def citations(cells, lesson: Lesson) -> list[str]:
    """Check that a link to the bibliography says the name and the year of the work it leads to.

    In form 1 the year may be left out, but not differ.
    """
    found = []
    for index, label, target in _links(cells):
        anchor = re.search(r"bibliography\.md#([\w-]+)-(\d{4})$", target)
        if not anchor:
            continue
        first = re.split(r",|&|\band\b|\bet al\b|\d", label)[0]
        years = re.findall(r"\b(?:18|19|20)\d\d\b", label)
        if anchor[1] not in map(slug, first.split()):
            wrong = f"does not begin with {anchor[1].capitalize()}"
        elif any(year != anchor[2] for year in years):
            wrong = f"says another year than {anchor[2]}"
        elif not years and lesson.form > 1:
            wrong = "says no year"
        else:
            continue
        found.append(
            f"{where(cells, index)}: the link [{label}] leads to #{anchor[0].partition('#')[2]}, but {wrong}. Mend the "
            "text or the anchor."
        )
    return found


def _links(cells):
    """Yield each link of the prose: the cell's index, the text, the target."""
    for index, cell in enumerate(cells):
        if cell["cell_type"] == "markdown":
            for image, label, target in LINK.findall(FENCED.sub("", text(cell["source"]))):
                if not image:
                    yield index, " ".join(label.split()), target


def lesson_pointers(cells, lesson: Lesson) -> list[str]:
    """Check that whoever says "lesson 05" links it, and to the notebook of that number; one that exists, that is."""
    files = {path.name[:2]: path.name for path in NOTEBOOKS.glob("[0-9p][0-9]_*.ipynb")}
    found = []
    for index, cell in enumerate(cells):
        if cell["cell_type"] != "markdown":
            continue
        prose = LINK.sub(" ", FENCED.sub("", text(cell["source"])))
        said = [number for pointer in POINTER.finditer(prose) for number in re.findall(r"\b[\dp]\d\b", pointer[0])]
        found += [
            f"{where(cells, index)}: “lesson {number}” is no link. Write [lesson {number}]({files[number]})."
            for number in dict.fromkeys(said)
            if number != lesson.number and number in files
        ]
    for index, label, target in _links(cells):
        file = re.search(r"(?:^|/)([\dp]\d)_\w+\.ipynb", target)
        said = POINTER.search(label)
        if said and (file[1] if file else None) not in re.findall(r"\b[\dp]\d\b", said[0]):
            found.append(f"{where(cells, index)}: the link [{label}] leads to {target}. Make the two numbers equal.")
    return found


# --- code and outputs ----------------------------------------------------------------------------------------------


def is_collapsed(cell) -> bool:
    """Say whether JupyterLab shows a cell without its code."""
    return bool(cell["metadata"].get("jupyter", {}).get("source_hidden"))


def collapsed_cells(cells, lesson: Lesson) -> list[str]:
    """Check that a collapsed cell says so twice, for JupyterLab and for the site, and hides nothing but drawing."""
    found = []
    for index, cell in enumerate(cells):
        if cell["cell_type"] != "code":
            continue
        hidden, tagged = is_collapsed(cell), "hide-input" in cell["metadata"].get("tags", [])
        complaints = []
        if hidden != tagged:
            complaints.append(
                'a collapsed cell has the metadata "jupyter": {"source_hidden": true} and the tag hide-input, both; '
                "this one lacks " + ("the tag." if hidden else "the metadata.")
            )
        if hidden or tagged:
            earlier = [text(c["source"]) for c in cells[:index] if c["cell_type"] == "code"]
            later = [text(c["source"]) for c in cells[index + 1 :] if c["cell_type"] == "code"]
            complaints += collapsed_problems(text(cell["source"]), earlier, later)
        found += [f"{where(cells, index)}: {complaint}" for complaint in complaints]
    return found


def alt_texts(cells, lesson: Lesson) -> list[str]:
    """Check that the numbers in an alt text come from the data: its literal parts have no digit outside a name."""
    found = []
    for index, tree in _trees(cells):
        given = {
            target.id: node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for call in ast.walk(tree):
            if not (isinstance(call, ast.Call) and ast.unparse(call.func) in ("plotting.show", "show")):
                continue
            alts = [keyword.value for keyword in call.keywords if keyword.arg == "alt"] or call.args[1:2]
            for alt in alts:
                alt = given.get(alt.id, alt) if isinstance(alt, ast.Name) else alt
                words = " ".join(_literals(alt)).split()
                said = [word for word in words if re.search(r"\d", word) and not re.match(r"\W*[^\W\d]", word)]
                if said:
                    found.append(
                        f"{where(cells, index)}: the alt text says {', '.join(map(repr, said))} by hand. Take numbers "
                        "from what is drawn, with an f-string."
                    )
    return found


def _literals(node):
    """Yield the literal texts in an expression; what stands in the braces of an f-string is none, but keeps a word."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _literals(child)


def formulas(cells, lesson: Lesson) -> list[str]:
    r"""Check that a formula with ``\tag{6.3}`` is computed by a cell with ``(6.3)`` in a comment, and the reverse.

    A display formula without a tag asks for nothing: not every formula is computed.
    """
    own = rf"{lesson.number.removeprefix('0')}\.\d+"
    tagged, computed, found = {}, {}, []
    for index, cell in enumerate(cells):
        if cell["cell_type"] == "markdown":
            for formula in DISPLAY.findall(FENCED.sub("", text(cell["source"]))):
                for tag in re.findall(r"\\tag\*?\{([^}]*)\}", formula):
                    if not re.fullmatch(own, tag):
                        found.append(
                            f"{where(cells, index)}: the formula's tag is {tag}. Write lesson and number, such as "
                            rf"\tag{{{lesson.number.removeprefix('0')}.1}}."
                        )
                    elif tag in tagged:
                        found.append(f"{where(cells, index)}: an earlier formula has the tag {tag}. Give it another.")
                    else:
                        tagged[tag] = index
        elif cell["cell_type"] == "code" and not is_exercise(cell):
            for comment in _comments(text(cell["source"])):
                computed.update(dict.fromkeys(re.findall(rf"\(({own})\)", comment), index))
    found += [
        f"{where(cells, index)}: no code cell computes the formula ({tag}). Write `# ({tag})` beside the line that "
        "does."
        for tag, index in tagged.items()
        if tag not in computed
    ]
    found += [
        rf"{where(cells, index)}: its comment names the formula ({tag}), which no display formula has as its \tag{{}}."
        for tag, index in computed.items()
        if tag not in tagged
    ]
    return found


def _comments(source: str) -> list[str]:
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, IndentationError):
        return []
    return [token.string for token in tokens if token.type == tokenize.COMMENT]


def assertions(cells, lesson: Lesson) -> list[str]:
    """Check that each assertion compares what was measured strictly with something that it could have missed."""
    return [
        f"{where(cells, index)}: {problem}"
        for index, tree in _trees(cells)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
        for problem in assertion_problems(node.test)
    ]


def verdicts(cells, lesson: Lesson) -> list[str]:
    """Check that no line of the outputs is a bare True or False."""
    found = []
    for index, cell in enumerate(cells):
        if cell["cell_type"] != "code" or is_exercise(cell):
            continue
        for output in cell["outputs"]:
            said = text(output.get("text", "")) or text(output.get("data", {}).get("text/plain", ""))
            found += [
                f"{where(cells, index)}: it prints the verdict {line.strip()!r}. Print the numbers that were compared."
                for line in said.splitlines()
                if TRUTH.fullmatch(line.strip())
            ]
    return found


def _trees(cells):
    """Yield the index and the syntax tree of each code cell that is no exercise."""
    for index, cell in enumerate(cells):
        source = text(cell["source"])
        if cell["cell_type"] == "code" and not CHECK.search(source):
            try:
                yield index, ast.parse(source)
            except SyntaxError:  # a line magic; the guard on execution sees real ones
                continue


RULES = (
    bold_terms, later_terms, limits, headings, citations, lesson_pointers, collapsed_cells, alt_texts, formulas,
    assertions, verdicts,
)  # fmt: skip
