"""Which faults a run has: the usual one, the one that loses a site, and each control's own, which needs few to fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from chaos.engines import faketime
from chaos.place import Kind, Through
from chaos.rig import Plan
from chaos.schedule import CLOCKS, NEEDS_RELAY, USUAL, Fault, Step, schedule
from chaos.settings import Control

Steps = tuple[Step, ...]
EDGES_RATE, EDGES_PATIENCE = 150.0, 90.0
"""Operations a second: three edges are a dozen processes. Seconds to agree: a back-fill goes through 1,024 buckets."""
FAULTS_OF = {"faults": USUAL, "loss": (*USUAL, Fault.LOSE_SITE)}
CONTROLS: Mapping[Control, tuple[Steps, tuple[str, ...]]] = {
    "replica": (
        (
            Step(0.8, 2.4, Fault.SPLIT_SITES, 1, "held both"),
            Step(2.8, 1.0, Fault.LOSE_SITE, 1),
        ),
        ("register",),
    ),
    "double-write": ((Step(1.0, 1.5, Fault.SPLIT_SITES, 1, "cut both"),), ("register",)),
    "no-tombstones": (
        (
            Step(0.7, 1.5, Fault.SPLIT_SITES, 1, "cut both"),
            Step(2.6, 1.0, Fault.SPLIT_SITES, 2, "held both"),
        ),
        ("life cycle",),
    ),
    "wall-clock": (
        (Step(0.3, 1.2, Fault.STEP_CLOCK, 1, "", 3.0), Step(2.0, 1.0, Fault.STEP_CLOCK, 2, "", 3.0)),
        ("register", "hash"),
    ),
    "no-not-after": (
        (Step(0.4, 1.5, Fault.STOP_ENGINE, 1), Step(2.2, 1.8, Fault.STOP_ENGINE, 2)),
        ("register",),
    ),
}


def plan(seed: int, seconds: float, profile: str, engines: Kind, through: Through) -> tuple[Plan, list[str]]:
    """The run, and what of it must be left out here, in words."""
    faults = list(FAULTS_OF[profile])
    left_out = []
    if faketime() is None:
        faults = [fault for fault in faults if fault not in CLOCKS]
        left_out.append("clocks stay as they are: libfaketime is not installed (scripts/need faketime)")
    if engines == "sentinel":
        faults = [fault for fault in faults if fault not in NEEDS_RELAY]
        left_out.append("nothing is split: Sentinel tells clients where its masters are, past the relays")
    if through == "edges":
        faults.remove(Fault.MOVE)
        left_out.append("nobody moves: no door of an edge has the fence and the barrier")
    made = Plan(seed, seconds, schedule(seed, seconds, faults), engines=engines, through=through)
    return (replace(made, rate=EDGES_RATE, patience=EDGES_PATIENCE) if through == "edges" else made), left_out


def control_plan(seed: int, control: Control, seconds: float = 4.4) -> Plan:
    """A few seconds that the control must not survive."""
    steps, workloads = CONTROLS[control]
    return Plan(
        seed, seconds, steps, control=control, workloads=workloads, children_at=(1, 1), patience=2.5, clients=12
    )
