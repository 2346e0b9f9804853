"""The encoder-decoder in Keras, as lesson 10 shows it: built, with the weights of one of ours, and its arrays.

::

    model = encoder_decoder(26, 28, 64)
    model.fit(*inputs_and_targets(pairs), epochs=10)

It stands beside :mod:`course_lib.keras_models`, which brings Keras: recorded figures depend on the code of that module.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from course_lib.keras_models import keras
from course_lib.recurrent import Bidirectional
from course_lib.seq2seq import EncoderDecoder, Pairs


@keras.utils.register_keras_serializable(package="course_lib")
class RepeatContext(keras.layers.Layer):
    """Concatenate a context vector (batch, units) to every step of a sequence (batch, time, features).

    It passes the sequence's mask on. keras.layers.Concatenate would drop it: there a step counts as real if either part
    has no mask. The class is registered: once this module is imported, a saved model with it loads without
    ``custom_objects``.

    Parameters
    ----------
    **how
        What every Keras layer takes, such as its name.
    """

    def __init__(self, **how: Any):
        super().__init__(**how)
        self.supports_masking = True

    def call(self, x: Any, context: Any) -> Any:
        """Concatenate.

        Parameters
        ----------
        x : (batch, time, features) tensor
            The sequence.
        context : (batch, units) tensor
            What is repeated.

        Returns
        -------
        (batch, time, features + units) tensor
            The sequence with the context at every step.
        """
        return keras.ops.concatenate([x, context[:, None] + keras.ops.zeros_like(x[:, :, :1])], axis=-1)


def encoder_decoder(
    source_symbols: int,
    target_symbols: int,
    units: int,
    *,
    kind: str = "GRU",
    context_at_every_step: bool = False,
    embedding: int = 32,
    learning_rate: float = 0.01,
    dtype: str = "float32",
) -> keras.Model:
    """An encoder-decoder without attention: source and decoder input to scores for every next symbol.

    Symbols are numbered from 1 here, because 0 is padding: the embeddings make a mask of it (``mask_zero``), which the
    recurrent layers keep to and the loss as well, since the scores carry it. :func:`inputs_and_targets` makes such
    arrays of Pairs. The targets of ``fit`` are numbered from 0, as the scores are::

        model.fit(*inputs_and_targets(pairs), batch_size=32, epochs=10)

    Parameters
    ----------
    source_symbols, target_symbols, units, kind, context_at_every_step, embedding
        Those of :class:`course_lib.seq2seq.EncoderDecoder`, whose arrangement this is.
    learning_rate : float
        Of Adam.
    dtype : str
        Of weights and outputs.

    Returns
    -------
    keras.Model
        ``{"source": (batch, source time), "target_in": (batch, target time)}`` -> (batch, target time, target_symbols);
        compiled with the cross-entropy, the mean over all real steps.

    References
    ----------
    Sutskever, Vinyals and Le 2014; Cho et al. 2014 (``context_at_every_step``).
    """
    recurrent_layer = getattr(keras.layers, kind)
    source, target_in = (keras.Input((None,), dtype="int32", name=name) for name in ("source", "target_in"))

    def embedded(ids, symbols, name):
        return keras.layers.Embedding(symbols + 1, embedding, mask_zero=True, dtype=dtype, name=name)(ids)

    encoded = embedded(source, source_symbols, "source_embedding")
    _, *final_state = recurrent_layer(units, return_state=True, dtype=dtype, name="encoder")(encoded)

    inputs = embedded(target_in, target_symbols, "target_embedding")
    if context_at_every_step:
        inputs = RepeatContext(dtype=dtype)(inputs, final_state[0])
    decoder = recurrent_layer(units, return_sequences=True, dtype=dtype, name="decoder")
    outputs = decoder(inputs, initial_state=final_state)
    scores = keras.layers.Dense(target_symbols, dtype=dtype, name="output_layer")(outputs)

    model = keras.Model([source, target_in], scores)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )  # or it would be compiled anew for every length of a batch
    return model


def to_keras(model: EncoderDecoder, learning_rate: float = 0.01) -> keras.Model:
    """The Keras :func:`encoder_decoder` that computes what one of ours computes, with a copy of its weights.

    Parameters
    ----------
    model : course_lib.seq2seq.EncoderDecoder
        Without attention, its encoder in one direction.
    learning_rate : float
        Of Adam.

    Returns
    -------
    keras.Model
        With the same weights.

    Raises
    ------
    ValueError
        If the model has attention or a bidirectional encoder.
    """
    if model.attention is not None or isinstance(model.encoder, Bidirectional):
        raise ValueError(
            "keras_seq2seq.to_keras takes an EncoderDecoder with one direction and without attention, but got one with "
            f"{'attention' if model.attention is not None else 'a bidirectional encoder'}. Convert the parts of other "
            "models by keras_models.to_keras, layer by layer."
        )
    keras_model = encoder_decoder(
        model.source_embedding.vocabulary,
        model.target_embedding.vocabulary,
        model.units,
        kind=type(model.encoder).__name__,
        context_at_every_step=model.context_at_every_step,
        embedding=model.source_embedding.units,
        learning_rate=learning_rate,
        dtype=model.output_layer.kernel.dtype.name,
    )
    for name in ("source_embedding", "encoder", "target_embedding", "decoder", "output_layer"):
        weights = getattr(model, name).get_weights()
        if name.endswith("embedding"):  # one row more, for the padding
            weights = [np.pad(weights[0], ((1, 0), (0, 0)))]
        keras_model.get_layer(name).set_weights(weights)
    return keras_model


def inputs_and_targets(pairs: Pairs) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Pairs as arrays for an :func:`encoder_decoder`: input symbols numbered from 1, 0 for padding.

    Parameters
    ----------
    pairs : course_lib.seq2seq.Pairs
        Sources and targets.

    Returns
    -------
    inputs : dict of (count, time) whole numbers
        "source" and "target_in".
    targets : (count, target time) whole numbers
        ``target_out``, numbered from 0.
    """
    return {
        "source": np.where(pairs.source_mask, pairs.source + 1, 0),
        "target_in": np.where(pairs.target_mask, pairs.target_in + 1, 0),
    }, pairs.target_out
