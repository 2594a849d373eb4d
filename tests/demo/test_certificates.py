"""The demonstration's own certificate authority, judged by a TLS handshake."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from steer.demo.certificates import Authority


def handshake(trust: ssl.SSLContext, folder: Path, hostname: str) -> None:
    """One client and one server with the certificate of the folder; raises what the client finds wrong."""
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_context.load_cert_chain(folder / "a.pem", folder / "a.key")
    near, far = socket.socketpair()

    def serve() -> None:
        try:
            server_context.wrap_socket(far, server_side=True).close()
        except OSError:
            far.close()

    server = threading.Thread(target=serve)
    server.start()
    try:
        trust.wrap_socket(near, server_hostname=hostname).close()
    finally:
        near.close()
        server.join()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    authority = Authority.make()
    authority.issue(("www.agency.example", "127.0.0.1"), tmp_path / "a.pem", tmp_path / "a.key")
    return authority


@pytest.mark.parametrize("hostname", ["www.agency.example", "127.0.0.1"])
def test_a_client_that_trusts_the_authority_accepts_the_names(
    authority: Authority, tmp_path: Path, hostname: str
) -> None:
    trust = ssl.create_default_context(cadata=authority.pem.decode())
    trust.verify_flags |= ssl.VERIFY_X509_STRICT
    handshake(trust, tmp_path, hostname)


def test_another_name_is_refused(authority: Authority, tmp_path: Path) -> None:
    trust = ssl.create_default_context(cadata=authority.pem.decode())
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(trust, tmp_path, "agency.example")


def test_another_authority_is_refused(authority: Authority, tmp_path: Path) -> None:
    trust = ssl.create_default_context(cadata=Authority.make().pem.decode())
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(trust, tmp_path, "www.agency.example")


def test_keys_are_for_the_owner_only_and_may_stand_in_the_certificate_file(tmp_path: Path) -> None:
    both = tmp_path / "deep" / "node.pem"
    Authority.make().issue(("127.0.0.1",), both, both)
    assert both.stat().st_mode & 0o777 == 0o600
    text = both.read_text()
    assert "BEGIN PRIVATE KEY" in text
    assert "BEGIN CERTIFICATE" in text
