"""Strings with an exact optimum: unifilar automata, Reber's grammars, Markov languages, brackets, Elman's words."""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from fractions import Fraction
from string import ascii_lowercase
from typing import NamedTuple

import numpy as np

from course_lib.sequences import Vocabulary, one_hot, pad
from course_lib.tasks.checks import _at_least


# ---------------------------------------------------------------------------------------------------------------------
# Sources of strings: unifilar automata
# ---------------------------------------------------------------------------------------------------------------------
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
    """

    def __init__(self, arcs, start, symbols=None):
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
                    f"The probabilities of the arcs from a state are above 0 and sum to 1, but those from "
                    f"{state!r} are {[p for p, _ in out.values()]}. Leave impossible arcs out."
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
    def sample(self, rng, length=None):
        """Draw a string.

        Parameters
        ----------
        rng : numpy.random.Generator
        length : int, optional
            Stop after so many symbols. Needed if the source never ends a string by itself.

        Returns
        -------
        str
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

    def _walk(self, string):
        """Rows of the states passed, the start included; ends early, with -1, at the first illegal symbol."""
        rows = [self._start]
        for symbol in string:
            column = self._column.get(symbol)
            rows.append(-1 if column is None else int(self.next_state[rows[-1], column]))
            if rows[-1] == -1:
                break
        return rows

    def _legal_walk(self, string):
        rows = self._walk(string)
        if rows[-1] == -1:
            at = len(rows) - 2
            legal = " ".join(sorted(self.legal(string[:at]))) or "nothing, the string had ended"
            raise ValueError(
                f"This source does not produce {string!r}: {string[at]!r} at position {at} is not legal "
                f"there. Legal: {legal}."
            )
        return rows

    def path(self, string):
        """The states passed while reading a string.

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

    def predict(self, prefix):
        """The exact distribution of the next symbol.

        Returns
        -------
        dict of str to float
            Probability of each symbol that may follow; empty if the string has ended or the prefix is not legal.
        """
        row = self._walk(prefix)[-1]
        if row == -1:
            return {}
        return {self.symbols[j]: float(self.probability[row, j]) for j in np.flatnonzero(self.probability[row])}

    def legal(self, prefix):
        """The set of symbols that may follow a prefix; empty if the string has ended or the prefix is not legal."""
        return set(self.predict(prefix))

    def accepts(self, string):
        """True for a whole string: legal from first to last symbol, and ended where the source ends one."""
        row = self._walk(string)[-1]
        return row != -1 and not self._choices[row]

    def nll(self, strings):
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
        """
        if isinstance(strings, str):
            raise TypeError("nll takes a list of strings, but one string came. Write nll([string]).")
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
    def endless(self):
        """True if no state ends the string."""
        return all(self._choices)

    def _transitions(self):
        """P (states, states): the probability of going from one state to another in one step."""
        transitions = np.zeros((len(self.states), len(self.states)))
        rows, columns = np.nonzero(self.probability)
        np.add.at(transitions, (rows, self.next_state[rows, columns]), self.probability[rows, columns])
        return transitions

    def _state_entropies(self):
        """h_s = -Σ p ln p of the next symbol in each state, nats."""
        p = self.probability
        return -(p * np.log(p, out=np.zeros_like(p), where=p > 0)).sum(axis=1)

    def visits(self):
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

    def mean_length(self):
        """Symbols in a string on average: Σ v_s."""
        return float(self.visits().sum())

    def entropy(self):
        """Nats in a string on average, Σ v_s h_s: no predictor's summed loss over a string is lower on average."""
        return float(self.visits() @ self._state_entropies())

    def stationary(self):
        """π, the share of time an endless source spends in each state: πᵀ P = πᵀ, Σ π_s = 1.

        Returns
        -------
        (states,) array
        """
        if not self.endless:
            raise ValueError("This source ends its strings, so it settles nowhere. Use visits() and entropy().")
        size = len(self.states)
        equations = np.vstack([self._transitions().T - np.eye(size), np.ones(size)])
        return np.linalg.lstsq(equations, np.eye(size + 1)[-1], rcond=None)[0]

    def entropy_rate(self):
        """Nats in a symbol of an endless source, Σ π_s h_s: the floor of the mean loss."""
        return float(self.stationary() @ self._state_entropies())


class GrammarBatch(NamedTuple):
    """Strings as arrays for next-symbol prediction; see :func:`grammar_batch`."""

    inputs: np.ndarray
    targets: np.ndarray
    mask: np.ndarray
    legal: np.ndarray


def grammar_batch(grammar, strings):
    """Strings of a grammar as arrays for next-symbol prediction, filled up at the end.

    Parameters
    ----------
    grammar : Automaton
    strings : list of str
        Legal strings of at least two symbols.

    Returns
    -------
    inputs : (count, time, symbols) float32
        Symbols 0 to n-2 of each string, one-hot in the order of ``grammar.symbols``; zeros in the filling.
    targets : (count, time) int64
        Ids of symbols 1 to n-1; 0 in the filling.
    mask : (count, time) of bool
        True where there is something to predict.
    legal : (count, time, symbols) of bool
        Which symbols may come next; False in the filling.

    Raises
    ------
    ValueError
        If a string is not legal or too short.
    """
    if min(map(len, strings), default=0) < 2:
        raise ValueError(
            "Next-symbol prediction needs strings of at least two symbols, one to read and one to "
            "predict, but a shorter one came, or none at all."
        )
    vocabulary = Vocabulary(grammar.symbols)
    rows, mask = pad([grammar._legal_walk(string)[1:-1] for string in strings])  # states where a symbol is predicted
    ids, _ = pad([vocabulary.encode(string) for string in strings])
    inputs = one_hot(ids[:, :-1], len(vocabulary)) * mask[..., None]
    legal = (grammar.probability[rows] > 0) & mask[..., None]
    return GrammarBatch(inputs, ids[:, 1:], mask, legal)


# ---------------------------------------------------------------------------------------------------------------------
# Words without gaps
# ---------------------------------------------------------------------------------------------------------------------
# The fourteen words of the passage in Elman's Fig. 6. The paper does not list its lexicon; the fifteenth word is ours.
ELMAN_WORDS = (
    "many",
    "years",
    "ago",
    "a",
    "boy",
    "and",
    "girl",
    "lived",
    "by",
    "the",
    "sea",
    "they",
    "played",
    "happily",
    "home",
)


class ElmanLetters(NamedTuple):
    """A text without gaps between its words; see :func:`elman_letters`."""

    letters: str
    onsets: np.ndarray
    codes: dict
    words: list


def elman_letters(sentences, rng):
    """Sentences of 4 to 9 words run together into one string of letters: where does a word begin?

    Elman used 200 sentences from a lexicon of 15 words. He calls the 5 bits of a letter a random vector; his Table 2
    shows the letter's place in the alphabet in binary (a is 00001, y is 11001), and so it is here. His sentence
    generator is not described; here each word is drawn on its own, all 15 alike.

    Parameters
    ----------
    sentences : int
    rng : numpy.random.Generator

    Returns
    -------
    letters : str
    onsets : (len(letters),) of bool
        True at the first letter of a word.
    codes : dict of str to (5,) float32
        The vector of each letter.
    words : list of str
        The words in order.

    References
    ----------
    Elman 1990, Finding structure in time, section "Discovering the notion 'word'", Table 2 and Fig. 6.
    """
    _at_least(1, sentences=sentences)
    count = int(rng.integers(4, 10, sentences).sum())
    words = [ELMAN_WORDS[i] for i in rng.integers(0, len(ELMAN_WORDS), count)]
    onsets = np.concatenate([np.arange(len(word)) == 0 for word in words])
    alphabet = sorted(set("".join(ELMAN_WORDS)))
    codes = {
        letter: np.array([int(bit) for bit in f"{ord(letter) - ord('a') + 1:05b}"], np.float32) for letter in alphabet
    }
    return ElmanLetters("".join(words), onsets, codes, words)


def lexicon_source(words):
    """The letters of equally likely words without gaps, as a source whose states are what a reader can know.

    A reader who knows the lexicon but sees no gaps may be in doubt where a word began: after "the" it may have ended,
    or become "they". A state is that doubt, the probability of each unfinished beginning of a word ("" between words).

    Parameters
    ----------
    words : sequence of str
        Different words.

    Returns
    -------
    Automaton
        Endless; ``entropy_rate()`` is the floor of the loss per letter, nats.

    Raises
    ------
    ValueError
        If a word is empty or comes twice, or if the doubt can go on for ever without a finite number of states.
    """
    if len(set(words)) < len(words) or not all(words):
        raise ValueError(f"The lexicon needs different words of at least one letter, but these came: {list(words)}.")
    start = frozenset({("", Fraction(1))})
    arcs, unexplored = {}, [start]
    while unexplored:
        belief = unexplored.pop()
        if belief in arcs:
            continue
        if len(arcs) == 1000:
            raise ValueError(
                "With this lexicon a reader's doubt about where words begin takes more than 1000 states. "
                "Avoid words that other words can be cut into."
            )
        joint = defaultdict(lambda: defaultdict(Fraction))  # letter -> beginning -> probability
        for beginning, weight in belief:
            open_words = [w for w in words if w.startswith(beginning) and w != beginning]
            for word in open_words:
                longer = word[: len(beginning) + 1]
                joint[longer[-1]]["" if longer == word else longer] += weight / len(open_words)
        arcs[belief] = {}
        for letter, beginnings in joint.items():
            probability = sum(beginnings.values())
            after = frozenset((beginning, weight / probability) for beginning, weight in beginnings.items())
            arcs[belief][letter] = (float(probability), after)
            unexplored.append(after)
    return Automaton(arcs, start)


def elman_letters_floor():
    """Nats per letter of the best predictor: ln 15 for each word, spread over its letters.

    Exact because the words can be told apart in the end: no string of letters has two readings.
    """
    return float(np.log(len(ELMAN_WORDS)) / np.mean([len(word) for word in ELMAN_WORDS]))


def elman_letters_floor_by_position():
    """Mean loss of the best predictor of a letter, by the letter's position in its word.

    High where a word begins, low inside it: this is why errors of prediction show the words.

    Returns
    -------
    (longest word,) array
        Nats; entry 0 is the first letter of a word.
    """
    source = lexicon_source(ELMAN_WORDS)
    columns = [[source.symbols.index(letter) for letter in word] for word in ELMAN_WORDS]
    size, longest = len(source.states), max(map(len, ELMAN_WORDS))
    counts = np.array([sum(len(word) > k for word in ELMAN_WORDS) for k in range(longest)])
    per_position = np.zeros((size, longest))  # from each state in which a word may begin
    word_to_word = np.zeros((size, size))
    for begun in range(size):
        if not any(beginning == "" for beginning, _ in source.states[begun]):
            continue
        for word in columns:
            row = begun
            for k, column in enumerate(word):
                per_position[begun, k] -= np.log(source.probability[row, column])
                row = source.next_state[row, column]
            word_to_word[begun, row] += 1 / len(columns)
    share = np.eye(size)[0]  # of words that begin in each state; settles within a few words
    for _ in range(200):
        share = share @ word_to_word
    return share @ per_position / counts


# ---------------------------------------------------------------------------------------------------------------------
# Reber's grammar
# ---------------------------------------------------------------------------------------------------------------------
REBER_SYMBOLS = "BTPSXVE"

# state: {symbol: next state}, all arcs of a state equally likely
_REBER_ARCS = {
    0: {"B": 1},
    1: {"T": 2, "P": 3},
    2: {"S": 2, "X": 4},
    3: {"T": 3, "V": 5},
    4: {"X": 3, "S": 6},
    5: {"P": 4, "V": 6},
    6: {"E": 7},
    7: {},
}


def _equally_likely(arcs):
    return {state: {symbol: (1 / len(out), target) for symbol, target in out.items()} for state, out in arcs.items()}


def _embedded_reber_arcs():
    """B, then T or P, then a whole Reber string, then the same T or P again, then E."""
    arcs = {"start": {"B": "choice"}, "choice": {"T": ("T", 0), "P": ("P", 0)}}
    for kept in "TP":
        for state, out in _REBER_ARCS.items():
            arcs[kept, state] = {symbol: (kept, target) for symbol, target in out.items()}
        arcs[kept, 7] = {kept: "last"}
    return arcs | {"last": {"E": "end"}, "end": {}}


reber = Automaton(_equally_likely(_REBER_ARCS), 0, REBER_SYMBOLS)
"""Reber's grammar: strings such as BTSSXXTVVE, 8 symbols and 6 bits on average."""

embedded_reber = Automaton(_equally_likely(_embedded_reber_arcs()), "start", REBER_SYMBOLS)
"""The embedded grammar: strings such as BT BTSSXXTVVE TE (without the gaps), 12 symbols and 7 bits on average. The last
but one symbol repeats the second, however long the string between them."""


def reber_batch(count, rng, embedded=True):
    """Strings of Reber's grammar as arrays for next-symbol prediction.

    Parameters
    ----------
    count : int
    rng : numpy.random.Generator
    embedded : bool

    Returns
    -------
    GrammarBatch
        inputs (count, time, 7), targets, mask (count, time), legal (count, time, 7), symbols in the order of
        REBER_SYMBOLS; see :func:`grammar_batch`. In the embedded grammar the prediction that needs a long memory, the
        last but one symbol, is the target at step ``mask.sum(axis=1) - 2``.

    References
    ----------
    Named after Reber 1967, Implicit learning of artificial grammars, Journal of Verbal Learning and Verbal Behavior
    6(6):855-863; the embedded one is the task of Hochreiter and Schmidhuber 1997, Long short-term memory, Table 1.
    """
    _at_least(1, count=count)
    grammar = embedded_reber if embedded else reber
    return grammar_batch(grammar, [grammar.sample(rng) for _ in range(count)])


def reber_pairs(count, rng, steps=12):
    """Beginnings of embedded Reber strings, twice: with T and with P in second place.

    Parameters
    ----------
    count : int
    rng : numpy.random.Generator
    steps : int
        Letters of each; the maze begins with the third. Strings whose maze ends earlier are passed over.

    Returns
    -------
    (2, count, steps, 7) float32
        One-hot, in the order of :data:`REBER_SYMBOLS`.
    """
    _at_least(1, count=count)
    _at_least(3, steps=steps)
    rows = []
    while len(rows) < count:
        string = embedded_reber.sample(rng)
        if len(string) >= steps + 2:
            rows.append([REBER_SYMBOLS.index(letter) for letter in string[:steps]])
    pairs = one_hot(np.array([rows, rows]), len(REBER_SYMBOLS))
    for one_of_each, letter in zip(pairs, "TP", strict=True):
        one_of_each[:, 1] = one_hot(REBER_SYMBOLS.index(letter), len(REBER_SYMBOLS))
    return pairs


def reber_floor(embedded=True, first_given=True):
    """Nats per symbol of the best predictor: all nats of a string over all its symbols.

    Parameters
    ----------
    embedded : bool
    first_given : bool
        True: the B at the start is given and not counted as a prediction. False: it is counted.
    """
    grammar = embedded_reber if embedded else reber
    return grammar.entropy() / (grammar.mean_length() - first_given)


def reber_floor_bits(embedded=True, first_given=True):
    """:func:`reber_floor` in bits."""
    return reber_floor(embedded, first_given) / np.log(2)


def embedded_reber_forgetful_floor():
    """Nats per predicted symbol of the best predictor of embedded Reber strings that forgets the second symbol.

    It knows all else, but the last but one symbol costs it one bit more, ln 2 a string.
    """
    return (embedded_reber.entropy() + np.log(2)) / (embedded_reber.mean_length() - 1)


# ---------------------------------------------------------------------------------------------------------------------
# Markov languages
# ---------------------------------------------------------------------------------------------------------------------
def random_transitions(symbols, order, rng, concentration=0.5):
    """A random Markov language: P(next symbol | the last ``order`` symbols).

    Parameters
    ----------
    symbols : int
        Size of the alphabet.
    order : int
        Length of the memory, at least 1.
    rng : numpy.random.Generator
    concentration : float
        Of the Dirichlet distribution that each row is drawn from: small, nearly certain; 1, any row alike; large,
        nearly uniform.

    Returns
    -------
    (symbols, ..., symbols) array with order + 1 axes
        The last axis sums to 1; for order 1 the transition matrix P[i, j].
    """
    _at_least(1, symbols=symbols, order=order)
    return rng.dirichlet(np.full(symbols, concentration), (symbols,) * order)


def markov_language(transitions, symbols=ascii_lowercase):
    """A Markov language as a source of symbols.

    Parameters
    ----------
    transitions : (V, ..., V) array
        As :func:`random_transitions` returns it: the last axis is the next symbol, the one before it the latest.
    symbols : str
        The first V of these are the alphabet.

    Returns
    -------
    Automaton
        Endless. A state is the tuple of the last symbols' ids; the source starts as if the first symbol had gone
        before. ``entropy_rate()`` is its exact floor, for order 1: -Σ π_i Σ P_ij ln P_ij.
    """
    transitions = np.asarray(transitions)
    size = transitions.shape[-1]
    if transitions.ndim < 2 or set(transitions.shape) != {size}:
        raise ValueError(
            f"Transitions have shape (V, ..., V), one axis for each remembered symbol and one for the "
            f"next, but {transitions.shape} came."
        )
    if len(symbols) < size:
        raise ValueError(f"These transitions need {size} symbols but {len(symbols)} came: {symbols!r}.")
    arcs = {
        context: {symbols[j]: (p, (*context[1:], j)) for j, p in enumerate(transitions[context]) if p > 0}
        for context in np.ndindex(transitions.shape[:-1])
    }
    return Automaton(arcs, (0,) * (transitions.ndim - 1), symbols[:size])


# ---------------------------------------------------------------------------------------------------------------------
# Quotes and brackets
# ---------------------------------------------------------------------------------------------------------------------
class Brackets(NamedTuple):
    """A text with nested brackets and quotes, and what there is to know about each place; see :func:`brackets`."""

    text: str
    depth: np.ndarray
    quoted: np.ndarray


def brackets_source(max_depth=4):
    """Letters with nested round brackets and quotes, as a source whose states are (depth, quoted).

    Outside quotes a symbol is one of four letters (.7), a quote (.1) or a bracket (.2); the deeper the place, the
    likelier the bracket closes: at depth d it does with probability d / max_depth. Inside quotes there are letters (.8)
    and the closing quote (.2) only, and the depth must be remembered until then.

    Parameters
    ----------
    max_depth : int
        Deepest nesting, at least 1.

    Returns
    -------
    Automaton
        Endless; starts at depth 0 outside quotes.
    """
    _at_least(1, max_depth=max_depth)
    arcs = {}
    for depth in range(max_depth + 1):
        outside = dict.fromkeys("abcd", (0.7 / 4, (depth, False))) | {'"': (0.1, (depth, True))}
        if depth < max_depth:
            outside["("] = (0.2 * (1 - depth / max_depth), (depth + 1, False))
        if depth > 0:
            outside[")"] = (0.2 * depth / max_depth, (depth - 1, False))
        arcs[depth, False] = outside
        arcs[depth, True] = dict.fromkeys("abcd", (0.8 / 4, (depth, True))) | {'"': (0.2, (depth, False))}
    return Automaton(arcs, (0, False))


def brackets(length, rng, max_depth=4):
    """A text from :func:`brackets_source` with its labels.

    Parameters
    ----------
    length : int
    rng : numpy.random.Generator
    max_depth : int

    Returns
    -------
    text : str
    depth : (length,) int64
        Brackets open after each symbol.
    quoted : (length,) of bool
        Whether the place after each symbol is inside quotes.
    """
    _at_least(1, length=length)
    source = brackets_source(max_depth)
    text = source.sample(rng, length)
    depth, quoted = zip(*source.path(text)[1:], strict=True)
    return Brackets(text, np.array(depth), np.array(quoted))


def brackets_floor(max_depth=4):
    """Nats per symbol of the best predictor, which knows depth and quotes at every place."""
    return brackets_source(max_depth).entropy_rate()
