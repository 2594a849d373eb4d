"""`config/ecosystem-swap.yaml` for real: the assistant, its chatbots and their APIs move together, by hand alone, and
conversations that are active stay where they are for twenty minutes at most.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from steer.affinity import WorkerAffinity
from steer.config import load
from steer.control.events import Events
from steer.control.keeper import Keeper
from steer.control.state_file import StateFile
from steer.proxy.binding_key import KeyBinder
from steer.sessions.keyfile import WatchedRing, ensure_ring
from steer.steering.choose import Load, choose
from steer.steering.model import Bound, Verdict
from steer.steering.tables import Tables
from steer.topology import topology
from tests.kit.client import Response
from tests.kit.clock import ManualClock
from tests.kit.waiting import wait_until
from tests.scenarios.affinity import cookie_of, reason_of, site_of
from tests.scenarios.examples import Running, example, running
from tests.steering.towns import Request

ASSISTANT, IDENTITY, PORTAL = "assistant.example", "ids.example", "tasks.example"
PARTS = ("/", "/bots", "/apis")
NORTH, WEST = "north-europe", "west-europe"
MINUTES = 60.0


# With the times of the file, on a clock that moves when it is told to.


class Ecosystem:
    """What decides in an edge, without sockets: control's keeper and table of keys, a worker's copy of them."""

    def __init__(self, folder: Path) -> None:
        file = folder / "steer.yaml"
        file.write_text(yaml.safe_dump(example("ecosystem-swap", folder), sort_keys=False))
        ring = folder / "keys.yaml"
        self.clock = ManualClock()
        ensure_ring(ring, self.clock.wall())
        self.topology = topology(load(file, {}))
        self._events = Events(self.clock, stream=io.StringIO())
        self._state = StateFile(folder, lambda _: None)
        self.keeper = Keeper(self.topology, self.clock, random.Random(1), lambda _: None, self._state, self._events)
        self._worker = WorkerAffinity(self.clock, WatchedRing(ring))
        binder = self._worker.binders(self.topology)["assistant"]
        assert isinstance(binder, KeyBinder)
        self._keys = binder.keys

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            self.clock.advance(1.0)
            self.keeper.tick()

    def swap(self) -> None:
        self.keeper.failover("ecosystem", WEST, owner="ops", reason="swap")

    def ask(self, conversation: str) -> str:
        """Where its next request goes; a new one is learned there."""
        key = conversation.encode()
        tables = Tables(self.topology, self.keeper.snapshot, self.clock.monotonic(), 0)
        entry = self._keys.find(key)
        bound = Bound(entry.datacentre) if entry is not None else None
        request = Request(tables.hosts[ASSISTANT], pool="assistant", bound=bound, key=conversation)
        verdict = choose(tables, request, Load(len(self.topology.nodes)), self.clock.monotonic(), random.Random(1))
        assert isinstance(verdict, Verdict)
        if entry is None:
            self._keys.learn(key, verdict.node.datacentre, "192.0.2.1")
        return verdict.node.datacentre

    def end(self, conversation: str) -> None:
        self._keys.end(conversation.encode())

    def close(self) -> None:
        self._state.close()


@pytest.fixture
def ecosystem(tmp_path: Path) -> Iterator[Ecosystem]:
    made = Ecosystem(tmp_path)
    yield made
    made.close()


def test_an_active_conversation_stays_until_it_is_20_minutes_old(ecosystem: Ecosystem) -> None:
    assert ecosystem.ask("active") == NORTH
    ecosystem.wait(5 * MINUTES)
    ecosystem.swap()
    for minute in range(14):
        assert (ecosystem.ask("active"), ecosystem.ask(f"begun in minute {minute}")) == (NORTH, WEST)
        ecosystem.wait(1 * MINUTES)
    ecosystem.wait(59)
    assert ecosystem.ask("active") == NORTH
    ecosystem.wait(2)
    assert ecosystem.ask("active") == WEST


def test_one_that_ended_goes_west_when_it_begins_anew(ecosystem: Ecosystem) -> None:
    ecosystem.ask("ended")
    ecosystem.swap()
    assert ecosystem.ask("ended") == NORTH
    ecosystem.end("ended")
    assert ecosystem.ask("ended") == WEST


def test_nobody_stays_for_more_than_20_minutes_and_nothing_else_moves(ecosystem: Ecosystem) -> None:
    ecosystem.wait(10)
    ecosystem.ask("quiet")
    ecosystem.swap()
    ecosystem.wait(20 * MINUTES - 2)
    assert ecosystem.keeper.snapshot.groups["ecosystem"].leaving == NORTH
    assert ecosystem.ask("quiet") == NORTH
    ecosystem.wait(2)
    assert ecosystem.keeper.snapshot.groups["ecosystem"].leaving == ""
    assert ecosystem.ask("quiet") == WEST
    assert "tasks-portal" not in ecosystem.keeper.snapshot.groups  # plain: it is where it was


# Over real connections, with times that a test can wait for.


@pytest.fixture(scope="module")
def swap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("swap")
    tree = example("ecosystem-swap", folder)
    tree["services"]["assistant"]["affinity"] |= {"idle": "2s", "longest": "3s"}
    tree["groups"]["ecosystem"] |= {"safety": {"pause": "0s"}, "out_after": "0s", "back_after": "0s"}
    for pool in tree["pools"].values():
        pool["ejection"] = {"base_time": "1s", "ramp": "0s"}
    with running(folder, tree) as place:
        yield place


@pytest.fixture
def at_home(swap: Running) -> Running:
    """The ecosystem is in the north, and nobody is left in the west."""
    if swap.group("ecosystem")["at"] != NORTH:
        move(swap, NORTH)
    return swap


def move(swap: Running, to: str) -> None:
    """At once, for everybody."""
    wish = {"to": to, "reason": "as it was", "ungraceful": True, "force": True}
    swap.edge.admin("/groups/ecosystem/failover", "POST", wish)


def talk(swap: Running, conversation: str, path: str = "/", *fields: str) -> Response:
    return swap.ask(ASSISTANT, path, f"X-Conversation-Id: {conversation}", *fields)


def sites(swap: Running, conversation: str) -> set[str]:
    """Where its requests for all parts of the ecosystem go."""
    return {site_of(talk(swap, conversation, path)) for path in PARTS}


def clients_left(swap: Running) -> int:
    (stay,) = swap.group("ecosystem")["stays"]
    found: int = stay["clients_left"]
    return found


def test_a_swap_by_hand_moves_new_conversations_and_those_that_are_over_and_no_active_one(at_home: Running) -> None:
    swap = at_home
    portal = swap.ask(PORTAL)
    for conversation in ("active", "ending", "silent"):
        assert sites(swap, conversation) == {NORTH}
    swap.edge.admin("/groups/ecosystem/failover", "POST", {"to": WEST, "reason": "swap"})
    assert sites(swap, "new") == {site_of(swap.ask(ASSISTANT))} == {WEST}
    assert sites(swap, "active") == sites(swap, "ending") == {NORTH}
    wait_until(lambda: clients_left(swap) == 2, "those that were met are counted")
    assert site_of(talk(swap, "ending", "/bots", "X-Conversation-End: 1")) == NORTH
    assert sites(swap, "ending") == {WEST}
    wait_until(lambda: clients_left(swap) == 1, "one has ended")
    wait_until(lambda: site_of(talk(swap, "active")) == WEST, "it is too old, though it is active")
    assert sites(swap, "silent") == {WEST}
    assert site_of(swap.ask(IDENTITY)) == site_of(swap.ask(PORTAL)) == NORTH
    bound = swap.ask(PORTAL, "/", f"Cookie: {cookie_of(portal)}")
    assert (site_of(bound), reason_of(bound)) == (NORTH, "affinity")


def test_where_a_part_of_it_is_lost_nothing_moves_and_its_requests_are_refused_with_the_reason(
    at_home: Running,
) -> None:
    swap = at_home
    assert sites(swap, "talk") == {NORTH}
    asked_in_the_west = len(swap.origins["chatbots-we"].requests)
    swap.stop("chatbots-ne")
    answers = [talk(swap, "talk", "/bots", "Accept: application/json") for _ in range(10)]
    answers += [swap.ask(ASSISTANT, "/bots", "Accept: application/json", method=method) for method in ("POST", "GET")]
    assert {(answer.status, answer.error) for answer in answers} == {(503, "no_node")}
    for detail in (json.loads(answer.body)["detail"] for answer in answers):
        assert f"ecosystem is at {NORTH}, " in detail
        assert "where no node of chatbots " in detail
        assert detail.endswith("; it moves by hand")
    wait_until(lambda: swap.group("ecosystem")["datacentres"][0]["state"] == "out", "the north is out for it")
    assert {site_of(talk(swap, "talk", path)) for path in ("/", "/apis")} == {NORTH}
    assert len(swap.origins["chatbots-we"].requests) == asked_in_the_west
    group = swap.group("ecosystem")
    assert (group["at"], group["stage"]) == (NORTH, "home")
    _, said = swap.steer("explain", f"https://{ASSISTANT}/bots")
    assert f"ecosystem is at {NORTH}, which is out and where no node of chatbots is available; it moves by hand" in said
    moved = swap.steer("failover", "ecosystem", "--to", WEST, "--ungraceful", "--reason", "the bots are down")
    assert moved == (0, f"ecosystem is at {WEST}\n")
    assert sites(swap, "talk") == {WEST}
    swap.start("chatbots-ne")
