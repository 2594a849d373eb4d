"""What a write of a site does, and when it is refused. Every test is asked of both engines."""

from __future__ import annotations

import asyncio

import pytest

from steer.store.engine import Answer, Change, Delete, Engine, Outcome, Put, PutFields, Terms, Touch
from steer.store.layout import Space
from steer.store.limits import FIELDS, VALUE_BYTES
from steer.store.stamp import is_stamp, parts_of, stamp_of
from steer.store.state import DELETED, PLAIN, Base, Deadline, State
from tests.store.asking import (
    ALONE,
    MINUTE,
    PAIRED,
    delete,
    put,
    put_fields,
    state,
    terms,
    touch,
    value,
    write,
)

KEY = b"PHPREDIS_SESSION:\x00{a}\xff"


async def test_what_is_put_is_read_byte_for_byte(engine: Engine) -> None:
    everything = bytes(range(256)) * 8
    stamp = await put(engine, KEY, everything)
    reading = await engine.read(ALONE, KEY)
    assert reading.state
    assert is_stamp(stamp)
    assert reading.state.base == Base(stamp, PLAIN, everything)
    assert abs(reading.state.deadline.ms - parts_of(stamp).ms - MINUTE) <= 1


async def test_an_empty_value_is_a_value(engine: Engine) -> None:
    await put(engine, KEY, b"")
    assert await value(engine, KEY) == b""


async def test_stamps_of_a_bucket_only_grow(engine: Engine) -> None:
    stamps = [await put(engine, KEY, b"%d" % n) for n in range(50)]
    assert sorted(set(stamps)) == stamps


async def test_a_lifetime_is_cut_to_what_the_namespace_allows(engine: Engine) -> None:
    stamp = await put(engine, KEY, b"x", ttl_ms=10**12)
    assert (await state(engine, KEY)).deadline.ms == parts_of(stamp).ms + 3_600_000
    stamp = await put(engine, b"other", b"x", ttl_ms=None)
    assert (await state(engine, b"other")).deadline.ms == parts_of(stamp).ms + 3_600_000


async def test_a_put_without_a_lifetime_keeps_the_deadline(engine: Engine) -> None:
    await put(engine, KEY, b"old")
    before = (await state(engine, KEY)).deadline
    await put(engine, KEY, b"new", ttl_ms=None)
    assert (await state(engine, KEY)).deadline == before
    assert await value(engine, KEY) == b"new"


async def test_a_late_write_is_refused_and_has_no_effect(engine: Engine) -> None:
    answer = await engine.write(ALONE, KEY, Put(b"late", MINUTE), await terms(engine, left=-1))
    assert answer.outcome is Outcome.LATE
    assert await engine.states(ALONE, [KEY]) == [None]


@pytest.mark.parametrize("ahead", [6000, -6000])
async def test_a_write_by_a_clock_astray_is_refused(engine: Engine, ahead: int) -> None:
    asked = await terms(engine, ahead=ahead)
    answer = await engine.write(ALONE, KEY, Put(b"x", MINUTE), asked)
    assert answer.outcome is Outcome.ASTRAY
    assert abs(asked.sent_ms - answer.engine_ms) > 5000
    assert await engine.states(ALONE, [KEY]) == [None]


async def test_a_request_that_is_asked_for_again_is_one_write(engine: Engine) -> None:
    first = await write(engine, KEY, Put(b"one", MINUTE), request=b"request1")
    await put(engine, KEY, b"two")
    again = await write(engine, KEY, Put(b"one", MINUTE), request=b"request1")
    assert (again.outcome, again.stamp) == (Outcome.OK, first.stamp)
    assert await value(engine, KEY) == b"two"


async def test_the_last_eight_requests_are_known(engine: Engine) -> None:
    for n in range(9):
        await write(engine, KEY, Put(b"%d" % n, MINUTE), request=b"request%d" % n)
    await write(engine, KEY, Put(b"known", MINUTE), request=b"request1")
    assert await value(engine, KEY) == b"8"
    await write(engine, KEY, Put(b"forgotten", MINUTE), request=b"request0")
    assert await value(engine, KEY) == b"forgotten"


async def test_a_delete_that_is_asked_for_again_gives_the_same_answer(engine: Engine) -> None:
    await put(engine, KEY, b"x")
    answers = [await write(engine, KEY, Delete(), request=b"deletion") for _ in range(2)]
    assert [each.one for each in answers] == [1, 1]


async def test_fields_that_are_asked_for_again_give_the_same_counts(engine: Engine) -> None:
    change = PutFields({b"a": b"1", b"b": b"2"}, (), None)
    answers = [await write(engine, KEY, change, request=b"fields!!") for _ in range(2)]
    assert [(each.one, each.two) for each in answers] == [(2, 0), (2, 0)]


async def test_a_touch_never_creates(engine: Engine) -> None:
    assert not await touch(engine, KEY)
    assert await engine.states(ALONE, [KEY]) == [None]
    await put(engine, KEY, b"x")
    await delete(engine, KEY)
    assert not await touch(engine, KEY)
    assert await value(engine, KEY) is None


async def test_a_touch_moves_the_deadline_and_leaves_the_value_and_its_stamp(engine: Engine) -> None:
    stamp = await put(engine, KEY, b"x")
    assert await touch(engine, KEY, 2 * MINUTE)
    after = await state(engine, KEY)
    assert after.base == Base(stamp, PLAIN, b"x")
    assert after.deadline.stamp > stamp
    assert after.deadline.ms >= parts_of(stamp).ms + 2 * MINUTE


async def test_what_has_expired_is_not_served_not_touched_and_does_not_exist(engine: Engine) -> None:
    await put(engine, KEY, b"x", ttl_ms=20)
    while await value(engine, KEY) is not None:
        pass
    assert (await state(engine, KEY)).base.value == b"x"
    assert not await touch(engine, KEY)
    assert (await write(engine, KEY, Put(b"y", MINUTE), condition="present")).outcome is Outcome.CONFLICT
    assert not await delete(engine, KEY)


async def test_the_clock_of_the_bucket_counts_as_time_where_it_is_ahead(engine: Engine) -> None:
    await put(engine, KEY, b"x", ttl_ms=3000)
    now = await engine.time_ms()
    assert await engine.witness(ALONE, ALONE.bucket_of(KEY), stamp_of(now + 4000, 0, 2)) is Outcome.OK
    assert await value(engine, KEY) is None
    stamp = await put(engine, KEY, b"y", ttl_ms=3000)
    assert parts_of(stamp).ms >= now + 4000
    assert await value(engine, KEY) == b"y"


async def test_a_delete_says_whether_there_was_a_record_and_leaves_a_tombstone_either_way(engine: Engine) -> None:
    assert not await delete(engine, KEY)
    assert (await state(engine, KEY)).base.kind == DELETED
    await put(engine, KEY, b"x")
    assert await delete(engine, KEY)
    assert not await delete(engine, KEY)
    assert await value(engine, KEY) is None


async def test_an_older_write_does_not_bring_back_what_was_deleted(engine: Engine) -> None:
    old = await put(engine, KEY, b"x")
    await delete(engine, KEY)
    older = State(Base(old, PLAIN, b"x"), deadline=Deadline(old, await engine.time_ms() + MINUTE))
    await engine.apply(ALONE, ALONE.bucket_of(KEY), [(KEY, older)])
    assert await value(engine, KEY) is None


async def test_what_was_deleted_may_be_written_anew(engine: Engine) -> None:
    await put(engine, KEY, b"x")
    await delete(engine, KEY)
    assert (await write(engine, KEY, Put(b"new", MINUTE), condition="absent")).outcome is Outcome.OK
    assert await value(engine, KEY) == b"new"


async def test_conditions(engine: Engine) -> None:
    refused = await write(engine, KEY, Put(b"x", MINUTE), condition="present")
    assert (refused.outcome, refused.stamp) == (Outcome.CONFLICT, "")
    first = await write(engine, KEY, Put(b"x", MINUTE), condition="absent")
    refused = await write(engine, KEY, Put(b"y", MINUTE, want_previous=True), condition="absent")
    assert (refused.outcome, refused.stamp) == (Outcome.CONFLICT, first.stamp)
    assert refused.previous
    assert refused.previous.base.value == b"x"
    second = await write(engine, KEY, Put(b"y", MINUTE), condition=first.stamp)
    assert second.outcome is Outcome.OK
    assert (await write(engine, KEY, Delete(), condition=first.stamp)).outcome is Outcome.CONFLICT
    assert (await write(engine, KEY, Touch(MINUTE), condition=second.stamp)).one == 1
    assert await value(engine, KEY) == b"y"


async def test_the_record_before_comes_with_the_answer_where_it_is_wanted(engine: Engine) -> None:
    first = await write(engine, KEY, Put(b"x", MINUTE, want_previous=True))
    assert first.previous is None
    second = await write(engine, KEY, Put({b"a": b"1"}, MINUTE, want_previous=True))
    assert second.previous
    assert second.previous.base == Base(first.stamp, PLAIN, b"x")


async def test_fields_are_added_replaced_and_removed(engine: Engine) -> None:
    assert (await put_fields(engine, KEY, {b"a": b"1", b"b": b"2"})).one == 2
    answer = await put_fields(engine, KEY, {b"b": b"3", b"c": b"4"}, (b"a", b"nothing"))
    assert (answer.one, answer.two) == (1, 1)
    assert await value(engine, KEY) == {b"b": b"3", b"c": b"4"}


async def test_fields_keep_the_deadline_unless_told_and_begin_with_the_longest(engine: Engine) -> None:
    first = await put_fields(engine, KEY, {b"a": b"1"})
    begun = (await state(engine, KEY)).deadline
    assert begun.ms == parts_of(first.stamp).ms + 3_600_000
    await put_fields(engine, KEY, {b"b": b"1"})
    assert (await state(engine, KEY)).deadline == begun
    await put_fields(engine, KEY, {}, (), ttl_ms=MINUTE)
    assert (await state(engine, KEY)).deadline.ms < begun.ms
    assert await value(engine, KEY) == {b"a": b"1", b"b": b"1"}


async def test_a_hash_without_fields_is_no_record_and_may_begin_again(engine: Engine) -> None:
    await put_fields(engine, KEY, {b"a": b"1"})
    await put_fields(engine, KEY, {}, (b"a",))
    assert await value(engine, KEY) is None
    assert not await touch(engine, KEY)
    assert (await put_fields(engine, KEY, {b"a": b"2"})).one == 1
    assert await value(engine, KEY) == {b"a": b"2"}


async def test_fields_that_change_nothing_are_no_write(engine: Engine) -> None:
    await put_fields(engine, KEY, {b"a": b"1"})
    before = await state(engine, KEY)
    await put_fields(engine, KEY, {}, (b"nothing",))
    await put_fields(engine, b"nobody", {}, (b"nothing",), ttl_ms=MINUTE)
    assert await state(engine, KEY) == before
    assert await engine.states(ALONE, [b"nobody"]) == [None]


async def test_fields_of_a_hash_that_expired_do_not_come_back_with_new_ones(engine: Engine) -> None:
    await put_fields(engine, KEY, {b"old": b"1"}, ttl_ms=20)
    while await value(engine, KEY) is not None:
        pass
    await put_fields(engine, KEY, {b"new": b"1"})
    assert await value(engine, KEY) == {b"new": b"1"}


async def test_a_hash_that_is_put_whole_has_only_its_new_fields(engine: Engine) -> None:
    await put_fields(engine, KEY, {b"old": b"1"})
    await put(engine, KEY, {b"new": b"1"})
    assert await value(engine, KEY) == {b"new": b"1"}
    await put(engine, KEY, b"plain")
    assert await value(engine, KEY) == b"plain"


async def test_fields_of_a_plain_value_are_of_the_wrong_kind(engine: Engine) -> None:
    await put(engine, KEY, b"x")
    assert (await put_fields(engine, KEY, {b"a": b"1"})).outcome is Outcome.KIND
    assert await value(engine, KEY) == b"x"


async def test_a_hash_has_a_limit_of_fields_and_of_bytes(engine: Engine) -> None:
    many = {b"%d" % n: b"" for n in range(FIELDS)}
    assert (await put_fields(engine, KEY, many)).outcome is Outcome.OK
    assert (await put_fields(engine, KEY, {b"more": b""})).outcome is Outcome.LARGE
    assert (await put_fields(engine, b"big", {b"a": b"x" * (VALUE_BYTES - 24)})).outcome is Outcome.OK
    assert (await put_fields(engine, b"big", {b"b": b""})).outcome is Outcome.LARGE
    assert (await put_fields(engine, b"big", {b"a": b"x"})).outcome is Outcome.OK


async def test_no_more_writes_wait_for_a_peer_than_may_be_lost(engine: Engine) -> None:
    few = Space("web", site=1, peers=(2,), max_pending=3)
    for n in range(3):
        await put(engine, b"%d" % n, b"x", space=few)
    refused = await write(engine, b"4", Put(b"x", MINUTE), space=few)
    assert (refused.outcome, refused.stamp) == (Outcome.BEHIND, "002")
    assert await engine.pending(few) == {2: 3}
    await engine.acknowledge(few, few.bucket_of(b"0"), 2, 1)
    assert await engine.pending(few) == {2: 2}
    assert (await write(engine, b"4", Put(b"x", MINUTE), space=few)).outcome is Outcome.OK


async def test_a_peer_that_is_new_counts_from_where_it_began(engine: Engine) -> None:
    for n in range(5):
        await put(engine, b"%d" % n, b"x", space=PAIRED)
    both = Space("web", site=1, peers=(2, 3), max_pending=6)
    await put(engine, b"0", b"y", space=both)
    assert await engine.pending(both) == {2: 6, 3: 1}


async def test_an_acknowledgement_never_goes_back_or_beyond_what_was_written(engine: Engine) -> None:
    for _ in range(3):
        await put(engine, KEY, b"x", space=PAIRED)
    bucket = PAIRED.bucket_of(KEY)
    for sequence in (2, 1, 2):
        await engine.acknowledge(PAIRED, bucket, 2, sequence)
    assert await engine.pending(PAIRED) == {2: 1}
    await engine.acknowledge(PAIRED, bucket, 2, 99)
    assert await engine.pending(PAIRED) == {2: 0}
    assert (await engine.position(PAIRED, bucket)).acknowledged == {2: 3}


async def test_a_fence_stops_writes_and_says_why_and_reads_go_on(engine: Engine) -> None:
    await put(engine, KEY, b"x")
    bucket = ALONE.bucket_of(KEY)
    await engine.fence(ALONE, bucket, "failover 7")
    for change in (Put(b"y", MINUTE), PutFields({b"a": b"1"}, (), None), Touch(MINUTE), Delete()):
        answer = await write(engine, KEY, change)
        assert (answer.outcome, answer.stamp) == (Outcome.FENCED, "failover 7")
    assert await value(engine, KEY) == b"x"
    await engine.fence(ALONE, bucket, "")
    assert (await write(engine, KEY, Put(b"y", MINUTE))).outcome is Outcome.OK


async def test_a_request_that_was_done_is_answered_behind_a_fence_too(engine: Engine) -> None:
    first = await write(engine, KEY, Put(b"x", MINUTE), request=b"request1")
    await engine.fence(ALONE, ALONE.bucket_of(KEY), "failover 7")
    assert (await write(engine, KEY, Put(b"x", MINUTE), request=b"request1")).stamp == first.stamp


async def test_plain_keys_of_a_site_are_locks(engine: Engine) -> None:
    now = await terms(engine)
    assert await engine.local_set(ALONE, b"L", b"me", MINUTE, True, now) == (Outcome.OK, True)
    assert await engine.local_set(ALONE, b"L", b"you", MINUTE, True, now) == (Outcome.OK, False)
    assert await engine.local_delete(ALONE, b"L", b"you", now) == (Outcome.OK, False)
    assert await engine.local_touch(ALONE, b"L", 2 * MINUTE, b"you", now) == (Outcome.OK, False)
    assert await engine.local_touch(ALONE, b"L", 2 * MINUTE, b"me", now) == (Outcome.OK, True)
    found = await engine.local_get(ALONE, b"L")
    assert found
    assert found[0] == b"me"
    assert MINUTE < found[1] <= 2 * MINUTE
    assert await engine.local_delete(ALONE, b"L", b"me", now) == (Outcome.OK, True)
    assert await engine.local_get(ALONE, b"L") is None
    assert await engine.local_delete(ALONE, b"L", None, now) == (Outcome.OK, False)
    assert await engine.local_touch(ALONE, b"L", MINUTE, None, now) == (Outcome.OK, False)


async def test_a_lock_that_comes_late_or_by_a_clock_astray_is_not_taken(engine: Engine) -> None:
    late, astray = await terms(engine, left=-1), await terms(engine, ahead=9000)
    for asked, outcome in ((late, Outcome.LATE), (astray, Outcome.ASTRAY)):
        assert await engine.local_set(ALONE, b"L", b"me", MINUTE, False, asked) == (outcome, False)
        assert await engine.local_touch(ALONE, b"L", MINUTE, None, asked) == (outcome, False)
        assert await engine.local_delete(ALONE, b"L", None, asked) == (outcome, False)
    assert await engine.local_get(ALONE, b"L") is None


async def test_a_plain_key_that_expired_is_gone(engine: Engine) -> None:
    await engine.local_set(ALONE, b"L", b"me", 10, False, await terms(engine))
    while await engine.local_get(ALONE, b"L"):
        pass
    assert await engine.local_set(ALONE, b"L", b"you", MINUTE, True, await terms(engine)) == (Outcome.OK, True)


async def test_a_scan_finds_live_records_of_both_kinds_that_match(engine: Engine) -> None:
    small = Space("web", site=1, buckets=1)
    for n in range(200):
        await put(engine, b"sess:%d" % n, b"x", space=small)
    await put(engine, b"other", b"x", space=small)
    await write(engine, b"sess:hash", PutFields({b"a": b"1"}, (), None), space=small)
    await write(engine, b"sess:empty", PutFields({b"a": b"1"}, (), None), space=small)
    await write(engine, b"sess:empty", PutFields({}, (b"a",), None), space=small)
    await delete(engine, b"sess:7", space=small)
    found: set[bytes] = set()
    cursor = -1
    while cursor:
        cursor, keys = await engine.scan(small, 0, max(0, cursor), b"sess:*", 20)
        found.update(keys)
    assert found == {b"sess:%d" % n for n in range(200) if n != 7} | {b"sess:hash"}


async def test_an_engine_that_belongs_to_another_site_or_is_laid_out_otherwise_is_refused(engine: Engine) -> None:
    await engine.open(ALONE)
    await engine.open(PAIRED)
    for other in (Space("web", site=2), Space("web", site=1, buckets=512)):
        with pytest.raises(Exception, match="the engine holds '1 1024 buckets, site 001' of web"):
            await engine.open(other)
    await engine.open(Space("other", site=1, buckets=512))


async def test_several_writes_in_one_round_trip_each_stand_for_themselves(engine: Engine) -> None:
    await put(engine, KEY, b"before")
    writes: list[tuple[bytes, Change, Terms]] = [
        (KEY, Put(b"x", MINUTE), await terms(engine, condition="absent")),
        (b"new", Put(b"y", MINUTE), await terms(engine, condition="absent")),
        (b"late", Put(b"z", MINUTE), await terms(engine, left=-1000)),
        (b"hash", PutFields({b"a": b"1"}, (), MINUTE), await terms(engine)),
    ]
    answers = await engine.write_all(ALONE, writes)
    assert [isinstance(each, Answer) and each.outcome for each in answers] == [
        Outcome.CONFLICT,
        Outcome.OK,
        Outcome.LATE,
        Outcome.OK,
    ]
    assert [await value(engine, key) for key, *_ in writes] == [b"before", b"y", None, {b"a": b"1"}]


async def test_several_writes_that_are_asked_for_again_happen_once(engine: Engine) -> None:
    writes = [(b"%d" % n, Put(b"x", MINUTE), await terms(engine, request=b"request%d" % n)) for n in range(5)]
    once = await stamps_of(engine, writes)
    await asyncio.sleep(0.002)  # a stamp of now would be another
    assert await stamps_of(engine, writes) == once


async def stamps_of(engine: Engine, writes: list[tuple[bytes, Put, Terms]]) -> list[str]:
    answers = await engine.write_all(ALONE, writes)
    assert all(isinstance(each, Answer) and each.outcome is Outcome.OK for each in answers)
    return [each.stamp for each in answers if isinstance(each, Answer)]
