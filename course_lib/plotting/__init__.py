"""Figures: one style for all, and alt text with every picture; charts and diagrams that lessons share."""

from course_lib.plotting.charts import heatmap, mark_guess, recorded_and_live
from course_lib.plotting.diagrams import draw_course_map, draw_spoken, draw_unrolled, gradient_triangle
from course_lib.plotting.style import BACKGROUND, COLORS, FOREGROUND, MUTED, Picture, line_style, show, use_style

__all__ = [
    "BACKGROUND",
    "COLORS",
    "FOREGROUND",
    "MUTED",
    "Picture",
    "draw_course_map",
    "draw_spoken",
    "draw_unrolled",
    "gradient_triangle",
    "heatmap",
    "line_style",
    "mark_guess",
    "recorded_and_live",
    "show",
    "use_style",
]
