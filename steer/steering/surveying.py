"""How each datacentre stands for one pool of one group, by a snapshot, at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from steer.steering import weights
from steer.steering.model import Group, GroupMode, Node, Pool
from steer.steering.plan import PLAIN_DATACENTRE, PLAIN_GROUP, PLAIN_NODE, Part, Survey, is_available
from steer.steering.reach import Way, position, reach
from steer.steering.snapshot import DatacentreState, DatacentreStatus, NodeStatus, Snapshot


class Surveyor:
    """What a snapshot says of the nodes of a pool, and of their datacentres for a group. `now` is monotonic."""

    def __init__(self, group: Group, pool: Pool, snapshot: Snapshot, now: float) -> None:
        self.group = group
        self.pool = pool
        self.group_status = snapshot.groups.get(group.name, PLAIN_GROUP)
        self.reach = reach(group, self.group_status)
        self._statuses = snapshot.nodes
        self._now = now

    @property
    def is_at_one_place(self) -> bool:
        return self.group.mode is not GroupMode.ACTIVE_ACTIVE

    def surveys(self, base: Mapping[str, float]) -> tuple[Survey, ...]:
        """Those that take new clients first, in the order in which they do."""
        names = dict.fromkeys((*base, *self.group.datacentres))
        return tuple(self._survey(name, base) for name in names)

    def _survey(self, datacentre: str, base: Mapping[str, float]) -> Survey:
        status, part = self.datacentre(datacentre), self._part(datacentre)
        running = [node for node in self.nodes_in(datacentre) if not self.status(node).drained]
        available = tuple(node for node in running if is_available(self.status(node)))
        expected = 0 if self.group.cold and part is Part.STANDBY and datacentre not in base else len(running)
        return Survey(
            datacentre=datacentre,
            state=status.state,
            cause=status.cause,
            base=base.get(datacentre, 0.0),
            available=available,
            expected=expected,
            health=weights.health(len(available), expected),
            ramp=weights.ramp(status.ramp_from, self.pool.ejection.ramp, self._now),
            is_usable=datacentre in base and bool(available) and self._takes_clients(status.state),
            part=part,
        )

    def _takes_clients(self, state: DatacentreState) -> bool:
        """Where the group can go nowhere else by itself, *out* is what a failover acts on, and nothing else."""
        if self.reach.way is Way.AT:
            return state is not DatacentreState.DRAINING
        return state is DatacentreState.SERVING

    def _part(self, datacentre: str) -> Part:
        if not self.is_at_one_place:
            return Part.NONE
        if datacentre == position(self.group, self.group_status):
            return Part.CURRENT
        if datacentre == self.reach.leaving:
            return Part.LEAVING
        return Part.STANDBY if datacentre in self.reach.standbys else Part.ARRIVING

    def datacentre(self, name: str) -> DatacentreStatus:
        return self.group_status.datacentres.get(name, PLAIN_DATACENTRE)

    def nodes_in(self, datacentre: str) -> list[Node]:
        return [node for node in self.pool.nodes if node.datacentre == datacentre]

    def status(self, node: Node) -> NodeStatus:
        return self._statuses.get(node.name, PLAIN_NODE)

    def node_ramp(self, node: Node) -> float:
        return weights.ramp(self.status(node).ramp_from, self.pool.ejection.ramp, self._now)

    def is_ramping(self, surveys: Iterable[Survey]) -> bool:
        return any(survey.ramp < 1 or any(self.node_ramp(node) < 1 for node in survey.available) for survey in surveys)
