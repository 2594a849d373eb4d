"""Responses that the edge makes itself."""

from __future__ import annotations

import json

import pytest

from steer import errors
from steer.errors import BUSY, METHOD_REFUSED, NO_NODE, NODE_RESET, Failure
from steer.proxy.http import answers

REQUEST_ID = b"0123456789abcdef0123456789abcdef"
FAILURES = [value for value in vars(errors).values() if isinstance(value, Failure)]


def head_and_body(raw: bytes) -> tuple[list[bytes], bytes]:
    head, _, body = raw.partition(b"\r\n\r\n")
    return head.split(b"\r\n"), body


def test_an_answer_has_a_date_its_length_and_its_request() -> None:
    raw = answers.answer(200, {"A": "b"}, b"hello", request_id=REQUEST_ID, close=False)
    lines, body = head_and_body(raw)
    assert (lines[0], body) == (b"HTTP/1.1 200 OK", b"hello")
    assert lines[1].startswith(b"Date: ")
    assert lines[2:] == [b"A: b", b"Content-Length: 5", b"X-Request-Id: " + REQUEST_ID]


def test_an_answer_that_ends_the_connection_says_so() -> None:
    lines, _ = head_and_body(answers.answer(200, {}, b"", request_id=REQUEST_ID, close=True))
    assert lines[-1] == b"Connection: close"


def test_an_answer_to_head_has_the_length_of_what_it_leaves_out() -> None:
    lines, body = head_and_body(
        answers.answer(200, {}, b"hello", request_id=REQUEST_ID, close=False, without_body=True)
    )
    assert (b"Content-Length: 5" in lines, body) == (True, b"")


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.name)
def test_every_failure_can_be_answered(failure: Failure) -> None:
    fields = answers.failure_fields(failure)
    assert (fields["X-Steer-Error"], fields["Cache-Control"]) == (failure.name, "no-store")
    assert answers.phrase(failure.status)
    for accept in (b"text/html", b"application/json"):
        kind, body = answers.failure_body(failure, accept, REQUEST_ID)
        assert kind.startswith(("text/html", "application/problem+json"))
        assert failure.name.encode() in body


def test_retry_after_stands_where_waiting_helps() -> None:
    assert answers.failure_fields(BUSY)["Retry-After"] == "1"
    assert "Retry-After" not in answers.failure_fields(NODE_RESET)


def test_a_refused_method_says_which_are_served() -> None:
    assert answers.failure_fields(METHOD_REFUSED)["Allow"] == answers.ALLOW
    assert "TRACE" not in answers.ALLOW


@pytest.mark.parametrize(
    ("accept", "is_json"),
    [
        (b"", False),
        (b"*/*", False),
        (b"application/json", True),
        (b" Application/Problem+JSON;q=0.9", True),
        (b"text/html,application/json", False),
    ],
)
def test_json_is_for_those_who_ask_for_it_and_not_for_html(accept: bytes, is_json: bool) -> None:
    kind, body = answers.failure_body(NO_NODE.because("no node <is> left"), accept, REQUEST_ID)
    if is_json:
        assert kind == "application/problem+json"
        problem = json.loads(body)
        assert (problem["type"], problem["status"]) == ("about:blank#no_node", 503)
        assert problem["detail"].endswith("no node <is> left")
        assert problem["request_id"] == REQUEST_ID.decode()
    else:
        assert kind == "text/html; charset=utf-8"
        assert b"no node &lt;is&gt; left" in body
        assert REQUEST_ID in body


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_page_has_advice_and_the_reason(status: int) -> None:
    failure = Failure("a", status, errors.Origin.NODE, detail="because of this")
    _, body = answers.failure_body(failure, b"", REQUEST_ID)
    assert b"try again" in body
    assert b"because of this" in body
