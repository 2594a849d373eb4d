"""This site's engine, served to the edges of the other sites: the socket, who may come in, their conversations."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Collection, Mapping
from typing import Any, Final, cast

import msgpack

from steer.store.codec import Malformed
from steer.store.engine import Engine
from steer.store.errors import EngineDown, Indeterminate, StoreError
from steer.store.layout import Space
from steer.store.remote.calls import CALLS, OPEN, space_of
from steer.store.remote.shapes import exactly, made, packed, unpacker

logger = logging.getLogger("steer.store")

MOST_CONVERSATIONS: Final = 64
"""Two for each edge of the other sites, which are a handful, and as many that nobody has noticed to be dead."""
MOST_GREETINGS: Final = 32
"""Connections whose TLS handshake is not over: strangers cannot hold more."""
HANDSHAKE_TIME: Final = 5.0
"""Seconds. Three round trips around the world take 0.9."""
ACCEPT_AGAIN: Final = 0.2
"""Seconds until the next attempt where no connection can be accepted: this process has no descriptors left."""
AT_ONCE: Final = 128
"""Questions of one conversation that are at work; the next one is read when one of them is answered."""
BACKLOG: Final = 64
GRACE: Final = 1.0
"""Seconds that questions at work have to be answered when the server closes."""
# Seconds until a peer that is cut off is noticed: 30 without a word, then four questions, 10 apart.
KEEPALIVE: Final = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 4))


class EngineServer:
    """`spaces` by name: the namespaces that peers may use. `names`: of the edges that may come in; their certificates
    are for these names. On the loop."""

    def __init__(self, engine: Engine, spaces: Mapping[str, Space], names: Collection[str]) -> None:
        self.engine = engine
        self.spaces = spaces
        self._names = frozenset(name.lower() for name in names)
        self._loop = asyncio.get_running_loop()
        self._accepting: asyncio.Task[None] | None = None
        self._greetings: set[asyncio.Task[None]] = set()
        self.conversations: set[Conversation] = set()
        self.refused = 0

    async def serve(self, sock: socket.socket, tls: ssl.SSLContext) -> None:
        """On a socket that is bound already. `tls` asks for certificates of the CA of edges."""
        sock.setblocking(False)
        sock.listen(BACKLOG)
        self._accepting = self._loop.create_task(self._accept(sock, tls), name="accept peers")

    async def _accept(self, sock: socket.socket, tls: ssl.SSLContext) -> None:
        with sock:
            while True:
                try:
                    connection, _ = await self._loop.sock_accept(sock)
                except OSError as error:
                    logger.warning("no peer can be accepted: %s", error)
                    await asyncio.sleep(ACCEPT_AGAIN)
                else:
                    self._greet(connection, tls)

    def _greet(self, connection: socket.socket, tls: ssl.SSLContext) -> None:
        if len(self._greetings) >= MOST_GREETINGS:
            self.refused += 1
            connection.close()
            return
        greeting = self._loop.create_task(self._shake_hands(connection, tls), name="greet a peer")
        self._greetings.add(greeting)
        greeting.add_done_callback(self._greetings.discard)

    async def _shake_hands(self, connection: socket.socket, tls: ssl.SSLContext) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: Conversation(self), connection, ssl=tls, ssl_handshake_timeout=HANDSHAKE_TIME
            )
        except OSError as error:
            self.refused += 1
            logger.info("a stranger was refused: %s", error)

    def admits(self, transport: asyncio.Transport) -> bool:
        """Is it an edge, and is there room for it?"""
        said = names_in(transport.get_extra_info("peercert") or {})
        if said & self._names and len(self.conversations) < MOST_CONVERSATIONS:
            return True
        why = "too many are connected" if said & self._names else f"no edge is {', '.join(sorted(said)) or 'nameless'}"
        self.refused += 1
        logger.warning("refused a peer at %s: %s", transport.get_extra_info("peername"), why)
        return False

    async def close(self) -> None:
        """Answers what is at work, then ends all conversations."""
        ending = [*self._greetings, *([self._accepting] if self._accepting else [])]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        at_work = [task for each in self.conversations for task in each.at_work]
        if at_work:
            await asyncio.wait(at_work, timeout=GRACE)
        for each in tuple(self.conversations):
            each.transport.close()


class Conversation(asyncio.Protocol):
    """One peer's connection. It is not read while enough of its questions are at work, or its answers are not taken."""

    def __init__(self, server: EngineServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._unpacker = unpacker()
        self._is_full = False
        self.transport: asyncio.Transport
        self.at_work: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if not self._server.admits(self.transport):
            self.transport.abort()
            return
        self._server.conversations.add(self)
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.conversations.discard(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._unpacker.feed(data)
        except msgpack.BufferFull:
            self._give_up("a message is too long")
        else:
            self._go_on()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._go_on()

    def _go_on(self) -> None:
        """Begins as many questions as may be at work."""
        try:
            while len(self.at_work) < AT_ONCE and not self._is_full and not self.transport.is_closing():
                self._begin(self._unpacker.unpack())
            self.transport.pause_reading()
        except msgpack.OutOfData:
            self.transport.resume_reading()
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            self._give_up(f"it sent what is no question: {error}")

    def _begin(self, message: Any) -> None:
        number, call, space, arguments = exactly(list)(message)
        task = self._loop.create_task(self._answer(number, call, space, arguments), name=f"answer {call!s:.20}")
        self.at_work.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self.at_work.discard(task)
        if len(self.at_work) == AT_ONCE - 1:
            self._go_on()

    def _give_up(self, why: str) -> None:
        logger.warning("a peer at %s is cut off: %s", self.transport.get_extra_info("peername"), why)
        self.transport.abort()

    async def _answer(self, number: Any, call: Any, space: Any, arguments: Any) -> None:
        outcome, value = await self._outcome(call, space, arguments)
        if not self.transport.is_closing():
            try:
                self.transport.write(packed([number, outcome, value]))
            except ValueError as error:
                self.transport.write(packed([number, "down", str(error)]))

    async def _outcome(self, name: Any, space: Any, arguments: Any) -> tuple[str, object]:
        try:
            call = CALLS[name]
            taken = made(call.takes, arguments)
            if call.of_space:
                taken.insert(0, space_of(space, self._server.spaces))
        except (Malformed, TypeError, KeyError) as error:
            return "down", f"no question: {error}"
        except LookupError as error:
            return "refused" if name == OPEN.name else "down", str(error)
        try:
            return "ok", await getattr(self._server.engine, name)(*taken)
        except EngineDown as error:
            return "down", error.message
        except Indeterminate as error:
            return "unknown", error.message
        except StoreError as error:
            return "refused", error.message
        except Exception:
            # Whatever it was, a write may have happened.
            logger.exception("the engine failed to answer %s", name)
            return "unknown", "the edge failed to answer"


def names_in(certificate: Mapping[str, Any]) -> frozenset[str]:
    """Whom a certificate is for, as `SSLSocket.getpeercert` gives it."""
    return frozenset(name.lower() for kind, name in certificate.get("subjectAltName", ()) if kind == "DNS")
