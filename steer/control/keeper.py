"""The single owner of the edge's steering state: what was seen and what was asked for go in, snapshots come out.

Everything happens in the control process's loop, one call after another, and each call leaves a whole state. Workers
get a new snapshot at once when, and only when, something changed that they must know.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from io import StringIO
from typing import Any

from steer.clock import Clock
from steer.control import asking
from steer.control.asked import NO_WORKER, Bind, asked_facts, nobody_bound
from steer.control.events import Events, rfc3339
from steer.control.groups import GroupReport
from steer.control.standing import OVERRIDE, Standing
from steer.control.state_file import Kept, NotKept, Unwritten
from steer.control.wishes import Wishes
from steer.steering.choose import Load
from steer.steering.conditions import Locate, nowhere
from steer.steering.explain import explain
from steer.steering.explain_node import explain_node
from steer.steering.model import Dice, Observation, Topology
from steer.steering.plan import PLAIN_NODE
from steer.steering.preview import without_ramps
from steer.steering.snapshot import NodeState, Snapshot
from steer.steering.standby import COLD, STANDBY, cold_nodes, is_standby
from steer.steering.tables import Tables

CHECKS_KEPT = 10
"""Results of active checks, for each node: a minute, enough to see a pattern."""

NO_LOAD: Mapping[str, int] = {}


def _nobody(snapshot: Snapshot) -> None:
    """Hears of the snapshots of a twin."""


class Keeper(Wishes):
    """Call `tick` each 100 ms. Changes raise Unacceptable, Refused (a safety rule), or NotKept (the disk).

    `publish` is called with each new snapshot, the first one included, and must not raise.
    """

    def __init__(
        self,
        topology: Topology,
        clock: Clock,
        dice: Dice,
        publish: Callable[[Snapshot], None],
        state: Kept,
        events: Events,
        canaries: Sequence[str] = (),
        locate: Locate = nowhere,
        bind: Bind = nobody_bound,
    ) -> None:
        super().__init__(topology, clock, dice, publish, state, events, canaries)
        self._locate = locate
        self._bind = bind
        self._checks: dict[str, deque[dict[str, Any]]] = {}

    def reconfigure(self, topology: Topology) -> Snapshot:
        """Another configuration holds. What is known of nodes, datacentres and overrides that stay goes on, by name.

        Nothing has changed if this raises. Returns the first snapshot, which is not published here: it says nothing
        of what workers know until they switch too.
        """
        now, mono = self._time()
        standing = Standing(topology, self._dice, self._events)
        standing.succeed(self._standing, now, mono)
        nodes, statuses = standing.view()
        self.topology, self._standing = topology, standing
        self.snapshot = Snapshot(self._next_number(self.snapshot.number, mono), nodes, statuses)
        self._checks = {node.name: self._checks[node.name] for node in topology.nodes if node.name in self._checks}
        self._saver.mark()
        return self.snapshot

    def close(self) -> None:
        """Write the state a last time. The state file stays open."""
        now, mono = self._time()
        with suppress(NotKept):  # the saver has said so
            self._saver.save(self._export(self._standing.book, {}, now, mono))

    # What was seen...

    def observe(self, observation: Observation) -> None:
        """A failure, or a trial's outcome, from a worker."""
        now, mono = self._time()
        changes = self._standing.nodes.observe(observation, now, mono)
        if changes or observation.trial:
            self._follow(changes, now, mono)

    def count(self, worker: int, counts: Mapping[str, Any]) -> None:
        """What a worker counted since it last said (`counts.Counts`): successes, and how long they took, by node; and
        the clients that it met where no new ones go.

        What follows from them can wait for the tick.
        """
        now, mono = self._time()
        for node, number in counts.get("successes", {}).items():
            self._standing.nodes.succeed(node, number, now, mono)
        for node, histogram in counts.get("upstream", {}).items():
            self._standing.nodes.measure(node, histogram, mono)
        self._standing.groups.clients.hear(counts.get("bound", {}), counts.get("ended", {}), mono)

    def checked(self, node: str, passed: bool, detail: str) -> None:
        """One active check's result."""
        now, mono = self._time()
        results = self._checks.setdefault(node, deque(maxlen=CHECKS_KEPT))
        results.append({"at": rfc3339(now), "passed": passed, "detail": detail})
        changes = self._standing.nodes.checked(node, passed, detail, now, mono)
        if changes:
            self._follow(changes, now, mono)

    def hear_canaries(self, answers: tuple[bool, ...], asked_at: float) -> None:
        """Which of the two addresses outside answered, asked at this monotonic time."""
        now, mono = self._time()
        changes = self._standing.hear_canaries(answers, asked_at, now, mono)
        if changes:
            self._follow(changes, now, mono)

    def set_workers(self, workers: Sequence[int]) -> None:
        """The numbers of the workers that serve: they get the trials."""
        self._workers = tuple(workers)

    def tick(self) -> None:
        """What time alone changes: ends of overrides and ejections, returns of datacentres, what is due on disk."""
        now, mono = self._time()
        self._expire(now, mono)
        self._follow(self._standing.tick(now, mono), now, mono)
        self._turn(now, mono)
        self._saver.tick(mono, lambda: self._export(self._standing.book, {}, now, mono))

    def _turn(self, now: float, mono: float) -> None:
        """A group that moves by itself is on disk before anybody hears of it; if the disk is broken it moves anyway."""
        turned = self._standing.turn(self.snapshot, now, mono)
        if turned.moved:
            with suppress(NotKept):  # the saver has said so
                self._saver.save(self._export(self._standing.book, {}, now, mono))
        if turned.any:
            self._saver.mark()
            self._follow((), now, mono)

    # What people ask...

    def is_suspected(self, node: str) -> bool:
        """Whether what was seen keeps it out: then its active check hurries."""
        status = self.snapshot.nodes.get(node, PLAIN_NODE)
        is_out = status.state is not NodeState.SERVING and status.cause != OVERRIDE
        return is_out and node not in cold_nodes(self.topology, self.snapshot.groups)

    def group_report(self, name: str) -> GroupReport:
        """What workers need not know of a group: how it came where it is, who is left, its penalty."""
        return self._standing.groups.report(name, self._standing.datacentres, self._clock.monotonic())

    def may_be_isolated(self) -> bool:
        """Whether the canaries should be asked: most nodes of most datacentres cannot be reached."""
        return self._standing.isolation.suspected_since is not None

    @property
    def is_isolated(self) -> bool:
        return self._standing.isolation.is_isolated

    def checks(self, node: str) -> list[dict[str, Any]]:
        """Its last active checks, the oldest first: {"at": RFC 3339, "passed", "detail"}."""
        return list(self._checks.get(node, ()))

    def explain_node(self, name: str) -> dict[str, Any]:
        """Plain JSON: why a node is as it is, its overrides and its last checks."""
        asking.known("node", name, (node.name for node in self.topology.nodes))
        overrides = [asdict(override) for override in self.overrides() if override.target.get("node") == name]
        known = explain_node(self._standing.nodes, name, self._clock.monotonic())
        if is_standby(name, self.snapshot.nodes, cold_nodes(self.topology, self.snapshot.groups)):
            known |= {"state": STANDBY, "because": COLD}
        return {**known, "overrides": overrides, "checks": self.checks(name)}

    def explain_request(
        self, host: str, path: str, client: str, headers: Mapping[str, str], in_flight: Mapping[str, int] = NO_LOAD
    ) -> dict[str, Any]:
        """Plain JSON: where a request would go now, and why. `in_flight`: by node, of the worker that would have it."""
        mono = self._clock.monotonic()
        tables = Tables(self.topology, self.snapshot, mono, NO_WORKER)
        facts = asked_facts(tables, host, path, client, self._locate(client), headers, self._bind)
        load = Load(len(self.topology.nodes))
        load.in_flight = [in_flight.get(node.name, 0) for node in self.topology.nodes]
        return explain(tables, facts, load, mono, self._dice)

    # What might be...

    def twin(self, clock: Clock) -> Keeper:
        """Another one in the same state, to try changes on: nothing of it is written, published or said."""
        state = self._export(self._standing.book, {}, *self._time())
        events = Events(clock, stream=StringIO(), most=1)
        twin = Keeper(self.topology, clock, self._dice, _nobody, Unwritten(state), events)
        twin._changed_at = self._changed_at.copy()
        return twin

    def settled(self) -> Snapshot:
        """How it will be when each datacentre has followed its nodes and no ramp runs any more. The end of a twin: it
        has been in the future."""
        groups = self.topology.groups.values()
        wait = max((max(group.out_after, group.back_after) for group in groups), default=0.0)
        now, mono = self._time()
        self._standing.follow((), now + wait, mono + wait, is_wanted=True)
        return without_ramps(Snapshot(self.snapshot.number, *self._standing.view()))
