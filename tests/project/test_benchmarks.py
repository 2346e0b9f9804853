"""The benchmarks measure what they say: every side does the same work, and the tables follow from the figures."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from course_lib.gradients import numerical_gradient, relative_error

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import _children
import _sides
import busy
import learning
import speed
from _sides import Case

CASE = Case("SimpleRNN", 3, 5, 4, 6, 7)
ABOUT = {
    "processor": "abacus",
    "cores": 2,
    "system": "wood",
    "python": "3",
    "libraries": ["beads 1"],
    "blas": "hand",
    "busy": 0.0,
}


@pytest.fixture
def child():
    child = _children.Child("Ours", 1)
    yield child
    child.close()


# --- the sides -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", _sides.GATES)
def test_ours_and_keras_train_the_same_model_on_the_same_batches(kind):
    case = Case(kind, 3, 5, 4, 6, 7)
    ours, keras = _sides.Ours(1), _sides.Keras.__new__(_sides.Keras)
    from course_lib import keras_models

    keras.tf, keras.keras, keras.to_keras = keras_models.tf, keras_models.keras, keras_models.to_keras
    keras.modes = ("Keras plain",)
    ours.prepare(case)
    keras.prepare(case)
    losses = [[side.run(mode, 1)[1] for _ in range(6)] for side, mode in ((ours, "ours"), (keras, "Keras plain"))]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    assert len({round(loss, 3) for loss in losses[0]}) > 3  # different batches: equal losses mean equal order


@pytest.mark.parametrize("kind", _sides.GATES)
def test_pytorch_starts_where_ours_does(kind):
    pytest.importorskip("torch")
    case = Case(kind, 3, 5, 4, 6, 7)
    ours, theirs = _sides.Ours(1), _sides.Torch(1)
    theirs.prepare(case, ours.prepare(case))
    assert theirs.run("PyTorch", 1)[1] == pytest.approx(ours.run("ours", 1)[1], abs=1e-5)


@pytest.mark.parametrize(("kind", "gates"), [("SimpleRNN", 1), ("GRU", 3), ("LSTM", 4)])
def test_the_products_are_three_for_each_weight_less_the_gradient_for_x(kind, gates):
    batch, time, units, features, symbols = 3, 5, 4, 6, 7
    each = 3 * gates * units * units + 3 * units * symbols + 2 * features * gates * units
    assert _sides.gflop_of(Case(kind, batch, time, units, features, symbols)) == pytest.approx(
        2e-9 * batch * time * each
    )
    ours = _sides.Ours(1)
    ours.prepare(Case(kind, batch, time, units, features, symbols))
    assert ours.run("products", 1)[0] > 0
    whole, products = ours.parts(2)
    assert list(whole) == list(products)
    assert products["Adam"] == 0
    assert all(seconds > 0 for seconds in whole.values())


@pytest.mark.parametrize("gates", [1, 3, 4])
def test_a_product_in_pieces_is_the_product(gates):
    a, b, out = _sides.faster_product(5, 6, 8 * gates, gates)
    assert np.matmul(a, b, out=out).size == 5 * 8 * gates
    if b.ndim == 3:  # whichever was faster
        b = b.swapaxes(0, 1).reshape(6, -1)
        out = out.swapaxes(0, 1).reshape(5, -1)
    np.testing.assert_allclose(out, a @ b, rtol=1e-5, atol=1e-5)


def test_the_plain_loop_has_the_right_gradient():
    plain = _sides.Plain(1)
    plain.prepare_text("plain loop", np.arange(7), None, CASE)
    rng = np.random.default_rng(5)
    for w in plain._weights:
        w += rng.normal(size=w.shape)
    inputs, targets, h = rng.integers(0, 7, 5), rng.integers(0, 7, 5), rng.normal(size=4)
    _, grads, _ = plain.gradients(inputs, targets, h)
    for w, g in zip(plain._weights, grads, strict=True):
        assert relative_error(g, numerical_gradient(lambda: plain.gradients(inputs, targets, h)[0], w)) < 1e-6


def test_the_plain_loop_and_ours_learn_a_text_that_repeats():
    ids = np.tile(np.arange(7), 60)
    case = Case("SimpleRNN", 4, 10, 16, 7, 7)
    starts = np.random.default_rng(6).integers(0, len(ids) - case.time, size=(50, case.batch))
    for side, mode in ((_sides.Plain(1), "plain loop"), (_sides.Ours(1), "ours")):
        side.prepare_text(mode, ids, starts, case)
        before = learning.bits(case, side.weights(), ids)
        spent, updates = side.learn(0.5)
        assert spent >= 0.5
        assert updates > 0
        assert learning.bits(case, side.weights(), ids) < before - 0.1


def test_bits_of_a_model_that_knows_nothing_are_those_of_even_guessing():
    weights = [np.zeros_like(w) for w in _sides.our_model(CASE).weights]
    ids = np.random.default_rng(7).integers(0, CASE.symbols, 500)
    case = CASE._replace(features=CASE.symbols)
    weights[0] = np.zeros((CASE.symbols, CASE.units), np.float32)
    assert learning.bits(case, weights, ids) == pytest.approx(np.log2(CASE.symbols), rel=1e-5)
    weights[-1] = np.where(np.arange(CASE.symbols) == 0, 3, 0).astype(np.float32)
    assert learning.bits(case, weights, np.zeros(500, int)) < 1 < learning.bits(case, weights, np.ones(500, int))


def test_the_text_held_out_is_not_learned_from_and_every_symbol_has_a_number():
    train, held_out, symbols = learning.load()
    assert len(held_out) == pytest.approx(0.1 * (len(train) + len(held_out)), abs=1)
    assert max(train.max(), held_out.max()) < symbols


# --- children --------------------------------------------------------------------------------------------------------
def test_a_child_answers_in_order_and_counts_with_its_own_threads(child):
    assert child.versions == f"NumPy {np.__version__}"
    weights = child.ask("prepare", CASE)
    assert [w.shape for w in weights] == [w.shape for w in _sides.our_model(CASE).weights]
    child.send("run", "ours", 1)
    child.send("run", "products", 1)
    assert child.answer()[1] > 0
    assert child.answer()[1] is None


def test_an_error_in_a_child_is_told_and_the_child_goes_on(child):
    with pytest.raises(RuntimeError, match=r"Ours with 1 threads: AttributeError.*no attribute 'dance'"):
        child.ask("dance")
    assert child.ask("prepare", CASE)


def test_a_child_that_is_gone_is_told(child):
    child.process.kill()
    child.process.wait()
    with pytest.raises(RuntimeError, match="ended without an answer"):
        child.answer()


def test_pytorch_is_looked_for_in_the_python_that_is_named():
    assert _children.has_torch(sys.executable) == (importlib.util.find_spec("torch") is not None)


# --- measuring and telling -------------------------------------------------------------------------------------------
def test_every_side_is_measured_with_every_setting(child):
    rows = speed.measure(CASE, [child], repeats=3, seconds=0.001)
    assert [(row["side"], row["threads"]) for row in rows] == [("ours", 1), ("products", 1)]
    for row in rows:
        assert 0 < row["lowest"] <= row["ms"] <= row["highest"]


class Acted:
    """A child that takes as long as it is told, by a clock of its own."""

    side, modes = "Keras", ("Keras plain", "Keras jit")

    def __init__(self, threads, **milliseconds):
        self.threads, self.milliseconds, self.asked = threads, milliseconds, []

    def send(self, method, *arguments):
        pass

    def answer(self):
        pass

    def ask(self, method, mode, steps):
        self.asked.append(mode)
        return steps * self.milliseconds[mode.split()[1]] / 1e3, 0.0


def test_a_hopeless_number_of_threads_is_tried_once_and_the_order_changes():
    one, two = Acted(1, plain=10, jit=4), Acted(2, plain=19, jit=9)
    rows = speed.measure(CASE, [one, two], repeats=5, seconds=0.02)
    assert [(row["side"], row["threads"], row["steps"]) for row in rows] == [
        ("Keras plain", 1, 2),
        ("Keras jit", 1, 5),
        ("Keras plain", 2, 1),
    ]
    assert [row["ms"] for row in rows] == pytest.approx([10, 4, 19])
    assert two.asked.count("Keras jit") == 1
    assert len({tuple(one.asked[n : n + 2]) for n in range(2, 12, 2)}) == 2


def test_two_checkouts_train_the_same_model_side_by_side(capsys, tmp_path):
    speed.main(["--quick", "--against", str(_children.ROOT), "--out", str(tmp_path)])
    record = json.loads((tmp_path / "against.json").read_text(encoding="utf-8"))
    assert record["checkouts"] == [str(_children.ROOT)] * 2
    assert [row["case"]["kind"] for row in record["rows"]] == list(_sides.GATES)
    for row in record["rows"]:
        assert row["losses"][0] == row["losses"][1]
        assert 0 < row["lowest"] <= row["ratio"] <= row["highest"]
    assert "here ÷ there" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="has no course_lib in it"):
        speed.main(["--against", str(tmp_path), "--out", str(tmp_path)])


def test_the_ratio_is_of_pairs_and_each_checkout_is_first_in_turn():
    asked = []

    class Paired(Acted):
        def ask(self, method, *arguments):
            if method == "run":
                asked.append(self)
                return super().ask(method, "a checkout", arguments[1])

    here, there = Paired(1, checkout=3), Paired(1, checkout=4)
    row = speed.side_by_side(CASE, here, there, pairs=4, seconds=0.03)
    assert (row["ms"], row["ms there"], row["ratio"]) == pytest.approx((3, 4, 0.75))
    assert row["steps"] == 10
    assert asked[-8:] == [there, here, here, there, there, here, here, there]


def rows_of(**milliseconds):
    return [
        dict(side=side.replace("_", " "), threads=threads, ms=ms)
        for side, pair in milliseconds.items()
        for threads, ms in zip((1, 2), pair, strict=True)
    ]


def test_the_better_setting_and_the_better_mode_count():
    chosen = speed.best(rows_of(ours=(4, 2), Keras_plain=(9, 8), Keras_jit=(3, 7), PyTorch=(1, 5), products=(1, 2)))
    assert {side: row["threads"] for side, row in chosen.items()} == {
        "ours": 2,
        "Keras plain": 2,
        "Keras jit": 1,
        "PyTorch": 1,
        "products": 1,
    }
    assert speed.ratios(chosen) == {"Keras": 1.5, "PyTorch": 0.5, "products": 0.5}


def results_with(keras, torch, products):
    found = []
    for units in (32, 256):
        milliseconds = dict(ours=(10, 11), Keras_plain=(99, 99), Keras_jit=(keras, 99), products=(products, 99))
        if torch:
            milliseconds["PyTorch"] = (torch, 99)
        found.append((Case("GRU", 8, 10, units), speed.best(rows_of(**milliseconds))))
    return found


def test_verdicts_name_what_is_not_reached():
    text = speed.verdicts(results_with(keras=13, torch=9, products=5))
    assert "Keras' better mode: 2 of 2." in text
    assert "larger one: 1 of 2. Not at: GRU 256" in text  # .9 is enough at the course's size only
    assert "at the larger size: 1 of 1." in text
    text = speed.verdicts(results_with(keras=12.9, torch=0, products=4.9))
    assert "Keras' better mode: 0 of 2. Not at: GRU 32, batch 8, T 10; GRU 256, batch 8, T 10." in text
    assert "PyTorch" not in text
    assert "at the larger size: 0 of 1. Not at: GRU 256" in text


@pytest.mark.parametrize("torch", [0, 9])
def test_the_report_says_what_was_not_measured_and_the_picture_has_words(tmp_path, torch):
    results = results_with(keras=13, torch=torch, products=5)
    parts = [(case, {"forward": 0.25, "backward": 0.75}, {"forward": 0.1, "backward": 0.5}) for case, _ in results]
    text = speed.report(results, parts, ABOUT)
    assert ("PyTorch is not installed here" in text) == (not torch)
    assert "Other programs were at work" not in text
    assert "25 (10)" in text
    assert "75 (50)" in text
    assert "Other programs were at work" in speed.report(results, parts, ABOUT | {"busy": 80.0})
    assert "GRU 32, batch 8, T 10: products 5, " in speed.alt_of(results)
    speed.draw(results, tmp_path / "speed.png")
    assert (tmp_path / "speed.png").stat().st_size > 5_000


def test_a_table_lines_up():
    lines = _children.table(["name", "n"], [["one", 1], ["a hundred", 100]]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1] == "|-----------|----:|"
    assert lines[2] == "| one       |   1 |"


@pytest.mark.parametrize(("goal", "expected"), [(4.0, 1.0), (3.0, 1.5), (1.5, 2.5), (0.5, None)])
def test_seconds_to_a_score(goal, expected):
    assert learning.seconds_to([[0, 6.0], [1, 4.0], [2, 2.0], [3, 1.0]], goal) == expected


def test_the_race_is_told_and_written(tmp_path, capsys):
    def run(side, last):
        return dict(
            kind="LSTM",
            side=side,
            mode=side,
            threads=1,
            updates=40,
            characters=400,
            spent=2.0,
            curve=[[0.0, 6.0], [1.0, 4.0], [2.0, last]],
        )

    runs = [run("ours", 2.0), run("Keras", 4.0), run("plain loop", 1.0)]
    text = learning.report(runs, {2: 3.5}, ABOUT, 64)
    lines = [[cell.strip() for cell in line.split("|")] for line in text.splitlines() if line.startswith("| LSTM")]
    assert [line[-2] for line in lines] == ["", "1.0", "not reached"]
    assert lines[0][3:7] == ["20", "200", "2.0", "2.000"]
    assert "costs 6.000" in text
    assert "2-gram 3.500" in text
    learning.draw(runs, {2: 3.5}, tmp_path / "learning.png")
    _children.write(tmp_path, "learning", text, {"runs": runs})
    assert text in capsys.readouterr().out
    assert (tmp_path / "learning.md").read_text(encoding="utf-8") == text + "\n"
    assert json.loads((tmp_path / "learning.json").read_text(encoding="utf-8"))["runs"] == runs


def test_the_description_of_the_machine_is_complete(child):
    about = _children.machine([child])
    assert about["libraries"] == [child.versions]
    assert _children.described(about).startswith(about["processor"])
    assert set(about) == set(ABOUT)


# --- beside a busy program -------------------------------------------------------------------------------------------
def test_each_lesson_is_paired_with_itself_beside_a_busy_program():
    import psutil

    def run(lesson, variables):
        working = [child for child in psutil.Process().children() if "while True: pass" in child.cmdline()]
        return (2.0 if variables else 1.0) * (3.0 if working else 1.0)

    rows = busy.measure(["a", "b"], 2, run)
    assert [(row["lesson"], row["threads"]) for row in rows] == [
        (lesson, choice) for lesson in "ab" for choice in ("one thread", "all threads")
    ]
    assert [(row["quiet"], row["busy"], row["ratio"]) for row in rows[:2]] == [(1.0, 3.0, 3.0), (2.0, 6.0, 3.0)]
    line = next(line for line in busy.page(ABOUT, rows).splitlines() if line.startswith("| a "))
    assert [cell.strip() for cell in line.split("|")[1:-1]] == ["a", "one thread", "1.0", "3.0", "3.00"]
    assert not [child for child in psutil.Process().children() if "while True: pass" in child.cmdline()]


def test_a_lesson_that_fails_is_no_measurement(tmp_path, monkeypatch):
    monkeypatch.setattr(busy, "ROOT", tmp_path)
    with pytest.raises(RuntimeError, match="99_none failed"):
        busy.seconds("99_none", {})
