"""The library of the course: everything a lesson imports, small enough to read.

Start with :mod:`course_lib.recurrent`. The library knows no lesson: :mod:`course_lib.teaching` stands on it, and the
lessons stand on both. Only the modules whose names begin in ``keras_`` import TensorFlow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__version__ = "0.1.0"


def setup(seed: int) -> np.random.Generator:
    """Begin a lesson: turn on the course's figure style and return the lesson's source of randomness.

    There is no global seed. Every random choice in the course takes a generator, so a cell's numbers
    depend on the generator it is given and on nothing else.

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

    plotting.use_style()
    return np.random.default_rng(seed)
