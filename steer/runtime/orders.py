"""What the supervisor and a child say to each other over their socketpair.

    supervisor -> worker     accept SLOT    take connections from this slot too: its own worker is dead or silent
                             release SLOT   its own worker is back: stop
    supervisor -> control    reload         look at the configuration file (SIGHUP)
    supervisor -> worker     leave          another version accepts from your slots now: finish what you have, then end
    supervisor -> any child  drain          finish what you have, then end
    child -> supervisor      ready          once: I do my work now
                             beat           every BEAT seconds: my loop turns
    control -> supervisor    snapshot BODY  the newest snapshot, for a worker that starts while control is dead
                             configuration BODY   the configuration that holds from now on, for whoever starts later

The end of the socketpair is a word too: the supervisor died, so the child drains and ends.
"""

from __future__ import annotations

from enum import StrEnum

from steer.runtime.frames import MAX_FRAME, BrokenFrame, frame, pack, unpack

BEAT = 0.5
"""Seconds between two heartbeats: four of them fit into the 2 s after which a worker counts as silent."""


class Order(StrEnum):
    ACCEPT = "accept"
    RELEASE = "release"
    RELOAD = "reload"
    DRAIN = "drain"
    LEAVE = "leave"


class Report(StrEnum):
    READY = "ready"
    BEAT = "beat"
    SNAPSHOT = "snapshot"
    CONFIGURATION = "configuration"


def give(order: Order, slot: int = -1) -> bytes:
    """An order as a frame."""
    return frame(pack([order.value, slot]))


def tell(report: Report, content: bytes = b"") -> bytes:
    """A report as a frame. `content` is a packed value of at most MAX_VALUE bytes, carried unread."""
    return frame(pack([report.value, content], most=MAX_FRAME))


def read_order(body: bytes) -> tuple[Order, int]:
    """The order and its slot. Raises BrokenFrame."""
    match unpack(body):
        case [str(word), int(slot)] if word in Order.__members__.values():
            return Order(word), slot
    raise BrokenFrame("not an order")


def read_report(body: bytes) -> tuple[Report, bytes]:
    """The report and the value that it carries, if any. Raises BrokenFrame."""
    match unpack(body):
        case [str(word), bytes(content)] if word in Report.__members__.values():
            return Report(word), content
    raise BrokenFrame("not a report")
