"""The encoder-decoder in Keras, as lesson 10 shows it: built, with the weights of one of ours, and fed.

::

    model = encoder_decoder(26, 28, 64)
    model.fit(*numbered_from_one(pairs), epochs=10)

It stands beside :mod:`course_lib.keras_models`, which brings Keras: recorded figures depend on the code of that module.
"""

from __future__ import annotations

import numpy as np

from course_lib.keras_models import keras
from course_lib.recurrent import Bidirectional


class CodeAtEveryStep(keras.layers.Layer):
    """A sequence (batch, time, features) and a code (batch, units) -> the two side by side, at every step.

    It passes the sequence's mask on. keras.layers.Concatenate would drop it: there a step counts as real if either part
    has no mask.
    """

    def __init__(self, **how):
        super().__init__(**how)
        self.supports_masking = True

    def call(self, x, code):
        return keras.ops.concatenate([x, code[:, None] + keras.ops.zeros_like(x[:, :, :1])], axis=-1)


def encoder_decoder(
    source_symbols,
    target_symbols,
    units,
    *,
    kind="GRU",
    summary="start",
    embedding=32,
    learning_rate=0.01,
    dtype="float32",
):
    """Two sequences of symbols, the source and what the decoder is fed, to scores for every next symbol.

    Symbols are numbered from 1 here, because 0 is filling: the embeddings make a mask of it (``mask_zero``), which the
    recurrent layers keep to and the loss as well, since the scores carry it. :func:`numbered_from_one` makes such
    arrays of Pairs. The answers of ``fit`` are numbered from 0, as the scores are::

        model.fit(*numbered_from_one(pairs), batch_size=32, epochs=10)

    Parameters
    ----------
    source_symbols, target_symbols, units, kind, summary, embedding
        Those of :class:`course_lib.seq2seq.EncoderDecoder`, whose arrangement this is.
    learning_rate : float
        Of Adam.
    dtype : str

    Returns
    -------
    keras.Model
        ``{"source": (batch, source time), "target_in": (batch, target time)}`` -> (batch, target time, target_symbols);
        compiled with the cross-entropy, the mean over all real steps.

    References
    ----------
    Sutskever, Vinyals and Le 2014; Cho et al. 2014 (``summary="every step"``).
    """
    recurrent_layer = getattr(keras.layers, kind)
    source, target_in = (keras.Input((None,), dtype="int32", name=name) for name in ("source", "target_in"))

    def embedded(ids, symbols, name):
        return keras.layers.Embedding(symbols + 1, embedding, mask_zero=True, dtype=dtype, name=name)(ids)

    read = embedded(source, source_symbols, "source_embedding")
    _, *code = recurrent_layer(units, return_state=True, dtype=dtype, name="encoder")(read)

    fed = embedded(target_in, target_symbols, "target_embedding")
    if summary == "every step":
        fed = CodeAtEveryStep(dtype=dtype)(fed, code[0])
    states = recurrent_layer(units, return_sequences=True, dtype=dtype, name="decoder")(fed, initial_state=code)
    scores = keras.layers.Dense(target_symbols, dtype=dtype, name="output_layer")(states)

    model = keras.Model([source, target_in], scores)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )  # or it would be compiled anew for every length of a batch
    return model


def to_keras(model, learning_rate=0.01):
    """The :func:`encoder_decoder` that computes what one of ours computes, with a copy of its weights.

    Parameters
    ----------
    model : course_lib.seq2seq.EncoderDecoder
        That reads one way and has no attention.
    learning_rate : float

    Returns
    -------
    keras.Model

    Raises
    ------
    ValueError
        If the model has attention or reads both ways.
    """
    if model.attention is not None or isinstance(model.encoder, Bidirectional):
        raise ValueError("to_keras takes an EncoderDecoder that reads one way and has no attention.")
    theirs = encoder_decoder(
        model.source_embedding.vocabulary,
        model.target_embedding.vocabulary,
        model.units,
        kind=type(model.encoder).__name__,
        summary=model.summary,
        embedding=model.source_embedding.units,
        learning_rate=learning_rate,
        dtype=model.output_layer.kernel.dtype.name,
    )
    for name in ("source_embedding", "encoder", "target_embedding", "decoder", "output_layer"):
        weights = getattr(model, name).get_weights()
        if name.endswith("embedding"):  # one row more, for the filling
            weights = [np.pad(weights[0], ((1, 0), (0, 0)))]
        theirs.get_layer(name).set_weights(weights)
    return theirs


def numbered_from_one(pairs):
    """Pairs as an :func:`encoder_decoder` reads them: symbols from 1 on, 0 for filling.

    Parameters
    ----------
    pairs : course_lib.seq2seq.Pairs

    Returns
    -------
    inputs : dict of (count, time) whole numbers
        "source" and "target_in".
    answers : (count, target time) whole numbers
        ``target_out``, numbered from 0.
    """
    return {
        "source": np.where(pairs.source_mask, pairs.source + 1, 0),
        "target_in": np.where(pairs.target_mask, pairs.target_in + 1, 0),
    }, pairs.target_out
