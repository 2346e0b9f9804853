"""Attention without recurrence: a Transformer, and what it is made of.

    model = Transformer(26, 41, 64, rng=rng)                         # trained, read from and written with like an
    model.fit(pairs, optimizer=Adam(3e-3), epochs=10, rng=rng)       # EncoderDecoder of course_lib.seq2seq

    x = embedding.forward(ids) + positions(ids.shape[1], 64)         # or the parts by themselves: one block that
    block = Block(64, heads=4, hidden=96, rng=rng)                   # nowhere looks ahead
    y = block.forward(x, causal(ids.shape[1]))

Nothing is handed on from one position to the next: all are computed at once, from all that they are allowed to see.
"""

from __future__ import annotations

import numpy as np

from course_lib.generation import log_softmax
from course_lib.layers import Dense, Embedding, Layer, LayerNormalization, softmax
from course_lib.losses import SoftmaxCrossEntropy
from course_lib.model import Model
from course_lib.seq2seq import EncoderDecoder


def positional_encoding(time, features):
    """Waves of many lengths: a vector (features,) for each position, to be added to what stands there.

    Parameters
    ----------
    time : int
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
    """
    if features % 2:
        raise ValueError(f"Each wave has a sine and a cosine, so the number of features is even, but {features} came.")
    waves = np.arange(time)[:, None] / 10000 ** (np.arange(0, features, 2) / features)
    return np.stack([np.sin(waves), np.cos(waves)], axis=2).reshape(time, features)


def causal_mask(time):
    """The mask under which a position may look at itself and at what is before it: (time, time) of bool."""
    return np.tri(time, dtype=bool)


class MultiHeadAttention(Layer):
    """Several looks side by side: each head has queries, keys and values of its own, of features / heads numbers.

    weights = softmax(q kᵀ / √(size of a head)), answer = weights · v; the heads' answers, side by side, go through one
    more matrix.

    Parameters
    ----------
    features, heads : int
        The features are shared out among the heads, so they are a multiple of them.
    rng : numpy.random.Generator
    dtype : numpy dtype

    Attributes
    ----------
    parts : list of Dense
        For queries, keys, values, and the answers at the end; each (features, features) and a bias. The order is that
        of Keras' ``MultiHeadAttention``, which only keeps each head's part as an axis of its own.
    attention_weights : (batch, heads, time, source time)
        Of the last forward pass; they sum to 1 over the source.

    Raises
    ------
    ValueError
        If the features cannot be shared out, or a mask leaves a position nothing to look at.

    References
    ----------
    Vaswani et al. 2017, Attention is all you need, section 3.2.
    """

    weight_names = tuple(
        f"{part}_{array}" for part in ("query", "key", "value", "output") for array in ("kernel", "bias")
    )

    def __init__(self, features, heads, *, rng, dtype=np.float32):
        if features % heads:
            raise ValueError(
                f"Each head gets an equal part of the features, but {features} features for {heads} heads "
                f"came. Take a multiple of {heads}."
            )
        self.heads = heads
        self.parts = [Dense(features, features, rng=rng, dtype=dtype) for _ in range(4)]

    @property
    def weights(self):
        return [w for part in self.parts for w in part.weights]

    def _split(self, x):
        """(batch, time, features) -> (batch, heads, time, features / heads)"""
        return x.reshape(*x.shape[:2], self.heads, -1).swapaxes(1, 2)

    @staticmethod
    def _join(x):
        """The inverse of :meth:`_split`."""
        return np.ascontiguousarray(x.swapaxes(1, 2)).reshape(x.shape[0], x.shape[2], -1)

    def forward(self, x, memory, allowed=True):
        """Look.

        Parameters
        ----------
        x : (batch, time, features)
            Asks.
        memory : (batch, source time, features)
            Is looked at: ``x`` itself in self-attention.
        allowed : bool array that broadcasts to (batch, heads, time, source time)
            Where a position may look: ``causal(time)``, or a mask of real steps as ``mask[:, None, None]``.

        Returns
        -------
        (batch, time, features)
        """
        allowed = np.atleast_1d(allowed)
        if not allowed.any(axis=-1).all():
            raise ValueError(
                "The mask leaves a position without anything to look at. Is a source empty, or the mask "
                "inverted? True means that a position may be looked at."
            )
        query, key, value, output = self.parts
        q, k, v = (self._split(part.forward(y)) for part, y in ((query, x), (key, memory), (value, memory)))
        shrink = np.asarray(q.shape[-1] ** -0.5, q.dtype)
        looked = softmax(np.where(allowed, q @ k.swapaxes(2, 3) * shrink, -np.inf))
        self.attention_weights = looked
        self._cache = q, k, v, looked, shrink
        return output.forward(self._join(looked @ v))

    def backward(self, dy):
        """dy = ∂L/∂(what forward returned) -> ∂L/∂x and ∂L/∂memory; in self-attention x gets their sum."""
        q, k, v, looked, shrink = self._need_forward()
        query, key, value, output = self.parts
        d_answer = self._split(output.backward(dy))
        d_looked = d_answer @ v.swapaxes(2, 3)
        d_scores = looked * (d_looked - (looked * d_looked).sum(axis=-1, keepdims=True)) * shrink
        dx = query.backward(self._join(d_scores @ k))
        d_memory = key.backward(self._join(d_scores.swapaxes(2, 3) @ q))
        d_memory = d_memory + value.backward(self._join(looked.swapaxes(2, 3) @ d_answer))
        self.grads = [g for part in self.parts for g in part.grads]
        return dx, d_memory


class Block:
    """Look at oneself, look at the other side if there is one, think about each position: each added to what was there.

    Parameters
    ----------
    features, heads : int
        As in :class:`MultiHeadAttention`.
    hidden : int
        Units of the layer between, which treats each position alone.
    cross_attention : bool
        Whether there is another side to look at, as in a decoder.
    rng : numpy.random.Generator
    dtype : numpy dtype

    Attributes
    ----------
    layers : list of Layer
        For their ``weights`` and ``grads``.

    References
    ----------
    Vaswani et al. 2017, Attention is all you need, section 3.1; with the normalisation before each part instead of
    after it, as in Xiong et al. 2020, On layer normalization in the Transformer architecture.
    """

    def __init__(self, features, heads, hidden, cross_attention=False, *, rng, dtype=np.float32):
        how = dict(rng=rng, dtype=dtype)
        self.norms = [LayerNormalization(features, dtype=dtype) for _ in range(2 + cross_attention)]
        self.self_attention = MultiHeadAttention(features, heads, **how)
        self.cross_attention = MultiHeadAttention(features, heads, **how) if cross_attention else None
        self.feed_forward = [Dense(features, hidden, activation="relu", **how), Dense(hidden, features, **how)]
        self.layers = [
            *self.norms,
            self.self_attention,
            *([self.cross_attention] if cross_attention else []),
            *self.feed_forward,
        ]

    def forward(self, x, allowed=True, memory=None, memory_mask=True):
        """x (batch, time, features) -> same shape; ``memory`` (batch, source time, features) is the other side.

        ``allowed`` and ``memory_mask`` say where a position may look, as in :meth:`MultiHeadAttention.forward`.
        """
        normal = self.norms[0].forward(x)
        x = x + self.self_attention.forward(normal, normal, allowed)
        if self.cross_attention is not None:
            x = x + self.cross_attention.forward(self.norms[1].forward(x), memory, memory_mask)
        first, second = self.feed_forward
        return x + second.forward(first.forward(self.norms[-1].forward(x)))

    def backward(self, dy):
        """dy = ∂L/∂(what forward returned) -> ∂L/∂x, and ∂L/∂memory (None without another side)."""
        first, second = self.feed_forward
        d, d_memory = dy + self.norms[-1].backward(first.backward(second.backward(dy))), None
        if self.cross_attention is not None:
            d_query, d_memory = self.cross_attention.backward(d)
            d = d + self.norms[1].backward(d_query)
        d_query, d_key = self.self_attention.backward(d)
        return d + self.norms[0].backward(d_query + d_key), d_memory


class Transformer(EncoderDecoder):
    """An encoder and a decoder without recurrence: trained, read from, written with and kept like an EncoderDecoder.

    Parameters
    ----------
    source_symbols, target_symbols : int
    features : int
        Size of each position's vector: even, and a multiple of ``heads``.
    heads, hidden, blocks : int
        Looks side by side; units of the layer in each block that is no attention; blocks on either side.
    rng : numpy.random.Generator
    dtype : numpy dtype

    Attributes
    ----------
    attention_weights : (batch, target time, source time)
        Of the last block that writes, the mean over its heads.

    References
    ----------
    Vaswani et al. 2017, Attention is all you need; Xiong et al. 2020, On layer normalization in the Transformer
    architecture, for the place of the normalisations.
    """

    def __init__(
        self, source_symbols, target_symbols, features, *, heads=4, hidden=96, blocks=2, rng, dtype=np.float32
    ):
        how = dict(rng=rng, dtype=dtype)
        self._config = dict(
            source_symbols=source_symbols,
            target_symbols=target_symbols,
            features=features,
            heads=heads,
            hidden=hidden,
            blocks=blocks,
        )
        self.features = features
        self.embeddings = [Embedding(n, features, **how) for n in (source_symbols, target_symbols)]
        for embedding in self.embeddings:  # uniform on ±1, about as large as the positions that are added
            embedding.kernel *= 20
        self.reading = [Block(features, heads, hidden, **how) for _ in range(blocks)]
        self.writing = [Block(features, heads, hidden, True, **how) for _ in range(blocks)]
        self.norms = [LayerNormalization(features, dtype=dtype) for _ in range(2)]
        self.output_layer = Dense(features, target_symbols, **how)
        parts = [
            *self.embeddings,
            *(layer for block in self.reading + self.writing for layer in block.layers),
            *self.norms,
            self.output_layer,
        ]
        Model.__init__(self, parts, SoftmaxCrossEntropy())

    @property
    def attention_weights(self):
        return self.writing[-1].cross_attention.attention_weights.mean(axis=1)

    def _embed(self, side, ids):
        vectors = self.embeddings[side].forward(ids)
        return vectors + positional_encoding(ids.shape[1], self.features).astype(vectors.dtype)

    def read(self, source, source_mask=None, training=False):
        """-> (what is written so far: nothing, memory, mask): the state for :meth:`step`."""
        mask = np.ones(source.shape, bool) if source_mask is None else source_mask
        x = self._embed(0, source)
        for block in self.reading:
            x = block.forward(x, mask[:, None, None])
        return None, self.norms[0].forward(x), mask

    def _write(self, target, memory, mask):
        """Target ids (batch, time) -> scores (batch, time, target symbols)."""
        x = self._embed(1, target)
        for block in self.writing:
            x = block.forward(x, causal_mask(target.shape[1]), memory, mask[:, None, None])
        return self.output_layer.forward(self.norms[1].forward(x))

    def forward(self, pairs, mask=None, initial_states=None, training=False):
        """Scores for every next symbol under teacher forcing: (batch, target time, target symbols)."""
        _, memory, source_mask = self.read(pairs.source, pairs.source_mask)
        return self._write(pairs.target_in, memory, source_mask)

    def step(self, symbols, state):
        """One symbol further; there is no state to go on from, so all that was written is read again."""
        so_far, memory, mask = state
        so_far = symbols[:, None] if so_far is None else np.hstack([so_far, symbols[:, None]])
        return log_softmax(self._write(so_far, memory, mask)[:, -1]), (so_far, memory, mask)

    def backward(self, d_scores, input_gradient=False):
        """∂L/∂scores (batch, target time, target symbols) -> None: symbols have no gradient. Leaves all ``grads``."""
        d = self.norms[1].backward(
            self.output_layer.backward(d_scores.astype(self.output_layer.kernel.dtype, copy=False))
        )
        d_memory = 0
        for block in reversed(self.writing):
            d, d_across = block.backward(d)
            d_memory = d_memory + d_across
        self.embeddings[1].backward(d)
        d = self.norms[0].backward(d_memory)
        for block in reversed(self.reading):
            d, _ = block.backward(d)
        self.embeddings[0].backward(d)
