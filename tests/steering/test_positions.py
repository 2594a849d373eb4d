"""Where a group is: the table of its stages, and what each move makes of a position."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer.steering import positions
from steer.steering.model import FailbackRules, Group, GroupMode
from steer.steering.positions import STAGES, Input, Moment, Position, Stage

ORDER = ("north", "west", "east")
RAMP = FailbackRules(ramp=(5, 25, 100), hold=60)


def group(order: tuple[str, ...] = ORDER, failback: FailbackRules = RAMP) -> Group:
    return Group("portal", {}, ("web",), ("web",), mode=GroupMode.ACTIVE_PASSIVE, order=order, failback=failback)


PORTAL = group()


def at(mono: float) -> Moment:
    return Moment(1_000_000 + mono, mono)


def moved(to: str, stay: float = 300.0, *, before: Position | None = None, mono: float = 10.0) -> Position:
    return positions.move(PORTAL, before or positions.start(PORTAL), to, stay, "ops: test", at(mono))


def test_every_stage_can_be_left_and_reached() -> None:
    assert {stage for stage, _ in STAGES} == set(Stage)
    assert set(STAGES.values()) == set(Stage)
    assert (Stage.HOME, Input.RETURNS) not in STAGES
    assert (Stage.HOME, Input.SETTLES_HOME) not in STAGES


def test_a_group_begins_at_the_first_of_its_order() -> None:
    assert positions.start(PORTAL) == Position("north")
    assert positions.in_use(PORTAL, positions.start(PORTAL)) == {"north"}


def test_a_graceful_move_sends_new_clients_at_once_and_lets_others_stay_for_a_while() -> None:
    position = moved("west")
    assert (position.at, position.leaving, position.stage) == ("west", "north", Stage.LEAVING)
    assert (position.until, position.ends) == (1_000_310, 310)
    assert positions.in_use(PORTAL, position) == {"north", "west"}
    settled = positions.settle(PORTAL, position, at(310))
    assert (settled.at, settled.leaving, settled.stage, settled.until) == ("west", "", Stage.AWAY, None)
    assert settled.cause == "ops: test"


def test_a_move_for_which_nobody_may_stay_is_over_at_once() -> None:
    position = moved("west", stay=0)
    assert (position.at, position.leaving, position.stage) == ("west", "", Stage.AWAY)
    assert moved("north", stay=0, before=position).stage is Stage.HOME
    assert moved("east", stay=0, before=position).stage is Stage.AWAY


def test_who_turns_back_in_the_middle_leaves_the_one_it_was_going_to() -> None:
    position = moved("north", before=moved("west"))
    assert (position.at, position.leaving, position.stage) == ("north", "west", Stage.LEAVING)
    assert positions.settle(PORTAL, position, at(400)).stage is Stage.HOME


def test_a_failback_goes_home_by_the_ramp_and_its_last_step_lets_clients_stay() -> None:
    away = moved("west", stay=0)
    position = positions.begin_return(PORTAL, away, 300, "ops: back", at(100))
    assert (position.at, position.stage) == ("west", Stage.RETURNING)
    assert positions.arriving(PORTAL, position) == {"north": 5, "west": 95}
    assert positions.in_use(PORTAL, position) == {"north", "west"}
    assert positions.go_on(PORTAL, position, 300, at(159)) is position
    position = positions.go_on(PORTAL, position, 300, at(160))
    assert positions.arriving(PORTAL, position) == {"north": 25, "west": 75}
    position = positions.go_on(PORTAL, position, 300, at(220))
    assert (position.at, position.leaving, position.stage) == ("north", "west", Stage.LEAVING)
    assert positions.arriving(PORTAL, position) == {}


def test_a_ramp_of_one_step_returns_at_once() -> None:
    at_once = group(failback=FailbackRules())
    position = positions.begin_return(at_once, moved("west", stay=0), 0, "ops: back", at(100))
    assert (position.at, position.stage) == ("north", Stage.HOME)


def test_a_ramp_that_is_broken_off_ends_where_it_began() -> None:
    position = positions.begin_return(PORTAL, moved("west", stay=0), 300, "ops: back", at(100))
    assert positions.break_off(PORTAL, position, "north is out", at(110)).stage is Stage.AWAY
    turned = moved("west", before=position)
    assert (turned.at, turned.leaving, turned.stage) == ("west", "north", Stage.LEAVING)


def test_what_the_table_does_not_have_cannot_happen() -> None:
    with pytest.raises(KeyError):
        positions.begin_return(PORTAL, positions.start(PORTAL), 0, "", at(0))


step = st.one_of(
    st.tuples(st.just("move"), st.sampled_from(ORDER), st.sampled_from([0.0, 300.0])),
    st.tuples(st.just("settle"), st.just(""), st.just(0.0)),
    st.tuples(st.just("return"), st.just(""), st.sampled_from([0.0, 300.0])),
    st.tuples(st.just("go on"), st.just(""), st.sampled_from([0.0, 300.0])),
    st.tuples(st.just("restart"), st.just(""), st.floats(0, 100)),
    st.tuples(st.just("reorder"), st.sampled_from(["north west", "west north", "east"]), st.just(0.0)),
)


def after(portal: Group, position: Position, kind: str, place: str, number: float, mono: float) -> Position:
    match kind:
        case "move" if place in portal.order:
            is_change = position.at != place or position.stage is Stage.RETURNING
            return positions.move(portal, position, place, number, "test", at(mono)) if is_change else position
        case "settle" if position.stage is Stage.LEAVING:
            return positions.settle(portal, position, at(mono))
        case "return" if position.at != portal.order[0] and position.stage is not Stage.RETURNING:
            return positions.begin_return(portal, position, number, "test", at(mono))
        case "go on":
            return positions.go_on(portal, position, number, at(mono))
        case "restart" | "reorder":
            plain = json.loads(json.dumps(positions.to_plain(position, at(mono))))
            return positions.from_plain(portal, plain, Moment(at(mono).now + number, 3.0))
    return position


@given(st.lists(step, max_size=30))
def test_a_position_never_leaves_the_order_and_always_makes_sense(steps: list[tuple[str, str, float]]) -> None:
    portal, position, mono = PORTAL, positions.start(PORTAL), 0.0
    for kind, place, number in steps:
        mono += 61
        portal = group(tuple(place.split())) if kind == "reorder" else portal
        position = after(portal, position, kind, place, number, mono)
        assert positions.in_use(portal, position) <= set(portal.order)
        assert (position.stage is Stage.LEAVING) == bool(position.leaving) == (position.ends is not None)
        assert position.leaving != position.at
        assert sum(positions.arriving(portal, position).values()) in (0, 100)
        is_home = position.at == portal.order[0]
        assert position.stage is Stage.LEAVING or (position.stage is Stage.HOME) == is_home


def test_a_restart_goes_on_where_it_was_and_time_that_passed_counts() -> None:
    plain = json.loads(json.dumps(positions.to_plain(moved("west"), at(20))))
    again = positions.from_plain(PORTAL, plain, Moment(at(60).now, 7.0))
    assert (again.at, again.leaving, again.until) == ("west", "north", 1_000_310)
    assert again.ends == 7.0 + 250


def test_where_the_order_has_lost_the_place_the_group_is_at_home() -> None:
    plain = positions.to_plain(moved("west", stay=0), at(20))
    assert positions.from_plain(group(("north", "east")), plain, at(20)) == Position("north")
