"""The place: two sites on this machine, and everything in it that can be broken.

clients -> store process (site, number) --relay--> engine of its own site
                                        --relay--> engine of the other site
"""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Literal

from chaos.door import Door, Unanswered, Unreachable
from chaos.engines import PATIENCE, CannotStart, RedisProcess, SentinelProcess, begun, free_port
from chaos.relay import Relay, Way
from chaos.schedule import SITES
from chaos.settings import Control, Engine, Settings

Kind = Literal["standalone", "sentinel"]
FAR = 1.0
"""Seconds that a process waits for the other site's engine; its own has 0.25."""


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
class StoreChild:
    """One store process. `relays` by site."""

    site: int
    name: str
    port: int
    relays: dict[int, Relay]
    door: Door
    process: subprocess.Popen[bytes] | None = None


@dataclass(slots=True)
class Place:
    """`start`, then break what you like, `close`. `has_clocks`: engines under libfaketime."""

    folder: Path
    kind: Kind = "standalone"
    control: Control = ""
    has_clocks: bool = False
    children_at: tuple[int, int] = (1, 1)
    max_pending: int = 400
    engines: dict[int, SiteEngine] = field(default_factory=dict)
    children: list[StoreChild] = field(default_factory=list)
    keys: list[tuple[str, str, str]] = field(default_factory=list)
    replica_relay: Relay | None = None

    # Coming and going.

    async def start(self) -> None:
        """When every process answers. Raises CannotStart."""
        self.keys = [new_key("active")]
        for site in SITES:
            self.engines[site] = self._engine(site)
            await self.engines[site].start()
        if self.control == "replica":
            self.replica_relay = Relay(self.engines[1].nodes[0].port)
            await self.replica_relay.start()
            await self.follow(2)
        for site, count in zip(SITES, self.children_at, strict=True):
            for number in range(count):
                await self._add_child(site, number)
        await asyncio.gather(*(self.start_child(child) for child in self.children))

    def _engine(self, site: int) -> SiteEngine:
        has_second = self.kind == "sentinel"
        nodes = [
            RedisProcess(self.folder / f"engine-{site}{letter}", has_clock=self.has_clocks)
            for letter in ("ab" if has_second else "a")
        ]
        sentinel = SentinelProcess(self.folder / f"sentinel-{site}", nodes[0].port) if has_second else None
        return SiteEngine(nodes, sentinel)

    async def _add_child(self, site: int, number: int) -> None:
        relays = {other: Relay(self.engines[other].nodes[0].port) for other in SITES}
        for relay in relays.values():
            await relay.start()
        port = free_port()
        self.children.append(StoreChild(site, f"store-{site}{'abc'[number]}", port, relays, Door(port)))

    async def start_child(self, child: StoreChild) -> None:
        """When it answers, or when another fault has killed it meanwhile."""
        log = self.folder / f"{child.name}.log"
        command = [sys.executable, "-m", "chaos.store_process", self._settings(child).model_dump_json()]
        child.process = started = begun(command, log)
        end = monotonic() + PATIENCE
        while child.process is started and not await reachable(child.door):
            if monotonic() > end or (child.process is started and started.poll() is not None):
                raise CannotStart(f"{child.name} does not start: {log.read_text()[-1500:]}")
            await asyncio.sleep(0.05)

    def _settings(self, child: StoreChild) -> Settings:
        engines = {}
        for site, relay in child.relays.items():
            timeout = 0.25 if site == child.site else FAR
            sentinel = self.engines[site].sentinel
            url = f"redis://127.0.0.1:{relay.port}/0"
            engines[site] = (
                Engine(sentinels=(sentinel.port,), timeout=timeout) if sentinel else Engine(url=url, timeout=timeout)
            )
        return Settings(
            site=child.site,
            port=child.port,
            engines=engines,
            control=self.control,
            max_pending=self.max_pending,
            keys=tuple(self.keys),
        )

    def kill_child(self, child: StoreChild) -> None:
        if child.process:
            child.process.kill()
            child.process.wait()
            child.process = None

    async def close(self) -> None:
        """Processes first, and all of them: what follows can be interrupted."""
        for child in self.children:
            self.kill_child(child)
        for engine in self.engines.values():
            engine.kill()
        for child in self.children:
            await child.door.close()
            for relay in child.relays.values():
                await relay.close()
        if self.replica_relay:
            await self.replica_relay.close()

    # Parts.

    def at(self, site: int) -> list[StoreChild]:
        return [child for child in self.children if child.site == site]

    def split_sites(self, site: int, how: str, direction: str) -> None:
        """`out`: from this site's processes to the other engine."""
        for child in self.children:
            outward = child.site == site
            if direction == "both" or outward == (direction == "out"):
                child.relays[3 - child.site].take(Way(how))
        if self.replica_relay:
            self.replica_relay.take(Way(how))

    def join_sites(self) -> None:
        for child in self.children:
            child.relays[3 - child.site].take(Way.OPEN)
        if self.replica_relay:
            self.replica_relay.take(Way.OPEN)

    def split_engine(self, site: int, way: Way) -> None:
        for child in self.at(site):
            child.relays[site].take(way)

    async def follow(self, site: int) -> None:
        """A control's: this site's Redis is the replica from now on."""
        relay = self.replica_relay
        port = relay.port if site == 2 and relay else self.engines[3 - site].nodes[0].port
        await self.engines[site].nodes[0].ask(f"REPLICAOF 127.0.0.1 {port}")

    async def promote(self, site: int) -> None:
        await self.engines[site].nodes[0].ask("REPLICAOF NO ONE")

    async def tell_ring(self) -> None:
        """Every process that lives; who is started later gets it then."""
        for child in self.children:
            with suppress(Unanswered, Unreachable):
                await child.door.ask("ring", keys=self.keys)


def new_key(state: str) -> tuple[str, str, str]:
    return secrets.token_hex(4), secrets.token_hex(32), state


async def reachable(door: Door) -> bool:
    try:
        return bool((await door.ask("ping"))["outcome"] == "ok")
    except (Unanswered, Unreachable):
        return False
