"""Encoder-decoder and attention: gradients, masks, equality with Keras, step by step as at once, training, keeping."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib import tasks
from course_lib.attention import AdditiveAttention, DotAttention
from course_lib.generation import beam_search, greedy, log_softmax, sample
from course_lib.gradients import check_gradients
from course_lib.optimizers import SGD, Adam
from course_lib.seq2seq import BahdanauEncoderDecoder, EncoderDecoder, Pairs, scheduled_sampling, teacher_forcing
from course_lib.transformer import Transformer

START, STOP = 4, 5  # of a target vocabulary of six symbols
VARIANTS = [
    *(
        dict(maker=EncoderDecoder, kind=kind, bidirectional=both, context_at_every_step=context, attention=attention)
        for kind, both, context, attention in itertools.product(
            ["GRU", "LSTM", "SimpleRNN"], [False, True], [False, True], [None, "dot", "additive"]
        )
    ),
    *(
        dict(maker=BahdanauEncoderDecoder, kind=kind, bidirectional=both, attention=attention)
        for kind, both, attention in itertools.product(["GRU", "LSTM"], [False, True], ["dot", "additive"])
    ),
]
every_variant = pytest.mark.parametrize(
    "variant", VARIANTS, ids=lambda v: "-".join(str(part.__name__ if callable(part) else part) for part in v.values())
)
some_variants = st.sampled_from(VARIANTS)


def made(variant, rng, units=4, dtype=np.float64):
    """A model all of whose weights matter."""
    variant = dict(variant)
    model = variant.pop("maker")(5, 6, units, rng=rng, embedding=3, dtype=dtype, **variant)
    for w in model.weights:
        w[...] = rng.normal(size=w.shape)
    return model


def random_pairs(rng, count=3, longest=5):
    sources = [rng.integers(0, 5, rng.integers(1, longest + 1)) for _ in range(count)]
    targets = [rng.integers(0, 4, rng.integers(0, longest)) for _ in range(count)]
    return teacher_forcing(sources, targets, START, STOP)


def names(model):
    return [f"{i}.{name}" for i, layer in enumerate(model.layers) for name in layer.weight_names]


# --------------------------------------------------------------------------------------------------------- attention
def made_attention(kind, query_features, memory_features, rng):
    if kind == "dot":
        return DotAttention()
    attention = AdditiveAttention(query_features, memory_features, 3, rng=rng, dtype=np.float64)
    for w in attention.weights:
        w[...] = rng.normal(size=w.shape)
    return attention


attention_sizes = dict(
    kind=st.sampled_from(["dot", "additive"]),
    batch=st.integers(1, 3),
    target=st.integers(1, 4),
    source=st.integers(1, 4),
    features=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    masked=st.booleans(),
    seed=st.integers(0, 999),
)


def attention_case(kind, batch, target, source, features, masked, seed):
    rng = np.random.default_rng(seed)
    query, memory = features if kind == "additive" else features[:1] * 2
    mask = np.arange(source) < rng.integers(1, source + 1, batch)[:, None] if masked else None
    return (
        made_attention(kind, query, memory, rng),
        rng.normal(size=(batch, target, query)),
        rng.normal(size=(batch, source, memory)),
        mask,
        rng,
    )


@given(**attention_sizes)
def test_gradients_of_attention(**sizes):
    attention, queries, memory, mask, rng = attention_case(**sizes)
    gradient = rng.normal(size=(*queries.shape[:2], memory.shape[2]))

    def loss():
        return np.sum(attention.forward(queries, memory, mask)[0] * gradient)

    loss()
    d_queries, d_memory = attention.backward(gradient)
    known = dict(zip(attention.weight_names, attention.weights, strict=True))
    grads = dict(zip(attention.weight_names, attention.grads, strict=True))
    check_gradients(
        loss, dict(queries=queries, memory=memory) | known, dict(queries=d_queries, memory=d_memory) | grads
    )
    if mask is not None:
        assert not d_memory[~mask].any()


@given(**attention_sizes)
def test_attention_is_its_formula(**sizes):
    attention, queries, memory, mask, _ = attention_case(**sizes)
    context, weights = attention.forward(queries, memory, mask)
    for b, t in np.ndindex(queries.shape[:2]):
        real = memory[b] if mask is None else memory[b][mask[b]]
        q = queries[b, t]
        scores = [
            q @ m
            if sizes["kind"] == "dot"
            else attention.scale @ np.tanh(q @ attention.query_kernel + m @ attention.memory_kernel + attention.bias)
            for m in real
        ]
        wanted = np.exp(scores) / np.exp(scores).sum()
        np.testing.assert_allclose(weights[b, t, : len(real)], wanted, atol=1e-12)
        assert not weights[b, t, len(real) :].any()
        np.testing.assert_allclose(context[b, t], wanted @ real, atol=1e-12)


def test_a_query_like_one_step_of_the_memory_finds_it():
    memory = 10 * np.eye(4)[None]
    context, weights = DotAttention().forward(memory[:, [2, 0]], memory)
    np.testing.assert_allclose(weights[0], np.eye(4)[[2, 0]], atol=1e-12)
    np.testing.assert_allclose(context, memory[:, [2, 0]], atol=1e-10)


# ------------------------------------------------------------------------------------------------------ whole models
def assert_right_gradients(variant, rng):
    model, pairs = made(variant, rng, units=2), random_pairs(rng, longest=4)

    def loss():
        return model.loss.forward(model.forward(pairs), pairs.target_out, pairs.target_mask)

    loss()
    model.backward(model.loss.backward())
    check_gradients(
        loss, dict(zip(names(model), model.weights, strict=True)), dict(zip(names(model), model.grads, strict=True))
    )


@pytest.mark.parametrize("number", range(len(VARIANTS)))
def test_gradients_of_every_variant(number):
    assert_right_gradients(VARIANTS[number], np.random.default_rng(number))


@given(variant=some_variants, seed=st.integers(0, 999))
@settings(max_examples=15)
def test_gradients_over_random_shapes_and_masks(variant, seed):
    assert_right_gradients(variant, np.random.default_rng(seed))


@pytest.mark.parametrize("number", [0, 4, -1])
def test_gradients_with_dropout_and_none_of_it_outside_training(number):
    rng = np.random.default_rng(0)
    model = made(VARIANTS[number] | dict(dropout=0.4), rng, units=2)
    plain, pairs = made(VARIANTS[number], rng, units=2), random_pairs(rng)
    for mine, theirs in zip(plain.weights, model.weights, strict=True):
        mine[...] = theirs
    np.testing.assert_array_equal(model.forward(pairs), plain.forward(pairs))

    def loss():
        for seed, layer in enumerate(model.dropouts):
            layer.rng = np.random.default_rng(seed)  # the same silence each time
        return model.loss.forward(model.forward(pairs, training=True), pairs.target_out, pairs.target_mask)

    assert loss() != plain.loss.forward(plain.forward(pairs), pairs.target_out, pairs.target_mask)
    model.backward(model.loss.backward())
    check_gradients(
        loss, dict(zip(names(model), model.weights, strict=True)), dict(zip(names(model), model.grads, strict=True))
    )


@pytest.mark.parametrize("number", [0, 4, -1])
def test_dropout_is_at_three_places_and_only_while_training(number, monkeypatch):
    rng = np.random.default_rng(0)
    model, pairs = made(VARIANTS[number] | dict(dropout=0.4), rng), random_pairs(rng)
    silenced = []
    for layer in model.dropouts:
        plain = layer.forward
        monkeypatch.setattr(
            layer,
            "forward",
            lambda x, training, plain=plain: (silenced.append((x.shape, training)), plain(x, training))[1],
        )
    model.forward(pairs, training=True)
    (batch, source), target = pairs.source.shape, pairs.target_in.shape[1]
    assert silenced == [((batch, source, 3), True), ((batch, target, 3), True), ((batch, target, 4), True)]
    silenced.clear()
    model.forward(pairs)
    assert len(silenced) == 3
    assert not any(training for _, training in silenced)


def test_the_parts_may_be_used_by_themselves_in_between():
    """Layers keep their working memory from call to call; the steps of an unrolled decoder must not share it."""
    rng = np.random.default_rng(0)
    for attention in ("dot", "additive"):
        model, pairs = made(VARIANTS[-1] | dict(attention=attention), rng), random_pairs(rng)
        grads = []
        for _ in range(2):
            model.loss.forward(model.forward(pairs), pairs.target_out, pairs.target_mask)
            model.backward(model.loss.backward())
            grads.append([g.copy() for g in model.grads])
            model.decoder.forward(rng.normal(size=(3, 9, 7)))
            model.attention.forward(*rng.normal(size=(2, 3, 9, 4)))
        for a, b in zip(*grads, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-13)


@every_variant
def test_a_batch_is_each_pair_alone(variant):
    """Padding on either side changes no score, and the gradients of the parts add up to that of the whole."""
    rng = np.random.default_rng(0)
    model, pairs = made(variant, rng), random_pairs(rng, count=5)
    scores = model.forward(pairs)
    model.loss.forward(scores, pairs.target_out, pairs.target_mask)
    model.backward(model.loss.backward())
    whole, summed = model.grads, 0
    for row in range(5):
        alone = pairs[row : row + 1]
        assert alone.source_mask.all()
        assert alone.target_mask.all()
        own = model.forward(alone)
        np.testing.assert_allclose(own[0], scores[row][pairs.target_mask[row]], atol=1e-12)
        model.loss.forward(own, alone.target_out, alone.target_mask)
        model.backward(model.loss.backward() * alone.target_mask.sum() / pairs.target_mask.sum())
        summed = [g + (0 if row == 0 else s) for g, s in zip(model.grads, summed or [0] * len(whole), strict=True)]
    for a, b in zip(whole, summed, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


@every_variant
def test_step_by_step_says_what_teacher_forcing_says(variant):
    rng = np.random.default_rng(1)
    model, pairs = made(variant, rng), random_pairs(rng)
    whole = log_softmax(model.forward(pairs))
    weights = model.attention_weights if model.attention else None
    state = model.encode(pairs.source, pairs.source_mask)
    for t, symbols in enumerate(pairs.target_in.T):
        log_p, state = model.step(symbols, state)
        np.testing.assert_allclose(log_p, whole[:, t], atol=1e-12)
        if model.attention:
            np.testing.assert_allclose(model.attention_weights[:, 0], weights[:, t], atol=1e-12)
    if model.attention:
        assert weights.shape == (3, pairs.target_in.shape[1], pairs.source.shape[1])
        np.testing.assert_allclose(weights.sum(axis=2), 1)
        assert not weights.transpose(0, 2, 1)[~pairs.source_mask].any()


@given(variant=some_variants, seed=st.integers(0, 99))
@settings(max_examples=15)
def test_beams_carry_decoder_summary_and_memory(variant, seed):
    rng = np.random.default_rng(seed)
    model, pairs = made(variant, rng), random_pairs(rng)
    found = beam_search(
        model.step,
        pairs.target_in[:, :1],
        model.encode(pairs.source, pairs.source_mask),
        max_length=4,
        stop=STOP,
        width=3,
    )
    for row, hypotheses in enumerate(found.hypotheses):
        for h in hypotheses:
            said = [*h.symbols, *([STOP] if h.ended else [])]
            fed = teacher_forcing([pairs.source[row][pairs.source_mask[row]]], [said[:-1]], START, STOP)
            log_p = log_softmax(model.forward(fed))[0]
            assert h.log_probability == pytest.approx(log_p[np.arange(len(said)), said].sum(), abs=1e-9)


def test_without_attention_the_source_reaches_the_decoder_through_its_state_alone():
    rng = np.random.default_rng(0)
    for context, parts in ((False, 1), (True, 2)):
        model = made(dict(maker=EncoderDecoder, context_at_every_step=context), rng)
        state, *others = model.encode(np.array([[1, 2, 3]]))
        assert state.shape == (1, 4)
        assert sum(part is not None for part in (state, *others)) == parts


@pytest.mark.parametrize("variant", [VARIANTS[0], VARIANTS[-1]], ids=["plain", "Bahdanau"])
def test_float32_stays_float32(variant):
    rng = np.random.default_rng(0)
    model, pairs = made(variant, rng, dtype=np.float32), random_pairs(rng)
    scores = model.forward(pairs)
    model.loss.forward(scores, pairs.target_out, pairs.target_mask)
    model.backward(model.loss.backward())
    assert {a.dtype for a in (scores, *model.weights, *model.grads)} == {np.dtype(np.float32)}


# ------------------------------------------------------------------------------------------------------------- Keras
class KerasEncoderDecoder:
    """The same model built from Keras' layers, with a copy of the weights."""

    def __init__(self, model):
        from course_lib import keras_models

        self.tf, self.keras, self.model = keras_models.tf, keras_models.keras, model
        layers = {id(layer): keras_models.to_keras(layer) for layer in model.layers if layer is not model.attention}
        (self.source_embedding, self.encoder, self.target_embedding, self.decoder, self.output_layer) = (
            layers[id(layer)]
            for layer in (
                model.source_embedding,
                model.encoder,
                model.target_embedding,
                model.decoder,
                model.output_layer,
            )
        )
        self.combine = layers[id(model.combine)] if model.combine else None
        self.attention_layers = []
        if isinstance(model.attention, AdditiveAttention):
            self.attention = self.keras.layers.AdditiveAttention(dtype="float64")
            self.attention.build([(None, None, model.units)] * 2)
            units, ours = model.units, model.attention
            self.query, self.key = (
                self.keras.layers.Dense(units, use_bias=bias, dtype="float64") for bias in (False, True)
            )
            for dense in (self.query, self.key):
                dense.build((None, units))
            self.query.set_weights([ours.query_kernel])
            self.key.set_weights([ours.memory_kernel, ours.bias])
            self.attention.set_weights([ours.scale])
            self.attention_layers = [self.query, self.key, self.attention]
        elif model.attention:
            self.attention = self.keras.layers.Attention(dtype="float64")

    @property
    def variables(self):
        parts = [
            self.source_embedding,
            self.encoder,
            self.target_embedding,
            self.decoder,
            *self.attention_layers,
            *([self.combine] if self.combine else []),
            self.output_layer,
        ]
        return [v for part in parts for v in part.trainable_variables]

    def attend(self, queries, memory, mask):
        if self.attention_layers:
            return self.attention([self.query(queries), memory, self.key(memory)], mask=[None, mask])
        return self.attention([queries, memory], mask=[None, mask])

    def scores(self, pairs):
        tf, model = self.tf, self.model
        mask = tf.constant(pairs.source_mask)
        memory, *states = self.encoder(self.source_embedding(pairs.source), mask=mask)
        if hasattr(self.encoder, "backward_layer"):
            half = len(states) // 2
            states = [tf.concat(both, axis=-1) for both in zip(states[:half], states[half:], strict=True)]
        x = self.target_embedding(pairs.target_in)
        steps = pairs.target_in.shape[1]
        if isinstance(model, BahdanauEncoderDecoder):
            hs, contexts = [], []
            for t in range(steps):
                context = self.attend(states[0][:, None], memory, mask)
                h, *states = self.decoder(tf.concat([x[:, t : t + 1], context], axis=-1), initial_state=states)
                hs.append(h)
                contexts.append(context)
            h = self.combine(tf.concat([tf.concat(hs, axis=1), tf.concat(contexts, axis=1)], axis=-1))
            return self.output_layer(h)
        if model.context_at_every_step:
            x = tf.concat([x, tf.repeat(states[0][:, None], steps, axis=1)], axis=-1)
        h, *_ = self.decoder(x, initial_state=states)
        if model.attention:
            h = self.combine(tf.concat([h, self.attend(h, memory, mask)], axis=-1))
        return self.output_layer(h)


@every_variant
def test_equal_to_keras_in_scores_loss_and_every_gradient(variant):
    pytest.importorskip("tensorflow", reason="TensorFlow has no wheel for this platform")
    rng = np.random.default_rng(2)
    model, pairs = made(variant, rng), random_pairs(rng)
    theirs = KerasEncoderDecoder(model)
    with theirs.tf.GradientTape() as tape:
        scores = theirs.scores(pairs)
        losses = theirs.tf.nn.sparse_softmax_cross_entropy_with_logits(pairs.target_out, scores)
        loss = theirs.tf.reduce_sum(losses * pairs.target_mask) / pairs.target_mask.sum()
    expected = tape.gradient(loss, theirs.variables)
    ours = model.forward(pairs)
    np.testing.assert_allclose(ours, scores, atol=1e-10)
    assert model.loss.forward(ours, pairs.target_out, pairs.target_mask) == pytest.approx(float(loss), abs=1e-10)
    model.backward(model.loss.backward())
    for name, mine, keras_gradient in zip(names(model), model.grads, expected, strict=True):
        np.testing.assert_allclose(mine, theirs.tf.convert_to_tensor(keras_gradient), atol=1e-10, err_msg=name)


# -------------------------------------------------------------------------------------------------------------- pairs
def test_teacher_forcing_shifts_the_target_by_one():
    pairs = teacher_forcing([[0, 1, 2], [3]], [[1, 2], []], START, STOP)
    assert pairs.source[pairs.source_mask].tolist() == [0, 1, 2, 3]
    assert pairs.target_in[pairs.target_mask].tolist() == [START, 1, 2, START]
    assert pairs.target_out[pairs.target_mask].tolist() == [1, 2, STOP, STOP]
    assert pairs.target_mask.tolist() == [[True] * 3, [True, False, False]]
    assert len(pairs) == 2


def test_a_part_of_the_pairs_has_no_padding_that_is_common_to_all():
    pairs = teacher_forcing([[0, 1, 2], [3], [4, 4]], [[1], [], [2, 2, 2]], START, STOP)
    some = pairs[[1, 0]]
    assert (some.source.shape, some.target_in.shape) == ((2, 3), (2, 2))
    assert some.source.tolist()[1] == [0, 1, 2]
    assert pairs[1:2].source.shape == pairs[1:2].target_out.shape == (1, 1)


def test_batches_bring_every_pair_once_in_random_order_with_little_padding():
    rng = np.random.default_rng(0)
    sources = [[i % 5] * (1 + i % 17) for i in range(403)]
    pairs = teacher_forcing(sources, [[i // 100, i // 10 % 10, i % 10] for i in range(403)], START, STOP)
    seen, padding = [], []
    for batch in pairs.batches(16, rng):
        assert len(batch) <= 16
        padding.append(1 - batch.source_mask.mean())
        seen += [int(x @ [100, 10, 1]) for x in batch.target_in[:, 1:]]
    assert sorted(seen) == list(range(403))
    assert seen != sorted(seen)
    assert np.mean(padding) < 0.1 < 1 - pairs.source_mask.mean()
    assert seen != [int(x @ [100, 10, 1]) for b in pairs.batches(16, rng) for x in b.target_in[:, 1:]]


# -------------------------------------------------------------------------------------------------- scheduled sampling
def test_scheduled_sampling_at_its_two_ends():
    rng = np.random.default_rng(0)
    model, pairs = made(VARIANTS[1], rng), random_pairs(rng, count=4)
    same = scheduled_sampling(model, pairs, 1.0, rng)
    np.testing.assert_array_equal(same.target_in, pairs.target_in)
    model.output_layer.kernel *= 1e6  # so certain that a draw is the likeliest symbol
    free = scheduled_sampling(model, pairs, 0.0, rng)
    state = model.encode(pairs.source, pairs.source_mask)
    written = greedy(model.step, pairs.target_in[:, :1], state, max_length=pairs.target_in.shape[1])
    for row in range(4):
        real = pairs.target_mask[row, 1:]
        np.testing.assert_array_equal(free.target_in[row, 1:][real], written.symbols[row][: len(real)][real])
        np.testing.assert_array_equal(free.target_in[row, 1:][~real], pairs.target_in[row, 1:][~real])
    np.testing.assert_array_equal(free.target_in[:, 0], pairs.target_in[:, 0])
    for name in ("source", "source_mask", "target_out", "target_mask"):
        assert getattr(free, name) is getattr(pairs, name)


def test_scheduled_sampling_replaces_the_share_it_should_by_draws_of_the_model():
    rng = np.random.default_rng(0)
    model = made(VARIANTS[0], rng)
    model.output_layer.kernel[:] = 0
    model.output_layer.bias[:] = np.log([0.1, 0.2, 0.3, 0.4, 1e-9, 1e-9])
    pairs = teacher_forcing([[0]] * 2000, [[4] * 5] * 2000, START, STOP)  # symbol 4 is never drawn
    mixed = scheduled_sampling(model, pairs, 0.7, rng).target_in[:, 1:].ravel()
    assert np.mean(mixed != 4) == pytest.approx(0.3, abs=0.02)
    counts = np.bincount(mixed[mixed != 4], minlength=4)
    expected = np.array([0.1, 0.2, 0.3, 0.4]) * counts.sum()
    assert ((counts - expected) ** 2 / expected).sum() < 16.27  # chi-squared, 3 degrees of freedom, 99.9 %


# ----------------------------------------------------------------------------------------------------------- training
def reversal(count, rng, longest=5):
    sources = [rng.integers(0, 5, rng.integers(1, longest + 1)) for _ in range(count)]
    return sources, [s[::-1] for s in sources]


def learner(variant, seed, **how):
    """A small model for symbols 0 to 4, start 5 and stop 6."""
    variant = dict(variant)
    maker = variant.pop("maker", EncoderDecoder)
    return maker(5, 7, 16, rng=np.random.default_rng(seed), embedding=8, **variant, **how)


LEARNERS = pytest.mark.parametrize(
    "variant",
    [
        dict(),
        dict(context_at_every_step=True),
        dict(kind="LSTM", bidirectional=True),
        dict(attention="dot", bidirectional=True),
        dict(attention="additive"),
        dict(maker=BahdanauEncoderDecoder),
    ],
    ids=str,
)


@LEARNERS
def test_training_takes_the_steps_of_its_gradients(variant):
    """One epoch of plain descent by fit is the descent written out: shuffling, masks, clipping and order included."""
    pairs = teacher_forcing(*reversal(20, np.random.default_rng(0)), start=5, stop=6)
    trained, by_hand = (learner(variant, 1, dtype=np.float64) for _ in range(2))
    trained.fit(pairs, optimizer=SGD(0.1), batch_size=6, rng=np.random.default_rng(2), clip_norm=0.5, progress=False)
    for batch in pairs.batches(6, np.random.default_rng(2)):
        by_hand.loss.forward(by_hand.forward(batch), batch.target_out, batch.target_mask)
        by_hand.backward(by_hand.loss.backward())
        shorten = min(1, 0.5 / np.sqrt(sum((g**2).sum() for g in by_hand.grads)))
        for w, g in zip(by_hand.weights, by_hand.grads, strict=True):
            w -= 0.1 * shorten * g
    for a, b in zip(trained.weights, by_hand.weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


@LEARNERS
def test_every_model_fits_a_small_batch(variant):
    """The loss on sixteen pairs, which any of the models can learn by heart: the middle of three starts."""
    left = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        pairs = teacher_forcing(*reversal(16, rng), start=5, stop=6)
        model = learner(variant, seed)
        before = model.evaluate(pairs)
        history = model.fit(
            pairs, optimizer=Adam(0.01), epochs=60, batch_size=16, rng=rng, clip_norm=1.0, validation_data=pairs,
            progress=False,
        )  # fmt: skip
        left.append(model.evaluate(pairs) / before)
        assert history.history["val_loss"][-1] == model.evaluate(pairs)
        assert len(history.history["loss"]) == len(history.history["val_loss"]) == 60
    assert np.median(left) < 0.5


def test_an_autoencoder_is_an_encoder_decoder_whose_target_is_its_source():
    words = [[0, 1, 2], [3], [2, 2]]
    pairs = teacher_forcing(words, words, start=4, stop=5)
    np.testing.assert_array_equal(pairs.target_out[pairs.target_mask], [0, 1, 2, 5, 3, 5, 2, 2, 5])
    code = EncoderDecoder(4, 6, 32, rng=np.random.default_rng(0)).encode(pairs.source, pairs.source_mask)[0]
    assert code.shape == (3, 32)


def test_attention_reads_off_a_cipher_when_queries_match_their_letters():
    """The alignment is known: with states that are the letters' own one-hot vectors, the weights are the identity."""
    length = 6
    states = 20 * np.eye(length)[None]  # every step of source and target unlike all others, and alike in pairs
    _, weights = DotAttention().forward(states, states)
    np.testing.assert_allclose(weights[0], tasks.cipher_alignment(length), atol=1e-12)


def test_a_callable_makes_the_batches():
    rng = np.random.default_rng(0)
    model, pairs = made(VARIANTS[0], rng), random_pairs(rng, count=6)
    asked = []

    def epoch():
        asked.append(1)
        return (scheduled_sampling(model, batch, 0.5, rng) for batch in pairs.batches(2, rng))

    history = model.fit(epoch, optimizer=Adam(0.01), epochs=3)
    assert len(asked) == len(history.history["loss"]) == 3


def test_evaluate_is_the_mean_over_real_symbols_whatever_the_batches():
    rng = np.random.default_rng(0)
    model, pairs = made(VARIANTS[4], rng), random_pairs(rng, count=7)
    log_p = log_softmax(model.forward(pairs))
    right = np.take_along_axis(log_p, pairs.target_out[..., None], axis=2)[..., 0]
    for batch_size in (1, 3, 100):
        assert model.evaluate(pairs, batch_size=batch_size) == pytest.approx(-right[pairs.target_mask].mean())


@given(variant=some_variants, batch_size=st.integers(1, 8), seed=st.integers(0, 99))
@settings(max_examples=12)
def test_whatever_is_computed_in_batches_equals_one_batch(variant, batch_size, seed):
    rng = np.random.default_rng(seed)
    model, pairs = made(variant, rng), random_pairs(rng, count=6)
    assert model.evaluate(pairs, batch_size=batch_size) == pytest.approx(model.evaluate(pairs), abs=1e-12)
    assert model.evaluate(pairs, return_dict=True) == {"loss": model.evaluate(pairs)}
    source = rng.integers(0, 5, (6, 5))
    mask = rng.random((6, 5)) < 0.6  # with holes, and not only at the end
    mask[np.arange(6), rng.integers(0, 5, 6)] = True
    how = dict(start=START, stop=STOP, max_length=5)
    in_parts, at_once = (model.predict(source, mask, **how, batch_size=size) for size in (batch_size, 100))
    by_row = greedy(model.step, np.full((6, 1), START), model.encode(source, mask), max_length=5, stop=STOP).symbols
    for one, other, alone in zip(in_parts, at_once, by_row, strict=True):
        assert one.tolist() == other.tolist() == alone.tolist()


def test_predict_decodes_the_likeliest_symbols():
    model = EncoderDecoder(5, 6, 4, rng=np.random.default_rng(0))
    model.output_layer.bias[2] = 50
    how = dict(start=START, stop=STOP, max_length=3)
    assert [row.tolist() for row in model.predict([[1, 2], [3, 4]], **how)] == [[2] * 3] * 2
    model.output_layer.bias[STOP] = 100
    assert [row.tolist() for row in model.predict([[1, 2]], **how)] == [[]]


# ------------------------------------------------------------------------------------------------------------ keeping
@given(variant=some_variants)
@settings(max_examples=8)
def test_a_saved_model_comes_back(variant, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model.npz"
    rng = np.random.default_rng(0)
    model, pairs = made(variant, rng, dtype=np.float32), random_pairs(rng)
    model.save(path)
    loaded = type(model).load(path)
    np.testing.assert_array_equal(loaded.forward(pairs), model.forward(pairs))
    assert loaded.weights[0].dtype == np.float32
    other = BahdanauEncoderDecoder if type(model) is EncoderDecoder else EncoderDecoder
    with pytest.raises(ValueError, match=f"holds a model of class {type(model).__name__}, not {other.__name__}"):
        other.load(path)


def test_damaged_and_missing_files_are_answered_in_words(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file.*model\.save"):
        EncoderDecoder.load(tmp_path / "none.npz")
    made(VARIANTS[0], np.random.default_rng(0)).save(tmp_path / "whole.npz")
    content = (tmp_path / "whole.npz").read_bytes()
    for damaged in (content[:200], b"", b"text"):
        (tmp_path / "broken.npz").write_bytes(damaged)
        with pytest.raises(ValueError, match="cannot be read as a saved model"):
            EncoderDecoder.load(tmp_path / "broken.npz")


# ------------------------------------------------------------------------------------------------------------- errors
RNG = np.random.default_rng(0)
X = np.zeros((2, 3, 4))
SOURCE = np.array([[1, 2, 0], [0, 0, 0]])


def small(**how):
    return EncoderDecoder(5, 6, 4, rng=RNG, **how)


@pytest.mark.parametrize(
    ("error", "says", "mistake"),
    [
        (ValueError, r"kind is one of 'SimpleRNN', 'LSTM', 'GRU', but got 'gru'", lambda: small(kind="gru")),
        (ValueError, r"attention is one of None, 'dot', 'additive', but got 'luong'", lambda: small(attention="luong")),
        (ValueError, r"half of the units.*but got 5", lambda: EncoderDecoder(2, 2, 5, rng=RNG, bidirectional=True)),
        (ValueError, r"has an attention", lambda: BahdanauEncoderDecoder(2, 2, 4, rng=RNG, attention=None)),
        (
            ValueError,
            r"no context_at_every_step beside",
            lambda: BahdanauEncoderDecoder(2, 2, 4, rng=RNG, context_at_every_step=True),
        ),
        (AttributeError, r"no attention.*attention=", lambda: small().attention_weights),
        (ValueError, r"decodes from an encoded source.*model\.encode", lambda: greedy(small().step, [4], max_length=3)),
        (
            TypeError,
            r"source ids.*got Pairs",
            lambda: small().predict(random_pairs(RNG), start=4, stop=5, max_length=3),
        ),
        (ValueError, r"shape \(batch, source time\).*got shape \(3,\)", lambda: small().encode([1, 2, 3])),
        (ValueError, r"at least one row and one step.*\(2, 0\)", lambda: small().encode(np.zeros((2, 0), int))),
        (ValueError, r"booleans.*got int64", lambda: small().encode([[1, 2]], np.array([[1, 0]]))),
        (ValueError, r"row 1 without a real step", lambda: small().encode(SOURCE, SOURCE > 0)),
        (ValueError, r"row 1 without a real step", lambda: Transformer(5, 6, 4, rng=RNG).encode(SOURCE, SOURCE > 0)),
        (ValueError, r"got no state.*model\.encode", lambda: Transformer(5, 6, 4, rng=RNG).step(SOURCE[0], None)),
        (
            ValueError,
            r"max_length.*at least 1, but got 0",
            lambda: small().predict(SOURCE, start=4, stop=5, max_length=0),
        ),
        (TypeError, r"fit takes Pairs, but got a ndarray", lambda: small().fit(SOURCE, rng=RNG, optimizer=Adam())),
        (ValueError, r"at least one pair, but got none", lambda: small().evaluate(random_pairs(RNG)[:0])),
        (ValueError, r"\(2, 3\) booleans, but got float64", lambda: DotAttention().forward(X, X, np.ones((2, 3)))),
        (ValueError, r"got rng beside it", lambda: small().fit(list, rng=RNG, optimizer=Adam())),
        (
            ValueError,
            r"steps is for a callable",
            lambda: small().fit(random_pairs(RNG), rng=RNG, steps=2, optimizer=Adam()),
        ),
        (
            TypeError,
            r"validation_data takes Pairs",
            lambda: small().fit(random_pairs(RNG), rng=RNG, validation_data=(1, 2), optimizer=Adam()),
        ),
        (ValueError, r"pass rng=rng", lambda: small().fit(random_pairs(RNG), optimizer=Adam())),
        (ValueError, r"got 3 sources and 1 targets", lambda: teacher_forcing([[1]] * 3, [[1]], 4, 5)),
        (ValueError, r"at least one step, but got number 0", lambda: teacher_forcing([[]], [[1]], 4, 5)),
        (ValueError, r"from 0 to 1, but got 3", lambda: scheduled_sampling(small(), random_pairs(RNG), 3, RNG)),
        (ValueError, r"same batch, but got \(2, 3, 4\) and \(1, 3, 4\)", lambda: DotAttention().forward(X, X[:1])),
        (ValueError, r"same batch, but got \(3, 4\)", lambda: DotAttention().forward(X[0], X)),
        (ValueError, r"got queries of 4 and a memory of 2 features", lambda: DotAttention().forward(X, X[..., :2])),
        (
            ValueError,
            r"nothing to attend to",
            lambda: DotAttention().forward(X, X, np.array([[True] * 3, [False] * 3])),
        ),
        (RuntimeError, r"DotAttention\.backward was called before forward", lambda: DotAttention().backward(X)),
    ],
)
def test_mistakes_are_answered_in_words(error, says, mistake):
    with pytest.raises(error, match=f"(?s){says}"):
        mistake()


def test_sampling_from_a_source_needs_nothing_more_than_greedy():
    rng = np.random.default_rng(0)
    model, pairs = made(VARIANTS[2], rng), random_pairs(rng)
    state = model.encode(pairs.source, pairs.source_mask)
    drawn = sample(model.step, pairs.target_in[:, :1], state, max_length=5, stop=STOP, rng=rng)
    assert len(drawn.symbols) == 3


def test_pairs_cannot_be_changed_by_accident():
    with pytest.raises(AttributeError):
        random_pairs(RNG).source = None
    assert isinstance(random_pairs(RNG)[:1], Pairs)
