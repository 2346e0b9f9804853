"""Lesson 09's reproductions: how a network writes, judged by a grammar, by a list of words, by its own errors.

The functions are those the lesson shows, so that its live run and the recorded ones are the same experiment.
"""

from __future__ import annotations

import numpy as np

from course_lib import datasets, generation, tasks
from course_lib.layers import Dense
from course_lib.losses import SoftmaxCrossEntropy
from course_lib.metrics import evaluate_text
from course_lib.model import Model
from course_lib.ngrams import NGram, end_to_end
from course_lib.optimizers import Adam, LinearDecay
from course_lib.recurrent import GRU
from course_lib.sequences import Vocabulary, one_hot, pad, stream
from course_lib.teaching.experiment import Reproduction
from course_lib.teaching.summaries import spread

B, E = (tasks.REBER_SYMBOLS.index(symbol) for symbol in "BE")


# ---------------------------------------------------------------------------------------------------------------------
# Strings of a grammar
# ---------------------------------------------------------------------------------------------------------------------
def learn_grammar(grammar, rng, updates=1000):
    """A GRU of 24 units that has read strings of a grammar, 32 an update."""
    size = len(grammar.symbols)
    model = Model([GRU(size, 24, rng=rng), Dense(24, size, rng=rng)], SoftmaxCrossEntropy())
    adam = Adam(LinearDecay(0.01, updates))
    for _ in range(updates):
        batch = tasks.grammar_batch(grammar, [grammar.sample(rng) for _ in range(32)])
        model.train_on_batch(batch.inputs, batch.targets, batch.mask, optimizer=adam, clip_norm=1.0)
    return model


TOWARDS_THE_END = {1: "T", 2: "X", 3: "V", 4: "S", 5: "V"}  # state: the road that leaves its loop sooner


def loaded_reber(share):
    """Reber's grammar with loaded coins: at each fork, the road towards the end has this chance."""
    arcs, symbols = {}, tasks.reber.symbols
    for state, p, following in zip(tasks.reber.states, tasks.reber.probability, tasks.reber.next_state, strict=True):
        chances = {
            j: p[j] if p[j] == 1 else share if symbols[j] == TOWARDS_THE_END[state] else 1 - share
            for j in np.flatnonzero(p)
        }
        arcs[state] = {symbols[j]: (chance, tasks.reber.states[following[j]]) for j, chance in chances.items()}
    return tasks.Automaton(arcs, tasks.reber.states[0], symbols)


def write_strings(model, choose, count, rng):
    """Strings that the model writes after a B, each choice made by ``choose(step, seed, rng)``."""
    written = choose(generation.model_step(model), np.full((count, 1), B), rng)
    return [
        "B" + "".join(tasks.REBER_SYMBOLS[i] for i in row) + ("E" if ended else "")
        for row, ended in zip(written.symbols, written.ended, strict=True)
    ]


def variety(strings):
    """1 / the chance that two of the strings are equal: like so many equally likely strings."""
    counts = np.unique(strings, return_counts=True)[1]
    pairs = len(strings) * (len(strings) - 1)
    return pairs / max((counts * (counts - 1)).sum(), 1)


def true_variety(grammar):
    """The variety of the grammar itself, exactly: the chance that two strings walk the same road, added up."""
    together = np.zeros((len(grammar.states), len(grammar.states)))
    for state, symbol in zip(*np.nonzero(grammar.probability), strict=True):
        together[state, grammar.next_state[state, symbol]] += grammar.probability[state, symbol] ** 2
    ends = (grammar.probability == 0).all(axis=1).astype(float)
    return 1 / np.linalg.solve(np.eye(len(together)) - together, ends)[0]


def judge(grammar, strings):
    """The share of valid strings, and the variety of all."""
    return np.mean([grammar.accepts(string) for string in strings]), variety(strings)


def greedily(step, seed, rng):
    return generation.greedy(step, seed, max_length=100, stop=E)


def at_temperature(temperature):
    return lambda step, seed, rng: generation.sample(
        step, seed, max_length=100, stop=E, temperature=temperature, rng=rng
    )


def from_nucleus(p, temperature=1.0):
    return lambda step, seed, rng: generation.nucleus(
        step, seed, max_length=100, stop=E, p=p, temperature=temperature, rng=rng
    )


def among_the_first(k):
    return lambda step, seed, rng: generation.top_k(step, seed, max_length=100, stop=E, k=k, rng=rng)


SETTINGS = {
    "greedy": greedily,
    **{f"T{t:g}": at_temperature(t) for t in (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0)},
    **{f"k{k}": among_the_first(k) for k in (2, 3, 4)},
    **{f"p{p:g}": from_nucleus(p) for p in (0.6, 0.7, 0.8, 0.9, 0.95, 0.99)},
    "p0.9 at T2": from_nucleus(0.9, 2.0),
}


def judge_settings(model, grammar, rng):
    """Validity and variety of 2,000 strings for each way to choose; does the greedy string end?"""
    row = {}
    for name, choose in SETTINGS.items():
        strings = write_strings(model, choose, 2000, rng)
        valid, different = judge(grammar, strings)
        row |= {f"valid {name}": float(valid), f"variety {name}": float(different)}
        if name == "greedy":
            row["greedy_ends"] = strings[0].endswith("E")
    return row


def measure_fair(seed):
    rng = np.random.default_rng(seed)
    return judge_settings(learn_grammar(tasks.reber, rng), tasks.reber, rng)


def measure_loaded(seed):
    rng, grammar = np.random.default_rng(seed), loaded_reber(0.7)
    return judge_settings(learn_grammar(grammar, rng), grammar, rng)


def _fair_holds(rows):
    return all(
        row["valid T1"] > 0.95
        and row["valid T2"] < 0.85
        and row["valid p0.9 at T2"] > 0.98
        and row["variety greedy"] == 1
        for row in rows
    )


def _loaded_holds(rows):
    true = true_variety(loaded_reber(0.7))
    return all(
        row["valid T0.5"] > 0.98 and row["variety T0.5"] < 0.6 * true and 0.75 * true < row["variety T1"] < 1.33 * true
        for row in rows
    )


# ---------------------------------------------------------------------------------------------------------------------
# Words
# ---------------------------------------------------------------------------------------------------------------------
LETTERS = Vocabulary(".abcdefghijklmnopqrstuvwxyz")


def read_and_held_back():
    """The dictionary's words that may be read, and those that may not, as sets."""
    read = set(datasets.load_words("train"))
    return read, set(datasets.load_words()) - read


def learn_words(read, rng, units=64, updates=500):
    """A GRU that has read pieces of the words, run together in random order."""
    ids = LETTERS.encode("." + ".".join(rng.permutation(sorted(read))) + ".")
    model = Model([GRU(27, units, rng=rng), Dense(units, 27, rng=rng)], SoftmaxCrossEntropy())
    adam = Adam(LinearDecay(0.01, updates))
    for _ in range(updates):
        rows = ids[rng.integers(len(ids) - 21, size=(64, 1)) + np.arange(21)]
        model.train_on_batch(one_hot(rows[:, :-1], 27), rows[:, 1:], optimizer=adam, clip_norm=1.0)
    return model


def word_table(read, pseudocount, n=7):
    """An n-gram of the words, each with n - 1 dots before it, so that the table knows where a word begins.

    It trusts its counts the more, the fewer letters are imagined; with the rest it leans on tables of shorter runs.
    """
    ids = LETTERS.encode("".join("." * (n - 1) + word for word in sorted(read)) + ".")
    return NGram(n, 27, pseudocount=pseudocount, interpolated=True).read(ids)


PSEUDOCOUNT = {"table": 1, "smoothed": 30}  # letters; of 1, 10, 20, 30, 60 the best on held_back[4::8] was 30


def write_words(step, seed, count, rng):
    """Words at temperature 1, from a seed of dots to the next dot."""
    written = generation.sample(step, np.tile(LETTERS.encode(seed), (count, 1)), max_length=30, stop=0, rng=rng)
    return [LETTERS.decode(row) if len(row) else "" for row in written.symbols]


def real_and_new(words, read, held_back):
    """The share of real words, and among these the share that was never read."""
    real = [word for word in words if word in read or word in held_back]
    return len(real) / len(words), np.mean([word in held_back for word in real])


def bits_a_letter(step, seed, words):
    """Mean surprise at the letters of words, the dot at their end included."""
    rows, mask = pad([LETTERS.encode(word + ".") for word in words])
    state, bits = None, []
    for symbol in LETTERS.encode(seed):
        log_p, state = step(np.full(len(rows), symbol), state)
    for symbols, real in zip(rows.T, mask.T, strict=True):
        bits.append(-log_p[np.arange(len(rows)), symbols][real] / np.log(2))
        log_p, state = step(symbols, state)
    return float(np.concatenate(bits).mean())


def measure_words(seed):
    rng = np.random.default_rng(seed)
    read, held_back = read_and_held_back()
    unseen, row = sorted(held_back)[::8], {}
    steps = {"gru": (generation.model_step(learn_words(read, rng)), ".")}
    for name, pseudocount in PSEUDOCOUNT.items():
        steps[name] = generation.ngram_step(word_table(read, pseudocount)), "." * 6
    for name, (step, dots) in steps.items():
        real, new = real_and_new(write_words(step, dots, 4000, rng), read, held_back)
        row |= {
            f"real_{name}": float(real),
            f"new_{name}": float(new),
            f"bits_{name}": bits_a_letter(step, dots, unseen),
        }
    return row


def _words_holds(rows):
    return all(
        row["real_table"] > 4 * row["real_gru"]
        and row["bits_table"] > row["bits_gru"]
        and row["new_table"] < 0.03
        and row["new_gru"] > 0.05
        and row["real_smoothed"] < 0.6 * row["real_table"]
        and row["bits_smoothed"] < row["bits_gru"] - 0.2
        for row in rows
    )


# ---------------------------------------------------------------------------------------------------------------------
# Prose
# ---------------------------------------------------------------------------------------------------------------------
def learn_text(ids, size, rng, updates, units=128):
    """A GRU that has read a text in 32 places at once, 50 characters an update, round and round."""
    model = Model([GRU(size, units, rng=rng), Dense(units, size, rng=rng)], SoftmaxCrossEntropy())
    adam, update = Adam(LinearDecay(0.01, updates)), 0
    while update < updates:
        states = None
        for x, y in stream(ids[rng.integers(50) :], 32, 50):
            model.train_on_batch(one_hot(x, size), y, optimizer=adam, clip_norm=1.0, initial_states=states)
            states, update = model.states, update + 1
            if update == updates:
                break
    return model


def bits_a_character(model, ids):
    """Mean surprise at the characters of a text, read in 50 places at once."""
    return float(evaluate_text(model, ids, batch_size=50) / np.log(2))


def table_bits(read, unseen, size):
    """Bits a character of tables of 6 and of 8 characters.

    Each with that number of imagined characters that suits it best on the unseen text itself: in the table's favour.
    """
    return {
        f"table_{n}": min(
            float(NGram(n, size, pseudocount=pseudocount, interpolated=True).read(read).surprisal(unseen).mean())
            for pseudocount in (3, 10, 20, 40)
        )
        for n in (6, 8)
    }


def loops(row, longest=250):
    """Does a text end in going round: its last 2 x ``longest`` symbols the same again after at most ``longest``?"""
    tail = np.asarray(row)[-2 * longest :]
    return any((tail[period:] == tail[:-period]).all() for period in range(1, longest + 1))


def manual_parts():
    """The Python manual, its paragraphs shuffled: vocabulary, nine tenths to read, one tenth unseen."""
    paragraphs = np.random.default_rng(9).permutation(datasets.load_python_manual().text.split("\n"))
    text = "\n".join(paragraphs)
    vocabulary = Vocabulary(sorted(set(text)))
    ids = vocabulary.encode(text)
    return vocabulary, ids[: len(ids) * 9 // 10], ids[len(ids) * 9 // 10 :]


def texts_that_loop(model, unseen, rng, count=20):
    """Of texts of 2,000 characters after a piece of unseen text, how many end in going round: greedy, and sampled."""
    step, seeds = generation.model_step(model), unseen[: count * 50].reshape(count, 50)
    greedy = generation.greedy(step, seeds, max_length=2000)
    sampled = generation.sample(step, seeds, max_length=2000, rng=rng)
    return [sum(loops(row) for row in written.symbols) for written in (greedy, sampled)]


def measure_prose(seed):
    rng = np.random.default_rng(seed)
    vocabulary, read, unseen = manual_parts()
    size, row = len(vocabulary), {}
    for name, updates in (("short", 300), ("long", 2000)):
        model = learn_text(read, size, rng, updates)
        greedy, sampled = texts_that_loop(model, unseen, rng)
        row |= {name: bits_a_character(model, unseen), f"greedy_{name}": greedy, f"sampled_{name}": sampled}
    return row | table_bits(read, unseen, size)


def _prose_holds(rows):
    return all(
        row["short"] > row["table_6"] + 0.5 and row["greedy_short"] >= 15 and row["sampled_short"] == 0 for row in rows
    ) and all(
        abs(row["long"] - row["table_6"]) < 0.1
        and row["long"] > row["table_8"]
        and row["greedy_long"] >= 15
        and row["sampled_long"] == 0
        for row in rows
        if "long" in row
    )


# ---------------------------------------------------------------------------------------------------------------------
# What it reads itself
# ---------------------------------------------------------------------------------------------------------------------
ENDLESS = end_to_end(tasks.reber)

# LEADS[symbol, state, next state]: can this symbol lead from here to there?
LEADS = np.zeros((7, len(ENDLESS.states), len(ENDLESS.states)), bool)
for _state, _symbol in zip(*np.nonzero(ENDLESS.probability), strict=True):
    LEADS[_symbol, _state, ENDLESS.next_state[_state, _symbol]] = True


def true_text(count, length, rng):
    """Rows of ids, (count, length), each from the start of a string on."""
    ids = Vocabulary(ENDLESS.symbols)
    return np.array([ids.encode(ENDLESS.sample(rng, length)) for _ in range(count)])


def learn_endless(rng, updates=500):
    """A GRU of 24 units that has read string after string, without a gap, always the true text."""
    model = Model([GRU(7, 24, rng=rng), Dense(24, 7, rng=rng)], SoftmaxCrossEntropy())
    adam = Adam(LinearDecay(0.01, updates))
    for _ in range(updates):
        ids = true_text(32, 41, rng)
        model.train_on_batch(one_hot(ids[:, :-1], 7), ids[:, 1:], optimizer=adam, clip_norm=1.0)
    return model


def at_its_word(may_be, symbols):
    """After an error, the strict judge: every place to which the symbol leads from anywhere."""
    return LEADS[symbols].any(axis=1)


def perhaps_a_slip(may_be, symbols):
    """The forgiving judge: also every place to which any right symbol would have led."""
    return at_its_word(may_be, symbols) | (may_be[:, :, None] & LEADS.any(axis=0)).any(axis=1)


def errors_in(rows, after_error=at_its_word):
    """True where a symbol fits none of the places where its text may be: (batch, time) -> same."""
    may_be = np.zeros((len(rows), LEADS.shape[1]), bool)
    may_be[:, 0] = True
    wrong = np.zeros(rows.shape, bool)
    for t, symbols in enumerate(rows.T):
        led = (may_be[:, :, None] & LEADS[symbols]).any(axis=1)
        wrong[:, t] = ~led.any(axis=1)
        may_be = np.where(wrong[:, t, None], after_error(may_be, symbols), led)
    return wrong


def forced_rate(model, rng):
    """The probability that the model gives to wrong symbols while it reads true text."""
    ids = true_text(600, 301, rng)
    p = np.exp(generation.log_softmax(model.forward(one_hot(ids[:, :-1], 7))))
    may_be, wrong = np.zeros(len(ids), int), []
    for t in range(300):
        may_be = ENDLESS.next_state[may_be, ids[:, t]]  # where true text is, is known
        wrong.append((p[:, t] * (ENDLESS.probability[may_be] == 0)).sum(axis=1))
    return float(np.mean(wrong))


def go_on(model, seeds, length, rng):
    """Texts that the model continues, reading itself: rows of ids, (count, time + length)."""
    return np.hstack(
        [seeds, generation.sample(generation.model_step(model), seeds, max_length=length, rng=rng).symbols]
    )


def after_the_first(errors, steps=12):
    """How often the symbol 1, 2, ... steps after a text's first error is an error as well."""
    first = errors.argmax(axis=1)
    rows = np.flatnonzero(errors.any(axis=1) & (first + steps < errors.shape[1]))
    return errors[rows[:, None], first[rows, None] + np.arange(1, steps + 1)].mean(axis=0)


def plant_errors(rng, count=600, length=40):
    """True text whose last symbol is replaced by a wrong one, drawn at random: rows of ids."""
    ids = true_text(count, length, rng)
    for row in ids:
        here = 0
        for symbol in row[:-1]:
            here = ENDLESS.next_state[here, symbol]
        row[-1] = rng.choice(np.flatnonzero(ENDLESS.probability[here] == 0))
    return ids


JUDGES = {"strict": at_its_word, "forgiving": perhaps_a_slip}


def judged(free, planted, random, forced):
    """The numbers that are recorded, and held against the bound; the rows begin with symbols that are not counted."""
    row = {"forced": forced}
    for judge, after_error in JUDGES.items():
        errors, slips = errors_in(free, after_error)[:, 1:], errors_in(planted, after_error)
        row[f"free_{judge}"] = errors.mean()
        row[f"random_{judge}"] = errors_in(random, after_error)[:, -1].mean()
        for kind, rates in (("own", after_the_first(errors)), ("planted", after_the_first(slips))):
            row |= {f"{kind}_{judge}_{k}": rate for k, rate in enumerate(rates, 1)}
    errors = errors_in(free)[:, 1:]
    before = errors.cumsum(axis=1) - errors == 0  # no error so far, in which both judges agree
    row |= {
        "until_first": errors[before].mean(),
        "flawless": (~errors.any(axis=1)).mean(),
        "flawless_predicted": (1 - forced) ** errors.shape[1],
        "first_half": errors[:, :150].mean(),
        "second_half": errors[:, 150:].mean(),
    }
    return {name: float(value) for name, value in row.items()}


def measure_exposure(seed):
    rng = np.random.default_rng(seed)
    model = learn_endless(rng)
    free, seeds = go_on(model, np.full((600, 1), B), 300, rng), plant_errors(rng)
    planted, random = go_on(model, seeds, 12, rng), np.hstack([seeds, rng.integers(7, size=(600, 1))])
    return judged(free, planted, random, forced_rate(model, rng))


def _exposure_holds(rows):
    def after(row, judge, steps):
        return [np.mean([row[f"{kind}_{judge}_{k}"] for k in steps]) for kind in ("own", "planted")]

    return all(
        0.65 < row["until_first"] / row["forced"] < 1.5
        and row["second_half"] < 1.6 * row["first_half"]
        and 1.15 < row["free_strict"] / row["forced"] < 2.5
        and 0.7 < row["free_forgiving"] / row["forced"] < 1.35
        and min(after(row, "strict", [1])) > 0.15
        and max(after(row, "forgiving", [1])) < 0.03
        and max(*after(row, "strict", range(7, 13)), *after(row, "forgiving", range(7, 13))) < 0.015
        and row["random_forgiving"] > 0.2
        for row in rows
    )


# ---------------------------------------------------------------------------------------------------------------------
# What is recorded
# ---------------------------------------------------------------------------------------------------------------------
def _times(rows, judge):
    return spread([{"times": row[f"free_{judge}"] / row["forced"]} for row in rows], "times")


def _endless(rows):
    return sum(not row["greedy_ends"] for row in rows)


REPRODUCTIONS = (
    Reproduction(
        key="reber-decoding",
        lesson="09",
        paper="Holtzman et al. 2020, on Reber's grammar",
        claim="the model's unlikely tail is not to be trusted; a nucleus cuts it away",
        reported="shown there on English prose, judged by people and by statistics; no such figure",
        criterion="valid strings: more than .95 at temperature 1, less than .85 at 2, more than .98 at 2 with a "
        "nucleus of "
        ".9; greedy writes one string only",
        seeds=range(10),
        measure=measure_fair,
        holds=_fair_holds,
        measured=lambda rows: (
            f"T=1 {spread(rows, 'valid T1')}, T=2 {spread(rows, 'valid T2')}, T=2 with top-p .9 "
            f"{spread(rows, 'valid p0.9 at T2')}; greedy never ends on {_endless(rows)} of {len(rows)}"
        ),
    ),
    Reproduction(
        key="loaded-coins",
        lesson="09",
        paper="Caccia et al. 2020: temperature trades quality for diversity",
        claim="a low temperature buys valid strings and pays with variety",
        reported="shown there by curves on text, quality against diversity; no such figure",
        criterion="with coins loaded .7 and temperature .5, more than .98 of the strings are valid and their "
        "variety is "
        "below .6 of the truth's; at temperature 1 it is within a third of the truth's",
        seeds=range(10),
        measure=measure_loaded,
        holds=_loaded_holds,
        measured=lambda rows: (
            f"variety of the truth {true_variety(loaded_reber(0.7)):.1f}; at T=1 "
            f"{spread(rows, 'variety T1', '.1f')}, at .5 {spread(rows, 'variety T0.5', '.1f')}, of which "
            f"valid {spread(rows, 'valid T0.5')}"
        ),
    ),
    Reproduction(
        key="words-never-read",
        lesson="09",
        paper="Our control: a tenth of the dictionary held back",
        claim="a share of real words tells neither who copies nor who knows the words that it has not read",
        reported="not a paper's figure",
        criterion="a table of 7 letters that trusts its counts (1 imagined letter) writes more than 4 times as many "
        "real "
        "words as the GRU, and predicts unseen words worse; of its real words less than .03 are new, of the "
        "GRU's more than .05, where .10 would mean that it remembers none; with 30 imagined letters the table "
        "writes less than .6 times as many real words, and predicts unseen ones more than .2 bit better than the "
        "GRU",
        seeds=range(5),
        measure=measure_words,
        holds=_words_holds,
        measured=lambda rows: (
            f"real: GRU {spread(rows, 'real_gru')}, 7-gram {spread(rows, 'real_table')} and, leaning "
            f"more, {spread(rows, 'real_smoothed')}; new among them: {spread(rows, 'new_gru', '.3f')}, "
            f"{spread(rows, 'new_table', '.3f')}, {spread(rows, 'new_smoothed', '.3f')}; bits a letter "
            f"{spread(rows, 'bits_gru')}, {spread(rows, 'bits_table')}, {spread(rows, 'bits_smoothed')}"
        ),
    ),
    Reproduction(
        key="manual-prose",
        lesson="09",
        paper="Holtzman et al. 2020: greedy prose goes round in circles",
        claim="taking the likeliest next symbol ends in a loop; the same model, sampled, does not",
        reported="shown there for GPT-2 and beam search; no such figure",
        criterion="of 20 greedy texts at least 15 end in a loop, of 20 sampled ones none; after 300 updates the "
        "network is "
        "more than .5 bit behind a 6-gram, after 2,000 (recorded only) within .1 bit of it and behind an 8-gram",
        seeds=range(4),
        measure=measure_prose,
        holds=_prose_holds,
        measured=lambda rows: (
            f"bits a character: 300 updates {spread(rows, 'short')}, 2,000 {spread(rows, 'long')}, "
            f"6-gram {spread(rows, 'table_6')}, 8-gram {spread(rows, 'table_8')}; greedy loops "
            f"{spread(rows, 'greedy_short', '.0f')} and {spread(rows, 'greedy_long', '.0f')} of 20"
        ),
    ),
    Reproduction(
        key="exposure-bias",
        lesson="09",
        paper="Bengio et al. 2015; He et al. 2021: exposure bias",
        claim="Bengio: errors can accumulate quickly along what it writes; He: the harm is limited, models recover",
        reported="no such figure: theirs are of image captions, and of open-ended text",
        criterion="until its first error a network errs as often as on true text (ratio .65 to 1.5), in the second "
        "half "
        "less than 1.6 times as often as in the first; by a judge who takes a wrong symbol at its word, in all "
        "1.15 to 2.5 times as often as on true text, and after more than .15 of first errors at once again; by "
        "one who allows for a slip .7 to 1.35 times, and after less than .03 (a random symbol: more than .2); "
        "after 7 to 12 steps less than .015 by both, be the error its own or ours",
        seeds=range(10),
        measure=measure_exposure,
        holds=_exposure_holds,
        measured=lambda rows: (
            f"free running against true text: strict judge {_times(rows, 'strict')}, forgiving "
            f"{_times(rows, 'forgiving')}; right after a planted error "
            f"{spread(rows, 'planted_strict_1')} and {spread(rows, 'planted_forgiving_1', '.3f')}"
        ),
    ),
)
