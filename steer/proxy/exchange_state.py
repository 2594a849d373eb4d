"""What is known of one request and its response: where it is, its tries, its times. Also the `Facts` that steering
decides by. What happens to it is told in the classes on top (`exchange_body.py`, `exchange.py`).
"""

from __future__ import annotations

from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING

from steer.proxy.binding import Binding
from steer.proxy.evidence import Doubt
from steer.proxy.http.cookies import cookie
from steer.proxy.http.head import RequestHead
from steer.proxy.http.introduction import Guide
from steer.proxy.proxy_protocol import Endpoints
from steer.proxy.settings import PoolSettings
from steer.proxy.stream import ClientStream
from steer.proxy.upstream.connection import UpstreamConnection
from steer.steering.model import Bound, Node, Outcome, Place, Route, Verdict
from steer.steering.retries import IDEMPOTENT
from steer.steering.tables import HostEntry

if TYPE_CHECKING:
    from steer.proxy.plane import DataPlane

CHOOSE, ARRIVE, CONNECT, SEND_BODY, AWAIT_HEAD, RELAY, SETTLED = range(7)
"""Where an exchange is; decides what a passed deadline means. Plain integers: they are compared for each request."""


NO_HOST = HostEntry("", "", (Route("/", ""),))
"""Whom a request is for until its Host has been looked up."""


class ExchangeState:
    """For the life of one request."""

    __slots__ = (
        "_charged",
        "_heard",
        "_idempotent",
        "_kept",
        "_kept_size",
        "_on_node",
        "_passed_over",
        "_refreshed",
        "_relayed",
        "_replayable",
        "_sent",
        "_tries",
        "arrived_in",
        "binding",
        "client",
        "connect_s",
        "connection",
        "entry",
        "error",
        "head",
        "head_at",
        "method",
        "phase",
        "plane",
        "pool",
        "reason",
        "request_done",
        "request_id",
        "retries",
        "sent_bytes",
        "settings",
        "started",
        "status",
        "stream",
        "tried",
        "try_at",
        "verdict",
        "wants_websocket",
    )
    settings: PoolSettings
    verdict: Verdict

    def __init__(self, plane: DataPlane, stream: ClientStream, head: RequestHead, request_id: bytes) -> None:
        # Of this request.
        self.plane = plane
        self.stream = stream
        self.head = head
        self.request_id = request_id
        self.method = head.method
        self.client = stream.address
        self.wants_websocket = bool(head.websocket_key)
        self.entry = NO_HOST
        self.pool = ""
        self.binding: Binding | None = None
        self.arrived_in = ""
        self.phase = CHOOSE
        self.request_done = False
        self.tried: tuple[Node, ...] = ()
        self.retries = 0
        self.reason = ""
        self.error = ""
        self.status = 0
        self.sent_bytes = 0
        self._idempotent = False
        self._relayed = False
        self._charged = False
        # Of its body, as far as a retry may need it.
        self._kept: list[bytes] = []
        self._kept_size = 0
        self._replayable = True
        self._passed_over = 0
        # Of the present try.
        self.connection: UpstreamConnection | None = None
        self._tries = 0
        self._heard = 0
        self._on_node = False
        self._sent = False
        self._refreshed = False
        # Times, in monotonic seconds: the request's head, the present try, the response's head.
        self.started = monotonic()
        self.try_at = 0.0
        self.head_at = 0.0
        self.connect_s = 0.0

    @property
    def retriable(self) -> bool:
        """Steering may send a trial along: should it fail, the request can be sent again."""
        head = self.head
        return self._idempotent and not head.chunked and head.content_length <= self.settings.retries.body

    @property
    def idempotent(self) -> bool:
        return self.method in IDEMPOTENT

    @property
    def place(self) -> Place:
        return self.plane.locate(self.client)

    @property
    def bound(self) -> Bound | None:
        return self.binding.bound if self.binding is not None else None

    @property
    def key(self) -> str:
        return self.binding.key if self.binding is not None else ""

    def field(self, name: str) -> str | None:
        return self.head.field(name)

    def cookie(self, name: str) -> str | None:
        value = cookie(self.head.lines, name.encode())
        return value.decode("latin-1") if value is not None else None

    def introduce(self, guide: Guide) -> None:
        """A trusted proxy says in the head who the client is. Before `start`."""
        self.client, self.request_id, self.head.introduction = guide.introduce(self.head, self.request_id)

    @property
    def endpoints(self) -> Endpoints:
        """Of the client's connection. The port of a client that stands behind other proxies is not known."""
        known = self.stream.endpoints
        return known if known.source == self.client else replace(known, source=self.client, source_port=0)

    @property
    def path(self) -> str:
        return self.head.path

    @property
    def trailers(self) -> tuple[bytes, ...]:
        """Of the response, as far as it has come."""
        return self.connection.trailers if self.connection is not None else ()

    def _enter(self, phase: int, seconds: float) -> None:
        self.phase = phase
        total = self.settings.timeouts.total
        if total:
            seconds = min(seconds, self.started + total - self.plane.now)
        self.stream.set_deadline(seconds)

    # evidence

    def _succeed(self) -> None:
        counters, verdict = self.plane.counters, self.verdict
        index = verdict.node.index
        if self.entry.pinned is not None:
            counters.pinned[index].observe(self.head_at - self.try_at)
            return
        counters.upstream[index].observe(self.head_at - self.try_at)
        if verdict.trial:
            self._report(Outcome.SUCCESS, self.status)
        else:
            counters.successes[index] += 1
            counters.succeeded_at[index] = self.head_at

    def _report(self, outcome: Outcome, status: int) -> None:
        if self.entry.pinned is None:
            self.plane.observe(self, self.verdict, outcome, status)

    def _blame(self, outcome: Outcome, status: int) -> None:
        """A try failed. Where the node had the request, another try may show that it is the request's own fault."""
        if not self._sent:
            self._report(outcome, status)
        elif self.entry.pinned is None:
            plane, verdict = self.plane, self.verdict
            doubt = plane.doubts.setdefault(self, Doubt(plane))
            doubt.add(verdict.node.index, plane.observation(self, verdict, outcome, status))

    def _conclude(self, served: bool) -> None:
        """No more tries: what is known of the nodes that failed is told, if it says anything of them."""
        doubt = self.plane.doubts.pop(self, None)
        if doubt is not None:
            doubt.conclude(served)
