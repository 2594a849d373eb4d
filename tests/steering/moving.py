"""A group and its datacentres with a time that a test moves: what control does each 100 ms, without a disk."""

from __future__ import annotations

import json
from dataclasses import replace

from steer.steering import groups
from steer.steering.automatic import HOLD
from steer.steering.datacentres import DatacentreLedger
from steer.steering.groups import Happening, Record, Scene
from steer.steering.model import Affinity, FailbackRules, FailoverRules, Group, GroupMode, Topology
from steer.steering.positions import Moment, Position
from steer.steering.snapshot import DatacentreState, NodeStatus
from tests.steering.towns import AUCKLAND, EJECTED, WELLINGTON, town

FAILOVER = FailoverRules(automatic=True, after=60)
FAILBACK = FailbackRules(automatic=True, after=600)
NODES = {WELLINGTON: "wlg-1", AUCKLAND: "akl-1"}


def passive(
    failover: FailoverRules = FAILOVER,
    failback: FailbackRules = FAILBACK,
    mode: GroupMode = GroupMode.ACTIVE_PASSIVE,
    idle: float = 0.0,
) -> Topology:
    """Wellington first, then Auckland. `idle` above 0: its service has affinity."""
    topology = town()
    group = replace(
        topology.groups["website"],
        weights={},
        mode=mode,
        order=(WELLINGTON, AUCKLAND),
        failover=failover,
        failback=failback,
    )
    www = replace(topology.services["www"], affinity=Affinity("cookie", "steer", idle=idle) if idle else None)
    return replace(topology, groups={"website": group}, services={"www": www})


class Life:
    """Of the group `website`. `said` is all that happened; `failovers` when the automatic ones were."""

    def __init__(self, topology: Topology, mono: float = 1000.0) -> None:
        self.topology = topology
        self.mono = mono
        self.ledger = DatacentreLedger(topology)
        self.record: Record = groups.beginning(self.group)
        self.nodes: dict[str, NodeStatus] = {}
        self.said: list[Happening] = []
        self.failovers: list[float] = []
        self.is_on_hold = False
        self.stay = 0.0
        self.is_none_left = False

    @property
    def group(self) -> Group:
        return self.topology.groups["website"]

    @property
    def when(self) -> Moment:
        return Moment(self.mono + 1_000_000, self.mono)

    @property
    def position(self) -> Position:
        assert self.record.position is not None
        return self.record.position

    @property
    def held(self) -> str:
        return groups.held(self.group, self.record, self.is_on_hold)

    def states(self) -> dict[str, DatacentreState]:
        return {name: status.state for name, status in self.ledger.statuses("website").items()}

    def lose(self, datacentre: str) -> None:
        self.nodes[NODES[datacentre]] = EJECTED

    def mend(self, datacentre: str) -> None:
        self.nodes.pop(NODES[datacentre], None)

    def tick(self) -> None:
        held = {"website": HOLD if self.is_on_hold else self.held} if self.is_on_hold or self.held else {}
        for change in self.ledger.update(self.nodes, self.when.now, self.mono, held):
            if change.after is DatacentreState.OUT:
                self._take(groups.count_out(self.group, self.record, change.datacentre, self.mono))
        states = self.states()
        ready = [name for name in self.group.order if states[name] is DatacentreState.SERVING]
        scene = Scene(self.when, states, ready, self.is_on_hold, self.stay, self.is_none_left)
        before = len(self.record.watch.failovers)
        self._take(groups.step(self.group, self.record, scene))
        if len(self.record.watch.failovers) > before:
            self.failovers.append(self.mono)

    def _take(self, step: groups.Step) -> None:
        self.record, said = step
        self.said += said

    def wait(self, seconds: float, step: float = 1.0) -> None:
        end = self.mono + seconds
        while self.mono < end:
            self.mono = min(end, self.mono + step)
            self.tick()

    def kinds(self) -> list[str]:
        return [each.kind for each in self.said]

    def restart(self, asleep: float = 0.0) -> None:
        """A new process, whose monotonic time is another one."""
        now = self.when.now + asleep
        saved = json.loads(json.dumps(groups.to_plain({"website": self.record}, self.when)))
        places = json.loads(json.dumps(self.ledger.export(self.when.now, self.mono)))
        self.record = groups.from_plain(self.topology, saved, Moment(now, self.mono + asleep))["website"]
        self.mono += asleep
        self.ledger = DatacentreLedger(self.topology)
        self.ledger.restore_state(places, now, self.mono)
