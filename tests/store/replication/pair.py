"""Two or three sites with an engine each, and short ways to ask what they hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from steer.clock import SystemClock
from steer.store.codec import pack
from steer.store.engine import Engine
from steer.store.layout import Space
from steer.store.replication.link import End, Link, space_at
from steer.store.replication.repair import Repair
from steer.store.replication.shipper import Shipper
from steer.store.replication.tally import Tally

FEW = Space("web", site=1, peers=(2,), max_lifetime=3600.0, buckets=4)


@dataclass
class Way:
    """One direction, done by hand."""

    link: Link
    tally: Tally
    repair: Repair
    shipper: Shipper

    async def ship(self) -> int:
        """Until nothing is left; how many records that were."""
        total = 0
        while carried := await self.shipper.step():
            total += carried
        return total


def way(own: End, peer: End) -> Way:
    link, tally = Link(own, peer), Tally()
    repair = Repair(link, tally)
    return Way(link, tally, repair, Shipper(link, repair, tally, SystemClock()))


@dataclass
class Pair:
    one: End
    two: End

    @property
    def there(self) -> Way:
        """A new shipper each time: it knows nothing but what the engines keep."""
        return way(self.one, self.two)

    @property
    def back(self) -> Way:
        return way(self.two, self.one)

    def with_space(self, **changes: object) -> Pair:
        space = replace(self.one.space, **changes)  # type: ignore[arg-type]
        return Pair(End(self.one.engine, space), End(self.two.engine, space_at(space, 2)))


def pair_of(one: Engine, two: Engine, space: Space = FEW) -> Pair:
    return Pair(End(one, space), End(two, space_at(space, 2)))


async def holdings(end: End, keys: Iterable[bytes]) -> list[dict[bytes, bytes] | None]:
    """All that is known of these, as bytes."""
    states = await end.engine.states(end.space, list(keys))
    return [pack(state) if state else None for state in states]
