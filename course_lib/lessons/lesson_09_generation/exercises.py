"""Exercises of lesson 09, generation: a temperature, a nucleus, two faults, a count of copies, a control."""

from __future__ import annotations

import inspect

import numpy as np

from course_lib.teaching.exercise import Exercise, bank
from course_lib.teaching.running import NotAttempted, Review, array_of_shape, first_match, function_from


# ---------------------------------------------------------------------------------------------------------------------
# 9.1  one line
# ---------------------------------------------------------------------------------------------------------------------
def temperature_for(p, wanted):
    """The temperature that turns one symbol's probability p, of two, into the wanted one."""
    return np.log(p / (1 - p)) / np.log(wanted / (1 - wanted))


def _upside_down(p, wanted):
    return np.log(wanted / (1 - wanted)) / np.log(p / (1 - p))


def _one_symbol_alone(p, wanted):
    return np.log(p) / np.log(wanted)


def _one_symbol_upside_down(p, wanted):
    return np.log(wanted) / np.log(p)


def _ratio(p, wanted):
    return p / wanted


def _odds_without_log(p, wanted):
    return (p / (1 - p)) / (wanted / (1 - wanted))


def _difference(p, wanted):
    return np.log(p / (1 - p)) - np.log(wanted / (1 - wanted))


def _numbers_of_the_text(p, wanted):
    return np.log(7 / 3) / np.log(9)


def _base_2_below(p, wanted):
    return np.log(p / (1 - p)) / np.log2(wanted / (1 - wanted))


WRONG_TEMPERATURES = (
    (
        _upside_down,
        "Upside down: this is 1/τ. A temperature *divides* the scores, so below 1 it pulls them apart. "
        "Should your answer be above or below 1 when the likelier symbol is to become likelier still?",
    ),
    (
        _one_symbol_alone,
        "This makes p^(1/τ) equal to what is wanted, and forgets that afterwards the two have to add "
        "up to 1 again: the other symbol changes too. What does the temperature do to the *ratio* of "
        "the two?",
    ),
    (
        _one_symbol_upside_down,
        "Two things: this is upside down, and it looks at one symbol alone. After p^(1/τ) the "
        "two have to add up to 1 again. Follow their ratio.",
    ),
    (
        _ratio,
        "Temperature does not divide probabilities; it divides scores, which are logarithms of them (up to a "
        "number that both share).",
    ),
    (
        _odds_without_log,
        "The odds p/(1-p) are what to look at. But the temperature does not divide the odds, it "
        "divides their logarithm.",
    ),
    (_difference, "A difference of the two log-odds. Temperature does not shift the scores, it divides them."),
)


def _check_temperature_for(attempt):
    for case, (p, wanted) in enumerate([(0.7, 0.9), (0.6, 0.55), (0.8, 0.95), (0.3, 0.4)]):
        got = array_of_shape(attempt(p, wanted), (), "one number, the temperature")
        right = temperature_for(p, wanted)
        if np.isclose(got, right):
            continue
        if says := first_match(got, (p, wanted), WRONG_TEMPERATURES):
            return says
        says = (
            f"To turn a probability of {p:g} into {wanted:g} takes a temperature of {right:.4f}; you return a "
            f"temperature of {float(got):.4g}. "
        )
        return says + (
            "For .7 and .9 it was right: is one of these two written in as a number?"
            if case
            else "Write down p^(1/τ) for both symbols, and their ratio; the sum that makes them add up to 1 cancels."
        )


TEMPERATURE = Exercise(
    number="9.1",
    title="Which temperature?",
    prompt=r"""
A model hesitates between two symbols: it gives `p` to one and `1 - p` to the other, and nothing to the rest. You want
the first to be drawn with probability `wanted`. Which temperature does that?

Both numbers lie between 0 and 1, on the same side of ½. A temperature divides the scores; scores are logarithms of
probabilities, up to a number that all share.
""",
    hints=(
        "After the change the two probabilities are in the ratio p^(1/τ) : (1-p)^(1/τ). What is the ratio that you "
        "want?",
        "So (p / (1-p))^(1/τ) = wanted / (1-wanted). Take logarithms on both sides.",
        "`np.log(p / (1 - p))` divided by the same of `wanted`.",
    ),
    solution=temperature_for,
    why="Temperature divides log-odds. It needs no sign and no cut: every symbol that was possible stays possible, at "
    "any temperature above 0. That is why a high one lets the tail in.",
    check=_check_temperature_for,
    misconceptions=(
        *WRONG_TEMPERATURES,
        (_numbers_of_the_text, "written in as a number"),
        (_base_2_below, "takes a temperature of 0.3856; you return a temperature of 0.2673"),
    ),
)


# ---------------------------------------------------------------------------------------------------------------------
# 9.2  a nucleus
# ---------------------------------------------------------------------------------------------------------------------
def nucleus_of(p, share):
    """p cut to the fewest likeliest symbols that hold share, summing to 1 again: (V,) -> (V,)."""
    order = np.argsort(-p)
    before = np.cumsum(p[order]) - p[order]  # what the likelier ones hold already
    kept = np.zeros(len(p))
    kept[order] = np.where(before < share, p[order], 0)
    return kept / kept.sum()


def _crossing_dropped(p, share):
    order = np.argsort(-p)
    kept = np.zeros(len(p))
    kept[order] = np.where(np.cumsum(p[order]) <= share, p[order], 0)
    return kept / kept.sum()


def _left_sorted(p, share):
    largest = -np.sort(-p)
    kept = np.where(np.cumsum(largest) - largest < share, largest, 0)
    return kept / kept.sum()


def _not_shared_out(p, share):
    return p * (nucleus_of(p, share) > 0)


def _each_above(p, share):
    kept = np.where(p >= 1 - share, p, 0)
    return kept / kept.sum()


def _each_above_share(p, share):
    kept = np.where(p >= share, p, 0)
    return kept / max(kept.sum(), 1e-12)


def _from_the_unlikely_end(p, share):
    order = np.argsort(p)
    before = np.cumsum(p[order]) - p[order]
    kept = np.zeros(len(p))
    kept[order] = np.where(before < share, p[order], 0)
    return kept / kept.sum()


def _in_the_order_given(p, share):
    kept = np.where(np.cumsum(p) - p < share, p, 0)
    return kept / kept.sum()


def _share_of_the_symbols(p, share):
    kept = np.zeros(len(p))
    first = np.argsort(-p)[: max(1, round(share * len(p)))]
    kept[first] = p[first]
    return kept / kept.sum()


def _nothing_cut(p, share):
    return p


def _equally(p, share):
    kept = (nucleus_of(p, share) > 0).astype(float)
    return kept / kept.sum()


def _softmax_of_the_kept(p, share):
    kept = np.where(nucleus_of(p, share) > 0, np.exp(p), 0)
    return kept / kept.sum()


WRONG_NUCLEI = (
    (_nothing_cut, "These are the probabilities as they came: nothing has been cut."),
    (
        _crossing_dropped,
        "The symbol that takes the sum across `share` is left out. The set has to hold *at least* that "
        "much, and without it it holds less. (If the likeliest symbol alone holds more, nothing at "
        "all is left, and 0/0 is not a number.)",
    ),
    (
        _left_sorted,
        "The right numbers in the wrong places: they are still sorted by size. Position i of the answer "
        "belongs to symbol i.",
    ),
    (_not_shared_out, "The right symbols are left, and together they hold less than 1. Make them sum to 1 again."),
    (
        _each_above,
        "This asks of each symbol alone whether it is likely enough. Whether a symbol is in the nucleus "
        "depends on what the likelier ones hold already.",
    ),
    (
        _each_above_share,
        "`share` is what the set holds *together*, and you ask it of each symbol alone: mostly no "
        "symbol has so much. Add up from the likeliest downwards.",
    ),
    (_from_the_unlikely_end, "You collect from the unlikely end. `np.argsort(p)` begins with the smallest."),
    (_in_the_order_given, "You collect in the order of the symbols' numbers. Begin with the likeliest."),
    (
        _share_of_the_symbols,
        "This keeps a share of the *number of symbols*. `share` is a share of the probability: "
        "where the model is sure, one symbol may be enough.",
    ),
    (_equally, "The right symbols, and all equally likely. Within the nucleus they keep their proportions."),
)


def _check_nucleus_of(attempt):
    rng = np.random.default_rng(92)
    cases = [
        (np.array([0.1, 0.4, 0.05, 0.25, 0.2]), 0.58),
        (np.array([0.03, 0.9, 0.07]), 0.5),
        (rng.dirichlet(np.ones(9)), 0.83),
        (np.array([0.2, 0.5, 0.3]), 1.0),
    ]
    for p, share in cases:
        answer = attempt(p, share)
        got = array_of_shape(answer, (len(p),), "the new probabilities, one for each symbol, (V,)")
        right = nucleus_of(p, share)
        if np.allclose(got, right):
            continue
        if says := first_match(got, (p, share), WRONG_NUCLEI):
            return says
        shown = ", ".join(f"{number:.3g}" for number in p)
        return (
            f"Of the probabilities [{shown}] a nucleus with a share of {share:g} keeps {int((right > 0).sum())} "
            f"symbols; yours keeps {int((np.nan_to_num(got) > 0).sum())}, and your probabilities sum to "
            f"{got.sum():.3g}. Which symbols are in, and do those that are keep their proportions?"
        )


NUCLEUS = Exercise(
    number="9.2",
    title="A nucleus by hand",
    prompt=r"""
Write the cut. `p` holds the probabilities of all symbols, `(V,)`, none of them zero. Keep the smallest set of the
likeliest symbols that together hold at least `share` of the probability; all others get 0, and what is left sums to 1
again. The answer has the shape of `p`, and symbol `i` still stands at place `i`.
""",
    hints=(
        "`order = np.argsort(-p)` lists the symbols, the likeliest first. Going down that list, when is a symbol still "
        "needed?",
        "A symbol is needed as long as the likelier ones *before* it hold less than `share`. `np.cumsum` counts a "
        "symbol itself in; subtract it.",
        "`kept = np.zeros(len(p))`, then `kept[order] = np.where(before < share, p[order], 0)`, which puts each "
        "number back in its place. Divide by the sum.",
    ),
    solution=nucleus_of,
    why="The size of a nucleus follows the model: one symbol where it is sure, many where it is not. A top-k cut has "
    "the same size everywhere.",
    check=_check_nucleus_of,
    misconceptions=(*WRONG_NUCLEI, (_softmax_of_the_kept, "yours keeps 2, and your probabilities sum to 1")),
)


# ---------------------------------------------------------------------------------------------------------------------
# 9.3  find the bugs
# ---------------------------------------------------------------------------------------------------------------------
def write_several(step, seed, count, length, stop, rng):
    """A list of count texts, each of at most length ids, without the seed and the stop symbol."""
    texts = []
    for _ in range(count):
        state, written = None, []
        for symbol in seed:
            p, state = step(symbol, state)
        while len(written) < length:
            symbol = int(rng.choice(len(p), p=p))
            if symbol == stop:
                break
            written.append(symbol)
            p, state = step(symbol, state)
        texts.append(written)
    return texts


WRITES = inspect.getsource(write_several)
READS_ON = "            p, state = step(symbol, state)\n        texts"
STARTS = "        state, written = None, []\n"


def _changed(*changes):
    """The solution with pieces of its source replaced."""
    source = WRITES
    for old, new in changes:
        if source.count(old) != 1:
            raise ValueError(f"{old!r} is in the source {source.count(old)} times.")
        source = source.replace(old, new)
    return source


_twice = (
    ("            symbol = int(rng", "            p, state = step(symbol, state)\n            symbol = int(rng"),
    (READS_ON, "        texts"),
)
_kept = ((STARTS, "        written = []\n"), ("    texts = []\n", "    state, texts = None, []\n"))
FAULTY = _changed(*_twice, *_kept)  # the stub

_untouched = function_from(FAULTY)
_still_twice = function_from(_changed(*_twice))
_still_kept = function_from(_changed(*_kept))
_forgets = function_from(_changed((READS_ON, READS_ON.replace("symbol, state)", "symbol, None)"))))
_never_reads_on = function_from(_changed((READS_ON, "        texts")))
_stands_still = function_from(_changed((READS_ON, READS_ON.replace("p, state =", "p, _ ="))))
_seed_without_its_end = function_from(_changed(("for symbol in seed:", "for symbol in seed[:-1] or seed:")))
_last_of_the_seed_only = function_from(_changed(("for symbol in seed:", "for symbol in seed[-1:]:")))
_seed_once = function_from(
    _changed(
        (
            "    texts = []\n    for _ in range(count):\n        state, written = None, []\n"
            "        for symbol in seed:\n            p, state = step(symbol, state)\n",
            "    state, texts = None, []\n    for symbol in seed:\n        p, state = step(symbol, state)\n"
            "    for _ in range(count):\n        written = []\n",
        )
    )
)
_stop_written = function_from(
    _changed(
        ("            written.append(symbol)\n", ""),
        ("            if symbol == stop:", "            written.append(symbol)\n            if symbol == stop:"),
    )
)
_always_the_likeliest = function_from(_changed(("int(rng.choice(len(p), p=p))", "int(np.argmax(p))")))
_seed_written_too = function_from(_changed(("texts.append(written)", "texts.append([*seed, *written])")))


WRONG_LOOPS = (
    (
        _still_twice,
        "One of the two is mended: each text now begins with an empty memory. The other is still there. "
        "Note down every symbol that `step` reads, from the seed on: one of them comes twice, and was "
        "written once.",
    ),
    (
        _still_kept,
        "One of the two is mended: every symbol is read once. The other is still there. What does the model "
        "remember when it begins the *second* text?",
    ),
    (
        _forgets,
        "Now it forgets too much: while it writes, each symbol is read as if it were the first in the model's "
        "life. `None` belongs at the beginning of a text and nowhere else.",
    ),
    (
        _never_reads_on,
        "What it writes is never read: every symbol of a text is drawn from the distribution after the "
        "seed. Each one has to be read once, the seed's last one as well as those that are written.",
    ),
    (
        _stands_still,
        "The state stands still: each step starts from where the seed ended, as if the other symbols had "
        "never been written. `step` gives back two things, and both are needed.",
    ),
    (
        _seed_without_its_end,
        "Now the seed's last symbol is never read, unless it is the only one. It was read twice, "
        "and should be read once.",
    ),
    (
        _last_of_the_seed_only,
        "Of the seed only the last symbol counts. The model has to hear all of it, one symbol "
        "after the other, and to remember the others while it hears the next.",
    ),
    (_seed_once, "The seed is read once for all texts. The second text then goes on from where the first one ended."),
    (_stop_written, "The stop symbol is in the lists. It says that the writing is over, and is not part of the text."),
    (_always_the_likeliest, "This always takes the likeliest symbol. Nothing is wrong with the choice: draw."),
    (_seed_written_too, "The seed is in the lists too. Asked for is what was written after it."),
)


def _sum_step(symbol, state):
    """A model that is always sure: next comes twice the sum of all that it has read, and 1, modulo 7."""
    state = (0 if state is None else state) + symbol
    return np.eye(7)[(2 * state + 1) % 7], state


def _coin_step(symbol, state):
    """A model that draws among 1 to 6, whatever it has read."""
    return np.array([0, 1, 1, 1, 1, 1, 1]) / 6, state


LOOP_CASES = (
    (_sum_step, [3, 1], 2, 9, 99),
    (_sum_step, [1, 5], 1, 6, 99),
    (_sum_step, [2, 2], 3, 5, 4),
    (_sum_step, [3], 2, 12, 2),
    (_coin_step, [1], 3, 12, 0),
    (_sum_step, [5, 4], 2, 6, 99),
)


def _written(function, case):
    return function(*case, np.random.default_rng(93))


def _lists_of_ids(texts):
    """The texts as lists of int, or None if they are something else."""
    try:
        return [[int(symbol) for symbol in text] for text in texts]
    except (TypeError, ValueError):
        return None


def _check_write_several(attempt):
    answers = [_lists_of_ids(_written(attempt, case)) for case in LOOP_CASES]
    if any(answer is None for answer in answers):
        raise Review(
            "Expected a list of texts, each a list of ids, whole numbers. What came is something else, or has "
            "something else in it."
        )

    def same_as(function):
        return answers == [_written(function, case) for case in LOOP_CASES]

    if same_as(_untouched):
        raise NotAttempted(
            "This still writes what the code as you got it writes. Note down, for two texts of two "
            "symbols, what each call of `step` reads and what the model remembers at that moment."
        )
    for wrong, says in WRONG_LOOPS:
        if same_as(wrong):
            return says
    for got, case in zip(answers, LOOP_CASES, strict=True):
        right = _written(write_several, case)
        if got != right:
            step, seed, count, length, stop = case
            model = (
                "A model that always answers with twice the sum of all that it has read, and 1, modulo 7,"
                if step is _sum_step
                else "A model that draws among 1 to 6 with equal odds"
            )
            return (
                f"{model} was asked for texts after {seed}: {count} of at most {length} symbols, with {stop} to "
                f"stop at. It should have written {right}; yours wrote {got}. Follow symbol and state through the "
                f"first two rounds."
            )


FIND_THE_BUGS = Exercise(
    number="9.3",
    title="Two faults in a writer",
    prompt=r"""
This one writes several texts after the same seed. It runs, and what it writes looks like something, which is the
trouble: there are **two** faults in it, and neither shows in the text. In one the model reads something that is not
there; in the other it remembers something that it should not. Mend both.

`step(symbol, state)` reads one id and returns two things: the probabilities `p` of what comes next, `(V,)`, and the
state to go on from; `None` is the state before anything has been read. `seed` is a list of ids, at least one. The
texts have nothing to do with each other. Leave the line with `rng.choice` as it is, one draw for each symbol: the check
compares your texts with those that the same `rng` should give.
""",
    code_to_mend=FAULTY,
    hints=(
        "Play the model. Take the seed [3, 1] and two texts of two symbols, and write down every call of `step`: what "
        "it reads, and what it has read before.",
        "Which symbol is read by the last round of the `for symbol in seed` loop, and which by the first line inside "
        "`while`? And which `state` does the second text begin with?",
        "`state = None` belongs inside the loop over texts. And in the `while` loop a symbol is drawn first and read "
        "afterwards: move the line with `step` to the end.",
    ),
    solution=write_several,
    why="Such faults cost a little quality and raise no error, so nobody looks for them. A model whose answers you "
    "know by heart finds them at once, like the one in this check, which adds up all that it has read.",
    check=_check_write_several,
    misconceptions=WRONG_LOOPS,
)


# ---------------------------------------------------------------------------------------------------------------------
# 9.4  a count with its own control
# ---------------------------------------------------------------------------------------------------------------------
def times_too_often(words, read, held_back):
    """How many times likelier is a word of read to be written than one of held_back? 1: no memory."""
    from_read = sum(word in read for word in words) / len(read)
    from_held_back = sum(word in held_back for word in words) / len(held_back)
    return from_read / from_held_back


def _counts_only(words, read, held_back):
    return sum(word in read for word in words) / sum(word in held_back for word in words)


def _share_of_copies(words, read, held_back):
    copies, new = (sum(word in part for word in words) for part in (read, held_back))
    return copies / (copies + new)


def _share_of_all(words, read, held_back):
    return sum(word in read for word in words) / len(words)


def _upside_down_copies(words, read, held_back):
    return 1 / times_too_often(words, read, held_back)


def _each_word_once(words, read, held_back):
    return times_too_often(sorted(set(words)), read, held_back)


def _sizes_exchanged(words, read, held_back):
    return _counts_only(words, read, held_back) * len(read) / len(held_back)


def _a_tenth_written_in(words, read, held_back):
    return _counts_only(words, read, held_back) / 9


def _a_difference_of_shares(words, read, held_back):
    return sum(word in read for word in words) / len(read) - sum(word in held_back for word in words) / len(held_back)


WRONG_COUNTS = (
    (
        _counts_only,
        "This is how many copies there are for each new word. But there are more words to copy than words "
        "to find: even a writer that remembers nothing would write more of the longer list. Divide each "
        "count by how many words its list has.",
    ),
    (
        _share_of_copies,
        "A share of copies among the real words. What would it be for a writer that remembers nothing? "
        "That depends on the lengths of the lists, and those are missing here.",
    ),
    (
        _share_of_all,
        "The share of copies among all words. That also falls when the writer spells badly. Compare with "
        "the words that it could not have copied.",
    ),
    (_upside_down_copies, "Upside down: the lists are exchanged."),
    (
        _each_word_once,
        "You count each word once. A writer that copies one word a hundred times has copied a hundred times.",
    ),
    (_sizes_exchanged, "Each count is divided by the length of the *other* list."),
)


def _check_times_too_often(attempt):
    read = {f"r{i}" for i in range(27)}
    held_back = {f"h{i}" for i in range(3)}
    words = ["r1"] * 4 + ["r2", "r3", "r4", "r5", "r5", "r6", "r7", "h1", "h2", "h2", "xx", "yy", "xx", "zz", "q"]
    cases = (words, read, held_back), (words + ["h4", "h5"], read, held_back | {"h6", "h7", "h8"})
    for case, args in enumerate(cases):
        got = array_of_shape(attempt(*args), (), "one number")
        right = times_too_often(*args)
        if np.isclose(got, right):
            continue
        if says := first_match(got, args, WRONG_COUNTS):
            return says
        copies, new = (sum(word in part for word in args[0]) for part in args[1:])
        says = (
            f"`read` has {len(args[1])} words, and {copies} of the words in `words` are among them; `held_back` has "
            f"{len(args[2])}, and {new} of the words in `words` are among those. So a word that was read is "
            f"{right:.4g} times as likely to be written as one that was not; you return {float(got):.4g}. "
        )
        return says + (
            "The case before was right: is a length written in as a number?"
            if case
            else "How often was a word of each list written, on average?"
        )


COPIES = Exercise(
    number="9.4",
    title="How many times too often?",
    prompt=r"""
In section 3 you compared a share with a tenth, because a tenth of the dictionary had been held back. Make that one
number, which does not depend on how the dictionary was split: how many times likelier is the writer to write *a certain
word that it has read* than *a certain word that it has not*? A writer that remembers no word as a word gets 1.

`words` is the list of words that it wrote, with repeats, some of them in neither set; `read` and `held_back` are sets.
At least one word of each was written.
""",
    hints=(
        "How often was a word of `read` written, on average over all words of `read`?",
        "`sum(word in read for word in words) / len(read)`. The same for the other set.",
        "Divide the first by the second.",
    ),
    solution=times_too_often,
    why="The words that were held back are the control: as real as the others, and impossible to copy. Whoever judges "
    "what a model writes by how real it looks needs such a list.",
    check=_check_times_too_often,
    misconceptions=(
        *WRONG_COUNTS,
        (_a_tenth_written_in, "written in as a number"),
        (_a_difference_of_shares, "times as likely to be written as one that was not; you return"),
    ),
)


# ---------------------------------------------------------------------------------------------------------------------
# 9.5  design an experiment
# ---------------------------------------------------------------------------------------------------------------------
def exposure(true_text, go_on, wrong):
    """How many times more often are symbols 31 to 40 wrong after the model's own than after true ones?"""
    starts = true_text(4000, 1)
    own = go_on(starts, 39)
    after_truth = go_on(true_text(4000, 30), 10)
    return wrong(own)[:, 30:].mean() / wrong(after_truth)[:, 30:].mean()


def _early_against_late(true_text, go_on, wrong):
    errors = wrong(go_on(true_text(4000, 1), 39))
    return errors[:, 30:].mean() / errors[:, 1:11].mean()


def _short_prefix(true_text, go_on, wrong):
    own = go_on(true_text(4000, 1), 39)
    return wrong(own)[:, 30:].mean() / wrong(go_on(true_text(4000, 1), 10))[:, 1:].mean()


def _against_the_truth(true_text, go_on, wrong):
    own = go_on(true_text(4000, 1), 39)
    return wrong(own)[:, 30:].mean() / max(wrong(true_text(4000, 40))[:, 30:].mean(), 1e-9)


def _whole_texts(true_text, go_on, wrong):
    own, after_truth = go_on(true_text(4000, 1), 39), go_on(true_text(4000, 30), 10)
    return wrong(own).mean() / wrong(after_truth).mean()


def _turned_round(true_text, go_on, wrong):
    return 1 / exposure(true_text, go_on, wrong)


def _one_text(true_text, go_on, wrong):
    own, after_truth = go_on(true_text(20, 1), 39), go_on(true_text(20, 30), 10)
    return wrong(own)[:, 30:].mean() / max(wrong(after_truth)[:, 30:].mean(), 1e-3)


def _only_the_next_symbol(true_text, go_on, wrong):
    own, after_truth = go_on(true_text(4000, 1), 39), go_on(true_text(4000, 30), 10)
    return wrong(own)[:, 30].mean() / wrong(after_truth)[:, 30].mean()


def _a_difference(true_text, go_on, wrong):
    own, after_truth = go_on(true_text(4000, 1), 39), go_on(true_text(4000, 30), 10)
    return wrong(own)[:, 30:].mean() - wrong(after_truth)[:, 30:].mean()


def _world(bias, tiring, seed):
    """A source, a writer and a judge. Its errors become more with place t (``tiring``) and after own errors (``bias``).

    A row is made of 0 (a true symbol) and 1 (a wrong one). ``calls`` notes what was asked.
    """
    rng, calls = np.random.default_rng(seed), []

    def true_text(count, length):
        calls.append(("true", int(count), int(length)))
        return np.zeros((int(count), int(length)), int)

    def go_on(rows, length):
        rows = np.asarray(rows)
        calls.append(("on", len(rows), rows.shape[1], int(length)))
        for _ in range(int(length)):
            chance = 0.02 + tiring * rows.shape[1] + bias * (rows.sum(axis=1) > 0)
            rows = np.column_stack([rows, rng.random(len(rows)) < chance]).astype(int)
        return rows

    def wrong(rows):
        return np.asarray(rows) == 1

    return (true_text, go_on, wrong), calls


WORLDS = ((0.0, 0.004, 95), (0.12, 0.0, 96), (0.08, 0.002, 97))
WRONG_DESIGNS = (
    (
        _early_against_late,
        "You compare symbols late in a text with symbols early in one. Some models tire: they make "
        "more errors late, *whoever* wrote the beginning, and yours is the measure that calls this "
        "exposure bias. Compare symbols at the same places, 31 to 40, after two different beginnings "
        "of the same length.",
    ),
    (_turned_round, "Upside down: how many times more often after its *own* beginning?"),
    (_a_difference, "This is the difference of the two shares. Asked for is how many *times* more often."),
    (
        _whole_texts,
        "The beginnings are in your count too. In one of the two they are true and hold no errors, which "
        "makes the model look good there. Count symbols 31 to 40 only.",
    ),
)


def _check_exposure(attempt):
    for world in WORLDS:
        arguments, calls = _world(*world)
        got = array_of_shape(attempt(*arguments), (), "one number")
        right = float(exposure(*_world(*world)[0]))
        if abs(got - right) < 0.15 * right:
            if max((call[1] for call in calls), default=0) < 1000:
                return (
                    "Right, this time: with so few texts the next answer will be another. Take a few thousand of each."
                )
            continue
        if not any(call[0] == "on" for call in calls):
            return "The model has not been asked to write anything. `go_on(rows, length)` makes it continue your rows."
        for wrong, says in WRONG_DESIGNS:
            expected = float(wrong(*_world(*world)[0]))
            if abs(got - expected) < 0.08 * abs(expected):
                return says
        if not np.isfinite(got) or got > 1e4:
            return (
                "You divide by the errors of true text, and it has none. The model has to write *after* true text: "
                "`go_on(true_text(count, 30), 10)`."
            )
        if max(call[1] for call in calls) < 1000:
            return (
                "The design may be right, but the answer is left to luck: these errors are rare. Take a few "
                "thousand texts of each kind."
            )
        return (
            f"For the first model on which it fails, symbols 31 to 40 are wrong {right:.2f} times as often after the "
            f"model's own symbols as after true ones, within a few per cent; you return {float(got):.3g}. Two kinds of "
            f"texts of 40 symbols: in one the model writes all but the first, in the other it writes the last ten. "
            f"Where do you count the errors?"
        )


EXPOSURE = Exercise(
    number="9.5",
    title="Design a control",
    prompt=r"""
Somebody claims that a model suffers from exposure bias, because the texts it writes get worse towards their ends. You
have the model, the source and a judge in your hands. Design the experiment.

- `true_text(count, length)` gives true texts as rows of ids, `(count, length)`, from the beginning on;
- `go_on(rows, length)` has the model continue each row by `length` symbols, reading its own, and returns the longer
  rows;
- `wrong(rows)` says of each symbol whether it is an error, True or False, in the shape of `rows`.

Return one number: how many *times* more often are symbols 31 to 40 wrong if the model has written all but the first of
the 30 before them, than if those 30 are true? It is tried on three models, and some of them tire: they make more
errors late in a text, whoever wrote its beginning. Errors are rare, so look at some thousands of texts; fewer than a
thousand do not pass. Luck may move your number by up to 15 per cent.
""",
    hints=(
        "Two kinds of texts that differ in nothing but who wrote symbols 2 to 30. Both are judged at the same places.",
        "The model's own: `go_on(true_text(4000, 1), 39)` has 40 symbols. With a true beginning: "
        "`go_on(true_text(4000, 30), 10)` has 40 as well.",
        "Then `wrong(...)[:, 30:].mean()` of each, and divide the first by the second.",
    ),
    solution=exposure,
    why="Late errors alone prove nothing: the task may be harder late, or the model worse. Only the same place after "
    "another beginning tells what the beginning did.",
    check=_check_exposure,
    misconceptions=(
        *WRONG_DESIGNS,
        (_short_prefix, "symbols late in a text with symbols early in one"),
        (_against_the_truth, "and it has none"),
        (_one_text, "few thousand"),
        (_only_the_next_symbol, "times as often after the model's own symbols as after true ones"),
    ),
)


EXERCISES = [TEMPERATURE, NUCLEUS, FIND_THE_BUGS, COPIES, EXPOSURE]

check, hint, solution = bank(EXERCISES)
