"""One question over HTTP/2 without TLS (`protocol: h2c`), begun with prior knowledge as the traffic does it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import urlsplit

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamEnded, StreamReset
from multidict import CIMultiDict

from steer.health.expect import BODY, CheckSettings, place_of

MAX_HEAD = 32 * 1024
"""Bytes of a response's head, as in HTTP/1.1."""
MAX_READ = 4 * BODY
"""Bytes of the whole answer: its body that is looked at, the largest head, and room for frames that say nothing."""
READ = 16 * 1024
STREAM = 1

Field = tuple[str, str]


class Broken(ValueError):
    """The node broke off or broke a rule. The message says what."""


class Answer:
    """What has come of it so far."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: CIMultiDict[str] = CIMultiDict()
        self.body = bytearray()
        self.ended = False

    @property
    def is_enough(self) -> bool:
        return self.ended or len(self.body) >= BODY

    def take(self, event: Event) -> None:
        """Raises Broken for what ends the answer too early."""
        if isinstance(event, ResponseReceived):
            fields = [(_text(name), _text(value)) for name, value in event.headers or ()]
            self.status = int(dict(fields)[":status"])
            self.headers = CIMultiDict(fields)
        elif isinstance(event, DataReceived):
            self.body += event.data or b""
        elif isinstance(event, StreamEnded):
            self.ended = True
        elif isinstance(event, StreamReset):
            raise Broken(f"the node reset the stream (HTTP/2 error {int(event.error_code)})")
        elif isinstance(event, ConnectionTerminated):
            raise Broken(f"the node went away (HTTP/2 error {int(event.error_code or 0)})")


def _text(data: bytes | str) -> str:
    return data if isinstance(data, str) else data.decode("latin-1")


async def ask_h2c(settings: CheckSettings, fields: Sequence[Field]) -> Answer:
    """The answer to a GET with these fields. Raises Broken, OSError, and h2's ProtocolError for what is no HTTP/2."""
    reader, writer = await asyncio.open_connection(*place_of(settings.url))
    try:
        return await _converse(settings, fields, reader, writer)
    finally:
        writer.transport.abort()


async def _converse(
    settings: CheckSettings, fields: Sequence[Field], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Answer:
    connection = H2Connection(H2Configuration(client_side=True))
    connection.decoder.max_header_list_size = MAX_HEAD
    connection.initiate_connection()
    connection.send_headers(STREAM, _head(settings, fields), end_stream=True)
    answer = Answer()
    left = MAX_READ
    while not answer.is_enough:
        writer.write(connection.data_to_send())
        await writer.drain()
        data = await reader.read(READ)
        if not data:
            raise Broken("the connection ended before the answer did")
        if left == MAX_READ and data.startswith(b"HTTP/"):
            raise Broken("it speaks HTTP/1.1 (the pool says protocol: h2c)")
        left -= len(data)
        if left < 0:
            raise Broken(f"more than {MAX_READ} bytes")
        for event in connection.receive_data(data):
            answer.take(event)
            if answer.is_enough:
                break
            if isinstance(event, DataReceived):
                connection.acknowledge_received_data(event.flow_controlled_length or 0, STREAM)
    return answer


def _head(settings: CheckSettings, fields: Sequence[Field]) -> list[Field]:
    place = urlsplit(settings.url)
    path = f"{place.path or '/'}{f'?{place.query}' if place.query else ''}"
    pseudo = [(":method", "GET"), (":scheme", "http"), (":authority", settings.host or place.netloc), (":path", path)]
    return [*pseudo, *((name.lower(), value) for name, value in fields)]
