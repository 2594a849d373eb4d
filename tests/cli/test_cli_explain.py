"""Each refusal, ejection and hold is explained by `steer explain`, in the words of the design."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Literal

import pytest

from steer.affinity import ControlAffinity
from steer.cli.explain import nodes_of
from steer.control.events import Events
from steer.control.keeper import Keeper
from steer.control.state_file import Unwritten
from steer.sessions.affinity.learned import Claim, Record, digest
from steer.steering.latencies import BOUNDS, BUCKETS
from steer.steering.model import (
    Affinity,
    Ejection,
    FailoverRules,
    Group,
    GroupMode,
    Mode,
    Node,
    Observation,
    OnLoss,
    Outcome,
    PenaltyRules,
    Pinned,
    Pool,
    Route,
    Service,
    SlowRule,
    Topology,
)
from tests.cli.conftest import Run
from tests.kit.admin import RunningAdmin, running_admin
from tests.kit.clock import ManualClock


@pytest.mark.parametrize(
    ("expected", "said"), [(3, "2 of 3"), (0, "2, none expected")], ids=["expected to run", "a cold standby"]
)
def test_nodes_that_run_are_told_beside_those_that_should(expected: int, said: str) -> None:
    assert nodes_of({"available": 2, "expected": expected}) == said


WWW, PORTAL, CHAT = "https://www.example/", "https://portal.example/", "https://chat.example/"
PLACES = {"wlg": "wellington", "akl": "auckland"}
TALK = ("-H", "X-Talk: talk-1")


def places() -> Topology:
    """Active-active `website` (pool `web`) and `chats`, strict; active-passive `portal` (pool `app`)."""
    names = {"web": ("wlg-1", "wlg-2", "wlg-3", "wlg-4", "akl-1"), "app": ("wlg-app", "akl-app"), "late": ("wlg-late",)}
    nodes = tuple(
        Node(index, name, pool, PLACES[name[:3]])
        for index, (pool, name) in enumerate((pool, name) for pool, members in names.items() for name in members)
    )
    members = {pool: tuple(node for node in nodes if node.pool == pool) for pool in names}
    weights = {"wellington": 50.0, "auckland": 50.0}
    website = Group("website", weights, ("web",), ("web",), pause=0.0)
    portal = replace(website, name="portal", pools=("app",), critical=("app",), weights={})
    slow = SlowRule(windows=1, mode=Mode.ON)
    routes = (Route("/", "web"),)
    return Topology(
        ("wellington", "auckland"),
        nodes,
        {
            "web": Pool("web", members["web"], checked=True, try_all=False, ejection=Ejection(slow=slow)),
            "app": Pool("app", members["app"], try_all=False, max_connections=1, max_pending=1),
            "late": Pool("late", members["late"], checked=True, must_pass_first=True),
        },
        {
            "website": website,
            "chats": replace(website, name="chats"),
            "portal": replace(
                portal,
                mode=GroupMode.ACTIVE_PASSIVE,
                order=tuple(weights),
                failover=FailoverRules(automatic=True, after=60.0, most_per_day=1),
                penalty=PenaltyRules(suspend=1e6),
            ),
            "others": replace(website, name="others", pools=("late",), critical=("late",)),
        },
        {
            "www": Service(
                "www", "website", ("www.example",), routes, {"dr.example": Pinned("auckland", ("10.0.0.0/8",))}
            ),
            "chat": Service(
                "chat", "chats", ("chat.example",), routes, affinity=Affinity("header", "x-talk", on_loss=OnLoss.STRICT)
            ),
            "portal": Service("portal", "portal", ("portal.example",), (Route("/", "app"),)),
            "late": Service(
                "late", "others", ("late.example",), (Route("/", "late"),), {"late-dr.example": Pinned("auckland")}
            ),
        },
    )


class Scene:
    """What happens to an edge, on a clock that stands still otherwise."""

    def __init__(self, keeper: Keeper, clock: ManualClock, admin: RunningAdmin) -> None:
        self.keeper, self.clock, self.admin = keeper, clock, admin

    def fail(self, node: str, times: int = 3, outcome: Outcome = Outcome.REFUSED, status: int = 0) -> None:
        for i in range(times):
            client, path = f"192.0.2.{i % 5}", f"/{i % 4}"
            self.keeper.observe(Observation(node, outcome, self.clock.monotonic(), 0, status, client, path))

    def work(self, node: str, *, failing: int, peer: str = "") -> None:
        """300 requests of many clients for many pages, within half a minute, and as many to a peer: of the node's
        fail so many of five."""
        for i in range(300):
            self.clock.advance(0.08)
            self.keeper.count(0, {"successes": {node: int(i % 5 >= failing), **({peer: 1} if peer else {})}})
            if i % 5 < failing:
                mono, client, path = self.clock.monotonic(), f"192.0.2.{i % 7}", f"/{i % 11}"
                self.keeper.observe(Observation(node, Outcome.SERVER_ERROR, mono, 0, 500, client, path))
        self.wait(1)

    def slow_down(self, node: str, seconds: float, *peers: str) -> None:
        """A window in which it takes so long, and its peers next to nothing."""
        for _ in range(120):
            slow, quick = ([0.0] * BUCKETS for _ in range(2))
            slow[bisect_left(BOUNDS, seconds)] = quick[0] = 3.0
            found = {node: [*slow, 3 * seconds], **{peer: [*quick, 0.001] for peer in peers}}
            self.keeper.count(0, {"upstream": found})
            self.wait(0.1)

    def check(self, node: str, *, passed: bool = False, times: int = 3) -> None:
        for _ in range(times):
            self.keeper.checked(node, passed, "" if passed else "status 500, 200 expected")

    def override(
        self,
        kind: Literal["drain", "eject", "hold"],
        *,
        node: str | None = None,
        datacentre: str | None = None,
        group: str | None = None,
    ) -> None:
        self.keeper.override(
            kind, node=node, datacentre=datacentre, group=group, owner="ops", reason="patching", force=True
        )

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            self.clock.advance(0.1)
            self.keeper.tick()

    def fill(self, *nodes: str) -> None:
        """A worker says that these have as much as they take."""
        self.admin.context.totals.add({"worker": 0, "gauges": {"in_flight": dict.fromkeys(nodes, 2)}})


@dataclass(frozen=True)
class Case:
    happens: Callable[[Scene], None]
    ask: tuple[str, ...]
    says: tuple[str, ...]


def nothing(scene: Scene) -> None:
    """As it is at the start."""


def then(*happenings: Callable[[Scene], None]) -> Callable[[Scene], None]:
    """One after another."""

    def act(scene: Scene) -> None:
        for happening in happenings:
            happening(scene)

    return act


def lose(*nodes: str) -> Callable[[Scene], None]:
    def act(scene: Scene) -> None:
        for node in nodes:
            scene.fail(node)
        scene.wait(0.1)

    return act


REFUSALS = {
    "not_allowed": Case(
        nothing,
        ("https://dr.example/", "--client", "192.0.2.7"),
        ("no node: not_allowed", "pinned to auckland, and 192.0.2.7 is in none of the networks that may use it"),
    ),
    "no_node_here": Case(
        nothing,
        ("https://late-dr.example/",),
        ("no node: no_node_here", "the hostname is pinned to auckland, where the pool has no nodes"),
    ),
    "no_node": Case(
        then(
            lambda scene: scene.override("eject", datacentre="wellington"),
            lambda scene: scene.override("eject", datacentre="auckland"),
        ),
        (WWW,),
        (
            "no node: no_node",
            "no node of web is available or held, and when_none is a page",
            "wellington is draining: override",
        ),
    ),
    "no_node where the group is": Case(
        lambda scene: scene.override("drain", node="wlg-app"),
        (PORTAL,),
        (
            "no node: no_node: portal is at wellington, which is out and where no node of app is available;"
            " it fails over by itself after 60 s",
            "wellington is out: app has 0 of 1 nodes that it needs",
        ),
    ),
    "no_node and held": Case(
        then(
            lambda scene: scene.override("drain", node="wlg-app"),
            lambda scene: scene.override("hold", group="portal"),
        ),
        (PORTAL,),
        ("where no node of app is available; it is held (hold)", "portal is held: hold (ops: patching)"),
    ),
    "strict": Case(
        lambda scene: scene.override("eject", datacentre="wellington"),
        (CHAT, *TALK),
        (
            "no node: no_node_here: the client belongs to wellington, which cannot take it, and must not go elsewhere",
            "which is draining: it is refused, because affinity is strict",
        ),
    ),
    "busy": Case(
        lambda scene: scene.fill("wlg-app", "akl-app"),
        (PORTAL,),
        ("no node: busy", "each node of app that it may go to has as many requests under way as a worker gives it (2)"),
    ),
}

EJECTIONS = {
    "consecutive_gateway_failures": Case(
        lambda scene: scene.fail("wlg-1"),
        ("--node", "wlg-1"),
        (
            "wlg-1 (web, wellington) ejected since 2023-11-14 22:13:20Z by consecutive_gateway_failures, 1 time, until",
            "because 3 in a row, the last: refused",
            "comes back by probing in",
            "its active check, 3 trials, then the ramp",
            "an operator can: restore, eject, drain",
        ),
    ),
    "consecutive_5xx": Case(
        lambda scene: scene.fail("wlg-1", 5, Outcome.SERVER_ERROR, 500),
        ("--node", "wlg-1"),
        ("ejected since", "by consecutive_5xx, 1 time", "because 5 in a row", "server_error"),
    ),
    "failure_share": Case(
        lambda scene: scene.work("wlg-1", failing=3),
        ("--node", "wlg-1"),
        ("ejected since", "by failure_share, 1 time", "because 5", "requests failed in 10 s"),
    ),
    "peers": Case(
        lambda scene: scene.work("wlg-1", failing=2, peer="wlg-2"),
        ("--node", "wlg-1"),
        ("ejected since", "by peers, 1 time", "with 95 % confidence"),
    ),
    "slow": Case(
        lambda scene: scene.slow_down("wlg-1", 4.0, "wlg-2", "wlg-3", "wlg-4"),
        ("--node", "wlg-1"),
        ("ejected since", "by slow, 1 time", "because p95"),
    ),
    "active_check": Case(
        lambda scene: scene.check("wlg-1"),
        ("--node", "wlg-1"),
        ("by active_check, 1 time", "because 3 in a row, the last: status 500, 200 expected", "check_failed"),
    ),
    "by an operator": Case(
        lambda scene: scene.override("eject", node="wlg-1"),
        ("--node", "wlg-1"),
        ("by override", "because patching", "comes back by an operator who restores it"),
    ),
    "drained": Case(
        lambda scene: scene.override("drain", node="wlg-1"),
        ("--node", "wlg-1"),
        ("drained", "comes back by the end of its drain", "an operator can: restore"),
    ),
    "probing": Case(
        then(lose("wlg-1"), lambda scene: scene.wait(35)),
        ("--node", "wlg-1"),
        ("probing since", "comes back by its active check: 0 of 2 passes in a row, then 3 trials"),
    ),
    "a failed trial": Case(
        then(lose("wlg-app"), lambda scene: scene.wait(35), lambda scene: fail_trial(scene, "wlg-app")),
        ("--node", "wlg-app"),
        ("by trial_failed, 2 times", "because refused"),
    ),
    "waiting for its first check": Case(
        nothing,
        ("--node", "wlg-late"),
        ("probing by active_check", "comes back by its active check: 0 of 2 passes in a row"),
    ),
    "held": Case(
        lose("akl-1", "wlg-1", "wlg-2", "wlg-3", "wlg-4"),
        ("--node", "wlg-4"),
        (
            "ejected since",
            "held: it is the last of its pool in the only usable datacentre: still tried, and counted as",
        ),
    ),
    "half of them are out": Case(
        lose("wlg-1", "wlg-2"),
        ("--node", "wlg-3"),
        ("serving", "5xx, share, peers and slow may not eject it: half of the pool's nodes in this datacentre are out"),
    ),
    "the last one": Case(
        lose("wlg-1", "wlg-2", "wlg-3", "wlg-4"),
        ("--node", "akl-1"),
        ("serving", "may not eject it: it is the last available node of its pool"),
    ),
}


def fail_trial(scene: Scene, node: str) -> None:
    trial = scene.keeper.snapshot.nodes[node].trial
    scene.keeper.observe(Observation(node, Outcome.REFUSED, scene.clock.monotonic(), trial=trial))


def fail_over_too_often(scene: Scene) -> None:
    """Wellington is lost and comes back, and then Auckland is lost."""
    scene.fail("wlg-app")
    scene.wait(62)
    scene.keeper.override("restore", node="wlg-app", owner="ops", reason="r")
    scene.wait(12)
    scene.fail("akl-app")
    scene.wait(62)


def come_and_go(scene: Scene) -> None:
    """Auckland is out twice within two minutes."""
    for _ in range(2):
        scene.fail("akl-1")
        scene.wait(0.2)
        scene.check("akl-1", passed=True, times=2)
        scene.wait(70)
        for _ in range(3):
            trial = scene.keeper.snapshot.nodes["akl-1"].trial
            scene.keeper.observe(Observation("akl-1", Outcome.SUCCESS, scene.clock.monotonic(), trial=trial))
            scene.wait(0.2)
        scene.wait(12)


HOLDS = {
    "hold": Case(
        lambda scene: scene.override("hold", group="portal"),
        (PORTAL,),
        ("portal is held: hold (ops: patching)", "nothing of portal moves by itself: an operator holds it"),
    ),
    "hold of an active-active group": Case(
        lambda scene: scene.override("hold", group="website"),
        (WWW,),
        ("website is held: hold (ops: patching)", "nothing of website moves by itself: an operator holds it"),
    ),
    "penalty": Case(
        come_and_go,
        (WWW,),
        (
            "website is held: penalty (",
            "points; under 750 in",
            "nothing of website moves by itself: it was out too often of late",
            "auckland is out: nodes are back, the group is held: penalty",
        ),
    ),
    "most_per_day": Case(
        fail_over_too_often,
        (PORTAL,),
        (
            "portal is held: most_per_day (1 automatic failovers in 24 h)",
            "nothing of portal moves by itself: it has failed over as often as it may in a day",
            "it is held (most_per_day)",
        ),
    ),
}

CASES = {
    f"{kind}: {name}": case
    for kind, cases in (("refusal", REFUSALS), ("ejection", EJECTIONS), ("hold", HOLDS))
    for name, case in cases.items()
}


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    """The conversation talk-1 is known to be at Wellington."""
    topology, clock = places(), ManualClock()
    affinity = ControlAffinity(topology, clock, tmp_path, None, lambda worker, message: None, frozenset)
    now = clock.wall()
    affinity.learned.table.claim(
        Claim(Record(digest("chat", b"talk-1"), "chat", "wellington", now, now), "192.0.2.1"), 0
    )
    keeper = Keeper(
        topology,
        clock,
        random.Random(1),
        lambda snapshot: None,
        Unwritten({}),
        Events(clock, stream=StringIO()),
        bind=lambda service, target, fields: affinity.bound(topology.services[service], topology, target, fields),
    )
    keeper.set_workers((0,))
    async with running_admin(tmp_path, places=topology, keeper=keeper) as admin:
        monkeypatch.setenv("STEER_ADMIN", admin.url)
        monkeypatch.setenv("STEER_STATE", str(tmp_path / "state"))
        yield Scene(keeper, clock, admin)
    affinity.close()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_it_is_explained(scene: Scene, run: Run, case: Case) -> None:
    case.happens(scene)
    told = await run("explain", *case.ask)
    for words in case.says:
        assert words in told.output, told.output
    assert told.exit_code == told.output.startswith("no node:"), told.output
