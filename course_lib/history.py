"""The course of a training run: what is kept of it, and the progress bar."""

from __future__ import annotations

import os
from dataclasses import dataclass, field


@dataclass
class History:
    """The course of a training run.

    Attributes
    ----------
    history : dict of str to list of float
        One entry an epoch, under Keras' keys: ``loss`` and each metric's name, the mean over the epoch's updates, as
        they were before each update; with validation data ``val_loss`` and so on, after the epoch. Also
        ``gradient_norm``, the mean global norm of the gradient before clipping, and ``seconds``.
    stopped : str
        "" while all epochs ran; otherwise why it ended early.
    """

    history: dict[str, list[float]] = field(default_factory=dict)
    stopped: str = ""


def show_progress() -> bool:
    """Whether a progress bar is wanted: not in stored outputs (COURSE_STATIC=1) and not on a build server (CI)."""
    return os.environ.get("COURSE_STATIC") != "1" and not os.environ.get("CI")


class ProgressBar:
    """A tqdm bar over all updates, or nothing; a context manager.

    Parameters
    ----------
    epochs : int
        Passes over the data.
    steps : int or None
        Updates in each; None if that is not known.
    wanted : bool
        Whether there shall be a bar.
    """

    def __init__(self, epochs: int, steps: int | None, wanted: bool):
        self.bar = None
        if wanted:
            from tqdm.auto import tqdm  # here, because it looks for a notebook, which takes time

            self.bar = tqdm(total=None if steps is None else epochs * steps, unit="update", leave=False)

    def __enter__(self):
        return self

    def step(self, loss: float) -> None:
        """Count one update.

        Parameters
        ----------
        loss : float
            Shown beside the bar.
        """
        if self.bar is not None:
            self.bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
            self.bar.update()

    def __exit__(self, *_):
        if self.bar is not None:
            self.bar.close()
