"""What the configuration says of networks: the longest prefix that an address lies in."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network

from steer.steering.model import Place

BITS = {4: 32, 6: 128}


class Networks:
    """Of (CIDR, place). One look-up for each length of prefix that occurs, however many networks there are."""

    def __init__(self, networks: Sequence[tuple[str, Place]]) -> None:
        by_length: dict[tuple[int, int], dict[int, Place]] = {}
        for text, place in networks:
            network = ip_network(text, strict=False)
            shift = BITS[network.version] - network.prefixlen
            # Of a network that is there twice the first counts, as for rules.
            by_length.setdefault((network.version, shift), {}).setdefault(int(network.network_address) >> shift, place)
        self._by_length = {
            version: [(shift, by_length[of, shift]) for of, shift in sorted(by_length) if of == version]
            for version in BITS
        }

    def __bool__(self) -> bool:
        return any(self._by_length.values())

    def find(self, version: int, number: int) -> Place | None:
        """The place of an address of IP version 4 or 6, given as a number."""
        for shift, places in self._by_length[version]:
            place = places.get(number >> shift)
            if place is not None:
                return place
        return None
