"""What is measured: the table of scenarios, and what steer must reach in each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Heads = Literal["bare", "browser", "browsers"]
"""1 field; 12, of which the cookie differs in every request; 12, as many clients send them (loads/request.lua)."""
Unit = Literal["us/request", "us/connection", "ms/GiB", "KiB/connection"]


@dataclass(frozen=True, slots=True)
class Requests:
    """wrk on connections kept alive; bodies of 1 KiB."""

    heads: Heads
    tls: bool


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
    load: Requests | Connections | Transfers | Idle
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
    Scenario("idle-2000", "2,000 idle TLS connections", "KiB/connection", Idle(2000), most=64.0),
)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
