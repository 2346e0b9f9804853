"""Lesson 00: the panel says whatever is typed, the drawings are legible, the map is the README's."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from figure_checks import check_legible, texts_of
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib import lessons, plotting, speaker
from course_lib.lessons.lesson_00_start_here import figures, panels


@pytest.fixture(autouse=True)
def style():
    with mpl.rc_context():
        plotting.use_style()
        yield
        plt.close("all")


# ---------------------------------------------------------------------------------------------------------------------
# The map
# ---------------------------------------------------------------------------------------------------------------------
def test_the_map_is_legible_and_has_every_lesson(shown):
    walk = lessons.written()
    fig = figures.draw_course_map(walk)
    check_legible(fig)
    texts = [text.get_text().replace("\n", " ") for text in texts_of(fig)]
    for lesson in walk:
        assert lesson.number in texts
        assert lesson.title in texts
        assert f"{lesson.minutes} min" in texts
    figures.show_course_map()
    assert all(f"{n.number} {n.title}" in shown[0].alt for n in walk)


# ---------------------------------------------------------------------------------------------------------------------
# Words and their sounds
# ---------------------------------------------------------------------------------------------------------------------
@st.composite
def spoken_words(draw):
    letters = draw(st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=40))
    sounds = tuple(draw(st.lists(st.sampled_from(speaker.PHONEMES), max_size=28)))
    certainty = np.array([draw(st.floats(0, 1)) for _ in range(len(sounds) + 1)])
    sharpness = draw(st.sampled_from([0.01, 1]))  # from attention to one letter to attention to all
    attention = np.random.default_rng(draw(st.integers(0, 9))).dirichlet(np.full(len(letters), sharpness), len(sounds))
    return speaker.Spoken(letters, sounds, attention, certainty)


@given(st.lists(spoken_words(), min_size=1, max_size=4))
@settings(max_examples=10)
def test_spoken_words_are_legible(words):
    fig = figures.draw_spoken([(f"{spoken.word}: “{speaker.respell(spoken.phonemes)}”", spoken) for spoken in words])
    check_legible(fig)
    texts = [text.get_text() for text in texts_of(fig)]
    letters, sounds = "".join(spoken.word for spoken in words), [p for spoken in words for p in spoken.phonemes]
    assert "".join(text for text in texts if text.islower() and len(text) == 1) == letters
    assert [text for text in texts if text in speaker.SOUNDS] == sounds
    for spoken in words:
        for sound, certainty in zip(spoken.phonemes, spoken.probabilities, strict=False):
            assert sound in texts
            assert f"{certainty:.0%}" in texts
    assert fig.get_figwidth() == 7
    plt.close(fig)


def test_a_line_is_as_thick_as_the_network_looked():
    looked = np.array([[0.9, 0.1, 0.0], [0.02, 0.0, 0.98]])
    fig = figures.draw_spoken([("", speaker.Spoken("abc", ("AE", "K"), looked, np.ones(3)))])
    widths = [line.get_linewidth() for line in fig.axes[0].lines]
    np.testing.assert_allclose(np.array(widths) / 5, [0.9, 0.1, 0.98])  # what is too thin to see is left out
    plt.close(fig)


def test_a_long_word_goes_on_in_a_new_row_with_its_sounds():
    def rows(letters, *attended):
        spoken = speaker.Spoken("e" * letters, ("AH",) * len(attended), np.eye(letters)[list(attended)], None)
        return [
            (row.start, row.stop, sounds.start, sounds.stop, columns.tolist())
            for row, sounds, columns in figures.rows_of(spoken, 12)
        ]

    assert rows(5, 0, 2, 3) == [(0, 5, 0, 3, [0, 2, 3])]  # below the letter with most attention
    assert rows(5, 1, 1, 4, 4) == [(0, 5, 0, 4, [1, 2, 3, 4])]  # or beside it
    assert rows(13, 0, 6, 7, 12) == [(0, 7, 0, 2, [0, 6]), (7, 13, 2, 4, [0, 5])]
    assert rows(13, 9, 0) == [(0, 7, 0, 0, []), (7, 13, 0, 2, [2, 3])]  # sounds stay in order
    assert rows(2, *[0] * 12, 1) == [(0, 1, 0, 12, list(range(12))), (1, 2, 12, 13, [0])]
    assert rows(3) == [(0, 3, 0, 0, [])]


def test_nothing_to_draw():
    with pytest.raises(ValueError, match="at least one word"):
        figures.draw_spoken([])


# ---------------------------------------------------------------------------------------------------------------------
# The panel
# ---------------------------------------------------------------------------------------------------------------------
def test_a_name_is_said_word_by_word(shown):
    assert figures.say("Ada O'Brien-Łukasz") == ["ada", "obrien", "lukasz"]
    (picture,) = shown
    for word in ("ada, said", "obrien, said", "lukasz, said"):
        assert word in picture.alt


@pytest.mark.parametrize("name", ["李雷", "", "  ", "42", "a" * 41, 7])
def test_a_name_that_cannot_be_said_gets_a_sentence_and_the_lesson_goes_on(name, shown, capsys):
    assert figures.say(name) == ["grace", "hopper"]
    said = capsys.readouterr().out
    assert said.startswith("The network takes ")
    assert said.endswith("Until then: Grace Hopper.\n")
    assert len(said.splitlines()) == 1


def test_of_a_long_name_the_first_words_are_said(shown, capsys):
    assert figures.say("Anne Marie Louise de Bourbon") == ["anne", "marie", "louise", "de"]
    assert "The first 4 of 5 words" in capsys.readouterr().out


def test_the_static_panel_shows_three_words(shown):
    panels.speaker_panel()
    assert all(f"{word}, said" in shown[0].alt for word in ("phillipp", "bragging", "concoctions"))


def test_the_panel_says_four_words_and_answers_what_it_cannot_say():
    assert "phone, said fohn" in panels._draw_speaker("phone")[1]
    assert panels._draw_speaker("a b c d e f")[1].count(", said ") == 4
    for text in ("42", "李雷", "", "a" * 60):
        fig, alt = panels._draw_speaker(text)
        assert alt.startswith("No word to say.")
        check_legible(fig)
