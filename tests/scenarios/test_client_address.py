"""Whose request it is, through a real edge: told by proxies in front of it, and by the edge to its nodes."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from steer.proxy.proxy_protocol import Endpoints, HeaderReader, Version, encode
from tests.kit.certificates import Authority
from tests.kit.client import PATIENCE, Client, Cut, Response
from tests.kit.edge import HOST, RunningEdge, Tree, configuration, running_edge
from tests.kit.h2_client import H2Client
from tests.kit.origin import Origin
from tests.kit.waiting import wait_until

PINNED = "one.agency.example"
TOLD = "203.0.113.7"
TRUSTED = ["127.0.0.1/32"]


class AnnouncedNode:
    """An HTTP server behind a PROXY header: for each connection its header, and the paths that were asked for on it."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.visits: list[tuple[Endpoints | None, list[str]]] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        reader = HeaderReader()
        while not reader.done:
            byte = connection.recv(1)
            if not byte:
                return
            reader.take(byte)
            assert not reader.broken, reader.broken
        paths: list[str] = []
        self.visits.append((reader.endpoints, paths))
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True)
        with connection:
            data = b""
            while piece := connection.recv(65536):
                data += piece
                while b"\r\n\r\n" in data:
                    head, _, data = data.partition(b"\r\n\r\n")
                    paths.append(head.split(b" ")[1].decode())
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin() as origin:
        yield origin


@pytest.fixture(scope="module")
def announced_nodes(authority: Authority) -> Iterator[dict[str, AnnouncedNode]]:
    """By the route's first segment."""
    files = authority.issue("node.agency.example")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(files.certificate, files.key)
    nodes = {"v1": AnnouncedNode(), "v2": AnnouncedNode(), "tls": AnnouncedNode(tls)}
    yield nodes
    for node in nodes.values():
        node.stop()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def edge(
    tmp_path_factory: pytest.TempPathFactory,
    origin: Origin,
    announced_nodes: dict[str, AnnouncedNode],
    authority: Authority,
) -> Iterator[RunningEdge]:
    files = authority.issue(HOST, PINNED)
    pair = {"certificate": str(files.certificate), "key": str(files.key)}
    tree = configuration(
        {"one": origin.port},
        http={},
        xff={"client_address": "x_forwarded_for", "trusted_proxies": [*TRUSTED, "10.0.0.0/8"]},
        forwarded={"client_address": "forwarded", "trusted_proxies": TRUSTED},
        announced={"client_address": "proxy_protocol", "trusted_proxies": TRUSTED},
        secure={
            "client_address": "proxy_protocol",
            "trusted_proxies": TRUSTED,
            "tls": {"certificates": [pair]},
        },
        h2={
            "client_address": "x_forwarded_for",
            "trusted_proxies": TRUSTED,
            "tls": {"certificates": [pair]},
        },
    )
    service = tree["services"]["www"]
    service["pinned_hostnames"] = {PINNED: {"datacentre": "one", "allow": [f"{TOLD}/32"]}}
    for name, announced in announced_nodes.items():
        tree["pools"][name] = _announced_pool(name, announced.port, authority)
        service["routes"].append({"path": f"/{name}", "pool": name})
    with running_edge(tmp_path_factory.mktemp("edge"), tree) as edge:
        yield edge


def _announced_pool(name: str, port: int, authority: Authority) -> Tree:
    scheme = "https" if name == "tls" else "http"
    return {
        "nodes": {"one": [{"name": f"{name}-1", "address": f"{scheme}://127.0.0.1:{port}"}]},
        "proxy_protocol": "v1" if name == "v1" else "v2",
        "upstream_tls": {"verify": "ca", "ca": str(authority.certificate), "name": "node.agency.example"},
        "health_check": {"interval": "100ms", "fall": 1},
    }


def request(path: str, *fields: str, host: str = HOST) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {host}", *fields, "", ""]).encode()


def connect(port: int, source: str = "127.0.0.1", first: bytes = b"") -> Client:
    client = Client(port, source=source)
    client.send(first)
    return client


def seen(origin: Origin, path: str) -> dict[str, str]:
    pairs = [line.partition(b": ") for line in origin.the(path).lines[1:]]
    return {name.decode().lower(): value.decode() for name, _, value in pairs}


# In front of the edge...


def test_a_trusted_proxy_tells_the_client_in_x_forwarded_for(edge: RunningEdge, origin: Origin) -> None:
    fields = ("X-Forwarded-For: 198.51.100.9, 203.0.113.7, 10.1.1.1", "X-Request-Id: told-1", "Forwarded: for=1.2.3.4")
    with connect(edge.port("xff")) as client:
        answer = client.ask(request("/told", *fields))
    assert (answer.status, answer.get("X-Request-Id")) == (200, "told-1")
    fields_seen = seen(origin, "/told")
    assert fields_seen["x-forwarded-for"] == "198.51.100.9, 203.0.113.7, 10.1.1.1, 127.0.0.1"
    assert fields_seen["forwarded"] == f"for={TOLD};host={HOST};proto=http"
    assert fields_seen["x-request-id"] == "told-1"
    entry = edge.entry("/told")
    assert (entry["client"], entry["request_id"]) == (TOLD, "told-1")


def test_it_tells_it_for_each_request_of_a_connection(edge: RunningEdge) -> None:
    with connect(edge.port("xff")) as client:
        for address in ("203.0.113.1", "203.0.113.2"):
            assert client.ask(request(f"/of-{address}", f"X-Forwarded-For: {address}")).status == 200
        assert client.ask(request("/of-nobody")).status == 200
    clients = [edge.entry(f"/of-{name}")["client"] for name in ("203.0.113.1", "203.0.113.2", "nobody")]
    assert clients == ["203.0.113.1", "203.0.113.2", "127.0.0.1"]


def test_an_untrusted_peer_changes_nothing_by_its_fields(edge: RunningEdge, origin: Origin) -> None:
    fields = (
        "X-Forwarded-For: 203.0.113.7",
        "X-Request-Id: told-2",
        "traceparent: 00-" + "a" * 32 + "-" + "b" * 16 + "-01",
    )
    with connect(edge.port("xff"), "127.0.0.2") as client:
        answer = client.ask(request("/untrusted", *fields))
    fields_seen = seen(origin, "/untrusted")
    assert fields_seen["x-forwarded-for"] == edge.entry("/untrusted")["client"] == "127.0.0.2"
    assert answer.get("X-Request-Id") == fields_seen["x-request-id"] != "told-2"
    assert fields_seen["traceparent"].startswith(f"00-{fields_seen['x-request-id']}-")


def test_forwarded_is_read_where_that_is_what_counts(edge: RunningEdge, origin: Origin) -> None:
    with connect(edge.port("forwarded")) as client:
        fields = ("X-Forwarded-For: 198.51.100.9", 'Forwarded: for="[2001:db8::7]:1";proto=https')
        assert client.ask(request("/forwarded", *fields)).status == 200
    assert edge.entry("/forwarded")["client"] == "2001:db8::7"
    assert seen(origin, "/forwarded")["x-forwarded-for"] == "2001:db8::7"


@pytest.mark.parametrize(("told", "status"), [(TOLD, 200), ("198.51.100.9", 403), (f"{TOLD}, 198.51.100.9", 403)])
def test_who_may_use_a_debug_hostname_goes_by_that_address(edge: RunningEdge, told: str, status: int) -> None:
    with connect(edge.port("xff")) as client:
        assert client.ask(request("/", f"X-Forwarded-For: {told}", host=PINNED)).status == status


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_proxy_header_tells_it_for_the_whole_connection(edge: RunningEdge, origin: Origin, version: Version) -> None:
    path = f"/header-{version}"
    header = encode(version, Endpoints(TOLD, 4711, "198.51.100.1", 443))
    with connect(edge.port("announced"), first=header + request(path, "X-Forwarded-For: 10.1.1.1")) as client:
        assert client.read().status == 200
        assert client.ask(request("/", host=PINNED)).status == 200
    assert seen(origin, path)["x-forwarded-for"] == edge.entry(path)["client"] == TOLD


def test_on_http_2_each_stream_is_of_the_client_that_is_told(
    edge: RunningEdge, origin: Origin, authority: Authority
) -> None:
    with H2Client(edge.port("h2"), authority.trust()) as client:
        for stream, address in ((1, "203.0.113.1"), (3, "203.0.113.2")):
            told = (("x-forwarded-for", f"198.51.100.9, {address}"), ("x-request-id", f"told-{stream}"))
            answer = client.ask(stream, f"/h2-{stream}", *told)
            assert (answer.status, answer.get("x-request-id")) == (200, f"told-{stream}")
            fields_seen = seen(origin, f"/h2-{stream}")
            assert fields_seen["x-forwarded-for"] == f"198.51.100.9, {address}, 127.0.0.1"
            assert fields_seen["via"].startswith("2.0 ")
            assert edge.entry(f"/h2-{stream}")["client"] == address


def test_http_2_behind_a_proxy_header_is_of_its_client(
    edge: RunningEdge, announced_nodes: dict[str, AnnouncedNode], authority: Authority
) -> None:
    with socket.create_connection(("127.0.0.1", edge.port("secure")), PATIENCE) as plain:
        plain.sendall(encode("v2", Endpoints("203.0.113.77", 4711, "198.51.100.1", 443)))
        with H2Client(plain, authority.trust()) as client:
            assert client.ask(1, "/v2/h2").status == 200
    assert edge.entry("/v2/h2")["client"] == "203.0.113.77"
    assert [(source, port) for source, port, _ in asked(announced_nodes["v2"], "/v2/h2")] == [("203.0.113.77", 4711)]


def test_it_stands_before_tls(edge: RunningEdge, origin: Origin, authority: Authority) -> None:
    with connect(edge.port("secure"), first=encode("v2", Endpoints(TOLD, 4711, "198.51.100.1", 443))) as client:
        client.socket = authority.trust().wrap_socket(client.socket, server_hostname=HOST)
        assert client.ask(request("/secure")).status == 200
    assert seen(origin, "/secure")["x-forwarded-for"] == TOLD
    assert seen(origin, "/secure")["x-forwarded-proto"] == "https"


@pytest.mark.parametrize(
    ("source", "first", "error"),
    [
        ("127.0.0.1", b"GET / HTTP/1.1\r\nHost: www.agency.example\r\n\r\n", "malformed"),
        ("127.0.0.2", encode("v2", Endpoints(TOLD, 1, TOLD, 2)), "not_allowed"),
    ],
)
def test_a_connection_without_a_valid_header_is_closed_and_logged(
    edge: RunningEdge, source: str, first: bytes, error: str
) -> None:
    with connect(edge.port("announced"), source, first) as client, pytest.raises(Cut):
        client.read()
    wait_until(lambda: any(e["error"] == error and e["client"] == source for e in edge.entries()), "it is logged")


# Behind it...


def ask_from(edge: RunningEdge, path: str, source: str) -> Response:
    with connect(edge.port(), source) as client:
        return client.ask(request(path))


def asked(node: AnnouncedNode, path: str) -> list[tuple[str, int, list[str]]]:
    """Whose connections the path was asked for on."""
    return [(told.source, told.source_port, paths) for told, paths in node.visits if told is not None and path in paths]


@pytest.mark.parametrize("name", ["v1", "v2", "tls"])
def test_a_node_hears_whose_connection_it_is_and_no_other_client_uses_it(
    edge: RunningEdge, announced_nodes: dict[str, AnnouncedNode], name: str
) -> None:
    node, path = announced_nodes[name], f"/{name}/mixed"
    for source in ("127.0.0.2", "127.0.0.3") * 5:
        assert ask_from(edge, path, source).status == 200
    found = {source: paths for source, _, paths in asked(node, path)}
    assert found == {"127.0.0.2": [path] * 5, "127.0.0.3": [path] * 5}
    assert len(asked(node, path)) == 2


def test_an_address_that_was_told_is_told_on(edge: RunningEdge, announced_nodes: dict[str, AnnouncedNode]) -> None:
    with connect(edge.port("xff")) as client:
        assert client.ask(request("/v2/told", "X-Forwarded-For: 2001:db8::7")).status == 200
        assert client.ask(request("/v2/told", f"X-Forwarded-For: {TOLD}")).status == 200
    assert [(source, port) for source, port, _ in asked(announced_nodes["v2"], "/v2/told")] == [
        ("2001:db8::7", 0),
        (TOLD, 0),
    ]


def test_checks_of_such_nodes_speak_for_the_edge_itself(
    edge: RunningEdge, announced_nodes: dict[str, AnnouncedNode]
) -> None:
    for name, node in announced_nodes.items():
        wait_until(lambda node=node: (None, ["/"]) in node.visits, f"{name} is checked")  # type: ignore[misc]
        state: dict[str, Any] = edge.admin(f"/nodes/{name}-1")
        assert state["state"] == "serving"
