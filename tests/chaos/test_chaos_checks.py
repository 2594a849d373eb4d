"""Each check on histories made by hand: what it must find, and what only looks alike."""

from __future__ import annotations

from chaos.checks import disordered, diverged, expired, late, locks, lost, phantom, resurrected, stale
from chaos.faults import Moved
from chaos.history import Op
from chaos.schedule import Fault, Step
from tests.chaos.telling import evidence, holding, holding_field, keys, op, put, saw, stamp

LOSS = Step(10.0, 1.0, Fault.LOSE_SITE, 1)


def test_an_acknowledged_write_that_is_nowhere_is_lost() -> None:
    assert keys(list(lost(evidence([put("a", 1.0)])))) == ["reg:all:1"]


def test_an_acknowledged_write_with_an_older_one_in_its_place_is_lost() -> None:
    ops = [put("a", 1.0), put("b", 2.0)]
    assert len(list(lost(evidence(ops, one=holding(reg_all_1=stamp(1.05)))))) == 1


def test_a_write_that_a_later_one_replaced_is_not_lost() -> None:
    ops = [put("a", 1.0), put("b", 2.0)]
    assert list(lost(evidence(ops, one=holding(reg_all_1=stamp(2.05))))) == []


def test_what_nobody_was_promised_is_not_lost() -> None:
    ops = [put("a", 1.0, outcome="info", stamp=""), put("b", 2.0, outcome="fail", stamp="")]
    assert list(lost(evidence(ops))) == []


def test_local_writes_may_go_with_their_site_but_no_more_than_may_be_pending() -> None:
    ops = [put(str(n), 1.0 + n, acknowledge="local", key=f"reg:local:{n}") for n in range(3)]
    found = evidence(ops, steps=[LOSS], max_pending=2)
    assert len(list(lost(found))) == 1
    assert sum(found.lost_locally.values()) == 3


def test_local_writes_at_the_other_site_may_not_go_with_it() -> None:
    op = put("a", 1.0, acknowledge="local", stamp=stamp(1.05, site=2))
    assert len(list(lost(evidence([op], steps=[LOSS])))) == 1


def test_writes_that_all_sites_acknowledged_may_not_go_with_one() -> None:
    assert len(list(lost(evidence([put("a", 1.0)], steps=[LOSS])))) == 1


def field_write(value: str, began: float) -> Op:
    """As through RESP: without a stamp."""
    return op("put_fields", "hash:1", began, began + 0.1, field="x", value=value, acknowledge="all")


def test_a_field_that_ends_with_a_value_from_before_an_acknowledged_write_has_lost_it() -> None:
    ops = [field_write("a", 1.0), field_write("b", 2.0)]
    assert keys(list(lost(evidence(ops, one=holding_field("hash:1", "x", stamp(1.05)))))) == ["hash:1"]


def test_a_field_that_ends_with_what_was_written_last_has_lost_nothing() -> None:
    ops = [field_write("a", 1.0), field_write("b", 2.0)]
    assert list(lost(evidence(ops, one=holding_field("hash:1", "x", stamp(2.05))))) == []


def test_a_write_with_an_earlier_stamp_than_one_that_was_over_is_disordered() -> None:
    assert len(list(disordered(evidence([put("a", 1.0, at=4.0), put("b", 2.0)])))) == 1


def test_writes_at_the_same_time_have_any_order() -> None:
    assert list(disordered(evidence([put("a", 1.0, at=1.09), put("b", 1.05, at=1.06)]))) == []


def test_two_sites_that_have_not_heard_of_each_other_have_any_order() -> None:
    assert list(disordered(evidence([put("a", 1.0, at=4.0), put("b", 2.0, stamp=stamp(2.05, site=2))]))) == []


def test_a_write_that_takes_effect_after_it_was_given_up_is_late() -> None:
    ops = [put("a", 1.0, outcome="info", stamp=""), saw("a", 9.0, at=3.0)]
    assert keys(list(late(evidence(ops)))) == ["reg:all:1"]


def test_a_write_that_takes_effect_a_second_time_is_late() -> None:
    assert len(list(late(evidence([put("a", 1.0), saw("a", 9.0, at=3.0)])))) == 1


def test_a_clock_that_is_ahead_makes_no_write_late() -> None:
    step = Step(0.5, 2.0, Fault.STEP_CLOCK, 1, ahead=3.0)
    assert list(late(evidence([put("a", 1.0, at=4.05)], steps=[step]))) == []


def test_a_refused_write_that_is_read_is_a_phantom() -> None:
    ops = [put("a", 1.0, outcome="fail", stamp=""), saw("a", 2.0, at=1.05)]
    assert len(list(phantom(evidence(ops)))) == 1


def test_a_deleted_record_that_lives_at_the_end_is_resurrected() -> None:
    key = "life:1"
    ops = [put("a", 1.0, key=key), op("delete", key, 2.0, 2.1)]
    assert keys(list(resurrected(evidence(ops, [saw("a", 9.0, key=key, at=1.05)])))) == [key]


def test_a_record_that_was_written_anew_is_not_resurrected() -> None:
    key = "life:1"
    ops = [put("a", 1.0, key=key), op("delete", key, 2.0, 2.1), put("b", 3.0, key=key)]
    assert list(resurrected(evidence(ops, [saw("b", 9.0, key=key, at=3.05)]))) == []


def test_a_record_that_was_deleted_while_it_was_written_may_live() -> None:
    key = "life:1"
    ops = [put("a", 1.0, key=key), op("delete", key, 1.05, 2.1)]
    assert list(resurrected(evidence(ops, [saw("a", 9.0, key=key, at=1.05)]))) == []


def test_a_record_that_is_served_after_its_end_is_expired() -> None:
    ops = [put("a", 1.0, key="life:1", ttl=1.5), saw("a", 5.0, key="life:1", at=1.05)]
    assert keys(list(expired(evidence(ops)))) == ["life:1"]


def test_a_touch_moves_the_end() -> None:
    touch = op("touch", "life:1", 2.0, 2.1, ttl=5.0)
    ops = [put("a", 1.0, key="life:1", ttl=1.5), touch, saw("a", 5.0, key="life:1", at=1.05)]
    assert list(expired(evidence(ops))) == []


def test_engines_that_hold_different_states_have_diverged() -> None:
    one, other = (
        holding(reg_all_1=stamp(1.0), reg_all_2=stamp(1.0)),
        holding(reg_all_1=stamp(2.0), reg_all_2=stamp(1.0)),
    )
    assert keys(list(diverged(evidence([], one=one, other=other)))) == ["reg:all:1"]


def test_a_record_that_one_engine_lacks_is_a_divergence() -> None:
    assert len(list(diverged(evidence([], one=holding(reg_all_1=stamp(1.0)), other=holding())))) == 1


def test_what_is_older_than_the_barrier_is_stale_behind_it() -> None:
    move = Moved(1, fenced=2.0, behind_barrier=3.0, until=5.0)
    ops = [put("a", 0.5), put("b", 1.0), saw("a", 4.0, at=0.55, site=2), saw("b", 4.5, at=1.05, site=2)]
    assert len(list(stale(evidence(ops, moves=[move])))) == 1


def test_a_read_before_the_barrier_may_be_stale() -> None:
    move = Moved(1, fenced=2.0, behind_barrier=3.0, until=5.0)
    ops = [put("a", 0.5), put("b", 1.0), saw("a", 2.5, at=0.55, site=2)]
    assert list(stale(evidence(ops, moves=[move]))) == []


def test_a_lock_that_two_hold_is_found() -> None:
    key = "lock:1:0"
    ops = [
        op("lock", key, 1.0, 1.1, value="a", ttl=5.0, done=True),
        op("lock", key, 2.0, 2.1, value="b", ttl=5.0, done=True),
        op("unlock", key, 3.0, 3.1, value="a"),
    ]
    assert keys(list(locks(evidence(ops)))) == [key]


def test_edges_keep_locks_for_themselves_while_their_engine_is_away() -> None:
    ops = [
        op("lock", "lock:1:0", 1.0, 1.1, value="a", ttl=5.0, done=True),
        op("lock", "lock:1:0", 2.0, 2.1, value="b", ttl=5.0, done=True),
    ]
    steps = [Step(1.5, 1.0, Fault.KILL_ENGINE, 1)]
    assert list(locks(evidence(ops, steps=steps, through="edges"))) == []
    assert len(list(locks(evidence(ops, steps=steps)))) == 1
    assert len(list(locks(evidence(ops, through="edges")))) == 1


def test_a_lock_that_was_given_back_may_be_taken() -> None:
    key = "lock:1:0"
    ops = [
        op("lock", key, 1.0, 1.1, value="a", ttl=5.0, done=True),
        op("unlock", key, 1.5, 1.6, value="a"),
        op("lock", key, 2.0, 2.1, value="b", ttl=5.0, done=True),
        op("lock", key, 2.5, 2.6, value="c", ttl=5.0, done=False),
    ]
    assert list(locks(evidence(ops))) == []
