"""A ledger with a time that the test moves, so that a test reads as a history of a node."""

from __future__ import annotations

import json
import random

from steer.steering.datacentres import DatacentreLedger, usable
from steer.steering.ejection import Change, Ledger
from steer.steering.model import Observation, Outcome, Topology
from steer.steering.snapshot import NodeState, NodeStatus

WALL_AHEAD = 1_700_000_000.0
"""Wall seconds less monotonic seconds."""


class History:
    """`mono` moves by `wait`; what the ledger said is in `changes`."""

    def __init__(self, topology: Topology, *, mono: float = 1000.0, seed: int = 3) -> None:
        self.topology = topology
        self.mono = mono
        self.ledger = Ledger(topology, random.Random(seed))
        self.datacentres = DatacentreLedger(topology)
        self.changes: list[Change] = []

    @property
    def now(self) -> float:
        return self.mono + WALL_AHEAD

    def status(self, node: str) -> NodeStatus:
        return self.ledger.status(node)

    def state(self, node: str) -> NodeState:
        return self.ledger.status(node).state

    def fail(
        self,
        node: str,
        times: int = 1,
        outcome: Outcome = Outcome.REFUSED,
        *,
        client: str = "",
        path: str = "",
        successes: int = 0,
        succeeded_at: float = 0.0,
        trial: int = 0,
    ) -> None:
        for _ in range(times):
            seen = Observation(
                node,
                outcome,
                self.mono,
                client=client,
                path=path,
                status=500,
                successes=successes,
                succeeded_at=succeeded_at,
                trial=trial,
            )
            self.changes += self.ledger.observe(seen, self.now, self.mono)

    def error(self, node: str, times: int = 1, *, clients: int = 2, paths: int = 2) -> None:
        """500s by so many clients on so many paths in turn."""
        for i in range(times):
            self.fail(node, 1, Outcome.SERVER_ERROR, client=f"192.0.2.{i % clients}", path=f"/{i % paths}")

    def succeed(self, node: str, count: int = 1) -> None:
        self.changes += self.ledger.succeed(node, count, self.now, self.mono)

    def check(self, node: str, passed: bool, times: int = 1) -> None:
        for _ in range(times):
            detail = "" if passed else "status 500"
            self.changes += self.ledger.checked(node, passed, detail, self.now, self.mono)

    def wait(self, seconds: float) -> None:
        self.mono += seconds
        self.changes += self.ledger.tick(self.now, self.mono)

    def grant(self, *workers: int) -> bool:
        return self.ledger.grant_trials(workers or (0,), self.now, self.mono)

    def trial(self, node: str, outcome: Outcome = Outcome.SUCCESS) -> None:
        """Grant a trial and give its outcome."""
        self.grant()
        self.fail(node, 1, outcome, trial=self.status(node).trial)

    def serve_time(self, node: str) -> None:
        """Wait until the node is probing."""
        ends = self.ledger.record(node).ends
        assert ends is not None
        self.wait(ends - self.mono)
        assert self.state(node) is NodeState.PROBING

    def settle_datacentres(self) -> None:
        self.datacentres.update(self.ledger.statuses(), self.now, self.mono)
        self.ledger.set_usable(usable(self.topology, self.datacentres))

    def settle_standby(self, *datacentres: str) -> None:
        """From now on nobody sends requests to these."""
        standbys = {pool: frozenset(datacentres) for pool in self.topology.pools}
        self.ledger.set_usable(usable(self.topology, self.datacentres), standbys)

    def last(self) -> Change:
        return self.changes[-1]

    def restart(self, *, asleep: float = 0.0, reboot: bool = False) -> History:
        """The same edge after a new start: another ledger from the state file, perhaps with new monotonic time."""
        file = json.dumps([self.ledger.export(self.now, self.mono), self.datacentres.export(self.now, self.mono)])
        fresh = History(self.topology, mono=5.0 if reboot else self.mono + asleep)
        nodes, datacentres = json.loads(file)
        wall = self.now + asleep
        fresh.ledger.restore_state(nodes, wall, fresh.mono)
        fresh.datacentres.restore_state(datacentres, wall, fresh.mono)
        return fresh
