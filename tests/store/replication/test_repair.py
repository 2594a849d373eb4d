"""Two ends that differ are made the same, whichever of them lacks what; and what died during a long cut stays dead."""

from __future__ import annotations

from collections.abc import Sequence

from steer.store.engine import Delete, PutFields
from steer.store.memory_engine import MemoryEngine
from steer.store.replication.backfill import backfill
from steer.store.replication.repair import Range
from steer.store.stamp import score_of
from steer.store.state import State
from tests.store.asking import MINUTE, key_in, put, state, value, write
from tests.store.replication.pair import Pair, holdings, pair_of


async def fill(pair: Pair, keys: Sequence[bytes], what: bytes = b"x") -> None:
    """As a shipper would have: in both."""
    for key in keys:
        await put(pair.one.engine, key, what, space=pair.one.space)
    bucket = pair.one.space.bucket_of(keys[0])
    sent = [(key, await state(pair.one.engine, key, space=pair.one.space)) for key in keys]
    await pair.two.engine.apply(pair.two.space, bucket, sent)


def keys_of(pair: Pair, count: int) -> list[bytes]:
    return [key_in(0, n, pair.one.space) for n in range(count)]


async def test_ends_that_are_the_same_exchange_digests_alone(pair: Pair) -> None:
    await fill(pair, keys_of(pair, 4))
    there = pair.there
    assert (await there.repair.make_same(0)).changed == 0
    assert (there.tally.audited, there.tally.differed) == (1, 0)


async def test_an_audit_of_what_has_settled_counts_the_tombstones(pair: Pair) -> None:
    (key,) = keys_of(pair, 1)
    stamp = (await write(pair.one.engine, key, Delete(), space=pair.one.space)).stamp
    there = pair.there
    await there.repair.make_same(0, Range(0, score_of(stamp) + 1))
    assert there.repair.dead == {0: 1}


async def test_each_end_gets_what_it_lacks_and_the_later_of_what_differs(pair: Pair) -> None:
    keys = keys_of(pair, 5)
    await fill(pair, keys[:3])
    await put(pair.one.engine, keys[3], b"only here", space=pair.one.space)
    await put(pair.two.engine, keys[4], b"only there", space=pair.two.space)
    await put(pair.two.engine, keys[0], b"later", space=pair.two.space)
    await write(pair.one.engine, keys[1], Delete(), space=pair.one.space)
    there = pair.there
    assert (await there.repair.make_same(0)).changed == 4
    assert await holdings(pair.one, keys) == await holdings(pair.two, keys)
    assert await value(pair.one.engine, keys[0], space=pair.one.space) == b"later"
    assert await value(pair.two.engine, keys[1], space=pair.two.space) is None
    assert there.tally.repaired == 4


async def test_fields_that_differ_under_one_place_in_the_index_are_found_too(pair: Pair) -> None:
    """The score of the last change is the same, and what came before is not."""
    (key,) = keys_of(pair, 1)
    await write(pair.one.engine, key, PutFields({b"a": b"1"}, (), MINUTE), space=pair.one.space)
    first = await state(pair.one.engine, key, space=pair.one.space)
    await write(pair.one.engine, key, PutFields({b"b": b"2"}, (), MINUTE), space=pair.one.space)
    last = await state(pair.one.engine, key, space=pair.one.space)
    partial = State(last.base, {b"b": last.fields[b"b"]}, last.deadline)
    assert first.fields.keys() == {b"a"}
    await pair.two.engine.apply(pair.two.space, 0, [(key, partial)])
    await pair.there.repair.make_same(0)
    assert await value(pair.two.engine, key, space=pair.two.space) == {b"a": b"1", b"b": b"2"}


async def test_only_the_range_that_was_asked_for_is_compared(pair: Pair) -> None:
    keys = keys_of(pair, 2)
    await put(pair.one.engine, keys[0], b"x", space=pair.one.space)
    second = await put(pair.one.engine, keys[1], b"x", space=pair.one.space)
    assert (await pair.there.repair.make_same(0, Range(score_of(second)))).changed == 1
    assert await holdings(pair.two, keys[:1]) == [None]


async def test_a_backfill_brings_back_what_a_promoted_replica_had_not_got(pair: Pair) -> None:
    """The write is at the peer, its outbox does not have it, and the cursors say that all is well."""
    keys = keys_of(pair, 3)
    await fill(pair, keys[:2])
    await pair.there.ship()
    mine = await put(pair.one.engine, keys[2], b"acknowledged", space=pair.one.space)
    await pair.there.ship()
    lost = pair_of(MemoryEngine(), pair.two.engine, pair.one.space)
    for key in keys[:2]:
        await lost.one.engine.apply(lost.one.space, 0, [(key, await state(pair.one.engine, key, space=pair.one.space))])
    there = lost.there
    await backfill(there.link, there.repair, 600.0)
    assert await value(lost.one.engine, keys[2], space=lost.one.space) == b"acknowledged"
    assert await put(lost.one.engine, keys[2], b"later", space=lost.one.space) > mine


async def test_a_cold_engine_is_filled_with_everything_and_not_the_last_minutes_alone(pair: Pair) -> None:
    keys = keys_of(pair, 30)
    await fill(pair, keys)
    cold = pair_of(MemoryEngine(), pair.two.engine, pair.one.space)
    there = cold.there
    await backfill(there.link, there.repair, 0.0)
    assert await holdings(cold.one, keys) == await holdings(cold.two, keys)


async def test_after_a_cut_that_outlasts_the_tombstones_what_died_meanwhile_stays_dead() -> None:
    """Logged out at one site, touched at the other; the tombstone is gone before they meet."""
    pair = pair_of(MemoryEngine(), MemoryEngine()).with_space(hold=0.0)
    keys = keys_of(pair, 3)
    there, back = pair.there, pair.back
    await there.ship()
    for key in keys[:2]:
        await put(pair.one.engine, key, b"x", space=pair.one.space)
    await there.ship()
    # Site 2 hears of the logout of the first session and has forgotten it, tombstone and all, when they meet again.
    forgetful = pair_of(pair.one.engine, MemoryEngine()).with_space(hold=0.0)
    kept = [(keys[1], await state(pair.two.engine, keys[1], space=pair.two.space))]
    cursor = (await pair.two.engine.position(pair.two.space, 0)).cursors[1]
    await forgetful.two.engine.apply(forgetful.two.space, 0, kept, 1, cursor)
    met = await forgetful.one.engine.time_ms()
    while await forgetful.one.engine.time_ms() <= met:
        pass
    await put(forgetful.one.engine, keys[2], b"new", space=forgetful.one.space)
    again = forgetful.there
    await again.ship()
    assert await value(forgetful.one.engine, keys[0], space=forgetful.one.space) is None
    assert await value(forgetful.two.engine, keys[0], space=forgetful.two.space) is None
    assert await value(forgetful.two.engine, keys[1], space=forgetful.two.space) == b"x"
    assert await value(forgetful.two.engine, keys[2], space=forgetful.two.space) == b"new"
    assert again.tally.rebuilt == 1
    assert back.tally.rebuilt == 0
