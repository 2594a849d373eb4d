"""What a site says of its store: engine, namespaces, and how far each direction is behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from steer.store.replication.lag import Lag
from steer.store.replication.tally import Tally


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """One namespace and one peer. `out`: how far the peer is behind us. `problem`: why shipping does not go on; empty:
    it does, or another edge of this site does it (`is_ours`: this edge has the lease)."""

    peer: int
    is_ours: bool
    problem: str
    out: Lag
    tally: Tally


@dataclass(frozen=True, slots=True)
class SpaceStatus:
    """`pending`: by peer, how many writes wait for it. `tombstones`: as many as the last audit saw; None before one."""

    name: str
    pending: Mapping[int, int]
    links: Sequence[LinkStatus] = ()
    tombstones: int | None = None


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """The other direction. `behind`: seconds since the last canary that came from there was written, less the second
    between two of them; None: none ever came. `skew`: seconds that its engine's clock is ahead of ours', half a round
    trip unsure; None: it does not answer (`problem` says why)."""

    site: int
    problem: str
    behind: float | None
    waiting: int | None
    """How many of its writes we lack, of all namespaces; None while its engine does not answer."""
    skew: float | None


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """`problem`: why the engine does not answer; empty: it does. `skew`: seconds that its clock is ahead of ours.
    `standing`: `home`, or `away` or `returning` while a peer's engine answers in its place."""

    site: int
    problem: str
    skew: float
    spaces: Sequence[SpaceStatus]
    peers: Sequence[PeerStatus] = ()
    standing: str = "home"
