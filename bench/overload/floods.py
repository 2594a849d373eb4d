"""The floods, each as fast as one process can: `python -m bench.overload.floods KIND PLAIN_PORT TLS_PORT SECONDS`.

A flood goes on until its time is over, and comes back whenever its connection is ended. Prints as JSON how often it was
let in, and how often not.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import uvloop
from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from bench.certificate import HOSTNAME
from bench.overload.edge import raise_limit
from bench.overload.good import client_context

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
AT_ONCE = 50
"""Frames, requests or chunks in one write, times ten for tiny ones."""
MOST_WAITING = 1 << 20
REFUSED_PAUSE_S = 0.002
"""After a connection that was refused: 500 attempts a second by each attacker."""


@dataclass(slots=True)
class Flood:
    plain: int
    tls: int
    ends: float
    """In the loop's time."""
    source: str = "127.0.0.2"
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def goes_on(self) -> bool:
        return asyncio.get_running_loop().time() < self.ends

    @asynccontextmanager
    async def connection(
        self, alpn: str = "", *, plain: bool = False, receive: int = 0
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Over TLS, with this protocol, unless `plain`. `receive`: bytes of the socket's buffer."""
        context = None if plain else client_context()
        if context is not None and alpn:
            context.set_alpn_protocols([alpn])
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            self.plain if plain else self.tls,
            ssl=context,
            server_hostname=None if plain else HOSTNAME,
            local_addr=(self.source, 0),
        )
        self.counts["let in"] += 1
        try:
            if receive:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
            yield reader, writer
        finally:
            writer.transport.abort()

    async def again_and_again(self, visit: Callable[[], Awaitable[None]]) -> None:
        """Until the end of the flood, however each visit ends."""
        while self.goes_on:
            try:
                async with asyncio.timeout_at(self.ends):
                    await visit()
            except TimeoutError:
                return
            except (OSError, EOFError):
                self.counts["thrown out"] += 1
                await asyncio.sleep(REFUSED_PAUSE_S)

    async def all_at_once(self, number: int, visit: Callable[[], Awaitable[None]]) -> None:
        await asyncio.gather(*(self.again_and_again(visit) for _ in range(number)))


Kind = Callable[[Flood], Awaitable[None]]


async def connect(flood: Flood) -> None:
    """Connections that say nothing and go."""

    async def visit() -> None:
        async with flood.connection(plain=True):
            pass

    await flood.all_at_once(50, visit)


async def handshake(flood: Flood) -> None:
    """Full TLS handshakes, and nothing after them."""

    async def visit() -> None:
        async with flood.connection():
            pass

    await flood.all_at_once(20, visit)


async def stalled_handshake(flood: Flood) -> None:
    """Connections to the TLS port that never say hello."""

    async def visit() -> None:
        raw = socket.socket()
        raw.setblocking(False)
        with raw:
            raw.bind((flood.source, 0))
            await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", flood.tls))
            flood.counts["let in"] += 1
            await asyncio.get_running_loop().sock_recv(raw, 1)

    await flood.all_at_once(2000, visit)


def dribble(first: bytes, piece: bytes, number: int) -> Kind:
    """So many connections without TLS, each with a byte a second."""

    async def run(flood: Flood) -> None:
        async def visit() -> None:
            async with flood.connection(plain=True) as (_, writer):
                writer.write(first)
                while not writer.is_closing():
                    await asyncio.sleep(1.0)
                    writer.write(piece)
                raise ConnectionResetError

        await flood.all_at_once(number, visit)

    return run


def never_read(request: bytes, number: int) -> Kind:
    """So many connections that ask and do not take the answers."""

    async def run(flood: Flood) -> None:
        async def visit() -> None:
            async with flood.connection(receive=4096) as (reader, writer):
                reader._transport.pause_reading()  # type: ignore[attr-defined]  # a client that is not there
                writer.write(request)
                await writer.wait_closed()
                raise ConnectionResetError

        await flood.all_at_once(number, visit)

    return run


async def idle(flood: Flood) -> None:
    """1,000 TLS connections that do nothing."""

    async def visit() -> None:
        async with flood.connection() as (reader, _):
            await reader.read(1)
            raise ConnectionResetError

    await flood.all_at_once(1000, visit)


def pour(data: bytes, number: int = 4, *, first: bytes = b"", reads: bool = True) -> Kind:
    """HTTP/1.1: the same bytes over and over, as fast as they are taken."""

    async def run(flood: Flood) -> None:
        async def visit() -> None:
            async with flood.connection(plain=True) as (reader, writer):
                taken = asyncio.create_task(_take_all(reader)) if reads else None
                try:
                    writer.write(first)
                    await _pour(writer, data)
                finally:
                    if taken is not None:
                        taken.cancel()

        await flood.all_at_once(number, visit)

    return run


async def _pour(writer: asyncio.StreamWriter, data: bytes) -> None:
    while not writer.is_closing():
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(0)
    raise ConnectionResetError


async def _take_all(reader: asyncio.StreamReader) -> None:
    with suppress(OSError):
        while await reader.read(1 << 16):
            pass


class Speaker:
    """One HTTP/2 connection's frames."""

    def __init__(self) -> None:
        self._encoder = Encoder()
        self._streams = iter(range(1, 2**31, 2))

    def head(self, *, end: bool = True, path: str = "/headers", method: str = "GET") -> tuple[int, bytes]:
        fields = [(":method", method), (":scheme", "https"), (":authority", HOSTNAME), (":path", path)]
        flags = ["END_HEADERS", "END_STREAM"] if end else ["END_HEADERS"]
        stream = next(self._streams)
        return stream, HeadersFrame(stream, data=self._encoder.encode(fields), flags=flags).serialize()

    def bomb(self) -> bytes:
        """One large field that the table keeps, and then a byte for each time that it is meant."""
        block = self._encoder.encode([("x", "y" * 3000)])
        data = block + b"\xbe" * 16_000
        return HeadersFrame(next(self._streams), data=data[:16_384], flags=["END_HEADERS", "END_STREAM"]).serialize()


Frames = Callable[[Speaker], Iterator[bytes]]


def speak(frames: Frames, number: int = 4, *, settings: dict[int, int] | None = None, pause: float = 0.0) -> Kind:
    """HTTP/2: frames as fast as they are taken, or a write every so often."""

    async def run(flood: Flood) -> None:
        async def visit() -> None:
            async with flood.connection("h2") as (reader, writer):
                taken = asyncio.create_task(_take_all(reader))
                try:
                    writer.write(PREFACE + SettingsFrame(0, settings=settings or {}).serialize())
                    for data in frames(Speaker()):
                        if writer.is_closing() or taken.done():
                            raise ConnectionResetError
                        writer.write(data)
                        await writer.drain()
                        await asyncio.sleep(pause)
                finally:
                    taken.cancel()

        await flood.all_at_once(number, visit)

    return run


def rapid_reset(speaker: Speaker) -> Iterator[bytes]:
    while True:
        data = b""
        for _ in range(AT_ONCE):
            stream, head = speaker.head()
            data += head + RstStreamFrame(stream, error_code=8).serialize()
        yield data


def patient_reset(speaker: Speaker) -> Iterator[bytes]:
    """Just below what is taken for a flood: one each 40 ms."""
    while True:
        stream, head = speaker.head()
        yield head + RstStreamFrame(stream, error_code=8).serialize()


def continuation(speaker: Speaker) -> Iterator[bytes]:
    _, head = speaker.head()
    yield HeadersFrame(1, data=head[9:]).serialize()
    while True:
        yield b"".join(ContinuationFrame(1, data=b"").serialize() for _ in range(AT_ONCE))


def repeated(*frames: bytes) -> Frames:
    def make(speaker: Speaker) -> Iterator[bytes]:
        while True:
            yield b"".join(frames) * 10 * AT_ONCE

    return make


def empty_data(speaker: Speaker) -> Iterator[bytes]:
    stream, head = speaker.head(end=False, method="POST")
    yield head
    while True:
        yield DataFrame(stream).serialize() * 10 * AT_ONCE


def small_data(speaker: Speaker) -> Iterator[bytes]:
    """DATA of one byte: no budget forbids it, each is honest."""
    stream, head = speaker.head(end=False, method="POST")
    yield head
    while True:
        yield DataFrame(stream, data=b"x").serialize() * AT_ONCE


def hpack_bomb(speaker: Speaker) -> Iterator[bytes]:
    while True:
        yield speaker.bomb()


def window_games(speaker: Speaker) -> Iterator[bytes]:
    """100 large responses with no window, opened byte by byte."""
    streams = []
    for _ in range(100):
        stream, head = speaker.head(path="/bytes?n=10000000")
        streams.append(stream)
        yield head
    while True:
        yield b"".join(WindowUpdateFrame(stream, window_increment=1).serialize() for stream in streams[:AT_ONCE])


def half_sent(speaker: Speaker) -> Iterator[bytes]:
    """100 large responses with no window, and nothing more."""
    for _ in range(100):
        yield speaker.head(path="/bytes?n=10000000")[1]
    while True:
        yield b""


HEAD = f"Host: {HOSTNAME}\r\n".encode()
GET = b"GET /headers HTTP/1.1\r\n" + HEAD + b"\r\n"
BIG = b"GET /bytes?n=10000000 HTTP/1.1\r\n" + HEAD + b"\r\n"
NOBODY = b"GET / HTTP/1.1\r\nHost: nobody.example\r\n\r\n"
POST = b"POST / HTTP/1.1\r\n" + HEAD
PINGS = PingFrame(0, opaque_data=b"01234567").serialize()
CHUNKS = b"1;" + b"x" * 240 + b"\r\ny\r\n"

KINDS: dict[str, Kind] = {
    "connect": connect,
    "tls-handshake": handshake,
    "tls-stalled": stalled_handshake,
    "slow-head": dribble(b"GET / HTTP/1.1\r\n" + HEAD + b"X: ", b"x", 1000),
    "slow-body": dribble(POST + b"Content-Length: 1000000\r\n\r\n", b"x", 500),
    "slow-read": never_read(BIG * 20, 100),
    "idle": idle,
    "rapid-reset": speak(rapid_reset),
    "rapid-reset-kept": speak(patient_reset, 20, pause=0.04),
    "continuation": speak(continuation),
    "settings": speak(repeated(SettingsFrame(0, settings={4: 65_535}).serialize())),
    "ping": speak(repeated(PINGS)),
    "empty-data": speak(empty_data),
    "small-data": speak(small_data),
    "hpack-bomb": speak(hpack_bomb),
    "window-games": speak(window_games, settings={4: 0}, pause=0.01),
    "half-sent": speak(half_sent, settings={4: 0}, pause=0.05),
    "pipelining": pour(GET * AT_ONCE),
    "pipelining-unread": pour(GET * AT_ONCE, reads=False),
    "pipelining-own": pour(NOBODY * 10 * AT_ONCE),
    "chunk-extensions": pour(CHUNKS * 10 * AT_ONCE, first=POST + b"Transfer-Encoding: chunked\r\n\r\n"),
    "tiny-chunks": pour(b"1\r\nx\r\n" * 100 * AT_ONCE, first=POST + b"Transfer-Encoding: chunked\r\n\r\n"),
}


async def run(kind: str, plain: int, tls: int, seconds: float) -> dict[str, int]:
    flood = Flood(plain, tls, asyncio.get_running_loop().time() + seconds)
    with suppress(TimeoutError):
        await KINDS[kind](flood)
    return dict(flood.counts)


def main() -> None:
    kind, plain, tls, seconds = sys.argv[1:]
    os.nice(10)
    raise_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.get_loop().set_exception_handler(lambda *_: None)
        print(json.dumps(runner.run(run(kind, int(plain), int(tls), float(seconds)))))


if __name__ == "__main__":
    main()
