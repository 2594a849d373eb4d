"""Self-signed certificates for tests: P-256, so that making one takes a millisecond."""

from __future__ import annotations

import datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from steer.proxy.tls import CertificateFiles


def make_certificate(
    folder: Path, *names: str, file: str = "", days: int = 30, password: bytes = b""
) -> CertificateFiles:
    """`FILE.pem` and `FILE.key` for these names and addresses; FILE is the first name unless given."""
    file = file or names[0].replace("*", "any")
    files = CertificateFiles(folder / f"{file}.pem", folder / f"{file}.key")
    key = ec.generate_private_key(ec.SECP256R1())
    files.certificate.write_bytes(_sign(key, names, days).public_bytes(serialization.Encoding.PEM))
    guard = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    files.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, guard),
    )
    return files


def _sign(key: ec.EllipticCurvePrivateKey, names: tuple[str, ...], days: int) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
        .sign(key, hashes.SHA256())
    )


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
