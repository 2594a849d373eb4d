"""Real processes, real signals: what holds when a part of the edge dies, stops or is told to end."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.processes import is_alive
from tests.kit.waiting import wait_until
from tests.runtime.running import PATIENCE, RunningEdge, running


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[RunningEdge]:
    with running(tmp_path) as edge:
        edge.await_ready()
        yield edge


class TestAWorker:
    @pytest.mark.parametrize("workers", [1, 2])
    def test_that_is_killed_is_replaced_without_a_reset_of_what_waits_in_its_queue(
        self, tmp_path: Path, workers: int
    ) -> None:
        with running(tmp_path, workers=workers) as edge:
            edge.await_ready()
            victim = int(edge.ask("who"))
            os.kill(victim, signal.SIGSTOP)
            clients = [edge.connect() for _ in range(40)]
            os.kill(victim, signal.SIGKILL)
            answers = {int(client.ask("who")) for client in clients}
            assert victim not in answers
            wait_until(lambda: len(edge.workers()) == workers, "a worker for each slot")

    def test_that_is_killed_leaves_the_other_workers_connections_alone(self, edge: RunningEdge) -> None:
        clients = {int(client.ask("who")): client for client in [edge.connect() for _ in range(40)]}
        victim, witness = clients
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: not is_alive(victim), "the victim's death")
        assert int(clients[witness].ask("who")) == witness

    def test_that_is_stopped_has_its_queue_served_by_its_neighbour_within_2_5_seconds(self, edge: RunningEdge) -> None:
        stopped = int(edge.ask("who"))
        os.kill(stopped, signal.SIGSTOP)
        began = time.monotonic()
        clients = [edge.connect() for _ in range(20)]
        answers = {int(client.ask("who")) for client in clients}
        assert time.monotonic() - began < 2.5
        assert stopped not in answers
        assert len(answers) == 1

    def test_that_is_stopped_gets_its_slot_back_when_it_goes_on(self, tmp_path: Path) -> None:
        with running(tmp_path, silent=0.7) as edge:
            edge.await_ready()
            both = edge.workers()
            stopped = min(both)
            os.kill(stopped, signal.SIGSTOP)
            wait_until(lambda: edge.ask("slots") == "[0, 1]", "the neighbour's help")
            os.kill(stopped, signal.SIGCONT)
            wait_until(lambda: {edge.ask("slots") for _ in range(20)} == {"[0]", "[1]"}, "each its own slot again")
            assert edge.workers() == both

    def test_that_stays_silent_is_killed_and_replaced(self, tmp_path: Path) -> None:
        with running(tmp_path, silent=0.7, lost=1.5) as edge:
            edge.await_ready()
            stopped = int(edge.ask("who"))
            os.kill(stopped, signal.SIGSTOP)
            wait_until(lambda: not is_alive(stopped), "the silent worker's death")
            wait_until(lambda: len(edge.workers()) == 2, "its replacement")
            assert "was silent for" in edge.log

    def test_that_cannot_live_is_started_at_once_and_then_after_pauses_that_double(self, tmp_path: Path) -> None:
        with running(tmp_path, workers=1, worker="crashing") as edge:
            wait_until(lambda: edge.log.count("starting another") >= 4, "four deaths")
            pauses = re.findall(r"worker 0 .* was killed by SIGABRT; starting another in (\S+) s", edge.log)
            assert pauses[:4] == ["0", "0.1", "0.2", "0.4"]

    def test_that_cannot_start_ends_the_edge_with_its_reason(self, tmp_path: Path) -> None:
        with running(tmp_path, worker="unstartable") as edge:
            assert edge.process.wait(PATIENCE) == 1
            assert "cannot start: nothing to echo with" in edge.log


class TestControl:
    def test_that_is_killed_stops_no_worker_and_comes_back_with_the_next_number(self, edge: RunningEdge) -> None:
        client, workers, killed = edge.connect(), edge.workers(), edge.await_snapshot()
        os.kill(killed["pid"], signal.SIGKILL)
        assert client.ask("ping") == "pong"
        assert edge.await_snapshot(after=killed["number"])["pid"] != killed["pid"]
        assert edge.workers() == workers

    def test_that_is_stopped_leaves_a_new_worker_the_last_snapshot(self, tmp_path: Path) -> None:
        with running(tmp_path, workers=1) as edge:
            edge.await_ready()
            last, worker = edge.await_snapshot(), int(edge.ask("who"))
            os.kill(last["pid"], signal.SIGSTOP)
            os.kill(worker, signal.SIGKILL)
            assert edge.snapshot() == last
            assert int(edge.ask("who")) != worker

    def test_hears_an_observation_and_all_workers_have_its_snapshot_within_20_ms(self, edge: RunningEdge) -> None:
        clients = {client.ask("who"): client for client in [edge.connect() for _ in range(40)]}
        assert len(clients) == 2
        took = []
        for _ in range(5):
            number = edge.await_snapshot()["number"]
            next(iter(clients.values())).ask("observe")
            took.append(
                wait_until(
                    lambda: all(f'"number": {number + 1},' in c.ask("snapshot") for c in clients.values()),  # noqa: B023
                    "the next snapshot",
                )
            )
        # The best of five: the promise is about the channel, not about what else this machine does.
        assert min(took) < 0.02


class TestTheEnd:
    def test_is_0_after_a_drain_that_lets_open_connections_finish(self, edge: RunningEdge) -> None:
        client = edge.connect()
        client.ask("ping")
        edge.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "draining" in edge.log, "the drain")
        assert client.ask("ping") == "pong"
        client.close()
        assert edge.process.wait(PATIENCE) == 0

    def test_comes_after_the_drains_time_also_with_a_connection_open(self, tmp_path: Path) -> None:
        with running(tmp_path, drain=0.3) as edge:
            edge.await_ready()
            client = edge.connect()
            client.ask("ping")
            edge.process.send_signal(signal.SIGTERM)
            assert edge.process.wait(PATIENCE) == 0

    def test_comes_at_once_with_a_second_signal(self, tmp_path: Path) -> None:
        with running(tmp_path, drain=60.0) as edge:
            edge.await_ready()
            client = edge.connect()
            client.ask("ping")
            edge.process.send_signal(signal.SIGTERM)
            wait_until(lambda: "draining" in edge.log, "the drain")
            edge.process.send_signal(signal.SIGTERM)
            assert edge.process.wait(2.0) == 0

    def test_comes_also_when_a_worker_is_stopped(self, tmp_path: Path) -> None:
        with running(tmp_path, drain=0.3) as edge:
            edge.await_ready()
            os.kill(int(edge.ask("who")), signal.SIGSTOP)
            edge.process.send_signal(signal.SIGTERM)
            assert edge.process.wait(PATIENCE) == 0

    def test_leaves_no_process_and_no_socket(self, edge: RunningEdge, tmp_path: Path) -> None:
        children = edge.children()
        assert len(children) == 3
        edge.process.send_signal(signal.SIGINT)
        edge.process.wait(PATIENCE)
        assert not any(is_alive(pid) for pid in children)
        assert not (tmp_path / "control.sock").exists()
        with pytest.raises(ConnectionRefusedError):
            edge.connect()

    def test_of_the_supervisor_alone_ends_the_children_after_their_drain(self, edge: RunningEdge) -> None:
        children = edge.children()
        client = edge.connect()
        worker = int(client.ask("who"))
        edge.process.kill()
        edge.process.wait(PATIENCE)
        wait_until(lambda: [pid for pid in children if is_alive(pid)] == [worker], "the idle children's end")
        assert client.ask("ping") == "pong"
        client.close()
        wait_until(lambda: not is_alive(worker), "the last worker's end")

    def test_of_the_supervisor_alone_frees_the_address_for_a_new_edge_at_once(self, edge: RunningEdge) -> None:
        children = edge.children()
        client = edge.connect()
        client.ask("ping")
        edge.process.kill()
        edge.process.wait(PATIENCE)
        wait_until(lambda: _is_free(edge.port), "a free address")
        assert any(is_alive(pid) for pid in children)
        client.close()
        wait_until(lambda: not any(is_alive(pid) for pid in children), "the children's end")

    @pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2])
    def test_is_not_brought_by_signals_that_ask_for_something_else(
        self, edge: RunningEdge, number: signal.Signals
    ) -> None:
        before = edge.workers()
        for pid in (edge.process.pid, *edge.children()):
            os.kill(pid, number)
        assert edge.workers() == before
        assert edge.process.poll() is None


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
