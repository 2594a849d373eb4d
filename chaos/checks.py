"""Each check reads the evidence and says which promises did not hold. None of them knows what the store is made of:
they know stamps, moments, and who was answered what.

    lost          an acknowledged write is nowhere, and nothing later stands in its place
    disordered    of two acknowledged writes at one engine, that counts as earlier which began when the other was over
    late          a write took effect after its client was told that it did not, or that nobody knows
    phantom       a write that was refused took effect all the same
    resurrected   a deleted record lives
    expired       a record was served after its end
    diverged      the two engines do not hold the same, byte for byte
    stale         behind the barrier of a planned move, the other site served something older
    lock          two clients held one lock at once
    crashed       a process logged a bug

Conflicts, two sites' writes of one record at once, go to the later stamp and are no loss.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from time import time

from chaos.evidence import Breach, Dump, Evidence
from chaos.history import Op
from chaos.schedule import CLOCKS, SITES, Fault
from steer.store.state import State, forgotten_ms

LATE = 0.5
"""Seconds after its answer in which a write may still take effect: twice the 250 ms that a write has."""
EXPIRED = 1.0
MOST_SHOWN = 400
"""Characters of a log's line."""
MAX_LIFETIME_MS = 28_800_000


def acknowledged(writes: Sequence[Op]) -> list[Op]:
    return [op for op in writes if op.outcome == "ok" and op.stamp and not op.condition]


def lost(e: Evidence) -> Iterator[Breach]:
    """Registers and fields, which nobody deletes. Of `local` writes as many as may go with a site are counted apart."""
    for (key, field), writes in e.cells.items():
        if key.startswith("life:"):
            continue
        last = e.stamp_at_the_end(key, field)
        for op in writes:
            if op.outcome != "ok" or op.condition:
                continue
            stamp = e.least_stamp(op)
            if stamp > last and not excused(e, op):
                yield Breach("lost", key, f"{op.value}, acknowledged ({op.acknowledge}) at {stamp}; last is {last}")


def excused(e: Evidence, op: Op) -> bool:
    """A `local` write that went with its site, of which no more than `max_pending` may."""
    if op.acknowledge == "all":
        return False
    for step in e.losses_after(op):
        e.lost_locally[step] = e.lost_locally.get(step, 0) + 1
        return e.lost_locally[step] <= e.max_pending
    return False


def disordered(e: Evidence) -> Iterator[Breach]:
    """One engine's clock only goes on, whatever its time does. A site that was lost begins with a new one."""
    for (key, _), writes in e.cells.items():
        by_engine = defaultdict(list)
        for op in acknowledged(writes):
            by_engine[op.engine].append(op)
        for ops in by_engine.values():
            for early, late in in_sequence(ops):
                if late.stamp <= early.stamp and not any(e.losses_after(early)):
                    yield Breach(
                        "disordered", key, f"{late.value} at {late.stamp}, after {early.value} at {early.stamp}"
                    )


def in_sequence(ops: Sequence[Op]) -> Iterator[tuple[Op, Op]]:
    """For each write, the one with the latest stamp of all that were over when it began."""
    over = sorted(ops, key=lambda op: op.ended)
    top: Op | None = None
    at = 0
    for op in sorted(ops, key=lambda op: op.began):
        while at < len(over) and over[at].ended < op.began:
            top = over[at] if top is None or over[at].stamp > top.stamp else top
            at += 1
        if top:
            yield top, op


def late(e: Evidence) -> Iterator[Breach]:
    """By the latest stamp under which its value was ever seen."""
    seen: dict[str, str] = {}
    for op in (*e.ops, *e.final):
        if op.f == "get" and not op.field and op.seen is not None and op.stamp:
            seen[op.seen] = max(op.stamp, seen.get(op.seen, ""))
    for op in e.ops:
        if op.is_write and (stamp := max(seen.get(op.value, ""), op.stamp)):
            behind = e.moment(stamp) - op.ended
            if behind > LATE + e.offset(op.began, e.moment(stamp)):
                yield Breach(
                    "late", op.key, f"{op.value} took effect {behind:.2f} s after its client was told {op.outcome}"
                )


def phantom(e: Evidence) -> Iterator[Breach]:
    """A value of a refused write, read by anybody."""
    refused = {op.value for op in e.ops if op.is_write and op.outcome == "fail"}
    for op in (*e.ops, *e.final):
        if op.f == "get" and op.seen in refused:
            yield Breach("phantom", op.key, f"{op.seen} was refused, and read at {op.began:.3f}")


def resurrected(e: Evidence) -> Iterator[Breach]:
    """A value that was over before the deletion began, read at the end."""
    for key, ops in e.by_key.items():
        deletions = [op for op in ops if op.f == "delete" and op.outcome == "ok"]
        for last in e.last_by_cell[key, ""]:
            if last.seen is None:
                continue
            for deletion in deletions:
                dead = [op for op in ops if op.is_write and op.value == last.seen and is_before(e, op, deletion)]
                if dead and not excused(e, deletion):
                    yield Breach(
                        "resurrected", key, f"{last.seen} lives at site {last.site}, deleted at {deletion.began:.3f}"
                    )


def is_before(e: Evidence, op: Op, deletion: Op) -> bool:
    """Certainly, for every engine whose clock may have been set."""
    return op.ended + e.offset(op.began, deletion.ended) < deletion.began


def expired(e: Evidence) -> Iterator[Breach]:
    """Long after the last moment to which any write or touch could have carried it."""
    for key, ops in e.by_key.items():
        living = [op for op in ops if op.f in ("put", "put_fields", "touch") and op.outcome != "fail"]
        for read in (*(op for op in ops if op.f == "get"), *e.last_by_cell[key, ""]):
            if read.seen is None or read.outcome != "ok":
                continue
            end = max((op.ended + op.ttl for op in living if op.began < read.ended), default=read.began)
            if read.began > end + EXPIRED + e.offset(0.0, read.ended):
                yield Breach("expired", key, f"{read.seen} was served {read.began - end:.1f} s after its end")


def diverged(e: Evidence) -> Iterator[Breach]:
    """Every record and every tombstone that is not to be forgotten by now."""
    one, other = (e.dumps[site] for site in SITES)
    for name in differences(one, other):
        key = name.partition(b":r:")[2] or name.partition(b":")[2]
        yield Breach("diverged", key.decode(), f"site 1 has {told(one.get(name))}, site 2 {told(other.get(name))}")


def differences(one: Dump, other: Dump) -> list[bytes]:
    """What is not the same in both, and matters in one."""
    names = (name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    return sorted(name for name in names if matters(one.get(name)) or matters(other.get(name)))


def matters(state: State | bytes | None) -> bool:
    return state is not None and (isinstance(state, bytes) or forgotten_ms(state, MAX_LIFETIME_MS) > time() * 1000)


def told(state: State | bytes | None) -> str:
    if isinstance(state, State):
        fields = ", ".join(f"{name.decode()} {each.stamp}" for name, each in state.fields.items())
        return f"{state.base.kind} {state.base.stamp} until {state.deadline.stamp} {fields}".strip()
    return "nothing" if state is None else state.decode(errors="replace")


def stale(e: Evidence) -> Iterator[Breach]:
    """Registers only: they are neither deleted nor do they end."""
    for move in e.moves:
        for key, ops in e.by_key.items():
            known = [op.stamp for op in acknowledged(ops) if op.engine == move.site and op.ended <= move.fenced]
            for read in ops:
                is_behind = read.began > move.behind_barrier and read.ended < move.until and read.site != move.site
                if not (known and is_behind and read.f == "get" and read.outcome == "ok" and key.startswith("reg:")):
                    continue
                if read.stamp < max(known):
                    yield Breach("stale", key, f"read {read.stamp or 'nothing'} behind the barrier, not {max(known)}")


def locks(e: Evidence) -> Iterator[Breach]:
    """Held from the answer until it is given back, at most for its time. A lock lives by its engine's clock: one that
    is set ends it; and with its site it is gone. While an engine does not answer each edge keeps locks for itself."""
    for key, ops in e.by_key.items():
        if not key.startswith("lock:"):
            continue
        given = {op.value: op.began for op in ops if op.f == "unlock"}
        taken = [op for op in ops if op.f == "lock" and op.outcome == "ok" and op.done]
        holds = [(op.ended, min(given.get(op.value, op.began + op.ttl), op.began + op.ttl), op) for op in taken]
        for (began, ended, op), (other_began, other_ended, other) in combinations(
            sorted(holds, key=lambda it: it[0]), 2
        ):
            if other_began < ended and began < other_ended and not is_lock_broken(e, op.site, began - op.ttl, ended):
                yield Breach("lock", key, f"{op.value} and {other.value} both have it at {other_began:.3f}")


def crashed(e: Evidence) -> Iterator[Breach]:
    """No fault explains it, and nobody may have noticed: what crashed does not answer, or begins again."""
    for name, line in e.crashes:
        yield Breach("crashed", name, line[:MOST_SHOWN])


def is_lock_broken(e: Evidence, site: int, began: float, ended: float) -> bool:
    breaking = [*CLOCKS, Fault.LOSE_SITE]
    if e.is_sentinel or e.through == "edges":
        breaking += [Fault.KILL_ENGINE, Fault.STOP_ENGINE, Fault.SPLIT_ENGINE]
    return any(
        step.fault in breaking and step.site == site and step.at <= ended and began <= step.ends + 5.0
        for step in e.steps
    )


CHECKS: Mapping[str, Callable[[Evidence], Iterator[Breach]]] = {
    "lost": lost,
    "disordered": disordered,
    "late": late,
    "phantom": phantom,
    "resurrected": resurrected,
    "expired": expired,
    "diverged": diverged,
    "stale": stale,
    "lock": locks,
    "crashed": crashed,
}
