"""The course's commands. `python make.py lab` opens it, `python make.py test` checks every word of it.

This file needs nothing but Python. Each command first sees to it that the folder .venv holds exactly what
requirements.lock lists, then runs inside it. `make lab` and its like only forward to here. The syntax is plain
on purpose: a Python too old for the course can still read this file and say what is missing.
"""

import argparse
import ast
import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import webbrowser
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "course.json"
LOCK = ROOT / "requirements.lock"
NOTEBOOKS = ROOT / "notebooks"
COPIES = ROOT / "my_notebooks"
BUILD = ROOT / "_build"

PYTHONS = ("3.12", "3.11", "3.13")  # which ones the course runs on, the first to look for first
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)

# pip's settings under uv's names, and what uv prints when all is well.
UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "timeout": "UV_HTTP_TIMEOUT",
    "proxy": "ALL_PROXY",
    "cert": "SSL_CERT_FILE",
}
UV_PROGRESS = re.compile(
    r" *([+~-] |Audited|Build|Built|Download|Installed|Prepared|Resolved|Uninstalled|Using Python)"
)

# JupyterLab's own settings where they do not suit a course: no question about news, a .md link opens as a page, a
# panel still shows its picture on the next day.
LAB_SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Markdown Preview"}},
    "@jupyter-widgets/jupyterlab-manager:plugin": {"saveState": True},  # a panel's last picture, in the saved lesson
}


def say(text):
    print(text, flush=True)


# --- running other programs ----------------------------------------------------------------------------------------


def folder_of_programs(venv):
    return venv / ("Scripts" if os.name == "nt" else "bin")


def python_of(venv):
    return str(folder_of_programs(venv) / ("python.exe" if os.name == "nt" else "python"))


def variables(headless=False, one_thread=False, here=False):
    """Return the environment variables of a command that runs inside .venv.

    Parameters
    ----------
    here : bool
        The command runs in the environment of this Python instead.
    headless : bool
        Nobody looks on: panels show their static picture, training shows no bar.
    one_thread : bool
        Numerical libraries use one thread each, unless the caller's own variables say otherwise.
    """
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    if not here:
        env["VIRTUAL_ENV"] = str(VENV)
        env["PATH"] = str(folder_of_programs(VENV)) + os.pathsep + env.get("PATH", "")
    env["PYTHONUTF8"] = "1"  # the same letters in every terminal and log, on Windows too
    if headless:
        env["COURSE_STATIC"] = "1"
    if one_thread:
        env = {**dict.fromkeys(THREADS, "1"), **env}
    return env


def call(command, env=None, **options):
    """Run a command in the project's folder, let it deal with Ctrl-C itself, and return its exit code."""
    process = subprocess.Popen(command, cwd=str(ROOT), env=env or variables(), **options)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def become(command, env):
    """Run a command in place of this program, so that signals and Ctrl-C reach it and nothing else."""
    if os.name == "nt":  # where it would go on in the background
        return call(command, env=env)
    os.chdir(str(ROOT))
    return os.execve(command[0], command, env)


def module(name, *arguments, **options):
    """Run a module with the Python of .venv and return its exit code."""
    return call([python_of(VENV), "-m", name, *arguments], **options)


# --- a suitable Python ---------------------------------------------------------------------------------------------

PROBE = (
    "import sys, importlib.util as u; "
    "print(sys.implementation.name, '%d.%d' % sys.version_info[:2], sys.maxsize > 2**32, "
    "u.find_spec('ensurepip') is not None)"
)


def candidates():
    """Yield commands that may start a suitable Python: first the one that runs this file."""
    running_inside = Path(sys.prefix).resolve() == VENV.resolve()
    yield [getattr(sys, "_base_executable", sys.executable) if running_inside else sys.executable]
    for version in PYTHONS:
        if shutil.which("python" + version):
            yield ["python" + version]
        if os.name == "nt" and shutil.which("py"):
            yield ["py", "-" + version]


def probe(command):
    """Return what PROBE prints when ``command`` runs it, or "" if it does not run (a shim may exist and fail)."""
    try:
        done = subprocess.run(
            [*command, "-I", "-c", PROBE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("ascii", "replace").strip() if done.returncode == 0 else ""


def choose_python(commands, probe=probe):
    """Choose the interpreter for .venv.

    Parameters
    ----------
    commands : iterable of list of str
        The commands to try, in order.

    Returns
    -------
    (list of str, str)
        The command and its version, such as "3.12".

    Raises
    ------
    SystemExit
        If none suits; the message says what to install.
    """
    without_pip, seen = [], []
    for command in commands:
        answer = probe(command)
        seen.append("{} ({})".format(" ".join(command), answer.split()[1] if answer else "does not run"))
        for version in PYTHONS:
            if answer == "cpython " + version + " True True":
                return command, version
            if answer == "cpython " + version + " True False":
                without_pip.append(version)
    if without_pip:
        raise SystemExit(
            f"Python {without_pip[0]} is here, but without ensurepip, which virtual environments need. Debian "
            f"and Ubuntu keep it in a package of its own: `sudo apt install python{without_pip[0]}-venv`. Then run the "
            "same command again."
        )
    raise SystemExit(
        "The course needs Python {}, the usual kind (CPython, 64 bit). Tried: {}. Install one (Windows: `winget "
        "install Python.Python.3.12`; macOS: `brew install python@3.12` or the installer from python.org; Debian "
        "and Ubuntu: `sudo apt install python3-venv`, or python3.12-venv where python3 is another version), then "
        "run the same command again.".format(" or ".join(sorted(PYTHONS)), ", ".join(seen))
    )


# --- .venv, as requirements.lock says ------------------------------------------------------------------------------


def names_in(lock_text):
    """Return the names of the packages in a lock, each once, sorted."""
    return sorted(set(re.findall(r"^([A-Za-z0-9][\w.-]*)==", lock_text, flags=re.MULTILINE)))


def wanted_stamp(version):
    """Return what the stamp of an up-to-date environment says."""
    lock_text = LOCK.read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return {
        "python": version,
        "folder": str(ROOT),
        "hash": hashlib.sha256((lock_text + project + json.dumps(LAB_SETTINGS)).encode("utf-8")).hexdigest(),
    }


def read_json(path):
    """Return the object in a JSON file, or {} if there is no readable one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write(path, content):
    """Write a file so that it is there whole or not at all."""
    handle, name = tempfile.mkstemp(dir=str(path.parent), prefix=".writing-")
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    os.chmod(name, 0o644)
    os.replace(name, str(path))


def same_folder(one, other):
    try:
        return os.path.samefile(str(one), str(other))
    except OSError:
        return False


def what_to_do(wanted, found, exists, starts):
    """Decide about .venv.

    Parameters
    ----------
    wanted, found : dict
        The stamp it should have and the one it has; {} for none.
    exists : bool
        Whether the folder is there.
    starts : function
        Says whether its Python starts; asked last, because it takes time.

    Returns
    -------
    (str, str)
        "nothing", "update" or "build", and the reason.
    """
    if not exists:
        return "build", "there is no .venv yet"
    if not all(key in found for key in wanted):
        return "build", "the last installation did not finish"
    if not same_folder(found["folder"], wanted["folder"]):
        return "build", "the course's folder has moved"
    if found["python"] != wanted["python"]:
        return "build", "it holds Python {} and this is {}".format(found["python"], wanted["python"])
    if not starts():
        return "build", "its Python no longer starts"
    if found["hash"] == wanted["hash"]:
        return "nothing", "it is up to date"
    return "update", "the list of packages has changed"


def find_uv():
    """Return the path of uv, which installs: the machine's own or the one in .venv; None if there is neither."""
    return shutil.which("uv") or shutil.which("uv", path=str(folder_of_programs(VENV)))


def keep_wheelhouse_whole():
    """Have pip take a folder with a space in its name, such as a USB stick's, for one and not for two."""
    chosen = os.environ.get("PIP_FIND_LINKS", "")
    if " " in chosen and Path(chosen).is_dir():
        os.environ["PIP_FIND_LINKS"] = Path(chosen).resolve().as_uri()


def uv_variables(pip_settings):
    """Translate pip's settings into uv's, so that both look for packages in the same places.

    Parameters
    ----------
    pip_settings : str
        What `pip config list` prints.

    Returns
    -------
    dict of str
        Environment variables for uv.
    """
    found = {}
    lines = re.findall(r"^([^=\s]*)\.([a-z-]+)=('.*'|\".*\")\s*$", pip_settings, flags=re.MULTILINE)
    for _, name, value in sorted(lines, key=lambda line: line[0] == ":env:"):  # a variable beats a file
        found[name.replace("default-timeout", "timeout")] = " ".join(ast.literal_eval(value).split())
    # pip's own way: the best version of all indexes, and the certificates that the machine trusts
    env = {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_SYSTEM_CERTS": "1"}
    for name, variable in UV_NAMES.items():
        if name in found:
            env[variable] = found[name]
    if "find-links" in found:
        env["UV_FIND_LINKS"] = found["find-links"].replace(" ", ",")
    return env


def uv(arguments, **more):
    """Run uv as pip is configured: its progress on one line of a terminal, its complaints in full; return its code."""
    python = python_of(VENV) if VENV.exists() else sys.executable
    settings = subprocess.run([python, "-m", "pip", "config", "list"], stdout=subprocess.PIPE, check=False)
    env = {**uv_variables(settings.stdout.decode("utf-8", "replace")), **variables(), **more}
    process = subprocess.Popen(
        [find_uv(), *arguments], cwd=str(ROOT), env=env, stderr=subprocess.PIPE, encoding="utf-8", errors="replace"
    )
    for line in process.stderr:
        if not UV_PROGRESS.match(line):
            sys.stderr.write(line)
        elif sys.stdout.isatty():
            sys.stdout.write(f"\r  {line.strip():70.70}\r")
            sys.stdout.flush()
    if sys.stdout.isatty():
        sys.stdout.write(" " * 72 + "\r")
    return process.wait()


def install_uv():
    """Have pip install uv in .venv unless it is at hand; return the exit code."""
    if find_uv():
        return 0
    known = re.search(r"^uv==[\w.]+", LOCK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    pip = ["--disable-pip-version-check", "install", "--quiet", "--quiet", "--no-input"]  # errors only
    return module("pip", *pip, known[0] if known else "uv", env=dict(variables(), PIP_USER="0"))


def install(wanted):
    """Bring .venv to exactly what the lock says and stamp it; return uv's exit code."""
    if STAMP.exists():
        STAMP.unlink()  # an installation that is cut short leaves no stamp, and the next command builds anew
    code = install_uv() or uv(["pip", "sync", "--python", python_of(VENV), str(LOCK)])
    if code == 0:  # what is not in the lock was removed, the course itself included
        course = ["--no-deps", "--no-build-isolation", "--editable", str(ROOT)]
        code = uv(["pip", "install", "--python", python_of(VENV), *course])
    if code == 0:
        write_settings(VENV)
        write(STAMP, json.dumps(wanted, indent=1).encode("utf-8"))
    return code


def write_settings(environment):
    """Give the JupyterLab of an environment the course's settings, unless it has settings already."""
    path = Path(environment) / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    if environment == VENV or not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, json.dumps(LAB_SETTINGS, indent=1).encode("utf-8"))


def no_installation(code):
    message = (
        f"The course's packages could not be installed (exit code {code}); the reason stands above. They are "
        "downloaded once: is this machine online, is there a proxy or a mirror to be set in pip's configuration, are "
        "3 GB of disk free? After that no command needs the network. Running the same command again starts over and "
        "reuses what was downloaded."
    )
    machine = os.uname().machine if hasattr(os, "uname") else os.environ.get("PROCESSOR_ARCHITECTURE", "")
    if (sys.platform, machine) in (("darwin", "x86_64"), ("win32", "ARM64")):
        message += f" This machine ({sys.platform} {machine}) is one for which TensorFlow is not published."
    return message


def ensure_environment(may_be_old=False):
    """Build .venv if it is missing or broken, bring it up to date if it is stale, else take no time.

    Parameters
    ----------
    may_be_old : bool
        Go on with the environment as it was if it cannot be brought up to date, as on a journey without a network.

    Raises
    ------
    SystemExit
        If there is no suitable Python or the packages cannot be installed.
    """
    keep_wheelhouse_whole()
    command, version = choose_python(candidates())
    wanted = wanted_stamp(version)

    def state():
        found = read_json(STAMP)
        return (found, *what_to_do(wanted, found, VENV.exists(), lambda: bool(probe([python_of(VENV)]))))

    if state()[1] != "nothing":
        with alone():
            bring_about(*state(), command, version, wanted, may_be_old)


@contextlib.contextmanager
def alone():
    """Let one command at a time install into .venv; another one says that it waits, and waits."""
    name = "course-{}.lock".format(hashlib.sha256(str(ROOT).encode("utf-8")).hexdigest()[:16])
    with open(os.path.join(tempfile.gettempdir(), name), "a+b") as file:  # the system lets go when a process ends
        if not try_lock(file):
            say("Another command is installing the course's packages; this one goes on when that is done.")
            while not try_lock(file):
                time.sleep(1)
        yield


def try_lock(file):
    """Lock an open file for this process and say whether that worked."""
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


LONGEST = 200  # characters of the longest path in .venv, below the course's folder: a header of TensorFlow's


def too_deep(root, system=os.name):
    """Say in a sentence that Windows' limit on paths may end the installation; "" where it cannot.

    Parameters
    ----------
    root : str
        The course's folder.
    system : str
        As ``os.name`` has it.
    """
    if system != "nt" or len(root) + LONGEST < 260:
        return ""
    return (
        f"If this ends with 'No such file or directory': the course's folder is {len(root)} characters deep, and "
        f"Windows allows 259 for a whole path unless it was told otherwise. Move the course to a short one, such as "
        f"C:\\course."
    )


def bring_about(found, todo, reason, command, version, wanted, may_be_old):
    """Do to .venv what `what_to_do` said."""
    if todo == "nothing":
        return
    begin = time.time()
    if todo == "update":
        say(f"Bringing the environment up to date: {reason}.")
        code = install(wanted)
        if code:
            write(STAMP, json.dumps(found, indent=1).encode("utf-8"))  # uv downloads all before it changes any
            if not may_be_old:
                raise SystemExit(no_installation(code))
            say("That did not work, see above; going on with the environment as it was.")
            return
    else:
        say(f"Building the environment in .venv with Python {version}: {reason}.")
        names = names_in(LOCK.read_text(encoding="utf-8"))
        say(f"{len(names)} packages, about a minute with a fast connection; only this once.")
        note = too_deep(str(ROOT))
        if note:
            say(note)
        if VENV.exists() and any(VENV.iterdir()) and not (VENV / "pyvenv.cfg").exists():
            raise SystemExit(f"{VENV} is not a virtual environment. Move it away, then run this again.")
        if call([*command, "-m", "venv", "--clear", str(VENV)]):
            raise SystemExit(
                "The virtual environment could not be made; Python's own words stand above. If files are in use, "
                "close JupyterLab and every notebook first."
            )
        code = install(wanted)
        if code:
            raise SystemExit(no_installation(code))
    say(f"Done in {time.time() - begin:.0f} s.")


# --- the reader's copies of the lessons ----------------------------------------------------------------------------


def cells_hash(content):
    """Return a hash of what the cells of a notebook say, whatever was executed; "" if it is not a notebook.

    Parameters
    ----------
    content : bytes
        The notebook's file.
    """
    try:
        cells = [[cell["cell_type"], "".join(cell["source"])] for cell in json.loads(content.decode("utf-8"))["cells"]]
    except (ValueError, KeyError, TypeError):
        return ""
    return hashlib.sha256(json.dumps(cells).encode("utf-8")).hexdigest()


def unused(folder, stem):
    """Return the path of a notebook that does not exist yet."""
    path, number = folder / (stem + ".ipynb"), 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.ipynb"
    return path


ANEW = "`make lab FRESH={0}` or `python make.py lab --fresh {0}`"


def update_copies(lessons, copies, fresh=(), anew=ANEW):
    """Give the reader a working copy of every lesson, and never overwrite what the reader wrote.

    A copy whose cells nobody edited follows the course. An edited one stays, and so does one whose history is not
    known. ``.course.json`` beside the copies keeps, for each, the hashes of the lesson it was made from.

    Parameters
    ----------
    lessons, copies : pathlib.Path
        The course's folder and the reader's.
    fresh : sequence of str
        Beginnings of file names, such as "04": these copies are made anew, the old ones put aside.
    anew : str
        What the reader does to have a copy made anew; {0} stands for the lesson's number.

    Returns
    -------
    list of str
        What the reader should know, a sentence or two each.

    Raises
    ------
    SystemExit
        If no lesson begins with one of ``fresh``.
    """
    names = sorted(path.name for path in lessons.glob("[0-9p][0-9]_*.ipynb"))
    for beginning in fresh:
        if not any(name.startswith(beginning) for name in names):
            raise SystemExit(
                "No lesson begins with {!r}. The lessons are: {}.".format(beginning, ", ".join(names) or "none yet")
            )
    copies.mkdir(exist_ok=True)
    known_path = copies / ".course.json"
    known = {name: origin for name, origin in read_json(known_path).items() if isinstance(origin, dict)}
    messages = []
    for name in names:
        copy, lesson = copies / name, (lessons / name).read_bytes()
        origin = {"file": hashlib.sha256(lesson).hexdigest(), "cells": cells_hash(lesson)}
        made_from = known.get(name, {})
        mine = copy.read_bytes() if copy.exists() else None
        if mine is None or mine == lesson:
            edited = False
        else:
            edited = cells_hash(mine) not in (made_from.get("cells"), origin["cells"])
        wanted_anew = any(name.startswith(beginning) for beginning in fresh)
        if mine is not None and not cells_hash(mine) and not wanted_anew:
            why = "it is empty" if not mine.strip() else "it was cut short or is damaged"
            if b"\n<<<<<<< " in mine and b"\n>>>>>>> " in mine:
                why = "a merge left its conflict marks in it"
            messages.append(
                f"{name}: your copy cannot be opened, {why}. To have it made anew, this one put aside: "
                f"{anew.format(name[:2])}."
            )
            continue
        if mine is None:
            write(copy, lesson)
        elif wanted_anew:
            if mine != lesson:
                aside = unused(copies, copy.stem + time.strftime(".%Y-%m-%d-%H%M%S"))
                os.replace(str(copy), str(aside))
                messages.append(f"{name}: made anew; your old copy is now {aside.name}.")
                write(copy, lesson)
        elif edited:
            if made_from.get("file") != origin["file"]:
                messages.append(
                    f"{name}: the course has a newer version; yours has your changes and stays as it is. For the new "
                    f"one (yours is put aside, not lost): {anew.format(name[:2])}."
                )
            continue  # keep what is known of its origin: the next newer version must not overwrite it either
        elif made_from.get("file") != origin["file"] and mine != lesson:
            write(copy, lesson)
            messages.append(f"{name}: brought up to date with the course; you had not changed its cells.")
        known[name] = origin
    for name in sorted(set(known) - set(names)):
        messages.append(f"{name}: no longer in the course; your copy stays.")
        del known[name]
    write(known_path, json.dumps(known, indent=1).encode("utf-8"))
    return messages


# --- the commands --------------------------------------------------------------------------------------------------


def is_free(port):
    """Say whether a server can listen on a port of this machine."""
    with socket.socket() as attempt:
        if os.name != "nt":
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(first=8888):
    """Return the first free port of this machine, from ``first`` on."""
    for port in range(first, first + 50):
        if is_free(port):
            return port
    raise SystemExit(f"No free port from {first} to {first + 49}; name one with --port.")


def has_browser(env=os.environ):
    """Say whether a graphical browser can be started from here."""
    if env.get("SSH_CONNECTION"):
        return False
    if sys.platform.startswith("linux") and not (env.get("DISPLAY") or env.get("WAYLAND_DISPLAY")):
        return bool(env.get("BROWSER"))
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def lab_command(python, lesson, port, root_user, browser):
    """Return the command that serves JupyterLab: this machine only, opened at one lesson."""
    command = [python, "-m", "jupyterlab", "--ip=localhost", f"--port={port}"]
    command += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={ROOT}"]  # from ROOT, so that ../docs opens
    command += ["--LabApp.default_url=/lab/tree/" + quote(lesson), "--log-level=WARN", "--LabApp.log_level=WARN"]
    if root_user:
        command.append("--allow-root")
    if not browser:
        command.append("--no-browser")
    return command


def runtime_folder(env=os.environ):
    """Return the folder in which Jupyter notes the servers that run."""
    if env.get("JUPYTER_RUNTIME_DIR"):
        return Path(env["JUPYTER_RUNTIME_DIR"])
    data = env.get("JUPYTER_DATA_DIR")
    if not data and os.name == "nt":
        data = os.path.join(env.get("APPDATA", ""), "jupyter")
    if not data and sys.platform == "darwin":
        data = os.path.expanduser("~/Library/Jupyter")
    if not data:
        data = os.path.join(env.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share"), "jupyter")
    return Path(data) / "runtime"


def running_here():
    """Return the addresses of the servers that serve this course already: noted by Jupyter, and their port taken."""
    servers = [read_json(path) for path in runtime_folder().glob("jpserver-*.json")]
    return [
        server["url"] + "lab"
        for server in servers
        if {"url", "port", "root_dir"} <= set(server)
        and same_folder(server["root_dir"], ROOT)
        and not is_free(server["port"])
    ]


def edited_originals():
    """Return the names of lessons in notebooks/ that differ from the course's; none where there is no git to ask."""
    try:
        asked = subprocess.run(
            ["git", "-C", str(ROOT), "status", "--porcelain", "--", NOTEBOOKS.name],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = asked.stdout.decode("utf-8", "replace").splitlines() if asked.returncode == 0 else []
    return [line[3:].strip('"').split("/")[-1] for line in lines if line[1:2] == "M" and line.endswith(".ipynb")]


def cannot_write():
    """Return the first folder in which Jupyter keeps its files and may not write, or None."""
    home = os.path.expanduser("~")
    for folder in (os.environ.get("JUPYTER_RUNTIME_DIR"), os.environ.get("JUPYTER_DATA_DIR"), home):
        if folder:
            while not os.path.isdir(folder) and os.path.dirname(folder) != folder:
                folder = os.path.dirname(folder)
            if not os.access(folder, os.W_OK | os.X_OK):
                return folder
    return None


def copies(arguments):
    """make your own copies of the lessons in my_notebooks/, to open them with a program of your choice"""
    parser = argparse.ArgumentParser(prog="make.py copies", description=copies.__doc__, allow_abbrev=False)
    parser.add_argument("--fresh", nargs="+", default=[], metavar="LESSON", help="make these copies anew, such as 04")
    for message in update_copies(NOTEBOOKS, COPIES, parser.parse_args(arguments).fresh):
        say(message)
    with contextlib.suppress(OSError):  # an environment of somebody else's
        write_settings(sys.prefix)
    say(f"Your copies of the lessons are in {COPIES.name}; nothing in the course overwrites them.")


def lab(arguments):
    """open the course in JupyterLab, on your own copies of the lessons"""
    parser = argparse.ArgumentParser(prog="make.py lab", description=lab.__doc__, allow_abbrev=False)
    parser.add_argument("--fresh", nargs="+", default=[], metavar="LESSON", help="make these copies anew, such as 04")
    parser.add_argument("--port", type=int, help="the port to serve on; default: the first free one from 8888 on")
    parser.add_argument("--here", action="store_true", help="use the Python that runs this, as in a conda environment")
    parser.add_argument("--originals", action="store_true", help="let JupyterLab save in notebooks/, for maintainers")
    chosen, others = parser.parse_known_args(arguments)
    if chosen.port and not is_free(chosen.port):
        raise SystemExit(f"Port {chosen.port} is taken by another program. Without --port a free one is found.")
    if chosen.here:
        with contextlib.suppress(OSError):
            write_settings(sys.prefix)
    else:
        ensure_environment(may_be_old=True)
    python = sys.executable if chosen.here else python_of(VENV)
    folder = cannot_write()
    if folder:
        raise SystemExit(
            f"Jupyter may not write in {folder}, where it keeps its files. Set the variable HOME (on Windows "
            "USERPROFILE) to a folder that you may write to, then run this again."
        )
    for message in update_copies(NOTEBOOKS, COPIES, chosen.fresh):
        say(message)
    names = [] if chosen.originals else edited_originals()
    if names:
        say(
            f"Edited in notebooks/, where the next `git pull` will stop at it: {', '.join(names)}. To keep your work, "
            f"copy the file into {COPIES.name}/ under another name; then `git checkout -- notebooks/{names[0]}`."
        )
    for url in running_here():
        say(f"JupyterLab is already running for this course, at {url}. Ctrl-C in its terminal stops it.")
    lessons = sorted(path.name for path in NOTEBOOKS.glob("[0-9p][0-9]_*.ipynb"))
    first = next((name for name in lessons if chosen.fresh and name.startswith(chosen.fresh[0])), None)
    opened = "/".join([COPIES.name, *[first or name for name in lessons[:1]]])
    port, token = chosen.port or free_port(), secrets.token_hex(16)
    browser = has_browser() and "--no-browser" not in others
    url = f"http://localhost:{port}/lab/tree/{quote(opened)}?token={token}"
    say(f"Your copies of the lessons are in {COPIES.name}; nothing in the course overwrites them.")
    when = "If no page opens by itself" if browser else "In a few seconds"
    say(f"JupyterLab is starting. {when}, open this address in a browser:\n\n    {url}\n")
    say("Close tabs of an earlier start: they ask for a password that is no longer valid.")
    say("To stop it: Ctrl-C here, twice.")
    # JUPYTER_PREFER_ENV_PATH: the kernel of .venv, even if the user has registered another one of the same name.
    env = dict(variables(here=chosen.here), JUPYTER_TOKEN=token, JUPYTER_PREFER_ENV_PATH="1")
    root_user = hasattr(os, "getuid") and os.getuid() == 0
    command = lab_command(python, opened, port, root_user, browser)
    if not chosen.originals:
        command.append("--FileContentsManager.pre_save_hook=course_lib.teaching.originals.refuse")
    return become(command + others, env=env)


def test(arguments):
    """check everything: style, the package, the exercises, every output of every lesson"""
    ensure_environment()
    env = variables(headless=True, one_thread=True)
    style = module("ruff", "check", "--quiet", "--output-format", "concise", ".", env=env)
    style = module("ruff", "format", "--quiet", "--check", ".", env=env) or style
    workers = str(min(2, os.cpu_count() or 1))
    code = module("pytest", "-n", workers, "--dist", "loadfile", *arguments, env=env)
    if style:
        print(
            "FAILED: style, see the top of this output; `ruff check --fix` and `ruff format` mend most.",
            file=sys.stderr,
        )
    return code or style


def lessons_tool(command, arguments):
    ensure_environment()
    tool = [python_of(VENV), str(ROOT / "tools" / "lessons.py"), command]
    return call(tool + arguments, env=variables(headless=True, one_thread=True))


def run(arguments):
    """execute the lessons, write them as pages to _build/, print seconds and the papers' scoreboard"""
    return lessons_tool("run", arguments)


def refresh(arguments):
    """execute the lessons and store their outputs in them"""
    return lessons_tool("refresh", arguments)


def steady(arguments):
    """compare the stored outputs under other arithmetic: two BLAS kernels, one thread and two"""
    return lessons_tool("steady", arguments)


def reviewed(arguments):
    """list the paragraphs of a lesson that are to be reread; with a cell's id, show that cell and accept it"""
    ensure_environment()
    return call([python_of(VENV), str(ROOT / "tools" / "evidence.py"), *arguments])


def reproduce(arguments):
    """repeat the papers' results, all seeds and full sizes, and record them; --confirm: one seed of each, compared"""
    ensure_environment()
    return module("course_lib.teaching.reproduce", *arguments, env=variables(one_thread=True))


def bench(arguments):
    """run the benchmarks"""
    ensure_environment()
    scripts = sorted((ROOT / "benchmarks").glob("[!_]*.py"))
    if not scripts:
        say("There is no benchmark in benchmarks/ yet.")
    codes = [call([python_of(VENV), str(script), *arguments]) for script in scripts]
    return int(any(codes))


def lock(arguments):
    """solve pyproject.toml for every platform into requirements.lock; --upgrade for the newest of everything"""
    if not find_uv():  # before the environment, which a lock that does not fit would not let be built
        if not VENV.exists():
            call([*choose_python(candidates())[0], "-m", "venv", str(VENV)])
        if install_uv():
            raise SystemExit("uv, which solves for all platforms, could not be installed; the reason stands above.")
    solve = ["pip", "compile", "--quiet", "--universal", "--python-version", min(PYTHONS), "--fork-strategy", "fewest"]
    files = ["--group", "dev", "--group", "classroom", "pyproject.toml", "--output-file", LOCK.name]
    code = uv([*solve, *files, *arguments], UV_CUSTOM_COMPILE_COMMAND="make lock")
    if code == 0:
        say("{}: {} packages.".format(LOCK.name, len(names_in(LOCK.read_text(encoding="utf-8")))))
    return code


def site(arguments):
    """build the course as a website in _build/site"""
    ensure_environment()
    env = variables(headless=True, one_thread=True)
    options = ["-b", "html", "--fail-on-warning", "--keep-going", "--quiet", *arguments]
    # The source is the whole project: a link from a lesson to docs/ is the same on the site and in JupyterLab.
    code = module("sphinx", *options, "-c", "docs", ".", str(BUILD / "site"), env=env)
    if code == 0:
        say("The site is in {}; open {}.".format(BUILD / "site", (BUILD / "site" / "index.html").as_uri()))
    return code


def classroom(arguments):
    """start a server on which a class works in its browsers: see docs/classroom.md; --try to look at it"""
    ensure_environment(may_be_old=True)
    return become([python_of(VENV), "-m", "classroom.start", *arguments], env=variables())


COMMANDS = {
    command.__name__: command
    for command in (lab, copies, test, run, reproduce, bench, refresh, reviewed, steady, lock, site, classroom)
}


def main(arguments):
    if not arguments or arguments[0] in ("help", "-h", "--help"):
        say("python make.py COMMAND [options]    or, where make is installed:    make COMMAND ARGS='options'\n")
        for name, command in COMMANDS.items():
            say(f"  {name:10} {command.__doc__}")
        return 0
    if arguments[0] not in COMMANDS:
        print("There is no {!r}. The commands are: {}.".format(arguments[0], ", ".join(COMMANDS)), file=sys.stderr)
        return 2
    return COMMANDS[arguments[0]](arguments[1:])


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        raise SystemExit("\nInterrupted.") from None
