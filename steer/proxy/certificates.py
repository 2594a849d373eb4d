"""One certificate in use: read, judged and named; and looked at again when its files change.

Whatever is wrong with the files is a SteerError in the words of whoever has to mend them.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar

from cryptography import x509

from steer.errors import SteerError

CIPHERS = ":".join(
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
    )
)
"""Mozilla's intermediate list for TLS 1.2, in which the client's order counts. Without its three DHE suites: they serve
clients older than 2014, and each handshake costs several times an ECDHE one. TLS 1.3 has its own, all good."""


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """PEM: the certificate with its chain, and its key, unencrypted."""

    certificate: Path
    key: Path


class CertificateContext(ssl.SSLContext):
    """One certificate in use, as the context that a connection is put under. A reload makes a new one."""

    names: frozenset[str]
    """Lower case; addresses in their usual form; a wildcard as `*.` and the rest."""
    until: float
    """When it expires. Wall time, seconds."""

    def covers(self, host: str) -> bool:
        """`host`: lower case, without port or brackets. A wildcard stands for one label (RFC 6125, 6.4.3)."""
        host = _usual_form(host)
        return host in self.names or wildcard(host) in self.names


Stamp = tuple[tuple[int, ...], ...]


class WatchedCertificate:
    """One pair of files: what is in use, and which state of the files was tried last. SteerError if none ever was."""

    def __init__(self, files: CertificateFiles, alpn: Sequence[str]) -> None:
        self.files = files
        self.alpn = alpn
        self.stamp = stamp_of(files.certificate, files.key)
        self.context = _load(files, alpn)
        self.alarm = ""

    def reload_if_changed(self) -> bool:
        """True if another certificate is in use now. On an error the old one stays, and `alarm` says why."""
        # Read before the files are: if they change in the middle of it, the next look sees another stamp.
        stamp = stamp_of(self.files.certificate, self.files.key)
        if stamp == self.stamp:
            return False
        self.stamp = stamp
        try:
            self.context = _load(self.files, self.alpn)
        except SteerError as error:
            self.alarm = f"{error}; the certificate before it stays in use"
            return False
        self.alarm = ""
        return True


Context = TypeVar("Context", bound=ssl.SSLContext)


def server_side(context: Context, alpn: Sequence[str]) -> Context:
    """What the base context and those under it share: OpenSSL asks the latter for ALPN, the former for the rest."""
    context.set_ciphers(CIPHERS)
    # A client without AES in hardware prefers ChaCha20, and knows it better than we do.
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(list(alpn))
    return context


def _load(files: CertificateFiles, alpn: Sequence[str]) -> CertificateContext:
    context = server_side(CertificateContext(ssl.PROTOCOL_TLS_SERVER), alpn)
    load_pair(context, files)
    leaf = _leaf(files.certificate)
    context.names = _names(leaf)
    context.until = leaf.not_valid_after_utc.timestamp()
    return context


def load_pair(context: ssl.SSLContext, files: CertificateFiles) -> None:
    for file in (files.certificate, files.key):
        _must_be_readable(file)

    def refuse() -> str:
        raise SteerError(f"{files.key} is encrypted", "steer starts unattended: decrypt it, and guard it by its mode")

    try:
        context.load_cert_chain(files.certificate, files.key, password=refuse)
    except ssl.SSLError as error:
        raise _explain(files, error) from error
    except OSError as error:
        raise unreadable(files.certificate, error) from error


def _explain(files: CertificateFiles, error: ssl.SSLError) -> SteerError:
    if error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"):
        return SteerError(f"{files.key} is not the key of {files.certificate}", "were both files replaced?")
    reason = (error.reason or str(error)).lower().replace("_", " ")
    return SteerError(f"cannot use {files.certificate} with {files.key}: {reason}", "PEM: certificate, chain; key")


def _leaf(certificate: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(certificate.read_bytes())
    except ValueError as error:
        raise SteerError(f"{certificate} has no certificate in PEM form", "-----BEGIN CERTIFICATE-----") from error
    except OSError as error:
        raise unreadable(certificate, error) from error


def _names(leaf: x509.Certificate) -> frozenset[str]:
    """The subject's alternative names. Clients stopped to read the common name long ago, so it counts for nothing."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    hosts = (name.lower() for name in names.get_values_for_type(x509.DNSName))
    return frozenset(hosts) | {str(address) for address in names.get_values_for_type(x509.IPAddress)}


def wildcard(host: str) -> str:
    return "*." + host.partition(".")[2]


def _usual_form(host: str) -> str:
    """`2001:DB8:0::1` and `2001:db8::1` are one address."""
    if ":" not in host:
        return host
    try:
        return str(ip_address(host))
    except ValueError:
        return host


def stamp_of(*files: Path) -> Stamp:
    """Another one when any of them was changed."""
    return tuple(map(_stat, files))


def _stat(file: Path) -> tuple[int, ...]:
    """What changes when a file is replaced, written, or given another owner or mode. Empty: cannot be looked at."""
    try:
        found = file.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size


def _must_be_readable(file: Path) -> None:
    """OpenSSL's own error does not say which of the two it was."""
    try:
        file.open("rb").close()
    except OSError as error:
        raise unreadable(file, error) from error


def unreadable(file: Path, error: OSError) -> SteerError:
    return SteerError(f"cannot read {file}: {(error.strerror or str(error)).lower()}", "see its path and its mode")
