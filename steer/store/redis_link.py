"""A Redis (or Valkey), standalone or behind Sentinel: commands out, replies or the store's errors back.

The client library makes connections and finds the master; what it would do on its own about failures is turned off.
Its ten retries could take a minute, and would send a write twice that nobody marked as one. Here a command is tried
once more only if the connection broke, never if the engine was slow: a write that took effect is then known by its
request id. An engine that was too slow is **suspect**: one command in half a second may find out whether it still is.

Commands go to the first connection (`redis_channel.py`) that has room, at once; where none has, they wait in line.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import hiredis
from redis.asyncio import Connection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

from steer.clock import Clock, SystemClock
from steer.store.errors import EngineDown, Indeterminate
from steer.store.redis_channel import Asked, Broken, Channel, ErrorReply, Reply
from steer.store.scripting import script

Arg = bytes | str | int
Command = tuple[Arg, ...]
Call = tuple[str, Sequence[bytes], Sequence[Arg]]
"""A script's name, its keys, its arguments."""
TIMEOUT: Final = 0.25
"""Seconds to connect and to answer. A session read is part of a page load; a Redis of the same site answers in 1 ms."""
PEER_TIMEOUT: Final = 1.0
"""To another site's: a round trip around the world takes 0.3 s."""
PROBE_EVERY: Final = 0.5
CONNECTIONS: Final = 4
"""More only queue inside the engine, which has one thread; fewer would wait for one large reply."""
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
        # For the life of the link.
        self._place = place
        self._clock = clock or SystemClock()
        self._pool = pool_of(place, place.timeout)
        # Now.
        self._channels: list[Channel] = []
        self._line: deque[Asked] = deque()
        self._opening: asyncio.Task[None] | None = None
        self._blocking: list[Channel] = []
        self._suspect_until = 0.0
        self._is_suspect = False

    async def run(self, name: str, keys: Sequence[bytes], args: Sequence[Arg]) -> Reply:
        """A script of steer/store/scripts; the engine that does not know it gets it."""
        it = script(name)
        [reply] = await self._ask((("EVALSHA", it.sha, len(keys), *keys, *args),))
        if is_unknown(reply):
            return await self.call("EVAL", it.text, len(keys), *keys, *args)
        return self._checked(reply)

    async def run_all(self, calls: Sequence[Call]) -> list[Reply]:
        """Scripts in one round trip. The first reply that is an error is raised. A script that the engine did not know
        comes after the others."""
        return list(map(self._checked, await self.try_all(calls)))

    async def try_all(self, calls: Sequence[Call]) -> list[Reply]:
        """As `run_all`; a reply that is an error is an EngineDown in its place."""
        replies = await self._ask([evalsha(*call) for call in calls])
        unknown = [at for at, reply in enumerate(replies) if is_unknown(reply)]
        if unknown:
            for name in {calls[at][0] for at in unknown}:
                await self.call("SCRIPT", "LOAD", script(name).text)
            for at, reply in zip(unknown, await self._ask([evalsha(*calls[at]) for at in unknown]), strict=True):
                replies[at] = reply
        return [self._refused(reply) if isinstance(reply, ErrorReply) else reply for reply in replies]

    async def call(self, *command: Arg) -> Reply:
        """One command's reply."""
        [reply] = await self._ask((command,))
        return self._checked(reply)

    async def call_all(self, commands: Sequence[Command]) -> list[Reply]:
        """Their replies, in one round trip. The first reply that is an error is raised."""
        return list(map(self._checked, await self._ask(commands)))

    async def wait(self, *command: Arg) -> Reply:
        """A command that blocks at the engine, for at most `LONGEST_WAIT`, on a connection of its own."""
        self._refuse_if_suspect()
        channel = self._blocking.pop() if self._blocking else await self._connect_to_wait()
        asked = asked_of((command,))
        try:
            channel.send(asked)
            [reply] = await asked.answer
        except asyncio.CancelledError:
            channel.end(Broken(f"nobody waits for {self._place} any more"))
            raise
        self._blocking.append(channel)
        return self._checked(reply)

    # Asking...

    def _ask(self, commands: Sequence[Command]) -> asyncio.Future[list[Reply]]:
        """The replies, of which some may be errors."""
        self._refuse_if_suspect()
        asked = asked_of(commands)
        if not self._line:
            for channel in self._channels:
                if channel.has_room:
                    channel.send(asked)
                    return asked.answer
        if len(self._line) + sum(len(channel.asked) for channel in self._channels) >= QUEUED:
            raise EngineDown(f"{self._place} has {QUEUED} commands to answer already")
        self._line.append(asked)
        self._open_if_few()
        return asked.answer

    def _checked(self, reply: Reply) -> Reply:
        """Raises EngineDown."""
        if isinstance(reply, ErrorReply):
            raise self._refused(reply) from reply
        if isinstance(reply, EngineDown):
            raise reply
        return reply

    def _refused(self, error: ErrorReply) -> EngineDown:
        """READONLY, LOADING, OOM and their like: not now, or not here; nothing was written."""
        if error.code == "READONLY":
            # It was the master once. Sentinel knows which is now: it is asked with the next connection.
            self._retire_all()
        return EngineDown(f"{self._place} refuses: {error}")

    # ... sending ...

    def _go_on(self) -> None:
        """There are replies, or a connection: the engine answers, and there may be room for who waits."""
        self._is_suspect = False
        if self._line:
            self._send_line()

    def _send_line(self) -> None:
        for channel in self._channels:
            while self._line and channel.has_room:
                asked = self._line.popleft()
                if not asked.answer.done():
                    channel.send(asked)
        if self._line:
            self._open_if_few()

    def _open_if_few(self) -> None:
        if self._opening is None and len(self._channels) < CONNECTIONS:
            self._opening = asyncio.get_running_loop().create_task(self._open(), name="store engine connection")

    async def _open(self) -> None:
        try:
            channel = await self._connect(self._place.timeout, self._lost)
        except EngineDown as down:
            if not self._channels:
                self._is_suspect_now()
                self._turn_away(down)
            return
        finally:
            self._opening = None
        self._channels.append(channel)
        self._send_line()

    async def _connect(
        self, patience: float, on_lost: Callable[[Channel, list[Asked], Indeterminate], None]
    ) -> Channel:
        """Raises EngineDown."""
        connection: Connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
        except Exception as error:  # whatever the library met (a password that is no text, say): nothing was asked
            await connection.disconnect(nowait=True)
            raise EngineDown(f"{self._place} cannot be reached: {error}") from error
        channel = Channel(connection, str(self._place), patience, self._go_on, on_lost)
        if channel.is_closing:  # its end was told to the library, not to us
            raise EngineDown(f"{self._place} cannot be reached: it closed the connection at once")
        return channel

    async def _connect_to_wait(self) -> Channel:
        try:
            return await self._connect(LONGEST_WAIT + self._place.timeout, self._lost_waiting)
        except EngineDown:
            self._is_suspect_now()
            raise

    # ... and when that fails.

    def _lost(self, channel: Channel, left: list[Asked], why: Indeterminate) -> None:
        """Who has broken with one connection gets another one, and a new one: whatever ended it may have ended all."""
        if channel in self._channels:
            self._channels.remove(channel)
        for asked in left:
            if asked.broken or not isinstance(why, Broken):
                asked.settle(why)
        if not isinstance(why, Broken):
            self._is_suspect_now()
            self._turn_away(EngineDown(f"{self._place} does not answer"))
            return
        again = [asked for asked in left if not asked.answer.done()]
        if again:
            for asked in again:
                asked.broken, asked.replies = why, []
            self._line.extendleft(reversed(again))
            self._retire_all()
            self._open_if_few()

    def _lost_waiting(self, channel: Channel, left: list[Asked], why: Indeterminate) -> None:
        if channel in self._blocking:
            self._blocking.remove(channel)
        if not isinstance(why, Broken):
            self._is_suspect_now()
        for asked in left:
            asked.settle(why)

    def _turn_away(self, down: EngineDown) -> None:
        """Who waits in line need not find out for himself. What was sent once may have been done nevertheless."""
        while self._line:
            asked = self._line.popleft()
            asked.settle(Indeterminate(f"{asked.broken.message}; {down.message}") if asked.broken else down)

    def _retire_all(self) -> None:
        channels, self._channels = self._channels, []
        for channel in channels:
            channel.retire()

    def _is_suspect_now(self) -> None:
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
        while left := [
            asked.answer for asked in (*self._line, *(each for one in self._channels for each in one.asked))
        ]:
            await asyncio.wait(left)
        if self._opening is not None:
            self._opening.cancel()
        for channel in (*self._channels, *self._blocking):
            channel.end(Broken(f"the link to {self._place} is closed"))
        if isinstance(self._pool, SentinelConnectionPool):
            for sentinel in self._pool.sentinel_manager.sentinels:
                await sentinel.aclose()


def asked_of(commands: Sequence[Command]) -> Asked:
    packed = b"".join([hiredis.pack_command(command) for command in commands])  # type: ignore[arg-type]  # its stub says one word
    return Asked(packed, len(commands), asyncio.get_running_loop().create_future())


def evalsha(name: str, keys: Sequence[bytes], args: Sequence[Arg]) -> Command:
    return ("EVALSHA", script(name).sha, len(keys), *keys, *args)


def is_unknown(reply: Reply) -> bool:
    """The engine does not know the script (any more)."""
    return isinstance(reply, ErrorReply) and reply.code == "NOSCRIPT"
