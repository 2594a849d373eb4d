"""A record that each site writes every second and every other site reads: replication as it is, from end to end.

It lives in a namespace of its own with one bucket. The age of a peer's canary here is what the other way of its link
is behind by; it grows while nothing arrives, whoever is to blame.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from steer.clock import Clock
from steer.store.errors import StoreError
from steer.store.layout import Space
from steer.store.model import Namespace
from steer.store.replication.link import End
from steer.store.stamp import parts_of

EVERY = 1.0
NAME = "steer.canary"
LIFETIME = 86_400.0


def canary_space(site: int, peers: tuple[int, ...]) -> Space:
    """Canaries alone are never too far behind."""
    return Space(NAME, site, peers, max_lifetime=LIFETIME, max_pending=1 << 53, outbox=1000, buckets=1)


class Canary:
    """`own` is this site's end of the canaries' namespace, `namespace` the view of it."""

    def __init__(self, own: End, namespace: Namespace, clock: Clock) -> None:
        self._own = own
        self._namespace = namespace
        self._clock = clock
        self._heard: dict[int, tuple[float, float]] = {}

    async def sing(self) -> None:
        """For ever."""
        while True:
            with suppress(StoreError):  # its silence says it
                await self._namespace.put(key_of(self._own.site), b"", LIFETIME)
            await asyncio.sleep(EVERY)

    async def behind(self, peer: int) -> float | None:
        """Seconds since the peer's last canary that is here was written, less those between two of them; None if none
        ever came. While this site's own engine does not answer, it is as old as it was, and older by the time since."""
        now = self._clock.monotonic()
        try:
            record = await self._namespace.get(key_of(peer))
            age = (await self._own.engine.time_ms() - parts_of(record.stamp).ms) / 1000 if record else None
        except StoreError:
            heard = self._heard.get(peer)
            return heard[0] + now - heard[1] if heard else None
        if age is None:
            return None
        self._heard[peer] = (max(0.0, age - EVERY), now)
        return self._heard[peer][0]


def key_of(site: int) -> bytes:
    return b"%03d" % site
