"""How it is now: numbered, immutable, published by control to every worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class NodeState(StrEnum):
    SERVING = "serving"
    EJECTED = "ejected"
    PROBING = "probing"


class DatacentreState(StrEnum):
    SERVING = "serving"
    DRAINING = "draining"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """How a node is, for every worker. A name that is not in the snapshot has the defaults: serving."""

    state: NodeState = NodeState.SERVING
    since: float = 0.0
    """Wall time of the last change of state."""
    until: float | None = None
    """Wall time at which an ejection ends; None: no end of its own (an operator's, or not ejected)."""
    times: int = 0
    """The n of `base_time x n`."""
    cause: str = ""
    """The detector's name, or `override`."""
    ramp_from: float | None = None
    """Monotonic time at which its ramp began; None: full weight."""
    drained: bool = False
    """An operator drained it: not expected to run, no new clients."""
    held: bool = False
    """Ejected by its evidence, but still tried: the last of its pool in the only usable datacentre."""
    trial: int = 0
    """Number of the trial that may be sent now, 0: none."""
    trial_worker: int = -1
    """The worker that may send it."""


@dataclass(frozen=True, slots=True)
class DatacentreStatus:
    """How a datacentre is, for one group."""

    state: DatacentreState = DatacentreState.SERVING
    since: float = 0.0
    cause: str = ""
    ramp_from: float | None = None
    until: float | None = None
    """Wall time until which clients with affinity may stay in a draining one; None: they may not."""


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """`weights` replace the group's own where an override names them, `rules` those of a rule."""

    weights: Mapping[str, float] = field(default_factory=dict)
    override: str = ""
    """Id of the override that set the weights."""
    rules: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    datacentres: Mapping[str, DatacentreStatus] = field(default_factory=dict)
    at: str = ""
    """Where a group that is at one datacentre is; empty: at the first of its order."""
    arriving: Mapping[str, float] = field(default_factory=dict)
    """While a failback ramps: percent of the new clients for each datacentre, in place of all to `at`."""
    leaving: str = ""
    """The datacentre that it has left, where clients with affinity may stay until `leaving_until` (wall)."""
    leaving_until: float | None = None
    held: str = ""
    """Why nothing of it moves by itself: `hold` (an operator), `penalty`, `most_per_day`; empty: it may."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    number: int = 0
    nodes: Mapping[str, NodeStatus] = field(default_factory=dict)
    groups: Mapping[str, GroupStatus] = field(default_factory=dict)
