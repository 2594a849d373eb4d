"""One question to a node: connect, ask, judge. Never raises for what the node or the network does."""

from __future__ import annotations

import asyncio
import errno
import ssl
from dataclasses import dataclass

import aiohttp
from h2.exceptions import ProtocolError

from steer.health.announcing import AnnouncingConnector
from steer.health.asking_h2 import ask_h2c
from steer.health.expect import BODY, CheckSettings, place_of, shortfall

HEAD_LINE = 8 * 1024
"""Bytes of one line of a response's head: what the traffic's own limit (32 KiB a head) leaves to any single field."""

FIELDS = {"User-Agent": "steer-check", "Accept": "*/*", "Accept-Encoding": "identity"}
"""`identity`: nothing is decompressed, so 64 KiB of body are 64 KiB of memory."""


@dataclass(frozen=True, slots=True)
class Result:
    passed: bool
    detail: str


def new_session(connector: aiohttp.BaseConnector | None = None) -> aiohttp.ClientSession:
    """A client that keeps nothing: no connection, no cookie, no proxy of the environment. Needs a running loop."""
    return aiohttp.ClientSession(
        # The checker bounds how many checks run; a second bound here would count waiting against the time-out.
        connector=connector or aiohttp.TCPConnector(force_close=True, limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        max_line_size=HEAD_LINE,
        max_field_size=HEAD_LINE,
        read_bufsize=BODY,
    )


async def probe(settings: CheckSettings, session: aiohttp.ClientSession) -> Result:
    """Ask once, within the time-out."""
    if settings.kind == "tcp":
        ask = _ask_tcp(settings)
    elif settings.kind == "h2c":
        ask = _ask_h2c(settings)
    else:
        ask = _ask_announced(settings) if settings.prelude else _ask_http(settings, session)
    try:
        async with asyncio.timeout(settings.timeout):
            return await ask
    except TimeoutError:
        return Result(False, f"no answer within {settings.timeout:g} s")
    except (aiohttp.ClientError, ProtocolError, OSError, ValueError) as error:
        return Result(False, _say(error))


async def _ask_tcp(settings: CheckSettings) -> Result:
    _, writer = await asyncio.open_connection(*place_of(settings.url))
    if settings.prelude:
        writer.write(settings.prelude)
    # Not closed in good order but at once: the node's answer to that could take longer than the check may.
    writer.transport.abort()
    return Result(True, "connected")


async def _ask_announced(settings: CheckSettings) -> Result:
    async with new_session(AnnouncingConnector(settings)) as session:
        return await _ask_http(settings, session)


async def _ask_h2c(settings: CheckSettings) -> Result:
    answer = await ask_h2c(settings, tuple(FIELDS.items()))
    wrong = shortfall(settings.expect, answer.status, answer.headers, bytes(answer.body[:BODY]))
    return Result(not wrong, wrong or f"status {answer.status}")


async def _ask_http(settings: CheckSettings, session: aiohttp.ClientSession) -> Result:
    fields = {**FIELDS, "Host": settings.host} if settings.host else FIELDS
    async with session.get(
        settings.url,
        headers=fields,
        ssl=settings.tls or True,
        server_hostname=settings.server_name,
        allow_redirects=False,
        timeout=aiohttp.ClientTimeout(total=None),
    ) as response:
        body = await _read(response.content)
        wrong = shortfall(settings.expect, response.status, response.headers, body)
        return Result(not wrong, wrong or f"status {response.status}")


async def _read(content: aiohttp.StreamReader) -> bytes:
    """The first 64 KiB. An answer that breaks off before that is no answer: aiohttp raises."""
    body = bytearray()
    while len(body) < BODY and (chunk := await content.read(BODY - len(body))):
        body += chunk
    return bytes(body)


def _say(error: Exception) -> str:
    """What went wrong, in the operator's words."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"certificate: {error.certificate_error}"
        case aiohttp.ClientConnectorSSLError() | ssl.SSLError():
            return f"TLS: {error}"
        case aiohttp.ClientConnectorDNSError():
            return f"name cannot be resolved: {error.host}"
        case OSError(errno=errno.ECONNREFUSED):
            return "refused"
        case aiohttp.ServerDisconnectedError() | OSError(errno=errno.ECONNRESET):
            return "reset before an answer"
        case ProtocolError():
            return f"not a valid answer in HTTP/2: {str(error) or type(error).__name__}"
        case aiohttp.ClientPayloadError():
            return "the body broke off"
        case aiohttp.ClientResponseError():
            return f"not a valid answer: {error.message}"
        case _:
            return str(error) or type(error).__name__
