"""What a child is given when it starts, and how the supervisor judges it. Plain values."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class WorkerSeat:
    slot: int
    slots: int
    """As many as each listener has sockets."""
    sockets: Mapping[str, Sequence[socket.socket]]
    """By listener, one for each slot: a worker also accepts from a neighbour's slot when the supervisor orders it."""
    snapshot: bytes | None
    """The last one that control published, packed (`frames.unpack`): a start needs no living control process."""
    hubs: Mapping[str, Path]
    """The Unix sockets on which the singles await workers, by the single's name."""
    configuration: bytes | None
    """The last one that a reload brought, packed; None: that with which the edge started."""
    supervisor: socket.socket
    drain: float
    """Seconds that a drain may take."""


@dataclass(frozen=True, slots=True)
class SingleSeat:
    sockets: Mapping[str, socket.socket]
    """Its own listening sockets, by what they are for."""
    hub: socket.socket
    """The listening Unix socket for the workers. It outlives this process: connections wait in its queue."""
    hubs: Mapping[str, Path]
    """As in WorkerSeat: one single may be another's client."""
    snapshot: bytes | None
    """The last one that the leading single before this one published, packed: go on with its numbers."""
    configuration: bytes | None
    """The last one that a reload brought, packed; None: that with which the edge started."""
    supervisor: socket.socket
    drain: float


@dataclass(frozen=True, slots=True)
class Single:
    """A process of which an edge has one. `run` is called in it, and returns its exit status."""

    name: str
    run: Callable[[SingleSeat], int]
    sockets: Mapping[str, socket.socket]

    def close(self) -> None:
        for listening in self.sockets.values():
            listening.close()


@dataclass(frozen=True, slots=True)
class Timing:
    """The supervisor's patience, in seconds."""

    silent: float = 2.0
    """Four heartbeats missed: neighbours accept from its slot. Less would move slots at each hiccup of the machine."""
    lost: float = 30.0
    """Killed and replaced: no honest pause of a loop lasts so long."""
    tick: float = 0.1
    """Between two looks at the clock."""
    grace: float = 1.0
    """On top of `drain`, for a worker to end what its own drain cut short."""
    singles: float = 5.0
    """For them to end once the workers have."""
