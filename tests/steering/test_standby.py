"""Which nodes are not expected to run."""

from __future__ import annotations

from dataclasses import replace

from steer.steering.model import Topology
from steer.steering.snapshot import GroupStatus
from steer.steering.standby import cold_nodes, is_cold, is_standby
from tests.steering.moving import passive
from tests.steering.towns import AUCKLAND, EJECTED, WELLINGTON, town


def cold() -> Topology:
    made = passive()
    return replace(made, groups={"website": replace(made.groups["website"], cold=True)})


def test_a_standby_is_where_no_request_goes() -> None:
    group = cold().groups["website"]
    for status, standbys in (
        (GroupStatus(), [AUCKLAND]),
        (GroupStatus(at=AUCKLAND), [WELLINGTON]),
        (GroupStatus(at=AUCKLAND, leaving=WELLINGTON), []),
        (GroupStatus(at=AUCKLAND, arriving={WELLINGTON: 5, AUCKLAND: 95}), []),
    ):
        assert [name for name in (WELLINGTON, AUCKLAND) if is_cold(group, status, name)] == standbys
    assert not is_cold(passive().groups["website"], GroupStatus(), AUCKLAND)
    assert not is_cold(group, GroupStatus(), "elsewhere")


def test_a_node_that_another_group_uses_is_expected_to_run() -> None:
    made = cold()
    assert cold_nodes(made, {}) == {"akl-1"}
    both = replace(made, groups={**made.groups, "api": replace(town().groups["website"], name="api")})
    assert cold_nodes(both, {}) == frozenset()


def test_one_that_runs_is_no_standby() -> None:
    nodes = cold_nodes(cold(), {})
    assert is_standby("akl-1", {"akl-1": EJECTED}, nodes)
    assert not is_standby("akl-1", {}, nodes)
    assert not is_standby("wlg-1", {"wlg-1": EJECTED}, nodes)
