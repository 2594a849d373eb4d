"""The command `scripts/chaos`. Exit: 0 all promises held (controls: all were found out), 1 not so, 2 it cannot run."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from chaos.engines import CannotStart
from chaos.profiles import CONTROLS, FAULTS_OF, control_plan, plan
from chaos.render import render, summary
from chaos.report import Report, report
from chaos.rig import run
from chaos.settings import Control


def options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/chaos",
        description="Breaks the session store on purpose, under load, and checks what it promised: docs/chaos.md",
        epilog="exit status: 0 every promise held, and each control was found out; 1 not so; 2 it could not run",
    )
    parser.add_argument("--minutes", type=float, default=1.0, help="length of a run (%(default)g)")
    parser.add_argument("--seed", type=int, default=1, help="makes the schedule, and makes it again (%(default)s)")
    parser.add_argument("--runs", type=int, default=1, help="so many, each with the next seed (%(default)s)")
    parser.add_argument("--profile", choices=FAULTS_OF, default="loss", help="loss: a site may be lost (%(default)s)")
    parser.add_argument("--engines", choices=("standalone", "sentinel"), default="standalone", help="(%(default)s)")
    parser.add_argument(
        "--through",
        choices=("sites", "edges"),
        default="sites",
        help="what is killed and asked: store processes of the rig, or real edges (%(default)s)",
    )
    parser.add_argument(
        "--replication",
        choices=("straight", "bind"),
        default="straight",
        help="bind: through edges, with TLS (%(default)s)",
    )
    parser.add_argument("--control", choices=[*CONTROLS, "all"], help="a store that must be found broken, or all")
    parser.add_argument("--out", type=Path, help="folder for reports, histories and logs (else kept only of a breach)")
    chosen = parser.parse_args(argv)
    if chosen.minutes <= 0 or chosen.runs < 1:
        parser.error("--minutes is over 0, --runs at least 1")
    if chosen.control and chosen.through == "edges":
        parser.error("--control takes a guard out of the store, and an edge has no switch for that: without --through")
    if chosen.replication == "bind" and chosen.through != "edges":
        parser.error("--replication bind is between edges: with --through edges")
    return chosen


def one_run(chosen: argparse.Namespace, seed: int, folder: Path) -> Report:
    wanted, left_out = plan(seed, 60 * chosen.minutes, chosen.profile, chosen.engines, chosen.through)
    wanted = replace(wanted, replication=chosen.replication)
    return report(asyncio.run(run(wanted, folder, say)), chosen.profile, left_out)


def one_control(name: Control, seed: int, folder: Path) -> Report:
    return report(asyncio.run(run(control_plan(seed, name), folder, say)), "", [])


def runs(chosen: argparse.Namespace, folder: Path) -> list[Report]:
    """As many as were asked for; each is shown as soon as it is over."""
    reports = []
    for seed in range(chosen.seed, chosen.seed + chosen.runs):
        own = folder / f"seed-{seed}"
        reports.append(shown(one_run(chosen, seed, own), own))
    return reports


def controls(chosen: argparse.Namespace, folder: Path) -> list[Report]:
    names = [name for name in CONTROLS if chosen.control in (name, "all")]
    return [shown(one_control(name, chosen.seed, folder / name), folder / name) for name in names]


def shown(it: Report, folder: Path) -> Report:
    (folder / "report.json").write_text(it.model_dump_json(indent=1) + "\n")
    print(render(it))
    return it


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(argv: Sequence[str]) -> int:
    chosen = options(argv)
    # As Ctrl-C does: the way out ends all processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = chosen.out.resolve() if chosen.out else Path(tempfile.mkdtemp(prefix="steer-chaos-"))
    is_kept = True
    try:
        reports = controls(chosen, folder) if chosen.control else runs(chosen, folder)
        is_kept = chosen.out is not None or not all(each.holds for each in reports)
    except CannotStart as error:
        say(f"scripts/chaos: {error}")
        return 2
    except KeyboardInterrupt:
        return 130
    finally:
        if is_kept:
            say(f"reports, histories and logs: {folder}")
        else:
            shutil.rmtree(folder)
    if len(reports) > 1:
        print(summary(reports))
    return int(any(each.holds for each in reports) if chosen.control else not all(each.holds for each in reports))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
