"""The Transformer: an encoder and a decoder of attention and feed-forward layers, without recurrence.

::

    model = Transformer(26, 41, 64, rng=rng)                         # trained and used like an EncoderDecoder of
    model.fit(pairs, optimizer=Adam(3e-3), epochs=10, rng=rng)       # course_lib.seq2seq

    x = embedding.forward(ids) + positional_encoding(ids.shape[1], 64)     # or the parts by themselves: a block in
    block = TransformerBlock(64, heads=4, hidden=96, rng=rng)              # which no position attends to a later one
    y = block.forward(x, causal_mask(ids.shape[1]))

There is no state that passes from one position to the next: all are computed at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from course_lib.attention import MultiHeadAttention, causal_mask, positional_encoding
from course_lib.generation import log_softmax
from course_lib.layers import Dense, Embedding, Layer, LayerNormalization
from course_lib.seq2seq import Pairs, SequenceToSequence


class TransformerBlock(Layer):
    """Self-attention, cross-attention if there is a second sequence, and a feed-forward network, each with a residual.

    Each of them sees the layer-normalised input, and its output is added to that input.

    Parameters
    ----------
    features, heads : int
        As in :class:`course_lib.attention.MultiHeadAttention`.
    hidden : int
        Units of the feed-forward network's hidden layer; it treats each position alone.
    cross_attention : bool
        Whether the block also attends to a memory, as in a decoder.
    rng : numpy.random.Generator
        Source of the draws.
    dtype : numpy dtype
        Of weights and outputs.

    Attributes
    ----------
    norms : list of LayerNormalization
        One for each part, in the order of the parts.
    self_attention, cross_attention : MultiHeadAttention
        ``cross_attention`` is None in a block without.
    feed_forward : list of Dense
        The hidden layer and the output layer.
    layers : list of Layer
        All of these; the block's weights are theirs in this order.

    References
    ----------
    Vaswani et al. 2017, Attention is all you need, section 3.1; with the normalisation before each part instead of
    after it, as in Xiong et al. 2020, On layer normalization in the Transformer architecture.
    """

    def __init__(
        self,
        features: int,
        heads: int,
        hidden: int,
        cross_attention: bool = False,
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ):
        how = dict(rng=rng, dtype=dtype)
        self.features, self.heads, self.hidden = features, heads, hidden
        self.norms = [LayerNormalization(features, dtype=dtype) for _ in range(2 + cross_attention)]
        self.self_attention = MultiHeadAttention(features, heads, **how)
        self.cross_attention = MultiHeadAttention(features, heads, **how) if cross_attention else None
        self.feed_forward = [Dense(features, hidden, activation="relu", **how), Dense(hidden, features, **how)]
        attentions = ["self_attention", *(["cross_attention"] if cross_attention else [])]
        norms = [f"{name}_norm" for name in (*attentions, "feed_forward")]
        names = [*norms, *attentions, "feed_forward_hidden", "feed_forward_output"]
        self.weight_names = tuple(
            f"{name}_{array}" for name, layer in zip(names, self.layers, strict=True) for array in layer.weight_names
        )

    @property
    def layers(self) -> list[Layer]:
        """The block's own layers, in the order of their weights."""
        attentions = [self.self_attention, *([self.cross_attention] if self.cross_attention is not None else [])]
        return [*self.norms, *attentions, *self.feed_forward]

    @property
    def weights(self) -> list[np.ndarray]:
        """The parameters themselves, in the order of ``weight_names``."""
        return [w for layer in self.layers for w in layer.weights]

    def config(self) -> dict:
        """The constructor's arguments, for saving."""
        return dict(
            features=self.features,
            heads=self.heads,
            hidden=self.hidden,
            cross_attention=self.cross_attention is not None,
        )

    def forward(
        self, x: np.ndarray, mask: ArrayLike = True, memory: np.ndarray | None = None, memory_mask: ArrayLike = True
    ) -> np.ndarray:
        """Run the block.

        Parameters
        ----------
        x : (batch, time, features)
            The inputs.
        mask : bool array that broadcasts to (batch, heads, time, time)
            True where a position of ``x`` may attend to another one of ``x``, such as ``causal_mask(time)``.
        memory : (batch, source time, features), optional
            The sequence that cross-attention attends to; needed in a block with cross-attention, and only there.
        memory_mask : bool array that broadcasts to (batch, heads, time, source time)
            True where a position of ``x`` may attend to one of the memory.

        Returns
        -------
        (batch, time, features)
            One vector for each position.

        Raises
        ------
        ValueError
            If a memory is missing or not expected, or a mask leaves a position nothing to attend to.
        """
        if (memory is None) != (self.cross_attention is None):
            raise ValueError(
                "A block with cross-attention takes a memory, and one without takes none, but got "
                f"{'no memory' if memory is None else 'a memory'} for a block "
                f"{'without' if self.cross_attention is None else 'with'} cross-attention. "
                "TransformerBlock(..., cross_attention=True) makes one with it."
            )
        normal = self.norms[0].forward(x)
        x = x + self.self_attention.forward(normal, normal, mask)
        if self.cross_attention is not None:
            x = x + self.cross_attention.forward(self.norms[1].forward(x), memory, memory_mask)
        hidden, output = self.feed_forward
        return x + output.forward(hidden.forward(self.norms[-1].forward(x)))

    def backward(self, dy: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Gradients of both inputs.

        Parameters
        ----------
        dy : (batch, time, features)
            ∂L/∂(what forward returned).

        Returns
        -------
        dx : (batch, time, features)
            Gradient of x.
        d_memory : (batch, source time, features), or None without cross-attention
            Gradient of the memory.
        """
        hidden, output = self.feed_forward
        d, d_memory = dy + self.norms[-1].backward(hidden.backward(output.backward(dy))), None
        if self.cross_attention is not None:
            d_query, d_memory = self.cross_attention.backward(d)
            d = d + self.norms[1].backward(d_query)
        d_query, d_key = self.self_attention.backward(d)
        d = d + self.norms[0].backward(d_query + d_key)
        self.grads = [g for layer in self.layers for g in layer.grads]
        return d, d_memory


class Transformer(SequenceToSequence):
    """An encoder and a decoder without recurrence: trained, used and saved like an EncoderDecoder.

    Parameters
    ----------
    source_symbols, target_symbols : int
        Sizes of the two vocabularies; the target's includes start and stop symbol.
    features : int
        Size of each position's vector: even, and a multiple of ``heads``.
    heads, hidden, blocks : int
        Heads of each attention; units of each feed-forward network's hidden layer; blocks on either side.
    rng : numpy.random.Generator
        Source of the draws.
    dtype : numpy dtype
        Of weights and outputs.

    Attributes
    ----------
    source_embedding, target_embedding : Embedding
    encoder_blocks, decoder_blocks : list of TransformerBlock
    encoder_norm, decoder_norm : LayerNormalization
        After the last block of either side.
    output_layer : Dense
    attention_weights : (batch, target time, source time)
        Of the decoder's last block, the mean over its heads.

    References
    ----------
    Vaswani et al. 2017, Attention is all you need; Xiong et al. 2020, On layer normalization in the Transformer
    architecture, for the place of the normalisations.
    """

    def __init__(
        self,
        source_symbols: int,
        target_symbols: int,
        features: int,
        *,
        heads: int = 4,
        hidden: int = 96,
        blocks: int = 2,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ):
        how = dict(rng=rng, dtype=dtype)
        if features % 2:
            raise ValueError(
                f"The positional encoding has a sine and a cosine of each wave, so the number of features is even, "
                f"but got {features}."
            )
        self.features = features
        self.source_embedding, self.target_embedding = (
            Embedding(n, features, **how) for n in (source_symbols, target_symbols)
        )
        for embedding in (self.source_embedding, self.target_embedding):
            embedding.kernel *= 20  # uniform on ±1, about as large as the positional encoding that is added
        self.encoder_blocks = [TransformerBlock(features, heads, hidden, **how) for _ in range(blocks)]
        self.decoder_blocks = [TransformerBlock(features, heads, hidden, True, **how) for _ in range(blocks)]
        self.encoder_norm, self.decoder_norm = (LayerNormalization(features, dtype=dtype) for _ in range(2))
        self.output_layer = Dense(features, target_symbols, **how)
        super().__init__(
            [
                self.source_embedding,
                self.target_embedding,
                *self.encoder_blocks,
                *self.decoder_blocks,
                self.encoder_norm,
                self.decoder_norm,
                self.output_layer,
            ],
            dict(
                source_symbols=source_symbols,
                target_symbols=target_symbols,
                features=features,
                heads=heads,
                hidden=hidden,
                blocks=blocks,
            ),
        )

    @property
    def attention_weights(self) -> np.ndarray:
        """Cross-attention of the decoder's last block, the mean over its heads: (batch, target time, source time)."""
        return self.decoder_blocks[-1].cross_attention.attention_weights.mean(axis=1)

    def _embed(self, embedding, ids):
        vectors = embedding.forward(ids)
        return vectors + positional_encoding(ids.shape[1], self.features).astype(vectors.dtype)

    def encode(self, source: ArrayLike, source_mask: np.ndarray | None = None, training: bool = False) -> tuple:
        """Encode the sources: the state from which :meth:`step` goes on.

        Parameters
        ----------
        source : (batch, source time) whole numbers
            Symbols of each source, padded at the end.
        source_mask : (batch, source time) of bool, optional
            True at real steps.
        training : bool
            Makes no difference: a Transformer of this course has no dropout.

        Returns
        -------
        tuple
            (target ids so far: None, memory (batch, source time, features), source mask).
        """
        source, source_mask = self._checked_source(source, source_mask)
        mask = np.ones(source.shape, bool) if source_mask is None else source_mask
        x = self._embed(self.source_embedding, source)
        for block in self.encoder_blocks:
            x = block.forward(x, mask[:, None, None])
        return None, self.encoder_norm.forward(x), mask

    def _decode(self, target, memory, mask):
        """Target ids (batch, time) -> scores (batch, time, target symbols)."""
        x = self._embed(self.target_embedding, target)
        for block in self.decoder_blocks:
            x = block.forward(x, causal_mask(target.shape[1]), memory, mask[:, None, None])
        return self.output_layer.forward(self.decoder_norm.forward(x))

    def forward(
        self, pairs: Pairs, mask: None = None, initial_states: None = None, training: bool = False
    ) -> np.ndarray:
        """Scores for every next symbol under teacher forcing.

        Parameters
        ----------
        pairs : Pairs
            Sources and targets.
        mask, initial_states : None
            Not used: the pairs bring their masks.
        training : bool
            Makes no difference: a Transformer of this course has no dropout.

        Returns
        -------
        (batch, target time, target symbols)
            The scores, before the softmax.
        """
        _, memory, source_mask = self.encode(pairs.source, pairs.source_mask)
        return self._decode(pairs.target_in, memory, source_mask)

    def step(self, symbols: np.ndarray, state: tuple) -> tuple[np.ndarray, tuple]:
        """One symbol further. There is no recurrent state, so all symbols so far are decoded again.

        Parameters
        ----------
        symbols : (batch,) whole numbers
            The last symbols; the start symbol at first.
        state : tuple
            As :meth:`encode` or the last step returned it.

        Returns
        -------
        log_probabilities : (batch, target symbols)
            ln of the distribution of the next symbol.
        state : tuple
            The state after this step.
        """
        so_far, memory, mask = self._checked_state(state)
        so_far = symbols[:, None] if so_far is None else np.hstack([so_far, symbols[:, None]])
        return log_softmax(self._decode(so_far, memory, mask)[:, -1]), (so_far, memory, mask)

    def backward(self, d_scores: np.ndarray, input_gradient: bool = False) -> None:
        """Backpropagate; leaves every layer's ``grads``. Symbols have no gradient.

        Parameters
        ----------
        d_scores : (batch, target time, target symbols)
            ∂L/∂scores.
        input_gradient : bool
            Makes no difference.
        """
        d = self.decoder_norm.backward(
            self.output_layer.backward(d_scores.astype(self.output_layer.kernel.dtype, copy=False))
        )
        d_memory = 0
        for block in reversed(self.decoder_blocks):
            d, d_block_memory = block.backward(d)
            d_memory = d_memory + d_block_memory
        self.target_embedding.backward(d)
        d = self.encoder_norm.backward(d_memory)
        for block in reversed(self.encoder_blocks):
            d, _ = block.backward(d)
        self.source_embedding.backward(d)
