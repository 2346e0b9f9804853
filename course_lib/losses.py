"""Losses: the mean over the predictions that count, each a ``forward`` and the ``backward`` that belongs to it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from course_lib.base_layer import _as_floats, _forward_cache
from course_lib.layers import ACTIVATIONS

LOSSES: dict[str, type[Loss]] = {}  # every loss class by its name, for loading a saved model


class Loss:
    """What all losses share. A subclass defines ``forward`` and ``backward``; its constructor takes no arguments.

    By being defined it can be saved and loaded with a model.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        LOSSES[cls.__name__] = cls

    def forward(self, outputs: np.ndarray, targets: ArrayLike, mask: ArrayLike | None = None) -> float:
        """Compute the loss and remember what :meth:`backward` will need.

        Parameters
        ----------
        outputs : array
            What the model returned.
        targets : array
            What it should have returned.
        mask : (...) array of bool, optional
            Which predictions count; all without it.

        Returns
        -------
        float
            The mean over the predictions that count.
        """
        raise NotImplementedError(f"{type(self).__name__} has no forward; a loss defines it.")

    def backward(self) -> np.ndarray:
        """∂L/∂outputs, in the shape and dtype of the outputs; zeros where the mask is False."""
        raise NotImplementedError(f"{type(self).__name__} has no backward; a loss defines it.")

    def _need_forward(self):
        return _forward_cache(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _share_of_mean(mask, shape):
    """Each prediction's share of the mean: 1 / (number that count), or 0 where the mask is False; float64."""
    mask = np.ones(shape, bool) if mask is None else np.asarray(mask, bool)
    if mask.shape != shape:
        raise ValueError(
            f"The mask says for each prediction whether it counts, so its shape is {shape}, but got {mask.shape}."
        )
    if not mask.any():
        raise ValueError(
            "The mask leaves no prediction to average over. Is a batch empty, or the mask inverted? "
            "True means a real step, False means padding."
        )
    return mask / mask.sum()


class SoftmaxCrossEntropy(Loss):
    """L = mean of -ln softmax(s)[target], in nats; divide by ln 2 for bits.

    The outputs s are logits, before the softmax, and targets are class ids, as in Keras'
    ``SparseCategoricalCrossentropy(from_logits=True)``. The gradient is what makes it the natural loss for symbols:
    ∂L/∂s = (ŷ - y) / (number of predictions).

    Examples
    --------
    >>> bits = SoftmaxCrossEntropy().forward(np.log([[0.5, 0.25, 0.25]]), [1]) / np.log(2)
    >>> f"{bits:.3f}"
    '2.000'
    """

    def forward(self, outputs: np.ndarray, targets: ArrayLike, mask: ArrayLike | None = None) -> float:
        """The loss.

        Parameters
        ----------
        outputs : (..., classes) array of float
            Logits.
        targets : (...) array of int
            Class ids.
        mask : (...) array of bool, optional
            Which predictions count; all without it.

        Returns
        -------
        float
            Nats, the mean over the predictions that count.

        Raises
        ------
        ValueError, TypeError
            If the shapes do not belong together, a target is not a class, or no prediction counts.
        """
        outputs, targets = _as_floats(outputs, "SoftmaxCrossEntropy"), np.asarray(targets)
        if targets.shape != outputs.shape[:-1]:
            raise ValueError(
                f"Logits of shape {outputs.shape} need one target id for each of {outputs.shape[:-1]} "
                f"predictions, but got targets of shape {targets.shape}. One-hot? Use argmax(-1)."
            )
        if not np.issubdtype(targets.dtype, np.integer):
            raise TypeError(f"Targets are class ids, whole numbers, but got an array of {targets.dtype}.")
        if targets.size and not 0 <= targets.min() <= targets.max() < outputs.shape[-1]:
            raise ValueError(
                f"There are logits for {outputs.shape[-1]} classes, but got targets from {targets.min()} to "
                f"{targets.max()}. Does the last layer have as many units as there are classes?"
            )
        shifted = outputs - outputs.max(axis=-1, keepdims=True)
        e = np.exp(shifted)
        total = e.sum(axis=-1)
        share = _share_of_mean(mask, targets.shape)
        picked = np.take_along_axis(shifted, targets[..., None], axis=-1)[..., 0]
        self._cache = e, total, targets, share.astype(outputs.dtype)
        return float(((np.log(total) - picked) * share).sum())

    def backward(self) -> np.ndarray:
        """∂L/∂logits, (..., classes)."""
        e, total, targets, share = self._need_forward()
        d_outputs = e * (share / total)[..., None]  # ŷ, from which y is taken away
        rows = d_outputs.reshape(-1, d_outputs.shape[-1])
        rows[np.arange(len(rows)), targets.ravel()] -= share.ravel()
        return d_outputs


class MeanSquaredError(Loss):
    """L = mean of (output - target)² over all numbers that count.

    Examples
    --------
    >>> MeanSquaredError().forward(np.array([[1.0, 2.0]]), [[0.0, 4.0]])
    2.5
    """

    def forward(self, outputs: np.ndarray, targets: ArrayLike, mask: ArrayLike | None = None) -> float:
        """The loss.

        Parameters
        ----------
        outputs : (..., features) array of float
            Predictions.
        targets : (..., features) array
            In the same units.
        mask : (...) array of bool, optional
            Which predictions count; all without it.

        Returns
        -------
        float
            The mean over the features of the predictions that count, in the targets' unit squared.

        Raises
        ------
        ValueError, TypeError
            If the shapes do not belong together, the outputs are no real numbers, or no prediction counts.
        """
        outputs = _as_floats(outputs, "MeanSquaredError")
        targets = np.asarray(targets, outputs.dtype)
        if targets.shape != outputs.shape:
            raise ValueError(
                f"Outputs have shape {outputs.shape}, but got targets of shape {targets.shape}; NumPy would "
                f"broadcast them into a wrong mean, so they must be equal. A missing [..., None]?"
            )
        share = _share_of_mean(mask, outputs.shape[:-1])[..., None] / outputs.shape[-1]
        error = outputs - targets
        self._cache = error, share.astype(outputs.dtype)
        return float((error**2 * share).sum())

    def backward(self) -> np.ndarray:
        """∂L/∂outputs, (..., features)."""
        error, share = self._need_forward()
        return 2 * error * share


class SigmoidCrossEntropy(Loss):
    """L = mean of -[y ln σ(s) + (1 - y) ln(1 - σ(s))] in nats, for yes-or-no targets.

    The outputs s are logits, before the sigmoid, as in Keras' ``BinaryCrossentropy(from_logits=True)``.

    Examples
    --------
    >>> bool(SigmoidCrossEntropy().forward(np.zeros((1, 1)), [[1.0]]) == np.log(2))
    True
    """

    def forward(self, outputs: np.ndarray, targets: ArrayLike, mask: ArrayLike | None = None) -> float:
        """The loss.

        Parameters
        ----------
        outputs : (..., features) array of float
            Logits.
        targets : (..., features) array
            In [0, 1].
        mask : (...) array of bool, optional
            Which predictions count; all without it.

        Returns
        -------
        float
            Nats, the mean over the features of the predictions that count.

        Raises
        ------
        ValueError, TypeError
            If the shapes do not belong together, a target is outside [0, 1], the outputs are no real numbers, or no
            prediction counts.
        """
        outputs = _as_floats(outputs, "SigmoidCrossEntropy")
        targets = np.asarray(targets, outputs.dtype)
        if targets.shape != outputs.shape:
            raise ValueError(
                f"Outputs have shape {outputs.shape}, but got targets of shape {targets.shape}; NumPy would "
                f"broadcast them into a wrong mean, so they must be equal. A missing [..., None]?"
            )
        share = _share_of_mean(mask, outputs.shape[:-1])[..., None] / outputs.shape[-1]
        counted = targets[share[..., 0] > 0]
        if not 0 <= counted.min() <= counted.max() <= 1:
            raise ValueError(
                f"Targets of a yes-or-no question lie between 0 and 1, but got numbers from {counted.min()} to "
                f"{counted.max()}. Class ids belong to SoftmaxCrossEntropy, measurements to MeanSquaredError."
            )
        # ln(1 + e^s) - y s, written so that e never meets a large positive number
        losses = np.maximum(outputs, 0) - outputs * targets + np.log1p(np.exp(-np.abs(outputs)))
        self._cache = outputs, targets, share.astype(outputs.dtype)
        return float((losses * share).sum())

    def backward(self) -> np.ndarray:
        """∂L/∂logits, (..., features)."""
        outputs, targets, share = self._need_forward()
        return (ACTIVATIONS["sigmoid"][0](outputs) - targets) * share
