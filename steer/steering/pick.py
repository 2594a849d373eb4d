"""Which node inside a set of nodes: the algorithms, and what one worker knows of the nodes that others do not."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from math import inf

from steer.steering.model import Dice, Node
from steer.steering.plan import NodeSet, Slot, node_set
from steer.steering.rendezvous import ranked

# Trials are granted one after another and a used number never comes back, so only the latest few can matter.
MOST_TRIALS_REMEMBERED = 64


class Load:
    """A worker's own view of the nodes, by `node.index`. For the life of one worker; mutable.

    `in_flight`: requests on the node, those that wait for a connection included. `avoid_until`: monotonic time until
    which this worker chooses the node only if there is nothing else (it refused a connection). `trials_used`: numbers
    of the trials this worker has sent. `turns`: the counters of `round_robin`.
    """

    __slots__ = ("avoid_until", "in_flight", "trials_used", "turns")

    def __init__(self, nodes: int) -> None:
        self.in_flight = [0] * nodes
        self.avoid_until = [0.0] * nodes
        self.turns = [0.0] * nodes
        self.trials_used: list[int] = []

    def __repr__(self) -> str:
        return f"<Load [{sum(self.in_flight)} in flight on {len(self.in_flight)} nodes]>"

    def begin(self, index: int) -> None:
        """A node that is new has this place, which may be one more than there were."""
        for numbers in (self.in_flight, self.avoid_until, self.turns):
            numbers[index : index + 1] = [0]

    def copy(self) -> Load:
        """The same numbers, to try a decision on without taking part in it."""
        twin = Load(0)
        twin.in_flight = self.in_flight.copy()
        twin.avoid_until = self.avoid_until.copy()
        twin.turns = self.turns.copy()
        twin.trials_used = self.trials_used.copy()
        return twin

    def is_full(self, slot: Slot) -> bool:
        return self.in_flight[slot.index] >= slot.limit

    def may_try(self, slot: Slot) -> bool:
        """Whether the slot's trial was not sent yet, and fits."""
        return slot.verdict.trial not in self.trials_used and not self.is_full(slot)

    def use_trial(self, number: int) -> None:
        self.trials_used.append(number)
        del self.trials_used[:-MOST_TRIALS_REMEMBERED]


def pick(nodes: NodeSet, load: Load, dice: Dice, key: bytes = b"") -> Slot:
    """The node whose turn it is, by the pool's algorithm. Whether it is full or avoided is for the caller to ask.

    `key`: what `hash` is of; a request that has none goes by the dice.
    """
    if nodes.single is not None:
        return nodes.single
    if nodes.algorithm == "least_requests":
        return _least_requests(nodes, load, dice)
    if nodes.algorithm == "round_robin":
        return _round_robin(nodes, load)
    if nodes.algorithm == "hash" and key:
        return nodes.slots[_ranked(nodes, key)[0]]
    return nodes.slots[_throw(nodes, dice.random() * nodes.ends[-1])]


def pick_free(
    nodes: NodeSet, tried: Collection[Node], load: Load, avoid_after: float, dice: Dice, key: bytes = b""
) -> Slot | None:
    """The same among the nodes that were not tried, are not full, and are avoided until `avoid_after` at the most."""
    free = [
        slot
        for slot in nodes.slots
        if slot.node not in tried and not load.is_full(slot) and load.avoid_until[slot.index] <= avoid_after
    ]
    return pick(node_set(free, nodes.algorithm), load, dice, key) if free else None


def first_free(
    sets: Sequence[NodeSet], tried: Sequence[Node], load: Load, now: float, dice: Dice, key: bytes = b""
) -> Slot | None:
    """A node of the first set that has one; those that this worker avoids only where no set has another."""
    for avoid_after in (now, inf):
        for nodes in sets:
            slot = pick_free(nodes, tried, load, avoid_after, dice, key)
            if slot is not None:
                return slot
    return None


def _throw(nodes: NodeSet, point: float) -> int:
    """Whose stretch of the line the point is on. Rounding may put it past the end: then the last."""
    return min(bisect_right(nodes.ends, point), len(nodes.slots) - 1)


def _ranked(nodes: NodeSet, key: bytes) -> list[int]:
    return ranked([slot.node.name for slot in nodes.slots], [slot.weight for slot in nodes.slots], key)


def _least_requests(nodes: NodeSet, load: Load, dice: Dice) -> Slot:
    """Power of two choices: two different nodes drawn by weight, and of them the one with less in flight per weight.

    The second wins only if with this request it would carry no more, for its weight, than the first does now. So
    on a quiet site the weights alone decide; with "fewer in flight wins" the heaviest node would get everything there.
    """
    slots = nodes.slots
    first = _throw(nodes, dice.random() * nodes.ends[-1])
    one, other = slots[first], slots[_another(nodes, first, dice)]
    if (load.in_flight[other.index] + 1) * one.weight <= load.in_flight[one.index] * other.weight:
        return other
    return one


def _another(nodes: NodeSet, first: int, dice: Dice) -> int:
    """A second node by weight: a throw on the line with the first one's stretch cut out."""
    if len(nodes.slots) == 2:
        return 1 - first
    begin = nodes.ends[first - 1] if first else 0.0
    stretch = nodes.slots[first].weight
    point = dice.random() * (nodes.ends[-1] - stretch)
    second = _throw(nodes, point if point < begin else point + stretch)
    return second if second != first else (first + 1) % len(nodes.slots)


def _round_robin(nodes: NodeSet, load: Load) -> Slot:
    """Smooth weighted: each gains its weight, the one that has most goes and pays the sum (5:1:1 -> a a b a c a a)."""
    turns = load.turns
    for slot in nodes.slots:
        turns[slot.index] += slot.weight
    chosen = max(nodes.slots, key=lambda slot: turns[slot.index])
    turns[chosen.index] -= nodes.ends[-1]
    return chosen
