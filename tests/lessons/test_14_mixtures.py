"""Lesson 14: the page's CTC, its tasks and networks, the recorded experiments, the recipe, and the exercises."""

import ast
import inspect
import math
import os
import re
import textwrap

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from figure_checks import check_legible
from hypothesis import given, settings
from hypothesis import strategies as st
from results_checks import NOTEBOOKS, criterion_can_fail, lesson_shows, measured_at_toy_size

from course_lib import plotting
from course_lib.ctc import CTCLoss
from course_lib.datasets import load_digits
from course_lib.gradients import numerical_gradient
from course_lib.layers import Dense
from course_lib.lessons.lesson_14_mixtures import exercises as ex
from course_lib.lessons.lesson_14_mixtures import experiments, figures
from course_lib.losses import SoftmaxCrossEntropy
from course_lib.model import Model
from course_lib.teaching import experiment as results

LESSON = "14_mixtures"
seeds = st.integers(0, 2**32 - 1)


def cells():
    return {cell.id: cell for cell in nbformat.read(NOTEBOOKS / f"{LESSON}.ipynb", as_version=4).cells}


def page(*names):
    """What the page's cells define."""
    defined = {"np": np}
    exec("import itertools", defined)
    for name in names:
        tree = ast.parse(cells()[name].source)
        kept = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ImportFrom)]
        exec(compile(ast.Module(kept, []), name, "exec"), defined)
    return defined


# ---------------------------------------------------------------------------------------------------------------------
# CTC on the page
# ---------------------------------------------------------------------------------------------------------------------
PAGE = page("collapse-code", "listing-code", "forward-code", "gradient-code")


@given(seeds, st.integers(1, 4), st.integers(0, 3))
@settings(max_examples=25)
def test_the_pages_ctc_is_the_librarys_and_the_listing(seed, length, more):
    rng = np.random.default_rng(seed)
    label = rng.integers(1, 3, length).tolist()
    logits = 2 * rng.normal(size=(ex.steps_needed(label) + more, 3))
    loss, gradient, occupation = PAGE["ctc"](logits, label)
    library = CTCLoss()
    assert loss == pytest.approx(library.forward(logits[None], [label]), abs=1e-10)
    np.testing.assert_allclose(gradient, library.backward()[0], atol=1e-10)
    np.testing.assert_allclose(occupation.sum(axis=1), 1)
    if len(logits) < 8:
        listed, paths = PAGE["by_listing"](np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), label)
        assert loss == pytest.approx(-np.log(listed), abs=1e-9)
        assert paths == ex.count_paths(*PAGE["states_of"](label), len(logits))


def test_the_pages_gradient_is_that_of_finite_differences():
    rng = np.random.default_rng(0)
    logits, label = rng.normal(size=(9, 5)), [4, 4, 1]
    numeric = numerical_gradient(lambda: PAGE["ctc"](logits, label)[0], logits)
    np.testing.assert_allclose(PAGE["ctc"](logits, label)[1], numeric, atol=1e-8)


# ---------------------------------------------------------------------------------------------------------------------
# Strips
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("by_writer", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_no_digit_is_both_learned_and_tested(seed, by_writer):
    (train, _), (test, labels) = experiments.two_parts(seed, by_writer)
    assert len(test) == len(labels) == 450
    assert len(train) + len(test) == len(load_digits()[0])
    known = np.random.default_rng(0).permutation(len(train))[:1797]
    both = np.concatenate([train[known], test]).reshape(-1, 64)
    assert len(np.unique(both, axis=0)) > len(both) - 5  # the file holds hardly any two equal pictures


def test_the_quarters_of_the_file_are_in_its_order():
    images, _ = load_digits()
    for seed in range(3):
        np.testing.assert_array_equal(
            experiments.two_parts(seed, True)[1][0] * 16, images[450 * seed : 450 * (seed + 1)]
        )


@given(seeds)
def test_a_strip_holds_its_digits_from_left_to_right(seed):
    digits = np.ones((10, 8, 8)) * np.arange(1, 11)[:, None, None], np.arange(10)
    x, targets, mask = experiments.strips(4, digits, np.random.default_rng(seed))
    assert (x.shape, targets.shape) == ((4, 58, 8), (4, 5))
    for columns, target, real in zip(x, targets, mask, strict=True):
        label = target[target > 0]
        assert 3 <= len(label) <= 5
        assert real[: real.sum()].all()
        assert not columns[~real].any()
        drawn = columns[:, 0][columns[:, 0] > 0]
        np.testing.assert_array_equal(drawn, np.repeat(label, 8))  # pictures of the digit d are d + 1 everywhere


@given(seeds)
def test_no_window_of_9_sees_two_digits_of_a_spaced_strip(seed):
    digits = np.ones((10, 8, 8)) * np.arange(1, 11)[:, None, None], np.arange(10)
    x, targets, mask = experiments.spaced_strips(4, digits, np.random.default_rng(seed))
    for columns, target, real in zip(x[..., 0], targets, mask, strict=True):
        np.testing.assert_array_equal(columns[columns > 0], np.repeat(target[target > 0], 8))
        assert real[: real.sum()].all()
        assert not columns[~real].any()
        views = np.lib.stride_tricks.sliding_window_view(columns, 9)
        begins = np.flatnonzero((columns > 0) & (np.append(0, columns[:-1]) == 0))
        assert (np.diff(begins) >= 16).all()
        assert max(len(set(view[view > 0])) for view in views) == 1


def test_readers_have_as_many_weights():
    sizes = {
        name: Model([*layers(np.random.default_rng(0)), Dense(units, 11, rng=np.random.default_rng(0))], CTCLoss())
        for name, (layers, units, _) in experiments.READERS.items()
    }
    counts = {name: model.count_params() for name, model in sizes.items()}
    assert max(counts.values()) < 1.06 * min(counts.values())
    assert min(counts.values()) > 27_000


def test_what_a_reader_gets_wrong():
    class Silent:
        def predict(self, x, mask):
            return np.eye(11)[np.zeros(x.shape[:2], int)]

    digits = experiments.two_parts(0)[1]
    assert experiments.strips_wrong(Silent(), digits, np.random.default_rng(0), 20) == 1


def test_a_spike_is_where_a_symbol_begins():
    path = np.array([[0, 3, 3, 0, 3, 5, 5, 5]])
    mask = np.array([[True] * 6 + [False] * 2])
    (found,) = experiments.spike_columns(np.eye(11)[path], mask)
    assert found.tolist() == [1, 4, 5]


# ---------------------------------------------------------------------------------------------------------------------
# Captions
# ---------------------------------------------------------------------------------------------------------------------
def spelled(row):
    return "".join(" " if k == 1 else chr(k + 95) for k in row[row > 0])


def test_captions_say_what_is_on_the_canvas():
    digits = np.ones((10, 8, 8)) * np.arange(1, 11)[:, None, None], np.arange(10)
    pictures, ids, corners = experiments.captioned(60, digits, np.random.default_rng(0))
    seen = set()
    for picture, row, places in zip(pictures[..., 0], ids, corners, strict=True):
        names = [experiments.NAMES[int(picture[top, left]) - 1] for top, left in places]
        kind = "above" if len(places) == 2 and places[0][0] == 0 else "beside"
        seen.add(kind if len(places) == 2 else "one")
        assert spelled(row) == f" {kind} ".join(names)
        assert row[-1] == 0
    assert seen == {"one", "above", "beside"}


@pytest.mark.parametrize("kind", [experiments.Captioner, experiments.OneVector])
def test_the_captioners_gradient(kind):
    rng = np.random.default_rng(0)
    model, loss = kind(6, rng), SoftmaxCrossEntropy()
    for layer in model.layers:
        layer.dtype = np.dtype(np.float64)
        for name in layer.weight_names:
            setattr(layer, name, getattr(layer, name).astype(np.float64))
    pictures, ids, _ = experiments.captioned(2, experiments.two_parts(0)[0], rng)
    pictures = pictures + 0.01 * rng.normal(size=pictures.shape)  # no two equal pixels where the largest is taken

    def value():
        return loss.forward(model.forward(pictures, experiments.one_later(ids)), ids)

    value()
    model.backward(loss.backward())
    for layer in model.layers:
        for weight, grad in zip(layer.weights, [grad.copy() for grad in layer.grads], strict=True):
            place = np.unravel_index(np.abs(grad).argmax(), grad.shape)
            old = weight[place]
            weight[place] = old + 1e-5
            up = value()
            weight[place] = old - 1e-5
            down = value()
            weight[place] = old
            assert (up - down) / 2e-5 == pytest.approx(grad[place], rel=1e-4, abs=1e-9)


def test_attention_is_counted_on_the_right_digit():
    ids = np.zeros((2, 19), int)
    for row, caption in zip(ids, ("one above two", "six"), strict=True):
        row[: len(caption)] = [1 if letter == " " else ord(letter) - 95 for letter in caption]
    looks = np.zeros((2, 19, 4, 4))
    looks[0, :3, 0, 1], looks[0, 3:, 2, 1] = 1, 1  # the upper digit for the first word, then the lower one
    found = experiments.looks_at(looks.reshape(2, 19, 16), ids, [[(0, 4), (8, 4)], [(4, 4)]])
    assert found == (1.0, 0.0)
    looks = np.full((2, 19, 16), 1 / 16)
    assert experiments.looks_at(looks, ids, [[(0, 4), (8, 4)], [(4, 4)]]) == (0.25, 0.25)


# ---------------------------------------------------------------------------------------------------------------------
# Sound and picture
# ---------------------------------------------------------------------------------------------------------------------
def test_five_and_nine_sound_alike_and_no_other_two_do():
    same = [(a, b) for a in range(10) for b in range(a) if experiments.SPOKEN[a] == experiments.SPOKEN[b]]
    assert same == [(9, 5)]
    five, nine = (experiments.spoken(digit, np.random.default_rng(3)) for digit in (5, 9))
    np.testing.assert_array_equal(five, nine)


def test_a_spectrogram_shows_a_tone_where_it_is():
    tone = np.sin(2 * np.pi * 1100 * np.arange(1920) / experiments.RATE)
    bands = experiments.spectrogram(tone[None])
    assert bands.shape == (1, 12, 16)
    assert (bands[0].argmax(axis=1) == 1100 // 250).all()


def test_in_two_thirds_of_the_pairs_one_input_is_taken_away():
    pictures, sounds = experiments.drop_inputs(
        np.ones((900, 8, 8, 1)), np.ones((900, 12, 16)), np.random.default_rng(0)
    )
    seen, heard = pictures[:, 0, 0, 0], sounds[:, 0, 0]
    assert ((seen + heard) >= 1).all()
    assert [abs(part.mean() - 2 / 3) < 0.05 for part in (seen, heard)] == [True, True]


# ---------------------------------------------------------------------------------------------------------------------
# The lesson and its records
# ---------------------------------------------------------------------------------------------------------------------
def test_the_lesson_shows_the_recorded_code():
    names = ("strips", "windows", "train_reader", "write", "fused")
    lesson_shows(LESSON, [getattr(experiments, name) for name in names])
    shown = ast.parse(cells()["captioner"].source + "\n" + cells()["captioner-backward-code"].source)
    methods = {node.name: node for node in ast.walk(shown) if isinstance(node, ast.FunctionDef)}
    for name in ("__init__", "see", "forward", "backward", "see_backward"):
        ran = ast.parse(textwrap.dedent(inspect.getsource(getattr(experiments.Captioner, name)))).body[0]
        assert ast.unparse(methods[name]) == ast.unparse(ran)


@pytest.mark.parametrize(
    ("key", "spoil"),
    [
        ("ctc-strips", {"window_15": 0.16}),
        ("ctc-strips", {"window_9": 0.1}),
        ("ctc-strips", {"window_9": 0.5}),
        ("ctc-strips", {"stack": 0.1}),
        ("ctc-strips", {"stack": 0.5}),
        ("ctc-strips", {"window_3": 0.3}),
        ("ctc-strips", {"bi_3": 0.3}),
        ("ctc-strips", {"bi_raw": 0.3}),
        ("ctc-strips", {"gru_9": 0.3}),
        ("ctc-writers", {"told": 0.05}),
        ("ctc-writers", {"window_15": 0.05}),
        ("ctc-writers", {"bi_3": 0.05}),
        ("ctc-one-way", {"fast": 0.7}),
        ("ctc-one-way", {"slow": 0.1, "slow_later": 3.5}),
        ("ctc-spaced", {"window_9": 0.8}),
        ("ctc-spaced", {"window_15": 0.2}),
        ("captions", {"attention": 0.4}),
        ("captions", {"one_vector": 0.01}),
        ("captions", {"on_the_digit": 0.2}),
        ("captions", {"on_the_other": 0.3}),
        ("fused-inputs", {"fused": 0.06}),
        ("fused-inputs", {"sound": 0.02}),
        ("fused-inputs", {"fused_no_sound": 0.24}),
        ("fused-inputs", {"picture": 0.4}),
        ("fused-inputs", {"fused_no_picture": 0.05}),
        ("fused-inputs", {"dropped": 0.06}),
        ("fused-inputs", {"dropped_no_sound": 0.4}),
        ("fused-inputs", {"dropped_no_picture": 0.4}),
        ("fused-branch", {"new_last_layer": 0.29}),
        ("fused-branch", {"no_sound": 0.2}),
        ("fused-branch", {"other_sound": 0.4}),
    ],
)
def test_each_bound_can_fail(key, spoil):
    criterion_can_fail(key, spoil)


def test_the_recipe_runs():
    """The code of the recipe card, for one epoch, on strips: its loss is CTCLoss with a mask, and it decodes."""
    keras = pytest.importorskip("course_lib.keras_models", reason="TensorFlow has no wheel for this platform").keras
    code = re.search(r"```python\n(.*?)```", cells()["recipe"].source, re.S).group(1)
    x, labels, mask = experiments.strips(8, experiments.two_parts(0)[0], np.random.default_rng(0))
    names = {"keras": keras, "np": np, "x_train": x, "labels": labels, "mask": mask, "x_new": x, "mask_new": mask}
    exec(code.replace("epochs=20", "epochs=1, verbose=0").replace("mask_new])", "mask_new], verbose=0)"), names)
    logits = np.asarray(names["model"]([x, mask]))
    target = np.column_stack([labels, mask.sum(axis=1)])
    theirs = float(names["CTC"]()(target, logits))
    assert theirs == pytest.approx(CTCLoss().forward(logits, labels, mask), rel=1e-4)
    assert len(names["labels_new"]) == 8


def test_the_figures_are_legible():
    plotting.use_style()
    alpha = np.exp(PAGE["forward_pass"](np.log(np.full((4, 3), 1 / 3)), [1, 2]))
    probs = np.eye(11)[np.zeros(30, int)]
    for fig in (
        figures.draw_trellis(alpha, list("–a–b–")),
        figures.draw_reading(np.zeros((30, 8)), probs, [3, 3, 7]),
        figures.draw_looks(np.zeros((16, 16)), "one by two", np.full((19, 16), 1 / 16)),
    ):
        check_legible(fig, smallest=8)
        plt.close(fig)


# ---------------------------------------------------------------------------------------------------------------------
# The exercises
# ---------------------------------------------------------------------------------------------------------------------
@given(st.lists(st.integers(1, 2), min_size=1, max_size=4))
def test_14_1_is_the_shortest_row_with_a_path(label):
    states, skip = PAGE["states_of"](label)
    ways = [ex.count_paths(states, skip, steps) for steps in range(1, 10)]
    assert np.flatnonzero(ways)[0] + 1 == ex.steps_needed(label)


@pytest.mark.parametrize("layers", [[(3, 1)] * 3, [(3, 2), (5, 1)], [(3, 3), (4, 2), (3, 1)], [(1, 1)]])
def test_14_4_counts_what_a_stack_sees(layers):
    columns = [range(i, i + 1) for i in range(60)]
    seen = [set(column) for column in columns]
    for width, stride in layers:
        seen = [set().union(*seen[i : i + width]) for i in range(0, len(seen) - width + 1, stride)]
    assert len(seen[0]) == ex.receptive_field(layers)


def test_14_4_gives_the_captioners_cell():
    assert ex.receptive_field([(3, 1), (2, 2), (3, 1), (2, 2), (3, 1)]) == 18


def test_14_2_has_the_count_of_the_binomial_coefficient():
    """Without repeats: (steps + symbols) choose (2 symbols), as in Hannun 2017."""
    assert ex.count_paths(*PAGE["states_of"]([1, 2, 3, 4]), 40) == math.comb(44, 8) == 177_232_627


@pytest.mark.parametrize(
    ("attempt", "phrase"),
    [
        (lambda measure: {"picture": 0.1}, "with the keys"),
        (lambda measure: {"picture": measure("sound", "picture", 0), "sound": 0}, "cannot be measured"),
        (lambda measure: {"picture": measure("both", "touch", 0), "sound": 0}, "takes"),
        (lambda measure: {"picture": measure("both", "both", -1), "sound": 0}, "A seed is a whole number"),
        (lambda measure: {n: sum(measure("both", "both", s) for s in range(99)) for n in ex.INPUTS}, "more than 60"),
    ],
)
def test_14_5_says_what_is_wrong(attempt, phrase, answer):
    assert phrase in answer(ex.check, "14.5", attempt)


# ---------------------------------------------------------------------------------------------------------------------
# Each measurement once, at toy size
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("key", "options", "toys"),
    [
        (
            "ctc-strips",
            {},
            {"train_reader": {"updates": 1}, "told_wrong": {"updates": 1}, "strips_wrong": {"count": 2}},
        ),
        ("ctc-writers", {}, {"train_reader": {"updates": 1}, "told_wrong": {"updates": 1}}),
        ("ctc-one-way", {"updates": 1}, {}),
        ("ctc-spaced", {"updates": 1, "count": 2}, {}),
        ("captions", {}, {"train_captioner": {"updates": 1}}),
    ],
)
def test_each_measurement_runs(key, options, toys, monkeypatch):
    measured_at_toy_size(key, monkeypatch, options, **toys)


def test_the_fusion_measurement_runs(monkeypatch):
    pytest.importorskip("course_lib.keras_models", reason="TensorFlow has no wheel for this platform")
    measured_at_toy_size("fused-inputs", monkeypatch, train_fused={"epochs": 1})


def test_the_branch_measurement_runs(monkeypatch):
    pytest.importorskip("course_lib.keras_models", reason="TensorFlow has no wheel for this platform")
    measured_at_toy_size("fused-branch", monkeypatch, {"epochs": 1})


def test_fused_networks_rely_on_both_on_every_recorded_seed():
    record = results.recorded("fused-inputs")
    assert (record.column("fused_no_sound") > record.column("picture")).all()
    assert (record.column("fused_no_picture") > record.column("sound")).all()
