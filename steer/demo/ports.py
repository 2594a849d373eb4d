"""Free ports of the loopback interface."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from itertools import chain

from steer.errors import SteerError

LAST = 32767
"""Above it Linux takes ports for outgoing connections, so that a server which was killed may find its port taken."""


@dataclass(slots=True)
class Ports:
    """Gives out free ports, each once."""

    given: set[int] = field(default_factory=set)

    def just(self, port: int, hint: str) -> int:
        """This port and no other. Raises `SteerError` with the hint when it is not free."""
        if not self._is_free(port):
            raise SteerError(f"port {port} is taken", hint)
        self.given.add(port)
        return port

    def near(self, port: int) -> int:
        """This port, or the next that is free."""
        for candidate in chain(range(port, LAST + 1), range(1024, port)):
            if self._is_free(candidate):
                self.given.add(candidate)
                return candidate
        raise SteerError("no port is free on 127.0.0.1")

    def _is_free(self, port: int) -> bool:
        return port not in self.given and can_listen(port)


def can_listen(port: int) -> bool:
    """Whether a server could listen on this port now. 0 and what is out of range: no."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections in TIME_WAIT do not matter
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except (OSError, OverflowError):
            return False
        return port != 0
