"""A node is killed under 200 requests a second, leaves, and comes back: one story, told once, looked at many times."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import pytest

from tests.kit.processes import holders
from tests.scenarios.town import Entry, Town, configuration, town
from tests.scenarios.traffic import Answer, Load

DEAD = "wlg-1"
WORKERS = 4
KNOWN_WITHIN = 0.2
"""Seconds from the third failure until no worker uses the node."""
RAMP = 3.0


@dataclass(frozen=True)
class Story:
    """Times are wall times."""

    killed: float
    restarted: float
    serving: float
    returned: float
    """When its datacentre took traffic again."""
    answers: list[Answer]
    entries: list[Entry]
    workers: dict[int, int]
    """The client's port -> the worker that its connection belongs to."""

    def worker(self, entry: Entry) -> int:
        return self.workers[self.clients[entry.fields["request_id"]]]

    @property
    def clients(self) -> dict[str, int]:
        return {a.response.fields["x-request-id"]: a.client for a in self.answers if a.response is not None}

    def between(self, begin: float, end: float) -> list[Entry]:
        """Requests that began then."""
        return [entry for entry in self.entries if begin <= entry.began < end]

    @property
    def third_failure(self) -> float:
        """Not later than it happened: when the third of the requests that failed at the node had begun."""
        return sorted(entry.began for entry in self.entries if entry.was_retried)[2]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    tree = configuration(WORKERS)
    tree["pools"]["web"]["health_check"] = {"path": "/healthz", "interval": "500ms", "timeout": "500ms"}
    tree["pools"]["web"]["ejection"] = {"base_time": "2s", "ramp": f"{RAMP:g}s"}
    tree["groups"]["website"]["back_after"] = "500ms"
    with town(tmp_path_factory.mktemp("town"), tree) as place:
        return asyncio.run(live(place))


async def live(place: Town) -> Story:
    edge, origin = place.edge, place.origins[DEAD]
    async with Load(edge.port()) as load:
        await load.wait_for(300)
        killed = time.time()
        origin.kill()
        await load.wait_for(700)
        workers = holders(edge.port(), edge.workers)
        restarted = time.time()
        origin.start()
        await edge.wait_for_node(DEAD, "serving")
        serving = time.time()
        await load.wait_for_node(DEAD, 1)
        returned = time.time()
        await load.wait_for(round(200 * (RAMP + 1.5)))
    return Story(killed, restarted, serving, returned, load.answers, edge.entries(), workers)


def uses(entry: Entry) -> bool:
    """While the node is dead: a request that tried it went on to another one."""
    return entry.was_retried or entry.fields["node"] == DEAD


def test_no_request_of_200_a_second_fails(story: Story) -> None:
    assert [answer.failure for answer in story.answers if answer.failure] == []
    assert len(story.answers) >= 2000
    assert {len(answer.response.body) for answer in story.answers if answer.response is not None} == {1024}


def test_before_it_every_worker_used_it(story: Story) -> None:
    before = story.between(0, story.killed)
    assert {story.worker(entry) for entry in before if entry.fields["node"] == DEAD} == set(story.workers.values())
    assert len(set(story.workers.values())) == WORKERS


def test_within_200_ms_of_the_third_failure_no_worker_uses_it(story: Story) -> None:
    after = story.between(story.third_failure + KNOWN_WITHIN, story.restarted)
    assert [entry.fields for entry in after if uses(entry)] == []
    assert len({story.worker(entry) for entry in after}) == WORKERS


def test_those_that_tried_it_were_answered_by_the_other_datacentre(story: Story) -> None:
    tried = [entry for entry in story.between(story.killed - 0.1, story.restarted) if entry.was_retried]
    assert len(tried) >= 3
    assert {entry.fields["reason"] for entry in tried} == {"retry_other_datacentre"}


def test_it_comes_back_by_three_trials_one_at_a_time(story: Story) -> None:
    trials = [entry for entry in story.between(story.killed, story.serving) if entry.fields["reason"] == "trial"]
    passed = [entry for entry in trials if entry.fields["node"] == DEAD]
    assert len(passed) == 3
    assert all(one.ended <= next.began + 0.002 for one, next in pairwise(passed))
    others = [entry for entry in story.between(story.restarted, story.serving) if entry not in passed]
    assert DEAD not in {entry.fields["node"] for entry in others}


def test_back_in_service_its_traffic_grows_from_little_to_its_share(story: Story) -> None:
    def share(begin: float, end: float) -> float:
        nodes = Counter(e.fields["node"] for e in story.between(story.returned + begin, story.returned + end))
        return nodes[DEAD] / nodes.total()

    first, middle, last = share(0.0, RAMP / 4), share(RAMP * 3 / 8, RAMP * 5 / 8), share(RAMP + 0.3, RAMP + 1.3)
    assert 0 < first < 0.25
    assert first < middle < last
    assert 0.38 < last < 0.62
