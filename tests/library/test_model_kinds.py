"""Model, by kinds of mistakes: what batches may not change, what training may not depend on, what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.layers import LAYERS, Dense, Dropout, Embedding, LastStep, Layer
from course_lib.losses import LOSSES, Loss, MeanSquaredError, SigmoidCrossEntropy, SoftmaxCrossEntropy
from course_lib.metrics import accuracy
from course_lib.model import MODELS, Model, load_optimizer
from course_lib.optimizers import OPTIMIZERS, SGD, Adam, LinearDecay, Momentum
from course_lib.recurrent import GRU, LSTM, Bidirectional, SimpleRNN

RNG = np.random.default_rng(0)


def tagger(rng, dtype=np.float64):
    """A prediction at each step."""
    return Model(
        [Embedding(5, 3, rng=rng, dtype=dtype), GRU(3, 4, rng=rng, dtype=dtype), Dense(4, 5, rng=rng, dtype=dtype)],
        SoftmaxCrossEntropy(),
        metrics=[accuracy],
    )


def classifier(rng, dtype=np.float64):
    """One prediction a sequence."""
    how = dict(rng=rng, dtype=dtype)
    layers = [Embedding(5, 3, **how), LSTM(3, 4, **how), LastStep(), Dense(4, 2, **how)]
    return Model(layers, SigmoidCrossEntropy(), metrics=[accuracy])


# --- batches ---
def masked_data(make, rng, rows, time, training=False):
    """Random masks: holes, leading padding, rows of padding alone where a model allows them."""
    x, mask = rng.integers(0, 5, (rows, time)), rng.random((rows, time)) < rng.random((rows, 1))
    if make is classifier or training:
        mask[np.arange(rows), rng.integers(0, time, rows)] = True  # each row has something to learn from
    mask[rng.integers(rows), rng.integers(time)] = True
    if make is classifier:
        return x, rng.integers(0, 2, (rows, 2)), mask
    return x, rng.integers(0, 5, (rows, time)), mask


@pytest.mark.parametrize("make", [tagger, classifier])
@given(st.integers(0, 9999), st.integers(1, 9), st.integers(1, 6), st.integers(1, 12), st.booleans())
@settings(max_examples=25)
def test_batches_change_nothing(make, seed, rows, time, batch_size, masked):
    rng = np.random.default_rng(seed)
    model, (x, y, mask) = make(rng), masked_data(make, rng, rows, time)
    mask = mask if masked else None
    whole = model.forward(x, mask)
    np.testing.assert_allclose(model.predict(x, mask, batch_size=batch_size), whole, atol=1e-12)
    counts = mask if make is tagger else None
    right = [model.loss.forward(whole, y, counts), accuracy(whole, y, counts)]
    found = model.evaluate(x, y, mask, batch_size=batch_size)
    np.testing.assert_allclose(found, right, rtol=1e-10)
    assert model.evaluate(x, y, mask, batch_size=batch_size, return_dict=True) == dict(
        zip(("loss", "accuracy"), found, strict=True)
    )


@pytest.mark.parametrize("make", [tagger, classifier])
def test_validation_data_is_evaluated_after_each_epoch(make):
    model, (x, y, mask) = make(np.random.default_rng(0)), masked_data(make, RNG, 300, 4)  # more than one batch
    seen = []
    history = model.fit(
        *masked_data(make, RNG, 10, 4, training=True),
        optimizer=SGD(0.1),
        epochs=3,
        batch_size=4,
        rng=RNG,
        validation_data=(x, y, mask),
        callbacks=[lambda model, _: seen.append(model.evaluate(x, y, mask, batch_size=1000))],
    ).history
    assert list(history) == ["loss", "accuracy", "val_loss", "val_accuracy", "gradient_norm", "seconds"]
    np.testing.assert_allclose(np.transpose([history["val_loss"], history["val_accuracy"]]), seen, rtol=1e-10)


def test_training_metrics_are_those_of_the_updates():
    model, twin = (tagger(np.random.default_rng(0)) for _ in range(2))
    batches = [masked_data(tagger, RNG, rows, time) for rows, time in ((4, 3), (1, 5), (2, 2))]
    history = model.fit(lambda: batches, optimizer=SGD(0.5)).history
    expected, optimizer = [], SGD(0.5)
    for x, y, mask in batches:
        expected.append(accuracy(twin.forward(x, mask), y, mask))
        twin.train_on_batch(x, y, mask, optimizer=optimizer)
    assert history["accuracy"] == [pytest.approx(np.mean(expected))]


@given(st.integers(0, 999), st.integers(1, 20), st.integers(1, 25))
@settings(max_examples=20)
def test_an_epoch_has_every_row_once_in_random_order(seed, rows, batch_size):
    seen = []

    class Watching(Model):
        def train_on_batch(self, x, y, mask, **how):
            assert (x[:, 0] == y[:, 0]).all()
            assert (mask.sum(axis=1) == x[:, 0]).all()
            seen.append(x[:, 0])
            return super().train_on_batch(x / 100, y, mask, **how)

    rng = np.random.default_rng(seed)
    model = Watching([Dense(rows, 1, rng=rng)], MeanSquaredError())
    x = np.repeat(np.arange(1.0, rows + 1)[:, None], rows, axis=1)
    mask = np.arange(rows) < x[:, :1]
    model.fit(x, x[:, :1], mask, optimizer=SGD(0.0), epochs=2, batch_size=batch_size, rng=np.random.default_rng(seed))
    orders = np.concatenate(seen).reshape(2, rows)
    np.testing.assert_array_equal(np.sort(orders), [x[:, 0]] * 2)
    assert [len(batch) for batch in seen[: len(seen) // 2 - 1]] == [batch_size] * (len(seen) // 2 - 1)
    expected = np.random.default_rng(seed)
    np.testing.assert_array_equal(orders, [expected.permutation(rows) + 1 for _ in range(2)])


@given(st.integers(0, 999))
@settings(max_examples=10)
def test_a_callable_may_bring_whatever_readers_have(seed):
    """Lists, whole numbers as targets of real ones, one row, short batches, other lengths and masks each time."""
    rng = np.random.default_rng(seed)
    model = Model([SimpleRNN(1, 3, rng=rng), Dense(3, 1, rng=rng)], MeanSquaredError())

    def epoch():
        for rows, time in ((3, 4), (1, 1), (2, 5)):
            x, y = rng.normal(size=(rows, time, 1)), rng.integers(0, 3, (rows, time, 1))
            mask = np.arange(time) < rng.integers(1, time + 1, (rows, 1))
            yield from ((x.tolist(), y.tolist()), (x, y, mask), [x.astype(np.float32), y.tolist(), mask.tolist()])

    history = model.fit(epoch, optimizer=Adam(), epochs=2)
    assert np.isfinite(history.history["loss"]).all()
    assert all(w.dtype == np.float32 for w in model.weights)


# --- what belongs together ---
def calls(model, x, y, mask):
    """Each way to give rows to a model."""
    how = dict(optimizer=SGD(0.1), rng=np.random.default_rng(0), progress=False)
    some = masked_data(tagger, RNG, 3, 4, training=True)
    return {
        "fit": lambda: model.fit(x, y, mask, **how),
        "evaluate": lambda: model.evaluate(x, y, mask),
        "validation_data": lambda: model.fit(*some, **how, validation_data=(x, y, mask)),
        "predict": lambda: model.predict(x, mask),
    }


@pytest.mark.parametrize(
    ("x", "y", "mask", "message"),
    [
        (3, 2, None, r"equally many rows of x and y, but got shapes \(3, 4\) and \(2, 4\)"),
        (2, 3, None, r"equally many rows"),
        (0, 0, None, r"at least one row of x, but got shape \(0, 4\)"),
        (3, 3, np.ones((2, 4), bool), r"mask of booleans, .*\(3, 4\), but got bool of shape \(2, 4\)"),
        (3, 3, np.ones((4, 3), bool), r"but got bool of shape \(4, 3\)"),
        (3, 3, np.ones((3, 4)), r"but got float64 of shape \(3, 4\)"),
        (3, 3, np.zeros((3, 4), bool), r"False everywhere.*True means a real step"),
    ],
)
@pytest.mark.parametrize("caller", ["fit", "evaluate", "validation_data", "predict"])
def test_rows_that_do_not_belong_together_are_refused(caller, x, y, mask, message):
    if caller == "predict" and x != y:
        return  # there is no y
    model = tagger(np.random.default_rng(0))
    before = [w.copy() for w in model.weights]
    with pytest.raises(ValueError, match=f"^{caller} .*{message}"):
        calls(model, np.zeros((x, 4), int), np.zeros((y, 4), int), mask)[caller]()
    for mine, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(mine, old, err_msg="an update was made before the data were checked")


def test_more_that_is_refused():
    model, (x, y, _) = tagger(np.random.default_rng(0)), masked_data(tagger, RNG, 3, 4)
    for caller in ("fit", "evaluate", "validation_data", "predict"):
        with pytest.raises(ValueError, match=f"^{caller} takes arrays, but got rows of unequal length.*sequences.pad"):
            calls(model, [[1, 2], [3]], y, None)[caller]()
    for batch_size in (0, -1):
        with pytest.raises(ValueError, match=f"at least 1, but got {batch_size}"):
            model.predict(x, batch_size=batch_size)
    one = classifier(np.random.default_rng(0))
    mask = np.ones((3, 4), bool)
    mask[1] = False
    with pytest.raises(ValueError, match="at least one real step, but the mask of row 1 is False everywhere"):
        one.evaluate(x, np.zeros((3, 2)), mask)
    for some in (model, one):
        with pytest.raises(ValueError, match=r"fit needs a real step in each row, .* in all of row 1\. Leave"):
            some.fit(x, y, mask, optimizer=SGD(0.1), rng=RNG)


# --- one object in one place ---
@pytest.mark.parametrize("both", [False, True])
def test_a_layer_has_one_place_in_a_model(both):
    rng = np.random.default_rng(0)
    layer = GRU(3, 3, rng=rng)
    other = Bidirectional(layer, GRU(3, 3, rng=rng)) if both else layer
    with pytest.raises(ValueError, match=r"Layer 1, .*, is the same object as one in layer 0\. .* Make two layers"):
        Model([layer, other], MeanSquaredError())
    model = Model([layer], MeanSquaredError())
    model.layers.append(layer)  # later does not help
    with pytest.raises(ValueError, match="is the same object"):
        model.fit(np.zeros((2, 2, 3)), np.zeros((2, 2, 3)), optimizer=SGD(0.1), rng=rng)
    with pytest.raises(TypeError, match="number 0 is 'GRU'"):
        Model(["GRU"], MeanSquaredError())


def test_repeated_forward_passes_of_a_model_are_allowed():
    rng = np.random.default_rng(0)
    model, (x, y, mask) = tagger(rng), masked_data(tagger, rng, 3, 4)
    model.train_on_batch(x, y, mask, optimizer=SGD(0.0))
    once = [g.copy() for g in model.grads]
    model.forward(x[:1])
    model.evaluate(x, y, mask)
    model.train_on_batch(x, y, mask, optimizer=SGD(0.0))
    for mine, before in zip(model.grads, once, strict=True):
        np.testing.assert_array_equal(mine, before)


# --- the first layer's input ---
@pytest.mark.parametrize(
    "make",
    [
        lambda rng: Dense(2, 3, rng=rng),
        lambda rng: SimpleRNN(2, 3, rng=rng),
        lambda rng: GRU(2, 3, rng=rng),
        lambda rng: LSTM(2, 3, rng=rng),
        lambda rng: Bidirectional(GRU(2, 3, rng=rng), GRU(2, 3, rng=rng)),
    ],
)
def test_training_does_without_the_gradient_for_the_input(make):
    rng = np.random.default_rng(0)
    first = make(rng)
    model = Model([first, Dense(6 if isinstance(first, Bidirectional) else 3, 1, rng=rng)], MeanSquaredError())
    x, y = rng.normal(size=(2, 4, 2)).astype(np.float32), np.zeros((2, 4, 1), np.float32)
    model.loss.forward(model.forward(x), y)
    dx = model.backward(model.loss.backward())
    wanted = [g.copy() for g in model.grads]
    assert dx.shape == x.shape
    model.loss.forward(model.forward(x), y)
    assert model.backward(model.loss.backward(), input_gradient=False) is None
    for mine, right in zip(model.grads, wanted, strict=True):
        np.testing.assert_array_equal(mine, right)
    asked = []
    backward = first.backward
    first.backward = lambda *args, **how: asked.append(how) or backward(*args, **how)
    model.train_on_batch(x, y, optimizer=SGD(0.1))
    assert first.optional_input_gradient
    assert asked == [{"input_gradient": False}]


# --- files ---
class Scale(Layer):
    """As a learner writes one: no rng, no dtype, float64 weights in a float32 model."""

    weight_names = ("factor",)

    def __init__(self, features, start=1.0):
        self.features, self.start, self.factor = features, start, np.full(features, start)

    def forward(self, x):
        self._cache = x
        return x * self.factor

    def backward(self, dy):
        self.grads = [(dy * self._cache).reshape(-1, self.features).sum(axis=0)]
        return dy * self.factor


class AbsoluteError(Loss):
    def forward(self, outputs, targets, mask=None):
        self._cache = outputs - targets
        return float(np.abs(self._cache).mean())

    def backward(self):
        return np.sign(self._cache) / self._cache.size


class MyModel(Model):
    pass


class Signed(SGD):
    """w ← w - η sign(g)"""

    def _step(self, weights, grads):
        super()._step(weights, [np.sign(g) for g in grads])


def own_model(rng):
    return MyModel(
        [
            Scale(2, start=np.float64(0.5)),
            Dense(2, 2, rng=rng),
            Bidirectional(GRU(2, 3, rng=rng), GRU(2, 3, rng=rng)),
            Dropout(0.5, rng=rng),
            Dense(6, 1, rng=rng),
        ],
        AbsoluteError(),
    )


def test_whatever_is_defined_is_saved_and_loaded(tmp_path):
    rng = np.random.default_rng(0)
    model, path = own_model(rng), tmp_path / "own"
    x, y = rng.normal(size=(4, 3, 2)).astype(np.float32), np.zeros((4, 3, 1), np.float32)
    optimizer = Signed(LinearDecay(0.01, 10))
    model.fit(x, y, optimizer=optimizer, rng=rng, epochs=3)
    model.save(path, optimizer=optimizer)
    loaded, again = MyModel.load(path), load_optimizer(path)
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    assert [w.dtype for w in loaded.weights] == [w.dtype for w in model.weights]
    assert [w.dtype.name for w in loaded.weights[:2]] == ["float64", "float32"]
    assert [type(layer) for layer in loaded.layers] == [type(layer) for layer in model.layers]
    assert (type(loaded.loss), type(again)) == (AbsoluteError, Signed)
    assert (again.iterations, again.learning_rate) == (3, optimizer.learning_rate)


@pytest.mark.parametrize(
    ("registry", "name"), [(LAYERS, "Scale"), (LAYERS, "GRU"), (LOSSES, "AbsoluteError"), (OPTIMIZERS, "Signed")]
)
def test_a_file_says_which_class_it_needs(tmp_path, monkeypatch, registry, name):
    model, path = own_model(np.random.default_rng(0)), tmp_path / "own"
    model.save(path, optimizer=Signed(0.1))
    monkeypatch.delitem(registry, name)
    with pytest.raises(ValueError, match=f"needs a class {name}, which is not defined here. Run the c"):
        load_optimizer(path) if registry is OPTIMIZERS else MyModel.load(path)


def test_a_file_of_another_model_is_named(tmp_path, monkeypatch):
    model, path = own_model(np.random.default_rng(0)), tmp_path / "own"
    model.save(path)
    with pytest.raises(ValueError, match=r"holds a model of class MyModel, not Model\. Use MyModel\.load\(path\)\.$"):
        Model.load(path)
    monkeypatch.delitem(MODELS, "MyModel")
    with pytest.raises(
        ValueError, match=r"Use MyModel\.load\(path\), after running the code that defines class MyModel"
    ):
        Model.load(path)
    tagger(np.random.default_rng(0)).save(path)
    with pytest.raises(ValueError, match=r"class Model, not MyModel\. Use Model\.load\(path\)\."):
        MyModel.load(path)


def test_a_class_that_has_changed_is_answered_in_words(tmp_path, monkeypatch):
    model, path = own_model(np.random.default_rng(0)), tmp_path / "own"
    model.save(path)
    monkeypatch.setattr(Scale, "weight_names", ("gain",))
    with pytest.raises(ValueError, match=r"does not fit the classes that it needs \(.*a class has changed"):
        MyModel.load(path)


def test_a_layer_that_could_not_be_made_again_is_refused_when_it_is_saved(tmp_path):
    class Forgetful(Scale):
        def __init__(self, size):
            super().__init__(size)

    path = tmp_path / "own"
    path.write_text("something else", encoding="utf-8")
    with pytest.raises(ValueError, match="Forgetful is made with size, but keeps no attribute of that name"):
        Model([Forgetful(2)], MeanSquaredError()).save(path)
    assert path.read_text(encoding="utf-8") == "something else"


@pytest.mark.parametrize("make", [SGD, Momentum, Adam])
@pytest.mark.parametrize("rate", [0.05, LinearDecay(0.05, 60)])
def test_training_resumed_from_a_file_is_training_that_was_never_interrupted(tmp_path, make, rate):
    data = masked_data(tagger, np.random.default_rng(2), 20, 5, training=True)
    straight, rng = tagger(np.random.default_rng(0), np.float32), np.random.default_rng(1)
    optimizer = make(rate)
    straight.fit(*data, optimizer=optimizer, epochs=3, batch_size=6, rng=rng)
    straight.save(tmp_path / "stop", optimizer=optimizer)
    resumed, again, other_rng = (
        Model.load(tmp_path / "stop"),
        load_optimizer(tmp_path / "stop"),
        np.random.default_rng(1),
    )
    other_rng.bit_generator.state = rng.bit_generator.state
    assert again.iterations == 12
    how = dict(epochs=3, batch_size=6, clip_norm=0.5)
    one = straight.fit(*data, optimizer=optimizer, rng=rng, **how).history
    two = resumed.fit(*data, optimizer=again, rng=other_rng, **how).history
    assert one["loss"] == two["loss"]
    assert one["gradient_norm"] == two["gradient_norm"]
    for mine, other in zip(straight.weights, resumed.weights, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_optimizers_in_files(tmp_path):
    model, other, path = (*(tagger(np.random.default_rng(0)) for _ in range(2)), tmp_path / "model")
    model.save(path)
    with pytest.raises(ValueError, match=r"holds a model without its optimizer\. Write it with"):
        load_optimizer(path)
    with pytest.raises(FileNotFoundError, match="There is no file"):
        load_optimizer(tmp_path / "none")
    x, y, mask = masked_data(tagger, RNG, 3, 4)
    optimizer = Adam()
    model.train_on_batch(x, y, mask, optimizer=optimizer)
    with pytest.raises(ValueError, match="Make a new optimizer for each model"):
        other.save(path, optimizer=optimizer)
    model.save(path, optimizer=optimizer)
    with pytest.raises(ValueError, match="Make a new optimizer for each model"):
        Model([Dense(2, 2, rng=RNG)], MeanSquaredError()).train_on_batch(
            np.zeros((1, 2), np.float32), np.zeros((1, 2)), optimizer=load_optimizer(path)
        )


# --- what a model says of itself ---
def test_summary_and_repr(capsys):
    rng = np.random.default_rng(0)
    model = classifier(rng)
    model.summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Model, SigmoidCrossEntropy"
    assert [line.split()[0] for line in lines[1:]] == ["layer", "Embedding", "LSTM", "LastStep", "Dense", "total"]
    assert [int(line.split()[-1]) for line in lines[2:]] == [15, 4 * (3 * 4 + 4 * 4 + 4), 0, 10, model.count_params()]
    assert model.count_params() == sum(w.size for w in model.weights) == 153
    assert len({len(line) for line in lines[1:]}) == 1
    assert repr(model).startswith("Model([Embedding(vocabulary=5, units=3), LSTM(features=3, units=4")
    assert repr(model).endswith("], SigmoidCrossEntropy())")
