"""See the package. Exit: 0 all is as it must be, 1 something is not, 2 cannot run."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from bench.machine import commit, machine
from bench.meter import ProcessEnded, tree_pss_kib
from bench.overload.edge import Edge, edge
from bench.overload.floods import KINDS
from bench.overload.good import Measured, good_traffic
from bench.processes import CannotStart

RESULTS = Path(__file__).parents[1] / "results" / "overload"
RATE = 100
"""Good requests a second."""
MOST_TIMES = 4.0
MOST_MIB = 50.0
SETTLE_S = 1.0
"""Between two floods, so that what the first one left behind has ended."""


@dataclass(frozen=True, slots=True)
class Result:
    """Milliseconds and MiB. `flood`: what became of its connections; `refused`: what steer says of it.

    `load`: the machine's, of the minute before. More than 1 or so is others' work, and times say little then.
    """

    kind: str
    load: float
    quiet_p99: float
    p50: float
    p99: float
    slowest: float
    asked: int
    failed: int
    growth: float
    flood: dict[str, int]
    refused: dict[str, int]
    failures: dict[str, int]

    @property
    def times(self) -> float:
        return self.p99 / self.quiet_p99

    @property
    def is_fine(self) -> bool:
        return self.times < MOST_TIMES and self.growth < MOST_MIB and not self.failed


def options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.overload", description="Good traffic beside floods.")
    parser.add_argument("--seconds", type=int, default=10, help="of each flood (%(default)s)")
    parser.add_argument("--kind", action="append", choices=KINDS, metavar="NAME", help=", ".join(KINDS))
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for JSON and table (%(default)s)")
    return parser.parse_args(argv)


def good(port: int, seconds: float) -> Measured:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(good_traffic(port, seconds, RATE))


def refused(found: Edge) -> Counter[str]:
    """What steer says that it refused so far."""
    token = (found.folder / "state" / "local-token").read_text().strip()
    address = f"http://127.0.0.1:{found.admin}/api/v1/status"
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=20) as response:
        return Counter(json.load(response)["overload"]["refused"])


class Peak:
    """The most memory that the edge has while the block runs, in KiB."""

    def __init__(self, pid: int) -> None:
        self.before = self.most = tree_pss_kib(pid)
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            self.most = max(self.most, tree_pss_kib(self._pid))


def measure(kind: str, seconds: int) -> Result:
    """On a fresh edge: what one flood leaves behind must not count for the next."""
    load = round(os.getloadavg()[0], 1)
    with edge(1, "0", 1) as found:
        good(found.tls, 1.0)
        quiet = good(found.tls, max(3.0, seconds / 2))
        words = [sys.executable, "-m", "bench.overload.floods", kind, str(found.plain), str(found.tls)]
        with Peak(found.pid) as peak:
            flood = subprocess.Popen([*words, str(seconds + 1)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            time.sleep(1.0)
            beside = good(found.tls, seconds)
            told, _ = flood.communicate(timeout=60)
        time.sleep(SETTLE_S)
        return Result(
            kind=kind,
            load=load,
            quiet_p99=round(quiet.quantile_ms(0.99), 2),
            p50=round(beside.quantile_ms(0.5), 2),
            p99=round(beside.quantile_ms(0.99), 2),
            slowest=round(beside.quantile_ms(1.0), 2),
            asked=len(beside.times) + len(beside.failures),
            failed=len(beside.failures),
            growth=round((peak.most - peak.before) / 1024, 1),
            flood=json.loads(told or "{}"),
            refused=dict(refused(found)),
            failures=dict(Counter(beside.failures)),
        )


def row(result: Result) -> str:
    flood = ", ".join(f"{n} {what}" for what, n in result.flood.items())
    said = ", ".join(f"{n} {what}" for what, n in result.refused.items())
    numbers = (
        f"{result.load} | {result.quiet_p99} | {result.p50} | {result.p99} | {result.times:.1f} | {result.slowest}"
    )
    verdict = "yes" if result.is_fine else "**no**"
    return (
        f"| {result.kind} | {numbers} | {result.failed} of {result.asked} | {result.growth} | {verdict} "
        f"| {flood} | {said} |"
    )


TITLE = (
    "| flood | load before | quiet p99, ms | p50 | p99 | times quiet | slowest | failed | growth, MiB | met "
    "| flood's connections | steer refused |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def table(results: Sequence[Result], seconds: int) -> str:
    name, changed = commit()
    text = "; ".join(f"{key}: {value}" for key, value in machine().items())
    return "\n".join(
        (
            "# steer under floods",
            "",
            f"{seconds} s of each flood beside {RATE} good requests/s, one worker. Commit {name}"
            f"{' with changes' if changed else ''}. {text}. Method: the docstring of `bench/overload`.",
            "",
            f"It must be: p99 under {MOST_TIMES:g} times its quiet value, growth under {MOST_MIB:g} MiB, none failed.",
            "",
            TITLE,
            *map(row, results),
            "",
        )
    )


def main(argv: Sequence[str]) -> int:
    chosen = options(argv)
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    print(TITLE)
    results = []
    try:
        for kind in chosen.kind or KINDS:
            results.append(measure(kind, chosen.seconds))
            print(row(results[-1]), flush=True)
    except (CannotStart, ProcessEnded) as error:
        print(f"bench.overload: {error}", file=sys.stderr)
        return 2
    finally:
        os.sched_setaffinity(0, before)
    chosen.out.mkdir(parents=True, exist_ok=True)
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    report = {"started": started, "commit": commit()[0], "machine": machine(), "seconds": chosen.seconds}
    report["results"] = [asdict(result) for result in results]
    (chosen.out / f"{started[:16].replace(':', '')}Z-{commit()[0]}.json").write_text(
        json.dumps(report, indent=1) + "\n"
    )
    (chosen.out / "README.md").write_text(table(results, chosen.seconds))
    return 0 if all(result.is_fine for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
