"""The engine in the edge's own memory: the default where there is one edge, and no Redis.

Every change is decided, logged, and then done, in that order; see `memory_shelf.py` and `memory_log.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from steer.store.engine import (
    Answer,
    Change,
    Finding,
    Outcome,
    Reading,
    Terms,
)
from steer.store.errors import EngineDown, StoreError
from steer.store.glob import matches
from steer.store.layout import Space
from steer.store.memory_replication import MemoryReplication, changed_account
from steer.store.memory_rules import Asked, Effect, decide
from steer.store.memory_shelf import Bucket, Operation, Shelf, record
from steer.store.stamp import parts_of
from steer.store.state import is_live

TIDY_EVERY_MS = 60_000
NAMESPACE_OF_FORMATS = ""
"""The name under which the log keeps whose engine this is."""


class MemoryEngine(MemoryReplication):
    """Meets `steer.store.engine.Engine`. Without a log it forgets everything at its end."""

    async def open(self, space: Space) -> None:
        formats = self._shelf(NAMESPACE_OF_FORMATS)
        found, _ = formats.plain.get(space.format_key, (space.format, 0))
        if found != space.format:
            raise StoreError(f"the engine holds {found.decode()!r} of {space.name}, not {space.format.decode()!r}")
        self._shelf(space.name).limit_outbox(space)
        self._do(NAMESPACE_OF_FORMATS, [["l", space.format_key, space.format, 0]])
        await self._kept()

    async def write(self, space: Space, key: bytes, change: Change, terms: Terms) -> Answer:
        number = space.bucket_of(key)
        shelf, now = self._shelf(space.name), self._now()
        self._tidy(space, shelf, number, now)
        bucket = shelf.bucket(number)
        answer, effect = decide(Asked(space, bucket, shelf.backlog, bucket.kept(key), change, terms, now))
        if effect:
            self._do(space.name, self._written(space, number, bucket, key, effect), effect.kept)
            for peer in space.peers:
                shelf.backlog[peer] = shelf.backlog.get(peer, 0) + 1
            await self._tell(bool(space.peers))
            await self._kept()
        return answer

    async def write_all(self, space: Space, writes: Sequence[tuple[bytes, Change, Terms]]) -> list[Answer | EngineDown]:
        answers: list[Answer | EngineDown] = []
        for key, change, terms in writes:
            try:
                answers.append(await self.write(space, key, change, terms))
            except EngineDown as down:
                answers.append(down)
        return answers

    def _tidy(self, space: Space, shelf: Shelf, number: int, now: int) -> None:
        """The bucket that is written to, and one more: so that those nobody writes to have their turn."""
        shelf.next_to_tidy = (shelf.next_to_tidy + 1) % space.buckets
        for each in (number, shelf.next_to_tidy):
            if each in shelf.buckets and now - shelf.bucket(each).tidied_ms >= TIDY_EVERY_MS:
                self._do(space.name, shelf.tidy(space, each, now))

    @staticmethod
    def _written(space: Space, number: int, bucket: Bucket, key: bytes, effect: Effect) -> list[Operation]:
        """One record; for the first write, and for peers that are new, the bucket's account before it."""
        sequence = bucket.sequence + 1 if space.peers else 0
        kept = record(number, key, effect.kept, effect.clock, sequence)
        new = [peer for peer in space.peers if peer not in bucket.acknowledged]
        if not new and (bucket.generation or not space.peers):
            return [kept]
        acknowledged = bucket.acknowledged | dict.fromkeys(new, bucket.sequence)
        generation = bucket.generation or effect.stamp
        return [changed_account(bucket, number, acknowledged=acknowledged, generation=generation), kept]

    async def read(self, space: Space, key: bytes) -> Reading:
        bucket, now = self._shelf(space.name).bucket(space.bucket_of(key)), self._now()
        state = bucket.kept(key).state
        is_ahead = state.deadline.ms > max(now, parts_of(bucket.clock).ms)
        return Reading(now, bucket.clock, state if is_ahead else None)

    async def read_all(self, space: Space, keys: Sequence[bytes]) -> list[Reading]:
        return [await self.read(space, key) for key in keys]

    async def scan(self, space: Space, bucket: int, cursor: int, match: bytes, count: int) -> tuple[int, list[bytes]]:
        """The whole bucket at once: so nothing can move between two calls."""
        it = self._shelf(space.name).bucket(bucket)
        now = max(self._now(), parts_of(it.clock).ms)
        return 0, [key for key, kept in it.records.items() if is_live(kept.state, now) and matches(key, match)]

    async def local_set(
        self, space: Space, key: bytes, value: bytes, ttl_ms: int, only_absent: bool, terms: Terms
    ) -> tuple[Outcome, bool]:
        now = self._now()
        if outcome := untimely(space, terms, now):
            return outcome, False
        if only_absent and self._plain(space, key):
            return Outcome.OK, False
        return await self._set_plain(space, key, value, now + ttl_ms)

    async def _set_plain(self, space: Space, key: bytes, value: bytes | None, expires: int) -> tuple[Outcome, bool]:
        shelf, now = self._shelf(space.name), self._now()
        dead = shelf.tidy_plain(now) if now - shelf.plain_tidied_ms >= TIDY_EVERY_MS else []
        self._do(space.name, [*dead, ["l", key, value, expires]])
        await self._kept()
        return Outcome.OK, True

    def _plain(self, space: Space, key: bytes) -> tuple[bytes, int] | None:
        value, expires = self._shelf(space.name).plain.get(key, (b"", 0))
        left = expires - self._now()
        return (value, left) if left > 0 else None

    async def local_get(self, space: Space, key: bytes) -> tuple[bytes, int] | None:
        return self._plain(space, key)

    async def local_delete(
        self, space: Space, key: bytes, if_value: bytes | None, terms: Terms
    ) -> tuple[Outcome, bool]:
        if outcome := untimely(space, terms, self._now()):
            return outcome, False
        found = self._plain(space, key)
        if not found or if_value not in (None, found[0]):
            return Outcome.OK, False
        return await self._set_plain(space, key, None, 0)

    async def local_touch(
        self, space: Space, key: bytes, ttl_ms: int, if_value: bytes | None, terms: Terms
    ) -> tuple[Outcome, bool]:
        now = self._now()
        if outcome := untimely(space, terms, now):
            return outcome, False
        found = self._plain(space, key)
        if not found or if_value not in (None, found[0]):
            return Outcome.OK, False
        return await self._set_plain(space, key, found[0], now + ttl_ms)

    async def time_ms(self) -> int:
        return self._now()

    async def check(self) -> list[Finding]:
        if self._log is None:
            hint = "give it a log, or datacentres a Redis"
            return [Finding(False, "the records are in memory alone, and go with the process", hint)]
        found = [Finding(True, self._log.failure)] if self._log.failure else []
        if self._log.damaged:
            found.append(Finding(False, f"{self._log.damaged} bytes at the log's end were damaged, and put aside"))
        return found

    async def close(self) -> None:
        if self._log:
            await self._log.close()


def untimely(space: Space, terms: Terms, now: int) -> Outcome | None:
    """May a write no longer be, or not by these clocks?"""
    if now > terms.not_after_ms:
        return Outcome.LATE
    return Outcome.ASTRAY if abs(now - terms.sent_ms) > space.max_ahead_ms else None
