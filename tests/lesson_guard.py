"""What a stored lesson must be, read from its file alone; executing it is the comparison's part.

``problems(notebook)`` returns one sentence for each thing that is wrong: where it is, what it is, how to mend it.
"""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import lesson_form
import nbformat
from compare import BASE64, says_about
from lessons import IGNORE, ROOT, about, as_file, text, where
from prose import ASKED, LINK, slug, titles, without_code

MOST_LINES = 25
SHORTEST_ALT = 30
TOLERANCES = {"rtol", "atol", "direct_rtol"}
MOST_DIRECT = 1e-6  # what float32 arithmetic in another order may change
SKIPPING = {"nbval-skip", "NBVAL_SKIP"}

# A path that exists on the machine of whoever ran the lesson: not what follows a host name in an address.
MACHINE_PATH = re.compile(
    r"(?<![\w.~-])/(?:home|root|tmp|Users|private|var/folders)/[^\s\"'<>]*|\b[A-Z]:\\{1,2}(?:Users|Windows|Temp)\b"
)
SHOWN = re.compile(r"\bmark_guess\(|\bprint\([^#\n]*guess")
DEFINITION = re.compile(r"^[ ]{0,3}\[[^\]]+\]:[ \t]*(\S+)", re.MULTILINE)
NAME = r"[A-ZÀ-Þ][\w’'-]+"
CITATION = re.compile(
    rf"\b({NAME})((?:,? (?:{NAME},? )?(?:&|and) {NAME})| et al\.?|)(?:’s|'s)?,? \(?((?:18|19|20)\d\d)[a-z]?\b\)?"
)


class Tags(HTMLParser):
    """Collects the images, link targets and anchors of a piece of HTML."""

    def __init__(self, markup: str):
        super().__init__()
        self.images, self.links, self.anchors = [], [], set()
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "img":
            self.images.append(attributes)
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])
        self.anchors.update(attributes[key] for key in ("id", "name") if attributes.get(key))


def problems(notebook: Path) -> list[str]:
    """Return everything that is wrong with a stored lesson, as sentences; an empty list for a sound one.

    Parameters
    ----------
    notebook : Path
        The lesson's file. Its links are followed from there; the bibliography is ``../docs/bibliography.md``.
    """
    stored = notebook.read_text(encoding="utf-8")
    raw = json.loads(stored)
    cells = raw["cells"]
    form = about(notebook).form
    ids = [cell.get("id") for cell in cells]
    found = []
    for index, cell in enumerate(cells):
        if not cell.get("id"):
            found.append(f"{where(cells, index)}: it has no id. `make refresh` gives it one.")
        elif ids.count(cell["id"]) > 1 and ids.index(cell["id"]) < index:
            found.append(f"{where(cells, index)}: its id {cell['id']} is an earlier cell's. Give it another.")
    # nbformat's reader would quietly invent missing ids, so the rest is only worth asking of a file that has them.
    if not found and as_file(nbformat.from_dict(_join_directions(raw))) != stored:
        found.append(
            f"the file is not in normal form ({_abnormal(raw)}): versions, timings and the states of widgets and "
            "windows do not belong in it. `make refresh` writes it as it should be."
        )
    found += _anatomy(cells)
    found += _execution(cells)
    found += _guesses(cells)
    for index, cell in enumerate(cells):
        complaints = _paths(cell)
        if cell["cell_type"] == "code":
            complaints += declarations(cell, form) + _code(cell)
            for output in cell["outputs"]:
                complaints += output_problems(output)
        elif cell["cell_type"] == "markdown":
            complaints += _links(cell, notebook, cells)
        found += [f"{where(cells, index)}: {complaint}" for complaint in complaints]
    found += _bare_citations(cells, notebook)
    found += lesson_form.problems(cells, about(notebook))
    return [f"{notebook.stem}, {problem}" for problem in found]


def declarations(cell, form: int = 1) -> list[str]:
    """Return what is wrong with how a cell asks to be compared: every leniency gives its reason.

    Parameters
    ----------
    cell : dict
        A code cell with its stored outputs.
    form : int
        Of the lesson. In form 2 a tolerance is for numbers that are printed with ``≈``, and for no others.
    """
    course = cell["metadata"].get("course", {})
    tags = set(cell["metadata"].get("tags", []))
    comments = {line.strip().lstrip("#").strip() for line in text(cell["source"]).splitlines() if "NBVAL" in line}
    found = []
    if SKIPPING & (tags | comments):
        found.append("nbval-skip is not allowed: every cell of a lesson runs. Make the cell quick instead.")
    if comments - SKIPPING:
        found.append(f"use the tag {IGNORE} instead of the comment {', '.join(sorted(comments - SKIPPING))}.")
    if TOLERANCES & set(course) and not str(course.get("why", "")).strip():
        found.append('its tolerance has no reason. Write {"course": {"rtol": ..., "why": "..."}} in its metadata.')
    for key in sorted(TOLERANCES):
        value = course.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            found.append(f"its {key} is {value!r}, but must be a number from 0 up.")
    if IGNORE in tags and not str(course.get("ignore", "")).strip():
        found.append(f'the tag {IGNORE} has no reason. Write {{"course": {{"ignore": "..."}}}} in its metadata.')
    if "ignore" in course and IGNORE not in tags:
        found.append(f"it gives a reason to ignore its output but lacks the tag {IGNORE}.")
    known = ["rtol", "atol", "why", "ignore"]
    if form > 1:
        known.append("direct_rtol")
        found += _about(cell, course)
    unknown = set(course) - set(known)
    if unknown:
        found.append(f"the course knows no metadata {', '.join(sorted(unknown))}: only {', '.join(known)}.")
    return found


def _about(cell, course) -> list[str]:
    """Check that a cell of form 2 has a tolerance exactly if it prints ``≈`` before a number."""
    if IGNORE in cell["metadata"].get("tags", []):
        return []
    found, tolerant = [], bool(course.get("rtol") or course.get("atol"))
    if tolerant and not says_about(cell["outputs"]):
        found.append(
            "it has a tolerance but prints no number with ≈ before it, so nothing may move. Print ≈ before each number "
            "that a training run decides, or take rtol and atol away."
        )
    if says_about(cell["outputs"]) and not tolerant:
        found.append(
            'it prints a number with ≈ before it but has no tolerance. Write {"course": {"rtol": ..., "why": "..."}} '
            "in its metadata, or print the number without ≈ if it is exact."
        )
    value = course.get("direct_rtol", 0)
    if isinstance(value, int | float) and value > MOST_DIRECT:
        found.append(
            f"its direct_rtol is {value:g}, more than {MOST_DIRECT:g}, which is enough for what is computed directly. "
            "A number that moves further is printed with ≈ and has an rtol."
        )
    return found


def output_problems(output) -> list[str]:
    """Return what is wrong with one output, stored or fresh: noise, widgets and figures that some cannot see."""
    if output["output_type"] == "stream":
        if output["name"] == "stderr":
            return [f"it writes to stderr: {text(output['text']).strip()[:200]!r}. Mend what it warns of."]
        return []
    if output["output_type"] == "error":
        return [f"its output is an error, {output['ename']}: {output['evalue'][:200]}. Mend the cell."]
    found = []
    data = output["data"]
    plain = text(data.get("text/plain", ""))
    for kind in data:
        if kind.startswith("image/"):
            found.append(f"it shows a figure as {kind}, which has no alt text. Use `plotting.show(fig, alt)`.")
        if "widget" in kind:
            found.append("it stores a live widget. Under COURSE_STATIC=1 a panel shows its static picture.")
    for image in Tags(text(data.get("text/html", ""))).images:
        alt = (image.get("alt") or "").strip()
        if not alt:
            found.append("it shows a figure without alt text. Say what the figure shows: `plotting.show(fig, alt)`.")
        elif len(alt) < SHORTEST_ALT:
            found.append(f"a figure's alt text is only {alt!r}. Say what the figure shows.")
        elif " ".join(alt.split()) not in " ".join(plain.split()):
            found.append("a figure's text/plain is not its alt text. Use `plotting.show(fig, alt)`.")
    return found


def _join_directions(raw) -> dict:
    """Return the file's content with every list of lines joined, as nbformat holds it in memory."""
    return nbformat.reads(json.dumps(raw), as_version=nbformat.NO_CONVERT)


def _abnormal(raw) -> str:
    """Say which part of a file is not in normal form."""
    normal = json.loads(as_file(_join_directions(raw)))
    for key in ("kernelspec", "language_info"):
        if raw["metadata"].get(key) != normal["metadata"][key]:
            return f"metadata: {key}"
    surplus = set(raw["metadata"]) - set(normal["metadata"])
    if surplus:
        return f"metadata: {', '.join(sorted(surplus))}"
    for index, (old, new) in enumerate(zip(raw["cells"], normal["cells"], strict=True)):
        if old != new:
            surplus = set(old["metadata"]) - set(new["metadata"])
            return f"{where(raw['cells'], index)}" + (f", metadata: {', '.join(sorted(surplus))}" if surplus else "")
    return "layout of the file"


def _headings(cells) -> list[str]:
    """Return the titles of all headings, without their markup."""
    return [title for cell in cells if cell["cell_type"] == "markdown" for title in titles(text(cell["source"]))]


def _anatomy(cells) -> list[str]:
    """Check for the parts that every lesson has."""
    found = []
    opening = text(cells[0]["source"]) if cells else ""
    if not cells or cells[0]["cell_type"] != "markdown" or not opening.startswith("# ") or "?" not in opening:
        found.append("cell 1: it must be Markdown with the lesson's title (`# ...`) and its question (`...?`).")
    code = next((index for index, cell in enumerate(cells) if cell["cell_type"] == "code"), None)
    if code is None or "course_lib.setup(" not in text(cells[code]["source"]):
        place = "the lesson" if code is None else where(cells, code)
        found.append(f"{place}: the first code cell must set the lesson up, with `rng = course_lib.setup(seed)`.")
    headings = [title.lower() for title in _headings(cells)]
    for part in ("summary", "sources"):
        if not any(part in title for title in headings):
            found.append(f"no heading says {part.capitalize()}: a lesson ends with its summary and its sources.")
    return found


def _execution(cells) -> list[str]:
    """Check that the code cells were executed once each, from a fresh kernel, from top to bottom."""
    code = [index for index, cell in enumerate(cells) if cell["cell_type"] == "code"]
    for expected, index in enumerate(code, start=1):
        count = cells[index].get("execution_count")
        if count is None:
            return [f"{where(cells, index)}: it is not executed. `make refresh` executes the lesson."]
        if count != expected:
            return [
                f"{where(cells, index)}: it was executed as number {count} and not {expected}, so not in order from "
                "a fresh kernel. `make refresh` executes the lesson."
            ]
    return []


def _guesses(cells) -> list[str]:
    """Check that each guess that is asked for is shown again, before the next one is asked for."""
    asked, unanswered = None, []
    for index, cell in enumerate(cells):
        if cell["cell_type"] != "code":
            continue
        source = text(cell["source"])
        if ASKED.search(source):
            unanswered += [asked]
            asked = index
        elif SHOWN.search(source):
            asked = None
    return [
        f"{where(cells, index)}: no later cell shows this guess beside the answer. Print it, or draw it with "
        "plotting.mark_guess."
        for index in [*unanswered, asked]
        if index is not None
    ]


def _code(cell) -> list[str]:
    lines = text(cell["source"]).strip().splitlines()
    if not lines:
        return ["the code cell is empty. Delete it."]
    if len(lines) > MOST_LINES:
        return [f"it has {len(lines)} lines of code, more than {MOST_LINES}. Split it or move it to course_lib."]
    return []


def _paths(cell) -> list[str]:
    """Look for paths of one machine in what a cell says and shows."""
    parts = [text(cell["source"])]
    for output in cell.get("outputs", []):
        parts += [text(output.get("text", "")), *output.get("traceback", [])]
        parts += [text(value) for value in output.get("data", {}).values() if isinstance(value, str | list)]
    for part in parts:
        part = BASE64.sub(r"\1", part)
        hit = MACHINE_PATH.search(part)
        if hit or str(ROOT) in part:
            path = hit[0] if hit else str(ROOT)
            return [f"it holds a path of the machine it ran on, {path}. Print the file's name only."]
    return []


def _links(cell, notebook: Path, cells) -> list[str]:
    """Follow every link that stays within the course, and look at the alt text of pictures in the prose."""
    prose = without_code(text(cell["source"]))
    tags = Tags(prose)
    found = []
    targets = [*DEFINITION.findall(prose), *tags.links]
    for image, label, target in LINK.findall(prose):
        if image and not label.strip():
            found.append(f"the picture {target} has no alt text. Write `![what it shows]({target})`.")
        targets.append(target)
        targets += [inner for _, _, inner in LINK.findall(label)]
    for image in tags.images:
        if not (image.get("alt") or "").strip():
            found.append("an <img> in the text has no alt text.")
        targets.append(image.get("src") or "")
    for target in targets:
        complaint = _dead(target, notebook, cells, cell.get("attachments", {}))
        if complaint:
            found.append(complaint)
    return found


def _dead(target: str, notebook: Path, cells, attachments) -> str | None:
    """Say why a link leads nowhere, or return None for one that is alive or leads out of the course."""
    if target.startswith("attachment:"):
        name = unquote(target.removeprefix("attachment:"))
        return None if name in attachments else f"the cell has no attachment {name}."
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+:|//", target):
        return None
    file, _, anchor = unquote(target).partition("#")
    path = (notebook.parent / file).resolve() if file else notebook
    if not target or not path.exists():
        return f"the link {target or '()'} is dead: there is no file {file}. Links start from the lesson's folder."
    if not anchor:
        return None
    if path.suffix == ".ipynb":
        # JupyterLab scrolls to headings alone: of an <a id="..."> it takes the id away.
        linked = cells if not file else json.loads(path.read_text(encoding="utf-8"))["cells"]
        known = {title.replace(" ", "-") for title in _headings(linked)}
        advice = "in a lesson that is a heading with hyphens for its spaces"
    elif path.suffix == ".md":
        known = anchors(path.read_text(encoding="utf-8"))
        advice = 'the file needs <a id="..."></a> or a heading of that name'
    else:
        return None
    if anchor in known:
        return None
    if path.name == "bibliography.md":
        return f'docs/bibliography.md knows no work {anchor}. Add it there, with <a id="{anchor}"></a>.'
    return f"the link {target} is dead: {path.name} has no anchor {anchor}; {advice}."


def anchors(markdown: str) -> set[str]:
    """Return what a Markdown file can be linked at: explicit anchors, and headings the way GitHub names them."""
    plain = without_code(markdown)
    slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles(markdown)}
    return slugs | Tags(plain).anchors | set(re.findall(r"^\(([\w-]+)\)=\s*$", plain, re.MULTILINE))


def _bare_citations(cells, notebook: Path) -> list[str]:
    """Find works that the prose names by author and year without ever linking them to the bibliography.

    Several authors and a year are a citation; a single name and a year are one if the bibliography has that
    name with that year (so "May 1990" is not).
    """
    bibliography = notebook.parent.parent / "docs" / "bibliography.md"
    known = anchors(bibliography.read_text(encoding="utf-8")) if bibliography.exists() else set()
    prose = {i: without_code(text(c["source"])) for i, c in enumerate(cells) if c["cell_type"] == "markdown"}
    targets = [target for part in prose.values() for _, _, target in LINK.findall(part)]
    linked = {target.partition("#")[2] for target in targets if "bibliography.md#" in target}
    found = []
    for index, part in prose.items():
        for name, others, year in CITATION.findall(LINK.sub(" ", part)):

            def is_work(key, name=name, year=year):
                return key.startswith(slug(name)) and year in key

            if any(map(is_work, linked)) or not (others or any(map(is_work, known))):
                continue
            found.append(
                f"{where(cells, index)}: it cites {name}{others} {year} without a link. Link it at least once in the "
                f"lesson, such as [{name}{others} {year}](../docs/bibliography.md#{slug(name)}-{year})."
            )
    return list(dict.fromkeys(found))
