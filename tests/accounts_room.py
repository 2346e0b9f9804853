"""A classroom with system accounts, in a world of its own: run by a test as root, inside ``unshare --mount --pid``.

/etc and /home are copies that vanish with the process, so that the accounts which the classroom makes do, too. Folders
that other accounts cannot enter, such as /root, open for the course and its Python alone.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
ROOM = Path("/srv/room")


def mount(*arguments):
    subprocess.run(["mount", *map(str, arguments)], check=True)


def open_the_way():
    """Let every account reach the course and its Python, whatever is closed above them."""
    needed = [ROOT, Path(sys.prefix), Path(sys.base_prefix)]
    closed = {}
    for place in needed:
        for folder in reversed(place.parents):
            if not folder.stat().st_mode & 0o001:
                closed.setdefault(folder, []).append(place)
                break
    for number, (folder, places) in enumerate(closed.items()):
        kept = [(place, Path(f"/srv/kept-{number}-{n}")) for n, place in enumerate(places)]
        for place, keep in kept:
            keep.mkdir()
            mount("--bind", place, keep)
        mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
        for place, keep in kept:
            place.mkdir(parents=True, exist_ok=True)
            mount("--bind", keep, place)


def world_of_its_own():
    mount("--make-rprivate", "/")
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/srv")
    shutil.copytree("/etc", "/srv/etc", symlinks=True)
    mount("--bind", "/srv/etc", "/etc")
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/home")
    open_the_way()


def start(*more):
    """Open the room and return its process and what it said."""
    said = Path("/srv/said")
    with open(said, "w", encoding="utf-8") as log:
        command = [sys.executable, "-m", "classroom.start", "--folder", str(ROOM), *more]
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    until = time.monotonic() + 120
    while "To end everything" not in (text := said.read_text(encoding="utf-8")):
        assert process.poll() is None, text
        assert time.monotonic() < until, text
        time.sleep(0.2)
    return process, text


def refused(kernel, code):
    """Whether the system refuses what a learner tries."""
    kernel.run("try:\n    " + code + "\nexcept PermissionError:\n    answer = 'refused'\nelse:\n    answer = 'done'")
    return kernel.run("print(answer)").strip() == "refused"


def main():
    world_of_its_own()
    sys.path.insert(0, str(ROOT))
    from classroom import room, settings
    from classroom.client import Learner

    process, said = start("--port", str(settings.free_port()))
    here = settings.load(ROOM)
    learners = {}
    for name in ("ada", "ben"):
        learners[name] = Learner(here.address, name, f"{name}s own word")
        assert learners[name].sign_in(here.room_password) == ""
        learners[name].start()
    homes = {name: Path(pwd.getpwnam(room.account(name)).pw_dir) for name in learners}
    for home in homes.values():
        assert home.stat().st_mode & 0o777 == 0o700
        assert home.stat().st_uid != 0
    hers = homes["ada"] / "course" / "my_notebooks" / "03_vanilla_rnn.ipynb"
    assert hers.exists()
    assert {"classroom.json", "hub.sqlite", "cookie_secret"} <= {path.name for path in ROOM.iterdir()}
    assert [path for path in ROOM.iterdir() if path.name.startswith("passwords.dbm")]
    with learners["ada"].kernel() as ada, learners["ben"].kernel() as ben:
        assert ada.run("import getpass; print(getpass.getuser())").strip() == "learner-ada"
        pid = int(ada.run("import os; print(os.getpid())"))
        ben.run("import os, signal, pathlib")
        for what in (
            f"open({str(hers)!r})",
            f"os.listdir({str(homes['ada'])!r})",
            f"open('/proc/{pid}/environ')",
            f"os.kill({pid}, signal.SIGKILL)",
            f"os.kill({process.pid}, signal.SIGKILL)",
            f"os.listdir({str(ROOM)!r})",
            *(f"open({str(path)!r})" for path in ROOM.iterdir() if path.is_file()),
            f"pathlib.Path({str(here.path('notices') / 'ada')!r}).write_text('hello')",
            f"open({str(ROOT / 'make.py')!r}, 'a')",
        ):
            assert refused(ben, what), what
        ada.run(learners["ada"].lesson("03_vanilla_rnn.ipynb")[0])
        ada.run('ex.check("3.1", lambda *a: 0); kept = 41')
        number = ada.number
    instructor = Learner(here.address, "instructor", said.split("Your password as instructor: ")[1].split()[0])
    assert instructor.sign_in() == ""
    rows = {row["name"]: row for row in instructor.ask("GET", "/services/stuck/rows.json").json()["rows"]}
    assert (rows["ada"]["at"], rows["ada"]["wrong"], rows["ben"]["at"]) == ("3.1", 1, "")

    process.send_signal(signal.SIGINT)  # the instructor closes the terminal; learners go on
    assert process.wait(60) == 0
    process, said = start()
    assert "Your password" not in said
    assert here.room_password in said
    assert learners["ada"].ask("GET", "/user/ada/api/status").ok
    with learners["ada"].again(number) as ada:
        assert ada.run("print(kept + 1)").strip() == "42"

    done = subprocess.run(
        [sys.executable, "-m", "classroom.start", "--folder", str(ROOM), "--stop"], cwd=ROOT, check=True, text=True
    )
    assert done.returncode == 0
    process.wait(60)
    left = [process for process in psutil.process_iter(["username"]) if "learner-" in process.info["username"]]
    assert not [process for process in left if process.status() != psutil.STATUS_ZOMBIE]  # nobody asks after those here
    assert hers.exists()
    print("The room held.")


if __name__ == "__main__":
    os.umask(0o022)
    main()
