"""Layers without memory, and losses: each a ``forward`` and the ``backward`` that belongs to it.

A layer keeps its parameters under the names of the formulas (``kernel``, ``bias``). ``forward`` remembers what
``backward`` will need; ``backward`` takes ∂L/∂output, returns ∂L/∂input and leaves ∂L/∂parameter in ``grads``,
in the order of ``weights``. Names and order are those of Keras, so weights travel both ways.
"""

from __future__ import annotations

import numpy as np


# ---------------------------------------------------------------------------------------------------------------------
# Initial values
# ---------------------------------------------------------------------------------------------------------------------
def glorot_uniform(shape, rng, dtype=np.float32):
    """Uniform on ±√(6 / (rows + columns)), which keeps the variance of a signal about equal on its way in and out.

    Parameters
    ----------
    shape : (int, int)
    rng : numpy.random.Generator

    Returns
    -------
    array of that shape

    References
    ----------
    Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward neural networks, eq. 16.
    """
    limit = np.sqrt(6.0 / (shape[0] + shape[1]))
    return rng.uniform(-limit, limit, shape).astype(dtype)


def orthogonal(shape, rng, dtype=np.float32):
    """A random matrix with orthonormal rows or columns: it turns a state without stretching it.

    The QR decomposition of a normal matrix, with the signs of R's diagonal moved into Q so that every rotation is
    equally likely, reflections included. A matrix for several gates, (units, gates·units), is drawn in one piece, as
    Keras does.

    Parameters
    ----------
    shape : (int, int)
    rng : numpy.random.Generator

    Returns
    -------
    array of that shape

    References
    ----------
    Saxe, McClelland and Ganguli 2014, Exact solutions to the nonlinear dynamics of learning, arXiv:1312.6120.
    """
    rows, columns = shape
    q, r = np.linalg.qr(rng.standard_normal((max(shape), min(shape))))
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return (q if rows >= columns else q.T).astype(dtype)


# ---------------------------------------------------------------------------------------------------------------------
# Layers
# ---------------------------------------------------------------------------------------------------------------------
class Layer:
    """What all layers share: parameters that can be listed, copied out and copied in.

    Attributes
    ----------
    weight_names : tuple of str
        Names of the parameters, in Keras' order.
    grads : list of array
        After ``backward``: ∂L/∂parameter, same order and shapes as ``weights``.
    recurrent : bool
        True for layers whose ``forward`` also takes and returns a state (:mod:`course_lib.recurrent`).
    """

    weight_names: tuple[str, ...] = ()
    recurrent = False

    @property
    def weights(self):
        """The parameters themselves, not copies: an optimiser changes them in place."""
        return [getattr(self, name) for name in self.weight_names]

    def get_weights(self):
        """Copies of the parameters, for ``keras_layer.set_weights`` or for keeping."""
        return [w.copy() for w in self.weights]

    def set_weights(self, weights):
        """Copy the given arrays into the parameters.

        Raises
        ------
        ValueError
            If their number or a shape differs; the message names the parameter.
        """
        weights = [np.asarray(w) for w in weights]
        if len(weights) != len(self.weight_names):
            raise ValueError(
                f"{type(self).__name__} has {len(self.weight_names)} weights ({', '.join(self.weight_names)}) but "
                f"{len(weights)} arrays came. Pass what get_weights() of the same kind of layer returns."
            )
        for name, mine, new in zip(self.weight_names, self.weights, weights, strict=True):
            if mine.shape != new.shape:
                raise ValueError(
                    f"{type(self).__name__}.{name} has shape {mine.shape} but an array of shape {new.shape} came. Were "
                    f"the weights taken from a layer with other features or units?"
                )
        for mine, new in zip(self.weights, weights, strict=True):
            mine[...] = new

    def _need_forward(self):
        return _remembered(self)


def _remembered(part):
    """What the forward pass of a layer or a loss kept for its backward pass."""
    if not hasattr(part, "_cache"):
        raise RuntimeError(
            f"{type(part).__name__}.backward was called before forward. The gradient depends on the values of the "
            f"forward pass: call forward first, then backward once."
        )
    return part._cache


def _real_numbers(x, layer):
    """x as an array of floats; symbol ids are a common mistake, so whole numbers are refused by name."""
    x = np.asarray(x)
    if not np.issubdtype(x.dtype, np.floating):
        raise TypeError(
            f"{layer} takes real numbers but an array of {x.dtype} came. If these are symbol ids, turn them into "
            f"vectors with sequences.one_hot or an Embedding; if they are measurements, use x.astype(np.float32)."
        )
    return x


def _last_axis(x, features, layer):
    x = _real_numbers(x, layer)
    if x.ndim < 1 or x.shape[-1] != features:
        raise ValueError(
            f"{layer} was made for {features} features, so its input has shape (..., {features}), but {x.shape} came. "
            f"Check the layer before it, or the number of features this one was made with."
        )
    return x


def softmax(scores):
    """exp(s) / Σ exp(s) over the last axis, computed after subtracting the largest score so that nothing overflows."""
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


ACTIVATIONS = {  # name: (function of the sum, its slope written in terms of the output y)
    "linear": (lambda a: a, lambda y: 1),
    "sigmoid": (lambda a: 0.5 * (1 + np.tanh(0.5 * a)), lambda y: y * (1 - y)),  # tanh never overflows; exp may
    "tanh": (np.tanh, lambda y: 1 - y**2),
    "relu": (lambda a: np.maximum(a, 0), lambda y: (y > 0).astype(y.dtype)),
}


class Dense(Layer):
    """y = activation(x W + b), applied to the last axis, so it takes one vector or a whole sequence of them.

    Parameters
    ----------
    features, units : int
        Size of x's and of y's last axis.
    rng : numpy.random.Generator
        Draws the kernel (Glorot uniform); the bias starts at zero.
    activation : {"linear", "sigmoid", "tanh", "relu"}
    dtype : numpy dtype

    Attributes
    ----------
    kernel : (features, units)
    bias : (units,)

    Raises
    ------
    ValueError, TypeError
        For an unknown activation or an input of the wrong shape or kind.
    """

    weight_names = ("kernel", "bias")

    def __init__(self, features, units, *, rng, activation="linear", dtype=np.float32):
        if activation not in ACTIVATIONS:
            raise ValueError(f"Dense knows the activations {', '.join(ACTIVATIONS)}, but {activation!r} came.")
        self.features, self.units, self.activation = features, units, activation
        self.kernel = glorot_uniform((features, units), rng, dtype)
        self.bias = np.zeros(units, dtype)

    def config(self):
        return dict(features=self.features, units=self.units, activation=self.activation)

    def forward(self, x):
        """x (..., features) -> y (..., units)."""
        x = _last_axis(x, self.features, "Dense")
        function, _ = ACTIVATIONS[self.activation]
        a = x.reshape(-1, self.features) @ self.kernel + self.bias  # one large product, however many axes x has
        y = function(a).reshape(*x.shape[:-1], self.units)
        self._cache = x, y
        return y

    def backward(self, dy):
        """dy = ∂L/∂y (..., units) -> ∂L/∂x (..., features)."""
        x, y = self._need_forward()
        _, slope = ACTIVATIONS[self.activation]
        da = dy * slope(y)
        flat_x, flat_da = x.reshape(-1, self.features), da.reshape(-1, self.units)
        self.grads = [flat_x.T @ flat_da, flat_da.sum(axis=0)]
        return (flat_da @ self.kernel.T).reshape(x.shape)


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

    Attributes
    ----------
    kernel : (vocabulary, units)
    """

    weight_names = ("kernel",)

    def __init__(self, vocabulary, units, *, rng, dtype=np.float32):
        self.vocabulary, self.units = vocabulary, units
        self.kernel = rng.uniform(-0.05, 0.05, (vocabulary, units)).astype(dtype)

    def config(self):
        return dict(vocabulary=self.vocabulary, units=self.units)

    def forward(self, ids):
        """ids, whole numbers (...) -> vectors (..., units)."""
        ids = np.asarray(ids)
        if not np.issubdtype(ids.dtype, np.integer):
            raise TypeError(
                f"Embedding takes symbol ids (whole numbers) but an array of {ids.dtype} came. "
                f"Vocabulary.encode makes ids; one-hot vectors need a Dense layer instead."
            )
        if ids.size and not 0 <= ids.min() <= ids.max() < self.vocabulary:
            raise ValueError(
                f"Embedding has rows 0 to {self.vocabulary - 1} but ids from {ids.min()} to {ids.max()} "
                f"came. Was it made for another vocabulary?"
            )
        self._cache = ids
        return self.kernel[ids]

    def backward(self, dy):
        """dy (..., units) -> None: whole numbers have no gradient. A symbol's row collects all its occurrences."""
        ids = self._need_forward()
        d_kernel = np.zeros_like(self.kernel)
        np.add.at(d_kernel, ids.ravel(), dy.reshape(-1, self.units))
        self.grads = [d_kernel]


class Dropout(Layer):
    """While training, silences each number with probability ``rate`` and scales up the rest by 1 / (1 - rate).

    Parameters
    ----------
    rate : float
        In [0, 1).
    rng : numpy.random.Generator

    References
    ----------
    Srivastava et al. 2014, Dropout: a simple way to prevent neural networks from overfitting, JMLR 15:1929-1958.
    """

    def __init__(self, rate, *, rng):
        if not 0 <= rate < 1:
            raise ValueError(f"Dropout's rate is the fraction to silence, at least 0 and below 1, but {rate} came.")
        self.rate, self.rng = rate, rng
        self.grads = []

    def config(self):
        return dict(rate=self.rate)

    def forward(self, x, training=False):
        """x (...) -> same shape."""
        keep = (self.rng.random(x.shape) >= self.rate) / (1 - self.rate) if training else np.ones(x.shape)
        self._cache = keep.astype(x.dtype)
        return x * self._cache

    def backward(self, dy):
        """dy (...) -> ∂L/∂x: no blame for what was silenced."""
        return dy * self._need_forward()


class LastStep(Layer):
    """Keeps a sequence's last output: (batch, time, units) -> (batch, units), for many-to-one networks.

    Under a mask a recurrent layer repeats its last real output, so the last step is right for padded rows too.
    """

    grads = ()

    def config(self):
        return {}

    def forward(self, x):
        self._cache = x.shape
        return x[:, -1]

    def backward(self, dy):
        dx = np.zeros(self._need_forward(), dy.dtype)
        dx[:, -1] = dy
        return dx
