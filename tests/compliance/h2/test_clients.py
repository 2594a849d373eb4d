"""Other people's clients: curl, and nghttp where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.compliance.h2.place import H2Place
from tests.compliance.place import response
from tests.kit.edge import HOST

BODY = bytes(range(256)) * 10_000


def curl(place: H2Place, *arguments: str) -> bytes:
    port = place.edge.port("h2")
    resolve = f"{HOST}:{port}:127.0.0.1"
    command = ["curl", "-sS", "--http2", "--cacert", str(place.authority.certificate), "--resolve", resolve]
    done = subprocess.run([*command, *arguments, f"https://{HOST}:{port}{place.path}"], capture_output=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(autouse=True)
def needs_curl() -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")


def test_curl_speaks_http_2(place: H2Place) -> None:
    assert curl(place, "-w", " %{http_version} %{http_code}") == b"ok 2 200"


def test_curl_downloads_byte_for_byte(place: H2Place) -> None:
    place.origin.on(place.path, response("HTTP/1.1 200 OK", f"Content-Length: {len(BODY)}", body=BODY))
    assert curl(place) == BODY


def test_curl_uploads_byte_for_byte(place: H2Place, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(BODY)
    assert curl(place, "--data-binary", f"@{tmp_path}/body") == b"ok"
    assert place.seen().body == BODY


def test_curl_shows_trailers(place: H2Place) -> None:
    raw = response("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=b"2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n")
    place.origin.on(place.path, raw)
    assert b"x-sum: 7" in curl(place, "-i")


@pytest.mark.skipif(shutil.which("nghttp") is None, reason="nghttp is not installed")
def test_nghttp_asks_many_times_at_once(place: H2Place) -> None:
    url = f"https://{HOST}:{place.edge.port('h2')}{place.path}"
    command = ["nghttp", "-n", "-s", "-m", "50", f"--header=:authority: {HOST}"]
    local = url.replace(HOST, "127.0.0.1")
    done = subprocess.run([*command, local], capture_output=True, timeout=20, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" 200 ") == 50, done.stdout
