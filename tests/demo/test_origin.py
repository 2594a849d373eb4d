"""The server of one simulated node, as a real process."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from steer.demo.certificates import Authority
from steer.demo.ports import Ports

PORTS = Ports()


@contextmanager
def origin(*more: str) -> Iterator[int]:
    """A running origin; its port."""
    port = PORTS.near(18100)
    command = [sys.executable, "-m", "steer.demo.origin", "--name", "wlg-1", "--datacentre", "wellington"]
    process = subprocess.Popen([*command, "--port", str(port), *more])
    try:
        wait_until_listening(port)
        yield port
    finally:
        process.kill()
        process.wait()


def wait_until_listening(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with origin() as port:
        yield port


@pytest.fixture
def connection(port: int) -> Iterator[http.client.HTTPConnection]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        yield connection
        connection.request("POST", "/.origin/mend")
        connection.getresponse().read()


def ask(connection: http.client.HTTPConnection, target: str, method: str = "GET", **more: Any) -> tuple[int, bytes]:
    connection.request(method, target, **more)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_it_names_its_node_and_datacentre(connection: http.client.HTTPConnection) -> None:
    status, body = ask(connection, "/some/page?x=1")
    assert status == 200
    assert json.loads(body) == {
        "node": "wlg-1",
        "datacentre": "wellington",
        "method": "GET",
        "target": "/some/page?x=1",
        "body_bytes": 0,
    }


def test_a_browser_gets_a_page(connection: http.client.HTTPConnection) -> None:
    _, body = ask(connection, "/", headers={"Accept": "text/html,*/*"})
    assert b"<h1>wlg-1</h1><p>in wellington answers you." in body


def test_headers_shows_the_fields_as_they_came(connection: http.client.HTTPConnection) -> None:
    _, body = ask(connection, "/headers", headers={"X-Forwarded-For": "192.0.2.1"})
    assert ["X-Forwarded-For", "192.0.2.1"] in json.loads(body)["headers"]


def test_a_connection_serves_many_requests_and_head_has_no_body(connection: http.client.HTTPConnection) -> None:
    ask(connection, "/")
    first = connection.sock
    assert ask(connection, "/", method="HEAD") == (200, b"")
    assert ask(connection, "/")[0] == 200
    assert connection.sock is first


def test_bodies_are_counted_with_a_length_and_in_chunks(connection: http.client.HTTPConnection) -> None:
    assert json.loads(ask(connection, "/", method="POST", body=b"x" * 100_000)[1])["body_bytes"] == 100_000
    pieces = (b"x" * 1000 for _ in range(50))
    assert json.loads(ask(connection, "/", method="PUT", body=pieces)[1])["body_bytes"] == 50_000


def test_a_large_download_comes_whole(connection: http.client.HTTPConnection) -> None:
    _, body = ask(connection, "/bytes?n=5000001")
    assert len(body) == 5_000_001


def test_slow_waits_before_it_answers(connection: http.client.HTTPConnection) -> None:
    started = time.monotonic()
    assert ask(connection, "/slow?s=0.2")[0] == 200
    assert time.monotonic() - started >= 0.2


@pytest.mark.parametrize("target", ["/bytes?n=-1", "/bytes?n=1e12", "/bytes?n=many", "/bytes?n=nan", "/bytes"])
def test_a_number_that_makes_no_sense_is_the_default(connection: http.client.HTTPConnection, target: str) -> None:
    _, body = ask(connection, target)
    assert len(body) == 1024


def test_told_to_break_it_fails_its_health_check_too_until_mended(connection: http.client.HTTPConnection) -> None:
    assert ask(connection, "/.origin/break?status=500", method="POST")[0] == 200
    assert [ask(connection, target)[0] for target in ("/", "/healthz", "/slow?s=5")] == [500, 500, 500]
    assert ask(connection, "/.origin/mend", method="POST")[0] == 200
    assert [ask(connection, target)[0] for target in ("/", "/healthz")] == [200, 200]


def test_it_can_break_for_one_path_or_now_and_then(connection: http.client.HTTPConnection) -> None:
    ask(connection, "/.origin/break?status=500&path=/bad", method="POST")
    assert [ask(connection, target)[0] for target in ("/", "/bad", "/bad?x=1", "/bad/not")] == [200, 500, 500, 200]
    ask(connection, "/.origin/break?status=500&every=3", method="POST")
    assert [ask(connection, "/")[0] for _ in range(6)] == [200, 200, 500, 200, 200, 500]
    ask(connection, "/.origin/mend", method="POST")


def test_only_post_breaks_it(connection: http.client.HTTPConnection) -> None:
    assert ask(connection, "/.origin/break?status=500")[0] == 404
    assert ask(connection, "/.origin/other", method="POST")[0] == 404
    assert ask(connection, "/")[0] == 200


def test_what_is_not_http_closes_the_connection(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert client.recv(100) == b""


def test_pipelined_requests_are_answered_in_order(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(
            b"GET /slow?s=0.1 HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
        said = b"".join(iter(lambda: client.recv(65536), b""))
    assert said.index(b'"after"') < said.index(b"/second")


def test_with_a_certificate_it_speaks_https(tmp_path: Path) -> None:
    authority = Authority.make()
    authority.issue(("127.0.0.1",), tmp_path / "node.pem", tmp_path / "node.pem")
    with origin("--certificate", str(tmp_path / "node.pem")) as port:
        trust = ssl.create_default_context(cadata=authority.pem.decode())
        with closing(http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=trust)) as connection:
            assert ask(connection, "/healthz")[0] == 200


def test_a_killed_origin_refuses_connections_and_its_port_can_be_used_again_at_once() -> None:
    port = PORTS.near(18100)
    command = [sys.executable, "-m", "steer.demo.origin", "--name", "a", "--datacentre", "b", "--port", str(port)]
    for _ in range(2):
        process = subprocess.Popen(command)
        wait_until_listening(port)
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            assert ask(connection, "/")[0] == 200
            process.send_signal(signal.SIGKILL)
            process.wait()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
