"""One sequence in, another out: encoder-decoder models, with and without attention.

::

    model = EncoderDecoder(26, 28, 64, rng=rng)                      # the final state alone is the context vector
    model = EncoderDecoder(26, 28, 64, attention="dot", rng=rng)     # every step of the source can be attended to
    pairs = teacher_forcing(sources, targets, start=26, stop=27)     # lists of ids -> padded arrays and masks
    model.fit(pairs, optimizer=Adam(3e-3), epochs=10, rng=rng)
    model.predict(pairs.source, pairs.source_mask, start=26, stop=27, max_length=30)       # greedy decoding
    beam_search(model.step, pairs.target_in[:, :1], model.encode(pairs.source, pairs.source_mask), max_length=30)

A recurrent autoencoder is the same with ``targets = sources``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from course_lib.attention import AdditiveAttention, DotAttention
from course_lib.generation import greedy, log_softmax
from course_lib.layers import Dense, Dropout, Embedding, Layer
from course_lib.losses import SoftmaxCrossEntropy
from course_lib.model import History, Model
from course_lib.recurrent import GRU, LSTM, Bidirectional, SimpleRNN
from course_lib.sequences import batches, pad

KINDS = {"SimpleRNN": SimpleRNN, "LSTM": LSTM, "GRU": GRU}


# ---------------------------------------------------------------------------------------------------------------------
# Pairs of sequences
# ---------------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Pairs:
    """Padded sources and targets side by side, as :func:`teacher_forcing` makes them.

    Attributes
    ----------
    source : (count, source time) whole numbers
    source_mask : (count, source time) of bool
    target_in : (count, target time) whole numbers
        The decoder's input: the start symbol, then the target.
    target_out : (count, target time) whole numbers
        What it has to predict: the target, then the stop symbol.
    target_mask : (count, target time) of bool
    """

    source: np.ndarray
    source_mask: np.ndarray
    target_in: np.ndarray
    target_out: np.ndarray
    target_mask: np.ndarray

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, rows: slice | Sequence[int] | np.ndarray) -> Pairs:
        """Some of the pairs, by a slice or an array of indices, without steps that are padding in all of them."""
        some = [getattr(self, field.name)[rows] for field in fields(self)]
        longest = [mask.sum(axis=1).max(initial=1) for mask in (some[1], some[4])]
        return Pairs(*(array[:, : longest[i > 1]] for i, array in enumerate(some)))

    def batches(self, batch_size: int, rng: np.random.Generator) -> Iterator[Pairs]:
        """One pass in random order, ``batch_size`` pairs at a time; pairs of similar source length come together.

        Less padding has to be computed so. The order is random, then sorted by length within each stretch of 20
        batches, and the batches of a stretch are shuffled.

        Parameters
        ----------
        batch_size : int
            How many pairs in a batch.
        rng : numpy.random.Generator
            Source of the draws.

        Yields
        ------
        Pairs
        """
        lengths = self.source_mask.sum(axis=1)
        for (stretch,) in batches(np.arange(len(self)), batch_size=20 * batch_size, rng=rng):
            stretch = stretch[np.argsort(lengths[stretch], kind="stable")]
            for start in rng.permutation(np.arange(0, len(stretch), batch_size)):
                yield self[stretch[start : start + batch_size]]


def teacher_forcing(sources: Sequence[ArrayLike], targets: Sequence[ArrayLike], start: int, stop: int) -> Pairs:
    """Pairs in which the decoder's input is always the true symbol before the one that it has to predict.

    Parameters
    ----------
    sources, targets : lists of (length,) arrays or lists of whole numbers
        As many of one as of the other; a source has at least one symbol, a target may have none.
    start, stop : int
        Symbols of the target's vocabulary that begin and end it. They may be the same one.

    Returns
    -------
    Pairs
        As arrays, padded at the end.

    Raises
    ------
    ValueError
        If there are not as many sources as targets, or a source is empty.

    References
    ----------
    Williams and Zipser 1989, A learning algorithm for continually running fully recurrent neural networks.

    Examples
    --------
    >>> pairs = teacher_forcing([[0, 1, 2], [3]], [[7, 8], [9]], start=10, stop=11)
    >>> pairs.target_in
    array([[10,  7,  8],
           [10,  9,  0]])
    >>> pairs.target_out
    array([[ 7,  8, 11],
           [ 9, 11,  0]])
    """
    if len(sources) != len(targets):
        raise ValueError(f"Every source has its target, but got {len(sources)} sources and {len(targets)} targets.")
    source, source_mask = pad(sources)
    target_in, target_mask = pad([[start, *target] for target in targets])
    target_out, _ = pad([[*target, stop] for target in targets])
    return Pairs(source, source_mask, target_in, target_out, target_mask)


def scheduled_sampling(
    model: SequenceToSequence, pairs: Pairs, teacher_forcing_ratio: float, rng: np.random.Generator
) -> Pairs:
    """The same pairs with some of ``target_in`` replaced by the model's own samples.

    Step by step, each input symbol is the true one with probability ``teacher_forcing_ratio``, otherwise one drawn from
    the model's own distribution after its inputs so far. No gradient flows through the draw.

    Parameters
    ----------
    model : SequenceToSequence
        The model.
    pairs : Pairs
        Sources and targets.
    teacher_forcing_ratio : float
        In [0, 1], the paper's ε: 1 is teacher forcing, 0 is free running. Lower it while training goes on.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    Pairs
        As arrays, padded at the end.

    References
    ----------
    Bengio et al. 2015, Scheduled sampling for sequence prediction with recurrent neural networks, section 2.4.
    """
    if not 0 <= teacher_forcing_ratio <= 1:
        raise ValueError(
            f"teacher_forcing_ratio is the probability of feeding the true symbol, from 0 to 1, but got "
            f"{teacher_forcing_ratio}."
        )
    target_in, state = pairs.target_in.copy(), model.encode(pairs.source, pairs.source_mask)
    for t in range(target_in.shape[1] - 1):
        log_p, state = model.step(target_in[:, t], state)
        cumulative = np.exp(log_p).cumsum(axis=1)
        own = (cumulative <= rng.random((len(log_p), 1)) * cumulative[:, -1:]).sum(axis=1)
        replaced = (rng.random(len(own)) >= teacher_forcing_ratio) & pairs.target_mask[:, t + 1]
        target_in[:, t + 1] = np.where(replaced, own, target_in[:, t + 1])
    return Pairs(pairs.source, pairs.source_mask, target_in, pairs.target_out, pairs.target_mask)


# ---------------------------------------------------------------------------------------------------------------------
# What all sequence-to-sequence models share
# ---------------------------------------------------------------------------------------------------------------------
class SequenceToSequence(Model):
    """The base of EncoderDecoder and Transformer: training on Pairs, evaluation, greedy decoding, saving.

    A subclass builds its layers, then calls this constructor, and defines ``encode``, ``step``, ``forward`` and
    ``backward``.

    Parameters
    ----------
    layers : list of Layer
        In the order of the model's weights.
    config : dict
        The subclass' constructor arguments but ``rng`` and ``dtype``; the model is saved and made again by them.

    Attributes
    ----------
    history : History
        Of the last ``fit``.
    """

    def __init__(self, layers: Sequence[Layer], config: dict[str, Any]):
        super().__init__(layers, SoftmaxCrossEntropy())
        self._config = config

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._config.items())})"

    # --- checks ---
    @staticmethod
    def _checked_source(source, source_mask):
        """A source and its mask that can be encoded, or an error in words."""
        if isinstance(source, Pairs):
            raise TypeError(
                "Takes source ids (batch, source time), but got Pairs. Write pairs.source, pairs.source_mask."
            )
        source = np.asarray(source)
        if source.ndim != 2 or source.size == 0:
            raise ValueError(
                f"Takes source ids of shape (batch, source time), at least one row and one step, but got shape "
                f"{source.shape}. One sequence alone? Write np.array(ids)[None]. sequences.pad joins several."
            )
        if source_mask is not None:
            source_mask = np.asarray(source_mask)
            if source_mask.shape != source.shape or source_mask.dtype != bool:
                raise ValueError(
                    f"The mask of a source of shape {source.shape} holds as many booleans, True at real steps, but "
                    f"got {source_mask.dtype} of shape {source_mask.shape}. sequences.pad returns such a mask."
                )
            if not source_mask.any(axis=1).all():
                row = int(source_mask.any(axis=1).argmin())
                raise ValueError(
                    f"The mask leaves row {row} without a real step, so there is nothing to encode. Is that source "
                    f"empty, or the mask inverted? True means a real step."
                )
        return source, source_mask

    @staticmethod
    def _checked_state(state):
        if state is None:
            raise ValueError(
                "A sequence-to-sequence model decodes from an encoded source, but got no state: pass "
                "model.encode(source, source_mask) as the state, after the prompt."
            )
        return state

    # --- training, by Model's own loop ---
    def fit(
        self,
        pairs: Pairs | Callable[[], Iterable[Pairs]],
        *,
        batch_size: int = 32,
        rng: np.random.Generator | None = None,
        steps: int | None = None,
        validation_data: Pairs | None = None,
        **options: Any,
    ) -> History:
        """Train with teacher forcing, and keep a history, as :meth:`Model.fit` does.

        Parameters
        ----------
        pairs : Pairs, or callable
            Pairs are shuffled and cut into batches each epoch. A callable takes nothing and returns a new iterable of
            Pairs, the batches of one epoch.
        batch_size : int
            For Pairs.
        rng : numpy.random.Generator
            Shuffles Pairs; needed for them.
        steps : int, optional
            For a callable: number of batches an epoch.
        validation_data : Pairs, optional
            Evaluated after each epoch.
        **options
            ``optimizer`` and the other options of :meth:`Model.fit`.

        Returns
        -------
        History
            What was measured after each epoch.

        Raises
        ------
        TypeError, ValueError
            If the data are no Pairs, or an option is missing.
        """
        if validation_data is not None:
            self._checked_pairs(validation_data, "validation_data")
        if callable(pairs):
            epoch_pairs = pairs
            if rng is not None:
                raise ValueError("A callable brings batches in its own order, but got rng beside it. Leave rng out.")
        else:
            self._checked_pairs(pairs, "fit")
            if rng is None:
                raise ValueError("fit shuffles the pairs, so it needs a source of randomness: pass rng=rng.")
            if steps is not None:
                raise ValueError(f"steps is for a callable, but got steps={steps} with Pairs. Pass fewer of them.")
            steps = -(-len(pairs) // batch_size)

            def epoch_pairs():
                return pairs.batches(batch_size, rng)

        return super().fit(
            lambda: ((batch, batch.target_out, batch.target_mask) for batch in epoch_pairs()),
            steps=steps,
            validation_data=None if validation_data is None else (validation_data,),
            **options,
        )

    @staticmethod
    def _check_validation_data(validation_data):
        """Checked by :meth:`fit` already."""

    @staticmethod
    def _counting(outputs, mask):
        return mask

    @staticmethod
    def _checked_pairs(pairs, where):
        if not isinstance(pairs, Pairs):
            raise TypeError(
                f"{where} takes Pairs, but got a {type(pairs).__name__}. seq2seq.teacher_forcing(sources, targets, "
                f"start, stop) makes them."
            )
        if len(pairs) == 0:
            raise ValueError(f"{where} needs at least one pair, but got none. Is a list of sources empty?")
        return pairs

    def evaluate(self, pairs: Pairs, batch_size: int = 256, return_dict: bool = False) -> float | dict[str, float]:
        """The loss under teacher forcing in nats: the mean over all real target symbols, stop symbols included.

        Parameters
        ----------
        pairs : Pairs
            Sources and targets.
        batch_size : int
            Rows computed at once; it does not change the result.
        return_dict : bool
            Whether to return the loss by name.

        Returns
        -------
        float or dict of str to float
            The loss, or all metrics by name.
        """
        self._checked_pairs(pairs, "evaluate")
        total = 0.0
        for start in range(0, len(pairs), batch_size):
            some = pairs[start : start + batch_size]
            total += some.target_mask.sum() * self.loss.forward(self.forward(some), some.target_out, some.target_mask)
        loss = float(total / pairs.target_mask.sum())
        return {"loss": loss} if return_dict else loss

    def predict(
        self,
        source: ArrayLike,
        source_mask: np.ndarray | None = None,
        *,
        start: int,
        stop: int,
        max_length: int,
        batch_size: int = 256,
    ) -> list[np.ndarray]:
        """Greedy decoding: for each source the target, each symbol the likeliest after those before it.

        For the scores under teacher forcing call ``forward(pairs)``; for sampling or beam search pass ``step`` and
        ``encode`` to the functions of :mod:`course_lib.generation`.

        Parameters
        ----------
        source : (count, source time) whole numbers
            Symbols of each source, padded at the end.
        source_mask : (count, source time) of bool, optional
            True at real steps.
        start, stop : int
            Symbols of the target's vocabulary that begin and end it.
        max_length : int
            At most so many symbols, the stop symbol included.
        batch_size : int
            Rows decoded side by side.

        Returns
        -------
        list of (length,) arrays
            The ids of each target, without start and stop symbol.

        Raises
        ------
        ValueError, TypeError
            If the source, its mask or ``max_length`` cannot be right.
        """
        source, source_mask = self._checked_source(source, source_mask)
        decoded = []
        for first in range(0, len(source), batch_size):
            rows = slice(first, first + batch_size)
            state = self.encode(source[rows], None if source_mask is None else source_mask[rows])
            prompt = np.full((len(source[rows]), 1), start)
            decoded += greedy(self.step, prompt, state, max_length=max_length, stop=stop).symbols
        return decoded

    # --- saving, by Model.save and Model.load ---
    def config(self) -> dict[str, Any]:
        """The constructor's arguments but ``rng`` and ``dtype``."""
        return dict(self._config)

    @classmethod
    def from_config(
        cls, config: dict[str, Any], *, rng: np.random.Generator, dtype: DTypeLike = np.float32
    ) -> SequenceToSequence:
        """A new model.

        Parameters
        ----------
        config : dict
            As :meth:`config` returned it.
        rng : numpy.random.Generator
            Source of the draws.
        dtype : numpy dtype
            Of weights and outputs.

        Returns
        -------
        SequenceToSequence
            With new weights.
        """
        return cls(**config, rng=rng, dtype=dtype)


# ---------------------------------------------------------------------------------------------------------------------
# Encoder and decoder
# ---------------------------------------------------------------------------------------------------------------------
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
