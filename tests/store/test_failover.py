"""A write whose engines leave it without an answer: nobody calls it refused."""

from __future__ import annotations

import asyncio

import pytest

from steer.clock import SystemClock
from steer.store.engine import Answer, Change, Terms
from steer.store.errors import Conflict, Indeterminate
from steer.store.layout import Space
from steer.store.memory_engine import MemoryEngine
from steer.store.model import How
from steer.store.namespace import EngineNamespace
from steer.store.replication.failover import FailoverNamespace
from steer.store.replication.standing import Standing, Where

TTL = 60.0


class Hanging(MemoryEngine):
    """Does what it is asked to write, and never says so."""

    async def write(self, space: Space, key: bytes, change: Change, terms: Terms) -> Answer:
        await super().write(space, key, change, terms)
        await asyncio.Event().wait()
        raise AssertionError


async def nothing(seconds: float) -> None:
    """There is nothing to catch up with."""


async def test_a_write_that_a_peer_may_have_done_is_not_refused_by_the_engine_that_returns() -> None:
    home, away, clock = MemoryEngine(), Hanging(), SystemClock()
    standing = Standing(home, nothing, clock)
    standing.where = Where.RETURNING
    mine = EngineNamespace(home, Space("web", 1, peers=(2,)), clock=clock)
    theirs = EngineNamespace(away, Space("web", 2, peers=(1,)), clock=clock)
    both = FailoverNamespace(mine, [theirs], standing)
    await mine.put(b"sid", b"at home", TTL)
    with pytest.raises(Conflict):
        await mine.put(b"sid", b"new", TTL, How(condition="absent"))
    with pytest.raises(Indeterminate):
        await both.put(b"sid", b"new", TTL, How(condition="absent"))
    found = await theirs.get(b"sid")
    assert found is not None
    assert found.value == b"new"
