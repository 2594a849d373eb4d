"""A store process of the rig: one `Site` behind a door that shows stamps. Runs until it is killed.

python -m chaos.store_process SETTINGS      (JSON)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping

from chaos.controls import Registers, engines_of, plain
from chaos.door import Message
from chaos.lines import serve
from chaos.settings import BUCKETS, NAME, Settings
from chaos.settings import Engine as EngineSettings
from steer.clock import SystemClock
from steer.sessions.keyring import Key, KeyState, Ring
from steer.sessions.sealing import SealedNamespace
from steer.sessions.seals import Seals
from steer.store.engine import Engine
from steer.store.errors import Indeterminate, StoreError
from steer.store.layout import Space
from steer.store.model import Assignment, How, Namespace, Written
from steer.store.namespace import Promise
from steer.store.redis_link import RedisPlace
from steer.store.replication.replicator import Pace
from steer.store.site import Kept, Site

PACE = Pace(audit=8.0, settle=2.0, window=600.0, sweep=20.0, trim=1.0)
"""As an edge's, but the slow rounds are quick: what the audit finds in ten minutes there, it finds in ten seconds."""
Answer = Callable[[Message], Awaitable[Message]]


def place_of(engine: EngineSettings) -> RedisPlace:
    if engine.sentinels:
        return RedisPlace(
            sentinels=tuple(("127.0.0.1", port) for port in engine.sentinels), service=NAME, timeout=engine.timeout
        )
    return RedisPlace(engine.url, timeout=engine.timeout)


class StoreProcess:
    """Answers the rig's requests. `ring` is the one that seals now."""

    def __init__(self, settings: Settings) -> None:
        self.ring = ring_of(settings.keys)
        engines: dict[int, Engine] = {**engines_of(settings, place_of)}
        peers = tuple(site for site in engines if site != settings.site)
        space = Space(NAME, settings.site, peers, max_pending=settings.max_pending, buckets=BUCKETS)
        self._peers = peers
        self._site = Site(
            settings.site,
            engines.pop(settings.site),
            [Kept(space, Promise())],
            SystemClock(),
            peers=engines,
            pace=PACE,
        )

    async def start(self) -> None:
        await self._site.start()
        self._namespace: Namespace = SealedNamespace(
            self._site.namespace(NAME), Seals(NAME, lambda: self.ring), SystemClock()
        )

    async def answer(self, request: Message) -> Message:
        """Every error of the store is an answer."""
        try:
            return await self._answer(request)
        except StoreError as error:
            return told(error)

    async def _answer(self, request: Message) -> Message:
        match request["f"]:
            case "ping":
                return {"outcome": "ok"}
            case "ring":
                self.ring = ring_of(request["keys"])
                return {"outcome": "ok"}
            case "fence":
                await self._site.fence(NAME, request["reason"])
                return {"outcome": "ok"}
            case "barrier":
                missing = await self._site.barrier(NAME, self._peers[0], request["within"])
                return {"outcome": "ok", "missing": missing}
            case "touch" | "delete" | "put_fields":
                return await self._change(request)
            case "put_all":
                return await self._put_all(request["puts"], request["ttl"])
            case "lock" | "unlock":
                return await self._lock(request)
            case _:
                return await registers(self._namespace, request)

    async def _change(self, request: Message) -> Message:
        key = request["key"].encode()
        if request["f"] == "touch":
            return {"outcome": "ok", "done": await self._namespace.touch(key, request["ttl"])}
        if request["f"] == "delete":
            return {"outcome": "ok", "done": await self._namespace.delete(key)}
        fields = {request["field"].encode(): request["value"].encode()}
        written = await self._namespace.put_fields(
            key, fields, (), request["ttl"], How(acknowledge=request["acknowledge"] or None)
        )
        return {"outcome": "ok", "stamp": written.stamp}

    async def _put_all(self, puts: Mapping[str, str], ttl: float) -> Message:
        made = [Assignment(key.encode(), value.encode(), ttl) for key, value in puts.items()]
        return {"outcome": "ok", "answers": list(map(told, await self._namespace.put_all(made)))}

    async def _lock(self, request: Message) -> Message:
        key, token = request["key"].encode(), request["value"].encode()
        if request["f"] == "lock":
            done = await self._namespace.locks.set(key, token, request["ttl"], only_absent=True)
        else:
            done = await self._namespace.locks.delete(key, if_value=token)
        return {"outcome": "ok", "done": done}


def told(it: Written | StoreError) -> Message:
    """What became of a put."""
    if isinstance(it, StoreError):
        kind = "info" if isinstance(it, Indeterminate) else "fail"
        return {"outcome": kind, "error": f"{type(it).__name__}: {it.message}"}
    return {"outcome": "ok", "stamp": it.stamp, "done": True, "acknowledge": it.acknowledged}


async def registers(it: Registers, request: Message) -> Message:
    """What every control can do as well."""
    key = request["key"].encode()
    if request["f"] == "put":
        written = await it.put(
            key,
            request["value"].encode(),
            request["ttl"],
            How(condition=request["condition"] or None, acknowledge=request["acknowledge"] or None),
        )
        return {"outcome": "ok", "stamp": written.stamp, "done": True}
    record = await it.get(key)
    if record is None:
        return {"outcome": "ok", "seen": None}
    value = record.value
    if isinstance(value, bytes):
        return {"outcome": "ok", "seen": value.decode(), "stamp": record.stamp}
    fields = {name.decode(): each.decode() for name, each in value.items()}
    return {"outcome": "ok", "fields": fields, "stamp": record.stamp}


def ring_of(keys: object) -> Ring:
    assert isinstance(keys, list | tuple)
    return Ring(tuple(Key(id, bytes.fromhex(secret), KeyState(state), 0.0) for id, secret, state in keys))


async def run(settings: Settings) -> None:
    if settings.control in ("replica", "double-write"):
        registers_only = plain(settings, place_of)

        async def answer(request: Message) -> Message:
            try:
                return {"outcome": "ok"} if request["f"] == "ping" else await registers(registers_only, request)
            except StoreError as error:
                kind = "info" if isinstance(error, Indeterminate) else "fail"
                return {"outcome": kind, "error": f"{type(error).__name__}: {error.message}"}

        server = await serve(settings.port, answer)
    else:
        process = StoreProcess(settings)
        await process.start()
        server = await serve(settings.port, process.answer)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", stream=sys.stderr)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(Settings.model_validate_json(sys.argv[1])))
