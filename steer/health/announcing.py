"""HTTP checks of nodes that expect a PROXY header in front of everything, TLS included."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import aiohttp

from steer.health.expect import CheckSettings, place_of

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.tracing import Trace


class AnnouncingConnector(aiohttp.BaseConnector):
    """Connects to the node of these settings only, and keeps nothing."""

    def __init__(self, settings: CheckSettings) -> None:
        super().__init__(force_close=True, limit=0)
        self._settings = settings

    async def _create_connection(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  # aiohttp's signature
    ) -> ResponseHandler:
        """What aiohttp asks its connectors to implement. The check's own time-out bounds it."""
        loop, settings = asyncio.get_running_loop(), self._settings
        host, port = place_of(settings.url)
        protocol = self._factory()
        is_plain = not settings.url.startswith("https:")
        transport, _ = await loop.create_connection(lambda: protocol if is_plain else asyncio.Protocol(), host, port)
        transport.write(settings.prelude)
        if is_plain:
            return protocol
        context = settings.tls or ssl.create_default_context()
        secure = await loop.start_tls(transport, protocol, context, server_hostname=settings.server_name or host)
        if secure is None:
            raise ConnectionResetError("reset during the handshake")
        protocol.connection_made(secure)
        return protocol
