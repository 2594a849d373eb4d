from __future__ import annotations

import base64
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer.sessions.affinity import jar as module
from steer.sessions.affinity.jar import LENGTH, Jar, Ticket
from steer.sessions.affinity.seals import Seals
from steer.sessions.keyring import Ring, first_ring, rotated
from steer.steering.model import Affinity
from tests.kit.clock import ManualClock
from tests.sessions.affinity.places import WALL, topology

IDLE = 1800
RING = first_ring(0.0)


class Place:
    """A jar, and what its cookies do at its client."""

    def __init__(self, affinity: Affinity | None = None, service: str = "www", ring: Ring = RING) -> None:
        affinity = affinity or Affinity("cookie", "steer", idle=IDLE)
        self.clock = ManualClock()
        self.seals = Seals(ring)
        self.jar = Jar(service, affinity, topology(affinity, service), self.seals, self.clock)

    def value(self, node: str = "wlg-web-1", ticket: Ticket | None = None, secure: bool = True) -> bytes:
        datacentre = "wellington" if node.startswith("wlg") else "auckland"
        return value_of(self.jar.issue(datacentre, node, ticket, secure))

    def opened(self, value: bytes, secure: bool = True) -> Ticket:
        ticket = self.jar.open(value, secure)
        assert ticket is not None
        return ticket


def value_of(line: bytes) -> bytes:
    return line.partition(b"=")[2].partition(b";")[0]


@pytest.fixture
def place() -> Place:
    return Place()


def test_it_says_where_its_client_is(place: Place) -> None:
    ticket = place.opened(place.value("akl-web-2"))
    assert (ticket.datacentre, ticket.node) == ("auckland", "akl-web-2")
    assert (ticket.issued, ticket.deadline) == (WALL, WALL + IDLE)


@pytest.mark.parametrize(
    ("secure", "line"),
    [
        (True, rb"Set-Cookie: __Host-steer=[A-Za-z0-9_-]{76}; Path=/; Secure; HttpOnly; SameSite=Lax"),
        (False, rb"Set-Cookie: steer=[A-Za-z0-9_-]{76}; Path=/; HttpOnly; SameSite=Lax"),
    ],
)
def test_the_whole_line_is_what_the_design_says(place: Place, secure: bool, line: bytes) -> None:
    assert re.fullmatch(line, place.jar.issue("wellington", "wlg-web-1", None, secure))


def test_the_whole_line_has_at_most_200_bytes_with_the_longest_name() -> None:
    place = Place(Affinity("cookie", "n" * 64))
    assert len(place.jar.issue("wellington", "wlg-web-1", None, secure=True)) == 200


def test_two_clients_of_one_node_have_nothing_in_common(place: Place) -> None:
    one, other = place.value(), place.value()
    assert one[8:] != other[8:]
    assert place.opened(one).id != place.opened(other).id


def test_issued_again_it_is_the_same_binding_with_a_later_end(place: Place) -> None:
    first = place.opened(place.value())
    place.clock.advance(600)
    again = place.opened(place.value("akl-web-1", first))
    assert (again.id, again.issued) == (first.id, first.issued)
    assert (again.datacentre, again.deadline) == ("auckland", WALL + 600 + IDLE)


def test_it_is_due_past_a_quarter_of_its_idle_time(place: Place) -> None:
    ticket = place.opened(place.value())
    place.clock.advance(IDLE / 4)
    assert not place.jar.is_due(ticket)
    place.clock.advance(1)
    assert place.jar.is_due(ticket)


def test_it_is_good_for_its_idle_time_whether_it_was_opened_before_or_not(place: Place) -> None:
    seen, unseen = place.value(), place.value()
    place.clock.advance(IDLE)
    place.opened(seen)
    place.clock.advance(1)
    assert place.jar.open(seen, True) is None
    assert place.jar.open(unseen, True) is None


def test_longest_counts_from_the_first_one() -> None:
    place = Place(Affinity("cookie", "steer", idle=IDLE, longest=3000))
    first = place.opened(place.value())
    place.clock.advance(1700)
    again = place.value(ticket=first)
    place.clock.advance(1300)
    place.opened(again)
    place.clock.advance(1)
    assert place.jar.open(again, True) is None


def test_one_of_another_service_or_listener_means_nothing() -> None:
    place, other = Place(), Place(service="other")
    assert other.jar.open(place.value(), True) is None
    assert place.jar.open(place.value(secure=True), False) is None
    assert place.jar.open(place.value(secure=False), True) is None


def test_one_that_was_changed_anywhere_means_nothing(place: Place) -> None:
    value = place.value()
    for index in range(len(value)):
        letter = b"A" if value[index : index + 1] != b"A" else b"B"
        assert place.jar.open(value[:index] + letter + value[index + 1 :], True) is None


@given(st.binary(max_size=200))
def test_nothing_that_a_client_makes_up_is_taken_or_raises(value: bytes) -> None:
    place = Place()
    assert place.jar.open(value, True) is None
    assert place.jar.open(base64.urlsafe_b64encode(value), True) is None


@pytest.mark.parametrize("odd", [b"+", b"/", b"=", b" ", b"\xff", b"\0"])
def test_letters_that_are_not_of_base64url_mean_nothing(place: Place, odd: bytes) -> None:
    assert place.jar.open(place.value()[:-1] + odd, True) is None


def test_over_long_ones_mean_nothing(place: Place) -> None:
    assert place.jar.open(place.value() + b"A" * 4, True) is None
    assert place.jar.open(place.value() + b"=" * 4, True) is None
    assert len(place.value()) == LENGTH


def test_a_node_that_is_gone_leaves_the_datacentre_and_a_datacentre_that_is_gone_leaves_nothing(place: Place) -> None:
    ticket = place.opened(place.value("wlg-gone-1"))
    assert (ticket.datacentre, ticket.node) == ("wellington", "")
    value = place.value("akl-web-1")
    smaller = replace(topology(), ids={"wellington": 1})
    jar = Jar("www", Affinity("cookie", "steer", idle=IDLE), smaller, place.seals, place.clock)
    assert jar.open(value, True) is None


def test_keys_change_under_it(place: Place) -> None:
    value = place.value()
    place.opened(value)
    added = rotated(RING, 100.0, IDLE)
    done = rotated(added, 200.0, IDLE)
    place.seals.follow(done)
    place.opened(value)
    assert value_of(place.jar.issue("wellington", "", None, True))[:5] != value[:5]
    place.seals.follow(Ring((done.active,)))
    assert place.jar.open(value, True) is None, "a key that is gone opens nothing, opened before or not"


def test_what_it_remembers_is_bounded_and_never_wrong(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_REMEMBERED", 8)
    values = [place.value() for _ in range(50)]
    ids = [place.opened(value).id for value in values]
    assert [place.opened(value).id for value in values] == ids
    assert len(place.jar._remembered) + len(place.jar._before) <= 16


def test_one_that_comes_again_is_not_opened_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    value = place.value()
    ticket = place.opened(value)
    monkeypatch.setattr(place.seals, "open", lambda *_: pytest.fail("opened twice"))
    assert place.opened(value) is ticket


def test_what_makes_a_client_forget_it_has_the_same_name_and_path(place: Place) -> None:
    assert place.jar.clear(True) == b"Set-Cookie: __Host-steer=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax"
    assert place.jar.clear(False) == b"Set-Cookie: steer=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
