"""What stands at one site: its engine, the namespaces over it, and what keeps them the same as at the other sites. Open
for as long as the store process lives.

A door may be used before the engine answers: then a peer's engine does, or every call raises EngineDown, which the door
says. An engine that was down at the start is asked again each second, until it has been told which namespaces it has.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from steer.clock import Clock
from steer.store.background import Background
from steer.store.engine import Engine
from steer.store.errors import EngineDown, Indeterminate, StoreError
from steer.store.layout import Space
from steer.store.model import Namespace
from steer.store.namespace import Promise
from steer.store.replication.canary import NAME as CANARY
from steer.store.replication.canary import Canary, canary_space
from steer.store.replication.keeping import Keeping
from steer.store.replication.link import End, Link
from steer.store.replication.moving import barrier, fence
from steer.store.replication.replicator import Pace
from steer.store.replication.standing import Standing
from steer.store.status import PeerStatus, SiteStatus, SpaceStatus

logger = logging.getLogger("steer.store")

AGAIN = 1.0
"""Seconds between two attempts to open an engine that does not answer."""
NO_PEERS: Mapping[int, Engine] = MappingProxyType({})
DEFAULT_PACE = Pace()


@dataclass(frozen=True, slots=True)
class Kept:
    """A namespace: where its records are, and what a write's OK means."""

    space: Space
    promise: Promise


class Site:
    """`start`, then `namespace`; `close` at the end, with all engines. `peers`: by site, the nearest first; a space may
    name those of them that have it."""

    def __init__(
        self,
        number: int,
        engine: Engine,
        kept: Sequence[Kept],
        clock: Clock,
        peers: Mapping[int, Engine] = NO_PEERS,
        pace: Pace = DEFAULT_PACE,
    ) -> None:
        self.number = number
        self.engine = engine
        self.problem = "it has not answered yet"
        self._peers = peers
        self._clock = clock
        self._standing = Standing(engine, self._catch_up, clock)
        self._work = Background()
        everything = [*kept, Kept(canary_space(number, tuple(peers)), Promise())] if peers else kept
        self._kept = {
            each.space.name: Keeping(
                End(engine, each.space), each.promise, peers, self._standing if peers else None, clock, pace
            )
            for each in everything
        }
        singing = self._kept.get(CANARY)
        self._canary = Canary(singing.own, singing.home, clock) if singing else None

    def __repr__(self) -> str:
        return f"<Site {self.number} [{', '.join(self._kept)}]>"

    @property
    def spaces(self) -> dict[str, Space]:
        """By name: every namespace that is kept here."""
        return {name: each.own.space for name, each in self._kept.items()}

    def namespace(self, name: str) -> Namespace:
        """What doors use."""
        return self._kept[name].namespace

    async def start(self) -> None:
        """Raises StoreError if the engine answers and is another site's."""
        if await self._open():
            self._begin()
        else:
            logger.warning("%s: sessions wait for it", self.problem)
            self._work.start("open the engine", self._open_later)
        if self._peers:
            self._work.start("watch the engine", self._standing.run)

    def _begin(self) -> None:
        for name, each in self._kept.items():
            self._work.start(f"replicate {name}", each.replicator.run)
        if self._canary:
            self._work.start("canary", self._canary.sing)

    async def close(self) -> None:
        """Ends the work, then closes this site's engine and the links to the others."""
        await self._work.close()
        await self.engine.close()
        for peer in self._peers.values():
            await peer.close()

    async def _open(self) -> bool:
        try:
            for each in self._kept.values():
                await self.engine.open(each.own.space)
        except (EngineDown, Indeterminate) as error:
            self.problem = str(error)
            return False
        self.problem = ""
        return True

    async def _open_later(self) -> None:
        while True:
            await asyncio.sleep(AGAIN)
            if await self._open():
                break
        logger.info("the engine of site %d answers", self.number)
        self._begin()

    async def _catch_up(self, seconds: float) -> None:
        for each in self._kept.values():
            await each.catch_up(seconds)

    # Moves.

    async def fence(self, name: str, reason: str) -> None:
        """Stops this site's writes to the namespace; "" lets them go on. Raises EngineDown or Indeterminate."""
        await fence(self._kept[name].own, reason)

    async def barrier(self, name: str, peer: int, within: float) -> int:
        """Waits until the peer has every write made here; how many it lacks after so many seconds: 0 is what a move
        waits for. Raises EngineDown or Indeterminate if this site's engine does not answer."""
        return await barrier(self._link(name, peer), within)

    def _link(self, name: str, peer: int) -> Link:
        return self._kept[name].replicator.links[peer].link

    # Status.

    async def status(self) -> SiteStatus:
        """Asks the engines; never raises."""
        spaces: list[SpaceStatus] = []
        try:
            for name, each in self._kept.items():
                if name != CANARY:
                    spaces.append(await each.status())
        except (EngineDown, Indeterminate) as error:
            self.problem = str(error)
        else:
            self.problem = ""
        skew = max((each.home.skew for each in self._kept.values()), key=abs, default=0.0)
        peers = [await self._peer(site, engine) for site, engine in self._peers.items()]
        return SiteStatus(self.number, self.problem, skew, spaces, peers, self._standing.where.value)

    async def _peer(self, site: int, engine: Engine) -> PeerStatus:
        behind = await self._canary.behind(site) if self._canary else None
        try:
            asked = self._clock.monotonic()
            theirs, ours = await engine.time_ms(), await self.engine.time_ms()
            skew = (theirs - ours) / 1000 + (self._clock.monotonic() - asked) / 2
            waiting = 0
            for name, each in self._kept.items():
                if name != CANARY and site in each.replicator.links:
                    peer = each.replicator.links[site].link.peer
                    waiting += (await engine.pending(peer.space)).get(self.number, 0)
        except StoreError as error:
            return PeerStatus(site, str(error), behind, None, None)
        return PeerStatus(site, "", behind, waiting, skew)
