"""The encoder-decoder in Keras: the scores, losses and gradients of ours, masks on both sides, and training by fit."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from course_lib.metrics import exact_match
from course_lib.optimizers import SGD
from course_lib.seq2seq import EncoderDecoder, teacher_forcing

pytest.importorskip("tensorflow", reason="TensorFlow has no wheel for this platform")
from course_lib import keras_seq2seq

ROOT = Path(__file__).resolve().parents[2]

ENCODER_DECODERS = [
    dict(kind=kind, context_at_every_step=context) for kind in ("GRU", "LSTM", "SimpleRNN") for context in (False, True)
]
encoder_decoders = pytest.mark.parametrize("how", ENCODER_DECODERS, ids=lambda how: "-".join(map(str, how.values())))


def random_model(rng, **how):
    model = EncoderDecoder(5, 6, 4, rng=rng, embedding=3, dtype=np.float64, **how)
    for w in model.weights:
        w[...] = rng.normal(size=w.shape)
    return model


def random_pairs(rng, count=4):
    """Of several lengths; symbol 0 of either side is a symbol and not padding."""
    return teacher_forcing(
        [rng.integers(0, 5, n) for n in rng.integers(1, 6, count)],
        [rng.integers(0, 4, n) for n in rng.integers(0, 6, count)],
        start=4,
        stop=5,
    )


@encoder_decoders
def test_an_encoder_decoder_in_keras_has_its_scores_its_loss_and_its_gradients(how):
    rng = np.random.default_rng(0)
    ours, pairs = random_model(rng, **how), random_pairs(rng)
    theirs, (inputs, answers) = keras_seq2seq.to_keras(ours), keras_seq2seq.inputs_and_targets(pairs)
    scores = ours.forward(pairs)
    np.testing.assert_allclose(np.array(theirs(inputs))[pairs.target_mask], scores[pairs.target_mask], atol=1e-10)
    loss = ours.loss.forward(scores, pairs.target_out, pairs.target_mask)
    ours.backward(ours.loss.backward())
    theirs.compile(
        optimizer=keras_seq2seq.keras.optimizers.SGD(1.0),
        loss=theirs.loss,  # a step is then the gradient
        run_eagerly=True,
    )
    parts = ("source_embedding", "encoder", "target_embedding", "decoder", "output_layer")
    before = [w for name in parts for w in theirs.get_layer(name).get_weights()]
    assert float(theirs.train_on_batch(inputs, answers)) == pytest.approx(loss, rel=1e-6)
    after = [w for name in parts for w in theirs.get_layer(name).get_weights()]
    for old, new, gradient in zip(before, after, ours.grads, strict=True):
        step = old - new
        step = step if len(step) == len(gradient) else step[1:]
        np.testing.assert_allclose(step, gradient, atol=1e-6)  # Keras computes a compiled loss in float32


@encoder_decoders
def test_padding_changes_no_score(how):
    rng = np.random.default_rng(0)
    theirs = keras_seq2seq.to_keras(random_model(rng, **how))
    pairs = random_pairs(rng)
    inputs, _ = keras_seq2seq.inputs_and_targets(pairs)
    more = {name: np.pad(ids, ((0, 0), (0, 3))) for name, ids in inputs.items()}
    longer = np.array(theirs(more))[:, : pairs.target_in.shape[1]]
    np.testing.assert_allclose(longer[pairs.target_mask], np.array(theirs(inputs))[pairs.target_mask], atol=1e-12)


def test_the_mask_is_passed_on_where_keras_own_layer_loses_it():
    """What the lesson says of Concatenate; should Keras mend it, RepeatContext can go."""
    layers = keras_seq2seq.keras.layers
    x, code = layers.Embedding(3, 2, mask_zero=True)(np.array([[1, 2, 0]])), np.ones((1, 4), np.float32)
    joined = keras_seq2seq.RepeatContext()(x, code)
    np.testing.assert_array_equal(joined, np.concatenate([x, np.ones((1, 3, 4))], axis=2))
    again = keras_seq2seq.keras.ops.ones((1, 3, 4))
    assert np.array(joined._keras_mask).tolist() == [[True, True, False]]
    assert np.array(layers.Concatenate()([x, again])._keras_mask).all()


LOADING = """
import sys
import numpy as np
from course_lib.keras_seq2seq import keras  # which registers the layer
model, inputs = keras.models.load_model(sys.argv[1]), dict(np.load(sys.argv[2]))
np.save(sys.argv[3], np.array(model(inputs)))
"""


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # NumPy 2 about TensorFlow
def test_a_saved_model_with_our_own_layer_loads_in_a_new_process(tmp_path):
    rng = np.random.default_rng(0)
    model = keras_seq2seq.to_keras(random_model(rng, context_at_every_step=True))
    inputs, _ = keras_seq2seq.inputs_and_targets(random_pairs(rng))
    paths = [str(tmp_path / name) for name in ("model.keras", "inputs.npz", "scores.npy")]
    model.save(paths[0])
    np.savez(paths[1], **inputs)
    done = subprocess.run(
        [sys.executable, "-c", LOADING, *paths], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(paths[2]), np.array(model(inputs)))


def test_training_in_keras_takes_the_steps_that_ours_takes():
    """By plain descent: Adam would make a whole step of a gradient that is nothing but a rounding error."""
    rng = np.random.default_rng(0)
    ours, pairs = random_model(rng, context_at_every_step=True), random_pairs(rng)
    theirs, descent = keras_seq2seq.to_keras(ours), SGD(0.1)
    theirs.compile(optimizer=keras_seq2seq.keras.optimizers.SGD(0.1), loss=theirs.loss, jit_compile=False)
    there = theirs.fit(*keras_seq2seq.inputs_and_targets(pairs), epochs=5, verbose=0).history["loss"]
    here = [ours.train_on_batch(pairs, pairs.target_out, pairs.target_mask, optimizer=descent)[0] for _ in range(5)]
    np.testing.assert_allclose(there, here, rtol=1e-5)
    assert here[-1] < here[0] - 0.1


def share_repeated_after_fit(seed):
    """Train an encoder-decoder to repeat words of one or two symbols; the share of words that it then repeats."""
    rng = np.random.default_rng(seed)
    keras_seq2seq.keras.utils.set_random_seed(seed)
    words = [rng.integers(0, 4, n) for n in rng.integers(1, 3, 300)]
    inputs, answers = keras_seq2seq.inputs_and_targets(teacher_forcing(words, words, start=4, stop=5))
    model = keras_seq2seq.encoder_decoder(4, 6, 32, embedding=8)
    model.fit(inputs, answers, batch_size=32, epochs=10, verbose=0)
    fed, written = np.full((300, 1), 4 + 1), [[] for _ in words]  # it writes by being fed what it has said so far
    for _ in range(3):
        said = np.array(model({"source": inputs["source"], "target_in": fed}))[:, -1].argmax(axis=1)
        fed = np.hstack([fed, said[:, None] + 1])
    for row, said in zip(written, fed[:, 1:] - 1, strict=True):
        row += said[: list(said).index(5)].tolist() if 5 in said else said.tolist()
    return exact_match(written, words)


@pytest.mark.slow
def test_encoder_decoders_learn_to_repeat_by_fit():
    assert np.median([share_repeated_after_fit(seed) for seed in range(3)]) > 0.9


def test_only_plain_encoder_decoders_can_be_converted():
    rng = np.random.default_rng(0)
    for how in (dict(attention="dot"), dict(bidirectional=True)):
        with pytest.raises(ValueError, match="one direction and without attention, but got"):
            keras_seq2seq.to_keras(random_model(rng, **how))
