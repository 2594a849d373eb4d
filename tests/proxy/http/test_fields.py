"""What is done with a line, and what is remembered of it."""

from __future__ import annotations

import pytest

from steer.proxy.http import fields
from steer.proxy.http.fields import KnownLines, name_of


def request_lines() -> KnownLines:
    return KnownLines(fields.REQUEST_KINDS, underscores=False)


@pytest.mark.parametrize(
    ("line", "kind", "value"),
    [
        (b"Accept: */*", fields.PASS, b"*/*"),
        (b"HOST:a", fields.HOST, b"a"),
        (b"content-LENGTH: \t5 ", fields.CONTENT_LENGTH, b"5"),
        (b"Connection: Keep-Alive", fields.KEEP_ALIVE, b"Keep-Alive"),
        (b"Connection: close", fields.CONNECTION, b"close"),
        (b"Connection: keep-alive, close", fields.CONNECTION, b"keep-alive, close"),
        (b"Keep-Alive: 5", fields.DROP, b"5"),
        (b"X-Steer-Node: a", fields.DROP, b"a"),
        (b"X-Steerage: a", fields.PASS, b"a"),
        (b"X-Real-IP: 1", fields.DROP, b"1"),
        (b"X_Real_IP: 1", fields.UNDERSCORE, b"1"),
        (b"X-Forwarded-For: 1", fields.X_FORWARDED_FOR, b"1"),
        (b"Cookie: a=b", fields.PASS_UNKEPT, b""),
        (b"A : b", fields.BROKEN, b"A : b"),
        (b" folded", fields.BROKEN, b" folded"),
        (b"", fields.BROKEN, b""),
    ],
)
def test_a_line_of_a_request_is_of_a_kind(line: bytes, kind: int, value: bytes) -> None:
    known = request_lines()
    assert known[line] == (kind, value)
    assert known[line] == (kind, value), "the second look gives the same"


def test_underscores_pass_in_responses() -> None:
    assert KnownLines(fields.RESPONSE_KINDS, underscores=True)[b"X_A: b"] == (fields.PASS, b"b")


def test_a_line_that_passes_is_known_by_itself_and_others_with_their_kind() -> None:
    known = request_lines()
    for line in (b"Accept: */*", b"Host: a"):
        assert known[line]
    assert known.passing == {b"Accept: */*"}
    assert dict(known) == {b"Host: a": (fields.HOST, b"a")}


@pytest.mark.parametrize("line", [b"Cookie: a=b", b"Authorization: Basic YTpi", b"A: " + b"x" * 600, b"A : b"])
def test_secrets_and_what_is_long_or_broken_are_not_remembered(line: bytes) -> None:
    known = request_lines()
    assert known[line]
    assert (dict(known), known.passing) == ({}, set())


def test_the_memory_is_bounded_and_starts_anew_when_it_is_full() -> None:
    known = request_lines()
    for number in range(fields.MAX_KNOWN_LINES * 2 + 10):
        assert known[b"A%d: b" % number] == (fields.PASS, b"b")
        assert known[b"Host: %d" % number][0] == fields.HOST
        assert len(known) + len(known.passing) <= fields.MAX_KNOWN_LINES


def test_a_name_is_told_apart_from_its_value() -> None:
    assert name_of(b"X-Own: a:b") == b"x-own"
