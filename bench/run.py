"""A run: starts the proxies, takes their samples in turns, and makes the report."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import median

from bench.loads import LoadFailed
from bench.loads.h2load import FASTEST
from bench.machine import commit, machine, versions
from bench.meter import ProcessEnded
from bench.processes import CannotStart
from bench.proxies import KINDS, Proxy, Site, proxy, site
from bench.ratios import Ratio, ratio, turns
from bench.report import Method, ProxyResult, Report, Sample, ScenarioResult
from bench.sampling import check_resumption, run_load, take_memory_sample, take_sample, top_rate
from bench.scenarios import Connections, Idle, Paced, Scenario, Transfers

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. The first of the proxies is the one that is compared with the others."""

    scenarios: tuple[Scenario, ...]
    method: Method

    @property
    def proxies(self) -> tuple[str, ...]:
        return self.method.proxies


@dataclass(slots=True)
class Tally:
    """One proxy in one scenario, while it is measured."""

    samples: list[Sample] = field(default_factory=list)
    broken: str | None = None

    def result(self) -> ProxyResult:
        costs = [sample.cost for sample in self.samples]
        return ProxyResult(
            samples=tuple(self.samples), median_cost=median(costs) if costs else None, broken=self.broken
        )


def run(plan: Plan, say: Say) -> Report:
    """All of it. Everything that it started has ended when it returns or raises."""
    started = datetime.datetime.now(datetime.UTC)
    name, changed = commit()
    known = versions(plan.proxies)  # first, for it finds out what is not installed
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(site(plan.method.proxy_cpu, plan.method.load_cpu))
        targets = {each: stack.enter_context(proxy(place, each)) for each in plan.proxies}
        scenarios = tuple(
            _measure(plan, place, targets, _paced(scenario, place, plan.method), say) for scenario in plan.scenarios
        )
    return Report(
        started=started.isoformat(timespec="seconds"),
        commit=name,
        changed=changed,
        machine=machine(),
        versions=known,
        method=plan.method,
        scenarios=scenarios,
    )


def _paced(scenario: Scenario, place: Site, method: Method) -> Scenario:
    """The scenario with the rate that this machine's nginx gives it, if it has one."""
    load = scenario.load
    if not isinstance(load, Paced):
        return scenario
    # Rounded, so that each connection has a whole number of them.
    wanted = top_rate(place, load, method.seconds) * load.share / load.connections
    each = min(max(1, round(wanted)), FASTEST)
    rate = each * load.connections
    return replace(scenario, title=f"{scenario.title}: {rate:,}/s", load=replace(load, rate=rate))


def _measure(plan: Plan, place: Site, targets: Mapping[str, Proxy], scenario: Scenario, say: Say) -> ScenarioResult:
    """All rounds of one scenario. A proxy that breaks has no more turns in it; the others go on."""
    names = tuple(name for name in plan.proxies if takes_part(name, scenario))
    tallies = {name: Tally() for name in names}
    for name in names:
        _attempt(tallies[name], partial(_warm_up, place, targets[name], scenario, plan.method))
    for number, order in enumerate(turns(names, plan.method.rounds), start=1):
        for name in order:
            _attempt(tallies[name], partial(_sample, place, targets[name], scenario, plan.method))
            say(f"{scenario.name} {number}/{plan.method.rounds} {name}: {_words(tallies[name], scenario)}")
    return ScenarioResult(
        name=scenario.name,
        title=scenario.title,
        unit=scenario.unit,
        most_of_nginx=scenario.most_of_nginx,
        most=scenario.most,
        proxies={name: tally.result() for name, tally in tallies.items()},
        ratios=_ratios(names, tallies),
    )


def takes_part(name: str, scenario: Scenario) -> bool:
    """Whether a proxy is measured in a scenario: a variant is only where it differs."""
    load = scenario.load
    return not KINDS[name].downloads_only or (isinstance(load, Transfers) and not load.up)


def _attempt(tally: Tally, take: Callable[[], Sample | None]) -> None:
    if tally.broken is not None:
        return
    try:
        sample = take()
    except (LoadFailed, ProcessEnded, CannotStart) as error:
        tally.broken = str(error)
    else:
        if sample is not None:
            tally.samples.append(sample)


def _warm_up(place: Site, target: Proxy, scenario: Scenario, method: Method) -> None:
    if isinstance(scenario.load, Idle):
        return
    if scenario.load == Connections(resumed=True):
        check_resumption(place, target)
    if method.warm_up_seconds:
        run_load(place, target, scenario.load, method.warm_up_seconds)


def _sample(place: Site, target: Proxy, scenario: Scenario, method: Method) -> Sample:
    if isinstance(scenario.load, Idle):
        return take_memory_sample(place, target.name, scenario.load)
    return take_sample(place, target, scenario, method.seconds)


def _words(tally: Tally, scenario: Scenario) -> str:
    return f"broken: {tally.broken}" if tally.broken is not None else f"{tally.samples[-1].cost:.1f} {scenario.unit}"


def _ratios(names: tuple[str, ...], tallies: Mapping[str, Tally]) -> dict[str, Ratio]:
    if not names:
        return {}
    subject, *peers = names
    costs = {name: [sample.cost for sample in tally.samples] for name, tally in tallies.items()}
    found = {peer: ratio(costs[subject], costs[peer]) for peer in peers}
    return {peer: each for peer, each in found.items() if each is not None}
