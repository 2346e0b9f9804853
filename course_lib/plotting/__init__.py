"""Figures: one style for all, and alt text with every picture; charts and diagrams that lessons share.

What belongs to one lesson only is drawn in that lesson's ``figures`` or ``panels``.
"""

from course_lib.plotting.charts import heatmap, mark_guess, recorded_and_live
from course_lib.plotting.diagrams import (
    draw_arrow,
    draw_box,
    draw_gate,
    draw_gradient_arrow,
    draw_operation,
    draw_unrolled,
)
from course_lib.plotting.style import (
    BACKGROUND,
    COLORS,
    FOREGROUND,
    INITIALIZER_STYLES,
    MUTED,
    Picture,
    line_style,
    show,
    tint,
    use_style,
)

__all__ = [
    "BACKGROUND",
    "COLORS",
    "FOREGROUND",
    "INITIALIZER_STYLES",
    "MUTED",
    "Picture",
    "draw_arrow",
    "draw_box",
    "draw_gate",
    "draw_gradient_arrow",
    "draw_operation",
    "draw_unrolled",
    "heatmap",
    "line_style",
    "mark_guess",
    "recorded_and_live",
    "show",
    "tint",
    "use_style",
]
