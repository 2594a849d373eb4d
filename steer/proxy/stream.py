"""What an exchange asks of its client's side: the same for HTTP/1.1 and whatever multiplexes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from steer.errors import Failure
from steer.proxy.appetite import Appetite
from steer.proxy.http.head import RequestHead, ResponseHead
from steer.proxy.proxy_protocol import Endpoints
from steer.proxy.settings import ListenerSettings

if TYPE_CHECKING:
    from steer.proxy.exchange import Exchange


class ClientStream(Protocol):
    """One request's way back to its client."""

    address: str
    """The client's IP address as text."""
    write_timeout: float
    """Seconds that a client may leave its response unread."""
    body_grace: float
    """Seconds before the pace of a body is looked at."""
    appetite: Appetite
    """Of the client for responses."""
    is_blocked: bool
    """The client does not take what is written."""
    body_is_held: bool
    """The client's body is not being read, by our own will."""
    finished_response: bool

    @property
    def listener(self) -> ListenerSettings:
        """By which the client came."""

    @property
    def endpoints(self) -> Endpoints:
        """Of the client's connection."""

    @property
    def covered(self) -> str:
        """The host that `covers` said yes to last."""

    def covers(self, host: str) -> bool:
        """Is this host within what the connection's certificate promised?"""

    def forwarding(self, head: RequestHead) -> bytes:
        """The forwarding fields for the node, as lines."""

    def hold_body(self, held: bool) -> None:
        """Stop or go on reading the request's body."""

    def body_patience(self, now: float) -> float:
        """Seconds until the body, at the pace so far, is too slow; 0 or less: it is."""

    def restart_pace(self) -> None:
        """The body's time begins now: up to here its client waited for the node."""

    def send_interim(self, exchange: Exchange, head: ResponseHead) -> None: ...
    def start_response(self, exchange: Exchange, head: ResponseHead, payload: bytes, complete: bool) -> None: ...
    def send_payload(self, payload: bytes) -> None: ...
    def finish_response(self, exchange: Exchange) -> None: ...
    def close_after_response(self) -> None:
        """Nothing more may follow on this connection."""

    def accept_upgrade(self, exchange: Exchange, head: ResponseHead) -> None:
        """Relay a 101 that answers what was asked."""

    def answer(self, exchange: Exchange, failure: Failure, page: bytes) -> int:
        """The edge's own answer; returns the length of its body."""

    def abort(self) -> None:
        """Break the response off, so that the client cannot take it for whole."""

    def set_deadline(self, seconds: float) -> None: ...
    def exchange_settled(self) -> None:
        """The exchange is over; the next request may begin."""
