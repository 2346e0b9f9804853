"""Lesson 15's reproductions: cells that follow quotes and brackets, probes with controls, ablation, automata.

The functions are those the lesson shows, so that its live run and the recorded ones are the same experiment.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from course_lib import tasks
from course_lib.layers import Dense
from course_lib.losses import SoftmaxCrossEntropy
from course_lib.model import Model
from course_lib.optimizers import Adam, LinearDecay
from course_lib.recurrent import GRU, LSTM, SimpleRNN
from course_lib.sequences import one_hot
from course_lib.teaching.experiment import Reproduction
from course_lib.teaching.summaries import spread

source = tasks.brackets_source()
KINDS = {"lstm": LSTM, "gru": GRU, "tanh": SimpleRNN}


# ---------------------------------------------------------------------------------------------------------------------
# A network that reads source code
# ---------------------------------------------------------------------------------------------------------------------
def encode(text):
    """The numbers of a text's symbols."""
    return np.array([source.symbols.index(symbol) for symbol in text])


def train_on_source(layer, rng):
    """Train a layer to predict the next symbol: 800 updates of 32 texts, 50 symbols at once."""
    model, adam = Model([layer, Dense(layer.units, 7, rng=rng)], SoftmaxCrossEntropy()), Adam(LinearDecay(0.02, 800))
    ids, _, _ = sample_texts(rng, 1600, 201)
    for _ in range(4):
        for texts in ids.reshape(50, 32, 201):
            states = None
            for t in range(0, 200, 50):
                x, y = one_hot(texts[:, t : t + 50], 7), texts[:, t + 1 : t + 51]
                model.train_on_batch(x, y, optimizer=adam, clip_norm=1.0, initial_states=states)
                states = model.states
    return model


def sample_texts(rng, count=100, length=200):
    """Texts as ids, with the depth and the quote flag after each symbol: three arrays (count, length)."""
    texts = [tasks.brackets(length, rng) for _ in range(count)]
    ids = np.array([encode(text.text) for text in texts])
    return ids, np.array([text.depth for text in texts]), np.array([text.quoted for text in texts])


def surprise(scores, ids):
    """Mean cross-entropy of the next symbol, nats: scores (texts, symbols, 7), ids (texts, symbols)."""
    return SoftmaxCrossEntropy().forward(scores[:, :-1], ids[:, 1:])


def realised_floor(ids):
    """The cross-entropy of a predictor that knows the source, on these very texts."""
    texts = ["".join(source.symbols[i] for i in row) for row in ids]
    return float((source.nll(texts) - source.nll([text[0] for text in texts])).sum() / ids[:, 1:].size)


def best_from(label, ids):
    """The least loss of a predictor that sees a label (texts, symbols) of each place and nothing else, nats.

    It is the conditional entropy of the next symbol, from the counts in these very texts.
    """
    counts = np.zeros((label.max() + 1, 7))
    np.add.at(counts, (label[:, :-1], ids[:, 1:]), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return float(-(counts * np.log(np.where(counts > 0, shares, 1))).sum() / counts.sum())


def cells_of(layer, ids):
    """What the layer keeps after each symbol, (texts, symbols, units): c of an LSTM, h of the others."""
    outputs, _ = layer.forward(one_hot(ids, 7))
    return layer.cell_states if isinstance(layer, LSTM) else outputs


def correlations(cells, label):
    """The absolute correlation of each cell (..., units) with a label (...)."""
    z = cells.reshape(-1, cells.shape[-1]) - cells.mean(axis=(0, 1))
    y = label.ravel() - label.mean()
    return np.abs(y @ z) / np.sqrt((y @ y) * (z**2).sum(axis=0))


def chosen_and_unseen(cells, label, choose, measure):
    """The cell that follows a label best in some texts; its correlation there and in others."""
    found = correlations(cells[choose], label[choose])
    best = int(found.argmax())
    return best, found[best], correlations(cells[measure], label[measure])[best]


def chosen_on_one_line(cells, label, symbols=40):
    """Mean over 30 lines: the best cell on the line, there and in the last 50 texts."""
    lines = [k for k in range(50) if 0 < label[k, :symbols].mean() < 1][:30]
    pairs = []
    for k in lines:
        found = correlations(cells[k : k + 1, :symbols], label[k : k + 1, :symbols])
        pairs.append((found.max(), correlations(cells[50:], label[50:])[found.argmax()]))
    return np.mean(pairs, axis=0)


def measure_cells(seed):
    ids, depth, quoted = sample_texts(np.random.default_rng(1000 + seed))
    first, second = slice(0, 50), slice(50, 100)
    row = {"floor": realised_floor(ids)}
    for name, kind in KINDS.items():
        rng = np.random.default_rng(seed)
        layer = kind(7, 16, rng=rng)
        for when in ("untrained", "trained"):
            if when == "trained":
                model = train_on_source(layer, rng)
                row[f"{name}_loss"] = surprise(model.predict(one_hot(ids, 7)), ids)
            cells = cells_of(layer, ids)
            for label, values in (("quoted", quoted), ("depth", depth)):
                _, chosen, elsewhere = chosen_and_unseen(cells, values, first, second)
                row[f"{name}_{when}_{label}_chosen"] = float(chosen)
                row[f"{name}_{when}_{label}"] = float(elsewhere)
            line, elsewhere = chosen_on_one_line(cells, quoted)
            row[f"{name}_{when}_line"], row[f"{name}_{when}_line_elsewhere"] = float(line), float(elsewhere)
    wide = cells_of(LSTM(7, 200, rng=np.random.default_rng(seed)), ids)
    line, elsewhere = chosen_on_one_line(wide, quoted)
    return row | {"wide_untrained_line": float(line), "wide_untrained_line_elsewhere": float(elsewhere)}


# ---------------------------------------------------------------------------------------------------------------------
# Probes with their controls
# ---------------------------------------------------------------------------------------------------------------------
def before(ids, steps):
    """The symbol that came so many steps earlier; 0 where there is none."""
    earlier = np.zeros_like(ids)
    earlier[:, steps:] = ids[:, :-steps]
    return earlier


def control_task(ids, rng):
    """A coin thrown once for each pair of symbols, the same answer wherever the pair occurs."""
    return rng.integers(0, 2, 49)[7 * before(ids, 1) + ids]


def standardised(states):
    """Every unit with mean 0 and variance 1."""
    return (states - states.mean(axis=(0, 1))) / states.std(axis=(0, 1))


def probe_accuracy(states, labels, rng, width=0, steps=150, rate=0.1):
    """Fit a probe to states of the first 50 texts; how often it is right on the rest."""
    units, classes = states.shape[-1], labels.max() + 1
    layers = [Dense(units, width, rng=rng, activation="relu")] if width else []
    probe = Model([*layers, Dense(width or units, classes, rng=rng)], SoftmaxCrossEntropy())
    z, adam = standardised(states), Adam(LinearDecay(rate, steps))
    for _ in range(steps):
        probe.train_on_batch(z[:50, ::3], labels[:50, ::3], optimizer=adam)
    return float((probe.predict(z[50:]).argmax(axis=-1) == labels[50:]).mean())


def without_directions(states, directions):
    """The states with their part along directions (units, n) set to its mean."""
    q, _ = np.linalg.qr(directions)
    return states - (states - states.mean(axis=(0, 1))) @ q @ q.T


def directions_of(states, labels):
    """The differences between the mean states (n, units) of the classes, (units, classes - 1)."""
    means = np.array([states[labels == label].mean(axis=0) for label in range(labels.max() + 1)])
    return (means[1:] - means[0]).T


def measure_probes(seed):
    ids, depth, quoted = sample_texts(np.random.default_rng(1000 + seed))
    rng = np.random.default_rng(seed)
    layer = LSTM(7, 16, rng=rng)
    tasks_of_probe = {
        "quoted": quoted.astype(int),
        "depth": depth,
        "before": before(ids, 1),
        "control": control_task(ids, np.random.default_rng(seed)),
    }
    row = {
        f"{name}_majority": float(np.bincount(labels[50:].ravel()).max() / labels[50:].size)
        for name, labels in tasks_of_probe.items()
    }
    for when in ("untrained", "trained"):
        if when == "trained":
            model = train_on_source(layer, rng)
        states, _ = layer.forward(one_hot(ids, 7))
        for name, labels in tasks_of_probe.items():
            row[f"{name}_{when}"] = probe_accuracy(states, labels, np.random.default_rng(seed))
            if name in ("quoted", "control"):
                row[f"{name}_{when}_large"] = probe_accuracy(
                    states, labels, np.random.default_rng(seed), width=200, steps=200, rate=0.01
                )
    return row | removal(model, ids, quoted)


def removal(model, ids, quoted):
    """What it costs, in nats a symbol, to take out of the states what tells the quote flag, or the letter."""
    layer, dense = model.layers
    states, _ = layer.forward(one_hot(ids, 7))
    letters, row = ids > 2, {}
    for name, chosen, labels in (("quoted", ids >= 0, quoted.astype(int)), ("letter", letters, ids - 3)):
        changed = without_directions(states, directions_of(states[chosen], labels[chosen]))
        row[f"{name}_removed"] = surprise(dense.forward(changed), ids) - surprise(dense.forward(states), ids)
    return row


# ---------------------------------------------------------------------------------------------------------------------
# Saliency against ablation
# ---------------------------------------------------------------------------------------------------------------------
def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def scores_with(model, x, cell=None, value=0.0):
    """The scores of an LSTM on x (texts, symbols, 7); one cell, or several, are held at a value."""
    kernel, recurrent_kernel, bias = model.layers[0].get_weights()
    h = c = np.zeros((len(x), len(recurrent_kernel)))
    states = np.empty((*x.shape[:2], len(recurrent_kernel)))
    for t in range(x.shape[1]):
        a_i, a_f, a_c, a_o = np.split(x[:, t] @ kernel + h @ recurrent_kernel + bias, 4, axis=1)
        c = sigmoid(a_f) * c + sigmoid(a_i) * np.tanh(a_c)
        if cell is not None:
            c[:, cell] = value
        h = sigmoid(a_o) * np.tanh(c)
        states[:, t] = h
    output_kernel, output_bias = model.layers[1].get_weights()
    return states @ output_kernel + output_bias


def ablation_costs(model, ids):
    """What holding each cell at its mean costs, nats a symbol."""
    x = one_hot(ids, 7)
    means, whole = cells_of(model.layers[0], ids).mean(axis=(0, 1)), surprise(scores_with(model, x), ids)
    return np.array([surprise(scores_with(model, x, j, m), ids) - whole for j, m in enumerate(means)])


def cell_gradients(model, ids):
    """The loss' gradient at c_t, for each text, step and cell: equation (6.3) of lesson 06."""
    layer, dense = model.layers
    scores, loss = model.forward(one_hot(ids, 7)), SoftmaxCrossEntropy()
    loss.forward(scores[:, :-1], ids[:, 1:])
    d_scores = np.zeros_like(scores)
    d_scores[:, :-1] = loss.backward()
    d_h, c, gradients = dense.backward(d_scores), layer.cell_states, np.zeros_like(layer.cell_states)
    dh = dc = np.zeros_like(c[:, 0])
    for t in reversed(range(c.shape[1])):
        i, f, g, o = (layer.gates[name][:, t] for name in "ifco")
        tanh_c, old = np.tanh(c[:, t]), c[:, t - 1] if t else 0
        dh = dh + d_h[:, t]
        gradients[:, t] = dc = dc + dh * o * (1 - tanh_c**2)
        da = [dc * g * i * (1 - i), dc * old * f * (1 - f), dc * i * (1 - g**2), dh * tanh_c * o * (1 - o)]
        dc, dh = dc * f, np.hstack(da) @ layer.recurrent_kernel.T
    return gradients


def rank_correlation(a, b):
    """The correlation of the ranks (Spearman's)."""
    return np.corrcoef(np.argsort(np.argsort(a)), np.argsort(np.argsort(b)))[0, 1]


def idle_cells(costs, quotes, depth):
    """Cells that cost less than a twentieth of the costliest one that follows the same property."""
    more = quotes > depth
    return costs < np.where(more, costs[more].max(), costs[~more].max()) / 20


def removal_controls(model, ids, depth, quoted, rng):
    """What taking directions out of the states costs, nats a symbol, beside 30 draws of three random ones.

    The directions of the depth are taken out twice: as they are, and without their part along the quotes.
    """
    layer, dense = model.layers
    states, _ = layer.forward(one_hot(ids, 7))
    letters, whole = ids > 2, surprise(dense.forward(states), ids)

    def cost(directions):
        return float(surprise(dense.forward(without_directions(states, directions)), ids) - whole)

    quotes, depths = directions_of(states, quoted.astype(int)), directions_of(states, depth)
    unit = quotes / np.linalg.norm(quotes)
    spanned, _ = np.linalg.qr(depths)
    draws = [cost(rng.normal(size=(layer.units, 3))) for _ in range(30)]
    return {
        "quoted_removed": cost(quotes),
        "letter_removed": cost(directions_of(states[letters], ids[letters] - 3)),
        "random_least": min(draws),
        "random_median": float(np.median(draws)),
        "random_most": max(draws),
        "depth_removed": cost(depths),
        "depth_alone_removed": cost(depths - unit @ (unit.T @ depths)),
        "depth_holds_quotes": float(np.linalg.norm(spanned.T @ unit)),
    }


def measure_ablation(seed):
    ids, depth, quoted = sample_texts(np.random.default_rng(1000 + seed))
    rng = np.random.default_rng(seed)
    layer, x = LSTM(7, 16, rng=rng), one_hot(ids, 7)
    before_training, _ = layer.forward(x)
    model = train_on_source(layer, rng)
    states, _ = layer.forward(x)
    cells, letter = layer.cell_states, np.where(ids > 2, ids - 3, 4)
    quotes, depths = correlations(cells, quoted), correlations(cells, depth)
    follows = np.maximum(quotes, depths)
    costs, gradients = ablation_costs(model, ids), cell_gradients(model, ids)
    saliency = np.abs(gradients).mean(axis=(0, 1))
    means = cells.mean(axis=(0, 1))
    scaled = np.abs(gradients * (cells - means)).mean(axis=(0, 1))
    idle, whole = idle_cells(costs, quotes, depths), surprise(scores_with(model, x), ids)
    costliest = int(costs.argmax())
    copies = [j for j in range(16) if quotes[j] > 0.6 and j != costliest]
    return {
        "saliency": float(rank_correlation(saliency, costs)),
        "scaled": float(rank_correlation(scaled, costs)),
        "correlation": float(rank_correlation(follows, costs)),
        "same_first": int(saliency.argmax() == costs.argmax()),
        "same_first_scaled": int(scaled.argmax() == costs.argmax()),
        "costliest": float(costs.max()),
        "costliest_quotes": float(quotes[costliest]),
        "best_copy": float(np.delete(quotes, costliest).max()),
        "copies": len(copies),
        "copies_together": float(surprise(scores_with(model, x, copies, means[copies]), ids) - whole),
        "idle": int(idle.sum()),
        "idle_follows": float(follows[idle].max()),
        "idle_cost": float(costs[idle][follows[idle].argmax()]),
        "idle_sum": float(costs[idle].sum()),
        "idle_together": float(surprise(scores_with(model, x, idle, means[idle]), ids) - whole),
        "letter_untrained": probe_accuracy(before_training, letter, np.random.default_rng(seed)),
        "letter_trained": probe_accuracy(states, letter, np.random.default_rng(seed)),
    } | removal_controls(model, ids, depth, quoted, np.random.default_rng(seed))


# ---------------------------------------------------------------------------------------------------------------------
# A finite automaton read out of a network
# ---------------------------------------------------------------------------------------------------------------------
def both_even(bits):
    """1 where the zeros and the ones so far are both even in number: (strings, symbols) of 0 and 1."""
    return ((bits.cumsum(axis=1) % 2 == 0) & ((1 - bits).cumsum(axis=1) % 2 == 0)).astype(int)


def same_modulo_three(bits):
    """1 where the ones so far minus the zeros so far are divisible by three."""
    return ((2 * bits - 1).cumsum(axis=1) % 3 == 0).astype(int)


def train_acceptor(language, layer, rng, updates):
    """Train a layer to say after each symbol if the string so far is in the language."""
    model, adam = Model([layer, Dense(layer.units, 2, rng=rng)], SoftmaxCrossEntropy()), Adam(0.01)
    for _ in range(updates):
        bits = rng.integers(0, 2, (32, 12))
        model.train_on_batch(one_hot(bits, 2), language(bits), optimizer=adam, clip_norm=1.0)
    return model


def read_out(model, most=1000):
    """Follow a network from its start; a state is the signs of h. -> following, accepts."""
    layer, dense = model.layers
    representatives = [np.zeros(layer.units, np.float32)]
    number, following = {(representatives[0] > 0).tobytes(): 0}, []
    for h in representatives:  # the list grows meanwhile
        following.append([])
        for symbol in (0, 1):
            new = layer.forward(one_hot([[symbol]], 2), h[None])[0][0, 0]
            signs = (new > 0).tobytes()
            if signs not in number:
                number[signs] = len(representatives)
                representatives.append(new)
            following[-1].append(number[signs])
        if len(representatives) > most:
            raise ValueError(f"More than {most} states: this network is no small automaton.")
    accepts = dense.forward(np.array(representatives)).argmax(axis=1)
    accepts[0] = 1  # the empty string, never shown in training
    return np.array(following), accepts


def minimise(following, accepts):
    """Merge states that no string tells apart; the start is state 0 again."""
    group = accepts
    while True:
        kind = np.column_stack([group, group[following]])
        _, finer = np.unique(kind, axis=0, return_inverse=True)
        if finer.max() == group.max():
            break
        group = finer.ravel()
    order = list(dict.fromkeys(group))  # groups by their first state
    first = [list(group).index(g) for g in order]
    return np.array([[order.index(g) for g in group[following[s]]] for s in first]), accepts[first]


def run_automaton(automaton, bits):
    """What an automaton answers after each symbol."""
    following, accepts = automaton
    state, answers = np.zeros(len(bits), int), np.empty_like(bits)
    for t in range(bits.shape[1]):
        state = following[state, bits[:, t]]
        answers[:, t] = accepts[state]
    return answers


def all_strings(length):
    """Every string of zeros and ones of a length, (2**length, length)."""
    return np.array(list(product((0, 1), repeat=length)))


LANGUAGES = {"even": both_even, "three": same_modulo_three}
ACCEPTORS = {"tanh": lambda rng: SimpleRNN(2, 16, rng=rng), "gru": lambda rng: GRU(2, 16, rng=rng)}


def measure_automata(seed):
    short, long = all_strings(12), np.random.default_rng(1000 + seed).integers(0, 2, (50, 1000))
    row = {}
    for name, language in LANGUAGES.items():
        for updates in (0, 100, 800) if name == "even" else (800,):
            for kind in ("tanh", "gru") if updates == 800 and name == "even" else ("tanh",):
                rng = np.random.default_rng(seed)
                model = train_acceptor(language, ACCEPTORS[kind](rng), rng, updates)
                column = f"{name}_{kind}_{updates}"
                row[f"{column}_network"] = float(
                    (model.predict(one_hot(short, 2)).argmax(-1) == language(short)).mean()
                )
                row[f"{column}_network_long"] = float(
                    (model.predict(one_hot(long, 2)).argmax(-1) == language(long)).mean()
                )
                try:
                    found = read_out(model)
                except ValueError:
                    row |= dict.fromkeys(
                        [f"{column}_found", f"{column}_states", f"{column}_right", f"{column}_right_long"]
                    )
                    continue
                small = minimise(*found)
                row[f"{column}_found"], row[f"{column}_states"] = len(found[0]), len(small[0])
                row[f"{column}_right"] = float((run_automaton(small, short) == language(short)).mean())
                row[f"{column}_right_long"] = float((run_automaton(small, long) == language(long)).mean())
    return row


def _cells_hold(rows):
    """A live row has the LSTM only."""
    return all(
        row[f"{kind}_trained_quoted"] > 0.6 > 0.45 > row[f"{kind}_untrained_quoted"]
        for row in rows
        for kind in KINDS
        if f"{kind}_trained_quoted" in row
    )


def _probes_hold(rows):
    return all(
        row["quoted_trained"] > 0.95 > 0.8 > row["quoted_untrained"]
        and row["before_trained"] - row["before_untrained"] < 0.1 < row["depth_trained"] - row["depth_untrained"]
        for row in rows
    )


def _ablation_holds(rows):
    """A live row has no column of the groups and the removals."""
    return all(
        row["same_first"] == 0
        and row["scaled"] > row["saliency"]
        and row["idle_follows"] > 0.6
        and row.get("idle_together", 0) < 0.2 * row.get("costliest", 1)
        and row.get("letter_removed", 0) < row.get("random_most", 1) < row.get("quoted_removed", 2)
        and row.get("depth_alone_removed", 0) < 0.5 * row.get("depth_removed", 1)
        for row in rows
    )


def _automata_hold(rows):
    """Where nothing small could be read out, the columns hold None."""
    learned = sum(row["even_tanh_800_states"] == 4 and row["even_tanh_800_right_long"] == 1 for row in rows)
    early = [row[f"even_tanh_{updates}_right_long"] for row in rows for updates in (0, 100)]
    return learned >= 0.8 * len(rows) and all(right is None or right < 0.9 for right in early)


REPRODUCTIONS = (
    Reproduction(
        key="inside-cells",
        lesson="15",
        paper="Karpathy et al. 2015",
        claim="single cells follow quotes and the depth of brackets",
        reported="pictures of such cells, without a figure or an untrained network",
        criterion="16 cells, 800 updates: the cell that follows the quotes best on 50 texts has an absolute "
        "correlation above .6 on 50 others after training, and below .45 before it; LSTM, GRU and tanh",
        seeds=range(3),
        measure=measure_cells,
        holds=_cells_hold,
        measured=lambda rows: "; ".join(
            f"{kind}, quotes {spread(rows, f'{kind}_trained_quoted')}, untrained "
            f"{spread(rows, f'{kind}_untrained_quoted')}, depth {spread(rows, f'{kind}_trained_depth')}, untrained "
            f"{spread(rows, f'{kind}_untrained_depth')}"
            for kind in KINDS
            if f"{kind}_trained_quoted" in rows[0]
        ),
    ),
    Reproduction(
        key="inside-probes",
        lesson="15",
        paper="Hewitt & Liang 2019",
        claim="a probe's accuracy says little without a control task: a large probe also learns random answers",
        reported="popular probes of part-of-speech tags are not selective",
        criterion="linear probe on 16 units: quotes above .95 after training and below .8 before it; training adds "
        "more than .1 for the depth and less than .1 for the symbol before the last",
        seeds=range(0, 5, 2),
        measure=measure_probes,
        holds=_probes_hold,
        measured=lambda rows: "; ".join(
            f"{name} {spread(rows, f'{name}_untrained')} untrained, {spread(rows, f'{name}_trained')} trained"
            for name in ("quoted", "depth", "before", "control")
            if f"{name}_trained" in rows[0]
        ),
    ),
    Reproduction(
        key="inside-ablation",
        lesson="15",
        paper="Morcos et al. 2018",
        claim="how selective a unit is says little about how much the network needs it",
        reported="class selectivity is a poor predictor of importance, in image classifiers",
        criterion="16 cells: saliency and ablation put different cells first; the gradient times the distance from the "
        "mean orders them more like ablation; some cell that costs less than a twentieth of the costliest with its "
        "property follows it with a correlation above .6; all these cells together cost less than a fifth of the "
        "costliest; removing the letter costs less than the costliest of 30 random draws, the quotes more; the "
        "depth costs less than half without its part along the quotes",
        seeds=range(5),
        measure=measure_ablation,
        holds=_ablation_holds,
        measured=lambda rows: (
            f"rank correlation with ablation: saliency {spread(rows, 'saliency')}, gradient times distance "
            f"{spread(rows, 'scaled')}; an idle cell follows with {spread(rows, 'idle_follows')}"
            + (
                f"; idle cells held together {spread(rows, 'idle_together', '.3f')} nats, the costliest cell "
                f"{spread(rows, 'costliest', '.3f')}; removed: letter {spread(rows, 'letter_removed', '.3f')}, quotes "
                f"{spread(rows, 'quoted_removed', '.3f')}"
                if "idle_together" in rows[0]
                else ""
            )
        ),
    ),
    Reproduction(
        key="inside-automata",
        lesson="15",
        paper="Giles et al. 1992; Weiss et al. 2018",
        claim="a small automaton can be read out of a trained recurrent network",
        reported="minimal automata of Tomita's languages; on long strings sometimes better than the network",
        criterion="both numbers even, 16 tanh units, 800 updates: the smallest automaton of the language, right on "
        "strings of 1,000, in at least 4 of 5 runs; after 0 or 100 updates never right on .9 of them",
        seeds=range(10),
        measure=measure_automata,
        holds=_automata_hold,
        measured=lambda rows: (
            f"states {spread(rows, 'even_tanh_800_states', '.0f')}, right on long strings "
            f"{spread(rows, 'even_tanh_800_right_long', '.3f')}"
        ),
    ),
)
