"""An engine served to its peers over mutual TLS, as an edge does it, in the test's own loop."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from steer.proxy.door_tls import admin_context, peer_context
from steer.store.engine import Engine
from steer.store.layout import Space
from steer.store.remote.line import Door
from steer.store.remote.link import RemotePlace
from steer.store.remote.server import EngineServer
from tests.kit.certificates import Authority

HOST = "127.0.0.1"
EDGE = "edge-two"


class EdgeTls:
    """A certificate for an edge of this name, by a CA that is for edges alone; for both ends."""

    def __init__(self, folder: Path, name: str = EDGE) -> None:
        folder.mkdir(exist_ok=True)
        authority = Authority(folder)
        files = authority.issue(name)
        self.server = admin_context(files, authority.certificate)
        self.client = peer_context(files, authority.certificate)


@asynccontextmanager
async def served(
    engine: Engine, spaces: Mapping[str, Space], tls: ssl.SSLContext, names: Collection[str] = (EDGE,)
) -> AsyncIterator[tuple[EngineServer, int]]:
    """The server and its port."""
    sock = socket.create_server((HOST, 0))
    server = EngineServer(engine, spaces, names)
    port: int = sock.getsockname()[1]
    await server.serve(sock, tls)
    try:
        yield server, port
    finally:
        await server.close()


def place(port: int, tls: ssl.SSLContext, timeout: float = 1.0) -> RemotePlace:
    return RemotePlace((Door(EDGE, HOST, port),), tls, timeout)
