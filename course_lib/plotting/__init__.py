"""Figures: one style for all, and alt text with every picture; charts and diagrams that lessons share."""

from course_lib.plotting.charts import heatmap, mark_guess, recorded_and_live
from course_lib.plotting.diagrams import draw_course_map, draw_spoken, draw_unrolled, gradient_triangle
from course_lib.plotting.style import COLORS, INK, PAPER, PENCIL, Picture, line, show, use_style

__all__ = [
    "COLORS",
    "INK",
    "PAPER",
    "PENCIL",
    "Picture",
    "draw_course_map",
    "draw_spoken",
    "draw_unrolled",
    "gradient_triangle",
    "heatmap",
    "line",
    "mark_guess",
    "recorded_and_live",
    "show",
    "use_style",
]
