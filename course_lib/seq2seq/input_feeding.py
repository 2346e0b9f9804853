"""Luong's arrangement of attention with input feeding, to be compared with the two of :mod:`course_lib.seq2seq`."""

from __future__ import annotations

from copy import copy

import numpy as np

from course_lib.seq2seq.encoder_decoder import BahdanauEncoderDecoder


class InputFeedingEncoderDecoder(BahdanauEncoderDecoder):
    """Luong's arrangement with input feeding: the vector tanh([s_t, c̄_t] W + b) is also an input of the next step.

    In BahdanauEncoderDecoder the context is an input of the step, and the query is the state before it. Layers and
    sizes are the same. The cell is a GRU.

    Parameters
    ----------
    source_symbols, target_symbols, units : int
        As for :class:`EncoderDecoder`.
    rng : numpy.random.Generator
        Source of the initial weights.
    attention : {"additive", "dot"}
        Which score.
    **how
        The other parameters of :class:`BahdanauEncoderDecoder`, without ``kind``.

    References
    ----------
    Luong, Pham and Manning 2015, Effective approaches to attention-based neural machine translation, section 3.3.
    """

    def _decode(self, embedded, state, context, memory, mask):
        s, fed = state if isinstance(state, tuple) else (state, np.zeros_like(state))  # a tuple after the first symbol
        self._steps, outputs, weights = [], [], []
        for t in range(embedded.shape[1]):
            layers = attention, decoder, combine = [copy(one) for one in (self.attention, self.decoder, self.combine)]
            query, s = decoder.forward(np.concatenate([embedded[:, [t]], fed[:, None]], axis=-1), s)
            attended, weights_t = attention.forward(query, memory, mask)
            output = combine.forward(np.concatenate([query, attended], axis=-1))
            fed = output[:, 0]
            self._steps.append(layers)
            outputs.append(output)
            weights.append(weights_t)
        self._weights = np.concatenate(weights, axis=1)
        return np.concatenate(outputs, axis=1), (s, fed)

    def _decode_backward(self, dh):
        shared = self.attention, self.decoder, self.combine
        for layer in shared:
            layer.grads = [np.zeros_like(w) for w in layer.weights]
        d_embedded, d_memory, d_state, d_fed = [], 0, None, 0
        for t in reversed(range(dh.shape[1])):
            attention, decoder, combine = self._steps[t]
            d_query, d_attended = np.split(combine.backward(dh[:, [t]] + d_fed), 2, axis=-1)
            d_query_too, d_memory_t = attention.backward(d_attended)
            dx, d_state = decoder.backward(d_query + d_query_too, d_state)
            dx, d_fed = np.split(dx, [dx.shape[2] - self.units], axis=-1)
            d_embedded.append(dx)
            d_memory = d_memory + d_memory_t
            for layer, step in zip(shared, self._steps[t], strict=True):
                for total, g in zip(layer.grads, step.grads, strict=True):
                    total += g
        return np.concatenate(d_embedded[::-1], axis=1), d_state, d_memory
