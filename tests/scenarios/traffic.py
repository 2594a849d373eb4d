"""Clients: one connection on which requests are sent one by one, and load at a steady rate over many of them."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from tests.kit.waiting import until

HOST = "www.agency.example"
LOCAL = "127.0.0.1"
ANSWER = 30.0
"""Seconds that a response may take: the slowest that a test asks for, and a busy machine."""


@dataclass(frozen=True, slots=True)
class Response:
    """`fields` have their names in lower case."""

    status: int
    fields: Mapping[str, str]
    body: bytes

    @property
    def node(self) -> str:
        return self.fields.get("x-steer-node", "")

    @property
    def datacentre(self) -> str:
        return self.fields.get("x-steer-datacentre", "")

    @property
    def reason(self) -> str:
        return self.fields.get("x-steer-reason", "")

    @property
    def error(self) -> str:
        return self.fields.get("x-steer-error", "")


class Connection:
    """A client's connection over HTTP/1.1."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.port: int = writer.get_extra_info("sockname")[1]

    @classmethod
    async def open(cls, port: int, source: str = LOCAL, tls: ssl.SSLContext | None = None, name: str = HOST) -> Self:
        server_name = name if tls is not None else None
        streams = asyncio.open_connection(LOCAL, port, local_addr=(source, 0), ssl=tls, server_hostname=server_name)
        return cls(*await streams)

    async def ask(
        self,
        path: str = "/",
        host: str = HOST,
        method: str = "GET",
        fields: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Response:
        """Raises EOFError or OSError when the connection ends before the response does."""
        self.send(path, host, method, fields, body)
        return await self.receive()

    def send(
        self,
        path: str = "/",
        host: str = HOST,
        method: str = "GET",
        fields: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> None:
        given = {"Host": host, **(fields or {})}
        if body:
            given["Content-Length"] = str(len(body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        self.writer.write(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body)

    async def receive(self) -> Response:
        status, fields = await self.receive_head()
        return Response(status, fields, await self.reader.readexactly(int(fields["content-length"])))

    async def receive_head(self) -> tuple[int, dict[str, str]]:
        """The body, of `Content-Length` bytes, is left to be read."""
        async with asyncio.timeout(ANSWER):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return int(status.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}

    async def close(self) -> None:
        self.writer.close()
        with suppress(OSError, ssl.SSLError):
            await self.writer.wait_closed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def ask_once(port: int, path: str = "/", host: str = HOST, source: str = LOCAL) -> Response:
    """On a connection of its own."""
    async with await Connection.open(port, source) as connection:
        return await connection.ask(path, host, fields={"Connection": "close"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request of a load. Times are wall times, as in the access log; `failure` is empty if none."""

    began: float
    ended: float
    client: int
    """The port of its connection."""
    response: Response | None
    failure: str

    @property
    def took(self) -> float:
        return self.ended - self.began


@dataclass
class Load:
    """So many GETs a second, whatever becomes of them: a slow answer does not hold up the next request.

    Each goes out on the connection that is free for longest, or on a new one. Opening `at_least` at first spreads
    them over all workers. With `keeps=False` each request has a connection of its own. `path(n)` names the n-th one.
    """

    port: int
    rate: float = 200.0
    at_least: int = 40
    keeps: bool = True
    path: Callable[[int], str] = lambda _: "/bytes?n=1024"
    source: Callable[[int], str] = lambda _: LOCAL
    answers: list[Answer] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    sent: int = 0
    ended: int = 0
    """Kept connections after whose answer the edge asked for another one. One that it ends unasked is a failure."""

    async def __aenter__(self) -> Self:
        self._free: list[Connection] = []
        self._under_way: set[asyncio.Task[None]] = set()
        if self.keeps:
            for number in range(self.at_least):
                self._free.append(await self._open(self.source(number)))
        self._sending = asyncio.create_task(self._send())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._sending.cancel()
        with suppress(asyncio.CancelledError):
            await self._sending
        if self._under_way:
            await asyncio.wait(self._under_way)
        for connection in self.connections:
            await connection.close()

    @property
    def failures(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.failure]

    @property
    def nodes(self) -> Counter[str]:
        return Counter(answer.response.node for answer in self.answers if answer.response is not None)

    def slowest_but(self, share: float) -> float:
        """The time within which all but this share of the requests were answered: 0.01 gives the p99. Seconds."""
        times = sorted(answer.took for answer in self.answers)
        return times[int(len(times) * (1 - share))]

    async def wait_for(self, more: int) -> None:
        """Until so many more requests have been sent."""
        wanted = self.sent + more
        await until(lambda: self.sent >= wanted, f"{more} requests sent", within=30 + more / self.rate)

    async def wait_for_node(self, node: str, more: int) -> None:
        """Until this node has answered so many more."""
        wanted = self.nodes[node] + more
        await until(lambda: self.nodes[node] >= wanted, f"{more} answers of {node}", within=30)

    async def _open(self, source: str) -> Connection:
        connection = await Connection.open(self.port, source)
        self.connections.append(connection)
        return connection

    async def _send(self) -> None:
        begin = time.monotonic()
        while True:
            self.sent += 1
            task = asyncio.create_task(self._ask(self.sent))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            await asyncio.sleep(begin + self.sent / self.rate - time.monotonic())

    async def _ask(self, number: int) -> None:
        began, client = time.time(), 0
        response, failure = None, ""
        try:
            connection = self._free.pop(0) if self._free else await self._open(self.source(number))
            client = connection.port
            response = await connection.ask(self.path(number), fields={} if self.keeps else {"Connection": "close"})
        except (OSError, EOFError) as error:
            failure = repr(error)
        else:
            if response.status >= 500:
                failure = f"{response.status} {response.error}"
            if self.keeps and response.fields.get("connection") != "close":
                self._free.append(connection)
            else:
                self.ended += self.keeps
                await connection.close()
        self.answers.append(Answer(began, time.time(), client, response, failure))
