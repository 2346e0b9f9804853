"""Lesson 16's reproductions: six kinds of network on five tasks at equal weights, seconds and care; what a scan buys.

Seconds are made equal by numbers of updates: ``MILLISECONDS`` holds the processor time of an update, measured on one
thread in the order of the table, so that the same command repeats the same numbers. What each run took is recorded.
"""

from __future__ import annotations

from functools import partial
from time import process_time

import numpy as np

from course_lib import tasks
from course_lib.lessons.lesson_16_choosing.models import Task, build
from course_lib.layers import Dense
from course_lib.linear_recurrence import SCANS, MinGRU, scan_backward
from course_lib.losses import SoftmaxCrossEntropy
from course_lib.manual import load_manual_letters
from course_lib.model import Model
from course_lib.optimizers import Adam, LinearDecay
from course_lib.recurrent import GRU
from course_lib.sequences import one_hot
from course_lib.teaching.experiment import Reproduction
from course_lib.teaching.summaries import spread

LETTERS = 77  # of the Python manual
TASKS = {
    "adding": Task(2, 1, "end", steps=100),
    "order": Task(8, 4, "end", steps=60),
    "letters": Task(0, LETTERS, "each", letters=LETTERS),
    "parity": Task(1, 2, "each"),
    "copying": Task(9, 8, "second half"),
}
SECONDS = {"adding": 5, "order": 2.5, "letters": 4, "parity": 2.5, "copying": 5}
MILLISECONDS = {  # of an update of 32 sequences, forward, backward and Adam, one thread
    "adding": {"tanh": 5.8, "LSTM": 12.5, "GRU": 12.9, "Conv1D": 5.3, "Transformer": 37.5, "minGRU": 12.3},
    "order": {"tanh": 4.0, "LSTM": 8.3, "GRU": 8.1, "Conv1D": 4.3, "Transformer": 22.3, "minGRU": 7.8},
    "letters": {"tanh": 6.6, "LSTM": 11.2, "GRU": 10.5, "Conv1D": 10.4, "Transformer": 24.3, "minGRU": 8.8},
    "parity": {
        "tanh": 3.8,
        "LSTM": 6.4,
        "GRU": 6.7,
        "Conv1D": 5.7,
        "Transformer": 14.5,
        "minGRU": 6.2,
        "linear ±": 5.6,
    },
    "copying": {"tanh": 3.4, "LSTM": 6.4, "GRU": 6.7, "Conv1D": 6.2, "Transformer": 18.0, "minGRU": 6.7},
}
RATES = (0.003, 0.01, 0.03)
LENGTHS = (5, 10, 20, 30, 40, 50, 60)  # of the strings that are copied; up to 40 in training
PLACES = (5, 10, 15, 20, 25, 30, 35, 40, 50, 60, 80, 100, 130, 160, 200)  # of parity; up to 40 in training


# ---------------------------------------------------------------------------------------------------------------------
# Tasks
# ---------------------------------------------------------------------------------------------------------------------
def copying(count, length, rng):
    """Strings of 8 symbols, then as many blanks; the answers at the blanks are the string."""
    string = rng.integers(0, 8, (count, length))
    return one_hot(np.hstack([string, np.full_like(string, 8)]), 9), string


def windows(ids, count, rng):
    """``count`` windows of 64 letters, and the letter after each of them."""
    places = rng.integers(0, len(ids) - 64, count)[:, None] + np.arange(65)
    return ids[places[:, :-1]], ids[places[:, 1:]]


def batch_of(task, rng, count=32):
    """A batch to train on."""
    if task == "adding":
        return tasks.adding(count, 100, rng)
    if task == "order":
        return tasks.temporal_order(count, 60, rng)
    if task == "letters":
        return windows(load_letters()[0], count, rng)
    if task == "parity":
        return tasks.parity(count, 40, rng)
    return copying(count, int(rng.integers(5, 41)), rng)


_letters = {}


def load_letters():
    """Training, validation and test letters of the Python manual, loaded once."""
    if not _letters:
        train, test, vocabulary = load_manual_letters()
        assert len(vocabulary) == LETTERS
        _letters["parts"] = train[:-10_000], train[-10_000:], test
    return _letters["parts"]


def right_at(model, time, rng):
    """Share of right answers on parity at each step, over 400 sequences."""
    x, y = tasks.parity(400, time, rng)
    return (model.predict(x).argmax(axis=-1) == y).mean(axis=0)


def copied(model, length, rng):
    """Share of right symbols and of right strings among 200 of one length."""
    x, y = copying(200, length, rng)
    right = model.predict(x).argmax(axis=-1) == y
    return float(right.mean()), float(right.all(axis=1).mean())


def score(task, model, rng, final=True):
    """What is left to improve, 0 at best: squared error, bits, or the share of wrong answers at trained lengths."""
    if task == "adding":
        return float(model.evaluate(*tasks.adding(1000, 100, rng)))
    if task == "order":
        x, y = tasks.temporal_order(1000, 60, rng)
        return float((model.predict(x).argmax(axis=-1) != y).mean())
    if task == "letters":
        text = load_letters()[2 if final else 1]
        pieces = text[: len(text) // 65 * 65].reshape(-1, 65)
        return float(model.evaluate(pieces[:, :-1], pieces[:, 1:]) / np.log(2))
    if task == "parity":
        return float(1 - right_at(model, 40, rng)[30:].mean())
    return 1 - float(np.mean([copied(model, length, rng)[0] for length in (20, 30, 40)]))


# ---------------------------------------------------------------------------------------------------------------------
# The same care for all
# ---------------------------------------------------------------------------------------------------------------------
def train(kind, task, rate, rng, part=1.0):
    """Train a model for its share of processor time: Adam with a rate that falls to nearly 0, clipped to norm 1."""
    model = build(kind, TASKS[task], rng)
    updates = round(part * 1000 * SECONDS[task] / MILLISECONDS[task][kind])
    adam = Adam(LinearDecay(rate, updates))
    for _ in range(updates):
        model.train_on_batch(*batch_of(task, rng), optimizer=adam, clip_norm=1.0)
    return model


def rates_of(task, seed):
    """Each rate for half of the time (adding: all of it), scored on sequences that are used nowhere else."""
    row = {}
    for kind in MILLISECONDS[task]:
        for rate in RATES:
            model = train(kind, task, rate, np.random.default_rng(100 + seed), part=1.0 if task == "adding" else 0.5)
            row[f"{kind} {rate:g}"] = score(task, model, np.random.default_rng(200 + seed), final=False)
    return row


def measure_adding_rates(seed):
    return rates_of("adding", seed)


def measure_order_rates(seed):
    return rates_of("order", seed)


def measure_letters_rates(seed):
    return rates_of("letters", seed)


def measure_parity_rates(seed):
    return rates_of("parity", seed)


def measure_copying_rates(seed):
    return rates_of("copying", seed)


BEST = {}  # the best of RATES for each kind, from the five records of rates; a test compares


def against_length(task, model, rng):
    """Parity: right answers around each of PLACES. Copying: right symbols and right strings at each of LENGTHS."""
    if task == "parity":
        right = right_at(model, max(PLACES), rng)
        return {"right": [float(right[place - 5 : place].mean()) for place in PLACES]}
    symbols, strings = zip(*(copied(model, length, rng) for length in LENGTHS), strict=True)
    return {"right": list(symbols), "strings": list(strings)}


def table_of(task, seed):
    """Each kind at its best rate; parity and copying also against length."""
    row = {}
    for kind in MILLISECONDS[task]:
        rng, start = np.random.default_rng(seed), process_time()
        model = train(kind, task, BEST[task][kind], rng)
        row[f"{kind} seconds"] = process_time() - start
        unseen = np.random.default_rng(1000 + seed)
        row[kind] = score(task, model, unseen)
        if task in ("parity", "copying"):
            row |= {f"{kind} {name}": values for name, values in against_length(task, model, unseen).items()}
    return row


def measure_adding(seed):
    return table_of("adding", seed)


def measure_order(seed):
    return table_of("order", seed)


def measure_letters(seed):
    return table_of("letters", seed)


def measure_parity(seed):
    return table_of("parity", seed)


def measure_copying(seed):
    return table_of("copying", seed)


MORE = (("parity", "Transformer"), ("parity", "minGRU"), ("copying", "GRU"))


def measure_more_time(seed):
    """Three that failed, with five times the time."""
    row = {}
    for task, kind in MORE:
        model = train(kind, task, BEST[task][kind], np.random.default_rng(seed), part=5.0)
        row[f"{task} {kind}"] = against_length(task, model, np.random.default_rng(1000 + seed))["right"]
    return row


# ---------------------------------------------------------------------------------------------------------------------
# What a scan buys on one processor
# ---------------------------------------------------------------------------------------------------------------------
SIZES = ((1, 256, 16), (1, 4_096, 16), (1, 65_536, 16), (8, 16_384, 64))  # batch, time, units


def milliseconds(function, least=0.1, repeats=3):
    """Processor time of a call: the smallest of some means, each over at least ``least`` seconds."""
    function()
    means = []
    for _ in range(repeats):
        start, calls = process_time(), 0
        while process_time() - start < least:
            function()
            calls += 1
        means.append(1000 * (process_time() - start) / calls)
    return min(means)


def measure_scans(seed):
    """A scan forward and backward, and a training step of a GRU and of two layers of minGRU."""
    rng, row = np.random.default_rng(seed), {}

    def both(scan, a, b, d):
        scan_backward(d, a, scan(a, b), scan=scan)

    for batch, time, units in SIZES:
        a, b, d = (
            draw(size=(time, batch, units)).astype(np.float32).transpose(1, 0, 2)  # time first in memory
            for draw in (rng.uniform, rng.normal, rng.normal)
        )
        for name, scan in SCANS.items():
            row[f"{batch} {time} {units} {name}"] = milliseconds(partial(both, scan, a, b, d))
    x, y = rng.normal(size=(2, 4096, 32)).astype(np.float32), rng.integers(0, 32, (2, 4096))
    for name, layers in (
        ("GRU", [GRU(32, 64, rng=rng)]),
        ("minGRU, loop", [MinGRU(32, 64, rng=rng), MinGRU(64, 64, rng=rng)]),
        ("minGRU, chunked", [MinGRU(size, 64, rng=rng, scan="chunked") for size in (32, 64)]),
    ):
        model = Model([*layers, Dense(64, 32, rng=rng)], SoftmaxCrossEntropy())
        row[f"step {name}"] = milliseconds(partial(model.train_on_batch, x, y, optimizer=Adam()))
    return row


def _always(rows):
    """A record of choices has no criterion of its own: what is chosen from it is tested where it is used."""
    return bool(rows)


def _rates(task, measure):
    return Reproduction(
        key=f"choosing-{task}-rates",
        lesson="16",
        paper="A choice of this course",
        claim=f"{task}: each kind gets the same three learning rates, and the best of them for the table",
        reported="no paper's figure: this is the care that each kind gets",
        criterion="none; the best rate of each kind stands in the code of the table",
        seeds=range(1),
        measure=measure,
        holds=_always,
        measured=lambda rows: "; ".join(f"{name} {rows[0][name]:.3f}" for name in rows[0] if name != "seed"),
    )


REPRODUCTIONS = (
    _rates("adding", measure_adding_rates),
    _rates("order", measure_order_rates),
    _rates("letters", measure_letters_rates),
    _rates("parity", measure_parity_rates),
    _rates("copying", measure_copying_rates),
)
