"""``GRU``: two gates and no separate cell."""

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
    _sequences,
    _state,
    _time_first,
    _time_major_mask,
)


class GRU(Layer):
    """Two gates and no separate cell: an update gate mixes the old state with a candidate.

    With σ the sigmoid and ⊙ the product entry by entry, and each gate with weights and biases of its own:

    - z_t = σ(x_t W_x + h_{t-1} W_h + b), the update gate; likewise the reset gate r_t;
    - h̃_t = tanh(x_t W_x + b + r_t ⊙ (h_{t-1} W_h + b')), the candidate, with ``reset_after``;
      or h̃_t = tanh(x_t W_x + b + (r_t ⊙ h_{t-1}) W_h) without;
    - h_t = z_t ⊙ h_{t-1} + (1 - z_t) ⊙ h̃_t, the hidden state: z = 1 keeps the old one.

    Parameters
    ----------
    features, units : int
        Size of x_t and of h_t.
    rng : numpy.random.Generator
        Draws the kernel (Glorot uniform) and the recurrent kernel (orthogonal), each for all gates in one piece;
        biases start at zero.
    dtype : numpy dtype
        float32 for training, float64 for gradient checks.
    reset_after : bool
        Whether the reset gate acts after the product with W_h, as in Keras' default, or before it, on the state.

    Attributes
    ----------
    kernel : (features, 3·units)
        W_x of the gates z, r and h (the candidate), side by side.
    recurrent_kernel : (units, 3·units)
        W_h, likewise.
    bias : (2, 3·units) or (3·units,)
        b likewise; with ``reset_after`` a second row, b', is added to h_{t-1} W_h.

    References
    ----------
    Cho et al. 2014, Learning phrase representations using RNN encoder-decoder (the unit, with the reset before the
    product, and this direction of z); Chung et al. 2014, Empirical evaluation of gated recurrent neural networks (z
    the other way round); order of the gates, ``reset_after`` and masks as in Keras' ``GRU``.
    """

    weight_names = ("kernel", "recurrent_kernel", "bias")
    recurrent = True

    def __init__(self, features, units, *, rng, dtype=np.float32, reset_after=True):
        self.features, self.units, self.dtype, self.reset_after = features, units, np.dtype(dtype), reset_after
        self.kernel = glorot_uniform((features, 3 * units), rng, dtype)
        self.recurrent_kernel = orthogonal((units, 3 * units), rng, dtype)
        self.bias = np.zeros((2, 3 * units) if reset_after else 3 * units, dtype)

    @property
    def gates(self):
        """What the gates were in the last forward pass: {"z", "r", "h" (the candidate)}, (batch, time, units)."""
        gates = self._need_forward()[2]
        return dict(zip("zrh", gates.transpose(1, 2, 0, 3).copy(), strict=True))

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
        x = _sequences(x, self.features, "GRU").astype(self.dtype, copy=False)
        batch, time, _ = x.shape
        live = _time_major_mask(mask, batch, time, "GRU")
        h = _buffer(self, "h", time + 1, batch, self.units)
        h[0] = _state(initial_state, batch, self.units, self.dtype, "GRU")
        reset = _buffer(self, "reset", time, batch, self.units)  # what r_t multiplies or has multiplied, for backward

        # σ(a) = 1/2 + 1/2 tanh(a/2): the sums of z and r are halved beforehand
        half = np.array([0.5, 0.5, 1], self.dtype).reshape(3, 1, 1)
        kernel, recurrent_kernel = (_by_gate(w, self.units) * half for w in (self.kernel, self.recurrent_kernel))
        biases = _by_gate(self.bias, self.units) * half  # (3, 2 or 1, units)
        bias = biases[:, :1]
        if self.reset_after:
            bias[:2] += biases[:2, 1:]  # only the candidate's two biases stay apart
            candidate_bias = biases[2, 1]

        xs = _time_first(self, x)
        gates = np.matmul(xs[:, None], kernel, out=_buffer(self, "gates", time, 3, batch, self.units))
        gates += bias
        for t in range(time):
            zr, candidate = gates[t, :2], gates[t, 2]  # x_t W_x + b, all three
            if self.reset_after:
                inner = h[t] @ recurrent_kernel
                zr += inner[:2]
                reset[t] = inner[2] + candidate_bias
            else:
                zr += h[t] @ recurrent_kernel[:2]
            np.tanh(zr, out=zr)
            zr *= 0.5
            zr += 0.5
            z, r = zr
            if self.reset_after:
                candidate += r * reset[t]
            else:
                reset[t] = r * h[t]
                candidate += reset[t] @ recurrent_kernel[2]
            np.tanh(candidate, out=candidate)
            h[t + 1] = z * h[t] + (1 - z) * candidate
            if live is not None:
                np.copyto(h[t + 1], h[t], where=~live[t])

        self._cache = xs, h, gates, reset, live
        return _masked_outputs(h, live), h[-1].copy()

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
        xs, h, gates, reset, live = self._need_forward()
        time, batch, _ = xs.shape
        _need_gradient(self, d_outputs, d_final_state)
        d_outputs = _output_gradients(d_outputs, (batch, time, self.units), live, self.dtype)
        dh = _gradient_or_zeros(d_final_state, (batch, self.units), self.dtype, "d_final_state")

        z, r, candidate = gates.swapaxes(0, 1)  # all steps at once
        z_slope = (h[:-1] - candidate) * z * (1 - z)
        candidate_slope = (1 - z) * (1 - candidate * candidate)
        if live is not None:  # a masked step blames no gate, and passes on what it got
            z_slope, candidate_slope = np.where(live, z_slope, 0), np.where(live, candidate_slope, 0)
            z = np.where(live, z, 1)
        through = self._through_reset_after if self.reset_after else self._through_reset_before
        das, d_recurrent_kernel, d_recurrent_bias, dh = through(
            dh, d_outputs, h[:-1], z, r, reset, z_slope, candidate_slope
        )
        d_kernel, d_bias = xs.reshape(time * batch, -1).T @ das, das.sum(axis=0)
        self.grads = [
            d_kernel,
            d_recurrent_kernel,
            np.stack([d_bias, d_recurrent_bias]) if self.reset_after else d_bias,
        ]
        if not input_gradient:
            return None, dh
        dx = (das @ self.kernel.T).reshape(time, batch, -1)
        return dx.transpose(1, 0, 2).copy(), dh

    def _through_reset_after(self, dh, d_outputs, h_before, z, r, reset, z_slope, candidate_slope):
        """Back through the steps of h̃_t = tanh(x_t W_x + b + r_t ⊙ (h_{t-1} W_h + b')).

        Every sum's blame is dh_t times a slope that is known beforehand. There are four of them a step: h̃'s recurrent
        sum, z, r, h̃'s own sum. The first three are those of W_h and b', the last three those of W_x and b.
        """
        time, batch, units = z.shape
        das = _buffer(self, "das", time, batch, 4, units)  # slopes first, to become ∂L/∂a_t
        das[:, :, 0] = candidate_slope * r
        das[:, :, 1] = z_slope
        das[:, :, 2] = candidate_slope * reset * r * (1 - r)
        das[:, :, 3] = candidate_slope
        recurrent_kernel_T = np.roll(self.recurrent_kernel, units, axis=1).T.copy()  # z, r, h -> h, z, r
        for t in reversed(range(time)):
            dh = dh + d_outputs[t]
            das[t] *= dh[:, None]
            dh = dh * z[t] + das[t].reshape(batch, -1)[:, : 3 * units] @ recurrent_kernel_T
        das = das.reshape(time * batch, -1)
        d_recurrent_kernel = h_before.reshape(time * batch, -1).T @ das[:, : 3 * units]
        d_recurrent_bias = das[:, : 3 * units].sum(axis=0)
        d_recurrent_kernel, d_recurrent_bias = (  # h, z, r -> z, r, h
            np.roll(d, -units, axis=-1) for d in (d_recurrent_kernel, d_recurrent_bias)
        )
        return das[:, units:], d_recurrent_kernel, d_recurrent_bias, dh

    def _through_reset_before(self, dh, d_outputs, h_before, z, r, reset, z_slope, candidate_slope):
        """Back through the steps of h̃_t = tanh(x_t W_x + b + (r_t ⊙ h_{t-1}) W_h); ``reset`` is r_t ⊙ h_{t-1}."""
        time, batch, units = z.shape
        das = _buffer(self, "das", time, batch, 3, units)  # slopes first, to become ∂L/∂a_t
        das[:, :, 0] = z_slope
        das[:, :, 1] = h_before * r * (1 - r)
        das[:, :, 2] = candidate_slope
        zr_kernel_T, candidate_kernel_T = np.split(self.recurrent_kernel.T.copy(), [2 * units])
        for t in reversed(range(time)):
            dh = dh + d_outputs[t]
            das[t, :, 0] *= dh
            das[t, :, 2] *= dh
            d_reset = das[t, :, 2] @ candidate_kernel_T
            das[t, :, 1] *= d_reset
            dh = dh * z[t] + d_reset * r[t] + das[t, :, :2].reshape(batch, -1) @ zr_kernel_T
        das = das.reshape(time * batch, -1)
        d_recurrent_kernel = np.concatenate(
            [
                h_before.reshape(time * batch, -1).T @ das[:, : 2 * units],
                reset.reshape(time * batch, -1).T @ das[:, 2 * units :],
            ],
            axis=1,
        )
        return das, d_recurrent_kernel, None, dh
