"""What replication is made of: outbox, change index, states, apply with a cursor, digests. Asked of both engines."""

from __future__ import annotations

import asyncio
from functools import reduce
from operator import xor

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steer.store.codec import pack
from steer.store.engine import DIGEST_LIMIT, SCORE_LIMIT, Cursor, Delete, Digest, Engine, Outcome, Put, PutFields
from steer.store.layout import Space
from steer.store.memory_engine import MemoryEngine
from steer.store.merge import merge
from steer.store.stamp import score_of, stamp_of, tick
from steer.store.state import DELETED, PLAIN, UNKNOWN, Base, Deadline, Field, State, last_stamp
from tests.store.asking import ALONE, MINUTE, delete, put, put_fields, state, touch, value, write
from tests.store.states import states

KEY = b"key"
BUCKET = ALONE.bucket_of(KEY)
ONE = Space("one", site=1, peers=(2,), max_lifetime=3600.0, buckets=1)
TWO = Space("two", site=2, peers=(1,), max_lifetime=3600.0, buckets=1)


async def test_every_write_is_in_the_outbox_once_in_order_and_without_gaps(engine: Engine) -> None:
    stamps = [await put(engine, b"%d" % n, b"x", space=ONE) for n in range(3)]
    await touch(engine, b"absent")
    await delete(engine, b"1", space=ONE)
    (entries,) = (await engine.outbox(ONE, {0: "0-0"}, 100)).values()
    assert [each.sequence for each in entries] == [1, 2, 3, 4]
    assert [each.key for each in entries] == [b"0", b"1", b"2", b"1"]
    assert [each.id for each in entries[:3]] == [f"{int(stamp[:13])}-{int(stamp[13:17])}" for stamp in stamps]


async def test_a_namespace_without_peers_keeps_no_outbox(engine: Engine) -> None:
    await put(engine, KEY, b"x")
    assert await engine.outbox(ALONE, {BUCKET: "0-0"}, 100) == {}
    assert (await engine.position(ALONE, BUCKET)).sequence == 0


async def test_an_outbox_is_read_on_from_an_entry_and_so_many_at_a_time(engine: Engine) -> None:
    for n in range(5):
        await put(engine, b"%d" % n, b"x", space=ONE)
    first = (await engine.outbox(ONE, {0: "0-0"}, 2))[0]
    second = (await engine.outbox(ONE, {0: first[-1].id}, 100))[0]
    assert [each.sequence for each in first + second] == [1, 2, 3, 4, 5]
    assert await engine.outbox(ONE, {0: second[-1].id}, 100) == {}


async def test_a_reader_that_waits_hears_of_a_write(engine: Engine) -> None:
    assert await engine.outbox(ONE, {0: "0-0"}, 10, wait=0.01) == {}
    waiting = asyncio.ensure_future(engine.outbox(ONE, {0: "0-0"}, 10, wait=5.0))
    while not waiting.done():
        await put(engine, KEY, b"x", space=ONE)
        await asyncio.sleep(0)
    assert (await waiting)[0][0].key == KEY


async def test_a_trimmed_outbox_has_only_later_entries_and_the_sequence_goes_on(engine: Engine) -> None:
    for _ in range(4):
        await put(engine, KEY, b"x", space=ONE)
    entries = (await engine.outbox(ONE, {0: "0-0"}, 10))[0]
    await engine.trim(ONE, 0, entries[2].id)
    assert (await engine.outbox(ONE, {0: "0-0"}, 10))[0] == entries[2:]
    await put(engine, KEY, b"x", space=ONE)
    assert (await engine.outbox(ONE, {0: "0-0"}, 10))[0][-1].sequence == 5


async def test_an_outbox_that_nobody_reads_has_an_end_and_the_gap_shows(engine: Engine) -> None:
    short = Space("one", site=1, peers=(2,), buckets=1, outbox=10)
    await engine.open(short)
    for _ in range(150):
        await put(engine, KEY, b"x", space=short)
    entries = (await engine.outbox(short, {0: "0-0"}, 1000))[0]
    assert len(entries) < 150
    assert entries[-1].sequence == 150
    assert entries[0].sequence == 151 - len(entries)


async def test_the_change_index_has_each_key_once_at_its_last_change(engine: Engine) -> None:
    await put(engine, b"a", b"x", space=ONE)
    b = await put(engine, b"b", b"x", space=ONE)
    a = await put(engine, b"a", b"y", space=ONE)
    rows = await engine.changes(ONE, 0, 0, 0, 10)
    assert rows == [(score_of(b), b"b"), (score_of(a), b"a")]
    assert await engine.changes(ONE, 0, score_of(a), 0, 10) == rows[1:]
    assert await engine.changes(ONE, 0, 0, 1, 10) == rows[1:]


async def test_what_is_applied_is_what_was_read_and_no_write_of_this_site(engine: Engine) -> None:
    await put(engine, b"plain", b"x", space=ONE)
    await write(engine, b"hash", PutFields({b"a": b"1", b"b": b"2"}, (), None), space=ONE)
    await write(engine, b"hash", PutFields({}, (b"b",), None), space=ONE)
    await write(engine, b"gone", Delete(), space=ONE)
    keys = [b"plain", b"hash", b"gone"]
    sent = [(key, each) for key, each in zip(keys, await engine.states(ONE, keys), strict=True) if each]
    applied = await engine.apply(TWO, 0, sent)
    assert (applied.changed, applied.conflicts) == (3, 0)
    assert await engine.states(TWO, keys) == [each for _, each in sent]
    assert await engine.outbox(TWO, {0: "0-0"}, 10) == {}
    assert await engine.changes(TWO, 0, 0, 0, 10) == await engine.changes(ONE, 0, 0, 0, 10)
    assert (await engine.apply(TWO, 0, sent)).changed == 0


async def test_a_cursor_is_kept_in_the_step_that_applies(engine: Engine) -> None:
    cursor = Cursor("1795000000000-7", 12, "generation")
    await engine.apply(TWO, 0, [], 1, cursor)
    assert (await engine.position(TWO, 0)).cursors == {1: cursor}
    ahead = stamp_of(await engine.time_ms() + 60_000, 0, 1)
    refused = await engine.apply(TWO, 0, [(KEY, State(Base(ahead, DELETED)))], 1, Cursor("1795000000001-0", 13))
    assert (refused.outcome, refused.stamp) == (Outcome.ASTRAY, ahead)
    assert (await engine.position(TWO, 0)).cursors == {1: cursor}
    assert await engine.states(TWO, [KEY]) == [None]


async def test_writes_after_a_state_was_applied_are_later_than_it(engine: Engine) -> None:
    ahead = stamp_of(await engine.time_ms() + 3000, 7, 2)
    await engine.apply(ALONE, BUCKET, [(KEY, State(Base(ahead, PLAIN, b"x"), deadline=Deadline(ahead, 2**41)))])
    assert await put(engine, KEY, b"y") == tick(ahead[:17], 0) + "001"


async def test_requests_that_are_known_stay_known_when_a_state_is_applied(engine: Engine) -> None:
    first = await write(engine, KEY, Put(b"x", MINUTE), request=b"request1")
    later = stamp_of(await engine.time_ms() + 1000, 0, 2)
    await engine.apply(ALONE, BUCKET, [(KEY, State(Base(later, PLAIN, b"y"), deadline=Deadline(later, 2**41)))])
    assert (await write(engine, KEY, Put(b"x", MINUTE), request=b"request1")).stamp == first.stamp
    assert await value(engine, KEY) == b"y"


async def test_a_value_that_two_sites_wrote_in_one_moment_is_counted_as_a_conflict(engine: Engine) -> None:
    for n, (later_ms, conflicts) in enumerate(((1500, 1), (2500, 0))):
        key = b"%d" % n
        stamp = await put(engine, key, b"x")
        theirs = stamp_of(int(stamp[:13]) + later_ms, 0, 2)
        sent = State(Base(theirs, PLAIN, b"y"), deadline=Deadline(theirs, 2**41))
        assert (await engine.apply(ALONE, ALONE.bucket_of(key), [(key, sent)])).conflicts == conflicts


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(heard=st.lists(states.filter(lambda it: it.deadline.ms > 0), min_size=1, max_size=5))
async def test_an_engine_merges_as_the_rule_says(engine: Engine, heard: list[State]) -> None:
    """Shifted to the present, because what is long over is not kept; nor is what has no deadline, as no write makes."""
    key = b"%d" % next(COUNT)
    shift = await engine.time_ms() - 1_795_000_000_000
    expected = UNKNOWN
    for each in heard:
        sent = shifted(each, shift)
        expected = merge(expected, sent)
        await engine.apply(ALONE, ALONE.bucket_of(key), [(key, sent)])
    (found,) = await engine.states(ALONE, [key])
    assert found
    assert pack(found) == pack(expected)


COUNT = iter(range(1_000_000))


def shifted(it: State, ms: int) -> State:
    def moved(stamp: str) -> str:
        return f"{int(stamp[:13]) + ms:013d}{stamp[13:]}" if int(stamp) else stamp

    fields = {name: Field(moved(each.stamp), *each[1:]) for name, each in it.fields.items()}
    ends = Deadline(moved(it.deadline.stamp), it.deadline.ms + ms + MINUTE)
    return State(Base(moved(it.base.stamp), *it.base[1:]), fields or UNKNOWN.fields, ends)


async def test_digests_are_the_same_where_the_states_are_whatever_the_engine(engine: Engine) -> None:
    other = MemoryEngine()
    for n in range(DIGEST_LIMIT + 50):
        await put(engine, b"%d" % n, b"x", space=ONE)
    await write(engine, b"hash", PutFields({b"a": b"1"}, (), None), space=ONE)
    await delete(engine, b"1", space=ONE)
    rows = await engine.changes(ONE, 0, 0, 0, 1000)
    sent = [(key, await state(engine, key, space=ONE)) for _, key in rows]
    await other.apply(ONE, 0, sent)
    now = await engine.time_ms()
    one, two = await whole_digest(engine, now), await whole_digest(other, now)
    assert one == two
    assert one[1] == DIGEST_LIMIT + 51
    await put(engine, b"7", b"y", space=ONE)
    assert await whole_digest(engine, now) != two


async def whole_digest(engine: Engine, now: int) -> tuple[int, int]:
    pages: list[Digest] = []
    seen = 0
    while not pages or pages[-1].seen:
        pages.append(await engine.digest(ONE, 0, 0, SCORE_LIMIT, seen, now))
        assert pages[-1].seen <= DIGEST_LIMIT
        seen += pages[-1].seen
    return reduce(xor, (page.sum for page in pages)), sum(page.count for page in pages)


async def test_a_digest_is_of_a_range_of_scores_and_leaves_out_what_is_about_to_be_forgotten(engine: Engine) -> None:
    a = await put(engine, b"a", b"x", space=ONE)
    b = await put(engine, b"b", b"x", space=ONE)
    alive = await engine.time_ms()
    assert (await engine.digest(ONE, 0, score_of(a), score_of(b), 0, alive)).count == 1
    assert (await engine.digest(ONE, 0, score_of(a), score_of(b) + 1, 0, alive)).count == 2
    assert (await engine.digest(ONE, 0, 0, SCORE_LIMIT, 0, alive + 2 * MINUTE)).count == 0


async def test_a_generation_begins_with_the_first_write_and_stays(engine: Engine) -> None:
    assert (await engine.position(ONE, 0)).generation == ""
    await put(engine, KEY, b"x", space=ONE)
    begun = (await engine.position(ONE, 0)).generation
    await put(engine, KEY, b"y", space=ONE)
    position = await engine.position(ONE, 0)
    assert position.generation == begun != ""
    assert (position.sequence, position.acknowledged) == (2, {2: 0})
    assert position.clock == last_stamp(await state(engine, KEY, space=ONE))[:17]


async def test_a_witness_that_is_too_far_ahead_is_refused(engine: Engine) -> None:
    now = await engine.time_ms()
    assert await engine.witness(ONE, 0, stamp_of(now + 4000, 0, 2)) is Outcome.OK
    assert await engine.witness(ONE, 0, stamp_of(now + 60_000, 0, 2)) is Outcome.ASTRAY
    assert await engine.witness(ONE, 0, stamp_of(now, 0, 2)) is Outcome.OK
    assert await put(engine, KEY, b"x", space=ONE) == stamp_of(now + 4000, 1, 1)


async def test_a_tombstone_waits_for_the_longest_lifetime_and_for_every_site(engine: Engine) -> None:
    brief = Space("one", site=1, peers=(2,), max_lifetime=0.02, buckets=1)
    await put(engine, b"live", b"x", space=ONE)
    gone = (await write(engine, KEY, Delete(), space=brief)).stamp
    end = await engine.time_ms() + 30
    assert await engine.sweep(ONE, 0, 0, 10, score_of(gone)) == (2, 0)
    while await engine.time_ms() < end:
        pass
    assert await engine.sweep(brief, 0, 0, 10, score_of(gone) - 1) == (2, 0)
    assert await engine.sweep(brief, 0, 0, 10, score_of(gone)) == (2, 1)
    assert await engine.states(ONE, [KEY]) == [None]
    assert [row.key for row in await engine.changes(ONE, 0, 0, 0, 10)] == [b"live"]


async def test_fields_of_two_sites_both_stay(engine: Engine) -> None:
    await put_fields(engine, KEY, {b"a": b"1"})
    theirs = stamp_of(await engine.time_ms() - 1000, 0, 2)
    sent = State(fields={b"b": Field(theirs, True, b"2")}, deadline=Deadline(theirs, 2**41))
    await engine.apply(ALONE, BUCKET, [(KEY, sent)])
    assert await value(engine, KEY) == {b"a": b"1", b"b": b"2"}
