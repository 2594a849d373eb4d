"""The backend that all targets share: pages, bodies, an echo, a WebSocket echo. `python -m compliance.backend PORT`."""

from __future__ import annotations

import hashlib
import sys

from aiohttp import WSMsgType, web

LARGEST = 64 << 20
"""Bytes of a body that is asked for or sent."""
PIECE = bytes(range(256)) * 64

PAGE = """<!doctype html><title>steer</title><link rel="icon" href="data:,"><h1>It works</h1>"""


async def health(request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def page(request: web.Request) -> web.Response:
    return web.Response(text=PAGE, content_type="text/html")


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello\n")


async def count(request: web.Request) -> web.StreamResponse:
    """So many bytes, always the same."""
    left = min(int(request.match_info["size"]), LARGEST)
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    response.content_length = left
    await response.prepare(request)
    while left > 0:
        await response.write(PIECE[:left])
        left -= len(PIECE)
    return response


async def digest(request: web.Request) -> web.Response:
    """SHA-256 of the body, in hexadecimal."""
    sha = hashlib.sha256()
    async for piece in request.content.iter_any():
        sha.update(piece)
    return web.Response(text=sha.hexdigest())


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Each message comes back as it was."""
    # No compression: Autobahn's core cases are without, and an intermediary has no part in it.
    socket = web.WebSocketResponse(max_msg_size=LARGEST, compress=False)
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    return socket


def application() -> web.Application:
    app = web.Application(client_max_size=LARGEST)
    app.router.add_get("/healthz", health)
    app.router.add_get("/", page)
    app.router.add_get("/hello", hello)
    app.router.add_get("/bytes/{size:[0-9]{1,9}}", count)
    app.router.add_route("*", "/digest", digest)
    app.router.add_get("/ws", echo)
    return app


if __name__ == "__main__":
    web.run_app(application(), host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None, backlog=4096)
