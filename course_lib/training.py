"""Training on the generated tasks, as several lessons' experiments do it, and gates that are held open for good."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from course_lib import tasks
from course_lib.layers import Dense, LastStep
from course_lib.losses import SoftmaxCrossEntropy
from course_lib.model import Model
from course_lib.optimizers import Adam
from course_lib.recurrent import GRU, LSTM, SimpleRNN
from course_lib.tasks import GrammarBatch, running_total


# ---------------------------------------------------------------------------------------------------------------------
# Ablation: a gate that is always open
# ---------------------------------------------------------------------------------------------------------------------
def hold_open(layer: LSTM | GRU, gate: str) -> LSTM | GRU:
    """Set a gate of an LSTM ("i", "f", "o") or a GRU ("z", "r") to 1 for good.

    Its weights become 0 and its bias 40: σ(40) is 1 in float32, and so flat there that training does not move it.

    Parameters
    ----------
    layer : LSTM or GRU
        Changed in place.
    gate : str
        Which one is held open.

    Returns
    -------
    LSTM or GRU
        The same layer.
    """
    place = ("ifco" if isinstance(layer, LSTM) else "zrh").index(gate)
    columns = slice(place * layer.units, (place + 1) * layer.units)
    layer.kernel[:, columns] = 0
    layer.recurrent_kernel[:, columns] = 0
    layer.bias[..., columns] = 40  # σ(40) is 1 in float32, and flat: training does not move it
    return layer


# ---------------------------------------------------------------------------------------------------------------------
# The running total
# ---------------------------------------------------------------------------------------------------------------------
def error_left(model: Model, time: int, rng: np.random.Generator) -> float:
    """Squared error on unseen streams of :func:`course_lib.tasks.running_total`, as a share of the targets' variance.

    Parameters
    ----------
    model : Model
        A trained model.
    time : int
        Steps of each stream, up to 8,000; there are 8,000 steps in all.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    float
        0: none is left; 1: no better than always giving the mean.
    """
    x, y = running_total(8000 // time, time, rng)
    return float(((model.predict(x) - y) ** 2).mean() / y.var())


# ---------------------------------------------------------------------------------------------------------------------
# Adding, temporal order, embedded Reber strings
# ---------------------------------------------------------------------------------------------------------------------
def train_adding(
    model: Model,
    time: int,
    rng: np.random.Generator,
    updates: int,
    *,
    learning_rate: float = 0.001,
    clip_norm: float | None = 1.0,
    unseen: int = 1000,
    every: int = 100,
    watch: Callable[[int], None] = lambda update: None,
) -> tuple[list[float], list[float]]:
    """Train on :func:`course_lib.tasks.adding` with Adam, 50 sequences an update, until the error is below .01.

    Parameters
    ----------
    model : Model
        Trained in place.
    time : int
        Length of the sequences.
    rng : numpy.random.Generator
        Draws the unseen sequences first, then those to train on.
    updates : int
        At most so many.
    learning_rate, clip_norm : float
        Of Adam at the start, and the largest length of the gradient.
    unseen : int
        Sequences on which the error is measured.
    every : int
        Updates from one measurement to the next.
    watch : callable
        Called after each measurement with the number of updates so far.

    Returns
    -------
    errors : list of float
        Mean squared error on the unseen sequences, by ``every`` updates.
    norms : list of float
        Norm of the gradient before clipping, by update.
    """
    adam, (x, y), errors, norms = Adam(learning_rate), tasks.adding(unseen, time, rng), [], []
    for update in range(1, updates + 1):
        batch = tasks.adding(50, time, rng)
        norms.append(model.train_on_batch(*batch, optimizer=adam, clip_norm=clip_norm)[1])
        if update % every == 0:
            errors.append(float(model.evaluate(x, y)))
            watch(update)
            if errors[-1] < 0.01:
                break
    return errors, norms


def sequences_until_ordered(
    layer: SimpleRNN | LSTM | GRU, time: int, rng: np.random.Generator, learning_rate: float = 0.003, most: int = 20_000
) -> int | None:
    """Train on :func:`course_lib.tasks.temporal_order` until .998 of 1,000 unseen sequences are classified right.

    Parameters
    ----------
    layer : recurrent layer
        Of 8 features; its last output is classified by a layer that is made here.
    time : int
        Length of the sequences.
    rng : numpy.random.Generator
        Source of the draws.
    learning_rate : float
        Of Adam.
    most : int
        Sequences after which to give up; they come 32 an update.

    Returns
    -------
    int or None
        Sequences that it took; None if they did not suffice.
    """
    model = Model([layer, LastStep(), Dense(layer.units, 4, rng=rng)], SoftmaxCrossEntropy())
    adam, (unseen, order) = Adam(learning_rate), tasks.temporal_order(1000, time, rng)
    for seen in range(32, most + 1, 32):
        model.train_on_batch(*tasks.temporal_order(32, time, rng), optimizer=adam, clip_norm=1.0)
        if seen % 800 == 0 and (model.predict(unseen).argmax(axis=1) == order).mean() >= 0.998:
            return seen
    return None


def legal_above_illegal(scores: np.ndarray, strings: GrammarBatch) -> np.ndarray:
    """Whether each legal next symbol scores above each illegal one, at every step.

    Parameters
    ----------
    scores : (count, time, symbols) array
        Logits or probabilities of the next symbol.
    strings : GrammarBatch
        Of as many strings, steps and symbols.

    Returns
    -------
    (count,) array of bool
        One answer a string.
    """
    lowest_legal = np.where(strings.legal, scores, np.inf).min(axis=2)
    highest_illegal = np.where(strings.legal, -np.inf, scores).max(axis=2)
    return ((lowest_legal > highest_illegal) | ~strings.mask).all(axis=1)


def strings_until_solved(
    layer: SimpleRNN | LSTM | GRU,
    rng: np.random.Generator,
    learning_rate: float = 0.01,
    clip_norm: float | None = None,
    most: int = 30_000,
) -> int | None:
    """Train on embedded Reber strings until 500 unseen ones are all solved, see :func:`legal_above_illegal`.

    Parameters
    ----------
    layer : recurrent layer
        Of 7 features; the next symbol is scored by a layer that is made here.
    rng : numpy.random.Generator
        Source of the draws.
    learning_rate : float
        Of Adam.
    clip_norm : float, optional
        Largest length of the gradient.
    most : int
        Strings after which to give up; they come 32 an update.

    Returns
    -------
    int or None
        Strings that it took; None if they did not suffice.
    """
    model = Model([layer, Dense(layer.units, 7, rng=rng)], SoftmaxCrossEntropy())
    adam, unseen = Adam(learning_rate), tasks.reber_batch(500, rng)
    for seen in range(32, most + 1, 32):
        batch = tasks.reber_batch(32, rng)
        model.train_on_batch(batch.inputs, batch.targets, batch.mask, optimizer=adam, clip_norm=clip_norm)
        if seen % 800 == 0 and legal_above_illegal(model.predict(unseen.inputs), unseen).all():
            return seen
    return None
