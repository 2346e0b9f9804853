"""``ReferenceLSTM`` and ``ReferenceGRU``: the formulas, a line for each, one step at a time; written for reading.

``LSTM`` and ``GRU`` compute the same, arranged for speed; a test holds the two equal in outputs, states and gradients.
In the names, ``W_xi`` is the part of W_x that belongs to gate i, and ``da_i`` is ∂L/∂a_i, a_i being the sum in σ.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from course_lib.layers import ACTIVATIONS
from course_lib.recurrent.base import (
    RecurrentLayer,
    State,
    _as_sequences,
    _gradient_or_zeros,
    _need_gradient,
    _state_or_zeros,
    _time_first_mask,
)

sigmoid, _ = ACTIVATIONS["sigmoid"]


class _StepByStep(RecurrentLayer):
    """Runs over sequences one step at a time; a subclass says what ``step`` and ``step_backward`` are."""

    def forward(
        self, x: ArrayLike, initial_state: State | None = None, mask: ArrayLike | None = None, training: bool = False
    ) -> tuple[np.ndarray, State]:
        """Compute the states of all steps.

        Parameters
        ----------
        x : (batch, time, features) array of float
            The sequences.
        initial_state : (batch, units) array, optional
            h_0; for an LSTM the pair (h_0, c_0). Zeros without it.
        mask : (batch, time) array of bool, optional
            False marks padding: the state is kept and the last real output repeated (0 before a row's first).
        training : bool
            Makes no difference.

        Returns
        -------
        outputs : (batch, time, units) array
            h_1 to h_T.
        final_state : (batch, units) array
            h_T; for an LSTM the pair (h_T, c_T).
        """
        x = _as_sequences(x, self.features, type(self).__name__, self.dtype)
        batch, time, _ = x.shape
        everywhere = np.ones((batch, time), bool)
        name = type(self).__name__
        mask = _time_first_mask(everywhere if mask is None else mask, batch, time, name)
        state = self._parts(initial_state, f"{name} takes an initial state")
        state = [_state_or_zeros(part, batch, self.units, self.dtype, name) for part in state]
        output, outputs, steps = np.zeros((batch, self.units), self.dtype), [], []
        for t in range(time):
            real = mask[t]
            new_state, kept = self.step(x[:, t], *state)
            state = [np.where(real, new, old) for new, old in zip(new_state, state, strict=True)]
            output = np.where(real, state[0], output)
            outputs.append(output)
            steps.append(kept)
        self._cache = x, mask, steps
        return np.stack(outputs, axis=1), self._joined(state)

    def backward(
        self, d_outputs: np.ndarray | None, d_final_state: State | None = None, input_gradient: bool = True
    ) -> tuple[np.ndarray | None, State]:
        """Backpropagation through time; leaves ∂L/∂kernel, ∂L/∂recurrent_kernel and ∂L/∂bias in ``grads``.

        Parameters
        ----------
        d_outputs : (batch, time, units) array or None
            ∂L/∂outputs.
        d_final_state : (batch, units) array, optional
            ∂L/∂h_T; for an LSTM the pair (∂L/∂h_T, ∂L/∂c_T).
        input_gradient : bool
            Whether ∂L/∂x is wanted.

        Returns
        -------
        dx : (batch, time, features) array, or None
            ∂L/∂x.
        d_initial_state : (batch, units) array
            ∂L/∂h_0; for an LSTM the pair (∂L/∂h_0, ∂L/∂c_0).
        """
        x, mask, steps = self._need_forward()
        batch, time, _ = x.shape
        _need_gradient(self, d_outputs, d_final_state)
        d_outputs = _gradient_or_zeros(d_outputs, (batch, time, self.units), self.dtype, "d_outputs")
        d_state = self._parts(d_final_state, f"{type(self).__name__} takes the gradient of its final state", "d")
        d_state = [_gradient_or_zeros(d, (batch, self.units), self.dtype, "d_final_state") for d in d_state]
        d_output, dx = np.zeros((batch, self.units), self.dtype), np.zeros_like(x)
        self.grads = [np.zeros_like(w) for w in self.weights]
        for t in reversed(range(time)):
            real = mask[t]
            d_output = d_output + d_outputs[:, t]  # with the gradients of steps that repeated this output
            d_new = [np.where(real, d, 0) for d in d_state]
            d_new[0] = d_new[0] + np.where(real, d_output, 0)  # h_t is state and output: its gradients add up
            dx[:, t], *d_before = self.step_backward(*d_new, steps[t])
            d_state = [before + np.where(real, 0, d) for before, d in zip(d_before, d_state, strict=True)]
            d_output = np.where(real, 0, d_output)
        return dx if input_gradient else None, self._joined(d_state)


class ReferenceLSTM(_StepByStep):
    """The LSTM as its formulas are written; arguments, weights and results are those of :class:`LSTM`.

    Parameters
    ----------
    features, units : int
        Size of x_t, and of h_t and c_t.
    rng : numpy.random.Generator
        Draws the weights, in the order of :class:`LSTM`.
    dtype : numpy dtype
        float64, because this class is for understanding and gradient checks need the digits.
    forget_bias : float
        The forget gate's bias at the start.

    Examples
    --------
    >>> from course_lib.recurrent import LSTM
    >>> fast, slow = LSTM(2, 3, rng=np.random.default_rng(0)), ReferenceLSTM(2, 3, rng=np.random.default_rng(0))
    >>> x = np.random.default_rng(1).normal(size=(4, 5, 2))
    >>> np.allclose(fast.forward(x)[0], slow.forward(x)[0], atol=1e-6)
    True
    """

    state_names = ("h", "c")

    def __init__(
        self,
        features: int,
        units: int,
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float64,
        forget_bias: float = 1.0,
    ) -> None:
        super().__init__(features, units, 4, rng, dtype)
        self.forget_bias = forget_bias
        self.bias[units : 2 * units] = forget_bias

    def step(
        self, x: np.ndarray, h: np.ndarray, c: np.ndarray
    ) -> tuple[tuple[np.ndarray, np.ndarray], Sequence[np.ndarray]]:
        """One step forward.

        Parameters
        ----------
        x : (batch, features) array
            x_t.
        h, c : (batch, units) array
            h_{t-1} and c_{t-1}.

        Returns
        -------
        (h_t, c_t) : pair of (batch, units) array
            The new state.
        kept : sequence of array
            For :meth:`step_backward`.
        """
        W_xi, W_xf, W_xg, W_xo = np.split(self.kernel, 4, axis=1)
        W_hi, W_hf, W_hg, W_ho = np.split(self.recurrent_kernel, 4, axis=1)
        b_i, b_f, b_g, b_o = np.split(self.bias, 4)

        i = sigmoid(x @ W_xi + h @ W_hi + b_i)  # input gate
        f = sigmoid(x @ W_xf + h @ W_hf + b_f)  # forget gate
        g = np.tanh(x @ W_xg + h @ W_hg + b_g)  # candidate
        o = sigmoid(x @ W_xo + h @ W_ho + b_o)  # output gate
        new_c = f * c + i * g
        new_h = o * np.tanh(new_c)
        return (new_h, new_c), (x, h, c, i, f, g, o, new_c)

    def step_backward(self, dh: np.ndarray, dc: np.ndarray, kept: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
        """One step backward: adds to ``grads``.

        Parameters
        ----------
        dh, dc : (batch, units) array
            ∂L/∂h_t, and ∂L/∂c_t as far as it comes from the next step.
        kept : sequence of array
            From :meth:`step`.

        Returns
        -------
        dx : (batch, features) array
            ∂L/∂x_t.
        dh, dc : (batch, units) array
            ∂L/∂h_{t-1} and ∂L/∂c_{t-1}.
        """
        x, h, c, i, f, g, o, new_c = kept
        W_xi, W_xf, W_xg, W_xo = np.split(self.kernel, 4, axis=1)
        W_hi, W_hf, W_hg, W_ho = np.split(self.recurrent_kernel, 4, axis=1)

        # h_t = o ⊙ tanh(c_t)
        do = dh * np.tanh(new_c)
        dc = dc + dh * o * (1 - np.tanh(new_c) ** 2)
        # c_t = f ⊙ c_{t-1} + i ⊙ g
        df, dc_before = dc * c, dc * f
        di, dg = dc * g, dc * i
        # σ' = σ (1 - σ) and tanh' = 1 - tanh²
        da_i = di * i * (1 - i)
        da_f = df * f * (1 - f)
        da_g = dg * (1 - g**2)
        da_o = do * o * (1 - o)
        # a = x_t W_x + h_{t-1} W_h + b
        dx = da_i @ W_xi.T + da_f @ W_xf.T + da_g @ W_xg.T + da_o @ W_xo.T
        dh_before = da_i @ W_hi.T + da_f @ W_hf.T + da_g @ W_hg.T + da_o @ W_ho.T
        da = np.concatenate([da_i, da_f, da_g, da_o], axis=1)
        for total, gradient in zip(self.grads, (x.T @ da, h.T @ da, da.sum(axis=0)), strict=True):
            total += gradient  # the same weights at every step: their gradients add up
        return dx, dh_before, dc_before


class ReferenceGRU(_StepByStep):
    """The GRU as its formulas are written; arguments, weights and results are those of :class:`GRU`.

    Parameters
    ----------
    features, units : int
        Size of x_t and of h_t.
    rng : numpy.random.Generator
        Draws the weights, in the order of :class:`GRU`.
    dtype : numpy dtype
        float64, because this class is for understanding and gradient checks need the digits.
    reset_after : bool
        Whether the reset gate acts after the product with W_h or before it, on the state.

    Examples
    --------
    >>> from course_lib.recurrent import GRU
    >>> fast, slow = GRU(2, 3, rng=np.random.default_rng(0)), ReferenceGRU(2, 3, rng=np.random.default_rng(0))
    >>> x = np.random.default_rng(1).normal(size=(4, 5, 2))
    >>> np.allclose(fast.forward(x)[0], slow.forward(x)[0], atol=1e-6)
    True
    """

    def __init__(
        self,
        features: int,
        units: int,
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float64,
        reset_after: bool = True,
    ) -> None:
        super().__init__(features, units, 3, rng, dtype)
        self.reset_after = reset_after
        if reset_after:
            self.bias = np.zeros((2, 3 * units), dtype)

    def step(self, x: np.ndarray, h: np.ndarray) -> tuple[tuple[np.ndarray], Sequence[np.ndarray]]:
        """One step forward.

        Parameters
        ----------
        x : (batch, features) array
            x_t.
        h : (batch, units) array
            h_{t-1}.

        Returns
        -------
        (h_t,) : tuple of one (batch, units) array
            The new state.
        kept : sequence of array
            For :meth:`step_backward`.
        """
        W_xz, W_xr, W_xh = np.split(self.kernel, 3, axis=1)
        W_hz, W_hr, W_hh = np.split(self.recurrent_kernel, 3, axis=1)
        bias, recurrent_bias = self.bias if self.reset_after else (self.bias, np.zeros_like(self.bias))
        (b_z, b_r, b_h), (b_hz, b_hr, b_hh) = np.split(bias, 3), np.split(recurrent_bias, 3)

        z = sigmoid(x @ W_xz + b_z + h @ W_hz + b_hz)  # update gate
        r = sigmoid(x @ W_xr + b_r + h @ W_hr + b_hr)  # reset gate
        if self.reset_after:
            candidate = np.tanh(x @ W_xh + b_h + r * (h @ W_hh + b_hh))
        else:
            candidate = np.tanh(x @ W_xh + b_h + (r * h) @ W_hh)
        new_h = z * h + (1 - z) * candidate
        return (new_h,), (x, h, z, r, candidate)

    def step_backward(self, dh: np.ndarray, kept: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
        """One step backward: adds to ``grads``.

        Parameters
        ----------
        dh : (batch, units) array
            ∂L/∂h_t.
        kept : sequence of array
            From :meth:`step`.

        Returns
        -------
        dx : (batch, features) array
            ∂L/∂x_t.
        dh : (batch, units) array
            ∂L/∂h_{t-1}.
        """
        x, h, z, r, candidate = kept
        W_xz, W_xr, W_xh = np.split(self.kernel, 3, axis=1)
        W_hz, W_hr, W_hh = np.split(self.recurrent_kernel, 3, axis=1)

        # h_t = z ⊙ h_{t-1} + (1 - z) ⊙ h̃
        dz = dh * (h - candidate)
        d_candidate = dh * (1 - z)
        dh_before = dh * z
        # h̃ = tanh(a_h), in which r multiplies the recurrent sum or the state
        da_h = d_candidate * (1 - candidate**2)
        if self.reset_after:
            d_recurrent_sum = da_h * r
            dr = da_h * (h @ W_hh + self.bias[1, -self.units :])
            dh_before = dh_before + d_recurrent_sum @ W_hh.T
            d_W_hh = h.T @ d_recurrent_sum
        else:
            d_reset_state = da_h @ W_hh.T
            dr = d_reset_state * h
            dh_before = dh_before + d_reset_state * r
            d_W_hh = (r * h).T @ da_h
        # σ' = σ (1 - σ)
        da_z = dz * z * (1 - z)
        da_r = dr * r * (1 - r)
        # a = x_t W_x + b + h_{t-1} W_h
        dx = da_z @ W_xz.T + da_r @ W_xr.T + da_h @ W_xh.T
        dh_before = dh_before + da_z @ W_hz.T + da_r @ W_hr.T
        da = np.concatenate([da_z, da_r, da_h], axis=1)
        d_recurrent_kernel = np.concatenate([h.T @ da_z, h.T @ da_r, d_W_hh], axis=1)
        d_bias = da.sum(axis=0)
        if self.reset_after:
            d_bias = np.stack([d_bias, np.concatenate([da_z, da_r, d_recurrent_sum], axis=1).sum(axis=0)])
        for total, gradient in zip(self.grads, (x.T @ da, d_recurrent_kernel, d_bias), strict=True):
            total += gradient  # the same weights at every step: their gradients add up
        return dx, dh_before
