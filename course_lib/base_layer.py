"""``Layer``: what all layers share, and the registry by which a saved model finds their classes."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

LAYERS: dict[str, type[Layer]] = {}  # every layer class by its name, for loading a saved model


class Layer:
    """What all layers share: parameters that can be listed, counted, copied out, copied in and saved.

    A subclass defines ``forward`` and ``backward``, names its parameters in ``weight_names`` and keeps the arguments
    of its constructor as attributes of the same names, so that :meth:`config` finds them.

    Attributes
    ----------
    weight_names : tuple of str
        Names of the parameters, in Keras' order.
    grads : sequence of array
        After ``backward``: ∂L/∂parameter, same order and shapes as ``weights``.
    recurrent : bool
        True for layers whose ``forward`` also takes and returns a state (:mod:`course_lib.recurrent`).
    takes_training : bool
        Whether ``forward`` has the parameter ``training``. Found by itself when a class is defined.
    optional_input_gradient : bool
        Whether ``backward`` has the parameter ``input_gradient``; with False it returns None in place of ∂L/∂x, which
        a model's first layer computes for nobody. Found by itself when a class is defined.

    Examples
    --------
    >>> class Scale(Layer):
    ...     weight_names = ("factor",)
    ...
    ...     def __init__(self, features):
    ...         self.features, self.factor = features, np.ones(features)
    ...
    ...     def forward(self, x, training=False):
    ...         self._cache = x
    ...         return x * self.factor
    ...
    ...     def backward(self, dy):
    ...         self.grads = [(dy * self._cache).reshape(-1, self.features).sum(axis=0)]
    ...         return dy * self.factor
    >>> layer = Scale(3)
    >>> layer, layer.count_params()
    (Scale(features=3), 3)
    >>> LAYERS["Scale"].from_config(layer.config())
    Scale(features=3)
    """

    weight_names: tuple[str, ...] = ()
    grads: Sequence[np.ndarray] = ()
    recurrent = False
    takes_training = True
    optional_input_gradient = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        LAYERS[cls.__name__] = cls
        cls.takes_training = "training" in inspect.signature(cls.forward).parameters
        cls.optional_input_gradient = "input_gradient" in inspect.signature(cls.backward).parameters

    def forward(self, x: ArrayLike, training: bool = False) -> np.ndarray:
        """Compute the outputs and remember what :meth:`backward` will need.

        Parameters
        ----------
        x : array
            The layer's input.
        training : bool
            Whether a training step is being computed; most layers do the same either way.

        Returns
        -------
        array
            The layer's output.
        """
        raise NotImplementedError(f"{type(self).__name__} has no forward; a layer defines it.")

    def backward(self, dy: np.ndarray) -> np.ndarray | None:
        """Backpropagate, and leave the gradient of each parameter in ``grads``.

        Parameters
        ----------
        dy : array
            ∂L/∂output.

        Returns
        -------
        array or None
            ∂L/∂input; None where the input has no gradient.
        """
        raise NotImplementedError(f"{type(self).__name__} has no backward; a layer defines it.")

    @property
    def weights(self) -> list[np.ndarray]:
        """The parameters themselves, not copies: an optimiser changes them in place."""
        return [getattr(self, name) for name in self.weight_names]

    def get_weights(self) -> list[np.ndarray]:
        """Copies of the parameters, for ``keras_layer.set_weights`` or for keeping."""
        return [w.copy() for w in self.weights]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Copy the given arrays into the parameters.

        Parameters
        ----------
        weights : sequence of array
            In the order of ``weight_names``, such as a Keras layer's ``get_weights()``.

        Raises
        ------
        ValueError
            If their number or a shape differs; the message names the parameter. Nothing is changed then.
        """
        weights = [np.asarray(w) for w in weights]
        if len(weights) != len(self.weight_names):
            raise ValueError(
                f"{type(self).__name__} has {len(self.weight_names)} weights ({', '.join(self.weight_names)}), but got "
                f"{len(weights)} arrays. Pass what get_weights() of the same kind of layer returns."
            )
        for name, mine, new in zip(self.weight_names, self.weights, weights, strict=True):
            if mine.shape != new.shape:
                raise ValueError(
                    f"{type(self).__name__}.{name} has shape {mine.shape}, but got an array of shape {new.shape}. Were "
                    f"the weights taken from a layer with other features or units?"
                )
        for mine, new in zip(self.weights, weights, strict=True):
            mine[...] = new

    def count_params(self) -> int:
        """How many numbers the layer learns."""
        return sum(w.size for w in self.weights)

    @classmethod
    def _constructor_parameters(cls) -> list[str]:
        """Names of what the constructor takes; with ``**kwargs``, also of what the constructor behind it takes."""
        names: list[str] = []
        for constructor in (vars(base)["__init__"] for base in cls.__mro__ if "__init__" in vars(base)):
            parameters = list(inspect.signature(constructor).parameters.values())[1:]  # without self
            names += [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
            if not any(p.kind is p.VAR_KEYWORD for p in parameters):
                break
        return list(dict.fromkeys(names))

    def config(self) -> dict[str, Any]:
        """The constructor's arguments but ``rng`` and ``dtype``, for a saved model: values that JSON can hold.

        Returns
        -------
        dict of str to value
            Found in the attributes of the same names.

        Raises
        ------
        ValueError
            If there is no such attribute; the message names it.
        """
        names = [name for name in self._constructor_parameters() if name not in ("rng", "dtype")]
        missing = [name for name in names if not hasattr(self, name)]
        if missing:
            raise ValueError(
                f"{type(self).__name__} is made with {', '.join(missing)}, but keeps no attribute of that name, so it "
                f"could not be made again from a file. Write self.{missing[0]} = {missing[0]} in __init__, or define "
                f"config()."
            )
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], *, rng: np.random.Generator | None = None, dtype: DTypeLike | None = None
    ) -> Layer:
        """A new layer of this class.

        Parameters
        ----------
        config : dict of str to value
            What :meth:`config` returned.
        rng : numpy.random.Generator, optional
            Passed on if the constructor takes it.
        dtype : numpy dtype, optional
            Passed on if the constructor takes it.

        Returns
        -------
        Layer
            Its weights are initial ones: :meth:`set_weights` comes next.
        """
        taken = cls._constructor_parameters()
        more = {name: value for name, value in (("rng", rng), ("dtype", dtype)) if name in taken and value is not None}
        return cls(**config, **more)

    def __repr__(self) -> str:
        try:
            arguments = ", ".join(f"{name}={value!r}" for name, value in self.config().items())
        except ValueError:
            arguments = "..."
        return f"{type(self).__name__}({arguments})"

    def _need_forward(self):
        return _forward_cache(self)


def _forward_cache(part):
    """What the forward pass of a layer or a loss kept for its backward pass."""
    if not hasattr(part, "_cache"):
        raise RuntimeError(
            f"{type(part).__name__}.backward was called before forward. The gradient depends on the values of the "
            f"forward pass: call forward first, then backward once."
        )
    return part._cache


def _as_floats(x, layer, dtype=None):
    """x as an array of floats of that dtype; symbol ids are a common mistake, so whole numbers are refused by name."""
    x = np.asarray(x)
    if not np.issubdtype(x.dtype, np.floating):
        raise TypeError(
            f"{layer} takes real numbers, but got an array of {x.dtype}. If these are symbol ids, turn them into "
            f"vectors with sequences.one_hot or an Embedding; if they are measurements, use x.astype(np.float32)."
        )
    return x if dtype is None else x.astype(dtype, copy=False)


def _as_features(x, features, layer, dtype):
    """x (..., features) as floats of that dtype."""
    x = _as_floats(x, layer, dtype)
    if x.ndim < 1 or x.shape[-1] != features:
        raise ValueError(
            f"{layer} was made for {features} features, so its input has shape (..., {features}), but got {x.shape}. "
            f"Check the layer before it, or the number of features this one was made with."
        )
    return x
