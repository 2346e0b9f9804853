"""Lesson 15: cells and their controls, probes, saliency against finite differences, automata, and the exercises."""

import re

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from figure_checks import check_legible
from hypothesis import given
from hypothesis import strategies as st
from results_checks import NOTEBOOKS, criterion_can_fail, lesson_shows

from course_lib import plotting
from course_lib.layers import Dense
from course_lib.lessons.lesson_15_looking_inside import exercises as ex
from course_lib.lessons.lesson_15_looking_inside import experiments, figures
from course_lib.losses import SoftmaxCrossEntropy
from course_lib.model import Model
from course_lib.recurrent import LSTM, SimpleRNN
from course_lib.sequences import one_hot

LESSON = "15_looking_inside"
seeds = st.integers(0, 2**32 - 1)


def small_reader(seed, dtype=np.float32):
    """An untrained LSTM of four cells that reads source code."""
    rng = np.random.default_rng(seed)
    return Model([LSTM(7, 4, rng=rng, dtype=dtype), Dense(4, 7, rng=rng, dtype=dtype)], SoftmaxCrossEntropy())


# ---------------------------------------------------------------------------------------------------------------------
# Cells
# ---------------------------------------------------------------------------------------------------------------------
@given(seeds)
def test_texts_come_with_their_depth_and_quotes(seed):
    ids, depth, quoted = experiments.sample_texts(np.random.default_rng(seed), 3, 20)
    assert ids.shape == depth.shape == quoted.shape == (3, 20)
    opened = (ids == 1).astype(int) - (ids == 2)
    np.testing.assert_array_equal(opened.cumsum(axis=1), depth)
    np.testing.assert_array_equal((ids == 0).cumsum(axis=1) % 2 == 1, quoted)


def test_nobody_beats_the_realised_floor_and_even_guessing_costs_ln_7():
    ids, _, _ = experiments.sample_texts(np.random.default_rng(0), 20, 50)
    model = small_reader(0)
    model.layers[1].set_weights([np.zeros((4, 7)), np.zeros(7)])
    assert experiments.surprise(model.predict(one_hot(ids, 7)), ids) == pytest.approx(np.log(7))
    assert 1.5 < experiments.realised_floor(ids) < np.log(7)


def test_a_predictor_that_sees_more_loses_less_and_none_beats_the_source():
    ids, depth, quoted = experiments.sample_texts(np.random.default_rng(0))
    both, nothing = experiments.best_from(5 * quoted + depth, ids), experiments.best_from(0 * depth, ids)
    quotes, depths = experiments.best_from(quoted.astype(int), ids), experiments.best_from(depth, ids)
    assert both < quotes < depths < nothing < np.log(7)
    assert both == pytest.approx(experiments.realised_floor(ids), abs=0.005)
    shares = np.bincount(ids[:, 1:].ravel(), minlength=7) / ids[:, 1:].size
    assert nothing == pytest.approx(-(shares * np.log(shares)).sum())


@given(seeds)
def test_correlations_are_those_of_numpy(seed):
    rng = np.random.default_rng(seed)
    cells, label = rng.normal(size=(4, 9, 3)), rng.integers(0, 3, (4, 9)) + rng.random((4, 9))
    found = experiments.correlations(cells, label)
    expected = [abs(np.corrcoef(cells[..., j].ravel(), label.ravel())[0, 1]) for j in range(3)]
    np.testing.assert_allclose(found, expected)


def test_a_cell_is_chosen_in_some_texts_and_measured_in_others():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, (10, 20))
    cells = rng.normal(size=(10, 20, 5))
    cells[:5, :, 2] = -label[:5]  # follows in the first texts only
    best, there, elsewhere = experiments.chosen_and_unseen(cells, label, slice(0, 5), slice(5, 10))
    assert best == 2
    assert there == pytest.approx(1)
    assert elsewhere < 0.5


def test_of_many_cells_of_noise_the_best_on_one_line_looks_good_there_only():
    rng = np.random.default_rng(0)
    _, _, quoted = experiments.sample_texts(rng)
    line, elsewhere = experiments.chosen_on_one_line(rng.normal(size=(*quoted.shape, 100)), quoted)
    assert elsewhere < 0.05 < 0.3 < line


# ---------------------------------------------------------------------------------------------------------------------
# Probes
# ---------------------------------------------------------------------------------------------------------------------
def test_a_probe_reads_what_is_there_and_nothing_else():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (100, 30))
    states = np.concatenate([np.eye(3)[labels], rng.normal(size=(100, 30, 2))], axis=2)
    assert experiments.probe_accuracy(states, labels, rng) > 0.99
    assert experiments.probe_accuracy(states[..., 3:], labels, rng) < 0.5


def test_a_control_task_is_the_same_answer_wherever_a_pair_occurs():
    ids, _, _ = experiments.sample_texts(np.random.default_rng(0))
    answers = experiments.control_task(ids, np.random.default_rng(0))
    pairs = 7 * experiments.before(ids, 1) + ids
    for pair in np.unique(pairs):
        assert len(np.unique(answers[pairs == pair])) == 1
    assert 0.3 < answers.mean() < 0.7
    np.testing.assert_array_equal(experiments.before(ids, 2)[:, 2:], ids[:, :-2])
    assert not experiments.before(ids, 2)[:, :2].any()


@given(seeds)
def test_nothing_is_left_along_the_directions_taken_out(seed):
    rng = np.random.default_rng(seed)
    states, directions = rng.normal(size=(5, 8, 6)), rng.normal(size=(6, 2))
    changed = experiments.without_directions(states, directions)
    left = (changed - changed.mean(axis=(0, 1))) @ directions
    np.testing.assert_allclose(left, 0, atol=1e-10)
    np.testing.assert_allclose(changed.mean(axis=(0, 1)), states.mean(axis=(0, 1)), atol=1e-10)


def test_directions_of_classes_are_the_differences_of_their_means():
    labels = np.array([0, 0, 1, 2])
    states = np.array([[1.0, 0], [3, 0], [2, 5], [7, 1]])
    np.testing.assert_allclose(experiments.directions_of(states, labels), np.array([[0, 5], [5, 1]]).T)


# ---------------------------------------------------------------------------------------------------------------------
# Saliency and ablation
# ---------------------------------------------------------------------------------------------------------------------
def test_the_forward_pass_of_the_page_is_that_of_the_package():
    ids, _, _ = experiments.sample_texts(np.random.default_rng(0), 3, 15)
    model = small_reader(1, np.float64)
    x = one_hot(ids, 7)
    np.testing.assert_allclose(experiments.scores_with(model, x), model.forward(x), atol=1e-12)


def test_gradients_at_the_cells_are_those_of_finite_differences():
    ids, _, _ = experiments.sample_texts(np.random.default_rng(0), 3, 6)
    model, epsilon = small_reader(2, np.float64), 1e-5
    gradients = experiments.cell_gradients(model, ids)
    layer, dense = model.layers
    x = one_hot(ids, 7, np.float64)

    def loss_with(text, step, cell, change):
        """The loss when c of one text, step and cell is changed, and h of that step with it."""
        before, (h, c) = layer.forward(x[:, : step + 1])
        before, h, c, o = before.copy(), h.copy(), c.copy(), layer.gates["o"][:, -1]
        c[text, cell] += change
        h = o * np.tanh(c)
        before[:, -1] = h
        after = layer.forward(x[:, step + 1 :], (h, c))[0] if step + 1 < x.shape[1] else before[:, :0]
        return experiments.surprise(dense.forward(np.concatenate([before, after], axis=1)), ids)

    for text, step, cell in ((0, 0, 0), (1, 2, 3), (2, 4, 1), (0, 5, 2)):
        numeric = (loss_with(text, step, cell, epsilon) - loss_with(text, step, cell, -epsilon)) / (2 * epsilon)
        assert gradients[text, step, cell] == pytest.approx(numeric, rel=1e-6, abs=1e-10)


def test_a_cell_that_nothing_reads_costs_nothing():
    ids, _, _ = experiments.sample_texts(np.random.default_rng(0), 5, 30)
    model = small_reader(3)
    kernel, recurrent_kernel, bias = model.layers[0].get_weights()
    recurrent_kernel[2] = 0
    model.layers[0].set_weights([kernel, recurrent_kernel, bias])
    output_kernel, output_bias = model.layers[1].get_weights()
    output_kernel[2] = 0
    model.layers[1].set_weights([output_kernel, output_bias])
    costs = experiments.ablation_costs(model, ids)
    assert costs[2] == pytest.approx(0, abs=1e-9)
    assert np.abs(np.delete(costs, 2)).min() > 1e-7


def test_several_cells_can_be_held_at_once():
    ids, _, _ = experiments.sample_texts(np.random.default_rng(0), 3, 15)
    model, x = small_reader(4), one_hot(ids, 7)
    values = np.array([0.3, -0.2])
    one_way = experiments.scores_with(model, x, [1, 3], values)
    mask = np.array([False, True, False, True])
    np.testing.assert_allclose(one_way, experiments.scores_with(model, x, mask, values))
    assert np.abs(one_way - experiments.scores_with(model, x, 1, 0.3)).max() > 1e-6


def test_a_cell_is_idle_beside_the_costliest_of_its_own_property():
    costs = np.array([1.0, 0.04, 0.01, 0.0004, 0.06])
    quotes, depth = np.array([0.9, 0.8, 0.1, 0.2, 0.7]), np.array([0.1, 0.2, 0.9, 0.8, 0.1])
    np.testing.assert_array_equal(experiments.idle_cells(costs, quotes, depth), [False, True, False, True, False])


def test_without_its_part_along_the_quotes_the_depth_leaves_them_alone():
    ids, depth, quoted = experiments.sample_texts(np.random.default_rng(0), 20, 50)
    found = experiments.removal_controls(small_reader(5), ids, depth, quoted, np.random.default_rng(0))
    assert 0 <= found["depth_holds_quotes"] <= 1
    assert found["random_least"] <= found["random_median"] <= found["random_most"]


@pytest.mark.parametrize(("a", "b", "expected"), [([1, 2, 3], [10, 40, 50], 1), ([1, 2, 3], [3, 2, 1], -1)])
def test_rank_correlation_looks_at_the_order_only(a, b, expected):
    assert experiments.rank_correlation(np.array(a), np.array(b)) == pytest.approx(expected)


# ---------------------------------------------------------------------------------------------------------------------
# Automata
# ---------------------------------------------------------------------------------------------------------------------
BOTH_EVEN = (np.array([[1, 2], [0, 3], [3, 0], [2, 1]]), np.array([1, 0, 0, 0]))


@given(seeds)
def test_the_languages_are_what_they_say(seed):
    bits = np.random.default_rng(seed).integers(0, 2, (3, 10))
    for row, even, three in zip(bits, experiments.both_even(bits), experiments.same_modulo_three(bits), strict=True):
        for t in range(10):
            ones, zeros = int(row[: t + 1].sum()), int((1 - row[: t + 1]).sum())
            assert even[t] == (ones % 2 == 0 and zeros % 2 == 0)
            assert three[t] == ((ones - zeros) % 3 == 0)
    np.testing.assert_array_equal(experiments.run_automaton(BOTH_EVEN, bits), experiments.both_even(bits))


@given(seeds, st.integers(1, 3))
def test_minimising_undoes_copies_of_states(seed, copies):
    rng = np.random.default_rng(seed)
    following, accepts = BOTH_EVEN
    copied = np.concatenate([following] * copies) + 4 * rng.integers(0, copies, (4 * copies, 2))
    small = experiments.minimise(copied, np.tile(accepts, copies))
    assert len(small[1]) == 4
    bits = experiments.all_strings(6)
    np.testing.assert_array_equal(experiments.run_automaton(small, bits), experiments.both_even(bits))


def test_a_network_that_counts_by_hand_is_read_out():
    """One tanh unit whose sign says whether the last symbol was a one: an automaton of two states."""
    rng = np.random.default_rng(0)
    layer, dense = SimpleRNN(2, 1, rng=rng), Dense(1, 2, rng=rng)
    layer.set_weights([np.array([[-3.0], [3.0]]), np.zeros((1, 1)), np.zeros(1)])
    dense.set_weights([np.array([[1.0, -1.0]]), np.zeros(2)])  # accepts after a zero
    small = experiments.minimise(*experiments.read_out(Model([layer, dense], SoftmaxCrossEntropy())))
    np.testing.assert_array_equal(small[0], [[0, 1], [0, 1]])
    np.testing.assert_array_equal(small[1], [1, 0])


def test_a_readout_that_finds_no_end_says_so():
    layer = SimpleRNN(2, 16, rng=np.random.default_rng(1))
    model = Model([layer, Dense(16, 2, rng=np.random.default_rng(1))], SoftmaxCrossEntropy())
    with pytest.raises(ValueError, match="no small automaton"):
        experiments.read_out(model, most=10)


# ---------------------------------------------------------------------------------------------------------------------
# Records, lesson, figures
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("key", "spoil"),
    [
        ("inside-cells", {"lstm_trained_quoted": 0.55}),
        ("inside-cells", {"gru_trained_quoted": 0.55}),
        ("inside-cells", {"tanh_trained_quoted": 0.55}),
        ("inside-cells", {"lstm_untrained_quoted": 0.5}),
        ("inside-probes", {"quoted_trained": 0.9}),
        ("inside-probes", {"quoted_untrained": 0.85}),
        ("inside-probes", {"depth_trained": 0.4}),
        ("inside-probes", {"before_trained": 0.95}),
        ("inside-ablation", {"same_first": 1}),
        ("inside-ablation", {"saliency": 0.99}),
        ("inside-ablation", {"idle_follows": 0.5}),
        ("inside-ablation", {"idle_together": 0.2}),
        ("inside-ablation", {"letter_removed": 0.1}),
        ("inside-ablation", {"quoted_removed": 0.02}),
        ("inside-ablation", {"depth_alone_removed": 0.15}),
        ("inside-automata", {"even_tanh_0_right_long": 0.95}),
        ("inside-automata", {"even_tanh_100_right_long": 0.95}),
    ],
)
def test_each_bound_can_fail(key, spoil):
    criterion_can_fail(key, spoil)


def test_too_many_networks_without_a_small_automaton_fail():
    good = {"even_tanh_800_states": 4, "even_tanh_800_right_long": 1.0}
    good |= {"even_tanh_0_right_long": None, "even_tanh_100_right_long": 0.75}
    bad = good | {"even_tanh_800_states": 12}
    assert experiments._automata_hold([good] * 4 + [bad])
    assert not experiments._automata_hold([good] * 3 + [bad] * 2)


def test_the_lesson_shows_the_recorded_code():
    lesson_shows(
        LESSON,
        [
            experiments.train_on_source,
            experiments.correlations,
            experiments.chosen_and_unseen,
            experiments.chosen_on_one_line,
            experiments.probe_accuracy,
            experiments.without_directions,
            experiments.directions_of,
            experiments.scores_with,
            experiments.cell_gradients,
            experiments.rank_correlation,
            experiments.train_acceptor,
            experiments.read_out,
            experiments.minimise,
        ],
    )


def test_pca_of_the_page_gives_the_variances():
    cells = {cell.id: cell.source for cell in nbformat.read(NOTEBOOKS / f"{LESSON}.ipynb", as_version=4).cells}
    source = re.match(r"def pca.*?\n\n", cells["pca"], flags=re.DOTALL).group(0)
    names = {"np": np}
    exec(source, names)
    states = np.random.default_rng(0).normal(size=(300, 4)) * [3, 1, 2, 0.5] + 7
    mean, directions, share = names["pca"](states)
    placed = (states - mean) @ directions.T
    np.testing.assert_allclose(placed.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(placed.var(axis=0) / placed.var(axis=0).sum(), share)
    assert (np.diff(share) < 0).all()


def test_the_figures_are_legible():
    plotting.use_style()
    rng = np.random.default_rng(0)
    fig = figures.draw_text_with_cells("ab(c)" * 9, {"one cell": rng.normal(size=45), "another": rng.normal(size=45)})
    check_legible(fig, smallest=9.5)
    plt.close(fig)
    fig, axes = plt.subplots(1, 2, figsize=(7, 3.4))
    figures.draw_plane(axes[0], rng.normal(size=(50, 2)), rng.integers(0, 5, 50), rng.random(50) < 0.5)
    figures.draw_path(axes[0], rng.normal(size=(4, 2)), "a()", left=1)
    figures.draw_automaton(axes[1], *BOTH_EVEN, ["white"] * 4)
    check_legible(fig, smallest=9.5)
    plt.close(fig)


def test_an_automaton_is_drawn_with_its_loops_and_double_rings():
    plotting.use_style()
    fig, ax = plt.subplots()
    figures.draw_automaton(ax, np.array([[0, 1], [0, 1]]), np.array([1, 0]), ["white", "white"])
    assert len(ax.patches) >= 2 + 1 + 2  # two states, one double ring, two loops
    plt.close(fig)


# ---------------------------------------------------------------------------------------------------------------------
# What the exercises answer
# ---------------------------------------------------------------------------------------------------------------------
@given(seeds)
def test_15_1_on_noise_is_lower_than_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    cells, label = rng.normal(size=(40, 30)), rng.random(40)
    assert 0 <= ex.fair_figure(cells, label) <= 1
    assert ex.fair_figure(cells, label) <= ex._chosen_on_the_half_it_is_measured_on(cells, label) + 1e-12


def test_15_1_names_the_numbers_of_another_mistake(answer):
    assert "and yours is" in answer(ex.check, "15.1", lambda cells, label: 0.123)


@pytest.mark.parametrize("sign", [[1, 1], [-1, 1], [1, -1]])
def test_15_2_takes_either_sign(sign, answer):
    assert "PASSED" in answer(ex.check, "15.2", lambda states, new: ex.place_in_plane(states, new) * sign)


def test_15_2_says_where_the_first_state_should_lie(answer):
    assert "wrong order" in answer(ex.check, "15.2", lambda states, new: ex.place_in_plane(states, new)[:, ::-1])
    assert "should lie at" in answer(ex.check, "15.2", lambda states, new: 2 * ex.place_in_plane(states, new))


@pytest.mark.parametrize(
    ("attempt", "phrase"),
    [
        (lambda one, other: "different", "the word"),
        (lambda one, other: 7, "is of type `int`"),
        (lambda one, other: [2], "The symbols are 0 and 1"),
        (lambda one, other: "same", "You say that they are the same"),
    ],
)
def test_15_3_says_what_is_wrong(attempt, phrase, answer):
    assert phrase in answer(ex.check, "15.3", attempt)


def test_15_3_takes_any_of_the_shortest_and_numpy_numbers(answer):
    def other_way_round(one, other):
        found = ex.shortest_difference(other, one)
        return found if found == "same" else np.array(found, dtype=np.int64)

    assert "PASSED" in answer(ex.check, "15.3", other_way_round)


@pytest.mark.parametrize("length", [3, 6, 12])
def test_15_3_refuses_a_search_through_short_strings(length, answer):
    assert "You say that they are the same" in answer(ex.check, "15.3", ex._up_to(length))


@pytest.mark.parametrize(
    ("attempt", "phrase"),
    [
        (lambda measure: (ex.what_it_knows(measure)[0], "yes"), "The answer is one of"),
        (lambda measure: 3, "Expected: a pair"),
        (lambda measure: measure("depth", 0), "takes"),
        (lambda measure: measure("probe", -1), "A seed is a whole number"),
        (lambda measure: [measure("probe", seed) for seed in range(99)], "more than 60 runs"),
        (lambda measure: ({"probe": [0.9]}, "used"), "nothing was measured there"),
        (
            lambda measure: ({what: [measure(what, s) / 2 for s in range(3)] for what in ex.WHATS}, "used"),
            "that was not measured",
        ),
        (
            lambda measure: ({what: [measure(what, s) for s in range(4)][:3] for what in ex.WHATS}, "used"),
            "Report them all",
        ),
    ],
)
def test_15_4_says_what_is_wrong(attempt, phrase, answer):
    assert phrase in answer(ex.check, "15.4", attempt)


def test_15_4_says_how_many_seeds_to_the_end_of_the_sentence(answer):
    def two_seeds(measure):
        return {what: [measure(what, seed) for seed in range(2)] for what in ex.WHATS}, "used"

    assert "you measured 2 seeds. Take at least three different ones." in answer(ex.check, "15.4", two_seeds)


def test_15_4_takes_more_seeds(answer):
    def with_five(measure):
        results = {what: [measure(what, seed) for seed in (4, 1, 7, 2, 9)] for what in ex.WHATS}
        return results, ex.what_it_knows(lambda what, seed: results[what][seed])[1]

    assert "PASSED" in answer(ex.check, "15.4", with_five)
