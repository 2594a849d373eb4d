"""One certificate for all proxies: ECDSA P-256, self-signed, for `localhost`, which wrk sends as SNI and Host."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOSTNAME = "localhost"


def make_certificate(folder: Path) -> None:
    """Writes `certificate.pem`, `key.pem`, and `both.pem` (HAProxy reads them from one file)."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _signed(key).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "certificate.pem").write_bytes(certificate)
    (folder / "key.pem").write_bytes(private)
    (folder / "both.pem").write_bytes(certificate + private)
    (folder / "key.pem").chmod(0o600)
    (folder / "both.pem").chmod(0o600)


def _signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOSTNAME)])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(HOSTNAME), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=90))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
