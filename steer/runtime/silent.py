"""Accepted connections whose client has said nothing yet: each is a descriptor and an entry here, and no TLS.

A handshake costs what it costs when the client's hello is read. If connections began before it is there, a thousand of
them could say hello at the same moment, and one turn of the loop would have a thousand handshakes to do. So they wait
here first, and for their turns afterwards.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from socket import MSG_PEEK, socket

ROOM = 8192
"""One address alone may have half of it, the next one half of what is left."""
MAKES_ROOM_S = 1.0
"""From this age on the oldest is ended when there is no room: honest clients speak at once."""
SWEEP_S = 1.0
"""Between two looks for those whose time is over."""


@dataclass(slots=True)
class _Waits:
    address: str
    since: float
    until: float
    spoke: Callable[[], None]
    ended: Callable[[], None]


class Silent:
    """Closes those that do not speak; the others are handed on."""

    def __init__(self) -> None:
        self._waiting: dict[socket, _Waits] = {}
        """The longest silent first."""
        self._of_address: Counter[str] = Counter()
        self._sweeping: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def __len__(self) -> int:
        return len(self._waiting)

    def wait(
        self, connection: socket, address: str, seconds: float, spoke: Callable[[], None], ended: Callable[[], None]
    ) -> bool:
        """Calls `spoke` when something can be read, the end included. The socket is ours up to then.

        After so many seconds it is closed; `ended` is called where it must make room before. False: there is none.
        """
        now = self._loop.time()
        if self._of_address[address] >= ROOM - len(self._waiting) and not self._make_room(now):
            return False
        self._waiting[connection] = _Waits(address, now, now + seconds, spoke, ended)
        self._of_address[address] += 1
        self._loop.add_reader(connection, self._hand_on, connection)
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(SWEEP_S, self._sweep)
        return True

    def hand_on_all(self) -> None:
        """Also those that have said nothing."""
        for connection in tuple(self._waiting):
            self._hand_on(connection)

    def close(self) -> None:
        for connection in tuple(self._waiting):
            self._end(connection)
        if self._sweeping is not None:
            self._sweeping.cancel()

    def _hand_on(self, connection: socket) -> None:
        self._forget(connection).spoke()

    def _end(self, connection: socket) -> _Waits:
        waits = self._forget(connection)
        connection.close()
        return waits

    def _forget(self, connection: socket) -> _Waits:
        self._loop.remove_reader(connection)
        waits = self._waiting.pop(connection)
        self._of_address[waits.address] -= 1
        if not self._of_address[waits.address]:
            del self._of_address[waits.address]
        return waits

    def _make_room(self, now: float) -> bool:
        oldest = next(iter(self._waiting), None)
        if oldest is None or now - self._waiting[oldest].since < MAKES_ROOM_S:
            return False
        self._end(oldest).ended()
        return True

    def _sweep(self) -> None:
        now = self._loop.time()
        for connection, waits in tuple(self._waiting.items()):
            if waits.until <= now:
                self._end(connection)
        self._sweeping = self._loop.call_later(SWEEP_S, self._sweep) if self._waiting else None


def has_spoken(connection: socket) -> bool:
    """Something can be read, if it is only the end. The socket does not block."""
    try:
        connection.recv(1, MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:  # reset: whoever reads next hears of it too
        return True
    return True
