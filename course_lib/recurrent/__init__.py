"""Layers with memory: the first ``RNN``, one step at a time, and the layers that take whole sequences.

``RNN`` with its ``unroll`` and ``bptt`` is written for reading: a step is three lines, time is a Python loop.
``SimpleRNN`` is the same mathematics arranged for speed: what does not depend on the previous step is computed for all
steps at once, and only the product with the recurrent kernel stays in the loop. ``LSTM`` and ``GRU`` are arranged in
the same way; ``ReferenceLSTM`` and ``ReferenceGRU`` are written like their formulas. ``Bidirectional`` puts two layers
side by side, one for each direction of time.

Inside a layer time comes first, so that a step is one block of memory, and so do the gates of a step:
``i, f, g, o = gates[t]`` are four arrays of shape (batch, units).
"""

from course_lib.recurrent.bidirectional import Bidirectional
from course_lib.recurrent.gru import GRU
from course_lib.recurrent.lstm import LSTM
from course_lib.recurrent.reference import ReferenceGRU, ReferenceLSTM
from course_lib.recurrent.rnn import RNN, bptt, unroll
from course_lib.recurrent.simple_rnn import SimpleRNN

__all__ = ["GRU", "LSTM", "RNN", "Bidirectional", "ReferenceGRU", "ReferenceLSTM", "SimpleRNN", "bptt", "unroll"]
