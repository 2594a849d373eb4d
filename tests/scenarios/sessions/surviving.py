"""What an application with sessions must live through, for whoever has two sites and an application to put there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from subprocess import Popen

from tests.kit import application
from tests.kit.application import Application, Visitor, running
from tests.kit.edge import HOST
from tests.kit.waiting import wait_until
from tests.scenarios.sessions.sites import Site

Pair = tuple[Site, Site]


@contextmanager
def nodes_of(app: Application, sites: Pair) -> Iterator[list[Popen[bytes]]]:
    """The application at each site, on that site's door."""
    with ExitStack() as stack:
        yield [stack.enter_context(running(app, site.door, site.node, site.folder / "app.log")) for site in sites]


def keep_apart(sites: Pair) -> None:
    """Each edge sends new clients to its own nodes."""
    for site in sites:
        weights = {"wellington": 0, "auckland": 0, site.name: 100}
        body = {"weights": weights, "reason": "the test", "force": True}
        site.running.admin("/groups/website/weights", "PUT", body)
    for site in sites:
        wait_until(_stays(site), "new clients stay")


def _stays(site: Site) -> Callable[[], bool]:
    return lambda: browser(site).ask("/who").all("X-Steer-Datacentre") == [site.name]


def browser(site: Site) -> Visitor:
    """A new one, at this site's edge."""
    return Visitor(site.running.port(), HOST)


def wait_until_same(sites: Pair) -> None:
    """Both Redis hold the same records, byte for byte."""
    wait_until(lambda: sites[0].records() == sites[1].records(), "both hold the same", within=30)


def site_is_lost(sites: Pair, nodes: list[Popen[bytes]]) -> None:
    """All of the first one at once: its nodes, its edge, its Redis."""
    application.kill(nodes[0])
    sites[0].kill()
    sites[0].redis.kill()


def goes_on_without_its_redis(app: Application, sites: Pair) -> None:
    """The first site's is killed in the middle; the second one's serves, and is caught up with afterwards."""
    home, _ = sites
    with nodes_of(app, sites):
        visitors = {name: Visitor(home.node) for name in ("ann", "bob", "eve")}
        for name, visitor in visitors.items():
            assert (visitor.login(name), visitor.count()) == (name, "1")
        wait_until_same(sites)
        home.redis.kill()
        for name, visitor in visitors.items():
            assert (visitor.who(), visitor.count()) == (name, "2")
        assert visitors["bob"].renew() == "bob"
        assert visitors["eve"].logout() == "nobody"
        new = Visitor(home.node)
        assert new.login("new") == "new"
        home.redis.start()
        wait_until_same(sites)
        assert [visitor.who() for visitor in visitors.values()] == ["ann", "bob", "nobody"]
        assert visitors["ann"].count() == "3"
        wait_until_same(sites)
        for visitor, name in ((visitors["ann"], "ann"), (visitors["bob"], "bob"), (new, "new")):
            visitor.port = sites[1].node
            assert visitor.who() == name
