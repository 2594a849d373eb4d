"""WebSockets over TLS, each with one message on its way: `python -m bench.loads.sockets '{...}'` prints JSON.

One thread and an event loop, on the load's CPU. A message counts when it came back as it was.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import sys
import time
from dataclasses import asdict, dataclass
from typing import cast

import uvloop

from bench.certificate import HOSTNAME
from bench.loads import LoadFailed, Seen
from bench.loads.client import SILENCE_S, client_context, percentile
from bench.loads.echo import MASKED, SHORT, accept_for

BINARY = 0x82  # the whole message in one frame


@dataclass(frozen=True, slots=True)
class Talk:
    """`sockets` connections, messages of `size` bytes, for `seconds`."""

    port: int
    sockets: int
    size: int
    seconds: float


class Socket(asyncio.Protocol):
    """One WebSocket: sends the next message when the one before has come back."""

    def __init__(self, talk: Talk) -> None:
        payload = secrets.token_bytes(talk.size)
        # Masked with zeros: as valid as any mask, and no work for either end.
        self._message = bytes((BINARY, MASKED | talk.size)) + bytes(4) + payload
        self._expected = bytes((BINARY, talk.size)) + payload
        self._key = base64.b64encode(secrets.token_bytes(16))
        self._port = talk.port
        self._buffer = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport
        self.took: list[float] = []
        self.until = 0.0
        loop = asyncio.get_running_loop()
        self.is_open: asyncio.Future[None] = loop.create_future()
        self.is_done: asyncio.Future[None] = loop.create_future()
        self._is_lost: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(
            b"GET /ws HTTP/1.1\r\nHost: %b:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n" % (HOSTNAME.encode(), self._port, self._key)
        )

    def start(self, until: float) -> None:
        self.until = until
        self._send()

    def _send(self) -> None:
        self._sent_at = time.monotonic()
        self._transport.write(self._message)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self.is_open.done():
            self._take_handshake()
        elif self._buffer == self._expected:
            self._buffer = b""
            now = time.monotonic()
            self.took.append(now - self._sent_at)
            if now < self.until:
                self._send()
            elif not self.is_done.done():
                self.is_done.set_result(None)
        elif not self._expected.startswith(self._buffer):
            self._fail("another message came back")

    def _take_handshake(self) -> None:
        head, found, self._buffer = self._buffer.partition(b"\r\n\r\n")
        if not found:
            self._buffer = head
        elif head.startswith(b"HTTP/1.1 101 ") and accept_for(self._key) in head:
            self.is_open.set_result(None)
        else:
            first = head.splitlines()[0]
            self._fail(f"answered {first.decode('latin-1')!r}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("the connection ended")
        self._is_lost.set_result(None)

    async def close(self) -> None:
        self._transport.abort()
        await self._is_lost

    def _fail(self, detail: str) -> None:
        for future in (self.is_open, self.is_done):
            if not future.done():
                future.set_exception(LoadFailed(detail))
                future.exception()  # seen: the first of many is raised


async def run(talk: Talk) -> Seen:
    """Raises LoadFailed for the first socket that did not get back what it sent."""
    if talk.size > SHORT:
        raise ValueError(f"messages of {SHORT} bytes at most")
    sockets: list[Socket] = []
    try:
        for _ in range(talk.sockets):
            sockets.append(await _connect(talk))
            await asyncio.wait_for(sockets[-1].is_open, SILENCE_S)
        began = time.monotonic()
        for socket in sockets:
            socket.start(began + talk.seconds)
        await asyncio.wait_for(asyncio.gather(*(socket.is_done for socket in sockets)), talk.seconds + SILENCE_S)
        elapsed = time.monotonic() - began
    finally:
        for socket in sockets:
            await socket.close()
    took = sorted(seconds for socket in sockets for seconds in socket.took)
    return Seen(len(took), elapsed, percentile(took, 50) * 1e3, percentile(took, 99) * 1e3)


async def _connect(talk: Talk) -> Socket:
    loop = asyncio.get_running_loop()
    where = ("127.0.0.1", talk.port)
    _, socket = await loop.create_connection(
        lambda: Socket(talk), *where, ssl=client_context(), server_hostname=HOSTNAME
    )
    return socket


def main(argument: str) -> int:
    try:
        print(json.dumps(asdict(uvloop.run(run(Talk(**json.loads(argument)))))))
    except (LoadFailed, OSError, TimeoutError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
