from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from steer.errors import SteerError
from steer.sessions.access import Access, Holder
from steer.sessions.http_door import HttpDoor, HttpLimits, api, door
from steer.store.errors import EngineDown, Fenced, Indeterminate, Late, StoreError, TooLarge
from steer.store.model import AS_EVER, How, Namespace, Record
from tests.kit.certificates import Authority
from tests.kit.clock import ManualClock
from tests.sessions.memory import MemoryNamespace

WITHIN = 5.0


class Client:
    """Of one door, on its own connection pool."""

    def __init__(self, session: aiohttp.ClientSession, url: str, door: HttpDoor, clock: ManualClock) -> None:
        self.session = session
        self.url = url
        self.door = door
        self.clock = clock

    async def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, self.url + path, data=body, headers=fields) as response:
            return Answer(response.status, response.headers, await response.read())


class Answer:
    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def etag(self) -> str:
        return self.headers["ETag"]

    @property
    def problem(self) -> Any:
        """The kind and the status of a problem."""
        document = json.loads(self.body)
        assert self.headers["Content-Type"] == "application/problem+json"
        assert document["status"] == self.status
        assert document["title"]
        return document["type"].partition("#")[2]


@asynccontextmanager
async def serving(
    namespaces: Mapping[str, Namespace] | None = None,
    holders: Mapping[str, Holder] | None = None,
    limits: HttpLimits | None = None,
    authority: Authority | None = None,
) -> AsyncIterator[Client]:
    clock = ManualClock()
    opened = HttpDoor(
        namespaces or {"web": MemoryNamespace(clock)}, Access(holders or {}, "tokens"), limits, clock=clock
    )
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    await opened.serve(sock, server_tls(authority) if authority else None)
    scheme = "https" if authority else "http"
    connector = aiohttp.TCPConnector(ssl=authority.trust()) if authority else None
    try:
        async with aiohttp.ClientSession(connector=connector) as session:
            yield Client(session, f"{scheme}://localhost:{sock.getsockname()[1]}", opened, clock)
    finally:
        await opened.close()


def server_tls(authority: Authority) -> ssl.SSLContext:
    files = authority.issue("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    return context


def holder(secret: str, namespace: str) -> Holder:
    return Holder("sha256:" + hashlib.sha256(secret.encode()).hexdigest(), namespace)


async def test_a_session_is_put_got_touched_and_deleted() -> None:
    async with serving() as client:
        put = await client.ask("PUT", "/v1/web/a", b"hello", TTL="100")
        assert (put.status, put.headers["X-Acknowledged"]) == (204, "all")  # there is no other site
        got = await client.ask("GET", "/v1/web/a")
        assert (got.status, got.body, got.headers["TTL"], got.etag) == (200, b"hello", "100", put.etag)
        assert got.headers["Cache-Control"] == "no-store"
        assert (await client.ask("POST", "/v1/web/a/touch", TTL="500")).status == 204
        assert (await client.ask("HEAD", "/v1/web/a")).headers["TTL"] == "500"
        assert (await client.ask("DELETE", "/v1/web/a")).status == 204
        assert [(await client.ask(each, "/v1/web/a")).status for each in ("GET", "DELETE")] == [404, 404]
        assert (await client.ask("POST", "/v1/web/a/touch")).problem == "not_found"


async def test_a_session_ends_after_its_ttl_and_after_the_longest_at_most() -> None:
    async with serving() as client:
        await client.ask("PUT", "/v1/web/a", b"", TTL="10")
        await client.ask("PUT", "/v1/web/b", b"")
        assert (await client.ask("GET", "/v1/web/b")).headers["TTL"] == "28800"
        client.clock.advance(10)
        assert [(await client.ask("GET", f"/v1/web/{id}")).status for id in "ab"] == [404, 200]


async def test_a_write_made_on_an_older_reading_is_refused() -> None:
    async with serving() as client:
        first = await client.ask("PUT", "/v1/web/a", b"1")
        second = await client.ask("PUT", "/v1/web/a", b"2", If_Match=first.etag)
        assert second.status == 204
        late = await client.ask("PUT", "/v1/web/a", b"3", If_Match=first.etag)
        assert (late.status, late.problem) == (412, "moved_on")
        assert (await client.ask("DELETE", "/v1/web/a", If_Match=first.etag)).status == 412
        assert (await client.ask("PUT", "/v1/web/a", b"3", If_Match='"other"')).status == 412
        assert (await client.ask("PUT", "/v1/web/b", b"3", If_Match="*")).status == 412
        assert (await client.ask("GET", "/v1/web/a")).body == b"2"
        assert (await client.ask("DELETE", "/v1/web/a", If_Match=second.etag)).status == 204


async def test_a_new_session_is_made_only_where_none_is() -> None:
    async with serving() as client:
        assert (await client.ask("PUT", "/v1/web/a", b"1", If_None_Match="*")).status == 201
        assert (await client.ask("PUT", "/v1/web/a", b"2", If_None_Match="*")).status == 412
        assert (await client.ask("GET", "/v1/web/a")).body == b"1"


async def test_what_has_not_changed_is_not_sent_again() -> None:
    async with serving() as client:
        etag = (await client.ask("PUT", "/v1/web/a", b"1")).etag
        again = await client.ask("GET", "/v1/web/a", If_None_Match=f'"x", {etag}')
        assert (again.status, again.body, again.etag) == (304, b"", etag)
        assert (await client.ask("GET", "/v1/web/a", If_None_Match='"x"')).status == 200


async def test_what_the_client_prefers_and_its_id_reach_the_store() -> None:
    asked: list[tuple[object, object]] = []

    class Noting(MemoryNamespace):
        async def put(self, key: bytes, value: Any, ttl: float | None, how: How = AS_EVER, **options: Any) -> Any:
            asked.append((how.acknowledge, how.request))
            return await super().put(key, value, ttl, how, **options)

    async with serving({"web": Noting(ManualClock())}) as client:
        answer = await client.ask(
            "PUT", "/v1/web/a", b"1", Prefer="respond-async, acknowledge=all", Idempotency_Key="one"
        )
        assert answer.headers["X-Acknowledged"] == "all"
        await client.ask("PUT", "/v1/web/a", b"1")
        assert asked == [("all", b"one"), (None, None)]


async def test_any_bytes_are_an_id() -> None:
    async with serving() as client:
        assert (await client.ask("PUT", "/v1/web/a%2Fb%20%C3%A9:x", b"1")).status == 204
        assert (await client.ask("GET", "/v1/web/a%2Fb%20%C3%A9:x")).body == b"1"
        assert (await client.ask("GET", "/v1/web/a")).status == 404


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ({"TTL": "x"}, b"TTL must be"),
        ({"TTL": "0"}, b"TTL must be"),
        ({"TTL": "-1"}, b"TTL must be"),
        ({"If_Match": "x"}, b"If-Match must be"),
        ({"If_Match": '"1"', "If_None_Match": "*"}, b"together"),
        ({"If_None_Match": '"1"'}, b"If-None-Match: * only"),
        ({"Idempotency_Key": "x" * 65}, b"Idempotency-Key must"),
    ],
)
async def test_fields_that_make_no_sense_are_named(headers: dict[str, str], detail: bytes) -> None:
    async with serving() as client:
        answer = await client.ask("PUT", "/v1/web/a", b"1", **headers)
        assert (answer.status, answer.problem) == (400, "malformed")
        assert detail in answer.body
        assert (await client.ask("GET", "/v1/web/a")).status == 404


async def test_a_token_opens_its_own_namespace_only() -> None:
    clock = ManualClock()
    namespaces = {"web": MemoryNamespace(clock), "shop": MemoryNamespace(clock)}
    holders = {"one": holder("w", "web"), "two": holder("s", "shop")}
    async with serving(namespaces, holders) as client:
        assert (await client.ask("PUT", "/v1/web/a", b"1", Authorization="Bearer w")).status == 204
        assert (await client.ask("GET", "/v1/web/a", Authorization="Bearer s")).problem == "forbidden"
        assert (await client.ask("GET", "/v1/none/a", Authorization="Bearer s")).problem == "forbidden"
        for wrong in ("Bearer x", "Basic w", "w", "Bearer"):
            assert (await client.ask("GET", "/v1/web/a", Authorization=wrong)).problem == "unauthorised"
        unknown = await client.ask("GET", "/v1/web/a")
        assert (unknown.status, unknown.headers["WWW-Authenticate"]) == (401, "Bearer")


async def test_without_tokens_only_names_of_this_machine_are_answered() -> None:
    async with serving() as client:
        assert (await client.ask("GET", "/v1/web/a", Host="rebound.example")).problem == "wrong_host"
        assert (await client.ask("GET", "/v1/web/a", Host="[::1]:8079")).problem == "not_found"
        assert (await client.ask("GET", "/v1/none/a")).problem == "not_found"


async def test_other_paths_and_methods_are_problems_too() -> None:
    async with serving() as client:
        assert (await client.ask("GET", "/")).problem == "not_found"
        answer = await client.ask("PATCH", "/v1/web/a")
        assert (answer.problem, answer.headers["Allow"]) == ("method_not_allowed", "DELETE,GET,HEAD,PUT")


async def test_a_value_too_large_is_refused() -> None:
    async with serving() as client:
        assert (await client.ask("PUT", "/v1/web/a", b"v" * (256 * 1024 + 1))).problem == "too_large"
        assert (await client.ask("PUT", "/v1/web/a", b"v" * 256 * 1024)).status == 204


async def test_a_hash_is_not_shown() -> None:
    clock = ManualClock()
    namespace = MemoryNamespace(clock)
    await namespace.put_fields(b"h", {b"f": b"v"}, (), 100)
    async with serving({"web": namespace}) as client:
        assert (await client.ask("GET", "/v1/web/h")).problem == "wrong_kind"


class Broken(MemoryNamespace):
    """Raises, or hangs where there is nothing to raise."""

    def __init__(self, problem: Exception | None) -> None:
        super().__init__(ManualClock())
        self.problem = problem
        self.asked = asyncio.Event()

    async def get(self, key: bytes) -> Record | None:
        self.asked.set()
        if self.problem is None:
            await asyncio.Event().wait()
        assert self.problem is not None
        raise self.problem

    async def put(self, *words: Any, **options: Any) -> Any:
        return await self.get(b"")


@pytest.mark.parametrize(
    ("problem", "status", "kind"),
    [
        (EngineDown("redis-1.internal"), 503, "unavailable"),
        (Late(), 503, "unavailable"),
        (Fenced("a planned move"), 503, "refused"),
        (Indeterminate("?"), 504, "indeterminate"),
        (TooLarge("a key has 1 to 1024 bytes"), 413, "too_large"),
    ],
)
async def test_what_the_store_says_is_a_problem(problem: StoreError, status: int, kind: str) -> None:
    async with serving({"web": Broken(problem)}) as client:
        answer = await client.ask("GET", "/v1/web/a")
        assert (answer.status, answer.problem) == (status, kind)
        assert b"redis-1" not in answer.body


async def test_a_store_that_hangs_is_a_problem_in_time() -> None:
    async with serving({"web": Broken(None)}, limits=HttpLimits(patience=0.05)) as client:
        assert (await client.ask("GET", "/v1/web/a")).problem == "unavailable"
        assert (await client.ask("PUT", "/v1/web/a", b"1")).problem == "indeterminate"


async def test_a_defect_is_a_problem_and_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with serving({"web": Broken(ZeroDivisionError())}) as client:
        assert (await client.ask("GET", "/v1/web/a")).problem == "internal"
    assert "GET broke" in caplog.text


async def test_requests_too_many_are_refused() -> None:
    namespace = Broken(None)
    async with serving({"web": namespace}, limits=HttpLimits(requests=1, patience=0.1)) as client:
        first = asyncio.ensure_future(client.ask("GET", "/v1/web/a"))
        await namespace.asked.wait()
        busy = await client.ask("GET", "/v1/web/b")
        assert (busy.problem, busy.headers["Retry-After"]) == ("busy", "1")
        assert (await first).problem == "unavailable"


async def test_connections_too_many_are_refused() -> None:
    async with serving(limits=HttpLimits(connections=1)) as client:
        await client.ask("GET", "/v1/web/a")
        reader, writer = await connect(client)
        assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
        writer.close()


async def test_a_head_that_never_ends_costs_its_own_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "SWEEP", 0.02)
    async with serving(limits=HttpLimits(idle=0.1)) as client:
        reader, writer = await connect(client)
        writer.write(b"GET /v1/web/a HTTP/1.1\r\nHost: local")
        async with asyncio.timeout(WITHIN):
            assert await reader.read() == b""
        writer.close()
        assert (await client.ask("GET", "/v1/web/a")).status == 404


async def test_a_body_that_never_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "BODY_TIME", 0.05)
    async with serving() as client:
        reader, writer = await connect(client)
        writer.write(b"PUT /v1/web/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc")
        async with asyncio.timeout(WITHIN):
            assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
        writer.close()


async def connect(client: Client) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(client.url.rpartition(":")[2]))


async def test_it_speaks_tls(tmp_path: Path) -> None:
    async with serving(authority=Authority(tmp_path)) as client:
        assert (await client.ask("PUT", "/v1/web/a", b"1")).status == 204


async def test_a_door_to_nothing_is_a_mistake() -> None:
    with pytest.raises(SteerError, match="needs a namespace"):
        HttpDoor({}, Access({}, "tokens"))
