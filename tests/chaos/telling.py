"""Evidence made by hand: what happened, in a line for each operation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from chaos.evidence import SPACE, Breach, Dump, Evidence
from chaos.faults import Moved
from chaos.history import Op, Outcome
from chaos.place import Through
from chaos.schedule import Step
from steer.store.state import Base, Deadline, Field, State

NUMBERS = count()
WALL = 4_000_000_000.0
"""Seconds since 1970 when every run of these tests begins: so late that nothing in it is to be forgotten."""


def stamp(at: float, site: int = 1, counter: int = 0) -> str:
    """Of a write that took effect so many seconds after the beginning."""
    return f"{round((WALL + at) * 1000):013d}{counter:04d}{site:03d}"


def op(f: str, key: str, began: float, ended: float, outcome: Outcome = "ok", **more: object) -> Op:
    made = Op(next(NUMBERS), "c", 1, f, key, began, ended=ended, outcome=outcome)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def put(value: str, began: float, *, key: str = "reg:all:1", at: float | None = None, **more: object) -> Op:
    """Acknowledged a tenth of a second later, in effect at half of that."""
    told = {
        "value": value,
        "ttl": 600.0,
        "acknowledge": "all",
        "stamp": stamp(began + 0.05 if at is None else at),
        **more,
    }
    return op("put", key, began, began + 0.1, **told)  # type: ignore[arg-type]


def saw(value: str | None, began: float, *, key: str = "reg:all:1", at: float = 0.0, **more: object) -> Op:
    return op("get", key, began, began + 0.1, seen=value, stamp=stamp(at) if value else "", **more)  # type: ignore[arg-type]


def holding(**stamps: str) -> Dump:
    """What an engine holds: by key (with _ for :), the stamp of its value."""
    until = Deadline(stamp(0), round((WALL + 600) * 1000))
    return {
        SPACE.record(key.replace("_", ":").encode()): State(Base(each, "S", b"sealed"), deadline=until)
        for key, each in stamps.items()
    }


def holding_field(key: str, field: str, at: str) -> Dump:
    """A hash of one field, with the stamp of its last write."""
    until = Deadline(stamp(0), round((WALL + 600) * 1000))
    state = State(Base(at, "H", b""), {field.encode(): Field(at, True, b"sealed")}, until)
    return {SPACE.record(key.encode()): state}


def evidence(
    ops: Sequence[Op],
    final: Sequence[Op] = (),
    steps: Sequence[Step] = (),
    moves: Sequence[Moved] = (),
    one: Dump | None = None,
    other: Dump | None = None,
    max_pending: int = 2,
    through: Through = "sites",
) -> Evidence:
    one = one or {}
    dumps = {1: one, 2: one if other is None else other}
    return Evidence(ops, final, steps, moves, dumps, WALL, max_pending, through=through)


def keys(breaches: Sequence[Breach]) -> list[str]:
    return [breach.key for breach in breaches]
