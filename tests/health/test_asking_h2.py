"""Checks of nodes that speak HTTP/2 without TLS, against nodes on sockets."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hyperframe.frame import GoAwayFrame, PingFrame, SettingsFrame

from steer.health.expect import BODY, CheckSettings, Expectation
from steer.health.probe import Result, new_session, probe
from tests.health.nodes import Nodes
from tests.kit.h2_origin import H2Origin, H2Visit

HEAD = [(b":status", b"200"), (b"x-site", b"wellington")]


@pytest.fixture
def node() -> Iterator[H2Origin]:
    with H2Origin() as node:
        yield node


def settings(port: int) -> CheckSettings:
    return CheckSettings("wlg-1", f"http://127.0.0.1:{port}/healthz?deep=1", kind="h2c", timeout=5.0)


async def result(asked: CheckSettings) -> Result:
    async with new_session() as session:
        return await probe(asked, session)


async def test_a_node_that_answers_passes(node: H2Origin) -> None:
    assert await result(replace(settings(node.port), host="www.agency.example")) == Result(True, "status 200")
    (visit,) = node.visits
    assert visit.fields[:4] == [
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":authority", b"www.agency.example"),
        (b":path", b"/healthz?deep=1"),
    ]
    assert visit.all(b"user-agent") == [b"steer-check"]


async def test_every_expectation_must_hold(node: H2Origin) -> None:
    node.on("/healthz?deep=1", lambda visit: visit.answer(HEAD, b"ready"))
    asked = settings(node.port)
    good = Expectation(header={"X-Site": "wellington"}, body=re.compile("^ready$"))
    assert (await result(replace(asked, expect=good))).passed
    bad = replace(good, body=re.compile("^steady$"))
    assert await result(replace(asked, expect=bad)) == Result(False, "body does not match '^steady$'")
    assert await result(replace(asked, expect=Expectation(("204",)))) == Result(False, "status 200, expected 204")


async def test_no_more_than_64_kib_of_a_large_body_is_read(node: H2Origin) -> None:
    def endless(visit: H2Visit) -> None:
        visit.head(HEAD)
        threading.Thread(target=pour, args=(visit,), daemon=True).start()

    def pour(visit: H2Visit) -> None:
        for _ in range(BODY // 8192 + 1):
            with node.changed:
                assert node.changed.wait_for(lambda: visit.link.h2.local_flow_control_window(visit.stream) >= 8192, 5)
                visit.data(b"x" * 8192)

    node.on("/healthz?deep=1", endless)
    asked = replace(settings(node.port), expect=Expectation(body=re.compile(f"^x{{{BODY}}}$")))
    assert await result(asked) == Result(True, "status 200")


async def test_a_node_that_breaks_off_fails(node: H2Origin) -> None:
    node.on("/healthz?deep=1", lambda visit: visit.refuse(2))
    assert await result(settings(node.port)) == Result(False, "the node reset the stream (HTTP/2 error 2)")
    node.on("/healthz?deep=1", lambda visit: visit.close())
    assert not (await result(settings(node.port))).passed
    node.on("/healthz?deep=1", lambda visit: visit.raw(GoAwayFrame(0, last_stream_id=0).serialize()))
    # Or "not a valid answer", where the node acknowledges the settings after it has said goodbye.
    assert not (await result(settings(node.port))).passed


async def test_a_node_that_hangs_fails_when_the_time_is_over(node: H2Origin) -> None:
    node.on("/healthz?deep=1", lambda visit: None)
    assert await result(replace(settings(node.port), timeout=0.05)) == Result(False, "no answer within 0.05 s")


async def test_a_node_that_refuses_fails() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert await result(settings(unused.getsockname()[1])) == Result(False, "refused")


async def test_a_node_that_speaks_http_1_1_fails(nodes: Nodes) -> None:
    async def puzzled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    found = await result(replace(settings(1), url=await nodes.talk(puzzled)))
    assert found == Result(False, "it speaks HTTP/1.1 (the pool says protocol: h2c)")


async def test_a_node_that_never_comes_to_the_point_fails(nodes: Nodes) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SettingsFrame(0).serialize() + 20_000 * PingFrame(0, opaque_data=b"and then").serialize())
        await reader.read()
        writer.close()

    found = await result(replace(settings(1), url=await nodes.talk(babble)))
    assert found == Result(False, "more than 262144 bytes")


async def test_a_head_that_is_too_large_fails(node: H2Origin) -> None:
    node.on("/healthz?deep=1", lambda visit: visit.answer([*HEAD, *[(b"x", b"y" * 4000)] * 9]))
    found = await result(settings(node.port))
    assert not found.passed
    assert found.detail.startswith("not a valid answer in HTTP/2: ")
