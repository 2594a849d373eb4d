"""A keeper over two datacentres with two nodes each, on a clock that a test moves."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from steer.control.events import Event, Events
from steer.control.keeper import Keeper
from steer.control.overrides import Override
from steer.control.state_file import StateFile
from steer.steering.model import Group, Node, Observation, Outcome, Pinned, Pool, Route, Service, Topology
from steer.steering.snapshot import DatacentreState, DatacentreStatus, GroupStatus, NodeStatus, Snapshot
from tests.kit.clock import ManualClock

WEIGHTS = {"wellington": 50.0, "auckland": 50.0}


def topology(nodes: tuple[str, ...] = ("wlg-1", "wlg-2", "akl-1", "akl-2"), checked: bool = False) -> Topology:
    """Two groups share one pool: `website` and `api`."""
    places = {"wlg": "wellington", "akl": "auckland"}
    members = tuple(Node(index, name, "web", places[name[:3]]) for index, name in enumerate(nodes))
    groups = {name: Group(name, WEIGHTS, ("web",), ("web",)) for name in ("website", "api")}
    pinned = {"stack-dr.example": Pinned("auckland", ("10.0.0.0/8",))}
    service = Service("www", "website", ("www.agency.example",), (Route("/news", "web"),), pinned)
    pools = {"web": Pool("web", members, checked=checked)}
    return Topology(("wellington", "auckland"), members, pools, groups, {"www": service})


class Desk:
    """A keeper, and everything that it says. `ops` is who asks."""

    def __init__(self, folder: Path, clock: ManualClock, topology: Topology) -> None:
        self.clock = clock
        self.snapshots: list[Snapshot] = []
        self.warnings: list[str] = []
        self.log = io.StringIO()
        self.events = Events(clock, stream=self.log)
        self.state = StateFile(folder, self.warnings.append)
        self.keeper = Keeper(topology, clock, random.Random(1), self.snapshots.append, self.state, self.events)
        self.keeper.set_workers((0, 1))

    def node(self, name: str) -> NodeStatus:
        return self.keeper.snapshot.nodes.get(name, NodeStatus())

    def group(self, name: str = "website") -> GroupStatus:
        return self.keeper.snapshot.groups.get(name, GroupStatus())

    def datacentre(self, name: str, group: str = "website") -> DatacentreState:
        return self.group(group).datacentres.get(name, DatacentreStatus()).state

    def fail(self, node: str, times: int = 3) -> None:
        for _ in range(times):
            self.keeper.observe(Observation(node, Outcome.REFUSED, self.clock.monotonic()))

    def drain(
        self, node: str | None = None, *, datacentre: str | None = None, group: str | None = None, force: bool = False
    ) -> Override:
        return self._override("drain", node, datacentre, group, force)

    def eject(
        self, node: str | None = None, *, datacentre: str | None = None, group: str | None = None, force: bool = False
    ) -> Override:
        return self._override("eject", node, datacentre, group, force)

    def restore(self, node: str | None = None, *, datacentre: str | None = None, group: str | None = None) -> Override:
        return self._override("restore", node, datacentre, group, force=False)

    def _override(
        self,
        kind: Literal["drain", "eject", "restore"],
        node: str | None,
        datacentre: str | None,
        group: str | None,
        force: bool,
    ) -> Override:
        return self.keeper.override(
            kind, node=node, datacentre=datacentre, group=group, owner="ops", reason="patching", force=force
        )

    def set_weights(self, force: bool = False, expires_in: float | None = None, **weights: float) -> Override:
        return self.keeper.set_weights(
            "website", weights, owner="ops", reason="test", expires_in=expires_in, force=force
        )

    def wait(self, seconds: float, step: float = 0.1) -> None:
        """Let time pass as it does: a tick each 100 ms (or each `step`)."""
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            self.keeper.tick()

    def kinds(self) -> list[str]:
        return [f"{event.kind} {event.what}" for event in self.said()]

    def said(self) -> tuple[Event, ...]:
        return self.events.since()


@contextmanager
def desk(folder: Path, clock: ManualClock | None = None, places: Topology | None = None) -> Iterator[Desk]:
    """Ends as `kill -9` ends a process: nothing is written a last time."""
    made = Desk(folder, clock or ManualClock(), places or topology())
    try:
        yield made
    finally:
        made.state.close()
