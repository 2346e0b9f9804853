"""Changing a distribution before drawing from it: temperature, top-k, top-p, all on log-probabilities."""

from __future__ import annotations

import numpy as np


def log_softmax(scores: np.ndarray) -> np.ndarray:
    """ln softmax(scores) over the last axis; scores of -inf stay impossible.

    Parameters
    ----------
    scores : (..., V) array
        One for each symbol.

    Returns
    -------
    (..., V) array
        ln of a distribution: its exponentials sum to 1.

    References
    ----------
    Fan, Lewis and Dauphin 2018, Hierarchical neural story generation.

    Examples
    --------
    >>> np.exp(log_softmax(np.log([1.0, 3.0])))
    array([0.25, 0.75])
    """
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def apply_temperature(log_p: np.ndarray, temperature: float) -> np.ndarray:
    """p^(1/temperature), normalised again: below 1 the distribution becomes sharper, above 1 flatter.

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
            f"A temperature is above 0, but got {temperature}. For the limit at 0, where only the "
            f"likeliest symbol is left, call greedy."
        )
    with np.errstate(over="ignore"):  # what is too unlikely for a float becomes impossible
        return log_softmax((log_p - log_p.max(axis=-1, keepdims=True)) / temperature)


def keep_top_k(log_p: np.ndarray, k: int) -> np.ndarray:
    """Keep the k likeliest symbols and normalise again; of equally likely ones the first.

    Parameters
    ----------
    log_p : (..., V) array
        ln of a distribution over symbols.
    k : int
        At least 1; with k of V or more nothing changes.

    Returns
    -------
    (..., V) array
        ln P, -inf for what was cut.

    Examples
    --------
    >>> np.exp(keep_top_k(np.log([0.5, 0.1, 0.3, 0.1]), 2))
    array([0.625, 0.   , 0.375, 0.   ])
    """
    if k < 1:
        raise ValueError(f"top_k keeps at least one symbol, but got k = {k}. With k = 1 it is greedy decoding.")
    return _renormalized(log_p, np.argsort(-log_p, axis=-1, kind="stable")[..., :k])


def keep_top_p(log_p: np.ndarray, p: float) -> np.ndarray:
    """Keep the nucleus, the smallest set of likeliest symbols whose probabilities sum to p or more; normalise again.

    Parameters
    ----------
    log_p : (..., V) array
        ln of a distribution over symbols.
    p : float
        In (0, 1]; with 1 nothing is cut but a tail below a billionth.

    Returns
    -------
    (..., V) array
        ln P, -inf for what was cut.

    References
    ----------
    Holtzman et al. 2020, The curious case of neural text degeneration.

    Examples
    --------
    >>> np.exp(keep_top_p(np.log([0.5, 0.1, 0.3, 0.1]), 0.75))
    array([0.625, 0.   , 0.375, 0.   ])
    """
    if not 0 < p <= 1:
        raise ValueError(
            f"A nucleus holds the share p of the probability, above 0 and up to 1, but got {p}. A "
            f"number of symbols? That is top_k."
        )
    order = np.argsort(-log_p, axis=-1, kind="stable")
    sorted_p = np.exp(np.take_along_axis(log_p, order, axis=-1))
    before = sorted_p.cumsum(axis=-1) - sorted_p  # the probability of the likelier ones together
    return _renormalized(log_p, order, before < p - 1e-9)  # .5 + .4 may be a hair below .9


def _renormalized(log_p, order, wanted=True):
    """log_p with -inf where a symbol is not among the wanted of ``order``, normalised again."""
    kept = np.zeros(log_p.shape, bool)
    np.put_along_axis(kept, order, wanted, axis=-1)
    return log_softmax(np.where(kept, log_p, -np.inf))
