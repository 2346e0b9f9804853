"""Lesson 16's reproductions: six kinds of network on five tasks at equal weights, seconds and care; what a scan buys.

Seconds are made equal by numbers of updates: ``MILLISECONDS`` holds the processor time of an update, measured on one
thread in the order of the table, so that the same command repeats the same numbers.
"""

from __future__ import annotations

from functools import cache, partial
from time import process_time
from types import SimpleNamespace

import numpy as np

from course_lib import tasks
from course_lib.attention import positional_encoding
from course_lib.layers import Dense
from course_lib.lessons.lesson_16_choosing.models import Task, build
from course_lib.linear_recurrence import SCANS, MinGRU, scan_backward
from course_lib.losses import SoftmaxCrossEntropy
from course_lib.manual import load_manual_letters
from course_lib.model import Model
from course_lib.optimizers import Adam, LinearDecay
from course_lib.recurrent import GRU
from course_lib.sequences import one_hot
from course_lib.teaching.experiment import Reproduction
from course_lib.teaching.summaries import spread

# ---------------------------------------------------------------------------------------------------------------------
# Budgets
# ---------------------------------------------------------------------------------------------------------------------
LETTERS = 77  # of the Python manual
TASKS = {
    "adding": Task(2, 1, "end", steps=100),
    "order": Task(8, 4, "end", steps=60),
    "letters": Task(0, LETTERS, "each", letters=LETTERS),
    "parity": Task(1, 2, "each"),
    "copying": Task(9, 8, "second half"),
}
SECONDS = {"adding": 4, "order": 2, "letters": 2.5, "parity": 2.5, "copying": 4}
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
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
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


@cache
def load_letters():
    """Training, validation and test letters of the Python manual, loaded once."""
    train, test, vocabulary = load_manual_letters()
    assert len(vocabulary) == LETTERS
    return train[:-10_000], train[-10_000:], test


def right_at(model, time, rng):
    """Share of right answers on parity at each step, over 200 sequences."""
    x, y = tasks.parity(200, time, rng)
    return (model.predict(x).argmax(axis=-1) == y).mean(axis=0)


def copied(model, length, rng):
    """Share of right symbols and of right strings among 100 of one length."""
    x, y = copying(100, length, rng)
    right = model.predict(x).argmax(axis=-1) == y
    return float(right.mean()), float(right.all(axis=1).mean())


def score(task, model, rng, final=True):
    """What is left to improve, 0 at best: squared error, bits, or the share of wrong answers at trained lengths."""
    if task == "adding":
        return float(model.evaluate(*tasks.adding(500, 100, rng)))
    if task == "order":
        x, y = tasks.temporal_order(500, 60, rng)
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
    """Train for a share of processor time: Adam, a rate that falls to nearly 0, clipped to norm 1."""
    model = build(kind, TASKS[task], rng)
    updates = round(part * 1000 * SECONDS[task] / MILLISECONDS[task][kind])
    adam = Adam(LinearDecay(rate, updates))
    for _ in range(updates):
        model.train_on_batch(*batch_of(task, rng), optimizer=adam, clip_norm=1.0)
    return model


# The best of RATES for each kind and task, on the mean over the seeds of the record choosing-rates; of equal ones, the
# smaller. These seeds are used nowhere else, and neither are their sequences; the letters are the last 10,000 of the
# training text, on which no run trains.
RATE = {
    "adding": {"tanh": 0.03, "LSTM": 0.001, "GRU": 0.1, "Conv1D": 0.01, "Transformer": 0.01, "minGRU": 0.1},
    "order": {"tanh": 0.003, "LSTM": 0.003, "GRU": 0.03, "Conv1D": 0.001, "Transformer": 0.03, "minGRU": 0.1},
    "letters": {"tanh": 0.1, "LSTM": 0.1, "GRU": 0.1, "Conv1D": 0.03, "Transformer": 0.03, "minGRU": 0.1},
    "parity": {
        "tanh": 0.03,
        "LSTM": 0.03,
        "GRU": 0.01,
        "Conv1D": 0.01,
        "Transformer": 0.01,
        "minGRU": 0.3,
        "linear ±": 0.003,
    },
    "copying": {"tanh": 0.001, "LSTM": 0.03, "GRU": 0.1, "Conv1D": 0.003, "Transformer": 0.03, "minGRU": 0.1},
}


def measure_rates(seed):
    """What each kind leaves on each task after the full time, with each of RATES."""
    row = {}
    for task, kinds in MILLISECONDS.items():
        for kind in kinds:
            models = [train(kind, task, rate, np.random.default_rng(seed)) for rate in RATES]
            row[f"{task} {kind}"] = [
                score(task, model, np.random.default_rng(1000 + seed), final=False) for model in models
            ]
    return row


def best_rates(rows):
    """Choose for each task and kind the rate that left least on the mean over the rows; of equal ones, the smaller."""
    return {
        task: {kind: RATES[int(np.argmin(np.mean([row[f"{task} {kind}"] for row in rows], axis=0)))] for kind in kinds}
        for task, kinds in MILLISECONDS.items()
    }


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
    for kind, rate in RATE[task].items():
        model = train(kind, task, rate, np.random.default_rng(seed))
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


# ---------------------------------------------------------------------------------------------------------------------
# Controls: copying without and with aligned positions, and parity far beyond the trained length
# ---------------------------------------------------------------------------------------------------------------------
CONTROLS = {"Transformer, positions go on": "Transformer", "GRU, same sines": "GRU"}  # and the kind that they vary
CONTROL_RATE = {"Transformer, positions go on": 0.01, "GRU, same sines": 0.03}  # best of RATES, chosen as above
FAR = (40, 100, 200, 300, 400, 500, 700, 1000, 1400, 2000)  # steps of parity


def build_control(name, rng):
    """A Transformer whose positions are not counted anew, or a GRU that reads what :func:`inputs_of` gives."""
    task = TASKS["copying"]
    if CONTROLS[name] == "GRU":
        return build("GRU", task._replace(features=task.features + 16), rng)
    model = build("Transformer", task, rng)
    model.layers[0].restart = False
    return model


def inputs_of(name, x):
    """Append the Transformer's 16 sines and cosines, counted anew from the middle, if the control is a GRU."""
    if CONTROLS[name] != "GRU":
        return x
    positions = positional_encoding(x.shape[1] // 2, 16).astype(x.dtype)
    positions = np.concatenate([positions, positions])
    return np.concatenate([x, np.broadcast_to(positions, (len(x), *positions.shape))], axis=-1)


def train_control(name, rate, rng):
    """Train a control on copying like :func:`train`, with as many updates as the kind that it varies."""
    model = build_control(name, rng)
    updates = round(1000 * SECONDS["copying"] / MILLISECONDS["copying"][CONTROLS[name]])
    adam = Adam(LinearDecay(rate, updates))
    for _ in range(updates):
        x, y = batch_of("copying", rng)
        model.train_on_batch(inputs_of(name, x), y, optimizer=adam, clip_norm=1.0)
    return SimpleNamespace(predict=lambda x: model.predict(inputs_of(name, x)))


def measure_control_rates(seed):
    """What each control leaves on copying with each of RATES."""
    return {
        name: [
            score("copying", train_control(name, rate, np.random.default_rng(seed)), np.random.default_rng(1000 + seed))
            for rate in RATES
        ]
        for name in CONTROLS
    }


def measure_controls(seed):
    """Each control at its best rate, also against length."""
    row = {}
    for name, rate in CONTROL_RATE.items():
        model = train_control(name, rate, np.random.default_rng(seed))
        unseen = np.random.default_rng(1000 + seed)
        row[name] = score("copying", model, unseen)
        row |= {f"{name} {what}": values for what, values in against_length("copying", model, unseen).items()}
    return row


def far_on_parity(model, rng):
    """Right answers in the 20 steps before each of FAR; the distance between even and odd, and the spread of each.

    Both are of the difference of the two outputs, whose sign is the answer.
    """
    x, y = tasks.parity(200, max(FAR), rng)
    outputs = model.predict(x, batch_size=50)
    for_odd, right = outputs[..., 1] - outputs[..., 0], outputs.argmax(axis=-1) == y
    at = [(for_odd[:, step - 1], y[:, step - 1] == 1) for step in FAR]
    return {
        "right": [float(right[:, step - 20 : step].mean()) for step in FAR],
        "distance": [float(value[odd].mean() - value[~odd].mean()) for value, odd in at],
        "spread": [float((value[odd].std() + value[~odd].std()) / 2) for value, odd in at],
    }


def measure_far(seed):
    """The models of the table of parity that are right at step 200, out to 2,000 steps."""
    row = {}
    for kind in ("LSTM", "GRU", "linear ±"):
        model = train(kind, "parity", RATE["parity"][kind], np.random.default_rng(seed))
        found = far_on_parity(model, np.random.default_rng(1000 + seed))
        row |= {f"{kind} {name}": values for name, values in found.items()}
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
    """How many times as fast as the loop a scan is, forward and backward, and as a GRU's step one of minGRU."""
    rng, row = np.random.default_rng(seed), {}

    def both(scan, a, b, d):
        scan_backward(d, a, scan(a, b), scan=scan)

    for batch, time, units in SIZES:
        a, b, d = (
            draw(size=(time, batch, units)).astype(np.float32).transpose(1, 0, 2)  # time first in memory
            for draw in (rng.uniform, rng.normal, rng.normal)
        )
        took = {name: milliseconds(partial(both, scan, a, b, d)) for name, scan in SCANS.items()}
        row |= {
            f"{batch} {time} {units} {name}": took["sequential"] / took[name] for name in took if name != "sequential"
        }
    x, y = rng.normal(size=(2, 4096, 32)).astype(np.float32), rng.integers(0, 32, (2, 4096))
    took = {}
    for name, layers in (
        ("GRU", [GRU(32, 64, rng=rng)]),
        ("minGRU, loop", [MinGRU(32, 64, rng=rng), MinGRU(64, 64, rng=rng)]),
        ("minGRU, chunked", [MinGRU(size, 64, rng=rng, scan="chunked") for size in (32, 64)]),
    ):
        model = Model([*layers, Dense(64, 32, rng=rng)], SoftmaxCrossEntropy())
        took[name] = milliseconds(partial(model.train_on_batch, x, y, optimizer=Adam()))
    row |= {f"step {name}": took["GRU"] / took[name] for name in took if name != "GRU"}
    return row


# ---------------------------------------------------------------------------------------------------------------------
# Criteria. A live row has but some of the kinds.
# ---------------------------------------------------------------------------------------------------------------------
def _reproduction(task, measure, paper, claim, reported, criterion, holds):
    return Reproduction(
        key=f"choosing-{task}",
        lesson="16",
        paper=paper,
        claim=claim,
        reported=reported,
        criterion=criterion,
        seeds=range(3),
        measure=measure,
        holds=holds,
        measured=lambda rows: "; ".join(
            f"{kind} {spread(rows, kind, '.3f')}" for kind in MILLISECONDS[task] if kind in rows[0]
        ),
    )


def _between(rows, kinds, low, high):
    """Whether what these kinds leave lies between the bounds. A live row has but some of the kinds."""
    return all(low < row[kind] < high for row in rows for kind in kinds if kind in row)


def _adding_holds(rows):
    learned, did_not = ("Conv1D", "GRU", "minGRU"), ("tanh", "LSTM", "Transformer")
    return _between(rows, learned, -1, 0.02) and _between(rows, did_not, 0.1, 0.2)


def _order_holds(rows):
    by_seed = {kind: [row[kind] for row in rows if kind in row] for kind in ("tanh", "LSTM", "GRU")}
    return (
        _between(rows, ("Conv1D", "minGRU"), -1, 0.1)
        and _between(rows, ("Transformer",), 0.2, 0.7)
        and all(min(left) < 0.1 and max(left) > 0.2 for left in by_seed.values() if len(left) > 1)
    )


def _letters_hold(rows):
    return (
        _between(rows, ("minGRU",), 2.5, 3.1)
        and _between(rows, ("tanh", "LSTM", "GRU"), 2.5, 3.6)
        and _between(rows, ("Conv1D", "Transformer"), 3.6, 5)
    )


def _parity_holds(rows):
    """A live row has the accuracies at PLACES of some kinds."""
    far = [
        (kind in ("LSTM", "GRU", "linear ±"), row[f"{kind} right"][-1])
        for row in rows
        for kind in MILLISECONDS["parity"]
        if f"{kind} right" in row
    ]
    return all(right > 0.9 if tracks else 0.4 < right < 0.6 for tracks, right in far)


def _copying_holds(rows):
    others = [kind for kind in MILLISECONDS["copying"] if kind != "Transformer"]
    return _between(rows, ("Transformer",), -1, 0.1) and _between(rows, others, 0.6, 0.9)


def _scans_hold(rows):
    return all(
        row["1 4096 16 chunked"] > 1 and row["8 16384 64 doubling"] < 1 and row["step minGRU, loop"] > 1 for row in rows
    )


def _rates_hold(rows):
    return best_rates(rows) == RATE


def best_control_rates(rows):
    """Choose the rate of each control, as :func:`best_rates` does."""
    return {name: RATES[int(np.argmin(np.mean([row[name] for row in rows], axis=0)))] for name in CONTROLS}


def _control_rates_hold(rows):
    return best_control_rates(rows) == CONTROL_RATE


def _controls_hold(rows):
    """Far behind the Transformer of the table, which leaves less than .1."""
    return _between(rows, CONTROLS, 0.6, 0.9)


def _far_holds(rows):
    """A live row has but some of the kinds."""
    keep = all(_rights(rows, kind, 0.99, 1.01) for kind in ("LSTM", "GRU"))
    return keep and _rights(rows, "linear ±", 0.4, 0.6)


def _rights(rows, kind, low, high):
    return all(low < row[f"{kind} right"][-1] < high for row in rows if f"{kind} right" in row)


REPRODUCTIONS = (
    Reproduction(
        key="choosing-rates",
        lesson="16",
        paper="The learning rate of each kind on each task",
        claim="the best rate depends on the kind and on the task, so one rate for all would choose the winner",
        reported="not a paper's figure",
        criterion=f"the rate that each kind has on a task is the one of {len(RATES)} that left least, on the mean over "
        "two seeds that are used nowhere else; of equal ones, the smaller",
        seeds=range(100, 102),
        measure=measure_rates,
        holds=_rates_hold,
        measured=lambda rows: "; ".join(
            f"{task}: " + ", ".join(f"{kind} {rate:g}" for kind, rate in kinds.items())
            for task, kinds in best_rates(rows).items()
        ),
    ),
    _reproduction(
        "adding",
        measure_adding,
        "Bai et al. 2018",
        "a convolution adds two marked numbers where an LSTM does not; here a GRU does, too",
        "a convolution ahead of an LSTM, at T = 200 and 600",
        "after 4 seconds convolution, GRU and minGRU below .02; tanh, LSTM and Transformer above .1 (always 1: .167)",
        _adding_holds,
    ),
    _reproduction(
        "order",
        measure_order,
        "In the spirit of Hochreiter & Schmidhuber 1997, task 6a",
        "which kinds tell in two seconds in which order two symbols came",
        "solved by an LSTM, with more time",
        "after 2 seconds convolution and minGRU below 10 % wrong on every seed; tanh, LSTM and GRU on one seed below "
        "10 % and on another above 20 %; the Transformer above 20 % on every seed (guessing: 75 %)",
        _order_holds,
    ),
    _reproduction(
        "letters",
        measure_letters,
        "In the spirit of Karpathy et al. 2015",
        "with 5,000 weights and a few seconds no kind reaches the n-gram",
        "not in the paper, whose networks are larger",
        "after 2.5 seconds every kind above 2.5 bits a letter (the best n-gram: 2.0): minGRU below 3.1, tanh, LSTM and "
        "GRU below 3.6, convolution and Transformer above 3.6",
        _letters_hold,
    ),
    _reproduction(
        "parity",
        measure_parity,
        "Grazzi et al. 2025; Delétang et al. 2023",
        "parity beyond the trained length: recurrences and linear ones with negative factors, not those "
        "with positive ones, "
        "not Transformers",
        "positive eigenvalues cannot; RNN and LSTM reach 100 %, Transformers stay near chance",
        "trained to 40 steps, 2.5 seconds: at step 200 LSTM, GRU and the linear recurrence with factors "
        "in (-1, 1) above .9 right; tanh, convolution, Transformer and minGRU between .4 and .6",
        _parity_holds,
    ),
    _reproduction(
        "copying",
        measure_copying,
        "Jelassi et al. 2024",
        "Transformers copy, networks with a state of fixed size hardly",
        "two-layer Transformers copy strings of exponential length; the others are limited by their state",
        "trained to 40 symbols, 4 seconds: at 20 to 40 symbols the Transformer below 10 % wrong, the "
        "others above 60 % (guessing: 87.5 %)",
        _copying_holds,
    ),
    Reproduction(
        key="choosing-control-rates",
        lesson="16",
        paper="The learning rate of each control on copying",
        claim="the controls of copying have the same six rates as the kinds of the table",
        reported="not a paper's figure",
        criterion=f"the rate of a control is the one of {len(RATES)} that left least, on the mean over the two seeds "
        "on which the rates of the table were chosen; of equal ones, the smaller",
        seeds=range(100, 102),
        measure=measure_control_rates,
        holds=_control_rates_hold,
        measured=lambda rows: ", ".join(f"{name}: {rate:g}" for name, rate in best_control_rates(rows).items()),
    ),
    Reproduction(
        key="choosing-controls",
        lesson="16",
        paper="Control for Jelassi et al. 2024",
        claim="what copies is attention with aligned positions: not attention alone, and not the positions alone",
        reported="not a paper's figure",
        criterion="trained to 40 symbols, 4 seconds: at 20 to 40 symbols a Transformer whose positions go on and a GRU "
        "that gets the Transformer's positions above 60 % wrong (guessing: 87.5 %)",
        seeds=range(3),
        measure=measure_controls,
        holds=_controls_hold,
        measured=lambda rows: "; ".join(f"{name}: {spread(rows, name, '.3f')}" for name in CONTROLS if name in rows[0]),
    ),
    Reproduction(
        key="choosing-far",
        lesson="16",
        paper="After Grazzi et al. 2025 and Merrill et al. 2024",
        claim="a linear recurrence with factors inside (-1, 1) forgets parity in the end; LSTM and GRU do not",
        reported="not a paper's figure",
        criterion="the models of the table, trained to 40 steps, at steps 1,981 to 2,000: LSTM and GRU above 99 % "
        "right, the linear recurrence between 40 and 60 %",
        seeds=range(3),
        measure=measure_far,
        holds=_far_holds,
        measured=lambda rows: (
            "right at the end: "
            + "; ".join(
                f"{kind} {spread([{kind: row[f'{kind} right'][-1]} for row in rows], kind, '.3f')}"
                for kind in ("LSTM", "GRU", "linear ±")
                if f"{kind} right" in rows[0]
            )
        ),
    ),
    Reproduction(
        key="choosing-scans",
        lesson="16",
        paper="Martin & Cundy 2018; Feng et al. 2024",
        claim="a scan makes a linear recurrence fast; on one processor it saves steps, not operations",
        reported="on a graphics card up to 9 times (2018), 175 times at T = 512 (2024)",
        criterion="one thread, forward and backward: chunks ahead of the loop at batch 1, T = 4,096, 16 units; the "
        "loop "
        "ahead of doubling at batch 8, T = 16,384, 64 units; at T = 4,096 two layers of minGRU ahead of one GRU",
        seeds=range(3),
        measure=measure_scans,
        holds=_scans_hold,
        measured=lambda rows: (
            "times as fast as the loop, or as the GRU: "
            + "; ".join(f"{name} {spread(rows, name, '.1f')}" for name in rows[0] if name != "seed")
        ),
    ),
)
