"""Makes the Markdown tables of a report: `python -m bench.render bench/results/FILE.json`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from bench.proxies import KINDS
from bench.report import ProxyResult, Report, Sample, ScenarioResult


def render(report: Report) -> str:
    """The whole page: circumstances, costs with ratios, speed, what was broken."""
    parts = [_circumstances(report), _costs(report), _speeds(report), _broken(report)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _circumstances(report: Report) -> str:
    machine, method = report.machine, report.method
    kind = "A virtual machine" if machine.get("virtual") == "yes" else "A machine"
    changes = " with changes that are not committed" if report.changed else ""
    known = ", ".join(f"{_title(name)} {number}" for name, number in report.versions.items())
    lost, others = _worst(report, "stolen"), _worst(report, "others")
    return "\n".join(
        [
            "# What steer costs beside its peers",
            "",
            f"{report.started}, commit {report.commit}{changes}. {kind} with {machine.get('cpus')} CPUs "
            f"({machine.get('cpu')}), {machine.get('system')}, kernel {machine.get('kernel')}.",
            f"Versions: {known}.",
            f"One worker each on CPU {method.proxy_cpu}, load and backend on CPU {method.load_cpu}; "
            f"{method.rounds} rounds of {method.seconds} s in turns, after {method.warm_up_seconds} s of warm-up. "
            f"The worst sample lost {lost} of its CPU to the hypervisor and {others} to other programs.",
            "The method, what counts and what does not: [bench/README.md](../README.md). "
            "Only ratios within one run count.",
        ]
    )


def _worst(report: Report, field: str) -> str:
    shares = [
        getattr(sample, field) or 0.0
        for scenario in report.scenarios
        for proxy in scenario.proxies.values()
        for sample in proxy.samples
    ]
    return f"{max(shares, default=0.0):.1%}"


def _costs(report: Report) -> str:
    names = _names(report)
    subject, *peers = names
    head = ["CPU time (or memory)", "unit", *map(_title, names)]
    head += [f"{_title(subject)} / {_title(peer)} (least to greatest pair)" for peer in peers]
    rows = [_cost_row(scenario, names) for scenario in report.scenarios]
    return "## Cost\n\nMedians; less is better.\n\n" + _table([*head, "must be"], [*rows])


def _cost_row(scenario: ScenarioResult, names: Sequence[str]) -> list[str]:
    row = [scenario.title, scenario.unit]
    row += [_number(_cost(scenario, name)) for name in names]
    for peer in names[1:]:
        pair = scenario.ratios.get(peer)
        row.append(f"**{pair.median:.2f}** ({pair.least:.2f} to {pair.greatest:.2f})" if pair else "")
    return [*row, _verdict(scenario)]


def _cost(scenario: ScenarioResult, name: str) -> float | None:
    """The median, if that proxy takes part in this scenario and was measured."""
    proxy = scenario.proxies.get(name)
    return proxy.median_cost if proxy else None


def _verdict(scenario: ScenarioResult) -> str:
    """What steer must reach, and whether it did. Empty where there is no target, or steer did not run."""
    steer = scenario.proxies.get("steer")
    if steer is None:
        return ""
    if scenario.most is not None:
        return _met(f"at most {scenario.most:g}", steer.median_cost, scenario.most)
    if scenario.most_of_nginx is not None:
        pair = scenario.ratios.get("nginx")
        return _met(
            f"at most {scenario.most_of_nginx:g} x nginx", pair.median if pair else None, scenario.most_of_nginx
        )
    return ""


def _met(words: str, value: float | None, most: float) -> str:
    if value is None:
        return f"{words}: not measured"
    return f"{words}: {'met' if value <= most else 'missed'}"


def _speeds(report: Report) -> str:
    timed = [scenario for scenario in report.scenarios if scenario.unit != "KiB/connection"]
    if not timed:
        return ""
    names = _names(report)
    rows = [[scenario.title, *(_speed(scenario.proxies.get(name)) for name in names)] for scenario in timed]
    explained = (
        "Operations (requests, connections, transfers) a second · p50 · p99 in ms · CPU time / wall time. "
        "Under about 95 % busy the load was the limit, not the proxy."
    )
    return f"## Speed\n\n{explained}\n\n" + _table(["", *map(_title, names)], rows)


def _speed(proxy: ProxyResult | None) -> str:
    if proxy is None:
        return ""
    if not proxy.samples:
        return "broken"
    values = [_middle(proxy.samples, field) for field in ("per_second", "p50_ms", "p99_ms", "busy")]
    rate, p50, p99, busy = values
    return f"{_number(rate)}/s · {_number(p50)} · {_number(p99)} · {busy:.0%}"


def _middle(samples: Iterable[Sample], field: str) -> float:
    return median(getattr(sample, field) or 0.0 for sample in samples)


def _broken(report: Report) -> str:
    lines = [
        f"- {scenario.name}, {_title(name)}: {' '.join(proxy.broken.split())}"
        for scenario in report.scenarios
        for name, proxy in scenario.proxies.items()
        if proxy.broken
    ]
    return "\n".join(["## Broken", "", *lines]) if lines else ""


def _names(report: Report) -> list[str]:
    return list(report.method.proxies)


def _title(name: str) -> str:
    return KINDS[name].title if name in KINDS else name


def _number(value: float | None) -> str:
    """Three digits that mean something: 0.57, 14.2, 305, 68,000."""
    if value is None:
        return ""
    if value >= 1000:
        return f"{round(value, -1):,.0f}" if value < 10_000 else f"{round(value, -2):,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(path: str) -> int:
    print(render(Report.model_validate_json(Path(path).read_text())), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
