"""How fast a shipper carries records to a peer: to its Redis straight, and through an edge there."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.certificate import HOSTNAME, make_certificate
from bench.meter import cpu_ns
from bench.processes import free_ports, running
from bench.store.engines import PATIENCE, SESSIONS, TTL, WITH_PEER, link_to, sessions, write_all
from bench.store.places import redis
from steer.clock import SystemClock
from steer.proxy.certificates import CertificateFiles
from steer.proxy.door_tls import peer_context
from steer.store.engine import Engine
from steer.store.namespace import EngineNamespace
from steer.store.redis_engine import RedisEngine
from steer.store.remote.engine import RemoteEngine
from steer.store.remote.line import Door
from steer.store.remote.link import RemoteLink, RemotePlace
from steer.store.replication.link import End, Link, space_at
from steer.store.replication.repair import Repair
from steer.store.replication.shipper import Shipper
from steer.store.replication.tally import Tally

THERE = space_at(WITH_PEER, 2)
PEER = Path(__file__).with_name("peer.py")


@dataclass(frozen=True, slots=True)
class Shipped:
    """Microseconds of CPU are for each record: of the shipper's process, of the Redis that it reads, of the other, and
    of the peer's edge (0 where there is none)."""

    per_second: float
    cpu_us: float
    source_us: float
    target_us: float
    edge_us: float = 0.0


async def shipping(cpu: int, count: int = SESSIONS) -> Shipped:
    """All records of one Redis to another that is empty, both on `cpu`, by a shipper in this process."""
    with redis(cpu) as source, redis(cpu) as target:
        peer = RedisEngine(link_to(target.port))
        return await _carried(count, source.port, peer, [os.getpid(), source.root, target.root])


async def shipping_through_an_edge(cpu: int, count: int = SESSIONS) -> Shipped:
    """The same; what stands for the peer's edge is on `cpu` as well."""
    with redis(cpu) as source, redis(cpu) as target, peer_edge(cpu, target.port) as (peer, pid):
        return await _carried(count, source.port, peer, [os.getpid(), source.root, target.root, pid])


async def _carried(count: int, source: int, peer_engine: Engine, pids: list[int]) -> Shipped:
    own, peer = End(RedisEngine(link_to(source)), WITH_PEER), End(peer_engine, THERE)
    link, tally = Link(own, peer), Tally()
    shipper = Shipper(link, Repair(link, tally), tally, SystemClock())
    await own.engine.open(own.space)
    await peer.engine.open(peer.space)
    await _ship(shipper)
    namespace = EngineNamespace(own.engine, own.space)
    await write_all(sessions(count), lambda key, value: namespace.put(key, value, TTL))
    before, began = [cpu_ns(pid) for pid in pids], time.perf_counter()
    carried = await _ship(shipper)
    seconds = time.perf_counter() - began
    spent = [(cpu_ns(pid) - then) / 1e3 / carried for pid, then in zip(pids, before, strict=True)]
    await own.engine.close()
    await peer.engine.close()
    return Shipped(carried / seconds, *spent)


async def _ship(shipper: Shipper) -> int:
    """Until nothing is left."""
    total = 0
    while carried := await shipper.step():
        total += carried
    return total


@contextlib.contextmanager
def peer_edge(cpu: int, redis_port: int) -> Iterator[tuple[Engine, int]]:
    """The engine behind it, and its process."""
    [port] = free_ports(1)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        make_certificate(folder)
        files = CertificateFiles(folder / "certificate.pem", folder / "key.pem")
        words = [str(redis_port), str(port), str(files.certificate), str(files.key), HOSTNAME]
        with running("peer", [sys.executable, str(PEER), *words], cpu, folder, [port]) as it:
            tls = peer_context(files, files.certificate)
            yield RemoteEngine(RemoteLink(RemotePlace((Door(HOSTNAME, "127.0.0.1", port),), tls, PATIENCE))), it.pid
