"""Lesson 07's reproductions: what the runs of ``_gru_runs.py`` showed, and what would have been a failure."""
from __future__ import annotations

import numpy as np

from course_lib.results import Reproduction
from course_lib.results._gru_runs import (
    LADDER,
    LAGS,
    MODELS,
    SECONDS,
    SETTINGS,
    UNITS,
    UPDATES,
    added,
    measure_adding,
    measure_ladder_order,
    measure_ladder_till,
    measure_lag,
    measure_reber,
    measure_text,
    ordered,
    read_manual,
    solved_reber,
)

# What the lesson needs
__all__ = ["LAGS", "MODELS", "SECONDS", "SETTINGS", "UNITS", "UPDATES", "added", "ordered", "read_manual",
           "solved_reber"]

CODE = tuple(f"course_lib.{name}" for name in ("layers", "model", "optimizers", "recurrent", "sequences", "tasks"))
CODE_TEXT = tuple(f"course_lib.{name}" for name in (
    "datasets", "layers", "model", "ngrams", "optimizers", "recurrent", "sequences"))


def _median(rows, name):
    """Over the seeds; a run that never got there counts as infinitely long."""
    return float(np.median([np.inf if row[name] is None else row[name] for row in rows]))


def _solved(rows, name):
    return sum(row[name] is not None for row in rows)


def _all(rows, *names):
    return all(_solved(rows, name) == len(rows) for name in names)


def _none(rows, *names):
    return all(_solved(rows, name) == 0 for name in names)


def _counts(rows, names):
    said = []
    for name in names:
        took = [row[name] for row in rows if row[name] is not None]
        said.append(f"{name.replace('_', ' ')} {len(took)} of {len(rows)}"
                    + (f" in {min(took):,}-{max(took):,}" if took else ""))
    return "; ".join(said)


def _spread(rows, names, form):
    return "; ".join(f"{name.replace('_', ' ')} {min(row[name] for row in rows):{form}}-"
                     f"{max(row[name] for row in rows):{form}}" for name in names)


def _ladder_till_held(rows):
    whole, (twice, four) = _median(rows, "lstm"), (2, 4) if len(rows) > 2 else (1, 2)  # one run is no median
    return whole < 0.03 and _median(rows, "one_gate") > twice * whole and _median(rows, "rnn") > four * whole


def _ladder_order_held(rows):
    return _all(rows, "gru_3", "one_gate_3") and _none(rows, "rnn") and _solved(rows, "gru_0") <= len(rows) / 2


def _lag_held(rows):
    quick = min(_median(rows, "gru_20"), _median(rows, "lstm_20")) * (1 if len(rows) > 2 else 2)  # one run is no median
    between = "rnn_60" not in rows[0] or (_all(rows, "gru_60") and _solved(rows, "rnn_60") <= len(rows) / 2)
    return (_all(rows, "rnn_20", "gru_20", "lstm_20") and _median(rows, "rnn_20") <= quick and between
            and _all(rows, "gru_80") and _none(rows, "rnn_80"))


def _adding_held(rows):
    return _all(rows, "gru") and _none(rows, "rnn")


def _reber_held(rows):
    slack = 2 if len(rows) > 2 else 10  # one run is no median
    return _all(rows, "rnn") and _median(rows, "rnn") < slack * _median(rows, "gru")


def _text_held(rows):
    small = all(row[f"rnn_small_{mark}"] < min(row[f"gru_small_{mark}"], row[f"lstm_small_{mark}"]) + 0.1
                for row in rows for mark in ("u1000", "s4"))
    return small and all(row["gru_large_s4"] < row["rnn_large_s4"] for row in rows)


CHUNG = "In the spirit of Chung et al. 2014"
CHUNG_SAID = "on music and raw speech: gated units better than tanh, GRU comparable to LSTM"

REPRODUCTIONS = (
    Reproduction(
        key="gru-ladder-till", lesson="07", paper="In the spirit of Greff et al. 2017",
        claim="at the till, what is taken off an LSTM is missed",
        said="not in the paper, which has no till",
        bound="four units, part of the error left, medians: LSTM less than .03, one gate more than twice, plain tanh "
              "more than four times as much",
        seeds=range(5), measure=measure_ladder_till, held=_ladder_till_held,
        ours=lambda rows: _spread(rows, LADDER, ".3f"), code=CODE,
    ),
    Reproduction(
        key="gru-ladder-order", lesson="07", paper="In the spirit of van der Westhuizen & Lasenby 2018",
        claim="for one thing to be kept, one gate with a good first bias is enough",
        said="an LSTM with a forget gate only, and long first biases, beats the LSTM on several benchmarks",
        bound="temporal order, T = 60, 24 units, 20,000 sequences: GRU and one gate with a first bias of 3 in every "
              "run, GRU with 0 in at most half of them, plain tanh in none",
        seeds=range(5), measure=measure_ladder_order, held=_ladder_order_held,
        ours=lambda rows: _counts(rows, [f"{name}_{bias}" for bias in (0, 3) for name in LADDER[:-1]] + ["rnn"]),
        code=CODE,
    ),
    Reproduction(
        key="gru-lag", lesson="07", paper=CHUNG,
        claim="whether gates win depends on the lag",
        said=CHUNG_SAID + "; no lag was varied",
        bound="temporal order, 3,000 parameters, settings chosen beforehand: at T = 20 all learn it and plain tanh "
              "is not behind; GRU in every run at T = 60 and 80, plain tanh in at most half at 60 and in none at 80",
        seeds=range(5), measure=measure_lag, held=_lag_held,
        ours=lambda rows: _counts(rows, [f"{name}_{lag}" for lag in LAGS for name in MODELS]), code=CODE,
    ),
    Reproduction(
        key="gru-adding", lesson="07", paper=CHUNG,
        claim="gates win where something has to be kept for long",
        said=CHUNG_SAID + "; not this task",
        bound="adding, T = 100, 1,000 parameters, settings chosen beforehand, 40,000 sequences: GRU below .01 in "
              "every run, plain tanh in none",
        seeds=range(5), measure=measure_adding, held=_adding_held,
        ours=lambda rows: _counts(rows, MODELS), code=CODE,
    ),
    Reproduction(
        key="gru-reber", lesson="07", paper="Hochreiter & Schmidhuber 1997, Table 1",
        claim="over some nine steps no gate is needed",
        said="LSTM solved in 8,440-39,740 strings",
        bound="embedded Reber grammar, 1,200 parameters, settings chosen beforehand: plain tanh within 30,000 strings "
              "in every run, and with less than twice the GRU's median",
        seeds=range(5), measure=measure_reber, held=_reber_held,
        ours=lambda rows: _counts(rows, MODELS), code=CODE,
    ),
    Reproduction(
        key="gru-text", lesson="07", paper=CHUNG,
        claim="gates hardly win where the near past says most",
        said=CHUNG_SAID,
        bound="the Python manual: with 11,000 parameters plain tanh less than .1 bits a character behind the better of "
              "GRU and LSTM, after 1,000 updates and after 4 CPU seconds; with 30,000 behind the GRU after 4 seconds",
        seeds=range(5), measure=measure_text, held=_text_held,
        ours=lambda rows: _spread(
            rows, [f"{name}_{size}_s4" for size in ("small", "large") for name in MODELS], ".2f")
        + f" bits; table of fives {rows[0]['table_5']:.2f}",
        code=CODE_TEXT,
    ),
)
