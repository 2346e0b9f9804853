"""``LSTM``: a cell that keeps what it holds, and three gates."""

from __future__ import annotations

import numpy as np

from course_lib.layers import Layer, glorot_uniform, orthogonal
from course_lib.recurrent.base import (
    _buffer,
    _by_gate,
    _gradient_or_zeros,
    _masked_outputs,
    _need_gradient,
    _output_gradients,
    _pair,
    _sequences,
    _state,
    _time_first,
    _time_major_mask,
)


class LSTM(Layer):
    """A cell that keeps what it holds, and three gates that decide what enters, what stays and what is shown.

    With σ the sigmoid and ⊙ the product entry by entry, and each gate with weights and bias of its own:

    - i_t = σ(x_t W_x + h_{t-1} W_h + b), the input gate; likewise the forget gate f_t and the output gate o_t;
    - g_t = tanh(x_t W_x + h_{t-1} W_h + b), the candidate (c̃_t on paper);
    - c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t, the cell;
    - h_t = o_t ⊙ tanh(c_t), the hidden state.

    Parameters
    ----------
    features, units : int
        Size of x_t, and of h_t and c_t.
    rng : numpy.random.Generator
        Draws the kernel (Glorot uniform) and the recurrent kernel (orthogonal), each for all gates in one piece.
    dtype : numpy dtype
        float32 for training, float64 for gradient checks.
    forget_bias : float
        The forget gate's bias at the start; the other biases start at zero. With 1 a new cell keeps about three
        quarters of its content at each step, with 0 about half.

    Attributes
    ----------
    kernel : (features, 4·units)
        W_x of the gates i, f, c (the candidate) and o, side by side.
    recurrent_kernel : (units, 4·units)
        W_h, likewise.
    bias : (4·units,)
        b, likewise.

    References
    ----------
    Hochreiter and Schmidhuber 1997, Long short-term memory; Gers, Schmidhuber and Cummins 2000, Learning to forget
    (the forget gate); Jozefowicz, Zaremba and Sutskever 2015, An empirical exploration of recurrent network
    architectures (its bias of 1); order of the gates and masks as in Keras' ``LSTM``.
    """

    weight_names = ("kernel", "recurrent_kernel", "bias")
    recurrent = True

    def __init__(self, features, units, *, rng, dtype=np.float32, forget_bias=1.0):
        self.features, self.units, self.dtype, self.forget_bias = features, units, np.dtype(dtype), forget_bias
        self.kernel = glorot_uniform((features, 4 * units), rng, dtype)
        self.recurrent_kernel = orthogonal((units, 4 * units), rng, dtype)
        self.bias = np.zeros(4 * units, dtype)
        self.bias[units : 2 * units] = forget_bias

    @property
    def gates(self):
        """What the gates were in the last forward pass: {"i", "f", "c" (the candidate), "o"}, (batch, time, units)."""
        gates = self._need_forward()[2]
        return dict(zip("ifco", gates.transpose(1, 2, 0, 3).copy(), strict=True))

    @property
    def cell_states(self):
        """c_1 to c_T of the last forward pass, (batch, time, units)."""
        return self._need_forward()[3][1:].transpose(1, 0, 2).copy()

    def forward(self, x, initial_state=None, mask=None, training=False):
        """Run over the sequences.

        Parameters
        ----------
        x : (batch, time, features)
        initial_state : pair of (batch, units), optional
            (h_0, c_0); zeros without it.
        mask : (batch, time) of bool, optional
            False marks padding: the states are kept and the last real output repeated (0 before a row's first).

        Returns
        -------
        outputs : (batch, time, units)
        final_state : pair of (batch, units)
            (h_T, c_T).

        Raises
        ------
        ValueError, TypeError
            For a shape or kind that does not fit; the message says which was expected.
        """
        x = _sequences(x, self.features, "LSTM").astype(self.dtype, copy=False)
        batch, time, _ = x.shape
        live = _time_major_mask(mask, batch, time, "LSTM")
        h, c = (_buffer(self, name, time + 1, batch, self.units) for name in "hc")
        tanh_c = _buffer(self, "tanh_c", time, batch, self.units)
        h_0, c_0 = _pair(initial_state, "LSTM takes an initial state as a pair, (h, c)")
        h[0], c[0] = (_state(s, batch, self.units, self.dtype, "LSTM") for s in (h_0, c_0))

        # σ(a) = 1/2 + 1/2 tanh(a/2): with the sums of i, f and o halved, one tanh serves all four
        half = np.array([0.5, 0.5, 1, 0.5], self.dtype).reshape(4, 1, 1)
        rest = 1 - half
        kernel, recurrent_kernel, bias = (_by_gate(w, self.units) * half for w in self.weights)

        xs = _time_first(self, x)
        gates = np.matmul(xs[:, None], kernel, out=_buffer(self, "gates", time, 4, batch, self.units))
        gates += bias
        for t in range(time):
            a = gates[t]  # x_t W_x + b, all four
            a += h[t] @ recurrent_kernel
            np.tanh(a, out=a)
            a *= half
            a += rest
            i, f, g, o = a
            c[t + 1] = f * c[t] + i * g
            tanh_c[t] = np.tanh(c[t + 1])
            h[t + 1] = o * tanh_c[t]
            if live is not None:
                for state in (h, c):
                    np.copyto(state[t + 1], state[t], where=~live[t])

        self._cache = xs, h, gates, c, tanh_c, live
        return _masked_outputs(h, live), (h[-1].copy(), c[-1].copy())

    def backward(self, d_outputs, d_final_state=None, input_gradient=True):
        """Carry blame back through every step.

        Parameters
        ----------
        d_outputs : (batch, time, units) or None
            ∂L/∂outputs. At a masked step it goes to the step whose output was repeated, or nowhere if none was.
        d_final_state : pair of (batch, units), optional
            (∂L/∂h_T, ∂L/∂c_T); either may be None.

        Returns
        -------
        dx : (batch, time, features)
            ∂L/∂x.
        d_initial_state : pair of (batch, units)
            (∂L/∂h_0, ∂L/∂c_0).

        ``grads`` then holds ∂L/∂kernel, ∂L/∂recurrent_kernel and ∂L/∂bias.
        """
        xs, h, gates, c, tanh_c, live = self._need_forward()
        time, batch, _ = xs.shape
        _need_gradient(self, d_outputs, d_final_state)
        d_outputs = _output_gradients(d_outputs, (batch, time, self.units), live, self.dtype)
        dh, dc = (
            _gradient_or_zeros(d, (batch, self.units), self.dtype, "each part of d_final_state")
            for d in _pair(d_final_state, "LSTM takes the gradient of its final state as a pair, (dh, dc)")
        )

        i, f, g, o = gates.swapaxes(0, 1)  # all steps at once
        das = _buffer(self, "das", time, batch, 4, self.units)  # slopes first, to become ∂L/∂a_t
        das[:, :, 0] = g * i * (1 - i)
        das[:, :, 1] = c[:-1] * f * (1 - f)
        das[:, :, 2] = i * (1 - g * g)
        das[:, :, 3] = tanh_c * o * (1 - o)
        slope = o * (1 - tanh_c * tanh_c)  # ∂h_t/∂c_t
        if live is not None:  # a masked step blames no gate, and passes on what it got
            das[~live[..., 0]] = 0
            slope, f = np.where(live, slope, 0), np.where(live, f, 1)

        recurrent_kernel_T = self.recurrent_kernel.T.copy()
        for t in reversed(range(time)):
            dh = dh + d_outputs[t]
            dc = dc + dh * slope[t]
            das[t, :, :3] *= dc[:, None]
            das[t, :, 3] *= dh
            dc = dc * f[t]
            carried = das[t].reshape(batch, -1) @ recurrent_kernel_T
            dh = carried if live is None else np.where(live[t], carried, dh)

        flat_das = das.reshape(time * batch, -1)
        self.grads = [
            xs.reshape(time * batch, -1).T @ flat_das,
            h[:-1].reshape(time * batch, -1).T @ flat_das,
            flat_das.sum(axis=0),
        ]
        if not input_gradient:
            return None, (dh, dc)
        dx = (flat_das @ self.kernel.T).reshape(time, batch, -1)
        return dx.transpose(1, 0, 2).copy(), (dh, dc)
