"""Is every other file there that the edge reads while it serves?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from steer.config.certificates import Unusable, read_chain
from steer.config.doors import server_tls
from steer.config.findings import Finding, Findings
from steer.config.schema import Config
from steer.config.source import Place


def check_files(config: Config) -> Findings:
    for place, authority in _authorities(config):
        try:
            read_chain(authority)
        except Unusable as error:
            yield Finding(place, f"{authority} {error}")
    for name, pool in config.pools.items():
        page = pool.when_none.page
        if page and not page.is_file():
            yield Finding(("pools", name, "when_none", "page"), f"{page} is not there")


def _authorities(config: Config) -> Iterator[tuple[Place, Path]]:
    """Whom the edge trusts: as a server for its clients' certificates, as a client for the nodes'."""
    for index, listener in enumerate(config.listeners):
        if listener.tls and listener.tls.client_ca:
            yield ("listeners", index, "tls", "client_ca"), listener.tls.client_ca
    for place, tls in server_tls(config):
        if tls.client_ca:
            yield (*place, "client_ca"), tls.client_ca
    for name, pool in config.pools.items():
        if pool.upstream_tls.ca:
            yield ("pools", name, "upstream_tls", "ca"), pool.upstream_tls.ca
