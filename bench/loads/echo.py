"""The backend of WebSockets: each message goes back as it came. `python echo.py PORT`.

As cheap as Python can, for it shares the load's CPU: the client masks with zeros, so that payloads need no unmasking.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import sys
from typing import cast

import uvloop

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MASKED = 0x80
SHORT = 125
"""Bytes: the longest payload whose length stands in the second byte (RFC 6455 section 5.2), and the longest here."""


def accept_for(key: bytes) -> bytes:
    return base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())


class Echo(asyncio.Protocol):
    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._buffer = b""
        self._is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._is_open:
            self._shake_hands()
        if self._is_open:
            self._answer()

    def _shake_hands(self) -> None:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        fields = dict(line.partition(b":")[::2] for line in head.split(b"\r\n")[1:])
        key = {name.lower(): value.strip() for name, value in fields.items()}.get(b"sec-websocket-key")
        if key is None:
            self._transport.write(b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self._transport.close()
            return
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept_for(key)
        )
        self._buffer, self._is_open = rest, True

    def _answer(self) -> None:
        """All whole frames, without their masks, which are zero."""
        buffer, at, out = self._buffer, 0, []
        while len(buffer) - at >= 6 and len(buffer) - at >= 6 + (size := buffer[at + 1] & ~MASKED):
            out.append(buffer[at : at + 1] + bytes((size,)) + buffer[at + 6 : at + 6 + size])
            at += 6 + size
        self._buffer = buffer[at:]
        if out:
            self._transport.write(b"".join(out))


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", port, backlog=4096)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
