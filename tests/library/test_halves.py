"""Training on both halves of a batch at once is training on the batch."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.halves import ModelInHalves
from course_lib.layers import Dense, Dropout, LastStep, MeanSquaredError, SoftmaxCrossEntropy
from course_lib.model import Model
from course_lib.optimizers import SGD
from course_lib.recurrent import GRU, LSTM, Bidirectional, SimpleRNN

KINDS = {"SimpleRNN": SimpleRNN, "LSTM": LSTM, "GRU": GRU}


def a_model(kind, maker=Model, both_ways=False, seed=0):
    rng = np.random.default_rng(seed)

    def layer():
        return KINDS[kind](2, 3, rng=rng, dtype=np.float64)

    layers = [Bidirectional(layer(), layer())] if both_ways else [layer()]
    return maker([*layers, Dense(6 if both_ways else 3, 4, rng=rng, dtype=np.float64)], SoftmaxCrossEntropy())


@given(st.sampled_from(sorted(KINDS)), st.booleans(), st.integers(1, 7), st.integers(1, 4), st.booleans(),
       st.integers(0, 99))
def test_an_update_is_the_same_as_in_one_piece(kind, both_ways, batch, time, masked, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(batch, time, 2)), rng.integers(0, 4, (batch, time))
    mask = None
    if masked:
        mask = rng.random((batch, time)) < 0.6
        mask[:, rng.integers(time)] = True  # no half without a prediction
    whole, halves = a_model(kind, Model, both_ways), a_model(kind, ModelInHalves, both_ways)
    one = whole.train_on_batch(x, y, mask, optimizer=SGD(0.5), clip_norm=0.3)
    two = halves.train_on_batch(x, y, mask, optimizer=SGD(0.5), clip_norm=0.3)
    assert two == pytest.approx(one, rel=1e-10)
    for ours, theirs in zip(halves.grads, whole.grads, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
    for ours, theirs in zip(halves.weights, whole.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_states_go_in_and_come_out_for_all_rows(kind):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 5, 3, 2)), rng.integers(0, 4, (2, 5, 3))
    whole, halves = a_model(kind), a_model(kind, ModelInHalves)
    for model in (whole, halves):
        for n in range(2):
            model.train_on_batch(x[n], y[n], optimizer=SGD(0.5), initial_states=model.states)
    for ours, theirs in zip(np.ravel(halves.states), np.ravel(whole.states), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-12)


def test_the_twin_has_the_very_same_weights_and_gradients_of_its_own():
    model = a_model("LSTM", ModelInHalves)
    assert all(mine is its for mine, its in zip(model.weights, model.twin.weights, strict=True))
    x, y = np.ones((4, 3, 2)), np.zeros((4, 3), int)
    model.train_on_batch(x, y, optimizer=SGD(0.1))
    assert not any(np.shares_memory(mine, its) for mine, its in zip(model.grads, model.twin.grads, strict=True))


def test_both_halves_lose_different_units_to_dropout_and_every_run_is_the_same():
    def run():
        rng = np.random.default_rng(0)
        model = ModelInHalves([Dropout(0.5, rng=rng), Dense(50, 1, rng=rng)], MeanSquaredError())
        loss, _ = model.train_on_batch(np.ones((2, 50), np.float32), np.zeros((2, 1)), optimizer=SGD(0.1))
        return loss, model.layers[0]._cache, model.twin.layers[0]._cache

    first, second = run(), run()
    assert first[0] == second[0]
    assert not np.array_equal(first[1], first[2])


def test_it_fits_and_predicts_like_any_model():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 6, 2)).astype(np.float32)
    y = x[:, :, :1].sum(axis=1)
    model = ModelInHalves([GRU(2, 8, rng=rng), LastStep(), Dense(8, 1, rng=rng)], MeanSquaredError())
    history = model.fit((x, y), optimizer=SGD(0.1), epochs=20, batch_size=16, rng=rng)
    assert history.loss[-1] < history.loss[0] / 4
    assert model.predict(x).shape == (64, 1)


def test_a_loss_that_is_not_finite_stops_before_the_update():
    model = a_model("GRU", ModelInHalves)
    before = model.layers[0].get_weights()
    with pytest.raises(FloatingPointError, match="The weights are those from before this update"):
        model.train_on_batch(np.full((4, 3, 2), np.nan), np.zeros((4, 3), int), optimizer=SGD(0.1))
    for mine, kept in zip(model.layers[0].weights, before, strict=True):
        np.testing.assert_array_equal(mine, kept)


def test_an_error_in_the_second_thread_reaches_the_caller():
    model = a_model("GRU", ModelInHalves)
    with pytest.raises(ValueError, match="targets from 0 to 9"):
        model.train_on_batch(np.ones((4, 3, 2)), np.array([[0] * 3] * 3 + [[9] * 3]), optimizer=SGD(0.1))
