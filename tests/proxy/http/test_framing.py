"""Where bodies end. That it does not matter how they are cut is told by tests/compliance/test_borders.py."""

from __future__ import annotations

import pytest

from steer.proxy.http import framing
from steer.proxy.http.framing import ChunkedBody, LengthBody, NoBody, UntilClose, chunk, last_chunk


def test_no_body_is_done_at_once_and_leaves_everything() -> None:
    body = NoBody()
    assert (body.take(b"next"), body.done, body.rest, body.end()) == (b"", True, b"next", True)


def test_a_length_ends_where_it_says() -> None:
    body = LengthBody(5)
    assert (body.take(b"hel"), body.done, body.end()) == (b"hel", False, False)
    assert (body.take(b"lonext"), body.done, body.rest, body.end()) == (b"lo", True, b"next", True)


def test_a_length_of_none_is_done() -> None:
    assert LengthBody(0).done


def test_a_body_until_the_end_has_no_other() -> None:
    body = UntilClose()
    assert (body.take(b"a\r\n0\r\n\r\n"), body.done) == (b"a\r\n0\r\n\r\n", False)
    assert (body.end(), body.done) == (True, True)


def test_chunks_are_taken_apart() -> None:
    body = ChunkedBody()
    assert body.take(b"5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nX-A: b\r\n\r\nnext") == b"hello!"
    assert (body.done, body.broken, body.rest, body.trailers) == (True, "", b"next", (b"X-A: b",))


def test_chunks_that_stop_are_not_done() -> None:
    body = ChunkedBody()
    assert body.take(b"5\r\nhello\r\n0\r\n") == b"hello"
    assert (body.done, body.broken, body.end()) == (False, "", False)


@pytest.mark.parametrize("data", [b"x\r\n", b"5\r\nhello!", b"5\n", b"\r\n", b"0\r\nA\r\n\r\n", b"5" * 300, b"0\r\n\n"])
def test_a_broken_chunk_has_a_sentence(data: bytes) -> None:
    body = ChunkedBody()
    body.take(data)
    assert body.broken
    assert not body.done


def test_a_chunks_line_and_trailers_have_limits() -> None:
    longest = b"1;" + b"x" * (framing.MAX_CHUNK_LINE - 4) + b"\r\n"
    trailers = b"X-A: " + b"x" * (framing.MAX_TRAILERS - 9) + b"\r\n\r\n"
    body = ChunkedBody()
    assert body.take(longest + b"a\r\n0\r\n" + trailers) == b"a"
    assert (body.done, len(longest), len(trailers)) == (True, framing.MAX_CHUNK_LINE, framing.MAX_TRAILERS)
    for too_long in (b"1;x" + longest[2:], b"0\r\nX" + trailers):
        body = ChunkedBody()
        body.take(too_long)
        assert body.broken


@pytest.mark.parametrize(
    ("line", "passes"),
    [
        (b"X-Checksum: 1", True),
        (b"etag: a", True),
        (b"Server-Timing: a", True),
        (b"Grpc-Status: 0", True),
        (b"X-Requested: a", True),
        (b"ETags: a", False),
        (b"Content-Length: 5", False),
        (b"Set-Cookie: a", False),
        (b"X-Steer-Node: a", False),
        (b"X-Session-Stale: a", False),
        (b"X-Forwarded-For: a", False),
        (b"X-Real-IP: a", False),
        (b"X-Request-Id: a", False),
        (b"X_Checksum: a", False),
        (b"traceparent: a", False),
    ],
)
def test_trailers_pass_if_they_are_on_the_list(line: bytes, passes: bool) -> None:
    body = ChunkedBody()
    body.take(b"0\r\n" + line + b"\r\n\r\n")
    assert body.trailers == ((line,) if passes else ())


def test_chunks_are_written() -> None:
    assert chunk(b"x" * 17) == b"11\r\n" + b"x" * 17 + b"\r\n"
    assert chunk(b"") == b"", "a chunk of nothing would be the end"
    assert last_chunk(()) == b"0\r\n\r\n"
    assert last_chunk((b"A: b", b"C: d")) == b"0\r\nA: b\r\nC: d\r\n\r\n"
