"""TLS: which certificate a client is shown, and how nodes are verified.

A listener has one *base* context, made before the fork and never replaced. OpenSSL keeps the keys that seal session
tickets in it, so every worker opens the tickets of every other, and a reload ends no client's session. The base holds
no certificate: each certificate is a context of its own, and the SNI callback puts the right one under the connection.
Those contexts are what a reload replaces; connections that are open keep theirs.

    hello(SNI) -> exact name -> `*.` and the rest -> the first certificate; then `covers` for each Host
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from steer.errors import SteerError
from steer.proxy.certificates import (
    CertificateContext,
    CertificateFiles,
    WatchedCertificate,
    load_pair,
    server_side,
    wildcard,
)
from steer.proxy.door_tls import trust
from steer.proxy.tls_groups import restrict_groups

__all__ = ["CertificateFiles", "Expiry", "ListenerTls", "upstream_context"]

TICKETS = 1
"""For each full TLS 1.3 handshake, where OpenSSL makes two: a second one costs a seal and 250 bytes, and only a client
that opens parallel connections before the first answer could use it."""

Minimum = Literal["1.2", "1.3"]
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True, slots=True)
class Expiry:
    """When a certificate that is in use ends. Wall time, seconds."""

    certificate: Path
    names: tuple[str, ...]
    until: float


class ListenerTls:
    """One listener's TLS. `context` goes to `create_server`, for the life of the edge. Raises SteerError.

    `alpn` in the order of preference. Make it before the fork; each process then reloads its own certificates.
    """

    def __init__(
        self, certificates: Sequence[CertificateFiles], minimum: Minimum = "1.2", alpn: Sequence[str] = ("http/1.1",)
    ) -> None:
        if not certificates:
            raise SteerError("a TLS listener needs a certificate", "listeners[].tls.certificates")
        # For the life of the edge.
        self.context = _base_context(minimum, alpn, self._choose)
        # Until a reload.
        self._entries = tuple(WatchedCertificate(files, alpn) for files in certificates)
        self._by_name = self._index()

    def prepare(self, certificates: Sequence[CertificateFiles], alpn: Sequence[str]) -> tuple[WatchedCertificate, ...]:
        """What `follow` takes; nothing changes yet. Pairs of files that stay are not read again. Raises SteerError."""
        known = {(entry.files, tuple(entry.alpn)): entry for entry in self._entries}
        return tuple(known.get((files, tuple(alpn))) or WatchedCertificate(files, alpn) for files in certificates)

    def follow(self, prepared: tuple[WatchedCertificate, ...], minimum: Minimum, alpn: Sequence[str]) -> None:
        """Other certificates, or other rules, for handshakes from now on. The base context and its keys stay."""
        self._entries = prepared
        self._by_name = self._index()
        self.context.minimum_version = _VERSIONS[minimum]
        self.context.set_alpn_protocols(list(alpn))

    def covers(self, connection: ssl.SSLObject | ssl.SSLSocket, host: str) -> bool:
        """Is `host` covered by the certificate that this connection was given? (RFC 9110, 7.4: else 421.)

        Also after a reload: an open connection is judged by what its client was shown. `host`: lower case, without
        port or brackets.
        """
        return isinstance(connection.context, CertificateContext) and connection.context.covers(host)

    def reload_if_changed(self) -> tuple[str, ...]:
        """Look at the files (stat), load what changed. Returns the alarms that stand now, one for each certificate."""
        changed = [entry.reload_if_changed() for entry in self._entries]
        if any(changed):
            self._by_name = self._index()
        return tuple(entry.alarm for entry in self._entries if entry.alarm)

    def expiries(self) -> tuple[Expiry, ...]:
        """Of the certificates in use, in the order of the configuration."""
        return tuple(
            Expiry(entry.files.certificate, tuple(sorted(entry.context.names)), entry.context.until)
            for entry in self._entries
        )

    def _index(self) -> dict[str, CertificateContext]:
        """Of two certificates for one name the first counts."""
        by_name: dict[str, CertificateContext] = {}
        for entry in self._entries:
            for name in entry.context.names:
                by_name.setdefault(name, entry.context)
        return by_name

    def _certificate_for(self, server_name: str | None) -> CertificateContext:
        if server_name is None:
            return self._entries[0].context
        name = server_name.lower()
        return self._by_name.get(name) or self._by_name.get(wildcard(name)) or self._entries[0].context

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, server_name: str | None, _: ssl.SSLContext) -> None:
        # All the Python that a handshake costs.
        connection.context = self._certificate_for(server_name)


def upstream_context(
    verify: Literal["system", "ca", "off"],
    ca: Path | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
) -> ssl.SSLContext:
    """How to speak TLS to the nodes of a pool: one for the pool, not for each connection. Raises SteerError.

    The name that is verified is the connection's `server_hostname`. `certificate` and `key`: what a node may ask of us.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if verify == "off":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif verify == "ca":
        if ca is None:
            raise SteerError("`verify: ca` needs the file of that CA", "upstream_tls.ca")
        trust(context, ca)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if certificate is not None and key is not None:
        load_pair(context, CertificateFiles(certificate, key))
    return context


class _DirectContext(ssl.SSLContext):
    """Its connections read and write by OpenSSL's object itself: the methods of `ssl.SSLObject` only pass the same call
    on, which is a call of Python for each read, each write, and twice to ask what is pending."""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        connection = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        inner = getattr(connection, "_sslobj", connection)
        vars(connection).update(read=inner.read, write=inner.write, pending=inner.pending)
        return connection


def _base_context(
    minimum: Minimum,
    alpn: Sequence[str],
    choose: Callable[[ssl.SSLObject | ssl.SSLSocket, str | None, ssl.SSLContext], None],
) -> ssl.SSLContext:
    restrict_groups()
    context = server_side(_DirectContext(ssl.PROTOCOL_TLS_SERVER), alpn)
    context.minimum_version = _VERSIONS[minimum]
    context.num_tickets = TICKETS
    # OpenSSL keeps TLS 1.3 for a context without a certificate only because it has this callback.
    context.sni_callback = choose
    return context
