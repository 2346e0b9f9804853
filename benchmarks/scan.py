"""What a scan buys on one core: the scans of ``course_lib.linear_recurrence`` beside the loop, and a training step.

``make bench`` runs it. All run in this process, one after the other in a new order at each repeat, on one thread, so
that the ratio of two times means something even while other programs are at work.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from _children import described, machine, options, table, write
from threadpoolctl import threadpool_limits

from course_lib.layers import Dense
from course_lib.linear_recurrence import SCANS, MinGRU, scan_backward
from course_lib.losses import SoftmaxCrossEntropy
from course_lib.model import Model
from course_lib.optimizers import Adam
from course_lib.recurrent import GRU

SIZES = [(32, 40, 128), (1, 256, 16), (1, 4_096, 16), (1, 65_536, 16), (8, 65_536, 64), (8, 16_384, 256)]
STEP = (2, 4_096, 64)  # batch, time, units of a training step; 32 numbers in, 32 symbols out
FEATURES = SYMBOLS = 32


def in_turn(sides, repeats, seconds):
    """Time some functions in turn, each first in its turn.

    Parameters
    ----------
    sides : dict of str to callable
        What is timed; the first is what the others are compared with.
    repeats : int
        How often each is timed.
    seconds : float
        How long a timing takes at least, by calling the function so many times; never less than once.

    Returns
    -------
    list of dict
        "side", "ms" (the median of a call), "ratio" (the median over the repeats of its time ÷ the first one's),
        "lowest" and "highest" (the ratio's quartiles).
    """
    calls = {}
    for name, function in sides.items():
        function()  # what is slow the first time
        calls[name] = max(1, round(seconds / max(timed(function, 1), 1e-9)))
    names = list(sides)
    spent = {name: [] for name in names}
    for repeat in range(repeats):
        first = repeat % len(names)
        for name in names[first:] + names[:first]:
            spent[name].append(1e3 * timed(sides[name], calls[name]))
    ratios = {name: np.divide(spent[name], spent[names[0]]) for name in names}
    return [
        dict(
            side=name,
            ms=float(np.median(spent[name])),
            ratio=float(np.median(ratios[name])),
            lowest=float(np.quantile(ratios[name], 0.25)),
            highest=float(np.quantile(ratios[name], 0.75)),
        )
        for name in names
    ]


def timed(function, calls):
    """Seconds of a call, the mean over some."""
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - start) / calls


def scans_of(batch, length, units):
    """A function for each scan, forwards and backwards, on factors in (0, 1) laid out as a layer hands them over."""
    rng = np.random.default_rng(0)
    a, b, d = (  # time first in memory
        draw(size=(length, batch, units)).astype(np.float32).transpose(1, 0, 2)
        for draw in (rng.uniform, rng.normal, rng.normal)
    )

    def both(scan):
        return lambda: scan_backward(d, a, scan(a, b), scan=scan)

    return {name: (lambda scan=scan: scan(a, b)) for name, scan in SCANS.items()}, {
        name: both(scan) for name, scan in SCANS.items()
    }


def steps_of(batch, length, units):
    """A training step of a GRU, and of two layers of minimal GRUs with each of two scans."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, length, FEATURES)).astype(np.float32)
    y = rng.integers(0, SYMBOLS, size=(batch, length))

    def step(*layers):
        model, optimizer = Model([*layers, Dense(units, SYMBOLS, rng=rng)], SoftmaxCrossEntropy()), Adam()
        return lambda: model.train_on_batch(x, y, optimizer=optimizer)

    def minimal(scan):
        return step(MinGRU(FEATURES, units, rng=rng, scan=scan), MinGRU(units, units, rng=rng, scan=scan))

    return {
        "GRU": step(GRU(FEATURES, units, rng=rng)),
        "2 minGRU, sequential": minimal("sequential"),
        "2 minGRU, chunked": minimal("chunked"),
    }


def cells(rows):
    """Rows of in_turn as cells, for a table."""
    return [
        [row["side"], f"{row['ms']:.3g}", f"{row['ratio']:.2f}", f"{row['lowest']:.2f} to {row['highest']:.2f}"]
        for row in rows
    ]


def report(results, steps, about, size=STEP):
    """The tables, in Markdown."""
    heads = ["one thread, float32", "ms", "÷ first", "half of the repeats"]
    parts = ["# Scans\n", described(about), ""]
    for (batch, length, units), forwards, both in results:
        named = [dict(row, side=f"{row['side']}, and back") for row in both]
        parts += [f"Batch {batch}, T {length:,}, {units} units:\n", table(heads, cells(forwards)), ""]
        parts += [table(heads, cells(named)), ""]
    batch, length, units = size
    parts += [f"A training step, batch {batch}, T {length:,}, {units} units:\n", table(heads, cells(steps))]
    return "\n".join(parts)


def main(arguments=None):
    chosen = options(__doc__.splitlines()[0], arguments)
    if chosen.against:
        return  # another checkout is measured beside this one by speed.py alone
    sizes, size, repeats, seconds = ([(2, 20, 4)], (2, 20, 4), 3, 0.001) if chosen.quick else (SIZES, STEP, 5, 0.05)
    about, results = machine([]), []
    about["libraries"] = [f"NumPy {np.__version__}"]
    with threadpool_limits(1):
        for case in sizes:
            print("batch {}, T {:,}, {} units ...".format(*case), file=sys.stderr, flush=True)
            results.append((case, *(in_turn(sides, repeats, seconds) for sides in scans_of(*case))))
        steps = in_turn(steps_of(*size), repeats, seconds)
    record = {
        "machine": about,
        "quick": chosen.quick,
        "scans": [dict(case=case, forwards=forwards, both=both) for case, forwards, both in results],
        "steps": dict(case=size, rows=steps),
    }
    write(chosen.out, "scan", report(results, steps, about, size), record)


if __name__ == "__main__":
    main()
