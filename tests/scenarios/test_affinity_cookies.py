"""The cookie of a service, as its clients and its nodes see it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.kit.certificates import Authority
from tests.kit.h2_client import H2Client
from tests.scenarios.affinity import (
    COOKIE_HOST,
    Place,
    cookie_of,
    node_of,
    place_of,
    reason_of,
    request,
    service,
    tree_of,
)

OTHER, PLAIN, PINNED, ENDING = (f"{name}.agency.example" for name in ("other", "plain", "pinned", "ending"))
COOKIE = {"cookie": "steer", "idle": "30m"}
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("edge")
    authority = Authority(folder)
    files = authority.issue(COOKIE_HOST, "*.agency.example")
    tls = {"certificates": [{"certificate": str(files.certificate), "key": str(files.key)}]}
    ends = {"request_header": "X-End", "response_header": "X-Ended"}
    services = {
        "www": service(COOKIE_HOST, COOKIE, pinned_hostnames={PINNED: "two"}),
        "other": service(OTHER, COOKIE),
        "plain": service(PLAIN, None),
        "ending": service(ENDING, {**COOKIE, "ends_with": ends}),
    }
    with place_of(folder, tree_of(services, http={}, https={"tls": tls}), authority=authority) as place:
        yield place


@pytest.mark.parametrize(
    ("listener", "line"),
    [
        ("https", r"__Host-steer=[\w-]{76}; Path=/; Secure; HttpOnly; SameSite=Lax"),
        ("http", r"steer=[\w-]{76}; Path=/; HttpOnly; SameSite=Lax"),
    ],
)
def test_it_keeps_a_client_on_its_node(place: Place, listener: str, line: str) -> None:
    first = place.ask(COOKIE_HOST, listener=listener)
    (set_cookie,) = first.all("Set-Cookie")
    assert re.fullmatch(line, set_cookie)
    with place.client(listener) as client:
        for _ in range(40):
            answer = client.ask(request(COOKIE_HOST, f"Cookie: {cookie_of(first)}"))
            assert (node_of(answer), reason_of(answer), answer.all("Set-Cookie")) == (node_of(first), "affinity", [])


def test_clients_without_one_are_spread(place: Place) -> None:
    assert len({node_of(place.ask(COOKIE_HOST)) for _ in range(40)}) == 4


@pytest.mark.parametrize("listener", ["http", "https"])
def test_no_node_ever_sees_it(place: Place, listener: str) -> None:
    cookie = cookie_of(place.ask(COOKIE_HOST, listener=listener))
    value = cookie.partition("=")[2]
    path = f"/unseen-{listener}"
    for field in (
        f"a=1; {cookie}; b=2",
        cookie,
        f"a=1;{cookie}",
        f"{cookie}; steer={value}; __Host-steer={value}; c=3",
    ):
        assert place.ask(COOKIE_HOST, f"Cookie: {field}", path=path, listener=listener).status == 200
    heads = b"".join(place.heads_at(path))
    assert value.encode() not in heads
    assert re.findall(rb"\r\nCookie: ?(.*?)\r\n", heads).count(b"a=1; b=2") == 1
    assert sorted(re.findall(rb"\r\nCookie: ?(.*?)\r\n", heads)) == [b"a=1", b"a=1; b=2", b"c=3"]


def test_a_node_cannot_set_it(place: Place) -> None:
    place.on(
        "/sets", b"Set-Cookie: a=1", b"Set-Cookie: steer=x", b"set-cookie: __Host-steer=y; Path=/", b"Set-Cookie: b=2"
    )
    first = place.ask(COOKIE_HOST, path="/sets")
    assert [line.partition(";")[0][:6] for line in first.all("Set-Cookie")] == ["a=1", "b=2", "steer="]
    assert "steer=x" not in first.all("Set-Cookie")
    again = place.ask(COOKIE_HOST, f"Cookie: {first.all('Set-Cookie')[2].partition(';')[0]}", path="/sets")
    assert again.all("Set-Cookie") == ["a=1", "b=2"]


def test_one_that_is_not_good_is_as_none(place: Place) -> None:
    cookie = cookie_of(place.ask(COOKIE_HOST))
    others = cookie_of(place.ask(OTHER))
    secure = cookie_of(place.ask(COOKIE_HOST, listener="https")).partition("=")[2]
    letter = "A" if cookie[20] != "A" else "B"
    tampered = cookie[:20] + letter + cookie[21:]
    for bad in (
        tampered,
        others,
        f"steer={secure}",
        f"{cookie}; {cookie}",
        f"{cookie}x",
        "steer=",
        "steer=" + "A" * 76,
    ):
        answer = place.ask(COOKIE_HOST, f"Cookie: {bad}")
        assert (answer.status, reason_of(answer)) == (200, "weights")
        assert cookie_of(answer) != cookie


def test_it_is_not_set_where_others_would_get_it_or_the_node_failed(place: Place) -> None:
    place.on("/public", b"Cache-Control: max-age=60, public")
    place.on("/shared", b"Cache-Control: s-maxage=60")
    place.on("/private", b"Cache-Control: private")
    assert place.ask(COOKIE_HOST, path="/public").all("Set-Cookie") == []
    assert place.ask(COOKIE_HOST, path="/shared").all("Set-Cookie") == []
    assert cookie_of(place.ask(COOKIE_HOST, path="/private"))
    for origin in place.origins.values():
        origin.on("/failing", b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
    assert place.ask(COOKIE_HOST, path="/failing").all("Set-Cookie") == []


def test_what_the_edge_answers_itself_sets_none(place: Place) -> None:
    for fields in (("Content-Length: x",), ("Upgrade: h2c", "Transfer-Encoding: x")):
        assert place.ask(COOKIE_HOST, *fields).all("Set-Cookie") == []
    with place.client() as client:
        options = request(COOKIE_HOST, "Max-Forwards: 0", path="*", method="OPTIONS")
        assert client.ask(options, method="OPTIONS").all("Set-Cookie") == []


def test_a_service_without_affinity_has_nothing_of_it(place: Place) -> None:
    answer = place.ask(PLAIN, "Cookie: steer=1; a=2", path="/plain")
    assert answer.all("Set-Cookie") == []
    (head,) = place.heads_at("/plain")
    assert b"\r\nCookie: steer=1; a=2\r\n" in head


def test_a_pinned_hostname_binds_nobody_and_shows_it_to_nobody(place: Place) -> None:
    cookie = cookie_of(place.ask(COOKIE_HOST))
    answer = place.ask(PINNED, f"Cookie: {cookie}; a=1", path="/pinned")
    assert (reason_of(answer), answer.all("Set-Cookie")) == ("pinned", [])
    (head,) = place.heads_at("/pinned")
    assert b"\r\nCookie: a=1\r\n" in head


def test_a_websocket_is_bound_like_any_request(place: Place) -> None:
    switched = f"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {ACCEPT}"
    for origin in place.origins.values():
        origin.on("/socket", switched.encode() + b"\r\nSet-Cookie: steer=no\r\n\r\n", lambda visit: visit.close())
    asked = ("Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13")
    with place.client() as client:
        client.send(request(COOKIE_HOST, *asked, path="/socket"))
        opened = client.read_head()
    assert opened.status == 101
    answer = place.ask(COOKIE_HOST, f"Cookie: {cookie_of(opened)}")
    assert (node_of(answer), reason_of(answer)) == (node_of(opened), "affinity")


def test_http2_has_the_same_cookie(place: Place) -> None:
    first = place.ask(COOKIE_HOST, listener="https")
    assert place.authority is not None
    with H2Client(place.edge.port("https"), place.authority.trust()) as client:
        crumbs = [("cookie", "a=1"), ("cookie", cookie_of(first)), ("cookie", "b=2")]
        for stream in (1, 3, 5):
            answer = client.ask(stream, "/two", *crumbs)
            assert (node_of(answer), reason_of(answer)) == (node_of(first), "affinity")
        fresh = client.ask(7, "/two")
        assert cookie_of(fresh).startswith("__Host-steer=")
    heads = place.heads_at("/two")
    assert len(heads) == 4
    assert sum(b"cookie: a=1; b=2\r\n" in head for head in heads) == 3
    assert b"steer" not in b"".join(head.partition(b"X-Forwarded")[0] for head in heads)


@pytest.mark.parametrize("by", ["request", "response"])
def test_it_ends_when_somebody_says_so_and_that_request_still_goes_there(place: Place, by: str) -> None:
    first = place.ask(ENDING)
    place.on("/end", *([b"X-Ended: yes"] if by == "response" else []))
    fields = [f"Cookie: {cookie_of(first)}", *(["X-End: 1"] if by == "request" else [])]
    last = place.ask(ENDING, *fields, path="/end")
    assert (node_of(last), reason_of(last)) == (node_of(first), "affinity")
    assert last.all("Set-Cookie") == ["steer=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"]
