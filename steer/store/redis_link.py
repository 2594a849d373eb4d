"""Connections to a Redis (or Valkey), standalone or behind Sentinel: commands out, replies or the store's errors back.

The client library makes connections and finds the master; what it would do on its own about failures is turned off.
Its ten retries could take a minute, and would send a write twice that nobody marked as one. Here a command is tried
once more only if the connection broke, never if the engine was slow: a write that took effect is then known by its
request id. An engine that was too slow is **suspect**: one command in half a second may find out whether it still is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final, cast

import hiredis
from redis.asyncio import Connection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, NoScriptError, ReadOnlyError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

from steer.clock import Clock, SystemClock
from steer.store.errors import EngineDown, Indeterminate, StoreError
from steer.store.scripting import script

Reply = Any
Closed = RuntimeError
"""What uvloop says of a connection that was reset before something is sent over it; it is no OSError."""
Command = tuple[bytes | str | int, ...]
TIMEOUT: Final = 0.25
"""Seconds to connect and to answer. A session read is part of a page load; a Redis of the same site answers in 1 ms."""
PEER_TIMEOUT: Final = 1.0
"""To another site's: a round trip around the world takes 0.3 s."""
PROBE_EVERY: Final = 0.5
CONNECTIONS: Final = 4
"""More in flight only queue inside the engine, which has one thread; fewer would wait for one large reply."""
TOGETHER: Final = 64
"""Groups of commands sent at once."""
QUEUED: Final = 4096
"""About 0.2 s of an engine's time: who came later would not be answered in time."""
LONGEST_WAIT: Final = 1.0
"""Seconds that an XREAD may block."""


@dataclass(frozen=True, slots=True)
class RedisPlace:
    """Where an engine is. `url` as redis-py takes it (redis://, rediss://, unix://), or the addresses of Sentinels and
    the name of the service that they watch. `options` go to each connection: username, password, ssl_ca_certs, db."""

    url: str = ""
    sentinels: tuple[tuple[str, int], ...] = ()
    service: str = ""
    options: tuple[tuple[str, str | int | bool], ...] = ()
    timeout: float = TIMEOUT

    def __str__(self) -> str:
        if self.sentinels:
            return f"{self.service} of " + ", ".join(f"{host}:{port}" for host, port in self.sentinels)
        return self.url.rpartition("@")[2].removeprefix("redis://")


def pool_of(place: RedisPlace, timeout: float) -> ConnectionPool:
    """Connections without retries of their own."""
    options: dict[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": place.timeout,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        **dict(place.options),
    }
    if not place.sentinels:
        return ConnectionPool.from_url(place.url, **options)
    asked = {name: options[name] for name in ("socket_timeout", "socket_connect_timeout", "retry", "protocol")}
    # More than half must agree on the master: one that is cut off with the old one does not count.
    others = len(place.sentinels) // 2
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        list(place.sentinels), min_other_sentinels=others, sentinel_kwargs=asked
    )
    return SentinelConnectionPool(place.service, sentinel, **options)  # type: ignore[no-untyped-call]


class RedisLink:
    """`run` for scripts, `call` for one command, `call_all` for several. Raises EngineDown and Indeterminate."""

    def __init__(self, place: RedisPlace, clock: Clock | None = None) -> None:
        self._place = place
        self._clock = clock or SystemClock()
        self._pool = pool_of(place, place.timeout)
        self._waiting = pool_of(place, LONGEST_WAIT + place.timeout)
        self._queue: deque[tuple[Sequence[Command], asyncio.Future[list[Reply]]]] = deque()
        self._senders: set[asyncio.Task[None]] = set()
        self._suspect_until = 0.0
        self._is_suspect = False

    async def run(self, name: str, keys: Sequence[bytes], args: Sequence[bytes | str | int]) -> Reply:
        """A script of steer/store/scripts; the engine that does not know it gets it."""
        it = script(name)
        try:
            return (await self.call_all((("EVALSHA", it.sha, len(keys), *keys, *args),)))[0]
        except NoScriptError:
            return await self.call("EVAL", it.text, len(keys), *keys, *args)

    async def run_all(
        self, name: str, calls: Sequence[tuple[Sequence[bytes], Sequence[bytes | str | int]]]
    ) -> list[Reply]:
        """One script many times, each with its keys and arguments, in one round trip. Only for a script that may be run
        twice: the engine that does not know it gets it, and then all of them again."""
        it = script(name)
        commands = [("EVALSHA", it.sha, len(keys), *keys, *args) for keys, args in calls]
        try:
            return await self.call_all(commands)
        except NoScriptError:
            await self.call("SCRIPT", "LOAD", it.text)
            return await self.call_all(commands)

    async def call(self, *command: bytes | str | int) -> Reply:
        """One command's reply."""
        return (await self.call_all([command]))[0]

    async def call_all(self, commands: Sequence[Command]) -> list[Reply]:
        """Their replies, in one round trip. The first reply that is an error is raised."""
        self._refuse_if_suspect()
        if len(self._queue) >= QUEUED:
            raise EngineDown(f"{self._place} has {QUEUED} commands to answer already")
        answer: asyncio.Future[list[Reply]] = asyncio.get_running_loop().create_future()
        self._queue.append((commands, answer))
        self._send_soon()
        replies = await answer
        await self._check(replies)
        return replies

    async def wait(self, *command: bytes | str | int) -> Reply:
        """A command that blocks at the engine, for at most `LONGEST_WAIT`."""
        self._refuse_if_suspect()
        replies = await self._exchange(self._waiting, [command])
        await self._check(replies)
        return replies[0]

    # What is asked for at the same time is sent together: a connection's round trip is most of a command's cost.

    def _send_soon(self) -> None:
        if len(self._senders) < CONNECTIONS:
            sender = asyncio.get_running_loop().create_task(self._send(), name="store engine sender")
            self._senders.add(sender)

    async def _send(self) -> None:
        try:
            await self._send_all()
        finally:
            # In the very step that found the queue empty: a command that comes in the next must not count on this one.
            self._senders.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _send_all(self) -> None:
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), TOGETHER))]
            try:
                replies = iter(await self._once_or_twice([each for commands, _ in batch for each in commands]))
            except StoreError as error:
                for _, answer in batch:
                    settle(answer, error)
                self._turn_away()
            else:
                for commands, answer in batch:
                    settle(answer, [next(replies) for _ in commands])

    def _turn_away(self) -> None:
        """Who waits behind a batch that the engine did not answer need not find out for himself."""
        while self._is_suspect and self._queue:
            _, answer = self._queue.popleft()
            settle(answer, EngineDown(f"{self._place} does not answer"))

    async def _once_or_twice(self, commands: Sequence[Command]) -> list[Reply]:
        """An engine that cannot be reached for the second time may still have done what it was sent the first time."""
        try:
            return await self._exchange(self._pool, commands)
        except Broken as broken:
            try:
                return await self._exchange(self._pool, commands)
            except EngineDown as down:
                raise Indeterminate(f"{broken.message}; {down.message}") from down

    async def _exchange(self, pool: ConnectionPool, commands: Sequence[Command]) -> list[Reply]:
        connection = await self._connect(pool)
        try:
            replies = await self._converse(connection, commands)
        finally:
            await pool.release(connection)
        self._is_suspect = False
        return replies

    async def _check(self, replies: list[Reply]) -> None:
        """Raises the first that is an error."""
        for reply in replies:
            if isinstance(reply, NoScriptError):
                raise reply
            if isinstance(reply, ResponseError):
                raise await self._refused(reply) from reply

    async def _connect(self, pool: ConnectionPool) -> Connection:
        try:
            connection: Connection = await pool.get_connection()  # type: ignore[no-untyped-call]
        except (RedisError, OSError, Closed) as error:
            self._suspect()
            raise EngineDown(f"{self._place} cannot be reached: {error}") from error
        return connection

    async def _converse(self, connection: Connection, commands: Sequence[Command]) -> list[Reply]:
        """Whatever interrupts this leaves replies behind: then the connection is of no more use.

        One timeout for all replies: the library's own, one for each, would be a third of a read's cost. It also packs
        in Python what hiredis packs in C.
        """
        try:
            packed = [hiredis.pack_command(command) for command in commands]  # type: ignore[arg-type]  # its stub says one word
            await connection.send_packed_command(packed, check_health=False)
            heed_cancelling()
            async with asyncio.timeout(connection.socket_timeout):
                return [await self._reply(connection) for _ in commands]
        except (RedisTimeout, TimeoutError) as error:
            await connection.disconnect(nowait=True)
            self._suspect()
            raise Indeterminate(f"{self._place} did not answer in time") from error
        except (RedisError, OSError, Closed) as error:
            await connection.disconnect(nowait=True)
            raise Broken(f"the connection to {self._place} broke: {error}") from error
        except BaseException:
            await connection.disconnect(nowait=True)
            raise

    @staticmethod
    async def _reply(connection: Connection) -> Reply:
        try:
            return await connection.read_response(timeout=inf)
        except BusyLoadingError as error:
            # The library counts this as a broken connection. It is an answer, and nothing was written.
            return ResponseError(str(error))
        except ResponseError as error:
            return error

    async def _refused(self, error: ResponseError) -> EngineDown:
        """READONLY, LOADING, OOM and their like: not now, or not here; nothing was written."""
        if isinstance(error, ReadOnlyError):
            # It was the master once. Sentinel knows which is now: it is asked with the next connection.
            await self._pool.disconnect(inuse_connections=False)
        return EngineDown(f"{self._place} refuses: {error}")

    def _suspect(self) -> None:
        self._is_suspect = True
        self._suspect_until = self._clock.monotonic() + PROBE_EVERY

    def _refuse_if_suspect(self) -> None:
        if not self._is_suspect:
            return
        now = self._clock.monotonic()
        if now < self._suspect_until:
            raise EngineDown(f"{self._place} does not answer")
        self._suspect_until = now + PROBE_EVERY

    async def close(self) -> None:
        """Ends every connection, after what is under way."""
        await asyncio.gather(*self._senders)
        for pool in (self._pool, self._waiting):
            await pool.disconnect()
            if isinstance(pool, SentinelConnectionPool):
                for sentinel in pool.sentinel_manager.sentinels:
                    await sentinel.aclose()


def heed_cancelling() -> None:
    """The client library sends within `asyncio.wait_for`, which in Python 3.11 can swallow a task's cancelling."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def settle(answer: asyncio.Future[list[Reply]], outcome: list[Reply] | StoreError) -> None:
    """Unless who asked has gone."""
    if answer.done():
        return
    if isinstance(outcome, StoreError):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)


class Broken(Indeterminate):
    """The connection ended after the command was sent."""
