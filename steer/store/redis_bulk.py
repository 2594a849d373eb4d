"""The Redis engine's part that speaks of many buckets at once, for replication: pipelines of 64 scripts.

A pipeline is not one step: each bucket's script stands for itself. What is asked here may be asked again after a
failure half way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from steer.store.codec import pack_field, pack_head
from steer.store.engine import Applied, Batch, Cursor, Outcome, Position
from steer.store.layout import Space
from steer.store.redis_channel import Reply
from steer.store.redis_check import parse_info
from steer.store.redis_link import Arg, RedisLink
from steer.store.stamp import NEVER

FIRST_CLOCK = NEVER[:17]
AT_ONCE = 64
"""Scripts in one pipeline: they hold a Redis for about 3 ms, which every other client waits."""
T = TypeVar("T")


class RedisBulk:
    """Half of `RedisEngine`."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    async def apply_all(self, space: Space, batches: Sequence[Batch]) -> list[Applied]:
        replies: list[Reply] = []
        for part in parts(batches):
            replies += await self._link.run_all([("apply", *apply_args(space, batch)) for batch in part])
        return [parse_applied(reply) for reply in replies]

    async def position(self, space: Space, bucket: int) -> Position:
        return (await self.positions(space, (bucket,)))[bucket]

    async def positions(self, space: Space, buckets: Collection[int]) -> dict[int, Position]:
        found: dict[int, Position] = {}
        for part in parts(buckets):
            flats = await self._link.call_all([("HGETALL", space.prefix(bucket) + b"m") for bucket in part])
            metas = (dict(zip(flat[::2], flat[1::2], strict=True)) for flat in flats)
            found.update((bucket, position_of(meta)) for bucket, meta in zip(part, metas, strict=True))
        return found

    async def acknowledge_all(self, space: Space, site: int, sequences: Mapping[int, int]) -> None:
        for part in parts(sequences.items()):
            metas = [((space.prefix(bucket) + b"m", space.backlog), has) for bucket, has in part]
            await self._link.run_all([("acknowledge", keys, (f"{site:03d}", has)) for keys, has in metas])

    async def trim_all(self, space: Space, before: Mapping[int, str]) -> None:
        for part in parts(before.items()):
            await self._link.call_all([("XTRIM", space.prefix(bucket) + b"x", "MINID", to) for bucket, to in part])

    async def fence_all(self, space: Space, reason: str) -> None:
        for part in parts(range(space.buckets)):
            metas = [space.prefix(bucket) + b"m" for bucket in part]
            if reason:
                await self._link.call_all([("HSET", meta, "fence", reason) for meta in metas])
            else:
                await self._link.call_all([("HDEL", meta, "fence") for meta in metas])

    async def incarnation(self) -> str:
        info = parse_info(await self._link.call("INFO", "server", "replication"))
        return f"{info.get('run_id', '')} {info.get('master_replid', '')}"


def parts(many: Collection[T]) -> Iterator[list[T]]:
    """So many that one pipeline may have them."""
    rest = iter(many)
    while part := list(islice(rest, AT_ONCE)):
        yield part


def apply_args(space: Space, batch: Batch) -> tuple[list[bytes], list[Arg]]:
    """Keys and arguments of apply.lua."""
    prefix = space.prefix(batch.bucket)
    keys = [prefix + b"m", prefix + b"i", *(prefix + b"r:" + key for key, _ in batch.states)]
    args: list[Arg] = [space.max_ahead_ms, space.max_lifetime_ms, space.hold_ms]
    args += [f"{batch.source:03d}", " ".join(map(str, batch.cursor))] if batch.source and batch.cursor else ["", ""]
    for key, state in batch.states:
        args += [key, pack_head(state), state.base.value, len(state.fields)]
        for name, field in state.fields.items():
            args += [name, pack_field(field)]
    return keys, args


def parse_applied(reply: Reply) -> Applied:
    word, now, _, changed, conflicts = reply
    if word == b"ASTRAY":
        return Applied(Outcome.ASTRAY, int(now), stamp=changed.decode())
    return Applied(Outcome.OK, int(now), changed, conflicts)


def position_of(meta: Mapping[bytes, Any]) -> Position:
    numbered = [(name.partition(b":"), value) for name, value in meta.items() if b":" in name]
    return Position(
        meta.get(b"h", FIRST_CLOCK.encode()).decode(),
        int(meta.get(b"n", 0)),
        meta.get(b"g", b"").decode(),
        meta.get(b"fence", b"").decode(),
        {int(site): int(value) for (what, _, site), value in numbered if what == b"ack"},
        {int(site): cursor_of(value) for (what, _, site), value in numbered if what == b"cur"},
    )


def cursor_of(kept: bytes) -> Cursor:
    """What `apply` was given; a source without generation yet has the last part empty."""
    place, sequence, generation = kept.decode().split(" ")
    return Cursor(place, int(sequence), generation)
