from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from steer.control.samples import MOST, OLDEST, Samples
from steer.steering.model import Rule, When
from steer.steering.samples import Row, Sample, sample_to_wire
from tests.control.test_metrics import counts, totals
from tests.kit.admin import topology
from tests.kit.clock import ManualClock


def row(client: str = "192.0.2.1", service: str = "www", pool: str = "web") -> Row:
    found: Any = tuple(sample_to_wire(Sample(service, pool, client)))
    return found  # type: ignore[no-any-return]


def test_those_of_the_last_minutes_are_kept_with_their_age() -> None:
    samples = Samples(topology())
    samples.add([row("192.0.2.1")], 0.0)
    samples.add([row("192.0.2.2")], OLDEST)
    assert [(age, each.client) for age, each in samples.recent(OLDEST)] == [(OLDEST, "192.0.2.1"), (0.0, "192.0.2.2")]
    assert [each.client for _, each in samples.recent(OLDEST + 1)] == ["192.0.2.2"]


def test_there_are_only_so_many() -> None:
    samples = Samples(topology())
    samples.add([row(str(number)) for number in range(MOST + 10)], 0.0)
    kept = samples.recent(0.0)
    assert (len(kept), kept[0][1].client) == (MOST, "10")


def test_of_what_is_not_known_none_is_kept() -> None:
    samples = Samples(topology())
    samples.add([row(service="gone"), row(pool="gone")], 0.0)
    assert samples.recent(0.0) == []


def test_another_configuration_forgets_them_if_it_means_something_else_by_them() -> None:
    places = topology()
    samples = Samples(places)
    samples.add([row()], 0.0)
    samples.follow(replace(places, datacentres=("wellington", "auckland", "hamilton")))
    assert len(samples.recent(0.0)) == 1
    website = replace(places.groups["website"], rules=(Rule("new", When()),))
    samples.follow(replace(places, groups={"website": website}))
    assert samples.recent(0.0) == []


def test_workers_send_them_with_their_counts() -> None:
    clock = ManualClock()
    found = totals(clock)
    found.add(counts(samples=[list(row())]))
    assert [each.client for _, each in found.samples.recent(clock.monotonic())] == ["192.0.2.1"]


@pytest.mark.parametrize("wrong", [[["www"]], [[*row()[:6], ["wellington"], "", []]], [list(row())] * 51])
def test_a_message_with_wrong_ones_counts_nothing(wrong: Any) -> None:
    found = totals()
    with pytest.raises(ValueError, match="samples"):
        found.add(counts(samples=wrong))
    assert found.samples.recent(0.0) == []
