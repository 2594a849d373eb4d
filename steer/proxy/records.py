"""What is written down of each request when it is over: counters and one line of the access log."""

from __future__ import annotations

from json import dumps
from time import monotonic
from typing import TYPE_CHECKING, Any

from steer.errors import Failure
from steer.proxy.access_log import AccessLog, Stamp, escaped
from steer.proxy.counters import Counters
from steer.steering.model import Node
from steer.steering.tables import HostEntry

if TYPE_CHECKING:
    from steer.proxy.exchange import Exchange
    from steer.proxy.tcp import TcpConnection

MAX_PLACES = 4096
"""Combinations of hostname, node and reason that are remembered with their text and their counts."""
NOWHERE = -1
"""The node of a request that reached none."""


class Place:
    """What a request was for and where it went: its labels, their text in the log, and the responses by class."""

    __slots__ = ("counts", "labels", "text")

    def __init__(self, entry: HostEntry, node: Node | None, reason: str) -> None:
        service, group = entry.service, entry.group
        datacentre, name = (node.datacentre, node.name) if node is not None else ("", "")
        self.labels = (service, group, datacentre)
        names = {"service": service, "group": group, "datacentre": datacentre, "node": name, "reason": reason}
        self.text = dumps(names, separators=(",", ":"))[1:-1] + ","
        self.counts = [0] * 10


class Recorder:
    """Writes nothing itself: lines and numbers are gathered and go out with the next tick."""

    def __init__(self, counters: Counters, log: AccessLog, nobody: HostEntry) -> None:
        self.counters = counters
        self.log = log
        self._stamp = Stamp()
        self._places: dict[tuple[HostEntry, int, str], Place] = {}
        self._refused = Place(nobody, None, "")

    def record(self, exchange: Exchange, now: float) -> None:
        """The exchange is over, at monotonic `now`."""
        duration = now - exchange.started
        tried = exchange.tried
        key = (exchange.entry, tried[-1].index if tried else NOWHERE, exchange.reason)
        place = self._places.get(key) or self._remember(key, exchange)
        status = exchange.status
        place.counts[status // 100] += 1
        if status != 101:
            self.counters.total.observe(duration)
        if self.log.on:
            head = exchange.head
            head_us = int((exchange.head_at - exchange.try_at) * 1e6) if exchange.head_at else 0
            connect_us = int(exchange.connect_s * 1e6) if exchange.connect_s else 0
            self.log.add(
                f'{{"time":"{self._stamp.text(now)}","client":"{exchange.client}","method":"{head.method}",'
                f'"host":"{head.host}","target":"{escaped(head.target)}","status":{status},'
                f'"bytes":{exchange.sent_bytes},{place.text}"retries":{exchange.retries},"error":"{exchange.error}",'
                f'"duration_us":{int(duration * 1e6)},"connect_us":{connect_us},'
                f'"response_head_us":{head_us},"request_id":"{exchange.request_id.decode()}"}}\n'
            )

    def record_connection(self, connection: TcpConnection, now: float) -> None:
        """A connection of a TCP service is over. How long it lasted says nothing of how fast anybody was."""
        tried, node, failure = connection.tried, connection.node, connection.failure
        key = (connection.entry, tried[-1].index if tried else NOWHERE, connection.reason)
        place = self._places.get(key) or self._remember(key, connection)
        place.counts[connection.status // 100] += 1
        if self.log.on:
            self.log.add(
                f'{{"time":"{self._stamp.text(now)}","client":"{connection.address}","protocol":"tcp",'
                f'"listener":"{connection.listener.name}","bytes":{node.received if node else 0},'
                f'"bytes_from_client":{connection.received},{place.text}"retries":{connection.retries},'
                f'"error":"{failure.name if failure else ""}","duration_us":{int((now - connection.started) * 1e6)},'
                f'"connect_us":{int(connection.connect_s * 1e6)}}}\n'
            )

    def _remember(self, key: tuple[HostEntry, int, str], exchange: Exchange | TcpConnection) -> Place:
        if len(self._places) >= MAX_PLACES:
            self._tell_counts()
            self._places.clear()
        place = self._places[key] = Place(key[0], exchange.tried[-1] if exchange.tried else None, key[2])
        return place

    def record_refusal(self, client: str, failure: Failure, request_id: bytes) -> None:
        """A head that could not be read: nothing of it is trusted enough to be written down."""
        place = self._refused
        place.counts[failure.status // 100] += 1
        if self.log.on:
            self.log.add(
                f'{{"time":"{self._stamp.text(monotonic())}","client":"{client}","method":"","host":"","target":"",'
                f'"status":{failure.status},"bytes":0,{place.text}"retries":0,"error":"{failure.name}",'
                f'"duration_us":0,"connect_us":0,"response_head_us":0,"request_id":"{request_id.decode()}"}}\n'
            )

    def begin_configuration(self) -> None:
        """Names and places mean something else from now on."""
        self._tell_counts()
        self._places.clear()

    def drain(self) -> dict[str, Any]:
        """What goes to control: everything counted since the last time."""
        self._tell_counts()
        return self.counters.drain()

    def _tell_counts(self) -> None:
        for place in (self._refused, *self._places.values()):
            for code_class, count in enumerate(place.counts):
                if count:
                    self.counters.requests[place.labels, code_class] += count
                    place.counts[code_class] = 0

    def flush(self) -> None:
        self.log.flush()
