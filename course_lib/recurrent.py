"""Layers with memory: the first ``RNN``, one step at a time, and the layers that take whole sequences.

``RNN`` with its ``unroll`` and ``bptt`` is written for reading: a step is three lines, time is a Python loop.
``SimpleRNN`` is the same mathematics arranged for speed: what does not depend on the previous step is computed for all
steps at once, and only the product with the recurrent kernel stays in the loop. ``LSTM`` and ``GRU`` are arranged in
the same way. ``Bidirectional`` puts two of these layers side by side, one for each direction of time.

Inside a layer time comes first, so that a step is one block of memory, and so do the gates of a step:
``i, f, g, o = gates[t]`` are four arrays of shape (batch, units).
"""
from __future__ import annotations

import math

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


def _time_first(layer, x):
    """x (batch, time, features) -> (time, batch, features), so that a step is one block of memory."""
    batch, time, features = x.shape
    xs = _room(layer, "xs", time, batch, features)
    xs[:] = x.transpose(1, 0, 2)
    return xs


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
    return mask.T[..., None].copy()  # the caller may write into theirs before backward


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


def _pair(both, wanted):
    """The two parts of a state or of its gradient, each None when there is none."""
    if both is None:
        return None, None
    if not isinstance(both, tuple | list) or len(both) != 2:
        came = (f"an array of shape {both.shape}" if isinstance(both, np.ndarray) else
                f"a {type(both).__name__}" + (f" of {len(both)}" if isinstance(both, tuple | list) else ""))
        raise ValueError(f"{wanted}, but {came} came.")
    return both


def _shown(states, live):
    """Outputs (batch, time, units) from the states (time + 1, batch, units): 0 where there is nothing to repeat yet."""
    outputs = states[1:]
    if live is not None:
        outputs = np.where(np.logical_or.accumulate(live), outputs, 0)
    return outputs.transpose(1, 0, 2).copy()


def _blame(gradient, shape, dtype, name):
    """A gradient of the given shape, zeros when None."""
    if gradient is None:
        return np.zeros(shape, dtype)
    gradient = np.asarray(gradient, dtype)
    if gradient.shape != shape:
        raise ValueError(f"{name} has the shape of what it is the gradient of, {shape}, but {gradient.shape} came.")
    return gradient


def _blame_of_outputs(d_outputs, shape, live, dtype):
    """∂L/∂outputs, time first; blame for a repeated output has moved to the step whose output was repeated."""
    d_outputs = _blame(d_outputs, shape, dtype, "d_outputs").transpose(1, 0, 2)
    if live is None:
        return d_outputs
    d_outputs = d_outputs.copy()
    for t in reversed(range(1, len(d_outputs))):
        d_outputs[t - 1] += np.where(live[t], 0, d_outputs[t])
    return np.where(live, d_outputs, 0)


def _need_blame(layer, d_outputs, d_final_state):
    if d_outputs is None and d_final_state is None:
        raise ValueError(f"{type(layer).__name__}.backward needs d_outputs, d_final_state or both; with neither there "
                         f"is nothing to blame the weights for.")


def _room(layer, name, *shape):
    """An array of the layer's dtype to write into. Its memory is kept from call to call: fresh memory is slow."""
    rooms = layer.__dict__.setdefault("_rooms", {})
    size = math.prod(shape)
    if name not in rooms or rooms[name].size < size:
        rooms[name] = np.empty(size, layer.dtype)
    return rooms[name][:size].reshape(shape)


def _by_gate(weights, units):
    """(rows, gates·units), as Keras lays them out, -> (gates, rows, units): a matrix for each gate."""
    return weights.reshape(-1, weights.shape[-1] // units, units).swapaxes(0, 1).copy()


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
        states = _room(self, "states", time + 1, batch, self.units)
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
        return _shown(states, live), states[-1].copy()

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
        _need_blame(self, d_outputs, d_final_state)
        d_outputs = _blame_of_outputs(d_outputs, (batch, time, self.units), live, self.dtype)
        dh = _blame(d_final_state, (batch, self.units), self.dtype, "d_final_state")

        das = np.square(states[1:], out=_room(self, "das", time, batch, self.units))
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
        dx = (flat_das @ self.kernel.T).reshape(time, batch, -1)
        return dx.transpose(1, 0, 2).copy(), dh


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
        self.bias[units:2 * units] = forget_bias

    def config(self):
        return dict(features=self.features, units=self.units, forget_bias=self.forget_bias)

    @property
    def gates(self):
        """What the gates were in the last forward pass: {"i", "f", "c" (the candidate), "o"}, (batch, time, units)."""
        gates = self._need_forward()[2]
        return dict(zip("ifco", gates.transpose(1, 2, 0, 3).copy(), strict=True))

    @property
    def cell_states(self):
        """c_1 to c_T of the last forward pass, (batch, time, units)."""
        return self._need_forward()[3][1:].transpose(1, 0, 2).copy()

    def forward(self, x, initial_state=None, mask=None):
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
        h, c = (_room(self, name, time + 1, batch, self.units) for name in "hc")
        tanh_c = _room(self, "tanh_c", time, batch, self.units)
        h_0, c_0 = _pair(initial_state, "LSTM takes an initial state as a pair, (h, c)")
        h[0], c[0] = (_state(s, batch, self.units, self.dtype, "LSTM") for s in (h_0, c_0))

        # σ(a) = 1/2 + 1/2 tanh(a/2): with the sums of i, f and o halved, one tanh serves all four
        half = np.array([0.5, 0.5, 1, 0.5], self.dtype).reshape(4, 1, 1)
        rest = 1 - half
        kernel, recurrent_kernel, bias = (_by_gate(w, self.units) * half for w in self.weights)

        xs = _time_first(self, x)
        gates = np.matmul(xs[:, None], kernel, out=_room(self, "gates", time, 4, batch, self.units))
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
        return _shown(h, live), (h[-1].copy(), c[-1].copy())

    def backward(self, d_outputs, d_final_state=None):
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
        _need_blame(self, d_outputs, d_final_state)
        d_outputs = _blame_of_outputs(d_outputs, (batch, time, self.units), live, self.dtype)
        dh, dc = (_blame(d, (batch, self.units), self.dtype, "each part of d_final_state")
                  for d in _pair(d_final_state, "LSTM takes the gradient of its final state as a pair, (dh, dc)"))

        i, f, g, o = gates.swapaxes(0, 1)  # all steps at once
        das = _room(self, "das", time, batch, 4, self.units)  # slopes first, to become ∂L/∂a_t
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
        dx = (flat_das @ self.kernel.T).reshape(time, batch, -1)
        return dx.transpose(1, 0, 2).copy(), (dh, dc)


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

    def config(self):
        return dict(features=self.features, units=self.units, reset_after=self.reset_after)

    @property
    def gates(self):
        """What the gates were in the last forward pass: {"z", "r", "h" (the candidate)}, (batch, time, units)."""
        gates = self._need_forward()[2]
        return dict(zip("zrh", gates.transpose(1, 2, 0, 3).copy(), strict=True))

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
        x = _sequences(x, self.features, "GRU").astype(self.dtype, copy=False)
        batch, time, _ = x.shape
        live = _time_major_mask(mask, batch, time, "GRU")
        h = _room(self, "h", time + 1, batch, self.units)
        h[0] = _state(initial_state, batch, self.units, self.dtype, "GRU")
        reset = _room(self, "reset", time, batch, self.units)  # what r_t multiplies or has multiplied, for backward

        # σ(a) = 1/2 + 1/2 tanh(a/2): the sums of z and r are halved beforehand
        half = np.array([0.5, 0.5, 1], self.dtype).reshape(3, 1, 1)
        kernel, recurrent_kernel = (_by_gate(w, self.units) * half for w in (self.kernel, self.recurrent_kernel))
        biases = _by_gate(self.bias, self.units) * half  # (3, 2 or 1, units)
        bias = biases[:, :1]
        if self.reset_after:
            bias[:2] += biases[:2, 1:]  # only the candidate's two biases stay apart
            candidate_bias = biases[2, 1]

        xs = _time_first(self, x)
        gates = np.matmul(xs[:, None], kernel, out=_room(self, "gates", time, 3, batch, self.units))
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
        return _shown(h, live), h[-1].copy()

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
        xs, h, gates, reset, live = self._need_forward()
        time, batch, _ = xs.shape
        _need_blame(self, d_outputs, d_final_state)
        d_outputs = _blame_of_outputs(d_outputs, (batch, time, self.units), live, self.dtype)
        dh = _blame(d_final_state, (batch, self.units), self.dtype, "d_final_state")

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
            d_kernel, d_recurrent_kernel, np.stack([d_bias, d_recurrent_bias]) if self.reset_after else d_bias,
        ]
        dx = (das @ self.kernel.T).reshape(time, batch, -1)
        return dx.transpose(1, 0, 2).copy(), dh

    def _through_reset_after(self, dh, d_outputs, h_before, z, r, reset, z_slope, candidate_slope):
        """Back through the steps of h̃_t = tanh(x_t W_x + b + r_t ⊙ (h_{t-1} W_h + b')).

        Every sum's blame is dh_t times a slope that is known beforehand. There are four of them a step: h̃'s recurrent
        sum, z, r, h̃'s own sum. The first three are those of W_h and b', the last three those of W_x and b.
        """
        time, batch, units = z.shape
        das = _room(self, "das", time, batch, 4, units)  # slopes first, to become ∂L/∂a_t
        das[:, :, 0] = candidate_slope * r
        das[:, :, 1] = z_slope
        das[:, :, 2] = candidate_slope * reset * r * (1 - r)
        das[:, :, 3] = candidate_slope
        recurrent_kernel_T = np.roll(self.recurrent_kernel, units, axis=1).T.copy()  # z, r, h -> h, z, r
        for t in reversed(range(time)):
            dh = dh + d_outputs[t]
            das[t] *= dh[:, None]
            dh = dh * z[t] + das[t].reshape(batch, -1)[:, :3 * units] @ recurrent_kernel_T
        das = das.reshape(time * batch, -1)
        d_recurrent_kernel = h_before.reshape(time * batch, -1).T @ das[:, :3 * units]
        d_recurrent_bias = das[:, :3 * units].sum(axis=0)
        d_recurrent_kernel, d_recurrent_bias = (  # h, z, r -> z, r, h
            np.roll(d, -units, axis=-1) for d in (d_recurrent_kernel, d_recurrent_bias)
        )
        return das[:, units:], d_recurrent_kernel, d_recurrent_bias, dh

    def _through_reset_before(self, dh, d_outputs, h_before, z, r, reset, z_slope, candidate_slope):
        """Back through the steps of h̃_t = tanh(x_t W_x + b + (r_t ⊙ h_{t-1}) W_h); ``reset`` is r_t ⊙ h_{t-1}."""
        time, batch, units = z.shape
        das = _room(self, "das", time, batch, 3, units)  # slopes first, to become ∂L/∂a_t
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
        d_recurrent_kernel = np.concatenate([
            h_before.reshape(time * batch, -1).T @ das[:, :2 * units],
            reset.reshape(time * batch, -1).T @ das[:, 2 * units:],
        ], axis=1)
        return das, d_recurrent_kernel, None, dh


class Bidirectional(Layer):
    """Two recurrent layers on the same sequences, one reading forwards and one backwards; their outputs side by side.

    Every output knows the whole sequence, so it fits where the sequence is complete before an answer is due, not where
    the next symbol is to be predicted.

    Parameters
    ----------
    forward_layer, backward_layer : recurrent layers
        Two layers of the same features, units and dtype.

    Attributes
    ----------
    weights : list of array
        The forward layer's, then the backward layer's, as in Keras.

    Raises
    ------
    TypeError, ValueError
        If a part is no recurrent layer, if the two do not fit together, or if they are one and the same layer.

    References
    ----------
    Masks as in Keras' ``Bidirectional`` of a layer with ``return_sequences=True, return_state=True``.
    """

    recurrent = True

    def __init__(self, forward_layer, backward_layer):
        for layer in (forward_layer, backward_layer):
            if not getattr(layer, "recurrent", False) or isinstance(layer, Bidirectional):
                raise TypeError(f"Bidirectional takes two recurrent layers, such as SimpleRNN, but "
                                f"{type(layer).__name__} came.")
        if forward_layer is backward_layer:
            raise ValueError("Bidirectional got the same layer twice, which would read both ways with one set of "
                             "weights and remember only the second reading. Make two layers.")
        sizes = [(layer.features, layer.units, layer.dtype.name) for layer in (forward_layer, backward_layer)]
        if sizes[0] != sizes[1]:
            raise ValueError(f"Both layers of a Bidirectional have the same features, units and dtype, but {sizes[0]} "
                             f"and {sizes[1]} came.")
        self.forward_layer, self.backward_layer = forward_layer, backward_layer
        self.features, self.units, self.dtype = forward_layer.features, forward_layer.units, forward_layer.dtype

    @property
    def weight_names(self):
        """Names such as ``forward_layer.kernel``."""
        return tuple(f"{side}.{name}" for side in ("forward_layer", "backward_layer")
                     for name in getattr(self, side).weight_names)

    @property
    def weights(self):
        return self.forward_layer.weights + self.backward_layer.weights

    @property
    def grads(self):
        return self.forward_layer.grads + self.backward_layer.grads

    def config(self):
        return {side: [type(layer).__name__, layer.config()]
                for side, layer in (("forward_layer", self.forward_layer), ("backward_layer", self.backward_layer))}

    def forward(self, x, initial_state=None, mask=None):
        """Read the sequences both ways.

        Parameters
        ----------
        x : (batch, time, features)
        initial_state : pair, optional
            The forward layer's and the backward layer's initial states; the latter is where the reading from the end
            begins.
        mask : (batch, time) of bool, optional
            False marks padding: both layers keep their states there, and the outputs are 0.

        Returns
        -------
        outputs : (batch, time, 2·units)
            At each step, what the forward layer made of the steps up to it, then what the backward layer made of the
            steps from the end down to it.
        final_state : pair
            The forward layer's after the last step, the backward layer's after the first.

        Raises
        ------
        ValueError, TypeError
            For a shape or kind that does not fit; the message says which was expected.
        """
        forward_state, backward_state = _pair(
            initial_state, "Bidirectional takes an initial state as a pair, (forward layer's, backward layer's)"
        )
        forward_outputs, forward_final = self.forward_layer.forward(x, forward_state, mask)
        x = np.asarray(x)
        mask = None if mask is None else np.asarray(mask)
        backward_outputs, backward_final = self.backward_layer.forward(
            x[:, ::-1], backward_state, None if mask is None else mask[:, ::-1]
        )
        outputs = np.concatenate([forward_outputs, backward_outputs[:, ::-1]], axis=-1)
        if mask is not None:
            outputs[~mask] = 0
        self._cache = outputs.shape, None if mask is None else mask.copy()
        return outputs, (forward_final, backward_final)

    def backward(self, d_outputs, d_final_state=None):
        """Carry blame back through both readings.

        Parameters
        ----------
        d_outputs : (batch, time, 2·units) or None
            ∂L/∂outputs. At a masked step it goes nowhere.
        d_final_state : pair, optional
            ∂L/∂(forward layer's final state) and ∂L/∂(backward layer's final state); either may be None.

        Returns
        -------
        dx : (batch, time, features)
            ∂L/∂x, the sum over both readings.
        d_initial_state : pair
            ∂L/∂(forward layer's initial state) and ∂L/∂(backward layer's initial state).

        ``grads`` then holds the forward layer's gradients, then the backward layer's.
        """
        shape, mask = self._need_forward()
        _need_blame(self, d_outputs, d_final_state)
        d_forward_final, d_backward_final = _pair(
            d_final_state, "Bidirectional takes the gradient of its final state as a pair, (forward's, backward's)"
        )
        d_outputs = _blame(d_outputs, shape, self.dtype, "d_outputs")
        if mask is not None:
            d_outputs = np.where(mask[..., None], d_outputs, 0)
        d_forward, d_backward = np.split(d_outputs, 2, axis=-1)
        dx, d_forward_initial = self.forward_layer.backward(d_forward, d_forward_final)
        dx_reversed, d_backward_initial = self.backward_layer.backward(d_backward[:, ::-1], d_backward_final)
        return dx + dx_reversed[:, ::-1], (d_forward_initial, d_backward_initial)
