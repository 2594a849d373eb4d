"""The table says what was measured, whether it is good enough, and what broke."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.__main__ import write
from bench.ratios import ratio
from bench.render import main, render
from bench.report import Method, ProxyResult, Report, Sample, ScenarioResult
from bench.scenarios import BY_NAME


def sample(cost: float, **more: float) -> Sample:
    return Sample(cost=cost, operations=1000, per_second=51_234.0, p50_ms=0.512, p99_ms=1.5, busy=0.97, **more)


def result(*costs: float, broken: str | None = None) -> ProxyResult:
    middle = sorted(costs)[len(costs) // 2] if costs else None
    return ProxyResult(samples=tuple(sample(cost) for cost in costs), median_cost=middle, broken=broken)


def outcome(name: str, **proxies: ProxyResult) -> ScenarioResult:
    scenario = BY_NAME[name]
    costs = {proxy: [each.cost for each in found.samples] for proxy, found in proxies.items()}
    subject, *peers = proxies
    pairs = {peer: ratio(costs[subject], costs[peer]) for peer in peers}
    return ScenarioResult(
        name=name,
        title=scenario.title,
        unit=scenario.unit,
        most_of_nginx=scenario.most_of_nginx,
        most=scenario.most,
        proxies=proxies,
        ratios={peer: pair for peer, pair in pairs.items() if pair is not None},
    )


def report(*scenarios: ScenarioResult, proxies: tuple[str, ...] = ("steer", "nginx")) -> Report:
    return Report(
        started="2026-01-02T03:04:05+00:00",
        commit="0123456789ab",
        changed=False,
        machine={"cpu": "A CPU", "cpus": "2", "virtual": "yes", "memory": "1 kB", "system": "Debian", "kernel": "6.1"},
        versions={"nginx": "1.22.1", "steer": "0.1.0"},
        method=Method(proxies=proxies, rounds=3, seconds=5, warm_up_seconds=1, proxy_cpu=0, load_cpu=1),
        scenarios=scenarios,
    )


def test_a_row_has_the_costs_the_ratio_with_its_spread_and_the_target() -> None:
    page = render(report(outcome("tls-12", steer=result(24.0, 26.0, 25.0), nginx=result(16.0, 20.0, 20.0))))
    row = "| us/request | 25.0 | 20.0 | **1.30** (1.25 to 1.50) | at most 1.8 x nginx: met |"
    assert f"| TLS, 12 fields, one differs {row}" in page


def test_a_target_that_was_missed_is_said_to_be_missed() -> None:
    page = render(report(outcome("download-64m", steer=result(1210.0), nginx=result(1000.0))))
    assert "**1.21** (1.21 to 1.21) | at most 1 x nginx: missed" in page


def test_a_target_without_the_peer_is_not_measured() -> None:
    page = render(report(outcome("tls-12", steer=result(25.0)), proxies=("steer",)))
    assert "at most 1.8 x nginx: not measured" in page


def test_memory_is_held_to_a_number_and_has_no_speed() -> None:
    page = render(report(outcome("idle-2000", steer=result(65.0), nginx=result(13.0))))
    assert "at most 64: missed" in page
    assert "## Speed" not in page


def test_there_is_no_target_for_a_run_without_steer() -> None:
    page = render(report(outcome("tls-12", nginx=result(20.0), haproxy=result(20.0)), proxies=("nginx", "haproxy")))
    assert "at most" not in page


def test_a_proxy_that_does_not_take_part_has_an_empty_cell() -> None:
    names = ("steer", "nginx", "nginx-tuned")
    page = render(report(outcome("tls-1", steer=result(20.0), nginx=result(10.0)), proxies=names))
    assert "| TLS, 1 field | us/request | 20.0 | 10.0 |  | **2.00** (2.00 to 2.00) |  |  |" in page


def test_what_broke_is_listed_with_its_reason_on_one_line() -> None:
    broken = report(outcome("tls-1", steer=result(broken="wrk saw errors:\n3 x status"), nginx=result(10.0)))
    assert not broken.is_whole
    page = render(broken)
    assert "- tls-1, steer: wrk saw errors: 3 x status" in page
    assert "| TLS, 1 field | broken | 51,200/s · 0.51 · 1.50 · 97% |" in page


def test_the_page_names_the_circumstances() -> None:
    page = render(report(outcome("tls-1", steer=result(20.0), nginx=result(10.0))))
    for word in (
        "commit 0123456789ab.",
        "virtual machine with 2 CPUs (A CPU)",
        "kernel 6.1",
        "nginx 1.22.1",
        "3 rounds",
    ):
        assert word in page


def test_the_worst_disturbance_is_told() -> None:
    disturbed = ProxyResult(samples=(sample(9.0, stolen=0.031), sample(9.0, others=0.4)), median_cost=9.0)
    page = render(report(outcome("tls-1", steer=disturbed, nginx=result(10.0))))
    assert "lost 3.1% of its CPU to the hypervisor and 40.0% to other programs" in page


def test_a_report_that_was_written_gives_the_same_table_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = report(outcome("tls-12", steer=result(25.0), nginx=result(20.0)))
    path = write(made, tmp_path / "results")
    assert path.name == "2026-01-02T0304Z-0123456789ab.json"
    assert main(str(path)) == 0
    assert capsys.readouterr().out == (tmp_path / "results" / "README.md").read_text() == render(made)
