"""Sources of symbols whose best possible prediction is known: unifilar automata, and their strings as arrays."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from course_lib.sequences import Vocabulary, one_hot, pad


class Automaton:
    """A source of symbols: a state, and arcs that each emit one symbol and lead to the next state.

    From one state no two arcs emit the same symbol, so whoever reads the symbols knows the state (such automata are
    called unifilar), and whoever knows the state knows all that the past says about the future. That is why the best
    possible prediction can be written down.

    Parameters
    ----------
    arcs : dict of state to dict of symbol to (probability, next state)
        States are any hashable values, symbols are single characters. A state without arcs ends the string.
    start : state
        Name of the state in which a string begins.
    symbols : str, optional
        The alphabet in the order wanted for arrays; by default sorted.

    Attributes
    ----------
    states : list
        In the order of the rows of the tables.
    symbols : str
    probability : (states, symbols) array
        Probability of each symbol in each state.
    next_state : (states, symbols) array of int
        Row of the state that follows, -1 where the symbol is not legal.

    Raises
    ------
    ValueError
        If a state's probabilities are not above 0 or do not sum to 1, or an arc leads nowhere.

    Examples
    --------
    >>> coin = Automaton({"toss": {"h": (0.5, "toss"), "t": (0.5, "toss")}}, start="toss")
    >>> coin.sample(np.random.default_rng(0), length=5)
    'thhht'
    >>> coin.predict("th")
    {'h': 0.5, 't': 0.5}
    """

    def __init__(
        self, arcs: Mapping[Hashable, Mapping[str, tuple[float, Hashable]]], start: Hashable, symbols: str | None = None
    ):
        self.states = list(arcs)
        self.symbols = symbols or "".join(sorted({symbol for out in arcs.values() for symbol in out}))
        row = {state: i for i, state in enumerate(self.states)}
        column = {symbol: j for j, symbol in enumerate(self.symbols)}
        self.probability = np.zeros((len(row), len(column)))
        self.next_state = np.full((len(row), len(column)), -1)
        for state, out in arcs.items():
            total = sum(p for p, _ in out.values())
            if out and (abs(total - 1) > 1e-9 or min(p for p, _ in out.values()) <= 0):
                raise ValueError(
                    f"The probabilities of the arcs from a state are above 0 and sum to 1, but got "
                    f"{[p for p, _ in out.values()]} for those from {state!r}. Leave impossible arcs out."
                )
            for symbol, (p, target) in out.items():
                if target not in row:
                    raise ValueError(
                        f"From state {state!r} the symbol {symbol!r} leads to {target!r}, which is not a "
                        f"state. A state that ends the string needs an entry too: {target!r}: {{}}."
                    )
                self.probability[row[state], column[symbol]] = p
                self.next_state[row[state], column[symbol]] = row[target]
        self._start, self._column = row[start], column
        # For drawing one symbol at a time plain lists are faster than arrays.
        self._cumulative = [np.cumsum(p[p > 0]).tolist()[:-1] for p in self.probability]
        self._choices = [
            [(self.symbols[j], int(self.next_state[i, j])) for j in np.flatnonzero(p)]
            for i, p in enumerate(self.probability)
        ]

    # --- strings ---
    def sample(self, rng: np.random.Generator, length: int | None = None) -> str:
        """Draw a string.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of the draws.
        length : int, optional
            Stop after so many symbols. Needed if the source never ends a string by itself.

        Returns
        -------
        str
            One string, or as many symbols as asked for.

        Raises
        ------
        ValueError
            If no length is given and the source never ends a string.
        """
        if length is None and self.endless:
            raise ValueError(
                "This source never ends a string by itself: say how many symbols to draw, sample(rng, length=1000)."
            )
        row, drawn = self._start, []
        while self._choices[row] and len(drawn) != length:
            symbol, row = self._choices[row][bisect(self._cumulative[row], rng.random())]
            drawn.append(symbol)
        return "".join(drawn)

    def _walk(self, string: str) -> list[int]:
        """Rows of the states passed, the start included; ends early, with -1, at the first illegal symbol."""
        rows = [self._start]
        for symbol in string:
            column = self._column.get(symbol)
            rows.append(-1 if column is None else int(self.next_state[rows[-1], column]))
            if rows[-1] == -1:
                break
        return rows

    def _legal_walk(self, string: str) -> list[int]:
        """As :meth:`_walk`, but an illegal symbol is an error."""
        rows = self._walk(string)
        if rows[-1] == -1:
            at = len(rows) - 2
            legal = " ".join(sorted(self.legal(string[:at]))) or "nothing, the string had ended"
            raise ValueError(
                f"This source does not produce {string!r}: {string[at]!r} at position {at} is not legal "
                f"there. Legal: {legal}."
            )
        return rows

    def path(self, string: str) -> list[Any]:
        """The states passed while reading a string.

        Parameters
        ----------
        string : str
            A whole string or the beginning of one.

        Returns
        -------
        list of len(string) + 1 states
            The start, then the state after each symbol.

        Raises
        ------
        ValueError
            If the source cannot have produced the string; the message gives the first position where it shows.
        """
        return [self.states[row] for row in self._legal_walk(string)]

    def predict(self, prefix: str) -> dict[str, float]:
        """The exact distribution of the next symbol.

        Parameters
        ----------
        prefix : str
            The symbols so far.

        Returns
        -------
        dict of str to float
            Probability of each symbol that may follow; empty if the string has ended or the prefix is not legal.
        """
        row = self._walk(prefix)[-1]
        if row == -1:
            return {}
        return {self.symbols[j]: float(self.probability[row, j]) for j in np.flatnonzero(self.probability[row])}

    def legal(self, prefix: str) -> set[str]:
        """The symbols that may follow.

        Parameters
        ----------
        prefix : str
            The symbols so far.

        Returns
        -------
        set of str
            Empty if the string has ended or the prefix is not legal.
        """
        return set(self.predict(prefix))

    def accepts(self, string: str) -> bool:
        """Whether this is a whole string of the source.

        Parameters
        ----------
        string : str
            Symbol after symbol.

        Returns
        -------
        bool
            True if it is legal from first to last symbol, and ends where the source ends one.
        """
        row = self._walk(string)[-1]
        return row != -1 and not self._choices[row]

    def nll(self, strings: Sequence[str]) -> np.ndarray:
        """-ln P(string) for each string: the loss of a predictor that knows the source.

        Parameters
        ----------
        strings : list of str
            Whole strings or beginnings of strings.

        Returns
        -------
        (len(strings),) array
            Nats, summed over each string; inf where a string is not legal. Divide the sum over all strings by the
            number of all symbols predicted for the realised floor of a test set.

        Raises
        ------
        TypeError
            If one string is passed in place of a list.
        """
        if isinstance(strings, str):
            raise TypeError("nll takes a list of strings, but got one string. Write nll([string]).")
        total = np.zeros(len(strings))
        for i, string in enumerate(strings):
            rows = self._walk(string)
            if rows[-1] == -1:
                total[i] = np.inf
            else:
                total[i] = -np.log(self.probability[rows[:-1], [self._column[s] for s in string]]).sum()
        return total

    # --- exact averages ---
    @property
    def endless(self) -> bool:
        """True if no state ends the string."""
        return all(self._choices)

    def _transitions(self) -> np.ndarray:
        """P (states, states): the probability of going from one state to another in one step."""
        transitions = np.zeros((len(self.states), len(self.states)))
        rows, columns = np.nonzero(self.probability)
        np.add.at(transitions, (rows, self.next_state[rows, columns]), self.probability[rows, columns])
        return transitions

    def _state_entropies(self) -> np.ndarray:
        """h_s = -Σ p ln p of the next symbol in each state, nats."""
        p = self.probability
        return -(p * np.log(p, out=np.zeros_like(p), where=p > 0)).sum(axis=1)

    def visits(self) -> np.ndarray:
        """v_s, how often a string passes through each state on average.

        From the start e₀ a string is in state s after n steps with probability (e₀ᵀ Qⁿ)_s, where Q leads among the
        states that do not end it; summed over all n this is v = e₀ᵀ (I - Q)⁻¹.

        Returns
        -------
        (states,) array
            0 for states that end the string.

        Raises
        ------
        ValueError
            If strings have no end; use :meth:`stationary`.
        """
        if self.endless:
            raise ValueError(
                "This source never ends a string, so a state is visited without limit. Use stationary() "
                "and entropy_rate()."
            )
        going_on = np.array([bool(choices) for choices in self._choices])
        q = self._transitions()[np.ix_(going_on, going_on)]
        e0 = np.eye(len(self.states))[self._start][going_on]
        v = np.zeros(len(self.states))
        v[going_on] = np.linalg.solve((np.eye(len(q)) - q).T, e0)
        return v

    def mean_length(self) -> float:
        """Symbols in a string on average: Σ v_s."""
        return float(self.visits().sum())

    def entropy(self) -> float:
        """Nats in a string on average, Σ v_s h_s: no predictor's summed loss over a string is lower on average."""
        return float(self.visits() @ self._state_entropies())

    def stationary(self) -> np.ndarray:
        """π, the share of time an endless source spends in each state: πᵀ P = πᵀ, Σ π_s = 1.

        Returns
        -------
        (states,) array
            Their sum is 1.

        Raises
        ------
        ValueError
            If the source ends its strings; use :meth:`visits`.
        """
        if not self.endless:
            raise ValueError("This source ends its strings, so it settles nowhere. Use visits() and entropy().")
        size = len(self.states)
        equations = np.vstack([self._transitions().T - np.eye(size), np.ones(size)])
        return np.linalg.lstsq(equations, np.eye(size + 1)[-1], rcond=None)[0]

    def entropy_rate(self) -> float:
        """Nats in a symbol of an endless source, Σ π_s h_s: the floor of the mean loss."""
        return float(self.stationary() @ self._state_entropies())


class GrammarBatch(NamedTuple):
    """Strings as arrays for next-symbol prediction; see :func:`grammar_batch`.

    Attributes
    ----------
    inputs, targets : array
        The one-hot symbols of each string but the last, and the id of each one's successor.
    mask : (count, time) array of bool
        False in the padding.
    legal : (count, time, symbols) array of bool
        Which symbols may follow.
    """

    inputs: np.ndarray
    targets: np.ndarray
    mask: np.ndarray
    legal: np.ndarray


def grammar_batch(grammar: Automaton, strings: Sequence[str]) -> GrammarBatch:
    """Strings of a grammar as arrays for next-symbol prediction, padded at the end.

    Parameters
    ----------
    grammar : Automaton
        What the strings come from.
    strings : list of str
        Legal strings of at least two symbols.

    Returns
    -------
    inputs : (count, time, symbols) float32
        Symbols 0 to n-2 of each string, one-hot in the order of ``grammar.symbols``; zeros in the padding.
    targets : (count, time) int64
        Ids of symbols 1 to n-1; 0 in the padding.
    mask : (count, time) of bool
        True where there is something to predict.
    legal : (count, time, symbols) of bool
        Which symbols may come next; False in the padding.

    Raises
    ------
    ValueError
        If a string is not legal or too short.
    """
    if min(map(len, strings), default=0) < 2:
        raise ValueError(
            "Next-symbol prediction needs strings of at least two symbols, one to read and one to "
            "predict, but got a shorter one, or none at all."
        )
    vocabulary = Vocabulary(grammar.symbols)
    rows, mask = pad([grammar._legal_walk(string)[1:-1] for string in strings])  # states where a symbol is predicted
    ids, _ = pad([vocabulary.encode(string) for string in strings])
    inputs = one_hot(ids[:, :-1], len(vocabulary)) * mask[..., None]
    legal = (grammar.probability[rows] > 0) & mask[..., None]
    return GrammarBatch(inputs, ids[:, 1:], mask, legal)
