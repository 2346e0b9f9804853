"""Lesson 16's models: seven kinds of network, each with about as many weights as the others."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from course_lib.attention import causal_mask, positional_encoding
from course_lib.convolution import Conv1D, Flatten
from course_lib.layers import Dense, Embedding, LastStep, Layer, LayerNormalization
from course_lib.linear_recurrence import GatedLinearRecurrence, MinGRU
from course_lib.losses import MeanSquaredError, SoftmaxCrossEntropy
from course_lib.model import Model
from course_lib.recurrent import GRU, LSTM, SimpleRNN
from course_lib.transformer import TransformerBlock

WEIGHTS = 5_000  # of every model, about
EMBEDDED = 8  # numbers for a letter


class Task(NamedTuple):
    """What goes into a model and what comes out.

    Attributes
    ----------
    features, outputs : int
        Numbers a step; numbers of an answer.
    answers : {"end", "each", "second half"}
        Whether the answer is wanted at the end, at each step, or at each step of the second half.
    letters : int
        How many letters there are, if the inputs are ids of letters; 0 if they are numbers.
    steps : int
        Of a sequence, where all have as many; a convolution over the whole sequence needs it.
    """

    features: int
    outputs: int
    answers: str
    letters: int = 0
    steps: int = 0


class SecondHalf(Layer):
    """Keeps the second half of the steps: (batch, 2 n, units) -> (batch, n, units)."""

    def forward(self, x: ArrayLike, training: bool = False) -> np.ndarray:
        """Leave out the first half.

        Parameters
        ----------
        x : (batch, 2 n, units) array
            Outputs at every step.
        training : bool
            Makes no difference.

        Returns
        -------
        (batch, n, units) array

        Raises
        ------
        ValueError
            If the number of steps is odd or 0.
        """
        x = np.asarray(x)
        if x.ndim != 3 or x.shape[1] % 2 or x.shape[1] == 0:
            raise ValueError(f"SecondHalf takes an even number of steps, (batch, 2 n, units), but got {x.shape}.")
        self._cache = x.shape
        return x[:, x.shape[1] // 2 :]

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """Backpropagate: the first half gets zeros.

        Parameters
        ----------
        dy : (batch, n, units) array
            ∂L/∂output.

        Returns
        -------
        (batch, 2 n, units) array
            ∂L/∂x.
        """
        dx = np.zeros(self._need_forward(), dy.dtype)
        dx[:, dx.shape[1] // 2 :] = dy
        return dx


class CausalTransformer(Layer):
    """A small Transformer as one layer: projection, positions, blocks under a causal mask, normalisation.

    Parameters
    ----------
    features, units : int
        Size of x_t and of each position's vector; ``units`` is even and a multiple of ``heads``.
    hidden, heads, blocks : int
        As in :class:`course_lib.transformer.Transformer`.
    restart : bool
        Whether the positions are counted anew from the middle of the sequence, as a decoder counts its own.
    rng : numpy.random.Generator
        Source of the draws.
    dtype : numpy dtype
        Of weights and outputs.

    Attributes
    ----------
    layers : list of Layer
        Projection, blocks, normalisation.

    References
    ----------
    Vaswani et al. 2017, Attention is all you need; Xiong et al. 2020 for the place of the normalisations.
    """

    def __init__(
        self,
        features: int,
        units: int,
        *,
        hidden: int,
        heads: int = 2,
        blocks: int = 2,
        restart: bool = False,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        how = dict(rng=rng, dtype=dtype)
        self.features, self.units, self.hidden, self.heads, self.blocks = features, units, hidden, heads, blocks
        self.restart = restart
        self.layers = [
            Dense(features, units, **how),
            *(TransformerBlock(units, heads, hidden, **how) for _ in range(blocks)),
            LayerNormalization(units, dtype=dtype),
        ]
        self.weight_names = tuple(
            f"{name}_{place}" for place, layer in enumerate(self.layers) for name in layer.weight_names
        )

    @property
    def weights(self) -> list[np.ndarray]:
        """The parameters themselves, in the order of ``weight_names``."""
        return [w for layer in self.layers for w in layer.weights]

    def forward(self, x: ArrayLike, training: bool = False) -> np.ndarray:
        """Run all blocks.

        Parameters
        ----------
        x : (batch, time, features) array
            The sequences; with ``restart`` of an even number of steps.
        training : bool
            Makes no difference.

        Returns
        -------
        (batch, time, units) array
            One vector for each position, which depends on no later one.
        """
        first, *blocks, norm = self.layers
        h = first.forward(x)
        time = h.shape[1]
        positions = positional_encoding(time, self.units)
        if self.restart:
            positions[time // 2 :] = positions[: time - time // 2]
        h = h + positions.astype(h.dtype)
        for block in blocks:
            h = block.forward(h, causal_mask(time))
        return norm.forward(h)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """Backpropagate through all blocks.

        Parameters
        ----------
        dy : (batch, time, units) array
            ∂L/∂output.

        Returns
        -------
        (batch, time, features) array
            ∂L/∂x.
        """
        first, *blocks, norm = self.layers
        d = norm.backward(dy)
        for block in reversed(blocks):
            d, _ = block.backward(d)
        dx = first.backward(d)
        self.grads = [g for layer in self.layers for g in layer.grads]
        return dx


def _recurrent(kind):
    return lambda features, units, task, rng: [kind(features, units, rng=rng)]


def _linear(kind, **how):
    """Two layers: of the first alone, gate and candidate would see a single step."""
    return lambda features, units, task, rng: [
        kind(features, units, rng=rng, **how),
        kind(units, units, rng=rng, **how),
    ]


def _convolution(features, units, task, rng):
    """Four layers with windows of 5: 17 steps where each step has an answer, all steps where only the end has one."""
    sizes = [features, *[units] * 4]
    how = dict(padding="causal") if task.answers != "end" else dict(padding="same", strides=2)
    layers = [
        Conv1D(
            sizes[place],
            units,
            5,
            rng=rng,
            activation="relu",
            **(how if place or task.answers != "end" else {"padding": "same"}),
        )
        for place in range(4)
    ]
    return [*layers, Flatten()] if task.answers == "end" else layers


def _transformer(features, units, task, rng):
    return [CausalTransformer(features, 16, hidden=units, restart=task.answers == "second half", rng=rng)]


KINDS = {
    "tanh": _recurrent(SimpleRNN),
    "LSTM": _recurrent(LSTM),
    "GRU": _recurrent(GRU),
    "Conv1D": _convolution,
    "Transformer": _transformer,
    "minGRU": _linear(MinGRU),
    "linear ±": _linear(GatedLinearRecurrence, negative_eigenvalues=True),
}


def _assemble(kind, task, units, rng):
    features = EMBEDDED if task.letters else task.features
    layers: list[Layer] = [Embedding(task.letters, EMBEDDED, rng=rng)] if task.letters else []
    layers += KINDS[kind](features, units, task, rng)
    if task.answers == "end" and kind == "Conv1D":
        width = units * -(-task.steps // 8)  # three strides of 2
    else:
        width = 16 if kind == "Transformer" else units
        layers += {"end": [LastStep()], "second half": [SecondHalf()], "each": []}[task.answers]
    loss = MeanSquaredError() if task.outputs == 1 else SoftmaxCrossEntropy()
    return Model([*layers, Dense(width, task.outputs, rng=rng)], loss)


@cache
def units_for(kind: str, task: Task) -> int:
    """Say how many units bring a model of this kind nearest to ``WEIGHTS`` weights.

    Parameters
    ----------
    kind : str
        A key of ``KINDS``.
    task : Task
        What goes in and comes out.

    Returns
    -------
    int
        Units of a layer, filters, or the hidden units of the Transformer's feed-forward networks.
    """
    rng, best = np.random.default_rng(0), (np.inf, 0)
    for units in range(1, 200):
        count = _assemble(kind, task, units, rng).count_params()
        best = min(best, (abs(count - WEIGHTS), units))
        if count > 2 * WEIGHTS:
            break
    return best[1]


def build(kind: str, task: Task, rng: np.random.Generator) -> Model:
    """Make a model of about ``WEIGHTS`` weights.

    Parameters
    ----------
    kind : str
        A key of ``KINDS``.
    task : Task
        What goes in and comes out.
    rng : numpy.random.Generator
        Draws the weights.

    Returns
    -------
    Model
        With squared error if there is one output, else with cross-entropy.

    Raises
    ------
    ValueError
        If there is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"A model is one of {', '.join(KINDS)}, but got {kind!r}.")
    return _assemble(kind, task, units_for(kind, task), rng)
