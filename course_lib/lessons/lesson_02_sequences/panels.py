"""Lesson 02: a table of counts against the best predictor that is possible, symbol by symbol and on average."""

from __future__ import annotations

from functools import cache

import matplotlib.pyplot as plt
import numpy as np

from course_lib import plotting
from course_lib.lessons.lesson_02_sequences.figures import UNSEEN_COLOR, draw_bits
from course_lib.ngrams import NGram, floor_bits, languages, ngram_floor_bits, true_surprisal
from course_lib.sequences import Vocabulary
from course_lib.teaching.panel import Choice, Slider, panel

_LONGEST = 7
_FIRST, _SHOWN = 600, 30  # which stretch of the unseen text is drawn symbol by symbol
_TEXTS = {"100 symbols": 100, "1,000 symbols": 1_000, "10,000 symbols": 10_000, "100,000 symbols": 100_000}


@cache
def _measured(language, read):
    """The first ``read`` symbols of a text, an unseen one, the truth's surprise at it, tables and their bits."""
    source = languages()[language]
    vocabulary = Vocabulary(source.symbols)
    rng = np.random.default_rng(7)
    unseen = source.sample(rng, 5_000)
    ids = vocabulary.encode(_long_text(language)[:read])
    unseen_ids = vocabulary.encode(unseen)
    tables = [NGram(n, len(vocabulary)).read(ids) for n in range(1, _LONGEST + 1)]
    bits = [np.array([table.surprisal(text).mean() for table in tables]) for text in (ids, unseen_ids)]
    return unseen, unseen_ids, true_surprisal(source, unseen), tables, *bits


@cache
def _long_text(language):
    return languages()[language].sample(np.random.default_rng(8), max(_TEXTS.values()))


@cache
def _endless(language):
    return tuple(ngram_floor_bits(languages()[language], n) for n in range(1, _LONGEST + 1))


def _draw_symbols(ax, language, n, read):
    """Bars: a table's surprise at some symbols of an unseen text; ticks: that of the best possible predictor."""
    unseen, ids, truth, tables, *_ = _measured(language, read)
    shown, places = slice(_FIRST, _FIRST + _SHOWN), np.arange(_SHOWN)
    surprisal = tables[n - 1].surprisal(ids)[_FIRST - n + 1 :][:_SHOWN]
    ax.bar(places, surprisal, color=UNSEEN_COLOR, alpha=0.55, label=f"surprise of the table, n = {n}")
    ax.plot(
        places,
        truth[shown],
        "_",
        color=plotting.COLORS["optimum"],
        markersize=11,
        markeredgewidth=2.5,
        label="that of the best possible",
    )
    ax.set_xticks(places, unseen[shown], family="DejaVu Sans Mono")
    ax.set(ylabel="bits", ylim=(0, max(2.2, surprisal.max()) * 1.45))
    ax.grid(axis="x", visible=False)
    ax.legend(loc="upper right", ncols=2)
    ax.set_title(f"{language}: unseen text")


def _draw_ngram(language, n, read):
    *_, on_read, on_unseen = _measured(language, _TEXTS[read])
    floor = floor_bits(languages()[language])
    fig, (top, bottom) = plt.subplots(2, 1, figsize=(7, 6), height_ratios=(2, 3))
    _draw_symbols(top, language, n, _TEXTS[read])
    draw_bits(bottom, on_read, on_unseen, floor, _endless(language))
    ring = {"markerfacecolor": "none", "markeredgecolor": UNSEEN_COLOR, "markeredgewidth": 2}
    bottom.plot([n], [on_unseen[n - 1]], "o", markersize=15, **ring)
    bottom.set_ylim(bottom=0)
    bottom.set_title(f"{read} read")
    fig.legend(*bottom.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig, (
        f"{language}: after {read} a table of n = {n} costs {on_unseen[n - 1]:.2f} bits a symbol on unseen text and "
        f"{on_read[n - 1]:.2f} on what it has read; the floor is {floor:.2f}. Above, its surprise at {_SHOWN} symbols "
        f"beside that of the best possible predictor; below, bits against n from 1 to {_LONGEST}."
    )


def _draw_ngram_static():
    read = "10,000 symbols"
    fig, axes = plt.subplot_mosaic(
        [["symbols", "symbols"], ["Markov", "embedded Reber"], ["temporal XOR", "brackets"]],
        figsize=(7, 7.8),
        height_ratios=(3, 4, 4),
    )
    _draw_symbols(axes.pop("symbols"), "embedded Reber", 4, _TEXTS[read])
    said = []
    for language, ax in axes.items():
        *_, on_read, on_unseen = _measured(language, _TEXTS[read])
        floor = floor_bits(languages()[language])
        draw_bits(ax, on_read, on_unseen, floor, _endless(language))
        ax.set(title=language, ylim=(0, None))
        best = int(on_unseen.argmin()) + 1
        said.append(f"{language}: floor {floor:.2f}, best on unseen text {on_unseen.min():.2f} at n = {best}.")
    for language in ("embedded Reber", "brackets"):
        axes[language].set_ylabel("")
    for language in ("Markov", "embedded Reber"):
        axes[language].set_xlabel("")
    fig.legend(*axes["Markov"].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig, (
        f"Above, the surprise of a table of n = 4 at {_SHOWN} symbols of embedded Reber strings: the last but "
        f"one symbol of a string costs it about a bit, and the best possible predictor nothing. Below, bits a "
        f"symbol against n from 1 to {_LONGEST} for four languages, after {read}: the table on the text that "
        f"it has read, on unseen text, after an endless text, and the exact floor. " + " ".join(said)
    )


def ngram_panel():
    """Choose a language, n, and how much text the table has read; see its surprise beside the best possible one.

    Everything is computed anew for every setting by :class:`course_lib.ngrams.NGram`; the floors are exact. Without a
    live kernel: the surprise symbol by symbol for one language, and bits against n for four, in one picture.
    """
    panel(
        _draw_ngram,
        {
            "language": Choice("language", tuple(languages()), "embedded Reber"),
            "n": Slider("n, length of a run", 1, _LONGEST, 1, 4),
            "read": Choice("text that the table has read", tuple(_TEXTS), "1,000 symbols"),
        },
        _draw_ngram_static,
    )
