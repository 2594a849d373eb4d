"""The store's memory engine as a `Namespace`, on a clock that tests move."""

from __future__ import annotations

from pathlib import Path

from steer.clock import Clock
from steer.store.layout import Space
from steer.store.memory_engine import MemoryEngine
from steer.store.memory_log import Log
from steer.store.namespace import EngineNamespace


class MemoryNamespace(EngineNamespace):
    """One site, no peers. With `log` what it holds is in that file once it is closed."""

    def __init__(self, clock: Clock, log: Path | None = None) -> None:
        self.engine = MemoryEngine(Log(log, "always") if log else None, clock)
        self._wall = clock.wall
        super().__init__(self.engine, Space("web", 1, buckets=16), clock=clock)

    @property
    def now(self) -> float:
        """Wall time."""
        return self._wall()

    async def keys(self) -> list[bytes]:
        """Of all live records."""
        cursor, found = await self.scan(0, None, 1000)
        assert cursor == 0
        return sorted(found)
