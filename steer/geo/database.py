"""One file in MaxMind's format, read.

Whole into memory, and looked up by Python alone. The library's fast reader maps its file, and then two things end the
process: somebody who truncates the file in use (SIGBUS), and wrong bytes in it, which it follows out of its memory
(SIGSEGV; six of six runs over 4,000 files with up to eight bytes changed ended so, none with Python's). A look-up costs
0.1 ms for a city with its names in eight languages, which the kept answers make rare; at most 65,536 values, 512
levels and 2 MiB are decoded for it.

What is read before the fork all workers share; what is read later each has for itself.
"""

from __future__ import annotations

import os
import stat
from io import BytesIO
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import maxminddb

from steer.errors import SteerError
from steer.geo.records import place_of
from steer.steering.model import NOWHERE, Place

LARGEST = 1024 * 1024 * 1024
"""Bytes. The largest commercial databases of cities have under 400 MiB; each process holds one copy."""
LONGEST_KIND = 100
"""Letters of what a file calls itself; `GeoIP2-Precision-Enterprise` has 27."""
LAST_SECOND = 253_402_300_799.0
"""Of the year 9999: what says that it was built later cannot be told as a date."""
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
    """What a file said when it was read. `kind` is its own word for what it holds, `built` wall time (0: nonsense)."""

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
        built = float(metadata.build_epoch)
        return str(metadata.database_type)[:LONGEST_KIND], built if 0 <= built <= LAST_SECOND else 0.0

    def _record(self, address: IPv4Address | IPv6Address) -> object:
        return self._reader.get(address) if address.version in self._versions else None


def _open(path: Path) -> maxminddb.Reader:
    try:
        content = _read(path)
    except OSError as error:
        message = f"{path} cannot be read: {(error.strerror or str(error)).lower()}"
        raise Unreadable(message, "see its path and its mode", may_pass=True) from error
    try:
        return maxminddb.open_database(BytesIO(content), maxminddb.MODE_FD)
    except Exception as error:
        # Wrong bytes make the reader trip in many ways (TypeError for a key too few, MemoryError, ...).
        raise Unreadable(f"{path} is no database in MaxMind's format", "a .mmdb file, whole and unpacked") from error


def _read(path: Path) -> bytes:
    # Without O_NONBLOCK a named pipe would hold us up for ever.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        found = os.fstat(file.fileno())
        _must_fit(path, found)
        content = file.read(found.st_size)
        if stamp_of(os.fstat(file.fileno())) != stamp_of(found):
            raise Unreadable(f"{path} changed while it was read", "write it beside, then rename it", may_pass=True)
    return content


def _must_fit(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable(f"{path} is no file", "a .mmdb file")
    if found.st_size > LARGEST:
        raise Unreadable(f"{path} is larger than {LARGEST // 1024**2} MiB", "a database of cities, countries or ASNs")
