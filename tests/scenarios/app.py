"""An origin of the test's own, in its process, where the demonstration's are too simple: WebSockets, bodies."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.kit.processes import has_connection_to
from tests.kit.waiting import until
from tests.scenarios.town import Edge, configuration, over_tls, town
from tests.scenarios.traffic import HOST, LOCAL

NODE = "wlg-1"


@dataclass(frozen=True)
class Lone:
    """An edge whose only node, on the port `node`, is the test's own. `tls` is None for plain HTTP."""

    edge: Edge
    node: int
    tls: ssl.SSLContext | None


@contextmanager
def lone_edge(folder: Path, scheme: str, workers: int) -> Iterator[Lone]:
    tree = configuration(workers)
    nodes = tree["pools"]["web"]["nodes"]
    del nodes["auckland"], tree["datacentres"]["auckland"], tree["groups"]["website"]["weights"]["auckland"]
    tree["services"]["www"]["pinned_hostnames"] = {}
    tls = over_tls(tree, folder).client if scheme == "https" else None
    with town(folder, tree, own=[NODE]) as found:
        yield Lone(found.edge, urlsplit(nodes["wellington"][0]["address"]).port or 0, tls)


@asynccontextmanager
async def serving(app: web.Application, port: int) -> AsyncIterator[None]:
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOCAL, port).start()
        yield
    finally:
        await runner.cleanup()


class _Here(AbstractResolver):
    """Every name is this machine."""

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=LOCAL, port=port, family=2, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is held."""


@asynccontextmanager
async def browser(port: int, tls: ssl.SSLContext | None) -> AsyncIterator[aiohttp.ClientSession]:
    """A client whose paths are on the edge."""
    connector = aiohttp.TCPConnector(resolver=_Here(), ssl=tls if tls is not None else True)
    scheme = "https" if tls is not None else "http"
    async with aiohttp.ClientSession(f"{scheme}://{HOST}:{port}", connector=connector) as session:
        yield session
    # The library gives TLS connections away before they are closed, and a loop that ends meanwhile would leave them.
    await until(lambda: not has_connection_to(port), "the client's connections are closed")
