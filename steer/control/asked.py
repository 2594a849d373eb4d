"""A request that nobody sent: somebody asks where it would go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from steer.control.asking import known
from steer.errors import Unacceptable
from steer.proxy.http.cookies import cookie
from steer.steering.hosts import HostEntry
from steer.steering.model import NOWHERE, Bound, Place
from steer.steering.tables import Tables

NO_WORKER = -1
"""Trials are granted to workers; who explains is none."""


Bind = Callable[[str, str, Mapping[str, str]], tuple[Bound | None, str]]
"""(service, target, fields by name in lower case) -> where affinity says that the client is, and its learned key."""


def nobody_bound(service: str, target: str, fields: Mapping[str, str]) -> tuple[Bound | None, str]:
    """`Bind` where nobody knows."""
    return None, ""


@dataclass(frozen=True, slots=True)
class AskedFacts:
    """Counts as a request that could be sent again, as a GET."""

    entry: HostEntry
    pool: str
    client: str
    path: str = "/"
    retriable: bool = True
    idempotent: bool = True
    place: Place = NOWHERE
    bound: Bound | None = None
    key: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    """By name in lower case."""

    def field(self, name: str) -> str | None:
        return self.fields.get(name)

    def cookie(self, name: str) -> str | None:
        value = cookie([f"cookie:{self.fields.get('cookie', '')}".encode()], name.encode())
        return value.decode() if value is not None else None


def asked_facts(
    tables: Tables,
    host: str,
    path: str,
    client: str,
    place: Place = NOWHERE,
    fields: Mapping[str, str] = MappingProxyType({}),
    bind: Bind = nobody_bound,
) -> AskedFacts:
    """`host` may carry a port, `path` a query. Raises Unacceptable where no service or no route is meant."""
    name = without_port(host).lower()
    known("hostname", name, tables.hosts)
    entry = tables.hosts[name]
    target, path = path, path.partition("?")[0]
    pool = entry.pool_for(path)
    if pool is None:
        raise Unacceptable(f"no route of {entry.service} matches {path}", "the answer would be 404 no_route")
    lowered = {name.lower(): value for name, value in fields.items()}
    bound, key = bind(entry.service, target, lowered) if entry.pinned is None else (None, "")
    return AskedFacts(entry, pool, client, path=path, place=place, bound=bound, key=key, fields=lowered)


def without_port(host: str) -> str:
    name, _, port = host.rpartition(":")
    return name if name and port.isdigit() else host
