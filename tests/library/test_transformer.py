"""Attention without recurrence: gradients, equality with Keras, masks, step by step as at once, training, keeping."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.attention import MultiHeadAttention, causal_mask, positional_encoding
from course_lib.generation import beam_search, greedy, log_softmax
from course_lib.gradients import check_gradients
from course_lib.layers import LayerNormalization
from course_lib.optimizers import Adam
from course_lib.seq2seq import teacher_forcing
from course_lib.transformer import Transformer, TransformerBlock

START, STOP = 4, 5  # of a target vocabulary of six symbols


@pytest.fixture(scope="module")
def keras():
    from course_lib.keras_models import keras

    return keras


def all_weights_matter(part, rng):
    """Zeros and ones could hide a bug."""
    for w in part.weights:
        w += rng.normal(scale=0.1, size=w.shape)
    return part


def made(rng, dtype=np.float64, **how):
    return all_weights_matter(Transformer(5, 6, 8, **dict(heads=2, hidden=7) | how, rng=rng, dtype=dtype), rng)


def some_pairs(rng, rows=3):
    sources = [rng.integers(0, 5, rng.integers(1, 5)) for _ in range(rows)]
    targets = [rng.integers(0, 4, rng.integers(0, 5)) for _ in range(rows)]
    return teacher_forcing(sources, targets, START, STOP)


# ----------------------------------------------------------------------------------------------------------- positions
@pytest.mark.parametrize("features", [2, 8, 16])
def test_positions_are_the_papers_formula(features):
    places = positional_encoding(50, features)
    assert places.shape == (50, features)
    for pos, i in np.ndindex(50, features // 2):
        angle = pos / 10000 ** (2 * i / features)
        assert places[pos, 2 * i] == pytest.approx(np.sin(angle), abs=1e-12)
        assert places[pos, 2 * i + 1] == pytest.approx(np.cos(angle), abs=1e-12)


def test_places_differ_and_have_a_fixed_length():
    places = positional_encoding(50, 16)
    np.testing.assert_allclose((places**2).sum(axis=1), 8)
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    assert (apart[~np.eye(50, dtype=bool)] > 0.5).all()


def test_an_odd_number_of_features_has_no_pairs_of_waves():
    with pytest.raises(ValueError, match="the number of features is even, but got 7"):
        positional_encoding(3, 7)


def test_causal_is_a_triangle():
    assert causal_mask(3).tolist() == [[True, False, False], [True, True, False], [True, True, True]]


# ----------------------------------------------------------------------------------------------------- normalisation
@given(st.integers(0, 2**32 - 1), st.sampled_from([(3, 5), (2, 4, 6), (1, 1, 2)]))
def test_layer_norm_is_its_formula_and_its_gradients_are_right(seed, shape):
    rng = np.random.default_rng(seed)
    layer = all_weights_matter(LayerNormalization(shape[-1], dtype=np.float64), rng)
    x, dy = rng.normal(2, 3, shape), rng.normal(size=shape)
    y = layer.forward(x)
    np.testing.assert_allclose(
        y, (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * layer.gamma + layer.beta
    )
    dx = layer.backward(dy)
    arrays = {"x": x, "gamma": layer.gamma, "beta": layer.beta}
    claimed = dict(zip(arrays, [dx, *(g.copy() for g in layer.grads)], strict=True))
    errors = check_gradients(lambda: float((layer.forward(x) * dy).sum()), arrays, claimed)
    assert max(errors.values()) < 1e-6


def test_layer_norm_of_a_constant_vector_is_the_bias():
    layer = LayerNormalization(4)
    assert (layer.forward(np.full((2, 4), 7, np.float32)) == 0).all()
    assert np.isfinite(layer.backward(np.ones((2, 4), np.float32))).all()


@pytest.mark.parametrize("epsilon", [1e-5, 1e-2])
def test_layer_norm_equals_keras(keras, epsilon):
    rng = np.random.default_rng(0)
    ours = all_weights_matter(LayerNormalization(6, epsilon=epsilon, dtype=np.float64), rng)
    theirs = keras.layers.LayerNormalization(epsilon=epsilon, dtype="float64")
    x = rng.normal(scale=0.1, size=(2, 3, 6))
    theirs(x)
    theirs.set_weights(ours.get_weights())
    np.testing.assert_allclose(ours.forward(x), theirs(x), atol=1e-10)


# -------------------------------------------------------------------------------------------------------------- heads
def by_hand(layer, x, memory, mask):
    """One number after the other."""
    (W_q, b_q), (W_k, b_k), (W_v, b_v), (W_o, b_o) = (
        (p.kernel, p.bias) for p in (layer.query, layer.key, layer.value, layer.output)
    )
    q, k, v = x @ W_q + b_q, memory @ W_k + b_k, memory @ W_v + b_v
    size = q.shape[-1] // layer.heads
    answers = np.zeros_like(q)
    for row, t, head in np.ndindex(len(x), x.shape[1], layer.heads):
        part = slice(head * size, (head + 1) * size)
        seen = [s for s in range(memory.shape[1]) if mask[row, t, s]]
        e = np.array([np.exp(q[row, t, part] @ k[row, s, part] / np.sqrt(size)) for s in seen])
        for share, s in zip(e / e.sum(), seen, strict=True):
            answers[row, t, part] += share * v[row, s, part]
    return answers @ W_o + b_o


heads_and_shapes = dict(
    seed=st.integers(0, 2**32 - 1),
    heads=st.integers(1, 3),
    size=st.integers(1, 3),
    time=st.integers(1, 4),
    source=st.integers(1, 4),
)


@given(**heads_and_shapes)
def test_heads_are_their_formula_and_their_gradients_are_right(seed, heads, size, time, source):
    rng = np.random.default_rng(seed)
    layer = all_weights_matter(MultiHeadAttention(heads * size, heads, rng=rng, dtype=np.float64), rng)
    x, memory = rng.normal(size=(2, time, heads * size)), rng.normal(size=(2, source, heads * size))
    mask = rng.random((2, time, source)) < 0.6
    mask[..., 0] |= ~mask.any(axis=-1)
    y = layer.forward(x, memory, mask[:, None])
    np.testing.assert_allclose(y, by_hand(layer, x, memory, mask), atol=1e-12)
    assert (layer.attention_weights[np.broadcast_to(~mask[:, None], layer.attention_weights.shape)] == 0).all()
    np.testing.assert_allclose(layer.attention_weights.sum(axis=-1), 1)

    dy = rng.normal(size=y.shape)
    dx, d_memory = layer.backward(dy)
    arrays = {"x": x, "memory": memory} | dict(zip(layer.weight_names, layer.weights, strict=True))
    claimed = dict(zip(arrays, [dx, d_memory, *(g.copy() for g in layer.grads)], strict=True))
    errors = check_gradients(lambda: float((layer.forward(x, memory, mask[:, None]) * dy).sum()), arrays, claimed)
    assert max(errors.values()) < 1e-6


@pytest.mark.parametrize("mask", [None, "causal"])
def test_heads_equal_keras(keras, mask):
    rng = np.random.default_rng(1)
    ours = all_weights_matter(MultiHeadAttention(12, 3, rng=rng, dtype=np.float64), rng)
    theirs = keras.layers.MultiHeadAttention(num_heads=3, key_dim=4, dtype="float64")  # it rounds the root to float32
    x = rng.normal(size=(2, 4, 12))
    memory = x if mask else rng.normal(size=(2, 5, 12))
    theirs(x, memory)
    theirs.set_weights(
        [w.reshape(shaped.shape) for w, shaped in zip(ours.get_weights(), theirs.get_weights(), strict=True)]
    )
    answer, weights = theirs(x, memory, return_attention_scores=True, use_causal_mask=mask == "causal")
    np.testing.assert_allclose(ours.forward(x, memory, causal_mask(4) if mask else True), answer, atol=1e-10)
    np.testing.assert_allclose(ours.attention_weights, weights, atol=1e-10)
    flat = [w.reshape(mine.shape) for w, mine in zip(theirs.get_weights(), ours.weights, strict=True)]
    ours.set_weights(flat)
    np.testing.assert_allclose(ours.forward(x, memory, causal_mask(4) if mask else True), answer, atol=1e-10)


def test_self_attention_knows_no_order():
    rng = np.random.default_rng(2)
    layer = MultiHeadAttention(8, 2, rng=rng, dtype=np.float64)
    x, order = rng.normal(size=(1, 6, 8)), rng.permutation(6)
    np.testing.assert_allclose(layer.forward(x[:, order], x[:, order]), layer.forward(x, x)[:, order])


def test_what_cannot_be_is_answered_in_words():
    rng = np.random.default_rng(3)
    with pytest.raises(ValueError, match=r"got 8 features for 3 heads\. Take a multiple of 3"):
        MultiHeadAttention(8, 3, rng=rng)
    layer, x = MultiHeadAttention(4, 2, rng=rng), np.ones((2, 3, 4), np.float32)
    mask = np.array([[True, True, False], [False, False, False]])
    with pytest.raises(ValueError, match="leaves a position without anything to attend to"):
        layer.forward(x, x, mask[:, None, None])
    with pytest.raises(ValueError, match="number of features is even"):
        Transformer(5, 6, 3, heads=3, rng=rng)


# ------------------------------------------------------------------------------------------------------------- blocks
@pytest.mark.parametrize("cross_attention", [False, True])
def test_gradients_of_a_block(cross_attention):
    rng = np.random.default_rng(4)
    block = TransformerBlock(6, 2, 5, cross_attention, rng=rng, dtype=np.float64)
    for layer in block.layers:
        all_weights_matter(layer, rng)
    x, memory = rng.normal(size=(2, 4, 6)), rng.normal(size=(2, 3, 6)) if cross_attention else None
    memory_mask = np.array([[True, True, True], [True, False, False]])[:, None, None]
    dy = rng.normal(size=x.shape)

    def loss():
        return float((block.forward(x, causal_mask(4), memory, memory_mask) * dy).sum())

    loss()
    dx, d_memory = block.backward(dy)
    assert (d_memory is None) == (not cross_attention)
    arrays = {"x": x} | ({"memory": memory} if cross_attention else {})
    claimed = {"x": dx} | ({"memory": d_memory} if cross_attention else {})
    for i, layer in enumerate(block.layers):
        for name, w, g in zip(layer.weight_names, layer.weights, layer.grads, strict=True):
            arrays[f"{i}.{name}"], claimed[f"{i}.{name}"] = w, g.copy()
    assert max(check_gradients(loss, arrays, claimed).values()) < 1e-6


def test_a_block_adds_to_what_was_there():
    rng = np.random.default_rng(5)
    block = TransformerBlock(6, 2, 5, True, rng=rng, dtype=np.float64)
    for last in (block.self_attention.output, block.cross_attention.output, block.feed_forward[1]):
        last.kernel[...] = 0
    x = rng.normal(size=(1, 3, 6))
    np.testing.assert_array_equal(block.forward(x, memory=rng.normal(size=(1, 2, 6))), x)


# -------------------------------------------------------------------------------------------------------------- whole
@pytest.mark.parametrize("seed", [0, 1])
def test_the_transformers_gradients_against_finite_differences(seed):
    rng = np.random.default_rng(seed)
    model, pairs = made(rng), some_pairs(rng)

    def loss():
        return model.loss.forward(model.forward(pairs), pairs.target_out, pairs.target_mask)

    loss()
    model.backward(model.loss.backward())
    names = [str(i) for i in range(len(model.weights))]
    grads = [g.copy() for g in model.grads]
    assert sum(np.abs(g).max() > 1e-4 for g in grads) > 0.8 * len(grads)
    errors = check_gradients(loss, dict(zip(names, model.weights, strict=True)), dict(zip(names, grads, strict=True)))
    assert max(errors.values()) < 1e-6


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_the_past_does_not_see_the_future(seed, t):
    rng = np.random.default_rng(seed)
    model = made(rng)
    pairs = teacher_forcing([rng.integers(0, 5, 4)], [rng.integers(0, 4, 5)], START, STOP)
    before = model.forward(pairs)
    pairs.target_in[:, t:] = (pairs.target_in[:, t:] + 1) % 4
    after = model.forward(pairs)
    np.testing.assert_allclose(after[:, :t], before[:, :t], atol=1e-12)
    assert np.abs(after[:, t:] - before[:, t:]).max() > 1e-6


@given(st.integers(0, 2**32 - 1), st.integers(0, 3))
def test_every_place_of_the_source_reaches_every_step(seed, place):
    rng = np.random.default_rng(seed)
    model = made(rng)
    pairs = teacher_forcing([rng.integers(0, 5, 4)], [rng.integers(0, 4, 3)], START, STOP)
    before = model.forward(pairs)
    pairs.source[0, place] = (pairs.source[0, place] + 1) % 5
    assert (np.abs(model.forward(pairs) - before).max(axis=-1) > 1e-9).all()


@given(st.integers(0, 2**32 - 1))
def test_the_order_of_the_source_matters(seed):
    rng = np.random.default_rng(seed)
    model = made(rng)
    one, other = (model.forward(teacher_forcing([source], [[1]], START, STOP)) for source in ([0, 1, 2], [2, 1, 0]))
    assert np.abs(one - other).max() > 1e-6


@given(st.integers(0, 2**32 - 1))
def test_padding_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    model = made(rng)
    sources, targets = [rng.integers(0, 5, 2), rng.integers(0, 5, 6)], [rng.integers(0, 4, 3), rng.integers(0, 4, 5)]
    together = model.forward(teacher_forcing(sources, targets, START, STOP))
    assert (model.attention_weights[0, :, 2:] == 0).all()
    alone = model.forward(teacher_forcing(sources[:1], targets[:1], START, STOP))
    np.testing.assert_allclose(together[:1, :4], alone, atol=1e-10)


def test_attention_weights_are_those_of_the_last_block():
    rng = np.random.default_rng(8)
    model = made(rng)
    for array in model.decoder_blocks[-1].cross_attention.query.weights:
        array[...] = 0  # no question: it looks at all alike
    pairs = teacher_forcing([[0, 1, 2, 3], [4, 1]], [[1, 2], [3]], START, STOP)
    model.forward(pairs)
    np.testing.assert_allclose(model.attention_weights[0], 1 / 4)
    np.testing.assert_allclose(model.attention_weights[1, :, :2], 1 / 2)
    assert np.abs(model.decoder_blocks[0].cross_attention.attention_weights - 1 / 4).max() > 1e-3


def test_steps_are_the_forward_pass_one_symbol_at_a_time():
    rng = np.random.default_rng(2)
    model, pairs = made(rng), some_pairs(rng)
    state = model.encode(pairs.source, pairs.source_mask)
    whole = log_softmax(model.forward(pairs))
    for t in range(pairs.target_in.shape[1]):
        log_p, state = model.step(pairs.target_in[:, t], state)
        real = pairs.target_mask[:, t]
        np.testing.assert_allclose(log_p[real], whole[real, t], atol=1e-10)


@given(st.integers(0, 2**32 - 1))
def test_a_beam_of_one_is_greedy(seed):
    rng = np.random.default_rng(seed)
    model, pairs = made(rng), some_pairs(rng, rows=2)
    ways = [
        choose(
            model.step,
            pairs.target_in[:, :1],
            model.encode(pairs.source, pairs.source_mask),
            max_length=4,
            stop=STOP,
            **how,
        )
        for choose, how in ((greedy, {}), (beam_search, dict(width=1)))
    ]
    for one, other in zip(ways[0].symbols, ways[1].symbols, strict=True):
        assert list(one) == list(other)


def test_float32_stays_float32():
    rng = np.random.default_rng(6)
    model, pairs = Transformer(5, 6, 8, heads=2, rng=rng), some_pairs(rng)
    assert model.forward(pairs).dtype == np.float32
    model.backward(np.ones((*pairs.target_in.shape, 6)))
    assert {g.dtype for g in model.grads} == {np.dtype(np.float32)}
    assert [g.shape for g in model.grads] == [w.shape for w in model.weights]


def test_it_starts_with_symbols_as_large_as_their_places():
    model = Transformer(50, 50, 64, rng=np.random.default_rng(7))
    for embedding in (model.source_embedding, model.target_embedding):
        ratio = np.sqrt((embedding.kernel**2).mean() / (positional_encoding(20, 64) ** 2).mean())
        assert 0.5 < ratio < 2


def test_it_fits_a_small_batch():
    """The loss on sixteen ciphers, the middle of three starts."""
    left = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        sources = list(rng.integers(0, 4, (16, 3)))
        pairs = teacher_forcing(sources, [(s + 1) % 4 for s in sources], START, STOP)
        model = Transformer(4, 6, 16, heads=2, hidden=16, blocks=1, rng=rng)
        before = model.evaluate(pairs)
        model.fit(pairs, optimizer=Adam(0.01), epochs=60, batch_size=16, rng=rng, clip_norm=1.0, progress=False)
        left.append(model.evaluate(pairs) / before)
    assert np.median(left) < 0.5


@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_whatever_is_computed_in_batches_equals_one_batch(seed, batch_size):
    rng = np.random.default_rng(seed)
    model, pairs = made(rng), some_pairs(rng, rows=5)
    assert model.evaluate(pairs, batch_size=batch_size) == pytest.approx(model.evaluate(pairs), abs=1e-12)
    source, mask = rng.integers(0, 5, (5, 4)), rng.random((5, 4)) < 0.6
    mask[np.arange(5), rng.integers(0, 4, 5)] = True
    how = dict(start=START, stop=STOP, max_length=4)
    in_parts, at_once = (model.predict(source, mask, **how, batch_size=size) for size in (batch_size, 100))
    assert [row.tolist() for row in in_parts] == [row.tolist() for row in at_once]


@pytest.mark.parametrize("cross_attention", [False, True])
def test_a_block_says_whether_it_needs_a_memory(cross_attention):
    block, x = TransformerBlock(4, 2, 5, cross_attention, rng=np.random.default_rng(0)), np.ones((1, 3, 4), np.float32)
    with pytest.raises(ValueError, match="got no memory" if cross_attention else "got a memory"):
        block.forward(x, memory=None if cross_attention else x)
    assert block.config() == dict(features=4, heads=2, hidden=5, cross_attention=cross_attention)
    assert len(block.weight_names) == len(block.weights) == len(set(block.weight_names))


@given(st.integers(0, 2**32 - 1), st.sampled_from([dict(), dict(heads=4, blocks=1)]))
def test_a_saved_transformer_comes_back(tmp_path_factory, seed, how):
    rng = np.random.default_rng(seed)
    model, pairs = made(rng, **how), some_pairs(rng)
    path = tmp_path_factory.mktemp("kept") / "model.npz"
    model.save(path)
    again = Transformer.load(path)
    assert again.weights[0].dtype == np.float64
    np.testing.assert_array_equal(again.forward(pairs), model.forward(pairs))
