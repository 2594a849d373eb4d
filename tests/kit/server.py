"""A server of TCP in threads of the test's own process, one for each connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

PATIENCE = 10.0


class Server:
    """Listens at once. `serve` is called with each connection and its number, from 1; it closes the connection."""

    def __init__(self, serve: Callable[[socket.socket, int], None], port: int = 0) -> None:
        self._serve = serve
        self._connections: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name=f"server {self.port}", daemon=True)
        self._thread.start()

    @property
    def accepted(self) -> int:
        """How many connections, up to now."""
        return len(self._connections)

    def stop(self) -> None:
        """No connection from now on, and those that are there end."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(PATIENCE)
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self._connections.append(connection)
                arguments = connection, self.accepted
                name = f"server {self.port}, connection {self.accepted}"
                threading.Thread(target=self._serve, args=arguments, name=name, daemon=True).start()
