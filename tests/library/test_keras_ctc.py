"""CTC against TensorFlow and Keras, whose own loss is computed in float32: value and gradient."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.ctc import CTCLoss, greedy_decode

tf = pytest.importorskip("tensorflow", reason="TensorFlow has no wheel for this platform")
keras = tf.keras


def a_batch(rng, rows, time, classes):
    """Logits, labels padded with 0, and lengths of both; each row is long enough."""
    labels, lengths, steps = np.zeros((rows, time), int), rng.integers(1, time // 2 + 1, rows), []
    for row, length in enumerate(lengths):
        labels[row, :length] = rng.integers(1, classes, length)
        steps.append(rng.integers(length + (np.diff(labels[row, :length]) == 0).sum(), time + 1))
    return 2 * rng.normal(size=(rows, time, classes)), labels, lengths, np.array(steps)


@given(seed=st.integers(0, 999), rows=st.integers(1, 4), time=st.sampled_from([2, 5, 9, 20]), classes=st.integers(2, 6))
@settings(max_examples=15)
def test_value_and_gradient(seed, rows, time, classes):
    logits, labels, lengths, steps = a_batch(np.random.default_rng(seed), rows, time, classes)
    tensor = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        theirs = tf.reduce_mean(keras.ops.ctc_loss(labels, tensor, lengths, steps))
    loss, mask = CTCLoss(), np.arange(time) < steps[:, None]
    assert loss.forward(logits, labels, mask) == pytest.approx(float(theirs), rel=2e-6, abs=2e-6)
    np.testing.assert_allclose(loss.backward(), tape.gradient(theirs, tensor), atol=2e-6)


def test_the_blank_is_class_0_there_too_and_may_be_the_last():
    assert inspect.signature(keras.ops.ctc_loss).parameters["mask_index"].default == CTCLoss.blank == 0

    class LastIsBlank(CTCLoss):
        blank = -1

    logits, labels, lengths, steps = a_batch(np.random.default_rng(0), 3, 8, 4)
    theirs = np.mean(keras.ops.ctc_loss(labels - 1, logits, lengths, steps, mask_index=3))
    value = LastIsBlank().forward(logits, labels - 1, np.arange(8) < steps[:, None])
    assert value == pytest.approx(float(theirs), rel=2e-6)


def test_keras_own_loss_counts_padded_steps():
    logits, labels, _, steps = a_batch(np.random.default_rng(1), 4, 8, 4)
    theirs, mask = float(keras.losses.CTC()(labels, logits.astype(np.float32))), np.arange(8) < steps[:, None]
    assert CTCLoss().forward(logits, labels) == pytest.approx(theirs, rel=2e-6)
    assert abs(CTCLoss().forward(logits, labels, mask) - theirs) > 0.1


def test_greedy_decoding():
    logits, _, _, steps = a_batch(np.random.default_rng(2), 16, 12, 4)
    (decoded,), _ = tf.nn.ctc_greedy_decoder(
        tf.constant(logits.swapaxes(0, 1)), tf.constant(steps, tf.int32), blank_index=0
    )
    theirs = [[int(s) for s in row if s >= 0] for row in tf.sparse.to_dense(decoded, default_value=-1).numpy()]
    assert greedy_decode(logits, np.arange(12) < steps[:, None]) == theirs
