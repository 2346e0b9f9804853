"""How a network writes: choose a symbol, read it back in, choose the next, until the stop symbol or long enough.

Every function here asks one thing of a model, a *step*: ``step(symbols, state) -> (log_probabilities, state)``. It
reads one symbol a row, whole numbers of shape (batch,), and returns ln P of every next symbol, (batch, V), with a
state from which to go on: None before the first symbol, else arrays whose first axis is the batch, in tuples or lists
if there are several. ``model_step``, ``ngram_step`` and ``keras_step`` make such a step; a Markov chain's is one line,
``lambda symbols, state: (np.log(transitions[symbols]), state)``.

Then ``greedy``, ``sample``, ``top_k``, ``nucleus`` and ``beam_search`` differ only in how they choose:

    step = model_step(model)
    sample(step, vocabulary.encode("The "), length=80, temperature=0.7, rng=rng).symbols[0]
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from course_lib.recurrent import Bidirectional
from course_lib.sequences import one_hot


# ---------------------------------------------------------------------------------------------------------------------
# What comes back
# ---------------------------------------------------------------------------------------------------------------------
class GenerationOutput(NamedTuple):
    """What a model wrote, row by row.

    Attributes
    ----------
    symbols : list of (written,) arrays
        The ids of each row, without the seed and without the stop symbol.
    log_probability : (batch,) array
        ln P of each row after its seed, the stop symbol included, by the model itself: before temperature or a cut.
    ended : (batch,) array of bool
        True where the stop symbol came, False where the writing was cut off at ``length``.
    """

    symbols: list[np.ndarray]
    log_probability: np.ndarray
    ended: np.ndarray


class Hypothesis(NamedTuple):
    """One of the candidates that a beam search ends with: as in :class:`Written`, and the score it was ranked by."""

    symbols: np.ndarray
    log_probability: float
    ended: bool
    score: float


class Branch(NamedTuple):
    """A beginning that a beam search kept: a node of its tree.

    Attributes
    ----------
    step : int
        How many symbols it has, from 1.
    symbol : int
        Its last symbol; the stop symbol too is shown here.
    parent : int
        Where the beginning without that symbol stands in the same list; -1 for the seed.
    log_probability : float
        ln P of the whole beginning after the seed.
    """

    step: int
    symbol: int
    parent: int
    log_probability: float


class Beams(NamedTuple):
    """What a beam search found: the best hypothesis of each row as in :class:`Written`, and all others.

    Attributes
    ----------
    symbols, log_probability, ended
        Of the best hypothesis of each row.
    hypotheses : list of list of Hypothesis
        For each row, best first; at most ``width`` of them.
    tree : list of list of Branch
        For each row, every beginning that was kept, in the order of steps.
    """

    symbols: list[np.ndarray]
    log_probability: np.ndarray
    ended: np.ndarray
    hypotheses: list[list[Hypothesis]]
    tree: list[list[Branch]]


# ---------------------------------------------------------------------------------------------------------------------
# Changing a distribution before drawing from it
# ---------------------------------------------------------------------------------------------------------------------
def log_softmax(scores):
    """ln softmax(scores) over the last axis; scores of -inf stay impossible."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def apply_temperature(log_p, temperature):
    """p^(1/temperature), made to sum to 1 again: below 1 the likely becomes likelier, above 1 all become alike.

    Parameters
    ----------
    log_p : (..., V) array
        ln P of each symbol.
    temperature : float
        Above 0.

    Returns
    -------
    (..., V) array
        ln P after the change.
    """
    if not temperature > 0:
        raise ValueError(
            f"A temperature is above 0, but {temperature} came. For the limit at 0, where only the "
            f"likeliest symbol is left, call greedy."
        )
    with np.errstate(over="ignore"):  # what is too unlikely for a float becomes impossible
        return log_softmax((log_p - log_p.max(axis=-1, keepdims=True)) / temperature)


def keep_top_k(log_p, k):
    """The k likeliest symbols alone, with probabilities that sum to 1; of equals the first.

    Parameters
    ----------
    log_p : (..., V) array
    k : int
        At least 1; with k of V or more nothing changes.

    Returns
    -------
    (..., V) array
        ln P, -inf for what was cut.

    References
    ----------
    Fan, Lewis and Dauphin 2018, Hierarchical neural story generation.
    """
    if k < 1:
        raise ValueError(f"top_k keeps at least one symbol, but k = {k} came.")
    return _kept(log_p, np.argsort(-log_p, axis=-1, kind="stable")[..., :k])


def keep_top_p(log_p, p):
    """The smallest set of symbols whose probabilities add up to p or more, taken from the likeliest downwards.

    Parameters
    ----------
    log_p : (..., V) array
    p : float
        In (0, 1]; with 1 nothing is cut but a tail below a billionth.

    Returns
    -------
    (..., V) array
        ln P, summing to 1, -inf for what was cut.

    References
    ----------
    Holtzman et al. 2020, The curious case of neural text degeneration.
    """
    if not 0 < p <= 1:
        raise ValueError(
            f"A nucleus holds the share p of the probability, above 0 and up to 1, but {p} came. A "
            f"number of symbols? That is top_k."
        )
    order = np.argsort(-log_p, axis=-1, kind="stable")
    likeliest_first = np.exp(np.take_along_axis(log_p, order, axis=-1))
    before = likeliest_first.cumsum(axis=-1) - likeliest_first  # what the likelier ones hold already
    return _kept(log_p, order, before < p - 1e-9)  # .5 + .4 may be a hair below .9


def _kept(log_p, order, wanted=True):
    """log_p with -inf where a symbol is not among the wanted of ``order``, made to sum to 1."""
    kept = np.zeros(log_p.shape, bool)
    np.put_along_axis(kept, order, wanted, axis=-1)
    return log_softmax(np.where(kept, log_p, -np.inf))


# ---------------------------------------------------------------------------------------------------------------------
# Five ways to choose
# ---------------------------------------------------------------------------------------------------------------------
def greedy(step, seed, state=None, *, length, stop=None):
    """Always the likeliest next symbol; of equals the first.

    Parameters
    ----------
    step : callable
        ``step(symbols, state) -> (log_probabilities, state)``, as described at the top of this module.
    seed : (time,) or (batch, time) whole numbers
        What each row begins with, at least one symbol: a start symbol, or a text to continue.
    state : optional
        What the model knows before the seed, such as an encoder's reading; None: nothing.
    length : int
        Write at most so many symbols a row, the stop symbol included.
    stop : int, optional
        The symbol that ends a row.

    Returns
    -------
    Written

    Raises
    ------
    ValueError, TypeError
        For a seed, a length or log-probabilities that cannot be right.
    """
    return _write(step, _seeds(seed), state, length, stop, lambda log_p, rows: log_p.argmax(axis=1))


def sample(step, seed, state=None, *, length, stop=None, temperature=1.0, rng):
    """Draw each symbol with its probability, after :func:`temper`. The other parameters are those of :func:`greedy`."""
    return _draw(step, seed, state, length, stop, rng, lambda log_p: apply_temperature(log_p, temperature))


def top_k(step, seed, state=None, *, length, stop=None, k, temperature=1.0, rng):
    """Draw among the k likeliest symbols, after :func:`temper` and :func:`keep_top_k`; see :func:`greedy`."""
    return _draw(
        step, seed, state, length, stop, rng, lambda log_p: keep_top_k(apply_temperature(log_p, temperature), k)
    )


def nucleus(step, seed, state=None, *, length, stop=None, p, temperature=1.0, rng):
    """Draw among the likeliest that make up p, after :func:`temper` and :func:`keep_top_p`; see :func:`greedy`."""
    return _draw(
        step, seed, state, length, stop, rng, lambda log_p: keep_top_p(apply_temperature(log_p, temperature), p)
    )


def beam_search(step, seed, state=None, *, length, stop=None, width=5, length_exponent=0.0):
    """Carry the ``width`` likeliest beginnings side by side; the best of what they have become wins.

    A beginning that ends keeps its place until the search is over, and the others share what is left. With a width of
    1 this is :func:`greedy`; with room for every possible row it is exact.

    Parameters
    ----------
    step, seed, state, length, stop
        Those of :func:`greedy`.
    width : int
        How many beginnings are kept for each row of the seed.
    length_exponent : float
        Hypotheses are ranked by ln P / ((5 + n) / 6)^length_exponent, where n counts the written symbols, stop
        included. With 0 that is ln P, which favours short rows; the larger the exponent, the less so.

    Returns
    -------
    Beams

    Raises
    ------
    ValueError, TypeError
        As :func:`greedy`, and for a width below 1.

    References
    ----------
    Sutskever, Vinyals and Le 2014, section 3.2 (what has ended leaves the beam); Wu et al. 2016, Google's neural
    machine translation system, eq. 14 (the length normalisation; their exponent is called alpha).
    """
    if width < 1:
        raise ValueError(f"A beam keeps at least one beginning, but a width of {width} came.")
    seed = _seeds(seed)
    log_p, state = _after_seed(step, seed, state, length)
    batch, size = log_p.shape
    tree, ended = [[] for _ in seed], [[] for _ in seed]
    rows, nodes, total = np.arange(batch), np.full(batch, -1), np.zeros(batch)  # of each beginning, row after row
    for t in range(1, length + 1):
        candidates = total[:, None] + log_p
        parents, symbols, new_nodes = [], [], []
        for row in np.unique(rows):
            first, behind = np.searchsorted(rows, [row, row + 1])
            own = candidates[first:behind].ravel()
            best = np.argsort(-own, kind="stable")[: width - len(ended[row])]
            for place in best[own[best] > -np.inf]:
                beginning, symbol = first + place // size, int(place % size)
                tree[row].append(Branch(t, symbol, int(nodes[beginning]), float(own[place])))
                if symbol == stop:
                    ended[row].append(len(tree[row]) - 1)
                else:
                    parents.append(beginning)
                    symbols.append(symbol)
                    new_nodes.append(len(tree[row]) - 1)
        rows, nodes, symbols = rows[parents], np.array(new_nodes, int), np.array(symbols, int)
        total = candidates[parents, symbols]
        if not parents or t == length:
            break
        log_p, state = _asked(step, symbols, _take(state, parents))
    for row, node in zip(rows, nodes, strict=True):
        ended[row].append(node)  # cut off
    found = [
        sorted((_hypothesis(branches, node, stop, length_exponent) for node in leaves), key=lambda h: -h.score)
        for branches, leaves in zip(tree, ended, strict=True)
    ]
    best = [hypotheses[0] for hypotheses in found]
    return Beams(
        [h.symbols for h in best],
        np.array([h.log_probability for h in best]),
        np.array([h.ended for h in best]),
        found,
        tree,
    )


def _hypothesis(branches, node, stop, length_exponent):
    """The beginning at a node of the tree, read back to its root."""
    leaf, symbols = branches[node], []
    while node >= 0:
        symbols.append(branches[node].symbol)
        node = branches[node].parent
    has_ended = leaf.symbol == stop
    symbols = np.array(symbols[::-1][: len(symbols) - has_ended], np.int64)
    score = leaf.log_probability / ((5 + leaf.step) / 6) ** length_exponent
    return Hypothesis(symbols, leaf.log_probability, has_ended, score)


def _draw(step, seed, state, length, stop, rng, changed):
    """Write by drawing; every row has random numbers of its own, whatever becomes of the others."""
    seed = _seeds(seed)

    def choose(log_p, rows):
        cumulative = np.exp(changed(log_p)).cumsum(axis=1)
        return (cumulative <= rng.random(len(seed))[rows, None] * cumulative[:, -1:]).sum(axis=1)

    return _write(step, seed, state, length, stop, choose)


def _write(step, seed, state, length, stop, choose):
    log_p, state = _after_seed(step, seed, state, length)
    rows = np.arange(len(seed))  # those that have not ended
    written = np.zeros((len(seed), length), np.int64)
    lengths, total = np.full(len(seed), length), np.zeros(len(seed))
    for t in range(length):
        symbols = choose(log_p, rows)
        written[rows, t] = symbols
        total[rows] += log_p[np.arange(len(rows)), symbols]
        goes_on = symbols != stop
        if not goes_on.all():
            lengths[rows[~goes_on]] = t
            rows, symbols, state = rows[goes_on], symbols[goes_on], _take(state, goes_on)
        if len(rows) == 0 or t == length - 1:
            break
        log_p, state = _asked(step, symbols, state)
    has_ended = np.ones(len(seed), bool)
    has_ended[rows] = False
    return GenerationOutput([row[:n].copy() for row, n in zip(written, lengths, strict=True)], total, has_ended)


def _seeds(seed):
    """The seed as (batch, time) ids."""
    seed = np.asarray(seed)
    if seed.ndim not in (1, 2) or seed.size == 0:
        raise ValueError(
            f"A seed has shape (time,) or (batch, time) and at least one symbol, but shape {seed.shape} "
            f"came. A model says what follows something: begin with a start symbol or a piece of text."
        )
    if not np.issubdtype(seed.dtype, np.integer):
        raise TypeError(
            f"A seed is made of symbol ids, whole numbers, but an array of {seed.dtype} came. "
            f"Vocabulary.encode makes ids of a text."
        )
    return np.atleast_2d(seed)


def _after_seed(step, seed, state, length):
    """Read the seed: what the model says after its last symbol, and the state there."""
    if length < 1:
        raise ValueError(f"length counts the symbols to write, so it is at least 1, but {length} came.")
    for symbols in seed.T[:-1]:
        _, state = step(symbols, state)
    return _asked(step, seed[:, -1], state)


def _asked(step, symbols, state):
    """One step, its answer checked."""
    log_p, state = step(symbols, state)
    log_p = np.asarray(log_p, np.float64)
    if log_p.ndim != 2 or len(log_p) != len(symbols):
        raise ValueError(
            f"A step returns ln P of every next symbol, of shape ({len(symbols)}, V) for {len(symbols)} "
            f"rows, but {log_p.shape} came."
        )
    if np.isnan(log_p).any():
        raise ValueError(
            "A step returned NaN in place of log-probabilities. From a network: look for NaN in its "
            "weights. From an n-gram or a window: the seed is too short, lengthen it."
        )
    sums = np.exp(np.minimum(log_p, 1)).sum(axis=1)
    if np.abs(sums - 1).max() > 1e-3:
        wrong = sums[np.abs(sums - 1).argmax()]
        raise ValueError(
            f"A step returns log-probabilities, whose exponentials sum to 1 in each row, but those of a "
            f"row sum to {wrong:.3g}. log_softmax makes them from scores, np.log from probabilities."
        )
    return log_p, state


def _take(state, index):
    """Rows of a state, in the order of ``index``."""
    if state is None:
        return None
    if isinstance(state, tuple | list):
        return type(state)(_take(part, index) for part in state)
    return state[index]


# ---------------------------------------------------------------------------------------------------------------------
# Steps of models
# ---------------------------------------------------------------------------------------------------------------------
def model_step(model):
    """The step of a course :class:`~course_lib.model.Model` that predicts the next symbol.

    Parameters
    ----------
    model : Model
        Its first layer is an Embedding, or takes one-hot vectors; its last gives a score for each symbol.

    Returns
    -------
    callable
        ``step(symbols, state)``; the state is ``model.states``, one for each recurrent layer.

    Raises
    ------
    ValueError
        If a layer is Bidirectional: it reads from an end that is not written yet.
    """
    if any(isinstance(layer, Bidirectional) for layer in model.layers):
        raise ValueError(
            "A Bidirectional layer also reads from the end backwards, and while a text is being written "
            "its end is not there yet. Train a model that reads forwards only."
        )
    first = model.layers[0]

    def step(symbols, state):
        x = symbols[:, None]
        if not hasattr(first, "vocabulary"):  # no Embedding
            x = one_hot(x, first.features, first.weights[0].dtype)
        scores = model.forward(x, initial_states=state)
        return log_softmax(scores.reshape(len(symbols), -1)), model.states

    return step


def ngram_step(table):
    """The step of an :class:`~course_lib.ngrams.NGram`; the seed needs at least n - 1 symbols, and one.

    Parameters
    ----------
    table : NGram
        That has read a text.

    Returns
    -------
    callable
        ``step(symbols, state)``; the state is the last n - 1 symbols.
    """

    def step(symbols, state):
        before = symbols[:, None] if state is None else np.hstack([state, symbols[:, None]])
        before = before[:, max(0, before.shape[1] - table.n + 1) :]
        if before.shape[1] < table.n - 1:
            return np.full((len(symbols), table.size), np.nan), before
        endings = np.hstack(
            [np.repeat(before, table.size, axis=0), np.tile(np.arange(table.size), len(symbols))[:, None]]
        )
        return -np.log(2) * table.surprisal(endings).reshape(-1, table.size), before

    return step


def keras_step(model, from_logits=False):
    """The step of a Keras model that predicts the next symbol: it reads everything again at each step.

    Parameters
    ----------
    model : keras.Model
        Takes ids (batch, time) or one-hot vectors (batch, time, V); gives an answer at every step, of which the last
        counts, or one after the last. A model for windows of fixed length gets the last so many symbols.
    from_logits : bool
        Whether it gives scores; otherwise probabilities.

    Returns
    -------
    callable
        ``step(symbols, state)``; the state is all symbols so far, so a row of n symbols costs n²/2 of the model's
        steps. A stateful model would be cheaper and harder to use.

    Raises
    ------
    ValueError
        While writing: if the model should give probabilities and does not.
    """
    _, window, *features = model.input_shape

    def step(symbols, state):
        so_far = symbols[:, None] if state is None else np.hstack([state, symbols[:, None]])
        x = so_far if window is None else so_far[:, -window:]
        x = one_hot(x, features[0]) if features else x
        if x.shape[1] < (window or 1):
            return np.full((len(symbols), model.output_shape[-1]), np.nan), so_far
        answers = np.asarray(model(x, training=False), np.float64)
        answers = answers.reshape(len(symbols), -1, answers.shape[-1])[:, -1]
        if from_logits:
            return log_softmax(answers), so_far
        if answers.min() < 0 or np.abs(answers.sum(axis=1) - 1).max() > 1e-3:
            raise ValueError(
                "This model gives scores instead of probabilities: its rows do not sum to 1, or numbers "
                "are negative. Without a softmax at its end write keras_step(model, from_logits=True)."
            )
        with np.errstate(divide="ignore"):  # ln 0 = -inf: impossible
            return np.log(answers), so_far

    return step
