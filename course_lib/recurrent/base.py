"""What the fast recurrent layers share: checks of what comes in, masks, buffers."""

from __future__ import annotations

import math

import numpy as np

from course_lib.layers import _as_floats


def _sequences(x, features, layer):
    """x as floats of shape (batch, time, features), or an error that says what is missing."""
    x = _as_floats(x, layer)
    if x.ndim != 3 or x.shape[2] != features:
        raise ValueError(
            f"{layer} takes sequences of shape (batch, time, {features}), but got {x.shape}. One sequence alone? "
            f"Write x[None]. One number a step? Write x[..., None]."
        )
    if x.shape[1] == 0:
        raise ValueError(f"{layer} got sequences of no steps, shape {x.shape}. Leave empty sequences out of the batch.")
    return x


def _time_first(layer, x):
    """x (batch, time, features) -> (time, batch, features), so that a step is one block of memory."""
    batch, time, features = x.shape
    xs = _buffer(layer, "xs", time, batch, features)
    xs[:] = x.transpose(1, 0, 2)
    return xs


def _time_major_mask(mask, batch, time, layer):
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


def _state(state, batch, units, dtype, layer):
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


def _masked_outputs(states, live):
    """Outputs (batch, time, units) from the states (time + 1, batch, units): 0 where there is nothing to repeat yet."""
    outputs = states[1:]
    if live is not None:
        outputs = np.where(np.logical_or.accumulate(live), outputs, 0)
    return outputs.transpose(1, 0, 2).copy()


def _gradient_or_zeros(gradient, shape, dtype, name):
    """A gradient of the given shape, zeros when None."""
    if gradient is None:
        return np.zeros(shape, dtype)
    gradient = np.asarray(gradient, dtype)
    if gradient.shape != shape:
        raise ValueError(f"{name} has the shape of what it is the gradient of, {shape}, but got {gradient.shape}.")
    return gradient


def _output_gradients(d_outputs, shape, live, dtype):
    """∂L/∂outputs, time first; blame for a repeated output has moved to the step whose output was repeated."""
    d_outputs = _gradient_or_zeros(d_outputs, shape, dtype, "d_outputs").transpose(1, 0, 2)
    if live is None:
        return d_outputs
    d_outputs = d_outputs.copy()
    for t in reversed(range(1, len(d_outputs))):
        d_outputs[t - 1] += np.where(live[t], 0, d_outputs[t])
    return np.where(live, d_outputs, 0)


def _need_gradient(layer, d_outputs, d_final_state):
    if d_outputs is None and d_final_state is None:
        raise ValueError(
            f"{type(layer).__name__}.backward needs d_outputs, d_final_state or both; with neither there "
            f"is nothing to blame the weights for."
        )


def _buffer(layer, name, *shape):
    """An array of the layer's dtype to write into. Its memory is kept from call to call: fresh memory is slow."""
    rooms = layer.__dict__.setdefault("_buffers", {})
    size = math.prod(shape)
    if name not in rooms or rooms[name].size < size:
        rooms[name] = np.empty(size, layer.dtype)
    return rooms[name][:size].reshape(shape)


def _by_gate(weights, units):
    """(rows, gates·units), as Keras lays them out, -> (gates, rows, units): a matrix for each gate."""
    return weights.reshape(-1, weights.shape[-1] // units, units).swapaxes(0, 1).copy()
