"""Is it clear who this edge is, where it listens, and who may talk to it?"""

from __future__ import annotations

from collections.abc import Mapping

from steer.config.findings import Finding, Findings, Seen, all_known, known
from steer.config.network import host_port, is_loopback
from steer.config.schema import Config
from steer.config.schema_listeners import Listener
from steer.config.source import Place

OTHER_BINDS = {"admin": "the admin API", "replication": "replication.bind"}
"""What `edges.*.bind` names beside listeners."""


def check_edge(config: Config) -> Findings:
    edge = config.edge
    datacentres = config.source.keys("datacentres")
    yield from known(("edge", "datacentre"), "datacentre", config.source.written(("edge", "datacentre")), datacentres)
    if config.edges and config.source.written(("edge", "name")) is not None:
        yield from known(("edge", "name"), "edge", edge.name, config.source.keys("edges"))
    member = config.edges.get(edge.name)
    if member and member.datacentre and edge.datacentre != member.datacentre:
        message = f"must be {member.datacentre}, got {edge.datacentre}"
        yield Finding(("edge", "datacentre"), message, f"that is where edges.{edge.name} says that it is")
    if len(edge.canaries) not in (0, 2):
        yield Finding(("edge", "canaries"), "must be two addresses outside, or none")


def check_edges(config: Config) -> Findings:
    datacentres = config.source.keys("datacentres")
    bindable = [*(listener.name for listener in config.listeners), *OTHER_BINDS]
    for name, member in config.edges.items():
        place: Place = ("edges", name)
        yield from known((*place, "datacentre"), "datacentre", member.datacentre, datacentres)
        yield from all_known((*place, "bind"), "listener", member.bind, bindable)
        if member.role == "serving" and member.datacentre is None:
            yield Finding(place, "needs the datacentre that it stands in front of", "or role: witness")


def check_listeners(config: Config) -> Findings:
    names, binds = Seen("the name"), Seen("the address")
    if not config.listeners and config.source.written(("listeners",)) == []:
        yield Finding(("listeners",), "must not be empty")
    for index, listener in enumerate(config.listeners):
        place: Place = ("listeners", index)
        yield from names.again(listener.name, (*place, "name"), "another listener")
        yield from _bind_once(binds, listener.bind, (*place, "bind"), f"listener {listener.name}")
        yield from _check_listener(config, listener, place)
    yield from _bind_once(binds, config.admin.bind, ("admin", "bind"), "the admin API")


def _bind_once(binds: Seen, bind: str, place: Place, owner: str) -> Findings:
    if host_port(bind)[1] != 0:
        yield from binds.again(bind, place, owner)


def _check_listener(config: Config, listener: Listener, place: Place) -> Findings:
    if listener.name in OTHER_BINDS:
        message = f"must not be {listener.name}"
        yield Finding((*place, "name"), message, f"edges.*.bind means {OTHER_BINDS[listener.name]} by it")
    if listener.client_address != "peer" and not listener.trusted_proxies:
        message = f"must not be empty with client_address: {listener.client_address}"
        yield Finding((*place, "trusted_proxies"), message, "the networks that may say who the client is")
    if listener.tcp:
        yield from _check_tcp_listener(config, listener, place, listener.tcp.service)
    elif listener.redirect_to_https:
        yield from _check_redirect(config, listener, place)


def _check_redirect(config: Config, listener: Listener, place: Place) -> Findings:
    if listener.tls:
        yield Finding((*place, "redirect_to_https"), "must be false where there is tls", "it would redirect to itself")
    elif not any(isinstance(other, Mapping) and "tls" in other for other in config.source.items("listeners")):
        yield Finding((*place, "redirect_to_https"), "needs a listener with tls to redirect to")


def _check_tcp_listener(config: Config, listener: Listener, place: Place, service: str) -> Findings:
    yield from known((*place, "tcp", "service"), "service", service, config.source.keys("services"))
    found = config.services.get(service)
    if found and found.pool is None:
        yield Finding((*place, "tcp", "service"), f"{service} is no TCP service", "a TCP service has pool, not routes")
    for key in ("tls", "protocols", "redirect_to_https"):
        if getattr(listener, key):
            yield Finding((*place, key), "is for HTTP: leave it out where there is tcp")
    if listener.client_address in ("forwarded", "x_forwarded_for"):
        message = f"must be peer or proxy_protocol where there is tcp, got {listener.client_address}"
        yield Finding((*place, "client_address"), message, "only requests have fields that say who the client is")


def check_admin(config: Config) -> Findings:
    if config.admin.tls is None and not is_loopback(config.admin.bind):
        yield Finding(("admin", "bind"), f"must be a loopback address without admin.tls, got {config.admin.bind}")


def check_datacentres(config: Config) -> Findings:
    ids = Seen("the id")
    for name, datacentre in config.datacentres.items():
        yield from ids.again(str(datacentre.id), ("datacentres", name, "id"), name)
        if datacentre.redis and (datacentre.redis.url is None) is (datacentre.redis.sentinel is None):
            yield Finding(("datacentres", name, "redis"), "needs exactly one of url and sentinel")


CHECKS = (check_edge, check_edges, check_listeners, check_admin, check_datacentres)
