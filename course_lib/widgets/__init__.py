"""Interactive panels: knobs beside a picture. Without a live kernel, the same idea as one static picture.

A lesson writes ``widgets.bptt_panel()``. There is one module a lesson; :mod:`course_lib.widgets.controls` has what they
share.
"""
from course_lib.widgets.bptt import bptt_panel, scalar_blame
from course_lib.widgets.controls import Choice, Slider, TextBox, is_live, panel

__all__ = ["Choice", "Slider", "TextBox", "bptt_panel", "is_live", "panel", "scalar_blame"]
