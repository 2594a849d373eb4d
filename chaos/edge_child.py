"""A real edge: `steer run` with a configuration of the rig's, one worker, its control and its store child.

Every second crash takes the store child alone, which the supervisor starts anew; the others take the whole edge.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from chaos.child import Child, Spot
from chaos.edge_door import EdgeDoor
from chaos.engines import free_port
from chaos.joining import Joining, bind
from chaos.settings import NAME

NOBODY = {"url": "redis://127.0.0.1:1/0"}
"""The Redis of a site that is reached through its edges."""
STORE = "steer store"
"""What its process is called."""


class EdgeChild(Child):
    """`keys`: the file of the ring, the same at every edge. `joining` None: it reaches the other site's Redis."""

    def __init__(self, spot: Spot, keys: Path, joining: Joining | None) -> None:
        self._http, self._resp = free_port(), free_port()
        self._folder = spot.folder / spot.name
        self._keys = keys
        self._joining = joining
        self._crashes = 0
        super().__init__(spot, EdgeDoor(self._http, self._resp, spot.acknowledge))
        self._folder.mkdir()
        (self._folder / "steer.yaml").write_text(yaml.safe_dump(self._configuration(), sort_keys=False))

    def command(self) -> Sequence[str]:
        return sys.executable, "-m", "steer", "run", str(self._folder / "steer.yaml"), "--workers", "1"

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """The group: the supervisor leads it."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def crash(self) -> None:
        self._crashes += 1
        store = self._store()
        if self._crashes % 2 and store is not None:
            with suppress(ProcessLookupError):
                os.kill(store, signal.SIGKILL)
        else:
            self.kill()

    def is_crash(self, line: str) -> bool:
        """Every error but the supervisor's, of a child that the rig has killed."""
        return '"level": "error"' in line and "was killed by SIGKILL" not in line

    def empty(self) -> None:
        """Its configuration is put there anew by whoever builds the site."""
        shutil.rmtree(self._folder / "state", ignore_errors=True)

    def _store(self) -> int | None:
        """Its process id, if it lives."""
        if self.process is None:
            return None
        with suppress(FileNotFoundError, ProcessLookupError):
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            names = {int(pid): Path(f"/proc/{pid}/comm").read_text().strip() for pid in children}
            return next((pid for pid, name in names.items() if name == STORE), None)
        return None

    def _configuration(self) -> dict[str, Any]:
        """The nodes that it steers to do not exist: nobody asks for them."""
        sites = {f"site-{site}": site for site in self.relays}
        nodes = {name: [{"name": f"{name}-1", "address": "http://127.0.0.1:9"}] for name in sites}
        return {
            "version": 1,
            "edge": {"name": self.spot.name, "datacentre": f"site-{self.site}", "state": "state"},
            "listeners": [{"name": "http", "bind": bind(free_port())}],
            "admin": {"bind": bind(free_port()), "tokens": "tokens.yaml"},
            "datacentres": {name: {"id": site, "redis": self._redis(site)} for name, site in sites.items()},
            "pools": {"web": {"nodes": nodes}},
            "groups": {"website": {"mode": "active-active", "weights": dict.fromkeys(sites, 50)}},
            "services": {
                "www": {"hostnames": ["www.example"], "group": "website", "routes": [{"path": "/", "pool": "web"}]}
            },
            "sessions": {
                "doors": {"http": {"bind": bind(self._http)}, "resp": {"bind": bind(self._resp)}},
                "namespaces": {NAME: self._namespace()},
                "keys": {"file": str(self._keys)},
            },
            **(self._joining.settings(self.spot.name, self.relays) if self._joining else {}),
        }

    def _namespace(self) -> dict[str, Any]:
        return {
            "acknowledge": self.spot.acknowledge,
            "max_pending": self.spot.max_pending,
            "seal": True,
            "local_keys": ["lock:*"],
        }

    def _redis(self, site: int) -> dict[str, Any]:
        if self._joining and site != self.site:
            return NOBODY
        if site in self.spot.sentinels:
            return {"sentinel": {"nodes": [bind(self.spot.sentinels[site])], "service": NAME}}
        return {"url": f"redis://127.0.0.1:{self.relays[site][0].port}/0"}
