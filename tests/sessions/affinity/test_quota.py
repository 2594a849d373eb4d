from __future__ import annotations

import pytest

from steer.sessions.affinity import quota as module
from steer.sessions.affinity.quota import A_MINUTE, MOST_WRITES, Quota


def test_a_client_writes_so_often_a_minute_and_others_as_often() -> None:
    quota = Quota()
    assert [quota.take("192.0.2.1", 10.0) for _ in range(MOST_WRITES + 1)] == [True] * MOST_WRITES + [False]
    assert quota.take("192.0.2.2", 10.0)
    assert not quota.take("192.0.2.1", 10.0 + A_MINUTE - 1)
    assert quota.take("192.0.2.1", 10.0 + A_MINUTE)


def test_a_clock_that_is_set_back_locks_nobody_out() -> None:
    quota = Quota()
    for _ in range(MOST_WRITES + 1):
        quota.take("192.0.2.1", 10_000.0)
    assert quota.take("192.0.2.1", 10.0)


def test_all_addresses_of_one_ipv6_network_are_one_client() -> None:
    quota = Quota()
    assert all(quota.take(f"2001:db8::{number:x}", 0.0) for number in range(1, MOST_WRITES + 1))
    assert not quota.take("2001:db8::ffff", 0.0)
    assert quota.take("2001:db8:0:1::1", 0.0)


def test_how_many_clients_are_counted_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CLIENTS", 2)
    quota = Quota()
    assert [quota.take(f"192.0.2.{number}", 0.0) for number in range(3)] == [True, True, False]
    assert quota.take("192.0.2.0", 0.0)
