"""``GRU``: two gates and no separate cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from course_lib.recurrent.base import RecurrentLayer, _buffer, _by_gate, _flat, _keep_masked


class GRU(RecurrentLayer):
    """Two gates and no separate cell: an update gate mixes the old state with a candidate.

    With σ the sigmoid and ⊙ the product entry by entry, and each gate with weights and biases of its own:

    - z_t = σ(x_t W_x + h_{t-1} W_h + b), the update gate; likewise the reset gate r_t;
    - h̃_t = tanh(x_t W_x + b + r_t ⊙ (h_{t-1} W_h + b')), the candidate, with ``reset_after``;
      or h̃_t = tanh(x_t W_x + b + (r_t ⊙ h_{t-1}) W_h) without;
    - h_t = z_t ⊙ h_{t-1} + (1 - z_t) ⊙ h̃_t, the hidden state: z = 1 keeps the old one.

    :class:`ReferenceGRU` is the same, written like these formulas.

    Parameters
    ----------
    features, units : int
        Size of x_t and of h_t.
    rng : numpy.random.Generator
        Draws the kernel (Glorot uniform) and the recurrent kernel (orthogonal), each for all gates in one piece;
        biases start at zero.
    dtype : numpy dtype
        float32 for training, float64 for gradient checks. Inputs are cast to it.
    reset_after : bool
        Whether the reset gate acts after the product with W_h, as in Keras' default, or before it, on the state.

    Attributes
    ----------
    kernel : (features, 3·units) array
        W_x of the gates z, r and h (the candidate), side by side.
    recurrent_kernel : (units, 3·units) array
        W_h, likewise.
    bias : (2, 3·units) or (3·units,) array
        b likewise; with ``reset_after`` a second row, b', is added to h_{t-1} W_h.

    References
    ----------
    Cho et al. 2014, Learning phrase representations using RNN encoder-decoder (the unit, with the reset before the
    product, and this direction of z); Chung et al. 2014, Empirical evaluation of gated recurrent neural networks (z
    the other way round); order of the gates, ``reset_after`` and masks as in Keras' ``GRU``.

    Examples
    --------
    >>> layer = GRU(2, 8, rng=np.random.default_rng(0))
    >>> outputs, final_state = layer.forward(np.zeros((3, 10, 2)))
    >>> outputs.shape, final_state.shape
    ((3, 10, 8), (3, 8))
    """

    def __init__(
        self,
        features: int,
        units: int,
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
        reset_after: bool = True,
    ) -> None:
        super().__init__(features, units, 3, rng, dtype)
        self.reset_after = reset_after
        if reset_after:
            self.bias = np.zeros((2, 3 * units), dtype)

    @property
    def gates(self) -> dict[str, np.ndarray]:
        """The gates in the last forward pass: {"z", "r", "h" (the candidate)}, each (batch, time, units)."""
        _, _, _, (gates, _) = self._need_forward()
        return dict(zip("zrh", gates.transpose(1, 2, 0, 3).copy(), strict=True))

    def _forward_steps(self, xs, mask, h):
        time, batch, _ = xs.shape
        # σ(a) = 1/2 + 1/2 tanh(a/2): the sums of z and r are halved beforehand
        half = np.array([0.5, 0.5, 1], self.dtype).reshape(3, 1, 1)
        kernel, recurrent_kernel = (_by_gate(w, self.units) * half for w in (self.kernel, self.recurrent_kernel))
        biases = _by_gate(self.bias, self.units) * half  # (3, 2 or 1, units)
        bias = biases[:, :1]
        if self.reset_after:
            bias[:2] += biases[:2, 1:]  # only the candidate's two biases stay apart
            candidate_bias = biases[2, 1]

        gates = np.matmul(xs[:, None], kernel, out=_buffer(self, "gates", time, 3, batch, self.units))
        gates += bias
        reset = np.empty((time, batch, self.units), self.dtype)  # what r_t multiplies or has multiplied, for backward
        for t in range(time):
            zr, candidate = gates[t, :2], gates[t, 2]  # x_t W_x + b of all three, to become the gates
            if self.reset_after:
                recurrent_sums = h[t] @ recurrent_kernel
                zr += recurrent_sums[:2]
                reset[t] = recurrent_sums[2] + candidate_bias
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
            _keep_masked([h], t, mask)
        return gates, reset

    def _backward_steps(self, mask, h, gates, reset, d_outputs, dh):
        z, r, candidate = gates.swapaxes(0, 1)  # all steps at once
        z_slope = (h[:-1] - candidate) * z * (1 - z)
        candidate_slope = (1 - z) * (1 - candidate * candidate)
        if mask is not None:  # a masked step has no gradient of its own, and passes on what it got
            z_slope, candidate_slope = np.where(mask, z_slope, 0), np.where(mask, candidate_slope, 0)
            z = np.where(mask, z, 1)
        through = self._backward_reset_after if self.reset_after else self._backward_reset_before
        return through(h[:-1], z, r, reset, z_slope, candidate_slope, d_outputs, dh)

    def _backward_reset_after(self, h_before, z, r, reset, z_slope, candidate_slope, d_outputs, dh):
        """Back through the steps of h̃_t = tanh(x_t W_x + b + r_t ⊙ (h_{t-1} W_h + b')).

        The gradient of every sum is dh_t times a slope that is known beforehand. There are four of them a step: h̃'s
        recurrent sum, z, r, h̃'s own sum. The first three are those of W_h and b', the last three those of W_x and b.
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
        das = _flat(das)
        of_recurrent_sums, of_input_sums = das[:, : 3 * units], das[:, units:]
        d_recurrent_kernel, d_recurrent_bias = (  # h, z, r -> z, r, h
            np.roll(d, -units, axis=-1) for d in (_flat(h_before).T @ of_recurrent_sums, of_recurrent_sums.sum(axis=0))
        )
        return of_input_sums, d_recurrent_kernel, np.stack([of_input_sums.sum(axis=0), d_recurrent_bias]), dh

    def _backward_reset_before(self, h_before, z, r, reset, z_slope, candidate_slope, d_outputs, dh):
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
        das = _flat(das)
        of_zr, of_candidate = das[:, : 2 * units], das[:, 2 * units :]
        d_recurrent_kernel = np.concatenate([_flat(h_before).T @ of_zr, _flat(reset).T @ of_candidate], axis=1)
        return das, d_recurrent_kernel, das.sum(axis=0), dh
