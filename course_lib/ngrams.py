"""Tables of counts: the n-gram, and the exact figures that it is held against.

A table has two ways to miss the best possible prediction. Its memory of n - 1 symbols may be too short:
:func:`ngram_floor_bits` is what it would score after an endless text. Or the text it has read is too short for so many
rows: the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from course_lib import tasks
from course_lib.tasks import Automaton

_LARGEST_CODE = 2**62  # a run of symbols is kept as one whole number, which has to fit into 63 bits


# ---------------------------------------------------------------------------------------------------------------------
# The table
# ---------------------------------------------------------------------------------------------------------------------
class NGram:
    """A table with a row of counts for each run of n - 1 symbols, of which symbol followed it how often.

    Pseudocounts are added to every row, so that no symbol is ever impossible: P(next | run) = (count + m q) /
    (row's count + m), where m is their number and q the share of this symbol. They are spread evenly, q = 1/V, or, if
    the table is interpolated, as the table of runs one shorter says.

    Parameters
    ----------
    n : int
        1 counts single symbols, 2 pairs, 3 triples.
    size : int
        V, the number of symbols.
    pseudocount : float
        m, above 0: how many symbols are added to each row.
    interpolated : bool
        Spread them as the (n-1)-gram says (which is interpolated with the (n-2)-gram, and so on down to even).

    Raises
    ------
    ValueError
        If n or size is below 1, the pseudocount is not above 0, or there are too many possible runs.
    """

    def __init__(self, n: int, size: int, pseudocount: float = 1.0, interpolated: bool = False):
        if n < 1 or size < 1:
            raise ValueError(f"An n-gram has n of at least 1 and at least 1 symbol, but got n = {n} and size = {size}.")
        if not pseudocount > 0:
            raise ValueError(
                f"Expected a pseudocount above 0, but got {pseudocount}. Without one, what was never read would be "
                f"impossible and cost infinitely many bits."
            )
        if size**n > _LARGEST_CODE:
            raise ValueError(
                f"There are {size}^{n} runs of {n} symbols, too many to give each a whole number of 63 "
                f"bits. Take a smaller n."
            )
        self.n, self.size, self.pseudocount = n, size, pseudocount
        self.shorter = NGram(n - 1, size, pseudocount, interpolated=True) if interpolated and n > 1 else None
        self._runs = self._run_counts = self._contexts = self._context_counts = None

    def read(self, ids: np.ndarray) -> NGram:
        """Count the runs of a text, or of each row of a batch of texts.

        Parameters
        ----------
        ids : (time,) or (batch, time) whole numbers
            From 0 to size - 1, at least n of them in a row. Runs do not cross from one row to the next.

        Returns
        -------
        NGram
            Itself.
        """
        codes = self._codes(ids)
        self._runs, self._run_counts = np.unique(codes, return_counts=True)
        self._contexts, self._context_counts = np.unique(codes // self.size, return_counts=True)
        if self.shorter:
            self.shorter.read(ids)
        return self

    def surprisal(self, ids: np.ndarray) -> np.ndarray:
        """-log₂ p of each symbol that has n - 1 symbols before it.

        Parameters
        ----------
        ids : (time,) or (batch, time) whole numbers
            From 0 to size - 1.

        Returns
        -------
        (time - n + 1,) or (batch, time - n + 1) array
            Bits. The first n - 1 symbols have no whole run before them and are left out.
        """
        return -np.log2(self._probability(ids))

    def predict(self, before: Sequence[int]) -> np.ndarray:
        """The distribution of the symbol that follows.

        Parameters
        ----------
        before : sequence of whole numbers
            At least n - 1; the last n - 1 count.

        Returns
        -------
        (size,) array
            The probability of each symbol.
        """
        if len(before) < self.n - 1:
            raise ValueError(f"A {self.n}-gram needs {self.n - 1} symbols before the next, but got {len(before)}.")
        tail = np.asarray(before, np.int64)[len(before) - self.n + 1 :]
        endings = np.hstack([np.tile(tail, (self.size, 1)), np.arange(self.size)[:, None]])
        return self._probability(endings)[:, 0]

    @property
    def rows(self) -> int:
        """How many different runs of n - 1 symbols have been read, each with a row of its own."""
        self._need_text()
        return len(self._contexts)

    def _need_text(self):
        if self._runs is None:
            raise RuntimeError("This table has read nothing yet. Call read(ids) first.")

    def _codes(self, ids):
        """Each run of n symbols as one whole number, first symbol first."""
        ids = np.asarray(ids)
        if not np.issubdtype(ids.dtype, np.integer) or ids.ndim not in (1, 2) or ids.shape[-1] < self.n:
            raise ValueError(
                f"A {self.n}-gram reads ids of shape (time,) or (batch, time), whole numbers with at "
                f"least {self.n} in a row, but got an array of {ids.dtype} and shape {ids.shape}."
            )
        if ids.min() < 0 or ids.max() >= self.size:
            raise ValueError(
                f"This table knows the ids 0 to {self.size - 1}, but got ids from {ids.min()} to {ids.max()}. "
                f"Were they made with another vocabulary?"
            )
        length = ids.shape[-1] - self.n + 1
        codes = np.zeros((*ids.shape[:-1], length), np.int64)
        for step in range(self.n):
            codes = codes * self.size + ids[..., step : step + length]
        return codes

    def _probability(self, ids):
        self._need_text()
        codes = self._codes(ids)
        share = self.shorter._probability(ids)[..., -codes.shape[-1] :] if self.shorter else 1 / self.size
        return (_looked_up(self._runs, self._run_counts, codes) + self.pseudocount * share) / (
            _looked_up(self._contexts, self._context_counts, codes // self.size) + self.pseudocount
        )


def _looked_up(known, counts, codes):
    """The count of each code, 0 for those not among the sorted ``known`` ones."""
    place = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    return np.where(known[place] == codes, counts[place], 0)


# ---------------------------------------------------------------------------------------------------------------------
# Sources, and what can be said about them exactly
# ---------------------------------------------------------------------------------------------------------------------
def end_to_end(grammar: Automaton) -> Automaton:
    """A grammar whose strings end, as a source that never does: each string is followed by the next, without a gap.

    Parameters
    ----------
    grammar : Automaton
        With strings that end.

    Returns
    -------
    Automaton
        Endless; its ``entropy_rate()`` is the entropy of a string over its mean length.

    Raises
    ------
    ValueError
        If the strings do not end.
    """
    if grammar.endless:
        raise ValueError("This source never ends a string, so its text is end to end already.")
    first = grammar.states[grammar._start]
    going_on = {s for s, legal in zip(grammar.states, (grammar.probability > 0).any(axis=1), strict=True) if legal}
    arcs = {}
    for row, state in enumerate(grammar.states):
        if state in going_on:
            arcs[state] = {}
            for column in np.flatnonzero(grammar.probability[row]):
                target = grammar.states[grammar.next_state[row, column]]
                arcs[state][grammar.symbols[column]] = (
                    float(grammar.probability[row, column]),
                    target if target in going_on else first,
                )
    return Automaton(arcs, first, grammar.symbols)


def xor_source() -> Automaton:
    """Temporal XOR as a source: two coins, then 1 if they differ, on and on without gaps.

    Returns
    -------
    Automaton
        Endless, symbols "01". Its entropy rate is 2/3 bit: two coins for three symbols.

    References
    ----------
    Elman 1990, Finding structure in time, section "Exclusive-OR".
    """
    arcs = {"": {"0": (0.5, "0"), "1": (0.5, "1")}}
    for first in "01":
        arcs[first] = {second: (0.5, first + second) for second in "01"}
        arcs |= {first + second: {"01"[first != second]: (1.0, "")} for second in "01"}
    return Automaton(arcs, "", "01")


def floor_bits(source: Automaton) -> float:
    """Bits a symbol of the best possible predictor of an endless source, which remembers everything.

    Parameters
    ----------
    source : Automaton
        Endless.

    Returns
    -------
    float
        Its entropy rate in bits.
    """
    return source.entropy_rate() / np.log(2)


def true_surprisal(source: Automaton, text: str) -> np.ndarray:
    """-log₂ P of each symbol of a text, to somebody who knows the source and where the text began.

    Parameters
    ----------
    source : Automaton
        What the text was drawn from.
    text : str
        From the start of the source.

    Returns
    -------
    (len(text),) array
        Bits. Their mean is the realised floor of this text.
    """
    rows = source._legal_walk(text)
    columns = [source._column[symbol] for symbol in text]
    return -np.log2(source.probability[rows[:-1], columns])


def ngram_floor_bits(source: Automaton, n: int) -> float:
    """Bits a symbol of the best possible predictor that sees only the last n - 1 symbols.

    It is the entropy of runs of n symbols minus that of runs of n - 1, taken over all runs of an endless source in its
    settled state: what a table of n-grams would score after an endless text.

    Parameters
    ----------
    source : Automaton
        Endless. All its runs of n symbols are gone through, so n has to be small.
    n : int
        At least 1.

    Returns
    -------
    float
        Never below :func:`floor_bits`.
    """
    if n < 1:
        raise ValueError(f"An n-gram has n of at least 1, but got {n}.")
    entropies = [0.0, 0.0]  # of runs of n - 1 and of n symbols
    steps = [np.zeros((len(source.states), len(source.states))) for _ in source.symbols]
    for step, p, target in zip(steps, source.probability.T, source.next_state.T, strict=True):
        legal = p > 0
        step[legal, target[legal]] = p[legal]
    beliefs = source.stationary()[None]  # a row for each run so far: P(run, state after it)
    for _ in range(n):
        beliefs = np.concatenate([beliefs @ step for step in steps])
        beliefs = beliefs[beliefs.sum(axis=1) > 0]
        p = beliefs.sum(axis=1)
        entropies = [entropies[1], float(-(p * np.log2(p)).sum())]
    return entropies[1] - entropies[0]


@cache
def languages() -> dict[str, Automaton]:
    """Six generated languages with known floors, by name, none of which ever ends.

    Returns
    -------
    dict of str to Automaton
        "Markov" (6 symbols, memory of 2), "Reber" and "embedded Reber" (string after string), "temporal XOR",
        "brackets" (and quotes), "Elman's words" (without gaps).
    """
    transitions = tasks.random_transitions(6, 2, np.random.default_rng(2))
    return {
        "Markov": tasks.markov_language(transitions, "abcdef"),
        "Reber": end_to_end(tasks.reber),
        "embedded Reber": end_to_end(tasks.embedded_reber),
        "temporal XOR": xor_source(),
        "brackets": tasks.brackets_source(),
        "Elman's words": tasks.lexicon_source(tasks.ELMAN_WORDS),
    }
