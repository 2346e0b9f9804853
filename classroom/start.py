"""``make classroom``: check the machine, start the proxy, start the hub, say where the class finds it."""

from __future__ import annotations

import argparse
import contextlib
import dbm
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import bcrypt
import psutil

from classroom import room, settings, watchdog

HERE = Path(__file__).resolve().parent
FOLDER = "/var/lib/recurrent-course-classroom"
LEARNERS = ("ada", "ben", "chi")  # of a trial
NO_NODE = (
    "The classroom's proxy needs Node.js 18 or later and npm: `sudo apt install nodejs npm` on Debian and Ubuntu, "
    "`brew install node` on macOS, else nodejs.org. Then run the same command again."
)


def say(text: str) -> None:
    """Print at once, whoever reads."""
    print(text, flush=True)


def arguments_of(arguments: list[str]) -> argparse.Namespace:
    """Read the command's options."""
    parser = argparse.ArgumentParser(prog="make.py classroom", description="Serve the course to a class.")
    parser.add_argument("--try", dest="trial", action="store_true", help="look at it: three learners, no accounts")
    parser.add_argument("--stop", action="store_true", help="end the hub, the proxy and all learners' servers")
    parser.add_argument("--folder", type=Path, help=f"where it keeps its own files; at first {FOLDER}")
    parser.add_argument("--port", type=int, help="the port for the browsers; at first 8000")
    parser.add_argument(
        "--listen", metavar="ADDRESS", help="the address to listen on; at first 127.0.0.1, this machine"
    )
    parser.add_argument("--instructor", metavar="NAME", help="your name for signing in; at first 'instructor'")
    parser.add_argument("--room-password", metavar="WORD", help="what learners need to sign up; at first a random one")
    parser.add_argument("--memory", type=float, metavar="GIB", help="most memory for one learner; at first 2 GiB")
    parser.add_argument("--processors", type=float, help="most processors for one learner (systemd); at first 1")
    parser.add_argument("--idle", type=float, metavar="MINUTES", help="stop servers nobody uses; at first after 60")
    parser.add_argument("--new-instructor-password", action="store_true", help="make and print a new one")
    return parser.parse_args(arguments)


def changes(chosen: argparse.Namespace) -> dict:
    """The settings that the command names, as :class:`classroom.settings.Settings` has them."""
    given = {name: getattr(chosen, name) for name in ("port", "listen", "instructor", "room_password", "processors")}
    given["memory"] = None if chosen.memory is None else int(chosen.memory * settings.GIB)
    given["idle"] = None if chosen.idle is None else int(chosen.idle * 60)
    return {name: value for name, value in given.items() if value is not None}


def refuse(here: settings.Settings) -> str:
    """What keeps these settings from working, in a sentence; empty if nothing does."""
    if not room.NAME.fullmatch(here.instructor):
        return f"Expected a name of letters a to z, digits and hyphens for --instructor, got {here.instructor!r}."
    if len(here.room_password) < 7:
        return f"Expected a room's password of at least 7 characters, got {len(here.room_password)}."
    if here.memory < settings.GIB // 2:
        return f"Expected at least 0.5 GiB a learner: a lesson with TensorFlow needs it; got {here.memory} bytes."
    if not 1 <= here.port <= 65535:
        return f"Expected a port from 1 to 65535, got {here.port}."
    return ""


def refuse_machine() -> str:
    """What keeps this machine from giving each learner an account; empty if nothing does."""
    if sys.platform != "linux" or os.getuid() != 0:
        return (
            "Each learner gets a system account, so that no learner reads another's files. That needs Linux and root: "
            "`sudo make classroom`. To look at the classroom first, with three learners and no accounts: "
            "`make classroom ARGS=--try`."
        )
    outside = subprocess.run(
        [sys.executable, "-c", "import course_lib, jupyterhub"],
        cwd=settings.ROOT,
        user="nobody",
        capture_output=True,
        check=False,
    )
    return "" if outside.returncode == 0 else unreadable()


def unreadable() -> str:
    """Which folder other accounts cannot enter, and what to do."""
    places = [settings.ROOT, Path(sys.prefix), Path(sys.executable).resolve()]
    closed = [
        str(folder) for place in places for folder in [place, *place.parents] if not folder.stat().st_mode & 0o001
    ]
    where = f"{closed[-1]} is closed to other accounts" if closed else "other accounts cannot run it"
    return (
        f"The learners' accounts must be able to run {sys.executable}, but {where}. Put the course where all may read, "
        "such as /opt/course, and build .venv there with the system's Python: `rm -r .venv; /usr/bin/python3 make.py "
        "classroom`. (Debian and Ubuntu: `apt install python3-venv` first.)"
    )


def proxy_program() -> str:
    """Return the proxy's program, installed with npm beside this file if the machine has none."""
    program = HERE / "node_modules" / ".bin" / "configurable-http-proxy"
    if not program.exists():
        if not shutil.which("npm"):
            raise SystemExit(NO_NODE)
        say("Installing the proxy with npm; only this once.")
        done = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=HERE,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"npm could not install the proxy. Its own words:\n{done.stdout}{done.stderr}")
    return str(program)


def running(here: settings.Settings, name: str) -> psutil.Process | None:
    """Return the process whose number and start are in one of the classroom's files, if it still runs."""
    try:
        pid, begun = here.path(name).read_text(encoding="utf-8").split()
        process = psutil.Process(int(pid))
        same = process.create_time() == float(begun)
    except (OSError, ValueError, psutil.Error):
        return None
    return process if same and lives(process) else None


def lives(process: psutil.Process) -> bool:
    """Say whether a process still runs; one that has ended and that nobody has asked about does not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def note(here: settings.Settings, name: str, pid: int) -> None:
    """Keep the number and the start of a process for :func:`running`."""
    here.path(name).write_text(f"{pid} {psutil.Process(pid).create_time()!r}", encoding="utf-8")


def start_proxy(here: settings.Settings, program: str) -> None:
    """Start the proxy, in a session of its own, unless it runs already."""
    if running(here, "proxy.pid"):
        return
    try:  # the proxy itself would share a taken port without a word
        with socket.create_server((here.listen, here.port)):
            pass
    except OSError as error:
        why = os.strerror(error.errno)
        raise SystemExit(
            f"The classroom cannot listen on {here.listen}, port {here.port}: {why}. Another: --port 8001."
        ) from error
    command = ["node", program, "--ip", here.listen, "--port", str(here.port), "--api-ip", "127.0.0.1"]
    command += ["--api-port", str(here.proxy_port), "--log-level", "warn"]
    command += ["--error-target", f"http://127.0.0.1:{here.hub_port}/hub/error"]
    with open(here.path("proxy.log"), "ab") as log:
        env = {"PATH": os.environ["PATH"], "CONFIGPROXY_AUTH_TOKEN": here.proxy_token}
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    time.sleep(1)
    if process.poll() is not None:
        last = here.path("proxy.log").read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
        raise SystemExit("The proxy did not start. What it said last:\n" + "\n".join(last))
    note(here, "proxy.pid", process.pid)


def start_hub(here: settings.Settings) -> subprocess.Popen:
    """Start the hub and wait until it answers, or say with its own words why it does not."""
    command = [sys.executable, "-m", "jupyterhub", "-f", str(HERE / "jupyterhub_config.py")]
    env = {**os.environ, "COURSE_CLASSROOM_FOLDER": here.folder}
    with open(here.path("hub.log"), "ab") as log:  # in a session of its own: Ctrl-C is answered here
        hub = subprocess.Popen(command, cwd=settings.ROOT, env=env, stdout=log, stderr=log, start_new_session=True)
    note(here, "hub.pid", hub.pid)
    until = time.monotonic() + 120
    while hub.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{here.address}/hub/api", timeout=5):
            return hub
        time.sleep(0.2)
    hub.kill()
    last = here.path("hub.log").read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
    raise SystemExit("The hub did not start. What it said last:\n" + "\n".join(last))


def keep_open(here: settings.Settings, program: str) -> None:
    """Start the proxy and the hub, and each of them anew when it ends; the learners' servers go on meanwhile."""
    start_proxy(here, program)
    hub = start_hub(here)
    say("\n".join(["", *greeting(here), ""]))
    while True:
        time.sleep(1)
        if not running(here, "proxy.pid"):
            say(f"{time.strftime('%H:%M')} The proxy had ended and is started again.")
            start_proxy(here, program)
        if (code := hub.poll()) is not None:
            say(f"{time.strftime('%H:%M')} The hub had ended with code {code} and is started again; learners go on.")
            hub = start_hub(here)


def give_password(here: settings.Settings, name: str, password: str = "") -> str:
    """Give somebody a password, a new one if none is named, and return it."""
    password = password or settings.new_password()
    with dbm.open(str(here.path("passwords.dbm")), "c", 0o600) as passwords:
        passwords[name.encode()] = bcrypt.hashpw(password.encode(), bcrypt.gensalt())
    return password


def has_password(here: settings.Settings, name: str) -> bool:
    """Say whether somebody may sign in."""
    with dbm.open(str(here.path("passwords.dbm")), "c", 0o600) as passwords:
        return name.encode() in passwords


def end(processes: list[psutil.Process]) -> None:
    """End processes: with a request, and after half a minute without one."""
    until = time.monotonic() + 30
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    while processes and time.monotonic() < until:
        processes = [process for process in processes if lives(process)]
        time.sleep(0.1)
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()


def stop(here: settings.Settings) -> None:
    """End the hub, the proxy and every program of the learners."""
    for name in ("start.pid", "hub.pid", "proxy.pid"):  # the first would start the others again
        if (process := running(here, name)) and process.pid != os.getpid():
            end([process])
    for only_servers in (True, False, False):  # a server would start its kernels again
        programs = watchdog.running(here.trial)
        processes = []
        for program in programs:
            with contextlib.suppress(psutil.NoSuchProcess):
                if program.server or not only_servers:
                    processes.append(psutil.Process(program.pid))
        end(processes)
    say("The classroom is closed: the hub, the proxy and all learners' servers have ended. Everybody's files stay.")


def open_room(chosen: argparse.Namespace) -> settings.Settings:
    """Return the classroom's settings, those of the last start with what the command names, saved."""
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="classroom-") if chosen.trial else FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    here = settings.load(folder) or settings.Settings(str(folder), trial=chosen.trial)
    if here.trial != chosen.trial:
        raise SystemExit(
            f"{folder} belongs to a classroom {'with' if here.trial else 'without'} --try. Name another one."
        )
    for name, value in changes(chosen).items():
        setattr(here, name, value)
    if why := refuse(here):
        raise SystemExit(why)
    folder.chmod(0o711)  # learners reach the notices in it and list nothing
    here.path("notices").mkdir(exist_ok=True)
    here.path("notices").chmod(0o755)
    here.path("homes").mkdir(exist_ok=True)
    here.save()
    return here


def greeting(here: settings.Settings) -> list[str]:
    """What the instructor needs to know, line by line."""
    shown = socket.gethostname() if here.listen in ("0.0.0.0", "::") else here.listen
    lines = [f"The class finds it at    http://{shown}:{here.port}"]
    lines.append(f"The room's password      {here.room_password}")
    lines.append(f"Who is stuck             {here.address}/services/stuck/   (sign in as {here.instructor})")
    gib = f"{here.memory / settings.GIB:g} GiB"
    if here.trial:
        lines.append(
            f"Memory                   {gib} a learner, held by the watchdog. A trial keeps nobody's files apart."
        )
    elif room.systemd_runs():
        lines.append(f"Memory                   {gib} a learner, held by the watchdog, and by systemd 10 % above")
        lines.append(f"Processors               {here.processors:g} a learner, held by systemd")
    else:
        lines.append(f"Memory                   {gib} a learner, held by the watchdog (there is no systemd here);")
        lines.append("                         processors are not limited")
    if here.listen not in ("127.0.0.1", "localhost"):
        lines.append(
            "Passwords travel unencrypted unless a proxy with TLS stands in front: docs/classroom.md says how."
        )
    lines.append(f"What the hub says        {here.path('hub.log')}")
    if here.trial:
        lines.append("To end it: Ctrl-C.")
    else:
        lines.append("Ctrl-C ends the hub; learners go on, and the same command starts it again.")
        lines.append("To end everything: sudo make classroom ARGS=--stop")
    return lines


def main(arguments: list[str]) -> int:
    """Run the command."""
    chosen = arguments_of(arguments)
    if not chosen.trial and (why := refuse_machine()):
        raise SystemExit(why)
    os.umask(0o077)
    program = proxy_program()
    here = open_room(chosen)
    if chosen.stop:
        stop(here)
        return 0
    if running(here, "hub.pid"):
        raise SystemExit(f"This classroom's hub runs already, at {here.address}. To end it: --stop.")
    if chosen.new_instructor_password or not has_password(here, here.instructor):
        say(f"Your password as {here.instructor}: {give_password(here, here.instructor)}    (shown only now)")
    if here.trial:
        for learner in LEARNERS:
            give_password(here, learner, f"i-am-{learner}")
        say("Learners: " + ", ".join(f"{learner} (password i-am-{learner})" for learner in LEARNERS))
    for number in (signal.SIGINT, signal.SIGTERM):  # and what is started from here on minds them too
        signal.signal(number, signal.default_int_handler)
    note(here, "start.pid", os.getpid())
    try:
        keep_open(here, program)
    except KeyboardInterrupt:
        if hub := running(here, "hub.pid"):
            end([hub])
        if here.trial:
            stop(here)
            if not chosen.folder:
                shutil.rmtree(here.folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
