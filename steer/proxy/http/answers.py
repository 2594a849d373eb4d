"""Responses that the edge makes itself: failures, redirects, the health path, OPTIONS for the edge."""

from __future__ import annotations

import html
import json
from email.utils import formatdate
from http import HTTPStatus

from steer.errors import BUSY, Failure

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{status} {phrase}</title>
<meta name="viewport" content="width=device-width"><style>
body{{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem;color:#222}}
h1{{font-size:1.4rem}} code{{color:#666}}</style></head>
<body><h1>{phrase}</h1><p>{detail}</p><p><code>{status} {name} &middot; {request_id}</code></p></body></html>
"""

_ADVICE = {
    502: "The server behind this address could not be asked, or broke off its answer. Please try again.",
    503: "No server can take this request at the moment. Please try again shortly.",
    504: "The server behind this address took too long. Please try again.",
}


ALLOW = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"


def phrase(status: int) -> str:
    """The reason phrase; 499, which no standard names, is the client's own hang-up."""
    return "Client Gone" if status == 499 else HTTPStatus(status).phrase


def answer(
    status: int, fields: dict[str, str], body: bytes, *, request_id: bytes, close: bool, without_body: bool = False
) -> bytes:
    """A whole response. `without_body`: to HEAD, whose Content-Length still tells the length."""
    lines = [f"HTTP/1.1 {status} {phrase(status)}", f"Date: {formatdate(usegmt=True)}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    lines.append(f"Content-Length: {len(body)}")
    lines.append(f"X-Request-Id: {request_id.decode()}")
    if close:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if without_body else body)


def busy_answer(request_id: bytes) -> bytes:
    """For a connection that is refused before anything of it is read."""
    fields = {**failure_fields(BUSY), "Content-Type": "text/plain; charset=utf-8"}
    return answer(BUSY.status, fields, b"The edge is busy.\n", request_id=request_id, close=True)


def failure_fields(failure: Failure) -> dict[str, str]:
    """What every failure's answer carries, whatever its body."""
    fields = {"X-Steer-Error": failure.name, "Cache-Control": "no-store"}
    if failure.retry_after is not None:
        fields["Retry-After"] = str(failure.retry_after)
    if failure.status == 405:
        fields["Allow"] = ALLOW
    return fields


def failure_body(failure: Failure, accept: bytes, request_id: bytes) -> tuple[str, bytes]:
    """Content type and body: JSON (RFC 9457) where the client asks for JSON and not for HTML, else a page."""
    accept = accept.lower()
    detail = " ".join(text for text in (_ADVICE.get(failure.status), failure.detail) if text)
    if b"json" in accept and b"html" not in accept:
        problem = {
            "type": f"about:blank#{failure.name}",
            "title": phrase(failure.status),
            "status": failure.status,
            "detail": detail,
            "request_id": request_id.decode(),
        }
        return "application/problem+json", json.dumps(problem).encode()
    page = _PAGE.format(
        status=failure.status,
        phrase=phrase(failure.status),
        detail=html.escape(detail),
        name=failure.name,
        request_id=request_id.decode(),
    )
    return "text/html; charset=utf-8", page.encode()
