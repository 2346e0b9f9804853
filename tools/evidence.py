"""Tie each paragraph of a lesson to the code cells that it speaks of, and say which to reread when one of them changes.

    python tools/evidence.py 06                         list the Markdown cells that are due
    python tools/evidence.py 06 CELL-ID                 show one with its outputs, and accept it as it stands
    python tools/evidence.py 06 CELL-ID --on ID ID      the same, and tie it to these code cells as well

From a lesson's first output on, every paragraph counts, summary and *Going further* included; headings and exercises do
not. A Markdown cell speaks of the code cells right before it: of all since the Markdown cell above, and of those above
that one while none of them has an output; the first one speaks of all code above it. The summary, the sources and the
recipe speak of the whole lesson, so their author says of which cells (``--on``).

``evidence.json`` in the lesson's folder keeps, for each Markdown cell, its paragraphs with white space normalised and
what they speak of: each code cell's outputs without pixels, its tolerances, and a hash of its code without comments and
white space. Outputs are compared by the contract of :mod:`compare`, never by hash.
"""

from __future__ import annotations

import argparse
import difflib
import json
import textwrap
from pathlib import Path

import lessons
from compare import differences_shown, shown
from lessons import IGNORE, text, where
from prose import is_exercise, paragraphs, pieces, section

from course_lib.lessons import Lesson, written
from course_lib.teaching.code_hash import hash_of_source
from course_lib.teaching.experiment import write_whole

SPEAK_OF_ALL = ("Use it", "Summary", "Sources")
TOLERANCES = ("rtol", "atol", "direct_rtol")


# --- what a lesson says today --------------------------------------------------------------------------------------


def spoken_of(cells, index: int) -> list[int]:
    """Return the places of the code cells that a Markdown cell speaks of by its place."""
    found, first = [], first_output(cells)
    for place in reversed(range(index)):
        cell = cells[place]
        if is_exercise(cell):
            continue
        if cell["cell_type"] == "code":
            found.append(place)
        elif place > first and any(cells[i]["outputs"] for i in found):
            break
    return found[::-1]


def first_output(cells) -> int:
    """Return the place of the first code cell that shows something; the number of cells if none does."""
    showing = (i for i, cell in enumerate(cells) if cell["cell_type"] == "code" and cell["outputs"])
    return next((i for i in showing if not is_exercise(cells[i])), len(cells))


def today(cells, kept: dict) -> dict[str, dict]:
    """Return what ``evidence.json`` would hold if every cell were accepted as it stands.

    Parameters
    ----------
    cells : list of dict
        The notebook's.
    kept : dict
        What the file holds; the lists ``on`` are taken from it.

    Returns
    -------
    dict of dict
        Markdown cell's id -> ``on`` (ids that its author named), ``paragraphs``, ``evidence`` (code cell's id ->
        ``code``, ``tolerances``, ``outputs``).
    """
    places = {cell["id"]: place for place, cell in enumerate(cells)}
    found = {}
    for index in range(first_output(cells), len(cells)):
        cell = cells[index]
        if cell["cell_type"] != "markdown" or is_exercise(cell):
            continue
        said = paragraphs(text(cell["source"]))
        if said:
            on = [name for name in kept.get(cell["id"], {}).get("on", []) if name in places]
            all_places = sorted({*spoken_of(cells, index), *(places[name] for name in on)})
            evidence = {cells[place]["id"]: _evidence(cells[place]) for place in all_places}
            found[cell["id"]] = {"on": on, "paragraphs": said, "evidence": evidence}
    return found


def _evidence(cell) -> dict:
    course = cell["metadata"].get("course", {})
    ignored = IGNORE in cell["metadata"].get("tags", [])
    return {
        "code": hash_of_source(text(cell["source"])),
        "tolerances": {name: course[name] for name in TOLERANCES if course.get(name)},
        "outputs": None if ignored else shown(cell["outputs"]),
    }


def needs_a_list(cells) -> set[str]:
    """Return the ids of the Markdown cells that speak of the whole lesson, whose author has to say of which cells."""
    parts = pieces(cells)
    own = [part for name in SPEAK_OF_ALL for part in section(parts, name)]
    return {cells[part.index]["id"] for part in own if part.kind == "markdown" and not part.exercise}


# --- what has changed ----------------------------------------------------------------------------------------------


def due(cells, kept: dict) -> dict[str, list[str]]:
    """Return the Markdown cells that have to be reread, each with what has changed, in sentences.

    Parameters
    ----------
    cells : list of dict
        The notebook's.
    kept : dict
        What ``evidence.json`` holds.

    Returns
    -------
    dict of list of str
        By the cell's id, in the order of the notebook; then those that are no longer there.
    """
    now, found = today(cells, kept), {}
    listed = needs_a_list(cells)
    for name, entry in now.items():
        said = _changes(cells, kept[name], entry) if name in kept else [_unread(entry)]
        if name in listed and not entry["on"]:
            said.append("it speaks of the whole lesson, so name the code cells that it rests on: --on ID ID ...")
        if said:
            found[name] = said
    for name, entry in kept.items():
        if name not in now:
            found[name] = [f"the paragraph {_quoted(said)} is gone, with its cell" for said in entry["paragraphs"]]
    return found


def unspoken(cells, kept: dict) -> list[int]:
    """Return the places of the code cells, from the first output on, of which no paragraph speaks."""
    covered = {name for entry in today(cells, kept).values() for name in entry["evidence"]}
    return [
        place
        for place in range(first_output(cells), len(cells))
        if cells[place]["cell_type"] == "code" and not is_exercise(cells[place]) and cells[place]["id"] not in covered
    ]


def problems(cells, kept: dict, lesson: Lesson) -> list[str]:
    """Return a text for each cell that has to be reread: which paragraphs, what changed, and how to accept it."""
    places = {cell["id"]: place for place, cell in enumerate(cells)}
    found = []
    for name, changes in due(cells, kept).items():
        lines = [f"{lesson.stem}, {where(cells, places[name]) if name in places else f'cell {name}'}: reread it."]
        if name in places:
            lines += [f"  {_quoted(said)}" for said in paragraphs(text(cells[places[name]]["source"]))]
        lines += ["what changed:", *(textwrap.indent(change, "  ") for change in changes)]
        lines.append(f"`make reviewed ARGS='{lesson.number} {name}'` shows both and accepts it.")
        found.append("\n".join(lines))
    found += [
        f"{lesson.stem}, {where(cells, place)}: no paragraph speaks of it. Write one below it, or tie one to it with "
        f"`make reviewed ARGS='{lesson.number} CELL-ID --on {cells[place]['id']}'`."
        for place in unspoken(cells, kept)
    ]
    return found


def _unread(entry: dict) -> str:
    count = len(entry["paragraphs"])
    return f"nobody has reviewed its {f'{count} paragraphs' if count > 1 else 'paragraph'} yet"


def _changes(cells, old: dict, new: dict) -> list[str]:
    """Say what differs between a Markdown cell as it was accepted and as it is."""
    found = []
    before, after = old["paragraphs"], new["paragraphs"]
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(a=before, b=after, autojunk=False).get_opcodes():
        if tag == "replace" and i2 - i1 == j2 - j1:
            found += [
                f"a paragraph's text\n  was: {was}\n  is:  {becomes}"
                for was, becomes in (_around(*both) for both in zip(before[i1:i2], after[j1:j2], strict=True))
            ]
        elif tag != "equal":
            found += [f"the paragraph {_quoted(said)} is gone" for said in before[i1:i2]]
            found += [f"the paragraph {_quoted(said)} is new" for said in after[j1:j2]]
    prompts = _prompts(cells)
    for name in [*old["evidence"], *(name for name in new["evidence"] if name not in old["evidence"])]:
        place = prompts.get(name, f"the code cell {name}")
        if name not in new["evidence"]:
            found.append(f"{place} no longer stands among the cells that it speaks of")
        elif name not in old["evidence"]:
            found.append(f"{place} now stands among the cells that it speaks of")
        else:
            found += [f"{place}: {said}" for said in _evidence_changes(old["evidence"][name], new["evidence"][name])]
    return found


def _evidence_changes(old: dict, new: dict) -> list[str]:
    found = []
    if old["code"] != new["code"]:
        found.append("its code has changed, beyond comments and white space")
    if old["tolerances"] != new["tolerances"]:
        found.append(f"its tolerances were {old['tolerances']} and are {new['tolerances']}")
    if (old["outputs"] is None) != (new["outputs"] is None):
        found.append("whether its outputs are compared has changed")
    elif new["outputs"] is not None:
        found += differences_shown(old["outputs"], new["outputs"], form=2, **{"rtol": 0, "atol": 0} | old["tolerances"])
    return found


def _prompts(cells) -> dict[str, str]:
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    return {cell["id"]: f"In [{number}]" for number, cell in enumerate(code, start=1)}


def _quoted(said: str, most: int = 100) -> str:
    return f"“{said}”" if len(said) <= most else f"“{said[:most].rstrip()} …”"


def _around(was: str, becomes: str, words: int = 12) -> tuple[str, str]:
    """Return two texts without what they have in common at both ends, but for a few words."""
    a, b = was.split(), becomes.split()
    shorter = min(len(a), len(b))
    head = next((i for i in range(shorter) if a[i] != b[i]), shorter)
    tail = next((i for i in range(shorter - head) if a[-1 - i] != b[-1 - i]), shorter - head)
    head, tail = max(0, head - words), max(0, tail - words)
    return tuple(
        ("… " if head else "") + " ".join(side[head : len(side) - tail]) + (" …" if tail else "") for side in (a, b)
    )


# --- the file and the command --------------------------------------------------------------------------------------


def read(lesson: Lesson) -> dict:
    """Return what a lesson's ``evidence.json`` holds; nothing if there is no such file."""
    file = lesson.folder / "evidence.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def read_cells(lesson: Lesson) -> list[dict]:
    """Return the cells of a lesson's notebook."""
    return json.loads((lessons.NOTEBOOKS / f"{lesson.stem}.ipynb").read_text(encoding="utf-8"))["cells"]


def accepted(cells, kept: dict, name: str, on: list[str] | None = None) -> dict:
    """Return what ``evidence.json`` has to hold once one Markdown cell is accepted as it stands.

    Parameters
    ----------
    cells : list of dict
        The notebook's.
    kept : dict
        What the file holds.
    name : str
        The Markdown cell's id. One that is gone from the lesson goes from the file.
    on : list of str, optional
        Ids of code cells that it rests on beside those right above it; by default those that were named last time.

    Raises
    ------
    ValueError
        If there is no such cell, or the summary, the sources or the recipe rest on no named cell.
    """
    code = {cell["id"] for cell in cells if cell["cell_type"] == "code" and not is_exercise(cell)}
    unknown = [other for other in on or [] if other not in code]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: no code cell outside the exercises has this id.")
    given = kept | {name: kept.get(name, {}) | {"on": on}} if on is not None else kept
    now = today(cells, given)
    if name not in now and name not in kept:
        raise ValueError(
            f"{name}: no Markdown cell after the first output, with a paragraph and outside the exercises, has this id."
        )
    if name in needs_a_list(cells) and name in now and not now[name]["on"]:
        raise ValueError(
            f"{name} speaks of the whole lesson. Name the code cells that it rests on: --on ID ID ... (the ids stand "
            "in the notebook's file, and in what this command prints of other cells)."
        )
    kept = {other: entry for other, entry in kept.items() if other != name}
    if name in now:
        kept[name] = now[name]
    order = {cell["id"]: place for place, cell in enumerate(cells)}
    return dict(sorted(kept.items(), key=lambda item: order.get(item[0], len(order))))


def show(cells, name: str, entry: dict) -> None:
    """Print the paragraphs of a Markdown cell, and below them the outputs that they speak of."""
    place = next(i for i, cell in enumerate(cells) if cell["id"] == name)
    print(f"{where(cells, place)}\n")
    for said in entry["paragraphs"]:
        print(textwrap.fill(said, 110, initial_indent="  ", subsequent_indent="  "), end="\n\n")
    prompts, by_name = _prompts(cells), {cell["id"]: cell for cell in cells}
    for other, evidence in entry["evidence"].items():
        first = next(iter(text(by_name[other]["source"]).strip().splitlines()), "")
        print(f"  {prompts[other]}, id {other}: {first[:80]}")
        if evidence["outputs"] is None:
            print("    (outputs that are not compared)")
        for output in evidence["outputs"] or []:
            said = output.get("execute_result, text/plain") or output.get("display_data, text/plain")
            print(textwrap.indent((said or next(iter(output.values()))).rstrip(), "    | "))
    print()


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        prog="make reviewed", description="Which paragraphs of a lesson have to be reread?"
    )
    parser.add_argument("lesson", help="two digits")
    parser.add_argument(
        "cell", nargs="?", help="id of the Markdown cell to show and accept; without it, list what is due"
    )
    parser.add_argument("--on", nargs="*", metavar="ID", help="ids of code cells that it rests on, too")
    chosen = parser.parse_args(arguments)
    lesson = next((lesson for lesson in written() if lesson.number == chosen.lesson), None)
    if lesson is None:
        raise SystemExit(f"There is no lesson {chosen.lesson!r}.")
    if lesson.form < 2:
        raise SystemExit(f"Lesson {lesson.number} is of form 1. Its sentences are tied to evidence from form 2 on.")
    cells, kept = read_cells(lesson), read(lesson)
    if chosen.cell is None:
        return listing(cells, kept, lesson)
    try:
        new = accepted(cells, kept, chosen.cell, chosen.on)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    for change in due(cells, kept).get(chosen.cell, ["nothing has changed"]):
        print(change)
    print()
    if chosen.cell in new:
        show(cells, chosen.cell, new[chosen.cell])
    write_whole(Path(lesson.folder / "evidence.json"), json.dumps(new, indent=1, ensure_ascii=False) + "\n")
    print(f"Accepted. Cells that are still due: {len(due(cells, new))}.")
    return 0


def listing(cells, kept: dict, lesson: Lesson) -> int:
    """Print the cells that are due, and the code cells of which nothing speaks; nothing is accepted."""
    places = {cell["id"]: place for place, cell in enumerate(cells)}
    found = due(cells, kept)
    for name, changes in found.items():
        print(f"{name}  {where(cells, places[name]) if name in places else '(no longer in the lesson)'}")
        for change in changes:
            print(textwrap.indent(change, "    "))
    alone = unspoken(cells, kept)
    for place in alone:
        print(f"{cells[place]['id']}  {where(cells, place)}\n    no paragraph speaks of it")
    print(f"{lesson.stem}: {len(found)} Markdown cells are due, {len(alone)} code cells have no paragraph")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
