"""TLS load for what wrk cannot do: full handshakes, whole bodies down and up, idle connections.

Runs as a process of its own (`python -m bench.loads.client '{...}'`), on the load's CPU: threads with blocking sockets,
for the `ssl` module lets go of the interpreter while OpenSSL works. It prints one line of JSON. Nothing is cut off at
the end: each thread finishes the transfer or connection that it is in, so that what was counted was paid for, whole.
"""

from __future__ import annotations

import contextlib
import json
import resource
import socket
import ssl
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Literal

from bench.certificate import HOSTNAME
from bench.loads import LoadFailed, Seen

ROOM = 256 * 1024
"""Bytes read or written in one call."""
SILENCE_S = 20.0
"""A proxy that sends nothing for so long is stuck."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to do: `full` and `resumed` handshakes, `down` and `up` bodies for `seconds`, or `hold` connections.

    `size` is the body's bytes (`up`), `path` what is asked for, `at_once` the number of threads, or connections held.
    """

    kind: Literal["full", "resumed", "down", "up", "hold"]
    port: int
    at_once: int
    seconds: float = 0.0
    path: str = "/1k"
    size: int = 0

    def head(self, *fields: str) -> bytes:
        """The head of a request for `path`, with Host and `fields`."""
        method = "PUT" if self.kind == "up" else "GET"
        lines = [f"{method} {self.path} HTTP/1.1", f"Host: {HOSTNAME}:{self.port}", *fields, "", ""]
        return "\r\n".join(lines).encode()


def client_context() -> ssl.SSLContext:
    """TLS 1.3, http/1.1, without verifying: the load's own work is not what is measured."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


class Client:
    """One thread's client: its ticket, its room to read into."""

    def __init__(self, context: ssl.SSLContext, job: Job) -> None:
        self._context = context
        self._job = job
        self._room = memoryview(bytearray(ROOM))
        self._ticket: ssl.SSLSession | None = None

    def connect(self) -> ssl.SSLSocket:
        """A new connection with its handshake done."""
        raw = socket.create_connection(("127.0.0.1", self._job.port), timeout=SILENCE_S)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._context.wrap_socket(raw, server_hostname=HOSTNAME, session=self._ticket)

    def one_request(self) -> None:
        """Connects, asks once, reads to the end of the connection; keeps the ticket if the job is to resume."""
        with self.connect() as connection:
            expected = self._ticket is not None
            if connection.session_reused is not expected:
                raise LoadFailed(f"session resumed: {connection.session_reused}, expected: {expected}")
            connection.sendall(self._job.head("Connection: close"))
            self.read_answer(connection)
            if connection.recv(1):
                raise LoadFailed("more came than the answer")
            if self._job.kind == "resumed":
                self._ticket = connection.session

    def transfer(self, connection: ssl.SSLSocket) -> None:
        """One whole body, in the job's direction, on a connection that stays."""
        if self._job.kind == "up":
            connection.sendall(self._job.head(f"Content-Length: {self._job.size}"))
            for start in range(0, self._job.size, ROOM):
                connection.sendall(self._room[: min(ROOM, self._job.size - start)])
        else:
            connection.sendall(self._job.head())
        self.read_answer(connection)

    def read_answer(self, connection: ssl.SSLSocket) -> int:
        """Reads one response to its end: bytes of its body. Raises LoadFailed if it is not 2xx."""
        filled, end = 0, -1
        while end < 0:
            filled += self._receive(connection, filled)
            end = bytes(self._room[:filled]).find(b"\r\n\r\n")
        length = body_length(bytes(self._room[:end]))
        left = length - (filled - end - 4)
        while left > 0:
            left -= self._receive(connection, 0)
        return length

    def _receive(self, connection: ssl.SSLSocket, start: int) -> int:
        got = connection.recv_into(self._room[start:])
        if got == 0:
            raise LoadFailed("the connection ended within an answer")
        return got


def body_length(head: bytes) -> int:
    """Content-Length of a 2xx response (0 if it has none, as 201 and 204 may). LoadFailed for any other status."""
    status, *fields = head.decode("latin-1").split("\r\n")
    if status.split(" ")[1][:1] != "2":
        raise LoadFailed(f"answered {status!r}")
    named = dict(field.lower().split(":", 1) for field in fields)
    if "transfer-encoding" in named:
        raise LoadFailed("answered in chunks, where the backend said a length")
    return int(named.get("content-length", "0"))


def new_connections(client: Client, until: float) -> list[float]:
    """Connection after connection: the seconds that each took."""
    client.one_request()  # not counted: it is full, and brings the ticket if one is wanted
    return repeat(client.one_request, until)


def transfers(client: Client, until: float) -> list[float]:
    """Body after body on one connection: the seconds that each took."""
    with client.connect() as connection:
        return repeat(lambda: client.transfer(connection), until)


def repeat(action: Callable[[], None], until: float) -> list[float]:
    """Does `action` until that time, at least once: the seconds that each took."""
    took: list[float] = []
    began = time.monotonic()
    while began < until or not took:
        action()
        ended = time.monotonic()
        took.append(ended - began)
        began = ended
    return took


def run(job: Job) -> Seen:
    """The job in `at_once` threads, until all have finished what they were in."""
    context = client_context()
    loop = new_connections if job.kind in ("full", "resumed") else transfers
    began = time.monotonic()
    with ThreadPoolExecutor(job.at_once) as threads:
        futures = [threads.submit(loop, Client(context, job), began + job.seconds) for _ in range(job.at_once)]
        took = sorted(seconds for future in futures for seconds in future.result())
    elapsed = time.monotonic() - began
    return Seen(len(took), elapsed, percentile(took, 50) * 1e3, percentile(took, 99) * 1e3)


def percentile(ordered: list[float], percent: int) -> float:
    """The least value that `percent` of all do not exceed (nearest rank)."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def hold(job: Job) -> None:
    """Opens `at_once` connections, asks once on each, says so, and keeps them until this process is ended."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    client = Client(client_context(), job)
    with contextlib.ExitStack() as held:
        for _ in range(job.at_once):
            client.transfer(held.enter_context(client.connect()))
        print("held", flush=True)
        sys.stdin.read()  # ends with whoever started us


def main(argument: str) -> int:
    job = Job(**json.loads(argument))
    try:
        if job.kind == "hold":
            hold(job)
        else:
            print(json.dumps(asdict(run(job))))
    except (LoadFailed, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
