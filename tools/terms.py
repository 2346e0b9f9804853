"""The terms that docs/notation.md lists, and whether a lesson introduces them in its turn."""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from lessons import ROOT, text, where
from prose import BOLD, CODE_SPAN, DISPLAY, FENCED, INLINE, LINK, pieces, section

from course_lib.lessons import Lesson

WORDS = "Words you can now use"

# Names that have an everyday sense, too: before their lesson they may occur in that sense.
ORDINARY = {
    "alignment": "how text or columns are set",
    "attention": "what a reader pays",
    "baseline": "the line on which something stands",
    "batch": "a group of things done together",
    "bottleneck": "the narrow place of any process",
    "candidate": "somebody or something that may be chosen",
    "chaos": "disorder",
    "checkpoint": "a point where something is checked",
    "code": "what a programmer writes",
    "coverage": "how much of something is covered",
    "floor": "the lower limit of anything",
    "fusion": "any joining of two things",
    "gate": "a door, or a logical operation",
    "graph": "a drawn curve",
    "head": "the front or the top of something",
    "horizon": "how far one can see",
    "hypothesis": "a supposition that is to be tested",
    "margin": "the room that is left",
    "mask": "something that covers",
    "memory": "what a network or a computer keeps",
    "momentum": "speed that is kept",
    "oracle": "somebody who knows",
    "padding": "room around something",
    "path": "any way from one place to another",
    "probe": "an instrument that measures",
    "sampling": "taking examples at random, or at a rate",
    "sequence": "things in a row",
    "skill": "what somebody is able to do",
    "strict": "allowing no exception",
    "surprise": "what a reader did not expect",
    "temperature": "of the weather, in the projects' data",
    "trajectory": "any path",
    "unit": "of measurement",
    "variety": "being of many kinds",
    "vocabulary": "the words that somebody knows",
    "weight": "how much something counts",
    "window": "of a screen",
}


class Term(NamedTuple):
    """A row of the table: every name that the term has, and the lesson that introduces it."""

    names: tuple[str, ...]
    lesson: str


def parse(notation: str) -> list[Term]:
    """Read the table under the heading *Terms*.

    "spike, action potential" has two names, "rectified linear unit (relu, ReLU)" three, "nucleus (top-p) sampling" is
    nucleus sampling or top-p sampling, and "bias (of a unit)" is bias.
    """
    table = notation.partition("\n## Terms\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if "|" in line]
    return [Term(_names(row[0]), row[-1]) for row in rows if re.fullmatch(r"[\dp]\d", row[-1])]


def _names(english: str) -> tuple[str, ...]:
    before, inside, after = re.fullmatch(r"([^(]*)(?:\(([^)]*)\))?(.*)", english).groups()
    names = [f"{before.strip()} {after.strip()}"] if inside else before.split(",")
    if inside and not inside.startswith("of "):
        names += [f"{other.partition(':')[0].strip()} {after.strip()}" for other in inside.split(",")]
    return tuple(name.strip() for name in names)


@functools.cache
def listed() -> list[Term]:
    """Return the terms of docs/notation.md."""
    return parse((ROOT / "docs" / "notation.md").read_text(encoding="utf-8"))


@functools.cache
def pattern(name: str) -> re.Pattern:
    """Return what finds a name in prose: in the plural too, with hyphens for spaces, abbreviations as they are."""
    words = [re.escape(word) for word in re.split(r"[\s-]+", name)]
    words[-1] = words[-1][:-1] + "(?:y|ies)" if words[-1].endswith("y") else words[-1] + "(?:s|es)?"
    if name != name.lower():  # Adam is a method, adam is nothing; but a sentence may begin with it
        words[0] = f"[{name[0].upper()}{name[0]}]{words[0][1:]}"
    return re.compile(r"(?<![\w-])" + r"[\s-]+".join(words) + r"(?!\w)", re.IGNORECASE if name == name.lower() else 0)


def bold_terms(cells, lesson: Lesson, terms=None) -> list[str]:
    """Check that each term of the lesson stands in bold where the lesson introduces it, so before its list of words."""
    parts = pieces(cells)
    words = section(parts, WORDS)
    spans = [span for part in parts if part.kind == "markdown" and part not in words for span in _bold(part.text)]
    return [
        f"the term “{term.names[0]}” of lesson {lesson.number} stands nowhere in bold. Write **{term.names[0]}** where "
        "it is first needed, with what it means."
        for term in (listed() if terms is None else terms)
        if term.lesson == lesson.number
        and not any(pattern(name).fullmatch(span) for name in term.names for span in spans)
    ]


def _bold(markdown: str) -> list[str]:
    """Return what stands in bold, without an article before and a bracket or a stop after it."""
    found = []
    for one, other in BOLD.findall(FENCED.sub("", markdown)):
        span = " ".join(LINK.sub(r"\2", one or other).split())
        span = re.sub(r"^(?:an?|the)\s+", "", span, flags=re.IGNORECASE).rstrip(" .,:;?!")
        found += [span, re.sub(r"\s*\([^()]*\)$", "", span)]
    return found


def later_terms(cells, lesson: Lesson, terms=None) -> list[str]:
    """Check that a later lesson's term is linked to that lesson, or in bold with its meaning, where it first occurs."""
    terms = listed() if terms is None else terms
    known = {name for term in terms if term.lesson <= lesson.number for name in term.names}
    prose = {i: _prose(text(cell["source"])) for i, cell in enumerate(cells) if cell["cell_type"] == "markdown"}
    found = []
    for term in terms:
        if term.lesson <= lesson.number:
            continue
        names = [name for name in term.names if name not in known and name not in ORDINARY]
        first = next((hit for index in prose for hit in _first(names, index, prose[index])), None)
        if first and not _introduced(*first, term.lesson):
            index, _, said = first
            found.append(
                f"{where(cells, index)}: “{said[0]}” is a term of lesson {term.lesson}. Where it first occurs, link it "
                f"to that lesson or write it in bold with what it means; or say it in other words. An ordinary sense "
                "is listed in tools/terms.py."
            )
    return found


def _prose(markdown: str) -> str:
    for code in (FENCED, CODE_SPAN, DISPLAY, INLINE):
        markdown = code.sub(" ", markdown)
    return markdown


def _first(names, index: int, prose: str):
    """Yield the first place where one of the names stands in a text, outside the targets of links, if there is one."""
    targets = [link.span(3) for link in LINK.finditer(prose)]
    hits = [
        hit
        for name in names
        for hit in pattern(name).finditer(prose)
        if not any(begin <= hit.start() < end for begin, end in targets)
    ]
    if hits:
        yield index, prose, min(hits, key=lambda hit: hit.start())


def _introduced(index: int, prose: str, hit: re.Match, number: str) -> bool:
    for link in LINK.finditer(prose):
        if link.start() <= hit.start() < link.end():
            return bool(re.search(rf"(?:^|/){number}_|notation\.md", link[3]))
    return any(bold.start() <= hit.start() < bold.end() for bold in BOLD.finditer(prose))
