"""How much one client may write: so that a scanner with a new key in each request fills nobody's memory."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Address, ip_address

A_MINUTE = 60.0
MOST_WRITES = 100
"""New keys a minute from one client's address: a person begins one conversation at a time, an office behind one
address some dozens."""
MOST_CLIENTS = 65_536
"""Addresses counted at once: 10 MiB. While there are more, addresses that are not counted yet write nothing."""


class Quota:
    """Whole minutes, counted anew in each. An IPv6 client is its /64, which is what one customer gets (RFC 6177)."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._ends = 0.0

    def take(self, client: str, now: float) -> bool:
        """Whether this client (an address as text) may write once more. `now` in seconds of any clock."""
        if not self._ends - A_MINUTE <= now < self._ends:
            self._counts.clear()
            self._ends = now + A_MINUTE
        client = _network(client)
        if client not in self._counts and len(self._counts) >= MOST_CLIENTS:
            return False
        self._counts[client] += 1
        return self._counts[client] <= MOST_WRITES


def _network(client: str) -> str:
    if ":" not in client:
        return client
    address = ip_address(client)
    assert isinstance(address, IPv6Address)
    return str(IPv6Address(int(address) >> 64 << 64))
