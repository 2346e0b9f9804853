"""Who is stuck: the instructor's page, a service of the hub that nobody else can open.

It reads each learner's record of exercises (:mod:`course_lib.teaching.progress`), which the learner's own check
writes. What a learner can write is read with care: a regular file of the learner's account, not too large, and of it
nothing but numbers of exercises that the course has.
"""

from __future__ import annotations

import csv
import datetime
import io
import json
import os
import pwd
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlparse

from jupyterhub.services.auth import HubOAuthCallbackHandler, HubOAuthenticated
from jupyterhub.utils import url_path_join
from tornado import web
from tornado.httpclient import AsyncHTTPClient
from tornado.ioloop import IOLoop

from classroom import room, settings
from course_lib import lessons
from course_lib.teaching import progress

LARGEST = 1 << 20  # bytes of a record; that of the whole course has 20,000
WRONG, MINUTES = 3, 10  # from here on somebody may be stuck
COLUMNS = ("look", "name", "at", "wrong", "hints", "minutes", "tried", "passed", "server")


def exercise_numbers() -> tuple[str, ...]:
    """The numbers of all exercises of the course, in its order."""
    modules = (lesson.module("exercises") for lesson in lessons.written())
    return tuple(exercise.number for module in modules if module for exercise in module.EXERCISES)


def read_record(home: Path, owner: int) -> dict[str, dict]:
    """Read a learner's record of exercises, and nothing else that may lie in its place.

    Parameters
    ----------
    home : Path
        The learner's home.
    owner : int
        The number of the learner's account.

    Returns
    -------
    dict of str to dict
        As :func:`course_lib.teaching.progress.parse`; empty where there is no such file, or something else.
    """
    path = home / room.PROGRESS / "progress.json"
    try:
        # no link is followed at its end, and a pipe does not keep us waiting
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != owner or found.st_size > LARGEST:
                return {}
            return progress.parse(file.read(LARGEST).decode("utf-8"))
    except (OSError, ValueError):
        return {}


def minutes_since(moment: str, now: datetime.datetime) -> int | None:
    """Whole minutes from an ISO date and time until now; None if that is no such thing."""
    try:
        then = datetime.datetime.fromisoformat(moment)
    except ValueError:
        return None
    return None if then.tzinfo else max(int((now - then).total_seconds() // 60), 0)


def row(name: str, record: Mapping[str, dict], running: bool, known: Iterable[str], now: datetime.datetime) -> dict:
    """What the page says of one learner.

    Parameters
    ----------
    name : str
        The learner's name.
    record : dict of str to dict
        The learner's record of exercises.
    running : bool
        Whether the learner's server runs.
    known : iterable of str
        The exercises of the course; others are ignored.
    now : datetime.datetime
        The local time.

    Returns
    -------
    dict
        With the keys of ``COLUMNS``: ``at`` is the exercise worked on last, ``wrong`` and ``hints`` those of it,
        ``minutes`` since then. ``look`` says that the learner may be stuck: the server runs, this exercise is not
        passed, and there were ``WRONG`` wrong answers or ``MINUTES`` minutes without a further step.
    """
    mine = {number: record[number] for number in known if number in record}
    at = max(mine, key=lambda number: mine[number]["date"], default="")
    last = mine.get(at, progress.EMPTY)
    minutes = minutes_since(last["date"], now) if at else None
    waiting = last["wrong"] >= WRONG or (minutes or 0) >= MINUTES
    return {
        "look": bool(at) and running and not last["passed"] and waiting,
        "name": name,
        "at": at,
        "wrong": last["wrong"],
        "hints": last["hints"],
        "minutes": minutes,
        "tried": sum(found["attempted"] for found in mine.values()),
        "passed": sum(found["passed"] for found in mine.values()),
        "server": "runs" if running else "off",
    }


def home_of(learner: str, here: settings.Settings) -> tuple[Path, int] | None:
    """A learner's home and the number of the account, or None if there is none yet."""
    if here.trial:
        return here.path("homes") / learner, os.getuid()
    try:
        found = pwd.getpwnam(room.account(learner))
    except KeyError:
        return None
    return Path(found.pw_dir), found.pw_uid


def as_csv(rows: Iterable[Mapping]) -> str:
    """The page's table for a spreadsheet; one that takes a text for a formula gets none: names begin with a letter."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


class Page(HubOAuthenticated, web.RequestHandler):
    """Whatever is asked: only the hub's administrators have the scope for this service."""

    async def rows(self) -> list[dict]:
        """Return a row for every learner whom the hub knows."""
        here, users = self.settings["classroom"], []
        api, token = os.environ["JUPYTERHUB_API_URL"], os.environ["JUPYTERHUB_API_TOKEN"]
        while True:  # the hub gives so many at a time
            url = f"{api}/users?limit=100&offset={len(users)}"
            answer = await AsyncHTTPClient().fetch(url, headers={"Authorization": f"token {token}"})
            users += (found := json.loads(answer.body))
            if len(found) < 100:
                break
        now = datetime.datetime.now()
        found = []
        for user in users:
            home = home_of(user["name"], here)
            if user["name"] != here.instructor and home:
                running = bool(user.get("servers") or user.get("server"))
                found.append(row(user["name"], read_record(*home), running, self.settings["exercises"], now))
        return found

    @web.authenticated
    async def get(self, what=""):
        """Answer with the page, or with the rows for it, or with the same as CSV."""
        self.set_header("Cache-Control", "no-store")
        if what == "rows.json":
            self.write({"rows": await self.rows()})
        elif what == "stuck.csv":
            self.set_header("Content-Type", "text/csv; charset=utf-8")
            self.set_header("Content-Disposition", 'attachment; filename="stuck.csv"')
            self.write(as_csv(await self.rows()))
        elif what == "":
            self.render("stuck.html", wrong=WRONG, minutes=MINUTES, total=len(self.settings["exercises"]))
        else:
            raise web.HTTPError(404)


def main() -> None:
    """Serve the page until the hub ends this process."""
    here = settings.load(Path(os.environ["COURSE_CLASSROOM_FOLDER"]))
    prefix = os.environ["JUPYTERHUB_SERVICE_PREFIX"]
    app = web.Application(
        [(url_path_join(prefix, "oauth_callback"), HubOAuthCallbackHandler), (prefix + r"(.*)", Page)],
        cookie_secret=os.urandom(32),
        template_path=str(Path(__file__).parent),
        classroom=here,
        exercises=exercise_numbers(),
    )
    url = urlparse(os.environ["JUPYTERHUB_SERVICE_URL"])
    app.listen(url.port, url.hostname)
    IOLoop.current().start()


if __name__ == "__main__":
    main()
