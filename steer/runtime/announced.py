"""Listeners whose connections begin with a PROXY header: it is read before anything else, TLS included.

    accept -> from a trusted proxy? -> header -> hand over to the loop

The socket is the loop's only afterwards, and up to there it is *peeked* at: the kernel shows what has come, the reader
says how much of that is header, and only so much is taken. So what follows the header, usually the first bytes of TLS,
is still in the kernel when the loop looks. What belongs to a header that is not whole yet is taken at once: nothing is
left over that would wake the loop again and again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from socket import MSG_PEEK, socket

from steer.errors import HEAD_TOO_SLOW, MALFORMED, NOT_ALLOWED, Failure
from steer.proxy.proxy_protocol import MAX_V2, Endpoints, HeaderReader
from steer.steering.hosts import Network, is_in

HEADER_S = 5.0
"""For the whole header. A proxy sends it at once; HAProxy, whose protocol it is, advises at least 3 s for one lost
packet."""


@dataclass(frozen=True, slots=True)
class Announced:
    """Who may announce a client, and the protocol for one that was announced.

    `refuse` is told, with the address of the peer, why a connection was closed.
    """

    trusted: tuple[Network, ...]
    protocol: Callable[[Endpoints], asyncio.BaseProtocol]
    refuse: Callable[[str, Failure], None]


async def read_header(connection: socket, trusted: tuple[Network, ...]) -> Endpoints | Failure | None:
    """Whose connection it is; None: the peer speaks for itself. Takes the header off the socket and nothing else."""
    try:
        if not is_in(connection.getpeername()[0], trusted):
            return NOT_ALLOWED.because("a PROXY header is taken from trusted proxies only")
        async with asyncio.timeout(HEADER_S):
            return await _read(connection)
    except TimeoutError:
        return HEAD_TOO_SLOW.because(f"no PROXY header within {HEADER_S:g} s")
    except OSError:
        return MALFORMED.because("the connection ended before its PROXY header")


async def _read(connection: socket) -> Endpoints | Failure | None:
    reader = HeaderReader()
    while not reader.done:
        try:
            shown = connection.recv(MAX_V2, MSG_PEEK)
        except BlockingIOError:
            await _readable(connection)
            continue
        if not shown:
            return MALFORMED.because("the connection ended before its PROXY header")
        size = reader.take(shown)
        if reader.broken:
            return MALFORMED.because(reader.broken)
        connection.recv(size)
    return reader.endpoints


async def _readable(connection: socket) -> None:
    loop = asyncio.get_running_loop()
    came = asyncio.Event()
    loop.add_reader(connection, came.set)
    try:
        await came.wait()
    finally:
        loop.remove_reader(connection)
