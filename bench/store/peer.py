"""What an edge of another site does for this one: serves its Redis over mutual TLS.

`python peer.py REDIS-PORT PORT CERTIFICATE KEY NAME`: one certificate for both ends, which is its own authority.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import uvloop

from steer.proxy.certificates import CertificateFiles
from steer.proxy.door_tls import admin_context
from steer.store.layout import Space
from steer.store.redis_engine import RedisEngine
from steer.store.redis_link import RedisLink, RedisPlace
from steer.store.remote.server import EngineServer

THERE = Space("web", 2, peers=(1,))
PATIENCE = 5.0


async def serve(redis: str, port: str, certificate: Path, key: Path, name: str) -> None:
    engine = RedisEngine(RedisLink(RedisPlace(f"redis://127.0.0.1:{redis}/0", timeout=PATIENCE)))
    server = EngineServer(engine, {THERE.name: THERE}, [name])
    tls = admin_context(CertificateFiles(certificate, key), certificate)
    await server.serve(socket.create_server(("127.0.0.1", int(port))), tls)
    await asyncio.Event().wait()


if __name__ == "__main__":
    _, redis, port, certificate, key, name = sys.argv
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(redis, port, Path(certificate), Path(key), name))
