"""The knobs of a panel, and the panel itself."""

from __future__ import annotations

import os
from dataclasses import dataclass

from course_lib import plotting


@dataclass(frozen=True)
class Slider:
    """A knob for a number. Whole-number ``low``, ``high``, ``step`` and ``start`` make a slider over whole numbers.

    Parameters
    ----------
    label : str
        What the reader turns, in words.
    low, high, step, start : float or int
        Ends of the range, size of a step, first value.
    """

    label: str
    low: float
    high: float
    step: float
    start: float

    def widget(self, **looks):
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
            **looks,
        )


@dataclass(frozen=True)
class Choice:
    """A knob for one of a few names.

    Parameters
    ----------
    label : str
        What the reader chooses, in words.
    options : tuple of str
    start : str
        One of the options.
    """

    label: str
    options: tuple[str, ...]
    start: str

    def widget(self, **looks):
        import ipywidgets as widgets

        return widgets.Dropdown(options=self.options, value=self.start, description=self.label, **looks)


@dataclass(frozen=True)
class TextBox:
    """A line to type in; the picture follows when the reader presses Enter or leaves the line.

    Parameters
    ----------
    label : str
        What the reader types, in words.
    start : str
        What stands there at first.
    """

    label: str
    start: str

    def widget(self, **looks):
        import ipywidgets as widgets

        return widgets.Text(value=self.start, description=self.label, continuous_update=False, **looks)


def is_live():
    """Is somebody there to turn a knob? True in a notebook's kernel, unless COURSE_STATIC=1 asks for still pictures."""
    if os.environ.get("COURSE_STATIC") == "1":
        return False
    try:
        import ipywidgets  # noqa: F401 (here and above: half a second that a still picture does not need)
        from IPython import get_ipython
    except ImportError:
        return False
    return hasattr(get_ipython(), "kernel")


def panel(draw, controls, static):
    """Show a picture that follows its knobs; where nobody can turn them, show the static picture instead.

    Parameters
    ----------
    draw : callable
        Takes the knobs' values by name, returns (figure, alt text).
    controls : dict of str to Slider, Choice or TextBox
        Name -> knob, in the order they are shown.
    static : callable
        Takes nothing, returns (figure, alt text): one picture that makes the panel's point on paper.
    """
    if not is_live():
        plotting.show(*static())
        return
    import ipywidgets as widgets
    from IPython.display import display

    knobs = {
        name: control.widget(style={"description_width": "14em"}, layout=widgets.Layout(width="min(100%, 36em)"))
        for name, control in controls.items()
    }
    picture = widgets.HTML()

    def redraw(_change=None):
        drawn = plotting.Picture(*draw(**{name: knob.value for name, knob in knobs.items()}))
        # a live region: a screen reader speaks the new alt text when a knob has moved
        picture.value = f'<div role="status" aria-live="polite">{drawn.html}</div>'

    redraw()
    for knob in knobs.values():
        knob.observe(redraw, names="value")
    display(widgets.VBox([*knobs.values(), picture]))
