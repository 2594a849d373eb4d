"""Is it clear for every hostname and path which pool it is for?"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic_core import PydanticCustomError

from steer.config.findings import Finding, Findings, Seen, known
from steer.config.network import canonical_hostname
from steer.config.schema import Config
from steer.config.schema_services import Service
from steer.config.source import Place


def check_references(config: Config) -> Findings:
    pools, groups, datacentres = (config.source.keys(kind) for kind in ("pools", "groups", "datacentres"))
    for name, service in config.services.items():
        place: Place = ("services", name)
        yield from known((*place, "group"), "group", service.group, groups)
        yield from known((*place, "pool"), "pool", service.pool, pools)
        for index, route in enumerate(service.routes):
            yield from known((*place, "routes", index, "pool"), "pool", route.pool, pools)
        for where, hostname in pinned_hostnames(config, name):
            yield from known(where, "datacentre", service.pinned_hostnames[hostname].datacentre, datacentres)


def check_hostnames(config: Config) -> Findings:
    """A hostname, pinned or not, belongs to one service only, however it is spelt."""
    names = Seen("the hostname")
    for name, service in config.services.items():
        for index, hostname in enumerate(service.hostnames):
            yield from names.again(hostname, ("services", name, "hostnames", index), f"service {name}")
        for where, hostname in pinned_hostnames(config, name):
            yield from names.again(hostname, where, f"service {name}, pinned")


def check_kinds(config: Config) -> Findings:
    for name, service in config.services.items():
        place: Place = ("services", name)
        if service.pool is not None:
            yield from _check_tcp(config, service, place)
        else:
            yield from _check_http(config, service, place)


def _check_tcp(config: Config, service: Service, place: Place) -> Findings:
    for key in ("hostnames", "pinned_hostnames", "routes", "affinity"):
        if getattr(service, key):
            yield Finding((*place, key), "is for HTTP: leave it out where there is pool")
    pool = config.pools.get(service.pool or "")
    if pool and pool.protocol != "tcp":
        message = f"pool {service.pool} must be of protocol tcp, got {pool.protocol}"
        yield Finding((*place, "pool"), message, "an HTTP service has routes instead of pool")


def check_affinity(config: Config) -> Findings:
    """The prefix of a cookie is the edge's to give."""
    for name, service in config.services.items():
        cookie = service.affinity.cookie if service.affinity is not None else None
        if cookie is not None and cookie.lower().startswith(("__host-", "__secure-")):
            right = cookie.partition("-")[2] or "steer"
            message = f"must be the name without its prefix, got {cookie}"
            yield Finding(("services", name, "affinity", "cookie"), message, f"{right}: over TLS it is __Host-{right}")


def _check_http(config: Config, service: Service, place: Place) -> Findings:
    if not service.hostnames and not service.pinned_hostnames:
        yield Finding((*place, "hostnames"), "is missing", "a service has hostnames and routes, or pool for TCP")
    if not service.routes:
        yield Finding((*place, "routes"), "is missing", "such as [{path: /, pool: web}]")
    paths = Seen("the path")
    for index, route in enumerate(service.routes):
        where = (*place, "routes", index)
        yield from paths.again(route.path.rstrip("/") or "/", (*where, "path"), "an earlier route")
        if route.path != "/" and any(part in (".", "..") for part in route.path.split("/")):
            yield Finding((*where, "path"), "must have no dot segments", "requests with them are refused")
        pool = config.pools.get(route.pool)
        if pool and pool.protocol == "tcp":
            yield Finding((*where, "pool"), f"pool {route.pool} is of protocol tcp, which has no routes")


def pinned_hostnames(config: Config, service: str) -> Iterator[tuple[Place, str]]:
    """Each spelling that is written, with its place and the hostname that it means."""
    place = ("services", service, "pinned_hostnames")
    for written in config.source.keys(*place):
        hostname = _canonical(written)
        if hostname in config.services[service].pinned_hostnames:
            yield (*place, written), hostname


def _canonical(hostname: str) -> str:
    """As the schema has it; one that the schema refuses is nobody's."""
    try:
        return canonical_hostname(hostname)
    except PydanticCustomError:
        return ""


CHECKS = (check_references, check_hostnames, check_kinds, check_affinity)
