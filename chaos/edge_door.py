"""An edge's doors as applications use them: registers and life cycles over HTTP, hashes and locks as in a Redis.

What an answer means is what the doors promise. HTTP: 503, 409, 412 and 413 wrote nothing, 504 is known to nobody. RESP:
an error says if the write may have happened; any other means that it has not, but for those about the door itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from chaos.door import Message, Unanswered, Unreachable
from chaos.http_client import HttpClient, Response
from chaos.settings import NAME

PATIENCE = 10.0
"""Seconds that a client waits: longer than a killed edge or store child needs to come back. Who connects meanwhile is
answered then; one who leaves before may have written all the same, and nobody has promised him otherwise."""
RELEASE = "b70c2384248f88e6b75b9f89241a180f856ad852"
"""The lock script of phpredis, by its digest."""
GONE, NOT_WRITTEN, UNKNOWN = 404, (409, 412, 413, 503), (500, 504)
NOBODY_KNOWS = ("may have happened", "internal error", "holds too many bytes", "number of clients", "Protocol error")


class EdgeDoor:
    """A `chaos.door.Door`. `acknowledge`: what the namespace has where a request cannot say it."""

    def __init__(self, http: int, resp: int, acknowledge: str) -> None:
        self._http = HttpClient(http, PATIENCE)
        self._resp = RespClient(resp)
        self._acknowledge = acknowledge

    async def ask(self, f: str, **arguments: Any) -> Message:
        match f:
            case "put":
                return await self._put(**arguments)
            case "get" if not arguments["field"]:
                return await self._get(**arguments)
            case "touch" | "delete":
                return await self._change(f, **arguments)
            case "put_all":
                return await self._put_all(**arguments)
            case _:
                return await self._as_redis(f, **arguments)

    async def close(self) -> None:
        await self._http.close()
        await self._resp.close()

    # HTTP...

    async def _put(self, key: str, value: str, ttl: float, acknowledge: str, condition: str, **_: object) -> Message:
        """After a 504 once more, with the same Idempotency-Key: what the door advises."""
        fields = {"TTL": f"{ttl:.0f}", "Idempotency-Key": value}
        if acknowledge:
            fields["Prefer"] = f"acknowledge={acknowledge}"
        if condition:
            fields["If-Match"] = f'"{condition}"'
        response = await self._http.ask("PUT", path(key), fields, value.encode())
        if response.status == 504:
            with suppress(Unreachable, Unanswered):
                again = await self._http.ask("PUT", path(key), fields, value.encode())
                response = again if is_done(again) else response
        if not is_done(response):
            return refusal(response)
        return {"outcome": "ok", "stamp": tag(response), "done": True, "acknowledge": response.fields["x-acknowledged"]}

    async def _get(self, key: str, **_: object) -> Message:
        response = await self._http.ask("GET", path(key), {})
        if response.status == GONE:
            return {"outcome": "ok", "seen": None}
        if not is_done(response):
            return refusal(response)
        return {"outcome": "ok", "seen": response.body.decode(), "stamp": tag(response)}

    async def _change(self, f: str, key: str, ttl: float, **_: object) -> Message:
        """Neither has a stamp."""
        if f == "touch":
            response = await self._http.ask("POST", f"{path(key)}/touch", {"TTL": f"{ttl:.0f}"})
        else:
            response = await self._http.ask("DELETE", path(key), {})
        if response.status != GONE and not is_done(response):
            return refusal(response)
        acknowledge = self._acknowledge if f == "delete" else ""
        return {"outcome": "ok", "done": response.status != GONE, "acknowledge": acknowledge}

    # ... and RESP.

    async def _put_all(self, puts: Mapping[str, str], ttl: float) -> Message:
        commands = [("SET", key, value, "PX", round(ttl * 1000)) for key, value in puts.items()]
        return {"outcome": "ok", "answers": [self._told(reply) for reply in await self._resp.ask_all(commands)]}

    def _told(self, reply: object) -> Message:
        if isinstance(reply, ResponseError):
            return refused_as_redis(reply)
        return {"outcome": "ok", "done": True, "acknowledge": self._acknowledge}

    async def _as_redis(self, f: str, **arguments: Any) -> Message:
        try:
            return await self._asked_as_redis(f, **arguments)
        except ResponseError as error:
            return refused_as_redis(error)

    async def _asked_as_redis(self, f: str, key: str = "", field: str = "", value: str = "", **more: Any) -> Message:
        ask = self._resp.ask
        match f:
            case "get":
                seen = await ask("HGET", key, field)
                return {"outcome": "ok", "seen": None if seen is None else seen.decode()}
            case "put_fields":
                await ask("HSET", key, field, value)
                return {"outcome": "ok", "acknowledge": self._acknowledge}
            case "lock":
                done = await ask("SET", key, value, "NX", "PX", round(more["ttl"] * 1000))
                return {"outcome": "ok", "done": done is not None}
            case "unlock":
                return {"outcome": "ok", "done": bool(await ask("EVALSHA", RELEASE, 1, key, value))}
            case "ping":
                await ask("PING")
                await self._http.ask("GET", path("ping"), {})
                return {"outcome": "ok"}
        raise ValueError(f"an edge has no door for {f}")


class RespClient:
    """redis-py's connections, without its retries: they would send a write twice."""

    def __init__(self, port: int) -> None:
        self._pool = ConnectionPool(
            port=port,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )

    async def ask(self, *words: str | int) -> Any:
        """The reply. Raises ResponseError, Unreachable and Unanswered."""
        [reply] = await self.ask_all([words])
        if isinstance(reply, ResponseError):
            raise reply
        return reply

    async def ask_all(self, commands: Sequence[Sequence[str | int]]) -> list[Any]:
        """The replies to one pipeline, errors too. Raises Unreachable and Unanswered."""
        try:
            connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]
        except (RedisError, OSError) as error:
            raise Unreachable(str(error)) from error
        try:
            await connection.send_packed_command(connection.pack_commands(commands))
            return [await self._reply(connection) for _ in commands]
        except (RedisError, OSError) as error:
            raise Unanswered(f"{commands[0][0]}: {type(error).__name__}") from error
        finally:
            await self._pool.release(connection)

    @staticmethod
    async def _reply(connection: Any) -> Any:
        try:
            return await connection.read_response()
        except ResponseError as error:
            return error

    async def close(self) -> None:
        await self._pool.disconnect()


def refused_as_redis(error: ResponseError) -> Message:
    is_unknown = any(words in str(error) for words in NOBODY_KNOWS)
    return {"outcome": "info" if is_unknown else "fail", "error": str(error)}


def path(key: str) -> str:
    return f"/v1/{NAME}/{key}"


def tag(response: Response) -> str:
    """The stamp."""
    return response.fields["etag"].strip('"')


def is_done(response: Response) -> bool:
    return response.status // 100 == 2


def refusal(response: Response) -> Message:
    """Raises AssertionError for what no request of the rig deserves."""
    problem = json.loads(response.body or b"{}")
    error = f"{response.status} {problem.get('title', '')}: {problem.get('detail', '')}"
    assert response.status in (*NOT_WRITTEN, *UNKNOWN), error
    return {"outcome": "info" if response.status in UNKNOWN else "fail", "error": error}
