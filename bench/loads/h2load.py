"""h2load: HTTP/2, and HTTP/1.1 at a fixed rate.

At a fixed rate the time of a request counts from when it was due, not from when the load came to send it: who stalls
makes others late, which the load sends after the stall, and pays for all of them (Tene's "coordinated omission").
h2load writes down when each request began and how long it took; when it was due follows from the rate.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from statistics import median

from bench.certificate import HOSTNAME
from bench.loads import LoadFailed, Seen
from bench.loads.client import percentile
from bench.processes import run_to_end
from bench.proxies import program

FIELDS = (
    "user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "accept-language: en-NZ,en;q=0.9,mi;q=0.8",
    "accept-encoding: gzip, deflate, br, zstd",
    "referer: https://www.agency.example/services/passports/renew?step=2",
    "cookie: theme=dark; consent=1; session=0123456789abcdef0123456789ab",
    "cache-control: no-cache",
    "upgrade-insecure-requests: 1",
    "sec-fetch-site: same-origin",
    "sec-fetch-mode: navigate",
    "sec-fetch-dest: document",
)
"""With Host (or :authority) the 12 of a browser. All requests are the same: h2load cannot change one field."""
KEPT_UP = 0.97
"""Less of the rate than this, and there is no p99 of that rate."""
SPARE_S = 2
"""A paced load runs for so much longer: its beginning, with hundreds of handshakes in it, does not count."""
FASTEST = 100
"""Requests a second on one connection: h2load looks at its clock every 10 ms, and beyond that would send in bunches."""

_COUNTS = re.compile(r"^requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout$", re.M)
_CODES = re.compile(r"^status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx$", re.M)

Record = tuple[int, int]
"""When a request began, and how long it took; microseconds."""


def run_streams(port: int, seconds: int, cpu: int, connections: int, at_once: int) -> Seen:
    """HTTP/2 as fast as it goes. Raises LoadFailed for any answer that is not 2xx."""
    options = [f"--max-concurrent-streams={at_once}", "--npn-list=h2"]
    records = _run(port, seconds, cpu, connections, options)
    return _seen(records, [took for _, took in records])


def run_paced(port: int, seconds: int, cpu: int, connections: int, rate: int) -> Seen:
    """HTTP/1.1 at `rate` requests a second over all connections; 0: as fast as it goes. Raises LoadFailed."""
    options = ["--h1", f"--rps={rate // connections}"] if rate else ["--h1"]
    records = _run(port, seconds + SPARE_S, cpu, connections, options)
    first = records[0][0] + SPARE_S * 1_000_000
    counted = [record for record in records if record[0] >= first]
    if rate:
        return paced(counted, rate, connections)
    return _seen(counted, [took for _, took in counted])


def _run(port: int, seconds: int, cpu: int, connections: int, options: list[str]) -> list[Record]:
    """Every request of a load, in the order in which they began."""
    with tempfile.TemporaryDirectory(prefix="steer-bench-", dir=_memory()) as folder:
        log = Path(folder) / "log"
        fields = [word for field in FIELDS for word in ("-H", field)]
        argv = [program("h2load"), "-t", "1", "-c", str(connections), "-D", str(seconds), f"--log-file={log}"]
        target = f"https://{HOSTNAME}:{port}/1k"
        ended = run_to_end([*argv, *options, *fields, target], cpu, Path(folder), timeout_s=seconds + 30)
        if ended.status != 0:
            raise LoadFailed(f"h2load: {ended.last_line}")
        check(ended.output)
        return sorted(parse(log.read_text()))


def _memory() -> str | None:
    """Its log is written in memory, so that no disk takes part."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def check(output: str) -> None:
    """Raises LoadFailed unless every request was answered, with 2xx."""
    counts, codes = _COUNTS.search(output), _CODES.search(output)
    if counts is None or codes is None:
        raise LoadFailed(f"h2load gave no result: {output.strip()[-200:]!r}")
    troubles = [
        f"{number} {name}" for name, number in zip(("failed", "errored", "timeout"), counts.groups()[1:], strict=True)
    ]
    troubles += [f"{number} {name}" for name, number in zip(("3xx", "4xx", "5xx"), codes.groups()[1:], strict=True)]
    troubles = [trouble for trouble in troubles if not trouble.startswith("0 ")]
    if troubles:
        raise LoadFailed(f"h2load saw {', '.join(troubles)}")


def parse(log: str) -> list[Record]:
    """Lines of start in microseconds, status, duration in microseconds."""
    records = [line.split("\t") for line in log.splitlines()]
    if not records:
        raise LoadFailed("h2load saw no answer at all")
    return [(int(start), int(took)) for start, _, took in records]


def paced(records: list[Record], rate: int, connections: int) -> Seen:
    """Times from when each request was due. Raises LoadFailed when the proxy did not keep up.

    Each connection has its turn once in a period, always at the same moment of it: so of the requests that hold the
    same place in their periods the median one was on time, and those that begin later against the clock are late.
    """
    first = records[0][0] if records else 0
    if len(records) < 3 * connections:
        raise LoadFailed(f"{len(records)} requests over {connections} connections are too few to speak of a rate")
    reached = (len(records) - 1) / ((records[-1][0] - first) / 1e6)
    if reached < KEPT_UP * rate:
        raise LoadFailed(f"{reached:,.0f} requests/s were served, {rate:,} were due")
    behind = [start - first - number * 1e6 / rate for number, (start, _) in enumerate(records)]
    on_time = [median(behind[place::connections]) for place in range(connections)]
    times = [
        max(0.0, behind[number] - on_time[number % connections]) + took for number, (_, took) in enumerate(records)
    ]
    return _seen(records, times)


def _seen(records: list[Record], times: list[float] | list[int]) -> Seen:
    ordered = sorted(float(each) for each in times)
    seconds = max(start + took for start, took in records) - records[0][0]
    return Seen(len(records), seconds / 1e6, percentile(ordered, 50) / 1e3, percentile(ordered, 99) / 1e3)
