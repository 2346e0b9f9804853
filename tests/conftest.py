"""Every test runs as on a machine without a reader: one thread a library, static panels, an empty home."""

import atexit
import os
import tempfile

import matplotlib.pyplot as plt
import pytest
from hypothesis import settings
from lessons import environment

from course_lib import plotting
from course_lib.base_layer import LAYERS
from course_lib.losses import LOSSES
from course_lib.optimizers import OPTIMIZERS
from course_lib.saving import MODELS

_home = tempfile.TemporaryDirectory(prefix="course-home-", ignore_cleanup_errors=True)
atexit.register(_home.cleanup)
os.environ.update(environment(_home.name))

# The same examples everywhere and always: a red test on one machine is red on all.
settings.register_profile("course", derandomize=True, deadline=None, database=None, max_examples=50)
settings.load_profile("course")


@pytest.fixture(autouse=True)
def _forget_the_classes_of_a_test():
    """A later test or example may define another class of the same name."""
    registries = [(registry, dict(registry)) for registry in (LAYERS, LOSSES, MODELS, OPTIMIZERS)]
    yield
    for registry, before in registries:
        registry.clear()
        registry.update(before)


@pytest.fixture
def shown(monkeypatch):
    """What is displayed during a test: an empty list that fills."""
    plotting.use_style()
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    return shown


@pytest.fixture
def kernel(monkeypatch):
    """As in a notebook that somebody has open: panels are live."""

    class Shell:
        kernel = "a kernel"

    plt.switch_backend("agg")  # before: with its first figure matplotlib hooks into the shell, which this one is not
    monkeypatch.delenv("COURSE_STATIC", raising=False)
    monkeypatch.setattr("IPython.get_ipython", Shell)


@pytest.fixture
def answer(capsys, tmp_path, monkeypatch):
    """answer(ex.check, "3.1", attempt): what a reader then sees; progress goes nowhere."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))

    def call(function, *args):
        function(*args)
        return capsys.readouterr().out

    return call
