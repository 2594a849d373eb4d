"""What is measured: the table of scenarios, and what steer must reach in each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Heads = Literal["bare", "browser", "browsers"]
"""1 field; 12, of which the cookie differs in every request; 12, as many clients send them (loads/request.lua)."""
Unit = Literal["us/request", "us/connection", "us/message", "ms/GiB", "KiB/connection", "ms"]


@dataclass(frozen=True, slots=True)
class Requests:
    """wrk on connections kept alive; bodies of 1 KiB."""

    heads: Heads
    tls: bool


@dataclass(frozen=True, slots=True)
class Streams:
    """h2load over HTTP/2 and TLS: so many connections with so many requests at once on each; bodies of 1 KiB."""

    connections: int
    at_once: int


@dataclass(frozen=True, slots=True)
class Messages:
    """WebSockets over TLS, each with one message of `size` bytes on its way to the echo and back."""

    sockets: int
    size: int


@dataclass(frozen=True, slots=True)
class Paced:
    """h2load over HTTP/1.1 and TLS at a rate that does not wait for answers: `share` of nginx's top rate in this run.

    `rate`, in requests a second, is known when nginx has been measured. The cost is the p99 itself.
    """

    share: float
    connections: int
    rate: int = 0


@dataclass(frozen=True, slots=True)
class Connections:
    """A new TLS connection for each request: resumed by wrk, or full by our client with so many `at_once`."""

    resumed: bool
    at_once: int = 8


@dataclass(frozen=True, slots=True)
class Transfers:
    """Bodies over TLS connections kept alive."""

    up: bool
    mib: int
    at_once: int


@dataclass(frozen=True, slots=True)
class Idle:
    """TLS connections that have had one request each."""

    connections: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """A cost has the unit `unit`; less is better. It must be at most `most`, or `most_of_nginx` times nginx's."""

    name: str
    title: str
    unit: Unit
    load: Requests | Streams | Messages | Paced | Connections | Transfers | Idle
    most_of_nginx: float | None = None
    most: float | None = None


SCENARIOS = (
    Scenario("plain-1", "HTTP/1.1, 1 field", "us/request", Requests("bare", tls=False)),
    Scenario("plain-12", "HTTP/1.1, 12 fields, one differs", "us/request", Requests("browser", tls=False)),
    Scenario("tls-1", "TLS, 1 field", "us/request", Requests("bare", tls=True)),
    Scenario("tls-12", "TLS, 12 fields, one differs", "us/request", Requests("browser", tls=True), most_of_nginx=1.8),
    Scenario("tls-12-many", "TLS, 12 fields, many clients", "us/request", Requests("browsers", tls=True)),
    Scenario("handshake-full", "new connection, full", "us/connection", Connections(False), most_of_nginx=2.0),
    Scenario("handshake-resumed", "new connection, resumed", "us/connection", Connections(True)),
    Scenario("download-1m", "1 MiB down, TLS", "ms/GiB", Transfers(False, 1, at_once=8), most_of_nginx=1.0),
    Scenario("download-64m", "64 MiB down, TLS", "ms/GiB", Transfers(False, 64, at_once=4), most_of_nginx=1.0),
    Scenario("upload-8m", "8 MiB up, TLS", "ms/GiB", Transfers(True, 8, at_once=4)),
    Scenario("h2", "HTTP/2, 12 fields", "us/request", Streams(8, at_once=8)),
    Scenario("websocket", "WebSocket echo, 125 bytes, TLS", "us/message", Messages(64, size=125)),
    Scenario("half-rate", "p99 at half of nginx's top rate", "ms", Paced(0.5, connections=400)),
    Scenario("idle-2000", "2,000 idle TLS connections", "KiB/connection", Idle(2000), most=64.0),
)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
