"""``LSTM``: a cell that keeps what it holds, and three gates."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from course_lib.recurrent.base import RecurrentLayer, _by_gate, _flat, _keep_masked


class LSTM(RecurrentLayer):
    """A cell that keeps what it holds, and three gates that decide what enters, what stays and what goes out.

    With σ the sigmoid and ⊙ the product entry by entry, and each gate with weights and bias of its own:

    - i_t = σ(x_t W_x + h_{t-1} W_h + b), the input gate; likewise the forget gate f_t and the output gate o_t;
    - g_t = tanh(x_t W_x + h_{t-1} W_h + b), the candidate (c̃_t on paper);
    - c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t, the cell state;
    - h_t = o_t ⊙ tanh(c_t), the hidden state.

    The state of the layer is the pair (h, c). :class:`ReferenceLSTM` is the same, written like these formulas.

    Parameters
    ----------
    features, units : int
        Size of x_t, and of h_t and c_t.
    rng : numpy.random.Generator
        Draws the kernel (Glorot uniform) and the recurrent kernel (orthogonal), each for all gates in one piece.
    dtype : numpy dtype
        float32 for training, float64 for gradient checks. Inputs are cast to it.
    forget_bias : float
        The forget gate's bias at the start; the other biases start at zero. With 1, as in Keras, a new cell keeps
        about three quarters of its content at each step, with 0 about half.

    Attributes
    ----------
    kernel : (features, 4·units) array
        W_x of the gates i, f, c (the candidate) and o, side by side.
    recurrent_kernel : (units, 4·units) array
        W_h, likewise.
    bias : (4·units,) array
        b, likewise.

    References
    ----------
    Hochreiter and Schmidhuber 1997, Long short-term memory; Gers, Schmidhuber and Cummins 2000, Learning to forget
    (the forget gate); Jozefowicz, Zaremba and Sutskever 2015, An empirical exploration of recurrent network
    architectures (its bias of 1); order of the gates and masks as in Keras' ``LSTM``.

    Examples
    --------
    >>> layer = LSTM(2, 8, rng=np.random.default_rng(0))
    >>> outputs, (h, c) = layer.forward(np.zeros((3, 10, 2)))
    >>> outputs.shape, h.shape, c.shape
    ((3, 10, 8), (3, 8), (3, 8))
    """

    state_names = ("h", "c")

    def __init__(
        self,
        features: int,
        units: int,
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
        forget_bias: float = 1.0,
    ) -> None:
        super().__init__(features, units, 4, rng, dtype)
        self.forget_bias = forget_bias
        self.bias[units : 2 * units] = forget_bias

    @property
    def gates(self) -> dict[str, np.ndarray]:
        """The gates in the last forward pass: {"i", "f", "c" (the candidate), "o"}, each (batch, time, units)."""
        _, _, _, (gates, _) = self._need_forward()
        return dict(zip("ifco", gates.transpose(1, 2, 0, 3).copy(), strict=True))

    @property
    def cell_states(self) -> np.ndarray:
        """c_1 to c_T of the last forward pass, (batch, time, units)."""
        _, _, (_, c), _ = self._need_forward()
        return c[1:].transpose(1, 0, 2).copy()

    def _forward_steps(self, xs, mask, h, c):
        time, batch, _ = xs.shape
        # σ(a) = 1/2 + 1/2 tanh(a/2): with the sums of i, f and o halved beforehand, one tanh serves all four
        half = np.array([0.5, 0.5, 1, 0.5], self.dtype).reshape(4, 1, 1)
        rest = 1 - half
        kernel, recurrent_kernel, bias = (_by_gate(w, self.units) * half for w in self.weights)

        gates = np.matmul(xs[:, None], kernel)
        gates += bias
        tanh_c = np.empty((time, batch, self.units), self.dtype)
        for t in range(time):
            a = gates[t]  # x_t W_x + b of all four, to become the gates
            a += h[t] @ recurrent_kernel
            np.tanh(a, out=a)
            a *= half
            a += rest
            i, f, g, o = a
            c[t + 1] = f * c[t] + i * g
            tanh_c[t] = np.tanh(c[t + 1])
            h[t + 1] = o * tanh_c[t]
            _keep_masked([h, c], t, mask)
        return gates, tanh_c

    def _backward_steps(self, mask, h, c, gates, tanh_c, d_outputs, dh, dc):
        time, batch, _ = tanh_c.shape
        i, f, g, o = gates.swapaxes(0, 1)  # all steps at once
        das = np.empty((time, batch, 4, self.units), self.dtype)  # slopes first, to become ∂L/∂a_t
        das[:, :, 0] = g * i * (1 - i)
        das[:, :, 1] = c[:-1] * f * (1 - f)
        das[:, :, 2] = i * (1 - g * g)
        das[:, :, 3] = tanh_c * o * (1 - o)
        slope = o * (1 - tanh_c * tanh_c)  # ∂h_t/∂c_t
        if mask is not None:  # a masked step has no gradient of its own, and passes on what it got
            das[~mask[..., 0]] = 0
            slope, f = np.where(mask, slope, 0), np.where(mask, f, 1)

        recurrent_kernel_T = self.recurrent_kernel.T.copy()
        for t in reversed(range(time)):
            dh = dh + d_outputs[t]
            dc = dc + dh * slope[t]
            das[t, :, :3] *= dc[:, None]
            das[t, :, 3] *= dh
            dc = dc * f[t]
            dh_before = das[t].reshape(batch, -1) @ recurrent_kernel_T
            dh = dh_before if mask is None else np.where(mask[t], dh_before, dh)

        das = _flat(das)
        return das, _flat(h[:-1]).T @ das, das.sum(axis=0), dh, dc
