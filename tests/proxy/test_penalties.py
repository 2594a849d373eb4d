from __future__ import annotations

from steer.proxy.penalties import FIRST_S, FORGOTTEN_S, LONGEST_S, ROOM, Penalties, network_of

BAD, GOOD = "192.0.2.1", "192.0.2.2"


def test_an_address_is_held_for_a_while_and_no_other() -> None:
    penalties = Penalties()
    assert not penalties.holds(BAD, 0.0)
    penalties.add(BAD, 0.0)
    assert penalties.holds(BAD, FIRST_S - 0.1)
    assert not penalties.holds(GOOD, 0.0)
    assert not penalties.holds(BAD, FIRST_S)


def test_who_comes_back_is_held_longer_and_never_for_ever() -> None:
    penalties, now, held = Penalties(), 0.0, []
    for _ in range(8):
        penalties.add(BAD, now)
        until = now
        while penalties.holds(BAD, until):
            until += 0.5
        held.append(until - now)
        now = until
    assert held[:3] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S]
    assert held[-1] == LONGEST_S


def test_connections_of_the_same_moment_count_once() -> None:
    penalties = Penalties()
    for _ in range(20):
        penalties.add(BAD, 1.0)
    assert not penalties.holds(BAD, 1.0 + FIRST_S)


def test_after_a_quiet_time_the_first_penalty_is_a_first_one() -> None:
    penalties = Penalties()
    penalties.add(BAD, 0.0)
    later = FIRST_S + FORGOTTEN_S + 1
    penalties.add(BAD, later)
    assert not penalties.holds(BAD, later + FIRST_S)
    penalties.sweep(later)
    assert len(penalties) == 1
    penalties.sweep(later + FIRST_S + FORGOTTEN_S + 1)
    assert len(penalties) == 0


def test_a_flood_from_everywhere_fills_no_memory() -> None:
    penalties = Penalties()
    for number in range(ROOM + 100):
        penalties.add(f"10.0.{number >> 8}.{number & 255}", 0.0)
    assert len(penalties) == ROOM
    assert not penalties.holds("10.0.0.0", 0.0)
    assert penalties.holds("10.0.16.99", 0.0)


def test_a_network_of_ipv6_counts_as_one_client() -> None:
    penalties = Penalties()
    penalties.add("2001:db8:1:2::1", 0.0)
    assert penalties.holds("2001:db8:1:2:ffff::9", 0.0)
    assert not penalties.holds("2001:db8:1:3::1", 0.0)
    assert network_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert network_of("fe80::1%eth0") == "fe80::"
