"""The companion package of the course: everything a lesson imports, small enough to read.

Start with :mod:`course_lib.recurrent`. The direction of imports is lessons -> course_lib -> numpy;
only :mod:`course_lib.keras_models` imports TensorFlow, and only figures import matplotlib.
"""

from __future__ import annotations

__version__ = "0.1.0"


def setup(seed: int):
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
    """
    # Here, because `python -m course_lib doctor` must start without NumPy, and matplotlib takes long to import.
    import numpy as np

    from course_lib import plotting

    plotting.use_style()
    return np.random.default_rng(seed)
