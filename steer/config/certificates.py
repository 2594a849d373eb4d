"""What a certificate file says: names, time, key. Every failure is a sentence (`Unusable`)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key


class Unusable(Exception):
    """Why a certificate or a key cannot be used, as it would follow the name of its file."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """The server's own certificate: the first of its file. Times are seconds since 1970."""

    names: frozenset[str]
    """DNS names in lower case, and IP addresses, of the subjectAltName (RFC 9525: the subject itself names nothing)."""
    valid_from: float
    valid_until: float
    public_key: bytes
    """SubjectPublicKeyInfo, DER."""

    def covers(self, hostname: str) -> bool:
        """RFC 9525, section 6.3: a `*` stands for the whole of the first label, and for nothing else.

        `*.example` covers nothing: neither OpenSSL nor a browser takes a wildcard for a whole top-level domain.
        """
        _, _, parent = hostname.partition(".")
        return hostname in self.names or ("." in parent and f"*.{parent}" in self.names)


def read_chain(path: Path) -> Leaf:
    """The first certificate of a PEM file."""
    try:
        certificate = x509.load_pem_x509_certificates(_content(path))[0]
        return Leaf(
            names=_names(certificate),
            valid_from=certificate.not_valid_before_utc.timestamp(),
            valid_until=certificate.not_valid_after_utc.timestamp(),
            public_key=certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        )
    except (ValueError, UnsupportedAlgorithm):
        raise Unusable("has no certificate in PEM that can be read") from None


def read_public_part(path: Path) -> bytes:
    """The public half of a private key in PEM, to compare with `Leaf.public_key`."""
    try:
        key = load_pem_private_key(_content(path), password=None)
        return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except TypeError:
        raise Unusable("is encrypted; a key without a passphrase is needed") from None
    except (ValueError, UnsupportedAlgorithm):
        raise Unusable("has no private key in PEM that can be read") from None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unusable(f"cannot be read: {error.strerror}") from None


def _names(certificate: x509.Certificate) -> frozenset[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    dns = (name.lower().removesuffix(".") for name in names.get_values_for_type(x509.DNSName))
    addresses = (str(ipaddress.ip_address(str(ip))) for ip in names.get_values_for_type(x509.IPAddress))
    return frozenset((*dns, *addresses))
