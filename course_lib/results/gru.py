"""Lesson 07's reproductions: plain, one-gate, GRU and LSTM layers of equally many parameters, on four tasks.

The functions are those the lesson shows, so that its live run and the recorded ones are the same experiment.
"""
from __future__ import annotations

import numpy as np

from course_lib import datasets, tasks
from course_lib.layers import Dense, LastStep, MeanSquaredError, SoftmaxCrossEntropy
from course_lib.model import Model
from course_lib.ngrams import NGram
from course_lib.optimizers import Adam
from course_lib.recurrent import GRU, LSTM, SimpleRNN
from course_lib.results import Reproduction
from course_lib.results.lstm import all_legal_first
from course_lib.sequences import Vocabulary, one_hot, stream

CODE = tuple(f"course_lib.{name}" for name in (
    "datasets", "layers", "model", "ngrams", "optimizers", "recurrent", "results.lstm", "sequences", "tasks"))

MODELS = ("rnn", "one_gate", "gru", "lstm")


# ---------------------------------------------------------------------------------------------------------------------
# The four networks
# ---------------------------------------------------------------------------------------------------------------------
def hold_reset_open(gru):
    """Set a GRU's reset gate to 1 for good: only the update gate is left."""
    r = slice(gru.units, 2 * gru.units)
    gru.kernel[:, r] = 0
    gru.recurrent_kernel[:, r] = 0
    gru.bias[0, r] = 40  # σ(40) is 1 in float32, and flat: training does not move it
    return gru


def recurrent_layer(name, features, units, rng):
    """A layer by its name; a 1 or 3 at its end is the first bias of the gate that keeps."""
    if name == "rnn":
        return SimpleRNN(features, units, rng=rng)
    if name in ("lstm", "lstm_1"):
        return LSTM(features, units, rng=rng, forget_bias=1 if name == "lstm_1" else 3)
    gru = GRU(features, units, rng=rng)
    if name == "gru_3":
        gru.bias[0, :units] = 3
    return hold_reset_open(gru) if name == "one_gate" else gru


# Layers of about equally many parameters on each task, output layer included; held gates do not count.
UNITS = {
    "adding": dict(zip(MODELS, (30, 20, 16, 14), strict=True)),
    "order": dict(zip(MODELS, (49, 33, 26, 23), strict=True)),
    "reber": dict(zip(MODELS, (27, 18, 15, 13), strict=True)),
    "text": dict(zip(MODELS, (53, 36, 28, 23), strict=True)),
}


def live_parameters(model):
    """How many numbers of a model training can move: all, but for the block of a gate that is held open."""
    layer = model.layers[0]
    held = isinstance(layer, GRU) and layer.bias[0, layer.units] == 40
    block = sum(w.size for w in layer.weights) // 3 if held else 0
    return sum(w.size for w in model.weights) - block


def network(name, task, features, outputs, rng):
    """The network called ``name`` for a task: one answer a sequence, or one a step."""
    units = UNITS[task][name.removesuffix("_1").removesuffix("_3")]
    last = [LastStep()] if task in ("adding", "order") else []
    loss = MeanSquaredError() if task == "adding" else SoftmaxCrossEntropy()
    layer = recurrent_layer(name, features, units, rng)
    return Model([layer, *last, Dense(units, outputs, rng=rng)], loss)


# ---------------------------------------------------------------------------------------------------------------------
# The four tasks
# ---------------------------------------------------------------------------------------------------------------------
def sequences_until_added(name, seed, most=40_000):
    """Sequences of 100 steps until the error on 500 unseen ones is below .01; None after ``most``."""
    rng = np.random.default_rng(seed)
    model, adam = network(name, "adding", 2, 1, rng), Adam(0.01)
    unseen = tasks.adding(500, 100, rng)
    for seen in range(50, most + 1, 50):
        model.train_on_batch(*tasks.adding(50, 100, rng), optimizer=adam, clip_norm=1.0)
        if seen % 1000 == 0 and model.evaluate(*unseen) < 0.01:
            return seen
    return None


def sequences_until_ordered(name, seed, most=20_000):
    """Sequences of 60 steps until .998 of 1,000 unseen are right; None after ``most``."""
    rng = np.random.default_rng(seed)
    model, adam = network(name, "order", 8, 4, rng), Adam(0.003)
    unseen, order = tasks.temporal_order(1000, 60, rng)
    for seen in range(32, most + 1, 32):
        model.train_on_batch(*tasks.temporal_order(32, 60, rng), optimizer=adam, clip_norm=1.0)
        if seen % 800 == 0 and (model.predict(unseen).argmax(axis=1) == order).mean() >= 0.998:
            return seen
    return None


def strings_until_solved(name, seed, most=30_000):
    """Strings of the embedded Reber grammar until 500 unseen ones are all solved; None after ``most``."""
    rng = np.random.default_rng(seed)
    model, adam = network(name, "reber", 7, 7, rng), Adam(0.01)
    unseen = tasks.reber_batch(500, rng)
    for seen in range(32, most + 1, 32):
        batch = tasks.reber_batch(32, rng)
        model.train_on_batch(batch.inputs, batch.targets, batch.mask, optimizer=adam, clip_norm=1.0)
        if seen % 800 == 0 and all_legal_first(model, unseen):
            return seen
    return None


def manual():
    """The Python manual in lower case, its paragraphs shuffled: ids to train on, ids to test on, size of alphabet."""
    paragraphs = np.random.default_rng(7).permutation(datasets.load_python_manual().text.lower().split("\n"))
    text = "\n".join(paragraphs)
    vocabulary = Vocabulary(sorted(set(text)))
    ids = np.array(vocabulary.encode(text))
    return ids[:250_000], ids[250_000:260_000], len(vocabulary)


def bits_per_character(name, seed, updates=400):
    """Train on the manual, 16 places at once, 50 characters a piece; bits per character on unseen text."""
    rng = np.random.default_rng(seed)
    train, test, size = manual()
    model, adam = network(name, "text", size, size, rng), Adam(0.01)
    states = None
    for update, (x, y) in enumerate(stream(train[rng.integers(1000):], 16, 50)):
        if update == updates:
            break
        model.train_on_batch(one_hot(x, size), y, optimizer=adam, clip_norm=1.0, initial_states=states)
        states = model.states
    x, y = next(stream(test, 20, 500))
    return model.loss.forward(model.forward(one_hot(x, size)), y) / np.log(2)


def measure_adding(seed):
    return {name: sequences_until_added(name, seed) for name in MODELS}


def measure_order(seed):
    return {name: sequences_until_ordered(name, seed) for name in (*MODELS, "gru_3")}


def measure_reber(seed):
    return {name: strings_until_solved(name, seed) for name in MODELS}


def measure_text(seed):
    train, test, size = manual()
    pairs = NGram(2, size, leaning=True).read(train).surprise(test).mean()
    return {name: float(bits_per_character(name, seed)) for name in (*MODELS, "lstm_1")} | {"pairs": float(pairs)}


def _solved(rows, name):
    return sum(row[name] is not None for row in rows)


def _counts(rows):
    said = []
    for name in MODELS:
        took = [row[name] for row in rows if row[name] is not None]
        said.append(f"{name.replace('_', ' ')} {len(took)} of {len(rows)}"
                    + (f" in {min(took):,}-{max(took):,}" if took else ""))
    return "; ".join(said)


def _all(rows, name):
    return _solved(rows, name) == len(rows)


def _adding_held(rows):
    return _all(rows, "one_gate") and _all(rows, "gru") and _solved(rows, "rnn") == 0


def _order_held(rows):
    return _all(rows, "one_gate") and _all(rows, "gru_3") and _solved(rows, "gru") < len(rows)


def _reber_held(rows):
    return _all(rows, "rnn") and _all(rows, "gru")


def _text_held(rows):
    return all(row["rnn"] < min(row["gru"], row["lstm"]) + 0.1 for row in rows)


CHUNG = "Chung et al. 2014, Table 2"

REPRODUCTIONS = (
    Reproduction(
        key="gru-adding", lesson="07", paper=CHUNG,
        claim="gates win where something has to be kept for long",
        said="other data: gated units far ahead on one of the two speech sets",
        bound="adding, T = 100, about 1,000 parameters, 40,000 sequences: GRU and one gate below .01 in every run, "
              "plain tanh in none",
        seeds=range(3), measure=measure_adding, held=_adding_held, ours=_counts, code=CODE,
    ),
    Reproduction(
        key="gru-order", lesson="07", paper="Hochreiter & Schmidhuber 1997, Table 9",
        claim="more gates are not more memory, and a first bias may matter more than a gate",
        said="the task; no GRU, which is of 2014",
        bound="temporal order, T = 60, about 3,000 parameters, 20,000 sequences: one gate, and a GRU with a first "
              "update bias of 3, in every run; a GRU with zero biases not in every run",
        seeds=range(3), measure=measure_order, held=_order_held,
        ours=lambda rows: f"{_counts(rows)}; gru with bias 3 {_solved(rows, 'gru_3')} of {len(rows)}", code=CODE,
    ),
    Reproduction(
        key="gru-reber", lesson="07", paper="Hochreiter & Schmidhuber 1997, Table 1",
        claim="over some nine steps no gate is needed",
        said="LSTM solved in 8,440-39,740 strings",
        bound="embedded Reber grammar, about 1,100 parameters: GRU and plain tanh within 30,000 strings in every run",
        seeds=range(3), measure=measure_reber, held=_reber_held, ours=_counts, code=CODE,
    ),
    Reproduction(
        key="gru-text", lesson="07", paper=CHUNG,
        claim="gates hardly win where the near past says most",
        said="other data: small differences between the units on music",
        bound="the Python manual, about 11,000 parameters, 400 updates: plain tanh less than .1 bits a character "
              "behind the better of GRU and LSTM",
        seeds=range(3), measure=measure_text, held=_text_held,
        ours=lambda rows: "; ".join(
            f"{name.replace('_', ' ')} {min(row[name] for row in rows):.2f}-{max(row[name] for row in rows):.2f}"
            for name in MODELS) + f" bits; table of pairs {rows[0]['pairs']:.2f}",
        code=CODE,
    ),
)
