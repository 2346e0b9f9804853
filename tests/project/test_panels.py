"""Panels: the framework does what it says, and every lesson's panel keeps to it. A new lesson is tested by existing."""

import importlib
import sys
from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest
from figure_checks import check_legible

from course_lib import lessons, plotting
from course_lib.teaching import panel as panels


def panels_of_lessons() -> Iterator:
    """Yield each lesson's panels: the functions of its module ``panels`` whose name ends in ``_panel``."""
    for lesson in lessons.written():
        module = lesson.module("panels")
        for name in sorted(vars(module)) if module else ():
            if name.endswith("_panel") and not name.startswith("_"):
                yield pytest.param(getattr(module, name), id=f"{lesson.number}-{name}")


PANELS = list(panels_of_lessons())
# The smallest type that a static panel may have, in points, where it is not the usual 10. A figure of 7 inches that is
# shown 400 pixels wide has .8 pixels a point.
SMALL_TYPE = {"generation_panel": 8, "running_total_panel": 9.5}


@pytest.fixture
def drawn(monkeypatch):
    """Every figure that becomes a picture during a test, while it can still be looked at: ``drawn(check)`` sets how."""
    checks, made = [], plotting.Picture.__init__

    def init(self, fig, alt):
        for check in checks:
            check(fig)
        made(self, fig, alt)

    monkeypatch.setattr(plotting.Picture, "__init__", init)
    return checks.append


def live(function, shown):
    """Show a panel as in a notebook; return its controls and its picture."""
    function()
    (box,) = shown
    *controls, picture = box.children
    return controls, picture


def ends(control):
    """Two values of a control that are as far from each other as can be."""
    if hasattr(control, "options"):
        return control.options[0], control.options[-1]
    return (control.min, control.max) if hasattr(control, "max") else ("a", "zebra")


# ---------------------------------------------------------------------------------------------------------------------
# Every lesson's panel
# ---------------------------------------------------------------------------------------------------------------------
def test_the_lessons_have_panels():
    assert len(PANELS) >= 10


@pytest.mark.parametrize("function", PANELS)
def test_a_static_panel_is_one_legible_picture(function, shown, drawn):
    smallest = SMALL_TYPE.get(function.__name__, 10)
    drawn(lambda fig: check_legible(fig, smallest=smallest))
    function()
    (picture,) = shown
    assert isinstance(picture, plotting.Picture)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("function", PANELS)
def test_a_panel_says_what_it_does_and_what_stands_in_its_place_on_paper(function):
    assert "Without a live kernel:" in " ".join(function.__doc__.split())


@pytest.mark.parametrize("function", PANELS)
@pytest.mark.usefixtures("kernel")
def test_a_live_panel_is_controls_and_a_picture_that_speaks(function, shown):
    controls, picture = live(function, shown)
    assert controls
    assert all(len(control.description) > 3 for control in controls)
    assert len({control.description for control in controls}) == len(controls)
    assert picture.value.count("<img ") == 1
    assert 'aria-live="polite"' in picture.value
    assert plt.get_fignums() == []


@pytest.mark.slow
@pytest.mark.parametrize("function", PANELS)
@pytest.mark.usefixtures("kernel")
def test_every_control_changes_the_picture_and_what_is_said_of_it(function, shown):
    controls, picture = live(function, shown)
    for control in controls:
        start, before = control.value, picture.value
        changed = []
        for value in ends(control):
            control.value = value
            alts = [text.partition('alt="')[2].partition('"')[0] for text in (before, picture.value)]
            changed.append(alts[0] != alts[1])
        control.value = start
        assert any(changed), f"{control.description!r} changes nothing"
        assert picture.value == before  # the same values make the same picture
    assert plt.get_fignums() == []


@pytest.mark.slow
@pytest.mark.parametrize("function", PANELS)
@pytest.mark.usefixtures("kernel")
def test_the_corners_of_a_panel_can_be_drawn(function, shown):
    controls, picture = live(function, shown)
    for corner in (0, 1):
        for control in controls:
            control.value = ends(control)[corner]
    typed = [control for control in controls if not hasattr(control, "max") and not hasattr(control, "options")]
    for control in typed:
        for text in ("", "42", "李雷", "<b>&amp;", "z" * 60):
            control.value = text
    assert picture.value.count("<img ") == 1
    assert plt.get_fignums() == []


# ---------------------------------------------------------------------------------------------------------------------
# The framework
# ---------------------------------------------------------------------------------------------------------------------
def test_live_only_where_somebody_can_use_a_control(monkeypatch, kernel):
    assert panels.is_live()
    monkeypatch.setenv("COURSE_STATIC", "1")
    assert not panels.is_live()
    monkeypatch.delenv("COURSE_STATIC")
    monkeypatch.setattr("IPython.get_ipython", lambda: None)
    assert not panels.is_live()
    monkeypatch.setitem(sys.modules, "ipywidgets", None)  # as if it were not installed
    assert not panels.is_live()


def blank(values):
    return plt.figure(figsize=(1, 1)), f"A blank figure for the values {values}."


def test_without_a_kernel_the_static_picture_is_shown(shown):
    panels.panel(None, {}, lambda: blank("of the static picture"))
    (picture,) = shown
    assert picture.alt == "A blank figure for the values of the static picture."


def test_the_three_kinds_of_control_hand_on_their_values_by_name(kernel, shown):
    calls = []

    def draw(**values):
        calls.append(values)
        return blank(values)

    controls = {
        "whole": panels.Slider("whole", 0, 5, 1, 2),
        "part": panels.Slider("part", 0.0, 1.0, 0.25, 0.5),
        "name": panels.Choice("chosen", ("a", "b"), "a"),
        "text": panels.TextBox("typed", "hello"),
    }
    panels.panel(draw, controls, static=None)
    whole, part, name, text, _ = shown[0].children
    assert [control.description for control in (whole, part, name, text)] == ["whole", "part", "chosen", "typed"]
    whole.value, part.value, name.value, text.value = 3, 0.75, "b", "you"
    assert calls[0] == {"whole": 2, "part": 0.5, "name": "a", "text": "hello"}
    assert calls[1] == {"whole": 3, "part": 0.5, "name": "a", "text": "hello"}
    assert calls[-1] == {"whole": 3, "part": 0.75, "name": "b", "text": "you"}
    assert isinstance(whole.value, int)
    assert len(calls) == 5


@pytest.mark.parametrize("numbers", [(0, 5, 1, 6), (0, 5, 1, -1), (5, 0, 1, 3), (0, 5, 0, 3), (0, 5, 1, float("nan"))])
def test_a_slider_starts_within_its_range(numbers):
    with pytest.raises(ValueError, match="'size' got range"):
        panels.Slider("size", *numbers)


def test_a_choice_starts_at_an_option():
    with pytest.raises(ValueError, match="'unit' got start 'relu' and the options tanh, linear"):
        panels.Choice("unit", ("tanh", "linear"), "relu")


def test_a_message_is_legible():
    plotting.use_style()
    check_legible(panels.message("No word to say."))
    plt.close("all")


@pytest.mark.parametrize(
    ("lesson", "typed", "said"),
    [
        ("lesson_03_vanilla_rnn", ("Größe 12", 3, 0.14), "It reads “gre”: the first 12 letters a to z."),
        ("lesson_03_vanilla_rnn", ("abcdefghijklmn", 3, 0.14), "It reads “abcdefghijkl”"),
        ("lesson_03_vanilla_rnn", (" Word ", 3, 0.14), ""),
        ("lesson_09_generation", ("str!", 1, 1), "It reads “str”: letters a to z only."),
        ("lesson_09_generation", ("STR", 1, 1), ""),
        ("lesson_11_attention", ("two words",), "It reads “two”: one word at a time"),
        ("lesson_11_attention", ("word",), ""),
    ],
)
def test_a_panel_that_takes_a_part_of_the_text_says_so(lesson, typed, said):
    panels = importlib.import_module(f"course_lib.lessons.{lesson}.panels")
    draw = panels._draw_panel if lesson.startswith("lesson_03") else panels._draw_live
    fig, alt = draw(*typed)
    shown = " ".join(text.get_text() for text in fig.findobj(plt.Text))
    plt.close(fig)
    for place in (shown, alt):
        assert ("It reads" in place) is bool(said)
        assert said in place
