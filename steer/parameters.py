"""Configuration -> the plain parameters that steering, the proxy and the checks take."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Literal

from steer.config import (
    Config,
    HealthCheck,
    Listener,
    NodeConfig,
    Pool,
    host_port,
)
from steer.config import ListenerTls as TlsConfig
from steer.health.expect import CheckSettings, Expectation
from steer.proxy import settings as proxy
from steer.proxy.arrivals import MappedCookie
from steer.proxy.certificates import WatchedCertificate
from steer.proxy.proxy_protocol import encode
from steer.proxy.tls import CertificateFiles, ListenerTls, upstream_context
from steer.sessions.keyfile import WatchedRing
from steer.steering.conditions import Locate, nowhere
from steer.steering.retries import idempotent_methods
from steer.topology import retries
from steer.topology import topology as topology

BUILT_PROTOCOLS = ("h2", "http/1.1")


# The proxy...


def listener_tls(listener: Listener) -> ListenerTls | None:
    """Make it before the fork: the workers share its ticket keys."""
    if listener.tls is None:
        return None
    return ListenerTls(_certificates(listener.tls), listener.tls.minimum, _alpn(listener))


@dataclass(frozen=True, slots=True)
class NextTls:
    """What a reload makes of a listener's TLS."""

    tls: ListenerTls
    certificates: tuple[WatchedCertificate, ...]
    minimum: Literal["1.2", "1.3"]
    alpn: list[str]

    def take_effect(self) -> None:
        self.tls.follow(self.certificates, self.minimum, self.alpn)


def next_tls(config: Config, tls: Mapping[str, ListenerTls | None]) -> tuple[NextTls, ...]:
    """For the listeners that have TLS already, and no others. Raises SteerError; changes nothing."""
    found = []
    for listener in config.listeners:
        present = tls.get(listener.name)
        if listener.tls is not None and present is not None:
            alpn = _alpn(listener)
            certificates = present.prepare(_certificates(listener.tls), alpn)
            found.append(NextTls(present, certificates, listener.tls.minimum, alpn))
    return tuple(found)


def _certificates(tls: TlsConfig) -> list[CertificateFiles]:
    return [CertificateFiles(pair.certificate, pair.key) for pair in tls.certificates]


def _alpn(listener: Listener) -> list[str]:
    return [name for name in (listener.protocols or BUILT_PROTOCOLS) if name in BUILT_PROTOCOLS]


def plane_settings(
    config: Config, tls: dict[str, ListenerTls | None], worker: int, locate: Locate = nowhere
) -> proxy.PlaneSettings:
    """What one worker's data plane is made of."""
    return proxy.PlaneSettings(
        edge=config.edge.name,
        listeners=tuple(_listener(config, listener, tls[listener.name]) for listener in config.listeners),
        pools={name: _pool_settings(name, pool) for name, pool in config.pools.items()},
        addresses=tuple(_address(node) for pool in config.pools.values() for node in _members(pool)),
        health_path=config.edge.health_path,
        reveal=config.edge.reveal,
        worker=worker,
        access_log=str(config.edge.log.access),
        locate=locate,
        session_cookies=_session_cookies(config),
        sites={name: each.id for name, each in config.datacentres.items() if each.redis is not None},
    )


def _session_cookies(config: Config) -> tuple[MappedCookie, ...]:
    """Those that stand for a record, in the order of the namespaces."""
    found = []
    for namespace, each in (config.sessions.namespaces if config.sessions is not None else {}).items():
        mapped = each.session_cookie
        if mapped is not None:
            before, _, after = mapped.key.partition("{value}")
            found.append(MappedCookie(mapped.name.encode(), namespace, before.encode(), after.encode()))
    return tuple(found)


def _members(pool: Pool) -> list[NodeConfig]:
    return [node for members in pool.nodes.values() for node in members]


def _address(node: NodeConfig) -> proxy.NodeAddress:
    return proxy.NodeAddress(node.host, node.port, node.scheme == "https")


def _listener(config: Config, listener: Listener, tls: ListenerTls | None) -> proxy.ListenerSettings:
    limits = listener.limits
    return proxy.ListenerSettings(
        name=listener.name,
        tls=tls,
        redirect_port=_https_port(config) if listener.redirect_to_https else 0,
        limits=proxy.Limits(
            head=limits.head,
            fields=limits.fields,
            body=limits.body,
            connections=limits.connections,
            streams=limits.streams,
            head_time=limits.head_time,
            body_rate=limits.body_rate,
            body_grace=limits.body_grace,
            idle=limits.idle,
            websocket_idle=limits.websocket_idle,
        ),
        allow_underscores=listener.allow_underscores,
        tcp=listener.tcp.service if listener.tcp is not None else "",
        client_address=listener.client_address,
        trusted_proxies=tuple(ip_network(network) for network in listener.trusted_proxies),
    )


def _https_port(config: Config) -> int:
    """Of the first listener with TLS; `steer check` has made sure that there is one."""
    first = next(listener.bind for listener in config.listeners if listener.tls is not None)
    return host_port(first)[1]


def _pool_settings(name: str, pool: Pool) -> proxy.PoolSettings:
    page = pool.when_none.page
    timeouts, keepalive = pool.timeouts, pool.keepalive
    return proxy.PoolSettings(
        name=name,
        host=pool.host,
        max_connections=pool.max_connections,
        max_pending=pool.max_pending,
        timeouts=proxy.Timeouts(
            timeouts.connect, timeouts.request_idle, timeouts.response_head, timeouts.idle, timeouts.total
        ),
        keepalive=proxy.Keepalive(keepalive.idle, keepalive.most, keepalive.requests),
        retries=retries(pool),
        tls=_node_tls(pool),
        tls_name=pool.upstream_tls.name,
        protocol=pool.protocol,
        proxy_protocol=pool.proxy_protocol,
        manner=(pool.protocol, pool.proxy_protocol, pool.upstream_tls),
        idempotent=idempotent_methods(retries(pool)),
        page=page.read_bytes() if page is not None else b"",
    )


def _node_tls(pool: Pool) -> ssl.SSLContext | None:
    if not any(node.scheme == "https" for node in _members(pool)):
        return None
    tls = pool.upstream_tls
    return upstream_context(tls.verify, tls.ca, tls.certificate, tls.key)


# Affinity...


def has_cookies(config: Config) -> bool:
    """Whether any service keeps its clients by a cookie, which takes keys."""
    return any(service.affinity is not None and service.affinity.cookie for service in config.services.values())


def affinity_ring(config: Config) -> WatchedRing | None:
    """The keys of the cookies; None: nobody needs them. Raises SteerError when the file is no ring."""
    return WatchedRing(config.affinity_keys.file) if has_cookies(config) else None


# Active checks...


def checks(config: Config) -> tuple[CheckSettings, ...]:
    """One for each node of each pool that has a health check."""
    return tuple(
        _check(node, pool, pool.health_check, tls)
        for pool in config.pools.values()
        if pool.health_check is not None and pool.health_check.mode != "off"
        for tls in (_node_tls(pool),)
        for node in _members(pool)
    )


def _check(node: NodeConfig, pool: Pool, check: HealthCheck, tls: ssl.SSLContext | None) -> CheckSettings:
    host = f"[{node.host}]" if ":" in node.host else node.host
    expect = check.expect
    return CheckSettings(
        node=node.name,
        url=f"{node.scheme}://{host}:{node.port}{check.path}",
        kind="h2c" if pool.protocol == "h2c" and check.kind == "http" else check.kind,
        host=check.host,
        tls=tls if node.scheme == "https" else None,
        server_name=pool.upstream_tls.name,
        interval=check.interval,
        timeout=check.timeout,
        fall=check.fall,
        rise=check.rise,
        must_pass_first=check.must_pass_first,
        prelude=encode(pool.proxy_protocol, None) if pool.proxy_protocol is not None else b"",
        expect=Expectation(expect.status, expect.header, re.compile(expect.body) if expect.body else None),
    )
