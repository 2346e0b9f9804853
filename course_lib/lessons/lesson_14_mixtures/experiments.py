"""Lesson 14's reproductions: strips of digits, pictures with captions, and sounds with pictures.

The functions are those the lesson shows, so that its live run and the recorded ones are the same experiment. All tasks
are made from the 1,797 digits of :func:`course_lib.datasets.load_digits`; those for the test are never trained on.
"""

from __future__ import annotations

import numpy as np

from course_lib.attention import DotAttention
from course_lib.convolution import Conv1D, Conv2D, MaxPooling2D
from course_lib.ctc import CTCLoss, greedy_decode
from course_lib.datasets import load_digits
from course_lib.layers import Dense, Embedding
from course_lib.losses import SoftmaxCrossEntropy
from course_lib.model import Model
from course_lib.optimizers import Adam, LinearDecay, clip_by_global_norm
from course_lib.recurrent import GRU, Bidirectional
from course_lib.teaching.experiment import Reproduction
from course_lib.teaching.summaries import spread

UNSEEN = 450  # digits that are kept for the test, a quarter


def two_parts(seed, by_writer=False):
    """Images and labels of the digits to learn from, then of the unseen ones.

    By chance, or in the order of the file, which is roughly by writers: then seed 0 keeps the first quarter of the
    file for the test, seed 1 the second, and so on.
    """
    images, labels = load_digits()
    order = np.random.default_rng(seed).permutation(len(images))
    if by_writer:
        order = np.roll(np.arange(len(images)), -UNSEEN * seed)
    test, train = order[:UNSEEN], order[UNSEEN:]
    return (images[train] / 16, labels[train]), (images[test] / 16, labels[test])


# ---------------------------------------------------------------------------------------------------------------------
# Strips of digits, read with CTC
# ---------------------------------------------------------------------------------------------------------------------
def strips(count, digits, rng, longest=58):
    """Three to five digits in a row, 0 to 3 empty columns between: columns, labels + 1, mask."""
    images, labels = digits
    x, mask = np.zeros((count, longest, 8), np.float32), np.zeros((count, longest), bool)
    targets = np.zeros((count, 5), int)
    for row in range(count):
        chosen = rng.integers(len(images), size=rng.integers(3, 6))
        end = rng.integers(4)
        for which in chosen:
            x[row, end : end + 8] = images[which].T
            end += 8 + rng.integers(4)
        mask[row, :end], targets[row, : len(chosen)] = True, labels[chosen] + 1
    return x, targets, mask


def windows(units, width, rng, features=8):
    """A convolution over ``width`` columns."""
    return Conv1D(features, units, width, rng=rng, padding="same", activation="relu")


def both_ways(features, units, rng):
    """A GRU in each direction."""
    return Bidirectional(GRU(features, units, rng=rng), GRU(features, units, rng=rng))


READERS = {  # layers with about 28,000 weights, output layer included; its inputs; the better rate, tried on seed 0
    "window_3": (lambda r: [windows(150, 3, r), Dense(150, 150, rng=r, activation="relu")], 150, 0.005),
    "window_9": (lambda r: [windows(132, 9, r), Dense(132, 132, rng=r, activation="relu")], 132, 0.01),
    "window_15": (lambda r: [windows(115, 15, r), Dense(115, 115, rng=r, activation="relu")], 115, 0.01),
    "stack": (lambda r: [windows(55, 3, r), *(windows(55, 3, r, 55) for _ in range(3))], 55, 0.01),
    "bi_3": (lambda r: [windows(32, 3, r), both_ways(32, 51, r)], 102, 0.01),
    "bi_raw": (lambda r: [both_ways(8, 62, r)], 124, 0.01),
    "gru_raw": (lambda r: [GRU(8, 90, rng=r)], 90, 0.01),
    "gru_9": (lambda r: [windows(32, 9, r), GRU(32, 78, rng=r)], 78, 0.01),
}
"""Window of 3, 9 or 15 columns alone; four windows of 3 one behind the other; bidirectional GRU behind a window of 3,
and on raw columns; a GRU in one direction on raw columns, and behind a window of 9."""


def train_reader(name, digits, seed, updates=400):
    """Train a reader of strips with CTC."""
    layers, units, rate = READERS[name]
    rng, adam = np.random.default_rng(seed), Adam(LinearDecay(rate, updates))
    model = Model([*layers(rng), Dense(units, 11, rng=rng)], CTCLoss())
    for _ in range(updates):
        model.train_on_batch(*strips(32, digits, rng), optimizer=adam, clip_norm=1.0)
    return model


def strips_wrong(model, digits, rng, count=500):
    """The share of strips with any mistake, read by the most probable path."""
    x, targets, mask = strips(count, digits, rng)
    read = greedy_decode(model.predict(x, mask), mask)
    return float(np.mean([r != list(t[t > 0]) for r, t in zip(read, targets, strict=True)]))


def told_wrong(train, test, seed, updates=400):
    """The share of strips with any mistake if a network is told where each digit is, with as many weights."""
    rng = np.random.default_rng(seed)
    layers = [Dense(64, 135, rng=rng, activation="relu"), Dense(135, 135, rng=rng, activation="relu")]
    model, adam = Model([*layers, Dense(135, 10, rng=rng)], SoftmaxCrossEntropy()), Adam(LinearDecay(0.005, updates))
    for _ in range(updates):
        chosen = rng.integers(len(train[0]), size=128)  # as many digits as 32 strips have on average
        model.train_on_batch(train[0][chosen].reshape(-1, 64), train[1][chosen], optimizer=adam, clip_norm=1.0)
    right = model.predict(test[0].reshape(-1, 64)).argmax(axis=1) == test[1]
    digits = [rng.integers(len(right), size=rng.integers(3, 6)) for _ in range(500)]
    return float(np.mean([not right[chosen].all() for chosen in digits]))


def measure_strips(seed):
    train, test = two_parts(seed)
    row = {"told": told_wrong(train, test, seed)}
    for name in READERS:
        row[name] = strips_wrong(train_reader(name, train, seed), test, np.random.default_rng(1000 + seed))
    return row


def measure_writers(seed):
    train, test = two_parts(seed, by_writer=True)
    row = {"told": told_wrong(train, test, seed)}
    for name in ("window_15", "bi_3"):
        model = train_reader(name, train, seed)
        row[name] = strips_wrong(model, test, np.random.default_rng(1000 + seed))
    return row


def spaced_strips(count, digits, rng, longest=98):
    """Like strips, with 8 to 11 empty columns between the digits: no window of 9 holds columns of two of them."""
    images, labels = digits
    x, mask = np.zeros((count, longest, 8), np.float32), np.zeros((count, longest), bool)
    targets = np.zeros((count, 5), int)
    for row in range(count):
        chosen = rng.integers(len(images), size=rng.integers(3, 6))
        begins = np.cumsum(np.append(rng.integers(4), 8 + rng.integers(8, 12, len(chosen))))
        for begin, which in zip(begins[:-1], chosen, strict=True):
            x[row, begin : begin + 8] = images[which].T
        mask[row, : begins[-1]], targets[row, : len(chosen)] = True, labels[chosen] + 1
    return x, targets, mask


def measure_spaced(seed, updates=400, count=500):
    """The windows of 9 and of 15, trained and tested on spaced strips."""
    train, test = two_parts(seed)
    row = {}
    for name in ("window_9", "window_15"):
        layers, units, rate = READERS[name]
        rng, adam = np.random.default_rng(seed), Adam(LinearDecay(rate, updates))
        model = Model([*layers(rng), Dense(units, 11, rng=rng)], CTCLoss())
        for _ in range(updates):
            model.train_on_batch(*spaced_strips(32, train, rng), optimizer=adam, clip_norm=1.0)
        x, targets, mask = spaced_strips(count, test, np.random.default_rng(1000 + seed))
        read = greedy_decode(model.predict(x, mask), mask)
        row[name] = float(np.mean([r != list(t[t > 0]) for r, t in zip(read, targets, strict=True)]))
    return row


def spike_columns(outputs, mask):
    """Of each row the columns at which the best path begins a symbol."""
    path = np.where(mask, outputs.argmax(axis=2), 0)
    begins = (path > 0) & (path != np.pad(path, ((0, 0), (1, 0)))[:, :-1])
    return [np.flatnonzero(row) for row in begins]


def measure_one_way(seed, updates=400):
    """A GRU in one direction at two rates, and how many columns later than a window of 15 it names its digits."""
    train, test = two_parts(seed)
    x, targets, mask = strips(500, test, np.random.default_rng(1000 + seed))
    symbols = (targets > 0).sum(axis=1)
    layers, units, _ = READERS["gru_raw"]
    window, row = train_reader("window_15", train, seed, updates).predict(x, mask), {}
    for name, rate in (("slow", 0.005), ("fast", 0.01)):
        rng, adam = np.random.default_rng(seed), Adam(LinearDecay(rate, updates))
        model = Model([*layers(rng), Dense(units, 11, rng=rng)], CTCLoss())
        for _ in range(updates):
            model.train_on_batch(*strips(32, train, rng), optimizer=adam, clip_norm=1.0)
        row[name] = strips_wrong(model, test, np.random.default_rng(1000 + seed))
        pairs = zip(spike_columns(model.predict(x, mask), mask), spike_columns(window, mask), symbols, strict=True)
        later = [(a - b).mean() for a, b, n in pairs if len(a) == len(b) == n]
        row[f"{name}_later"] = float(np.mean(later)) if later else None
    return row


# ---------------------------------------------------------------------------------------------------------------------
# Pictures with captions
# ---------------------------------------------------------------------------------------------------------------------
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LONGEST = len("seven beside seven") + 1  # and the end


def captioned(count, digits, rng):
    """Pictures (count, 16, 16, 1), captions as ids (count, 19), and the corners of each picture's digits.

    One digit, or two above one another or beside each other. Id 0 is the end, 1 the space, 2 to 27 are letters.
    """
    images, labels = digits
    pictures, ids = np.zeros((count, 16, 16, 1), np.float32), np.zeros((count, LONGEST), int)
    corners = []
    for row in range(count):
        chosen = rng.integers(len(images), size=2)
        first, second = (NAMES[labels[which]] for which in chosen)
        places, caption = (
            ([(4, 4)], first),
            ([(0, 4), (8, 4)], f"{first} above {second}"),
            ([(4, 0), (4, 8)], f"{first} beside {second}"),
        )[rng.integers(3)]
        for (top, left), which in zip(places, chosen, strict=False):
            pictures[row, top : top + 8, left : left + 8, 0] = images[which]
        ids[row, : len(caption)] = [1 if letter == " " else ord(letter) - 95 for letter in caption]
        corners.append(places)
    return pictures, ids, corners


def one_later(ids):
    """What the decoder reads: at each step the letter before, 0 at first."""
    return np.pad(ids, ((0, 0), (1, 0)))[:, :-1]


class Captioner:
    """Convolution reads the picture, a GRU writes letters, attention joins them."""

    def __init__(self, units, rng):
        how = dict(padding="same", activation="relu", rng=rng)
        self.eye = [Conv2D(1, 16, 3, **how), MaxPooling2D(2), Conv2D(16, 32, 3, **how), MaxPooling2D(2)]
        self.eye.append(Conv2D(32, units, 3, **how))
        self.place, self.letters = Embedding(16, units, rng=rng), Embedding(28, 32, rng=rng)
        self.gru, self.attention = GRU(32, units, rng=rng), DotAttention()
        self.join, self.out = Dense(2 * units, units, rng=rng, activation="tanh"), Dense(units, 28, rng=rng)
        self.layers = [*self.eye, self.place, self.letters, self.gru, self.join, self.out]

    def see(self, pictures):
        for layer in self.eye:
            pictures = layer.forward(pictures)  # at last (batch, 4, 4, units)
        return pictures.reshape(len(pictures), 16, -1) + self.place.forward(np.arange(16))

    def forward(self, pictures, before):
        cells = self.see(pictures)
        h, _ = self.gru.forward(self.letters.forward(before))
        context, self.looks = self.attention.forward(h, cells)
        return self.out.forward(self.join.forward(np.concatenate([h, context], axis=2)))

    def backward(self, d_logits):
        d_h, d_context = np.split(self.join.backward(self.out.backward(d_logits)), 2, axis=2)
        d_query, d_cells = self.attention.backward(d_context)
        self.letters.backward(self.gru.backward(d_h + d_query)[0])
        self.see_backward(d_cells)

    def see_backward(self, d_cells):
        self.place.backward(d_cells.sum(axis=0))
        d = d_cells.reshape(len(d_cells), 4, 4, -1)
        for layer in reversed(self.eye):
            d = layer.backward(d)


class OneVector(Captioner):
    """The same without attention: the picture as one vector is the decoder's first state."""

    def __init__(self, units, rng):
        super().__init__(units, rng)
        self.squeeze = Dense(16 * units, units, rng=rng)  # with tanh it stayed saturated and learned nothing
        self.join = Dense(units, units, rng=rng, activation="tanh")
        self.layers = [*self.eye, self.place, self.letters, self.gru, self.squeeze, self.join, self.out]

    def forward(self, pictures, before):
        cells = self.see(pictures)
        first = self.squeeze.forward(cells.reshape(len(cells), -1))
        h, _ = self.gru.forward(self.letters.forward(before), first)
        return self.out.forward(self.join.forward(h))

    def backward(self, d_logits):
        dx, d_first = self.gru.backward(self.join.backward(self.out.backward(d_logits)))
        self.letters.backward(dx)
        d_cells = self.squeeze.backward(d_first)
        self.see_backward(d_cells.reshape(len(d_cells), 16, -1))


def train_captioner(model, digits, rng, updates=600):
    """Train on captions with teacher forcing; the end counts, what is behind it does not."""
    loss, adam = SoftmaxCrossEntropy(), Adam(LinearDecay(0.005, updates))
    for _ in range(updates):
        pictures, ids, _ = captioned(32, digits, rng)
        loss.forward(model.forward(pictures, one_later(ids)), ids, (ids == 0).cumsum(axis=1) <= 1)
        model.backward(loss.backward())
        grads = [grad for layer in model.layers for grad in layer.grads]
        clip_by_global_norm(grads, 1.0)
        adam.update([weight for layer in model.layers for weight in layer.weights], grads)


def write(model, pictures):
    """Captions letter by letter, each letter the likeliest: ids (count, 19)."""
    ids = np.zeros((len(pictures), LONGEST), int)
    for t in range(LONGEST):
        ids[:, t] = model.forward(pictures, one_later(ids))[:, t].argmax(axis=1)
    return np.where((ids == 0).cumsum(axis=1) > 0, 0, ids)


def looks_at(looks, ids, corners):
    """Shares of the attention on the digit being spelled and on the other one, in captions of two digits."""
    right, wrong = [], []
    for weights, row, places in zip(looks, ids, corners, strict=True):
        if len(places) == 2:
            spaces = np.flatnonzero(row == 1)
            words = slice(0, spaces[0]), slice(spaces[1] + 1, int((row > 0).sum()))
            grid = weights.reshape(-1, 4, 4)
            for word, place, other in zip(words, places, places[::-1], strict=True):
                for shares, (top, left) in ((right, place), (wrong, other)):
                    cells = grid[word, top // 4 : (top + 11) // 4, left // 4 : (left + 11) // 4]
                    shares.append(cells.sum(axis=(1, 2)).mean())
    return float(np.mean(right)), float(np.mean(wrong))


def measure_captions(seed):
    train, test = two_parts(seed)
    pictures, ids, corners = captioned(300, test, np.random.default_rng(1000 + seed))
    row = {}
    for name, kind in (("attention", Captioner), ("one_vector", OneVector)):
        rng = np.random.default_rng(seed)
        model = kind(64, rng)
        train_captioner(model, train, rng)
        row[name] = float((write(model, pictures) != ids).any(axis=1).mean())
        if name == "attention":
            model.forward(pictures, one_later(ids))
            row["on_the_digit"], row["on_the_other"] = looks_at(model.looks, ids, corners)
    return row


# ---------------------------------------------------------------------------------------------------------------------
# Sound and picture of the same digit
# ---------------------------------------------------------------------------------------------------------------------
VOWELS = {  # the first two formants in Hz, near the averages of Peterson and Barney 1952
    "i": (270, 2290),
    "ɪ": (390, 1990),
    "ɛ": (530, 1840),
    "a": (730, 1090),
    "ɔ": (570, 840),
    "u": (300, 870),
    "ʌ": (640, 1190),
}
SPOKEN = ("iɔ", "ʌʌ", "uu", "ii", "ɔɔ", "ai", "ɪɪ", "ɛʌ", "ɛi", "ai")  # the vowels of zero, one, ... nine
RATE = 8000  # samples a second


def spoken(digit, rng):
    """The vowels of a digit's name, a voice of random pitch and size, in noise: 1,920 samples."""
    t = np.arange(1920) / RATE
    first, last = (np.array(VOWELS[vowel], float) for vowel in SPOKEN[digit])
    glide = np.linspace(first, last, len(t)) * rng.uniform(0.9, 1.2)  # formants, (samples, 2)
    pitch = rng.uniform(90, 220)
    tones = pitch * np.arange(1, int(3500 / pitch) + 1)  # the voice's harmonics, in Hz
    loud = (1 / (1 + ((tones[:, None, None] - glide) / 80) ** 2)).sum(axis=2)
    start = rng.uniform(0, 2 * np.pi, (len(tones), 1))
    return (loud * np.sin(2 * np.pi * tones[:, None] * t + start)).sum(axis=0) + rng.normal(0, 0.5, len(t))


def spectrogram(waves):
    """How loud 16 bands of 250 Hz are in each of 12 frames of 20 milliseconds: (count, 12, 16)."""
    frames = waves.reshape(len(waves), 12, 160) * np.hanning(160)
    power = np.abs(np.fft.rfft(frames))[:, :, :80] ** 2
    return np.log(1 + power.reshape(len(waves), 12, 16, 5).mean(axis=3))


def seen_and_heard(digits, rng):
    """A noisy picture and a spectrogram of each digit, and the digits."""
    images, labels = digits
    pictures = images + rng.normal(0, 0.4, images.shape)
    sounds = spectrogram(np.array([spoken(digit, rng) for digit in labels]))
    return pictures[..., None].astype(np.float32), ((sounds - 3.3) / 1.2).astype(np.float32), labels


def fused(keras, parts, seed):
    """A network that reads the parts it is told to: "picture", "sound" or both."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    picture, sound = keras.Input((8, 8, 1)), keras.Input((12, 16))
    seen = layers.Flatten()(layers.Conv2D(16, 3, activation="relu")(picture))
    features = {"picture": layers.Dense(32, activation="relu")(seen), "sound": layers.GRU(32)(sound)}
    chosen = [features[part] for part in parts]
    joined = layers.Concatenate()(chosen) if len(chosen) > 1 else chosen[0]
    model = keras.Model([picture, sound], layers.Dense(10)(joined))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(0.003), loss=loss, metrics=["accuracy"])
    return model


def drop_inputs(pictures, sounds, rng):
    """Of each pair take nothing away, or the picture, or the sound: a third each."""
    fate = rng.integers(3, size=len(pictures))
    return pictures * (fate != 1)[:, None, None, None], sounds * (fate != 2)[:, None, None]


def train_fused(model, pairs, rng, epochs=12, drop=False):
    """Fit on pairs; with ``drop`` an input is missing in two thirds of them, drawn anew each epoch."""
    pictures, sounds, labels = pairs
    for _ in range(epochs):
        given = drop_inputs(pictures, sounds, rng) if drop else (pictures, sounds)
        model.fit(list(given), labels, batch_size=32, verbose=0)


def wrong_without(model, pairs):
    """Share of digits wrong with both inputs, without the sound, without the picture."""
    pictures, sounds, labels = pairs
    cases = {"both": (1, 1), "no_sound": (1, 0), "no_picture": (0, 1)}
    return {
        name: 1 - model.evaluate([a * pictures, b * sounds], labels, verbose=0)[1] for name, (a, b) in cases.items()
    }


def measure_fusion(seed):
    from course_lib.keras_models import keras

    parts = two_parts(seed)
    train, test = (
        seen_and_heard(part, np.random.default_rng(seed + n)) for part, n in zip(parts, (0, 1000), strict=True)
    )
    row = {}
    for name in ("picture", "sound", "fused", "dropped"):
        model = fused(keras, ["picture", "sound"] if name in ("fused", "dropped") else [name], seed)
        train_fused(model, train, np.random.default_rng(seed), drop=name == "dropped")
        wrong = wrong_without(model, test)
        row |= {name: wrong["both"], f"{name}_no_sound": wrong["no_sound"], f"{name}_no_picture": wrong["no_picture"]}
    return row


def measure_branch(seed, epochs=12):
    """A fused network without its sound, with another pair's sound, and its picture branch with a new last layer."""
    from course_lib.keras_models import keras

    parts = two_parts(seed)
    train, test = (
        seen_and_heard(part, np.random.default_rng(seed + n)) for part, n in zip(parts, (0, 1000), strict=True)
    )
    model = fused(keras, ["picture", "sound"], seed)
    train_fused(model, train, np.random.default_rng(seed), epochs)
    pictures, sounds, labels = test
    other = sounds[np.random.default_rng(seed).permutation(len(sounds))]
    row = {
        "no_sound": wrong_without(model, test)["no_sound"],
        "other_sound": 1 - model.evaluate([pictures, other], labels, verbose=0)[1],
    }
    branch = next(layer for layer in model.layers if isinstance(layer, keras.layers.Dense) and layer.units == 32)
    features = keras.Model(model.inputs, branch.output)
    last = keras.Sequential([keras.Input((32,)), keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    last.compile(optimizer=keras.optimizers.Adam(0.003), loss=loss, metrics=["accuracy"])
    last.fit(features.predict(list(train[:2]), verbose=0), train[2], batch_size=32, epochs=epochs, verbose=0)
    row["new_last_layer"] = 1 - last.evaluate(features.predict([pictures, sounds], verbose=0), labels, verbose=0)[1]
    return row


# ---------------------------------------------------------------------------------------------------------------------
# What is recorded
# ---------------------------------------------------------------------------------------------------------------------
def _line(rows):
    """Each measurement in a word and its range over the seeds."""
    names = [name for name in rows[0] if name != "seed"]
    return "; ".join(f"{name.replace('_', ' ')} {spread(rows, name, '.3f')}" for name in names)


def _strips_hold(rows):
    return all(
        row["window_15"] < 0.15
        and all(0.15 < row[name] < 0.4 for name in ("window_9", "stack") if name in row)
        and row.get("window_3", 1) > 0.4
        and all(row[name] < 0.2 for name in ("bi_3", "bi_raw", "gru_9") if name in row)
        for row in rows
    )


def _one_way_holds(rows):
    runs = [(row[name], row[f"{name}_later"]) for row in rows for name in ("slow", "fast")]
    read = [later for wrong, later in runs if wrong < 0.5]
    silent = [wrong for wrong, _ in runs if wrong > 0.9]
    return len(read) + len(silent) == len(runs) and 0 < len(read) < len(runs) and max(map(abs, read)) < 3


def _captions_hold(rows):
    return all(
        row["attention"] < 0.3
        and row["on_the_other"] < 0.25 < row["on_the_digit"]
        and row["attention"] < row.get("one_vector", 1)
        for row in rows
    )


def _fusion_holds(rows):
    return all(
        row["fused"] < 0.05 < 0.25 < row["fused_no_sound"]
        and ("sound" not in row or 0.05 < row["sound"] < row["fused_no_picture"])
        and ("picture" not in row or row["picture"] < row["fused_no_sound"])
        and ("dropped" not in row or row["dropped"] < 0.05)
        and ("dropped" not in row or row["dropped_no_sound"] < row["fused_no_sound"])
        and ("dropped" not in row or row["dropped_no_picture"] < row["fused_no_picture"])
        for row in rows
    )


REPRODUCTIONS = (
    Reproduction(
        key="ctc-strips",
        lesson="14",
        paper="In the spirit of Graves et al. 2006",
        claim="a network trained with CTC reads rows of symbols without being told where they are",
        reported="on speech, with a bidirectional LSTM; no figure for this task",
        criterion="strips of 3 to 5 digits, 28,000 weights, 400 updates, strips with a mistake on every seed: a "
        "window of 3 columns alone above 40 %; a window of 9, and a stack of four windows of 3, between "
        "15 and 40 %; a window of 15 below 15 %; bidirectional GRU, on raw columns or behind a window of "
        "3, and a GRU in one direction behind a window of 9, below 20 %",
        seeds=range(1, 4),
        measure=measure_strips,
        holds=_strips_hold,
        measured=_line,
    ),
    Reproduction(
        key="ctc-writers",
        lesson="14",
        paper="In the spirit of Graves et al. 2006",
        claim="digits by people whose hand was not learned are read worse",
        reported="no figure for this task",
        criterion="the same strips, digits split in the order of the file: on every seed more than 10 % with a "
        "mistake, for a window of 15, for a bidirectional GRU behind a window of 3, and with positions "
        "told",
        seeds=range(1, 4),
        measure=measure_writers,
        holds=lambda rows: all(min(row["told"], row["window_15"], row["bi_3"]) > 0.1 for row in rows),
        measured=_line,
    ),
    Reproduction(
        key="ctc-one-way",
        lesson="14",
        paper="In the spirit of Graves et al. 2006",
        claim="a network in one direction can read with CTC, if training leaves the blank",
        reported="no figure for this task",
        criterion="the same strips, GRU on raw columns, 400 updates at .005 and at .01: each run has either more "
        "than 90 % of the strips wrong or less than 50 %, and both happen; where it reads, it names its "
        "digits on average less than 3 columns before or behind a window of 15",
        seeds=range(4),
        measure=measure_one_way,
        holds=_one_way_holds,
        measured=_line,
    ),
    Reproduction(
        key="ctc-spaced",
        lesson="14",
        paper="In the spirit of Graves et al. 2006",
        claim="long gaps between the symbols make training with CTC harder",
        reported="no figure for this task",
        criterion="strips with 8 to 11 empty columns between the digits, 400 updates, strips with a mistake on every "
        "seed: a window of 9 alone above 90 %, a window of 15 alone above 30 %",
        seeds=range(1, 4),
        measure=measure_spaced,
        holds=lambda rows: all(row["window_9"] > 0.9 and row["window_15"] > 0.3 for row in rows),
        measured=_line,
    ),
    Reproduction(
        key="captions",
        lesson="14",
        paper="In the spirit of Vinyals et al. 2015 and Xu et al. 2015",
        claim="a decoder with attention spells what is in a picture, and looks at what it names",
        reported="on photographs; no figure for this task",
        criterion="one or two digits on a canvas, 600 updates, on every seed: less than 30 % of the captions wrong "
        "with attention, and fewer than from one vector; while a digit is spelled, more than a quarter of "
        "the attention on it and less than a quarter on the other digit",
        seeds=range(1, 4),
        measure=measure_captions,
        holds=_captions_hold,
        measured=_line,
    ),
    Reproduction(
        key="fused-inputs",
        lesson="14",
        paper="In the spirit of Ngiam et al. 2011",
        claim="sound and picture together are read better than either",
        reported="on sound and video of speech; no figure for this task",
        criterion="on every seed less than 5 % wrong with both inputs, more than 5 % with the sound alone; with the "
        "sound switched off more than 25 %, and more than a network trained on pictures alone; with the "
        "picture off more than one trained on sounds alone; less of both if inputs are left out in "
        "training",
        seeds=range(1, 4),
        measure=measure_fusion,
        holds=_fusion_holds,
        measured=_line,
    ),
    Reproduction(
        key="fused-branch",
        lesson="14",
        paper="In the spirit of Ngiam et al. 2011",
        claim="a new last layer on the picture branch wins back part of what is lost with the sound",
        reported="no figure for this task",
        criterion="on every seed: a new last layer on the frozen picture branch of a fused network is wrong less often "
        "than the fused network with its sound off, and on less than 27 %; with another pair's sound more than 50 %",
        seeds=range(1, 4),
        measure=measure_branch,
        holds=lambda rows: all(
            row["new_last_layer"] < min(row["no_sound"], 0.27) and row["other_sound"] > 0.5 for row in rows
        ),
        measured=_line,
    ),
)
