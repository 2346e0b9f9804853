"""Lesson 03: eigenvalues of initial recurrent matrices."""

from __future__ import annotations

import numpy as np

from course_lib import plotting


def draw_eigenvalues(ax, matrices, radius):
    """Draw the eigenvalues of matrices in the complex plane, with a circle around 0.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    matrices : dict of str to (units, units) array
        By the name of their initializer, a key of :data:`course_lib.plotting.INITIALIZER_STYLES`.
    radius : float
        Of the circle.
    """
    for name, matrix in matrices.items():
        z = np.linalg.eigvals(matrix)
        style = plotting.INITIALIZER_STYLES[name]
        ax.plot(z.real, z.imag, style["marker"], color=style["color"], markersize=4.5, label=name)
    turn = np.linspace(0, 2 * np.pi, 200)
    ax.plot(radius * np.cos(turn), radius * np.sin(turn), color=plotting.FOREGROUND, linestyle="--", linewidth=1.2)
    reach = 1.3 * radius
    ax.set(aspect="equal", xlabel="real part", ylabel="imaginary part", xlim=(-reach, reach), ylim=(-reach, reach))
