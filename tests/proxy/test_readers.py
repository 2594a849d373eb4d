from __future__ import annotations

from steer.proxy.readers import HELD_S, Readers

PLACES = 64
SLOW, OTHER = "192.0.2.1", "192.0.2.2"


class Place:
    """A pool of `PLACES`, and responses in it."""

    def __init__(self) -> None:
        self.readers = Readers()
        self.under_way: list[Response] = []

    def free(self, _: str) -> int:
        return PLACES - len(self.under_way)

    def hold(self, number: int, client: str = SLOW, at: float = 0.0) -> list[Response]:
        responses = [Response(self) for _ in range(number)]
        for response in responses:
            self.readers.hold(response, "web", client, at)
        return responses

    def make_room(self, now: float) -> int:
        return self.readers.make_room(self.free, now)


class Response:
    def __init__(self, place: Place) -> None:
        self._place = place
        place.under_way.append(self)

    def client_gone(self) -> None:
        self._place.under_way.remove(self)
        self._place.readers.let_go(self)


def test_a_client_alone_holds_half_of_the_places_and_the_longest_held_end_first() -> None:
    place = Place()
    first, later = place.hold(40), place.hold(20, at=0.1)
    assert place.make_room(1.0) == 60 - PLACES // 2
    assert place.under_way == first[28:] + later


def test_the_next_one_holds_half_of_the_rest() -> None:
    place = Place()
    place.hold(PLACES // 2)
    place.hold(PLACES // 2, OTHER)
    place.make_room(1.0)
    assert place.free("web") >= PLACES // 4


def test_a_short_pause_is_no_fault_however_many_make_it() -> None:
    place = Place()
    place.hold(PLACES, at=1.0)
    assert place.make_room(1.0 + HELD_S / 2) == 0
    assert place.make_room(1.0 + HELD_S) == PLACES // 2


def test_who_goes_on_is_held_for_as_long_as_from_the_next_pause_on() -> None:
    place = Place()
    responses = place.hold(PLACES)
    for response in responses:
        place.readers.let_go(response)
        place.readers.let_go(response)
        place.readers.hold(response, "web", SLOW, 1.0)
        place.readers.hold(response, "web", SLOW, 5.0)
    assert place.make_room(1.0) == 0
    assert place.make_room(1.0 + HELD_S) == PLACES // 2


def test_while_there_are_places_nobody_is_ended() -> None:
    place = Place()
    place.hold(PLACES // 2)
    assert place.make_room(100.0) == 0
