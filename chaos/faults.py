"""What each fault does to the place, and how it heals."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from chaos.child import Child
from chaos.door import Unanswered, Unreachable
from chaos.engines import PATIENCE, CannotStart
from chaos.place import Place
from chaos.relay import Way
from chaos.schedule import Fault, Step
from chaos.straight import trim

OTHERS = ("replica", "double-write")
PROMOTED_AFTER = 0.5
BARRIER = 4.0
"""Seconds that a planned move waits for the other site to have everything; then it is called off."""


@dataclass(slots=True)
class Moved:
    """A planned move that held: between these moments the other site serves what this one had."""

    site: int
    fenced: float
    behind_barrier: float
    until: float = float("inf")


@dataclass(slots=True)
class Faults:
    """`begin` and `end` each step. `now`: seconds since the run began."""

    place: Place
    now: Callable[[], float]
    moves: list[Moved] = field(default_factory=list)

    async def begin(self, step: Step) -> None:
        """Returns when it has begun."""
        if (action := BEGINNINGS.get(step.fault)) is not None:
            await action(self, step)

    async def end(self, step: Step) -> None:
        """Returns when what was broken stands again."""
        if (action := ENDINGS.get(step.fault)) is not None:
            await action(self, step)

    async def heal(self) -> None:
        """Whatever is still broken: an overlapping fault may have kept another one's end from having its effect."""
        self.place.join_sites()
        for site in self.place.engines:
            everything = Step(0.0, 0.0, Fault.MOVE, site)
            self.place.split_engine(site, Way.OPEN)
            for mend in (self.go_on, self.set_clock_right, self.start_engine, self.start_store):
                await mend(everything)
        for child in self.place.children:
            await child.wait_until_it_answers()
        for site in self.place.engines:
            await self._lift_for_certain(site)

    # Engines.

    async def kill_engine(self, step: Step) -> None:
        (await self.place.engines[step.site].main()).kill()

    async def start_engine(self, step: Step) -> None:
        for node in self.place.engines[step.site].nodes:
            if not node.is_running:
                await node.start()

    async def stop_engine(self, step: Step) -> None:
        (await self.place.engines[step.site].main()).stop()

    async def go_on(self, step: Step) -> None:
        for node in self.place.engines[step.site].nodes:
            node.go_on()

    async def set_clock(self, step: Step) -> None:
        for node in self.place.engines[step.site].nodes:
            node.set_clock(step.ahead)

    async def set_clock_right(self, step: Step) -> None:
        for node in self.place.engines[step.site].nodes:
            node.set_clock(0.0)

    async def trim(self, step: Step) -> None:
        await trim(self.place.engines[step.site])

    async def flush_scripts(self, step: Step) -> None:
        await (await self.place.engines[step.site].main()).ask("SCRIPT FLUSH")

    async def lose_site(self, step: Step) -> None:
        for child in self.place.at(step.site):
            child.kill()
            child.empty()
        self.place.engines[step.site].kill()
        self.place.engines[step.site].empty()
        if self.place.control == "replica":
            await asyncio.sleep(PROMOTED_AFTER)
            await self.place.promote(3 - step.site)

    async def rebuild_site(self, step: Step) -> None:
        await self.place.engines[step.site].start()
        if self.place.control == "replica":
            await self.place.follow(step.site)
        await self.start_store(step)

    # Processes and ways.

    async def kill_store(self, step: Step) -> None:
        self.place.at(step.site)[0].crash()

    async def start_store(self, step: Step) -> None:
        dead = [child for child in self.place.at(step.site) if child.process is None]
        await asyncio.gather(*(child.start() for child in dead))

    async def split_sites(self, step: Step) -> None:
        how, direction = step.how.split()
        self.place.split_sites(step.site, how, direction)

    async def join_sites(self, step: Step) -> None:
        self.place.join_sites()

    async def split_engine(self, step: Step) -> None:
        self.place.split_engine(step.site, Way(step.how))

    async def join_engine(self, step: Step) -> None:
        self.place.split_engine(step.site, Way.OPEN)

    # Keys.

    async def announce_key(self, step: Step) -> None:
        await self.place.keys.announce()

    async def use_key(self, step: Step) -> None:
        await self.place.keys.use()

    # Moves.

    async def move(self, step: Step) -> None:
        """Fence, barrier; what follows is served by the other site until the fence is lifted."""
        child = self._alive(step.site)
        if child is None:
            return
        with suppress(Unanswered, Unreachable):
            fenced = await child.door.ask("fence", reason="a planned move")
            at = self.now()
            if fenced["outcome"] != "ok":
                return
            reached = await child.door.ask("barrier", within=BARRIER, patience=BARRIER + 3.0)
            if reached.get("missing") == 0:
                self.moves.append(Moved(step.site, at, self.now()))

    async def lift(self, step: Step) -> None:
        for move in self.moves:
            if move.site == step.site:
                move.until = min(move.until, self.now())
        await self._lift(step.site)

    async def _lift(self, site: int) -> bool:
        for child in self.place.at(site):
            with suppress(Unanswered, Unreachable):
                if (await child.door.ask("fence", reason=""))["outcome"] == "ok":
                    return True
        return False

    async def _lift_for_certain(self, site: int) -> None:
        """Plain controls know no fence, and edges have no door for one."""
        end, has_fence = self.now() + PATIENCE, self.place.through == "sites" and self.place.control not in OTHERS
        while has_fence and not await self._lift(site):
            if self.now() > end:
                raise CannotStart(f"the store of site {site} does not answer after everything was healed")
            await asyncio.sleep(0.1)

    def _alive(self, site: int) -> Child | None:
        return next((child for child in self.place.at(site) if child.process), None)


Action = Callable[[Faults, Step], Awaitable[None]]
BEGINNINGS: dict[Fault, Action] = {
    Fault.KILL_ENGINE: Faults.kill_engine,
    Fault.STOP_ENGINE: Faults.stop_engine,
    Fault.KILL_STORE: Faults.kill_store,
    Fault.SPLIT_SITES: Faults.split_sites,
    Fault.SPLIT_ENGINE: Faults.split_engine,
    Fault.STEP_CLOCK: Faults.set_clock,
    Fault.JUMP_CLOCK: Faults.set_clock,
    Fault.TRIM: Faults.trim,
    Fault.FLUSH_SCRIPTS: Faults.flush_scripts,
    Fault.ROTATE_KEY: Faults.announce_key,
    Fault.MOVE: Faults.move,
    Fault.LOSE_SITE: Faults.lose_site,
}
ENDINGS: dict[Fault, Action] = {
    Fault.KILL_ENGINE: Faults.start_engine,
    Fault.STOP_ENGINE: Faults.go_on,
    Fault.KILL_STORE: Faults.start_store,
    Fault.SPLIT_SITES: Faults.join_sites,
    Fault.SPLIT_ENGINE: Faults.join_engine,
    Fault.STEP_CLOCK: Faults.set_clock_right,
    Fault.JUMP_CLOCK: Faults.set_clock_right,
    Fault.ROTATE_KEY: Faults.use_key,
    Fault.MOVE: Faults.lift,
    Fault.LOSE_SITE: Faults.rebuild_site,
}
