"""What the recurrent layers share: checks of what they are given, masks, and the gradients of their weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from course_lib.base_layer import Layer, _as_floats
from course_lib.layers import glorot_uniform, orthogonal

State = np.ndarray | tuple[np.ndarray, ...]  # h, or (h, c) for an LSTM


class RecurrentLayer(Layer):
    """A layer over whole sequences. SimpleRNN, LSTM and GRU say what a step is; all else is here.

    ``_forward_steps`` fills in the states, ``_backward_steps`` carries the gradient back through them. Both have time
    as the first axis, so that a step is one block of memory, and a mask of shape (time, batch, 1) or None.

    Parameters
    ----------
    features, units : int
        Size of x_t and of h_t.
    gates : int
        How many sums of that size a step computes; their weights stand side by side.
    rng : numpy.random.Generator
        Draws the kernel (Glorot uniform) and the recurrent kernel (orthogonal), each for all gates in one piece.
    dtype : numpy dtype
        float32 for training, float64 for gradient checks. Inputs are cast to it.
    """

    weight_names = ("kernel", "recurrent_kernel", "bias")
    state_names: tuple[str, ...] = ("h",)
    recurrent = True

    def __init__(self, features: int, units: int, gates: int, rng: np.random.Generator, dtype: DTypeLike) -> None:
        self.features, self.units, self.dtype = features, units, np.dtype(dtype)
        self.kernel = glorot_uniform((features, gates * units), rng, dtype)
        self.recurrent_kernel = orthogonal((units, gates * units), rng, dtype)
        self.bias = np.zeros(gates * units, dtype)

    def forward(
        self, x: ArrayLike, initial_state: State | None = None, mask: ArrayLike | None = None, training: bool = False
    ) -> tuple[np.ndarray, State]:
        """Compute the states of all steps.

        Parameters
        ----------
        x : (batch, time, features) array of float
            The sequences.
        initial_state : (batch, units) array, optional
            h_0; for an LSTM the pair (h_0, c_0), of which either may be None. Zeros without it.
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

        Raises
        ------
        ValueError, TypeError
            For a shape or kind that does not fit; the message says which was expected.
        """
        x = _as_sequences(x, self.features, type(self).__name__, self.dtype)
        batch, time, _ = x.shape
        mask = _time_first_mask(mask, batch, time, type(self).__name__)
        initial = self._parts(initial_state, f"{type(self).__name__} takes an initial state")
        states = [_buffer(self, name, time + 1, batch, self.units) for name in self.state_names]
        for state, first in zip(states, initial, strict=True):
            state[0] = _state_or_zeros(first, batch, self.units, self.dtype, type(self).__name__)
        xs = _buffer(self, "xs", time, batch, self.features)
        xs[:] = x.transpose(1, 0, 2)
        kept = self._forward_steps(xs, mask, *states)
        self._cache = xs, mask, states, kept
        return _masked_outputs(states[0], mask), self._joined([state[-1].copy() for state in states])

    def backward(
        self, d_outputs: np.ndarray | None, d_final_state: State | None = None, input_gradient: bool = True
    ) -> tuple[np.ndarray | None, State]:
        """Backpropagation through time; leaves ∂L/∂kernel, ∂L/∂recurrent_kernel and ∂L/∂bias in ``grads``.

        Parameters
        ----------
        d_outputs : (batch, time, units) array or None
            ∂L/∂outputs. At a masked step it goes to the step whose output was repeated, or nowhere if none was.
        d_final_state : (batch, units) array, optional
            ∂L/∂h_T; for an LSTM the pair (∂L/∂h_T, ∂L/∂c_T), of which either may be None.
        input_gradient : bool
            Whether ∂L/∂x is wanted.

        Returns
        -------
        dx : (batch, time, features) array, or None
            ∂L/∂x.
        d_initial_state : (batch, units) array
            ∂L/∂h_0; for an LSTM the pair (∂L/∂h_0, ∂L/∂c_0).

        Raises
        ------
        ValueError
            If both gradients are None or a shape does not fit.
        RuntimeError
            If there was no forward pass.
        """
        xs, mask, states, kept = self._need_forward()
        time, batch, _ = xs.shape
        _need_gradient(self, d_outputs, d_final_state)
        d_outputs = _output_gradients(d_outputs, (batch, time, self.units), mask, self.dtype)
        d_final = self._parts(d_final_state, f"{type(self).__name__} takes the gradient of its final state", "d")
        name = "d_final_state" if len(d_final) == 1 else "each part of d_final_state"
        d_final = [_gradient_or_zeros(d, (batch, self.units), self.dtype, name) for d in d_final]
        d_sums, d_recurrent_kernel, d_bias, *d_initial = self._backward_steps(mask, *states, *kept, d_outputs, *d_final)
        self.grads = [_flat(xs).T @ d_sums, d_recurrent_kernel, d_bias]
        dx = None
        if input_gradient:
            dx = (d_sums @ self.kernel.T).reshape(time, batch, -1).transpose(1, 0, 2).copy()
        return dx, self._joined(d_initial)

    def _forward_steps(self, xs: np.ndarray, mask: np.ndarray | None, *states: np.ndarray) -> tuple[Any, ...]:
        """Fill in ``states``, each (time + 1, batch, units) with the initial one in front; what backward needs."""
        raise NotImplementedError

    def _backward_steps(self, mask: np.ndarray | None, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """From states, what _forward_steps returned, ∂L/∂outputs and ∂L/∂(final states), compute the gradients.

        ∂L/∂(x_t W_x + b), flat, (time·batch, gates·units); ∂L/∂recurrent_kernel; ∂L/∂bias; ∂L/∂(initial states).
        """
        raise NotImplementedError

    def _parts(self, state, wanted, prefix=""):
        """A state as the list of its parts, each None where there is none."""
        if len(self.state_names) == 1:
            return [state]
        names = ", ".join(prefix + name for name in self.state_names)
        return list(_pair(state, f"{wanted} as a pair, ({names})"))

    def _joined(self, parts):
        """The inverse of :meth:`_parts`."""
        return parts[0] if len(self.state_names) == 1 else tuple(parts)


def _as_sequences(x, features, layer, dtype):
    """x as floats of shape (batch, time, features), or an error that says what is missing."""
    x = _as_floats(x, layer, dtype)
    if x.ndim != 3 or x.shape[2] != features:
        raise ValueError(
            f"{layer} takes sequences of shape (batch, time, {features}), but got {x.shape}. One sequence alone? "
            f"Write x[None]. One number a step? Write x[..., None]."
        )
    if x.shape[1] == 0:
        raise ValueError(f"{layer} got sequences of no steps, shape {x.shape}. Leave empty sequences out of the batch.")
    return x


def _time_first_mask(mask, batch, time, layer):
    """mask (batch, time) -> (time, batch, 1) of bool, or None."""
    if mask is None:
        return None
    mask = np.asarray(mask)
    if mask.shape != (batch, time) or mask.dtype != bool:
        raise ValueError(
            f"{layer} takes a mask of {(batch, time)} booleans, True at real steps, but got {mask.dtype} of "
            f"shape {mask.shape}. sequences.pad returns such a mask beside the padded sequences."
        )
    return mask.T[..., None].copy()  # the caller may write into theirs before backward


def _state_or_zeros(state, batch, units, dtype, layer):
    """An initial state of shape (batch, units), zeros when None."""
    if state is None:
        return np.zeros((batch, units), dtype)
    state = np.asarray(state, dtype)
    if state.shape != (batch, units):
        raise ValueError(
            f"{layer} needs an initial state of shape {(batch, units)}, but got {state.shape}. Does it stem from a "
            f"batch of another size? The last batch of an epoch may be smaller."
        )
    return state


def _pair(both, wanted):
    """The two parts of a state or of its gradient, each None when there is none."""
    if both is None:
        return None, None
    if not isinstance(both, tuple | list) or len(both) != 2:
        got = (
            f"an array of shape {both.shape}"
            if isinstance(both, np.ndarray)
            else f"a {type(both).__name__}" + (f" of {len(both)}" if isinstance(both, tuple | list) else "")
        )
        raise ValueError(f"{wanted}, but got {got}.")
    return both


def _masked_outputs(h, mask):
    """Outputs (batch, time, units) from h (time + 1, batch, units): 0 where there is nothing to repeat yet."""
    outputs = h[1:]
    if mask is not None:
        outputs = np.where(np.logical_or.accumulate(mask), outputs, 0)
    return outputs.transpose(1, 0, 2).copy()


def _keep_masked(states, t, mask):
    """Where step t is masked, state t + 1 is state t. ``states`` are arrays (time + 1, batch, units)."""
    if mask is not None:
        for state in states:
            np.copyto(state[t + 1], state[t], where=~mask[t])


def _gradient_or_zeros(gradient, shape, dtype, name):
    """A gradient of the given shape, zeros when None."""
    if gradient is None:
        return np.zeros(shape, dtype)
    gradient = np.asarray(gradient, dtype)
    if gradient.shape != shape:
        raise ValueError(f"{name} has the shape of what it is the gradient of, {shape}, but got {gradient.shape}.")
    return gradient


def _output_gradients(d_outputs, shape, mask, dtype):
    """∂L/∂outputs, time first; the gradient of a repeated output has moved to the step whose output was repeated."""
    d_outputs = _gradient_or_zeros(d_outputs, shape, dtype, "d_outputs").transpose(1, 0, 2)
    if mask is None:
        return d_outputs
    d_outputs = d_outputs.copy()
    for t in reversed(range(1, len(d_outputs))):
        d_outputs[t - 1] += np.where(mask[t], 0, d_outputs[t])
    return np.where(mask, d_outputs, 0)


def _need_gradient(layer, d_outputs, d_final_state):
    if d_outputs is None and d_final_state is None:
        raise ValueError(
            f"{type(layer).__name__}.backward needs d_outputs, d_final_state or both; with neither there "
            f"is no gradient to backpropagate."
        )


def _buffer(layer, name, *shape):
    """An array of the layer's dtype to write into, whose memory is kept from call to call.

    Fresh memory is handed out page by page at first use. This saves 4 to 9 % of a training step of SimpleRNN and GRU;
    for the gates of an LSTM, and for the smaller arrays, it saves nothing measurable, and they do without.
    """
    buffers = layer.__dict__.setdefault("_buffers", {})
    size = math.prod(shape)
    if name not in buffers or buffers[name].size < size:
        buffers[name] = np.empty(size, layer.dtype)
    return buffers[name][:size].reshape(shape)


def _flat(a):
    """(time, batch, ...) -> (time·batch, the rest)."""
    return a.reshape(a.shape[0] * a.shape[1], -1)


def _by_gate(weights, units):
    """(rows, gates·units), as Keras lays them out, -> (gates, rows, units): a matrix for each gate."""
    return weights.reshape(-1, weights.shape[-1] // units, units).swapaxes(0, 1).copy()
