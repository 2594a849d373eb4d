from __future__ import annotations

from ipaddress import ip_network
from math import inf

from steer.proxy.admission import Admission
from steer.proxy.counters import Counters
from steer.proxy.settings import Limits, ListenerSettings

ADDRESS = "192.0.2.1"
DOOR = ListenerSettings("https", limits=Limits(connections=2), trusted_proxies=(ip_network("192.0.2.9/32"),))
OTHER = ListenerSettings("http")


class Connection:
    """What admission knows of one."""

    deadline = inf
    watched = inf
    address = ADDRESS

    def __init__(self, listener: ListenerSettings = DOOR, is_idle: bool = False) -> None:
        self.listener = listener
        self.is_idle = is_idle
        self.was_ended = False

    def make_room(self, now: float) -> bool:
        self.was_ended = self.is_idle
        return self.is_idle

    def expire(self, now: float) -> None: ...
    def drain(self) -> None: ...
    def abort(self) -> None: ...


def admission(*connections: Connection) -> Admission:
    found = Admission(Counters(()))
    for connection in connections:
        found.enter(connection)
    return found


def test_up_to_the_limit_of_the_listener_everybody_is_taken() -> None:
    found = admission(Connection())
    assert found.refusal(DOOR, ADDRESS, 0.0) == ""
    assert found.enter(Connection())
    assert found.refusal(DOOR, ADDRESS, 0.0) == "connections"
    assert found.refusal(OTHER, ADDRESS, 0.0) == ""
    assert not found.enter(Connection())


def test_one_that_ends_makes_room() -> None:
    first = Connection()
    found = admission(first, Connection())
    found.leave(first)
    assert found.refusal(DOOR, ADDRESS, 0.0) == ""


def test_at_the_limit_an_idle_connection_of_the_same_listener_is_ended_for_a_new_one() -> None:
    elsewhere, busy, idle = Connection(OTHER, is_idle=True), Connection(), Connection(is_idle=True)
    found = admission(elsewhere, busy, idle)
    assert found.refusal(DOOR, ADDRESS, 0.0) == ""
    assert [each.was_ended for each in (elsewhere, busy, idle)] == [False, False, True]


def test_those_that_are_busy_are_asked_after_all_others() -> None:
    crowd = [Connection() for _ in range(100)]
    idle = Connection(is_idle=True)
    found = admission(*crowd, idle)
    refused = [found.refusal(DOOR, ADDRESS, 0.0) for _ in range(7)]
    assert refused == ["connections"] * 6 + [""]
    assert idle.was_ended


def test_descriptors_are_kept_back_for_the_nodes() -> None:
    found = admission(Connection(OTHER), Connection(OTHER))
    found.most = 2
    assert found.refusal(OTHER, ADDRESS, 0.0) == "descriptors"


def test_a_flood_is_a_penalty_for_its_address_unless_it_is_a_trusted_proxy() -> None:
    found = admission()
    for address in (ADDRESS, "192.0.2.9"):
        found.punish(Connection(), address, 0.0)
    assert found.refusal(DOOR, ADDRESS, 0.0) == "penalty"
    assert found.refusal(DOOR, "192.0.2.9", 0.0) == ""
    assert found.refusal(DOOR, ADDRESS, 100.0) == ""


def test_overload_refuses_new_connections_first_and_then_new_requests() -> None:
    found = admission()
    for share, refusal, sheds in ((0.9, "overload", False), (0.97, "overload", True)):
        found.overload.note_memory(share)
        assert found.judge(0.0)
        assert (found.refusal(DOOR, ADDRESS, 0.0), found.sheds) == (refusal, sheds)
