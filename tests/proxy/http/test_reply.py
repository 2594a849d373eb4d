"""How a node's response is framed for the client: the whole table."""

from __future__ import annotations

import pytest

from steer.proxy.http.head import RequestHead, ResponseHead, read_response
from steer.proxy.http.reply import frame_reply

LENGTH, CODED, OPEN = b"Content-Length: 5", b"Transfer-Encoding: chunked", b"A: b"
DATE = b"Date: Fri, 02 Jan 2026 03:04:05 GMT"


def response(status: int, *lines: bytes) -> ResponseHead:
    head = read_response(b"\r\n".join([b"HTTP/1.1 %d A" % status, *lines]))
    assert isinstance(head, ResponseHead), head
    return head


@pytest.mark.parametrize(
    ("method", "http10", "status", "framing", "whole", "added", "chunked", "keeps"),
    [
        # HTTP/1.1: the node's length stands; what is all here gets one; the rest gets chunks.
        ("GET", False, 200, LENGTH, -1, [], False, True),
        ("GET", False, 200, LENGTH, 5, [], False, True),
        ("GET", False, 200, CODED, -1, [b"Transfer-Encoding: chunked"], True, True),
        ("GET", False, 200, CODED, 3, [b"Content-Length: 3"], False, True),
        ("GET", False, 200, OPEN, -1, [b"Transfer-Encoding: chunked"], True, True),
        ("GET", False, 200, OPEN, 0, [b"Content-Length: 0"], False, True),
        # Responses without a body are framed by what they are.
        ("HEAD", False, 200, LENGTH, -1, [], False, True),
        ("HEAD", False, 200, CODED, 0, [], False, True),
        ("HEAD", False, 200, OPEN, 0, [], False, True),
        ("GET", False, 204, OPEN, 0, [], False, True),
        ("GET", False, 304, OPEN, 0, [], False, True),
        ("GET", False, 304, LENGTH, 0, [], False, True),
        # HTTP/1.0 knows no chunks: without a length the end of the connection is the end.
        ("GET", True, 200, LENGTH, -1, [b"Connection: keep-alive"], False, True),
        ("GET", True, 200, CODED, -1, [b"Connection: close"], False, False),
        ("GET", True, 200, CODED, 3, [b"Content-Length: 3", b"Connection: keep-alive"], False, True),
        ("GET", True, 200, OPEN, -1, [b"Connection: close"], False, False),
        ("HEAD", True, 200, CODED, -1, [b"Connection: keep-alive"], False, True),
        ("GET", True, 304, OPEN, 0, [b"Connection: keep-alive"], False, True),
    ],
)
def test_a_reply_is_framed(
    method: str, http10: bool, status: int, framing: bytes, whole: int, added: list[bytes], chunked: bool, keeps: bool
) -> None:
    request = RequestHead(method, b"/", http10)
    reply = frame_reply(request, response(status, framing, DATE), whole, may_keep=True)
    assert (reply.lines, reply.chunked, reply.keeps) == (b"".join(line + b"\r\n" for line in added), chunked, keeps)


@pytest.mark.parametrize("http10", [False, True])
@pytest.mark.parametrize(("framing", "whole"), [(LENGTH, -1), (CODED, -1), (CODED, 3), (OPEN, -1)])
def test_a_connection_that_may_not_stay_says_so(http10: bool, framing: bytes, whole: int) -> None:
    reply = frame_reply(RequestHead("GET", b"/", http10), response(200, framing, DATE), whole, may_keep=False)
    assert reply.lines.endswith(b"Connection: close\r\n")
    assert not reply.keeps
    assert reply.chunked is (not http10 and framing is not LENGTH and whole < 0)


@pytest.mark.parametrize("framing", [LENGTH, CODED])
def test_a_date_is_added_where_there_is_none(framing: bytes) -> None:
    request = RequestHead("GET", b"/", http10=False)
    assert b"Date: " in frame_reply(request, response(200, framing), -1, may_keep=True).lines
    assert b"Date: " not in frame_reply(request, response(200, framing, DATE), -1, may_keep=True).lines
