"""Who of those that were accepted begins when: bounded, fair, in small steps.

    kernel's queue -> refused? -> silent (TLS: no hello yet) -> waits, by address -> begins -> the protocol's
     `listening.py`                 `silent.py`                  `fair_queue.py`     `door.py`

What is cheap is done at once, so that the kernel's queue never fills up: accept, and refuse. What is dear, a handshake
of half a millisecond, begins a few times in one turn of the loop, and in turns by address, so that neither requests
under way nor other newcomers wait for a flood. It begins when its hello is there, for a hello that came later would be
read in whatever turn of the loop it comes. Handshakes that do not end are bounded too: the oldest makes room.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from functools import partial
from socket import socket

from steer.runtime.door import Arrival, Door, begin, turn_away
from steer.runtime.fair_queue import FairQueue
from steer.runtime.silent import Silent, has_spoken

logger = logging.getLogger("steer.runtime")

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
"""Until the next look when no place is free and none of those that begin stalls yet."""
CROWDED = "crowded"
"""More connections of one address wait than it may have."""
STALLED = "stalled_handshake"


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
