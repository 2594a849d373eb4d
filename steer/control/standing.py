"""How everything stands: the ledgers of nodes and datacentres, and the book of overrides that they follow.

The book is what operators want; `settle` makes the ledgers so. What nodes do moves the ledgers too; `follow` carries
that on to the datacentres. No clock, no disk, no sockets: `now` is wall seconds, `mono` monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from steer.control.asking import groups_of, still_fits
from steer.control.events import Events, Level
from steer.control.groups import Groups, Turned
from steer.control.overrides import Book, Kind, export, from_export
from steer.steering import standby
from steer.steering.clients import stay_of
from steer.steering.datacentres import DatacentreChange, DatacentreLedger, standbys, usable
from steer.steering.ejection import Change, Changes, Ledger
from steer.steering.groups import Record
from steer.steering.isolation import Isolation, is_most_unreached
from steer.steering.model import Dice, Group, Topology
from steer.steering.plan import PLAIN_DATACENTRE, PLAIN_GROUP, PLAIN_NODE
from steer.steering.positions import Moment
from steer.steering.snapshot import DatacentreState, GroupStatus, NodeState, NodeStatus, Snapshot
from steer.steering.standby import cold_nodes

View = tuple[dict[str, NodeStatus], dict[str, GroupStatus]]
"""Nodes and groups that differ from their defaults: what a snapshot holds."""

OVERRIDE = "override"
"""The cause that the ledgers give to what an operator wanted."""


class Standing:
    """For the life of a configuration."""

    def __init__(self, topology: Topology, dice: Dice, events: Events, canaries: Sequence[str] = ()) -> None:
        self._topology = topology
        self.isolation = Isolation(canaries)
        self._events = events
        self.book = Book()
        self.nodes = Ledger(topology, dice)
        self.datacentres = DatacentreLedger(topology)
        self.groups = Groups(topology, events)

    # The state file...

    def export(self, book: Book, records: Mapping[str, Record], now: float, mono: float) -> dict[str, Any]:
        """Plain JSON, with this book and these records instead of the own ones: they are written before they hold."""
        return {
            "overrides": export(book),
            "nodes": self.nodes.export(now, mono),
            "datacentres": self.datacentres.export(now, mono),
            "groups": self.groups.export(records, now, mono),
        }

    def take_over(self, saved: Mapping[str, Any], now: float, mono: float) -> None:
        """Begin where `export` left off ({}: at the very beginning). What is not in this configuration is left out."""
        if saved:
            self.nodes.restore_state(saved["nodes"], now, mono)
            self.datacentres.restore_state(saved["datacentres"], now, mono)
            self.groups.take_over(saved.get("groups", {}), now, mono)
            self.book = self._fitting(from_export(saved["overrides"]))
        self.settle(now, mono)

    def succeed(self, before: Standing, now: float, mono: float) -> None:
        """Begin where the one of another configuration is now."""
        self.take_over(before.export(before.book, {}, now, mono), now, mono)
        self.groups.clients.succeed(before.groups.clients)
        self.isolation = before.isolation
        if self.isolation.is_isolated:
            self.follow(self.nodes.isolate(now, mono), now, mono)

    def _fitting(self, book: Book) -> Book:
        gone = [override for override in book.overrides if not still_fits(self._topology, override)]
        for override in gone:
            why = f"{override.id} names what is not in this configuration"
            self._events.record("override_dropped", str(override), why, Level.WARNING)
        return book.without(gone)

    # What operators want...

    def settle(self, now: float, mono: float) -> None:
        """Make the ledgers follow the book."""
        self.groups.holds = frozenset(override.target["group"] for override in self.book.of("hold"))
        changes: list[Change] = []
        ejected, drained = self._nodes_named("eject"), self._nodes_named("drain")
        for name in self.nodes.statuses():
            if self.nodes.status(name).drained != (name in drained):
                changes += self.nodes.drain(name, name in drained, now, mono)
            changes += self._settle_ejection(name, ejected.get(name), now, mono)
        self._settle_datacentres(now, mono)
        self.follow((*changes, *self.nodes.tick(now, mono)), now, mono, is_wanted=True)

    def _nodes_named(self, kind: Kind) -> dict[str, str]:
        """Node -> the reason of its override."""
        return {o.target["node"]: o.reason for o in self.book.overrides if o.kind == kind and "node" in o.target}

    def _settle_ejection(self, name: str, reason: str | None, now: float, mono: float) -> Changes:
        """An operator's ejection has no end. When it is lifted its time is up, and the node must prove itself."""
        status = self.nodes.status(name)
        is_operators = status.state is NodeState.EJECTED and status.cause == OVERRIDE
        if reason is not None and not is_operators:
            return self.nodes.eject(name, now, mono, reason)
        if reason is None and is_operators and status.until is None:
            self.nodes.eject(name, now, mono, "its override ended", until=now)
        return ()

    def _settle_datacentres(self, now: float, mono: float) -> None:
        wanted = self._datacentres_named()
        for group in self._topology.groups.values():
            for name in group.datacentres:
                is_draining = self.datacentres.status(group.name, name).state is DatacentreState.DRAINING
                stay = wanted.get((group.name, name))
                if stay is None and is_draining:
                    self._say_datacentres(self.datacentres.restore(group.name, name, now, mono))
                if stay is not None and not is_draining:
                    self._say_datacentres(self.datacentres.drain(group.name, name, now, mono, stay))
                if stay == 0.0:
                    self.datacentres.end_stay(group.name, name)

    def _datacentres_named(self) -> dict[tuple[str, str], float]:
        """(Group, datacentre) -> how long clients may stay there: under a drain, but not under an ejection."""
        found: dict[tuple[str, str], float] = {}
        for override in self.book.overrides:
            if "datacentre" in override.target:
                for group in groups_of(self._topology, override.target):
                    stay = stay_of(self._topology, group) if override.kind == "drain" else 0.0
                    place = (group, override.target["datacentre"])
                    found[place] = min(stay, found.get(place, stay))
        return found

    # What was seen...

    def follow(self, changes: Changes, now: float, mono: float, *, is_wanted: bool = False) -> bool:
        """Say what changed of the nodes, and carry it on to the datacentres. True: something changed.

        `is_wanted`: an operator did it, so a datacentre that is out by it costs its group no points.
        """
        self._say_nodes(changes)
        moved = self.datacentres.update(self.nodes.statuses(), now, mono, self.groups.keeps_out())
        self._say_datacentres(moved)
        if not is_wanted:
            self.groups.count_outs(moved, mono)
        in_use = self.groups.in_use()
        self.nodes.set_usable(usable(self._topology, self.datacentres, in_use), standbys(self._topology, in_use))
        self.groups.watch(self.datacentres, mono)
        return bool(changes or moved)

    def turn(self, snapshot: Snapshot, now: float, mono: float) -> Turned:
        """What time alone changes of the groups. What an isolated edge sees moves none of them."""
        if self.isolation.is_isolated:
            self.groups.wait_anew()
            return Turned()
        return self.groups.turn(self.datacentres, snapshot, Moment(now, mono))

    def tick(self, now: float, mono: float) -> Changes:
        """What time alone changes of the nodes; and whether it is rather the edge that is lost, or found again."""
        if self.isolation.see(is_most_unreached(self.nodes.records()), mono):
            self._reconnect("nodes answer again")
        return self.nodes.tick(now, mono)

    def hear_canaries(self, answers: Collection[bool], asked_at: float, now: float, mono: float) -> Changes:
        if not self.isolation.hear(answers, asked_at):
            return ()
        if not self.isolation.is_isolated:
            self._reconnect("a canary answers")
            return ()
        why = "most nodes of most datacentres and every canary are out of reach: nothing is ejected"
        self._events.record("isolated", "edge", why, Level.ERROR)
        self.groups.take_back_outs(mono)
        return self.nodes.isolate(now, mono)

    def _reconnect(self, why: str) -> None:
        self.nodes.reconnect()
        self._events.record("isolation_ended", "edge", why)

    def view(self) -> View:
        nodes = {name: status for name, status in self.nodes.statuses().items() if status != PLAIN_NODE}
        groups = {name: self._group(group) for name, group in self._topology.groups.items()}
        return nodes, {name: status for name, status in groups.items() if status != PLAIN_GROUP}

    def _group(self, group: Group) -> GroupStatus:
        of_weights = self.book.of("weights", group=group.name)
        override = next((each for each in of_weights if "rule" not in each.target), None)
        statuses = self.datacentres.statuses(group.name)
        return replace(
            self.groups.status(group.name),
            weights=override.value if override else {},
            override=override.id if override else "",
            rules={each.target["rule"]: each.value for each in of_weights if "rule" in each.target},
            datacentres={name: statuses[name] for name in group.datacentres if statuses[name] != PLAIN_DATACENTRE},
        )

    def _say_nodes(self, changes: Changes) -> None:
        """But for those that nobody expects to run."""
        cold = cold_nodes(self._topology, self.groups.statuses()) if changes else frozenset()
        for change in changes:
            if change.node not in cold or change.after is NodeState.SERVING:
                self._say_node(change)

    def _say_node(self, change: Change) -> None:
        """A change whose state stays tells of something else: a drain, a limit, what a detector would do."""
        kind = str(change.after) if change.after is not change.before else "noted"
        level = Level.WARNING if kind == NodeState.EJECTED else Level.INFO
        self._events.record(kind, change.node, ": ".join(filter(None, (change.cause, change.detail))), level)

    def _say_datacentres(self, changes: tuple[DatacentreChange, ...]) -> None:
        for change in changes:
            group, is_out = self._topology.groups[change.group], change.after is DatacentreState.OUT
            is_cold = is_out and standby.is_cold(group, self.groups.status(group.name), change.datacentre)
            if change.datacentre in group.datacentres and not is_cold:
                level = Level.ERROR if is_out else Level.INFO
                what = f"{change.datacentre} for {change.group}"
                self._events.record(f"datacentre_{change.after}", what, change.cause, level)
