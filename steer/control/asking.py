"""What an operator asks for, checked against what there is: each function raises Unacceptable with a hint, or answers.

Pure. Whether a change is *wise* is for the safety rules of `steer.steering.safety`; here is only whether it *can be*.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches

from steer.control.overrides import Book, Kind, Override
from steer.errors import Unacceptable
from steer.steering.model import Group, GroupMode, Topology
from steer.steering.plan import PLAIN_DATACENTRE, PLAIN_GROUP, PLAIN_NODE
from steer.steering.snapshot import DatacentreState, NodeState, NodeStatus, Snapshot

LARGEST_WEIGHT = 1e9
"""So that sums and products of weights stay exact enough; any proportion that makes sense fits far below."""

LONGEST = 10 * 366 * 86400.0
"""Seconds. What should hold for longer than ten years belongs into the configuration."""

NAMES_SHOWN = 20
"""Known names in a hint: a line that a person still reads."""


def known(what: str, name: str, names: Iterable[str]) -> None:
    """`what` is the kind of thing: node, group, datacentre, hostname."""
    there = tuple(names)
    if name in there:
        return
    close = get_close_matches(name, there, n=1)
    more = ", ..." if len(there) > NAMES_SHOWN else ""
    hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(there[:NAMES_SHOWN])}{more}"
    raise Unacceptable(f"no {what} is called {name!r}", hint if there else "there is none")


def target(topology: Topology, node: str | None, datacentre: str | None, group: str | None) -> dict[str, str]:
    """A node, a datacentre for one group or for all, or a group: {"node": ..}, {"datacentre": .., "group": ..}, .."""
    if group is not None and node is None and datacentre is None:
        known("group", group, topology.groups)
        return {"group": group}
    if node is not None and datacentre is None:
        if group is not None:
            raise Unacceptable("a group goes with a datacentre, not with a node")
        known("node", node, (each.name for each in topology.nodes))
        return {"node": node}
    if datacentre is None or node is not None:
        raise Unacceptable("name either a node or a datacentre, or a group")
    known("datacentre", datacentre, topology.datacentres)
    if group is not None:
        known("group", group, topology.groups)
    asked = {"datacentre": datacentre} | ({"group": group} if group is not None else {})
    if not groups_of(topology, asked):
        raise Unacceptable(f"{datacentre} is no datacentre of {group}" if group else f"no group uses {datacentre}")
    return asked


def fits_kind(kind: Kind, asked: Mapping[str, str]) -> None:
    """A group as a whole is held, or restored from what holds it; a node or a datacentre is drained or ejected."""
    is_group = "node" not in asked and "datacentre" not in asked
    if kind == "hold" and not is_group:
        raise Unacceptable("a hold is of a group", "name the group alone")
    if kind in ("drain", "eject") and is_group:
        raise Unacceptable(f"a whole group cannot be {kind}ed", "name a datacentre of it, or a node")


def groups_of(topology: Topology, target: Mapping[str, str]) -> tuple[str, ...]:
    """The groups that an override of this target changes."""
    groups = topology.groups.values()
    if "node" in target:
        pool = next(node.pool for node in topology.nodes if node.name == target["node"])
        return tuple(group.name for group in groups if pool in group.pools)
    if "datacentre" in target:
        wanted = target.get("group")
        return tuple(g.name for g in groups if target["datacentre"] in g.datacentres and wanted in (None, g.name))
    return (target["group"],)


def weights(
    group: Group, asked: Mapping[str, float], now: Mapping[str, float], rule: str | None = None
) -> dict[str, float]:
    """`now` is what an override says already: what is not named stays as it is. `rule`: of this one, not the group."""
    own = rule_weights(group, rule) if rule is not None else group_weights(group)
    if not asked:
        raise Unacceptable("no weight is given", f"{group.name} has {', '.join(own)}")
    for name, weight in asked.items():
        known(f"datacentre of {group.name}", name, own)
        if not (math.isfinite(weight) and 0 <= weight <= LARGEST_WEIGHT):
            raise Unacceptable(f"weights.{name}: must be 0 to {LARGEST_WEIGHT:.0f}, got {weight:g}")
    return {**now, **{name: float(weight) for name, weight in asked.items()}}


def group_weights(group: Group) -> Mapping[str, float]:
    if group.mode is not GroupMode.ACTIVE_ACTIVE:
        raise Unacceptable(
            f"{group.name} is {group.mode}: it is at one datacentre, not at several by weight",
            f"`steer failover {group.name}` moves it",
        )
    return group.weights


def rule_weights(group: Group, rule: str) -> Mapping[str, float]:
    """What may be set: the rule's own, and those of the group's datacentres that it does not name."""
    rules = {each.name: each for each in group.rules}
    known(f"rule of {group.name}", rule, rules)
    if rules[rule].nearest:
        raise Unacceptable(f"rule {rule} of {group.name} goes to the nearest datacentre: it has no weights")
    return {**dict.fromkeys(group.datacentres, 0.0), **rules[rule].weights}


def reason(text: str) -> str:
    if not text.strip():
        raise Unacceptable("a reason is needed", "say why, for whoever asks later")
    return text.strip()


def expiry(now: float, expires_in: float | None) -> float | None:
    """The wall time at which it ends."""
    if expires_in is None:
        return None
    if not 0 < expires_in <= LONGEST:
        raise Unacceptable(f"expires_in: must be above 0 s and at most ten years, got {expires_in:g} s")
    return now + expires_in


def restore_without(book: Book, topology: Topology, target: Mapping[str, str]) -> Book:
    """The book after a restore of this target: without what drains or ejects it, or holds it (a group).

    Where that was set for all groups and the restore is for one, it stays for the others.
    """
    if set(target) == {"group"}:
        return book.without(book.of("hold", group=target["group"]))
    names = {name: target[name] for name in ("node", "datacentre") if name in target}
    group = target.get("group")
    for override in (*book.of("drain", **names), *book.of("eject", **names)):
        if group is None or override.target.get("group", group) == group:
            book = book.without([override])
            for other in set(groups_of(topology, override.target)) - {group} if group else ():
                narrowed = {**override.target, "group": other}
                book = book.add(replace(override, id=book.next_id(override.since), target=narrowed))
    return book


def still_fits(topology: Topology, override: Override) -> bool:
    """Whether everything that it names is still there after a reload or a restart with another configuration."""
    try:
        if override.kind == "weights":
            known("group", override.target["group"], topology.groups)
            weights(topology.groups[override.target["group"]], override.value, {}, override.target.get("rule"))
        else:
            names = override.target
            target(topology, names.get("node"), names.get("datacentre"), names.get("group"))
    except Unacceptable:
        return False
    return True


def outlook(topology: Topology, before: Snapshot, override: Override) -> Snapshot:
    """How it would be with this override, as far as the safety rules look."""
    names, groups = override.target, dict(before.groups)
    if "node" in names:
        return replace(before, nodes={**before.nodes, names["node"]: _outlook_of_node(before, override)})
    for name in groups_of(topology, names):
        status = groups.get(name, PLAIN_GROUP)
        if override.kind == "weights" and "rule" in names:
            groups[name] = replace(status, rules={**status.rules, names["rule"]: override.value})
        elif override.kind == "weights":
            groups[name] = replace(status, weights=override.value)
        elif override.kind != "hold":
            there = status.datacentres.get(names["datacentre"], PLAIN_DATACENTRE)
            draining = replace(there, state=DatacentreState.DRAINING)
            groups[name] = replace(status, datacentres={**status.datacentres, names["datacentre"]: draining})
    return replace(before, groups=groups)


def _outlook_of_node(before: Snapshot, override: Override) -> NodeStatus:
    status = before.nodes.get(override.target["node"], PLAIN_NODE)
    if override.kind == "drain":
        return replace(status, drained=True)
    return replace(status, state=NodeState.EJECTED)
