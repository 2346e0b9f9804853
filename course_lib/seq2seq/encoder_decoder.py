"""Recurrent encoder-decoder models, with and without attention."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from course_lib.attention import AdditiveAttention, DotAttention
from course_lib.generation import log_softmax
from course_lib.layers import Dense, Dropout, Embedding
from course_lib.recurrent import GRU, LSTM, Bidirectional, SimpleRNN
from course_lib.seq2seq.base import SequenceToSequence
from course_lib.seq2seq.pairs import Pairs

KINDS = {"SimpleRNN": SimpleRNN, "LSTM": LSTM, "GRU": GRU}


class EncoderDecoder(SequenceToSequence):
    """A recurrent encoder, and a recurrent decoder that starts from the encoder's final state.

    The final state is all that the decoder has of the source (Sutskever's model), unless it is also an input to each of
    the decoder's steps (Cho's) or the decoder has attention. Attention here is Luong's arrangement without input
    feeding: the decoder's new state s_t is the query, and the context c̄_t goes to the output layer only: scores =
    tanh([s_t, c̄_t] W + b) W_y + b_y. So the decoder runs over all steps in one call, and so does the attention. In
    :class:`BahdanauEncoderDecoder` the context is an input to the decoder's step instead.

    Parameters
    ----------
    source_symbols, target_symbols : int
        Sizes of the two vocabularies; the target's includes start and stop symbol.
    units : int
        Size of the decoder's state, and of the encoder's output.
    rng : numpy.random.Generator
        Source of the draws.
    kind : {"GRU", "LSTM", "SimpleRNN"}
        Of encoder and decoder.
    bidirectional : bool
        Whether the encoder runs in both directions, with half of the units for each.
    context_at_every_step : bool
        Whether the encoder's final h is also an input to the decoder at every step, beside its initial state.
    attention : {None, "dot", "additive"}
        Which score, if any.
    embedding : int
        Length of a symbol's vector, on both sides.
    dropout : float
        While training, sets this share of the embedded source, of the embedded target and of the output layer's input
        to 0; a regularisation against overfitting.
    dtype : numpy dtype
        Of weights and outputs.

    Attributes
    ----------
    source_embedding, encoder, target_embedding, decoder, attention, combine, output_layer : Layer
        The parts, also in ``layers``; ``combine`` makes tanh([s_t, c̄_t] W + b). Without attention, ``attention`` and
        ``combine`` are None.
    attention_weights : (batch, target time, source time)
        Of the last forward pass or step.

    References
    ----------
    Cho et al. 2014, Learning phrase representations using RNN encoder-decoder, section 2.2 (in whose decoder context
    vector and last symbol are also inputs to the output layer, and a layer lies between the two states); Sutskever,
    Vinyals and Le 2014, Sequence to sequence learning with neural networks (with four layers on either side); Luong,
    Pham and Manning 2015, Effective approaches to attention-based neural machine translation, section 3.1.
    """

    def __init__(
        self,
        source_symbols: int,
        target_symbols: int,
        units: int,
        *,
        rng: np.random.Generator,
        kind: str = "GRU",
        bidirectional: bool = False,
        context_at_every_step: bool = False,
        attention: str | None = None,
        embedding: int = 32,
        dropout: float = 0.0,
        dtype: DTypeLike = np.float32,
    ):
        for name, value, known in (("kind", kind, tuple(KINDS)), ("attention", attention, (None, "dot", "additive"))):
            if value not in known:
                raise ValueError(f"{name} is one of {', '.join(map(repr, known))}, but got {value!r}.")
        if bidirectional and units % 2:
            raise ValueError(
                f"A bidirectional encoder has half of the units for each direction, so their number is "
                f"even, but got {units}."
            )
        how = dict(rng=rng, dtype=dtype)
        self.units, self.context_at_every_step = units, context_at_every_step
        self.source_embedding = Embedding(source_symbols, embedding, **how)
        self.encoder = (
            Bidirectional(*(KINDS[kind](embedding, units // 2, **how) for _ in range(2)))
            if bidirectional
            else KINDS[kind](embedding, units, **how)
        )
        self.target_embedding = Embedding(target_symbols, embedding, **how)
        self.decoder = KINDS[kind](self._decoder_features(embedding), units, **how)
        self.attention = {
            None: lambda: None,
            "dot": DotAttention,
            "additive": lambda: AdditiveAttention(units, units, units, **how),
        }[attention]()
        self.combine = Dense(2 * units, units, activation="tanh", **how) if attention else None
        self.output_layer = Dense(units, target_symbols, **how)
        self.dropouts = [Dropout(dropout, rng=rng) for _ in range(3)] if dropout else []
        parts = (
            self.source_embedding,
            self.encoder,
            self.target_embedding,
            self.decoder,
            self.attention,
            self.combine,
            self.output_layer,
        )
        super().__init__(
            [part for part in parts if part is not None],
            dict(
                source_symbols=source_symbols,
                target_symbols=target_symbols,
                units=units,
                kind=kind,
                bidirectional=bidirectional,
                context_at_every_step=context_at_every_step,
                attention=attention,
                embedding=embedding,
                dropout=dropout,
            ),
        )

    def _decoder_features(self, embedding):
        return embedding + (self.units if self.context_at_every_step else 0)

    @property
    def attention_weights(self) -> np.ndarray:
        """Of the last forward pass or step: (batch, target time, source time)."""
        if self.attention is None:
            raise AttributeError('This model has no attention. Make it with attention="dot" or "additive".')
        return self._weights

    # --- encoding and decoding ---
    def encode(self, source: ArrayLike, source_mask: np.ndarray | None = None, training: bool = False) -> tuple:
        """Encode the sources: the state from which :meth:`step` goes on, for greedy, beam_search and so on.

        Parameters
        ----------
        source : (batch, source time) whole numbers
            Symbols of each source, padded at the end.
        source_mask : (batch, source time) of bool, optional
            True at real steps.
        training : bool
            Turns dropout on.

        Returns
        -------
        tuple
            (decoder's state, context vector, memory, source mask), each None where there is no such thing. The
            decoder's state is the encoder's final one.
        """
        source, source_mask = self._checked_source(source, source_mask)
        embedded = self._dropout(0, self.source_embedding.forward(source), training)
        memory, final = self.encoder.forward(embedded, mask=source_mask)
        state = _join_directions(final) if isinstance(self.encoder, Bidirectional) else final
        context = _hidden(state) if self.context_at_every_step else None
        return (state, context, *((memory, source_mask) if self.attention else (None, None)))

    def step(self, symbols: np.ndarray, state: tuple) -> tuple[np.ndarray, tuple]:
        """One symbol further: a step as :mod:`course_lib.generation` takes it.

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
        state = self._checked_state(state)
        h, decoder_state = self._decode(self.target_embedding.forward(symbols[:, None]), *state)
        return log_softmax(self.output_layer.forward(h)[:, 0]), (decoder_state, *state[1:])

    def forward(
        self, pairs: Pairs, mask: None = None, initial_states: None = None, training: bool = False
    ) -> np.ndarray:
        """Scores for every next symbol under teacher forcing.

        Parameters
        ----------
        pairs : Pairs
            Sources and targets.
        mask, initial_states : None
            Not used: the pairs bring their masks, and padding in ``target_in`` comes after all that counts.
        training : bool
            Turns dropout on.

        Returns
        -------
        (batch, target time, target symbols)
            The scores, before the softmax.
        """
        state = self.encode(pairs.source, pairs.source_mask, training)
        embedded = self._dropout(1, self.target_embedding.forward(pairs.target_in), training)
        h, _ = self._decode(embedded, *state)
        return self.output_layer.forward(self._dropout(2, h, training))

    def _dropout(self, place, x, training):
        return self.dropouts[place].forward(x, training) if self.dropouts else x

    def _dropout_backward(self, place, d):
        return self.dropouts[place].backward(d) if self.dropouts else d

    def _decode(self, embedded, state, context, memory, mask):
        """Embedded symbols (batch, time, embedding) -> the output layer's input (batch, time, units), final state."""
        if context is not None:
            repeated = np.broadcast_to(context[:, None], (*embedded.shape[:2], self.units))
            embedded = np.concatenate([embedded, repeated], axis=-1)
        h, final = self.decoder.forward(embedded, state)
        if memory is not None:
            attended, self._weights = self.attention.forward(h, memory, mask)
            h = self.combine.forward(np.concatenate([h, attended], axis=-1))
        return h, final

    def backward(self, d_scores: np.ndarray, input_gradient: bool = False) -> None:
        """Backpropagate; leaves every layer's ``grads``. Symbols have no gradient.

        Parameters
        ----------
        d_scores : (batch, target time, target symbols)
            ∂L/∂scores.
        input_gradient : bool
            Makes no difference.
        """
        d_scores = d_scores.astype(self.output_layer.kernel.dtype, copy=False)
        dh = self._dropout_backward(2, self.output_layer.backward(d_scores))
        d_embedded, d_state, d_memory = self._decode_backward(dh)
        self.target_embedding.backward(self._dropout_backward(1, d_embedded))
        if isinstance(self.encoder, Bidirectional):
            d_state = _split_directions(d_state)
        d_source, _ = self.encoder.backward(d_memory, d_state)
        self.source_embedding.backward(self._dropout_backward(0, d_source))

    def _decode_backward(self, dh):
        """Back through :meth:`_decode`: ∂L/∂(embedded symbols), ∂L/∂(decoder's initial state), ∂L/∂memory."""
        d_memory = None
        if self.attention is not None:
            dh, d_context = np.split(self.combine.backward(dh), 2, axis=-1)
            d_queries, d_memory = self.attention.backward(d_context)
            dh = dh + d_queries
        dx, d_state = self.decoder.backward(dh)
        if self.context_at_every_step:
            dx, d_context = np.split(dx, [dx.shape[2] - self.units], axis=-1)
            _hidden(d_state)[...] += d_context.sum(axis=1)
        return dx, d_state, d_memory


class BahdanauEncoderDecoder(EncoderDecoder):
    """The first arrangement of attention: the decoder attends before each step, and the context is its input.

    c̄_t = attention(s_{t-1}, memory), then s_t = cell([y_{t-1}, c̄_t], s_{t-1}): the context can change the next query,
    but the steps have to be taken one by one, which is slower. The output layer is that of :class:`EncoderDecoder`, in
    place of the paper's maxout layer.

    Parameters
    ----------
    source_symbols, target_symbols, units : int
        As for :class:`EncoderDecoder`.
    rng : numpy.random.Generator
        Source of the initial weights.
    attention : {"additive", "dot"}
        "additive" is the paper's.
    **how
        The other parameters of :class:`EncoderDecoder`, without ``context_at_every_step``.

    References
    ----------
    Bahdanau, Cho and Bengio 2015, Neural machine translation by jointly learning to align and translate, section 3.
    """

    def __init__(
        self,
        source_symbols: int,
        target_symbols: int,
        units: int,
        *,
        rng: np.random.Generator,
        attention: str = "additive",
        **how: Any,
    ):
        if attention is None or how.get("context_at_every_step"):
            raise ValueError(
                "BahdanauEncoderDecoder attends to the source before every step: it has an attention, and "
                "no context_at_every_step beside it. EncoderDecoder has both choices."
            )
        super().__init__(source_symbols, target_symbols, units, rng=rng, attention=attention, **how)

    def _decoder_features(self, embedding):
        return embedding + self.units

    def _decode(self, embedded, state, context, memory, mask):
        self._steps, hs, contexts, weights = [], [], [], []
        for t in range(embedded.shape[1]):
            attention, decoder = _for_one_step(self.attention), _for_one_step(self.decoder)
            context_t, weights_t = attention.forward(_hidden(state)[:, None], memory, mask)
            h, state = decoder.forward(np.concatenate([embedded[:, t : t + 1], context_t], axis=-1), state)
            self._steps.append((attention, decoder))
            for collected, new in zip((hs, contexts, weights), (h, context_t, weights_t), strict=True):
                collected.append(new)
        h, contexts, self._weights = (np.concatenate(collected, axis=1) for collected in (hs, contexts, weights))
        return self.combine.forward(np.concatenate([h, contexts], axis=-1)), state

    def _decode_backward(self, dh):
        dh, d_context = np.split(self.combine.backward(dh), 2, axis=-1)
        d_embedded, d_memory, d_state = [], 0, None
        for layer in (self.attention, self.decoder):
            layer.grads = [np.zeros_like(w) for w in layer.weights]
        for t in reversed(range(dh.shape[1])):
            attention, decoder = self._steps[t]
            dx, d_state = decoder.backward(dh[:, t : t + 1], d_state)
            dx, d_context_t = np.split(dx, [dx.shape[2] - self.units], axis=-1)
            d_query, d_memory_t = attention.backward(d_context[:, t : t + 1] + d_context_t)
            _hidden(d_state)[...] += d_query[:, 0]
            d_memory = d_memory + d_memory_t
            d_embedded.append(dx)
            for layer, step in ((self.attention, attention), (self.decoder, decoder)):
                for total, g in zip(layer.grads, step.grads, strict=True):
                    total += g
        return np.concatenate(d_embedded[::-1], axis=1), d_state, d_memory


def _for_one_step(layer):
    """The layer unrolled for one step: the same weights, but its own cache for backward."""
    step = copy(layer)
    step.__dict__.pop("_buffers", None)
    return step


def _hidden(state):
    """h of a state, which is h or (h, c)."""
    return state[0] if isinstance(state, tuple) else state


def _join_directions(both):
    """The states of two directions as one: their h side by side, and their c."""
    if isinstance(both[0], tuple):
        return tuple(np.concatenate(parts, axis=-1) for parts in zip(*both, strict=True))
    return np.concatenate(both, axis=-1)


def _split_directions(state):
    """The inverse of :func:`_join_directions`."""
    if isinstance(state, tuple):
        return tuple(zip(*(np.split(part, 2, axis=-1) for part in state), strict=True))
    return tuple(np.split(state, 2, axis=-1))
