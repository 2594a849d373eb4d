"""The report: the models that the JSON in `results/` is made of, and read back with."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from bench.ratios import Ratio
from bench.scenarios import Unit


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sample(_Part):
    """One proxy, one round. `cost` has the scenario's unit; shares are of one CPU, 0 to 1. Memory has a cost only."""

    cost: float
    operations: int
    per_second: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    busy: float | None = None
    """CPU time of the proxy / wall time: under 0.95 the load was the limit."""
    stolen: float | None = None
    """Taken by the hypervisor from the proxy's CPU."""
    others: float | None = None
    """Used by other programs on the proxy's CPU."""


class ProxyResult(_Part):
    """All samples of one proxy in one scenario; `broken` says why there are none, or no more."""

    samples: tuple[Sample, ...]
    median_cost: float | None
    broken: str | None = None


class ScenarioResult(_Part):
    """`ratios`: steer's cost / the peer's, by peer."""

    name: str
    title: str
    unit: Unit
    most_of_nginx: float | None
    most: float | None
    proxies: dict[str, ProxyResult]
    ratios: dict[str, Ratio]


class Method(_Part):
    """How this run was made; README.md says the rest."""

    proxies: tuple[str, ...]
    rounds: int
    seconds: int
    warm_up_seconds: int
    proxy_cpu: int
    load_cpu: int


class Report(_Part):
    """One run. `changed`: the working tree had changes that `commit` does not have."""

    started: str
    commit: str
    changed: bool
    machine: dict[str, str]
    versions: dict[str, str]
    method: Method
    scenarios: tuple[ScenarioResult, ...]

    @property
    def is_whole(self) -> bool:
        """Nothing was broken."""
        return not any(proxy.broken for scenario in self.scenarios for proxy in scenario.proxies.values())
