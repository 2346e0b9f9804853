"""Lesson 12's experiments: the race with recurrence, a Transformer without each of its parts, cost against length."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np

from course_lib.attention import MultiHeadAttention, causal_mask
from course_lib.metrics import error_rates
from course_lib.optimizers import Adam
from course_lib.recurrent import GRU
from course_lib.speaker import say_words
from course_lib.speaker.readers import RATES, READERS, sound_pairs, spellings, train_readers
from course_lib.teaching.experiment import Reproduction
from course_lib.teaching.summaries import spread
from course_lib.transformer import Transformer, TransformerBlock

# ---------------------------------------------------------------------------------------------------------------------
# The same words, the same seconds
# ---------------------------------------------------------------------------------------------------------------------
SECONDS = 60  # of training, for each reader
UPDATES = 500  # of training without one part
GROUPS = {"short": (1, 6), "middle": (7, 9), "long": (10, 40)}  # letters of a word


def measure_sounds(seed):
    (words, accepted), row = spellings("test"), {}
    for name, (model, seen) in train_readers(READERS, seed, SECONDS).items():
        said = say_words(model, words)
        rates = error_rates(said, accepted)
        row |= {
            name: rates.words,
            f"{name}_phonemes": rates.phonemes,
            f"{name}_seen": seen,
            f"{name}_parameters": sum(w.size for w in model.weights),
        }
        for group, (shortest, longest) in GROUPS.items():
            some = [n for n, word in enumerate(words) if shortest <= len(word) <= longest]
            rates = error_rates([said[n] for n in some], [accepted[n] for n in some])
            row |= {f"{name}_{group}": rates.words, f"{name}_{group}_phonemes": rates.phonemes}
    return row


# ---------------------------------------------------------------------------------------------------------------------
# Each part taken out
# ---------------------------------------------------------------------------------------------------------------------
PARTS = {  # what is taken out -> its column
    "": "whole",
    "positions": "positions",
    "heads": "heads",
    "residual connections": "residual",
    "layer normalisation": "normalisation",
    "feed-forward network": "feed_forward",
    "causal mask": "causal_mask",
}


class _Identity:
    """Passes on what it gets."""

    weights = grads = ()

    def forward(self, x, training=False):
        return x

    def backward(self, dy):
        return dy


class _Nothing(_Identity):
    """Adds nothing to what it gets: in the place of a feed-forward network."""

    def forward(self, x, training=False):
        return np.zeros_like(x)

    def backward(self, dy):
        return np.zeros_like(dy)


class _BareBlock(TransformerBlock):
    """A block without residual connections: each part's output takes the place of its input."""

    def forward(self, x, mask=True, memory=None, memory_mask=True):
        normal = self.norms[0].forward(x)
        x = self.self_attention.forward(normal, normal, mask)
        if self.cross_attention is not None:
            x = self.cross_attention.forward(self.norms[1].forward(x), memory, memory_mask)
        hidden, output = self.feed_forward
        return output.forward(hidden.forward(self.norms[-1].forward(x)))

    def backward(self, dy):
        hidden, output = self.feed_forward
        d, d_memory = self.norms[-1].backward(hidden.backward(output.backward(dy))), None
        if self.cross_attention is not None:
            d, d_memory = self.cross_attention.backward(d)
            d = self.norms[1].backward(d)
        d_query, d_key = self.self_attention.backward(d)
        d = self.norms[0].backward(d_query + d_key)
        self.grads = [g for layer in self.layers for g in layer.grads]
        return d, d_memory


class _NoPositions(Transformer):
    """A Transformer that is not told where a symbol stands."""

    def _embed(self, embedding, ids):
        return embedding.forward(ids)


class _NoCausalMask(Transformer):
    """A Transformer whose decoder looks at the whole target."""

    def _decode(self, target, memory, mask):
        x = self._embed(self.target_embedding, target)
        for block in self.decoder_blocks:
            x = block.forward(x, True, memory, mask[:, None, None])
        return self.output_layer.forward(self.decoder_norm.forward(x))


def transformer_without(part, rng):
    """The race's Transformer with one part taken out; "heads" leaves one head, the others are the keys of ``PARTS``."""
    kind = {"positions": _NoPositions, "causal mask": _NoCausalMask}.get(part, Transformer)
    model = kind(26, 41, 64, heads=1 if part == "heads" else 4, hidden=64, rng=rng)
    for block in (*model.encoder_blocks, *model.decoder_blocks):
        if part == "residual connections":
            block.__class__ = _BareBlock
        if part == "layer normalisation":
            block.norms = [_Identity() for _ in block.norms]
        if part == "feed-forward network":
            block.feed_forward = [_Nothing(), _Identity()]
    return model


def train_reader(model, rate, updates, rng):
    """Train a reader on 64 words an update; the rate warms up, stays for a while, and falls to nearly 0."""
    adam = Adam()
    for update, batch in zip(range(updates), sound_pairs("train").batches(64, rng), strict=False):
        part = update / updates
        adam.learning_rate = rate * min(1, 20 * part + 0.05, 2 - 2 * part)
        model.train_on_batch(batch, batch.target_out, batch.target_mask, optimizer=adam, clip_norm=1.0)
    return model


def quality(model, count=500):
    """Cross-entropy a sound, fed the true sounds, and the share of sounds wrong when it writes alone; unseen words."""
    words, accepted = spellings("validation")
    some = np.random.default_rng(0).permutation(len(words))[:count]
    loss = model.evaluate(sound_pairs("validation")[some])
    said = say_words(model, [words[n] for n in some])
    return float(loss), error_rates(said, [accepted[n] for n in some]).phonemes


def measure_parts(seed):
    row = {}
    for part, name in PARTS.items():
        rng = np.random.default_rng(seed)
        model = train_reader(transformer_without(part, rng), RATES["transformer"], UPDATES, rng)
        row[f"{name}_loss"], row[name] = quality(model)
        row[f"{name}_parameters"] = sum(w.size for w in model.weights)
    return row


# ---------------------------------------------------------------------------------------------------------------------
# Cost against length
# ---------------------------------------------------------------------------------------------------------------------
FEATURES, HEADS = 64, 4
TIMES = (64, 128, 256, 512, 1024, 2048)


def one_update(name, length, rng):
    """A layer's forward and backward pass over one sequence, as a function without arguments."""
    x = rng.normal(size=(1, length, FEATURES)).astype(np.float32)
    if name == "attention":
        layer, mask = MultiHeadAttention(FEATURES, HEADS, rng=rng), causal_mask(length)
        return lambda: layer.backward(layer.forward(x, x, mask))
    layer = GRU(FEATURES, FEATURES, rng=rng)
    return lambda: layer.backward(layer.forward(x)[0])


def price(run, repeats=7):
    """Processor milliseconds of the quickest of some calls, and the largest memory that one holds, in megabytes."""
    run()
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    milliseconds = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        milliseconds.append(1000 * (time.process_time() - start))
    return min(milliseconds), peak / 1e6


def measure_cost(seed):
    row = {}
    for name in ("attention", "gru"):
        for length in TIMES:
            milliseconds, megabytes = price(one_update(name, length, np.random.default_rng(seed)))
            row |= {f"{name}_{length}_ms": milliseconds, f"{name}_{length}_mb": megabytes}
    return row


# ---------------------------------------------------------------------------------------------------------------------
# What is recorded
# ---------------------------------------------------------------------------------------------------------------------
def _sounds_hold(rows):
    return all(
        row["attention"] <= 0.52
        and row["attention"] < row["transformer"]
        and row["transformer_long"] < row["no_attention_long"]
        for row in rows
    )


def _parts_hold(rows):
    return all(
        row["whole"] < 0.6 * row["positions"]
        and row["causal_mask_loss"] < 0.3 * row["whole_loss"]
        and row["whole"] < 0.6 * row["causal_mask"]
        for row in rows
    )


def growth(row, name, unit):
    """By what the price is multiplied when the length is doubled, at the longest lengths."""
    return row[f"{name}_{TIMES[-1]}_{unit}"] / row[f"{name}_{TIMES[-2]}_{unit}"]


def _cost_holds(rows):
    return all(
        growth(row, "attention", "ms") > 2.5 > growth(row, "gru", "ms")
        and growth(row, "attention", "mb") > 3 > growth(row, "gru", "mb")
        for row in rows
    )


REPRODUCTIONS = (
    Reproduction(
        key="letters-to-sounds",
        lesson="12",
        paper="Yao & Zweig 2015; Toshniwal & Livescu 2016",
        claim="a recurrent encoder-decoder with attention learns to pronounce words that it has never seen",
        reported="on an older release and another split, not comparable: 20-25 % of words wrong",
        criterion="60 processor seconds of training, 140,000 parameters: GRUs with dot attention say at most .52 of "
        "the unseen words wrong and fewer than a Transformer, and of words with 10 letters or more the Transformer "
        "says fewer wrong than GRUs without attention (additive attention is measured without a bound)",
        seeds=range(3),
        measure=measure_sounds,
        holds=_sounds_hold,
        measured=lambda rows: (
            "words wrong: " + "; ".join(f"{name.replace('_', ' ')} {spread(rows, name)}" for name in READERS)
        ),
    ),
    Reproduction(
        key="transformer-parts",
        lesson="12",
        paper="In the spirit of Vaswani et al. 2017, Table 3",
        claim="what each part of a Transformer is worth",
        reported="English to German: one head in place of eight costs .9 BLEU; learned positions are as good as sines",
        criterion="letters to sounds, 500 updates: without positions, and when writing without the causal mask in "
        "training, the share of sounds wrong is more than 1.6 times that of the whole Transformer; without the causal "
        "mask the loss, fed the true sounds, is below a third of it",
        seeds=range(3),
        measure=measure_parts,
        holds=_parts_hold,
        measured=lambda rows: (
            "sounds wrong: "
            + "; ".join(
                f"{f'without {part}' if part else 'whole'} {spread(rows, name)}" for part, name in PARTS.items()
            )
        ),
    ),
    Reproduction(
        key="attention-cost",
        lesson="12",
        paper="Vaswani et al. 2017, Table 1",
        claim="the cost of self-attention grows with the square of the length, that of a recurrence with the length",
        reported="operations a layer: n² d against n d²",
        criterion="64 features, one sequence, from 1,024 to 2,048 positions: time more than 2.5 times and memory more "
        "than 3 times as large for self-attention, less than that for a GRU",
        seeds=range(3),
        measure=measure_cost,
        holds=_cost_holds,
        measured=lambda rows: (
            f"at {TIMES[-1]} positions: self-attention {spread(rows, f'attention_{TIMES[-1]}_ms', '.0f')} ms and "
            f"{spread(rows, f'attention_{TIMES[-1]}_mb', '.0f')} MB, GRU {spread(rows, f'gru_{TIMES[-1]}_ms', '.0f')} "
            f"ms and {spread(rows, f'gru_{TIMES[-1]}_mb', '.0f')} MB"
        ),
    ),
)
