"""Where clients and operators come in: `listeners`, `admin`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from steer.config.base import FilePath, Flag, Model, Name, PositiveCount, path, section
from steer.config.network import Bind, HostOrAddress, Network
from steer.config.units import PositiveSeconds, PositiveSize, Seconds, Size

Protocol = Literal["h2", "http/1.1"]


class Certificate(Model):
    """A chain, the server's own certificate first, and its private key; both PEM."""

    certificate: FilePath
    key: FilePath


class ListenerTls(Model):
    """`certificates` are chosen by SNI, the first where no name fits."""

    certificates: tuple[Certificate, ...] = Field(min_length=1)
    minimum: Literal["1.2", "1.3"] = "1.2"
    client_ca: FilePath | None = None


class Limits(Model):
    """What one client may take. Sizes in bytes, times in seconds; a `body` of 0 is without limit."""

    head: PositiveSize = 32 * 1024
    fields: PositiveCount = 100
    body: Size = 0
    connections: PositiveCount = 50_000
    streams: PositiveCount = 100
    head_time: PositiveSeconds = 10.0
    body_rate: Size = 1024
    """Bytes a second, below which a body is too slow once `body_grace` is over; 0 is without limit."""
    body_grace: Seconds = 10.0
    idle: PositiveSeconds = 75.0
    websocket_idle: PositiveSeconds = 600.0


class TcpListener(Model):
    service: str


class Listener(Model):
    """One address to listen on, for HTTP or, with `tcp`, for bytes."""

    name: Name
    bind: Bind
    protocols: tuple[Protocol, ...] | None = Field(default=None, min_length=1)
    """None: not written, so all that is built."""
    client_address: Literal["peer", "forwarded", "x_forwarded_for", "proxy_protocol"] = "peer"
    trusted_proxies: tuple[Network, ...] = ()
    redirect_to_https: Flag = False
    tls: ListenerTls | None = None
    limits: Limits = section()
    allow_underscores: Flag = False
    tcp: TcpListener | None = None


class ServerTls(Model):
    """TLS for doors that are not for browsers: the admin API, the session doors, replication."""

    certificate: FilePath
    key: FilePath
    client_ca: FilePath | None = None


class Admin(Model):
    """The admin API. Without `tls` it binds to loopback only."""

    bind: Bind = "127.0.0.1:9900"
    tokens: FilePath = path("certs/admin-tokens.yaml")
    tls: ServerTls | None = None
    hosts: tuple[HostOrAddress, ...] = ("localhost", "127.0.0.1")
    metrics_token: SecretStr | None = Field(default=None, min_length=1)
