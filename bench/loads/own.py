"""Runs `client.py` and `sockets.py` as processes on the load's CPU."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from bench.loads import LoadFailed, Seen
from bench.loads.client import Job
from bench.loads.sockets import Talk
from bench.processes import run_to_end, started

ROOT = Path(__file__).parents[2]


def _argv(job: Job) -> list[str]:
    return [sys.executable, "-m", "bench.loads.client", json.dumps(asdict(job))]


def run_client(job: Job, cpu: int) -> Seen:
    """What the client saw. Raises LoadFailed with its last line."""
    ended = run_to_end(_argv(job), cpu, ROOT, timeout_s=job.seconds + 90)
    if ended.status != 0:
        raise LoadFailed(ended.last_line)
    return Seen(**json.loads(ended.output))


def run_sockets(port: int, seconds: int, cpu: int, sockets: int, size: int) -> Seen:
    """What the WebSockets saw. Raises LoadFailed with its last line."""
    argument = json.dumps(asdict(Talk(port, sockets, size, seconds)))
    ended = run_to_end([sys.executable, "-m", "bench.loads.sockets", argument], cpu, ROOT, timeout_s=seconds + 90)
    if ended.status != 0:
        raise LoadFailed(ended.last_line)
    return Seen(**json.loads(ended.output))


@contextlib.contextmanager
def holding(job: Job, cpu: int) -> Iterator[None]:
    """While inside, `job.at_once` idle connections are open, each of which has had one answer."""
    with started(_argv(job), cpu, ROOT) as client:
        assert client.stdout is not None
        if client.stdout.readline() != "held\n":
            _, errors = client.communicate()
            raise LoadFailed(errors.strip().rpartition("\n")[2] or "the client ended without a word")
        yield
