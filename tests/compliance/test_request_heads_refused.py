"""Heads that are refused: the status, the name of the failure, and the proof that the origin heard nothing of it."""

from __future__ import annotations

import pytest

from tests.compliance.place import FIELDS_LIMIT, HEAD_LIMIT, Place, request
from tests.kit.client import Client
from tests.kit.edge import HOST

GET = "GET {path} HTTP/1.1"
POST = "POST {path} HTTP/1.1"
HOST_LINE = f"Host: {HOST}".encode()

REQUEST_LINES = {
    "no version, as in HTTP/0.9": (request("GET {path}"), 400, "malformed"),
    "HTTP/2.0": (request("GET {path} HTTP/2.0"), 505, "version_refused"),
    "HTTP/1.2": (request("GET {path} HTTP/1.2"), 505, "version_refused"),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "version_refused"),
    "a version in lower case": (request("GET {path} http/1.1"), 400, "malformed"),
    "a version of two digits": (request("GET {path} HTTP/1.10"), 400, "malformed"),
    "two spaces": (request("GET  {path} HTTP/1.1"), 400, "malformed"),
    "a space at the end": (request("GET {path} HTTP/1.1 "), 400, "malformed"),
    "a space before the method": (request(" GET {path} HTTP/1.1"), 400, "malformed"),
    "tabs for spaces": (request("GET\t{path}\tHTTP/1.1"), 400, "malformed"),
    "a space in the target": (request("GET {path} a HTTP/1.1"), 400, "malformed"),
    "no target": (request("GET HTTP/1.1"), 400, "malformed"),
    "a method that is no token": (request("G(T {path} HTTP/1.1"), 400, "malformed"),
    "a method of 33 letters": (request("A" * 33 + " {path} HTTP/1.1"), 400, "malformed"),
    "NUL in the method": (request("GE\0T {path} HTTP/1.1"), 400, "malformed"),
    "a bare CR in the request line": (request("GET {path}\r HTTP/1.1"), 400, "bad_target"),
    "CONNECT": (request(f"CONNECT {HOST}:443 HTTP/1.1"), 405, "method_refused"),
    "TRACE": (request("TRACE {path} HTTP/1.1"), 405, "method_refused"),
}

TARGETS = {
    "no slash": "case",
    "a star that is not for OPTIONS": "*",
    "a fragment": "{path}#there",
    "a control character": "{path}/\x01",
    "DEL": "{path}/\x7f",
    "obs-text": "{path}/\xe9",
    "NUL": "{path}/\0",
    "a dot segment": "{path}/./a",
    "two dots": "{path}/../a",
    "two dots at the end": "{path}/..",
    "two dots before a query": "{path}/..?a",
    "an encoded dot": "{path}/%2e/a",
    "encoded dots": "{path}/%2E%2e/a",
    "a dot and an encoded dot": "{path}/.%2e/a",
    "dots before a parameter": "{path}/..;/a",
    "dots between back-slashes": "{path}\\..\\a",
    "dots before an encoded slash": "{path}/..%2fa",
    "dots between encoded slashes": "{path}%2F..%2Fa",
    "dots before an encoded back-slash": "{path}/..%5Ca",
    "an encoded NUL": "{path}/%00",
    "another scheme": f"ftp://{HOST}{{path}}",
    "no authority": "http://{path}",
    "an absolute URL with user information": f"http://me@{HOST}{{path}}",
    "an authority that hides another": f"http://{HOST}\\@evil.example{{path}}",
    "an absolute URL with a fragment": f"http://{HOST}#{{path}}",
    "an absolute URL with an authority that is none": "http://a_b%41{path}",
}

HOSTS = {
    "no Host": request(GET, host=None),
    "no Host in HTTP/1.0": request("GET {path} HTTP/1.0", host=None),
    "no Host with an absolute URL": request(f"GET http://{HOST}{{path}} HTTP/1.1", host=None),
    "an empty Host": request(GET, host=""),
    "two Hosts": request(GET, f"Host: {HOST}"),
    "two different Hosts": request(GET, "Host: evil.example"),
    "two Hosts, one with an underscore for the name": request(GET, "host: evil.example"),
    "a list of Hosts": request(GET, host=f"{HOST}, evil.example"),
    "a Host with a path": request(GET, host=f"{HOST}/a"),
    "a Host with user information": request(GET, host=f"me@{HOST}"),
    "a Host with a space": request(GET, host="www agency"),
    "a Host with percent-encoding": request(GET, host="www%2eagency.example"),
    "a Host with a port that is no number": request(GET, host=f"{HOST}:http"),
    "a Host with a port that is too large": request(GET, host=f"{HOST}:65536"),
    "a Host with obs-text": request(GET, host=b"www.\xe4gency.example"),
    "an invalid Host beside an absolute URL": request(f"GET http://{HOST}{{path}} HTTP/1.1", host="a b"),
}

FIELDS = {
    "bare LF between fields": b"GET {path} HTTP/1.1\r\n" + HOST_LINE + b"\nA: b\r\n\r\n",
    "bare LF everywhere": b"GET {path} HTTP/1.1\n" + HOST_LINE + b"\n\n",
    "bare CR between fields": b"GET {path} HTTP/1.1\r\n" + HOST_LINE + b"\rA: b\r\n\r\n",
    "bare CR everywhere": b"GET {path} HTTP/1.1\r" + HOST_LINE + b"\r\rA: b",
    "bare CR in a value": request(GET, "A: b\rc"),
    "bare LF in a value": request(GET, "A: b\nc"),
    "an empty line of one LF at the end": b"GET {path} HTTP/1.1\r\n" + HOST_LINE + b"\r\n\n",
    "NUL in a value": request(GET, "A: b\0c"),
    "NUL in a name": request(GET, "A\0: b"),
    "a control character in a value": request(GET, "A: b\x1bc"),
    "DEL in a value": request(GET, "A: b\x7fc"),
    "obs-fold": request(GET, "A: b", " c"),
    "obs-fold with a tab": request(GET, "A: b", "\tc"),
    "obs-fold of the first field": request(GET, " A: b", host=None),
    "a space before the colon": request(GET, "A : b"),
    "a tab before the colon": request(GET, "A\t: b"),
    "a space before the colon of Content-Length": request(POST, "Content-Length : 5", body=b"hello"),
    "a space before the name": request(GET, " Content-Length: 5", body=b"hello"),
    "no colon": request(GET, "A"),
    "no name": request(GET, ": b"),
    "a name with a bracket": request(GET, "A[0]: b"),
    "a name with obs-text": request(GET, b"\xc4: b"),
    "a name with a slash": request(GET, "A/B: c"),
}

CONNECTION = [
    "Host",
    "Content-Length",
    "Transfer-Encoding",
    "Cookie",
    "Authorization",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "Forwarded",
    "X-Request-Id",
    "close, cookie",
    "keep-alive,\tHOST",
]

FRAMING = {
    "Content-Length that is empty": ["Content-Length:"],
    "Content-Length with a plus": ["Content-Length: +5"],
    "Content-Length with a minus": ["Content-Length: -5"],
    "Content-Length in hexadecimal": ["Content-Length: 0x5"],
    "Content-Length with a fraction": ["Content-Length: 5.0"],
    "Content-Length with an underscore": ["Content-Length: 1_0"],
    "Content-Length with a space inside": ["Content-Length: 5 5"],
    "Content-Length as a list": ["Content-Length: 5, 5"],
    "Content-Length as a list of two": ["Content-Length: 5, 6"],
    "Content-Length that no counter holds": ["Content-Length: 9223372036854775808"],
    "Content-Length of 40 digits": ["Content-Length: " + "9" * 40],
    "Content-Length in other digits": ["Content-Length: \xb2"],
    "Content-Length twice": ["Content-Length: 5", "Content-Length: 5"],
    "Content-Length twice and different": ["Content-Length: 5", "Content-Length: 6"],
    "Content-Length with Transfer-Encoding": ["Content-Length: 5", "Transfer-Encoding: chunked"],
    "Transfer-Encoding with Content-Length": ["Transfer-Encoding: chunked", "content-length: 5"],
    "Transfer-Encoding: identity": ["Transfer-Encoding: identity"],
    "Transfer-Encoding: gzip": ["Transfer-Encoding: gzip"],
    "Transfer-Encoding: gzip, chunked": ["Transfer-Encoding: gzip, chunked"],
    "Transfer-Encoding: chunked, chunked": ["Transfer-Encoding: chunked, chunked"],
    "Transfer-Encoding: chunked, identity": ["Transfer-Encoding: chunked, identity"],
    "Transfer-Encoding: xchunked": ["Transfer-Encoding: xchunked"],
    "Transfer-Encoding with a comma": ["Transfer-Encoding: chunked,"],
    "Transfer-Encoding with a parameter": ["Transfer-Encoding: chunked;q=1"],
    "Transfer-Encoding with a vertical tab": ["Transfer-Encoding: \x0bchunked"],
    "Transfer-Encoding in quotes": ['Transfer-Encoding: "chunked"'],
    "Transfer-Encoding that is empty": ["Transfer-Encoding:"],
    "Transfer-Encoding twice": ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    "Transfer-Encoding twice and different": ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
    "Transfer-Encoding folded": ["Transfer-Encoding:", " chunked"],
    "Transfer-Encoding with a space before the colon": ["Transfer-Encoding : chunked"],
}

UPGRADES = {
    "WebSocket by POST": (POST, ["Upgrade: websocket", "Connection: Upgrade"]),
    "WebSocket with a body": (GET, ["Upgrade: websocket", "Connection: Upgrade", "Content-Length: 5"]),
    "WebSocket with a chunked body": (GET, ["Upgrade: websocket", "Connection: Upgrade", "Transfer-Encoding: chunked"]),
}

KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="


def is_refused(place: Place, client: Client, raw: bytes, status: int, error: str) -> None:
    """The answer, the end of the connection, and an origin that heard nothing."""
    answer = client.ask(place.filled(raw))
    assert (answer.status, answer.error) == (status, error)
    assert answer.says_close
    assert client.is_closed()
    place.reached_nothing()


@pytest.mark.parametrize("name", REQUEST_LINES)
def test_a_request_line_is_refused(place: Place, name: str) -> None:
    with place.client() as client:
        is_refused(place, client, *REQUEST_LINES[name])


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_is_refused(place: Place, name: str) -> None:
    with place.client() as client:
        is_refused(place, client, request(f"GET {TARGETS[name]} HTTP/1.1"), 400, _target_error(name))


def _target_error(name: str) -> str:
    """An authority in the target that is none is a Host that is none."""
    return "malformed" if name == "an absolute URL with an authority that is none" else "bad_target"


@pytest.mark.parametrize("name", HOSTS)
def test_a_host_is_refused(place: Place, name: str) -> None:
    with place.client() as client:
        is_refused(place, client, HOSTS[name], 400, "malformed")


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_is_refused(place: Place, name: str) -> None:
    with place.client() as client:
        is_refused(place, client, FIELDS[name], 400, "malformed")


@pytest.mark.parametrize("named", CONNECTION)
def test_connection_may_not_name(place: Place, named: str) -> None:
    with place.client() as client:
        is_refused(place, client, request(GET, "Cookie: a=b", f"Connection: {named}"), 400, "malformed")


@pytest.mark.parametrize("name", FRAMING)
def test_a_framing_is_refused(place: Place, name: str) -> None:
    smuggled = request("GET {path}-smuggled HTTP/1.1")
    with place.client() as client:
        is_refused(
            place, client, request(POST, *FRAMING[name], body=b"5\r\nhello\r\n0\r\n\r\n" + smuggled), 400, "malformed"
        )
    assert place.origin.seen(f"{place.path}-smuggled") == []


def test_chunks_in_http_1_0_are_refused(place: Place) -> None:
    raw = request("POST {path} HTTP/1.0", "Transfer-Encoding: chunked", body=b"0\r\n\r\n")
    with place.client() as client:
        is_refused(place, client, raw, 400, "malformed")


@pytest.mark.parametrize("name", UPGRADES)
def test_an_upgrade_is_refused(place: Place, name: str) -> None:
    line, fields = UPGRADES[name]
    with place.client() as client:
        is_refused(place, client, request(line, *fields, KEY, body=b"hello"), 400, "upgrade_refused")


@pytest.mark.parametrize(
    "key", [None, "", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZSB4eA==", "dGhlIHNhbXBsZSBub25jZQ==, x"]
)
def test_a_websocket_without_a_valid_key_is_refused(place: Place, key: str | None) -> None:
    keys = [] if key is None else [f"Sec-WebSocket-Key: {key}"]
    raw = request(GET, "Upgrade: websocket", "Connection: Upgrade", *keys)
    with place.client() as client:
        is_refused(place, client, raw, 400, "upgrade_refused")


def test_an_unknown_expectation_is_refused(place: Place) -> None:
    with place.client() as client:
        is_refused(place, client, request(POST, "Expect: 200-ok", "Content-Length: 5"), 417, "expectation_failed")


@pytest.mark.parametrize("value", ["-1", "a", "1, 1", "", "1.5"])
def test_max_forwards_that_is_no_number_is_refused(place: Place, value: str) -> None:
    with place.client() as client:
        is_refused(place, client, request("OPTIONS {path} HTTP/1.1", f"Max-Forwards: {value}"), 400, "malformed")


# Limits...


def test_a_head_of_the_limit_passes(place: Place) -> None:
    filler = HEAD_LIMIT - len(place.filled(request(GET, "A: "))) + 4
    with place.client("tight") as client:
        assert client.ask(place.filled(request(GET, "A: " + "x" * filler))).status == 200


def test_a_head_one_byte_over_the_limit_is_refused(place: Place) -> None:
    filler = HEAD_LIMIT - len(place.filled(request(GET, "A: "))) + 5
    with place.client("tight") as client:
        is_refused(place, client, request(GET, "A: " + "x" * filler), 431, "head_too_large")


def test_a_head_that_never_ends_is_refused_before_its_time_is_over(place: Place) -> None:
    with place.client("tight") as client:
        is_refused(place, client, request(GET, "A: " + "x" * HEAD_LIMIT)[:-4], 431, "head_too_large")


def test_a_request_line_over_the_limit_is_refused(place: Place) -> None:
    with place.client("tight") as client:
        is_refused(place, client, request("GET {path}/" + "x" * HEAD_LIMIT + " HTTP/1.1"), 414, "target_too_long")


def test_as_many_fields_as_the_limit_pass(place: Place) -> None:
    with place.client("tight") as client:
        answer = client.ask(place.filled(request(GET, *(f"A{n}: b" for n in range(FIELDS_LIMIT - 1)))))
    assert answer.status == 200


def test_one_field_too_many_is_refused(place: Place) -> None:
    with place.client("tight") as client:
        is_refused(place, client, request(GET, *(f"A{n}: b" for n in range(FIELDS_LIMIT))), 431, "head_too_large")


def test_a_head_that_comes_too_slowly_is_refused(place: Place) -> None:
    with place.client("tight") as client:
        client.send(place.filled(request(GET))[:-2])
        answer = client.read()
        assert (answer.status, answer.error, answer.says_close, client.is_closed()) == (
            408,
            "head_too_slow",
            True,
            True,
        )
    place.reached_nothing()


def test_a_connection_that_says_nothing_ends_without_a_word(place: Place) -> None:
    with place.client("tight") as client:
        assert client.is_closed()
    place.reached_nothing()


def test_a_kept_connection_that_says_nothing_more_ends_without_a_word(place: Place) -> None:
    with place.client("tight") as client:
        assert client.ask(place.filled(request(GET))).status == 200
        assert client.is_closed()


def test_a_request_to_an_unknown_host_is_misdirected_and_the_connection_stays(place: Place) -> None:
    with place.client() as client:
        answer = client.ask(place.filled(request(GET, host="evil.example")))
        assert (answer.status, answer.error) == (421, "no_such_host")
        place.still_works(client)
    assert place.origin.seen(place.path) == []


def test_an_absolute_url_decides_against_a_known_host(place: Place) -> None:
    with place.client() as client:
        answer = client.ask(place.filled(request("GET http://evil.example{path} HTTP/1.1")))
        assert (answer.status, answer.error) == (421, "no_such_host")
        place.still_works(client)
    assert place.origin.seen(place.path) == []


@pytest.mark.parametrize(
    "via", ["1.1 steer-edge-a", "1.0 fred, 1.1 steer-edge-a (steer)", "HTTP/1.1 steer-edge-a,1.1 x"]
)
def test_a_request_that_was_here_before_is_a_loop(place: Place, via: str) -> None:
    with place.client() as client:
        answer = client.ask(place.filled(request(GET, f"Via: {via}")))
        assert (answer.status, answer.error) == (508, "loop")
        place.still_works(client)
    assert place.origin.seen(place.path) == []


def test_a_loop_is_found_in_any_of_several_via_fields(place: Place) -> None:
    with place.client() as client:
        assert client.ask(place.filled(request(GET, "Via: 1.1 steer-edge-a", "Via: 1.1 other"))).status == 508
    assert place.origin.seen(place.path) == []
