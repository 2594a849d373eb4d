"""The place: two sites on this machine, and everything in it that can be broken.

clients -> child (site, number) --relay--> engine of its own site
                                --relay--> engine of the other site, or each of its edges (`joining`)

A child is an edge, or a store process of the rig (`through`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Literal

from chaos.child import Child, Spot
from chaos.edge_child import EdgeChild
from chaos.engines import RedisProcess, SentinelProcess
from chaos.joining import Joining
from chaos.keys import FileKeys, Keys, ToldKeys
from chaos.relay import Relay, Way
from chaos.schedule import SITES
from chaos.settings import Control
from chaos.store_child import StoreChild

Kind = Literal["standalone", "sentinel"]
Through = Literal["sites", "edges"]
Replication = Literal["straight", "bind"]
"""How an edge goes to the other site: to its Redis, or to its edges."""


@dataclass(slots=True)
class SiteEngine:
    """One site's Redis. With Sentinel a second one and the Sentinel; `main` is whichever is the master."""

    nodes: list[RedisProcess]
    sentinel: SentinelProcess | None = None

    async def main(self) -> RedisProcess:
        for node in self.nodes[1:]:
            if b"role:master" in await node.ask("INFO replication"):
                return node
        return self.nodes[0]

    async def start(self) -> None:
        for node in self.nodes:
            await node.start()
        for node in self.nodes[1:]:
            await node.ask(f"REPLICAOF 127.0.0.1 {self.nodes[0].port}")
        if self.sentinel:
            await self.sentinel.start()

    def kill(self) -> None:
        for node in [*self.nodes, *([self.sentinel] if self.sentinel else [])]:
            node.go_on()
            node.kill()

    def empty(self) -> None:
        for node in self.nodes:
            node.empty()
        if self.sentinel:
            self.sentinel.begin_anew(self.nodes[0].port)


@dataclass(slots=True)
class Place:
    """`start`, then break what you like, `close`. `has_clocks`: engines under libfaketime."""

    folder: Path
    kind: Kind = "standalone"
    control: Control = ""
    has_clocks: bool = False
    children_at: tuple[int, int] = (1, 1)
    max_pending: int = 400
    through: Through = "sites"
    replication: Replication = "straight"
    acknowledge: str = "local"
    engines: dict[int, SiteEngine] = field(default_factory=dict)
    children: list[Child] = field(default_factory=list)
    keys: Keys = field(init=False)
    joining: Joining | None = None
    replica_relay: Relay | None = None

    # Coming and going.

    async def start(self) -> None:
        """When every process answers. Raises CannotStart."""
        for site in SITES:
            self.engines[site] = self._engine(site)
            await self.engines[site].start()
        if self.control == "replica":
            self.replica_relay = Relay(self.engines[1].nodes[0].port)
            await self.replica_relay.start()
            await self.follow(2)
        await self._add_children()
        await asyncio.gather(*(child.start() for child in self.children))

    async def _add_children(self) -> None:
        names = {
            f"{'edge' if self.through == 'edges' else 'store'}-{site}{'abc'[number]}": site
            for site, count in zip(SITES, self.children_at, strict=True)
            for number in range(count)
        }
        if self.replication == "bind":
            self.joining = Joining(self.folder, names)
        spots = [await self._spot(site, name) for name, site in names.items()]
        if self.through == "edges":
            file = self.folder / "session-keys.yaml"
            self.keys = FileKeys(file)
            self.children += [EdgeChild(spot, file, self.joining) for spot in spots]
        else:
            self.keys = told = ToldKeys(self.children)
            self.children += [StoreChild(spot, told) for spot in spots]

    async def _spot(self, site: int, name: str) -> Spot:
        relays = {other: [Relay(port) for port in self._ways(site, other)] for other in SITES}
        for relay in chain.from_iterable(relays.values()):
            await relay.start()
        return Spot(
            site,
            name,
            self.folder,
            relays,
            {other: it.sentinel.port for other, it in self.engines.items() if it.sentinel},
            self.control,
            self.max_pending,
            self.acknowledge,
        )

    def _ways(self, site: int, other: int) -> Sequence[int]:
        """The ports to which a child of this site goes at that one."""
        if self.joining and site != other:
            return self.joining.ports_at(other)
        return [self.engines[other].nodes[0].port]

    def _engine(self, site: int) -> SiteEngine:
        has_second = self.kind == "sentinel"
        nodes = [
            RedisProcess(self.folder / f"engine-{site}{letter}", has_clock=self.has_clocks)
            for letter in ("ab" if has_second else "a")
        ]
        sentinel = SentinelProcess(self.folder / f"sentinel-{site}", nodes[0].port) if has_second else None
        return SiteEngine(nodes, sentinel)

    async def close(self) -> None:
        """Processes first, and all of them: what follows can be interrupted."""
        for child in self.children:
            child.kill()
        for engine in self.engines.values():
            engine.kill()
        for child in self.children:
            await child.door.close()
            for relay in chain.from_iterable(child.relays.values()):
                await relay.close()
        if self.replica_relay:
            await self.replica_relay.close()

    # Parts.

    def at(self, site: int) -> list[Child]:
        return [child for child in self.children if child.site == site]

    def split_sites(self, site: int, how: str, direction: str) -> None:
        """`out`: from this site's processes to the other engine."""
        for child in self.children:
            outward = child.site == site
            if direction == "both" or outward == (direction == "out"):
                child.take_way(3 - child.site, Way(how))
        if self.replica_relay:
            self.replica_relay.take(Way(how))

    def join_sites(self) -> None:
        for child in self.children:
            child.take_way(3 - child.site, Way.OPEN)
        if self.replica_relay:
            self.replica_relay.take(Way.OPEN)

    def split_engine(self, site: int, way: Way) -> None:
        for child in self.at(site):
            child.take_way(site, way)

    async def follow(self, site: int) -> None:
        """A control's: this site's Redis is the replica from now on."""
        relay = self.replica_relay
        port = relay.port if site == 2 and relay else self.engines[3 - site].nodes[0].port
        await self.engines[site].nodes[0].ask(f"REPLICAOF 127.0.0.1 {port}")

    async def promote(self, site: int) -> None:
        await self.engines[site].nodes[0].ask("REPLICAOF NO ONE")
