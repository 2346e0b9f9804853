"""JupyterLab, started by ``make lab``, saves the reader's copies and never the course's originals."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any


def refuse(path: str, model: Any, contents_manager: Any, **_: Any) -> None:
    """Refuse to save a lesson in ``notebooks/``; a ``FileContentsManager.pre_save_hook``.

    Parameters
    ----------
    path : str
        Of the file, from the folder that JupyterLab serves, with ``/``.
    model, contents_manager, **_
        Not used.

    Raises
    ------
    tornado.web.HTTPError
        403, with a sentence that says where the copy is.
    """
    parts = PurePosixPath(path.lstrip("/")).parts
    if parts[:1] == ("notebooks",) and path.endswith(".ipynb"):
        from tornado.web import HTTPError

        mine = "/".join(("my_notebooks", *parts[1:]))
        raise HTTPError(
            403, f"{path} is the course's original and is not saved, so that updates work. Your copy: {mine}"
        )
