"""The reader's progress: one small JSON file on the reader's own computer, sent nowhere.

The file is ``progress.json`` in the folder ``COURSE_HOME``, or ``.recurrent-course`` in the reader's home, and says of
each exercise whether it was attempted and passed, how many hints were read, whether the solution was seen, and the day.
Trouble with the file never stops a lesson: every function returns a sentence about it instead, to be shown once.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import time
from pathlib import Path

EMPTY = {"attempted": False, "passed": False, "hints": 0, "solution_seen": False, "date": ""}
STALE = 5.0  # seconds after which a lock was left behind by a kernel that died; writing takes milliseconds


def folder():
    """The folder of the reader's files (a Path; it need not exist)."""
    return Path(os.environ.get("COURSE_HOME") or Path.home() / ".recurrent-course")


def read():
    """What the file says.

    Returns
    -------
    records : dict of str to dict
        Exercise number -> record with the keys of ``EMPTY``; empty if there is no file yet.
    trouble : str
        A sentence for the reader if the file could not be read, else empty. A damaged file is renamed, not deleted.
    """
    try:
        path = folder() / "progress.json"
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}, ""
    except UnicodeDecodeError:
        return {}, _set_aside(path)
    except (OSError, RuntimeError) as error:  # RuntimeError: this account has no home
        return {}, f"Your progress could not be read ({type(error).__name__}: {error})."
    try:
        return {number: _record(found) for number, found in json.loads(text).items()}, ""
    except (ValueError, TypeError, AttributeError, RecursionError):
        return {}, _set_aside(path)


def record(number, *, attempted=False, passed=False, hints=0, solution_seen=False):
    """Add to what is known of one exercise; nothing is ever taken back.

    Parameters
    ----------
    number : str
        As in "4.2".
    attempted, passed, solution_seen : bool
    hints : int
        How many of the hints have been read.

    Returns
    -------
    str
        A sentence for the reader if it could not be saved, else empty.
    """
    try:
        folder().mkdir(parents=True, exist_ok=True)
        with _locked(folder() / "progress.lock"):
            records, trouble = read()
            path = folder() / "progress.json"
            if trouble and path.exists():  # there, but not for us to read: better no new entry than the old ones lost
                return trouble
            old = records.get(number, EMPTY)
            records[number] = {
                "attempted": old["attempted"] or attempted,
                "passed": old["passed"] or passed,
                "hints": max(old["hints"], hints),
                "solution_seen": old["solution_seen"] or solution_seen,
                "date": datetime.date.today().isoformat(),
            }
            # A whole new file takes the place of the old one, so that a crash in between cannot leave half a file.
            half = folder() / "progress.new"
            half.write_text(json.dumps(records, indent=1, sort_keys=True) + "\n", encoding="utf-8", newline="\n")
            half.replace(path)
    except (OSError, RuntimeError) as error:
        return (
            f"Your progress could not be saved ({type(error).__name__}: {error}). The exercises work without it; "
            f"to keep it, set the environment variable COURSE_HOME to a folder that you may write to."
        )
    return trouble


def _record(found):
    """One exercise's record as the file has it; TypeError if that is something else."""
    kept = {key: found.get(key, default) for key, default in EMPTY.items()}
    if any(type(kept[key]) is not type(default) for key, default in EMPTY.items()):
        raise TypeError(f"not a record of an exercise: {found}")
    return kept


def _set_aside(path):
    """Rename a damaged file to a name that is free, and say so."""
    count = 1
    while (aside := path.with_name(f"progress.damaged-{count}.json")).exists():
        count += 1
    try:
        path.replace(aside)
    except OSError as error:
        return f"Your progress file is damaged and could not be renamed ({type(error).__name__}: {error})."
    return f"Your progress file was damaged; it is kept as {aside.name} beside the new one."


@contextlib.contextmanager
def _locked(lock):
    """One kernel at a time: making a folder is the one step that no two processes can both succeed in."""
    give_up = time.monotonic() + 2 * STALE
    while True:
        try:
            lock.mkdir()
            break
        except FileExistsError:
            if time.monotonic() > give_up:
                raise TimeoutError(f"{lock.name} is in the way") from None
            with contextlib.suppress(OSError):  # the other kernel may finish between these two lines
                if time.time() - lock.stat().st_mtime > STALE:
                    lock.rmdir()
            time.sleep(0.01)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            lock.rmdir()
