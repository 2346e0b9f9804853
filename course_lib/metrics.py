"""How good predictions are: accuracy, error rates of sequences, and the loss over a long text.

A metric of a model is a function ``(outputs, targets, mask) -> float``, such as :func:`accuracy`: a mean over the
predictions that count, so that its values in several batches have a mean of their own.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from rapidfuzz.distance import Levenshtein

from course_lib.layers import Embedding
from course_lib.recurrent import Bidirectional
from course_lib.sequences import one_hot, stream

if TYPE_CHECKING:
    from course_lib.model import Model


# ---------------------------------------------------------------------------------------------------------------------
# Single predictions
# ---------------------------------------------------------------------------------------------------------------------
def accuracy(outputs: np.ndarray, targets: ArrayLike, mask: ArrayLike | None = None) -> float:
    """The share of right predictions.

    Parameters
    ----------
    outputs : (..., classes) or (..., features)
        Scores of classes, before or after the softmax; or scores of yes-or-no outputs before the sigmoid, where above
        0 means yes.
    targets : (...) whole numbers, or (..., features) of 0 and 1
        Class ids, of which the largest score predicts one; or yes and no for each output.
    mask : (...) of bool, optional
        Which predictions count; all without it.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ValueError
        If the shapes do not belong together, the targets are neither ids nor 0 and 1, or no prediction counts.

    Examples
    --------
    >>> accuracy(np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]]), [1, 0, 0], [True, True, False])
    1.0
    >>> accuracy(np.array([[2.0], [-1.0]]), np.array([[1.0], [1.0]]))
    0.5
    """
    targets = np.asarray(targets)
    if targets.shape == outputs.shape[:-1] and np.issubdtype(targets.dtype, np.integer):
        right = outputs.argmax(axis=-1) == targets
    elif targets.shape == outputs.shape and np.isin(targets, (0, 1)).all():
        right = ((outputs > 0) == (targets > 0)).mean(axis=-1)
    else:
        raise ValueError(
            f"accuracy takes class ids, one for each of {outputs.shape[:-1]} predictions, or 0 and 1 for each of "
            f"{outputs.shape} outputs, but got targets of {targets.dtype} and shape {targets.shape}. Measurements have "
            f"no accuracy: look at their loss."
        )
    counts = np.ones(right.shape, bool) if mask is None else np.asarray(mask, bool)
    if counts.shape != right.shape or not counts.any():
        raise ValueError(
            f"A mask says for each of {right.shape} predictions whether it counts, and some must, but got shape "
            f"{counts.shape} with {int(counts.sum())} that count. True means a real step."
        )
    return float(right[counts].mean())


# ---------------------------------------------------------------------------------------------------------------------
# Sequences
# ---------------------------------------------------------------------------------------------------------------------
def exact_match(predicted: Sequence[Sequence[Hashable]], targets: Sequence[Sequence[Hashable]]) -> float:
    """The share of sequences that are right in every symbol.

    Parameters
    ----------
    predicted, targets : lists of sequences
        Equally many, such as ``greedy(...).symbols`` and what they should be.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ValueError
        If there are none, or not equally many.

    Examples
    --------
    >>> exact_match([[1, 2], [1]], [[1, 2], [1, 2]])
    0.5
    """
    _as_many(predicted, targets)
    return float(np.mean([list(mine) == list(right) for mine, right in zip(predicted, targets, strict=True)]))


def edit_distance(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """How many insertions, deletions and substitutions make one sequence into the other.

    Parameters
    ----------
    one, other : sequences
        Strings, lists, tuples or arrays of symbols.

    Returns
    -------
    int
        The smallest number of them.

    References
    ----------
    Levenshtein 1966, Binary codes capable of correcting deletions, insertions, and reversals.

    Examples
    --------
    >>> edit_distance("kitten", "sitting")
    3
    >>> edit_distance(("F", "OW"), ("F", "OW", "N"))
    1
    """
    ids: dict[Hashable, int] = {}  # rapidfuzz compares hashes, and some different symbols share one: -1 and -2
    one, other = ([ids.setdefault(symbol, len(ids)) for symbol in sequence] for sequence in (one, other))
    return Levenshtein.distance(one, other)


class ErrorRates(NamedTuple):
    """How often spoken words are wrong; see :func:`error_rates`.

    Attributes
    ----------
    words : float
        Word error rate.
    phonemes : float
        Phoneme error rate.
    """

    words: float
    phonemes: float


def error_rates(predicted: Sequence[Sequence[str]], accepted: Sequence[Sequence[Sequence[str]]]) -> ErrorRates:
    """Word and phoneme error rate against the pronunciations that a dictionary accepts.

    Parameters
    ----------
    predicted : list of tuple of str
        The phonemes of each word.
    accepted : list of list of tuple of str
        The pronunciations of each word; the nearest one counts.

    Returns
    -------
    ErrorRates
        ``words``, the share of words that equal none of their pronunciations; ``phonemes``, insertions, deletions and
        substitutions against the nearest pronunciation, divided by all phonemes of those.

    Raises
    ------
    ValueError
        If there are no words, or not equally many.

    Examples
    --------
    >>> error_rates([("F", "OW"), ("S", "IY")], [[("F", "OW", "N")], [("S", "IY"), ("S", "EY")]])
    ErrorRates(words=0.5, phonemes=0.2)
    """
    _as_many(predicted, accepted)
    nearest = [
        min((edit_distance(mine, right), len(right)) for right in rights)
        for mine, rights in zip(predicted, accepted, strict=True)
    ]
    wrong = sum(distance > 0 for distance, _ in nearest)
    return ErrorRates(wrong / len(nearest), sum(d for d, _ in nearest) / sum(length for _, length in nearest))


def _as_many(predicted, targets):
    if len(predicted) == 0 or len(predicted) != len(targets):
        raise ValueError(
            f"Each predicted sequence is compared with its target, at least one, but got {len(predicted)} and "
            f"{len(targets)}. Were some left out on one side?"
        )


# ---------------------------------------------------------------------------------------------------------------------
# A long text
# ---------------------------------------------------------------------------------------------------------------------
def evaluate_text(model: Model, ids: ArrayLike, batch_size: int = 1, length: int = 64) -> float:
    """The loss of a model that predicts the next symbol, over a long text, in memory that does not grow with it.

    The text is cut into ``batch_size`` rows, as :func:`course_lib.sequences.stream` does, and computed piece by piece
    with the state carried over, so that the loss is that of the whole text at once.

    Parameters
    ----------
    model : Model
        Its first layer is an Embedding, or takes one-hot vectors.
    ids : (time,) whole numbers
        The text.
    batch_size : int
        Rows that the text is read in; each starts from zeros.
    length : int
        Steps of each row in memory at once.

    Returns
    -------
    float
        In nats a symbol, the mean over all.

    Raises
    ------
    ValueError
        If the text is too short, or the model has a Bidirectional layer.
    """
    if any(isinstance(layer, Bidirectional) for layer in model.layers):
        raise ValueError(
            "A Bidirectional layer also runs from the end of the text, so it does not predict the next symbol, and its "
            "state cannot be carried from piece to piece. Take a layer that runs forwards only."
        )
    first, total, count, states = model.layers[0], 0.0, 0, None
    for inputs, targets in stream(ids, batch_size, length):
        x = inputs if isinstance(first, Embedding) else one_hot(inputs, first.features, first.weights[0].dtype)
        outputs = model.forward(x, initial_states=states)
        states = model.states
        total, count = total + targets.size * model.loss.forward(outputs, targets), count + targets.size
    return total / count
