"""A gRPC service without a schema: bytes in, bytes out. `python -m compliance.grpc_backend PORT`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

TRAILING = (("x-trailing", "7"), ("cost.units", "3"), ("request_cost", "4"), ("sum-bin", b"\0\xff"))
"""Metadata of the application's own, of the kinds that names may be."""
HANG_S = 20.0


class Echo:
    """`given_up` counts the calls that ended while `hang` held them."""

    def __init__(self) -> None:
        self.given_up = 0

    def unary(self, request: bytes, context: Any) -> bytes:
        context.send_initial_metadata((("x-initial", "6"),))
        context.set_trailing_metadata(TRAILING)
        return request

    def fail(self, request: bytes, context: Any) -> bytes:
        context.set_trailing_metadata(TRAILING)
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today: 50 % \u00e4")
        raise AssertionError("abort raises")

    def down(self, request: bytes, context: Any) -> Iterator[bytes]:
        for number in range(int(request)):
            yield b"%d" % number

    def up(self, requests: Iterator[bytes], context: Any) -> bytes:
        return b"%d" % sum(len(request) for request in requests)

    def both(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        for request in requests:
            yield request.upper()

    def hang(self, request: bytes, context: Any) -> bytes:
        ended = threading.Event()
        context.add_callback(ended.set)
        if ended.wait(HANG_S):
            self.given_up += 1
        return b""

    def ask_given_up(self, request: bytes, context: Any) -> bytes:
        return b"%d" % self.given_up


def serve(port: int) -> grpc.Server:
    echo = Echo()
    handlers = {
        "unary": grpc.unary_unary_rpc_method_handler(echo.unary),
        "fail": grpc.unary_unary_rpc_method_handler(echo.fail),
        "down": grpc.unary_stream_rpc_method_handler(echo.down),
        "up": grpc.stream_unary_rpc_method_handler(echo.up),
        "both": grpc.stream_stream_rpc_method_handler(echo.both),
        "hang": grpc.unary_unary_rpc_method_handler(echo.hang),
        "given_up": grpc.unary_unary_rpc_method_handler(echo.ask_given_up),
    }
    server = grpc.server(ThreadPoolExecutor(20))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("Echo", handlers),))
    if server.add_insecure_port(f"127.0.0.1:{port}") != port:
        raise OSError(f"port {port} is taken")
    server.start()
    return server


if __name__ == "__main__":
    serve(int(sys.argv[1])).wait_for_termination()
