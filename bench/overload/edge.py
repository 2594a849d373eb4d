"""The steer that is flooded: one configuration, one worker or two, in front of one origin of the demo."""

from __future__ import annotations

import contextlib
import resource
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.certificate import HOSTNAME, make_certificate
from bench.processes import free_ports, running

CONFIGURATION = """
version: 1
edge: {{name: bench, datacentre: one, workers: {workers}, state: state/, drain: 1s, log: {{level: warning, access: access.log}}}}
listeners:
  - {{name: plain, bind: "127.0.0.1:{plain}"}}
  - name: tls
    bind: 127.0.0.1:{tls}
    tls: {{certificates: [{{certificate: certificate.pem, key: key.pem}}]}}
admin: {{bind: "127.0.0.1:{admin}", tokens: tokens.yaml}}
datacentres: {{one: {{id: 1}}}}
pools: {{web: {{nodes: {{one: [{{name: one-1, address: "http://127.0.0.1:{origin}"}}]}}, health_check: {{path: /healthz}}}}}}
groups: {{website: {{mode: active-active, weights: {{one: 100}}}}}}
services: {{www: {{hostnames: [{host}], group: website, routes: [{{path: /, pool: web}}]}}}}
"""  # noqa: E501  # a table, one row for each thing


@dataclass(frozen=True, slots=True)
class Edge:
    pid: int
    plain: int
    tls: int
    admin: int
    folder: Path


@contextlib.contextmanager
def edge(workers: int, cpu: str, other_cpu: int) -> Iterator[Edge]:
    """Ready to serve, and ended with the block. `cpu` as taskset has it: "0", "0,1"."""
    raise_limit()
    with tempfile.TemporaryDirectory() as text, contextlib.ExitStack() as stack:
        folder = Path(text)
        make_certificate(folder)
        plain, tls, admin, origin = free_ports(4)
        (folder / "origin").mkdir()
        python = sys.executable
        words = ["--name", "one-1", "--datacentre", "one", "--port", str(origin)]
        argv = [python, "-m", "steer.demo.origin", *words]
        stack.enter_context(running("origin", argv, other_cpu, folder / "origin", [origin]))
        file = folder / "steer.yaml"
        ports = {"plain": plain, "tls": tls, "admin": admin, "origin": origin}
        file.write_text(CONFIGURATION.format(workers=workers, host=HOSTNAME, **ports))
        argv = ["taskset", "-c", cpu, python, "-m", "steer", "run", str(file)]
        found = stack.enter_context(running("steer", argv, other_cpu, folder, [plain, tls, admin]))
        yield Edge(found.pid, plain, tls, admin, folder)


def raise_limit() -> None:
    """Open files up to what the system allows: for us, and for what we start."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
