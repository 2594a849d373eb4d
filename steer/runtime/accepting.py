"""Which sockets this process accepts from: those of slots, by order. Each has a `Listening`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from socket import SHUT_RD, socket

from steer.runtime.door import Door
from steer.runtime.entrance import Entrance
from steer.runtime.listening import Listening

TURNS = 3
"""Of the loop, from the beginning of a connection without TLS until its protocol has it: task, transport, call."""


class Accepting:
    """`sockets` and `doors` by listener name. Nothing is accepted before the first `accept`."""

    def __init__(self, sockets: Mapping[str, Sequence[socket]], doors: Mapping[str, Door]) -> None:
        self._sockets = sockets
        self._doors = dict(doors)
        self._entrance = Entrance()
        self._listening: dict[int, list[Listening]] = {}

    @property
    def slots(self) -> tuple[int, ...]:
        return tuple(sorted(self._listening))

    async def accept(self, slot: int) -> None:
        """Take connections from this slot of every listener, those that wait already first. Twice is once."""
        if slot not in self._listening:
            self._listening[slot] = [self._listen(name, self._sockets[name][slot]) for name in self._doors]

    def replace(self, doors: Mapping[str, Door]) -> None:
        """Other protocols for connections from now on. Names, TLS contexts, the time for a handshake and whether
        connections are announced stay as they were."""
        self._doors.update(doors)

    async def release(self, slot: int) -> None:
        """Stop to take connections from this slot; those taken go on, and the socket stays with its other holders."""
        for listening in self._listening.pop(slot, []):
            listening.close()

    async def shut(self) -> None:
        """Nobody may listen on the slots accepted from any more: who waits there is taken, who comes later is refused.

        A listening socket that is merely closed resets those that wait, and while another process holds it, it goes on
        to gather connections that nobody will take.
        """
        for slot in self.slots:
            for listening in self._listening[slot]:
                listening.accept_all()
            await self.release(slot)
            for name in self._doors:
                with suppress(OSError):  # the other holders have shut it
                    self._sockets[name][slot].shutdown(SHUT_RD)
        await self._entrance.settled()
        await self._entrance.begun()

    async def settled(self) -> None:
        """Until those that were accepted have begun, as far as they do not wait for their clients."""
        await self._entrance.settled()
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Release all."""
        for slot in self.slots:
            await self.release(slot)

    def abandon(self) -> None:
        """Who was accepted and has not begun is not served any more."""
        self._entrance.close()

    def _listen(self, name: str, listening: socket) -> Listening:
        # A duplicate: closing closes its descriptor, and this slot may be accepted from again.
        return Listening(listening.dup(), self._entrance, partial(self._doors.__getitem__, name))
