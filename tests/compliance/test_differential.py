"""httptools as a witness: what it reads out of what the edge sends on is what it reads out of what came in, less the
fields that end at the edge, plus those that it adds."""

from __future__ import annotations

import string
from dataclasses import dataclass, field

import httptools
from hypothesis import given
from hypothesis import strategies as st

from steer.errors import Failure
from steer.proxy.http.forwarding import Forwarding, render_request, render_response
from steer.proxy.http.head import read_request, read_response
from tests.compliance.place import ADDED

REQUEST_ID = b"0123456789abcdef0123456789abcdef"
HOST = b"www.agency.example"
FORWARDING = Forwarding("192.0.2.1", "https", b"steer-edge-a")
TOKEN = string.ascii_letters + string.digits + "!#$%&'*+-.^`|~"

Field = tuple[bytes, bytes]


@dataclass
class Witness:
    """What httptools saw."""

    fields: list[Field] = field(default_factory=list)
    target: bytes = b""
    reason: bytes = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value.strip(b" \t")))

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_status(self, status: bytes) -> None:
        self.reason += status


def witness_request(head: bytes) -> tuple[bytes, bytes, list[Field]]:
    witness = Witness()
    parser = httptools.HttpRequestParser(witness)
    parser.feed_data(head)
    return parser.get_method(), witness.target, witness.fields


def witness_response(head: bytes) -> tuple[int, bytes, list[Field]]:
    witness = Witness()
    parser = httptools.HttpResponseParser(witness)
    parser.feed_data(head)
    return parser.get_status_code(), witness.reason, witness.fields


ENDS_HERE = [
    b"Keep-Alive",
    b"Proxy-Connection",
    b"Proxy-Authorization",
    b"Trailer",
    b"X-Steer-Node",
    b"X-Session-Stale",
    b"HTTP2-Settings",
]
REPLACED = [name for name in ADDED if name != b"Via"] + [b"X-Real-IP", b"tracestate"]
PASSES = [b"Accept", b"Cookie", b"Authorization", b"User-Agent", b"Referer", b"Range", b"Content-Type", b"Via"]
RESPONSE_PASSES = [b"Server", b"Set-Cookie", b"ETag", b"Date", b"Vary", b"Content-Type", b"Location", b"X_Under"]

values = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters=[chr(n) for n in range(0x7F, 0xA0)]),
    max_size=30,
).map(lambda text: text.encode("latin-1"))
own_names = st.text(TOKEN, min_size=1, max_size=12).map(lambda text: b"Q-" + text.encode())
targets = st.text("".join(set(string.punctuation) - set("#.%\\")) + string.ascii_letters, max_size=30).map(
    lambda text: b"/" + text.encode()
)
methods = st.sampled_from([b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"PROPFIND"])


def fields_of(names: list[bytes], at_most: int = 8) -> st.SearchStrategy[list[Field]]:
    return st.lists(st.tuples(st.one_of(own_names, st.sampled_from(names)), values), max_size=at_most)


def lines(fields: list[Field]) -> bytes:
    return b"".join(b"%b:%b\r\n" % pair for pair in fields)


def stays(ended: list[bytes]) -> set[bytes]:
    return {name.lower() for name in ended}


@given(methods, targets, fields_of(PASSES + ENDS_HERE + REPLACED), st.sampled_from([None, 0, 5]))
def test_a_request_is_sent_on_as_it_came(method: bytes, target: bytes, fields: list[Field], length: int | None) -> None:
    came = b"%b %b HTTP/1.1\r\nHost: %b\r\n%b" % (method, target, HOST, lines(fields))
    if length is not None:
        came += b"Content-Length: %d\r\n" % length
    head = read_request(came.removesuffix(b"\r\n"))
    assert not isinstance(head, Failure), head.detail
    sent = render_request(head, HOST, FORWARDING.lines(head.authority, head.http10), REQUEST_ID)

    before, after = witness_request(came + b"\r\n"), witness_request(sent)
    assert after[:2] == before[:2]
    gone = stays(ENDS_HERE + REPLACED)
    kept = [pair for pair in before[2] if pair[0] not in gone]
    added = len(ADDED)
    assert after[2][:-added] == kept
    assert [name for name, _ in after[2][-added:]] == [name.lower() for name in ADDED]


@given(st.integers(200, 599), values, fields_of(RESPONSE_PASSES + ENDS_HERE))
def test_a_response_is_sent_on_as_it_came(status: int, reason: bytes, fields: list[Field]) -> None:
    came = b"HTTP/1.1 %d %b\r\n%b" % (status, reason, lines(fields))
    head = read_response(came.removesuffix(b"\r\n"))
    assert not isinstance(head, Failure), head.detail
    sent = render_response(head, REQUEST_ID, b"steer-edge-a", b"")

    before, after = witness_response(came + b"\r\n"), witness_response(sent)
    assert after[:2] == before[:2]
    gone = stays(ENDS_HERE)
    kept = [pair for pair in before[2] if pair[0] not in gone]
    assert after[2] == [*kept, (b"via", b"1.1 steer-edge-a"), (b"x-request-id", REQUEST_ID)]


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_what_the_edge_lets_pass_the_witness_can_read(line: bytes, lines_behind: bytes) -> None:
    """Whatever bytes come: if they are a head to the edge, what it makes of them is one to others, with one Host."""
    head = read_request(b"GET /%b HTTP/1.1\r\nHost: %b\r\n%b" % (line, HOST, lines_behind))
    if isinstance(head, Failure):
        return
    sent = render_request(head, HOST, FORWARDING.lines(head.authority, head.http10), REQUEST_ID)
    _, target, fields = witness_request(sent)
    assert target == head.target
    assert [value for name, value in fields if name == b"host"] == [HOST]
    assert sent.count(b"\r\n\r\n") == 1
