"""The panel framework: a picture with controls beside it, or one static picture where nobody can use controls."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from course_lib import plotting

if TYPE_CHECKING:
    from ipywidgets import Dropdown, FloatSlider, IntSlider, Text


@dataclass(frozen=True)
class Slider:
    """A control for a number. Whole ``low``, ``high``, ``step`` and ``start`` make a slider over whole numbers.

    Parameters
    ----------
    label : str
        What the number is, in words.
    low, high, step, start : float or int
        Ends of the range, size of a step, first value.

    Raises
    ------
    ValueError
        If ``start`` is not within the range, or the step is not positive.
    """

    label: str
    low: float
    high: float
    step: float
    start: float

    def __post_init__(self):
        if not (self.low <= self.start <= self.high and self.step > 0):
            raise ValueError(
                f"A slider starts within its range and has a positive step, but {self.label!r} got range "
                f"{self.low} to {self.high}, start {self.start} and step {self.step}."
            )

    def widget(self, **options: Any) -> IntSlider | FloatSlider:
        """Make the slider.

        Parameters
        ----------
        **options
            Keywords of every control, such as ``layout`` and ``style``.

        Returns
        -------
        ipywidgets.IntSlider or ipywidgets.FloatSlider
            It hands on its value when it is let go.
        """
        import ipywidgets as widgets

        whole = all(isinstance(number, int) for number in (self.low, self.high, self.step, self.start))
        kind = widgets.IntSlider if whole else widgets.FloatSlider
        return kind(
            value=self.start,
            min=self.low,
            max=self.high,
            step=self.step,
            description=self.label,
            continuous_update=False,
            **options,
        )


@dataclass(frozen=True)
class Choice:
    """A control for one of a few names.

    Parameters
    ----------
    label : str
        What is chosen, in words.
    options : tuple of str
        All that can be chosen.
    start : str
        One of the options.

    Raises
    ------
    ValueError
        If ``start`` is not among the options.
    """

    label: str
    options: tuple[str, ...]
    start: str

    def __post_init__(self):
        if self.start not in self.options:
            raise ValueError(
                f"A choice starts at one of its options, but {self.label!r} got start {self.start!r} and the options "
                f"{', '.join(self.options)}."
            )

    def widget(self, **options: Any) -> Dropdown:
        """Make the list to choose from.

        Parameters
        ----------
        **options
            Keywords of every control, such as ``layout`` and ``style``.

        Returns
        -------
        ipywidgets.Dropdown
            Its value is one of the options.
        """
        import ipywidgets as widgets

        return widgets.Dropdown(options=self.options, value=self.start, description=self.label, **options)


@dataclass(frozen=True)
class TextBox:
    """A line to type in; the picture follows when the reader presses Enter or leaves the line.

    Parameters
    ----------
    label : str
        What is typed, in words.
    start : str
        The first text.
    """

    label: str
    start: str

    def widget(self, **options: Any) -> Text:
        """Make the line to type in.

        Parameters
        ----------
        **options
            Keywords of every control, such as ``layout`` and ``style``.

        Returns
        -------
        ipywidgets.Text
            It hands on its value when the line is finished.
        """
        import ipywidgets as widgets

        return widgets.Text(value=self.start, description=self.label, continuous_update=False, **options)


def is_live() -> bool:
    """Say whether somebody can use a control.

    Returns
    -------
    bool
        True in a notebook's kernel, unless the environment variable COURSE_STATIC is 1 and so asks for static pictures.
    """
    if os.environ.get("COURSE_STATIC") == "1":
        return False
    try:
        import ipywidgets  # noqa: F401 (here and above: half a second that a static picture does not need)
        from IPython import get_ipython
    except ImportError:
        return False
    return hasattr(get_ipython(), "kernel")


def what_it_reads(typed: str, read: str, why: str) -> str:
    """Say what a panel takes of a text, where that is not all of it.

    Parameters
    ----------
    typed : str
        As the reader typed it.
    read : str
        What is used.
    why : str
        What is left out, such as "letters a to z only".

    Returns
    -------
    str
        A sentence; empty where nothing but capitals and spaces around was left out.
    """
    return "" if typed.strip().lower() == read else f"It reads “{read}”: {why}."


def message(text: str) -> Figure:
    """Draw a sentence, as the answer to something typed that cannot be drawn.

    Parameters
    ----------
    text : str
        One or two short lines.

    Returns
    -------
    matplotlib.figure.Figure
        As wide as other figures, and low.
    """
    fig = plt.figure(figsize=(7, 0.9), layout="none")
    fig.text(0.02, 0.5, text, va="center", fontsize=11.5)
    return fig


AGAIN = "<small>If the controls do not answer, run this cell again: they need a running kernel.</small>"


def panel(
    draw: Callable[..., tuple[Figure, str]],
    controls: Mapping[str, Slider | Choice | TextBox],
    static: Callable[[], tuple[Figure, str]],
) -> None:
    """Show a picture that follows its controls; where nobody can use them, show the static picture instead.

    Parameters
    ----------
    draw : callable
        Takes the controls' values by name, returns (figure, alt text).
    controls : dict of str to Slider, Choice or TextBox
        Name -> control, in the order they are shown.
    static : callable
        Takes nothing, returns (figure, alt text): one picture that makes the panel's point on paper.
    """
    if not is_live():
        plotting.show(*static())
        return
    import ipywidgets as widgets
    from IPython.display import display

    made = {
        name: control.widget(style={"description_width": "14em"}, layout=widgets.Layout(width="min(100%, 36em)"))
        for name, control in controls.items()
    }
    picture = widgets.HTML()

    def redraw(_change=None):
        drawn = plotting.Picture(*draw(**{name: control.value for name, control in made.items()}))
        # a live region: a screen reader speaks the new alt text when a control has changed
        picture.value = f'<div role="status" aria-live="polite">{drawn.html}</div>{AGAIN}'
        return drawn

    first = redraw()
    for control in made.values():
        control.observe(redraw, names="value")
    box = widgets.VBox([*made.values(), picture])
    bundle = box._repr_mimebundle_
    # the picture goes along, for pages that cannot show a widget, such as an exported lesson
    box._repr_mimebundle_ = lambda **how: {**bundle(**how), "text/html": first.html + AGAIN, "text/plain": first.alt}
    display(box)
