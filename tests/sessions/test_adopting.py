"""Sessions of an application's own Redis are taken in, by a real one; over each way of keeping them here."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis

from steer.clock import SystemClock
from steer.sessions.adopting import AdoptingNamespace, Home, OldRedis
from steer.sessions.keyring import first_ring
from steer.sessions.sealing import SealedNamespace
from steer.sessions.seals import Seals
from steer.store.errors import Conflict
from steer.store.layout import Space
from steer.store.memory_engine import MemoryEngine
from steer.store.model import How, Namespace
from steer.store.namespace import EngineNamespace
from steer.store.redis_link import RedisLink, RedisPlace
from steer.store.stamp import parts_of
from tests.kit.redis import RedisServer, needs_redis

pytestmark = needs_redis


@pytest.fixture(scope="module")
def old_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("old")) as server:
        yield server


@dataclass
class Move:
    old: Redis
    namespace: AdoptingNamespace
    engine: MemoryEngine
    space: Space


@pytest.fixture(params=["plain", "sealed", "hidden"])
async def move(request: pytest.FixtureRequest, old_server: RedisServer) -> AsyncIterator[Move]:
    clock = SystemClock()
    space = Space("web", 1, max_lifetime=3600, buckets=16)
    engine = MemoryEngine(None, clock)
    inner = EngineNamespace(engine, space, clock=clock)
    seals = None
    sealed: Namespace = inner
    if request.param != "plain":
        ring = first_ring(clock.wall())
        seals = Seals("web", lambda: ring)
        sealed = SealedNamespace(inner, seals, clock, hides_keys=request.param == "hidden")
    old = OldRedis(RedisLink(RedisPlace(url=old_server.url)))
    home = Home(engine, space, seals, request.param == "hidden")
    with Redis.from_url(old_server.url) as client:
        client.flushall()
        yield Move(client, AdoptingNamespace(sealed, home, old, clock), engine, space)
    await old.close()


async def test_a_string_is_taken_in_with_the_life_that_it_has_left(move: Move) -> None:
    move.old.set("sid", b"\x00ann", px=60_000)
    before = SystemClock().wall()
    found = await move.namespace.get(b"sid")
    assert found is not None
    assert found.value == b"\x00ann"
    assert before + 55 < found.deadline <= SystemClock().wall() + 60
    assert parts_of(found.stamp).ms == 1
    assert move.namespace.adopted == 1


async def test_a_hash_is_taken_in_and_one_that_would_live_for_ever_lives_as_long_as_the_namespace_allows(
    move: Move,
) -> None:
    move.old.hset("sid", mapping={"user": "ann", "": "x"})
    found = await move.namespace.get(b"sid")
    assert found is not None
    assert found.value == {b"user": b"ann", b"": b"x"}
    assert found.deadline <= SystemClock().wall() + 3600


async def test_of_many_that_are_asked_for_at_once_those_are_taken_in_that_are_not_here(move: Move) -> None:
    await move.namespace.put(b"here", b"1", 60)
    move.old.set("there", b"2", px=60_000)
    found = await move.namespace.get_all([b"there", b"here", b"nowhere", b"there"])
    assert [record and record.value for record in found] == [b"2", b"1", None, b"2"]
    assert move.namespace.adopted == 1


async def test_what_is_no_session_is_none(move: Move) -> None:
    move.old.rpush("sid", "a")
    assert await move.namespace.get(b"sid") is None
    assert await move.namespace.get(b"unknown") is None


async def test_what_was_written_here_stays_whatever_the_old_one_says_later(move: Move) -> None:
    move.old.set("sid", "old", ex=60)
    await move.namespace.put(b"sid", b"new", 60)
    move.old.set("sid", "older still", ex=60)
    found = await move.namespace.get(b"sid")
    assert found is not None
    assert found.value == b"new"
    assert move.namespace.adopted == 0


async def test_who_has_logged_out_stays_out_though_the_old_one_had_the_session(move: Move) -> None:
    move.old.set("sid", "ann", ex=60)
    assert await move.namespace.delete(b"sid")
    assert not move.old.exists("sid")
    move.old.set("sid", "from a backup", ex=60)
    assert await move.namespace.get(b"sid") is None
    assert not await move.namespace.touch(b"sid", 60)


async def test_a_touch_a_field_and_a_condition_find_what_was_there(move: Move) -> None:
    move.old.set("one", "ann", ex=60)
    assert await move.namespace.touch(b"one", 600)
    move.old.hset("two", mapping={"user": "ann"})
    assert (await move.namespace.put_fields(b"two", {b"n": b"1"}, [], 60)).added == 1
    found = await move.namespace.get(b"two")
    assert found is not None
    assert found.value == {b"user": b"ann", b"n": b"1"}
    move.old.set("three", "ann", ex=60)
    with pytest.raises(Conflict):
        await move.namespace.put(b"three", b"new", 60, How(condition="absent"))


async def test_it_is_shipped_to_other_sites_like_a_write(move: Move) -> None:
    space = Space("web", 1, (2,), max_lifetime=3600, buckets=16)
    namespace = EngineNamespace(move.engine, space)
    moving = AdoptingNamespace(namespace, Home(move.engine, space), move.namespace._old, SystemClock())
    move.old.set("sid", "ann", ex=60)
    assert await moving.get(b"sid")
    assert await move.engine.pending(space) == {2: 1}


async def test_an_old_redis_that_is_away_makes_misses_and_one_line_without_the_key(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone = RedisServer(tmp_path)
    clock = SystemClock()
    space = Space("web", 1, buckets=16)
    engine = MemoryEngine(None, clock)
    old = OldRedis(RedisLink(RedisPlace(url=gone.url)))
    namespace = AdoptingNamespace(EngineNamespace(engine, space, clock=clock), Home(engine, space), old, clock)
    assert await namespace.get(b"secret-id") is None
    assert await namespace.get(b"secret-id") is None
    assert not await namespace.delete(b"secret-id")
    (line,) = caplog.messages
    assert hashlib.sha256(b"secret-id").hexdigest()[:8] in line
    assert "secret-id" not in line
    await old.close()
