"""See the package. Exit: 0 all that must be is, 1 something is not, 2 cannot run."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import uvloop

from bench.loads import LoadFailed
from bench.machine import commit, machine, versions_of
from bench.meter import ProcessEnded
from bench.processes import CannotStart
from bench.proxies import Missing
from bench.ratios import turns
from bench.store.engines import SESSIONS, memory
from bench.store.loads import LOADS, PACE, Load, Sample, sample
from bench.store.places import PLACES, Place, place
from bench.store.report import Report, Result, render
from bench.store.shipping import shipping, shipping_through_an_edge

RESULTS = Path(__file__).parents[1] / "results" / "store"


def options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.store", description="The session store beside a Redis.")
    parser.add_argument("--rounds", type=int, default=3, help="samples of each load on each place (%(default)s)")
    parser.add_argument("--commands", type=int, default=40_000, help="of a pipelined sample (%(default)s)")
    parser.add_argument("--places", default=",".join(PLACES), help="%(default)s")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for JSON and table (%(default)s)")
    return parser.parse_args(argv)


def commands_of(load: Load, most: int) -> int:
    """Single ones take four times as long, paced ones as long as they are told."""
    return {0: min(most // 8, 5 * PACE), 1: most // 4}.get(load.pipeline, most)


def measure(places: Sequence[str], rounds: int, most: int, cpus: tuple[int, int]) -> list[Result]:
    """Every load, round after round, on all places in turn."""
    samples: dict[tuple[str, str], list[Sample]] = {}
    broken: dict[tuple[str, str], str] = {}
    with ExitStack() as stack:
        running = {name: stack.enter_context(place(name, *cpus)) for name in places}
        for each in running.values():
            sample(each, LOADS[0], most // 4, cpus[1])
        for load in LOADS:
            for order in turns(places, rounds):
                for name in order:
                    _once(running[name], load, commands_of(load, most), cpus[1], samples, broken)
    return [
        Result(
            load=load.name,
            place=name,
            samples=tuple(samples.get((load.name, name), ())),
            broken=broken.get((load.name, name), ""),
        )
        for load in LOADS
        for name in places
    ]


def _once(
    where: Place,
    load: Load,
    commands: int,
    cpu: int,
    samples: dict[tuple[str, str], list[Sample]],
    broken: dict[tuple[str, str], str],
) -> None:
    key = (load.name, where.name)
    try:
        samples.setdefault(key, []).append(sample(where, load, commands, cpu))
    except LoadFailed as failure:
        broken[key] = " ".join(str(failure).split())


def run(chosen: argparse.Namespace) -> Report:
    first, second, *_ = sorted(os.sched_getaffinity(0))
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    before = os.getloadavg()[0]
    results = measure(chosen.places.split(","), chosen.rounds, chosen.commands, (first, second))
    sessions = min(SESSIONS, chosen.commands)
    os.sched_setaffinity(0, {first})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(memory(second, sessions))
        shipped = runner.run(shipping(second, sessions))
        through = runner.run(shipping_through_an_edge(second, sessions))
    name, changed = commit()
    return Report(
        started=started,
        commit=name,
        changed=changed,
        machine=machine(),
        versions=versions_of(("steer",)),
        rounds=chosen.rounds,
        busy=(before, os.getloadavg()[0]),
        results=tuple(results),
        memory=found,
        shipped=shipped,
        shipped_through_an_edge=through,
    )


def main(argv: Sequence[str]) -> int:
    chosen = options(argv)
    before = os.sched_getaffinity(0)
    try:
        report = run(chosen)
    except (CannotStart, Missing, ProcessEnded, LoadFailed, ValueError) as error:
        print(f"bench.store: {error}", file=sys.stderr)
        return 2
    finally:
        os.sched_setaffinity(0, before)
    chosen.out.mkdir(parents=True, exist_ok=True)
    moment = report.started[:16].replace(":", "")
    (chosen.out / f"{moment}Z-{report.commit}.json").write_text(report.model_dump_json(indent=1) + "\n")
    text = render(report)
    (chosen.out / "README.md").write_text(text)
    print(text, end="")
    return 1 if "**missed**" in text or any(each.broken for each in report.results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
