"""A namespace whose records are still there when this site's engine is not.

Reads. The first one that the engine leaves without an answer costs its 250 ms and the peer's round trip, 1 s at most.
From then on (`standing.py`) the peer's engine is asked straight away, and none waits for ours. An engine that answers
but has never heard of the key's bucket may have lost what it knew: a miss there is asked of a peer as well.

Writes go to the peer's engine as writes of the *peer's site*: with its stamps, into its outbox, under its
`max_pending`. A hint kept for our engine instead would have to be ordered against the peer's own writes, by no clock
that both share.
So it is the peer's record now; its shipper brings it home when our engine is back, and a deadline, a condition and
`acknowledge: all` mean there what they always mean.

A write that our engine may or may not have done (Indeterminate) is done again at the peer if it has no condition: both
are the same value, and the later stamp wins. With a condition it is not: it could fail at the peer because of itself.

Locks and other local keys stay with this site's engine. They never fall over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TypeVar

from steer.store.errors import EngineDown, Indeterminate, StoreError, Unconfirmed
from steer.store.model import (
    AS_EVER,
    Assignment,
    Condition,
    FieldsWritten,
    How,
    Namespace,
    Record,
    Written,
)
from steer.store.namespace import EngineNamespace, Look
from steer.store.replication.standing import Standing, Where
from steer.store.timing import answered

PEER_TIME = 0.7
"""Seconds for the peers together: with the 250 ms of the own engine a first request is over within one second."""
LOOK_TIME = 0.15
"""Seconds for a peer's opinion where the own engine has answered."""
T = TypeVar("T")
Use = Callable[[Namespace], Awaitable[T]]


class FailoverNamespace:
    """Meets `steer.store.model.Namespace`. `away`: the same namespace at the peers, the nearest first."""

    def __init__(self, home: EngineNamespace, away: Sequence[EngineNamespace], standing: Standing) -> None:
        self._home = home
        self.locks = home.locks
        self._away = away
        self._standing = standing

    async def get(self, key: bytes) -> Record | None:
        if self._standing.where is not Where.HOME:
            return await answered(self._elsewhere(lambda it: it.get(key)))
        try:
            found = await self._home.look(key)
        except EngineDown:
            self._standing.lost()
            return await answered(self._elsewhere(lambda it: it.get(key)))
        return await self._settled(key, found) if self._is_doubtful(found) else found.record

    async def get_all(self, keys: Sequence[bytes]) -> list[Record | None]:
        if self._standing.where is not Where.HOME:
            return await answered(self._elsewhere(lambda it: it.get_all(keys)))
        try:
            found = await self._home.look_all(keys)
        except EngineDown:
            self._standing.lost()
            return await answered(self._elsewhere(lambda it: it.get_all(keys)))
        if any(map(self._is_doubtful, found)):
            return list(await asyncio.gather(*map(self._settled, keys, found)))
        return [look.record for look in found]

    def _is_doubtful(self, found: Look) -> bool:
        return self._standing.is_settling or (found.is_cold and found.record is None)

    async def _settled(self, key: bytes, found: Look) -> Record | None:
        if not self._is_doubtful(found):
            return found.record
        other = await self._opinion(key)
        return other if other and other.stamp > found.stamp else found.record

    async def put(
        self,
        key: bytes,
        value: bytes | Mapping[bytes, bytes],
        ttl: float | None,
        how: How = AS_EVER,
        *,
        want_previous: bool = False,
    ) -> Written:
        def use(it: Namespace) -> Awaitable[Written]:
            return it.put(
                key,
                value,
                ttl,
                how,
                want_previous=want_previous,
            )

        return await self._write(use, may_repeat=how.condition is None)

    async def put_all(self, puts: Sequence[Assignment]) -> list[Written | StoreError]:
        """At a peer each goes by itself: what becomes of one there depends on what the own engine made of it."""
        done: list[Written | StoreError] = [EngineDown("not asked") for _ in puts]
        if self._standing.where is Where.HOME:
            try:
                done = await self._home.put_all(puts)
            except (EngineDown, Indeterminate) as failure:
                done = [failure for _ in puts]
            if not any(map(is_undone, done)):
                return done
            self._standing.lost()
        return list(await asyncio.gather(*map(self._put_again, puts, done)))

    async def _put_again(self, put: Assignment, done: Written | StoreError) -> Written | StoreError:
        """At a peer, what the own engine did not do, or may not have done."""
        if not is_undone(done):
            return done
        try:
            again = self._elsewhere(lambda it: it.put(*put))
            return await (once_more(again, done) if isinstance(done, Indeterminate) else again)
        except StoreError as error:
            return error

    async def touch(self, key: bytes, ttl: float) -> bool:
        return await self._write(lambda it: it.touch(key, ttl), may_repeat=True)

    async def delete(self, key: bytes, *, condition: Condition | None = None) -> bool:
        return await self._write(lambda it: it.delete(key, condition=condition), may_repeat=condition is None)

    async def put_fields(
        self,
        key: bytes,
        set: Mapping[bytes, bytes],
        unset: Collection[bytes],
        ttl: float | None,
        how: How = AS_EVER,
    ) -> FieldsWritten:
        def use(it: Namespace) -> Awaitable[FieldsWritten]:
            return it.put_fields(key, set, unset, ttl, how)

        return await self._write(use, may_repeat=how.condition is None)

    async def scan(self, cursor: int, match: bytes | None, count: int) -> tuple[int, list[bytes]]:
        """A scan that an engine's failure interrupts may miss keys of the bucket that it was in."""
        if self._standing.where is Where.HOME:
            try:
                return await self._home.scan(cursor, match, count)
            except EngineDown:
                self._standing.lost()
        return await self._elsewhere(lambda it: it.scan(cursor, match, count))

    async def _write(self, use: Use[T], *, may_repeat: bool) -> T:
        if self._standing.where is Where.HOME:
            try:
                return await use(self._home)
            except Unconfirmed:
                raise
            except EngineDown:
                self._standing.lost()
            except Indeterminate as unknown:
                self._standing.lost()
                if not may_repeat:
                    raise
                return await once_more(self._elsewhere(use), unknown)
        return await self._elsewhere(use)

    async def _elsewhere(self, use: Use[T]) -> T:
        error: EngineDown | Indeterminate = EngineDown("no engine answers, of this site or of another")
        try:
            async with asyncio.timeout(PEER_TIME):
                for each in self._away:
                    try:
                        return await use(each)
                    except EngineDown as down:
                        error = down
        except TimeoutError:
            error = Indeterminate("no peer's engine answered in time")
        if self._standing.where is not Where.RETURNING:
            raise error
        if isinstance(error, Indeterminate):
            return await once_more(use(self._home), error)
        return await use(self._home)

    async def _opinion(self, key: bytes) -> Record | None:
        """A peer's, if there is one to be had."""
        try:
            async with asyncio.timeout(LOOK_TIME):
                return await self._away[0].get(key)
        except (EngineDown, TimeoutError):
            return None


async def once_more(again: Awaitable[T], unknown: Indeterminate) -> T:
    """What an engine may have done already is asked of another one: that this refuses it does not make it undone."""
    try:
        return await again
    except Indeterminate:
        raise
    except StoreError as refused:
        raise Indeterminate(f"{unknown.message}; {refused.message}") from refused


def is_undone(done: Written | StoreError) -> bool:
    """Is it for a peer to do? What is unconfirmed is done here."""
    return isinstance(done, EngineDown | Indeterminate) and not isinstance(done, Unconfirmed)
