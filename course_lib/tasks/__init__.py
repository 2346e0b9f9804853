"""Generated problems whose best possible score is known exactly.

A loss of 0.44 says little until you know that no predictor can reach 0.43. Each problem here comes with that figure
(its floor), or with the score of a predictor that uses nothing of the past (its baseline).

Entropies and losses are in nats. Arrays are batch first,
``(count, time, features)``. Every choice is drawn from the ``numpy.random.Generator`` that is passed in.
"""

from course_lib.tasks.automata import Automaton, GrammarBatch, grammar_batch
from course_lib.tasks.grammars import (
    ELMAN_WORDS,
    REBER_SYMBOLS,
    Brackets,
    ElmanLetters,
    brackets,
    brackets_source,
    elman_letters,
    embedded_reber,
    embedded_reber_forgetful_floor,
    lexicon_source,
    markov_language,
    random_transitions,
    reber,
    reber_batch,
    reber_floor,
    reber_pairs,
)
from course_lib.tasks.memory import (
    TEMPORAL_ORDER_SYMBOLS,
    adding,
    adding_baseline,
    copy_baseline,
    copy_task,
    first_symbol,
    parity,
    parity_baseline,
    running_total,
    temporal_order,
    temporal_xor,
    temporal_xor_floor,
)
from course_lib.tasks.pairs import cipher_alignment, cipher_key, cipher_pairs
from course_lib.tasks.series import persistence_mse

__all__ = [
    "ELMAN_WORDS",
    "REBER_SYMBOLS",
    "TEMPORAL_ORDER_SYMBOLS",
    "Automaton",
    "Brackets",
    "ElmanLetters",
    "GrammarBatch",
    "adding",
    "adding_baseline",
    "brackets",
    "brackets_source",
    "cipher_alignment",
    "cipher_key",
    "cipher_pairs",
    "copy_baseline",
    "copy_task",
    "elman_letters",
    "embedded_reber",
    "embedded_reber_forgetful_floor",
    "first_symbol",
    "grammar_batch",
    "lexicon_source",
    "markov_language",
    "parity",
    "parity_baseline",
    "persistence_mse",
    "random_transitions",
    "reber",
    "reber_batch",
    "reber_floor",
    "reber_pairs",
    "running_total",
    "temporal_order",
    "temporal_xor",
    "temporal_xor_floor",
]
