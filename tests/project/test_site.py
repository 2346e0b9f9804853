"""The site: how pages are made ready, and what a reader of the built pages finds."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import browser
import pytest

from course_lib.lessons import written

ROOT = Path(__file__).resolve().parents[2]
LESSONS = written()


@pytest.fixture(scope="module")
def conf():
    spec = importlib.util.spec_from_file_location("site_conf", ROOT / "docs" / "conf.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_anchors_become_targets_and_heading_links_take_the_form_of_the_site(conf):
    assert conf.as_myst('<a id="elman-1990"></a>\n**Elman 1990.**') == "(elman-1990)=\n**Elman 1990.**"
    assert conf.as_myst("see `<a id=...>`") == "see `<a id=...>`"
    link = "[a](#Why-weights-share:-a-sum) [b](03_rnn.ipynb#Unrolling) [c](../docs/bibliography.md#Elman)"
    assert conf.as_myst(link, lesson=True) == (
        "[a](#why-weights-share-a-sum) [b](03_rnn.ipynb#unrolling) [c](../docs/bibliography.md#Elman)"
    )
    assert conf.as_myst(link) == link


def test_a_number_stays_on_a_formula_of_several_lines(conf):
    two = "$$\\begin{aligned}a &= b\\\\\nc &= d\\end{aligned} \\tag{6.1}$$"
    assert conf.as_myst(f"x\n{two}\ny") == "x\n\\begin{equation}\n" + two[2:-2] + "\n\\end{equation}\ny"
    for plain in ("$$a = b \\tag{6.1}$$", "$$a\\\\ b$$", "$a$ and $$"):
        assert conf.as_myst(plain) == plain


def test_a_section_is_collected_from_each_lesson_that_has_it(conf):
    cards = conf.collected("Use it")
    for lesson in LESSONS:
        assert (f"](../notebooks/{lesson.stem}.ipynb)\n" in cards) == (lesson.form == 2)
    assert "```python\n" in cards
    assert not re.search(r"\]\((?:\.\./docs/|#|[0-9p][0-9]_)", cards)
    assert "**" in conf.collected("Words you can now use")
    notebook = {
        "cells": [{"cell_type": "markdown", "source": text} for text in ("# T", "## Use it: x", "a", "## Words")]
    }
    assert conf.section_of(notebook, "Use it") == [("markdown", "## Use it: x"), ("markdown", "a")]


def test_launch_buttons_lead_to_copies(conf):
    buttons = [
        {"buttons": [{"url": "https://b/v2/gh/o/r/main?urlpath=lab/tree/notebooks/06_lstm.ipynb"}, {"text": "x"}]}
    ]
    conf.copies_on_binder(None, "notebooks/06_lstm", "page.html", {"header_buttons": buttons}, None)
    assert buttons[0]["buttons"][0]["url"].endswith("lab/tree/my_notebooks/06_lstm.ipynb")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built anew by a build that may not ask the network for anything."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-b", "html", "--fail-on-warning", "--keep-going", "--quiet"]
    command += ["-c", str(ROOT / "docs"), "-d", str(folder / "doctrees"), str(ROOT), str(folder / "site")]
    # A proxy that nobody serves: a build that asks the network for anything fails.
    env = {**os.environ, "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=env, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_its_citations_arrive(site):
    assert "docs/index.html" in (site / "index.html").read_text(encoding="utf-8")
    assert 'id="elman-1990"' in (site / "docs" / "bibliography.html").read_text(encoding="utf-8")
    reference = (site / "docs" / "api.html").read_text(encoding="utf-8")
    for name in ("layers.Dense.forward", "recurrent.lstm.LSTM", "tasks.grammars.reber_batch", "teaching.exercise.sync"):
        assert f'id="course_lib.{name}"' in reference
    for lesson in LESSONS:
        page = (site / "notebooks" / f"{lesson.stem}.html").read_text(encoding="utf-8")
        assert "../docs/bibliography.html#" in page
        assert "https://cdn." not in page


def in_browser(test):
    for mark in browser.NEEDED:
        test = mark(test)
    return test


@in_browser
def test_formulas_are_drawn_without_a_network_and_there_is_one_search_box(site):
    with browser.open_page(offline=True) as page:
        for path in (*sorted(site.glob("notebooks/*.html")), site / "docs" / "notation.html"):
            page.goto(path.as_uri())
            if page.locator(".math").count() == 0:
                continue
            page.locator("mjx-container").first.wait_for(state="attached")
            page.evaluate("MathJax.startup.promise.then(() => true)")
            wrong = [error.get_attribute("data-mjx-error") for error in page.locator("mjx-merror").all()]
            assert wrong == [], path.stem
            formula = page.locator("mjx-container:visible").first
            assert formula.bounding_box()["height"] > 8, "the fonts came along"
        boxes = page.locator("button.search-button__button, .sidebar-primary-items form.bd-search")
        assert sum(box.is_visible() for box in boxes.all()) == 1


@in_browser
@pytest.mark.parametrize(
    ("words", "pages"),
    [
        ("own text file", {"p2", "start_from_data"}),
        ("CSV", {"p1", "start_from_data"}),
        ("vanishing gradient", {"05_long_memory", "06_lstm"}),
    ],
)
def test_what_people_look_for_is_found(words, pages, site):
    with browser.open_page(offline=True) as page:
        page.goto(f"{(site / 'search.html').as_uri()}?q={words.replace(' ', '+')}")
        page.locator("#search-results ul.search li a").first.wait_for()
        page.get_by_text("Search finished").wait_for()
        found = " ".join(link.get_attribute("href") for link in page.locator("#search-results li a").all())
    assert all(name in found for name in pages), found
