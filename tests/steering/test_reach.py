from __future__ import annotations

import pytest

from steer.steering.model import Group, GroupMode, Rule, When
from steer.steering.reach import Way, position, reach, rotation, rule_base
from steer.steering.snapshot import GroupStatus

ORDER = ("north", "west", "south")
PASSIVE = Group("swap", {}, (), (), mode=GroupMode.ACTIVE_PASSIVE, order=ORDER)
SPILLING = Group("swap", {}, (), (), mode=GroupMode.PILOT_LIGHT, order=ORDER, spill=True)
ACTIVE = Group("web", {"north": 90, "west": 10}, (), ())


def test_an_active_group_goes_everywhere_by_its_weights_or_those_of_an_override() -> None:
    found = reach(ACTIVE, GroupStatus(weights={"west": 30}))
    assert (found.way, found.base) == (Way.WEIGHTS, {"north": 90, "west": 30})
    assert found.stays == {"north", "west"}
    assert (found.standbys, position(ACTIVE, GroupStatus())) == ((), "")


@pytest.mark.parametrize(("at", "here"), [("", "north"), ("west", "west"), ("gone", "north")])
def test_a_group_is_at_the_first_of_its_order_until_it_is_moved(at: str, here: str) -> None:
    found = reach(PASSIVE, GroupStatus(at=at))
    assert (found.way, list(found.base)) == (Way.AT, [here])
    assert found.stays == {here}
    assert not found.moves_by_itself


def test_standbys_follow_in_the_order_from_there() -> None:
    assert rotation(PASSIVE, GroupStatus(at="west")) == ("west", "south", "north")
    assert reach(PASSIVE, GroupStatus(at="west")).standbys == ("south", "north")


def test_with_spill_all_of_the_order_may_be_used_from_there() -> None:
    found = reach(SPILLING, GroupStatus(at="south"))
    assert (found.way, list(found.base), found.moves_by_itself) == (Way.SPILL, ["south", "north", "west"], True)
    assert found.stays == set(ORDER)


def test_while_a_failback_ramps_its_percentages_are_the_weights() -> None:
    status = GroupStatus(at="north", arriving={"north": 25, "west": 75, "nowhere": 5})
    found = reach(PASSIVE, status)
    assert (found.way, found.base, found.standbys) == (Way.WEIGHTS, {"north": 25, "west": 75}, ("south",))
    assert reach(SPILLING, status).base == {"north": 25, "west": 75, "south": 0}


def test_percentages_that_send_nobody_anywhere_are_none() -> None:
    assert reach(PASSIVE, GroupStatus(arriving={"north": 0})).way is Way.AT


def test_clients_may_stay_where_the_group_leaves_only_while_they_are_given_time() -> None:
    assert reach(PASSIVE, GroupStatus(at="west", leaving="north")).stays == {"west"}
    found = reach(PASSIVE, GroupStatus(at="west", leaving="north", leaving_until=900.0))
    assert (list(found.base), found.leaving) == (["west"], "north")
    assert found.stays == {"north", "west"}
    assert found.standbys == ("south",)


def test_a_rule_gives_nothing_to_what_it_does_not_name() -> None:
    rule = Rule("canary", When(), {"west": 100})
    assert rule_base(ACTIVE, GroupStatus(weights={"north": 5}), rule) == {"north": 0, "west": 100}
    assert rule_base(ACTIVE, GroupStatus(rules={"canary": {"north": 50}}), rule) == {"north": 50, "west": 100}
