"""What the admin API is given: the composition root fills it in, and nothing in here reaches for anything else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from steer.clock import Clock, SystemClock
from steer.config import Change
from steer.control.audit import Audit
from steer.control.databases import DatabaseView
from steer.control.face import KeeperFace
from steer.control.metrics import Totals
from steer.control.previews import Previews
from steer.control.tokens import Tokens
from steer.sessions.keyring import Ring


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker as people see it. `state`: starting, serving, draining or gone; `since` is wall time."""

    worker: int
    pid: int
    state: str
    since: float


@dataclass(frozen=True, slots=True)
class CertificateView:
    """A certificate in use. `expires` is wall time; `names` are those it is valid for."""

    file: str
    names: tuple[str, ...]
    expires: float
    listeners: tuple[str, ...]


class KeyRing(Protocol):
    """The keys that seal affinity's cookies, or sessions."""

    @property
    def file(self) -> Path | None:
        """None: nothing is sealed by them."""

    def ring(self) -> Ring | None: ...
    def rotate(self) -> tuple[Ring, Ring]:
        """One step: the ring before and after. Raises Unacceptable, or SteerError when the file cannot be changed."""


@dataclass
class AdminContext:
    """`started` is wall time; `redacted_config` gives the configuration with every secret hidden.

    A reload puts other values into the fields that come out of the configuration. `reload` makes the edge follow its
    file, `diff` says what that would change; both raise ConfigError, or another SteerError with what is in the way.
    """

    keeper: KeeperFace
    totals: Totals
    tokens: Tokens
    audit: Audit
    name: str
    version: str
    config_hash: str
    started: float
    workers: Callable[[], Sequence[WorkerView]]
    certificates: Callable[[], Sequence[CertificateView]]
    redacted_config: Callable[[], Mapping[str, Any]]
    reload: Callable[[], Awaitable[Sequence[Change]]]
    diff: Callable[[], Awaitable[Sequence[Change]]]
    databases: Callable[[], Sequence[DatabaseView]] = tuple
    sessions: Callable[[], Mapping[str, Any]] = dict
    """What the store process said of itself last; empty: there is none, or it has not."""
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1")
    metrics_token: str | None = field(default=None, repr=False)
    rings: Mapping[str, KeyRing] = field(default_factory=dict)
    """By the names that operators give: affinity, sessions."""
    clock: Clock = field(default_factory=SystemClock)
    previews: Previews = field(init=False)

    def __post_init__(self) -> None:
        self.previews = Previews(self.clock)
