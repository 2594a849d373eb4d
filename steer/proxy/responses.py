"""The writing half of a client's HTTP/1.1 connection: responses of nodes, and the edge's own answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from steer.errors import DRAINING, Failure
from steer.proxy.appetite import Appetite
from steer.proxy.http import answers
from steer.proxy.http.forwarding import render_response
from steer.proxy.http.framing import chunk, last_chunk, permitted_trailers
from steer.proxy.http.head import RequestHead, ResponseHead
from steer.proxy.http.reply import frame_reply
from steer.proxy.settings import ListenerSettings

if TYPE_CHECKING:
    from steer.proxy.exchange import Exchange
    from steer.proxy.plane import DataPlane

JOINED = 16 * 1024
"""Bytes of a body that are copied behind its head, to go out in one record of TLS; longer ones are not copied."""


class ResponseWriter:
    """One response at a time; `keeps` says whether the connection may go on after it."""

    __slots__ = ("_chunked", "appetite", "finished_response", "is_blocked", "keeps", "listener", "plane", "transport")
    transport: asyncio.Transport

    def __init__(self, plane: DataPlane, listener: ListenerSettings) -> None:
        # For the life of the connection.
        self.plane = plane
        self.listener = listener
        self.is_blocked = False
        self.appetite = Appetite()
        # Of the response that is being written.
        self.finished_response = False
        self.keeps = True
        self._chunked = False

    def may_keep(self, exchange: Exchange) -> bool:
        """Whether another request can follow this one: its body is read, or so short that reading it is cheaper."""
        raise NotImplementedError

    # A node's response...

    def send_interim(self, exchange: Exchange, head: ResponseHead) -> None:
        """RFC 9110 section 15.2: not to HTTP/1.0 clients."""
        if not exchange.head.http10:
            lines = b"".join(line + b"\r\n" for line in head.lines)
            self.transport.write(b"HTTP/1.1 %d %b\r\n%b\r\n" % (head.status, head.reason, lines))

    def start_response(self, exchange: Exchange, head: ResponseHead, payload: bytes, complete: bool) -> None:
        plane = self.plane
        whole = -1 if head.content_length >= 0 or not complete or exchange.trailers else len(payload)
        extra, self._chunked, self.keeps = frame_reply(exchange.head, head, whole, self.may_keep(exchange))
        self.finished_response = complete
        if plane.reveal or exchange.entry.pinned is not None:
            extra += plane.revealing(exchange)
        if self._chunked:
            payload = chunk(payload)
            if complete:
                payload += self._last_chunk(exchange)
        if len(payload) > JOINED:
            self.transport.writelines((render_response(head, exchange.request_id, plane.via, extra), payload))
        else:
            self.transport.write(render_response(head, exchange.request_id, plane.via, extra, payload))

    def send_payload(self, payload: bytes) -> None:
        self.transport.write(chunk(payload) if self._chunked else payload)

    def finish_response(self, exchange: Exchange) -> None:
        self.finished_response = True
        if self._chunked:
            self.transport.write(self._last_chunk(exchange))

    def _last_chunk(self, exchange: Exchange) -> bytes:
        """Trailers go only to a client that said it takes them (RFC 9110 section 6.5.1)."""
        return last_chunk(permitted_trailers(exchange.trailers) if exchange.head.te_trailers else ())

    def close_after_response(self) -> None:
        self.keeps = False

    def accept_upgrade(self, exchange: Exchange, head: ResponseHead) -> None:
        accept = head.websocket_accept
        extra = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n" % accept
        if exchange.entry.pinned is not None or self.plane.reveal:
            extra += self.plane.revealing(exchange)
        self.transport.write(render_response(head, exchange.request_id, self.plane.via, extra))

    # The edge's own answers...

    def answer(self, exchange: Exchange, failure: Failure, page: bytes) -> int:
        fields = answers.failure_fields(failure)
        if page:
            kind, body = "text/html; charset=utf-8", page
        else:
            kind, body = answers.failure_body(failure, accept_of(exchange.head), exchange.request_id)
        fields["Content-Type"] = kind
        self.keeps = self.may_keep(exchange) and not failure.closes
        self._write_answer(exchange, failure.status, fields, body)
        return len(body)

    def _write_answer(self, exchange: Exchange, status: int, fields: dict[str, str], body: bytes) -> None:
        self.finished_response = True
        self.transport.write(
            answers.answer(
                status,
                fields,
                body,
                request_id=exchange.request_id,
                close=not self.keeps,
                without_body=exchange.method == "HEAD",
            )
        )

    def redirect(self, exchange: Exchange, head: RequestHead) -> None:
        """To https at the same name, if it is one of ours: an open redirect would serve anybody's name."""
        if head.host not in self.plane.tables.hosts:
            exchange.start()
            return
        port = self.listener.redirect_port
        target = head.target.decode() if head.target != b"*" else "/"
        location = f"https://{head.host}{'' if port == 443 else f':{port}'}{target}"
        self.keeps = self.may_keep(exchange)
        self._write_answer(exchange, 308, {"Location": location}, b"")
        exchange.answered(308)

    def answer_options(self, exchange: Exchange) -> None:
        """Max-Forwards has run out: the answer is the edge's (RFC 9110 section 7.6.2)."""
        self.keeps = self.may_keep(exchange)
        self._write_answer(exchange, 200, {"Allow": answers.ALLOW}, b"")
        exchange.answered(200)

    def answer_health(self, head: RequestHead) -> None:
        """For whoever stands in front of the edge: 200, or 503 while it drains."""
        plane = self.plane
        draining = plane.draining and not plane.handed_over
        fields = {"Content-Type": "text/plain", "Cache-Control": "no-store"}
        if draining:
            fields |= answers.failure_fields(DRAINING)
        body = b"draining\n" if draining else b"ok\n"
        self.keeps = head.keep_alive and not plane.draining
        status = 503 if draining else 200
        head_only = head.method == "HEAD"
        self.transport.write(
            answers.answer(
                status, fields, body, request_id=self.plane.new_id(), close=not self.keeps, without_body=head_only
            )
        )


def accept_of(head: RequestHead) -> bytes:
    """The request's Accept: which kind of error page its client reads."""
    for line in head.lines:
        if line[:7].lower() == b"accept:":
            return line[7:]
    return b""
