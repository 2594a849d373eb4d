"""`config/passive-cluster.yaml` and `config/pilot-light.yaml` without their plans: from a site that runs to one that
was started for it; what stands by and does not run alarms nobody.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.kit.client import Client
from tests.kit.waiting import wait_until
from tests.scenarios.affinity import cookie_of, node_of, reason_of, site_of
from tests.scenarios.examples import Running, example, nodes, running

TRANSFER, APP, RECOVERY = "transfer.example", "app.example", "dr.app.example"
PROXY_V2 = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11"
"""How the PROXY protocol's header of a TCP connection over IPv4 begins, in its second version."""
QUICK = {"interval": "200ms", "timeout": "200ms", "fall": 2, "rise": 1}
ALARM = re.compile(r'"(ejected|datacentre_out|failover_blocked)"')


def quick(tree: dict[str, Any], group: str, **changes: Any) -> dict[str, Any]:
    """With times that a test can wait for."""
    for pool in tree["pools"].values():
        pool["health_check"] |= QUICK
        pool["ejection"] = {"ramp": "0s"}
    tree["groups"][group] |= {"out_after": "0s", "back_after": "0s", "safety": {"pause": "0s"}, **changes}
    return tree


def states(place: Running) -> dict[str, str]:
    return {node["name"]: node["state"] for node in place.edge.admin("/nodes")["items"]}


def wait_for(place: Running, state: str, *names: str) -> None:
    wait_until(lambda: {states(place)[name] for name in names} == {state}, f"{names} are {state}")


class Greeter:
    """A server of TCP: it says its name and what came first, and closes. A check that says nothing gets no answer."""

    def __init__(self, name: str, address: str) -> None:
        self._name = name.encode()
        self._listening = socket.create_server(("127.0.0.1", urlsplit(address).port or 0))
        self._thread = threading.Thread(target=self._serve, name=name)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connected, _ = self._listening.accept()
                with connected, suppress(OSError):
                    connected.settimeout(2)
                    if first := connected.recv(4096):
                        connected.sendall(self._name + b" " + first)

    def stop(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()


@contextmanager
def greeter(tree: dict[str, Any], name: str) -> Iterator[None]:
    made = Greeter(name, nodes(tree)[name]["address"])
    try:
        yield
    finally:
        made.stop()


def greeted_by(place: Running) -> bytes:
    """The node of a new connection over the second listener; empty where nobody is."""
    with Client(place.edge.port("sftp")) as client, suppress(OSError):
        client.send(b"hello")
        said = client.socket.recv(4096)
        name, _, first = said.partition(b" ")
        assert not said or first.startswith(PROXY_V2)
        return name
    return b""


def test_https_and_sftp_move_together_to_a_standby_that_was_started(tmp_path: Path) -> None:
    standby = ("st-1-dr", "st-2-dr")
    tree = quick(example("passive-cluster", tmp_path), "transfer")
    with greeter(tree, "st-1-sftp"), running(tmp_path, tree, *standby) as place:
        wait_for(place, "standby", *standby, "st-1-dr-sftp")
        assert site_of(place.ask(TRANSFER)) == "production"
        assert greeted_by(place) == b"st-1-sftp"
        assert place.edge.admin("/nodes/st-1-dr/explain")["state"] == "standby"
        explained = place.edge.admin(f"/explain?host={TRANSFER}")["datacentres"]
        assert [(each["datacentre"], each["state"]) for each in explained] == [
            ("production", "serving"),
            ("standby", "standby"),
        ]
        status, said = place.steer("failover", "transfer", "--to", "standby", "--reason", "a drill")
        assert (status, "transfer needs 2" in said) == (1, True)
        assert not ALARM.search(place.edge.log)
        place.start(*standby)
        with greeter(tree, "st-1-dr-sftp"):
            wait_for(place, "serving", *standby, "st-1-dr-sftp")
            moved = place.steer("failover", "transfer", "--to", "standby", "--reason", "a drill")
            assert moved == (0, "transfer is at standby\n")
            assert site_of(place.ask(TRANSFER)) == "standby"
            assert greeted_by(place) == b"st-1-dr-sftp"
            place.stop("st-1", "st-2", "st-3")
            wait_for(place, "standby", "st-1", "st-2", "st-3")
            assert not ALARM.search(place.edge.log)
            place.start("st-1", "st-2", "st-3")
            wait_for(place, "serving", "st-1", "st-2", "st-3")
            moved = place.steer("failback", "transfer", "--reason", "it is over")
            assert moved == (0, "transfer is at production\n")
            assert (site_of(place.ask(TRANSFER)), greeted_by(place)) == ("production", b"st-1-sftp")


def test_a_pilot_light_waits_for_its_servers_and_then_takes_all(tmp_path: Path) -> None:
    tree = quick(example("pilot-light", tmp_path), "django")
    tree["groups"]["django"]["failover"]["after"] = "500ms"
    with running(tmp_path, tree, "app-dr-1", "app-dr-2") as place:
        wait_for(place, "standby", "app-dr-1", "app-dr-2")
        client = f"Cookie: {cookie_of(place.ask(APP))}"
        assert place.ask(RECOVERY).error == "no_node_here"
        assert not ALARM.search(place.edge.log)
        place.stop("app-1", "app-2")
        wait_until(lambda: place.group("django")["blocked"] != "", "a failover is due")
        lost = place.ask(APP, "/", client, "Accept: application/json")
        assert (lost.status, lost.error) == (503, "no_node")
        assert "django is at primary, which is out" in json.loads(lost.body)["detail"]
        place.start("app-dr-1")
        wait_for(place, "serving", "app-dr-1")
        assert place.group("django")["at"] == "primary"  # one of the two that it needs
        assert node_of(place.ask(RECOVERY)) == "app-dr-1"
        place.start("app-dr-2")
        wait_until(lambda: place.group("django")["at"] == "recovery", "it has failed over")
        wait_until(lambda: place.ask(APP).status == 200, "workers know")
        moved = place.ask(APP, "/", client)
        assert (site_of(moved), reason_of(moved)) == ("recovery", "at")
        assert reason_of(place.ask(APP, "/", f"Cookie: {cookie_of(moved)}")) == "affinity"
