"""Micro benchmarks, without sockets: nanoseconds of CPU for each call of what every request goes through.

    python -m bench.micro [NAME ...]

Each case is called in batches of about `BATCH_S`; the median and the least of `BATCHES` are printed, since noise only
adds. The heads differ from call to call as the scenarios' do. Good for a change's before and after on one machine; what
a request costs is the business of `scripts/bench`.
"""

from __future__ import annotations

import gc
import itertools
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import median

from steer.proxy.http.forwarding import Forwarding, render_request, render_response
from steer.proxy.http.head import RequestHead, ResponseHead, read_request, read_response
from steer.steering.choose import Load, choose
from steer.steering.hosts import HostEntry
from steer.steering.model import (
    NOWHERE,
    Affinity,
    Area,
    Bound,
    FieldTest,
    Group,
    Node,
    Place,
    Pool,
    Route,
    Rule,
    Service,
    Topology,
    When,
)
from steer.steering.snapshot import Snapshot
from steer.steering.tables import Tables

BATCHES = 15
BATCH_S = 0.02
NOW = 1000.0
HOST = b"www.agency.example"
REQUEST_ID = b"0123456789abcdef0123456789abcdef"

BROWSER = b"\r\n".join(
    [
        b"GET /services/passports?page=%d HTTP/1.1",
        b"Host: " + HOST,
        b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:%d.0) Gecko/20100101 Firefox/%d.0",
        b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
        b"Accept-Language: en-NZ,en;q=0.7,mi;q=0.3",
        b"Accept-Encoding: gzip, deflate, br, zstd",
        b"Referer: https://www.agency.example/services/passports/renew?step=%d",
        b"Cookie: theme=dark; consent=1; session=%016x",
        b"Cache-Control: no-cache",
        b"Upgrade-Insecure-Requests: 1",
        b"Sec-Fetch-Site: same-origin",
        b"Sec-Fetch-Mode: navigate",
        b"Sec-Fetch-Dest: document",
    ]
)
RESPONSE = b"\r\n".join(
    [
        b"HTTP/1.1 200 OK",
        b"Server: nginx",
        b"Date: Fri, 02 Jan 2026 03:04:05 GMT",
        b"Content-Type: text/html; charset=utf-8",
        b"Content-Length: 1024",
        b"Last-Modified: Fri, 02 Jan 2026 00:00:00 GMT",
        b"Connection: keep-alive",
        b'ETag: "%08x-400"',
        b"Accept-Ranges: bytes",
    ]
)
HEADS = 20_000
"""Different heads that are made before the clock runs, and taken in turns: more than any memory of lines holds."""


@dataclass(frozen=True, slots=True)
class Result:
    """Nanoseconds of CPU for each call."""

    name: str
    median: float
    least: float


@dataclass(frozen=True, slots=True)
class Request:
    """The facts of a request, as steering asks for them."""

    entry: HostEntry
    pool: str = "web"
    client: str = "192.0.2.1"
    path: str = "/services/passports"
    retriable: bool = True
    idempotent: bool = True
    place: Place = NOWHERE
    bound: Bound | None = None
    key: str = ""

    def field(self, name: str) -> str | None:
        return None

    cookie = field


def one_field() -> Iterator[bytes]:
    """The least that a client may send."""
    return itertools.repeat(b"GET /1k HTTP/1.1\r\nHost: " + HOST)


def one_differs() -> Iterator[bytes]:
    """12 fields of one browser, with another cookie each time."""
    return itertools.cycle([BROWSER % (1, 128, 128, 2, number) for number in range(HEADS)])


def many_clients() -> Iterator[bytes]:
    """12 fields of many browsers: target, referrer and cookie do not repeat."""
    numbers = range(HEADS)
    return itertools.cycle([BROWSER % (each, each % 500, each % 500, each, each) for each in numbers])


def reading(heads: Iterator[bytes]) -> Callable[[], object]:
    """Bytes in, a valid head out."""
    return lambda: read_request(next(heads))


def rewriting(heads: Iterator[bytes]) -> Callable[[], object]:
    """Bytes in, the bytes for the node out."""
    forwarding = Forwarding("192.0.2.1", "https", b"steer-bench")

    def rewrite() -> bytes:
        head = read_request(next(heads))
        assert isinstance(head, RequestHead)
        return render_request(head, head.authority, forwarding.lines(head.authority, head.http10), REQUEST_ID)

    return rewrite


def answering() -> Callable[[], object]:
    """A node's head in, the bytes for the client out; the ETag differs each time."""
    heads = itertools.cycle([RESPONSE % number for number in range(HEADS)])

    def answer() -> bytes:
        head = read_response(next(heads))
        assert isinstance(head, ResponseHead)
        return render_response(head, REQUEST_ID, b"steer-bench", b"")

    return answer


def choosing(nodes_each: int) -> Callable[[], object]:
    """The verdict for a request: two datacentres with so many nodes each, all serving, weights 50 and 50."""
    topology = two_datacentres(nodes_each)
    tables = Tables(topology, Snapshot(), NOW)
    entry = tables.host(HOST.decode())
    assert entry is not None
    facts, load, dice = Request(entry), Load(len(topology.nodes)), random.Random(1)
    return lambda: choose(tables, facts, load, NOW, dice)


CANARY = Rule("canary", When(regions=(Area(countries=frozenset({"US"})),)), {"wellington": 90, "auckland": 10})
BETA = Rule("beta", When(field=FieldTest("x-beta", equals="1"), paths=("/beta",)), {"auckland": 1})
NEAR = Rule("near", When(area=Area(continents=frozenset({"OC"}))), nearest=True)
IN_NEW_ZEALAND = Place("NZ", "WGN", "OC", 64496, (-41.29, 174.78))
IN_CALIFORNIA = Place("US", "CA", "NA", 64497, (37.8, -122.3))


def deciding(*, place: Place = IN_NEW_ZEALAND, bound: Bound | None = None, key: str = "") -> Callable[[], object]:
    """The same with three rules, of which the last one matches (in California the second), and affinity."""
    topology = two_datacentres(8)
    group = replace(topology.groups["website"], rules=(BETA, CANARY, NEAR))
    service = replace(topology.services["www"], affinity=Affinity("cookie", "steer"))
    locations = {"wellington": (-41.29, 174.78), "auckland": (-36.85, 174.76)}
    topology = replace(topology, groups={"website": group}, services={"www": service}, locations=locations)
    tables = Tables(topology, Snapshot(), NOW)
    facts = Request(tables.hosts[HOST.decode()], place=place, bound=bound, key=key)
    load, dice = Load(len(topology.nodes)), random.Random(1)
    return lambda: choose(tables, facts, load, NOW, dice)


def two_datacentres(nodes_each: int) -> Topology:
    places = [place for place in ("wellington", "auckland") for _ in range(nodes_each)]
    nodes = tuple(Node(index, f"web-{index}", "web", place) for index, place in enumerate(places))
    return Topology(
        datacentres=("wellington", "auckland"),
        nodes=nodes,
        pools={"web": Pool("web", nodes)},
        groups={"website": Group("website", {"wellington": 50, "auckland": 50}, ("web",), ("web",))},
        services={"www": Service("www", "website", (HOST.decode(),), (Route("/", "web"),))},
    )


CASES: dict[str, Callable[[], Callable[[], object]]] = {
    "request head read, 1 field": lambda: reading(one_field()),
    "request head read, 12 fields, one differs": lambda: reading(one_differs()),
    "request head read, 12 fields, many clients": lambda: reading(many_clients()),
    "request head read and rewritten, 1 field": lambda: rewriting(one_field()),
    "request head read and rewritten, 12 fields, one differs": lambda: rewriting(one_differs()),
    "request head read and rewritten, 12 fields, many clients": lambda: rewriting(many_clients()),
    "response head read and rewritten, 8 fields, one differs": answering,
    "node chosen, 1 in each of two datacentres": lambda: choosing(1),
    "node chosen, 8 in each of two datacentres": lambda: choosing(8),
    "node chosen, 8 in each, by the nearest of three rules, no affinity yet": deciding,
    "node chosen, 8 in each, by affinity": lambda: deciding(bound=Bound("auckland", "web-12")),
    "node chosen, 8 in each, affinity lost, then by three rules": lambda: deciding(bound=Bound("hamilton", "web-99")),
    "node chosen, 8 in each, by a rule's weights": lambda: deciding(place=IN_CALIFORNIA),
    "node chosen, 8 in each, by a rule's weights and a new key": lambda: deciding(place=IN_CALIFORNIA, key="talk-123"),
}


def measure(name: str, call: Callable[[], object], batches: int = BATCHES, batch_s: float = BATCH_S) -> Result:
    """Calls in batches of about `batch_s` each; the first, which finds their size, warms up."""
    calls = 1
    while (took := _batch_s(call, calls)) < batch_s / 2:
        calls *= 2
    calls = max(1, round(calls * batch_s / took))
    each = [_batch_s(call, calls) / calls * 1e9 for _ in range(batches)]
    return Result(name, median(each), min(each))


def _batch_s(call: Callable[[], object], calls: int) -> float:
    """CPU seconds of so many calls, without the garbage of other cases."""
    numbers = itertools.repeat(None, calls)
    gc.collect()
    gc.disable()
    try:
        began = time.process_time()
        for _ in numbers:
            call()
        return time.process_time() - began
    finally:
        gc.enable()


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in CASES]
    if unknown:
        print(f"no such case: {unknown[0]}. There are:", *CASES, sep="\n  ", file=sys.stderr)
        return 2
    print("| | ns, median | least |\n| --- | --- | --- |")
    for name in names or CASES:
        result = measure(name, CASES[name]())
        print(f"| {result.name} | {result.median:,.0f} | {result.least:,.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
