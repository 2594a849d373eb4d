"""The server of one simulated node: `python -m steer.demo.origin --name wlg-1 --datacentre wellington --port 8101`.

    GET /            which node and datacentre answers: JSON, or a page for browsers
    GET /headers     the request's header fields, as this node sees them
    GET /slow?s=2    answers after so many seconds (at most 60)
    GET /bytes?n=10  so many bytes (at most 1 GiB)
    GET /healthz     what an active check asks

    POST /.origin/break?status=503   from now on everything but /.origin answers this, the check too;
                                     with &path=/a only that path, with &every=3 only each third request
    POST /.origin/mend               as if nothing had been

It speaks HTTP/1.1 with keep-alive and reads bodies of any size, and it imports little: a demonstration starts up to
nine of them and should be there in a second or two.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

import httptools

MOST_SECONDS = 60.0
MOST_BYTES = 1 << 30
PIECE = bytes(64 * 1024)


@dataclass(slots=True)
class Origin:
    """Who the server is, and whether it was told to fail (0: no), where (empty: everywhere) and how often."""

    name: str
    datacentre: str
    broken: int = 0
    broken_path: str = ""
    every: int = 1
    asked: int = 0
    """Requests since it was told to."""

    def fails(self, path: str) -> bool:
        if not self.broken or self.broken_path not in ("", path):
            return False
        self.asked += 1
        return self.asked % self.every == 0


@dataclass(slots=True)
class Request:
    method: str = ""
    target: str = ""
    fields: list[tuple[str, str]] = field(default_factory=list)
    body_bytes: int = 0

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    def number(self, key: str, default: float, most: float) -> float:
        """A number of the query, between 0 and `most`; the default when there is none that makes sense."""
        try:
            value = float(self.text(key))
        except ValueError:
            return default
        return value if 0 <= value <= most else default

    def text(self, key: str) -> str:
        """A value of the query; empty when there is none."""
        return parse_qs(urlsplit(self.target).query).get(key, [""])[0]

    def accepts_html(self) -> bool:
        return any(name.lower() == "accept" and "text/html" in value for name, value in self.fields)


@dataclass(frozen=True, slots=True)
class Answer:
    """`zeros` bytes follow the body; `after` seconds pass before the head."""

    body: bytes
    status: int = 200
    kind: str = "application/json"
    after: float = 0.0
    zeros: int = 0


def answer(origin: Origin, request: Request) -> Answer:
    """What the origin says to a request."""
    if request.path.startswith("/.origin/"):
        return _told(origin, request)
    if origin.fails(request.path):
        return _json(origin, status=origin.broken, error="told to fail")
    return ROUTES.get(request.path, _root)(origin, request)


def _told(origin: Origin, request: Request) -> Answer:
    if request.method != "POST" or request.path not in ("/.origin/break", "/.origin/mend"):
        return _json(origin, status=404, error="POST /.origin/break?status=503 or POST /.origin/mend")
    origin.broken = 0
    if request.path == "/.origin/break":
        origin.broken = max(400, int(request.number("status", 503, most=599)))
        origin.broken_path, origin.asked = request.text("path"), 0
        origin.every = max(1, int(request.number("every", 1, most=1000)))
    return _json(origin, answers=origin.broken or 200)


def _root(origin: Origin, request: Request) -> Answer:
    if not request.accepts_html():
        return _json(origin, method=request.method, target=request.target, body_bytes=request.body_bytes)
    name, datacentre = html.escape(origin.name), html.escape(origin.datacentre)
    page = (
        f"<!doctype html><meta charset=utf-8><title>{name}</title><h1>{name}</h1><p>in {datacentre} answers you.</p>\n"
    )
    return Answer(page.encode(), kind="text/html; charset=utf-8")


def _headers(origin: Origin, request: Request) -> Answer:
    return _json(origin, headers=request.fields)


def _slow(origin: Origin, request: Request) -> Answer:
    seconds = request.number("s", 1.0, MOST_SECONDS)
    return Answer(_json(origin, after=seconds).body, after=seconds)


def _bytes(_: Origin, request: Request) -> Answer:
    return Answer(b"", kind="application/octet-stream", zeros=int(request.number("n", 1024, MOST_BYTES)))


def _json(origin: Origin, status: int = 200, **more: object) -> Answer:
    said = {"node": origin.name, "datacentre": origin.datacentre, **more}
    return Answer(json.dumps(said).encode() + b"\n", status=status)


ROUTES: dict[str, Callable[[Origin, Request], Answer]] = {"/headers": _headers, "/slow": _slow, "/bytes": _bytes}


class Connection(asyncio.Protocol):
    """One client connection: parses requests and answers them one after the other, in order."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.requests: asyncio.Queue[tuple[Request, bool]] = asyncio.Queue()
        self.room = asyncio.Event()
        self.room.set()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)
        self.answering = asyncio.get_running_loop().create_task(self.answer_all())

    def connection_lost(self, error: Exception | None) -> None:
        self.answering.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.transport.close()

    def pause_writing(self) -> None:
        self.room.clear()

    def resume_writing(self) -> None:
        self.room.set()

    # What the parser calls.

    def on_message_begin(self) -> None:
        self.request = Request()

    def on_url(self, url: bytes) -> None:
        self.request.target += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.request.fields.append((name.decode("latin-1"), value.decode("latin-1")))
        if name.lower() == b"expect":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self.request.body_bytes += len(body)

    def on_message_complete(self) -> None:
        self.request.method = self.parser.get_method().decode("latin-1")
        self.requests.put_nowait((self.request, self.parser.should_keep_alive()))

    # Answering.

    async def answer_all(self) -> None:
        while True:
            request, keeps_alive = await self.requests.get()
            await self.send(request, answer(self.origin, request), keeps_alive)
            if not keeps_alive:
                self.transport.close()

    async def send(self, request: Request, said: Answer, keeps_alive: bool) -> None:
        await asyncio.sleep(said.after)
        self.transport.write(_head(said, keeps_alive))
        if request.method == "HEAD":
            return
        self.transport.write(said.body)
        for start in range(0, said.zeros, len(PIECE)):
            await self.room.wait()
            self.transport.write(PIECE[: said.zeros - start])


def _head(said: Answer, keeps_alive: bool) -> bytes:
    try:
        phrase = HTTPStatus(said.status).phrase
    except ValueError:
        phrase = "Unknown"
    return (
        f"HTTP/1.1 {said.status} {phrase}\r\nContent-Type: {said.kind}\r\n"
        f"Content-Length: {len(said.body) + said.zeros}\r\nCache-Control: no-store\r\n"
        f"Connection: {'keep-alive' if keeps_alive else 'close'}\r\n\r\n"
    ).encode("latin-1")


async def serve(origin: Origin, port: int, tls: ssl.SSLContext | None) -> None:
    """Serve on the loopback interface until cancelled. Raises `OSError` when the port is taken."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(origin), "127.0.0.1", port, ssl=tls)
    async with server:
        await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m steer.demo.origin", description="The server of one simulated node."
    )
    parser.add_argument("--name", required=True)
    parser.add_argument("--datacentre", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certificate", help="PEM file with certificate and key: serve HTTPS")
    options = parser.parse_args()
    tls = None
    if options.certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(options.certificate)
    asyncio.run(serve(Origin(options.name, options.datacentre), options.port, tls))


if __name__ == "__main__":
    main()
