"""Turning gradients into steps. An optimiser changes the weights in place, so the layers see the change."""

from __future__ import annotations

import numpy as np


def global_norm(grads):
    """√(Σ g²) over every number of every gradient: the length of the gradient as one long vector."""
    return float(np.sqrt(sum(np.vdot(g, g) for g in grads)))


def clip_by_global_norm(grads, limit):
    """Shorten the whole gradient, in place, to length ``limit`` if it is longer, keeping its direction.

    Parameters
    ----------
    grads : list of array
    limit : float
        Largest length allowed, above zero.

    Returns
    -------
    float
        The length before clipping.

    References
    ----------
    Pascanu, Mikolov and Bengio 2013, On the difficulty of training recurrent neural networks, Algorithm 1.
    """
    if not limit > 0:
        raise ValueError(f"The largest gradient norm allowed must be above zero, but {limit} came.")
    norm = global_norm(grads)
    if norm > limit:
        for g in grads:
            g *= limit / norm
    return norm


class SGD:
    """w ← w - η g.

    Parameters
    ----------
    learning_rate : float
        η.
    """

    def __init__(self, learning_rate):
        self.learning_rate = learning_rate

    def update(self, weights, grads):
        """Change each array of ``weights`` in place, given gradients of the same shapes in the same order."""
        for w, g in zip(weights, grads, strict=True):
            w -= self.learning_rate * g


class Momentum:
    """v ← α v - η g,  w ← w + v: the step keeps part of its last direction.

    Parameters
    ----------
    learning_rate : float
        η.
    momentum : float
        α, the part kept.

    References
    ----------
    Rumelhart, Hinton and Williams 1986, Learning representations by back-propagating errors, eq. 9.
    """

    def __init__(self, learning_rate, momentum=0.9):
        self.learning_rate, self.momentum = learning_rate, momentum
        self.velocity = None

    def update(self, weights, grads):
        """Change each array of ``weights`` in place, given gradients of the same shapes in the same order."""
        if self.velocity is None:
            self.velocity = [np.zeros_like(w) for w in weights]
        for w, g, v in zip(weights, grads, self.velocity, strict=True):
            v *= self.momentum
            v -= self.learning_rate * g
            w += v


class Adam:
    """A step of about η for every weight, however large or small its gradients usually are.

    m ← β₁ m + (1-β₁) g,  v ← β₂ v + (1-β₂) g²,  w ← w - η √(1-β₂ᵗ)/(1-β₁ᵗ) · m / (√v + ε)

    Parameters
    ----------
    learning_rate : float
        η.
    beta_1, beta_2 : float
        How much of the running means of g and g² is kept.
    epsilon : float
        ε, as in Keras.

    References
    ----------
    Kingma and Ba 2015, Adam: a method for stochastic optimization, arXiv:1412.6980: Algorithm 1 in the order of
    computation given at the end of its section 2.
    """

    def __init__(self, learning_rate=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
        self.learning_rate, self.beta_1, self.beta_2, self.epsilon = learning_rate, beta_1, beta_2, epsilon
        self.t = 0
        self.m = self.v = None

    def update(self, weights, grads):
        """Change each array of ``weights`` in place, given gradients of the same shapes in the same order."""
        if self.m is None:
            self.m = [np.zeros_like(w) for w in weights]
            self.v = [np.zeros_like(w) for w in weights]
        self.t += 1
        rate = self.learning_rate * np.sqrt(1 - self.beta_2**self.t) / (1 - self.beta_1**self.t)
        for w, g, m, v in zip(weights, grads, self.m, self.v, strict=True):
            m += (1 - self.beta_1) * (g - m)
            v += (1 - self.beta_2) * (g * g - v)
            w -= (rate * m / (np.sqrt(v) + self.epsilon)).astype(w.dtype, copy=False)
