"""Lesson 05's reproductions: how far blame travels, what lets it explode, and which plain networks learn long lags.

The functions are those the lesson shows, so that its live run and the recorded ones are the same experiment.
"""

from __future__ import annotations

import numpy as np

from course_lib import tasks
from course_lib.gradients import jacobian_norms, spectral_radius
from course_lib.layers import Dense, LastStep
from course_lib.losses import MeanSquaredError, SoftmaxCrossEntropy
from course_lib.model import Model
from course_lib.optimizers import SGD
from course_lib.recurrent import SimpleRNN
from course_lib.teaching.experiment import Reproduction
from course_lib.teaching.summaries import reached, spread, within
from course_lib.training import train_adding

RADII = (0.8, 1.0, 1.2)
RATES = (0.02, 0.05, 0.1, 0.2, 0.5)
WEIGHTS = (1.05, 1.1, 1.25, 1.5, 2.0, 3.0)
STARTS = ("identity", "orthogonal", "small")
TANH_RATES = (0.0003, 0.003, 0.01)  # beside .001, the rate of the comparison


# ---------------------------------------------------------------------------------------------------------------------
# Without an activation function
# ---------------------------------------------------------------------------------------------------------------------
def linear_norms(radius, rng, units=100, lags=300):
    """‖∂h_T/∂h_(T-k)‖ for k = 0 ... lags, in a random linear network of this spectral radius."""
    W_h = rng.standard_normal((units, units))
    W_h *= radius / spectral_radius(W_h)
    return jacobian_norms(W_h, np.ones((lags, units)))[::-1]


def log_slope(norms, skip=100):
    """The slope of log(norms) from lag ``skip`` on: the logarithm of the growth in one step."""
    return float(np.polyfit(np.arange(len(norms))[skip:], np.log(norms[skip:]), 1)[0])


def measure_slope(seed):
    return {f"{radius:g}": log_slope(linear_norms(radius, np.random.default_rng(seed))) for radius in RADII}


# ---------------------------------------------------------------------------------------------------------------------
# Clipping
# ---------------------------------------------------------------------------------------------------------------------
def order_network(rng):
    """Reads temporal order, one symbol a step, and says at the end which of four it was."""
    return Model([SimpleRNN(8, 50, rng=rng), LastStep(), Dense(50, 4, rng=rng)], SoftmaxCrossEntropy())


def updates_to_learn(rate, clip_norm, seed, most=1000):
    """Updates of plain SGD until 99 % of 500 unseen sequences are right; None if that never happens."""
    rng = np.random.default_rng(seed)
    model, sgd = order_network(rng), SGD(rate)
    unseen, answers = tasks.temporal_order(500, 20, rng)
    for update in range(1, most + 1):
        model.train_on_batch(*tasks.temporal_order(20, 20, rng), optimizer=sgd, clip_norm=clip_norm)
        if update % 50 == 0 and (model.predict(unseen).argmax(axis=1) == answers).mean() >= 0.99:
            return update
    return None


def measure_clipping(seed):
    return {
        f"{way}_{rate:g}": updates_to_learn(rate, limit, seed)
        for rate in RATES
        for way, limit in (("free", None), ("clipped", 1.0))
    }


# ---------------------------------------------------------------------------------------------------------------------
# The adding problem
# ---------------------------------------------------------------------------------------------------------------------
class ReluRNN(SimpleRNN):
    """h_t = max(x_t W_x + h_{t-1} W_h + b, 0), over whole sequences, without masks.

    Parameters, attributes, shapes and errors as in :class:`course_lib.recurrent.SimpleRNN`; W_h starts orthogonal here
    too. The slope is 1 where a unit is active and 0 where it is not, so that blame passes undamped or not at all.

    Raises
    ------
    ValueError
        If a mask comes.

    References
    ----------
    Le, Jaitly and Hinton 2015, A simple way to initialize recurrent networks of rectified linear units: they start
    W_h at the identity.
    """

    def forward(self, x, initial_state=None, mask=None):
        """x (batch, time, features) -> outputs (batch, time, units), final_state (batch, units)."""
        if mask is not None:
            raise ValueError("ReluRNN does not know masks. Give it sequences of equal length, as tasks.adding does.")
        xs = np.asarray(x, self.dtype).transpose(1, 0, 2).copy()
        states = np.zeros((len(xs) + 1, len(x), self.units), self.dtype)
        if initial_state is not None:
            states[0] = initial_state
        states[1:] = xs @ self.kernel + self.bias
        for t in range(len(xs)):
            states[t + 1] += states[t] @ self.recurrent_kernel
            np.maximum(states[t + 1], 0, out=states[t + 1])
        self._cache = xs, states
        return states[1:].transpose(1, 0, 2), states[-1].copy()

    def backward(self, d_outputs, d_final_state=None):
        """∂L/∂outputs (and ∂L/∂final_state) -> ∂L/∂x, ∂L/∂h_0; leaves ``grads``."""
        xs, states = self._need_forward()
        das = (states[1:] > 0).astype(self.dtype)  # the slopes, to become ∂L/∂a_t
        dh = np.zeros_like(states[0]) if d_final_state is None else np.asarray(d_final_state, self.dtype)
        for t in reversed(range(len(xs))):
            das[t] *= dh if d_outputs is None else dh + d_outputs[:, t]
            dh = das[t] @ self.recurrent_kernel.T
        flat = das.reshape(-1, self.units)
        self.grads = [xs.reshape(len(flat), -1).T @ flat, states[:-1].reshape(len(flat), -1).T @ flat, flat.sum(axis=0)]
        return (das @ self.kernel.T).transpose(1, 0, 2), dh


def adding_network(unit, start, rng, units=64):
    """A plain network for the adding problem: tanh or relu; W_h orthogonal, the identity, or small and random."""
    layer = {"tanh": SimpleRNN, "relu": ReluRNN}[unit](2, units, rng=rng)
    if start == "identity":
        layer.recurrent_kernel[...] = np.eye(units)
    elif start == "small":
        layer.recurrent_kernel[...] = rng.normal(scale=0.001, size=(units, units))
    return Model([layer, LastStep(), Dense(units, 1, rng=rng)], MeanSquaredError())


def jacobian_norm_by_lag(layer, inputs):
    """‖∂h_T/∂h_(T-k)‖ by lag k in a tanh layer, the geometric mean over the sequences."""
    states = layer.forward(inputs)[0].astype(float)
    W_h = layer.recurrent_kernel.astype(float)
    return np.exp(np.mean([np.log(jacobian_norms(W_h, 1 - h**2)[::-1]) for h in states], axis=0))


def exchanged(matrix_of, slopes_of, inputs):
    """The road over all steps, with one layer's matrix and another layer's slopes."""
    W_h = matrix_of.recurrent_kernel.astype(float)
    states = slopes_of.forward(inputs)[0].astype(float)
    return np.exp(np.mean([np.log(jacobian_norms(W_h, 1 - h**2)[0]) for h in states]))


def small_start(model):
    """Begin at the answer 1, with small steps from there: input and output weights a tenth, output bias 1."""
    layer, _, output = model.layers
    layer.kernel *= 0.1
    output.kernel *= 0.1
    output.bias += 1


def two_units(unit):
    """A network of two units that adds, its weights set by hand: a door, and a sum."""
    model = adding_network(unit, "identity", np.random.default_rng(0), units=2)
    layer, _, output = model.layers
    if unit == "relu":  # door = max(number + mark - 1, 0)       sum = max(sum + door, 0)
        layer.set_weights([[[1, 0], [1, 0]], [[0, 1], [0, 1]], [-1, 0]])
        output.set_weights([[[1], [1]], [0]])
    else:  # door = tanh(.3 number + 10 mark - 10)  sum = tanh(sum + .001 (door + 1))
        layer.set_weights([[[0.3, 0], [10, 0]], [[0, 0.001], [0, 1]], [-10, 0.001]])
        output.set_weights([[[1 / 0.3], [1 / 0.0003]], [-2 / 0.3]])
    return model


def learn_50(small, seed):
    """T = 50, 150,000 sequences: errors and norms by 100 updates; the error at the end as a share of the variance."""
    rng = np.random.default_rng(seed)
    model = adding_network("tanh", "orthogonal", rng, units=32)
    if small:
        small_start(model)
    layer, inputs = model.layers[0], tasks.adding(8, 50, rng)[0]
    norms = [jacobian_norm_by_lag(layer, inputs)[-1]]

    def watch(update):
        norms.append(jacobian_norm_by_lag(layer, inputs)[-1])

    errors, _ = train_adding(model, 50, rng, 3000, watch=watch)
    unseen = tasks.adding(10_000, 50, rng)
    return errors, norms, float(model.evaluate(*unseen) / unseen[1].var())


def learn_100(seed):
    """T = 100 with 400,000 sequences: errors and norms by 500 updates, and the least error in the first 70,000."""
    rng = np.random.default_rng(seed)
    model = adding_network("tanh", "orthogonal", rng, units=32)
    layer, inputs = model.layers[0], tasks.adding(8, 100, rng)[0]
    norms = [jacobian_norm_by_lag(layer, inputs)[-1]]

    def watch(update):
        if update == 100 or update % 500 == 0:
            norms.append(jacobian_norm_by_lag(layer, inputs)[-1])

    errors, _ = train_adding(model, 100, rng, 8000, watch=watch)
    errors += errors[-1:] * (80 - len(errors))
    norms += norms[-1:] * (18 - len(norms))
    return errors, norms


def measure_adding(seed):
    """Plain tanh units from an orthogonal start: what they learn, and what becomes of the road from end to start."""
    row = {}
    for name, small in (("", False), ("small_start_", True)):
        errors, norms, share = learn_50(small, seed)
        row |= {
            f"{name}error_50": min(errors),
            f"{name}share_50": share,
            f"{name}jacobian_norm_50_start": float(norms[0]),
            f"{name}jacobian_norm_50_100": float(norms[1]),
            f"{name}jacobian_norm_50_least": float(min(norms)),
            f"{name}jacobian_norm_50_end": float(norms[-1]),
        }
    errors, norms = learn_100(seed)
    return row | {
        "error_100_70k": min(errors[:14]),
        "error_100": min(errors),
        "errors_100": errors[4::5],
        "jacobian_norms_100": [float(r) for r in norms],
    }


def measure_jacobian_norm(seed):
    rng = np.random.default_rng(seed)
    model, fresh = (adding_network("tanh", "orthogonal", r, units=32) for r in (rng, np.random.default_rng(seed)))
    (layer, *_), (untrained, *_) = model.layers, fresh.layers
    inputs = tasks.adding(8, 100, rng)[0]
    train_adding(model, 100, rng, updates=100)
    return {
        "start": float(jacobian_norm_by_lag(untrained, inputs)[-1]),
        "after": float(jacobian_norm_by_lag(layer, inputs)[-1]),
        "new_matrix": float(exchanged(layer, untrained, inputs)),
        "new_slopes": float(exchanged(untrained, layer, inputs)),
        "radius": spectral_radius(layer.recurrent_kernel),
    }


def measure_unclipped(seed):
    rng = np.random.default_rng(seed)
    try:
        errors, _ = train_adding(adding_network("relu", "identity", rng), 100, rng, updates=1500, clip_norm=None)
    except FloatingPointError:  # beyond the largest number
        return {"relu_unclipped": None}
    return {"relu_unclipped": min(errors)}


def measure_units_and_starts(seed):
    """The least error of each of the six at T = 100 within 75,000 sequences, and the longest gradient on the way."""
    row = {}
    for unit in ("tanh", "relu"):
        for start in STARTS:
            rng = np.random.default_rng(seed)
            errors, norms = train_adding(adding_network(unit, start, rng), 100, rng, updates=1500)
            row[f"{unit}_{start}"] = min(errors)
            row[f"{unit}_{start}_sequences"] = 5000 * len(errors)
            row[f"{unit}_{start}_norm"] = float(max(norms))
    return row | measure_unclipped(seed)


# ---------------------------------------------------------------------------------------------------------------------
# Two controls of that comparison: other rates for tanh, other starts for relu
# ---------------------------------------------------------------------------------------------------------------------
def measure_tanh_rates(seed):
    """The least error of 64 tanh units from an orthogonal start within 75,000 sequences, at rates beside .001."""
    row = {}
    for rate in TANH_RATES:
        rng = np.random.default_rng(seed)
        model = adding_network("tanh", "orthogonal", rng)
        errors, _ = train_adding(model, 100, rng, updates=1500, learning_rate=rate)
        row[f"rate_{rate:g}"] = min(errors)
    return row


def measure_relu_starts(seed):
    """The same of relu units from two further starts; None if the loss is no longer a number."""
    row = {}
    for start in ("minus_identity", "normal"):
        rng = np.random.default_rng(seed)
        model = adding_network("relu", "identity", rng)
        W_h = model.layers[0].recurrent_kernel
        W_h[...] = {"minus_identity": -np.eye(len(W_h)), "normal": rng.standard_normal(W_h.shape)}[start]
        try:
            row[start] = min(train_adding(model, 100, rng, updates=1500)[0])
        except FloatingPointError:
            row[start] = None
    return row


# ---------------------------------------------------------------------------------------------------------------------
# One bit, held
# ---------------------------------------------------------------------------------------------------------------------
def hold(w, noise, rng, runs=500, steps=1000, activation=np.tanh):
    """A switch in noise: the share of runs in which it stays on; the mean log of its slope."""
    h, on, logs = np.ones(runs), np.ones(runs, bool), []
    for _ in range(steps):
        h = activation(w * h + noise * rng.standard_normal(runs))
        on &= h > 0
        slope = w * (1 - h**2) if activation is np.tanh else np.full(runs, w)
        logs.append(np.log(slope))
    return on.mean(), np.mean(logs)


def measure_switch(seed):
    row = {}
    for w in WEIGHTS:
        held, log = hold(w, 0.2, np.random.default_rng(seed))
        row |= {f"held_{w:g}": float(held), f"reach_{w:g}": float(np.log(1e-3) / log)}
    row["held_integrator"] = float(hold(1, 0.2, np.random.default_rng(seed), activation=lambda a: a)[0])
    return row


# ---------------------------------------------------------------------------------------------------------------------
# The quiet start changes two things at once: each of them alone
# ---------------------------------------------------------------------------------------------------------------------
def half_small_start(model, part):
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
        half_small_start(model, part)
        layer, inputs, norms = model.layers[0], tasks.adding(8, 50, rng)[0], []

        def watch(update, layer=layer, inputs=inputs, norms=norms):
            if update == 100:
                norms.append(float(jacobian_norm_by_lag(layer, inputs)[-1]))

        errors, _ = train_adding(model, 50, rng, 3000, watch=watch)
        row |= {f"{part}_error": min(errors), f"{part}_jacobian_norm_100": norms[0]}
    return row


# ---------------------------------------------------------------------------------------------------------------------
# What was said, and when ours counts as held
# ---------------------------------------------------------------------------------------------------------------------
def _slope_holds(rows):
    return all(abs(row[f"{radius:g}"] - np.log(radius)) < 0.005 for row in rows for radius in RADII)


def _clipping_holds(rows):
    """A row may hold some of the rates only: a live run does not have time for all."""
    always, never = [f"clipped_{rate:g}" for rate in RATES[:-1]], ["free_0.2", "free_0.5"]
    return all(row[name] is not None for row in rows for name in always if name in row) and all(
        row[name] is None for row in rows for name in never if name in row
    )


def most_learned(rows, name):
    """On four seeds of five at least, two thirds of the error are gone; one in five may need longer."""
    errors = [row[name] for row in rows if name in row]
    return 5 * sum(error < LEARNED for error in errors) >= 4 * len(errors)


def _adding_holds(rows):
    return most_learned(rows, "error_100") and within(
        rows,
        {
            "error_50": (0, LEARNED),
            "small_start_error_50": (UNLEARNED, 1),
            "small_start_jacobian_norm_50_least": (0.01, 1e6),
            "error_100_70k": (UNLEARNED, 1),
        },
    )


def _jacobian_norm_holds(rows):
    return all(
        row["after"] < row["start"] / 100
        and row["new_slopes"] < row["start"] / 100
        and row["new_matrix"] > row["start"]
        and row["radius"] > 1
        for row in rows
    )


def _units_holds(rows):
    bounds = {"relu_identity": (0, 0.01), "relu_orthogonal": (0, 0.03), "relu_small": (0, 0.03)} | {
        f"tanh_{start}": (UNLEARNED, 1) for start in STARTS
    }
    return within(rows, bounds) and not any(_learned_unclipped(row) for row in rows)


def _learned_unclipped(row):
    error = row.get("relu_unclipped")
    return error is not None and error < 0.03


def _switch_holds(rows):
    return all(
        (row[f"held_{w:g}"] > 0.9 and row[f"reach_{w:g}"] < 10) if w > 1.4 else row[f"held_{w:g}"] < 0.1
        for row in rows
        for w in WEIGHTS
    ) and all(row["held_integrator"] < 0.3 for row in rows)


LEARNED, UNLEARNED = 1 / 18, 0.12  # two thirds of the error of always saying 1 are gone; most of it is still there


def _open_path_holds(rows):
    return most_learned(rows, "output_error") and all(
        row["output_jacobian_norm_100"] > 0.001 and row["inputs_error"] > UNLEARNED for row in rows
    )


REPRODUCTIONS = (
    Reproduction(
        key="gradient-slope",
        lesson="05",
        paper="Pascanu 2013 and Bengio 1994",
        claim="without an activation function, blame grows or shrinks by the spectral radius a step, in the long run",
        reported="in a linear network a radius below 1 suffices for vanishing, and one above 1 is necessary for "
        "exploding",
        criterion="100 units, lags 100 to 300: slope of the log norm of ∂h_T/∂h_t within .005 of log ρ, for ρ = .8, "
        "1, 1.2",
        seeds=range(10),
        measure=measure_slope,
        holds=_slope_holds,
        measured=lambda rows: ", ".join(
            f"ρ = {radius:g}: {spread(rows, f'{radius:g}', '.4f')} (log ρ {np.log(radius):.4f})" for radius in RADII
        ),
    ),
    Reproduction(
        key="clipping",
        lesson="05",
        paper="Pascanu 2013, Fig. 7",
        claim="clipping the gradient's norm lets plain SGD learn temporal order where it fails without",
        reported="50 units, SGD at rate .01: the longer the sequences, the more clipping at 1 matters for success",
        criterion="T = 20, 50 tanh units, orthogonal start, 1,000 updates: clipped at 1, always learned at rates "
        ".02 to "
        ".2; unclipped, never at .2 and .5",
        seeds=range(10),
        measure=measure_clipping,
        holds=_clipping_holds,
        measured=lambda rows: (
            ", ".join(
                f"rate {rate:g}: {reached(rows, f'clipped_{rate:g}')} clipped, "
                f"{reached(rows, f'free_{rate:g}')} unclipped"
                for rate in RATES
            )
            + f", of {len(rows)} seeds"
        ),
    ),
    Reproduction(
        key="adding-tanh",
        lesson="05",
        paper="Hochreiter & Schmidhuber 1997, Table 7 (common variant)",
        claim="the adding problem asks for two numbers to be kept over many steps; plain networks are not in the table",
        reported="LSTM: 74,000 sequences at T = 100",
        criterion="32 tanh units, orthogonal start; always saying 1 has error 1/6. T = 50, 150,000 sequences: below "
        "1/18; "
        "from a quiet start, which keeps ‖∂h_T/∂h_0‖ above .01, above .12. T = 100: above .12 with 70,000 "
        "sequences, below 1/18 with 400,000 on four seeds of five at least",
        seeds=range(5),
        measure=measure_adding,
        holds=_adding_holds,
        measured=lambda rows: (
            f"T = 50: {spread(rows, 'error_50', '.3f')}; quiet start: {spread(rows, 'small_start_error_50', '.3f')}, "
            f"‖∂h_T/∂h_0‖ at least {min(row['small_start_jacobian_norm_50_least'] for row in rows):.0e}; T = 100: "
            f"{spread(rows, 'error_100_70k', '.3f')} with 70,000, {spread(rows, 'error_100', '.3f')} with 400,000, "
            f"below 1/18 on {sum(row['error_100'] < LEARNED for row in rows)} of {len(rows)}"
        ),
    ),
    Reproduction(
        key="jacobian-through-training",
        lesson="05",
        paper="Ours, after Pascanu 2013",
        claim="training can make blame vanish all the more, through the slopes, while the spectral radius rises",
        reported="blame vanishes or explodes with the recurrent matrix and the slopes along the way",
        criterion="adding problem, T = 100, 32 tanh units, orthogonal start: after 100 updates of Adam less than a "
        "hundredth of ‖∂h_T/∂h_0‖ is left, at a spectral radius above 1; also with the new slopes and the old "
        "matrix, while with the new matrix and the old slopes there is more than before",
        seeds=range(10),
        measure=measure_jacobian_norm,
        holds=_jacobian_norm_holds,
        measured=lambda rows: (
            f"from {spread(rows, 'start', '.0e')} to {spread(rows, 'after', '.0e')}, radius "
            f"{spread(rows, 'radius', '.2f')}; new slopes alone {spread(rows, 'new_slopes', '.0e')}, "
            f"new matrix alone {spread(rows, 'new_matrix', '.0e')}"
        ),
    ),
    Reproduction(
        key="irnn",
        lesson="05",
        paper="Le 2015, the adding problem",
        claim="plain networks of rectified units, started at the identity, learn the adding problem over long lags",
        reported="comparable to a standard LSTM on four benchmarks; the identity, or a multiple of it, is the key",
        criterion="T = 100, 64 units, 75,000 sequences: relu units below .01 from the identity, below .03 from an "
        "orthogonal and from a small random start, and above .03 from the identity without clipping; tanh units "
        "above .12 from all three",
        seeds=range(4),
        measure=measure_units_and_starts,
        holds=_units_holds,
        measured=lambda rows: (
            "; ".join(
                f"{unit}, {start}: {spread(rows, f'{unit}_{start}', '.4f')}"
                for unit in ("relu", "tanh")
                for start in STARTS
            )
            + f"; relu, identity, unclipped: {sum(map(_learned_unclipped, rows))} of {len(rows)} learned"
        ),
    ),
    Reproduction(
        key="adding-tanh-rates",
        lesson="05",
        paper="Ours, a control of the comparison after Le 2015",
        claim="that tanh units do not learn what relu units learn is not a matter of the rate that both were given",
        reported="not a paper's figure",
        criterion="T = 100, 64 tanh units, orthogonal start, 75,000 sequences, rates .0003, .003 and .01 in place of "
        ".001: above .12 at each",
        seeds=range(4),
        measure=measure_tanh_rates,
        holds=lambda rows: within(rows, {f"rate_{rate:g}": (UNLEARNED, 1) for rate in TANH_RATES}),
        measured=lambda rows: "; ".join(
            f"rate {rate:g}: {spread(rows, f'rate_{rate:g}', '.3f')}" for rate in TANH_RATES
        ),
    ),
    Reproduction(
        key="relu-starts",
        lesson="05",
        paper="Ours, a control of the comparison after Le 2015",
        claim="not every start lets relu units learn as fast",
        reported="not a paper's figure",
        criterion="T = 100, 64 relu units, 75,000 sequences: from minus the identity below .12 and not below .01; "
        "from N(0, 1) numbers the loss overflows",
        seeds=range(4),
        measure=measure_relu_starts,
        holds=lambda rows: within(rows, {"minus_identity": (0.01, UNLEARNED)}) and not reached(rows, "normal"),
        measured=lambda rows: (
            f"minus the identity: {spread(rows, 'minus_identity', '.3f')}; N(0, 1): "
            f"{len(rows) - reached(rows, 'normal')} of {len(rows)} overflow"
        ),
    ),
    Reproduction(
        key="noisy-switch",
        lesson="05",
        paper="Bengio 1994",
        claim="a bit that is held safely against noise is one that blame cannot reach",
        reported="robust latching needs |∂h_t/∂h_{t-1}| < 1, and then the gradient vanishes with the lag",
        criterion="one unit, noise .2, 1,000 steps: switches of weight 1.5 and more hold in over 90 % of the runs, "
        "and a "
        "thousandth of the blame is left after fewer than 10 steps; 1.25 and less hold in under 10 %",
        seeds=range(10),
        measure=measure_switch,
        holds=_switch_holds,
        measured=lambda rows: (
            ", ".join(
                f"w = {w:g}: held {spread(rows, f'held_{w:g}', '.0%')}, reach {spread(rows, f'reach_{w:g}', '.1f')}"
                for w in WEIGHTS
            )
            + f"; integrator: held {spread(rows, 'held_integrator', '.0%')}"
        ),
    ),
    Reproduction(
        key="jacobian-control",
        lesson="05",
        paper="Ours, a control",
        claim="an open road does not suffice for a tanh network to learn to add: its inputs have to be loud enough",
        reported="nothing; the popular story is that an open road suffices",
        criterion="adding problem, T = 50, 32 tanh units, 150,000 sequences. With an output that begins at the answer: "
        "below 1/18 on four seeds of five at least, and ‖∂h_T/∂h_0‖ above .001 after 100 updates on all. With "
        "inputs a tenth as large: above .12 on all",
        seeds=range(5),
        measure=measure_halves,
        holds=_open_path_holds,
        measured=lambda rows: (
            f"output at the answer: {spread(rows, 'output_error', '.3f')}, below 1/18 on "
            f"{sum(row['output_error'] < LEARNED for row in rows)} of {len(rows)}, road "
            f"{spread(rows, 'output_jacobian_norm_100', '.0e')}; small inputs: "
            f"{spread(rows, 'inputs_error', '.3f')}, road {spread(rows, 'inputs_jacobian_norm_100', '.0e')}"
        ),
    ),
)
