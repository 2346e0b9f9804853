"""What the tests of every drawing ask: is each word legible, inside the figure, and clear of the others?"""

from __future__ import annotations

import itertools

import matplotlib as mpl


def texts_of(fig):
    """Every piece of text that is really drawn: not empty, not the label of a tick beyond the axis' end."""
    fig.canvas.draw()
    beyond = {
        id(label)
        for axis in fig.findobj(mpl.axis.Axis)
        for tick in axis.get_major_ticks() + axis.get_minor_ticks()
        for label in (tick.label1, tick.label2)
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    }
    return [
        text
        for text in fig.findobj(mpl.text.Text)
        if text.get_visible() and text.get_text().strip() and id(text) not in beyond
    ]


def check_legible(fig, overlaps=True, smallest=10):
    """Each text has at least so many points, lies inside the figure and, if asked for, on no other text."""
    boxes = [(text, text.get_window_extent()) for text in texts_of(fig)]
    assert boxes
    for text, box in boxes:
        # a 7-inch figure shown 400 pixels wide has 400/7/72 = .8 pixels a point
        assert text.get_fontsize() >= smallest, f"{text.get_text()!r} is set in {text.get_fontsize()} points"
        inside = min(box.x0, box.y0) >= 0 and box.x1 <= fig.bbox.x1 and box.y1 <= fig.bbox.y1
        assert inside, f"{text.get_text()!r} is cut off"
    if overlaps:
        for (one, a), (other, b) in itertools.combinations(boxes, 2):
            wide = min(a.x1, b.x1) - max(a.x0, b.x0)
            high = min(a.y1, b.y1) - max(a.y0, b.y0)
            assert min(wide, high) <= 1.5, f"{one.get_text()!r} and {other.get_text()!r} overlap"
