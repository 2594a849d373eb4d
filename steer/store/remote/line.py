"""One edge of another site, and the connection to it: questions out, answers back, in any order.

What no answer came for in time makes the line **suspect**, as an engine that hangs is: one question in half a second
may find out whether it still is, so that only the first wait. The connection ends then, unless something was heard on
it meanwhile.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar, cast

import msgpack

from steer.clock import Clock
from steer.store.closed import Closed
from steer.store.codec import Malformed
from steer.store.errors import EngineDown, Indeterminate, StoreError
from steer.store.remote.calls import Call
from steer.store.remote.shapes import packed, unpacker

CONNECT_TIME: Final = 3.0
"""Seconds for TCP and TLS: three round trips around the world are 0.9 s. Who asks does not wait for all of it."""
PROBE_EVERY: Final = 0.5
MOST_WAITING: Final = 4096
"""Questions without answers: who came later would not get one in time."""
MOST_UNSENT: Final = 32 << 20
"""Bytes that wait for the network: four portions of replication, and room for what is in a hurry."""
T = TypeVar("T")
ERRORS: Final[Mapping[str, type[StoreError]]] = {"down": EngineDown, "unknown": Indeterminate, "refused": StoreError}


class Broken(Exception):
    """The connection ended after the question was sent: it may have been heard."""


class Door(NamedTuple):
    """One edge of the other site, as it is reached from here. Its certificate is for `edge`, its name."""

    edge: str
    host: str
    port: int


class Line:
    """`timeout`: seconds for an answer, and to wait for a connection."""

    def __init__(self, door: Door, tls: ssl.SSLContext, timeout: float, clock: Clock) -> None:
        self._door = door
        self._tls = tls
        self._timeout = timeout
        self._clock = clock
        self._number = 0
        self._is_suspect = False
        self._next_probe = 0.0
        self._wire: Wire | None = None
        self._connecting: asyncio.Task[Wire] | None = None

    def __str__(self) -> str:
        return f"{self._door.edge} ({self._door.host}:{self._door.port})"

    def may_be_asked(self) -> bool:
        """Of a line that is suspect, once in half a second."""
        now = self._clock.monotonic()
        if self._is_suspect and now < self._next_probe:
            return False
        self._next_probe = now + PROBE_EVERY
        return True

    def _suspect(self) -> None:
        self._is_suspect = True
        self._next_probe = self._clock.monotonic() + PROBE_EVERY

    async def ask(self, call: Call[T], space: object, arguments: Sequence[object], wait: float) -> T:
        """Raises EngineDown, Indeterminate, StoreError; and Broken. `wait`: seconds that the other end may wait."""
        wire = await self._connected()
        self._number += 1
        heard, number = wire.heard, self._number
        answer = wire.ask(number, [number, call.name, space, arguments])
        try:
            async with asyncio.timeout(self._timeout + wait):
                outcome, value = await answer
        except TimeoutError as error:
            self._suspect()
            if wire.heard == heard:
                wire.end()
            raise Indeterminate(f"{self} did not answer in time") from error
        finally:
            wire.waiting.pop(number, None)
        self._is_suspect = False
        if outcome != "ok":
            raise ERRORS.get(outcome, Indeterminate)(f"{self}: {value}")
        try:
            return call.gives(value)
        except Malformed as error:
            raise Indeterminate(f"{self} gave an answer that is none: {error}") from error

    async def _connected(self) -> Wire:
        if self._wire is not None and not self._wire.is_over:
            return self._wire
        if self._connecting is None:
            self._connecting = asyncio.get_running_loop().create_task(self._connect(), name=f"connect to {self}")
            self._connecting.add_done_callback(self._made)
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.shield(self._connecting)
        except (OSError, Closed) as error:
            self._suspect()
            raise EngineDown(f"{self} cannot be reached: {str(error) or 'too slow'}") from error

    async def _connect(self) -> Wire:
        async with asyncio.timeout(CONNECT_TIME):
            _, wire = await asyncio.get_running_loop().create_connection(
                Wire, self._door.host, self._door.port, ssl=self._tls, server_hostname=self._door.edge
            )
        return wire

    def _made(self, task: asyncio.Task[Wire]) -> None:
        self._connecting = None
        if not task.cancelled() and task.exception() is None:
            self._wire = task.result()

    def close(self) -> None:
        """Whoever waits gets Broken."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._wire is not None:
            self._wire.end()


class Wire(asyncio.Protocol):
    """One connection. `waiting`: by number, who waits for an answer. `heard`: how many pieces came."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._unpacker = unpacker()
        self.waiting: dict[int, asyncio.Future[tuple[str, Any]]] = {}
        self.heard = 0
        self.is_over = False

    def ask(self, number: int, message: object) -> asyncio.Future[tuple[str, Any]]:
        """Raises Broken; and EngineDown if too much waits already, or the message is too long."""
        if len(self.waiting) >= MOST_WAITING or self._transport.get_write_buffer_size() > MOST_UNSENT:
            raise EngineDown("too much waits for another site's edge already")
        try:
            body = packed(message)
        except ValueError as error:
            raise EngineDown(str(error)) from error
        try:
            self._transport.write(body)
        except Closed as error:
            self.end()
            raise Broken(str(error)) from error
        self.waiting[number] = answer = self._loop.create_future()
        return answer

    def end(self) -> None:
        self.is_over = True
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.heard += 1
        try:
            self._unpacker.feed(data)
            for message in self._unpacker:
                self._settle(message)
        except (ValueError, TypeError, msgpack.UnpackException):  # not this protocol: nothing more of it can be read
            self.end()

    def _settle(self, message: Any) -> None:
        number, outcome, value = message
        answer = self.waiting.get(number)
        if answer is not None and not answer.done():  # else its asker has given up
            answer.set_result((outcome, value))

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_over = True
        for answer in self.waiting.values():
            if not answer.done():
                answer.set_exception(Broken(str(exc or "the connection ended")))
