"""Sites that are joined through their edges (`replication.bind`): where each edge takes those of the other site in, and
as whom it comes to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chaos.engines import free_port
from chaos.relay import Relay
from tests.kit.certificates import Authority


class Joining:
    """`edges`: name -> site."""

    def __init__(self, folder: Path, edges: Mapping[str, int]) -> None:
        self._edges = edges
        self._ports = {name: free_port() for name in edges}
        self._authority = Authority(folder)

    def ports_at(self, site: int) -> list[int]:
        """Where the edges of this site are reached, in their order."""
        return [self._ports[name] for name, at in self._edges.items() if at == site]

    def settings(self, name: str, relays: Mapping[int, Sequence[Relay]]) -> dict[str, Any]:
        """Two sections of this edge's configuration. It reaches the edges of the other site through relays."""
        files = self._authority.issue(name)
        ways = {site: iter(each) for site, each in relays.items()}
        members = {
            other: {
                "datacentre": f"site-{site}",
                "replication": bind(self._ports[other] if site == self._edges[name] else next(ways[site]).port),
            }
            for other, site in self._edges.items()
        }
        tls = {"certificate": files.certificate, "key": files.key, "client_ca": self._authority.certificate}
        replication = {"bind": bind(self._ports[name]), "tls": {what: str(file) for what, file in tls.items()}}
        return {"edges": members, "replication": replication}


def bind(port: int) -> str:
    return f"127.0.0.1:{port}"
