"""Fields of HTTP/2 as heads: whatever comes, the node gets one request of HTTP/1.1 that says the same, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer.errors import Failure
from steer.proxy.http import h2
from steer.proxy.http.forwarding import render_request
from steer.proxy.http.h2 import Field, HeadLimits
from steer.proxy.http.head import RequestHead, read_request, read_response

LIMITS = HeadLimits(size=4096, fields=20)
ID = b"0" * 32
PSEUDO: list[Field] = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a.example"), (b":path", b"/x")]
NAMES = (b":method", b":scheme", b":authority", b":path", b":protocol", b"host", b"cookie", b"te", b"content-length")

any_bytes = st.binary(max_size=12)
evil = st.sampled_from(
    [b"\r\n", b"\n", b" ", b"\0", b":", b"\r\nHost: evil\r\n\r\nGET /", b"chunked", b"/", b"GET", b"a"]
)
text = st.lists(st.one_of(any_bytes, evil), max_size=4).map(b"".join)
names = st.one_of(st.sampled_from(NAMES), st.sampled_from([b"x", b"transfer-encoding", b"upgrade", b"expect"]), text)


def read(fields: list[Field], ended: bool = True, key: bytes = b"") -> RequestHead | Failure:
    return h2.read_request(fields, ended, b"https", LIMITS, key)


def head(fields: list[Field], ended: bool = True) -> RequestHead:
    found = read(fields, ended)
    assert isinstance(found, RequestHead), found
    return found


def changed(name: bytes, value: bytes) -> list[Field]:
    return [(known, value if known == name else old) for known, old in PSEUDO]


@given(st.lists(st.tuples(names, text), max_size=8), st.booleans(), st.booleans())
def test_whatever_comes_the_node_gets_one_valid_request_or_none(
    fields: list[Field], with_pseudo: bool, ended: bool
) -> None:
    found = read([*PSEUDO, *fields] if with_pseudo else fields, ended)
    if isinstance(found, Failure):
        return
    raw = render_request(found, found.authority, b"", ID)
    block, end, rest = raw.partition(b"\r\n\r\n")
    assert (end, rest) == (b"\r\n\r\n", b"")
    again = read_request(block)
    assert isinstance(again, RequestHead), (raw, again)
    assert (again.method, again.target, again.host) == (found.method, found.target, found.host)
    assert (again.content_length, again.chunked) == (found.content_length, found.chunked)


@given(st.sampled_from([name for name, _ in PSEUDO]), text)
def test_a_pseudo_field_says_one_thing_or_nothing(name: bytes, value: bytes) -> None:
    found = read(changed(name, value))
    if isinstance(found, RequestHead):
        assert not {0x0D, 0x0A, 0x20, 0} & {*found.method.encode(), *found.target, *found.authority}


@given(st.lists(st.tuples(text, text), max_size=4))
def test_trailers_are_lines_or_nothing(fields: list[Field]) -> None:
    found = h2.read_trailers(fields)
    if not isinstance(found, Failure):
        assert all(b"\r" not in line and b"\n" not in line and b":" in line for line in found)


def test_a_request_without_an_end_has_a_body_of_unknown_length() -> None:
    assert head(PSEUDO).chunked is False
    found = head(PSEUDO, ended=False)
    assert (found.chunked, found.has_body, found.plain) == (True, True, False)


def test_a_request_with_a_length_has_a_body_of_that_length() -> None:
    found = head([*PSEUDO, (b"content-length", b"5")], ended=False)
    assert (found.chunked, found.content_length) == (False, 5)


def test_the_size_counts_what_http_1_1_would_write() -> None:
    small = HeadLimits(size=200, fields=20)
    fits = [*PSEUDO, (b"x", b"y" * 150)]
    assert isinstance(h2.read_request(fits, True, b"https", small), RequestHead)
    too_large = h2.read_request([*PSEUDO, (b"x", b"y" * 190)], True, b"https", small)
    assert isinstance(too_large, Failure)
    assert too_large.name == "head_too_large"


@pytest.mark.parametrize(("allowed", "lines"), [(True, [b"x_y: 1"]), (False, [])])
def test_underscores_pass_where_they_may(allowed: bool, lines: list[bytes]) -> None:
    limits = HeadLimits(4096, 20, allow_underscores=allowed)
    found = h2.read_request([*PSEUDO, (b"x_y", b"1")], True, b"https", limits)
    assert isinstance(found, RequestHead)
    assert found.lines == lines


def test_an_extended_connect_becomes_an_upgrade() -> None:
    fields = [(b":method", b"CONNECT"), (b":protocol", b"websocket"), *PSEUDO[1:], (b"sec-websocket-version", b"13")]
    key = b"dGhlIHNhbXBsZSBub25jZQ=="
    found = read(fields, ended=False, key=key)
    assert isinstance(found, RequestHead)
    assert (found.method, found.websocket_key, found.chunked) == ("GET", key, False)
    assert found.lines == [b"sec-websocket-version: 13", b"sec-websocket-key: " + key]


def test_a_response_is_written_in_lower_case_and_secrets_are_not_indexed() -> None:
    found = read_response(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nX-Y:z \r\nContent-Length: 0")
    assert not isinstance(found, Failure)
    fields = h2.response_fields(found, b"Via: 1.1 me\r\n")
    expected = [(b":status", b"200"), (b"set-cookie", b"a=b"), (b"x-y", b"z"), (b"content-length", b"0")]
    assert fields == [*expected, (b"via", b"1.1 me")]
    assert getattr(fields[1], "indexable", True) is False
