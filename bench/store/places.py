"""Where sessions can be kept: a Redis straight, or steer's door over an engine. Each runs until its block is left."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.meter import cpu_ns, process_tree
from bench.processes import free_ports, running
from bench.proxies import program

PLACES = ("redis", "memory", "engine", "sealed")

CONFIGURATION = """
version: 1
edge: {{name: bench, datacentre: one, workers: 1, state: state/, drain: 1s, log: {{level: error, access: access.log}}}}
listeners: [{{name: plain, bind: "127.0.0.1:{plain}"}}]
admin: {{bind: "127.0.0.1:{admin}", tokens: tokens.yaml}}
datacentres: {{one: {{id: 1{redis}}}}}
pools: {{web: {{nodes: {{one: [{{name: one-1, address: "http://127.0.0.1:{admin}"}}]}}, health_check: {{kind: tcp}}}}}}
groups: {{website: {{mode: active-active, weights: {{one: 100}}}}}}
services: {{www: {{hostnames: [localhost], group: website, routes: [{{path: /, pool: web}}]}}}}
sessions: {{doors: {{resp: {{bind: "127.0.0.1:{door}"}}}}, namespaces: {{web: {{max_lifetime: 8h{seal}}}}}}}
"""


@dataclass(frozen=True, slots=True)
class Place:
    """`root`: the process that was started; `engine`: the Redis behind it, 0 if there is none."""

    name: str
    port: int
    root: int
    engine: int = 0

    def cpu_ns(self) -> dict[int, int]:
        """By process, the Redis behind it as well."""
        return {pid: cpu_ns(pid) for pid in (*process_tree(self.root), *((self.engine,) if self.engine else ()))}

    def used(self, before: Mapping[int, int], after: Mapping[int, int]) -> tuple[int, int]:
        """Nanoseconds of the process that served (it did the most by far), and of the Redis behind it."""
        spent = {pid: now - before.get(pid, 0) for pid, now in after.items()}
        engine = spent.pop(self.engine, 0)
        return max(spent.values()), engine


@contextlib.contextmanager
def redis(cpu: int) -> Iterator[Place]:
    """An append-only file that is synced each second, as `steer store check` asks for."""
    [port] = free_ports(1)
    words = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction"]
    with tempfile.TemporaryDirectory() as folder:
        argv = [program("redis-server"), "--port", str(port), *words]
        with running("redis", argv, cpu, Path(folder), [port]) as it:
            yield Place("redis", port, it.pid)


@contextlib.contextmanager
def door(name: str, cpu: int, engine_cpu: int) -> Iterator[Place]:
    """A real edge with its RESP door."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        engine = stack.enter_context(redis(engine_cpu)) if name != "memory" else None
        plain, admin, port = free_ports(3)
        text = CONFIGURATION.format(
            plain=plain,
            admin=admin,
            door=port,
            redis=f', redis: {{url: "redis://127.0.0.1:{engine.port}"}}' if engine else "",
            seal=", seal: true" if name == "sealed" else "",
        )
        (folder / "steer.yaml").write_text(text)
        argv = [program("steer"), "run", str(folder / "steer.yaml")]
        it = stack.enter_context(running("steer", argv, cpu, folder, [plain, port]))
        yield Place(name, port, it.pid, engine.root if engine else 0)


@contextlib.contextmanager
def place(name: str, cpu: int, other_cpu: int) -> Iterator[Place]:
    """The place of this name, on `cpu`; what stands behind it on the other. Raises CannotStart, Missing."""
    with redis(cpu) if name == "redis" else door(name, cpu, other_cpu) as it:
        yield it
