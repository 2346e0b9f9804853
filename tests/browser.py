"""A real browser for the tests that need one."""

import contextlib
import os
import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge", "microsoft-edge")
CHROMIUM = os.environ.get("COURSE_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
SECONDS = 60  # for any one thing to happen on a busy machine
NEEDED = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None,
        reason="no Chromium, Chrome or Edge on the PATH (Debian: apt-get install chromium); "
        "COURSE_CHROMIUM=/path/to/it names one",
    ),
]


@contextlib.contextmanager
def open_page(**context):
    """Open a page of a browser; ``page.complaints`` collects what it writes into its console as an error.

    Parameters
    ----------
    **context
        Of Playwright's ``browser.new_context``, such as ``offline=True``.
    """
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    # Playwright runs an event loop in this thread; nothing else in the tests may need one while it is open.
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
                "--no-first-run",
            ],
        )
        page = browser.new_context(viewport={"width": 1200, "height": 1000}, **context).new_page()
        page.set_default_timeout(SECONDS * 1000)
        page.complaints = []
        page.on("console", lambda message: page.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        yield page
        browser.close()
