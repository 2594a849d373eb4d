"""A change tried on a twin: both sides settled, nothing of it heard, and what it is compared with is no change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from steer.control.api_bodies import PreviewRequest
from steer.control.rehearsal import Rehearsal, rehearse
from steer.steering.model import Topology
from steer.steering.snapshot import DatacentreState, DatacentreStatus, Snapshot
from tests.control.keeping import Desk, desk, topology


def places() -> Topology:
    """A datacentre with fewer than two nodes is out after 30 s, and back after 10."""
    found = topology()
    website = replace(found.groups["website"], out_after=30.0, back_after=10.0, pause=0.0)
    pool = replace(found.pools["web"], min_nodes=2)
    return replace(found, groups={"website": website}, pools={"web": pool})


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path, places=places()) as made:
        yield made


def tried(there: Desk, kind: str, **target: str) -> Rehearsal:
    wanted = PreviewRequest.model_validate({"kind": kind, "target": target, "reason": "patching", "force": False})
    return rehearse(there.keeper, wanted, "ops", there.clock)


def state(snapshot: Snapshot, datacentre: str = "wellington") -> DatacentreState:
    return snapshot.groups["website"].datacentres.get(datacentre, DatacentreStatus()).state


def test_a_datacentre_has_followed_its_nodes_however_long_that_takes(there: Desk) -> None:
    found = tried(there, "drain", node="wlg-1")
    assert state(found.after) is DatacentreState.OUT
    assert found.before.groups == {}
    assert there.datacentre("wellington") is DatacentreState.SERVING
    there.drain("wlg-1", force=True)
    there.wait(31)
    assert state(there.keeper.snapshot) is DatacentreState.OUT
    back = tried(there, "restore", node="wlg-1")
    assert (state(back.before), state(back.after)) == (DatacentreState.OUT, DatacentreState.SERVING)


def test_ramps_are_over_on_both_sides(there: Desk) -> None:
    there.drain(datacentre="wellington")
    there.restore(datacentre="wellington")
    assert there.group().datacentres["wellington"].ramp_from is not None
    found = tried(there, "hold", group="website")
    for side in (found.before, found.after):
        assert side.groups["website"].datacentres["wellington"].ramp_from is None
    assert found.after.groups["website"].held == "hold"


def test_nothing_is_written_published_or_said(there: Desk) -> None:
    published, said = len(there.snapshots), len(there.said())
    before: Any = there.keeper.snapshot
    tried(there, "drain", node="wlg-1")
    assert (len(there.snapshots), len(there.said()), there.keeper.snapshot) == (published, said, before)
    assert there.keeper.overrides() == ()


def test_the_rules_are_told_by_name_for_each_group_that_is_touched(there: Desk) -> None:
    found = tried(there, "drain", node="wlg-1")
    assert found.is_refused
    assert {name for name, refused in found.rules["website"].items() if refused} == {"min_nodes"}
    assert not tried(there, "hold", group="website").is_refused
