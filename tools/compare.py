"""Compare the outputs of a cell with the stored ones: the contract that the tests and ``make reviewed`` share.

Without a tolerance two texts must be equal. With one they are compared word by word and number by number:
``|fresh - stored| <= atol + rtol * |stored|``. Which numbers may move depends on the lesson's form:

- form 1: decimal numbers. Whole numbers count things, so they stay exact.
- form 2: numbers printed with ``≈`` before them, whole ones included. All others stay exact; a decimal number may move
  by ``direct_rtol`` where the cell declares that.

A grouped number such as 38,000 is one number. A figure is compared by its alt text.
"""

from __future__ import annotations

import difflib
import json
import re
from typing import NamedTuple

from lessons import merge_streams, text

MOST_DIFFERENCES = 5
BASE64 = re.compile(r"(data:[\w/+.-]+;base64,)[A-Za-z0-9+/=\s]+")

# A number is not part of a name: 3 in h_3, 32 in float32 and 2 in 1.2.3 belong to words.
NUMBER = re.compile(
    r"(?<![\w.])[-+−]?(?:(?<!\d,)\d{1,3}(?:,\d{3})+(?!,?\d)(?:\.\d+)?|\d+\.?\d*|\.\d+)(?:[eE][-+−]?\d+)?(?![\w.]*\.\d)"
)
ABOUT = re.compile(r"≈[^\S\n]*\Z")


class Token(NamedTuple):
    """A word, which has no value, or a number; ``about`` says whether ``≈`` stands before it."""

    text: str
    value: float | None = None
    about: bool = False

    @property
    def whole(self) -> bool:
        return self.text.lstrip("+-−").replace(",", "").isdigit()


def tokens(value: str) -> list[Token]:
    """Cut a text into words and numbers."""
    found, end = [], 0
    for match in NUMBER.finditer(value):
        between = value[end : match.start()]
        found += [Token(word) for word in between.split()]
        number = float(match[0].replace("−", "-").replace(",", ""))
        found.append(Token(match[0], number, bool(ABOUT.search(between))))
        end = match.end()
    return found + [Token(word) for word in value[end:].split()]


def says_about(outputs) -> bool:
    """Say whether outputs, in notebook format, print a number with ``≈`` before it."""
    return any(token.about for output in shown(outputs) for value in output.values() for token in tokens(value))


def differences(stored, fresh, rtol: float = 0.0, atol: float = 0.0, **more) -> list[str]:
    """Compare two lists of outputs and return one sentence for each difference.

    Parameters
    ----------
    stored, fresh : list of dict
        Outputs in notebook format, in the order in which they appeared.
    rtol, atol : float
        Tolerance on the numbers that may move; both 0 asks for equal texts.
    **more
        ``form`` and ``direct_rtol``, as in :func:`differences_shown`.
    """
    return differences_shown(shown(stored), shown(fresh), rtol, atol, **more)


def differences_shown(
    stored, fresh, rtol: float = 0.0, atol: float = 0.0, *, form: int = 1, direct_rtol: float = 0.0
) -> list[str]:
    """Compare what a reader sees of two lists of outputs, as :func:`shown` returns it.

    Parameters
    ----------
    stored, fresh : list of dict of str
        Texts by kind.
    rtol, atol : float
        Tolerance on the numbers that may move.
    form : int
        Of the lesson: which numbers may move.
    direct_rtol : float
        In form 2, the relative tolerance on decimal numbers without ``≈``.
    """
    found = []
    for place, (old, new) in enumerate(zip(stored, fresh, strict=False), start=1):
        if list(old) != list(new):
            found.append(f"output {place} is of another kind\n  stored: {', '.join(old)}\n  got:    {', '.join(new)}")
            continue
        for kind in old:
            said = _text_differences(old[kind], new[kind], rtol, atol, form, direct_rtol)
            found += [f"output {place} ({kind}): {difference}" for difference in said]
    for place, old in enumerate(stored[len(fresh) :], start=len(fresh) + 1):
        found.append(f"output {place} is missing\n  stored: {_brief(old)}")
    for place, new in enumerate(fresh[len(stored) :], start=len(stored) + 1):
        found.append(f"output {place} is new, nothing is stored for it\n  got:    {_brief(new)}")
    return found


def shown(outputs) -> list[dict[str, str]]:
    """Return what a reader sees of outputs: for each its texts by kind, with the pixels of a picture left out."""
    return [_shown(output) for output in merge_streams(outputs)]


def _shown(output) -> dict[str, str]:
    if output["output_type"] == "stream":
        return {f"printed to {output['name']}": text(output["text"])}
    if output["output_type"] == "error":
        return {"error": f"{output['ename']}: {output['evalue']}"}
    seen = {}
    for kind in sorted(output["data"]):
        value = output["data"][kind]
        if kind.startswith("image/") and "svg" not in kind:
            value = "a picture"
        elif isinstance(value, list | str):
            value = BASE64.sub(r"\1...", text(value))
        else:
            value = json.dumps(value, sort_keys=True)
        seen[f"{output['output_type']}, {kind}"] = value
    return seen


def _brief(seen: dict[str, str]) -> str:
    kind, value = next(iter(seen.items()), ("no data", ""))
    return f"{kind}: {value.strip()[:200]!r}"


def _text_differences(stored: str, fresh: str, rtol, atol, form, direct_rtol) -> list[str]:
    if stored == fresh:
        return []
    if not (rtol or atol or direct_rtol):
        return [f"the text differs and the cell declares no tolerance\n{_diff(stored, fresh)}"]
    sides = tokens(stored), tokens(fresh)
    words = [[token.text if token.value is None else "#" for token in side] for side in sides]
    if words[0] != words[1]:
        return [f"the words differ\n{_diff(stored, fresh)}"]
    found = []
    for old, new in zip(*sides, strict=True):
        if old.value is None or old.text == new.text:
            continue
        relative, absolute = rtol, atol
        if form == 1 and old.whole and new.whole:
            found.append(
                f"a whole number differs, {old.text} stored, {new.text} got; tolerances are for decimal numbers"
            )
            continue
        if form != 1 and not old.about:
            relative, absolute = (0.0 if old.whole and new.whole else direct_rtol), 0.0
            if not relative:
                found.append(
                    f"a number differs, {old.text} stored, {new.text} got; only numbers printed with ≈ before them "
                    "may move"
                )
                continue
        difference, allowed = abs(new.value - old.value), absolute + relative * abs(old.value)
        if not difference <= allowed:
            found.append(
                f"a number is out of tolerance, {old.text} stored, {new.text} got: they differ by {difference:.3g}, "
                f"allowed is {allowed:.3g} (rtol {relative:g}, atol {absolute:g})"
            )
    if found:
        found[-1] += f"\n{_diff(stored, fresh)}"
    return found


def _diff(stored: str, fresh: str) -> str:
    """Show the first lines in which two texts differ."""
    old, new = stored.splitlines(), fresh.splitlines()
    if old == new or stored.split() == fresh.split():
        return f"  only in white space\n  stored: {stored[:200]!r}\n  got:    {fresh[:200]!r}"
    lines = []
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        if tag != "equal":
            lines += [f"  stored: {line[:300]}" for line in old[i1:i2]]
            lines += [f"  got:    {line[:300]}" for line in new[j1:j2]]
    more = len(lines) - 2 * MOST_DIFFERENCES
    return "\n".join(lines[: 2 * MOST_DIFFERENCES] + ([f"  and {more} more lines"] if more > 0 else []))
