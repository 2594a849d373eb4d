"""What processes used is read to the microsecond, with their children."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.meter import ProcessEnded, cpu_ns, cpu_times, process_tree, tree_cpu_ns, tree_pss_kib, used_ns

# A parent and its child. The child uses CPU for as many milliseconds as it is told on a line, and says so.
FAMILY = """
import subprocess, sys
child = '''
import sys, time
for line in sys.stdin:
    until = time.thread_time() + int(line) / 1000
    while time.thread_time() < until: pass
    print("done", flush=True)
'''
sys.exit(subprocess.call([sys.executable, "-c", child]))
"""


@contextmanager
def family() -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", FAMILY], stdin=pipe, stdout=pipe, text=True) as parent:
        burn(parent, 0)  # answers, so both are there
        try:
            yield parent
        finally:
            assert parent.stdin is not None
            parent.stdin.close()


def burn(parent: subprocess.Popen[str], milliseconds: int) -> None:
    assert parent.stdin is not None
    assert parent.stdout is not None
    parent.stdin.write(f"{milliseconds}\n")
    parent.stdin.flush()
    assert parent.stdout.readline() == "done\n"


def test_a_tree_is_the_process_and_its_descendants() -> None:
    with family() as parent:
        tree = process_tree(parent.pid)
        assert tree[0] == parent.pid
        assert len(tree) == 2
        assert os.getpid() not in tree


def test_what_a_child_used_is_in_the_bill_of_its_tree() -> None:
    with family() as parent:
        before = tree_cpu_ns(parent.pid)
        burn(parent, 30)
        used = used_ns(before, tree_cpu_ns(parent.pid))
    assert 30e6 <= used < 60e6


def test_the_clock_of_another_process_is_finer_than_a_tick() -> None:
    with family() as parent:
        child = process_tree(parent.pid)[1]
        before = cpu_ns(child)
        burn(parent, 1)
        assert 1e6 <= cpu_ns(child) - before < 10e6


def test_a_process_that_ended_in_between_spoils_the_sample() -> None:
    with pytest.raises(ProcessEnded, match="12"):
        used_ns({11: 5, 12: 7}, {11: 9})


def test_a_process_that_came_in_between_counts_whole() -> None:
    assert used_ns({11: 5}, {11: 9, 12: 7}) == 4 + 7


def test_the_clock_of_no_process_says_that_it_ended() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with pytest.raises(ProcessEnded):
        cpu_ns(gone.pid)


def test_the_memory_of_a_tree_is_that_of_all_its_processes() -> None:
    with family() as parent:
        child = process_tree(parent.pid)[1]
        assert tree_pss_kib(parent.pid) > tree_pss_kib(child) > 1000


def test_the_times_of_a_cpu_go_forward() -> None:
    cpu = min(os.sched_getaffinity(0))
    before, until = cpu_times(cpu), time.monotonic() + 5
    while cpu_times(cpu).programs <= before.programs:
        assert time.monotonic() < until, "nothing ran on this CPU"


def test_a_cpu_that_is_not_there_is_an_error() -> None:
    with pytest.raises(LookupError):
        cpu_times(99_999)
