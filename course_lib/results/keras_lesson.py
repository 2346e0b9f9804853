"""Lesson 08: the classic stack against tables, a mask taken away, dropout between layers, a forecast of sunspots.

What trains is in :mod:`course_lib.keras_models`, which is imported when a measurement is asked for and not before:
TensorFlow takes long to start.
"""
from __future__ import annotations

import numpy as np

from course_lib import datasets, tasks
from course_lib.ngrams import NGram
from course_lib.results import Reproduction
from course_lib.sequences import Vocabulary, one_hot, windows

SYMBOLS = Vocabulary(".abcdefghijklmnopqrstuvwxyz")


# ---------------------------------------------------------------------------------------------------------------------
# The classic stack, and dropout between layers
# ---------------------------------------------------------------------------------------------------------------------
def run_together(part, rng):
    """The ids of one part of the dictionary's words in random order, with a dot between words."""
    words = [word for word in datasets.load_words() if datasets.split_of(word) == part]
    return SYMBOLS.encode("." + ".".join(rng.permutation(words)) + ".")


def cut(ids, length):
    """Pieces end to end, one-hot: inputs (count, length, 27), and the same one letter later."""
    pieces = windows(ids, length + 1, stride=length)
    return one_hot(pieces[:, :-1], 27), one_hot(pieces[:, 1:], 27)


def bits_of_the_next(model, inputs, next_letter):
    """Mean surprise at the letter after each piece, for a model that answers once or at every step."""
    p = model.predict(inputs, batch_size=512, verbose=0)
    p = p[:, -1] if p.ndim == 3 else p
    return float(-np.log2((p * next_letter).sum(axis=1)).mean())


def best_table(read, tested):
    """Bits a symbol of the best of the tables of 1 to 6 symbols, each leaning on the shorter one."""
    return float(min(NGram(n, 27, imagined=5.0, leaning=True).read(read).surprise(tested).mean()
                     for n in range(1, 7)))


def measure_classic(seed, pieces=4000, variants=("classic", "every_step", "one_layer")):
    from course_lib.keras_models import keras, lstm_stack

    rng = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    read, tested = run_together("train", rng)[:10 * pieces + 1], run_together("test", rng)[:20_001]
    inputs, targets = cut(read, 10)
    test_inputs, test_targets = cut(tested, 10)
    arguments = {"classic": (3, 50, 0.2, False), "every_step": (3, 50, 0.2, True), "one_layer": (1, 50, 0.0, True)}
    row = {"table": best_table(read, tested),
           "pairs": float(NGram(2, 27).read(read).surprise(tested).mean()),
           "letters": float(NGram(1, 27).read(read).surprise(tested).mean())}
    for name in variants:
        model = lstm_stack(*arguments[name])
        every = arguments[name][3]
        model.fit(inputs, targets if every else targets[:, -1], epochs=10, batch_size=32, verbose=0)
        row[name] = bits_of_the_next(model, test_inputs, test_targets[:, -1])
    return row


def _classic_held(rows):
    return all(row["classic"] > row["pairs"] + 0.1 and row["one_layer"] < row["classic"] - 0.2 for row in rows)


def measure_dropout(seed, symbols=80_000, units=128, epochs=24, length=40, learning_rate=3e-3):
    from course_lib.keras_models import keras, lstm_stack

    rng = np.random.default_rng(seed)
    read, unseen = run_together("train", rng)[:symbols], run_together("validation", rng)[:12_000]
    inputs, targets = cut(read, length)
    row = {"table": best_table(read, unseen)}
    for name, rate in (("without", 0.0), ("with", 0.5)):
        keras.utils.set_random_seed(seed)
        model = lstm_stack(1, units, rate, every_step=True, learning_rate=learning_rate)
        history = model.fit(inputs, targets, epochs=epochs, batch_size=32, validation_data=cut(unseen, length),
                            verbose=0).history
        bits = np.array(history["val_loss"]) / np.log(2)
        row |= {f"{name}{epoch}": float(b) for epoch, b in enumerate(bits, 1)}
        row |= {f"best_{name}": float(bits.min()), f"last_{name}": float(bits[-1])}
    return row


def _dropout_held(rows):
    def rise(row, name):
        return row[f"last_{name}"] - row[f"best_{name}"]
    return all(rise(row, "without") > 0.06 and rise(row, "with") < rise(row, "without") / 2
               and row["last_with"] < row["last_without"] - 0.05 for row in rows)


# ---------------------------------------------------------------------------------------------------------------------
# A mask taken away
# ---------------------------------------------------------------------------------------------------------------------
def syllables(part):
    """Words of at most 12 letters with one to five syllables, and how many each has, less one."""
    said = datasets.load_pronunciations()
    words, counts = [], []
    for word in datasets.load_words():
        vowels = sum(phoneme[-1].isdigit() for phoneme in said[word][0])     # a vowel ends in its stress
        if datasets.split_of(word) == part and len(word) <= 12 and 1 <= vowels <= 5:
            words.append(word)
            counts.append(vowels - 1)
    return words, np.array(counts)


def filled_up(words, length):
    """Ids of letters, 1 to 26, filled up with 0 at the end: (count, length)."""
    ids = np.zeros((len(words), length), int)
    for row, word in zip(ids, words, strict=True):
        row[:len(word)] = SYMBOLS.encode(word)
    return ids


def accuracy(model, words, counts, length):
    """The share of words whose syllables a model counts right, when filled up to some length."""
    scores = model.predict(filled_up(words, length), batch_size=1000, verbose=0)
    return float((scores.argmax(axis=1) == counts).mean())


def measure_mask(seed, many=6000, epochs=6):
    from course_lib.keras_models import keras, syllable_counter

    rng = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    words, counts = syllables("train")
    unseen, wanted = syllables("test")
    chosen = rng.choice(len(words), many, replace=False)
    inputs, targets = filled_up([words[i] for i in chosen], 12), counts[chosen]
    masked, bare, never = syllable_counter(mask=True), syllable_counter(mask=False), syllable_counter(mask=False)
    for model in (masked, never):
        model.fit(inputs, targets, epochs=epochs, batch_size=64, verbose=0)
    bare.set_weights(masked.get_weights())
    return {f"{name}_{length}": accuracy(model, unseen, wanted, length)
            for name, model in (("masked", masked), ("bare", bare), ("never", never)) for length in (12, 20)}


def _mask_held(rows):
    return all(row["masked_12"] > 0.7 and abs(row["masked_12"] - row["masked_20"]) < 0.002 and row["bare_12"] < 0.3
               and row["bare_20"] < 0.3 for row in rows)


# ---------------------------------------------------------------------------------------------------------------------
# Sunspots
# ---------------------------------------------------------------------------------------------------------------------
def last_years(series, years):
    """Rows of the values before each year (count, years, 1), and that year's value (count, 1)."""
    pieces = windows(series, years + 1)
    return pieces[:, :-1, None], pieces[:, -1:]


def network_error(spots, years=20):
    """RMSE from 1900 on of a network that has seen the years before, and nothing of later ones."""
    from course_lib.keras_models import forecaster, keras

    mean, spread = spots[:200].mean(), spots[:200].std()
    scaled = (spots - mean) / spread
    inputs, targets = last_years(scaled[:160], years)
    watched = last_years(scaled[160 - years:200], years)
    model = forecaster(years)
    stop = keras.callbacks.EarlyStopping(patience=30, restore_best_weights=True)
    model.fit(inputs, targets, epochs=200, batch_size=16, validation_data=watched, callbacks=[stop], verbose=0)
    inputs, targets = last_years(scaled[200 - years:], years)
    errors = model.predict(inputs, batch_size=256, verbose=0) - targets
    return float(np.sqrt((errors**2).mean()) * spread)


def autoregression_error(spots, years):
    """RMSE from 1900 on of a weighted sum of the last values, fitted to the years before."""
    def with_bias(series):
        rows, values = last_years(series, years)
        return np.hstack([rows[..., 0], np.ones((len(rows), 1))]), values

    rows, values = with_bias(spots[:200])
    weights = np.linalg.lstsq(rows, values, rcond=None)[0]
    rows, values = with_bias(spots[200 - years:])
    return float(np.sqrt(((rows @ weights - values) ** 2).mean()))


def measure_sunspots(seed):
    from course_lib.keras_models import keras

    _, spots = datasets.load_sunspots()
    keras.utils.set_random_seed(seed)
    return {"network": network_error(spots), "linear": autoregression_error(spots, 9),
            "linear_20": autoregression_error(spots, 20),
            "persistence": float(np.sqrt(tasks.persistence_mse(spots[199:])))}


def _sunspots_held(rows):
    return all(row["network"] < 0.75 * row["persistence"] and abs(row["network"] - row["linear"]) < 4 for row in rows)


def _range(rows, name, form=".2f"):
    values = [row[name] for row in rows]
    return f"{min(values):{form}} to {max(values):{form}}"


_MODULES = tuple(f"course_lib.{name}" for name in ("datasets", "keras_models", "ngrams", "sequences", "tasks"))

REPRODUCTIONS = (
    Reproduction(
        key="classic-stack", lesson="08", paper="The classic stack of tutorials",
        claim="LSTM(50) and Dropout(.2), three times, and a softmax; 10 epochs in batches of 32",
        said="not a paper's figure",
        bound="with one answer a window the classic stack ends at least .1 bit worse than a table of letter pairs; a "
              "single layer that answers at every step ends at least .2 bit better than the stack",
        seeds=range(3), measure=measure_classic, held=_classic_held,
        ours=lambda rows: f"bits a letter: classic {_range(rows, 'classic')}, every step {_range(rows, 'every_step')}, "
                          f"one layer {_range(rows, 'one_layer')}; pairs {_range(rows, 'pairs')}, best table "
                          f"{_range(rows, 'table')}",
        code=_MODULES,
    ),
    Reproduction(
        key="dropout-between-layers", lesson="08", paper="Zaremba et al. 2014",
        claim="dropout on the connections that are not recurrent regularises an LSTM",
        said="“substantially reduces overfitting on a variety of tasks” (abstract)",
        bound="without dropout the validation loss ends .06 bit or more above its best; with it, it rises less than "
              "half as much, and ends at least .05 bit lower",
        seeds=range(3), measure=measure_dropout, held=_dropout_held,
        ours=lambda rows: f"bits a letter, best and last: without {_range(rows, 'best_without')} and "
                          f"{_range(rows, 'last_without')}, with {_range(rows, 'best_with')} and "
                          f"{_range(rows, 'last_with')}; best table {_range(rows, 'table')}",
        code=_MODULES,
    ),
    Reproduction(
        key="mask-taken-away", lesson="08", paper="Masking, on syllables of the dictionary",
        claim="a network that was trained with a mask is lost without it",
        said="not a paper's figure",
        bound="with its mask it counts at least 70 % right, however much is filled up; with the same weights and no "
              "mask, below 30 %",
        seeds=range(3), measure=measure_mask, held=_mask_held,
        ours=lambda rows: f"right: masked {_range(rows, 'masked_12')}, mask taken away {_range(rows, 'bare_12')}; "
                          f"trained without {_range(rows, 'never_12')}, longer filling {_range(rows, 'never_20')}",
        code=_MODULES,
    ),
    Reproduction(
        key="sunspots", lesson="08", paper="Sunspots from 1900 on, as in Yule 1927",
        claim="a weighted sum of past years predicts sunspots",
        said="not a paper's figure",
        bound="a GRU is off by less than three quarters of persistence, and lies within 4 of the linear prediction",
        seeds=range(5), measure=measure_sunspots, held=_sunspots_held,
        ours=lambda rows: f"RMSE: network {_range(rows, 'network', '.1f')}, linear {_range(rows, 'linear', '.1f')}, "
                          f"persistence {_range(rows, 'persistence', '.1f')}",
        code=_MODULES,
    ),
)
