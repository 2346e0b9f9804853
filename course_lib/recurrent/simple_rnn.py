"""``SimpleRNN``: a tanh layer over whole sequences."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from course_lib.recurrent.base import RecurrentLayer, _buffer, _flat, _keep_masked


class SimpleRNN(RecurrentLayer):
    """h_t = tanh(x_t W_x + h_{t-1} W_h + b), over whole sequences.

    Parameters
    ----------
    features, units : int
        Size of x_t and of h_t.
    rng : numpy.random.Generator
        Draws W_x (Glorot uniform) and W_h (orthogonal); b starts at zero.
    dtype : numpy dtype
        float32 for training, float64 for gradient checks. Inputs are cast to it.

    Attributes
    ----------
    kernel : (features, units) array
        W_x.
    recurrent_kernel : (units, units) array
        W_h.
    bias : (units,) array
        b.

    References
    ----------
    Elman 1990, Finding structure in time; masks as in Keras' ``SimpleRNN(return_sequences=True, return_state=True)``.

    Examples
    --------
    >>> layer = SimpleRNN(2, 8, rng=np.random.default_rng(0))
    >>> outputs, final_state = layer.forward(np.zeros((3, 10, 2)))
    >>> outputs.shape, final_state.shape
    ((3, 10, 8), (3, 8))
    """

    def __init__(self, features: int, units: int, *, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> None:
        super().__init__(features, units, 1, rng, dtype)

    def _forward_steps(self, xs, mask, h):
        np.matmul(_flat(xs), self.kernel, out=_flat(h[1:]))
        h[1:] += self.bias
        for t in range(len(xs)):
            a = h[t + 1]  # x_t W_x + b, to become h_t
            a += h[t] @ self.recurrent_kernel
            np.tanh(a, out=a)
            _keep_masked([h], t, mask)
        return ()

    def _backward_steps(self, mask, h, d_outputs, dh):
        das = np.square(h[1:], out=_buffer(self, "das", *h[1:].shape))
        np.subtract(1, das, out=das)  # the slopes of tanh at all steps, to become ∂L/∂a_t
        for t in reversed(range(len(das))):
            if mask is None:
                das[t] *= dh + d_outputs[t]
                dh = das[t] @ self.recurrent_kernel.T
            else:  # a masked step has no gradient of its own, and passes on what it got
                das[t] *= np.where(mask[t], dh + d_outputs[t], 0)
                dh = np.where(mask[t], das[t] @ self.recurrent_kernel.T, dh)
        das = _flat(das)
        return das, _flat(h[:-1]).T @ das, das.sum(axis=0), dh
