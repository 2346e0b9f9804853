"""Turning gradients into steps. An optimizer changes the weights in place, so the layers see the change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

OPTIMIZERS: dict[str, type[Optimizer]] = {}  # by class name; filled as classes are defined


# ---------------------------------------------------------------------------------------------------------------------
# The gradient as one long vector
# ---------------------------------------------------------------------------------------------------------------------
def global_norm(grads: Sequence[np.ndarray]) -> float:
    """√(Σ g²) over every number of every gradient: the length of the gradient as one long vector.

    Parameters
    ----------
    grads : list of array
        Gradients, such as ``model.grads``.

    Returns
    -------
    float
        Its length.

    Examples
    --------
    >>> global_norm([np.array([3.0]), np.array([[4.0]])])
    5.0
    """
    return float(np.sqrt(sum(np.vdot(g, g) for g in grads)))


def clip_by_global_norm(grads: Sequence[np.ndarray], limit: float) -> float:
    """Shorten the whole gradient, in place, to length ``limit`` if it is longer, keeping its direction.

    Parameters
    ----------
    grads : list of array
        Gradients, such as ``model.grads``.
    limit : float
        Largest length allowed, above zero.

    Returns
    -------
    float
        The length before clipping.

    Raises
    ------
    ValueError
        If the limit is not above zero.

    References
    ----------
    Pascanu, Mikolov and Bengio 2013, On the difficulty of training recurrent neural networks, Algorithm 1.
    """
    if not limit > 0:
        raise ValueError(f"The largest gradient norm allowed must be above zero, but got {limit}. Try clip_norm=1.")
    norm = global_norm(grads)
    if norm > limit:
        for g in grads:
            g *= limit / norm
    return norm


# ---------------------------------------------------------------------------------------------------------------------
# Learning rates that change
# ---------------------------------------------------------------------------------------------------------------------
class LinearDecay:
    """A learning rate that falls in a straight line: initial · (1 - update / steps), and 0 from ``steps`` on.

    Any callable from the number of updates made so far to a rate can be a learning rate; this one is also saved with
    the optimizer.

    Parameters
    ----------
    initial : float
        Rate of the first update.
    steps : int
        Number of updates, at least 1.

    Raises
    ------
    ValueError
        If there are no steps or the rate is below zero.

    Examples
    --------
    >>> rate = LinearDecay(0.1, 4)
    >>> [rate(update) for update in range(5)]
    [0.1, 0.07500000000000001, 0.05, 0.025, 0.0]
    """

    def __init__(self, initial: float, steps: int):
        if steps < 1 or not initial >= 0:
            raise ValueError(
                f"LinearDecay falls from a rate of at least 0 over at least one step, but got {initial} over {steps} "
                f"steps. Pass the number of updates of the whole training: epochs times batches an epoch."
            )
        self.initial, self.steps = initial, steps

    def __call__(self, update: int) -> float:
        """Give the rate after so many updates.

        Parameters
        ----------
        update : int
            Updates made so far; 0 for the first.

        Returns
        -------
        float
            The rate.
        """
        return self.initial * (1 - min(update, self.steps) / self.steps)

    def __repr__(self) -> str:
        return f"LinearDecay({self.initial}, {self.steps})"


# ---------------------------------------------------------------------------------------------------------------------
# Optimizers
# ---------------------------------------------------------------------------------------------------------------------
class Optimizer:
    """What all optimizers share: a learning rate, a count of updates, and a state that belongs to one model's weights.

    A subclass is known by its class name from when it is defined, so that an optimizer can be saved with a model.

    Parameters
    ----------
    learning_rate : float, or callable
        η, or a function of the number of updates made so far, such as :class:`LinearDecay`.

    Attributes
    ----------
    learning_rate : float
        The rate of the next update. It can be set, to a number or to a callable.
    iterations : int
        Updates made so far.
    """

    state_names: tuple[str, ...] = ()  # attributes that hold an array for each weight; None before the first update

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        OPTIMIZERS[cls.__name__] = cls

    def __init__(self, learning_rate: float | Callable[[int], float]):
        self.learning_rate = learning_rate
        self.iterations = 0
        self._model_weights = None
        for name in self.state_names:
            setattr(self, name, None)

    @property
    def learning_rate(self) -> float:
        """The rate of the next update."""
        return self._learning_rate(self.iterations) if callable(self._learning_rate) else self._learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: float | Callable[[int], float]) -> None:
        if not callable(rate) and (not np.isscalar(rate) or isinstance(rate, str) or not rate >= 0):
            raise ValueError(
                f"A learning rate is a number, at least 0, or a function of the number of updates so far, but got "
                f"{rate!r}. Try Adam(0.001), or Adam(LinearDecay(0.01, updates))."
            )
        self._learning_rate = rate

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value}' for name, value in self._arguments().items())})"

    def update(self, weights: Sequence[np.ndarray], grads: Sequence[np.ndarray]) -> None:
        """Change each array of ``weights`` in place, given gradients of the same shapes in the same order.

        Parameters
        ----------
        weights, grads : list of array
            Such as ``model.weights`` and ``model.grads``.

        Raises
        ------
        ValueError
            If the optimizer keeps running means, and those belong to other weights.
        """
        if self.state_names:
            self._bind(weights)
        self._step(weights, grads)
        self.iterations += 1

    def _step(self, weights: Sequence[np.ndarray], grads: Sequence[np.ndarray]) -> None:
        raise NotImplementedError(
            f"{type(self).__name__} needs a method _step(weights, grads) that changes the weights."
        )

    def _bind(self, weights):
        """At the first update, make the state for these weights; at later ones, see that they are the same."""
        known = self._model_weights
        if known is None:
            for name in self.state_names:
                state = getattr(self, name)
                if state is None:
                    setattr(self, name, [np.zeros_like(w) for w in weights])
                elif [s.shape for s in state] != [w.shape for w in weights]:
                    self._refuse(state, weights)
            self._model_weights = list(weights)
        elif len(known) != len(weights) or not all(
            a is b or (a.shape == b.shape and np.may_share_memory(a, b)) for a, b in zip(known, weights, strict=True)
        ):
            self._refuse(known, weights)

    def _refuse(self, known, weights):
        raise ValueError(
            f"This {type(self).__name__} has made {self.iterations} updates and keeps running means that belong to the "
            f"{len(known)} weights it has trained, of shapes {[w.shape for w in known]}, but got {len(weights)} "
            f"other arrays, of shapes {[w.shape for w in weights]}. Make a new optimizer for each model."
        )

    def _arguments(self):
        """The constructor's arguments, by name."""
        return dict(learning_rate=self._learning_rate)

    def config(self) -> dict[str, Any]:
        """What to build the optimizer from: JSON-able arguments of the constructor.

        Returns
        -------
        dict of str to value
            The arguments by name.

        Raises
        ------
        ValueError
            If the learning rate is a function that a file cannot hold.
        """
        rate = self._learning_rate
        if isinstance(rate, LinearDecay):
            rate = {"initial": rate.initial, "steps": rate.steps}
        elif callable(rate):
            raise ValueError(
                f"A file can hold a number or a LinearDecay as learning rate, but got {rate!r}. Set "
                f"optimizer.learning_rate to a number before saving, and to your function again after loading."
            )
        return self._arguments() | {"learning_rate": rate}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Optimizer:
        """Build the optimizer that :meth:`config` described.

        Parameters
        ----------
        config : dict of str to value
            What :meth:`config` returned.

        Returns
        -------
        Optimizer
            It has made no updates.
        """
        rate = config["learning_rate"]
        return cls(**config | {"learning_rate": LinearDecay(**rate) if isinstance(rate, dict) else rate})


class SGD(Optimizer):
    """w ← w - η g.

    Parameters
    ----------
    learning_rate : float, or callable
        η; see :class:`Optimizer`.
    """

    def _step(self, weights, grads):
        rate = self.learning_rate
        for w, g in zip(weights, grads, strict=True):
            w -= rate * g


class Momentum(Optimizer):
    """v ← α v - η g,  w ← w + v: the step keeps part of its last direction.

    Parameters
    ----------
    learning_rate : float, or callable
        η; see :class:`Optimizer`.
    momentum : float
        α, the part kept.

    References
    ----------
    Rumelhart, Hinton and Williams 1986, Learning representations by back-propagating errors, eq. 9.
    """

    state_names = ("velocity",)

    def __init__(self, learning_rate: float | Callable[[int], float], momentum: float = 0.9):
        super().__init__(learning_rate)
        self.momentum = momentum

    def _arguments(self):
        return super()._arguments() | dict(momentum=self.momentum)

    def _step(self, weights, grads):
        rate = self.learning_rate
        for w, g, v in zip(weights, grads, self.velocity, strict=True):
            v *= self.momentum
            v -= rate * g
            w += v


class Adam(Optimizer):
    """A step of about η for every weight, however large or small its gradients usually are.

    m ← β₁ m + (1-β₁) g,  v ← β₂ v + (1-β₂) g²,  w ← w - η √(1-β₂ᵗ)/(1-β₁ᵗ) · m / (√v + ε)

    Parameters
    ----------
    learning_rate : float, or callable
        η; see :class:`Optimizer`. Defaults are as in Keras.
    beta_1, beta_2 : float
        How much of the running means of g and g² is kept.
    epsilon : float
        ε.

    References
    ----------
    Kingma and Ba 2015, Adam: a method for stochastic optimization, arXiv:1412.6980: Algorithm 1 in the order of
    computation given at the end of its section 2.
    """

    state_names = ("m", "v")

    def __init__(
        self,
        learning_rate: float | Callable[[int], float] = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
    ):
        super().__init__(learning_rate)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def _arguments(self):
        return super()._arguments() | dict(beta_1=self.beta_1, beta_2=self.beta_2, epsilon=self.epsilon)

    def _step(self, weights, grads):
        t = self.iterations + 1
        rate = self.learning_rate * np.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
        for w, g, m, v in zip(weights, grads, self.m, self.v, strict=True):
            m += (1 - self.beta_1) * (g - m)
            v += (1 - self.beta_2) * (g * g - v)
            w -= (rate * m / (np.sqrt(v) + self.epsilon)).astype(w.dtype, copy=False)
