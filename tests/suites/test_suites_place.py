"""The place, and the suite of gRPC, which needs nothing that is not installed with the tests."""

from __future__ import annotations

import os
import shutil
import urllib.request
from pathlib import Path

import pytest

from bench.tools import Tools
from compliance.place import place
from compliance.report import SuiteResult
from compliance.run import words
from compliance.suites import grpc_calls

pytestmark = pytest.mark.skipif(
    shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin") is None, reason="HAProxy is not installed"
)


def test_each_target_serves_the_backend_and_passes_every_kind_of_grpc_call(tmp_path: Path) -> None:
    cpu = min(os.sched_getaffinity(0))
    with place(cpu, cpu) as made:
        assert [target.name for target in made.targets] == ["backend", "haproxy", "steer"]
        assert [target.name for target in made.proxies] == ["haproxy", "steer"]
        for target in made.targets:
            with urllib.request.urlopen(target.url("/hello"), timeout=10) as answer:
                assert answer.read() == b"hello\n"
        ran = grpc_calls.run(made, Tools(tmp_path, lambda line: None))
    result = SuiteResult(name="grpc", title="gRPC", rows=ran.rows)
    assert [result.failed(name) for name in ("backend", "haproxy", "steer")] == [(), (), ()]
    assert all(set(row.cells) == {"backend", "haproxy", "steer"} for row in ran.rows)
    assert words(result) == "grpc: steer passes (0 s)"
