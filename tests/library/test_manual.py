"""The Python manual letter by letter."""

import numpy as np

from course_lib.manual import load_manual_letters


def test_the_manuals_letters_are_split_without_overlap():
    train, test, vocabulary = load_manual_letters()
    assert (len(train), len(test)) == (250_000, 10_000)
    assert len(vocabulary) == 77 > max(train.max(), test.max())
    read = train.astype(np.uint8).tobytes()
    assert read[1000:1300] in read
    assert not any(test[start : start + 300].astype(np.uint8).tobytes() in read for start in (0, 4000, 9000))
