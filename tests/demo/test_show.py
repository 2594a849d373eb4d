"""The whole demonstration, as a person runs it: the lines that it prints are the ones that are tried."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from steer.demo.ports import Ports
from steer.demo.tally import served
from tests.kit.processes import is_alive
from tests.kit.waiting import wait_until

EXAMPLES = Path(__file__).parents[2] / "config"
PORTS = Ports()
FIRST_PORT = 20_000 + os.getpid() * 61 % 8_000
"""Somewhere else for each process that runs tests."""
LAST_LINE = "Ctrl-C ends it and leaves nothing behind."


class Demo:
    """A running demonstration. `guide` is what it printed until it was ready."""

    def __init__(self, temporary: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "steer", "demo", "--port", str(PORTS.near(FIRST_PORT)), *arguments]
        environment = os.environ | {"TMPDIR": str(temporary)}
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self._lines = self.process.stdout
        self.temporary = temporary
        self.guide: list[str] = []
        for line in self._lines:
            self.guide.append(line.strip())
            if self.guide[-1] == LAST_LINE:
                return
        self.end()
        pytest.fail("the demonstration ended before it was ready: its standard error says why")

    def next_line(self) -> str:
        return self._lines.readline().rstrip()

    def lines(self, start: str) -> list[str]:
        return [line for line in self.guide if line.startswith(start)]

    def pid(self, node: str) -> int:
        (pid,) = re.findall(rf"^\S+ +{node} +pid (\d+) ", "\n".join(self.guide), flags=re.MULTILINE)
        return int(pid)

    @property
    def origins(self) -> list[int]:
        return [int(pid) for pid in re.findall(r" pid (\d+) +port ", "\n".join(self.guide))]

    @property
    def admin(self) -> str:
        (settings,) = self.lines("export STEER_ADMIN=")
        return settings.removeprefix("export STEER_ADMIN=").split()[0]

    def ask(self, hostname: str) -> str:
        """The curl line of a hostname."""
        (line,) = [line for line in self.lines("curl -s --cacert") if f"https://{hostname}:" in line]
        return line

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(timeout=30)
        self._lines.close()


def shell(command: str) -> str:
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


def is_done(command: str) -> bool:
    """Whether a command of steer did what it should; not yet is the only other answer that may be."""
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0 or "was changed less than 5 s ago" in done.stderr, (command, done.stderr)
    return done.returncode == 0


def processes_under(pid: int) -> set[int]:
    """All descendants."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(") ")[2].split()[1])
        except FileNotFoundError:
            continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def ask_both(demo: Demo, hostname: str) -> tuple[str, str]:
    """The node as it names itself, and as the edge names it."""
    said = shell(demo.ask(hostname).replace("curl -s ", "curl -s -w '%header{x-steer-node}' ", 1))
    body, _, named = said.rpartition("\n")
    return json.loads(body)["node"], named


@contextmanager
def demonstration(temporary: Path, *arguments: str) -> Iterator[Demo]:
    demo = Demo(temporary, *arguments)
    try:
        yield demo
    finally:
        demo.end()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with demonstration(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


class Asking:
    """Runs a curl line again and again until told to stop; counts nodes and failures."""

    def __init__(self, line: str) -> None:
        self.nodes: Counter[str] = Counter()
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._line = line.replace("curl -s ", "curl -sS -w '\\n%{http_code}' ", 1)
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Asking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            done = subprocess.run(["sh", "-c", self._line], capture_output=True, text=True, check=False)
            body, _, status = done.stdout.rpartition("\n")
            if status == "200":
                self.nodes[json.loads(body)["node"]] += 1
            else:
                self.failures.append(f"{status} {done.stderr} {body}")

    def wait_for(self, more: int, node: str) -> None:
        wanted = self.nodes[node] + more
        wait_until(lambda: self.nodes[node] >= wanted, f"answers of {node}")


def test_every_curl_line_that_is_printed_works(demo: Demo) -> None:
    lines = demo.lines("curl -s --cacert")
    assert len(lines) == 6
    for line in lines:
        datacentre = json.loads(shell(line))["datacentre"]
        _, _, which = line.partition("# ")
        assert which in ("any node", f"always {datacentre}")


def test_the_balanced_hostname_reaches_both_datacentres(demo: Demo) -> None:
    with Asking(demo.ask("www.agency.example")) as asking:
        asking.wait_for(5, "wlg-1")
        asking.wait_for(5, "akl-1")
    assert asking.failures == []


def test_an_answer_says_where_it_came_from(demo: Demo) -> None:
    (watch,) = demo.lines("while sleep 0.1; do ")
    said = shell(watch.removeprefix("while sleep 0.1; do ").removesuffix("; done"))
    assert said in ("200 wlg-1\n", "200 akl-1\n")


def test_the_commands_that_are_printed_work(demo: Demo) -> None:
    (settings,) = demo.lines("export STEER_ADMIN")
    commands = [line for line in demo.guide if re.match(r"\S*steer (status|explain|weights|drain|restore) ?", line)]
    assert len(commands) == 5
    for command in commands:
        wait_until(lambda command=command: is_done(f"{settings}; {command}"), command)  # type: ignore[misc]


def test_a_stopped_node_costs_time_and_no_request(demo: Demo) -> None:
    pid = demo.pid("wlg-1")
    with Asking(demo.ask("www.agency.example")) as asking:
        asking.wait_for(1, "wlg-1")
        os.kill(pid, signal.SIGSTOP)
        asking.wait_for(20, "akl-1")
        os.kill(pid, signal.SIGCONT)
        asking.wait_for(1, "wlg-1")
    assert asking.failures == []


def test_a_node_told_to_fail_is_left_alone_without_a_failed_request_until_it_is_mended(demo: Demo) -> None:
    (line,) = demo.lines("curl -s -X POST")
    break_it, _, mend_it = line.partition("   # it fails; ")
    with Asking(demo.ask("www.agency.example")) as asking:
        shell(break_it)
        asking.wait_for(20, "akl-1")
        shell(mend_it.removesuffix(" mends it"))
        asking.wait_for(1, "wlg-1")
    assert asking.failures == []


def test_a_killed_node_is_replaced_by_the_others_without_a_failed_request(demo: Demo) -> None:
    pid = demo.pid("wlg-1")
    with Asking(demo.ask("www.agency.example")) as asking:
        asking.wait_for(1, "akl-1")
        os.kill(pid, signal.SIGKILL)
        assert demo.next_line() == f"wlg-1 (pid {pid}) is gone; it comes back in 15 s"
        asking.wait_for(20, "akl-1")
        assert demo.next_line().startswith("wlg-1 is back, as pid ")
        asking.wait_for(1, "wlg-1")
    assert asking.failures == []


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_a_summary_and_leaves_nothing_behind(tmp_path: Path, stop: signal.Signals) -> None:
    with demonstration(tmp_path) as demo:
        shell(demo.ask("stack.cwp.example"))
        wait_until(lambda: served(demo.admin).startswith("1 requests"), "the request is counted")
        everything = processes_under(demo.process.pid)
        assert set(demo.origins) < everything
        demo.process.send_signal(stop)
        assert re.match(r"Ran for \d+ s: .*\b1 by wellington.*, 0 answered 5xx\.$", demo.next_line())
        assert demo.process.wait(timeout=20) == 0
        wait_until(lambda: not any(is_alive(pid) for pid in everything), "all its processes are gone")
        assert list(tmp_path.iterdir()) == []


def test_killed_it_leaves_no_process_and_no_folder_either(tmp_path: Path) -> None:
    with demonstration(tmp_path) as demo:
        everything = processes_under(demo.process.pid)
        os.kill(demo.origins[0], signal.SIGSTOP)
        demo.process.kill()
        wait_until(lambda: not any(is_alive(pid) for pid in everything), "all its processes are gone")
        wait_until(lambda: list(tmp_path.iterdir()) == [], "its folder is gone")


def test_for_ends_it_by_itself(tmp_path: Path) -> None:
    with demonstration(tmp_path, "--for", "1s") as demo:
        assert demo.process.wait(timeout=20) == 0
        assert demo.next_line() == "Ran for 1 s: 0 requests, 0 answered 5xx."
    assert list(tmp_path.iterdir()) == []


def test_another_example_runs_as_far_as_it_is_built(tmp_path: Path) -> None:
    with demonstration(tmp_path, "--config", str(EXAMPLES / "regional-canary.yaml")) as demo:
        assert "left out: plans: is not built yet (running a plan)" in demo.guide
        for _ in range(10):  # both nodes of the datacentre that has all the weight
            node, named = ask_both(demo, "www.invoices.example")
            assert node == named
            assert node in ("east-1", "east-2")
        assert ask_both(demo, "www-sec.invoices.example") == ("west-1", "west-1")
