"""A client's connection: reads, answers in order, and holds no more than it may.

    data_received -> parser -> [one task for what has come] -> table.run -> replies in one write

Commands run one after the other, as a pipeline is promised; those that need not wait for each other go together
(`together.py`).
There is one task for each batch of commands and none for a command; while a batch runs and enough waits behind it, the
transport is not read. A client that does not read its replies stops its own commands. What takes too long is ended by
the door's sweep (`expire`), not by timers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from math import inf
from typing import TYPE_CHECKING, TypeVar, cast

from steer.sessions.resp import table, together
from steer.sessions.resp.answering import answer_of
from steer.sessions.resp.command import NO_ROOM, Refusal, Words
from steer.sessions.resp.parser import LIMITS, STRANGERS, Malformed, Parser
from steer.sessions.resp.replies import error, shown
from steer.sessions.resp.session import Session
from steer.sessions.resp.together import Together
from steer.store.errors import EngineDown, Indeterminate, StoreError

if TYPE_CHECKING:
    from steer.sessions.resp.door import RespDoor

logger = logging.getLogger("steer.sessions.resp")

MOST_WAITING = 64 * 1024
"""Bytes of commands that wait behind the one at work: 1,000 small ones. Then the client is not read until they are
answered. A single command that is larger is read in full all the same."""

FLUSH_AT = 64 * 1024
"""Bytes of replies that are collected for one write."""

TURN = 128
"""Commands in a row before others have their turn: about 2 ms where the store answers from memory."""

COMMAND_TIME = 10.0
"""Seconds that a command may take to arrive, and a client to log in. Libraries write a command at once."""

WRITE_TIME = 30.0
"""Seconds that a client may leave its replies unread."""

TOO_SLOW = error("ERR Protocol error: a command must arrive within 10 seconds")
FULL = error(NO_ROOM)
BROKEN = error("ERR internal error of the session door")
T = TypeVar("T")


class Connection(asyncio.Protocol):
    """`deadline` (of the loop's clock) is when `expire` is called; inf: nothing is awaited of the client."""

    def __init__(self, door: RespDoor, session: Session) -> None:
        # For the life of the connection.
        self.door = door
        self.session = session
        self.transport: asyncio.Transport
        self._parser = Parser(LIMITS if session.space else STRANGERS)
        # Now.
        self.deadline = inf
        self.held = 0
        self._unread = 0
        self._batch: asyncio.Task[None] | None = None
        self._is_asking = False
        self._is_given_up = False
        self._is_ending = False
        self._is_refused = False
        self._is_paused = False
        self._can_write: asyncio.Event | None = None

    # The transport's side...

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses
        self.transport.set_write_buffer_limits(FLUSH_AT, 0)
        self._is_tls = transport.get_extra_info("sslcontext") is not None
        if self.door.admit(self) and self.session.space is None:
            self._watch(COMMAND_TIME)

    def data_received(self, data: bytes) -> None:
        if self._is_ending:
            return
        self._parser.feed(data)
        if self._batch is None:
            words = self._next()
            if words is not None:
                self._begin_batch(words)
            else:
                self._wait_for_rest()
        elif self._parser.held > MOST_WAITING and not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()
        self._account()

    def eof_received(self) -> bool:
        """What was asked before is answered; then the connection ends."""
        self._is_ending = True
        return self._batch is not None and not self._is_tls  # a TLS transport cannot be half closed

    def pause_writing(self) -> None:
        self._can_write = asyncio.Event()

    def resume_writing(self) -> None:
        if self._can_write is not None:
            self._can_write.set()
            self._can_write = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Commands that were read are carried out, as Redis does: a client may well hang up after its last SET."""
        self._is_ending = True
        self.resume_writing()
        self.door.dismiss(self)

    # One batch of commands...

    def _begin_batch(self, words: Words) -> None:
        if self.session.space is not None:
            self.deadline = inf
        self._batch = asyncio.get_running_loop().create_task(self._answer(words), name="resp batch")

    async def _answer(self, words: Words | None) -> None:
        replies: list[bytes] = []
        size = turns = 0
        while words is not None:
            last: list[bytes] = []
            following = None
            several = together.begin(self.session, words, self.door.count)
            if several is not None:
                following = self._next(last)
                while following is not None and several.takes(following):
                    following = self._next(last)
                said = await self._reply_to_all(several)
            else:
                said = [await self._reply(words)]
            replies += said + last
            size += sum(map(len, said))
            turns += len(said)
            del said  # while others have their turn, a reply is held by the transport alone, or by nobody
            if size > FLUSH_AT or turns >= TURN:
                await self._flush(replies)
                size = turns = 0
                if self._is_refused:
                    break
            words = following or (None if last or self.session.leaving else self._next(replies))
        self._write(replies)
        await self._until_read()
        self._end_batch()

    async def _reply_to_all(self, several: Together) -> list[bytes]:
        """One question to the store. What is wrong with one of them is answered to that one alone."""
        if len(several.words) > 1:
            try:
                return await self._patiently(several.replies(), several.words[0])
            except (EngineDown, Indeterminate) as failure:
                return [self._refused(failure) for _ in several.words]
            except (Refusal, StoreError):
                pass  # asked one by one, it shows which of them that is
            except Exception:
                logger.exception("%s broke", shown(several.words[0][0]))
                return [BROKEN for _ in several.words]
        return [await self._reply(words) for words in several.words]

    async def _reply(self, words: Words) -> bytes:
        try:
            reply = table.run(self.session, words)
            if not isinstance(reply, bytes):
                reply = await self._patiently(reply, words)
        except (Refusal, StoreError) as failure:
            return self._refused(failure)
        except Exception:
            logger.exception("command %s broke", shown(words[0]))
            return BROKEN
        return reply

    def _refused(self, failure: Refusal | StoreError) -> bytes:
        self.door.count(failure)
        return answer_of(failure)

    async def _patiently(self, reply: Awaitable[T], words: Words) -> T:
        """Until the sweep gives up on it: a store that hangs costs a client `patience`, never more. A write may have
        happened all the same."""
        self._watch(self.door.patience)
        self._is_asking = True
        try:
            return await reply
        except asyncio.CancelledError:
            if not self._is_given_up:
                raise
            self._is_given_up = False
            asyncio.current_task().uncancel()  # type: ignore[union-attr]
            raise (Indeterminate if table.may_write(words) else EngineDown)("no answer in time") from None
        finally:
            self._is_asking = False
            self.deadline = inf

    def _next(self, replies: list[bytes] | None = None) -> Words | None:
        """The next command. Bytes that are none get an error behind the replies so far, and end the connection."""
        if self._parser.limits is STRANGERS and self.session.space is not None:
            self._parser.limits = LIMITS
        try:
            return self._parser.next()
        except Malformed as problem:
            reply = error(f"ERR Protocol error: {problem}")
            if replies is None:
                self.refuse(reply)
            else:
                self._is_ending = True
                replies.append(reply)
            return None

    def _write(self, replies: list[bytes]) -> int:
        """Its bytes."""
        data = b"".join(replies)
        replies.clear()
        if not self.transport.is_closing():  # to a client that has gone uvloop's cannot even be asked to
            self.transport.write(data)
        return len(data)

    async def _flush(self, replies: list[bytes]) -> None:
        """Write, and wait until the client has read enough of it.

        All of it counts as held, before anybody else has a turn and until its last byte is with the kernel: a transport
        keeps the whole of what it has begun to write."""
        self._unread = self._write(replies)
        if not self.transport.get_write_buffer_size():
            self._unread = 0
        self._account()
        await asyncio.sleep(0)
        await self._until_read()
        self._unread = 0
        self._account()

    async def _until_read(self) -> None:
        """As far as the client may leave replies unread."""
        if self._can_write is not None and not self.transport.is_closing():
            self._watch(WRITE_TIME)
            await self._can_write.wait()
            self.deadline = inf

    def _end_batch(self) -> None:
        self._batch = None
        if self.session.leaving or self._is_ending or self.transport.is_closing():
            self._is_ending = True
            self.transport.close()
            return
        if self._is_paused:
            self._is_paused = False
            self.transport.resume_reading()
        if self.session.space is not None:
            self.deadline = inf
        self._wait_for_rest()
        self._account()

    def _wait_for_rest(self) -> None:
        """Of a command that has begun, or of a login."""
        if not self._parser.is_halfway and self.session.space is not None:
            self.deadline = inf
            self.door.unwatch(self)
        elif self.deadline == inf and not self._is_ending:
            self._watch(COMMAND_TIME)

    # What the door asks...

    def expire(self) -> None:
        """The deadline has passed. Whatever is awaited now is not awaited any longer."""
        self.deadline = inf
        if self._is_asking and self._batch is not None:
            self._is_given_up = True
            self._batch.cancel()
        elif self._batch is not None:
            self.transport.abort()
        else:
            self.refuse(TOO_SLOW)

    def refuse(self, reply: bytes) -> None:
        """A last word, and the end. In the middle of a batch there is no place for a word, and its rest is not done."""
        self._is_ending = self._is_refused = True
        if self._batch is None:
            self.transport.write(reply)
            self.transport.close()
        else:
            self.transport.abort()

    def drain(self) -> None:
        """End it once it is idle."""
        self._is_ending = True
        if self._batch is None:
            self.transport.close()

    # Bookkeeping.

    def _watch(self, seconds: float) -> None:
        self.deadline = self.door.time() + seconds
        self.door.watch(self)

    def _account(self) -> None:
        """Say what is held. Over the door's budget, whoever holds much gives it back by going."""
        held = self._parser.held + self._unread
        if self.session.transaction is not None:
            held += self.session.transaction.bytes
        if not self.door.account(held - self.held) and held > MOST_WAITING:
            self.refuse(FULL)
        self.held = held
