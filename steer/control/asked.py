"""A request that nobody sent: somebody asks where it would go."""

from __future__ import annotations

from dataclasses import dataclass

from steer.control.asking import known
from steer.errors import Unacceptable
from steer.steering.hosts import HostEntry
from steer.steering.tables import Tables

NO_WORKER = -1
"""Trials are granted to workers; who explains is none."""


@dataclass(frozen=True, slots=True)
class AskedFacts:
    """Counts as a request that could be sent again, as a GET."""

    entry: HostEntry
    pool: str
    client: str
    retriable: bool = True


def asked_facts(tables: Tables, host: str, path: str, client: str) -> AskedFacts:
    """`host` may carry a port, `path` a query. Raises Unacceptable where no service or no route is meant."""
    name = without_port(host).lower()
    known("hostname", name, tables.hosts)
    entry = tables.hosts[name]
    pool = entry.pool_for(path.partition("?")[0])
    if pool is None:
        raise Unacceptable(f"no route of {entry.service} matches {path}", "the answer would be 404 no_route")
    return AskedFacts(entry, pool, client)


def without_port(host: str) -> str:
    name, _, port = host.rpartition(":")
    return name if name and port.isdigit() else host
