"""How a node's response is framed for the client: pure, so that the whole table can be tested without a socket."""

from __future__ import annotations

from email.utils import formatdate
from typing import NamedTuple

from steer.proxy.http.head import RequestHead, ResponseHead


class Reply(NamedTuple):
    """`lines` are fields to add, each ended. `chunked`: payload gets frames. `keeps`: the connection may go on."""

    lines: bytes
    chunked: bool
    keeps: bool


CHUNKED = b"Transfer-Encoding: chunked\r\n"
CLOSE = b"Connection: close\r\n"
KEEP_ALIVE = b"Connection: keep-alive\r\n"


AS_IT_IS = Reply(b"", chunked=False, keeps=True)


def frame_reply(request: RequestHead, head: ResponseHead, whole: int, may_keep: bool) -> Reply:
    """RFC 9112 section 6. `whole` is the length of the body where all of it is here, else -1.

    A Content-Length of the node's stands among the head's lines already.
    """
    if head.content_length >= 0 and may_keep and head.has_date and not request.http10:
        return AS_IT_IS
    lines, chunked, keeps = _framing(request, head, whole)
    keeps = keeps and may_keep
    if not keeps:
        lines += CLOSE
    elif request.http10:
        lines += KEEP_ALIVE
    if not head.has_date:
        lines += date_line()
    return Reply(lines, chunked, keeps)


def _framing(request: RequestHead, head: ResponseHead, whole: int) -> tuple[bytes, bool, bool]:
    """Framing lines, chunked, and whether the end can be told without closing."""
    if request.method == "HEAD" or head.status in (204, 304) or head.content_length >= 0:
        return b"", False, True
    if whole >= 0:
        return b"Content-Length: %d\r\n" % whole, False, True
    if request.http10:
        return b"", False, False
    return CHUNKED, True, True


def date_line() -> bytes:
    """RFC 9110 section 6.6.1: who passes on a response without Date adds it."""
    return f"Date: {formatdate(usegmt=True)}\r\n".encode()
