"""Requests for 1 KiB by wrk, with the heads that `request.lua` describes."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from bench.certificate import HOSTNAME
from bench.loads import LoadFailed, Seen
from bench.processes import run_to_end
from bench.proxies import program
from bench.scenarios import Heads

SCRIPT = Path(__file__).with_name("request.lua")
CONNECTIONS = 32
MARK = "RESULT "
TROUBLES = ("connect", "read", "write", "status", "timeout")


def run_wrk(port: int, seconds: int, cpu: int, *, tls: bool, heads: Heads, close: bool = False) -> Seen:
    """Loads `port`. `close`: a connection for each request; over TLS wrk resumes its session.

    Raises LoadFailed for any error, and any answer that is not 2xx or 3xx.
    """
    scheme = "https" if tls else "http"
    url = f"{scheme}://{HOSTNAME}:{port}/"
    options = ["-t", "1", "-c", str(CONNECTIONS), "-d", f"{seconds}s", "-s", str(SCRIPT)]
    script = ["--", f"{HOSTNAME}:{port}", heads, secrets.token_hex(8), "close" if close else "keep"]
    ended = run_to_end([program("wrk"), *options, url, *script], cpu, SCRIPT.parent, timeout_s=seconds + 30)
    if ended.status != 0:
        raise LoadFailed(ended.last_line)
    return parse(ended.output)


def parse(output: str) -> Seen:
    """What wrk saw, from the line that `request.lua` writes."""
    for line in output.splitlines():
        if line.startswith(MARK):
            return _seen(json.loads(line.removeprefix(MARK)))
    raise LoadFailed(f"wrk gave no result: {output.strip()}")


def _seen(numbers: dict[str, int]) -> Seen:
    troubles = [f"{numbers[name]} x {name}" for name in TROUBLES if numbers[name]]
    if troubles:
        raise LoadFailed(f"wrk saw errors: {', '.join(troubles)}, in {numbers['requests']} requests")
    if not numbers["requests"]:
        raise LoadFailed("wrk saw no answer at all")
    return Seen(numbers["requests"], numbers["duration_us"] / 1e6, numbers["p50_us"] / 1e3, numbers["p99_us"] / 1e3)
