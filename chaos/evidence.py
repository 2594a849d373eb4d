"""What the checks read: the history, the faults, and what both sites hold at the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from chaos.faults import Moved
from chaos.history import Op
from chaos.place import Through
from chaos.schedule import SITES, Fault, Step, offset
from chaos.settings import BUCKETS, NAME
from steer.store.layout import Space
from steer.store.state import State

Dump = Mapping[bytes, State | bytes]
SPACE = Space(NAME, site=1, buckets=BUCKETS)
SPACE_OF: Mapping[Through, Space] = {"sites": SPACE, "edges": Space(NAME, site=1)}


@dataclass(frozen=True, slots=True)
class Breach:
    """A promise that did not hold. `key` leads to its operations."""

    promise: str
    key: str
    what: str


@dataclass
class Evidence:
    """`ops` without the last reads, which are `final`, by site and key and field. `wall`: seconds since 1970 when the
    run began. `dumps` by site."""

    ops: Sequence[Op]
    final: Sequence[Op]
    steps: Sequence[Step]
    moves: Sequence[Moved]
    dumps: Mapping[int, Dump]
    wall: float
    max_pending: int
    is_sentinel: bool = False
    through: Through = "sites"
    crashes: Sequence[tuple[str, str]] = ()
    """By name of the child: lines of its log."""
    lost_locally: dict[Step, int] = field(default_factory=dict)
    """By loss of a site (or of a master): acknowledged `local` writes that went with it, as is said that they may."""

    @cached_property
    def by_key(self) -> dict[str, list[Op]]:
        found: dict[str, list[Op]] = defaultdict(list)
        for op in sorted(self.ops, key=lambda op: op.began):
            found[op.key].append(op)
        return found

    @cached_property
    def cells(self) -> dict[tuple[str, str], list[Op]]:
        """The writes of each register or field of a hash."""
        found: dict[tuple[str, str], list[Op]] = defaultdict(list)
        for op in self.ops:
            if op.is_write:
                found[op.key, op.field].append(op)
        return found

    def last(self, key: str, field: str = "") -> list[Op]:
        """The last read at each site."""
        return [op for op in self.final if (op.key, op.field) == (key, field) and op.outcome == "ok"]

    @cached_property
    def last_by_cell(self) -> dict[tuple[str, str], list[Op]]:
        found: dict[tuple[str, str], list[Op]] = defaultdict(list)
        for op in self.final:
            if op.outcome == "ok":
                found[op.key, op.field].append(op)
        return found

    def stamp_at_the_end(self, key: str, field: str) -> str:
        """The later of both sites'; "" if it is nowhere."""
        name = SPACE_OF[self.through].record(key.encode())
        stamps = [""]
        for site in SITES:
            state = self.dumps[site].get(name)
            if isinstance(state, State):
                own = state.fields.get(field.encode()) if field else None
                stamps.append(own.stamp if own else "" if field else state.base.stamp)
        stamps += [op.stamp for op in self.last_by_cell[key, field] if op.seen is not None and not field]
        return max(stamps)

    def least_stamp(self, op: Op) -> str:
        """Of a write that was acknowledged: what it has, or what it cannot be before. RESP tells no stamps."""
        began = op.began - self.offset(op.began, op.ended)
        return op.stamp or f"{int((self.wall + began) * 1000):013d}{0:07d}"

    def moment(self, stamp: str) -> float:
        """When a write took effect, by its stamp: seconds since the run began."""
        return int(stamp[:13]) / 1000 - self.wall

    def offset(self, began: float, ended: float) -> float:
        """Seconds that stamps of this time may be off."""
        return offset(self.steps, began, ended)

    def losses_after(self, op: Op) -> Iterator[Step]:
        """In which an acknowledged `local` write may have gone: of the site whose engine took it. Without a stamp that
        is not known, since the other one takes the writes of an engine that is away."""
        for step in self.steps:
            is_master = self.is_sentinel and step.fault in MASTER_GOES
            until = step.ends + (TWO_MASTERS if is_master else 0.0)
            is_its = step.site == op.engine or (self.through == "edges" and not op.stamp)
            if (is_master or step.fault is Fault.LOSE_SITE) and is_its and op.began <= until:
                yield step


MASTER_GOES = (Fault.KILL_ENGINE, Fault.STOP_ENGINE)
TWO_MASTERS = 15.0
"""Seconds after a master came back in which Sentinel may not have made a replica of it, and both take writes. It was 10
in a run; `min-replicas-to-write 1` is what an operator has against that."""
