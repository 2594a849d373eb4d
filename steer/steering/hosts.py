"""Whom a request is for: hostname -> service, path -> pool. Prepared once for the life of a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from steer.steering.model import Affinity, Pinned, Route, Service, Topology

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class PinnedTo:
    """The datacentre of a debug hostname, and the networks that may use it (none listed: everybody)."""

    datacentre: str
    allow: tuple[Network, ...]

    def allows(self, client: str) -> bool:
        """Whether this client's address (text, as the listener saw it) may use the hostname."""
        return not self.allow or is_in(client, self.allow)


def is_in(client: str, networks: tuple[Network, ...]) -> bool:
    """Text that is no address lies in no network. ::ffff:192.0.2.1 counts as 192.0.2.1 (RFC 4291, 2.5.5.2)."""
    try:
        address = ip_address(client)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)


class HostEntry:
    """What one hostname means. Only names, so an entry stays right when a new snapshot comes."""

    __slots__ = ("_only", "_prefixes", "affinity", "group", "is_plain", "pinned", "routes", "service")

    def __init__(
        self,
        service: str,
        group: str,
        routes: tuple[Route, ...],
        pinned: PinnedTo | None = None,
        affinity: Affinity | None = None,
    ) -> None:
        self.service = service
        self.group = group
        self.routes = routes
        self.pinned = pinned
        self.affinity = affinity
        self.is_plain = pinned is None and affinity is None
        """Neither the hostname nor who asks decides where it goes."""
        longest_first = sorted(routes, key=lambda route: len(route.path.rstrip("/")), reverse=True)
        self._prefixes = tuple((route.path.rstrip("/"), route.pool) for route in longest_first)
        self._only = self._prefixes[0][1] if len(routes) == 1 and not self._prefixes[0][0] else None

    def __repr__(self) -> str:
        pinned = f" pinned to {self.pinned.datacentre}" if self.pinned else ""
        return f"<HostEntry {self.service} of {self.group}{pinned}>"

    def pool_for(self, path: str) -> str | None:
        """The pool of the longest route that matches whole segments, None where no route does.

        `path` comes without its query and as it was sent: `%2f` is no slash here, so `/bots%2fx` is not under `/bots`.
        The route `/` matches everything, `*` (OPTIONS, RFC 9112 section 3.2.4) too.
        """
        if self._only is not None:
            return self._only
        for prefix, pool in self._prefixes:
            if not prefix or path == prefix or (path.startswith(prefix) and path[len(prefix)] == "/"):
                return pool
        return None


def prepare_hosts(topology: Topology) -> dict[str, HostEntry]:
    """Every hostname of every service, in lower case."""
    hosts: dict[str, HostEntry] = {}
    for service in topology.services.values():
        hosts.update(_hosts_of(service))
    return hosts


def prepare_services(topology: Topology) -> dict[str, HostEntry]:
    """By the service's name: for listeners that are of one service, whatever comes (TCP)."""
    return {name: HostEntry(name, service.group, service.routes) for name, service in topology.services.items()}


def _hosts_of(service: Service) -> Mapping[str, HostEntry]:
    entry = HostEntry(service.name, service.group, service.routes, affinity=service.affinity)
    hosts = {name.lower(): entry for name in service.hostnames}
    for name, pinned in service.pinned.items():
        hosts[name.lower()] = HostEntry(service.name, service.group, service.routes, _parse(pinned), service.affinity)
    return hosts


def _parse(pinned: Pinned) -> PinnedTo:
    return PinnedTo(pinned.datacentre, tuple(ip_network(text, strict=False) for text in pinned.allow))
