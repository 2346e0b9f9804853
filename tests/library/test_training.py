"""Training on generated tasks: it ends where it should, and judges on what it was not trained on."""

from types import SimpleNamespace

import numpy as np
import pytest

from course_lib import tasks, training
from course_lib.layers import Dense, LastStep
from course_lib.losses import MeanSquaredError
from course_lib.model import Model
from course_lib.optimizers import Adam
from course_lib.recurrent import GRU, LSTM, SimpleRNN


def adding_model(units, rng):
    return Model([SimpleRNN(2, units, rng=rng), LastStep(), Dense(units, 1, rng=rng)], MeanSquaredError())


@pytest.mark.parametrize(("kind", "gates"), [(LSTM, "ifo"), (GRU, "zr")])
def test_a_gate_held_open_is_1_and_stays_it(kind, gates):
    for gate in gates:
        rng = np.random.default_rng(0)
        layer = kind(4, 3, rng=rng)
        assert training.hold_open(layer, gate) is layer
        model = Model([layer, Dense(3, 1, rng=rng)], MeanSquaredError())
        adam = Adam(0.1)
        for _ in range(5):
            model.train_on_batch(*tasks.running_total(4, 6, rng), optimizer=adam)
        model.forward(tasks.running_total(4, 6, rng)[0])
        assert (layer.gates[gate] == 1).all()
        assert all((layer.gates[other] < 1).any() for other in gates if other != gate)


def test_error_left_of_two_predictors_that_are_known():
    _, y = tasks.running_total(200, 40, np.random.default_rng(1))
    for predict, expected in ((lambda x: y, 0), (lambda x: np.full(y.shape, y.mean()), 1)):
        left = training.error_left(SimpleNamespace(predict=predict), 40, np.random.default_rng(1))
        assert left == pytest.approx(expected, abs=1e-6)


def test_train_adding_reports_as_often_as_asked_and_stops_at_the_goal():
    seen = []
    errors, norms = training.train_adding(
        adding_model(4, np.random.default_rng(0)), 4, np.random.default_rng(0), updates=250, watch=seen.append
    )
    assert (len(errors), len(norms), seen) == (2, 250, [100, 200])
    errors, norms = training.train_adding(
        adding_model(32, np.random.default_rng(0)), 3, np.random.default_rng(0), 3000, unseen=200, every=20
    )
    assert errors[-1] < 0.01 < min(errors[:-1])
    assert len(norms) == 20 * len(errors) < 3000


def test_training_ends_at_the_first_measurement_that_is_good_enough(monkeypatch):
    rng = np.random.default_rng(0)
    monkeypatch.setattr(Model, "train_on_batch", lambda *args, **kwargs: None)
    verdicts = iter([np.array([True, False]), np.array([False, False]), np.array([True, True])])
    monkeypatch.setattr(training, "legal_above_illegal", lambda *args: next(verdicts))
    assert training.strings_until_solved(LSTM(7, 16, rng=rng), rng) == 2400
    assert training.strings_until_solved(LSTM(7, 16, rng=rng), rng, most=799) is None
    shares = iter([0.5, 0.997, 0.998, 1.0])

    def predict(self, x):
        share, order = next(shares), x[:, 0].argmax(axis=1)  # targets below are the first symbols
        return np.eye(9)[np.where(np.arange(len(x)) < share * len(x), order, 8)]

    monkeypatch.setattr(tasks, "temporal_order", lambda count, time, rng: tasks.first_symbol(count, time, rng))
    monkeypatch.setattr(Model, "predict", predict)
    assert training.sequences_until_ordered(LSTM(8, 2, rng=rng), 10, rng, most=8000) == 2400
    assert training.sequences_until_ordered(LSTM(8, 2, rng=rng), 10, rng, most=799) is None


@pytest.mark.parametrize("task", ["adding", "temporal_order", "reber_batch"])
def test_what_is_judged_was_not_trained_on(task, monkeypatch):
    batches, draw = [], getattr(tasks, task)
    monkeypatch.setattr(tasks, task, lambda *sizes: batches.append(draw(*sizes)) or batches[-1])
    rng = np.random.default_rng(0)
    if task == "adding":
        training.train_adding(adding_model(2, rng), 6, rng, updates=3)
    elif task == "temporal_order":
        training.sequences_until_ordered(GRU(8, 2, rng=rng), 12, rng, most=96)
    else:
        training.strings_until_solved(GRU(7, 2, rng=rng), rng, most=96)
    assert len(batches) == 4
    unseen, *others = [inputs.tobytes() for inputs, *_ in batches]
    assert len({unseen, *others}) == 4
    if task == "adding":
        rows = {row.tobytes() for row in batches[0][0]}
        assert not any(row.tobytes() in rows for inputs, _ in batches[1:] for row in inputs)


def test_legal_symbols_are_above_illegal_ones_at_every_step_and_padding_does_not_count():
    strings = tasks.reber_batch(6, np.random.default_rng(0))
    scores = strings.legal.astype(float)
    assert training.legal_above_illegal(scores, strings).all()
    last = strings.mask[-1].sum() - 1
    scores[-1, last] *= -1  # one step of one string
    assert training.legal_above_illegal(scores, strings).tolist() == [True] * 5 + [False]
    scores[-1, last] *= -1
    padding = ~strings.mask[..., None]
    assert padding.any()
    legal = strings.legal | padding & (np.arange(strings.legal.shape[2]) == 0)
    scores -= 2.0 * (legal & padding)
    assert training.legal_above_illegal(scores, strings._replace(legal=legal)).all()
