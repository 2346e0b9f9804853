"""Lesson 05's control: the quiet start changes two things at once. Here is each of them alone."""
from __future__ import annotations

import numpy as np

from course_lib import tasks
from course_lib.results import Reproduction
from course_lib.results.long_memory import LEARNED, UNLEARNED, adding_network, most_learned, road, train_adding


def half_quiet(model, part):
    """One half of the quiet start: small inputs, or an output that begins at the answer 1."""
    layer, _, output = model.layers
    if part == "inputs":
        layer.kernel *= 0.1
    else:
        output.kernel *= 0.1
        output.bias += 1


def measure_halves(seed):
    """T = 50 with 150,000 sequences, as in ``long_memory.learn_50``: the least error; the road after 100 updates."""
    row = {}
    for part in ("output", "inputs"):
        rng = np.random.default_rng(seed)
        model = adding_network("tanh", "orthogonal", rng, units=32)
        half_quiet(model, part)
        layer, inputs, roads = model.layers[0], tasks.adding(8, 50, rng)[0], []

        def watch(update, layer=layer, inputs=inputs, roads=roads):
            if update == 100:
                roads.append(float(road(layer, inputs)[-1]))

        errors, _ = train_adding(model, 50, rng, 3000, watch=watch)
        row |= {f"{part}_error": min(errors), f"{part}_road_100": roads[0]}
    return row


def _held(rows):
    return most_learned(rows, "output_error") and all(
        row["output_road_100"] > 0.001 and row["inputs_error"] > UNLEARNED for row in rows)


def _range(rows, name, form):
    values = [row[name] for row in rows]
    return f"{min(values):{form}} to {max(values):{form}}"


REPRODUCTIONS = (
    Reproduction(
        key="open-road", lesson="05", paper="Ours, a control",
        claim="an open road does not suffice for a tanh network to learn to add: its inputs have to be loud enough",
        said="nothing; the popular story is that an open road suffices",
        bound="adding problem, T = 50, 32 tanh units, 150,000 sequences. With an output that begins at the answer: "
              "below 1/18 on four seeds of five at least, and ‖∂h_T/∂h_0‖ above .001 after 100 updates on all. With "
              "inputs a tenth as large: above .12 on all",
        seeds=range(5), measure=measure_halves, held=_held,
        ours=lambda rows: f"output at the answer: {_range(rows, 'output_error', '.3f')}, below 1/18 on "
                          f"{sum(row['output_error'] < LEARNED for row in rows)} of {len(rows)}, road "
                          f"{_range(rows, 'output_road_100', '.0e')}; small inputs: "
                          f"{_range(rows, 'inputs_error', '.3f')}, road {_range(rows, 'inputs_road_100', '.0e')}",
        code=("course_lib.gradients", "course_lib.layers", "course_lib.model", "course_lib.optimizers",
              "course_lib.recurrent", "course_lib.results.long_memory", "course_lib.tasks"),
    ),
)
