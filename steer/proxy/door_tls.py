"""TLS of doors that are not for browsers: the admin API, the session doors, other edges; in both directions.

A context lives as long as its door. When its files are replaced, `renew` loads them into it, for connections from then
on. Whoever's CA is taken out of the file of CAs is trusted until the edge starts anew: a context cannot forget.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from steer.errors import SteerError
from steer.proxy.certificates import CertificateFiles, Stamp, load_pair, stamp_of, unreadable


class DoorContext(ssl.SSLContext):
    """Made by `admin_context` and `peer_context`. `alarm`: why what stands in the files now is not in use."""

    files: CertificateFiles
    ca: Path | None
    stamp: Stamp
    alarm: str

    def renew(self) -> bool:
        """If its files are others now: true if these are in use. Looks at them (stat), and mostly that is all."""
        # Read before the files are: if they change in the middle of it, the next look sees another stamp.
        stamp = _stamp(self.files, self.ca)
        if stamp == self.stamp:
            return False
        self.stamp = stamp
        try:
            # First into one that nobody uses: a pair that does not fit would stay half loaded.
            _load(ssl.SSLContext(self.protocol), self.files, self.ca)
            _load(self, self.files, self.ca)
        except SteerError as error:
            self.alarm = f"{error}; what was there before it stays in use"
            return False
        self.alarm = ""
        return True


def admin_context(files: CertificateFiles, client_ca: Path | None = None) -> DoorContext:
    """Of a server; with `client_ca` only for whom that CA knows. Raises SteerError."""
    context = _made(ssl.PROTOCOL_TLS_SERVER, files, client_ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def peer_context(files: CertificateFiles, ca: Path) -> DoorContext:
    """Of a client of another edge: only of one that this CA knows, and as whom `files` say. Raises SteerError."""
    context = _made(ssl.PROTOCOL_TLS_CLIENT, files, ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _made(protocol: int, files: CertificateFiles, ca: Path | None) -> DoorContext:
    context = DoorContext(protocol)
    context.files, context.ca, context.alarm = files, ca, ""
    context.stamp = _stamp(files, ca)
    _load(context, files, ca)
    return context


def _stamp(files: CertificateFiles, ca: Path | None) -> Stamp:
    return stamp_of(files.certificate, files.key, *([ca] if ca is not None else []))


def _load(context: ssl.SSLContext, files: CertificateFiles, ca: Path | None) -> None:
    load_pair(context, files)
    if ca is not None:
        trust(context, ca)


def trust(context: ssl.SSLContext, ca: Path) -> None:
    """Raises SteerError."""
    try:
        context.load_verify_locations(cafile=ca)
    except ssl.SSLError as error:
        raise SteerError(f"{ca} has no CA certificate in PEM form", "-----BEGIN CERTIFICATE-----") from error
    except OSError as error:
        raise unreadable(ca, error) from error
