"""What the admin API needs of the owner of the state: `Keeper` fits without knowing this file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from steer.clock import Clock
from steer.control.groups import GroupReport
from steer.control.overrides import Override
from steer.steering.model import Topology
from steer.steering.safety import Verdicts
from steer.steering.snapshot import Snapshot

Kind = Literal["drain", "eject", "restore", "hold"]


class KeeperFace(Protocol):
    """Every method answers at once. Changes raise `Unacceptable` (it cannot be) or `Refused` (a safety rule says no).

    `expires_in` is in seconds, None: until it is lifted.
    """

    @property
    def topology(self) -> Topology: ...

    @property
    def snapshot(self) -> Snapshot: ...

    @property
    def is_isolated(self) -> bool: ...

    def set_weights(
        self,
        group: str,
        weights: Mapping[str, float],
        *,
        rule: str | None,
        owner: str,
        reason: str,
        expires_in: float | None,
        force: bool,
    ) -> Override: ...

    def override(
        self,
        kind: Kind,
        *,
        node: str | None,
        datacentre: str | None,
        group: str | None,
        owner: str,
        reason: str,
        expires_in: float | None,
        force: bool,
    ) -> Override: ...

    def failover(
        self, group: str, to: str | None, *, ungraceful: bool, owner: str, reason: str, force: bool
    ) -> None: ...

    def failback(self, group: str, *, owner: str, reason: str, force: bool) -> None: ...

    def judge(self, override: Override) -> Mapping[str, Verdicts]: ...

    def judge_move(self, group: str, to: str) -> Mapping[str, Verdicts]: ...

    def twin(self, clock: Clock) -> KeeperFace:
        """Another one in the same state, to try changes on."""

    def settled(self) -> Snapshot:
        """Of a twin: how it will be when everything has followed the change."""

    def group_report(self, name: str) -> GroupReport: ...

    def overrides(self) -> Sequence[Override]: ...

    def lift(self, id: str, *, owner: str, reason: str) -> Override: ...

    def explain_node(self, name: str) -> dict[str, Any]: ...

    def explain_request(
        self, host: str, path: str, client: str, headers: Mapping[str, str], in_flight: Mapping[str, int]
    ) -> dict[str, Any]: ...

    def checks(self, node: str) -> Any:
        """The last active checks of a node, as JSON-able values; empty where its pool has none."""
