"""What a worker says that it counted since the last time (every 100 ms, if anything changed).

All numbers are increments but the gauges, which are what is now. A histogram is one number for each bucket (not
cumulative: how many fell between the last bound and this one), the last bucket without a bound, and then the sum in
seconds.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt

from steer.steering.latencies import BUCKETS
from steer.steering.samples import Row


def _whole_histogram(numbers: list[float]) -> list[float]:
    if len(numbers) != BUCKETS + 1:
        raise ValueError(f"must be {BUCKETS} bucket counts and a sum, got {len(numbers)} numbers")
    return numbers


FiniteAmount = Annotated[NonNegativeFloat, Field(allow_inf_nan=False)]
Histogram = Annotated[list[FiniteAmount], AfterValidator(_whole_histogram)]


class Overload(BaseModel):
    """How near a worker is to having more to do than it can. `level` 0: calm, 1: full, 2: overloaded."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: Annotated[int, Field(ge=0, le=2)] = 0
    lag: FiniteAmount = 0.0
    """Seconds that its event loop is late."""
    memory: FiniteAmount = 0.0
    """Of what it may have."""


MOST_SAMPLES = 50
"""A worker keeps no more between two messages (`proxy.sampling`)."""

Clients = Annotated[list[int], Field(max_length=65_536)]


class Gauges(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    connections: NonNegativeInt = 0
    in_flight: dict[str, NonNegativeInt] = {}
    overload: Overload = Overload()


class Counts(BaseModel):
    """One message. Names that the topology does not know are counted under an empty label, so labels stay bounded."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    worker: NonNegativeInt
    successes: dict[str, NonNegativeInt] = {}
    """By node: for the ejection ledger, not for the metrics."""
    requests: list[tuple[str, str, str, str, NonNegativeInt]] = []
    """(service, group, datacentre, code class, how many)."""
    seconds: dict[str, Histogram] = {}
    """By phase: total, connect, response_head."""
    upstream: dict[str, Histogram] = {}
    """By node: from the request sent to the response's head."""
    pinned: dict[str, Histogram] = {}
    """The same of debug hostnames: for the metrics, not for the detectors."""
    retries: dict[str, NonNegativeInt] = {}
    refused: dict[str, NonNegativeInt] = {}
    """Connections and requests that were too many, by reason."""
    arrivals: dict[Literal["brought", "stale"], NonNegativeInt] = {}
    """Clients whose session had to follow them to another datacentre."""
    bound: dict[str, dict[str, Clients]] = {}
    """By group and datacentre, of those that drain or are left: hashes of the affinities that were met there."""
    ended: dict[str, dict[str, Clients]] = {}
    """The same of those that were there and are not any more: over, or moved."""
    samples: Annotated[list[Row], Field(max_length=MOST_SAMPLES)] = []
    """Of the requests since the last message (`steering.samples`)."""
    gauges: Gauges | None = None
    """None: as they were."""
    handshakes: list[tuple[str, bool, NonNegativeInt]] = []
    """(TLS version, resumed, how many)."""
