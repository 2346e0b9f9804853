"""Attention: a weighted mean of a memory for each query; several heads side by side; positions and the causal mask.

context, weights = DotAttention().forward(queries, memory, mask)
y = MultiHeadAttention(64, heads=4, rng=rng).forward(x, x, causal_mask(x.shape[1]))
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from course_lib.layers import Dense, Layer, glorot_uniform, softmax


class Attention(Layer):
    """A weighted mean of the memory for each query: weights = softmax(scores), context = weights · memory.

    A query is a state of the decoder, the memory the encoder's output at every step. The kinds of attention differ in
    how a query is scored against a step of the memory: see their ``scores``.
    """

    def forward(
        self, queries: np.ndarray, memory: np.ndarray, mask: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Context vectors and attention weights.

        Parameters
        ----------
        queries : (batch, target time, query features)
            What attends.
        memory : (batch, source time, memory features)
            What is attended to.
        mask : (batch, source time) of bool, optional
            False marks padding, which gets the weight 0.

        Returns
        -------
        context : (batch, target time, memory features)
            The mean of the memory under the weights.
        weights : (batch, target time, source time)
            Not below 0; they sum to 1 over the source.

        Raises
        ------
        ValueError
            If shapes do not fit or the mask leaves a row no step to attend to.
        """
        if queries.ndim != 3 or memory.ndim != 3 or len(queries) != len(memory):
            raise ValueError(
                f"Attention takes queries (batch, target time, features) and a memory (batch, source "
                f"time, features) of the same batch, but got {queries.shape} and {memory.shape}."
            )
        scores = self.scores(queries, memory)
        if mask is not None:
            mask = np.asarray(mask)
            if mask.shape != memory.shape[:2] or mask.dtype != bool:
                raise ValueError(
                    f"The mask says for each step of the memory whether it is real, so it holds {memory.shape[:2]} "
                    f"booleans, but got {mask.dtype} of shape {mask.shape}. sequences.pad returns such a mask."
                )
            if not mask.any(axis=1).all():
                raise ValueError(
                    "The mask leaves a row of the memory without a real step, so there is nothing to attend to. "
                    "Is a source empty, or the mask inverted? True means a real step."
                )
            scores = np.where(mask[:, None], scores, -np.inf)
        weights = softmax(scores)
        self._cache = memory, weights
        return weights @ memory, weights

    def scores(self, queries: np.ndarray, memory: np.ndarray) -> np.ndarray:
        """How well each query matches each step of the memory.

        Parameters
        ----------
        queries : (batch, target time, query features)
            What attends.
        memory : (batch, source time, memory features)
            What is attended to.

        Returns
        -------
        (batch, target time, source time)
            The scores, before the softmax.
        """
        raise NotImplementedError(f"{type(self).__name__} has no scores: DotAttention and AdditiveAttention have.")

    def backward(self, d_context: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradients of queries and memory.

        Parameters
        ----------
        d_context : (batch, target time, memory features)
            ∂L/∂context.

        Returns
        -------
        d_queries : (batch, target time, query features)
            Gradient of the queries.
        d_memory : (batch, source time, memory features)
            Gradient of the memory.
        """
        memory, weights = self._need_forward()
        d_weights = d_context @ memory.swapaxes(1, 2)
        d_scores = weights * (d_weights - (weights * d_weights).sum(axis=-1, keepdims=True))
        d_queries, d_memory = self._scores_backward(d_scores)
        return d_queries, d_memory + weights.swapaxes(1, 2) @ d_context


class DotAttention(Attention):
    """score = q · m, the product of a query and a step of the memory, which must have the same size. No weights.

    References
    ----------
    Luong, Pham and Manning 2015, Effective approaches to attention-based neural machine translation, section 3.1.

    Examples
    --------
    >>> memory = 10 * np.eye(3)[None]                  # three steps, none like another
    >>> context, weights = DotAttention().forward(memory[:, [1]], memory)
    >>> weights.round(3)
    array([[[0., 1., 0.]]])
    """

    grads = ()

    def scores(self, queries: np.ndarray, memory: np.ndarray) -> np.ndarray:
        """The product of each query with each step of the memory.

        Parameters
        ----------
        queries : (batch, target time, features)
            What attends.
        memory : (batch, source time, features)
            What is attended to.

        Returns
        -------
        (batch, target time, source time)
            The scores, before the softmax.

        Raises
        ------
        ValueError
            If the two have different numbers of features.
        """
        if queries.shape[2] != memory.shape[2]:
            raise ValueError(
                f"A dot product needs a query and a step of the memory of the same size, but got queries of "
                f"{queries.shape[2]} and a memory of {memory.shape[2]} features. AdditiveAttention "
                f"takes any sizes."
            )
        self._inputs = queries, memory
        return queries @ memory.swapaxes(1, 2)

    def _scores_backward(self, d_scores):
        queries, memory = self._inputs
        return d_scores @ memory, d_scores.swapaxes(1, 2) @ queries


class AdditiveAttention(Attention):
    """score = v · tanh(q W_q + m W_m + b): a network with one hidden layer scores a query against a step.

    Parameters
    ----------
    query_features, memory_features, units : int
        Sizes of a query, of a step of the memory, and of the hidden layer.
    rng : numpy.random.Generator
        Source of the draws.
    dtype : numpy dtype
        Of weights and outputs.

    Attributes
    ----------
    query_kernel : (query_features, units)
        W_q.
    memory_kernel : (memory_features, units)
        W_m.
    bias, scale : (units,)
        b and v.

    References
    ----------
    Bahdanau, Cho and Bengio 2015, Neural machine translation by jointly learning to align and translate, appendix
    A.1.2.
    """

    weight_names = ("query_kernel", "memory_kernel", "bias", "scale")

    def __init__(
        self,
        query_features: int,
        memory_features: int,
        units: int,
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ):
        self.query_features, self.memory_features, self.units = query_features, memory_features, units
        self.query_kernel = glorot_uniform((query_features, units), rng, dtype)
        self.memory_kernel = glorot_uniform((memory_features, units), rng, dtype)
        self.bias = np.zeros(units, dtype)
        self.scale = glorot_uniform((units, 1), rng, dtype)[:, 0]

    def scores(self, queries: np.ndarray, memory: np.ndarray) -> np.ndarray:
        """The output of the small network for each query with each step of the memory.

        Parameters
        ----------
        queries : (batch, target time, query features)
            What attends.
        memory : (batch, source time, memory features)
            What is attended to.

        Returns
        -------
        (batch, target time, source time)
            The scores, before the softmax.
        """
        hidden = (queries @ self.query_kernel)[:, :, None] + (memory @ self.memory_kernel + self.bias)[:, None]
        np.tanh(hidden, out=hidden)  # (batch, target time, source time, units)
        self._inputs = queries, memory, hidden
        return hidden @ self.scale

    def _scores_backward(self, d_scores):
        queries, memory, hidden = self._inputs
        d_sums = np.square(hidden)
        np.subtract(1, d_sums, out=d_sums)  # the derivative of tanh; in place, because these are large
        d_sums *= self.scale
        d_sums *= d_scores[..., None]
        d_query_sums, d_memory_sums = d_sums.sum(axis=2), d_sums.sum(axis=1)
        self.grads = [
            np.tensordot(queries, d_query_sums, ((0, 1), (0, 1))),
            np.tensordot(memory, d_memory_sums, ((0, 1), (0, 1))),
            d_memory_sums.sum(axis=(0, 1)),
            np.tensordot(d_scores, hidden, 3),
        ]
        return d_query_sums @ self.query_kernel.T, d_memory_sums @ self.memory_kernel.T


class MultiHeadAttention(Layer):
    """Scaled dot-product attention in several heads, each with queries, keys and values of features / heads numbers.

    weights = softmax(q kᵀ / √(size of a head)), output of a head = weights · v; the heads' outputs, side by side, go
    through one more matrix.

    Parameters
    ----------
    features, heads : int
        The features are shared out among the heads, so they are a multiple of them.
    rng : numpy.random.Generator
        Source of the draws.
    dtype : numpy dtype
        Of weights and outputs.

    Attributes
    ----------
    query, key, value, output : Dense
        (features, features) and a bias each. Their order among the weights is that of Keras' ``MultiHeadAttention``,
        which only keeps each head's part as an axis of its own.
    attention_weights : (batch, heads, time, source time)
        Of the last forward pass; they sum to 1 over the source.

    Raises
    ------
    ValueError
        If the features cannot be shared out, or a mask leaves a position nothing to attend to.

    References
    ----------
    Vaswani et al. 2017, Attention is all you need, section 3.2.
    """

    weight_names = tuple(
        f"{part}_{array}" for part in ("query", "key", "value", "output") for array in ("kernel", "bias")
    )

    def __init__(self, features: int, heads: int, *, rng: np.random.Generator, dtype: DTypeLike = np.float32):
        if heads < 1 or features % heads:
            raise ValueError(
                f"Each head gets an equal part of the features, but got {features} features for {heads} heads. "
                f"Take a multiple of {max(heads, 1)}."
            )
        self.features, self.heads = features, heads
        self.query, self.key, self.value, self.output = (
            Dense(features, features, rng=rng, dtype=dtype) for _ in range(4)
        )

    @property
    def _parts(self):
        return self.query, self.key, self.value, self.output

    @property
    def weights(self) -> list[np.ndarray]:
        """The parameters themselves, in the order of ``weight_names``."""
        return [w for part in self._parts for w in part.weights]

    def _split(self, x):
        """(batch, time, features) -> (batch, heads, time, features / heads)"""
        return x.reshape(*x.shape[:2], self.heads, -1).swapaxes(1, 2)

    @staticmethod
    def _join(x):
        """The inverse of :meth:`_split`."""
        return np.ascontiguousarray(x.swapaxes(1, 2)).reshape(x.shape[0], x.shape[2], -1)

    def forward(self, x: np.ndarray, memory: np.ndarray, mask: ArrayLike = True) -> np.ndarray:
        """Attend from each position of ``x`` to the positions of ``memory``.

        Parameters
        ----------
        x : (batch, time, features)
            Gives the queries.
        memory : (batch, source time, features)
            Gives keys and values: ``x`` itself in self-attention.
        mask : bool array that broadcasts to (batch, heads, time, source time)
            True where a position may attend: ``causal_mask(time)``, or a mask of real steps as ``mask[:, None, None]``.

        Returns
        -------
        (batch, time, features)
            One vector for each position.
        """
        mask = np.atleast_1d(mask)
        if mask.dtype != bool:
            raise ValueError(
                f"The mask holds booleans, True where a position may attend, but got {mask.dtype}. Write mask > 0, "
                f"or mask == 0 if ones mark what is to be hidden."
            )
        if not mask.any(axis=-1).all():
            raise ValueError(
                "The mask leaves a position without anything to attend to. Is a source empty, or the mask "
                "inverted? True means that a position may be attended to."
            )
        q, k, v = (
            self._split(part.forward(y)) for part, y in ((self.query, x), (self.key, memory), (self.value, memory))
        )
        scale = np.asarray(q.shape[-1] ** -0.5, q.dtype)
        weights = softmax(np.where(mask, q @ k.swapaxes(2, 3) * scale, -np.inf))
        self.attention_weights = weights
        self._cache = q, k, v, weights, scale
        return self.output.forward(self._join(weights @ v))

    def backward(self, dy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradients of both inputs; in self-attention the gradient of x is their sum.

        Parameters
        ----------
        dy : (batch, time, features)
            ∂L/∂(what forward returned).

        Returns
        -------
        dx : (batch, time, features)
            Gradient of x.
        d_memory : (batch, source time, features)
            Gradient of the memory.
        """
        q, k, v, weights, scale = self._need_forward()
        d_heads = self._split(self.output.backward(dy))
        d_weights = d_heads @ v.swapaxes(2, 3)
        d_scores = weights * (d_weights - (weights * d_weights).sum(axis=-1, keepdims=True)) * scale
        dx = self.query.backward(self._join(d_scores @ k))
        d_memory = self.key.backward(self._join(d_scores.swapaxes(2, 3) @ q))
        d_memory = d_memory + self.value.backward(self._join(weights.swapaxes(2, 3) @ d_heads))
        self.grads = [g for part in self._parts for g in part.grads]
        return dx, d_memory


def positional_encoding(time: int, features: int) -> np.ndarray:
    """Sines and cosines of many wavelengths: a vector for each position, to be added to the embedding there.

    Parameters
    ----------
    time : int
        How many positions.
    features : int
        An even number: a sine and a cosine of each wave.

    Returns
    -------
    (time, features) array
        Sines at 0, 2, 4 ..., their cosines at 1, 3, 5 ... The first wave is 2π positions long, each the same factor
        longer than the one before it, and a next one would be 2π·10000 long.

    Raises
    ------
    ValueError
        If the number of features is odd.

    References
    ----------
    Vaswani et al. 2017, Attention is all you need, section 3.5.

    Examples
    --------
    >>> positional_encoding(2, 4).round(2)
    array([[0.  , 1.  , 0.  , 1.  ],
           [0.84, 0.54, 0.01, 1.  ]])
    """
    if features % 2:
        raise ValueError(f"Each wave has a sine and a cosine, so the number of features is even, but got {features}.")
    angles = np.arange(time)[:, None] / 10000 ** (np.arange(0, features, 2) / features)
    return np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(time, features)


def causal_mask(time: int) -> np.ndarray:
    """The mask under which a position may attend to itself and to what is before it.

    Parameters
    ----------
    time : int
        How many positions.

    Returns
    -------
    (time, time) array of bool
        True at [t, s] if s is not after t.

    Examples
    --------
    >>> causal_mask(3).astype(int)
    array([[1, 0, 0],
           [1, 1, 0],
           [1, 1, 1]])
    """
    return np.tri(time, dtype=bool)
