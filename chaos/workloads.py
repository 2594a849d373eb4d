"""What clients do. Each is one task with dice of its own; it writes every value once in a run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import count
from random import Random

from chaos.child import Child
from chaos.door import Message, Unanswered, Unreachable
from chaos.history import History, Op
from chaos.place import Place

REGISTERS = 40
"""Of each kind, `all` and `local`: few, so that clients of both sites meet at them."""
TOGETHER = 5
"""Writes of one pipeline."""
HASHES = 8
LOCKS = 3
LONG, SHORT, LOCK_TTL = 1800.0, 2.0, 5.0
"""Whole seconds, as HTTP has them: longer than a run; so short that it ends within one; of a lock, longer than it is
held."""
NUMBERS = count()


@dataclass(slots=True)
class Load:
    """What all clients share. `rate`: operations a second of each client."""

    place: Place
    history: History
    now: Callable[[], float]
    stopping: asyncio.Event
    rate: float


class Client:
    """Somebody at one site, who now and then is sent to the other."""

    def __init__(self, load: Load, name: str, site: int, dice: Random) -> None:
        self._load = load
        self._made = count()
        self.name = name
        self.site = site
        self.dice = dice

    @property
    def is_over(self) -> bool:
        return self._load.stopping.is_set()

    def value(self) -> str:
        """A new one."""
        return f"{self.name}-{next(self._made)}"

    def mode(self) -> str:
        return self.dice.choice(("all", "local"))

    def anywhere(self) -> int:
        """Mostly here."""
        return self.site if self.dice.random() < 0.8 else 3 - self.site

    async def do(self, f: str, key: str, *, site: int = 0, **more: object) -> Op:
        """One operation, after a pause; never raises."""
        await asyncio.sleep(self.dice.expovariate(self._load.rate))
        return await operate(self._load, self.name, f, key, site or self.site, self.dice, **more)

    async def put_all(self, values: Mapping[str, str], site: int) -> None:
        """Several puts in one question, after a pause: each has an answer of its own. Never raises."""
        load = self._load
        await asyncio.sleep(self.dice.expovariate(load.rate / len(values)))
        ops = [
            Op(next(NUMBERS), self.name, site, "put", key, load.now(), "", value, LONG) for key, value in values.items()
        ]
        for op in ops:
            load.history.begin(op)
        answer = await asked(self.dice.choice(load.place.at(site)), "put_all", puts=values, ttl=LONG)
        for op, own in zip(ops, answer.get("answers", [answer] * len(ops)), strict=True):
            settle(load, op, own)


async def operate(load: Load, client: str, f: str, key: str, site: int, dice: Random, **more: object) -> Op:
    """Asks one child of the site, and writes it down."""
    op = Op(next(NUMBERS), client, site, f, key, load.now())
    for name, value in more.items():
        setattr(op, name, value)
    load.history.begin(op)
    words = {name: getattr(op, name) for name in ("key", "field", "value", "ttl", "acknowledge", "condition")}
    settle(load, op, await asked(dice.choice(load.place.at(site)), f, **words))
    return op


async def asked(child: Child, f: str, **words: object) -> Message:
    """Its answer, whatever happens."""
    try:
        return await child.door.ask(f, **words)
    except Unreachable as error:
        return {"outcome": "fail", "error": str(error)}
    except Unanswered as error:
        return {"outcome": "info", "error": str(error)}


def settle(load: Load, op: Op, answer: Message) -> None:
    """Writes down what became of it."""
    op.error, op.stamp, op.done = answer.get("error", ""), answer.get("stamp", ""), answer.get("done", False)
    op.acknowledge = answer.get("acknowledge", op.acknowledge)
    op.seen = answer["fields"].get(op.field) if "fields" in answer else answer.get("seen")
    outcome = answer["outcome"]
    load.history.end(op, load.now(), "fail" if op.f == "get" and outcome == "info" else outcome)


async def registers(client: Client) -> None:
    """Plain values that everybody overwrites; and one in four that nobody does, so that nothing can hide its loss."""
    mode, value, chance = client.mode(), client.value(), client.dice.random()
    key = f"reg:{mode}:{value if chance < 0.25 else client.dice.randrange(REGISTERS)}"
    if chance > 0.6:
        await client.do("get", key, site=client.anywhere())
    else:
        await client.do("put", key, site=client.anywhere(), value=value, ttl=LONG, acknowledge=mode)


async def pipelines(client: Client) -> None:
    """Plain values by the handful, as a pipeline of SETs."""
    keys = client.dice.sample(range(REGISTERS), TOGETHER)
    await client.put_all({f"pipe:{key}": client.value() for key in keys}, client.anywhere())


async def life_cycle(client: Client) -> None:
    """A session from its beginning to its end, and what comes too late. Logging in again takes a new one."""
    key = f"life:{client.value()}"
    ttl = client.dice.choice((SHORT, LONG))
    born = await client.do("put", key, value=client.value(), ttl=ttl, acknowledge=client.mode())
    for _ in range(client.dice.randrange(4)):
        await client.do("touch", key, site=client.anywhere(), ttl=ttl)
    await client.do("get", key, site=client.anywhere())
    if client.dice.random() < 0.7:
        await client.do("delete", key, site=client.anywhere())
    if client.dice.random() < 0.5:
        await client.do("touch", key, site=client.anywhere(), ttl=ttl)
    if born.stamp and client.dice.random() < 0.3:
        await client.do("put", key, site=client.anywhere(), value=client.value(), ttl=ttl, condition=born.stamp)
    await client.do("get", key, site=client.anywhere())


async def hashes(client: Client) -> None:
    """Each client has a field of its own in every hash, and writes it at either site."""
    number = client.dice.randrange(HASHES)
    mode = "all" if number % 2 else "local"
    key, field = f"hash:{mode}:{number}", f"of-{client.name}"
    if client.dice.random() < 0.3:
        await client.do("get", key, site=client.anywhere(), field=field)
    else:
        write = {"field": field, "value": client.value(), "ttl": LONG, "acknowledge": mode}
        await client.do("put_fields", key, site=client.anywhere(), **write)


async def locks(client: Client) -> None:
    """As PHP does around a request: take the lock, work, give it back."""
    key, token = f"lock:{client.site}:{client.dice.randrange(LOCKS)}", client.value()
    taken = await client.do("lock", key, value=token, ttl=LOCK_TTL)
    if taken.outcome != "fail" and (taken.done or taken.outcome == "info"):
        await client.do("unlock", key, value=token)


Workload = Callable[[Client], Awaitable[None]]
WORKLOADS: Mapping[str, Workload] = {
    "register": registers,
    "life cycle": life_cycle,
    "hash": hashes,
    "lock": locks,
    "pipeline": pipelines,
}


async def work(client: Client, workload: Workload) -> None:
    """Until the load stops."""
    while not client.is_over:
        await workload(client)
