from __future__ import annotations

from dataclasses import replace

import pytest

from steer.sessions.affinity.seals import OVERHEAD, Seals
from steer.sessions.keyring import KeyState, Ring, first_ring, rotated


@pytest.fixture
def ring() -> Ring:
    return first_ring(0.0)


def test_what_is_sealed_opens_in_its_context_only(ring: Ring) -> None:
    seals = Seals(ring)
    sealed = seals.seal(b"content", b"here")
    assert len(sealed) == len(b"content") + OVERHEAD
    assert seals.open(sealed, b"here") == b"content"
    assert seals.open(sealed, b"there") is None


def test_nothing_opens_that_was_changed_anywhere(ring: Ring) -> None:
    seals = Seals(ring)
    sealed = seals.seal(b"content", b"")
    for index in range(len(sealed)):
        changed = bytearray(sealed)
        changed[index] ^= 1
        assert seals.open(bytes(changed), b"") is None


def test_a_key_that_is_next_or_old_opens_and_an_unknown_one_does_not(ring: Ring) -> None:
    added = rotated(ring, 100.0, 60.0)
    done = rotated(added, 200.0, 60.0)
    by_old, by_new = Seals(ring).seal(b"old", b""), Seals(done).seal(b"new", b"")
    assert Seals(added).open(by_new, b"") == b"new"
    assert Seals(done).open(by_old, b"") == b"old"
    assert Seals(ring).open(by_new, b"") is None


def test_it_follows_another_ring(ring: Ring) -> None:
    seals = Seals(ring)
    other = Ring((replace(first_ring(0.0).active, state=KeyState.ACTIVE),))
    sealed = seals.seal(b"content", b"")
    seals.follow(other)
    assert seals.version == 1
    assert seals.open(sealed, b"") is None
    assert Seals(other).open(seals.seal(b"content", b""), b"") == b"content"
