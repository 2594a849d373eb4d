"""Bytes both ways between two connections, as they come: flow control, half-close, and an end that is told apart.

    client ══ End  peer <──> peer  End ══ node

An end whose peer is not there yet keeps the first bytes that come and stops reading: the kernel holds the rest. When
one side has said its last the other hears of it, and may still speak (RFC 9293 section 3.6: half-close). When both
have, both connections are closed. If one ends in any other way the other is reset, because a plain end would let it
take half for the whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from steer.proxy.served import reset


class End(asyncio.Protocol):
    """One of the two connections. `on_bytes` and `on_lost` are for who watches over both."""

    transport: asyncio.Transport
    peer: End | None = None
    received = 0
    """Bytes that came from this side."""
    ended = False
    """It has said its last."""
    lost = False
    error: Exception | None = None
    """Why it was lost, where it did not end properly."""
    is_blocked = False
    """It does not take what is written."""
    _held = False
    _waiting = b""

    def __init__(self, on_bytes: Callable[[], None], on_lost: Callable[[End], None]) -> None:
        self._on_bytes = on_bytes
        self._on_lost = on_lost

    # The transport's side...

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        self._on_bytes()
        if self.peer is None:
            self._waiting += data
            self.hold(True)
        else:
            self.peer.transport.write(data)

    def eof_received(self) -> bool:
        self.ended = True
        self._on_bytes()
        if self.peer is not None:
            self._pass_end_on(self.peer)
        return self.peer is None or not self.peer.ended

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.error = exc
        peer = self.peer
        if peer is not None and not peer.lost and not (exc is None and self.ended and peer.ended):
            reset(peer.transport)
        self._on_lost(self)

    def pause_writing(self) -> None:
        self.is_blocked = True
        if self.peer is not None:
            self.peer.hold(True)

    def resume_writing(self) -> None:
        self.is_blocked = False
        self._on_bytes()
        if self.peer is not None:
            self.peer.hold(False)

    # Its peer's side...

    def hold(self, held: bool) -> None:
        """Stop or go on reading."""
        if held != self._held and not self.transport.is_closing():
            self._held = held
            (self.transport.pause_reading if held else self.transport.resume_reading)()

    def _begin(self, peer: End) -> None:
        """The peer is there: it gets what has waited."""
        self.peer = peer
        if self._waiting:
            peer.transport.write(self._waiting)
            self._waiting = b""
        if self.ended:
            self._pass_end_on(peer)
        elif not peer.is_blocked:
            self.hold(False)

    def _pass_end_on(self, peer: End) -> None:
        """What was written before still goes out first."""
        if peer.ended:
            peer.transport.close()
        elif not peer.transport.is_closing():
            peer.transport.write_eof()


def join(client: End, node: End) -> None:
    """From here on what comes from one goes to the other."""
    client._begin(node)
    node._begin(client)
