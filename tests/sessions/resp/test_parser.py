from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steer.sessions.resp.parser import LIMITS, STRANGERS, Limits, Malformed, Parser
from tests.sessions.resp.talking import encoded

SMALL = Limits(words=4, bulk=100, command=150)


def parsed(*chunks: bytes, limits: Limits = LIMITS) -> list[list[bytes]]:
    parser, commands = Parser(limits), []
    for chunk in chunks:
        parser.feed(chunk)
        while (words := parser.next()) is not None:
            commands.append(words)
    return commands


def test_a_pipeline_is_one_command_after_the_other() -> None:
    assert parsed(encoded(b"GET", b"a") + encoded(b"SET", b"b", b"")) == [[b"GET", b"a"], [b"SET", b"b", b""]]


@settings(deadline=None)
@given(st.lists(st.lists(st.binary(max_size=40), min_size=1, max_size=4), max_size=5), st.integers(1, 30))
def test_commands_are_the_same_however_their_bytes_are_cut(commands: list[list[bytes]], size: int) -> None:
    stream = b"".join(encoded(*words) for words in commands)
    chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert parsed(*chunks) == commands


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_commands_or_malformed_and_never_more_than_came(stream: bytes) -> None:
    try:
        commands = parsed(stream)
    except Malformed:
        return
    assert sum(len(word) for words in commands for word in words) <= len(stream)


def test_a_line_typed_by_hand_is_a_command() -> None:
    assert parsed(b"  set a  b\r\n\r\nPING\n") == [[b"set", b"a", b"b"], [b"PING"]]


def test_an_empty_array_is_passed_over() -> None:
    assert parsed(b"*0\r\n" + encoded(b"PING")) == [[b"PING"]]


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        pytest.param(b"*5\r\n", "over 4 words", id="too many words"),
        pytest.param(b"*-1\r\n", "decimal digits", id="a negative count"),
        pytest.param(b"*1_0\r\n", "decimal digits", id="no number"),
        pytest.param(b"*1\r\n$101\r\n", "over 100 bytes", id="too large a word"),
        pytest.param(b"*2\r\n$90\r\n" + b"x" * 90 + b"\r\n$90\r\n", "may have 150 bytes", id="too large a command"),
        pytest.param(b"*1\r\n$-1\r\n", "decimal digits", id="a null word"),
        pytest.param(b"*1\r\n*1\r\n", "expected '$', got '*'", id="an array in an array"),
        pytest.param(b"*1\r\n:1\r\n", "expected '$', got ':'", id="an integer as a word"),
        pytest.param(b"*1\r\n$1\r\nabc", "where its length says", id="a word longer than it said"),
        pytest.param(b"*" + b"1" * 70, "64 bytes", id="an endless number"),
        pytest.param(b"a" * 1100, "1024 bytes", id="an endless line"),
        pytest.param(b"a b c d e\r\n", "over 4", id="too many words in a line"),
        pytest.param(b"POST / HTTP/1.1\r\n", "not an HTTP server", id="a browser that was talked into it"),
        pytest.param(b"Host: localhost\r\n", "not an HTTP server", id="a field of HTTP"),
    ],
)
def test_what_is_no_command_is_refused_with_the_reason(stream: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why.replace("$", r"\$").replace("*", r"\*")):
        parsed(stream, limits=SMALL)


def test_who_has_not_logged_in_may_send_less() -> None:
    hello = encoded(b"HELLO", b"3", b"AUTH", b"user", b"password", b"SETNAME", b"name")
    assert parsed(hello, limits=STRANGERS)
    with pytest.raises(Malformed):
        parsed(b"*1\r\n$100000\r\n", limits=STRANGERS)


def test_a_half_command_is_told_from_none() -> None:
    parser = Parser(LIMITS)
    for byte in encoded(b"GET", b"key"):
        assert parser.next() is None
        parser.feed(bytes([byte]))
        is_halfway = parser.is_halfway
        assert is_halfway
    assert parser.next() == [b"GET", b"key"]
    assert not parser.is_halfway
    assert parser.held == 0


def test_a_large_value_that_drips_in_is_not_copied_again_and_again() -> None:
    """Half a megabyte in single bytes; copying what is there for each would take minutes."""
    value = b"v" * LIMITS.bulk
    parser = Parser(LIMITS)
    parser.feed(b"*1\r\n$%d\r\n" % len(value))
    for _ in range(len(value)):
        parser.feed(b"v")
        parser.next()
    parser.feed(b"\r\n")
    assert parser.next() == [value]
