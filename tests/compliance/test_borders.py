"""However a message is cut on its way, it means the same: no rule looks at the borders of what a socket gave."""

from __future__ import annotations

import asyncio
import random
import re
from functools import partial
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from steer.proxy.client import ClientConnection
from steer.proxy.http.framing import ChunkedBody, LengthBody
from steer.proxy.plane import DataPlane
from steer.proxy.settings import Limits, ListenerSettings, NodeAddress, PlaneSettings, PoolSettings
from steer.steering.model import Group, Node, Pool, Route, Service, Topology
from tests.compliance.place import Place, request
from tests.compliance.test_request_bodies import BROKEN_CHUNKS, payload
from tests.kit.edge import HOST

CHUNKS = [
    b"0\r\n\r\n",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"1;a=b\r\n\r\r\n00b ;c\r\n0123456789\n\r\n0;d\r\n\r\n",
    b"2\r\n\r\n\r\n0\r\nX-Checksum: 1\r\nHost: evil\r\nETag: a\r\n\r\n",
    b"5;" + b"x" * 252 + b"\r\nhello\r\n0\r\n\r\n",
    b"5;" + b"x" * 253 + b"\r\nhello\r\n0\r\n\r\n",
    b"0\r\n" + b"X-Checksum: 1\r\n" * 546 + b"\r\n",
    b"0\r\n" + b"X-Checksum: 1\r\n" * 546 + b"A\r\n\r\n",
    *BROKEN_CHUNKS.values(),
]
BEHIND = b"GET /next HTTP/1.1\r\n\r\n"


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The data in pieces, none of them empty."""
    borders = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[begin:end] for begin, end in pairwise(borders)]


cuts = st.lists(st.integers(0, 10_000), max_size=12)


def read(body: ChunkedBody | LengthBody, pieces: list[bytes]) -> tuple[bytes, bool, bool, bytes, tuple[bytes, ...]]:
    """Payload, done, broken, what is left over, trailers. A broken body's payload is nobody's."""
    data = b""
    for at, piece in enumerate(pieces):
        data += body.take(piece)
        if body.broken:
            return b"", False, True, b"", ()
        if body.done:
            return data, True, False, body.rest + b"".join(pieces[at + 1 :]), body.trailers
    return data, False, False, b"", ()


@given(st.sampled_from(CHUNKS), cuts)
def test_chunks_mean_the_same_however_they_are_cut(chunks: bytes, places: list[int]) -> None:
    data = chunks + BEHIND
    assert read(ChunkedBody(), cut(data, places)) == read(ChunkedBody(), [data])


@given(st.sampled_from(CHUNKS))
def test_chunks_mean_the_same_byte_by_byte(chunks: bytes) -> None:
    data = chunks + BEHIND
    assert read(ChunkedBody(), [data[at : at + 1] for at in range(len(data))]) == read(ChunkedBody(), [data])


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=5), cuts)
def test_whatever_is_sent_in_chunks_arrives(payloads: list[bytes], places: list[int]) -> None:
    data = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in payloads) + b"0\r\n\r\n" + BEHIND
    assert read(ChunkedBody(), cut(data, places)) == (b"".join(payloads), True, False, BEHIND, ())


@given(st.binary(), cuts)
def test_anything_at_all_means_the_same_however_it_is_cut(noise: bytes, places: list[int]) -> None:
    assert read(ChunkedBody(), cut(noise, places)) == read(ChunkedBody(), [noise])


@given(st.binary(min_size=1, max_size=100), cuts)
def test_a_body_of_a_length_means_the_same_however_it_is_cut(body: bytes, places: list[int]) -> None:
    assert read(LengthBody(len(body)), cut(body + BEHIND, places)) == (body, True, False, BEHIND, ())


# A whole connection. What it is asked, it can answer itself, so it needs no loop and no node...

ask = partial(request, host="evil.example")
"""Nobody's host: 421 without a look at any node, whatever else is wrong."""
HEALTH = request("GET /.steer/health HTTP/1.1", host=None)
STRANGER = ask("POST /a HTTP/1.1", "Content-Length: 5", body=b"hello")
NOBODY = ask("OPTIONS /a HTTP/1.1", "Max-Forwards: 0")
LIMITS = Limits(head=200, fields=5)
LONG = LIMITS.head - len(ask("OPTIONS /a HTTP/1.1", "Max-Forwards: 0", "A: ")) + 4

STREAMS = [
    HEALTH * 3,
    STRANGER * 3 + HEALTH,
    NOBODY + STRANGER + NOBODY,
    b"\r\n" + HEALTH + b"\r\n\r\n" + NOBODY + b"\r\n\r\n\r\n" + HEALTH,
    HEALTH + ask("GET / HTTP/1.1", "A : b") + HEALTH,
    HEALTH + ask("GET / HTTP/1.1", "A: b\nc") + HEALTH,
    HEALTH + b"GET / HTTP/1.1\nHost: a\n\n",
    HEALTH + b"GET / HTTP/1.1\rHost: a\r\rB",
    HEALTH + b"\n\r\n" + HEALTH,
    HEALTH + ask("GET / HTTP/2.0"),
    HEALTH + b"GET /\r\n\r\n" + HEALTH,
    STRANGER.replace(b"5", b"4") + HEALTH,
    ask("OPTIONS /a HTTP/1.1", "Max-Forwards: 0", "A: " + "x" * LONG) + HEALTH,
    ask("OPTIONS /a HTTP/1.1", "Max-Forwards: 0", "A: " + "x" * (LONG + 1)) + HEALTH,
    ask("GET /" + "x" * LIMITS.head + " HTTP/1.1") + HEALTH,
    ask("GET / HTTP/1.1", *["A: b"] * 5) + HEALTH,
    ask("POST / HTTP/1.1", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n") + HEALTH,
    ask("POST / HTTP/1.1", "Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n") + HEALTH,
]

_ANSWER = re.compile(rb"HTTP/1\.1 ([0-9]{3}) .*?\r\n\r\n", re.DOTALL)
REFUSED = 400
"""What a head is refused for may differ when two things are wrong with it; that it is refused may not."""


class Wire(asyncio.Transport):
    """The client's end of a connection: keeps what was written, and hears when it is over."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.written = b""
        self.is_over = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.is_over = True

    def close(self) -> None:
        self.is_over = True

    def is_closing(self) -> bool:
        return self.is_over

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


LISTENER = ListenerSettings("http", limits=LIMITS)


def plane() -> DataPlane:
    node = Node(0, "one-1", "web", "one")
    service = Service("www", "website", (HOST,), (Route("/", "web"),), {})
    topology = Topology(
        ("one",),
        (node,),
        {"web": Pool("web", (node,))},
        {"website": Group("website", {"one": 1.0}, ("web",), ("web",))},
        {"www": service},
    )
    where = (NodeAddress("127.0.0.1", 1),)
    plain = PlaneSettings("edge-a", (LISTENER,), {"web": PoolSettings("web")}, where)
    return DataPlane(plain, topology, random.Random(1), lambda observation: None)


PLANE = plane()


def converse(pieces: list[bytes]) -> tuple[list[int], bool]:
    """The statuses that the connection answers, `REFUSED` for all that end it, and whether it has ended."""
    wire = Wire()
    connection = ClientConnection(PLANE, LISTENER)
    connection.connection_made(wire)
    for piece in pieces:
        connection.data_received(piece)
    connection.connection_lost(None)
    answers = ((int(match[1]), b"\r\nConnection: close\r\n" in match[0]) for match in _ANSWER.finditer(wire.written))
    return [REFUSED if ends else status for status, ends in answers], wire.is_over


@given(st.sampled_from(STREAMS), cuts)
@settings(deadline=None)
def test_a_connection_answers_the_same_however_its_requests_are_cut(stream: bytes, places: list[int]) -> None:
    assert converse(cut(stream, places)) == converse([stream])


@given(st.sampled_from(STREAMS))
@settings(deadline=None)
def test_a_connection_answers_the_same_byte_by_byte(stream: bytes) -> None:
    assert converse([stream[at : at + 1] for at in range(len(stream))]) == converse([stream])


@given(st.sampled_from(STREAMS), st.integers(0, 400), st.binary(min_size=1, max_size=3), cuts)
@settings(deadline=None)
def test_a_connection_answers_the_same_when_bytes_in_it_are_wrong(
    stream: bytes, at: int, noise: bytes, places: list[int]
) -> None:
    at %= len(stream)
    spoiled = stream[:at] + noise + stream[at + len(noise) :]
    assert converse(cut(spoiled, places)) == converse([spoiled])


# The real thing, a bounded number of times...


def test_requests_cut_anywhere_reach_the_origin_the_same(place: Place) -> None:
    dice = random.Random(7)
    for number in range(25):
        path = f"{place.path}-{number}"
        raw = request(f"PUT {path} HTTP/1.1", "A: b", "Transfer-Encoding: chunked", body=CHUNKS[2])
        raw += request(f"POST {path}-b HTTP/1.1", "Content-Length: 5", body=b"hello")
        with place.client() as client:
            client.send(*cut(raw, [dice.randrange(len(raw)) for _ in range(number % 9)]))
            assert [client.read().status, client.read().status] == [200, 200]
        first, second = place.origin.the(path), place.origin.the(f"{path}-b")
        assert payload(first.body) == b"\r0123456789\n"
        assert second.body == b"hello"


def test_responses_cut_anywhere_reach_the_client_the_same(place: Place) -> None:
    dice = random.Random(8)
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"
    raw = hint + b"HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS[3]
    for number in range(25):
        path = f"{place.path}-{number}"
        place.origin.on(path, *cut(raw, [dice.randrange(len(raw)) for _ in range(number % 9)]))
        with place.client() as client:
            answer = client.ask(request(f"GET {path} HTTP/1.1", "TE: trailers", "Connection: TE"))
        assert (answer.status, answer.get("A"), answer.body) == (200, "b", b"\r\n")
        assert answer.trailers == (("X-Checksum", "1"), ("ETag", "a"))
        assert [interim.status for interim in answer.interim] == [103]
