"""What steering asks of a request. Exchanges and connections of the proxy answer, or who asks in a person's name."""

from __future__ import annotations

from typing import Protocol

from steer.steering.hosts import HostEntry
from steer.steering.model import Bound, Place


class Facts(Protocol):
    """What is dear to find out is asked only where it decides."""

    @property
    def entry(self) -> HostEntry:
        """From `Tables.host`."""

    @property
    def pool(self) -> str:
        """From `HostEntry.pool_for`."""

    @property
    def client(self) -> str:
        """The client's address as text."""

    @property
    def path(self) -> str:
        """Without its query, as it was sent."""

    @property
    def retriable(self) -> bool:
        """Idempotent and can be replayed, so that it may carry a trial."""

    @property
    def idempotent(self) -> bool:
        """By its method, so that it may be part of a trickle."""

    @property
    def place(self) -> Place:
        """Where the client is; read only where a rule of the group asks for it."""

    @property
    def bound(self) -> Bound | None:
        """Where affinity says that the client is; None: nowhere yet. Read only where the service has affinity."""

    @property
    def key(self) -> str:
        """The learned key of the client's affinity, as the client sent it; empty: it sent none, or it is no such."""

    def field(self, name: str) -> str | None:
        """The request's field of this name (lower case); None: it has none. Read only where a rule or a hash asks."""

    def cookie(self, name: str) -> str | None:
        """The cookie of this name; None: it has none. Read only where a hash asks."""
