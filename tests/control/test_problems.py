"""What is raised inside becomes a problem of the right status."""

from __future__ import annotations

import json

import pytest

from steer.control.problems import KINDS, ApiProblem, of_steer_error
from steer.control.state_file import NotKept
from steer.errors import Refused, SteerError, Unacceptable


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (Refused("min_nodes", "no"), 409, "refused"),
        (Unacceptable("no"), 422, "unacceptable"),
        (NotKept("the disk is full"), 503, "not_done"),
        (SteerError("no"), 503, "not_done"),
    ],
)
def test_what_the_state_owner_says_has_its_status(error: SteerError, status: int, kind: str) -> None:
    response = of_steer_error(error).response()
    body = json.loads(response.body)  # type: ignore[arg-type]  # it is JSON of ours, so bytes
    assert (response.status, body["status"]) == (status, status)
    assert body["type"].endswith(f"#{kind}")
    assert body["detail"] == str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_what_rfc_9457_wants(kind: str) -> None:
    response = ApiProblem(kind, "why").response()
    body = json.loads(response.body)  # type: ignore[arg-type]
    assert body.keys() == {"type", "title", "status", "detail", "path"}
    assert response.content_type == "application/problem+json"
