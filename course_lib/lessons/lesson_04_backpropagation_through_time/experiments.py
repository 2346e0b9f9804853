"""Lesson 04's reproductions: what plain recurrent networks learn when blame travels all the way, and when it may not.

The functions are those the lesson shows, so that its live run and the recorded ones are the same experiment.
"""

from __future__ import annotations

from copy import deepcopy

import numpy as np

from course_lib import datasets, tasks
from course_lib.layers import Dense, softmax
from course_lib.losses import SoftmaxCrossEntropy
from course_lib.model import Model
from course_lib.ngrams import NGram
from course_lib.optimizers import Adam, LinearDecay
from course_lib.recurrent import RNN, SimpleRNN, bptt, unroll
from course_lib.sequences import Vocabulary, one_hot, stream
from course_lib.teaching.experiment import Reproduction
from course_lib.teaching.summaries import spread
from course_lib.training import legal_above_illegal

LETTERS = Vocabulary("abcdefghijklmnopqrstuvwxyz")


# ---------------------------------------------------------------------------------------------------------------------
# Temporal XOR
# ---------------------------------------------------------------------------------------------------------------------
def xor_errors(truncation, seed, frozen=False, updates=1500):
    """Train on temporal XOR; return the RMSE at the first, second and third bit of unseen triples."""
    rng = np.random.default_rng(seed)
    rnn, adam = RNN(1, 8, 1, rng=rng), Adam(LinearDecay(0.03, updates))
    for _ in range(updates):
        bits = tasks.temporal_xor(40 * 15, rng).reshape(40, 15, 1)
        states, outputs = unroll(rnn, bits[:, :-1])
        d_outputs = 2 * (outputs - bits[:, 1:]) / outputs.size
        gradients = bptt(rnn, bits[:, :-1], states, d_outputs, truncation)
        if frozen:
            gradients[1][:] = 0  # W_h keeps its random starting values
        adam.update(rnn.weights, gradients)
    bits = tasks.temporal_xor(100 * 30, rng).reshape(100, 30, 1)  # rows twice as long as in training
    errors = unroll(rnn, bits[:, :-1])[1] - bits[:, 1:]  # errors[:, 0] belongs to the second bit
    return [float(np.sqrt((errors[:, first::3] ** 2).mean())) for first in (2, 0, 1)]


def measure_xor(seed):
    return {
        "full": xor_errors(None, seed)[2],
        "one_step": xor_errors(1, seed)[2],
        "frozen": xor_errors(1, seed, frozen=True)[2],
    }


# ---------------------------------------------------------------------------------------------------------------------
# Words from letters
# ---------------------------------------------------------------------------------------------------------------------
def letter_errors(text, truncation, rng, frozen=False):
    """Show a 5-20-5 network the text ten times; return its RMSE at each letter but the first."""
    codes = np.array([text.codes[letter] for letter in text.letters])
    rnn, adam = RNN(5, 20, 5, rng=rng), Adam(0.01)
    for _ in range(10):
        state = None
        for x, y in stream(codes, 4, 10):
            states, outputs = unroll(rnn, x, state)
            state = states[-1]
            d_outputs = 2 * (outputs - y) / outputs.size
            gradients = bptt(rnn, x, states, d_outputs, truncation)
            if frozen:
                gradients[1][:] = 0
            adam.update(rnn.weights, gradients)
    outputs = unroll(rnn, codes[None, :-1])[1][0]
    return np.sqrt(((outputs - codes[1:]) ** 2).mean(axis=1))


def letter_pair_errors(text):
    """The same for the best predictor that sees one letter and has no memory: the mean code of what follows it."""
    codes = np.array([text.codes[letter] for letter in text.letters])
    now = np.array(list(text.letters[:-1]))
    predicted = np.zeros_like(codes[1:])
    for letter in text.codes:
        predicted[now == letter] = codes[1:][now == letter].mean(axis=0)
    return np.sqrt(((predicted - codes[1:]) ** 2).mean(axis=1))


def table_surprisal(read, tested, length, symbols=26, prior=5.0):
    """Bits at each symbol of ``tested`` but the first, by an n-gram of ``length`` symbols that has ``read`` a text.

    ``prior`` is its pseudocount, spread as the table of runs one shorter says. The symbols that have fewer than
    ``length`` - 1 before them are predicted by the shorter tables.

    Parameters
    ----------
    read, tested : (time,) whole numbers
        Ids of symbols; it may be the same text.
    length : int
        1 counts single symbols, 2 pairs, 3 triples.
    symbols : int
    prior : float

    Returns
    -------
    (len(tested) - 1,) array
    """
    table = NGram(min(length, len(tested)), symbols, prior, interpolated=True).read(read)
    bits = [table.surprisal(tested)]
    while table.n > 1:
        table = table.shorter
        bits.insert(0, table.surprisal(tested[: table.n]))
    return np.concatenate(bits)[1:]


def onset_auc(errors, onsets):
    """How often the error at a word's first letter exceeds that at another: .5 is chance."""
    first, other = errors[onsets[1:]], errors[~onsets[1:]]
    return float((first[:, None] > other).mean() + 0.5 * (first[:, None] == other).mean())


def measure_words(seed):
    rng = np.random.default_rng(seed)
    text = tasks.elman_letters(200, rng)
    errors = {
        "full": letter_errors(text, None, rng),
        "one_step": letter_errors(text, 1, rng),
        "frozen": letter_errors(text, 1, rng, frozen=True),
        "memoryless": letter_pair_errors(text),
    }
    ids = np.frombuffer(text.letters.encode(), np.uint8).astype(int) - ord("a")
    return {
        **{name: onset_auc(e, text.onsets) for name, e in errors.items()},
        "letter_pairs": onset_auc(table_surprisal(ids, ids, 2), text.onsets),
        **{f"mse_{name}": float((e**2).mean()) for name, e in errors.items()},
    }


# ---------------------------------------------------------------------------------------------------------------------
# The same with the words of the dictionary
# ---------------------------------------------------------------------------------------------------------------------
def run_together(part, rng):
    """Words of one part of the dictionary in random order, without gaps: letters, onsets."""
    words = rng.permutation(datasets.load_words(part))
    onsets = np.concatenate([np.arange(len(word)) == 0 for word in words])
    return LETTERS.encode("".join(words)), onsets


def train_on_words(train_ids, rng):
    """A network of 64 units, three times through the letters, with a falling learning rate."""
    model = Model([SimpleRNN(26, 64, rng=rng), Dense(64, 26, rng=rng)], SoftmaxCrossEntropy())
    adam = Adam()
    for rate in (3e-3, 1e-3, 3e-4):
        adam.learning_rate = rate
        model.fit(
            lambda: ((one_hot(x, 26), y) for x, y in stream(train_ids, 32, 20)),
            optimizer=adam,
            clip_norm=1.0,
            carry_state=True,
        )
    return model


def network_surprisal(model, ids):
    """Bits of surprise at each letter but the first."""
    p = softmax(model.forward(one_hot(ids[None, :-1], 26))[0])
    return -np.log2(np.take_along_axis(p, ids[1:, None], axis=1)[:, 0])


def measure_dictionary(seed):
    rng = np.random.default_rng(seed)
    (train_ids, _), (test_ids, onsets) = run_together("train", rng), run_together("test", rng)
    network = network_surprisal(train_on_words(train_ids, rng), test_ids)
    pairs, triples = (table_surprisal(train_ids, test_ids, length) for length in (2, 3))
    return {
        "network": float(network.mean()),
        "pairs": float(pairs.mean()),
        "triples": float(triples.mean()),
        "auc": onset_auc(network, onsets),
        "auc_pairs": onset_auc(pairs, onsets),
    }


# ---------------------------------------------------------------------------------------------------------------------
# Embedded Reber grammar
# ---------------------------------------------------------------------------------------------------------------------
def solved(rnn, strings):
    """For each string: does every legal next symbol score above every illegal one, at every step?"""
    _, scores = unroll(rnn, strings.inputs)
    return legal_above_illegal(scores, strings)


def train_reber(rnn, rng, most, truncation=None):
    """Train until 500 unseen strings are all solved; return the strings it took, or None."""
    adam, loss = Adam(0.01), SoftmaxCrossEntropy()
    unseen = tasks.reber_batch(500, rng)
    for seen in range(32, most + 1, 32):
        batch = tasks.reber_batch(32, rng)
        states, scores = unroll(rnn, batch.inputs)
        loss.forward(scores, batch.targets, batch.mask)
        gradients = bptt(rnn, batch.inputs, states, loss.backward(), truncation)
        adam.update(rnn.weights, gradients)
        if seen % 800 == 0 and solved(rnn, unseen).all():
            return seen
    return None


def memory_of_second_letter(rnn, pairs):
    """How far apart the states are after strings that differ in their second letter alone, by step."""
    states = [unroll(rnn, one_of_each)[0][1:] for one_of_each in pairs]
    return np.linalg.norm(states[0] - states[1], axis=2).mean(axis=1)


def measure_reber(seed):
    """Strings needed with full BPTT, with one step (up to 200,000), and with full BPTT after 30,000 of one step."""
    rng = np.random.default_rng(seed)
    fresh = RNN(7, 16, 7, rng=rng)
    trained, stuck = deepcopy(fresh), deepcopy(fresh)
    full = train_reber(trained, rng, 100_000)
    one_step = train_reber(stuck, rng, 30_000, truncation=1)
    pairs = tasks.reber_pairs(500, rng)
    memory = {
        f"memory_{name}": float(memory_of_second_letter(net, pairs)[-1])
        for name, net in (("fresh", fresh), ("full", trained), ("one_step", stuck))
    }
    solved_by_one_step = float(solved(stuck, tasks.reber_batch(2000, rng)).mean())
    after_switch = train_reber(deepcopy(stuck), rng, 100_000)
    one_step = one_step or train_reber(stuck, rng, 170_000, truncation=1)
    return {
        "full": full,
        "one_step": one_step,
        "solved_by_one_step": solved_by_one_step,
        "after_switch": after_switch,
        **memory,
    }


def _reber_measured(rows):
    solved_by = {name: [row for row in rows if row[name] is not None] for name in ("full", "one_step")}
    strings = f" in {spread(solved_by['full'], 'full', ',')} strings" if solved_by["full"] else ""
    return (
        f"tanh, full BPTT: {len(solved_by['full'])} of {len(rows)}{strings}; one step: "
        f"{len(solved_by['one_step'])} of {len(rows)}"
    )


def _reber_holds(rows):
    return all(
        row["full"] is not None
        and row["full"] <= 40_000
        and row["one_step"] is None
        and row["after_switch"] is not None
        and row["memory_one_step"] < row["memory_fresh"] < row["memory_full"]
        for row in rows
    )


REPRODUCTIONS = (
    Reproduction(
        key="elman-xor",
        lesson="04",
        paper="Elman 1990, Fig. 3",
        claim="a recurrent network predicts the third bit of temporal XOR",
        reported="error dips at every third bit (one-step gradient, read off a curve)",
        criterion="third-bit RMSE below .05 with full BPTT, above .1 with one-step truncation",
        seeds=range(20),
        measure=measure_xor,
        holds=lambda rows: all(row["full"] < 0.05 and row["one_step"] > 0.1 for row in rows),
        measured=lambda rows: f"full {spread(rows, 'full', '.3f')}, one step {spread(rows, 'one_step', '.2f')}",
    ),
    Reproduction(
        key="elman-words",
        lesson="04",
        paper="Elman 1990, Fig. 6",
        claim="the error of letter prediction peaks where words begin",
        reported="peaks at most word onsets (a curve, no figure)",
        criterion="onset AUC above .9; squared error: full BPTT below one step, below a frozen matrix, below the best "
        "memoryless predictor",
        seeds=range(20),
        measure=measure_words,
        holds=lambda rows: all(
            row["full"] > 0.9 and row["mse_full"] < row["mse_one_step"] < row["mse_frozen"] < row["mse_memoryless"]
            for row in rows
        ),
        measured=lambda rows: f"AUC {spread(rows, 'full', '.3f')}; letter pairs {spread(rows, 'letter_pairs', '.3f')}",
    ),
    Reproduction(
        key="words-of-the-dictionary",
        lesson="04",
        paper="Beyond Elman 1990, Fig. 6",
        claim="the same with the 117,493 words of the dictionary instead of fifteen",
        reported="not in the paper",
        criterion="unseen words cost fewer bits per letter than by letter pairs and more than by triples; onset AUC "
        "below "
        ".85 and within .03 of letter pairs",
        seeds=range(5),
        measure=measure_dictionary,
        holds=lambda rows: all(
            row["triples"] < row["network"] < row["pairs"]
            and row["auc"] < 0.85
            and abs(row["auc"] - row["auc_pairs"]) < 0.03
            for row in rows
        ),
        measured=lambda rows: (
            f"network {spread(rows, 'network', '.2f')} bits, pairs {spread(rows, 'pairs', '.2f')}, "
            f"triples {spread(rows, 'triples', '.2f')}; AUC {spread(rows, 'auc', '.2f')}"
        ),
    ),
    Reproduction(
        key="embedded-reber",
        lesson="04",
        paper="Hochreiter & Schmidhuber 1997, Table 1",
        claim="Elman nets never learn the embedded Reber grammar",
        reported="Elman net: 0 % after 200,000 strings; LSTM: 97-100 % in 8,440-39,740",
        criterion="tanh with full BPTT solves it within 40,000 strings, with one-step truncation not within "
        "200,000, and "
        "forgets the second letter faster than before training",
        seeds=range(10),
        measure=measure_reber,
        holds=_reber_holds,
        measured=_reber_measured,
    ),
)
