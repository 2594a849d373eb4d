"""What stands at a site between clients and engines, in processes of its own: it is started, killed, started again."""

from __future__ import annotations

import asyncio
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from chaos.door import Door, Unanswered, Unreachable
from chaos.engines import CannotStart, begun
from chaos.relay import Relay, Way
from chaos.settings import Control

PATIENCE = 40.0
"""Seconds for a start: two CPUs have three edges of four processes to start."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a child stands and what it is told. `folder` is the run's. By site: the ports of `sentinels`, and `relays`,
    one for each way there: one to its engine, or one to each of its edges."""

    site: int
    name: str
    folder: Path
    relays: Mapping[int, Sequence[Relay]]
    sentinels: Mapping[int, int]
    control: Control
    max_pending: int
    acknowledge: str


class Child(ABC):
    """`process` None: it is dead, and nobody starts it but the rig."""

    def __init__(self, spot: Spot, door: Door) -> None:
        self.spot = spot
        self.site = spot.site
        self.relays = spot.relays
        self.door = door
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> Sequence[str]:
        """What starts it."""

    async def start(self) -> None:
        """When it answers, or when another fault has killed it meanwhile. Raises CannotStart."""
        self.process = begun(self.command(), self._log)
        await self.wait_until_it_answers()

    async def wait_until_it_answers(self) -> None:
        """Or is dead because another fault has killed it. Raises CannotStart."""
        started, end = self.process, monotonic() + PATIENCE
        while self.process is started and not await self.answers():
            if monotonic() > end or (started and self.process is started and started.poll() is not None):
                raise CannotStart(f"{self.spot.name} does not start: {self._log.read_text()[-1500:]}")
            await asyncio.sleep(0.05)

    async def answers(self) -> bool:
        try:
            return bool((await self.door.ask("ping"))["outcome"] == "ok")
        except (Unanswered, Unreachable):
            return False

    def kill(self) -> None:
        """All of it, with -9."""
        if self.process:
            self._end(self.process)
            self.process.wait()
            self.process = None

    def take_way(self, site: int, way: Way) -> None:
        """Every one there, from now on."""
        for relay in self.relays[site]:
            relay.take(way)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()

    def crash(self) -> None:
        """With -9, whatever of it may die alone."""
        self.kill()

    def empty(self) -> None:
        """Its disk is gone. Only while it is dead."""
        return  # what it knows is in the engines

    @abstractmethod
    def is_crash(self, line: str) -> bool:
        """Of its log: does it tell of a bug, and not of a fault?"""

    def crashes(self) -> list[str]:
        """What its log tells of those."""
        return [line for line in self._log.read_text(errors="replace").splitlines() if self.is_crash(line)]

    @property
    def _log(self) -> Path:
        return self.spot.folder / f"{self.spot.name}.log"
