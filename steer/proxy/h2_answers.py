"""The edge's own answers on HTTP/2, and what decides before steering does."""

from __future__ import annotations

from email.utils import formatdate
from typing import TYPE_CHECKING

from steer.errors import BODY_TOO_LARGE, DRAINING, MALFORMED, Failure
from steer.proxy.http import answers
from steer.proxy.http.h2 import Field
from steer.proxy.http.head import RequestHead, find_loop

if TYPE_CHECKING:
    from steer.proxy.exchange import Exchange
    from steer.proxy.h2_stream import H2Stream


def answer_fields(status: int, fields: dict[str, str], length: int, request_id: bytes) -> list[Field]:
    """The head of an answer whose body has `length` bytes."""
    return [
        (b":status", b"%d" % status),
        (b"date", formatdate(usegmt=True).encode()),
        *((name.lower().encode(), value.encode()) for name, value in fields.items()),
        (b"content-length", b"%d" % length),
        (b"x-request-id", request_id),
    ]


def refusal(failure: Failure, request_id: bytes) -> tuple[int, dict[str, str], bytes]:
    """To whom no exchange belongs: status, fields, body."""
    kind, body = answers.failure_body(failure, b"", request_id)
    return failure.status, {**answers.failure_fields(failure), "Content-Type": kind}, body


def health(draining: bool) -> tuple[int, dict[str, str], bytes]:
    """For whoever stands in front of the edge: 200, or 503 while it drains."""
    fields = {"Content-Type": "text/plain", "Cache-Control": "no-store"}
    if draining:
        return 503, {**fields, **answers.failure_fields(DRAINING)}, b"draining\n"
    return 200, fields, b"ok\n"


def is_health_check(head: RequestHead, health_path: bytes) -> bool:
    return head.target == health_path and head.method in ("GET", "HEAD") and not head.has_body


def start(exchange: Exchange, stream: H2Stream) -> None:
    """Send the request on its way, unless something speaks against it."""
    head, plane = exchange.head, exchange.plane
    limit = stream.connection.listener.limits.body
    if head.told and stream.connection.guide is not None:
        exchange.introduce(stream.connection.guide)
    if not head.host:
        exchange.answer(MALFORMED.because("there is no :authority"))
    elif limit and head.content_length > limit:
        exchange.answer(BODY_TOO_LARGE.because(f"more than {limit} bytes"))
    elif head.via and (loop := find_loop(head, plane.via)) is not None:
        exchange.answer(loop)
    elif head.max_forwards == 0 and head.method == "OPTIONS":
        stream.answer_options(exchange)
    else:
        exchange.start()
