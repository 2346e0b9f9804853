"""``python -m course_lib.results [key ...]``: measure the reproductions over all their seeds and record them."""
from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from course_lib.results import find, reproductions, write


def measure(key_and_seed):
    """One seed of one reproduction, with its seconds; by name, so that it can be sent to another process."""
    key, seed = key_and_seed
    start = time.perf_counter()
    row = {"seed": seed, **find(key).measure(seed)}
    return row, time.perf_counter() - start


def main(keys):
    chosen = [find(key) for key in keys] or reproductions()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for r in chosen:
            measured = list(pool.map(measure, [(r.key, seed) for seed in r.seeds]))
            write(r, [row for row, _ in measured], sum(seconds for _, seconds in measured))
            rows = [row for row, _ in measured]
            print(f"{r.key:24s} {'held    ' if r.held(rows) else 'NOT HELD'} {r.ours(rows)}", flush=True)
    return 0 if all(row["held"] for row in _board(chosen)) else 1


def _board(chosen):
    from course_lib.results import recorded

    return [{"held": recorded(r.key).held} for r in chosen]


if __name__ == "__main__":
    # one thread a process: two seeds at a time are faster than two threads on one, and threads do not change a figure
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ.setdefault(name, "1")
    sys.exit(main(sys.argv[1:]))
