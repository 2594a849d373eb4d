"""Schedules: the same from the same seed, and fair."""

from __future__ import annotations

from chaos.schedule import CLOCKS, Fault, Step, offset, schedule

EVERYTHING = list(Fault)


def test_a_seed_makes_the_same_schedule_again_and_another_seed_another() -> None:
    assert schedule(7, 60.0, EVERYTHING) == schedule(7, 60.0, EVERYTHING)
    assert schedule(7, 60.0, EVERYTHING) != schedule(8, 60.0, EVERYTHING)


def test_a_minute_has_every_kind_of_fault() -> None:
    for seed in range(1, 21):
        assert {step.fault for step in schedule(seed, 60.0, EVERYTHING)} == set(EVERYTHING)


def test_every_fault_has_healed_when_the_run_ends() -> None:
    assert all(step.ends < 60.0 for seed in range(1, 21) for step in schedule(seed, 60.0, EVERYTHING))


def test_a_site_is_lost_at_most_twice_and_always_the_same_one() -> None:
    for seed in range(1, 21):
        losses = [step for step in schedule(seed, 120.0, EVERYTHING) if step.fault is Fault.LOSE_SITE]
        assert 1 <= len(losses) <= 2
        assert len({step.site for step in losses}) == 1


def test_nothing_but_a_split_of_the_sites_is_beside_the_loss_of_one() -> None:
    for seed in range(1, 21):
        steps = schedule(seed, 120.0, EVERYTHING)
        for loss in (step for step in steps if step.fault is Fault.LOSE_SITE):
            beside = [step for step in steps if step.at < loss.ends and loss.at < step.ends and step is not loss]
            assert {step.fault for step in beside} <= {Fault.SPLIT_SITES}


def test_a_fault_that_is_left_out_does_not_come() -> None:
    without = [fault for fault in Fault if fault not in CLOCKS]
    assert not {step.fault for step in schedule(1, 60.0, without)} & set(CLOCKS)


def test_a_clock_that_was_set_back_is_heard_of_for_a_while() -> None:
    steps = [Step(10.0, 2.0, Fault.STEP_CLOCK, 1, ahead=-3.0)]
    assert [offset(steps, at, at) for at in (9.0, 11.0, 14.0, 17.0)] == [0.0, 3.0, 3.0, 0.0]


def test_an_hour_moves_no_stamp_because_it_is_refused() -> None:
    assert offset([Step(10.0, 2.0, Fault.JUMP_CLOCK, 1, ahead=3600.0)], 11.0, 11.0) == 0.0
