"""``python -m course_lib.speaker.train``: train the network that pronounces words, and write it with its model card."""

from __future__ import annotations

from pathlib import Path

from course_lib.speaker.alignment import training_data
from course_lib.speaker.training import FOLDER, spelling_pairs, train, write_card


def main(folder: Path = FOLDER) -> None:
    """Train, measure on the test words, write ``speaker.npz`` and ``speaker.json``.

    Parameters
    ----------
    folder : pathlib.Path
        Where to write the files: by default where the shipped model is.
    """
    pairs = spelling_pairs("train")
    print(f"{len(pairs):,} words to learn from")
    model = train(pairs)
    folder.mkdir(exist_ok=True)
    model.save(folder / "speaker.npz")
    card = write_card(model, *training_data(), folder)
    print(f"test words wrong: {card['word_error_rate']:.1%}, phonemes wrong: {card['phoneme_error_rate']:.1%}")


if __name__ == "__main__":
    main()
