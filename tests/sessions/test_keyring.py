from __future__ import annotations

import pytest

from steer.errors import Unacceptable
from steer.sessions.keyring import KNOWN_AFTER, MOST_KEYS, KeyState, Ring, first_ring, rotated

IDLE = 1800.0
DAY = 86_400.0


def states(ring: Ring) -> list[str]:
    return [str(key.state) for key in ring.keys]


def twice(ring: Ring, now: float) -> Ring:
    return rotated(rotated(ring, now, IDLE), now + KNOWN_AFTER, IDLE)


def test_a_new_key_first_opens_only_and_seals_after_the_second_step() -> None:
    first = first_ring(0.0)
    added = rotated(first, DAY, IDLE)
    assert states(added) == ["active", "next"]
    assert added.active == first.active
    done = rotated(added, DAY + KNOWN_AFTER, IDLE)
    assert states(done) == ["old", "active"]
    assert done.active.id == added.keys[1].id
    assert done.next is None


def test_the_second_step_waits_until_every_process_may_know_the_key() -> None:
    added = rotated(first_ring(0.0), DAY, IDLE)
    with pytest.raises(Unacceptable, match="too new"):
        rotated(added, DAY + KNOWN_AFTER - 1, IDLE)


def test_an_old_key_opens_for_as_long_as_its_cookies_may_live_and_then_it_goes() -> None:
    ring = twice(first_ring(0.0), DAY)
    old = ring.keys[0]
    assert old.until == DAY + KNOWN_AFTER + 2 * IDLE
    assert old in rotated(ring, old.until - 1, IDLE).keys
    assert old.id not in [key.id for key in rotated(ring, old.until + 1, IDLE).keys]


def test_there_are_never_more_keys_than_the_limit() -> None:
    ring, now = first_ring(0.0), DAY
    while len(ring.keys) < MOST_KEYS:
        ring, now = twice(ring, now), now + 2 * KNOWN_AFTER
    with pytest.raises(Unacceptable, match=f"there are {MOST_KEYS} keys"):
        rotated(ring, now, IDLE)


def test_a_key_does_not_show_its_secret() -> None:
    key = first_ring(0.0).active
    assert key.state is KeyState.ACTIVE
    assert "secret" not in repr(key)
