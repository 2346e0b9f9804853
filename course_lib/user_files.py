"""Where the files of a reader are kept: progress, and what was downloaded."""

from __future__ import annotations

import os
from pathlib import Path


def user_folder() -> Path:
    """The folder of the reader's own files, on this computer only.

    It is what the environment variable ``COURSE_HOME`` names, else the platform's folder for a user's data
    (``~/.local/share/recurrent-course`` on Linux, ``~/Library/Application Support/recurrent-course`` on macOS,
    ``%LOCALAPPDATA%\\recurrent-course`` on Windows). In ``COURSE_HOME`` a leading ``~`` is the reader's home, and a
    relative path counts from there too, so that it means the same to every program, wherever it was started.

    Returns
    -------
    Path
        An absolute path. The folder need not exist.

    Raises
    ------
    RuntimeError
        If the path is to be found from the reader's home, and this account has none.
    """
    if chosen := os.environ.get("COURSE_HOME"):
        path = Path(chosen).expanduser()
        return path if path.is_absolute() else Path.home() / path
    import platformdirs  # not needed by who only imports the package

    return Path(platformdirs.user_data_dir("recurrent-course", appauthor=False)).expanduser()
