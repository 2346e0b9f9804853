"""Two threads for one model: each takes half of the rows of a batch.

NumPy gives up Python's lock while it multiplies, so two threads can multiply at once. That pays where the arrays are
large (256 units: nearly twice as fast on two cores) and costs where they are small, because the threads then mostly
wait for each other; docs/benchmarks.md has the figures. No lesson needs it.
"""
from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import ThreadpoolController

from course_lib.layers import Dropout
from course_lib.model import Model
from course_lib.optimizers import clip_by_global_norm, global_norm


class ModelInHalves(Model):
    """A model that trains on both halves of a batch at the same time; all else is as in :class:`Model`.

    The loss is a mean over predictions, so its gradient is the mean of the halves' gradients, each counted by its
    number of predictions. It is the same number at every run, because the halves are always added in the same order.

    Parameters
    ----------
    layers, loss
        As for :class:`Model`.

    Attributes
    ----------
    twin : Model
        The second thread's: the very same weights, with activations and gradients of its own.
    """

    def __init__(self, layers, loss):
        super().__init__(layers, loss)
        self.twin = copy.deepcopy(Model(layers, loss), {id(w): w for w in self.weights})
        for layer in self.twin.layers:
            if isinstance(layer, Dropout):
                [layer.rng] = layer.rng.spawn(1)  # or both halves would be silenced alike
        self._thread, self._blas = ThreadPoolExecutor(1), ThreadpoolController()

    def train_on_batch(self, x, y, mask=None, *, optimizer, clip_norm=None, initial_states=None):
        """One update. Returns the loss before it and the gradient's norm before clipping.

        Raises
        ------
        FloatingPointError
            If either is not finite; the weights are then still those from before the update.
        """
        if len(x) < 2:
            return super().train_on_batch(x, y, mask, optimizer=optimizer, clip_norm=clip_norm,
                                          initial_states=initial_states)
        first, second = slice(0, len(x) // 2), slice(len(x) // 2, None)

        def half(model, rows):
            states = None if initial_states is None else [_rows(state, rows) for state in initial_states]
            return _gradient(model, x[rows], y[rows], None if mask is None else mask[rows], states)

        with self._blas.limit(limits=1):  # the product library's own threads would only get in the way
            other = self._thread.submit(half, self.twin, second)
            mine = half(self, first)
            parts = [mine, other.result()]
        (loss, count), (other_loss, other_count) = parts
        share = count / (count + other_count)
        loss = share * loss + (1 - share) * other_loss
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is reported below, in words
            for g, other_g in zip(self.grads, self.twin.grads, strict=True):
                g *= share
                g += (1 - share) * other_g
            norm = global_norm(self.grads) if clip_norm is None else clip_by_global_norm(self.grads, clip_norm)
        if not (np.isfinite(loss) and np.isfinite(norm)):
            raise FloatingPointError(
                f"Training stopped: the loss is {loss} and the gradient's norm {norm}. The weights are those from "
                f"before this update. Try a smaller learning rate or clip_norm=1."
            )
        self.states = [_joined(*both) for both in zip(self.states, self.twin.states, strict=True)]
        optimizer.update(self.weights, self.grads)
        return loss, norm


def _gradient(model, x, y, mask, initial_states):
    """Run a model forward and backward; return its loss and the number of predictions that it is the mean of."""
    with np.errstate(over="ignore", invalid="ignore"):  # a setting of each thread by itself
        outputs = model.forward(x, mask, initial_states, training=True)
        counts = model._counting(outputs, mask)
        loss = model.loss.forward(outputs, y, counts)
        model.backward(model.loss.backward())
    return loss, outputs[..., 0].size if counts is None else int(np.sum(counts))


def _rows(state, rows):
    """Some rows of a state, which is an array or a pair."""
    return tuple(part[rows] for part in state) if isinstance(state, tuple) else state[rows]


def _joined(state, other):
    """The state of both halves."""
    if isinstance(state, tuple):
        return tuple(_joined(*both) for both in zip(state, other, strict=True))
    return np.concatenate([state, other])
