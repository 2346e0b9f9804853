"""Who may come in, and whose process is whose: sign-up, the learners' accounts, and the servers that they get."""

from __future__ import annotations

import dbm
import hmac
import os
import pwd
import re
import subprocess
from pathlib import Path

from firstuseauthenticator import FirstUseAuthenticator
from jupyterhub.spawner import LocalProcessSpawner, SimpleLocalProcessSpawner
from traitlets import Unicode

NAME = re.compile(r"[a-z][a-z0-9-]{1,19}")  # a part of an account's name and of addresses
PREFIX = "learner-"
PROGRESS = Path(".recurrent-course")  # COURSE_HOME, below a learner's home


def account(learner: str) -> str:
    """The system account of a learner, who is known to the hub by a name that fits ``NAME``."""
    return PREFIX + learner


def ensure_account(name: str) -> pwd.struct_passwd:
    """Return a learner's account, made first if there is none: no password, and a home that others cannot enter.

    Parameters
    ----------
    name : str
        As :func:`account` returns it.

    Returns
    -------
    pwd.struct_passwd
        The account.

    Raises
    ------
    RuntimeError
        If the system refuses; with its own words.
    """
    try:
        return pwd.getpwnam(name)
    except KeyError:
        command = ["useradd", "--create-home", "--user-group", "--shell", "/bin/bash", "-K", "HOME_MODE=0700", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"The system made no account {name}: {done.stderr.strip()}")
    return pwd.getpwnam(name)


class RoomAuthenticator(FirstUseAuthenticator):
    """Learners sign up themselves, once, with the room's password and one of their own."""

    room_password = Unicode(help="What the instructor writes on the board.", config=True)

    async def authenticate(self, handler, data):
        """Return the name of who may come in, else None and leave the reason in the handler."""
        name = self.normalize_username(data["username"])
        if not NAME.fullmatch(name):
            handler.custom_login_error = (
                "Choose a name of 2 to 20 characters: letters from a to z, digits and hyphens, a letter first. "
                "For example: ada-l"
            )
            return None
        room = str(data.get("otp", "")).strip()
        if not self.knows(name) and not hmac.compare_digest(room.encode(), self.room_password.encode()):
            handler.custom_login_error = (
                f"Nobody called {name} has signed up yet. If you are new, give the room's password too: your "
                "instructor has it. If you are not, check the spelling of your name."
            )
            return None
        return await super().authenticate(handler, data)

    def knows(self, name: str) -> bool:
        """Say whether somebody of this name has a password."""
        with dbm.open(self.dbm_path, "c", 0o600) as passwords:
            return name.encode() in passwords


class AccountSpawner(LocalProcessSpawner):
    """A server for each learner, run by a system account of the learner's own."""

    def make_preexec_fn(self, name):
        """Return what the new process does first: it becomes the learner's."""
        return super().make_preexec_fn(account(name))

    def user_env(self, env):
        """Return the environment with the home and the name of the learner's account."""
        found = pwd.getpwnam(account(self.user.name))
        return {**env, "USER": found.pw_name, "HOME": found.pw_dir, "SHELL": found.pw_shell}

    async def start(self):
        """Start the server, and make the account before the first time."""
        ensure_account(account(self.user.name))
        return await super().start()


class TrySpawner(SimpleLocalProcessSpawner):
    """For a look at the classroom: all learners are the account that started it, and nothing is kept apart."""


def systemd_runs() -> bool:
    """Say whether systemd manages this machine."""
    return os.path.isdir("/run/systemd/system")
