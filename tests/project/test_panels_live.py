"""JupyterLab in a real browser: alt text reaches the page, and a panel follows the keyboard."""

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

import browser
import matplotlib.pyplot as plt
import nbformat
import pytest
from browser import SECONDS
from nbconvert import HTMLExporter

from course_lib import plotting

pytestmark = browser.NEEDED
ALT = 'A line rising from 0 to 1; "quotes", <angles> & ampersands.'
PANEL = """
def draw(weight, count):
    fig, ax = plt.subplots()
    ax.plot(weight ** np.arange(count))
    return fig, f"The powers of weight {weight:g}, up to exponent {count}."

controls = {"weight": Slider("recurrent weight w", -2.0, 2.0, 0.1, 1.0),
            "count": Slider("number of powers", 1, 12, 1, 12)}
panel(draw, controls, lambda: draw(1.0, 12))
"""
# What a machine without a network, or the stopping of a server, writes into the console.
HARMLESS = re.compile(r"net::ERR_|Failed to load resource|Failed to fetch|WebSocket")


def write_lesson(path):
    book = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(
                "import matplotlib.pyplot as plt\nimport numpy as np\nimport course_lib\n"
                "from course_lib import plotting\n"
                "from course_lib.teaching.panel import Slider, panel\n"
                "rng = course_lib.setup(4)"
            ),
            nbformat.v4.new_code_cell(f"fig, ax = plt.subplots()\nax.plot([0, 1])\nplotting.show(fig, {ALT!r})"),
            nbformat.v4.new_code_cell(PANEL),
        ]
    )
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, path)


def write_stored(path):
    """A lesson as it comes from the repository: with outputs, opened by someone whose Jupyter does not trust it."""
    plotting.use_style()
    picture = plotting.Picture(plt.figure(figsize=(1, 1), layout="none"), "A stored figure that nobody has run again.")
    output = nbformat.v4.new_output("display_data", data=picture._repr_mimebundle_())
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1", execution_count=1, outputs=[output])])
    nbformat.write(book, path)


class Server(NamedTuple):
    address: str
    token: str
    root: Path

    def lesson(self, name):
        return f"{self.address}/lab/tree/{name}?token={self.token}&reset"

    def ask(self, path, method="GET"):
        request = urllib.request.Request(f"{self.address}/api/{path}?token={self.token}", method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.loads(answer.read() or "null")


def wait_for_kernel(server, page):
    """Until page and kernel have found each other, Run All opens a dialog instead of running."""
    page.locator(".jp-Toolbar-kernelName", has_text="Python 3").wait_for()
    end = time.monotonic() + SECONDS
    while not any(kernel["connections"] and kernel["execution_state"] == "idle" for kernel in server.ask("kernels")):
        assert time.monotonic() < end, f"No kernel came to rest within {SECONDS} s: {server.ask('kernels')}"
        page.wait_for_timeout(200)
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A JupyterLab with settings, kernels and folders of its own."""
    root, home = tmp_path_factory.mktemp("lessons"), tmp_path_factory.mktemp("jupyter")
    write_lesson(root / "lesson.ipynb")
    write_stored(root / "stored.ipynb")
    kernel = home / "data" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(
        json.dumps(
            {
                "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                "display_name": "Python 3",
                "language": "python",
            }
        ),
        encoding="utf-8",
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(8)
    environment = {name: value for name, value in os.environ.items() if name != "COURSE_STATIC"}
    environment |= {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "IPYTHONDIR": str(home / "ipython"),
    }
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--ServerApp.ip=127.0.0.1",
        "--allow-root",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={root}",
        "--LabApp.news_url=None",
        "--LabApp.extension_manager=readonly",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    log = home / "server.log"
    with log.open("w", encoding="utf-8") as written:
        process = subprocess.Popen(command, env=environment, stdout=written, stderr=subprocess.STDOUT, cwd=root)
        try:
            address, end = f"http://127.0.0.1:{port}", time.monotonic() + SECONDS
            while True:
                try:
                    Server(address, token, root).ask("status")
                    break
                except OSError:
                    said = log.read_text(encoding="utf-8", errors="replace")[-2000:]
                    assert process.poll() is None, f"JupyterLab stopped before it answered:\n{said}"
                    assert time.monotonic() < end, f"JupyterLab did not answer within {SECONDS} s:\n{said}"
                    time.sleep(0.2)
            yield Server(address, token, root)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def page():
    with browser.open_page() as page:
        yield page


def test_a_lesson_lives(server, page):
    page.goto(server.lesson("lesson.ipynb"))
    wait_for_kernel(server, page)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name=re.compile("^Run All Cells")).first.click()

    figure = page.locator(".jp-Cell").nth(1).locator(".jp-OutputArea-output img")
    figure.wait_for()
    assert figure.count() == 1, "a figure is shown once"
    assert figure.get_attribute("alt") == ALT
    assert figure.evaluate("image => image.complete && image.naturalWidth") > 1000, "the picture itself was decoded"
    assert 600 < figure.bounding_box()["width"] <= 800

    panel = page.locator(".jp-Cell").nth(2)
    picture = panel.locator("[aria-live=polite] img")
    picture.wait_for()
    before = picture.get_attribute("alt"), picture.get_attribute("src")
    assert "powers of weight 1," in before[0]
    assert panel.locator(".widget-label", has_text="recurrent weight w").count() == 1
    handle = panel.locator(".noUi-handle").first
    handle.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("old => document.querySelector('[aria-live=polite] img').alt !== old", arg=before[0])
    assert "powers of weight 1.1," in picture.get_attribute("alt")
    assert picture.get_attribute("src") != before[1]
    panel.locator(".noUi-handle").nth(1).focus()
    page.keyboard.press("ArrowLeft")
    panel.locator('img[alt*="up to exponent 11."]').wait_for()
    assert panel.locator("img").count() == 1

    # saved, closed, and opened the next day with another kernel: the last picture, and what makes it move
    page.locator(".jp-Cell").nth(1).locator(".jp-OutputArea-output img").click()
    page.keyboard.press("Control+s")
    lesson, end = server.root / "lesson.ipynb", time.monotonic() + SECONDS
    while "widget-state+json" not in lesson.read_text(encoding="utf-8"):
        assert time.monotonic() < end, "the state of the panel was not saved: see LAB_SETTINGS in make.py"
        page.wait_for_timeout(200)
    for session in server.ask("sessions"):
        server.ask(f"sessions/{session['id']}", method="DELETE")
    page.goto(server.lesson("lesson.ipynb"))
    panel.locator('img[alt*="weight 1.1, up to exponent 11."]').wait_for()
    assert panel.get_by_text("run this cell again").is_visible()
    assert page.get_by_text("model not found").count() == 0

    # exported without the state: the first picture stands in the panel's place
    book = nbformat.read(lesson, as_version=4)
    del book.metadata["widgets"]
    exported, _ = HTMLExporter().from_notebook_node(book)
    assert "The powers of weight 1, up to exponent 12." in exported
    assert "VBox(" not in exported

    assert page.locator("[data-mime-type*=stderr], [data-mime-type*=error]").count() == 0
    assert [text for text in page.complaints if not HARMLESS.search(text)] == []


def test_a_stored_figure_shows_before_anything_is_trusted_or_run(server, page):
    page.goto(server.lesson("stored.ipynb"))
    figure = page.locator(".jp-OutputArea-output img")
    figure.wait_for()
    assert figure.get_attribute("alt") == "A stored figure that nobody has run again."
    assert figure.evaluate("image => image.naturalWidth") > 100
