"""A small configuration that is right, a folder to write it in, and certificates that fit it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

RIGHT = """\
version: 1
edge: {name: edge-a}
edges:
  edge-a: {datacentre: one}
  edge-b: {datacentre: two}
listeners:
  - name: https
    bind: 127.0.0.1:8443
    tls: {certificates: [{certificate: www.pem, key: www.key}]}
  - name: http
    bind: 127.0.0.1:8080
    redirect_to_https: true
admin:
  bind: 127.0.0.1:9900
datacentres:
  one: {id: 1}
  two: {id: 2}
pools:
  web:
    nodes:
      one: [{name: one-1, address: "http://127.0.0.1:8101"}]
      two: [{name: two-1, address: "http://127.0.0.1:8201"}]
    health_check: {path: /healthz}
    timeouts: {connect: 1s}
groups:
  website: {mode: active-active, weights: {one: 50, two: 50}}
services:
  www:
    hostnames: [www.example]
    pinned_hostnames: {one.example: one}
    group: website
    routes: [{path: /, pool: web}]
"""

Written = Callable[[str], Path]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, as the working folder: so that problems show plain file names."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write(folder: Path) -> Written:
    """Writes `steer.yaml`, and gives its path as a person would type it."""

    def _write(text: str) -> Path:
        path = Path("steer.yaml")
        path.write_text(text)
        return path

    return _write


@pytest.fixture
def right() -> str:
    return RIGHT


Certify = Callable[..., None]


@pytest.fixture
def certify(folder: Path) -> Certify:
    """Makes `NAME.pem` and `NAME.key` for hostnames, valid for some days from now (or, negative, until then)."""

    def _certify(name: str, *hostnames: str, days: int = 30) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        (folder / f"{name}.pem").write_bytes(_signed(key, hostnames, days).public_bytes(Encoding.PEM))
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / f"{name}.key").write_bytes(pem)

    return _certify


def _signed(key: ec.EllipticCurvePrivateKey, hostnames: tuple[str, ...], days: int) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    start, end = sorted((now - timedelta(days=1), now + timedelta(days=days)))
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), start, end)
    if hostnames:
        names = x509.SubjectAlternativeName([x509.DNSName(hostname) for hostname in hostnames])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(key, hashes.SHA256())
