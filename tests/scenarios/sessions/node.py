"""An application node in the test's own process: it counts the requests of a session, on its site's door."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Self

from redis.asyncio import Redis

COOKIE = "PHPSESSID"
PREFIX = "PHPREDIS_SESSION:"
LIFETIME = 60


@dataclass
class Node:
    """Answers the number of requests of this session so far: 1 is one whose session was not there. `stale` has the
    sessions of requests that were marked so."""

    port: int
    door: int
    stale: list[str] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._redis = Redis(port=self.door, socket_timeout=10)
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in tuple(self._open):
            writer.close()
        await asyncio.gather(*self._open.values())
        await self._redis.aclose()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[writer] = task
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                body = str(await self._count(head)).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            del self._open[writer]

    async def _count(self, head: str) -> int:
        lines = [line.partition(": ") for line in head.split("\r\n")]
        fields = {name.lower(): value for name, _, value in lines}
        session = SimpleCookie(fields.get("cookie", "")).get(COOKIE)
        if session is None:
            return 0
        if "x-session-stale" in fields:
            self.stale.append(session.value)
        count = int(await self._redis.get(PREFIX + session.value) or 0) + 1
        await self._redis.set(PREFIX + session.value, count, ex=LIFETIME)
        return count
