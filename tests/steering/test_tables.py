from __future__ import annotations

from steer.steering.snapshot import DatacentreStatus, NodeStatus
from tests.steering.towns import AUCKLAND, EJECTED, WELLINGTON, snapshot, tables_of, town


def test_without_a_ramp_refresh_has_nothing_to_do() -> None:
    tables = tables_of(town())
    before = tables.plan("website", "web")
    assert not tables.due()
    assert tables.refresh(1.0) is False
    assert tables.plan("website", "web") is before


def test_refresh_moves_a_ramp_on_until_it_is_over() -> None:
    state = snapshot(datacentres={WELLINGTON: DatacentreStatus(ramp_from=100.0)})
    tables = tables_of(town(), state, now=100.0)
    shares = []
    for now in (100.0, 110.0, 129.9, 130.0):
        assert tables.due()
        assert tables.refresh(now) is True
        shares.append(round(tables.plan("website", "web").sites[0].share, 3))
    assert shares == [0.091, 0.25, 0.499, 0.5]
    assert not tables.due()
    assert tables.refresh(131.0) is False


def test_a_ramping_node_makes_a_refresh_due() -> None:
    tables = tables_of(town(2, 1), snapshot({"wlg-1": NodeStatus(ramp_from=100.0)}), now=101.0)
    assert tables.due()
    assert repr(tables) == "<Tables of snapshot 1 [3 hostnames, 1 ramping]>"


def test_a_new_snapshot_keeps_the_hostnames_and_the_worker() -> None:
    tables = tables_of(town(), worker=3)
    newer = tables.with_snapshot(snapshot({"wlg-1": EJECTED}), 5.0)
    assert newer.hosts is tables.hosts
    assert newer.worker == 3
    assert [site.datacentre for site in newer.plan("website", "web").sites] == [AUCKLAND]
    assert len(tables.plan("website", "web").sites) == 2


def test_a_name_that_is_not_ours_has_no_entry() -> None:
    tables = tables_of(town())
    assert tables.host("elsewhere.example") is None
    assert tables.host("www.agency.example") is not None


def test_pinned_hostnames_find_every_node_of_their_datacentre_the_available_ones_first() -> None:
    tables = tables_of(town(2, 1), snapshot({"wlg-1": EJECTED}))
    sets = tables.places["web"][WELLINGTON]
    assert [[slot.node.name for slot in nodes.slots] for nodes in sets] == [["wlg-2"], ["wlg-1"]]
