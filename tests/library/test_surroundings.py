"""What an account or a shell has set stays outside: threads, Keras' settings, matplotlib's style."""

import json
import os
import re
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient

from course_lib import THREADS, watch


def run(code, tmp_path, **variables):
    """What a fresh Python prints, in a folder of its own, with just these variables set."""
    env = {name: value for name, value in os.environ.items() if name not in THREADS and "KERAS" not in name}
    env |= {"PYTHONUTF8": "1", "HOME": str(tmp_path), "USERPROFILE": str(tmp_path), **variables}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


BLAS = (
    "import numpy, course_lib; course_lib.setup(0); import threadpoolctl as t; "
    "print(*{pool['num_threads'] for pool in t.threadpool_info() if pool['user_api'] == 'blas'})"
)


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core has one thread anyway")
@pytest.mark.parametrize(
    ("variables", "threads"), [({}, "1"), ({"OMP_NUM_THREADS": ""}, "1"), ({"OMP_NUM_THREADS": "2"}, "2")]
)
def test_a_lesson_runs_on_one_thread_unless_its_reader_chose(variables, threads, tmp_path):
    found = run(BLAS, tmp_path, **variables)
    # Accelerate, NumPy's BLAS on new Macs, cannot be asked.
    assert found == [threads] or (found == [] and sys.platform == "darwin")


def test_keras_is_the_one_of_the_course_whatever_the_account_says(tmp_path):
    said = {"floatx": "float64", "backend": "jax", "epsilon": 0.5, "image_data_format": "channels_first"}
    (tmp_path / "keras.json").write_text(json.dumps(said), encoding="utf-8")
    code = (
        "from course_lib.keras_models import keras; c = keras.config; "
        "print(c.floatx(), c.backend(), c.epsilon(), c.image_data_format(), keras.__version__[0], "
        "keras.layers.Dense(1)(keras.ops.ones((1, 1))).dtype.name)"
    )
    names = {"KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "jax", "TF_USE_LEGACY_KERAS": "1"}
    assert run(code, tmp_path, **names) == ["float32", "tensorflow", "1e-07", "channels_last", "3", "float32"]


def test_another_keras_that_came_first_is_refused(tmp_path):
    code = (
        "import sys, types; keras = types.SimpleNamespace(__version__='2.15.0'); "
        "sys.modules['tensorflow'] = types.SimpleNamespace(keras=keras)\n"
        "try: import course_lib.keras_models\n"
        "except ImportError as error: print(error)"
    )
    assert "Restart the kernel and run the lesson from the top" in " ".join(run(code, tmp_path))


def test_an_accounts_matplotlibrc_changes_no_figure(tmp_path):
    rc = "text.usetex: True\nsavefig.bbox: tight\nsavefig.dpi: 31\naxes.grid: True\nlines.linewidth: 9\nbackend: pdf\n"
    for name, text in (("plain", ""), ("own", rc)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "matplotlibrc").write_text(text, encoding="utf-8")
    code = (
        "import course_lib; course_lib.setup(0); import matplotlib.pyplot as plt; from course_lib import plotting; "
        "fig, ax = plt.subplots(); ax.plot([1, 2]); "
        "picture = plotting.Picture(fig, 'A line that rises from one to two.'); "
        "print(hash(picture.html), plt.get_backend())"
    )
    (plain, _), (own, backend) = (run(code, tmp_path / name, PYTHONHASHSEED="0") for name in ("plain", "own"))
    assert own == plain
    assert backend == "pdf"  # what draws on the screen is the reader's business


@pytest.mark.skipif(os.name == "nt", reason="there a process cannot interrupt itself alone")
def test_the_stop_button_is_answered_with_a_sentence(tmp_path):
    book = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("import course_lib; rng = course_lib.setup(0); trained = [0]"),
            nbformat.v4.new_code_cell(
                "import os, signal, time\nfor step in range(9):\n    trained.append(step)\n"
                "    if step == 3: os.kill(os.getpid(), signal.SIGINT); time.sleep(30)"
            ),
            nbformat.v4.new_code_cell("print(trained)"),
        ]
    )
    NotebookClient(book, timeout=60, allow_errors=True, kernel_name="python3").execute(cwd=str(tmp_path))
    shown = "".join(str(output.get("text", output.get("traceback"))) for output in book.cells[1].outputs)
    assert watch.STOPPED.format("") in shown
    assert "Traceback" not in shown
    assert book.cells[2].outputs[0].text == "[0, 0, 1, 2, 3]\n"


@pytest.mark.skipif(os.name == "nt", reason="there a process cannot interrupt itself alone")
def test_a_cell_that_trains_says_how_far_it_is_and_keeps_what_was_learned(tmp_path, monkeypatch):
    for name in ("COURSE_STATIC", "CI"):
        monkeypatch.delenv(name, raising=False)
    make = (
        "import course_lib, os, signal, time; rng = course_lib.setup(0)\n"
        "from course_lib.layers import Dense; from course_lib.losses import MeanSquaredError\n"
        "from course_lib.model import Model; from course_lib.optimizers import SGD\n"
        "model = Model([Dense(2, 1, rng=rng)], MeanSquaredError())\n"
        "x, y = rng.normal(size=(8, 2)), rng.normal(size=(8, 1))"
    )
    train = (
        "for step in range(1, 100):\n    model.train_on_batch(x, y, optimizer=SGD(0.1)); time.sleep(0.25)\n"
        "    if step == 1: first = model.weights[0].copy()\n    if step == 9: os.kill(os.getpid(), signal.SIGINT)"
    )
    quiet = (
        "history = model.fit(x, y, optimizer=SGD(0.1), epochs=3, rng=rng, progress=False)\n"
        "print((first != model.weights[0]).all())"
    )
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in (make, train, quiet)])
    seen = []

    class Client(NotebookClient):
        def process_message(self, message, cell, index):
            seen.append((index, message["msg_type"], message["content"].get("data", {}).get("text/plain")))
            return super().process_message(message, cell, index)

    Client(book, timeout=60, allow_errors=True, kernel_name="python3").execute(cwd=str(tmp_path))
    lines = [text for index, kind, text in seen if index == 1 and kind in ("display_data", "update_display_data")]
    assert re.fullmatch(r"\d updates, loss [\d.e+-]+, 1 s", lines[0])
    assert re.fullmatch(r"\d updates, loss [\d.e+-]+, 2 s", lines[1])
    assert lines[-1] == ""  # nothing of it stays in the saved lesson
    shown = "".join(str(output.get("text", "")) for output in book.cells[1].outputs)
    assert watch.STOPPED.format(" after 9 updates") in shown
    assert [output.get("text") for output in book.cells[2].outputs] == ["True\n"]  # fit shows no second line


@pytest.mark.slow
def test_a_cell_that_trains_with_keras_says_how_far_it_is(tmp_path, monkeypatch):
    pytest.importorskip("tensorflow")
    for name in ("COURSE_STATIC", "CI"):
        monkeypatch.delenv(name, raising=False)
    cells = [
        "import course_lib, time; rng = course_lib.setup(0); from course_lib.keras_models import keras",
        "x = rng.normal(size=(64, 2)); model = keras.Sequential([keras.layers.Dense(1)]); "
        "model.compile(loss='mse', optimizer='sgd')\n"
        "class Slow(keras.callbacks.Callback):\n    def on_train_batch_end(self, batch, logs=None): time.sleep(0.3)\n"
        "history = model.fit(x, x[:, :1], batch_size=8, epochs=1, verbose=0, callbacks=[Slow()])\n"
        "print(len(history.history['loss']))",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    seen = []

    class Client(NotebookClient):
        def process_message(self, message, cell, index):
            seen.append((index, message["msg_type"], message["content"].get("data", {}).get("text/plain")))
            return super().process_message(message, cell, index)

    Client(book, timeout=120, kernel_name="python3").execute(cwd=str(tmp_path))
    lines = [text for index, kind, text in seen if index == 1 and kind in ("display_data", "update_display_data")]
    assert re.fullmatch(r"\d updates, loss [\d.e+-]+, \d s", lines[0])
    assert lines[-1] == ""
    assert book.cells[1].outputs[-1].text == "1\n"
