"""gRPC by grpcio on both sides: every kind of call, cancel, deadline, status, metadata and trailers."""

from __future__ import annotations

import importlib.metadata
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from bench.tools import Tools
from compliance.grpc_backend import TRAILING
from compliance.place import HOSTNAME, Place, Target
from compliance.report import Cell, Row
from compliance.suites import Ran, Suite

PATIENCE_S = 10.0
LARGE = bytes(range(256)) * 8192
TURNS = 50


class Wrong(Exception):
    """A call went otherwise than it must. The message says how."""


def run(place: Place, tools: Tools) -> Ran:
    found: dict[str, dict[str, Cell]] = {name: {} for name in CHECKS}
    for target in place.targets:
        tools.say(f"grpc: {target.name} ...")
        with _channel(place, target) as channel:
            for name, check in CHECKS.items():
                found[name][target.name] = _cell(check, channel)
    rows = tuple(Row(check=name, cells=cells) for name, cells in found.items())
    return Ran(f"grpcio {importlib.metadata.version('grpcio')}", rows)


def _channel(place: Place, target: Target) -> Any:
    address = f"{HOSTNAME}:{target.calls}"
    # 4 MiB is grpcio's own limit for a message.
    if not target.tls:
        return grpc.insecure_channel(address)
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(place.authority.read_bytes()))


def _cell(check: Callable[[Any], str], channel: Any) -> Cell:
    try:
        return Cell(passed=True, words=check(channel))
    except Wrong as error:
        return Cell(passed=False, words=str(error))
    except grpc.RpcError as error:
        failed: Any = error
        return Cell(passed=False, words=f"{failed.code().name}: {failed.details()}")


def expect(is_so: bool, words: str) -> None:
    if not is_so:
        raise Wrong(words)


def unary(channel: Any) -> str:
    answer, call = channel.unary_unary("/Echo/unary").with_call(b"hello", timeout=PATIENCE_S)
    expect(answer == b"hello", f"got {answer!r}")
    expect(("x-initial", "6") in call.initial_metadata(), f"initial metadata {call.initial_metadata()}")
    return "ok"


def large(channel: Any) -> str:
    expect(channel.unary_unary("/Echo/unary")(LARGE, timeout=PATIENCE_S) == LARGE, "other bytes came back")
    return "ok"


def trailers(channel: Any) -> str:
    _, call = channel.unary_unary("/Echo/unary").with_call(b"hello", timeout=PATIENCE_S)
    found = {each[0]: each[1] for each in call.trailing_metadata()}
    lost = [name for name, value in TRAILING if found.get(name) != value]
    expect(not lost, f"lost: {', '.join(lost)}")
    return "ok"


def status(channel: Any) -> str:
    error = failure(lambda: channel.unary_unary("/Echo/fail")(b"", timeout=PATIENCE_S))
    expect(error.code() is grpc.StatusCode.FAILED_PRECONDITION, f"status {error.code()}")
    expect(error.details() == "not today: 50 % \u00e4", f"message {error.details()!r}")
    return "ok"


def unknown_method(channel: Any) -> str:
    error = failure(lambda: channel.unary_unary("/Echo/nothing")(b"", timeout=PATIENCE_S))
    expect(error.code() is grpc.StatusCode.UNIMPLEMENTED, f"status {error.code()}")
    return "ok"


def down(channel: Any) -> str:
    found = list(channel.unary_stream("/Echo/down")(b"1000", timeout=PATIENCE_S))
    expect(found == [b"%d" % number for number in range(1000)], f"{len(found)} messages")
    return "ok"


def up(channel: Any) -> str:
    found = channel.stream_unary("/Echo/up")((LARGE[:100_000] for _ in range(50)), timeout=PATIENCE_S)
    expect(found == b"5000000", f"got {found!r}")
    return "ok"


def both(channel: Any) -> str:
    """Each message waits for the answer to the one before it."""
    go = threading.Semaphore(1)

    def ask() -> Iterator[bytes]:
        for number in range(TURNS):
            if not go.acquire(timeout=PATIENCE_S):
                return
            yield b"message %d" % number

    found = []
    for answer in channel.stream_stream("/Echo/both")(ask(), timeout=PATIENCE_S):
        found.append(answer)
        go.release()
    expect(found == [b"MESSAGE %d" % number for number in range(TURNS)], f"{len(found)} turns")
    return "ok"


def deadline(channel: Any) -> str:
    before = _given_up(channel)
    error = failure(lambda: channel.unary_unary("/Echo/hang")(b"", timeout=0.3))
    expect(error.code() is grpc.StatusCode.DEADLINE_EXCEEDED, f"status {error.code()}")
    _wait_given_up(channel, before)
    return "ok"


def cancel(channel: Any) -> str:
    before = _given_up(channel)
    call = channel.unary_unary("/Echo/hang").future(b"", timeout=PATIENCE_S)
    time.sleep(0.3)  # so that the call is at the node; that it was shows in what the node counts
    call.cancel()
    _wait_given_up(channel, before)
    return "ok"


def _given_up(channel: Any) -> int:
    return int(channel.unary_unary("/Echo/given_up")(b"", timeout=PATIENCE_S))


def _wait_given_up(channel: Any, before: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while _given_up(channel) == before:
        expect(time.monotonic() < until, "the node was never told")
        time.sleep(0.05)


def many(channel: Any) -> str:
    calls = [channel.unary_unary("/Echo/unary").future(b"%d" % n, timeout=PATIENCE_S) for n in range(300)]
    found = [call.result() for call in calls]
    expect(found == [b"%d" % n for n in range(300)], "answers came to other calls")
    return "ok"


def failure(call: Callable[[], Any]) -> Any:
    """The error that the call must end with."""
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise Wrong("it did not fail")


CHECKS: dict[str, Callable[[Any], str]] = {
    "a call and its answer": unary,
    "a message of 2 MiB": large,
    "the application's own trailing metadata": trailers,
    "status and message of a failure": status,
    "a method that is not there": unknown_method,
    "a stream down": down,
    "a stream up": up,
    "a conversation, turn by turn": both,
    "a deadline, and the node is told": deadline,
    "a cancelled call, and the node is told": cancel,
    "300 calls at once": many,
}

SUITE = Suite(
    "grpc",
    "gRPC: grpcio",
    "HTTP/2 over TLS to the proxies, HTTP/2 without TLS to the node; at the backend alone without TLS.",
    run,
)
