"""Seconds of a training step: the course's NumPy, Keras, PyTorch, and what the matrix products alone would take.

Each side works in a process of its own with one thread and with two, all are asked in turn, and each case counts at a
side's better setting. ``make bench`` runs it; docs/benchmarks.md says what is measured and how to read it.
"""

from __future__ import annotations

import sys
from statistics import median

import numpy as np
from _children import ROOT, Child, described, has_torch, machine, options, table, thread_settings, write
from _sides import GATES, Case, gflop_of

SIZES = [(32, 40, 32), (32, 40, 128), (64, 100, 256)]  # batch, time, units: two as in lessons, one larger
SIDES = ("ours", "Keras plain", "Keras jit", "PyTorch", "products")
AIMS = {"Keras": 1.3, "PyTorch": (0.8, 1.0), "products": 0.5}  # PyTorch: at the course's sizes, at the larger one
HOPELESS = 2  # a number of threads that takes so many times as long as the side's other one is tried once only

LOOKS = {
    "ours": ("#1b1b24", "o", "-"),
    "Keras plain": ("#a9610b", "s", ":"),
    "Keras jit": ("#a9610b", "D", "--"),
    "PyTorch": ("#7a3fa0", "^", "-."),
    "products": ("#5d5d68", "_", ":"),
}


def prepare(case, children):
    """Models of all sides for a case, and one step of each, which compiles what has to be compiled."""
    for child in children:
        child.send("prepare", case)
    for child in children:
        child.answer()
    entries = [
        (child, mode) for child in children for mode in (*child.modes, *(["products"] if child.side == "Ours" else []))
    ]
    waiting = [list(child.modes) for child in children]
    while any(waiting):  # Keras compiles for many seconds: with one thread and with two at once
        asked = [(child, modes.pop(0)) for child, modes in zip(children, waiting, strict=True) if modes]
        for child, mode in asked:
            child.send("run", mode, 1)
        for child, _ in asked:
            child.answer()
    return entries


def measure(case, children, repeats, seconds):
    """Time a step of every side with every setting, in turn.

    Returns
    -------
    list of dict
        For each side and number of threads, hopeless ones left out: "case", "side", "threads", "ms" (the median of the
        repeats), "lowest", "highest", "steps" (in a repeat), "repeats".
    """
    entries = prepare(case, children)
    trial = [child.ask("run", mode, 2)[0] / 2 for child, mode in entries]
    fastest = {}
    for (_, mode), spent in zip(entries, trial, strict=True):
        fastest[mode] = min(spent, fastest.get(mode, spent))
    kept = [n for n, (_, mode) in enumerate(entries) if trial[n] <= HOPELESS * fastest[mode]]
    entries, steps = [entries[n] for n in kept], [max(1, min(200, round(seconds / trial[n]))) for n in kept]
    found = [[] for _ in entries]
    rng = np.random.default_rng(0)
    for _ in range(repeats):
        for n in rng.permutation(len(entries)):
            child, mode = entries[n]
            found[n].append(1e3 * child.ask("run", mode, steps[n])[0] / steps[n])
    return [
        dict(
            case=case._asdict(),
            side=mode,
            threads=child.threads,
            ms=median(times),
            lowest=min(times),
            highest=max(times),
            steps=count,
            repeats=repeats,
        )
        for (child, mode), times, count in zip(entries, found, steps, strict=True)
    ]


def best(rows):
    """{side: its row with the better number of threads} of the rows of one case."""
    chosen = {}
    for row in sorted(rows, key=lambda row: row["ms"], reverse=True):
        chosen[row["side"]] = row
    return chosen


def ratios(chosen):
    """How many times as long as ours the rivals take, and what share of ours the products are; None if not measured.

    Keras is the better of its two modes.
    """
    ours = chosen["ours"]["ms"]
    keras = [chosen[side]["ms"] for side in ("Keras plain", "Keras jit") if side in chosen]
    return {
        "Keras": min(keras) / ours if keras else None,
        "PyTorch": chosen["PyTorch"]["ms"] / ours if "PyTorch" in chosen else None,
        "products": chosen["products"]["ms"] / ours,
    }


def verdicts(results):
    """What was aimed at and at how many sizes it is reached: lines of Markdown.

    Parameters
    ----------
    results : list of (Case, dict)
        With each case, what :func:`best` chose.
    """
    largest = max(case.units for case, _ in results)
    found = [(case, ratios(chosen)) for case, chosen in results]

    def line(text, reached, of):
        missing = [str(case) for case, share in of if not reached(case, share)]
        return f"- {text}: {len(of) - len(missing)} of {len(of)}." + (
            f" Not at: {'; '.join(missing)}." if missing else ""
        )

    small, large = AIMS["PyTorch"]
    lines = (
        [
            line(
                f"At least {AIMS['Keras']} times as fast as Keras' better mode",
                lambda _, share: share["Keras"] >= AIMS["Keras"],
                found,
            )
        ]
        if found[0][1]["Keras"]
        else []
    )
    if found[0][1]["PyTorch"]:
        lines.append(
            line(
                f"At least {small} of PyTorch's speed at the course's sizes, {large} at the larger one",
                lambda case, share: share["PyTorch"] >= (large if case.units == largest else small),
                found,
            )
        )
    lines.append(
        line(
            f"The products are at least {AIMS['products']} of our time at the larger size",
            lambda _, share: share["products"] >= AIMS["products"],
            [(case, share) for case, share in found if case.units == largest],
        )
    )
    return "\n".join(lines)


def report(results, parts, about):
    """The tables, in Markdown."""
    sides = [side for side in SIDES if side in results[0][1]]

    def cell(chosen, side):
        return f"{chosen[side]['ms']:.2f} ({chosen[side]['threads']})"

    def times(value):
        return "" if value is None else f"{value:.2f}"

    rows = []
    for case, chosen in results:
        share = ratios(chosen)
        rows.append(
            [
                case,
                *[cell(chosen, side) for side in sides],
                *[times(share[name]) for name in ("Keras", "PyTorch", "products")],
                f"{gflop_of(case) / chosen['ours']['ms'] * 1e3:.0f}",
            ]
        )
    heads = [
        "milliseconds a step (threads)",
        *sides,
        "Keras ÷ ours",
        "PyTorch ÷ ours",
        "products ÷ ours",
        "ours, GFLOP/s",
    ]
    names = list(parts[0][1])
    split = [
        [
            case,
            *[
                f"{100 * whole[name] / sum(whole.values()):.0f} ({100 * products[name] / sum(whole.values()):.0f})"
                for name in names
            ],
        ]
        for case, whole, products in parts
    ]
    return "\n".join(
        [
            "# Speed of a training step\n",
            described(about),
            "",
            f"{'' if 'PyTorch' in sides else 'PyTorch is not installed here, so it is not measured. '}"
            "Each figure is the median of several repeats, taken in turn, at the side's better number of threads.\n",
            table(heads, rows),
            "",
            verdicts(results),
            "",
            "## Where our time goes\n",
            "Per cent of a step; in brackets the share of the matrix products alone. The "
            "rest is "
            "entry-by-entry arithmetic, copies and Python.\n",
            table(["per cent of a step", *names], split),
            "",
            f"![{alt_of(results)}](speed.png)",
        ]
    )


def alt_of(results):
    """What the figure shows, in words, from the figures."""
    said = []
    for case, chosen in results:
        order = sorted(chosen, key=lambda side: chosen[side]["ms"])
        said.append(f"{case}: " + ", ".join(f"{side} {chosen[side]['ms']:.2g}" for side in order))
    return (
        "Time of a training step, divided by ours, on a logarithmic axis: one panel for each kind of "
        "layer, its sizes from left to right, a marker for each side; above 1, ours is faster. In milliseconds, "
        "from fast to slow, " + "; ".join(said) + "."
    )


def draw(results, path):
    """The figure, with its alt text as the picture's description."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from course_lib.plotting import use_style

    use_style()
    kinds = list(dict.fromkeys(case.kind for case, _ in results))
    fig, axes = plt.subplots(1, len(kinds), figsize=(7, 4.2), sharey=True, squeeze=False)
    for ax, kind in zip(axes[0], kinds, strict=True):
        mine = [(case, chosen) for case, chosen in results if case.kind == kind]
        for side in (side for side in SIDES if side in mine[0][1]):
            color, marker, dashes = LOOKS[side]
            shares = [chosen[side]["ms"] / chosen["ours"]["ms"] for _, chosen in mine]
            ax.plot(
                range(len(shares)),
                shares,
                color=color,
                marker=marker,
                linestyle=dashes,
                linewidth=1.3,
                markersize=9 if side == "products" else 6,
                markeredgewidth=2,
                markerfacecolor=color if side in ("ours", "Keras jit") else "none",
                label={"products": "the products alone"}.get(side, side),
            )
        ax.set_yscale("log", base=2)
        ax.yaxis.set_major_formatter("{x:g}")
        ax.set(
            title=kind,
            xlabel="units",
            xticks=range(len(mine)),
            xticklabels=[case.units for case, _ in mine],
            xlim=(-0.4, len(mine) - 0.6),
        )
    axes[0][0].set_ylabel("time of a step ÷ ours")
    fig.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    fig.savefig(path, dpi=160, metadata={"Description": alt_of(results)})
    plt.close(fig)


def side_by_side(case, here, there, pairs, seconds):
    """Train the same model from two checkouts in turn, each first in every second pair.

    Returns
    -------
    dict
        "case", "ms" and "ms there" (medians, of the processor's time, a step), "ratio" (the median of here ÷ there over
        the pairs), "lowest" and "highest" (its quartiles), "pairs", "steps" (in each of a pair), "losses" (the last).
    """
    for child in (here, there):
        child.ask("prepare", case)
        child.ask("run", "checkout", 1)  # what is slow the first time
    steps = max(1, round(seconds / (here.ask("run", "checkout", 2)[0] / 2)))
    there.ask("run", "checkout", 2)
    spent, losses = {here: [], there: []}, {}
    for pair in range(pairs):
        for child in (here, there) if pair % 2 else (there, here):
            taken, losses[child] = child.ask("run", "checkout", steps)
            spent[child].append(1e3 * taken / steps)
    ratios = np.divide(spent[here], spent[there])
    return dict(
        case=case._asdict(),
        ms=median(spent[here]),
        ratio=float(np.median(ratios)),
        lowest=float(np.quantile(ratios, 0.25)),
        highest=float(np.quantile(ratios, 0.75)),
        pairs=pairs,
        steps=steps,
        losses=[losses[here], losses[there]],
        **{"ms there": median(spent[there])},
    )


def report_against(rows, versions, about):
    """The table of this checkout beside another, in Markdown."""
    lines = [
        [
            Case(**row["case"]),
            f"{row['ms']:.2f}",
            f"{row['ms there']:.2f}",
            f"{row['ratio']:.3f}",
            f"{row['lowest']:.3f} to {row['highest']:.3f}",
        ]
        for row in rows
    ]
    heads = ["one thread, milliseconds a step", "here", "there", "here ÷ there", "half of the pairs"]
    return "\n".join(
        [
            "# Speed of a training step beside another checkout\n",
            described(about),
            "",
            f"Here is {versions[0]}, there {versions[1]}. Times are the processor's; the ratio is the median over "
            f"{rows[0]['pairs']} pairs measured in turn. Below 1, here is faster.\n",
            table(heads, lines),
        ]
    )


def against(chosen, cases, pairs, seconds):
    """Measure this checkout beside another one, and write the table."""
    if not (chosen.against / "course_lib").is_dir():
        raise SystemExit(
            f"--against takes the folder of another checkout, but {chosen.against} has no course_lib in it."
        )
    children = [Child("Checkout", 1, checkout=path.resolve()) for path in (ROOT, chosen.against)]
    try:
        about = machine(children[:0])
        rows = []
        for case in cases:
            print(f"{case} ...", file=sys.stderr, flush=True)
            rows.append(side_by_side(case, *children, pairs, seconds))
    finally:
        for child in children:
            child.close()
    about["libraries"] = [f"NumPy {np.__version__}"]
    versions = [child.versions for child in children]
    write(
        chosen.out,
        "against",
        report_against(rows, versions, about),
        {"machine": about, "quick": chosen.quick, "checkouts": versions, "rows": rows},
    )


def main(arguments=None):
    chosen = options(__doc__.splitlines()[0], arguments)
    sizes, repeats, seconds = ([(8, 10, 16)], 3, 0.02) if chosen.quick else (SIZES, 5, 0.12)
    cases = [Case(kind, *size) for kind in GATES for size in sizes]
    if chosen.against:
        against(chosen, cases, 4 if chosen.quick else 30, seconds)
        return
    torch = has_torch(chosen.torch_python)
    children = [Child("Ours", threads) for threads in thread_settings()]
    children += [Child("Keras", threads) for threads in thread_settings()]
    if torch:
        children += [Child("Torch", threads, chosen.torch_python) for threads in thread_settings()]
    try:
        about = machine(children)
        rows, results, parts = [], [], []
        for case in cases:
            print(f"{case} ...", file=sys.stderr, flush=True)
            rows += (these := measure(case, children, repeats, seconds))
            results.append((case, best(these)))
            [ours] = [
                child
                for child in children
                if child.side == "Ours" and child.threads == results[-1][1]["ours"]["threads"]
            ]
            parts.append((case, *ours.ask("parts", max(2, results[-1][1]["ours"]["steps"]))))
    finally:
        for child in children:
            child.close()
    draw(results, chosen.out / "speed.png")
    write(
        chosen.out,
        "speed",
        report(results, parts, about),
        {
            "machine": about,
            "quick": chosen.quick,
            "rows": rows,
            "parts": [dict(case=case._asdict(), seconds=whole, products=products) for case, whole, products in parts],
        },
    )


if __name__ == "__main__":
    main()
