"""One sample: a load on one proxy, and what the proxy's processes used meanwhile."""

from __future__ import annotations

import time
from typing import assert_never

from bench.loads import Seen
from bench.loads.client import Job
from bench.loads.h2load import run_paced, run_streams
from bench.loads.own import holding, run_client, run_sockets
from bench.loads.wrk import run_wrk
from bench.meter import cpu_times, tree_cpu_ns, tree_pss_kib, used_ns
from bench.proxies import Proxy, Site, proxy
from bench.report import Sample
from bench.scenarios import Connections, Idle, Messages, Paced, Requests, Scenario, Streams, Transfers

MIB = 1 << 20
WARMING_REQUESTS = 200
"""Before the memory is read for the first time: code loaded, buffers and pools as in use."""
CALM_S = 5.0
"""Longest wait for memory to stop moving."""


def take_sample(site: Site, target: Proxy, scenario: Scenario, seconds: int) -> Sample:
    """CPU of `target` under the scenario's load. Raises LoadFailed, ProcessEnded."""
    assert not isinstance(scenario.load, Idle)
    target.forget_logs()
    cpu_before, tree_before, began = cpu_times(site.proxy_cpu), tree_cpu_ns(target.pid), time.monotonic()
    seen = run_load(site, target, scenario.load, seconds)
    cpu_after, tree_after, wall = cpu_times(site.proxy_cpu), tree_cpu_ns(target.pid), time.monotonic() - began
    used = used_ns(tree_before, tree_after)
    return Sample(
        cost=cost(scenario, used, seen),
        operations=seen.operations,
        per_second=seen.operations / seen.seconds,
        p50_ms=seen.p50_ms,
        p99_ms=seen.p99_ms,
        busy=used / 1e9 / wall,
        stolen=(cpu_after.stolen - cpu_before.stolen) / wall,
        others=max(0.0, cpu_after.programs - cpu_before.programs - used / 1e9) / wall,
    )


def run_load(
    site: Site, target: Proxy, load: Requests | Streams | Messages | Paced | Connections | Transfers, seconds: int
) -> Seen:
    """The load for `seconds`, from the load's CPU."""
    cpu = site.load_cpu
    match load:
        case Requests(heads, tls):
            return run_wrk(target.tls if tls else target.plain, seconds, cpu, tls=tls, heads=heads)
        case Streams(connections, at_once):
            return run_streams(target.tls, seconds, cpu, connections, at_once)
        case Messages(sockets, size):
            return run_sockets(target.tls, seconds, cpu, sockets, size)
        case Paced(rate=rate, connections=connections):
            return run_paced(target.tls, seconds, cpu, connections, rate)
        case Connections(resumed=True):
            return run_wrk(target.tls, seconds, cpu, tls=True, heads="bare", close=True)
        case Connections(at_once=at_once):
            return run_client(Job("full", target.tls, at_once, seconds), cpu)
        case Transfers(up, mib, at_once):
            return run_client(transfer_job(target.tls, up, mib, at_once, seconds), cpu)
        case _:
            assert_never(load)


def transfer_job(port: int, up: bool, mib: int, at_once: int, seconds: int) -> Job:
    if up:
        return Job("up", port, at_once, seconds, path="/uploads/body", size=mib * MIB)
    return Job("down", port, at_once, seconds, path=f"/{mib}m")


def check_resumption(site: Site, target: Proxy) -> None:
    """Raises LoadFailed unless a ticket of one connection resumes on the next: wrk would not tell."""
    run_client(Job("resumed", target.tls, at_once=1), site.load_cpu)


def cost(scenario: Scenario, used: int, seen: Seen) -> float:
    """In the scenario's unit, from CPU nanoseconds and what the load saw."""
    match scenario.load:
        case Transfers(mib=mib):
            return used / 1e6 / (seen.operations * mib / 1024)
        case Paced():
            return seen.p99_ms
        case _:
            return used / 1e3 / seen.operations


def top_rate(site: Site, load: Paced, seconds: int) -> float:
    """Requests a second that nginx, freshly started, serves to as many connections as fast as it can."""
    with proxy(site, "nginx") as fresh:
        seen = run_paced(fresh.tls, seconds, site.load_cpu, load.connections, rate=0)
    return seen.operations / seen.seconds


def take_memory_sample(site: Site, name: str, load: Idle) -> Sample:
    """Growth of a fresh proxy's memory, for each idle connection. Raises LoadFailed, ProcessEnded."""
    with proxy(site, name) as fresh:
        with holding(Job("hold", fresh.tls, WARMING_REQUESTS), site.load_cpu):
            pass
        before = settled_pss_kib(fresh.pid)
        with holding(Job("hold", fresh.tls, load.connections), site.load_cpu):
            grown = settled_pss_kib(fresh.pid) - before
    return Sample(cost=grown / load.connections, operations=load.connections)


def settled_pss_kib(pid: int) -> int:
    """Memory once two readings, half a second apart, are within 1 %, or after `CALM_S`."""
    deadline = time.monotonic() + CALM_S
    last, now = -1, tree_pss_kib(pid)
    while abs(now - last) > now / 100 and time.monotonic() < deadline:
        time.sleep(0.5)
        last, now = now, tree_pss_kib(pid)
    return now
