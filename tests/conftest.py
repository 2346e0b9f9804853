"""Every test runs as on a machine without a reader: one thread a library, static panels, an empty home."""

import atexit
import os
import tempfile

from hypothesis import settings
from lessons import environment

_home = tempfile.TemporaryDirectory(prefix="course-home-", ignore_cleanup_errors=True)
atexit.register(_home.cleanup)
os.environ.update(environment(_home.name))

# The same examples everywhere and always: a red test on one machine is red on all.
settings.register_profile("course", derandomize=True, deadline=None, database=None, max_examples=50)
settings.load_profile("course")
