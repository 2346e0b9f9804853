"""The first network with memory, one step at a time: ``RNN``, ``unroll`` and ``bptt``, written for reading."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from course_lib.layers import glorot_uniform, orthogonal


class RNN:
    """h_t = tanh(x_t W_x + h_{t-1} W_h + b),  o_t = h_t W_y + b_y: one step a call.

    Parameters
    ----------
    input_dim, hidden_dim, output_dim : int
        Size of x_t, h_t and o_t.
    rng : numpy.random.Generator or int, optional
        Draws W_x and W_y (Glorot uniform) and W_h (orthogonal). A number is a seed; without it, another network at
        each call.

    Attributes
    ----------
    kernel : (input_dim, hidden_dim) array
        W_x.
    recurrent_kernel : (hidden_dim, hidden_dim) array
        W_h.
    bias : (hidden_dim,) array
        b.
    output_kernel : (hidden_dim, output_dim) array
        W_y.
    output_bias : (output_dim,) array
        b_y.
    hidden_state : (batch, hidden_dim) array
        h_t of the last step; ``reset_state`` makes it zeros again.

    All are float64: this class is for understanding, and gradient checks need the digits.

    References
    ----------
    Elman 1990, Finding structure in time (tanh and zero-centred states in place of his logistic units).

    Examples
    --------
    >>> rnn = RNN(2, 3, 1, rng=np.random.default_rng(0))
    >>> hidden_state, output = rnn.forward(np.zeros((1, 2)))
    >>> hidden_state.shape, output.shape
    ((1, 3), (1, 1))
    """

    weight_names = ("kernel", "recurrent_kernel", "bias", "output_kernel", "output_bias")

    def __init__(
        self, input_dim: int, hidden_dim: int, output_dim: int, *, rng: np.random.Generator | int | None = None
    ) -> None:
        rng = np.random.default_rng(rng)
        self.input_dim, self.hidden_dim, self.output_dim = input_dim, hidden_dim, output_dim
        self.kernel = glorot_uniform((input_dim, hidden_dim), rng, np.float64)
        self.recurrent_kernel = orthogonal((hidden_dim, hidden_dim), rng, np.float64)
        self.bias = np.zeros(hidden_dim)
        self.output_kernel = glorot_uniform((hidden_dim, output_dim), rng, np.float64)
        self.output_bias = np.zeros(output_dim)
        self.reset_state()

    @property
    def weights(self) -> list[np.ndarray]:
        """The five parameters themselves, not copies: an optimiser changes them in place."""
        return [getattr(self, name) for name in self.weight_names]

    def reset_state(self, batch_size: int = 1) -> None:
        """Let the next step start from h = 0.

        Parameters
        ----------
        batch_size : int
            Rows of the next input.
        """
        self.hidden_state = np.zeros((batch_size, self.hidden_dim))

    def forward(self, inputs: ArrayLike, hidden_state: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """One step.

        Parameters
        ----------
        inputs : (batch, input_dim) array
            x_t.
        hidden_state : (batch, hidden_dim) array, optional
            h_{t-1}; without it, the one kept from the last call.

        Returns
        -------
        hidden_state : (batch, hidden_dim) array
            h_t, also kept for the next call.
        output : (batch, output_dim) array
            o_t.

        Raises
        ------
        ValueError
            If a shape does not fit; the message says which was expected.
        """
        if hidden_state is None:
            hidden_state = self.hidden_state
        inputs = np.asarray(inputs)
        if inputs.ndim != 2 or inputs.shape[1] != self.input_dim:
            raise ValueError(
                f"RNN.forward takes one step of shape (batch, {self.input_dim}), but got {inputs.shape}. "
                f"A whole sequence? Call forward once a step, or use unroll."
            )
        if hidden_state.shape != (len(inputs), self.hidden_dim):
            raise ValueError(
                f"A hidden state of shape {(len(inputs), self.hidden_dim)} is needed for {len(inputs)} "
                f"rows of input, but got {hidden_state.shape}. Call "
                f"reset_state(batch_size={len(inputs)}) before a new batch."
            )
        self.hidden_state = np.tanh(inputs @ self.kernel + hidden_state @ self.recurrent_kernel + self.bias)
        return self.hidden_state, self.hidden_state @ self.output_kernel + self.output_bias


def unroll(rnn: RNN, inputs: np.ndarray, initial_state: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Run an :class:`RNN` over sequences and keep what backpropagation will need.

    Parameters
    ----------
    rnn : RNN
        The network.
    inputs : (batch, time, input_dim) array
        The sequences.
    initial_state : (batch, hidden_dim) array, optional
        h_0; zeros without it.

    Returns
    -------
    states : (time + 1, batch, hidden_dim) array
        states[0] is the initial state, states[t] is h_t.
    outputs : (batch, time, output_dim) array
        o_1 to o_T.
    """
    batch, time, _ = inputs.shape
    states = np.zeros((time + 1, batch, rnn.hidden_dim))
    outputs = np.zeros((batch, time, rnn.output_dim))
    if initial_state is not None:
        states[0] = initial_state
    for t in range(time):
        states[t + 1], outputs[:, t] = rnn.forward(inputs[:, t], states[t])
    return states, outputs


def bptt(
    rnn: RNN, inputs: np.ndarray, states: np.ndarray, d_outputs: np.ndarray, truncation: int | None = None
) -> list[np.ndarray]:
    """Backpropagation through time: the gradient of a loss for each weight of an :class:`RNN`.

    Parameters
    ----------
    rnn : RNN
        The network.
    inputs : (batch, time, input_dim) array
        The sequences.
    states : (time + 1, batch, hidden_dim) array
        As :func:`unroll` returned them.
    d_outputs : (batch, time, output_dim) array
        δo_t = ∂L/∂o_t.
    truncation : int, optional
        How many uses of the recurrent weights a loss is backpropagated to, its own step's included. 1: the loss at
        step t reaches the weights as used at step t only, as in Elman 1990. None: all uses, the true gradient.

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
        raise ValueError(
            f"truncation counts the uses of the weights that a loss is backpropagated to, so it is at least 1, but "
            f"got {truncation}."
        )
    time = inputs.shape[1]
    d_kernel, d_recurrent_kernel, d_bias, d_output_kernel, d_output_bias = (np.zeros_like(w) for w in rnn.weights)
    dh = np.zeros((truncation or 1, *states[0].shape))  # dh[j]: a gradient that has come back j steps
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
        dh_before = das @ rnn.recurrent_kernel.T
        if truncation is None:
            dh = dh_before
        else:  # everything is one step older now, and the oldest is dropped
            dh[1:] = dh_before[:-1]
            dh[0] = 0
    return [d_kernel, d_recurrent_kernel, d_bias, d_output_kernel, d_output_bias]
