"""What groups do by themselves: failover, failback, and what holds them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steer.steering import groups, positions
from steer.steering.automatic import DAY
from steer.steering.model import FailbackRules, FailoverRules, GroupMode, Topology
from steer.steering.positions import Stage
from steer.steering.snapshot import DatacentreState
from tests.steering.moving import Life, passive
from tests.steering.towns import AUCKLAND, WELLINGTON, town

SERVING, OUT = DatacentreState.SERVING, DatacentreState.OUT
RAMP = FailbackRules(automatic=True, after=600, ramp=(5, 50, 100), hold=60)


# Failover and failback.


def test_it_fails_over_when_it_has_been_out_for_as_long_as_the_group_says() -> None:
    life = Life(passive())
    life.lose(WELLINGTON)
    life.wait(60)
    assert (life.position.at, life.states()[WELLINGTON]) == (WELLINGTON, OUT)
    life.wait(1)
    assert (life.position.at, life.position.stage) == (AUCKLAND, Stage.AWAY)
    assert life.position.cause == "automatic: wellington was out for 60 s"
    assert life.kinds() == ["group_moved"]


def test_an_out_that_ends_in_time_moves_nothing_and_the_next_begins_anew() -> None:
    life = Life(passive())
    life.lose(WELLINGTON)
    life.wait(50)
    life.mend(WELLINGTON)
    life.wait(30)
    life.lose(WELLINGTON)
    life.wait(59)
    assert life.position.at == WELLINGTON


def test_without_automatic_nothing_moves_by_itself_and_nothing_is_held() -> None:
    life = Life(passive(FailoverRules(), FailbackRules()))
    for _ in range(3):
        life.lose(WELLINGTON)
        life.wait(300)
        life.mend(WELLINGTON)
        life.wait(30)
    assert (life.position.at, life.held, life.said) == (WELLINGTON, "", [])


def test_it_goes_only_where_somebody_serves_and_says_once_that_there_is_nowhere() -> None:
    life = Life(passive())
    life.lose(WELLINGTON)
    life.lose(AUCKLAND)
    life.wait(200)
    assert life.position.at == WELLINGTON
    assert [each.words for each in life.said] == ["wellington is out, and no other datacentre is ready"]
    life.mend(AUCKLAND)
    life.wait(12)
    assert life.position.at == AUCKLAND


def test_it_fails_back_by_the_ramp_when_home_has_been_back_for_long_enough() -> None:
    life = Life(passive(failback=RAMP))
    life.lose(WELLINGTON)
    life.wait(61)
    life.mend(WELLINGTON)
    life.wait(609)
    assert life.position.stage is Stage.AWAY
    life.wait(2)
    assert positions.arriving(life.group, life.position) == {WELLINGTON: 5, AUCKLAND: 95}
    life.wait(60)
    assert positions.arriving(life.group, life.position) == {WELLINGTON: 50, AUCKLAND: 50}
    life.wait(60)
    assert (life.position.at, life.position.stage) == (WELLINGTON, Stage.HOME)
    assert life.kinds() == ["group_moved", "group_returning", "group_returning", "group_moved"]


def returning() -> Life:
    life = Life(passive(failback=RAMP))
    life.lose(WELLINGTON)
    life.wait(61)
    life.mend(WELLINGTON)
    life.wait(611)
    assert life.position.stage is Stage.RETURNING
    return life


def test_a_ramp_home_is_broken_off_when_home_is_out_again() -> None:
    life = returning()
    life.lose(WELLINGTON)
    life.wait(1)
    assert (life.position.at, life.position.stage) == (AUCKLAND, Stage.AWAY)
    assert life.kinds()[-1] == "return_broken_off"


def test_a_ramp_home_is_over_at_once_when_what_it_leaves_is_out() -> None:
    life = returning()
    life.lose(AUCKLAND)
    life.wait(1)
    assert (life.position.at, life.position.stage) == (WELLINGTON, Stage.HOME)


def test_a_ramp_stands_still_while_an_operator_holds_the_group() -> None:
    life = returning()
    life.is_on_hold = True
    life.wait(1000)
    assert positions.arriving(life.group, life.position) == {WELLINGTON: 5, AUCKLAND: 95}
    life.is_on_hold = False
    life.wait(121)
    assert life.position.stage is Stage.HOME


# Leaving.


def leaving() -> Life:
    life = Life(passive(FailoverRules(), FailbackRules(), idle=60))
    life.stay = 300.0
    after = positions.move(life.group, life.position, AUCKLAND, life.stay, "ops: test", life.when)
    life.record = groups.move(life.group, life.record, after)
    return life


def test_clients_may_stay_until_the_time_is_over() -> None:
    life = leaving()
    life.wait(299)
    assert (life.position.stage, life.position.leaving) == (Stage.LEAVING, WELLINGTON)
    life.wait(1)
    assert (life.position.stage, life.position.leaving) == (Stage.AWAY, "")
    assert [each.words for each in life.said] == ["wellington: the time is over"]


def test_or_until_none_of_them_is_left() -> None:
    life = leaving()
    life.wait(70)
    life.is_none_left = True
    life.wait(1)
    assert life.position.stage is Stage.AWAY
    assert [each.words for each in life.said] == ["wellington: no client is left"]


def test_or_until_what_they_stay_at_is_out() -> None:
    life = leaving()
    life.lose(WELLINGTON)
    life.wait(1)
    assert life.position.stage is Stage.AWAY


# What holds it.


def test_a_held_group_does_not_fail_over_and_says_once_what_is_due() -> None:
    life = Life(passive())
    life.is_on_hold = True
    life.lose(WELLINGTON)
    life.wait(600)
    assert (life.position.at, life.held) == (WELLINGTON, "hold")
    assert [each.words for each in life.said] == ["hold: a failover is due"]
    life.is_on_hold = False
    life.wait(1)
    assert life.position.at == AUCKLAND


def flap(life: Life, times: int = 1) -> None:
    for _ in range(times):
        life.lose(WELLINGTON)
        life.wait(5)
        life.mend(WELLINGTON)
        life.wait(15)


def test_a_datacentre_that_flaps_suspends_the_group_until_its_penalty_has_decayed() -> None:
    life = Life(passive())
    flap(life, 2)
    assert life.held == "penalty"
    assert life.kinds() == ["held"]
    life.lose(WELLINGTON)
    life.wait(600)
    assert life.position.at == WELLINGTON
    life.wait(3600)
    assert life.held == ""
    assert life.position.at == AUCKLAND
    assert life.kinds() == ["held", "held", "released", "group_moved"]


def test_a_release_lets_it_move_at_once() -> None:
    life = Life(passive())
    flap(life, 2)
    life.lose(WELLINGTON)
    life.wait(90)
    assert groups.is_held_by_itself(life.record)
    life.record = groups.release(life.record)
    life.wait(1)
    assert life.position.at == AUCKLAND


def test_past_most_per_day_it_stays_where_it_is_and_does_not_return_either() -> None:
    topology = passive(FailoverRules(automatic=True, after=60, most_per_day=2))
    rules = replace(topology.groups["website"].penalty, half_life=10)
    life = Life(replace(topology, groups={"website": replace(topology.groups["website"], penalty=rules)}))
    for _ in range(2):
        life.lose(WELLINGTON)
        life.wait(61)
        assert life.position.at == AUCKLAND
        life.mend(WELLINGTON)
        life.wait(620)
    assert (life.position.at, life.held) == (AUCKLAND, "most_per_day")
    assert life.said[-1].words == "most_per_day: a failback is due, 2 failovers in 24 h"
    life.wait(DAY - 1400, step=60)
    assert life.held == "most_per_day"
    life.wait(200)
    assert (life.position.at, life.held) == (WELLINGTON, "")


def test_a_failover_by_hand_is_none_of_the_day_s() -> None:
    life = Life(passive())
    after = positions.move(life.group, life.position, AUCKLAND, 0, "ops: test", life.when)
    life.record = groups.move(life.group, life.record, after)
    assert life.record.watch.failovers == ()


# Active-active.


def test_a_suspended_active_active_group_takes_nobody_back_while_another_serves() -> None:
    life = Life(town())
    flap(life)
    assert life.states()[WELLINGTON] is SERVING
    flap(life)
    assert (life.held, life.states()[WELLINGTON]) == ("penalty", OUT)
    assert life.ledger.status("website", WELLINGTON).cause == "nodes are back, the group is held: penalty"
    assert life.ledger.is_kept_out("website", WELLINGTON, life.mono)
    life.wait(3600)
    assert (life.held, life.states()[WELLINGTON]) == ("", SERVING)


def test_where_nobody_else_serves_it_returns_though_it_is_suspended() -> None:
    life = Life(town())
    flap(life, 2)
    life.lose(AUCKLAND)
    life.wait(1)
    assert life.states() == {WELLINGTON: SERVING, AUCKLAND: OUT}


# Whatever happens.

happening = st.one_of(
    st.tuples(st.just("lose"), st.sampled_from([WELLINGTON, AUCKLAND]), st.just(0)),
    st.tuples(st.just("mend"), st.sampled_from([WELLINGTON, AUCKLAND]), st.just(0)),
    st.tuples(st.just("wait"), st.just(""), st.sampled_from([1, 15, 70, 700, 5000, 40_000])),
    st.tuples(st.just("restart"), st.just(""), st.sampled_from([0, 30, 3600])),
    st.tuples(st.just("hold"), st.just(""), st.sampled_from([0, 1])),
)
histories = st.lists(happening, max_size=25)
lives = st.sampled_from(
    [
        town(),
        passive(failback=RAMP),
        passive(FailoverRules(automatic=True, after=0, most_per_day=1), FailbackRules(automatic=True, after=0)),
        passive(mode=GroupMode.PILOT_LIGHT),
    ]
)


def live(life: Life, happenings: list[tuple[str, str, int]]) -> None:
    for kind, datacentre, number in happenings:
        match kind:
            case "lose":
                life.lose(datacentre)
            case "mend":
                life.mend(datacentre)
            case "wait":
                life.wait(number, step=max(1.0, number / 60))
            case "restart":
                life.restart(asleep=number)
            case "hold":
                life.is_on_hold = bool(number)
        life.wait(1)


@settings(max_examples=60, deadline=None)
@given(lives, histories)
def test_no_schedule_leaves_what_has_recovered_out_for_ever(
    topology: Topology, happenings: list[tuple[str, str, int]]
) -> None:
    life = Life(topology)
    live(life, happenings)
    life.is_on_hold = False
    for datacentre in (WELLINGTON, AUCKLAND):
        life.mend(datacentre)
    life.wait(3 * DAY, step=300)
    assert life.states() == {WELLINGTON: SERVING, AUCKLAND: SERVING}
    assert (life.held, life.record.blocked) == ("", "")
    assert life.record.position is None or life.position.stage is Stage.HOME


@settings(max_examples=60, deadline=None)
@given(lives, histories)
def test_no_schedule_fails_over_more_often_than_the_group_may_in_24_hours(
    topology: Topology, happenings: list[tuple[str, str, int]]
) -> None:
    life = Life(topology)
    live(life, happenings)
    most = life.group.failover.most_per_day
    for index in range(len(life.failovers) - most):
        assert life.failovers[index + most] - life.failovers[index] >= DAY


@pytest.mark.parametrize("wait", [10, 59])
def test_a_restart_goes_on_waiting_where_it_was(wait: int) -> None:
    life = Life(passive())
    life.lose(WELLINGTON)
    life.wait(wait + 1)
    life.restart(asleep=60 - wait)
    life.tick()
    assert life.position.at == AUCKLAND
