"""Where an address is, by all that one configuration knows."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from steer.geo.databases import Databases
from steer.geo.networks import Networks
from steer.geo.records import put_together
from steer.steering.conditions import numbered
from steer.steering.model import NOWHERE, Place

MOST_KEPT = 16_384
"""Addresses whose place is kept, the last ones asked for: 8 MiB a worker at most. A kept one costs under 1 us, another
0.1 ms, so clients who come with ever new addresses win nothing by it but that."""


class Geo:
    """`place` never raises. Nothing configured: everybody is nowhere, and nothing is kept."""

    def __init__(self, networks: Networks, databases: Databases) -> None:
        self._networks = networks
        self._databases = databases
        self._changes = databases.changes
        self._kept = lru_cache(MOST_KEPT)(self._find)

    def place(self, address: str) -> Place:
        """Of an address as text. ::ffff:192.0.2.1 is looked up as 192.0.2.1."""
        if self._changes != self._databases.changes:
            self._changes = self._databases.changes
            self._kept.cache_clear()
        return self._kept(address)

    @property
    def kept(self) -> int:
        """Addresses whose place is kept now."""
        return self._kept.cache_info().currsize

    def _find(self, address: str) -> Place:
        known = numbered(address)
        if known is None:
            return NOWHERE
        version, number = known
        place = self._networks.find(version, number) or NOWHERE
        readers = self._databases.readers
        if readers:
            parsed = IPv4Address(number) if version == 4 else IPv6Address(number)
            for database in readers:
                place = put_together(place, database.place(parsed))
        return place
