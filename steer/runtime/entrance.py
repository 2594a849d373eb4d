"""From the kernel's queue of a listening socket to a connection that its protocol has: bounded, fair, in small steps.

    kernel's queue -> refused? -> silent (TLS: no hello yet) -> waits, by address -> begins -> the protocol's

What is cheap is done at once, so that the kernel's queue never fills up: accept, and refuse. What is dear, a handshake
of half a millisecond, begins a few times in one turn of the loop, and in turns by address, so that neither requests
under way nor other newcomers wait for a flood. It begins when its hello is there (`silent.py`), for a hello that came
later would be read in whatever turn of the loop it comes. Handshakes that do not end are bounded too: the oldest makes
room.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import ssl
import struct
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import inf
from socket import IPPROTO_TCP, SO_LINGER, SOL_SOCKET, TCP_NOTSENT_LOWAT, socket
from typing import NamedTuple

from steer.errors import BUSY, Failure
from steer.runtime.announced import Announced, read_header
from steer.runtime.fair_queue import FairQueue
from steer.runtime.silent import Silent, has_spoken

logger = logging.getLogger("steer.runtime")

GOODBYE = 2.0
"""Seconds for a client's close_notify. Many never send one (a phone that went to sleep), and nothing depends on it."""
ACCEPTED_AT_ONCE = 32
"""In one turn of the loop, for each listening socket: a third of a millisecond."""
BEGUN_AT_ONCE = 2
"""In one turn of the loop: two full handshakes are a millisecond. HAProxy takes 4 at once by default (tune.maxaccept),
and has no Python to run."""
WAITING = 8192
"""Accepted connections that may wait for their turn; one address alone may have half of them, so a burst of 5,000 from
one place fits into two workers. Each is a descriptor and a few hundred bytes."""
BEGINNING = 1024
"""Handshakes that may be under way, half of them for one address: 1,000 a second at a round trip of half a second. One
that stalls is some 50 KiB."""
OF_ONE = 32
"""Of one address. What a client says last comes when it likes, also for all its handshakes at once: a quarter of a
millisecond each, 8 in one turn of the loop. Enough for 320 a second at a round trip of 100 ms. Not for who announces
clients with a PROXY header: half of `BEGINNING` are for it."""
MAKES_ROOM_S = 1.0
"""From this age on a handshake is ended when others need its place: honest ones take three round trips."""
HELLO_S = 60.0
"""For a client's first bytes, where the door sets no time for a handshake: uvloop's own limit for one."""
PAUSE_S = 0.2
"""When the process has no descriptors left: meanwhile the kernel's queue fills, but the loop does not spin."""
COMPLAIN_S = 10.0
"""Between two lines in the log about it."""
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
MOST_UNREAD = 64 * 1024
UNSENT = 128 * 1024
"""Bytes of one connection that the kernel takes beyond what it may send at once. By itself it takes 4 MiB of who reads
nothing, and the edge learns late that it does."""
RESET = struct.pack("ii", 1, 0)
"""`struct linger`: closing resets the connection."""

Refusal = Callable[[str], str]
"""Why no connection of this address is taken now, in a word for the counters; empty: it is."""
CROWDED = "crowded"
"""More connections of one address wait than it may have."""
STALLED = "stalled_handshake"
EXHAUSTION = "descriptors"


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


class Entrance:
    """For all listeners of a worker."""

    def __init__(self) -> None:
        self._silent = Silent()
        self._waiting = FairQueue[Arrival](WAITING)
        self._beginning: dict[asyncio.Task[None], tuple[float, Arrival]] = {}
        """Since when, the oldest first."""
        self._of_address: defaultdict[str, dict[asyncio.Task[None], None]] = defaultdict(dict)
        """The same by address."""
        self._due: asyncio.Handle | None = None
        """Of the next `_go_on`."""
        self._is_stuck = False
        """It comes late, because no place was free."""
        self._loop = asyncio.get_running_loop()
        self._turn = 0.0
        self._begun = 0
        self._nobody_waits = asyncio.Event()
        self._nobody_waits.set()

    def __repr__(self) -> str:
        return (
            f"<Entrance [{len(self._silent)} silent, {len(self._waiting)} waiting, {len(self._beginning)} beginning]>"
        )

    def arrive(self, connection: socket, address: str, door: Door) -> None:
        """It was accepted. The socket is ours."""
        why = door.refusal(address)
        if why:
            turn_away(connection, door, why)
            return
        arrival = Arrival(connection, address, door)
        if door.tls is None or door.announced is not None or has_spoken(connection):
            self._line_up(arrival)
        elif not self._listen_for(arrival):
            turn_away(connection, door, CROWDED)

    def _listen_for(self, arrival: Arrival) -> bool:
        connection, address, door = arrival
        patience = door.handshake or HELLO_S
        return self._silent.wait(
            connection, address, patience, partial(self._line_up, arrival), partial(door.refused, STALLED)
        )

    def _line_up(self, arrival: Arrival) -> None:
        """It may begin, when it is its turn."""
        if self._is_quiet() and len(self._of_address.get(arrival.address, ())) < OF_ONE:
            self._begin(arrival, self._turn)
        elif self._waiting.add(arrival.address, arrival):
            self._nobody_waits.clear()
            if self._is_stuck or self._due is None:
                self._call_again(0.0)
        else:
            turn_away(arrival.connection, arrival.door, CROWDED)

    def _is_quiet(self) -> bool:
        """Nobody waits, and this turn of the loop has time: the loop looks at its clock once in each."""
        now = self._loop.time()
        if now != self._turn:
            self._turn, self._begun = now, 0
        return not self._waiting and self._begun < BEGUN_AT_ONCE and 2 * len(self._beginning) < BEGINNING

    async def settled(self) -> None:
        """Until nobody waits to begin any more."""
        await self._nobody_waits.wait()

    async def begun(self) -> None:
        """Until all that were accepted are their protocols', or have failed."""
        self._silent.hand_on_all()
        await self._nobody_waits.wait()
        if self._beginning:
            await asyncio.wait(tuple(self._beginning))

    def close(self) -> None:
        """Who still waits is turned away."""
        self._silent.close()
        for arrival in self._waiting.drain():
            arrival.connection.close()
        self._nobody_waits.set()

    # Beginning...

    def _go_on(self) -> None:
        """What this turn of the loop has time for. What comes later in the same turn has the next one."""
        self._due = None
        now = self._loop.time()
        for _ in range(min(BEGUN_AT_ONCE, len(self._waiting))):
            arrival = self._waiting.take(self._has_its_share) if self._has_place(now) else None
            if arrival is None:
                self._call_again(PAUSE_S)
                return
            self._begin(arrival, now)
        if self._waiting:
            self._call_again(0.0)
        else:
            self._nobody_waits.set()

    def _call_again(self, wait: float) -> None:
        if self._due is not None:
            self._due.cancel()
        self._is_stuck = wait > 0
        self._due = self._loop.call_later(wait, self._go_on) if wait else self._loop.call_soon(self._go_on)

    def _has_place(self, now: float) -> bool:
        """For one more, if need be that of the oldest, which stalls."""
        return len(self._beginning) < BEGINNING or self._end_if_stalled(next(iter(self._beginning)), now)

    def _has_its_share(self, address: str) -> bool:
        """As many of this address begin as may, and none of them stalls."""
        under_way = self._of_address.get(address)
        if under_way is None:
            return False
        oldest = next(iter(under_way))
        most = BEGINNING - len(self._beginning)
        if self._beginning[oldest][1].door.announced is None:
            most = min(most, OF_ONE)
        return len(under_way) >= most and not self._end_if_stalled(oldest, self._loop.time())

    def _end_if_stalled(self, task: asyncio.Task[None], now: float) -> bool:
        since, arrival = self._beginning[task]
        if now - since < MAKES_ROOM_S:
            return False
        self._forget(task)
        task.cancel()
        arrival.door.refused(STALLED)
        return True

    def _begin(self, arrival: Arrival, now: float) -> None:
        self._begun += 1
        task = self._loop.create_task(begin(arrival), name="new connection")
        self._beginning[task] = (now, arrival)
        self._of_address[arrival.address][task] = None
        task.add_done_callback(self._has_begun)

    def _has_begun(self, task: asyncio.Task[None]) -> None:
        self._forget(task)
        if not task.cancelled() and (crash := task.exception()) is not None:
            logger.error("a new connection crashed", exc_info=crash)
        if self._is_stuck:
            self._call_again(0.0)

    def _forget(self, task: asyncio.Task[None]) -> None:
        known = self._beginning.pop(task, None)
        if known is not None:
            address = known[1].address
            del self._of_address[address][task]
            if not self._of_address[address]:
                del self._of_address[address]


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


class Listening:
    """Accepts from a listening socket, which is its to close. `door` is asked each time: it may be another by then."""

    def __init__(self, listening: socket, entrance: Entrance, door: Callable[[], Door]) -> None:
        self._listening = listening
        self._entrance = entrance
        self._door = door
        self._complained = -inf
        self._loop = asyncio.get_running_loop()
        listening.setsockopt(IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT)  # connections have it from here
        self._loop.add_reader(listening, self._accept)

    def close(self) -> None:
        """Those accepted go on. Closing twice does nothing."""
        if self._listening.fileno() >= 0:
            self._loop.remove_reader(self._listening)
            self._listening.close()

    def accept_all(self) -> None:
        """Also those that wait beyond what one turn of the loop may take."""
        while self._accept() == ACCEPTED_AT_ONCE:
            pass

    def _accept(self) -> int:
        for count in range(ACCEPTED_AT_ONCE):
            try:
                connection, peer = self._listening.accept()
            except OSError as error:
                self._look_at(error)
                return count
            connection.setblocking(False)
            self._entrance.arrive(connection, peer[0], self._door())
        return ACCEPTED_AT_ONCE

    def _look_at(self, error: OSError) -> None:
        """Nobody waits, or one that has waited has gone (accept(2) hands on what happened to it): that is all right."""
        if error.errno in EXHAUSTED:
            self._pause(error)
        elif error.errno == errno.EINVAL:  # shut, by another process that has it
            self._loop.remove_reader(self._listening)

    def _pause(self, error: OSError) -> None:
        now = self._loop.time()
        if now >= self._complained + COMPLAIN_S:
            self._complained = now
            logger.error("cannot accept: %s", error.strerror)
        self._door().refused(EXHAUSTION)
        self._loop.remove_reader(self._listening)
        self._loop.call_later(PAUSE_S, self._resume)

    def _resume(self) -> None:
        if self._listening.fileno() >= 0:
            self._loop.add_reader(self._listening, self._accept)
