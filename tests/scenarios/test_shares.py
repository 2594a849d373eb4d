"""How 100,000 requests are split: by the steering of each worker with seeded dice, and over real sockets."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from math import sqrt
from pathlib import Path

import pytest
import yaml

from steer import parameters
from steer.config import load
from steer.steering.choose import Load, choose
from steer.steering.model import Dice, Topology, Verdict
from steer.steering.snapshot import Snapshot
from steer.steering.tables import Tables
from tests.kit.edge import Tree
from tests.scenarios.town import Town, configuration, town
from tests.scenarios.traffic import Connection
from tests.steering.towns import Request

REQUESTS = 100_000
SPLITS = [{"wellington": 50, "auckland": 50}, {"wellington": 90, "auckland": 10}]
HALF_A_POINT = 0.005
HOST = "www.agency.example"


class Worker:
    """The steering of one worker: its tables, its view of the load, its dice."""

    def __init__(self, topology: Topology, number: int) -> None:
        self.tables = Tables(topology, Snapshot(), 0.0, number)
        self.load = Load(len(topology.nodes))
        self.dice: Dice = random.Random(number)
        self.request = Request(self.tables.hosts[HOST])

    def choose(self) -> str:
        verdict = choose(self.tables, self.request, self.load, 0.0, self.dice)
        assert isinstance(verdict, Verdict)
        return verdict.node.datacentre


def weighted(split: Mapping[str, int], workers: int) -> Tree:
    tree = configuration(workers, wellington=("wlg-1", "wlg-2"), auckland=("akl-1",))
    tree["groups"]["website"]["weights"] = dict(split)
    return tree


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("split", SPLITS, ids=["50/50", "90/10"])
def test_the_split_of_100_000_requests_is_within_half_a_point(
    tmp_path: Path, split: Mapping[str, int], workers: int
) -> None:
    file = tmp_path / "steer.yaml"
    file.write_text(yaml.safe_dump(weighted(split, workers)))
    crew = [Worker(parameters.topology(load(file)), number) for number in range(workers)]
    chosen = Counter(crew[number % workers].choose() for number in range(REQUESTS))
    assert chosen["wellington"] / REQUESTS == pytest.approx(split["wellington"] / 100, abs=HALF_A_POINT)


@pytest.fixture(params=[(split, workers) for split in SPLITS for workers in (1, 2)], ids=str)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Town, float]]:
    split, workers = request.param
    with town(tmp_path, weighted(split, workers)) as place:
        yield place, split["wellington"] / 100


async def test_over_sockets_the_split_is_as_near_as_chance_allows(place: tuple[Town, float]) -> None:
    town, expected = place
    requests, clients = 4000, 16

    async def ask(connection: Connection) -> Counter[str]:
        answers = [await connection.ask() for _ in range(requests // clients)]
        assert {answer.status for answer in answers} == {200}
        return Counter(answer.datacentre for answer in answers)

    connections = [*(await town.edge.connect_to_each_worker()).values()]
    connections += [await Connection.open(town.edge.port()) for _ in range(clients - len(connections))]
    counts = await asyncio.gather(*map(ask, connections))
    for connection in connections:
        await connection.close()
    share = sum(count["wellington"] for count in counts) / requests
    # Five standard deviations: one run in two million fails by chance.
    assert share == pytest.approx(expected, abs=5 * sqrt(expected * (1 - expected) / requests))
