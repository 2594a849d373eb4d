"""gRPC through the edge, by grpcio on both sides: HTTP/2 over TLS to the edge, HTTP/2 without (`h2c`) to the node."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.kit.certificates import Authority
from tests.kit.edge import HOST, RunningEdge, configuration, running_edge

grpc = pytest.importorskip("grpc")

PATIENCE = 10.0
LARGE = bytes(range(256)) * 8192
TRAILING = (
    ("x-trailing", "7"),
    ("cost.units", "3"),
    ("request_cost", "4"),
    ("retry-pushback-ms", "10"),
    ("sum-bin", b"\0\xff"),
)
"""Metadata of the application: any name that HTTP does not need itself."""


@dataclass
class Echo:
    """A service without a schema: bytes in, bytes out. `cancelled` is set when a call was given up."""

    cancelled: threading.Event = field(default_factory=threading.Event)
    metadata: dict[str, str] = field(default_factory=dict)

    def unary(self, request: bytes, context: Any) -> bytes:
        self.metadata = dict(context.invocation_metadata())
        context.set_trailing_metadata(TRAILING)
        return request

    def fail(self, request: bytes, context: Any) -> bytes:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today: 50 % \u00e4")
        raise AssertionError

    def down(self, request: bytes, context: Any) -> Iterator[bytes]:
        for number in range(int(request)):
            yield b"%d" % number

    def up(self, requests: Iterator[bytes], context: Any) -> bytes:
        return b"%d" % sum(len(request) for request in requests)

    def both(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        for request in requests:
            yield request.upper()

    def hang(self, request: bytes, context: Any) -> bytes:
        context.add_callback(self.cancelled.set)
        self.cancelled.wait(PATIENCE)
        return b""


@pytest.fixture(scope="module")
def echo() -> Echo:
    return Echo()


@pytest.fixture(scope="module")
def edge(echo: Echo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningEdge, Authority]]:
    folder: Path = tmp_path_factory.mktemp("grpc")
    authority = Authority(folder)
    files = authority.issue(HOST)
    server = grpc.server(ThreadPoolExecutor(20))
    handlers = {
        "unary": grpc.unary_unary_rpc_method_handler(echo.unary),
        "fail": grpc.unary_unary_rpc_method_handler(echo.fail),
        "down": grpc.unary_stream_rpc_method_handler(echo.down),
        "up": grpc.stream_unary_rpc_method_handler(echo.up),
        "both": grpc.stream_stream_rpc_method_handler(echo.both),
        "hang": grpc.unary_unary_rpc_method_handler(echo.hang),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("Echo", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    tls = {"certificates": [{"certificate": str(files.certificate), "key": str(files.key)}]}
    tree = configuration({"one": port}, https={"tls": tls})
    tree["pools"]["web"]["protocol"] = "h2c"
    with running_edge(folder, tree) as running:
        yield running, authority
    server.stop(0).wait()


@pytest.fixture
def channel(edge: tuple[RunningEdge, Authority]) -> Iterator[Any]:
    running, authority = edge
    credentials = grpc.ssl_channel_credentials(authority.certificate.read_bytes())
    options = [("grpc.ssl_target_name_override", HOST), ("grpc.default_authority", HOST)]
    with grpc.secure_channel(f"127.0.0.1:{running.port('https')}", credentials, options) as opened:
        yield opened


def test_a_call_and_its_answer(channel: Any, echo: Echo) -> None:
    answer, call = channel.unary_unary("/Echo/unary").with_call(b"hello", timeout=PATIENCE, metadata=(("x-a", "b"),))
    assert (answer, sorted(call.trailing_metadata())) == (b"hello", sorted(TRAILING))
    assert echo.metadata["x-a"] == "b"
    assert echo.metadata["x-forwarded-proto"] == "https"


def test_a_large_message_arrives_byte_for_byte(channel: Any) -> None:
    assert channel.unary_unary("/Echo/unary")(LARGE, timeout=PATIENCE) == LARGE


def test_a_status_and_its_message_pass(channel: Any) -> None:
    with pytest.raises(grpc.RpcError) as found:
        channel.unary_unary("/Echo/fail")(b"", timeout=PATIENCE)
    error: Any = found.value
    assert (error.code(), error.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "not today: 50 % \u00e4")


def test_a_method_that_is_not_there_says_so(channel: Any) -> None:
    with pytest.raises(grpc.RpcError) as found:
        channel.unary_unary("/Echo/nothing")(b"", timeout=PATIENCE)
    error: Any = found.value
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_stream_down(channel: Any) -> None:
    assert list(channel.unary_stream("/Echo/down")(b"500", timeout=PATIENCE)) == [b"%d" % n for n in range(500)]


def test_a_stream_up(channel: Any) -> None:
    pieces = (LARGE[:100_000] for _ in range(50))
    assert channel.stream_unary("/Echo/up")(pieces, timeout=PATIENCE) == b"5000000"


def test_a_conversation(channel: Any) -> None:
    """Each message waits for the answer to the one before it."""
    go = threading.Semaphore(1)

    def ask() -> Iterator[bytes]:
        for number in range(50):
            assert go.acquire(timeout=PATIENCE)
            yield b"message %d" % number

    answers = []
    for answer in channel.stream_stream("/Echo/both")(ask(), timeout=PATIENCE):
        answers.append(answer)
        go.release()
    assert answers == [b"MESSAGE %d" % number for number in range(50)]


def test_a_deadline_ends_the_call_on_both_sides(channel: Any, echo: Echo) -> None:
    echo.cancelled.clear()
    with pytest.raises(grpc.RpcError) as found:
        channel.unary_unary("/Echo/hang")(b"", timeout=0.3)
    error: Any = found.value
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert echo.cancelled.wait(PATIENCE)


def test_a_call_that_is_given_up_is_given_up_at_the_node(channel: Any, echo: Echo) -> None:
    echo.cancelled.clear()
    call = channel.unary_unary("/Echo/hang").future(b"", timeout=PATIENCE)
    assert not echo.cancelled.wait(0.3)
    call.cancel()
    assert echo.cancelled.wait(PATIENCE)


def test_many_calls_at_once(channel: Any) -> None:
    calls = [channel.unary_unary("/Echo/unary").future(b"%d" % n, timeout=PATIENCE) for n in range(300)]
    assert [call.result() for call in calls] == [b"%d" % n for n in range(300)]
