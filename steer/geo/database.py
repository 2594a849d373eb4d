"""One file in MaxMind's format, read.

The fast reader maps its file. A file that somebody truncates while it is mapped ends the process at the next look-up
(SIGBUS), and one that is written in place gives wrong places; reading it with Python alone costs 20 times as much for
each look-up. So the file is copied into memory of its own (memfd), which is sealed: nobody can change it any more, and
that is mapped. What is read before the fork all workers share; what is read later each has for itself.
"""

from __future__ import annotations

import fcntl
import os
import stat
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import maxminddb

from steer.errors import SteerError
from steer.geo.records import place_of
from steer.steering.model import NOWHERE, Place

LARGEST = 1024 * 1024 * 1024
"""Bytes. The largest commercial databases of cities have under 400 MiB; each process holds one copy."""
COPIED_AT_ONCE = 64 * 1024 * 1024
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
SAMPLES = (IPv4Address("1.1.1.1"), IPv4Address("203.0.113.9"), IPv6Address("2001:4860:4860::8888"))
"""Looked up once in each new file, so that one whose middle was not written is not taken into use."""

Stamp = tuple[int, ...]


class Unreadable(SteerError):
    """A file that cannot be used as a database. `may_pass`: the file may be right and something else in the way."""

    def __init__(self, message: str, hint: str, may_pass: bool = False) -> None:
        super().__init__(message, hint)
        self.may_pass = may_pass


def stamp_of(found: os.stat_result) -> Stamp:
    """What changes when a file is written, replaced, or given another mode."""
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size


class Database:
    """What a file said when it was read. `kind` is its own word for what it holds, `built` wall time."""

    def __init__(self, path: Path) -> None:
        """Raises Unreadable."""
        self.path = path
        self._reader = _open(path)
        try:
            self.kind, self.built = self._described()
            for sample in SAMPLES:
                self._record(sample)
        except Exception as error:
            raise Unreadable(f"{path} is broken: {error}", "fetch it again") from error

    def __repr__(self) -> str:
        return f"<Database {self.path}: {self.kind}>"

    def place(self, address: IPv4Address | IPv6Address) -> Place:
        """NOWHERE, too, where the file is broken at this address."""
        try:
            return place_of(self._record(address))
        except Exception:
            # Whatever somebody else's bytes make the reader trip over: the request goes on without a place.
            return NOWHERE

    def _described(self) -> tuple[str, float]:
        metadata = self._reader.metadata()
        self._versions = (4, 6) if metadata.ip_version == 6 else (4,)
        return str(metadata.database_type), float(metadata.build_epoch)

    def _record(self, address: IPv4Address | IPv6Address) -> object:
        return self._reader.get(address) if address.version in self._versions else None


def _open(path: Path) -> maxminddb.Reader:
    try:
        copy = _copy(path)
    except OSError as error:
        message = f"{path} cannot be read: {(error.strerror or str(error)).lower()}"
        raise Unreadable(message, "see its path and its mode", may_pass=True) from error
    try:
        return maxminddb.open_database(f"/proc/self/fd/{copy}", maxminddb.MODE_MMAP_EXT)
    except (maxminddb.InvalidDatabaseError, OSError, ValueError) as error:
        raise Unreadable(f"{path} is no database in MaxMind's format", "a .mmdb file, whole and unpacked") from error
    finally:
        os.close(copy)


def _copy(path: Path) -> int:
    """A file descriptor, to be closed."""
    # Without O_NONBLOCK a named pipe would hold us up for ever.
    source = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(source)
        _must_fit(path, found)
        copy = os.memfd_create("places", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            at = 0
            while at < found.st_size and (taken := os.sendfile(copy, source, at, COPIED_AT_ONCE)):
                at += taken
            if stamp_of(os.fstat(source)) != stamp_of(found):
                raise Unreadable(f"{path} changed while it was read", "write it beside, then rename it", may_pass=True)
            fcntl.fcntl(copy, fcntl.F_ADD_SEALS, SEALS)
        except BaseException:
            os.close(copy)
            raise
    finally:
        os.close(source)
    return copy


def _must_fit(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable(f"{path} is no file", "a .mmdb file")
    if found.st_size > LARGEST:
        raise Unreadable(f"{path} is larger than {LARGEST // 1024**2} MiB", "a database of cities, countries or ASNs")
