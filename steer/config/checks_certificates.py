"""Can every certificate be used, and is there one for every hostname?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from steer.config.certificates import Leaf, Unusable, read_chain, read_public_part
from steer.config.checks_services import pinned_hostnames
from steer.config.doors import server_tls
from steer.config.findings import Finding, Findings
from steer.config.schema import Config
from steer.config.schema_edge import ClientTls
from steer.config.schema_listeners import Certificate, ListenerTls, ServerTls
from steer.config.schema_pools import UpstreamTls
from steer.config.source import Place

_MOST_NAMES_SHOWN = 5


def check_certificates(config: Config, now: float) -> Findings:
    """Of listeners, of the admin API, of what the edge is a client of."""
    for index, listener in enumerate(config.listeners):
        if listener.tls:
            yield from _check_listener(config, listener.tls, listener.name, ("listeners", index, "tls"), now)
    for place, pair in _other_pairs(config):
        if pair.certificate and pair.key:
            yield from check_pair(pair.certificate, pair.key, place, now)


def _other_pairs(config: Config) -> Iterator[tuple[Place, ServerTls | ClientTls | UpstreamTls]]:
    yield from server_tls(config)
    for name, pool in config.pools.items():
        yield ("pools", name, "upstream_tls"), pool.upstream_tls


def _check_listener(config: Config, tls: ListenerTls, name: str, place: Place, now: float) -> Findings:
    leaves: list[Leaf] = []
    for index, pair in enumerate(tls.certificates):
        yield from check_pair(pair.certificate, pair.key, (*place, "certificates", index), now)
        leaves += _readable(pair)
    # A certificate that cannot be read might be the one that covers the rest.
    if len(leaves) == len(tls.certificates):
        yield from _check_coverage(config, leaves, name)


def check_pair(certificate: Path, key: Path, place: Place, now: float) -> Findings:
    """Both can be read, belong together, and are valid now."""
    leaf = public = None
    try:
        leaf = read_chain(certificate)
    except Unusable as error:
        yield Finding((*place, "certificate"), f"{certificate} {error}")
    try:
        public = read_public_part(key)
    except Unusable as error:
        yield Finding((*place, "key"), f"{key} {error}")
    if leaf and public and leaf.public_key != public:
        yield Finding((*place, "key"), f"{key} is not the key of {certificate}")
    if leaf:
        yield from _check_time(leaf, certificate, (*place, "certificate"), now)


def _check_time(leaf: Leaf, certificate: Path, place: Place, now: float) -> Findings:
    if now > leaf.valid_until:
        yield Finding(place, f"{certificate} expired on {_day(leaf.valid_until)}")
    elif now < leaf.valid_from:
        yield Finding(place, f"{certificate} is not valid before {_day(leaf.valid_from)}", "is the clock right?")


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def _readable(pair: Certificate) -> list[Leaf]:
    try:
        return [read_chain(pair.certificate)]
    except Unusable:
        return []


def _check_coverage(config: Config, leaves: list[Leaf], listener: str) -> Findings:
    names = sorted({name for leaf in leaves for name in leaf.names})
    more = ", ..." if len(names) > _MOST_NAMES_SHOWN else ""
    hint = f"they cover {', '.join(names[:_MOST_NAMES_SHOWN])}{more}" if names else "they have no subjectAltName"
    for place, hostname in _hostnames(config):
        if not any(leaf.covers(hostname) for leaf in leaves):
            yield Finding(place, f"no certificate of listener {listener} covers {hostname}", hint)


def _hostnames(config: Config) -> Iterator[tuple[Place, str]]:
    for name, service in config.services.items():
        for index, hostname in enumerate(service.hostnames):
            yield ("services", name, "hostnames", index), hostname
        yield from pinned_hostnames(config, name)
