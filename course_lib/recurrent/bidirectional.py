"""``Bidirectional``: two recurrent layers, one for each direction of time."""

from __future__ import annotations

import numpy as np

from course_lib.layers import LAYERS, Layer
from course_lib.recurrent.base import _gradient_or_zeros, _need_gradient, _pair


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
                raise TypeError(
                    f"Bidirectional takes two recurrent layers, such as SimpleRNN, but got {type(layer).__name__}."
                )
        if forward_layer is backward_layer:
            raise ValueError(
                "Bidirectional got the same layer twice, which would read both ways with one set of "
                "weights and remember only the second reading. Make two layers."
            )
        sizes = [(layer.features, layer.units, layer.dtype.name) for layer in (forward_layer, backward_layer)]
        if sizes[0] != sizes[1]:
            raise ValueError(
                f"Both layers of a Bidirectional have the same features, units and dtype, but got "
                f"{sizes[0]} and {sizes[1]}."
            )
        self.forward_layer, self.backward_layer = forward_layer, backward_layer
        self.features, self.units, self.dtype = forward_layer.features, forward_layer.units, forward_layer.dtype

    @property
    def weight_names(self):
        """Names such as ``forward_layer.kernel``."""
        return tuple(
            f"{side}.{name}"
            for side in ("forward_layer", "backward_layer")
            for name in getattr(self, side).weight_names
        )

    @property
    def weights(self):
        return self.forward_layer.weights + self.backward_layer.weights

    @property
    def grads(self):
        return self.forward_layer.grads + self.backward_layer.grads

    def config(self):
        return {
            side: [type(layer).__name__, layer.config()]
            for side, layer in (("forward_layer", self.forward_layer), ("backward_layer", self.backward_layer))
        }

    @classmethod
    def from_config(cls, config, *, rng=None, dtype=None):
        return cls(*(LAYERS[name].from_config(its, rng=rng, dtype=dtype) for name, its in config.values()))

    def __repr__(self):
        return f"Bidirectional({self.forward_layer!r}, {self.backward_layer!r})"

    def forward(self, x, initial_state=None, mask=None, training=False):
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

    def backward(self, d_outputs, d_final_state=None, input_gradient=True):
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
        _need_gradient(self, d_outputs, d_final_state)
        d_forward_final, d_backward_final = _pair(
            d_final_state, "Bidirectional takes the gradient of its final state as a pair, (forward's, backward's)"
        )
        d_outputs = _gradient_or_zeros(d_outputs, shape, self.dtype, "d_outputs")
        if mask is not None:
            d_outputs = np.where(mask[..., None], d_outputs, 0)
        d_forward, d_backward = np.split(d_outputs, 2, axis=-1)
        dx, d_forward_initial = _backward(self.forward_layer, d_forward, d_forward_final, input_gradient)
        dx_reversed, d_backward_initial = _backward(
            self.backward_layer, d_backward[:, ::-1], d_backward_final, input_gradient
        )
        dx = dx + dx_reversed[:, ::-1] if input_gradient else None
        return dx, (d_forward_initial, d_backward_initial)


def _backward(layer, d_outputs, d_final_state, input_gradient):
    """A layer's backward pass; one of a learner's own need not know ``input_gradient``."""
    how = {"input_gradient": input_gradient} if layer.optional_input_gradient else {}
    return layer.backward(d_outputs, d_final_state, **how)
