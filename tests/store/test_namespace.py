"""The namespace that doors are written against, over both engines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from steer.store.engine import Engine, Outcome
from steer.store.errors import (
    ClockAstray,
    Conflict,
    Fenced,
    Indeterminate,
    Late,
    StoreError,
    TooFarBehind,
    TooLarge,
    Unconfirmed,
    WrongKind,
)
from steer.store.layout import Space
from steer.store.memory_engine import MemoryEngine
from steer.store.model import LONGEST, Assignment, How, Namespace, Written
from steer.store.namespace import EngineNamespace, Promise
from steer.store.state import value_stamp
from tests.kit.clock import ManualClock
from tests.store.asking import ALONE, PAIRED

KEY = b"sess:abc"


@pytest.fixture
def web(engine: Engine) -> Namespace:
    return EngineNamespace(engine, ALONE)


async def test_the_life_of_a_session(web: Namespace) -> None:
    written = await web.put(KEY, b"hello", 60.0)
    record = await web.get(KEY)
    assert record
    assert (record.value, record.stamp) == (b"hello", written.stamp)
    assert abs(record.deadline - int(written.stamp[:13]) / 1000 - 60.0) < 0.01
    assert await web.touch(KEY, 600.0)
    touched = await web.get(KEY)
    assert touched
    assert touched.stamp == written.stamp
    assert touched.deadline > record.deadline + 500
    assert await web.delete(KEY)
    assert await web.get(KEY) is None
    assert not await web.delete(KEY)
    assert not await web.touch(KEY, 60.0)


async def test_many_are_read_at_once_in_the_order_that_they_are_asked_for(web: Namespace) -> None:
    await web.put(KEY, b"hello", 60.0)
    await web.put_fields(b"cart", {b"tea": b"2"}, (), 60.0)
    records = await web.get_all([b"cart", b"none", KEY, KEY])
    assert [record and record.value for record in records] == [{b"tea": b"2"}, None, b"hello", b"hello"]
    with pytest.raises(TooLarge):
        await web.get_all([KEY, b"k" * 1025])


async def test_several_puts_are_each_what_one_would_be(web: Namespace) -> None:
    await web.put(b"cart", b"old", 600.0)
    puts = [Assignment(KEY, b"hello", 60.0), Assignment(b"cart", {b"tea": b"2"}, None), Assignment(b"long", b"x", 1e9)]
    done = await web.put_all(puts)
    records = await web.get_all([put.key for put in puts])
    assert [record and record.value for record in records] == [put.value for put in puts]
    assert [record and record.stamp for record in records] == [
        isinstance(each, Written) and each.stamp for each in done
    ]
    now = int(records[0].stamp[:13]) / 1000 if records[0] else 0.0
    assert [record and round(record.deadline - now) for record in records] == [60, 600, 3600]


async def test_of_several_puts_none_is_done_where_one_is_too_large(web: Namespace) -> None:
    with pytest.raises(TooLarge):
        await web.put_all([Assignment(KEY, b"x", 60.0), Assignment(b"k" * 1025, b"x", 60.0)])
    assert await web.get(KEY) is None


async def test_what_is_put_absent_or_at_a_stamp_is_refused_with_what_is_there(web: Namespace) -> None:
    first = await web.put(KEY, b"one", 60.0, How(condition="absent"))
    with pytest.raises(Conflict) as refused:
        await web.put(KEY, b"two", 60.0, How(condition="absent"), want_previous=True)
    assert refused.value.stamp == first.stamp
    assert refused.value.current
    assert refused.value.current.value == b"one"
    second = await web.put(KEY, b"two", 60.0, How(condition=first.stamp), want_previous=True)
    assert second.previous
    assert second.previous.value == b"one"
    with pytest.raises(Conflict, match="the record is at"):
        await web.delete(KEY, condition=first.stamp)
    with pytest.raises(Conflict, match="no such record"):
        await web.put(b"nobody", b"x", 60.0, How(condition="present"))


async def test_fields_come_and_go(web: Namespace) -> None:
    written = await web.put_fields(KEY, {b"a": b"1", b"b": b"2"}, (), LONGEST)
    assert (written.added, written.removed) == (2, 0)
    written = await web.put_fields(KEY, {b"c": b"3"}, (b"a",), None, How(condition="present"))
    assert (written.added, written.removed) == (1, 1)
    record = await web.get(KEY)
    assert record
    assert record.value == {b"b": b"2", b"c": b"3"}
    assert record.stamp == written.stamp
    await web.put(b"plain", b"x", 60.0)
    with pytest.raises(WrongKind):
        await web.put_fields(b"plain", {b"a": b"1"}, (), None)


async def test_one_request_is_one_write_however_long_its_id(web: Namespace) -> None:
    stamps = [(await web.put(KEY, b"x", 60.0, How(request=b"7c0e" * 9))).stamp for _ in range(2)]
    assert stamps[0] == stamps[1]


async def test_touches_do_not_push_out_the_requests_that_are_known(web: Namespace) -> None:
    first = await web.put(KEY, b"x", 60.0, How(request=b"one"))
    for _ in range(9):
        await web.touch(KEY, 60.0)
    assert (await web.put(KEY, b"x", 60.0, How(request=b"one"))).stamp == first.stamp


async def test_what_is_too_large_is_refused_before_it_is_sent(web: Namespace) -> None:
    for key, value in ((b"k" * 1025, b""), (b"", b""), (b"k", b"x" * (1 << 20 | 1)), (b"k", {b"a": b"x" * (1 << 20)})):
        with pytest.raises(TooLarge):
            await web.put(key, value, 60.0)
    with pytest.raises(TooLarge, match="a request id has 1 to 64 bytes"):
        await web.put(KEY, b"x", 60.0, How(request=b""))


async def test_a_scan_goes_through_every_bucket_and_ends(web: Namespace) -> None:
    keys = {b"sess:%d" % n for n in range(300)}
    for key in keys:
        await web.put(key, b"x", 60.0)
    await web.put(b"other", b"x", 60.0)
    cursor, found = await web.scan(0, b"sess:*", 10)
    while cursor:
        cursor, more = await web.scan(cursor, b"sess:*", 10)
        found += more
    assert sorted(found) == sorted(keys)


async def test_locks_are_taken_once_and_given_back_by_their_owner(web: Namespace) -> None:
    assert await web.locks.set(b"L", b"me", 5.0, only_absent=True)
    assert not await web.locks.set(b"L", b"you", 5.0, only_absent=True)
    assert await web.locks.get(b"L") == b"me"
    assert not await web.locks.delete(b"L", if_value=b"you")
    assert await web.locks.touch(b"L", 50.0, if_value=b"me")
    left = await web.locks.ttl(b"L")
    assert left
    assert 40 < left <= 50
    assert await web.locks.delete(b"L", if_value=b"me")
    assert await web.locks.get(b"L") is None
    assert await web.locks.ttl(b"L") is None
    assert await web.get(b"L") is None


async def test_a_fence_and_a_backlog_are_errors_that_say_why(engine: Engine) -> None:
    web = EngineNamespace(engine, Space("web", site=1, peers=(2,), max_pending=1))
    await engine.fence(ALONE, ALONE.bucket_of(KEY), "run 12 moves website")
    with pytest.raises(Fenced, match="writes are stopped here: run 12 moves website"):
        await web.put(KEY, b"x", 60.0)
    await web.put(b"another", b"x", 60.0)
    with pytest.raises(TooFarBehind, match="1 writes wait for site 002"):
        await web.put(b"a third", b"x", 60.0)


class Astray(ManualClock):
    """So many seconds ahead of the machine's."""

    def __init__(self, engine_ms: int, ahead: float) -> None:
        super().__init__(wall=engine_ms / 1000 + ahead)


@pytest.mark.parametrize("ahead", [3600.0, -3600.0])
async def test_a_clock_astray_is_an_error_for_reads_and_writes(engine: Engine, ahead: float) -> None:
    web = EngineNamespace(engine, ALONE, clock=Astray(await engine.time_ms(), ahead))
    for asked in (web.get(KEY), web.put(KEY, b"x", 60.0), web.locks.set(b"L", b"x", 1.0)):
        with pytest.raises(ClockAstray, match="the engine's clock is wrong: it is 3600"):
            await asked
    assert await engine.states(ALONE, [KEY]) == [None]


async def test_clocks_that_differ_by_less_than_may_be_do_not_matter(engine: Engine) -> None:
    for ahead in (3.0, -3.0):
        web = EngineNamespace(engine, ALONE, clock=Astray(await engine.time_ms(), ahead))
        await web.put(KEY, b"x", 60.0)
        assert await web.get(KEY)
        assert abs(web.skew + ahead) < 0.5


async def test_an_engine_whose_clock_jumps_a_little_takes_the_write_all_the_same() -> None:
    clock = ManualClock()
    web = EngineNamespace(MemoryEngine(clock=clock), ALONE, clock=ManualClock())
    await web.put(KEY, b"one", 60.0)
    clock.advance(2.0)
    await web.put(KEY, b"two", 60.0)
    assert abs(web.skew - 2.0) < 0.01
    clock.advance(2.0)
    done = await web.put_all([Assignment(KEY, b"three", 60.0), Assignment(b"other", b"x", 60.0)])
    assert all(isinstance(each, Written) for each in done)
    assert abs(web.skew - 4.0) < 0.01


async def test_a_write_that_stays_late_is_an_error_and_no_write() -> None:
    engine = MemoryEngine(clock=Hasty())
    with pytest.raises(Late):
        await EngineNamespace(engine, ALONE, clock=ManualClock()).put(KEY, b"x", 60.0)
    assert await engine.states(ALONE, [KEY]) == [None]


class Hasty(ManualClock):
    """A third of a second passes whenever it is looked at."""

    def monotonic(self) -> float:
        self.advance(0.3)
        return super().monotonic()


async def test_acknowledged_by_all_is_what_the_other_site_confirmed(engine: Engine) -> None:
    other = MemoryEngine()

    async def confirm(key: bytes, stamp: str) -> bool:
        (state,) = await engine.states(PAIRED, [key])
        assert state
        applied = await other.apply(PAIRED, PAIRED.bucket_of(key), [(key, state)])
        return applied.outcome is Outcome.OK and value_stamp(state) >= stamp

    web = EngineNamespace(engine, PAIRED, Promise("all"), confirm=confirm)
    assert (await web.put(KEY, b"x", 60.0)).acknowledged == "all"
    assert await other.states(PAIRED, [KEY]) == await engine.states(PAIRED, [KEY])
    assert (await web.put(KEY, b"x", 60.0, How(acknowledge="local"))).acknowledged == "local"


async def test_several_puts_are_confirmed_degraded_or_refused_each_by_itself(engine: Engine) -> None:
    async def confirm(key: bytes, stamp: str) -> bool:
        return key == KEY

    puts = [Assignment(KEY, b"x", 60.0), Assignment(b"other", b"y", 60.0)]
    known, unknown = await EngineNamespace(engine, PAIRED, Promise("all"), confirm=confirm).put_all(puts)
    assert isinstance(known, Written)
    assert known.acknowledged == "all"
    assert isinstance(unknown, Unconfirmed)
    lenient = EngineNamespace(engine, PAIRED, Promise("all", "degrade"), confirm=confirm)
    assert [isinstance(each, Written) and each.acknowledged for each in await lenient.put_all(puts)] == ["all", "local"]
    full = replace(PAIRED, max_pending=1)
    assert [type(each) for each in await EngineNamespace(engine, full).put_all(puts)] == [TooFarBehind] * 2
    await engine.fence(PAIRED, PAIRED.bucket_of(KEY), "a move")
    fenced, done = await EngineNamespace(engine, PAIRED).put_all(puts)
    assert isinstance(fenced, Fenced)
    assert isinstance(done, Written)
    assert done.acknowledged == "local"


async def test_where_nobody_confirms_the_write_is_indeterminate_or_degraded_and_alone_all_is_one(
    engine: Engine,
) -> None:
    strict = EngineNamespace(engine, PAIRED, Promise("all"))
    with pytest.raises(Indeterminate):
        await strict.put(KEY, b"x", 60.0)
    with pytest.raises(Indeterminate):
        await strict.delete(KEY)
    lenient = EngineNamespace(engine, PAIRED, Promise("all", "degrade"))
    assert (await lenient.put(KEY, b"x", 60.0)).acknowledged == "local"
    assert (await EngineNamespace(engine, ALONE).put(KEY, b"x", 60.0)).acknowledged == "all"


async def test_a_ttl_that_is_none_is_a_mistake_of_the_caller(web: Namespace) -> None:
    for ttl in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="a ttl is over 0"):
            await web.put(KEY, b"x", ttl)
    with pytest.raises(ValueError, match="a condition is absent, present or a stamp"):
        await web.put(KEY, b"x", 60.0, How(condition="new"))


def test_every_error_of_the_store_is_one_of_a_tree() -> None:
    assert all(issubclass(each, StoreError) for each in (Late, Fenced, Conflict, TooFarBehind, ClockAstray, WrongKind))
