"""Addresses whose connections ended as floods: for a while they get no new ones, which costs a handshake each time.

A flood that is told to calm down comes back on a new connection, and its handshake and first requests cost more than
the rest of it. So the address is refused before TLS, for longer each time. It may be shared (NAT), so a penalty is
short, and it ends nothing that is under way. Trusted proxies are never held: many clients stand behind them.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

FIRST_S = 5.0
LONGEST_S = 60.0
FORGOTTEN_S = 60.0
"""After a penalty's end: then the next one is a first one again."""
ROOM = 4096
"""Addresses; with more, the one that was added first is forgotten. A few hundred KiB."""
NETWORK_BITS = 64
"""Of an IPv6 address: what one subscriber has at least (RFC 6177)."""


class Penalty(NamedTuple):
    until: float
    seconds: float


class Penalties:
    """`now` is monotonic seconds."""

    def __init__(self) -> None:
        self._held: dict[str, Penalty] = {}
        """By address or network, the oldest first."""

    def __len__(self) -> int:
        return len(self._held)

    def add(self, address: str, now: float) -> None:
        """A connection of this address ended as a flood."""
        key = network_of(address)
        known = self._held.pop(key, None)
        if known is None or now > known.until + FORGOTTEN_S:
            seconds = FIRST_S
        elif now < known.until:
            seconds = known.seconds  # another connection of the same flood
        else:
            seconds = min(2 * known.seconds, LONGEST_S)
        self._held[key] = Penalty(now + seconds, seconds)
        if len(self._held) > ROOM:
            del self._held[next(iter(self._held))]

    def holds(self, address: str, now: float) -> bool:
        """No new connections from there now."""
        if not self._held:
            return False
        penalty = self._held.get(network_of(address))
        return penalty is not None and now < penalty.until

    def sweep(self, now: float) -> None:
        """Forget what does not count any more. Call it now and then."""
        for key in [key for key, penalty in self._held.items() if now > penalty.until + FORGOTTEN_S]:
            del self._held[key]


def network_of(address: str) -> str:
    """What counts as one client: an IPv4 address, the /64 of an IPv6 address."""
    if ":" not in address:
        return address
    found = ip_address(address.partition("%")[0])
    assert isinstance(found, IPv6Address)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(IPv6Address(int(found) >> NETWORK_BITS << NETWORK_BITS))
