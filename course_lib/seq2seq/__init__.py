"""One sequence in, another out: encoder-decoder models, with and without attention.

::

    model = EncoderDecoder(26, 28, 64, rng=rng)                      # the final state alone is the context vector
    model = EncoderDecoder(26, 28, 64, attention="dot", rng=rng)     # every step of the source can be attended to
    pairs = teacher_forcing(sources, targets, start=26, stop=27)     # lists of ids -> padded arrays and masks
    model.fit(pairs, optimizer=Adam(3e-3), epochs=10, rng=rng)
    model.predict(pairs.source, pairs.source_mask, start=26, stop=27, max_length=30)       # greedy decoding
    beam_search(model.step, pairs.target_in[:, :1], model.encode(pairs.source, pairs.source_mask), max_length=30)

A recurrent autoencoder is the same with ``targets = sources``.
"""

from course_lib.seq2seq.base import SequenceToSequence, scheduled_sampling
from course_lib.seq2seq.encoder_decoder import BahdanauEncoderDecoder, EncoderDecoder
from course_lib.seq2seq.pairs import Pairs, teacher_forcing

__all__ = [
    "BahdanauEncoderDecoder",
    "EncoderDecoder",
    "Pairs",
    "SequenceToSequence",
    "scheduled_sampling",
    "teacher_forcing",
]
