"""The plain parameters of the data plane; `app.py` makes them out of the configuration. Seconds and bytes."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from steer.proxy.arrivals import MappedCookie
from steer.proxy.proxy_protocol import Version
from steer.proxy.tls import ListenerTls
from steer.steering.conditions import Locate, nowhere
from steer.steering.hosts import Network
from steer.steering.model import RetryRules
from steer.steering.retries import IDEMPOTENT

ClientAddress = Literal["peer", "forwarded", "x_forwarded_for", "proxy_protocol"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client connection may ask for. `body` 0: no limit of its own."""

    head: int = 32 * 1024
    fields: int = 100
    body: int = 0
    connections: int = 50_000
    streams: int = 100
    head_time: float = 10.0
    body_rate: int = 1024
    body_grace: float = 10.0
    idle: float = 75.0
    websocket_idle: float = 600.0


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    name: str
    tls: ListenerTls | None = None
    redirect_port: int = 0
    """Not 0: answer everything with a redirect to https at this port."""
    limits: Limits = field(default_factory=Limits)
    allow_underscores: bool = False
    tcp: str = ""
    """The TCP service that every connection is for; empty: HTTP is spoken."""
    client_address: ClientAddress = "peer"
    trusted_proxies: tuple[Network, ...] = ()
    """Who may say where a client is; for others `client_address` is their own."""

    @property
    def scheme(self) -> str:
        return "http" if self.tls is None else "https"


@dataclass(frozen=True, slots=True)
class Timeouts:
    connect: float = 1.0
    request_idle: float = 30.0
    response_head: float = 15.0
    idle: float = 60.0
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class Keepalive:
    idle: float = 60.0
    most: int = 64
    requests: int = 10_000


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How to speak to the nodes of a pool. `host`: "keep", "node" or the name that the nodes see."""

    name: str
    host: str = "keep"
    max_connections: int = 256
    max_pending: int = 64
    timeouts: Timeouts = field(default_factory=Timeouts)
    keepalive: Keepalive = field(default_factory=Keepalive)
    retries: RetryRules = field(default_factory=RetryRules)
    tls: ssl.SSLContext | None = None
    tls_name: str | None = None
    """The name to verify and to send as SNI, where it is not the address's own."""
    idempotent: frozenset[str] = IDEMPOTENT
    """Methods whose requests may reach a node twice; `retries.post` adds POST for applications that know."""
    protocol: Literal["http", "h2c", "tcp"] = "http"
    proxy_protocol: Version | None = None
    """What each connection begins with. It says whose it is, so no other client's request may use it again."""
    manner: object = None
    """All of the configuration that a connection to a node is made by: where it differs, none is kept over a reload."""
    page: bytes = b""
    """What is answered (503) when no node is left and `when_none` names a page."""


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """Where a node is. `tls` decides whether the pool's context is used."""

    host: str
    port: int
    tls: bool = False

    @property
    def authority(self) -> bytes:
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.tls else 80
        return (host if self.port == default else f"{host}:{self.port}").encode()


@dataclass(frozen=True, slots=True)
class PlaneSettings:
    edge: str
    listeners: tuple[ListenerSettings, ...]
    pools: dict[str, PoolSettings]
    addresses: tuple[NodeAddress, ...]
    """By node index."""
    health_path: str = "/.steer/health"
    reveal: bool = False
    worker: int = 0
    access_log: str = "off"
    """"stdout", "off" or a path."""
    locate: Locate = nowhere
    session_cookies: tuple[MappedCookie, ...] = ()
    sites: Mapping[str, int] = field(default_factory=dict)
    """By datacentre, the number of the site whose engine holds its sessions."""
