"""A request that waits for a free connection while its group moves goes where the group is by then."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.kit.client import Client
from tests.kit.edge import HOST, configuration, running_edge
from tests.kit.origin import OK, Origin, tell, wait_for
from tests.kit.waiting import wait_until
from tests.scenarios.affinity import reason_of, request, site_of


def test_what_waits_when_its_group_moves_goes_along(tmp_path: Path) -> None:
    arrived, done = threading.Event(), threading.Event()
    with Origin() as one, Origin() as two:
        tree = configuration({"one": one.port, "two": two.port})
        tree["edge"]["reveal"] = True
        tree["pools"]["web"] |= {"max_connections": 1, "health_check": {"kind": "tcp", "interval": "200ms"}}
        tree["groups"]["website"] = {"mode": "active-passive", "order": ["one", "two"]}
        one.on("/slow", tell(arrived), wait_for(done), OK)
        with running_edge(tmp_path, tree) as edge, Client(edge.port()) as first, Client(edge.port()) as second:
            first.send(request(HOST, path="/slow"))
            assert arrived.wait(5)
            second.send(request(HOST, path="/waits"))
            wait_until(lambda: edge.admin("/nodes/one-1")["in_flight"] == 2, "the second one waits")
            edge.admin("/groups/website/failover", "POST", {"to": "two", "reason": "a test"})
            with Client(edge.port()) as third:
                wait_until(lambda: site_of(third.ask(request(HOST))) == "two", "the worker knows")
            done.set()
            assert site_of(first.read()) == "one"
            answer = second.read()
            assert (answer.status, site_of(answer), reason_of(answer)) == (200, "two", "retry_other_datacentre")
            assert one.seen("/waits") == []
            assert edge.entry("/waits")["retries"] == 1
            wait_until(lambda: edge.admin("/nodes/one-1")["in_flight"] == 0, "nothing is left behind")
            wait_until(lambda: 'steer_retries_total{reason="moved"} 1.0' in edge.metrics(), "it is counted")
