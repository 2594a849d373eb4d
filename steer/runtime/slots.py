"""Who accepts from the slot of a worker that cannot. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from steer.runtime.orders import Order


def helpers(able: Sequence[bool]) -> dict[int, int]:
    """Slot -> the worker that helps out: the next able one, counting round. Empty when nobody is able."""
    if not any(able):
        return {}
    return {slot: _next_able(able, slot) for slot, is_able in enumerate(able) if not is_able}


def changes(now: Mapping[int, int], wanted: Mapping[int, int]) -> Iterator[tuple[int, Order, int]]:
    """(worker, order, slot) from one sharing to the other. Releases come last, so that no slot is without a worker."""
    for slot, worker in wanted.items():
        if now.get(slot) != worker:
            yield worker, Order.ACCEPT, slot
    for slot, worker in now.items():
        if wanted.get(slot) != worker:
            yield worker, Order.RELEASE, slot


def _next_able(able: Sequence[bool], slot: int) -> int:
    return next((slot + step) % len(able) for step in range(1, len(able)) if able[(slot + step) % len(able)])
