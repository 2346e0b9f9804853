"""End the program of a learner that uses too much memory, and no other, with a word to the learner.

Local servers ignore the hub's ``mem_limit``, and a limit on addresses (``RLIMIT_AS``) keeps TensorFlow from starting.
So this service of the hub looks once a second. It ends a kernel as the system would, but before the others suffer, and
leaves a notice, which the learner's next ``course_lib.setup`` shows. Where systemd runs, its own limit stands 10 %
above, for a program that grows faster than somebody can look.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from classroom import room, settings

KEPT = 600  # seconds that a notice is kept
SERVER = "jupyterhub.singleuser"


@dataclass(frozen=True)
class Program:
    """One running program of a learner.

    Parameters
    ----------
    pid : int
        Its number.
    learner : str
        Whose it is.
    memory : int
        Bytes of its own: what it shares with others is not counted.
    server : bool
        Whether it is the learner's server, which is ended last.
    """

    pid: int
    learner: str
    memory: int
    server: bool


def offenders(programs: Iterable[Program], limit: int) -> list[Program]:
    """Choose what to end: of each learner above the limit the largest program, the server only if it is alone.

    Parameters
    ----------
    programs : iterable of Program
        All programs of all learners.
    limit : int
        Most bytes for the programs of one learner together.

    Returns
    -------
    list of Program
        At most one a learner.
    """
    of = defaultdict(list)
    for program in programs:
        of[program.learner].append(program)
    return [
        max(mine, key=lambda program: (not program.server, program.memory))
        for mine in of.values()
        if sum(program.memory for program in mine) > limit
    ]


def running(trial: bool) -> list[Program]:
    """Return the programs of the learners: those of their accounts, or, in a trial, those that a server started."""
    found = []
    for process in psutil.process_iter():
        try:
            if trial:
                learner = process.environ().get("COURSE_NOTICE", "") and process.environ()["JUPYTERHUB_USER"]
            else:
                learner = process.username().removeprefix(room.PREFIX)
                learner = "" if learner == process.username() else learner
            if learner:
                memory = process.memory_info()
                own = memory.rss - getattr(memory, "shared", 0)
                found.append(Program(process.pid, learner, own, SERVER in process.cmdline()))
        except (psutil.Error, KeyError):  # ended meanwhile, or somebody else's
            continue
    return found


def notice(program: Program, limit: int) -> str:
    """What the learner is told."""
    return (
        f"{time.strftime('%H:%M')}: a program of yours was ended. It used {program.memory / settings.GIB:.1f} GiB of "
        f"memory, and here everybody has {limit / settings.GIB:.1f} GiB for all open lessons together. Its variables "
        "are gone, your files are not. Shut down lessons that you do not need (the square beside their names under "
        "*Running*), make the batch or the network smaller, then run the lesson again from the top."
    )


def main() -> None:
    """Look once a second until the hub ends this process."""
    here = settings.load(Path(os.environ["COURSE_CLASSROOM_FOLDER"]))
    notices = here.path("notices")
    while True:
        for program in offenders(running(here.trial), here.memory):
            try:
                psutil.Process(program.pid).kill()
            except psutil.Error:
                continue
            (notices / program.learner).write_text(notice(program, here.memory) + "\n", encoding="utf-8")
            (notices / program.learner).chmod(0o644)
        for path in notices.iterdir():
            if time.time() - path.stat().st_mtime > KEPT:
                path.unlink()
        time.sleep(1)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):  # the hub ends its services so
        main()
