"""``SimpleRNN``: a tanh layer over whole sequences."""

from __future__ import annotations

import numpy as np

from course_lib.layers import Layer, glorot_uniform, orthogonal
from course_lib.recurrent.base import (
    _buffer,
    _gradient_or_zeros,
    _masked_outputs,
    _need_gradient,
    _output_gradients,
    _sequences,
    _state,
    _time_first,
    _time_major_mask,
)


class SimpleRNN(Layer):
    """h_t = tanh(x_t W_x + h_{t-1} W_h + b), over whole sequences.

    Parameters
    ----------
    features, units : int
        Size of x_t and of h_t.
    rng : numpy.random.Generator
        Draws W_x (Glorot uniform) and W_h (orthogonal); b starts at zero.
    dtype : numpy dtype
        float32 for training, float64 for gradient checks.

    Attributes
    ----------
    kernel : (features, units)
        W_x.
    recurrent_kernel : (units, units)
        W_h.
    bias : (units,)
        b.

    References
    ----------
    Elman 1990, Finding structure in time; masks as in Keras' ``SimpleRNN(return_sequences=True, return_state=True)``.
    """

    weight_names = ("kernel", "recurrent_kernel", "bias")
    recurrent = True

    def __init__(self, features, units, *, rng, dtype=np.float32):
        self.features, self.units, self.dtype = features, units, np.dtype(dtype)
        self.kernel = glorot_uniform((features, units), rng, dtype)
        self.recurrent_kernel = orthogonal((units, units), rng, dtype)
        self.bias = np.zeros(units, dtype)

    def forward(self, x, initial_state=None, mask=None, training=False):
        """Run over the sequences.

        Parameters
        ----------
        x : (batch, time, features)
        initial_state : (batch, units), optional
            h_0; zeros without it.
        mask : (batch, time) of bool, optional
            False marks padding: the state is kept and the last real output repeated (0 before a row's first).

        Returns
        -------
        outputs : (batch, time, units)
        final_state : (batch, units)
            h_T.

        Raises
        ------
        ValueError, TypeError
            For a shape or kind that does not fit; the message says which was expected.
        """
        x = _sequences(x, self.features, "SimpleRNN").astype(self.dtype, copy=False)
        batch, time, _ = x.shape
        live = _time_major_mask(mask, batch, time, "SimpleRNN")
        states = _buffer(self, "states", time + 1, batch, self.units)
        states[0] = _state(initial_state, batch, self.units, self.dtype, "SimpleRNN")

        xs = _time_first(self, x)
        np.matmul(xs.reshape(time * batch, -1), self.kernel, out=states[1:].reshape(time * batch, -1))
        states[1:] += self.bias
        for t in range(time):
            h = states[t + 1]  # holds x_t W_x + b until the next two lines
            h += states[t] @ self.recurrent_kernel
            np.tanh(h, out=h)
            if live is not None:
                np.copyto(h, states[t], where=~live[t])

        self._cache = xs, states, live
        return _masked_outputs(states, live), states[-1].copy()

    def backward(self, d_outputs, d_final_state=None, input_gradient=True):
        """Carry blame back through every step.

        Parameters
        ----------
        d_outputs : (batch, time, units) or None
            ∂L/∂outputs. At a masked step it goes to the step whose output was repeated, or nowhere if none was.
        d_final_state : (batch, units), optional
            ∂L/∂final_state.

        Returns
        -------
        dx : (batch, time, features)
            ∂L/∂x.
        d_initial_state : (batch, units)
            ∂L/∂h_0.

        ``grads`` then holds ∂L/∂kernel, ∂L/∂recurrent_kernel and ∂L/∂bias.
        """
        xs, states, live = self._need_forward()
        time, batch, _ = xs.shape
        _need_gradient(self, d_outputs, d_final_state)
        d_outputs = _output_gradients(d_outputs, (batch, time, self.units), live, self.dtype)
        dh = _gradient_or_zeros(d_final_state, (batch, self.units), self.dtype, "d_final_state")

        das = np.square(states[1:], out=_buffer(self, "das", time, batch, self.units))
        np.subtract(1, das, out=das)  # the slopes of tanh at all steps, to become ∂L/∂a_t
        for t in reversed(range(time)):
            if live is None:
                das[t] *= dh + d_outputs[t]
                dh = das[t] @ self.recurrent_kernel.T
            else:
                das[t] *= np.where(live[t], dh + d_outputs[t], 0)
                dh = np.where(live[t], das[t] @ self.recurrent_kernel.T, dh)

        flat_das = das.reshape(time * batch, -1)
        self.grads = [
            xs.reshape(time * batch, -1).T @ flat_das,
            states[:-1].reshape(time * batch, -1).T @ flat_das,
            flat_das.sum(axis=0),
        ]
        if not input_gradient:
            return None, dh
        dx = (flat_das @ self.kernel.T).reshape(time, batch, -1)
        return dx.transpose(1, 0, 2).copy(), dh
