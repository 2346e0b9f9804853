"""Learning per second: character models of equal size, equal seconds, bits a character on text held out.

Ours and Keras read the very same windows of the Python manual from the same first weights; a plain loop over single
letters reads it from end to end, as the well-known minimal character model does. ``make bench`` runs it;
docs/benchmarks.md says how to read it.
"""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
from _children import Child, described, machine, options, table, thread_settings, write
from _sides import Case, our_model

KINDS = ("SimpleRNN", "LSTM")
HELD_OUT = 0.1  # the last part of the text
ROW = 200  # letters of held-out text that are read in one go, from an empty state
TABLES = (2, 4)  # n-grams to compare with

LOOKS = {"ours": ("#1b1b24", "o", "-"), "Keras": ("#a9610b", "D", "--"), "plain loop": ("#2b6460", "x", ":")}


def load():
    """Ids of the text to learn from, of the text held out, and the number of symbols."""
    from course_lib.datasets import load_python_manual
    from course_lib.sequences import Vocabulary

    text = load_python_manual().text
    vocabulary = Vocabulary(sorted(set(text)))
    ids = np.asarray(vocabulary.encode(text), np.int64)
    cut = round(len(ids) * (1 - HELD_OUT))
    return ids[:cut], ids[cut:], len(vocabulary)


def bits(case, weights, ids):
    """Bits a character of a model with these weights, on rows of the text that each begin with an empty state."""
    from course_lib.sequences import one_hot

    model = our_model(case)
    for ours, theirs in zip(model.weights, weights, strict=True):
        ours[...] = theirs
    rows = ids[: len(ids) // (ROW + 1) * (ROW + 1)].reshape(-1, ROW + 1)
    return model.evaluate(one_hot(rows[:, :-1], case.symbols), rows[:, 1:], batch_size=64) / np.log(2)


def faster_setting(side, case, ids, starts, seconds):
    """A child with the better number of threads, and the better mode; found by a short run that is thrown away."""
    children = [Child(side, threads) for threads in thread_settings()]
    pace = {}
    for mode in children[0].modes:
        for child in children:  # compile at the same time
            child.send("prepare_text", mode, ids, starts, case)
        for child in children:
            child.answer()
        for child in children:
            spent, updates = child.ask("learn", seconds)
            pace[child, mode] = updates / spent
    chosen, mode = max(pace, key=pace.get)
    for child in children:
        if child is not chosen:
            child.close()
    return chosen, mode


def race(case, sides, train, held_out, slices, seconds):
    """Let the sides learn in turn, a slice of time each, and score them in the breaks.

    Returns
    -------
    list of dict
        For each side: "side", "mode", "threads", "updates", "characters" (read), and "curve": [(seconds spent
        learning, bits a character)].
    list of Child
        Closed; for their versions.
    """
    # the same windows for everybody, in the same order
    starts = np.random.default_rng(3).integers(0, len(train) - case.time, size=(20_000, case.batch))
    entries = [(*faster_setting(side, case, train, starts, seconds), side) for side in sides]
    runs = []
    try:
        for child, mode, side in entries:
            child.ask("prepare_text", mode, train, starts, case)
            name = {"Ours": "ours", "Plain": "plain loop"}.get(side, side)
            runs.append(
                dict(
                    kind=case.kind,
                    side=name,
                    mode=mode,
                    threads=child.threads,
                    updates=0,
                    spent=0.0,
                    curve=[[0.0, bits(case, child.ask("weights"), held_out)]],
                )
            )
        rng = np.random.default_rng(4)
        marks = {round(slices * share) for share in (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1)}
        for number in range(1, slices + 1):
            for n in rng.permutation(len(runs)):
                spent, updates = entries[n][0].ask("learn", seconds)
                runs[n]["spent"] += spent
                runs[n]["updates"] += updates
                if number in marks:
                    runs[n]["curve"].append([runs[n]["spent"], bits(case, entries[n][0].ask("weights"), held_out)])
    finally:
        for child, _, _ in entries:
            child.close()
    for run in runs:
        run["characters"] = run["updates"] * (25 if run["side"] == "plain loop" else case.batch * case.time)
    return runs, [child for child, _, _ in entries]


def seconds_to(curve, goal):
    """When a curve first comes down to a score, between two marks along a straight line; None if it never does."""
    for (t0, b0), (t1, b1) in pairwise(curve):
        if b0 > goal >= b1:
            return t0 + (t1 - t0) * (b0 - goal) / (b0 - b1)
    return None


def report(runs, tables, about, symbols):
    """The table, in Markdown."""
    rows = []
    for run in runs:
        ours = next(r for r in runs if r["kind"] == run["kind"] and r["side"] == "ours")
        needed = None if run is ours else seconds_to(ours["curve"], run["curve"][-1][1])
        rows.append(
            [
                f"{run['kind']}, {run['side']}",
                f"{run['mode']} ({run['threads']})",
                f"{run['updates'] / run['spent']:.0f}",
                f"{run['characters'] / run['spent']:,.0f}",
                f"{run['spent']:.1f}",
                f"{run['curve'][-1][1]:.3f}",
                "" if run is ours else "not reached" if needed is None else f"{needed:.1f}",
            ]
        )
    heads = [
        "model",
        "setting (threads)",
        "updates a second",
        "characters a second",
        "seconds",
        "bits a character",
        "ours needs, seconds",
    ]
    compared = ", ".join(f"{n}-gram {score:.3f}" for n, score in tables.items())
    return "\n".join(
        [
            "# Learning per second\n",
            described(about),
            "",
            "The Python manual; bits a character on the last tenth of it, which nobody learned from. Guessing "
            "evenly among "
            f"{symbols} symbols costs {np.log2(symbols):.3f}; tables of counts score: {compared}. The last column: how "
            "many seconds ours needs for the score that the other ends with.\n",
            table(heads, rows),
            "",
            f"![{alt_of(runs)}](learning.png)",
        ]
    )


def alt_of(runs):
    """What the figure shows, in words, from the figures."""
    return (
        "Bits a character on held-out text against seconds of learning, one panel for each kind of layer. Last "
        "scores: " + "; ".join(f"{run['kind']} {run['side']} {run['curve'][-1][1]:.2f}" for run in runs) + "."
    )


def draw(runs, tables, path):
    """The figure, with its alt text as the picture's description."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from course_lib.plotting import use_style

    use_style()
    kinds = list(dict.fromkeys(run["kind"] for run in runs))
    fig, axes = plt.subplots(1, len(kinds), figsize=(7, 4), sharey=True, squeeze=False)
    longest = max(run["spent"] for run in runs)
    for ax, kind in zip(axes[0], kinds, strict=True):
        for run in (run for run in runs if run["kind"] == kind):
            color, marker, dashes = LOOKS[run["side"]]
            ax.plot(*zip(*run["curve"], strict=True), color=color, marker=marker, linestyle=dashes, label=run["side"])
        for n, score in tables.items():
            ax.axhline(score, color="#5d5d68", linewidth=1, linestyle=(0, (1, 1)))
            ax.annotate(
                f"{n}-gram",
                (longest, score),
                xytext=(0, 3),
                textcoords="offset points",
                ha="right",
                fontsize=10,
                color="#5d5d68",
            )
        ax.set(title=kind, xlabel="seconds of learning", xlim=(0, longest * 1.04))
    axes[0][0].set_ylabel("bits a character, held out")
    fig.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    fig.savefig(path, dpi=160, metadata={"Description": alt_of(runs)})
    plt.close(fig)


def main(arguments=None):
    chosen = options(__doc__.splitlines()[0], arguments)
    if chosen.against:
        return  # another checkout is measured beside this one by speed.py alone
    train, held_out, symbols = load()
    slices, seconds, units = (2, 0.3, 16) if chosen.quick else (20, 1.0, 128)

    from course_lib.ngrams import NGram

    tables = {n: float(NGram(n, symbols, interpolated=True).read(train).surprisal(held_out).mean()) for n in TABLES}
    runs, children, about = [], [], None
    for kind in KINDS:
        print(f"{kind} ...", file=sys.stderr, flush=True)
        case = Case(kind, 32, 40, units, symbols, symbols)
        sides = ("Ours", "Keras", "Plain") if kind == "SimpleRNN" else ("Ours", "Keras")
        about = about or machine([])
        these, asked = race(case, sides, train, held_out, slices, seconds)
        runs += these
        children += asked
    about["libraries"] = sorted({child.versions for child in children})
    draw(runs, tables, chosen.out / "learning.png")
    write(
        chosen.out,
        "learning",
        report(runs, tables, about, symbols),
        {
            "machine": about,
            "quick": chosen.quick,
            "symbols": symbols,
            "n-grams": {str(n): score for n, score in tables.items()},
            "runs": runs,
        },
    )


if __name__ == "__main__":
    main()
