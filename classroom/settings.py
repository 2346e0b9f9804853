"""What one classroom remembers between starts: one JSON file that only its owner reads."""

from __future__ import annotations

import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILE = "classroom.json"
WORDS = [
    "amber",
    "birch",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "heron",
    "iris",
    "juniper",
    "kiwi",
    "lemon",
    "maple",
    "north",
    "ocean",
    "pearl",
]
GIB = 2**30


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def new_password(words: int = 3) -> str:
    """Return a password that can be read aloud, such as ``heron-maple-delta-4711``."""
    return "-".join([*(secrets.choice(WORDS) for _ in range(words)), str(secrets.randbelow(9000) + 1000)])


@dataclass
class Settings:
    """A classroom's settings.

    Parameters
    ----------
    folder : str
        Where the hub keeps its database, passwords and notices.
    port, listen : int, str
        Where the learners' browsers find it.
    instructor : str
        The name with which the instructor signs in.
    room_password : str
        What a learner needs to sign up.
    memory : int
        Most bytes that one learner's programs may use.
    processors : float
        How many processors one learner may keep busy, where systemd runs.
    idle : int
        Seconds after which a server that nobody uses is stopped.
    trial : bool
        Whether this is a look at the classroom, without accounts.
    hub_port, proxy_port, service_port, proxy_token
        What the hub, the proxy and the instructor's page know each other by.
    """

    folder: str
    port: int = 8000
    listen: str = "127.0.0.1"
    instructor: str = "instructor"
    room_password: str = field(default_factory=new_password)
    memory: int = 2 * GIB
    processors: float = 1.0
    idle: int = 3600
    trial: bool = False
    hub_port: int = field(default_factory=free_port)
    proxy_port: int = field(default_factory=free_port)
    service_port: int = field(default_factory=free_port)
    proxy_token: str = field(default_factory=lambda: secrets.token_hex(32))

    @property
    def address(self) -> str:
        """Where this machine's own browser finds the classroom."""
        return f"http://127.0.0.1:{self.port}"

    def path(self, name: str) -> Path:
        """Return the path of one of the classroom's own files."""
        return Path(self.folder) / name

    def save(self) -> None:
        """Write the settings so that only their owner reads them."""
        path = self.path(FILE)
        handle = os.open(path.with_suffix(".new"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file, indent=1)
        path.with_suffix(".new").replace(path)


def load(folder: Path) -> Settings | None:
    """Return the settings of a classroom that was started before, or None."""
    path = folder / FILE
    if not path.exists():
        return None
    known = json.loads(path.read_text(encoding="utf-8"))
    return Settings(**{name: value for name, value in known.items() if name in Settings.__dataclass_fields__})
