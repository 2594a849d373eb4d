"""`config/regional-canary.yaml` for real: who goes to the secondary region, and who cannot get there by lying.

Ports, certificates and the database of places are the test's own. What it does not ask for is left out of that file:
sessions and their Redis, and plans. Affinity is there: who brings no cookie is a new client.
"""

from __future__ import annotations

import random
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from steer import geography
from steer.config import Config, load
from steer.demo.certificates import Authority
from steer.steering.choose import Load, choose
from steer.steering.model import Verdict
from steer.steering.snapshot import GroupStatus, Snapshot
from steer.steering.tables import Tables
from steer.topology import topology
from tests.kit.edge import Tree, free_port
from tests.kit.places import CALIFORNIA, TEXAS, WELLINGTON, write_database
from tests.scenarios.town import Town, town
from tests.scenarios.traffic import LOCAL, Connection, Response
from tests.steering.towns import Request

EXAMPLE = Path(__file__).parents[2] / "config" / "regional-canary.yaml"
WWW, WEST_ALONE = "www.invoices.example", "www-sec.invoices.example"
RULE = "west-us-canary"
RECORDS = {
    "100.64.0.0/12": CALIFORNIA,
    "2001:db8:a::/48": CALIFORNIA,
    "100.80.0.0/12": TEXAS,
    "100.96.0.0/12": WELLINGTON,
    "2001:db8:b::/48": WELLINGTON,
}
CALIFORNIANS = ("100.64.", "2001:db8:a::")
OTHERS = ("100.80.", "100.96.", "2001:db8:b::")
NOBODY_KNOWS = ("192.0.",)
HALF_A_POINT = 0.005
UNTRUSTED = "127.0.0.2"


def canary(folder: Path) -> Tree:
    """The example for this machine."""
    tree: Tree = yaml.safe_load(EXAMPLE.read_text())
    for part in ("sessions", "plans"):
        del tree[part]
    for datacentre in tree["datacentres"].values():
        del datacentre["redis"]
    tree["edge"] |= {"workers": 1, "state": "state", "reveal": True, "drain": "5s", "log": {"access": "access.log"}}
    tree["listeners"][0] |= {"bind": f"{LOCAL}:{free_port()}", "trusted_proxies": [f"{LOCAL}/32"]}
    tree["admin"]["bind"] = f"{LOCAL}:{free_port()}"
    for nodes in (nodes for pool in tree["pools"].values() for nodes in pool["nodes"].values()):
        for node in nodes:
            node["address"] = f"http://{LOCAL}:{free_port()}"
    _write_files(tree, folder)
    return tree


def _write_files(tree: Tree, folder: Path) -> None:
    (folder / "geo").mkdir()
    write_database(folder / tree["geo"]["database"], RECORDS)
    authority = Authority.make()
    (folder / "ca.pem").write_bytes(authority.pem)
    (pair,) = tree["listeners"][0]["tls"]["certificates"]
    authority.issue((WWW, WEST_ALONE), folder / pair["certificate"], folder / pair["key"])


def addresses(number: int, *starts: str) -> list[str]:
    """So many, of all of these networks in turn; the same ones each time."""
    dice = random.Random(number)
    ends = (
        f"{dice.getrandbits(16):x}" if ":" in start else f"{dice.randrange(256)}.{dice.randrange(256)}"
        for start in cycle(starts)
    )
    return [start + end for start, end in islice(zip(cycle(starts), ends, strict=False), number)]


# By the steering of one worker, with dice that can be repeated.


class Steering:
    """The whole way of a decision without sockets: address -> place -> rule -> datacentre."""

    def __init__(self, config: Config, status: GroupStatus | None = None) -> None:
        snapshot = Snapshot(1, {}, {"web-tier": status} if status is not None else {})
        self._tables = Tables(topology(config), snapshot, 0.0, 0)
        self._geo = geography.geo(config, geography.read_databases(config))
        self._load = Load(len(self._tables.topology.nodes))
        self._dice = random.Random(1)

    def verdict(self, client: str, host: str = WWW) -> Verdict:
        request = Request(self._tables.hosts[host], client=client, place=self._geo.place(client))
        verdict = choose(self._tables, request, self._load, 0.0, self._dice)
        assert isinstance(verdict, Verdict)
        return verdict

    def split(self, clients: Sequence[str], times: int, host: str = WWW) -> Counter[str]:
        return Counter(self.verdict(client, host).node.datacentre for client in clients for _ in range(times))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    folder = tmp_path_factory.mktemp("canary")
    file = folder / "steer.yaml"
    file.write_text(yaml.safe_dump(canary(folder), sort_keys=False))
    return load(file, {}, check_files=False)


def test_a_tenth_of_100_000_californian_requests_goes_west(config: Config) -> None:
    split = Steering(config).split(addresses(10_000, *CALIFORNIANS), times=10)
    assert split["west"] / split.total() == pytest.approx(0.1, abs=HALF_A_POINT)


def test_of_20_000_requests_from_texas_and_new_zealand_and_of_unknown_origin_none_goes_west(config: Config) -> None:
    assert Steering(config).split(addresses(2_000, *OTHERS, *NOBODY_KNOWS), times=10) == {"east": 20_000}


def test_networks_of_the_configuration_count_as_the_database_does(config: Config) -> None:
    split = Steering(config).split(["198.51.100.7", "::ffff:198.51.100.8"], times=5_000)
    assert split["west"] / split.total() == pytest.approx(0.1, abs=2 * HALF_A_POINT)


def test_the_rule_at_20_percent_moves_the_californians_alone(config: Config) -> None:
    steering = Steering(config, GroupStatus(rules={RULE: {"east": 80, "west": 20}}))
    split = steering.split(addresses(10_000, *CALIFORNIANS), times=10)
    assert split["west"] / split.total() == pytest.approx(0.2, abs=HALF_A_POINT)
    assert steering.split(addresses(2_000, *OTHERS, *NOBODY_KNOWS), times=1) == {"east": 2_000}


def test_the_debug_hostname_is_west_for_everybody(config: Config) -> None:
    everybody = addresses(300, *CALIFORNIANS, *OTHERS, *NOBODY_KNOWS)
    assert Steering(config).split(everybody, times=1, host=WEST_ALONE) == {"west": 300}


def test_the_reason_names_the_rule(config: Config) -> None:
    steering = Steering(config)
    assert f"rule:{RULE}" in steering.verdict("100.64.0.1").reasons
    assert not any(reason.startswith("rule:") for reason in steering.verdict("100.80.0.1").reasons)


# Over real connections.


class Bound(NamedTuple):
    """A client whose affinity says where it is."""

    client: str
    cookie: str


def cookie_of(answer: Response) -> str:
    return answer.fields["set-cookie"].partition(";")[0]


class Peer:
    """Who connects to the edge, and says for whom it asks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def ask(self, client: str, cookie: str = "") -> Response:
        fields = {"X-Forwarded-For": client} | ({"Cookie": cookie} if cookie else {})
        return await self._connection.ask("/", WWW, fields=fields)

    async def bind(self, where: str) -> Bound:
        """A Californian who has been sent there."""
        for client in addresses(400, *CALIFORNIANS):
            answer = await self.ask(client)
            if answer.datacentre == where:
                return Bound(client, cookie_of(answer))
        raise AssertionError(f"none of 400 Californians is {where}")

    async def split(self, told: Sequence[str], host: str = WWW) -> Counter[str]:
        """Where requests go that are said to be from these clients, one each."""
        answers = [await self._connection.ask("/", host, fields={"X-Forwarded-For": client}) for client in told]
        assert {answer.status for answer in answers} == {200}
        return Counter(answer.datacentre for answer in answers)


@pytest.fixture(scope="module")
def canary_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("canary")
    with town(folder, canary(folder), own=("skybot-1",)) as found:
        yield found


@asynccontextmanager
async def peer(town: Town, source: str = LOCAL) -> AsyncIterator[Peer]:
    tls = ssl.create_default_context(cafile=town.edge.folder / "ca.pem")
    async with await Connection.open(town.edge.port(), source, tls, WWW) as connection:
        yield Peer(connection)


async def test_some_californians_and_nobody_else_go_west(canary_town: Town) -> None:
    async with peer(canary_town) as proxy:
        split = await proxy.split(addresses(600, *CALIFORNIANS))
        assert 0.04 < split["west"] / split.total() < 0.17  # five standard deviations to each side
        assert await proxy.split(addresses(200, *OTHERS, *NOBODY_KNOWS)) == {"east": 200}


async def test_the_debug_hostname_answers_from_the_west_whoever_asks(canary_town: Town) -> None:
    async with peer(canary_town) as proxy:
        assert await proxy.split(addresses(60, *CALIFORNIANS, *OTHERS, *NOBODY_KNOWS), WEST_ALONE) == {"west": 60}


async def test_what_a_stranger_says_of_itself_and_what_a_client_forges_change_nothing(canary_town: Town) -> None:
    californians = addresses(150, *CALIFORNIANS)
    async with peer(canary_town, UNTRUSTED) as stranger:
        assert await stranger.split(californians) == {"east": 150}
    async with peer(canary_town) as proxy:  # it adds whom it saw to what the client says
        assert await proxy.split([f"{forged}, 100.96.0.7" for forged in californians]) == {"east": 150}


async def test_a_californian_stays_where_it_was_sent_and_its_cookie_is_good_wherever_it_is(canary_town: Town) -> None:
    async with peer(canary_town) as proxy:
        for where in ("east", "west"):
            client, cookie = await proxy.bind(where)
            for told in (client, "100.80.0.9", "192.0.2.7") * 5:
                answer = await proxy.ask(told, cookie)
                assert (answer.datacentre, answer.reason) == (where, "affinity")


async def test_explain_says_which_rule_and_why_none(canary_town: Town) -> None:
    for client, line, rule in (
        (
            "100.64.0.7",
            "100.64.0.7 is in NA, US, CA, 36.70 north, -119.40 east",
            f"* rule:{RULE} it matches and gives east 90, west 10",
        ),
        (
            "203.0.113.9",
            "203.0.113.9 is in no database: no geographic rule matches",
            f"- rule:{RULE} nobody knows where 203.0.113.9 is",
        ),
    ):
        status, output, errors = await canary_town.edge.command("explain", f"https://{WWW}/", "--client", client)
        assert status == 0, errors
        lines = [" ".join(each.split()) for each in output.splitlines()]
        assert line in lines
        assert rule in lines


async def test_the_rule_raised_to_20_percent_at_run_time_moves_californians_alone(canary_town: Town) -> None:
    async with peer(canary_town) as proxy:
        bound = await proxy.bind("east")
    change = ("weights", "web-tier", "east=80", "west=20", "--rule", RULE, "--reason", "the canary sings")
    status, _, errors = await canary_town.edge.command(*change)
    assert status == 0, errors
    async with peer(canary_town) as proxy:
        split = await proxy.split(addresses(1200, *CALIFORNIANS))
        assert 0.14 < split["west"] / split.total() < 0.26  # five standard deviations; a tenth would be under 0.14
        assert {(await proxy.ask(*bound)).datacentre for _ in range(30)} == {"east"}
        assert await proxy.split(addresses(200, *OTHERS, *NOBODY_KNOWS)) == {"east": 200}


async def test_east_is_lost_and_west_serves_all(canary_town: Town) -> None:
    async with peer(canary_town) as proxy:
        bound = await proxy.bind("east")
        for name in ("east-1", "east-2"):
            canary_town.origins[name].kill()
        moved = await proxy.ask(*bound)
        assert (moved.status, moved.datacentre) == (200, "west")
        assert (await proxy.ask(bound.client, cookie_of(moved))).reason == "affinity"
        assert await proxy.split(addresses(120, *CALIFORNIANS, *OTHERS, *NOBODY_KNOWS)) == {"west": 120}
        assert await proxy.split(addresses(10, *OTHERS), WEST_ALONE) == {"west": 10}
