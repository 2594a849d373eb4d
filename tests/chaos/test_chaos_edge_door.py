"""What the rig takes an edge's answers for: known to have happened, known not to have, not known."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from chaos.door import Message, Unreachable
from chaos.edge_door import EdgeDoor
from chaos.engines import free_port
from steer.clock import SystemClock
from steer.sessions.access import Access
from steer.sessions.http_door import HttpDoor
from steer.sessions.resp import RespDoor
from steer.sessions.space import Space
from steer.store.errors import ClockAstray, EngineDown, Indeterminate, Late, StoreError, TooFarBehind, Unconfirmed
from steer.store.model import AS_EVER, Assignment, How, Written
from tests.sessions.memory import MemoryNamespace

TTL = 60.0


class Moody(MemoryNamespace):
    """Says of the next writes what is in `problems`, having done them (Indeterminate) or not."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.problems: list[StoreError] = []
        self.requests: list[bytes | None] = []

    async def put(self, key: bytes, value: Any, ttl: float | None, how: How = AS_EVER, **options: Any) -> Any:
        self.requests.append(how.request)
        return await self._moodily(lambda: MemoryNamespace.put(self, key, value, ttl, how, **options))

    async def put_fields(self, *words: Any, **options: Any) -> Any:
        return await self._moodily(lambda: MemoryNamespace.put_fields(self, *words, **options))

    async def _moodily(self, write: Any) -> Any:
        if not self.problems:
            return await write()
        problem = self.problems.pop(0)
        if isinstance(problem, Indeterminate):
            await write()
        raise problem


@asynccontextmanager
async def doors(namespace: Moody) -> AsyncIterator[EdgeDoor]:
    """Real ones, and the rig's end of them."""
    clock, nobody = SystemClock(), Access({}, "users")
    http = HttpDoor({"web": namespace}, nobody, clock=clock)
    resp = RespDoor({"web": Space("web", namespace, 28_800.0, clock, ("lock:*",))}, nobody, clock=clock)
    sockets = listening(), listening()
    await http.serve(sockets[0])
    await resp.serve(sockets[1])
    ports = [each.getsockname()[1] for each in sockets]
    door = EdgeDoor(ports[0], ports[1], "local")
    try:
        yield door
    finally:
        await door.close()
        await http.close()
        await resp.close()


def listening() -> socket.socket:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock


async def ask(door: EdgeDoor, f: str, key: str, **more: Any) -> Message:
    told = {"field": "", "value": "", "ttl": TTL, "acknowledge": "", "condition": ""}
    return await door.ask(f, key=key, **{**told, **more})


async def test_a_register_is_written_and_read_with_its_stamp() -> None:
    async with doors(Moody()) as door:
        written = await ask(door, "put", "reg:1", value="a", acknowledge="all")
        read = await ask(door, "get", "reg:1")
        assert (read["seen"], read["stamp"]) == ("a", written["stamp"])
        assert (await ask(door, "put", "reg:1", value="b", condition=written["stamp"]))["outcome"] == "ok"
        assert (await ask(door, "put", "reg:1", value="c", condition=written["stamp"]))["outcome"] == "fail"


async def test_a_life_ends_and_what_comes_later_says_that_nothing_is_there() -> None:
    async with doors(Moody()) as door:
        await ask(door, "put", "life:1", value="a")
        said = [(await ask(door, f, "life:1"))["done"] for f in ("touch", "delete", "touch", "delete")]
        assert said == [True, True, False, False]
        assert (await ask(door, "get", "life:1"))["seen"] is None


async def test_a_field_is_written_and_read() -> None:
    async with doors(Moody()) as door:
        assert (await ask(door, "put_fields", "hash:1", field="x", value="a"))["outcome"] == "ok"
        assert (await ask(door, "get", "hash:1", field="x"))["seen"] == "a"
        assert (await ask(door, "get", "hash:1", field="y"))["seen"] is None


async def test_a_lock_is_given_back_by_its_holder_only() -> None:
    async with doors(Moody()) as door:
        asked = [("lock", "a"), ("lock", "b"), ("unlock", "b"), ("unlock", "a"), ("lock", "b")]
        assert [(await ask(door, f, "lock:1", value=token))["done"] for f, token in asked] == [
            True,
            False,
            False,
            True,
            True,
        ]


NOT_WRITTEN = [EngineDown("gone"), Late(), TooFarBehind("400 writes wait"), ClockAstray("the clock is wrong")]
UNKNOWN = [Indeterminate("too slow"), Unconfirmed("nobody confirmed")]


@pytest.mark.parametrize("f", ["put", "put_fields"])
@pytest.mark.parametrize(
    ("problem", "outcome"), [*((each, "fail") for each in NOT_WRITTEN), *((each, "info") for each in UNKNOWN)]
)
async def test_only_what_nobody_knows_is_not_known(f: str, problem: StoreError, outcome: str) -> None:
    namespace = Moody()
    namespace.problems = [problem, problem]
    async with doors(namespace) as door:
        assert (await ask(door, f, "key", field="x" * (f == "put_fields"), value="a"))["outcome"] == outcome


async def test_a_put_that_nobody_knows_of_is_sent_again_and_is_one_write() -> None:
    namespace = Moody()
    namespace.problems = [Indeterminate("too slow")]
    async with doors(namespace) as door:
        written = await ask(door, "put", "reg:1", value="a")
        assert written["stamp"] == (await ask(door, "get", "reg:1"))["stamp"]
    assert namespace.requests == [b"a", b"a"]


async def test_a_put_that_may_have_happened_is_not_called_refused_by_the_second_answer() -> None:
    namespace = Moody()
    namespace.problems = [Indeterminate("too slow"), EngineDown("gone")]
    async with doors(namespace) as door:
        assert (await ask(door, "put", "reg:1", value="a"))["outcome"] == "info"


async def test_where_nobody_listens_nothing_was_sent() -> None:
    door = EdgeDoor(free_port(), free_port(), "local")
    for f, field in (("put", ""), ("put_fields", "x")):
        with pytest.raises(Unreachable):
            await ask(door, f, "key", field=field, value="a")
    await door.close()


async def test_of_a_pipeline_each_write_has_an_answer_of_its_own() -> None:
    namespace = Moody()

    async def put_all(puts: Sequence[Assignment]) -> list[Written | StoreError]:
        first, _, third, _ = await MemoryNamespace.put_all(namespace, puts)
        return [first, EngineDown("gone"), third, Indeterminate("too slow")]

    namespace.put_all = put_all  # type: ignore[method-assign]
    async with doors(namespace) as door:
        told = await door.ask("put_all", puts={f"pipe:{n}": f"v{n}" for n in range(4)}, ttl=TTL)
        assert [each["outcome"] for each in told["answers"]] == ["ok", "fail", "ok", "info"]
        assert (await ask(door, "get", "pipe:2"))["seen"] == "v2"
