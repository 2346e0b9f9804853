"""Layers with memory: the first ``RNN``, one step at a time, and the layers that take whole sequences.

``RNN`` with its ``unroll`` and ``bptt`` is written for reading: a step is three lines, time is a Python loop.
``SimpleRNN`` is the same mathematics arranged for speed: what does not depend on the previous step is computed for all
steps at once, and only the product with the recurrent kernel stays in the loop.
"""
from __future__ import annotations

import numpy as np

from course_lib.layers import Layer, _real_numbers, glorot_uniform, orthogonal


# ---------------------------------------------------------------------------------------------------------------------
# The first network with memory, one step at a time
# ---------------------------------------------------------------------------------------------------------------------
class RNN:
    """h_t = tanh(x_t W_x + h_{t-1} W_h + b),  o_t = h_t W_y + b_y: one step a call.

    Parameters
    ----------
    input_dim, hidden_dim, output_dim : int
    rng : numpy.random.Generator, optional
        Draws W_x and W_y (Glorot uniform) and W_h (orthogonal). Without it, another network at each call.

    Attributes
    ----------
    kernel : (input_dim, hidden_dim)
        W_x.
    recurrent_kernel : (hidden_dim, hidden_dim)
        W_h.
    bias : (hidden_dim,)
        b.
    output_kernel : (hidden_dim, output_dim)
        W_y.
    output_bias : (output_dim,)
        b_y.
    hidden_state : (batch, hidden_dim)
        What the network remembers; ``reset_state`` forgets it.

    All are float64: this class is for understanding, and gradient checks need the digits.

    References
    ----------
    Elman 1990, Finding structure in time (tanh and zero-centred states in place of his logistic units).
    """

    weight_names = ("kernel", "recurrent_kernel", "bias", "output_kernel", "output_bias")

    def __init__(self, input_dim, hidden_dim, output_dim, *, rng=None):
        rng = np.random.default_rng(rng)
        self.input_dim, self.hidden_dim, self.output_dim = input_dim, hidden_dim, output_dim
        self.kernel = glorot_uniform((input_dim, hidden_dim), rng, np.float64)
        self.recurrent_kernel = orthogonal((hidden_dim, hidden_dim), rng, np.float64)
        self.bias = np.zeros(hidden_dim)
        self.output_kernel = glorot_uniform((hidden_dim, output_dim), rng, np.float64)
        self.output_bias = np.zeros(output_dim)
        self.reset_state()

    @property
    def weights(self):
        """The five parameters themselves, not copies: an optimiser changes them in place."""
        return [getattr(self, name) for name in self.weight_names]

    def reset_state(self, batch_size=1):
        """Forget: the next step starts from h = 0."""
        self.hidden_state = np.zeros((batch_size, self.hidden_dim))

    def forward(self, inputs, hidden_state=None):
        """One step.

        Parameters
        ----------
        inputs : (batch, input_dim)
            x_t.
        hidden_state : (batch, hidden_dim), optional
            h_{t-1}; without it, the one kept from the last call.

        Returns
        -------
        hidden_state : (batch, hidden_dim)
            h_t, also kept for the next call.
        output : (batch, output_dim)
            o_t.
        """
        if hidden_state is None:
            hidden_state = self.hidden_state
        inputs = np.asarray(inputs)
        if inputs.ndim != 2 or inputs.shape[1] != self.input_dim:
            raise ValueError(f"RNN.forward takes one step of shape (batch, {self.input_dim}), but {inputs.shape} came. "
                             f"A whole sequence? Call forward once a step, or use unroll.")
        if hidden_state.shape != (len(inputs), self.hidden_dim):
            raise ValueError(f"A hidden state of shape {(len(inputs), self.hidden_dim)} is needed for {len(inputs)} "
                             f"rows of input, but {hidden_state.shape} came. Call "
                             f"reset_state(batch_size={len(inputs)}) before a new batch.")
        self.hidden_state = np.tanh(inputs @ self.kernel + hidden_state @ self.recurrent_kernel + self.bias)
        return self.hidden_state, self.hidden_state @ self.output_kernel + self.output_bias


def unroll(rnn, inputs, initial_state=None):
    """Run an :class:`RNN` over sequences and keep what backpropagation will need.

    Parameters
    ----------
    rnn : RNN
    inputs : (batch, time, input_dim)
    initial_state : (batch, hidden_dim), optional
        h_0; zeros without it.

    Returns
    -------
    states : (time + 1, batch, hidden_dim)
        states[0] is the initial state, states[t] is h_t.
    outputs : (batch, time, output_dim)
    """
    batch, time, _ = inputs.shape
    states = np.zeros((time + 1, batch, rnn.hidden_dim))
    outputs = np.zeros((batch, time, rnn.output_dim))
    if initial_state is not None:
        states[0] = initial_state
    for t in range(time):
        states[t + 1], outputs[:, t] = rnn.forward(inputs[:, t], states[t])
    return states, outputs


def bptt(rnn, inputs, states, d_outputs, truncation=None):
    """Backpropagation through time: the gradient of a loss for each weight of an :class:`RNN`.

    Parameters
    ----------
    rnn : RNN
    inputs : (batch, time, input_dim)
    states : (time + 1, batch, hidden_dim)
        As :func:`unroll` returned them.
    d_outputs : (batch, time, output_dim)
        δo_t = ∂L/∂o_t.
    truncation : int, optional
        How many uses of the recurrent weights a loss may blame, its own step's included. 1: the loss at step t blames
        the weights as used at step t only, as in Elman 1990. None: all uses, the true gradient.

    Returns
    -------
    list of array
        ∂L/∂W for the weights in the order of ``rnn.weights``.

    Raises
    ------
    ValueError
        If the truncation is below 1.

    References
    ----------
    Werbos 1990, Backpropagation through time: what it does and how to do it; Williams and Peng 1990, An efficient
    gradient-based algorithm for on-line training of recurrent network trajectories (truncation).
    """
    if truncation is not None and truncation < 1:
        raise ValueError(f"truncation counts the uses of the weights that a loss may blame, so it is at least 1, but "
                         f"{truncation} came.")
    time = inputs.shape[1]
    d_kernel, d_recurrent_kernel, d_bias, d_output_kernel, d_output_bias = (np.zeros_like(w) for w in rnn.weights)
    dh = np.zeros((truncation or 1, *states[0].shape))  # dh[j]: blame that has already travelled j steps
    for t in reversed(range(time)):
        h, h_before = states[t + 1], states[t]
        d_output_kernel += h.T @ d_outputs[:, t]
        d_output_bias += d_outputs[:, t].sum(axis=0)
        dh[0] += d_outputs[:, t] @ rnn.output_kernel.T
        das = dh * (1 - h**2)
        da = das.sum(axis=0)
        d_kernel += inputs[:, t].T @ da
        d_recurrent_kernel += h_before.T @ da
        d_bias += da.sum(axis=0)
        carried = das @ rnn.recurrent_kernel.T
        if truncation is None:
            dh = carried
        else:  # everything is one step older now, and the oldest is dropped
            dh[1:] = carried[:-1]
            dh[0] = 0
    return [d_kernel, d_recurrent_kernel, d_bias, d_output_kernel, d_output_bias]


# ---------------------------------------------------------------------------------------------------------------------
# Layers over whole sequences
# ---------------------------------------------------------------------------------------------------------------------
def _sequences(x, features, layer):
    """x as floats of shape (batch, time, features), or an error that says what is missing."""
    x = _real_numbers(x, layer)
    if x.ndim != 3 or x.shape[2] != features:
        raise ValueError(
            f"{layer} takes sequences of shape (batch, time, {features}), but {x.shape} came. One sequence alone? "
            f"Write x[None]. One number a step? Write x[..., None]."
        )
    if x.shape[1] == 0:
        raise ValueError(f"{layer} got sequences of no steps, shape {x.shape}. Leave empty sequences out of the batch.")
    return x


def _time_major_mask(mask, batch, time, layer):
    """mask (batch, time) -> (time, batch, 1) of bool, or None."""
    if mask is None:
        return None
    mask = np.asarray(mask)
    if mask.shape != (batch, time) or mask.dtype != bool:
        raise ValueError(
            f"{layer} takes a mask of {(batch, time)} booleans, True at real steps, but {mask.dtype} of shape "
            f"{mask.shape} came. sequences.pad returns such a mask beside the padded sequences."
        )
    return mask.T[..., None]


def _state(state, batch, units, dtype, layer):
    """An initial state of shape (batch, units), zeros when None."""
    if state is None:
        return np.zeros((batch, units), dtype)
    state = np.asarray(state, dtype)
    if state.shape != (batch, units):
        raise ValueError(
            f"{layer} needs an initial state of shape {(batch, units)}, but {state.shape} came. Does it stem from a "
            f"batch of another size? The last batch of an epoch may be smaller."
        )
    return state


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

    def config(self):
        return dict(features=self.features, units=self.units)

    def forward(self, x, initial_state=None, mask=None):
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
        states = np.empty((time + 1, batch, self.units), self.dtype)
        states[0] = _state(initial_state, batch, self.units, self.dtype, "SimpleRNN")

        xs = np.ascontiguousarray(x.transpose(1, 0, 2))  # time first, so that a step is one block of memory
        states[1:] = (xs.reshape(time * batch, -1) @ self.kernel + self.bias).reshape(time, batch, -1)
        for t in range(time):
            h = states[t + 1]  # holds x_t W_x + b until the next two lines
            h += states[t] @ self.recurrent_kernel
            np.tanh(h, out=h)
            if live is not None:
                np.copyto(h, states[t], where=~live[t])

        outputs = states[1:]
        if live is not None:
            outputs = np.where(np.logical_or.accumulate(live), outputs, 0)  # nothing to repeat before the first step
        self._cache = xs, states, live
        return outputs.transpose(1, 0, 2).copy(), states[-1].copy()

    def backward(self, d_outputs, d_final_state=None):
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
        if d_outputs is None and d_final_state is None:
            raise ValueError("SimpleRNN.backward needs d_outputs, d_final_state or both; with neither there is nothing "
                             "to blame the weights for.")
        d_outputs = self._blame(d_outputs, (batch, time, self.units), "d_outputs").transpose(1, 0, 2)
        dh = self._blame(d_final_state, (batch, self.units), "d_final_state")

        das = 1 - states[1:] ** 2  # the slopes of tanh at all steps, to become ∂L/∂a_t
        repeated = np.zeros_like(dh)  # blame for repeats, on its way to the step that was repeated
        for t in reversed(range(time)):
            if live is None:
                das[t] *= dh + d_outputs[t]
                dh = das[t] @ self.recurrent_kernel.T
            else:
                repeated = repeated + d_outputs[t]
                das[t] *= np.where(live[t], dh + repeated, 0)
                dh = np.where(live[t], das[t] @ self.recurrent_kernel.T, dh)
                repeated = np.where(live[t], 0, repeated)

        flat_das = das.reshape(time * batch, -1)
        self.grads = [
            xs.reshape(time * batch, -1).T @ flat_das,
            states[:-1].reshape(time * batch, -1).T @ flat_das,
            flat_das.sum(axis=0),
        ]
        dx = (flat_das @ self.kernel.T).reshape(time, batch, -1)
        return dx.transpose(1, 0, 2).copy(), dh

    def _blame(self, gradient, shape, name):
        """A gradient of the given shape, zeros when None."""
        if gradient is None:
            return np.zeros(shape, self.dtype)
        gradient = np.asarray(gradient, self.dtype)
        if gradient.shape != shape:
            raise ValueError(f"{name} has the shape of what it is the gradient of, {shape}, but {gradient.shape} came.")
        return gradient.copy()
