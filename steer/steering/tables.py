"""Everything that choosing needs, prepared from the topology and one snapshot.

A worker builds `Tables` once for a configuration, takes `with_snapshot` for each snapshot that arrives (the hostnames
are kept), and calls `refresh` each 100 ms while `due`, because a ramp moves with time.
"""

from __future__ import annotations

from steer.steering.hosts import HostEntry, PinnedTo, prepare_hosts, prepare_services
from steer.steering.model import Topology
from steer.steering.plan import NodeSet, Plan, places
from steer.steering.preparation import prepare
from steer.steering.rules import prepare_rules
from steer.steering.snapshot import Snapshot

__all__ = ["HostEntry", "NodeSet", "PinnedTo", "Plan", "Tables"]


class Tables:
    """`now` is monotonic seconds; `worker` is the number under which control grants this process its trials."""

    def __init__(self, topology: Topology, snapshot: Snapshot, now: float, worker: int = 0) -> None:
        self.topology = topology
        self.worker = worker
        self.hosts = prepare_hosts(topology)
        self.services = prepare_services(topology)
        self._rules = prepare_rules(topology)
        self._keeping = {service.group for service in topology.services.values() if service.affinity is not None}
        self._take(snapshot, now)

    def __repr__(self) -> str:
        return (
            f"<Tables of snapshot {self.snapshot.number} [{len(self.hosts)} hostnames, {len(self._ramping)} ramping]>"
        )

    def with_snapshot(self, snapshot: Snapshot, now: float) -> Tables:
        """Tables of the same topology and worker for another snapshot."""
        fresh = object.__new__(Tables)
        fresh.topology = self.topology
        fresh.worker = self.worker
        fresh.hosts = self.hosts
        fresh.services = self.services
        fresh._rules = self._rules
        fresh._keeping = self._keeping
        fresh._take(snapshot, now)
        return fresh

    def _take(self, snapshot: Snapshot, now: float) -> None:
        self.snapshot = snapshot
        self.plans = self._prepare_plans(now)
        self.places = {name: places(pool, snapshot) for name, pool in self.topology.pools.items()}
        self._ramping = [(plan.group, plan.pool) for plan in self._all_plans() if plan.is_ramping]

    def _prepare_plans(self, now: float) -> dict[str, dict[str, Plan]]:
        return {
            name: {pool: self._prepare(name, pool, now) for pool in self._pools_of(name)}
            for name in self.topology.groups
        }

    def _pools_of(self, group: str) -> tuple[str, ...]:
        routed = [
            route.pool
            for service in self.topology.services.values()
            if service.group == group
            for route in service.routes
        ]
        return tuple(dict.fromkeys((*self.topology.groups[group].pools, *routed)))

    def _prepare(self, group: str, pool: str, now: float) -> Plan:
        topology = self.topology
        return prepare(
            topology.groups[group],
            topology.pools[pool],
            self.snapshot,
            now,
            self.worker,
            self._rules[group],
            keeps_clients=group in self._keeping,
        )

    def _all_plans(self) -> list[Plan]:
        return [plan for plans in self.plans.values() for plan in plans.values()]

    def host(self, host: str) -> HostEntry | None:
        """What this hostname (lower case, without port) means; None: not one of ours."""
        return self.hosts.get(host)

    def plan(self, group: str, pool: str) -> Plan:
        return self.plans[group][pool]

    def due(self) -> bool:
        """Whether a ramp runs, so that `refresh` has something to do."""
        return bool(self._ramping)

    def refresh(self, now: float) -> bool:
        """Move what ramps on to `now`. False, at no cost, where nothing ramps."""
        if not self._ramping:
            return False
        for group, pool in self._ramping:
            self.plans[group][pool] = self._prepare(group, pool, now)
        self._ramping = [(group, pool) for group, pool in self._ramping if self.plans[group][pool].is_ramping]
        return True
