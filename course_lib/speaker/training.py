"""How the speaker was trained, and its model card."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from course_lib import datasets
from course_lib.metrics import ErrorRates, edit_distance, error_rates
from course_lib.optimizers import Adam
from course_lib.seq2seq import EncoderDecoder, Pairs, SequenceToSequence, teacher_forcing
from course_lib.sequences import Vocabulary
from course_lib.speaker.alignment import WIDTHS, WindowTable, window_rates
from course_lib.speaker.network import START, STOP, Speaker, Spoken, say_words
from course_lib.speaker.pronunciation import LETTERS, LONGEST, PHONEMES

FOLDER = Path(__file__).parent
UNITS, EMBEDDING, EPOCHS, BATCH, RATE, CLIP, SEED = 192, 32, 8, 64, 3e-3, 1.0, 0


def spelling_pairs(part: str) -> Pairs:
    """The words of a part of the dictionary with their first pronunciation, as padded pairs for teacher forcing.

    Parameters
    ----------
    part : {"train", "validation", "test"}
        Of the dictionary.

    Returns
    -------
    Pairs
        As arrays, padded at the end.
    """
    words, accepted = datasets.load_spellings(part)
    numbers = Vocabulary(PHONEMES)
    return teacher_forcing(
        [LETTERS.encode(word) for word in words], [numbers.encode(rights[0]) for rights in accepted], START, STOP
    )


def new_model(rng: np.random.Generator) -> EncoderDecoder:
    """A bidirectional encoder of letters and a decoder of phonemes with dot attention.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    EncoderDecoder
        The model.
    """
    return EncoderDecoder(
        len(LETTERS), len(PHONEMES) + 2, UNITS, bidirectional=True, attention="dot", embedding=EMBEDDING, rng=rng
    )


def measure(model: SequenceToSequence, part: str) -> ErrorRates:
    """The error rates of a model on one part of the dictionary.

    Parameters
    ----------
    model : SequenceToSequence
        From letters to phonemes.
    part : {"train", "validation", "test"}
        Of the dictionary.

    Returns
    -------
    ErrorRates
        Of words and of phonemes.
    """
    words, accepted = datasets.load_spellings(part)
    return error_rates(say_words(model, words), accepted)


def train(pairs: Pairs) -> EncoderDecoder:
    """Train a new model, printing loss and validation error after each epoch.

    Parameters
    ----------
    pairs : Pairs
        The training words, as :func:`spelling_pairs` makes them.

    Returns
    -------
    EncoderDecoder
        The model.
    """
    start, rng = time.perf_counter(), np.random.default_rng(SEED)
    updates = -(-len(pairs) // BATCH) * EPOCHS
    model = new_model(rng)
    adam = Adam(lambda update: RATE * min(1, 2 * (1 - update / updates)))  # falls to 0 during the second half
    for epoch in range(EPOCHS):
        history = model.fit(pairs, optimizer=adam, batch_size=BATCH, rng=rng, clip_norm=CLIP, progress=False)
        rates = measure(model, "validation")
        print(
            f"epoch {epoch + 1}: loss {history.history['loss'][-1]:.3f}, {rates.words:.1%} of validation words wrong, "
            f"{time.perf_counter() - start:.0f} s",
            flush=True,
        )
    return model


def what_goes_wrong(spoken: Sequence[Spoken], accepted: Sequence[Sequence[tuple[str, ...]]]) -> dict[str, Any]:
    """What kind of mistakes a speaker makes.

    Parameters
    ----------
    spoken : list of Spoken
        What the speaker said.
    accepted : list of list of tuple of str
        The pronunciations of each word.

    Returns
    -------
    dict
        ``by_letters``: the share of wrong words, by their number of letters; ``by_one_sound``: the share of wrong words
        that are one insertion, deletion or substitution from right; ``exchanges``: the ten most frequent substitutions
        [right, predicted, times], counted where only substitutions are wrong.
    """
    lengths, wrong, distances, exchanges = [], [], [], Counter()
    for word, rights in zip(spoken, accepted, strict=True):
        distance, nearest = min((edit_distance(word.phonemes, right), right) for right in rights)
        lengths.append(len(word.word))
        wrong.append(distance > 0)
        distances.append(distance)
        if len(nearest) == len(word.phonemes):
            different = [pair for pair in zip(nearest, word.phonemes, strict=True) if pair[0] != pair[1]]
            if len(different) == distance:
                exchanges.update(different)
    lengths, wrong, distances = np.array(lengths), np.array(wrong), np.array(distances)
    groups = [(1, 4), (5, 6), (7, 8), (9, 10), (11, LONGEST)]
    return {
        "by_letters": {
            f"{low}-{high}": round(float(wrong[(low <= lengths) & (lengths <= high)].mean()), 3) for low, high in groups
        },
        "by_one_sound": round(float((distances[wrong] == 1).mean()), 3),
        "exchanges": [[*pair, times] for pair, times in exchanges.most_common(10)],
    }


def write_card(
    model: EncoderDecoder, rows: Sequence[tuple[np.ndarray, np.ndarray]], chunks: Sequence[str], folder: Path = FOLDER
) -> dict[str, Any]:
    """Measure a model on the test words, which no training has seen, and write ``speaker.json``.

    Parameters
    ----------
    model : EncoderDecoder
        The model.
    rows, chunks
        The aligned words from which the tables for comparison are counted, as
        :func:`course_lib.speaker.alignment.training_data` returns them.
    folder : pathlib.Path
        Where to write the file.

    Returns
    -------
    dict
        The card.
    """
    words, accepted = datasets.load_spellings("test")
    spoken = Speaker(model).say_all(words)
    rates = error_rates([word.phonemes for word in spoken], accepted)
    tables, alone = window_rates(rows, chunks), WindowTable(rows, 1).best[0]
    card = {
        "what": f"English spelling to phonemes: a bidirectional GRU encodes, a GRU of {UNITS} units decodes with dot "
        f"attention",
        "data": "CMU Pronouncing Dictionary, words of the letters a to z, stress removed, each with its first "
        "pronunciation; split_of(word) splits it",
        "training": f"{len(datasets.load_spellings('train')[0]):,} words, {EPOCHS} epochs, batches of {BATCH}, Adam at "
        f"{RATE}, from the middle on falling to 0, gradients clipped at {CLIP}, seed {SEED}",
        "test_words": len(words),
        "word_error_rate": round(rates.words, 4),
        "phoneme_error_rate": round(rates.phonemes, 4),
        "parameters": sum(w.size for w in model.weights),
        "what_goes_wrong": what_goes_wrong(spoken, accepted),
        "alone": {LETTERS.symbols[letter]: chunks[chunk] for (letter,), chunk in sorted(alone.items())},
        "windows": {
            str(width): [round(rate, 4) for rate in found] for width, found in zip(WIDTHS, tables, strict=True)
        },
    }
    text = json.dumps(card, indent=1, ensure_ascii=False) + "\n"
    (folder / "speaker.json").write_text(text, encoding="utf-8", newline="\n")
    return card
