"""The library of the course: everything a lesson imports, small enough to read.

Start with :mod:`course_lib.recurrent`. The library knows no lesson: :mod:`course_lib.teaching` stands on it, and the
lessons stand on both. Only the modules whose names begin in ``keras_`` import TensorFlow.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__version__ = "0.1.0"


def setup(seed: int) -> np.random.Generator:
    """Begin a lesson: one thread, the course's figure style, and the lesson's source of randomness.

    There is no global seed. Every random choice in the course takes a generator, so a cell's numbers
    depend on the generator it is given and on nothing else.

    The matrices of a lesson are small. For these one thread is as fast as several, and where another program works
    beside the lesson, several wait for each other and take many times as long. Whoever sets ``OMP_NUM_THREADS`` or a
    variable of its kind before Python starts has chosen otherwise.

    Parameters
    ----------
    seed : int
        Seed of the generator. Another seed, another run: try it.

    Returns
    -------
    numpy.random.Generator
        What every random choice of the lesson is drawn from.
    """
    # Here, because `python -m course_lib doctor` must start without NumPy, and matplotlib takes long to import.
    import numpy as np

    from course_lib import plotting

    use_one_thread()
    watch_cells()
    plotting.use_style()
    show_notice()
    return np.random.default_rng(seed)


THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def use_one_thread() -> None:
    """Have NumPy's matrix products run on one thread, unless a variable of ``THREADS`` says otherwise."""
    if not any(os.environ.get(name) for name in THREADS):
        from threadpoolctl import threadpool_limits

        threadpool_limits(1, user_api="blas")


def show_notice() -> None:
    """Print what a classroom's server has to tell its learner: why a kernel was ended, for ten minutes."""
    path = os.environ.get("COURSE_NOTICE")
    if path and os.path.isfile(path):
        with open(path, encoding="utf-8") as file:
            print(file.read().strip())


def watch_cells() -> None:
    """Have a notebook show how far a cell's training is, and answer its stop button with a sentence."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        from course_lib import watch

        watch.install(shell)
