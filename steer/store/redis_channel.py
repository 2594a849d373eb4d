"""One connection to a Redis: questions go out as they come, replies come back in their order.

    send -> flush -> transport ... data_received -> the future of who asked

The client library makes the connection: address, TLS, password, database, the master that Sentinels name. Then the
transport is ours. What the library does about each command (a lock, a health check, a task for the write, a timer, four
coroutines for the reply) takes longer than the engine does. Here a reply goes from the transport's callback straight to
who waits, and one timer watches the oldest question.
What is asked in one turn of the loop is sent together: both sides then read and write once for many.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

import hiredis
from redis.asyncio import Connection

from steer.store.closed import Closed
from steer.store.errors import Indeterminate, StoreError

Reply = Any
MOST_ASKED: Final = 64
"""Questions under way on one connection: 1 to 2 ms of an engine's time. Further ones take another connection."""
MOST_BYTES: Final = 256 * 1024
"""The same in bytes: what comes behind so much for a far site's engine had better not wait for it."""
GRACE: Final = 0.01
"""Seconds more for an engine that seems to be too slow: if it was our own process, the reply is in the socket."""


class Broken(Indeterminate):
    """The connection ended after the question was sent."""


class ErrorReply(Exception):
    """What an engine said instead, `READONLY You can't write`: a reply like any other."""

    @property
    def code(self) -> str:
        return str(self).partition(" ")[0]


class Asked:
    """Commands that are sent together, and the future of their replies. `broken`: a connection that ended with them."""

    __slots__ = ("answer", "broken", "count", "due", "packed", "replies")

    def __init__(self, packed: bytes, count: int, answer: asyncio.Future[list[Reply]]) -> None:
        self.packed = packed
        self.count = count
        self.answer = answer
        self.replies: list[Reply] = []
        self.due = 0.0
        self.broken: Broken | None = None

    def settle(self, outcome: list[Reply] | StoreError) -> None:
        """Unless who asked has gone."""
        if self.answer.done():
            return
        if isinstance(outcome, StoreError):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


class Channel(asyncio.Protocol):
    """`on_replies` is called when some have come; `on_lost` at the end, with what was not answered, and why: Broken, or
    Indeterminate where the engine was too slow."""

    def __init__(
        self,
        connection: Connection,
        name: str,
        timeout: float,
        on_replies: Callable[[], None],
        on_lost: Callable[[Channel, list[Asked], Indeterminate], None],
    ) -> None:
        # For the life of the connection.
        self._connection = connection
        self._name = name
        self._timeout = timeout
        self._on_replies = on_replies
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(replyError=ErrorReply)
        self._transport = cast("asyncio.Transport", connection._writer.transport)  # type: ignore[union-attr]
        self._transport.set_protocol(self)
        # Now.
        self.asked: deque[Asked] = deque()
        self._bytes = 0
        self._unsent: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._overdue: Asked | None = None
        self._is_retired = False
        self._has_ended = False

    @property
    def has_room(self) -> bool:
        return len(self.asked) < MOST_ASKED and self._bytes < MOST_BYTES and not self._is_retired

    @property
    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def send(self, asked: Asked) -> None:
        asked.due = self._loop.time() + self._timeout
        self.asked.append(asked)
        self._bytes += len(asked.packed)
        self._unsent.append(asked.packed)
        if len(self._unsent) == 1:
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self._has_ended:
            return
        packed = b"".join(self._unsent)
        self._unsent.clear()
        try:
            self._transport.write(packed)
        except Closed as error:
            self.end(Broken(f"the connection to {self._name} broke: {error}"))
            return
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout, self._look)

    def retire(self) -> None:
        """Nothing more goes out here; it ends when all is answered."""
        self._is_retired = True
        if not self.asked:
            self.end(Broken(f"the connection to {self._name} was given up"))

    # The transport's side...

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not False:
                self._take(reply)
        except (hiredis.HiredisError, IndexError) as error:
            self.end(Broken(f"{self._name} answers as no Redis does: {error}"))
            return
        self._on_replies()
        if self._is_retired:
            self.retire()

    def _take(self, reply: Reply) -> None:
        """Raises IndexError: nobody asked."""
        asked = self.asked[0]
        asked.replies.append(reply)
        if len(asked.replies) == asked.count:
            self.asked.popleft()
            self._bytes -= len(asked.packed)
            asked.settle(asked.replies)

    def resume_writing(self) -> None:
        """A large question is out only now: the engine's time to answer begins."""
        due = self._loop.time() + self._timeout
        for asked in self.asked:
            asked.due = due

    def connection_lost(self, exc: Exception | None) -> None:
        why = f": {exc}" if exc else ", closed by the engine"
        self.end(Broken(f"the connection to {self._name} broke{why}"))
        self._connection._close()  # type: ignore[no-untyped-call]  # the library's own account of it

    # ... and the clock's.

    def _look(self) -> None:
        """Is the oldest question due?"""
        self._timer = None
        if not self.asked:
            return
        oldest = self.asked[0]
        left = oldest.due - self._loop.time()
        if left <= 0 and self._overdue is oldest:
            self.end(Indeterminate(f"{self._name} did not answer in time"))
            return
        self._overdue = oldest if left <= 0 else None
        self._timer = self._loop.call_later(max(left, GRACE), self._look)

    def end(self, why: Indeterminate) -> None:
        """Replies that still come would be taken for others': the connection is of no more use."""
        if self._has_ended:
            return
        self._has_ended = self._is_retired = True
        if self._timer is not None:
            self._timer.cancel()
        self._transport.abort()
        left, self.asked = list(self.asked), deque()
        self._on_lost(self, left, why)
