"""The body of a request on its way to the node, as its client sends it."""

from __future__ import annotations

from steer.proxy.exchange_state import AWAIT_HEAD, RELAY, SEND_BODY, ExchangeState
from steer.proxy.http.framing import chunk, last_chunk

MAX_PASSED_OVER = 64 * 1024
"""Bytes of a request that are read after its response has begun."""


class ExchangeBody(ExchangeState):
    """The sent part of a body is kept for as long as another try may need it."""

    __slots__ = ()

    def request_payload(self, payload: bytes, trailers: tuple[bytes, ...] | None) -> None:
        """A piece of the request's body. `trailers` is None until the body ends."""
        connection = self.connection
        if self.head.expects_continue:
            self._stop_expecting()
        relays = self.phase >= RELAY
        if relays and (connection is None or not connection.both_ways):
            self._pass_over(len(payload))
            return
        data = payload
        if self.head.chunked:
            data = chunk(payload)
            if trailers is not None:
                data += last_chunk(trailers)
        self.request_done = trailers is not None
        if trailers is not None:
            self.plane.uploads.end(self)
        if connection is None or (self._replayable and not relays):
            self._kept.append(data)
            self._kept_size += len(data)
        if connection is None:
            if self._kept_size > self.settings.retries.body:
                self.stream.hold_body(True)
        elif relays:
            connection.transport.write(data)
            if not self.stream.is_blocked:
                self._enter(RELAY, self.settings.timeouts.idle)
        elif self.phase == SEND_BODY:
            connection.transport.write(data)
            self._keep_while_useful()
            if self.request_done:
                self._enter(AWAIT_HEAD, self.settings.timeouts.response_head)

    def _stop_expecting(self) -> None:
        """The client does not wait for the node's 100 any more: from now on its body has a pace."""
        self.head.expects_continue = False
        self.stream.restart_pace()

    def _pass_over(self, size: int) -> None:
        """The response has begun: the node gets no more of the request, so its connection is not used again. A little
        is read, because the client may only look at the response when it has sent all."""
        self._passed_over += size
        if self._passed_over > MAX_PASSED_OVER:
            self.stream.hold_body(True)

    def _keep_while_useful(self) -> None:
        """Forget the sent part of the body when no retry could use it. Over HTTP/2 a node can say that it did nothing
        with the request: then any method may be sent again."""
        connection = self.connection
        may_repeat = self._idempotent or (connection is not None and connection.both_ways)
        if not may_repeat or self._kept_size > self.settings.retries.body:
            self._replayable = False
            self._kept.clear()
            self._kept_size = 0
