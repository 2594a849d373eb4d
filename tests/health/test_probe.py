from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest
from aiohttp import web

from steer.health.expect import BODY, CheckSettings, Expectation
from steer.health.probe import Result, new_session, probe
from tests.health.nodes import Certificate, Nodes


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with new_session() as session:
        yield session


def settings(url: str) -> CheckSettings:
    return CheckSettings(node="wlg-1", url=url)


async def ok(request: web.Request) -> web.Response:
    return web.Response(text="ready", headers={"X-Site": "wellington"})


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


async def test_a_node_that_answers_passes(nodes: Nodes, session: aiohttp.ClientSession) -> None:
    assert await probe(settings(await nodes.serve(ok)), session) == Result(True, "status 200")


async def test_every_expectation_must_hold(nodes: Nodes, session: aiohttp.ClientSession) -> None:
    asked = settings(await nodes.serve(ok))
    good = Expectation(header={"X-Site": "wellington"}, body=re.compile("^ready$"))
    bad = Expectation(header={"X-Site": "wellington"}, body=re.compile("^steady$"))
    assert (await probe(replace(asked, expect=good), session)).passed
    assert await probe(replace(asked, expect=bad), session) == Result(False, "body does not match '^steady$'")


async def test_an_error_status_fails(nodes: Nodes, session: aiohttp.ClientSession) -> None:
    async def broken(request: web.Request) -> web.Response:
        return web.Response(status=503)

    result = await probe(settings(await nodes.serve(broken)), session)
    assert result == Result(False, "status 503, expected 2xx")


async def test_a_redirect_is_not_followed(nodes: Nodes, session: aiohttp.ClientSession) -> None:
    asked: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=302, headers={"Location": "/other"})

    result = await probe(settings(await nodes.serve(elsewhere)), session)
    assert result == Result(False, "status 302, expected 2xx")
    assert asked == ["/healthz"]


async def test_a_node_that_refuses_fails(session: aiohttp.ClientSession) -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    assert await probe(settings(url), session) == Result(False, "refused")
    assert await probe(replace(settings(url), kind="tcp"), session) == Result(False, "refused")


async def test_a_node_that_hangs_fails_when_the_time_is_over(nodes: Nodes, session: aiohttp.ClientSession) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    asked = settings(await nodes.talk(hang))
    assert await probe(replace(asked, timeout=0.05), session) == Result(False, "no answer within 0.05 s")
    assert await probe(replace(asked, kind="tcp"), session) == Result(True, "connected")


async def test_a_node_that_hangs_in_its_body_fails(nodes: Nodes, session: aiohttp.ClientSession) -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nread")
        await reader.read()
        writer.close()

    asked = replace(settings(await nodes.talk(half)), timeout=0.05)
    assert await probe(asked, session) == Result(False, "no answer within 0.05 s")


async def test_an_answer_that_breaks_off_fails(nodes: Nodes, session: aiohttp.ClientSession) -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nread")
        writer.close()

    assert await probe(settings(await nodes.talk(half)), session) == Result(False, "the body broke off")


async def test_a_reset_before_the_answer_fails(nodes: Nodes, session: aiohttp.ClientSession) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    assert await probe(settings(await nodes.talk(reset)), session) == Result(False, "reset before an answer")


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000])
async def test_what_is_no_http_or_too_long_a_head_fails(
    nodes: Nodes, session: aiohttp.ClientSession, answer: bytes
) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer + b"\r\n\r\n")
        writer.close()

    result = await probe(settings(await nodes.talk(babble)), session)
    assert not result.passed
    assert result.detail.startswith("not a valid answer: ")


async def test_no_more_than_64_kib_of_an_endless_body_is_read(nodes: Nodes, session: aiohttp.ClientSession) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while request.transport is not None and not request.transport.is_closing():
            await response.write(b"x" * 8192)
        return response

    asked = replace(settings(await nodes.serve(endless)), expect=Expectation(body=re.compile(f"^x{{{BODY}}}$")))
    assert await probe(asked, session) == Result(True, "status 200")


async def test_each_check_is_a_new_connection_that_says_the_host_it_was_told(
    nodes: Nodes, session: aiohttp.ClientSession
) -> None:
    seen: list[tuple[str, object]] = []

    async def note(request: web.Request) -> web.Response:
        assert request.transport is not None
        seen.append((request.headers["Host"], request.transport.get_extra_info("peername")))
        return web.Response()

    asked = replace(settings(await nodes.serve(note)), host="www.agency.example")
    await probe(asked, session)
    await probe(asked, session)
    assert [host for host, _ in seen] == ["www.agency.example"] * 2
    assert seen[0][1] != seen[1][1]


async def test_cookies_are_not_kept(nodes: Nodes, session: aiohttp.ClientSession) -> None:
    seen: list[str | None] = []

    async def offer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Cookie"))
        return web.Response(headers={"Set-Cookie": "session=1"})

    asked = replace(
        settings(await nodes.serve(offer)), url=(await nodes.serve(offer)).replace("127.0.0.1", "localhost")
    )
    assert (await probe(asked, session)).passed
    assert (await probe(asked, session)).passed
    assert seen == [None, None]


async def test_a_certificate_is_verified_under_the_nodes_own_name(
    nodes: Nodes, session: aiohttp.ClientSession, certificate: Certificate
) -> None:
    asked = replace(settings(await nodes.serve(ok, certificate.node)), tls=certificate.client)
    right = await probe(replace(asked, server_name="node.example"), session)
    wrong = await probe(replace(asked, server_name="other.example"), session)
    assert right == Result(True, "status 200")
    assert not wrong.passed
    assert wrong.detail.startswith("certificate: ")
    assert "other.example" in wrong.detail


async def test_without_a_context_the_systems_authorities_decide(
    nodes: Nodes, session: aiohttp.ClientSession, certificate: Certificate
) -> None:
    asked = replace(settings(await nodes.serve(ok, certificate.node)), server_name="node.example")
    result = await probe(asked, session)
    assert not result.passed
    assert result.detail.startswith("certificate: ")


async def test_a_node_that_speaks_no_tls_fails(
    nodes: Nodes, session: aiohttp.ClientSession, certificate: Certificate
) -> None:
    url = (await nodes.serve(ok)).replace("http://", "https://")
    result = await probe(replace(settings(url), tls=certificate.client), session)
    assert not result.passed
    assert result.detail.startswith("TLS: ")
