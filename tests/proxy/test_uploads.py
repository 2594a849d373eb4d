from __future__ import annotations

from steer.proxy.uploads import Uploads

ROOM = 64


def taken(uploads: Uploads, client: str, number: int, pool: str = "web") -> int:
    """Of so many bodies that begin, while each takes a place of the pool."""
    return sum(uploads.begin((client, n), pool, client, ROOM - len(uploads.under_way)) for n in range(number))


def test_one_client_alone_gets_half_and_the_next_one_half_of_the_rest() -> None:
    uploads = Uploads()
    assert taken(uploads, "192.0.2.1", 1000) == ROOM // 2
    assert taken(uploads, "192.0.2.2", 1000) == ROOM // 4
    assert taken(uploads, "192.0.2.3", 1) == 1


def test_a_body_that_is_whole_gives_its_place_back_once() -> None:
    uploads = Uploads()
    taken(uploads, "192.0.2.1", 1000)
    for _ in range(3):
        uploads.end(("192.0.2.1", 0))
    assert len(uploads.under_way) == ROOM // 2 - 1
    assert uploads.begin("another", "web", "192.0.2.1", ROOM // 2 + 1)
    assert not uploads.begin("a further one", "web", "192.0.2.1", ROOM // 2)


def test_pools_are_counted_apart() -> None:
    uploads = Uploads()
    taken(uploads, "192.0.2.1", 1000)
    assert uploads.begin("elsewhere", "files", "192.0.2.1", 1)
