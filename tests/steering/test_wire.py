from __future__ import annotations

import json

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from steer.steering.model import Observation, Outcome
from steer.steering.snapshot import DatacentreState, DatacentreStatus, GroupStatus, NodeState, NodeStatus, Snapshot
from steer.steering.wire import from_wire, observation_from_wire, observation_to_wire, to_wire

SECONDS = st.floats(0, 1e10)
NAMES = st.text("abc-é", min_size=1, max_size=5)
NODES = st.builds(
    NodeStatus,
    state=st.sampled_from(NodeState),
    since=SECONDS,
    until=st.none() | SECONDS,
    times=st.integers(0, 20),
    cause=NAMES,
    ramp_from=st.none() | SECONDS,
    drained=st.booleans(),
    held=st.booleans(),
    trial=st.integers(0, 1 << 40),
    trial_worker=st.integers(-1, 64),
)
DATACENTRES = st.builds(
    DatacentreStatus,
    state=st.sampled_from(DatacentreState),
    since=SECONDS,
    cause=NAMES,
    ramp_from=st.none() | SECONDS,
    until=st.none() | SECONDS,
)
WEIGHTS = st.dictionaries(NAMES, st.floats(0, 100), max_size=3)
GROUPS = st.builds(
    GroupStatus,
    weights=WEIGHTS,
    override=NAMES,
    rules=st.dictionaries(NAMES, WEIGHTS, max_size=2),
    datacentres=st.dictionaries(NAMES, DATACENTRES, max_size=3),
    at=NAMES,
    arriving=WEIGHTS,
    leaving=NAMES,
    leaving_until=st.none() | SECONDS,
    held=NAMES,
)
SNAPSHOTS = st.builds(
    Snapshot,
    number=st.integers(0, 1 << 40),
    nodes=st.dictionaries(NAMES, NODES, max_size=4),
    groups=st.dictionaries(NAMES, GROUPS, max_size=3),
)
OBSERVATIONS = st.builds(
    Observation,
    node=NAMES,
    outcome=st.sampled_from(Outcome),
    at=SECONDS,
    worker=st.integers(0, 64),
    status=st.integers(0, 599),
    client=NAMES,
    path=NAMES,
    latency=SECONDS,
    successes=st.integers(0, 1000),
    succeeded_at=SECONDS,
    trial=st.integers(0, 1000),
)


@given(SNAPSHOTS)
def test_a_snapshot_survives_the_wire(snapshot: Snapshot) -> None:
    frame = msgpack.packb(to_wire(snapshot), strict_types=True)
    assert from_wire(msgpack.unpackb(frame)) == snapshot


@given(OBSERVATIONS)
def test_an_observation_survives_the_wire(observation: Observation) -> None:
    frame = msgpack.packb(observation_to_wire(observation), strict_types=True)
    assert observation_from_wire(msgpack.unpackb(frame)) == observation


@given(SNAPSHOTS)
def test_a_snapshot_is_plain_json_too(snapshot: Snapshot) -> None:
    assert from_wire(json.loads(json.dumps(to_wire(snapshot)))) == snapshot


def test_a_node_that_only_serves_takes_no_room() -> None:
    assert to_wire(Snapshot(nodes={"wlg-1": NodeStatus()}))["nodes"] == {"wlg-1": {}}
