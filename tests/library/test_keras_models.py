"""Keras layers with our weights, the comparison with them, and a quiet import."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.layers import Dense, Dropout, Embedding
from course_lib.recurrent import GRU, LSTM, Bidirectional, SimpleRNN

pytest.importorskip("tensorflow", reason="TensorFlow has no wheel for this platform")
from course_lib import keras_models

ROOT = Path(__file__).resolve().parents[2]
KINDS = {
    "SimpleRNN": SimpleRNN,
    "LSTM": LSTM,
    "GRU": GRU,
    "GRU, reset before": lambda *sizes, **more: GRU(*sizes, reset_after=False, **more),
}


def made(kind, features, units, rng, bidirectional=False, dtype=np.float64):
    """A layer of ours with weights all of which matter."""
    layer = (
        Bidirectional(*(KINDS[kind](features, units, rng=rng, dtype=dtype) for _ in range(2)))
        if bidirectional
        else KINDS[kind](features, units, rng=rng, dtype=dtype)
    )
    layer.set_weights([rng.normal(size=w.shape).astype(dtype) for w in layer.weights])
    return layer


# ---------------------------------------------------------------------------------------------------------------------
# The same weights
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
@given(
    batch=st.integers(1, 3),
    time=st.integers(1, 5),
    features=st.integers(1, 3),
    units=st.integers(1, 4),
    seed=st.integers(0, 999),
    masked=st.booleans(),
    started=st.booleans(),
    bidirectional=st.booleans(),
)
@settings(max_examples=8)
def test_keras_agrees_in_everything(kind, batch, time, features, units, seed, masked, started, bidirectional):
    rng = np.random.default_rng(seed)
    layer = made(kind, features, units, rng, bidirectional)
    x = rng.normal(size=(batch, time, features))
    mask = rng.random((batch, time)) < 0.6 if masked else None
    initial_state = layer.forward(rng.normal(size=x.shape))[1] if started else None
    differences = keras_models.compare(layer, x, initial_state=initial_state, mask=mask, rng=rng)
    assert set(differences) == {
        "outputs",
        "states",
        "gradient of x",
        *(f"gradient of {n}" for n in layer.weight_names),
        *(["gradient of the initial state"] if started else []),
    }
    assert max(differences.values()) < 1e-10


def parts_of(layer, state):
    """Everything that compare holds against Keras, by the names it gives them."""
    weights = [f"gradient of {name}" for name in layer.weight_names]
    return ["outputs", "states", "gradient of x", *(["gradient of the initial state"] if state else []), *weights]


CASES = [
    (kind, bidirectional, part)
    for kind, bidirectional in (("SimpleRNN", False), ("LSTM", False), ("GRU", False), ("LSTM", True))
    for part in parts_of(made(kind, 2, 3, np.random.default_rng(0), bidirectional), True)
]


@pytest.mark.parametrize(("kind", "bidirectional", "part"), CASES)
def test_compare_reports_what_is_spoiled_and_nothing_else(kind, bidirectional, part, monkeypatch):
    """One number of one quantity is wrong by its last digits."""
    size = 1e-8
    rng = np.random.default_rng(0)
    layer, x = made(kind, 2, 3, rng, bidirectional), rng.normal(size=(2, 4, 2))
    initial_state = layer.forward(rng.normal(size=x.shape))[1]
    forward, backward = layer.forward, layer.backward

    def spoil(array):
        array = array.copy()
        array.flat[-1] += size  # a single number of it
        return array

    def spoil_last(nested):
        return (*nested[:-1], spoil_last(nested[-1])) if isinstance(nested, tuple) else spoil(nested)

    def spoiled_forward(*args):
        outputs, states = forward(*args)
        return spoil(outputs) if part == "outputs" else outputs, spoil_last(states) if part == "states" else states

    def spoiled_backward(*args):
        dx, d_state = backward(*args)
        for name, g in zip(layer.weight_names, layer.grads, strict=True):
            g.flat[-1] += size if part == f"gradient of {name}" else 0
        is_state = part == "gradient of the initial state"
        return spoil(dx) if part == "gradient of x" else dx, spoil_last(d_state) if is_state else d_state

    monkeypatch.setattr(layer, "forward", spoiled_forward)
    monkeypatch.setattr(layer, "backward", spoiled_backward)
    differences = keras_models.compare(layer, x, initial_state=initial_state, rng=rng)
    assert differences.pop(part) == pytest.approx(size, rel=1e-3)
    assert max(differences.values()) < 1e-10


def test_compare_reports_a_nan(monkeypatch):
    rng = np.random.default_rng(0)
    layer, x = made("LSTM", 2, 3, rng), rng.normal(size=(2, 4, 2))
    forward, nan = layer.forward, np.full((2, 3), np.nan)
    monkeypatch.setattr(layer, "forward", lambda *args: (forward(*args)[0], (nan, nan + 1)))
    assert np.isnan(keras_models.compare(layer, x, rng=rng)["states"])


def test_a_keras_layer_is_a_copy_and_has_the_layers_dtype():
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        layer = made("GRU", 2, 3, rng, dtype=dtype)
        theirs = keras_models.to_keras(layer)
        before = theirs.get_weights()
        assert before[0].dtype == dtype
        layer.kernel += 1
        np.testing.assert_array_equal(theirs.get_weights()[0], before[0])
        layer.set_weights(before)
        assert keras_models.compare(layer, rng.normal(size=(2, 3, 2)), rng=rng)["outputs"] < 1e-5


@pytest.mark.parametrize(
    ("sequences", "state", "shapes"),
    [
        (True, True, [(2, 5, 4), (2, 4), (2, 4)]),
        (False, True, [(2, 4), (2, 4), (2, 4)]),
        (True, False, [(2, 5, 4)]),
        (False, False, [(2, 4)]),
    ],
)
def test_a_keras_layer_returns_what_is_asked_for(sequences, state, shapes):
    rng = np.random.default_rng(0)
    layer, x = made("LSTM", 3, 4, rng), rng.normal(size=(2, 5, 3))
    got = keras_models.to_keras(layer, return_sequences=sequences, return_state=state)(x)
    got = got if isinstance(got, list | tuple) else [got]
    assert [tuple(part.shape) for part in got] == shapes
    outputs, _ = layer.forward(x)
    np.testing.assert_allclose(got[0], outputs if sequences else outputs[:, -1], atol=1e-10)


@pytest.mark.parametrize("activation", ["linear", "sigmoid", "tanh", "relu"])
def test_layers_without_memory_in_keras(activation):
    rng = np.random.default_rng(0)
    dense = Dense(3, 4, rng=rng, activation=activation, dtype=np.float64)
    x = rng.normal(size=(2, 5, 3))
    np.testing.assert_allclose(keras_models.to_keras(dense)(x), dense.forward(x), atol=1e-12)
    embedding, ids = Embedding(7, 3, rng=rng, dtype=np.float64), rng.integers(0, 7, (2, 5))
    np.testing.assert_array_equal(keras_models.to_keras(embedding)(ids), embedding.forward(ids))


def test_what_keras_has_not_is_named():
    with pytest.raises(TypeError, match=r"or Embedding of course_lib, but got a Dropout"):
        keras_models.to_keras(Dropout(0.2, rng=np.random.default_rng(0)))


# ---------------------------------------------------------------------------------------------------------------------
# The import
# ---------------------------------------------------------------------------------------------------------------------
def run_python(code, **variables):
    # With the variables that this very process has set for TensorFlow taken out
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "KERAS_", "CUDA_"))}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
        env=clean | variables,
    )


def test_the_import_and_a_first_training_are_silent():
    done = run_python(
        "from course_lib import keras_models as km; import numpy as np\n"
        "model = km.keras.Sequential([km.keras.layers.Input((3, 2)), km.keras.layers.LSTM(2)])\n"
        "model.compile('adam', 'mse')\n"
        "model.fit(np.zeros((4, 3, 2)), np.zeros((4, 2)), verbose=0)\n"
        "print(km.keras.backend.backend())"
    )
    assert (done.stdout, done.stderr) == ("tensorflow\n", "")


def test_without_tensorflow_the_import_says_what_to_do():
    done = run_python("import sys; sys.modules['tensorflow'] = None; from course_lib import keras_models")
    assert "This lesson needs TensorFlow, which cannot be imported here" in done.stderr
    assert "the README names other ways" in done.stderr


def test_no_other_module_imports_tensorflow():
    for path in (ROOT / "course_lib").rglob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        imports = [
            line
            for line in lines
            if line.strip().startswith(("import tensorflow", "from tensorflow", "import keras", "from keras"))
        ]
        assert not imports or path.name == "keras_models.py"
