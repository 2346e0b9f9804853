"""``python -m course_lib.teaching.reproduce [key ...]``: measure over all seeds, and record."""

from __future__ import annotations

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import date

import numpy as np

from course_lib.teaching.experiment import find, reproductions, timed, write


def main(keys):
    # One thread a process: two seeds at a time are faster than two threads on one. The processes are started afresh,
    # so that NumPy reads these when it is imported.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ[name] = "1"
    os.environ["COURSE_STATIC"] = "1"  # no bars from several processes at once
    all_held = True
    with ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as pool:
        for r in [find(key) for key in keys] or reproductions():
            print(f"{r.key}: {len(r.seeds)} seeds ...", flush=True)
            code = r.code_hash()  # before measuring, so that an edit meanwhile does not go unnoticed
            rows, seconds = zip(*pool.map(timed, [r.key] * len(r.seeds), r.seeds), strict=True)
            held = r.holds(rows)
            write(
                r,
                list(rows),
                seconds=sum(seconds),
                code_hash=code,
                full_run=date.today().isoformat(),
                numpy=np.__version__,
            )
            print(f"{r.key}: {'held' if held else 'NOT HELD'}, {r.measured(rows)}", flush=True)
            all_held = all_held and held
    return 0 if all_held else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
