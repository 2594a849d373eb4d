"""The memory of answers is bounded. What it does for a client is told in test_api_changes.py."""

from __future__ import annotations

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from steer.control.idempotency import MOST_ANSWERS, REPLAYED, Answers
from tests.kit.clock import ManualClock


async def sent(answers: Answers, key: str) -> web.StreamResponse:
    async def act() -> web.StreamResponse:
        return web.json_response({"key": key})

    return await answers.once(make_mocked_request("PUT", "/", headers={"Idempotency-Key": key}), "ops", b"{}", act)


async def test_the_oldest_answer_is_forgotten_when_there_are_too_many() -> None:
    answers = Answers(ManualClock())
    for number in range(MOST_ANSWERS + 1):
        assert REPLAYED not in (await sent(answers, str(number))).headers
    assert REPLAYED in (await sent(answers, str(MOST_ANSWERS))).headers
    assert REPLAYED in (await sent(answers, "1")).headers
    assert REPLAYED not in (await sent(answers, "0")).headers
