"""How a command finds its edge and its token, and how it says that something went wrong."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from steer.cli.client import Edge, No, Usage, edge
from steer.control.tokens import Role
from steer.demo.certificates import Authority
from steer.errors import Unreachable
from tests.cli.conftest import Run
from tests.kit.admin import RunningAdmin, running_admin


async def test_ping_says_which_edge_answers_and_how_fast(admin: RunningAdmin, run: Run) -> None:
    result = await run("ping")
    assert result.exit_code == 0
    name, version, took = result.output.strip().split("  ")
    assert (name, version) == ("edge-a", "steer 0.1.0")
    assert took.endswith(" ms")


async def test_the_options_win_over_the_environment(
    admin: RunningAdmin, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEER_ADMIN", "http://127.0.0.1:1")
    monkeypatch.setenv("STEER_TOKEN", "wrong")
    result = await run("ping", "--admin", admin.url, "--token", admin.secrets[Role.VIEWER])
    assert result.exit_code == 0


async def test_a_wrong_token_is_a_no_on_one_line_with_what_to_do(admin: RunningAdmin, run: Run) -> None:
    result = await run("status", "--token", "wrong")
    assert result.exit_code == 1
    assert result.stderr == "steer: the token is not known or has expired (--token or STEER_TOKEN)\n"
    assert result.stdout == ""


async def test_a_role_that_is_too_low_is_a_no(admin: RunningAdmin, run: Run) -> None:
    words = ("drain", "wlg-1", "--reason", "r", "--token", admin.secrets[Role.VIEWER])
    result = await run(*words)
    assert result.exit_code == 1
    assert result.stderr == "steer: 'a-viewer' is viewer; this needs operator (use a token of that role)\n"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


async def test_an_edge_that_is_not_there_is_exit_status_2_on_one_line(run: Run) -> None:
    admin = f"http://127.0.0.1:{free_port()}"
    result = await run("ping", "--admin", admin, "--token", "t")
    assert result.exit_code == 2
    assert result.stderr == (
        f"steer: cannot reach {admin}: Connection refused (is the edge running? --admin or STEER_ADMIN says where)\n"
    )


async def test_debug_shows_the_traceback_too(run: Run) -> None:
    result = await run("ping", "--admin", f"http://127.0.0.1:{free_port()}", "--token", "t", "--debug")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("steer: cannot reach")


async def test_what_answers_but_is_not_steer_is_said_to_be_something_else() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unreachable, match="not steer's admin API"):
            await asyncio.to_thread(Edge(f"http://127.0.0.1:{port}", "t").get, "/status")


def test_without_a_token_it_says_where_one_would_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Usage, match="no state/local-token here"):
        edge("http://127.0.0.1:9900", None)


def test_the_local_token_never_goes_to_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "local-token").write_text("steer_local_x\n")
    monkeypatch.setenv("STEER_STATE", str(tmp_path))
    for here in ("http://127.0.0.1:9900", "http://localhost:9900", "http://[::1]:9900", "https://127.8.8.8"):
        assert edge(here, None).token == "steer_local_x"
    for elsewhere in ("http://192.0.2.1:9900", "https://edge.example", "http://localhost.example:9900"):
        with pytest.raises(Usage, match="needs a token"):
            edge(elsewhere, None)


@pytest.mark.parametrize(
    "admin", ["127.0.0.1:9900", "ftp://x", "http://", "http://x:port", "http://x/path", "http://["]
)
async def test_an_address_that_cannot_be_one_is_a_usage_error(run: Run, admin: str) -> None:
    result = await run("ping", "--admin", admin, "--token", "t")
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) == 1


async def test_a_list_longer_than_a_page_comes_whole(admin: RunningAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steer.cli.client.PAGE", 2)
    found = await asyncio.to_thread(Edge(admin.url, admin.secrets[Role.VIEWER]).all, "/nodes")
    assert [node["name"] for node in found] == ["akl-1", "wlg-1", "wlg-2"]


async def test_a_no_carries_the_place_that_is_wrong(admin: RunningAdmin) -> None:
    there = Edge(admin.url, admin.secrets[Role.ADMIN])
    with pytest.raises(No, match="expires_in: must be a duration") as caught:
        await asyncio.to_thread(
            there.change,
            "PUT",
            "/groups/website/weights",
            {"weights": {"auckland": 1}, "reason": "r", "expires_in": "x"},
        )
    assert caught.value.status == 422


async def test_over_tls_the_edge_must_be_trusted(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority.make()
    authority.issue(["127.0.0.1"], tmp_path / "edge.pem", tmp_path / "edge.key")
    (tmp_path / "authority.pem").write_bytes(authority.pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "edge.pem", tmp_path / "edge.key")
    async with running_admin(tmp_path, context) as admin:
        words = ("ping", "--admin", admin.url, "--token", admin.secrets[Role.VIEWER])
        refused = await run(*words)
        assert refused.exit_code == 2
        assert refused.stderr.startswith(f"steer: {admin.url} is not trusted: ")
        assert "SSL_CERT_FILE" in refused.stderr
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        assert (await run(*words)).stdout.startswith("edge-a  steer 0.1.0")


def test_the_commands_start_without_what_only_some_need() -> None:
    modules = "audit, explain, overrides, ping, status, token, weights"
    code = f"import sys; from steer.cli import {modules}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"rich", "aiohttp", "pydantic", "prometheus_client", "cryptography"} & set(loaded)
