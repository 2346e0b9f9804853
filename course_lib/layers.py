"""Layers without memory: each a ``forward`` and the ``backward`` that belongs to it.

A layer keeps its parameters under the names of the formulas (``kernel``, ``bias``). ``forward`` remembers what
``backward`` will need; ``backward`` takes ∂L/∂output, returns ∂L/∂input and leaves ∂L/∂parameter in ``grads``,
in the order of ``weights``. Names and order are those of Keras, so weights can be exchanged with it in either
direction.

A layer of your own is a subclass of :class:`Layer`; by being defined it can be saved and loaded with a model.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from course_lib.base_layer import LAYERS, Layer, _as_features, _as_floats

__all__ = [
    "ACTIVATIONS",
    "LAYERS",
    "Dense",
    "Dropout",
    "Embedding",
    "LastStep",
    "Layer",
    "LayerNormalization",
    "glorot_uniform",
    "orthogonal",
    "softmax",
]


# ---------------------------------------------------------------------------------------------------------------------
# Initial values
# ---------------------------------------------------------------------------------------------------------------------
def glorot_uniform(shape: tuple[int, int], rng: np.random.Generator, dtype: DTypeLike = np.float32) -> np.ndarray:
    """Uniform on ±√(6 / (rows + columns)), which keeps the variance of a signal about equal on its way in and out.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    rng : numpy.random.Generator
        Source of randomness.
    dtype : numpy dtype
        Of the result.

    Returns
    -------
    (rows, columns) array
        Of the dtype asked for.

    References
    ----------
    Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward neural networks, eq. 16.
    """
    limit = np.sqrt(6.0 / (shape[0] + shape[1]))
    return rng.uniform(-limit, limit, shape).astype(dtype)


def orthogonal(shape: tuple[int, int], rng: np.random.Generator, dtype: DTypeLike = np.float32) -> np.ndarray:
    """A random matrix with orthonormal rows or columns: it turns a state without stretching it.

    The QR decomposition of a normal matrix, with the signs of R's diagonal moved into Q so that every rotation is
    equally likely, reflections included. A matrix for several gates, (units, gates·units), is drawn in one piece, as
    Keras does.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    rng : numpy.random.Generator
        Source of randomness.
    dtype : numpy dtype
        Of the result.

    Returns
    -------
    (rows, columns) array
        Of the dtype asked for.

    References
    ----------
    Saxe, McClelland and Ganguli 2014, Exact solutions to the nonlinear dynamics of learning, arXiv:1312.6120.
    """
    rows, columns = shape
    q, r = np.linalg.qr(rng.standard_normal((max(shape), min(shape))))
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return (q if rows >= columns else q.T).astype(dtype)


# ---------------------------------------------------------------------------------------------------------------------
# Activations
# ---------------------------------------------------------------------------------------------------------------------
def softmax(scores: np.ndarray) -> np.ndarray:
    """exp(s) / Σ exp(s) over the last axis, computed after subtracting the largest score so that nothing overflows.

    Parameters
    ----------
    scores : (..., classes) array of float
        Logits.

    Returns
    -------
    (..., classes) array
        Probabilities: they sum to 1 over the last axis.

    Examples
    --------
    >>> softmax(np.log([1.0, 3.0]))
    array([0.25, 0.75])
    """
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


ACTIVATIONS: dict[str, tuple[Callable, Callable]] = {  # name: (function of the sum, its slope in terms of the output y)
    "linear": (lambda a: a, lambda y: 1),
    "sigmoid": (lambda a: 0.5 * (1 + np.tanh(0.5 * a)), lambda y: y * (1 - y)),  # tanh never overflows; exp may
    "tanh": (np.tanh, lambda y: 1 - y**2),
    "relu": (lambda a: np.maximum(a, 0), lambda y: (y > 0).astype(y.dtype)),
}


# ---------------------------------------------------------------------------------------------------------------------
# Layers
# ---------------------------------------------------------------------------------------------------------------------
class Dense(Layer):
    """y = activation(x W + b), applied to the last axis, so it takes one vector or a whole sequence of them.

    Parameters
    ----------
    features, units : int
        Size of x's and of y's last axis.
    rng : numpy.random.Generator
        Draws the kernel (Glorot uniform); the bias starts at zero.
    activation : {"linear", "sigmoid", "tanh", "relu"}
        The function applied to each sum.
    dtype : numpy dtype
        float32 for training, float64 for gradient checks. Inputs are cast to it.

    Attributes
    ----------
    kernel : (features, units) array
        W.
    bias : (units,) array
        b.

    Raises
    ------
    ValueError
        If the activation is unknown.

    Examples
    --------
    >>> layer = Dense(27, 64, rng=np.random.default_rng(0), activation="tanh")
    >>> layer
    Dense(features=27, units=64, activation='tanh')
    >>> layer.forward(np.zeros((32, 40, 27))).shape
    (32, 40, 64)
    """

    weight_names = ("kernel", "bias")

    def __init__(
        self,
        features: int,
        units: int,
        *,
        rng: np.random.Generator,
        activation: str = "linear",
        dtype: DTypeLike = np.float32,
    ) -> None:
        if activation not in ACTIVATIONS:
            raise ValueError(f"Dense knows the activations {', '.join(ACTIVATIONS)}, but got {activation!r}.")
        self.features, self.units, self.activation, self.dtype = features, units, activation, np.dtype(dtype)
        self.kernel = glorot_uniform((features, units), rng, dtype)
        self.bias = np.zeros(units, dtype)

    def forward(self, x: ArrayLike, training: bool = False) -> np.ndarray:
        """The layer's outputs.

        Parameters
        ----------
        x : (..., features) array of float
            Any number of axes in front.
        training : bool
            Makes no difference.

        Returns
        -------
        y : (..., units) array

        Raises
        ------
        ValueError, TypeError
            For an input of the wrong shape or kind.
        """
        x = _as_features(x, self.features, "Dense", self.dtype)
        function, _ = ACTIVATIONS[self.activation]
        a = x.reshape(-1, self.features) @ self.kernel + self.bias  # one large product, however many axes x has
        y = function(a).reshape(*x.shape[:-1], self.units)
        self._cache = x, y
        return y

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray | None:
        """Backpropagate, and leave ∂L/∂kernel and ∂L/∂bias in ``grads``.

        Parameters
        ----------
        dy : (..., units) array
            ∂L/∂y.
        input_gradient : bool
            Whether ∂L/∂x is wanted.

        Returns
        -------
        dx : (..., features) array, or None
            ∂L/∂x.
        """
        x, y = self._need_forward()
        _, slope = ACTIVATIONS[self.activation]
        da = np.asarray(dy, self.dtype) * slope(y)
        flat_x, flat_da = x.reshape(-1, self.features), da.reshape(-1, self.units)
        self.grads = [flat_x.T @ flat_da, flat_da.sum(axis=0)]
        return (flat_da @ self.kernel.T).reshape(x.shape) if input_gradient else None


class Embedding(Layer):
    """Row ``ids`` of a table: the product of a one-hot vector with a matrix, without the multiplications by zero.

    Parameters
    ----------
    vocabulary : int
        Number of symbols (rows).
    units : int
        Length of each symbol's vector.
    rng : numpy.random.Generator
        Draws the table, uniform on ±0.05 as Keras does.
    dtype : numpy dtype
        Of the table.

    Attributes
    ----------
    kernel : (vocabulary, units) array
        The table.
    """

    weight_names = ("kernel",)

    def __init__(self, vocabulary: int, units: int, *, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> None:
        self.vocabulary, self.units, self.dtype = vocabulary, units, np.dtype(dtype)
        self.kernel = rng.uniform(-0.05, 0.05, (vocabulary, units)).astype(dtype)

    def forward(self, ids: ArrayLike, training: bool = False) -> np.ndarray:
        """Look up each symbol's vector.

        Parameters
        ----------
        ids : (...) array of int
            From 0 to vocabulary - 1.
        training : bool
            Makes no difference.

        Returns
        -------
        (..., units) array

        Raises
        ------
        TypeError, ValueError
            If the ids are no whole numbers, or one is not a row of the table.
        """
        ids = np.asarray(ids)
        if not np.issubdtype(ids.dtype, np.integer):
            raise TypeError(
                f"Embedding takes symbol ids (whole numbers), but got an array of {ids.dtype}. "
                f"Vocabulary.encode makes ids; one-hot vectors need a Dense layer instead."
            )
        if ids.size and not 0 <= ids.min() <= ids.max() < self.vocabulary:
            raise ValueError(
                f"Embedding has rows 0 to {self.vocabulary - 1}, but got ids from {ids.min()} to {ids.max()}. "
                f"Was it made for another vocabulary?"
            )
        self._cache = ids
        return self.kernel[ids]

    def backward(self, dy: np.ndarray) -> None:
        """Leave ∂L/∂kernel in ``grads``: a symbol's row collects all its occurrences.

        Whole numbers have no gradient, so there is none to return.

        Parameters
        ----------
        dy : (..., units) array
            ∂L/∂output.
        """
        ids = self._need_forward()
        d_kernel = np.zeros_like(self.kernel)
        np.add.at(d_kernel, ids.ravel(), np.asarray(dy, self.dtype).reshape(-1, self.units))
        self.grads = [d_kernel]


class Dropout(Layer):
    """While training, sets each number to zero with probability ``rate`` and scales up the rest by 1 / (1 - rate).

    Parameters
    ----------
    rate : float
        In [0, 1).
    rng : numpy.random.Generator
        Draws what is dropped.

    Raises
    ------
    ValueError
        If the rate is not in [0, 1).

    References
    ----------
    Srivastava et al. 2014, Dropout: a simple way to prevent neural networks from overfitting, JMLR 15:1929-1958.
    """

    def __init__(self, rate: float, *, rng: np.random.Generator) -> None:
        if not 0 <= rate < 1:
            raise ValueError(f"Dropout's rate is the share to drop, at least 0 and below 1, but got {rate}.")
        self.rate, self.rng = rate, rng

    def forward(self, x: ArrayLike, training: bool = False) -> np.ndarray:
        """Drop some of the numbers while training, none otherwise.

        Parameters
        ----------
        x : (...) array of float
            Any shape.
        training : bool
            Whether to drop.

        Returns
        -------
        (...) array
            Same shape.

        Raises
        ------
        TypeError
            If x holds whole numbers.
        """
        x = _as_floats(x, "Dropout")
        keep = (self.rng.random(x.shape) >= self.rate) / (1 - self.rate) if training else np.ones(x.shape)
        self._cache = keep.astype(x.dtype)
        return x * self._cache

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """Backpropagate: what was dropped gets no gradient.

        Parameters
        ----------
        dy : (...) array
            ∂L/∂output.

        Returns
        -------
        (...) array
            ∂L/∂x.
        """
        keep = self._need_forward()
        return np.asarray(dy, keep.dtype) * keep


class LastStep(Layer):
    """Keeps a sequence's last output: (batch, time, units) -> (batch, units), for many-to-one networks.

    Under a mask a recurrent layer repeats its last real output, so the last step is right for padded rows too.
    """

    def forward(self, x: ArrayLike, training: bool = False) -> np.ndarray:
        """The last step of each sequence.

        Parameters
        ----------
        x : (batch, time, units) array
            Outputs at every step.
        training : bool
            Makes no difference.

        Returns
        -------
        (batch, units) array

        Raises
        ------
        ValueError
            If there is no axis of time, or no step.
        """
        x = np.asarray(x)
        if x.ndim < 2 or x.shape[1] == 0:
            raise ValueError(
                f"LastStep takes sequences of shape (batch, time, units), at least one step long, but got {x.shape}. "
                f"Put it behind a recurrent layer."
            )
        self._cache = x.shape
        return x[:, -1]

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """Backpropagate: the last step gets the gradient, the others zeros.

        Parameters
        ----------
        dy : (batch, units) array
            ∂L/∂output.

        Returns
        -------
        (batch, time, units) array
            ∂L/∂x.
        """
        dx = np.zeros(self._need_forward(), dy.dtype)
        dx[:, -1] = dy
        return dx


class LayerNormalization(Layer):
    """Each vector with mean 0 and variance 1 over its features, then scaled and shifted: (..., features) -> same shape.

    y = γ ⊙ (x - mean(x)) / √(var(x) + ε) + β, with mean and variance over the last axis.

    Parameters
    ----------
    features : int
        Size of x's last axis.
    epsilon : float
        Added to the variance, against a division by zero. The default is PyTorch's; Keras' is 1e-3.
    dtype : numpy dtype
        float32 for training, float64 for gradient checks. Inputs are cast to it.

    Attributes
    ----------
    gamma, beta : (features,) array
        γ and β: ones and zeros at the start, named as in Keras.

    References
    ----------
    Ba, Kiros and Hinton 2016, Layer normalization, section 3.
    """

    weight_names = ("gamma", "beta")

    def __init__(self, features: int, *, epsilon: float = 1e-5, dtype: DTypeLike = np.float32) -> None:
        self.features, self.epsilon, self.dtype = features, epsilon, np.dtype(dtype)
        self.gamma, self.beta = np.ones(features, dtype), np.zeros(features, dtype)

    def forward(self, x: ArrayLike, training: bool = False) -> np.ndarray:
        """Normalise each vector.

        Parameters
        ----------
        x : (..., features) array of float
            Any number of axes in front.
        training : bool
            Makes no difference.

        Returns
        -------
        (..., features) array

        Raises
        ------
        ValueError, TypeError
            For an input of the wrong shape or kind.
        """
        x = _as_features(x, self.features, "LayerNormalization", self.dtype)
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.asarray(self.epsilon, x.dtype))
        self._cache = centred / deviation, deviation
        return self._cache[0] * self.gamma + self.beta

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """Backpropagate, and leave ∂L/∂gamma and ∂L/∂beta in ``grads``.

        What would only shift or stretch a whole vector has no effect on y, so it is projected out of the gradient.

        Parameters
        ----------
        dy : (..., features) array
            ∂L/∂y.

        Returns
        -------
        (..., features) array
            ∂L/∂x.
        """
        normalized, deviation = self._need_forward()
        dy = np.asarray(dy, self.dtype)
        axes = tuple(range(dy.ndim - 1))
        self.grads = [(dy * normalized).sum(axis=axes), dy.sum(axis=axes)]
        d = dy * self.gamma
        projected = normalized * (d * normalized).mean(axis=-1, keepdims=True)
        return (d - d.mean(axis=-1, keepdims=True) - projected) / deviation
