"""The four small readers: as large as each other, trained for the same time, and they learn."""

import numpy as np
import pytest

from course_lib.speaker import readers


def test_readers_have_equally_many_parameters():
    sizes = [
        sum(w.size for w in readers.make_reader(name, np.random.default_rng(0)).weights) for name in readers.READERS
    ]
    assert max(sizes) < 1.05 * min(sizes)


def test_all_readers_are_trained_for_the_same_time_by_turns(monkeypatch):
    price, clock, order, rates = {"attention": 1.0, "transformer": 3.0}, [0.0], [], {"attention": [], "transformer": []}

    class Reader:
        def __init__(self, name):
            self.name = name

        def train_on_batch(self, pairs, y, mask, *, optimizer, clip_norm):
            assert (len(pairs), clip_norm) == (64, 1.0)
            np.testing.assert_array_equal(y, pairs.target_out)
            np.testing.assert_array_equal(mask, pairs.target_mask)
            clock[0] += price[self.name]
            order.append(self.name)
            rates[self.name].append(optimizer.learning_rate / readers.RATES[self.name])

    monkeypatch.setattr(readers, "make_reader", lambda name, rng: Reader(name))
    monkeypatch.setattr(readers.time, "process_time", lambda: clock[0])
    found = readers.train_readers(("attention", "transformer"), 0, 60)
    assert {name: (model.name, seen) for name, (model, seen) in found.items()} == {
        "attention": ("attention", 60 * 64),
        "transformer": ("transformer", 20 * 64),
    }
    assert order[:8] == ["attention", "transformer"] + ["attention"] * 3 + ["transformer"] + ["attention"] * 2
    for name in found:
        part = np.arange(0, 60, price[name]) / 60
        np.testing.assert_allclose(rates[name], np.minimum(1, np.minimum(20 * part + 0.05, 2 - 2 * part)))


@pytest.mark.slow
def test_training_learns(monkeypatch):
    some = readers.sound_pairs("validation")[:256]
    monkeypatch.setattr(readers, "sound_pairs", lambda part: {"train": some}[part])
    found = readers.train_readers(readers.READERS, 0, 1.5)
    assert list(found) == list(readers.READERS)
    for name, (model, seen) in found.items():
        assert seen % 64 == 0
        fresh = readers.make_reader(name, np.random.default_rng(0))
        assert model.evaluate(some) < fresh.evaluate(some) - 0.1
