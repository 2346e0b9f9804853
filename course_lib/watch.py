"""How far a cell's training is, below the cell while it runs; and what the stop button answers.

Only in a notebook that somebody has open. A lesson's loops are the reader's own, so what is watched is what they call:
``model.train_on_batch``, and ``fit`` of Keras. ``model.fit`` of the course has a bar of its own.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from typing import Any

from course_lib.history import show_progress
from course_lib.model import Model

EVERY = 1.0  # seconds from one line to the next
STOPPED = (
    "Stopped{0}. A model that was made in a cell above keeps what it has learned; what this cell was to make is not "
    "there. Run the cell again to train in full, or the next one to go on."
)


class Watch:
    """Counts the updates of the running cell and shows their number in one line, which goes when the cell ends.

    Parameters
    ----------
    display : callable
        ``IPython.display.display``, or what takes its place.
    clock : callable, optional
        Seconds.
    """

    def __init__(self, display: Callable, clock: Callable[[], float] = time.monotonic) -> None:
        self.display, self.clock = display, clock
        self.begin()

    def begin(self) -> None:
        """Forget the cell before."""
        self.updates, self.handle, self.begun = 0, None, self.clock()
        self.shown = self.begun

    def count(self, loss: float) -> None:
        """Count an update, and say so if the last line is old enough.

        Parameters
        ----------
        loss : float
            Shown beside the number.
        """
        self.updates += 1
        now = self.clock()
        if now - self.shown >= EVERY:
            self.shown = now
            self._show(f"{self.updates} updates, loss {float(loss):.3g}, {now - self.begun:.0f} s")

    def end(self) -> None:
        """Take the line away."""
        if self.handle is not None:
            self._show("")
            self.handle = None

    def _show(self, text: str) -> None:
        content = {"text/plain": text}
        if self.handle is None:
            self.handle = self.display(content, raw=True, display_id=True)
        else:
            self.handle.update(content, raw=True)


def install(shell: Any) -> Watch:
    """Watch the cells of a notebook's shell, and answer its stop button with a sentence in place of a traceback.

    Parameters
    ----------
    shell : IPython.core.interactiveshell.InteractiveShell
        The notebook's. Installing twice is as good as once.

    Returns
    -------
    Watch
        What counts.
    """
    from IPython.display import display

    if (watch := getattr(shell, "course_watch", None)) is None:
        shell.course_watch = watch = Watch(display)
        shell.events.register("pre_run_cell", lambda info: _begin(watch))
        shell.events.register("post_run_cell", lambda result: watch.end())

        def answer(shell, kind, error, trace, tb_offset=None):
            print(STOPPED.format(f" after {watch.updates} updates" if watch.updates else ""))
            return []

        shell.set_custom_exc((KeyboardInterrupt,), answer)
        if show_progress():
            _wrap(watch)
    return watch


def _begin(watch: Watch) -> None:
    """Begin a cell; Keras is watched from the first cell on that finds it imported."""
    watch.begin()
    if "keras" in sys.modules and show_progress():
        _wrap_keras(watch, sys.modules["keras"])


def _wrap_keras(watch: Watch, keras: Any) -> None:
    """Have ``fit`` of Keras count its batches, unless it has a bar of its own (``verbose=1``) or counts already."""
    fit = getattr(keras.Model, "fit", None)  # not there while an import has failed half way
    if fit is None or hasattr(fit, "counts_for_course"):
        return

    class Count(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            watch.count((logs or {}).get("loss", float("nan")))

    @functools.wraps(fit)
    def counted(self, *args, callbacks=None, **options):
        if options.get("verbose") == 0 and isinstance(callbacks, list | tuple | None):
            callbacks = [*(callbacks or ()), Count()]
        return fit(self, *args, callbacks=callbacks, **options)

    counted.counts_for_course = True
    keras.Model.fit = counted


def _wrap(watch: Watch) -> None:
    """Have ``train_on_batch`` count; here and not in the class, which recorded experiments use without a reader."""
    train_on_batch, fit = Model.train_on_batch, Model.fit

    @functools.wraps(train_on_batch)
    def counted(self, *args, **options):
        loss, norm = train_on_batch(self, *args, **options)
        watch.count(loss)
        return loss, norm

    @functools.wraps(fit)
    def quiet(self, *args, **options):
        Model.train_on_batch = train_on_batch
        try:
            return fit(self, *args, **options)
        finally:
            Model.train_on_batch = counted

    Model.train_on_batch, Model.fit = counted, quiet
