"""The command `scripts/compliance`. Exit: 0 all passed, 1 steer fails a check, 2 cannot, 3 a suite was skipped."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.processes import CannotStart
from bench.proxies import Missing
from bench.tools import Tools, cache_folder
from compliance.render import render
from compliance.report import Report
from compliance.run import run
from compliance.suites import Suite, autobahn, clients, grpc_calls, sessions, slow, tls

MODULES = (autobahn, slow, tls, grpc_calls, clients, sessions)
SUITES: Mapping[str, Suite] = {module.SUITE.name: module.SUITE for module in MODULES}
RESULTS = Path(__file__).parent / "results"


def options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/compliance",
        description="Other people's suites against steer, beside HAProxy and the backend alone: docs/compliance.md",
        epilog="exit status: 0 all passed; 1 steer fails a check; 2 it could not run; 3 a suite was skipped",
    )
    parser.add_argument("suites", nargs="*", metavar="NAME", help=f"{', '.join(SUITES)} (all of them)")
    parser.add_argument("--cache", type=Path, default=cache_folder(), help="where tools are installed (%(default)s)")
    parser.add_argument("--out", type=Path, help="folder for JSON and table (compliance/results, if all run)")
    chosen = parser.parse_args(argv)
    unknown = [name for name in chosen.suites if name not in SUITES]
    if unknown:
        parser.error(f"there is no suite {', '.join(unknown)}; the suites are {', '.join(SUITES)}")
    return chosen


def write(report: Report, folder: Path) -> Path:
    """The JSON, named by date and commit, and the table beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{report.started[:16].replace(':', '')}Z-{report.commit}.json"
    path.write_text(report.model_dump_json(indent=1) + "\n")
    (folder / "README.md").write_text(render(report))
    return path


def status(report: Report) -> int:
    if report.failed:
        return 1
    return 3 if report.skipped else 0


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(argv: Sequence[str]) -> int:
    chosen = options(argv)
    # As Ctrl-C does: the way out ends all processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    names = chosen.suites or list(SUITES)
    try:
        report = run([SUITES[name] for name in names], Tools(chosen.cache, say), say)
    except (Missing, CannotStart) as error:
        say(f"scripts/compliance: {error}")
        return 2
    except KeyboardInterrupt:
        return 130
    print(render(report), end="")
    folder = chosen.out or (None if chosen.suites else RESULTS)
    if folder is not None:
        say(f"written: {write(report, folder)}")
    return status(report)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
