"""Lesson 16: equal sizes, what the models can see, the recorded experiments, the drawings, and the recipe's code."""

import re

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from figure_checks import check_legible
from hypothesis import given, settings
from hypothesis import strategies as st
from results_checks import criterion_can_fail, lesson_shows, measured_at_toy_size

from course_lib import plotting
from course_lib.attention import positional_encoding
from course_lib.gradients import check_gradients
from course_lib.lessons import find
from course_lib.lessons.lesson_16_choosing import exercises as ex
from course_lib.lessons.lesson_16_choosing import experiments, figures, models
from course_lib.losses import SoftmaxCrossEntropy
from course_lib.model import Model
from course_lib.teaching import experiment

LESSON = "16_choosing"
seeds = st.integers(0, 2**32 - 1)
KINDS = [kind for kind in models.KINDS if kind != "linear ±"]


# ---------------------------------------------------------------------------------------------------------------------
# The models
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("task", experiments.TASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_model_has_about_as_many_weights_and_answers_where_it_is_asked(task, kind):
    rng = np.random.default_rng(0)
    model = models.build(kind, experiments.TASKS[task], rng)
    assert model.count_params() == pytest.approx(models.WEIGHTS, rel=0.07)
    x, y = experiments.batch_of(task, rng, count=3)
    outputs = model.predict(x)
    assert outputs.shape[: y.ndim] == y.shape[: outputs.ndim]
    assert outputs.shape[-1] == experiments.TASKS[task].outputs


def test_a_kind_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="A model is one of tanh"):
        models.build("RNN", experiments.TASKS["parity"], np.random.default_rng(0))


@pytest.mark.parametrize("kind", [kind for kind in models.KINDS if kind != "Conv1D"])
def test_no_answer_depends_on_a_later_step(kind):
    rng = np.random.default_rng(0)
    model = models.build(kind, experiments.TASKS["parity"], rng)
    x = rng.normal(size=(2, 12, 1)).astype(np.float32)
    later = x.copy()
    later[:, 7:] += 1
    before, after = model.predict(x), model.predict(later)
    np.testing.assert_allclose(before[:, :7], after[:, :7], atol=1e-6)
    assert np.abs(before[:, 7:] - after[:, 7:]).max() > 1e-4


def test_the_convolution_sees_17_steps_and_no_more():
    rng = np.random.default_rng(0)
    model = models.build("Conv1D", experiments.TASKS["parity"], rng)
    x = rng.normal(size=(1, 40, 1)).astype(np.float32)
    moved = x.copy()
    moved[:, 10] += 10
    changed = np.flatnonzero(np.abs(model.predict(x) - model.predict(moved)).max(axis=(0, 2)) > 1e-6)
    assert changed[0] == 10
    assert changed[-1] <= 10 + 16


@given(seeds, st.booleans(), st.sampled_from([2, 4, 6]))
@settings(max_examples=10)
def test_gradients_of_the_transformer(seed, restart, time):
    rng = np.random.default_rng(seed)
    layer = models.CausalTransformer(3, 4, hidden=5, blocks=1, restart=restart, rng=rng, dtype=np.float64)
    for w in layer.weights:
        w[...] = rng.normal(size=w.shape)
    x, d = rng.normal(size=(2, time, 3)), rng.normal(size=(2, time, 4))
    layer.forward(x)
    dx = layer.backward(d)
    arrays = {"x": x} | dict(zip(layer.weight_names, layer.weights, strict=True))
    grads = {"x": dx} | dict(zip(layer.weight_names, layer.grads, strict=True))
    del arrays["x"], grads["x"]
    check_gradients(lambda: float((layer.forward(x) * d).sum()), {"x": x} | arrays, {"x": dx} | grads)


def test_positions_restart_in_the_middle():
    rng = np.random.default_rng(0)
    layer = models.CausalTransformer(2, 4, hidden=3, blocks=1, restart=True, rng=rng)
    same = np.ones((1, 6, 2), np.float32)
    for block in layer.layers[1:-1]:  # without attention each position sees itself alone
        for w in block.self_attention.weights:
            w[...] = 0
    out = layer.forward(same)
    np.testing.assert_allclose(out[:, :3], out[:, 3:], atol=1e-5)


@pytest.mark.parametrize("n", [1, 5])
def test_the_sines_are_those_of_the_transformer_and_the_same_in_both_halves(n):
    x = np.random.default_rng(0).normal(size=(2, 2 * n, 3))
    assert experiments.inputs_of("Transformer, positions go on", x) is x
    out = experiments.inputs_of("GRU, same sines", x)
    np.testing.assert_array_equal(out[..., :3], x)
    np.testing.assert_allclose(out[0, :n, 3:], positional_encoding(n, 16))
    np.testing.assert_array_equal(out[0, :n, 3:], out[1, n:, 3:])


@pytest.mark.parametrize("name", experiments.CONTROLS)
def test_every_control_has_about_as_many_weights_and_answers_in_the_second_half(name):
    rng = np.random.default_rng(0)
    model = experiments.build_control(name, rng)
    assert model.count_params() == pytest.approx(models.WEIGHTS, rel=0.07)
    x, y = experiments.copying(3, 6, rng)
    assert model.predict(experiments.inputs_of(name, x)).shape == (*y.shape, 8)


def test_only_the_restart_tells_the_control_from_the_transformer():
    task = experiments.TASKS["copying"]
    control = experiments.build_control("Transformer, positions go on", np.random.default_rng(0))
    kind = models.build("Transformer", task, np.random.default_rng(0))
    x, _ = experiments.copying(3, 6, np.random.default_rng(1))
    assert np.abs(control.predict(x) - kind.predict(x)).max() > 1e-3
    control.layers[0].restart = True
    np.testing.assert_array_equal(control.predict(x), kind.predict(x))


@given(seeds, st.integers(1, 5))
def test_the_second_half_and_its_gradient(seed, n):
    rng = np.random.default_rng(seed)
    layer, x, d = models.SecondHalf(), rng.normal(size=(2, 2 * n, 3)), rng.normal(size=(2, n, 3))
    np.testing.assert_array_equal(layer.forward(x), x[:, n:])
    check_gradients(lambda: float((layer.forward(x) * d).sum()), {"x": x}, {"x": layer.backward(d)})


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 0, 4), (2, 4)])
def test_the_second_half_of_what_has_none_is_refused(shape):
    with pytest.raises(ValueError, match="an even number of steps"):
        models.SecondHalf().forward(np.zeros(shape))


# ---------------------------------------------------------------------------------------------------------------------
# The experiments
# ---------------------------------------------------------------------------------------------------------------------
@given(seeds, st.integers(1, 4), st.integers(1, 9))
def test_a_string_is_read_and_asked_for_once_it_is_read(seed, count, length):
    x, string = experiments.copying(count, length, np.random.default_rng(seed))
    assert x.shape == (count, 2 * length, 9)
    np.testing.assert_array_equal(x[:, :length].argmax(axis=2), string)
    assert (x[:, length:].argmax(axis=2) == 8).all()


def test_windows_of_letters_are_followed_by_their_next_letters():
    ids = np.arange(300)
    x, y = experiments.windows(ids, 20, np.random.default_rng(0))
    assert x.shape == y.shape == (20, 64)
    np.testing.assert_array_equal(y, x + 1)


def test_the_three_parts_of_the_letters_have_nothing_in_common():
    train, validation, test = experiments.load_letters()
    assert (len(train), len(validation), len(test)) == (240_000, 10_000, 10_000)


class Perfect(Model):
    """Answers parity and copying without an error, from the inputs."""

    def __init__(self, task):
        super().__init__([], SoftmaxCrossEntropy())
        self.task = task

    def predict(self, x, mask=None, batch_size=256):
        if self.task == "parity":
            return np.eye(2)[x[..., 0].astype(int).cumsum(axis=1) % 2]
        return x[:, : x.shape[1] // 2, :8]


@pytest.mark.parametrize("task", ["parity", "copying"])
def test_a_perfect_model_leaves_nothing(task):
    rng = np.random.default_rng(0)
    assert experiments.score(task, Perfect(task), rng) == 0
    found = experiments.against_length(task, Perfect(task), rng)
    assert all(value == 1 for values in found.values() for value in values)


@pytest.mark.parametrize("task", experiments.TASKS)
def test_an_untrained_model_is_as_good_as_guessing(task):
    nothing = {
        "adding": 1 / 6,
        "order": 3 / 4,
        "letters": np.log2(experiments.LETTERS),
        "parity": 0.5,
        "copying": 7 / 8,
    }
    model = models.build("GRU", experiments.TASKS[task], np.random.default_rng(0))
    model.layers[-1].set_weights([np.zeros_like(w) for w in model.layers[-1].weights])
    if task == "adding":
        model.layers[-1].bias[...] = 1
    found = experiments.score(task, model, np.random.default_rng(1))
    assert found == pytest.approx(nothing[task], rel=0.12)


def test_training_takes_its_share_of_the_time(monkeypatch):
    rates = []

    def note(self, *batch, optimizer, clip_norm):
        rates.append(optimizer.learning_rate)
        optimizer.iterations += 1

    monkeypatch.setattr(Model, "train_on_batch", note)
    experiments.train("GRU", "parity", 0.01, np.random.default_rng(0), part=0.5)
    expected = 500 * experiments.SECONDS["parity"] / experiments.MILLISECONDS["parity"]["GRU"]
    assert len(rates) == round(expected)
    assert rates[0] == 0.01
    assert rates[-1] < 0.001


def test_the_best_rate_leaves_least_on_the_mean_and_is_the_smaller_of_equal_ones(monkeypatch):
    monkeypatch.setattr(experiments, "RATES", (0.1, 0.2, 0.3))
    monkeypatch.setattr(experiments, "MILLISECONDS", {"parity": {"GRU": 1, "LSTM": 1}})
    rows = [
        {"parity GRU": [0.5, 0.0, 0.2], "parity LSTM": [0.4, 0.1, 0.0]},
        {"parity GRU": [0.5, 0.5, 0.2], "parity LSTM": [0.4, 0.0, 0.1]},
    ]
    assert experiments.best_rates(rows) == {"parity": {"GRU": 0.3, "LSTM": 0.2}}


@pytest.mark.slow
@pytest.mark.parametrize("key", [f"choosing-{name}" for name in ("rates", *experiments.TASKS)])
def test_each_measurement_at_toy_size(key, monkeypatch):
    measured_at_toy_size(key, monkeypatch, train={"part": 0.006})


@pytest.mark.slow
@pytest.mark.parametrize("key", ["choosing-control-rates", "choosing-controls", "choosing-far"])
def test_each_control_at_toy_size(key, monkeypatch):
    monkeypatch.setitem(experiments.SECONDS, "copying", 0.02)
    monkeypatch.setattr(experiments, "FAR", (40, 60))
    measured_at_toy_size(key, monkeypatch, train={"part": 0.006})


def test_a_control_has_as_many_updates_as_the_kind_that_it_varies(monkeypatch):
    rates = []

    def note(self, *batch, optimizer, clip_norm):
        rates.append(optimizer.learning_rate)
        optimizer.iterations += 1

    monkeypatch.setattr(Model, "train_on_batch", note)
    experiments.train_control("GRU, same sines", 0.01, np.random.default_rng(0))
    by_control = rates[:]
    rates.clear()
    experiments.train("GRU", "copying", 0.01, np.random.default_rng(0))
    assert by_control == rates


def test_a_perfect_model_is_right_and_its_answers_stay_apart(monkeypatch):
    monkeypatch.setattr(experiments, "FAR", (40, 60))
    found = experiments.far_on_parity(Perfect("parity"), np.random.default_rng(0))
    assert found == {"right": [1, 1], "distance": [2, 2], "spread": [0, 0]}


def test_the_rates_of_the_controls_are_the_recorded_best_and_none_is_at_the_edge():
    rows = experiment.recorded("choosing-control-rates").rows
    assert experiments.best_control_rates(rows) == experiments.CONTROL_RATE
    assert set(experiments.CONTROL_RATE.values()) < set(experiments.RATES[1:-1])
    seeds_of = {key: experiment.find(key).seeds for key in ("choosing-rates", "choosing-control-rates")}
    assert len(set(seeds_of.values())) == 1


def test_far_and_table_are_the_same_models():
    far, table = experiment.recorded("choosing-far"), experiment.recorded("choosing-parity")
    for kind in ("LSTM", "GRU", "linear ±"):
        near = table.column(f"{kind} right")[:, experiments.PLACES.index(200)]
        assert np.abs(far.column(f"{kind} right")[:, experiments.FAR.index(200)] - near).max() < 0.03


def test_the_rates_of_the_table_are_the_recorded_best():
    rows = experiment.recorded("choosing-rates").rows
    assert experiments.best_rates(rows) == experiments.RATE
    assert all(len(left) == len(experiments.RATES) for row in rows for name, left in row.items() if name != "seed")


def test_where_the_best_rate_is_at_the_edge_of_the_grid():
    edges = {
        (task, kind): rate
        for task, kinds in experiments.RATE.items()
        for kind, rate in kinds.items()
        if rate in (experiments.RATES[0], experiments.RATES[-1])
    }
    expected = {("adding", "LSTM"): 0.001, ("order", "Conv1D"): 0.001, ("copying", "tanh"): 0.001}
    assert edges == expected | {("parity", "minGRU"): 0.3}


@pytest.mark.parametrize(
    ("task", "kinds", "least"),
    [
        ("adding", ("tanh", "LSTM"), 0.16),
        ("parity", ("tanh", "Conv1D", "Transformer", "minGRU"), 0.47),
        ("copying", ("Conv1D",), 0.86),
    ],
)
def test_these_kinds_stay_at_chance_at_all_rates(task, kinds, least):
    record = experiment.recorded("choosing-rates")
    assert all(record.column(f"{task} {kind}").min() > least for kind in kinds)


def test_a_smaller_grid_has_other_winners():
    record = experiment.recorded("choosing-rates")

    def winner(task, rates):
        return min(KINDS, key=lambda kind: record.column(f"{task} {kind}").mean(axis=0)[rates].min())

    few, six = slice(1, 4), slice(None)
    assert experiments.RATES[few] == (0.003, 0.01, 0.03)
    assert (winner("letters", few), winner("letters", six)) == ("tanh", "minGRU")
    assert (winner("adding", few), winner("adding", six)) == ("Conv1D", "GRU")


def test_the_rates_are_chosen_on_seeds_that_no_table_uses():
    used = {seed for r in experiments.REPRODUCTIONS if r.seeds != range(100, 102) for seed in r.seeds}
    assert used.isdisjoint(experiment.find("choosing-rates").seeds)


def test_a_rate_is_tried_on_letters_that_the_table_does_not_use(monkeypatch):
    parts = {name: np.full(130, place) for place, name in enumerate(("training", "validation", "test"))}
    monkeypatch.setattr(experiments, "load_letters", lambda: tuple(parts.values()))

    class Reads:
        def evaluate(self, x, y):
            return np.log(2) * x.mean()

    rng = np.random.default_rng(0)
    assert experiments.score("letters", Reads(), rng, final=False) == pytest.approx(1)
    assert experiments.score("letters", Reads(), rng) == pytest.approx(2)


def test_a_call_is_timed_at_least_once():
    calls = []
    assert experiments.milliseconds(lambda: calls.append(1), least=0.001, repeats=2) > 0
    assert calls


HALF, ALL = [0.5] * len(experiments.PLACES), [1.0] * len(experiments.PLACES)


@pytest.mark.parametrize(
    ("key", "spoil"),
    [
        *(("choosing-adding", {kind: 0.05}) for kind in ("Conv1D", "GRU", "minGRU", "tanh", "LSTM", "Transformer")),
        *(("choosing-order", {kind: 0.2}) for kind in ("Conv1D", "minGRU")),
        ("choosing-order", {"Transformer": 0.1}),
        ("choosing-order", {"tanh": 0}),
        *(("choosing-letters", {kind: 2.4}) for kind in ("tanh", "LSTM", "GRU", "minGRU")),
        ("choosing-letters", {"minGRU": 3.2}),
        *(("choosing-letters", {kind: 3.7}) for kind in ("tanh", "LSTM", "GRU")),
        *(("choosing-letters", {kind: 3.5}) for kind in ("Conv1D", "Transformer")),
        *(("choosing-parity", {f"{kind} right": HALF}) for kind in ("LSTM", "GRU", "linear ±")),
        *(("choosing-parity", {f"{kind} right": ALL}) for kind in ("tanh", "Conv1D", "Transformer", "minGRU")),
        ("choosing-copying", {"Transformer": 0.2}),
        *(("choosing-copying", {kind: 0.5}) for kind in KINDS if kind != "Transformer"),
        *(("choosing-controls", {name: wrong}) for name in experiments.CONTROLS for wrong in (0.5, 0.95)),
        ("choosing-control-rates", {"GRU, same sines": [0.9, 0.9, 0.9, 0.9, 0.9, 0.0]}),
        *(("choosing-far", {f"{kind} right": [0.9] * 10}) for kind in ("LSTM", "GRU", "linear ±")),
        ("choosing-scans", {"1 4096 16 chunked": 0.9}),
        ("choosing-scans", {"8 16384 64 doubling": 1.1}),
        ("choosing-scans", {"step minGRU, loop": 0.9}),
    ],
)
def test_each_bound_can_fail(key, spoil):
    criterion_can_fail(key, spoil)


def test_the_lesson_shows_the_recorded_code():
    lesson_shows(LESSON, [experiments.train])


# ---------------------------------------------------------------------------------------------------------------------
# The drawings, the exercises, the recipe
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("draw", [figures.draw_doubling, figures.draw_guide])
def test_drawings_are_legible(draw):
    plotting.use_style()
    fig = draw()
    check_legible(fig)
    plt.close(fig)


def test_every_leaf_names_a_lesson():
    assert all(re.search(r"\d\d", lesson) for *_, lesson in figures.GUIDE)


@given(st.integers(1, 40), st.integers(1, 33), st.integers(2, 40))
def test_the_longest_copy_fits_and_one_more_does_not(units, bits, symbols):
    n = ex.longest_copy(units, bits, symbols)
    assert symbols**n <= 2 ** (units * bits) < symbols ** (n + 1)


@given(seeds, st.integers(1, 30))
def test_thirds_of_a_turn_count_to_three(seed, length):
    x = np.random.default_rng(seed).integers(0, 2, length)
    angle = np.angle(np.cumprod(ex.turn(x))) * 3 / (2 * np.pi)
    np.testing.assert_array_equal(np.round(angle) % 3, x.cumsum() % 3)


@pytest.mark.slow
def test_the_recipe_runs():
    import course_lib.keras_models  # noqa: F401  keeps TensorFlow quiet

    notebook = nbformat.read(find("16").folder.parents[2] / "notebooks" / f"{LESSON}.ipynb", as_version=4)
    [use] = [cell.source for cell in notebook.cells if cell.source.startswith("## Use it")]
    names = {}
    exec("\n".join(re.findall(r"```python\n(.*?)```", use, re.S)), names)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 16, 2)).astype("float32")
    found = names["compare"](x, x[:, -1, :1], seconds=0.05, weights=300, rates=(0.01,))
    model = names["make"]("attention", 8, 16, 2, 1)
    [table] = [layer for layer in model.layers if layer.name.startswith("embedding")]
    assert any(table.embeddings is weights for weights in model.trainable_variables)
    without = sum(layer.count_params() for layer in model.layers if layer is not table)
    assert model.count_params() == without + 16 * 8
    before = table.embeddings.numpy()
    model.compile(optimizer="adam", loss="mse")
    model.fit(x, x[:, -1, :1], epochs=1, verbose=0)
    assert np.abs(table.embeddings.numpy() - before).max() > 1e-4
    assert list(found) == ["GRU", "LSTM", "Conv1D", "attention", "as the last step"]
    assert found.pop("as the last step") == 0
    assert all(0 < error < 10 for error in found.values())
