"""Linear recurrences, h_t = a_t ⊙ h_{t-1} + b_t: the scans that compute them, and layers that are made of one.

Where a step is linear in the state, and a_t and b_t do not depend on it, the steps can be put together before the state
is known: (a, b) followed by (a', b') is the one step (a'⊙a, a'⊙b + b'). That rule is associative, so the states of a
sequence can be computed in few *rounds* in place of one step after the other. The four scans here differ in that alone:

============================  ==================  =======================  ================================
scan                          rounds              multiplications          where it pays
============================  ==================  =======================  ================================
:func:`scan_sequential`       T                   T                        wide states, large batches
:func:`scan_chunked`          2√T                 3T                       long, narrow, on a processor
:func:`scan_doubling`         log₂ T              2T log₂ T                many processors, short sequences
:func:`scan_blelloch`         2 log₂ T            3T                       many processors
============================  ==================  =======================  ================================

None of them divides. With A_t the product of a_1 to a_t, h_t = A_t Σ_s b_s / A_s is true as well, and NumPy has it in
one line, ``cumprod`` and ``cumsum``; but A_t is below the smallest float after a few hundred steps, and 0/0 is NaN.

The backward pass of a linear recurrence is one, too, in the other direction of time: see :func:`scan_backward`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from course_lib.base_layer import Layer, _as_floats
from course_lib.layers import ACTIVATIONS, glorot_uniform
from course_lib.recurrent.base import (
    _as_sequences,
    _gradient_or_zeros,
    _need_gradient,
    _state_or_zeros,
    _time_first_mask,
)

Scan = Callable[..., np.ndarray]  # (factors, inputs, initial_state=None) -> states


# ---------------------------------------------------------------------------------------------------------------------
# Scans
# ---------------------------------------------------------------------------------------------------------------------
def scan_sequential(factors: ArrayLike, inputs: ArrayLike, initial_state: ArrayLike | None = None) -> np.ndarray:
    """h_t = a_t ⊙ h_{t-1} + b_t, one step after the other.

    Parameters
    ----------
    factors : (batch, time, units) array of float
        a_1 to a_T. Factors that do not depend on the step need no copies: ``np.broadcast_to(a, inputs.shape)``.
    inputs : (batch, time, units) array of float
        b_1 to b_T.
    initial_state : (batch, units) array, optional
        h_0; zeros without it.

    Returns
    -------
    (batch, time, units) array
        h_1 to h_T.

    Raises
    ------
    ValueError, TypeError
        If the shapes do not belong together, there is no step, or the numbers are no real ones.

    Examples
    --------
    >>> half, one = np.full((1, 4, 1), 0.5), np.ones((1, 4, 1))
    >>> scan_sequential(half, one).ravel()
    array([1.   , 1.5  , 1.75 , 1.875])
    """
    return _batch_first(_one_by_one(*_started(factors, inputs, initial_state)))


def _one_by_one(a, h):
    """Inputs h become the states, in place, as in all the functions below; time is the first axis."""
    for t in range(1, len(h)):
        h[t] += a[t] * h[t - 1]
    return h


def scan_chunked(
    factors: ArrayLike, inputs: ArrayLike, initial_state: ArrayLike | None = None, *, length: int | None = None
) -> np.ndarray:
    """The same, in chunks of time: the first steps of all chunks at once, then the second ones, and so on.

    Each chunk begins with a state of zeros, and remembers the product of its factors so far. Then the true states at
    the chunks' ends follow one after the other, and each is added, times that product, to the next chunk.

    Parameters
    ----------
    factors, inputs, initial_state
        Those of :func:`scan_sequential`.
    length : int, optional
        Steps in a chunk; by default about √T, which makes the fewest rounds.

    Returns
    -------
    (batch, time, units) array
        h_1 to h_T.

    Raises
    ------
    ValueError, TypeError
        As :func:`scan_sequential`, and if the length is below 1.
    """
    a, h = _started(factors, inputs, initial_state)
    time, batch, units = h.shape
    length = math.isqrt(time - 1) + 1 if length is None else length
    if length < 1:
        raise ValueError(f"A chunk has at least one step, but got length={length}. Leave it out for about √T.")
    chunks = -(-time // length)
    padding = [(0, chunks * length - time), (0, 0), (0, 0)]
    products, states = (np.pad(x, padding).reshape(chunks, length, batch, units) for x in (a, h))
    for j in range(1, length):
        states[:, j] += products[:, j] * states[:, j - 1]
        products[:, j] *= products[:, j - 1]
    ends = _one_by_one(products[:, -1], states[:, -1].copy())
    states[1:] += products[1:] * ends[:-1, None]
    return _batch_first(states.reshape(-1, batch, units)[:time])


def scan_doubling(factors: ArrayLike, inputs: ArrayLike, initial_state: ArrayLike | None = None) -> np.ndarray:
    """The same, in log₂ T rounds: after round k each step has taken in the 2ᵏ steps up to itself.

    Every round works on all steps, so it costs log₂ T times as many multiplications; it is meant for as many processors
    as there are steps.

    Parameters
    ----------
    factors, inputs, initial_state
        Those of :func:`scan_sequential`.

    Returns
    -------
    (batch, time, units) array
        h_1 to h_T.

    References
    ----------
    Hillis and Steele 1986, Data parallel algorithms.
    """
    a, h = _started(factors, inputs, initial_state)
    a, reach = a.copy(), 1
    while reach < len(h):
        h[reach:] += a[reach:] * h[:-reach]
        a[reach:] *= a[:-reach]
        reach *= 2
    return _batch_first(h)


def scan_blelloch(factors: ArrayLike, inputs: ArrayLike, initial_state: ArrayLike | None = None) -> np.ndarray:
    """The same, in 2 log₂ T rounds without the extra multiplications: pairs of steps become one step each.

    The half as long sequence of pairs is scanned in the same way; that gives every second state, and each of those is
    one step away from a state in between.

    Parameters
    ----------
    factors, inputs, initial_state
        Those of :func:`scan_sequential`.

    Returns
    -------
    (batch, time, units) array
        h_1 to h_T.

    References
    ----------
    Blelloch 1990, Prefix sums and their applications, section 1.4 (recurrences of first order).
    """
    return _batch_first(_paired(*_started(factors, inputs, initial_state)))


def _paired(a, h):
    if len(h) > 1:
        even, odd = slice(0, len(h) - 1, 2), slice(1, None, 2)  # the first and the second steps of the pairs
        h[odd] = _paired(a[odd] * a[even], h[odd] + a[odd] * h[even])
        h[2::2] += a[2::2] * h[1:-1:2]
    return h


SCANS: dict[str, Scan] = {
    "sequential": scan_sequential,
    "chunked": scan_chunked,
    "doubling": scan_doubling,
    "blelloch": scan_blelloch,
}


def scan_backward(
    d_states: np.ndarray,
    factors: np.ndarray,
    states: np.ndarray,
    initial_state: np.ndarray | None = None,
    scan: Scan = scan_sequential,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Backpropagate through a scan, whichever it was: δh_t = ∂L/∂h_t + a_{t+1} ⊙ δh_{t+1}, the recurrence reversed.

    Then ∂L/∂b_t = δh_t, ∂L/∂a_t = δh_t ⊙ h_{t-1} and ∂L/∂h_0 = a_1 ⊙ δh_1, each for all steps at once.

    Parameters
    ----------
    d_states : (batch, time, units) array
        ∂L/∂h_t, without what comes back from later steps.
    factors : (batch, time, units) array
        a_1 to a_T, as the scan got them.
    states : (batch, time, units) array
        h_1 to h_T, what the scan returned.
    initial_state : (batch, units) array, optional
        h_0, if the scan got one.
    scan : callable
        What computes the recurrence backwards: one of the scans of this module.

    Returns
    -------
    d_factors : (batch, time, units) array
        ∂L/∂a_t.
    d_inputs : (batch, time, units) array
        ∂L/∂b_t.
    d_initial_state : (batch, units) array
        ∂L/∂h_0.

    Raises
    ------
    ValueError
        If the shapes do not belong together.

    References
    ----------
    Martin and Cundy 2018, Parallelizing linear recurrent neural nets over sequence length.

    Examples
    --------
    >>> half, one = np.full((1, 4, 1), 0.5), np.ones((1, 4, 1))
    >>> d_states = np.array([0.0, 0.0, 0.0, 1.0]).reshape(1, 4, 1)  # L = h_4
    >>> d_factors, d_inputs, d_start = scan_backward(d_states, half, scan_sequential(half, one))
    >>> d_inputs.ravel(), d_start.item()
    (array([0.125, 0.25 , 0.5  , 1.   ]), 0.0625)
    """
    if not np.shape(d_states) == np.shape(factors) == np.shape(states):
        raise ValueError(
            f"Gradient, factors and states are those of one scan and have one shape, but got {np.shape(d_states)}, "
            f"{np.shape(factors)} and {np.shape(states)}. Leave out initial_state's place: states begin with h_1."
        )
    from_next = np.concatenate([factors[:, 1:], np.zeros_like(factors[:, :1])], axis=1)  # a_{t+1}; none after the last
    d_inputs = scan(from_next[:, ::-1], d_states[:, ::-1])[:, ::-1]
    before = np.zeros_like(states[:, :1]) if initial_state is None else np.asarray(initial_state)[:, None]
    d_factors = d_inputs * np.concatenate([before, states[:, :-1]], axis=1)
    return d_factors, d_inputs, factors[:, 0] * d_inputs[:, 0]


def _started(factors, inputs, initial_state):
    """Factors, and a copy of the inputs with a_1 ⊙ h_0 added to the first: both (time, batch, units)."""
    a, b = _as_floats(factors, "A scan"), _as_floats(inputs, "A scan")
    if a.ndim != 3 or a.shape != b.shape or a.shape[1] == 0:
        raise ValueError(
            f"A scan takes factors and inputs of one shape (batch, time, units), with at least one step, but got "
            f"{a.shape} and {b.shape}. One sequence alone? Write a[None]. The same factors at each step? Write "
            f"np.broadcast_to(a, b.shape)."
        )
    a, h = a.transpose(1, 0, 2), b.transpose(1, 0, 2).astype(np.result_type(a, b), order="C")
    if initial_state is not None:
        h[0] += a[0] * _state_or_zeros(initial_state, *h[0].shape, h.dtype, "A scan")
    return a, h


def _batch_first(states):
    """(time, batch, units) -> (batch, time, units), a view: in memory time stays first, so that a step is one block."""
    return states.transpose(1, 0, 2)


# ---------------------------------------------------------------------------------------------------------------------
# Layers
# ---------------------------------------------------------------------------------------------------------------------
class LinearRecurrentLayer(Layer):
    """A recurrent layer whose step is linear in the state. A subclass says what a_t and b_t are.

    Both are made of x_t alone, by sums that are computed for all steps at once; what is left is a scan.

    Parameters
    ----------
    features, units : int
        Size of x_t and of h_t.
    scan : str
        A name in ``SCANS``. All compute the same states but for rounding.
    rng : numpy.random.Generator
        Draws the kernel (Glorot uniform, both parts in one piece); the bias starts at zero.
    dtype : numpy dtype
        float32 for training, float64 for gradient checks. Inputs are cast to it.

    Attributes
    ----------
    kernel : (features, 2·units) array
        Of the two sums, side by side.
    bias : (2·units,) array
        Likewise. There is no recurrent kernel: units do not see each other.

    Raises
    ------
    ValueError
        If there is no scan of that name.
    """

    weight_names = ("kernel", "bias")
    recurrent = True

    def __init__(self, features: int, units: int, scan: str, rng: np.random.Generator, dtype: DTypeLike) -> None:
        if scan not in SCANS:
            raise ValueError(f"scan is one of {', '.join(map(repr, SCANS))}, but got {scan!r}.")
        self.features, self.units, self.scan, self.dtype = features, units, scan, np.dtype(dtype)
        self.kernel = glorot_uniform((features, 2 * units), rng, dtype)
        self.bias = np.zeros(2 * units, dtype)

    def forward(
        self,
        x: ArrayLike,
        initial_state: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        training: bool = False,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compute the states of all steps.

        Parameters
        ----------
        x : (batch, time, features) array of float
            The sequences.
        initial_state : (batch, units) array, optional
            h_0; zeros without it.
        mask : (batch, time) array of bool, optional
            False marks padding: the state is kept and the last real output repeated (0 before a row's first).
        training : bool
            Makes no difference.

        Returns
        -------
        outputs : (batch, time, units) array
            h_1 to h_T.
        final_state : (batch, units) array
            h_T.

        Raises
        ------
        ValueError, TypeError
            For a shape or kind that does not fit; the message says which was expected.
        """
        name = type(self).__name__
        x = _as_sequences(x, self.features, name, self.dtype)
        batch, time, _ = x.shape
        xs = x.transpose(1, 0, 2).reshape(time * batch, -1)  # as in a scan, time is first in memory
        xs = xs.copy() if np.shares_memory(xs, x) else xs  # the caller may write into theirs before backward
        mask = _time_first_mask(mask, batch, time, name)
        h0 = _state_or_zeros(initial_state, batch, self.units, self.dtype, name).copy()
        sums = _batch_first((xs @ self.kernel + self.bias).reshape(time, batch, -1))
        a, b, kept = self._terms(*np.split(sums, 2, axis=-1))
        begun = 1.0  # whether the row's first real step has been
        if mask is not None:  # a masked step is h_t = 1 h_{t-1} + 0
            mask = mask.transpose(1, 0, 2)
            a, b = np.where(mask, a, 1), np.where(mask, b, 0)
            begun = np.logical_or.accumulate(mask, axis=1)
        states = SCANS[self.scan](a, b, h0)
        self._cache = xs, mask, begun, h0, a, states, kept
        return np.multiply(states, begun, order="C", dtype=self.dtype), states[:, -1].copy()

    def backward(
        self, d_outputs: np.ndarray | None, d_final_state: np.ndarray | None = None, input_gradient: bool = True
    ) -> tuple[np.ndarray | None, np.ndarray]:
        """Backpropagate, by the same scan in the other direction; leaves ∂L/∂kernel and ∂L/∂bias in ``grads``.

        Parameters
        ----------
        d_outputs : (batch, time, units) array or None
            ∂L/∂outputs. At a masked step it goes to the step whose output was repeated, or nowhere if none was.
        d_final_state : (batch, units) array, optional
            ∂L/∂h_T.
        input_gradient : bool
            Whether ∂L/∂x is wanted.

        Returns
        -------
        dx : (batch, time, features) array, or None
            ∂L/∂x.
        d_initial_state : (batch, units) array
            ∂L/∂h_0.

        Raises
        ------
        ValueError
            If both gradients are None or a shape does not fit.
        RuntimeError
            If there was no forward pass.
        """
        xs, mask, begun, h0, a, states, kept = self._need_forward()
        _need_gradient(self, d_outputs, d_final_state)
        d_states = _gradient_or_zeros(d_outputs, states.shape, self.dtype, "d_outputs") * begun
        d_states[:, -1] += _gradient_or_zeros(d_final_state, h0.shape, self.dtype, "d_final_state")
        da, db, d_initial = scan_backward(d_states, a, states, h0, SCANS[self.scan])
        if mask is not None:
            da, db = np.where(mask, da, 0), np.where(mask, db, 0)
        batch, time, _ = states.shape
        d_sums = np.concatenate(self._backward_terms(da, db, kept), axis=-1).transpose(1, 0, 2).reshape(len(xs), -1)
        self.grads = [xs.T @ d_sums, d_sums.sum(axis=0)]
        dx = (d_sums @ self.kernel.T).reshape(time, batch, -1).transpose(1, 0, 2).copy() if input_gradient else None
        return dx, d_initial

    def _terms(self, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple]:
        """From the two sums, (batch, time, units) each: a, b, and what _backward_terms needs."""
        raise NotImplementedError

    def _backward_terms(self, da: np.ndarray, db: np.ndarray, kept: tuple) -> tuple[np.ndarray, np.ndarray]:
        """From ∂L/∂a and ∂L/∂b: ∂L/∂(the two sums)."""
        raise NotImplementedError


class GatedLinearRecurrence(LinearRecurrentLayer):
    """h_t = a_t ⊙ h_{t-1} + b_t with a factor of its own for each unit and step.

    - a_t = σ(x_t W_a + b_a), between 0 and 1; or tanh(x_t W_a + b_a), between -1 and 1;
    - b_t = x_t W_b + b_b.

    The factors are the eigenvalues of the step's matrix, which is diagonal. With all of them above 0, a state that gets
    the same input again and again moves in one direction only: h_{t+1} - h_t = a (h_t - h_{t-1}), and the sign stays.
    So it cannot count to two, and parity is the smallest task that shows it. A factor of -1 changes the state's sign.

    Parameters
    ----------
    features, units : int
        Size of x_t and of h_t.
    rng : numpy.random.Generator
        Draws the kernel (Glorot uniform, both parts in one piece); the bias starts at zero.
    negative_eigenvalues : bool
        Whether factors are between -1 and 1 (tanh) or between 0 and 1 (sigmoid).
    scan : str
        A name in ``SCANS``.
    dtype : numpy dtype
        float32 for training, float64 for gradient checks. Inputs are cast to it.

    Attributes
    ----------
    kernel : (features, 2·units) array
        W_a and W_b, side by side.
    bias : (2·units,) array
        b_a and b_b. A larger b_a keeps longer, like the bias of an LSTM's forget gate.

    References
    ----------
    Martin and Cundy 2018, Parallelizing linear recurrent neural nets over sequence length; Grazzi et al. 2025,
    Unlocking state-tracking in linear RNNs through negative eigenvalues (2σ(s) - 1 = tanh(s/2) for a factor); Merrill,
    Petty and Sabharwal 2024, The illusion of state in state-space models.

    Examples
    --------
    Parity by hand: h ← (1 - 2x) h + x turns 0 into 1 and 1 into 0 where x is 1, and keeps both where it is 0.

    >>> layer = GatedLinearRecurrence(1, 1, rng=np.random.default_rng(0), negative_eigenvalues=True)
    >>> layer.set_weights([[[-40.0, 1.0]], [20.0, 0.0]])
    >>> bits = np.array([1.0, 0.0, 1.0, 1.0, 0.0])
    >>> layer.forward(bits[None, :, None])[0].ravel()
    array([1., 1., 0., 1., 1.], dtype=float32)
    """

    def __init__(
        self,
        features: int,
        units: int,
        *,
        rng: np.random.Generator,
        negative_eigenvalues: bool = False,
        scan: str = "sequential",
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(features, units, scan, rng, dtype)
        self.negative_eigenvalues = negative_eigenvalues

    def _terms(self, first, second):
        a = ACTIVATIONS["tanh" if self.negative_eigenvalues else "sigmoid"][0](first)
        return a, second, (a,)

    def _backward_terms(self, da, db, kept):
        [a] = kept
        return da * ACTIVATIONS["tanh" if self.negative_eigenvalues else "sigmoid"][1](a), db


class MinGRU(LinearRecurrentLayer):
    """A GRU whose gate and candidate do not see the state, so that a scan can compute it.

    - z_t = σ(x_t W_z + b_z), the update gate;
    - h̃_t = x_t W_h + b_h, the candidate, without tanh;
    - h_t = (1 - z_t) ⊙ h_{t-1} + z_t ⊙ h̃_t.

    Here z = 1 takes the candidate, as in the paper; in :class:`~course_lib.recurrent.GRU`, as in Keras, it keeps the
    old state. There is no reset gate. The paper computes the scan on logarithms, and for that makes h̃ positive; the
    scans here need no logarithms.

    Parameters
    ----------
    features, units : int
        Size of x_t and of h_t.
    rng : numpy.random.Generator
        Draws the kernel (Glorot uniform, both parts in one piece); the bias starts at zero.
    scan : str
        A name in ``SCANS``.
    dtype : numpy dtype
        float32 for training, float64 for gradient checks. Inputs are cast to it.

    Attributes
    ----------
    kernel : (features, 2·units) array
        W_z and W_h, side by side.
    bias : (2·units,) array
        b_z and b_h. A smaller b_z keeps longer.

    References
    ----------
    Feng et al. 2024, Were RNNs all we needed?, section 3.1.

    Examples
    --------
    >>> layer = MinGRU(2, 8, rng=np.random.default_rng(0), scan="chunked")
    >>> outputs, final_state = layer.forward(np.zeros((3, 10, 2)))
    >>> outputs.shape, final_state.shape, layer.count_params()
    ((3, 10, 8), (3, 8), 48)
    """

    def __init__(
        self,
        features: int,
        units: int,
        *,
        rng: np.random.Generator,
        scan: str = "sequential",
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(features, units, scan, rng, dtype)

    def _terms(self, first, second):
        z = ACTIVATIONS["sigmoid"][0](first)
        return 1 - z, z * second, (z, second)

    def _backward_terms(self, da, db, kept):
        z, candidate = kept
        return (db * candidate - da) * z * (1 - z), db * z
