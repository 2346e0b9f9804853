"""Decoding: choose a symbol, make it the next input, choose again, until the stop symbol or a maximal length.

Every decoder asks one thing of a model, a *step*: ``step(symbols, state) -> (log_probabilities, state)``. Its
input is one symbol for each row, whole numbers of shape (batch,), and it returns ln P of every next symbol, (batch, V),
with a state from which to go on: None before the first symbol, else arrays whose first axis is the batch, in tuples or
lists if there are several. ``model_step``, ``ngram_step`` and ``keras_step`` make such a step, the ``step`` of a
:class:`~course_lib.seq2seq.SequenceToSequence` is one, and a Markov chain's is one line,
``lambda symbols, state: (np.log(transitions[symbols]), state)``.

Then ``greedy``, ``sample``, ``top_k``, ``nucleus`` and ``beam_search`` differ only in how they choose::

    step = model_step(model)
    sample(step, vocabulary.encode("The "), max_length=80, temperature=0.7, rng=rng).symbols[0]
"""

from course_lib.generation.decoding import (
    BeamNode,
    BeamSearchOutput,
    GenerationOutput,
    Hypothesis,
    Step,
    beam_search,
    greedy,
    nucleus,
    sample,
    top_k,
)
from course_lib.generation.distributions import apply_temperature, keep_top_k, keep_top_p, log_softmax
from course_lib.generation.steps import keras_step, model_step, ngram_step

__all__ = [
    "BeamNode",
    "BeamSearchOutput",
    "GenerationOutput",
    "Hypothesis",
    "Step",
    "apply_temperature",
    "beam_search",
    "greedy",
    "keep_top_k",
    "keep_top_p",
    "keras_step",
    "log_softmax",
    "model_step",
    "ngram_step",
    "nucleus",
    "sample",
    "top_k",
]
