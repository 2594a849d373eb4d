"""The command `scripts/bench`: what was asked for, the run, where its report goes. Exit: 0 done, 1 broken, 2 cannot."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.processes import CannotStart
from bench.proxies import KINDS, Missing
from bench.render import render
from bench.report import Method, Report
from bench.run import Plan, run
from bench.scenarios import BY_NAME, SCENARIOS

RESULTS = Path(__file__).parent / "results"


def options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures steer beside nginx, HAProxy and Envoy in one run. The method: bench/README.md",
        epilog="example: scripts/bench --scenario tls-12 --rounds 9",
    )
    parser.add_argument("--quick", action="store_true", help="one round of 1 s: does it work? The numbers mean nothing")
    parser.add_argument("--scenario", action="append", choices=BY_NAME, metavar="NAME", help=", ".join(BY_NAME))
    parser.add_argument(
        "--proxies", default=",".join(KINDS), help="the first is compared with the others (%(default)s)"
    )
    parser.add_argument("--rounds", type=int, help="samples of each proxy in each scenario (5)")
    parser.add_argument("--seconds", type=int, help="length of a sample, whole seconds (5)")
    parser.add_argument("--out", type=Path, help="folder for the JSON and the table (bench/results; none with --quick)")
    return parser.parse_args(argv)


def plan(chosen: argparse.Namespace) -> Plan:
    """The run that was asked for. Raises ValueError for what cannot be run, with what to do."""
    names = tuple(chosen.proxies.split(","))
    unknown = [name for name in names if name not in KINDS]
    if unknown or len(set(names)) < len(names):
        raise ValueError(f"--proxies takes each of {','.join(KINDS)} at most once, got {chosen.proxies}")
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise ValueError("two CPUs are needed, one for the proxies and one for load and backend: there is one")
    usual = 1 if chosen.quick else 5
    method = Method(
        proxies=names,
        rounds=at_least_one("--rounds", usual if chosen.rounds is None else chosen.rounds),
        seconds=at_least_one("--seconds", usual if chosen.seconds is None else chosen.seconds),
        warm_up_seconds=0 if chosen.quick else 1,
        proxy_cpu=cpus[0],
        load_cpu=cpus[1],
    )
    scenarios = tuple(BY_NAME[name] for name in chosen.scenario) if chosen.scenario else SCENARIOS
    return Plan(scenarios, method)


def at_least_one(option: str, value: int) -> int:
    if value < 1:
        raise ValueError(f"{option} must be 1 or more, got {value}")
    return value


def write(report: Report, folder: Path) -> Path:
    """The JSON, named by date and commit, and the table beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    moment = report.started[:16].replace(":", "")
    path = folder / f"{moment}Z-{report.commit}.json"
    path.write_text(report.model_dump_json(indent=1) + "\n")
    (folder / "README.md").write_text(render(report))
    return path


def main(argv: Sequence[str]) -> int:
    chosen = options(argv)
    # As Ctrl-C does: the way out ends all processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        wanted = plan(chosen)
        # We wait most of the time, but not on the proxies' CPU.
        os.sched_setaffinity(0, {wanted.method.load_cpu})
        report = run(wanted, lambda line: print(line, file=sys.stderr, flush=True))
    except (ValueError, Missing, CannotStart) as error:
        print(f"scripts/bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(render(report), end="")
    folder = chosen.out or (None if chosen.quick else RESULTS)
    if folder is not None:
        print(f"written: {write(report, folder)}", file=sys.stderr)
    return 0 if report.is_whole else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
