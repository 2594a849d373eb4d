from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from steer.sessions.keyring import Key, KeyState, Ring
from steer.sessions.sealing import ALARM_EVERY, SealedNamespace
from steer.sessions.seals import OVERHEAD, Seals
from steer.store.errors import Conflict, StoreError
from steer.store.model import How
from tests.kit.clock import ManualClock
from tests.sessions.memory import MemoryNamespace

FIRST = Key("00000001", b"a" * 32, KeyState.ACTIVE, made=0.0)
SECOND = Key("00000002", b"b" * 32, KeyState.NEXT, made=1.0)
RING = Ring((FIRST,))
ANNOUNCED = Ring((FIRST, SECOND))
ROTATED = Ring((replace(FIRST, state=KeyState.OLD), replace(SECOND, state=KeyState.ACTIVE)))


class Edge:
    """A sealed namespace over `engine`, whose ring can be changed."""

    def __init__(
        self, engine: MemoryNamespace, clock: ManualClock | None = None, name: str = "web", *, hides: bool = False
    ) -> None:
        self.ring = RING
        self.sealed = SealedNamespace(engine, Seals(name, lambda: self.ring), clock or ManualClock(), hides_keys=hides)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "store.log"


@pytest.fixture
async def engine(clock: ManualClock, log: Path) -> AsyncIterator[MemoryNamespace]:
    namespace = MemoryNamespace(clock, log)
    yield namespace
    await namespace.engine.close()


def held_by(log: Path) -> bytes:
    """All that the engine has on its disk."""
    return log.read_bytes()


async def value_of(engine: MemoryNamespace, key: bytes) -> Any:
    """As the engine has it."""
    record = await engine.get(key)
    assert record is not None
    return record.value


async def test_what_is_put_comes_back_and_the_engines_file_never_sees_it(engine: MemoryNamespace, log: Path) -> None:
    edge = Edge(engine).sealed
    await edge.put(b"k", b"plaintext", 100)
    await edge.put_fields(b"h", {b"name": b"plaintext"}, (), 100)
    await edge.put_fields(b"h", {b"more": b"plaintext"}, (), None)
    plain, fields = await edge.get(b"k"), await edge.get(b"h")
    assert plain is not None
    assert plain.value == b"plaintext"
    assert fields is not None
    assert fields.value == {b"name": b"plaintext", b"more": b"plaintext"}
    assert await edge.get_all([b"h", b"none", b"k"]) == [fields, None, plain]
    assert b"name" in held_by(log)
    assert b"plain" not in held_by(log)


async def test_two_seals_of_one_value_are_different_and_of_a_fixed_cost(engine: MemoryNamespace) -> None:
    edge = Edge(engine).sealed
    await edge.put(b"k", b"v", 100)
    first = await value_of(engine, b"k")
    await edge.put(b"k", b"v", 100)
    assert first != await value_of(engine, b"k")
    assert len(first) == 1 + OVERHEAD


@pytest.mark.parametrize("at", [0, 1, 5, 20, -1])
async def test_a_value_that_was_changed_is_a_miss_and_an_alarm(
    engine: MemoryNamespace, at: int, caplog: pytest.LogCaptureFixture
) -> None:
    edge = Edge(engine).sealed
    await edge.put(b"secret-id", b"v", 100)
    changed = bytearray(await value_of(engine, b"secret-id"))
    changed[at] ^= 1
    await engine.put(b"secret-id", bytes(changed), 100)
    assert await edge.get(b"secret-id") is None
    assert edge.unopened == 1
    assert "counts as absent: a value" in caplog.text
    assert "secret-id" not in caplog.text


async def test_a_value_that_was_moved_to_another_place_is_a_miss(engine: MemoryNamespace) -> None:
    web, shop = Edge(engine).sealed, Edge(engine, name="shop").sealed
    await web.put(b"a", b"v", 100)
    await engine.put(b"b", await value_of(engine, b"a"), 100)
    assert await web.get(b"b") is None
    assert await shop.get(b"a") is None
    await web.put(b"h", {b"role": b"user", b"name": b"admin"}, 100)
    fields = await value_of(engine, b"h")
    await engine.put_fields(b"h", {b"role": fields[b"name"]}, (), None)
    assert await web.get(b"h") is None
    await engine.put(b"a", {b"": await value_of(engine, b"a")}, 100)
    assert await web.get(b"a") is None


async def test_what_was_written_without_a_seal_is_a_miss(engine: MemoryNamespace) -> None:
    await engine.put(b"k", b"written by somebody else, without a seal", 100)
    assert await Edge(engine).sealed.get(b"k") is None


async def test_alarms_are_counted_and_said_once_a_minute(
    engine: MemoryNamespace, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    edge = Edge(engine, clock).sealed
    await engine.put(b"k", b"", 1000)
    for _ in range(3):
        await edge.get(b"k")
    assert len(caplog.records) == 1
    clock.advance(ALARM_EVERY)
    await edge.get(b"k")
    assert (len(caplog.records), edge.unopened) == (2, 4)


@pytest.mark.parametrize("hides", [False, True])
async def test_a_rotation_logs_nobody_out_at_any_step(engine: MemoryNamespace, hides: bool) -> None:
    """Two edges: one learns of each step of the rotation after the other."""
    first, second = Edge(engine, hides=hides), Edge(engine, hides=hides)
    await first.sealed.put(b"old", b"1", 1000)
    for edge in (first, second):
        edge.ring = ANNOUNCED
        assert await edge.sealed.get(b"old") is not None
    first.ring = ROTATED
    await first.sealed.put(b"new", b"2", 1000)
    await second.sealed.put(b"both", b"3", 1000)
    for edge in (second, first, second):
        for key in (b"old", b"new", b"both"):
            assert await edge.sealed.get(key) is not None
    second.ring = ROTATED
    for edge in (first, second):
        assert await edge.sealed.touch(b"old", 500)
        assert await edge.sealed.get(b"both") is not None
    assert hides is (len(set(await engine.keys()) & {b"old", b"new", b"both"}) == 0)
    assert len(await engine.keys()) == 3
    assert await second.sealed.delete(b"old")
    assert await first.sealed.get(b"old") is None


async def test_a_key_that_is_gone_from_the_ring_makes_its_values_misses(
    engine: MemoryNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    edge = Edge(engine)
    await edge.sealed.put(b"k", b"v", 100)
    edge.ring = Ring((replace(SECOND, state=KeyState.ACTIVE),))
    assert await edge.sealed.get(b"k") is None
    assert "sealed with key 00000001, which is not in the ring" in caplog.text


async def test_hidden_ids_are_nowhere_in_the_engines_file(engine: MemoryNamespace, log: Path) -> None:
    edge = Edge(engine, hides=True).sealed
    await edge.put(b"session-id", b"v", 100)
    await edge.put_fields(b"session-id-2", {b"f": b"v"}, (), 100)
    assert await edge.locks.set(b"session-id_LOCK", b"holder", 10)
    assert await edge.locks.get(b"session-id_LOCK") == b"holder"
    assert await edge.locks.ttl(b"session-id_LOCK") == 10
    assert await edge.locks.touch(b"session-id_LOCK", 20, if_value=b"holder")
    assert await edge.locks.delete(b"session-id_LOCK", if_value=b"holder")
    with pytest.raises(StoreError, match="hash_keys"):
        await edge.scan(0, None, 10)
    assert len(held_by(log)) > 100
    assert b"session-id" not in held_by(log)


async def test_conditions_and_what_was_there_before_work_as_without_a_seal(engine: MemoryNamespace) -> None:
    edge = Edge(engine).sealed
    written = await edge.put(b"k", b"1", 100)
    again = await edge.put(b"k", b"2", 100, How(condition=written.stamp), want_previous=True)
    assert again.previous is not None
    assert again.previous.value == b"1"
    with pytest.raises(Conflict):
        await edge.put(b"k", b"3", 100, How(condition=written.stamp))
    assert await edge.scan(0, b"k*", 10) == (0, [b"k"])
