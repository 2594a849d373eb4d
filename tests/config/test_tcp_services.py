"""TCP services and the PROXY protocol: what is taken, and what is said of mistakes."""

from __future__ import annotations

from typing import Any

import pytest

from steer.config import load, unbuilt
from steer.errors import ConfigError

LISTENER = """\
  - name: sftp
    bind: 127.0.0.1:2222
    client_address: proxy_protocol
    trusted_proxies: [10.0.0.0/8]
    tcp: {service: files}
admin:
"""
POOL = """\
  sftp:
    protocol: tcp
    nodes:
      one: [{name: sftp-1, address: "tcp://127.0.0.1:8122"}]
    health_check: {kind: tcp}
    proxy_protocol: v2
groups:
"""
SERVICE = """\
services:
  files: {group: website, pool: sftp}
"""


@pytest.fixture
def tcp(right: str) -> str:
    """The right configuration with a TCP service."""
    return right.replace("admin:\n", LISTENER).replace("groups:\n", POOL).replace("services:\n", SERVICE)


def test_a_tcp_service_is_taken_and_built(write: Any, tcp: str) -> None:
    config = load(write(tcp), {}, check_files=False)
    assert unbuilt(config) == ()
    assert config.services["files"].pools == ("sftp",)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "client_address: proxy_protocol",
            "client_address: x_forwarded_for",
            "steer.yaml:15: listeners[2].client_address: must be peer or proxy_protocol where there is tcp, got "
            "x_forwarded_for (only requests have fields that say who the client is)",
        ),
        (
            "tcp: {service: files}",
            "tcp: {service: www}",
            "steer.yaml:17: listeners[2].tcp.service: www is no TCP service (a TCP service has pool, not routes)",
        ),
        (
            "health_check: {path: /healthz}",
            "proxy_protocol: v2\n    protocol: h2c",
            "steer.yaml:28: pools.web.proxy_protocol: must be left out in a pool of protocol h2c "
            "(a connection of HTTP/2 is for many clients)",
        ),
        (
            "health_check: {kind: tcp}",
            "health_check: {path: /healthz}",
            "steer.yaml:34: pools.sftp.health_check.kind: must be tcp in a pool of protocol tcp",
        ),
    ],
)
def test_a_mistake_is_said_with_its_place(write: Any, tcp: str, old: str, new: str, said: str) -> None:
    assert tcp.count(old) == 1
    with pytest.raises(ConfigError) as caught:
        load(write(tcp.replace(old, new)), {}, check_files=False)
    assert str(caught.value) == said
