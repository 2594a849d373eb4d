"""Certificates of doors are renewed without a new door; a pair that cannot be used changes nothing."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from steer.errors import SteerError
from steer.proxy.certificates import CertificateFiles
from steer.proxy.door_tls import DoorContext, admin_context, peer_context
from tests.kit.certificates import Authority

NAME = "edge-two"


async def shown(server: DoorContext, client: ssl.SSLContext) -> str:
    """The serial number of the certificate that a new connection gets; "" if either refuses the other."""
    listening = await asyncio.start_server(_say_hello, "127.0.0.1", 0, ssl=server)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=NAME)
            assert await reader.read(1) == b"x"
        except (OSError, AssertionError):
            return ""
        serial: str = writer.get_extra_info("peercert")["serialNumber"]
        writer.transport.abort()
        return serial


async def _say_hello(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"x")
    await writer.drain()
    writer.close()


def both_ends(authority: Authority) -> tuple[DoorContext, DoorContext]:
    files = authority.issue(NAME)
    return admin_context(files, authority.certificate), peer_context(files, authority.certificate)


async def test_new_connections_show_the_new_certificate_at_both_ends(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, client = both_ends(authority)
    before = await shown(server, client)
    assert not server.renew()
    authority.issue(NAME)
    assert (server.renew(), client.renew()) == (True, True)
    after = await shown(server, client)
    assert before
    assert after
    assert before != after


async def test_a_key_that_does_not_fit_leaves_what_was_there_in_use_and_is_an_alarm(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, client = both_ends(authority)
    before = await shown(server, client)
    key = server.files.key.read_bytes()
    server.files.key.write_bytes(authority.issue("other").key.read_bytes())
    assert not server.renew()
    assert "edge-two.key is not the key of" in server.alarm
    assert await shown(server, client) == before
    server.files.key.write_bytes(key)
    assert server.renew()
    assert server.alarm == ""


async def test_another_ca_is_trusted_as_soon_as_it_is_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    old, new = Authority(tmp_path), Authority(tmp_path / "new", "Another Authority")
    server, _ = both_ends(old)
    client = peer_context(new.issue(NAME), old.certificate)
    assert await shown(server, client) == ""
    old.certificate.write_bytes(old.certificate.read_bytes() + new.certificate.read_bytes())
    assert server.renew()
    assert await shown(server, client)


def test_files_that_cannot_be_used_are_refused_from_the_beginning(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files = authority.issue(NAME)
    with pytest.raises(SteerError, match="cannot read"):
        admin_context(CertificateFiles(files.certificate, tmp_path / "nothing.key"))
    with pytest.raises(SteerError, match="has no CA certificate"):
        peer_context(files, files.key)
