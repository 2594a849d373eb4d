"""One request and its response: choose -> (arrive) -> connect -> send_head -> relay -> settle.

The exchange is callbacks, not a task: whoever has something (the client's connection a piece of the body, the node's
connection a response, the sweep a deadline) calls in. It belongs to one client stream and, while it is tried, to one
connection of one node. It ends exactly once, in `_settle`.

    client stream --request_payload--> Exchange --write--> UpstreamConnection --> node
    client stream <--start_response--- Exchange <--on_response-- UpstreamConnection <-- node
"""

from __future__ import annotations

from time import monotonic

from steer.errors import (
    BODY_TOO_SLOW,
    BUSY,
    CLIENT_GONE,
    MISDIRECTED,
    NO_NODE,
    NO_NODE_HERE,
    NO_ROUTE,
    NODE_BROKE,
    NODE_TOO_SLOW,
    NOT_ALLOWED,
    Failure,
    Retry,
)
from steer.proxy.arrivals import PATIENCE, STALE, Arrival
from steer.proxy.exchange_body import ExchangeBody
from steer.proxy.exchange_state import ARRIVE, AWAIT_HEAD, CONNECT, RELAY, SEND_BODY, SETTLED
from steer.proxy.http.forwarding import render_request
from steer.proxy.http.head import ResponseHead
from steer.proxy.upstream.connection import UpstreamConnection
from steer.proxy.websocket import is_accepted
from steer.steering.choose import choose, choose_next
from steer.steering.model import Outcome, Refusal, Verdict
from steer.steering.permission import may_still_go
from steer.steering.retries import is_free, is_retry_allowed, is_status_retried

REFUSALS = {failure.name: failure for failure in (NO_NODE, NO_NODE_HERE, BUSY, NOT_ALLOWED)}
AVOID_S = 1.0
"""How long a worker avoids a node that refused it, for itself: until control has surely spoken."""


class Exchange(ExchangeBody):
    """What happens to a request, phase by phase."""

    __slots__ = ()

    # choose

    def start(self) -> None:
        """The head has been read: decide where it goes."""
        plane, head = self.plane, self.head
        entry = plane.tables.hosts.get(head.host)
        stream = self.stream
        if entry is None or not (stream.covered == head.host or stream.covers(head.host)):
            self.answer(MISDIRECTED.because(f"{head.host} is not served by this connection"))
            return
        pool = entry.pool_for(head.path)
        if pool is None:
            self.answer(NO_ROUTE.because("no route of this service leads there"))
            return
        self.entry, self.pool = entry, pool
        settings = self.settings = plane.pools[pool]
        self._idempotent = head.method in settings.idempotent
        self.request_done = head.plain or not head.has_body
        if not self.request_done and not plane.uploads.begin(self, pool, self.client, plane.free(pool)):
            plane.admission.refused("upload")
            self.answer(BUSY.because("as many bodies are coming from this client as the edge has places left"))
            return
        if entry.affinity is not None:
            self.binding = plane.binders[entry.service].begin(self)
        verdict = choose(plane.tables, self, plane.load, self.started, plane.dice)
        sampling = plane.sampling
        if sampling.left:
            sampling.left -= 1
        else:
            sampling.take(plane.tables, self)
        if isinstance(verdict, Refusal):
            self.reason = verdict.name
            self.answer(REFUSALS[verdict.name].because(verdict.why) if verdict.why else REFUSALS[verdict.name])
        else:
            self._try(verdict)

    # arrive

    def _arrives(self, datacentre: str) -> bool:
        """Its session is on its way from the datacentre where the client was, and the request waits for it."""
        arrivals, bound = self.plane.arrivals, self.bound
        if arrivals is None or bound is None or self.arrived_in == datacentre:
            return False
        self._say_stale(False)
        self.arrived_in = datacentre
        arrival = arrivals.begin(self, bound.datacentre, datacentre)
        if arrival is Arrival.WAITS:
            self._enter(ARRIVE, PATIENCE)
        elif arrival is Arrival.STALE:
            self._say_stale(True)
        return arrival is Arrival.WAITS

    def on_session(self, is_there: bool) -> None:
        """The store has brought it, or cannot."""
        if is_there:
            self.plane.counters.arrivals["brought"] += 1
        else:
            self._say_stale(True)
        self.try_at = self.plane.now = monotonic()
        if may_still_go(self.plane.tables, self, self.verdict):
            self._connect()
        else:
            self._go_elsewhere()

    def _forget_arrival(self) -> None:
        if self.plane.arrivals is not None:
            self.plane.arrivals.forget(self)

    def _say_stale(self, is_stale: bool) -> None:
        """To the node that is tried next. Nothing but this puts the field into a head."""
        lines = self.head.lines
        if is_stale:
            self.plane.counters.arrivals["stale"] += 1
            lines.append(STALE)
        elif self.arrived_in and STALE in lines:
            lines.remove(STALE)

    # connect

    def _try(self, verdict: Verdict) -> None:
        plane = self.plane
        node = verdict.node
        self.verdict = verdict
        self.reason = verdict.reasons[-1]
        self.tried = (*self.tried, node) if self._tries else (node,)
        self.try_at = plane.now = monotonic() if self._tries else self.started
        self._tries += 1
        self._on_node = True
        self._sent = False
        plane.load.in_flight[node.index] += 1
        if self.binding is None or plane.arrivals is None or not self._arrives(node.datacentre):
            self._connect()

    def _connect(self) -> None:
        pool = self.plane.upstreams[self.verdict.node.index]
        self._heard = pool.heard
        connection = pool.take(self._idempotent)
        if connection is not None:
            self._send_head(connection)
        else:
            self._enter(CONNECT, self.settings.timeouts.response_head)
            pool.queue(self)

    def on_connection(self, connection: UpstreamConnection) -> None:
        """The pool has a connection for us."""
        if not may_still_go(self.plane.tables, self, self.verdict):
            self.plane.upstreams[self.verdict.node.index].hand_on(connection)
            self._go_elsewhere()
            return
        self.connect_s = monotonic() - self.try_at
        self.plane.counters.connect.observe(self.connect_s)
        self._send_head(connection)

    def _go_elsewhere(self) -> None:
        """While it waited its group has left this datacentre, or that drains: nothing was sent."""
        if not self._try_next("moved", free=True):
            self.answer(self._name(NO_NODE))

    def on_connect_failure(self, failure: Failure, outcome: Outcome) -> None:
        """No connection: nothing was sent."""
        index = self.verdict.node.index
        if outcome is Outcome.REFUSED:
            self.plane.load.avoid_until[index] = monotonic() + AVOID_S
        self._fail(failure, outcome)

    # send_head

    def _send_head(self, connection: UpstreamConnection) -> None:
        head, plane = self.head, self.plane
        self.connection = connection
        self._sent = True
        settings = self.settings
        host = head.authority if settings.host == "keep" else plane.host_for(settings, self.tried[-1])
        data = render_request(head, host, self.stream.forwarding(head), self.request_id)
        if self._kept:
            data += b"".join(self._kept)
        connection.begin(self, data, self.stream.appetite)
        if self.request_done:
            self._enter(AWAIT_HEAD, settings.timeouts.response_head)
        else:
            self._enter(SEND_BODY, self.stream.body_grace)
            self._keep_while_useful()
            self.stream.hold_body(False)

    # relay

    def on_interim(self, head: ResponseHead) -> None:
        """A 1xx response: passed on, and proof that the node is alive."""
        if head.status == 100 and self.head.expects_continue:
            self._stop_expecting()
        if self.binding is not None:
            self.binding.clean(head)
        self.stream.send_interim(self, head)

    def on_response(self, head: ResponseHead, payload: bytes, complete: bool) -> None:
        """The final response's head, with what came along."""
        self.head_at = monotonic()
        status = head.status
        if status >= 500:
            outcome = Outcome.GATEWAY_STATUS if status in (502, 503, 504) else Outcome.SERVER_ERROR
            self._blame(outcome, status)
            if self._retry_status(status, complete):
                return
            self._conclude(served=False)
        elif self.retries:
            self._conclude(served=True)
        self._relayed = True
        self.status = status
        self.phase = RELAY
        if self._kept:
            self._kept.clear()
        if self.binding is not None:
            self.binding.answer(self, head)
        self.sent_bytes = len(payload)
        self.stream.start_response(self, head, payload, complete)
        if complete:
            self.on_complete()
        elif self.stream.is_blocked:
            self.on_client_blocked(True)
        else:
            self._enter(RELAY, self.settings.timeouts.idle)

    def on_payload(self, payload: bytes) -> None:
        self.sent_bytes += len(payload)
        self.stream.appetite.take(len(payload))
        self.stream.send_payload(payload)
        if not self.stream.is_blocked:
            self._enter(RELAY, self.settings.timeouts.idle)

    def on_complete(self) -> None:
        """The response is whole."""
        connection, stream = self.connection, self.stream
        assert connection is not None
        if not stream.finished_response:
            stream.finish_response(self)
        if connection.overran:
            stream.close_after_response()
        if self.status < 500:
            self._succeed()
        self._let_go(connection, self.request_done)
        self._settle()

    def on_upgraded(self, head: ResponseHead, payload: bytes) -> None:
        """101: from here on the two connections are a tunnel."""
        if not is_accepted(self.head.websocket_key, head):
            self.on_node_failure(NODE_BROKE.because("the 101 does not match the upgrade"), Outcome.BROKEN)
            return
        if self.binding is not None:
            self.binding.answer(self, head)
        self.stream.accept_upgrade(self, head)
        connection = self.connection
        assert connection is not None
        self._conclude(served=True)
        self.status = 101
        self.head_at = monotonic()
        self._relayed = True
        self._succeed()
        self.plane.open_tunnel(self, connection, payload)

    # flow control

    def on_node_blocked(self, blocked: bool) -> None:
        """The node does not take the body as fast as the client sends it."""
        self.stream.hold_body(blocked)
        if self.phase == SEND_BODY:
            self._enter(SEND_BODY, self.settings.timeouts.request_idle if blocked else self.stream.body_grace)

    def on_client_blocked(self, blocked: bool) -> None:
        """The client does not take the response as fast as the node sends it."""
        if self.connection is not None:
            self._note_reader(blocked)
            self.connection.hold(blocked)
            if self.phase == RELAY:
                self._enter(RELAY, self.stream.write_timeout if blocked else self.settings.timeouts.idle)

    def _note_reader(self, blocked: bool) -> None:
        now, readers = monotonic(), self.plane.readers
        self.stream.appetite.hold(blocked, now)
        if blocked:
            readers.hold(self, self.pool, self.client, now)
        else:
            readers.let_go(self)

    # what goes wrong

    def on_node_failure(self, failure: Failure, outcome: Outcome) -> None:
        """The node broke off, broke a rule, or took too long."""
        self._fail(failure, outcome)

    def on_deadline(self, now: float) -> None:
        """The phase took too long."""
        total = self.settings.timeouts.total
        if self.phase == ARRIVE:
            self._forget_arrival()
            self.on_session(False)
        elif total and now >= self.started + total:
            self._fail(NODE_BROKE.because("the request took too long in all"), Outcome.RESPONSE_TIMEOUT)
        elif self.phase == CONNECT:
            self.reject(BUSY.because("no connection to the node became free in time"))
        elif self.phase == AWAIT_HEAD:
            self._fail(NODE_TOO_SLOW.because("no response in time"), Outcome.RESPONSE_TIMEOUT)
        elif self.phase == SEND_BODY:
            self._on_body_deadline(now)
        elif self.stream.is_blocked:
            self.client_gone()
        else:
            self._fail(NODE_TOO_SLOW.because("the response stalled"), Outcome.RESPONSE_TIMEOUT)

    def _on_body_deadline(self, now: float) -> None:
        if self.stream.body_is_held:
            self._fail(NODE_TOO_SLOW.because("the node stopped taking the request"), Outcome.RESPONSE_TIMEOUT)
            return
        if self.head.expects_continue:  # and so it is the node's turn
            patience = self.try_at + self.settings.timeouts.response_head - now
            if patience <= 0:
                self._fail(NODE_TOO_SLOW.because("neither 100 nor a response in time"), Outcome.RESPONSE_TIMEOUT)
                return
        else:
            patience = self.stream.body_patience(now)
        if patience > 0:
            self._enter(SEND_BODY, patience)
        else:
            self.client_too_slow()

    def client_too_slow(self) -> None:
        """The client does not send its body: 408, no evidence against the node."""
        self._leave_node(reusable=False)
        if self._relayed:
            self.client_gone()
        else:
            self.answer(BODY_TOO_SLOW.because("the body came too slowly"))

    def client_gone(self) -> None:
        """The client hung up, or stopped reading: no evidence against the node."""
        if self.phase == SETTLED:
            return
        self._conclude(served=False)
        if not self._relayed:
            self.status = CLIENT_GONE.status
        self.error = CLIENT_GONE.name
        self._leave_node(reusable=False)
        self.stream.abort()
        self._settle()

    def reject(self, failure: Failure) -> None:
        """The request turned out to be wrong after it had been started: its body breaks a rule."""
        self._leave_node(reusable=False)
        if self._relayed:
            self.error = failure.name
            self.stream.abort()
            self._settle()
        else:
            self.answer(failure)

    def _fail(self, failure: Failure, outcome: Outcome) -> None:
        connection, sent = self.connection, self._sent
        stale = (
            outcome is Outcome.RESET
            and connection is not None
            and connection.served > 1
            and connection.heard_nothing
            and not self._refreshed
        )
        self._leave_node(reusable=False)
        if self._relayed:
            self._report(outcome, 0)
            self.error = failure.name
            self.stream.abort()
            self._settle()
        elif stale and self._replayable and (self._idempotent or failure.retry is Retry.ALWAYS):
            self._refresh()
        else:
            if not stale:
                self._blame(outcome, 0)
            if not self._retry(failure, outcome, sent):
                self.answer(self._name(failure))

    def _refresh(self) -> None:
        """A kept connection ended as we used it: the node closed it for its age. That is no evidence: the same node
        gets the request again, on a new connection.

        Once only: if the node is dead, the new connection says so, and that is evidence.
        """
        self._refreshed = True
        self.tried = self.tried[:-1]
        pool = self.plane.upstreams[self.verdict.node.index]
        pool.close_idle()
        self._try(self.verdict)

    def _name(self, failure: Failure) -> Failure:
        """A pinned hostname whose datacentre cannot be reached says so by name; and so does a group that is at one
        datacentre, when no node that it may use can be reached."""
        if self._sent:
            return failure
        if self.entry.pinned:
            return NO_NODE_HERE.because(failure.detail)
        plan = self.plane.tables.plans.get(self.entry.group, {}).get(self.pool)
        if plan is None or not plan.why_not_taken:
            return failure
        if plan.why_none:
            return NO_NODE.because(plan.why_none)
        return NO_NODE.because(plan.why_not_taken) if self._tried_all() else failure

    def _tried_all(self) -> bool:
        """No node is left that this request could be tried at, had it more tries."""
        plane = self.plane
        left = choose_next(plane.tables, self, self.tried, plane.load, monotonic(), plane.dice)
        return isinstance(left, Refusal) and left.name == "no_node"

    def _retry(self, failure: Failure, outcome: Outcome, sent: bool) -> bool:
        rules = self.settings.retries
        tries = len(self.tried)
        if not is_retry_allowed(failure, self._idempotent, sent, self._replayable, tries, rules):
            return False
        silent = self.plane.upstreams[self.verdict.node.index].heard == self._heard
        return self._try_next(outcome.value, free=is_free(failure, sent, silent))

    def _retry_status(self, status: int, complete: bool) -> bool:
        """Leave a 502, 503 or 504 behind and try another node; False where that cannot be: it is relayed then."""
        rules = self.settings.retries
        if not is_status_retried(status, self._idempotent, self._replayable, len(self.tried), rules):
            return False
        return self._try_next(f"status_{status}", free=False, reusable=complete)

    def _try_next(self, why: str, *, free: bool, reusable: bool = False) -> bool:
        plane = self.plane
        if not free and not self._charged and not plane.budgets[self.pool].take():
            return False
        verdict = choose_next(plane.tables, self, self.tried, plane.load, monotonic(), plane.dice)
        if isinstance(verdict, Refusal):
            if not free and not self._charged:
                plane.budgets[self.pool].give_back()
            return False
        self._charged = self._charged or not free
        self.retries += 1
        plane.counters.retries[why] += 1
        self._leave_node(reusable=reusable and self.request_done)
        self._refreshed = False
        self._try(verdict)
        return True

    # settle

    def answer(self, failure: Failure) -> None:
        """The edge answers itself."""
        self._conclude(served=False)
        self._relayed = True
        self.error = failure.name
        self.status = failure.status
        page = self.settings.page if failure.name == "no_node" else b""
        self.sent_bytes = self.stream.answer(self, failure, page)
        self._settle()

    def answered(self, status: int) -> None:
        """The stream has answered by itself (a redirect, OPTIONS): nothing was wrong."""
        self.status = status
        self._settle()

    def tunnel_ended(self, to_client: int) -> None:
        """The WebSocket is over."""
        self.sent_bytes = to_client
        self._leave_node(reusable=False)
        self._settle()

    def _leave_node(self, reusable: bool = False) -> None:
        if not self._on_node:
            return
        if self.phase == CONNECT:
            self.plane.upstreams[self.verdict.node.index].leave(self)
        elif self.phase == ARRIVE:
            self._forget_arrival()
        self._let_go(self.connection, reusable)

    def _let_go(self, connection: UpstreamConnection | None, reusable: bool) -> None:
        """Of the node, and of its connection if there is one."""
        self._on_node = False
        self.plane.load.in_flight[self.verdict.node.index] -= 1
        if connection is not None:
            self.connection = None
            connection.release(reusable)

    def _settle(self) -> None:
        plane = self.plane
        self.phase = SETTLED
        if plane.uploads.under_way:
            plane.uploads.end(self)
        if plane.readers.keys:
            plane.readers.let_go(self)
        if self._charged:
            plane.budgets[self.pool].give_back()
        plane.recorder.record(self, monotonic())
        self.stream.exchange_settled()
