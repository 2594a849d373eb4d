"""What operators want: checked, judged by the safety rules, on disk, and then in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from steer.control import asking, moving
from steer.control.in_force import InForce
from steer.control.overrides import Book, Kind, Override
from steer.errors import Unacceptable
from steer.steering import groups
from steer.steering.groups import Record
from steer.steering.positions import Moment
from steer.steering.safety import Verdicts, keeps_pause, rules_for_change, rules_for_move
from steer.steering.snapshot import DatacentreState

NONE_RELEASED: Mapping[str, Record] = {}


class Wishes(InForce):
    """Changes raise Unacceptable, Refused (a safety rule), or NotKept (the disk)."""

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

    # What the safety rules would say...

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
