"""Grammars and languages with an exact optimum: Reber's, Markov's, brackets and quotes, Elman's words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from string import ascii_lowercase
from typing import NamedTuple

import numpy as np

from course_lib.sequences import one_hot
from course_lib.tasks.automata import Automaton, GrammarBatch, grammar_batch
from course_lib.tasks.checks import _at_least

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
    """A text without gaps between its words; see :func:`elman_letters`.

    Attributes
    ----------
    letters : str
        The text.
    onsets : array of bool
        True where a word begins.
    codes : dict of str to array
        The bits of each letter.
    words : list of str
        The words in order.
    """

    letters: str
    onsets: np.ndarray
    codes: dict[str, np.ndarray]
    words: list[str]


def elman_letters(sentences: int, rng: np.random.Generator) -> ElmanLetters:
    """Sentences of 4 to 9 words run together into one string of letters, to find where a word begins.

    Elman used 200 sentences from a lexicon of 15 words. He calls the 5 bits of a letter a random vector; his Table 2
    shows the letter's place in the alphabet in binary (a is 00001, y is 11001), and so it is here. His sentence
    generator is not described; here each word is drawn on its own, all 15 alike.

    Parameters
    ----------
    sentences : int
        How many.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    letters : str
        The text.
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


def lexicon_source(words: Sequence[str]) -> Automaton:
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
        raise ValueError(f"The lexicon needs different words of at least one letter, but got {list(words)}.")
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


def _equally_likely(arcs: dict) -> dict:
    return {state: {symbol: (1 / len(out), target) for symbol, target in out.items()} for state, out in arcs.items()}


def _embedded_reber_arcs() -> dict:
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


def reber_batch(count: int, rng: np.random.Generator) -> GrammarBatch:
    """Strings of the embedded Reber grammar as arrays for next-symbol prediction.

    Parameters
    ----------
    count : int
        How many strings.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    GrammarBatch
        inputs (count, time, 7), targets, mask (count, time), legal (count, time, 7), symbols in the order of
        REBER_SYMBOLS; see :func:`grammar_batch`. The prediction that needs a long memory, the last but one symbol, is
        the target at step ``mask.sum(axis=1) - 2``.

    References
    ----------
    Named after Reber 1967, Implicit learning of artificial grammars, Journal of Verbal Learning and Verbal Behavior
    6(6):855-863; the embedded one is the task of Hochreiter and Schmidhuber 1997, Long short-term memory, Table 1.
    """
    _at_least(1, count=count)
    return grammar_batch(embedded_reber, [embedded_reber.sample(rng) for _ in range(count)])


def reber_pairs(count: int, rng: np.random.Generator, steps: int = 12) -> np.ndarray:
    """Beginnings of embedded Reber strings, twice: with T and with P in second place.

    Parameters
    ----------
    count : int
        How many pairs.
    rng : numpy.random.Generator
        Source of the draws.
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


def reber_floor(embedded: bool = True, first_given: bool = True) -> float:
    """Nats per symbol of the best predictor: all nats of a string over all its symbols.

    Parameters
    ----------
    embedded : bool
        Whether it is the floor of the embedded grammar.
    first_given : bool
        True: the B at the start is given and not counted as a prediction. False: it is counted.

    Returns
    -------
    float
        Nats.

    Examples
    --------
    >>> print(f"{reber_floor():.4f} nat, {reber_floor(embedded=False) / np.log(2):.4f} bit without embedding")
    0.4411 nat, 0.8571 bit without embedding
    """
    grammar = embedded_reber if embedded else reber
    return grammar.entropy() / (grammar.mean_length() - first_given)


def embedded_reber_forgetful_floor() -> float:
    """Nats per predicted symbol of the best predictor of embedded Reber strings that forgets the second symbol.

    It knows all else, but the last but one symbol costs it one bit more, ln 2 a string.

    Returns
    -------
    float
        Nats.
    """
    return (embedded_reber.entropy() + np.log(2)) / (embedded_reber.mean_length() - 1)


# ---------------------------------------------------------------------------------------------------------------------
# Markov languages
# ---------------------------------------------------------------------------------------------------------------------
def random_transitions(symbols: int, order: int, rng: np.random.Generator, concentration: float = 0.5) -> np.ndarray:
    """A random Markov language: P(next symbol | the last ``order`` symbols).

    Parameters
    ----------
    symbols : int
        Size of the alphabet.
    order : int
        Length of the memory, at least 1.
    rng : numpy.random.Generator
        Source of the draws.
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


def markov_language(transitions: np.ndarray, symbols: str = ascii_lowercase) -> Automaton:
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
            f"next, but got {transitions.shape}."
        )
    if len(symbols) < size:
        raise ValueError(f"These transitions need {size} symbols, but got {len(symbols)}: {symbols!r}.")
    arcs = {
        context: {symbols[j]: (p, (*context[1:], j)) for j, p in enumerate(transitions[context]) if p > 0}
        for context in np.ndindex(transitions.shape[:-1])
    }
    return Automaton(arcs, (0,) * (transitions.ndim - 1), symbols[:size])


# ---------------------------------------------------------------------------------------------------------------------
# Quotes and brackets
# ---------------------------------------------------------------------------------------------------------------------
class Brackets(NamedTuple):
    """A text with nested brackets and quotes, and what there is to know about each place; see :func:`brackets`.

    Attributes
    ----------
    text : str
        The text.
    depth : array of int
        How many brackets are open after each symbol.
    quoted : array of bool
        Whether a quote is open after each symbol.
    """

    text: str
    depth: np.ndarray
    quoted: np.ndarray


def brackets_source(max_depth: int = 4) -> Automaton:
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


def brackets(length: int, rng: np.random.Generator, max_depth: int = 4) -> Brackets:
    """A text from :func:`brackets_source` with its labels.

    Parameters
    ----------
    length : int
        How many symbols.
    rng : numpy.random.Generator
        Source of the draws.
    max_depth : int
        How deep brackets may be nested.

    Returns
    -------
    text : str
        The text.
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
