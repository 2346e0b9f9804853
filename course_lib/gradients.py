"""Gradient checks by finite differences, and norms of gradients and Jacobians through time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike


def numerical_gradient(loss: Callable[[], float], array: np.ndarray, epsilon: float = 1e-5) -> np.ndarray:
    """∂loss/∂array by central differences: each number is changed by ±epsilon in turn.

    Parameters
    ----------
    loss : callable
        Takes nothing, returns a float that depends on ``array``, which is changed in place and put back.
    array : array of float64
        Float32 has too few digits for the difference of two nearly equal losses.
    epsilon : float
        Size of the change.

    Returns
    -------
    array of float64
        The shape of ``array``.

    Raises
    ------
    TypeError
        If the array is not float64.

    Examples
    --------
    >>> x = np.array([1.0, 3.0])
    >>> numerical_gradient(lambda: (x**2).sum(), x).round(6)
    array([2., 6.])
    """
    if array.dtype != np.float64:
        raise TypeError(
            f"A gradient check subtracts two nearly equal losses, which needs float64, but got an array of "
            f"{array.dtype}. Make the layer with dtype=np.float64 and give it float64 inputs."
        )
    gradient = np.empty_like(array)
    for index in np.ndindex(array.shape):
        kept = array[index]
        array[index] = kept + epsilon
        above = loss()
        array[index] = kept - epsilon
        below = loss()
        array[index] = kept
        gradient[index] = (above - below) / (2 * epsilon)
    return gradient


def relative_error(analytic: ArrayLike, numeric: ArrayLike, floor: float = 1e-9) -> float:
    """‖analytic - numeric‖ / (‖analytic‖ + ‖numeric‖), or 0 where the difference itself is below ``floor``.

    One number for a whole array: single entries near zero are beyond what float64 differences can resolve.

    Parameters
    ----------
    analytic, numeric : arrays of one shape
        The two gradients.
    floor : float
        Norm of a difference that counts as none.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    analytic, numeric = np.asarray(analytic), np.asarray(numeric)
    if analytic.shape != numeric.shape:
        raise ValueError(
            f"The two gradients have different shapes: {analytic.shape} and {numeric.shape}. A gradient "
            f"has the shape of the array it belongs to."
        )
    difference = np.linalg.norm(analytic - numeric)
    if difference < floor:
        return 0.0
    return float(difference / (np.linalg.norm(analytic) + np.linalg.norm(numeric)))


def check_gradients(
    loss: Callable[[], float],
    arrays: dict[str, np.ndarray],
    grads: dict[str, np.ndarray],
    tolerance: float = 1e-6,
    epsilon: float = 1e-5,
) -> dict[str, float]:
    """Compare hand-written gradients with finite differences, array by array.

    Parameters
    ----------
    loss : callable
        Takes nothing, returns a float that depends on the arrays.
    arrays : dict of str to float64 array
        By name; each number is changed in turn.
    grads : dict of str to array
        The hand-written gradients, same names.
    tolerance : float
        Largest :func:`relative_error` accepted.
    epsilon : float
        Size of the change of a number.

    Returns
    -------
    dict of str to float
        The relative error of each.

    Raises
    ------
    AssertionError
        Naming every array whose gradient is wrong, with its error.
    """
    errors = {
        name: relative_error(grads[name], numerical_gradient(loss, array, epsilon)) for name, array in arrays.items()
    }
    wrong = {name: error for name, error in errors.items() if not error < tolerance}
    if wrong:
        listed = ", ".join(f"{name} ({error:.1e})" for name, error in wrong.items())
        raise AssertionError(
            f"These gradients disagree with finite differences: {listed}. Right within {tolerance:g}: "
            f"{', '.join(n for n in errors if n not in wrong) or 'none'}."
        )
    return errors


def jacobian_norms(recurrent_kernel: np.ndarray, slopes: ArrayLike) -> np.ndarray:
    """How strongly the last state still depends on each earlier one: the spectral norm of ∂h_T/∂h_t.

    For h_t = f(… + h_{t-1} W_h), one step back multiplies by diag(f'_t) W_hᵀ; T - t steps multiply that many times.

    Parameters
    ----------
    recurrent_kernel : (units, units) array
        W_h.
    slopes : (time, units) array
        f'(a_t), the slope of the activation at each step: ``1 - h**2`` for tanh, ones for a linear network.

    Returns
    -------
    (time + 1,) array
        Entry t is ‖∂h_T/∂h_t‖₂; entry T is 1, entry 0 belongs to the initial state.

    Raises
    ------
    ValueError
        If the shapes do not fit each other.

    References
    ----------
    Pascanu, Mikolov and Bengio 2013, On the difficulty of training recurrent neural networks, section 2.
    """
    slopes = np.asarray(slopes)
    units = recurrent_kernel.shape[0]
    if recurrent_kernel.shape != (units, units) or slopes.ndim != 2 or slopes.shape[1] != units:
        raise ValueError(
            f"Expected recurrent_kernel (units, units) and slopes (time, units), but got "
            f"{recurrent_kernel.shape} and {slopes.shape}. One sequence at a time: pick a row."
        )
    norms = np.ones(len(slopes) + 1)
    jacobian = np.eye(units)  # ∂h_T/∂h_t in row convention: dh_t = dh_T @ jacobian
    for t in reversed(range(len(slopes))):
        jacobian = (jacobian * slopes[t]) @ recurrent_kernel.T
        norms[t] = np.linalg.norm(jacobian, 2)
    return norms


def gradient_norms(recurrent_kernel: np.ndarray, slopes: ArrayLike, d_states: ArrayLike) -> np.ndarray:
    """The norm of the gradient at each state, ‖∂L/∂h_t‖, over a whole batch.

    Where :func:`jacobian_norms` says how large a gradient could be, in the best of all directions, this says how large
    it is.

    Parameters
    ----------
    recurrent_kernel : (units, units) array
        W_h.
    slopes : (time, batch, units) array
        f'(a_t), the slope of the activation at each step: ``1 - h**2`` for tanh.
    d_states : (time, batch, units) array
        The gradient of each step's own loss for h_t, before backpropagation through time: δo_t W_yᵀ. For one loss at
        the end, zeros but for the last step.

    Returns
    -------
    (time + 1,) array
        Entry t is ‖∂L/∂h_t‖, the root of the sum of its squares over batch and units; entry 0 belongs to h_0.

    Raises
    ------
    ValueError
        If the shapes do not fit each other.

    References
    ----------
    Pascanu, Mikolov and Bengio 2013, On the difficulty of training recurrent neural networks, eqs. 3-5.
    """
    slopes, d_states = np.asarray(slopes), np.asarray(d_states)
    units = recurrent_kernel.shape[0]
    if recurrent_kernel.shape != (units, units) or slopes.ndim != 3 or slopes.shape[2] != units:
        raise ValueError(
            f"Expected recurrent_kernel (units, units) and slopes (time, batch, units), but got "
            f"{recurrent_kernel.shape} and {slopes.shape}. Time comes first here, as in `states`."
        )
    if d_states.shape != slopes.shape:
        raise ValueError(
            f"d_states has the shape of slopes, {slopes.shape}, one gradient for each state, but "
            f"got {d_states.shape}. For one loss at the end, fill the other steps with zeros."
        )
    norms = np.zeros(len(slopes) + 1)
    dh = np.zeros(slopes.shape[1:])
    for t in reversed(range(len(slopes))):
        dh = dh + d_states[t]
        norms[t + 1] = np.linalg.norm(dh)
        dh = (dh * slopes[t]) @ recurrent_kernel.T
    norms[0] = np.linalg.norm(dh)
    return norms


def spectral_radius(matrix: ArrayLike) -> float:
    """ρ, the largest absolute eigenvalue: by how much a matrix stretches, a step, when it is used again and again.

    The largest singular value, ``np.linalg.norm(matrix, 2)``, says by how much it can stretch when it is used once, and
    is never smaller.

    Parameters
    ----------
    matrix : (units, units) array
        Such as a recurrent kernel.

    Returns
    -------
    float
        ρ, at least 0.

    Raises
    ------
    ValueError
        If the matrix is not square.

    Examples
    --------
    >>> spectral_radius([[0.5, 9.0], [0.0, 0.25]])
    0.5
    """
    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(
            f"Only a square matrix has eigenvalues, but got shape {matrix.shape}. A recurrent kernel is (units, units)."
        )
    return float(np.abs(np.linalg.eigvals(matrix)).max())
