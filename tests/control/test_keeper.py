from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from steer.control.state_file import NAME, NotKept
from steer.errors import Refused, Unacceptable
from steer.steering.model import Observation, Outcome
from steer.steering.snapshot import DatacentreState, NodeState
from tests.control.keeping import Desk, desk, topology


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path) as edge:
        yield edge


# What was seen.


def test_the_first_snapshot_is_published_at_once_and_says_that_all_is_well(edge: Desk) -> None:
    assert edge.snapshots == [edge.keeper.snapshot]
    assert edge.keeper.snapshot.nodes == {}
    assert edge.keeper.snapshot.groups == {}


def test_the_third_refusal_in_a_row_takes_a_node_out_in_one_new_snapshot(edge: Desk) -> None:
    edge.fail("wlg-1", times=2)
    assert len(edge.snapshots) == 1
    edge.fail("wlg-1", times=1)
    assert len(edge.snapshots) == 2
    assert edge.node("wlg-1").state is NodeState.EJECTED
    assert edge.node("wlg-1").cause == "consecutive_gateway_failures"


def test_nothing_is_published_while_nothing_changes(edge: Desk) -> None:
    edge.keeper.count(0, {"successes": {"wlg-1": 10, "akl-1": 7}})
    edge.keeper.checked("wlg-1", True, "status 200")
    edge.wait(2.0)
    assert len(edge.snapshots) == 1


def test_each_snapshot_has_a_higher_number(edge: Desk) -> None:
    edge.fail("wlg-1")
    edge.fail("akl-1")
    edge.set_weights(wellington=90, auckland=10, force=True)
    numbers = [snapshot.number for snapshot in edge.snapshots]
    assert numbers == sorted(set(numbers))


def test_a_datacentre_without_nodes_is_out_in_the_same_snapshot_as_its_last_node(edge: Desk) -> None:
    edge.fail("wlg-1")
    edge.fail("wlg-2")
    assert len(edge.snapshots) == 3
    assert edge.datacentre("wellington") is DatacentreState.OUT
    assert edge.datacentre("wellington", "api") is DatacentreState.OUT
    assert "datacentre_out wellington for website" in edge.kinds()


def test_the_last_node_of_the_only_usable_datacentre_is_held(edge: Desk) -> None:
    for node in ("wlg-1", "wlg-2", "akl-1", "akl-2"):
        edge.fail(node)
    assert [edge.node(name).held for name in ("wlg-1", "wlg-2", "akl-1", "akl-2")] == [False, False, False, True]


def test_where_the_other_datacentre_is_drained_the_last_node_is_held(edge: Desk) -> None:
    edge.drain(datacentre="auckland")
    edge.fail("wlg-1")
    edge.fail("wlg-2")
    assert edge.node("wlg-2").held
    edge.restore(datacentre="auckland")
    assert not edge.node("wlg-2").held


def test_a_node_comes_back_by_three_trials_each_given_out_as_soon_as_the_last_was_answered(edge: Desk) -> None:
    edge.fail("wlg-1")
    edge.wait(34)
    for _ in range(3):
        status = edge.node("wlg-1")
        assert (status.state, status.trial_worker in (0, 1)) == (NodeState.PROBING, True)
        at = edge.clock.monotonic()
        edge.keeper.observe(Observation("wlg-1", Outcome.SUCCESS, at, status.trial_worker, trial=status.trial))
    assert edge.node("wlg-1").state is NodeState.SERVING
    assert edge.node("wlg-1").ramp_from == edge.clock.monotonic()
    assert [kind for kind in edge.kinds() if "wlg-1" in kind] == ["ejected wlg-1", "probing wlg-1", "serving wlg-1"]


def test_an_active_check_that_falls_takes_a_node_out_and_its_results_are_kept(tmp_path: Path) -> None:
    with desk(tmp_path, places=topology(checked=True)) as edge:
        for _ in range(3):
            edge.keeper.checked("wlg-1", False, "status 503")
        assert edge.node("wlg-1").cause == "active_check"
        checks = edge.keeper.checks("wlg-1")
        assert checks == [{"at": "2023-11-14T22:13:20.000Z", "passed": False, "detail": "status 503"}] * 3
        assert edge.keeper.checks("wlg-2") == []


def test_of_the_checks_of_a_node_the_last_ten_are_kept(edge: Desk) -> None:
    for number in range(12):
        edge.keeper.checked("wlg-1", True, str(number))
    assert [check["detail"] for check in edge.keeper.checks("wlg-1")] == [str(number) for number in range(2, 12)]


def test_a_node_that_its_failures_took_out_is_suspected_and_one_that_an_operator_took_out_is_not(edge: Desk) -> None:
    edge.fail("wlg-1")
    edge.eject("akl-1")
    suspected = [name for name in ("wlg-1", "wlg-2", "akl-1", "gone") if edge.keeper.is_suspected(name)]
    assert suspected == ["wlg-1"]


def test_what_names_a_node_that_is_not_there_changes_nothing(edge: Desk) -> None:
    edge.fail("gone")
    edge.keeper.count(0, {"successes": {"gone": 5}})
    edge.keeper.checked("gone", False, "refused")
    assert len(edge.snapshots) == 1


# Weights.


def test_weights_replace_those_that_they_name(edge: Desk) -> None:
    override = edge.set_weights(wellington=90)
    assert edge.group().weights == {"wellington": 90.0}
    assert edge.group().override == override.id
    assert edge.group("api").weights == {}
    assert len(edge.snapshots) == 2


def test_later_weights_keep_what_they_do_not_name(edge: Desk) -> None:
    edge.set_weights(wellington=90)
    edge.wait(5)
    later = edge.set_weights(auckland=10)
    assert edge.group().weights == {"wellington": 90.0, "auckland": 10.0}
    assert edge.keeper.overrides() == (later,)


def test_weights_expire_by_the_clock_and_the_own_ones_hold_again(edge: Desk) -> None:
    edge.set_weights(wellington=90, expires_in=60.0)
    edge.wait(59.9)
    assert edge.group().weights == {"wellington": 90.0}
    edge.wait(0.2)
    assert edge.group().weights == {}
    assert edge.keeper.overrides() == ()
    assert "override_expired weights website" in edge.kinds()


def test_a_group_without_any_weight_is_refused_by_name_and_force_overrides(edge: Desk) -> None:
    with pytest.raises(Refused) as refused:
        edge.set_weights(wellington=0, auckland=0)
    assert refused.value.rule == "at_least"
    assert len(edge.snapshots) == 1
    edge.set_weights(wellington=0, auckland=0, force=True)
    assert edge.group().weights == {"wellington": 0.0, "auckland": 0.0}


def test_a_second_change_of_a_group_within_its_pause_is_refused(edge: Desk) -> None:
    edge.set_weights(wellington=90)
    edge.wait(4.9)
    with pytest.raises(Refused, match="changed less than 5 s ago"):
        edge.set_weights(wellington=80)
    edge.wait(0.2)
    edge.set_weights(wellington=80)


# Drain, eject, restore.


def test_a_drained_node_takes_no_new_clients_and_is_not_ejected(edge: Desk) -> None:
    override = edge.drain("wlg-1")
    assert edge.node("wlg-1").drained
    assert edge.node("wlg-1").state is NodeState.SERVING
    assert edge.keeper.overrides() == (override,)
    assert (override.owner, override.reason, override.target) == ("ops", "patching", {"node": "wlg-1"})


def test_the_last_node_of_a_datacentre_is_drained_by_force_only(edge: Desk) -> None:
    edge.drain("wlg-1")
    edge.wait(5)
    with pytest.raises(Refused) as refused:
        edge.drain("wlg-2")
    assert refused.value.rule == "min_nodes"
    assert not edge.node("wlg-2").drained
    edge.drain("wlg-2", force=True)
    assert edge.datacentre("wellington") is DatacentreState.OUT


def test_nothing_that_is_seen_ends_an_operators_ejection(edge: Desk) -> None:
    edge.eject("wlg-1")
    edge.keeper.count(0, {"successes": {"wlg-1": 1000}})
    edge.keeper.checked("wlg-1", True, "status 200")
    edge.wait(400, step=1.0)
    assert edge.node("wlg-1").state is NodeState.EJECTED
    assert (edge.node("wlg-1").cause, edge.node("wlg-1").until) == ("override", None)


def test_a_restored_node_serves_at_once_by_the_ramp_and_its_overrides_are_gone(edge: Desk) -> None:
    edge.eject("wlg-1")
    edge.drain("wlg-1", force=True)
    published = len(edge.snapshots)
    restored = edge.restore("wlg-1")
    assert len(edge.snapshots) == published + 1
    assert (edge.node("wlg-1").state, edge.node("wlg-1").drained) == (NodeState.SERVING, False)
    assert edge.node("wlg-1").ramp_from == edge.clock.monotonic()
    assert edge.keeper.overrides() == ()
    assert restored.has_expired(edge.clock.wall())


def test_a_node_that_its_failures_took_out_can_be_restored(edge: Desk) -> None:
    edge.fail("wlg-1")
    edge.restore("wlg-1")
    assert edge.node("wlg-1").state is NodeState.SERVING


def test_a_node_whose_ejection_is_lifted_or_expires_must_prove_itself(edge: Desk) -> None:
    lifted = edge.eject("wlg-1")
    edge.keeper.override("eject", node="akl-1", owner="ops", reason="r", expires_in=10.0, force=True)
    edge.keeper.lift(lifted.id, owner="ops", reason="new disk")
    assert edge.node("wlg-1").state is NodeState.PROBING
    assert edge.node("akl-1").state is NodeState.EJECTED
    edge.wait(10.1)
    assert edge.node("akl-1").state is NodeState.PROBING
    assert edge.node("akl-1").trial_worker in (0, 1)


def test_a_drain_that_is_lifted_ends_by_the_ramp(edge: Desk) -> None:
    override = edge.drain("wlg-1")
    assert edge.keeper.lift(override.id, owner="ops", reason="patched") == override
    assert not edge.node("wlg-1").drained
    assert edge.node("wlg-1").ramp_from == edge.clock.monotonic()
    assert "override_lifted drain wlg-1" in edge.kinds()


@pytest.mark.parametrize("kind", ["drain", "eject"])
def test_a_datacentre_is_drained_for_one_group_or_for_all(edge: Desk, kind: str) -> None:
    move = edge.drain if kind == "drain" else edge.eject
    move(datacentre="wellington", group="website")
    assert edge.datacentre("wellington") is DatacentreState.DRAINING
    assert edge.datacentre("wellington", "api") is DatacentreState.SERVING
    edge.wait(5)
    move(datacentre="wellington")
    assert edge.datacentre("wellington", "api") is DatacentreState.DRAINING


def test_the_last_serving_datacentre_is_drained_by_force_only(edge: Desk) -> None:
    edge.drain(datacentre="wellington")
    edge.wait(5)
    with pytest.raises(Refused) as refused:
        edge.drain(datacentre="auckland", group="website")
    assert refused.value.rule == "at_least"
    edge.drain(datacentre="auckland", group="website", force=True)
    assert edge.datacentre("auckland") is DatacentreState.DRAINING


def test_a_datacentre_drained_for_all_and_restored_for_one_group_stays_drained_for_the_other(edge: Desk) -> None:
    edge.drain(datacentre="wellington")
    restored = edge.restore(datacentre="wellington", group="website")
    assert edge.datacentre("wellington") is DatacentreState.SERVING
    assert edge.datacentre("wellington", "api") is DatacentreState.DRAINING
    (left,) = edge.keeper.overrides()
    assert (left.target, left.reason) == ({"datacentre": "wellington", "group": "api"}, "patching")
    assert restored.id != left.id
    edge.restore(datacentre="wellington")
    assert edge.datacentre("wellington", "api") is DatacentreState.SERVING
    assert edge.keeper.overrides() == ()


def test_a_datacentre_that_is_out_by_itself_cannot_be_restored_and_the_answer_says_why(edge: Desk) -> None:
    edge.fail("wlg-1")
    edge.fail("wlg-2")
    with pytest.raises(Unacceptable, match="wellington is out for website: web has 0 of 1 nodes"):
        edge.restore(datacentre="wellington")


def test_an_override_that_is_not_there_cannot_be_lifted(edge: Desk) -> None:
    with pytest.raises(Unacceptable, match="no override has the id 'nope'"):
        edge.keeper.lift("nope", owner="ops", reason="r")


def test_a_restore_with_an_expiry_is_unacceptable(edge: Desk) -> None:
    with pytest.raises(Unacceptable, match="does not expire"):
        edge.keeper.override("restore", node="wlg-1", owner="ops", reason="r", expires_in=5.0)


# Over kill -9, a reload, a full disk.


def test_overrides_hold_in_the_first_snapshot_of_the_next_process(tmp_path: Path) -> None:
    with desk(tmp_path) as edge:
        weights = edge.set_weights(wellington=90, auckland=10)
        overrides = (weights, edge.drain("wlg-1", force=True), edge.eject("akl-1", force=True))
        edge.drain(datacentre="wellington", group="api", force=True)
    with desk(tmp_path, edge.clock) as edge:
        first = edge.snapshots[0]
        assert first.groups["website"].weights == {"wellington": 90.0, "auckland": 10.0}
        assert first.groups["website"].override == weights.id
        assert first.groups["api"].datacentres["wellington"].state is DatacentreState.DRAINING
        assert first.nodes["wlg-1"].drained
        assert (first.nodes["akl-1"].state, first.nodes["akl-1"].until) == (NodeState.EJECTED, None)
        assert edge.keeper.overrides()[:3] == overrides


DIES_WHEN_ACKNOWLEDGED = """
import os, signal, sys
from pathlib import Path
from tests.control.keeping import desk
with desk(Path(sys.argv[1])) as edge:
    edge.set_weights(wellington=90, auckland=10)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_weight_holds_when_the_process_is_killed_as_soon_as_it_was_acknowledged(tmp_path: Path) -> None:
    child = subprocess.run([sys.executable, "-c", DIES_WHEN_ACKNOWLEDGED, tmp_path], check=False)
    assert child.returncode == -signal.SIGKILL
    with desk(tmp_path) as edge:
        assert edge.group().weights == {"wellington": 90.0, "auckland": 10.0}
        assert edge.warnings == []


def test_an_override_that_expired_while_no_process_ran_ends_at_the_first_tick(tmp_path: Path) -> None:
    with desk(tmp_path) as edge:
        edge.set_weights(wellington=90, expires_in=60.0)
    edge.clock.advance(61)
    with desk(tmp_path, edge.clock) as edge:
        edge.keeper.tick()
        assert edge.keeper.overrides() == ()
        assert edge.group().weights == {}


def test_an_ejection_is_on_disk_within_a_second_and_goes_on_in_the_next_process(tmp_path: Path) -> None:
    with desk(tmp_path) as edge:
        edge.fail("wlg-1")
        until = edge.node("wlg-1").until
        edge.wait(1.0)
    with desk(tmp_path, edge.clock) as edge:
        assert edge.node("wlg-1").state is NodeState.EJECTED
        assert edge.node("wlg-1").until == pytest.approx(until)
        edge.wait(34)
        assert edge.node("wlg-1").state is NodeState.PROBING


def test_changes_that_come_fast_are_written_together(tmp_path: Path) -> None:
    with desk(tmp_path) as edge:
        writes = 0

        def count(node: str) -> None:
            nonlocal writes
            before = (tmp_path / NAME).stat().st_mtime_ns if (tmp_path / NAME).exists() else 0
            edge.fail(node)
            edge.wait(0.1)
            edge.state.load()  # waits until what was begun is written
            writes += (tmp_path / NAME).exists() and (tmp_path / NAME).stat().st_mtime_ns != before

        for node in ("wlg-1", "wlg-2", "akl-1", "akl-2"):
            count(node)
        assert writes == 1


def test_numbers_rise_over_a_restart_even_when_the_state_is_lost(tmp_path: Path) -> None:
    with desk(tmp_path / "one") as edge:
        edge.fail("wlg-1")
        last = edge.keeper.snapshot.number
    edge.clock.advance(0.1)
    with desk(tmp_path / "two", edge.clock) as edge:
        assert edge.keeper.snapshot.number > last


def test_numbers_rise_over_a_reboot_that_starts_monotonic_time_anew(tmp_path: Path) -> None:
    with desk(tmp_path) as edge:
        edge.set_weights(wellington=90)
        edge.keeper.close()
        last = edge.keeper.snapshot.number
    edge.clock.start_monotonic_anew()
    with desk(tmp_path, edge.clock) as edge:
        assert edge.keeper.snapshot.number > last


def test_close_writes_what_was_not_due_yet(tmp_path: Path) -> None:
    with desk(tmp_path) as edge:
        edge.fail("wlg-1")
        edge.keeper.close()
    with desk(tmp_path, edge.clock) as edge:
        assert edge.node("wlg-1").state is NodeState.EJECTED


def test_an_override_of_what_is_gone_from_the_configuration_is_dropped_and_said(tmp_path: Path) -> None:
    with desk(tmp_path) as edge:
        edge.drain("wlg-2")
        edge.set_weights(wellington=90, force=True)
    with desk(tmp_path, edge.clock, topology(("wlg-1", "akl-1"))) as edge:
        assert [override.kind for override in edge.keeper.overrides()] == ["weights"]
        assert "override_dropped drain wlg-2" in edge.kinds()
        assert edge.group().weights == {"wellington": 90.0}


def test_on_a_full_disk_an_override_is_refused_and_changes_nothing_and_serving_goes_on(
    edge: Desk, tmp_path: Path
) -> None:
    (tmp_path / f"{NAME}.new").symlink_to("/dev/full")
    with pytest.raises(NotKept, match="No space left on device"):
        edge.set_weights(wellington=90)
    assert len(edge.snapshots) == 1
    assert edge.keeper.overrides() == ()
    edge.fail("wlg-1")
    assert edge.node("wlg-1").state is NodeState.EJECTED


def test_a_disk_that_fails_in_the_background_is_said_once_and_tried_again(edge: Desk, tmp_path: Path) -> None:
    def wait_for_writes(seconds: int) -> None:
        for _ in range(seconds):
            edge.wait(1.0)
            edge.state.load()  # waits until what was begun is written, or is not

    (tmp_path / f"{NAME}.new").symlink_to("/dev/full")
    edge.fail("wlg-1")
    wait_for_writes(4)
    (tmp_path / f"{NAME}.new").unlink()
    wait_for_writes(4)
    said = [kind for kind in edge.kinds() if kind.startswith("state")]
    assert said == ["state_not_kept state file", "state_kept state file"]
    assert edge.state.load()["nodes"]["nodes"]["wlg-1"]["status"]["state"] == "ejected"


# What people ask.


def test_a_node_is_explained_with_its_evidence_its_overrides_and_its_checks(edge: Desk) -> None:
    edge.fail("wlg-1")
    edge.drain("wlg-1")
    edge.keeper.checked("wlg-1", False, "refused")
    found = edge.keeper.explain_node("wlg-1")
    assert (found["state"], found["drained"]) == ("ejected", True)
    assert [failure["outcome"] for failure in found["evidence"]] == ["refused"] * 3 + ["check_failed"]
    assert [override["reason"] for override in found["overrides"]] == ["patching"]
    assert [check["detail"] for check in found["checks"]] == ["refused"]
    json.dumps(found)


def test_a_request_is_explained_with_the_node_that_it_would_get(edge: Desk) -> None:
    edge.drain(datacentre="auckland")
    found = edge.keeper.explain_request("WWW.agency.example:8443", "/news/1?page=2", "192.0.2.7", {})
    assert found["verdict"]["datacentre"] == "wellington"
    assert (found["service"], found["group"], found["pool"]) == ("www", "website", "web")
    json.dumps(found)


def test_a_pinned_hostname_is_explained_for_who_may_use_it_and_for_who_may_not(edge: Desk) -> None:
    allowed = edge.keeper.explain_request("stack-dr.example", "/news", "10.1.2.3", {})
    refused = edge.keeper.explain_request("stack-dr.example", "/news", "192.0.2.7", {})
    assert allowed["verdict"]["datacentre"] == "auckland"
    assert refused["verdict"]["refused"] == "not_allowed"


def test_a_request_that_means_no_service_or_no_route_is_unacceptable_with_a_hint(edge: Desk) -> None:
    with pytest.raises(Unacceptable, match=r"did you mean www\.agency\.example\?"):
        edge.keeper.explain_request("ww.agency.example", "/", "192.0.2.7", {})
    with pytest.raises(Unacceptable, match="no route of www matches /shop"):
        edge.keeper.explain_request("www.agency.example", "/shop", "192.0.2.7", {})
