"""Losses: the mean over the predictions that count, each a ``forward`` and the ``backward`` that belongs to it."""

from __future__ import annotations

import numpy as np

from course_lib.layers import ACTIVATIONS, _remembered


def _weights_of(mask, shape, dtype):
    """Each prediction's share of the mean: 1 / (number that count), or 0 where the mask is False."""
    mask = np.ones(shape, bool) if mask is None else np.asarray(mask, bool)
    if mask.shape != shape:
        raise ValueError(
            f"The mask says for each prediction whether it counts, so its shape is {shape}, but {mask.shape} came."
        )
    if not mask.any():
        raise ValueError(
            "The mask leaves no prediction to average over. Is a batch empty, or the mask inverted? "
            "True means a real step, False means padding."
        )
    return mask.astype(dtype) / mask.sum()


class SoftmaxCrossEntropy:
    """L = mean of -ln softmax(scores)[target], in nats; divide by ln 2 for bits.

    Its gradient is what makes it the natural loss for symbols: ∂L/∂scores = (ŷ - y) / (number of predictions).
    """

    def forward(self, scores, targets, mask=None):
        """scores (..., classes), targets ids (...), mask (...) -> loss, a float.

        Raises
        ------
        ValueError, TypeError
            If the shapes do not belong together or a target is not a class.
        """
        targets = np.asarray(targets)
        if targets.shape != scores.shape[:-1]:
            raise ValueError(
                f"Scores of shape {scores.shape} need one target id for each of {scores.shape[:-1]} "
                f"predictions, but targets of shape {targets.shape} came. One-hot? Use argmax(-1)."
            )
        if not np.issubdtype(targets.dtype, np.integer):
            raise TypeError(f"Targets are class ids, whole numbers, but an array of {targets.dtype} came.")
        if targets.size and not 0 <= targets.min() <= targets.max() < scores.shape[-1]:
            raise ValueError(
                f"There are scores for {scores.shape[-1]} classes but targets from {targets.min()} to {targets.max()}."
            )
        shifted = scores - scores.max(axis=-1, keepdims=True)
        e = np.exp(shifted)
        total = e.sum(axis=-1)
        share = _weights_of(mask, targets.shape, scores.dtype)
        picked = np.take_along_axis(shifted, targets[..., None], axis=-1)[..., 0]
        self._cache = e, total, targets, share
        return float(((np.log(total) - picked) * share).sum())

    def backward(self):
        """-> ∂L/∂scores (..., classes)."""
        e, total, targets, share = _remembered(self)
        d_scores = e * (share / total)[..., None]  # ŷ, from which y is taken away
        rows = d_scores.reshape(-1, d_scores.shape[-1])
        rows[np.arange(len(rows)), targets.ravel()] -= share.ravel()
        return d_scores


class MeanSquaredError:
    """L = mean of (prediction - target)² over all numbers that count."""

    def forward(self, predictions, targets, mask=None):
        """predictions, targets (..., features), mask (...) -> loss, a float."""
        targets = np.asarray(targets, predictions.dtype)
        if targets.shape != predictions.shape:
            raise ValueError(
                f"Predictions have shape {predictions.shape} and targets {targets.shape}; NumPy would "
                f"broadcast them into a wrong mean, so they must be equal. A missing [..., None]?"
            )
        share = _weights_of(mask, predictions.shape[:-1], predictions.dtype)[..., None] / predictions.shape[-1]
        error = predictions - targets
        self._cache = error, share
        return float((error**2 * share).sum())

    def backward(self):
        """-> ∂L/∂predictions (..., features)."""
        error, share = _remembered(self)
        return 2 * error * share


class SigmoidCrossEntropy:
    """L = mean of -[y ln σ(s) + (1 - y) ln(1 - σ(s))] in nats, for yes-or-no targets; scores are before the sigmoid."""

    def forward(self, scores, targets, mask=None):
        """scores, targets (..., features) with targets in [0, 1], mask (...) -> loss, a float."""
        targets = np.asarray(targets, scores.dtype)
        if targets.shape != scores.shape:
            raise ValueError(f"Scores have shape {scores.shape} and targets {targets.shape}; they must be equal.")
        share = _weights_of(mask, scores.shape[:-1], scores.dtype)[..., None] / scores.shape[-1]
        # ln(1 + e^s) - y s, written so that e never meets a large positive number
        losses = np.maximum(scores, 0) - scores * targets + np.log1p(np.exp(-np.abs(scores)))
        self._cache = scores, targets, share
        return float((losses * share).sum())

    def backward(self):
        """-> ∂L/∂scores (..., features)."""
        scores, targets, share = _remembered(self)
        return (ACTIVATIONS["sigmoid"][0](scores) - targets) * share
