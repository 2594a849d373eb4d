"""A client's connection, as the plane sees it: whatever protocol is spoken on it."""

from __future__ import annotations

import asyncio
import struct
from ipaddress import ip_address
from socket import SO_LINGER, SOL_SOCKET
from typing import Protocol

from steer.proxy.http.introduction import Guide
from steer.proxy.proxy_protocol import Endpoints, plain
from steer.proxy.settings import ListenerSettings
from steer.steering.hosts import is_in

ROOM_AFTER_S = 1.0
"""Without a byte: from then on a connection that waits for its client's request may be ended for another's sake."""
_RESET = struct.pack("ii", 1, 0)
"""`struct linger`: closing drops what is not sent yet, and resets the connection."""


class Served(Protocol):
    """From `DataPlane.admit` to `dismiss`. Also `Expiring` (`deadlines.py`)."""

    listener: ListenerSettings
    address: str
    """The client's IP address as text."""
    deadline: float
    watched: float

    def expire(self, now: float) -> None: ...
    def make_room(self, now: float) -> bool:
        """End now, for the sake of another, if nothing is under way and nothing has come for a moment."""

    def drain(self) -> None:
        """The edge goes away: nothing new is to begin here."""

    def abort(self) -> None:
        """End it now, so that nobody takes what came for the whole."""


def endpoints_of(transport: asyncio.BaseTransport) -> Endpoints:
    """The two ends of an accepted connection as the kernel knows them; empty addresses where it has gone already."""
    source, destination = (transport.get_extra_info(name) for name in ("peername", "sockname"))
    return Endpoints(*_address(source), *_address(destination))


def source_of(transport: asyncio.BaseTransport) -> str:
    """The client's address alone, as `endpoints_of` has it: all that most connections need."""
    name = transport.get_extra_info("peername")
    return _one_spelling(name[0]) if name else ""


def guide_for(listener: ListenerSettings, peer: str, via: bytes, version: str = "1.1") -> Guide | None:
    """Who reads a request's fields for its client's address; None: this peer's fields do not count."""
    source = listener.client_address
    if source == "peer" or source == "proxy_protocol" or not is_in(peer, listener.trusted_proxies):
        return None
    return Guide(source, listener.trusted_proxies, peer, listener.scheme, via, version)


def _address(name: tuple[str, int] | None) -> tuple[str, int]:
    return (_one_spelling(name[0]), name[1]) if name else ("", 0)


def _one_spelling(host: str) -> str:
    """The kernel writes IPv4 in one way only."""
    return plain(ip_address(host.partition("%")[0])) if ":" in host else host


def reset(transport: asyncio.Transport) -> None:
    """Abort with a reset: after a plain end the other side would take what it has for the whole.

    The transport may be closing, but must not be lost yet: its descriptor may be another's by then.
    """
    transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, _RESET)
    transport.abort()
