"""A generator of symbols trained by a discriminator: two ways around the sampled symbol, and an oracle that judges.

A discriminator says how real a sequence looks, and its gradient would say how to look more real. But between generator
and discriminator a symbol is drawn, and a symbol does not change a little when its probability does: the derivative of
the draw is zero. Two ways around it:

- REINFORCE asks for no derivative of the draw: :func:`reinforce` makes what earned more than expected more likely. With
  the discriminator's judgement as reward, and :func:`rollout_values` for each step, this is SeqGAN.
- Gumbel-softmax replaces the draw by a soft one that has a derivative: :class:`GumbelSoftmax`, and
  :class:`GumbelGenerator` for a whole sequence, each soft symbol being the next input.

Generator and discriminator are any :class:`~course_lib.model.Model` whose first layer takes one-hot vectors, (batch,
time, symbols). The generator's outputs are logits for the symbol at each step, and its input is the symbol before, a
vector of zeros at the first step: :func:`previous_symbols`. So maximum likelihood is
``generator.fit(previous_symbols(ids, symbols), ids, ...)``. The discriminator's output is one logit a sequence.

An oracle is a generator with random weights that stands in for the world: since :func:`log_likelihood` is exact, it
says how likely a generator's sequences truly are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from course_lib.base_layer import Layer, _as_floats, _forward_cache
from course_lib.generation import apply_temperature, log_softmax
from course_lib.layers import Dense, softmax
from course_lib.losses import SoftmaxCrossEntropy
from course_lib.model import Model
from course_lib.recurrent import LSTM, Bidirectional
from course_lib.sequences import _whole_numbers, one_hot


# ---------------------------------------------------------------------------------------------------------------------
# Generators and their likelihood
# ---------------------------------------------------------------------------------------------------------------------
def make_oracle(symbols: int, units: int, *, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Model:
    """A source of sequences with an exact likelihood: an LSTM all of whose weights are drawn from N(0, 1).

    Parameters
    ----------
    symbols, units : int
        Size of the alphabet and of the LSTM's state.
    rng : numpy.random.Generator
        Draws the weights.
    dtype : numpy dtype
        Of the weights.

    Returns
    -------
    Model
        A generator, not to be trained. :func:`sample_sequences` draws from it.

    References
    ----------
    Yu et al. 2017, SeqGAN: sequence generative adversarial nets with policy gradient, section on synthetic data.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> oracle = make_oracle(5, 8, rng=rng)
    >>> ids = sample_sequences(oracle, 3, 4, rng=rng)
    >>> ids.shape, log_likelihood(oracle, ids).shape
    ((3, 4), (3,))
    """
    layers = [LSTM(symbols, units, rng=rng, dtype=dtype), Dense(units, symbols, rng=rng, dtype=dtype)]
    oracle = Model(layers, SoftmaxCrossEntropy())
    for w in oracle.weights:
        w[...] = rng.normal(size=w.shape)
    return oracle


def previous_symbols(ids: ArrayLike, symbols: int, dtype: DTypeLike = np.float32) -> np.ndarray:
    """A generator's inputs: at each step the symbol before as a one-hot vector, at the first step zeros.

    Parameters
    ----------
    ids : (batch, time) whole numbers
        The sequences.
    symbols : int
        Size of the alphabet.
    dtype : numpy dtype
        Of the vectors.

    Returns
    -------
    (batch, time, symbols) array
        What the generator takes to predict ``ids``.

    Raises
    ------
    ValueError, TypeError
        If an id is no symbol, or the array has no axis of time.

    Examples
    --------
    >>> previous_symbols([[2, 0]], 3)[0]
    array([[0., 0., 0.],
           [0., 0., 1.]], dtype=float32)
    """
    vectors = one_hot(ids, symbols, dtype)
    if vectors.ndim != 3:
        raise ValueError(
            f"Sequences of symbols have shape (batch, time), but got {vectors.shape[:-1]}. One sequence alone? Write "
            f"ids[None]."
        )
    return np.concatenate([np.zeros_like(vectors[:, :1]), vectors[:, :-1]], axis=1)


def sample_sequences(
    generator: Model,
    count: int,
    length: int,
    *,
    rng: np.random.Generator,
    temperature: float = 1.0,
    prefix: ArrayLike | None = None,
) -> np.ndarray:
    """Draw sequences, each symbol from the generator's distribution after those before it.

    Parameters
    ----------
    generator : Model
        As the module describes it.
    count, length : int
        How many sequences, and how many symbols in each.
    rng : numpy.random.Generator
        Source of the draws.
    temperature : float
        Above 0; below 1 the likelier symbols are drawn more often still.
    prefix : (count, at most length) whole numbers, optional
        What each sequence begins with, as it is.

    Returns
    -------
    (count, length) array of int
        The sequences, prefixes included.

    Raises
    ------
    ValueError, TypeError
        If count or length is below 1, the temperature not above 0, or a prefix does not fit.
    """
    symbols, dtype = _symbols(generator), generator.weights[0].dtype
    prefix = np.zeros((max(count, 0), 0), int) if prefix is None else _whole_numbers(prefix, symbols, "A prefix")
    if count < 1 or length < 1 or prefix.ndim != 2 or len(prefix) != count or prefix.shape[1] > length:
        raise ValueError(
            f"A sample is of at least one sequence of at least one symbol, and a prefix has a row for each and at most "
            f"as many symbols, but got count={count}, length={length} and a prefix of shape {prefix.shape}."
        )
    given, ids = prefix.shape[1], np.zeros((count, length), int)
    ids[:, :given] = prefix
    x, states = previous_symbols(ids[:, : given + 1], symbols, dtype), None
    for t in range(given, length):
        log_p = apply_temperature(generator.forward(x, initial_states=states)[:, -1].astype(float), temperature)
        ids[:, t] = (log_p + gumbel_noise(log_p.shape, rng)).argmax(axis=1)  # the Gumbel-max trick: a draw from p
        x, states = one_hot(ids[:, t : t + 1], symbols, dtype), generator.states
    return ids


def log_likelihood(generator: Model, ids: ArrayLike, temperature: float = 1.0) -> np.ndarray:
    """ln P of whole sequences, exactly: the sum over their symbols of ln P(symbol | those before it).

    Parameters
    ----------
    generator : Model
        An oracle, or a trained generator.
    ids : (batch, time) whole numbers
        The sequences.
    temperature : float
        That of :func:`sample_sequences`.

    Returns
    -------
    (batch,) array of float64
        Nats. Its mean, negated and divided by the length, is the negative log-likelihood (NLL) a symbol: of a
        generator's sequences by the oracle it measures their quality, of the oracle's sequences by the generator also
        their diversity.

    Raises
    ------
    ValueError, TypeError
        If an id is no symbol of the generator's, or the temperature is not above 0.

    References
    ----------
    Yu et al. 2017 (by the oracle); Caccia et al. 2020, Language GANs falling short (both, at every temperature).
    """
    symbols = _symbols(generator)
    logits = generator.forward(previous_symbols(ids, symbols, generator.weights[0].dtype)).astype(float)
    log_p = apply_temperature(logits, temperature)
    return np.take_along_axis(log_p, np.asarray(ids)[..., None], axis=-1)[..., 0].sum(axis=1)


def _symbols(generator):
    """Size of the alphabet of a generator, from its first layer."""
    first = generator.layers[0]
    if not hasattr(first, "features") or any(isinstance(layer, Bidirectional) for layer in generator.layers):
        raise ValueError(
            f"A generator's first layer takes one-hot vectors, as LSTM(symbols, units) or Dense(symbols, units) do, "
            f"and no layer looks ahead, but got {generator!r}. In place of an Embedding put a Dense layer."
        )
    return first.features


# ---------------------------------------------------------------------------------------------------------------------
# REINFORCE
# ---------------------------------------------------------------------------------------------------------------------
def reinforce(generator: Model, ids: ArrayLike, advantages: ArrayLike) -> float:
    """The policy gradient: ∂/∂θ of -mean of advantage · ln P(sequence), left in ``generator.grads``.

    Over sequences drawn from the generator, its mean is the gradient of -E[reward], for an update that goes downhill:
    ``optimizer.update(generator.weights, generator.grads)``.

    Parameters
    ----------
    generator : Model
        What drew the sequences, with the weights that it drew them with, at temperature 1.
    ids : (batch, time) whole numbers
        The sequences.
    advantages : (batch,) or (batch, time) array of float
        How much better than expected each sequence was, or each of its symbols: a reward less a baseline.

    Returns
    -------
    float
        -mean over sequences of the sum over symbols of advantage · ln P(symbol | those before it), in nats. Its
        gradient means something; its value does not fall as the reward grows.

    Raises
    ------
    ValueError, TypeError
        If advantages and sequences do not belong together, or an id is no symbol.

    References
    ----------
    Williams 1992, Simple statistical gradient-following algorithms for connectionist reinforcement learning; Yu et al.
    2017, eq. 6.

    Examples
    --------
    Rewarded for symbol 0, a generator draws it more often.

    >>> from course_lib.optimizers import SGD
    >>> rng = np.random.default_rng(0)
    >>> generator = Model([LSTM(3, 4, rng=rng), Dense(4, 3, rng=rng)], SoftmaxCrossEntropy())
    >>> optimizer = SGD(0.5)
    >>> for _ in range(100):
    ...     ids = sample_sequences(generator, 20, 5, rng=rng)
    ...     rewards = (ids == 0).mean(axis=1)
    ...     _ = reinforce(generator, ids, rewards - leave_one_out(rewards))
    ...     optimizer.update(generator.weights, generator.grads)
    >>> bool((sample_sequences(generator, 100, 5, rng=rng) == 0).mean() > 0.9)
    True
    """
    symbols, ids = _symbols(generator), np.asarray(ids)
    x = previous_symbols(ids, symbols, generator.weights[0].dtype)
    advantages = np.asarray(advantages, float)
    if advantages.shape not in (ids.shape, ids.shape[:1]):
        raise ValueError(
            f"There is one advantage for each of {ids.shape[0]} sequences, or for each symbol, {ids.shape}, but got "
            f"{advantages.shape}."
        )
    weights = np.broadcast_to(advantages.reshape(len(ids), -1), ids.shape)[..., None] / len(ids)
    log_p = log_softmax(generator.forward(x))
    target = one_hot(ids, symbols, log_p.dtype)
    generator.backward((weights * (np.exp(log_p) - target)).astype(log_p.dtype), input_gradient=False)
    return -float((weights * log_p * target).sum())


def leave_one_out(rewards: ArrayLike) -> np.ndarray:
    """A baseline for each reward of a batch: the mean of the others.

    A baseline that does not depend on the sequence itself leaves the mean of :func:`reinforce` as it is, and makes it
    vary less. The mean of the whole batch contains the sequence's own reward, and would shrink the gradient.

    Parameters
    ----------
    rewards : (batch,) or (batch, time) array of float
        Of at least two sequences.

    Returns
    -------
    array
        The shape of ``rewards``.

    Raises
    ------
    ValueError
        If there is one sequence only.

    References
    ----------
    Kool, van Hoof and Welling 2019, Buy 4 REINFORCE samples, get a baseline for free!

    Examples
    --------
    >>> leave_one_out([1, 2, 6])
    array([4. , 3.5, 1.5])
    """
    rewards = np.asarray(rewards, float)
    if rewards.ndim == 0 or len(rewards) < 2:
        raise ValueError(
            f"The mean of the other rewards needs at least two sequences, but got rewards of shape {rewards.shape}."
        )
    return (rewards.sum(axis=0) - rewards) / (len(rewards) - 1)


def rollout_values(
    generator: Model,
    ids: ArrayLike,
    reward: Callable[[np.ndarray], np.ndarray],
    *,
    rollouts: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """What each symbol is worth: the mean reward of sequences that begin as these do up to it, and end as they may.

    Parameters
    ----------
    generator : Model
        Completes the sequences.
    ids : (batch, time) whole numbers
        The sequences.
    reward : callable
        ``reward(ids) -> (batch,)`` or (batch, 1), for whole sequences, such as the discriminator's probability that
        they are real.
    rollouts : int
        How many completions of each beginning; they cost rollouts · time²/2 steps of the generator.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    (batch, time) array
        The value of each symbol where it stands; at the last step the reward itself.

    Raises
    ------
    ValueError
        If there is no rollout.

    References
    ----------
    Yu et al. 2017, eq. 4.
    """
    if rollouts < 1:
        raise ValueError(f"A value is the mean of at least one rollout, but got rollouts={rollouts}.")
    count, length, _ = previous_symbols(ids, _symbols(generator)).shape
    ids = np.asarray(ids)
    values = np.empty((count, length))
    for t in range(1, length):
        prefix = np.repeat(ids[:, :t], rollouts, axis=0)
        completed = sample_sequences(generator, len(prefix), length, rng=rng, prefix=prefix)
        values[:, t - 1] = np.reshape(reward(completed), (count, rollouts)).mean(axis=1)
    values[:, -1] = np.reshape(reward(ids), count)
    return values


# ---------------------------------------------------------------------------------------------------------------------
# Gumbel-softmax
# ---------------------------------------------------------------------------------------------------------------------
def gumbel_noise(shape: int | tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draws from the Gumbel distribution: the largest of ln p + noise is a draw from p.

    Parameters
    ----------
    shape : int or tuple of int
        Of the result.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    array
        -ln(-ln u), with u uniform between 0 and 1.
    """
    return rng.gumbel(size=shape)


class GumbelSoftmax(Layer):
    """A soft draw: y = softmax((logits + noise) / temperature), which has a derivative where a draw has none.

    At a low temperature y is near the one-hot vector of a draw from softmax(logits), and its gradient is large and
    varies much; at a high one it is near the uniform distribution.

    Parameters
    ----------
    temperature : float
        Above 0. It may be changed between updates.
    rng : numpy.random.Generator
        Draws the noise.
    straight_through : bool
        Whether the output is the one-hot vector of y's largest entry, an exact draw, with the gradient of the soft y:
        a biased one, since the derivative of the step that makes y hard is left out.

    Raises
    ------
    ValueError
        If the temperature is not above 0.

    References
    ----------
    Jang, Gu and Poole 2017, Categorical reparameterization with Gumbel-softmax; for sequences Kusner and
    Hernández-Lobato 2016.

    Examples
    --------
    >>> layer = GumbelSoftmax(0.5, rng=np.random.default_rng(0), straight_through=True)
    >>> layer.forward(np.log([[0.1, 0.9], [0.1, 0.9]]))
    array([[0., 1.],
           [0., 1.]])
    """

    def __init__(self, temperature: float, *, rng: np.random.Generator, straight_through: bool = False) -> None:
        if not temperature > 0:
            raise ValueError(
                f"A temperature is above 0, but got {temperature}. For one-hot vectors write straight_through=True."
            )
        self.temperature, self.straight_through, self.rng = temperature, straight_through, rng

    def forward(self, x: ArrayLike, training: bool = False, noise: np.ndarray | None = None) -> np.ndarray:
        """Draw.

        Parameters
        ----------
        x : (..., symbols) array of float
            Logits.
        training : bool
            Makes no difference: it is a draw either way.
        noise : (..., symbols) array, optional
            That of :func:`gumbel_noise`; drawn anew without it.

        Returns
        -------
        (..., symbols) array
            y, or the one-hot vector of its largest entry.

        Raises
        ------
        TypeError
            If the logits are no real numbers.
        """
        x = _as_floats(x, "GumbelSoftmax")
        noise = gumbel_noise(x.shape, self.rng) if noise is None else noise
        y = softmax((x + noise) / self.temperature).astype(x.dtype)
        self._cache = y, self.temperature
        return one_hot(y.argmax(axis=-1), y.shape[-1], y.dtype) if self.straight_through else y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """Backpropagate through the softmax: y ⊙ (δy - Σ y ⊙ δy) / temperature.

        Parameters
        ----------
        dy : (..., symbols) array
            ∂L/∂output.

        Returns
        -------
        (..., symbols) array
            ∂L/∂logits.
        """
        y, temperature = self._need_forward()
        return y * (dy - (y * dy).sum(axis=-1, keepdims=True)) / y.dtype.type(temperature)


class GumbelGenerator:
    """Draws whole sequences softly, each soft symbol being the next input, and backpropagates through all of it.

    A step is computed again before it is backpropagated, because a layer remembers its last forward pass only.

    Parameters
    ----------
    generator : Model
        Its weights are trained.
    gumbel : GumbelSoftmax
        Makes a symbol from the logits.

    Attributes
    ----------
    grads : list of array
        After ``backward``: ∂L/∂weights, in the order of ``generator.weights``.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> generator = Model([LSTM(3, 4, rng=rng), Dense(4, 3, rng=rng)], SoftmaxCrossEntropy())
    >>> soft = GumbelGenerator(generator, GumbelSoftmax(1.0, rng=rng))
    >>> y = soft.forward(2, 5)
    >>> y.shape
    (2, 5, 3)
    >>> soft.backward(np.ones_like(y))  # L: the sum over all entries, which is constant
    >>> bool(max(np.abs(g).max() for g in soft.grads) < 1e-6)
    True
    """

    def __init__(self, generator: Model, gumbel: GumbelSoftmax) -> None:
        _symbols(generator)
        self.generator, self.gumbel, self.grads = generator, gumbel, []

    def forward(self, count: int, length: int, noise: np.ndarray | None = None) -> np.ndarray:
        """Draw sequences of soft symbols.

        Parameters
        ----------
        count, length : int
            How many sequences, and how many symbols in each.
        noise : (count, length, symbols) array, optional
            That of :func:`gumbel_noise`; drawn anew without it.

        Returns
        -------
        (count, length, symbols) array
            What a discriminator takes in place of one-hot vectors.
        """
        symbols, dtype = _symbols(self.generator), self.generator.weights[0].dtype
        noise = gumbel_noise((count, length, symbols), self.gumbel.rng) if noise is None else noise
        y, states, steps = np.zeros((count, length + 1, symbols), dtype), None, []
        for t in range(length):
            logits = self.generator.forward(y[:, t : t + 1], initial_states=states)
            y[:, t + 1] = self.gumbel.forward(logits[:, 0], noise=noise[:, t])
            steps.append((states, self.gumbel._cache))
            states = self.generator.states
        self._cache = y, steps
        return y[:, 1:].copy()

    def backward(self, d_samples: np.ndarray) -> None:
        """Backpropagation through time, through every soft symbol; leaves ∂L/∂weights in ``grads``.

        Parameters
        ----------
        d_samples : (count, length, symbols) array
            ∂L/∂(what forward returned), such as a discriminator's ``backward`` returns.

        Raises
        ------
        ValueError
            If its shape is another.
        RuntimeError
            If there was no forward pass.
        """
        y, steps = _forward_cache(self)
        if np.shape(d_samples) != y[:, 1:].shape:
            raise ValueError(
                f"d_samples has the shape of the samples, {y[:, 1:].shape}, but got {np.shape(d_samples)}."
            )
        self.grads, d_states, d_input = [np.zeros_like(w) for w in self.generator.weights], None, 0.0
        for t, (states, drawn) in reversed(list(enumerate(steps))):
            self.generator.forward(y[:, t : t + 1], initial_states=states)
            self.gumbel._cache = drawn
            d_logits = self.gumbel.backward(d_samples[:, t] + d_input)
            d_input, d_states = _backward_step(self.generator, d_logits[:, None], d_states)
            d_input = d_input[:, 0]
            for total, g in zip(self.grads, self.generator.grads, strict=True):
                total += g


def _backward_step(model: Model, d: np.ndarray, d_states: list[Any] | None) -> tuple[np.ndarray, list[Any]]:
    """Model.backward with the gradient of the recurrent layers' final states; also that of their initial ones."""
    d_states, d_initial = list(d_states or []), []
    for layer in reversed(model.layers):
        if layer.recurrent:
            d, d_state = layer.backward(d, d_states.pop() if d_states else None)
            d_initial.insert(0, d_state)
        else:
            d = layer.backward(d)
    return d, d_initial
