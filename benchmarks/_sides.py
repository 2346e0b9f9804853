"""What is measured: one class for each side. A side lives in a process of its own, see ``_children``.

``prepare`` makes a model for a case, ``run`` trains it for some steps and says how many seconds they took. Only what a
side needs is imported, so that PyTorch may live in an environment where nothing of the course is installed.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

BATCHES = 4  # different batches of noise that a training run goes round
RATE = 1e-3  # of Adam; its other settings are Keras' defaults everywhere
GATES = {"SimpleRNN": 1, "GRU": 3, "LSTM": 4}


class Case(NamedTuple):
    """One recurrent layer that reads numbers, and a linear layer that names one of ``symbols`` at every step."""

    kind: str
    batch: int
    time: int
    units: int
    features: int = 32
    symbols: int = 32

    def __str__(self):
        return f"{self.kind} {self.units}, batch {self.batch}, T {self.time}"


def data_of(case):
    """Noise to read, (BATCHES, batch, time, features), and noise to name, (BATCHES, batch, time)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCHES, case.batch, case.time, case.features)).astype(np.float32)
    return x, rng.integers(0, case.symbols, size=x.shape[:-1])


def our_model(case):
    """The course's model for a case; its weights are those that every other side starts from."""
    from course_lib import layers, recurrent
    from course_lib.layers import Dense
    from course_lib.model import Model

    if hasattr(layers, "SoftmaxCrossEntropy"):  # an older checkout, as --against may name
        from course_lib.layers import SoftmaxCrossEntropy
    else:
        from course_lib.losses import SoftmaxCrossEntropy

    rng = np.random.default_rng(1)
    layer = getattr(recurrent, case.kind)(case.features, case.units, rng=rng)
    return Model([layer, Dense(case.units, case.symbols, rng=rng)], SoftmaxCrossEntropy())


def products_of(case):
    """The matrix products of one training step, fewest and largest: [(part of the step, times, rows, inner, columns)].

    Those of the inputs and of the weights' gradients for all steps at once, those of the state one a step. The
    gradient for x is not among them: nothing in front of the layer would use it.
    """
    rows, gates = case.batch * case.time, GATES[case.kind] * case.units
    return [
        ("forward", 1, rows, case.features, gates),  # x W_x
        ("forward", case.time, case.batch, case.units, gates),  # h W_h, step by step
        ("output layer and loss", 1, rows, case.units, case.symbols),
        ("output layer and loss", 1, case.units, rows, case.symbols),  # its weights' gradient
        ("output layer and loss", 1, rows, case.symbols, case.units),  # and the gradient for h
        ("backward", case.time, case.batch, gates, case.units),  # the gradient back through W_h, step by step
        ("backward", 1, case.features, rows, gates),  # ∂L/∂W_x
        ("backward", 1, case.units, rows, gates),  # ∂L/∂W_h
    ]


def faster_product(rows, inner, columns, gates):
    """Factors and a place for a product: in one piece, or in as many pieces as there are gates if that is faster here.

    Which of the two is depends on the sizes and on the BLAS; a bound has to be the better one.
    """
    rng = np.random.default_rng(2)
    a = rng.normal(size=(rows, inner)).astype(np.float32)
    b = rng.normal(size=(inner, columns)).astype(np.float32)
    whole = a, b, np.empty((rows, columns), np.float32)
    if gates == 1:
        return whole
    pieces = a, b.reshape(inner, gates, -1).swapaxes(0, 1).copy(), np.empty((gates, rows, columns // gates), np.float32)
    seconds = {0: [], 1: []}
    for _ in range(30):
        for n, (left, right, out) in enumerate((whole, pieces)):
            start = time.perf_counter()
            np.matmul(left, right, out=out)
            seconds[n].append(time.perf_counter() - start)
    return pieces if min(seconds[1]) < min(seconds[0]) else whole


def gflop_of(case):
    """Billions of multiplications and additions in those products."""
    return sum(2e-9 * times * a * b * c for _, times, a, b, c in products_of(case))


@contextmanager
def quiet():
    """Without what libraries print to stderr behind Python's back."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


class Ours:
    """The course's NumPy; also the bare products, which are what no arrangement of it could do without."""

    modes = ("ours",)
    clock = staticmethod(time.perf_counter)

    def __init__(self, threads):
        self.versions = f"NumPy {np.__version__}"

    def prepare(self, case):
        from course_lib.optimizers import Adam

        self.case, self.model, self.optimizer = case, our_model(case), Adam(RATE)
        self.x, self.y = data_of(case)
        self.steps = 0
        self.products = [
            (part, times, *faster_product(a, b, c, GATES[case.kind] if part == "forward" and times > 1 else 1))
            for part, times, a, b, c in products_of(case)
        ]
        return self.weights()

    def run(self, mode, steps):
        """Seconds of some training steps, or of their products alone; and the last loss."""
        if mode == "products":
            start = time.perf_counter()
            for _ in range(steps):
                for _, times, a, b, out in self.products:
                    for _ in range(times):
                        np.matmul(a, b, out=out)
            return time.perf_counter() - start, None
        start = self.clock()
        for _ in range(steps):
            n = self.steps % BATCHES
            self.steps += 1
            loss, _ = self.model.train_on_batch(self.x[n], self.y[n], optimizer=self.optimizer)
        return self.clock() - start, float(loss)

    def parts(self, steps):
        """Seconds of a training step by what they are spent on, and of the products alone: medians of some steps."""
        layer, dense = self.model.layers
        names = "forward", "output layer and loss", "backward", "Adam"
        whole, products = [], []
        for n in range(steps):
            x, y = self.x[n % BATCHES], self.y[n % BATCHES]
            marks = [time.perf_counter()]
            outputs, _ = layer.forward(x)
            marks.append(time.perf_counter())
            self.model.loss.forward(dense.forward(outputs), y)
            d_outputs = dense.backward(self.model.loss.backward())
            marks.append(time.perf_counter())
            layer.backward(d_outputs, input_gradient=False)
            marks.append(time.perf_counter())
            self.optimizer.update(self.model.weights, self.model.grads)
            marks.append(time.perf_counter())
            whole.append(np.diff(marks))
            alone = dict.fromkeys(names, 0.0)
            for part, times, a, b, out in self.products:
                start = time.perf_counter()
                for _ in range(times):
                    np.matmul(a, b, out=out)
                alone[part] += time.perf_counter() - start
            products.append(list(alone.values()))
        return tuple(dict(zip(names, np.median(found, axis=0).tolist(), strict=True)) for found in (whole, products))

    # --- learning: windows of a text
    def prepare_text(self, mode, ids, starts, case):
        from course_lib.optimizers import Adam

        self.case, self.model, self.optimizer = case, our_model(case), Adam(RATE)
        self.ids, self.starts, self.steps = ids, starts, 0

    def learn(self, seconds):
        """Train for some seconds; how many they were in the end, and how many updates."""
        from course_lib.sequences import one_hot

        start, before = time.perf_counter(), self.steps
        while (spent := time.perf_counter() - start) < seconds:
            windows = self.ids[self.starts[self.steps % len(self.starts)][:, None] + np.arange(self.case.time + 1)]
            self.model.train_on_batch(
                one_hot(windows[:, :-1], self.case.features), windows[:, 1:], optimizer=self.optimizer, clip_norm=1.0
            )
            self.steps += 1
        return spent, self.steps - before

    def weights(self):
        return [w.copy() for w in self.model.weights]


class Checkout(Ours):
    """The course's NumPy from any checkout, by the processor's seconds: other programs' work counts less."""

    modes = ("checkout",)
    clock = staticmethod(time.process_time)

    def __init__(self, threads):
        import course_lib

        self.versions = str(Path(course_lib.__file__).resolve().parent.parent)

    def prepare(self, case):
        from course_lib.optimizers import Adam

        self.model, self.optimizer, self.steps = our_model(case), Adam(RATE), 0
        self.x, self.y = data_of(case)


class Keras:
    """The same models in Keras, with TensorFlow's graph as it is (plain) or compiled by XLA (jit)."""

    modes = ("Keras plain", "Keras jit")

    def __init__(self, threads):
        os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"  # TensorFlow's own default; the lessons turn it off
        with quiet():  # oneDNN announces itself in five lines, whatever the level of messages
            from course_lib import keras_models

        self.tf, self.keras, self.to_keras = keras_models.tf, keras_models.keras, keras_models.to_keras
        self.tf.config.threading.set_intra_op_parallelism_threads(threads)
        self.tf.config.threading.set_inter_op_parallelism_threads(threads)
        self.versions = f"Keras {self.keras.__version__} on TensorFlow {self.tf.__version__}"

    def _model(self, case, mode, clip=None):
        ours = our_model(case)
        model = self.keras.Sequential(
            [
                self.keras.layers.Input((case.time, case.features), batch_size=case.batch),
                self.to_keras(ours.layers[0], return_state=False),
                self.to_keras(ours.layers[1]),
            ]
        )
        model.compile(
            optimizer=self.keras.optimizers.Adam(RATE, global_clipnorm=clip),
            loss=self.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=mode == "Keras jit",
        )
        model.optimizer.build(model.trainable_variables)
        model.make_train_function()  # what fit calls for each batch, without what fit does around it
        return model

    def prepare(self, case):
        self.keras.backend.clear_session()
        self.prepared = {}
        for mode in self.modes:
            data = iter(self.tf.data.Dataset.from_tensor_slices(data_of(case)).repeat())
            self.prepared[mode] = self._model(case, mode), data

    def run(self, mode, steps):
        model, data = self.prepared[mode]
        start = time.perf_counter()
        for _ in range(steps):
            logs = model.train_function(data)
        loss = float(logs["loss"])  # waits for the last step; a mean over the steps since the last reset
        seconds = time.perf_counter() - start
        model.reset_metrics()
        return seconds, loss

    # --- learning
    def prepare_text(self, mode, ids, starts, case):
        tf = self.tf
        self.keras.backend.clear_session()
        self.model, self.case = self._model(case, mode, clip=1.0), case
        ids = tf.constant(ids)
        reach = tf.range(case.time + 1, dtype=tf.int64)

        def windows(first):
            letters = tf.gather(ids, first[:, None] + reach)
            return tf.one_hot(letters[:, :-1], case.features), letters[:, 1:]

        self.data = iter(tf.data.Dataset.from_tensor_slices(starts).map(windows).repeat().prefetch(2))
        self.steps = 0
        start_weights = self.model.get_weights()
        self.model.train_function(self.data)  # builds the graph, which is not counted
        self.model.set_weights(start_weights)
        for variable in self.model.optimizer.variables:
            if "learning_rate" not in variable.path:
                variable.assign(self.keras.ops.zeros_like(variable))

    def learn(self, seconds):
        start, updates = time.perf_counter(), 0
        while (spent := time.perf_counter() - start) < seconds:
            self.model.train_function(self.data)
            updates += 1
        return spent, updates

    def weights(self):
        return self.model.get_weights()


class Torch:
    """The same models in PyTorch."""

    modes = ("PyTorch",)

    def __init__(self, threads):
        import torch

        self.torch = torch
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(threads)
        self.versions = f"PyTorch {torch.__version__}"

    def prepare(self, case, weights=None):
        """``weights`` as the course lays them out; without them PyTorch's own start."""
        torch = self.torch
        torch.manual_seed(0)
        name = {"SimpleRNN": "RNN"}.get(case.kind, case.kind)
        self.layer = getattr(torch.nn, name)(case.features, case.units, batch_first=True)
        self.dense = torch.nn.Linear(case.units, case.symbols)
        if weights is not None:
            self._set_weights(case, weights)
        both = [*self.layer.parameters(), *self.dense.parameters()]
        self.optimizer = torch.optim.Adam(both, lr=RATE, eps=1e-7, fused=True)
        x, y = data_of(case)
        self.x, self.y = torch.from_numpy(x), torch.from_numpy(y)
        self.steps = 0

    def _set_weights(self, case, weights):
        kernel, recurrent_kernel, bias, dense_kernel, dense_bias = weights
        order = {"GRU": [1, 0, 2]}.get(case.kind, range(GATES[case.kind]))  # PyTorch has r before z

        def laid_out(w):
            return self.torch.from_numpy(np.concatenate([np.split(w, len(order), axis=-1)[n] for n in order], -1).T)

        biases = bias if bias.ndim == 2 else [bias, np.zeros_like(bias)]
        with self.torch.no_grad():
            self.layer.weight_ih_l0.copy_(laid_out(kernel))
            self.layer.weight_hh_l0.copy_(laid_out(recurrent_kernel))
            self.layer.bias_ih_l0.copy_(laid_out(biases[0]))
            self.layer.bias_hh_l0.copy_(laid_out(biases[1]))
            self.dense.weight.copy_(self.torch.from_numpy(dense_kernel.T))
            self.dense.bias.copy_(self.torch.from_numpy(dense_bias))

    def run(self, mode, steps):
        start = time.perf_counter()
        for _ in range(steps):
            n = self.steps % BATCHES
            self.steps += 1
            outputs, _ = self.layer(self.x[n])
            loss = self.torch.nn.functional.cross_entropy(self.dense(outputs).flatten(0, 1), self.y[n].flatten())
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return time.perf_counter() - start, float(loss.detach())


class Plain:
    """A character model as short as it gets: one row, 25 letters an update, a Python loop over time, Adagrad.

    The recipe of Karpathy's minimal character model: weights from a normal distribution of width .01, gradients cut to
    ±5 number by number, rate .1, float64, the state carried through the text. Written anew; rows where his are columns.
    """

    modes = ("plain loop",)
    length, rate, limit = 25, 0.1, 5.0

    def __init__(self, threads):
        self.versions = f"NumPy {np.__version__}"

    def prepare_text(self, mode, ids, starts, case):
        rng = np.random.default_rng(1)
        self.ids, self.symbols, self.place = ids, case.symbols, 0
        shapes = (case.symbols, case.units), (case.units, case.units), (case.units, case.symbols)
        kernel, recurrent_kernel, output_kernel = (0.01 * rng.standard_normal(shape) for shape in shapes)
        self._weights = [kernel, recurrent_kernel, np.zeros(case.units), output_kernel, np.zeros(case.symbols)]
        self.memory = [np.zeros_like(w) for w in self._weights]
        self.h = np.zeros(case.units)

    def gradients(self, inputs, targets, h):
        """The sum of the letters' losses (nats), its gradient for each weight, and the last state."""
        kernel, recurrent_kernel, bias, output_kernel, output_bias = self._weights
        states, answers, loss = [h], [], 0.0
        for letter, target in zip(inputs, targets, strict=True):
            x = np.zeros(self.symbols)
            x[letter] = 1
            states.append(np.tanh(x @ kernel + states[-1] @ recurrent_kernel + bias))
            scores = states[-1] @ output_kernel + output_bias
            p = np.exp(scores - scores.max())
            answers.append(p / p.sum())
            loss -= np.log(answers[-1][target])
        grads = [np.zeros_like(w) for w in self._weights]
        d_kernel, d_recurrent_kernel, d_bias, d_output_kernel, d_output_bias = grads
        dh_next = np.zeros_like(h)
        for t in reversed(range(len(inputs))):
            dy = answers[t]
            dy[targets[t]] -= 1
            d_output_kernel += np.outer(states[t + 1], dy)
            d_output_bias += dy
            da = (output_kernel @ dy + dh_next) * (1 - states[t + 1] ** 2)
            d_bias += da
            x = np.zeros(self.symbols)
            x[inputs[t]] = 1
            d_kernel += np.outer(x, da)
            d_recurrent_kernel += np.outer(states[t], da)
            dh_next = recurrent_kernel @ da
        return loss, grads, states[-1]

    def learn(self, seconds):
        start, updates = time.perf_counter(), 0
        while (spent := time.perf_counter() - start) < seconds:
            if self.place + self.length + 1 > len(self.ids):
                self.place, self.h = 0, np.zeros_like(self.h)
            piece = self.ids[self.place : self.place + self.length + 1]
            _, grads, self.h = self.gradients(piece[:-1], piece[1:], self.h)
            for w, g, m in zip(self._weights, grads, self.memory, strict=True):
                np.clip(g, -self.limit, self.limit, out=g)
                m += g * g
                w -= self.rate * g / np.sqrt(m + 1e-8)
            self.place += self.length
            updates += 1
        return spent, updates

    def weights(self):
        return [w.astype(np.float32) for w in self._weights]


SIDES = {side.__name__: side for side in (Ours, Checkout, Keras, Torch, Plain)}
