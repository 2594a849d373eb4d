"""What a session library must do, whatever is behind its host and port: create, read, write, touch, renew, expire, end.

Each check is asked of a running application by a new visitor, and looks at the records through the door as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep

from redis import Redis

from tests.kit.application import LIFETIME, Application, Visitor

PATIENCE = 10.0
AT_ONCE = 4


class Place:
    """One application on one door."""

    def __init__(self, application: Application, port: int, door: Redis, edge: int = 0) -> None:
        self.application = application
        self.port = port
        self.door = door
        self.edge = edge
        """The port of an edge in front of it, if there is one."""

    def visitor(self, name: str = "") -> Visitor:
        """Logged in, if it has a name."""
        found = Visitor(self.port)
        if name:
            said = found.login(name)
            assert said == name, f"login said {said!r}"
        return found

    def records(self) -> set[str]:
        """Of all sessions."""
        found: set[str] = {key.decode() for key in self.door.scan_iter(match=f"{self.application.prefix}*", count=500)}
        return found

    def key_of(self, visitor: Visitor, before: set[str]) -> str:
        """The one record that is new since then."""
        (key,) = self.records() - before
        return key

    def wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        end = monotonic() + PATIENCE
        while not is_so():
            assert monotonic() < end, f"not within {PATIENCE} s: {what}"
            sleep(0.01)

    def left_ms(self, key: str) -> int:
        found: int = self.door.pttl(key)
        return found


def creates(place: Place) -> None:
    before = place.records()
    assert Visitor(place.port).who() == "nobody"
    visitor = place.visitor("ann")
    new = [key for key in place.records() - before if place.left_ms(key) > 0]
    assert new, "login left no record"
    assert all(0 < place.left_ms(key) <= LIFETIME * 1000 for key in new)
    assert visitor.who() == "ann"


def reads_and_writes(place: Place) -> None:
    visitor = place.visitor("bob")
    assert [visitor.count() for _ in range(3)] == ["1", "2", "3"]
    assert visitor.who() == "bob"
    assert visitor.twin().who() == "bob"


def touches(place: Place) -> None:
    """A request that changes nothing makes the session live longer."""
    before = place.records()
    visitor = place.visitor("eve")
    key = place.key_of(visitor, before)
    place.wait_until(lambda: place.left_ms(key) < LIFETIME * 1000 - 100, "time passes")
    left = place.left_ms(key)
    assert visitor.who() == "eve"
    assert place.left_ms(key) > left


def renews(place: Place) -> None:
    """Another id for the same session; the old one is of no use."""
    before = place.records()
    visitor = place.visitor("kim")
    old = visitor.twin()
    first = place.key_of(visitor, before)
    assert visitor.renew() == "kim"
    assert visitor.cookies != old.cookies
    assert first not in place.records()
    assert visitor.who() == "kim"
    assert old.who() == "nobody"


def ends(place: Place) -> None:
    before = place.records()
    visitor = place.visitor("max")
    old = visitor.twin()
    key = place.key_of(visitor, before)
    assert visitor.logout() == "nobody"
    assert key not in place.records()
    assert old.who() == "nobody"


def expires(place: Place) -> None:
    before = place.records()
    visitor = place.visitor("joe")
    key = place.key_of(visitor, before)
    place.door.pexpire(key, 20)
    place.wait_until(lambda: not place.door.exists(key), "the record expires")
    assert visitor.who() == "nobody"


def does_not_come_back(place: Place) -> None:
    """A browser that goes on with the id of a session that has ended begins another one, as nobody."""
    visitor = place.visitor("sue")
    old = visitor.twin()
    visitor.logout()
    old.count()
    assert old.who() == "nobody"


def excludes(place: Place) -> None:
    """Requests of one session at once are one after the other: no count is lost."""
    visitor = place.visitor("tim")
    with ThreadPoolExecutor(AT_ONCE) as at_once:
        said = list(at_once.map(lambda _: visitor.twin().count(), range(5 * AT_ONCE)))
    assert sorted(map(int, said)) == list(range(1, 5 * AT_ONCE + 1))


CHECKS: Mapping[str, Callable[[Place], None]] = {
    "creates": creates,
    "reads and writes": reads_and_writes,
    "touches": touches,
    "renews the id": renews,
    "ends": ends,
    "expires": expires,
    "does not come back": does_not_come_back,
}
LOCKING: Mapping[str, Callable[[Place], None]] = {"excludes": excludes}
"""Of libraries that lock."""
