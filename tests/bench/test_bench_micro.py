"""The micro benchmarks call what they say, with heads that are good."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import pytest

from bench.micro import (
    CASES,
    HEADS,
    answering,
    choosing,
    main,
    many_clients,
    measure,
    one_differs,
    one_field,
    rewriting,
)
from steer.proxy.http.head import RequestHead, read_request
from steer.steering.model import Verdict


def test_a_call_is_measured_in_nanoseconds_of_its_own_cpu() -> None:
    def burn_a_tenth_of_a_millisecond() -> None:
        until = time.process_time() + 1e-4
        while time.process_time() < until:
            pass

    result = measure("burn", burn_a_tenth_of_a_millisecond, batches=5, batch_s=0.005)
    assert 1e5 <= result.least <= result.median < 3e5


@pytest.mark.parametrize(("heads", "fields"), [(one_field(), 1), (one_differs(), 12), (many_clients(), 12)])
def test_heads_are_valid_and_have_the_fields_they_are_said_to_have(heads: Iterator[bytes], fields: int) -> None:
    for block in itertools.islice(heads, 100):
        assert isinstance(read_request(block), RequestHead)
        assert block.count(b"\r\n") == fields


def test_no_head_repeats_before_all_have_had_their_turn() -> None:
    assert len(set(itertools.islice(one_differs(), HEADS))) == HEADS
    assert len(set(itertools.islice(many_clients(), HEADS))) == HEADS


def test_a_rewritten_request_is_for_the_node_and_has_the_forwarding_fields() -> None:
    sent = rewriting(one_differs())()
    assert isinstance(sent, bytes)
    assert sent.startswith(b"GET /services/passports?page=1 HTTP/1.1\r\nHost: www.agency.example\r\n")
    assert b"X-Forwarded-For: 192.0.2.1\r\n" in sent
    assert sent.count(b"\r\n\r\n") == 1


def test_a_rewritten_response_has_no_hop_by_hop_field() -> None:
    sent = answering()()
    assert isinstance(sent, bytes)
    assert sent.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'ETag: "00000000-400"\r\n' in sent
    assert b"Connection: keep-alive" not in sent


def test_both_datacentres_are_chosen() -> None:
    choose = choosing(2)
    verdicts = [choose() for _ in range(100)]
    assert {verdict.node.datacentre for verdict in verdicts if isinstance(verdict, Verdict)} == {
        "wellington",
        "auckland",
    }


def test_one_case_can_be_measured_alone(capsys: pytest.CaptureFixture[str]) -> None:
    name = "node chosen, 1 in each of two datacentres"
    assert main([name]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"| {name} | ")


def test_a_case_that_is_not_there_is_answered_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nothing"]) == 2
    said = capsys.readouterr().err
    assert all(name in said for name in CASES)
