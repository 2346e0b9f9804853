"""Greedy decoding, sampling and beam search over any step, and what they return."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from course_lib.generation.distributions import apply_temperature, keep_top_k, keep_top_p

Step = Callable[[np.ndarray, Any], tuple[np.ndarray, Any]]  # (symbols, state) -> (log-probabilities, state)


# ---------------------------------------------------------------------------------------------------------------------
# What comes back
# ---------------------------------------------------------------------------------------------------------------------
class GenerationOutput(NamedTuple):
    """What a model generated, row by row.

    Attributes
    ----------
    symbols : list of (length,) arrays
        The ids of each row, without the prompt and without the stop symbol.
    log_probability : (batch,) array
        ln P of each row after its prompt, the stop symbol included, by the model itself: before temperature or a cut.
    ended : (batch,) array of bool
        True where the stop symbol ended the row, False where the row was cut off at ``max_length``.
    """

    symbols: list[np.ndarray]
    log_probability: np.ndarray
    ended: np.ndarray


class Hypothesis(NamedTuple):
    """One of the candidates that a beam search ends with.

    Attributes
    ----------
    symbols : (length,) array
    log_probability : float
    ended : bool
        These three as in :class:`GenerationOutput`.
    score : float
        What it was ranked by: ln P, normalised by length.
    """

    symbols: np.ndarray
    log_probability: float
    ended: bool
    score: float


class BeamNode(NamedTuple):
    """A partial hypothesis that a beam search kept: a node of its tree.

    Attributes
    ----------
    step : int
        How many symbols it has, from 1.
    symbol : int
        Its last symbol; the stop symbol is shown here, too.
    parent : int
        The place in the same list of the hypothesis without that symbol; -1 for the prompt.
    log_probability : float
        ln P of the whole partial hypothesis after the prompt.
    """

    step: int
    symbol: int
    parent: int
    log_probability: float


class BeamSearchOutput(NamedTuple):
    """What a beam search found: the best hypothesis of each row as in :class:`GenerationOutput`, and all others.

    Attributes
    ----------
    symbols, log_probability, ended : list and arrays
        Of the best hypothesis of each row.
    hypotheses : list of list of Hypothesis
        For each row, best first; at most ``width`` of them.
    tree : list of list of BeamNode
        For each row, every partial hypothesis that was kept, in the order of steps.
    """

    symbols: list[np.ndarray]
    log_probability: np.ndarray
    ended: np.ndarray
    hypotheses: list[list[Hypothesis]]
    tree: list[list[BeamNode]]


# ---------------------------------------------------------------------------------------------------------------------
# Decoding strategies
# ---------------------------------------------------------------------------------------------------------------------
def greedy(
    step: Step, prompt: ArrayLike, state: Any = None, *, max_length: int, stop: int | None = None
) -> GenerationOutput:
    """Greedy decoding: always the likeliest next symbol; of equally likely ones the first.

    Parameters
    ----------
    step : callable
        ``step(symbols, state) -> (log_probabilities, state)``, as described in :mod:`course_lib.generation`.
    prompt : (time,) or (batch, time) whole numbers
        What each row begins with, at least one symbol: a start symbol, or a text to continue.
    state : optional
        The state before the prompt, such as ``model.encode(source)`` of an encoder-decoder; None: the initial one.
    max_length : int
        Generate at most so many symbols a row, the stop symbol included.
    stop : int, optional
        The symbol that ends a row.

    Returns
    -------
    GenerationOutput
        The rows that were generated.

    Raises
    ------
    ValueError, TypeError
        For a prompt, a length or log-probabilities that cannot be right.

    Examples
    --------
    >>> transitions = np.array([[0.1, 0.6, 0.3], [0.2, 0.1, 0.7], [0.8, 0.1, 0.1]])
    >>> greedy(lambda symbols, state: (np.log(transitions[symbols]), state), [0], max_length=5).symbols
    [array([1, 2, 0, 1, 2])]
    """
    return _generate(step, _checked_prompt(prompt), state, max_length, stop, lambda log_p, rows: log_p.argmax(axis=1))


def sample(
    step: Step,
    prompt: ArrayLike,
    state: Any = None,
    *,
    max_length: int,
    stop: int | None = None,
    temperature: float = 1.0,
    rng: np.random.Generator,
) -> GenerationOutput:
    """Sampling: draw each symbol from the model's distribution after :func:`apply_temperature`.

    Parameters
    ----------
    step, prompt, state, max_length, stop
        Those of :func:`greedy`.
    temperature : float
        Above 0; 1 leaves the distribution as it is.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    GenerationOutput
        The rows that were generated.
    """
    return _draw(step, prompt, state, max_length, stop, rng, lambda log_p: apply_temperature(log_p, temperature))


def top_k(
    step: Step,
    prompt: ArrayLike,
    state: Any = None,
    *,
    max_length: int,
    stop: int | None = None,
    k: int,
    temperature: float = 1.0,
    rng: np.random.Generator,
) -> GenerationOutput:
    """Top-k sampling: draw among the k likeliest symbols, by :func:`keep_top_k` after :func:`apply_temperature`.

    Parameters
    ----------
    step, prompt, state, max_length, stop
        Those of :func:`greedy`.
    k : int
        At least 1.
    temperature : float
        Above 0; 1 leaves the distribution as it is.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    GenerationOutput
        The rows that were generated.
    """
    return _draw(
        step, prompt, state, max_length, stop, rng, lambda log_p: keep_top_k(apply_temperature(log_p, temperature), k)
    )


def nucleus(
    step: Step,
    prompt: ArrayLike,
    state: Any = None,
    *,
    max_length: int,
    stop: int | None = None,
    p: float,
    temperature: float = 1.0,
    rng: np.random.Generator,
) -> GenerationOutput:
    """Nucleus (top-p) sampling: draw from the nucleus, by :func:`keep_top_p` after :func:`apply_temperature`.

    Parameters
    ----------
    step, prompt, state, max_length, stop
        Those of :func:`greedy`.
    p : float
        The share of the probability that the nucleus holds, in (0, 1].
    temperature : float
        Above 0; 1 leaves the distribution as it is.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    GenerationOutput
        The rows that were generated.
    """
    return _draw(
        step, prompt, state, max_length, stop, rng, lambda log_p: keep_top_p(apply_temperature(log_p, temperature), p)
    )


def beam_search(
    step: Step,
    prompt: ArrayLike,
    state: Any = None,
    *,
    max_length: int,
    stop: int | None = None,
    width: int = 5,
    length_exponent: float = 0.0,
) -> BeamSearchOutput:
    """Beam search: keep the ``width`` likeliest partial hypotheses at each step; the best hypothesis at the end wins.

    A hypothesis that ends keeps its place in the beam, and the others share what is left. With a width of 1 this is
    :func:`greedy`; with room for every possible row it is exact.

    Parameters
    ----------
    step, prompt, state, max_length, stop
        Those of :func:`greedy`.
    width : int
        How many hypotheses are kept for each row of the prompt.
    length_exponent : float
        Length normalisation: hypotheses are ranked by ln P / ((5 + n) / 6)^length_exponent, where n counts the
        generated symbols, stop included. With 0 that is ln P, which favours short rows; the larger the exponent, the
        less so.

    Returns
    -------
    BeamSearchOutput
        The best hypothesis of each row, and all others.

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
        raise ValueError(f"A beam keeps at least one hypothesis, but got a width of {width}.")
    prompt = _checked_prompt(prompt)
    log_p, state = _after_prompt(step, prompt, state, max_length)
    batch, size = log_p.shape
    tree, leaves = [[] for _ in prompt], [[] for _ in prompt]
    rows, nodes, total = np.arange(batch), np.full(batch, -1), np.zeros(batch)  # of each open hypothesis, row by row
    for t in range(1, max_length + 1):
        candidates = total[:, None] + log_p
        parents, symbols, new_nodes = [], [], []
        for row in np.unique(rows):
            first, end = np.searchsorted(rows, [row, row + 1])
            own = candidates[first:end].ravel()
            best = np.argsort(-own, kind="stable")[: width - len(leaves[row])]
            for place in best[own[best] > -np.inf]:
                parent, symbol = first + place // size, int(place % size)
                tree[row].append(BeamNode(t, symbol, int(nodes[parent]), float(own[place])))
                if symbol == stop:
                    leaves[row].append(len(tree[row]) - 1)
                else:
                    parents.append(parent)
                    symbols.append(symbol)
                    new_nodes.append(len(tree[row]) - 1)
        rows, nodes, symbols = rows[parents], np.array(new_nodes, int), np.array(symbols, int)
        total = candidates[parents, symbols]
        if not parents or t == max_length:
            break
        log_p, state = _checked_step(step, symbols, _take(state, parents))
    for row, node in zip(rows, nodes, strict=True):
        leaves[row].append(node)  # cut off
    hypotheses = [
        sorted((_hypothesis(branch, node, stop, length_exponent) for node in ends), key=lambda h: -h.score)
        for branch, ends in zip(tree, leaves, strict=True)
    ]
    best = [ranked[0] for ranked in hypotheses]
    return BeamSearchOutput(
        [h.symbols for h in best],
        np.array([h.log_probability for h in best]),
        np.array([h.ended for h in best]),
        hypotheses,
        tree,
    )


def _hypothesis(tree, node, stop, length_exponent):
    """The hypothesis that ends at a node of the tree."""
    leaf, symbols = tree[node], []
    while node >= 0:
        symbols.append(tree[node].symbol)
        node = tree[node].parent
    has_ended = leaf.symbol == stop
    symbols = np.array(symbols[::-1][: len(symbols) - has_ended], np.int64)
    score = leaf.log_probability / ((5 + leaf.step) / 6) ** length_exponent
    return Hypothesis(symbols, leaf.log_probability, has_ended, score)


def _draw(step, prompt, state, max_length, stop, rng, changed):
    """Generate by drawing; every row has random numbers of its own, whatever becomes of the others."""
    prompt = _checked_prompt(prompt)

    def choose(log_p, rows):
        cumulative = np.exp(changed(log_p)).cumsum(axis=1)
        return (cumulative <= rng.random(len(prompt))[rows, None] * cumulative[:, -1:]).sum(axis=1)

    return _generate(step, prompt, state, max_length, stop, choose)


def _generate(step, prompt, state, max_length, stop, choose):
    log_p, state = _after_prompt(step, prompt, state, max_length)
    rows = np.arange(len(prompt))  # those that have not ended
    generated = np.zeros((len(prompt), max_length), np.int64)
    lengths, total = np.full(len(prompt), max_length), np.zeros(len(prompt))
    for t in range(max_length):
        symbols = choose(log_p, rows)
        generated[rows, t] = symbols
        total[rows] += log_p[np.arange(len(rows)), symbols]
        goes_on = symbols != stop
        if not goes_on.all():
            lengths[rows[~goes_on]] = t
            rows, symbols, state = rows[goes_on], symbols[goes_on], _take(state, goes_on)
        if len(rows) == 0 or t == max_length - 1:
            break
        log_p, state = _checked_step(step, symbols, state)
    has_ended = np.ones(len(prompt), bool)
    has_ended[rows] = False
    return GenerationOutput([row[:n].copy() for row, n in zip(generated, lengths, strict=True)], total, has_ended)


def _checked_prompt(prompt):
    """The prompt as (batch, time) ids."""
    prompt = np.asarray(prompt)
    if prompt.ndim not in (1, 2) or prompt.size == 0:
        raise ValueError(
            f"A prompt has shape (time,) or (batch, time) and at least one symbol, but got shape {prompt.shape}. "
            f"A model predicts what follows something: begin with a start symbol or a piece of text."
        )
    if not np.issubdtype(prompt.dtype, np.integer):
        raise TypeError(
            f"A prompt is made of symbol ids, whole numbers, but got an array of {prompt.dtype}. "
            f"Vocabulary.encode makes ids of a text."
        )
    return np.atleast_2d(prompt)


def _after_prompt(step, prompt, state, max_length):
    """Log-probabilities after the prompt's last symbol, and the state there."""
    if max_length < 1:
        raise ValueError(f"max_length counts the symbols to generate, so it is at least 1, but got {max_length}.")
    for symbols in prompt.T[:-1]:
        _, state = step(symbols, state)
    return _checked_step(step, prompt[:, -1], state)


def _checked_step(step, symbols, state):
    """One step, its answer checked."""
    log_p, state = step(symbols, state)
    log_p = np.asarray(log_p, np.float64)
    if log_p.ndim != 2 or len(log_p) != len(symbols):
        raise ValueError(
            f"A step returns ln P of every next symbol, of shape ({len(symbols)}, V) for {len(symbols)} "
            f"rows, but got {log_p.shape}."
        )
    if np.isnan(log_p).any():
        raise ValueError(
            "A step returned NaN in place of log-probabilities. From a network: look for NaN in its "
            "weights. From an n-gram or a window: the prompt is too short, lengthen it."
        )
    sums = np.exp(np.minimum(log_p, 1)).sum(axis=1)
    if np.abs(sums - 1).max() > 1e-3:
        wrong = sums[np.abs(sums - 1).argmax()]
        raise ValueError(
            f"A step returns log-probabilities, whose exponentials sum to 1 in each row, but got a row "
            f"whose sum is {wrong:.3g}. log_softmax makes them from scores, np.log from probabilities."
        )
    return log_p, state


def _take(state, index):
    """Rows of a state, in the order of ``index``."""
    if state is None:
        return None
    if isinstance(state, tuple | list):
        return type(state)(_take(part, index) for part in state)
    return state[index]
