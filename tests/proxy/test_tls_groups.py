"""Key exchange: X25519, P-256 and P-384, and no others."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from steer.proxy.tls import ListenerTls
from steer.proxy.tls_groups import restrict_groups
from tests.kit.certificates import Authority

pytestmark = pytest.mark.skipif(not restrict_groups(), reason="OpenSSL is linked into this Python without its symbols")


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> str:
    """In memory; the protocol's version in the end. Raises SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname="www.agency.example")
    waiting = [theirs, ours]
    for _ in range(10):
        for side in tuple(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)
    assert not waiting
    return theirs.version() or ""


def test_a_client_that_knows_a_usual_group_is_served_and_one_that_insists_on_another_is_not(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = ListenerTls([authority.issue("www.agency.example")]).context
    for group in ("prime256v1", "secp384r1"):
        assert shake_hands(server, client_of(authority, group)) == "TLSv1.3"
    with pytest.raises(ssl.SSLError):
        shake_hands(server, client_of(authority, "secp521r1"))


def client_of(authority: Authority, group: str) -> ssl.SSLContext:
    """TLS 1.3: before it, the group had to fit the certificate's key too."""
    client = authority.trust()
    client.minimum_version = ssl.TLSVersion.TLSv1_3
    client.set_ecdh_curve(group)
    return client
