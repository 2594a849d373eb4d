"""A ring of keys on disk, as the admin API is given it."""

from __future__ import annotations

from pathlib import Path

from steer.sessions.keyfile import WatchedRing, ensure_ring
from steer.sessions.keyring import Ring
from tests.kit.clock import ManualClock


class Keys:
    """Meets `steer.control.context.KeyRing`. The clock may be put in later: that of the running API."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.file = folder / "affinity-keys.yaml"
        ensure_ring(self.file, self.clock.wall())
        self._watched = WatchedRing(self.file)

    def ring(self) -> Ring:
        return self._watched.ring

    def rotate(self) -> tuple[Ring, Ring]:
        return self._watched.rotate(self.clock.wall(), 1800.0)
