"""The reader's progress: one small JSON file on the reader's own computer, sent nowhere.

The file is ``progress.json`` in :func:`~course_lib.user_files.user_folder`. It says of each exercise whether it was
attempted and passed, how many answers were wrong and how many hints were read before that, whether the solution was
seen, and when it was last worked on. In a classroom (``classroom/``) the instructor sees these; learners are told so.
Trouble with the file never stops a lesson: every function returns a sentence about it instead, to be shown once.
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path

from course_lib.user_files import user_folder

EMPTY = {"attempted": False, "passed": False, "wrong": 0, "hints": 0, "solution_seen": False, "date": ""}
LOCK_TIMEOUT = 10.0  # seconds to wait for another kernel; writing takes milliseconds


def read() -> tuple[dict[str, dict], str]:
    """What the file says.

    Returns
    -------
    records : dict of str to dict
        Exercise number -> record with the keys of ``EMPTY``; empty if there is no file yet.
    trouble : str
        A sentence for the reader if the file could not be read, else empty. A damaged file is renamed, not deleted.
    """
    try:
        path = user_folder() / "progress.json"
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}, ""
    except UnicodeDecodeError:
        return {}, _set_aside(path)
    except (OSError, RuntimeError) as error:  # RuntimeError: this account has no home
        return {}, f"Your progress could not be read ({type(error).__name__}: {error})."
    try:
        return parse(text), ""
    except ValueError:
        return {}, _set_aside(path)


def parse(text: str) -> dict[str, dict]:
    """Read the content of a progress file.

    Parameters
    ----------
    text : str
        The file's content.

    Returns
    -------
    dict of str to dict
        Exercise number -> record with the keys of ``EMPTY``; what the text does not say is as in ``EMPTY``.

    Raises
    ------
    ValueError
        If it is something else.
    """
    try:
        return {number: _record(found) for number, found in json.loads(text).items()}
    except (TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"Expected the records of exercises, got {text[:40]!r}.") from error


def record(
    number: str,
    *,
    attempted: bool = False,
    passed: bool = False,
    wrong: int = 0,
    hints: int = 0,
    solution_seen: bool = False,
) -> str:
    """Add to what is known of one exercise; nothing is ever taken back.

    What is asked for after passing is curiosity: further wrong answers, hints and a look at the solution do not count.

    Parameters
    ----------
    number : str
        As in "4.2".
    attempted, passed : bool, optional
        What has happened now.
    wrong : int, optional
        How many wrong answers to add.
    hints : int, optional
        How many of the hints have been read.
    solution_seen : bool, optional
        Whether the solution has been shown.

    Returns
    -------
    str
        A sentence for the reader if it could not be saved, else empty.
    """
    # Here, for an answer comes sooner without them where nothing is kept, as for a stub.
    from filelock import FileLock, Timeout

    try:
        folder = user_folder()
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "progress.lock", timeout=LOCK_TIMEOUT):
            records, trouble = read()
            path = folder / "progress.json"
            if trouble and path.exists():  # there, but not for us to read: better no new entry than the old ones lost
                return trouble
            old = records.get(number, EMPTY)
            records[number] = {
                "attempted": old["attempted"] or attempted,
                "passed": old["passed"] or passed,
                "wrong": old["wrong"] + (0 if old["passed"] else wrong),
                "hints": old["hints"] if old["passed"] else max(old["hints"], hints),
                "solution_seen": old["solution_seen"] or (solution_seen and not old["passed"]),
                "date": datetime.datetime.now().isoformat(timespec="seconds"),
            }
            # A whole new file takes the place of the old one, so that a crash in between cannot leave half a file.
            new = folder / "progress.new"
            new.write_text(json.dumps(records, indent=1, sort_keys=True) + "\n", encoding="utf-8", newline="\n")
            new.replace(path)
    except Timeout:
        return "Your progress could not be saved: another program has kept progress.lock for too long. Try again."
    except (OSError, RuntimeError) as error:  # NotImplementedError of a file system without locks is a RuntimeError
        return (
            f"Your progress could not be saved ({type(error).__name__}: {error}). The exercises work without it; "
            f"to keep it, set the environment variable COURSE_HOME to a folder that you may write to."
        )
    return trouble


def _record(found: dict) -> dict:
    """One exercise's record as the file has it; TypeError if that is something else."""
    kept = {key: found.get(key, default) for key, default in EMPTY.items()}
    if any(type(kept[key]) is not type(default) for key, default in EMPTY.items()):
        raise TypeError(f"Expected the record of an exercise, got {found}.")
    return kept


def _set_aside(path: Path) -> str:
    """Rename a damaged file to a name that is free, and say so."""
    count = 1
    while (aside := path.with_name(f"progress.damaged-{count}.json")).exists():
        count += 1
    try:
        path.replace(aside)
    except OSError as error:
        return f"Your progress file is damaged and could not be renamed ({type(error).__name__}: {error})."
    return f"Your progress file was damaged; it is kept as {aside.name} beside the new one."
