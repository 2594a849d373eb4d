"""What happens with a connection to a listener once it was accepted: how it begins, or how it is turned away."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from socket import SO_LINGER, SOL_SOCKET, socket
from typing import NamedTuple

from steer.errors import BUSY, Failure
from steer.runtime.announced import Announced, read_header

GOODBYE = 2.0
"""Seconds for a client's close_notify. Many never send one (a phone that went to sleep), and nothing depends on it."""
MOST_UNREAD = 64 * 1024
RESET = struct.pack("ii", 1, 0)
"""`struct linger`: closing resets the connection."""

Refusal = Callable[[str], str]
"""Why no connection of this address is taken now, in a word for the counters; empty: it is."""


def _nobody_is_refused(_: str) -> str:
    return ""


def _nothing_is_counted(_: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Door:
    """What happens with a connection to one listener. `handshake` is the limit of a TLS handshake, in seconds."""

    protocol: Callable[[], asyncio.BaseProtocol]
    tls: ssl.SSLContext | None = None
    handshake: float | None = None
    announced: Announced | None = None
    """Each connection begins with a PROXY header, before TLS."""
    refusal: Refusal = _nobody_is_refused
    refused: Callable[[str], None] = _nothing_is_counted
    """Counts: told the word of each refusal that happens here."""
    sorry: Callable[[], bytes] | None = None
    """What one that is refused is told; None: it is reset, since nobody can be told anything before a handshake."""


class Arrival(NamedTuple):
    connection: socket
    address: str
    door: Door


async def begin(arrival: Arrival) -> None:
    """An accepted socket becomes a connection of its door."""
    connection, _, door = arrival
    protocol = door.protocol
    if door.announced is not None:
        found = await _read_header(arrival, door.announced)
        if isinstance(found, Failure):
            connection.close()
            return
        if found is not None:
            protocol = found
    with suppress(OSError):  # the handshake failed, and that has ended the connection
        await asyncio.get_running_loop().connect_accepted_socket(
            protocol,
            connection,
            ssl=door.tls,
            ssl_handshake_timeout=door.handshake if door.tls is not None else None,
            ssl_shutdown_timeout=GOODBYE if door.tls is not None else None,
        )


async def _read_header(arrival: Arrival, announced: Announced) -> Callable[[], asyncio.BaseProtocol] | Failure | None:
    """The protocol for the client that was announced; None: the peer speaks for itself."""
    try:
        found = await read_header(arrival.connection, announced.trusted)
    except asyncio.CancelledError:
        arrival.connection.close()
        raise
    if isinstance(found, Failure):
        announced.refuse(arrival.address, found)
        return found
    if found is None:
        return None
    why = arrival.door.refusal(found.source)
    if why:
        arrival.door.refused(why)
        return BUSY
    return partial(announced.protocol, found)


def turn_away(connection: socket, door: Door, why: str) -> None:
    """Say sorry where that is possible, and close: nothing is kept of it, and nothing is waited for."""
    door.refused(why)
    with suppress(OSError):
        if door.sorry is not None:
            connection.send(door.sorry())
            connection.recv(MOST_UNREAD)  # closing with bytes unread would reset what was said away
        else:
            connection.setsockopt(SOL_SOCKET, SO_LINGER, RESET)
    connection.close()
