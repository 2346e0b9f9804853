"""Connectionist temporal classification: a loss for labels that do not say at which steps they belong.

A network gives, at each step, one logit for each symbol and one for the *blank*, "no symbol here". A path is one choice
a step. :func:`collapse` turns a path into a labelling: repeats become one, then blanks go. The probability of a
labelling is the sum over all its paths, which :func:`ctc_forward_backward` computes without listing them.

Conventions are those of ``keras.ops.ctc_loss``: (batch, time, classes), the blank is class 0, labels are padded at the
end. Two things differ from ``keras.losses.CTC``: masked steps do not count (Keras counts them as steps), and a row too
short for its label is an error (TensorFlow returns infinity or a huge number).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from course_lib.base_layer import _as_floats
from course_lib.losses import Loss

__all__ = ["CTCLoss", "collapse", "ctc_forward_backward", "greedy_decode", "prefix_beam_search"]


# ---------------------------------------------------------------------------------------------------------------------
# The probability of a labelling
# ---------------------------------------------------------------------------------------------------------------------
def ctc_forward_backward(
    log_probs: ArrayLike, labels: ArrayLike, label_lengths: ArrayLike, mask: ArrayLike | None = None, blank: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The forward-backward algorithm, in log space, for a whole batch.

    Its states are the label with a blank before, between and behind its symbols: b l₁ b l₂ b ..., 2·label time + 1 of
    them. From one step to the next a path stays in its state, goes on to the next one, or leaves out a blank between
    two symbols that differ.

    Parameters
    ----------
    log_probs : (batch, time, classes) array of float
        ln y, such as a log-softmax.
    labels : (batch, label time) array of int
        Class ids; what stands behind a label's end does not matter.
    label_lengths : (batch,) array of int
        How many symbols each label has; 0 is an empty label.
    mask : (batch, time) array of bool, optional
        True at real steps. A masked step is left out: the row gives what it would give without it.
    blank : int
        The blank's class; a negative number counts from the last class.

    Returns
    -------
    log_likelihood : (batch,) array of float64
        ln p(label | row).
    log_alpha : (batch, time, states) array of float64
        ln α_t(s): all ways to be in state s at step t, the steps up to t included.
    log_beta : (batch, time, states) array of float64
        ln β_t(s): all ways to go on from there, the steps after t alone. So Σ_s α_t(s) β_t(s) = p(label | row) at every
        real step. At a masked step both are those of the real step before it, and α is 0 where there is none.

    Raises
    ------
    ValueError, TypeError
        If shapes do not belong together, log_probs are no logarithms of probabilities, a label holds a blank or no
        class, or a row is too short for its label; the message names the row.

    References
    ----------
    Graves, Fernández, Gomez and Schmidhuber 2006, Connectionist temporal classification, section 4.1. Their β_t (eq. 9)
    includes step t, which eq. 14 divides out again; here it is never multiplied in.

    Examples
    --------
    Two steps, a blank and one symbol, all equally likely: of four paths, three collapse to the symbol.

    >>> log_likelihood, _, _ = ctc_forward_backward(np.log(np.full((1, 2, 2), 0.5)), [[1]], [1])
    >>> np.exp(log_likelihood).round(3)
    array([0.75])
    """
    log_probs = _as_batch(log_probs, "ctc_forward_backward").astype(np.float64)
    batch, time, classes = log_probs.shape
    mask, blank = _as_mask(mask, (batch, time)), _as_class(blank, classes)
    labels, lengths = _checked_labels(labels, label_lengths, batch, classes, blank)
    _check_row_lengths(labels, lengths, mask)
    _check_log_probs(log_probs[mask])

    states = 2 * labels.shape[1] + 1
    last = 2 * lengths[:, None]  # each row's last state, the blank behind its label
    emissions = np.take_along_axis(log_probs, _state_classes(labels, blank)[:, None], axis=2)
    # β is the α of the reversed label on the reversed row, before each step's own factor: one recursion does both
    back = last - np.arange(states)  # a state of one direction is this state of the other
    inside = back >= 0
    back = np.where(inside, back, 0)
    reversed_labels = np.take_along_axis(labels, np.maximum(lengths[:, None] - 1 - np.arange(labels.shape[1]), 0), 1)
    reversed_emissions = np.take_along_axis(emissions[:, ::-1], back[:, None], axis=2)
    before, after = _recursion(
        np.concatenate([emissions, reversed_emissions]),
        np.concatenate([labels, reversed_labels]),
        np.concatenate([mask, mask[:, ::-1]]),
    )
    log_alpha = np.where(inside[:, None], after[:batch], -np.inf)
    log_beta = np.take_along_axis(before[batch:, ::-1], back[:, None], axis=2)
    log_beta = np.where(inside[:, None], log_beta, -np.inf)

    ends = np.take_along_axis(log_alpha[:, -1], np.maximum(last - [1, 0], 0), axis=1)  # its last symbol or last blank
    ends[lengths == 0, 0] = -np.inf  # an empty label has one state
    return np.logaddexp(ends[:, 0], ends[:, 1]), log_alpha, log_beta


def _state_classes(labels, blank):
    """The class of each state, (batch, 2·label time + 1): the label with a blank before, between and behind."""
    classes = np.full((len(labels), 2 * labels.shape[1] + 1), blank)
    classes[:, 1::2] = labels
    return classes


def _recursion(emissions, labels, mask):
    """ln α, (batch, time, states), without and with each step's own factor."""
    batch, time, states = emissions.shape
    may_skip = np.zeros((batch, states), bool)  # whether a state is reached from the one two before it
    may_skip[:, 1:2] = True  # the first symbol, from the start
    may_skip[:, 3::2] = labels[:, 1:] != labels[:, :-1]
    barrier = np.where(may_skip, 0.0, -np.inf)
    # Two columns in front of the states: a path starts in the second, and leaves it at its first step
    alpha = np.full((batch, states + 2), -np.inf)
    alpha[:, 1] = 0.0
    before, after = np.empty((batch, time, states)), np.empty((batch, time, states))
    for t in range(time):
        reached = np.logaddexp(alpha[:, 2:], alpha[:, 1:-1])
        reached = np.logaddexp(reached, alpha[:, :-2] + barrier, out=before[:, t])
        real = mask[:, t, None]
        alpha[:, 2:] = np.where(real, reached + emissions[:, t], alpha[:, 2:])
        alpha[mask[:, t], 1] = -np.inf
        after[:, t] = alpha[:, 2:]
    return before, after


# ---------------------------------------------------------------------------------------------------------------------
# The loss
# ---------------------------------------------------------------------------------------------------------------------
class CTCLoss(Loss):
    """L = mean over the rows of -ln p(label | row), in nats, with p as :func:`ctc_forward_backward` computes it.

    Outputs are logits, as for ``keras.ops.ctc_loss``. Targets are labels padded at the end with the blank, as
    :func:`course_lib.sequences.pad` does, or with negative numbers. Each row counts once, however long it is, as in
    Keras. ``Model.evaluate`` weighs batches by their real steps, so over rows of unequal lengths its mean is that of
    the rows only if one batch holds them all: ``batch_size=len(x)``.

    Attributes
    ----------
    blank : int
        The blank's class, 0 as in Keras. A loss is saved by its name alone, so another blank is a subclass:
        ``class LastIsBlank(CTCLoss): blank = -1``.

    References
    ----------
    Graves, Fernández, Gomez and Schmidhuber 2006, Connectionist temporal classification, eqs. 12-16.

    Examples
    --------
    >>> loss = CTCLoss()
    >>> f"{loss.forward(np.zeros((1, 2, 2)), [[1, 0]]):.4f}"  # -ln 3/4
    '0.2877'
    >>> loss.backward().round(4)
    array([[[ 0.1667, -0.1667],
            [ 0.1667, -0.1667]]])
    """

    blank = 0

    def forward(self, outputs: np.ndarray, targets: ArrayLike, mask: ArrayLike | None = None) -> float:
        """The loss.

        Parameters
        ----------
        outputs : (batch, time, classes) array of float
            Logits.
        targets : (batch, label time) array of int
            Labels, padded at the end with the blank or with negative numbers.
        mask : (batch, time) array of bool, optional
            Which steps count; all without it.

        Returns
        -------
        float
            Nats, the mean over the rows.

        Raises
        ------
        ValueError, TypeError
            If shapes do not belong together, a label holds no class or a gap, or a row is too short for its label;
            the message names the row.
        """
        outputs = _as_batch(outputs, "CTCLoss")
        batch, time, classes = outputs.shape
        mask, blank = _as_mask(mask, (batch, time)), _as_class(self.blank, classes)
        labels, lengths = _without_padding(targets, blank)
        logits = np.where(mask[..., None], outputs, 0).astype(np.float64)
        shifted = logits - logits.max(axis=-1, keepdims=True)
        log_probs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        log_likelihood, log_alpha, log_beta = ctc_forward_backward(log_probs, labels, lengths, mask, blank)
        self._cache = log_probs, labels, mask, blank, log_likelihood, log_alpha, log_beta, outputs.dtype
        return float(-log_likelihood.mean())

    def backward(self) -> np.ndarray:
        """∂L/∂logits, (batch, time, classes): at each step, the softmax less the share of each class in the paths."""
        log_probs, labels, mask, blank, log_likelihood, log_alpha, log_beta, dtype = self._need_forward()
        posteriors = np.exp(log_alpha + log_beta - log_likelihood[:, None, None])  # of each state, given the label
        one_hot = _state_classes(labels, blank)[..., None] == np.arange(log_probs.shape[-1])
        d_outputs = (np.exp(log_probs) - posteriors @ one_hot) / len(labels)
        return np.where(mask[..., None], d_outputs, 0).astype(dtype)


# ---------------------------------------------------------------------------------------------------------------------
# Decoding
# ---------------------------------------------------------------------------------------------------------------------
def collapse(path: Iterable[int], blank: int = 0) -> list[int]:
    """The labelling of a path: repeats become one, then blanks go.

    Parameters
    ----------
    path : sequence of int
        A class for each step.
    blank : int
        The blank's class.

    Returns
    -------
    list of int
        The labelling. Symbols stay apart if a blank stands between them.

    References
    ----------
    Graves, Fernández, Gomez and Schmidhuber 2006, Connectionist temporal classification, section 3.1: the map B.

    Examples
    --------
    >>> collapse([0, 3, 3, 0, 3, 5, 5, 0])
    [3, 3, 5]
    """
    path = [int(symbol) for symbol in path]
    return [symbol for i, symbol in enumerate(path) if symbol != blank and (i == 0 or symbol != path[i - 1])]


def greedy_decode(outputs: ArrayLike, mask: ArrayLike | None = None, blank: int = 0) -> list[list[int]]:
    """The labelling of each row's most probable path, which need not be the most probable labelling.

    Parameters
    ----------
    outputs : (batch, time, classes) array of float
        Logits, probabilities or their logarithms: only their order matters.
    mask : (batch, time) array of bool, optional
        True at real steps; the others are left out.
    blank : int
        The blank's class; a negative number counts from the last class.

    Returns
    -------
    list of list of int
        A labelling for each row.

    Raises
    ------
    ValueError, TypeError
        If shapes do not belong together.

    References
    ----------
    Graves, Fernández, Gomez and Schmidhuber 2006, Connectionist temporal classification, section 3.2: best path
    decoding.

    Examples
    --------
    Blank is the best choice at both steps, though three paths of four, .64 together, say 1.

    >>> probs = np.array([[[0.6, 0.4], [0.6, 0.4]]])
    >>> greedy_decode(probs)
    [[]]
    >>> [(labels, log_p)] = prefix_beam_search(np.log(probs[0]), width=2)[:1]
    >>> labels, f"{np.exp(log_p):.2f}"
    ([1], '0.64')
    """
    outputs = _as_batch(outputs, "greedy_decode")
    mask, blank = _as_mask(mask, outputs.shape[:2]), _as_class(blank, outputs.shape[2])
    return [collapse(path[real], blank) for path, real in zip(outputs.argmax(axis=2), mask, strict=True)]


def prefix_beam_search(log_probs: ArrayLike, width: int, blank: int = 0) -> list[tuple[list[int], float]]:
    """Search for the most probable labelling of one row: paths with the same labelling are added up on the way.

    After each step the ``width`` most probable prefixes are kept, each with two numbers: the probability of its paths
    that end in a blank, and of those that end in its last symbol. With a width that drops nothing the search is exact;
    a narrow one may return a labelling less probable than the greedy one.

    Parameters
    ----------
    log_probs : (time, classes) array of float
        ln y of one row, such as a log-softmax of its real steps, ``log_probs[row][mask[row]]``.
    width : int
        How many prefixes are kept.
    blank : int
        The blank's class; a negative number counts from the last class.

    Returns
    -------
    list of (list of int, float)
        At most ``width`` labellings, the most probable first, each with the logarithm of its probability: all of it if
        nothing was dropped, otherwise a lower bound.

    Raises
    ------
    ValueError, TypeError
        If the row is not (time, classes), has no step, holds no logarithms of probabilities, or the width is below 1.

    References
    ----------
    Hannun, Maas, Jurafsky and Ng 2014, First-pass large vocabulary continuous speech recognition using bi-directional
    recurrent DNNs, algorithm 1, without the language model.

    Examples
    --------
    >>> for labels, log_p in prefix_beam_search(np.log([[0.6, 0.4], [0.6, 0.4]]), width=8):
    ...     print(labels, f"{np.exp(log_p):.2f}")
    [1] 0.64
    [] 0.36
    """
    log_probs = _as_floats(log_probs, "prefix_beam_search")
    if log_probs.ndim != 2 or log_probs.shape[0] == 0:
        raise ValueError(
            f"prefix_beam_search reads one row (time, classes), at least one step long, but got {log_probs.shape}. "
            f"Of a batch, pass one row after the other: log_probs[row][mask[row]]."
        )
    if width < 1:
        raise ValueError(f"width is the number of prefixes kept, at least 1, but got {width}.")
    blank = _as_class(blank, log_probs.shape[1])
    _check_log_probs(log_probs)
    # Of each prefix, ln p of its paths that end in a blank, and of those that end in its last symbol
    prefixes, in_blank, in_symbol = [()], np.array([0.0]), np.array([-np.inf])
    for step in log_probs.astype(np.float64):
        either = np.logaddexp(in_blank, in_symbol)
        last = np.array([prefix[-1] if prefix else blank for prefix in prefixes])
        places = np.arange(len(prefixes))
        longer = either[:, None] + step  # (prefixes, classes)
        longer[places, last] = in_blank + step[last]  # a symbol like the last one is a new one only behind a blank
        longer[:, blank] = -np.inf
        in_blank, in_symbol = either + step[blank], in_symbol + step[last]
        place = dict(zip(prefixes, places, strict=True))
        for i, prefix in enumerate(prefixes):  # a kept prefix may also come from the one without its last symbol
            if prefix and prefix[:-1] in place:
                shorter = place[prefix[:-1]], prefix[-1]
                in_symbol[i] = np.logaddexp(in_symbol[i], longer[shorter])
                longer[shorter] = -np.inf
        totals = np.concatenate([np.logaddexp(in_blank, in_symbol), longer.ravel()])
        best = [i for i in np.argsort(-totals, kind="stable")[:width] if totals[i] > -np.inf]
        prefixes += [(*prefix, symbol) for prefix in prefixes for symbol in range(len(step))]
        in_blank = np.concatenate([in_blank, np.full(longer.size, -np.inf)])[best]
        in_symbol = np.concatenate([in_symbol, longer.ravel()])[best]
        prefixes, totals = [prefixes[i] for i in best], totals[best]
    return [(list(prefix), float(total)) for prefix, total in zip(prefixes, totals, strict=True)]


# ---------------------------------------------------------------------------------------------------------------------
# Checks
# ---------------------------------------------------------------------------------------------------------------------
def _as_batch(outputs, name):
    outputs = _as_floats(outputs, name)
    if outputs.ndim != 3 or 0 in outputs.shape:
        raise ValueError(
            f"{name} takes one vector of classes for each step, (batch, time, classes), none of them 0, but got "
            f"{outputs.shape}. One row alone is outputs[None]; a LastStep in the model would leave one step only."
        )
    return outputs


def _as_mask(mask, shape):
    if mask is None:
        return np.ones(shape, bool)
    mask = np.asarray(mask)
    if mask.shape != shape or mask.dtype != bool:
        raise ValueError(
            f"The mask says for each step whether it is real, so it holds {shape} booleans, but got {mask.dtype} of "
            f"shape {mask.shape}. sequences.pad returns such a mask; of lengths, np.arange(time) < lengths[:, None]."
        )
    return mask


def _as_class(blank, classes):
    if not -classes <= blank < classes:
        raise ValueError(
            f"The blank is one of the {classes} classes, 0 to {classes - 1}, but got {blank}. The network needs one "
            f"class more than there are symbols."
        )
    return blank % classes


def _check_log_probs(log_probs):
    """Neither logits nor probabilities, which would give numbers that look right."""
    if not (log_probs <= 1e-6).all() or not (log_probs.max(axis=-1) > -np.inf).all():
        raise ValueError(
            f"log_probs are logarithms of probabilities, not above 0 and at each step not all -inf, but got numbers "
            f"from {log_probs.min()} to {log_probs.max()}. Of logits take np.log(softmax(logits)), of probabilities "
            f"np.log(probs)."
        )


def _as_ids(labels):
    labels = np.asarray(labels)
    if labels.ndim != 2:
        raise ValueError(
            f"Labels are padded to one array, (batch, label time), but got shape {labels.shape}. sequences.pad does it."
        )
    if labels.size and not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(f"Labels are class ids, whole numbers, but got an array of {labels.dtype}.")
    return labels.astype(np.int64)


def _without_padding(targets, blank):
    """Labels and their lengths, from labels padded with the blank or with negative numbers."""
    labels = _as_ids(targets)
    symbol = (labels >= 0) & (labels != blank)
    lengths = symbol.sum(axis=1)
    gaps = (symbol != (np.arange(labels.shape[1]) < lengths[:, None])).any(axis=1)
    if gaps.any():
        row = int(gaps.argmax())
        raise ValueError(
            f"The label of row {row}, {labels[row].tolist()}, has the blank (class {blank}) or padding in front of a "
            f"symbol. A label holds symbols alone, padded at the end; number symbols so that none is the blank."
        )
    return labels, lengths


def _checked_labels(labels, lengths, batch, classes, blank):
    """Labels with the blank behind their ends, and their lengths."""
    labels, lengths = _as_ids(labels), np.asarray(lengths)
    if len(labels) != batch or lengths.shape != (batch,):
        raise ValueError(
            f"Each of the {batch} rows has a label and its length, but got labels of shape {labels.shape} and lengths "
            f"of shape {lengths.shape}."
        )
    if not np.issubdtype(lengths.dtype, np.integer) or not 0 <= lengths.min() <= lengths.max() <= labels.shape[1]:
        raise ValueError(
            f"label_lengths are whole numbers from 0 to {labels.shape[1]}, the width of the labels, but got "
            f"{lengths.tolist()}."
        )
    inside = np.arange(labels.shape[1]) < lengths[:, None]
    wrong = inside & ((labels < 0) | (labels >= classes) | (labels == blank))
    if wrong.any():
        row, place = (int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"The label of row {row} holds {labels[row, place]} at place {place}, but a symbol is one of the classes 0 "
            f"to {classes - 1} and not the blank, {blank}. Does the last layer have a unit for each symbol and one "
            f"for the blank?"
        )
    return np.where(inside, labels, blank), lengths


def _check_row_lengths(labels, lengths, mask):
    """A step for each symbol, and one for the blank between two that are equal."""
    inside = np.arange(1, labels.shape[1]) < lengths[:, None]
    repeats = ((labels[:, 1:] == labels[:, :-1]) & inside).sum(axis=1)
    needed, real = np.maximum(lengths + repeats, 1), mask.sum(axis=1)
    if (real < needed).any():
        row = int((real < needed).argmax())
        raise ValueError(
            f"Row {row} is too short for its label: it has {real[row]} real steps and needs at least {needed[row]}, "
            f"one for each of {lengths[row]} symbols and one for the blank between each of {repeats[row]} pairs of "
            f"equal neighbours. Leave the row out, or use smaller strides. In a mask True is a real step."
        )
