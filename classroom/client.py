"""A learner as a program: signs up, starts the server, opens a kernel, runs cells. For tests and the load test."""

from __future__ import annotations

import html
import json
import re
import time
import uuid

import requests
import websocket


class Failed(RuntimeError):
    """What a learner could not do, and what the server answered."""


class Learner:
    """One learner's browser.

    Parameters
    ----------
    address : str
        Of the classroom, such as ``http://127.0.0.1:8000``.
    name, password : str
        The learner's.
    """

    def __init__(self, address: str, name: str, password: str):
        self.address, self.name, self.password = address, name, password
        self.session = requests.Session()

    def ask(self, method: str, path: str, seconds: float = 60, **options) -> requests.Response:
        """Send a request below the classroom's address, as the pages there do."""
        headers = {"Referer": f"{self.address}/hub/", "Origin": self.address}
        for cookie in self.session.cookies:
            if cookie.name == "_xsrf" and path.startswith(cookie.path):
                headers["X-XSRFToken"] = cookie.value
        return self.session.request(method, self.address + path, headers=headers, timeout=seconds, **options)

    def sign_in(self, room_password: str = "") -> str:
        """Sign in, or sign up with the room's password; return what the page complains about, "" if it let us in."""
        page = self.ask("GET", "/hub/login")
        token = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
        form = {"username": self.name, "password": self.password, "otp": room_password}
        answer = self.ask("POST", "/hub/login", data={**form, "_xsrf": token[1] if token else ""})
        complaint = re.search(r'class="login_error">([^<]*)<', answer.text)
        return (
            html.unescape(complaint[1].strip())
            if complaint
            else ""
            if answer.ok or answer.status_code == 424
            else str(answer)
        )

    def start(self, seconds: float = 120) -> float:
        """Start this learner's server and return how many seconds that took.

        Raises
        ------
        Failed
            If it does not answer in time.
        """
        begin = time.monotonic()
        answer = self.ask("GET", f"/hub/spawn/{self.name}", seconds)
        while time.monotonic() - begin < seconds:
            answer = self.ask("GET", f"/user/{self.name}/api/status", seconds)
            if answer.ok and "kernels" in answer.text:
                return time.monotonic() - begin
            if answer.status_code == 403:  # it runs and does not know us yet: a page of it asks the hub who we are
                self.ask("GET", f"/user/{self.name}/lab", seconds)
            time.sleep(0.3)
        raise Failed(f"{self.name}'s server was not ready after {seconds:.0f} s: {answer.status_code} {answer.url}")

    def lesson(self, name: str) -> list[str]:
        """Return the code cells of this learner's copy of a lesson, such as ``03_vanilla_rnn.ipynb``."""
        answer = self.ask("GET", f"/user/{self.name}/api/contents/my_notebooks/{name}")
        answer.raise_for_status()
        return [cell["source"] for cell in answer.json()["content"]["cells"] if cell["cell_type"] == "code"]

    def kernel(self) -> Kernel:
        """Start a kernel in the folder of this learner's copies."""
        asked = {"path": "my_notebooks/any.ipynb", "type": "notebook", "name": "", "kernel": {"name": "python3"}}
        answer = self.ask("POST", f"/user/{self.name}/api/sessions", json=asked)
        if not answer.ok:
            raise Failed(f"{self.name} got no kernel: {answer.status_code} {answer.text[:200]}")
        return Kernel(self, answer.json()["kernel"]["id"])

    def again(self, number: str) -> Kernel:
        """Return a kernel that was started before, by its number."""
        return Kernel(self, number)


class Kernel:
    """A learner's kernel, spoken to as JupyterLab does: ``with learner.kernel() as kernel``.

    Parameters
    ----------
    learner : Learner
        Whose it is.
    number : str
        The kernel's id.
    """

    def __init__(self, learner: Learner, number: str):
        self.learner, self.number = learner, number
        self.connect()

    def __enter__(self) -> Kernel:
        """Return the kernel itself."""
        return self

    def __exit__(self, *error) -> None:
        """Close the channel; the kernel goes on."""
        self.socket.close()

    def connect(self) -> None:
        """Open the channel."""
        path = f"/user/{self.learner.name}/api/kernels/{self.number}/channels"
        cookies = "; ".join(
            f"{cookie.name}={cookie.value}" for cookie in self.learner.session.cookies if path.startswith(cookie.path)
        )
        address = self.learner.address.replace("http", "ws", 1)
        self.socket = websocket.create_connection(
            address + path, timeout=60, cookie=cookies, origin=self.learner.address
        )

    def run(self, code: str, seconds: float = 120) -> str:
        """Run a cell and return what it printed and showed as text.

        Raises
        ------
        Failed
            If the cell raises, the kernel dies, or it takes too long.
        """
        number = uuid.uuid4().hex
        header = {"msg_id": number, "msg_type": "execute_request", "username": "", "session": number, "version": "5.3"}
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        self.socket.send(json.dumps(message))
        shown, until = [], time.monotonic() + seconds
        while True:
            self.socket.settimeout(max(until - time.monotonic(), 0.01))
            try:
                answer = json.loads(self.socket.recv())
            except websocket.WebSocketTimeoutException:
                raise Failed(f"{self.learner.name}: no answer within {seconds:.0f} s to {code[:60]!r}") from None
            kind, content = answer["msg_type"], answer["content"]
            if kind == "status" and content["execution_state"] in ("restarting", "dead"):
                raise Failed(f"{self.learner.name}: the kernel died at {code[:60]!r}")
            if answer["parent_header"].get("msg_id") != number:
                continue
            if kind == "stream":
                shown.append(content["text"])
            elif kind in ("display_data", "execute_result"):
                shown.append(content["data"].get("text/plain", ""))
            elif kind == "error":
                raise Failed(f"{self.learner.name}: {content['ename']}: {content['evalue']} at {code[:60]!r}")
            elif kind == "status" and content["execution_state"] == "idle":
                return "\n".join(shown)
