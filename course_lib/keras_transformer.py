"""A small Transformer in Keras that predicts the next symbol, with any one part left out.

This is one of the modules of the course that import TensorFlow, see :mod:`course_lib.keras_models`.
"""

from __future__ import annotations

from course_lib.attention import positional_encoding
from course_lib.keras_models import keras  # first: it keeps TensorFlow quiet

PARTS = ("positions", "causal mask", "heads", "residual connections", "layer normalisation", "feed-forward network")


class AddPositions(keras.layers.Layer):
    """Adds to the vector at each position the sines and cosines of that position.

    Parameters
    ----------
    longest : int
        The largest number of positions.

    References
    ----------
    Vaswani et al. 2017, Attention is all you need, section 3.5.
    """

    def __init__(self, longest: int = 512, **kwargs):
        super().__init__(**kwargs)
        self.longest = longest

    def build(self, shape):
        self.table = keras.ops.convert_to_tensor(positional_encoding(self.longest, shape[-1]), self.compute_dtype)

    def call(self, x):
        return x + self.table[: keras.ops.shape(x)[1]]

    def get_config(self):
        return super().get_config() | {"longest": self.longest}


def normalize(x: keras.KerasTensor, without: str = "") -> keras.KerasTensor:
    """Layer normalisation, unless it is the part to be left out.

    Parameters
    ----------
    x : (batch, time, features)
        Any number of axes in front.
    without : str
        One of ``PARTS``, or nothing.

    Returns
    -------
    keras.KerasTensor
        Of the same shape.
    """
    return x if without == "layer normalisation" else keras.layers.LayerNormalization(epsilon=1e-5)(x)


def transformer_block(x: keras.KerasTensor, heads: int, hidden: int, without: str = "") -> keras.KerasTensor:
    """Causal self-attention and a feed-forward network, each normalised before and added to its input.

    Parameters
    ----------
    x : (batch, time, features)
        The inputs.
    heads, hidden : int
        Heads of the attention; units of the feed-forward network's hidden layer.
    without : str
        One of ``PARTS``: it is left out. "heads" leaves one.

    Returns
    -------
    keras.KerasTensor
        (batch, time, features)
    """
    features = x.shape[-1]
    heads = 1 if without == "heads" else heads
    y = normalize(x, without)
    attention = keras.layers.MultiHeadAttention(heads, features // heads)
    y = attention(y, y, use_causal_mask=without != "causal mask")
    x = y if without == "residual connections" else x + y
    if without == "feed-forward network":
        return x
    y = keras.layers.Dense(hidden, activation="relu")(normalize(x, without))
    y = keras.layers.Dense(features)(y)
    return y if without == "residual connections" else x + y


def next_symbol_model(
    size: int, features: int = 64, heads: int = 4, hidden: int = 128, blocks: int = 2, without: str = ""
) -> keras.Model:
    """A language model of Transformer blocks: ids (batch, time) -> scores (batch, time, size).

    Parameters
    ----------
    size : int
        Of the vocabulary.
    features, heads, hidden, blocks : int
        Size of each position's vector; heads, hidden units and number of the blocks.
    without : str
        One of ``PARTS``: it is left out.

    Returns
    -------
    keras.Model
        Not compiled; the scores are logits.
    """
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Rescaling(features**0.5)(keras.layers.Embedding(size, features)(ids))
    if without != "positions":
        x = AddPositions()(x)
    for _ in range(blocks):
        x = transformer_block(x, heads, hidden, without)
    return keras.Model(ids, keras.layers.Dense(size)(normalize(x, without)))
