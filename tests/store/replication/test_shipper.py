"""What one site writes, its shipper carries to the other: all of it, once, in spite of gaps."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steer.store.engine import Change, Delete, Outcome, Put, PutFields, Touch
from steer.store.errors import TooFarBehind
from steer.store.layout import Space
from steer.store.memory_engine import MemoryEngine
from steer.store.namespace import EngineNamespace
from steer.store.replication.link import End, space_at
from steer.store.stamp import stamp_of
from tests.store.asking import MINUTE, put, touch, value, write
from tests.store.replication.pair import Pair, Way, holdings, pair_of, way

FAR = "99999999999999-0"


async def test_what_is_written_arrives_as_it_is_values_fields_deadlines_and_ends(pair: Pair) -> None:
    one, there = pair.one, pair.there
    await there.ship()
    await put(one.engine, b"plain", b"x", space=one.space)
    await write(one.engine, b"hash", PutFields({b"a": b"1", b"b": b"2"}, (), MINUTE), space=one.space)
    await write(one.engine, b"hash", PutFields({}, (b"b",), None), space=one.space)
    await write(one.engine, b"gone", Delete(), space=one.space)
    assert await there.ship() == 3
    keys = (b"plain", b"hash", b"gone")
    assert await holdings(pair.two, keys) == await holdings(one, keys)
    assert None not in await holdings(pair.two, keys)
    assert (await one.engine.pending(one.space))[2] == 0


async def test_writes_of_one_record_are_carried_together(pair: Pair) -> None:
    there = pair.there
    await there.ship()
    await put(pair.one.engine, b"key", b"x", space=pair.one.space)
    for _ in range(5):
        await write(pair.one.engine, b"key", Touch(MINUTE), space=pair.one.space)
    assert await there.ship() == 1
    assert there.tally.changed == 1


async def test_a_new_shipper_goes_on_where_the_last_one_was(pair: Pair) -> None:
    keys = [b"%d" % n for n in range(40)]
    for key in keys:
        await put(pair.one.engine, key, b"x", space=pair.one.space)
    await pair.there.ship()
    await put(pair.one.engine, b"7", b"y", space=pair.one.space)
    there = pair.there
    assert await there.ship() == 1
    assert (there.tally.gaps, there.tally.audited) == (0, 0)


async def test_an_outbox_that_was_emptied_is_filled_from_the_change_index(pair: Pair) -> None:
    there = pair.there
    await there.ship()
    keys = [b"%d" % n for n in range(20)]
    for key in keys:
        await put(pair.one.engine, key, b"x", space=pair.one.space)
    await pair.one.engine.trim_all(pair.one.space, dict.fromkeys(range(4), FAR))
    for key in keys[:10]:
        await put(pair.one.engine, key, b"y", space=pair.one.space)
    await there.ship()
    assert there.tally.gaps > 0
    assert await holdings(pair.two, keys) == await holdings(pair.one, keys)
    assert (await pair.one.engine.pending(pair.one.space))[2] == 0


async def test_an_outbox_that_overflowed_while_the_peer_was_away_is_no_loss(pair: Pair) -> None:
    short = pair.with_space(outbox=10)
    await short.one.engine.open(short.one.space)
    there = short.there
    await there.ship()
    keys = [b"%d" % n for n in range(400)]
    for key in keys * 2:
        await put(short.one.engine, key, b"x", space=short.one.space)
    await there.ship()
    assert there.tally.gaps > 0
    assert await holdings(short.two, keys) == await holdings(short.one, keys)


async def test_records_from_before_there_was_a_peer_arrive_too(pair: Pair) -> None:
    alone = pair.with_space(peers=())
    await put(alone.one.engine, b"old", b"x", space=alone.one.space)
    await pair.there.ship()
    assert await value(pair.two.engine, b"old", space=pair.two.space) == b"x"
    await put(pair.one.engine, b"old", b"y", space=pair.one.space)
    there = pair.there
    assert await there.ship() == 1
    assert await value(pair.two.engine, b"old", space=pair.two.space) == b"y"


async def test_a_record_that_ends_soon_arrives_when_two_ends_meet_too(pair: Pair) -> None:
    """A touch may come yet, at the other end."""
    alone = pair.with_space(peers=())
    await put(alone.one.engine, b"old", b"x", ttl_ms=5_000, space=alone.one.space)
    await pair.there.ship()
    assert await value(pair.two.engine, b"old", space=pair.two.space) == b"x"


async def test_a_peer_that_lost_everything_gets_it_all_again() -> None:
    pair = pair_of(MemoryEngine(), MemoryEngine())
    keys = [b"%d" % n for n in range(50)]
    for key in keys:
        await put(pair.one.engine, key, b"x", space=pair.one.space)
    await pair.there.ship()
    fresh = pair_of(pair.one.engine, MemoryEngine())
    await fresh.there.ship()
    assert await holdings(fresh.two, keys) == await holdings(fresh.one, keys)


async def test_an_engine_that_lost_everything_gets_it_back_and_its_new_writes_arrive() -> None:
    pair = pair_of(MemoryEngine(), MemoryEngine())
    keys = [b"%d" % n for n in range(50)]
    for key in keys:
        await put(pair.one.engine, key, b"x", space=pair.one.space)
    await pair.there.ship()
    fresh = pair_of(MemoryEngine(), pair.two.engine)
    for key in keys[:9]:
        await put(fresh.one.engine, key, b"new", space=fresh.one.space)
    await fresh.there.ship()
    assert await holdings(fresh.two, keys) == await holdings(fresh.one, keys)
    assert await value(fresh.two.engine, keys[0], space=fresh.two.space) == b"new"
    assert await value(fresh.one.engine, keys[-1], space=fresh.one.space) == b"x"


async def test_a_bucket_ahead_of_the_peers_clock_waits_and_the_others_go_on(pair: Pair) -> None:
    strict = pair.with_space(max_ahead=1.0)
    lax = pair.with_space(max_ahead=30.0)
    way_there = way(lax.one, strict.two)
    ahead = stamp_of(await lax.one.engine.time_ms() + 20_000, 0, 1)
    assert await lax.one.engine.witness(lax.one.space, lax.one.space.bucket_of(b"ahead"), ahead) is Outcome.OK
    await put(lax.one.engine, b"ahead", b"x", space=lax.one.space)
    other = next(
        b"%d" % n for n in range(99) if lax.one.space.bucket_of(b"%d" % n) != lax.one.space.bucket_of(b"ahead")
    )
    await put(lax.one.engine, other, b"x", space=lax.one.space)
    await way_there.ship()
    assert await holdings(strict.two, (b"ahead",)) == [None]
    assert await value(strict.two.engine, other, space=strict.two.space) == b"x"
    assert way_there.tally.refused > 0
    assert (await lax.one.engine.pending(lax.one.space))[2] == 1


async def test_more_writes_than_may_be_lost_are_refused_until_the_peer_has_them(pair: Pair) -> None:
    few = pair.with_space(max_pending=5)
    namespace = EngineNamespace(few.one.engine, few.one.space)
    for n in range(5):
        await namespace.put(b"%d" % n, b"x", 60)
    with pytest.raises(TooFarBehind):
        await namespace.put(b"more", b"x", 60)
    await few.there.ship()
    await namespace.put(b"more", b"x", 60)


async def test_plain_keys_of_a_site_stay_there(pair: Pair) -> None:
    namespace = EngineNamespace(pair.one.engine, pair.one.space)
    assert await namespace.locks.set(b"lock", b"mine", 60, only_absent=True)
    await pair.there.ship()
    other = EngineNamespace(pair.two.engine, pair.two.space)
    assert await other.locks.get(b"lock") is None
    assert await other.locks.set(b"lock", b"theirs", 60, only_absent=True)


async def test_a_touch_brings_no_deleted_record_back(pair: Pair) -> None:
    await put(pair.one.engine, b"key", b"x", space=pair.one.space)
    await pair.there.ship()
    await write(pair.one.engine, b"key", Delete(), space=pair.one.space)
    await write(pair.two.engine, b"key", Touch(2 * MINUTE), space=pair.two.space)
    await pair.back.ship()
    await pair.there.ship()
    assert await value(pair.one.engine, b"key", space=pair.one.space) is None
    assert await value(pair.two.engine, b"key", space=pair.two.space) is None
    assert not await touch(pair.two.engine, b"key")


THREE = Space("web", site=1, peers=(2, 3), max_lifetime=3600.0, buckets=2, outbox=8)
steps = st.one_of(
    st.tuples(st.just("put"), st.integers(1, 3), st.integers(0, 3)),
    st.tuples(st.just("fields"), st.integers(1, 3), st.integers(0, 3)),
    st.tuples(st.just("delete"), st.integers(1, 3), st.integers(0, 3)),
    st.tuples(st.just("touch"), st.integers(1, 3), st.integers(0, 3)),
    st.tuples(st.just("trim"), st.integers(1, 3), st.integers(0, 1)),
    st.tuples(st.just("ship"), st.integers(1, 3), st.integers(1, 3)),
)


@settings(max_examples=60, deadline=None)
@given(plan=st.lists(steps, max_size=40))
async def test_three_sites_agree_byte_for_byte_whatever_the_order(plan: list[tuple[str, int, int]]) -> None:
    ends = {site: End(MemoryEngine(), space_at(THREE, site)) for site in (1, 2, 3)}
    ways = {(a, b): way(ends[a], ends[b]) for a in ends for b in ends if a != b}
    for what, site, number in plan:
        await one_step(ends[site], what, number, ways.get((site, number)))
    for _ in range(2):
        for each in ways.values():
            await each.ship()
    keys = [b"%d" % n for n in range(4)]
    first, second, third = [await holdings(end, keys) for end in ends.values()]
    assert first == second == third


async def one_step(end: End, what: str, number: int, line: Way | None) -> None:
    key = b"%d" % number
    changes: dict[str, Change] = {
        "put": Put(b"by %d" % end.site, MINUTE),
        "fields": PutFields({b"of %d" % end.site: b"1"}, (), MINUTE),
        "delete": Delete(),
        "touch": Touch(2 * MINUTE),
    }
    if what == "trim":
        await end.engine.trim(end.space, number, FAR)
    elif what == "ship":
        if line:
            await line.shipper.step()
    else:
        await write(end.engine, key, changes[what], space=end.space)


async def test_a_shipper_says_what_it_does_and_why_it_does_not() -> None:
    there = pair_of(MemoryEngine(), MemoryEngine()).there
    assert repr(there.shipper) == "<Shipper web 1 -> 2: the peer was not reached yet>"
    await there.ship()
    assert repr(there.shipper) == "<Shipper web 1 -> 2>"
