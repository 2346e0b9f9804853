"""The files of a reader: where the course keeps its own, and how it opens one that the reader names."""

from __future__ import annotations

import os
import re
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


def read_user_file(path: str | os.PathLike, what: str = "text file", ending: str = ".txt") -> bytes:
    """Read a file that the reader names, or say in one paragraph why that is no file.

    Parameters
    ----------
    path : str or path
        Absolute, relative to the working folder, or from ``~``.
    what, ending : str
        What is expected, for the messages: "text file" and ".txt".

    Returns
    -------
    bytes
        The file's content.

    Raises
    ------
    TypeError
        If `path` is no path, such as None.
    ValueError
        If it is something else in place of a path: nothing, an address on the web, a text, a path in quotation marks,
        a path that lost its backslashes, one of another system, or from the home of somebody unknown.
    FileNotFoundError, IsADirectoryError, PermissionError
        If there is no such file, or it cannot be opened.
    """
    path = _path_from(path, what)
    try:
        if path.is_dir():
            raise IsADirectoryError(f"Expected a {what}, but {path} is a folder. Name one file inside it.")
        if not path.is_file():
            raise FileNotFoundError(
                f"Expected a {what} at {path.absolute()}, but there is none. A relative path starts from {Path.cwd()}: "
                f"check the spelling and the ending ({ending}), or give the whole path."
            )
        return path.read_bytes()
    except PermissionError as error:
        raise PermissionError(
            f"Expected to read {path}, but the system does not allow it. Check who owns the file, and whether another "
            "program keeps it open; a copy in your own folder often helps."
        ) from error


def _path_from(given: object, what: str) -> Path:
    """Return the path that was given, or say what was given in its place."""
    if not isinstance(given, str | os.PathLike):
        raise TypeError(
            f"Expected the path of a {what}, in quotation marks, but got a value of type {type(given).__name__}."
        )
    text = os.fsdecode(given)
    short = text if len(text) <= 60 else text[:60] + "…"
    if not text.strip():
        raise ValueError(f"Expected the path of a {what}, but got an empty one.")
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+:/|www\.", text):
        raise ValueError(
            f"Expected a file on this computer, but {short} is an address on the web. Save what is there with your "
            f"browser and give the path of that {what}."
        )
    if len(text.split()) > 30 or any(len(os.fsencode(part)) > 255 for part in re.split(r"[/\\]", text)):
        raise ValueError(
            f"Expected the path of a {what}, but got a text of {len(text):,} characters that begins with {short!r}. "
            "Save it in a file and give the path of that file."
        )
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(
            f"Expected the path of a {what}, but {short} begins in the home of an account that is not here. Your own "
            "home is ~/, with a slash."
        ) from error
    if (text.strip() != text or text[0] == text[-1] in "\"'") and not path.exists():
        raise ValueError(
            f"Expected the path of a {what}, but {short!r} has quotation marks or spaces of its own at its ends. Take "
            "them out: one pair of quotation marks, Python's, is enough."
        )
    if any(ord(character) < 32 for character in text):
        raise ValueError(
            f"Expected the path of a {what}, but {short!r} holds a character that cannot be seen. In Python a "
            'backslash begins such a character: write r"C:\\new\\text.txt", with an r, or / in place of each \\.'
        )
    if os.name != "nt" and re.match(r"[a-zA-Z]:[/\\]", text) and not path.exists():
        raise ValueError(
            f"Expected the path of a {what} as this computer writes paths, but {short} is one of Windows, and this "
            f"Python runs under Linux or macOS, in {Path.cwd()}. Under WSL the drive C: is /mnt/c; on a server, upload "
            "the file first."
        )
    return path
