"""A `Site` in a process of the rig's own (`store_process`): with its settings, and in a control without a guard."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from chaos.child import Child, Spot
from chaos.engines import free_port
from chaos.keys import ToldKeys
from chaos.lines import LineDoor
from chaos.settings import Engine, Settings

FAR = 1.0
"""Seconds that a process waits for the other site's engine; its own has 0.25."""


class StoreChild(Child):
    """`keys`: those of the moment are told to it at its start."""

    def __init__(self, spot: Spot, keys: ToldKeys) -> None:
        self._port = free_port()
        self._keys = keys
        super().__init__(spot, LineDoor(self._port))

    def command(self) -> Sequence[str]:
        return sys.executable, "-m", "chaos.store_process", self._settings().model_dump_json()

    def is_crash(self, line: str) -> bool:
        return line.endswith(" crashed") or " asyncio " in line

    def _settings(self) -> Settings:
        return Settings(
            site=self.site,
            port=self._port,
            engines={site: self._engine(site) for site in self.relays},
            control=self.spot.control,
            max_pending=self.spot.max_pending,
            keys=tuple(self._keys.ring),
        )

    def _engine(self, site: int) -> Engine:
        timeout = 0.25 if site == self.site else FAR
        if site in self.spot.sentinels:
            return Engine(sentinels=(self.spot.sentinels[site],), timeout=timeout)
        return Engine(url=f"redis://127.0.0.1:{self.relays[site][0].port}/0", timeout=timeout)
