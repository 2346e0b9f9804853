"""``Bidirectional``: two recurrent layers, one for each direction of time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from course_lib.base_layer import LAYERS, Layer
from course_lib.recurrent.base import State, _gradient_or_zeros, _need_gradient, _pair


class Bidirectional(Layer):
    """Two recurrent layers on the same sequences, one forwards in time and one backwards; their outputs side by side.

    Every output depends on the whole sequence, so it fits where the sequence is complete before an answer is due, not
    where the next symbol is to be predicted.

    Parameters
    ----------
    forward_layer, backward_layer : recurrent layers
        Two layers of the same features, units and dtype.

    Attributes
    ----------
    weights : list of array
        The forward layer's, then the backward layer's, as in Keras.
    features, units : int
        Those of each of the two layers; the outputs have 2·units.

    Raises
    ------
    TypeError, ValueError
        If a part is no recurrent layer, if the two do not fit together, or if they are one and the same layer.

    References
    ----------
    Schuster and Paliwal 1997, Bidirectional recurrent neural networks; masks as in Keras' ``Bidirectional`` of a layer
    with ``return_sequences=True, return_state=True``.

    Examples
    --------
    >>> from course_lib.recurrent import GRU
    >>> rng = np.random.default_rng(0)
    >>> layer = Bidirectional(GRU(2, 8, rng=rng), GRU(2, 8, rng=rng))
    >>> outputs, (forward_state, backward_state) = layer.forward(np.zeros((3, 10, 2)))
    >>> outputs.shape, backward_state.shape
    ((3, 10, 16), (3, 8))
    """

    recurrent = True

    def __init__(self, forward_layer: Layer, backward_layer: Layer) -> None:
        for layer in (forward_layer, backward_layer):
            if not getattr(layer, "recurrent", False) or isinstance(layer, Bidirectional):
                raise TypeError(
                    f"Bidirectional takes two recurrent layers, such as SimpleRNN, but got {type(layer).__name__}."
                )
        if forward_layer is backward_layer:
            raise ValueError(
                "Bidirectional got the same layer twice, which would use one set of weights in both directions and "
                "remember only the second pass. Make two layers."
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
    def weight_names(self) -> tuple[str, ...]:
        """Names such as ``forward_layer.kernel``."""
        return tuple(
            f"{side}.{name}"
            for side in ("forward_layer", "backward_layer")
            for name in getattr(self, side).weight_names
        )

    @property
    def weights(self) -> list[np.ndarray]:
        """The parameters themselves, the forward layer's first."""
        return self.forward_layer.weights + self.backward_layer.weights

    @property
    def grads(self) -> list[np.ndarray]:
        """∂L/∂parameter, in the order of ``weights``."""
        return [*self.forward_layer.grads, *self.backward_layer.grads]

    def config(self) -> dict[str, Any]:
        """Class and config of the two layers, for a saved model.

        Returns
        -------
        dict
            {"forward_layer": [class name, config], "backward_layer": [class name, config]}.
        """
        return {
            side: [type(layer).__name__, layer.config()]
            for side, layer in (("forward_layer", self.forward_layer), ("backward_layer", self.backward_layer))
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], *, rng: np.random.Generator | None = None, dtype: DTypeLike | None = None
    ) -> Bidirectional:
        """A new layer of this class, with two new layers inside.

        Parameters
        ----------
        config : dict
            What :meth:`config` returned.
        rng : numpy.random.Generator
            Draws the initial weights of both.
        dtype : numpy dtype, optional
            Of both.

        Returns
        -------
        Bidirectional

        Raises
        ------
        ValueError
            If a class of that name is not defined.
        """
        unknown = [name for name, _ in config.values() if name not in LAYERS]
        if unknown:
            raise ValueError(
                f"A Bidirectional of {unknown[0]} cannot be made: no layer class of that name is defined. Import or "
                f"define it first."
            )
        return cls(
            **{side: LAYERS[name].from_config(its, rng=rng, dtype=dtype) for side, (name, its) in config.items()}
        )

    def __repr__(self) -> str:
        return f"Bidirectional({self.forward_layer!r}, {self.backward_layer!r})"

    def forward(
        self,
        x: ArrayLike,
        initial_state: tuple[State | None, State | None] | None = None,
        mask: ArrayLike | None = None,
        training: bool = False,
    ) -> tuple[np.ndarray, tuple[State, State]]:
        """Compute the states of all steps, in both directions.

        Parameters
        ----------
        x : (batch, time, features) array of float
            The sequences.
        initial_state : pair, optional
            The forward layer's and the backward layer's initial states, the latter at the sequences' end; either may
            be None.
        mask : (batch, time) array of bool, optional
            False marks padding: both layers keep their states there, and the outputs are 0.
        training : bool
            Passed on to layers that take it.

        Returns
        -------
        outputs : (batch, time, 2·units) array
            At each step the forward layer's output, from the steps up to it, then the backward layer's, from the steps
            from the end down to it.
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
        forward_outputs, forward_final = _forward(self.forward_layer, x, forward_state, mask, training)
        x = np.asarray(x)
        mask = None if mask is None else np.asarray(mask)
        mask_reversed = None if mask is None else mask[:, ::-1]
        backward_outputs, backward_final = _forward(
            self.backward_layer, x[:, ::-1], backward_state, mask_reversed, training
        )
        outputs = np.concatenate([forward_outputs, backward_outputs[:, ::-1]], axis=-1)
        if mask is not None:
            outputs[~mask] = 0
        self._cache = outputs.shape, None if mask is None else mask.copy()
        return outputs, (forward_final, backward_final)

    def backward(
        self,
        d_outputs: np.ndarray | None,
        d_final_state: tuple[State | None, State | None] | None = None,
        input_gradient: bool = True,
    ) -> tuple[np.ndarray | None, tuple[State, State]]:
        """Backpropagation through time in both layers; leaves their gradients in ``grads``.

        Parameters
        ----------
        d_outputs : (batch, time, 2·units) array or None
            ∂L/∂outputs. At a masked step it goes nowhere.
        d_final_state : pair, optional
            ∂L/∂(forward layer's final state) and ∂L/∂(backward layer's final state); either may be None.
        input_gradient : bool
            Whether ∂L/∂x is wanted.

        Returns
        -------
        dx : (batch, time, features) array, or None
            ∂L/∂x, the sum over both directions.
        d_initial_state : pair
            ∂L/∂(forward layer's initial state) and ∂L/∂(backward layer's initial state).

        Raises
        ------
        ValueError
            If both gradients are None or a shape does not fit.
        RuntimeError
            If there was no forward pass.
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
        return (dx + dx_reversed[:, ::-1] if input_gradient else None, (d_forward_initial, d_backward_initial))


def _forward(layer, x, initial_state, mask, training):
    """A layer's forward pass; one of a learner's own need not know ``training``."""
    more = {"training": training} if layer.takes_training else {}
    return layer.forward(x, initial_state, mask, **more)


def _backward(layer, d_outputs, d_final_state, input_gradient):
    """A layer's backward pass; one of a learner's own need not know ``input_gradient``."""
    more = {"input_gradient": input_gradient} if layer.optional_input_gradient else {}
    return layer.backward(d_outputs, d_final_state, **more)
