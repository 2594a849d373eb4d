"""The harness itself: what it refuses, that it measures, and that it leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import options, plan
from bench.meter import process_tree, processes
from bench.proxies import INSTALL, KINDS, Missing, program
from bench.report import Report
from bench.run import takes_part
from bench.scenarios import BY_NAME, SCENARIOS

ROOT = Path(__file__).parents[2]
needs_peers = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2 or not all(map(shutil.which, ("nginx", "haproxy", "wrk", "h2load"))),
    reason=f"needs two CPUs and {INSTALL}",
)


def test_all_scenarios_and_proxies_are_run_unless_some_are_named() -> None:
    everything = plan(options([]))
    assert everything.scenarios == SCENARIOS
    assert everything.proxies == tuple(KINDS)
    few = plan(options(["--scenario", "tls-1", "--scenario", "idle-2000", "--proxies", "nginx,steer", "--rounds", "9"]))
    assert [scenario.name for scenario in few.scenarios] == ["tls-1", "idle-2000"]
    assert few.proxies == ("nginx", "steer")
    assert few.method.rounds == 9


def test_proxies_and_load_have_a_cpu_each() -> None:
    method = plan(options(["--quick"])).method
    assert method.proxy_cpu != method.load_cpu


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (["--proxies", "steer,traefik"], "steer,traefik"),
        (["--proxies", "steer,steer"], "at most once"),
        (["--rounds", "0"], "--rounds must be 1 or more, got 0"),
        (["--seconds", "-3"], "--seconds must be 1 or more, got -3"),
    ],
)
def test_what_cannot_be_run_is_refused_with_a_hint(argv: list[str], hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        plan(options(argv))


def test_one_cpu_is_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {3})
    with pytest.raises(ValueError, match="two CPUs"):
        plan(options([]))


def test_a_program_that_is_missing_is_named_with_the_way_to_install_it() -> None:
    with pytest.raises(Missing, match=f"no-such-program is not installed: {INSTALL}"):
        program("no-such-program")


def test_the_tuned_nginx_takes_part_in_downloads_only() -> None:
    names = [name for name, scenario in BY_NAME.items() if takes_part("nginx-tuned", scenario)]
    assert names == ["download-1m", "download-64m"]


def bench(*argv: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench", *argv]
    pipe = subprocess.PIPE
    # A session of its own, as a terminal gives it, so that the signal below is for nobody else.
    return subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def folders() -> set[Path]:
    return {path for place in (Path("/dev/shm"), Path("/tmp")) for path in place.glob("steer-bench-*")}


@needs_peers
def test_a_quick_run_measures_the_peers_against_each_other_and_leaves_nothing(tmp_path: Path) -> None:
    before = folders()
    scenarios = [word for name in ("tls-12", "handshake-full", "upload-8m") for word in ("--scenario", name)]
    with bench("--quick", "--proxies", "nginx,haproxy", *scenarios, "--out", str(tmp_path)) as run:
        page, said = run.communicate(timeout=60)
    assert run.returncode == 0, said
    (written,) = tmp_path.glob("*.json")
    report = Report.model_validate_json(written.read_text())
    costs = [scenario.proxies[name].median_cost for scenario in report.scenarios for name in ("nginx", "haproxy")]
    assert len(costs) == 6
    assert all(cost is not None and cost > 1 for cost in costs)
    assert "| TLS, 12 fields, one differs | us/request |" in page
    assert folders() <= before


@needs_peers
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_interrupted_ends_all_its_processes(number: signal.Signals, status: int) -> None:
    before = folders()
    with bench("--quick", "--proxies", "nginx", "--scenario", "plain-1", "--rounds", "100") as run:
        assert run.stderr is not None
        assert run.stderr.readline().startswith("plain-1 1/100 nginx: ")
        family = process_tree(run.pid)
        assert len(family) >= 5, "the run, two nginx with a worker each"
        run.send_signal(number)
        run.communicate(timeout=20)
    assert run.returncode == status
    assert not processes().keys() & set(family)
    assert folders() <= before
