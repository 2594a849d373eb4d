from __future__ import annotations

import pytest

from steer.errors import (
    BODY_TOO_LARGE,
    BUSY,
    CLIENT_GONE,
    NODE_BROKE,
    NODE_REFUSED,
    NODE_RESET,
    NODE_TLS,
    NODE_TOO_SLOW,
    NODE_UNREACHABLE,
    NODE_UNTOUCHED,
    Failure,
)
from steer.steering.model import RetryRules
from steer.steering.retries import (
    IDEMPOTENT,
    RetryBudget,
    idempotent_methods,
    is_free,
    is_retry_allowed,
    is_status_retried,
)

RULES = RetryRules()
SLOW_TOO = RetryRules(on_timeout=True)


@pytest.mark.parametrize(
    ("failure", "idempotent", "sent", "allowed"),
    [
        pytest.param(NODE_REFUSED, False, False, True, id="refused, a POST, nothing sent"),
        pytest.param(NODE_UNREACHABLE, False, False, True, id="connect time-out, a POST"),
        pytest.param(NODE_TLS, False, False, True, id="TLS failed, a POST"),
        pytest.param(NODE_RESET, False, False, True, id="an idle connection was gone, a POST"),
        pytest.param(NODE_RESET, True, True, True, id="died after a GET was sent"),
        pytest.param(NODE_RESET, False, True, False, id="died after a POST was sent"),
        pytest.param(NODE_UNTOUCHED, False, True, True, id="the node says that it did nothing with a POST"),
        pytest.param(NODE_BROKE, True, True, False, id="nonsense in answer to a GET"),
        pytest.param(NODE_TOO_SLOW, True, True, False, id="too slow, and on_timeout is off"),
        pytest.param(BUSY, True, False, False, id="the edge's own answer"),
        pytest.param(CLIENT_GONE, True, True, False, id="the client went away"),
        pytest.param(BODY_TOO_LARGE, True, False, False, id="the client's own doing"),
    ],
)
def test_a_retry_is_allowed_when_nothing_was_sent_or_the_method_is_idempotent(
    failure: Failure, idempotent: bool, sent: bool, allowed: bool
) -> None:
    assert is_retry_allowed(failure, idempotent, sent, True, 1, RULES) is allowed


def test_a_time_out_is_retried_where_the_pool_says_so() -> None:
    assert is_retry_allowed(NODE_TOO_SLOW, True, True, True, 1, SLOW_TOO)
    assert not is_retry_allowed(NODE_TOO_SLOW, False, True, True, 1, SLOW_TOO)


def test_two_attempts_more_are_three_in_all() -> None:
    allowed = [is_retry_allowed(NODE_REFUSED, True, False, True, made, RULES) for made in (1, 2, 3)]
    assert allowed == [True, True, False]


def test_never_after_a_byte_of_the_response_was_relayed() -> None:
    assert not is_retry_allowed(NODE_RESET, True, True, True, 1, RULES, relayed=True)


def test_never_when_the_body_cannot_be_sent_again() -> None:
    assert not is_retry_allowed(NODE_RESET, True, True, False, 1, RULES)
    assert not is_retry_allowed(NODE_REFUSED, True, False, False, 1, RULES)


@pytest.mark.parametrize(("status", "retried"), [(502, True), (503, True), (504, True), (500, False), (200, False)])
def test_a_status_is_retried_where_the_pool_lists_it(status: int, retried: bool) -> None:
    assert is_status_retried(status, True, True, 1, RULES) is retried


def test_a_status_is_not_retried_for_a_post_a_lost_body_or_after_the_last_attempt() -> None:
    assert not is_status_retried(503, False, True, 1, RULES)
    assert not is_status_retried(503, True, False, 1, RULES)
    assert not is_status_retried(503, True, True, 3, RULES)


def test_post_is_idempotent_only_where_the_pool_says_so() -> None:
    assert all(method in idempotent_methods(RULES) for method in IDEMPOTENT)
    assert "POST" not in idempotent_methods(RULES)
    assert "POST" in idempotent_methods(RetryRules(post=True))
    assert "PATCH" not in idempotent_methods(RetryRules(post=True))
    assert "get" not in idempotent_methods(RULES)


@pytest.mark.parametrize(
    ("in_flight", "retries", "allowed"), [(0, 2, True), (0, 3, False), (100, 19, True), (100, 20, False)]
)
def test_the_budget_is_a_fifth_of_the_requests_in_flight_and_three_at_least(
    in_flight: int, retries: int, allowed: bool
) -> None:
    assert RetryBudget(RULES).may_retry(in_flight, retries) is allowed


@pytest.mark.parametrize(
    ("failure", "sent", "silent", "free"),
    [
        (NODE_REFUSED, False, False, True),
        (NODE_RESET, True, False, True),
        (NODE_TOO_SLOW, True, False, False),
        (NODE_TOO_SLOW, True, True, True),
        (NODE_BROKE, True, True, False),
        (BUSY, False, True, False),
    ],
)
def test_tries_in_which_nothing_was_sent_and_those_after_a_death_are_free(
    failure: Failure, sent: bool, silent: bool, free: bool
) -> None:
    assert is_free(failure, sent, silent) is free
