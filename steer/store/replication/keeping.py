"""One namespace of one site, put together: the view that doors have, its replicator, its gauges."""

from __future__ import annotations

from collections.abc import Mapping

from steer.clock import Clock
from steer.store.engine import Engine
from steer.store.model import Namespace
from steer.store.namespace import EngineNamespace, Promise
from steer.store.replication.confirm import Confirmation
from steer.store.replication.failover import FailoverNamespace
from steer.store.replication.lag import LagGauge
from steer.store.replication.lease import Lease
from steer.store.replication.link import End, space_at
from steer.store.replication.replicator import Pace, Replicator
from steer.store.replication.standing import Standing
from steer.store.status import LinkStatus, SpaceStatus


class Keeping:
    """`home` is the namespace at this site's own engine; `namespace` is what doors use. `standing` None: the engine has
    nobody to stand in for it."""

    def __init__(
        self,
        own: End,
        promise: Promise,
        engines: Mapping[int, Engine],
        standing: Standing | None,
        clock: Clock,
        pace: Pace,
    ) -> None:
        self.own = own
        ends = [End(engines[site], space_at(own.space, site)) for site in own.space.peers]
        self.home = view(own, ends, promise, clock)
        self.namespace: Namespace = self.home
        if standing and ends:
            away = [view(end, [own, *(each for each in ends if each is not end)], promise, clock) for end in ends]
            self.namespace = FailoverNamespace(self.home, away, standing)
        self._lease = Lease(self.home.locks)
        self.replicator = Replicator(own, ends, self._lease, clock, pace)
        self._gauges = {site: LagGauge(each, clock) for site, each in self.replicator.links.items()}

    async def catch_up(self, seconds: float) -> None:
        """What a peer has of the last seconds, and what it lacks of them. Raises StoreError if none answers."""
        await self.replicator.catch_up(seconds)

    async def status(self) -> SpaceStatus:
        """Raises EngineDown or Indeterminate."""
        links = []
        for site, each in self.replicator.links.items():
            problem = each.shipper.problem if self._lease.is_held else ""
            lag = await self._gauges[site].lag()
            links.append(LinkStatus(site, self._lease.is_held, problem, lag, each.tally))
        dead = next((each.repair.dead for each in self.replicator.links.values() if each.repair.dead), None)
        tombstones = sum(dead.values()) if dead else None
        return SpaceStatus(self.own.space.name, await self.own.engine.pending(self.own.space), links, tombstones)


def view(end: End, others: list[End], promise: Promise, clock: Clock) -> EngineNamespace:
    """The namespace at one site."""
    return EngineNamespace(end.engine, end.space, promise, clock, Confirmation(end, others, promise.timeout))
