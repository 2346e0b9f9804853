"""Lesson 08: the classic stack against tables, a mask taken away, dropout between layers, a forecast of sunspots.

What trains is in :mod:`course_lib.keras_models`, which is imported when a measurement is asked for and not before:
TensorFlow takes long to start.
"""

from __future__ import annotations

import numpy as np

from course_lib import datasets, tasks
from course_lib.ngrams import NGram
from course_lib.sequences import Vocabulary, one_hot, windows
from course_lib.teaching.experiment import Reproduction
from course_lib.teaching.summaries import spread

SYMBOLS = Vocabulary(".abcdefghijklmnopqrstuvwxyz")


# ---------------------------------------------------------------------------------------------------------------------
# The classic stack, and dropout between layers
# ---------------------------------------------------------------------------------------------------------------------
def words_by_part():
    """The dictionary's words by part: "train", "validation" and "test"."""
    return {part: datasets.load_words(part) for part in ("train", "validation", "test")}


def run_together(words, rng):
    """The ids of words in random order, with a dot between them."""
    return SYMBOLS.encode("." + ".".join(rng.permutation(words)) + ".")


def cut(ids, length, stride=None):
    """One-hot pieces, end to end or every ``stride`` letters (count, length, 27); one letter later."""
    pieces = windows(ids, length + 1, stride=stride or length)
    return one_hot(pieces[:, :-1], 27), one_hot(pieces[:, 1:], 27)


def bits_of_the_next(model, inputs, next_letter):
    """Mean surprise at the letter after each piece, for a model that answers once or at every step."""
    p = model.predict(inputs, batch_size=512, verbose=0)
    p = p[:, -1] if p.ndim == 3 else p
    return float(-np.log2((p * next_letter).sum(axis=1)).mean())


def table_bits(read, tested):
    """Bits a letter of tables: letters, pairs, and the best that leans on shorter runs, little or much."""
    bits = {name: NGram(n, 27).read(read).surprisal(tested).mean() for name, n in (("letters", 1), ("pairs", 2))}
    bits["table"] = min(
        NGram(n, 27, pseudocount, interpolated=True).read(read).surprisal(tested).mean()
        for n in range(1, 7)
        for pseudocount in (5, 20, 40, 80)
    )
    return {name: float(mean) for name, mean in bits.items()}


STACKS = {
    # name: (layers, units, dropout, an answer at every step), letters from window to window, epochs, learning rate
    "classic": ((3, 50, 0.2, False), 10, 10, 1e-3),
    "longer": ((3, 50, 0.2, False), 10, 50, 1e-3),
    "overlapping": ((3, 50, 0.2, False), 2, 10, 1e-3),
    "every_step": ((3, 50, 0.2, True), 10, 10, 1e-3),
    "no_dropout": ((3, 50, 0.0, True), 10, 10, 1e-3),
    "one_layer": ((1, 104, 0.0, True), 10, 10, 1e-3),
    "mended": ((3, 50, 0.2, True), 10, 10, 1e-2),
}


def measure_classic(seed, symbols=15_001, names=tuple(STACKS)):
    from course_lib.keras_models import keras, lstm_stack

    rng = np.random.default_rng(seed)
    parts = words_by_part()
    read, tested = run_together(parts["train"], rng)[:symbols], run_together(parts["test"], rng)[:20_001]
    test_inputs, test_targets = cut(tested, 10)
    row = table_bits(read, tested)
    for name in names:
        (layers, units, dropout, every_step), stride, epochs, rate = STACKS[name]
        keras.utils.set_random_seed(seed)
        model = lstm_stack(layers, units, dropout, every_step, learning_rate=rate)
        inputs, targets = cut(read, 10, stride)
        model.fit(inputs, targets if every_step else targets[:, -1], epochs=epochs, batch_size=32, verbose=0)
        row[name] = bits_of_the_next(model, test_inputs, test_targets[:, -1])
    return row


def _classic_holds(rows):
    return all(row["classic"] > row["pairs"] + 0.1 and row["mended"] < row["pairs"] - 0.05 for row in rows)


def measure_dropout(seed, symbols=80_000, units=128, epochs=15, length=40, learning_rate=6e-3):
    from course_lib.keras_models import keras, lstm_stack

    rng = np.random.default_rng(seed)
    parts = words_by_part()
    read, unseen = run_together(parts["train"], rng)[:symbols], run_together(parts["validation"], rng)[:12_000]
    inputs, targets = cut(read, length)
    row = {"table": table_bits(read, unseen)["table"]}
    for name, rate in (("without", 0.0), ("with", 0.5)):
        keras.utils.set_random_seed(seed)
        model = lstm_stack(1, units, rate, return_sequences=True, learning_rate=learning_rate)
        history = model.fit(
            inputs, targets, epochs=epochs, batch_size=32, validation_data=cut(unseen, length), verbose=0
        ).history
        bits = np.array(history["val_loss"]) / np.log(2)
        row |= {f"{name}{epoch}": float(b) for epoch, b in enumerate(bits, 1)}
        row |= {f"best_{name}": float(bits.min()), f"last_{name}": float(bits[-1])}
    return row


def _dropout_holds(rows):
    def rise(row, name):
        return row[f"last_{name}"] - row[f"best_{name}"]

    return all(
        rise(row, "without") > 0.06
        and rise(row, "with") < rise(row, "without") / 2
        and row["last_with"] < row["last_without"] - 0.05
        for row in rows
    )


# ---------------------------------------------------------------------------------------------------------------------
# A mask taken away
# ---------------------------------------------------------------------------------------------------------------------
def syllables(words, said):
    """Of these words those of up to 12 letters and 1 to 5 syllables, and how many each has, less one."""
    chosen, counts = [], []
    for word in words:
        vowels = sum(phoneme[-1].isdigit() for phoneme in said[word][0])  # a vowel ends in its stress
        if len(word) <= 12 and 1 <= vowels <= 5:
            chosen.append(word)
            counts.append(vowels - 1)
    return chosen, np.array(counts)


def padded_words(words, length):
    """Ids of letters, 1 to 26, filled up with 0 at the end: (count, length)."""
    ids = np.zeros((len(words), length), int)
    for row, word in zip(ids, words, strict=True):
        row[: len(word)] = SYMBOLS.encode(word)
    return ids


def accuracy(model, words, counts, length):
    """The share of words whose syllables a model counts right, when filled up to some length."""
    scores = model.predict(padded_words(words, length), batch_size=1000, verbose=0)
    return float((scores.argmax(axis=1) == counts).mean())


def measure_mask(seed, many=6000, epochs=6):
    from course_lib.keras_models import keras, syllable_counter

    rng = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    parts, said = words_by_part(), datasets.load_pronunciations()
    words, counts = syllables(parts["train"], said)
    unseen, wanted = syllables(parts["test"], said)
    chosen = rng.choice(len(words), many, replace=False)
    inputs, targets = padded_words([words[i] for i in chosen], 12), counts[chosen]
    masked, bare, never = syllable_counter(mask=True), syllable_counter(mask=False), syllable_counter(mask=False)
    for model in (masked, never):
        model.fit(inputs, targets, epochs=epochs, batch_size=64, verbose=0)
    bare.set_weights(masked.get_weights())
    return {
        f"{name}_{length}": accuracy(model, unseen, wanted, length)
        for name, model in (("masked", masked), ("bare", bare), ("never", never))
        for length in (12, 20)
    }


def _mask_holds(rows):
    return all(
        row["masked_12"] > 0.7
        and abs(row["masked_12"] - row["masked_20"]) < 0.002
        and row["bare_12"] < 0.3
        and row["bare_20"] < 0.3
        for row in rows
    )


# ---------------------------------------------------------------------------------------------------------------------
# Sunspots: learned from the years before 1850, chosen on 1850 to 1899, tested from 1900 on
# ---------------------------------------------------------------------------------------------------------------------
def last_years(series, years, start, end):
    """What precedes each of the values start to end (count, years, 1), and these values (count, 1)."""
    pieces = windows(series[start - years : end], years + 1)
    return pieces[:, :-1, None], pieces[:, -1:]


def linear_errors(spots, years):
    """RMSE on 1850-1899 and from 1900 on of a weighted sum of past years, fitted to earlier ones."""

    def with_ones(start, end):
        rows, values = last_years(spots, years, start, end)
        return np.hstack([rows[..., 0], np.ones((len(rows), 1))]), values

    weights = np.linalg.lstsq(*with_ones(years, 150), rcond=None)[0]
    return [
        float(np.sqrt(((rows @ weights - values) ** 2).mean()))
        for rows, values in (with_ones(150, 200), with_ones(200, len(spots)))
    ]


def learn(model, scaled, years, callbacks):
    """Train a forecaster on the years before 1850; the callbacks watch 1850 to 1899."""
    return model.fit(
        *last_years(scaled, years, years, 150),
        epochs=200,
        batch_size=16,
        verbose=0,
        validation_data=last_years(scaled, years, 150, 200),
        callbacks=callbacks,
    )


def network_errors(model, scaled, years):
    """RMSE on 1850-1899 and from 1900 on, in the units of the scaled series."""
    return [
        float(np.sqrt(model.evaluate(*last_years(scaled, years, start, end), verbose=0)))
        for start, end in ((150, 200), (200, len(scaled)))
    ]


def tested_after_choosing(errors):
    """From pairs (RMSE on 1850-1899, from 1900 on): the second number of the pair whose first is the lowest."""
    return min(errors)[1]


YEARS = (2, 5, 10, 20)


def measure_sunspots(seed):
    from course_lib.keras_models import forecaster, keras

    _, spots = datasets.load_sunspots()
    mean, spread = spots[:150].mean(), spots[:150].std()
    scaled = (spots - mean) / spread
    row = {
        "persistence": float(np.sqrt(tasks.persistence_mse(spots[199:]))),
        "linear": tested_after_choosing([linear_errors(spots, years) for years in range(1, 21)]),
    }
    for years in YEARS:
        keras.utils.set_random_seed(seed)
        model = forecaster(years)
        learn(
            model,
            scaled,
            years,
            [
                keras.callbacks.EarlyStopping(patience=25, restore_best_weights=True),
                keras.callbacks.ReduceLROnPlateau(patience=10, factor=0.5),
            ],
        )
        errors = network_errors(model, scaled, years)
        row |= {f"chosen_on{years}": errors[0] * spread, f"tested{years}": errors[1] * spread}
    row["network"] = tested_after_choosing([(row[f"chosen_on{years}"], row[f"tested{years}"]) for years in YEARS])
    return row


def _sunspots_holds(rows):
    return all(row["network"] < 0.75 * row["persistence"] and abs(row["network"] - row["linear"]) < 4 for row in rows)


REPRODUCTIONS = (
    Reproduction(
        key="classic-stack",
        lesson="08",
        paper="The classic stack of tutorials",
        claim="LSTM(50) and Dropout(.2), three times, and a softmax; 10 epochs in batches of 32",
        reported="not a paper's figure",
        criterion="with one answer for ten letters and Adam's default rate the stack ends at least .1 bit worse than a "
        "table of letter pairs; with an answer at every step and ten times the rate, at least .05 bit better",
        seeds=range(3),
        measure=measure_classic,
        holds=_classic_holds,
        measured=lambda rows: (
            f"bits a letter: classic {spread(rows, 'classic')}, mended {spread(rows, 'mended')}; pairs "
            f"{spread(rows, 'pairs')}, best table {spread(rows, 'table')}"
        ),
    ),
    Reproduction(
        key="dropout-between-layers",
        lesson="08",
        paper="Zaremba et al. 2014, Table 1",
        claim="dropout on the connections that are not recurrent regularises an LSTM",
        reported="words of the Penn Treebank, perplexity on the test: 114.5 without (200 units a layer; larger "
        "networks "
        "overfit), 82.7 and 78.4 with (650 and 1,500 "
        "units)",
        criterion="without dropout the validation loss ends .06 bit or more above its best; with it, it rises less "
        "than "
        "half as much, and ends at least .05 bit lower",
        seeds=range(3),
        measure=measure_dropout,
        holds=_dropout_holds,
        measured=lambda rows: (
            f"bits a letter, best and last: without {spread(rows, 'best_without')} and "
            f"{spread(rows, 'last_without')}, with {spread(rows, 'best_with')} and "
            f"{spread(rows, 'last_with')}; best table {spread(rows, 'table')}"
        ),
    ),
    Reproduction(
        key="mask-taken-away",
        lesson="08",
        paper="Masking, on syllables of the dictionary",
        claim="a network that was trained with a mask is lost without it",
        reported="not a paper's figure",
        criterion="with its mask it counts at least 70 % right, however much is filled up; with the same weights "
        "and no "
        "mask, below 30 %",
        seeds=range(3),
        measure=measure_mask,
        holds=_mask_holds,
        measured=lambda rows: (
            f"right: masked {spread(rows, 'masked_12')}, mask taken away {spread(rows, 'bare_12')}; "
            f"trained without {spread(rows, 'never_12')}, longer filling {spread(rows, 'never_20')}"
        ),
    ),
    Reproduction(
        key="sunspots",
        lesson="08",
        paper="Sunspots from 1900 on, as in Yule 1927",
        claim="a weighted sum of past years predicts sunspots",
        reported="not a paper's figure",
        criterion="its years chosen on 1850 to 1899, a GRU is off by less than three quarters of persistence from 1900 "
        "on, and lies within 4 of a linear prediction chosen in the same way",
        seeds=range(5),
        measure=measure_sunspots,
        holds=_sunspots_holds,
        measured=lambda rows: (
            f"RMSE: network {spread(rows, 'network', '.1f')}, linear {spread(rows, 'linear', '.1f')}, "
            f"persistence {spread(rows, 'persistence', '.1f')}"
        ),
    ),
)
