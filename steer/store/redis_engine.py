"""The engine that is a Redis: each method one script or one pipeline. What they do stands in scripts/*.lua."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from steer.store import redis_check
from steer.store.codec import Malformed, unpack
from steer.store.engine import (
    DIGEST_LIMIT,
    Answer,
    Applied,
    Batch,
    Change,
    Changed,
    Cursor,
    Delete,
    Digest,
    Entry,
    Finding,
    Outcome,
    Put,
    PutFields,
    Reading,
    Terms,
    Touch,
)
from steer.store.errors import EngineDown, StoreError
from steer.store.layout import Space
from steer.store.limits import FIELDS, VALUE_BYTES
from steer.store.redis_bulk import FIRST_CLOCK, RedisBulk, apply_args, parse_applied
from steer.store.redis_channel import Reply
from steer.store.redis_link import LONGEST_WAIT, Arg, Call, Command, RedisLink
from steer.store.state import State

TIME: Final = ("TIME",)
SETTINGS = struct.Struct(">3s5Q")


class RedisEngine(RedisBulk):
    """Meets `steer.store.engine.Engine`."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    async def open(self, space: Space) -> None:
        await self._link.call("SET", space.format_key, space.format, "NX")
        found = await self._link.call("GET", space.format_key)
        if found != space.format:
            raise StoreError(f"the engine holds {found.decode()!r} of {space.name}, not {space.format.decode()!r}")

    async def write(self, space: Space, key: bytes, change: Change, terms: Terms) -> Answer:
        return answer_of(await self._link.run(*write_call(space, key, change, terms)))

    async def write_all(self, space: Space, writes: Sequence[tuple[bytes, Change, Terms]]) -> list[Answer | EngineDown]:
        replies = await self._link.try_all([write_call(space, *each) for each in writes])
        return [reply if isinstance(reply, EngineDown) else answer_of(reply) for reply in replies]

    async def read(self, space: Space, key: bytes) -> Reading:
        return (await self.read_all(space, (key,)))[0]

    async def read_all(self, space: Space, keys: Sequence[bytes]) -> list[Reading]:
        """Without a script, which would cost the engine five times as much. The record is read first: its bucket's
        clock and the engine's time are then not earlier than it is."""
        commands: list[Command] = []
        for key in keys:
            prefix = space.prefix(space.bucket_of(key))
            commands += (("HGETALL", prefix + b"r:" + key), ("HGET", prefix + b"m", "h"))
        *found, time = await self._link.call_all((*commands, TIME))
        now = ms_of(time)
        return [reading_of(now, clock, flat) for flat, clock in zip(found[::2], found[1::2], strict=True)]

    async def scan(self, space: Space, bucket: int, cursor: int, match: bytes, count: int) -> tuple[int, list[bytes]]:
        prefix = space.prefix(bucket)
        keys = (prefix + b"i", prefix + b"m")
        following, found = await self._link.run("scan", keys, (prefix + b"r:", cursor, match, count))
        return int(following), found

    async def local_set(
        self, space: Space, key: bytes, value: bytes, ttl_ms: int, only_absent: bool, terms: Terms
    ) -> tuple[Outcome, bool]:
        return await self._local(space, key, terms, "set", value, ttl_ms, only_absent)

    async def local_get(self, space: Space, key: bytes) -> tuple[bytes, int] | None:
        name = space.local(key)
        value, left = await self._link.call_all([("GET", name), ("PTTL", name)])
        return (value, max(1, left)) if value is not None and left != -2 else None

    async def local_delete(
        self, space: Space, key: bytes, if_value: bytes | None, terms: Terms
    ) -> tuple[Outcome, bool]:
        return await self._local(space, key, terms, "delete", if_value or b"", 0, if_value is not None)

    async def local_touch(
        self, space: Space, key: bytes, ttl_ms: int, if_value: bytes | None, terms: Terms
    ) -> tuple[Outcome, bool]:
        return await self._local(space, key, terms, "touch", if_value or b"", ttl_ms, if_value is not None)

    async def _local(
        self, space: Space, key: bytes, terms: Terms, what: str, value: bytes, ttl_ms: int, is_guarded: bool
    ) -> tuple[Outcome, bool]:
        args = (terms.sent_ms, terms.not_after_ms, space.max_ahead_ms, what, value, ttl_ms, int(is_guarded))
        word, _, done = await self._link.run("local", (space.local(key),), args)
        return Outcome(word.decode()), bool(done)

    async def states(self, space: Space, keys: Sequence[bytes]) -> list[State | None]:
        flat = await self._link.call_all([("HGETALL", space.record(key)) for key in keys]) if keys else []
        return [state_of(each) for each in flat]

    async def apply(
        self,
        space: Space,
        bucket: int,
        states: Sequence[tuple[bytes, State]],
        source: int | None = None,
        cursor: Cursor | None = None,
    ) -> Applied:
        keys, args = apply_args(space, Batch(bucket, states, source, cursor))
        return parse_applied(await self._link.run("apply", keys, args))

    async def outbox(
        self, space: Space, cursors: Mapping[int, str], count: int, wait: float = 0.0
    ) -> dict[int, list[Entry]]:
        streams = {space.prefix(bucket) + b"x": bucket for bucket in cursors}
        command: list[Arg] = ["XREAD", "COUNT", count]
        command += ["BLOCK", max(1, round(min(wait, LONGEST_WAIT) * 1000))] if wait else []
        command += ["STREAMS", *streams, *cursors.values()]
        reply = await (self._link.wait(*command) if wait else self._link.call(*command))
        return {streams[name]: [entry_of(each) for each in entries] for name, entries in reply or ()}

    async def changes(self, space: Space, bucket: int, low: int, offset: int, count: int) -> list[Changed]:
        index = space.prefix(bucket) + b"i"
        flat = await self._link.call("ZRANGEBYSCORE", index, low, "+inf", "WITHSCORES", "LIMIT", offset, count)
        return [Changed(int(score), key) for key, score in zip(flat[::2], flat[1::2], strict=True)]

    async def digest(
        self, space: Space, bucket: int, low: int, high: int, offset: int, alive_ms: int, count: int = DIGEST_LIMIT
    ) -> Digest:
        prefix = space.prefix(bucket)
        args = (prefix + b"r:", low, high, offset, min(count, DIGEST_LIMIT), alive_ms, space.max_lifetime_ms)
        total, *counts = await self._link.run("digest", (prefix + b"i",), args)
        return Digest(int(total, 16), *counts)

    async def pending(self, space: Space) -> dict[int, int]:
        flat = await self._link.call("HGETALL", space.backlog)
        return {int(site): int(waiting) for site, waiting in zip(flat[::2], flat[1::2], strict=True)}

    async def acknowledge(self, space: Space, bucket: int, site: int, sequence: int) -> None:
        await self._link.run("acknowledge", (space.prefix(bucket) + b"m", space.backlog), (f"{site:03d}", sequence))

    async def trim(self, space: Space, bucket: int, before: str) -> None:
        await self._link.call("XTRIM", space.prefix(bucket) + b"x", "MINID", before)

    async def sweep(self, space: Space, bucket: int, offset: int, count: int, known: int) -> tuple[int, int]:
        prefix = space.prefix(bucket)
        args = (prefix + b"r:", offset, count, known, space.max_lifetime_ms)
        seen, gone = await self._link.run("sweep", (prefix + b"i",), args)
        return seen, gone

    async def witness(self, space: Space, bucket: int, stamp: str) -> Outcome:
        reply = await self._link.run("witness", (space.prefix(bucket) + b"m",), (stamp, space.max_ahead_ms))
        return Outcome(reply[0].decode())

    async def fence(self, space: Space, bucket: int, reason: str) -> None:
        meta = space.prefix(bucket) + b"m"
        await (self._link.call("HSET", meta, "fence", reason) if reason else self._link.call("HDEL", meta, "fence"))

    async def time_ms(self) -> int:
        return ms_of(await self._link.call(*TIME))

    async def check(self) -> list[Finding]:
        return await redis_check.findings(self._link)

    async def close(self) -> None:
        await self._link.close()


@lru_cache(maxsize=256)
def settings(space: Space) -> bytes:
    """What write.lua has to know of a namespace, as it unpacks it."""
    numbers = (space.max_ahead_ms, space.max_pending, space.outbox, space.max_lifetime_ms, space.hold_ms)
    peers = "".join(f"{peer:03d}" for peer in space.peers)
    return SETTINGS.pack(b"%03d" % space.site, *numbers) + peers.encode()


def write_call(space: Space, key: bytes, change: Change, terms: Terms) -> Call:
    """The script of a change, its keys and its arguments."""
    prefix = space.prefix(space.bucket_of(key))
    keys = (prefix + b"r:" + key, prefix + b"m", prefix + b"x", prefix + b"i", space.backlog)
    name, own = written(change)
    return name, keys, (key, settings(space), terms.sent_ms, terms.not_after_ms, terms.condition, terms.request, *own)


def written(change: Change) -> tuple[str, tuple[Arg, ...]]:
    """The script of a change, and its own arguments."""
    match change:
        case Put(value, ttl_ms, want):
            own = ("S", ttl_of(ttl_ms), int(want))
            if isinstance(value, bytes):
                return "put", (*own, value)
            return "put", ("H", *own[1:], *pairs(value))
        case PutFields(some, unset, ttl_ms):
            counts = (ttl_of(ttl_ms), VALUE_BYTES, "", FIELDS, len(some))
            return "put_fields", (*counts, *pairs(some), *unset)
        case Touch(ttl_ms):
            return "touch", (ttl_ms,)
        case Delete():
            return "delete", ()


def ttl_of(ttl_ms: int | None) -> Arg:
    return "" if ttl_ms is None else ttl_ms


def pairs(fields: Mapping[bytes, bytes]) -> tuple[bytes, ...]:
    return tuple(part for pair in fields.items() for part in pair)


def reading_of(now: int, clock: bytes | None, flat: Sequence[bytes]) -> Reading:
    """Only what is alive by both clocks. Raises EngineDown."""
    state, text = state_of(flat), clock.decode() if clock else FIRST_CLOCK
    is_ahead = state is not None and state.deadline.ms > now and state.deadline.ms > int(text[:13])
    return Reading(now, text, state if is_ahead else None)


def ms_of(time: Sequence[bytes]) -> int:
    """Out of the reply to TIME."""
    seconds, micros = time
    return int(seconds) * 1000 + int(micros) // 1000


def answer_of(reply: Reply) -> Answer:
    word, now, clock, stamp, one, two, before = reply
    return Answer(Outcome(word.decode()), int(now), clock.decode(), stamp.decode(), one, two, state_of(before))


def state_of(flat: Sequence[bytes]) -> State | None:
    """Out of the reply to HGETALL. Raises EngineDown."""
    if not flat:
        return None
    try:
        return unpack(dict(zip(flat[::2], flat[1::2], strict=True)))
    except Malformed as error:
        raise EngineDown(f"the engine holds a record that is none: {error}") from error


def entry_of(raw: tuple[bytes, list[bytes]]) -> Entry:
    place, (_, sequence, _, key) = raw
    return Entry(place.decode(), int(sequence), key)
