"""The Unix sockets on which the singles of an edge await its workers. Two versions that run at once have their own."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from steer.runtime.sockets import bind_unix
from steer.runtime.upgrade import Inherited


class Hubs:
    """`folder`/control.sock, or control-2.sock where the version before this one has the first, and so on."""

    def __init__(self, folder: Path, names: Sequence[str], inherited: Inherited | None) -> None:
        self.generation = 1 if inherited is None else 3 - inherited.generation
        suffix = "" if self.generation == 1 else f"-{self.generation}"
        self.paths = {name: folder / f"{name}{suffix}.sock" for name in names}
        self.sockets: dict[str, socket.socket] = {}
        self._inodes: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<Hubs of generation {self.generation} [{', '.join(self.paths)}]>"

    def bind(self, user: str | None) -> None:
        """For this user's processes. Raises SteerError."""
        for name, path in self.paths.items():
            self.sockets[name] = bind_unix(path, user)
            self._inodes[name] = path.stat().st_ino

    def forget(self, but: str = "") -> None:
        """In a child: those that it does not serve."""
        for name, listening in self.sockets.items():
            if name != but:
                listening.close()

    def close(self) -> None:
        """In the supervisor, at the end."""
        self.forget()
        for name, inode in self._inodes.items():
            with suppress(OSError):
                if self.paths[name].stat().st_ino == inode:  # else it is that of a later version
                    self.paths[name].unlink()
