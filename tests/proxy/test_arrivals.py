"""Which requests wait for their session, how many at most, and whose answer counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from steer.proxy import arrivals
from steer.proxy.arrivals import BROUGHT, Arrival, Arrivals, MappedCookie
from steer.proxy.exchange import Exchange

SITES = {"one": 1, "two": 2}
COOKIES = (MappedCookie(b"SID", "web", b"sess:", b":end"), MappedCookie(b"cart", "shop", b"", b""))


@dataclass
class Store:
    can_take: bool = True
    sent: list[Any] = field(default_factory=list)

    def send(self, value: object) -> None:
        self.sent.append(value)


@dataclass
class Head:
    lines: list[bytes]


@dataclass(eq=False)
class Request:
    """As much of an exchange as is looked at."""

    head: Head
    told: list[bool] = field(default_factory=list)

    def on_session(self, is_there: bool) -> None:
        self.told.append(is_there)


def request(*cookies: str) -> Request:
    return Request(Head([f"Cookie: {each}".encode() for each in cookies]))


def begin(made: Arrivals, asked: Request, before: str = "one", here: str = "two") -> Arrival:
    return made.begin(cast("Exchange", asked), before, here)


def test_the_store_is_asked_for_each_record_that_a_cookie_stands_for() -> None:
    store = Store()
    made = Arrivals(store, COOKIES, SITES)
    asked = request("a=b; SID=x,y; cart=7")
    assert begin(made, asked) is Arrival.WAITS
    ((word, id, *rest),) = store.sent
    assert (word, rest) == ("bring", [1, 2, [("web", b"sess:x,y:end"), ("shop", b"7")]])
    made.take([BROUGHT, id + 1, True])
    assert asked.told == []
    made.take([BROUGHT, id, True])
    made.take([BROUGHT, id, True])
    assert asked.told == [True]


@pytest.mark.parametrize(
    ("cookies", "before", "here"),
    [
        ("", "one", "two"),
        ("SID=", "one", "two"),
        ("SID=" + "x" * 257, "one", "two"),
        ("SID=x", "two", "two"),
        ("SID=x", "three", "two"),
        ("SID=x", "one", "three"),
    ],
)
def test_nobody_else_waits(cookies: str, before: str, here: str) -> None:
    store = Store()
    assert begin(Arrivals(store, COOKIES, SITES), request(cookies), before, here) is Arrival.NOTHING
    assert store.sent == []


def test_who_cannot_be_asked_for_is_stale_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "MOST_WAITING", 2)
    store = Store()
    made = Arrivals(store, COOKIES, SITES)
    first = request("SID=1")
    assert [begin(made, each) for each in (first, request("SID=2"))] == [Arrival.WAITS] * 2
    assert begin(made, request("SID=3")) is Arrival.STALE
    made.forget(cast("Exchange", first))
    assert begin(made, request("SID=3")) is Arrival.WAITS
    store.can_take = False
    made.take([BROUGHT, store.sent[-1][1], False])
    assert begin(made, request("SID=4")) is Arrival.STALE


def test_an_answer_for_one_that_has_gone_is_for_nobody() -> None:
    store = Store()
    made = Arrivals(store, COOKIES, SITES)
    asked = request("SID=1")
    begin(made, asked)
    made.forget(cast("Exchange", asked))
    made.forget(cast("Exchange", asked))
    for value in ([BROUGHT, store.sent[0][1], True], [BROUGHT], "else", [BROUGHT, 0, True]):
        made.take(value)
    assert asked.told == []
