"""How one node is checked, and what counts as an answer. Pure."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

BODY = 64 * 1024
"""Bytes of a body that are looked at. A health page is a few hundred. Python's regular expressions can take time that
grows with a power of the input, so a bad pattern could hold up the control process: 64 KiB bounds what it meets, not
what it costs. The pattern comes from the configuration, never from outside; keep it simple."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a good answer looks like. All of it must hold."""

    status: tuple[str, ...] = ("2xx",)
    """Classes (`2xx`) or single codes (`204`); one of them."""
    header: Mapping[str, str] = field(default_factory=dict)
    """Names (any case) and the values that they must have."""
    body: re.Pattern[str] | None = None
    """Searched for in the first 64 KiB, read as UTF-8."""


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """How one node is checked. Durations are seconds."""

    node: str
    url: str
    """`http://` or `https://` with the path to ask for; of a TCP check only host and port count."""
    kind: Literal["http", "h2c", "tcp"] = "http"
    host: str | None = None
    """The Host that the node sees; None: that of the URL."""
    tls: ssl.SSLContext | None = None
    """For `https`: what is verified, as for the pool's traffic; None: by the system's authorities."""
    server_name: str | None = None
    """The name for SNI and verification; None: the URL's host."""
    interval: float = 5.0
    timeout: float = 2.0
    fall: int = 3
    rise: int = 2
    prelude: bytes = b""
    """What a connection begins with, before TLS: a PROXY header, where the node expects one."""
    must_pass_first: bool = False
    expect: Expectation = Expectation()


PORTS = {"http": 80, "https": 443}


def place_of(url: str) -> tuple[str, int]:
    """Host, without brackets, and port of a check's URL."""
    place = urlsplit(url)
    return place.hostname or "", place.port or PORTS.get(place.scheme, 0)


def shortfall(expect: Expectation, status: int, headers: Mapping[str, str], body: bytes) -> str:
    """What is wrong with an answer; "" when nothing is. `headers` must look names up in any case."""
    if not any(is_of(status, wanted) for wanted in expect.status):
        return f"status {status}, expected {' or '.join(expect.status)}"
    for name, value in expect.header.items():
        if headers.get(name) != value:
            return f"header {name} is not {value!r}"
    if expect.body is not None and not expect.body.search(body[:BODY].decode("utf-8", "replace")):
        return f"body does not match {expect.body.pattern!r}"
    return ""


def is_of(status: int, wanted: str) -> bool:
    """`2xx` is a class, `204` one code."""
    return wanted[0] == str(status)[0] if wanted.endswith("xx") else wanted == str(status)
