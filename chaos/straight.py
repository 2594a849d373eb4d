"""Straight to the engines, past all relays: what they hold, and what no store would do to them."""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from chaos.controls import PLAIN
from chaos.engines import PATIENCE, CannotStart
from chaos.place import SiteEngine
from chaos.settings import NAME
from steer.store.codec import unpack
from steer.store.state import State

RECORDS = f"{{{NAME}:b*}}:r:*"
OUTBOXES = f"{{{NAME}:b*}}:x"


async def client(engine: SiteEngine) -> Redis:
    """Of its master."""
    node = await engine.main()
    return Redis(port=node.port, socket_timeout=PATIENCE, protocol=2)


async def trim(engine: SiteEngine) -> None:
    """Every outbox, whatever the peer has of it."""
    async with await client(engine) as it:
        async for name in it.scan_iter(match=OUTBOXES, count=500):
            await it.xtrim(name, maxlen=0, approximate=False)


async def dump(engine: SiteEngine) -> dict[bytes, State | bytes]:
    """All records that the engine holds, those that are deleted too; a plain control's as they are. Raises CannotStart
    if it does not answer."""
    found: dict[bytes, State | bytes] = {}
    try:
        async with await client(engine) as it:
            async for name in it.scan_iter(match=RECORDS, count=1000):
                packed: Any = await it.hgetall(name)
                found[name] = unpack(packed)
            async for name in it.scan_iter(match=PLAIN + b"*", count=1000):
                plain: Any = await it.get(name)
                found[name] = plain
    except (RedisError, OSError) as error:
        raise CannotStart(f"an engine does not answer at the end: {error}") from error
    return found
