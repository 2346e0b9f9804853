"""Figures: colours that stay apart, alt text that arrives, drawings that say what they were told."""

import base64
import io
import itertools
import re
from html.parser import HTMLParser

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from figure_checks import check_legible
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.patches import Polygon
from PIL import Image

from course_lib import plotting

ALT = "A line that rises from 0 to 1 over two steps."


@pytest.fixture(autouse=True)
def style():
    with mpl.rc_context():
        mpl.use("agg")
        plotting.use_style()
        yield
        plt.close("all")


def image_of(picture):
    return Image.open(io.BytesIO(png_of(picture)))


def png_of(picture):
    return base64.b64decode(re.search(r'src="data:image/png;base64,([^"]+)"', picture.html)[1])


# ---------------------------------------------------------------------------------------------------------------------
# Colours
# ---------------------------------------------------------------------------------------------------------------------
# Colour vision deficiency at full severity, on linear RGB: Machado, Oliveira and Fernandes 2009, A
# Physiologically-based Model for Simulation of Color Vision Deficiency, IEEE TVCG 15(6):1291-1298.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
TOGETHER = {
    "a network and its gradient": ["input", "hidden", "cell", "output", "target", "gradient"],
    "an LSTM": ["input_gate", "forget_gate", "output_gate", "candidate", "cell", "hidden"],
    "a GRU": ["update_gate", "reset_gate", "candidate", "hidden"],
    "models": ["baseline", "rnn", "gru", "lstm", "attention", "transformer", "cnn", "optimum"],
    "truncation": ["full", "truncated", "optimum", "guess"],
    "a forecast": ["target", "prediction", "baseline", "guess"],
}


def linear_rgb(color):
    c = np.array(mpl.colors.to_rgb(color))
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def oklab(linear):
    """Ottosson 2020: a space in which distance is nearly difference as seen; black to white is 1."""
    cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return lab @ np.cbrt(cones @ np.clip(linear, 0, 1))


def difference(one, other, vision):
    return np.linalg.norm(oklab(VISION[vision] @ linear_rgb(one)) - oklab(VISION[vision] @ linear_rgb(other)))


def contrast(one, other):
    """WCAG 2 contrast ratio."""
    light = sorted(linear_rgb(color) @ [0.2126, 0.7152, 0.0722] for color in (one, other))
    return (light[1] + 0.05) / (light[0] + 0.05)


def test_the_simulation_sees_what_is_known():
    assert difference("#000000", "#ffffff", "normal") == pytest.approx(1, abs=1e-3)
    ochre, vermilion = "#a87400", "#d6421f"  # alike without the middle cones
    assert difference(ochre, vermilion, "normal") > 0.12
    assert difference(ochre, vermilion, "deuteranopia") < 0.01


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("group", TOGETHER)
def test_colors_that_meet_stay_apart(group, vision):
    for one, other in itertools.combinations(TOGETHER[group], 2):
        distance = difference(plotting.COLORS[one], plotting.COLORS[other], vision)
        assert distance > 0.09, f"{one} and {other} under {vision}: {distance:.3f}"


@pytest.mark.parametrize("name", plotting.COLORS)
def test_colors_stand_out_from_the_background(name):
    assert contrast(plotting.COLORS[name], plotting.BACKGROUND) >= 3


def test_text_is_readable_and_every_color_is_checked_with_its_company():
    assert contrast(plotting.FOREGROUND, plotting.BACKGROUND) >= 7
    assert contrast(plotting.MUTED, plotting.BACKGROUND) >= 4.5
    assert set(plotting.COLORS) == set(itertools.chain(*TOGETHER.values())) | {"gradient"}


@pytest.mark.parametrize("group", ["models", "an LSTM", "a GRU", "truncation", "a forecast"])
def test_color_is_never_the_only_sign(group):
    styles = [plotting.line_style(name) for name in TOGETHER[group] if name not in ("cell", "hidden")]
    signs = [(str(style["linestyle"]), style["marker"]) for style in styles]
    shared = {sign for sign in signs if signs.count(sign) > 1}
    assert shared <= {("--", None)}  # prediction and guess: a guess is a straight line with its own words beside it


def test_initializers_stay_apart_and_stand_out():
    styles = plotting.INITIALIZER_STYLES.values()
    for one, other in itertools.combinations(styles, 2):
        for vision in VISION:  # two blues are nearer than other colours that meet: dashes and markers tell them apart
            assert difference(one["color"], other["color"], vision) > 0.05, (one, other, vision)
    assert all(contrast(style["color"], plotting.BACKGROUND) >= 3 for style in styles)
    assert len({(style["linestyle"], style["marker"]) for style in styles}) == len(styles)


@given(st.sampled_from(sorted(plotting.COLORS)), st.floats(0, 1))
def test_a_tint_lies_between_the_background_and_the_color(name, share):
    ends = [np.array(mpl.colors.to_rgb(color)) for color in (plotting.BACKGROUND, plotting.COLORS[name])]
    mixed = np.array(plotting.tint(plotting.COLORS[name], share))
    np.testing.assert_allclose(mixed - ends[0], share * (ends[1] - ends[0]), atol=1e-12)
    assert plotting.tint(plotting.COLORS[name], 1) == mpl.colors.to_rgb(plotting.COLORS[name])


def test_line_style_draws_on_any_scale_and_names_what_it_knows():
    fig, ax = plt.subplots()
    ax.plot(np.arange(1, 200), np.exp(-np.arange(1, 200)), **plotting.line_style("lstm"))
    ax.set_yscale("log")
    fig.canvas.draw()
    with pytest.raises(ValueError, match=r"one of .*lstm.*but got 'lstn'"):
        plotting.line_style("lstn")


# ---------------------------------------------------------------------------------------------------------------------
# Pictures with alt text
# ---------------------------------------------------------------------------------------------------------------------
def simple_figure():
    fig, ax = plt.subplots()
    ax.plot([0, 1], label="rising")
    ax.set(xlabel="step", ylabel="value", title="A title")
    ax.legend()
    return fig


class Images(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        assert tag == "img"
        self.found.append(dict(attributes))


@given(st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40))
@settings(max_examples=5)
def test_alt_text_survives_its_way_into_html(words):
    picture = plotting.Picture(plt.figure(figsize=(1, 1), layout="none"), f"{ALT} <b>\"quoted\"</b> & 'so on' {words}")
    (image,) = Images(picture.html).found
    assert image["alt"] == picture.alt == " ".join(f"{ALT} <b>\"quoted\"</b> & 'so on' {words}".split())
    assert picture._repr_mimebundle_() == {"text/html": picture.html, "text/plain": picture.alt}
    assert repr(picture) == picture.alt


def test_alt_text_over_several_lines_becomes_one():
    assert (
        plotting.Picture(
            simple_figure(),
            """A line that rises
        from 0 to 1 over two steps.""",
        ).alt
        == ALT
    )


@pytest.mark.parametrize("alt", ["", "   ", None, "figure 1", "x" + " " * 60 + "y"])
def test_a_figure_without_words_is_refused(alt):
    with pytest.raises(ValueError, match=r"at least 30 characters .* but got .* Write for someone who cannot see it"):
        plotting.show(simple_figure(), alt)


def test_axes_instead_of_a_figure():
    with pytest.raises(TypeError, match=r"got Axes\. From axes, pass ax\.figure"):
        plotting.show(simple_figure().axes[0], ALT)


def test_picture_is_deterministic_opaque_and_closed():
    figures = [simple_figure(), simple_figure()]
    figures[1].patch.set_alpha(0)
    one, other = (plotting.Picture(fig, ALT) for fig in figures)
    assert png_of(one) == png_of(other)
    assert plt.get_fignums() == []
    image = image_of(one)
    assert not {"Software", "Creation Time", "date", "Title"} & set(image.info)
    pixels = np.asarray(image.convert("RGBA"))
    assert (pixels[..., 3] == 255).all()
    assert tuple(pixels[0, 0, :3]) == tuple(round(255 * c) for c in mpl.colors.to_rgb(plotting.BACKGROUND))


def test_picture_is_800_pixels_wide_or_as_wide_as_there_is_room():
    (attributes,) = Images(plotting.Picture(simple_figure(), ALT).html).found
    assert attributes["width"] == "800"
    assert attributes["style"] == "max-width:100%"
    assert image_of(plotting.Picture(simple_figure(), ALT)).width > 1000  # sharp on a dense screen


def test_show_displays_once(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    plotting.show(simple_figure(), ALT)
    assert [picture.alt for picture in shown] == [ALT]


def test_a_terminal_gets_the_alt_text(capsys):
    plotting.show(simple_figure(), ALT)
    assert capsys.readouterr().out == ALT + "\n"


def test_in_a_notebook_a_figure_appears_once_and_with_alt_text():
    """A real kernel with its inline backend, which would show every open figure after the cell, without alt text."""
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(
                "import matplotlib.pyplot as plt\nimport course_lib\n"
                "from course_lib import plotting\nrng = course_lib.setup(4)"
            ),
            nbformat.v4.new_code_cell(f"fig, ax = plt.subplots()\nax.plot([0, 1])\nplotting.show(fig, {ALT!r})"),
            nbformat.v4.new_code_cell(
                "from course_lib.teaching.panel import panel\n"
                "panel(None, {}, lambda: (plt.figure(), 'The static picture of a panel: nothing.'))"
            ),
            nbformat.v4.new_code_cell("plt.get_backend(), plt.get_fignums()"),
        ]
    )
    NotebookClient(book, kernel_name="python3", timeout=60).execute()
    setup, figure, panel, state = (cell.outputs for cell in book.cells)
    assert setup == []
    for outputs in (figure, panel):
        (output,) = outputs
        assert set(output.data) == {"text/html", "text/plain"}
        assert f'alt="{output.data["text/plain"]}"' in output.data["text/html"]
    assert figure[0].data["text/plain"] == ALT
    assert "inline" in state[0].data["text/plain"]
    assert "[]" in state[0].data["text/plain"]


# ---------------------------------------------------------------------------------------------------------------------
# Legible: type large enough at half width, nothing cut off at the edge, no word on another
# ---------------------------------------------------------------------------------------------------------------------
def drawn(plot, **kwargs):
    fig, ax = plt.subplots(**kwargs)
    plot(ax)
    return fig


def test_plots_are_legible():
    rng = np.random.default_rng(0)
    check_legible(simple_figure())
    check_legible(
        drawn(
            lambda ax: plotting.heatmap(
                ax, rng.normal(size=(3, 9)), label="activity", xlabel="step", ylabel="unit", rows=["a", "b", "c"]
            )
        )
    )
    for rows in (1, 2, 5):
        recorded = {f"row {i}": [1, 2, 3.0 + i] for i in range(rows)}
        fig = drawn(
            lambda ax, r=recorded: plotting.recorded_and_live(
                ax, r, {"row 0": 2.5}, xlabel="loss, nats", marks={"bound": 3.5, "baseline": 4}
            )
        )
        check_legible(fig)


@given(st.data())
@settings(max_examples=8)
def test_unrolled_networks_are_legible(data):
    steps = data.draw(st.integers(1, 14))
    symbols = st.lists(st.sampled_from([None, "", "e", "W", "␣", "AH0"]), min_size=steps, max_size=steps)
    numbers = st.lists(st.floats(-1, 1), min_size=steps, max_size=steps)
    fig = plotting.draw_unrolled(
        steps,
        inputs=data.draw(st.none() | symbols),
        outputs=data.draw(st.none() | symbols),
        losses=data.draw(st.sets(st.integers(1, steps))),
        gradient=data.draw(st.none() | numbers),
        cuts=data.draw(st.sets(st.integers(1, steps))),
        states=data.draw(st.none() | numbers),
    )
    check_legible(fig)
    assert fig.get_figwidth() <= 7
    plt.close(fig)


# ---------------------------------------------------------------------------------------------------------------------
# Parts of plots
# ---------------------------------------------------------------------------------------------------------------------
def test_heatmap_shows_the_numbers_and_puts_zero_in_the_middle():
    fig, (left, right) = plt.subplots(1, 2)
    signed = plotting.heatmap(left, [[-1, 0], [3, np.nan]], label="h", xlabel="step", ylabel="unit")
    plain = plotting.heatmap(right, [[1, 2, 3]], label="p", xlabel="step", ylabel="unit", vmin=0)
    assert signed.norm(0) == 0.5
    assert (signed.norm.vmin, signed.norm.vmax) == (-3, 3)
    assert (plain.norm.vmin, plain.norm.vmax) == (0, 3)
    assert np.ma.getmaskarray(signed.get_array()).tolist() == [[False, False], [False, True]]
    assert "h" in [axes.get_ylabel() for axes in fig.axes]
    assert left.get_xlabel() == "step"


def test_heatmap_refuses_what_it_cannot_draw():
    ax = plt.figure().add_subplot()
    names = {"label": "h", "xlabel": "step", "ylabel": "unit"}
    with pytest.raises(ValueError, match=r"\(rows, columns\).*got an array of shape \(3,\)"):
        plotting.heatmap(ax, [1, 2, 3], **names)
    with pytest.raises(ValueError, match=r"shape \(1, 1\) with 0 of them"):
        plotting.heatmap(ax, [[np.nan]], **names)
    with pytest.raises(ValueError, match="2 columns, so it takes 2 names for them, but got 1"):
        plotting.heatmap(ax, [[1, 2]], columns=["a"], **names)


@pytest.mark.parametrize("nothing", [None, ...])
def test_no_guess_no_mark(nothing):
    ax = simple_figure().axes[0]
    before = len(ax.get_children())
    plotting.mark_guess(ax, nothing)
    assert len(ax.get_children()) == before


@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize("value", [0.25, np.float32(0.75), 1])
def test_a_guess_in_view_is_a_dashed_line(axis, value):
    ax = simple_figure().axes[0]
    limits = ax.get_xlim(), ax.get_ylim()
    plotting.mark_guess(ax, value, axis=axis)
    mark = ax.lines[-1]
    assert (mark.get_xdata() if axis == "x" else mark.get_ydata())[0] == value
    assert mark.get_linestyle() == "--"
    assert ax.texts[-1].get_text() == f"your guess: {value:g}"
    assert (ax.get_xlim(), ax.get_ylim()) == limits
    check_legible(ax.figure, overlaps=False)


@pytest.mark.parametrize(("axis", "value", "arrow"), [("x", 99, "→"), ("x", -99, "←"), ("y", 99, "↑"), ("y", -99, "↓")])
def test_a_guess_out_of_view_does_not_squash_the_curve(axis, value, arrow):
    ax = simple_figure().axes[0]
    limits, lines = (ax.get_xlim(), ax.get_ylim()), len(ax.lines)
    plotting.mark_guess(ax, value, axis=axis)
    assert (ax.get_xlim(), ax.get_ylim()) == limits
    assert len(ax.lines) == lines
    assert ax.texts[-1].get_text() == f"your guess: {value} {arrow}"
    check_legible(ax.figure, overlaps=False)


@pytest.mark.parametrize("value", ["12", [1], True, np.nan, np.inf])
def test_a_guess_is_a_number(value):
    with pytest.raises(TypeError, match=r"one finite number, but got .*my_guess = 12"):
        plotting.mark_guess(simple_figure().axes[0], value)


def test_a_guess_on_a_logarithmic_axis_is_positive():
    ax = simple_figure().axes[0]
    ax.set_yscale("log")
    with pytest.raises(ValueError, match="above zero, but got -1"):
        plotting.mark_guess(ax, -1, axis="y")


def test_a_guess_stands_on_one_of_two_axes():
    with pytest.raises(ValueError, match='axis "x" or "y", but got \'z\''):
        plotting.mark_guess(simple_figure().axes[0], 1, axis="z")


def test_recorded_and_live_shows_every_seed_beside_the_live_run():
    ax = plt.figure().add_subplot()
    plotting.recorded_and_live(ax, {"lstm": [3, 1, 2], "rnn": [9]}, {"rnn": 8}, xlabel="loss", marks={"bound": 5})
    points = [(line.get_marker(), sorted(line.get_xdata())) for line in ax.lines if line.get_marker() != "None"]
    assert ("o", [1, 2, 3]) in points
    assert ("o", [9]) in points
    assert ("D", [8]) in points
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert words == ["recorded, one dot a seed", "live, just now", "bound: 5"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["lstm", "rnn"]


def test_recorded_and_live_refuses_rows_that_do_not_match():
    ax = plt.figure().add_subplot()
    with pytest.raises(ValueError, match="at least one row"):
        plotting.recorded_and_live(ax, {}, {}, xlabel="loss")
    with pytest.raises(ValueError, match=r"recorded rows \['rnn'\], but got \['gru'\]"):
        plotting.recorded_and_live(ax, {"rnn": [1]}, {"gru": 1}, xlabel="loss")


# ---------------------------------------------------------------------------------------------------------------------
# Diagrams
# ---------------------------------------------------------------------------------------------------------------------
def words_in(fig):
    return [text.get_text() for text in fig.findobj(mpl.text.Text) if text.get_text()]


def gradient_arrows(fig):
    color = mpl.colors.to_rgba(plotting.COLORS["gradient"])
    return [p for p in fig.findobj(Polygon) if np.allclose(p.get_facecolor(), color)]


def test_unrolled_network_has_its_letters():
    words = words_in(plotting.draw_unrolled(3))
    for letter in ("h", "x"):
        assert {f"${letter}_{{{t}}}$" for t in (1, 2, 3)} <= set(words)
    assert r"$\hat{y}_{2}$" in words
    assert words.count("$W_h$") == words.count("$W_x$") == words.count("$W_y$") == 3  # the same weights at each step
    assert "$h_0$" in words


def test_unrolled_network_leaves_out_what_is_not_there():
    words = words_in(plotting.draw_unrolled(3, inputs=["a", None, None], outputs=[None, None, "z"], losses=[3]))
    assert {"a", "z", "$L_{3}$", "$x_{1}$"} <= set(words)
    assert not {"$x_{2}$", r"$\hat{y}_{1}$", "$L_{1}$"} & set(words)


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=14), st.data())
@settings(max_examples=10)
def test_a_gradient_is_as_wide_as_it_is_large_and_stops_at_a_cut(gradient, data):
    steps = len(gradient)
    cuts = data.draw(st.sets(st.integers(1, steps - 1)))
    fig = plotting.draw_unrolled(steps, gradient=gradient, cuts=cuts)
    arrows = gradient_arrows(fig)
    flowing = [t for t in range(1, steps) if t not in cuts]  # from h_{t+1} into h_t
    assert len(arrows) == len(flowing)
    assert words_in(fig).count("cut") == len(cuts)
    starts = {
        t: np.linalg.norm(arrow.get_xy()[0] - arrow.get_xy()[-2]) for t, arrow in zip(flowing, arrows, strict=True)
    }
    if starts:
        widest = max(starts, key=lambda t: gradient[t])
        for t, width in starts.items():
            expected = starts[widest] * gradient[t] / gradient[widest]
            assert width == pytest.approx(expected, rel=1e-6) or gradient[t] < 0.15 * max(
                gradient
            )  # the very small stays visible
    plt.close(fig)


def test_no_gradient_no_arrow():
    assert len(gradient_arrows(plotting.draw_unrolled(4, gradient=[0, 0, 0.5, 1]))) == 1
    assert gradient_arrows(plotting.draw_unrolled(4, gradient=np.zeros(4))) == []
    assert gradient_arrows(plotting.draw_unrolled(4)) == []


def test_unrolled_network_refuses_what_cannot_be_read():
    for steps in (0, 15):
        with pytest.raises(ValueError, match=f"1 to 14 steps, but got {steps}"):
            plotting.draw_unrolled(steps)
    with pytest.raises(ValueError, match="3 steps, so gradient needs 3 entries, but got 2"):
        plotting.draw_unrolled(3, gradient=[1, 2])
    for places in ({"losses": [4]}, {"cuts": [0]}):
        with pytest.raises(ValueError, match=r"steps from 1 to 3, but got \[[04]\]"):
            plotting.draw_unrolled(3, **places)


def test_arrows_lead_along_their_points_to_the_last():
    ax = plt.figure().add_subplot()
    plotting.draw_arrow(ax, (0, 0), (1, 0), (1, 2), color="red", width=3, head=7)
    (line,), (arrow,) = ax.lines, ax.patches
    assert line.get_xydata().tolist() == [[0, 0], [1, 0]]
    assert arrow.get_path().vertices[0].tolist() == [1, 0]
    assert arrow._posA_posB == [(1, 0), (1, 2)]
    plotting.draw_arrow(ax, (0, 0), (1, 1))
    assert len(ax.lines) == 1  # two points need no line beside the arrow


@pytest.mark.parametrize(("fill", "color"), [(0.0, plotting.FOREGROUND), (0.16, plotting.FOREGROUND), (0.85, "white")])
def test_a_boxs_text_can_be_read_on_its_fill(fill, color):
    ax = plt.figure().add_subplot()
    plotting.draw_box(ax, 1, 2, 0.5, plotting.COLORS["output"], "K", fontsize=12, fill=fill)
    (box,), (text,) = ax.patches, ax.texts
    assert (text.get_text(), text.get_position(), text.get_color()) == ("K", (1, 2), color)
    face = mpl.colors.to_hex(box.get_facecolor())
    other = {plotting.FOREGROUND: "white", "white": plotting.FOREGROUND}[color]
    assert contrast(color, face) > contrast(other, face)
    extent = box.get_path().get_extents(box.get_patch_transform())
    np.testing.assert_allclose(extent.get_points(), [[0.5, 1.5], [1.5, 2.5]])


def test_gates_and_operations_are_drawn_where_they_are_told():
    ax = plt.figure().add_subplot()
    plotting.draw_gate(ax, 1, 2, "$f_t$", "forget_gate")
    plotting.draw_operation(ax, 3, 2, "×")
    gate, operation = ax.patches
    assert mpl.colors.to_hex(gate.get_edgecolor()) == plotting.COLORS["forget_gate"]
    assert operation.get_center() == (3, 2)
    assert [text.get_text() for text in ax.texts] == ["$f_t$", "×"]


@given(st.floats(0.05, 0.4), st.floats(0.05, 0.4), st.floats(-0.5, 0.5))
@settings(max_examples=10)
def test_a_gradient_arrow_leads_from_start_to_end_in_its_widths(first, last, rise):
    fig, ax = plt.subplots()
    plotting.draw_gradient_arrow(ax, (0, 0), (3, 0), (first, last), rise=rise)
    outline = ax.patches[0].get_xy()
    assert np.linalg.norm(outline[0] - outline[-2]) == pytest.approx(first)
    assert np.any(np.all(np.isclose(outline, (3, 0)), axis=1))
    highest = outline[np.abs(outline[:, 1]).argmax(), 1]
    assert highest == pytest.approx(-rise, abs=0.3)
    plt.close(fig)
