"""Real applications in PHP, Django, Flask and Express, whose session library is told host and port of a door, and no
more; and a visitor of theirs.

Each answers the same: POST /login?name=, GET /who (the name, or `nobody`), POST /count (1, 2, ...), POST /renew
(another id for the same session), POST /logout.
"""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from time import monotonic, sleep

APPS = Path(__file__).parent / "apps"
LOCAL = "127.0.0.1"
LIFETIME = 60
"""Seconds that a session lives after its last request."""
PATIENCE = 20.0
"""Seconds that an application may take to listen, and to answer."""
PHP_PROCESSES = 4


@dataclass(frozen=True, slots=True)
class Application:
    """`command` gets the port as its last word, unless it is in there as PORT. `prefix` is of its records' keys."""

    name: str
    command: Sequence[str]
    prefix: str
    environment: Mapping[str, str] = field(default_factory=dict)


def php(program: str = "php") -> Application:
    """phpredis' session handler, with locking, and strict about ids that it has not given out."""
    options = {
        "session.save_handler": "redis",
        "session.save_path": '"tcp://127.0.0.1:DOOR?timeout=5&read_timeout=5"',
        "session.gc_maxlifetime": str(LIFETIME),
        "session.use_strict_mode": "1",
        "session.lazy_write": "1",
        "redis.session.locking_enabled": "1",
        "redis.session.lock_expire": "10",
        "redis.session.lock_wait_time": "2000",
        "redis.session.lock_retries": "-1",
    }
    words = [word for name, value in options.items() for word in ("-d", f"{name}={value}")]
    command = [program, *words, "-S", f"{LOCAL}:PORT", str(APPS / "php_app.php")]
    return Application("php", command, "PHPREDIS_SESSION:", {"PHP_CLI_SERVER_WORKERS": str(PHP_PROCESSES)})


def django(python: str, cache: str) -> Application:
    command = [python, str(APPS / "django_app.py")]
    return Application("django", command, ":1:django.contrib.sessions.cache", {"CACHE": cache})


def flask(python: str) -> Application:
    return Application("flask", [python, str(APPS / "flask_app.py")], "session:")


def express(node: str, modules: Path, client: str) -> Application:
    """`client`: redis (node-redis), or ioredis."""
    environment = {"NODE_PATH": str(modules), "CLIENT": client}
    return Application("express", [node, str(APPS / "express_app.js")], "sess:", environment)


def has_phpredis() -> bool:
    program = shutil.which("php")
    if program is None:
        return False
    return "redis" in subprocess.run([program, "-m"], capture_output=True, text=True, check=False).stdout.split()


@contextmanager
def running(application: Application, door: int, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """On this port, its sessions behind this port's door; in a group of its own, which is killed at the end."""
    words = [word.replace("PORT", str(port)).replace("DOOR", str(door)) for word in application.command]
    if words == list(application.command):
        words.append(str(port))
    environment = {**os.environ, **application.environment, "DOOR": str(door), "LIFETIME": str(LIFETIME)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            words, stdout=output, stderr=output, env=environment, cwd=log.parent, start_new_session=True
        )
    try:
        _wait_until_it_listens(process, port, log)
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """It and its children."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait()


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = monotonic() + PATIENCE
    while True:
        with suppress(OSError), socket.create_connection((LOCAL, port), timeout=1):
            return
        assert process.poll() is None, f"it ended: {log.read_text()}"
        assert monotonic() < end, f"it does not listen: {log.read_text()}"
        sleep(0.02)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    text: str
    fields: Sequence[tuple[str, str]]

    def all(self, name: str) -> list[str]:
        return [value for found, value in self.fields if found.lower() == name.lower()]


class Visitor:
    """A client with cookies, one connection a request. `host` is the name that it asks for."""

    def __init__(self, port: int, host: str = LOCAL) -> None:
        self.port = port
        self.host = host
        self.cookies: dict[str, str] = {}

    def ask(self, path: str, method: str = "GET") -> Answer:
        connection = http.client.HTTPConnection(LOCAL, self.port, timeout=PATIENCE)
        try:
            fields = {"Host": self.host, "Connection": "close"}
            if self.cookies:
                fields["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            connection.request(method, path, headers=fields)
            response = connection.getresponse()
            answer = Answer(response.status, response.read().decode(), response.getheaders())
        finally:
            connection.close()
        self._keep(answer)
        return answer

    def _keep(self, answer: Answer) -> None:
        for line in answer.all("Set-Cookie"):
            for name, morsel in SimpleCookie(line).items():
                if morsel.value in ("", "deleted") or morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.coded_value

    def login(self, name: str) -> str:
        return self.ask(f"/login?name={name}", "POST").text

    def who(self) -> str:
        return self.ask("/who").text

    def count(self) -> str:
        return self.ask("/count", "POST").text

    def renew(self) -> str:
        return self.ask("/renew", "POST").text

    def logout(self) -> str:
        return self.ask("/logout", "POST").text

    def twin(self) -> Visitor:
        """Another one with the same cookies, as they are now."""
        found = Visitor(self.port, self.host)
        found.cookies = dict(self.cookies)
        return found
