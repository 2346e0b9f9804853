"""What all sequence-to-sequence models share, and scheduled sampling with any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from course_lib.generation import greedy
from course_lib.layers import Layer
from course_lib.losses import SoftmaxCrossEntropy
from course_lib.model import History, Model
from course_lib.seq2seq.pairs import Pairs


class SequenceToSequence(Model):
    """The base of EncoderDecoder and Transformer: training on Pairs, evaluation, greedy decoding, saving.

    A subclass builds its layers, then calls this constructor, and defines ``encode``, ``step``, ``forward`` and
    ``backward``.

    Parameters
    ----------
    layers : list of Layer
        In the order of the model's weights.
    config : dict
        The subclass' constructor arguments but ``rng`` and ``dtype``; the model is saved and made again by them.

    Attributes
    ----------
    history : History
        Of the last ``fit``.
    """

    def __init__(self, layers: Sequence[Layer], config: dict[str, Any]):
        super().__init__(layers, SoftmaxCrossEntropy())
        self._config = config

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._config.items())})"

    # --- checks ---
    @staticmethod
    def _checked_source(source, source_mask):
        """A source and its mask that can be encoded, or an error in words."""
        if isinstance(source, Pairs):
            raise TypeError(
                "Takes source ids (batch, source time), but got Pairs. Write pairs.source, pairs.source_mask."
            )
        source = np.asarray(source)
        if source.ndim != 2 or source.size == 0:
            raise ValueError(
                f"Takes source ids of shape (batch, source time), at least one row and one step, but got shape "
                f"{source.shape}. One sequence alone? Write np.array(ids)[None]. sequences.pad joins several."
            )
        if source_mask is not None:
            source_mask = np.asarray(source_mask)
            if source_mask.shape != source.shape or source_mask.dtype != bool:
                raise ValueError(
                    f"The mask of a source of shape {source.shape} holds as many booleans, True at real steps, but "
                    f"got {source_mask.dtype} of shape {source_mask.shape}. sequences.pad returns such a mask."
                )
            if not source_mask.any(axis=1).all():
                row = int(source_mask.any(axis=1).argmin())
                raise ValueError(
                    f"The mask leaves row {row} without a real step, so there is nothing to encode. Is that source "
                    f"empty, or the mask inverted? True means a real step."
                )
        return source, source_mask

    @staticmethod
    def _checked_state(state):
        if state is None:
            raise ValueError(
                "A sequence-to-sequence model decodes from an encoded source, but got no state: pass "
                "model.encode(source, source_mask) as the state, after the prompt."
            )
        return state

    # --- training, by Model's own loop ---
    def fit(
        self,
        pairs: Pairs | Callable[[], Iterable[Pairs]],
        *,
        batch_size: int = 32,
        rng: np.random.Generator | None = None,
        steps: int | None = None,
        validation_data: Pairs | None = None,
        **options: Any,
    ) -> History:
        """Train with teacher forcing, and keep a history, as :meth:`Model.fit` does.

        Parameters
        ----------
        pairs : Pairs, or callable
            Pairs are shuffled and cut into batches each epoch. A callable takes nothing and returns a new iterable of
            Pairs, the batches of one epoch.
        batch_size : int
            For Pairs.
        rng : numpy.random.Generator
            Shuffles Pairs; needed for them.
        steps : int, optional
            For a callable: number of batches an epoch.
        validation_data : Pairs, optional
            Evaluated after each epoch.
        **options
            ``optimizer`` and the other options of :meth:`Model.fit`.

        Returns
        -------
        History
            What was measured after each epoch.

        Raises
        ------
        TypeError, ValueError
            If the data are no Pairs, or an option is missing.
        """
        if validation_data is not None:
            self._checked_pairs(validation_data, "validation_data")
        if callable(pairs):
            epoch_pairs = pairs
            if rng is not None:
                raise ValueError("A callable brings batches in its own order, but got rng beside it. Leave rng out.")
        else:
            self._checked_pairs(pairs, "fit")
            if rng is None:
                raise ValueError("fit shuffles the pairs, so it needs a source of randomness: pass rng=rng.")
            if steps is not None:
                raise ValueError(f"steps is for a callable, but got steps={steps} with Pairs. Pass fewer of them.")
            steps = -(-len(pairs) // batch_size)

            def epoch_pairs():
                return pairs.batches(batch_size, rng)

        return super().fit(
            lambda: ((batch, batch.target_out, batch.target_mask) for batch in epoch_pairs()),
            steps=steps,
            validation_data=None if validation_data is None else (validation_data,),
            **options,
        )

    @staticmethod
    def _check_validation_data(validation_data):
        """Checked by :meth:`fit` already."""

    @staticmethod
    def _counting(outputs, mask):
        return mask

    @staticmethod
    def _checked_pairs(pairs, where):
        if not isinstance(pairs, Pairs):
            raise TypeError(
                f"{where} takes Pairs, but got a {type(pairs).__name__}. seq2seq.teacher_forcing(sources, targets, "
                f"start, stop) makes them."
            )
        if len(pairs) == 0:
            raise ValueError(f"{where} needs at least one pair, but got none. Is a list of sources empty?")
        return pairs

    def evaluate(self, pairs: Pairs, batch_size: int = 256, return_dict: bool = False) -> float | dict[str, float]:
        """The loss under teacher forcing in nats: the mean over all real target symbols, stop symbols included.

        Parameters
        ----------
        pairs : Pairs
            Sources and targets.
        batch_size : int
            Rows computed at once; it does not change the result.
        return_dict : bool
            Whether to return the loss by name.

        Returns
        -------
        float or dict of str to float
            The loss, or all metrics by name.
        """
        self._checked_pairs(pairs, "evaluate")
        total = 0.0
        for start in range(0, len(pairs), batch_size):
            some = pairs[start : start + batch_size]
            total += some.target_mask.sum() * self.loss.forward(self.forward(some), some.target_out, some.target_mask)
        loss = float(total / pairs.target_mask.sum())
        return {"loss": loss} if return_dict else loss

    def predict(
        self,
        source: ArrayLike,
        source_mask: np.ndarray | None = None,
        *,
        start: int,
        stop: int,
        max_length: int,
        batch_size: int = 256,
    ) -> list[np.ndarray]:
        """Greedy decoding: for each source the target, each symbol the likeliest after those before it.

        For the scores under teacher forcing call ``forward(pairs)``; for sampling or beam search pass ``step`` and
        ``encode`` to the functions of :mod:`course_lib.generation`.

        Parameters
        ----------
        source : (count, source time) whole numbers
            Symbols of each source, padded at the end.
        source_mask : (count, source time) of bool, optional
            True at real steps.
        start, stop : int
            Symbols of the target's vocabulary that begin and end it.
        max_length : int
            At most so many symbols, the stop symbol included.
        batch_size : int
            Rows decoded side by side.

        Returns
        -------
        list of (length,) arrays
            The ids of each target, without start and stop symbol.

        Raises
        ------
        ValueError, TypeError
            If the source, its mask or ``max_length`` cannot be right.
        """
        source, source_mask = self._checked_source(source, source_mask)
        decoded = []
        for first in range(0, len(source), batch_size):
            rows = slice(first, first + batch_size)
            state = self.encode(source[rows], None if source_mask is None else source_mask[rows])
            prompt = np.full((len(source[rows]), 1), start)
            decoded += greedy(self.step, prompt, state, max_length=max_length, stop=stop).symbols
        return decoded

    # --- saving, by Model.save and Model.load ---
    def config(self) -> dict[str, Any]:
        """The constructor's arguments but ``rng`` and ``dtype``."""
        return dict(self._config)

    @classmethod
    def from_config(
        cls, config: dict[str, Any], *, rng: np.random.Generator, dtype: DTypeLike = np.float32
    ) -> SequenceToSequence:
        """A new model.

        Parameters
        ----------
        config : dict
            As :meth:`config` returned it.
        rng : numpy.random.Generator
            Source of the draws.
        dtype : numpy dtype
            Of weights and outputs.

        Returns
        -------
        SequenceToSequence
            With new weights.
        """
        return cls(**config, rng=rng, dtype=dtype)


def scheduled_sampling(
    model: SequenceToSequence, pairs: Pairs, teacher_forcing_ratio: float, rng: np.random.Generator
) -> Pairs:
    """The same pairs with some of ``target_in`` replaced by the model's own samples.

    Step by step, each input symbol is the true one with probability ``teacher_forcing_ratio``, otherwise one drawn from
    the model's own distribution after its inputs so far. No gradient flows through the draw.

    Parameters
    ----------
    model : SequenceToSequence
        The model.
    pairs : Pairs
        Sources and targets.
    teacher_forcing_ratio : float
        In [0, 1], the paper's ε: 1 is teacher forcing, 0 is free running. Lower it while training goes on.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    Pairs
        As arrays, padded at the end.

    References
    ----------
    Bengio et al. 2015, Scheduled sampling for sequence prediction with recurrent neural networks, section 2.4.
    """
    if not 0 <= teacher_forcing_ratio <= 1:
        raise ValueError(
            f"teacher_forcing_ratio is the probability of feeding the true symbol, from 0 to 1, but got "
            f"{teacher_forcing_ratio}."
        )
    target_in, state = pairs.target_in.copy(), model.encode(pairs.source, pairs.source_mask)
    for t in range(target_in.shape[1] - 1):
        log_p, state = model.step(target_in[:, t], state)
        cumulative = np.exp(log_p).cumsum(axis=1)
        own = (cumulative <= rng.random((len(log_p), 1)) * cumulative[:, -1:]).sum(axis=1)
        replaced = (rng.random(len(own)) >= teacher_forcing_ratio) & pairs.target_mask[:, t + 1]
        target_in[:, t + 1] = np.where(replaced, own, target_in[:, t + 1])
    return Pairs(pairs.source, pairs.source_mask, target_in, pairs.target_out, pairs.target_mask)
