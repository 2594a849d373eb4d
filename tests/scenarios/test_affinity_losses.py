"""Clients with affinity when a process, a node, a datacentre or a key is lost."""

from __future__ import annotations

import base64
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from steer.sessions.keyfile import read_ring, rotate_file
from steer.sessions.keyring import KNOWN_AFTER
from tests.kit.client import Client, Response
from tests.kit.processes import children, holders
from tests.kit.waiting import wait_until
from tests.scenarios.affinity import (
    COOKIE_HOST,
    Place,
    cookie_of,
    node_of,
    place_of,
    reason_of,
    request,
    service,
    site_of,
    tree_of,
)

TEMPORARY, STRICT, KEYED = (f"{name}.agency.example" for name in ("temporary", "strict", "keyed"))
KEY = "X-Conversation-Id: c-1"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    services = {
        "www": service(COOKIE_HOST, {"cookie": "steer"}),
        "temporary": service(TEMPORARY, {"cookie": "steer", "on_loss": "temporary"}),
        "strict": service(STRICT, {"cookie": "steer", "on_loss": "strict"}),
        "keyed": service(KEYED, {"header": "X-Conversation-Id"}),
    }
    with place_of(tmp_path, tree_of(services), workers=2) as place:
        yield place


def workers(place: Place) -> list[int]:
    return sorted(pid for pid, name in children(place.edge.process.pid).items() if name.startswith("steer worker"))


def replace_a_worker(place: Place) -> None:
    victim = workers(place)[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(workers(place)) == 2 and victim not in workers(place), "another worker")


def other_site(site: str) -> str:
    return {"one": "two", "two": "one"}[site]


def lose(place: Place, site: str) -> None:
    nodes = (f"{site}-1", f"{site}-2")
    place.stop(*nodes)
    for node in nodes:
        wait_until(lambda node=node: lost(place, node), f"{node} is ejected")  # type: ignore[misc]


def lost(place: Place, node: str) -> bool:
    """Asked for until it is: a node is found lost by who asks for it."""
    place.ask(COOKIE_HOST)
    return bool(place.edge.admin(f"/nodes/{node}")["state"] != "serving")


def give_back(place: Place, *nodes: str) -> None:
    """Asked for until they serve: a trial needs a request."""
    place.start(*nodes)

    def are_back() -> bool:
        place.ask(COOKIE_HOST)
        return all(place.edge.admin(f"/nodes/{node}")["state"] == "serving" for node in nodes)

    wait_until(are_back, f"{nodes} serve again")


def test_a_client_stays_over_200_requests_and_the_death_of_the_worker_that_served_it(place: Place) -> None:
    first = place.ask(COOKIE_HOST)
    field = f"Cookie: {cookie_of(first)}"
    seen = set()
    for number in range(200):
        if number == 100:
            replace_a_worker(place)
        answer = place.ask(COOKIE_HOST, field)
        seen.add((node_of(answer), reason_of(answer)))
    assert seen == {(node_of(first), "affinity")}


def test_when_its_node_is_lost_another_of_its_datacentre_has_it_for_good(place: Place) -> None:
    first = place.ask(COOKIE_HOST)
    place.stop(node_of(first))
    moved = place.ask(COOKIE_HOST, f"Cookie: {cookie_of(first)}")
    assert (moved.status, site_of(moved)) == (200, site_of(first))
    assert node_of(moved) != node_of(first)
    give_back(place, node_of(first))
    again = place.ask(COOKIE_HOST, f"Cookie: {cookie_of(moved)}")
    assert (node_of(again), reason_of(again)) == (node_of(moved), "affinity")


def test_when_its_datacentre_is_lost_a_client_moves_once_returns_or_is_refused(place: Place) -> None:
    first = {host: on_site(place, host, "one") for host in (COOKIE_HOST, TEMPORARY, STRICT)}
    lose(place, "one")
    away = {host: place.ask(host, f"Cookie: {cookie_of(answer)}") for host, answer in first.items()}
    assert (site_of(away[COOKIE_HOST]), reason_of(away[COOKIE_HOST])) == ("two", "weights")
    assert (site_of(away[TEMPORARY]), away[TEMPORARY].all("Set-Cookie")) == ("two", [])
    assert (away[STRICT].status, away[STRICT].error) == (503, "no_node_here")
    moved = f"Cookie: {cookie_of(away[COOKIE_HOST])}"
    give_back(place, "one-1", "one-2")
    stays = place.ask(COOKIE_HOST, moved)
    assert (node_of(stays), reason_of(stays)) == (node_of(away[COOKIE_HOST]), "affinity")
    for host in (TEMPORARY, STRICT):
        back = place.ask(host, f"Cookie: {cookie_of(first[host])}")
        assert (node_of(back), reason_of(back)) == (node_of(first[host]), "affinity")


def on_site(place: Place, host: str, site: str) -> Response:
    """The first answer to a new client that is there."""
    for _ in range(100):
        answer = place.ask(host)
        if site_of(answer) == site:
            return answer
    raise AssertionError(f"100 clients, none at {site}")


def test_a_learned_key_moves_once_for_all_workers(place: Place) -> None:
    with_each = connection_to_each_worker(place)
    first = site_of(with_each[0].ask(request(KEYED, KEY)))
    lose(place, first)
    away = with_each[0].ask(request(KEYED, KEY))
    assert site_of(away) == other_site(first)
    give_back(place, f"{first}-1", f"{first}-2")
    for client in with_each:
        answer = client.ask(request(KEYED, KEY))
        assert (site_of(answer), reason_of(answer)) == (other_site(first), "affinity")
        client.socket.close()


def connection_to_each_worker(place: Place) -> list[Client]:
    found: dict[int, Client] = {}
    for _ in range(100):
        client = place.client()
        client.ask(request(COOKIE_HOST))
        holder = holders(place.edge.port(), workers(place))[client.socket.getsockname()[1]]
        if found.setdefault(holder, client) is not client:
            client.socket.close()
        if len(found) == 2:
            return list(found.values())
    raise AssertionError("100 connections, all for one worker")


def test_cookies_of_before_are_good_after_a_rotation_by_a_copied_file(place: Place) -> None:
    first = place.ask(COOKIE_HOST)
    file = place.edge.folder / "state" / "affinity-keys.yaml"
    now = float(int(time.time()))
    rotate_file(file, now, 1800.0)
    _, ring = rotate_file(file, now + KNOWN_AFTER, 1800.0)
    wanted = bytes.fromhex(ring.active.id)

    def seals_with_it() -> bool:
        value = cookie_of(place.ask(COOKIE_HOST)).partition("=")[2]
        return base64.urlsafe_b64decode(value)[:4] == wanted

    wait_until(seals_with_it, "the new key seals")
    for _ in range(10):
        answer = place.ask(COOKIE_HOST, f"Cookie: {cookie_of(first)}")
        assert (node_of(answer), reason_of(answer)) == (node_of(first), "affinity")
    assert place.edge.admin("/keys")["items"][0]["keys"][-1]["state"] == "active"
    assert read_ring(file) == ring


def test_a_broken_file_of_keys_stops_a_start_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "affinity-keys.yaml").write_text("keys: 1\n")
    tree = tree_of({"www": service(COOKIE_HOST, {"cookie": "steer"})})
    with pytest.raises(AssertionError, match=r"affinity-keys\.yaml: is no ring of keys"), place_of(tmp_path, tree):
        raise NotImplementedError("it must not be ready")
