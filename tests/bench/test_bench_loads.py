"""Loads count only what was answered well, and say what was not."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from bench.loads import LoadFailed
from bench.loads.client import Job, body_length, percentile, repeat
from bench.loads.own import run_client
from bench.loads.wrk import parse, run_wrk
from bench.scenarios import Heads

GOOD = (
    'RESULT {"requests": 300, "duration_us": 2000000, "p50_us": 500, "p99_us": 1500, '
    '"connect": 0, "read": 0, "write": 0, "status": 0, "timeout": 0}'
)


def test_the_line_that_the_script_writes_is_found_among_what_wrk_says() -> None:
    seen = parse(f"Running 2s test\n{GOOD}\n  300 requests\n")
    assert (seen.operations, seen.seconds, seen.p50_ms, seen.p99_ms) == (300, 2.0, 0.5, 1.5)


@pytest.mark.parametrize("trouble", ["connect", "read", "write", "status", "timeout"])
def test_one_error_of_any_kind_spoils_the_sample(trouble: str) -> None:
    with pytest.raises(LoadFailed, match=f"1 x {trouble}"):
        parse(GOOD.replace(f'"{trouble}": 0', f'"{trouble}": 1'))


def test_no_answer_at_all_is_no_sample() -> None:
    with pytest.raises(LoadFailed, match="no answer"):
        parse(GOOD.replace("300", "0"))


def test_output_without_a_result_is_no_sample() -> None:
    with pytest.raises(LoadFailed, match="unable to connect"):
        parse("unable to connect to localhost:1 Connection refused")


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1024", 1024),
        (b"HTTP/1.1 201 Created\r\ncontent-length:0\r\nServer: x", 0),
        (b"HTTP/1.1 204 No Content", 0),
    ],
)
def test_the_length_of_a_body_is_read_from_its_head(head: bytes, length: int) -> None:
    assert body_length(head) == length


@pytest.mark.parametrize("status", ["301 Moved", "404 Not Found", "502 Bad Gateway"])
def test_an_answer_other_than_2xx_is_a_failure(status: str) -> None:
    with pytest.raises(LoadFailed, match=status):
        body_length(f"HTTP/1.1 {status}\r\nContent-Length: 3".encode())


def test_a_body_that_was_sent_with_a_length_may_not_arrive_in_chunks() -> None:
    with pytest.raises(LoadFailed, match="chunks"):
        body_length(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked")


@pytest.mark.parametrize(("percent", "value"), [(50, 50.0), (99, 99.0), (100, 100.0)])
def test_a_percentile_is_the_nearest_rank(percent: int, value: float) -> None:
    assert percentile([float(number) for number in range(1, 101)], percent) == value


def test_the_percentile_of_one_value_is_that_value() -> None:
    assert percentile([7.0], 50) == percentile([7.0], 99) == 7.0


def test_an_action_is_done_once_even_when_the_time_is_over() -> None:
    done: list[int] = []
    assert len(repeat(lambda: done.append(1), until=0.0)) == len(done) == 1


def test_a_proxy_that_refuses_connections_is_told_as_the_reason() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and not listening: nobody else gets it
        job = Job("full", taken.getsockname()[1], at_once=1)
        with pytest.raises(LoadFailed, match="ConnectionRefusedError"):
            run_client(job, cpu=0)


@contextmanager
def recording_origin(heads: list[bytes]) -> Iterator[int]:
    """Answers 200 to every head that comes, on connections kept alive, and keeps the heads. Yields its port."""

    def serve(connection: socket.socket) -> None:
        # wrk leaves when its time is over, in the middle of answers.
        with connection, suppress(ConnectionResetError, BrokenPipeError):
            buffered = b""
            while received := connection.recv(65536):
                *whole, buffered = (buffered + received).split(b"\r\n\r\n")
                heads.extend(whole)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" * len(whole))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return  # shut down
            threads.append(threading.Thread(target=serve, args=(connection,)))
            threads[-1].start()

    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for thread in threads:
                thread.join()


@pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk")
@pytest.mark.parametrize(("heads", "fields", "differing"), [("bare", 1, 0), ("browser", 12, 1), ("browsers", 12, 5)])
def test_requests_have_the_fields_they_are_said_to_have_and_no_cookie_comes_twice(
    heads: Heads, fields: int, differing: int
) -> None:
    came: list[bytes] = []
    with recording_origin(came) as port:
        seen = run_wrk(port, 1, cpu=0, tls=False, heads=heads)
    assert seen.operations <= len(came)
    lines = [head.split(b"\r\n") for head in came]
    assert {len(each) - 1 for each in lines} == {fields}
    assert all(each[0].startswith(b"GET /1k") and each[1] == b"Host: localhost:%d" % port for each in lines)
    different = [len(set(column)) for column in zip(*lines, strict=True)]
    assert sum(number > 1 for number in different) == differing
    if heads != "bare":
        assert max(different) == len(came)
