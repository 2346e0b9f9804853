"""Read the Markdown of a lesson: its headings, sections and paragraphs, its main path, and how many words it has."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from lessons import text

FENCED = re.compile(r"^(```+|~~~+).*?^\1", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(\s*<?([^\s)>]*)>?(?:\s+\"[^\"]*\")?\s*\)")
BOLD = re.compile(r"\*\*(?=\S)(.+?)\*\*|__(?=\S)(.+?)__", re.DOTALL)
HEADING = re.compile(r"(#{1,6})[ \t]+(.+?)[ \t#]*$")
DISPLAY = re.compile(r"\$\$.+?\$\$", re.DOTALL)
CODE_SPAN = re.compile(r"(`+)(?:(?!\1).)+?\1", re.DOTALL)
INLINE = re.compile(r"(?<![\\$])\$(?:[^$\n]|\n(?!\s*\n))+\$")
ASKED = re.compile(r"^my_guess = \.\.\.", re.MULTILINE)
EXERCISE = re.compile(r"#{1,6}[ \t]+Exercise \d+\.\d+")
CHECK = re.compile(r"""\bex\.check\(\s*["']\d+\.\d+["']""")
LAST_PART = "Going further"  # the main path ends where it begins


class Piece(NamedTuple):
    """A code cell, or that part of a Markdown cell which stands under one heading or before the first.

    Attributes
    ----------
    index : int
        The cell's place in the notebook, counted from 0.
    kind : str
        "code" or "markdown".
    text : str
        Its source; a heading comes first.
    level : int
        Of that heading, 0 where there is none.
    title : str
        Of that heading, without markup.
    exercise : bool
        Whether the cell is an exercise's prompt or its code.
    """

    index: int
    kind: str
    text: str
    level: int = 0
    title: str = ""
    exercise: bool = False


def titles(markdown: str) -> list[str]:
    """Return the titles of a text's headings, without their markup."""
    return [_title(line) for line in re.findall(r"^#{1,6}[ \t]+(.+?)[ \t#]*$", FENCED.sub("", markdown), re.MULTILINE)]


def _title(line: str) -> str:
    return re.sub(r"[*`]|<[^>]+>", "", LINK.sub(r"\2", line)).strip()


def without_code(markdown: str) -> str:
    """Blank fenced code, code spans and formulas: brackets in them are no links."""
    markdown = CODE_SPAN.sub("", FENCED.sub("", markdown))
    return re.sub(r"\$\$.+?\$\$|(?<![\\$])\$[^$\n]+\$", "", markdown, flags=re.DOTALL)


def slug(name: str) -> str:
    """Return a name as the bibliography's anchors write it: "Hébert’s" is hebert."""
    plain = unicodedata.normalize("NFKD", re.sub(r"[’']s?$", "", name.lower())).encode("ascii", "ignore").decode()
    return re.sub(r"\W", "", plain)


def is_exercise(cell) -> bool:
    """Say whether a cell is the prompt of an exercise, or the code that is checked."""
    source = text(cell["source"])
    if cell["cell_type"] == "code":
        return bool(CHECK.search(source))
    return bool(EXERCISE.match(source.lstrip()))


def pieces(cells) -> list[Piece]:
    """Cut a lesson at its headings."""
    found = []
    for index, cell in enumerate(cells):
        source, exercise = text(cell["source"]), is_exercise(cell)
        if cell["cell_type"] == "code":
            found.append(Piece(index, "code", source, exercise=exercise))
        elif cell["cell_type"] == "markdown":
            found += [piece._replace(index=index, exercise=exercise) for piece in _under_headings(source)]
    return found


def _under_headings(markdown: str) -> list[Piece]:
    parts, fence = [Piece(0, "markdown", "")], ""
    for line in markdown.splitlines(keepends=True):
        fence = _fence_after(line, fence)
        heading = None if fence else HEADING.match(line.rstrip("\n"))
        if heading:
            parts.append(Piece(0, "markdown", line, len(heading[1]), _title(heading[2])))
        else:
            parts[-1] = parts[-1]._replace(text=parts[-1].text + line)
    return [part for part in parts if part.text.strip()]


def _fence_after(line: str, fence: str) -> str:
    """Return the fence that is open after a line, "" for none, given the one that was open before it."""
    mark = re.match(r"```+|~~~+", line)
    if not fence:
        return mark[0] if mark else ""
    return "" if mark and mark[0].startswith(fence) else fence


def section(parts: list[Piece], beginning: str) -> list[Piece]:
    """Return the pieces from the heading that begins so to the next of its level or a higher one; none without it."""
    found, level = [], 0
    for part in parts:
        if found and 0 < part.level <= level:
            break
        if not found and part.title.lower().startswith(beginning.lower()):
            level = part.level
            found.append(part)
        elif found:
            found.append(part)
    return found


def main_path(cells) -> list[Piece]:
    """Return what a reader reads and runs in the stated time: all before *Going further*, without the exercises."""
    found = []
    for part in pieces(cells):
        if part.title.lower().startswith(LAST_PART.lower()):
            break
        if not part.exercise:
            found.append(part)
    return found


def count_words(markdown: str) -> int:
    """Count the words that are read.

    A formula or a code span is one word. Fenced code, pictures, the targets of links, tags, and the signs that draw
    tables and lists are none.
    """
    markdown = CODE_SPAN.sub("code", FENCED.sub("", markdown))
    markdown = INLINE.sub("formula", DISPLAY.sub(" formula ", markdown))
    markdown = LINK.sub(lambda link: "" if link[1] else link[2], markdown)
    return len(re.findall(r"\S*\w\S*", re.sub(r"<[^>]+>", " ", markdown)))


def fenced_lines(markdown: str) -> int:
    """Count the lines of code, blank ones left out, in the fenced blocks of a text."""
    return sum(bool(line.strip()) for block in FENCED.finditer(markdown) for line in block[0].splitlines()[1:-1])


def paragraphs(markdown: str) -> list[str]:
    """Cut a text at its blank lines, with all white space normalised; headings are left out.

    A table, a list without blank lines and a display formula are paragraphs, and so is a fenced block, whatever blank
    lines it has.
    """
    blocks, fence = [[]], ""
    for line in markdown.splitlines():
        before, fence = fence, _fence_after(line, fence)
        if not (before or fence) and (not line.strip() or HEADING.match(line)):
            blocks.append([])
        else:
            blocks[-1].append(line)
    joined = [" ".join(" ".join(block).split()) for block in blocks]
    return [block for block in joined if block]
