"""Handing the sockets to a new version (SIGUSR2): it is started beside this one, and this one ends when it serves.

    old supervisor                                   new supervisor (same command, sockets and snapshot inherited)
      SIGUSR2: starts it          ──environment──>     starts its workers: both versions accept
      ends its own singles        <──────workers──     its workers are ready
      its workers serve on        ───state is free──>  starts its singles, which take the state's lock
      drains its workers, ends    <────────serves──    prints `ready`

Until the last step the old version can go on as it was, and does if the new one ends, or takes too long. The link
between the two is a socketpair; its end says that the other one is gone.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from steer.runtime.sockets import Address, close_all

logger = logging.getLogger("steer.runtime")

VARIABLE = "STEER_INHERITED"
"""The environment variable with the descriptors' numbers."""

WORKERS, STATE_IS_FREE, SERVES = b"w", b"s", b"r"
"""What the two say to each other."""

PATIENCE = 60.0
"""Seconds for the new version to serve: five Python processes on a busy machine take a few."""

MOST_SNAPSHOT = 8 * 1024 * 1024


@dataclass(slots=True)
class Inherited:
    """What a new version finds. Sockets that nobody takes are closed with `close_rest`."""

    link: socket.socket
    listeners: dict[Address, list[socket.socket]] = field(default_factory=dict)
    snapshot: bytes | None = None
    generation: int = 1
    """1 or 2: which Unix sockets the old version has (`hubs.py`)."""

    def take(self, address: Address) -> list[socket.socket]:
        """The listening sockets on this address, one for each slot of the old version; none where it had none."""
        return self.listeners.pop(address, [])

    def close_rest(self) -> None:
        close_all({str(address): sockets for address, sockets in self.listeners.items()})
        self.listeners.clear()


def inherit(environ: MutableMapping[str, str]) -> Inherited | None:
    """What the version before has left, None where there was none. Children see nothing of it."""
    text = environ.pop(VARIABLE, None)
    if text is None:
        return None
    found = json.loads(text)
    link = socket.socket(fileno=found["link"])
    link.setblocking(False)
    with os.fdopen(found["snapshot"], "rb") as file:
        snapshot = file.read(MOST_SNAPSHOT)
    inherited = Inherited(link, snapshot=snapshot or None, generation=found["generation"])
    for number in found["sockets"]:
        listening = socket.socket(fileno=number)
        listening.set_inheritable(False)
        inherited.listeners.setdefault(address_of(listening), []).append(listening)
    return inherited


def address_of(listening: socket.socket) -> Address:
    return Address(*listening.getsockname()[:2])


class Successor:
    """The new version, seen from the old one. `began` is monotonic."""

    def __init__(self, sockets: Sequence[socket.socket], snapshot: bytes | None, generation: int) -> None:
        """Start it, with these listening sockets. Raises OSError."""
        self.link, theirs = socket.socketpair()
        self.link.setblocking(False)
        self.began = time.monotonic()
        self._was_told = False
        kept = os.memfd_create("snapshot")
        try:
            os.write(kept, snapshot or b"")
            os.lseek(kept, 0, os.SEEK_SET)
            numbers = [listening.fileno() for listening in sockets]
            left = {"link": theirs.fileno(), "snapshot": kept, "generation": generation, "sockets": numbers}
            self.pid = _start({VARIABLE: json.dumps(left)}, (theirs.fileno(), kept, *numbers))
        except OSError:
            self.link.close()
            raise
        finally:
            theirs.close()
            os.close(kept)

    def hear(self) -> bytes:
        """What it said since the last time; empty: nothing more will come, it has ended."""
        try:
            return self.link.recv(16)
        except OSError:
            return b""

    def give_state(self) -> None:
        """Our singles have let go of the state: once."""
        if not self._was_told:
            self._was_told = True
            with suppress(OSError):
                self.link.send(STATE_IS_FREE)

    @property
    def is_late(self) -> bool:
        return time.monotonic() - self.began > PATIENCE

    def end(self) -> None:
        """It is not to serve after all."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)


def _start(more: Mapping[str, str], descriptors: tuple[int, ...]) -> int:
    """The command that this process was started with, once more: whatever stands there now is the new version."""
    command = [sys.executable, *sys.orig_argv[1:]]
    process = subprocess.Popen(command, env={**os.environ, **more}, pass_fds=descriptors)
    process.returncode = 0  # its end shows at the link, and the supervisor collects it like any child
    return process.pid
