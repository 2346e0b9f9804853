"""The warm-up of lesson 00: a speaker without memory."""

from __future__ import annotations

from course_lib.teaching.exercise import Exercise, bank

OTHER = {"a": "AE", "c": "K", "e": "EH", "t": "T", "x": "G Z"}  # here e is heard
TABLE = {
    "a": "AE",
    "b": "B",
    "c": "K",
    "e": "",
    "g": "G",
    "h": "",
    "i": "IH",
    "n": "N",
    "o": "AA",
    "p": "P",
    "t": "T",
    "x": "K S",
}


def sounds_without_memory(word, table):
    """A word and a dict letter -> sounds ("" for silent) -> list of the sounds that are heard, in order."""
    return [table[letter] for letter in word if table[letter]]


def _silent_kept(word, table):
    return [table[letter] for letter in word]


def _one_string(word, table):
    return " ".join(table[letter] for letter in word if table[letter])


def _each_letter_once(word, table):
    return [table[letter] for letter in dict.fromkeys(word) if table[letter]]


def _stops_at_silence(word, table):
    heard = []
    for letter in word:
        if not table[letter]:
            break
        heard.append(table[letter])
    return heard


def _whole_word_looked_up(word, table):
    return [table[word]]


def _table_in_its_own_order(word, table):
    return [sounds for letter, sounds in table.items() if letter in word and sounds]


def _first_letter_only(word, table):
    for letter in word:
        if table[letter]:
            return [table[letter]]


def _spelled_out(word, table):
    out = []
    for letter in word:
        out += table[letter]
    return out


def _doubled_said_once(word, table):
    heard = [table[letter] for letter in word if table[letter]]
    return [sounds for i, sounds in enumerate(heard) if i == 0 or sounds != heard[i - 1]]


def _cut_at_spaces(word, table):
    return " ".join(table[letter] for letter in word).split()


def _silence_by_heart(word, table):
    return [table[letter] for letter in word if letter not in "eh"]


WRONG_SOUNDS = (  # after "For 'attic' you return [...]: "
    (_stops_at_silence, "it stops at the first silent letter. Pass over it and go on."),
    (_first_letter_only, "the first letter that is heard and no more. Does a `return` stand inside the loop?"),
    (
        _spelled_out,
        "the letters in which the sounds are written, one by one. `list += string` adds the string's letters; "
        "`append` adds the string.",
    ),
    (_cut_at_spaces, 'an entry such as `"K S"` is what one letter says, and stays one string in the list.'),
    (
        _doubled_said_once,
        "two equal sounds in a row became one. Each letter is said, whatever the letter before it said; this speaker "
        "has no memory.",
    ),
    (
        _each_letter_once,
        "each letter once. A letter that comes again is said again. Go through the word, not through its different "
        "letters.",
    ),
)


def _check(attempt):
    words = [
        ("pin", TABLE),
        ("toe", TABLE),
        ("cab", TABLE),
        ("phone", TABLE),
        ("banana", TABLE),
        ("attic", TABLE),
        ("taxi", TABLE),
        ("exact", OTHER),
    ]
    for word, table in words:
        got = attempt(word, dict(table))
        wanted = sounds_without_memory(word, table)
        if isinstance(got, str):
            return (
                f"What came is one string. The answer should be a list with an entry for each letter that is "
                f"heard, for {word!r} {wanted}."
            )
        if not isinstance(got, list | tuple) or not all(isinstance(sounds, str) for sounds in got):
            inside = (
                next((type(sounds).__name__ for sounds in got if not isinstance(sounds, str)), "")
                if isinstance(got, list | tuple)
                else ""
            )
            return f"Expected: a list of strings, such as {wanted}. What came is of type `{type(got).__name__}`" + (
                f" and has a `{inside}` in it." if inside else "."
            )
        got = list(got)
        if got == wanted:
            continue
        if "" in got:
            return (
                f"For {word!r} you return {got}. A silent letter should leave nothing behind: the table says "
                f'`""` for it. Leave these out.'
            )
        if says := next((says for wrong, says in WRONG_SOUNDS if got == wrong(word, table)), None):
            return f"For {word!r} you return {got}: {says}"
        if got == _silence_by_heart(word, table):
            return (
                f"With another table {word!r} gives {got}; expected {wanted}. Which letters are silent is what the "
                f"table says, and not always e and h."
            )
        if sorted(got) == sorted(wanted) or set(got) == set(wanted):
            return (
                f"For {word!r} you return {got}: the right sounds in the wrong order. The order is that of the "
                f"word; `for letter in word` goes through it from left to right."
            )
        return f"For {word!r} you return {got}; expected {wanted}, what the table says for each letter in turn."
    return None


WITHOUT_MEMORY = Exercise(
    number="0.1",
    title="Say it without a memory",
    prompt="""
A warm-up, to see how exercises work. Write the simplest speaker there is: it has a table with one entry for each
letter, `table["p"]` is `"P"`, and says that, whatever stands before or after. A silent letter has the entry `""` and
is not heard. So for `"toe"`, with `o` as `"AA"` and `e` silent, the answer is the list `["T", "AA"]`. A letter may have
two sounds: the entry of `x` is `"K S"`, and stays one string.

Replace the `...`, run the cell, and read the answer. Try a wrong version too; nobody is counting.
""",
    hints=(
        "A word is a sequence of letters: `for letter in word` takes them one by one, from left to right.",
        "`[table[letter] for letter in word]` looks each of them up. What does it do with a silent letter?",
        "An empty string counts as False, so `if table[letter]` at the end of the comprehension leaves silence out.",
    ),
    solution=sounds_without_memory,
    why="It will say the two c of “pacific” alike, because nothing that it has read is there when the next letter "
    "comes. A place to keep it is what the next lessons build.",
    check=_check,
    misconceptions=(
        *WRONG_SOUNDS,
        (_silent_kept, "A silent letter should leave nothing behind"),
        (_one_string, "What came is one string"),
        (_whole_word_looked_up, "KeyError"),
        (_table_in_its_own_order, "the right sounds in the wrong order"),
        (_silence_by_heart, "Which letters are silent is what the table says"),
    ),
)


EXERCISES = [WITHOUT_MEMORY]
check, hint, solution = bank(EXERCISES)
