"""The single owner of the edge's steering state: what was seen and what was asked for go in, snapshots come out.

Everything happens in the control process's loop, one call after another, and each call leaves a whole state. Workers
get a new snapshot at once when, and only when, something changed that they must know.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from io import StringIO
from typing import Any, Literal

from steer.clock import Clock
from steer.control import asking, moving
from steer.control.asked import NO_WORKER, Bind, asked_facts, nobody_bound
from steer.control.events import Events, rfc3339
from steer.control.groups import GroupReport
from steer.control.overrides import Book, Kind, Override
from steer.control.saving import Saver
from steer.control.standing import OVERRIDE, Standing
from steer.control.state_file import Kept, NotKept, Unwritten
from steer.errors import Unacceptable
from steer.steering import groups
from steer.steering.choose import Load
from steer.steering.conditions import Locate, nowhere
from steer.steering.ejection import Changes
from steer.steering.explain import explain
from steer.steering.explain_node import explain_node
from steer.steering.groups import Record
from steer.steering.model import DatacentreState, Dice, NodeState, Observation, Snapshot, Topology
from steer.steering.plan import PLAIN_NODE
from steer.steering.positions import Moment
from steer.steering.preview import without_ramps
from steer.steering.safety import Verdicts, keeps_pause, rules_for_change, rules_for_move
from steer.steering.standby import cold_nodes
from steer.steering.tables import Tables

CHECKS_KEPT = 10
"""Results of active checks, for each node: a minute, enough to see a pattern."""

NONE_RELEASED: Mapping[str, Record] = {}
NO_LOAD: Mapping[str, int] = {}


def _nobody(snapshot: Snapshot) -> None:
    """Hears of the snapshots of a twin."""


class Keeper:
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
        # For the life of a configuration.
        self.topology = topology
        self._clock = clock
        self._dice = dice
        self._locate = locate
        self._bind = bind
        self._publish = publish
        self._events = events
        self._saver = Saver(state, events)
        self._standing = Standing(topology, dice, events, canaries)
        # Until the next call.
        self._workers: tuple[int, ...] = ()
        self._changed_at: dict[str, float] = {}
        self._checks: dict[str, deque[dict[str, Any]]] = {}
        self._begin(state.load())

    def _begin(self, saved: Mapping[str, Any]) -> None:
        now, mono = self._time()
        self._standing.take_over(saved, now, mono)
        nodes, statuses = self._standing.view()
        self.snapshot = Snapshot(self._next_number(saved.get("number", 0), mono), nodes, statuses)
        self._publish(self.snapshot)

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

    # What an operator wants...

    def set_weights(
        self,
        group: str,
        weights: Mapping[str, float],
        *,
        rule: str | None = None,
        owner: str,
        reason: str,
        expires_in: float | None = None,
        force: bool = False,
    ) -> Override:
        """Datacentres that are not named keep the weight that they have. `rule`: of this one, not of the group."""
        asking.known("group", group, self.topology.groups)
        target = {"group": group} | ({"rule": rule} if rule is not None else {})
        standing = [each for each in self._standing.book.of("weights", group=group) if each.target == target]
        value = asking.weights(self.topology.groups[group], weights, standing[0].value if standing else {}, rule)
        override = self._new("weights", target, owner, reason, expires_in)
        return self._set(replace(override, value=value), force)

    def override(
        self,
        kind: Literal["drain", "eject", "restore", "hold"],
        *,
        node: str | None = None,
        datacentre: str | None = None,
        group: str | None = None,
        owner: str,
        reason: str,
        expires_in: float | None = None,
        force: bool = False,
    ) -> Override:
        """Of a node, of a datacentre for one group (None: for all), or of a group. A restore lifts the others, at once.

        A group is held: nothing of it moves by itself. Its restore lifts that, and forgets its penalty and how often it
        has failed over.
        """
        asking.known("kind of override", kind, ("drain", "eject", "restore", "hold"))
        target = asking.target(self.topology, node, datacentre, group)
        asking.fits_kind(kind, target)
        override = self._new(kind, target, owner, reason, expires_in)
        return self._restore(override) if kind == "restore" else self._set(override, force)

    def overrides(self) -> tuple[Override, ...]:
        """Those in force, the oldest first."""
        return self._standing.book.overrides

    def lift(self, id: str, *, owner: str, reason: str) -> Override:
        """End an override before it expires. A node whose ejection ends so must prove itself by trials."""
        override = self._standing.book.find(id)
        if override is None:
            raise Unacceptable(f"no override has the id {id!r}", "`steer overrides` lists them")
        words = f"{owner}: {asking.reason(reason)}"
        self._commit(self._standing.book.without([override]), override)
        self._events.record("override_lifted", str(override), words)
        return override

    def _new(
        self, kind: Kind, target: Mapping[str, str], owner: str, reason: str, expires_in: float | None
    ) -> Override:
        now = self._clock.wall()
        expires = asking.expiry(now, expires_in)
        id = self._standing.book.next_id(now)
        return Override(id, kind, target, {}, owner, asking.reason(reason), now, expires)

    def failover(
        self, group: str, to: str | None, *, ungraceful: bool = False, owner: str, reason: str, force: bool = False
    ) -> None:
        """Move a group that is at one datacentre. `to` None: the first of its order that can take it."""
        record = self._record(group)
        wish = self._wish(owner, reason, force)
        after = moving.failover(self.topology, self.snapshot, group, record, to, ungraceful, wish)
        self._move(group, record, after, wish)

    def failback(self, group: str, *, owner: str, reason: str, force: bool = False) -> None:
        """Move it back to the first datacentre of its order, by its ramp."""
        record = self._record(group)
        wish = self._wish(owner, reason, force)
        is_on_hold = group in self._standing.groups.holds
        after = moving.failback(self.topology, self.snapshot, group, record, is_on_hold, wish)
        self._move(group, record, after, wish)

    def _record(self, group: str) -> Record:
        asking.known("group", group, self.topology.groups)
        return self._standing.groups.records[group]

    def _wish(self, owner: str, reason: str, force: bool) -> moving.Wish:
        return moving.Wish(f"{owner}: {asking.reason(reason)}", force, Moment(*self._time()))

    def _move(self, group: str, before: Record, after: Record, wish: moving.Wish) -> None:
        """On disk first, then in force. Raises Refused, NotKept."""
        now, mono = wish.when.now, wish.when.mono
        refused = keeps_pause(self.topology.groups[group], self._changed_at.get(group), mono)
        if refused is not None and not wish.force:
            raise refused
        self._saver.save(self._export(self._standing.book, {group: after}, now, mono))
        self._standing.groups.put({group: after})
        self._standing.groups.say_moved(group, before, wish.force)
        self._changed_at[group] = mono
        self._saver.mark()
        self._follow((), now, mono)

    def _set(self, override: Override, force: bool) -> Override:
        if not force:
            self._require_safe(override)
        self._commit(self._standing.book.add(override), override)
        words = f"{override.owner}: {override.reason}"
        self._events.record("override_set", str(override), f"{words} (forced)" if force else words)
        return override

    def _require_safe(self, override: Override) -> None:
        for verdicts in self.judge(override).values():
            for refused in filter(None, verdicts.values()):
                raise refused

    def _restore(self, override: Override) -> Override:
        """Always safe, so it is asked of no rule: it gives back what was taken."""
        if override.expires is not None:
            raise Unacceptable("a restore is done at once and does not expire", "leave `expires_in` out")
        book = asking.restore_without(self._standing.book, self.topology, override.target)
        released = self._released(override.target, book)
        if "datacentre" in override.target and book == self._standing.book and not released:
            self._require_not_out(override.target)
        done = replace(override, id=book.next_id(override.since), expires=override.since)
        self._commit(replace(book, last_id=done.id), done, released)
        self._events.record("restored", str(done), f"{done.owner}: {done.reason}")
        return done

    def _released(self, target: Mapping[str, str], book: Book) -> dict[str, Record]:
        """The groups that may move by themselves again. Raises Unacceptable when it is asked for and none is held."""
        records = self._standing.groups.records
        named = asking.groups_of(self.topology, target) if "node" not in target else ()
        if "datacentre" in target:
            kept_out = self._standing.datacentres.is_kept_out
            named = tuple(name for name in named if kept_out(name, target["datacentre"], self._clock.monotonic()))
        found = {name: groups.release(records[name]) for name in named if groups.is_held_by_itself(records[name])}
        if "datacentre" not in target and named and not found and book == self._standing.book:
            raise Unacceptable(f"{named[0]} is not held", "`steer status` shows what is")
        return found

    def _require_not_out(self, target: Mapping[str, str]) -> None:
        for group in asking.groups_of(self.topology, target):
            status = self._standing.datacentres.status(group, target["datacentre"])
            if status.state is not DatacentreState.SERVING:
                what = f"{target['datacentre']} is {status.state} for {group}: {status.cause}"
                raise Unacceptable(what, "no override keeps it so; restore its nodes")

    def _commit(self, book: Book, override: Override, released: Mapping[str, Record] = NONE_RELEASED) -> None:
        """On disk first, then in force: who has the acknowledgement can rely on it. Raises NotKept."""
        now, mono = self._time()
        self._saver.save(self._export(book, released, now, mono))
        self._standing.book = book
        self._standing.groups.put(released)
        if override.kind == "restore" and "node" in override.target:
            node = override.target["node"]
            self._standing.follow(self._standing.nodes.restore(node, now, mono, override.reason), now, mono)
        self._standing.settle(now, mono)
        self._saver.mark()
        if override.kind != "hold":
            self._changed_at.update(dict.fromkeys(asking.groups_of(self.topology, override.target), mono))
        self._publish_if_new(mono)

    def _expire(self, now: float, mono: float) -> None:
        expired = self._standing.book.expired(now)
        if not expired:
            return
        self._standing.book = self._standing.book.without(expired)
        for override in expired:
            self._events.record("override_expired", str(override), f"set by {override.owner}: {override.reason}")
        self._standing.settle(now, mono)
        self._saver.mark()

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

    def judge(self, override: Override) -> dict[str, Verdicts]:
        """What each safety rule says of it, by group. A restore gives back what was taken, a hold changes nothing but
        what would: they are asked of none."""
        if override.kind in ("hold", "restore"):
            return {}
        mono = self._clock.monotonic()
        after = asking.outlook(self.topology, self.snapshot, override)
        return {
            group: rules_for_change(self.topology, self.snapshot, after, group, self._changed_at.get(group), mono)
            for group in asking.groups_of(self.topology, override.target)
        }

    def judge_move(self, group: str, to: str) -> dict[str, Verdicts]:
        """The same of a failover or a failback."""
        last, mono = self._changed_at.get(group), self._clock.monotonic()
        return {group: rules_for_move(self.topology, self.snapshot, group, to, last, mono)}

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

    # How it gets out...

    def _follow(self, changes: Changes, now: float, mono: float) -> None:
        if self._standing.follow(changes, now, mono):
            self._saver.mark()
        self._standing.nodes.grant_trials(self._workers, now, mono)
        self._publish_if_new(mono)

    def _publish_if_new(self, mono: float) -> None:
        nodes, statuses = self._standing.view()
        if nodes == self.snapshot.nodes and statuses == self.snapshot.groups:
            return
        self.snapshot = Snapshot(self._next_number(self.snapshot.number, mono), nodes, statuses)
        self._publish(self.snapshot)

    @staticmethod
    def _next_number(last: int, mono: float) -> int:
        """Milliseconds of monotonic time, so that numbers rise over a restart of control even when the file is lost."""
        return max(last + 1, int(mono * 1000))

    def _export(self, book: Book, records: Mapping[str, Record], now: float, mono: float) -> dict[str, Any]:
        return {"number": self.snapshot.number, **self._standing.export(book, records, now, mono)}

    def _time(self) -> tuple[float, float]:
        return self._clock.wall(), self._clock.monotonic()
