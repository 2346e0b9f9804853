"""Panels: the gradients they draw are right, the still picture is one picture, the live one follows its sliders."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib import plotting
from course_lib.gradients import relative_error
from course_lib.lessons.lesson_04_backpropagation_through_time import panels
from course_lib.teaching import panel as widgets

numbers = st.floats(-3, 3)


def last_state(weight, inputs, nudged, nudge):
    """h_T when h_nudged (counted from 1) is changed by ``nudge``."""
    h = 0.0
    for t, x in enumerate(inputs, start=1):
        h = np.tanh(weight * h + x) + nudge * (t == nudged)
    return h


@given(numbers, st.lists(numbers, min_size=1, max_size=12))
def test_blame_agrees_with_finite_differences(weight, inputs):
    states, gradient = panels.scalar_gradients(weight, inputs)
    assert states[-1] == last_state(weight, inputs, 0, 0)
    epsilon = 1e-5
    numeric = np.empty(len(inputs))
    for s in range(1, len(inputs) + 1):
        above, below = (last_state(weight, inputs, s, nudge) for nudge in (epsilon, -epsilon))
        numeric[s - 1] = (above - below) / (2 * epsilon)
    if np.abs(gradient).max() < 100:
        assert relative_error(gradient, numeric) < 1e-6
    else:  # where blame explodes, so does the curvature that a difference cannot see
        assert relative_error(gradient, numeric) < 1e-2


@given(numbers, st.lists(numbers, min_size=1, max_size=12), st.data())
def test_truncation_keeps_the_last_states_blame_and_nothing_else(weight, inputs, data):
    truncation = data.draw(st.integers(1, len(inputs)))
    states, gradient = panels.scalar_gradients(weight, inputs)
    same, cut = panels.scalar_gradients(weight, inputs, truncation)
    first = len(inputs) - truncation
    assert (same == states).all()
    assert (cut[:first] == 0).all()
    assert (cut[first:] == gradient[first:]).all()


def test_without_input_each_step_back_multiplies_by_the_weight():
    _, gradient = panels.scalar_gradients(1.5, np.zeros(4))
    assert gradient.tolist() == [1.5**3, 1.5**2, 1.5, 1]


def test_scalar_blame_refuses_what_is_no_sequence():
    with pytest.raises(ValueError, match=r"array \(T,\), but shape \(0,\) came"):
        panels.scalar_gradients(1, [])
    with pytest.raises(ValueError, match=r"shape \(2, 2\) came"):
        panels.scalar_gradients(1, np.ones((2, 2)))
    for truncation in (0, 4):
        with pytest.raises(ValueError, match=f"between 1 and 3 states, but truncation {truncation} came"):
            panels.scalar_gradients(1, [1, 2, 3], truncation)


# ---------------------------------------------------------------------------------------------------------------------
# Still or live
# ---------------------------------------------------------------------------------------------------------------------
def test_live_only_where_somebody_can_turn_a_knob(monkeypatch, kernel):
    assert widgets.is_live()
    monkeypatch.setenv("COURSE_STATIC", "1")
    assert not widgets.is_live()
    monkeypatch.delenv("COURSE_STATIC")
    monkeypatch.setattr("IPython.get_ipython", lambda: None)
    assert not widgets.is_live()
    monkeypatch.setitem(sys.modules, "ipywidgets", None)  # as if it were not installed
    assert not widgets.is_live()


def test_the_still_panel_is_one_picture(monkeypatch, shown):
    monkeypatch.setenv("COURSE_STATIC", "1")
    plotting.use_style()
    panels.bptt_panel()
    (picture,) = shown
    assert isinstance(picture, plotting.Picture)
    for words in ("weight 0.5", "weight 1 ", "weight 1.5 and inputs of ±0.01", "weight 1.5 and inputs of ±2"):
        assert words in picture.alt
    assert plt.get_fignums() == []


def test_the_still_panel_shows_what_it_is_there_to_show():
    pattern = panels._PATTERN
    fades, keeps, grows, saturates = (
        abs(panels.scalar_gradients(w, size * pattern)[1][0])
        for w, size in ((0.5, 0.1), (1, 0.1), (1.5, 0.01), (1.5, 2))
    )
    assert fades < 0.5**11
    assert 0.5 < keeps < 1
    assert grows > 10
    assert saturates < 1e-3


def test_the_live_panel_follows_its_sliders(kernel, shown):
    plotting.use_style()
    panels.bptt_panel()
    (box,) = shown
    weight, size, truncation, picture = box.children
    assert [slider.description for slider in (weight, size, truncation)] == [
        "recurrent weight w",
        "size of the inputs",
        "states that blame reaches",
    ]
    before = picture.value
    assert "With weight 1 and inputs of ±0.1" in before
    assert 'aria-live="polite"' in before
    weight.value = 1.5
    assert "With weight 1.5 and inputs of ±0.1" in picture.value
    truncation.value = 3
    assert "a cut leaves none for h_1 to h_9" in picture.value
    assert picture.value.count("<img ") == 1
    assert plt.get_fignums() == []


def test_a_panel_hands_its_values_by_name(kernel, shown):
    calls = []

    def draw(a, b):
        calls.append((a, b))
        return plt.figure(figsize=(1, 1)), f"A blank figure for the values {a} and {b}."

    controls = {"a": widgets.Slider("whole", 0, 5, 1, 2), "b": widgets.Slider("broken", 0.0, 1.0, 0.25, 0.5)}
    widgets.panel(draw, controls, static=None)
    a, b, _ = shown[0].children
    a.value, b.value = 3, 0.75
    assert calls == [(2, 0.5), (3, 0.5), (3, 0.75)]
    assert isinstance(a.value, int)


def test_the_three_kinds_of_knob_hand_on_what_the_reader_gives(kernel, shown):
    calls = []

    def draw(**values):
        calls.append(values)
        return plt.figure(figsize=(1, 1)), f"A blank figure for the values {values}."

    controls = {
        "number": widgets.Slider("turned", 0, 5, 1, 2),
        "name": widgets.Choice("chosen", ("a", "b"), "a"),
        "text": widgets.TextBox("typed", "hello"),
    }
    widgets.panel(draw, controls, static=None)
    number, name, text, _ = shown[0].children
    number.value, name.value, text.value = 3, "b", "you"
    assert calls[0] == {"number": 2, "name": "a", "text": "hello"}
    assert calls[-1] == {"number": 3, "name": "b", "text": "you"}
    assert [knob.description for knob in (number, name, text)] == ["turned", "chosen", "typed"]


@pytest.mark.parametrize("setting", [(2.0, 0.0, 12), (-2.0, 3.0, 1), (0.0, 0.1, 12), (1.3, 0.1, 4)])
def test_the_corners_of_the_panel_can_be_drawn(setting):
    plotting.use_style()
    fig, alt = panels._draw_bptt(*setting)
    assert f"weight {setting[0]:g} " in alt
    hollow = [line for line in fig.axes[0].lines if line.get_markerfacecolor() == plotting.BACKGROUND]
    lost = sorted(x for line in hollow for x in line.get_xdata())
    assert lost == list(range(1, 13 - setting[2]))
    plotting.Picture(fig, alt)
