"""One run: the place, the load, the faults; then everything is healed, and the evidence is taken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic, time

from chaos.checks import CHECKS, differences
from chaos.engines import CannotStart
from chaos.evidence import Breach, Evidence
from chaos.faults import Faults
from chaos.history import History, Op
from chaos.place import Kind, Place, Replication, Through
from chaos.schedule import CLOCKS, SITES, Step
from chaos.settings import Control
from chaos.straight import dump
from chaos.workloads import WORKLOADS, Client, Load, operate, work


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run. `rate`: operations a second in all; `patience`: seconds that the sites have to agree."""

    seed: int
    seconds: float
    steps: Sequence[Step]
    engines: Kind = "standalone"
    through: Through = "sites"
    replication: Replication = "straight"
    control: Control = ""
    workloads: Sequence[str] = tuple(WORKLOADS)
    clients: int = 12
    rate: float = 200.0
    children_at: tuple[int, int] = (2, 1)
    max_pending: int = 400
    patience: float = 40.0


@dataclass(slots=True)
class Result:
    """`converged`: seconds from the end of the faults until both sites were the same; None: they never were."""

    plan: Plan
    ops: Sequence[Op]
    breaches: Sequence[Breach]
    converged: float | None
    lost_locally: dict[Step, int] = field(default_factory=dict)
    moves: int = 0


class Run:
    """`go` once."""

    def __init__(self, plan: Plan, folder: Path, say: Callable[[str], None]) -> None:
        folder.mkdir(parents=True)
        self._plan = plan
        self._say = say
        self._history = History(folder / "history.jsonl")
        self._place = Place(
            folder,
            plan.engines,
            plan.control,
            any(step.fault in CLOCKS for step in plan.steps),
            plan.children_at,
            plan.max_pending,
            plan.through,
            plan.replication,
            # What an edge's namespace has where a request cannot say it: one in one run, the other in the next.
            "local" if plan.seed % 2 else "all",
        )
        self._began = monotonic()
        self._faults = Faults(self._place, self._now)
        self._stopping = asyncio.Event()
        self._load = Load(self._place, self._history, self._now, self._stopping, plan.rate / plan.clients)

    def _now(self) -> float:
        return monotonic() - self._began

    async def go(self) -> Result:
        """Raises CannotStart."""
        try:
            await self._place.start()
            self._began = monotonic()
            wall = time() - self._now()
            await self._under_load()
            await self._faults.heal()
            healed = self._now()
            converged = await self._converge()
            final = await self._read_everything()
            return await self._judged(final, wall, None if converged is None else converged - healed)
        finally:
            self._history.close()
            await self._place.close()

    async def _under_load(self) -> None:
        names = self._plan.workloads
        clients = [
            Client(self._load, f"c{n}", 1 + n % 2, Random(f"{self._plan.seed} {n}")) for n in range(self._plan.clients)
        ]
        async with asyncio.TaskGroup() as tasks:
            for n, client in enumerate(clients):
                tasks.create_task(work(client, WORKLOADS[names[n // 2 % len(names)]]))
            for step in self._plan.steps:
                tasks.create_task(self._break(step))
            await asyncio.sleep(self._plan.seconds)
            self._stopping.set()

    async def _break(self, step: Step) -> None:
        await asyncio.sleep(max(0.0, step.at - self._now()))
        self._history.note(self._now(), f"begin {step}")
        self._say(f"{self._now():6.1f}  {step}")
        await self._faults.begin(step)
        await asyncio.sleep(max(0.0, step.ends - self._now()))
        await self._faults.end(step)
        self._history.note(self._now(), f"end {step}")

    async def _converge(self) -> float | None:
        """When both engines hold the same; None if they do not in time."""
        end = self._now() + self._plan.patience
        while self._now() < end:
            with suppress(CannotStart):
                one, other = [await dump(self._place.engines[site]) for site in SITES]
                found = differences(one, other)
                if not found:
                    return self._now()
                self._history.note(self._now(), f"{len(found)} records differ, {found[0].decode()} for one")
            await asyncio.sleep(0.25)
        return None

    async def _read_everything(self) -> list[Op]:
        """Each register and field once, through a child of each site."""
        cells = {(op.key, op.field) for op in self._history.ops if op.is_write}
        load = Load(self._place, self._history, self._now, self._stopping, 0.0)
        begun = len(self._history.ops)
        gate, dice = asyncio.Semaphore(32), Random(0)

        async def read(site: int, key: str, field: str) -> None:
            async with gate:
                for _ in range(5):
                    op = await operate(load, "the end", "get", key, site, dice, field=field)
                    if op.outcome == "ok":
                        return
                    await asyncio.sleep(0.3)

        await asyncio.gather(*(read(site, *cell) for site in SITES for cell in sorted(cells)))
        return self._history.ops[begun:]

    async def _judged(self, final: Sequence[Op], wall: float, converged: float | None) -> Result:
        self._history.close()
        during = self._history.ops[: len(self._history.ops) - len(final)]
        evidence = Evidence(
            ops=during,
            final=final,
            steps=self._plan.steps,
            moves=self._faults.moves,
            dumps={site: await dump(self._place.engines[site]) for site in SITES},
            wall=wall,
            max_pending=self._plan.max_pending,
            is_sentinel=self._plan.engines == "sentinel",
            through=self._plan.through,
            crashes=[(child.spot.name, line) for child in self._place.children for line in child.crashes()],
        )
        breaches = [breach for check in CHECKS.values() for breach in check(evidence)]
        return Result(
            self._plan, [*during, *final], breaches, converged, evidence.lost_locally, len(self._faults.moves)
        )


async def run(plan: Plan, folder: Path, say: Callable[[str], None]) -> Result:
    """One run in a folder of its own, which keeps logs and history. Raises CannotStart."""
    return await Run(plan, folder, say).go()
