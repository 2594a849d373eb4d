"""The edges of another site as one: whichever of them answers."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from steer.clock import Clock, SystemClock
from steer.store.errors import EngineDown, Indeterminate
from steer.store.remote.calls import Call
from steer.store.remote.line import Broken, Door, Line

T = TypeVar("T")
TIMEOUT = 1.0
"""Seconds: a round trip around the world takes 0.3 s, and the engine there answers that edge within 0.25 s."""


@dataclass(frozen=True, slots=True)
class RemotePlace:
    """`doors` in the order in which they are asked. `tls` has this edge's certificate and the CA of all edges."""

    doors: tuple[Door, ...]
    tls: ssl.SSLContext
    timeout: float = TIMEOUT

    def __str__(self) -> str:
        return "the engine behind " + ", ".join(door.edge for door in self.doors)


class RemoteLink:
    """`ask` as often as you like. A line that is suspect is passed over while there is another one.

    To each edge there are two lines: a back-fill's megabytes would be in front of a session that a client waits for.
    """

    def __init__(self, place: RemotePlace, clock: Clock | None = None) -> None:
        self._place = place
        it = clock or SystemClock()

        def lines() -> list[Line]:
            return [Line(door, place.tls, place.timeout, it) for door in place.doors]

        self._urgent, self._bulk = lines(), lines()

    async def ask(
        self, call: Call[T], space: object, arguments: Sequence[object], *, wait: float = 0.0, is_bulk: bool = False
    ) -> T:
        """What the engine said. Raises EngineDown, Indeterminate and, for `open`, StoreError.

        A question whose line broke is asked once more. If that cannot be sent, it may have been heard the first time.
        """
        broken: Broken | None = None
        down = EngineDown(f"{self._place} does not answer")
        lines = [line for line in (self._bulk if is_bulk or call.is_bulk else self._urgent) if line.may_be_asked()]
        for line in (*lines, *lines[:1]):
            try:
                return await line.ask(call, space, arguments, wait)
            except EngineDown as error:
                down = error
            except Broken as error:
                if broken is not None:
                    break
                broken = error
        if broken is not None:
            raise Indeterminate(f"{self._place}: {broken}; {down.message}")
        raise down

    async def close(self) -> None:
        for line in (*self._urgent, *self._bulk):
            line.close()
