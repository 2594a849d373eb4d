"""Requests of HTTP/2 that must be refused: answered on their stream, and the origin hears nothing."""

from __future__ import annotations

import pytest

from tests.compliance.h2.place import FIELDS_LIMIT, HEAD_LIMIT, H2Place
from tests.kit.edge import HOST
from tests.kit.h2_client import Field, H2Client, pseudo

P = "{path}"

PSEUDO: dict[str, list[Field]] = {
    "no :method": pseudo(P)[1:],
    "no :scheme": [pseudo(P)[0], *pseudo(P)[2:]],
    "no :path": pseudo(P)[:-1],
    "no field at all but one": [("accept", "*/*")],
    "an empty :path": pseudo(""),
    "a :path without a slash": pseudo("x"),
    "an absolute URL as :path": pseudo("https://evil.example/"),
    "an asterisk with GET": pseudo("*"),
    "a :path with a space": pseudo("/a b"),
    "a :path with a request line": pseudo("/a HTTP/1.1\r\nHost: evil.example\r\n\r\nGET /b"),
    "a :path with CR LF": pseudo("/a\r\nX: y"),
    "a :path with LF": pseudo("/a\nX: y"),
    "a :path with a tab": pseudo("/a\tb"),
    "a :path with NUL": pseudo("/a\0b"),
    "a :path with a fragment": pseudo("/a#b"),
    "a :path with bytes above ASCII": pseudo("/\xe9"),
    "a :path with dot segments": pseudo("/a/../b"),
    "a :path with encoded dot segments": pseudo("/a/%2e%2e/b"),
    "a :path with an encoded NUL": pseudo("/a%00"),
    "a :method with a space": pseudo(P, "GET /evil"),
    "a :method with CR LF": pseudo(P, "GET / HTTP/1.1\r\nX: y\r\n\r\nGET"),
    "an empty :method": pseudo(P, ""),
    "a :method that is no token": pseudo(P, "G(ET"),
    "a :method that is too long": pseudo(P, "A" * 33),
    "a :scheme that is not the connection's": pseudo(P, scheme="http"),
    "a :scheme of another kind": pseudo(P, scheme="ftp"),
    "a :scheme with a path": pseudo(P, scheme="https://evil.example/?"),
    "an empty :scheme": pseudo(P, scheme=""),
    "an empty :authority": pseudo(P, authority=""),
    "an :authority with a space": pseudo(P, authority=f"{HOST} evil"),
    "an :authority with CR LF": pseudo(P, authority=f"{HOST}\r\nX: y"),
    "an :authority with user information": pseudo(P, authority=f"evil@{HOST}"),
    "an :authority with a path": pseudo(P, authority=f"{HOST}/evil"),
    "an :authority that is a list": pseudo(P, authority=f"{HOST}, evil.example"),
    "an :authority with a port that is none": pseudo(P, authority=f"{HOST}:x"),
    "neither :authority nor Host": pseudo(P, authority=None),
    ":method twice": [(":method", "GET"), *pseudo(P)],
    ":path twice": [*pseudo(P), (":path", "/other")],
    ":authority twice": [*pseudo(P), (":authority", HOST)],
    ":authority twice and different": [*pseudo(P), (":authority", "evil.example")],
    ":scheme twice": [*pseudo(P), (":scheme", "https")],
    "a pseudo-field that is unknown": [*pseudo(P), (":evil", "1")],
    "a pseudo-field in upper case": [*pseudo(P)[:-1], (":PATH", "/")],
    "a pseudo-field behind a field": [*pseudo(P)[:-1], ("accept", "*/*"), (":path", "/")],
    "a pseudo-field behind a cookie": [*pseudo(P)[:-1], ("cookie", "a=b"), (":path", "/")],
    ":protocol without CONNECT": [*pseudo(P), (":protocol", "websocket")],
}

FIELDS: dict[str, list[Field]] = {
    "a Host that is another": [("host", "evil.example")],
    "Host twice": [("host", HOST), ("host", HOST)],
    "a name in upper case": [("Accept", "*/*")],
    "one capital letter": [("accepT", "*/*")],
    "an empty name": [("", "b")],
    "a name with a space": [("a b", "c")],
    "a name with a space at its end": [("content-length ", "5")],
    "a name with a colon": [("a:b", "c")],
    "a name that is a line": [("transfer-encoding: chunked\r\nx", "y")],
    "a name with a colon and Host": [("host:evil.example x", "y")],
    "a name with CR": [("a\rb", "c")],
    "a name with NUL": [("a\0", "b")],
    "a name above ASCII": [("\xe4", "b")],
    "a value with CR LF": [("a", "b\r\nTransfer-Encoding: chunked")],
    "a value with LF": [("a", "b\nc")],
    "a value with CR": [("a", "b\rc")],
    "a value with NUL": [("a", "b\0c")],
    "a value with DEL": [("a", "b\x7f")],
    "a value with a space before it": [("a", " b")],
    "a value with a tab behind it": [("a", "b\t")],
    "a cookie with CR LF": [("cookie", "a=b\r\nX: y")],
    "a crumb of a cookie with LF": [("cookie", "a=b"), ("cookie", "c\n=d")],
    "connection": [("connection", "close")],
    "connection that names a field": [("connection", "cookie"), ("cookie", "a=b")],
    "keep-alive": [("keep-alive", "timeout=5")],
    "proxy-connection": [("proxy-connection", "keep-alive")],
    "transfer-encoding": [("transfer-encoding", "chunked")],
    "upgrade": [("upgrade", "h2c")],
    "te that is not trailers": [("te", "gzip")],
    "te that is a list": [("te", "trailers, gzip")],
    "content-length that is no number": [("content-length", "x")],
    "content-length with a plus": [("content-length", "+0")],
    "content-length that is negative": [("content-length", "-1")],
    "content-length as a list": [("content-length", "0, 0")],
    "content-length twice": [("content-length", "0"), ("content-length", "0")],
    "content-length twice and different": [("content-length", "0"), ("content-length", "1")],
    "content-length of a body that does not come": [("content-length", "5")],
    "max-forwards that is no number": [("max-forwards", "x")],
}


def filled(place: H2Place, fields: list[Field]) -> list[Field]:
    return [(name, place.path if value == P else value) for name, value in fields]


def is_refused(place: H2Place, client: H2Client, fields: list[Field], status: int, error: str) -> None:
    client.send(client.head(1, filled(place, fields)))
    answer = client.read(1)
    assert (answer.status, answer.error) == (status, error)
    place.goes_on(client, 3)
    assert [seen.target for seen in place.origin.requests if seen.target.startswith(place.path)] == [
        f"{place.path}-next"
    ]


@pytest.mark.parametrize("name", PSEUDO)
def test_pseudo_fields_are_refused(place: H2Place, name: str) -> None:
    bad_target = name.startswith("a :path with") or name in ("an asterisk with GET", "an absolute URL as :path")
    mark = place.origin.mark()
    with place.h2() as client:
        is_refused(place, client, PSEUDO[name], 400, "bad_target" if bad_target else "malformed")
    assert place.origin.since(mark) == place.origin.the(f"{place.path}-next").head


@pytest.mark.parametrize("name", FIELDS)
def test_fields_are_refused(place: H2Place, name: str) -> None:
    mark = place.origin.mark()
    with place.h2() as client:
        is_refused(place, client, [*pseudo(P), *FIELDS[name]], 400, "malformed")
    assert place.origin.since(mark) == place.origin.the(f"{place.path}-next").head


@pytest.mark.parametrize(
    "fields",
    [
        [(":method", "CONNECT"), (":authority", f"{HOST}:443")],
        pseudo(P, "CONNECT"),
        pseudo(P, "TRACE"),
    ],
)
def test_methods_are_refused(place: H2Place, fields: list[Field]) -> None:
    with place.h2() as client:
        is_refused(place, client, fields, 405, "method_refused")


@pytest.mark.parametrize("protocol", ["connect-udp", "WebSocket", "", "websocket, x"])
def test_only_websockets_are_connected(place: H2Place, protocol: str) -> None:
    with place.h2() as client:
        client.send(client.head(1, [*pseudo(place.path, "CONNECT"), (":protocol", protocol)], end=False))
        assert client.read(1).error == "upgrade_refused"
        place.goes_on(client, 3)


def test_a_connect_that_is_over_at_once_is_refused(place: H2Place) -> None:
    with place.h2() as client:
        is_refused(place, client, [*pseudo(P, "CONNECT"), (":protocol", "websocket")], 400, "upgrade_refused")


def test_a_host_that_is_not_served_is_misdirected(place: H2Place) -> None:
    with place.h2() as client:
        is_refused(place, client, pseudo(P, authority="evil.example"), 421, "no_such_host")


def test_a_host_that_the_certificate_does_not_cover_is_misdirected(place: H2Place) -> None:
    with place.h2() as client:
        is_refused(place, client, pseudo(P, authority="other.agency.example"), 421, "no_such_host")


def test_an_unknown_expectation_is_refused(place: H2Place) -> None:
    with place.h2() as client:
        is_refused(place, client, [*pseudo(P), ("expect", "200-ok")], 417, "expectation_failed")


def test_a_request_that_was_here_before_is_a_loop(place: H2Place) -> None:
    with place.h2() as client:
        is_refused(place, client, [*pseudo(P), ("via", "1.1 steer-edge-a")], 508, "loop")


# Limits...


def test_as_many_fields_as_the_limit_pass(place: H2Place) -> None:
    with place.h2("tight") as client:
        assert client.ask(1, place.path, *((f"a{n}", "b") for n in range(FIELDS_LIMIT))).status == 200


def test_one_field_too_many_is_refused(place: H2Place) -> None:
    with place.h2("tight") as client:
        fields = [(f"a{n}", "b") for n in range(FIELDS_LIMIT + 1)]
        is_refused(place, client, [*pseudo(P), *fields], 431, "head_too_large")


def test_a_cookie_in_many_crumbs_is_one_field(place: H2Place) -> None:
    with place.h2("tight") as client:
        crumbs = [("cookie", f"a{n}=b") for n in range(FIELDS_LIMIT + 5)]
        assert client.ask(1, place.path, *crumbs).status == 200
    assert place.seen().all(b"cookie") == [b"; ".join(f"a{n}=b".encode() for n in range(FIELDS_LIMIT + 5))]


def test_a_head_that_is_too_large_is_refused(place: H2Place) -> None:
    with place.h2("tight") as client:
        is_refused(place, client, [*pseudo(P), ("a", "b" * HEAD_LIMIT)], 431, "head_too_large")


def test_a_path_that_is_too_long_is_refused(place: H2Place) -> None:
    with place.h2("tight") as client:
        is_refused(place, client, pseudo("/" + "x" * HEAD_LIMIT), 414, "target_too_long")
