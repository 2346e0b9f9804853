"""One sequence in, another out: an encoder reads, a decoder writes, and attention lets the decoder look back.

    model = EncoderDecoder(26, 28, 64, rng=rng)                      # the last state alone carries the source over
    model = EncoderDecoder(26, 28, 64, attention="dot", rng=rng)     # every step of the source can be looked at
    data = teacher_forcing(sources, targets, start=26, stop=27)      # lists of ids -> padded arrays and masks
    model.fit(data, optimizer=Adam(3e-3), epochs=10, rng=rng)
    greedy(model.step, data.target_in[:, :1], model.read(data.source, data.source_mask), length=30, stop=27).symbols

A recurrent autoencoder is the same with ``targets = sources``.
"""

from __future__ import annotations

import json
import zipfile
from copy import copy
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from course_lib.generation import log_softmax
from course_lib.layers import Dense, Dropout, Embedding, Layer, glorot_uniform, softmax
from course_lib.losses import SoftmaxCrossEntropy
from course_lib.model import Model
from course_lib.recurrent import GRU, LSTM, Bidirectional, SimpleRNN
from course_lib.sequences import batches, pad

KINDS = {"SimpleRNN": SimpleRNN, "LSTM": LSTM, "GRU": GRU}


# ---------------------------------------------------------------------------------------------------------------------
# Pairs of sequences
# ---------------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Pairs:
    """Sources and targets side by side, filled up at the end, as :func:`teacher_forcing` makes them.

    Attributes
    ----------
    source : (count, source time) whole numbers
    source_mask : (count, source time) of bool
    target_in : (count, target time) whole numbers
        What the decoder is fed: the start symbol, then the target.
    target_out : (count, target time) whole numbers
        What it has to say to that: the target, then the stop symbol.
    target_mask : (count, target time) of bool
    """

    source: np.ndarray
    source_mask: np.ndarray
    target_in: np.ndarray
    target_out: np.ndarray
    target_mask: np.ndarray

    def __len__(self):
        return len(self.source)

    def __getitem__(self, rows):
        """Some of the pairs, by a slice or an array of indices, without steps that are filling in all of them."""
        some = [getattr(self, field.name)[rows] for field in fields(self)]
        longest = [mask.sum(axis=1).max(initial=1) for mask in (some[1], some[4])]
        return Pairs(*(array[:, : longest[i > 1]] for i, array in enumerate(some)))

    def batches(self, batch_size, rng):
        """One pass in random order, ``batch_size`` pairs at a time; pairs of similar source length come together.

        Less filling has to be computed so. The order is random, then sorted by length within each stretch of 20
        batches, and the batches of a stretch are shuffled.
        """
        lengths = self.source_mask.sum(axis=1)
        for (stretch,) in batches(np.arange(len(self)), batch_size=20 * batch_size, rng=rng):
            stretch = stretch[np.argsort(lengths[stretch], kind="stable")]
            for start in rng.permutation(np.arange(0, len(stretch), batch_size)):
                yield self[stretch[start : start + batch_size]]


def teacher_forcing(sources, targets, start, stop):
    """Pairs in which the decoder is always fed the true symbol before the one that it has to say.

    Parameters
    ----------
    sources, targets : lists of (length,) arrays or lists of whole numbers
        As many of one as of the other; a source has at least one symbol, a target may have none.
    start, stop : int
        Symbols of the target's vocabulary that begin and end it. They may be the same one.

    Returns
    -------
    Pairs

    Raises
    ------
    ValueError
        If there are not as many sources as targets, or a source is empty.

    References
    ----------
    Williams and Zipser 1989, A learning algorithm for continually running fully recurrent neural networks.
    """
    if len(sources) != len(targets):
        raise ValueError(f"Every source has its target, but {len(sources)} sources and {len(targets)} targets came.")
    source, source_mask = pad(sources)
    target_in, target_mask = pad([[start, *target] for target in targets])
    target_out, _ = pad([[*target, stop] for target in targets])
    return Pairs(source, source_mask, target_in, target_out, target_mask)


def scheduled_sampling(model, pairs, teacher_forcing_ratio, rng):
    """The same pairs with some of ``target_in`` replaced by what the model itself says there.

    Step by step, each fed symbol is the true one with probability ``forcing``, otherwise one drawn from the model's
    own distribution after what it has been fed so far. No gradient flows through the draw.

    Parameters
    ----------
    model : EncoderDecoder
    pairs : Pairs
    forcing : float
        In [0, 1], the paper's ε: 1 is teacher forcing, 0 is free running. Lower it while training goes on.
    rng : numpy.random.Generator

    Returns
    -------
    Pairs

    References
    ----------
    Bengio et al. 2015, Scheduled sampling for sequence prediction with recurrent neural networks, section 2.4.
    """
    if not 0 <= teacher_forcing_ratio <= 1:
        raise ValueError(
            f"forcing is the probability of feeding the true symbol, from 0 to 1, but {teacher_forcing_ratio} came."
        )
    target_in, state = pairs.target_in.copy(), model.read(pairs.source, pairs.source_mask)
    for t in range(target_in.shape[1] - 1):
        log_p, state = model.step(target_in[:, t], state)
        cumulative = np.exp(log_p).cumsum(axis=1)
        own = (cumulative <= rng.random((len(log_p), 1)) * cumulative[:, -1:]).sum(axis=1)
        replaced = (rng.random(len(own)) >= teacher_forcing_ratio) & pairs.target_mask[:, t + 1]
        target_in[:, t + 1] = np.where(replaced, own, target_in[:, t + 1])
    return Pairs(pairs.source, pairs.source_mask, target_in, pairs.target_out, pairs.target_mask)


# ---------------------------------------------------------------------------------------------------------------------
# Attention
# ---------------------------------------------------------------------------------------------------------------------
class Attention(Layer):
    """A weighted mean of the memory for each query: weights = softmax(scores), context = weights · memory.

    A query is a state of the decoder, the memory the encoder's output at every step. The kinds of attention differ in
    how a query is held against a step of the memory: see their ``scores``.
    """

    def forward(self, queries, memory, mask=None):
        """Look.

        Parameters
        ----------
        queries : (batch, target time, query features)
        memory : (batch, source time, memory features)
        mask : (batch, source time) of bool, optional
            False marks filling, which gets the weight 0.

        Returns
        -------
        context : (batch, target time, memory features)
        weights : (batch, target time, source time)
            Not below 0; they sum to 1 over the source.

        Raises
        ------
        ValueError
            If shapes do not fit or the mask leaves a row nothing to look at.
        """
        if queries.ndim != 3 or memory.ndim != 3 or len(queries) != len(memory):
            raise ValueError(
                f"Attention takes queries (batch, target time, features) and a memory (batch, source "
                f"time, features) of the same batch, but {queries.shape} and {memory.shape} came."
            )
        scores = self.scores(queries, memory)
        if mask is not None:
            if not mask.any(axis=1).all():
                raise ValueError(
                    "The mask leaves a row of the memory without a real step, so there is nothing to look "
                    "at. Is a source empty, or the mask inverted? True means a real step."
                )
            scores = np.where(mask[:, None], scores, -np.inf)
        weights = softmax(scores)
        self._cache = memory, weights
        return weights @ memory, weights

    def backward(self, d_context):
        """d_context = ∂L/∂context -> ∂L/∂queries and ∂L/∂memory."""
        memory, weights = self._need_forward()
        d_weights = d_context @ memory.swapaxes(1, 2)
        d_scores = weights * (d_weights - (weights * d_weights).sum(axis=-1, keepdims=True))
        d_queries, d_memory = self.d_scores_to_inputs(d_scores)
        return d_queries, d_memory + weights.swapaxes(1, 2) @ d_context


class DotAttention(Attention):
    """score = q · m, the product of a query and a step of the memory, which must have the same size. No weights.

    References
    ----------
    Luong, Pham and Manning 2015, Effective approaches to attention-based neural machine translation, section 3.1.
    """

    grads = ()

    def scores(self, queries, memory):
        """-> (batch, target time, source time)"""
        if queries.shape[2] != memory.shape[2]:
            raise ValueError(
                f"A dot product needs a query and a step of the memory of the same size, but queries of "
                f"{queries.shape[2]} and a memory of {memory.shape[2]} features came. AdditiveAttention "
                f"takes any sizes."
            )
        self._inputs = queries, memory
        return queries @ memory.swapaxes(1, 2)

    def d_scores_to_inputs(self, d_scores):
        queries, memory = self._inputs
        return d_scores @ memory, d_scores.swapaxes(1, 2) @ queries


class AdditiveAttention(Attention):
    """score = v · tanh(q W_q + m W_m + b): a small network with one hidden layer says how well they go together.

    Parameters
    ----------
    query_features, memory_features, units : int
        Sizes of a query, of a step of the memory, and of the hidden layer.
    rng : numpy.random.Generator
    dtype : numpy dtype

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

    def __init__(self, query_features, memory_features, units, *, rng, dtype=np.float32):
        self.query_kernel = glorot_uniform((query_features, units), rng, dtype)
        self.memory_kernel = glorot_uniform((memory_features, units), rng, dtype)
        self.bias = np.zeros(units, dtype)
        self.scale = glorot_uniform((units, 1), rng, dtype)[:, 0]

    def scores(self, queries, memory):
        """-> (batch, target time, source time)"""
        hidden = (queries @ self.query_kernel)[:, :, None] + (memory @ self.memory_kernel + self.bias)[:, None]
        np.tanh(hidden, out=hidden)  # (batch, target time, source time, units)
        self._inputs = queries, memory, hidden
        return hidden @ self.scale

    def d_scores_to_inputs(self, d_scores):
        queries, memory, hidden = self._inputs
        d_sums = np.square(hidden)
        np.subtract(1, d_sums, out=d_sums)  # the slope of tanh; in place, because these are large
        d_sums *= self.scale
        d_sums *= d_scores[..., None]
        for_queries, for_memory = d_sums.sum(axis=2), d_sums.sum(axis=1)
        self.grads = [
            np.tensordot(queries, for_queries, ((0, 1), (0, 1))),
            np.tensordot(memory, for_memory, ((0, 1), (0, 1))),
            for_memory.sum(axis=(0, 1)),
            np.tensordot(d_scores, hidden, 3),
        ]
        return for_queries @ self.query_kernel.T, for_memory @ self.memory_kernel.T


# ---------------------------------------------------------------------------------------------------------------------
# Encoder and decoder
# ---------------------------------------------------------------------------------------------------------------------
class EncoderDecoder(Model):
    """A recurrent network that reads, and a second one that starts from where the first has arrived and writes.

    The encoder's final state is the decoder's initial state. That is all that the decoder learns of the source
    (Sutskever's model), unless the summary also enters each of its steps (Cho's) or it has attention. Attention here
    is Luong's arrangement: the decoder's new state s_t asks, the answer c̄_t goes to the read-out only, which says
    scores = tanh([s_t, c̄_t] W + b) W_y + b_y. So the decoder runs over all steps in one call, and so does the
    attention. In :class:`BahdanauEncoderDecoder` the answer enters the decoder's next step instead.

    Parameters
    ----------
    source_symbols, target_symbols : int
        Sizes of the two vocabularies; the target's includes start and stop symbol.
    units : int
        Size of the decoder's state, and of the encoder's output.
    rng : numpy.random.Generator
    kind : {"GRU", "LSTM", "SimpleRNN"}
        Of encoder and decoder.
    bidirectional : bool
        Let the encoder read in both directions, with half of the units for each.
    summary : {"start", "every step"}
        Whether the decoder gets the encoder's final h at its start alone, or as an input at every step too.
    attention : {None, "dot", "additive"}
    embedding : int
        Length of a symbol's vector, on both sides.
    dropout : float
        While training, silences this share of the embedded source, of the embedded target and of what the read-out
        sees; against learning pairs by heart.
    dtype : numpy dtype

    Attributes
    ----------
    source_embedding, encoder, target_embedding, decoder, attention, combine, output_layer : Layer
        The parts, also in ``layers``; without attention there is no ``attention`` and no ``combine``: None.
    attention_weights : (batch, target time, source time)
        Of the last forward pass or step.
    history : History
        Of the last ``fit``.

    References
    ----------
    Cho et al. 2014, Learning phrase representations using RNN encoder-decoder, section 2.2 (whose decoder shows
    summary and last symbol to the read-out as well, and has a layer between the two states); Sutskever, Vinyals and
    Le 2014, Sequence to sequence learning with neural networks (with four layers on either side); Luong, Pham and
    Manning 2015, section 3.1.
    """

    def __init__(
        self,
        source_symbols,
        target_symbols,
        units,
        *,
        rng,
        kind="GRU",
        bidirectional=False,
        summary="start",
        attention=None,
        embedding=32,
        dropout=0.0,
        dtype=np.float32,
    ):
        for name, value, known in (
            ("kind", kind, tuple(KINDS)),
            ("summary", summary, ("start", "every step")),
            ("attention", attention, (None, "dot", "additive")),
        ):
            if value not in known:
                raise ValueError(f"{name} is one of {', '.join(map(repr, known))}, but {value!r} came.")
        if bidirectional and units % 2:
            raise ValueError(
                f"An encoder that reads both ways has half of the units for each, so their number is "
                f"even, but {units} came."
            )
        self._config = dict(
            source_symbols=source_symbols,
            target_symbols=target_symbols,
            units=units,
            kind=kind,
            bidirectional=bidirectional,
            summary=summary,
            attention=attention,
            embedding=embedding,
            dropout=dropout,
        )
        how = dict(rng=rng, dtype=dtype)
        self.units, self.summary = units, summary
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
        self.combine = attention and Dense(2 * units, units, activation="tanh", **how)
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
        super().__init__([part for part in parts if part is not None], SoftmaxCrossEntropy())

    def _decoder_features(self, embedding):
        return embedding + (self.units if self.summary == "every step" else 0)

    @property
    def attention_weights(self):
        if self.attention is None:
            raise AttributeError('This model has no attention. Make it with attention="dot" or "additive".')
        return self._weights

    # --- reading and writing ---
    def read(self, source, source_mask=None, training=False):
        """Read the sources: the state from which :meth:`step` goes on, to be passed to greedy, beam_search and so on.

        Parameters
        ----------
        source : (batch, source time) whole numbers
        source_mask : (batch, source time) of bool, optional
        training : bool
            Turns dropout on.

        Returns
        -------
        tuple
            (decoder's state, summary, memory, source_mask), each None where there is no such thing. The decoder's
            state is the encoder's last: the code of the source.
        """
        embedded = self._dropout(0, self.source_embedding.forward(source), training)
        memory, final = self.encoder.forward(embedded, mask=source_mask)
        state = _join_directions(final) if isinstance(self.encoder, Bidirectional) else final
        summary = _first(state) if self.summary == "every step" else None
        return (state, summary, *((memory, source_mask) if self.attention else (None, None)))

    def step(self, symbols, state):
        """One symbol further; a step as :mod:`course_lib.generation` wants it.

        Parameters
        ----------
        symbols : (batch,) whole numbers
            What was said last; the start symbol at first.
        state : tuple
            As :meth:`read` or the last step returned it.

        Returns
        -------
        log_probabilities : (batch, target symbols)
        state : tuple
        """
        if state is None:
            raise ValueError(
                "An encoder-decoder writes about something: pass model.read(source, source_mask) as the "
                "state, after the seed."
            )
        h, decoder_state = self._decode(self.target_embedding.forward(symbols[:, None]), *state)
        return log_softmax(self.output_layer.forward(h)[:, 0]), (decoder_state, *state[1:])

    def forward(self, pairs, mask=None, initial_states=None, training=False):
        """Scores for every next symbol under teacher forcing.

        Parameters
        ----------
        pairs : Pairs
        mask, initial_states
            Not needed here: the pairs bring their masks, and filling in ``target_in`` comes after all that counts.
        training : bool
            Turns dropout on.

        Returns
        -------
        (batch, target time, target symbols)
        """
        state = self.read(pairs.source, pairs.source_mask, training)
        embedded = self._dropout(1, self.target_embedding.forward(pairs.target_in), training)
        h, _ = self._decode(embedded, *state)
        return self.output_layer.forward(self._dropout(2, h, training))

    def _dropout(self, place, x, training):
        return self.dropouts[place].forward(x, training) if self.dropouts else x

    def _dropout_backward(self, place, d):
        return self.dropouts[place].backward(d) if self.dropouts else d

    def _decode(self, embedded, state, summary, memory, mask):
        """Embedded symbols (batch, time, embedding) -> what the read-out sees (batch, time, units), final state."""
        if summary is not None:
            again = np.broadcast_to(summary[:, None], (*embedded.shape[:2], self.units))
            embedded = np.concatenate([embedded, again], axis=-1)
        h, final = self.decoder.forward(embedded, state)
        if memory is not None:
            context, self._weights = self.attention.forward(h, memory, mask)
            h = self.combine.forward(np.concatenate([h, context], axis=-1))
        return h, final

    def backward(self, d_scores, input_gradient=False):
        """∂L/∂scores (batch, target time, target symbols) -> None: symbols have no gradient. Leaves all ``grads``."""
        d_scores = d_scores.astype(self.output_layer.kernel.dtype, copy=False)
        dh = self._dropout_backward(2, self.output_layer.backward(d_scores))
        d_embedded, d_state, d_memory = self._backward_decoder(dh)
        self.target_embedding.backward(self._dropout_backward(1, d_embedded))
        if isinstance(self.encoder, Bidirectional):
            d_state = _split_directions(d_state)
        d_source, _ = self.encoder.backward(d_memory, d_state)
        self.source_embedding.backward(self._dropout_backward(0, d_source))

    def _backward_decoder(self, dh):
        """Back through :meth:`_decode`: ∂L/∂(embedded symbols), ∂L/∂(decoder's initial state), ∂L/∂memory."""
        d_memory = None
        if self.attention is not None:
            dh, d_context = np.split(self.combine.backward(dh), 2, axis=-1)
            d_queries, d_memory = self.attention.backward(d_context)
            dh = dh + d_queries
        dx, d_state = self.decoder.backward(dh)
        if self.summary == "every step":
            dx, d_summary = np.split(dx, [dx.shape[2] - self.units], axis=-1)
            _first(d_state)[...] += d_summary.sum(axis=1)
        return dx, d_state, d_memory

    # --- training, by Model's own loop ---
    def fit(self, data, *, batch_size=32, rng=None, steps=None, validation=None, **how):
        """Train as :meth:`Model.fit` does, with the same options.

        Parameters
        ----------
        data : Pairs, or a callable
            A callable takes nothing and returns a new iterable of Pairs, the batches of one epoch.
        validation : (Pairs,), optional
            A tuple of one.
        """
        if isinstance(data, Pairs):
            if rng is None:
                raise ValueError("fit shuffles the pairs, so it needs a source of randomness: pass rng=rng.")
            pairs, steps = data, steps or -(-len(data) // batch_size)

            def data():
                return pairs.batches(batch_size, rng)

        return super().fit(
            lambda: ((batch, batch.target_out, batch.target_mask) for batch in data()),
            steps=steps,
            validation_data=validation,
            **how,
        )

    @staticmethod
    def _check_validation_data(validation_data):
        pass

    @staticmethod
    def _counting(outputs, mask):
        return mask

    def evaluate(self, pairs, batch_size=256, return_dict=False):
        """The loss in nats, the mean over all real target symbols, stop symbols included."""
        total = 0.0
        for start in range(0, len(pairs), batch_size):
            some = pairs[start : start + batch_size]
            total += some.target_mask.sum() * self.loss.forward(self.forward(some), some.target_out, some.target_mask)
        loss = float(total / pairs.target_mask.sum())
        return {"loss": loss} if return_dict else loss

    def predict(self, *_, **__):
        raise NotImplementedError(
            "To predict a symbol, an encoder-decoder needs those before it. forward(pairs) gives "
            "the scores when the true ones are fed; generation.greedy(model.step, ...) writes."
        )

    # --- keeping ---
    def save(self, path):
        """Write the model to an ``.npz`` file: arrays and a line of JSON, no pickle."""
        config = json.dumps({"class": type(self).__name__, **self._config})
        with open(path, "wb") as file:
            np.savez_compressed(file, config=np.array(config), **{str(i): w for i, w in enumerate(self.weights)})

    @classmethod
    def load(cls, path):
        """Read a model that :meth:`save` wrote.

        Raises
        ------
        FileNotFoundError, ValueError
            If there is no such file, or it is damaged or of another kind of model.
        """
        if not Path(path).exists():
            raise FileNotFoundError(
                f"There is no file {path}. model.save(path) writes one; relative paths start at {Path.cwd()}."
            )
        try:
            with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
                config = json.loads(str(file["config"]))
                if config.pop("class") != cls.__name__:
                    raise ValueError(f"it holds another kind of model than {cls.__name__}")
                model = cls(**config, rng=np.random.default_rng(0), dtype=file["0"].dtype)
                for i, mine in enumerate(model.weights):
                    mine[...] = file[str(i)]
                return model
        except (KeyError, ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile, zipfile.zlib.error) as error:
            raise ValueError(
                f"{path} cannot be read as a saved {cls.__name__} ({type(error).__name__}: {error}). Copy "
                f"it again, or train and save the model anew."
            ) from error


class BahdanauEncoderDecoder(EncoderDecoder):
    """The first arrangement of attention: the decoder looks before each step, and steps with what it saw.

    c̄_t = attention(s_{t-1}, memory), then s_t = cell([y_{t-1}, c̄_t], s_{t-1}): the context can change where the next
    look goes, but the steps have to be taken one by one, which is slower. The read-out is that of
    :class:`EncoderDecoder`, in place of the paper's maxout layer. Parameters and attributes are those of
    :class:`EncoderDecoder`, with ``attention`` "additive" (the paper's) or "dot", and no summary at every step.

    References
    ----------
    Bahdanau, Cho and Bengio 2015, Neural machine translation by jointly learning to align and translate, section 3.
    """

    def __init__(self, source_symbols, target_symbols, units, *, rng, attention="additive", **how):
        if attention is None or how.get("summary", "start") != "start":
            raise ValueError(
                "BahdanauEncoderDecoder looks at the source before every step: it has an attention, and "
                "no summary at every step beside it. EncoderDecoder has both choices."
            )
        super().__init__(source_symbols, target_symbols, units, rng=rng, attention=attention, **how)

    def _decoder_features(self, embedding):
        return embedding + self.units

    def _decode(self, embedded, state, summary, memory, mask):
        self._unrolled, hs, contexts, weights = [], [], [], []
        for t in range(embedded.shape[1]):
            attention, decoder = _once(self.attention), _once(self.decoder)
            context, looked = attention.forward(_first(state)[:, None], memory, mask)
            h, state = decoder.forward(np.concatenate([embedded[:, t : t + 1], context], axis=-1), state)
            self._unrolled.append((attention, decoder))
            for kept, new in zip((hs, contexts, weights), (h, context, looked), strict=True):
                kept.append(new)
        h, context, self._weights = (np.concatenate(kept, axis=1) for kept in (hs, contexts, weights))
        return self.combine.forward(np.concatenate([h, context], axis=-1)), state

    def _backward_decoder(self, dh):
        dh, d_context = np.split(self.combine.backward(dh), 2, axis=-1)
        d_embedded, d_memory, d_state = [], 0, None
        for layer in (self.attention, self.decoder):
            layer.grads = [np.zeros_like(w) for w in layer.weights]
        for t in reversed(range(dh.shape[1])):
            attention, decoder = self._unrolled[t]
            dx, d_state = decoder.backward(dh[:, t : t + 1], d_state)
            dx, d_context_t = np.split(dx, [dx.shape[2] - self.units], axis=-1)
            d_query, d_memory_t = attention.backward(d_context[:, t : t + 1] + d_context_t)
            _first(d_state)[...] += d_query[:, 0]
            d_memory = d_memory + d_memory_t
            d_embedded.append(dx)
            for layer, once in ((self.attention, attention), (self.decoder, decoder)):
                for total, g in zip(layer.grads, once.grads, strict=True):
                    total += g
        return np.concatenate(d_embedded[::-1], axis=1), d_state, d_memory


def _once(layer):
    """The layer unrolled for one step: the same weights, but with room of its own for what backward will need."""
    once = copy(layer)
    once.__dict__.pop("_buffers", None)
    return once


def _first(state):
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
