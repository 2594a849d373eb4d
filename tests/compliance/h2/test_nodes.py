"""Nodes that speak HTTP/2 (`protocol: h2c`), for clients of HTTP/1.1 and HTTP/2; some of them break the rules."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit.certificates import Authority
from tests.kit.client import Client, Cut, Response
from tests.kit.edge import HOST, RunningEdge, configuration, running_edge
from tests.kit.h2_client import H2Client, Reset
from tests.kit.h2_origin import Fields, H2Origin, H2Visit, ok

OK: Fields = [(b":status", b"200")]
REFUSED_STREAM = 7


@dataclass
class Place:
    edge: RunningEdge
    node: H2Origin
    authority: Authority
    path: str = ""

    def client(self) -> Client:
        return Client(self.edge.port("http"))

    def h2(self) -> H2Client:
        return H2Client(self.edge.port("https"), self.authority.trust())

    def ask(self, method: str = "GET", *fields: str, body: bytes = b"") -> Response:
        lines = [f"{method} {self.path} HTTP/1.1", f"Host: {HOST}", *fields, "", ""]
        with self.client() as client:
            return client.ask("\r\n".join(lines).encode() + body, method=method)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("edge")
    authority = Authority(folder)
    files = authority.issue(HOST)
    tls = {"certificates": [{"certificate": str(files.certificate), "key": str(files.key)}]}
    with H2Origin() as node:
        tree = configuration({"one": node.port}, http={}, https={"tls": tls})
        tree["pools"]["web"] |= {"protocol": "h2c", "retries": {"attempts": 0}}
        with running_edge(folder, tree) as edge:
            yield Place(edge, node, authority)


NUMBERS = itertools.count(1)


@pytest.fixture
def place(shared: Place) -> Place:
    shared.path = f"/case-{next(NUMBERS)}"
    return shared


def test_a_request_of_http_1_1_becomes_one_of_http_2(place: Place) -> None:
    answer = place.ask("GET", "Accept: */*", "Connection: keep-alive, X-Hop", "X-Hop: 1", "TE: trailers")
    assert (answer.status, answer.body) == (200, b"ok")
    fields = place.node.the(place.path).fields
    assert fields[:5] == [
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":authority", HOST.encode()),
        (b":path", place.path.encode()),
        (b"accept", b"*/*"),
    ]
    names = [name for name, _ in fields]
    assert not {b"connection", b"host", b"x-hop", b"transfer-encoding", b"upgrade"} & set(names)
    assert (b"te", b"trailers") in fields
    assert {b"x-forwarded-for", b"forwarded", b"via", b"x-request-id", b"traceparent"} <= set(names)


def test_a_body_with_a_length_arrives(place: Place) -> None:
    assert place.ask("POST", "Content-Length: 5", body=b"hello").status == 200
    visit = place.node.the(place.path)
    assert (visit.body, visit.all(b"content-length")) == (b"hello", [b"5"])


def test_a_body_in_chunks_arrives_without_them_and_its_trailers_too(place: Place) -> None:
    body = b"3\r\nhel\r\n2\r\nlo\r\n0\r\nX-Sum: 7\r\nHost: evil.example\r\n\r\n"
    assert place.ask("POST", "Transfer-Encoding: chunked", body=body).status == 200
    visit = place.node.the(place.path)
    assert (visit.body, visit.trailers, visit.all(b"content-length")) == (b"hello", [(b"x-sum", b"7")], [])


def test_a_large_body_arrives_byte_for_byte(place: Place) -> None:
    body = bytes(range(256)) * 20_000
    assert place.ask("PUT", f"Content-Length: {len(body)}", body=body).status == 200
    assert place.node.the(place.path).body == body


def upload(client: H2Client, body: bytes) -> None:
    with suppress(OSError):
        client.upload(1, body)


def test_a_node_that_gives_no_credit_holds_the_client(place: Place) -> None:
    place.node.holds = True
    body = bytes(16 * 1024 * 1024)
    with place.h2() as client:
        client.start(1, place.path, ("content-length", str(len(body))), method="PUT", end=False)
        uploading = threading.Thread(target=upload, args=(client, body))
        uploading.start()
        visit = place.node.the(place.path, lambda visit: len(visit.body) > 10_000)
        uploading.join(1)
        assert uploading.is_alive(), "16 MiB found a place somewhere"
        client.cancel(1)
        place.node.the(place.path, lambda visit: visit.reset)
        visit.close()
        client.socket.shutdown(socket.SHUT_RDWR)
    uploading.join(10)
    place.node.holds = False


def test_a_response_passes_with_its_trailers(place: Place) -> None:
    def answer(visit: H2Visit) -> None:
        visit.answer([*OK, (b"x-a", b"b")], b"hello", [(b"grpc-status", b"0"), (b"x-sum", b"7")])

    place.node.on(place.path, answer)
    with place.h2() as client:
        found = client.ask(1, place.path)
    assert (found.body, found.get("x-a"), found.trailers) == (b"hello", "b", (("grpc-status", "0"), ("x-sum", "7")))
    chunked = place.ask("POST", "TE: trailers", "Connection: TE", "Content-Length: 0")
    assert (chunked.body, chunked.get("Transfer-Encoding")) == (b"hello", "chunked")
    assert dict(chunked.trailers) == {"grpc-status": "0", "x-sum": "7"}


def test_interim_responses_pass(place: Place) -> None:
    def answer(visit: H2Visit) -> None:
        visit.head([(b":status", b"103"), (b"link", b"</a.css>")])
        ok(visit)

    place.node.on(place.path, answer)
    found = place.ask()
    assert [each.status for each in found.interim] == [103]
    assert found.body == b"ok"


@pytest.mark.parametrize(
    "fields",
    [
        [(b":status", b"200"), (b"x", b"y\r\nSet-Cookie: evil=1")],
        [(b":status", b"200"), (b"x", b"y\r\n\r\n<script>")],
        [(b":status", b"200"), (b"x\r\nset-cookie", b"evil=1")],
        [(b":status", b"200"), (b"x:y", b"z")],
        [(b":status", b"200"), (b"X-Upper", b"z")],
        [(b":status", b"200"), (b"connection", b"close")],
        [(b":status", b"200"), (b"transfer-encoding", b"chunked")],
        [(b":status", b"200 OK\r\nX: y")],
        [(b":status", b"2000")],
        [(b":status", b"099")],
        [(b":status", b"200"), (b":status", b"200")],
        [(b":status", b"200"), (b":path", b"/")],
        [(b":status", b"200"), (b"content-length", b"x")],
        [(b":status", b"200"), (b"content-length", b"0"), (b"content-length", b"1")],
        [(b"x", b"y")],
        [(b":status", b"200"), (b"content-length", b"5")],
    ],
)
def test_a_head_that_breaks_the_rules_is_a_502_and_ends_nobody_elses_request(place: Place, fields: Fields) -> None:
    begun = threading.Event()

    def other(visit: H2Visit) -> None:
        begun.set()

    place.node.on(f"{place.path}-other", other)
    place.node.on(place.path, lambda visit: visit.head(fields, end=True))
    with place.h2() as client:
        client.start(3, f"{place.path}-other")
        assert begun.wait(10)
        answer = place.ask()
        assert (answer.status, answer.error) == (502, "node_broke")
        ok(place.node.the(f"{place.path}-other"))
        assert client.read(3).body == b"ok"


def test_a_body_that_is_longer_than_its_length_is_cut_off(place: Place) -> None:
    place.node.on(place.path, lambda visit: visit.answer([*OK, (b"content-length", b"2")], b"too long"))
    with place.h2() as client, pytest.raises(Reset):
        client.ask(1, place.path)
    with pytest.raises(Cut):
        place.ask()


def test_a_node_that_resets_is_a_502_or_cuts_the_response_off(place: Place) -> None:
    place.node.on(place.path, lambda visit: visit.refuse(2))
    assert place.ask().error == "node_reset"

    def later(visit: H2Visit) -> None:
        visit.head([*OK])
        visit.data(b"hello")
        visit.refuse(2)

    place.node.on(place.path, later)
    with place.h2() as client, pytest.raises(Reset):
        client.ask(1, place.path)


def test_a_client_that_cancels_resets_the_nodes_stream_and_keeps_its_connection(place: Place) -> None:
    place.node.on(place.path, lambda visit: None)
    with place.h2() as client:
        client.start(1, place.path)
        place.node.the(place.path)
        client.cancel(1)
        place.node.the(place.path, lambda visit: visit.reset)
        known = place.node.connections
        assert client.ask(3, f"{place.path}-next").status == 200
    assert place.node.connections == known


def test_a_node_that_goes_away_finishes_what_it_began_and_a_new_connection_takes_the_rest(place: Place) -> None:
    def leave(visit: H2Visit) -> None:
        visit.go_away(visit.stream)

    place.node.on(place.path, leave)
    with place.h2() as client:
        client.start(1, place.path)
        visit = place.node.the(place.path, lambda visit: visit.link.was_heard)
        known = place.node.connections
        assert client.ask(3, f"{place.path}-next").status == 200
        assert place.node.connections == known + 1
        ok(visit)
        assert client.read(1).body == b"ok"


def test_a_connection_that_ends_is_replaced(place: Place) -> None:
    place.node.on(place.path, lambda visit: visit.close())
    assert place.ask().status == 502
    place.path += "-next"
    assert place.ask().body == b"ok"


def test_a_node_that_breaks_http_2_itself_is_a_502(place: Place) -> None:
    place.node.on(place.path, lambda visit: visit.raw(b"\xff\xff\xff\0\0\0\0\0\x01"))
    assert place.ask().status == 502
    place.path += "-next"
    assert place.ask().body == b"ok"


def test_many_requests_share_few_connections(place: Place) -> None:
    known = place.node.connections
    with place.h2() as client:
        for stream in range(1, 181, 2):
            client.start(stream, f"{place.path}-{stream}")
        assert all(client.read(stream).body == b"ok" for stream in range(1, 181, 2))
    assert place.node.connections <= known + 1


def test_both_sides_may_speak_at_once(place: Place) -> None:
    place.node.on(place.path, lambda visit: visit.head([*OK]), after_body=False)
    with place.h2() as client:
        client.start(1, place.path, method="POST", end=False)
        assert client.read_head(1).status == 200
        for number in range(5):
            client.data(1, b"%d" % number)
            visit = place.node.the(place.path, lambda visit, number=number: len(visit.body) > number)  # type: ignore[misc]
            visit.data(visit.body[-1:])
            client.wait(lambda number=number: len(client.stream(1).body) > number, 1)  # type: ignore[misc]
        client.data(1, b"", end=True)
        place.node.the(place.path, lambda visit: visit.ended).data(b"!", end=True)
        assert client.read(1).body == b"01234!"


# What a node says that it did not touch...


@pytest.mark.parametrize("body", [b"", b"hello" * 1000], ids=["no body", "a body"])
def test_a_post_that_a_node_refused_unseen_goes_to_another(tmp_path: Path, body: bytes) -> None:
    with H2Origin() as one, H2Origin() as two:
        tree = configuration({"one": one.port, "two": two.port})
        tree["pools"]["web"]["protocol"] = "h2c"
        with running_edge(tmp_path, tree) as edge:
            place = Place(edge, one, Authority(tmp_path))
            for number in range(8):
                place.path = f"/refused-{number}"
                one.on(place.path, lambda visit: visit.refuse(REFUSED_STREAM))
                assert place.ask("POST", f"Content-Length: {len(body)}", body=body).status == 200
            assert [visit.body for visit in two.visits] == [body] * 8
            assert one.visits, "the weights sent nothing to the node that refuses"


def test_a_post_beyond_the_last_stream_of_a_goaway_is_sent_again(place: Place) -> None:
    """A gRPC server that ends its connections by age does so. The pool of this place has one node, and no retries."""

    def leave_once(visit: H2Visit) -> None:
        place.node.on(place.path, ok)
        visit.go_away(visit.stream - 2)

    with place.h2() as client:
        assert client.ask(1, f"{place.path}-before").status == 200
        place.node.on(place.path, leave_once)
        assert client.ask(3, place.path, method="POST").body == b"ok"


@pytest.mark.parametrize("code", [2, 8, 11], ids=["INTERNAL_ERROR", "CANCEL", "ENHANCE_YOUR_CALM"])
def test_a_post_that_a_node_reset_otherwise_is_not_sent_again(tmp_path: Path, code: int) -> None:
    with H2Origin() as one, H2Origin() as two:
        tree = configuration({"one": one.port, "two": two.port})
        tree["pools"]["web"]["protocol"] = "h2c"
        with running_edge(tmp_path, tree) as edge:
            place = Place(edge, one, Authority(tmp_path))
            for number in range(8):
                place.path = f"/reset-{number}"
                for node in (one, two):
                    node.on(place.path, lambda visit: visit.refuse(code))
                assert place.ask("POST", "Content-Length: 0").status == 502
            assert len(one.visits) + len(two.visits) == 8
