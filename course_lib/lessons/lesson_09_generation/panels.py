"""Lesson 09: what temperature and top-p do to one distribution, and to what is written with them."""

from __future__ import annotations

from functools import cache

import matplotlib.pyplot as plt
import numpy as np

from course_lib import datasets, plotting
from course_lib.generation import apply_temperature, keep_top_p, ngram_step, nucleus
from course_lib.ngrams import NGram
from course_lib.sequences import Vocabulary
from course_lib.teaching.panel import Slider, TextBox, panel, what_it_reads

LETTERS = Vocabulary(".abcdefghijklmnopqrstuvwxyz")
_N = 5  # letters in a run of the table
_WORDS = 10


@cache
def _step():
    """A table of the dictionary's runs of five letters: an exact model, the same on every machine."""
    dots = "." * (_N - 1)
    text = "".join(dots + word for word in datasets.load_words()) + "."
    return ngram_step(NGram(_N, len(LETTERS), interpolated=True).read(LETTERS.encode(text)))


def _beginning(text):
    """What was typed, as the table's seed: small letters only, dots in front."""
    typed = "".join(letter for letter in text.lower() if letter in LETTERS and letter != ".")
    return typed, LETTERS.encode("." * (_N - 1) + typed)


def next_letter(text, temperature, p):
    """The distribution of the letter after a beginning of a word, before and after the change.

    Parameters
    ----------
    text : str
        Letters a to z count, all others are left out; empty for the beginning of a word.
    temperature : float
        Above 0.
    p : float
        The share that the nucleus holds, in (0, 1].

    Returns
    -------
    before, after : (27,) arrays
        Probabilities of the end of the word (a dot) and of a to z.
    """
    _, seed = _beginning(text)
    state = None
    for symbol in seed:
        log_p, state = _step()(np.array([symbol]), state)
    return np.exp(log_p[0]), np.exp(keep_top_p(apply_temperature(log_p, temperature), p)[0])


def words_after(text, temperature, p, count=_WORDS):
    """Words written after a beginning, always with the same random numbers: a list of str."""
    typed, seed = _beginning(text)
    written = nucleus(
        _step(),
        np.tile(seed, (count, 1)),
        max_length=18,
        stop=0,
        p=p,
        temperature=temperature,
        rng=np.random.default_rng(9),
    )
    return [typed + (LETTERS.decode(row) if len(row) else "") for row in written.symbols]


def _draw_row(bars, words_ax, text, temperature, p):
    before, after = next_letter(text, temperature, p)
    shown, places = words_after(text, temperature, p), np.arange(len(LETTERS))
    bars.bar(places, after, color=plotting.COLORS["output"], width=0.8)
    bars.step(
        np.append(places, places[-1] + 1) - 0.5,
        np.append(before, before[-1]),
        where="post",
        color=plotting.FOREGROUND,
        linewidth=1.1,
    )
    bars.set_xticks(places, ["end", *LETTERS.symbols[1:]], fontsize=9.5)
    bars.tick_params(axis="x", length=0, pad=1)
    bars.get_xticklabels()[0].set_rotation(90)
    bars.set(ylim=(0, max(after.max(), before.max()) * 1.08), xlim=(-0.7, 26.7))
    bars.grid(axis="x", visible=False)
    bars.set_title(f"temperature {temperature:g}, top-p {p:g}", loc="left", fontsize=10)
    words_ax.axis("off")
    half = (len(shown) + 1) // 2
    for column, part in enumerate((shown[:half], shown[half:])):
        lines = "\n".join(word if len(word) < 14 else word[:12] + "…" for word in part)
        words_ax.text(0.53 * column, 0.97, lines, va="top", fontsize=9, transform=words_ax.transAxes)
    many = int((after > 0.001).sum())
    return (
        f"At temperature {temperature:g} and top-p {p:g}, {many} of 27 symbols have more than a thousandth, the "
        f"likeliest has {after.max():.2f}; among the words: {', '.join(shown[:4])}."
    )


def _figure(rows, height):
    fig, axes = plt.subplots(rows, 2, figsize=(7, height), squeeze=False, width_ratios=(1.75, 1))
    axes[-1, 0].set_xlabel("next letter; outline: the model, bars: what is drawn from")
    return fig, axes


def _alt(text, said):
    typed, _ = _beginning(text)
    where = f"after “{typed}”" if typed else "at the beginning of a word"
    return (
        f"Chances of the next letter {where} by a table of the dictionary: the model's own as outlines, and as "
        f"bars what is left after temperature and cut; beside them, words written so. {said}"
    )


def _draw_live(text, temperature, p):
    fig, axes = _figure(1, 2.9)
    said = _draw_row(*axes[0], text, temperature, p)
    if cut := what_it_reads(text, _beginning(text)[0], "letters a to z only"):
        axes[0, 0].set_xlabel(f"{axes[0, 0].get_xlabel()}\n{cut}")
    return fig, f"{_alt(text, said)} {cut}".strip()


SETTINGS = ((1, 1), (0.3, 1), (2, 1), (2, 0.8))  # of the static picture: temperature, top-p


def _draw_static():
    fig, axes = _figure(len(SETTINGS), 8)
    said = [_draw_row(*row, "str", *setting) for row, setting in zip(axes, SETTINGS, strict=True)]
    return fig, _alt("str", " ".join(said))


def generation_panel():
    """Type the beginning of a word, turn temperature and top-p, and see what changes in one distribution and in words.

    The model is a table of the dictionary's runs of five letters. Without a live kernel: four settings in one picture.
    """
    panel(
        _draw_live,
        {
            "text": TextBox("beginning of a word", "str"),
            "temperature": Slider("temperature", 0.1, 3.0, 0.1, 1.0),
            "p": Slider("top-p", 0.05, 1.0, 0.05, 1.0),
        },
        _draw_static,
    )
