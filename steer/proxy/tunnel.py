"""Bytes both ways, once a connection has become a WebSocket: flow control, half-close, an end when both are idle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from steer.proxy.upstream.connection import UpstreamConnection

if TYPE_CHECKING:
    from steer.proxy.exchange import Exchange


class Pipe(Protocol):
    """As much of a transport as a tunnel needs; a stream of HTTP/2 has it too."""

    def write(self, data: bytes) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def can_write_eof(self) -> bool: ...
    def write_eof(self) -> None: ...
    def close(self) -> None: ...


class TunnelClient(Protocol):
    """Whose WebSocket it is. It calls `from_client`, `hold_node`, `client_ended` and `client_gone`."""

    tunnel: Tunnel | None

    @property
    def transport(self) -> Pipe: ...
    def set_deadline(self, seconds: float) -> None: ...


class Tunnel:
    """Joins a client's connection and a node's. Ends once, and settles the exchange that opened it."""

    def __init__(self, exchange: Exchange, client: TunnelClient, node: UpstreamConnection, idle: float) -> None:
        self._exchange = exchange
        self._client = client
        self._node = node
        self._idle = idle
        self._over = False
        self._one_has_ended = False
        self.to_client = 0
        self.to_node = 0

    def open(self, from_client: bytes, from_node: bytes) -> None:
        """Take over both connections, with what had come behind the handshake."""
        self._client.tunnel = self
        self._node.tunnel = self
        if from_node:
            self.from_node(from_node)
        if from_client:
            self.from_client(from_client)
        self._touch()

    def from_client(self, data: bytes) -> None:
        if not self._over:
            self.to_node += len(data)
            self._node.transport.write(data)
            self._touch()

    def from_node(self, data: bytes) -> None:
        if not self._over:
            self.to_client += len(data)
            self._client.transport.write(data)
            self._touch()

    def hold_node(self, held: bool) -> None:
        """The client takes no more for now."""
        self._node.hold(held)

    def hold_client(self, held: bool) -> None:
        """The node takes no more for now."""
        if not self._over:
            (self._client.transport.pause_reading if held else self._client.transport.resume_reading)()

    def client_ended(self) -> bool:
        """The client's side is over; the node may still speak where the transport can be half closed."""
        return self._pass_end_on(self._node.transport)

    def node_ended(self) -> bool:
        """The node's side is over."""
        return self._pass_end_on(self._client.transport)

    def _pass_end_on(self, to: Pipe) -> bool:
        """True: the connection that has ended stays, for what still goes the other way."""
        if self._one_has_ended or not to.can_write_eof():
            to.close()
            return False
        self._one_has_ended = True
        to.write_eof()
        return True

    def client_gone(self) -> None:
        self._end()
        self._node.close()

    def node_gone(self) -> None:
        self._end()
        self._client.transport.close()

    def expire(self) -> None:
        """Nobody has said anything for too long."""
        self._client.transport.close()

    def drain(self) -> None:
        """The edge goes away: end both sides."""
        self._client.transport.close()

    def _touch(self) -> None:
        self._client.set_deadline(self._idle)

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._exchange.tunnel_ended(self.to_client)
