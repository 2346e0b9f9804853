"""Model: gradients through the whole stack, training, masks, carried state, NaN, interrupts, saving and loading."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib import model as model_module
from course_lib.gradients import check_gradients
from course_lib.layers import Dense, Dropout, Embedding, LastStep
from course_lib.losses import MeanSquaredError, SigmoidCrossEntropy, SoftmaxCrossEntropy
from course_lib.model import Model
from course_lib.optimizers import SGD, Adam
from course_lib.recurrent import GRU, LSTM, Bidirectional, SimpleRNN


def letter_model(rng, dtype=np.float64):
    return Model(
        [
            Embedding(5, 3, rng=rng, dtype=dtype),
            SimpleRNN(3, 4, rng=rng, dtype=dtype),
            SimpleRNN(4, 4, rng=rng, dtype=dtype),
            Dense(4, 5, rng=rng, dtype=dtype),
        ],
        SoftmaxCrossEntropy(),
    )


def names(model):
    return [f"{i}.{name}" for i, layer in enumerate(model.layers) for name in layer.weight_names]


@given(seed=st.integers(0, 999), masked=st.booleans())
def test_gradients_of_a_whole_stack(seed, masked):
    rng = np.random.default_rng(seed)
    model = letter_model(rng)
    x, y = rng.integers(0, 5, (2, 6)), rng.integers(0, 5, (2, 6))
    mask = np.arange(6) < np.array([[6], [rng.integers(1, 6)]]) if masked else None

    def loss():
        return model.loss.forward(model.forward(x, mask), y, mask)

    loss()
    model.backward(model.loss.backward())
    check_gradients(
        loss, dict(zip(names(model), model.weights, strict=True)), dict(zip(names(model), model.grads, strict=True))
    )


def test_padding_changes_neither_loss_nor_gradient():
    rng = np.random.default_rng(0)
    model, x = letter_model(rng), rng.integers(0, 5, (3, 4))
    longer, mask = (
        np.concatenate([x, rng.integers(0, 5, (3, 5))], axis=1),
        np.repeat([[True] * 4 + [False] * 5], 3, axis=0),
    )
    losses, grads = [], []
    for ids, m in ((x, None), (longer, mask)):
        losses.append(model.loss.forward(model.forward(ids, m), ids, m))
        model.backward(model.loss.backward())
        grads.append(np.concatenate([g.ravel() for g in model.grads]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)
    np.testing.assert_allclose(grads[0], grads[1], atol=1e-12)
    assert model.evaluate(longer, longer, mask, batch_size=2) == pytest.approx(losses[0], rel=1e-12)


def many_to_one(rng):
    return Model([SimpleRNN(1, 8, rng=rng), LastStep(), Dense(8, 1, rng=rng)], SigmoidCrossEntropy())


def first_bit(rng, rows=256, steps=5):
    x = rng.integers(0, 2, (rows, steps, 1)).astype(np.float32)
    return x, x[:, 0]


def test_fit_learns_and_keeps_a_history():
    rng = np.random.default_rng(0)
    model, (x, y), held_out = many_to_one(rng), first_bit(rng), first_bit(rng)
    before = model.evaluate(*held_out)
    history = model.fit(x, y, optimizer=Adam(0.01), epochs=30, rng=rng, validation_data=held_out, clip_norm=1.0)
    assert before > 0.5
    assert model.evaluate(*held_out) < 0.05
    assert history is model.history
    assert list(history.history) == ["loss", "val_loss", "gradient_norm", "seconds"]
    assert [len(values) for values in history.history.values()] == [30] * 4
    assert history.history["loss"][-1] < history.history["loss"][0]
    assert history.stopped == ""
    predicted = model.predict(held_out[0], batch_size=100)
    assert ((predicted > 0) == held_out[1]).all()


def test_masked_rows_of_unequal_length_learn_too():
    rng = np.random.default_rng(0)
    (x, y), model = first_bit(rng, steps=6), many_to_one(rng)
    mask = np.arange(6) < rng.integers(2, 7, (len(x), 1))
    model.fit(x, y, mask, optimizer=Adam(0.01), epochs=30, rng=rng)
    assert model.evaluate(x, y, mask) < 0.1


def test_validation_is_weighted_by_what_counts():
    rng = np.random.default_rng(0)
    model, x = many_to_one(rng), rng.normal(size=(7, 3, 1)).astype(np.float32)
    y = rng.random((7, 1)).astype(np.float32)
    assert model.evaluate(x, y, batch_size=2) == pytest.approx(model.evaluate(x, y, batch_size=7), rel=1e-5)


def test_carry_state_starts_each_piece_where_the_last_ended():
    rng = np.random.default_rng(0)
    model, seen = letter_model(rng), []
    forward = model.layers[1].forward
    model.layers[1].forward = lambda x, state, mask, **how: seen.append(state) or forward(x, state, mask, **how)
    ids = rng.integers(0, 5, (2, 12))
    pieces = [(ids[:, i : i + 4], ids[:, i : i + 4]) for i in (0, 4, 8)]
    model.fit(lambda: pieces, optimizer=SGD(0.0), epochs=2, carry_state=True)
    assert [state is None for state in seen] == [True, False, False] * 2
    whole = SimpleRNN(3, 4, rng=rng, dtype=np.float64)
    whole.set_weights(model.layers[1].get_weights())
    outputs, _ = whole.forward(model.layers[0].forward(ids))
    np.testing.assert_allclose(seen[1], outputs[:, 3], atol=1e-12)
    np.testing.assert_allclose(seen[2], outputs[:, 7], atol=1e-12)


def test_dropout_only_while_training():
    rng = np.random.default_rng(0)
    model = Model([Dense(3, 50, rng=rng), Dropout(0.5, rng=rng), Dense(50, 1, rng=rng)], MeanSquaredError())
    x = rng.normal(size=(4, 3)).astype(np.float32)
    np.testing.assert_array_equal(model.predict(x), model.predict(x))
    assert (model.forward(x, training=True) != model.forward(x, training=True)).any()


def test_nan_stops_with_the_last_good_weights():
    rng = np.random.default_rng(0)
    model, (x, y) = many_to_one(rng), first_bit(rng, rows=64)
    spoiled = x.copy()
    spoiled[5] = np.nan
    batches = [(x[:32], y[:32]), (x[32:], y[32:]), (spoiled[:32], y[:32])]
    after_two = many_to_one(np.random.default_rng(0))
    after_two.fit(lambda: batches[:2], optimizer=SGD(0.1))
    with pytest.raises(FloatingPointError, match=r"the loss is nan.*smaller learning rate.*isfinite"):
        model.fit(lambda: batches, optimizer=SGD(0.1), epochs=3)
    for mine, good in zip(model.weights, after_two.weights, strict=True):
        np.testing.assert_array_equal(mine, good)
    assert "nan" in model.history.stopped
    assert model.history.history["loss"] == after_two.history.history["loss"]


def test_an_interrupt_keeps_model_and_history(capsys):
    rng = np.random.default_rng(0)
    model, (x, y) = many_to_one(rng), first_bit(rng, rows=64)
    start = [w.copy() for w in model.weights]

    def batches():
        yield x, y
        if len(model.history.history["loss"]) == 2:
            raise KeyboardInterrupt
        yield x, y

    history = model.fit(batches, optimizer=SGD(0.1), epochs=9)
    assert history.stopped == "interrupted"
    assert len(history.history["loss"]) == 3  # two whole epochs, and what was done of the third
    assert any((a != b).any() for a, b in zip(start, model.weights, strict=True))
    assert "model.history" in capsys.readouterr().out
    model.fit(x, y, optimizer=SGD(0.1), rng=rng)  # and training can go on
    assert model.history.stopped == ""


def test_a_callback_can_stop_and_all_are_called():
    rng = np.random.default_rng(0)
    model, data, called = many_to_one(rng), first_bit(rng, rows=32), []
    callbacks = [lambda m, h: called.append("a") or len(h.history["loss"]) == 2, lambda m, h: called.append("b")]
    model.fit(*data, optimizer=SGD(0.1), epochs=9, rng=rng, callbacks=callbacks)
    assert called == ["a", "b", "a", "b"]
    assert model.history.stopped == "by a callback"


def test_steps_end_an_endless_stream():
    rng = np.random.default_rng(0)
    model, (x, y) = many_to_one(rng), first_bit(rng, rows=32)

    def endless():
        while True:
            yield x, y

    assert len(model.fit(endless, optimizer=SGD(0.1), epochs=2, steps=3).history["loss"]) == 2


def test_the_bar_is_shown_to_people_only(monkeypatch, capsys):
    rng = np.random.default_rng(0)
    model, data = many_to_one(rng), first_bit(rng, rows=32)
    monkeypatch.setenv("COURSE_STATIC", "1")
    model.fit(*data, optimizer=SGD(0.1), rng=rng)
    assert capsys.readouterr().err == ""
    monkeypatch.delenv("COURSE_STATIC")
    monkeypatch.setenv("CI", "true")
    assert not model_module.show_progress()
    monkeypatch.delenv("CI")
    assert model_module.show_progress()
    model.fit(*data, optimizer=SGD(0.1), rng=rng)
    assert "update" in capsys.readouterr().err


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_saving_and_loading(tmp_path, dtype):
    rng = np.random.default_rng(0)
    model = letter_model(rng, dtype)
    model.layers.insert(2, Dropout(0.3, rng=rng))
    ids, path = rng.integers(0, 5, (2, 6)), tmp_path / "letters.model"  # a name that numpy would change
    model.save(path)
    loaded = Model.load(path)
    np.testing.assert_array_equal(loaded.predict(ids), model.predict(ids))
    assert [type(layer) for layer in loaded.layers] == [type(layer) for layer in model.layers]
    assert type(loaded.loss) is SoftmaxCrossEntropy
    assert loaded.weights[0].dtype == dtype
    assert loaded.layers[2].rate == 0.3
    loaded.fit(ids, ids, optimizer=Adam(), rng=rng)


def bidirectional_model(rng, dtype=np.float64):
    """Letters read both ways, by an LSTM and by a GRU, then once more forwards by each kind of layer."""
    return Model(
        [
            Embedding(5, 3, rng=rng, dtype=dtype),
            Bidirectional(
                LSTM(3, 4, rng=rng, dtype=dtype, forget_bias=0.5), GRU(3, 4, rng=rng, dtype=dtype, reset_after=False)
            ),
            GRU(8, 3, rng=rng, dtype=dtype),
            LSTM(3, 3, rng=rng, dtype=dtype, forget_bias=2.0),
            SimpleRNN(3, 3, rng=rng, dtype=dtype),
            Dense(3, 5, rng=rng, dtype=dtype),
        ],
        SoftmaxCrossEntropy(),
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_saving_and_loading_every_recurrent_layer(tmp_path, dtype):
    rng = np.random.default_rng(0)
    model, ids, path = bidirectional_model(rng, dtype), rng.integers(0, 5, (2, 6)), tmp_path / "bidirectional.model"
    model.save(path)
    loaded = Model.load(path)
    both = loaded.layers[1]
    assert [type(layer) for layer in loaded.layers] == [type(layer) for layer in model.layers]
    assert (type(both.forward_layer), type(both.backward_layer)) == (LSTM, GRU)
    assert (both.forward_layer.forget_bias, both.backward_layer.reset_after) == (0.5, False)
    assert (loaded.layers[2].reset_after, loaded.layers[3].forget_bias) == (True, 2.0)
    assert [w.dtype for w in loaded.weights] == [dtype] * len(model.weights)
    for mine, read in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(mine, read)
    np.testing.assert_array_equal(loaded.predict(ids), model.predict(ids))
    loaded.fit(ids, ids, optimizer=Adam(), rng=rng, clip_norm=0.1)
    for before, after in zip(model.weights, loaded.weights, strict=True):
        assert (before != after).any()


def test_a_model_saved_before_there_were_gates_is_still_read(tmp_path):
    """The format as it was first written: names of arrays, and what the JSON says of each layer."""
    rng = np.random.default_rng(0)
    layer, dense = SimpleRNN(2, 3, rng=rng), Dense(3, 1, rng=rng)
    config = (
        '{"layers": [["SimpleRNN", {"features": 2, "units": 3}], '
        '["Dense", {"features": 3, "units": 1, "activation": "linear"}]], "loss": ["MeanSquaredError", {}]}'
    )
    arrays = {f"{i}.{name}": getattr(part, name) for i, part in enumerate((layer, dense)) for name in part.weight_names}
    np.savez_compressed(tmp_path / "old.npz", config=np.array(config), **arrays)
    x = rng.normal(size=(2, 4, 2)).astype(np.float32)
    np.testing.assert_array_equal(Model.load(tmp_path / "old.npz").predict(x), dense.forward(layer.forward(x)[0]))


def test_carried_state_of_an_lstm_is_the_pair():
    rng = np.random.default_rng(0)
    model, x = Model([LSTM(2, 3, rng=rng)], MeanSquaredError()), rng.normal(size=(2, 8, 2)).astype(np.float32)
    whole = model.forward(x)
    first = model.forward(x[:, :5])
    second = model.forward(x[:, 5:], initial_states=model.states)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, atol=1e-6)
    pieces = [(x[:, :5], first), (x[:, 5:], second)]
    history = model.fit(lambda: pieces, optimizer=SGD(0.1), carry_state=True)
    assert history.history["loss"][0] < 1e-10  # with the state carried, the targets are what the model says already


@given(seed=st.integers(0, 999), masked=st.booleans())
@settings(max_examples=6)  # nine hundred losses each
def test_gradients_of_a_stack_that_reads_both_ways(seed, masked):
    rng = np.random.default_rng(seed)
    model = bidirectional_model(rng)
    x, y = rng.integers(0, 5, (2, 4)), rng.integers(0, 5, (2, 4))
    mask = np.arange(4) < np.array([[4], [rng.integers(1, 4)]]) if masked else None

    def loss():
        return model.loss.forward(model.forward(x, mask), y, mask)

    loss()
    model.backward(model.loss.backward())
    check_gradients(
        loss, dict(zip(names(model), model.weights, strict=True)), dict(zip(names(model), model.grads, strict=True))
    )


def test_reading_both_ways_finds_what_comes_later():
    """Each output shall be the next input: no task for one who reads forwards, an easy one for one who reads back."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (64, 8, 1)).astype(np.float32)
    y = np.roll(x, -1, axis=1)
    mask = np.arange(8) < rng.integers(3, 8, (64, 1))  # the last real step of a row has a next one to guess
    y[:, -1] = 0
    mask_of_answers = mask.copy()
    mask_of_answers[np.arange(64), mask.sum(axis=1) - 1] = False
    losses = []
    for reader in (SimpleRNN(1, 8, rng=rng), Bidirectional(*(SimpleRNN(1, 4, rng=rng) for _ in range(2)))):
        model = Model([reader, Dense(8, 1, rng=rng)], SigmoidCrossEntropy())
        model.fit(x, y, mask, optimizer=Adam(0.02), epochs=100, rng=rng)
        losses.append(model.loss.forward(model.forward(x, mask), y, mask_of_answers))
    assert losses[0] > 0.5
    assert losses[1] < 0.1


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"hello" * 99, lambda b: b[:200] + b"\0" * 50 + b[250:]],
)
def test_a_damaged_file_is_answered_in_words(tmp_path, damage):
    path = tmp_path / "model.npz"
    letter_model(np.random.default_rng(0)).save(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"model.npz cannot be read as a saved model .* copy it again, or train"):
        Model.load(path)


def test_a_file_that_holds_something_else(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(ValueError, match=r"was not written by model\.save"):
        Model.load(tmp_path / "other.npz")
    np.savez(tmp_path / "pickle.npz", config=np.array({"layers": []}, dtype=object))
    with pytest.raises(ValueError, match="cannot be read"):
        Model.load(tmp_path / "pickle.npz")
    with pytest.raises(FileNotFoundError, match=r"There is no file .*nothing.npz"):
        Model.load(tmp_path / "nothing.npz")


def test_mistakes_are_answered_in_words():
    rng = np.random.default_rng(0)
    model, (x, y) = many_to_one(rng), first_bit(rng, rows=8)
    mask = np.ones((8, 5), bool)
    how = dict(optimizer=SGD(0.1), rng=rng)
    with pytest.raises(ValueError, match="pass rng=rng"):
        model.fit(x, y, optimizer=SGD(0.1))
    with pytest.raises(ValueError, match=r"needs the targets y beside x.*not fit\(\(x, y, mask\)\)"):
        model.fit((x, y), **how)
    bidirectional = Model([Bidirectional(SimpleRNN(1, 2, rng=rng), SimpleRNN(1, 2, rng=rng))], MeanSquaredError())
    with pytest.raises(ValueError, match="also runs from the end"):
        bidirectional.fit(x, x, **how, carry_state=True)
    with pytest.raises(ValueError, match="got arrays, which fit shuffles"):
        model.fit(x, y, **how, carry_state=True)
    with pytest.raises(ValueError, match="no batch to train on"):
        model.fit(list, optimizer=SGD(0.1))
    for beside in (dict(y=y), dict(mask=mask), dict(rng=rng)):
        with pytest.raises(ValueError, match="got y, mask or rng beside it"):
            model.fit(lambda: [(x, y)], **dict(optimizer=SGD(0.1)) | beside)
    with pytest.raises(ValueError, match="rows / batch_size batches an epoch, but got steps=3"):
        model.fit(x, y, **how, steps=3)
    for options in (dict(epochs=0), dict(steps=0)):
        with pytest.raises(ValueError, match="epochs and steps are at least 1"):
            model.fit(lambda: [(x, y)], optimizer=SGD(0.1), **options)
    for optimizer in ("adam", Adam):
        with pytest.raises(TypeError, match="an object such as Adam"):
            model.fit(x, y, optimizer=optimizer, rng=rng)
    for batch in ((x,), x, (x, y, None, None)):
        with pytest.raises(ValueError, match=r"A batch is \(x, y\) or \(x, y, mask\), but got"):
            model.fit(lambda batch=batch: [batch], optimizer=SGD(0.1))
    for validation_data in (x, (x,), [x, y, mask, mask], "x"):
        with pytest.raises(ValueError, match=r"validation_data is a tuple \(x, y\) or \(x, y, mask\) of arrays"):
            model.fit(x, y, **how, validation_data=validation_data)
    with pytest.raises(ValueError, match=r"one state for each of the 1 recurrent layers, but got 2"):
        model.forward(x, initial_states=[None, None])
